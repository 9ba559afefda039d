//! Every SQL statement on referrals, their history and its notes. Reads take the case and its person with them, in the
//! same statement.
pub mod clock;
pub mod details;
pub mod history;
pub mod list;
pub mod scene;
pub mod search;
pub mod talk;
pub mod worklist;

pub use self::scene::Scene;
use self::scene::{SceneRow, scene};
use super::rules::{ReferralId, ReferralStatus, Sides};
use crate::access::rules::{AgencyId, Caller, ClientId, Sight, VolunteerId};
use crate::cases::rules::{CaseId, Urgency};
use crate::cases::store::Filter;
use crate::codes::rules::Code;
use crate::platform::db::Conn;
use crate::platform::db::sql::{Columns, Known, coalesce};
use crate::platform::region_code::{RegionCode, RegionLevel};
use crate::schema::{case_people, cases, referrals, source_systems};
use chrono::{DateTime, NaiveDate, Utc};
use diesel::dsl::exists;
use diesel::expression::SelectableExpression;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

/// A referral as stored; it does not tell who the person is.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = referrals, check_for_backend(diesel::pg::Pg), treat_none_as_default_value = false)]
pub struct Referral {
    /// Its id.
    pub id: ReferralId,
    /// The case that it asks for.
    pub case_id: CaseId,
    /// Of the case.
    pub province_code: RegionCode,
    /// Of the case.
    pub regency_code: RegionCode,
    /// Of the case.
    pub district_code: RegionCode,
    /// Of the case.
    pub village_code: RegionCode,
    /// Who reported the case.
    pub reporter_agency_id: AgencyId,
    /// The case's volunteer.
    pub volunteer_id: Option<VolunteerId>,
    /// The case is about specific personal data.
    pub sensitive: bool,
    /// The consent was taken back.
    pub restricted: bool,
    /// Who asks.
    pub sender_agency_id: AgencyId,
    /// Who is asked.
    pub receiver_agency_id: AgencyId,
    /// Branch that has claimed it.
    pub handler_agency_id: Option<AgencyId>,
    /// Branches that may claim it; none once it has ended unclaimed.
    pub pool_agency_ids: Vec<AgencyId>,
    /// For what.
    pub service: Code,
    /// How much it hurries.
    pub urgency: Urgency,
    /// First day of the month in which it was sent.
    pub month: NaiveDate,
    /// Where it stands.
    pub status: ReferralStatus,
    /// Since when.
    pub status_since: DateTime<Utc>,
    /// By whom; none: the clock.
    pub status_agency_id: Option<AgencyId>,
    /// Where it stood before it was held.
    pub held_from: Option<ReferralStatus>,
    /// Why it is held.
    pub hold_reason: Option<Code>,
    /// When to look again.
    pub hold_review_on: Option<NaiveDate>,
    /// Where it stood before it ended.
    pub ended_from: Option<ReferralStatus>,
    /// List of the reason.
    pub reason_list: Option<String>,
    /// Why it ended.
    pub reason: Option<Code>,
    /// How it was completed.
    pub outcome: Option<Code>,
    /// When the person was served.
    pub served_on: Option<NaiveDate>,
    /// The receiver's own number of it.
    pub partner_reference: Option<String>,
    /// When the receiver means to be done.
    pub due_on: Option<NaiveDate>,
    /// When the person is expected.
    pub appointment_at: Option<DateTime<Utc>>,
    /// Receiver of the referral before.
    pub forwarded_by: Option<AgencyId>,
    /// The referral before.
    pub previous_referral_id: Option<ReferralId>,
    /// Every receiver so far.
    pub chain: Vec<AgencyId>,
    /// Without an answer by then it expires.
    pub expires_at: Option<DateTime<Utc>>,
    /// To be acknowledged by then.
    pub acknowledge_by: Option<DateTime<Utc>>,
    /// To be answered by then.
    pub answer_by: Option<DateTime<Utc>>,
    /// To be completed by then.
    pub complete_by: Option<DateTime<Utc>>,
    /// Half of the time for an answer is over.
    pub remind_at: Option<DateTime<Utc>>,
    /// One and a half times of it are.
    pub escalate_2_at: Option<DateTime<Utc>>,
    /// Twice of it is.
    pub escalate_3_at: Option<DateTime<Utc>>,
    /// When the clock does the next of these.
    pub tick_at: Option<DateTime<Utc>>,
    /// How often its receiver was reminded.
    pub reminders: i16,
    /// How high it was escalated.
    pub escalation_level: i16,
    /// When last.
    pub escalated_at: Option<DateTime<Utc>>,
    /// When somebody must do something next.
    #[diesel(skip_insertion)]
    pub due_at: Option<DateTime<Utc>>,
    /// How much its sides have said to each other.
    #[diesel(skip_insertion)]
    pub comments: i32,
    /// What the sender has not answered.
    #[diesel(skip_insertion)]
    pub questions_to_sender: Option<i16>,
    /// What the receiver has not answered.
    #[diesel(skip_insertion)]
    pub questions_to_receiver: Option<i16>,
    /// Raised by every change.
    pub version: i32,
    /// Client that created it.
    pub created_by: ClientId,
    /// Digest of the create.
    pub create_request: Vec<u8>,
    /// When.
    pub created_at: DateTime<Utc>,
    /// Last change.
    pub updated_at: DateTime<Utc>,
}

impl Referral {
    /// Who is party to it.
    pub fn sides(&self) -> Sides<'_> {
        Sides {
            sender: self.sender_agency_id,
            receiver: self.receiver_agency_id,
            handler: self.handler_agency_id,
            pool: &self.pool_agency_ids,
        }
    }
}

const OPEN: [ReferralStatus; 5] = [
    ReferralStatus::Submitted,
    ReferralStatus::Received,
    ReferralStatus::Accepted,
    ReferralStatus::InProgress,
    ReferralStatus::OnHold,
];

/// Referrals that this caller sees. What was entered in error is seen by its sender and the ministry only. A government sees those of its
/// region, and what it sent or received wherever that lies: it may have got another region since.
pub fn visible_to<Source>(caller: &Caller) -> Filter<Source>
where
    referrals::province_code: SelectableExpression<Source>,
    referrals::regency_code: SelectableExpression<Source>,
    referrals::district_code: SelectableExpression<Source>,
    referrals::village_code: SelectableExpression<Source>,
    referrals::sensitive: SelectableExpression<Source>,
    referrals::status: SelectableExpression<Source>,
    referrals::reporter_agency_id: SelectableExpression<Source>,
    referrals::sender_agency_id: SelectableExpression<Source>,
    referrals::receiver_agency_id: SelectableExpression<Source>,
    referrals::handler_agency_id: SelectableExpression<Source>,
    referrals::pool_agency_ids: SelectableExpression<Source>,
    referrals::claimable: SelectableExpression<Source>,
    referrals::volunteer_id: SelectableExpression<Source>,
    Source: 'static,
{
    match &caller.sight {
        Sight::Region(_) => Box::new(lies_within_sight(caller).or(is_party(caller))),
        _ => lies_within_sight(caller),
    }
}

/// Referrals that this caller, a government, sent or received.
pub fn is_party<Source>(caller: &Caller) -> Filter<Source>
where
    referrals::status: SelectableExpression<Source>,
    referrals::sender_agency_id: SelectableExpression<Source>,
    referrals::receiver_agency_id: SelectableExpression<Source>,
    Source: 'static,
{
    let sent = referrals::sender_agency_id.eq(caller.agency);
    let received = referrals::receiver_agency_id.eq(caller.agency);
    Box::new(sent.or(received.and(referrals::status.ne(ReferralStatus::EnteredInError))))
}

/// Referrals that this caller sees for where they lie or to whom they are addressed: of a government all but what lies outside its
/// region. One index finds them in their order; what [`visible_to`] adds to that would be looked for in all rows.
pub fn lies_within_sight<Source>(caller: &Caller) -> Filter<Source>
where
    referrals::province_code: SelectableExpression<Source>,
    referrals::regency_code: SelectableExpression<Source>,
    referrals::district_code: SelectableExpression<Source>,
    referrals::village_code: SelectableExpression<Source>,
    referrals::sensitive: SelectableExpression<Source>,
    referrals::status: SelectableExpression<Source>,
    referrals::reporter_agency_id: SelectableExpression<Source>,
    referrals::sender_agency_id: SelectableExpression<Source>,
    referrals::receiver_agency_id: SelectableExpression<Source>,
    referrals::handler_agency_id: SelectableExpression<Source>,
    referrals::pool_agency_ids: SelectableExpression<Source>,
    referrals::claimable: SelectableExpression<Source>,
    referrals::volunteer_id: SelectableExpression<Source>,
    Source: 'static,
{
    let meant = referrals::status.ne(ReferralStatus::EnteredInError);
    let sent = referrals::sender_agency_id.eq(caller.agency);
    match &caller.sight {
        Sight::Everything => Box::new(true.into_sql::<Bool>()),
        // As of cases: a village learns of a sensitive one only if it reported it; that it is party to one it knows.
        Sight::Region(village) if village.level() == RegionLevel::Village => {
            let reported = referrals::reporter_agency_id.eq(caller.agency);
            let told = referrals::sensitive.eq(false).or(reported).or(is_party(caller));
            Box::new(referrals::village_code.eq(village.clone()).and(told).and(meant.or(sent)))
        }
        Sight::Region(region) => Box::new(in_region(region).and(meant.or(sent))),
        Sight::Addressed(agencies) => {
            Box::new(received_by(agencies, caller.branch.then_some(caller.agency)).and(meant))
        }
        Sight::Own(volunteer) => Box::new(Known(referrals::volunteer_id.eq(*volunteer)).and(meant)),
    }
}

/// Referrals that one of these has to answer: addressed to it, claimed by it, or open to it as to other branches.
pub fn received_by<Source>(agencies: &[AgencyId], branch: Option<AgencyId>) -> Filter<Source>
where
    referrals::receiver_agency_id: SelectableExpression<Source>,
    referrals::handler_agency_id: SelectableExpression<Source>,
    referrals::pool_agency_ids: SelectableExpression<Source>,
    referrals::claimable: SelectableExpression<Source>,
    Source: 'static,
{
    let addressed: Filter<Source> = match agencies {
        [one] => Box::new(referrals::receiver_agency_id.eq(*one)),
        some => Box::new(referrals::receiver_agency_id.eq_any(some.to_vec())),
    };
    match branch {
        Some(branch) => Box::new(addressed.or(handled_by(branch)).or(open_to(branch))),
        None => addressed,
    }
}

/// Referrals that this branch has claimed.
pub fn handled_by<Source>(branch: AgencyId) -> Filter<Source>
where
    referrals::handler_agency_id: SelectableExpression<Source>,
    Source: 'static,
{
    Box::new(Known(referrals::handler_agency_id.eq(branch)))
}

/// Referrals that this branch may claim.
pub fn open_to<Source>(branch: AgencyId) -> Filter<Source>
where
    referrals::handler_agency_id: SelectableExpression<Source>,
    referrals::pool_agency_ids: SelectableExpression<Source>,
    referrals::claimable: SelectableExpression<Source>,
    Source: 'static,
{
    // How few there are to claim the planner knows of a column. Of an array it expects one in two hundred to hold what is bound later, and
    // would sort all that is found.
    let pool = coalesce(referrals::pool_agency_ids.contains(vec![branch]), false);
    Box::new(referrals::claimable.and(pool))
}

/// Referrals in a region: one equality, whatever its level.
pub fn in_region<Source>(region: &RegionCode) -> Filter<Source>
where
    referrals::province_code: SelectableExpression<Source>,
    referrals::regency_code: SelectableExpression<Source>,
    referrals::district_code: SelectableExpression<Source>,
    referrals::village_code: SelectableExpression<Source>,
{
    match region.level() {
        RegionLevel::Province => Box::new(referrals::province_code.eq(region.clone())),
        RegionLevel::Regency => Box::new(referrals::regency_code.eq(region.clone())),
        RegionLevel::District => Box::new(referrals::district_code.eq(region.clone())),
        RegionLevel::Village => Box::new(referrals::village_code.eq(region.clone())),
    }
}

/// One referral with all that it is decided by.
pub async fn find(conn: &mut &Conn, caller: &Caller, id: ReferralId) -> QueryResult<Scene> {
    let row: SceneRow = referrals::table
        .inner_join(cases::table.inner_join(case_people::table))
        .inner_join(source_systems::table)
        .filter(visible_to(caller))
        .filter(referrals::id.eq(id))
        .select(scene())
        .first(conn)
        .await?;
    Ok(row.into())
}

/// Where a referral stands, and its version.
pub async fn standing(conn: &mut Conn, id: ReferralId) -> QueryResult<(ReferralStatus, i32)> {
    referrals::table.find(id).select((referrals::status, referrals::version)).first(conn).await
}

/// Holds a referral until the transaction ends; read it after that.
pub async fn lock(conn: &mut Conn, caller: &Caller, id: ReferralId) -> QueryResult<()> {
    let query = referrals::table.filter(visible_to(caller)).filter(referrals::id.eq(id)).select(referrals::id);
    query.for_update().first::<ReferralId>(conn).await.map(drop)
}

/// The case of a referral that the caller sees.
pub async fn case_of(conn: &mut Conn, caller: &Caller, id: ReferralId) -> QueryResult<CaseId> {
    referrals::table
        .filter(visible_to(caller))
        .filter(referrals::id.eq(id))
        .select(referrals::case_id)
        .first(conn)
        .await
}

/// A referral of a create, whoever sees it, held.
pub async fn lock_any(conn: &mut Conn, id: ReferralId) -> QueryResult<Referral> {
    referrals::table.find(id).select(Referral::columns()).for_update().first(conn).await
}

/// The referral that a case was created with, or the first one sent later.
pub async fn first_of(conn: &mut Conn, case: CaseId) -> QueryResult<Option<ReferralId>> {
    let query = referrals::table.filter(referrals::case_id.eq(case)).order((referrals::created_at, referrals::id));
    query.select(referrals::id).first(conn).await.optional()
}

/// Whether this target has been asked for the case before, whatever became of it.
pub async fn asked(conn: &mut Conn, case: CaseId, target: AgencyId) -> QueryResult<bool> {
    let asked = referrals::table.filter(referrals::case_id.eq(case).and(referrals::receiver_agency_id.eq(target)));
    diesel::select(exists(asked)).get_result(conn).await
}

/// The open referrals of a case that is locked, held too, in the order of their ids.
pub async fn lock_open(conn: &mut Conn, case: CaseId) -> QueryResult<Vec<Referral>> {
    referrals::table
        .filter(referrals::case_id.eq(case))
        .filter(referrals::status.eq_any(OPEN))
        .select(Referral::columns())
        .order(referrals::id)
        .for_update()
        .load(conn)
        .await
}

/// The referrals of a case that is locked, held too, in the order of their ids.
pub async fn lock_all(conn: &mut Conn, case: CaseId) -> QueryResult<Vec<Referral>> {
    referrals::table
        .filter(referrals::case_id.eq(case))
        .select(Referral::columns())
        .order(referrals::id)
        .for_update()
        .load(conn)
        .await
}

/// Gives the referrals of one volunteer (only these, if some are named) to another; returns them as they are now.
pub async fn reassign(
    conn: &mut Conn,
    from: VolunteerId,
    to: VolunteerId,
    only: Option<&[Uuid]>,
    now: DateTime<Utc>,
) -> QueryResult<Vec<Referral>> {
    let everything = only.is_none().into_sql::<Bool>();
    let named = everything.or(referrals::id.eq_any(only.unwrap_or_default()));
    diesel::update(referrals::table.filter(referrals::volunteer_id.eq(from)).filter(named))
        .set((
            referrals::volunteer_id.eq(to),
            referrals::version.eq(referrals::version + 1),
            referrals::updated_at.eq(now),
        ))
        .returning(Referral::columns())
        .get_results(conn)
        .await
}

/// Gives the referrals of a case that is locked to a volunteer, or to none; returns each as it was and as it is now.
pub async fn give(
    conn: &mut Conn,
    case: CaseId,
    to: Option<VolunteerId>,
    now: DateTime<Utc>,
) -> QueryResult<Vec<(Referral, Referral)>> {
    let mut given = vec![];
    for was in lock_all(conn, case).await? {
        let update = diesel::update(referrals::table.find(was.id)).set((
            referrals::volunteer_id.eq(to),
            referrals::version.eq(referrals::version + 1),
            referrals::updated_at.eq(now),
        ));
        given.push((was, update.returning(Referral::columns()).get_result(conn).await?));
    }
    Ok(given)
}

/// Which referrals of these cases a volunteer has.
pub async fn of_cases(conn: &mut Conn, cases: &[Uuid], volunteer: VolunteerId) -> QueryResult<Vec<Uuid>> {
    let of_cases = referrals::table.filter(referrals::case_id.eq_any(cases));
    of_cases.filter(referrals::volunteer_id.eq(volunteer)).select(referrals::id).load(conn).await
}

/// Notes that what is shown of a referral has changed, though nothing of its own: who asks for what was changed since is told.
pub async fn touch(conn: &mut Conn, id: ReferralId, now: DateTime<Utc>) -> QueryResult<()> {
    let touched = diesel::update(referrals::table.find(id)).set(referrals::updated_at.eq(now));
    touched.execute(conn).await.map(drop)
}

/// Inserts a referral.
pub async fn create(conn: &mut Conn, referral: &Referral) -> QueryResult<Referral> {
    let insert = diesel::insert_into(referrals::table).values(referral);
    insert.returning(Referral::columns()).get_result(conn).await
}

/// Writes what a move changes of a referral that is locked, and raises its version. What was read of another version finds no
/// row, whatever was locked.
pub async fn save(conn: &mut Conn, referral: &Referral, now: DateTime<Utc>) -> QueryResult<Referral> {
    diesel::update(referrals::table.find(referral.id).filter(referrals::version.eq(referral.version)))
        .set((
            (
                referrals::status.eq(referral.status),
                referrals::status_since.eq(referral.status_since),
                referrals::status_agency_id.eq(referral.status_agency_id),
                referrals::handler_agency_id.eq(referral.handler_agency_id),
                referrals::pool_agency_ids.eq(&referral.pool_agency_ids),
                referrals::sensitive.eq(referral.sensitive),
                referrals::restricted.eq(referral.restricted),
            ),
            (
                referrals::held_from.eq(referral.held_from),
                referrals::hold_reason.eq(&referral.hold_reason),
                referrals::hold_review_on.eq(referral.hold_review_on),
                referrals::ended_from.eq(referral.ended_from),
            ),
            (
                referrals::reason_list.eq(&referral.reason_list),
                referrals::reason.eq(&referral.reason),
                referrals::outcome.eq(&referral.outcome),
                referrals::served_on.eq(referral.served_on),
            ),
            (
                referrals::partner_reference.eq(&referral.partner_reference),
                referrals::due_on.eq(referral.due_on),
                referrals::appointment_at.eq(referral.appointment_at),
                referrals::expires_at.eq(referral.expires_at),
            ),
            (
                (referrals::acknowledge_by.eq(referral.acknowledge_by), referrals::answer_by.eq(referral.answer_by)),
                (referrals::complete_by.eq(referral.complete_by), referrals::remind_at.eq(referral.remind_at)),
                referrals::escalate_2_at.eq(referral.escalate_2_at),
                referrals::escalate_3_at.eq(referral.escalate_3_at),
                (referrals::tick_at.eq(referral.tick_at), referrals::reminders.eq(referral.reminders)),
                referrals::escalation_level.eq(referral.escalation_level),
                referrals::escalated_at.eq(referral.escalated_at),
            ),
            (referrals::version.eq(referrals::version + 1), referrals::updated_at.eq(now)),
        ))
        .returning(Referral::columns())
        .get_result(conn)
        .await
}

//! Lists of referrals: one builder of filters for the page and its count.
use super::scene::{Scene, SceneRow, scene};
use super::{handled_by, in_region, is_party, lies_within_sight, open_to, received_by};
use crate::access::rules::{AgencyId, Caller, Sight};
use crate::cases::rules::{CaseId, Urgency};
use crate::cases::store::Filter;
use crate::codes::rules::Code;
use crate::platform::db::Conn;
use crate::platform::db::sql::{Known, coalesce};
use crate::platform::region_code::RegionCode;
use crate::referrals::rules::{Period, ReferralId, ReferralStatus, talk::ANSWERED};
use crate::schema::{case_people, cases, referrals, source_systems};
use chrono::{DateTime, Utc};
use diesel::expression::SelectableExpression;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use diesel_async::RunQueryDsl;

/// Which referrals of those visible.
#[derive(Debug, Default, Clone)]
pub struct Wanted {
    /// Sent by one of these.
    pub sender: Vec<AgencyId>,
    /// Addressed to one of these.
    pub receiver: Vec<AgencyId>,
    /// Or, beside these, claimed by this branch or open to it.
    pub branch: Option<AgencyId>,
    /// Claimed by this branch.
    pub handler: Option<AgencyId>,
    /// Open to this branch as to others.
    pub pool: Option<AgencyId>,
    /// In one of these states; none: any but entered in error.
    pub status: Vec<ReferralStatus>,
    /// For this service.
    pub service: Option<Code>,
    /// In this region.
    pub region: Option<RegionCode>,
    /// That hurry so much.
    pub urgency: Option<Urgency>,
    /// Changed at or after.
    pub updated_from: Option<DateTime<Utc>>,
    /// Sent in this month or year.
    pub period: Option<Period>,
    /// Of this case.
    pub case: Option<CaseId>,
    /// Due before this moment.
    pub due_before: Option<DateTime<Utc>>,
    /// Escalated so high, or higher.
    pub escalated: Option<i16>,
    /// Ended at or after.
    pub ended_from: Option<DateTime<Utc>>,
    /// With an open question.
    pub awaiting: Option<Awaited>,
}

/// Whose answer is waited for, of what can still be answered.
#[derive(Debug, Clone, Copy)]
pub struct Awaited {
    /// That of the side that is asked for, or of the other one; none: of any.
    pub of: Option<(Asker, bool)>,
    /// What ended before is talked about no more.
    pub ended_from: DateTime<Utc>,
}

/// Which side is asked for.
#[derive(Debug, Clone, Copy)]
pub enum Asker {
    /// The sender's: the caller sees nothing but its own.
    Sender,
    /// The receiver's, likewise.
    Receiver,
    /// Each that this agency is on.
    Agency(AgencyId),
}

/// Where the page before ended.
#[derive(Debug, Clone, Copy, serde::Serialize, serde::Deserialize)]
pub enum After {
    /// In the order of creation, newest first.
    Newest(DateTime<Utc>, ReferralId),
    /// In the order of what is due, soonest first.
    Due(DateTime<Utc>, ReferralId),
    /// In the order of the last changes, oldest first.
    Changed(DateTime<Utc>, ReferralId),
}

/// In which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Newest first.
    Newest,
    /// What is due soonest first; what is not due is left out.
    Due,
    /// What was changed longest ago first.
    Changed,
}

/// The filters of the list; the one builder for list and count.
fn only<Source: 'static>(wanted: &Wanted) -> Filter<Source>
where
    referrals::province_code: SelectableExpression<Source>,
    referrals::regency_code: SelectableExpression<Source>,
    referrals::district_code: SelectableExpression<Source>,
    referrals::village_code: SelectableExpression<Source>,
    referrals::sender_agency_id: SelectableExpression<Source>,
    referrals::receiver_agency_id: SelectableExpression<Source>,
    referrals::handler_agency_id: SelectableExpression<Source>,
    referrals::pool_agency_ids: SelectableExpression<Source>,
    referrals::claimable: SelectableExpression<Source>,
    referrals::status: SelectableExpression<Source>,
    referrals::service: SelectableExpression<Source>,
    referrals::urgency: SelectableExpression<Source>,
    referrals::updated_at: SelectableExpression<Source>,
    referrals::month: SelectableExpression<Source>,
    referrals::case_id: SelectableExpression<Source>,
    referrals::reporter_agency_id: SelectableExpression<Source>,
    referrals::restricted: SelectableExpression<Source>,
    referrals::questions_to_sender: SelectableExpression<Source>,
    referrals::questions_to_receiver: SelectableExpression<Source>,
    referrals::due_at: SelectableExpression<Source>,
    referrals::escalated_at: SelectableExpression<Source>,
    referrals::escalation_level: SelectableExpression<Source>,
    referrals::ended_from: SelectableExpression<Source>,
    referrals::status_since: SelectableExpression<Source>,
{
    let mut all: Filter<Source> = match wanted.status.as_slice() {
        [] => Box::new(referrals::status.ne(ReferralStatus::EnteredInError)),
        [one] => Box::new(referrals::status.eq(*one)),
        some => Box::new(referrals::status.eq_any(some.to_vec())),
    };
    match wanted.sender.as_slice() {
        [] => {}
        [one] => all = Box::new(all.and(referrals::sender_agency_id.eq(*one))),
        some => all = Box::new(all.and(referrals::sender_agency_id.eq_any(some.to_vec()))),
    }
    if !wanted.receiver.is_empty() {
        all = Box::new(all.and(received_by(&wanted.receiver, wanted.branch)));
    }
    if let Some(branch) = wanted.handler {
        all = Box::new(all.and(handled_by(branch)));
    }
    if let Some(branch) = wanted.pool {
        all = Box::new(all.and(open_to(branch)));
    }
    if let Some(region) = &wanted.region {
        all = Box::new(all.and(in_region::<Source>(region)));
    }
    if let Some(service) = &wanted.service {
        all = Box::new(all.and(referrals::service.eq(service.clone())));
    }
    if let Some(urgency) = wanted.urgency {
        all = Box::new(all.and(referrals::urgency.eq(urgency)));
    }
    all = Box::new(all.and(timely(wanted)));
    if let Some(case) = wanted.case {
        all = Box::new(all.and(referrals::case_id.eq(case)));
    }
    Box::new(all.and(awaiting(wanted.awaiting)))
}

/// With a question that can still be answered.
fn awaiting<Source: 'static>(awaited: Option<Awaited>) -> Filter<Source>
where
    referrals::status: SelectableExpression<Source>,
    referrals::status_since: SelectableExpression<Source>,
    referrals::ended_from: SelectableExpression<Source>,
    referrals::restricted: SelectableExpression<Source>,
    referrals::sender_agency_id: SelectableExpression<Source>,
    referrals::receiver_agency_id: SelectableExpression<Source>,
    referrals::reporter_agency_id: SelectableExpression<Source>,
    referrals::questions_to_sender: SelectableExpression<Source>,
    referrals::questions_to_receiver: SelectableExpression<Source>,
{
    match awaited {
        Some(awaited) => Box::new(talked_about(awaited.ended_from).and(asked(awaited))),
        None => Box::new(true.into_sql::<Bool>()),
    }
}

/// What is open, or was answered so lately that it may still be asked about.
fn talked_about<Source: 'static>(ended_from: DateTime<Utc>) -> Filter<Source>
where
    referrals::status: SelectableExpression<Source>,
    referrals::status_since: SelectableExpression<Source>,
    referrals::ended_from: SelectableExpression<Source>,
    referrals::restricted: SelectableExpression<Source>,
{
    let lately = referrals::status.eq_any(ANSWERED).and(referrals::status_since.gt(ended_from));
    let open = referrals::ended_from.is_null();
    Box::new(open.or(lately).and(referrals::restricted.eq(false)))
}

/// With a question whose answer is waited for.
fn asked<Source: 'static>(awaited: Awaited) -> Filter<Source>
where
    referrals::sender_agency_id: SelectableExpression<Source>,
    referrals::receiver_agency_id: SelectableExpression<Source>,
    referrals::reporter_agency_id: SelectableExpression<Source>,
    referrals::questions_to_sender: SelectableExpression<Source>,
    referrals::questions_to_receiver: SelectableExpression<Source>,
{
    let any = referrals::questions_to_sender.is_not_null().or(referrals::questions_to_receiver.is_not_null());
    let one = |sender: bool| -> Filter<Source> {
        if sender {
            Box::new(referrals::questions_to_sender.is_not_null())
        } else {
            Box::new(referrals::questions_to_receiver.is_not_null())
        }
    };
    let Some((asker, own)) = awaited.of else { return Box::new(any) };
    match asker {
        Asker::Sender => Box::new(any.and(one(own))),
        Asker::Receiver => Box::new(any.and(one(!own))),
        Asker::Agency(agency) => {
            let sent = referrals::sender_agency_id.eq(agency).or(referrals::reporter_agency_id.eq(agency));
            let received = referrals::receiver_agency_id.eq(agency);
            Box::new(any.and(sent.and(one(own)).or(received.and(one(!own)))))
        }
    }
}

/// Those of the filters that speak of time. What is null or not, the planner can tell from the condition of a partial index; a value
/// that is bound later it cannot.
fn timely<Source: 'static>(wanted: &Wanted) -> Filter<Source>
where
    referrals::updated_at: SelectableExpression<Source>,
    referrals::month: SelectableExpression<Source>,
    referrals::due_at: SelectableExpression<Source>,
    referrals::escalated_at: SelectableExpression<Source>,
    referrals::escalation_level: SelectableExpression<Source>,
    referrals::ended_from: SelectableExpression<Source>,
    referrals::status_since: SelectableExpression<Source>,
{
    let mut all: Filter<Source> = Box::new(true.into_sql::<Bool>());
    if let Some(from) = wanted.updated_from {
        all = Box::new(all.and(referrals::updated_at.ge(from)));
    }
    if let Some(period) = &wanted.period {
        let (from, until) = period.months();
        all = Box::new(all.and(referrals::month.ge(from).and(referrals::month.lt(until))));
    }
    if !wanted.status.is_empty() && wanted.status.iter().all(|status| status.is_open()) {
        all = Box::new(all.and(referrals::ended_from.is_null()));
    }
    if let Some(before) = wanted.due_before {
        all = Box::new(all.and(Known(referrals::due_at.lt(before)).and(referrals::due_at.is_not_null())));
    }
    if let Some(level) = wanted.escalated {
        all = Box::new(all.and(referrals::escalated_at.is_not_null().and(referrals::escalation_level.ge(level))));
    }
    if let Some(from) = wanted.ended_from {
        all = Box::new(all.and(referrals::ended_from.is_not_null().and(referrals::status_since.ge(from))));
    }
    all
}

impl Wanted {
    /// Whether so few rows of the country may answer that reading on until the page is full takes too long for an answer: then the list is
    /// planned for its values.
    pub fn may_be_rare(&self, caller: &Caller) -> bool {
        let narrowed = !self.status.is_empty() || self.service.is_some();
        caller.sight == Sight::Everything && narrowed && self.receiver.is_empty() && self.case.is_none()
    }

    /// Whether it says itself whose all rows are. For who sees just these it says so a second time: the planner takes the one for independent of
    /// the other, expects no row at all, and sorts all there are for the first few, or reads all that the caller has for the few it may claim.
    fn says_whose(&self) -> bool {
        self.receiver.len() == 1 || self.sender.len() == 1 || self.handler.is_some() || self.pool.is_some()
    }
}

/// What a list shows of what the caller sees: all of its own sides, otherwise what lies in its region.
fn listed<Source: 'static>(caller: &Caller, wanted: &Wanted) -> Filter<Source>
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
{
    let own = [&wanted.sender, &wanted.receiver].iter().any(|side| side.as_slice() == [caller.agency]);
    if own && matches!(caller.sight, Sight::Region(_)) { is_party(caller) } else { lies_within_sight(caller) }
}

/// One page in its order.
pub async fn list(
    conn: &mut &Conn,
    caller: &Caller,
    wanted: &Wanted,
    order: Order,
    after: Option<After>,
    limit: i64,
) -> QueryResult<Vec<Scene>> {
    let visible = listed(caller, wanted);
    let visible = if wanted.says_whose() { Box::new(coalesce(visible, false)) } else { visible };
    let mut query = referrals::table
        .inner_join(cases::table.inner_join(case_people::table))
        .inner_join(source_systems::table)
        .filter(visible)
        .filter(only(wanted))
        .select(scene())
        .limit(limit)
        .into_boxed();
    query = match order {
        Order::Due => {
            query.filter(referrals::due_at.is_not_null()).order((referrals::due_at.asc(), referrals::id.asc()))
        }
        Order::Changed => query.order((referrals::updated_at.asc(), referrals::id.asc())),
        Order::Newest => query.order((referrals::created_at.desc(), referrals::id.desc())),
    };
    match after {
        Some(After::Newest(at, id)) => {
            let rest = referrals::created_at.lt(at).or(referrals::id.lt(id));
            query = query.filter(referrals::created_at.le(at).and(rest));
        }
        Some(After::Due(at, id)) => {
            let rest = referrals::due_at.gt(at).or(referrals::id.gt(id));
            query = query.filter(referrals::due_at.ge(at).and(rest));
        }
        Some(After::Changed(at, id)) => {
            let rest = referrals::updated_at.gt(at).or(referrals::id.gt(id));
            query = query.filter(referrals::updated_at.ge(at).and(rest));
        }
        None => {}
    }
    let rows: Vec<SceneRow> = query.load(conn).await?;
    Ok(rows.into_iter().map(Scene::from).collect())
}

/// How many the whole list has.
pub async fn count(conn: &mut &Conn, caller: &Caller, wanted: &Wanted, order: Order) -> QueryResult<i64> {
    let visible = listed(caller, wanted);
    let visible = if wanted.receiver.is_empty() { visible } else { Box::new(coalesce(visible, false)) };
    let mut query = referrals::table.filter(visible).filter(only(wanted)).count().into_boxed();
    if order == Order::Due {
        query = query.filter(referrals::due_at.is_not_null());
    }
    query.get_result(conn).await
}

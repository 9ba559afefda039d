//! Every SQL statement on cases, their people, numbers and history.
pub mod alike;
pub mod documents;
pub mod list;
pub mod references;
pub mod sealed;

use super::rules::{
    CaseAction, CaseId, CaseState, CommunicationNeed, ConsentBy, ConsentMethod, LawfulBasis, Relation, Urgency,
    number as case_number,
};
use crate::access::rules::{AgencyId, Caller, ClientId, Sight, VolunteerId};
use crate::codes::rules::Code;
use crate::documents::rules::DocumentId;
use crate::platform::db::Conn;
use crate::platform::db::sql::{Columns, Known, pg_advisory_xact_lock};
use crate::platform::nik::{NikStatus, Sex};
use crate::platform::person::AgeBand;
use crate::platform::region_code::{RegionCode, RegionLevel};
use crate::schema::{case_history, case_numbers, case_people, cases};
use chrono::{DateTime, NaiveDate, Utc};
use diesel::dsl::InnerJoinQuerySource;
use diesel::expression::{BoxableExpression, SelectableExpression};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

/// A case as stored; it does not tell who the person is.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = cases, check_for_backend(diesel::pg::Pg), treat_none_as_default_value = false)]
pub struct Case {
    /// Its id.
    pub id: CaseId,
    /// Its human number.
    pub number: String,
    /// Open, closed or restricted.
    pub state: CaseState,
    /// Of the village.
    pub province_code: RegionCode,
    /// Of the village.
    pub regency_code: RegionCode,
    /// Of the village.
    pub district_code: RegionCode,
    /// Where the person lives or was found.
    pub village_code: RegionCode,
    /// Who reported it.
    pub reporter_agency_id: AgencyId,
    /// The volunteer who reported it and follows it.
    pub volunteer_id: Option<VolunteerId>,
    /// Categories of need.
    pub ppks: Vec<Code>,
    /// One of these is specific personal data.
    pub sensitive: bool,
    /// Field of service.
    pub service_field: Option<Code>,
    /// Sector.
    pub sector: Option<Code>,
    /// How much it hurries.
    pub urgency: Urgency,
    /// Why the data may be processed.
    pub lawful_basis: LawfulBasis,
    /// Who agreed.
    pub consent_by: Option<ConsentBy>,
    /// When.
    pub consent_on: Option<NaiveDate>,
    /// How it ended.
    pub outcome: Option<Code>,
    /// When it ended.
    pub closed_at: Option<DateTime<Utc>>,
    /// In this state since.
    pub state_since: DateTime<Utc>,
    /// By this agency.
    pub state_agency_id: AgencyId,
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
    /// Whoever contacts the person may endanger them.
    pub do_not_contact: bool,
    /// What who agreed is to the person, if not the person.
    pub consent_relation: Option<Relation>,
    /// How it was said.
    pub consent_method: Option<ConsentMethod>,
    /// Of a restricted one: when the consent was taken back.
    pub consent_withdrawn_on: Option<NaiveDate>,
    /// Time of the device on which it was written down.
    pub recorded_at: Option<DateTime<Utc>>,
    /// Documents that show that somebody agreed; kept by [`documents::keep_evidence`].
    #[diesel(skip_insertion)]
    pub consent_evidence_ids: Vec<DocumentId>,
}

/// Who the person of a case is. Leaves only through [`super::person::PersonView`].
#[derive(Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = case_people, check_for_backend(diesel::pg::Pg), treat_none_as_null = true, treat_none_as_default_value = false)]
pub struct CasePerson {
    /// Names the person in access records.
    pub id: Uuid,
    /// Their case.
    pub case_id: CaseId,
    /// Name.
    pub name: String,
    /// Sex.
    pub sex: Option<Sex>,
    /// Birth date, if it is known.
    pub birth_date: Option<NaiveDate>,
    /// Years, if it is not.
    pub age_estimate: Option<i16>,
    /// When that was.
    pub age_estimated_on: Option<NaiveDate>,
    /// How much is known of the NIK.
    pub nik_status: NikStatus,
    /// Encrypted.
    pub nik: Option<Vec<u8>>,
    /// Blind index.
    pub nik_index: Option<Vec<u8>>,
    /// What is shown.
    pub nik_last_four: Option<String>,
    /// Family card, encrypted.
    pub kk: Option<Vec<u8>>,
    /// Blind index.
    pub kk_index: Option<Vec<u8>>,
    /// What is shown.
    pub kk_last_four: Option<String>,
    /// BPJS card, encrypted.
    pub card: Option<Vec<u8>>,
    /// Blind index.
    pub card_index: Option<Vec<u8>>,
    /// What is shown.
    pub card_last_four: Option<String>,
    /// Address.
    pub address: Option<String>,
    /// Telephone.
    pub phone: Option<String>,
    /// Guardian.
    pub guardian_name: Option<String>,
    /// The guardian's telephone.
    pub guardian_phone: Option<String>,
    /// What it takes to talk with the person.
    pub communication_need: Option<CommunicationNeed>,
    /// What is needed, in words.
    pub need: String,
    /// Age, if neither birth date nor estimate is known.
    pub age_band: Option<AgeBand>,
    /// What the guardian is to the person.
    pub guardian_relation: Option<Relation>,
    /// Who is to be asked for instead.
    pub contact_name: Option<String>,
    /// The contact's telephone.
    pub contact_phone: Option<String>,
    /// What the contact is to the person.
    pub contact_relation: Option<Relation>,
}

impl std::fmt::Debug for CasePerson {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CasePerson({})", self.id)
    }
}

/// A condition on cases, alone or joined.
pub type Filter<Source> = Box<dyn BoxableExpression<Source, Pg, SqlType = Bool>>;
/// Cases with their people.
pub type WithPeople = InnerJoinQuerySource<cases::table, case_people::table>;

/// Cases that this caller sees. A source system sees a case only through its referral.
pub fn visible_to<Source>(caller: &Caller) -> Filter<Source>
where
    cases::province_code: SelectableExpression<Source>,
    cases::regency_code: SelectableExpression<Source>,
    cases::district_code: SelectableExpression<Source>,
    cases::village_code: SelectableExpression<Source>,
    cases::sensitive: SelectableExpression<Source>,
    cases::reporter_agency_id: SelectableExpression<Source>,
    cases::volunteer_id: SelectableExpression<Source>,
{
    match &caller.sight {
        Sight::Everything => Box::new(true.into_sql::<Bool>()),
        // Everyone knows everyone in a village: it learns of a child, an illness or a crime only if it reported the case.
        Sight::Region(village) if village.level() == RegionLevel::Village => {
            let told = cases::sensitive.eq(false).or(cases::reporter_agency_id.eq(caller.agency));
            Box::new(cases::village_code.eq(village.clone()).and(told))
        }
        Sight::Region(region) => in_region(region),
        Sight::Addressed(_) => Box::new(false.into_sql::<Bool>()),
        Sight::Own(volunteer) => Box::new(Known(cases::volunteer_id.eq(*volunteer))),
    }
}

/// Cases in a region: one equality, whatever its level.
pub fn in_region<Source>(region: &RegionCode) -> Filter<Source>
where
    cases::province_code: SelectableExpression<Source>,
    cases::regency_code: SelectableExpression<Source>,
    cases::district_code: SelectableExpression<Source>,
    cases::village_code: SelectableExpression<Source>,
{
    match region.level() {
        RegionLevel::Province => Box::new(cases::province_code.eq(region.clone())),
        RegionLevel::Regency => Box::new(cases::regency_code.eq(region.clone())),
        RegionLevel::District => Box::new(cases::district_code.eq(region.clone())),
        RegionLevel::Village => Box::new(cases::village_code.eq(region.clone())),
    }
}

/// One case with its person.
pub async fn find(conn: &mut &Conn, caller: &Caller, id: CaseId) -> QueryResult<(Case, CasePerson)> {
    cases::table
        .inner_join(case_people::table)
        .filter(visible_to::<WithPeople>(caller))
        .filter(cases::id.eq(id))
        .select((Case::columns(), CasePerson::columns()))
        .first(conn)
        .await
}

/// One case, held until the transaction ends.
pub async fn lock(conn: &mut Conn, caller: &Caller, id: CaseId) -> QueryResult<Case> {
    cases::table
        .filter(visible_to::<cases::table>(caller))
        .filter(cases::id.eq(id))
        .select(Case::columns())
        .for_update()
        .first(conn)
        .await
}

/// A case whoever asks, held: for the referral that shows it to a source system.
pub async fn lock_any(conn: &mut Conn, id: CaseId) -> QueryResult<Case> {
    cases::table.find(id).select(Case::columns()).for_update().first(conn).await
}

/// Makes everyone who creates a case with this id wait until the transaction ends: the row may be under way.
pub async fn hold_id(conn: &mut Conn, id: CaseId) -> QueryResult<()> {
    let key = id.0.as_bytes().last_chunk().map(|bytes| i64::from_be_bytes(*bytes)).unwrap_or_default();
    diesel::select(pg_advisory_xact_lock(key)).execute(conn).await.map(drop)
}

/// The person of a case.
pub async fn person(conn: &mut Conn, id: CaseId) -> QueryResult<CasePerson> {
    case_people::table.filter(case_people::case_id.eq(id)).select(CasePerson::columns()).first(conn).await
}

/// The next number of a regency's year. Whoever takes one waits for those who took one before: each then sees the others' cases.
pub async fn next_number(conn: &mut Conn, regency: &RegionCode, year: i32) -> QueryResult<String> {
    let short = i16::try_from(year).unwrap_or(i16::MAX);
    let serial: i32 = diesel::insert_into(case_numbers::table)
        .values((case_numbers::regency_code.eq(regency), case_numbers::year.eq(short), case_numbers::last.eq(1)))
        .on_conflict((case_numbers::regency_code, case_numbers::year))
        .do_update()
        .set(case_numbers::last.eq(case_numbers::last + 1))
        .returning(case_numbers::last)
        .get_result(conn)
        .await?;
    Ok(case_number(regency, year, serial))
}

/// Inserts a case and its person.
pub async fn create(conn: &mut Conn, case: &Case, person: &CasePerson) -> QueryResult<()> {
    diesel::insert_into(cases::table).values(case).execute(conn).await?;
    diesel::insert_into(case_people::table)
        .values((person, alike::found_by(&person.name)))
        .execute(conn)
        .await
        .map(drop)
}

/// Writes what may change of a case that is locked, and raises its version.
pub async fn save(conn: &mut Conn, case: &Case, now: DateTime<Utc>) -> QueryResult<Case> {
    diesel::update(cases::table.find(case.id))
        .set((
            (cases::state.eq(case.state), cases::outcome.eq(&case.outcome), cases::closed_at.eq(case.closed_at)),
            (cases::state_since.eq(case.state_since), cases::state_agency_id.eq(case.state_agency_id)),
            (cases::ppks.eq(&case.ppks), cases::sensitive.eq(case.sensitive), cases::urgency.eq(case.urgency)),
            (cases::service_field.eq(&case.service_field), cases::sector.eq(&case.sector)),
            (cases::lawful_basis.eq(case.lawful_basis), cases::consent_by.eq(case.consent_by)),
            (cases::consent_on.eq(case.consent_on), cases::consent_relation.eq(case.consent_relation)),
            (cases::consent_method.eq(case.consent_method), cases::do_not_contact.eq(case.do_not_contact)),
            cases::consent_withdrawn_on.eq(case.consent_withdrawn_on),
            (cases::version.eq(cases::version + 1), cases::updated_at.eq(now)),
            cases::volunteer_id.eq(case.volunteer_id),
        ))
        .returning(Case::columns())
        .get_result(conn)
        .await
}

/// Gives the cases of one volunteer (only these, if some are named) to another; returns them as they are now.
pub async fn reassign(
    conn: &mut Conn,
    from: VolunteerId,
    to: VolunteerId,
    only: Option<&[Uuid]>,
    now: DateTime<Utc>,
) -> QueryResult<Vec<Case>> {
    let everything = only.is_none().into_sql::<Bool>();
    let named = everything.or(cases::id.eq_any(only.unwrap_or_default()));
    diesel::update(cases::table.filter(cases::volunteer_id.eq(from)).filter(named))
        .set((cases::volunteer_id.eq(to), cases::version.eq(cases::version + 1), cases::updated_at.eq(now)))
        .returning(Case::columns())
        .get_results(conn)
        .await
}

/// Writes a person whose case is locked.
pub async fn save_person(conn: &mut Conn, person: &CasePerson) -> QueryResult<()> {
    let row = diesel::update(case_people::table.find(person.id));
    row.set((person, alike::found_by(&person.name))).execute(conn).await.map(drop)
}

/// A line of the history.
#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = case_history, check_for_backend(diesel::pg::Pg), treat_none_as_default_value = false)]
pub struct CaseEvent {
    /// Its id.
    pub id: Uuid,
    /// The case.
    pub case_id: CaseId,
    /// When.
    pub at: DateTime<Utc>,
    /// What.
    pub action: CaseAction,
    /// From.
    pub from_state: Option<CaseState>,
    /// To.
    pub to_state: CaseState,
    /// Who.
    pub agency_id: AgencyId,
    /// By which client.
    pub client_id: ClientId,
    /// The officer.
    pub acting_user: Option<String>,
    /// The volunteer, if a phone did it.
    pub volunteer_id: Option<VolunteerId>,
    /// Outcome or reason.
    pub reason: Option<Code>,
    /// In words: personal data.
    pub note: Option<String>,
}

/// Adds a line to the history.
pub async fn add_history(conn: &mut Conn, event: &CaseEvent) -> QueryResult<()> {
    diesel::insert_into(case_history::table).values(event).execute(conn).await.map(drop)
}

/// The history of a case that the caller has been found to see, oldest first.
pub async fn history(conn: &mut &Conn, id: CaseId) -> QueryResult<Vec<CaseEvent>> {
    case_history::table
        .filter(case_history::case_id.eq(id))
        .select(CaseEvent::columns())
        .order((case_history::at, case_history::id))
        .load(conn)
        .await
}

/// Whether there is no case yet.
pub async fn is_empty(conn: &mut Conn) -> QueryResult<bool> {
    let any: Option<CaseId> = cases::table.select(cases::id).first(conn).await.optional()?;
    Ok(any.is_none())
}

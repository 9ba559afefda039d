//! Every SQL statement on volunteers, who they are, their postings and their history.
pub mod documents;
mod duplicates;
mod list;
mod many;
pub mod phones;
mod records;
mod renewals;
pub mod sealed;
pub mod search;

pub use duplicates::{
    Dispute, Neighbour, absorb, disputes, full_of, hold_living, merged_into, promote, release, survivor, survivors,
};
pub use list::{Wanted, count, count_with_nik, find_by_nik, find_by_phone, list};
pub use many::{hold_many, holders_of, neighbours_of};
pub use records::{HistoryRow, Posting, add_history, history, posted_since, postings, replace_posting};

pub use renewals::{Stranded, count_posted, lock_posted, stranded};

use super::rules::search::search_words;
use super::rules::{IdentityState, Letter, NikWarning, SupervisorKind, TrainingLevel, VolunteerStatus};
use crate::access::rules::{AgencyId, Caller, VolunteerId};
use crate::changes::rules::{Audience, Change, ChangeType, Op};
use crate::changes::store as changes;
use crate::codes::rules::Code;
use crate::platform::db::Conn;
use crate::platform::db::sql::{Columns, pg_advisory_xact_lock};
use crate::platform::names;
use crate::platform::nik::{NikStatus, Sex};
use crate::platform::region_code::{RegionCode, RegionLevel};
use crate::schema::{volunteer_people, volunteer_postings, volunteers as t};
use chrono::{DateTime, NaiveDate, Utc};
use diesel::dsl::{Eq, auto_type};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

/// A volunteer as stored, without the person.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = t, check_for_backend(diesel::pg::Pg))]
#[diesel(treat_none_as_default_value = false, treat_none_as_null = true)]
pub struct Volunteer {
    /// Its id, which also names the person in the audit record.
    pub id: VolunteerId,
    /// Where it stands.
    pub status: VolunteerStatus,
    /// When that was recorded.
    pub status_since: DateTime<Utc>,
    /// Agency that recorded it.
    pub status_by: AgencyId,
    /// Since when it holds.
    pub effective_on: NaiveDate,
    /// What a correction goes back to.
    pub ended_from: Option<VolunteerStatus>,
    /// Highest training passed.
    pub level: TrainingLevel,
    /// As in civil registration, if known.
    pub sex: Option<Sex>,
    /// Of the current posting.
    pub province_code: RegionCode,
    /// Of the current posting.
    pub regency_code: RegionCode,
    /// Of the current posting.
    pub district_code: RegionCode,
    /// The current posting.
    pub village_code: RegionCode,
    /// Codes of the list `psm-functions`.
    pub functions: Vec<Code>,
    /// Year of the first appointment.
    pub appointed_year: Option<i16>,
    /// Appointment letter.
    pub sk_number: Option<String>,
    /// Appointment letter.
    pub sk_date: Option<NaiveDate>,
    /// Appointment letter.
    pub sk_official: Option<String>,
    /// Who accompanies it; with the three below all or nothing.
    pub supervisor_kind: Option<SupervisorKind>,
    /// Whose officer that is.
    pub supervisor_agency_id: Option<AgencyId>,
    /// That agency's own opaque id of the person.
    pub supervisor_officer: Option<String>,
    /// Since when.
    pub supervisor_since: Option<NaiveDate>,
    /// Raised by every change.
    pub version: i32,
    /// Client that created it.
    pub created_by: Option<Uuid>,
    /// Digest of the create, so that the same create gives the row again.
    pub create_request: Option<Vec<u8>>,
    /// When.
    pub created_at: DateTime<Utc>,
    /// Last change.
    pub updated_at: DateTime<Utc>,
    /// Agency of the last change.
    pub updated_by: AgencyId,
    /// The row that the person is found under.
    pub merged_into: Option<VolunteerId>,
    /// Since when.
    pub merged_at: Option<DateTime<Utc>>,
}

impl Volunteer {
    /// Posts it: the four codes of a village.
    pub fn post_to(&mut self, village: &RegionCode) {
        let at = |level| village.at(level).unwrap_or_else(|| village.clone());
        self.province_code = at(RegionLevel::Province);
        self.regency_code = at(RegionLevel::Regency);
        self.district_code = at(RegionLevel::District);
        self.village_code = village.clone();
    }

    /// Notes the letter by which it is appointed.
    pub fn appoint(&mut self, letter: Letter) {
        self.sk_number = Some(letter.number);
        self.sk_date = Some(letter.date);
        self.sk_official = Some(letter.official);
    }

    /// Nobody accompanies it from now on.
    pub fn leave_supervisor(&mut self) {
        (self.supervisor_kind, self.supervisor_agency_id) = (None, None);
        (self.supervisor_officer, self.supervisor_since) = (None, None);
    }

    /// Who sees it: the governments of its village and above, and its phone.
    pub fn audience(&self) -> Audience {
        Audience { regions: vec![self.village_code.clone()], volunteers: vec![self.id], ..Audience::default() }
    }
}

/// Who a volunteer is. It leaves only through a view; there is neither `Serialize` nor a telling `Debug`.
#[derive(Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = volunteer_people, primary_key(volunteer_id), check_for_backend(diesel::pg::Pg))]
#[diesel(treat_none_as_default_value = false, treat_none_as_null = true)]
pub struct Person {
    /// Whose.
    pub volunteer_id: VolunteerId,
    /// Full name.
    pub name: String,
    /// As names are compared.
    pub folded_name: String,
    /// If known.
    pub birth_date: Option<NaiveDate>,
    /// If known.
    pub birth_place: Option<String>,
    /// Street, house, neighbourhood.
    pub address: Option<String>,
    /// International form.
    pub phone: Option<String>,
    /// If known.
    pub email: Option<String>,
    /// Last education.
    pub education: Option<String>,
    /// Main occupation.
    pub occupation: Option<String>,
    /// Number in the office's own register.
    pub member_number: Option<String>,
    /// Basic training passed before this registry.
    pub certificate_number: Option<String>,
    /// Who held it.
    pub certificate_organiser: Option<String>,
    /// When.
    pub certificate_date: Option<NaiveDate>,
    /// What is known of the NIK.
    pub nik_status: NikStatus,
    /// Encrypted.
    pub nik: Option<Vec<u8>>,
    /// By which it is found.
    pub nik_index: Option<Vec<u8>>,
    /// What is shown of it.
    pub nik_last_four: Option<String>,
    /// Where it differs from what is stated.
    pub nik_warnings: Vec<NikWarning>,
    /// Whether it is that of this row only.
    pub identity_state: IdentityState,
    /// When it was found that it is not.
    pub disputed_at: Option<DateTime<Utc>>,
}

impl std::fmt::Debug for Person {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Person({})", self.volunteer_id)
    }
}

/// A volunteer and the person.
pub type Full = (Volunteer, Person);

#[auto_type(type_alias, type_name = "Visible")]
fn in_window(from: String, until: String, own: VolunteerId) -> _ {
    t::merged_into.is_null().and(t::village_code.ge(from).and(t::village_code.lt(until)).or(t::id.eq(own)))
}

/// The volunteers that a caller sees: governments those of their region, a phone itself, source systems none. Who has been
/// merged is seen in the other row ([`survivor`]).
pub fn visible_to(caller: &Caller) -> Visible {
    let window = caller.sight.window();
    in_window(window.from, window.until, window.own)
}

/// A volunteer that the caller sees, with the person.
pub async fn find_full(conn: &mut &Conn, caller: &Caller, id: VolunteerId) -> QueryResult<Full> {
    let one = t::table.inner_join(volunteer_people::table).filter(t::id.eq(id)).filter(visible_to(caller));
    one.select((Volunteer::columns(), Person::columns())).first(conn).await
}

/// The same, held until the transaction ends.
pub async fn lock_full(conn: &mut Conn, caller: &Caller, id: VolunteerId) -> QueryResult<Full> {
    let one = t::table.inner_join(volunteer_people::table).filter(t::id.eq(id)).filter(visible_to(caller));
    one.select((Volunteer::columns(), Person::columns())).for_update().first(conn).await
}

/// Who created the row of this id, and with what: of any caller, for an id that is taken is taken for all.
pub async fn find_create(conn: &mut Conn, id: VolunteerId) -> QueryResult<Option<(Option<Uuid>, Option<Vec<u8>>)>> {
    t::table.find(id).select((t::created_by, t::create_request)).first(conn).await.optional()
}

/// Makes everyone who registers or changes this NIK wait until the transaction ends.
pub async fn hold_nik(conn: &mut Conn, nik_index: &[u8]) -> QueryResult<()> {
    diesel::select(pg_advisory_xact_lock(nik_key(nik_index))).execute(conn).await.map(drop)
}

/// Makes everyone who registers in this village wait until the transaction ends: likeness is judged among those who are
/// there. Taken after [`hold_nik`].
pub async fn hold_village(conn: &mut Conn, village: &RegionCode) -> QueryResult<()> {
    diesel::select(pg_advisory_xact_lock(village_key(village))).execute(conn).await.map(drop)
}

fn nik_key(nik_index: &[u8]) -> i64 {
    nik_index.first_chunk().map(|bytes| i64::from_be_bytes(*bytes)).unwrap_or_default()
}

/// Ten digits, above zero: no NIK's key is likely to be among them, and if it is, someone waits for nothing.
fn village_key(village: &RegionCode) -> i64 {
    let digits: String = village.as_str().chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_default()
}

/// Inserts a volunteer with the person, the first posting and the first row of the history.
pub async fn create(
    conn: &mut Conn,
    (volunteer, person): &Full,
    posting: &Posting,
    first: &HistoryRow,
) -> QueryResult<()> {
    diesel::insert_into(t::table).values((volunteer, t::posted_on.eq(posting.valid_from))).execute(conn).await?;
    diesel::insert_into(volunteer_people::table).values((person, searched(person))).execute(conn).await?;
    diesel::insert_into(volunteer_postings::table).values(posting).execute(conn).await?;
    add_history(conn, first).await
}

/// Writes a volunteer that is locked, under the next version.
pub async fn save(conn: &mut Conn, volunteer: &mut Volunteer, by: AgencyId, now: DateTime<Utc>) -> QueryResult<()> {
    volunteer.version += 1;
    volunteer.updated_at = now;
    volunteer.updated_by = by;
    diesel::update(t::table.find(volunteer.id)).set(&*volunteer).execute(conn).await.map(drop)
}

/// Writes the person of a volunteer that is locked.
pub async fn save_person(conn: &mut Conn, person: &Person) -> QueryResult<()> {
    let change = (person, searched(person));
    diesel::update(volunteer_people::table.find(person.volunteer_id)).set(change).execute(conn).await.map(drop)
}

/// What a person's name is found by.
fn searched(
    person: &Person,
) -> (Eq<volunteer_people::search_words, Vec<String>>, Eq<volunteer_people::search_version, i16>) {
    let words = search_words(&person.name);
    (volunteer_people::search_words.eq(words), volunteer_people::search_version.eq(names::VERSION))
}

/// Whether no volunteer is registered yet.
pub async fn is_empty(conn: &mut Conn) -> QueryResult<bool> {
    let any: Option<VolunteerId> = t::table.select(t::id).first(conn).await.optional()?;
    Ok(any.is_none())
}

/// Where a volunteer is posted: of a row that the caller has been found to see.
pub async fn village_of(conn: &mut Conn, id: VolunteerId) -> QueryResult<RegionCode> {
    t::table.find(id).select(t::village_code).first(conn).await
}

/// A volunteer that the caller sees.
pub async fn find(conn: &mut &Conn, caller: &Caller, id: VolunteerId) -> QueryResult<Volunteer> {
    t::table.find(id).filter(visible_to(caller)).select(Volunteer::columns()).first(conn).await
}

/// The same, held until the transaction ends.
pub async fn lock(conn: &mut Conn, caller: &Caller, id: VolunteerId) -> QueryResult<Volunteer> {
    t::table.find(id).filter(visible_to(caller)).select(Volunteer::columns()).for_update().first(conn).await
}

/// Derives the level anew from passed training; returns the volunteer as it is now. Part of the transaction that records
/// the result. Unchanged, it is not a change: no new version, nothing published.
pub async fn set_level(
    conn: &mut Conn,
    id: VolunteerId,
    level: TrainingLevel,
    now: DateTime<Utc>,
) -> QueryResult<Volunteer> {
    // Whoever refers to the volunteer meanwhile does not wait: the key stays.
    let before: Volunteer = t::table.find(id).select(Volunteer::columns()).for_no_key_update().first(conn).await?;
    if before.level == level {
        return Ok(before);
    }
    let change = (t::level.eq(level), t::version.eq(t::version + 1), t::updated_at.eq(now));
    let after: Volunteer =
        diesel::update(t::table.find(id)).set(change).returning(Volunteer::columns()).get_result(conn).await?;
    publish(conn, Some(&before), &after, now).await?;
    Ok(after)
}

/// A merged row and its person, held, whoever may see it: the caller has been found to see what it was merged into.
pub async fn lock_merged(conn: &mut Conn, id: VolunteerId) -> QueryResult<Full> {
    let one = t::table.inner_join(volunteer_people::table).filter(t::id.eq(id).and(t::merged_into.is_not_null()));
    one.select((Volunteer::columns(), Person::columns())).for_update().first(conn).await
}

/// Publishes that a row leads to another one from now on: to those who saw it and see that one. Who does not see that one
/// is told that the row is gone.
pub async fn publish_redirect(
    conn: &mut Conn,
    before: &Volunteer,
    after: &Volunteer,
    to: &Volunteer,
    at: DateTime<Utc>,
) -> QueryResult<()> {
    let change = Change {
        r#type: ChangeType::Volunteer,
        id: after.id.0,
        version: after.version,
        op: Op::Redirected,
        redirected_to: Some(to.id.0),
        before: before.audience(),
        after: to.audience(),
        at,
    };
    changes::publish(conn, &change).await
}

/// Publishes a change of a volunteer, to those who saw it before and those who see it now.
pub async fn publish(
    conn: &mut Conn,
    before: Option<&Volunteer>,
    after: &Volunteer,
    at: DateTime<Utc>,
) -> QueryResult<()> {
    let change = Change {
        r#type: ChangeType::Volunteer,
        id: after.id.0,
        version: after.version,
        op: Op::Upsert,
        redirected_to: None,
        before: before.map(Volunteer::audience).unwrap_or_default(),
        after: after.audience(),
        at,
    };
    changes::publish(conn, &change).await
}

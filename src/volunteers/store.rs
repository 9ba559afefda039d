//! Every SQL statement on volunteers, who they are, their postings and their history.
use super::rules::{HistoryAction, IdentityState, NikWarning, TrainingLevel, VolunteerStatus};
use crate::access::rules::{AgencyId, Caller, Scope, Sight, VolunteerId};
use crate::changes::rules::{Audience, Change, Op};
use crate::changes::store as changes;
use crate::codes::rules::Code;
use crate::platform::db::Conn;
use crate::platform::db::sql::pg_advisory_xact_lock;
use crate::platform::nik::{NikStatus, Sex};
use crate::platform::region_code::{RegionCode, RegionLevel};
use crate::schema::{
    volunteer_history as history, volunteer_people as people, volunteer_postings as postings, volunteers as t,
};
use chrono::{DateTime, NaiveDate, Utc};
use diesel::dsl::{InnerJoin, IntoBoxed, auto_type, count_star};
use diesel::pg::Pg;
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

    /// Who sees it: the governments of its village and above, and its phone.
    pub fn audience(&self) -> Audience {
        Audience { agencies: vec![], regions: vec![self.village_code.clone()], volunteers: vec![self.id] }
    }
}

/// Who a volunteer is. It leaves only through a view; there is neither `Serialize` nor a telling `Debug`.
#[derive(Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = people, primary_key(volunteer_id), check_for_backend(diesel::pg::Pg))]
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
}

impl std::fmt::Debug for Person {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Person({})", self.volunteer_id)
    }
}

/// A move of the status.
#[derive(Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = history, check_for_backend(diesel::pg::Pg), treat_none_as_default_value = false)]
pub struct HistoryRow {
    /// Of the row.
    pub id: Uuid,
    /// Whose.
    pub volunteer_id: VolunteerId,
    /// When it was recorded.
    pub at: DateTime<Utc>,
    /// What was done.
    pub action: HistoryAction,
    /// None: it was registered.
    pub from_status: Option<VolunteerStatus>,
    /// What it led to.
    pub to_status: VolunteerStatus,
    /// Since when that holds.
    pub effective_on: NaiveDate,
    /// Who did it.
    pub agency_id: AgencyId,
    /// The officer at the keyboard.
    pub acting_user: Option<String>,
    /// Code of the list `volunteer-reasons`.
    pub reason: Option<Code>,
    /// May tell of the person.
    pub note: Option<String>,
}

/// A posting.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = postings, check_for_backend(diesel::pg::Pg), treat_none_as_default_value = false)]
pub struct Posting {
    /// Of the row.
    pub id: Uuid,
    /// Whose.
    pub volunteer_id: VolunteerId,
    /// Where.
    pub village_code: RegionCode,
    /// First day.
    pub valid_from: NaiveDate,
    /// First day that it no longer holds; none: the current one.
    pub valid_until: Option<NaiveDate>,
    /// Agency that decided it.
    pub posted_by: AgencyId,
    /// When it was recorded.
    pub created_at: DateTime<Utc>,
}

#[auto_type(type_alias, type_name = "Visible")]
fn in_window(from: String, until: String, own: VolunteerId) -> _ {
    t::village_code.ge(from).and(t::village_code.lt(until)).or(t::id.eq(own))
}

/// The volunteers that a caller sees: governments those of their region, a phone itself, source systems none.
pub fn visible_to(caller: &Caller) -> Visible {
    let window = caller.sight.window();
    in_window(window.from, window.until, window.own)
}

/// Which volunteers: repeated is or, different is and.
#[derive(Debug, Default)]
pub struct Wanted {
    /// Posted in this region's subtree.
    pub region: Option<RegionCode>,
    /// In one of these.
    pub status: Vec<VolunteerStatus>,
    /// Of one of these.
    pub level: Vec<TrainingLevel>,
    /// Of one of these; none in it: not known.
    pub sex: Vec<Option<Sex>>,
    /// With this function.
    pub function: Option<Code>,
}

/// A volunteer and the person.
pub type Full = (Volunteer, Person);
type Narrowed<'a> = IntoBoxed<'a, InnerJoin<t::table, people::table>, Pg>;

/// The one predicate of list and count: what the caller sees, as it was asked for. The equality on a code column is what
/// an index serves.
fn narrowed<'a>(caller: &Caller, wanted: &'a Wanted) -> Narrowed<'a> {
    let mut query = t::table.inner_join(people::table).filter(visible_to(caller)).into_boxed();
    if let Sight::Own(own) = caller.sight {
        query = query.filter(t::id.eq(own));
    }
    let region = match (&wanted.region, caller.sight.region()) {
        (Some(wanted), Some(own)) if wanted.contains(own) => Some(own),
        (Some(wanted), _) => Some(wanted),
        (None, own) => own,
    };
    if let Some(code) = region {
        let code = code.clone();
        query = match code.level() {
            RegionLevel::Province => query.filter(t::province_code.eq(code)),
            RegionLevel::Regency => query.filter(t::regency_code.eq(code)),
            RegionLevel::District => query.filter(t::district_code.eq(code)),
            RegionLevel::Village => query.filter(t::village_code.eq(code)),
        };
    }
    query = match wanted.status.as_slice() {
        [] => query,
        [one] => query.filter(t::status.eq(one)), // an index has it in the order of the list
        several => query.filter(t::status.eq_any(several)),
    };
    if !wanted.level.is_empty() {
        query = query.filter(t::level.eq_any(&wanted.level));
    }
    if !wanted.sex.is_empty() {
        let known: Vec<Sex> = wanted.sex.iter().copied().flatten().collect();
        let one_of = t::sex.eq_any(known);
        query =
            if wanted.sex.contains(&None) { query.filter(one_of.or(t::sex.is_null())) } else { query.filter(one_of) };
    }
    if let Some(function) = &wanted.function {
        query = query.filter(t::functions.contains(vec![function.as_str()]));
    }
    query
}

/// A page, in the order of registration.
pub async fn list(
    conn: &mut &Conn,
    caller: &Caller,
    wanted: &Wanted,
    after: Option<VolunteerId>,
    limit: i64,
) -> QueryResult<Vec<Full>> {
    let mut query = narrowed(caller, wanted);
    if let Some(after) = after {
        query = query.filter(t::id.gt(after));
    }
    query.select((Volunteer::as_select(), Person::as_select())).order(t::id).limit(limit).load(conn).await
}

/// How many the whole list has.
pub async fn count(conn: &mut &Conn, caller: &Caller, wanted: &Wanted) -> QueryResult<i64> {
    narrowed(caller, wanted).select(count_star()).get_result(conn).await
}

/// A volunteer that the caller sees, with the person.
pub async fn find_full(conn: &mut &Conn, caller: &Caller, id: VolunteerId) -> QueryResult<Full> {
    let one = t::table.inner_join(people::table).filter(t::id.eq(id)).filter(visible_to(caller));
    one.select((Volunteer::as_select(), Person::as_select())).first(conn).await
}

/// The same, held until the transaction ends.
pub async fn lock_full(conn: &mut Conn, caller: &Caller, id: VolunteerId) -> QueryResult<Full> {
    let one = t::table.inner_join(people::table).filter(t::id.eq(id)).filter(visible_to(caller));
    one.select((Volunteer::as_select(), Person::as_select())).for_update().first(conn).await
}

/// Volunteers that the caller sees, with this NIK: more than one only while an identity is disputed.
pub async fn find_by_nik(conn: &mut &Conn, caller: &Caller, nik_index: &[u8]) -> QueryResult<Vec<Full>> {
    let found = t::table.inner_join(people::table).filter(people::nik_index.eq(nik_index)).filter(visible_to(caller));
    found.select((Volunteer::as_select(), Person::as_select())).order(t::id).limit(SEARCH_LIMIT).load(conn).await
}

/// Volunteers that the caller sees, with this telephone number.
pub async fn find_by_phone(conn: &mut &Conn, caller: &Caller, phone: &str) -> QueryResult<Vec<Full>> {
    let found = t::table.inner_join(people::table).filter(people::phone.eq(phone)).filter(visible_to(caller));
    found.select((Volunteer::as_select(), Person::as_select())).order(t::id).limit(SEARCH_LIMIT).load(conn).await
}

/// A family may share a telephone; no search gives more than this.
const SEARCH_LIMIT: i64 = 50;

/// Who created the row of this id, and with what: of any caller, for an id that is taken is taken for all.
pub async fn find_create(conn: &mut Conn, id: VolunteerId) -> QueryResult<Option<(Option<Uuid>, Option<Vec<u8>>)>> {
    t::table.find(id).select((t::created_by, t::create_request)).first(conn).await.optional()
}

/// Makes everyone who registers or changes this NIK wait until the transaction ends.
pub async fn hold_nik(conn: &mut Conn, nik_index: &[u8]) -> QueryResult<()> {
    let key = nik_index.first_chunk().map(|bytes| i64::from_be_bytes(*bytes)).unwrap_or_default();
    diesel::select(pg_advisory_xact_lock(key)).execute(conn).await.map(drop)
}

/// The undisputed row with this NIK, whoever may see it.
pub async fn nik_holder(conn: &mut Conn, nik_index: &[u8]) -> QueryResult<Option<Volunteer>> {
    t::table
        .inner_join(people::table)
        .filter(people::nik_index.eq(nik_index).and(people::identity_state.ne(IdentityState::Disputed)))
        .select(Volunteer::as_select())
        .first(conn)
        .await
        .optional()
}

/// Inserts a volunteer with the person, the first posting and the first row of the history.
pub async fn create(
    conn: &mut Conn,
    (volunteer, person): &Full,
    posting: &Posting,
    first: &HistoryRow,
) -> QueryResult<()> {
    diesel::insert_into(t::table).values(volunteer).execute(conn).await?;
    diesel::insert_into(people::table).values(person).execute(conn).await?;
    diesel::insert_into(postings::table).values(posting).execute(conn).await?;
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
    diesel::update(people::table.find(person.volunteer_id)).set(person).execute(conn).await.map(drop)
}

/// Adds to the history.
pub async fn add_history(conn: &mut Conn, row: &HistoryRow) -> QueryResult<()> {
    diesel::insert_into(history::table).values(row).execute(conn).await.map(drop)
}

/// What happened to a volunteer that the caller sees, oldest first. Never empty for one who exists.
pub async fn history(conn: &mut &Conn, caller: &Caller, id: VolunteerId) -> QueryResult<Vec<HistoryRow>> {
    history::table
        .inner_join(t::table)
        .filter(history::volunteer_id.eq(id))
        .filter(visible_to(caller))
        .select(HistoryRow::as_select())
        .order((history::at, history::id))
        .load(conn)
        .await
}

/// Where a volunteer that the caller sees was posted, oldest first. Never empty for one who exists.
pub async fn postings(conn: &mut &Conn, caller: &Caller, id: VolunteerId) -> QueryResult<Vec<Posting>> {
    postings::table
        .inner_join(t::table)
        .filter(postings::volunteer_id.eq(id))
        .filter(visible_to(caller))
        .select(Posting::as_select())
        .order((postings::valid_from, postings::created_at))
        .load(conn)
        .await
}

/// First day of the current posting.
pub async fn posted_since(conn: &mut Conn, id: VolunteerId) -> QueryResult<NaiveDate> {
    let current = postings::table.filter(postings::volunteer_id.eq(id).and(postings::valid_until.is_null()));
    current.select(postings::valid_from).first(conn).await
}

/// Ends the current posting on the day that the new one begins.
pub async fn replace_posting(conn: &mut Conn, new: &Posting) -> QueryResult<()> {
    let current =
        postings::table.filter(postings::volunteer_id.eq(new.volunteer_id).and(postings::valid_until.is_null()));
    diesel::update(current).set(postings::valid_until.eq(new.valid_from)).execute(conn).await?;
    diesel::insert_into(postings::table).values(new).execute(conn).await.map(drop)
}

/// Whether no volunteer is registered yet.
pub async fn is_empty(conn: &mut Conn) -> QueryResult<bool> {
    let any: Option<VolunteerId> = t::table.select(t::id).first(conn).await.optional()?;
    Ok(any.is_none())
}

/// A volunteer that the caller sees.
pub async fn find(conn: &mut &Conn, caller: &Caller, id: VolunteerId) -> QueryResult<Volunteer> {
    t::table.find(id).filter(visible_to(caller)).select(Volunteer::as_select()).first(conn).await
}

/// The same, held until the transaction ends.
pub async fn lock(conn: &mut Conn, caller: &Caller, id: VolunteerId) -> QueryResult<Volunteer> {
    t::table.find(id).filter(visible_to(caller)).select(Volunteer::as_select()).for_update().first(conn).await
}

/// Derives the level anew from passed training; returns the volunteer as it is now. Part of the transaction that records
/// the result. Unchanged, it is not a change: no new version, nothing published.
pub async fn set_level(
    conn: &mut Conn,
    id: VolunteerId,
    level: TrainingLevel,
    now: DateTime<Utc>,
) -> QueryResult<Volunteer> {
    let before = t::table.find(id).select(Volunteer::as_select()).for_update().first(conn).await?;
    if before.level == level {
        return Ok(before);
    }
    let change = (t::level.eq(level), t::version.eq(t::version + 1), t::updated_at.eq(now));
    let after: Volunteer =
        diesel::update(t::table.find(id)).set(change).returning(Volunteer::as_returning()).get_result(conn).await?;
    publish(conn, Some(&before), &after, now).await?;
    Ok(after)
}

/// Publishes a change of a volunteer, to those who saw it before and those who see it now.
pub async fn publish(
    conn: &mut Conn,
    before: Option<&Volunteer>,
    after: &Volunteer,
    at: DateTime<Utc>,
) -> QueryResult<()> {
    let change = Change {
        entity: "volunteer",
        id: after.id.0,
        version: after.version,
        op: Op::Upsert,
        scope: Scope::VolunteersRead,
        before: before.map(Volunteer::audience).unwrap_or_default(),
        after: after.audience(),
        at,
    };
    changes::publish(conn, &change).await
}

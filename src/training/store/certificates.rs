//! Certificates and the serial numbers that they take.
use crate::access::rules::{AgencyId, Caller, VolunteerId};
use crate::codes::rules::Code;
use crate::platform::db::Conn;
use crate::platform::db::sql::Columns;
use crate::platform::region_code::RegionCode;
use crate::schema::{
    agencies, certificate_numbers, certificates as t, training_enrolments, training_events, volunteer_people,
    volunteers,
};
use crate::training::rules::certificates::{CertificateId, CertificateState};
use crate::training::rules::{EnrolmentId, EventLevel, TrainingEventId};
use crate::volunteers::store::visible_to as volunteers_visible_to;
use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

/// A certificate as stored, without the person.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = t, check_for_backend(diesel::pg::Pg), treat_none_as_default_value = false)]
pub struct Certificate {
    /// Its id.
    pub id: CertificateId,
    /// What stands on it.
    pub number: String,
    /// Whose seat it is of.
    pub enrolment_id: EnrolmentId,
    /// Who issued it.
    pub organiser_id: AgencyId,
    /// Of the day of issue.
    pub year: i16,
    /// Number within organiser and year, without gaps.
    pub serial: i32,
    /// Of the event.
    pub level: EventLevel,
    /// The day that stands on it.
    pub issued_on: NaiveDate,
    /// Last day; none: for good.
    pub valid_until: Option<NaiveDate>,
    /// Of one from before: what stands on its paper.
    pub earlier_number: Option<String>,
    /// Who signs it.
    pub signatory_name: Option<String>,
    /// As what.
    pub signatory_position: Option<String>,
    /// Whether it holds.
    pub state: CertificateState,
    /// Since when.
    pub state_since: DateTime<Utc>,
    /// Agency that recorded that.
    pub state_by: AgencyId,
    /// Why it does not: code of the list `certificate-reasons`.
    pub reason: Option<Code>,
    /// The same in words.
    pub note: Option<String>,
    /// The one in whose place it was issued.
    pub replaces: Option<CertificateId>,
    /// Raised by every change.
    pub version: i32,
    /// When it was recorded.
    pub issued_at: DateTime<Utc>,
    /// By whom.
    pub issued_by: AgencyId,
    /// The officer at the keyboard.
    pub acting_user: Option<String>,
}

/// A certificate, and of its person what a list shows. It leaves only through a view; there is neither `Serialize` nor `Debug`.
#[derive(Clone, Queryable)]
pub struct Certified {
    /// The certificate.
    pub certificate: Certificate,
    /// The seat's volunteer.
    pub volunteer_id: VolunteerId,
    /// In what.
    pub event_id: TrainingEventId,
    /// Where the volunteer is posted.
    pub village_code: RegionCode,
    /// Full name.
    pub name: String,
}

/// What whoever checks a certificate is told, with the name that the initials are made of.
pub type Checked = (Certificate, String, String, RegionCode);

/// The next serial number of an organiser's year. It is the transaction's: what is rolled back leaves no gap, and whoever wants
/// the one after it waits.
pub async fn next_serial(conn: &mut Conn, organiser: AgencyId, year: i16) -> QueryResult<i32> {
    diesel::insert_into(certificate_numbers::table)
        .values((
            certificate_numbers::organiser_id.eq(organiser),
            certificate_numbers::year.eq(year),
            certificate_numbers::last.eq(1),
        ))
        .on_conflict((certificate_numbers::organiser_id, certificate_numbers::year))
        .do_update()
        .set(certificate_numbers::last.eq(certificate_numbers::last + 1))
        .returning(certificate_numbers::last)
        .get_result(conn)
        .await
}

/// Records a certificate. The database takes one that holds for each seat, of who passed.
pub async fn issue(conn: &mut Conn, new: &Certificate) -> QueryResult<()> {
    diesel::insert_into(t::table).values(new).execute(conn).await.map(drop)
}

/// The certificates of these seats that hold.
pub async fn valid_of(conn: &mut &Conn, of: &[EnrolmentId]) -> QueryResult<Vec<Certificate>> {
    t::table
        .filter(t::enrolment_id.eq_any(of).and(t::state.eq(CertificateState::Valid)))
        .select(Certificate::columns())
        .order(t::id)
        .load(conn)
        .await
}

/// Which of these seats had a certificate that was taken back for what its holder or the organiser did, and not because the
/// result was another one: nobody gets another one unasked.
pub async fn taken_back(conn: &mut &Conn, of: &[EnrolmentId]) -> QueryResult<Vec<EnrolmentId>> {
    let reason = t::reason.is_distinct_from("result_corrected");
    t::table
        .filter(t::enrolment_id.eq_any(of).and(t::state.eq(CertificateState::Revoked)).and(reason))
        .select(t::enrolment_id)
        .load(conn)
        .await
}

/// The seats of a volunteer with a certificate that holds, by their events.
pub async fn certified(conn: &mut Conn, of: VolunteerId) -> QueryResult<Vec<TrainingEventId>> {
    t::table
        .inner_join(training_enrolments::table)
        .filter(training_enrolments::volunteer_id.eq(of).and(t::state.eq(CertificateState::Valid)))
        .select(training_enrolments::event_id)
        .load(conn)
        .await
}

/// A certificate, held until the transaction ends.
pub async fn lock_certificate(conn: &mut Conn, id: CertificateId) -> QueryResult<Certificate> {
    t::table.find(id).select(Certificate::columns()).for_update().first(conn).await
}

/// Writes that a certificate that is locked ceases to hold, under the next version.
pub async fn end_certificate(conn: &mut Conn, certificate: &mut Certificate) -> QueryResult<()> {
    certificate.version += 1;
    let change = (
        t::state.eq(certificate.state),
        t::state_since.eq(certificate.state_since),
        t::state_by.eq(certificate.state_by),
        t::reason.eq(&certificate.reason),
        t::note.eq(&certificate.note),
        t::version.eq(certificate.version),
    );
    diesel::update(t::table.find(certificate.id)).set(change).execute(conn).await.map(drop)
}

/// A certificate that the caller sees: of a volunteer of its sight, or of an event that it organises.
pub async fn find_certificate(conn: &mut &Conn, caller: &Caller, id: CertificateId) -> QueryResult<Certified> {
    let organiser = super::events::organiser(caller);
    t::table
        .inner_join(
            training_enrolments::table
                .inner_join(training_events::table)
                .inner_join(volunteers::table.inner_join(volunteer_people::table)),
        )
        .filter(t::id.eq(id))
        .filter(volunteers_visible_to(caller).or(training_events::organiser_id.eq(organiser)))
        .select((
            Certificate::columns(),
            volunteers::id,
            training_events::id,
            volunteers::village_code,
            volunteer_people::name,
        ))
        .first(conn)
        .await
}

/// A page of the certificates of an event that the caller has been found to see: all of them for the organiser, those of
/// volunteers of its sight for everyone else. In the order of issue.
pub async fn certificates(
    conn: &mut &Conn,
    caller: &Caller,
    (event, everyone): (TrainingEventId, bool),
    state: &[CertificateState],
    after: Option<CertificateId>,
    limit: i64,
) -> QueryResult<Vec<Certified>> {
    let mut query = t::table
        .inner_join(
            training_enrolments::table
                .inner_join(training_events::table)
                .inner_join(volunteers::table.inner_join(volunteer_people::table)),
        )
        .filter(training_enrolments::event_id.eq(event))
        .into_boxed();
    if !everyone {
        query = query.filter(volunteers_visible_to(caller));
    }
    if !state.is_empty() {
        query = query.filter(t::state.eq_any(state));
    }
    if let Some(after) = after {
        query = query.filter(t::id.gt(after));
    }
    query
        .select((
            Certificate::columns(),
            volunteers::id,
            training_events::id,
            volunteers::village_code,
            volunteer_people::name,
        ))
        .order(t::id)
        .limit(limit)
        .load(conn)
        .await
}

/// A certificate by its number, as everybody may check it: with the organiser's name, the holder's, and the region of the event.
pub async fn check(conn: &mut &Conn, number: &str) -> QueryResult<Checked> {
    t::table
        .inner_join(agencies::table)
        .inner_join(
            training_enrolments::table
                .inner_join(training_events::table)
                .inner_join(volunteers::table.inner_join(volunteer_people::table)),
        )
        .filter(t::number.eq(number))
        .select((Certificate::columns(), agencies::name, volunteer_people::name, training_events::region_code))
        .first(conn)
        .await
}

//! The waiting list, what else takes place at the time, and what happened to a seat.
use super::{Enrolment, TrainingEvent};
use crate::access::rules::{AgencyId, Caller, VolunteerId};
use crate::codes::rules::Code;
use crate::platform::db::Conn;
use crate::platform::db::sql::Columns;
use crate::platform::region_code::RegionCode;
use crate::schema::{training_enrolment_history, training_enrolments, training_events, volunteers};
use crate::training::rules::certificates::CertificateId;
use crate::training::rules::{
    EnrolmentId, EnrolmentState, EventLevel, EventState, SeatAction, TrainingEventId, TrainingResult,
};
use crate::volunteers::rules::{TrainingLevel, VolunteerStatus};
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

/// Who waits, and what decides whether a seat may be given.
pub type Waiting = (Enrolment, VolunteerStatus, TrainingLevel, RegionCode);

/// A seat in another event: whose, in which, what that is called, and from when to when it is.
pub type OtherSeat = (VolunteerId, TrainingEventId, String, DateTime<Utc>, DateTime<Utc>);

/// A seat in an event that is ahead: whose, which, in what, whether it waits, and when that begins.
pub type SeatAhead = (VolunteerId, EnrolmentId, TrainingEventId, EnrolmentState, DateTime<Utc>);

/// What happened to a seat.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = training_enrolment_history, check_for_backend(diesel::pg::Pg), treat_none_as_default_value = false)]
pub struct SeatHistoryRow {
    /// Of the row.
    pub id: Uuid,
    /// Whose.
    pub enrolment_id: EnrolmentId,
    /// When.
    pub at: DateTime<Utc>,
    /// What was done.
    pub action: SeatAction,
    /// Of attendance: number of the session.
    pub session: Option<i16>,
    /// Of attendance: came.
    pub present: Option<bool>,
    /// Of attendance: when it was noted, by the clock of the device.
    pub device_at: Option<DateTime<Utc>>,
    /// Of a result: what was recorded before.
    pub from_result: Option<TrainingResult>,
    /// Of a result: what is recorded since.
    pub to_result: Option<TrainingResult>,
    /// Of a result: of 100.
    pub score: Option<i16>,
    /// Code of the list that goes with the action.
    pub reason: Option<Code>,
    /// In words.
    pub note: Option<String>,
    /// Who did it.
    pub agency_id: AgencyId,
    /// The officer at the keyboard.
    pub acting_user: Option<String>,
    /// Of certificates: which one was issued or taken back.
    pub certificate_id: Option<CertificateId>,
}

impl SeatHistoryRow {
    /// What an agency did; what goes with the action is added.
    pub fn of(agency: AgencyId, id: Uuid, of: EnrolmentId, action: SeatAction, at: DateTime<Utc>) -> Self {
        Self {
            id,
            enrolment_id: of,
            at,
            action,
            session: None,
            present: None,
            device_at: None,
            from_result: None,
            to_result: None,
            score: None,
            reason: None,
            note: None,
            agency_id: agency,
            acting_user: None,
            certificate_id: None,
        }
    }

    /// What a caller did.
    pub fn by(caller: &Caller, id: Uuid, of: EnrolmentId, action: SeatAction, at: DateTime<Utc>) -> Self {
        let acting_user = caller.acting_user.as_ref().map(|user| user.as_str().to_owned());
        Self { acting_user, ..Self::of(caller.agency, id, of, action, at) }
    }
}

/// Adds to the history of seats.
pub async fn add_seat_history(conn: &mut Conn, rows: &[SeatHistoryRow]) -> QueryResult<()> {
    diesel::insert_into(training_enrolment_history::table).values(rows).execute(conn).await.map(drop)
}

/// What happened to a seat that the caller has been found to see, oldest first.
pub async fn seat_history(conn: &mut &Conn, of: EnrolmentId) -> QueryResult<Vec<SeatHistoryRow>> {
    training_enrolment_history::table
        .filter(training_enrolment_history::enrolment_id.eq(of))
        .select(SeatHistoryRow::columns())
        .order((training_enrolment_history::at, training_enrolment_history::id))
        .load(conn)
        .await
}

/// Seats of an event that is locked which nobody has.
pub async fn free_seats(conn: &mut Conn, event: TrainingEventId) -> QueryResult<i32> {
    let one = training_events::table.find(event);
    let (capacity, taken): (i32, i32) =
        one.select((training_events::capacity, training_events::seats_taken)).first(conn).await?;
    Ok(capacity - taken)
}

/// Who waits for a seat in an event that is locked, in the order of the list.
pub async fn waiting(conn: &mut Conn, event: TrainingEventId) -> QueryResult<Vec<Waiting>> {
    training_enrolments::table
        .inner_join(volunteers::table)
        .filter(training_enrolments::event_id.eq(event))
        .filter(training_enrolments::state.eq(EnrolmentState::Waiting))
        .select((Enrolment::columns(), volunteers::status, volunteers::level, volunteers::village_code))
        .order(training_enrolments::place)
        .load(conn)
        .await
}

/// The places of all who wait for a seat in an event, in order.
pub async fn places(conn: &mut &Conn, event: TrainingEventId) -> QueryResult<Vec<i32>> {
    let places: Vec<Option<i32>> = training_enrolments::table
        .filter(training_enrolments::event_id.eq(event))
        .filter(training_enrolments::state.eq(EnrolmentState::Waiting))
        .select(training_enrolments::place)
        .order(training_enrolments::place)
        .load(conn)
        .await?;
    Ok(places.into_iter().flatten().collect())
}

/// The seats of these volunteers, or places in a waiting list, in events of a level that are to come or under way.
pub async fn seats_ahead(conn: &mut &Conn, level: EventLevel, of: &[VolunteerId]) -> QueryResult<Vec<SeatAhead>> {
    let ahead = [EventState::Published, EventState::Postponed, EventState::Running];
    training_enrolments::table
        .inner_join(training_events::table)
        .filter(training_enrolments::volunteer_id.eq_any(of))
        .filter(training_enrolments::state.ne(EnrolmentState::Withdrawn))
        .filter(training_events::level.eq(level).and(training_events::state.eq_any(ahead)))
        .select((
            training_enrolments::volunteer_id,
            training_enrolments::id,
            training_events::id,
            training_enrolments::state,
            training_events::starts_at,
        ))
        .order((training_events::starts_at, training_events::id))
        .load(conn)
        .await
}

/// The seats of these volunteers in other events that are to come or under way and lie, from their first day to their last,
/// within the time of this one: their sessions tell whether they clash.
pub async fn seats_at_the_time(
    conn: &mut &Conn,
    event: &TrainingEvent,
    of: &[VolunteerId],
) -> QueryResult<Vec<OtherSeat>> {
    training_enrolments::table
        .inner_join(training_events::table)
        .filter(training_enrolments::volunteer_id.eq_any(of))
        .filter(training_enrolments::state.eq(EnrolmentState::Enrolled))
        .filter(training_events::id.ne(event.id))
        .filter(training_events::state.eq_any([EventState::Published, EventState::Running]))
        .filter(training_events::starts_at.lt(event.ends_at).and(training_events::ends_at.gt(event.starts_at)))
        .select((
            training_enrolments::volunteer_id,
            training_events::id,
            training_events::title,
            training_events::starts_at,
            training_events::ends_at,
        ))
        .order((training_events::starts_at, training_events::id))
        .load(conn)
        .await
}

//! Who came to which session.
use crate::access::rules::{AgencyId, VolunteerId};
use crate::platform::db::Conn;
use crate::platform::db::sql::{Columns, unnest};
use crate::platform::region_code::RegionCode;
use crate::schema::{regions, training_attendance, training_enrolments, volunteer_people, volunteers};
use crate::training::rules::{EnrolmentState, TrainingEventId};
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::upsert::excluded;
use diesel_async::RunQueryDsl;

/// Whether somebody came to a session.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = training_attendance, check_for_backend(diesel::pg::Pg))]
pub struct AttendanceRow {
    /// Of what.
    pub event_id: TrainingEventId,
    /// Number of the session.
    pub session: i16,
    /// Who.
    pub volunteer_id: VolunteerId,
    /// Came.
    pub present: bool,
    /// When it was noted, by the clock of the device.
    pub device_at: Option<DateTime<Utc>>,
    /// The same, unless it lies in the future.
    pub noted_at: DateTime<Utc>,
    /// When it arrived.
    pub recorded_at: DateTime<Utc>,
    /// From whom.
    pub recorded_by: AgencyId,
    /// The officer at the keyboard.
    pub acting_user: Option<String>,
}

/// What is recorded of these volunteers in an event that is locked.
pub async fn attendance(
    conn: &mut Conn,
    event: TrainingEventId,
    of: &[VolunteerId],
) -> QueryResult<Vec<AttendanceRow>> {
    training_attendance::table
        .filter(training_attendance::event_id.eq(event).and(training_attendance::volunteer_id.eq_any(of)))
        .select(AttendanceRow::columns())
        .load(conn)
        .await
}

/// Who has a seat in an event, as the list to sign has it: where posted, what that village is called, and the name; by both.
pub async fn sheet(
    conn: &mut Conn,
    event: TrainingEventId,
) -> QueryResult<Vec<(VolunteerId, RegionCode, String, String)>> {
    training_enrolments::table
        .inner_join(volunteers::table.inner_join(volunteer_people::table).inner_join(regions::table))
        .filter(training_enrolments::event_id.eq(event))
        .filter(training_enrolments::state.eq(EnrolmentState::Enrolled))
        .select((volunteers::id, volunteers::village_code, regions::name, volunteer_people::name))
        .order((volunteers::village_code, volunteer_people::name, volunteers::id))
        .load(conn)
        .await
}

/// The sessions of these events that these volunteers came to, in order.
pub async fn attended(
    conn: &mut &Conn,
    events: &[TrainingEventId],
    of: &[VolunteerId],
) -> QueryResult<Vec<(TrainingEventId, VolunteerId, i16)>> {
    training_attendance::table
        .filter(training_attendance::event_id.eq_any(events).and(training_attendance::volunteer_id.eq_any(of)))
        .filter(training_attendance::present)
        .select((training_attendance::event_id, training_attendance::volunteer_id, training_attendance::session))
        .order((training_attendance::event_id, training_attendance::volunteer_id, training_attendance::session))
        .load(conn)
        .await
}

/// Records attendance in an event that is locked, over what was recorded before.
pub async fn record_attendance(conn: &mut Conn, rows: &[AttendanceRow]) -> QueryResult<()> {
    use training_attendance as t;
    fn column<'a, T>(rows: &'a [AttendanceRow], of: impl Fn(&'a AttendanceRow) -> T) -> Vec<T> {
        rows.iter().map(of).collect()
    }
    let values = diesel::select((
        unnest(column(rows, |r| r.event_id)),
        unnest(column(rows, |r| r.session)),
        unnest(column(rows, |r| r.volunteer_id)),
        unnest(column(rows, |r| r.present)),
        unnest(column(rows, |r| r.device_at)),
        unnest(column(rows, |r| r.noted_at)),
        unnest(column(rows, |r| r.recorded_at)),
        unnest(column(rows, |r| r.recorded_by)),
        unnest(column(rows, |r| r.acting_user.as_deref())),
    ));
    let columns = (
        t::event_id,
        t::session,
        t::volunteer_id,
        t::present,
        t::device_at,
        t::noted_at,
        t::recorded_at,
        t::recorded_by,
        t::acting_user,
    );
    values
        .insert_into(training_attendance::table)
        .into_columns(columns)
        .on_conflict((t::event_id, t::volunteer_id, t::session))
        .do_update()
        .set((
            t::present.eq(excluded(t::present)),
            t::device_at.eq(excluded(t::device_at)),
            t::noted_at.eq(excluded(t::noted_at)),
            t::recorded_at.eq(excluded(t::recorded_at)),
            t::recorded_by.eq(excluded(t::recorded_by)),
            t::acting_user.eq(excluded(t::acting_user)),
        ))
        .execute(conn)
        .await
        .map(drop)
}

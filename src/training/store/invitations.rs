//! Villages that are asked to send volunteers.
use crate::access::rules::{AgencyId, Caller};
use crate::platform::db::Conn;
use crate::platform::db::sql::Columns;
use crate::platform::region_code::RegionCode;
use crate::schema::{regions, training_enrolments, training_invitations as t, volunteers};
use crate::training::rules::{EnrolmentState, TrainingEventId};
use chrono::{DateTime, Utc};
use diesel::dsl::exists;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

/// A village that is invited.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = t, check_for_backend(diesel::pg::Pg), treat_none_as_default_value = false)]
pub struct Invitation {
    /// To what.
    pub event_id: TrainingEventId,
    /// Which village.
    pub village_code: RegionCode,
    /// When.
    pub invited_at: DateTime<Utc>,
    /// By whom.
    pub invited_by: AgencyId,
    /// The officer at the keyboard.
    pub acting_user: Option<String>,
}

/// Invites villages to an event that is locked; who is invited already stays so. How many were not.
pub async fn add_invitations(conn: &mut Conn, rows: &[Invitation]) -> QueryResult<usize> {
    diesel::insert_into(t::table).values(rows).on_conflict_do_nothing().execute(conn).await
}

/// Takes invitations back; how many there were.
pub async fn remove_invitations(conn: &mut Conn, event: TrainingEventId, of: &[RegionCode]) -> QueryResult<usize> {
    diesel::delete(t::table.filter(t::event_id.eq(event).and(t::village_code.eq_any(of)))).execute(conn).await
}

/// Whether a village is invited.
pub async fn is_invited(conn: &mut Conn, event: TrainingEventId, village: &RegionCode) -> QueryResult<bool> {
    diesel::select(exists(t::table.find((event, village)))).get_result(conn).await
}

/// A page of the villages invited to an event that the caller has been found to see, as far as it sees them; each with its
/// name, in the order of codes.
pub async fn invitations(
    conn: &mut &Conn,
    caller: &Caller,
    (event, everyone): (TrainingEventId, bool),
    after: Option<RegionCode>,
    limit: i64,
) -> QueryResult<Vec<(Invitation, String)>> {
    let mut query = t::table.inner_join(regions::table).filter(t::event_id.eq(event)).into_boxed();
    if !everyone {
        let window = caller.sight.window();
        query = query.filter(t::village_code.ge(window.from).and(t::village_code.lt(window.until)));
    }
    if let Some(after) = after {
        query = query.filter(t::village_code.gt(after));
    }
    query.select((Invitation::columns(), regions::name)).order(t::village_code).limit(limit).load(conn).await
}

/// Where those are posted who have a seat in an event or wait for one, each with which of both: of these villages.
pub async fn seats_by_village(
    conn: &mut &Conn,
    event: TrainingEventId,
    of: &[RegionCode],
) -> QueryResult<Vec<(RegionCode, EnrolmentState)>> {
    training_enrolments::table
        .inner_join(volunteers::table)
        .filter(training_enrolments::event_id.eq(event))
        .filter(training_enrolments::state.ne(EnrolmentState::Withdrawn))
        .filter(volunteers::village_code.eq_any(of))
        .select((volunteers::village_code, training_enrolments::state))
        .load(conn)
        .await
}

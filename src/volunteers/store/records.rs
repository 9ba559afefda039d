//! What is told of a volunteer over time: moves of the status, and postings.
use super::visible_to;
use crate::access::rules::{AgencyId, Caller, VolunteerId};
use crate::codes::rules::Code;
use crate::platform::db::Conn;
use crate::platform::db::sql::{Columns, Known};
use crate::platform::region_code::RegionCode;
use crate::schema::{volunteer_history, volunteer_postings, volunteers, volunteers as t};
use crate::volunteers::rules::{HistoryAction, VolunteerStatus};
use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

/// A move of the status.
#[derive(Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = volunteer_history, check_for_backend(diesel::pg::Pg), treat_none_as_default_value = false)]
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
#[diesel(table_name = volunteer_postings, check_for_backend(diesel::pg::Pg), treat_none_as_default_value = false)]
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

/// Adds to the history.
pub async fn add_history(conn: &mut Conn, row: &HistoryRow) -> QueryResult<()> {
    diesel::insert_into(volunteer_history::table).values(row).execute(conn).await.map(drop)
}

diesel::alias!(volunteers as whose: Whose);

/// What happened to a volunteer that the caller sees, and to those that were merged into it, oldest first; with the village of
/// the volunteer. Never empty for one who exists.
pub async fn history(conn: &mut &Conn, caller: &Caller, id: VolunteerId) -> QueryResult<Vec<(HistoryRow, RegionCode)>> {
    let (own, merged) = (whose.field(t::id).eq(t::id), whose.field(t::merged_into).eq(t::id.nullable()));
    t::table
        .inner_join(whose.on(own.or(Known(merged))))
        .inner_join(volunteer_history::table.on(volunteer_history::volunteer_id.eq(whose.field(t::id))))
        .filter(t::id.eq(id))
        .filter(visible_to(caller))
        .select((HistoryRow::columns(), t::village_code))
        .order((volunteer_history::at, volunteer_history::id))
        .load(conn)
        .await
}

/// Where a volunteer that the caller sees was posted, and those that were merged into it, oldest first. Never empty for one
/// who exists.
pub async fn postings(conn: &mut &Conn, caller: &Caller, id: VolunteerId) -> QueryResult<Vec<Posting>> {
    let (own, merged) = (whose.field(t::id).eq(t::id), whose.field(t::merged_into).eq(t::id.nullable()));
    t::table
        .inner_join(whose.on(own.or(Known(merged))))
        .inner_join(volunteer_postings::table.on(volunteer_postings::volunteer_id.eq(whose.field(t::id))))
        .filter(t::id.eq(id))
        .filter(visible_to(caller))
        .select(Posting::columns())
        .order((volunteer_postings::valid_from, volunteer_postings::created_at, volunteer_postings::id))
        .load(conn)
        .await
}

/// First day of the current posting.
pub async fn posted_since(conn: &mut Conn, id: VolunteerId) -> QueryResult<NaiveDate> {
    let current = volunteer_postings::table
        .filter(volunteer_postings::volunteer_id.eq(id).and(volunteer_postings::valid_until.is_null()));
    current.select(volunteer_postings::valid_from).first(conn).await
}

/// Ends the current posting on the day that the new one begins.
pub async fn replace_posting(conn: &mut Conn, new: &Posting) -> QueryResult<()> {
    let current = volunteer_postings::table
        .filter(volunteer_postings::volunteer_id.eq(new.volunteer_id).and(volunteer_postings::valid_until.is_null()));
    diesel::update(current).set(volunteer_postings::valid_until.eq(new.valid_from)).execute(conn).await?;
    diesel::insert_into(volunteer_postings::table).values(new).execute(conn).await.map(drop)
}

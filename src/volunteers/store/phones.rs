//! Every SQL statement on the one-time codes of phones.
use super::Volunteer;
use crate::access::rules::{AgencyId, ClientId, VolunteerId};
use crate::platform::db::Conn;
use crate::platform::db::sql::Columns;
use crate::schema::{phone_codes as t, volunteers};
use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

/// A code as stored.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = t, check_for_backend(diesel::pg::Pg))]
pub struct PhoneCode {
    /// Its id.
    pub id: Uuid,
    /// Whose phone it is for.
    pub volunteer_id: VolunteerId,
    /// Whose client the phone becomes.
    pub agency_id: AgencyId,
    /// What it is found by.
    pub code_index: Vec<u8>,
    /// When.
    pub created_at: DateTime<Utc>,
    /// By which client.
    pub created_by: ClientId,
    /// By which officer.
    pub acting_user: Option<String>,
    /// Ends then.
    pub expires_at: DateTime<Utc>,
    /// The phone that used it up.
    pub client_id: Option<ClientId>,
}

/// When the codes of a volunteer were made that are still kept, oldest first.
pub async fn codes_made(
    conn: &mut Conn,
    volunteer: VolunteerId,
    since: DateTime<Utc>,
) -> QueryResult<Vec<DateTime<Utc>>> {
    let recent = t::table.filter(t::volunteer_id.eq(volunteer).and(t::created_at.gt(since)));
    recent.select(t::created_at).order(t::created_at).load(conn).await
}

/// Inserts a code; the one before is none any more.
pub async fn add_code(conn: &mut Conn, code: &PhoneCode) -> QueryResult<()> {
    end_codes(conn, code.volunteer_id, code.created_at).await?;
    diesel::insert_into(t::table).values(code).execute(conn).await.map(drop)
}

/// Ends the code of a volunteer that was not used yet; returns how many there were.
pub async fn end_codes(conn: &mut Conn, volunteer: VolunteerId, now: DateTime<Utc>) -> QueryResult<usize> {
    let living = t::table.filter(t::volunteer_id.eq(volunteer).and(t::expires_at.gt(now)));
    diesel::update(living.filter(t::client_id.is_null())).set(t::expires_at.eq(now)).execute(conn).await
}

/// A code and the volunteer whom it is for, both held until the transaction ends: the volunteer first, as everywhere.
pub async fn lock_code(conn: &mut Conn, index: &[u8]) -> QueryResult<(PhoneCode, Volunteer)> {
    let of = t::table.filter(t::code_index.eq(index));
    let volunteer: VolunteerId = of.select(t::volunteer_id).first(conn).await?;
    let volunteer =
        volunteers::table.find(volunteer).select(Volunteer::columns()).for_no_key_update().first(conn).await?;
    Ok((of.select(PhoneCode::columns()).for_update().first(conn).await?, volunteer))
}

/// Uses a code up.
pub async fn use_code(conn: &mut Conn, code: Uuid, client: ClientId) -> QueryResult<()> {
    diesel::update(t::table.find(code)).set(t::client_id.eq(client)).execute(conn).await.map(drop)
}

/// Removes codes that ended an hour ago; returns how many.
pub async fn sweep_codes(conn: &mut Conn, now: DateTime<Utc>) -> QueryResult<usize> {
    diesel::delete(t::table.filter(t::expires_at.lt(now - TimeDelta::hours(1)))).execute(conn).await
}

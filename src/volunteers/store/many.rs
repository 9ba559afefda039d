//! What an import asks of many at once.
use crate::access::rules::VolunteerId;
use crate::platform::db::Conn;
use crate::platform::db::sql::{pg_advisory_xact_lock, unnest};
use crate::platform::region_code::RegionCode;
use crate::schema::{volunteer_people, volunteers as t};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

/// Holds several NIKs as [`super::hold_nik`] holds one. Always in the same order, so that no two wait for each other.
pub async fn hold_niks(conn: &mut Conn, indexes: &[Vec<u8>]) -> QueryResult<()> {
    let key = |index: &Vec<u8>| index.first_chunk().map(|bytes| i64::from_be_bytes(*bytes)).unwrap_or_default();
    let mut keys: Vec<i64> = indexes.iter().map(key).collect();
    keys.sort_unstable();
    keys.dedup();
    diesel::select(pg_advisory_xact_lock(unnest(keys))).execute(conn).await.map(drop)
}

/// Every row with one of these NIKs and where it is posted, whoever may see it.
pub async fn holders_of(conn: &mut Conn, indexes: &[Vec<u8>]) -> QueryResult<Vec<(Vec<u8>, VolunteerId, RegionCode)>> {
    t::table
        .inner_join(volunteer_people::table)
        .filter(volunteer_people::nik_index.eq_any(indexes))
        .select((volunteer_people::nik_index.assume_not_null(), t::id, t::village_code))
        .order(t::id)
        .load(conn)
        .await
}

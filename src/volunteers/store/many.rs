//! What is asked of one who registers, or of all in a chunk of an import at once.
use super::{Neighbour, nik_key, village_key};
use crate::access::rules::VolunteerId;
use crate::platform::db::Conn;
use crate::platform::db::sql::{pg_advisory_xact_lock, unnest};
use crate::platform::region_code::RegionCode;
use crate::schema::{volunteer_people, volunteers as t};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use std::collections::BTreeSet;

/// Holds many as [`super::hold_nik`] and then [`super::hold_village`] hold one. Always in the same order, so that no two wait
/// for each other.
pub async fn hold_many(conn: &mut Conn, indexes: &[Vec<u8>], villages: &[RegionCode]) -> QueryResult<()> {
    let niks = indexes.iter().map(|index| nik_key(index)).collect::<BTreeSet<i64>>();
    let villages = villages.iter().map(village_key).collect::<BTreeSet<i64>>();
    for keys in [niks, villages] {
        let keys: Vec<i64> = keys.into_iter().collect();
        diesel::select(pg_advisory_xact_lock(unnest(keys))).execute(conn).await?;
    }
    Ok(())
}

/// Everyone who is or was a volunteer of one of these villages: some ten each at most.
pub async fn neighbours_of(conn: &mut Conn, villages: &[RegionCode]) -> QueryResult<Vec<(RegionCode, Neighbour)>> {
    t::table
        .inner_join(volunteer_people::table)
        .filter(t::village_code.eq_any(villages).and(t::merged_into.is_null()))
        .select((t::village_code, (t::id, t::status, volunteer_people::name, volunteer_people::birth_date)))
        .order(t::id)
        .load(conn)
        .await
}

/// Every row with one of these NIKs and where it is posted, whoever may see it; merged ones have none of their own.
pub async fn holders_of(conn: &mut Conn, indexes: &[Vec<u8>]) -> QueryResult<Vec<(Vec<u8>, VolunteerId, RegionCode)>> {
    t::table
        .inner_join(volunteer_people::table)
        .filter(volunteer_people::nik_index.eq_any(indexes).and(t::merged_into.is_null()))
        .select((volunteer_people::nik_index.assume_not_null(), t::id, t::village_code))
        .order(t::id)
        .load(conn)
        .await
}

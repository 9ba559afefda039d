//! Encrypted columns, page by page, for the change of the key that seals them.
use crate::access::rules::VolunteerId;
use crate::platform::db::Conn;
use crate::schema::volunteer_people as t;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

/// Sealed NIKs, in the order of the volunteers' ids.
pub async fn sealed_niks(
    conn: &mut Conn,
    after: VolunteerId,
    limit: i64,
) -> QueryResult<Vec<(VolunteerId, Option<Vec<u8>>)>> {
    t::table
        .filter(t::volunteer_id.gt(after).and(t::nik.is_not_null()))
        .select((t::volunteer_id, t::nik))
        .order(t::volunteer_id)
        .limit(limit)
        .load(conn)
        .await
}

/// Writes the same NIK under another key, unless it has been changed meanwhile.
pub async fn replace_sealed_nik(conn: &mut Conn, id: VolunteerId, old: &[u8], new: &[u8]) -> QueryResult<usize> {
    diesel::update(t::table.filter(t::volunteer_id.eq(id).and(t::nik.eq(old)))).set(t::nik.eq(new)).execute(conn).await
}

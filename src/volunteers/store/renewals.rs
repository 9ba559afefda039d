//! Who is posted in a village that is no longer.
use super::{Volunteer, visible_to};
use crate::access::rules::{Caller, VolunteerId};
use crate::platform::db::Conn;
use crate::platform::db::sql::Columns;
use crate::platform::region_code::RegionCode;
use crate::schema::{regions, volunteers as t};
use diesel::dsl::count_star;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use diesel_async::RunQueryDsl;

/// A village that is no longer, with volunteers.
#[derive(Debug, Queryable)]
pub struct Stranded {
    /// Its code.
    pub code: RegionCode,
    /// Its last name.
    pub name: String,
    /// Year of the last list that had it.
    pub last_listed: i16,
    /// Who are posted there.
    pub volunteers: i64,
}

/// Villages that are no longer, in which volunteers whom the caller sees are posted; in the order of codes.
pub async fn stranded(
    conn: &mut Conn,
    caller: &Caller,
    after: Option<&RegionCode>,
    limit: i64,
) -> QueryResult<Vec<Stranded>> {
    let after = after.map(RegionCode::as_str).unwrap_or_default();
    let window = caller.sight.window();
    t::table
        .inner_join(regions::table)
        .filter(regions::last_listed.is_not_null())
        .filter(visible_to(caller))
        // The same of the few regions that are no longer, from which the search begins.
        .filter(regions::code.ge(window.from).and(regions::code.lt(window.until)).and(regions::code.gt(after)))
        .group_by((regions::code, regions::name, regions::last_listed))
        .select((regions::code, regions::name, regions::last_listed.assume_not_null(), count_star()))
        .order(regions::code)
        .limit(limit)
        .load(conn)
        .await
}

/// Everyone who is posted in a village (only these, if some are named), merged rows too, held in the order of ids.
pub async fn lock_posted(
    conn: &mut Conn,
    village: &RegionCode,
    only: Option<&[VolunteerId]>,
) -> QueryResult<Vec<Volunteer>> {
    let everyone = only.is_none().into_sql::<Bool>();
    t::table
        .filter(t::village_code.eq(village))
        .filter(everyone.or(t::id.eq_any(only.unwrap_or_default())))
        .select(Volunteer::columns())
        .order(t::id)
        .for_update()
        .load(conn)
        .await
}

/// How many are posted in a village.
pub async fn count_posted(conn: &mut Conn, village: &RegionCode) -> QueryResult<i64> {
    t::table.filter(t::village_code.eq(village).and(t::merged_into.is_null())).count().get_result(conn).await
}

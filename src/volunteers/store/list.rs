//! Lists and searches: one predicate for a list and its count.
use super::{Full, Person, Volunteer, visible_to};
use crate::access::rules::{Caller, Reach, VolunteerId};
use crate::codes::rules::Code;
use crate::platform::db::Conn;
use crate::platform::nik::Sex;
use crate::platform::region_code::{RegionCode, RegionLevel};
use crate::schema::{volunteer_people, volunteers as t};
use crate::volunteers::rules::{TrainingLevel, VolunteerStatus};
use diesel::dsl::{InnerJoin, IntoBoxed, count_star};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use diesel_async::RunQueryDsl;

/// Which volunteers: repeated is or, different is and.
#[derive(Debug, Default)]
pub struct Wanted {
    /// Posted in this region's subtree.
    pub region: Option<RegionCode>,
    /// In one of these.
    pub status: Vec<VolunteerStatus>,
    /// Of one of these.
    pub level: Vec<TrainingLevel>,
    /// Of one of these; none in it: not known.
    pub sex: Vec<Option<Sex>>,
    /// With this function.
    pub function: Option<Code>,
}

type Narrowed<'a> = IntoBoxed<'a, InnerJoin<t::table, volunteer_people::table>, Pg>;

fn within(query: Narrowed<'_>, region: RegionCode) -> Narrowed<'_> {
    match region.level() {
        RegionLevel::Province => query.filter(t::province_code.eq(region)),
        RegionLevel::Regency => query.filter(t::regency_code.eq(region)),
        RegionLevel::District => query.filter(t::district_code.eq(region)),
        RegionLevel::Village => query.filter(t::village_code.eq(region)),
    }
}

/// The one predicate of list and count: what the caller sees ([`visible_to`], as an index finds it), as it was asked for.
fn narrowed<'a>(caller: &Caller, wanted: &'a Wanted) -> Narrowed<'a> {
    let all = t::table.inner_join(volunteer_people::table).filter(t::merged_into.is_null()).into_boxed();
    let mut query = match caller.sight.reach(wanted.region.as_ref()) {
        Reach::Everywhere => all,
        Reach::Within(region) => within(all, region),
        Reach::Own(own, None) => all.filter(t::id.eq(own)),
        Reach::Own(own, Some(region)) => within(all.filter(t::id.eq(own)), region),
        Reach::Nowhere => all.filter(false.into_sql::<Bool>()),
    };
    query = match wanted.status.as_slice() {
        [] => query,
        [one] => query.filter(t::status.eq(one)), // an index has it in the order of the list
        several => query.filter(t::status.eq_any(several)),
    };
    if !wanted.level.is_empty() {
        query = query.filter(t::level.eq_any(&wanted.level));
    }
    if !wanted.sex.is_empty() {
        let known: Vec<Sex> = wanted.sex.iter().copied().flatten().collect();
        let one_of = t::sex.eq_any(known);
        query =
            if wanted.sex.contains(&None) { query.filter(one_of.or(t::sex.is_null())) } else { query.filter(one_of) };
    }
    if let Some(function) = &wanted.function {
        query = query.filter(t::functions.contains(vec![function.as_str()]));
    }
    query
}

/// A page, in the order of registration.
pub async fn list(
    conn: &mut &Conn,
    caller: &Caller,
    wanted: &Wanted,
    after: Option<VolunteerId>,
    limit: i64,
) -> QueryResult<Vec<Full>> {
    let mut query = narrowed(caller, wanted);
    if let Some(after) = after {
        query = query.filter(t::id.gt(after));
    }
    query.select((Volunteer::as_select(), Person::as_select())).order(t::id).limit(limit).load(conn).await
}

/// How many the whole list has.
pub async fn count(conn: &mut &Conn, caller: &Caller, wanted: &Wanted) -> QueryResult<i64> {
    narrowed(caller, wanted).select(count_star()).get_result(conn).await
}

/// Volunteers that the caller sees, with this NIK: more than one only while an identity is disputed.
pub async fn find_by_nik(conn: &mut &Conn, caller: &Caller, nik_index: &[u8]) -> QueryResult<Vec<Full>> {
    let found = t::table
        .inner_join(volunteer_people::table)
        .filter(volunteer_people::nik_index.eq(nik_index))
        .filter(visible_to(caller));
    found.select((Volunteer::as_select(), Person::as_select())).order(t::id).limit(SEARCH_LIMIT).load(conn).await
}

/// Volunteers that the caller sees, with this telephone number.
pub async fn find_by_phone(conn: &mut &Conn, caller: &Caller, phone: &str) -> QueryResult<Vec<Full>> {
    let found = t::table
        .inner_join(volunteer_people::table)
        .filter(volunteer_people::phone.eq(phone))
        .filter(visible_to(caller));
    found.select((Volunteer::as_select(), Person::as_select())).order(t::id).limit(SEARCH_LIMIT).load(conn).await
}

/// A family may share a telephone; no search gives more than this.
const SEARCH_LIMIT: i64 = 50;

//! Lists and searches: one predicate for a list and its count.
use super::{Full, Person, Volunteer, visible_to};
use crate::access::rules::{AgencyId, Caller, Reach, VolunteerId};
use crate::codes::rules::Code;
use crate::platform::db::Conn;
use crate::platform::db::sql::{Columns, Known};
use crate::platform::nik::Sex;
use crate::platform::person::AgeBand;
use crate::platform::region_code::{RegionCode, RegionLevel};
use crate::regions::rules::TimeZone;
use crate::schema::{volunteer_people, volunteers as t};
use crate::volunteers::rules::{TrainingLevel, VolunteerStatus};
use chrono::{DateTime, NaiveDate, Utc};
use diesel::dsl::{InnerJoin, InnerJoinQuerySource, IntoBoxed, count_star};
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
    /// Accompanied by the person of this opaque id.
    pub supervisor: Option<String>,
    /// Accompanied by somebody of this agency.
    pub supervisor_agency: Option<AgencyId>,
    /// Of one of these ages; none in it: not known.
    pub age: Vec<Option<AgeBand>>,
    /// Of this moment.
    pub at: DateTime<Utc>,
    /// The current posting began on this day or later.
    pub posted_from: Option<NaiveDate>,
    /// The current posting began before this day.
    pub posted_before: Option<NaiveDate>,
    /// Whether a telephone number is known.
    pub has_phone: Option<bool>,
}

impl Wanted {
    /// Whether so few may be wanted, of all that the caller sees, that a list has to be read far on to fill a page: then the
    /// best plan depends on what is asked for.
    pub fn may_be_rare(&self, caller: &Caller) -> bool {
        let wide = match caller.sight.reach(self.region.as_ref()) {
            Reach::Everywhere => true,
            Reach::Within(region) => region.level() == RegionLevel::Province,
            Reach::Own(..) | Reach::Nowhere => false,
        };
        let rare = !self.age.is_empty() || self.has_phone.is_some() || self.function.is_some();
        let rare = rare || !self.level.is_empty() || !self.sex.is_empty() || self.status.len() > 1;
        let rare = rare || self.supervisor.is_some() || self.supervisor_agency.is_some();
        wide && (rare || self.posted_from.is_some() || self.posted_before.is_some())
    }
}

pub(super) type Narrowed<'a> = IntoBoxed<'a, InnerJoin<t::table, volunteer_people::table>, Pg>;
type Condition =
    Box<dyn BoxableExpression<InnerJoinQuerySource<t::table, volunteer_people::table>, Pg, SqlType = Bool>>;

fn within(query: Narrowed<'_>, region: RegionCode) -> Narrowed<'_> {
    match region.level() {
        RegionLevel::Province => query.filter(t::province_code.eq(region)),
        RegionLevel::Regency => query.filter(t::regency_code.eq(region)),
        RegionLevel::District => query.filter(t::district_code.eq(region)),
        RegionLevel::Village => query.filter(t::village_code.eq(region)),
    }
}

/// The one predicate of list and count: what the caller sees ([`visible_to`], as an index finds it), as it was asked for.
pub(super) fn narrowed<'a>(caller: &Caller, wanted: &'a Wanted) -> Narrowed<'a> {
    let all = t::table.inner_join(volunteer_people::table).filter(t::merged_into.is_null()).into_boxed();
    let reach = caller.sight.reach(wanted.region.as_ref());
    let mut query = match reach.clone() {
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
    if let Some(agency) = wanted.supervisor_agency {
        query = query.filter(t::supervisor_agency_id.eq(agency));
    }
    if let Some(officer) = &wanted.supervisor {
        query = query.filter(t::supervisor_officer.eq(officer));
    }
    if let Some(aged) = aged(&reach, wanted) {
        query = query.filter(aged);
    }
    if let Some(from) = wanted.posted_from {
        query = query.filter(Known(t::posted_on.ge(from)));
    }
    if let Some(before) = wanted.posted_before {
        query = query.filter(Known(t::posted_on.lt(before)));
    }
    match wanted.has_phone {
        None => query,
        Some(true) => query.filter(volunteer_people::phone.is_not_null()),
        Some(false) => query.filter(volunteer_people::phone.is_null()),
    }
}

/// Of one of the ages wanted, by the day that it is where the volunteer is posted.
fn aged(reach: &Reach, wanted: &Wanted) -> Option<Condition> {
    let zones = match reach {
        Reach::Within(region) | Reach::Own(_, Some(region)) => vec![TimeZone::of(region)],
        Reach::Everywhere | Reach::Own(_, None) | Reach::Nowhere => TimeZone::ALL.to_vec(),
    };
    let mut parts: Vec<Condition> = vec![];
    for zone in &zones {
        let today = zone.day(wanted.at);
        for band in wanted.age.iter().flatten() {
            let (after, until) = band.born(today);
            let born = Known(volunteer_people::birth_date.gt(after).and(volunteer_people::birth_date.le(until)));
            parts.push(if zones.len() == 1 {
                Box::new(born)
            } else {
                Box::new(born.and(t::province_code.eq_any(zone.provinces())))
            });
        }
    }
    if wanted.age.contains(&None) {
        parts.push(Box::new(volunteer_people::birth_date.is_null()));
    }
    parts.into_iter().reduce(|all, part| Box::new(all.or(part)))
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
    query.select((Volunteer::columns(), Person::columns())).order(t::id).limit(limit).load(conn).await
}

/// How many the whole list has.
pub async fn count(conn: &mut &Conn, caller: &Caller, wanted: &Wanted) -> QueryResult<i64> {
    narrowed(caller, wanted).select(count_star()).get_result(conn).await
}

/// How many of them have a NIK.
pub async fn count_with_nik(conn: &mut &Conn, caller: &Caller, wanted: &Wanted) -> QueryResult<i64> {
    let known = volunteer_people::nik.is_not_null();
    narrowed(caller, wanted).filter(known).select(count_star()).get_result(conn).await
}

/// Volunteers that the caller sees, with this NIK: more than one only while an identity is disputed.
pub async fn find_by_nik(conn: &mut &Conn, caller: &Caller, nik_index: &[u8]) -> QueryResult<Vec<Full>> {
    let found = t::table
        .inner_join(volunteer_people::table)
        .filter(volunteer_people::nik_index.eq(nik_index))
        .filter(visible_to(caller));
    found.select((Volunteer::columns(), Person::columns())).order(t::id).limit(SEARCH_LIMIT).load(conn).await
}

/// Volunteers that the caller sees, with this telephone number.
pub async fn find_by_phone(conn: &mut &Conn, caller: &Caller, phone: &str) -> QueryResult<Vec<Full>> {
    let found = t::table
        .inner_join(volunteer_people::table)
        .filter(volunteer_people::phone.eq(phone))
        .filter(visible_to(caller));
    found.select((Volunteer::columns(), Person::columns())).order(t::id).limit(SEARCH_LIMIT).load(conn).await
}

/// A family may share a telephone; no search gives more than this.
const SEARCH_LIMIT: i64 = 50;

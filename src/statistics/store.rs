//! Every SQL statement on the rows that figures are made of. The service can only read them and have them folded.
pub mod referrals;
pub mod training;

use super::rules::{CoverageState, SexGroup};
use crate::platform::db::Conn;
use crate::platform::db::sql::Columns;
use crate::platform::region_code::{RegionCode, RegionLevel};
use crate::schema::volunteer_figures as t;
use crate::volunteers::rules::{TrainingLevel, VolunteerStatus};
use diesel::dsl::{count_star, sum};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

/// Views are not in `schema.rs`.
mod views {
    diesel::table! {
        // Each current village with its active volunteers.
        village_coverage (village_code) {
            village_code -> Text,
            name -> Text,
            province_code -> Text,
            regency_code -> Text,
            district_code -> Text,
            active -> Int8,
        }
    }
}
use views::village_coverage as v;

/// How many volunteers are alike in all three.
pub type Cell = (VolunteerStatus, TrainingLevel, SexGroup, i64);

/// The code under which figures of the country stand.
fn place(region: Option<&RegionCode>) -> String {
    region.map(ToString::to_string).unwrap_or_default()
}

/// Volunteers of a region, by status, level and sex.
pub async fn volunteers(conn: &mut &Conn, region: Option<&RegionCode>) -> QueryResult<Vec<Cell>> {
    let rows: Vec<(VolunteerStatus, TrainingLevel, SexGroup, Option<i64>)> = t::table
        .filter(t::region_code.eq(place(region)))
        .group_by((t::status, t::level, t::sex))
        .select((t::status, t::level, t::sex, sum(t::count)))
        .load(conn)
        .await?;
    Ok(rows.into_iter().map(|(status, level, sex, count)| (status, level, sex, count.unwrap_or_default())).collect())
}

/// Volunteers of each region directly in `region`, by status, level and sex.
pub async fn volunteers_below(conn: &mut &Conn, region: Option<&RegionCode>) -> QueryResult<Vec<(RegionCode, Cell)>> {
    let rows: Vec<(RegionCode, VolunteerStatus, TrainingLevel, SexGroup, Option<i64>)> = t::table
        .filter(t::parent_code.eq(place(region)))
        .group_by((t::region_code, t::status, t::level, t::sex))
        .select((t::region_code, t::status, t::level, t::sex, sum(t::count)))
        .load(conn)
        .await?;
    let cell = |(region, status, level, sex, count): (_, _, _, _, Option<i64>)| {
        (region, (status, level, sex, count.unwrap_or_default()))
    };
    Ok(rows.into_iter().map(cell).collect())
}

/// A village and its active volunteers.
#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = v, check_for_backend(Pg))]
pub struct Village {
    /// Its code.
    pub village_code: RegionCode,
    /// Its name.
    pub name: String,
    /// Active volunteers posted there.
    pub active: i64,
}

type Villages<'a> = v::BoxedQuery<'a, Pg>;

/// The one predicate of the list of villages and its count.
fn villages_in<'a>(region: Option<&RegionCode>, states: &[CoverageState], target: i64) -> Villages<'a> {
    let mut query = v::table.into_boxed();
    if let Some(code) = region {
        let code = code.clone();
        query = match code.level() {
            RegionLevel::Province => query.filter(v::province_code.eq(code)),
            RegionLevel::Regency => query.filter(v::regency_code.eq(code)),
            RegionLevel::District => query.filter(v::district_code.eq(code)),
            RegionLevel::Village => query.filter(v::village_code.eq(code)),
        };
    }
    // All three name every village.
    let mut states = states.iter().map(|state| state.range(target));
    if let Some((from, until)) = states.next() {
        let first: Box<dyn BoxableExpression<v::table, Pg, SqlType = diesel::sql_types::Bool>> =
            Box::new(v::active.ge(from).and(v::active.lt(until)));
        let any =
            states.fold(first, |any, (from, until)| Box::new(any.or(v::active.ge(from).and(v::active.lt(until)))));
        query = query.filter(any);
    }
    query
}

/// A page of villages, in the order of codes.
pub async fn villages(
    conn: &mut &Conn,
    region: Option<&RegionCode>,
    (states, target): (&[CoverageState], i64),
    after: Option<RegionCode>,
    limit: i64,
) -> QueryResult<Vec<Village>> {
    let mut query = villages_in(region, states, target);
    if let Some(after) = after {
        query = query.filter(v::village_code.gt(after));
    }
    query.select(Village::columns()).order(v::village_code).limit(limit).load(conn).await
}

/// How many villages the whole list has.
pub async fn count_villages(
    conn: &mut &Conn,
    region: Option<&RegionCode>,
    (states, target): (&[CoverageState], i64),
) -> QueryResult<i64> {
    villages_in(region, states, target).select(count_star()).get_result(conn).await
}

/// How many villages of a region have how many active volunteers.
pub async fn coverage(conn: &mut &Conn, region: Option<&RegionCode>) -> QueryResult<Vec<(i64, i64)>> {
    let grouped = v::table.group_by(v::active).select((v::active, count_star()));
    match region {
        None => grouped.load(conn).await,
        Some(code) => match code.level() {
            RegionLevel::Province => grouped.filter(v::province_code.eq(code)).load(conn).await,
            RegionLevel::Regency => grouped.filter(v::regency_code.eq(code)).load(conn).await,
            RegionLevel::District => grouped.filter(v::district_code.eq(code)).load(conn).await,
            RegionLevel::Village => grouped.filter(v::village_code.eq(code)).load(conn).await,
        },
    }
}

/// The same for each region directly in `region`.
pub async fn coverage_below(conn: &mut &Conn, region: Option<&RegionCode>) -> QueryResult<Vec<(RegionCode, i64, i64)>> {
    let all = v::table;
    let Some(code) = region else {
        let by = (v::province_code, v::active);
        return all.group_by(by).select((v::province_code, v::active, count_star())).load(conn).await;
    };
    match code.level() {
        RegionLevel::Province => {
            let grouped = all.group_by((v::regency_code, v::active)).filter(v::province_code.eq(code));
            grouped.select((v::regency_code, v::active, count_star())).load(conn).await
        }
        RegionLevel::Regency => {
            let grouped = all.group_by((v::district_code, v::active)).filter(v::regency_code.eq(code));
            grouped.select((v::district_code, v::active, count_star())).load(conn).await
        }
        RegionLevel::District | RegionLevel::Village => {
            let grouped = all.group_by((v::village_code, v::active)).filter(v::district_code.eq(code));
            grouped.select((v::village_code, v::active, count_star())).load(conn).await
        }
    }
}

/// Folds what triggers wrote since the last time; how many rows that were. Figures do not change by it.
pub async fn fold(conn: &mut Conn) -> QueryResult<i64> {
    diesel::select(fold_volunteer_figures()).get_result(conn).await
}

#[diesel::declare_sql_function]
extern "SQL" {
    /// Sums up what triggers wrote; how many rows that were.
    fn fold_volunteer_figures() -> diesel::sql_types::BigInt;
}

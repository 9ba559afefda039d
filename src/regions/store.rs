//! Every SQL statement on `regions`.
use super::rules::{Listed, RegionKind, Succession, TimeZone};
use crate::platform::db::Conn;
use crate::platform::db::sql::{Columns, unnest};
use crate::platform::region_code::{RegionCode, RegionLevel};
use crate::schema::{region_successors, regions as t};
use diesel::prelude::*;
use diesel::upsert::excluded;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use std::collections::HashSet;

/// A region as stored and as served.
#[derive(Debug, Queryable, Selectable, serde::Serialize, utoipa::ToSchema)]
#[diesel(table_name = t, check_for_backend(diesel::pg::Pg))]
pub struct Region {
    /// Dotted code.
    pub code: RegionCode,
    /// As the regulation writes it.
    #[schema(example = "Kabupaten Mukomuko")]
    pub name: String,
    /// How deep it is.
    pub level: RegionLevel,
    /// What it is called by law.
    pub kind: RegionKind,
    /// The region it lies in; null for a province.
    #[schema(required)]
    pub parent_code: Option<RegionCode>,
    /// Five digits; current villages only.
    #[schema(required)]
    pub postal_code: Option<String>,
    /// Retired: year of the last list that had it. Null: current.
    #[schema(required)]
    pub last_listed: Option<i16>,
    /// IANA name: days and months of reports are of this zone.
    #[schema(example = "Asia/Jakarta")]
    pub time_zone: TimeZone,
}

/// Which regions.
#[derive(Debug, Default)]
pub struct Wanted {
    /// Directly in this one.
    pub parent: Option<RegionCode>,
    /// At this depth.
    pub level: Option<RegionLevel>,
    /// Whose folded name holds this folded text.
    pub name: Option<String>,
    /// Retired ones too.
    pub retired: bool,
}

/// A page, in the order of codes.
pub async fn list(
    conn: &mut &Conn,
    wanted: &Wanted,
    after: Option<&RegionCode>,
    limit: i64,
) -> QueryResult<Vec<Region>> {
    let mut query = t::table.select(Region::columns()).order(t::code).limit(limit).into_boxed();
    if let Some(parent) = &wanted.parent {
        query = query.filter(t::parent_code.eq(parent));
    }
    if let Some(level) = wanted.level {
        query = query.filter(t::level.eq(level));
    }
    if let Some(name) = &wanted.name {
        // Folded text holds letters, digits and spaces only: nothing that LIKE would take for a wildcard.
        query = query.filter(t::folded_name.like(format!("%{name}%")));
    }
    if !wanted.retired {
        query = query.filter(t::last_listed.is_null());
    }
    if let Some(after) = after {
        query = query.filter(t::code.gt(after));
    }
    query.load(conn).await
}

/// A region and those it lies in, from the province down.
pub async fn find_with_parents(conn: &mut &Conn, code: &RegionCode) -> QueryResult<Vec<Region>> {
    let codes: Vec<RegionCode> = std::iter::successors(Some(code.clone()), RegionCode::parent).collect();
    t::table.filter(t::code.eq_any(codes)).select(Region::columns()).order(t::code).load(conn).await
}

/// Of these codes, which are those of current regions?
pub async fn current(conn: &mut Conn, codes: &[RegionCode]) -> QueryResult<Vec<RegionCode>> {
    t::table.filter(t::code.eq_any(codes)).filter(t::last_listed.is_null()).select(t::code).load(conn).await
}

/// The regions directly in one (none: the provinces), current and retired, in the order of codes.
pub async fn children(conn: &mut &Conn, parent: Option<&RegionCode>) -> QueryResult<Vec<Region>> {
    let query = t::table.select(Region::columns()).order(t::code);
    match parent {
        Some(parent) => query.filter(t::parent_code.eq(parent)).load(conn).await,
        None => query.filter(t::parent_code.is_null()).load(conn).await,
    }
}

/// The current villages of a regency, in the order of codes.
pub async fn villages(conn: &mut Conn, regency: &RegionCode) -> QueryResult<Vec<RegionCode>> {
    t::table
        .filter(t::regency_code.eq(regency).and(t::level.eq(RegionLevel::Village)).and(t::last_listed.is_null()))
        .select(t::code)
        .order(t::code)
        .load(conn)
        .await
}

/// The names of regions, current and retired.
pub async fn names(conn: &mut &Conn, codes: &[RegionCode]) -> QueryResult<Vec<(RegionCode, String)>> {
    t::table.filter(t::code.eq_any(codes)).select((t::code, t::name)).load(conn).await
}

/// A region and all that lie in it, current, with their folded names.
pub async fn named(conn: &mut Conn, region: &RegionCode) -> QueryResult<Vec<(RegionCode, String)>> {
    // Codes are digits and dots; behind a dot stands the slash.
    let within = t::code.ge(region).and(t::code.lt(format!("{region}/"))).and(t::last_listed.is_null());
    t::table.filter(within).select((t::code, t::folded_name)).load(conn).await
}

/// Of these codes, which are those of regions, current or retired?
pub async fn known(conn: &mut Conn, codes: &[RegionCode]) -> QueryResult<Vec<RegionCode>> {
    t::table.filter(t::code.eq_any(codes)).select(t::code).load(conn).await
}

/// Whether the code is that of a region, current or retired.
pub async fn exists(conn: &mut Conn, code: &RegionCode) -> QueryResult<bool> {
    diesel::select(diesel::dsl::exists(t::table.find(code))).get_result(conn).await
}

/// Whether the code is that of a village that is no longer.
pub async fn is_retired(conn: &mut Conn, code: &RegionCode) -> QueryResult<bool> {
    let retired = t::table.find(code).filter(t::last_listed.is_not_null().and(t::level.eq(RegionLevel::Village)));
    diesel::select(diesel::dsl::exists(retired)).get_result(conn).await
}

/// A region that may be what another one became.
#[derive(Debug, Queryable)]
pub struct Successor {
    /// The one that is no longer.
    pub old_code: RegionCode,
    /// The current one.
    pub code: RegionCode,
    /// Its name.
    pub name: String,
}

/// What these became, as the loaded mapping says.
pub async fn successors(conn: &mut Conn, codes: &[RegionCode]) -> QueryResult<Vec<Successor>> {
    region_successors::table
        .inner_join(t::table.on(t::code.eq(region_successors::new_code)))
        .filter(region_successors::old_code.eq_any(codes).and(t::last_listed.is_null()))
        .select((region_successors::old_code, t::code, t::name))
        .order((region_successors::old_code, t::code))
        .load(conn)
        .await
}

/// The table a second time, in one statement.
mod again {
    use crate::schema::regions;
    diesel::alias!(
        regions as former: Former,
        regions as district: District,
        regions as former_district: FormerDistrict,
    );
}
use again::{district, former, former_district};

/// Current regions with the name and of the level of these: in the same province, or where that has none, anywhere in the
/// country in a region of the same name. Many villages of the country have one name.
pub async fn namesakes(conn: &mut Conn, codes: &[RegionCode]) -> QueryResult<Vec<Successor>> {
    let mut found = namesakes_nearby(conn, codes).await?;
    let found_none = |code: &&RegionCode| !found.iter().any(|one| one.old_code == **code);
    let others: Vec<RegionCode> = codes.iter().filter(found_none).cloned().collect();
    if !others.is_empty() {
        found.extend(namesakes_elsewhere(conn, &others).await?);
    }
    Ok(found)
}

async fn namesakes_elsewhere(conn: &mut Conn, codes: &[RegionCode]) -> QueryResult<Vec<Successor>> {
    let same = former.field(t::folded_name).eq(t::folded_name).and(former.field(t::level).eq(t::level));
    t::table
        .inner_join(former.on(same))
        .inner_join(district.on(district.field(t::code).nullable().eq(t::parent_code)))
        .inner_join(former_district.on(former_district.field(t::code).nullable().eq(former.field(t::parent_code))))
        .filter(district.field(t::folded_name).eq(former_district.field(t::folded_name)))
        .filter(former.field(t::code).eq_any(codes).and(t::last_listed.is_null()))
        .select((former.field(t::code), t::code, t::name))
        .order((former.field(t::code), t::code))
        .load(conn)
        .await
}

async fn namesakes_nearby(conn: &mut Conn, codes: &[RegionCode]) -> QueryResult<Vec<Successor>> {
    let same = former
        .field(t::folded_name)
        .eq(t::folded_name)
        .and(former.field(t::level).eq(t::level))
        .and(former.field(t::province_code).eq(t::province_code));
    t::table
        .inner_join(former.on(same))
        .filter(former.field(t::code).eq_any(codes).and(t::last_listed.is_null()))
        .select((former.field(t::code), t::code, t::name))
        .order((former.field(t::code), t::code))
        .load(conn)
        .await
}

/// Notes what became of regions; what is known stays.
pub async fn save_successors(conn: &mut AsyncPgConnection, pairs: &[Succession]) -> QueryResult<usize> {
    let columns = diesel::select((
        unnest(pairs.iter().map(|pair| pair.old_code.as_str()).collect::<Vec<_>>()),
        unnest(pairs.iter().map(|pair| pair.new_code.as_str()).collect::<Vec<_>>()),
    ));
    let into = (region_successors::old_code, region_successors::new_code);
    columns.insert_into(region_successors::table).into_columns(into).on_conflict_do_nothing().execute(conn).await
}

/// Current regions that are none of these.
pub async fn missing_from(conn: &mut AsyncPgConnection, listed: &[Listed]) -> QueryResult<Vec<RegionCode>> {
    let known: HashSet<&RegionCode> = listed.iter().map(|row| &row.code).collect();
    let current: Vec<RegionCode> = t::table.filter(t::last_listed.is_null()).select(t::code).load(conn).await?;
    Ok(current.into_iter().filter(|code| !known.contains(code)).collect())
}

/// Retires regions: `year` is that of the last list that had them.
pub async fn retire(conn: &mut AsyncPgConnection, codes: &[RegionCode], year: i16) -> QueryResult<usize> {
    diesel::update(t::table.filter(t::code.eq_any(codes))).set(t::last_listed.eq(year)).execute(conn).await
}

/// Inserts or updates regions; parents first.
pub async fn save(conn: &mut AsyncPgConnection, rows: &[Listed]) -> QueryResult<usize> {
    fn column<'a, T>(rows: &'a [Listed], of: impl Fn(&'a Listed) -> T) -> Vec<T> {
        rows.iter().map(of).collect()
    }
    let at = |level| column(rows, move |r| r.code.at(level));
    let values = diesel::select((
        unnest(column(rows, |r| r.code.as_str())),
        unnest(column(rows, |r| r.name.as_str())),
        unnest(column(rows, Listed::folded)),
        unnest(column(rows, |r| r.code.level().as_str())),
        unnest(column(rows, |r| RegionKind::of(&r.code).as_str())),
        unnest(column(rows, |r| r.code.parent())),
        unnest(column(rows, |r| r.code.at(RegionLevel::Province).unwrap_or_else(|| r.code.clone()))),
        unnest(at(RegionLevel::Regency)),
        unnest(at(RegionLevel::District)),
        unnest(column(rows, |r| r.postal_code.clone())),
        unnest(column(rows, |r| r.last_listed)),
        unnest(column(rows, |r| TimeZone::of(&r.code).as_str())),
    ));
    values
        .insert_into(t::table)
        .into_columns((
            t::code,
            t::name,
            t::folded_name,
            t::level,
            t::kind,
            t::parent_code,
            t::province_code,
            t::regency_code,
            t::district_code,
            t::postal_code,
            t::last_listed,
            t::time_zone,
        ))
        .on_conflict(t::code)
        .do_update()
        .set((
            t::name.eq(excluded(t::name)),
            t::folded_name.eq(excluded(t::folded_name)),
            t::postal_code.eq(excluded(t::postal_code)),
            t::last_listed.eq(excluded(t::last_listed)),
        ))
        .execute(conn)
        .await
}

/// How many there are.
pub async fn count(conn: &mut Conn) -> QueryResult<i64> {
    t::table.count().get_result(conn).await
}

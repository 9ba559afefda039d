//! Every SQL statement on working hours and holidays.
use crate::access::rules::AgencyId;
use crate::agencies::calendar::Calendar;
use crate::agencies::holidays::Holiday;
use crate::platform::db::Conn;
use crate::platform::region_code::RegionCode;
use crate::regions::rules::TimeZone;
use crate::schema::{agencies, holidays, source_systems};
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use std::collections::{BTreeMap, BTreeSet};

/// When a source system works, from a moment on for a year.
pub async fn calendar(conn: &mut Conn, system: AgencyId, from: DateTime<Utc>) -> QueryResult<Calendar> {
    calendars(&mut &*conn, &[system], from).await?.remove(&system).ok_or(diesel::NotFound)
}

/// When each of these source systems works, from a moment on for a year. The holidays of each are those of the country and of where it
/// sits.
pub async fn calendars(
    conn: &mut &Conn,
    systems: &[AgencyId],
    from: DateTime<Utc>,
) -> QueryResult<BTreeMap<AgencyId, Calendar>> {
    type Row = (AgencyId, TimeZone, Vec<i16>, NaiveTime, NaiveTime, Vec<RegionCode>, Vec<RegionCode>);
    let rows: Vec<Row> = source_systems::table
        .inner_join(agencies::table)
        .filter(source_systems::agency_id.eq_any(systems))
        .select((
            source_systems::agency_id,
            source_systems::time_zone,
            source_systems::working_days,
            source_systems::opens_at,
            source_systems::closes_at,
            source_systems::region_codes,
            agencies::region_codes,
        ))
        .load(conn)
        .await?;
    let around = |(.., serves, governs): &Row| -> Vec<RegionCode> {
        let seat = governs.iter().chain(serves).next().cloned();
        std::iter::successors(seat, RegionCode::parent).collect()
    };
    let everywhere: BTreeSet<RegionCode> = rows.iter().flat_map(around).collect();
    let (first, last) = Calendar::reach(from);
    let days: Vec<(NaiveDate, Option<RegionCode>)> = holidays::table
        .filter(holidays::day.between(first, last))
        .filter(holidays::region_code.is_null().or(holidays::region_code.eq_any(Vec::from_iter(everywhere))))
        .select((holidays::day, holidays::region_code))
        .load(conn)
        .await?;
    let calendar = |row: Row| {
        let around = around(&row);
        let here = |region: &Option<RegionCode>| region.as_ref().is_none_or(|region| around.contains(region));
        let holidays = days.iter().filter(|(_, region)| here(region)).map(|(day, _)| *day).collect();
        let (id, zone, working_days, opens, closes, ..) = row;
        (id, Calendar { zone, working_days, opens, closes, holidays })
    };
    Ok(rows.into_iter().map(calendar).collect())
}

/// Puts the holidays of these years in the place of those that were there. Part of a transaction.
pub async fn replace_holidays(
    conn: &mut Conn,
    years: &[(NaiveDate, NaiveDate)],
    new: &[Holiday],
) -> QueryResult<usize> {
    for (first, behind) in years {
        diesel::delete(holidays::table.filter(holidays::day.ge(first).and(holidays::day.lt(behind))))
            .execute(conn)
            .await?;
    }
    let rows = |day: &Holiday| {
        (
            holidays::day.eq(day.day),
            holidays::region_code.eq(day.region_code.clone()),
            holidays::name.eq(day.name.clone()),
            holidays::kind.eq(day.kind),
        )
    };
    diesel::insert_into(holidays::table).values(new.iter().map(rows).collect::<Vec<_>>()).execute(conn).await
}

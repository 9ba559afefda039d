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

/// When a source system works, from a moment on for a year. Its holidays are those of the country and of where it sits.
pub async fn calendar(conn: &mut Conn, system: AgencyId, from: DateTime<Utc>) -> QueryResult<Calendar> {
    type Row = (TimeZone, Vec<i16>, NaiveTime, NaiveTime, Vec<RegionCode>, Vec<RegionCode>);
    let (zone, working_days, opens, closes, serves, governs): Row = source_systems::table
        .inner_join(agencies::table)
        .filter(source_systems::agency_id.eq(system))
        .select((
            source_systems::time_zone,
            source_systems::working_days,
            source_systems::opens_at,
            source_systems::closes_at,
            source_systems::region_codes,
            agencies::region_codes,
        ))
        .first(conn)
        .await?;
    let seat = governs.into_iter().chain(serves).next();
    let around: Vec<RegionCode> = std::iter::successors(seat, RegionCode::parent).collect();
    let (first, last) = Calendar::reach(from);
    let days: Vec<NaiveDate> = holidays::table
        .filter(holidays::day.between(first, last))
        .filter(holidays::region_code.is_null().or(holidays::region_code.eq_any(around)))
        .select(holidays::day)
        .load(conn)
        .await?;
    Ok(Calendar { zone, working_days, opens, closes, holidays: days.into_iter().collect() })
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

//! Who took part in training that is over, counted from the seats themselves.
use crate::platform::db::Conn;
use crate::platform::region_code::{RegionCode, RegionLevel};
use crate::statistics::rules::SexGroup;
use crate::training::rules::EventLevel;
use diesel::dsl::{count, count_star, sum};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

/// Views are not in `schema.rs`.
mod views {
    diesel::table! {
        // A row for each seat of an event that is over and each thing it is told by.
        training_figures (enrolment_id) {
            enrolment_id -> Uuid,
            event_id -> Uuid,
            level -> Text,
            year -> Int2,
            sex -> Text,
            province_code -> Text,
            regency_code -> Text,
            district_code -> Text,
            village_code -> Text,
            passed -> Int4,
            failed -> Int4,
            absent -> Int4,
            expected -> Int4,
            attended -> Int4,
            by -> Text,
            key -> Text,
            label -> Text,
        }
    }
}
use views::training_figures as t;

/// Which seats are counted.
#[derive(Debug, Default, Clone)]
pub struct WantedSeats {
    /// Of volunteers posted in this region; none: in the country.
    pub region: Option<RegionCode>,
    /// In events of one of these levels.
    pub level: Vec<EventLevel>,
    /// Of one of these.
    pub sex: Vec<SexGroup>,
    /// In events of this year.
    pub year: Option<i16>,
}

/// What is counted of seats that are alike.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Took {
    /// Of what they are alike in.
    pub key: String,
    /// What that is called.
    pub label: String,
    /// How many took part.
    pub seats: i64,
    /// In how many events.
    pub events: i64,
    /// How many of them passed.
    pub passed: i64,
    /// Failed.
    pub failed: i64,
    /// Were absent.
    pub absent: i64,
    /// How many sessions there were for them.
    pub expected: i64,
    /// And how many they came to.
    pub attended: i64,
}

/// What all seats are told by.
const ALL: &str = "all";

type Row = (String, String, String, i64, i64, Option<i64>, Option<i64>, Option<i64>, Option<i64>, Option<i64>);

/// Seats told by one thing, such as `level`, and all of them, of one moment: the total, and the others in the order of what they are
/// called. No more than `most` of these.
pub async fn took_part(conn: &mut Conn, wanted: &WantedSeats, by: &str, most: i64) -> QueryResult<(Took, Vec<Took>)> {
    let mut query = t::table
        .filter(t::by.eq_any([by, ALL]))
        .group_by((t::by, t::key, t::label))
        .select((
            t::by,
            t::key,
            t::label,
            count_star(),
            count(t::event_id).aggregate_distinct(),
            sum(t::passed),
            sum(t::failed),
            sum(t::absent),
            sum(t::expected),
            sum(t::attended),
        ))
        .order((t::by.ne(ALL), t::label, t::key))
        .limit(most + 1)
        .into_boxed::<Pg>();
    query = match wanted.region.as_ref().map(|code| (code.level(), code)) {
        None => query,
        Some((RegionLevel::Province, code)) => query.filter(t::province_code.eq(code)),
        Some((RegionLevel::Regency, code)) => query.filter(t::regency_code.eq(code)),
        Some((RegionLevel::District, code)) => query.filter(t::district_code.eq(code)),
        Some((RegionLevel::Village, code)) => query.filter(t::village_code.eq(code)),
    };
    if !wanted.level.is_empty() {
        query = query.filter(t::level.eq_any(&wanted.level));
    }
    if !wanted.sex.is_empty() {
        query = query.filter(t::sex.eq_any(&wanted.sex));
    }
    if let Some(year) = wanted.year {
        query = query.filter(t::year.eq(year));
    }
    let rows: Vec<Row> = query.load(conn).await?;
    let took = |(by, key, label, seats, events, passed, failed, absent, expected, attended): Row| {
        let took = Took {
            key,
            label,
            seats,
            events,
            passed: passed.unwrap_or_default(),
            failed: failed.unwrap_or_default(),
            absent: absent.unwrap_or_default(),
            expected: expected.unwrap_or_default(),
            attended: attended.unwrap_or_default(),
        };
        (by, took)
    };
    let (all, buckets): (Vec<_>, Vec<_>) = rows.into_iter().map(took).partition(|(by, _)| by == ALL);
    let told = |rows: Vec<(String, Took)>| rows.into_iter().map(|(_, took)| took);
    Ok((told(all).next().unwrap_or_default(), told(buckets).collect()))
}

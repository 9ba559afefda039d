//! Holidays: a file of them a year or several, as the joint decree of ministers (SKB) lists them, loaded whole or not at all.
use super::calendar::HolidayKind;
use super::store::calendar as store;
use crate::platform::db::Target;
use crate::platform::region_code::RegionCode;
use anyhow::{Context, ensure};
use chrono::{Datelike, NaiveDate};
use diesel_async::AsyncConnection;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

/// More lines than this are no list of holidays.
const MOST: usize = 10_000;

/// A day on which nobody works.
#[derive(Debug, Clone)]
pub struct Holiday {
    /// The day.
    pub day: NaiveDate,
    /// Where; none: in the whole country.
    pub region_code: Option<RegionCode>,
    /// What it is called.
    pub name: String,
    /// Why nobody works.
    pub kind: HolidayKind,
}

const COLUMNS: [&str; 4] = ["day", "region_code", "name", "kind"];

/// The holidays of 2026 that come with the service: a sample, see `data/NOTICE`.
pub fn shipped() -> anyhow::Result<Vec<Holiday>> {
    read(&include_bytes!("../../data/holidays-2026.csv")[..])
}

/// Reads columns `day`, `region_code`, `name`, `kind` as CSV. The first line that is wrong is told, and nothing is taken.
pub fn read(file: impl Read) -> anyhow::Result<Vec<Holiday>> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_reader(file);
    let head = reader.headers().context("line 1: cannot be read")?;
    ensure!(head.iter().eq(COLUMNS), "line 1: columns are {}", COLUMNS.join(","));
    let mut seen: BTreeMap<(NaiveDate, String), usize> = BTreeMap::new();
    let mut days = vec![];
    for (index, row) in reader.records().enumerate() {
        // The first line names the columns.
        let line = index + 2;
        ensure!(index < MOST, "line {line}: more than {MOST} days");
        let row = row.with_context(|| format!("line {line}: cannot be read"))?;
        let day = holiday(&row).map_err(|why| anyhow::anyhow!("line {line}: {why}"))?;
        let place = day.region_code.as_ref().map(ToString::to_string).unwrap_or_default();
        if let Some(before) = seen.insert((day.day, place), line) {
            anyhow::bail!("line {line}: the same day and region as line {before}");
        }
        days.push(day);
    }
    ensure!(!days.is_empty(), "the file has no days");
    Ok(days)
}

fn holiday(row: &csv::StringRecord) -> anyhow::Result<Holiday> {
    let [day, region, name, kind] = row.iter().collect::<Vec<_>>()[..] else {
        anyhow::bail!("has not as many columns as the first line");
    };
    let day: NaiveDate = day.parse().context("day: a date, as 2026-08-17")?;
    ensure!((2000..=2200).contains(&day.year()), "day: of a year from 2000 to 2200");
    let code =
        |raw: &str| RegionCode::parse(raw).ok().context("region_code: as 17.06, or nothing for the whole country");
    let region_code = if region.is_empty() { None } else { Some(code(region)?) };
    let good = (1..=200).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    ensure!(good, "name: 1 to 200 characters");
    let kind = HolidayKind::parse(kind).context("kind: holiday or joint_leave")?;
    Ok(Holiday { day, region_code, name: name.to_owned(), kind })
}

/// Puts these days in the place of all that the database has of their years; returns the years.
pub async fn load(target: &Target, days: &[Holiday]) -> anyhow::Result<Vec<i32>> {
    let years: Vec<i32> = days.iter().map(|day| day.day.year()).collect::<BTreeSet<_>>().into_iter().collect();
    let span = |year: &i32| NaiveDate::from_ymd_opt(*year, 1, 1).zip(NaiveDate::from_ymd_opt(year + 1, 1, 1));
    let spans: Vec<(NaiveDate, NaiveDate)> = years.iter().filter_map(span).collect();
    let (mut conn, _driver) = target.session("simpul-holidays", "").connect().await?;
    let saved = conn.transaction(async |c| store::replace_holidays(c, &spans, days).await).await;
    saved.context("the days were not loaded; is each region one of the official table?")?;
    Ok(years)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_year_that_comes_along_is_read() {
        let days = shipped().unwrap();
        assert!(days.iter().all(|day| day.day.year() == 2026 && day.region_code.is_none()));
        let of = |kind| days.iter().filter(|day| day.kind == kind).count();
        assert_eq!((of(HolidayKind::Holiday), of(HolidayKind::JointLeave)), (17, 8));
    }

    #[test]
    fn what_is_wrong_is_told_by_its_line() {
        let head = "day,region_code,name,kind\n2026-08-17,,Kemerdekaan,holiday\n";
        for (line, told) in [
            ("17-08-2026,,x,holiday", "line 3: day"),
            ("2026-08-18,17x,x,holiday", "line 3: region_code"),
            ("2026-08-18,,x,feast", "line 3: kind"),
            ("2026-08-18,,,holiday", "line 3: name"),
            ("2026-08-18,,x", "line 3: has not as many columns"),
            ("2026-08-17,,x,holiday", "line 3: the same day and region as line 2"),
            ("1026-08-17,,x,holiday", "line 3: day"),
        ] {
            let error = read(format!("{head}{line}\n").as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with(told), "{line}: {error}");
        }
        assert!(read("day,region_code,name,kind\n".as_bytes()).is_err());
        assert!(read("day,name\n2026-08-17,x\n".as_bytes()).unwrap_err().to_string().contains("line 1"));
        assert_eq!(read(head.as_bytes()).unwrap().len(), 1);
    }
}

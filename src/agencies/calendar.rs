//! When a source system works, and when a span of its working time is over. Pure.
use crate::regions::rules::TimeZone;
use crate::text_enum;
use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime, TimeDelta, Utc};
use std::collections::BTreeSet;

text_enum! {
    /// Why nobody works on a day.
    HolidayKind {
        /// A holiday.
        Holiday = "holiday",
        /// Leave that all take together (cuti bersama).
        JointLeave = "joint_leave",
    }
}

/// The longest that is counted over: whoever does not work for so long never does.
const MOST_DAYS: usize = 3 * 366;

/// The working time of a source system.
#[derive(Debug, Clone)]
pub struct Calendar {
    /// Where its clocks stand.
    pub zone: TimeZone,
    /// ISO 8601: 1 is Monday.
    pub working_days: Vec<i16>,
    /// By its own clock.
    pub opens: NaiveTime,
    /// By its own clock, after it opens.
    pub closes: NaiveTime,
    /// Days on which it does not work whatever day of the week they are.
    pub holidays: BTreeSet<NaiveDate>,
}

impl Calendar {
    /// Working time of one working day.
    pub fn day(&self) -> TimeDelta {
        self.closes - self.opens
    }

    /// Whether it works on a day.
    pub fn works_on(&self, day: NaiveDate) -> bool {
        let weekday = i16::try_from(day.weekday().number_from_monday()).unwrap_or_default();
        self.working_days.contains(&weekday) && !self.holidays.contains(&day)
    }

    /// When it works, from `at` on: at once if it works then; none if it has no working day within a year.
    pub fn opens(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut days = self.zone.day(at).iter_days().take(366).filter(|day| self.works_on(*day));
        days.find_map(|day| {
            let begins = self.zone.instant(day, self.opens).max(at);
            (begins < self.zone.instant(day, self.closes)).then_some(begins)
        })
    }

    /// When so much of its working time has passed after `from`. A span that ends as it closes ends there, not on the next
    /// morning. Of who never works: as if it always did.
    pub fn after(&self, from: DateTime<Utc>, span: TimeDelta) -> DateTime<Utc> {
        let mut left = span;
        let first = self.zone.day(from);
        for day in first.iter_days().take(MOST_DAYS).filter(|day| self.works_on(*day)) {
            let begins = self.zone.instant(day, self.opens).max(from);
            let here = self.zone.instant(day, self.closes) - begins;
            if here <= TimeDelta::zero() {
                continue;
            }
            if left <= here {
                return begins + left;
            }
            left -= here;
        }
        from + span
    }

    /// When so many whole working days have passed after `from`.
    pub fn after_days(&self, from: DateTime<Utc>, days: i16) -> DateTime<Utc> {
        self.after(from, self.day() * i32::from(days))
    }

    /// The days whose holidays matter for spans that begin at `from`: first and last.
    pub fn reach(from: DateTime<Utc>) -> (NaiveDate, NaiveDate) {
        let first = from.date_naive();
        (first, first.checked_add_days(Days::new(366)).unwrap_or(first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse::<DateTime<chrono::FixedOffset>>().unwrap().to_utc()
    }

    fn office(zone: TimeZone, holidays: &[&str]) -> Calendar {
        let time = |hour| NaiveTime::from_hms_opt(hour, 0, 0).unwrap();
        let holidays = holidays.iter().map(|text| day(text)).collect();
        Calendar { zone, working_days: vec![1, 2, 3, 4, 5], opens: time(8), closes: time(16), holidays }
    }

    #[test]
    fn working_time_passes_while_the_office_works() {
        let office = office(TimeZone::Wib, &["2026-12-25"]);
        let hours = |from: &str, hours| office.after(at(from), TimeDelta::hours(hours));
        // a Thursday
        assert_eq!(hours("2026-12-03T09:00:00+07:00", 2), at("2026-12-03T11:00:00+07:00"));
        assert_eq!(hours("2026-12-03T05:00:00+07:00", 2), at("2026-12-03T10:00:00+07:00"));
        assert_eq!(hours("2026-12-03T14:00:00+07:00", 4), at("2026-12-04T10:00:00+07:00"));
        // to the very end of a day, and a minute more
        assert_eq!(hours("2026-12-03T08:00:00+07:00", 8), at("2026-12-03T16:00:00+07:00"));
        assert_eq!(hours("2026-12-03T16:00:00+07:00", 1), at("2026-12-04T09:00:00+07:00"));
        // over a weekend, and over a holiday with a weekend behind it
        assert_eq!(hours("2026-12-04T15:00:00+07:00", 2), at("2026-12-07T09:00:00+07:00"));
        assert_eq!(hours("2026-12-05T12:00:00+07:00", 1), at("2026-12-07T09:00:00+07:00"));
        assert_eq!(hours("2026-12-24T15:00:00+07:00", 2), at("2026-12-28T09:00:00+07:00"));
        assert_eq!(office.after_days(at("2026-12-22T10:00:00+07:00"), 3), at("2026-12-28T10:00:00+07:00"));
    }

    #[test]
    fn an_office_tells_when_it_opens() {
        let office = office(TimeZone::Wit, &["2026-12-07"]);
        for (moment, opens) in [
            ("2026-12-03T08:00:00+09:00", "2026-12-03T08:00:00+09:00"),
            ("2026-12-03T15:59:59+09:00", "2026-12-03T15:59:59+09:00"),
            ("2026-12-03T07:59:59+09:00", "2026-12-03T08:00:00+09:00"),
            ("2026-12-03T16:00:00+09:00", "2026-12-04T08:00:00+09:00"),
            // Thursday there, Wednesday in UTC
            ("2026-12-02T23:30:00Z", "2026-12-02T23:30:00Z"),
            // over a weekend and a holiday
            ("2026-12-04T16:00:00+09:00", "2026-12-08T08:00:00+09:00"),
        ] {
            assert_eq!(office.opens(at(moment)), Some(at(opens)), "{moment}");
        }
        assert_eq!(Calendar { working_days: vec![], ..office }.opens(at("2026-12-03T09:00:00+09:00")), None);
    }

    #[test]
    fn each_office_works_by_its_own_clock() {
        let eastern = office(TimeZone::Wit, &[]);
        // 14:30 in Jakarta is 16:30 in Jayapura, where it is evening.
        assert_eq!(
            eastern.after(at("2026-12-03T14:30:00+07:00"), TimeDelta::hours(1)),
            at("2026-12-04T09:00:00+09:00")
        );
        // Friday 23:30 UTC is Saturday there.
        assert_eq!(eastern.after(at("2026-12-04T23:30:00Z"), TimeDelta::hours(1)), at("2026-12-07T09:00:00+09:00"));
    }

    #[test]
    fn who_never_works_is_waited_for_by_the_clock() {
        let closed = Calendar { working_days: vec![], ..office(TimeZone::Wib, &[]) };
        let from = at("2026-12-03T09:00:00+07:00");
        assert_eq!(closed.after(from, TimeDelta::hours(5)), from + TimeDelta::hours(5));
    }
}

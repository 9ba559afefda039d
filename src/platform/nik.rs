//! The NIK, the 16 digits of an Indonesian citizen: `PPKKCC DDMMYY SSSS`, region of first registration, birth date (of
//! women: day + 40), serial. It never changes, not even when a birth date is corrected (PP 40/2019).
//!
//! It has neither `Serialize` nor a telling `Debug`: it is stored encrypted and leaves as its last four digits, unless a
//! handler reveals it for a purpose.
use super::error::Fault;
use super::text::Line;
use crate::text_enum;
use chrono::{Datelike, NaiveDate};
use std::borrow::Cow;
use std::fmt;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, SchemaFormat, schema::Type};
use zeroize::Zeroizing;

text_enum! {
    /// How much is known of a person's NIK.
    NikStatus {
        /// Checked against the civil registry.
        Verified = "verified",
        /// Sixteen digits that may be one.
        WellFormed = "well_formed",
        /// The person has none (neglected, newborn).
        None = "none",
        /// Not asked yet.
        Unknown = "unknown",
    }
}

text_enum! {
    /// As in civil registration.
    Sex {
        /// Perempuan.
        Female = "female",
        /// Laki-laki.
        Male = "male",
    }
}

/// Provinces that exist or existed, and 99 of citizens registered abroad (NIT).
const PROVINCES: [&str; 40] = [
    "11", "12", "13", "14", "15", "16", "17", "18", "19", "21", "31", "32", "33", "34", "35", "36", "51", "52", "53",
    "61", "62", "63", "64", "65", "71", "72", "73", "74", "75", "76", "81", "82", "91", "92", "93", "94", "95", "96",
    "97", "99",
];

/// A well-formed NIK.
#[derive(Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct Nik(Zeroizing<String>);

/// By which another system calls something: a line, and none that is somebody's NIK, since it is shown to everyone.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct OwnNumber(Line<100>);

impl OwnNumber {
    /// The number.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl TryFrom<String> for OwnNumber {
    type Error = Fault;
    fn try_from(raw: String) -> Result<Self, Fault> {
        let line = Line::try_from(raw)?;
        if Nik::parse(line.as_str()).is_ok() {
            let (id, en) =
                ("nomor orang tidak boleh dipakai di sini", "a number that names a person has no place here");
            return Err(Fault::new("number_of_a_person", id, en));
        }
        Ok(Self(line))
    }
}

impl utoipa::PartialSchema for OwnNumber {
    fn schema() -> RefOr<Schema> {
        Line::<100>::schema()
    }
}
impl utoipa::ToSchema for OwnNumber {}

/// Not a NIK.
pub const MALFORMED_NIK: Fault = Fault::new(
    "nik_malformed",
    "bukan NIK: 16 angka dengan wilayah, tanggal lahir dan nomor urut",
    "not a NIK: 16 digits with region, birth date and serial",
);

impl Nik {
    /// Takes 16 digits, apart from spaces, dots and dashes. A birth date in the future is told by [`Nik::check_born`].
    pub fn parse(raw: &str) -> Result<Self, Fault> {
        let digits: String = raw.chars().filter(|c| !matches!(c, ' ' | '.' | '-')).collect();
        let good = digits.len() == 16 && digits.bytes().all(|b| b.is_ascii_digit());
        let nik = Self(Zeroizing::new(digits));
        let dates = if good { nik.birth_dates() } else { vec![] };
        if dates.is_empty() || nik.part(12..16) == "0000" || !PROVINCES.contains(&nik.part(0..2)) {
            return Err(MALFORMED_NIK);
        }
        Ok(nik)
    }

    fn part(&self, range: std::ops::Range<usize>) -> &str {
        self.0.get(range).unwrap_or_default()
    }

    fn number(&self, range: std::ops::Range<usize>) -> u32 {
        self.part(range).parse().unwrap_or_default()
    }

    /// The dates that it may mean, one per century.
    fn birth_dates(&self) -> Vec<NaiveDate> {
        let day = self.number(6..8);
        let day = if day > 40 { day - 40 } else { day };
        let (month, year) = (self.number(8..10), i32::try_from(self.number(10..12)).unwrap_or_default());
        [1900 + year, 2000 + year].into_iter().filter_map(|year| NaiveDate::from_ymd_opt(year, month, day)).collect()
    }

    /// Refuses one whose only possible birth dates lie after `today`.
    pub fn check_born(&self, today: NaiveDate) -> Result<(), Fault> {
        if self.birth_dates().iter().any(|date| *date <= today) { Ok(()) } else { Err(MALFORMED_NIK) }
    }

    /// Whether `date` may be the birth date that it holds; a difference is a warning, never an error.
    pub fn agrees_with_birth_date(&self, date: NaiveDate) -> bool {
        self.birth_dates()
            .iter()
            .any(|own| (own.month(), own.day(), own.year()) == (date.month(), date.day(), date.year()))
    }

    /// The sex that it holds.
    pub fn sex(&self) -> Sex {
        if self.number(6..8) > 40 { Sex::Female } else { Sex::Male }
    }

    /// Undotted code of the district where its holder was first registered.
    pub fn district(&self) -> &str {
        self.part(0..6)
    }

    /// All sixteen digits: to encrypt, to index, or to reveal for a purpose.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The last four digits, which are kept beside the ciphertext.
    pub fn last_four(&self) -> &str {
        self.part(12..16)
    }
}

/// As everyone but a revealing handler shows it: `************0001`.
pub fn masked(last_four: &str) -> String {
    format!("************{last_four}")
}

impl TryFrom<String> for Nik {
    type Error = Fault;
    fn try_from(raw: String) -> Result<Self, Fault> {
        let raw = Zeroizing::new(raw);
        Self::parse(&raw)
    }
}

impl fmt::Debug for Nik {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nik(…)")
    }
}

impl utoipa::PartialSchema for Nik {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(
                "NIK: 16 digits, of a province, a birth date (of women: day + 40) and a serial; spaces, dots and dashes do not \
                 count. Always a string: it may exceed 2^53.",
            ))
            // What a pattern cannot say (a province, a date) goes by the name of a format of our own.
            .format(Some(SchemaFormat::Custom("nik".to_owned())))
            .pattern(Some(r"^[ .\-]*([0-9][ .\-]*){16}$"))
            .examples([serde_json::json!("1706024508950001")])
            .into()
    }
}
impl utoipa::ToSchema for Nik {
    fn name() -> Cow<'static, str> {
        "Nik".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_vectors_of_the_domain_page() {
        let today = NaiveDate::from_ymd_opt(2026, 11, 25).unwrap();
        let date = |y, m, d| NaiveDate::from_ymd_opt(y, m, d).unwrap();
        let valid = [
            ("1706024508950001", Sex::Female, date(1995, 8, 5)),
            ("1706027108950001", Sex::Female, date(1995, 8, 31)),
            ("1706024108000001", Sex::Female, date(2000, 8, 1)),
            ("1706022902960001", Sex::Male, date(1996, 2, 29)),
            ("9101011508800001", Sex::Male, date(1980, 8, 15)),
            ("9912341508950001", Sex::Male, date(1995, 8, 15)),
            ("17.06.02-150895 0010", Sex::Male, date(1995, 8, 15)),
        ];
        for (raw, sex, born) in valid {
            let nik = Nik::parse(raw).unwrap_or_else(|_| panic!("{raw}"));
            assert_eq!(nik.check_born(today), Ok(()));
            assert_eq!(nik.sex(), sex);
            assert!(nik.agrees_with_birth_date(born), "{raw}");
        }
        let invalid = [
            "1706022902950001",
            "1706024508950000",
            "1706023208950001",
            "1706024008950001",
            "0170602200600001",
            "1706029999990000",
            "170602450895001",
            "17060245089500011",
            "１７06024508950001",
            "",
            "17060245089500O1",
        ];
        for raw in invalid {
            assert_eq!(Nik::parse(raw), Err(MALFORMED_NIK), "{raw}");
        }
    }

    #[test]
    fn it_does_not_show() {
        let nik = Nik::parse("1706024508950001").unwrap();
        assert_eq!(format!("{nik:?}"), "Nik(…)");
        assert_eq!(masked(nik.last_four()), "************0001");
    }

    /// A NIK by the rules, and what it tells: of a woman or a man, born on a day of this or the last century.
    fn made() -> impl Strategy<Value = (String, NaiveDate, Sex)> {
        let days = NaiveDate::from_ymd_opt(1900, 1, 1).unwrap();
        let born = (0..45_000_i64).prop_map(move |day| days + chrono::TimeDelta::days(day));
        let sex = prop::sample::select(Sex::ALL);
        (prop::sample::select(&PROVINCES[..]), 0..10_000_u32, born, sex, 1..10_000_u32).prop_map(
            |(province, place, born, sex, serial)| {
                let day = born.day() + if sex == Sex::Female { 40 } else { 0 };
                let (month, year) = (born.month(), born.year() % 100);
                (format!("{province}{place:04}{day:02}{month:02}{year:02}{serial:04}"), born, sex)
            },
        )
    }

    fn with(nik: &str, at: usize, digits: &str) -> String {
        format!("{}{digits}{}", &nik[..at], &nik[at + digits.len()..])
    }

    proptest! {
        #[test]
        fn no_text_panics(raw in "\\PC{0,40}") {
            let _ = Nik::parse(&raw);
        }

        #[test]
        fn no_digits_panic(raw in "[0-9]{12,20}") {
            let _ = Nik::parse(&raw).map(|nik| nik.check_born(NaiveDate::MIN));
        }

        #[test]
        fn what_is_made_by_the_rules_tells_birth_date_and_sex((nik, born, sex) in made()) {
            let parsed = Nik::parse(&nik).unwrap();
            prop_assert!(parsed.agrees_with_birth_date(born));
            prop_assert!(!parsed.agrees_with_birth_date(born + chrono::TimeDelta::days(1)));
            prop_assert_eq!(parsed.sex(), sex);
            prop_assert_eq!((parsed.reveal(), parsed.district(), parsed.last_four()), (nik.as_str(), &nik[..6], &nik[12..]));
            let later = if born.year() < 2000 { born } else { born.with_year(born.year() - 100).unwrap_or(born) };
            prop_assert!(parsed.check_born(born.max(later)).is_ok());
        }

        #[test]
        fn spaces_dots_and_dashes_do_not_count((nik, ..) in made(), marks in prop::collection::vec((0..17_usize, "[ .-]"), 0..8)) {
            let mut written = String::new();
            for at in 0..=16 {
                written.extend(marks.iter().filter(|(place, _)| *place == at).map(|(_, mark)| mark.as_str()));
                written.push_str(nik.get(at..=at).unwrap_or_default());
            }
            prop_assert_eq!(Nik::parse(&written), Nik::parse(&nik));
            prop_assert!(Nik::parse(&written).is_ok());
        }

        #[test]
        fn one_broken_rule_is_enough((nik, ..) in made(), at in 0..16_usize, day in prop::sample::select(&[0_u32, 32, 39, 40, 72, 99][..]),
            month in prop::sample::select(&[0_u32, 13, 99][..]), province in 0..100_u32, other in "[^0-9 .-]") {
            let mut broken = vec![
                nik[1..].to_owned(),
                format!("{nik}0"),
                with(&nik, 12, "0000"),
                with(&nik, 6, &format!("{day:02}")),
                with(&nik, 8, &format!("{month:02}")),
                format!("{}{other}{}", &nik[..at], &nik[at + 1..]),
                // 31 April; 29 February of a year that had none in either century
                with(&with(&nik, 6, "31"), 8, "04"),
                with(&with(&nik, 6, "2902"), 10, "01"),
            ];
            let province = format!("{province:02}");
            if !PROVINCES.contains(&province.as_str()) {
                broken.push(with(&nik, 0, &province));
            }
            for raw in broken {
                prop_assert_eq!(Nik::parse(&raw), Err(MALFORMED_NIK), "{}", raw);
            }
        }

        #[test]
        fn nobody_is_born_tomorrow(days in 1..3_000_i64) {
            // Of years that the last century has not got the same day of, or that lie ahead in this one alone.
            let today = NaiveDate::from_ymd_opt(1910, 1, 1).unwrap();
            let born = today + chrono::TimeDelta::days(days);
            let nik = Nik::parse(&format!("170602{:02}{:02}{:02}0001", born.day(), born.month(), born.year() % 100)).unwrap();
            prop_assert_eq!(nik.check_born(today), Err(MALFORMED_NIK));
            prop_assert_eq!(nik.check_born(born), Ok(()));
        }
    }
}

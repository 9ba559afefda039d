//! What is shown of a person to whoever may not see the person: initials and an age band. And how a person is reached:
//! telephone and e-mail, parsed at the edge.
use super::error::Fault;
use crate::text_enum;
use chrono::{Months, NaiveDate};
use std::borrow::Cow;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, schema::Type};

text_enum! {
    /// Age in whole years, coarse enough to tell nobody apart.
    AgeBand {
        /// Balita.
        UnderFive = "0-4",
        /// Primary school.
        Child = "5-11",
        /// Secondary school.
        Adolescent = "12-17",
        /// Young adult.
        Youth = "18-24",
        /// Adult.
        Adult = "25-44",
        /// Older adult.
        Older = "45-59",
        /// Lanjut usia (UU 13/1998).
        Elderly = "60+",
    }
}

impl AgeBand {
    /// Of somebody born on `birth_date`, on the day `today`.
    pub fn of(birth_date: NaiveDate, today: NaiveDate) -> Self {
        Self::of_age(age(birth_date, today))
    }

    /// Of somebody who is so many years old, by a birth date or an estimate.
    pub fn of_age(years: u32) -> Self {
        match years {
            0..=4 => Self::UnderFive,
            5..=11 => Self::Child,
            12..=17 => Self::Adolescent,
            18..=24 => Self::Youth,
            25..=44 => Self::Adult,
            45..=59 => Self::Older,
            _ => Self::Elderly,
        }
    }

    /// How many years somebody of it has lived: the fewest, and one more than the most.
    pub fn years(self) -> (u32, u32) {
        match self {
            Self::UnderFive => (0, 5),
            Self::Child => (5, 12),
            Self::Adolescent => (12, 18),
            Self::Youth => (18, 25),
            Self::Adult => (25, 45),
            Self::Older => (45, 60),
            Self::Elderly => (60, 200),
        }
    }

    /// Who is of it on the day `today` was born after the first and not after the second day.
    pub fn born(self, today: NaiveDate) -> (NaiveDate, NaiveDate) {
        let (from, until) = self.years();
        let before = |years: u32| today.checked_sub_months(Months::new(12 * years)).unwrap_or(today);
        (before(until), before(from))
    }
}

/// Age in whole years; 0 before birth.
pub fn age(birth_date: NaiveDate, today: NaiveDate) -> u32 {
    today.years_since(birth_date).unwrap_or_default()
}

/// `Siti Aminah` is `S. A.`; at most three letters, for a long name would tell much.
pub fn initials(name: &str) -> String {
    let first = |word: &str| word.chars().find(|c| c.is_alphanumeric());
    let letters: Vec<String> =
        name.split_whitespace().filter_map(first).take(3).map(|c| format!("{}.", c.to_uppercase())).collect();
    letters.join(" ")
}

/// A telephone number in international form: `+6281234567890`.
#[derive(Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct Phone(String);

/// Not a telephone number.
pub const MALFORMED_PHONE: Fault = Fault::new(
    "phone_malformed",
    "bukan nomor telepon; contoh: 0812 3456 7890 atau +62 812 3456 7890",
    "not a telephone number; examples: 0812 3456 7890 or +62 812 3456 7890",
);

impl Phone {
    /// The international form, in which numbers are stored and compared.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Phone {
    type Error = Fault;
    fn try_from(raw: String) -> Result<Self, Fault> {
        let digits: String = raw.chars().filter(|c| !matches!(c, ' ' | '-' | '.' | '(' | ')')).collect();
        let number = match (digits.strip_prefix('+'), digits.strip_prefix('0')) {
            (Some(international), _) => international.to_owned(),
            (None, Some(national)) => format!("62{national}"),
            (None, None) => digits,
        };
        let good = (8..=15).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
        // No country's code begins with 0; sixteen digits would be somebody's NIK.
        if good && !number.starts_with('0') { Ok(Self(format!("+{number}"))) } else { Err(MALFORMED_PHONE) }
    }
}

impl std::fmt::Debug for Phone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Phone(…)")
    }
}

/// What [`Phone`] takes: after + or nothing a country's code and 8 to 15 digits in all, after 0 a national number.
const PHONE: &str = r"^[ .()\-]*(\+?[ .()\-]*[1-9]([ .()\-]*[0-9]){7,14}|0([ .()\-]*[0-9]){6,13})[ .()\-]*$";

impl utoipa::PartialSchema for Phone {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("Telephone number, Indonesian unless it begins with + and another country's code."))
            .pattern(Some(PHONE))
            .examples([serde_json::json!("0812 0000 0001")])
            .into()
    }
}
impl utoipa::ToSchema for Phone {
    fn name() -> Cow<'static, str> {
        "Phone".into()
    }
}

/// An e-mail address, by its shape alone.
#[derive(Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct Email(String);

/// Not an e-mail address.
pub const MALFORMED_EMAIL: Fault = Fault::new("email_malformed", "bukan alamat surel", "not an e-mail address");

impl Email {
    /// As sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Email {
    type Error = Fault;
    fn try_from(raw: String) -> Result<Self, Fault> {
        let parts = raw.split_once('@').filter(|(name, host)| {
            !name.is_empty()
                && host.contains('.')
                && !host.starts_with('.')
                && !host.ends_with('.')
                && !host.contains('@')
        });
        let good = raw.len() <= 254 && raw.bytes().all(|b| b.is_ascii_graphic());
        if good && parts.is_some() { Ok(Self(raw)) } else { Err(MALFORMED_EMAIL) }
    }
}

impl std::fmt::Debug for Email {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Email(…)")
    }
}

/// What [`Email`] takes: a name, and a host with a dot that neither begins nor ends with one.
const EMAIL: &str = r"^[!-?A-~]+@[!-\-/-?A-~][!-?A-~]*\.[!-?A-~]*[!-\-/-?A-~]$";

impl utoipa::PartialSchema for Email {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("E-mail address."))
            .pattern(Some(EMAIL))
            .max_length(Some(254))
            .examples([serde_json::json!("siti@psm.example")])
            .into()
    }
}
impl utoipa::ToSchema for Email {
    fn name() -> Cow<'static, str> {
        "Email".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_of_an_age_was_born_so() {
        let first = NaiveDate::from_ymd_opt(1896, 1, 1).unwrap();
        for today in ["2026-11-25", "2024-02-29", "2025-02-28", "2025-03-01"].map(|day| day.parse().unwrap()) {
            for birth_date in first.iter_days().take_while(|day| *day <= today) {
                let of: Vec<AgeBand> = AgeBand::ALL
                    .iter()
                    .copied()
                    .filter(|band| {
                        let (after, until) = band.born(today);
                        after < birth_date && birth_date <= until
                    })
                    .collect();
                assert_eq!(of, [AgeBand::of(birth_date, today)], "{birth_date} {today}");
            }
        }
    }

    #[test]
    fn a_number_has_one_form() {
        let parse = |raw: &str| Phone::try_from(raw.to_owned()).map(|phone| phone.0);
        for raw in ["0812 3456 7890", "+62 812-3456-7890", "62812.3456.7890", "(0812) 34567890"] {
            assert_eq!(parse(raw), Ok("+6281234567890".to_owned()), "{raw}");
        }
        for bad in ["", "0812", "1706024508950001", "+0812345678", "081x34567890", "++6281234567890"] {
            assert_eq!(parse(bad), Err(MALFORMED_PHONE), "{bad}");
        }
        let pattern = regex::Regex::new(PHONE).unwrap();
        for raw in [
            "0812 3456 7890",
            "(+62) 812-3456-7890",
            " 62812.3456.7890 ",
            "0123456",
            "012345",
            "01234567890123",
            "0123456789012",
            "+1234567",
            "+12345678",
            "123456789012345",
            "1234567890123456",
            "",
            "+",
            "0",
            "00123456",
            "++6281234567890",
            "6+281234567890",
            "0-(8)12345",
        ] {
            assert_eq!(pattern.is_match(raw), parse(raw).is_ok(), "{raw}");
        }
    }

    #[test]
    fn an_address_has_a_name_and_a_host() {
        let good = |raw: &str| Email::try_from(raw.to_owned()).is_ok();
        assert!(good("siti@psm.example"));
        for bad in ["", "siti", "@psm.example", "siti@psm", "a@b@c.d", "si ti@psm.example", "siti@.psm"] {
            assert!(!good(bad), "{bad}");
        }
        let pattern = regex::Regex::new(EMAIL).unwrap();
        for raw in [
            "a@b.c",
            "a@.b.c",
            "a@b.c.",
            "a@b..c",
            "a@b@c.d",
            "@b.c",
            "a@.",
            "a@b",
            "a.b@c-d.e",
            "a @b.c",
            "é@b.c",
            "a@...",
        ] {
            assert_eq!(pattern.is_match(raw), good(raw), "{raw}");
        }
    }

    #[test]
    fn who_may_not_see_a_person_sees_letters_and_a_band() {
        assert_eq!(initials("siti  Aminah"), "S. A.");
        assert_eq!(initials("H. 'Ali bin Abi Thalib"), "H. A. B.");
        let day = |y, m, d| NaiveDate::from_ymd_opt(y, m, d).unwrap();
        assert_eq!(AgeBand::of(day(2008, 11, 26), day(2026, 11, 25)), AgeBand::Adolescent);
        assert_eq!(AgeBand::of(day(2008, 11, 25), day(2026, 11, 25)), AgeBand::Youth);
        assert_eq!(AgeBand::of(day(2027, 1, 1), day(2026, 11, 25)), AgeBand::UnderFive);
        assert_eq!(AgeBand::of(day(1940, 1, 1), day(2026, 11, 25)), AgeBand::Elderly);
    }
}

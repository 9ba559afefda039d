//! Instants and days from a client, parsed at the edge. Only of years that a register can mean: chrono reads years up to
//! 262142, PostgreSQL does not keep all of them, and arithmetic at either end fails. A test refuses any other type in a request.
use super::error::Fault;
use chrono::{DateTime, Datelike, NaiveDate, SubsecRound, Utc};
use utoipa::openapi::{KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat, schema::Type};

/// An instant with its offset, in whole microseconds: the database keeps no more, and an answer must not differ from what
/// is read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct Moment(DateTime<Utc>);

/// Not an instant.
pub const MALFORMED_MOMENT: Fault = Fault::new(
    "moment_malformed",
    "bukan waktu dengan zona; contoh: 2023-05-17T08:00:00+07:00",
    "not a date-time with an offset; example: 2023-05-17T08:00:00+07:00",
);

impl Moment {
    /// As the clock tells time.
    pub fn at(self) -> DateTime<Utc> {
        self.0
    }
}

impl TryFrom<String> for Moment {
    type Error = Fault;
    fn try_from(raw: String) -> Result<Self, Fault> {
        let at = DateTime::parse_from_rfc3339(&raw).map_err(|_| MALFORMED_MOMENT)?;
        if (1945..=2200).contains(&at.year()) { Ok(Self(at.to_utc().trunc_subsecs(6))) } else { Err(MALFORMED_MOMENT) }
    }
}

impl utoipa::PartialSchema for Moment {
    fn schema() -> RefOr<Schema> {
        schema(
            KnownFormat::DateTime,
            "^(19(4[5-9]|[5-9][0-9])|2[01][0-9]{2}|2200)-",
            "Date and time with its offset (RFC 3339), of the years 1945 to 2200.",
            "2023-05-17T08:00:00+07:00",
        )
    }
}
impl utoipa::ToSchema for Moment {
    fn name() -> std::borrow::Cow<'static, str> {
        "Moment".into()
    }
}

/// A day of the calendar. The oldest person alive was born after 1880.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct Day(NaiveDate);

/// Not a day.
pub const MALFORMED_DAY: Fault =
    Fault::new("date_malformed", "bukan tanggal; contoh: 2023-05-17", "not a date; example: 2023-05-17");

impl Day {
    /// As the calendar names it.
    pub fn date(self) -> NaiveDate {
        self.0
    }
}

impl TryFrom<String> for Day {
    type Error = Fault;
    fn try_from(raw: String) -> Result<Self, Fault> {
        // The length is checked because chrono takes 2023-5-7 as well, which RFC 3339 does not know.
        let date = if raw.len() == 10 { raw.parse::<NaiveDate>().ok() } else { None };
        date.filter(|date| (1880..=2200).contains(&date.year())).map(Self).ok_or(MALFORMED_DAY)
    }
}

impl utoipa::PartialSchema for Day {
    fn schema() -> RefOr<Schema> {
        schema(
            KnownFormat::Date,
            "^(18[89][0-9]|19[0-9]{2}|2[01][0-9]{2}|2200)-",
            "Date (RFC 3339), of the years 1880 to 2200.",
            "2023-05-17",
        )
    }
}
impl utoipa::ToSchema for Day {
    fn name() -> std::borrow::Cow<'static, str> {
        "Day".into()
    }
}

fn schema(format: KnownFormat, years: &str, about: &str, example: &str) -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(SchemaFormat::KnownFormat(format)))
        .pattern(Some(years))
        .description(Some(about))
        .examples([serde_json::json!(example)])
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_has_an_offset_and_a_year_that_can_be_meant() {
        let parse = |raw: &str| Moment::try_from(raw.to_owned()).map(|moment| moment.at().to_rfc3339());
        assert_eq!(parse("2023-05-17T08:00:00+07:00").unwrap(), "2023-05-17T01:00:00+00:00");
        assert_eq!(parse("2023-05-17T01:00:00.1234567Z").unwrap(), "2023-05-17T01:00:00.123456+00:00");
        for bad in ["2023-05-17T08:00:00", "2023-05-17", "9999-01-01T00:00:00Z", "0000-01-01T00:00:00Z", "", "now"] {
            assert_eq!(parse(bad), Err(MALFORMED_MOMENT), "{bad}");
        }
    }

    #[test]
    fn a_day_is_of_a_year_that_can_be_meant() {
        let parse = |raw: &str| Day::try_from(raw.to_owned()).map(|day| day.date().to_string());
        for good in ["1880-01-01", "2024-02-29", "2200-12-31"] {
            assert_eq!(parse(good).unwrap(), good);
        }
        for bad in [
            "1879-12-31",
            "2201-01-01",
            "2023-02-29",
            "2023-5-17",
            "17-05-2023",
            "-9999-01-01",
            "+262000-01-01",
            "",
            "2023-05-17T00:00:00Z",
        ] {
            assert_eq!(parse(bad), Err(MALFORMED_DAY), "{bad}");
        }
    }
}

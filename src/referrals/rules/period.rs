//! Months and years, by which referrals are counted.
use crate::platform::error::Fault;
use chrono::{Datelike, Months, NaiveDate};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, schema::Type};

/// A month (`2026-11`) or a year (`2026`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct Period {
    from: NaiveDate,
    until: NaiveDate,
}

impl Period {
    /// Its first month, and the first one behind it.
    pub fn months(self) -> (NaiveDate, NaiveDate) {
        (self.from, self.until)
    }

    /// The year of a day.
    pub fn year_of(day: NaiveDate) -> Self {
        let from = day.with_ordinal(1).unwrap_or(day);
        Self { from, until: from.checked_add_months(Months::new(12)).unwrap_or(from) }
    }

    /// Whether it is a year.
    pub fn is_year(self) -> bool {
        self == Self::year_of(self.from)
    }
}

impl std::fmt::Display for Period {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let month = self.from.checked_add_months(Months::new(1)) == Some(self.until);
        write!(f, "{}", self.from.format(if month { "%Y-%m" } else { "%Y" }))
    }
}

impl TryFrom<String> for Period {
    type Error = Fault;
    fn try_from(raw: String) -> Result<Self, Fault> {
        let fault = || {
            Fault::new("period_malformed", "bulan (2026-11) atau tahun (2026)", "a month (2026-11) or a year (2026)")
        };
        let digits = |part: &str, count| part.len() == count && part.bytes().all(|b| b.is_ascii_digit());
        let (year, month) = match raw.split_once('-') {
            Some((year, month)) if digits(month, 2) => (year, month.parse().ok()),
            None => (raw.as_str(), None),
            Some(_) => return Err(fault()),
        };
        let number = if digits(year, 4) { year.parse::<i32>().ok() } else { None };
        let from = number.and_then(|year| NaiveDate::from_ymd_opt(year, month.unwrap_or(1), 1));
        let until = from.and_then(|from| from.checked_add_months(Months::new(if month.is_some() { 1 } else { 12 })));
        from.zip(until).map(|(from, until)| Self { from, until }).ok_or_else(fault)
    }
}

impl utoipa::PartialSchema for Period {
    fn schema() -> RefOr<Schema> {
        let text = "A month or a year, in the zone of each village.";
        let schema = ObjectBuilder::new().schema_type(Type::String).description(Some(text));
        schema.pattern(Some("^[0-9]{4}(-(0[1-9]|1[0-2]))?$")).examples([serde_json::json!("2026-11")]).into()
    }
}
impl utoipa::ToSchema for Period {}

//! An instant from a client, parsed at the edge.
use super::error::Fault;
use chrono::{DateTime, Datelike, SubsecRound, Utc};
use utoipa::openapi::{KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat, schema::Type};

/// An instant with its offset, in whole microseconds: the database keeps no more, and an answer must not differ from what
/// is read back. Only of years that a register can mean: others do not fit into the database at all.
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
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .pattern(Some("^(19(4[5-9]|[5-9][0-9])|2[01][0-9]{2}|2200)-"))
            .description(Some("Date and time with its offset (RFC 3339), of the years 1945 to 2200."))
            .examples([serde_json::json!("2023-05-17T08:00:00+07:00")])
            .into()
    }
}
impl utoipa::ToSchema for Moment {
    fn name() -> std::borrow::Cow<'static, str> {
        "Moment".into()
    }
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
}

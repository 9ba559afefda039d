//! What a code may look like and when it is valid. Pure.
use crate::platform::error::Fault;
use chrono::NaiveDate;
use diesel::{deserialize::FromSqlRow, expression::AsExpression, pg::Pg, sql_types};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, schema::Type};

/// A well-formed code, such as `PPKS-08` or `not_in_dtsen`. Whether its list has it is another question.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize, FromSqlRow, AsExpression,
)]
#[serde(try_from = "String")]
#[diesel(sql_type = sql_types::Text)]
pub struct Code(String);

/// A word that is in no list, or no longer.
pub const UNKNOWN_CODE: Fault =
    Fault::new("code_unknown", "tidak ada dalam daftar kode yang berlaku", "is not in the current code list");

impl Code {
    /// The word.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Code {
    type Error = Fault;
    fn try_from(raw: String) -> Result<Self, Fault> {
        let good = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        if (1..=40).contains(&raw.len()) && raw.bytes().all(good) {
            return Ok(Self(raw));
        }
        Err(Fault::new("code_malformed", "1 sampai 40 huruf, angka, _ atau -", "1 to 40 letters, digits, _ or -"))
    }
}

impl utoipa::PartialSchema for Code {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("A code of a list under `/v1/code-lists`."))
            .pattern(Some("^[A-Za-z0-9_-]{1,40}$"))
            .examples([serde_json::json!("other")])
            .into()
    }
}
impl utoipa::ToSchema for Code {}
impl diesel::serialize::ToSql<sql_types::Text, Pg> for Code {
    fn to_sql<'b>(&'b self, out: &mut diesel::serialize::Output<'b, '_, Pg>) -> diesel::serialize::Result {
        diesel::serialize::ToSql::<sql_types::Text, Pg>::to_sql(&self.0, out)
    }
}
impl diesel::deserialize::FromSql<sql_types::Text, Pg> for Code {
    fn from_sql(bytes: diesel::pg::PgValue<'_>) -> diesel::deserialize::Result<Self> {
        <String as diesel::deserialize::FromSql<sql_types::Text, Pg>>::from_sql(bytes).map(Self)
    }
}

/// A code of each list, for the examples of the document: one that says itself what it means.
pub const EXAMPLES: &[(&str, &str)] = &[
    ("case-outcomes", "need_met"),
    ("certificate-reasons", "entered_by_mistake"),
    ("client-reasons", "lost_or_stolen"),
    ("correction-reasons", "wrong_outcome"),
    ("decline-reasons", "not_in_dtsen"),
    ("distinct-reasons", "identity_checked"),
    ("duplicate-reasons", "registered_twice"),
    ("failure-reasons", "unreachable"),
    ("forward-reasons", "outside_authority"),
    ("hold-reasons", "waiting_for_documents"),
    ("ppks", "PPKS-08"),
    ("psm-functions", "motivation"),
    ("referral-outcomes", "membership_active"),
    ("reopen-reasons", "need_returned"),
    ("sectors", "kesehatan"),
    ("service-fields", "security"),
    ("services", "pbi_jk_reactivation"),
    ("training-correction-reasons", "entered_by_mistake"),
    ("training-cost-sources", "regency_budget"),
    ("training-reasons", "speaker_unavailable"),
    ("training-waiver-reasons", "trained_elsewhere"),
    ("volunteer-reasons", "own_request"),
    ("withdrawal-reasons", "need_met_otherwise"),
];

/// A text in both languages.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct Labels {
    /// Indonesian.
    pub id: String,
    /// English.
    pub en: String,
}

/// Whether a code with these dates may be given on `day`.
pub fn valid_on(from: NaiveDate, until: Option<NaiveDate>, day: NaiveDate) -> bool {
    from <= day && until.is_none_or(|end| day < end)
}

//! Region codes (*kode wilayah*, Kepmendagri 300.2.2-2138/2025): a value like a date, known to every module. The table
//! of regions itself is `regions`.
use super::error::Fault;
use diesel::{deserialize::FromSqlRow, expression::AsExpression, pg::Pg, sql_types};
use std::borrow::Cow;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, schema::Type};

crate::text_enum! {
    /// Depth of a region.
    RegionLevel {
        /// `17`
        Province = "province",
        /// Kabupaten or kota: `17.06`
        Regency = "regency",
        /// Kecamatan: `17.06.02`
        District = "district",
        /// Desa or kelurahan: `17.06.02.1009`
        Village = "village",
    }
}

/// A well-formed region code, dotted. Whether it exists is another question.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize, FromSqlRow, AsExpression,
)]
#[serde(try_from = "String")]
#[diesel(sql_type = sql_types::Text)]
pub struct RegionCode(String);

/// What a region code must look like.
pub const MALFORMED_REGION: Fault = Fault::new(
    "region_code_malformed",
    "bukan kode wilayah; contoh: 17, 17.06, 17.06.02, 17.06.02.1009",
    "not a region code; examples: 17, 17.06, 17.06.02, 17.06.02.1009",
);

impl RegionCode {
    /// Takes `17.06.02.1009` or `1706021009`.
    pub fn parse(raw: &str) -> Result<Self, Fault> {
        let dotted = raw.contains('.');
        let digits: String = raw.chars().filter(|c| *c != '.').collect();
        if !digits.bytes().all(|b| b.is_ascii_digit()) || !matches!(digits.len(), 2 | 4 | 6 | 10) {
            return Err(MALFORMED_REGION);
        }
        let ends = [2, 4, 6, 10];
        let mut code = String::with_capacity(13);
        let mut from = 0;
        for end in ends.into_iter().take_while(|end| *end <= digits.len()) {
            if from > 0 {
                code.push('.');
            }
            code.push_str(digits.get(from..end).unwrap_or_default());
            from = end;
        }
        if dotted && code != raw { Err(MALFORMED_REGION) } else { Ok(Self(code)) }
    }

    /// The dotted code.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// How deep it is.
    pub fn level(&self) -> RegionLevel {
        match self.0.len() {
            2 => RegionLevel::Province,
            5 => RegionLevel::Regency,
            8 => RegionLevel::District,
            _ => RegionLevel::Village,
        }
    }

    /// The code of the region at `level` that this one lies in (itself at its own level), if it is that deep.
    pub fn at(&self, level: RegionLevel) -> Option<Self> {
        let length = match level {
            RegionLevel::Province => 2,
            RegionLevel::Regency => 5,
            RegionLevel::District => 8,
            RegionLevel::Village => 13,
        };
        self.0.get(..length).map(|code| Self(code.to_owned()))
    }

    /// The region it lies directly in.
    pub fn parent(&self) -> Option<Self> {
        match self.level() {
            RegionLevel::Province => None,
            RegionLevel::Regency => self.at(RegionLevel::Province),
            RegionLevel::District => self.at(RegionLevel::Regency),
            RegionLevel::Village => self.at(RegionLevel::District),
        }
    }

    /// Whether `other` is this region or lies in it. `17` does not contain `170…`.
    pub fn contains(&self, other: &Self) -> bool {
        other.0.strip_prefix(&self.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }
}

impl std::fmt::Display for RegionCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

impl TryFrom<String> for RegionCode {
    type Error = Fault;
    fn try_from(raw: String) -> Result<Self, Fault> {
        Self::parse(&raw)
    }
}

impl utoipa::PartialSchema for RegionCode {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("Region code (kode wilayah), dotted; input may be undotted."))
            .pattern(Some(r"^([0-9]{2}(\.[0-9]{2}(\.[0-9]{2}(\.[0-9]{4})?)?)?|[0-9]{4}|[0-9]{6}|[0-9]{10})$"))
            .examples([serde_json::json!("17.06.02.1009")])
            .into()
    }
}
impl utoipa::ToSchema for RegionCode {
    fn name() -> Cow<'static, str> {
        "RegionCode".into()
    }
}
impl diesel::serialize::ToSql<sql_types::Text, Pg> for RegionCode {
    fn to_sql<'b>(&'b self, out: &mut diesel::serialize::Output<'b, '_, Pg>) -> diesel::serialize::Result {
        diesel::serialize::ToSql::<sql_types::Text, Pg>::to_sql(&self.0, out)
    }
}
impl diesel::deserialize::FromSql<sql_types::Text, Pg> for RegionCode {
    fn from_sql(bytes: diesel::pg::PgValue<'_>) -> diesel::deserialize::Result<Self> {
        <String as diesel::deserialize::FromSql<sql_types::Text, Pg>>::from_sql(bytes).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_dotted_and_undotted() {
        for (raw, code) in [("17", "17"), ("1706", "17.06"), ("17.06.02", "17.06.02"), ("1706021009", "17.06.02.1009")]
        {
            assert_eq!(RegionCode::parse(raw).unwrap().as_str(), code);
        }
        for raw in
            ["", "1", "170", "17.0602", "17.06.", ".17", "17.06.02.10", "17%", "17_06", "１７", "17.06.02.1009.1"]
        {
            assert_eq!(RegionCode::parse(raw), Err(MALFORMED_REGION), "{raw}");
        }
    }

    #[test]
    fn contains_by_whole_parts() {
        let code = |raw| RegionCode::parse(raw).unwrap();
        assert!(code("17.06").contains(&code("17.06.02.1009")));
        assert!(code("17").contains(&code("17")));
        assert!(!code("17.06").contains(&code("17")));
        assert!(!code("17.06").contains(&code("17.07")));
        assert_eq!(code("17.06.02.1009").at(RegionLevel::Regency), Some(code("17.06")));
        assert_eq!(code("17").at(RegionLevel::Regency), None);
    }
}

//! The fields that a service asks for: a JSON Schema that is safe to run, whoever wrote it. Pure.
//!
//! What a schema may say is little: an object of named fields, each a text, a number, yes or no, or a list of these. It has
//! no references and no branches, its patterns run in linear time, and it says what is allowed rather than what is not; so
//! that checking takes time in proportion to what was sent, and an app can draw a form of it.
use crate::platform::error::Fault;
use crate::platform::person::initials;
use jsonschema::Validator;
use jsonschema::error::ValidationErrorKind;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use utoipa::openapi::schema::{AdditionalProperties, Type};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema};

/// Most bytes of a schema.
const MOST_BYTES: usize = 16 * 1024;
/// Most fields of a form.
const MOST_FIELDS: usize = 50;
/// Most characters of a text of which the schema does not say it, and the most that it may say.
const MOST_CHARACTERS: u64 = 2000;
/// Most entries of a list, likewise.
const MOST_ENTRIES: u64 = 50;
/// Most characters of a pattern.
const MOST_PATTERN: usize = 200;

/// What names a person: it is masked wherever it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Identity {
    /// 16 digits.
    Nik,
    /// Number of a JKN card: 13 digits.
    Card,
    /// Number of a family card: 16 digits.
    Kk,
    /// A name.
    Name,
}

impl Identity {
    fn parse(word: &str) -> Option<Self> {
        match word {
            "nik" => Some(Self::Nik),
            "card" => Some(Self::Card),
            "kk" => Some(Self::Kk),
            "name" => Some(Self::Name),
            _ => None,
        }
    }

    fn pattern(self) -> Option<&'static str> {
        match self {
            Self::Card => Some("^[0-9]{13}$"),
            Self::Nik | Self::Kk => Some("^[0-9]{16}$"),
            Self::Name => None,
        }
    }

    /// What a blind index of it is made for, as of the numbers of a case's person; none: it is not searched by.
    pub fn column(self) -> Option<&'static str> {
        match self {
            Self::Nik => Some("nik"),
            Self::Card => Some("card"),
            Self::Kk => Some("kk"),
            Self::Name => None,
        }
    }

    /// As it is shown: `open` to who sees the person. None: not at all.
    pub fn shown(self, text: &str, open: bool) -> Option<String> {
        if self == Self::Name {
            return Some(if open { text.to_owned() } else { initials(text) });
        }
        let hidden = text.chars().count().saturating_sub(4);
        open.then(|| text.chars().enumerate().map(|(at, digit)| if at < hidden { '*' } else { digit }).collect())
    }
}

/// A form: the schema as it is stored and shown, with all its bounds, and ready to check by.
#[derive(Debug, Clone)]
pub struct Form {
    schema: Value,
    check: Arc<Validator>,
}

impl Form {
    /// Reads a schema. What it leaves open is closed: no other fields, bounds for texts and lists, digits of numbers.
    pub fn parse(mut schema: Value) -> Result<Self, Fault> {
        if schema.to_string().len() > MOST_BYTES {
            return Err(bad("paling banyak 16 KiB", "must have at most 16 KiB"));
        }
        close(&mut schema)?;
        let built = jsonschema::draft202012::options()
            .should_validate_formats(true)
            .with_pattern_options(jsonschema::PatternOptions::regex().size_limit(1 << 18))
            .build(&schema);
        let check = built.map_err(|_| bad("bukan JSON Schema yang sah", "is not a valid JSON Schema"))?;
        Ok(Self { schema, check: Arc::new(check) })
    }

    /// As JSON Schema, draft 2020-12.
    pub fn schema(&self) -> &Value {
        &self.schema
    }

    fn properties(&self) -> Option<&Map<String, Value>> {
        self.schema.get("properties")?.as_object()
    }

    /// The fields that name a person, and how.
    pub fn identities(&self) -> impl Iterator<Item = (&str, Identity)> {
        self.properties().into_iter().flatten().filter_map(|(name, field)| {
            Some((name.as_str(), field.get("x-identity").and_then(Value::as_str).and_then(Identity::parse)?))
        })
    }

    /// Whether it has a field of this name.
    pub fn knows(&self, name: &str) -> bool {
        self.properties().is_some_and(|known| known.contains_key(name))
    }

    /// The names of the fields that it asks for.
    pub fn required(&self) -> impl Iterator<Item = &str> {
        self.schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    }

    /// What is wrong with the fields that are given, place by place (JSON pointers into them); what is required may be missing. No
    /// fault repeats what was sent: not the values, and of the names only those of the form.
    pub fn check_given(&self, fields: &Map<String, Value>) -> Vec<(String, Fault)> {
        let whole = Value::Object(fields.clone());
        let errors = self.check.iter_errors(&whole);
        let given = errors.filter(|error| !matches!(error.kind(), ValidationErrorKind::Required { .. }));
        let mut faults: Vec<(String, Fault)> =
            given.map(|error| (error.instance_path().as_str().to_owned(), fault(error.kind()))).collect();
        for (name, value) in fields {
            let texts = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice).iter();
            let control = texts.filter_map(Value::as_str).any(|text| text.chars().any(char::is_control));
            if control && self.knows(name) {
                let fault = Fault::new("control_character", "memuat karakter kendali", "has a control character");
                faults.push((format!("/{name}"), fault));
            }
        }
        faults
    }
}

impl TryFrom<Value> for Form {
    type Error = Fault;
    fn try_from(schema: Value) -> Result<Self, Fault> {
        Self::parse(schema)
    }
}

impl<'de> serde::Deserialize<'de> for Form {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(Value::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl serde::Serialize for Form {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.schema.serialize(serializer)
    }
}

impl utoipa::PartialSchema for Form {
    fn schema() -> RefOr<Schema> {
        let about = "JSON Schema (2020-12) of the fields of a service, at most 16 KiB: an object of at most 50 `properties` named \
            in lower case, each of one `type` (string, integer, number, boolean, or an array of one of these) with `title`, \
            `description`, `enum`, `pattern`, `format` (date), `minLength`, `maxLength`, `minimum`, `maximum`, `minItems`, \
            `maxItems`, `uniqueItems`; `required`. No references. `x-identity` (nik, card, kk, name) marks what names a \
            person.";
        ObjectBuilder::new()
            .schema_type(Type::Object)
            .description(Some(about))
            .additional_properties(Some(AdditionalProperties::FreeForm(true)))
            .examples([json!({ "type": "object", "properties": { "letter_number": { "type": "string", "title": "Nomor surat" } } })])
            .into()
    }
}
impl utoipa::ToSchema for Form {}

fn bad(id: &str, en: &str) -> Fault {
    Fault::with("form_unusable", id.to_owned(), en.to_owned())
}

/// Refuses what a form may not say, and closes what it leaves open.
fn close(schema: &mut Value) -> Result<(), Fault> {
    const WORDS: &[&str] =
        &["$schema", "type", "title", "description", "properties", "required", "additionalProperties"];
    let form = schema.as_object_mut().filter(|form| form.get("type").is_some_and(|kind| kind == "object"));
    let form = form.ok_or_else(|| bad("harus bertipe object", "must be of type object"))?;
    only(form, WORDS)?;
    texts(form)?;
    if form.get("$schema").is_some_and(|draft| draft != "https://json-schema.org/draft/2020-12/schema") {
        return Err(bad("hanya draf 2020-12", "must be of draft 2020-12"));
    }
    if form.insert("additionalProperties".to_owned(), json!(false)).is_some_and(|open| open != false) {
        return Err(bad("additionalProperties harus false", "must have additionalProperties false"));
    }
    let fields = form.get_mut("properties").and_then(Value::as_object_mut);
    let fields = fields.filter(|fields| (1..=MOST_FIELDS).contains(&fields.len()));
    let fields = fields.ok_or_else(|| bad("harus punya 1 sampai 50 properties", "must have 1 to 50 properties"))?;
    for (name, field) in fields.iter_mut() {
        let word = (1..=40).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
            && name.starts_with(|first: char| first.is_ascii_lowercase());
        if !word {
            return Err(bad(
                "nama isian: huruf kecil, angka dan _",
                "must name its fields by small letters, digits and _",
            ));
        }
        close_field(field, true)?;
    }
    let names: Vec<String> = fields.keys().cloned().collect();
    let required = form.get("required").map_or(Some(vec![]), |list| list.as_array().cloned());
    let known = |name: &Value| name.as_str().is_some_and(|name| names.iter().any(|field| field == name));
    if !required.is_some_and(|list| list.iter().all(known)) {
        return Err(bad("required hanya memuat nama isian", "must require only what it has"));
    }
    Ok(())
}

fn close_field(field: &mut Value, lists: bool) -> Result<(), Fault> {
    let field =
        field.as_object_mut().ok_or_else(|| bad("tiap isian adalah objek", "must describe each field by an object"))?;
    let kind = field.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let words: &[&str] = match kind.as_str() {
        "string" => &["enum", "pattern", "format", "minLength", "maxLength", "x-identity"],
        "integer" | "number" => &["enum", "minimum", "maximum"],
        "boolean" => &[],
        "array" if lists => &["items", "minItems", "maxItems", "uniqueItems"],
        _ => return Err(bad("tipe isian tidak dapat dipakai", "has a field of a type that cannot be used")),
    };
    only(field, &[&["type", "title", "description", "examples"], words].concat())?;
    texts(field)?;
    match kind.as_str() {
        "string" => close_text(field),
        "array" => {
            bound(field, "maxItems", MOST_ENTRIES)?;
            let items = field.get_mut("items").ok_or_else(|| bad("array tanpa items", "has a list without items"))?;
            close_field(items, false)?;
            // What is masked is a field, not a part of one.
            if items.get("x-identity").is_some() {
                return Err(bad("x-identity tidak untuk array", "must not mark the numbers of a list"));
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn close_text(field: &mut Map<String, Value>) -> Result<(), Fault> {
    if field.get("format").is_some_and(|format| format != "date") {
        return Err(bad("format hanya date", "has a format other than date"));
    }
    if let Some(mark) = field.get("x-identity") {
        let identity = mark.as_str().and_then(Identity::parse);
        let marks = || bad("x-identity: nik, card, kk atau name", "must mark nik, card, kk or name");
        if let Some(pattern) = identity.ok_or_else(marks)?.pattern() {
            field.insert("pattern".to_owned(), json!(pattern));
        }
    }
    if let Some(pattern) = field.get("pattern") {
        let short = pattern.as_str().filter(|pattern| pattern.len() <= MOST_PATTERN);
        // The engine without backtracking: no look-around, no references back.
        let fine = short.is_some_and(|pattern| regex::RegexBuilder::new(pattern).size_limit(1 << 18).build().is_ok());
        if !fine {
            return Err(bad(
                "pattern terlalu panjang atau tidak didukung",
                "has a pattern that is too long or not supported",
            ));
        }
    }
    bound(field, "maxLength", MOST_CHARACTERS)
}

/// Gives a bound its most, and refuses a higher one.
fn bound(field: &mut Map<String, Value>, word: &str, most: u64) -> Result<(), Fault> {
    let said = field.entry(word).or_insert(json!(most));
    if said.as_u64().is_some_and(|said| said <= most) {
        return Ok(());
    }
    Err(bad(&format!("{word} paling banyak {most}"), &format!("must have {word} of at most {most}")))
}

fn only(part: &Map<String, Value>, words: &[&str]) -> Result<(), Fault> {
    if part.keys().all(|word| words.contains(&word.as_str())) {
        return Ok(());
    }
    Err(bad("memuat kata kunci yang tidak dapat dipakai", "has a keyword that cannot be used"))
}

/// Titles and descriptions are shown to people.
fn texts(part: &Map<String, Value>) -> Result<(), Fault> {
    let shown = ["title", "description"].into_iter().filter_map(|word| part.get(word));
    for text in shown {
        if !text.as_str().is_some_and(|text| text.len() <= 500 && !text.chars().any(char::is_control)) {
            return Err(bad(
                "title dan description: teks sampai 500 karakter",
                "must have titles and descriptions of at most 500 characters",
            ));
        }
    }
    Ok(())
}

/// In our own words: those of the validator hold the value.
fn fault(kind: &ValidationErrorKind) -> Fault {
    match kind {
        ValidationErrorKind::AdditionalProperties { .. } => {
            Fault::new("unknown_field", "isian tidak dikenal", "is not a known field")
        }
        ValidationErrorKind::Type { .. } => {
            Fault::new("wrong_type", "jenis nilainya tidak sesuai", "has the wrong type")
        }
        ValidationErrorKind::Enum { .. } => {
            Fault::new("unknown_value", "bukan salah satu nilai yang ada", "is none of the possible values")
        }
        ValidationErrorKind::Format { .. } => Fault::new("malformed", "bukan tanggal", "is not a date"),
        ValidationErrorKind::Pattern { .. } => {
            Fault::new("malformed", "bentuknya tidak sesuai", "does not have the form that is asked for")
        }
        ValidationErrorKind::MaxLength { .. } | ValidationErrorKind::MaxItems { .. } => {
            Fault::new("too_long", "terlalu panjang", "is too long")
        }
        ValidationErrorKind::MinLength { .. } | ValidationErrorKind::MinItems { .. } => {
            Fault::new("too_short", "terlalu pendek", "is too short")
        }
        ValidationErrorKind::Minimum { .. } | ValidationErrorKind::Maximum { .. } => {
            Fault::new("out_of_range", "di luar batas", "is out of range")
        }
        _ => Fault::new("malformed", "tidak sesuai formulir", "does not fit the form"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(fields: Value) -> Result<Form, Fault> {
        Form::parse(json!({ "type": "object", "properties": fields, "required": [] }))
    }

    #[test]
    fn only_what_is_safe_to_run_is_a_form() {
        assert!(form(json!({ "a": { "type": "array", "items": { "type": "string", "enum": ["x"] } } })).is_ok());
        let wrong = [
            json!({}),
            json!({ "a": {} }),
            json!({ "a": { "$ref": "#/x" } }),
            json!({ "a": { "type": "string", "$ref": "http://example.org/x" } }),
            json!({ "a": { "type": "object", "properties": {} } }),
            json!({ "a": { "type": ["string", "null"] } }),
            json!({ "a": { "type": "string", "pattern": "(?=a)b" } }),
            json!({ "a": { "type": "string", "pattern": "(a)\\1" } }),
            json!({ "a": { "type": "string", "pattern": "a".repeat(201) } }),
            json!({ "a": { "type": "string", "pattern": "(((a{99}){99}){99}){99}" } }),
            json!({ "a": { "type": "string", "maxLength": 2001 } }),
            json!({ "a": { "type": "string", "minLength": "x" } }),
            json!({ "a": { "type": "string", "format": "regex" } }),
            json!({ "a": { "type": "string", "x-identity": "passport" } }),
            json!({ "a": { "type": "integer", "x-identity": "nik" } }),
            json!({ "a": { "type": "array" } }),
            json!({ "a": { "type": "array", "items": { "type": "array", "items": { "type": "string" } } } }),
            json!({ "a": { "type": "array", "items": { "type": "string", "x-identity": "nik" } } }),
            json!({ "1706024508959001": { "type": "string" } }),
        ];
        for fields in wrong {
            assert!(form(fields.clone()).is_err(), "{fields}");
        }
        for schema in [
            json!([]),
            json!({ "properties": { "a": { "type": "string" } } }),
            json!({ "type": "object", "properties": { "a": { "type": "string" } }, "additionalProperties": true }),
            json!({ "type": "object", "properties": { "a": { "type": "string" } }, "required": ["b"] }),
            json!({ "type": "object", "properties": { "a": { "type": "string" } }, "$defs": {} }),
            json!({ "type": "object", "properties": { "a": { "type": "string" } }, "description": "x".repeat(20_000) }),
        ] {
            assert!(Form::parse(schema.clone()).is_err(), "{schema}");
        }
    }

    #[test]
    fn faults_name_the_place_and_never_the_value() {
        let form = form(json!({
            "nik": { "type": "string", "x-identity": "nik" }, "day": { "type": "string", "format": "date" },
            "kind": { "type": "string", "enum": ["x"] }, "count": { "type": "integer", "maximum": 3 },
        }))
        .unwrap();
        assert_eq!(form.identities().collect::<Vec<_>>(), [("nik", Identity::Nik)]);
        let secret = "17060245089590019";
        let check = |fields: Value| form.check_given(fields.as_object().unwrap());
        assert_eq!(check(json!({ "nik": "1706024508959001", "day": "2026-02-28", "kind": "x", "count": 3 })), []);
        assert_eq!(check(json!({})), []);
        for (fields, at, code) in [
            (json!({ "nik": secret }), "/nik", "malformed"),
            (json!({ "nik": 1 }), "/nik", "wrong_type"),
            (json!({ "day": "2026-02-30" }), "/day", "malformed"),
            (json!({ "kind": secret }), "/kind", "unknown_value"),
            (json!({ "count": 17 }), "/count", "out_of_range"),
            (json!({ secret: 1 }), "", "unknown_field"),
            (json!({ "kind": format!("{secret}\u{0}") }), "/kind", "unknown_value"),
        ] {
            let faults = check(fields.clone());
            assert_eq!((faults[0].0.as_str(), faults[0].1.code.as_ref()), (at, code), "{fields}");
            assert!(!format!("{faults:?}").contains(secret), "{faults:?}");
        }
    }
}

//! What is told for a service: values in the fields of its form, and what is known of the person's eligibility. Personal data,
//! sealed as one JSON text beside the referral. Pure.
//!
//! With the values is kept what the form said of them: which name a person, and which are required. A form that is changed later
//! neither unmasks nor hides what was written by the former one.
use super::rules::{PersonSight, ReferralId};
use crate::agencies::forms::{Form, Identity};
use crate::agencies::offers::Within;
use crate::cases::store::CasePerson;
use crate::platform::crypto::Keys;
use crate::platform::error::{ApiError, ApiResult, Fault, Place, RULE_BROKEN};
use crate::platform::moment::Moment;
use crate::platform::nik::Nik;
use chrono::{DateTime, Datelike, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, schema::Type};

/// A quarter of a year, `2026-Q3`: by which the national register of welfare (DTSEN) is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Quarter {
    year: i32,
    number: u32,
}

impl Quarter {
    fn of(day: NaiveDate) -> Self {
        Self { year: day.year(), number: day.month0() / 3 + 1 }
    }
}

impl TryFrom<String> for Quarter {
    type Error = Fault;
    fn try_from(raw: String) -> Result<Self, Fault> {
        let malformed = || Fault::new("quarter_malformed", "triwulan, misalnya 2026-Q3", "a quarter, such as 2026-Q3");
        let (year, number) = raw.split_once("-Q").ok_or_else(malformed)?;
        let digits = year.len() == 4 && year.bytes().all(|byte| byte.is_ascii_digit());
        let year = if digits { year.parse().ok() } else { None }.filter(|year| (2000..=2200).contains(year));
        let number = match number {
            "1" => 1,
            "2" => 2,
            "3" => 3,
            "4" => 4,
            _ => return Err(malformed()),
        };
        year.map(|year| Self { year, number }).ok_or_else(malformed)
    }
}

impl std::fmt::Display for Quarter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}-Q{}", self.year, self.number)
    }
}

impl utoipa::PartialSchema for Quarter {
    fn schema() -> RefOr<Schema> {
        let schema =
            ObjectBuilder::new().schema_type(Type::String).description(Some("A quarter of a year, 2000 to 2200."));
        schema.pattern(Some("^(2[01][0-9]{2}|2200)-Q[1-4]$")).examples([serde_json::json!("2026-Q3")]).into()
    }
}
impl ToSchema for Quarter {}

/// What was found of the person's welfare when somebody looked it up.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewEligibility {
    /// Decile of welfare: 1 are the poorest tenth.
    pub desil: Within<1, 10>,
    /// The edition of DTSEN in which it stood; not after the one in which it was looked up.
    pub quarter: Quarter,
    /// When it was looked up, by the clock of who did.
    pub checked_at: Moment,
}

/// What was found of the person's welfare, as it was then: nobody looks it up again by showing it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Eligibility {
    /// Decile of welfare: 1 are the poorest tenth.
    #[schema(minimum = 1, maximum = 10)]
    desil: i32,
    /// The edition of DTSEN in which it stood.
    #[schema(example = "2026-Q3")]
    quarter: String,
    /// When it was looked up.
    checked_at: DateTime<Utc>,
}

impl NewEligibility {
    /// Refuses what lies ahead. `at` is where the body holds it.
    fn check(self, at: &str, now: DateTime<Utc>) -> ApiResult<Eligibility> {
        let checked_at = self.checked_at.at();
        if checked_at > now {
            let fault = Fault::new("date_impossible", "belum terjadi", "is still to come");
            return Err(ApiError::rule(&format!("{at}/checked_at"), fault));
        }
        // The year ends an hour or two sooner in the east: a quarter of tomorrow is one of today.
        if self.quarter > Quarter::of((checked_at + chrono::TimeDelta::days(1)).date_naive()) {
            let fault = Fault::new("date_impossible", "sesudah hari pengecekan", "after the day it was looked up");
            return Err(ApiError::rule(&format!("{at}/quarter"), fault));
        }
        Ok(Eligibility { desil: self.desil.get(), quarter: self.quarter.to_string(), checked_at })
    }
}

/// Values by the names of fields. An object and nothing else: the map of `serde_json` reads null as well.
#[derive(Debug, Clone, Default)]
pub struct Values(pub Map<String, Value>);

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Object)
    }
}

struct Object;

impl<'de> serde::de::Visitor<'de> for Object {
    type Value = Values;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }
    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut members: A) -> Result<Values, A::Error> {
        let mut values = Map::new();
        while let Some((name, value)) = members.next_entry()? {
            values.insert(name, value);
        }
        Ok(Values(values))
    }
}

/// What is told of a referral beside its need.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Details {
    fields: Map<String, Value>,
    /// Which of the form's fields name a person, and how.
    identities: BTreeMap<String, Identity>,
    /// Which of them the form asks for.
    required: Vec<String>,
    eligibility: Option<Eligibility>,
}

impl std::fmt::Debug for Details {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Details(…)")
    }
}

/// Sealed details and the blind indexes of the numbers in them.
pub type Sealed = (Vec<u8>, Vec<Vec<u8>>);

fn context(id: ReferralId) -> String {
    format!("referral_details.sealed:{id}")
}

impl Details {
    /// Opens what [`Details::seal`] made for this referral.
    pub fn open(keys: &Keys, id: ReferralId, sealed: &[u8]) -> ApiResult<Self> {
        let plain = keys.decrypt(&context(id), sealed).map_err(ApiError::internal)?;
        serde_json::from_str(&plain).map_err(ApiError::internal)
    }

    /// Whether nothing is told and the form asks for nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// As they are kept.
    pub fn seal(&self, keys: &Keys, id: ReferralId) -> ApiResult<Sealed> {
        let plain = zeroize::Zeroizing::new(serde_json::to_string(self).map_err(ApiError::internal)?);
        let sealed = keys.encrypt(&context(id), &plain).map_err(ApiError::internal)?;
        let number = |(name, identity): (&String, &Identity)| {
            Some(keys.blind_index(identity.column()?, self.fields.get(name)?.as_str()?))
        };
        Ok((sealed, self.identities.iter().filter_map(number).collect()))
    }

    /// The same under the key that seals now.
    pub fn reseal(keys: &Keys, id: ReferralId, sealed: &[u8]) -> anyhow::Result<Vec<u8>> {
        keys.reseal(&context(id), sealed)
    }

    /// Puts values into the fields of a form (none: the service asks for none), where null takes one out; what is not named stays.
    /// What is required may be missing: it is told, and a referral is not held up by a letter that is still to be written. `at` is
    /// where the body holds the fields.
    pub fn fill(&mut self, form: Option<&Form>, values: &Map<String, Value>, at: &str) -> ApiResult<()> {
        let Some(form) = form else {
            if values.is_empty() {
                return Ok(());
            }
            let fault = Fault::new("no_form", "layanan ini tidak meminta isian", "this service asks for no fields");
            return Err(ApiError::rule(at, fault));
        };
        let mut fields = self.fields.clone();
        for (name, value) in values {
            if value.is_null() {
                fields.remove(name);
            } else {
                fields.insert(name.clone(), value.clone());
            }
        }
        // What another form knew and this one does not was carried along: only what is told now is refused.
        let told = fields.iter().filter(|(name, _)| form.knows(name) || values.contains_key(*name));
        let mut faults = form.check_given(&told.map(|(name, value)| (name.clone(), value.clone())).collect());
        for (name, _) in form.identities().filter(|(_, identity)| *identity == Identity::Nik) {
            let digits = fields.get(name).and_then(Value::as_str).filter(|digits| digits.len() == 16);
            if let Some(fault) = digits.and_then(|digits| Nik::parse(digits).err()) {
                faults.push((format!("/{name}"), fault));
            }
        }
        if !faults.is_empty() {
            let error = ApiError::from(&RULE_BROKEN);
            return Err(faults
                .into_iter()
                .fold(error, |error, (place, fault)| error.fault(Place::Pointer(format!("{at}{place}")), fault)));
        }
        self.fields = fields;
        self.follow(form);
        Ok(())
    }

    /// Takes over what another form says of the same fields. A value that it does not know stays, masked as it was.
    pub fn follow(&mut self, form: &Form) {
        let named = form.identities().map(|(name, identity)| (name.to_owned(), identity));
        self.identities.retain(|name, _| self.fields.contains_key(name));
        self.identities.extend(named);
        self.required = form.required().map(str::to_owned).collect();
    }

    /// Notes what is known of the person's eligibility. `at` is where the body holds it.
    pub fn note(&mut self, found: Option<NewEligibility>, at: &str, now: DateTime<Utc>) -> ApiResult<()> {
        self.eligibility = found.map(|found| found.check(at, now)).transpose()?;
        Ok(())
    }

    /// What goes along to another service, which asks for other fields.
    #[must_use]
    pub fn eligibility_alone(&self) -> Self {
        Self { eligibility: self.eligibility.clone(), ..Self::default() }
    }

    /// What the form asks for and nobody has told. A number or a name that the person of the case has need not be told again.
    pub fn missing(&self, person: &CasePerson) -> Vec<String> {
        let known = |name: &String| match self.identities.get(name) {
            Some(Identity::Name) => true,
            Some(Identity::Nik) => person.nik.is_some(),
            Some(Identity::Card) => person.card.is_some(),
            Some(Identity::Kk) => person.kk.is_some(),
            None => false,
        };
        self.required.iter().filter(|name| !self.fields.contains_key(*name) && !known(name)).cloned().collect()
    }

    /// What was found of the person's welfare.
    pub fn eligibility(&self) -> Option<Eligibility> {
        self.eligibility.clone()
    }

    /// The values as somebody with this sight of the person sees them: of a number that names a person its last four digits, of a name
    /// all of it, to who sees the person; to others no number, and initials.
    pub fn shown(&self, sight: PersonSight) -> Map<String, Value> {
        let open = sight == PersonSight::Open;
        let show = |(name, value): (&String, &Value)| {
            let value = match (self.identities.get(name), value.as_str()) {
                (None, _) => value.clone(),
                (Some(identity), Some(text)) => Value::String(identity.shown(text, open)?),
                (Some(_), None) => return None,
            };
            Some((name.clone(), value))
        };
        self.fields.iter().filter_map(show).collect()
    }

    /// What names a person, in full. Record the access before it is sent.
    pub fn revealed(&self) -> Map<String, Value> {
        let named = self.fields.iter().filter(|(name, _)| self.identities.contains_key(*name));
        named.map(|(name, value)| (name.clone(), value.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn form() -> Form {
        let properties = json!({ "name": { "type": "string", "x-identity": "name" }, "nik": { "type": "string", "x-identity": "nik" },
            "card": { "type": "string", "x-identity": "card" }, "letter": { "type": "string" } });
        Form::parse(json!({ "type": "object", "properties": properties, "required": ["letter", "nik"] })).unwrap()
    }

    fn filled() -> Details {
        let mut details = Details::default();
        let values =
            json!({ "name": "Siti Aminah", "nik": "1706024508950001", "card": "0001234567890", "letter": "445/12" });
        details.fill(Some(&form()), values.as_object().unwrap(), "/fields").unwrap();
        details
    }

    #[test]
    fn what_names_a_person_is_masked_by_sight() {
        let details = filled();
        let open =
            json!({ "name": "Siti Aminah", "nik": "************0001", "card": "*********7890", "letter": "445/12" });
        assert_eq!(Value::Object(details.shown(PersonSight::Open)), open);
        for sight in [PersonSight::Masked, PersonSight::Eligibility] {
            assert_eq!(Value::Object(details.shown(sight)), json!({ "name": "S. A.", "letter": "445/12" }));
        }
        assert!(!details.revealed().contains_key("letter") && details.revealed().len() == 3);
        assert_eq!(format!("{details:?}"), "Details(…)");
    }

    #[test]
    fn values_are_put_in_taken_out_and_refused_by_place() {
        let mut details = filled();
        let fill = |details: &mut Details, values: Value| {
            let error = details.fill(Some(&form()), values.as_object().unwrap(), "/fields").err();
            error.map(|error| format!("{:?} {:?}", error.faults()[0].0, error.faults()[0].1.code))
        };
        assert_eq!(fill(&mut details, json!({ "letter": null })), None);
        assert!(!details.fields.contains_key("letter") && details.fields.contains_key("nik"));
        let before = details.clone();
        for (values, place, code) in [
            (json!({ "nik": "1706024513950001" }), "/fields/nik", ""),
            (json!({ "nik": "************0001" }), "/fields/nik", "malformed"),
            (json!({ "card": "123" }), "/fields/card", "malformed"),
            (json!({ "other": 1 }), "/fields", "unknown_field"),
        ] {
            let told = fill(&mut details, values.clone()).unwrap();
            assert!(told.contains(place) && told.contains(code), "{values}: {told}");
            assert!(details == before, "{values} changed something");
        }
        let none = Map::new();
        assert!(Details::default().fill(None, &none, "").is_ok());
        assert!(Details::default().fill(None, &filled().fields, "").is_err());
    }

    #[test]
    fn a_form_that_no_longer_marks_a_number_does_not_unmask_it() {
        let mut details = filled();
        let plain = json!({ "nik": { "type": "string" }, "letter": { "type": "string" } });
        details.follow(&Form::parse(json!({ "type": "object", "properties": plain })).unwrap());
        assert_eq!(details.shown(PersonSight::Open)["nik"], "************0001");
        assert!(details.required.is_empty());
    }

    #[test]
    fn a_quarter_is_one_of_four() {
        for (raw, good) in [
            ("2026-Q1", true),
            ("2026-Q5", false),
            ("2026-Q0", false),
            ("26-Q1", false),
            ("2026Q1", false),
            ("1999-Q4", false),
        ] {
            assert_eq!(Quarter::try_from(raw.to_owned()).is_ok(), good, "{raw}");
        }
        assert_eq!(Quarter::try_from("2026-Q3".to_owned()).unwrap().to_string(), "2026-Q3");
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        assert_eq!(Quarter::of(day("2026-12-31")).to_string(), "2026-Q4");
        assert_eq!(Quarter::of(day("2026-04-01")).to_string(), "2026-Q2");
    }
}

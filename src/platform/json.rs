//! JSON exactly as it was sent, and a stricter reading of it than serde's own.
//!
//! serde reads a struct from an array too, by position, and a plain enum from an object: `["a", 1]` would pass for
//! `{"name": "a", "count": 1}` at any depth, which the document forbids and nobody means. Enums with data are told by a tag
//! member here, never by the key of an object.
use super::error::Fault;
use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{Deserialize, Deserializer, Error as _, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// A struct is an object and nothing else.
pub(super) const OBJECT_EXPECTED: Fault =
    Fault::new("object_expected", "harus berupa objek JSON", "must be a JSON object");

/// A JSON value with its members in the order sent, so that a member given twice is still seen.
#[derive(Debug, Clone)]
pub(super) enum Json {
    Null,
    Bool(bool),
    Number(serde_json::Number),
    Text(String),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AsSent)
    }
}

struct AsSent;

impl<'de> Visitor<'de> for AsSent {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        // 7.0 is an integer (JSON Schema 2020-12, section 4.2.3): some clients write every number so.
        if let Ok(whole) = value.to_string().parse::<i64>() {
            return Ok(Json::Number(whole.into()));
        }
        Ok(serde_json::Number::from_f64(value).map_or(Json::Null, Json::Number))
    }
    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }
    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(Json::Text(value))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = vec![];
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Json::List(list))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
        let mut object = vec![];
        while let Some(member) = members.next_entry()? {
            object.push(member);
        }
        Ok(Json::Object(object))
    }
}

impl<'de> Deserializer<'de> for Json {
    type Error = serde_json::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self {
            Self::Null => visitor.visit_unit(),
            Self::Bool(value) => visitor.visit_bool(value),
            Self::Number(value) => value.deserialize_any(visitor),
            Self::Text(value) => visitor.visit_string(value),
            Self::List(items) => {
                let mut items = SeqDeserializer::new(items.into_iter());
                let value = visitor.visit_seq(&mut items)?;
                items.end().map(|()| value)
            }
            Self::Object(members) => {
                let mut members = MapDeserializer::new(members.into_iter());
                let value = visitor.visit_map(&mut members)?;
                members.end().map(|()| value)
            }
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        match self {
            Self::Object(_) => self.deserialize_any(visitor),
            _ => Err(Self::Error::custom(OBJECT_EXPECTED)),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        match self {
            Self::Text(word) => visitor.visit_enum(word.into_deserializer()),
            other => other.deserialize_any(visitor).and(Err(Self::Error::custom("a word is expected"))),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        if matches!(self, Self::Null) { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

impl IntoDeserializer<'_, serde_json::Error> for Json {
    type Deserializer = Self;
    fn into_deserializer(self) -> Self {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        word: Word,
        count: Option<i32>,
    }

    #[derive(Debug, serde::Deserialize, PartialEq)]
    #[serde(rename_all = "snake_case")]
    enum Word {
        Yes,
        No,
    }

    #[derive(Debug, serde::Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        inner: Inner,
        list: Vec<Inner>,
        maybe: Option<Box<Inner>>,
    }

    fn read(text: &str) -> Result<Outer, serde_json::Error> {
        Outer::deserialize(serde_json::from_str::<Json>(text).unwrap())
    }

    #[test]
    fn what_the_document_allows_is_read() {
        let text = r#"{"inner":{"word":"yes","count":7},"list":[{"word":"no"}],"maybe":null}"#;
        let inner = |word, count| Inner { word, count };
        let expected = Outer { inner: inner(Word::Yes, Some(7)), list: vec![inner(Word::No, None)], maybe: None };
        assert_eq!(read(text).unwrap(), expected);
        for whole in ["7.0", "7e0"] {
            assert_eq!(read(&text.replace(":7}", &format!(":{whole}}}"))).unwrap(), expected);
        }
        for not in ["7.5", "7e30", "-7e-1"] {
            assert!(read(&text.replace(":7}", &format!(":{not}}}"))).is_err());
        }
    }

    /// `serde_json` itself accepts each of these.
    #[test]
    fn an_array_is_no_object_and_an_object_no_word_at_any_depth() {
        let good = r#"{"word":"yes"}"#;
        for (inner, item, maybe) in [
            (r#"["yes",7]"#, good, good),
            (good, r#"["yes",7]"#, good),
            (good, good, r#"["yes",7]"#),
            (r#"{"word":{"yes":null}}"#, good, good),
        ] {
            let text = format!(r#"{{"inner":{inner},"list":[{item}],"maybe":{maybe}}}"#);
            assert!(serde_json::from_str::<Outer>(&text).is_ok(), "{text}");
            assert!(read(&text).is_err(), "{text}");
        }
        let error = read(r#"{"inner":["yes",7],"list":[]}"#).unwrap_err().to_string();
        assert_eq!(Fault::carried_by(&error), Some(OBJECT_EXPECTED));
    }

    #[test]
    fn a_member_given_twice_is_still_seen() {
        let error = read(r#"{"inner":{"word":"yes","word":"no"},"list":[]}"#).unwrap_err().to_string();
        assert!(error.starts_with("duplicate field `word`"), "{error}");
    }
}

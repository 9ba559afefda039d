//! Text from people: parsed once at the edge, clean ever after.
use super::error::Fault;
use diesel::{deserialize::FromSqlRow, expression::AsExpression, pg::Pg, sql_types};
use std::borrow::Cow;
use std::sync::LazyLock;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, schema::Type};

/// Trimmed, non-empty text of at most `MAX` characters in Unicode form NFC. The limit is stated once: it is checked while
/// parsing and printed in the OpenAPI schema.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, FromSqlRow, AsExpression)]
#[serde(try_from = "String")]
#[diesel(sql_type = sql_types::Text)]
pub struct Parsed<const MAX: usize, const LINES: bool>(String);

/// Text that may hold line breaks and tabs, and no other control character.
pub type Text<const MAX: usize> = Parsed<MAX, true>;

/// Text on one line: names, titles, numbers.
pub type Line<const MAX: usize> = Parsed<MAX, false>;

/// A value that must not be empty is.
pub const EMPTY: Fault = Fault::new("required", "tidak boleh kosong", "must not be empty");
/// A character that no text may hold.
pub const CONTROL: Fault = Fault::new(
    "invalid_character",
    "mengandung karakter yang tidak diizinkan",
    "holds a character that is not allowed",
);

fn clean(raw: &str, max: usize, lines: bool) -> Result<String, Fault> {
    let allowed = |c: char| !c.is_control() || (lines && matches!(c, '\n' | '\r' | '\t'));
    // Bidirectional overrides and invisible marks make a text look like another one; a replacement character tells that it
    // was broken before it arrived.
    let deceptive = |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{fff9}'..='\u{fffd}');
    if raw.chars().any(|c| !allowed(c) || deceptive(c)) {
        return Err(CONTROL);
    }
    let text: String = raw.trim().nfc().collect();
    match text.chars().count() {
        0 => Err(EMPTY),
        n if n > max => Err(too_long(max)),
        _ => Ok(text),
    }
}

/// What [`clean`] takes, as a pattern: a document that promises more than the service takes would be wrong.
fn pattern(lines: bool) -> String {
    // Beside the space itself; `char::is_whitespace`, which trims, and regular expressions differ on what a space is.
    const SPACE: &str = r"\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000";
    const FORBIDDEN: &str = r"\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff\ufff9-\ufffd";
    let low = if lines { r"\u0000-\u0008\u000b\u000c\u000e-\u001f" } else { r"\u0000-\u001f" };
    // Anything allowed, and somewhere in it something to see.
    let any = format!("[^{low}{FORBIDDEN}]*");
    format!(r"^{any}[^\u0000-\u001f{FORBIDDEN} {SPACE}]{any}$")
}

/// More characters than allowed.
pub fn too_long(max: usize) -> Fault {
    Fault::with("too_long", format!("paling banyak {max} karakter"), format!("must have at most {max} characters"))
}

/// The form in which names are compared and searched: lower case, without diacritics, letters and digits only, one
/// space between words. Kept beside the name itself, since PostgreSQL's own `lower` depends on the locale.
pub fn fold(text: &str) -> String {
    let plain = text.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase);
    // An apostrophe joins (Ma'ruf = Maruf), everything else that is no letter parts.
    let kept: String = plain
        .filter(|c| !matches!(c, '\'' | '\u{2019}' | '\u{2018}' | '`' | '\u{02bc}'))
        .map(|c| if c.is_alphanumeric() { c } else { ' ' })
        .collect();
    kept.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The text as it stands in a page of HTML, between tags or in a quoted attribute.
pub fn escape_html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

impl<const MAX: usize, const LINES: bool> Parsed<MAX, LINES> {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize, const LINES: bool> TryFrom<String> for Parsed<MAX, LINES> {
    type Error = Fault;
    fn try_from(raw: String) -> Result<Self, Fault> {
        clean(&raw, MAX, LINES).map(Self)
    }
}

impl<const MAX: usize, const LINES: bool> utoipa::PartialSchema for Parsed<MAX, LINES> {
    fn schema() -> RefOr<Schema> {
        let about = format!(
            "Text {}: stored without space around it and in Unicode form NFC; no control characters, no invisible marks.",
            if LINES { "of one or more lines" } else { "on one line" }
        );
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(about))
            .min_length(Some(1))
            .max_length(Some(MAX))
            .pattern(Some(pattern(LINES)))
            .into()
    }
}

impl<const MAX: usize, const LINES: bool> utoipa::ToSchema for Parsed<MAX, LINES> {
    fn name() -> Cow<'static, str> {
        format!("{}{MAX}", if LINES { "Text" } else { "Line" }).into()
    }
}

impl<const MAX: usize, const LINES: bool> diesel::serialize::ToSql<sql_types::Text, Pg> for Parsed<MAX, LINES> {
    fn to_sql<'b>(&'b self, out: &mut diesel::serialize::Output<'b, '_, Pg>) -> diesel::serialize::Result {
        diesel::serialize::ToSql::<sql_types::Text, Pg>::to_sql(&self.0, out)
    }
}

impl<const MAX: usize, const LINES: bool> diesel::deserialize::FromSql<sql_types::Text, Pg> for Parsed<MAX, LINES> {
    fn from_sql(bytes: diesel::pg::PgValue<'_>) -> diesel::deserialize::Result<Self> {
        <String as diesel::deserialize::FromSql<sql_types::Text, Pg>>::from_sql(bytes).map(Self)
    }
}

/// An address of the web that a browser may be sent to: `https`, a host name, and what follows it, as it is written there.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct WebLink(String);

/// Of [`WebLink`], in the service and in its document.
const WEB_LINK: &str = r"^https://[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?(/[!-~]*)?$";
/// Most characters of one.
const LONGEST_LINK: usize = 1000;

impl TryFrom<String> for WebLink {
    type Error = Fault;
    fn try_from(raw: String) -> Result<Self, Fault> {
        static FORM: LazyLock<Option<regex::Regex>> = LazyLock::new(|| regex::Regex::new(WEB_LINK).ok());
        if raw.len() > LONGEST_LINK {
            return Err(too_long(LONGEST_LINK));
        }
        if FORM.as_ref().is_some_and(|form| form.is_match(&raw)) {
            return Ok(Self(raw));
        }
        Err(Fault::new("not_a_link", "bukan alamat https", "not an https address"))
    }
}

impl utoipa::PartialSchema for WebLink {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("Address of a page or file, `https` only."))
            .max_length(Some(LONGEST_LINK))
            .pattern(Some(WEB_LINK))
            .examples(["https://dinsos.mukomukokab.example/materi/rujukan.pdf"])
            .into()
    }
}

impl utoipa::ToSchema for WebLink {
    fn name() -> Cow<'static, str> {
        "WebLink".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_trimmed_composed_and_bounded() {
        let parse = |raw: &str| Line::<5>::try_from(raw.to_owned()).map(|t| t.0);
        assert_eq!(parse("  Sri "), Ok("Sri".to_owned()));
        assert_eq!(parse("e\u{301}"), Ok("é".to_owned()));
        assert_eq!(parse("12345"), Ok("12345".to_owned()));
        assert_eq!(parse("123456"), Err(too_long(5)));
        assert_eq!(parse("  "), Err(EMPTY));
        for bad in ["a\0b", "a\nb", "a\n", "a\u{fffd}", "a\u{202e}b", "a\u{7f}b", "a\u{85}b"] {
            assert_eq!(parse(bad), Err(CONTROL), "{bad:?}");
        }
        assert!(Text::<5>::try_from("a\nb".to_owned()).is_ok());
    }

    #[test]
    fn the_documented_pattern_is_what_is_taken() {
        let samples = [
            "a",
            "a b",
            " a ",
            "\ta\n",
            "a\nb",
            "a\tb",
            "a\u{b}b",
            "a\0b",
            "\0a",
            "a\u{85}",
            "\u{85}a",
            "a\u{85}b",
            " ",
            "",
            "\u{a0}a",
            "a\u{202e}b",
            "\u{feff}a",
            "a\u{7f}",
            "a\u{3000}",
            "a\u{2028}b",
            "\u{200b}",
            "é",
            "\u{1f600}",
            "a\u{1f}",
            "\u{1c}a",
        ];
        for lines in [true, false] {
            let pattern = regex::Regex::new(&pattern(lines)).unwrap();
            for sample in samples {
                assert_eq!(pattern.is_match(sample), clean(sample, 9, lines).is_ok(), "{sample:?} lines={lines}");
            }
        }
    }

    #[test]
    fn only_https_is_a_link() {
        let parse = |raw: &str| WebLink::try_from(raw.to_owned()).is_ok();
        for good in ["https://a", "https://a.example/b?c=d#e", "https://a.example:8443/"] {
            assert!(parse(good), "{good}");
        }
        for bad in [
            "http://a.example",
            "javascript:alert(1)",
            "https://",
            "https://a b",
            "https://a/b c",
            "https://u@a/",
            "https://-a",
        ] {
            assert!(!parse(bad), "{bad}");
        }
    }

    #[test]
    fn names_fold_to_one_form() {
        assert_eq!(fold("  MA'RUF  Élan-Sutan "), "maruf elan sutan");
        assert_eq!(fold("Ma\u{2019}ruf"), "maruf");
    }
}

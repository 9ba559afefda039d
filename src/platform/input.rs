//! What a handler may take from a request. Each extractor answers bad input with a problem that names the place and
//! never the value.
//!
//! Order matters: actix asks the extractors of a handler in the order of its arguments and answers with the first
//! failure, so the permission comes first, then headers and query, then the body.
use super::app::{App, aside, room};
use super::crypto::sha256;
use super::error::{
    ApiError, ApiResult, BODY_TOO_LARGE, BODY_TOO_SLOW, Fault, IDEMPOTENCY_KEY_MISSING, IF_MATCH_MISSING, MALFORMED,
    Place, UNSUPPORTED_MEDIA_TYPE,
};
use super::http::StillIn;
use super::idempotency::{RequestKey, Target};
use super::json::{Json, OBJECT_EXPECTED};
use actix_web::dev::Payload;
use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use serde::Deserialize;
use serde::de::{DeserializeOwned, SeqAccess, Visitor};
use std::fmt;
use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, schema::Type};
use uuid::Uuid;
use zeroize::Zeroizing;

/// Most bytes of a body, unless a route says otherwise.
pub const BODY_LIMIT: usize = 64 * 1024;
/// A phone on a bad network gets this long for its 64 KiB; actix itself would wait for ever.
const BODY_DEADLINE: Duration = Duration::from_secs(20);

/// A JSON object as `T`.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for Body<T> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, ApiResult<Self>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (req, payload) = (req.clone(), payload.take());
        Box::pin(async move { Ok(Self(parse_json(&read_json(&req, payload).await?)?)) })
    }
}

/// A JSON object as `T`, sent with an `Idempotency-Key`: what every POST takes that creates or moves something.
#[derive(Debug, Clone)]
pub struct Keyed<T> {
    /// The body.
    pub body: T,
    /// The key and what it stands for.
    pub key: RequestKey,
}

impl<T: DeserializeOwned + 'static> FromRequest for Keyed<T> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, ApiResult<Self>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (req, payload) = (req.clone(), payload.take());
        Box::pin(async move {
            let key = idempotency_key(req.headers())?;
            let bytes = read_json(&req, payload).await?;
            let body = parse_json(&bytes)?;
            Ok(Self { body, key: RequestKey::new(&App::of(&req)?.keys, &Target::of(&req), key, &bytes) })
        })
    }
}

/// A file of at most `MOST` bytes that has so many seconds to arrive, sent with an `Idempotency-Key`. What it is, the handler
/// tells: this reads it whatever it is.
pub struct Upload<const MOST: usize, const SECONDS: u64> {
    /// Its `Content-Type`, small, without parameters.
    pub content_type: String,
    /// All of it.
    pub content: Arc<Zeroizing<Vec<u8>>>,
    /// SHA-256 of it.
    pub digest: Vec<u8>,
    /// The key and what it stands for.
    pub key: RequestKey,
    /// Only so many files are in memory at a time: whoever goes on with the content keeps a part of this.
    pub room: Arc<OwnedSemaphorePermit>,
}

impl<const MOST: usize, const SECONDS: u64> FromRequest for Upload<MOST, SECONDS> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, ApiResult<Self>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (req, payload) = (req.clone(), payload.take());
        Box::pin(async move {
            let key = idempotency_key(req.headers())?;
            let app = App::of(&req)?;
            let room = room(&app.uploads, 2)?;
            let content = Zeroizing::new(read_within(&req, payload, MOST, Duration::from_secs(SECONDS)).await?);
            let (content, content_type) = (Arc::new(content), media_type(&req));
            // Megabytes are not hashed on a thread on which others wait.
            let (shared, keys, target) = (content.clone(), app.keys.clone(), Target::of(&req));
            let hash = move || Ok((RequestKey::new(&keys, &target, key, &shared), sha256(&shared)));
            let (key, digest) = aside(hash).await?;
            Ok(Self { content_type, content, digest, key, room: Arc::new(room) })
        })
    }
}

/// The body of an action without data: `{}`.
#[derive(Debug, Clone, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NoBody {}

/// An id in a body. The id that stands for every malformed one in a path ([`PathId`]) must never exist.
pub fn real_id<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Uuid, D::Error> {
    let id = Uuid::deserialize(deserializer)?;
    if id.is_max() || id.is_nil() {
        return Err(serde::de::Error::custom(Fault::new(
            "id_malformed",
            "bukan UUID yang dapat dipakai",
            "not a usable UUID",
        )));
    }
    Ok(id)
}

/// For a member of a merge patch (RFC 7396) that cannot be removed: absent leaves it, `null` is an error.
pub fn set<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// For a member of a merge patch that can be removed: absent leaves it, `null` removes it.
pub fn set_or_clear<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}

/// Most values of one filter; the document says it too (`max_items`).
const MOST_VALUES: usize = 100;

/// For a filter that may be repeated: each value counts once, however often it is sent, and too many are refused while they are
/// read. What is made of them (conditions of a statement) has the size of what may be asked, not of what was sent.
pub fn several<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de> + PartialEq,
{
    struct Several<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de> + PartialEq> Visitor<'de> for Several<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a sequence")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut sent: A) -> Result<Vec<T>, A::Error> {
            let (mut values, mut read) = (vec![], 0);
            while let Some(value) = sent.next_element()? {
                read += 1;
                if read > MOST_VALUES {
                    let (id, en) =
                        (format!("paling banyak {MOST_VALUES} nilai"), format!("at most {MOST_VALUES} values"));
                    return Err(serde::de::Error::custom(Fault::with("too_many", id, en)));
                }
                if !values.contains(&value) {
                    values.push(value);
                }
            }
            Ok(values)
        }
    }

    deserializer.deserialize_seq(Several(PhantomData))
}

fn idempotency_key(headers: &HeaderMap) -> ApiResult<String> {
    const HEADER: &str = "Idempotency-Key";
    let place = || Place::Header(HEADER);
    let Some(value) = headers.get(HEADER) else {
        return Err(ApiError::from(&IDEMPOTENCY_KEY_MISSING).fault(
            place(),
            Fault::new(
                "required",
                "wajib ada; kirim UUID baru untuk tiap tindakan",
                "required; send a new UUID for each act",
            ),
        ));
    };
    // The draft RFC makes it a quoted string; most clients send it bare. Both name the same key.
    let text = value.to_str().unwrap_or_default().trim();
    let text = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text);
    let good = (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic() && b != b'"');
    if !good || headers.get_all(HEADER).count() > 1 {
        let fault =
            Fault::new("malformed", "1 sampai 128 karakter ASCII, satu kali", "1 to 128 ASCII characters, once");
        return Err(ApiError::malformed(place(), fault));
    }
    Ok(text.to_owned())
}

/// The version that `If-Match` names. Only the version part of an ETag is compared: comments and reminders change the
/// rest, and a compressing proxy adds `W/`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "i64")]
pub struct IfMatch(pub i32);

/// In a body that names several rows each stands beside its own version.
impl TryFrom<i64> for IfMatch {
    type Error = Fault;
    fn try_from(version: i64) -> Result<Self, Fault> {
        let good = i32::try_from(version).ok().filter(|version| (1..=Self::MOST).contains(version));
        good.map(Self).ok_or_else(|| Fault::new("out_of_range", "bukan sebuah versi", "not a version"))
    }
}

impl IfMatch {
    const MOST: i32 = 999_999_999;
}

impl utoipa::PartialSchema for IfMatch {
    fn schema() -> RefOr<Schema> {
        let text = "Version of the row that the change is based on.";
        let schema = ObjectBuilder::new().schema_type(Type::Integer).description(Some(text));
        schema.minimum(Some(1)).maximum(Some(Self::MOST)).examples([serde_json::json!(1)]).into()
    }
}
impl utoipa::ToSchema for IfMatch {
    fn name() -> std::borrow::Cow<'static, str> {
        "Version".into()
    }
}

impl FromRequest for IfMatch {
    type Error = ApiError;
    type Future = Ready<ApiResult<Self>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(if_match(req.headers()))
    }
}

fn if_match(headers: &HeaderMap) -> ApiResult<IfMatch> {
    const HEADER: &str = "If-Match";
    let Some(value) = headers.get(HEADER) else {
        return Err(ApiError::from(&IF_MATCH_MISSING).fault(
            Place::Header(HEADER),
            Fault::new("required", "kirim ETag dari bacaan terakhir", "send the ETag of your last read"),
        ));
    };
    let version = value.to_str().ok().and_then(version_of).filter(|_| headers.get_all(HEADER).count() == 1);
    version.map(IfMatch).ok_or_else(|| {
        let fault = Fault::new("malformed", "bukan ETag dari layanan ini", "not an ETag of this service");
        ApiError::malformed(Place::Header(HEADER), fault)
    })
}

/// `"7-3f9a"` and `W/"7-3f9a"` name version 7. One ETag, not a list of them: a change is based on one read.
fn version_of(etag: &str) -> Option<i32> {
    let text = etag.trim();
    let inner = text.strip_prefix("W/").unwrap_or(text).strip_prefix('"')?.strip_suffix('"')?;
    let (version, rest) = inner.split_once('-').unwrap_or((inner, ""));
    let number = (1..=9).contains(&version.len()) && version.bytes().all(|b| b.is_ascii_digit());
    let good = number && !version.starts_with('0') && rest.bytes().all(|b| b.is_ascii_graphic() && b != b'"');
    if good { version.parse().ok() } else { None }
}

/// The id in the path `…/{id}…`. A malformed one cannot exist, so it becomes an id that never does and is answered by
/// the same query, with the same bytes, as a missing one.
#[derive(Debug, Clone, Copy)]
pub struct PathId<T>(pub T);

impl<T: From<Uuid>> FromRequest for PathId<T> {
    type Error = ApiError;
    type Future = Ready<ApiResult<Self>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(T::from(path_id(req, "id")))))
    }
}

/// An id in the path by the name of its place, as [`PathId`] reads it.
pub fn path_id(req: &HttpRequest, name: &str) -> Uuid {
    let raw = req.match_info().get(name).unwrap_or_default();
    // Hyphenated only: one id has one address.
    let id = if raw.len() == 36 { Uuid::try_parse(raw).ok() } else { None };
    id.unwrap_or(Uuid::max())
}

/// Query parameters as `T`; a repeated one needs a `Vec` field.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned> FromRequest for Query<T> {
    type Error = ApiError;
    type Future = Ready<ApiResult<Self>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(parse_query(req.query_string()).map(Self))
    }
}

/// Query parameters as `T`, of a query that is only part of the request's.
pub fn parse_query<T: DeserializeOwned>(query: &str) -> ApiResult<T> {
    // `+`, `%` and invalid UTF-8 are decoded leniently by the URL standard; a replacement character tells.
    let pairs = url::form_urlencoded::parse(query.as_bytes());
    for (name, value) in pairs {
        if value.chars().chain(name.chars()).any(|c| c.is_control() || c == char::REPLACEMENT_CHARACTER) {
            return Err(ApiError::malformed(Place::Parameter(harmless(&name)), super::text::CONTROL));
        }
    }
    let deserializer = serde_html_form::Deserializer::from_bytes(query.as_bytes());
    serde_path_to_error::deserialize(deserializer).map_err(|error| {
        let name = error.path().iter().next().map(ToString::to_string).unwrap_or_default();
        let (inner, fault) = explain(&error.inner().to_string());
        ApiError::malformed(Place::Parameter(harmless(if inner.is_empty() { &name } else { &inner })), fault)
    })
}

/// A query parameter that the operation does not have.
pub(super) fn unknown_parameter(name: &str) -> ApiError {
    ApiError::malformed(Place::Parameter(harmless(name)), UNKNOWN_FIELD)
}

pub(super) const DUPLICATE_FIELD: Fault = Fault::new("duplicate_field", "isian ada dua kali", "is given twice");
const UNKNOWN_FIELD: Fault = Fault::new("unknown_field", "isian tidak dikenal", "is not a known field");

async fn read_json(req: &HttpRequest, payload: Payload) -> ApiResult<Vec<u8>> {
    let essence = media_type(req);
    if essence != "application/json" && essence != "application/merge-patch+json" {
        return Err(ApiError::from(&UNSUPPORTED_MEDIA_TYPE).header("accept", "application/json"));
    }
    read_body(req, payload).await
}

/// What the body says that it is, without parameters.
fn media_type(req: &HttpRequest) -> String {
    let content_type = req.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Reads a body within the limit and the deadline.
pub async fn read_body(req: &HttpRequest, payload: Payload) -> ApiResult<Vec<u8>> {
    read_within(req, payload, BODY_LIMIT, BODY_DEADLINE).await
}

/// A body may take minutes to arrive: whoever was cut off meanwhile does nothing by it any more.
async fn read_within(req: &HttpRequest, mut payload: Payload, limit: usize, within: Duration) -> ApiResult<Vec<u8>> {
    let length = req.headers().get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|n| n > limit) {
        return Err(ApiError::from(&BODY_TOO_LARGE));
    }
    let read = async {
        // Not at once for all that is announced: it may never come.
        let mut body = Vec::with_capacity(length.unwrap_or(512).min(BODY_LIMIT));
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|_| ApiError::from(&MALFORMED))?;
            if body.len() + chunk.len() > limit {
                return Err(ApiError::from(&BODY_TOO_LARGE));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    };
    let body = tokio::time::timeout(within, read).await.unwrap_or_else(|_| Err(ApiError::from(&BODY_TOO_SLOW)))?;
    let still_in = req.extensions().get::<StillIn>().cloned();
    if let Some(still_in) = still_in {
        still_in.check().await?;
    }
    Ok(body)
}

fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> ApiResult<T> {
    let whole = |fault| ApiError::malformed(Place::Pointer(String::new()), fault);
    if bytes.iter().find(|b| !b.is_ascii_whitespace()) != Some(&b'{') {
        return Err(whole(OBJECT_EXPECTED));
    }
    let sent: Json = serde_json::from_slice(bytes).map_err(|_| whole(SYNTAX))?;
    serde_path_to_error::deserialize(sent).map_err(|error: serde_path_to_error::Error<serde_json::Error>| {
        let (field, fault) = explain(&error.inner().to_string());
        let mut pointer = pointer(error.path());
        if !field.is_empty() && !pointer.ends_with(&format!("/{field}")) {
            pointer = format!("{pointer}/{field}");
        }
        ApiError::malformed(Place::Pointer(pointer), fault)
    })
}

const SYNTAX: Fault = Fault::new("json_syntax", "bukan JSON yang sah", "not valid JSON");

/// JSON pointer (RFC 6901) of a path; names that a client made up are left out.
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter().fold(String::new(), |at, segment| match segment {
        Segment::Seq { index } => format!("{at}/{index}"),
        Segment::Map { key } if !harmless(key).is_empty() => format!("{at}/{key}"),
        Segment::Map { .. } | Segment::Enum { .. } | Segment::Unknown => at,
    })
}

/// A name as it may be shown: our own are short words, and a client could send personal data where a name belongs.
fn harmless(name: &str) -> String {
    let word = (1..=40).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    if word { name.to_owned() } else { String::new() }
}

/// Turns serde's message, which holds the value sent, into a fault that does not, and the field it names.
fn explain(message: &str) -> (String, Fault) {
    // The fault of a parsed type is followed by serde's " at line 1 column 2".
    if let Some(fault) = Fault::carried_by(message) {
        return (String::new(), fault);
    }
    let quoted = || harmless(message.split('`').nth(1).unwrap_or_default());
    if message.starts_with("missing field") {
        return (quoted(), Fault::new("required", "wajib diisi", "is required"));
    }
    if message.starts_with("unknown field") {
        return (quoted(), UNKNOWN_FIELD);
    }
    if message.starts_with("duplicate field") {
        return (quoted(), DUPLICATE_FIELD);
    }
    if message.starts_with("unknown variant") {
        // The list after the last "expected" is our own text, whatever the value before it holds.
        let allowed = message.rsplit_once(", expected ").map(|(_, list)| list).unwrap_or_default();
        let allowed: Vec<&str> = allowed.split('`').skip(1).step_by(2).collect();
        let allowed = allowed.join(", ");
        return (
            String::new(),
            Fault::with("unknown_value", format!("salah satu dari: {allowed}"), format!("one of: {allowed}")),
        );
    }
    (String::new(), Fault::new("wrong_type", "jenis nilainya tidak sesuai", "has the wrong type"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[expect(dead_code, reason = "parsed only")]
        code: super::super::region_code::RegionCode,
        #[expect(dead_code, reason = "parsed only")]
        level: Option<super::super::region_code::RegionLevel>,
    }

    /// Whatever is wrong, the secret that was sent is in no part of the answer, and the place is named.
    #[test]
    fn faults_name_the_place_and_never_the_value() {
        let secret = "1706024508950001";
        for (body, place, code) in [
            (format!(r#"{{"code":"{secret}"}}"#), "/code", "region_code_malformed"),
            (format!(r#"{{"code":{secret}}}"#), "/code", "wrong_type"),
            (format!(r#"{{"{secret}":1}}"#), "", "unknown_field"),
            (format!(r#"{{"code":"17","level":"{secret}"}}"#), "/level", "unknown_value"),
            (format!(r#"{{"code":"17","level":"x`, expected `{secret}"}}"#), "/level", "unknown_value"),
            (r#"{"level":null}"#.to_owned(), "/code", "required"),
            (r#"{"code":"17","code":"17"}"#.to_owned(), "/code", "duplicate_field"),
            (format!("[\"{secret}\"]"), "", "object_expected"),
            (format!(r#"{{"code":"17"}} "{secret}""#), "", "json_syntax"),
            (format!(r#"{{"code":"17", {secret}"#), "", "json_syntax"),
        ] {
            let error = parse_json::<Sample>(body.as_bytes()).unwrap_err();
            let shown = format!("{error:?}");
            assert!(!shown.contains(secret), "{shown}");
            assert!(shown.contains(&format!("Pointer({place:?})")), "{body}: {shown}");
            assert!(shown.contains(&format!("code: {code:?}")), "{body}: {shown}");
        }
    }

    #[test]
    fn query_faults_too() {
        let error = parse_query::<Sample>("code=%00").unwrap_err();
        assert!(format!("{error:?}").contains("Parameter(\"code\")"), "{error:?}");
        let error = parse_query::<Sample>("code=17&nope=1706024508950001").unwrap_err();
        assert!(format!("{error:?}").contains("Parameter(\"nope\")"), "{error:?}");
    }
}

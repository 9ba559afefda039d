//! Lists: keyset pages with an opaque, authenticated cursor that carries the filters of its first page.
use super::answer::Answer;
use super::app::App;
use super::crypto::Keys;
use super::error::{ApiError, ApiResult, CURSOR_INVALID, Fault, Place};
use super::http::Identity;
use super::input::{DUPLICATE_FIELD, parse_query};
use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::future::{Ready, ready};
use std::sync::Arc;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, schema::Type};

/// How many rows a page has.
#[derive(Debug, Clone, Copy)]
pub struct PageSize {
    /// Unless asked otherwise.
    pub usual: i64,
    /// However many are asked for.
    pub most: i64,
}

const LISTS: PageSize = PageSize { usual: 50, most: 200 };

/// A page of a list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Page<T> {
    /// The rows, in the order of the list.
    pub items: Vec<T>,
    /// Ask for the next page with `cursor=` and this; null on the last page.
    #[schema(required)]
    pub next_cursor: Option<String>,
    /// How many rows the whole list has; only with `Prefer: count=exact`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<i64>,
}

/// The query parameters that every list takes beside its filters.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents what `Paged` reads")]
pub struct PageParams {
    /// Rows a page; more than 200 gives 200.
    #[param(inline, value_type = Option<ListLimit>)]
    limit: Option<i64>,
    /// `next_cursor` of the page before. It carries the filters: they may be left out, or must be the same.
    cursor: Option<String>,
}

/// Of a list that has no filters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoFilter {}

type ListLimit = Limit<{ LISTS.usual }>;

/// The parameter `limit`. Without a format: a number too large for 64 bits is still more than the most.
pub struct Limit<const USUAL: i64>;

impl<const USUAL: i64> utoipa::PartialSchema for Limit<USUAL> {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(1))
            .default(Some(serde_json::json!(USUAL)))
            .examples([serde_json::json!(20)])
            .into()
    }
}
impl<const USUAL: i64> utoipa::ToSchema for Limit<USUAL> {}

/// What a cursor says, sealed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Cursor {
    filters: String,
    after: serde_json::Value,
}

/// The query of a list: its filters `F` and which page of it.
pub struct Paged<F> {
    /// The list's own filters.
    pub filter: F,
    /// Rows wanted; ask the database for one more, which tells whether there is a next page.
    pub limit: i64,
    /// `Prefer: count=exact` was sent.
    pub count: bool,
    filters: String,
    sent: Option<String>,
    after: Option<serde_json::Value>,
    context: String,
    path: String,
    app: Arc<App>,
}

impl<F: DeserializeOwned> FromRequest for Paged<F> {
    type Error = ApiError;
    type Future = Ready<ApiResult<Self>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::read(req, req.query_string(), LISTS))
    }
}

impl<F: DeserializeOwned> Paged<F> {
    /// The same for a list with pages of another size; `query` is that of the request, or what of it speaks of the
    /// list.
    pub fn read(req: &HttpRequest, query: &str, size: PageSize) -> ApiResult<Self> {
        let app = App::of(req)?.clone();
        let path = req.path().to_owned();
        // One agency's cursor is no use to another, nor to another list.
        let agency = req.extensions().get::<Identity>().map(|identity| identity.agency);
        let context = format!("cursor:{path}:{}", agency.unwrap_or_default());
        let (mut limit, mut sent, mut cursor, mut filters) = (None, None, None, vec![]);
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "limit" => once("limit", limit.replace(parse_limit(&value, size)?))?,
                "cursor" => {
                    cursor = Some(open(&app.keys, &context, &value)?);
                    once("cursor", sent.replace(value.into_owned()))?;
                }
                _ => filters.push((name.into_owned(), value.into_owned())),
            }
        }
        let limit = limit.unwrap_or(size.usual);
        filters.sort();
        let asked = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(filters).finish();
        let (filters, after) = match cursor {
            Some(cursor) if asked.is_empty() || asked == cursor.filters => (cursor.filters, Some(cursor.after)),
            Some(_) => return Err(foreign_cursor()),
            None => (asked, None),
        };
        let prefer = req.headers().get_all("prefer").filter_map(|value| value.to_str().ok());
        let count = prefer.flat_map(|value| value.split(',')).any(|one| one.trim() == "count=exact");
        Ok(Self { filter: parse_query(&filters)?, limit, count, filters, sent, after, context, path, app })
    }
}

impl<F> Paged<F> {
    /// The sort key of the last row of the page before, in the shape that [`Paged::answer`] was given.
    pub fn after<K: DeserializeOwned>(&self) -> ApiResult<Option<K>> {
        self.after.clone().map(serde_json::from_value).transpose().map_err(|_| foreign_cursor())
    }

    /// Cuts the extra row off; what is left is the page, and the key of its last row if there is more.
    pub fn cut<T, K: Serialize>(&self, mut rows: Vec<T>, key: impl Fn(&T) -> K) -> (Vec<T>, Option<serde_json::Value>) {
        let limit = usize::try_from(self.limit).unwrap_or_default();
        if rows.len() <= limit {
            return (rows, None);
        }
        rows.truncate(limit);
        let after = rows.last().and_then(|row| serde_json::to_value(key(row)).ok());
        (rows, after)
    }

    /// The page as an answer, with `Link: rel="next"` (RFC 8288).
    pub fn answer<T: Serialize>(
        &self,
        items: Vec<T>,
        after: Option<serde_json::Value>,
        total: Option<i64>,
    ) -> ApiResult<Answer> {
        let next_cursor = after.map(|after| self.cursor(after)).transpose()?;
        let link = next_cursor.as_ref().map(|cursor| self.link(cursor));
        let mut answer = Answer::ok(&Page { items, next_cursor, total })?;
        if let Some(link) = link {
            answer = answer.header("link", link);
        }
        Ok(if total.is_some() { answer.header("preference-applied", "count=exact") } else { answer })
    }

    /// The cursor that leads on from `after`; the one that was sent, if it leads on from there too.
    pub fn cursor(&self, after: serde_json::Value) -> ApiResult<String> {
        if let (Some(sent), true) = (&self.sent, self.after.as_ref() == Some(&after)) {
            return Ok(sent.clone());
        }
        seal(&self.app.keys, &self.context, &Cursor { filters: self.filters.clone(), after })
    }

    /// `Link: rel="next"` (RFC 8288).
    pub fn link(&self, cursor: &str) -> String {
        let (base, path, limit) = (&self.app.settings.public_url, &self.path, self.limit);
        format!("<{base}{path}?cursor={cursor}&limit={limit}>; rel=\"next\"")
    }
}

/// Which of two pages was meant, nobody knows.
fn once<T>(name: &str, before: Option<T>) -> ApiResult<()> {
    if before.is_some() {
        return Err(ApiError::malformed(Place::Parameter(name.to_owned()), DUPLICATE_FIELD));
    }
    Ok(())
}

fn parse_limit(value: &str, size: PageSize) -> ApiResult<i64> {
    let fault = || Fault::new("out_of_range", "angka mulai dari 1", "a number from 1");
    // Digits beyond i64 are still a number larger than the most.
    let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
    let limit = if digits { value.parse().unwrap_or(size.most) } else { 0 };
    if limit < 1 {
        return Err(ApiError::malformed(Place::Parameter("limit".to_owned()), fault()));
    }
    Ok(limit.min(size.most))
}

fn seal(keys: &Keys, context: &str, cursor: &Cursor) -> ApiResult<String> {
    let plain = serde_json::to_vec(cursor).map_err(|_| ApiError::internal("cursor cannot be written"))?;
    Ok(URL_SAFE_NO_PAD.encode(keys.seal_alike(context, &plain).map_err(ApiError::internal)?))
}

fn open(keys: &Keys, context: &str, value: &str) -> ApiResult<Cursor> {
    let sealed = URL_SAFE_NO_PAD.decode(value).map_err(|_| foreign_cursor())?;
    let plain = keys.unseal(context, &sealed).map_err(|_| foreign_cursor())?;
    serde_json::from_slice(&plain).map_err(|_| foreign_cursor())
}

fn foreign_cursor() -> ApiError {
    let fault = Fault::new("cursor_invalid", "mulai lagi dari halaman pertama", "start again from the first page");
    ApiError::from(&CURSOR_INVALID).fault(Place::Parameter("cursor".to_owned()), fault)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::LazyLock;

    static KEYS: LazyLock<Keys> = LazyLock::new(|| {
        let dir = std::env::temp_dir().join(format!("simpul-page-{}", std::process::id()));
        Keys::create(&dir, false).unwrap();
        let keys = Keys::load(&dir, false).unwrap();
        std::fs::remove_dir_all(&dir).unwrap();
        keys
    });

    proptest::proptest! {
        #[test]
        fn a_cursor_comes_back_as_it_was_given(filters in ".{0,40}", xid in 0i64.., seq in 0i64.., text in ".{0,40}") {
            let cursor = Cursor { filters, after: serde_json::json!({ "place": { "xid": xid, "seq": seq }, "reader": text }) };
            let sealed = seal(&KEYS, "cursor:/v1/changes:a", &cursor).unwrap();
            assert!(sealed.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
            assert_eq!(open(&KEYS, "cursor:/v1/changes:a", &sealed).unwrap(), cursor);
            for context in ["cursor:/v1/changes:b", "cursor:/v1/cases:a", ""] {
                assert_eq!(open(&KEYS, context, &sealed).unwrap_err().code(), &CURSOR_INVALID);
            }
        }

        #[test]
        fn a_cursor_with_any_character_altered_is_none(seq in 0i64.., at in 0usize..200, other in "[A-Za-z0-9_=+/. -]") {
            let sealed = seal(&KEYS, "c", &Cursor { filters: String::new(), after: seq.into() }).unwrap();
            let at = at % sealed.len();
            let altered = format!("{}{other}{}", &sealed[..at], &sealed[at + 1..]);
            proptest::prop_assume!(altered != sealed);
            for wrong in [&altered, &sealed[..at], &format!("{sealed}{other}")] {
                assert_eq!(open(&KEYS, "c", wrong).unwrap_err().code(), &CURSOR_INVALID, "{wrong}");
            }
        }
    }
}

//! The one error type, sent as RFC 9457 problem details.
//!
//! A module declares its own [`Code`]s beside its rules; the answer is rendered in [`super::http`], where language and
//! request id are known. No text here ever holds a value that a client sent.
use super::db::{DbError, TxError};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::fmt;
use uuid::Uuid;

/// What a handler returns.
pub type ApiResult<T> = Result<T, ApiError>;

/// The language of texts for people, chosen by `Accept-Language`; Indonesian unless asked otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// Bahasa Indonesia.
    #[default]
    Indonesian,
    /// English.
    English,
}

/// A text in both languages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Indonesian.
    pub id: Cow<'static, str>,
    /// English.
    pub en: Cow<'static, str>,
}

impl Message {
    /// A fixed text.
    pub const fn new(id: &'static str, en: &'static str) -> Self {
        Self { id: Cow::Borrowed(id), en: Cow::Borrowed(en) }
    }

    /// The text in one language.
    pub fn in_language(&self, language: Language) -> &str {
        match language {
            Language::Indonesian => &self.id,
            Language::English => &self.en,
        }
    }
}

/// A stable, documented reason for an answer that is not a success. Clients decide by `code`, people read the rest.
#[derive(Debug, PartialEq, Eq)]
pub struct Code {
    /// HTTP status.
    pub status: u16,
    /// The stable word, `snake_case`.
    pub code: &'static str,
    /// What it means.
    pub message: Message,
}

impl Code {
    /// Declares a code. List it in its module's `CODES`.
    pub const fn new(status: u16, code: &'static str, id: &'static str, en: &'static str) -> Self {
        Self { status, code, message: Message::new(id, en) }
    }

    /// The status in words.
    pub fn title(&self) -> &'static str {
        StatusCode::from_u16(self.status).ok().and_then(|status| status.canonical_reason()).unwrap_or_default()
    }
}

/// What is wrong with one value: the error of every parsed type. Its `Display` carries it through serde to the place
/// where the pointer is known (see [`super::input`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The stable word, `snake_case`.
    pub code: Cow<'static, str>,
    /// What is wrong, without the value.
    pub message: Message,
}

const FAULT_MARK: char = '\u{1f}';

impl Fault {
    /// A fault with a fixed text.
    pub const fn new(code: &'static str, id: &'static str, en: &'static str) -> Self {
        Self { code: Cow::Borrowed(code), message: Message::new(id, en) }
    }

    /// A fault whose texts hold a limit or a list; never the value.
    pub fn with(code: &'static str, id: String, en: String) -> Self {
        Self { code: Cow::Borrowed(code), message: Message { id: id.into(), en: en.into() } }
    }

    /// Reads back what `Display` wrote into a serde message.
    pub(super) fn carried_by(message: &str) -> Option<Self> {
        let mut parts = message.strip_prefix(FAULT_MARK)?.split(FAULT_MARK);
        let (code, id, en) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self {
            code: code.to_owned().into(),
            message: Message { id: id.to_owned().into(), en: en.to_owned().into() },
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = FAULT_MARK;
        write!(f, "{mark}{}{mark}{}{mark}{}{mark}", self.code, self.message.id, self.message.en)
    }
}

/// Where a fault was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// JSON pointer (RFC 6901) into the body; empty for the whole body.
    Pointer(String),
    /// Name of a query parameter.
    Parameter(String),
    /// Name of a header.
    Header(&'static str),
}

/// Declares a module's codes and lists them: `error_codes! { /// When. NAME = (409, "name", "Indonesian.", "English."); }`
#[macro_export]
macro_rules! error_codes {
    ($($(#[$m:meta])* $name:ident = ($status:literal, $code:literal, $id:literal, $en:literal);)+) => {
        $($(#[$m])* pub static $name: $crate::platform::error::Code =
            $crate::platform::error::Code::new($status, $code, $id, $en);)+
        /// Every code declared here.
        pub static CODES: &[&$crate::platform::error::Code] = &[$(&$name),+];
    };
}

error_codes! {
    /// The body, a parameter or a header does not parse.
    MALFORMED = (400, "malformed", "Permintaan tidak dapat dibaca.", "The request cannot be read.");
    /// A POST without `Idempotency-Key`.
    IDEMPOTENCY_KEY_MISSING = (400, "idempotency_key_missing", "Header Idempotency-Key wajib ada.", "The Idempotency-Key header is required.");
    /// A cursor that is not ours, or of other filters.
    CURSOR_INVALID = (400, "cursor_invalid", "Cursor tidak berlaku untuk daftar ini.", "The cursor does not belong to this list.");
    /// No token, or one that is not valid.
    UNAUTHENTICATED = (401, "unauthenticated", "Token akses tidak ada atau tidak berlaku.", "The access token is missing or not valid.");
    /// The token does not carry the scope of the operation.
    FORBIDDEN = (403, "forbidden", "Tidak berhak menjalankan operasi ini.", "Not allowed to perform this operation.");
    /// Missing, or another agency's: told apart by nobody.
    NOT_FOUND = (404, "not_found", "Data tidak ditemukan.", "Not found.");
    /// The path exists, the method does not.
    METHOD_NOT_ALLOWED = (405, "method_not_allowed", "Metode tidak tersedia di alamat ini.", "The method is not available at this path.");
    /// Bytes of the body came too slowly.
    BODY_TOO_SLOW = (408, "body_too_slow", "Isi permintaan tidak tiba pada waktunya.", "The request body did not arrive in time.");
    /// The same key is being worked on right now.
    REQUEST_IN_PROGRESS = (409, "request_in_progress", "Permintaan dengan kunci ini masih diproses.", "A request with this key is still being processed.");
    /// The id in the body is taken.
    ID_TAKEN = (409, "id_taken", "Id ini sudah dipakai.", "This id is already in use.");
    /// The stored answer held a secret that is shown once only.
    SECRET_ALREADY_SHOWN = (409, "secret_already_shown", "Rahasia sudah ditampilkan sekali.", "The secret has already been shown once.");
    /// Some other row is in the way.
    CONFLICT = (409, "conflict", "Bertentangan dengan data yang ada.", "In conflict with what exists.");
    /// `If-Match` names an older version.
    STALE = (412, "stale", "Data sudah berubah sejak dibaca.", "It has changed since it was read.");
    /// Body over the route's limit.
    BODY_TOO_LARGE = (413, "body_too_large", "Isi permintaan terlalu besar.", "The request body is too large.");
    /// Not `application/json`.
    UNSUPPORTED_MEDIA_TYPE = (415, "unsupported_media_type", "Jenis isi permintaan tidak didukung.", "The content type is not supported.");
    /// The values parse, but break a rule together.
    RULE_BROKEN = (422, "rule_broken", "Isian melanggar aturan.", "The values break a rule.");
    /// The key was used for another request.
    IDEMPOTENCY_KEY_REUSED = (422, "idempotency_key_reused", "Kunci ini sudah dipakai untuk permintaan lain.", "This key was used for another request.");
    /// A change without `If-Match`.
    IF_MATCH_MISSING = (428, "if_match_missing", "Header If-Match wajib ada.", "The If-Match header is required.");
    /// More requests than the client, its agency or the address may send.
    RATE_LIMITED = (429, "rate_limited", "Terlalu banyak permintaan; tunggu sebentar.", "Too many requests; wait a moment.");
    /// Our fault.
    INTERNAL = (500, "internal", "Terjadi kesalahan di pihak layanan.", "Something went wrong on our side.");
    /// The database cannot be reached or is overloaded. After a write: ask again with the same key.
    UNAVAILABLE = (503, "unavailable", "Layanan sedang tidak tersedia; coba lagi sebentar.", "The service is not available right now; try again shortly.");
}

/// An answer that is not a success.
#[derive(Debug)]
pub struct ApiError(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    code: &'static Code,
    faults: Vec<(Place, Fault)>,
    members: Map<String, Value>,
    headers: Vec<(&'static str, String)>,
    cause: Option<Cause>,
}

/// What is logged, and never sent.
#[derive(Debug, Clone)]
enum Cause {
    Database(DbError),
    Other(String),
}

impl From<&'static Code> for ApiError {
    fn from(code: &'static Code) -> Self {
        Self(Box::new(Inner { code, faults: vec![], members: Map::new(), headers: vec![], cause: None }))
    }
}

impl ApiError {
    /// Missing, or not the caller's.
    pub fn not_found() -> Self {
        Self::from(&NOT_FOUND)
    }

    /// A fault of ours; `why` goes to the log and must hold no personal data.
    pub fn internal(why: impl ToString) -> Self {
        let mut error = Self::from(&INTERNAL);
        error.0.cause = Some(Cause::Other(why.to_string()));
        error
    }

    /// 400: a value that does not parse as its type.
    pub fn malformed(place: Place, fault: Fault) -> Self {
        Self::from(&MALFORMED).fault(place, fault)
    }

    /// 422: values that break a rule together, or a reference in the body that is missing or not the caller's.
    pub fn rule(pointer: &str, fault: Fault) -> Self {
        Self::from(&RULE_BROKEN).fault(Place::Pointer(pointer.to_owned()), fault)
    }

    /// Adds a fault to `errors`.
    #[must_use]
    pub fn fault(mut self, place: Place, fault: Fault) -> Self {
        self.0.faults.push((place, fault));
        self
    }

    /// The same, of a value that lies at this member.
    #[must_use]
    pub fn within(mut self, member: &str) -> Self {
        for (place, _) in &mut self.0.faults {
            if let Place::Pointer(at) = place {
                *at = format!("/{member}{at}");
            }
        }
        self
    }

    /// Adds an extension member (RFC 9457, section 3.2), for example the current state.
    #[must_use]
    pub fn member(mut self, name: &str, value: impl Serialize) -> Self {
        let value = serde_json::to_value(value).unwrap_or(Value::Null);
        self.0.members.insert(name.to_owned(), value);
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl ToString) -> Self {
        self.0.headers.push((name, value.to_string()));
        self
    }

    /// Whether one of its faults lies at this pointer or below it.
    pub fn points_at(&self, pointer: &str) -> bool {
        self.0.faults.iter().any(|(place, _)| matches!(place, Place::Pointer(at) if at.starts_with(pointer)))
    }

    /// What is wrong, place by place.
    pub fn faults(&self) -> &[(Place, Fault)] {
        &self.0.faults
    }

    /// The extension members that were added.
    pub fn members(&self) -> &Map<String, Value> {
        &self.0.members
    }

    /// An extension member that was added.
    pub fn told_member(&self, name: &str) -> Option<&Value> {
        self.0.members.get(name)
    }

    /// The reason.
    pub fn code(&self) -> &'static Code {
        self.0.code
    }

    /// The same answer with another cause of a database error, if it was refused by `constraint`.
    #[must_use]
    pub fn on_constraint(self, constraint: &str, instead: impl FnOnce() -> Self) -> Self {
        match &self.0.cause {
            Some(Cause::Database(error)) if error.constraint() == Some(constraint) => instead(),
            _ => self,
        }
    }

    /// Whether the database had no room or time for a statement, so that nothing came of it and it may be tried again.
    pub fn is_busy(&self) -> bool {
        matches!(self.0.cause, Some(Cause::Database(DbError::Busy | DbError::Timeout)))
    }

    /// The same answer again: actix lends the error of a response and does not give it away.
    pub(super) fn copied(&self) -> Self {
        Self(self.0.clone())
    }

    /// What the log should say: only of faults that are ours.
    pub fn cause(&self) -> Option<String> {
        match &self.0.cause {
            Some(Cause::Database(error)) => Some(error.to_string()),
            Some(Cause::Other(why)) => Some(why.clone()),
            None => None,
        }
    }

    /// What is wrong in words, place by place: for an operator at a terminal.
    pub fn told(&self) -> String {
        let place = |place: &Place| match place {
            Place::Pointer(at) | Place::Parameter(at) => at.trim_start_matches('/').to_owned(),
            Place::Header(name) => (*name).to_owned(),
        };
        let faults = self.0.faults.iter().map(|(at, fault)| format!("{}: {}", place(at), fault.message.en));
        std::iter::once(self.0.code.message.en.to_string())
            .chain(faults)
            .chain(self.cause())
            .collect::<Vec<_>>()
            .join("\n  ")
    }

    /// The answer itself.
    pub(super) fn render(&self, language: Language, request: Uuid, base: &str) -> HttpResponse {
        let code = self.0.code;
        let problem = Problem {
            r#type: format!("{base}/docs/errors#{}", code.code),
            title: code.title(),
            status: code.status,
            detail: code.message.in_language(language).to_owned(),
            instance: format!("urn:uuid:{request}"),
            code: code.code,
            errors: self.0.faults.iter().map(|(place, fault)| ProblemItem::new(place, fault, language)).collect(),
            members: self.0.members.clone(),
        };
        let mut response = HttpResponse::build(self.status_code());
        for (name, value) in &self.0.headers {
            response.insert_header((*name, value.as_str()));
        }
        response.insert_header(("content-language", if language == Language::English { "en" } else { "id" }));
        response.insert_header(("vary", "Accept-Language"));
        response.content_type("application/problem+json").body(serde_json::to_vec(&problem).unwrap_or_default())
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.code.code)
    }
}

impl std::error::Error for ApiError {}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.0.code.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// A bare status; [`super::http::around`] renders the body.
    fn error_response(&self) -> HttpResponse {
        HttpResponse::new(self.status_code())
    }
}

impl From<DbError> for ApiError {
    fn from(error: DbError) -> Self {
        let code = match &error {
            DbError::Query(source) if **source == diesel::result::Error::NotFound => return Self::not_found(),
            DbError::Query(_) => &INTERNAL,
            _ => &UNAVAILABLE,
        };
        let mut answer = Self::from(code);
        if code.status == 503 {
            answer = answer.header("retry-after", 1);
        }
        answer.0.cause = Some(Cause::Database(error));
        answer
    }
}

impl From<diesel::result::Error> for ApiError {
    fn from(error: diesel::result::Error) -> Self {
        DbError::from(error).into()
    }
}

impl TxError for ApiError {
    fn retryable(&self) -> bool {
        matches!(&self.0.cause, Some(Cause::Database(error)) if error.retryable())
    }
}

/// RFC 9457 problem details: the only error body of this API, `/oauth/*` apart (RFC 6749, section 5.2).
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Problem {
    /// Page that explains the code.
    #[schema(example = "https://simpul.example/docs/errors#not_found")]
    r#type: String,
    /// The status in words.
    title: &'static str,
    /// HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What it means, in Indonesian or English by `Accept-Language`.
    detail: String,
    /// `urn:uuid:` and the request id, as in `X-Request-Id`.
    instance: String,
    /// Stable reason; decide by this one.
    #[schema(example = "not_found")]
    code: &'static str,
    /// What is wrong, place by place; empty where no place is to blame.
    errors: Vec<ProblemItem>,
    /// Members of some codes, such as the current state of a conflict.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    members: Map<String, Value>,
}

/// One fault of a request. Exactly one of `pointer`, `parameter` and `header` says where.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ProblemItem {
    /// JSON pointer (RFC 6901) into the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pointer: Option<String>,
    /// Name of a query parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<String>,
    /// Name of a header.
    #[serde(skip_serializing_if = "Option::is_none")]
    header: Option<&'static str>,
    /// Stable reason.
    #[schema(example = "required")]
    code: String,
    /// What is wrong, never the value sent.
    detail: String,
}

impl ProblemItem {
    fn new(place: &Place, fault: &Fault, language: Language) -> Self {
        let (mut pointer, mut parameter, mut header) = (None, None, None);
        match place {
            Place::Pointer(at) => pointer = Some(at.clone()),
            Place::Parameter(name) => parameter = Some(name.clone()),
            Place::Header(name) => header = Some(*name),
        }
        let detail = fault.message.in_language(language).to_owned();
        Self { pointer, parameter, header, code: fault.code.clone().into_owned(), detail }
    }
}

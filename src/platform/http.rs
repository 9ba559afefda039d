//! What surrounds every request: its id, its language, unknown paths and methods, errors as problem details, panics,
//! the log line and the counters.
use super::app::App;
use super::error::{ApiError, ApiResult, Language, METHOD_NOT_ALLOWED, NOT_FOUND};
use super::input::unknown_parameter;
use super::network::address_of;
use super::telemetry;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpResponse, ResponseError};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;
use uuid::Uuid;

/// What is known of a request before anything is asked of it.
#[derive(Debug, Clone)]
pub struct RequestInfo {
    /// `X-Request-Id`: the client's, if it sent a UUID.
    pub id: Uuid,
    /// Where it comes from ([`address_of`]).
    pub address: Option<IpAddr>,
    /// For texts to people.
    pub language: Language,
    /// The operation id of the document, such as `read_referral`.
    pub operation: Arc<str>,
    /// The operation asks for a token.
    pub secured: bool,
    /// Names of its query parameters.
    parameters: Arc<[String]>,
    /// W3C trace id, for the log.
    trace: String,
}

impl RequestInfo {
    /// Refuses a query parameter that the document does not name: a filter that is spelled wrong would otherwise give a list
    /// without it.
    pub fn check_query(&self, query: &str) -> Result<(), ApiError> {
        for (name, _) in url::form_urlencoded::parse(query.as_bytes()) {
            if !self.parameters.iter().any(|known| **known == *name) {
                return Err(unknown_parameter(&name));
            }
        }
        Ok(())
    }

    fn read(req: &ServiceRequest, operation: Option<&Operation>, app: &App) -> Self {
        let headers = req.headers();
        let sent = header(headers, "x-request-id").and_then(|id| Uuid::try_parse(id).ok());
        Self {
            id: sent.unwrap_or_else(|| app.clock.new_id()),
            address: req.peer_addr().and_then(|peer| address_of(peer.ip(), headers, &app.settings.trusted_proxies)),
            language: language(headers),
            operation: operation.map_or_else(|| Arc::from("none"), |operation| operation.id.clone()),
            secured: operation.is_some_and(|operation| operation.secured),
            parameters: operation.map_or_else(|| Arc::from([]), |operation| operation.parameters.clone()),
            trace: trace_id(headers),
        }
    }
}

/// Who sent it, once that is known: for the log, for cursors and for idempotency keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The agency.
    pub agency: Uuid,
    /// Its client.
    pub client: Uuid,
}

/// Asks once more whether who sent the request is let in, after what took long: put beside a request by whoever let it in.
#[derive(Clone)]
pub struct StillIn(Rc<dyn Fn() -> LocalBoxFuture<'static, ApiResult<()>>>);

impl StillIn {
    /// What to ask.
    pub fn new(ask: impl Fn() -> LocalBoxFuture<'static, ApiResult<()>> + 'static) -> Self {
        Self(Rc::new(ask))
    }

    /// Asks.
    pub async fn check(&self) -> ApiResult<()> {
        (self.0)().await
    }
}

/// How its buckets stand (`RateLimit-Policy`, `RateLimit`), once a caller has been counted.
#[derive(Debug, Clone)]
pub struct RateFields {
    /// What each grants.
    pub policy: String,
    /// What is left of each.
    pub state: String,
}

/// Paths and methods of the document: actix itself would answer a wrong method with 404.
pub struct RouteTable(matchit::Router<BTreeMap<String, Operation>>);

/// What the document says of one method of a path.
#[derive(Debug, Clone)]
struct Operation {
    id: Arc<str>,
    secured: bool,
    parameters: Arc<[String]>,
}

impl Operation {
    fn of(operation: &serde_json::Value) -> Self {
        let id = operation.get("operationId").and_then(|id| id.as_str()).unwrap_or_default();
        let parameters = operation.get("parameters").and_then(|list| list.as_array()).into_iter().flatten();
        let in_query = parameters.filter(|one| one.get("in").and_then(|place| place.as_str()) == Some("query"));
        let names = in_query.filter_map(|one| one.get("name")?.as_str()).map(str::to_owned).collect();
        Self { id: Arc::from(id), secured: super::openapi::takes_token(operation), parameters: names }
    }
}

impl RouteTable {
    /// From the document that the routes themselves made.
    pub fn new(document: &serde_json::Value) -> anyhow::Result<Self> {
        let mut router = matchit::Router::new();
        let paths = document.get("paths").and_then(|paths| paths.as_object());
        for (path, item) in paths.into_iter().flatten() {
            let mut methods = BTreeMap::new();
            for (method, operation) in item.as_object().into_iter().flatten() {
                methods.insert(method.to_ascii_uppercase(), Operation::of(operation));
            }
            router.insert(path.clone(), methods)?;
        }
        Ok(Self(router))
    }

    fn find(&self, path: &str, method: &Method) -> Result<Operation, ApiError> {
        let methods = self.0.at(path).map_err(|_| ApiError::from(&NOT_FOUND))?.value;
        if let Some(operation) = methods.get(method.as_str()) {
            return Ok(operation.clone());
        }
        let mut allowed: Vec<&str> = methods.keys().map(String::as_str).collect();
        if allowed.contains(&"GET") {
            allowed.push("HEAD");
        }
        Err(ApiError::from(&METHOD_NOT_ALLOWED).header("allow", allowed.join(", ")))
    }
}

/// An error with its answer: what leaves [`around`] where actix gives no response to put it into.
#[derive(Debug)]
struct Rendered {
    error: ApiError,
    info: RequestInfo,
    base: String,
}

impl std::fmt::Display for Rendered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.error.fmt(f)
    }
}

impl ResponseError for Rendered {
    fn status_code(&self) -> StatusCode {
        self.error.status_code()
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = self.error.render(self.info.language, self.info.id, &self.base);
        finish(response.headers_mut(), &self.info);
        response
    }
}

/// The outermost layer.
pub async fn around(
    mut req: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let started = Instant::now();
    let app = req.app_data::<Arc<App>>().cloned().ok_or_else(|| ApiError::internal("no app registered"))?;
    let method = req.method().clone();
    if method == Method::HEAD {
        // Answered like GET; actix leaves the body out, since it remembers what was asked.
        req.head_mut().method = Method::GET;
    }
    let found = app.routes.find(req.path(), req.method());
    let info = RequestInfo::read(&req, found.as_ref().ok(), &app);
    req.extensions_mut().insert(info.clone());
    let base = app.settings.public_url.clone();
    let rendered = |error: ApiError| Rendered { error, info: info.clone(), base: base.clone() };

    // A HttpRequest may not be cloned before it is routed (actix needs it alone), so a panic has no request to answer
    // to and leaves as an error that carries its answer.
    let outcome = match found {
        Ok(_) => AssertUnwindSafe(next.call(req)).catch_unwind().await,
        Err(error) => Ok(Err(error.into())),
    };
    let (mut identity, mut rates) = (None, None);
    let result = match outcome {
        Ok(Ok(response)) => {
            identity = response.request().extensions().get::<Identity>().copied();
            rates = response.request().extensions_mut().remove::<RateFields>();
            Ok(settle(response.map_into_boxed_body(), &rendered))
        }
        Ok(Err(error)) => Err(rendered(own(error))),
        Err(_) => Err(rendered(ApiError::internal("a handler panicked"))),
    };
    let (status, cause) = match &result {
        Ok((response, cause)) => (response.status(), cause.clone()),
        Err(error) => (error.status_code(), error.error.cause()),
    };
    telemetry::request(&telemetry::Request {
        method: &method,
        operation: &info.operation,
        status: status.as_u16(),
        elapsed: started.elapsed(),
        id: info.id,
        trace: &info.trace,
        identity,
        cause: cause.as_deref(),
    });
    match result {
        Ok((mut response, _)) => {
            finish(response.headers_mut(), &info);
            if let Some(rates) = rates {
                rates.put(response.headers_mut());
            }
            Ok(response)
        }
        Err(error) => Err(error.into()),
    }
}

/// An actix error as ours: its own texts echo what was sent.
fn own(error: Error) -> ApiError {
    let status = error.as_response_error().status_code().as_u16();
    let Some(known) = error.as_error::<ApiError>() else {
        return match status {
            404 => ApiError::not_found(),
            413 => ApiError::from(&super::error::BODY_TOO_LARGE),
            400..500 => ApiError::from(&super::error::MALFORMED),
            _ => ApiError::internal("unexpected framework error"),
        };
    };
    known.copied()
}

/// Renders the error that a handler or an extractor left in a response.
fn settle(response: ServiceResponse, rendered: &impl Fn(ApiError) -> Rendered) -> (ServiceResponse, Option<String>) {
    let Some(error) = response.response().error() else { return (response, None) };
    let error = match error.as_error::<ApiError>() {
        Some(known) => known.copied(),
        None if response.status() == StatusCode::NOT_FOUND => ApiError::not_found(),
        None => ApiError::from(&super::error::MALFORMED),
    };
    let cause = error.cause();
    let answer = rendered(error).error_response();
    (ServiceResponse::new(response.into_parts().0, answer), cause)
}

/// Headers of every answer. Answers hold personal data unless a route says otherwise.
fn finish(headers: &mut HeaderMap, info: &RequestInfo) {
    let id = info.id.to_string();
    let span = format!("00-{}-{:016x}-01", info.trace, fastrand::u64(1..));
    for (name, value) in [("x-request-id", id.as_str()), ("traceparent", span.as_str())] {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    let fixed = [
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ];
    for (name, value) in fixed {
        let name = HeaderName::from_static(name);
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
}

impl RateFields {
    /// Of one more bucket.
    pub fn add(&mut self, other: &Self) {
        for (all, one) in [(&mut self.policy, &other.policy), (&mut self.state, &other.state)] {
            all.push_str(", ");
            all.push_str(one);
        }
    }

    fn put(&self, headers: &mut HeaderMap) {
        for (name, value) in [("ratelimit-policy", &self.policy), ("ratelimit", &self.state)] {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The language of the answer, as an argument of a handler.
impl actix_web::FromRequest for Language {
    type Error = ApiError;
    type Future = std::future::Ready<Result<Self, ApiError>>;

    fn from_request(req: &actix_web::HttpRequest, _: &mut actix_web::dev::Payload) -> Self::Future {
        let info = req.extensions().get::<RequestInfo>().map(|info| info.language);
        std::future::ready(Ok(info.unwrap_or_default()))
    }
}

/// The first language that both sides know (RFC 9110, section 12.5.4), by weight.
fn language(headers: &HeaderMap) -> Language {
    let mut best = (0.0, Language::Indonesian);
    for range in header(headers, "accept-language").unwrap_or_default().split(',') {
        let mut parts = range.split(';');
        let tag = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
        let weight = parts.next().and_then(|q| q.trim().strip_prefix("q=")?.parse().ok()).unwrap_or(1.0);
        let language = match tag.split('-').next() {
            Some("en") => Language::English,
            Some("id" | "in") => Language::Indonesian,
            _ => continue,
        };
        if weight > best.0 {
            best = (weight, language);
        }
    }
    best.1
}

/// The trace id of a W3C `traceparent`, or a new one.
fn trace_id(headers: &HeaderMap) -> String {
    let sent = header(headers, "traceparent").and_then(|value| {
        let mut parts = value.split('-');
        let (version, trace, span) = (parts.next()?, parts.next()?, parts.next()?);
        let hex =
            |text: &str, length| text.len() == length && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let good =
            hex(version, 2) && version != "ff" && hex(trace, 32) && hex(span, 16) && trace.bytes().any(|b| b != b'0');
        good.then(|| trace.to_owned())
    });
    sent.unwrap_or_else(|| format!("{:032x}", fastrand::u128(1..)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &'static str, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        headers
    }

    #[test]
    fn language_follows_the_weights() {
        for (sent, english) in
            [("en", true), ("en-GB,id;q=0.5", true), ("id,en;q=0.9", false), ("fr", false), ("en;q=0", false)]
        {
            assert_eq!(language(&with("accept-language", sent)) == Language::English, english, "{sent}");
        }
    }

    #[test]
    fn a_trace_is_continued_or_begun() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(trace_id(&with("traceparent", &format!("00-{trace}-00f067aa0ba902b7-01"))), trace);
        for bad in [
            "",
            "00-xyz",
            &format!("ff-{trace}-00f067aa0ba902b7-01"),
            &format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
        ] {
            assert_ne!(trace_id(&with("traceparent", bad)), trace, "{bad}");
        }
    }

    /// No handler of ours should panic; if one does, the client gets an answer and the next request another.
    #[actix_web::test]
    async fn a_panic_is_a_500_like_any_other() {
        let dir = std::env::temp_dir().join(format!("simpul-panic-{}", std::process::id()));
        super::super::crypto::Keys::create(&dir, false).unwrap();
        let document = serde_json::json!({ "paths": { "/panic": { "get": { "operationId": "panic" } } } });
        let settings = super::super::config::Settings {
            public_url: "http://localhost".to_owned(),
            issuer: "http://localhost".to_owned(),
            demo: false,
            trusted_proxies: vec![],
            rates: super::super::config::Rates::default(),
            temp_dir: std::env::temp_dir(),
            objects: super::super::config::ObjectPlace::Directory(std::env::temp_dir()),
            changes_kept: super::super::config::CHANGES_KEPT,
            certificate_months: [None; 3],
        };
        let keys = Arc::new(super::super::crypto::Keys::load(&dir, false).unwrap());
        let app = Arc::new(App {
            objects: super::super::objects::Objects::open(&settings.objects, keys.clone()).unwrap(),
            uploads: Arc::new(tokio::sync::Semaphore::new(1)),
            downloads: Arc::new(tokio::sync::Semaphore::new(1)),
            exports: Arc::new(tokio::sync::Semaphore::new(1)),
            workbooks: Arc::new(tokio::sync::Semaphore::new(1)),
            routes: RouteTable::new(&document).unwrap(),
            document: super::super::answer::Answer::ok(&document).unwrap(),
            stopping: std::sync::atomic::AtomicBool::new(false),
            settings,
            clock: super::super::clock::Clock::default(),
            keys,
        });
        std::fs::remove_dir_all(&dir).unwrap();
        let panicking = actix_web::web::resource("/panic").get(async || -> HttpResponse { panic!("1706024508950001") });
        let service =
            actix_web::App::new().app_data(app).service(panicking).wrap(actix_web::middleware::from_fn(around));
        let service = actix_web::test::init_service(service).await;
        for _ in 0..2 {
            let request = actix_web::test::TestRequest::get().uri("/panic").to_request();
            let error = actix_web::test::try_call_service(&service, request).await.unwrap_err();
            let response = error.error_response();
            assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
            assert!(response.headers().contains_key("x-request-id"));
            let body = actix_web::body::to_bytes(response.into_body()).await.unwrap();
            let text = String::from_utf8(body.to_vec()).unwrap();
            assert!(text.contains("\"internal\"") && !text.contains("1706024508950001"), "{text}");
        }
    }
}

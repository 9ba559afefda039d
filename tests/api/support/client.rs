//! A client of one role.
use super::TestApp;
use super::document;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use simpul::demo::Credential;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::{Duration, Instant};

/// A client with a token, or without.
#[derive(Clone)]
pub struct Client<'a> {
    pub app: &'a TestApp,
    /// Its access token.
    pub token: Option<String>,
    /// Its demo credential.
    pub credential: Option<Credential>,
    /// Id of its agency.
    pub agency: String,
}

/// An answer, already held against the document.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub json: Value,
    pub text: String,
    /// As it came, where it is no text.
    pub bytes: Vec<u8>,
}

impl Reply {
    /// A header, or "".
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// Asserts the status; shows the body if it is another.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    /// Asserts status and problem code.
    #[track_caller]
    pub fn problem(self, status: u16, code: &str) -> Self {
        assert_eq!((self.status, self.code()), (status, code), "{}", self.text);
        self
    }

    /// Asserts a problem that blames one place: `/pointer`, `?parameter` or `Header`.
    #[track_caller]
    pub fn blames(self, place: &str, code: &str) -> Self {
        let found = self.json["errors"].as_array().into_iter().flatten().any(|item| {
            let at = item["pointer"].as_str().map(str::to_owned);
            let at = at.or_else(|| item["parameter"].as_str().map(|name| format!("?{name}")));
            let at = at.or_else(|| item["header"].as_str().map(str::to_owned));
            at.as_deref() == Some(place) && item["code"] == code
        });
        assert!(found, "nothing blames {place} for {code}: {}", self.text);
        self
    }

    /// The problem's code, or "".
    pub fn code(&self) -> &str {
        self.json["code"].as_str().unwrap_or_default()
    }

    /// `id` of the body.
    #[track_caller]
    pub fn id(&self) -> String {
        self.json["id"].as_str().unwrap_or_else(|| panic!("no id: {}", self.text)).to_owned()
    }

    /// The body without what differs from request to request: two problems of the same cause are equal.
    pub fn anonymous(&self) -> (u16, String, Vec<(String, String)>) {
        let body = if self.json.get("instance").is_some() {
            let mut json = self.json.clone();
            json.as_object_mut().unwrap().remove("instance");
            json.to_string()
        } else {
            self.text.clone()
        };
        // "connection: close" tells how much of the body had arrived when it was answered, not what the answer is.
        let varying = ["date", "x-request-id", "traceparent", "connection"];
        let mut headers: Vec<_> = self
            .headers
            .iter()
            .filter(|(name, _)| !varying.contains(&name.as_str()))
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        headers.sort();
        (self.status, body, headers)
    }
}

/// A request being put together; await it to send it.
#[derive(Clone)]
pub struct Request<'a> {
    client: Client<'a>,
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Option<Vec<u8>>,
}

impl<'a> Client<'a> {
    /// Gets a token by the client's secret.
    pub async fn sign_in(app: &'a TestApp, credential: &Credential) -> Self {
        let acting = super::acting_user(credential.client_kind, credential.agency_kind);
        let mut client = Self { app, token: None, credential: Some(credential.clone()), agency: String::new() };
        let reply = client.ask_token(acting.map(|user| ("acting_user", user)).as_slice()).await.expect(200);
        client.token = reply.json["access_token"].as_str().map(str::to_owned);
        let me = client.get("/v1/me").await.expect(200);
        Self { agency: me.json["agency_id"].as_str().unwrap().to_owned(), ..client }
    }

    pub fn nobody(app: &'a TestApp) -> Self {
        Self { app, token: None, credential: None, agency: String::new() }
    }

    /// The same client with another token.
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    /// Asks for a token by secret, with more parameters.
    pub async fn ask_token(&self, more: &[(&str, &str)]) -> Reply {
        let credential = self.credential.as_ref().unwrap();
        let basic = base64(&format!("{}:{}", credential.client_id, credential.client_secret));
        let mut form = vec![("grant_type", "client_credentials")];
        form.extend(more);
        Self::nobody(self.app).form("/oauth/token", &form).header("authorization", &format!("Basic {basic}")).await
    }

    pub fn request(&self, method: Method, path: &str) -> Request<'a> {
        let mut headers = HeaderMap::new();
        if let Some(token) = &self.token {
            headers.insert("authorization", HeaderValue::from_str(&format!("Bearer {token}")).unwrap());
        }
        Request { client: self.clone(), method, path: path.to_owned(), headers, body: None }
    }

    pub fn get(&self, path: &str) -> Request<'a> {
        self.request(Method::GET, path)
    }

    /// POST of JSON with a new idempotency key.
    pub fn post(&self, path: &str, body: Value) -> Request<'a> {
        let key = uuid::Uuid::now_v7().to_string();
        self.request(Method::POST, path).json(&body).header("idempotency-key", &key)
    }

    /// POST of an action on what was read as `etag`.
    pub fn act(&self, path: &str, etag: &str, body: Value) -> Request<'a> {
        self.post(path, body).header("if-match", etag)
    }

    /// Merge patch of what was read as `etag`.
    pub fn patch(&self, path: &str, etag: &str, body: Value) -> Request<'a> {
        let request = self.request(Method::PATCH, path).json(&body).header("if-match", etag);
        request.header("content-type", "application/merge-patch+json")
    }

    /// POST of a form, without a token.
    pub fn form(&self, path: &str, form: &[(&str, &str)]) -> Request<'a> {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let mut request = self.request(Method::POST, path).header("content-type", "application/x-www-form-urlencoded");
        request.body = Some(body.into_bytes());
        request
    }
}

impl Request<'_> {
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(HeaderName::try_from(name).unwrap(), HeaderValue::from_str(value).unwrap());
        self
    }

    /// Adds a header beside one of the same name.
    #[must_use]
    pub fn and_header(mut self, name: &str, value: &str) -> Self {
        self.headers.append(HeaderName::try_from(name).unwrap(), HeaderValue::from_str(value).unwrap());
        self
    }

    /// A header whose value is no text.
    #[must_use]
    pub fn header_bytes(mut self, name: &str, value: &[u8]) -> Self {
        self.headers.insert(HeaderName::try_from(name).unwrap(), HeaderValue::from_bytes(value).unwrap());
        self
    }

    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.headers.remove(name);
        self
    }

    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.raw(body.to_string().as_bytes()).header("content-type", "application/json")
    }

    #[must_use]
    pub fn raw(mut self, body: &[u8]) -> Self {
        self.body = Some(body.to_vec());
        self
    }

    #[must_use]
    pub fn key(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    /// The final answer, as a client gets it that does what it is told: after "not now" (503, or 409 while its key is at
    /// work, both with `Retry-After`) it sends the very same request again. What was answered with 503 has moved nothing,
    /// or is replayed under its key; so the final answers of a race are exactly as promised, however busy the machine is.
    pub async fn settled(self) -> Reply {
        let begun = Instant::now();
        loop {
            let reply = self.clone().await;
            if reply.status != 503 && reply.code() != "request_in_progress" {
                return reply;
            }
            assert!(!reply.header("retry-after").is_empty(), "not told when to come back: {}", reply.text);
            assert!(begun.elapsed() < Duration::from_mins(1), "never answered: {}", reply.text);
        }
    }

    async fn send(self) -> Reply {
        let url = format!("{}{}", self.client.app.base, self.path);
        let mut request = self.client.app.http.request(self.method.clone(), url).headers(self.headers);
        if let Some(body) = self.body {
            request = request.body(body);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = response.bytes().await.unwrap().to_vec();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        let reply = Reply { status: status.as_u16(), headers, json, text, bytes };
        document::check(&self.method, &self.path, &reply);
        assert!(status != StatusCode::INTERNAL_SERVER_ERROR || self.path.contains("panic"), "500: {}", reply.text);
        reply
    }
}

impl<'a> IntoFuture for Request<'a> {
    type Output = Reply;
    type IntoFuture = Pin<Box<dyn Future<Output = Reply> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

pub(super) fn base64(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}

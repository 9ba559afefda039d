//! What a handler answers: JSON with an ETag, conditional reads, and answers that can be kept and sent again.
use super::crypto;
use super::error::{ApiError, ApiResult};
use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, Responder};
use serde::{Deserialize, Serialize};

/// A successful answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Answer {
    status: u16,
    body: Vec<u8>,
    headers: Vec<(String, String)>,
}

impl Answer {
    /// 200 with `view`, and an ETag of its bytes.
    pub fn ok(view: &impl Serialize) -> ApiResult<Self> {
        Self::new(200, view, None)
    }

    /// 200 with a row of this `version`: the ETag is `"version-hash"`, so that `If-Match` can name the version and
    /// `If-None-Match` notices what changes without one.
    pub fn row(view: &impl Serialize, version: i32) -> ApiResult<Self> {
        Self::new(200, view, Some(version))
    }

    /// 200 with `view`, and a weak `ETag` of `counted` alone: for what tells the time of the read as well.
    pub fn figures(view: &impl Serialize, counted: &impl Serialize) -> ApiResult<Self> {
        let mut answer = Self::ok(view)?;
        answer.headers = Self::ok(counted)?.headers.into_iter().map(|(name, tag)| (name, format!("W/{tag}"))).collect();
        Ok(answer)
    }

    /// 201 with a new row and its address.
    pub fn created(view: &impl Serialize, version: i32, location: String) -> ApiResult<Self> {
        Ok(Self::new(201, view, Some(version))?.header("location", location))
    }

    /// 202 with a new row and its address: it is there, and the work on it goes on.
    pub fn accepted(view: &impl Serialize, version: i32, location: String) -> ApiResult<Self> {
        Ok(Self::new(202, view, Some(version))?.header("location", location))
    }

    /// 308: the row is found at another address, for good (RFC 9110, section 15.4.9).
    pub fn moved(location: String) -> Self {
        Self { status: 308, body: vec![], headers: vec![("location".to_owned(), location)] }
    }

    fn new(status: u16, view: &impl Serialize, version: Option<i32>) -> ApiResult<Self> {
        let body = serde_json::to_vec(view).map_err(|_| ApiError::internal("answer cannot be written as JSON"))?;
        let hash = crypto::short_hash(&body);
        let etag = version.map_or_else(|| format!("\"{hash}\""), |version| format!("\"{version}-{hash}\""));
        Ok(Self { status, body, headers: vec![("etag".to_owned(), etag)] })
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    /// What kind of success.
    pub fn status(&self) -> u16 {
        self.status
    }
}

impl Responder for Answer {
    type Body = BoxBody;

    fn respond_to(self, req: &HttpRequest) -> HttpResponse {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        let etag = self.headers.iter().find(|(name, _)| name == "etag").map(|(_, value)| value.as_str());
        let fresh = etag.is_some_and(|etag| status == StatusCode::OK && none_match(req, etag));
        let mut response = HttpResponse::build(if fresh { StatusCode::NOT_MODIFIED } else { status });
        for (name, value) in &self.headers {
            response.insert_header((name.as_str(), value.as_str()));
        }
        if fresh || self.body.is_empty() {
            response.finish()
        } else {
            response.content_type("application/json").body(self.body)
        }
    }
}

/// Whether the client already holds this representation (RFC 9110, section 13.1.2: weak comparison).
pub fn none_match(req: &HttpRequest, etag: &str) -> bool {
    let is_read = req.method().is_safe();
    let etag = etag.trim_start_matches("W/");
    let mut sent = req.headers().get_all("if-none-match").filter_map(|value| value.to_str().ok());
    is_read
        && sent.any(|list| {
            list.split(',').any(|one| matches!(one.trim().trim_start_matches("W/"), t if t == etag || t == "*"))
        })
}

//! OAuth: how a client proves itself ([`proof`]), the token endpoint ([`token`]), what becomes of a token afterwards
//! ([`issued`]), and what tells others how ([`metadata`]). Everything under `/oauth/` speaks RFC 6749, not problem details.
pub mod issued;
pub mod metadata;
mod proof;
pub mod token;

use crate::access::api::Gate;
use crate::access::limits::{Stranger, retry_after};
use crate::access::rules::{AgencyId, ClientId};
use crate::audit::rules::{Event, Outcome};
use crate::audit::store::Recorder;
use crate::platform::app::App;
use crate::platform::error::{ApiError, ApiResult};
use crate::platform::http::{Identity, RequestInfo};
use crate::platform::input::read_body;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::Payload;
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use serde::Serialize;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use utoipa::ToSchema;
use uuid::Uuid;

/// Routes of this folder.
pub fn routes(cfg: &mut utoipa_actix_web::service_config::ServiceConfig) {
    cfg.service(token::issue_token).service(issued::revoke_token).service(issued::introspect_token);
    cfg.service(metadata::read_keys).service(metadata::read_metadata);
}

/// Says no more: whether the client exists is nobody's business.
const FAILED: &str = "the client is unknown, or did not prove itself by one of its secrets or keys";

/// Why there is no token (RFC 6749, section 5.2).
#[derive(Debug, Serialize, ToSchema)]
pub struct OAuthProblem {
    /// Stable word of the RFC.
    #[schema(example = "invalid_client")]
    error: &'static str,
    error_description: &'static str,
}

/// A refusal; `who` is known where the client id was ours, and is then recorded.
#[derive(Debug)]
pub struct Refusal {
    status: u16,
    error: &'static str,
    description: &'static str,
    who: Option<Identity>,
    /// What the record says.
    detail: &'static str,
    /// Seconds until the next try may be another matter.
    wait: Option<u64>,
}

impl Refusal {
    /// With a word of the RFC, and what to tell a person.
    pub fn new(error: &'static str, description: &'static str) -> Self {
        let status = if error == "invalid_client" { 401 } else { 400 };
        Self { status, error, description, who: None, detail: error, wait: None }
    }

    fn too_many(wait: Duration) -> Self {
        let refusal = Self::new("slow_down", "too many requests: wait as long as Retry-After says");
        Self { status: 429, wait: Some(retry_after(wait)), ..refusal }
    }

    /// Of a client that is known; so it is recorded.
    #[must_use]
    pub fn of(mut self, agency: AgencyId, client: ClientId) -> Self {
        self.who = Some(Identity { agency: agency.0, client: client.0 });
        self
    }

    /// Whether what was sent is to blame.
    pub fn is_failure(&self) -> bool {
        matches!(self.status, 400 | 401)
    }

    /// What the record says of it, where the answer says less.
    #[must_use]
    pub fn because(mut self, detail: &'static str) -> Self {
        self.detail = detail;
        self
    }

    /// The answer, recorded if it is known who was refused.
    pub async fn recorded(self, req: &HttpRequest, app: &App, recorder: &Recorder, action: &str) -> HttpResponse {
        if let Some(who) = self.who {
            req.extensions_mut().insert(who);
            let event = Event::new(action, request_of(req), app.clock.new_id(), app.clock.now());
            let event = event.client(who.agency, who.client).outcome(Outcome::Denied).detail(self.detail);
            // The answer is a refusal either way; an unrecorded one shows in the log as a failed commit.
            let _ = recorder.record_refusal(who, false, event).await;
        }
        self.answer()
    }

    fn answer(&self) -> HttpResponse {
        let status = actix_web::http::StatusCode::from_u16(self.status).unwrap_or_default();
        let mut response = HttpResponse::build(status);
        response.insert_header(("pragma", "no-cache"));
        // RFC 9110, section 15.5.2: every 401 has one.
        if self.status == 401 {
            response.insert_header(("www-authenticate", "Basic realm=\"simpul\""));
        }
        if let Some(wait) = self.wait {
            response.insert_header(("retry-after", wait.to_string()));
        }
        response.json(OAuthProblem { error: self.error, error_description: self.description })
    }
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        if error.code().status < 500 {
            return Self::new("invalid_request", "the body cannot be read");
        }
        tracing::error!(cause = error.cause(), "no token could be issued");
        if error.code().status == 503 {
            let refusal = Self::new("temporarily_unavailable", "the service cannot answer right now");
            return Self { status: 503, wait: Some(1), ..refusal };
        }
        Self { status: 500, ..Self::new("server_error", "something went wrong on our side") }
    }
}

impl From<diesel::result::Error> for Refusal {
    fn from(error: diesel::result::Error) -> Self {
        ApiError::from(error).into()
    }
}

/// Where a request comes from.
fn address_of(req: &HttpRequest) -> Option<IpAddr> {
    req.extensions().get::<RequestInfo>().and_then(|info| info.address)
}

/// Its id.
pub fn request_of(req: &HttpRequest) -> Uuid {
    req.extensions().get::<RequestInfo>().map(|info| info.id).unwrap_or_default()
}

/// The gate as an argument of a handler.
pub struct GateArg(Arc<Gate>);

impl GateArg {
    /// Refuses an attempt where too many have failed.
    pub fn let_in(&self, req: &HttpRequest, stranger: Stranger) -> Result<(), Refusal> {
        self.0.limits.held_back(address_of(req), stranger).map_or(Ok(()), |wait| Err(Refusal::too_many(wait)))
    }

    /// Counts an attempt that failed.
    pub fn failed(&self, req: &HttpRequest, stranger: Stranger) {
        self.0.limits.failed(address_of(req), stranger);
    }
}

impl actix_web::FromRequest for GateArg {
    type Error = ApiError;
    type Future = std::future::Ready<ApiResult<Self>>;

    fn from_request(req: &HttpRequest, _: &mut actix_web::dev::Payload) -> Self::Future {
        let gate = req.app_data::<Arc<Gate>>().cloned();
        std::future::ready(gate.map(Self).ok_or_else(|| ApiError::internal("no gate registered")))
    }
}

/// The parameters, each once.
struct Form(BTreeMap<String, String>);

impl Form {
    async fn read(req: &HttpRequest, payload: Payload) -> Result<Self, Refusal> {
        let content_type = req.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(Refusal::new("invalid_request", "send application/x-www-form-urlencoded"));
        }
        let body = read_body(req, payload.into_inner()).await?;
        let mut form = BTreeMap::new();
        for (name, value) in url::form_urlencoded::parse(&body) {
            // Invalid UTF-8 was decoded into a replacement character.
            if name.chars().chain(value.chars()).any(|c| c.is_control() || c == char::REPLACEMENT_CHARACTER) {
                return Err(Refusal::new("invalid_request", "a parameter holds a character that is not allowed"));
            }
            if form.insert(name.into_owned(), value.into_owned()).is_some() {
                return Err(Refusal::new("invalid_request", "a parameter is given twice"));
            }
        }
        // An empty parameter counts as absent (RFC 6749, section 3.2).
        form.retain(|_, value| !value.is_empty());
        Ok(Self(form))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The client id need not be sent; if it is, it is that of who authenticated.
    fn check_client(&self, client: ClientId) -> Result<(), Refusal> {
        if self.get("client_id").is_some_and(|id| id != client.to_string()) {
            return Err(Refusal::new("invalid_request", "client_id is not the client that authenticated"));
        }
        Ok(())
    }
}

/// Where tokens are issued.
pub fn token_endpoint(app: &App) -> String {
    format!("{}/oauth/token", app.settings.public_url)
}

//! The token endpoint (RFC 6749 client credentials; RFC 7523 assertions), the service's public keys and its metadata.
use super::store;
use crate::access::api::Gate;
use crate::access::rules::{ActingUser, ClientId, Scope, Scopes};
use crate::access::store::AccessState;
use crate::access::tokens::{Claims, LIFETIME, Unverified, VerifyingKey};
use crate::audit::rules::{Event, Outcome};
use crate::audit::store::{self as audit, Recorder};
use crate::platform::app::{App, Shared};
use crate::platform::crypto;
use crate::platform::db::Db;
use crate::platform::error::{ApiError, ApiResult};
use crate::platform::http::{Identity, RequestInfo};
use crate::platform::input::read_body;
use actix_web::http::header::{AUTHORIZATION, CONTENT_TYPE};
use actix_web::web::{Json, Payload};
use actix_web::{HttpMessage, HttpRequest, HttpResponse, get, post};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::ToSchema;
use uuid::Uuid;

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Common libraries sign assertions for an hour; a few minutes more for their clocks.
const ASSERTION_LIFETIME: TimeDelta = TimeDelta::minutes(65);
const CLOCK_SKEW: TimeDelta = TimeDelta::seconds(60);

/// Says no more: whether the client exists is nobody's business.
const FAILED: &str = "the client is unknown, or did not prove itself by one of its secrets or keys";

/// Form of a token request. Send `client_assertion`, or the secret by HTTP Basic.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[expect(dead_code, reason = "documents what `Form` reads")]
pub struct TokenRequest {
    /// `client_credentials`.
    #[schema(pattern = "^client_credentials$", example = "client_credentials")]
    grant_type: String,
    /// Scopes wanted, separated by spaces; absent: all that the client holds.
    scope: Option<String>,
    /// `urn:ietf:params:oauth:client-assertion-type:jwt-bearer`.
    client_assertion_type: Option<String>,
    /// A JWT signed by the client's own key (RFC 7523): `iss` and `sub` the client id, `aud` the issuer or this endpoint,
    /// `exp` at most 65 minutes ahead, `jti` used once.
    client_assertion: Option<String>,
    /// The client id, if sent, must be the one that authenticates.
    client_id: Option<String>,
    /// The agency's own opaque id of the officer at the keyboard; signed into the token.
    acting_user: Option<String>,
}

/// A token (RFC 6749, section 5.1).
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenAnswer {
    access_token: String,
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// Seconds.
    #[schema(example = 900)]
    expires_in: i64,
    /// What the token carries.
    #[schema(example = "statistics:read")]
    scope: String,
}

/// Why there is no token (RFC 6749, section 5.2).
#[derive(Debug, Serialize, ToSchema)]
pub struct OAuthProblem {
    /// Stable word of the RFC.
    #[schema(example = "invalid_client")]
    error: &'static str,
    error_description: &'static str,
}

/// A refusal; `who` is known where the client id was ours, and is then recorded.
struct Refusal {
    status: u16,
    error: &'static str,
    description: &'static str,
    who: Option<Identity>,
    challenge: bool,
}

impl Refusal {
    fn new(error: &'static str, description: &'static str) -> Self {
        let status = if error == "invalid_client" { 401 } else { 400 };
        Self { status, error, description, who: None, challenge: false }
    }

    fn of(mut self, state: &AccessState) -> Self {
        self.who = Some(Identity { agency: state.agency_id.0, client: state.client_id.0 });
        self
    }

    fn answer(&self) -> HttpResponse {
        let status = actix_web::http::StatusCode::from_u16(self.status).unwrap_or_default();
        let mut response = HttpResponse::build(status);
        response.insert_header(("pragma", "no-cache"));
        if self.challenge {
            response.insert_header(("www-authenticate", "Basic realm=\"simpul\""));
        }
        if self.status == 503 {
            response.insert_header(("retry-after", "1"));
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
            return Self { status: 503, ..refusal };
        }
        Self { status: 500, ..Self::new("server_error", "something went wrong on our side") }
    }
}

impl From<diesel::result::Error> for Refusal {
    fn from(error: diesel::result::Error) -> Self {
        ApiError::from(error).into()
    }
}

/// Get an access token
///
/// Client credentials (RFC 6749, section 4.4). The client proves itself by a JWT of its own key (`private_key_jwt`, RFC 7523) or by its secret
/// (`client_secret_basic`). The token lives 15 minutes; ask again before it ends.
#[utoipa::path(tag = "identity", security(("client" = []), ()), request_body(content = TokenRequest, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, body = TokenAnswer, description = "A token."), (status = 400, body = OAuthProblem, description = "The request is wrong."),
        (status = 401, body = OAuthProblem, description = "The client did not prove itself."), (status = 500, body = OAuthProblem, description = "A fault of ours."),
        (status = 503, body = OAuthProblem, description = "Try again shortly.")))]
#[post("/oauth/token")]
pub async fn issue_token(
    req: HttpRequest,
    payload: Payload,
    app: Shared,
    gate: GateArg,
    db: Db,
    recorder: Recorder,
) -> HttpResponse {
    match grant(&req, payload, &app.0, &gate.0, &db).await {
        Ok(token) => HttpResponse::Ok().insert_header(("pragma", "no-cache")).json(token),
        Err(refusal) => {
            if let Some(who) = refusal.who {
                req.extensions_mut().insert(who);
                let request = req.extensions().get::<RequestInfo>().map(|info| info.id).unwrap_or_default();
                let event = Event::new("token.issue", request, app.clock.new_id(), app.clock.now());
                let event = event.client(who.agency, who.client).outcome(Outcome::Denied).detail(refusal.error);
                // The answer is a refusal either way; an unrecorded one shows in the log as a failed commit.
                let _ = recorder.record_refusal(who, event).await;
            }
            refusal.answer()
        }
    }
}

/// The gate as an argument of a handler.
pub struct GateArg(Arc<Gate>);

impl actix_web::FromRequest for GateArg {
    type Error = ApiError;
    type Future = std::future::Ready<ApiResult<Self>>;

    fn from_request(req: &HttpRequest, _: &mut actix_web::dev::Payload) -> Self::Future {
        let gate = req.app_data::<Arc<Gate>>().cloned();
        std::future::ready(gate.map(Self).ok_or_else(|| ApiError::internal("no gate registered")))
    }
}

async fn grant(
    req: &HttpRequest,
    payload: Payload,
    app: &Arc<App>,
    gate: &Arc<Gate>,
    db: &Db,
) -> Result<TokenAnswer, Refusal> {
    let form = Form::read(req, payload).await?;
    let proof = Proof::of(req, &form)?;
    let now = app.clock.now();
    let challenge = matches!(proof, Proof::Secret { .. });
    let state = gate.directory.find(db, proof.client()).await?.filter(|state| state.active);
    let state = state.ok_or_else(|| Refusal { challenge, ..Refusal::new("invalid_client", FAILED) })?;
    let used = proof.check(&state, app, gate, db, now).await;
    let used = used.map_err(|refusal| Refusal { challenge, ..refusal }.of(&state))?;
    if state.expires_at.is_some_and(|end| now >= end) {
        return Err(Refusal::new("invalid_client", "the client has expired").of(&state));
    }
    form.check_grant(&state).map_err(|refusal| refusal.of(&state))?;
    let acting_user = form.acting_user().map_err(|refusal| refusal.of(&state))?;
    let scopes = form.scopes(&state).map_err(|refusal| refusal.of(&state))?;
    let claims = Claims {
        iss: gate.signer.issuer().to_owned(),
        sub: state.client_id,
        aud: gate.signer.issuer().to_owned(),
        client_id: state.client_id,
        exp: (now + LIFETIME).timestamp(),
        iat: now.timestamp(),
        jti: app.clock.new_id(),
        scope: scopes.to_string(),
        agency_id: state.agency_id,
        epoch: state.token_epoch,
        acting_user,
        volunteer_id: state.volunteer_id,
    };
    let who = Identity { agency: state.agency_id.0, client: state.client_id.0 };
    req.extensions_mut().insert(who);
    let request = req.extensions().get::<RequestInfo>().map(|info| info.id).unwrap_or_default();
    record_issue(db, app, request, &claims, who, used).await?;
    let access_token =
        gate.signer.sign(&claims).map_err(|_| Refusal::from(ApiError::internal("token cannot be signed")))?;
    Ok(TokenAnswer { access_token, token_type: "Bearer", expires_in: LIFETIME.num_seconds(), scope: claims.scope })
}

/// An assertion that is good, to be used up in the transaction that records the token.
#[derive(Clone)]
struct Assertion {
    jti_hash: Vec<u8>,
    expires_at: DateTime<Utc>,
}

async fn record_issue(
    db: &Db,
    app: &Arc<App>,
    request: Uuid,
    claims: &Claims,
    who: Identity,
    assertion: Option<Assertion>,
) -> Result<(), Refusal> {
    let (id, at, client) = (app.clock.new_id(), app.clock.now(), claims.sub);
    let user = claims.acting_user.as_ref().map(ActingUser::as_str);
    let event = Event::new("token.issue", request, id, at)
        .client(who.agency, who.client)
        .acting(user)
        .subject("token", claims.jti);
    let fresh = db
        .write(async move |c| {
            if let Some(one) = &assertion
                && !store::use_assertion(c, client, &one.jti_hash, one.expires_at).await?
            {
                return Ok(false);
            }
            audit::record(c, &event).await?;
            Ok(true)
        })
        .await?;
    if fresh {
        return Ok(());
    }
    let mut refusal = Refusal::new("invalid_client", "the assertion was used before");
    refusal.who = Some(who);
    Err(refusal)
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

    fn check_grant(&self, state: &AccessState) -> Result<(), Refusal> {
        if self.get("client_id").is_some_and(|id| id != state.client_id.to_string()) {
            return Err(Refusal::new("invalid_request", "client_id is not the client that authenticated"));
        }
        match self.get("grant_type") {
            Some("client_credentials") => Ok(()),
            Some(_) => Err(Refusal::new("unsupported_grant_type", "grant_type must be client_credentials")),
            None => Err(Refusal::new("invalid_request", "grant_type is missing")),
        }
    }

    fn acting_user(&self) -> Result<Option<ActingUser>, Refusal> {
        let user = self.get("acting_user").map(|raw| ActingUser::try_from(raw.to_owned())).transpose();
        user.map_err(|_| Refusal::new("invalid_request", "acting_user must be 1 to 64 letters, digits or . _ : -"))
    }

    fn scopes(&self, state: &AccessState) -> Result<Scopes, Refusal> {
        let held = state.scope_set();
        let wanted = self.get("scope").map_or(Some(held), Scopes::parse);
        wanted
            .filter(|wanted| wanted.within(held))
            .ok_or_else(|| Refusal::new("invalid_scope", "a scope is unknown or not the client's"))
    }
}

/// How the client proves itself: exactly one way.
enum Proof<'a> {
    Secret { client: ClientId, secret: String },
    Assertion { client: ClientId, jwt: Unverified<'a>, claims: AssertionClaims },
}

/// Claims of an assertion (RFC 7523, section 3). Others are the client's own business.
#[derive(Debug, Deserialize)]
struct AssertionClaims {
    iss: String,
    sub: String,
    aud: String,
    exp: i64,
    iat: Option<i64>,
    nbf: Option<i64>,
    jti: String,
}

impl<'a> Proof<'a> {
    fn of(req: &HttpRequest, form: &'a Form) -> Result<Self, Refusal> {
        let basic: Vec<_> = req.headers().get_all(AUTHORIZATION).collect();
        let assertion = form.get("client_assertion");
        if form.get("client_secret").is_some() {
            return Err(Refusal::new("invalid_request", "send the secret by HTTP Basic"));
        }
        match (basic.as_slice(), assertion) {
            ([value], None) => Self::basic(value.to_str().unwrap_or_default())
                .ok_or_else(|| Refusal { challenge: true, ..Refusal::new("invalid_client", FAILED) }),
            ([], Some(jwt)) if form.get("client_assertion_type") == Some(ASSERTION_TYPE) => Self::assertion(jwt),
            ([], Some(_)) => Err(Refusal::new("invalid_request", "client_assertion_type is missing or unknown")),
            ([], None) => Err(Refusal::new("invalid_client", "the client did not authenticate")),
            _ => Err(Refusal::new("invalid_request", "authenticate in one way only")),
        }
    }

    /// `client_secret_basic`: id and secret are form-encoded before they are joined (RFC 6749, section 2.3.1).
    fn basic(header: &str) -> Option<Self> {
        let (scheme, encoded) = header.split_once(' ')?;
        let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
        let (id, secret) = decoded.split_once(':')?;
        let plain = |part: &str| {
            // What stands behind an ampersand must be looked at too.
            let text = format!("v={}", part.replace('&', "%26"));
            url::form_urlencoded::parse(text.as_bytes()).next().map(|(_, value)| value.into_owned())
        };
        let client = Uuid::try_parse(&plain(id)?).ok().map(ClientId)?;
        let secret = plain(secret)?;
        scheme.eq_ignore_ascii_case("basic").then_some(Self::Secret { client, secret })
    }

    fn assertion(jwt: &'a str) -> Result<Self, Refusal> {
        let invalid = |_| Refusal::new("invalid_client", "the assertion is not valid");
        let jwt = Unverified::parse(jwt).map_err(invalid)?;
        // An access token is not an assertion.
        if jwt.typ().is_some_and(|typ| !typ.eq_ignore_ascii_case("jwt") && typ != "client-authentication+jwt") {
            return Err(Refusal::new("invalid_client", "the assertion is of another type"));
        }
        let claims: AssertionClaims = jwt.peek().map_err(invalid)?;
        if claims.iss != claims.sub {
            return Err(Refusal::new("invalid_client", "iss and sub must be the client id"));
        }
        let client = Uuid::try_parse(&claims.sub).map(ClientId);
        let client = client.map_err(|_| Refusal::new("invalid_client", "iss and sub must be the client id"))?;
        Ok(Self::Assertion { client, jwt, claims })
    }

    fn client(&self) -> ClientId {
        match self {
            Self::Secret { client, .. } | Self::Assertion { client, .. } => *client,
        }
    }

    async fn check(
        &self,
        state: &AccessState,
        app: &App,
        gate: &Gate,
        db: &Db,
        now: DateTime<Utc>,
    ) -> Result<Option<Assertion>, Refusal> {
        let client = state.client_id;
        match self {
            Self::Secret { secret, .. } => {
                let hash = crypto::sha256(secret.as_bytes());
                let known = db.read(async |c| store::secrets(c, client, now).await).await?;
                let mut matches = false;
                for stored in &known {
                    matches |= crypto::same(stored, &hash);
                }
                if matches { Ok(None) } else { Err(Refusal::new("invalid_client", FAILED)) }
            }
            Self::Assertion { jwt, claims, .. } => {
                let keys = db.read(async |c| store::keys(c, client).await).await?;
                let good =
                    keys.iter().filter(|(kid, _)| jwt.kid().is_none_or(|wanted| wanted == kid)).any(|(_, jwk)| {
                        let key = serde_json::from_value(jwk.clone()).ok().and_then(|jwk| VerifyingKey::from_jwk(&jwk));
                        key.is_some_and(|key| jwt.verify::<AssertionClaims>(&key).is_ok())
                    });
                if !good {
                    return Err(Refusal::new("invalid_client", FAILED));
                }
                claims.check(client, gate.signer.issuer(), &token_endpoint(app), now).map(Some)
            }
        }
    }
}

impl AssertionClaims {
    fn check(&self, client: ClientId, issuer: &str, endpoint: &str, now: DateTime<Utc>) -> Result<Assertion, Refusal> {
        let invalid = |why| Err(Refusal::new("invalid_client", why));
        if self.aud != issuer && self.aud != endpoint {
            return invalid("aud must be the issuer or the token endpoint");
        }
        let Some(expires_at) = DateTime::from_timestamp(self.exp, 0) else { return invalid("exp is out of range") };
        if expires_at <= now {
            return invalid("the assertion has expired; compare your clock with the Date header");
        }
        if expires_at > now + ASSERTION_LIFETIME {
            return invalid("exp is more than 65 minutes ahead; compare your clock with the Date header");
        }
        let latest = (now + CLOCK_SKEW).timestamp();
        if self.iat.is_some_and(|iat| iat > latest) || self.nbf.is_some_and(|nbf| nbf > latest) {
            return invalid("the assertion is not valid yet; compare your clock with the Date header");
        }
        if !(1..=256).contains(&self.jti.len()) {
            return invalid("jti must have 1 to 256 characters");
        }
        let jti_hash = crypto::sha256(format!("{client}:{}", self.jti).as_bytes());
        Ok(Assertion { jti_hash, expires_at })
    }
}

fn token_endpoint(app: &App) -> String {
    format!("{}/oauth/token", app.settings.public_url)
}

/// Public keys (RFC 7517).
#[derive(Debug, Serialize, ToSchema)]
pub struct KeySet {
    /// JWKs, each with `kid`.
    #[schema(value_type = Vec<Object>)]
    keys: serde_json::Value,
}

/// Read the public keys
///
/// Whoever receives a token can check it with these.
#[utoipa::path(tag = "identity", responses((status = 200, body = KeySet, description = "The keys.")))]
#[get("/.well-known/jwks.json")]
pub async fn read_keys(gate: GateArg) -> HttpResponse {
    let keys = gate.0.signer.jwks().get("keys").cloned().unwrap_or_default();
    HttpResponse::Ok().insert_header(("cache-control", "public, max-age=300")).json(KeySet { keys })
}

/// Metadata of the authorization server (RFC 8414).
#[derive(Debug, Serialize, ToSchema)]
pub struct Metadata {
    issuer: String,
    token_endpoint: String,
    jwks_uri: String,
    grant_types_supported: [&'static str; 1],
    response_types_supported: [&'static str; 1],
    token_endpoint_auth_methods_supported: [&'static str; 2],
    token_endpoint_auth_signing_alg_values_supported: [&'static str; 2],
    scopes_supported: Vec<Scope>,
    service_documentation: String,
}

/// Read the metadata
///
/// Where tokens are issued and how a client may prove itself (RFC 8414).
#[utoipa::path(tag = "identity", responses((status = 200, body = Metadata, description = "The metadata.")))]
#[get("/.well-known/oauth-authorization-server")]
pub async fn read_metadata(app: Shared) -> Json<Metadata> {
    let base = &app.settings.public_url;
    Json(Metadata {
        issuer: app.settings.issuer.clone(),
        token_endpoint: token_endpoint(&app),
        jwks_uri: format!("{base}/.well-known/jwks.json"),
        grant_types_supported: ["client_credentials"],
        // The RFC asks for the member and forbids an empty list.
        response_types_supported: ["none"],
        token_endpoint_auth_methods_supported: ["private_key_jwt", "client_secret_basic"],
        token_endpoint_auth_signing_alg_values_supported: ["EdDSA", "ES256"],
        scopes_supported: Scope::ALL.to_vec(),
        service_documentation: format!("{base}/docs"),
    })
}

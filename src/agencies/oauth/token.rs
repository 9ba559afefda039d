//! The token endpoint (RFC 6749, section 4.4).
use super::proof::{Assertion, Proof};
use super::{FAILED, Form, GateArg, OAuthProblem, Refusal};
use crate::access::api::Gate;
use crate::access::rules::{ADDRESS_NOT_ALLOWED, ActingUser, Scopes};
use crate::access::store::AccessState;
use crate::access::tokens::{Claims, LIFETIME};
use crate::agencies::clients::store;
use crate::audit::rules::{Event, Outcome};
use crate::audit::store::{self as audit, Recorder};
use crate::platform::app::{App, Shared};
use crate::platform::clock::Clock;
use crate::platform::db::Db;
use crate::platform::error::ApiError;
use crate::platform::http::{Identity, RequestInfo};
use actix_web::web::Payload;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, post};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;
use uuid::Uuid;

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
                let event = event.client(who.agency, who.client).outcome(Outcome::Denied).detail(refusal.detail);
                // The answer is a refusal either way; an unrecorded one shows in the log as a failed commit.
                let _ = recorder.record_refusal(who, event).await;
            }
            refusal.answer()
        }
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
    let address = req.extensions().get::<RequestInfo>().and_then(|info| info.address);
    if !state.may_call_from(address) {
        let refusal = Refusal::new("invalid_client", "the client may not call from this address");
        return Err(Refusal { detail: ADDRESS_NOT_ALLOWED.code, ..refusal }.of(&state));
    }
    if state.expires_at.is_some_and(|end| now >= end) {
        return Err(Refusal::new("invalid_client", "the client has expired").of(&state));
    }
    form.check_grant(&state).map_err(|refusal| refusal.of(&state))?;
    let acting_user = form.acting_user().map_err(|refusal| refusal.of(&state))?;
    let scopes = form.scopes(&state).map_err(|refusal| refusal.of(&state))?;
    let claims = claims(gate.signer.issuer(), &app.clock, &state, scopes, acting_user);
    let who = Identity { agency: state.agency_id.0, client: state.client_id.0 };
    req.extensions_mut().insert(who);
    let request = req.extensions().get::<RequestInfo>().map(|info| info.id).unwrap_or_default();
    record_issue(db, app, request, &claims, who, used).await?;
    let access_token =
        gate.signer.sign(&claims).map_err(|_| Refusal::from(ApiError::internal("token cannot be signed")))?;
    Ok(TokenAnswer { access_token, token_type: "Bearer", expires_in: LIFETIME.num_seconds(), scope: claims.scope })
}

/// What a token for this client says.
pub fn claims(
    issuer: &str,
    clock: &Clock,
    state: &AccessState,
    scopes: Scopes,
    acting_user: Option<ActingUser>,
) -> Claims {
    let now = clock.now();
    Claims {
        iss: issuer.to_owned(),
        sub: state.client_id,
        aud: issuer.to_owned(),
        client_id: state.client_id,
        exp: (now + LIFETIME).timestamp(),
        iat: now.timestamp(),
        jti: clock.new_id(),
        scope: scopes.to_string(),
        agency_id: state.agency_id,
        epoch: state.token_epoch,
        acting_user,
        volunteer_id: state.volunteer_id,
    }
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

/// What a request for a token may say beside who asks.
impl Form {
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

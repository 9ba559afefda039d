//! The token endpoint (RFC 6749, section 4.4).
use super::proof::Proven;
use super::{Form, GateArg, OAuthProblem, Refusal, request_of};
use crate::access::rules::{ActingUser, Scopes};
use crate::access::store::AccessState;
use crate::access::tokens::{Claims, LIFETIME};
use crate::audit::rules::Event;
use crate::audit::store::{self as audit, Recorder};
use crate::platform::app::{App, Shared};
use crate::platform::clock::Clock;
use crate::platform::db::{Conn, Db};
use crate::platform::error::ApiError;
use crate::platform::http::Identity;
use actix_web::web::Payload;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, post};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

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
        (status = 401, body = OAuthProblem, description = "The client did not prove itself."), (status = 429, body = OAuthProblem, description = "Too many requests of this client, or too many attempts from this address."), (status = 500, body = OAuthProblem, description = "A fault of ours."),
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
    match grant(&req, payload, &app.0, &gate, &db).await {
        Ok(token) => HttpResponse::Ok().insert_header(("pragma", "no-cache")).json(token),
        Err(refusal) => refusal.recorded(&req, &app, &recorder, "token.issue").await,
    }
}

async fn grant(
    req: &HttpRequest,
    payload: Payload,
    app: &Arc<App>,
    gate: &GateArg,
    db: &Db,
) -> Result<TokenAnswer, Refusal> {
    let form = Form::read(req, payload).await?;
    let client = Proven::of(req, &form, app, gate, db).await?;
    let state = &client.state;
    form.check_grant(state).map_err(|refusal| client.refuse(refusal))?;
    let acting_user = form.acting_user().map_err(|refusal| client.refuse(refusal))?;
    let scopes = form.scopes(state).map_err(|refusal| client.refuse(refusal))?;
    let signer = &gate.0.signer;
    let claims = claims(signer.issuer(), &app.clock, state, scopes, acting_user);
    let who = Identity { agency: state.agency_id.0, client: state.client_id.0 };
    req.extensions_mut().insert(who);
    let user = claims.acting_user.as_ref().map(ActingUser::as_str);
    let event = Event::new("token.issue", request_of(req), app.clock.new_id(), app.clock.now())
        .client(who.agency, who.client)
        .acting(user)
        .subject("token", claims.jti);
    let proven = client.clone();
    let issue = async move |c: &mut Conn| {
        let fresh = proven.use_up(c).await?;
        if fresh {
            audit::record(c, &event).await?;
        }
        Ok(fresh)
    };
    client.check_fresh(db.write(issue).await?)?;
    let access_token = signer.sign(&claims).map_err(|_| Refusal::from(ApiError::internal("token cannot be signed")))?;
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

/// What a request for a token may say beside who asks.
impl Form {
    fn check_grant(&self, state: &AccessState) -> Result<(), Refusal> {
        self.check_client(state.client_id)?;
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

//! What becomes of a token after it was issued: its client gives it up (RFC 7009), or asks what it is still good for
//! (RFC 7662). Both only of tokens of its own.
use super::proof::Proven;
use super::{Form, GateArg, OAuthProblem, Refusal, request_of};
use crate::access::api::still_good;
use crate::access::rules::{ActingUser, AgencyId, ClientId, OUTLIVED, VolunteerId};
use crate::access::store::{self as access, Standing};
use crate::access::tokens::{Claims, LEEWAY, LIFETIME};
use crate::audit::rules::Event;
use crate::audit::store::{self as audit, Recorder};
use crate::platform::app::{App, Shared};
use crate::platform::db::{Conn, Db};
use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse, post};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;
use uuid::Uuid;

/// A token beside the proof of who asks, as at the token endpoint.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[expect(dead_code, reason = "documents what `Form` reads")]
pub struct TokenForm {
    /// An access token of this client.
    token: String,
    /// Not looked at: there is one kind of token.
    token_type_hint: Option<String>,
    /// `urn:ietf:params:oauth:client-assertion-type:jwt-bearer`.
    client_assertion_type: Option<String>,
    /// As at the token endpoint, with the issuer or the token endpoint as `aud`.
    client_assertion: Option<String>,
    /// The client id, if sent, must be the one that authenticates.
    client_id: Option<String>,
}

/// Nothing more is to be said: `{}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct Revoked {}

/// Revoke an access token
///
/// When a user signs out, or a token may have been seen by others (RFC 7009). It is refused on every node within a second, and what
/// was begun with it, an export or a link, ends. A token that is none, or that ended more than an hour ago, needs no revocation:
/// 200. `POST /v1/clients/{id}/revoke-tokens` revokes all of a
/// client's tokens.
#[utoipa::path(tag = "identity", security(("client" = []), ()), request_body(content = TokenForm, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, body = Revoked, description = "It is no token of this client any more."), (status = 400, body = OAuthProblem, description = "The request is wrong, or the token is another client's (`unauthorized_client`)."),
        (status = 401, body = OAuthProblem, description = "The client did not prove itself."), (status = 429, body = OAuthProblem, description = "Too many requests of this client, or too many attempts from this address."),
        (status = 500, body = OAuthProblem, description = "A fault of ours."), (status = 503, body = OAuthProblem, description = "Try again shortly.")))]
#[post("/oauth/revoke")]
pub async fn revoke_token(
    req: HttpRequest,
    payload: Payload,
    app: Shared,
    gate: GateArg,
    db: Db,
    recorder: Recorder,
) -> HttpResponse {
    match revoke(&req, payload, &app.0, &gate, &db).await {
        Ok(()) => HttpResponse::Ok().insert_header(("pragma", "no-cache")).json(Revoked {}),
        Err(refusal) => refusal.recorded(&req, &app, &recorder, "token.revoke").await,
    }
}

async fn revoke(req: &HttpRequest, payload: Payload, app: &Arc<App>, gate: &GateArg, db: &Db) -> Result<(), Refusal> {
    let form = Form::read(req, payload).await?;
    let client = Proven::of(req, &form, app, gate, db).await?;
    let sent = form.token(&client)?;
    let now = app.clock.now();
    // What was begun with it may go on. And another node's clock may be behind.
    let claims = gate.0.signer.verify_ended(sent, now, OUTLIVED + LEEWAY).ok();
    if claims.as_ref().is_some_and(|claims| claims.sub != client.state.client_id) {
        return Err(client.refuse(Refusal::new("unauthorized_client", "the token is not this client's")));
    }
    let event = Event::new("token.revoke", request_of(req), app.clock.new_id(), now)
        .client(client.state.agency_id.0, client.state.client_id.0);
    let proven = client.clone();
    let give_up = async move |c: &mut Conn| {
        let fresh = proven.use_up(c).await?;
        if let Some(claims) = claims.filter(|_| fresh) {
            let ends = claims.expires_at().unwrap_or(now + LIFETIME);
            if access::revoke(c, claims.jti, claims.sub, ends).await? {
                let user = claims.acting_user.as_ref().map(ActingUser::as_str);
                audit::record(c, &event.acting(user).subject("token", claims.jti)).await?;
            }
        }
        Ok(fresh)
    };
    client.check_fresh(db.write(give_up).await?)
}

/// What a token is good for (RFC 7662, section 2.2).
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct Introspection {
    /// Whether it is a token of this client that would be let in right now. If not, nothing else is told.
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "https://simpul.example")]
    iss: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<ClientId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "https://simpul.example")]
    aud: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<ClientId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Bearer")]
    token_type: Option<&'static str>,
    /// What it may do right now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "statistics:read")]
    scope: Option<String>,
    /// Seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 1_795_600_900)]
    exp: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 1_795_600_000)]
    iat: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agency_id: Option<AgencyId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "staf-0017")]
    acting_user: Option<ActingUser>,
    #[serde(skip_serializing_if = "Option::is_none")]
    volunteer_id: Option<VolunteerId>,
}

impl Introspection {
    fn of(claims: &Claims, state: &Standing) -> Self {
        Self {
            active: true,
            iss: Some(claims.iss.clone()),
            sub: Some(claims.sub),
            aud: Some(claims.aud.clone()),
            client_id: Some(claims.client_id),
            token_type: Some("Bearer"),
            scope: Some(claims.scopes().unwrap_or_default().and(state.scope_set()).to_string()),
            exp: Some(claims.exp),
            iat: Some(claims.iat),
            jti: Some(claims.jti),
            agency_id: Some(claims.agency_id),
            acting_user: claims.acting_user.clone(),
            volunteer_id: claims.volunteer_id,
        }
    }
}

/// What is a token good for?
///
/// Of the client's own tokens alone (RFC 7662): anybody else's, one that was revoked, and one that is none are told apart by
/// nobody.
#[utoipa::path(tag = "identity", security(("client" = []), ()), request_body(content = TokenForm, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, body = Introspection, description = "What it is good for."), (status = 400, body = OAuthProblem, description = "The request is wrong."),
        (status = 401, body = OAuthProblem, description = "The client did not prove itself."), (status = 429, body = OAuthProblem, description = "Too many requests of this client, or too many attempts from this address."),
        (status = 500, body = OAuthProblem, description = "A fault of ours."), (status = 503, body = OAuthProblem, description = "Try again shortly.")))]
#[post("/oauth/introspect")]
pub async fn introspect_token(
    req: HttpRequest,
    payload: Payload,
    app: Shared,
    gate: GateArg,
    db: Db,
    recorder: Recorder,
) -> HttpResponse {
    match introspect(&req, payload, &app.0, &gate, &db).await {
        Ok(told) => HttpResponse::Ok().insert_header(("pragma", "no-cache")).json(told),
        Err(refusal) => refusal.recorded(&req, &app, &recorder, "token.introspect").await,
    }
}

async fn introspect(
    req: &HttpRequest,
    payload: Payload,
    app: &Arc<App>,
    gate: &GateArg,
    db: &Db,
) -> Result<Introspection, Refusal> {
    let form = Form::read(req, payload).await?;
    let client = Proven::of(req, &form, app, gate, db).await?;
    let sent = form.token(&client)?;
    let proven = client.clone();
    client.check_fresh(db.write(async move |c| proven.use_up(c).await).await?)?;
    let (now, state) = (app.clock.now(), &client.state);
    let own = |claims: &Arc<Claims>| claims.sub == state.client_id && still_good(state, claims, now);
    let claims = gate.0.signer.verify(sent, now).ok().filter(own);
    Ok(claims.map(|claims| Introspection::of(&claims, state)).unwrap_or_default())
}

impl Form {
    fn token(&self, client: &Proven) -> Result<&str, Refusal> {
        self.check_client(client.state.client_id).map_err(|refusal| client.refuse(refusal))?;
        let missing = || client.refuse(Refusal::new("invalid_request", "token is missing"));
        self.get("token").ok_or_else(missing)
    }
}

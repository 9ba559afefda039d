//! How a client proves itself: its keys, its secret; and refusing every token of its at once.
use super::api::{ClientView, check_version, note, shown};
use super::create::checked;
use super::rules::{KEY_EXISTS, MOST_KEYS, OWN_CLIENT, Overlap, PHONE_KEEPS_ITS_KEY, TOO_MANY_KEYS};
use super::store::{self, Client, ClientKey};
use crate::access::api::Permit;
use crate::access::rules::{ClientId, ClientKind, ManageClients, ReadClients};
use crate::platform::answer::Answer;
use crate::platform::app::Shared;
use crate::platform::clock::Clock;
use crate::platform::crypto;
use crate::platform::db::{Conn, Db};
use crate::platform::error::{ApiError, ApiResult, Problem};
use crate::platform::idempotency::Attempt;
use crate::platform::input::{IfMatch, Keyed, NoBody, PathId};
use crate::platform::jwk::{Kid, PublicJwk, PublicKey, thumbprint};
use crate::platform::openapi::{IdempotencyHeader, IfMatchHeader};
use crate::platform::page::{NoFilter, Page, PageParams, Paged};
use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, delete, get, post};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::future::{Ready, ready};
use utoipa::ToSchema;

/// A registered public key.
#[derive(Debug, Serialize, ToSchema)]
pub struct ClientKeyView {
    client_id: ClientId,
    /// Names it in the header of an assertion.
    #[schema(value_type = Kid)]
    kid: String,
    /// RFC 7638, SHA-256: compare it with your own, so that you know which key it is.
    #[schema(example = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")]
    thumbprint: String,
    /// `EdDSA` (Ed25519) or `ES256` (P-256).
    #[schema(example = "EdDSA")]
    alg: &'static str,
    created_at: DateTime<Utc>,
}

impl ClientKeyView {
    fn of(client: ClientId, key: ClientKey) -> Self {
        let elliptic = key.jwk.get("crv").and_then(|curve| curve.as_str()) == Some("P-256");
        Self {
            client_id: client,
            thumbprint: thumbprint(&key.jwk),
            kid: key.kid,
            alg: if elliptic { "ES256" } else { "EdDSA" },
            created_at: key.created_at,
        }
    }
}

/// `…/keys/{kid}`; a name that no key can have is one that none has.
#[derive(Debug)]
pub struct PathKid(String);

impl FromRequest for PathKid {
    type Error = ApiError;
    type Future = Ready<ApiResult<Self>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let kid = req.match_info().get("kid").and_then(|raw| Kid::try_from(raw.to_owned()).ok());
        ready(Ok(Self(kid.map(|kid| kid.as_str().to_owned()).unwrap_or_default())))
    }
}

/// List the keys of a client
///
/// In the order of their names; those that were removed are not shown.
#[utoipa::path(tag = "agencies", security(("oauth2" = ["clients:manage"])), params(("id" = ClientId, Path, description = "Id of the client."), PageParams),
    responses((status = 200, body = Page<ClientKeyView>, description = "A page of keys.")))]
#[get("/v1/clients/{id}/keys")]
pub async fn list_client_keys(
    caller: Permit<ReadClients>,
    id: PathId<ClientId>,
    paged: Paged<NoFilter>,
    db: Db,
) -> ApiResult<Answer> {
    let (after, limit, caller): (Option<String>, _, _) = (paged.after()?, paged.limit + 1, &*caller);
    let client = db.read(async |c| store::find(c, caller, id.0).await).await?.id;
    let keys = db.read(async |c| store::list_keys(c, client, after, limit).await).await?;
    let (keys, after) = paged.cut(keys, |key| key.kid.clone());
    paged.answer(keys.into_iter().map(|key| ClientKeyView::of(client, key)).collect(), after, None)
}

/// Read a key
#[utoipa::path(tag = "agencies", security(("oauth2" = ["clients:manage"])),
    params(("id" = ClientId, Path, description = "Id of the client."), ("kid" = Kid, Path, description = "Name of the key.")),
    responses((status = 200, body = ClientKeyView, description = "The key.")))]
#[get("/v1/clients/{id}/keys/{kid}")]
pub async fn read_client_key(
    caller: Permit<ReadClients>,
    id: PathId<ClientId>,
    kid: PathKid,
    db: Db,
) -> ApiResult<Answer> {
    let caller = &*caller;
    let client = db.read(async |c| store::find(c, caller, id.0).await).await?.id;
    let key = db.read(async |c| store::find_key(c, client, &kid.0).await).await?;
    Answer::ok(&ClientKeyView::of(client, key))
}

/// Register a key
///
/// A JWK of Ed25519 or P-256, the public half alone. Without `kid` its name is its thumbprint. Register the next key before
/// the old one is removed, and both are good meanwhile.
#[utoipa::path(tag = "agencies", security(("oauth2" = ["clients:manage"])), params(("id" = ClientId, Path, description = "Id of the client."), IdempotencyHeader), request_body = PublicJwk,
    responses((status = 201, body = ClientKeyView, description = "Registered.")))]
#[post("/v1/clients/{id}/keys")]
pub async fn create_client_key(
    permit: Permit<ManageClients>,
    id: PathId<ClientId>,
    new: Keyed<PublicJwk>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let (caller, app) = (permit.caller(), app.0);
    db.write(async move |c| {
        let ticket = match new.key.begin(c, &app, caller.identity()).await? {
            Attempt::Replay(replay) => return Ok(replay.answer),
            Attempt::Fresh(ticket) => ticket,
        };
        let client = store::lock(c, &caller, id.0).await?;
        let (client, key) = add_key(c, &app.clock, &client, &new.body).await?;
        note(c, &app, &caller, client.id, "client_key.create", None).await?;
        let location = format!("{}/v1/clients/{}/keys/{}", app.settings.public_url, client.id, key.kid);
        let key = ClientKey { kid: key.kid, jwk: key.jwk, created_at: client.updated_at };
        let view = ClientKeyView::of(client.id, key);
        ticket.keep(c, Answer::created(&view, client.version, location)?, &[client.id.0]).await
    })
    .await
}

/// Registers a key of a client that is locked, and raises the client's version.
pub async fn add_key(
    conn: &mut Conn,
    clock: &Clock,
    client: &Client,
    sent: &PublicJwk,
) -> ApiResult<(Client, PublicKey)> {
    refuse_phone(client)?;
    let (key, now) = (checked(sent, "")?, clock.now());
    if store::count_keys(conn, client.id).await? >= MOST_KEYS {
        return Err(ApiError::from(&TOO_MANY_KEYS).member("most", MOST_KEYS));
    }
    let added = store::add_key(conn, clock.new_id(), client.id, &key, now).await.map_err(ApiError::from);
    added.map_err(|error| {
        let error = error.on_constraint("client_keys_by_kid", || ApiError::from(&KEY_EXISTS));
        error.on_constraint("client_keys_by_point", || ApiError::from(&KEY_EXISTS))
    })?;
    Ok((store::save_client(conn, client, now).await?, key))
}

/// Whoever could add a key or a secret to a phone could act as its volunteer, who would not notice.
fn refuse_phone(client: &Client) -> ApiResult<()> {
    if client.kind == ClientKind::Phone { Err(ApiError::from(&PHONE_KEEPS_ITS_KEY)) } else { Ok(()) }
}

/// Remove a key
///
/// No token is issued on it any more; those that were live out their 15 minutes, unless you revoke the client's tokens.
#[utoipa::path(tag = "agencies", security(("oauth2" = ["clients:manage"])),
    params(("id" = ClientId, Path, description = "Id of the client."), ("kid" = Kid, Path, description = "Name of the key."), IfMatchHeader),
    responses((status = 200, body = ClientView, description = "Removed: the client as it is now."),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "The last that your own client has to prove itself by (`own_client`).")))]
#[delete("/v1/clients/{id}/keys/{kid}")]
pub async fn delete_client_key(
    permit: Permit<ManageClients>,
    id: PathId<ClientId>,
    kid: PathKid,
    version: IfMatch,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let (caller, app) = (permit.caller(), app.0);
    db.write(async move |c| {
        let (client, now) = (store::lock(c, &caller, id.0).await?, app.clock.now());
        store::remove_key(c, client.id, &kid.0, now).await?;
        check_version(&client, version)?;
        let left = store::count_keys(c, client.id).await? > 0
            || !store::living_secrets(&mut &*c, client.id, now).await?.is_empty();
        if client.id == caller.client && !left {
            return Err(ApiError::from(&OWN_CLIENT));
        }
        let client = store::save_client(c, &client, now).await?;
        note(c, &app, &caller, client.id, "client_key.delete", None).await?;
        shown(client)
    })
    .await
}

/// A new secret.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretRotation {
    /// For so long the secret in use is good beside the new one.
    #[serde(default)]
    overlap_hours: Overlap,
}

/// Rotate the secret of a client
///
/// The answer shows the new secret, this once. The one in use lives on for `overlap_hours`; one that was being replaced
/// already ends now, so that there are never more than two. A client that had none gets one.
#[utoipa::path(tag = "agencies", security(("oauth2" = ["clients:manage"])),
    params(("id" = ClientId, Path, description = "Id of the client."), IdempotencyHeader, IfMatchHeader), request_body = SecretRotation,
    responses((status = 200, body = ClientView, description = "The client with its new secret.")))]
#[post("/v1/clients/{id}/rotate-secret")]
pub async fn rotate_client_secret(
    permit: Permit<ManageClients>,
    id: PathId<ClientId>,
    version: IfMatch,
    keyed: Keyed<SecretRotation>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let (caller, app) = (permit.caller(), app.0);
    db.write(async move |c| {
        let ticket = match keyed.key.begin(c, &app, caller.identity()).await? {
            Attempt::Replay(replay) => return Ok(replay.answer),
            Attempt::Fresh(ticket) => ticket,
        };
        let (client, now) = (store::lock(c, &caller, id.0).await?, app.clock.now());
        refuse_phone(&client)?;
        check_version(&client, version)?;
        let secret = crypto::random_secret().map_err(ApiError::internal)?;
        store::end_secrets(c, client.id, now + keyed.body.overlap_hours.span()).await?;
        store::add_secret(c, app.clock.new_id(), client.id, &crypto::sha256(secret.as_bytes()), now).await?;
        let client = store::save_client(c, &client, now).await?;
        note(c, &app, &caller, client.id, "client_secret.rotate", None).await?;
        let (id, version) = (client.id.0, client.version);
        let view = ClientView::showing(client, Some(secret));
        ticket.keep_secret(c, Answer::row(&view, version)?, &[id]).await
    })
    .await
}

/// Revoke the tokens of a client
///
/// All that were issued until now are refused on every node within a second; it can ask for new ones at once.
#[utoipa::path(tag = "agencies", security(("oauth2" = ["clients:manage"])),
    params(("id" = ClientId, Path, description = "Id of the client."), IdempotencyHeader, IfMatchHeader), request_body = NoBody,
    responses((status = 200, body = ClientView, description = "Revoked.")))]
#[post("/v1/clients/{id}/revoke-tokens")]
pub async fn revoke_client_tokens(
    permit: Permit<ManageClients>,
    id: PathId<ClientId>,
    version: IfMatch,
    keyed: Keyed<NoBody>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let (caller, app) = (permit.caller(), app.0);
    db.write(async move |c| {
        let ticket = match keyed.key.begin(c, &app, caller.identity()).await? {
            Attempt::Replay(replay) => return Ok(replay.answer),
            Attempt::Fresh(ticket) => ticket,
        };
        let mut client = store::lock(c, &caller, id.0).await?;
        check_version(&client, version)?;
        client.token_epoch += 1;
        let client = store::save_client(c, &client, app.clock.now()).await?;
        note(c, &app, &caller, client.id, "client_tokens.revoke", None).await?;
        let id = client.id.0;
        ticket.keep(c, shown(client)?, &[id]).await
    })
    .await
}

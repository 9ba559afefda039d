//! Making a client: by its own agency, and the first one of an agency by the ministry.
use super::api::{ClientView, note, shown};
use super::rules::{CLIENTS_EXIST, NewClient, check_end, check_scopes};
use super::store::{self, Client};
use crate::access::api::Permit;
use crate::access::rules::{AdministerAgencies, AgencyId, ClientId, ClientKind, ManageClients, Scope, SharedCaller};
use crate::agencies::store as agencies;
use crate::platform::answer::Answer;
use crate::platform::app::{App, Shared};
use crate::platform::clock::Clock;
use crate::platform::crypto;
use crate::platform::db::{Conn, Db};
use crate::platform::error::{ApiError, ApiResult, Fault, ID_TAKEN};
use crate::platform::idempotency::Attempt;
use crate::platform::input::{Keyed, PathId};
use crate::platform::jwk::{PublicJwk, PublicKey};
use crate::platform::moment::Moment;
use crate::platform::network::Networks;
use crate::platform::openapi::IdempotencyHeader;
use crate::platform::text::Line;
use actix_web::post;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// A new client.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientDraft {
    /// Your own `UUIDv7`, so that a repeated create is known; made by the service if absent.
    id: Option<ClientId>,
    /// Not `phone`: a volunteer's phone registers itself.
    #[schema(example = "officer")]
    kind: ClientKind,
    /// For your own overview.
    #[schema(example = "Aplikasi Dinsos")]
    name: Line<200>,
    /// Recorded with every plain read of personal data.
    #[schema(example = "Pelayanan kesejahteraan sosial")]
    purpose: Line<200>,
    /// No more than the agency holds; a dashboard: `statistics:read` alone.
    #[schema(example = json!(["clients:manage"]))]
    scopes: Vec<Scope>,
    #[serde(default)]
    networks: Networks,
    /// It ends then.
    expires_at: Option<Moment>,
    /// Its public key. Without one the answer shows a secret, once.
    key: Option<PublicJwk>,
}

/// Register a client
///
/// Of your own agency. With `key` the client proves itself by that key; without, the answer shows a `secret`, this once: the
/// same request sent again gets 409 `secret_already_shown` with the client's `id`, and `rotate-secret` gives another.
#[utoipa::path(tag = "agencies", security(("oauth2" = ["clients:manage"])), params(IdempotencyHeader), request_body = ClientDraft,
    responses((status = 201, body = ClientView, description = "Registered."), (status = 200, body = ClientView, description = "It was registered by the same create.")))]
#[post("/v1/clients")]
pub async fn create_client(
    permit: Permit<ManageClients>,
    new: Keyed<ClientDraft>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let caller = permit.caller();
    let agency = caller.agency;
    make(Make { caller, app: app.0, agency, new, first: false }, db).await
}

/// Register an agency's first client
///
/// It must hold `clients:manage`, so that the agency can make its others itself. While the agency has such a client, this is
/// 409 `clients_exist`.
#[utoipa::path(tag = "agencies", security(("oauth2" = ["agencies:admin"])), params(("id" = AgencyId, Path, description = "Id of the agency."), IdempotencyHeader), request_body = ClientDraft,
    responses((status = 201, body = ClientView, description = "Registered."), (status = 200, body = ClientView, description = "It was registered by the same create.")))]
#[post("/v1/agencies/{id}/clients")]
pub async fn create_first_client(
    permit: Permit<AdministerAgencies>,
    id: PathId<AgencyId>,
    new: Keyed<ClientDraft>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    make(Make { caller: permit.caller(), app: app.0, agency: id.0, new, first: true }, db).await
}

#[derive(Clone)]
struct Make {
    caller: SharedCaller,
    app: Arc<App>,
    agency: AgencyId,
    new: Keyed<ClientDraft>,
    /// The agency cannot do it itself yet.
    first: bool,
}

async fn make(act: Make, db: Db) -> ApiResult<Answer> {
    db.write(async move |c| {
        let ticket = match act.new.key.begin(c, &act.app, act.caller.identity()).await? {
            Attempt::Replay(replay) => return Ok(replay.answer),
            Attempt::Fresh(ticket) => ticket,
        };
        let agency = agencies::lock(c, act.agency).await?;
        if let Some(same) = find_same(c, &act).await? {
            // The ministry sees of another agency's client what it sent, and not what became of it.
            if act.first && same.version > 1 {
                return Err(ApiError::from(&CLIENTS_EXIST));
            }
            let id = same.id.0;
            return ticket.keep(c, shown(same)?, &[id]).await;
        }
        if act.first && store::is_managed(c, agency.id, act.app.clock.now()).await? {
            return Err(ApiError::from(&CLIENTS_EXIST));
        }
        let (client, secret) = register(c, &act, &agency.scopes).await?;
        note(c, &act.app, &act.caller, client.id, "client.create", None).await?;
        let location = format!("{}/v1/clients/{}", act.app.settings.public_url, client.id);
        let (id, version, once) = (client.id.0, client.version, secret.is_some());
        let view = ClientView::showing(client, secret);
        let answer = Answer::created(&view, version, location)?;
        if once { ticket.keep_secret(c, answer, &[id]).await } else { ticket.keep(c, answer, &[id]).await }
    })
    .await
}

/// The row of the same create; an id of anything else is taken.
async fn find_same(conn: &mut Conn, act: &Make) -> ApiResult<Option<Client>> {
    use diesel::OptionalExtension;
    let Some(id) = act.new.body.id else { return Ok(None) };
    match store::find_any(conn, id).await.optional()? {
        None => Ok(None),
        Some(row)
            if row.agency_id == act.agency
                && row.created_by == Some(act.caller.client.0)
                && row.create_request.as_deref() == Some(act.new.key.body()) =>
        {
            Ok(Some(row))
        }
        Some(_) => Err(ApiError::from(&ID_TAKEN)),
    }
}

async fn register(conn: &mut Conn, act: &Make, granted: &[Scope]) -> ApiResult<(Client, Option<String>)> {
    let body = &act.new.body;
    if body.kind == ClientKind::Phone {
        let fault = Fault::new("phone_registers_itself", "ponsel mendaftar sendiri", "a phone registers itself");
        return Err(ApiError::rule("/kind", fault));
    }
    if act.first && !body.scopes.contains(&Scope::ClientsManage) {
        let fault = Fault::new("clients_manage_needed", "harus memuat clients:manage", "must hold clients:manage");
        return Err(ApiError::rule("/scopes", fault));
    }
    let key = body.key.as_ref().map(|key| checked(key, "/key")).transpose()?;
    let new = NewClient {
        id: body.id.unwrap_or_else(|| ClientId(act.app.clock.new_id())),
        agency: act.agency,
        kind: body.kind,
        name: body.name.clone(),
        purpose: body.purpose.clone(),
        scopes: body.scopes.clone(),
        networks: body.networks.0.clone(),
        expires_at: body.expires_at.map(Moment::at),
        volunteer: None,
        created_by: Some(act.caller.client),
        create_request: Some(act.new.key.body().to_vec()),
    };
    insert(conn, &act.app.clock, &new, key.as_ref(), granted).await
}

/// Inserts a client that is within its agency's scopes, with its key, or with a secret that is given back to be shown once.
pub async fn insert(
    conn: &mut Conn,
    clock: &Clock,
    new: &NewClient,
    key: Option<&PublicKey>,
    granted: &[Scope],
) -> ApiResult<(Client, Option<String>)> {
    let now = clock.now();
    check_scopes(new.kind, &new.scopes, granted)?;
    check_end(new.expires_at, now)?;
    let made = store::create_client(conn, new, now).await.map_err(ApiError::from);
    let client = made.map_err(|error| error.on_constraint("clients_pkey", || ApiError::from(&ID_TAKEN)))?;
    if let Some(key) = key {
        store::add_key(conn, clock.new_id(), client.id, key, now).await?;
        return Ok((client, None));
    }
    let secret = crypto::random_secret().map_err(ApiError::internal)?;
    store::add_secret(conn, clock.new_id(), client.id, &crypto::sha256(secret.as_bytes()), now).await?;
    Ok((client, Some(secret)))
}

/// A key that may be registered, or which member under `at` is wrong.
pub fn checked(key: &PublicJwk, at: &str) -> ApiResult<PublicKey> {
    key.check().map_err(|(member, fault)| ApiError::rule(&format!("{at}{member}"), fault))
}

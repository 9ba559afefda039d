//! Endpoints under `/v1/clients`: see, change, disable and enable.
use super::rules::{
    CLIENT_STATE_CONFLICT, ClientState, OWN_CLIENT, PHONE_STAYS_DISABLED, check_end, check_scopes, locks_out,
};
use super::store::{self, Client};
use crate::access::api::Permit;
use crate::access::rules::VolunteerId;
use crate::access::rules::{AgencyId, Caller, ClientId, ClientKind, ManageClients, ReadClients, Scope, SharedCaller};
use crate::agencies::store as agencies;
use crate::audit::{rules::Event, store as audit};
use crate::codes::{rules::Code, store as codes};
use crate::platform::answer::Answer;
use crate::platform::app::{App, Shared};
use crate::platform::db::{Conn, Db};
use crate::platform::error::{ApiError, ApiResult, Fault, STALE};
use crate::platform::idempotency::Attempt;
use crate::platform::input::{Body, IfMatch, Keyed, PathId, set, set_or_clear};
use crate::platform::moment::Moment;
use crate::platform::network::{Network, Networks};
use crate::platform::openapi::{IdempotencyHeader, IfMatchHeader};
use crate::platform::page::{Page, PageParams, Paged};
use crate::platform::text::Line;
use actix_web::{get, patch, post};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// A secret on its way to whom it belongs: shown once, in no log.
#[derive(Clone, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(example = "wK3bq1x9s2Yd0m6h4Rr8Jp5Vt7Zc-LfGnAeUoIiQyXk")]
pub struct ShownSecret(String);

impl ShownSecret {
    /// To be shown.
    pub fn new(secret: String) -> Self {
        Self(secret)
    }
}

impl std::fmt::Debug for ShownSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ShownSecret")
    }
}

/// A secret that a client may use now.
#[derive(Debug, Serialize, ToSchema)]
pub struct SecretView {
    created_at: DateTime<Utc>,
    /// Ends then, being replaced.
    #[schema(required)]
    expires_at: Option<DateTime<Utc>>,
}

/// A client: what an application proves itself as.
#[derive(Debug, Serialize, ToSchema)]
pub struct ClientView {
    id: ClientId,
    agency_id: AgencyId,
    kind: ClientKind,
    #[schema(example = "Aplikasi Dinsos")]
    name: String,
    /// Recorded with every plain read of personal data.
    #[schema(example = "Pelayanan kesejahteraan sosial")]
    purpose: String,
    /// What it may do at most; what its agency does not hold (any more) it cannot do.
    scopes: Vec<Scope>,
    /// From where it may ask for tokens and use them; empty: from everywhere.
    networks: Vec<Network>,
    /// It ends then.
    #[schema(required)]
    expires_at: Option<DateTime<Utc>>,
    /// Of a phone.
    #[schema(required)]
    volunteer_id: Option<VolunteerId>,
    state: ClientState,
    /// Code of the list `client-reasons`: why its state changed last.
    #[schema(required)]
    state_reason: Option<Code>,
    /// Shown this once: only its hash is stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<ShownSecret>,
    /// The secrets that it may use now, two while one replaces the other; only where one client is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    secrets: Option<Vec<SecretView>>,
    version: i32,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Client> for ClientView {
    fn from(client: Client) -> Self {
        Self {
            id: client.id,
            agency_id: client.agency_id,
            kind: client.kind,
            name: client.name,
            purpose: client.purpose,
            scopes: client.scopes,
            networks: client.networks,
            expires_at: client.expires_at,
            volunteer_id: client.volunteer_id,
            state: client.state,
            state_reason: client.state_reason,
            secret: None,
            secrets: None,
            version: client.version,
            created_at: client.created_at,
            updated_at: client.updated_at,
        }
    }
}

impl ClientView {
    /// With a secret that was made just now.
    pub(super) fn showing(client: Client, secret: Option<String>) -> Self {
        Self { secret: secret.map(ShownSecret), ..Self::from(client) }
    }
}

/// A row with its version.
pub(super) fn shown(client: Client) -> ApiResult<Answer> {
    let version = client.version;
    Answer::row(&ClientView::from(client), version)
}

/// Which clients.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ClientFilter {
    /// Only of this kind.
    #[param(inline)]
    kind: Option<ClientKind>,
    /// Only in this state.
    #[param(inline)]
    state: Option<ClientState>,
    /// Only phones of this volunteer.
    volunteer_id: Option<VolunteerId>,
}

/// List clients
///
/// Those of your own agency, phones of its volunteers included, in the order of registration.
#[utoipa::path(tag = "agencies", security(("oauth2" = ["clients:manage"])), params(ClientFilter, PageParams),
    responses((status = 200, body = Page<ClientView>, description = "A page of clients.")))]
#[get("/v1/clients")]
pub async fn list_clients(caller: Permit<ReadClients>, paged: Paged<ClientFilter>, db: Db) -> ApiResult<Answer> {
    let (filter, after): (_, Option<ClientId>) = (&paged.filter, paged.after()?);
    let (caller, limit) = (&*caller, paged.limit + 1);
    let wanted = store::Wanted { kind: filter.kind, state: filter.state, volunteer: filter.volunteer_id };
    let rows = db.read(async |c| store::list(c, caller, wanted, after, limit).await).await?;
    let (rows, after) = paged.cut(rows, |client| client.id);
    paged.answer(rows.into_iter().map(ClientView::from).collect(), after, None)
}

/// Read a client
///
/// With the secrets that it may use now: when each was made and ends, not what it is.
#[utoipa::path(tag = "agencies", security(("oauth2" = ["clients:manage"])), params(("id" = ClientId, Path, description = "Id of the client.")),
    responses((status = 200, body = ClientView, description = "The client.")))]
#[get("/v1/clients/{id}")]
pub async fn read_client(caller: Permit<ReadClients>, id: PathId<ClientId>, app: Shared, db: Db) -> ApiResult<Answer> {
    let (caller, now) = (&*caller, app.clock.now());
    let client = db.read(async |c| store::find(c, caller, id.0).await).await?;
    let secrets = db.read(async |c| store::living_secrets(c, id.0, now).await).await?;
    let secrets = secrets.into_iter().map(|(created_at, expires_at)| SecretView { created_at, expires_at });
    let (version, secrets) = (client.version, Some(secrets.collect()));
    Answer::row(&ClientView { secrets, ..ClientView::from(client) }, version)
}

/// A change of a client (RFC 7396): what is absent stays.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::option_option, reason = "absent, null and a value are three things")]
pub struct ClientPatch {
    #[serde(default, deserialize_with = "set")]
    #[schema(nullable = false, example = "Aplikasi Dinsos")]
    name: Option<Line<200>>,
    /// Recorded with every plain read of personal data.
    #[serde(default, deserialize_with = "set")]
    #[schema(nullable = false)]
    purpose: Option<Line<200>>,
    /// No more than your agency holds; what is taken away is refused within a second.
    #[serde(default, deserialize_with = "set")]
    #[schema(nullable = false)]
    scopes: Option<Vec<Scope>>,
    #[serde(default, deserialize_with = "set")]
    #[schema(nullable = false)]
    networks: Option<Networks>,
    /// It ends then; null: never.
    #[serde(default, deserialize_with = "set_or_clear")]
    #[schema(value_type = Option<Moment>, example = "2030-01-01T00:00:00+07:00")]
    expires_at: Option<Option<Moment>>,
}

/// Change a client
///
/// Its kind stays. You cannot take from your own client the right, the address or the time to go on managing clients (422
/// `own_client`).
#[utoipa::path(tag = "agencies", security(("oauth2" = ["clients:manage"])), params(("id" = ClientId, Path, description = "Id of the client."), IfMatchHeader),
    request_body(content = ClientPatch, content_type = "application/merge-patch+json"),
    responses((status = 200, body = ClientView, description = "Changed.")))]
#[patch("/v1/clients/{id}")]
pub async fn update_client(
    permit: Permit<ManageClients>,
    id: PathId<ClientId>,
    version: IfMatch,
    patch: Body<ClientPatch>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let (caller, app, patch) = (permit.caller(), app.0, patch.0);
    db.write(async move |c| {
        let mut client = store::lock(c, &caller, id.0).await?;
        check_version(&client, version)?;
        let agency = agencies::find(&mut &*c, caller.agency).await?;
        client.name = patch.name.map_or(client.name, |name| name.as_str().to_owned());
        client.purpose = patch.purpose.map_or(client.purpose, |purpose| purpose.as_str().to_owned());
        if let Some(scopes) = patch.scopes {
            check_scopes(client.kind, &scopes, &agency.scopes)?;
            client.scopes = scopes;
        }
        if let Some(networks) = patch.networks {
            client.networks = networks.0;
        }
        if let Some(end) = patch.expires_at {
            let sooner = end.is_some_and(|end| client.expires_at.is_none_or(|now| end.at() < now));
            if sooner && client.id == caller.client {
                return Err(ApiError::from(&OWN_CLIENT));
            }
            client.expires_at = end.map(Moment::at);
            check_end(client.expires_at, app.clock.now())?;
        }
        if locks_out(&caller, client.id, &client.scopes, &client.networks) {
            return Err(ApiError::from(&OWN_CLIENT));
        }
        let client = store::save_client(c, &client, app.clock.now()).await?;
        note(c, &app, &caller, client.id, "client.update", None).await?;
        shown(client)
    })
    .await
}

pub(super) fn check_version(client: &Client, sent: IfMatch) -> ApiResult<()> {
    if client.version == sent.0 {
        return Ok(());
    }
    Err(ApiError::from(&STALE).member("version", client.version).member("updated_at", client.updated_at))
}

/// The audit row of a change. Clients are not in the feed: they are nobody's business outside of their agency.
pub(super) async fn note(
    conn: &mut Conn,
    app: &App,
    caller: &Caller,
    client: ClientId,
    action: &str,
    detail: Option<&str>,
) -> ApiResult<()> {
    let event = Event::by(caller, action, app.clock.new_id(), app.clock.now()).subject("client", client);
    let event = match detail {
        Some(detail) => event.detail(detail),
        None => event,
    };
    audit::record(conn, &event).await?;
    Ok(())
}

/// Why a client is disabled or enabled.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientReason {
    /// Code of the list `client-reasons`, of the group of the act.
    #[schema(example = "lost_or_stolen")]
    reason: Code,
}

/// Disable a client
///
/// Its tokens are refused on every node within a second, and no new ones are issued. For a lost phone or a secret that
/// others have seen. Tokens from before stay refused when it is enabled again.
#[utoipa::path(tag = "agencies", security(("oauth2" = ["clients:manage"])),
    params(("id" = ClientId, Path, description = "Id of the client."), IdempotencyHeader, IfMatchHeader), request_body = ClientReason,
    responses((status = 200, body = ClientView, description = "Disabled.")))]
#[post("/v1/clients/{id}/disable")]
pub async fn disable_client(
    permit: Permit<ManageClients>,
    id: PathId<ClientId>,
    version: IfMatch,
    keyed: Keyed<ClientReason>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let (caller, app) = (permit.caller(), app.0);
    move_client(Move { caller, app, id: id.0, version, keyed, to: ClientState::Disabled }, db).await
}

/// Enable a client again
///
/// Not a phone: it registers anew (409 `phone_stays_disabled`).
#[utoipa::path(tag = "agencies", security(("oauth2" = ["clients:manage"])),
    params(("id" = ClientId, Path, description = "Id of the client."), IdempotencyHeader, IfMatchHeader),
    request_body(content = ClientReason, example = json!({ "reason": "found_again" })),
    responses((status = 200, body = ClientView, description = "Enabled.")))]
#[post("/v1/clients/{id}/enable")]
pub async fn enable_client(
    permit: Permit<ManageClients>,
    id: PathId<ClientId>,
    version: IfMatch,
    keyed: Keyed<ClientReason>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let (caller, app) = (permit.caller(), app.0);
    move_client(Move { caller, app, id: id.0, version, keyed, to: ClientState::Active }, db).await
}

#[derive(Clone)]
struct Move {
    caller: SharedCaller,
    app: Arc<App>,
    id: ClientId,
    version: IfMatch,
    keyed: Keyed<ClientReason>,
    to: ClientState,
}

async fn move_client(act: Move, db: Db) -> ApiResult<Answer> {
    db.write(async move |c| {
        let ticket = match act.keyed.key.begin(c, &act.app, act.caller.identity()).await? {
            Attempt::Replay(replay) => return Ok(replay.answer),
            Attempt::Fresh(ticket) => ticket,
        };
        let mut client = store::lock(c, &act.caller, act.id).await?;
        if client.state == act.to {
            return Err(ApiError::from(&CLIENT_STATE_CONFLICT)
                .member("state", client.state)
                .member("since", client.updated_at));
        }
        if client.kind == ClientKind::Phone && act.to == ClientState::Active {
            return Err(ApiError::from(&PHONE_STAYS_DISABLED));
        }
        check_version(&client, act.version)?;
        if client.id == act.caller.client {
            return Err(ApiError::from(&OWN_CLIENT));
        }
        let (verb, reason) =
            (if act.to == ClientState::Disabled { "disable" } else { "enable" }, act.keyed.body.reason);
        check_reason(c, act.app.clock.now(), verb, &reason).await?;
        client.state = act.to;
        client.state_reason = Some(reason.clone());
        if act.to == ClientState::Disabled {
            client.token_epoch += 1;
        }
        let client = store::save_client(c, &client, act.app.clock.now()).await?;
        note(c, &act.app, &act.caller, client.id, &format!("client.{verb}"), Some(reason.as_str())).await?;
        ticket.keep(c, shown(client)?, &[act.id.0]).await
    })
    .await
}

/// Refuses what is no reason of this act.
pub async fn check_reason(conn: &mut Conn, now: DateTime<Utc>, verb: &str, reason: &Code) -> ApiResult<()> {
    let known = codes::valid(conn, "client-reasons", std::slice::from_ref(reason), now.date_naive()).await?;
    if known.iter().any(|code| code.group_code.as_deref() == Some(verb)) {
        return Ok(());
    }
    let fault = Fault::new("unknown_code", "bukan alasan tindakan ini", "not a reason of this act");
    Err(ApiError::rule("/reason", fault))
}

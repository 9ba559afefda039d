//! Every SQL statement on clients, and what they may do now as the gate reads it.
mod credentials;

pub use credentials::*;

use super::rules::{ClientState, NewClient};
use crate::access::rules::{AgencyId, Caller, ClientId, ClientKind, Scope, Scopes, VolunteerId};
use crate::access::store::{self as access, AccessState};
use crate::agencies::rules::AgencyState;
use crate::agencies::store::Agency;
use crate::codes::rules::Code;
use crate::platform::db::Conn;
use crate::platform::db::sql::Columns;
use crate::platform::network::Network;
use crate::schema::{agencies, clients};
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

/// A client as stored.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = clients, check_for_backend(diesel::pg::Pg), treat_none_as_default_value = false)]
pub struct Client {
    /// Its id.
    pub id: ClientId,
    /// Whose it is.
    pub agency_id: AgencyId,
    /// Who uses it.
    pub kind: ClientKind,
    /// For the agency's own overview.
    pub name: String,
    /// Why it reads personal data.
    pub purpose: String,
    /// What it may do at most.
    pub scopes: Vec<Scope>,
    /// From where it may call; none: from everywhere.
    pub networks: Vec<Network>,
    /// Of a phone.
    pub volunteer_id: Option<VolunteerId>,
    /// Whether it may call.
    pub state: ClientState,
    /// Of the last change of its state.
    pub state_reason: Option<Code>,
    /// Raised to refuse its tokens.
    pub token_epoch: i32,
    /// Ends then.
    pub expires_at: Option<DateTime<Utc>>,
    /// Raised by every change.
    pub version: i32,
    /// Client that created it.
    pub created_by: Option<Uuid>,
    /// Digest of the create, so that the same create gives the row again.
    pub create_request: Option<Vec<u8>>,
    /// When.
    pub created_at: DateTime<Utc>,
    /// Last change.
    pub updated_at: DateTime<Utc>,
}

/// The clients of the caller's own agency.
fn visible_to(caller: &Caller) -> diesel::dsl::Eq<clients::agency_id, AgencyId> {
    clients::agency_id.eq(caller.agency)
}

/// Which clients.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// Of this kind.
    pub kind: Option<ClientKind>,
    /// In this state.
    pub state: Option<ClientState>,
    /// Of this volunteer.
    pub volunteer: Option<VolunteerId>,
}

/// Clients in the order of their ids.
pub async fn list(
    conn: &mut &Conn,
    caller: &Caller,
    wanted: Wanted,
    after: Option<ClientId>,
    limit: i64,
) -> QueryResult<Vec<Client>> {
    let own = clients::table.filter(visible_to(caller)).select(Client::columns());
    let mut query = own.order(clients::id).limit(limit).into_boxed();
    if let Some(kind) = wanted.kind {
        query = query.filter(clients::kind.eq(kind));
    }
    if let Some(state) = wanted.state {
        query = query.filter(clients::state.eq(state));
    }
    if let Some(volunteer) = wanted.volunteer {
        query = query.filter(clients::volunteer_id.eq(volunteer));
    }
    if let Some(after) = after {
        query = query.filter(clients::id.gt(after));
    }
    query.load(conn).await
}

/// One client.
pub async fn find(conn: &mut &Conn, caller: &Caller, id: ClientId) -> QueryResult<Client> {
    clients::table.find(id).filter(visible_to(caller)).select(Client::columns()).first(conn).await
}

/// One client, held until the transaction ends, after its agency: changes of one agency's clients follow each other.
pub async fn lock(conn: &mut Conn, caller: &Caller, id: ClientId) -> QueryResult<Client> {
    hold_agency(conn, caller.agency).await?;
    let own = clients::table.find(id).filter(visible_to(caller));
    own.select(Client::columns()).for_update().first(conn).await
}

/// The client of this id, whosever it is: to tell a repeated create from an id that is taken.
pub async fn find_any(conn: &mut Conn, id: ClientId) -> QueryResult<Client> {
    clients::table.find(id).select(Client::columns()).first(conn).await
}

/// The client of this id for an operator, held as by [`lock`].
pub async fn lock_any(conn: &mut Conn, id: ClientId) -> QueryResult<Client> {
    let agency = clients::table.find(id).select(clients::agency_id).first(conn).await?;
    hold_agency(conn, agency).await?;
    clients::table.find(id).select(Client::columns()).for_update().first(conn).await
}

/// Every client, by agency.
pub async fn all(conn: &mut Conn) -> QueryResult<Vec<Client>> {
    clients::table.select(Client::columns()).order((clients::agency_id, clients::id)).load(conn).await
}

/// Whether an agency has a client that can manage its clients.
pub async fn is_managed(conn: &mut Conn, agency: AgencyId, now: DateTime<Utc>) -> QueryResult<bool> {
    let managing = clients::table
        .filter(clients::agency_id.eq(agency).and(clients::state.eq(ClientState::Active)))
        .filter(clients::scopes.contains(vec![Scope::ClientsManage]))
        .filter(clients::expires_at.is_null().or(clients::expires_at.gt(now)));
    diesel::select(diesel::dsl::exists(managing)).get_result(conn).await
}

/// Inserts a client and opens the gate for it.
pub async fn create_client(conn: &mut Conn, new: &NewClient, now: DateTime<Utc>) -> QueryResult<Client> {
    let client = Client {
        id: new.id,
        agency_id: new.agency,
        kind: new.kind,
        name: new.name.as_str().to_owned(),
        purpose: new.purpose.as_str().to_owned(),
        scopes: new.scopes.clone(),
        networks: new.networks.clone(),
        volunteer_id: new.volunteer,
        state: ClientState::Active,
        state_reason: None,
        token_epoch: 0,
        expires_at: new.expires_at,
        version: 1,
        created_by: new.created_by.map(Uuid::from),
        create_request: new.create_request.clone(),
        created_at: now,
        updated_at: now,
    };
    diesel::insert_into(clients::table).values(&client).execute(conn).await?;
    refresh_client(conn, &client).await?;
    Ok(client)
}

/// Writes what may change of a client that is locked, raises its version, and carries it to the gate.
pub async fn save_client(conn: &mut Conn, client: &Client, now: DateTime<Utc>) -> QueryResult<Client> {
    let saved = diesel::update(clients::table.find(client.id))
        .set((
            clients::name.eq(&client.name),
            clients::purpose.eq(&client.purpose),
            clients::scopes.eq(&client.scopes),
            clients::networks.eq(&client.networks),
            clients::state.eq(client.state),
            clients::state_reason.eq(&client.state_reason),
            clients::token_epoch.eq(client.token_epoch),
            clients::expires_at.eq(client.expires_at),
            clients::version.eq(clients::version + 1),
            clients::updated_at.eq(now),
        ))
        .returning(Client::columns())
        .get_result(conn)
        .await?;
    refresh_client(conn, &saved).await?;
    Ok(saved)
}

/// Closes the gate for the phone of a volunteer, for good: another one, or the same, registers anew. `reason`: a code of
/// `client-reasons`. Returns what was disabled.
pub async fn disable_phones(
    conn: &mut Conn,
    volunteer: VolunteerId,
    reason: &str,
    now: DateTime<Utc>,
) -> QueryResult<Vec<Client>> {
    let phones = clients::table.filter(clients::volunteer_id.eq(volunteer).and(clients::state.eq(ClientState::Active)));
    // Agency before client, as in every change of a client: they would wait for each other otherwise.
    let agencies: Vec<AgencyId> =
        phones.select(clients::agency_id).distinct().order(clients::agency_id).load(conn).await?;
    for agency in agencies {
        hold_agency(conn, agency).await?;
    }
    let change = (
        clients::state.eq(ClientState::Disabled),
        clients::state_reason.eq(reason),
        clients::token_epoch.eq(clients::token_epoch + 1),
        clients::version.eq(clients::version + 1),
        clients::updated_at.eq(now),
    );
    let disabled: Vec<Client> =
        diesel::update(phones).set(change).returning(Client::columns()).get_results(conn).await?;
    for client in &disabled {
        refresh_client(conn, client).await?;
    }
    Ok(disabled)
}

/// The agency as it is when every change before this one is committed. Whoever writes to the gate holds it: a client's
/// change that had read the agency before its suspension would open the gate again.
async fn hold_agency(conn: &mut Conn, agency: AgencyId) -> QueryResult<Agency> {
    agencies::table.find(agency).select(Agency::columns()).for_no_key_update().first(conn).await
}

async fn children(conn: &mut Conn, agency: AgencyId) -> QueryResult<Vec<AgencyId>> {
    let branches = agencies::table.filter(agencies::parent_id.eq(agency));
    branches.select(agencies::id).order(agencies::id).load(conn).await
}

/// Writes what one client may do now. Part of every change of a client.
async fn refresh_client(conn: &mut Conn, client: &Client) -> QueryResult<()> {
    let agency = hold_agency(conn, client.agency_id).await?;
    let children = children(conn, agency.id).await?;
    access::save(conn, &access_state(&agency, &children, client)).await
}

/// Writes what the clients of an agency may do now. Part of every change of an agency.
pub async fn refresh_access(conn: &mut Conn, agency: AgencyId) -> QueryResult<()> {
    let agency = hold_agency(conn, agency).await?;
    let children = children(conn, agency.id).await?;
    let clients: Vec<Client> =
        clients::table.filter(clients::agency_id.eq(agency.id)).select(Client::columns()).load(conn).await?;
    for client in clients {
        access::save(conn, &access_state(&agency, &children, &client)).await?;
    }
    Ok(())
}

fn access_state(agency: &Agency, children: &[AgencyId], client: &Client) -> AccessState {
    let (own, most): (Scopes, Scopes) =
        (client.scopes.iter().copied().collect(), agency.scopes.iter().copied().collect());
    AccessState {
        client_id: client.id,
        client_kind: client.kind,
        agency_id: agency.id,
        agency_kind: agency.kind,
        active: agency.state == AgencyState::Active && client.state == ClientState::Active,
        token_epoch: agency.token_epoch + client.token_epoch,
        scopes: own.and(most).list().into_iter().map(|scope| scope.as_str().to_owned()).collect(),
        purpose: client.purpose.clone(),
        volunteer_id: client.volunteer_id,
        region_codes: agency.region_codes.clone(),
        child_agency_ids: children.to_vec(),
        expires_at: client.expires_at,
        networks: client.networks.clone(),
        rate_limit: agency.rate_limit,
        parent_agency_id: agency.parent_id,
    }
}

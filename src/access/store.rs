//! Every SQL statement on `access_state`, and the half-second memory of it.
use super::rules::{AgencyId, AgencyKind, ClientId, ClientKind, Scope, Scopes, VolunteerId};
use crate::platform::db::sql::Columns;
use crate::platform::db::{Conn, Db};
use crate::platform::error::ApiResult;
use crate::platform::network::{Network, allows};
use crate::platform::region_code::RegionCode;
use crate::schema::{access_state as t, revoked_tokens};
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use quick_cache::sync::Cache;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// What the database grants a client right now.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = t, check_for_backend(diesel::pg::Pg), treat_none_as_null = true, treat_none_as_default_value = false)]
pub struct AccessState {
    /// The client.
    pub client_id: ClientId,
    /// Who uses it.
    pub client_kind: ClientKind,
    /// Its agency.
    pub agency_id: AgencyId,
    /// What the agency is.
    pub agency_kind: AgencyKind,
    /// Whether agency and client both are.
    pub active: bool,
    /// Tokens of another epoch are refused.
    pub token_epoch: i32,
    /// What agency and client both hold.
    pub scopes: Vec<String>,
    /// Why it reads personal data.
    pub purpose: String,
    /// Of a phone.
    pub volunteer_id: Option<VolunteerId>,
    /// Jurisdiction; empty = the whole country.
    pub region_codes: Vec<RegionCode>,
    /// Branches, whose referrals it sees too.
    pub child_agency_ids: Vec<AgencyId>,
    /// The client ends then.
    pub expires_at: Option<DateTime<Utc>>,
    /// From where it may call; none = from everywhere.
    pub networks: Vec<Network>,
    /// Requests a minute that the agency was granted; none = what every agency is.
    pub rate_limit: Option<i32>,
    /// Of a branch.
    pub parent_agency_id: Option<AgencyId>,
}

impl AccessState {
    /// As a set; a word of a later version is no right in this one.
    pub fn scope_set(&self) -> Scopes {
        self.scopes.iter().filter_map(|word| Scope::parse(word)).collect()
    }

    /// Whether it may call from there; from an address that is not known only if it may from everywhere.
    pub fn may_call_from(&self, address: Option<IpAddr>) -> bool {
        allows(&self.networks, address)
    }
}

/// What a client may do, for issuing a token beside the gate.
pub async fn read(conn: &mut Conn, client: ClientId) -> QueryResult<AccessState> {
    t::table.find(client).select(AccessState::columns()).first(conn).await
}

/// Writes what a client may do; part of the transaction that changes it.
pub async fn save(conn: &mut Conn, state: &AccessState) -> QueryResult<()> {
    diesel::insert_into(t::table)
        .values(state)
        .on_conflict(t::client_id)
        .do_update()
        .set(state)
        .execute(conn)
        .await
        .map(drop)
}

/// What a client may do, and which of its tokens it has given up.
#[derive(Debug, Clone, Queryable)]
pub struct Standing {
    state: AccessState,
    revoked: Vec<Uuid>,
}

impl Standing {
    /// Whether the client has given the token with this `jti` up.
    pub fn has_revoked(&self, token: Uuid) -> bool {
        self.revoked.contains(&token)
    }
}

impl std::ops::Deref for Standing {
    type Target = AccessState;
    fn deref(&self) -> &AccessState {
        &self.state
    }
}

async fn find(db: &Db, client: ClientId) -> ApiResult<Option<Standing>> {
    let revoked = || revoked_tokens::table.filter(revoked_tokens::client_id.eq(client)).select(revoked_tokens::jti);
    let standing = || (AccessState::columns(), diesel::dsl::array::<diesel::sql_types::Uuid, _>(revoked()));
    db.read(async |c| t::table.find(client).select(standing()).first(c).await.optional()).await
}

/// Refuses a token from now on, within a second on every node; false if it was refused before.
pub async fn revoke(conn: &mut Conn, token: Uuid, client: ClientId, expires_at: DateTime<Utc>) -> QueryResult<bool> {
    let row = (
        revoked_tokens::jti.eq(token),
        revoked_tokens::client_id.eq(client),
        revoked_tokens::expires_at.eq(expires_at),
    );
    let new = diesel::insert_into(revoked_tokens::table).values(row).on_conflict_do_nothing().execute(conn).await?;
    Ok(new == 1)
}

/// Forgets revoked tokens that have ended by themselves; returns how many.
pub async fn sweep_revoked(conn: &mut Conn, now: DateTime<Utc>) -> QueryResult<usize> {
    diesel::delete(revoked_tokens::table.filter(revoked_tokens::expires_at.lt(now))).execute(conn).await
}

/// How old an answer of [`Directory`] may be. Suspending an agency must reach every node within a second: half of it is
/// for this memory, the rest for a slow database.
const TRUSTED: Duration = Duration::from_millis(500);
const ENTRIES: usize = 4096;

/// The states of clients that call now.
///
/// Entries are read again after half a second, so that a cut-off holds on every node within a second without a message
/// that could be lost (`docs/decisions/0003-access-state.md`). When the database cannot be asked, nobody gets in.
pub struct Directory(Cache<ClientId, (Instant, Option<Arc<Standing>>)>);

impl Default for Directory {
    fn default() -> Self {
        Self(Cache::new(ENTRIES))
    }
}

impl Directory {
    /// The client's state; `None` if there is no such client.
    pub async fn find(&self, db: &Db, client: ClientId) -> ApiResult<Option<Arc<Standing>>> {
        if let Some((asked, state)) = self.0.get(&client)
            && asked.elapsed() < TRUSTED
        {
            return Ok(state);
        }
        let asked = Instant::now(); // before the question: the answer is at least this new
        let state = find(db, client).await?.map(Arc::new);
        self.0.insert(client, (asked, state.clone()));
        Ok(state)
    }
}

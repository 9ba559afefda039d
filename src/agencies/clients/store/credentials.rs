//! Every SQL statement on keys, secrets and assertions.
use crate::access::rules::ClientId;
use crate::platform::db::Conn;
use crate::platform::db::sql::Columns;
use crate::platform::jwk::PublicKey;
use crate::schema::{client_assertions, client_keys, client_secrets};
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

/// A registered key as stored.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = client_keys, check_for_backend(diesel::pg::Pg))]
pub struct ClientKey {
    /// Its name.
    pub kid: String,
    /// The key.
    pub jwk: serde_json::Value,
    /// Since when.
    pub created_at: DateTime<Utc>,
}

/// The keys of a client, in the order of their names.
pub async fn list_keys(
    conn: &mut &Conn,
    client: ClientId,
    after: Option<String>,
    limit: i64,
) -> QueryResult<Vec<ClientKey>> {
    client_keys::table
        .filter(client_keys::client_id.eq(client).and(client_keys::removed_at.is_null()))
        .filter(client_keys::kid.gt(after.unwrap_or_default()))
        .select(ClientKey::columns())
        .order(client_keys::kid)
        .limit(limit)
        .load(conn)
        .await
}

/// One key of a client.
pub async fn find_key(conn: &mut &Conn, client: ClientId, kid: &str) -> QueryResult<ClientKey> {
    client_keys::table
        .filter(client_keys::client_id.eq(client).and(client_keys::kid.eq(kid)))
        .filter(client_keys::removed_at.is_null())
        .select(ClientKey::columns())
        .first(conn)
        .await
}

/// How many keys a client has.
pub async fn count_keys(conn: &mut Conn, client: ClientId) -> QueryResult<i64> {
    let own = client_keys::table.filter(client_keys::client_id.eq(client).and(client_keys::removed_at.is_null()));
    own.count().get_result(conn).await
}

/// Registers a public key.
pub async fn add_key(
    conn: &mut Conn,
    id: Uuid,
    client: ClientId,
    key: &PublicKey,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::insert_into(client_keys::table)
        .values((
            client_keys::id.eq(id),
            client_keys::client_id.eq(client),
            client_keys::kid.eq(&key.kid),
            client_keys::jwk.eq(&key.jwk),
            client_keys::created_at.eq(now),
        ))
        .execute(conn)
        .await
        .map(drop)
}

/// Removes a key; `NotFound` if the client has none of this name. The row stays: the record speaks of it.
pub async fn remove_key(conn: &mut Conn, client: ClientId, kid: &str, now: DateTime<Utc>) -> QueryResult<()> {
    let own = client_keys::table.filter(client_keys::client_id.eq(client).and(client_keys::kid.eq(kid)));
    let removed = diesel::update(own.filter(client_keys::removed_at.is_null()))
        .set(client_keys::removed_at.eq(now))
        .execute(conn)
        .await?;
    if removed == 1 { Ok(()) } else { Err(diesel::result::Error::NotFound) }
}

/// Registers the hash of a secret.
pub async fn add_secret(
    conn: &mut Conn,
    id: Uuid,
    client: ClientId,
    hash: &[u8],
    now: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::insert_into(client_secrets::table)
        .values((
            client_secrets::id.eq(id),
            client_secrets::client_id.eq(client),
            client_secrets::secret_hash.eq(hash),
            client_secrets::created_at.eq(now),
        ))
        .execute(conn)
        .await
        .map(drop)
}

/// Lets the secret in use end at `end`, and those that were to end already end now: with the next one there are two.
pub async fn end_secrets(conn: &mut Conn, client: ClientId, end: DateTime<Utc>) -> QueryResult<()> {
    let own = client_secrets::table.filter(client_secrets::client_id.eq(client));
    diesel::delete(own.filter(client_secrets::expires_at.is_not_null())).execute(conn).await?;
    diesel::update(own).set(client_secrets::expires_at.eq(end)).execute(conn).await.map(drop)
}

/// The public keys that a client has registered, as `(kid, JWK)`.
pub async fn keys(conn: &mut &Conn, client: ClientId) -> QueryResult<Vec<(String, serde_json::Value)>> {
    client_keys::table
        .filter(client_keys::client_id.eq(client).and(client_keys::removed_at.is_null()))
        .select((client_keys::kid, client_keys::jwk))
        .order(client_keys::id)
        .load(conn)
        .await
}

/// Since when the secrets that a client may use now are there, and until when: no more than two.
pub async fn living_secrets(
    conn: &mut &Conn,
    client: ClientId,
    now: DateTime<Utc>,
) -> QueryResult<Vec<(DateTime<Utc>, Option<DateTime<Utc>>)>> {
    client_secrets::table
        .filter(client_secrets::client_id.eq(client))
        .filter(client_secrets::expires_at.is_null().or(client_secrets::expires_at.gt(now)))
        .select((client_secrets::created_at, client_secrets::expires_at))
        .order((client_secrets::created_at, client_secrets::id))
        .load(conn)
        .await
}

/// Hashes of the secrets that a client may use now.
pub async fn secrets(conn: &mut &Conn, client: ClientId, now: DateTime<Utc>) -> QueryResult<Vec<Vec<u8>>> {
    client_secrets::table
        .filter(client_secrets::client_id.eq(client))
        .filter(client_secrets::expires_at.is_null().or(client_secrets::expires_at.gt(now)))
        .select(client_secrets::secret_hash)
        .load(conn)
        .await
}

/// Uses an assertion up; false if it was used before.
pub async fn use_assertion(
    conn: &mut Conn,
    client: ClientId,
    jti_hash: &[u8],
    expires_at: DateTime<Utc>,
) -> QueryResult<bool> {
    let inserted = diesel::insert_into(client_assertions::table)
        .values((
            client_assertions::client_id.eq(client),
            client_assertions::jti_hash.eq(jti_hash),
            client_assertions::expires_at.eq(expires_at),
        ))
        .on_conflict_do_nothing()
        .execute(conn)
        .await?;
    Ok(inserted == 1)
}

/// Removes assertions that have expired: they are refused for their time alone.
pub async fn sweep_assertions(conn: &mut Conn, now: DateTime<Utc>) -> QueryResult<usize> {
    diesel::delete(client_assertions::table.filter(client_assertions::expires_at.lt(now))).execute(conn).await
}

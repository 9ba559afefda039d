//! Safe retries: a POST that is sent again with the same `Idempotency-Key` takes effect once and is answered alike.
//!
//! The answer is stored in the **same transaction** as the effect, encrypted, for seven days. A handler begins with
//! [`RequestKey::begin`]; on [`Attempt::Replay`] it first reads the row again through its own `visible_to` (sight may have been lost
//! since) and then sends the stored answer.
use super::answer::Answer;
use super::app::App;
use super::crypto::{Keys, same};
use super::db::Conn;
use super::db::sql::pg_try_advisory_xact_lock;
use super::error::{ApiError, ApiResult, IDEMPOTENCY_KEY_REUSED, REQUEST_IN_PROGRESS, SECRET_ALREADY_SHOWN};
use super::http::Identity;
use crate::schema::idempotency_keys::dsl as t;
use actix_web::HttpRequest;
use actix_web::http::Method;
use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use std::sync::Arc;
use uuid::Uuid;

/// How long an answer is kept.
pub const KEPT: TimeDelta = TimeDelta::days(7);

/// A key and the request it stands for.
#[derive(Debug, Clone)]
pub struct RequestKey {
    key: String,
    /// Keyed digest of method, path with query, and body.
    request: Vec<u8>,
    /// Keyed digest of the body alone.
    body: Vec<u8>,
}

/// What a request asks, beside its body.
pub(super) struct Target {
    method: Method,
    path_and_query: String,
}

impl Target {
    pub(super) fn of(req: &HttpRequest) -> Self {
        let path_and_query = req.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
        Self { method: req.method().clone(), path_and_query }
    }
}

impl RequestKey {
    pub(super) fn new(keys: &Keys, target: &Target, key: String, body: &[u8]) -> Self {
        let (method, asked) = (target.method.as_str(), &target.path_and_query);
        let request = keys.fingerprint(&[b"request", method.as_bytes(), asked.as_bytes(), body]);
        Self { key, request, body: keys.fingerprint(&[b"body", body]) }
    }

    /// Keyed digest of the body: kept beside a row whose id the client chose, so that the same create is known again.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Takes the key for this transaction. Another request at work on it gets 409, another request under the same key 422.
    pub async fn begin(&self, conn: &mut Conn, app: &App, owner: Identity) -> ApiResult<Attempt> {
        begin(conn, &app.keys, owner, self, app.clock.now()).await
    }
}

/// What [`RequestKey::begin`] found.
#[derive(Debug)]
pub enum Attempt {
    /// Do the work, then [`Ticket::keep`] its answer.
    Fresh(Ticket),
    /// It was done before.
    Replay(Replay),
}

/// An answer given before.
#[derive(Debug)]
pub struct Replay {
    /// To be sent again.
    pub answer: Answer,
    /// The rows it speaks of, as the handler kept them.
    pub subjects: Vec<Uuid>,
}

/// The right to do the work of a key; held until the transaction ends.
#[derive(Debug)]
pub struct Ticket {
    owner: Identity,
    key: RequestKey,
    keys: Arc<Keys>,
    now: DateTime<Utc>,
}

async fn begin(
    conn: &mut Conn,
    keys: &Arc<Keys>,
    owner: Identity,
    key: &RequestKey,
    now: DateTime<Utc>,
) -> ApiResult<Attempt> {
    let place = keys.fingerprint(&[b"place", owner.agency.as_bytes(), owner.client.as_bytes(), key.key.as_bytes()]);
    let lock = place.first_chunk().map(|bytes| i64::from_be_bytes(*bytes)).unwrap_or_default();
    if !diesel::select(pg_try_advisory_xact_lock(lock)).get_result::<bool>(conn).await? {
        return Err(ApiError::from(&REQUEST_IN_PROGRESS).header("retry-after", 1));
    }
    let stored = t::idempotency_keys
        .filter(t::agency_id.eq(owner.agency).and(t::client_id.eq(owner.client)).and(t::key.eq(&key.key)))
        .filter(t::created_at.gt(now - KEPT))
        .select((t::request, t::answer, t::subjects))
        .first::<(Vec<u8>, Vec<u8>, Vec<Uuid>)>(conn)
        .await
        .optional()?;
    let Some((request, answer, subjects)) = stored else {
        return Ok(Attempt::Fresh(Ticket { owner, key: key.clone(), keys: keys.clone(), now }));
    };
    if !same(&request, &key.request) {
        return Err(ApiError::from(&IDEMPOTENCY_KEY_REUSED));
    }
    if answer.is_empty() {
        return Err(ApiError::from(&SECRET_ALREADY_SHOWN).member("id", subjects.as_slice().first()));
    }
    let plain = keys
        .unseal(&context(owner, &key.key), &answer)
        .map_err(|_| ApiError::internal("stored answer does not open"))?;
    let answer: Answer =
        serde_json::from_slice(&plain).map_err(|_| ApiError::internal("stored answer does not parse"))?;
    Ok(Attempt::Replay(Replay { answer: answer.header("idempotency-replayed", true), subjects }))
}

fn context(owner: Identity, key: &str) -> String {
    format!("idempotency:{}:{}:{key}", owner.agency, owner.client)
}

impl Ticket {
    /// Stores the answer with the transaction, and gives it back to be sent. `subjects` are the rows that a replay must
    /// be allowed to see.
    pub async fn keep(self, conn: &mut Conn, answer: Answer, subjects: &[Uuid]) -> ApiResult<Answer> {
        let plain = serde_json::to_vec(&answer).map_err(|_| ApiError::internal("answer cannot be stored"))?;
        let sealed = self.keys.seal(&context(self.owner, &self.key.key), &plain).map_err(ApiError::internal)?;
        self.store(conn, sealed, subjects).await?;
        Ok(answer)
    }

    /// Stores with the transaction that it was answered, and not what: the answer shows a secret. Sent again, the request
    /// gets 409 `secret_already_shown` with the first of `subjects` as `id`.
    pub async fn keep_secret(self, conn: &mut Conn, answer: Answer, subjects: &[Uuid]) -> ApiResult<Answer> {
        self.store(conn, vec![], subjects).await?;
        Ok(answer)
    }

    async fn store(self, conn: &mut Conn, sealed: Vec<u8>, subjects: &[Uuid]) -> ApiResult<()> {
        let values = (
            t::agency_id.eq(self.owner.agency),
            t::client_id.eq(self.owner.client),
            t::key.eq(&self.key.key),
            t::request.eq(&self.key.request),
            t::answer.eq(&sealed),
            t::subjects.eq(subjects),
            t::created_at.eq(self.now),
        );
        // A row of the same key can only be one that is older than KEPT and not yet swept.
        diesel::insert_into(t::idempotency_keys)
            .values(values)
            .on_conflict((t::agency_id, t::client_id, t::key))
            .do_update()
            .set((
                t::request.eq(&self.key.request),
                t::answer.eq(&sealed),
                t::subjects.eq(subjects),
                t::created_at.eq(self.now),
            ))
            .execute(conn)
            .await?;
        Ok(())
    }
}

/// Removes answers that are no longer kept; returns how many.
pub async fn sweep(conn: &mut Conn, now: DateTime<Utc>) -> QueryResult<usize> {
    diesel::delete(t::idempotency_keys.filter(t::created_at.le(now - KEPT))).execute(conn).await
}

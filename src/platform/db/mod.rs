//! The ways to the database: [`Db::read`] (one statement, pipelined), [`Db::write`] (a transaction that runs to its end
//! whatever the client does), [`Db::report`] (slow, read-only, few at a time), and [`GroupCommit`] (many small inserts
//! in one commit).
//!
//! Why two ways: a pipelined read serves many requests over one connection without waiting for a pool, but shares its
//! session, so it may never open a transaction; a transaction owns its connection. Measured ratios stand in
//! `docs/performance.md`.
mod batch;
mod connect;
mod link;
pub mod migrate;
mod pool;
pub(crate) mod sql;
mod types;

pub use batch::{GroupCommit, GroupInsert};
pub use connect::Target;
pub use link::Reader;
pub use pool::{Reports, TxBody, TxError, Writer};
pub use types::Json;

use diesel::result::{DatabaseErrorKind as Kind, Error as Diesel};
use std::sync::Arc;
use std::time::Duration;

use super::error::{ApiError, ApiResult};

/// The connection that `store` functions take for statements of a transaction.
pub type Conn = diesel_async::AsyncPgConnection;

pub(crate) const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Why the database did not do what was asked. `Clone`, because one failed batch is reported to every request in it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DbError {
    /// 503: no connection, or it broke. After a write the outcome is unknown, so it is never retried here.
    #[error("database unavailable: {0}")]
    Unavailable(Arc<str>),
    /// 503: no answer in time. Same uncertainty after a write.
    #[error("database deadline exceeded")]
    Deadline,
    /// 503: the server gave up: `statement_timeout`, `lock_timeout`, or an administrator. Nothing was committed.
    #[error("statement cancelled")]
    Timeout,
    /// 503: pool or queue full; nothing was sent.
    #[error("database busy")]
    Busy,
    /// The statement itself was refused.
    #[error("{}", describe(.0))]
    Query(Arc<Diesel>),
}

/// What may be logged of a refused statement: kind, constraint and table. PostgreSQL's DETAIL prints row values (a NIK
/// in a duplicate key), and so may its message, so neither is shown.
fn describe(error: &Diesel) -> String {
    match error {
        Diesel::DatabaseError(kind, info) => format!(
            "{kind:?} constraint={} table={}",
            info.constraint_name().unwrap_or("-"),
            info.table_name().unwrap_or("-")
        ),
        Diesel::NotFound => "no row".to_owned(),
        Diesel::DeserializationError(_) => "a stored value has no meaning in this version".to_owned(),
        Diesel::SerializationError(_) => "a value could not be sent".to_owned(),
        other => format!("{other}"),
    }
}

pub(crate) fn unavailable(why: impl ToString) -> DbError {
    DbError::Unavailable(why.to_string().into())
}

impl From<Diesel> for DbError {
    /// Diesel keeps no SQLSTATE, so codes without a `Kind` of their own can only be told by the English message:
    /// the database must run with `lc_messages = 'C'` (checked at start).
    fn from(error: Diesel) -> Self {
        if let Diesel::DatabaseError(kind, info) = &error {
            let message = info.message();
            match kind {
                Kind::UnableToSendCommand | Kind::ClosedConnection => return unavailable("connection closed"),
                Kind::Unknown if message.starts_with("canceling statement due to") => return Self::Timeout,
                // 57P01-57P03, and a prepared statement outdated by a migration: a new connection cures all of them.
                Kind::Unknown
                    if message.starts_with("terminating connection")
                        || message.starts_with("the database system is")
                        || message.starts_with("cached plan must not change result type") =>
                {
                    return unavailable(message);
                }
                _ => {}
            }
        }
        if matches!(error, Diesel::BrokenTransactionManager) { unavailable(error) } else { Self::Query(error.into()) }
    }
}

impl DbError {
    /// The constraint that refused the statement, if one did.
    pub fn constraint(&self) -> Option<&str> {
        match self {
            Self::Query(error) => match &**error {
                Diesel::DatabaseError(_, info) => info.constraint_name(),
                _ => None,
            },
            _ => None,
        }
    }
}

/// The database as a handler sees it. Cloned for each request; holds no connection until asked, so that a slow client
/// cannot hold one.
#[derive(Clone)]
pub struct Db {
    reader: Arc<Reader>,
    writer: Writer,
    reports: Reports,
}

impl Db {
    /// `reader` belongs to the calling worker; `writer` and `reports` are shared by all.
    pub fn new(reader: Arc<Reader>, writer: Writer, reports: Reports) -> Self {
        Self { reader, writer, reports }
    }

    /// One statement on a pipelined connection. No row is [`ApiError::not_found`].
    ///
    /// Never `BEGIN` or `SET` here, and await nothing but the query: other requests share the session.
    pub async fn read<T, F>(&self, query: F) -> ApiResult<T>
    where
        F: AsyncFnOnce(&mut &Conn) -> diesel::QueryResult<T>,
    {
        self.reader.run(query).await.map_err(ApiError::from)
    }

    /// A transaction. It runs in a task of its own: a client that hangs up cannot stop it halfway. The body is cloned
    /// for each attempt (serialization failures and deadlocks are retried), so it may have no effect outside the database.
    pub async fn write<T, F>(&self, body: F) -> ApiResult<T>
    where
        for<'c> F:
            AsyncFnOnce(&'c mut Conn) -> ApiResult<T> + TxBody<&'c mut Conn, ApiResult<T>> + Clone + Send + 'static,
        T: Send + 'static,
    {
        self.writer.run(body).await
    }

    /// A slow read-only query, on a pool so small that it cannot crowd out the rest.
    pub async fn report<T, F>(&self, query: F) -> ApiResult<T>
    where
        F: AsyncFnOnce(&mut Conn) -> diesel::QueryResult<T>,
    {
        self.reports.run(query).await.map_err(ApiError::from)
    }
}

impl actix_web::FromRequest for Db {
    type Error = ApiError;
    type Future = std::future::Ready<ApiResult<Self>>;

    fn from_request(req: &actix_web::HttpRequest, _: &mut actix_web::dev::Payload) -> Self::Future {
        let db = req.app_data::<Self>().cloned();
        std::future::ready(db.ok_or_else(|| ApiError::internal("no database registered")))
    }
}

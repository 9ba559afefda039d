//! Pooled connections: transactions and slow reads.
use super::link::jitter;
use super::{Conn, DbError, Target, ms, unavailable};
use deadpool::{Runtime, managed::TimeoutType};
use diesel::{ConnectionError, QueryResult};
use diesel::{result::DatabaseErrorKind as Kind, result::Error as Diesel};
use diesel_async::AsyncConnection;
use diesel_async::pooled_connection::deadpool::{Object, Pool, PoolError};
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod};
use std::future::Future;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

const WRITE_DEADLINE: Duration = ms(5000);
/// The same where nobody waits for the answer.
const JOB_DEADLINE: Duration = ms(90_000);
/// Stated, not inherited: an ALTER ROLE elsewhere must not turn an acknowledgement into a hope.
const SETTINGS: &str = "-c lock_timeout=2s -c synchronous_commit=on";
const WRITE_ATTEMPTS: u32 = 3;
const REPORT_DEADLINE: Duration = ms(35_000);

impl From<PoolError> for DbError {
    fn from(error: PoolError) -> Self {
        if matches!(error, PoolError::Timeout(TimeoutType::Wait)) { Self::Busy } else { unavailable(error) }
    }
}

/// What a transaction body may return as error.
pub trait TxError: From<DbError> + From<Diesel> + Send + 'static {
    /// True only where PostgreSQL guarantees that nothing was committed (40001, 40P01).
    fn retryable(&self) -> bool;
}

impl TxError for DbError {
    fn retryable(&self) -> bool {
        let Self::Query(error) = self else { return false };
        matches!(&**error, Diesel::DatabaseError(kind, info)
            if matches!(kind, Kind::SerializationFailure) || info.message() == "deadlock detected")
    }
}

/// Connections are opened by, and driven on, `home`: one opened by an actix worker would die with that worker, and a
/// worker that is busy would freeze another worker's query.
fn pool(target: Target, size: usize, home: Handle) -> Result<Pool<Conn>, DbError> {
    let mut manager = ManagerConfig::default();
    // No ping: `Fast` still rejects closed sockets and open transactions, without a round trip per checkout.
    manager.recycling_method = RecyclingMethod::Fast;
    manager.custom_setup = Box::new(move |_| {
        let target = target.clone();
        // create_timeout must end the attempt, not only stop waiting for it
        let open = AbortOnDropHandle::new(home.spawn(async move {
            let (conn, _driver) = target.connect().await.map_err(bad)?;
            Ok(conn)
        }));
        Box::pin(async move { open.await.map_err(bad)? })
    });
    Pool::builder(AsyncDieselConnectionManager::new_with_config("", manager))
        .max_size(size)
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(ms(1000)))
        .create_timeout(Some(ms(3000)))
        .recycle_timeout(Some(ms(1000)))
        .build()
        .map_err(unavailable)
}

fn bad(why: impl ToString) -> ConnectionError {
    ConnectionError::BadConnection(why.to_string())
}

/// A checked-out connection that is closed unless the work on it ran to its end. The pool itself looks at a returned
/// connection only on the next checkout; until then an abandoned transaction would keep its locks, and an abandoned
/// query would make the next user wait behind it.
struct Lease(Option<Object<Conn>>);

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(conn) = self.0.take() {
            drop(Object::take(conn));
        }
    }
}

async fn lease<T, E: From<DbError>>(
    pool: &Pool<Conn>,
    until: Instant,
    work: impl AsyncFnOnce(&mut Conn) -> Result<T, E>,
) -> Result<T, E> {
    let late = |_| E::from(DbError::Deadline);
    let conn = timeout_at(until, pool.get()).await.map_err(late)?.map_err(DbError::from)?;
    let mut lease = Lease(Some(conn));
    let Some(conn) = lease.0.as_mut() else { return Err(unavailable("no connection").into()) };
    let result = timeout_at(until, work(conn)).await.map_err(late)?;
    drop(lease.0.take()); // back to the pool
    result
}

/// Slow read-only queries. Dropping the future cancels the query.
#[derive(Clone)]
pub struct Reports(Pool<Conn>);

impl Reports {
    /// Plans are made for the values of each call, which is worth its time for a query that is slow anyway.
    pub fn new(target: &Target, size: usize) -> Result<Self, DbError> {
        let settings =
            "-c default_transaction_read_only=on -c statement_timeout=30s -c plan_cache_mode=force_custom_plan";
        Ok(Self(pool(target.session("simpul-reports", settings), size, Handle::current())?))
    }

    /// Runs one query on a connection of its own.
    pub async fn run<T, F>(&self, query: F) -> Result<T, DbError>
    where
        F: AsyncFnOnce(&mut Conn) -> QueryResult<T>,
    {
        lease(&self.0, Instant::now() + REPORT_DEADLINE, async |c| Ok(query(c).await?)).await
    }
}

/// `AsyncFnOnce` whose future is `Send`, which the language cannot say yet (same trick as inside diesel-async).
pub trait TxBody<C, R>: AsyncFnOnce(C) -> R + FnOnce(C) -> <Self as TxBody<C, R>>::Fut {
    /// What calling the body gives.
    type Fut: Future<Output = R> + Send;
}
impl<F, C, R, Fut> TxBody<C, R> for F
where
    F: AsyncFnOnce(C) -> R + FnOnce(C) -> Fut,
    Fut: Future<Output = R> + Send,
{
    type Fut = Fut;
}

/// Transactions, on the runtime it was made on: they outlive both handler and worker.
#[derive(Clone)]
pub struct Writer {
    pool: Pool<Conn>,
    home: Handle,
    tasks: TaskTracker,
    deadline: Duration,
}

impl Writer {
    /// For requests: a client waits for the answer. Call on the main runtime.
    pub fn new(target: &Target, size: usize) -> Result<Self, DbError> {
        Self::with(
            target.session("simpul-writer", &format!("-c statement_timeout=3s {SETTINGS}")),
            size,
            WRITE_DEADLINE,
        )
    }

    /// For what no client waits for: jobs, an operator's commands, the demo's data. On a busy machine they are slow, and not
    /// refused.
    pub fn patient(target: &Target, size: usize) -> Result<Self, DbError> {
        Self::with(target.session("simpul-jobs", &format!("-c statement_timeout=60s {SETTINGS}")), size, JOB_DEADLINE)
    }

    fn with(target: Target, size: usize, deadline: Duration) -> Result<Self, DbError> {
        let home = Handle::current();
        Ok(Self { pool: pool(target, size, home.clone())?, home, tasks: TaskTracker::new(), deadline })
    }

    /// Runs `body` in a transaction. See [`super::Db::write`].
    pub async fn run<T, E, F>(&self, body: F) -> Result<T, E>
    where
        for<'c> F:
            AsyncFnOnce(&'c mut Conn) -> Result<T, E> + TxBody<&'c mut Conn, Result<T, E>> + Clone + Send + 'static,
        T: Send + 'static,
        E: TxError,
    {
        let (pool, deadline) = (self.pool.clone(), self.deadline);
        let attempts = async move {
            let until = Instant::now() + deadline;
            let mut attempt = 1;
            loop {
                let body = body.clone();
                match lease(&pool, until, async |c| c.transaction(body).await).await {
                    Err(error) if error.retryable() && attempt < WRITE_ATTEMPTS => {
                        sleep(jitter(ms(20) * attempt)).await;
                    }
                    done => return done,
                }
                attempt += 1;
            }
        };
        let task = self.tasks.spawn_on(attempts, &self.home);
        // Err: the body panicked, or the process is going down
        task.await.unwrap_or_else(|error| Err(unavailable(error).into()))
    }

    /// Starts what goes on after the answer to a request; [`Writer::drain`] waits for it, so it must end soon when the service
    /// is asked to stop.
    pub fn start(&self, work: impl Future<Output = ()> + Send + 'static) {
        drop(self.tasks.spawn_on(work, &self.home));
    }

    /// Waits for transactions whose clients have gone; call before the process exits.
    pub async fn drain(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

//! Pipelined reads: connections that many requests use at once.
use super::{Conn, DbError, Target, connect, ms, unavailable};
use diesel::QueryResult;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::task::AbortOnDropHandle;

const CONNECT_TIMEOUT: Duration = ms(400);
/// Must exceed the reader's `statement_timeout`: then a missed deadline means a silent server or a clogged pipeline,
/// not merely one slow statement, and giving up the connection is the right answer.
const READ_DEADLINE: Duration = ms(800);
const RECONNECT: (Duration, Duration) = (ms(50), ms(1000));

/// Spreads what would otherwise happen at one instant on every worker.
pub(super) fn jitter(max: Duration) -> Duration {
    max.mul_f64(0.5 + fastrand::f64() / 2.0)
}

/// One connection that is in use by many requests at once.
struct Live {
    conn: Conn,
    /// Requests still waiting own an `Arc<Live>`; the last one closes the socket, even if the server is silent
    /// (dropping only the client would leave the driver waiting for outstanding answers).
    _driver: AbortOnDropHandle<()>,
}

enum State {
    Connecting,
    Up(Arc<Live>),
    Down(DbError),
}

/// A supervised connection, opened on first use and then kept open.
///
/// Requests share `&Conn` through an `Arc`, because tokio-postgres already is an owner task with a channel: the driver
/// matches answers to requests by order, and a dropped request leaves a closed receiver whose answer the driver reads
/// and discards. `&Conn` also cannot start a transaction, which needs `&mut`.
pub(super) struct Link {
    target: Target,
    state: watch::Sender<State>,
    supervisor: OnceLock<AbortOnDropHandle<()>>,
}

impl Link {
    pub(super) fn new(target: Target) -> Self {
        Self { target, state: watch::Sender::new(State::Connecting), supervisor: OnceLock::new() }
    }

    /// Requests in flight. A broken link ranks last: it is always idle and would otherwise attract every request.
    fn load(&self) -> usize {
        match &*self.state.borrow() {
            State::Up(live) => Arc::strong_count(live),
            State::Connecting if self.supervisor.get().is_none() => 0,
            State::Connecting => usize::MAX - 1,
            State::Down(_) => usize::MAX,
        }
    }

    /// New requests get a successor; those already waiting on this connection may still get their answer.
    fn retire(state: &watch::Sender<State>, live: &Arc<Live>) {
        state.send_if_modified(|s| {
            let current = matches!(s, State::Up(now) if Arc::ptr_eq(now, live));
            if current {
                *s = State::Connecting;
            }
            current
        });
    }

    async fn supervise(target: Target, state: watch::Sender<State>) {
        let mut pause = RECONNECT.0;
        loop {
            match Self::connect(&target).await {
                Ok((live, lost)) => {
                    let (live, born, mut changes) = (Arc::new(live), Instant::now(), state.subscribe());
                    state.send_replace(State::Up(live.clone()));
                    tokio::select! { () = lost.notified() => {}, _ = changes.wait_for(|s| !matches!(s, State::Up(_))) => {} }
                    Self::retire(&state, &live);
                    if born.elapsed() > RECONNECT.1 {
                        pause = RECONNECT.0; // it had been good: requests wait for one immediate new attempt
                        continue;
                    }
                    state.send_replace(State::Down(unavailable("connection lost")));
                }
                // Stays `Down` during the next attempt: requests fail at once instead of queueing for it.
                Err(error) => {
                    tracing::warn!(%error, "database connection failed");
                    state.send_replace(State::Down(error));
                }
            }
            // Jitter: workers that lost the server together must not come back together.
            sleep(jitter(pause)).await;
            pause = (pause * 2).min(RECONNECT.1);
        }
    }

    async fn connect(target: &Target) -> Result<(Live, Arc<Notify>), DbError> {
        // Config::connect_timeout covers only the socket; a stopped server accepts and then says nothing.
        let open = async {
            let (conn, driver) = connect::Target::connect(target).await?;
            let lost = Arc::new(Notify::new());
            let on_end = lost.clone();
            let driver = AbortOnDropHandle::new(driver);
            let driver = AbortOnDropHandle::new(tokio::spawn(async move {
                let _ = driver.await;
                on_end.notify_one();
            }));
            Ok((Live { conn, _driver: driver }, lost))
        };
        timeout(CONNECT_TIMEOUT, open).await.unwrap_or_else(|_| Err(unavailable("connect timed out")))
    }

    pub(super) async fn run<T, F>(&self, deadline: Duration, query: F) -> Result<T, DbError>
    where
        F: AsyncFnOnce(&mut &Conn) -> QueryResult<T>,
    {
        // On the runtime of the first caller (the actix worker), so that an answer wakes no other thread.
        let supervise =
            || AbortOnDropHandle::new(tokio::spawn(Self::supervise(self.target.clone(), self.state.clone())));
        self.supervisor.get_or_init(supervise);
        let until = Instant::now() + deadline;
        let live = self.live(until).await?;
        let result = match timeout_at(until, query(&mut &live.conn)).await {
            Ok(answer) => answer.map_err(DbError::from),
            Err(_) => Err(DbError::Deadline),
        };
        // A statement_timeout is the server's own answer: the connection is fine.
        if matches!(result, Err(DbError::Unavailable(_) | DbError::Deadline)) {
            Self::retire(&self.state, &live);
        }
        result
    }

    async fn live(&self, until: Instant) -> Result<Arc<Live>, DbError> {
        let ready = |s: &State| match s {
            State::Connecting => None,
            State::Up(live) => Some(Ok(live.clone())),
            State::Down(error) => Some(Err(error.clone())),
        };
        if let Some(now) = ready(&self.state.borrow()) {
            return now; // the usual case, without registering a waiter
        }
        let mut changes = self.state.subscribe();
        let now = timeout_at(until, changes.wait_for(|s| ready(s).is_some())).await;
        let state = now.map_err(|_| DbError::Deadline)?.map_err(unavailable)?;
        ready(&state).unwrap_or_else(|| Err(unavailable("still connecting")))
    }
}

/// Single-statement reads over a few pipelined connections of one worker.
pub struct Reader(Vec<Link>);

impl Reader {
    /// `links`: 1 for the highest throughput, 2 so that a slow statement delays only half of the requests behind it.
    ///
    /// Plans are generic: binding LIMIT would make PostgreSQL plan anew on every call. Queries whose best plan depends on
    /// the values belong to [`super::Reports`]. What takes a millisecond is planned for many more rows than it finds: workers
    /// beside it, and code made for it, would take longer to start than it takes.
    pub fn new(target: &Target, links: usize) -> Self {
        let settings = "-c default_transaction_read_only=on -c statement_timeout=300 \
             -c plan_cache_mode=force_generic_plan -c max_parallel_workers_per_gather=0 -c jit=off";
        Self((0..links).map(|_| Link::new(target.session("simpul-reader", settings))).collect())
    }

    /// `reader.run(async |c| users::table.find(id).first::<User>(c).await).await?`
    ///
    /// Await or drop the future, do not park it: unread rows and a half-prepared statement hold up everybody on the
    /// connection until their deadline.
    pub async fn run<T, F>(&self, query: F) -> Result<T, DbError>
    where
        F: AsyncFnOnce(&mut &Conn) -> QueryResult<T>,
    {
        let link = self.0.iter().min_by_key(|l| l.load()).ok_or_else(|| unavailable("no links configured"))?;
        link.run(READ_DEADLINE, query).await
    }
}

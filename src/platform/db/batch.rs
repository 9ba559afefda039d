//! Group commit: rows of many requests in one insert.
use super::link::Link;
use super::{Conn, DbError, Target, ms, unavailable};
use diesel::QueryResult;
use std::future::Future;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

const BATCH: usize = 500;
const QUEUE: usize = 4096;
const DEADLINE: Duration = ms(900);

/// A row that is worth inserting together with others, in **one statement**: one statement is one transaction, all rows
/// or none. Insert from arrays (`unnest`), not `values(rows)`: the SQL text is then the same for any number of rows, so
/// that it is prepared once (diesel never caches a batch insert).
pub trait GroupInsert: Send + Sync + Sized + 'static {
    /// Inserts all rows.
    fn insert(conn: &mut &Conn, rows: &[Self]) -> impl Future<Output = QueryResult<usize>> + Send;
}

type Pending<R> = (R, oneshot::Sender<Result<(), DbError>>);

/// Gathers the rows that arrive while one commit is under way and commits them together, so that a read whose access is
/// recorded before its answer costs far less than a commit of its own.
pub struct GroupCommit<R>(mpsc::Sender<Pending<R>>);

impl<R> Clone for GroupCommit<R> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<R: GroupInsert> GroupCommit<R> {
    /// Starts the committing task on the current runtime; one per worker.
    pub fn new(target: &Target, name: &str) -> Self {
        // Stated, not inherited: an ALTER ROLE elsewhere must not turn an acknowledgement into a hope.
        let link = Link::new(target.session(name, "-c synchronous_commit=on -c statement_timeout=800"));
        let (sender, receiver) = mpsc::channel(QUEUE);
        tokio::spawn(Self::flush(link, receiver));
        Self(sender)
    }

    /// `Ok` means committed. An error means "not known to be committed". A dropped caller does not withdraw its row.
    pub async fn commit(&self, row: R) -> Result<(), DbError> {
        let (done, wait) = oneshot::channel();
        self.0.try_send((row, done)).map_err(|_| DbError::Busy)?;
        match timeout(DEADLINE, wait).await {
            Ok(answer) => answer.unwrap_or_else(|_| Err(unavailable("recorder stopped"))),
            Err(_) => Err(DbError::Deadline),
        }
    }

    async fn flush(link: Link, mut receiver: mpsc::Receiver<Pending<R>>) {
        let mut batch = Vec::with_capacity(BATCH);
        // No waiting for company: rows that arrive during one commit share the next.
        while receiver.recv_many(&mut batch, BATCH).await > 0 {
            let (rows, waiters): (Vec<_>, Vec<_>) = batch.drain(..).unzip();
            let result = Self::insert(&link, &rows).await;
            let refused = rows.len() > 1 && matches!(result, Err(DbError::Query(_)));
            for (row, waiter) in rows.iter().zip(waiters) {
                // Refused means that nothing was committed because of some row. One request must not be able to fail
                // the others, so each row is tried alone.
                let answer =
                    if refused { Self::insert(&link, std::slice::from_ref(row)).await } else { result.clone() };
                let _ = waiter.send(answer); // the request may be gone; its row stays
            }
        }
    }

    async fn insert(link: &Link, rows: &[R]) -> Result<(), DbError> {
        link.run(DEADLINE, async |c| R::insert(c, rows).await).await.map(drop)
    }
}

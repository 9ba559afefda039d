//! Every SQL statement on `audit_events`.
use super::rules::Event;
use crate::platform::db::sql::{unnest, uuids, words};
use crate::platform::db::{Conn, DbError, GroupCommit, GroupInsert, Target};
use crate::platform::error::ApiResult;
use crate::platform::http::Identity;
use crate::schema::audit_events as t;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use quick_cache::sync::Cache;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Records an event in the transaction of what it speaks of.
pub async fn record(conn: &mut Conn, event: &Event) -> QueryResult<()> {
    diesel::insert_into(t::table).values(event).execute(conn).await.map(drop)
}

/// When each client's last refusal was recorded. Shared by all workers.
pub type Refusals = Arc<Cache<Identity, Instant>>;

/// One a second of each client is enough to see an attack, and none can fill the disk.
const REFUSALS_EVERY: Duration = Duration::from_secs(1);

/// Records reads and refusals: many in one commit.
#[derive(Clone)]
pub struct Recorder {
    commits: GroupCommit<Event>,
    refusals: Refusals,
}

impl Recorder {
    /// One per worker.
    pub fn new(target: &Target, refusals: Refusals) -> Self {
        Self { commits: GroupCommit::new(target, "simpul-recorder"), refusals }
    }

    /// Returns when the event is committed. On an error show nothing of what it speaks of: 503.
    pub async fn record(&self, event: Event) -> ApiResult<()> {
        // Refused or unreachable is the same to the caller: try again later.
        self.commits.commit(event).await.map_err(|error| DbError::Unavailable(error.to_string().into()).into())
    }

    /// Records a refusal, in a transaction of its own: the request had none, or rolled it back.
    pub async fn record_refusal(&self, who: Identity, event: Event) -> ApiResult<()> {
        if self.refusals.get(&who).is_some_and(|last| last.elapsed() < REFUSALS_EVERY) {
            return Ok(());
        }
        self.refusals.insert(who, Instant::now());
        self.record(event).await
    }
}

/// One column of all rows.
fn column<T>(rows: &[Event], of: impl Fn(&Event) -> T) -> Vec<T> {
    rows.iter().map(of).collect()
}

/// An array column travels as the text of each row's array.
fn uuid_list(ids: &[uuid::Uuid]) -> String {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    format!("{{{}}}", ids.join(","))
}

impl GroupInsert for Event {
    async fn insert(conn: &mut &Conn, rows: &[Self]) -> QueryResult<usize> {
        let values = diesel::select((
            (
                unnest(column(rows, |r| r.id)),
                unnest(column(rows, |r| r.at)),
                unnest(column(rows, |r| r.action.clone())),
                unnest(column(rows, |r| r.outcome.as_str())),
                unnest(column(rows, |r| r.request_id)),
                unnest(column(rows, |r| r.agency_id)),
                unnest(column(rows, |r| r.client_id)),
                unnest(column(rows, |r| r.acting_user.clone())),
            ),
            (
                unnest(column(rows, |r| r.volunteer_id)),
                unnest(column(rows, |r| r.purpose.clone())),
                unnest(column(rows, |r| r.subject_type.clone())),
                uuids(unnest(column(rows, |r| uuid_list(&r.subject_ids)))),
                uuids(unnest(column(rows, |r| uuid_list(&r.person_ids)))),
                words(unnest(column(rows, |r| r.fields.join(",")))),
                unnest(column(rows, |r| r.region_code.clone())),
                unnest(column(rows, |r| r.detail.clone())),
            ),
        ));
        let columns = (
            (t::id, t::at, t::action, t::outcome, t::request_id, t::agency_id, t::client_id, t::acting_user),
            (
                t::volunteer_id,
                t::purpose,
                t::subject_type,
                t::subject_ids,
                t::person_ids,
                t::fields,
                t::region_code,
                t::detail,
            ),
        );
        values.insert_into(t::table).into_columns(columns).execute(conn).await
    }
}

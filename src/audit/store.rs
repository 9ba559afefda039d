//! Every SQL statement on `audit_events`.
use super::rules::{Event, Outcome, SubjectId};
use crate::access::rules::{AgencyId, Caller, ClientId, Sight, VolunteerId};
use crate::platform::db::sql::{Columns, Known, audit_tells, unnest, uuids, words};
use crate::platform::db::{Conn, DbError, GroupCommit, GroupInsert, Target};
use crate::platform::error::ApiResult;
use crate::platform::http::Identity;
use crate::platform::region_code::RegionCode;
use crate::schema::audit_events as t;
use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use diesel_async::RunQueryDsl;
use quick_cache::sync::Cache;
use serde::Serialize;
use std::sync::Arc;
use std::time::{Duration, Instant};
use utoipa::ToSchema;
use uuid::Uuid;

/// Who did what, or saw whose data. It holds ids and codes, never personal data.
#[derive(Debug, Clone, Queryable, Selectable, Serialize, ToSchema)]
#[diesel(table_name = t, check_for_backend(diesel::pg::Pg))]
pub struct AuditEvent {
    pub(super) id: Uuid,
    pub(super) at: DateTime<Utc>,
    /// `resource.verb`.
    #[schema(example = "referral.reveal")]
    action: String,
    outcome: Outcome,
    /// `X-Request-Id` of the request.
    request_id: Uuid,
    /// Who acted; null: time itself, as when a referral expires.
    #[schema(required)]
    agency_id: Option<AgencyId>,
    #[schema(required)]
    client_id: Option<ClientId>,
    /// The agency's own opaque id of the officer at the keyboard.
    #[schema(required, example = "staf-0017")]
    acting_user: Option<String>,
    /// Of a phone.
    #[schema(required)]
    volunteer_id: Option<VolunteerId>,
    /// Why personal data were read: as stated with the request, or registered with the client.
    #[schema(required)]
    purpose: Option<String>,
    /// What was acted on.
    #[schema(required, example = "referral")]
    subject_type: Option<String>,
    subject_ids: Vec<Uuid>,
    /// Whose data were shown or changed: volunteers, and the persons of cases.
    person_ids: Vec<Uuid>,
    /// Which of their data were shown.
    #[schema(example = json!(["name", "nik"]))]
    fields: Vec<String>,
    /// A code: the reason of an act, or why it was refused.
    #[schema(required, example = "forbidden")]
    detail: Option<String>,
    #[serde(skip)]
    subject_regions: Vec<String>,
}

impl AuditEvent {
    /// Without the rows of others' regions: a list of the ministry's shows rows of the whole country in one event.
    fn told_to(mut self, caller: &Caller) -> Self {
        let Sight::Region(own) = &caller.sight else { return self };
        if self.subject_regions.is_empty() || self.agency_id == Some(caller.agency) {
            return self;
        }
        let in_sight = |place: &String| RegionCode::parse(place).is_ok_and(|place| own.contains(&place));
        let shown: Vec<bool> = self.subject_regions.iter().map(in_sight).collect();
        for ids in [&mut self.subject_ids, &mut self.person_ids] {
            let mut shown = shown.iter().copied();
            ids.retain(|_| shown.next().unwrap_or(false));
        }
        self
    }
}

/// Which events.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// That speak of this row or person.
    pub subject: Option<SubjectId>,
    /// Of this agency.
    pub agency: Option<AgencyId>,
    /// Of this client.
    pub client: Option<ClientId>,
    /// Of this action.
    pub action: Option<String>,
    /// That ended so.
    pub outcome: Option<Outcome>,
    /// That concern this region.
    pub region: Option<RegionCode>,
    /// At or after.
    pub at_from: Option<DateTime<Utc>>,
    /// Before.
    pub at_before: Option<DateTime<Utc>>,
}

type Filter = Box<dyn BoxableExpression<t::table, Pg, SqlType = Bool>>;

/// What a caller may read: its own agency's acts, its branches' too, and what concerns its region, whoever did it.
fn visible_to(caller: &Caller) -> Filter {
    let by = |ids: Vec<AgencyId>| Known(t::agency_id.eq_any(ids));
    match &caller.sight {
        Sight::Everything => Box::new(true.into_sql::<Bool>()),
        Sight::Region(own) => Box::new(by(vec![caller.agency]).or(t::region_codes.contains(vec![own.clone()]))),
        Sight::Addressed(agencies) => Box::new(by(agencies.clone())),
        Sight::Own(volunteer) => Box::new(Known(t::volunteer_id.eq(*volunteer))),
    }
}

fn only(caller: &Caller, wanted: &Wanted) -> Filter {
    let mut parts = vec![visible_to(caller)];
    if let Some(SubjectId(id)) = wanted.subject {
        parts.push(Box::new(t::subject_ids.contains(vec![id]).or(t::person_ids.contains(vec![id]))));
        if let Sight::Region(own) = &caller.sight {
            let told = audit_tells(id, t::subject_ids, t::person_ids, t::subject_regions, own.as_str().to_owned());
            parts.push(Box::new(Known(t::agency_id.eq(caller.agency)).or(told)));
        }
    }
    if let Some(agency) = wanted.agency {
        parts.push(Box::new(Known(t::agency_id.eq(agency))));
    }
    if let Some(client) = wanted.client {
        parts.push(Box::new(Known(t::client_id.eq(client))));
    }
    if let Some(action) = wanted.action.clone() {
        parts.push(Box::new(t::action.eq(action)));
    }
    if let Some(outcome) = wanted.outcome {
        parts.push(Box::new(t::outcome.eq(outcome)));
    }
    if let Some(region) = wanted.region.clone() {
        // Where else others' events took place is not theirs to know.
        if let Sight::Region(own) = &caller.sight
            && !own.contains(&region)
            && !region.contains(own)
        {
            parts.push(Box::new(Known(t::agency_id.eq(caller.agency))));
        }
        parts.push(Box::new(t::region_codes.contains(vec![region])));
    }
    if let Some(from) = wanted.at_from {
        parts.push(Box::new(t::at.ge(from)));
    }
    if let Some(before) = wanted.at_before {
        parts.push(Box::new(t::at.lt(before)));
    }
    parts.into_iter().reduce(|all, part| Box::new(all.and(part))).unwrap_or_else(|| Box::new(false.into_sql::<Bool>()))
}

/// One page, newest first.
pub async fn list(
    conn: &mut &Conn,
    caller: &Caller,
    wanted: &Wanted,
    after: Option<(DateTime<Utc>, Uuid)>,
    limit: i64,
) -> QueryResult<Vec<AuditEvent>> {
    let query = t::table.filter(only(caller, wanted)).select(AuditEvent::columns());
    let mut query = query.order((t::at.desc(), t::id.desc())).limit(limit).into_boxed();
    if let Some((at, id)) = after {
        query = query.filter(t::at.le(at).and(t::at.lt(at).or(t::id.lt(id))));
    }
    let rows: Vec<AuditEvent> = query.load(conn).await?;
    Ok(rows.into_iter().map(|event| event.told_to(caller)).collect())
}

/// How many the whole list has.
pub async fn count(conn: &mut &Conn, caller: &Caller, wanted: &Wanted) -> QueryResult<i64> {
    t::table.filter(only(caller, wanted)).count().into_boxed().get_result(conn).await
}

/// Records an event in the transaction of what it speaks of.
pub async fn record(conn: &mut Conn, event: &Event) -> QueryResult<()> {
    diesel::insert_into(t::table).values(event).execute(conn).await.map(drop)
}

/// When each client's last refusal was recorded. Shared by all workers.
pub type Refusals = Arc<Cache<(Identity, bool), Instant>>;

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

    /// Records a refusal, in a transaction of its own: the request had none, or rolled it back. `proved`: it was the client, and
    /// not somebody who only names it; whoever does that must not hide what the client was refused.
    pub async fn record_refusal(&self, who: Identity, proved: bool, event: Event) -> ApiResult<()> {
        if self.refusals.get(&(who, proved)).is_some_and(|last| last.elapsed() < REFUSALS_EVERY) {
            return Ok(());
        }
        self.refusals.insert((who, proved), Instant::now());
        self.record(event).await
    }
}

/// One column of all rows.
fn column<T>(rows: &[Event], of: impl Fn(&Event) -> T) -> Vec<T> {
    rows.iter().map(of).collect()
}

/// An array column travels as the text of each row's array; none of these words has a comma.
fn joined(words: &[impl ToString]) -> String {
    let words: Vec<String> = words.iter().map(ToString::to_string).collect();
    words.join(",")
}

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
                words(unnest(column(rows, |r| joined(&r.fields)))),
                unnest(column(rows, |r| r.detail.clone())),
                words(unnest(column(rows, |r| joined(&r.region_codes)))),
                words(unnest(column(rows, |r| joined(&r.subject_regions)))),
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
                t::detail,
                t::region_codes,
                t::subject_regions,
            ),
        );
        values.insert_into(t::table).into_columns(columns).execute(conn).await
    }
}

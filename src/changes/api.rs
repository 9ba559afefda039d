//! `GET /v1/changes`, and whether the service is ready to serve it.
use super::rules::{ChangeType, Cursor, Op, Reader, Standing, tell};
use super::store;
use crate::access::api::Permit;
use crate::access::rules::ReadChanges;
use crate::platform::answer::Answer;
use crate::platform::app::Shared;
use crate::platform::db::Db;
use crate::platform::error::{ApiError, ApiResult, Fault, Place as At, Problem, UNAVAILABLE};
use crate::platform::input::{parse_query, several};
use crate::platform::page::{Limit, PageSize, Paged};
use actix_web::dev::Payload;
use actix_web::web::Json;
use actix_web::{FromRequest, HttpRequest, get};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::future::{Ready, ready as done};
use url::form_urlencoded::{Serializer, parse};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// A change is little: more of them than rows of a list.
const PAGES: PageSize = PageSize { usual: 200, most: 1000 };
type FeedLimit = Limit<{ PAGES.usual }>;

crate::text_enum! {
    /// Where to begin.
    Since {
        /// Behind all that has been told until now.
        Now = "now",
    }
}

/// Which changes.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ChangeFilter {
    /// Only of these; may be repeated.
    #[serde(default, deserialize_with = "several")]
    #[param(inline, max_items = 100)]
    r#type: Vec<ChangeType>,
}

/// Where to begin, and how much at once.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents what `Asked` reads")]
struct FeedParams {
    /// `next_cursor` of the answer before. It carries `type`, which may be left out, or must be the same.
    cursor: Option<String>,
    /// `now`: no changes, but the cursor behind all that there are. Not with `cursor`. With neither the feed begins
    /// with the oldest change that is kept.
    #[param(inline)]
    since: Option<Since>,
    /// Most changes of an answer; more than 1000 gives 1000.
    #[param(inline, value_type = Option<FeedLimit>)]
    limit: Option<i64>,
}

/// What is asked for.
pub struct Asked {
    paged: Paged<ChangeFilter>,
    now: bool,
}

impl FromRequest for Asked {
    type Error = ApiError;
    type Future = Ready<ApiResult<Self>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        done(Self::read(req))
    }
}

impl Asked {
    /// `since` is not for the cursor: it says where to begin, and the cursor where to go on.
    fn read(req: &HttpRequest) -> ApiResult<Self> {
        #[derive(Deserialize)]
        struct Begin {
            since: Option<Since>,
        }
        let query = |pairs: Vec<_>| Serializer::new(String::new()).extend_pairs(pairs).finish();
        let (begin, list): (Vec<_>, Vec<_>) =
            parse(req.query_string().as_bytes()).partition(|(name, _)| name == "since");
        let (begin, goes_on) = (parse_query::<Begin>(&query(begin))?, list.iter().any(|(name, _)| name == "cursor"));
        if begin.since.is_some() && goes_on {
            let both = Fault::new("not_with_cursor", "tidak bersama cursor", "not together with cursor");
            return Err(ApiError::malformed(At::Parameter("since".to_owned()), both));
        }
        Ok(Self { paged: Paged::read(req, &query(list), PAGES)?, now: begin.since.is_some() })
    }
}

/// A change: read the row at its own address, and forget it if that answers 404.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChangeItem {
    /// Of what: `volunteer`, `case`, `referral`, `training_event`, `training_enrolment`, `agency`. Pass over what you
    /// do not know: more will be added.
    #[schema(example = "referral")]
    r#type: String,
    /// Id of the row.
    id: Uuid,
    /// Version of the row by this change. Smaller than what you hold: you have read it already. The same: something
    /// changed that has no version of its own.
    version: i32,
    /// What to do.
    op: Op,
    /// When it was changed. Not the order: changes come in the order in which they became visible.
    at: DateTime<Utc>,
    /// With `redirected`: the id to use from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    redirected_to: Option<Uuid>,
}

/// Changes in their order, each once.
#[derive(Debug, Serialize, ToSchema)]
pub struct Changes {
    items: Vec<ChangeItem>,
    /// Never null: ask again with it, at once if there is `more`, else after a while. The same as was sent as long as
    /// nothing happens.
    next_cursor: String,
    /// There may be more. An answer may have no items and more: one request looks at so many changes, whomever they
    /// concern.
    more: bool,
}

/// Read what has changed
///
/// Ids of rows that the caller may see, or saw until then: `upsert` (read it again), `removed` (forget it: it is out of
/// your sight, or gone), `redirected`. First take a cursor with `since=now`, then read your lists whole, then ask with
/// the cursor again and again; what was changed in between comes, and may be known already.
///
/// The cursor belongs to what the caller may see. 410 `resync_required`: it is older than what is kept, the database
/// was restored, or the caller sees something else by now. Begin anew.
#[utoipa::path(tag = "partners", security(("oauth2" = ["changes:read"])), params(FeedParams, ChangeFilter),
    responses((status = 200, body = Changes, description = "Changes, perhaps none.", example = json!({
            "items": [
                { "type": "referral", "id": "0194c2a0-7d3e-7c1b-9f57-1c2d3e4f5a6b", "version": 3, "op": "upsert", "at": "2026-11-25T03:00:00Z" },
                { "type": "volunteer", "id": "0194c2a0-7d3e-7c1b-9f57-1c2d3e4f5a6c", "version": 7, "op": "removed", "at": "2026-11-25T03:00:01Z" }],
            "next_cursor": "AQN2kXtMm3Yt0yWc", "more": false })),
        (status = 410, body = Problem, content_type = "application/problem+json", description = "The cursor cannot be continued (`resync_required`; `errors` says why): begin with `since=now`, then read all lists.", example = json!({
            "type": "https://simpul.example/docs/errors#resync_required", "title": "Gone", "status": 410,
            "detail": "This cursor cannot be continued: begin again with since=now, then read all lists.",
            "instance": "urn:uuid:0194c2a0-7d3e-7c1b-9f57-1c2d3e4f5a6b", "code": "resync_required",
            "errors": [{ "parameter": "cursor", "code": "too_old", "detail": "what followed is not kept any more" }] }))))]
#[get("/v1/changes")]
pub async fn list_changes(caller: Permit<ReadChanges>, asked: Asked, db: Db) -> ApiResult<Answer> {
    let (reader, paged) = (Reader::of(&caller), &asked.paged);
    let cursor: Option<Cursor> = paged.after()?;
    if let Some(cursor) = &cursor {
        cursor.check_reader(&reader)?;
    }
    let found = if asked.now {
        vec![]
    } else {
        let from = cursor.as_ref().map(|cursor| cursor.place).unwrap_or_default();
        db.read(async |c| store::after(c, &reader, &paged.filter.r#type, from).await).await?
    };
    let standing = db.read(async |c| store::standing(c).await).await?;
    let begin = match &cursor {
        Some(cursor) => cursor.check_place(&standing).map(|()| cursor.place)?,
        None if asked.now => standing.now(),
        None => standing.swept,
    };
    let told = tell(found, paged.limit);
    let end = next(&standing, told.end.unwrap_or(begin), &reader)?;
    let next_cursor = paged.cursor(end)?;
    let link = told.more.then(|| paged.link(&next_cursor));
    let items = told.changes.into_iter().map(|(change, op)| ChangeItem {
        r#type: change.r#type,
        id: change.id,
        version: change.version,
        op,
        at: change.at,
        redirected_to: change.redirected_to.filter(|_| op == Op::Redirected),
    });
    let answer = Answer::ok(&Changes { items: items.collect(), next_cursor, more: told.more })?;
    Ok(if let Some(link) = link { answer.header("link", link) } else { answer })
}

fn next(standing: &Standing, place: super::rules::Place, reader: &Reader) -> ApiResult<serde_json::Value> {
    let cursor = Cursor { generation: standing.generation, place, reader: reader.digest() };
    serde_json::to_value(cursor).map_err(|_| ApiError::internal("cursor cannot be written"))
}

/// Whether the service can answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct Readiness {
    /// Always `ok`: anything else is a problem.
    #[schema(example = "ok")]
    status: &'static str,
    /// For how many seconds the oldest change has been waiting to be told by `/v1/changes`: an older transaction of the
    /// database cluster is still open. 0: none waits.
    #[schema(example = 0, minimum = 0)]
    feed_lag_seconds: u32,
}

/// Can the service answer requests?
///
/// Fails while the database cannot be reached and while the service stops, so that a balancer sends requests elsewhere.
/// A feed that lags does not make it fail: requests are answered.
#[utoipa::path(tag = "operations", responses((status = 200, body = Readiness, description = "It can.")))]
#[get("/readyz")]
pub async fn ready(app: Shared, db: Db) -> ApiResult<Json<Readiness>> {
    if app.is_stopping() {
        return Err(ApiError::from(&UNAVAILABLE).header("retry-after", 5));
    }
    let waiting = db.read(async |c| store::oldest_waiting(c).await).await?;
    let lag = waiting.map(|since| (app.clock.now() - since).num_seconds()).unwrap_or_default();
    let feed_lag_seconds = u32::try_from(lag.max(0)).unwrap_or(u32::MAX);
    metrics::gauge!("feed_lag_seconds").set(f64::from(feed_lag_seconds));
    Ok(Json(Readiness { status: "ok", feed_lag_seconds }))
}

//! Reading events, their history, and what a volunteer attended and passed.
use super::TrainingEventView;
use crate::access::api::Permit;
use crate::access::rules::{AgencyId, ReadTraining, VolunteerId};
use crate::codes::rules::Code;
use crate::platform::answer::Answer;
use crate::platform::app::Shared;
use crate::platform::db::Db;
use crate::platform::error::ApiResult;
use crate::platform::input::{PathId, set, several};
use crate::platform::moment::Moment;
use crate::platform::openapi::PreferHeader;
use crate::platform::page::{Page, PageParams, Paged};
use crate::platform::region_code::RegionCode;
use crate::training::rules::{
    EnrolmentId, EnrolmentState, EventHistoryAction, EventLevel, EventState, TrainingEventId, TrainingResult,
    check_year,
};
use crate::training::store::{self, EventHistoryRow, Session, Taken, Wanted};
use crate::volunteers::api::elsewhere;
use crate::volunteers::store as volunteers;
use actix_web::get;
use chrono::{DateTime, Utc};
use diesel::OptionalExtension;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use utoipa::{IntoParams, ToSchema};

/// Which events. A repeated parameter is or, different ones are and.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TrainingEventFilter {
    /// Held for this region or one that lies in it.
    region: Option<RegionCode>,
    /// Of one of these levels.
    #[serde(default, deserialize_with = "several")]
    #[param(max_items = 100)]
    level: Vec<EventLevel>,
    /// In one of these states.
    #[serde(default, deserialize_with = "several")]
    #[param(max_items = 100)]
    state: Vec<EventState>,
    /// Starting then or later.
    starts_from: Option<Moment>,
    /// Starting before then.
    starts_before: Option<Moment>,
    /// Starting in this year, where it is held.
    #[serde(default, deserialize_with = "set")] // else an empty value would be none
    #[param(minimum = 1945, maximum = 9999)]
    year: Option<i16>,
    /// Whether a village of yours is invited.
    #[serde(default, deserialize_with = "set")]
    invited: Option<bool>,
}

/// List training events
///
/// In the order of their start: those that the caller organises, and all that are announced in its region, above it or
/// below. `Prefer: count=exact` tells how many there are.
#[utoipa::path(tag = "training", security(("oauth2" = ["training:read"])), params(TrainingEventFilter, PageParams, PreferHeader),
    responses((status = 200, body = Page<TrainingEventView>, description = "A page of events.")))]
#[get("/v1/training-events")]
pub async fn list_training_events(
    caller: Permit<ReadTraining>,
    paged: Paged<TrainingEventFilter>,
    db: Db,
) -> ApiResult<Answer> {
    let filter = &paged.filter;
    let wanted = Wanted {
        region: filter.region.clone(),
        level: filter.level.clone(),
        state: filter.state.clone(),
        starts_from: filter.starts_from.map(Moment::at),
        starts_before: filter.starts_before.map(Moment::at),
        year: filter.year.map(check_year).transpose()?,
        invited: filter.invited,
    };
    let after: Option<(DateTime<Utc>, TrainingEventId)> = paged.after()?;
    let rows = db.read(async |c| store::list(c, &caller, &wanted, after, paged.limit + 1).await).await?;
    let total =
        if paged.count { Some(db.read(async |c| store::count(c, &caller, &wanted).await).await?) } else { None };
    let (rows, after) = paged.cut(rows, |event| (event.starts_at, event.id));
    let ids: Vec<TrainingEventId> = rows.iter().map(|event| event.id).collect();
    let mut sessions: HashMap<TrainingEventId, Vec<Session>> = HashMap::new();
    for session in db.read(async |c| store::sessions(c, &ids).await).await? {
        sessions.entry(session.event_id).or_default().push(session);
    }
    let views = rows.into_iter().map(|event| {
        let own = sessions.remove(&event.id).unwrap_or_default();
        TrainingEventView::of(event, own)
    });
    paged.answer(views.collect(), after, total)
}

/// Read a training event
///
/// A draft is there for its organiser and the governments above; what is announced, for everyone in its region, above and
/// below, and for who is enrolled.
#[utoipa::path(tag = "training", security(("oauth2" = ["training:read"])), params(("id" = TrainingEventId, Path, description = "Id of the event.")),
    responses((status = 200, body = TrainingEventView, description = "The event.")))]
#[get("/v1/training-events/{id}")]
pub async fn read_training_event(
    caller: Permit<ReadTraining>,
    id: PathId<TrainingEventId>,
    db: Db,
) -> ApiResult<Answer> {
    let event = db.read(async |c| store::find(c, &caller, id.0).await).await?;
    let sessions = db.read(async |c| store::sessions(c, &[event.id]).await).await?;
    let version = event.version;
    Answer::row(&TrainingEventView::of(event, sessions), version)
}

/// A move of an event.
#[derive(Debug, Serialize, ToSchema)]
pub struct TrainingEventMove {
    at: DateTime<Utc>,
    /// Null: created.
    #[schema(required)]
    from: Option<EventState>,
    to: EventState,
    action: EventHistoryAction,
    agency_id: AgencyId,
    #[schema(required)]
    acting_user: Option<String>,
    /// Code of the list `training-reasons`.
    #[schema(required)]
    reason: Option<Code>,
    #[schema(required)]
    note: Option<String>,
}

impl From<EventHistoryRow> for TrainingEventMove {
    fn from(row: EventHistoryRow) -> Self {
        Self {
            at: row.at,
            from: row.from_state,
            to: row.to_state,
            action: row.action,
            agency_id: row.agency_id,
            acting_user: row.acting_user,
            reason: row.reason,
            note: row.note,
        }
    }
}

/// The history of an event's state.
#[derive(Debug, Serialize, ToSchema)]
pub struct TrainingEventHistory {
    /// Oldest first.
    items: Vec<TrainingEventMove>,
}

/// Read a training event's history
///
/// Every change of the state since the creation, oldest first.
#[utoipa::path(tag = "training", security(("oauth2" = ["training:read"])), params(("id" = TrainingEventId, Path, description = "Id of the event.")),
    responses((status = 200, body = TrainingEventHistory, description = "The history.")))]
#[get("/v1/training-events/{id}/history")]
pub async fn read_training_event_history(
    caller: Permit<ReadTraining>,
    id: PathId<TrainingEventId>,
    db: Db,
) -> ApiResult<Answer> {
    let event = db.read(async |c| store::find(c, &caller, id.0).await).await?;
    let rows = db.read(async |c| store::history(c, &event).await).await?;
    Answer::ok(&TrainingEventHistory { items: rows.into_iter().map(TrainingEventMove::from).collect() })
}

/// A training that a volunteer enrolled in.
#[derive(Debug, Serialize, ToSchema)]
pub struct TakenTraining {
    /// The volunteer of the path, or one that was merged into it.
    volunteer_id: VolunteerId,
    enrolment_id: EnrolmentId,
    event_id: TrainingEventId,
    title: String,
    level: EventLevel,
    /// Agency that organises it.
    organiser_id: AgencyId,
    starts_at: DateTime<Utc>,
    /// Of the event.
    event_state: EventState,
    /// Of the enrolment.
    state: EnrolmentState,
    /// Numbers of the sessions attended.
    attended: Vec<i16>,
    /// Null: none yet.
    #[schema(required)]
    result: Option<TrainingResult>,
    #[schema(required)]
    result_at: Option<DateTime<Utc>>,
}

/// The training of a volunteer.
#[derive(Debug, Serialize, ToSchema)]
pub struct VolunteerTraining {
    /// In the order of the events' start.
    items: Vec<TakenTraining>,
}

impl TakenTraining {
    fn of((enrolment, title, level, event_state, starts_at, organiser_id): Taken, attended: Vec<i16>) -> Self {
        Self {
            volunteer_id: enrolment.volunteer_id,
            enrolment_id: enrolment.id,
            event_id: enrolment.event_id,
            title,
            level,
            organiser_id,
            starts_at,
            event_state,
            state: enrolment.state,
            attended,
            result: enrolment.result,
            result_at: enrolment.result_at,
        }
    }
}

/// Read a volunteer's training
///
/// What the volunteer enrolled in, attended and passed, wherever that was, and whoever was merged into it; the level in the
/// volunteer follows from it.
#[utoipa::path(tag = "training", security(("oauth2" = ["training:read"])), params(("id" = VolunteerId, Path, description = "Id of the volunteer.")),
    responses((status = 200, body = VolunteerTraining, description = "The training."), (status = 308, description = "Merged into another volunteer: `Location` has that one's.")))]
#[get("/v1/volunteers/{id}/training")]
pub async fn read_volunteer_training(
    caller: Permit<ReadTraining>,
    id: PathId<VolunteerId>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    if db.read(async |c| volunteers::find(c, &caller, id.0).await.optional()).await?.is_none() {
        return elsewhere(&db, &app, &caller, id.0, "/training").await;
    }
    let rows = db.read(async |c| store::of_volunteer(c, &caller, id.0).await).await?;
    let events: Vec<TrainingEventId> = rows.iter().map(|taken| taken.0.event_id).collect();
    let of: Vec<VolunteerId> = rows.iter().map(|taken| taken.0.volunteer_id).collect();
    let mut attended: HashMap<(TrainingEventId, VolunteerId), Vec<i16>> = HashMap::new();
    for (event, volunteer, session) in db.read(async |c| store::attended(c, &events, &of).await).await? {
        attended.entry((event, volunteer)).or_default().push(session);
    }
    let items = rows.into_iter().map(|taken| {
        let came = attended.remove(&(taken.0.event_id, taken.0.volunteer_id)).unwrap_or_default();
        TakenTraining::of(taken, came)
    });
    Answer::ok(&VolunteerTraining { items: items.collect() })
}

//! What is decided on an event's state. Six routes, one path through [`decide`].
use super::create::{NewSession, check_counts};
use super::update::set_sessions;
use super::{Reason, TrainingEventView, answer, check_organiser, check_version, conflict, note, replay};
use crate::access::api::Permit;
use crate::access::rules::{Caller, DecideTraining, SharedCaller, VolunteerId};
use crate::codes::rules::Code;
use crate::platform::answer::Answer;
use crate::platform::app::{App, Shared};
use crate::platform::db::{Conn, Db};
use crate::platform::error::ApiResult;
use crate::platform::idempotency::{Attempt, RequestKey};
use crate::platform::input::{IfMatch, Keyed, NoBody, PathId};
use crate::platform::moment::Moment;
use crate::platform::openapi::{IdempotencyHeader, IfMatchHeader};
use crate::platform::text::Text;
use crate::regions::rules::TimeZone;
use crate::training::reassign::derive_levels;
use crate::training::rules::{EventAction, EventState, TrainingEventId, TrainingResult, check_enrolment_time, next};
use crate::training::store::{self, EventHistoryRow, TrainingEvent};
use actix_web::post;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// Why an event is postponed or cancelled.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TrainingReason {
    /// Code of the list `training-reasons`; `other` needs a note.
    reason: Code,
    /// For those who are enrolled; no personal data.
    note: Option<Text<2000>>,
}

/// New dates of an event that was postponed.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDates {
    /// In the order of time; replaces all.
    #[schema(min_items = 1, max_items = 100)]
    sessions: Vec<NewSession>,
    /// At once if absent.
    enrolment_opens_at: Option<Moment>,
    /// First instant that is too late; the start if absent.
    enrolment_closes_at: Option<Moment>,
}

/// A decision, whatever it is.
#[derive(Clone)]
struct Decision {
    caller: SharedCaller,
    app: Arc<App>,
    id: TrainingEventId,
    version: IfMatch,
    key: RequestKey,
    action: EventAction,
    reason: Option<TrainingReason>,
    dates: Option<NewDates>,
}

impl Decision {
    /// One without reason and dates.
    fn new(
        permit: &Permit<DecideTraining>,
        app: &Shared,
        id: PathId<TrainingEventId>,
        version: IfMatch,
        key: RequestKey,
        action: EventAction,
    ) -> Self {
        let (caller, app) = (permit.caller(), app.0.clone());
        Self { caller, app, id: id.0, version, key, action, reason: None, dates: None }
    }

    async fn take(self, db: Db) -> ApiResult<Answer> {
        db.write(async move |c| decide(c, self).await).await
    }
}

async fn decide(conn: &mut Conn, decision: Decision) -> ApiResult<Answer> {
    let Decision { caller, app, id, version, key, action, reason, dates } = decision;
    let ticket = match key.begin(conn, &app, caller.identity()).await? {
        Attempt::Replay(kept) => return replay(conn, &caller, kept).await,
        Attempt::Fresh(ticket) => ticket,
    };
    let mut event = store::lock(conn, &caller, id).await?;
    check_organiser(&caller, &event)?;
    let to = next(event.state, action).ok_or_else(|| conflict(&event))?;
    check_version(&event, version)?;
    check_reason(conn, &app, &event, action, reason.as_ref()).await?;
    let before = event.clone();
    if let Some(dates) = dates {
        event.enrolment_opens_at = dates.enrolment_opens_at.map(Moment::at);
        event.enrolment_closes_at = dates.enrolment_closes_at.map(Moment::at);
        set_sessions(conn, &mut event, dates.sessions).await?;
        check_enrolment_time(event.enrolment_time())?;
    }
    move_to(conn, &app, &caller, &mut event, action, to, reason).await?;
    if to == EventState::Cancelled && before.state == EventState::Running {
        take_back_levels(conn, &app, id).await?;
    }
    note(conn, &app, &caller, &format!("training_event.{action}"), Some(&before), &event).await?;
    let answer = answer(conn, event).await?;
    ticket.keep(conn, answer, &[id.0]).await
}

/// Moves an event that is locked, and writes it and its history.
pub(super) async fn move_to(
    conn: &mut Conn,
    app: &App,
    caller: &Caller,
    event: &mut TrainingEvent,
    action: EventAction,
    to: EventState,
    reason: Option<TrainingReason>,
) -> ApiResult<()> {
    let now = app.clock.now();
    let (reason, note) = reason.map(|why| (why.reason, why.note)).unzip();
    let row = EventHistoryRow {
        id: app.clock.new_id(),
        event_id: event.id,
        at: now,
        action: action.as_history(),
        from_state: Some(event.state),
        to_state: to,
        agency_id: caller.agency,
        acting_user: caller.acting_user.as_ref().map(|user| user.as_str().to_owned()),
        reason: reason.clone(),
        note: note.flatten().map(|note| note.as_str().to_owned()),
    };
    (event.state, event.state_since, event.state_by) = (to, now, caller.agency);
    (event.reason, event.note) = (reason, row.note.clone());
    store::save(conn, event, caller.agency, now).await?;
    store::add_history(conn, &row).await?;
    Ok(())
}

async fn check_reason(
    conn: &mut Conn,
    app: &App,
    event: &TrainingEvent,
    action: EventAction,
    given: Option<&TrainingReason>,
) -> ApiResult<()> {
    let Some(given) = given else { return Ok(()) };
    let today = TimeZone::of(&event.region_code).day(app.clock.now());
    let reason = Reason { code: &given.reason, explained: given.note.is_some() };
    reason.check(conn, "training-reasons", Some(action.as_str()), today, ("/reason", "/note")).await
}

/// An event that was called off while it ran counts for nobody any more.
async fn take_back_levels(conn: &mut Conn, app: &App, id: TrainingEventId) -> ApiResult<()> {
    let all = store::lock_enrolments(conn, id, None).await?;
    let passed = all.iter().filter(|enrolment| enrolment.result == Some(TrainingResult::Passed));
    let passed: Vec<VolunteerId> = passed.map(|enrolment| enrolment.volunteer_id).collect();
    derive_levels(conn, &passed, app.clock.now()).await?;
    Ok(())
}

/// Publish a training event
///
/// Draft → published: everyone in its region sees it, and one may enrol.
#[utoipa::path(tag = "training", security(("oauth2" = ["training:write"])),
    params(("id" = TrainingEventId, Path, description = "Id of the event."), IdempotencyHeader, IfMatchHeader), request_body = NoBody,
    responses((status = 200, body = TrainingEventView, description = "Published.")))]
#[post("/v1/training-events/{id}/publish")]
pub async fn publish_training_event(
    permit: Permit<DecideTraining>,
    id: PathId<TrainingEventId>,
    version: IfMatch,
    keyed: Keyed<NoBody>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    Decision::new(&permit, &app, id, version, keyed.key, EventAction::Publish).take(db).await
}

/// Postpone a training event
///
/// Published → postponed. Those who are enrolled keep their seats and are told by the feed.
#[utoipa::path(tag = "training", security(("oauth2" = ["training:write"])),
    params(("id" = TrainingEventId, Path, description = "Id of the event."), IdempotencyHeader, IfMatchHeader), request_body = TrainingReason,
    responses((status = 200, body = TrainingEventView, description = "Postponed.")))]
#[post("/v1/training-events/{id}/postpone")]
pub async fn postpone_training_event(
    permit: Permit<DecideTraining>,
    id: PathId<TrainingEventId>,
    version: IfMatch,
    keyed: Keyed<TrainingReason>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let decision = Decision::new(&permit, &app, id, version, keyed.key, EventAction::Postpone);
    Decision { reason: Some(keyed.body), ..decision }.take(db).await
}

/// Publish a postponed training event again
///
/// Postponed → published, with new dates.
#[utoipa::path(tag = "training", security(("oauth2" = ["training:write"])),
    params(("id" = TrainingEventId, Path, description = "Id of the event."), IdempotencyHeader, IfMatchHeader), request_body = NewDates,
    responses((status = 200, body = TrainingEventView, description = "Published with new dates.")))]
#[post("/v1/training-events/{id}/republish")]
pub async fn republish_training_event(
    permit: Permit<DecideTraining>,
    id: PathId<TrainingEventId>,
    version: IfMatch,
    keyed: Keyed<NewDates>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    check_counts(1, keyed.body.sessions.len())?;
    let decision = Decision::new(&permit, &app, id, version, keyed.key, EventAction::Republish);
    Decision { dates: Some(keyed.body), ..decision }.take(db).await
}

/// Start a training event
///
/// Published → running. The first attendance does the same.
#[utoipa::path(tag = "training", security(("oauth2" = ["training:write"])),
    params(("id" = TrainingEventId, Path, description = "Id of the event."), IdempotencyHeader, IfMatchHeader), request_body = NoBody,
    responses((status = 200, body = TrainingEventView, description = "Running.")))]
#[post("/v1/training-events/{id}/start")]
pub async fn start_training_event(
    permit: Permit<DecideTraining>,
    id: PathId<TrainingEventId>,
    version: IfMatch,
    keyed: Keyed<NoBody>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    Decision::new(&permit, &app, id, version, keyed.key, EventAction::Start).take(db).await
}

/// Complete a training event
///
/// Running → completed. Attendance and results may still be recorded and corrected.
#[utoipa::path(tag = "training", security(("oauth2" = ["training:write"])),
    params(("id" = TrainingEventId, Path, description = "Id of the event."), IdempotencyHeader, IfMatchHeader), request_body = NoBody,
    responses((status = 200, body = TrainingEventView, description = "Completed.")))]
#[post("/v1/training-events/{id}/complete")]
pub async fn complete_training_event(
    permit: Permit<DecideTraining>,
    id: PathId<TrainingEventId>,
    version: IfMatch,
    keyed: Keyed<NoBody>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    Decision::new(&permit, &app, id, version, keyed.key, EventAction::Complete).take(db).await
}

/// Cancel a training event
///
/// Draft, published, postponed or running → cancelled. Those who are enrolled are told by the feed; what somebody passed in
/// it counts no longer.
#[utoipa::path(tag = "training", security(("oauth2" = ["training:write"])),
    params(("id" = TrainingEventId, Path, description = "Id of the event."), IdempotencyHeader, IfMatchHeader), request_body = TrainingReason,
    responses((status = 200, body = TrainingEventView, description = "Cancelled.")))]
#[post("/v1/training-events/{id}/cancel")]
pub async fn cancel_training_event(
    permit: Permit<DecideTraining>,
    id: PathId<TrainingEventId>,
    version: IfMatch,
    keyed: Keyed<TrainingReason>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let decision = Decision::new(&permit, &app, id, version, keyed.key, EventAction::Cancel);
    Decision { reason: Some(keyed.body), ..decision }.take(db).await
}

//! Taking seats and giving them back.
use super::conflict;
use crate::access::api::Permit;
use crate::access::rules::{AgencyId, Caller, EnrolTraining, ReadTraining, Scope, VolunteerId};
use crate::audit::rules::Event;
use crate::audit::store::{self as audit, Recorder};
use crate::platform::answer::Answer;
use crate::platform::app::{App, Shared};
use crate::platform::db::{Conn, Db};
use crate::platform::error::{ApiError, ApiResult, Fault, NOT_FOUND, STALE};
use crate::platform::idempotency::{Attempt, Replay};
use crate::platform::input::{IfMatch, Keyed, NoBody, PathId, several};
use crate::platform::openapi::{IdempotencyHeader, IfMatchHeader, PreferHeader};
use crate::platform::page::{Page, PageParams, Paged};
use crate::platform::person::initials;
use crate::platform::region_code::RegionCode;
use crate::training::rules::{
    ALREADY_ENROLLED, ENROLMENT_CLOSED, ENROLMENT_NOT_IN_AUTHORITY, ENROLMENT_STATE_CONFLICT, EVENT_FULL, EnrolmentId,
    EnrolmentState, EventState, TrainingEventId, TrainingResult, check_participant, may_enrol, organises,
};
use crate::training::store::{self, Enrolment, Participant, TrainingEvent};
use crate::volunteers::store::{self as volunteers, Volunteer};
use actix_web::{get, post};
use chrono::{DateTime, Utc};
use diesel::QueryResult;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use utoipa::{IntoParams, ToSchema};

/// A seat in an event, and what came of it.
#[derive(Serialize, ToSchema)]
pub struct EnrolmentView {
    id: EnrolmentId,
    event_id: TrainingEventId,
    volunteer_id: VolunteerId,
    /// Where the volunteer is posted.
    village_code: RegionCode,
    #[schema(example = "S. A.")]
    initials: String,
    /// Null: no right to see the person, or an answer to a change.
    #[schema(required, example = "Siti Aminah")]
    name: Option<String>,
    state: EnrolmentState,
    /// When the state was recorded.
    state_since: DateTime<Utc>,
    /// Agency that recorded it.
    state_by: AgencyId,
    /// Numbers of the sessions attended. Changes without a new `version`.
    attended: Vec<i16>,
    /// Null: none yet.
    #[schema(required)]
    result: Option<TrainingResult>,
    #[schema(required)]
    result_at: Option<DateTime<Utc>>,
    version: i32,
    created_at: DateTime<Utc>,
}

impl EnrolmentView {
    /// With the name only where `open`.
    fn of(participant: Participant, attended: Vec<i16>, open: bool) -> Self {
        let Participant { enrolment, village_code, name } = participant;
        Self {
            id: enrolment.id,
            event_id: enrolment.event_id,
            volunteer_id: enrolment.volunteer_id,
            village_code,
            initials: initials(&name),
            name: Some(name).filter(|_| open),
            state: enrolment.state,
            state_since: enrolment.state_since,
            state_by: enrolment.state_by,
            attended,
            result: enrolment.result,
            result_at: enrolment.result_at,
            version: enrolment.version,
            created_at: enrolment.created_at,
        }
    }
}

/// Whether the caller sees who it is.
fn sees_person(caller: &Caller, participant: &Participant) -> bool {
    let shown = caller.sight.shows(participant.enrolment.volunteer_id, &participant.village_code);
    shown && caller.scopes.has(Scope::VolunteersRead)
}

/// Records that these are shown, as far as they are.
async fn record_shown(
    recorder: &Recorder,
    app: &App,
    caller: &Caller,
    action: &str,
    shown: &[Participant],
) -> ApiResult<()> {
    let open: Vec<&Participant> = shown.iter().filter(|one| sees_person(caller, one)).collect();
    if open.is_empty() {
        return Ok(());
    }
    let event = Event::by(caller, action, app.clock.new_id(), app.clock.now());
    let rows = open.iter().map(|one| (one.enrolment.id.0, one.enrolment.volunteer_id.0, &one.village_code));
    recorder.record(event.rows("training_enrolment", rows, &["name"])).await
}

/// Which enrolments.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EnrolmentFilter {
    /// In one of these states.
    #[serde(default, deserialize_with = "several")]
    #[param(max_items = 100)]
    state: Vec<EnrolmentState>,
}

/// List the enrolments in an event
///
/// In the order of enrolment. The organiser sees all of them, everyone else those of volunteers it sees. Names are shown to
/// who may read the volunteer.
#[utoipa::path(tag = "training", security(("oauth2" = ["training:read"])),
    params(("id" = TrainingEventId, Path, description = "Id of the event."), EnrolmentFilter, PageParams, PreferHeader),
    responses((status = 200, body = Page<EnrolmentView>, description = "A page of enrolments.")))]
#[get("/v1/training-events/{id}/enrolments")]
pub async fn list_enrolments(
    caller: Permit<ReadTraining>,
    id: PathId<TrainingEventId>,
    paged: Paged<EnrolmentFilter>,
    app: Shared,
    db: Db,
    recorder: Recorder,
) -> ApiResult<Answer> {
    let (state, after): (_, Option<EnrolmentId>) = (&paged.filter.state, paged.after()?);
    let event = db.read(async |c| store::find(c, &caller, id.0).await).await?;
    let event = (event.id, event.organiser_id);
    let rows = db.read(async |c| store::take_part(c, &caller, event, state, after, paged.limit + 1).await).await?;
    let total = if paged.count {
        Some(db.read(async |c| store::count_participants(c, &caller, event, state).await).await?)
    } else {
        None
    };
    let (rows, after) = paged.cut(rows, |row| row.enrolment.id);
    let of: Vec<VolunteerId> = rows.iter().map(|row| row.enrolment.volunteer_id).collect();
    let came = db.read(async |c| store::attended(c, &[event.0], &of).await).await?;
    let mut attended: HashMap<VolunteerId, Vec<i16>> = HashMap::new();
    for (_, volunteer, session) in came {
        attended.entry(volunteer).or_default().push(session);
    }
    record_shown(&recorder, &app, &caller, "training_enrolment.list", &rows).await?;
    let views = rows.into_iter().map(|row| {
        let came = attended.remove(&row.enrolment.volunteer_id).unwrap_or_default();
        let open = sees_person(&caller, &row);
        EnrolmentView::of(row, came, open)
    });
    paged.answer(views.collect(), after, total)
}

/// Read an enrolment
///
/// Of a volunteer that the caller sees, or in an event that it organises.
#[utoipa::path(tag = "training", security(("oauth2" = ["training:read"])), params(("id" = EnrolmentId, Path, description = "Id of the enrolment.")),
    responses((status = 200, body = EnrolmentView, description = "The enrolment.")))]
#[get("/v1/training-enrolments/{id}")]
pub async fn read_enrolment(
    caller: Permit<ReadTraining>,
    id: PathId<EnrolmentId>,
    app: Shared,
    db: Db,
    recorder: Recorder,
) -> ApiResult<Answer> {
    let row = db.read(async |c| store::find_enrolment(c, &caller, id.0).await).await?;
    let (events, of) = ([row.enrolment.event_id], [row.enrolment.volunteer_id]);
    let attended = db.read(async |c| store::attended(c, &events, &of).await).await?;
    record_shown(&recorder, &app, &caller, "training_enrolment.read", std::slice::from_ref(&row)).await?;
    let (version, open) = (row.enrolment.version, sees_person(&caller, &row));
    Answer::row(&EnrolmentView::of(row, attended.into_iter().map(|came| came.2).collect(), open), version)
}

/// Who takes a seat.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewEnrolment {
    /// A volunteer that you see; for a phone, its own.
    volunteer_id: VolunteerId,
}

/// Enrol a volunteer
///
/// By the organiser, by the village or the regency's office of the volunteer, or by the volunteer's phone; within the
/// time of enrolment, for all but the organiser, who may add somebody until the event is over. Never more than there are seats; one
/// seat for a person, so that a repeated enrolment is `already_enrolled` with its `id`. Advanced training needs basic training.
#[utoipa::path(tag = "training", security(("oauth2" = ["training:enrol"])),
    params(("id" = TrainingEventId, Path, description = "Id of the event."), IdempotencyHeader), request_body = NewEnrolment,
    responses((status = 201, body = EnrolmentView, description = "Enrolled.")))]
#[post("/v1/training-events/{id}/enrolments")]
pub async fn create_enrolment(
    permit: Permit<EnrolTraining>,
    id: PathId<TrainingEventId>,
    new: Keyed<NewEnrolment>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let (caller, app) = (permit.caller(), app.0);
    db.write(async move |c| {
        let ticket = match new.key.begin(c, &app, caller.identity()).await? {
            Attempt::Replay(kept) => return replay(c, &caller, kept).await,
            Attempt::Fresh(ticket) => ticket,
        };
        // First without the lock: those who come too late do not wait for each other.
        let seen = store::find(&mut &*c, &caller, id.0).await?;
        let now = app.clock.now();
        check_open(&caller, &seen, now)?;
        let volunteer = find_volunteer(c, &caller, new.body.volunteer_id).await?;
        if seen.seats_taken >= seen.capacity {
            check_seat(c, &seen, volunteer.id).await?;
        }
        // The event before the volunteer, as everyone who holds both.
        let event = store::lock(c, &caller, id.0).await?;
        check_open(&caller, &event, now)?;
        let volunteer = known(volunteers::hold_living(c, &caller, volunteer.id).await)?;
        let enrolment = take_seat(c, &app, &caller, &event, &volunteer).await?;
        let row = note(c, &app, &caller, "training_enrolment.create", &enrolment, &event).await?;
        let (enrolment_id, version) = (enrolment.id, enrolment.version);
        let location = format!("{}/v1/training-enrolments/{enrolment_id}", app.settings.public_url);
        let answer = Answer::created(&EnrolmentView::of(row, vec![], false), version, location)?;
        ticket.keep(c, answer, &[enrolment_id.0]).await
    })
    .await
}

/// Refuses who enrols nobody, an event that takes nobody, and a time that is not the time of enrolment.
fn check_open(caller: &Caller, event: &TrainingEvent, now: DateTime<Utc>) -> ApiResult<()> {
    if !may_enrol(caller, event.organiser_id) {
        return Err(ApiError::from(&ENROLMENT_NOT_IN_AUTHORITY));
    }
    let own = organises(caller, event.organiser_id);
    if event.state != EventState::Published && !(own && event.state == EventState::Running) {
        return Err(conflict(event));
    }
    if !own && !event.enrolment_time().holds(now) {
        let time = event.enrolment_time();
        let closed = ApiError::from(&ENROLMENT_CLOSED).member("opens_at", time.opens_at);
        return Err(closed.member("closes_at", time.end()));
    }
    Ok(())
}

async fn find_volunteer(conn: &mut Conn, caller: &Caller, id: VolunteerId) -> ApiResult<Volunteer> {
    known(volunteers::find(&mut &*conn, caller, id).await)
}

fn known(found: QueryResult<Volunteer>) -> ApiResult<Volunteer> {
    found.map_err(ApiError::from).map_err(|error| {
        let unknown = Fault::new("volunteer_unknown", "bukan PSM yang Anda lihat", "not a volunteer that you see");
        if *error.code() == NOT_FOUND { ApiError::rule("/volunteer_id", unknown) } else { error }
    })
}

fn full(event: &TrainingEvent) -> ApiError {
    ApiError::from(&EVENT_FULL).member("capacity", event.capacity)
}

/// Refuses who has a seat, and an event that has none left; returns the row of who withdrew.
async fn check_seat(conn: &mut Conn, event: &TrainingEvent, volunteer: VolunteerId) -> ApiResult<Option<Enrolment>> {
    let known = store::lock_enrolments(conn, event.id, Some(&[volunteer])).await?.pop();
    if let Some(known) = &known
        && known.state == EnrolmentState::Enrolled
    {
        return Err(ApiError::from(&ALREADY_ENROLLED).member("id", known.id));
    }
    if event.seats_taken >= event.capacity { Err(full(event)) } else { Ok(known) }
}

/// Takes a seat in an event that is locked: a new row, or the one of who withdrew.
async fn take_seat(
    conn: &mut Conn,
    app: &App,
    caller: &Caller,
    event: &TrainingEvent,
    volunteer: &Volunteer,
) -> ApiResult<Enrolment> {
    let known = check_seat(conn, event, volunteer.id).await?;
    check_participant(event.level, &event.region_code, volunteer.status, volunteer.level, &volunteer.village_code)?;
    let now = app.clock.now();
    let made = if let Some(mut again) = known {
        (again.state, again.state_since, again.state_by) = (EnrolmentState::Enrolled, now, caller.agency);
        store::save_enrolment(conn, &mut again).await.map(|()| again)
    } else {
        let new = Enrolment {
            id: EnrolmentId(app.clock.new_id()),
            event_id: event.id,
            volunteer_id: volunteer.id,
            state: EnrolmentState::Enrolled,
            state_since: now,
            state_by: caller.agency,
            result: None,
            result_at: None,
            result_by: None,
            result_acting_user: None,
            version: 1,
            created_at: now,
        };
        store::enrol(conn, &new).await.map(|()| new)
    };
    made.map_err(|error| {
        let error = ApiError::from(error).on_constraint("training_events_seats", || full(event));
        error.on_constraint("training_enrolments_one_seat", || ApiError::from(&ALREADY_ENROLLED))
    })
}

/// Withdraw an enrolment
///
/// By whoever may enrol the volunteer, before the event begins. The seat is free for somebody else.
#[utoipa::path(tag = "training", security(("oauth2" = ["training:enrol"])),
    params(("id" = EnrolmentId, Path, description = "Id of the enrolment."), IdempotencyHeader, IfMatchHeader), request_body = NoBody,
    responses((status = 200, body = EnrolmentView, description = "Withdrawn.")))]
#[post("/v1/training-enrolments/{id}/withdraw")]
pub async fn withdraw_enrolment(
    permit: Permit<EnrolTraining>,
    id: PathId<EnrolmentId>,
    version: IfMatch,
    keyed: Keyed<NoBody>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let (caller, app) = (permit.caller(), app.0);
    db.write(async move |c| {
        let ticket = match keyed.key.begin(c, &app, caller.identity()).await? {
            Attempt::Replay(kept) => return replay(c, &caller, kept).await,
            Attempt::Fresh(ticket) => ticket,
        };
        let seen = store::find_enrolment(&mut &*c, &caller, id.0).await?.enrolment;
        let event = store::lock_of_enrolment(c, seen.event_id).await?;
        // It may have become another row's, the same person's, before the event was held.
        let seen = store::find_enrolment(&mut &*c, &caller, id.0).await?.enrolment;
        let locked = store::lock_enrolments(c, event.id, Some(&[seen.volunteer_id])).await?.pop();
        let mut enrolment = locked.ok_or_else(ApiError::not_found)?;
        if !may_enrol(&caller, event.organiser_id) {
            return Err(ApiError::from(&ENROLMENT_NOT_IN_AUTHORITY));
        }
        if !event.state.may_be_left() {
            return Err(conflict(&event));
        }
        check_enrolled(&enrolment, version)?;
        (enrolment.state, enrolment.state_by) = (EnrolmentState::Withdrawn, caller.agency);
        enrolment.state_since = app.clock.now();
        store::save_enrolment(c, &mut enrolment).await?;
        let row = note(c, &app, &caller, "training_enrolment.withdraw", &enrolment, &event).await?;
        let answer = Answer::row(&EnrolmentView::of(row, vec![], false), enrolment.version)?;
        ticket.keep(c, answer, &[id.0.0]).await
    })
    .await
}

fn check_enrolled(enrolment: &Enrolment, sent: IfMatch) -> ApiResult<()> {
    if enrolment.state != EnrolmentState::Enrolled {
        return Err(ApiError::from(&ENROLMENT_STATE_CONFLICT)
            .member("state", enrolment.state)
            .member("since", enrolment.state_since)
            .member("by", enrolment.state_by));
    }
    if enrolment.version != sent.0 {
        return Err(ApiError::from(&STALE)
            .member("version", enrolment.version)
            .member("updated_at", enrolment.state_since)
            .member("updated_by", enrolment.state_by));
    }
    Ok(())
}

/// Audit and outbox of a change of an enrolment, and of the seats that are left by it; returns it as it is now.
async fn note(
    conn: &mut Conn,
    app: &App,
    caller: &Caller,
    action: &str,
    enrolment: &Enrolment,
    of: &TrainingEvent,
) -> ApiResult<Participant> {
    let now = app.clock.now();
    let row = store::find_enrolment(&mut &*conn, caller, enrolment.id).await?;
    let event = Event::by(caller, action, app.clock.new_id(), now).subject("training_enrolment", enrolment.id);
    let event = event.persons([enrolment.volunteer_id.0], &["training"]).region(&row.village_code);
    audit::record(conn, &event).await?;
    store::publish_enrolment(conn, enrolment, of.organiser_id, &row.village_code, enrolment.version == 1, now).await?;
    store::publish(conn, Some(of), of, now).await?;
    Ok(row)
}

/// Sends a kept answer again to who still sees the enrolment.
async fn replay(conn: &mut Conn, caller: &Caller, kept: Replay) -> ApiResult<Answer> {
    let id = EnrolmentId(kept.subjects.first().copied().unwrap_or_default());
    store::find_enrolment(&mut &*conn, caller, id).await?;
    Ok(kept.answer)
}

//! Taking seats and giving them back, and who waits for one.
use super::enrol::{Beside, EnrolmentView};
use super::{Reason, conflict};
use crate::access::api::Permit;
use crate::access::rules::{Caller, EnrolTraining, VolunteerId};
use crate::audit::rules::Event;
use crate::audit::store as audit;
use crate::codes::rules::Code;
use crate::platform::answer::Answer;
use crate::platform::app::{App, Shared};
use crate::platform::db::{Conn, Db};
use crate::platform::error::{ApiError, ApiResult, Fault, NOT_FOUND, STALE};
use crate::platform::idempotency::{Attempt, Replay};
use crate::platform::input::{IfMatch, Keyed, NoBody, PathId};
use crate::platform::openapi::{IdempotencyHeader, IfMatchHeader};
use crate::platform::text::Text;
use crate::regions::rules::TimeZone;
use crate::training::rules::{
    ALREADY_ENROLLED, ENROLMENT_CLOSED, ENROLMENT_NOT_IN_AUTHORITY, ENROLMENT_STATE_CONFLICT, EVENT_FULL, EnrolmentId,
    EnrolmentState, EventLevel, EventState, NOT_INVITED, SeatAction, TrainingEventId, check_participant, may_enrol,
    organises,
};
use crate::training::store::{self, Enrolment, Participant, SeatHistoryRow, TrainingEvent};
use crate::volunteers::rules::TrainingLevel;
use crate::volunteers::store::{self as volunteers, Volunteer};
use actix_web::post;
use chrono::{DateTime, Utc};
use diesel::QueryResult;
use serde::Deserialize;
use utoipa::ToSchema;

/// Who takes a seat.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewEnrolment {
    /// A volunteer that you see; for a phone, its own.
    volunteer_id: VolunteerId,
    /// If every seat is taken, wait for one, in place of `event_full`.
    #[serde(default)]
    wait: bool,
    /// By the organiser: somebody takes part without the training that comes before.
    waiver: Option<Waiver>,
}

/// Why somebody takes part without the training that comes before.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Waiver {
    /// Code of the list `training-waiver-reasons`; `other` needs a note.
    reason: Code,
    /// No personal data.
    note: Option<Text<500>>,
}

/// Enrol a volunteer
///
/// By the organiser, by the village or the regency's office of the volunteer, or by the volunteer's phone; within the
/// time of enrolment, for all but the organiser, who may add somebody until the event is over. Never more than there are seats: who
/// comes later waits if it says so (`wait`), and gets, in order, the seat that is given back. One seat for a person, so that a
/// repeated enrolment is `already_enrolled` with its `id`. Advanced training needs basic training, unless the organiser waives it
/// with a reason. In an event that is over, recorded as it was, the organiser enrols who has left or moved since, too. Where one
/// takes part by invitation, all but the organiser enrol volunteers of villages that are invited. `clashes` warns of other events
/// at the same time.
#[utoipa::path(tag = "training", security(("oauth2" = ["training:enrol"])),
    params(("id" = TrainingEventId, Path, description = "Id of the event."), IdempotencyHeader), request_body = NewEnrolment,
    responses((status = 201, body = EnrolmentView, description = "Enrolled, or waiting: `state` tells.")))]
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
        if seen.seats_taken >= seen.capacity && !new.body.wait {
            check_seat(c, &seen, volunteer.id, false).await?;
        }
        // The event before the volunteer, as everyone who holds both.
        let mut event = store::lock(c, &caller, id.0).await?;
        check_open(&caller, &event, now)?;
        if event.waiting > 0 && promote(c, &app, &caller, &event).await? > 0 {
            event = store::lock(c, &caller, id.0).await?;
        }
        let volunteer = known(volunteers::hold_living(c, &caller, volunteer.id).await)?;
        let asked = organises(&caller, event.organiser_id) || !event.by_invitation;
        if !asked && !store::is_invited(c, event.id, &volunteer.village_code).await? {
            return Err(ApiError::from(&NOT_INVITED));
        }
        let enrolment = take_seat(c, &app, &caller, &event, &volunteer, &new.body).await?;
        let row = note(c, &app, &caller, "training_enrolment.create", &enrolment, &event).await?;
        let (enrolment_id, version) = (enrolment.id, enrolment.version);
        let location = format!("{}/v1/training-enrolments/{enrolment_id}", app.settings.public_url);
        let beside = Beside::of(&mut &*c, &caller, &event, std::slice::from_ref(&row)).await?;
        let answer = Answer::created(&beside.view(row, false), version, location)?;
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
    ApiError::from(&EVENT_FULL).member("capacity", event.capacity).member("waiting", event.waiting)
}

/// Refuses who has a seat or waits, and an event that has none left, unless one waits; returns the row of who withdrew.
async fn check_seat(
    conn: &mut Conn,
    event: &TrainingEvent,
    volunteer: VolunteerId,
    wait: bool,
) -> ApiResult<Option<Enrolment>> {
    let known = store::lock_enrolments(conn, event.id, Some(&[volunteer])).await?.pop();
    if let Some(known) = &known
        && known.state != EnrolmentState::Withdrawn
    {
        return Err(ApiError::from(&ALREADY_ENROLLED).member("id", known.id));
    }
    if event.seats_taken >= event.capacity && !wait { Err(full(event)) } else { Ok(known) }
}

/// The reason to take this volunteer without the training that comes before; none if it is not needed.
async fn check_waiver<'a>(
    conn: &mut Conn,
    app: &App,
    caller: &Caller,
    event: &TrainingEvent,
    volunteer: &Volunteer,
    given: Option<&'a Waiver>,
) -> ApiResult<Option<&'a Waiver>> {
    let Some(waiver) = given else { return Ok(None) };
    super::check_organiser(caller, event)?;
    if event.level != EventLevel::Advanced || volunteer.level != TrainingLevel::None {
        let fault = Fault::new("not_needed", "tidak diperlukan", "is not needed");
        return Err(ApiError::rule("/waiver", fault));
    }
    let today = TimeZone::of(&event.region_code).day(app.clock.now());
    let reason = Reason { code: &waiver.reason, explained: waiver.note.is_some() };
    reason.check(conn, "training-waiver-reasons", None, today, ("/waiver/reason", "/waiver/note")).await?;
    Ok(Some(waiver))
}

/// Takes a seat in an event that is locked, or a place in its waiting list: a new row, or the one of who withdrew.
async fn take_seat(
    conn: &mut Conn,
    app: &App,
    caller: &Caller,
    event: &TrainingEvent,
    volunteer: &Volunteer,
    asked: &NewEnrolment,
) -> ApiResult<Enrolment> {
    let known = check_seat(conn, event, volunteer.id, asked.wait).await?;
    let waiver = check_waiver(conn, app, caller, event, volunteer, asked.waiver.as_ref()).await?;
    let now = app.clock.now();
    let who = (volunteer.status, volunteer.level, &volunteer.village_code);
    // What is recorded of earlier years is true of who has left or moved since, too.
    let was_there = organises(caller, event.organiser_id) && event.ends_at <= now;
    check_participant((event.level, &event.region_code), who, (waiver.is_some(), was_there))?;
    let (state, action) = if event.seats_taken < event.capacity {
        (EnrolmentState::Enrolled, SeatAction::Enrol)
    } else {
        (EnrolmentState::Waiting, SeatAction::Wait)
    };
    let again = known.is_some();
    let mut seat =
        known.unwrap_or_else(|| Enrolment::new(EnrolmentId(app.clock.new_id()), event.id, volunteer.id, now));
    (seat.state, seat.state_since, seat.state_by) = (state, now, caller.agency);
    seat.waiver_reason = waiver.map(|waiver| waiver.reason.clone());
    seat.waiver_note = waiver.and_then(|waiver| waiver.note.as_ref()).map(|note| note.as_str().to_owned());
    let made = if again { store::save_enrolment(conn, &mut seat).await } else { store::enrol(conn, &seat).await };
    made.map_err(|error| {
        let error = ApiError::from(error).on_constraint("training_events_seats", || full(event));
        error.on_constraint("training_enrolments_one_seat", || ApiError::from(&ALREADY_ENROLLED))
    })?;
    let row = SeatHistoryRow::by(caller, app.clock.new_id(), seat.id, action, now);
    let (reason, note) = (seat.waiver_reason.clone(), seat.waiver_note.clone());
    store::add_seat_history(conn, &[SeatHistoryRow { reason, note, ..row }]).await?;
    Ok(seat)
}

/// Gives the free seats of an event that is locked to who waits, in order, and tells them; how many that were. Who may take
/// part no longer keeps its place and holds nobody up.
pub(super) async fn promote(conn: &mut Conn, app: &App, caller: &Caller, event: &TrainingEvent) -> ApiResult<usize> {
    let mut free = store::free_seats(conn, event.id).await?;
    let (now, mut promoted) = (app.clock.now(), 0);
    if free <= 0 {
        return Ok(0);
    }
    for (mut seat, status, level, village) in store::waiting(conn, event.id).await? {
        let waived = seat.waiver_reason.is_some();
        if check_participant((event.level, &event.region_code), (status, level, &village), (waived, false)).is_err() {
            continue;
        }
        let asked = !event.by_invitation || seat.state_by == event.organiser_id;
        if !asked && !store::is_invited(conn, event.id, &village).await? {
            continue;
        }
        (seat.state, seat.state_since, seat.state_by) = (EnrolmentState::Enrolled, now, caller.agency);
        store::save_enrolment(conn, &mut seat).await?;
        // Who gave a seat back has nothing to do with who gets it: the officer is not named.
        let row = SeatHistoryRow::by(caller, app.clock.new_id(), seat.id, SeatAction::Promote, now);
        store::add_seat_history(conn, &[SeatHistoryRow { acting_user: None, ..row }]).await?;
        let record = Event::by(caller, "training_enrolment.promote", app.clock.new_id(), now);
        let record = record.subject("training_enrolment", seat.id).region(&village);
        audit::record(conn, &record.persons([seat.volunteer_id.0], &["training"])).await?;
        store::publish_enrolment(conn, &seat, event.organiser_id, &village, false, now).await?;
        promoted += 1;
        free -= 1;
        if free == 0 {
            break;
        }
    }
    Ok(promoted)
}

/// Withdraw an enrolment
///
/// By whoever may enrol the volunteer, before the event begins; who waits may stop at any time. Who waits
/// first for a seat gets it at once.
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
        if !event.state.may_be_left() && enrolment.state != EnrolmentState::Waiting {
            return Err(conflict(&event));
        }
        check_enrolled(&enrolment, version)?;
        (enrolment.state, enrolment.state_by) = (EnrolmentState::Withdrawn, caller.agency);
        enrolment.state_since = app.clock.now();
        store::save_enrolment(c, &mut enrolment).await?;
        let at = enrolment.state_since;
        let row = SeatHistoryRow::by(&caller, app.clock.new_id(), enrolment.id, SeatAction::Withdraw, at);
        store::add_seat_history(c, &[row]).await?;
        promote(c, &app, &caller, &event).await?;
        let row = note(c, &app, &caller, "training_enrolment.withdraw", &enrolment, &event).await?;
        let answer = Answer::row(&Beside::default().view(row, false), enrolment.version)?;
        ticket.keep(c, answer, &[id.0.0]).await
    })
    .await
}

fn check_enrolled(enrolment: &Enrolment, sent: IfMatch) -> ApiResult<()> {
    if enrolment.state == EnrolmentState::Withdrawn {
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
    let event = if let Some(reason) = &enrolment.waiver_reason { event.detail(reason.as_str()) } else { event };
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

//! Preparing an event.
use super::{Reason, TrainingEventView, answer, note, replay};
use crate::access::api::Permit;
use crate::access::rules::{Caller, WriteTraining};
use crate::codes::rules::Code;
use crate::platform::answer::Answer;
use crate::platform::app::{App, Shared};
use crate::platform::db::{Conn, Db, Json};
use crate::platform::error::{ApiError, ApiResult, Fault, ID_TAKEN, Place};
use crate::platform::idempotency::Attempt;
use crate::platform::input::Keyed;
use crate::platform::moment::Moment;
use crate::platform::openapi::IdempotencyHeader;
use crate::platform::region_code::RegionCode;
use crate::platform::text::Line;
use crate::regions::rules::TimeZone;
use crate::regions::store as regions;
use crate::training::rules::{
    EventHistoryAction, EventLevel, EventState, MOST_SESSIONS, Material, Speaker, TRAINING_LEVEL_NOT_IN_AUTHORITY,
    TRAINING_REGION_NOT_IN_AUTHORITY, TrainingEventId, check_enrolment_time, check_sessions, may_organise,
};
use crate::training::store::{self, EventHistoryRow, Session, TrainingEvent};
use actix_web::post;
use serde::Deserialize;
use utoipa::ToSchema;

/// A part of an event.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSession {
    starts_at: Moment,
    ends_at: Moment,
    /// What it is about.
    topic: Option<Line<200>>,
}

/// An event to be prepared.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTrainingEvent {
    /// Your own `UUIDv7`, so that a repeated create is known; made by the service if absent.
    id: Option<TrainingEventId>,
    /// `basic` is organised by a regency's office, `advanced` by a province's.
    level: EventLevel,
    #[schema(example = "Bimtek PSM Kabupaten Mukomuko")]
    title: Line<200>,
    /// For the volunteers of this region: the organiser's or one that lies in it.
    region_code: RegionCode,
    #[schema(example = "Aula Bappelitbang")]
    venue: Line<200>,
    /// Who speaks.
    #[serde(default)]
    #[schema(max_items = 50)]
    speakers: Vec<Speaker>,
    /// In place of `speakers`, where no more is known of them: the bodies that send them.
    #[serde(default)]
    #[schema(max_items = 50)]
    speaker_agencies: Vec<Line<200>>,
    /// What is handed out or shown.
    #[serde(default)]
    #[schema(max_items = 50)]
    materials: Vec<Material>,
    /// Who pays: code of the list `training-cost-sources`; `other` needs a note.
    #[schema(example = "regency_budget")]
    cost_source: Option<Code>,
    cost_note: Option<Line<500>>,
    /// Only villages that are invited enrol, and phones of volunteers posted there.
    #[serde(default)]
    by_invitation: bool,
    /// In the order of time.
    #[schema(min_items = 1, max_items = 100)]
    sessions: Vec<NewSession>,
    /// Seats.
    #[schema(minimum = 1, maximum = 10000)]
    capacity: i32,
    /// With the publication if absent.
    enrolment_opens_at: Option<Moment>,
    /// First instant that is too late; the start if absent.
    enrolment_closes_at: Option<Moment>,
}

/// Prepare a training event
///
/// As a draft, which the organiser and the governments above it see. The organiser is the caller's agency.
#[utoipa::path(tag = "training", security(("oauth2" = ["training:write"])), params(IdempotencyHeader), request_body = NewTrainingEvent,
    responses((status = 201, body = TrainingEventView, description = "Prepared."), (status = 200, body = TrainingEventView, description = "It was prepared by the same create.")))]
#[post("/v1/training-events")]
pub async fn create_training_event(
    permit: Permit<WriteTraining>,
    new: Keyed<NewTrainingEvent>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let (caller, app) = (permit.caller(), app.0);
    check_counts(new.body.capacity, new.body.sessions.len())?;
    check_lists([
        ("/speakers", new.body.speakers.len()),
        ("/speaker_agencies", new.body.speaker_agencies.len()),
        ("/materials", new.body.materials.len()),
    ])?;
    db.write(async move |c| {
        let ticket = match new.key.begin(c, &app, caller.identity()).await? {
            Attempt::Replay(kept) => return replay(c, &caller, kept).await,
            Attempt::Fresh(ticket) => ticket,
        };
        let own = check_authority(&caller, new.body.level, &new.body.region_code)?;
        if let Some(id) = new.body.id
            && let Some((creator, request)) = store::find_create(c, id).await?
        {
            if creator != Some(caller.client.0) || request.as_deref() != Some(new.key.body()) {
                return Err(ApiError::from(&ID_TAKEN));
            }
            let event = store::find(&mut &*c, &caller, id).await?;
            let answer = answer(c, event).await?;
            return ticket.keep(c, answer, &[id.0]).await;
        }
        let (event, sessions) = prepare(&app, &caller, own, new.body, new.key.body())?;
        if regions::current(c, std::slice::from_ref(&event.region_code)).await?.is_empty() {
            let fault = Fault::new("region_unknown", "bukan wilayah yang berlaku", "not a current region");
            return Err(ApiError::rule("/region_code", fault));
        }
        check_cost(c, &app, &event).await?;
        save(c, &app, &caller, &event, &sessions).await?;
        let location = format!("{}/v1/training-events/{}", app.settings.public_url, event.id);
        let (id, version) = (event.id, event.version);
        let answer = Answer::created(&TrainingEventView::of(event, sessions), version, location)?;
        ticket.keep(c, answer, &[id.0]).await
    })
    .await
}

/// The caller's own region, if it organises training of this level for that region.
fn check_authority(caller: &Caller, level: EventLevel, region: &RegionCode) -> ApiResult<RegionCode> {
    if !may_organise(caller.agency_kind, level) {
        return Err(ApiError::from(&TRAINING_LEVEL_NOT_IN_AUTHORITY));
    }
    let own = caller.sight.region().filter(|own| own.contains(region));
    own.cloned().ok_or_else(|| ApiError::from(&TRAINING_REGION_NOT_IN_AUTHORITY))
}

/// Refuses lists that are too long.
pub(super) fn check_lists<const N: usize>(lists: [(&str, usize); N]) -> ApiResult<()> {
    for (at, length) in lists {
        if length > 50 {
            let fault = Fault::new("out_of_range", "paling banyak 50", "at most 50");
            return Err(ApiError::malformed(Place::Pointer(at.to_owned()), fault));
        }
    }
    Ok(())
}

/// The speakers, told in one of the two ways.
pub(super) fn speakers(speakers: Vec<Speaker>, agencies: Vec<Line<200>>) -> ApiResult<Vec<Speaker>> {
    if agencies.is_empty() {
        return Ok(speakers);
    }
    if !speakers.is_empty() {
        let fault = Fault::new("told_twice", "sudah ada di speakers", "is told by speakers already");
        return Err(ApiError::rule("/speaker_agencies", fault));
    }
    Ok(agencies.into_iter().map(|agency| Speaker { agency, name: None, topic: None }).collect())
}

/// Refuses a code of who pays that is not in its list, and words without a code.
pub(super) async fn check_cost(conn: &mut Conn, app: &App, event: &TrainingEvent) -> ApiResult<()> {
    let Some(code) = &event.cost_source else {
        if event.cost_note.is_none() {
            return Ok(());
        }
        let fault = Fault::new("code_missing", "tanpa cost_source", "without cost_source");
        return Err(ApiError::rule("/cost_note", fault));
    };
    let today = TimeZone::of(&event.region_code).day(app.clock.now());
    let source = Reason { code, explained: event.cost_note.is_some() };
    source.check(conn, "training-cost-sources", None, today, ("/cost_source", "/cost_note")).await
}

/// Refuses a capacity and a number of sessions that no event has.
pub(super) fn check_counts(capacity: i32, sessions: usize) -> ApiResult<()> {
    let fault = |place: &str, id: String, en: String| {
        Err(ApiError::malformed(Place::Pointer(place.to_owned()), Fault::with("out_of_range", id, en)))
    };
    if !(1..=10_000).contains(&capacity) {
        return fault("/capacity", "antara 1 dan 10000".to_owned(), "between 1 and 10000".to_owned());
    }
    if !(1..=MOST_SESSIONS).contains(&sessions) {
        return fault("/sessions", format!("1 sampai {MOST_SESSIONS}"), format!("1 to {MOST_SESSIONS}"));
    }
    Ok(())
}

/// The sessions as stored, numbered in the order of time.
pub(super) fn number(id: TrainingEventId, sessions: Vec<NewSession>) -> ApiResult<Vec<Session>> {
    let times: Vec<_> = sessions.iter().map(|session| (session.starts_at.at(), session.ends_at.at())).collect();
    check_sessions(&times)?;
    let numbered = (1..).zip(sessions).map(|(number, session)| Session {
        event_id: id,
        number,
        starts_at: session.starts_at.at(),
        ends_at: session.ends_at.at(),
        topic: session.topic.map(|topic| topic.as_str().to_owned()),
    });
    Ok(numbered.collect())
}

fn prepare(
    app: &App,
    caller: &Caller,
    own: RegionCode,
    body: NewTrainingEvent,
    digest: &[u8],
) -> ApiResult<(TrainingEvent, Vec<Session>)> {
    let now = app.clock.now();
    let id = body.id.unwrap_or_else(|| TrainingEventId(app.clock.new_id()));
    let sessions = number(id, body.sessions)?;
    let speakers = speakers(body.speakers, body.speaker_agencies)?;
    let mut event = TrainingEvent {
        id,
        organiser_id: caller.agency,
        organiser_region_code: own,
        level: body.level,
        title: body.title.as_str().to_owned(),
        region_code: body.region_code.clone(),
        province_code: body.region_code.clone(),
        regency_code: None,
        district_code: None,
        village_code: None,
        venue: body.venue.as_str().to_owned(),
        speakers: Json(vec![]),
        speaker_agencies: vec![],
        materials: Json(body.materials),
        cost_source: body.cost_source,
        cost_note: body.cost_note.map(|note| note.as_str().to_owned()),
        by_invitation: body.by_invitation,
        capacity: body.capacity,
        seats_taken: 0,
        waiting: 0,
        enrolment_opens_at: body.enrolment_opens_at.map(Moment::at),
        enrolment_closes_at: body.enrolment_closes_at.map(Moment::at),
        starts_at: now,
        ends_at: now,
        year: 0,
        state: EventState::Draft,
        state_since: now,
        state_by: caller.agency,
        reason: None,
        note: None,
        version: 1,
        created_by: Some(caller.client.0),
        create_request: Some(digest.to_vec()),
        created_at: now,
        updated_at: now,
        updated_by: caller.agency,
    };
    event.hold_for(&body.region_code);
    event.hear(speakers);
    event.take_place(&sessions);
    check_enrolment_time(event.enrolment_time())?;
    Ok((event, sessions))
}

async fn save(
    conn: &mut Conn,
    app: &App,
    caller: &Caller,
    event: &TrainingEvent,
    sessions: &[Session],
) -> ApiResult<()> {
    let first = EventHistoryRow {
        id: app.clock.new_id(),
        event_id: event.id,
        at: event.created_at,
        action: EventHistoryAction::Create,
        from_state: None,
        to_state: event.state,
        agency_id: caller.agency,
        acting_user: caller.acting_user.as_ref().map(|user| user.as_str().to_owned()),
        reason: None,
        note: None,
    };
    let made = store::create(conn, event, sessions, &first).await.map_err(ApiError::from);
    made.map_err(|error| error.on_constraint("training_events_pkey", || ApiError::from(&ID_TAKEN)))?;
    note(conn, app, caller, "training_event.create", None, event).await
}

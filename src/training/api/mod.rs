//! Endpoints under `/v1/training-events` and `/v1/training-enrolments`, and what they show.
pub mod actions;
pub mod attend;
pub mod certify;
pub mod check;
pub mod create;
pub mod enrol;
pub mod invite;
pub mod needs;
pub mod read;
pub mod reissue;
pub mod results;
pub mod seats;
pub mod sheet;
pub mod update;

use super::rules::{
    EventLevel, EventState, Material, NOT_THE_ORGANISER, Speaker, TRAINING_STATE_CONFLICT, TrainingEventId, organises,
};
use super::store::{self, Session, TrainingEvent};
use crate::access::rules::{AgencyId, Caller};
use crate::audit::{rules::Event, store as audit};
use crate::codes::rules::{Code, UNKNOWN_CODE};
use crate::codes::store as codes;
use crate::platform::answer::Answer;
use crate::platform::app::App;
use crate::platform::db::Conn;
use crate::platform::error::{ApiError, ApiResult, Fault, STALE};
use crate::platform::idempotency::Replay;
use crate::platform::input::IfMatch;
use crate::platform::region_code::RegionCode;
use crate::regions::rules::TimeZone;
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use utoipa::ToSchema;

/// A part of an event.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionView {
    /// From 1, in the order of time.
    number: i16,
    starts_at: DateTime<Utc>,
    ends_at: DateTime<Utc>,
    /// What it is about.
    #[schema(required)]
    topic: Option<String>,
}

/// A training event.
#[derive(Debug, Serialize, ToSchema)]
pub struct TrainingEventView {
    id: TrainingEventId,
    level: EventLevel,
    #[schema(example = "Bimtek PSM Kabupaten Mukomuko")]
    title: String,
    /// Agency that organises it.
    organiser_id: AgencyId,
    /// For the volunteers of this region.
    region_code: RegionCode,
    /// IANA name of the region's time zone: show times in it.
    time_zone: TimeZone,
    #[schema(example = "Aula Bappelitbang")]
    venue: String,
    /// Who speaks.
    speakers: Vec<Speaker>,
    /// The bodies that they come from, each once.
    speaker_agencies: Vec<String>,
    /// What is handed out.
    materials: Vec<Material>,
    /// Who pays: code of the list `training-cost-sources`.
    #[schema(required)]
    cost_source: Option<Code>,
    #[schema(required)]
    cost_note: Option<String>,
    /// Whether only villages that are invited enrol, and phones of volunteers posted there.
    by_invitation: bool,
    /// In the order of time.
    sessions: Vec<SessionView>,
    starts_at: DateTime<Utc>,
    ends_at: DateTime<Utc>,
    /// Seats.
    capacity: i32,
    /// Of these, how many are taken. Changes without a new `version`.
    seats_taken: i32,
    /// How many wait for a seat. Changes without a new `version`.
    waiting: i32,
    /// Null: with the publication.
    #[schema(required)]
    enrolment_opens_at: Option<DateTime<Utc>>,
    /// First instant that is too late.
    enrolment_closes_at: DateTime<Utc>,
    state: EventState,
    /// When the state was recorded.
    state_since: DateTime<Utc>,
    /// Agency that recorded it.
    state_by: AgencyId,
    /// Why it is postponed or cancelled: code of the list `training-reasons`.
    #[schema(required)]
    reason: Option<Code>,
    #[schema(required)]
    note: Option<String>,
    version: i32,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl TrainingEventView {
    fn of(event: TrainingEvent, sessions: Vec<Session>) -> Self {
        let sessions = sessions.into_iter().map(|session| SessionView {
            number: session.number,
            starts_at: session.starts_at,
            ends_at: session.ends_at,
            topic: session.topic,
        });
        Self {
            id: event.id,
            level: event.level,
            organiser_id: event.organiser_id,
            time_zone: TimeZone::of(&event.region_code),
            enrolment_closes_at: event.enrolment_time().end(),
            title: event.title,
            region_code: event.region_code,
            venue: event.venue,
            speakers: event.speakers.0,
            speaker_agencies: event.speaker_agencies,
            materials: event.materials.0,
            cost_source: event.cost_source,
            cost_note: event.cost_note,
            by_invitation: event.by_invitation,
            sessions: sessions.collect(),
            starts_at: event.starts_at,
            ends_at: event.ends_at,
            capacity: event.capacity,
            seats_taken: event.seats_taken,
            waiting: event.waiting,
            enrolment_opens_at: event.enrolment_opens_at,
            state: event.state,
            state_since: event.state_since,
            state_by: event.state_by,
            reason: event.reason,
            note: event.note,
            version: event.version,
            created_at: event.created_at,
            updated_at: event.updated_at,
        }
    }
}

/// The event as it is now, as an answer to its change.
async fn answer(conn: &mut Conn, event: TrainingEvent) -> ApiResult<Answer> {
    let sessions = store::sessions(&mut &*conn, &[event.id]).await?;
    let version = event.version;
    Answer::row(&TrainingEventView::of(event, sessions), version)
}

/// Sends a kept answer again to who still sees the event.
async fn replay(conn: &mut Conn, caller: &Caller, kept: Replay) -> ApiResult<Answer> {
    let id = TrainingEventId(kept.subjects.first().copied().unwrap_or_default());
    store::find(&mut &*conn, caller, id).await?;
    Ok(kept.answer)
}

/// Audit and outbox of a change of an event.
async fn note(
    conn: &mut Conn,
    app: &App,
    caller: &Caller,
    action: &str,
    before: Option<&TrainingEvent>,
    after: &TrainingEvent,
) -> ApiResult<()> {
    let event = Event::by(caller, action, app.clock.new_id(), app.clock.now()).subject("training_event", after.id);
    let event = event.region(&after.region_code);
    let event = if let Some(reason) = &after.reason { event.detail(reason.as_str()) } else { event };
    audit::record(conn, &event).await?;
    store::publish(conn, before, after, after.updated_at).await?;
    Ok(())
}

/// A code that was given, such as the reason for an act.
struct Reason<'a> {
    code: &'a Code,
    /// Whether it comes with words.
    explained: bool,
}

impl Reason<'_> {
    /// Refuses a code that its list does not have for this action that day, and one that needs words without any. `at`: where
    /// the code and the words lie in the body.
    async fn check(
        &self,
        conn: &mut Conn,
        list: &str,
        action: Option<&str>,
        day: NaiveDate,
        (code_at, words_at): (&str, &str),
    ) -> ApiResult<()> {
        let known = codes::valid(conn, list, std::slice::from_ref(self.code), day).await?;
        let fits = known.into_iter().find(|code| code.group_code.as_deref().is_none_or(|group| Some(group) == action));
        let code = fits.ok_or_else(|| ApiError::rule(code_at, UNKNOWN_CODE))?;
        if code.needs_text && !self.explained {
            let fault = Fault::new("required", "kode ini perlu penjelasan", "this code needs an explanation");
            return Err(ApiError::rule(words_at, fault));
        }
        Ok(())
    }
}

fn check_organiser(caller: &Caller, event: &TrainingEvent) -> ApiResult<()> {
    if organises(caller, event.organiser_id) { Ok(()) } else { Err(ApiError::from(&NOT_THE_ORGANISER)) }
}

fn check_version(event: &TrainingEvent, sent: IfMatch) -> ApiResult<()> {
    if event.version == sent.0 {
        return Ok(());
    }
    Err(ApiError::from(&STALE)
        .member("version", event.version)
        .member("updated_at", event.updated_at)
        .member("updated_by", event.updated_by))
}

/// What stands in the way: the state, since when, and who set it.
fn conflict(event: &TrainingEvent) -> ApiError {
    ApiError::from(&TRAINING_STATE_CONFLICT)
        .member("state", event.state)
        .member("since", event.state_since)
        .member("by", event.state_by)
}

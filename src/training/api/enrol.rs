//! Who has a seat or waits for one, and what happened to it.
use crate::access::api::Permit;
use crate::access::rules::{AgencyId, Caller, ReadTraining, Scope, VolunteerId};
use crate::audit::rules::Event;
use crate::audit::store::Recorder;
use crate::codes::rules::Code;
use crate::platform::answer::Answer;
use crate::platform::app::{App, Shared};
use crate::platform::db::{Conn, Db};
use crate::platform::error::ApiResult;
use crate::platform::input::{PathId, several};
use crate::platform::openapi::PreferHeader;
use crate::platform::page::{Page, PageParams, Paged};
use crate::platform::person::initials;
use crate::platform::region_code::RegionCode;
use crate::training::rules::certificates::CertificateId;
use crate::training::rules::{
    EnrolmentId, EnrolmentState, SeatAction, TrainingEventId, TrainingResult, clash, position,
};
use crate::training::store::{self, Participant, SeatHistoryRow, TrainingEvent};
use actix_web::get;
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
    /// Of who waits: place in the list, from 1. Changes without a new `version`.
    #[schema(required)]
    waiting_position: Option<usize>,
    /// Why it was taken without the training that comes before: code of the list `training-waiver-reasons`.
    #[schema(required)]
    waiver_reason: Option<Code>,
    /// Null: none, no right to see the person, or an answer to a change.
    #[schema(required)]
    waiver_note: Option<String>,
    /// Other events in which the volunteer has a seat, with sessions at the same time: a warning, nobody is refused for it.
    /// Changes without a new `version`.
    clashes: Vec<SeatClash>,
    /// Numbers of the sessions attended. Changes without a new `version`.
    attended: Vec<i16>,
    /// Null: none yet.
    #[schema(required)]
    result: Option<TrainingResult>,
    #[schema(required)]
    result_at: Option<DateTime<Utc>>,
    /// Of 100, if it was scored.
    #[schema(required, minimum = 0, maximum = 100)]
    score: Option<i16>,
    /// Number of the certificate that holds. Changes without a new `version`.
    #[schema(required, example = "BT-1706-2026-0001-7K3MQ9TX")]
    certificate_number: Option<String>,
    version: i32,
    created_at: DateTime<Utc>,
}

/// An event at the same time.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SeatClash {
    event_id: TrainingEventId,
    title: String,
    starts_at: DateTime<Utc>,
    ends_at: DateTime<Utc>,
}

/// From when to when the sessions of an event are, in the order of time.
type Times = Vec<(DateTime<Utc>, DateTime<Utc>)>;

/// What is shown of seats beside their rows.
#[derive(Default)]
pub(super) struct Beside {
    attended: HashMap<VolunteerId, Vec<i16>>,
    clashes: HashMap<VolunteerId, Vec<SeatClash>>,
    certificates: HashMap<EnrolmentId, String>,
    places: Vec<i32>,
}

impl Beside {
    /// Of these seats in one event.
    pub(super) async fn of(
        conn: &mut &Conn,
        caller: &Caller,
        event: &TrainingEvent,
        rows: &[Participant],
    ) -> QueryResult<Self> {
        let of: Vec<VolunteerId> = rows.iter().map(|row| row.enrolment.volunteer_id).collect();
        let mut beside = Self::default();
        for (_, volunteer, session) in store::attended(conn, &[event.id], &of).await? {
            beside.attended.entry(volunteer).or_default().push(session);
        }
        if rows.iter().any(|row| row.enrolment.state == EnrolmentState::Waiting) {
            beside.places = store::places(conn, event.id).await?;
        }
        let passed = rows.iter().filter(|row| row.enrolment.result == Some(TrainingResult::Passed));
        let passed: Vec<EnrolmentId> = passed.map(|row| row.enrolment.id).collect();
        if !passed.is_empty() {
            let held = store::valid_of(conn, &passed).await?;
            beside.certificates.extend(held.into_iter().map(|one| (one.enrolment_id, one.number)));
        }
        // What somebody else has to do elsewhere is told to who sees that person.
        let seen = rows.iter().filter(|row| sees_person(caller, row));
        let seen: Vec<VolunteerId> = seen.map(|row| row.enrolment.volunteer_id).collect();
        let mut others = store::seats_at_the_time(conn, event, &seen).await?;
        if !others.is_empty() {
            let ids: Vec<TrainingEventId> = others.iter().map(|other| other.1).chain([event.id]).collect();
            let mut sessions: HashMap<TrainingEventId, Times> = HashMap::new();
            for session in store::sessions(conn, &ids).await? {
                sessions.entry(session.event_id).or_default().push((session.starts_at, session.ends_at));
            }
            let times = |id: &TrainingEventId| sessions.get(id).map(Vec::as_slice).unwrap_or_default();
            others.retain(|other| clash(times(&event.id), times(&other.1)));
        }
        for (volunteer, event_id, title, starts_at, ends_at) in others {
            let clash = SeatClash { event_id, title, starts_at, ends_at };
            beside.clashes.entry(volunteer).or_default().push(clash);
        }
        Ok(beside)
    }

    /// A seat as it is shown, with the name only where `open`.
    pub(super) fn view(&self, participant: Participant, open: bool) -> EnrolmentView {
        let Participant { enrolment, village_code, name } = participant;
        let of = enrolment.volunteer_id;
        EnrolmentView {
            id: enrolment.id,
            event_id: enrolment.event_id,
            volunteer_id: enrolment.volunteer_id,
            village_code,
            initials: initials(&name),
            name: Some(name).filter(|_| open),
            state: enrolment.state,
            state_since: enrolment.state_since,
            state_by: enrolment.state_by,
            waiting_position: enrolment.place.map(|place| position(&self.places, place)),
            waiver_reason: enrolment.waiver_reason,
            waiver_note: enrolment.waiver_note.filter(|_| open),
            // Whose seat is given back clashes with nothing.
            clashes: self
                .clashes
                .get(&of)
                .filter(|_| enrolment.state != EnrolmentState::Withdrawn)
                .cloned()
                .unwrap_or_default(),
            attended: self.attended.get(&of).cloned().unwrap_or_default(),
            result: enrolment.result,
            result_at: enrolment.result_at,
            score: enrolment.score,
            certificate_number: self.certificates.get(&enrolment.id).cloned(),
            version: enrolment.version,
            created_at: enrolment.created_at,
        }
    }
}

/// Whether the caller sees who it is.
fn sees_person(caller: &Caller, participant: &Participant) -> bool {
    shows(caller, participant.enrolment.volunteer_id, &participant.village_code)
}

/// Whether the caller sees who a volunteer is that is posted there.
pub(super) fn shows(caller: &Caller, volunteer: VolunteerId, village: &RegionCode) -> bool {
    caller.sight.shows(volunteer, village) && caller.scopes.has(Scope::VolunteersRead)
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
    /// Of volunteers posted in this region.
    region: Option<RegionCode>,
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
    let (wanted, after): (_, Option<EnrolmentId>) =
        ((paged.filter.state.as_slice(), paged.filter.region.as_ref()), paged.after()?);
    let event = db.read(async |c| store::find(c, &caller, id.0).await).await?;
    let of = (event.id, event.organiser_id);
    let rows = db.read(async |c| store::take_part(c, &caller, of, wanted, after, paged.limit + 1).await).await?;
    let total = if paged.count {
        Some(db.read(async |c| store::count_participants(c, &caller, of, wanted).await).await?)
    } else {
        None
    };
    let (rows, after) = paged.cut(rows, |row| row.enrolment.id);
    let beside = db.read(async |c| Beside::of(c, &caller, &event, &rows).await).await?;
    record_shown(&recorder, &app, &caller, "training_enrolment.list", &rows).await?;
    let views = rows.into_iter().map(|row| {
        let open = sees_person(&caller, &row);
        beside.view(row, open)
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
    let event = db.read(async |c| store::event_of(c, row.enrolment.event_id).await).await?;
    let beside = db.read(async |c| Beside::of(c, &caller, &event, std::slice::from_ref(&row)).await).await?;
    record_shown(&recorder, &app, &caller, "training_enrolment.read", std::slice::from_ref(&row)).await?;
    let (version, open) = (row.enrolment.version, sees_person(&caller, &row));
    Answer::row(&beside.view(row, open), version)
}

/// Something that happened to a seat.
#[derive(Debug, Serialize, ToSchema)]
pub struct SeatEvent {
    at: DateTime<Utc>,
    action: SeatAction,
    /// Of `attend`: number of the session.
    #[schema(required)]
    session: Option<i16>,
    /// Of `attend`: came.
    #[schema(required)]
    present: Option<bool>,
    /// Of `attend`: when it was noted, by the clock of the device.
    #[schema(required)]
    device_at: Option<DateTime<Utc>>,
    /// Of `result` and `void`: what was recorded before.
    #[schema(required)]
    from_result: Option<TrainingResult>,
    /// Of `result`: what is recorded since.
    #[schema(required)]
    to_result: Option<TrainingResult>,
    #[schema(required)]
    score: Option<i16>,
    /// Code of the list `training-waiver-reasons` (`enrol`, `wait`), `training-correction-reasons` (`result`, `void`) or
    /// `certificate-reasons`.
    #[schema(required)]
    reason: Option<Code>,
    /// Null: none, or no right to see the person.
    #[schema(required)]
    note: Option<String>,
    agency_id: AgencyId,
    #[schema(required)]
    acting_user: Option<String>,
    /// Of `issue`, `reissue` and `revoke`: which certificate.
    #[schema(required)]
    certificate_id: Option<CertificateId>,
}

impl SeatEvent {
    /// With the words only where `open`.
    fn of(row: SeatHistoryRow, open: bool) -> Self {
        Self {
            at: row.at,
            action: row.action,
            session: row.session,
            present: row.present,
            device_at: row.device_at,
            from_result: row.from_result,
            to_result: row.to_result,
            score: row.score,
            reason: row.reason,
            note: row.note.filter(|_| open),
            agency_id: row.agency_id,
            acting_user: row.acting_user,
            certificate_id: row.certificate_id,
        }
    }
}

/// What happened to a seat.
#[derive(Debug, Serialize, ToSchema)]
pub struct SeatHistory {
    /// Oldest first.
    items: Vec<SeatEvent>,
}

/// Read what happened to an enrolment
///
/// The seat taken, waited for and given back; attendance of each session with every correction; results and certificates,
/// corrected and taken back, with who did it and why. Nobody changes it.
#[utoipa::path(tag = "training", security(("oauth2" = ["training:read"])), params(("id" = EnrolmentId, Path, description = "Id of the enrolment.")),
    responses((status = 200, body = SeatHistory, description = "The history.")))]
#[get("/v1/training-enrolments/{id}/history")]
pub async fn read_enrolment_history(
    caller: Permit<ReadTraining>,
    id: PathId<EnrolmentId>,
    app: Shared,
    db: Db,
    recorder: Recorder,
) -> ApiResult<Answer> {
    let row = db.read(async |c| store::find_enrolment(c, &caller, id.0).await).await?;
    let rows = db.read(async |c| store::seat_history(c, row.enrolment.id).await).await?;
    // Notes are free text about a person: for who sees that person, and that is recorded.
    record_shown(&recorder, &app, &caller, "training_enrolment.read_history", std::slice::from_ref(&row)).await?;
    let open = sees_person(&caller, &row);
    Answer::ok(&SeatHistory { items: rows.into_iter().map(|row| SeatEvent::of(row, open)).collect() })
}

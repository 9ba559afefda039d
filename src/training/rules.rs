//! What a training event may be, whose it is, which moves there are, and what level follows from what was passed. Pure.
pub mod certificates;

use crate::access::rules::{AgencyId, AgencyKind, Caller};
use crate::platform::error::{ApiError, Fault, Place};
use crate::platform::region_code::RegionCode;
use crate::platform::text::{Line, WebLink};
use crate::regions::rules::TimeZone;
use crate::volunteers::rules::{TrainingLevel, VolunteerStatus};
use crate::{error_codes, text_enum, uuid_id};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

uuid_id!(/** Identifies a training event. */ TrainingEventId);
uuid_id!(/** Identifies an enrolment. */ EnrolmentId);

error_codes! {
    /// Basic training is organised by a regency's office, advanced by a province's.
    TRAINING_LEVEL_NOT_IN_AUTHORITY = (403, "training_level_not_in_authority", "Jenjang pelatihan ini di luar kewenangan instansi Anda.", "Training of this level is not within the authority of your agency.");
    /// The event would be held for a region that is not the organiser's.
    TRAINING_REGION_NOT_IN_AUTHORITY = (403, "training_region_not_in_authority", "Wilayah ini di luar kewenangan instansi Anda.", "The region is not within the authority of your agency.");
    /// The caller sees the event but does not organise it.
    NOT_THE_ORGANISER = (403, "not_the_organiser", "Hanya penyelenggara yang berwenang.", "Only the organiser may do this.");
    /// The caller enrols nobody in this event.
    ENROLMENT_NOT_IN_AUTHORITY = (403, "enrolment_not_in_authority", "Instansi Anda tidak mendaftarkan peserta.", "Your agency enrols no participants.");
    /// The event is not in a state that the act begins from: `state`, `since` and `by` tell.
    TRAINING_STATE_CONFLICT = (409, "training_state_conflict", "Status pelatihan tidak memungkinkan tindakan ini.", "The state of the training event does not allow this act.");
    /// Every seat is taken: `capacity` tells how many there are, `waiting` how many wait. With `wait` one waits.
    EVENT_FULL = (409, "event_full", "Semua tempat sudah terisi.", "Every seat is taken.");
    /// The volunteer has a seat or waits for one: `id` names the enrolment.
    ALREADY_ENROLLED = (409, "already_enrolled", "PSM ini sudah terdaftar.", "The volunteer is enrolled already.");
    /// The event is for villages that are invited, and the volunteer's is not.
    NOT_INVITED = (409, "not_invited", "Desa PSM ini tidak diundang.", "The volunteer's village is not invited.");
    /// Before or after the time of enrolment: `opens_at` and `closes_at` tell.
    ENROLMENT_CLOSED = (409, "enrolment_closed", "Pendaftaran belum dibuka atau sudah ditutup.", "Enrolment is not open.");
    /// The enrolment was withdrawn: `state`, `since` and `by` tell.
    ENROLMENT_STATE_CONFLICT = (409, "enrolment_state_conflict", "Status pendaftaran tidak memungkinkan tindakan ini.", "The state of the enrolment does not allow this act.");
    /// The certificate does not hold any more: `state`, `since` and `by` tell.
    CERTIFICATE_STATE_CONFLICT = (409, "certificate_state_conflict", "Sertifikat sudah tidak berlaku.", "The certificate does not hold any more.");
}

text_enum! {
    /// What an event teaches.
    EventLevel {
        /// Bimtek dasar: a regency's.
        Basic = "basic",
        /// Bimtek lanjutan: a province's.
        Advanced = "advanced",
        /// Anything else; no level follows from it.
        Other = "other",
    }
}

text_enum! {
    /// Where an event stands.
    EventState {
        /// Being prepared, seen by the organiser and the governments above.
        Draft = "draft",
        /// Announced.
        Published = "published",
        /// Without a date.
        Postponed = "postponed",
        /// Under way.
        Running = "running",
        /// Over.
        Completed = "completed",
        /// Called off.
        Cancelled = "cancelled",
    }
}

text_enum! {
    /// What can be done to an event.
    EventAction {
        /// Draft → published.
        Publish = "publish",
        /// Published → postponed.
        Postpone = "postpone",
        /// Postponed → published, with new dates.
        Republish = "republish",
        /// Published → running; the first attendance does it too.
        Start = "start",
        /// Running → completed.
        Complete = "complete",
        /// Draft, published, postponed, running → cancelled.
        Cancel = "cancel",
    }
}

text_enum! {
    /// What a row of an event's history tells of.
    EventHistoryAction {
        /// Made.
        Create = "create",
        /// See the actions.
        Publish = "publish",
        /// See the actions.
        Postpone = "postpone",
        /// See the actions.
        Republish = "republish",
        /// See the actions.
        Start = "start",
        /// See the actions.
        Complete = "complete",
        /// See the actions.
        Cancel = "cancel",
    }
}

/// Who speaks at an event. The same in a body, in an answer and in the database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Speaker {
    /// Body that sends the speaker.
    #[schema(example = "Dinas Sosial Provinsi Bengkulu")]
    pub agency: Line<200>,
    /// Null: not known yet.
    pub name: Option<Line<200>>,
    /// What it is about.
    pub topic: Option<Line<200>>,
}

/// What is handed out or shown at an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Material {
    /// What it is called.
    #[schema(example = "Alur rujukan ke sistem sumber")]
    pub title: Line<200>,
    /// Where it is found; null: on paper only.
    pub url: Option<WebLink>,
}

/// The bodies that speakers come from, each once, in the order of the speakers.
pub fn agencies_of(speakers: &[Speaker]) -> Vec<String> {
    let mut agencies: Vec<String> = vec![];
    for speaker in speakers {
        if !agencies.iter().any(|known| known == speaker.agency.as_str()) {
            agencies.push(speaker.agency.as_str().to_owned());
        }
    }
    agencies
}

text_enum! {
    /// Whether somebody has a seat.
    EnrolmentState {
        /// Has one.
        Enrolled = "enrolled",
        /// Waits for one; the first in the list gets the first that is given back.
        Waiting = "waiting",
        /// Gave it back, or waits no more.
        Withdrawn = "withdrawn",
    }
}

text_enum! {
    /// What a row of a seat's history tells of.
    SeatAction {
        /// Took a seat.
        Enrol = "enrol",
        /// Began to wait for one.
        Wait = "wait",
        /// Got the seat that became free.
        Promote = "promote",
        /// Gave it back, or waits no more.
        Withdraw = "withdraw",
        /// Came to a session or did not, or that was corrected.
        Attend = "attend",
        /// What came of it, or that was corrected.
        Result = "result",
        /// The result was taken back.
        Void = "void",
        /// Got a certificate.
        Issue = "issue",
        /// Got another one in its place.
        Reissue = "reissue",
        /// The certificate holds no more.
        Revoke = "revoke",
    }
}

text_enum! {
    /// What came of it.
    TrainingResult {
        /// Took part and passed.
        Passed = "passed",
        /// Took part and did not pass.
        Failed = "failed",
        /// Did not take part.
        Absent = "absent",
    }
}

impl EventAction {
    /// The same word in the history.
    pub fn as_history(self) -> EventHistoryAction {
        EventHistoryAction::parse(self.as_str()).unwrap_or(EventHistoryAction::Create)
    }
}

text_enum! {
    /// Which training somebody lacks.
    TrainingNeed {
        /// Has not passed the basic one.
        Basic = "basic",
        /// Has passed the basic one and not the advanced one.
        Advanced = "advanced",
    }
}

impl TrainingNeed {
    /// The level of who lacks it.
    pub fn lacking(self) -> TrainingLevel {
        match self {
            Self::Basic => TrainingLevel::None,
            Self::Advanced => TrainingLevel::Basic,
        }
    }

    /// What an event must teach.
    pub fn level(self) -> EventLevel {
        match self {
            Self::Basic => EventLevel::Basic,
            Self::Advanced => EventLevel::Advanced,
        }
    }
}

/// Who can still be trained: has neither left nor been rejected.
pub fn trainable() -> Vec<VolunteerStatus> {
    let can = |status: &VolunteerStatus| !status.has_ended() && *status != VolunteerStatus::Rejected;
    VolunteerStatus::ALL.iter().copied().filter(can).collect()
}

/// Where `action` leads from `state`. `None`: not from here. The database has the same table (`training_events_moves`).
pub fn next(state: EventState, action: EventAction) -> Option<EventState> {
    use EventAction as Do;
    use EventState::{Cancelled, Completed, Draft, Postponed, Published, Running};
    match (action, state) {
        (Do::Publish, Draft) | (Do::Republish, Postponed) => Some(Published),
        (Do::Postpone, Published) => Some(Postponed),
        (Do::Start, Published) => Some(Running),
        (Do::Complete, Running) => Some(Completed),
        (Do::Cancel, Draft | Published | Postponed | Running) => Some(Cancelled),
        _ => None,
    }
}

impl EventState {
    /// Whether what is planned may be changed.
    pub fn may_be_changed(self) -> bool {
        matches!(self, Self::Draft | Self::Published)
    }

    /// Whether a seat may be given back.
    pub fn may_be_left(self) -> bool {
        matches!(self, Self::Published | Self::Postponed)
    }

    /// Whether somebody can have come: what a phone noted without a network arrives after the end.
    pub fn takes_attendance(self) -> bool {
        matches!(self, Self::Published | Self::Running | Self::Completed)
    }

    /// Whether somebody can have passed.
    pub fn takes_results(self) -> bool {
        matches!(self, Self::Running | Self::Completed)
    }
}

/// Whether an agency of this kind organises training of this level.
pub fn may_organise(kind: AgencyKind, level: EventLevel) -> bool {
    match level {
        EventLevel::Basic => kind == AgencyKind::DinsosRegency,
        EventLevel::Advanced => kind == AgencyKind::DinsosProvince,
        EventLevel::Other => matches!(kind, AgencyKind::DinsosRegency | AgencyKind::DinsosProvince),
    }
}

/// Whether the caller acts for the organiser. A phone's client is the organiser's too, and acts for its volunteer.
pub fn organises(caller: &Caller, organiser: AgencyId) -> bool {
    caller.agency == organiser && caller.volunteer.is_none()
}

/// Whether the caller enrols volunteers of its sight in an event that it sees: the organiser, the offices and villages
/// of the volunteers, a phone itself.
pub fn may_enrol(caller: &Caller, organiser: AgencyId) -> bool {
    let home = matches!(caller.agency_kind, AgencyKind::VillageGovernment | AgencyKind::DinsosRegency);
    organises(caller, organiser) || caller.volunteer.is_some() || home
}

/// When one may enrol: half-open.
#[derive(Debug, Clone, Copy)]
pub struct EnrolmentTime {
    /// None: since the publication.
    pub opens_at: Option<DateTime<Utc>>,
    /// None: until the start.
    pub closes_at: Option<DateTime<Utc>>,
    /// Of the event.
    pub starts_at: DateTime<Utc>,
}

impl EnrolmentTime {
    /// First instant that is too late.
    pub fn end(self) -> DateTime<Utc> {
        self.closes_at.unwrap_or(self.starts_at)
    }

    /// Whether it is now.
    pub fn holds(self, now: DateTime<Utc>) -> bool {
        self.opens_at.is_none_or(|opens| opens <= now) && now < self.end()
    }
}

/// Refuses a volunteer who cannot take part: gone, not chosen, not of the region (unless it is over, and it is recorded who was
/// there), or without what comes before, unless that is waived.
pub fn check_participant(
    (level, region): (EventLevel, &RegionCode),
    (status, has, village): (VolunteerStatus, TrainingLevel, &RegionCode),
    (waived, was_there): (bool, bool),
) -> Result<(), ApiError> {
    let fault = |code, id, en| Err(ApiError::rule("/volunteer_id", Fault::new(code, id, en)));
    if !was_there && (status.has_ended() || status == VolunteerStatus::Rejected) {
        return fault("volunteer_has_left", "bukan calon atau PSM lagi", "is no candidate and no volunteer any more");
    }
    if !was_there && !region.contains(village) {
        return fault("outside_region", "bertugas di luar wilayah pelatihan", "is posted outside the event's region");
    }
    if level == EventLevel::Advanced && has == TrainingLevel::None && !waived {
        return fault(
            "basic_required",
            "belum lulus pelatihan dasar",
            "has not passed the basic training that comes before",
        );
    }
    Ok(())
}

/// Whether two events have sessions at one time; half-open, each in the order of time.
pub fn clash(own: &[(DateTime<Utc>, DateTime<Utc>)], other: &[(DateTime<Utc>, DateTime<Utc>)]) -> bool {
    own.iter().any(|(starts, ends)| other.iter().any(|(others, until)| starts < until && others < ends))
}

/// Place of somebody in the waiting list, from 1: how many wait who came first, and himself. `places` in order.
pub fn position(places: &[i32], own: i32) -> usize {
    places.partition_point(|place| *place < own) + 1
}

/// Most sessions of an event.
pub const MOST_SESSIONS: usize = 100;

/// Refuses sessions that do not follow one another.
pub fn check_sessions(sessions: &[(DateTime<Utc>, DateTime<Utc>)]) -> Result<(), ApiError> {
    let mut free_from = DateTime::<Utc>::MIN_UTC;
    for (index, (starts_at, ends_at)) in sessions.iter().enumerate() {
        if ends_at <= starts_at {
            let fault = Fault::new("ends_before_start", "berakhir sebelum mulai", "ends before it starts");
            return Err(ApiError::rule(&format!("/sessions/{index}/ends_at"), fault));
        }
        if *starts_at < free_from {
            let fault = Fault::new(
                "sessions_overlap",
                "mulai sebelum sesi sebelumnya selesai",
                "starts before the one before ends",
            );
            return Err(ApiError::rule(&format!("/sessions/{index}/starts_at"), fault));
        }
        free_from = *ends_at;
    }
    Ok(())
}

/// Refuses a time of enrolment that never is.
pub fn check_enrolment_time(time: EnrolmentTime) -> Result<(), ApiError> {
    if time.opens_at.is_none_or(|opens| opens < time.end()) {
        return Ok(());
    }
    let fault = Fault::new("closes_before_opening", "ditutup sebelum dibuka", "closes before it opens");
    Err(ApiError::rule("/enrolment_closes_at", fault))
}

/// Refuses a year that no event is in.
pub fn check_year(year: i16) -> Result<i16, ApiError> {
    if (1945..=9999).contains(&year) {
        return Ok(year);
    }
    let fault = Fault::new("out_of_range", "antara 1945 dan 9999", "between 1945 and 9999");
    Err(ApiError::malformed(Place::Parameter("year".to_owned()), fault))
}

/// Whether somebody can have come to a session that starts then: from its day on, in the event's zone.
pub fn may_have_come(starts_at: DateTime<Utc>, now: DateTime<Utc>, zone: TimeZone) -> bool {
    zone.day(starts_at) <= zone.day(now)
}

/// The level that follows from the events passed.
pub fn level_of(passed: impl IntoIterator<Item = EventLevel>) -> TrainingLevel {
    let level = |event| match event {
        EventLevel::Basic => TrainingLevel::Basic,
        EventLevel::Advanced => TrainingLevel::Advanced,
        EventLevel::Other => TrainingLevel::None,
    };
    passed.into_iter().map(level).max().unwrap_or(TrainingLevel::None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;

    /// Every state × every action, for an organiser to review.
    #[test]
    fn every_move() {
        let mut table = String::new();
        for state in EventState::ALL {
            for action in EventAction::ALL {
                let to = next(*state, *action).map_or("-", EventState::as_str);
                writeln!(table, "{state:<10} {:<10} {to}", action.as_str()).unwrap();
            }
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn history_knows_every_action() {
        for action in EventAction::ALL {
            assert_eq!(action.as_history().as_str(), action.as_str());
        }
    }

    #[test]
    fn the_highest_level_passed_counts() {
        use EventLevel::{Advanced, Basic, Other};
        assert_eq!(level_of([]), TrainingLevel::None);
        assert_eq!(level_of([Other]), TrainingLevel::None);
        assert_eq!(level_of([Other, Basic, Basic]), TrainingLevel::Basic);
        assert_eq!(level_of([Advanced, Basic]), TrainingLevel::Advanced);
    }

    #[test]
    fn enrolment_is_half_open_and_ends_with_the_start() {
        let at = |hour: u32| format!("2026-01-01T{hour:02}:00:00Z").parse::<DateTime<Utc>>().unwrap();
        let time = |opens_at, closes_at| EnrolmentTime { opens_at, closes_at, starts_at: at(9) };
        assert!(time(None, None).holds(at(8)) && !time(None, None).holds(at(9)));
        assert!(time(Some(at(5)), Some(at(6))).holds(at(5)) && !time(Some(at(5)), Some(at(6))).holds(at(6)));
        assert!(!time(Some(at(5)), None).holds(at(4)));
        assert!(check_enrolment_time(time(Some(at(9)), None)).is_err());
        assert!(check_enrolment_time(time(Some(at(8)), None)).is_ok());
    }

    #[test]
    fn sessions_that_only_touch_do_not_clash() {
        let at = |hour: u32| format!("2026-01-01T{hour:02}:00:00Z").parse::<DateTime<Utc>>().unwrap();
        let own = [(at(8), at(10)), (at(13), at(15))];
        assert!(
            !clash(&own, &[(at(10), at(13))]) && !clash(&own, &[]) && !clash(&own, &[(at(6), at(8)), (at(15), at(16))])
        );
        assert!(clash(&own, &[(at(10), at(14))]) && clash(&own, &[(at(9), at(10))]));
    }

    #[test]
    fn places_are_counted_from_one() {
        let places = [4, 7, 9];
        assert_eq!(places.map(|own| position(&places, own)), [1, 2, 3]);
    }

    #[test]
    fn attendance_begins_on_the_day_of_the_session_there() {
        let at = |raw: &str| raw.parse::<DateTime<Utc>>().unwrap();
        let starts = at("2026-01-02T01:00:00Z"); // eight o'clock in Mukomuko
        assert!(!may_have_come(starts, at("2026-01-01T16:59:59Z"), TimeZone::Wib));
        assert!(may_have_come(starts, at("2026-01-01T17:00:00Z"), TimeZone::Wib));
    }
}

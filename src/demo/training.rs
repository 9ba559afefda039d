//! The training of the demo: the Bimtek of Mukomuko, 17 May 2023, which its 75 volunteers passed, and an advanced one of the
//! province to which one may enrol.
use super::volunteers::office;
use crate::access::rules::{AgencyId, AgencyKind, Caller, ClientId, ClientKind, Scopes, Sight, VolunteerId};
use crate::agencies::store as agencies;
use crate::platform::clock::Clock;
use crate::platform::db::{Conn, Json};
use crate::platform::error::{ApiError, ApiResult};
use crate::platform::region_code::RegionCode;
use crate::platform::text::Line;
use crate::training::rules::{
    EnrolmentId, EventAction, EventHistoryAction, EventLevel, EventState, SeatAction, Speaker, TrainingEventId,
    TrainingResult, level_of, next,
};
use crate::training::store::{self, AttendanceRow, Enrolment, EventHistoryRow, SeatHistoryRow, Session, TrainingEvent};
use crate::volunteers::rules::VolunteerStatus;
use crate::volunteers::store::{self as volunteers, Volunteer};
use chrono::{DateTime, TimeDelta, Utc};

const MUKOMUKO: &str = "17.06";
const BENGKULU: &str = "17";
const SPEAKERS: &[(&str, &str)] = &[
    ("Dinas Sosial Provinsi Bengkulu", "Kebijakan penyelenggaraan kesejahteraan sosial"),
    ("Dinas Sosial Kabupaten Mukomuko", "Tugas dan fungsi PSM"),
    ("BPJS Kesehatan", "Rujukan dan PBI-JK"),
];
const SEATS: i32 = 75;

/// Makes both events.
pub async fn seed(conn: &mut Conn, clock: &Clock) -> ApiResult<()> {
    let region = code(MUKOMUKO)?;
    let regency = office(conn, MUKOMUKO).await?;
    let participants = participants(conn, clock, &region, regency).await?;
    let day = |hour: u32, minute: u32| {
        let day = chrono::NaiveDate::from_ymd_opt(2023, 5, 17).and_then(|day| day.and_hms_opt(hour, minute, 0));
        day.map(|at| at.and_utc()).ok_or_else(|| ApiError::internal("no such hour"))
    };
    // Half past eight to noon, and half past one to four, in Mukomuko.
    let sessions = [
        (day(1, 30)?, day(5, 0)?, "Tugas dan fungsi PSM, DTKS"),
        (day(6, 30)?, day(9, 0)?, "Rujukan ke sistem sumber dan PBI-JK"),
    ];
    let mut bimtek = Maker::new(clock, regency, &region, EventLevel::Basic, SEATS)?;
    bimtek.create(conn, "Bimtek PSM Kabupaten Mukomuko", "Aula Bappelitbang", &sessions, 30).await?;
    bimtek.act(conn, EventAction::Publish, day(2, 0)? - TimeDelta::days(28)).await?;
    for volunteer in &participants {
        bimtek.enrol(conn, volunteer, day(3, 0)? - TimeDelta::days(14)).await?;
    }
    bimtek.act(conn, EventAction::Start, day(1, 30)?).await?;
    bimtek.attend(conn, &participants, &sessions).await?;
    bimtek.pass(conn, day(9, 0)?).await?;
    bimtek.act(conn, EventAction::Complete, day(9, 30)?).await?;

    let province = code(BENGKULU)?;
    let found = agencies::list(&mut &*conn, Some(AgencyKind::DinsosProvince), Some(&province), None, 1).await?;
    let organiser = found.first().map(|agency| agency.id).ok_or_else(|| ApiError::internal("no office"))?;
    let midnight = clock.now().date_naive().and_time(chrono::NaiveTime::MIN).and_utc();
    let begins = midnight + TimeDelta::days(30) + TimeDelta::hours(2);
    let sessions = [(begins, begins + TimeDelta::hours(6), "Pendampingan PPKS dan manajemen kasus")];
    let mut advanced = Maker::new(clock, organiser, &province, EventLevel::Advanced, 40)?;
    advanced.create(conn, "Bimtek Lanjutan PSM Provinsi Bengkulu", "Aula Dinas Sosial", &sessions, 31).await?;
    advanced.act(conn, EventAction::Publish, clock.now()).await?;
    // The first is the volunteer of the demo's phone, who may still decide.
    for volunteer in participants.iter().skip(1).step_by(15) {
        advanced.enrol(conn, volunteer, clock.now()).await?;
    }
    Ok(())
}

fn code(raw: &str) -> ApiResult<RegionCode> {
    RegionCode::parse(raw).map_err(|fault| ApiError::internal(fault.code))
}

fn speakers() -> ApiResult<Vec<Speaker>> {
    let line = |text: &str| Line::try_from(text.to_owned()).map_err(|fault| ApiError::internal(fault.code));
    let speaker = |(agency, topic): &(&str, &str)| -> ApiResult<Speaker> {
        Ok(Speaker { agency: line(agency)?, name: None, topic: Some(line(topic)?) })
    };
    SPEAKERS.iter().map(speaker).collect()
}

/// The active volunteers of a region, as its office sees them.
async fn participants(
    conn: &mut Conn,
    clock: &Clock,
    region: &RegionCode,
    office: AgencyId,
) -> ApiResult<Vec<Volunteer>> {
    let caller = Caller {
        client: ClientId(clock.new_id()),
        client_kind: ClientKind::System,
        agency: office,
        agency_kind: AgencyKind::DinsosRegency,
        scopes: Scopes::default(),
        branch: false,
        sight: Sight::Region(region.clone()),
        regions: vec![region.clone()],
        acting_user: None,
        volunteer: None,
        purpose: String::new(),
        request: clock.new_id(),
        address: None,
        expires_at: clock.now(),
        token: uuid::Uuid::nil(),
        epoch: 0,
    };
    let wanted = volunteers::Wanted { status: vec![VolunteerStatus::Active], ..volunteers::Wanted::default() };
    let found = volunteers::list(&mut &*conn, &caller, &wanted, None, i64::from(SEATS)).await?;
    Ok(found.into_iter().map(|(volunteer, _)| volunteer).collect())
}

/// Takes an event through its states.
struct Maker<'a> {
    clock: &'a Clock,
    event: TrainingEvent,
}

impl<'a> Maker<'a> {
    fn new(
        clock: &'a Clock,
        organiser: AgencyId,
        region: &RegionCode,
        level: EventLevel,
        capacity: i32,
    ) -> ApiResult<Self> {
        let now = clock.now();
        let mut event = TrainingEvent {
            id: TrainingEventId(clock.new_id()),
            organiser_id: organiser,
            organiser_region_code: region.clone(),
            level,
            title: String::new(),
            region_code: region.clone(),
            province_code: region.clone(),
            regency_code: None,
            district_code: None,
            village_code: None,
            venue: String::new(),
            speakers: Json(vec![]),
            speaker_agencies: vec![],
            materials: Json(vec![]),
            cost_source: None,
            cost_note: None,
            by_invitation: false,
            capacity,
            seats_taken: 0,
            waiting: 0,
            enrolment_opens_at: None,
            enrolment_closes_at: None,
            starts_at: now,
            ends_at: now,
            year: 0,
            state: EventState::Draft,
            state_since: now,
            state_by: organiser,
            reason: None,
            note: None,
            version: 1,
            created_by: None,
            create_request: None,
            created_at: now,
            updated_at: now,
            updated_by: organiser,
        };
        event.hold_for(region);
        event.hear(speakers()?);
        Ok(Self { clock, event })
    }

    async fn create(
        &mut self,
        conn: &mut Conn,
        title: &str,
        venue: &str,
        sessions: &[(DateTime<Utc>, DateTime<Utc>, &str)],
        days_before: i64,
    ) -> ApiResult<()> {
        let id = self.event.id;
        let sessions = (1..).zip(sessions).map(|(number, (starts_at, ends_at, topic))| Session {
            event_id: id,
            number,
            starts_at: *starts_at,
            ends_at: *ends_at,
            topic: Some((*topic).to_owned()),
        });
        let sessions: Vec<Session> = sessions.collect();
        title.clone_into(&mut self.event.title);
        venue.clone_into(&mut self.event.venue);
        self.event.take_place(&sessions);
        let at = self.event.starts_at - TimeDelta::days(days_before);
        self.event.state_since = at;
        self.event.created_at = at;
        self.event.updated_at = at;
        let first = self.row(EventHistoryAction::Create, None, at);
        store::create(conn, &self.event, &sessions, &first).await?;
        Ok(())
    }

    async fn act(&mut self, conn: &mut Conn, action: EventAction, at: DateTime<Utc>) -> ApiResult<()> {
        let from = self.event.state;
        self.event.state = next(from, action).ok_or_else(|| ApiError::internal("no such move"))?;
        self.event.state_since = at;
        let by = self.event.organiser_id;
        store::save(conn, &mut self.event, by, at).await?;
        store::add_history(conn, &self.row(action.as_history(), Some(from), at)).await?;
        Ok(())
    }

    fn row(&self, action: EventHistoryAction, from_state: Option<EventState>, at: DateTime<Utc>) -> EventHistoryRow {
        EventHistoryRow {
            id: self.clock.new_id(),
            event_id: self.event.id,
            at,
            action,
            from_state,
            to_state: self.event.state,
            agency_id: self.event.organiser_id,
            acting_user: None,
            reason: None,
            note: None,
        }
    }

    async fn enrol(&self, conn: &mut Conn, volunteer: &Volunteer, at: DateTime<Utc>) -> ApiResult<()> {
        let new = Enrolment::new(EnrolmentId(self.clock.new_id()), self.event.id, volunteer.id, at);
        let new = Enrolment { state_by: self.event.organiser_id, ..new };
        store::enrol(conn, &new).await?;
        store::add_seat_history(conn, &[self.seat_row(new.id, SeatAction::Enrol, at)]).await?;
        Ok(())
    }

    fn seat_row(&self, of: EnrolmentId, action: SeatAction, at: DateTime<Utc>) -> SeatHistoryRow {
        SeatHistoryRow::of(self.event.organiser_id, self.clock.new_id(), of, action, at)
    }

    /// Everyone came to every session.
    async fn attend(
        &self,
        conn: &mut Conn,
        participants: &[Volunteer],
        sessions: &[(DateTime<Utc>, DateTime<Utc>, &str)],
    ) -> ApiResult<()> {
        for (session, (starts_at, ..)) in (1..).zip(sessions) {
            let rows = participants.iter().map(|volunteer| AttendanceRow {
                event_id: self.event.id,
                session,
                volunteer_id: volunteer.id,
                present: true,
                device_at: None,
                noted_at: *starts_at,
                recorded_at: *starts_at,
                recorded_by: self.event.organiser_id,
                acting_user: None,
            });
            store::record_attendance(conn, &rows.collect::<Vec<_>>()).await?;
            let seats = store::lock_enrolments(conn, self.event.id, None).await?;
            let came = seats.iter().map(|seat| SeatHistoryRow {
                session: Some(session),
                present: Some(true),
                ..self.seat_row(seat.id, SeatAction::Attend, *starts_at)
            });
            store::add_seat_history(conn, &came.collect::<Vec<_>>()).await?;
        }
        Ok(())
    }

    /// Everyone passed, and has the level that follows.
    async fn pass(&self, conn: &mut Conn, at: DateTime<Utc>) -> ApiResult<()> {
        let of: Vec<VolunteerId> = store::enrolled(conn, self.event.id).await?.into_iter().map(|(id, _)| id).collect();
        for mut seat in store::lock_enrolments(conn, self.event.id, Some(&of)).await? {
            seat.result = Some(TrainingResult::Passed);
            (seat.result_at, seat.result_by) = (Some(at), Some(self.event.organiser_id));
            store::save_enrolment(conn, &mut seat).await?;
            let row = self.seat_row(seat.id, SeatAction::Result, at);
            store::add_seat_history(conn, &[SeatHistoryRow { to_result: seat.result, ..row }]).await?;
            volunteers::set_level(conn, seat.volunteer_id, level_of([self.event.level]), at).await?;
        }
        Ok(())
    }
}

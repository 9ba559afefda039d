//! Events, their sessions and their history.
use crate::access::rules::{AgencyId, Caller};
use crate::changes::rules::{Audience, Change, ChangeType, Op};
use crate::changes::store as changes;
use crate::codes::rules::Code;
use crate::platform::db::sql::Columns;
use crate::platform::db::{Conn, Json};
use crate::platform::region_code::{RegionCode, RegionLevel};
use crate::schema::{
    training_enrolments, training_event_history, training_events, training_events as t, training_invitations,
    training_sessions, volunteers,
};
use crate::training::rules::{
    EnrolmentTime, EventHistoryAction, EventLevel, EventState, Material, Speaker, TrainingEventId, agencies_of,
};
use chrono::{DateTime, Utc};
use diesel::dsl::{IntoBoxed, count_star, exists, not};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

/// An event as stored; it holds no personal data.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = training_events, check_for_backend(diesel::pg::Pg))]
#[diesel(treat_none_as_default_value = false, treat_none_as_null = true)]
pub struct TrainingEvent {
    /// Its id.
    pub id: TrainingEventId,
    /// Whose it is.
    pub organiser_id: AgencyId,
    /// The organiser's jurisdiction.
    pub organiser_region_code: RegionCode,
    /// What it teaches.
    pub level: EventLevel,
    /// What it is called.
    pub title: String,
    /// For whose volunteers it is.
    pub region_code: RegionCode,
    /// Of the region.
    pub province_code: RegionCode,
    /// Of the region, if it is that deep.
    pub regency_code: Option<RegionCode>,
    /// Of the region, if it is that deep.
    pub district_code: Option<RegionCode>,
    /// Of the region, if it is that deep.
    pub village_code: Option<RegionCode>,
    /// Where it is held.
    pub venue: String,
    /// Who speaks.
    pub speakers: Json<Vec<Speaker>>,
    /// The bodies that they come from, each once.
    pub speaker_agencies: Vec<String>,
    /// What is handed out.
    pub materials: Json<Vec<Material>>,
    /// Who pays: code of the list `training-cost-sources`.
    pub cost_source: Option<Code>,
    /// The same in words.
    pub cost_note: Option<String>,
    /// Whether only villages that are invited enrol.
    pub by_invitation: bool,
    /// Seats.
    pub capacity: i32,
    /// Of these, how many are taken; kept by the database.
    #[diesel(skip_insertion)]
    #[diesel(skip_update)]
    pub seats_taken: i32,
    /// How many wait for one; kept by the database.
    #[diesel(skip_insertion)]
    #[diesel(skip_update)]
    pub waiting: i32,
    /// None: with the publication.
    pub enrolment_opens_at: Option<DateTime<Utc>>,
    /// First instant that is too late; none: the start.
    pub enrolment_closes_at: Option<DateTime<Utc>>,
    /// Of the first session.
    pub starts_at: DateTime<Utc>,
    /// Of the last session.
    pub ends_at: DateTime<Utc>,
    /// In which it starts, where it is held; kept by the database.
    #[diesel(skip_insertion)]
    #[diesel(skip_update)]
    pub year: i16,
    /// Where it stands.
    pub state: EventState,
    /// When that was recorded.
    pub state_since: DateTime<Utc>,
    /// Agency that recorded it.
    pub state_by: AgencyId,
    /// Why it was postponed or cancelled: code of the list `training-reasons`.
    pub reason: Option<Code>,
    /// The same in words.
    pub note: Option<String>,
    /// Raised by every change but that of the seats taken.
    pub version: i32,
    /// Client that created it.
    pub created_by: Option<Uuid>,
    /// Digest of the create, so that the same create gives the row again.
    pub create_request: Option<Vec<u8>>,
    /// When.
    pub created_at: DateTime<Utc>,
    /// Last change.
    pub updated_at: DateTime<Utc>,
    /// Agency of the last change.
    pub updated_by: AgencyId,
}

impl TrainingEvent {
    /// When one may enrol.
    pub fn enrolment_time(&self) -> EnrolmentTime {
        EnrolmentTime {
            opens_at: self.enrolment_opens_at,
            closes_at: self.enrolment_closes_at,
            starts_at: self.starts_at,
        }
    }

    /// Has these speak.
    pub fn hear(&mut self, speakers: Vec<Speaker>) {
        self.speaker_agencies = agencies_of(&speakers);
        self.speakers = Json(speakers);
    }

    /// Takes place from then to then.
    pub fn take_place(&mut self, sessions: &[Session]) {
        self.starts_at = sessions.first().map_or(self.starts_at, |session| session.starts_at);
        self.ends_at = sessions.last().map_or(self.ends_at, |session| session.ends_at);
    }

    /// Holds it for a region: the codes of its levels.
    pub fn hold_for(&mut self, region: &RegionCode) {
        self.province_code = region.at(RegionLevel::Province).unwrap_or_else(|| region.clone());
        self.regency_code = region.at(RegionLevel::Regency);
        self.district_code = region.at(RegionLevel::District);
        self.village_code = region.at(RegionLevel::Village);
        self.region_code = region.clone();
    }
}

/// A part of an event.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = training_sessions, check_for_backend(diesel::pg::Pg), treat_none_as_default_value = false)]
pub struct Session {
    /// Whose.
    pub event_id: TrainingEventId,
    /// From 1, in the order of time.
    pub number: i16,
    /// Begins then.
    pub starts_at: DateTime<Utc>,
    /// Ends then.
    pub ends_at: DateTime<Utc>,
    /// What it is about.
    pub topic: Option<String>,
}

/// A move of the state.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = training_event_history, check_for_backend(diesel::pg::Pg), treat_none_as_default_value = false)]
pub struct EventHistoryRow {
    /// Of the row.
    pub id: Uuid,
    /// Whose.
    pub event_id: TrainingEventId,
    /// When.
    pub at: DateTime<Utc>,
    /// What was done.
    pub action: EventHistoryAction,
    /// None: it was created.
    pub from_state: Option<EventState>,
    /// What it led to.
    pub to_state: EventState,
    /// Who did it.
    pub agency_id: AgencyId,
    /// The officer at the keyboard.
    pub acting_user: Option<String>,
    /// Code of the list `training-reasons`.
    pub reason: Option<Code>,
    /// In words.
    pub note: Option<String>,
}

type Filter = Box<dyn BoxableExpression<t::table, Pg, SqlType = Bool>>;

/// Whose own events a caller's are: nobody's event has the nil agency, and a phone of the organiser organises nothing.
pub(super) fn organiser(caller: &Caller) -> AgencyId {
    if caller.volunteer.is_none() { caller.agency } else { AgencyId(Uuid::nil()) }
}

/// The events that a caller sees. Drafts: the organiser, wherever its region is today, and the governments above it. The others also: everyone whose
/// region the event is held for, that lies in it or that it lies in; a phone those where its volunteer is posted, and
/// those that its volunteer enrolled in.
fn visible_to(caller: &Caller) -> Filter {
    let window = caller.sight.window();
    let above: Vec<RegionCode> = std::iter::successors(caller.sight.region().cloned(), RegionCode::parent).collect();
    let organised =
        t::organiser_region_code.ge(window.from.clone()).and(t::organiser_region_code.lt(window.until.clone()));
    let held_in = t::region_code.ge(window.from).and(t::region_code.lt(window.until));
    let posted_there = volunteers::village_code
        .eq(t::region_code)
        .or(volunteers::district_code.eq(t::region_code))
        .or(volunteers::regency_code.eq(t::region_code))
        .or(volunteers::province_code.eq(t::region_code));
    let own = volunteers::table.filter(volunteers::id.eq(window.own)).filter(posted_there);
    let taken = training_enrolments::table
        .filter(training_enrolments::event_id.eq(t::id).and(training_enrolments::volunteer_id.eq(window.own)));
    let announced = held_in.or(t::region_code.eq_any(above)).or(exists(own)).or(exists(taken));
    let organised = organised.or(t::organiser_id.eq(organiser(caller)));
    Box::new(organised.or(t::state.ne(EventState::Draft).and(announced)))
}

/// Which events: repeated is or, different is and.
#[derive(Debug, Default)]
pub struct Wanted {
    /// Held for this region or one that lies in it.
    pub region: Option<RegionCode>,
    /// Of one of these levels.
    pub level: Vec<EventLevel>,
    /// In one of these states.
    pub state: Vec<EventState>,
    /// Starting then or later.
    pub starts_from: Option<DateTime<Utc>>,
    /// Starting before then.
    pub starts_before: Option<DateTime<Utc>>,
    /// Starting in this year, where it is held.
    pub year: Option<i16>,
    /// Whether a village that the caller sees is invited.
    pub invited: Option<bool>,
}

/// The one predicate of list and count.
fn narrowed<'a>(caller: &Caller, wanted: &'a Wanted) -> IntoBoxed<'a, t::table, Pg> {
    let mut query = t::table.filter(visible_to(caller)).into_boxed();
    // Above, in or below: all that a government sees lies in its province, or is its own; indices serve both.
    if let Some(province) = caller.sight.region().and_then(|region| region.at(RegionLevel::Province)) {
        query = query.filter(t::province_code.eq(province).or(t::organiser_id.eq(organiser(caller))));
    }
    if let Some(code) = &wanted.region {
        query = match code.level() {
            RegionLevel::Province => query.filter(t::province_code.eq(code)),
            RegionLevel::Regency => query.filter(t::regency_code.eq(code)),
            RegionLevel::District => query.filter(t::district_code.eq(code)),
            RegionLevel::Village => query.filter(t::village_code.eq(code)),
        };
    }
    if !wanted.level.is_empty() {
        query = query.filter(t::level.eq_any(&wanted.level));
    }
    if !wanted.state.is_empty() {
        query = query.filter(t::state.eq_any(&wanted.state));
    }
    if let Some(from) = wanted.starts_from {
        query = query.filter(t::starts_at.ge(from));
    }
    if let Some(before) = wanted.starts_before {
        query = query.filter(t::starts_at.lt(before));
    }
    if let Some(year) = wanted.year {
        query = query.filter(t::year.eq(year));
    }
    if let Some(invited) = wanted.invited {
        let window = caller.sight.window();
        let posted = volunteers::table.filter(volunteers::id.eq(window.own)).select(volunteers::village_code);
        let own = training_invitations::table.filter(training_invitations::event_id.eq(t::id)).filter(
            training_invitations::village_code.eq_any(posted).or(training_invitations::village_code
                .ge(window.from)
                .and(training_invitations::village_code.lt(window.until))),
        );
        query = if invited { query.filter(exists(own)) } else { query.filter(not(exists(own))) };
    }
    query
}

/// A page, in the order of the start.
pub async fn list(
    conn: &mut &Conn,
    caller: &Caller,
    wanted: &Wanted,
    after: Option<(DateTime<Utc>, TrainingEventId)>,
    limit: i64,
) -> QueryResult<Vec<TrainingEvent>> {
    let mut query = narrowed(caller, wanted);
    if let Some((at, id)) = after {
        query = query.filter(t::starts_at.gt(at).or(t::starts_at.eq(at).and(t::id.gt(id))));
    }
    query.select(TrainingEvent::columns()).order((t::starts_at, t::id)).limit(limit).load(conn).await
}

/// How many the whole list has.
pub async fn count(conn: &mut &Conn, caller: &Caller, wanted: &Wanted) -> QueryResult<i64> {
    narrowed(caller, wanted).select(count_star()).get_result(conn).await
}

/// An event that the caller sees.
pub async fn find(conn: &mut &Conn, caller: &Caller, id: TrainingEventId) -> QueryResult<TrainingEvent> {
    t::table.find(id).filter(visible_to(caller)).select(TrainingEvent::columns()).first(conn).await
}

/// The same, held until the transaction ends: whoever takes a seat or changes the event waits.
pub async fn lock(conn: &mut Conn, caller: &Caller, id: TrainingEventId) -> QueryResult<TrainingEvent> {
    t::table.find(id).filter(visible_to(caller)).select(TrainingEvent::columns()).for_update().first(conn).await
}

/// The event of an enrolment that the caller has been found to see, held until the transaction ends.
pub async fn lock_of_enrolment(conn: &mut Conn, id: TrainingEventId) -> QueryResult<TrainingEvent> {
    t::table.find(id).select(TrainingEvent::columns()).for_update().first(conn).await
}

/// The event of an enrolment that the caller has been found to see.
pub async fn event_of(conn: &mut &Conn, id: TrainingEventId) -> QueryResult<TrainingEvent> {
    t::table.find(id).select(TrainingEvent::columns()).first(conn).await
}

/// Which of these events the caller sees.
pub async fn seen(conn: &mut &Conn, caller: &Caller, of: &[TrainingEventId]) -> QueryResult<Vec<TrainingEventId>> {
    t::table.filter(t::id.eq_any(of)).filter(visible_to(caller)).select(t::id).load(conn).await
}

/// The sessions of events, in the order of time.
pub async fn sessions(conn: &mut &Conn, events: &[TrainingEventId]) -> QueryResult<Vec<Session>> {
    training_sessions::table
        .filter(training_sessions::event_id.eq_any(events))
        .select(Session::columns())
        .order((training_sessions::event_id, training_sessions::number))
        .load(conn)
        .await
}

/// Who created the row of this id, and with what: of any caller, for an id that is taken is taken for all.
pub async fn find_create(conn: &mut Conn, id: TrainingEventId) -> QueryResult<Option<(Option<Uuid>, Option<Vec<u8>>)>> {
    t::table.find(id).select((t::created_by, t::create_request)).first(conn).await.optional()
}

/// Inserts an event with its sessions and the first row of its history.
pub async fn create(
    conn: &mut Conn,
    event: &TrainingEvent,
    sessions: &[Session],
    first: &EventHistoryRow,
) -> QueryResult<()> {
    diesel::insert_into(training_events::table).values(event).execute(conn).await?;
    add_sessions(conn, sessions).await?;
    add_history(conn, first).await
}

async fn add_sessions(conn: &mut Conn, sessions: &[Session]) -> QueryResult<()> {
    for session in sessions {
        diesel::insert_into(training_sessions::table).values(session).execute(conn).await?;
    }
    Ok(())
}

/// Replaces the sessions of an event that is locked and has not begun.
pub async fn replace_sessions(conn: &mut Conn, id: TrainingEventId, sessions: &[Session]) -> QueryResult<()> {
    let old = training_sessions::table.filter(training_sessions::event_id.eq(id));
    diesel::delete(old).execute(conn).await?;
    add_sessions(conn, sessions).await
}

/// Writes an event that is locked, under the next version.
pub async fn save(conn: &mut Conn, event: &mut TrainingEvent, by: AgencyId, now: DateTime<Utc>) -> QueryResult<()> {
    event.version += 1;
    event.updated_at = now;
    event.updated_by = by;
    diesel::update(t::table.find(event.id)).set(&*event).execute(conn).await.map(drop)
}

/// Adds to the history.
pub async fn add_history(conn: &mut Conn, row: &EventHistoryRow) -> QueryResult<()> {
    diesel::insert_into(training_event_history::table).values(row).execute(conn).await.map(drop)
}

/// What happened to an event that the caller has been found to see, oldest first.
pub async fn history(conn: &mut &Conn, event: &TrainingEvent) -> QueryResult<Vec<EventHistoryRow>> {
    training_event_history::table
        .filter(training_event_history::event_id.eq(event.id))
        .select(EventHistoryRow::columns())
        .order((training_event_history::at, training_event_history::id))
        .load(conn)
        .await
}

/// Whether there is no event yet.
pub async fn is_empty(conn: &mut Conn) -> QueryResult<bool> {
    let any: Option<TrainingEventId> = t::table.select(t::id).first(conn).await.optional()?;
    Ok(any.is_none())
}

/// Publishes a change of an event, to those whom [`visible_to`] shows it: to the organiser and the governments above it,
/// and, once it is announced, to the governments above its region, to everyone in that, and to those who took or take part.
pub async fn publish(
    conn: &mut Conn,
    before: Option<&TrainingEvent>,
    after: &TrainingEvent,
    at: DateTime<Utc>,
) -> QueryResult<()> {
    let taken = super::takers(conn, after.id).await?;
    let audience = |event: &TrainingEvent| {
        let mut audience = Audience {
            agencies: vec![event.organiser_id],
            regions: vec![event.organiser_region_code.clone()],
            ..Audience::default()
        };
        if event.state != EventState::Draft {
            audience.regions.push(event.region_code.clone());
            audience.below.push(event.region_code.clone());
            // Most are posted where it is announced anyway.
            let away = taken.iter().filter(|(_, village)| !event.region_code.contains(village));
            audience.volunteers.extend(away.map(|(id, _)| *id));
        }
        audience.regions.sort();
        audience.regions.dedup();
        audience
    };
    let change = Change {
        r#type: ChangeType::TrainingEvent,
        id: after.id.0,
        version: after.version,
        op: Op::Upsert,
        redirected_to: None,
        before: before.map(audience).unwrap_or_default(),
        after: audience(after),
        at,
    };
    changes::publish(conn, &change).await
}

//! Who has a seat, and what came of it.
use crate::access::rules::{AgencyId, Caller, VolunteerId};
use crate::changes::rules::{Audience, Change, ChangeType, Op};
use crate::changes::store as changes;
use crate::codes::rules::Code;
use crate::platform::db::Conn;
use crate::platform::db::sql::{Columns, Known};
use crate::platform::region_code::{RegionCode, RegionLevel};
use crate::schema::{training_enrolments, training_events, volunteer_people, volunteers};
use crate::training::rules::{
    EnrolmentId, EnrolmentState, EventLevel, EventState, TrainingEventId, TrainingResult, organises,
};
use crate::volunteers::store::visible_to as volunteers_visible_to;
use chrono::{DateTime, Utc};
use diesel::dsl::count_star;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

/// An enrolment as stored, without the person.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = training_enrolments, check_for_backend(diesel::pg::Pg))]
#[diesel(treat_none_as_default_value = false, treat_none_as_null = true)]
pub struct Enrolment {
    /// Its id.
    pub id: EnrolmentId,
    /// In what.
    pub event_id: TrainingEventId,
    /// Of whom.
    pub volunteer_id: VolunteerId,
    /// Whether it holds a seat.
    pub state: EnrolmentState,
    /// When that was recorded.
    pub state_since: DateTime<Utc>,
    /// Agency that recorded it.
    pub state_by: AgencyId,
    /// Place in the waiting list, the lowest first; given by the database, and again if who withdrew comes back.
    #[diesel(skip_insertion)]
    #[diesel(skip_update)]
    pub place: Option<i32>,
    /// Why it was taken without the training that comes before: code of the list `training-waiver-reasons`.
    pub waiver_reason: Option<Code>,
    /// The same in words.
    pub waiver_note: Option<String>,
    /// What came of it.
    pub result: Option<TrainingResult>,
    /// Of 100, if it was scored.
    pub score: Option<i16>,
    /// When that was recorded.
    pub result_at: Option<DateTime<Utc>>,
    /// By whom.
    pub result_by: Option<AgencyId>,
    /// The officer at the keyboard.
    pub result_acting_user: Option<String>,
    /// Raised by every change of state or result.
    pub version: i32,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

impl Enrolment {
    /// A seat that is yet to be taken.
    pub fn new(id: EnrolmentId, event: TrainingEventId, of: VolunteerId, at: DateTime<Utc>) -> Self {
        Self {
            id,
            event_id: event,
            volunteer_id: of,
            state: EnrolmentState::Enrolled,
            state_since: at,
            state_by: AgencyId(Uuid::nil()),
            place: None,
            waiver_reason: None,
            waiver_note: None,
            result: None,
            score: None,
            result_at: None,
            result_by: None,
            result_acting_user: None,
            version: 1,
            created_at: at,
        }
    }
}

/// An enrolment and of its person what a list shows. It leaves only through a view; there is neither `Serialize` nor
/// `Debug`.
#[derive(Clone, Queryable)]
pub struct Participant {
    /// The enrolment.
    pub enrolment: Enrolment,
    /// Where the volunteer is posted.
    pub village_code: RegionCode,
    /// Full name.
    pub name: String,
}

/// A training that a volunteer enrolled in, and of the event what tells of it.
pub type Taken = (Enrolment, String, EventLevel, EventState, DateTime<Utc>, AgencyId);

/// An enrolment that the caller sees: of a volunteer of its sight, or in an event that it organises.
pub async fn find_enrolment(conn: &mut &Conn, caller: &Caller, id: EnrolmentId) -> QueryResult<Participant> {
    let organiser = super::events::organiser(caller);
    training_enrolments::table
        .inner_join(volunteers::table.inner_join(volunteer_people::table))
        .inner_join(training_events::table)
        .filter(training_enrolments::id.eq(id))
        .filter(volunteers_visible_to(caller).or(training_events::organiser_id.eq(organiser)))
        .select((Enrolment::columns(), volunteers::village_code, volunteer_people::name))
        .first(conn)
        .await
}

/// A page of the enrolments in an event that the caller sees: all of them for the organiser, those of volunteers of its
/// sight for everyone else. In the order of enrolment.
pub async fn take_part(
    conn: &mut &Conn,
    caller: &Caller,
    event: (TrainingEventId, AgencyId),
    (state, region): (&[EnrolmentState], Option<&RegionCode>),
    after: Option<EnrolmentId>,
    limit: i64,
) -> QueryResult<Vec<Participant>> {
    let mut query = training_enrolments::table
        .inner_join(volunteers::table.inner_join(volunteer_people::table))
        .filter(training_enrolments::event_id.eq(event.0))
        .into_boxed();
    if !organises(caller, event.1) {
        query = query.filter(volunteers_visible_to(caller));
    }
    if !state.is_empty() {
        query = query.filter(training_enrolments::state.eq_any(state));
    }
    if let Some(region) = region {
        query = match region.level() {
            RegionLevel::Province => query.filter(volunteers::province_code.eq(region)),
            RegionLevel::Regency => query.filter(volunteers::regency_code.eq(region)),
            RegionLevel::District => query.filter(volunteers::district_code.eq(region)),
            RegionLevel::Village => query.filter(volunteers::village_code.eq(region)),
        };
    }
    if let Some(after) = after {
        query = query.filter(training_enrolments::id.gt(after));
    }
    query
        .select((Enrolment::columns(), volunteers::village_code, volunteer_people::name))
        .order(training_enrolments::id)
        .limit(limit)
        .load(conn)
        .await
}

/// How many the whole list has.
pub async fn count_participants(
    conn: &mut &Conn,
    caller: &Caller,
    event: (TrainingEventId, AgencyId),
    (state, region): (&[EnrolmentState], Option<&RegionCode>),
) -> QueryResult<i64> {
    let mut query = training_enrolments::table
        .inner_join(volunteers::table)
        .filter(training_enrolments::event_id.eq(event.0))
        .into_boxed();
    if !organises(caller, event.1) {
        query = query.filter(volunteers_visible_to(caller));
    }
    if !state.is_empty() {
        query = query.filter(training_enrolments::state.eq_any(state));
    }
    if let Some(region) = region {
        query = match region.level() {
            RegionLevel::Province => query.filter(volunteers::province_code.eq(region)),
            RegionLevel::Regency => query.filter(volunteers::regency_code.eq(region)),
            RegionLevel::District => query.filter(volunteers::district_code.eq(region)),
            RegionLevel::Village => query.filter(volunteers::village_code.eq(region)),
        };
    }
    query.select(count_star()).get_result(conn).await
}

/// The enrolments of these volunteers in an event, held until the transaction ends; none: of everyone.
pub async fn lock_enrolments(
    conn: &mut Conn,
    event: TrainingEventId,
    of: Option<&[VolunteerId]>,
) -> QueryResult<Vec<Enrolment>> {
    let everyone = of.is_none().into_sql::<Bool>();
    training_enrolments::table
        .filter(training_enrolments::event_id.eq(event))
        .filter(everyone.or(training_enrolments::volunteer_id.eq_any(of.unwrap_or_default())))
        .select(Enrolment::columns())
        .order(training_enrolments::volunteer_id)
        .for_update()
        .load(conn)
        .await
}

/// Takes a seat. The database gives no more than there are.
pub async fn enrol(conn: &mut Conn, new: &Enrolment) -> QueryResult<()> {
    diesel::insert_into(training_enrolments::table).values(new).execute(conn).await.map(drop)
}

/// Writes an enrolment that is locked, under the next version.
pub async fn save_enrolment(conn: &mut Conn, enrolment: &mut Enrolment) -> QueryResult<()> {
    enrolment.version += 1;
    let one = training_enrolments::id.eq(enrolment.id);
    diesel::update(training_enrolments::table.filter(one)).set(&*enrolment).execute(conn).await.map(drop)
}

/// Who has a seat, and the village of each.
pub async fn enrolled(conn: &mut Conn, event: TrainingEventId) -> QueryResult<Vec<(VolunteerId, RegionCode)>> {
    training_enrolments::table
        .inner_join(volunteers::table)
        .filter(training_enrolments::event_id.eq(event))
        .filter(training_enrolments::state.eq(EnrolmentState::Enrolled))
        .select((volunteers::id, volunteers::village_code))
        .order(volunteers::id)
        .load(conn)
        .await
}

/// Who has or had a seat, and the village of each.
pub async fn takers(conn: &mut Conn, event: TrainingEventId) -> QueryResult<Vec<(VolunteerId, RegionCode)>> {
    training_enrolments::table
        .inner_join(volunteers::table)
        .filter(training_enrolments::event_id.eq(event))
        .select((volunteers::id, volunteers::village_code))
        .order(volunteers::id)
        .load(conn)
        .await
}

/// The levels of the events that these volunteers passed, and those that were merged into them; one that was called off counts
/// for nobody.
pub async fn passed(conn: &mut Conn, of: &[VolunteerId]) -> QueryResult<Vec<(VolunteerId, EventLevel)>> {
    let rows: Vec<(VolunteerId, Option<VolunteerId>, EventLevel)> = training_enrolments::table
        .inner_join(training_events::table)
        .inner_join(volunteers::table)
        .filter(volunteers::id.eq_any(of).or(Known(volunteers::merged_into.eq_any(of))))
        .filter(training_enrolments::result.eq(TrainingResult::Passed))
        .filter(training_events::state.ne(EventState::Cancelled))
        .select((volunteers::id, volunteers::merged_into, training_events::level))
        .load(conn)
        .await?;
    Ok(rows.into_iter().map(|(id, survivor, level)| (survivor.unwrap_or(id), level)).collect())
}

diesel::alias!(volunteers as whose: Whose);

/// What a volunteer that the caller sees enrolled in, and those that were merged into it, by the time of the event.
pub async fn of_volunteer(conn: &mut &Conn, caller: &Caller, id: VolunteerId) -> QueryResult<Vec<Taken>> {
    let own = whose.field(volunteers::id).eq(volunteers::id);
    let merged = whose.field(volunteers::merged_into).eq(volunteers::id.nullable());
    volunteers::table
        .inner_join(whose.on(own.or(Known(merged))))
        .inner_join(training_enrolments::table.on(training_enrolments::volunteer_id.eq(whose.field(volunteers::id))))
        .inner_join(training_events::table.on(training_events::id.eq(training_enrolments::event_id)))
        .filter(volunteers::id.eq(id))
        .filter(volunteers_visible_to(caller))
        .select((
            Enrolment::columns(),
            training_events::title,
            training_events::level,
            training_events::state,
            training_events::starts_at,
            training_events::organiser_id,
        ))
        .order((training_events::starts_at, training_events::id, training_enrolments::id))
        .load(conn)
        .await
}

/// The events that are not over in which a volunteer has a seat or waits for one.
pub async fn open_seats(conn: &mut Conn, of: VolunteerId) -> QueryResult<Vec<TrainingEventId>> {
    training_enrolments::table
        .inner_join(training_events::table)
        .filter(training_enrolments::volunteer_id.eq(of))
        .filter(training_enrolments::state.ne(EnrolmentState::Withdrawn))
        .filter(training_events::state.ne_all([EventState::Completed, EventState::Cancelled]))
        .select(training_enrolments::event_id)
        .order(training_enrolments::event_id)
        .load(conn)
        .await
}

/// The events in which a volunteer has or had a seat.
pub async fn events_of(conn: &mut Conn, of: VolunteerId) -> QueryResult<Vec<TrainingEventId>> {
    let own = training_enrolments::table.filter(training_enrolments::volunteer_id.eq(of));
    own.select(training_enrolments::event_id).load(conn).await
}

/// Holds events until the transaction ends, in the order of their ids: who takes attendance or records results waits.
pub async fn hold_events(conn: &mut Conn, ids: &[TrainingEventId]) -> QueryResult<()> {
    let held = training_events::table.filter(training_events::id.eq_any(ids)).order(training_events::id);
    held.select(training_events::id).for_update().load::<TrainingEventId>(conn).await.map(drop)
}

/// Gives the seats of one volunteer (only these, if some are named) to another who has none in the same event; returns
/// them as they are now, each with the organiser. Attendance goes with its seat.
pub async fn reassign(
    conn: &mut Conn,
    from: VolunteerId,
    to: VolunteerId,
    only: Option<&[Uuid]>,
) -> QueryResult<Vec<(Enrolment, AgencyId)>> {
    let everything = only.is_none().into_sql::<Bool>();
    let taken = events_of(conn, to).await?;
    let named = everything.or(training_enrolments::id.eq_any(only.unwrap_or_default()));
    let movable = training_enrolments::volunteer_id.eq(from).and(training_enrolments::event_id.ne_all(taken));
    let change =
        (training_enrolments::volunteer_id.eq(to), training_enrolments::version.eq(training_enrolments::version + 1));
    let moved: Vec<EnrolmentId> = diesel::update(training_enrolments::table.filter(movable).filter(named))
        .set(change)
        .returning(training_enrolments::id)
        .get_results(conn)
        .await?;
    training_enrolments::table
        .inner_join(training_events::table)
        .filter(training_enrolments::id.eq_any(moved))
        .select((Enrolment::columns(), training_events::organiser_id))
        .order(training_enrolments::id)
        .load(conn)
        .await
}

/// Publishes a change of an enrolment: to the organiser, the volunteer's phone and the governments of the posting.
pub async fn publish_enrolment(
    conn: &mut Conn,
    enrolment: &Enrolment,
    organiser: AgencyId,
    village: &RegionCode,
    is_new: bool,
    at: DateTime<Utc>,
) -> QueryResult<()> {
    let audience = Audience {
        agencies: vec![organiser],
        regions: vec![village.clone()],
        volunteers: vec![enrolment.volunteer_id],
        below: vec![],
    };
    let before = if is_new { Audience::default() } else { audience.clone() };
    publish_seat(conn, enrolment, before, audience, at).await
}

/// Publishes a change of an enrolment, to those who saw it before and those who see it now.
pub async fn publish_seat(
    conn: &mut Conn,
    enrolment: &Enrolment,
    before: Audience,
    after: Audience,
    at: DateTime<Utc>,
) -> QueryResult<()> {
    let change = Change {
        r#type: ChangeType::TrainingEnrolment,
        id: enrolment.id.0,
        version: enrolment.version,
        op: Op::Upsert,
        redirected_to: None,
        before,
        after,
        at,
    };
    changes::publish(conn, &change).await
}

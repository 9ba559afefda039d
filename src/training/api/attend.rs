//! Who came. Item by item: what a device noted offline is not held up by one entry that cannot be taken.
use super::actions::move_to;
use super::{check_organiser, conflict, note, replay};
use crate::access::api::Permit;
use crate::access::rules::{AttendTraining, Caller, VolunteerId};
use crate::audit::rules::Event;
use crate::audit::store as audit;
use crate::platform::answer::Answer;
use crate::platform::app::{App, Shared};
use crate::platform::db::{Conn, Db};
use crate::platform::error::{ApiError, ApiResult, Fault, Place};
use crate::platform::idempotency::Attempt;
use crate::platform::input::{Keyed, PathId};
use crate::platform::moment::Moment;
use crate::platform::openapi::IdempotencyHeader;
use crate::regions::rules::TimeZone;
use crate::text_enum;
use crate::training::rules::{EventAction, EventState, MOST_SESSIONS, SeatAction, TrainingEventId, may_have_come};
use crate::training::store::{self, AttendanceRow, SeatHistoryRow, TrainingEvent};
use crate::volunteers::store as volunteers;
use actix_web::post;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use utoipa::ToSchema;

/// Most items of one request.
pub(super) const MOST_ITEMS: usize = 500;

text_enum! {
    /// What became of an item.
    AttendanceOutcome {
        /// Recorded, over what was there.
        Recorded = "recorded",
        /// It was recorded so already.
        Unchanged = "unchanged",
        /// Something noted later is recorded.
        Superseded = "superseded",
        /// The volunteer has no seat.
        NotEnrolled = "not_enrolled",
        /// The event has no such session.
        SessionUnknown = "session_unknown",
        /// The day of the session has not come.
        TooEarly = "too_early",
    }
}

/// Whether somebody came to a session.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AttendanceItem {
    volunteer_id: VolunteerId,
    /// Number of the session.
    #[schema(minimum = 1, maximum = 100)]
    session: i16,
    present: bool,
    /// When it was noted, by the clock of the device; now if absent.
    device_at: Option<Moment>,
}

/// Attendance, as it was noted.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAttendance {
    /// Nobody twice for one session.
    #[schema(min_items = 1, max_items = 500)]
    items: Vec<AttendanceItem>,
}

/// What became of an item.
#[derive(Debug, Serialize, ToSchema)]
pub struct AttendanceItemView {
    volunteer_id: VolunteerId,
    session: i16,
    outcome: AttendanceOutcome,
}

/// What became of each item.
#[derive(Debug, Serialize, ToSchema)]
pub struct AttendanceView {
    /// Of the event: the first attendance starts it.
    state: EventState,
    /// In the order sent.
    items: Vec<AttendanceItemView>,
}

/// Record attendance
///
/// By the organiser, from the day of the session on, after the end too. What a device noted earlier does not replace what
/// was noted later. Each item has its own outcome; the first one recorded starts the event.
#[utoipa::path(tag = "training", security(("oauth2" = ["training:attend"])),
    params(("id" = TrainingEventId, Path, description = "Id of the event."), IdempotencyHeader), request_body = NewAttendance,
    responses((status = 200, body = AttendanceView, description = "What became of each item.")))]
#[post("/v1/training-events/{id}/attendance")]
pub async fn record_attendance(
    permit: Permit<AttendTraining>,
    id: PathId<TrainingEventId>,
    new: Keyed<NewAttendance>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let (caller, app) = (permit.caller(), app.0);
    check_length("/items", new.body.items.len())?;
    check_numbers(&new.body.items)?;
    db.write(async move |c| {
        let ticket = match new.key.begin(c, &app, caller.identity()).await? {
            Attempt::Replay(kept) => return replay(c, &caller, kept).await,
            Attempt::Fresh(ticket) => ticket,
        };
        let mut event = store::lock(c, &caller, id.0).await?;
        check_organiser(&caller, &event)?;
        if !event.state.takes_attendance() {
            return Err(conflict(&event));
        }
        let items = new.body.items;
        check_once(items.iter().map(|item| (item.volunteer_id, item.session)), |index| {
            Some(format!("/items/{index}"))
        })?;
        let (outcomes, rows) = judge(c, &app, &caller, &event, &items).await?;
        let recorded = rows.iter().filter(|(_, outcome)| *outcome == AttendanceOutcome::Recorded);
        let changed: Vec<AttendanceRow> = recorded.map(|(row, _)| row.clone()).collect();
        let rows: Vec<AttendanceRow> = rows.into_iter().map(|(row, _)| row).collect();
        store::record_attendance(c, &rows).await?;
        if event.state == EventState::Published && !changed.is_empty() {
            let before = event.clone();
            move_to(c, &app, &caller, &mut event, EventAction::Start, EventState::Running, None).await?;
            note(c, &app, &caller, "training_event.start", Some(&before), &event).await?;
        }
        tell(c, &app, &caller, &event, &changed).await?;
        let views = items.iter().zip(outcomes).map(|(item, outcome)| AttendanceItemView {
            volunteer_id: item.volunteer_id,
            session: item.session,
            outcome,
        });
        let answer = Answer::ok(&AttendanceView { state: event.state, items: views.collect() })?;
        ticket.keep(c, answer, &[event.id.0]).await
    })
    .await
}

/// Refuses a batch of none or of too many.
pub(super) fn check_length(at: &str, items: usize) -> ApiResult<()> {
    if (1..=MOST_ITEMS).contains(&items) {
        return Ok(());
    }
    let fault = Fault::with("out_of_range", format!("1 sampai {MOST_ITEMS}"), format!("1 to {MOST_ITEMS}"));
    Err(ApiError::malformed(Place::Pointer(at.to_owned()), fault))
}

fn check_numbers(items: &[AttendanceItem]) -> ApiResult<()> {
    let number = |item: &AttendanceItem| usize::try_from(item.session).unwrap_or_default();
    match items.iter().position(|item| !(1..=MOST_SESSIONS).contains(&number(item))) {
        Some(index) => {
            let place = Place::Pointer(format!("/items/{index}/session"));
            let (id, en) = (format!("1 sampai {MOST_SESSIONS}"), format!("1 to {MOST_SESSIONS}"));
            Err(ApiError::malformed(place, Fault::with("out_of_range", id, en)))
        }
        None => Ok(()),
    }
}

/// Refuses a batch that says two things of one; `place` is where an item lies.
pub(super) fn check_once<T: std::hash::Hash + Eq>(
    keys: impl IntoIterator<Item = T>,
    place: impl Fn(usize) -> Option<String>,
) -> ApiResult<()> {
    let mut seen = HashSet::new();
    match keys.into_iter().position(|key| !seen.insert(key)) {
        Some(index) => {
            let fault = Fault::new("given_twice", "sudah ada dalam daftar ini", "is in this list already");
            Err(ApiError::rule(&place(index).unwrap_or_default(), fault))
        }
        None => Ok(()),
    }
}

/// What becomes of each item, and the rows to be written. What a device noted of somebody who has been merged meanwhile is the
/// other row's.
async fn judge(
    conn: &mut Conn,
    app: &App,
    caller: &Caller,
    event: &TrainingEvent,
    items: &[AttendanceItem],
) -> ApiResult<(Vec<AttendanceOutcome>, Vec<(AttendanceRow, AttendanceOutcome)>)> {
    let now = app.clock.now();
    let enrolled: HashSet<VolunteerId> = store::enrolled(conn, event.id).await?.into_iter().map(|(id, _)| id).collect();
    let of: Vec<VolunteerId> = items.iter().map(|item| item.volunteer_id).collect();
    let seats = seats_of(conn, &of, |id| enrolled.contains(&id)).await?;
    let of: Vec<VolunteerId> = seats.values().copied().collect();
    let sessions = store::sessions(&mut &*conn, &[event.id]).await?;
    let begins: HashMap<i16, DateTime<Utc>> = sessions.into_iter().map(|s| (s.number, s.starts_at)).collect();
    let known = store::attendance(conn, event.id, &of).await?;
    let mut known: HashMap<_, _> = known.into_iter().map(|row| ((row.volunteer_id, row.session), row)).collect();
    let zone = TimeZone::of(&event.region_code);
    let (mut outcomes, mut rows) = (vec![], BTreeMap::new());
    for item in items {
        let seat = seats.get(&item.volunteer_id).copied();
        // A clock that is ahead must not keep out what is noted after it.
        let noted_at = item.device_at.map_or(now, |at| at.at().min(now));
        let before = seat.and_then(|id| known.get(&(id, item.session)));
        let outcome = match begins.get(&item.session) {
            None => AttendanceOutcome::SessionUnknown,
            Some(_) if seat.is_none() => AttendanceOutcome::NotEnrolled,
            Some(starts) if !may_have_come(*starts, now, zone) => AttendanceOutcome::TooEarly,
            Some(_) if before.is_some_and(|row| row.noted_at > noted_at) => AttendanceOutcome::Superseded,
            Some(_) if before.is_some_and(|row| row.present == item.present) => AttendanceOutcome::Unchanged,
            Some(_) => AttendanceOutcome::Recorded,
        };
        // The same again, noted later, is written too: it holds since then against what arrives late.
        if let Some(volunteer_id) = seat
            && matches!(outcome, AttendanceOutcome::Recorded | AttendanceOutcome::Unchanged)
        {
            let row = AttendanceRow {
                event_id: event.id,
                session: item.session,
                volunteer_id,
                present: item.present,
                device_at: item.device_at.map(Moment::at),
                noted_at,
                recorded_at: now,
                recorded_by: caller.agency,
                acting_user: caller.acting_user.as_ref().map(|user| user.as_str().to_owned()),
            };
            // Noted of both rows of one person: once, and changed if either changed it.
            let key = (volunteer_id, item.session);
            known.insert(key, row.clone());
            let changed = rows.get(&key).is_some_and(|(_, outcome)| *outcome == AttendanceOutcome::Recorded);
            rows.insert(key, (row, if changed { AttendanceOutcome::Recorded } else { outcome }));
        }
        outcomes.push(outcome);
    }
    Ok((outcomes, rows.into_values().collect()))
}

/// Whose seat is meant by each of these: its own, or that of the row that it has been merged into. Who has none is not in it.
pub(super) async fn seats_of(
    conn: &mut Conn,
    of: &[VolunteerId],
    has_seat: impl Fn(VolunteerId) -> bool,
) -> ApiResult<HashMap<VolunteerId, VolunteerId>> {
    let (own, others): (Vec<VolunteerId>, Vec<VolunteerId>) = of.iter().partition(|id| has_seat(**id));
    let mut seats: HashMap<VolunteerId, VolunteerId> = own.into_iter().map(|id| (id, id)).collect();
    if !others.is_empty() {
        let survivors = volunteers::survivors(conn, &others).await?;
        seats.extend(survivors.into_iter().filter(|(_, survivor)| has_seat(*survivor)));
    }
    Ok(seats)
}

/// History, audit and outbox of what was recorded and differs from before.
async fn tell(
    conn: &mut Conn,
    app: &App,
    caller: &Caller,
    event: &TrainingEvent,
    changed: &[AttendanceRow],
) -> ApiResult<()> {
    let now = app.clock.now();
    let of: BTreeSet<VolunteerId> = changed.iter().map(|row| row.volunteer_id).collect();
    let record = Event::by(caller, "training_event.record_attendance", app.clock.new_id(), now);
    let record = record.subject("training_event", event.id).region(&event.region_code);
    audit::record(conn, &record.persons(of.iter().map(|id| id.0), &["attendance"])).await?;
    let villages: HashMap<_, _> = store::enrolled(conn, event.id).await?.into_iter().collect();
    let of: Vec<VolunteerId> = of.into_iter().collect();
    let mut seats = HashMap::new();
    for enrolment in store::lock_enrolments(conn, event.id, Some(&of)).await? {
        if let Some(village) = villages.get(&enrolment.volunteer_id) {
            store::publish_enrolment(conn, &enrolment, event.organiser_id, village, false, now).await?;
        }
        seats.insert(enrolment.volunteer_id, enrolment.id);
    }
    let told = changed.iter().filter_map(|row| {
        let seat = seats.get(&row.volunteer_id)?;
        let own = SeatHistoryRow::by(caller, app.clock.new_id(), *seat, SeatAction::Attend, now);
        Some(SeatHistoryRow { session: Some(row.session), present: Some(row.present), device_at: row.device_at, ..own })
    });
    Ok(store::add_seat_history(conn, &told.collect::<Vec<_>>()).await?)
}

//! A volunteer's seats given to another one: when two rows turn out to be one person, and back.
use super::rules::{EventLevel, TrainingEventId, level_of};
use super::store::{self, Enrolment};
use crate::access::rules::VolunteerId;
use crate::changes::rules::Audience;
use crate::platform::db::Conn;
use crate::platform::error::ApiResult;
use crate::platform::region_code::RegionCode;
use crate::volunteers::rules::TrainingLevel;
use crate::volunteers::store as volunteers;
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Events that are not over and in which both have a seat: one person cannot sit twice.
pub async fn shared_seats(conn: &mut Conn, one: VolunteerId, other: VolunteerId) -> ApiResult<Vec<TrainingEventId>> {
    let mut seats: BTreeMap<TrainingEventId, usize> = BTreeMap::new();
    for event in store::open_seats(conn, &[one, other]).await? {
        *seats.entry(event).or_default() += 1;
    }
    Ok(seats.into_iter().filter(|(_, seats)| *seats > 1).map(|(event, _)| event).collect())
}

/// Moves all seats (only these, if some are named) and publishes that; returns their ids. A seat in an event in which the
/// other has one of its own stays.
pub async fn reassign(
    conn: &mut Conn,
    from: (VolunteerId, &RegionCode),
    to: (VolunteerId, &RegionCode),
    only: Option<&[Uuid]>,
    now: DateTime<Utc>,
) -> ApiResult<Vec<Uuid>> {
    let moved = store::reassign(conn, from.0, to.0, only).await?;
    for (seat, organiser) in &moved {
        let audience = |(id, village): (VolunteerId, &RegionCode)| Audience {
            agencies: vec![*organiser],
            regions: vec![village.clone()],
            volunteers: vec![id],
            below: vec![],
        };
        store::publish_seat(conn, seat, audience(from), audience(to), now).await?;
    }
    Ok(moved.into_iter().map(|(seat, _): (Enrolment, _)| seat.id.0).collect())
}

/// Derives the levels of these volunteers anew from all that they passed. In the order of their ids, so that two events
/// that end at once do not wait for each other.
pub async fn derive_levels(
    conn: &mut Conn,
    of: &[VolunteerId],
    now: DateTime<Utc>,
) -> ApiResult<BTreeMap<VolunteerId, TrainingLevel>> {
    let mut events: BTreeMap<VolunteerId, Vec<EventLevel>> = of.iter().map(|id| (*id, vec![])).collect();
    for (id, level) in store::passed(conn, of).await? {
        events.entry(id).or_default().push(level);
    }
    let mut levels = BTreeMap::new();
    for (id, passed) in events {
        let volunteer = volunteers::set_level(conn, id, level_of(passed), now).await?;
        levels.insert(id, volunteer.level);
    }
    Ok(levels)
}

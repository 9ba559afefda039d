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

/// Events that are not over in which the duplicate has a seat that cannot become the survivor's, who has or had one there: one
/// person cannot sit twice, and nobody would see the seat of a row that is merged. Those too that are over in which the duplicate
/// has a certificate that holds: one person has one.
pub async fn stuck_seats(
    conn: &mut Conn,
    survivor: VolunteerId,
    duplicate: VolunteerId,
) -> ApiResult<Vec<TrainingEventId>> {
    let taken = store::events_of(conn, survivor).await?;
    let mut stuck = store::open_seats(conn, duplicate).await?;
    stuck.extend(store::certified(conn, duplicate).await?);
    stuck.retain(|event| taken.contains(event));
    Ok(stuck)
}

/// Holds the events in which one of these has or had a seat. Before the volunteers are: who records results holds the event
/// first, and then who passed.
pub async fn hold_events_of(conn: &mut Conn, of: &[VolunteerId]) -> ApiResult<()> {
    let mut events = vec![];
    for one in of {
        events.extend(store::events_of(conn, *one).await?);
    }
    Ok(store::hold_events(conn, &events).await?)
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

/// Derives the levels of these volunteers anew from all that they and those merged into them passed; of one who is merged, the
/// level of who it was merged into. In the order of their ids, so that two events that end at once do not wait for each other.
pub async fn derive_levels(
    conn: &mut Conn,
    of: &[VolunteerId],
    now: DateTime<Utc>,
) -> ApiResult<BTreeMap<VolunteerId, TrainingLevel>> {
    let survivors = volunteers::survivors(conn, of).await?;
    let living = |id: &VolunteerId| survivors.get(id).copied().unwrap_or(*id);
    let mut events: BTreeMap<VolunteerId, Vec<EventLevel>> = of.iter().map(|id| (living(id), vec![])).collect();
    let ids: Vec<VolunteerId> = events.keys().copied().collect();
    for (id, level) in store::passed(conn, &ids).await? {
        events.entry(id).or_default().push(level);
    }
    let mut levels = BTreeMap::new();
    for (id, passed) in events {
        let volunteer = volunteers::set_level(conn, id, level_of(passed), now).await?;
        levels.insert(id, volunteer.level);
    }
    let of_each = of.iter().filter_map(|id| Some((*id, *levels.get(&living(id))?)));
    Ok(of_each.collect())
}

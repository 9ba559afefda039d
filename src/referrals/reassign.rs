//! A volunteer's referrals given to another one: when two rows turn out to be one person, and back.
use super::{publish::publish, store};
use crate::access::rules::VolunteerId;
use crate::platform::db::Conn;
use crate::platform::error::ApiResult;
use chrono::{DateTime, Utc};
use uuid::Uuid;

/// Which referrals of these cases a volunteer has: who gets the cases gets what came of them since.
pub async fn of_cases(conn: &mut Conn, cases: &[Uuid], volunteer: VolunteerId) -> ApiResult<Vec<Uuid>> {
    Ok(store::of_cases(conn, cases, volunteer).await?)
}

/// Moves all referrals (only these, if some are named) and publishes that; returns their ids.
pub async fn reassign(
    conn: &mut Conn,
    from: VolunteerId,
    to: VolunteerId,
    only: Option<&[Uuid]>,
    now: DateTime<Utc>,
) -> ApiResult<Vec<Uuid>> {
    let moved = store::reassign(conn, from, to, only, now).await?;
    for after in &moved {
        let mut before = after.clone();
        before.volunteer_id = Some(from);
        publish(conn, Some(&before), after, now).await?;
    }
    Ok(moved.into_iter().map(|referral| referral.id.0).collect())
}

//! By when a referral is to be acknowledged, answered and completed: worked out by the receiver's calendar as the referral enters a
//! state, and stored. A later change of the calendar moves nothing that is under way.
use super::rules::ReferralStatus;
use super::store::Referral;
use crate::agencies::calendar::{Calendar, Speed};
use crate::agencies::store::calendar as store;
use crate::cases::rules::Urgency;
use crate::platform::db::Conn;
use chrono::{DateTime, TimeDelta, Utc};
use diesel::QueryResult;

/// Sets what is due in the state that a referral has just entered, from the beginning.
pub async fn begin(conn: &mut Conn, referral: &mut Referral, now: DateTime<Utc>) -> QueryResult<()> {
    let calendar = store::calendar(conn, referral.receiver_agency_id, now).await?;
    let urgent = referral.urgency == Urgency::Urgent;
    let speed = store::speed(conn, referral.receiver_agency_id, &referral.service, urgent).await?;
    set(referral, &calendar, &speed, now);
    Ok(())
}

/// Half, all, one and a half times and twice the time for an answer are parts of its working time, each by itself: half of three
/// days of eight hours is twelve working hours.
fn set(referral: &mut Referral, calendar: &Calendar, speed: &Speed, now: DateTime<Utc>) {
    clear(referral);
    match referral.status {
        ReferralStatus::Submitted | ReferralStatus::Received => {
            let whole = calendar.day() * i32::from(speed.answer_days);
            let part = |halves: i32| calendar.after(now, whole / 2 * halves);
            if referral.status == ReferralStatus::Submitted {
                let by_the_clock = speed.acknowledge_minutes.map(|minutes| now + TimeDelta::minutes(minutes.into()));
                referral.acknowledge_by =
                    Some(by_the_clock.unwrap_or_else(|| calendar.after_days(now, speed.acknowledge_days)));
            }
            referral.remind_at = Some(part(1));
            referral.answer_by = Some(part(2));
            referral.escalate_2_at = Some(part(3));
            referral.escalate_3_at = Some(part(4));
            referral.tick_at = referral.remind_at;
        }
        ReferralStatus::Accepted | ReferralStatus::InProgress => {
            referral.complete_by = speed.complete_days.map(|days| calendar.after_days(now, days));
        }
        _ => {}
    }
}

/// Takes away what is not due in the state that a referral has.
pub fn clear(referral: &mut Referral) {
    if referral.status != ReferralStatus::Submitted {
        referral.acknowledge_by = None;
    }
    if !referral.status.is_unanswered() {
        (referral.answer_by, referral.remind_at, referral.tick_at) = (None, None, None);
        (referral.escalate_2_at, referral.escalate_3_at) = (None, None);
        (referral.reminders, referral.escalation_level, referral.escalated_at) = (0, 0, None);
    }
    if !matches!(referral.status, ReferralStatus::Accepted | ReferralStatus::InProgress) {
        referral.complete_by = None;
    }
}

/// What the clock does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick {
    /// Reminders so far, with this one.
    pub reminders: i16,
    /// How high it has been escalated: 1 its two sides, 2 the regency, 3 the province.
    pub level: i16,
    /// When the clock comes again.
    pub next: Option<DateTime<Utc>>,
}

/// The step that a referral is due for: reminded at half of the time, reminded and escalated at the end of it, escalated higher after
/// half of it again, and again.
pub fn tick(referral: &Referral) -> Tick {
    match (referral.reminders, referral.escalation_level) {
        (0, _) => Tick { reminders: 1, level: 0, next: referral.answer_by },
        (1, _) => Tick { reminders: 2, level: 1, next: referral.escalate_2_at },
        (_, 1) => Tick { reminders: 2, level: 2, next: referral.escalate_3_at },
        _ => Tick { reminders: 2, level: 3, next: None },
    }
}

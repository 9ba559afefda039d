//! By when a referral is to be acknowledged, answered and completed: worked out by the receiver's calendar as the referral enters a
//! state, and stored. A later change of the calendar moves nothing that is under way.
use super::rules::ReferralStatus;
use super::store::Referral;
use crate::agencies::calendar::Calendar;
use crate::agencies::store::{self, Offer};
use crate::cases::rules::Urgency;
use crate::platform::db::Conn;
use chrono::{DateTime, TimeDelta, Utc};
use diesel::QueryResult;

/// What is left to the province after the last escalation.
const LAST_WEEK: TimeDelta = TimeDelta::days(7);

/// Sets what is due in the state that a referral has just entered, from the beginning.
pub async fn begin(conn: &mut Conn, referral: &mut Referral, now: DateTime<Utc>) -> QueryResult<()> {
    let (receiver, service) = (referral.receiver_agency_id, referral.service.clone());
    let calendar = store::calendar::calendar(conn, receiver, now).await?;
    // What is open to branches the receiver itself need not offer.
    let offer = store::find_offer(conn, receiver, &service).await?;
    set(referral, &calendar, &offer.unwrap_or_else(|| Offer::plain(receiver, service)), now);
    Ok(())
}

/// Half, all, one and a half times and twice the time for an answer are parts of its working time, each by itself: half of three
/// days of eight hours is twelve working hours.
fn set(referral: &mut Referral, calendar: &Calendar, offer: &Offer, now: DateTime<Utc>) {
    clear(referral);
    let urgent = referral.urgency == Urgency::Urgent;
    match referral.status {
        ReferralStatus::Submitted | ReferralStatus::Received => {
            let whole = calendar.day() * i32::from(offer.answer_within(urgent));
            let part = |halves: i32| calendar.after(now, whole / 2 * halves);
            if referral.status == ReferralStatus::Submitted {
                let (minutes, days) = offer.acknowledge_within();
                let by_the_clock = || now + TimeDelta::minutes(minutes.into());
                referral.acknowledge_by = Some(if urgent { by_the_clock() } else { calendar.after_days(now, days) });
            }
            referral.remind_at = Some(part(1));
            referral.answer_by = Some(part(2));
            referral.escalate_2_at = Some(part(3));
            referral.escalate_3_at = Some(part(4));
            referral.tick_at = referral.remind_at;
            // Whoever has long to answer is hurried at all levels before time runs out.
            referral.expires_at = referral.expires_at.map(|at| at.max(part(4) + LAST_WEEK));
        }
        ReferralStatus::Accepted | ReferralStatus::InProgress => {
            referral.complete_by = offer.complete_within(urgent).map(|days| calendar.after_days(now, days));
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

//! Every SQL statement by which the clock takes referrals.
use super::Referral;
use crate::cases::store::Filter;
use crate::platform::db::Conn;
use crate::platform::db::sql::Columns;
use crate::referrals::rules::ReferralId;
use crate::schema::referrals;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

/// What the clock takes next.
#[derive(Debug, Clone, Copy)]
pub enum Due {
    /// Those whose time for an answer is over.
    Expired,
    /// Those of which it has to remind, or that it has to escalate.
    Ticking,
}

/// Which of these.
#[derive(Debug, Clone, Copy)]
pub enum Take<'a> {
    /// So many, but for some.
    Many(i64, &'a [ReferralId]),
    /// This one.
    One(ReferralId),
}

/// Referrals that are due, held. What another transaction holds is left to it: an answer at the same moment wins.
pub async fn lock_due(conn: &mut Conn, due: Due, take: Take<'_>, now: DateTime<Utc>) -> QueryResult<Vec<Referral>> {
    let (these, most): (Filter<referrals::table>, i64) = match take {
        Take::Many(most, but) => (Box::new(referrals::id.ne_all(but.to_vec())), most),
        Take::One(id) => (Box::new(referrals::id.eq(id)), 1),
    };
    let these = referrals::table.filter(these).select(Referral::columns());
    match due {
        Due::Expired => {
            let over = these.filter(referrals::expires_at.le(now)).filter(referrals::expires_at.is_not_null());
            over.order(referrals::expires_at).limit(most).for_update().skip_locked().load(conn).await
        }
        Due::Ticking => {
            let over = these.filter(referrals::tick_at.le(now)).filter(referrals::tick_at.is_not_null());
            over.order(referrals::tick_at).limit(most).for_update().skip_locked().load(conn).await
        }
    }
}

/// Writes what the clock changes of a referral that is locked. It is no new version: who works on it is not refused for it.
pub async fn save_ticked(conn: &mut Conn, referral: &Referral) -> QueryResult<()> {
    diesel::update(referrals::table.find(referral.id))
        .set((
            referrals::reminders.eq(referral.reminders),
            referrals::escalation_level.eq(referral.escalation_level),
            referrals::escalated_at.eq(referral.escalated_at),
            referrals::tick_at.eq(referral.tick_at),
            referrals::updated_at.eq(referral.updated_at),
        ))
        .execute(conn)
        .await
        .map(drop)
}

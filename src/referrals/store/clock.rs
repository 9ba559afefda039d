//! Every SQL statement by which the clock takes referrals.
use super::Referral;
use crate::platform::db::Conn;
use crate::platform::db::sql::Columns;
use crate::schema::referrals;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

/// Referrals whose time for an answer is over, held. What another transaction holds is left to it: an answer at the
/// same moment wins.
pub async fn lock_expired(conn: &mut Conn, now: DateTime<Utc>, limit: i64) -> QueryResult<Vec<Referral>> {
    referrals::table
        .filter(referrals::expires_at.le(now))
        .filter(referrals::expires_at.is_not_null())
        .select(Referral::columns())
        .order(referrals::expires_at)
        .limit(limit)
        .for_update()
        .skip_locked()
        .load(conn)
        .await
}

/// Referrals of which the clock has to remind or that it has to escalate, held. What another transaction holds is left to it: an
/// answer at the same moment wins.
pub async fn lock_ticking(conn: &mut Conn, now: DateTime<Utc>, limit: i64) -> QueryResult<Vec<Referral>> {
    referrals::table
        .filter(referrals::tick_at.le(now))
        .filter(referrals::tick_at.is_not_null())
        .select(Referral::columns())
        .order(referrals::tick_at)
        .limit(limit)
        .for_update()
        .skip_locked()
        .load(conn)
        .await
}

/// Writes what the clock changes of a referral that is locked. It is no new version: who works on it is not refused for it.
pub async fn save_ticked(conn: &mut Conn, referral: &Referral) -> QueryResult<()> {
    diesel::update(referrals::table.find(referral.id))
        .set((
            referrals::reminders.eq(referral.reminders),
            referrals::escalation_level.eq(referral.escalation_level),
            referrals::escalated_at.eq(referral.escalated_at),
            referrals::tick_at.eq(referral.tick_at),
        ))
        .execute(conn)
        .await
        .map(drop)
}

//! What the clock does: a referral without an answer runs out.
use super::moves::{Mover, Step, apply, write_row};
use super::rules::{ReferralAction, ReferralStatus};
use super::store;
use crate::platform::app::App;
use crate::platform::db::{Conn, Writer};
use crate::platform::error::ApiResult;
use std::sync::Arc;

/// Expires what has waited too long; returns how many. Each batch is a transaction of its own, and several nodes share
/// the work.
pub async fn expire_due(writer: &Writer, app: &Arc<App>) -> ApiResult<usize> {
    const BATCH: i64 = 100;
    let mut expired = 0;
    loop {
        let app = app.clone();
        let done = writer.run(async move |c| expire_batch(c, &app, BATCH).await).await?;
        expired += done;
        if i64::try_from(done).unwrap_or_default() < BATCH {
            return Ok(expired);
        }
    }
}

async fn expire_batch(conn: &mut Conn, app: &App, limit: i64) -> ApiResult<usize> {
    let (now, step) = (app.clock.now(), Step::new(ReferralAction::Expire));
    let due = store::lock_expired(conn, now, limit).await?;
    for before in &due {
        let mut after = before.clone();
        apply(&mut after, ReferralStatus::Expired, &step, None, now);
        write_row(conn, app, Mover::Clock, before, after, &step, (vec![], &[])).await?;
    }
    Ok(due.len())
}

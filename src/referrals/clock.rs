//! What the clock does: a referral without an answer is reminded of, escalated, and runs out. Each batch is a transaction of its own,
//! and several nodes share the work.
use super::due::{Tick, tick};
use super::moves::{Mover, Step, apply, write_row};
use super::publish::publish;
use super::rules::{ESCALATE, REMIND, ReferralAction, ReferralStatus};
use super::store::history::{self, ReferralEvent};
use super::store::{Referral, clock as store};
use crate::audit::{rules::Event, store as audit};
use crate::platform::app::App;
use crate::platform::db::{Conn, Writer};
use crate::platform::error::ApiResult;
use std::sync::Arc;

const BATCH: i64 = 100;

/// Expires what has waited too long; returns how many.
pub async fn expire_due(writer: &Writer, app: &Arc<App>) -> ApiResult<usize> {
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

/// Reminds and escalates; returns how many steps that were. After a standstill a referral goes several steps in one turn.
pub async fn hurry_due(writer: &Writer, app: &Arc<App>) -> ApiResult<usize> {
    let mut steps = 0;
    loop {
        let app = app.clone();
        let done = writer.run(async move |c| hurry_batch(c, &app, BATCH).await).await?;
        steps += done;
        if done == 0 {
            return Ok(steps);
        }
    }
}

async fn hurry_batch(conn: &mut Conn, app: &App, limit: i64) -> ApiResult<usize> {
    let now = app.clock.now();
    let due = store::lock_ticking(conn, now, limit).await?;
    for before in &due {
        let step = tick(before);
        let mut after = before.clone();
        (after.reminders, after.escalation_level, after.tick_at) = (step.reminders, step.level, step.next);
        if step.level > before.escalation_level {
            after.escalated_at = Some(now);
        }
        store::save_ticked(conn, &after).await?;
        note(conn, app, before, &after, step).await?;
        publish(conn, Some(before), &after, now).await?;
    }
    Ok(due.len())
}

/// An escalation reminds too.
async fn note(conn: &mut Conn, app: &App, before: &Referral, after: &Referral, step: Tick) -> ApiResult<()> {
    let now = app.clock.now();
    let action = if step.level > before.escalation_level { ESCALATE } else { REMIND };
    let line = ReferralEvent {
        at: now,
        from_status: Some(before.status),
        ..ReferralEvent::of(app.clock.new_id(), after, action)
    };
    history::add(conn, &line, None).await?;
    let event = Event::new(&format!("referral.{action}"), app.clock.new_id(), app.clock.new_id(), now);
    Ok(audit::record(conn, &event.subject("referral", after.id).region(&after.village_code)).await?)
}

//! What the clock does: a referral without an answer is reminded of, escalated, and runs out. Each batch is a transaction of its own,
//! and several nodes share the work.
use super::due::{Tick, tick};
use super::moves::{Mover, Step, apply, write_row};
use super::publish::publish;
use super::rules::{ESCALATE, REMIND, ReferralAction, ReferralId, ReferralStatus};
use super::store::Referral;
use super::store::clock::{self as store, Due, Take};
use super::store::history::{self, ReferralEvent};
use crate::audit::{rules::Event, store as audit};
use crate::platform::app::App;
use crate::platform::db::{Conn, Writer};
use crate::platform::error::{ApiError, ApiResult};
use chrono::{DateTime, Utc};
use std::sync::Arc;

const BATCH: i64 = 100;

/// Expires what has waited too long; returns how many.
pub async fn expire_due(writer: &Writer, app: &Arc<App>) -> ApiResult<usize> {
    all_due(writer, app, Due::Expired).await
}

/// Reminds and escalates; returns how many steps that were. After a standstill a referral goes several steps in one turn.
pub async fn hurry_due(writer: &Writer, app: &Arc<App>) -> ApiResult<usize> {
    all_due(writer, app, Due::Ticking).await
}

/// Does what is due, in batches. Of a batch that fails each is done by itself, so that one that cannot be written keeps none of the others.
async fn all_due(writer: &Writer, app: &Arc<App>, due: Due) -> ApiResult<usize> {
    let (mut steps, mut stuck) = (0, vec![]);
    loop {
        let (shared, but) = (app.clone(), stuck.clone());
        let done = match writer.run(async move |c| batch(c, &shared, due, Take::Many(BATCH, &but)).await).await {
            Ok(done) => done,
            Err(error) => one_by_one(writer, app, due, &mut stuck, error).await?,
        };
        steps += done;
        if done == 0 {
            return Ok(steps);
        }
    }
}

/// The next batch, each in a transaction of its own; who fails is told and left for the next turn. Returns how many were done, or why
/// the batch failed, if each does.
async fn one_by_one(
    writer: &Writer,
    app: &Arc<App>,
    due: Due,
    stuck: &mut Vec<ReferralId>,
    error: ApiError,
) -> ApiResult<usize> {
    let (now, but, mut done) = (app.clock.now(), stuck.clone(), 0);
    let next = writer.run(async move |c| ApiResult::Ok(store::lock_due(c, due, Take::Many(BATCH, &but), now).await?));
    for id in next.await?.into_iter().map(|referral| referral.id) {
        let shared = app.clone();
        match writer.run(async move |c| batch(c, &shared, due, Take::One(id)).await).await {
            Ok(one) => done += one,
            Err(error) => {
                tracing::error!(%error, referral = %id, ?due, "the clock cannot move a referral; the next turn tries again");
                stuck.push(id);
            }
        }
    }
    if done == 0 { Err(error) } else { Ok(done) }
}

async fn batch(conn: &mut Conn, app: &App, due: Due, take: Take<'_>) -> ApiResult<usize> {
    let now = app.clock.now();
    let found = store::lock_due(conn, due, take, now).await?;
    for before in &found {
        match due {
            Due::Expired => expire(conn, app, before, now).await?,
            Due::Ticking => hurry(conn, app, before, now).await?,
        }
    }
    Ok(found.len())
}

async fn expire(conn: &mut Conn, app: &App, before: &Referral, now: DateTime<Utc>) -> ApiResult<()> {
    let (mut after, step) = (before.clone(), Step::new(ReferralAction::Expire));
    apply(&mut after, ReferralStatus::Expired, &step, None, now);
    write_row(conn, app, Mover::Clock, before, after, &step, (vec![], &[])).await.map(drop)
}

async fn hurry(conn: &mut Conn, app: &App, before: &Referral, now: DateTime<Utc>) -> ApiResult<()> {
    let (mut after, step) = (before.clone(), tick(before));
    (after.reminders, after.escalation_level, after.tick_at) = (step.reminders, step.level, step.next);
    after.updated_at = now;
    if step.level > before.escalation_level {
        after.escalated_at = Some(now);
    }
    store::save_ticked(conn, &after).await?;
    note(conn, app, before, &after, step).await?;
    publish(conn, Some(before), &after, now).await
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

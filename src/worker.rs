//! What runs by the clock. Each job is a function of its module; here stands only when it runs. Several nodes may run
//! it at once.
use crate::access::store as access;
use crate::agencies::clients::store as clients;
use crate::partners::imports::work as imports;
use crate::platform::app::App;
use crate::platform::db::Writer;
use crate::platform::error::ApiResult;
use crate::platform::idempotency;
use crate::referrals::expiry;
use crate::statistics::store as statistics;
use crate::volunteers::store::phones;
use chrono::TimeDelta;
use std::sync::Arc;
use std::time::Duration;

/// Changes of referrals that are summed up at a time.
const FOLD: i32 = 50_000;
const EVERY: Duration = Duration::from_mins(1);

/// Runs all jobs once a minute until the service stops. Imports have turns of their own: a large one takes many minutes.
pub async fn run(app: Arc<App>, writer: Writer) {
    tokio::join!(run_jobs(&app, &writer), run_imports(&app, &writer));
}

async fn run_jobs(app: &Arc<App>, writer: &Writer) {
    let mut turns = turns();
    while !app.is_stopping() {
        turns.tick().await;
        if let Err(error) = turn(app, writer).await {
            tracing::error!(%error, "a job failed; the next turn tries again");
        }
    }
}

async fn run_imports(app: &Arc<App>, writer: &Writer) {
    let mut turns = turns();
    while !app.is_stopping() {
        turns.tick().await;
        if let Err(error) = imports::work(app, writer).await {
            tracing::error!(%error, "imports failed; the next turn tries again");
        }
    }
}

fn turns() -> tokio::time::Interval {
    let mut turns = tokio::time::interval(EVERY);
    turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    turns
}

/// Every job once.
pub async fn turn(app: &Arc<App>, writer: &Writer) -> ApiResult<()> {
    // A key that was added is taken up; a directory that cannot be read leaves what there is.
    if let Err(error) = app.keys.reload() {
        tracing::error!(%error, "keys cannot be read; those from before stay");
    }
    let now = app.clock.now();
    // What a node whose clock is behind still looks at.
    let over = now - TimeDelta::minutes(1);
    let answers = writer.run(async move |c| ApiResult::Ok(idempotency::sweep(c, now).await?)).await?;
    let assertions = writer.run(async move |c| ApiResult::Ok(clients::sweep_assertions(c, over).await?)).await?;
    let revoked = writer.run(async move |c| ApiResult::Ok(access::sweep_revoked(c, over).await?)).await?;
    let codes = writer.run(async move |c| ApiResult::Ok(phones::sweep_codes(c, now).await?)).await?;
    let shared = app.clone();
    let left = writer.run(async move |c| imports::sweep(c, &shared).await).await?;
    let expired = expiry::expire_due(writer, app).await?;
    let folded = writer.run(async move |c| ApiResult::Ok(statistics::fold(c).await?)).await?;
    let sent = writer.run(async move |c| ApiResult::Ok(statistics::referrals::fold(c, FOLD).await?)).await?;
    tracing::info!(answers, assertions, revoked, codes, left, expired, folded, sent, "swept, expired and folded");
    Ok(())
}

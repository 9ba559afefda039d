//! What runs by the clock. Each job is a function of its module; here stands only when it runs. Several nodes may run
//! it at once.
use crate::access::rules::OUTLIVED;
use crate::access::store as access;
use crate::agencies::clients::store as clients;
use crate::cases::store::alike as cases_alike;
use crate::cases::store::documents::CaseDocuments;
use crate::changes::store as changes;
use crate::documents::left_over;
use crate::partners::imports::work as imports;
use crate::platform::app::App;
use crate::platform::db::Writer;
use crate::platform::error::{ApiError, ApiResult};
use crate::platform::idempotency;
use crate::referrals::clock;
use crate::statistics::store as statistics;
use crate::volunteers::store::documents::VolunteerDocuments;
use crate::volunteers::store::{phones, search};
use chrono::TimeDelta;
use std::sync::Arc;
use std::time::Duration;

/// Changes of referrals that are summed up at a time.
const FOLD: i32 = 50_000;
/// Changes that are removed at a time, and how often in a turn at most: what is left waits for the next one.
const SWEEP: i64 = 5_000;
const SWEEPS: usize = 100;
const EVERY: Duration = Duration::from_mins(1);

/// Runs all jobs once a minute until the service stops. Imports have turns of their own: a large one takes many minutes. So have
/// documents, whose store may be slow or away.
pub async fn run(app: Arc<App>, writer: Writer) {
    tokio::join!(run_jobs(&app, &writer), run_imports(&app, &writer), run_documents(&app, &writer));
}

async fn run_jobs(app: &Arc<App>, writer: &Writer) {
    let mut turns = turns();
    while !app.is_stopping() {
        turns.tick().await;
        // It has told what failed.
        run_once(app, writer).await.ok();
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

async fn run_documents(app: &Arc<App>, writer: &Writer) {
    let mut turns = turns();
    while !app.is_stopping() {
        turns.tick().await;
        match remove_left_over(app, writer).await {
            Ok(documents) => tracing::info!(documents, "content of documents removed"),
            Err(error) => tracing::error!(%error, "documents failed; the next turn tries again"),
        }
    }
}

fn turns() -> tokio::time::Interval {
    let mut turns = tokio::time::interval(EVERY);
    turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    turns
}

/// Names whose words are made anew in one transaction, and in one turn.
const NAMES: (i64, usize) = (500, 20_000);
/// Words that are looked at for whether anybody still has them, in one turn.
const WORDS: i32 = 500;

/// What names are found by: those of rows that a former version wrote, and no longer than somebody has them.
async fn keep_words(app: &Arc<App>, writer: &Writer) -> ApiResult<usize> {
    let (now, mut made) = (app.clock.now(), 0);
    while made < NAMES.1 && !app.is_stopping() {
        let done = writer.run(async move |c| {
            let volunteers = search::refresh_words(c, NAMES.0).await?;
            ApiResult::Ok(volunteers + cases_alike::refresh_keys(c, NAMES.0).await?)
        });
        let done = done.await?;
        made += done;
        if done == 0 {
            break;
        }
    }
    writer.run(async move |c| ApiResult::Ok(search::sweep_words(c, WORDS, now).await?)).await?;
    Ok(made)
}

/// Every job once.
pub async fn turn(app: &Arc<App>, writer: &Writer) -> ApiResult<()> {
    run_once(app, writer).await?;
    remove_left_over(app, writer).await.map(drop)
}

/// Content of documents that nobody is shown any more; of how many.
async fn remove_left_over(app: &Arc<App>, writer: &Writer) -> ApiResult<usize> {
    let of_volunteers = left_over::remove::<VolunteerDocuments>(writer, app).await?;
    Ok(of_volunteers + left_over::remove::<CaseDocuments>(writer, app).await?)
}

async fn run_once(app: &Arc<App>, writer: &Writer) -> ApiResult<()> {
    // A key that was added is taken up; a directory that cannot be read leaves what there is.
    if let Err(error) = app.keys.reload() {
        tracing::error!(%error, "keys cannot be read; those from before stay");
    }
    let now = app.clock.now();
    // What a node whose clock is behind still looks at.
    let over = now - TimeDelta::minutes(1);
    // An export that began with a token goes on after it has ended, unless it was revoked.
    let outlived = over - OUTLIVED;
    let (mut jobs, shared) = (Jobs::default(), app.clone());
    // People wait for the clock, and nobody for what is swept.
    let expired = jobs.run("expire", clock::expire_due(writer, app)).await;
    let hurried = jobs.run("hurry", clock::hurry_due(writer, app)).await;
    let folded = jobs.run("fold", writer.run(async move |c| ApiResult::Ok(statistics::fold(c).await?))).await;
    let sent = writer.run(async move |c| ApiResult::Ok(statistics::referrals::fold(c, FOLD).await?));
    let sent = jobs.run("fold_referrals", sent).await;
    let answers = writer.run(async move |c| ApiResult::Ok(idempotency::sweep(c, now).await?));
    let answers = jobs.run("sweep_answers", answers).await;
    let assertions = writer.run(async move |c| ApiResult::Ok(clients::sweep_assertions(c, over).await?));
    let assertions = jobs.run("sweep_assertions", assertions).await;
    let revoked = writer.run(async move |c| ApiResult::Ok(access::sweep_revoked(c, outlived).await?));
    let revoked = jobs.run("sweep_revoked", revoked).await;
    let codes = writer.run(async move |c| ApiResult::Ok(phones::sweep_codes(c, now).await?));
    let codes = jobs.run("sweep_codes", codes).await;
    let left = jobs.run("sweep_imports", writer.run(async move |c| imports::sweep(c, &shared).await)).await;
    let words = jobs.run("keep_words", keep_words(app, writer)).await;
    let changes = jobs.run("sweep_changes", sweep_changes(app, writer)).await;
    tracing::info!(
        answers,
        assertions,
        revoked,
        codes,
        words,
        left,
        changes,
        expired,
        hurried,
        folded,
        sent,
        "swept, expired and folded"
    );
    jobs.failed.map_or(Ok(()), Err)
}

/// The jobs of a turn, each by itself.
#[derive(Default)]
struct Jobs {
    /// Why the first one failed that did.
    failed: Option<ApiError>,
}

impl Jobs {
    /// Runs one. What fails is told, and keeps none of those after it from running; nothing is told of what it did.
    async fn run<T>(&mut self, job: &'static str, work: impl Future<Output = ApiResult<T>>) -> Option<T> {
        match work.await {
            Ok(done) => Some(done),
            Err(error) => {
                tracing::error!(%error, job, "a job failed; the next turn tries again");
                self.failed.get_or_insert(error);
                None
            }
        }
    }
}

/// Removes changes that are no longer kept, a transaction for each few; returns how many.
async fn sweep_changes(app: &App, writer: &Writer) -> ApiResult<i64> {
    let kept_from = app.clock.now() - app.settings.changes_kept;
    let mut all = 0;
    for _ in 0..SWEEPS {
        let swept = writer.run(async move |c| ApiResult::Ok(changes::sweep(c, kept_from, SWEEP).await?)).await?;
        all += swept;
        if swept < SWEEP {
            break;
        }
    }
    Ok(all)
}

//! Content of documents that nobody is shown any more: of those that were removed, and of uploads that broke off. No bucket is
//! listed for it: a row stands before its content and until after it.
use super::store::documents::{forget, left_over, postpone};
use crate::platform::app::App;
use crate::platform::db::Writer;
use crate::platform::error::ApiResult;
use chrono::TimeDelta;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// After so long no upload is under way any more, on no node.
const GIVEN_UP: TimeDelta = TimeDelta::days(1);
/// Removed in one turn, so that other jobs have theirs.
const MOST: i64 = 200;

/// So long a turn may take, and a little more: the next one goes on.
const AT_WORK: Duration = Duration::from_secs(50);

/// Removes content that is left over; returns of how many. Several nodes may do it at once: to remove what is not there is no
/// failure, and the rows go last. What cannot be removed keeps none of the others, and is tried again when they have had their turn.
pub async fn remove(writer: &Writer, app: &Arc<App>) -> ApiResult<usize> {
    let began = app.clock.now() - GIVEN_UP;
    let ids = writer.run(async move |c| ApiResult::Ok(left_over(c, began, MOST).await?)).await?;
    let (until, mut gone, mut failed) = (Instant::now() + AT_WORK, vec![], vec![]);
    for id in ids {
        if Instant::now() > until || app.is_stopping() {
            break;
        }
        let list = if app.objects.delete(id.0).await.is_ok() { &mut gone } else { &mut failed };
        list.push(id);
    }
    if !failed.is_empty() {
        let (now, many) = (app.clock.now(), failed.len());
        tracing::error!(many, "content of documents cannot be removed; it is tried again");
        writer.run(async move |c| ApiResult::Ok(postpone(c, &failed, now).await?)).await?;
    }
    if gone.is_empty() {
        return Ok(0);
    }
    writer.run(async move |c| ApiResult::Ok(forget(c, &gone).await?)).await
}

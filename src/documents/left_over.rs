//! Content of documents that nobody is shown any more: of those that were removed, and of uploads that broke off. No bucket is
//! listed for it: a row stands before its content and until after it.
use super::Rows;
use super::rules::DocumentId;
use crate::platform::app::App;
use crate::platform::db::Writer;
use crate::platform::error::ApiResult;
use crate::platform::objects::Objects;
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
pub async fn remove<R: Rows>(writer: &Writer, app: &Arc<App>) -> ApiResult<usize> {
    let ids = R::left_over(writer, app.clock.now() - GIVEN_UP, MOST).await?;
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
        R::postpone(writer, failed, now).await?;
    }
    if gone.is_empty() { Ok(0) } else { R::forget(writer, gone).await }
}

/// Writes a document anew by the key that seals now. No transaction waits for the store of documents; if the document was removed
/// meanwhile, its content goes again: the job that removes it may have been there before.
pub async fn reseal<R: Rows>(writer: &Writer, objects: &Objects, id: DocumentId) -> ApiResult<bool> {
    let written = objects.reseal(id.0).await?;
    if written && !R::is_kept(writer, id).await? {
        objects.delete(id.0).await?;
    }
    Ok(written)
}

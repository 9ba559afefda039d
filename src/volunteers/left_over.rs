//! Content of documents that nobody is shown any more: of those that were removed, and of uploads that broke off. No bucket is
//! listed for it: a row stands before its content and until after it.
use super::store::documents::{forget, left_over};
use crate::platform::app::App;
use crate::platform::db::Writer;
use crate::platform::error::ApiResult;
use chrono::TimeDelta;
use std::sync::Arc;

/// After so long no upload is under way any more, on no node.
const GIVEN_UP: TimeDelta = TimeDelta::days(1);
/// Removed in one turn, so that other jobs have theirs.
const MOST: i64 = 200;

/// Removes content that is left over; returns of how many. Several nodes may do it at once: to remove what is not there is no
/// failure, and the rows go last.
pub async fn remove(writer: &Writer, app: &Arc<App>) -> ApiResult<usize> {
    let began = app.clock.now() - GIVEN_UP;
    let ids = writer.run(async move |c| ApiResult::Ok(left_over(c, began, MOST).await?)).await?;
    if ids.is_empty() {
        return Ok(0);
    }
    for id in &ids {
        app.objects.delete(id.0).await?;
    }
    writer.run(async move |c| ApiResult::Ok(forget(c, &ids).await?)).await
}

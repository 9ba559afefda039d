//! Documents, whatever they are of: what a file may be, how its content is taken in and given out, and that no content outlives its
//! row. Whose they are and who may see them is the business of the module that has the rows ([`Rows`]).
//!
//! A row is committed before its content is written and goes after its content is removed, so no bucket is ever listed.
pub mod left_over;
pub mod links;
pub mod rules;
pub mod uploads;

use crate::platform::db::Writer;
use crate::platform::error::ApiResult;
use chrono::{DateTime, Utc};
use rules::DocumentId;

/// The rows of one kind of documents, for who looks after their content.
pub trait Rows {
    /// Some of those whose content is to go, those first that wait longest: removed ones, and those whose upload began before
    /// `began`.
    fn left_over(
        writer: &Writer,
        began: DateTime<Utc>,
        most: i64,
    ) -> impl Future<Output = ApiResult<Vec<DocumentId>>> + Send;

    /// Puts rows whose content is to go behind all others of them.
    fn postpone(
        writer: &Writer,
        ids: Vec<DocumentId>,
        now: DateTime<Utc>,
    ) -> impl Future<Output = ApiResult<usize>> + Send;

    /// Forgets rows whose content has gone; what was finished meanwhile stays.
    fn forget(writer: &Writer, ids: Vec<DocumentId>) -> impl Future<Output = ApiResult<usize>> + Send;

    /// The next of those whose content is or may be stored.
    fn kept_after(
        writer: &Writer,
        after: DocumentId,
        most: i64,
    ) -> impl Future<Output = ApiResult<Vec<DocumentId>>> + Send;

    /// Whether the content of a row is to stay.
    fn is_kept(writer: &Writer, id: DocumentId) -> impl Future<Output = ApiResult<bool>> + Send;
}

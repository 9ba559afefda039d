//! Every SQL statement on the documents of volunteers. Their content is elsewhere ([`crate::platform::objects`]).
use super::{Volunteer, visible_to};
use crate::access::rules::{AgencyId, Caller, VolunteerId};
use crate::documents::Rows;
use crate::documents::rules::{DocumentId, DocumentState, DocumentType};
use crate::platform::db::sql::Columns;
use crate::platform::db::{Conn, Writer};
use crate::platform::error::ApiResult;
use crate::schema::{volunteer_documents as t, volunteers};
use crate::volunteers::rules::documents::DocumentKind;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::Bool;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

/// A document as stored, without its content.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = t, check_for_backend(diesel::pg::Pg))]
pub struct Document {
    /// Its id, which also names its content.
    pub id: DocumentId,
    /// Whose.
    pub volunteer_id: VolunteerId,
    /// What it is.
    pub kind: DocumentKind,
    /// What kind of file.
    pub content_type: DocumentType,
    /// Bytes.
    pub size: i32,
    /// Of the content.
    pub sha256: Vec<u8>,
    /// Where it stands.
    pub state: DocumentState,
    /// Since when.
    pub state_since: DateTime<Utc>,
    /// When it was sent.
    pub created_at: DateTime<Utc>,
    /// Agency that sent it.
    pub created_by: AgencyId,
}

/// The documents of a volunteer, oldest first; `NotFound` if the caller does not see the volunteer.
pub async fn list(conn: &mut &Conn, caller: &Caller, id: VolunteerId) -> QueryResult<Vec<Document>> {
    let stored = t::volunteer_id.eq(volunteers::id).and(t::state.eq(DocumentState::Stored));
    let rows: Vec<Option<Document>> = volunteers::table
        .left_join(t::table.on(stored))
        .filter(volunteers::id.eq(id))
        .filter(visible_to(caller))
        .select(Option::<Document>::columns())
        .order(t::id)
        .load(conn)
        .await?;
    if rows.is_empty() { Err(diesel::NotFound) } else { Ok(rows.into_iter().flatten().collect()) }
}

/// A document of a volunteer that the caller sees, with the volunteer.
pub async fn find(
    conn: &mut &Conn,
    caller: &Caller,
    of: VolunteerId,
    id: DocumentId,
) -> QueryResult<(Document, Volunteer)> {
    let one = t::table.find(id).filter(t::volunteer_id.eq(of)).filter(t::state.eq(DocumentState::Stored));
    let one = one.inner_join(volunteers::table).filter(visible_to(caller));
    one.select((Document::columns(), Volunteer::columns())).first(conn).await
}

/// Gives the documents of one volunteer (only these, if some are named) to another one; returns their ids. Content is bound to
/// the id of its document, and stays as it is.
pub async fn reassign(
    conn: &mut Conn,
    from: VolunteerId,
    to: VolunteerId,
    only: Option<&[Uuid]>,
) -> QueryResult<Vec<Uuid>> {
    let everything = only.is_none().into_sql::<Bool>();
    let named = everything.or(t::id.eq_any(only.unwrap_or_default()));
    let movable = t::table.filter(t::volunteer_id.eq(from).and(t::state.eq(DocumentState::Stored))).filter(named);
    diesel::update(movable).set(t::volunteer_id.eq(to)).returning(t::id).get_results(conn).await
}

/// How many documents a volunteer has, with those whose upload began after `began`.
pub async fn count(conn: &mut Conn, of: VolunteerId, began: DateTime<Utc>) -> QueryResult<i64> {
    let under_way = t::state.eq(DocumentState::Uploading).and(t::state_since.gt(began));
    let counted = t::state.eq(DocumentState::Stored).or(under_way);
    t::table.filter(t::volunteer_id.eq(of).and(counted)).count().get_result(conn).await
}

/// Adds a row, before its content is written.
pub async fn add(conn: &mut Conn, document: &Document) -> QueryResult<()> {
    diesel::insert_into(t::table).values(document).execute(conn).await.map(drop)
}

/// Moves a document on; `NotFound` if it is not where it should be.
pub async fn set_state(
    conn: &mut Conn,
    id: DocumentId,
    (from, to): (DocumentState, DocumentState),
    now: DateTime<Utc>,
) -> QueryResult<Document> {
    diesel::update(t::table.filter(t::id.eq(id).and(t::state.eq(from))))
        .set((t::state.eq(to), t::state_since.eq(now)))
        .returning(Document::columns())
        .get_result(conn)
        .await
}

/// The documents of volunteers, for who looks after their content.
pub struct VolunteerDocuments;

impl Rows for VolunteerDocuments {
    async fn left_over(writer: &Writer, began: DateTime<Utc>, most: i64) -> ApiResult<Vec<DocumentId>> {
        writer.run(async move |c| ApiResult::Ok(left_over(c, began, most).await?)).await
    }

    async fn postpone(writer: &Writer, ids: Vec<DocumentId>, now: DateTime<Utc>) -> ApiResult<usize> {
        writer.run(async move |c| ApiResult::Ok(postpone(c, &ids, now).await?)).await
    }

    async fn forget(writer: &Writer, ids: Vec<DocumentId>) -> ApiResult<usize> {
        writer.run(async move |c| ApiResult::Ok(forget(c, &ids).await?)).await
    }

    async fn kept_after(writer: &Writer, after: DocumentId, most: i64) -> ApiResult<Vec<DocumentId>> {
        writer.run(async move |c| ApiResult::Ok(kept_after(c, after, most).await?)).await
    }

    async fn is_kept(writer: &Writer, id: DocumentId) -> ApiResult<bool> {
        writer.run(async move |c| ApiResult::Ok(is_kept(c, id).await?)).await
    }
}

/// The next documents whose content is or may be stored.
async fn kept_after(conn: &mut Conn, after: DocumentId, most: i64) -> QueryResult<Vec<DocumentId>> {
    let kept = t::table.filter(t::id.gt(after).and(t::state.ne(DocumentState::Removed)));
    kept.select(t::id).order(t::id).limit(most).load(conn).await
}

/// Whether the content of a document is to stay.
async fn is_kept(conn: &mut Conn, id: DocumentId) -> QueryResult<bool> {
    let kept = t::table.filter(t::id.eq(id).and(t::state.ne(DocumentState::Removed)));
    diesel::select(diesel::dsl::exists(kept)).get_result(conn).await
}

/// Some of the documents whose content is to go, those first that wait longest: removed ones, and those whose upload began before
/// `began`.
async fn left_over(conn: &mut Conn, began: DateTime<Utc>, most: i64) -> QueryResult<Vec<DocumentId>> {
    let given_up = t::state.eq(DocumentState::Uploading).and(t::state_since.lt(began));
    t::table
        .filter(t::state.eq(DocumentState::Removed).or(given_up))
        .select(t::id)
        .order(t::state_since)
        .limit(most)
        .load(conn)
        .await
}

/// Puts documents whose content is to go behind all others of them.
async fn postpone(conn: &mut Conn, ids: &[DocumentId], now: DateTime<Utc>) -> QueryResult<usize> {
    diesel::update(t::table.filter(t::id.eq_any(ids).and(t::state.ne(DocumentState::Stored))))
        .set((t::state.eq(DocumentState::Removed), t::state_since.eq(now)))
        .execute(conn)
        .await
}

/// Forgets documents whose content has gone; what was finished meanwhile stays.
async fn forget(conn: &mut Conn, ids: &[DocumentId]) -> QueryResult<usize> {
    diesel::delete(t::table.filter(t::id.eq_any(ids).and(t::state.ne(DocumentState::Stored)))).execute(conn).await
}

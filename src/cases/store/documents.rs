//! Every SQL statement on the documents of cases. Their content is elsewhere ([`crate::platform::objects`]).
use crate::access::rules::{AgencyId, VolunteerId};
use crate::cases::rules::CaseId;
use crate::cases::rules::documents::CaseDocumentKind;
use crate::documents::Rows;
use crate::documents::rules::{DocumentId, DocumentState, DocumentType};
use crate::platform::db::sql::Columns;
use crate::platform::db::{Conn, Writer};
use crate::platform::error::ApiResult;
use crate::schema::{case_documents as t, cases};
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

/// A document as stored, without its content.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = t, check_for_backend(diesel::pg::Pg), treat_none_as_default_value = false)]
pub struct CaseDocument {
    /// Its id, which also names its content.
    pub id: DocumentId,
    /// The case.
    pub case_id: CaseId,
    /// The referral that shows it to who was asked; none: it is the case's alone.
    pub referral_id: Option<Uuid>,
    /// What it is.
    pub kind: CaseDocumentKind,
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
    /// The volunteer, if a phone did it.
    pub volunteer_id: Option<VolunteerId>,
}

/// The documents of a case that the caller has been found to see, oldest first.
pub async fn list(conn: &mut &Conn, of: CaseId) -> QueryResult<Vec<CaseDocument>> {
    let stored = t::table.filter(t::case_id.eq(of).and(t::state.eq(DocumentState::Stored)));
    stored.select(CaseDocument::columns()).order((t::created_at, t::id)).load(conn).await
}

/// Those of these referrals of it.
pub async fn of_referrals(conn: &mut &Conn, of: CaseId, referrals: &[Uuid]) -> QueryResult<Vec<CaseDocument>> {
    let stored = t::table.filter(t::case_id.eq(of).and(t::state.eq(DocumentState::Stored)));
    stored
        .filter(t::referral_id.eq_any(referrals))
        .select(CaseDocument::columns())
        .order((t::created_at, t::id))
        .load(conn)
        .await
}

/// One document of a case that the caller has been found to see.
pub async fn find(conn: &mut &Conn, of: CaseId, id: DocumentId) -> QueryResult<CaseDocument> {
    let one = t::table.find(id).filter(t::case_id.eq(of).and(t::state.eq(DocumentState::Stored)));
    one.select(CaseDocument::columns()).first(conn).await
}

/// How many documents a case has, with those whose upload began after `began`.
pub async fn count(conn: &mut Conn, of: CaseId, began: DateTime<Utc>) -> QueryResult<i64> {
    let under_way = t::state.eq(DocumentState::Uploading).and(t::state_since.gt(began));
    let counted = t::state.eq(DocumentState::Stored).or(under_way);
    t::table.filter(t::case_id.eq(of).and(counted)).count().get_result(conn).await
}

/// Adds a row, before its content is written.
pub async fn add(conn: &mut Conn, document: &CaseDocument) -> QueryResult<()> {
    diesel::insert_into(t::table).values(document).execute(conn).await.map(drop)
}

/// Moves a document on; `NotFound` if it is not where it should be.
pub async fn set_state(
    conn: &mut Conn,
    id: DocumentId,
    (from, to): (DocumentState, DocumentState),
    now: DateTime<Utc>,
) -> QueryResult<CaseDocument> {
    diesel::update(t::table.filter(t::id.eq(id).and(t::state.eq(from))))
        .set((t::state.eq(to), t::state_since.eq(now)))
        .returning(CaseDocument::columns())
        .get_result(conn)
        .await
}

/// Writes beside a case that is locked which documents show that somebody agreed. Its version stays: nothing of it has changed.
pub async fn keep_evidence(conn: &mut Conn, of: CaseId) -> QueryResult<()> {
    let stored = t::table.filter(t::case_id.eq(of).and(t::state.eq(DocumentState::Stored)));
    let evidence: Vec<DocumentId> = stored
        .filter(t::kind.eq(CaseDocumentKind::ConsentEvidence))
        .select(t::id)
        .order((t::created_at, t::id))
        .load(conn)
        .await?;
    diesel::update(cases::table.find(of)).set(cases::consent_evidence_ids.eq(evidence)).execute(conn).await.map(drop)
}

/// The documents of cases, for who looks after their content.
pub struct CaseDocuments;

impl Rows for CaseDocuments {
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

async fn left_over(conn: &mut Conn, began: DateTime<Utc>, most: i64) -> QueryResult<Vec<DocumentId>> {
    let given_up = t::state.eq(DocumentState::Uploading).and(t::state_since.lt(began));
    let over = t::table.filter(t::state.eq(DocumentState::Removed).or(given_up));
    over.select(t::id).order(t::state_since).limit(most).load(conn).await
}

async fn postpone(conn: &mut Conn, ids: &[DocumentId], now: DateTime<Utc>) -> QueryResult<usize> {
    diesel::update(t::table.filter(t::id.eq_any(ids).and(t::state.ne(DocumentState::Stored))))
        .set((t::state.eq(DocumentState::Removed), t::state_since.eq(now)))
        .execute(conn)
        .await
}

async fn forget(conn: &mut Conn, ids: &[DocumentId]) -> QueryResult<usize> {
    diesel::delete(t::table.filter(t::id.eq_any(ids).and(t::state.ne(DocumentState::Stored)))).execute(conn).await
}

async fn kept_after(conn: &mut Conn, after: DocumentId, most: i64) -> QueryResult<Vec<DocumentId>> {
    let kept = t::table.filter(t::id.gt(after).and(t::state.ne(DocumentState::Removed)));
    kept.select(t::id).order(t::id).limit(most).load(conn).await
}

async fn is_kept(conn: &mut Conn, id: DocumentId) -> QueryResult<bool> {
    let kept = t::table.filter(t::id.eq(id).and(t::state.ne(DocumentState::Removed)));
    diesel::select(diesel::dsl::exists(kept)).get_result(conn).await
}

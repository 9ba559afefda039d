//! Documents of a volunteer: taking them in, listing, removing. Their content leaves by a link ([`super::links`]).
use super::{decide_on, elsewhere};
use crate::access::api::Permit;
use crate::access::rules::{
    AgencyId, Caller, ReadVolunteers, RemoveDocuments, SharedCaller, VolunteerId, WriteVolunteers,
};
use crate::audit::{rules::Event, store as audit};
use crate::documents::rules::{
    DocumentId, DocumentState, DocumentType, MOST_DOCUMENTS, TOO_MANY_DOCUMENTS, UNDER_WAY, VERSION, hexadecimal,
};
use crate::documents::uploads::{PathDocument, Sent, check, size};
use crate::platform::answer::Answer;
use crate::platform::app::{App, Shared};
use crate::platform::db::{Conn, Db};
use crate::platform::error::{ApiError, ApiResult, Problem, STALE, UNAVAILABLE};
use crate::platform::idempotency::{Attempt, Replay, RequestKey};
use crate::platform::input::{IfMatch, PathId, Query};
use crate::platform::openapi::{Binary, IdempotencyHeader, IfMatchHeader};
use crate::volunteers::rules::documents::DocumentKind;
use crate::volunteers::store::documents::{self, Document};
use crate::volunteers::store::{self, Volunteer};
use actix_web::{delete, get, post};
use chrono::{DateTime, Utc};
use diesel::OptionalExtension;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// A document of a volunteer. Its content is got by a link.
#[derive(Debug, Serialize, ToSchema)]
pub struct DocumentView {
    id: DocumentId,
    volunteer_id: VolunteerId,
    kind: DocumentKind,
    content_type: DocumentType,
    /// Bytes.
    #[schema(minimum = 1, maximum = 10_485_760)]
    size: i32,
    /// SHA-256 of the content, hexadecimal.
    #[schema(example = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
    sha256: String,
    version: i32,
    created_at: DateTime<Utc>,
    /// Agency that sent it.
    created_by: AgencyId,
}

impl From<Document> for DocumentView {
    fn from(document: Document) -> Self {
        let sha256 = hexadecimal(&document.sha256);
        Self {
            id: document.id,
            volunteer_id: document.volunteer_id,
            kind: document.kind,
            content_type: document.content_type,
            size: document.size,
            sha256,
            version: VERSION,
            created_at: document.created_at,
            created_by: document.created_by,
        }
    }
}

/// The documents of a volunteer.
#[derive(Debug, Serialize, ToSchema)]
pub struct Documents {
    /// Oldest first; at most 30, and more only after a merge.
    items: Vec<DocumentView>,
}

/// What is sent.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct NewDocument {
    /// What the document is.
    kind: DocumentKind,
}

/// Add a document
///
/// The file itself is the body: PDF, JPEG or PNG, at most 10 MiB, of a photo (an image) 5 MiB; its first bytes must be those of
/// the type that it is sent as. No name of a file is kept. A volunteer has at most 30; a merge may leave
/// more. It is stored encrypted.
#[utoipa::path(tag = "volunteers", security(("oauth2" = ["volunteers:write"])),
    params(("id" = VolunteerId, Path, description = "Id of the volunteer."), NewDocument, IdempotencyHeader),
    request_body(content((Binary = "application/pdf", example = json!("%PDF-1.7")), (Binary = "image/jpeg", example = json!("JPEG")), (Binary = "image/png", example = json!("PNG"))), description = "The file."),
    responses((status = 201, body = DocumentView, description = "Stored."),
        (status = 415, body = Problem, content_type = "application/problem+json", description = "No type that is taken for this kind, or not what its first bytes say.")))]
#[post("/v1/volunteers/{id}/documents")]
pub async fn create_volunteer_document(
    permit: Permit<WriteVolunteers>,
    id: PathId<VolunteerId>,
    new: Query<NewDocument>,
    sent: Sent,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let content_type = check(new.0.kind.fits(), &sent)?;
    let (caller, app) = (permit.caller(), app.0);
    let document = Document {
        id: DocumentId(app.clock.new_id()),
        volunteer_id: id.0,
        kind: new.0.kind,
        content_type,
        size: size(&sent),
        sha256: sent.digest,
        state: DocumentState::Uploading,
        state_since: app.clock.now(),
        created_at: app.clock.now(),
        created_by: caller.agency,
    };
    // The row is committed before there is any content, so that whatever breaks off is found again.
    let began = Began { caller, app: app.clone(), key: sent.key.clone(), document };
    if let Some(answer) = begin(&db, began.clone()).await? {
        return Ok(answer);
    }
    if let Err(error) = app.objects.put(began.document.id.0, sent.content.clone()).await {
        give_up(&db, began.document.id, app.clock.now()).await;
        return Err(error);
    }
    finish(&db, began).await
}

/// Leaves what was not written to the job that tidies up. If that fails as well, the job finds it a day later.
async fn give_up(db: &Db, id: DocumentId, now: DateTime<Utc>) {
    let states = (DocumentState::Uploading, DocumentState::Removed);
    if db.write(async move |c| ApiResult::Ok(documents::set_state(c, id, states, now).await?)).await.is_err() {
        tracing::warn!("an upload that broke off is still counted as under way");
    }
}

/// An upload under way.
#[derive(Clone)]
struct Began {
    caller: SharedCaller,
    app: Arc<App>,
    key: RequestKey,
    document: Document,
}

/// Adds the row; an answer if the same request was answered before.
async fn begin(db: &Db, new: Began) -> ApiResult<Option<Answer>> {
    db.write(async move |c| {
        let Began { caller, app, key, document } = new;
        if let Attempt::Replay(kept) = key.begin(c, &app, caller.identity()).await? {
            return replay(c, &caller, kept).await.map(Some);
        }
        decide_on(c, &caller, document.volunteer_id).await?;
        if documents::count(c, document.volunteer_id, app.clock.now() - UNDER_WAY).await? >= MOST_DOCUMENTS {
            return Err(ApiError::from(&TOO_MANY_DOCUMENTS));
        }
        documents::add(c, &document).await?;
        Ok(None)
    })
    .await
}

/// Shows the document from now on. Sight and authority may have been lost since it began.
async fn finish(db: &Db, began: Began) -> ApiResult<Answer> {
    db.write(async move |c| {
        let Began { caller, app, key, document } = began;
        let ticket = match key.begin(c, &app, caller.identity()).await? {
            // Sent twice at once, and the other one was sooner: what this one wrote is left over.
            Attempt::Replay(kept) => return replay(c, &caller, kept).await,
            Attempt::Fresh(ticket) => ticket,
        };
        let volunteer = decide_on(c, &caller, document.volunteer_id).await?;
        let (now, states) = (app.clock.now(), (DocumentState::Uploading, DocumentState::Stored));
        // None: the job took it for one that had broken off.
        let late = || ApiError::from(&UNAVAILABLE).header("retry-after", 1);
        let document = documents::set_state(c, document.id, states, now).await.optional()?.ok_or_else(late)?;
        note(c, &app, &caller, "volunteer_document.create", (&document, &volunteer)).await?;
        let (id, of) = (document.id, volunteer.id);
        let location = format!("{}/v1/volunteers/{of}/documents/{id}", app.settings.public_url);
        let answer = Answer::created(&DocumentView::from(document), VERSION, location)?;
        ticket.keep(c, answer, &[of.0, id.0]).await
    })
    .await
}

async fn replay(conn: &mut Conn, caller: &Caller, kept: Replay) -> ApiResult<Answer> {
    let of = VolunteerId(kept.subjects.first().copied().unwrap_or_default());
    store::find(&mut &*conn, caller, of).await?;
    Ok(kept.answer)
}

/// Records what was done with a document.
async fn note(
    conn: &mut Conn,
    app: &App,
    caller: &Caller,
    action: &str,
    (document, volunteer): (&Document, &Volunteer),
) -> ApiResult<()> {
    audit::record(conn, &event(app, caller, action, (document, volunteer))).await?;
    Ok(())
}

/// What was done with a document, and whose it is.
pub(super) fn event(app: &App, caller: &Caller, action: &str, (document, volunteer): (&Document, &Volunteer)) -> Event {
    let event = Event::by(caller, action, app.clock.new_id(), app.clock.now()).region(&volunteer.village_code);
    let event = event.subject("volunteer_document", document.id).detail(document.kind.as_str());
    event.persons([volunteer.id.0], &["document"])
}

/// List documents
///
/// What there is of a volunteer, oldest first, without the content.
#[utoipa::path(tag = "volunteers", security(("oauth2" = ["volunteers:read"])), params(("id" = VolunteerId, Path, description = "Id of the volunteer.")),
    responses((status = 200, body = Documents, description = "The documents."), (status = 308, description = "Merged into another volunteer: `Location` has that one's.")))]
#[get("/v1/volunteers/{id}/documents")]
pub async fn list_volunteer_documents(
    caller: Permit<ReadVolunteers>,
    id: PathId<VolunteerId>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let found = db.read(async |c| documents::list(c, &caller, id.0).await.optional()).await?;
    let Some(rows) = found else { return elsewhere(&db, &app, &caller, id.0, "/documents").await };
    Answer::ok(&Documents { items: rows.into_iter().map(DocumentView::from).collect() })
}

/// Read what is known of a document
///
/// Without the content: that is got by a link.
#[utoipa::path(tag = "volunteers", security(("oauth2" = ["volunteers:read"])),
    params(("id" = VolunteerId, Path, description = "Id of the volunteer."), ("document" = DocumentId, Path, description = "Id of the document.")),
    responses((status = 200, body = DocumentView, description = "The document."), (status = 308, description = "Merged into another volunteer: `Location` has that one's.")))]
#[get("/v1/volunteers/{id}/documents/{document}")]
pub async fn read_volunteer_document(
    caller: Permit<ReadVolunteers>,
    id: PathId<VolunteerId>,
    document: PathDocument,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let found = db.read(async |c| documents::find(c, &caller, id.0, document.0).await.optional()).await?;
    let Some((document, _)) = found else {
        let PathDocument(document) = document;
        return elsewhere(&db, &app, &caller, id.0, &format!("/documents/{document}")).await;
    };
    Answer::row(&DocumentView::from(document), VERSION)
}

/// Remove a document
///
/// It is shown to nobody from now on; its content is erased within minutes. Who removed it stays in the audit record.
#[utoipa::path(tag = "volunteers", security(("oauth2" = ["volunteers:write"])),
    params(("id" = VolunteerId, Path, description = "Id of the volunteer."), ("document" = DocumentId, Path, description = "Id of the document."), IfMatchHeader),
    responses((status = 200, body = Documents, description = "Removed: the documents that are left.")))]
#[delete("/v1/volunteers/{id}/documents/{document}")]
pub async fn delete_volunteer_document(
    permit: Permit<RemoveDocuments>,
    id: PathId<VolunteerId>,
    document: PathDocument,
    version: IfMatch,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let (caller, app) = (permit.caller(), app.0);
    db.write(async move |c| {
        let volunteer = decide_on(c, &caller, id.0).await?;
        let (found, _) = documents::find(&mut &*c, &caller, id.0, document.0).await?;
        if version.0 != VERSION {
            return Err(ApiError::from(&STALE).member("version", VERSION));
        }
        let (now, states) = (app.clock.now(), (DocumentState::Stored, DocumentState::Removed));
        let removed = documents::set_state(c, found.id, states, now).await?;
        note(c, &app, &caller, "volunteer_document.delete", (&removed, &volunteer)).await?;
        let left = documents::list(&mut &*c, &caller, id.0).await?;
        Answer::ok(&Documents { items: left.into_iter().map(DocumentView::from).collect() })
    })
    .await
}

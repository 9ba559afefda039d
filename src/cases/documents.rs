//! Documents of a case: that somebody agreed, letters, statements. What is attached to a referral is the case's too; how who was asked
//! sees it stands with the referrals. Content leaves by a link.
use super::api::{publish, sees_person, state_conflict};
use super::rules::documents::{CaseDocumentKind, DOCUMENT_OF_ANOTHER, may_remove};
use super::rules::{CONSENT_NOT_THE_BASIS, CaseId, CaseState, LawfulBasis};
use super::store::documents::{self, CaseDocument};
use super::store::{self, Case};
use crate::access::api::Permit;
use crate::access::rules::{
    AgencyId, Caller, OpenCaseDocuments, ReadCases, RemoveCaseDocuments, Scope, SharedCaller, VolunteerId, WriteCases,
};
use crate::audit::rules::Event;
use crate::audit::store::{self as audit, Recorder};
use crate::documents::links::{self, DocumentLink, LinkKind, Opened};
use crate::documents::rules::{
    DocumentId, DocumentState, DocumentType, MOST_DOCUMENTS, TOO_MANY_DOCUMENTS, UNDER_WAY, VERSION, hexadecimal,
};
use crate::documents::uploads::{PathDocument, Sent, check, size};
use crate::platform::answer::Answer;
use crate::platform::app::{App, Shared};
use crate::platform::db::{Conn, Db};
use crate::platform::error::{ApiError, ApiResult, Problem, STALE, UNAVAILABLE};
use crate::platform::idempotency::{Attempt, Replay, RequestKey};
use crate::platform::input::{Body, IfMatch, NoBody, PathId, Query};
use crate::platform::openapi::{Binary, IdempotencyHeader, IfMatchHeader};
use actix_web::{HttpRequest, HttpResponse, delete, get, post};
use chrono::{DateTime, Utc};
use diesel::OptionalExtension;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// A document of a case. Its content is got by a link.
#[derive(Debug, Serialize, ToSchema)]
pub struct CaseDocumentView {
    id: DocumentId,
    case_id: CaseId,
    /// The referral that shows it to who was asked; null: it is the case's alone.
    #[schema(required)]
    referral_id: Option<Uuid>,
    kind: CaseDocumentKind,
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
    /// The volunteer, if a phone did it.
    #[schema(required)]
    volunteer_id: Option<VolunteerId>,
}

impl From<CaseDocument> for CaseDocumentView {
    fn from(document: CaseDocument) -> Self {
        Self {
            id: document.id,
            case_id: document.case_id,
            referral_id: document.referral_id,
            kind: document.kind,
            content_type: document.content_type,
            size: document.size,
            sha256: hexadecimal(&document.sha256),
            version: VERSION,
            created_at: document.created_at,
            created_by: document.created_by,
            volunteer_id: document.volunteer_id,
        }
    }
}

/// The documents of a case, or of a referral.
#[derive(Debug, Serialize, ToSchema)]
pub struct CaseDocumentList {
    /// Oldest first; at most 30 of a case.
    items: Vec<CaseDocumentView>,
}

impl CaseDocumentList {
    /// These.
    pub fn of(rows: Vec<CaseDocument>) -> Self {
        Self { items: rows.into_iter().map(CaseDocumentView::from).collect() }
    }
}

/// What is sent.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct NewCaseDocument {
    /// What the document is.
    #[param(example = "facility_letter")]
    pub kind: CaseDocumentKind,
}

/// A row for what was sent.
pub fn row(
    app: &App,
    caller: &Caller,
    kind: CaseDocumentKind,
    sent: &Sent,
    (case_id, referral_id): (CaseId, Option<Uuid>),
) -> ApiResult<CaseDocument> {
    let content_type = check(kind.fits(), sent)?;
    let now = app.clock.now();
    Ok(CaseDocument {
        id: DocumentId(app.clock.new_id()),
        case_id,
        referral_id,
        kind,
        content_type,
        size: size(sent),
        sha256: sent.digest.clone(),
        state: DocumentState::Uploading,
        state_since: now,
        created_at: now,
        created_by: caller.agency,
        volunteer_id: caller.volunteer,
    })
}

/// An upload under way.
#[derive(Clone)]
pub struct Began {
    /// By whom.
    pub caller: SharedCaller,
    /// The app.
    pub app: Arc<App>,
    /// Once.
    pub key: RequestKey,
    /// What.
    pub document: CaseDocument,
}

/// Adds the row of an upload to a case that is locked.
pub async fn add(conn: &mut Conn, app: &App, document: &CaseDocument) -> ApiResult<()> {
    if documents::count(conn, document.case_id, app.clock.now() - UNDER_WAY).await? >= MOST_DOCUMENTS {
        return Err(ApiError::from(&TOO_MANY_DOCUMENTS));
    }
    Ok(documents::add(conn, document).await?)
}

/// Writes the content. What was not written is left to the job that tidies up; if that fails as well, the job finds it a day later.
pub async fn put(db: &Db, app: &App, id: DocumentId, sent: &Sent) -> ApiResult<()> {
    let Err(error) = app.objects.put(id.0, sent.content.clone()).await else { return Ok(()) };
    let (now, states) = (app.clock.now(), (DocumentState::Uploading, DocumentState::Removed));
    if db.write(async move |c| ApiResult::Ok(documents::set_state(c, id, states, now).await?)).await.is_err() {
        tracing::warn!("an upload that broke off is still counted as under way");
    }
    Err(error)
}

/// Shows a document of a case that is locked from now on, and records it.
pub async fn finish(
    conn: &mut Conn,
    app: &App,
    caller: &Caller,
    id: DocumentId,
    case: &Case,
) -> ApiResult<CaseDocument> {
    let (now, states) = (app.clock.now(), (DocumentState::Uploading, DocumentState::Stored));
    // None: the job took it for one that had broken off.
    let late = || ApiError::from(&UNAVAILABLE).header("retry-after", 1);
    let document = documents::set_state(conn, id, states, now).await.optional()?.ok_or_else(late)?;
    changed(conn, app, caller, "case_document.create", &document, case).await?;
    Ok(document)
}

/// Removes a document of a case that is locked: it is shown to nobody from now on, and its content goes within minutes.
pub async fn remove(
    conn: &mut Conn,
    app: &App,
    caller: &Caller,
    found: &CaseDocument,
    case: &Case,
    version: IfMatch,
) -> ApiResult<()> {
    if !may_remove(caller, found.created_by, found.volunteer_id) {
        return Err(ApiError::from(&DOCUMENT_OF_ANOTHER));
    }
    if version.0 != VERSION {
        return Err(ApiError::from(&STALE).member("version", VERSION));
    }
    let (now, states) = (app.clock.now(), (DocumentState::Stored, DocumentState::Removed));
    let removed = documents::set_state(conn, found.id, states, now).await?;
    changed(conn, app, caller, "case_document.delete", &removed, case).await
}

/// What follows from one document more or less: the case tells what shows that somebody agreed, those who see it are told that
/// something has changed, and it is recorded.
async fn changed(
    conn: &mut Conn,
    app: &App,
    caller: &Caller,
    action: &str,
    document: &CaseDocument,
    case: &Case,
) -> ApiResult<()> {
    if document.kind == CaseDocumentKind::ConsentEvidence {
        documents::keep_evidence(conn, case.id).await?;
    }
    let person = store::person(conn, case.id).await?;
    audit::record(conn, &event(app, caller, action, document, case, person.id)).await?;
    publish(conn, Some(case), &Case { updated_at: app.clock.now(), ..case.clone() }).await
}

/// What was done with a document, and whose it is.
pub fn event(app: &App, caller: &Caller, action: &str, document: &CaseDocument, case: &Case, person: Uuid) -> Event {
    let event = Event::by(caller, action, app.clock.new_id(), app.clock.now()).region(&case.village_code);
    let event = event.subject("case_document", document.id).detail(document.kind.as_str());
    event.persons([person], &["document"])
}

/// A document as a link opens it.
pub fn opened(document: CaseDocument, event: Event) -> Opened {
    Opened {
        id: document.id,
        kind: document.kind.as_str(),
        content_type: document.content_type,
        sha256: document.sha256,
        event,
    }
}

/// The case that the caller may add to, held: of a restricted one nothing is processed any more.
async fn lock_open(conn: &mut Conn, caller: &Caller, document: &CaseDocument) -> ApiResult<Case> {
    let case = store::lock(conn, caller, document.case_id).await?;
    if case.state == CaseState::Restricted {
        return Err(state_conflict(&case));
    }
    if document.kind == CaseDocumentKind::ConsentEvidence && case.lawful_basis != LawfulBasis::Consent {
        return Err(ApiError::from(&CONSENT_NOT_THE_BASIS));
    }
    Ok(case)
}

/// Add a document to a case
///
/// The file itself is the body: PDF, JPEG or PNG, at most 10 MiB, of a photo (an image) 5 MiB; its first bytes must be those of the
/// type that it is sent as. No name of a file is kept. A case has at most 30, those of its referrals among them. It is stored
/// encrypted. `consent_evidence` is told by the `consent` of the case.
#[utoipa::path(tag = "cases", security(("oauth2" = ["cases:write"])),
    params(("id" = CaseId, Path, description = "Id of the case."), NewCaseDocument, IdempotencyHeader),
    request_body(content((Binary = "application/pdf", example = json!("%PDF-1.7")), (Binary = "image/jpeg", example = json!("JPEG")), (Binary = "image/png", example = json!("PNG"))), description = "The file."),
    responses((status = 201, body = CaseDocumentView, description = "Stored."),
        (status = 415, body = Problem, content_type = "application/problem+json", description = "No type that is taken for this kind, or not what its first bytes say.")))]
#[post("/v1/cases/{id}/documents")]
pub async fn create_case_document(
    permit: Permit<WriteCases>,
    id: PathId<CaseId>,
    new: Query<NewCaseDocument>,
    sent: Sent,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let (caller, app) = (permit.caller(), app.0);
    let document = row(&app, &caller, new.0.kind, &sent, (id.0, None))?;
    // The row is committed before there is any content, so that whatever breaks off is found again.
    let began = Began { caller, app: app.clone(), key: sent.key.clone(), document };
    if let Some(answer) = begin(&db, began.clone()).await? {
        return Ok(answer);
    }
    put(&db, &app, began.document.id, &sent).await?;
    complete(&db, began).await
}

/// Adds the row; an answer if the same request was answered before.
async fn begin(db: &Db, new: Began) -> ApiResult<Option<Answer>> {
    db.write(async move |c| {
        let Began { caller, app, key, document } = new;
        if let Attempt::Replay(kept) = key.begin(c, &app, caller.identity()).await? {
            return replay(c, &caller, kept).await.map(Some);
        }
        lock_open(c, &caller, &document).await?;
        add(c, &app, &document).await.map(|()| None)
    })
    .await
}

/// Shows the document from now on. Sight and authority may have been lost since it began.
async fn complete(db: &Db, began: Began) -> ApiResult<Answer> {
    db.write(async move |c| {
        let Began { caller, app, key, document } = began;
        let ticket = match key.begin(c, &app, caller.identity()).await? {
            // Sent twice at once, and the other one was sooner: what this one wrote is left over.
            Attempt::Replay(kept) => return replay(c, &caller, kept).await,
            Attempt::Fresh(ticket) => ticket,
        };
        let case = lock_open(c, &caller, &document).await?;
        let document = finish(c, &app, &caller, document.id, &case).await?;
        let (id, of) = (document.id, case.id);
        let location = format!("{}/v1/cases/{of}/documents/{id}", app.settings.public_url);
        let answer = Answer::created(&CaseDocumentView::from(document), VERSION, location)?;
        ticket.keep(c, answer, &[of.0, id.0]).await
    })
    .await
}

async fn replay(conn: &mut Conn, caller: &Caller, kept: Replay) -> ApiResult<Answer> {
    let of = CaseId(kept.subjects.first().copied().unwrap_or_default());
    seen(&mut &*conn, caller, of).await?;
    Ok(kept.answer)
}

/// A case whose documents the caller sees, with the id of its person; `NotFound` if it sees the case alone, or not even that.
async fn seen(conn: &mut &Conn, caller: &Caller, id: CaseId) -> diesel::QueryResult<(Case, Uuid)> {
    let (case, person) = store::find(conn, caller, id).await?;
    if sees_person(caller, &case) { Ok((case, person.id)) } else { Err(diesel::NotFound) }
}

/// List the documents of a case
///
/// What there is of a case and its referrals, oldest first, without the content; of a restricted case only to its reporter and its
/// volunteer.
#[utoipa::path(tag = "cases", security(("oauth2" = ["cases:read"])), params(("id" = CaseId, Path, description = "Id of the case.")),
    responses((status = 200, body = CaseDocumentList, description = "The documents.")))]
#[get("/v1/cases/{id}/documents")]
pub async fn list_case_documents(caller: Permit<ReadCases>, id: PathId<CaseId>, db: Db) -> ApiResult<Answer> {
    db.read(async |c| seen(c, &caller, id.0).await).await?;
    let rows = db.read(async |c| documents::list(c, id.0).await).await?;
    Answer::ok(&CaseDocumentList::of(rows))
}

/// Read what is known of a document of a case
///
/// Without the content: that is got by a link.
#[utoipa::path(tag = "cases", security(("oauth2" = ["cases:read"])),
    params(("id" = CaseId, Path, description = "Id of the case."), ("document" = DocumentId, Path, description = "Id of the document.")),
    responses((status = 200, body = CaseDocumentView, description = "The document.")))]
#[get("/v1/cases/{id}/documents/{document}")]
pub async fn read_case_document(
    caller: Permit<ReadCases>,
    id: PathId<CaseId>,
    document: PathDocument,
    db: Db,
) -> ApiResult<Answer> {
    db.read(async |c| seen(c, &caller, id.0).await).await?;
    let found = db.read(async |c| documents::find(c, id.0, document.0).await).await?;
    Answer::row(&CaseDocumentView::from(found), VERSION)
}

/// Remove a document of a case
///
/// By who attached it, a phone what its volunteer did. It is shown to nobody from now on; its content is erased within minutes. Who
/// removed it stays in the audit record.
#[utoipa::path(tag = "cases", security(("oauth2" = ["cases:write"])),
    params(("id" = CaseId, Path, description = "Id of the case."), ("document" = DocumentId, Path, description = "Id of the document."), IfMatchHeader),
    responses((status = 200, body = CaseDocumentList, description = "Removed: the documents that are left.")))]
#[delete("/v1/cases/{id}/documents/{document}")]
pub async fn delete_case_document(
    permit: Permit<RemoveCaseDocuments>,
    id: PathId<CaseId>,
    document: PathDocument,
    version: IfMatch,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let (caller, app) = (permit.caller(), app.0);
    db.write(async move |c| {
        let case = store::lock(c, &caller, id.0).await?;
        seen(&mut &*c, &caller, case.id).await?;
        let found = documents::find(&mut &*c, case.id, document.0).await?;
        remove(c, &app, &caller, &found, &case, version).await?;
        Answer::ok(&CaseDocumentList::of(documents::list(&mut &*c, case.id).await?))
    })
    .await
}

/// Links that were made by a case.
const LINKS: LinkKind = LinkKind { path: "/v1/documents/case", context: "case-document-link" };

/// Make a link to a document of a case
///
/// Good for 5 minutes and for this document alone, as long as you are let in and see the person. A document may show a NIK: an
/// officer's client must name the `acting_user`. Takes no `Idempotency-Key`: it changes nothing.
#[utoipa::path(tag = "cases", security(("oauth2" = ["cases:read"])),
    params(("id" = CaseId, Path, description = "Id of the case."), ("document" = DocumentId, Path, description = "Id of the document.")), request_body = NoBody,
    responses((status = 200, body = DocumentLink, description = "The link.")))]
#[post("/v1/cases/{id}/documents/{document}/link")]
pub async fn link_case_document(
    caller: Permit<OpenCaseDocuments>,
    id: PathId<CaseId>,
    document: PathDocument,
    _body: Body<NoBody>,
    app: Shared,
    db: Db,
    recorder: Recorder,
) -> ApiResult<Answer> {
    let (case, person) = db.read(async |c| seen(c, &caller, id.0).await).await?;
    let found = db.read(async |c| documents::find(c, id.0, document.0).await).await?;
    recorder.record(event(&app, &caller, "case_document.link", &found, &case, person)).await?;
    links::make(&app, LINKS, &caller, case.id.0, found.id)
}

/// Open a link to a document of a case
///
/// The content, always as a file to be saved and never shown as a page. Takes no token; the link is of
/// `POST /v1/cases/{id}/documents/{document}/link`. It must be read within two minutes: an answer that ends before its length is not
/// whole.
#[utoipa::path(tag = "cases", params(("token" = String, Path, description = "What the link ends with.", example = "AQIDBA")),
    responses((status = 200, description = "The content.",
        headers(("Content-Disposition" = String, description = "`attachment` with a name of the file.")),
        content((Binary = "application/pdf"), (Binary = "image/jpeg"), (Binary = "image/png"))),
        (status = 410, body = Problem, content_type = "application/problem+json", description = "The link has ended."),
        (status = 429, body = Problem, content_type = "application/problem+json", description = "It was opened too often.")))]
#[get("/v1/documents/case/{token}")]
pub async fn download_case_document(
    req: HttpRequest,
    app: Shared,
    db: Db,
    recorder: Recorder,
) -> ApiResult<HttpResponse> {
    let (shared, rows) = (app.0.clone(), db.clone());
    links::open((req, app, db, recorder), LINKS, async |caller, of, document| {
        if !caller.scopes.has(Scope::CasesRead) {
            return Err(ApiError::not_found());
        }
        let (case, person) = rows.read(async |c| seen(c, caller, CaseId(of)).await).await?;
        let found = rows.read(async |c| documents::find(c, case.id, document).await).await?;
        let event = event(&shared, caller, "case_document.download", &found, &case, person);
        Ok(opened(found, event))
    })
    .await
}

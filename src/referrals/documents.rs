//! Documents of a referral: those of its case that were attached to it, or to the referral that was passed on to it. Who was asked sees no
//! others of the case.
use super::publish::publish;
use super::rules::documents::{ReferralDocumentKind, may_open, shows};
use super::rules::{PersonSight, REFERRAL_STATE_CONFLICT, ReferralId, chain_before};
use super::store::{self, Scene, history};
use super::talk::speaks;
use super::view::sight;
use crate::access::api::Permit;
use crate::access::rules::{
    Caller, OpenReferralDocuments, ReadReferrals, RemoveReferralDocuments, Scope, TalkReferrals,
};
use crate::audit::store::Recorder;
use crate::cases::documents::{
    Began, CaseDocumentList, CaseDocumentView, add, event, finish, opened, put, remove, row,
};
use crate::cases::store::documents::{self, CaseDocument};
use crate::cases::store::{self as cases, Case};
use crate::documents::links::{self, DocumentLink, LinkKind};
use crate::documents::rules::{DocumentId, VERSION};
use crate::documents::uploads::{PathDocument, Sent};
use crate::platform::answer::Answer;
use crate::platform::app::Shared;
use crate::platform::db::{Conn, Db};
use crate::platform::error::{ApiError, ApiResult, Problem};
use crate::platform::idempotency::{Attempt, Replay};
use crate::platform::input::{Body, IfMatch, NoBody, PathId, Query};
use crate::platform::openapi::{Binary, IdempotencyHeader, IfMatchHeader};
use actix_web::{HttpRequest, HttpResponse, delete, get, post};
use chrono::{DateTime, Utc};
use diesel::QueryResult;
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

/// What is sent.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct NewReferralDocument {
    /// What the document is.
    #[param(inline)]
    kind: ReferralDocumentKind,
}

/// How much of the person the caller sees, and whether that has the documents with it.
fn shown_to(caller: &Caller, scene: &Scene) -> (PersonSight, bool) {
    let sight = sight(caller, &scene.referral);
    (sight, shows(sight, scene.referral.sides().in_pool(caller)))
}

fn state_conflict(scene: &Scene) -> ApiError {
    ApiError::from(&REFERRAL_STATE_CONFLICT)
        .member("state", scene.referral.status)
        .member("since", scene.referral.status_since)
        .member("by", scene.referral.status_agency_id)
}

/// What was attached to a referral or to one before it, as the caller sees it.
async fn rows(conn: &mut &Conn, caller: &Caller, scene: &Scene) -> QueryResult<Vec<CaseDocument>> {
    if !shown_to(caller, scene).1 {
        return Ok(vec![]);
    }
    let of_case = history::followed(conn, scene.referral.case_id).await?;
    documents::of_referrals(conn, scene.referral.case_id, &before(scene, &of_case)).await
}

/// The referral and those before it: what was attached to them goes with it.
fn before(scene: &Scene, of_case: &[(ReferralId, Option<ReferralId>)]) -> Vec<Uuid> {
    chain_before(scene.referral.id, of_case).into_iter().map(Uuid::from).collect()
}

/// One of them.
async fn one(conn: &mut &Conn, caller: &Caller, scene: &Scene, id: DocumentId) -> QueryResult<CaseDocument> {
    rows(conn, caller, scene).await?.into_iter().find(|row| row.id == id).ok_or(diesel::NotFound)
}

/// A referral with its case, both held, the case first as everywhere.
async fn hold(conn: &mut Conn, caller: &Caller, id: ReferralId) -> ApiResult<(Scene, Case)> {
    let of = store::case_of(conn, caller, id).await?;
    let case = cases::lock_any(conn, of).await?;
    store::lock(conn, caller, id).await?;
    Ok((store::find(&mut &*conn, caller, id).await?, case))
}

/// A referral to which the caller may attach something: its sender's side, and who was asked while it works for the person.
async fn hold_open(conn: &mut Conn, caller: &Caller, id: ReferralId, now: DateTime<Utc>) -> ApiResult<(Scene, Case)> {
    let (scene, case) = hold(conn, caller, id).await?;
    speaks(caller, &scene.referral, now)?;
    if shown_to(caller, &scene).0 != PersonSight::Open {
        return Err(state_conflict(&scene));
    }
    Ok((scene, case))
}

/// Add a document to a referral
///
/// As to a case, of which it is one too; it is shown to both sides, and to whom the referral is passed on. The sender's side may add
/// one as long as it may comment, who was asked from `accepted` until the end. Evidence of a consent is the case's own.
#[utoipa::path(tag = "referrals", security(("oauth2" = ["referrals:send"]), ("oauth2" = ["referrals:handle"])),
    params(("id" = ReferralId, Path, description = "Id of the referral."), NewReferralDocument, IdempotencyHeader),
    request_body(content((Binary = "application/pdf", example = json!("%PDF-1.7")), (Binary = "image/jpeg", example = json!("JPEG")), (Binary = "image/png", example = json!("PNG"))), description = "The file."),
    responses((status = 201, body = CaseDocumentView, description = "Stored."),
        (status = 415, body = Problem, content_type = "application/problem+json", description = "No type that is taken for this kind, or not what its first bytes say.")))]
#[post("/v1/referrals/{id}/documents")]
pub async fn create_referral_document(
    permit: Permit<TalkReferrals>,
    id: PathId<ReferralId>,
    new: Query<NewReferralDocument>,
    sent: Sent,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let (caller, app, of) = (permit.caller(), app.0, id.0);
    let scene = db.read(async |c| store::find(c, &caller, of).await).await?;
    let document = row(&app, &caller, new.0.kind.into(), &sent, (scene.referral.case_id, Some(of.0)))?;
    // The row is committed before there is any content, so that whatever breaks off is found again.
    let began = Began { caller, app: app.clone(), key: sent.key.clone(), document };
    if let Some(answer) = begin(&db, of, began.clone()).await? {
        return Ok(answer);
    }
    put(&db, &app, began.document.id, &sent).await?;
    complete(&db, of, began).await
}

/// Adds the row; an answer if the same request was answered before.
async fn begin(db: &Db, of: ReferralId, new: Began) -> ApiResult<Option<Answer>> {
    db.write(async move |c| {
        let Began { caller, app, key, document } = new;
        if let Attempt::Replay(kept) = key.begin(c, &app, caller.identity()).await? {
            return replay(c, &caller, kept).await.map(Some);
        }
        hold_open(c, &caller, of, app.clock.now()).await?;
        add(c, &app, &document).await.map(|()| None)
    })
    .await
}

/// Shows the document from now on. Sight and authority may have been lost since it began.
async fn complete(db: &Db, of: ReferralId, began: Began) -> ApiResult<Answer> {
    db.write(async move |c| {
        let Began { caller, app, key, document } = began;
        let ticket = match key.begin(c, &app, caller.identity()).await? {
            // Sent twice at once, and the other one was sooner: what this one wrote is left over.
            Attempt::Replay(kept) => return replay(c, &caller, kept).await,
            Attempt::Fresh(ticket) => ticket,
        };
        let (scene, case) = hold_open(c, &caller, of, app.clock.now()).await?;
        let (document, now) = (finish(c, &app, &caller, document.id, &case).await?, app.clock.now());
        store::touch(c, of, now).await?;
        publish(c, Some(&scene.referral), &scene.referral, now).await?;
        let id = document.id;
        let location = format!("{}/v1/referrals/{of}/documents/{id}", app.settings.public_url);
        let answer = Answer::created(&CaseDocumentView::from(document), VERSION, location)?;
        ticket.keep(c, answer, &[of.0, id.0]).await
    })
    .await
}

async fn replay(conn: &mut Conn, caller: &Caller, kept: Replay) -> ApiResult<Answer> {
    let of = ReferralId(kept.subjects.first().copied().unwrap_or_default());
    let scene = store::find(&mut &*conn, caller, of).await?;
    if shown_to(caller, &scene).1 { Ok(kept.answer) } else { Err(ApiError::not_found()) }
}

/// List the documents of a referral
///
/// What was attached to it, and to the referral that was passed on to it, oldest first, without the content. Who sees the header of
/// the referral alone is shown none.
#[utoipa::path(tag = "referrals", security(("oauth2" = ["referrals:read"])), params(("id" = ReferralId, Path, description = "Id of the referral.")),
    responses((status = 200, body = CaseDocumentList, description = "The documents.")))]
#[get("/v1/referrals/{id}/documents")]
pub async fn list_referral_documents(
    caller: Permit<ReadReferrals>,
    id: PathId<ReferralId>,
    db: Db,
) -> ApiResult<Answer> {
    let scene = db.read(async |c| store::find(c, &caller, id.0).await).await?;
    Answer::ok(&CaseDocumentList::of(read_rows(&db, &caller, &scene).await?))
}

/// The same, a statement a read.
async fn read_rows(db: &Db, caller: &Caller, scene: &Scene) -> ApiResult<Vec<CaseDocument>> {
    if !shown_to(caller, scene).1 {
        return Ok(vec![]);
    }
    let case = scene.referral.case_id;
    let of_case = db.read(async |c| history::followed(c, case).await).await?;
    let of = before(scene, &of_case);
    db.read(async |c| documents::of_referrals(c, case, &of).await).await
}

async fn read_one(db: &Db, caller: &Caller, of: ReferralId, id: DocumentId) -> ApiResult<(Scene, CaseDocument)> {
    let scene = db.read(async |c| store::find(c, caller, of).await).await?;
    let found = read_rows(db, caller, &scene).await?.into_iter().find(|row| row.id == id);
    found.map(|row| (scene, row)).ok_or_else(ApiError::not_found)
}

/// Read what is known of a document of a referral
///
/// Without the content: that is got by a link.
#[utoipa::path(tag = "referrals", security(("oauth2" = ["referrals:read"])),
    params(("id" = ReferralId, Path, description = "Id of the referral."), ("document" = DocumentId, Path, description = "Id of the document.")),
    responses((status = 200, body = CaseDocumentView, description = "The document.")))]
#[get("/v1/referrals/{id}/documents/{document}")]
pub async fn read_referral_document(
    caller: Permit<ReadReferrals>,
    id: PathId<ReferralId>,
    document: PathDocument,
    db: Db,
) -> ApiResult<Answer> {
    let (_, found) = read_one(&db, &caller, id.0, document.0).await?;
    Answer::row(&CaseDocumentView::from(found), VERSION)
}

/// Remove a document of a referral
///
/// By who attached it, a phone what its volunteer did. It is shown to nobody from now on; its content is erased within minutes. Who
/// removed it stays in the audit record.
#[utoipa::path(tag = "referrals", security(("oauth2" = ["referrals:send"]), ("oauth2" = ["referrals:handle"])),
    params(("id" = ReferralId, Path, description = "Id of the referral."), ("document" = DocumentId, Path, description = "Id of the document."), IfMatchHeader),
    responses((status = 200, body = CaseDocumentList, description = "Removed: the documents that are left.")))]
#[delete("/v1/referrals/{id}/documents/{document}")]
pub async fn delete_referral_document(
    permit: Permit<RemoveReferralDocuments>,
    id: PathId<ReferralId>,
    document: PathDocument,
    version: IfMatch,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let (caller, app) = (permit.caller(), app.0);
    db.write(async move |c| {
        let (scene, case) = hold(c, &caller, id.0).await?;
        let found = one(&mut &*c, &caller, &scene, document.0).await?;
        remove(c, &app, &caller, &found, &case, version).await?;
        let now = app.clock.now();
        store::touch(c, id.0, now).await?;
        publish(c, Some(&scene.referral), &scene.referral, now).await?;
        Answer::ok(&CaseDocumentList::of(rows(&mut &*c, &caller, &scene).await?))
    })
    .await
}

/// Links that were made by a referral.
const LINKS: LinkKind = LinkKind { path: "/v1/documents/referral", context: "referral-document-link" };

/// Make a link to a document of a referral
///
/// Good for 5 minutes and for this document alone, as long as you are let in and may open it: who was asked, from `received` what shows
/// whether the person is entitled (`facility_letter`, `statement`, `id_document`), from `accepted` all. A document may show a NIK: an
/// officer's client must name the `acting_user`. Takes no `Idempotency-Key`: it changes nothing.
#[utoipa::path(tag = "referrals", security(("oauth2" = ["referrals:read"])),
    params(("id" = ReferralId, Path, description = "Id of the referral."), ("document" = DocumentId, Path, description = "Id of the document.")), request_body = NoBody,
    responses((status = 200, body = DocumentLink, description = "The link."),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "Not in this state.")))]
#[post("/v1/referrals/{id}/documents/{document}/link")]
pub async fn link_referral_document(
    caller: Permit<OpenReferralDocuments>,
    id: PathId<ReferralId>,
    document: PathDocument,
    _body: Body<NoBody>,
    app: Shared,
    db: Db,
    recorder: Recorder,
) -> ApiResult<Answer> {
    let (scene, found) = read_one(&db, &caller, id.0, document.0).await?;
    if !may_open(shown_to(&caller, &scene).0, found.kind) {
        return Err(state_conflict(&scene));
    }
    let event = event(&app, &caller, "case_document.link", &found, &scene.case, scene.person.id);
    recorder.record(event).await?;
    links::make(&app, LINKS, &caller, id.0.0, found.id)
}

/// Open a link to a document of a referral
///
/// The content, always as a file to be saved and never shown as a page. Takes no token; the link is of
/// `POST /v1/referrals/{id}/documents/{document}/link`. It must be read within two minutes: an answer that ends before its length is
/// not whole.
#[utoipa::path(tag = "referrals", params(("token" = String, Path, description = "What the link ends with.", example = "AQIDBA")),
    responses((status = 200, description = "The content.",
        headers(("Content-Disposition" = String, description = "`attachment` with a name of the file.")),
        content((Binary = "application/pdf"), (Binary = "image/jpeg"), (Binary = "image/png"))),
        (status = 410, body = Problem, content_type = "application/problem+json", description = "The link has ended."),
        (status = 429, body = Problem, content_type = "application/problem+json", description = "It was opened too often.")))]
#[get("/v1/documents/referral/{token}")]
pub async fn download_referral_document(
    req: HttpRequest,
    app: Shared,
    db: Db,
    recorder: Recorder,
) -> ApiResult<HttpResponse> {
    let (shared, rows) = (app.0.clone(), db.clone());
    links::open((req, app, db, recorder), LINKS, async |caller, of, document| {
        if !caller.scopes.has(Scope::ReferralsRead) {
            return Err(ApiError::not_found());
        }
        let (scene, found) = read_one(&rows, caller, ReferralId(of), document).await?;
        if !may_open(shown_to(caller, &scene).0, found.kind) {
            return Err(ApiError::not_found());
        }
        let event = event(&shared, caller, "case_document.download", &found, &scene.case, scene.person.id);
        Ok(opened(found, event))
    })
    .await
}

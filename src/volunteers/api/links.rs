//! Links to the content of a volunteer's documents: see [`crate::documents::links`].
use super::documents::event;
use crate::access::api::Permit;
use crate::access::rules::{OpenDocuments, Scope, VolunteerId};
use crate::audit::store::Recorder;
use crate::documents::links::{self, DocumentLink, LinkKind, Opened};
use crate::documents::rules::DocumentId;
use crate::documents::uploads::PathDocument;
use crate::platform::answer::Answer;
use crate::platform::app::Shared;
use crate::platform::db::Db;
use crate::platform::error::{ApiError, ApiResult, Problem};
use crate::platform::input::{Body, NoBody, PathId};
use crate::platform::openapi::Binary;
use crate::volunteers::store::documents;
use actix_web::{HttpRequest, HttpResponse, get, post};

/// Links that were made by a volunteer.
const LINKS: LinkKind = LinkKind { path: "/v1/documents", context: "document-link" };

/// Make a link to a document
///
/// Good for 5 minutes and for this document alone, as long as you are let in and see the volunteer. A letter may show a NIK: an
/// officer's client must name the `acting_user`. Takes no `Idempotency-Key`: it changes nothing.
#[utoipa::path(tag = "volunteers", security(("oauth2" = ["volunteers:read"])),
    params(("id" = VolunteerId, Path, description = "Id of the volunteer."), ("document" = DocumentId, Path, description = "Id of the document.")), request_body = NoBody,
    responses((status = 200, body = DocumentLink, description = "The link.")))]
#[post("/v1/volunteers/{id}/documents/{document}/link")]
pub async fn link_volunteer_document(
    caller: Permit<OpenDocuments>,
    id: PathId<VolunteerId>,
    document: PathDocument,
    _body: Body<NoBody>,
    app: Shared,
    db: Db,
    recorder: Recorder,
) -> ApiResult<Answer> {
    let (found, volunteer) = db.read(async |c| documents::find(c, &caller, id.0, document.0).await).await?;
    recorder.record(event(&app, &caller, "volunteer_document.link", (&found, &volunteer))).await?;
    links::make(&app, LINKS, &caller, id.0.0, found.id)
}

/// Open a link to a document
///
/// The content, always as a file to be saved and never shown as a page. Takes no token; the link is of
/// `POST /v1/volunteers/{id}/documents/{document}/link`. It must be read within two minutes: an answer that ends before its length
/// is not whole.
#[utoipa::path(tag = "volunteers", params(("token" = String, Path, description = "What the link ends with.", example = "AQIDBA")),
    responses((status = 200, description = "The content.",
        headers(("Content-Disposition" = String, description = "`attachment` with a name of the file.")),
        content((Binary = "application/pdf"), (Binary = "image/jpeg"), (Binary = "image/png"))),
        (status = 410, body = Problem, content_type = "application/problem+json", description = "The link has ended."),
        (status = 429, body = Problem, content_type = "application/problem+json", description = "It was opened too often.")))]
#[get("/v1/documents/{token}")]
pub async fn download_document(req: HttpRequest, app: Shared, db: Db, recorder: Recorder) -> ApiResult<HttpResponse> {
    let (shared, rows) = (app.0.clone(), db.clone());
    links::open((req, app, db, recorder), LINKS, async |caller, of, document| {
        if !caller.scopes.has(Scope::VolunteersRead) {
            return Err(ApiError::not_found());
        }
        let (found, volunteer) =
            rows.read(async |c| documents::find(c, caller, VolunteerId(of), document).await).await?;
        let event = event(&shared, caller, "volunteer_document.download", (&found, &volunteer));
        let (kind, content_type) = (found.kind.as_str(), found.content_type);
        Ok(Opened { id: found.id, kind, content_type, sha256: found.sha256, event })
    })
    .await
}

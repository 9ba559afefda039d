//! Links to the content of documents: for what cannot send a token, a browser's own download or image.
//!
//! A link is sealed and names one document, until when, and with what its maker was let in. It is no right of its own: opened,
//! the maker's standing and sight are looked at again, and it is recorded as the maker's act.
use super::documents::{PathDocument, event};
use crate::access::api::{Gate, Permit};
use crate::access::rules::{LetIn, OpenDocuments, Scope, VolunteerId};
use crate::audit::store::Recorder;
use crate::platform::answer::Answer;
use crate::platform::app::{Shared, room};
use crate::platform::db::Db;
use crate::platform::error::{ApiError, ApiResult, Problem};
use crate::platform::http::RequestInfo;
use crate::platform::input::{Body, NoBody, PathId};
use crate::platform::openapi::Binary;
use crate::platform::sending::{cut, ending};
use crate::volunteers::rules::documents::{DocumentId, LINK_EXPIRED};
use crate::volunteers::store::documents;
use actix_web::body::SizedStream;
use actix_web::web::Bytes;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, get, post};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::stream;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use utoipa::ToSchema;
use uuid::Uuid;

/// Long enough to be followed, too short to be passed on.
const GOOD_FOR: TimeDelta = TimeDelta::minutes(5);
/// A slow phone gets ten megabytes in it.
const SENT_WITHIN: Duration = Duration::from_mins(2);
/// What a sealed link is, so that nothing else that was sealed is one.
const CONTEXT: &str = "document-link";

/// A link to the content of a document.
#[derive(Debug, Serialize, ToSchema)]
pub struct DocumentLink {
    /// Takes no token. Whoever has it may open it until it ends: do not keep or log it.
    #[schema(format = "uri", example = "https://simpul.example/v1/documents/AQIDBA")]
    url: String,
    /// Ends then.
    expires_at: DateTime<Utc>,
}

/// What the link says, sealed.
#[derive(Debug, Serialize, Deserialize)]
struct Sealed {
    /// By which its openings are counted.
    id: Uuid,
    of: VolunteerId,
    document: DocumentId,
    until: DateTime<Utc>,
    by: LetIn,
}

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
    let until = app.clock.now() + GOOD_FOR;
    let link = Sealed { id: app.clock.new_id(), of: id.0, document: found.id, until, by: LetIn::as_caller(&caller) };
    let plain = serde_json::to_vec(&link).map_err(|_| ApiError::internal("a link cannot be written"))?;
    let sealed = URL_SAFE_NO_PAD.encode(app.keys.seal(CONTEXT, &plain).map_err(ApiError::internal)?);
    Answer::ok(&DocumentLink { url: format!("{}/v1/documents/{sealed}", app.settings.public_url), expires_at: until })
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
    let missing = || ApiError::internal("request without gate or information");
    let gate = req.app_data::<Arc<Gate>>().ok_or_else(missing)?;
    let info = req.extensions().get::<RequestInfo>().cloned().ok_or_else(missing)?;
    let link = open(&app, req.match_info().get("token").unwrap_or_default()).ok_or_else(ApiError::not_found)?;
    let now = app.clock.now();
    if link.until <= now {
        return Err(ApiError::from(&LINK_EXPIRED));
    }
    let caller = gate.recall(&db, link.by, &info, now).await?.filter(|caller| caller.scopes.has(Scope::VolunteersRead));
    let caller = caller.ok_or_else(ApiError::not_found)?;
    // Each is in memory until it is sent. Who finds no room has not opened anything yet.
    let room = room(&app.downloads, 2)?;
    gate.limits.open_link(link.id)?;
    let find = async || db.read(async |c| documents::find(c, &caller, link.of, link.document).await).await;
    let (document, volunteer) = find().await?;
    let Some(content) = app.objects.get(document.id.0, document.sha256.clone()).await? else {
        find().await?; // it may have been removed meanwhile
        return Err(ApiError::internal("the content of a document is not there"));
    };
    recorder.record(event(&app, &caller, "volunteer_document.download", (&document, &volunteer))).await?;
    let name = format!("{}.{}", document.kind, document.content_type.extension());
    let length = u64::try_from(content.len()).unwrap_or(u64::MAX);
    let parts = stream::iter(cut(Bytes::from_owner(content)));
    let body = ending(&app.clock, app.clock.elapsed() + SENT_WITHIN, room, parts);
    Ok(HttpResponse::Ok()
        .content_type(document.content_type.as_str())
        .insert_header(("content-disposition", format!("attachment; filename=\"{name}\"")))
        // Whatever a browser makes of it all the same: nothing in it runs or loads.
        .insert_header(("content-security-policy", "default-src 'none'; sandbox; frame-ancestors 'none'"))
        .insert_header(("cross-origin-resource-policy", "same-site"))
        .body(SizedStream::new(length, body)))
}

fn open(app: &Shared, token: &str) -> Option<Sealed> {
    let sealed = URL_SAFE_NO_PAD.decode(token).ok()?;
    let plain = app.keys.unseal(CONTEXT, &sealed).ok()?;
    serde_json::from_slice(&plain).ok()
}

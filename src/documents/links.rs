//! Links to the content of documents: for what cannot send a token, a browser's own download or image.
//!
//! A link is sealed and names one document, until when, and with what its maker was let in. It is no right of its own: opened,
//! the maker's standing and sight are looked at again, and it is recorded as the maker's act.
use super::rules::{DocumentId, DocumentType, LINK_EXPIRED};
use crate::access::api::Gate;
use crate::access::rules::{Caller, LetIn};
use crate::audit::rules::Event;
use crate::audit::store::Recorder;
use crate::platform::answer::Answer;
use crate::platform::app::{App, Shared, room};
use crate::platform::db::Db;
use crate::platform::error::{ApiError, ApiResult};
use crate::platform::http::RequestInfo;
use crate::platform::sending::{cut, ending};
use actix_web::body::SizedStream;
use actix_web::web::Bytes;
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
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

/// A kind of links: where they lead, and what they are sealed as, so that nothing else that was sealed is one.
#[derive(Debug, Clone, Copy)]
pub struct LinkKind {
    /// Before the sealed part of the address.
    pub path: &'static str,
    /// What the sealed part is.
    pub context: &'static str,
}

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
    /// What it was made from: the row by which the document is seen.
    of: Uuid,
    document: DocumentId,
    until: DateTime<Utc>,
    by: LetIn,
}

/// Answers with a new link of a caller who has been found to see the document by `of`.
pub fn make(app: &App, kind: LinkKind, caller: &Caller, of: Uuid, document: DocumentId) -> ApiResult<Answer> {
    let until = app.clock.now() + GOOD_FOR;
    let link = Sealed { id: app.clock.new_id(), of, document, until, by: LetIn::as_caller(caller) };
    let plain = serde_json::to_vec(&link).map_err(|_| ApiError::internal("a link cannot be written"))?;
    let sealed = URL_SAFE_NO_PAD.encode(app.keys.seal(kind.context, &plain).map_err(ApiError::internal)?);
    let url = format!("{}{}/{sealed}", app.settings.public_url, kind.path);
    Answer::ok(&DocumentLink { url, expires_at: until })
}

/// A document whose content is opened.
pub struct Opened {
    /// Its id, which names its content.
    pub id: DocumentId,
    /// What it is, for the name of the file.
    pub kind: &'static str,
    /// What kind of file.
    pub content_type: DocumentType,
    /// Of the content.
    pub sha256: Vec<u8>,
    /// The record of it.
    pub event: Event,
}

/// Sends the content that a link of this kind names, as a file to be saved. `find` finds the document by what the link was made
/// from, as its maker sees it now.
pub async fn open<F>(
    (req, app, db, recorder): (HttpRequest, Shared, Db, Recorder),
    kind: LinkKind,
    find: F,
) -> ApiResult<HttpResponse>
where
    F: AsyncFn(&Caller, Uuid, DocumentId) -> ApiResult<Opened>,
{
    let missing = || ApiError::internal("request without gate or information");
    let gate = req.app_data::<Arc<Gate>>().ok_or_else(missing)?;
    let info = req.extensions().get::<RequestInfo>().cloned().ok_or_else(missing)?;
    let token = req.match_info().get("token").unwrap_or_default();
    let link = unseal(&app, kind, token).ok_or_else(ApiError::not_found)?;
    let now = app.clock.now();
    if link.until <= now {
        return Err(ApiError::from(&LINK_EXPIRED));
    }
    let caller = gate.recall(&db, link.by, &info, now).await?.ok_or_else(ApiError::not_found)?;
    // Each is in memory until it is sent. Who finds no room has not opened anything yet.
    let room = room(&app.downloads, 2)?;
    gate.limits.open_link(link.id)?;
    let document = find(&caller, link.of, link.document).await?;
    let Some(content) = app.objects.get(document.id.0, document.sha256.clone()).await? else {
        find(&caller, link.of, link.document).await?; // it may have been removed meanwhile
        return Err(ApiError::internal("the content of a document is not there"));
    };
    recorder.record(document.event).await?;
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

fn unseal(app: &App, kind: LinkKind, token: &str) -> Option<Sealed> {
    let sealed = URL_SAFE_NO_PAD.decode(token).ok()?;
    let plain = app.keys.unseal(kind.context, &sealed).ok()?;
    serde_json::from_slice(&plain).ok()
}

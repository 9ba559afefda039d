//! Taking in a file, whatever it is of.
use super::rules::{DocumentId, DocumentType, Fits, MOST_BYTES, MOST_SECONDS};
use crate::platform::error::{ApiError, ApiResult, BODY_TOO_LARGE, Fault, Place, UNSUPPORTED_MEDIA_TYPE};
use crate::platform::input::{Upload, path_id};
use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use std::future::{Ready, ready};

/// A file as it is sent.
pub type Sent = Upload<MOST_BYTES, MOST_SECONDS>;

/// The id of a document in the path, read as `PathId` reads that of what it is of.
#[derive(Debug, Clone, Copy)]
pub struct PathDocument(pub DocumentId);

impl FromRequest for PathDocument {
    type Error = ApiError;
    type Future = Ready<ApiResult<Self>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(DocumentId(path_id(req, "document")))))
    }
}

/// The type of what was sent, if it may be that of such a document.
pub fn check(fits: Fits, sent: &Sent) -> ApiResult<DocumentType> {
    let refused = || {
        let types: Vec<&str> =
            DocumentType::ALL.iter().copied().filter(|one| fits.takes(*one)).map(DocumentType::as_str).collect();
        ApiError::from(&UNSUPPORTED_MEDIA_TYPE).header("accept", types.join(", "))
    };
    let stated = DocumentType::parse(&sent.content_type).filter(|stated| fits.takes(*stated)).ok_or_else(refused)?;
    if sent.content.len() > fits.most_bytes() {
        return Err(ApiError::from(&BODY_TOO_LARGE));
    }
    if DocumentType::of(&sent.content) != Some(stated) {
        let fault = Fault::new("content_differs", "isi berkas bukan jenis ini", "the file is not of this type");
        return Err(refused().fault(Place::Header("Content-Type"), fault));
    }
    Ok(stated)
}

/// Bytes of what was sent.
pub fn size(sent: &Sent) -> i32 {
    i32::try_from(sent.content.len()).unwrap_or(i32::MAX)
}

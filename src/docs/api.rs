//! The pages and their files.
use super::rules::{self, Asset};
use crate::platform::answer::none_match;
use crate::platform::crypto::short_hash;
use crate::platform::error::{ApiError, ApiResult, Language};
use crate::platform::http::RequestInfo;
use actix_web::http::header::ACCEPT_ENCODING;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, get, web};
use flate2::read::GzDecoder;
use std::io::Read;

/// The reference draws itself by script and sets styles while it does; nothing is loaded from, or sent to, another host.
const REFERENCE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
    font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const PLAIN_POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const KEEP: &str = "public, max-age=31536000, immutable";

/// Read this reference
///
/// A page for people, made from this document: every operation with its examples, and requests to try with your own
/// client. It loads nothing from elsewhere.
#[utoipa::path(tag = "documentation", responses((status = 200, body = String, content_type = "text/html", description = "The page."), (status = 304, description = "Not modified: the ETag of `If-None-Match` is current.")))]
#[get("/docs")]
pub async fn read_docs(req: HttpRequest) -> HttpResponse {
    page(&req, REFERENCE_POLICY, rules::reference_page)
}

/// Read the error codes
///
/// What each `code` of a problem means, under an anchor of its own; `type` of a problem points here. Indonesian, or English by
/// `Accept-Language`.
#[utoipa::path(tag = "documentation", responses((status = 200, body = String, content_type = "text/html", description = "The page."), (status = 304, description = "Not modified: the ETag of `If-None-Match` is current.")))]
#[get("/docs/errors")]
pub async fn read_error_codes(req: HttpRequest) -> HttpResponse {
    page(&req, PLAIN_POLICY, |language| rules::error_page(&crate::error_codes(), language))
}

fn page(req: &HttpRequest, policy: &'static str, make: impl Fn(Language) -> String) -> HttpResponse {
    let language = req.extensions().get::<RequestInfo>().map(|info| info.language).unwrap_or_default();
    let page = make(language);
    let etag = format!("\"{}\"", short_hash(page.as_bytes()));
    let mut response = if none_match(req, &etag) { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response
        .insert_header(("content-security-policy", policy))
        // The names in it change with a release: asked again each time, and answered 304.
        .insert_header(("cache-control", "no-cache"))
        .insert_header(("vary", "Accept-Language"))
        .insert_header(("content-language", if language == Language::English { "en" } else { "id" }))
        .insert_header(("etag", etag.as_str()));
    if none_match(req, &etag) {
        response.finish()
    } else {
        response.content_type("text/html; charset=utf-8").body(page)
    }
}

/// Read a file of the pages
///
/// Script or style of the pages above. Its name changes with its content, so it may be kept for ever.
#[utoipa::path(tag = "documentation", extensions(("x-internal" = json!(true))),
    params(("name" = String, Path, description = "Name of the file, as the pages give it.", example = "page.css")),
    responses((status = 200, description = "The file.", content((String = "text/javascript"), (String = "text/css"))), (status = 304, description = "Not modified: the ETag of `If-None-Match` is current.")))]
#[get("/docs/assets/{name}")]
pub async fn read_docs_asset(req: HttpRequest, name: web::Path<String>) -> ApiResult<HttpResponse> {
    let asset = rules::find_asset(&name).ok_or_else(ApiError::not_found)?;
    let accepted: Vec<&str> = req.headers().get_all(ACCEPT_ENCODING).filter_map(|value| value.to_str().ok()).collect();
    let packed = asset.gzipped && rules::takes_gzip(&accepted.join(","));
    // The two forms are two representations: a strong ETag names one of them.
    let etag = format!("\"{}{}\"", asset.name, if packed { "-gzip" } else { "" });
    let fresh = none_match(&req, &etag);
    let mut response = if fresh { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response
        .insert_header(("cache-control", KEEP))
        .insert_header(("vary", "Accept-Encoding"))
        .insert_header(("etag", etag));
    if fresh {
        return Ok(response.finish());
    }
    response.content_type(asset.content_type);
    if packed {
        response.insert_header(("content-encoding", "gzip"));
        return Ok(response.body(asset.bytes));
    }
    Ok(response.body(plain(asset).await?))
}

async fn plain(asset: Asset) -> ApiResult<Vec<u8>> {
    if !asset.gzipped {
        return Ok(asset.bytes.to_vec());
    }
    // Four megabytes: not on the thread that answers everybody else.
    let unpacked = web::block(move || {
        let mut plain = vec![];
        GzDecoder::new(asset.bytes).read_to_end(&mut plain).map(|_| plain)
    });
    unpacked.await.map_err(ApiError::internal)?.map_err(ApiError::internal)
}

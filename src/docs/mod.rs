//! What people read: the reference of this API at `/docs` and the page of error codes that every problem points at.
//!
//! Everything comes out of the binary and nothing from elsewhere, so that it works in a data centre without the internet and
//! tells no third party who reads it. The pages are operations of the document like all others: a path that the document
//! does not name is not served (`docs/decisions/0010-docs-page.md`).
mod api;
pub mod rules;

use utoipa_actix_web::service_config::ServiceConfig;

/// Routes of this module.
pub fn routes(cfg: &mut ServiceConfig) {
    cfg.service(api::read_docs).service(api::read_error_codes).service(api::read_docs_asset);
}

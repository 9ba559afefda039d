//! Simpul links volunteers in the villages (*Pekerja Sosial Masyarakat*) and the people they help with the bodies that
//! can help. This is its table of contents; modules stand from the highest to the lowest, and each may call only those
//! below it (`docs/ARCHITECTURE.md`).

pub mod demo;
pub mod operator;
pub mod reencrypt;
pub mod server;
pub mod worker;

pub mod docs;

pub mod partners;

pub mod statistics;

pub mod training;

pub mod referrals;

pub mod cases;

pub mod volunteers;

pub mod agencies;
pub mod regions;

pub mod codes;

pub mod changes;

pub mod audit;
pub mod documents;

pub mod access;

pub mod platform;

#[expect(missing_docs, reason = "printed by diesel")]
pub mod schema;

use platform::error::Code;
use utoipa_actix_web::service_config::ServiceConfig;

/// Every route of the service, in the order a newcomer should read them.
pub fn routes(cfg: &mut ServiceConfig) {
    cfg.configure(partners::routes)
        .configure(statistics::routes)
        .configure(training::routes)
        .configure(referrals::routes)
        .configure(cases::routes)
        .configure(volunteers::routes)
        .configure(agencies::routes)
        .configure(regions::routes)
        .configure(codes::routes)
        .configure(changes::routes)
        .configure(audit::routes);
    cfg.service(platform::app::live).service(platform::app::read_document);
    cfg.configure(docs::routes);
}

/// The OpenAPI document, built from the same `routes` that the server runs.
pub fn document(public_url: &str) -> anyhow::Result<serde_json::Value> {
    use utoipa_actix_web::AppExt;
    let app = actix_web::App::new().into_utoipa_app().openapi(platform::openapi::base()).configure(routes);
    let (_, document) = app.split_for_parts();
    let scopes = access::rules::Scope::ALL.iter().map(|s| (s.as_str().to_owned(), s.describe().into())).collect();
    let codes = error_codes();
    let parts = platform::openapi::Parts {
        public_url,
        introduction: docs::rules::INTRODUCTION,
        tags: docs::rules::TAGS,
        scopes: &scopes,
        codes: &codes,
        lists: codes::rules::EXAMPLES,
    };
    platform::openapi::finish(&document, &parts)
}

/// The document as it is committed in `openapi/openapi.json`.
pub fn document_text(public_url: &str) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(&document(public_url)?)?)
}

/// Every error code that an answer may carry, by module.
pub fn error_codes() -> Vec<&'static Code> {
    [
        platform::error::CODES,
        access::rules::CODES,
        changes::rules::CODES,
        agencies::rules::CODES,
        agencies::clients::rules::CODES,
        partners::imports::rules::CODES,
        volunteers::rules::CODES,
        documents::rules::CODES,
        training::rules::CODES,
        cases::rules::CODES,
        cases::rules::documents::CODES,
        referrals::rules::CODES,
        referrals::rules::talk::CODES,
        partners::merges::rules::CODES,
        partners::exports::rules::CODES,
    ]
    .concat()
}

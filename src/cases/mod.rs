//! Cases: what a person in a village needs, reported by a volunteer or an office.
//!
//! A case has a number, a place, categories of need and one person ([`person`]), who is shown to those who know the
//! person and to nobody else. What asks others for help is a referral; so creating a case with its first referral,
//! changing one and closing one live in `referrals`, which stands above.
pub mod alike;
pub mod api;
pub mod consent;
pub mod documents;
pub mod duplicates;
pub mod history;
pub mod likeness;
pub mod person;
pub mod reassign;
pub mod rules;
pub mod store;

/// Routes of this module.
pub fn routes(cfg: &mut utoipa_actix_web::service_config::ServiceConfig) {
    // Before what takes any word for an id.
    cfg.service(duplicates::list_duplicate_cases).service(duplicates::distinguish_case);
    cfg.service(api::list_cases).service(api::read_case).service(history::read_case_history);
    cfg.service(api::reveal_case);
    cfg.service(documents::create_case_document).service(documents::list_case_documents);
    cfg.service(documents::read_case_document).service(documents::delete_case_document);
    cfg.service(documents::link_case_document).service(documents::download_case_document);
}

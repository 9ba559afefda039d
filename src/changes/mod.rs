//! What changed and for whom: written in the transaction of the change, and read as the feed (`GET /v1/changes`).
//!
//! A row is served once every older transaction has ended ([`store::after`]), so that a late commit is never missed;
//! who is told of it follows from the audience that was stored with it ([`rules::Found::told`]).
pub mod api;
pub mod rules;
pub mod store;

/// Routes of this module.
pub fn routes(cfg: &mut utoipa_actix_web::service_config::ServiceConfig) {
    cfg.service(api::list_changes).service(api::ready);
}

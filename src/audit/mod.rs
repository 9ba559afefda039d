//! Who did what, and who saw whose data: append-only (UU 27/2022, art. 31).
//!
//! A change is recorded in its own transaction by [`store::record`]; a read that shows a person, by the
//! [`store::Recorder`], before the answer is sent.
pub mod api;
pub mod rules;
pub mod store;

/// Routes of this module.
pub fn routes(cfg: &mut utoipa_actix_web::service_config::ServiceConfig) {
    cfg.service(api::list_audit_events);
}

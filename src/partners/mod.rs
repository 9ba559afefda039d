//! Whole registers in and out: what offices and partners exchange as files.
//!
//! A file of volunteers has the same columns in both directions ([`fields`]): what is exported can be imported.
pub mod fields;
pub mod merges;

/// Routes of this module.
pub fn routes(cfg: &mut utoipa_actix_web::service_config::ServiceConfig) {
    cfg.configure(merges::routes);
}

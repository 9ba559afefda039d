//! Code lists: words that regulations and offices change, with Indonesian and English labels and dates of validity.
pub mod api;
pub mod rules;
pub mod store;

/// Routes of this module.
pub fn routes(cfg: &mut utoipa_actix_web::service_config::ServiceConfig) {
    cfg.service(api::list_code_lists).service(api::read_code_list);
}

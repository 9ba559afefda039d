//! The registry of agencies: governments and source systems, their clients and keys, and what source systems offer.
//!
//! [`oauth`] is the token endpoint; everything a token may do hangs on what is written here, and reaches the gate
//! through [`crate::access::store`] in the same transaction.
pub mod api;
pub mod calendar;
pub mod clients;
pub mod entries;
pub mod forms;
pub mod holidays;
pub mod oauth;
pub mod offers;
pub mod register;
pub mod rules;
pub mod source_systems;
pub mod store;

/// Routes of this module.
pub fn routes(cfg: &mut utoipa_actix_web::service_config::ServiceConfig) {
    cfg.configure(oauth::routes);
    cfg.service(api::read_me);
    cfg.service(api::list_agencies).service(api::create_agency).service(api::read_agency).service(api::update_agency);
    cfg.service(api::suspend_agency).service(api::reactivate_agency);
    cfg.configure(clients::routes);
    cfg.service(source_systems::list_source_systems).service(source_systems::read_source_system);
    cfg.service(entries::create_source_system).service(entries::update_source_system);
}

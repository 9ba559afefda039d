//! The clients of an agency, their keys and secrets: an agency manages its own, and nobody else's.
//!
//! Each change reaches the gate ([`crate::access::store`]) in its own transaction, so every node obeys it within a
//! second. A volunteer's phone is a client too; it is changed and disabled here, and registers itself elsewhere.
pub mod api;
pub mod create;
pub mod credentials;
pub mod rules;
pub mod store;

/// Routes of this folder.
pub fn routes(cfg: &mut utoipa_actix_web::service_config::ServiceConfig) {
    cfg.service(api::list_clients).service(create::create_client).service(api::read_client);
    cfg.service(api::update_client).service(create::create_first_client);
    cfg.service(api::disable_client).service(api::enable_client);
    cfg.service(credentials::list_client_keys).service(credentials::create_client_key);
    cfg.service(credentials::read_client_key).service(credentials::delete_client_key);
    cfg.service(credentials::rotate_client_secret).service(credentials::revoke_client_tokens);
}

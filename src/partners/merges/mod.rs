//! Two rows that are one person: merged into one, and parted again within thirty days.
//!
//! It lives up here since a volunteer's cases, referrals and seats go along.
pub mod api;
mod fill;
pub mod rules;
pub mod store;
mod undo;

/// Routes of this module.
pub fn routes(cfg: &mut utoipa_actix_web::service_config::ServiceConfig) {
    cfg.service(api::merge_volunteer).service(undo::undo_volunteer_merge).service(api::read_volunteer_merges);
}

//! Figures that equal the lists behind them: volunteers and the villages that have one, referrals, training and who lacks it.
//!
//! They are read from rows that triggers write in the transaction of each change (`migrations/*_figures`), never counted
//! from the lists themselves. A figure and its list are the same at every moment: both are of committed changes.
pub mod api;
pub mod rules;
pub mod store;

/// Routes of this module.
pub fn routes(cfg: &mut utoipa_actix_web::service_config::ServiceConfig) {
    cfg.service(api::volunteers::read_volunteer_figures);
    cfg.service(api::referrals::read_referral_figures);
    cfg.service(api::training::read_training_figures).service(api::needs::read_training_need_figures);
    cfg.service(api::coverage::read_coverage).service(api::coverage::list_coverage_villages);
}

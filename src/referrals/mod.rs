//! Referrals: a case asked of one source system, with its state machine and its clock.
//!
//! [`rules`] holds the whole table of moves as one function; [`moves`] does any of them in one transaction; [`actions`]
//! gives each its address and its data. [`create`] sends a referral, [`update`] completes
//! what it tells ([`details`]), [`cases`] holds what of a case touches its
//! referrals, [`api`] reads, [`forward`] passes on,
//! [`due`] tells by when, [`clock`] reminds, escalates and expires, [`publish`] tells of changes, [`view`] decides what of the person is shown to whom.
//! [`feedback`] is what came of one, [`talk`] what both sides say to each other beside the moves.
pub mod actions;
pub mod api;
pub mod batch;
pub mod cases;
pub mod clock;
pub mod create;
pub mod details;
pub mod documents;
pub mod due;
pub mod feedback;
pub mod forward;
pub mod moves;
pub mod publish;
pub mod reassign;
pub mod reveal;
pub mod rules;
pub mod search;
pub mod store;
pub mod talk;
pub mod update;
pub mod view;
pub mod worklists;

/// Routes of this module.
pub fn routes(cfg: &mut utoipa_actix_web::service_config::ServiceConfig) {
    cfg.service(cases::upsert::upsert_case).service(cases::create_case).service(cases::update_case);
    cfg.service(cases::close::close_case).service(cases::close::reopen_case);
    cfg.service(cases::assign::assign_case);
    cfg.service(cases::withdraw::withdraw_consent).service(cases::withdraw::restore_consent);
    cfg.service(create::create_referral).service(update::update_referral);
    cfg.service(worklists::read_worklists);
    cfg.service(api::list_referrals).service(api::read_referral).service(api::read_referral_history);
    cfg.service(reveal::reveal_referral).service(reveal::reveal_referrals).service(search::search_referrals);
    cfg.service(documents::create_referral_document).service(documents::list_referral_documents);
    cfg.service(documents::read_referral_document).service(documents::delete_referral_document);
    cfg.service(documents::link_referral_document).service(documents::download_referral_document);
    cfg.service(feedback::read_referral_feedback);
    cfg.service(talk::create_referral_comment).service(talk::list_referral_comments);
    cfg.service(batch::move_referrals);
    cfg.service(actions::acknowledge_referral).service(actions::accept_referral).service(actions::reject_referral);
    cfg.service(actions::forward_referral).service(actions::start_referral).service(actions::hold_referral);
    cfg.service(actions::resume_referral).service(actions::complete_referral).service(actions::fail_referral);
    cfg.service(actions::claim_referral).service(actions::release_referral).service(actions::withdraw_referral);
    cfg.service(actions::cancel_referral).service(actions::correct_referral).service(actions::mark_error_referral);
}

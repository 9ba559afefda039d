//! Training (*bimbingan teknis*): what makes a citizen a volunteer. Events, who has a seat, who came, who passed; the
//! level of a volunteer follows from that and from nothing else.
//!
//! A regency's office organises basic training, a province's advanced training. Whoever changes an event or takes a seat
//! first locks the event's row, and no seat is taken but by the database's own count.
pub mod api;
pub mod certify;
pub mod papers;
pub mod reassign;
pub mod rules;
pub mod store;

/// Routes of this module.
pub fn routes(cfg: &mut utoipa_actix_web::service_config::ServiceConfig) {
    use api::{
        actions, attend, certify, check, create, enrol, invite, needs, read, reissue, results, seats, sheet, update,
    };
    cfg.service(read::list_training_events).service(create::create_training_event);
    cfg.service(read::read_training_event).service(update::update_training_event);
    cfg.service(actions::publish_training_event).service(actions::postpone_training_event);
    cfg.service(actions::republish_training_event).service(actions::start_training_event);
    cfg.service(actions::complete_training_event).service(actions::cancel_training_event);
    cfg.service(read::read_training_event_history);
    cfg.service(invite::list_invitations).service(invite::invite_villages).service(invite::withdraw_invitations);
    cfg.service(enrol::list_enrolments).service(seats::create_enrolment).service(enrol::read_enrolment);
    cfg.service(enrol::read_enrolment_history).service(seats::withdraw_enrolment);
    cfg.service(attend::record_attendance).service(results::record_results).service(results::void_results);
    cfg.service(read::read_volunteer_training);
    cfg.service(certify::list_certificates).service(certify::issue_certificates).service(certify::read_certificate);
    cfg.service(certify::open_certificate).service(reissue::revoke_certificate).service(reissue::reissue_certificate);
    cfg.service(check::check_certificate).service(needs::list_training_needs);
    cfg.service(sheet::download_attendance).service(sheet::download_attendance_list);
}

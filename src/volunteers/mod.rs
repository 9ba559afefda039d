//! Who can help: the volunteers of the villages (*Pekerja Sosial Masyarakat*), from the proposal of a candidate to the end
//! of the service.
//!
//! The social office of the posting's regency decides, the province above it may, a village proposes. Personal data are
//! in a row of their own ([`store::Person`]) and leave only through a view made for the caller, after that was recorded.
pub mod api;
pub mod identity;
pub mod phones;
pub mod register;
pub mod rules;
pub mod store;

/// Routes of this module.
pub fn routes(cfg: &mut utoipa_actix_web::service_config::ServiceConfig) {
    use api::{
        actions, documents, duplicates, identity, links, phones, postings, read, register, renewals, search, update,
    };
    // Before `/{id}`, which would take it for one.
    cfg.service(duplicates::list_duplicate_volunteers);
    cfg.service(renewals::list_retired_villages).service(renewals::follow_village);
    cfg.service(read::list_volunteers).service(register::create_volunteer).service(identity::search_volunteers);
    cfg.service(search::search_volunteer_names);
    cfg.service(read::read_volunteer).service(update::update_volunteer).service(identity::reveal_volunteer);
    cfg.service(actions::verify_volunteer).service(actions::select_volunteer).service(actions::activate_volunteer);
    cfg.service(actions::deactivate_volunteer).service(actions::reactivate_volunteer);
    cfg.service(actions::reject_volunteer).service(actions::resign_volunteer).service(actions::dismiss_volunteer);
    cfg.service(actions::declare_volunteer_deceased).service(actions::reapply_volunteer);
    cfg.service(actions::correct_volunteer).service(read::read_volunteer_history);
    cfg.service(phones::create_phone_code).service(phones::disable_phone).service(phones::register_phone);
    cfg.service(documents::create_volunteer_document).service(documents::list_volunteer_documents);
    cfg.service(documents::read_volunteer_document).service(documents::delete_volunteer_document);
    cfg.service(links::link_volunteer_document).service(links::download_document);
    cfg.service(postings::read_volunteer_postings).service(postings::transfer_volunteer);
}

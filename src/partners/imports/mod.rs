//! A register that an office kept as a file, on its way in: read as a whole ([`intake`]), looked through row by row, and
//! applied on a second call ([`work`]). Nothing of what is in its cells is told by any answer, and nothing of it is stored
//! unsealed.
pub mod api;
pub mod console;
pub mod intake;
pub mod jobs;
pub mod rules;
pub mod store;
pub mod work;

/// Routes of imports.
pub fn routes(cfg: &mut utoipa_actix_web::service_config::ServiceConfig) {
    use api::{act, read, upload};
    cfg.service(read::list_imports).service(upload::create_import).service(read::read_import);
    cfg.service(read::list_import_rows).service(read::download_import_errors);
    cfg.service(act::apply_import).service(act::discard_import);
}

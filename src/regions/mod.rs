//! Provinces, regencies, districts and villages with their official codes, current and retired.
pub mod api;
pub mod rules;
pub mod store;

use crate::platform::db::Target;
use indicatif::{ProgressBar, ProgressStyle};

/// Rows a statement: some tens of milliseconds each.
const CHUNK: usize = 4096;

/// Inserts or updates all `rows` (parents first), with a progress bar if a person is watching. A half-loaded table is
/// finished by the next call.
pub async fn load(target: &Target, rows: &[rules::Listed]) -> anyhow::Result<usize> {
    let (mut conn, _driver) = target.session("simpul-regions", "-c statement_timeout=60s").connect().await?;
    let style = ProgressStyle::with_template("regions {bar:40} {human_pos}/{human_len} {elapsed}")?;
    let bar = ProgressBar::new(u64::try_from(rows.len())?).with_style(style);
    let mut saved = 0;
    for chunk in rows.chunks(CHUNK) {
        saved += store::save(&mut conn, chunk).await?;
        bar.inc(u64::try_from(chunk.len())?);
    }
    bar.finish_and_clear();
    Ok(saved)
}

/// How many regions the database has.
pub async fn loaded(target: &Target) -> anyhow::Result<usize> {
    let (mut conn, _driver) = target.session("simpul-regions", "").connect().await?;
    Ok(usize::try_from(store::count(&mut conn).await?)?)
}

/// Routes of this module.
pub fn routes(cfg: &mut utoipa_actix_web::service_config::ServiceConfig) {
    cfg.service(api::list_regions).service(api::read_region);
}

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

/// Retires current regions that a newer table does not list any more, which asks for the `year` of the last list that had
/// them; returns how many. Nothing is changed without it.
pub async fn retire_missing(target: &Target, rows: &[rules::Listed], year: Option<i16>) -> anyhow::Result<usize> {
    let (mut conn, _driver) = target.session("simpul-regions", "-c statement_timeout=60s").connect().await?;
    let missing = store::missing_from(&mut conn, rows).await?;
    let Some(year) = year else {
        let first = missing.first().map(ToString::to_string).unwrap_or_default();
        anyhow::ensure!(
            missing.is_empty(),
            "{} current regions are not in this table, {first} is the first: say --retire YEAR if they are no longer, with the year of the last list that had them",
            missing.len()
        );
        return Ok(0);
    };
    Ok(store::retire(&mut conn, &missing, year).await?)
}

/// Notes what became of regions that are no longer; returns how many of it was new.
pub async fn load_successors(target: &Target, pairs: &[rules::Succession]) -> anyhow::Result<usize> {
    let (mut conn, _driver) = target.session("simpul-regions", "").connect().await?;
    let saved = store::save_successors(&mut conn, pairs).await;
    saved.map_err(|error| anyhow::anyhow!("the mapping names a code that no table had: {error}"))
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

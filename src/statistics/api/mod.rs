//! Endpoints under `/v1/statistics`.
pub mod coverage;
pub mod needs;
pub mod referrals;
pub mod training;
pub mod volunteers;

use super::rules::{DEFINITION_VERSION, labels};
use crate::codes::rules::Labels;
use crate::platform::answer::Answer;
use crate::platform::app::App;
use crate::platform::db::Db;
use crate::platform::error::{ApiError, ApiResult};
use crate::platform::region_code::RegionCode;
use crate::regions::rules::TimeZone;
use crate::regions::store::{self as regions, Region};
use chrono::{DateTime, Utc};
use serde::Serialize;
use url::form_urlencoded::Serializer;
use utoipa::ToSchema;

/// Clients may keep figures, but ask whether they still hold (`If-None-Match`).
const CACHE: &str = "private, no-cache";

/// A part of the total.
#[derive(Debug, Serialize, ToSchema)]
pub struct Bucket {
    /// A value of what is grouped by.
    #[schema(example = "active")]
    key: String,
    labels: Labels,
    count: i64,
    /// The list that has exactly `count` rows; absent for callers with no right to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    list_url: Option<String>,
}

/// Figures at one moment.
#[derive(Debug, Serialize, ToSchema)]
pub struct Figures {
    /// When they were counted. It is no part of what the `ETag` compares.
    as_of: DateTime<Utc>,
    /// Days and months are of this zone.
    #[schema(example = "Asia/Jakarta")]
    timezone: TimeZone,
    /// Raised when what is counted changes its meaning.
    definition_version: i32,
    /// Null: the whole country.
    #[schema(required)]
    region: Option<RegionCode>,
    #[schema(example = "status")]
    group_by: &'static str,
    /// Sum of the buckets.
    total: i64,
    /// All that there are, those with 0 too.
    buckets: Vec<Bucket>,
}

/// Figures as an answer; the clock alone does not make them new.
fn answer(app: &App, region: Option<RegionCode>, group_by: &'static str, buckets: Vec<Bucket>) -> ApiResult<Answer> {
    let figures = Figures {
        as_of: app.clock.now(),
        timezone: region.as_ref().map_or(TimeZone::Wib, TimeZone::of),
        definition_version: DEFINITION_VERSION,
        region,
        group_by,
        total: buckets.iter().map(|bucket| bucket.count).sum(),
        buckets,
    };
    let counted = (&figures.region, figures.group_by, figures.definition_version, &figures.buckets);
    Ok(Answer::figures(&figures, &counted)?.header("cache-control", CACHE))
}

/// Address of a list with these filters.
fn list_url(app: &App, path: &str, filters: &[(&str, &str)]) -> String {
    let query = Serializer::new(String::new()).extend_pairs(filters).finish();
    let mark = if query.is_empty() { "" } else { "?" };
    format!("{}{path}{mark}{query}", app.settings.public_url)
}

/// Refuses a region that is in no list, current or old.
async fn check_region(db: &Db, region: Option<&RegionCode>) -> ApiResult<()> {
    let Some(code) = region else { return Ok(()) };
    let found = db.read(async |c| regions::find_with_parents(c, code).await).await?;
    if found.iter().any(|row| row.code == *code) { Ok(()) } else { Err(ApiError::not_found()) }
}

/// The regions directly in one, with what they are called: current ones, and old ones that `counted` names.
async fn parts(db: &Db, region: Option<&RegionCode>, counted: &[RegionCode]) -> ApiResult<Vec<(RegionCode, Labels)>> {
    let rows: Vec<Region> = db.read(async |c| regions::children(c, region).await).await?;
    let shown = rows.into_iter().filter(|row| row.last_listed.is_none() || counted.contains(&row.code));
    Ok(shown.map(|row| (row.code, labels(&row.name, &row.name))).collect())
}

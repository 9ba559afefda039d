//! How many villages have a volunteer, and which.
use super::{Bucket, Figures, answer, check_region, list_url, parts};
use crate::access::api::Permit;
use crate::access::rules::ReadStatistics;
use crate::codes::rules::Labels;
use crate::platform::answer::Answer;
use crate::platform::app::Shared;
use crate::platform::db::Db;
use crate::platform::error::{ApiResult, Problem};
use crate::platform::input::{Query, set, several};
use crate::platform::openapi::PreferHeader;
use crate::platform::page::{Page, PageParams, Paged};
use crate::platform::region_code::RegionCode;
use crate::statistics::rules::{CoverageGroup, CoverageState, level_below, scope, state_labels, target};
use crate::statistics::store;
use actix_web::get;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Which villages, and by what.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CoverageFilter {
    /// Within this region; the caller's own if absent.
    region: Option<RegionCode>,
    /// By what; `state` if absent.
    #[param(inline)]
    group_by: Option<CoverageGroup>,
    /// Only those in one of these states.
    #[serde(default, deserialize_with = "several")]
    #[param(max_items = 100)]
    state: Vec<CoverageState>,
    /// Active volunteers that a village should have; 1 if absent.
    #[serde(default, deserialize_with = "set")] // else an empty value would be none
    #[param(minimum = 1, maximum = 100)]
    target: Option<i64>,
}

/// Count villages by their volunteers
///
/// The target is at least one active volunteer in each village, or `target`: reported, never enforced. `total` is all villages that
/// the filter admits; grouped by region with `state=met` it is those that have reached the target.
///
/// Villages are those of today's table of regions. Who is still posted in one that is no longer counts in none: such villages
/// and how many are posted there are at `/v1/volunteers/retired-villages`.
#[utoipa::path(tag = "statistics", security(("oauth2" = ["statistics:read"])), params(CoverageFilter),
    responses((status = 200, body = Figures, description = "The figures."),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such region, or not in yours."),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "`group_by=region` of a village, which has no parts.")))]
#[get("/v1/statistics/coverage")]
pub async fn read_coverage(
    caller: Permit<ReadStatistics>,
    query: Query<CoverageFilter>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let filter = query.0;
    let target = target(filter.target)?;
    let region = scope(&caller, filter.region.clone())?;
    check_region(&db, region.as_ref()).await?;
    let group = filter.group_by.unwrap_or(CoverageGroup::State);
    let admits = |state: CoverageState| filter.state.is_empty() || filter.state.contains(&state);
    let counted: Vec<(String, Labels, i64)> = if group == CoverageGroup::Region {
        level_below(region.as_ref())?;
        let rows = db.read(async |c| store::coverage_below(c, region.as_ref()).await).await?;
        let parts = parts(&db, region.as_ref(), &[]).await?;
        let count = |code: &RegionCode| {
            let own = rows.iter().filter(|(own, active, _)| own == code && admits(CoverageState::of(*active, target)));
            own.map(|(_, _, villages)| villages).sum()
        };
        parts.into_iter().map(|(code, labels)| (code.to_string(), labels, count(&code))).collect()
    } else {
        let rows = db.read(async |c| store::coverage(c, region.as_ref()).await).await?;
        let count = |state| {
            rows.iter()
                .filter(|(active, _)| CoverageState::of(*active, target) == state)
                .map(|(_, villages)| villages)
                .sum()
        };
        let states = CoverageState::ALL.iter().copied().filter(|state| admits(*state));
        states.map(|state| (state.as_str().to_owned(), state_labels(state), count(state))).collect()
    };
    let bucket = |(key, labels, count): (String, Labels, i64)| {
        let mut filters: Vec<(&str, &str)> = vec![];
        if group == CoverageGroup::Region {
            filters.push(("region", &key));
            filters.extend(filter.state.iter().map(|state| ("state", state.as_str())));
        } else {
            filters.extend(region.as_ref().map(|region| ("region", region.as_str())));
            filters.push(("state", &key));
        }
        let asked = target.to_string();
        if filter.target.is_some() {
            filters.push(("target", &asked));
        }
        let list_url = Some(list_url(&app, "/v1/statistics/coverage/villages", &filters));
        Bucket { key, labels, count, list_url }
    };
    let buckets = counted.into_iter().map(bucket).collect();
    answer(&app, region, group.as_str(), buckets)
}

/// Which villages.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CoverageVillageFilter {
    /// Within this region; the caller's own if absent.
    region: Option<RegionCode>,
    /// Only those in one of these states.
    #[serde(default, deserialize_with = "several")]
    #[param(max_items = 100)]
    state: Vec<CoverageState>,
    /// Active volunteers that a village should have; 1 if absent.
    #[serde(default, deserialize_with = "set")] // else an empty value would be none
    #[param(minimum = 1, maximum = 100)]
    target: Option<i64>,
}

/// A village and its active volunteers.
#[derive(Debug, Serialize, ToSchema)]
pub struct CoverageVillage {
    village_code: RegionCode,
    #[schema(example = "Koto Jaya")]
    name: String,
    /// Active volunteers posted there.
    active: i64,
    state: CoverageState,
}

/// List villages by their volunteers
///
/// What the buckets of the coverage count, in the order of codes.
#[utoipa::path(tag = "statistics", security(("oauth2" = ["statistics:read"])), params(CoverageVillageFilter, PageParams, PreferHeader),
    responses((status = 200, body = Page<CoverageVillage>, description = "A page of villages."),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such region, or not in yours.")))]
#[get("/v1/statistics/coverage/villages")]
pub async fn list_coverage_villages(
    caller: Permit<ReadStatistics>,
    paged: Paged<CoverageVillageFilter>,
    db: Db,
) -> ApiResult<Answer> {
    let target = target(paged.filter.target)?;
    let region = scope(&caller, paged.filter.region.clone())?;
    check_region(&db, region.as_ref()).await?;
    let (states, after): (_, Option<RegionCode>) = ((paged.filter.state.as_slice(), target), paged.after()?);
    let rows =
        db.read(async |c| store::villages(c, region.as_ref(), states, after.clone(), paged.limit + 1).await).await?;
    let total = if paged.count {
        Some(db.read(async |c| store::count_villages(c, region.as_ref(), states).await).await?)
    } else {
        None
    };
    let (rows, after) = paged.cut(rows, |village| village.village_code.clone());
    let view = |village: store::Village| CoverageVillage {
        state: CoverageState::of(village.active, target),
        village_code: village.village_code,
        name: village.name,
        active: village.active,
    };
    paged.answer(rows.into_iter().map(view).collect(), after, total)
}

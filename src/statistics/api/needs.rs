//! How many lack training.
use super::{Bucket, Figures, answer, check_region, list_url, parts};
use crate::access::api::Permit;
use crate::access::rules::{ReadStatistics, Scope};
use crate::codes::rules::Labels;
use crate::platform::answer::Answer;
use crate::platform::app::Shared;
use crate::platform::db::Db;
use crate::platform::error::{ApiResult, Problem};
use crate::platform::input::{Query, set};
use crate::platform::region_code::RegionCode;
use crate::statistics::rules::{NeedGroup, level_below, need_labels, scope};
use crate::statistics::store::{self, Cell};
use crate::training::rules::{TrainingNeed, trainable};
use actix_web::get;
use serde::Deserialize;
use utoipa::IntoParams;

/// Whose need of what, and by what.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct NeedFiguresFilter {
    /// Within this region; the caller's own if absent.
    region: Option<RegionCode>,
    /// By what; `need` if absent.
    #[param(inline)]
    group_by: Option<NeedGroup>,
    /// Which training they lack; either if absent.
    #[serde(default, deserialize_with = "set")] // else an empty value would be none
    need: Option<TrainingNeed>,
}

/// Count who lacks training
///
/// Volunteers and candidates who have neither left nor been rejected. Each bucket counts what its list at `/v1/training-needs` has.
#[utoipa::path(tag = "statistics", security(("oauth2" = ["statistics:read"])), params(NeedFiguresFilter),
    responses((status = 200, body = Figures, description = "The figures."),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such region, or not in yours."),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "`group_by=region` of a village, which has no parts.")))]
#[get("/v1/statistics/training-needs")]
pub async fn read_training_need_figures(
    caller: Permit<ReadStatistics>,
    query: Query<NeedFiguresFilter>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let filter = query.0;
    let region = scope(&caller, filter.region.clone())?;
    check_region(&db, region.as_ref()).await?;
    let group = filter.group_by.unwrap_or(NeedGroup::Need);
    let able = trainable();
    let all = TrainingNeed::ALL.iter().copied();
    let asked: Vec<TrainingNeed> = all.filter(|need| filter.need.is_none_or(|only| only == *need)).collect();
    let lacks = |need: TrainingNeed, (status, level, _, _): &Cell| able.contains(status) && *level == need.lacking();
    let counted: Vec<(String, Option<TrainingNeed>, Labels, i64)> = if group == NeedGroup::Region {
        level_below(region.as_ref())?;
        let cells = db.read(async |c| store::volunteers_below(c, region.as_ref()).await).await?;
        let cells: Vec<&(RegionCode, Cell)> =
            cells.iter().filter(|(_, cell)| asked.iter().any(|need| lacks(*need, cell)) && cell.3 != 0).collect();
        let named: Vec<RegionCode> = cells.iter().map(|(code, _)| code.clone()).collect();
        let parts = parts(&db, region.as_ref(), &named).await?;
        let count = |code: &RegionCode| cells.iter().filter(|(own, _)| own == code).map(|(_, cell)| cell.3).sum();
        parts.into_iter().map(|(code, labels)| (code.to_string(), filter.need, labels, count(&code))).collect()
    } else {
        let cells = db.read(async |c| store::volunteers(c, region.as_ref()).await).await?;
        let count = |need| cells.iter().filter(|cell| lacks(need, cell)).map(|cell| cell.3).sum();
        asked.iter().map(|need| (need.as_str().to_owned(), Some(*need), need_labels(*need), count(*need))).collect()
    };
    let may_list = caller.scopes.has(Scope::TrainingRead) && caller.scopes.has(Scope::VolunteersRead);
    let bucket = |(key, need, labels, count): (String, Option<TrainingNeed>, Labels, i64)| {
        let mut filters: Vec<(&str, &str)> = need.iter().map(|need| ("need", need.as_str())).collect();
        match (group, region.as_ref()) {
            (NeedGroup::Region, _) => filters.push(("region", &key)),
            (NeedGroup::Need, Some(region)) => filters.push(("region", region.as_str())),
            (NeedGroup::Need, None) => {}
        }
        let list_url = may_list.then(|| list_url(&app, "/v1/training-needs", &filters));
        Bucket { key, labels, count, list_url }
    };
    let buckets = counted.into_iter().map(bucket).collect();
    answer(&app, region, group.as_str(), buckets)
}

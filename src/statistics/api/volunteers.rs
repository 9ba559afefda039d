//! How many volunteers.
use super::{Bucket, Figures, answer, check_region, list_url, parts};
use crate::access::api::Permit;
use crate::access::rules::{ReadStatistics, Scope};
use crate::codes::rules::Labels;
use crate::platform::answer::Answer;
use crate::platform::app::{App, Shared};
use crate::platform::db::Db;
use crate::platform::error::{ApiResult, Problem};
use crate::platform::input::{Query, several};
use crate::platform::region_code::RegionCode;
use crate::statistics::rules::{SexGroup, VolunteerGroup, level_below, level_labels, scope, sex_labels, status_labels};
use crate::statistics::store::{self, Cell};
use crate::volunteers::rules::{TrainingLevel, VolunteerStatus};
use actix_web::get;
use serde::Deserialize;
use utoipa::IntoParams;

/// Which volunteers, and by what. A repeated parameter is or, different ones are and.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct VolunteerFiguresFilter {
    /// Within this region; the caller's own if absent.
    region: Option<RegionCode>,
    /// By what; `status` if absent.
    #[param(inline)]
    group_by: Option<VolunteerGroup>,
    /// Only those in one of these statuses.
    #[serde(default, deserialize_with = "several")]
    #[param(max_items = 100)]
    status: Vec<VolunteerStatus>,
    /// Only those of one of these levels.
    #[serde(default, deserialize_with = "several")]
    #[param(max_items = 100)]
    level: Vec<TrainingLevel>,
    /// Only those of one of these.
    #[serde(default, deserialize_with = "several")]
    #[param(inline, max_items = 100)]
    sex: Vec<SexGroup>,
}

impl VolunteerFiguresFilter {
    fn takes(&self, (status, level, sex, _): &Cell) -> bool {
        fn one_of<T: PartialEq>(list: &[T], value: &T) -> bool {
            list.is_empty() || list.contains(value)
        }
        one_of(&self.status, status) && one_of(&self.level, level) && one_of(&self.sex, sex)
    }

    /// The list of a bucket: its own value in place of the filter of the same name.
    fn list(&self, app: &App, region: Option<&RegionCode>, group: VolunteerGroup, key: &str) -> String {
        let mut filters: Vec<(&str, &str)> = vec![];
        match (group, region) {
            (VolunteerGroup::Region, _) => filters.push(("region", key)),
            (_, Some(region)) => filters.push(("region", region.as_str())),
            (_, None) => {}
        }
        let mut add = |own, name, values: Vec<&'static str>| {
            if group != own {
                filters.extend(values.into_iter().map(|value| (name, value)));
            }
        };
        add(VolunteerGroup::Status, "status", self.status.iter().map(|value| value.as_str()).collect());
        add(VolunteerGroup::Level, "level", self.level.iter().map(|value| value.as_str()).collect());
        add(VolunteerGroup::Sex, "sex", self.sex.iter().map(|value| value.as_str()).collect());
        if group != VolunteerGroup::Region {
            filters.push((group.as_str(), key));
        }
        list_url(app, "/v1/volunteers", &filters)
    }
}

/// Count volunteers
///
/// Each bucket counts what its list has. Exact for everyone who may read figures; a bucket of a value that a filter
/// excludes is left out.
#[utoipa::path(tag = "statistics", security(("oauth2" = ["statistics:read"])), params(VolunteerFiguresFilter),
    responses((status = 200, body = Figures, description = "The figures."),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such region, or not in yours."),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "`group_by=region` of a village, which has no parts.")))]
#[get("/v1/statistics/volunteers")]
pub async fn read_volunteer_figures(
    caller: Permit<ReadStatistics>,
    query: Query<VolunteerFiguresFilter>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let filter = query.0;
    let region = scope(&caller, filter.region.clone())?;
    check_region(&db, region.as_ref()).await?;
    let group = filter.group_by.unwrap_or(VolunteerGroup::Status);
    let counted = if group == VolunteerGroup::Region {
        level_below(region.as_ref())?;
        by_region(&db, &filter, region.as_ref()).await?
    } else {
        let cells = db.read(async |c| store::volunteers(c, region.as_ref()).await).await?;
        by_value(&filter, group, &cells)
    };
    let may_list = caller.scopes.has(Scope::VolunteersRead);
    let bucket = |(key, labels, count): (String, Labels, i64)| {
        let list_url = may_list.then(|| filter.list(&app, region.as_ref(), group, &key));
        Bucket { key, labels, count, list_url }
    };
    let buckets = counted.into_iter().map(bucket).collect();
    answer(&app, region, group.as_str(), buckets)
}

/// A bucket for each value that the filter admits.
fn by_value(filter: &VolunteerFiguresFilter, group: VolunteerGroup, cells: &[Cell]) -> Vec<(String, Labels, i64)> {
    let values: Vec<(&str, Labels)> = match group {
        VolunteerGroup::Status => {
            admitted(&filter.status, VolunteerStatus::ALL, VolunteerStatus::as_str, status_labels)
        }
        VolunteerGroup::Level => admitted(&filter.level, TrainingLevel::ALL, TrainingLevel::as_str, level_labels),
        VolunteerGroup::Sex => admitted(&filter.sex, SexGroup::ALL, SexGroup::as_str, sex_labels),
        VolunteerGroup::Region => vec![],
    };
    let key = |(status, level, sex, _): &Cell| match group {
        VolunteerGroup::Level => level.as_str(),
        VolunteerGroup::Sex => sex.as_str(),
        _ => status.as_str(),
    };
    let count = |value: &str| {
        cells.iter().filter(|cell| filter.takes(cell) && key(cell) == value).map(|(_, _, _, count)| count).sum()
    };
    values.into_iter().map(|(value, labels)| (value.to_owned(), labels, count(value))).collect()
}

fn admitted<T: Copy + PartialEq>(
    wanted: &[T],
    all: &[T],
    word: impl Fn(T) -> &'static str,
    labels: impl Fn(T) -> Labels,
) -> Vec<(&'static str, Labels)> {
    let shown = all.iter().copied().filter(|value| wanted.is_empty() || wanted.contains(value));
    shown.map(|value| (word(value), labels(value))).collect()
}

/// A bucket for each region directly below.
async fn by_region(
    db: &Db,
    filter: &VolunteerFiguresFilter,
    region: Option<&RegionCode>,
) -> ApiResult<Vec<(String, Labels, i64)>> {
    let cells = db.read(async |c| store::volunteers_below(c, region).await).await?;
    let taken: Vec<&(RegionCode, Cell)> = cells.iter().filter(|(_, cell)| filter.takes(cell) && cell.3 != 0).collect();
    let counted: Vec<RegionCode> = taken.iter().map(|(code, _)| code.clone()).collect();
    let parts = parts(db, region, &counted).await?;
    let count = |code: &RegionCode| taken.iter().filter(|(own, _)| own == code).map(|(_, cell)| cell.3).sum();
    Ok(parts.into_iter().map(|(code, labels)| (code.to_string(), labels, count(&code))).collect())
}

//! How many took part in training that is over, and how many of its sessions they came to.
use super::{CACHE, check_region, list_url, parts};
use crate::access::api::Permit;
use crate::access::rules::{Caller, ReadStatistics, Scope};
use crate::codes::rules::Labels;
use crate::platform::answer::Answer;
use crate::platform::app::{App, Shared};
use crate::platform::db::Db;
use crate::platform::error::{ApiError, ApiResult, Fault, Place, Problem, RULE_BROKEN};
use crate::platform::input::{Query, set, several};
use crate::platform::region_code::RegionCode;
use crate::regions::rules::TimeZone;
use crate::statistics::rules::{
    DEFINITION_VERSION, SexGroup, TrainingGroup, event_level_labels, labels, level_below, scope, sex_labels,
};
use crate::statistics::store::training::{Took, WantedSeats, took_part};
use crate::training::rules::{EventLevel, TrainingEventId, check_year};
use crate::training::store as training;
use actix_web::get;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Most buckets of an answer.
const MOST: usize = 1000;

/// Whose part in what, and by what. A repeated parameter is or, different ones are and.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TrainingFiguresFilter {
    /// Of volunteers posted in this region today; the caller's own if absent.
    region: Option<RegionCode>,
    /// By what; `level` if absent.
    #[param(inline)]
    group_by: Option<TrainingGroup>,
    /// Only in events of one of these levels.
    #[serde(default, deserialize_with = "several")]
    #[param(max_items = 100)]
    level: Vec<EventLevel>,
    /// Only of one of these.
    #[serde(default, deserialize_with = "several")]
    #[param(inline, max_items = 100)]
    sex: Vec<SexGroup>,
    /// Only in events held in this year.
    #[serde(default, deserialize_with = "set")] // else an empty value would be none
    #[param(minimum = 1945, maximum = 9999)]
    year: Option<i16>,
}

/// What came of training.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TrainingCounts {
    /// Who had a seat.
    count: i64,
    /// Events that they had it in.
    events: i64,
    /// Of them, who passed.
    passed: i64,
    failed: i64,
    absent: i64,
    /// Sessions that there were for them.
    expected: i64,
    /// Of these, how many they came to.
    attended: i64,
    /// `attended` of `expected`, from 0 to 1, to four places; null: there were none.
    #[schema(required, minimum = 0, maximum = 1)]
    attendance_rate: Option<f64>,
}

/// A part of the total.
#[derive(Debug, Serialize, ToSchema)]
pub struct TrainingBucket {
    /// A value of what is grouped by.
    #[schema(example = "basic")]
    key: String,
    labels: Labels,
    #[serde(flatten)]
    counts: TrainingCounts,
    /// Of an event: the list that has exactly `count` rows; absent for callers with no right to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    list_url: Option<String>,
}

/// Figures of training at one moment.
#[derive(Debug, Serialize, ToSchema)]
pub struct TrainingFigures {
    /// When they were counted. It is no part of what the `ETag` compares.
    as_of: DateTime<Utc>,
    /// Of the region; years are of each event's own.
    #[schema(example = "Asia/Jakarta")]
    timezone: TimeZone,
    /// Raised when what is counted changes its meaning.
    definition_version: i32,
    /// Null: the whole country.
    #[schema(required)]
    region: Option<RegionCode>,
    #[schema(example = "level")]
    group_by: &'static str,
    /// Null: of all years.
    #[schema(required)]
    year: Option<i16>,
    /// Of everyone counted; of `speaker_agency` less than the sum of the buckets, for one may hear several.
    total: TrainingCounts,
    /// By what is grouped: of `level`, `sex` and `region` those with 0 too.
    buckets: Vec<TrainingBucket>,
}

impl From<&Took> for TrainingCounts {
    fn from(took: &Took) -> Self {
        Self {
            count: took.seats,
            events: took.events,
            passed: took.passed,
            failed: took.failed,
            absent: took.absent,
            expected: took.expected,
            attended: took.attended,
            attendance_rate: rate(took.attended, took.expected),
        }
    }
}

/// A share to four places.
fn rate(attended: i64, expected: i64) -> Option<f64> {
    let parts = attended.checked_mul(10_000)?.checked_add(expected / 2)?.checked_div(expected)?;
    Some(f64::from(i32::try_from(parts).ok()?) / 10_000.0)
}

/// Count who took part in training
///
/// Whoever had a seat in an event that is over, by where the volunteer is posted today; with results and attendance.
/// Exact for everyone who may read figures.
#[utoipa::path(tag = "statistics", security(("oauth2" = ["statistics:read"])), params(TrainingFiguresFilter),
    responses((status = 200, body = TrainingFigures, description = "The figures."),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such region, or not in yours."),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "`group_by=region` of a village, which has no parts, or more than 1000 buckets.")))]
#[get("/v1/statistics/training")]
pub async fn read_training_figures(
    caller: Permit<ReadStatistics>,
    query: Query<TrainingFiguresFilter>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let filter = query.0;
    let year = filter.year.map(check_year).transpose()?;
    let region = scope(&caller, filter.region.clone())?;
    check_region(&db, region.as_ref()).await?;
    let group = filter.group_by.unwrap_or(TrainingGroup::Level);
    let by = match group {
        TrainingGroup::Region => level_below(region.as_ref())?.as_str(),
        other => other.as_str(),
    };
    let wanted = WantedSeats { region: region.clone(), level: filter.level.clone(), sex: filter.sex.clone(), year };
    let most = i64::try_from(MOST).unwrap_or(i64::MAX);
    let (total, rows) = db.report(async |c| took_part(c, &wanted, by, most + 1).await).await?;
    if rows.len() > MOST {
        let fault = Fault::new("too_many_buckets", "lebih dari 1000; persempit", "more than 1000; narrow it down");
        return Err(ApiError::from(&RULE_BROKEN).fault(Place::Parameter("group_by".to_owned()), fault));
    }
    let buckets = buckets(&caller, &app, &db, &filter, region.as_ref(), (group, rows)).await?;
    let figures = TrainingFigures {
        as_of: app.clock.now(),
        timezone: region.as_ref().map_or(TimeZone::Wib, TimeZone::of),
        definition_version: DEFINITION_VERSION,
        region,
        group_by: group.as_str(),
        year,
        total: TrainingCounts::from(&total),
        buckets,
    };
    let counted = (&figures.region, figures.group_by, figures.year, &figures.total, &figures.buckets);
    Ok(Answer::figures(&figures, &(counted, DEFINITION_VERSION))?.header("cache-control", CACHE))
}

async fn buckets(
    caller: &Caller,
    app: &App,
    db: &Db,
    filter: &TrainingFiguresFilter,
    region: Option<&RegionCode>,
    (group, rows): (TrainingGroup, Vec<Took>),
) -> ApiResult<Vec<TrainingBucket>> {
    let keys: Vec<(String, Labels)> = match group {
        TrainingGroup::Level => {
            let shown = |level: &&EventLevel| filter.level.is_empty() || filter.level.contains(level);
            let all = EventLevel::ALL.iter().filter(shown);
            all.map(|level| (level.as_str().to_owned(), event_level_labels(*level))).collect()
        }
        TrainingGroup::Sex => {
            let shown = |sex: &&SexGroup| filter.sex.is_empty() || filter.sex.contains(sex);
            let all = SexGroup::ALL.iter().filter(shown);
            all.map(|sex| (sex.as_str().to_owned(), sex_labels(*sex))).collect()
        }
        TrainingGroup::Region => {
            let counted: Vec<RegionCode> = rows.iter().filter_map(|row| RegionCode::parse(&row.key).ok()).collect();
            let parts = parts(db, region, &counted).await?;
            parts.into_iter().map(|(code, labels)| (code.to_string(), labels)).collect()
        }
        TrainingGroup::Event | TrainingGroup::Year | TrainingGroup::SpeakerAgency => {
            rows.iter().map(|row| (row.key.clone(), labels(&row.label, &row.label))).collect()
        }
    };
    let seen = if group == TrainingGroup::Event && caller.scopes.has(Scope::TrainingRead) && filter.sex.is_empty() {
        let ids: Vec<TrainingEventId> =
            rows.iter().filter_map(|row| Uuid::parse_str(&row.key).ok()).map(TrainingEventId).collect();
        db.read(async |c| training::seen(c, caller, &ids).await).await?
    } else {
        vec![]
    };
    let none = Took::default();
    let bucket = |(key, labels): (String, Labels)| {
        let counts = TrainingCounts::from(rows.iter().find(|row| row.key == key).unwrap_or(&none));
        let mut filters = vec![("state", "enrolled")];
        filters.extend(region.map(|region| ("region", region.as_str())));
        let listed = seen.iter().find(|id| id.to_string() == key);
        let list_url = listed.map(|id| list_url(app, &format!("/v1/training-events/{id}/enrolments"), &filters));
        TrainingBucket { key, labels, counts, list_url }
    };
    Ok(keys.into_iter().map(bucket).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_of_nothing_is_none_and_not_zero() {
        assert_eq!((rate(0, 0), rate(0, 3), rate(3, 3)), (None, Some(0.0), Some(1.0)));
        assert_eq!((rate(2, 3), rate(1, 3)), (Some(0.6667), Some(0.3333)));
    }
}

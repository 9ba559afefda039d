//! How many referrals.
use super::{CACHE, check_region, list_url, parts};
use crate::access::api::Permit;
use crate::access::rules::{AgencyId, Caller, ReadStatistics, Scope};
use crate::agencies::store as agencies;
use crate::codes::rules::{Code, Labels};
use crate::codes::store as codes;
use crate::platform::answer::Answer;
use crate::platform::app::{App, Shared};
use crate::platform::db::Db;
use crate::platform::error::{ApiResult, Problem};
use crate::platform::input::{Query, several};
use crate::platform::region_code::{RegionCode, RegionLevel};
use crate::referrals::rules::{Period, ReferralStatus};
use crate::regions::rules::TimeZone;
use crate::statistics::rules::referrals::{ReferralGroup, status_labels, suppress};
use crate::statistics::rules::{DEFINITION_VERSION, labels, level_below, scope};
use crate::statistics::store::referrals::{self as store, Counted};
use actix_web::get;
use chrono::{DateTime, Months, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Which referrals, and by what. A repeated parameter is or, different ones are and.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReferralFiguresFilter {
    /// Within this region; the caller's own if absent.
    region: Option<RegionCode>,
    /// By what; `status` if absent.
    group_by: Option<ReferralGroup>,
    /// Sent in this month or year, in the zone of their village. Absent: ever; for who may not list referrals, this year.
    #[param(inline)]
    period: Option<Period>,
    /// Only those in one of these states. Entered in error: only if asked for.
    #[serde(default, deserialize_with = "several")]
    #[param(max_items = 100)]
    status: Vec<ReferralStatus>,
    /// Only those for this service.
    service: Option<Code>,
    /// Only those sent by this agency.
    sender: Option<AgencyId>,
    /// Only those addressed to this agency.
    receiver: Option<AgencyId>,
}

/// A part of the total.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReferralBucket {
    /// A value of what is grouped by.
    #[schema(example = "submitted")]
    key: String,
    labels: Labels,
    /// Null, for who may not list referrals: so few that people could be told apart, or it would tell of such a bucket.
    #[schema(required)]
    count: Option<i64>,
    /// The list that has exactly `count` rows; absent for callers with no right to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    list_url: Option<String>,
}

/// Figures about people in need at one moment.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReferralFigures {
    /// When they were counted. It is no part of what the `ETag` compares.
    as_of: DateTime<Utc>,
    /// Of the region; months are of each village's own.
    #[schema(example = "Asia/Jakarta")]
    timezone: TimeZone,
    /// Raised when what is counted changes its meaning.
    definition_version: i32,
    /// Null: the whole country.
    #[schema(required)]
    region: Option<RegionCode>,
    #[schema(example = "status")]
    group_by: ReferralGroup,
    /// Month or year in which they were sent; null: ever.
    #[schema(required, example = "2026")]
    period: Option<String>,
    /// Sum of all buckets; null like a bucket's count.
    #[schema(required)]
    total: Option<i64>,
    /// All that there are, those with 0 too; of agencies only those that have any.
    buckets: Vec<ReferralBucket>,
}

impl ReferralFiguresFilter {
    /// Whether all referrals of a year are counted, by something that does not follow from something else: a service may
    /// have one receiver, a village one sender.
    fn is_whole(&self, group: ReferralGroup) -> bool {
        // All members by name: a new filter makes it less than the whole, too.
        let Self { region: _, group_by: _, period, status, service, sender, receiver } = self;
        let by_itself = matches!(
            group,
            ReferralGroup::Status | ReferralGroup::Service | ReferralGroup::Region | ReferralGroup::Month
        );
        let narrowed = !status.is_empty() || service.is_some() || sender.is_some() || receiver.is_some();
        by_itself && !narrowed && period.is_some_and(Period::is_year)
    }

    /// The list of a bucket: its own value in place of the filter of the same name.
    fn list(&self, app: &App, region: Option<&RegionCode>, group: ReferralGroup, key: &str) -> String {
        let mut filters: Vec<(&str, String)> = vec![];
        let mut add = |own: ReferralGroup, name, values: Vec<String>| {
            let values = if group == own { vec![key.to_owned()] } else { values };
            filters.extend(values.into_iter().map(|value| (name, value)));
        };
        add(ReferralGroup::Region, "region", region.iter().map(ToString::to_string).collect());
        add(ReferralGroup::Status, "status", self.status.iter().map(ToString::to_string).collect());
        add(ReferralGroup::Service, "service", self.service.iter().map(|code| code.as_str().to_owned()).collect());
        add(ReferralGroup::Sender, "sender", self.sender.iter().map(ToString::to_string).collect());
        add(ReferralGroup::Receiver, "receiver", self.receiver.iter().map(ToString::to_string).collect());
        add(ReferralGroup::Month, "period", self.period.iter().map(ToString::to_string).collect());
        let filters: Vec<(&str, &str)> = filters.iter().map(|(name, value)| (*name, value.as_str())).collect();
        list_url(app, "/v1/referrals", &filters)
    }
}

/// Count referrals
///
/// Each bucket counts what its list has for the same caller. Who may not list referrals is told no number from 1 to 4, nor
/// what such a number follows from: the figures are of one year and of the caller's whole region, by status, service,
/// month or the regions directly below; anything finer is answered with null.
#[utoipa::path(tag = "statistics", security(("oauth2" = ["statistics:read"])), params(ReferralFiguresFilter),
    responses((status = 200, body = ReferralFigures, description = "The figures."),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such region, or not in yours."),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "`group_by=region` of a village, which has no parts.")))]
#[get("/v1/statistics/referrals")]
pub async fn read_referral_figures(
    caller: Permit<ReadStatistics>,
    query: Query<ReferralFiguresFilter>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let (mut filter, now) = (query.0, app.clock.now());
    let region = scope(&caller, filter.region.clone())?;
    check_region(&db, region.as_ref()).await?;
    let group = filter.group_by.unwrap_or(ReferralGroup::Status);
    let timezone = region.as_ref().map_or(TimeZone::Wib, TimeZone::of);
    let may_list = caller.scopes.has(Scope::ReferralsRead);
    let (buckets, total) = if may_list {
        let counted = count(&caller, &db, &filter, region.as_ref(), group).await?;
        let total = counted.iter().map(|(_, _, count)| count).sum();
        let bucket = |(key, labels, count): (String, Labels, i64)| {
            let list_url = Some(filter.list(&app, region.as_ref(), group, &key));
            ReferralBucket { key, labels, count: Some(count), list_url }
        };
        (counted.into_iter().map(bucket).collect(), Some(total))
    } else {
        filter.period = filter.period.or_else(|| Some(Period::year_of(timezone.day(now))));
        let whole = filter.is_whole(group) && region == scope(&caller, None)?;
        guarded(&caller, &db, &filter, region.as_ref(), group, whole, now).await?
    };
    let figures = ReferralFigures {
        as_of: now,
        timezone,
        definition_version: DEFINITION_VERSION,
        region,
        group_by: group,
        period: filter.period.map(|period| period.to_string()),
        total,
        buckets,
    };
    let same = (&figures.region, figures.group_by, figures.definition_version, &figures.period, figures.total);
    Ok(Answer::figures(&figures, &(same, &figures.buckets))?.header("cache-control", CACHE))
}

/// Buckets and total for who may not see the rows (`docs/decisions/0011-small-counts.md`).
async fn guarded(
    caller: &Caller,
    db: &Db,
    filter: &ReferralFiguresFilter,
    region: Option<&RegionCode>,
    group: ReferralGroup,
    whole: bool,
    now: DateTime<Utc>,
) -> ApiResult<(Vec<ReferralBucket>, Option<i64>)> {
    // Where the day begins first: everyone knows that later months have none, so nothing hides among them.
    let month = TimeZone::Wit.day(now).format("%Y-%m").to_string();
    let (named, (counts, total)) = if whole {
        let mut counted = count(caller, db, filter, region, group).await?;
        counted.retain(|(key, _, count)| group != ReferralGroup::Month || *count > 0 || *key <= month);
        let counts: Vec<i64> = counted.iter().map(|(_, _, count)| *count).collect();
        (counted.into_iter().map(|(key, labels, _)| (key, labels)).collect(), suppress(&counts))
    } else {
        level_of(group, region)?;
        let named = keys(db, filter, region, group, &[]).await?;
        let untold = vec![None; named.len()];
        (named, (untold, None))
    };
    let bucket = |((key, labels), count)| ReferralBucket { key, labels, count, list_url: None };
    Ok((named.into_iter().zip(counts).map(bucket).collect(), total))
}

/// Of which level a bucket of regions is.
fn level_of(group: ReferralGroup, region: Option<&RegionCode>) -> ApiResult<RegionLevel> {
    if group == ReferralGroup::Region { level_below(region) } else { Ok(RegionLevel::Province) }
}

/// Key, labels and count of each bucket.
async fn count(
    caller: &Caller,
    db: &Db,
    filter: &ReferralFiguresFilter,
    region: Option<&RegionCode>,
    group: ReferralGroup,
) -> ApiResult<Vec<(String, Labels, i64)>> {
    let below = level_of(group, region)?;
    let counted = Counted {
        region: region.cloned(),
        status: filter.status.clone(),
        service: filter.service.clone(),
        sender: filter.sender,
        receiver: filter.receiver,
        period: filter.period,
    };
    let counts = match region {
        Some(_) => db.read(async |c| store::referrals(c, caller, &counted, group, below).await).await?,
        // A whole country's may take longer than a read may.
        None => db.report(async |c| store::referrals(&mut &*c, caller, &counted, group, below).await).await?,
    };
    let named = keys(db, filter, region, group, &counts).await?;
    let of = |key: &str| counts.iter().find(|(own, _)| own == key).map_or(0, |(_, count)| *count);
    Ok(named.into_iter().map(|(key, labels)| (key.clone(), labels, of(&key))).collect())
}

/// The buckets that there are, in their order, with what they are called.
async fn keys(
    db: &Db,
    filter: &ReferralFiguresFilter,
    region: Option<&RegionCode>,
    group: ReferralGroup,
    counts: &[(String, i64)],
) -> ApiResult<Vec<(String, Labels)>> {
    match group {
        ReferralGroup::Status => {
            let shown = |status: &ReferralStatus| match filter.status.as_slice() {
                [] => *status != ReferralStatus::EnteredInError,
                some => some.contains(status),
            };
            let statuses = ReferralStatus::ALL.iter().copied().filter(shown);
            Ok(statuses.map(|status| (status.to_string(), status_labels(status))).collect())
        }
        ReferralGroup::Service => {
            let list = db.read(async |c| codes::list(c, "services").await).await?;
            let wanted = list.into_iter().filter(|(_, entry)| filter.service.as_ref().is_none_or(|s| *s == entry.code));
            let key = |entry: codes::Entry| (entry.code.as_str().to_owned(), labels(&entry.label_id, &entry.label_en));
            Ok(wanted.map(|(_, entry)| key(entry)).collect())
        }
        ReferralGroup::Region => {
            let codes: Vec<RegionCode> = counts.iter().filter_map(|(key, _)| RegionCode::parse(key).ok()).collect();
            let parts = parts(db, region, &codes).await?;
            Ok(parts.into_iter().map(|(code, labels)| (code.to_string(), labels)).collect())
        }
        ReferralGroup::Month => Ok(months(filter.period, counts)),
        ReferralGroup::Sender | ReferralGroup::Receiver => {
            let ids: Vec<AgencyId> = counts.iter().filter_map(|(key, _)| key.parse().ok().map(AgencyId)).collect();
            let names = db.read(async |c| agencies::names(c, &ids).await).await?;
            Ok(names.into_iter().map(|(id, name)| (id.to_string(), labels(&name, &name))).collect())
        }
    }
}

/// Every month of the period, or from the first to the last that has any.
fn months(period: Option<Period>, counts: &[(String, i64)]) -> Vec<(String, Labels)> {
    let day = |month: &str| NaiveDate::parse_from_str(&format!("{month}-01"), "%Y-%m-%d").ok();
    let had = || counts.iter().filter_map(|(key, _)| day(key));
    let next = |month: NaiveDate| month.checked_add_months(Months::new(1));
    let range = period.map(Period::months).or_else(|| had().min().zip(had().max().and_then(next)));
    let Some((from, until)) = range else { return vec![] };
    let all = std::iter::successors(Some(from), |month| next(*month)).take_while(|month| *month < until);
    all.map(|month| month.format("%Y-%m").to_string()).map(|key| (key.clone(), labels(&key, &key))).collect()
}

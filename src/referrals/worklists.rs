//! `GET /v1/referrals/worklists`: how much there is to do, and where the list of it is.
use super::api::ReferralFilter;
use super::rules::ReferralStatus;
use super::store::list::{self, Order};
use crate::access::api::Permit;
use crate::access::rules::{AgencyKind, Caller, ReadReferrals, Scope, Sight};
use crate::cases::api::CaseFilter;
use crate::cases::rules::Urgency;
use crate::cases::store::list as cases;
use crate::codes::rules::Code;
use crate::platform::answer::Answer;
use crate::platform::app::{App, Shared};
use crate::platform::db::Db;
use crate::platform::error::ApiResult;
use crate::platform::input::{Query, parse_query};
use crate::platform::region_code::RegionCode;
use crate::regions::rules::TimeZone;
use crate::text_enum;
use actix_web::get;
use chrono::{DateTime, Datelike, Days, NaiveTime, SecondsFormat, TimeDelta, Utc};
use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// So long an ending without help waits for its sender to do something else.
const SECOND_THOUGHTS: TimeDelta = TimeDelta::days(30);

text_enum! {
    /// On which side of its referrals the caller is.
    WorklistSide {
        /// It was asked.
        Received = "received",
        /// It asked.
        Sent = "sent",
        /// They are its volunteer's.
        Own = "own",
        /// They lie in its region, whoever asked whom.
        Region = "region",
    }
}

text_enum! {
    /// What is to be done.
    WorklistKey {
        /// Sent, and not acknowledged yet.
        New = "new",
        /// For who was asked: not ended and not on hold. For who asked: ended without help in the last 30 days.
        Waiting = "waiting",
        /// Put on hold: due when it is to be looked at again.
        OnHold = "on_hold",
        /// What was due is over.
        Overdue = "overdue",
        /// Escalated to the level that concerns the caller: 2 for a regency's region, 3 for a province's, 1 otherwise.
        Escalated = "escalated",
        /// Ended since Monday; for who asked: completed.
        DoneThisWeek = "done_this_week",
        /// With a question that the caller's side is to answer; in its region, with any.
        Questions = "questions",
        /// **Cases** that are open while no referral of theirs is: for whom nothing is under way. For who may read cases and was not
        /// asked; of those reported by the own agency, of the own volunteer, in the region.
        NotReferred = "not_referred",
    }
}

/// Narrows all of them.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct WorklistFilter {
    /// Only those for this service.
    service: Option<Code>,
    /// Only those in this region.
    region: Option<RegionCode>,
    /// Only those that hurry so much.
    urgency: Option<Urgency>,
}

/// One worklist.
#[derive(Debug, Serialize, ToSchema)]
pub struct Worklist {
    key: WorklistKey,
    /// How many the list has.
    #[schema(minimum = 0)]
    count: i64,
    /// The list.
    list_url: String,
}

/// The worklists of one side.
#[derive(Debug, Serialize, ToSchema)]
pub struct WorklistsOfSide {
    side: WorklistSide,
    lists: Vec<Worklist>,
}

/// How much there is to do at one moment.
#[derive(Debug, Serialize, ToSchema)]
pub struct Worklists {
    /// When it was counted.
    as_of: DateTime<Utc>,
    /// The caller's.
    #[schema(example = "Asia/Jakarta")]
    timezone: TimeZone,
    /// The week began then.
    week_from: DateTime<Utc>,
    sides: Vec<WorklistsOfSide>,
}

/// Count worklists
///
/// What is new, waiting, late, escalated and done this week, for each side that the caller is on. Each count is the length of its
/// list at that moment.
#[utoipa::path(tag = "referrals", security(("oauth2" = ["referrals:read"])), params(WorklistFilter),
    responses((status = 200, body = Worklists, description = "The counts.")))]
#[get("/v1/referrals/worklists")]
pub async fn read_worklists(
    caller: Permit<ReadReferrals>,
    filter: Query<WorklistFilter>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let now = app.clock.now();
    let timezone = caller.regions.first().map_or(TimeZone::Wib, TimeZone::of);
    let today = timezone.day(now);
    let monday = today - Days::new(today.weekday().num_days_from_monday().into());
    let week_from = timezone.instant(monday, NaiveTime::MIN);
    let mut sides = vec![];
    for side in sides_of(&caller) {
        let keys = WorklistKey::ALL.iter().filter(|key| has(&caller, &filter.0, side, **key));
        let lists = keys.map(|key| count(&db, &app, &caller, &filter.0, (side, *key), (now, week_from)));
        sides.push(WorklistsOfSide { side, lists: try_join_all(lists).await? });
    }
    Answer::ok(&Worklists { as_of: now, timezone, week_from, sides })
}

/// Whether there is such a list: cases have no service, and who was asked has none.
fn has(caller: &Caller, filter: &WorklistFilter, side: WorklistSide, key: WorklistKey) -> bool {
    let may = caller.scopes.has(Scope::CasesRead) && side != WorklistSide::Received && filter.service.is_none();
    key != WorklistKey::NotReferred || may
}

/// The sides that a caller can be on.
fn sides_of(caller: &Caller) -> Vec<WorklistSide> {
    match &caller.sight {
        Sight::Own(_) => vec![WorklistSide::Own],
        Sight::Addressed(_) => vec![WorklistSide::Received],
        Sight::Region(_) => vec![WorklistSide::Received, WorklistSide::Sent, WorklistSide::Region],
        Sight::Everything => vec![WorklistSide::Received, WorklistSide::Sent],
    }
}

async fn count(
    db: &Db,
    app: &App,
    caller: &Caller,
    filter: &WorklistFilter,
    (side, key): (WorklistSide, WorklistKey),
    (now, week_from): (DateTime<Utc>, DateTime<Utc>),
) -> ApiResult<Worklist> {
    if key == WorklistKey::NotReferred {
        return not_referred(db, app, caller, filter, side).await;
    }
    let query = query(caller, filter, (side, key), (now, week_from));
    // The count is of what the list itself would read from this query.
    let wanted = parse_query::<ReferralFilter>(&query)?.wanted(caller, now);
    let count = db.read(async |c| list::count(c, caller, &wanted, Order::Newest).await).await?;
    Ok(Worklist { key, count, list_url: format!("{}/v1/referrals?{query}", app.settings.public_url) })
}

async fn not_referred(
    db: &Db,
    app: &App,
    caller: &Caller,
    filter: &WorklistFilter,
    side: WorklistSide,
) -> ApiResult<Worklist> {
    let mut pairs = vec![("status", "open".to_owned()), ("referred", "false".to_owned())];
    if side == WorklistSide::Sent {
        pairs.push(("reporter", caller.agency.to_string()));
    }
    pairs.extend(filter.region.iter().map(|region| ("region", region.to_string())));
    pairs.extend(filter.urgency.iter().map(|urgency| ("urgency", urgency.to_string())));
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    let wanted = parse_query::<CaseFilter>(&query)?.wanted();
    let count = db.read(async |c| cases::count(c, caller, &wanted).await).await?;
    Ok(Worklist {
        key: WorklistKey::NotReferred,
        count,
        list_url: format!("{}/v1/cases?{query}", app.settings.public_url),
    })
}

fn query(
    caller: &Caller,
    filter: &WorklistFilter,
    (side, key): (WorklistSide, WorklistKey),
    (now, week_from): (DateTime<Utc>, DateTime<Utc>),
) -> String {
    use ReferralStatus as S;
    let asked = matches!(side, WorklistSide::Sent | WorklistSide::Own);
    let time = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Micros, true);
    let mut pairs: Vec<(&str, String)> = vec![];
    match side {
        WorklistSide::Received => pairs.push(("direction", "received".to_owned())),
        WorklistSide::Sent => pairs.push(("direction", "sent".to_owned())),
        WorklistSide::Own | WorklistSide::Region => {}
    }
    let mut states = |states: &[S]| pairs.extend(states.iter().map(|state| ("status", state.to_string())));
    match key {
        WorklistKey::New => states(&[S::Submitted]),
        WorklistKey::Waiting if asked => {
            states(&[S::Rejected, S::Failed, S::Expired]);
            pairs.push(("ended_from", time(now - SECOND_THOUGHTS)));
        }
        WorklistKey::Waiting => states(&[S::Submitted, S::Received, S::Accepted, S::InProgress]),
        WorklistKey::OnHold => states(&[S::OnHold]),
        // Not of referrals.
        WorklistKey::NotReferred => {}
        WorklistKey::Overdue => pairs.push(("overdue", "true".to_owned())),
        WorklistKey::Escalated => {
            let level = match (side, caller.agency_kind) {
                (WorklistSide::Region, AgencyKind::DinsosProvince) => "3",
                (WorklistSide::Region, AgencyKind::DinsosRegency) => "2",
                _ => "1",
            };
            pairs.push(("escalated", level.to_owned()));
        }
        WorklistKey::DoneThisWeek => {
            if asked {
                states(&[S::Completed]);
            }
            pairs.push(("ended_from", time(week_from)));
        }
        WorklistKey::Questions => {
            pairs.push(("awaiting", if side == WorklistSide::Region { "anyone" } else { "me" }.to_owned()));
        }
    }
    pairs.extend(filter.service.iter().map(|service| ("service", service.as_str().to_owned())));
    pairs.extend(filter.region.iter().map(|region| ("region", region.to_string())));
    pairs.extend(filter.urgency.iter().map(|urgency| ("urgency", urgency.to_string())));
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

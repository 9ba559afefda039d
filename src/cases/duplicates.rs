//! The queue of cases that are alike and were not offered to who reported them, since nobody of those saw both; and saying that two of
//! them are two.
use super::alike::Distinct;
use super::api::{Act, CaseView, check_version, decided, make_change, replayed, sees_person};
use super::likeness::{AlikeBy, Traits, alike};
use super::person::OPEN_FIELDS;
use super::rules::{CaseAction, CaseId};
use super::store::alike::{self as store, From};
use super::store::{self as cases, Case, CasePerson};
use crate::access::api::Permit;
use crate::access::rules::{Caller, DecideCases, ReadCases};
use crate::audit::{rules::Event, store::Recorder};
use crate::codes::rules::Code;
use crate::platform::answer::Answer;
use crate::platform::app::Shared;
use crate::platform::db::Db;
use crate::platform::error::ApiResult;
use crate::platform::idempotency::Attempt;
use crate::platform::input::{IfMatch, Keyed, PathId};
use crate::platform::openapi::{IdempotencyHeader, IfMatchHeader};
use crate::platform::page::{Page, PageParams, Paged};
use crate::platform::region_code::RegionCode;
use crate::platform::text::Text;
use crate::regions::rules::TimeZone;
use actix_web::{get, post};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use utoipa::{IntoParams, ToSchema};

/// Cases that are compared with all others for one page.
const LOOKED_AT: i64 = 1000;

/// Which pairs.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CaseDuplicateFilter {
    /// Only those of which the later one lies in this region.
    region: Option<RegionCode>,
}

/// Two cases of one regency that may be one.
#[derive(Serialize, ToSchema)]
pub struct CaseDuplicateView {
    /// The one that was reported later.
    case: CaseView,
    /// The one that was there.
    other: CaseView,
    /// What tells that they have one person.
    by: AlikeBy,
}

/// Where a page ends: a case, and its own pairs as far as they were shown; none if all were.
type End = (DateTime<Utc>, CaseId, Option<(DateTime<Utc>, CaseId)>);

/// A case with its person.
type Row = (Case, CasePerson);

/// List cases that may be one
///
/// Pairs of cases that are not closed, lie in one regency, and have a category in common and a person who is alike, newest first: reported
/// by offices that did not see each other's, or become alike by a change. Either they are one: close one of them with the outcome
/// `duplicate`; or they are two: say so by `distinguish`; or what is known of a person is wrong: change it, and the pair is gone. Those
/// that were reported as distinct (`distinct_from`) are not among them. A page may have few pairs or none and still a `next_cursor`: follow it to the end.
#[utoipa::path(tag = "cases", security(("oauth2" = ["cases:read"])), params(CaseDuplicateFilter, PageParams),
    responses((status = 200, body = Page<CaseDuplicateView>, description = "A page of pairs.")))]
#[get("/v1/cases/duplicates")]
pub async fn list_duplicate_cases(
    caller: Permit<ReadCases>,
    paged: Paged<CaseDuplicateFilter>,
    app: Shared,
    db: Db,
    recorder: Recorder,
) -> ApiResult<Answer> {
    let (end, now): (Option<End>, _) = (paged.after()?, app.clock.now());
    let from = end.map(|(at, id, shown)| From { at, id, again: shown.is_some() });
    let region = paged.filter.region.as_ref();
    let looked_at = db.read(async |c| store::window(c, &caller, region, from, LOOKED_AT).await).await?;
    let ids: Vec<CaseId> = looked_at.iter().map(|(_, id)| *id).collect();
    let near = db.read(async |c| store::pairs(c, &ids).await).await?;
    let named: BTreeSet<CaseId> = near.iter().flat_map(|(case, other)| [*case, *other]).collect();
    let named: Vec<CaseId> = named.into_iter().collect();
    // Of a pair of which the caller sees one alone, nothing is left here.
    let rows = db.read(async |c| store::seen(c, &caller, &named).await).await?;
    let rows: BTreeMap<CaseId, Row> = rows.into_iter().map(|row| (row.0.id, row)).collect();
    let mut pairs = judged(&near, &rows, now);
    if let Some((at, id, Some(shown))) = end {
        pairs.retain(|((case, _), (other, _), _)| {
            (case.created_at, case.id) != (at, id) || (other.created_at, other.id) < shown
        });
    }
    let key = |((case, _), (other, _), _): &(Row, Row, AlikeBy)| -> End {
        (case.created_at, case.id, Some((other.created_at, other.id)))
    };
    let (pairs, mut after) = paged.cut(pairs, key);
    let full = i64::try_from(looked_at.len()).is_ok_and(|many| many == LOOKED_AT);
    if let (None, true, Some((at, id))) = (&after, full, looked_at.last()) {
        let all: End = (*at, *id, None);
        after = serde_json::to_value(all).ok();
    }
    record(&caller, &app, &recorder, &pairs).await?;
    let view = |row: Row| CaseView::of(&caller, row.0, row.1, now);
    let shown =
        pairs.into_iter().map(|(case, other, by)| CaseDuplicateView { case: view(case), other: view(other), by });
    paged.answer(shown.collect(), after, None)
}

/// That a case is another one than some to which it is alike.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DistinguishCase {
    /// From which: up to 50 cases that you see.
    distinct_from: Vec<CaseId>,
    /// Why they are two: code of the list `distinct-reasons`. Those that explain an equal name do not explain an equal number.
    distinct_reason: Code,
    note: Option<Text<2000>>,
}

/// Say that a case is another one
///
/// Of an open case, and whichever of the two it is: the pair leaves `GET /v1/cases/duplicates`. Said again, the last reason holds. Should
/// both come to have one number later, the pair is in the queue again, unless the reason explains that.
#[utoipa::path(tag = "cases", security(("oauth2" = ["cases:write"])),
    params(("id" = CaseId, Path, description = "Id of the case."), IdempotencyHeader, IfMatchHeader), request_body = DistinguishCase,
    responses((status = 200, body = CaseView, description = "Kept.")))]
#[post("/v1/cases/{id}/distinguish")]
pub async fn distinguish_case(
    permit: Permit<DecideCases>,
    id: PathId<CaseId>,
    version: IfMatch,
    distinguish: Keyed<DistinguishCase>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let (caller, app) = (permit.caller(), app.0);
    db.write(async move |c| {
        let ticket = match distinguish.key.begin(c, &app, caller.identity()).await? {
            Attempt::Replay(replay) => return replayed(c, &app, &caller, replay).await,
            Attempt::Fresh(ticket) => ticket,
        };
        let (before, now) = (cases::lock(c, &caller, id.0).await?, app.clock.now());
        decided(&before, CaseAction::Distinguish)?;
        check_version(&before, version)?;
        let DistinguishCase { distinct_from, distinct_reason, note } = distinguish.body;
        let person = cases::person(c, before.id).await?;
        let today = TimeZone::of(&before.village_code).day(now);
        let distinct = Distinct::check(c, &caller, distinct_from, Some(distinct_reason), today).await?;
        let reason = distinct.keep(c, &caller, &before, &person, now).await?;
        let act = Act { action: CaseAction::Distinguish, reason, note: note.map(|note| note.as_str().to_owned()) };
        make_change(c, &app, &caller, &before, &before, (act, now), ticket).await
    })
    .await
}

/// Those that are alike, newest first.
fn judged(near: &[(CaseId, CaseId)], rows: &BTreeMap<CaseId, Row>, now: DateTime<Utc>) -> Vec<(Row, Row, AlikeBy)> {
    let judge = |(case, other): &(CaseId, CaseId)| {
        let (case, other) = (rows.get(case)?, rows.get(other)?);
        let today = TimeZone::of(&case.0.village_code).day(now);
        let by = alike(&Traits::of(&case.0, &case.1, today), &Traits::of(&other.0, &other.1, today))?;
        Some((case.clone(), other.clone(), by))
    };
    let mut pairs: Vec<_> = near.iter().filter_map(judge).collect();
    let place = |(case, _): &Row| (case.created_at, case.id);
    pairs.sort_unstable_by_key(|(case, other, _)| std::cmp::Reverse((place(case), place(other))));
    pairs
}

/// Whoever sees one of a pair alone reads of it as of any list: that there is another one is not told.
async fn record(caller: &Caller, app: &Shared, recorder: &Recorder, pairs: &[(Row, Row, AlikeBy)]) -> ApiResult<()> {
    let shown = pairs.iter().flat_map(|(case, other, _)| [case, other]);
    let open: BTreeMap<CaseId, &Row> =
        shown.filter(|(case, _)| sees_person(caller, case)).map(|row| (row.0.id, row)).collect();
    if open.is_empty() {
        return Ok(());
    }
    let event = |action| Event::by(caller, action, app.clock.new_id(), app.clock.now());
    recorder.record(event("case.list_duplicates").regions(caller.sight.region())).await?;
    let rows = open.values().map(|(case, person)| (case.id.0, person.id, &case.village_code));
    recorder.record(event("case.list").rows("case", rows, OPEN_FIELDS)).await
}

//! Postings in villages that are no longer: split, merged or renumbered by a newer table of regions. They follow when an
//! officer says where to; what was reported under the old code stays there.
use super::supervisor::keep_supervisor_in_region;
use crate::access::api::Permit;
use crate::access::rules::{Caller, DecideVolunteers, ReadVolunteers, VolunteerId};
use crate::audit::{rules::Event, store as audit};
use crate::platform::answer::Answer;
use crate::platform::app::{App, Shared};
use crate::platform::db::{Conn, Db};
use crate::platform::error::{ApiError, ApiResult, Fault};
use crate::platform::idempotency::Attempt;
use crate::platform::input::Keyed;
use crate::platform::moment::Day;
use crate::platform::openapi::IdempotencyHeader;
use crate::platform::page::{Page, PageParams, Paged};
use crate::platform::region_code::RegionCode;
use crate::regions::rules::TimeZone;
use crate::regions::store::{self as regions, Successor};
use crate::volunteers::phones::{LEFT, cut_off_phone};
use crate::volunteers::register::check_village;
use crate::volunteers::rules::{NOT_THE_AUTHORITY, check_effective, may_decide_between};
use crate::volunteers::store::{self, Posting, Stranded, Volunteer};
use actix_web::{get, post};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Takes no filter yet.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RetiredVillageFilter {}

/// A village that may be the new one.
#[derive(Debug, Serialize, ToSchema)]
pub struct SuccessorView {
    code: RegionCode,
    #[schema(example = "Koto Jaya")]
    name: String,
    /// The loaded mapping says so; else it only has the same name.
    mapped: bool,
}

/// A village that is no longer, with volunteers who are posted there.
#[derive(Debug, Serialize, ToSchema)]
pub struct RetiredVillageView {
    village_code: RegionCode,
    #[schema(example = "Koto Jaya")]
    name: String,
    /// Year of the last list that had it.
    last_listed: i16,
    /// Volunteers who are posted there, whatever their status.
    volunteers: i64,
    /// Where they may belong now: what the mapping says first.
    proposals: Vec<SuccessorView>,
}

/// List villages that are no longer
///
/// Those in which volunteers are still posted, in the order of codes. A newer table of regions split, merged or renumbered
/// them; say where the volunteers belong with `POST` to the same address.
#[utoipa::path(tag = "volunteers", security(("oauth2" = ["volunteers:read"])), params(PageParams),
    responses((status = 200, body = Page<RetiredVillageView>, description = "A page of villages.")))]
#[get("/v1/volunteers/retired-villages")]
pub async fn list_retired_villages(
    caller: Permit<ReadVolunteers>,
    paged: Paged<RetiredVillageFilter>,
    db: Db,
) -> ApiResult<Answer> {
    let after: Option<RegionCode> = paged.after()?;
    let rows = db.report(async |c| store::stranded(c, &caller, after.as_ref(), paged.limit + 1).await).await?;
    let (rows, after) = paged.cut(rows, |village: &Stranded| village.code.clone());
    let codes: Vec<RegionCode> = rows.iter().map(|village| village.code.clone()).collect();
    let mapped = db.report(async |c| regions::successors(c, &codes).await).await?;
    let namesakes = db.report(async |c| regions::namesakes(c, &codes).await).await?;
    let view = |village: Stranded| {
        let of = |list: &[Successor], mapped: bool| -> Vec<SuccessorView> {
            let own = list.iter().filter(|one| one.old_code == village.code);
            own.map(|one| SuccessorView { code: one.code.clone(), name: one.name.clone(), mapped }).collect()
        };
        let mut proposals = of(&mapped, true);
        let mut others = of(&namesakes, false);
        others.retain(|one| !proposals.iter().any(|known| known.code == one.code));
        proposals.extend(others);
        RetiredVillageView {
            village_code: village.code,
            name: village.name,
            last_listed: village.last_listed,
            volunteers: village.volunteers,
            proposals,
        }
    };
    paged.answer(rows.into_iter().map(view).collect(), after, None)
}

/// Where the volunteers of a village that is no longer belong.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Follow {
    /// The village that is no longer.
    old_code: RegionCode,
    /// The current village that they belong to.
    new_code: RegionCode,
    /// Only these; everyone who is posted there if absent. For a village that was split.
    #[schema(max_items = 200)]
    volunteer_ids: Option<Vec<VolunteerId>>,
    /// First day of the new postings; today if absent.
    effective_on: Option<Day>,
}

/// What was done.
#[derive(Debug, Serialize, ToSchema)]
pub struct Followed {
    old_code: RegionCode,
    new_code: RegionCode,
    /// Volunteers whose posting followed.
    moved: usize,
    /// Volunteers who are still posted in the old one.
    left: i64,
}

/// Let postings follow a village
///
/// For a village that was split, merged or renumbered: its volunteers are posted in the new one from now on. Both must lie
/// in the caller's region; what another province took over, the ministry moves there. Cases, referrals and past postings
/// keep the old code.
#[utoipa::path(tag = "volunteers", security(("oauth2" = ["volunteers:write"])), params(IdempotencyHeader), request_body = Follow,
    responses((status = 200, body = Followed, description = "They followed.")))]
#[post("/v1/volunteers/retired-villages")]
pub async fn follow_village(
    permit: Permit<DecideVolunteers>,
    follow: Keyed<Follow>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let (caller, app) = (permit.caller(), app.0);
    if follow.body.volunteer_ids.as_ref().is_some_and(|ids| ids.len() > MOST) {
        let fault = Fault::new("too_many", "paling banyak 200", "at most 200");
        return Err(ApiError::rule("/volunteer_ids", fault));
    }
    db.write(async move |c| {
        let ticket = match follow.key.begin(c, &app, caller.identity()).await? {
            Attempt::Replay(kept) => return Ok(kept.answer),
            Attempt::Fresh(ticket) => ticket,
        };
        let body = follow.body;
        if !may_decide_between(&caller, &body.old_code, &body.new_code) {
            return Err(ApiError::from(&NOT_THE_AUTHORITY));
        }
        if !regions::is_retired(c, &body.old_code).await? {
            let fault = Fault::new("not_retired", "desa ini masih berlaku", "this village is still current");
            return Err(ApiError::rule("/old_code", fault));
        }
        check_village(c, &body.new_code, "/new_code").await?;
        let today = TimeZone::of(&body.new_code).day(app.clock.now());
        let from = body.effective_on.map_or(today, Day::date);
        check_effective(from, NaiveDate::MIN, today)?;
        let posted = store::lock_posted(c, &body.old_code, body.volunteer_ids.as_deref()).await?;
        for volunteer in &posted {
            move_one(c, &app, &caller, volunteer.clone(), &body.new_code, from).await?;
        }
        note(c, &app, &caller, &posted, &body).await?;
        let left = store::count_posted(c, &body.old_code).await?;
        let moved = posted.iter().filter(|volunteer| volunteer.merged_into.is_none()).count();
        let done = Followed { old_code: body.old_code, new_code: body.new_code, moved, left };
        ticket.keep(c, Answer::ok(&done)?, &[]).await
    })
    .await
}

/// Most volunteers that a request names.
const MOST: usize = 200;

async fn move_one(
    conn: &mut Conn,
    app: &App,
    caller: &Caller,
    mut volunteer: Volunteer,
    to: &RegionCode,
    from: NaiveDate,
) -> ApiResult<()> {
    let (before, now) = (volunteer.clone(), app.clock.now());
    volunteer.post_to(to);
    keep_supervisor_in_region(conn, &mut volunteer).await?;
    store::save(conn, &mut volunteer, caller.agency, now).await?;
    let posting = Posting {
        id: app.clock.new_id(),
        volunteer_id: volunteer.id,
        village_code: to.clone(),
        // A posting that began later is not made to end before it began.
        valid_from: from.max(store::posted_since(conn, volunteer.id).await?),
        valid_until: None,
        posted_by: caller.agency,
        created_at: now,
    };
    store::replace_posting(conn, &posting).await?;
    if before.regency_code != volunteer.regency_code {
        cut_off_phone(conn, volunteer.id, LEFT, now).await?;
    }
    if volunteer.merged_into.is_none() {
        store::publish(conn, Some(&before), &volunteer, now).await?;
    }
    Ok(())
}

/// One record for all of them.
async fn note(conn: &mut Conn, app: &App, caller: &Caller, posted: &[Volunteer], follow: &Follow) -> ApiResult<()> {
    let ids = posted.iter().map(|volunteer| volunteer.id.0);
    let event = Event::by(caller, "volunteer.follow_village", app.clock.new_id(), app.clock.now());
    let event = event.subjects("volunteer", ids).regions([&follow.old_code, &follow.new_code]);
    Ok(audit::record(conn, &event).await?)
}

//! Merging two rows, and what was merged.
use super::fill::fill;
use super::rules::{MERGE_BLOCKED, hides_appointment, hides_ending};
use super::store::{self, Merge, MovedRow};
use crate::access::api::Permit;
use crate::access::rules::{AgencyId, Caller, DecideVolunteers, ReadVolunteers, VolunteerId};
use crate::audit::{rules::Event, store as audit};
use crate::cases::reassign as cases;
use crate::codes::rules::Code;
use crate::platform::answer::Answer;
use crate::platform::app::{App, Shared};
use crate::platform::db::{Conn, Db};
use crate::platform::error::{ApiError, ApiResult, Fault};
use crate::platform::idempotency::Attempt;
use crate::platform::input::{IfMatch, Keyed, PathId};
use crate::platform::openapi::{IdempotencyHeader, IfMatchHeader};
use crate::referrals::reassign as referrals;
use crate::regions::rules::TimeZone;
use crate::training::reassign as training;
use crate::volunteers::api::{
    VolunteerView, check_version, elsewhere, find_locked, keep, keep_supervisor_in_region, replay, shown_fields,
};
use crate::volunteers::identity::compare;
use crate::volunteers::phones::{LEFT, cut_off_phone};
use crate::volunteers::register::check_duplicate_reason;
use crate::volunteers::rules::{NOT_THE_AUTHORITY, VOLUNTEER_MERGED, may_decide_between};
use crate::volunteers::store::{self as volunteers, Full, Volunteer, documents};
use actix_web::{get, post};
use chrono::{DateTime, Utc};
use diesel::OptionalExtension;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// The row that is merged into the one of the path.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MergeOrder {
    /// The row that will lead to the other one.
    pub(super) duplicate_id: VolunteerId,
    /// Its `version` as you read it.
    #[schema(minimum = 1)]
    duplicate_version: i32,
    /// Code of the list `duplicate-reasons`, of the group `merge`.
    #[schema(example = "registered_twice")]
    reason: Code,
}

/// Merge two volunteers
///
/// Both are one person: the volunteer of the path stays, `duplicate_id` leads to it from now on (308; `redirected` in the
/// feed) and is in no list, search or figure. Cases, referrals, seats and documents of the duplicate go to the survivor, its
/// phone is disabled; of what is known of the person the survivor takes what it lacks. Both must be posted in the caller's
/// region; two of different provinces are the ministry's to merge. 409 `merge_blocked` if their NIKs differ, if only the
/// duplicate is appointed, dismissed or deceased, or if it has a seat in an event that is not over and in which the survivor
/// has or had one. It can be undone for thirty days.
#[utoipa::path(tag = "volunteers", security(("oauth2" = ["volunteers:write"])),
    params(("id" = VolunteerId, Path, description = "Id of the volunteer who stays."), IdempotencyHeader, IfMatchHeader), request_body = MergeOrder,
    responses((status = 200, body = VolunteerView, description = "Merged: the survivor.")))]
#[post("/v1/volunteers/{id}/merge")]
pub async fn merge_volunteer(
    permit: Permit<DecideVolunteers>,
    id: PathId<VolunteerId>,
    version: IfMatch,
    order: Keyed<MergeOrder>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let (caller, app) = (permit.caller(), app.0);
    db.write(async move |c| {
        let ticket = match order.key.begin(c, &app, caller.identity()).await? {
            Attempt::Replay(kept) => return replay(c, &app, &caller, kept).await,
            Attempt::Fresh(ticket) => ticket,
        };
        hold_events(c, &caller, &[id.0, order.body.duplicate_id]).await?;
        let (survivor, duplicate) = lock_both(c, &caller, id.0, order.body.duplicate_id).await?;
        // Of a seat taken between the two.
        training::hold_events_of(c, &[survivor.0.id, duplicate.0.id]).await?;
        let today = TimeZone::of(&survivor.0.village_code).day(app.clock.now());
        let blocked = check(c, &survivor, &duplicate).await?;
        if let Some(error) = blocked {
            return Err(error);
        }
        check_version(&survivor.0, version)?;
        check_version(&duplicate.0, IfMatch(order.body.duplicate_version))?;
        check_duplicate_reason(c, &order.body.reason, "merge", "/reason", today).await?;
        merge(c, &app, &caller, survivor, duplicate, order.body.reason).await?;
        let full = volunteers::lock_full(c, &caller, id.0).await?;
        let version = full.0.version;
        let answer = Answer::row(&VolunteerView::of(full, &caller, app.clock.now()), version)?;
        keep(ticket, c, &caller, answer, id.0).await
    })
    .await
}

/// The events in which these have seats, held before they are, as far as the caller sees them.
pub(super) async fn hold_events(conn: &mut Conn, caller: &Caller, of: &[VolunteerId]) -> ApiResult<()> {
    let seen = volunteers::full_of(&mut &*conn, caller, of).await?;
    let seen: Vec<VolunteerId> = seen.into_iter().map(|(volunteer, _)| volunteer.id).collect();
    training::hold_events_of(conn, &seen).await
}

/// Both rows, held in the order of their ids, that two merges do not wait for each other.
async fn lock_both(
    conn: &mut Conn,
    caller: &Caller,
    id: VolunteerId,
    duplicate: VolunteerId,
) -> ApiResult<(Full, Full)> {
    let unknown = |code, id, en| ApiError::rule("/duplicate_id", Fault::new(code, id, en));
    if id == duplicate {
        return Err(unknown("same_volunteer", "data yang sama", "the same record"));
    }
    let second = if duplicate < id { volunteers::lock_full(conn, caller, duplicate).await.optional()? } else { None };
    let survivor = find_locked(conn, caller, id).await?;
    let second = match second {
        None if duplicate > id => volunteers::lock_full(conn, caller, duplicate).await.optional()?,
        found => found,
    };
    let Some(second) = second else {
        // Merged meanwhile, maybe by a colleague: told as of the one of the path.
        let elsewhere = volunteers::survivor(&mut &*conn, caller, duplicate).await.optional()?;
        return Err(match elsewhere {
            Some(survivor) => ApiError::from(&VOLUNTEER_MERGED).member("id", survivor),
            None => unknown("volunteer_unknown", "PSM tidak ditemukan", "no such volunteer"),
        });
    };
    if !may_decide_between(caller, &survivor.0.village_code, &second.0.village_code) {
        return Err(ApiError::from(&NOT_THE_AUTHORITY));
    }
    Ok((survivor, second))
}

/// What keeps them apart.
async fn check(conn: &mut Conn, survivor: &Full, duplicate: &Full) -> ApiResult<Option<ApiError>> {
    let blocked = |because: &str| ApiError::from(&MERGE_BLOCKED).member("because", because);
    if survivor.1.nik_index.is_some()
        && duplicate.1.nik_index.is_some()
        && survivor.1.nik_index != duplicate.1.nik_index
    {
        return Ok(Some(blocked("niks_differ")));
    }
    if hides_appointment(survivor.0.status, duplicate.0.status) {
        return Ok(Some(blocked("duplicate_is_appointed")));
    }
    if hides_ending(survivor.0.status, duplicate.0.status) {
        return Ok(Some(blocked("duplicate_has_ended")));
    }
    let events = training::stuck_seats(conn, survivor.0.id, duplicate.0.id).await?;
    Ok((!events.is_empty()).then(|| blocked("seats_in_one_event").member("events", events)))
}

async fn merge(
    conn: &mut Conn,
    app: &App,
    caller: &Caller,
    mut survivor: Full,
    duplicate: Full,
    reason: Code,
) -> ApiResult<()> {
    let now = app.clock.now();
    let (before, gone, index) = (survivor.0.clone(), duplicate.0.clone(), duplicate.1.nik_index.clone());
    let had = survivor.1.nik_status;
    if let Some(index) = &index {
        volunteers::hold_nik(conn, index).await?;
    }
    let filled = take_over(conn, app, &mut survivor, &duplicate).await?;
    let ((mut survivor, person), (mut duplicate, _)) = (survivor, duplicate);
    let earlier = volunteers::absorb(conn, &mut duplicate, survivor.id, caller.agency, now).await?;
    let merge = Merge {
        id: app.clock.new_id(),
        survivor_id: survivor.id,
        duplicate_id: duplicate.id,
        at: now,
        agency_id: caller.agency,
        acting_user: caller.acting_user.as_ref().map(|user| user.as_str().to_owned()),
        reason,
        nik_status_before: filled.iter().any(|name| name == "nik").then_some(had),
        filled,
        undone_at: None,
        undone_by: None,
    };
    volunteers::save(conn, &mut survivor, caller.agency, now).await?;
    volunteers::save_person(conn, &person).await?;
    if let Some(index) = &index {
        volunteers::promote(conn, index).await?;
    }
    store::add(conn, &merge).await?;
    let earlier: Vec<Uuid> = earlier.into_iter().map(Uuid::from).collect();
    store::add_moved(conn, merge.id, MovedRow::Volunteer, &earlier).await?;
    let (from, to) = (&gone, &survivor);
    let moved = cases::reassign(conn, from.id, to.id, None, now).await?;
    store::add_moved(conn, merge.id, MovedRow::Case, &moved).await?;
    let moved = referrals::reassign(conn, from.id, to.id, None, now).await?;
    store::add_moved(conn, merge.id, MovedRow::Referral, &moved).await?;
    let seats = training::reassign(conn, (from.id, &from.village_code), (to.id, &to.village_code), None, now).await?;
    store::add_moved(conn, merge.id, MovedRow::TrainingEnrolment, &seats).await?;
    let moved = documents::reassign(conn, from.id, to.id, None).await?;
    store::add_moved(conn, merge.id, MovedRow::VolunteerDocument, &moved).await?;
    cut_off_phone(conn, gone.id, LEFT, now).await?;
    volunteers::publish(conn, Some(&before), &survivor, now).await?;
    volunteers::publish_redirect(conn, &gone, &duplicate, &survivor, now).await?;
    training::derive_levels(conn, &[survivor.id], now).await?;
    record(conn, app, caller, "volunteer.merge", (&survivor, &duplicate), Some(&merge.reason)).await
}

/// Fills what the survivor lacks; returns the names of what was filled.
async fn take_over(conn: &mut Conn, app: &App, survivor: &mut Full, duplicate: &Full) -> ApiResult<Vec<String>> {
    let mut filled = fill(app, survivor, duplicate)?;
    keep_supervisor_in_region(conn, &mut survivor.0).await?;
    if survivor.0.supervisor_agency_id.is_none() {
        filled.retain(|name| name != "supervisor");
    }
    compare(conn, app, &mut survivor.1, survivor.0.sex).await?;
    Ok(filled)
}

/// The audit of a merge, or of its end: both persons.
pub(super) async fn record(
    conn: &mut Conn,
    app: &App,
    caller: &Caller,
    action: &str,
    (survivor, duplicate): (&Volunteer, &Volunteer),
    reason: Option<&Code>,
) -> ApiResult<()> {
    let event = Event::by(caller, action, app.clock.new_id(), app.clock.now());
    let rows = [survivor, duplicate].map(|one| (one.id.0, one.id.0, &one.village_code));
    let event = event.rows("volunteer", rows, shown_fields(caller));
    let event = if let Some(reason) = reason { event.detail(reason.as_str()) } else { event };
    Ok(audit::record(conn, &event).await?)
}

/// A row that was merged into the volunteer.
#[derive(Debug, Serialize, ToSchema)]
pub struct MergeView {
    /// The volunteer of the path, or one that was merged into it later.
    survivor_id: VolunteerId,
    /// It leads to the volunteer of the path, unless that was undone.
    duplicate_id: VolunteerId,
    at: DateTime<Utc>,
    agency_id: AgencyId,
    #[schema(required)]
    acting_user: Option<String>,
    /// Code of the list `duplicate-reasons`.
    reason: Code,
    /// What the survivor lacked and took over: names only.
    filled: Vec<String>,
    /// Null: it holds.
    #[schema(required)]
    undone_at: Option<DateTime<Utc>>,
    /// Agency that undid it.
    #[schema(required)]
    undone_by: Option<AgencyId>,
}

impl From<Merge> for MergeView {
    fn from(merge: Merge) -> Self {
        Self {
            survivor_id: merge.survivor_id,
            duplicate_id: merge.duplicate_id,
            at: merge.at,
            agency_id: merge.agency_id,
            acting_user: merge.acting_user,
            reason: merge.reason,
            filled: merge.filled,
            undone_at: merge.undone_at,
            undone_by: merge.undone_by,
        }
    }
}

/// What was merged into a volunteer.
#[derive(Debug, Serialize, ToSchema)]
pub struct Merges {
    /// Oldest first.
    items: Vec<MergeView>,
}

/// Read what was merged into a volunteer
///
/// Merges that were undone too, and those into volunteers who were merged into it afterwards.
#[utoipa::path(tag = "volunteers", security(("oauth2" = ["volunteers:read"])), params(("id" = VolunteerId, Path, description = "Id of the volunteer.")),
    responses((status = 200, body = Merges, description = "The merges."), (status = 308, description = "It was merged itself: `Location` has the other one's.")))]
#[get("/v1/volunteers/{id}/merges")]
pub async fn read_volunteer_merges(
    caller: Permit<ReadVolunteers>,
    id: PathId<VolunteerId>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    if db.read(async |c| volunteers::find(c, &caller, id.0).await.optional()).await?.is_none() {
        return elsewhere(&db, &app, &caller, id.0, "/merges").await;
    }
    let merges = db.read(async |c| store::of_survivor(c, id.0).await).await?;
    Answer::ok(&Merges { items: merges.into_iter().map(MergeView::from).collect() })
}

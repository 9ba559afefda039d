//! Parting what was merged.
use super::api::{hold_events, record};
use super::fill::empty;
use super::rules::{MERGE_FINAL, UNDO};
use super::store::{self, Merge, MovedRow};
use crate::access::api::Permit;
use crate::access::rules::{Caller, DecideVolunteers, VolunteerId};
use crate::cases::reassign as cases;
use crate::platform::answer::Answer;
use crate::platform::app::{App, Shared};
use crate::platform::db::{Conn, Db};
use crate::platform::error::{ApiError, ApiResult, Fault};
use crate::platform::idempotency::Attempt;
use crate::platform::input::{IfMatch, Keyed, PathId};
use crate::platform::openapi::{IdempotencyHeader, IfMatchHeader};
use crate::referrals::reassign as referrals;
use crate::training::reassign as training;
use crate::volunteers::api::{VolunteerView, check_version, find_locked, keep, replay};
use crate::volunteers::identity::compare;
use crate::volunteers::rules::{NOT_THE_AUTHORITY, may_decide_between};
use crate::volunteers::store::{self as volunteers, Full, documents};
use actix_web::post;
use diesel::OptionalExtension;
use serde::Deserialize;
use utoipa::ToSchema;

/// The merge to undo.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UndoMerge {
    /// The row that was merged into the one of the path.
    duplicate_id: VolunteerId,
}

/// Undo a merge
///
/// For thirty days (then 409 `merge_final`). The duplicate is a row of its own again, with the cases, referrals, seats and
/// documents that it brought, and what was sent of these cases since; what else came since stays with the survivor. What the survivor took over goes, unless changed
/// since or brought by another one, too. Whoever may merge the two may undo it. A phone has to be registered anew.
#[utoipa::path(tag = "volunteers", security(("oauth2" = ["volunteers:write"])),
    params(("id" = VolunteerId, Path, description = "Id of the volunteer who stayed."), IdempotencyHeader, IfMatchHeader), request_body = UndoMerge,
    responses((status = 200, body = VolunteerView, description = "Parted: the volunteer of the path.")))]
#[post("/v1/volunteers/{id}/undo-merge")]
pub async fn undo_volunteer_merge(
    permit: Permit<DecideVolunteers>,
    id: PathId<VolunteerId>,
    version: IfMatch,
    undo: Keyed<UndoMerge>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let (caller, app) = (permit.caller(), app.0);
    db.write(async move |c| {
        let ticket = match undo.key.begin(c, &app, caller.identity()).await? {
            Attempt::Replay(kept) => return replay(c, &app, &caller, kept).await,
            Attempt::Fresh(ticket) => ticket,
        };
        hold_events(c, &caller, &[id.0]).await?;
        let survivor = find_locked(c, &caller, id.0).await?;
        let merge = store::lock(c, id.0, undo.body.duplicate_id).await.optional()?.ok_or_else(|| {
            let fault = Fault::new("not_merged", "tidak digabung ke data ini", "is not merged into this record");
            ApiError::rule("/duplicate_id", fault)
        })?;
        let duplicate = volunteers::lock_merged(c, merge.duplicate_id).await?;
        if !may_decide_between(&caller, &survivor.0.village_code, &duplicate.0.village_code) {
            return Err(ApiError::from(&NOT_THE_AUTHORITY));
        }
        if app.clock.now() - merge.at > UNDO {
            return Err(ApiError::from(&MERGE_FINAL).member("at", merge.at));
        }
        check_version(&survivor.0, version)?;
        part(c, &app, &caller, &merge, survivor, duplicate).await?;
        let full = volunteers::lock_full(c, &caller, id.0).await?;
        let version = full.0.version;
        let answer = Answer::row(&VolunteerView::of(full, &caller, app.clock.now()), version)?;
        keep(ticket, c, &caller, answer, id.0).await
    })
    .await
}

async fn part(
    conn: &mut Conn,
    app: &App,
    caller: &Caller,
    merge: &Merge,
    mut survivor: Full,
    duplicate: Full,
) -> ApiResult<()> {
    let now = app.clock.now();
    let before = survivor.0.clone();
    if let Some(index) = &duplicate.1.nik_index {
        volunteers::hold_nik(conn, index).await?;
    }
    give_back(conn, app, merge, &mut survivor, &duplicate).await?;
    let ((mut survivor, person), (mut duplicate, second)) = (survivor, duplicate);
    volunteers::save(conn, &mut survivor, caller.agency, now).await?;
    volunteers::save_person(conn, &person).await?;
    let earlier = store::moved(conn, merge.id, MovedRow::Volunteer).await?;
    let earlier: Vec<VolunteerId> = earlier.into_iter().map(VolunteerId).collect();
    volunteers::release(conn, &mut duplicate, &earlier, caller.agency, now).await?;
    if let Some(index) = &second.nik_index {
        volunteers::promote(conn, index).await?;
    }
    let (from, to) = (&survivor, &duplicate);
    let rows = store::moved(conn, merge.id, MovedRow::Case).await?;
    let since = referrals::of_cases(conn, &rows, from.id).await?;
    cases::reassign(conn, from.id, to.id, Some(&rows), now).await?;
    let mut rows = store::moved(conn, merge.id, MovedRow::Referral).await?;
    rows.extend(since);
    referrals::reassign(conn, from.id, to.id, Some(&rows), now).await?;
    let rows = store::moved(conn, merge.id, MovedRow::TrainingEnrolment).await?;
    training::reassign(conn, (from.id, &from.village_code), (to.id, &to.village_code), Some(&rows), now).await?;
    let rows = store::moved(conn, merge.id, MovedRow::VolunteerDocument).await?;
    documents::reassign(conn, from.id, to.id, Some(&rows)).await?;
    store::undo(conn, merge.id, caller.agency, now).await?;
    volunteers::publish(conn, Some(&before), &survivor, now).await?;
    volunteers::publish(conn, None, &duplicate, now).await?;
    training::derive_levels(conn, &[survivor.id, duplicate.id], now).await?;
    record(conn, app, caller, "volunteer.undo_merge", (&survivor, &duplicate), None).await
}

/// Takes out of the survivor what the duplicate had brought.
async fn give_back(conn: &mut Conn, app: &App, merge: &Merge, survivor: &mut Full, duplicate: &Full) -> ApiResult<()> {
    let mut others = vec![];
    for other in store::others_of(conn, merge).await? {
        let brought = volunteers::lock_merged(conn, other.duplicate_id).await?;
        others.push((other, brought));
    }
    empty(survivor, duplicate, merge, &mut others);
    for (other, _) in &others {
        store::save_filled(conn, other).await?;
    }
    compare(conn, app, &mut survivor.1, survivor.0.sex).await
}

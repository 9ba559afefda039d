//! What is decided on a volunteer's status. Eleven routes, one path through [`decide`].
use super::{VolunteerView, check_version, keep, note, replay};
use crate::access::api::Permit;
use crate::access::rules::{DecideVolunteers, SharedCaller, VolunteerId};
use crate::agencies::store as agencies;
use crate::codes::rules::{Code, UNKNOWN_CODE};
use crate::codes::store as codes;
use crate::platform::answer::Answer;
use crate::platform::app::{App, Shared};
use crate::platform::db::{Conn, Db};
use crate::platform::error::{ApiError, ApiResult, Fault};
use crate::platform::idempotency::{Attempt, RequestKey};
use crate::platform::input::{IfMatch, Keyed, PathId};
use crate::platform::openapi::{IdempotencyHeader, IfMatchHeader};
use crate::platform::text::{Line, Text};
use crate::regions::rules::TimeZone;
use crate::volunteers::rules::{
    NOT_THE_AUTHORITY, VOLUNTEER_STATE_CONFLICT, VolunteerAction, VolunteerStatus, check_effective, may_decide, next,
};
use crate::volunteers::store::{self, HistoryRow, Volunteer};
use actix_web::post;
use chrono::NaiveDate;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// What goes with most decisions.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Since when it holds; today if absent.
    effective_on: Option<NaiveDate>,
    /// Code of the list `volunteer-reasons`.
    reason: Option<Code>,
    note: Option<Text<2000>>,
}

/// A decision that needs a reason.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReasonedStep {
    /// Code of the list `volunteer-reasons`; `other` needs a note.
    reason: Code,
    /// Since when it holds; today if absent.
    effective_on: Option<NaiveDate>,
    note: Option<Text<2000>>,
}

/// The letter (surat keputusan) by which a volunteer is appointed.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Appointment {
    #[schema(example = "460/123/DINSOS/2023")]
    sk_number: Line<100>,
    sk_date: NaiveDate,
    /// Who signed it.
    #[schema(example = "Bupati Mukomuko")]
    sk_official: Line<200>,
    /// Since when it holds; the date of the letter if absent.
    effective_on: Option<NaiveDate>,
    note: Option<Text<2000>>,
}

/// The letter, as stored.
#[derive(Debug, Clone)]
struct Letter {
    number: String,
    date: NaiveDate,
    official: String,
}

impl From<ReasonedStep> for Step {
    fn from(step: ReasonedStep) -> Self {
        Self { effective_on: step.effective_on, reason: Some(step.reason), note: step.note }
    }
}

/// A decision, whatever it is.
#[derive(Clone)]
struct Decision {
    caller: SharedCaller,
    app: Arc<App>,
    id: VolunteerId,
    version: IfMatch,
    key: RequestKey,
    action: VolunteerAction,
    step: Step,
    letter: Option<Letter>,
}

async fn decide(decision: Decision, db: Db) -> ApiResult<Answer> {
    db.write(async move |c| {
        let Decision { caller, app, id, version, key, action, step, letter } = decision;
        let ticket = match key.begin(c, &app, caller.identity()).await? {
            Attempt::Replay(kept) => return replay(c, &app, &caller, kept).await,
            Attempt::Fresh(ticket) => ticket,
        };
        let (mut volunteer, person) = store::lock_full(c, &caller, id).await?;
        if !may_decide(&caller, &volunteer.village_code) {
            return Err(ApiError::from(&NOT_THE_AUTHORITY));
        }
        let to = next(volunteer.status, volunteer.ended_from, action).ok_or_else(|| conflict(&volunteer))?;
        check_version(&volunteer, version)?;
        let now = app.clock.now();
        let today = TimeZone::of(&volunteer.village_code).day(now);
        let effective_on = check(c, action, &step, letter.as_ref(), &volunteer, today).await?;
        let before = volunteer.clone();
        move_to(&mut volunteer, to, letter);
        (volunteer.effective_on, volunteer.status_since, volunteer.status_by) = (effective_on, now, caller.agency);
        store::save(c, &mut volunteer, caller.agency, now).await?;
        let row = HistoryRow {
            id: app.clock.new_id(),
            volunteer_id: id,
            at: now,
            action: action.as_history(),
            from_status: Some(before.status),
            to_status: to,
            effective_on,
            agency_id: caller.agency,
            acting_user: caller.acting_user.as_ref().map(|user| user.as_str().to_owned()),
            reason: step.reason.clone(),
            note: step.note.map(|note| note.as_str().to_owned()),
        };
        store::add_history(c, &row).await?;
        if to.has_ended() {
            agencies::disable_phones(c, id, now).await?;
        }
        let audited = format!("volunteer.{}", action.verb());
        note(c, &app, &caller, &audited, Some(&before), &volunteer, step.reason.as_ref().map(Code::as_str)).await?;
        let version = volunteer.version;
        let answer = Answer::row(&VolunteerView::of((volunteer, person), &caller, now), version)?;
        keep(ticket, c, &caller, answer, id).await
    })
    .await
}

/// What stands in the way: the status, since when, and who set it.
pub(super) fn conflict(volunteer: &Volunteer) -> ApiError {
    ApiError::from(&VOLUNTEER_STATE_CONFLICT)
        .member("state", volunteer.status)
        .member("since", volunteer.status_since)
        .member("by", volunteer.status_by)
}

/// Checks what goes with the decision; returns since when it holds.
async fn check(
    conn: &mut Conn,
    action: VolunteerAction,
    step: &Step,
    letter: Option<&Letter>,
    volunteer: &Volunteer,
    today: NaiveDate,
) -> ApiResult<NaiveDate> {
    if let Some(letter) = letter
        && letter.date > today
    {
        let fault = Fault::new("in_the_future", "belum tiba", "has not come yet");
        return Err(ApiError::rule("/sk_date", fault));
    }
    // A letter may be older than the day on which its steps were typed in.
    let effective_on = step.effective_on.or(letter.map(|letter| letter.date)).unwrap_or(today);
    let previous = if letter.is_some() { NaiveDate::MIN } else { volunteer.effective_on };
    check_effective(effective_on, previous, today)?;
    if let Some(reason) = &step.reason {
        let known = codes::valid(conn, "volunteer-reasons", std::slice::from_ref(reason), today).await?;
        let fits =
            known.into_iter().find(|code| code.group_code.as_deref().is_none_or(|group| group == action.as_str()));
        let code = fits.ok_or_else(|| ApiError::rule("/reason", UNKNOWN_CODE))?;
        if code.needs_text && step.note.is_none() {
            let fault = Fault::new("required", "alasan ini perlu penjelasan", "this reason needs an explanation");
            return Err(ApiError::rule("/note", fault));
        }
    }
    Ok(effective_on)
}

/// The facts that go with a status.
fn move_to(volunteer: &mut Volunteer, to: VolunteerStatus, letter: Option<Letter>) {
    volunteer.ended_from = to.has_ended().then_some(volunteer.status);
    volunteer.status = to;
    if let Some(letter) = letter {
        volunteer.sk_number = Some(letter.number);
        volunteer.sk_date = Some(letter.date);
        volunteer.sk_official = Some(letter.official);
    }
}

/// Verify a candidate
///
/// Candidate → verified: documents and requirements are checked.
#[utoipa::path(tag = "volunteers", security(("oauth2" = ["volunteers:write"])),
    params(("id" = VolunteerId, Path, description = "Id of the volunteer."), IdempotencyHeader, IfMatchHeader), request_body = Step,
    responses((status = 200, body = VolunteerView, description = "Verified.")))]
#[post("/v1/volunteers/{id}/verify")]
pub async fn verify_volunteer(
    permit: Permit<DecideVolunteers>,
    id: PathId<VolunteerId>,
    version: IfMatch,
    keyed: Keyed<Step>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let (caller, action) = (permit.caller(), VolunteerAction::Verify);
    decide(
        Decision { caller, app: app.0, id: id.0, version, key: keyed.key, action, step: keyed.body, letter: None },
        db,
    )
    .await
}

/// Select a volunteer
///
/// Verified → selected.
#[utoipa::path(tag = "volunteers", security(("oauth2" = ["volunteers:write"])),
    params(("id" = VolunteerId, Path, description = "Id of the volunteer."), IdempotencyHeader, IfMatchHeader), request_body = Step,
    responses((status = 200, body = VolunteerView, description = "Selected.")))]
#[post("/v1/volunteers/{id}/select")]
pub async fn select_volunteer(
    permit: Permit<DecideVolunteers>,
    id: PathId<VolunteerId>,
    version: IfMatch,
    keyed: Keyed<Step>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let (caller, action) = (permit.caller(), VolunteerAction::Select);
    decide(
        Decision { caller, app: app.0, id: id.0, version, key: keyed.key, action, step: keyed.body, letter: None },
        db,
    )
    .await
}

/// Activate a volunteer
///
/// Selected → active, by the appointment letter.
#[utoipa::path(tag = "volunteers", security(("oauth2" = ["volunteers:write"])),
    params(("id" = VolunteerId, Path, description = "Id of the volunteer."), IdempotencyHeader, IfMatchHeader), request_body = Appointment,
    responses((status = 200, body = VolunteerView, description = "Active.")))]
#[post("/v1/volunteers/{id}/activate")]
pub async fn activate_volunteer(
    permit: Permit<DecideVolunteers>,
    id: PathId<VolunteerId>,
    version: IfMatch,
    keyed: Keyed<Appointment>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let Appointment { sk_number, sk_date, sk_official, effective_on, note } = keyed.body;
    let step = Step { effective_on, reason: None, note };
    let letter =
        Letter { number: sk_number.as_str().to_owned(), date: sk_date, official: sk_official.as_str().to_owned() };
    let (caller, action) = (permit.caller(), VolunteerAction::Activate);
    decide(Decision { caller, app: app.0, id: id.0, version, key: keyed.key, action, step, letter: Some(letter) }, db)
        .await
}

/// Deactivate a volunteer
///
/// Active → inactive: not at work for a time.
#[utoipa::path(tag = "volunteers", security(("oauth2" = ["volunteers:write"])),
    params(("id" = VolunteerId, Path, description = "Id of the volunteer."), IdempotencyHeader, IfMatchHeader), request_body = ReasonedStep,
    responses((status = 200, body = VolunteerView, description = "Inactive.")))]
#[post("/v1/volunteers/{id}/deactivate")]
pub async fn deactivate_volunteer(
    permit: Permit<DecideVolunteers>,
    id: PathId<VolunteerId>,
    version: IfMatch,
    keyed: Keyed<ReasonedStep>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let (caller, action) = (permit.caller(), VolunteerAction::Deactivate);
    decide(
        Decision {
            caller,
            app: app.0,
            id: id.0,
            version,
            key: keyed.key,
            action,
            step: keyed.body.into(),
            letter: None,
        },
        db,
    )
    .await
}

/// Reactivate a volunteer
///
/// Inactive → active.
#[utoipa::path(tag = "volunteers", security(("oauth2" = ["volunteers:write"])),
    params(("id" = VolunteerId, Path, description = "Id of the volunteer."), IdempotencyHeader, IfMatchHeader), request_body = Step,
    responses((status = 200, body = VolunteerView, description = "Active again.")))]
#[post("/v1/volunteers/{id}/reactivate")]
pub async fn reactivate_volunteer(
    permit: Permit<DecideVolunteers>,
    id: PathId<VolunteerId>,
    version: IfMatch,
    keyed: Keyed<Step>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let (caller, action) = (permit.caller(), VolunteerAction::Reactivate);
    decide(
        Decision { caller, app: app.0, id: id.0, version, key: keyed.key, action, step: keyed.body, letter: None },
        db,
    )
    .await
}

/// Reject a candidate
///
/// Candidate, verified or selected → rejected.
#[utoipa::path(tag = "volunteers", security(("oauth2" = ["volunteers:write"])),
    params(("id" = VolunteerId, Path, description = "Id of the volunteer."), IdempotencyHeader, IfMatchHeader), request_body = ReasonedStep,
    responses((status = 200, body = VolunteerView, description = "Rejected.")))]
#[post("/v1/volunteers/{id}/reject")]
pub async fn reject_volunteer(
    permit: Permit<DecideVolunteers>,
    id: PathId<VolunteerId>,
    version: IfMatch,
    keyed: Keyed<ReasonedStep>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let (caller, action) = (permit.caller(), VolunteerAction::Reject);
    decide(
        Decision {
            caller,
            app: app.0,
            id: id.0,
            version,
            key: keyed.key,
            action,
            step: keyed.body.into(),
            letter: None,
        },
        db,
    )
    .await
}

/// Record a resignation
///
/// Active or inactive → resigned. The phones of the volunteer are disabled.
#[utoipa::path(tag = "volunteers", security(("oauth2" = ["volunteers:write"])),
    params(("id" = VolunteerId, Path, description = "Id of the volunteer."), IdempotencyHeader, IfMatchHeader), request_body = ReasonedStep,
    responses((status = 200, body = VolunteerView, description = "Resigned.")))]
#[post("/v1/volunteers/{id}/resign")]
pub async fn resign_volunteer(
    permit: Permit<DecideVolunteers>,
    id: PathId<VolunteerId>,
    version: IfMatch,
    keyed: Keyed<ReasonedStep>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let (caller, action) = (permit.caller(), VolunteerAction::Resign);
    decide(
        Decision {
            caller,
            app: app.0,
            id: id.0,
            version,
            key: keyed.key,
            action,
            step: keyed.body.into(),
            letter: None,
        },
        db,
    )
    .await
}

/// Dismiss a volunteer
///
/// Active or inactive → dismissed. The phones of the volunteer are disabled.
#[utoipa::path(tag = "volunteers", security(("oauth2" = ["volunteers:write"])),
    params(("id" = VolunteerId, Path, description = "Id of the volunteer."), IdempotencyHeader, IfMatchHeader), request_body = ReasonedStep,
    responses((status = 200, body = VolunteerView, description = "Dismissed.")))]
#[post("/v1/volunteers/{id}/dismiss")]
pub async fn dismiss_volunteer(
    permit: Permit<DecideVolunteers>,
    id: PathId<VolunteerId>,
    version: IfMatch,
    keyed: Keyed<ReasonedStep>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let (caller, action) = (permit.caller(), VolunteerAction::Dismiss);
    decide(
        Decision {
            caller,
            app: app.0,
            id: id.0,
            version,
            key: keyed.key,
            action,
            step: keyed.body.into(),
            letter: None,
        },
        db,
    )
    .await
}

/// Declare a volunteer deceased
///
/// Active or inactive → deceased, on the day of death. The phones of the volunteer are disabled.
#[utoipa::path(tag = "volunteers", security(("oauth2" = ["volunteers:write"])),
    params(("id" = VolunteerId, Path, description = "Id of the volunteer."), IdempotencyHeader, IfMatchHeader), request_body = Step,
    responses((status = 200, body = VolunteerView, description = "Deceased.")))]
#[post("/v1/volunteers/{id}/declare-deceased")]
pub async fn declare_volunteer_deceased(
    permit: Permit<DecideVolunteers>,
    id: PathId<VolunteerId>,
    version: IfMatch,
    keyed: Keyed<Step>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let (caller, action) = (permit.caller(), VolunteerAction::DeclareDeceased);
    decide(
        Decision { caller, app: app.0, id: id.0, version, key: keyed.key, action, step: keyed.body, letter: None },
        db,
    )
    .await
}

/// Take a volunteer in again
///
/// Resigned or rejected → candidate: same record, same NIK.
#[utoipa::path(tag = "volunteers", security(("oauth2" = ["volunteers:write"])),
    params(("id" = VolunteerId, Path, description = "Id of the volunteer."), IdempotencyHeader, IfMatchHeader), request_body = Step,
    responses((status = 200, body = VolunteerView, description = "Candidate again.")))]
#[post("/v1/volunteers/{id}/reapply")]
pub async fn reapply_volunteer(
    permit: Permit<DecideVolunteers>,
    id: PathId<VolunteerId>,
    version: IfMatch,
    keyed: Keyed<Step>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let (caller, action) = (permit.caller(), VolunteerAction::Reapply);
    decide(
        Decision { caller, app: app.0, id: id.0, version, key: keyed.key, action, step: keyed.body, letter: None },
        db,
    )
    .await
}

/// Correct an end that was recorded by mistake
///
/// Undoes the last resignation, dismissal or death: back to what was before. A phone has to be registered anew.
#[utoipa::path(tag = "volunteers", security(("oauth2" = ["volunteers:write"])),
    params(("id" = VolunteerId, Path, description = "Id of the volunteer."), IdempotencyHeader, IfMatchHeader), request_body = ReasonedStep,
    responses((status = 200, body = VolunteerView, description = "As before.")))]
#[post("/v1/volunteers/{id}/correct")]
pub async fn correct_volunteer(
    permit: Permit<DecideVolunteers>,
    id: PathId<VolunteerId>,
    version: IfMatch,
    keyed: Keyed<ReasonedStep>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let (caller, action) = (permit.caller(), VolunteerAction::Correct);
    decide(
        Decision {
            caller,
            app: app.0,
            id: id.0,
            version,
            key: keyed.key,
            action,
            step: keyed.body.into(),
            letter: None,
        },
        db,
    )
    .await
}

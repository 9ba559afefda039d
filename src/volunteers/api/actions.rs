//! The routes of decisions on a volunteer's status, and what each carries.
use super::VolunteerView;
use super::decide::{Decision, Step, decide};
use crate::access::api::Permit;
use crate::access::rules::{DecideVolunteers, VolunteerId};
use crate::codes::rules::Code;
use crate::platform::answer::Answer;
use crate::platform::app::Shared;
use crate::platform::db::Db;
use crate::platform::error::ApiResult;
use crate::platform::input::{IfMatch, Keyed, PathId};
use crate::platform::moment::Day;
use crate::platform::openapi::{IdempotencyHeader, IfMatchHeader};
use crate::platform::text::{Line, Text};
use crate::volunteers::rules::{Letter, VolunteerAction};
use actix_web::post;
use serde::Deserialize;
use utoipa::ToSchema;

/// A decision that needs a reason.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReasonedStep {
    /// Code of the list `volunteer-reasons`; `other` needs a note.
    reason: Code,
    /// Since when it holds; today if absent.
    effective_on: Option<Day>,
    note: Option<Text<2000>>,
}

/// The letter (surat keputusan) by which a volunteer is appointed.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Appointment {
    #[schema(example = "460/123/DINSOS/2023")]
    sk_number: Line<100>,
    sk_date: Day,
    /// Who signed it.
    #[schema(example = "Bupati Mukomuko")]
    sk_official: Line<200>,
    /// Since when it holds; the date of the letter if absent.
    effective_on: Option<Day>,
    note: Option<Text<2000>>,
}

impl From<ReasonedStep> for Step {
    fn from(step: ReasonedStep) -> Self {
        Self { effective_on: step.effective_on, reason: Some(step.reason), note: step.note }
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
    let letter = Letter {
        number: sk_number.as_str().to_owned(),
        date: sk_date.date(),
        official: sk_official.as_str().to_owned(),
    };
    let (caller, action) = (permit.caller(), VolunteerAction::Activate);
    decide(Decision { caller, app: app.0, id: id.0, version, key: keyed.key, action, step, letter: Some(letter) }, db)
        .await
}

/// Deactivate a volunteer
///
/// Active → inactive: not at work for a time.
#[utoipa::path(tag = "volunteers", security(("oauth2" = ["volunteers:write"])),
    params(("id" = VolunteerId, Path, description = "Id of the volunteer."), IdempotencyHeader, IfMatchHeader),
    request_body(content = ReasonedStep, example = json!({ "reason": "illness" })),
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
    params(("id" = VolunteerId, Path, description = "Id of the volunteer."), IdempotencyHeader, IfMatchHeader),
    request_body(content = ReasonedStep, example = json!({ "reason": "requirements_not_met" })),
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
    params(("id" = VolunteerId, Path, description = "Id of the volunteer."), IdempotencyHeader, IfMatchHeader),
    request_body(content = ReasonedStep, example = json!({ "reason": "own_request" })),
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
    params(("id" = VolunteerId, Path, description = "Id of the volunteer."), IdempotencyHeader, IfMatchHeader),
    request_body(content = ReasonedStep, example = json!({ "reason": "misconduct" })),
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
    params(("id" = VolunteerId, Path, description = "Id of the volunteer."), IdempotencyHeader, IfMatchHeader),
    request_body(content = ReasonedStep, example = json!({ "reason": "entered_by_mistake" })),
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

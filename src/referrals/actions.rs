//! `POST /v1/referrals/{id}/{action}`: one operation per action, each with the data that it carries. What they have in
//! common is in [`super::moves`].
use super::forward::{NextTarget, check_targets};
use super::moves::{Act, Step, perform};
use super::rules::{ReferralAction, ReferralId};
use super::view::ReferralView;
use crate::access::api::Permit;
use crate::access::rules::{AgencyId, CorrectReferrals, HandleReferrals, TakeBackReferrals};
use crate::codes::rules::Code;
use crate::platform::answer::Answer;
use crate::platform::app::Shared;
use crate::platform::db::Db;
use crate::platform::error::ApiResult;
use crate::platform::input::{IfMatch, Keyed, NoBody, PathId};
use crate::platform::moment::{Day, Moment};
use crate::platform::nik::OwnNumber;
use crate::platform::openapi::{IdempotencyHeader, IfMatchHeader};
use crate::platform::text::Text;
use actix_web::post;
use serde::Deserialize;
use utoipa::ToSchema;

/// Words about the person: shown to who sees the person.
type Note = Text<2000>;

fn plain(note: Option<Note>) -> Option<String> {
    note.map(|note| note.as_str().to_owned())
}

/// The receiver knows of it.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AcknowledgeReferral {
    /// The receiver's own number of it; of one referral only, and none that names a person.
    partner_reference: Option<OwnNumber>,
}

/// The receiver takes it on.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptReferral {
    /// When it means to be done.
    due_on: Option<Day>,
    /// When the person is expected, with a zone.
    appointment_at: Option<Moment>,
    /// The receiver's own number of it; of one referral only, and none that names a person.
    partner_reference: Option<OwnNumber>,
    note: Option<Note>,
}

/// Why; the operation says of which list. `other` needs a note.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReferralReason {
    reason: Code,
    note: Option<Note>,
}

/// Where it goes next.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ForwardReferral {
    /// A source system that has not been asked yet.
    target_agency_id: AgencyId,
    /// Code of the list `services`; the same one, unless said otherwise.
    service: Option<Code>,
    /// Code of the list `forward-reasons`.
    reason: Code,
    note: Option<Note>,
    /// Others that have a part in the need too: each gets a referral of its own.
    #[serde(default)]
    #[schema(max_items = 4)]
    also: Vec<NextTarget>,
}

/// Why it waits.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HoldReferral {
    /// Code of the list `hold-reasons`.
    reason: Code,
    /// When to look again; in 14 days, unless said otherwise. It is due by then.
    review_on: Option<Day>,
    note: Option<Note>,
}

/// What is promised as it goes on.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Promise {
    /// When the receiver means to be done.
    due_on: Option<Day>,
    /// When the person is expected, with a zone.
    appointment_at: Option<Moment>,
}

impl Promise {
    /// With what is done.
    pub fn step(self, action: ReferralAction) -> Step {
        Step {
            due_on: self.due_on.map(Day::date),
            appointment_at: self.appointment_at.map(Moment::at),
            ..Step::new(action)
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CompleteReferral {
    /// Code of the list `referral-outcomes`.
    outcome: Code,
    /// When the person was served.
    served_on: Option<Day>,
    /// To the volunteer.
    note: Option<Note>,
}

impl From<AcknowledgeReferral> for Step {
    fn from(body: AcknowledgeReferral) -> Self {
        let reference = body.partner_reference.map(|number| number.as_str().to_owned());
        Self { partner_reference: reference, ..Self::new(ReferralAction::Acknowledge) }
    }
}

impl From<AcceptReferral> for Step {
    fn from(body: AcceptReferral) -> Self {
        Self {
            due_on: body.due_on.map(Day::date),
            appointment_at: body.appointment_at.map(Moment::at),
            partner_reference: body.partner_reference.map(|number| number.as_str().to_owned()),
            note: plain(body.note),
            ..Self::new(ReferralAction::Accept)
        }
    }
}

impl From<HoldReferral> for Step {
    fn from(body: HoldReferral) -> Self {
        Self {
            reason: Some(body.reason),
            review_on: body.review_on.map(Day::date),
            note: plain(body.note),
            ..Self::new(ReferralAction::Hold)
        }
    }
}

impl From<CompleteReferral> for Step {
    fn from(body: CompleteReferral) -> Self {
        Self {
            outcome: Some(body.outcome),
            served_on: body.served_on.map(Day::date),
            note: plain(body.note),
            ..Self::new(ReferralAction::Complete)
        }
    }
}

impl ReferralReason {
    /// Why it is declined.
    pub fn reject(self) -> Step {
        because(ReferralAction::Reject, self)
    }

    /// Why it is given up.
    pub fn fail(self) -> Step {
        because(ReferralAction::Fail, self)
    }
}

/// Acknowledge a referral
///
/// From `submitted`. The receiver may now find out whether the person is entitled.
#[utoipa::path(tag = "referrals", security(("oauth2" = ["referrals:handle"])),
    params(("id" = ReferralId, Path, description = "Id of the referral."), IdempotencyHeader, IfMatchHeader), request_body = AcknowledgeReferral,
    responses((status = 200, body = ReferralView, description = "Received.")))]
#[post("/v1/referrals/{id}/acknowledge")]
pub async fn acknowledge_referral(
    permit: Permit<HandleReferrals>,
    id: PathId<ReferralId>,
    version: IfMatch,
    sent: Keyed<AcknowledgeReferral>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let step = sent.body.into();
    perform(db, Act { caller: permit.caller(), app: app.0, id: id.0, version, key: sent.key, step }).await
}

/// Accept a referral
///
/// From `submitted` or `received`. The receiver sees the person from now on.
#[utoipa::path(tag = "referrals", security(("oauth2" = ["referrals:handle"])),
    params(("id" = ReferralId, Path, description = "Id of the referral."), IdempotencyHeader, IfMatchHeader), request_body = AcceptReferral,
    responses((status = 200, body = ReferralView, description = "Accepted.")))]
#[post("/v1/referrals/{id}/accept")]
pub async fn accept_referral(
    permit: Permit<HandleReferrals>,
    id: PathId<ReferralId>,
    version: IfMatch,
    sent: Keyed<AcceptReferral>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let step = sent.body.into();
    perform(db, Act { caller: permit.caller(), app: app.0, id: id.0, version, key: sent.key, step }).await
}

/// Reject a referral
///
/// From `submitted` or `received`, with a code of the list `decline-reasons`.
#[utoipa::path(tag = "referrals", security(("oauth2" = ["referrals:handle"])),
    params(("id" = ReferralId, Path, description = "Id of the referral."), IdempotencyHeader, IfMatchHeader), request_body = ReferralReason,
    responses((status = 200, body = ReferralView, description = "Rejected.")))]
#[post("/v1/referrals/{id}/reject")]
pub async fn reject_referral(
    permit: Permit<HandleReferrals>,
    id: PathId<ReferralId>,
    version: IfMatch,
    sent: Keyed<ReferralReason>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let step = sent.body.reject();
    perform(db, Act { caller: permit.caller(), app: app.0, id: id.0, version, key: sent.key, step }).await
}

fn because(action: ReferralAction, body: ReferralReason) -> Step {
    Step { reason: Some(body.reason), note: plain(body.note), ..Step::new(action) }
}

/// Forward a referral
///
/// From `submitted`, `received` or `accepted`: this one ends, and the target (or several, named in `also`) gets the next
/// one of the same sender. A target must offer the service where the case is, and may not have been asked before.
#[utoipa::path(tag = "referrals", security(("oauth2" = ["referrals:handle"])),
    params(("id" = ReferralId, Path, description = "Id of the referral."), IdempotencyHeader, IfMatchHeader), request_body = ForwardReferral,
    responses((status = 200, body = ReferralView, description = "Forwarded: the referral that ended.")))]
#[post("/v1/referrals/{id}/forward")]
pub async fn forward_referral(
    permit: Permit<HandleReferrals>,
    id: PathId<ReferralId>,
    version: IfMatch,
    sent: Keyed<ForwardReferral>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let first = NextTarget { agency: sent.body.target_agency_id, service: sent.body.service };
    let targets: Vec<NextTarget> = std::iter::once(first).chain(sent.body.also).collect();
    check_targets(&targets)?;
    let step = Step {
        targets,
        reason: Some(sent.body.reason),
        note: plain(sent.body.note),
        ..Step::new(ReferralAction::Forward)
    };
    perform(db, Act { caller: permit.caller(), app: app.0, id: id.0, version, key: sent.key, step }).await
}

/// Start a referral
///
/// From `accepted`. A day or an appointment that is named here takes the place of what was promised before.
#[utoipa::path(tag = "referrals", security(("oauth2" = ["referrals:handle"])),
    params(("id" = ReferralId, Path, description = "Id of the referral."), IdempotencyHeader, IfMatchHeader), request_body = Promise,
    responses((status = 200, body = ReferralView, description = "At work.")))]
#[post("/v1/referrals/{id}/start")]
pub async fn start_referral(
    permit: Permit<HandleReferrals>,
    id: PathId<ReferralId>,
    version: IfMatch,
    sent: Keyed<Promise>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let step = sent.body.step(ReferralAction::Start);
    perform(db, Act { caller: permit.caller(), app: app.0, id: id.0, version, key: sent.key, step }).await
}

/// Hold a referral
///
/// From `accepted` or `in_progress`, with a code of the list `hold-reasons`. What was promised, a day or an appointment, no longer holds.
#[utoipa::path(tag = "referrals", security(("oauth2" = ["referrals:handle"])),
    params(("id" = ReferralId, Path, description = "Id of the referral."), IdempotencyHeader, IfMatchHeader), request_body = HoldReferral,
    responses((status = 200, body = ReferralView, description = "On hold.")))]
#[post("/v1/referrals/{id}/hold")]
pub async fn hold_referral(
    permit: Permit<HandleReferrals>,
    id: PathId<ReferralId>,
    version: IfMatch,
    sent: Keyed<HoldReferral>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let step = sent.body.into();
    perform(db, Act { caller: permit.caller(), app: app.0, id: id.0, version, key: sent.key, step }).await
}

/// Resume a referral
///
/// From `on_hold`, to the state in which it was held. The time for completing begins anew.
#[utoipa::path(tag = "referrals", security(("oauth2" = ["referrals:handle"])),
    params(("id" = ReferralId, Path, description = "Id of the referral."), IdempotencyHeader, IfMatchHeader), request_body = Promise,
    responses((status = 200, body = ReferralView, description = "As it was before.")))]
#[post("/v1/referrals/{id}/resume")]
pub async fn resume_referral(
    permit: Permit<HandleReferrals>,
    id: PathId<ReferralId>,
    version: IfMatch,
    sent: Keyed<Promise>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let step = sent.body.step(ReferralAction::Resume);
    perform(db, Act { caller: permit.caller(), app: app.0, id: id.0, version, key: sent.key, step }).await
}

/// Complete a referral
///
/// From `accepted` or `in_progress`. The receiver sees no more than the header of it afterwards.
#[utoipa::path(tag = "referrals", security(("oauth2" = ["referrals:handle"])),
    params(("id" = ReferralId, Path, description = "Id of the referral."), IdempotencyHeader, IfMatchHeader), request_body = CompleteReferral,
    responses((status = 200, body = ReferralView, description = "Completed.")))]
#[post("/v1/referrals/{id}/complete")]
pub async fn complete_referral(
    permit: Permit<HandleReferrals>,
    id: PathId<ReferralId>,
    version: IfMatch,
    sent: Keyed<CompleteReferral>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let step = sent.body.into();
    perform(db, Act { caller: permit.caller(), app: app.0, id: id.0, version, key: sent.key, step }).await
}

/// Give a referral up
///
/// From `accepted`, `in_progress` or `on_hold`, with a code of the list `failure-reasons`.
#[utoipa::path(tag = "referrals", security(("oauth2" = ["referrals:handle"])),
    params(("id" = ReferralId, Path, description = "Id of the referral."), IdempotencyHeader, IfMatchHeader), request_body = ReferralReason,
    responses((status = 200, body = ReferralView, description = "Failed.")))]
#[post("/v1/referrals/{id}/fail")]
pub async fn fail_referral(
    permit: Permit<HandleReferrals>,
    id: PathId<ReferralId>,
    version: IfMatch,
    sent: Keyed<ReferralReason>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let step = sent.body.fail();
    perform(db, Act { caller: permit.caller(), app: app.0, id: id.0, version, key: sent.key, step }).await
}

/// Claim a referral
///
/// From `submitted` or `received`: for a service that several branches offer. Until it is released nobody else of the
/// receiver moves it.
#[utoipa::path(tag = "referrals", security(("oauth2" = ["referrals:handle"])),
    params(("id" = ReferralId, Path, description = "Id of the referral."), IdempotencyHeader, IfMatchHeader), request_body = NoBody,
    responses((status = 200, body = ReferralView, description = "Claimed.")))]
#[post("/v1/referrals/{id}/claim")]
pub async fn claim_referral(
    permit: Permit<HandleReferrals>,
    id: PathId<ReferralId>,
    version: IfMatch,
    sent: Keyed<NoBody>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let step = Step::new(ReferralAction::Claim);
    perform(db, Act { caller: permit.caller(), app: app.0, id: id.0, version, key: sent.key, step }).await
}

/// Release a referral
///
/// From `submitted` or `received`: any branch may claim it again.
#[utoipa::path(tag = "referrals", security(("oauth2" = ["referrals:handle"])),
    params(("id" = ReferralId, Path, description = "Id of the referral."), IdempotencyHeader, IfMatchHeader), request_body = NoBody,
    responses((status = 200, body = ReferralView, description = "Released.")))]
#[post("/v1/referrals/{id}/release")]
pub async fn release_referral(
    permit: Permit<HandleReferrals>,
    id: PathId<ReferralId>,
    version: IfMatch,
    sent: Keyed<NoBody>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let step = Step::new(ReferralAction::Release);
    perform(db, Act { caller: permit.caller(), app: app.0, id: id.0, version, key: sent.key, step }).await
}

/// Withdraw a referral
///
/// By its sender, from `submitted` or `received`, with a code of the list `withdrawal-reasons`.
#[utoipa::path(tag = "referrals", security(("oauth2" = ["referrals:send"])),
    params(("id" = ReferralId, Path, description = "Id of the referral."), IdempotencyHeader, IfMatchHeader), request_body = ReferralReason,
    responses((status = 200, body = ReferralView, description = "Withdrawn.")))]
#[post("/v1/referrals/{id}/withdraw")]
pub async fn withdraw_referral(
    permit: Permit<TakeBackReferrals>,
    id: PathId<ReferralId>,
    version: IfMatch,
    sent: Keyed<ReferralReason>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let step = because(ReferralAction::Withdraw, sent.body);
    perform(db, Act { caller: permit.caller(), app: app.0, id: id.0, version, key: sent.key, step }).await
}

/// Cancel a referral
///
/// By its sender, from `accepted`, `in_progress` or `on_hold`, with a code of the list `withdrawal-reasons`.
#[utoipa::path(tag = "referrals", security(("oauth2" = ["referrals:send"])),
    params(("id" = ReferralId, Path, description = "Id of the referral."), IdempotencyHeader, IfMatchHeader), request_body = ReferralReason,
    responses((status = 200, body = ReferralView, description = "Cancelled.")))]
#[post("/v1/referrals/{id}/cancel")]
pub async fn cancel_referral(
    permit: Permit<TakeBackReferrals>,
    id: PathId<ReferralId>,
    version: IfMatch,
    sent: Keyed<ReferralReason>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let step = because(ReferralAction::Cancel, sent.body);
    perform(db, Act { caller: permit.caller(), app: app.0, id: id.0, version, key: sent.key, step }).await
}

/// Correct the ending of a referral
///
/// By its receiver within seven days, from `rejected`, `completed` or `failed` to the state before, with a code of the
/// list `correction-reasons`. The case must be open and have no other open referral there.
#[utoipa::path(tag = "referrals", security(("oauth2" = ["referrals:correct"])),
    params(("id" = ReferralId, Path, description = "Id of the referral."), IdempotencyHeader, IfMatchHeader), request_body = ReferralReason,
    responses((status = 200, body = ReferralView, description = "As it was before it ended.")))]
#[post("/v1/referrals/{id}/correct")]
pub async fn correct_referral(
    permit: Permit<CorrectReferrals>,
    id: PathId<ReferralId>,
    version: IfMatch,
    sent: Keyed<ReferralReason>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let step = because(ReferralAction::Correct, sent.body);
    perform(db, Act { caller: permit.caller(), app: app.0, id: id.0, version, key: sent.key, step }).await
}

/// Mark a referral as entered in error
///
/// By its sender, with a code of the list `correction-reasons`: it should never have been. Receiver and volunteer lose
/// it, and it counts nowhere. One that was forwarded must have no open successor.
#[utoipa::path(tag = "referrals", security(("oauth2" = ["referrals:correct"])),
    params(("id" = ReferralId, Path, description = "Id of the referral."), IdempotencyHeader, IfMatchHeader), request_body = ReferralReason,
    responses((status = 200, body = ReferralView, description = "Entered in error.")))]
#[post("/v1/referrals/{id}/mark-error")]
pub async fn mark_error_referral(
    permit: Permit<CorrectReferrals>,
    id: PathId<ReferralId>,
    version: IfMatch,
    sent: Keyed<ReferralReason>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let step = because(ReferralAction::MarkError, sent.body);
    perform(db, Act { caller: permit.caller(), app: app.0, id: id.0, version, key: sent.key, step }).await
}

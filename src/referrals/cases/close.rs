//! Closing a case, with its referrals if asked, and opening it again.
use super::super::moves::{Mover, Step, apply, write_row};
use super::super::publish::publish;
use super::super::rules::{CORRECTION, ReferralAction, ReferralId, ReferralStatus};
use super::super::store::{self, Referral};
use crate::access::api::Permit;
use crate::access::rules::{Caller, DecideCases};
use crate::cases::api::{Act, CaseView, check_code, check_version, decided, make_change, replayed};
use crate::cases::rules::{CaseAction, CaseId, REFERRALS_OPEN, REOPENING_OVER, may_reopen};
use crate::cases::store::{self as cases, Case};
use crate::codes::rules::Code;
use crate::platform::answer::Answer;
use crate::platform::app::{App, Shared};
use crate::platform::db::{Conn, Db};
use crate::platform::error::{ApiError, ApiResult};
use crate::platform::idempotency::Attempt;
use crate::platform::input::{IfMatch, Keyed, PathId};
use crate::platform::openapi::{IdempotencyHeader, IfMatchHeader};
use crate::platform::text::Text;
use crate::regions::rules::TimeZone;
use actix_web::post;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::ToSchema;

/// How a case ended.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CloseCase {
    /// Code of the list `case-outcomes`.
    outcome: Code,
    /// Open referrals are withdrawn or cancelled with it, in their sender's name. Otherwise an open referral is a
    /// conflict.
    #[serde(default)]
    end_referrals: bool,
    note: Option<Text<2000>>,
}

/// Close a case
#[utoipa::path(tag = "cases", security(("oauth2" = ["cases:write"])),
    params(("id" = CaseId, Path, description = "Id of the case."), IdempotencyHeader, IfMatchHeader), request_body = CloseCase,
    responses((status = 200, body = CaseView, description = "Closed.")))]
#[post("/v1/cases/{id}/close")]
pub async fn close_case(
    permit: Permit<DecideCases>,
    id: PathId<CaseId>,
    version: IfMatch,
    close: Keyed<CloseCase>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let (caller, app) = (permit.caller(), app.0);
    db.write(async move |c| {
        let ticket = match close.key.begin(c, &app, caller.identity()).await? {
            Attempt::Replay(replay) => return replayed(c, &app, &caller, replay).await,
            Attempt::Fresh(ticket) => ticket,
        };
        let (before, now) = (cases::lock(c, &caller, id.0).await?, app.clock.now());
        let state = decided(&before, CaseAction::Close)?;
        let open = store::lock_open(c, before.id).await?;
        if !open.is_empty() && !close.body.end_referrals {
            let ids: Vec<ReferralId> = open.iter().map(|referral| referral.id).collect();
            return Err(ApiError::from(&REFERRALS_OPEN).member("referral_ids", ids));
        }
        check_version(&before, version)?;
        let day = TimeZone::of(&before.village_code).day(now);
        check_code(c, "case-outcomes", &close.body.outcome, true, "/outcome", day).await?;
        for referral in &open {
            take_back(c, &app, &caller, referral, "case_closed").await?;
        }
        let after = Case {
            state,
            outcome: Some(close.body.outcome.clone()),
            closed_at: Some(now),
            state_since: now,
            state_agency_id: caller.agency,
            ..before.clone()
        };
        let note = close.body.note.as_ref().map(|note| note.as_str().to_owned());
        let act = Act { action: CaseAction::Close, reason: Some(close.body.outcome), note };
        let answer = make_change(c, &app, &caller, &before, &after, (act, now), ticket).await?;
        tell_ended(c, after.id, now).await?;
        Ok(answer)
    })
    .await
}

/// Ends an open referral, in its sender's name, because its case ends or must rest.
pub(super) async fn take_back(
    conn: &mut Conn,
    app: &App,
    caller: &Caller,
    referral: &Referral,
    why: &str,
) -> ApiResult<()> {
    let (action, to) = if referral.status.is_unanswered() {
        (ReferralAction::Withdraw, ReferralStatus::Withdrawn)
    } else {
        (ReferralAction::Cancel, ReferralStatus::Cancelled)
    };
    let reason = Code::try_from(why.to_owned()).map_err(|fault| ApiError::internal(fault.code))?;
    let step = Step { reason: Some(reason), ..Step::new(action) };
    let mut after = referral.clone();
    apply(&mut after, to, &step, Some(referral.sender_agency_id), app.clock.now());
    let mover = Mover::Sender(caller, referral.sender_agency_id);
    write_row(conn, app, mover, referral, after, &step, (vec![], &[])).await.map(drop)
}

/// An ending may be corrected while the case is open: whoever sees a referral that ended these days is told that this has changed,
/// its receiver too.
async fn tell_ended(conn: &mut Conn, case: CaseId, now: DateTime<Utc>) -> ApiResult<()> {
    use ReferralStatus as S;
    for ended in store::lock_all(conn, case).await? {
        let correctable = matches!(ended.status, S::Rejected | S::Completed | S::Failed);
        if correctable && now - ended.status_since <= CORRECTION {
            publish(conn, Some(&ended), &ended, now).await?;
        }
    }
    Ok(())
}

/// Why a case is open again.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReopenCase {
    /// Code of the list `reopen-reasons`.
    reason: Code,
    note: Option<Text<2000>>,
}

/// Reopen a case
///
/// Within 90 days after it was closed.
#[utoipa::path(tag = "cases", security(("oauth2" = ["cases:write"])),
    params(("id" = CaseId, Path, description = "Id of the case."), IdempotencyHeader, IfMatchHeader), request_body = ReopenCase,
    responses((status = 200, body = CaseView, description = "Open again.")))]
#[post("/v1/cases/{id}/reopen")]
pub async fn reopen_case(
    permit: Permit<DecideCases>,
    id: PathId<CaseId>,
    version: IfMatch,
    reopen: Keyed<ReopenCase>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let (caller, app) = (permit.caller(), app.0);
    db.write(async move |c| {
        let ticket = match reopen.key.begin(c, &app, caller.identity()).await? {
            Attempt::Replay(replay) => return replayed(c, &app, &caller, replay).await,
            Attempt::Fresh(ticket) => ticket,
        };
        let (before, now) = (cases::lock(c, &caller, id.0).await?, app.clock.now());
        let state = decided(&before, CaseAction::Reopen)?;
        let closed_at = before.closed_at.unwrap_or(before.state_since);
        if !may_reopen(closed_at, now) {
            return Err(ApiError::from(&REOPENING_OVER).member("since", closed_at));
        }
        check_version(&before, version)?;
        let day = TimeZone::of(&before.village_code).day(now);
        let note = reopen.body.note.as_ref().map(|note| note.as_str().to_owned());
        check_code(c, "reopen-reasons", &reopen.body.reason, note.is_some(), "/reason", day).await?;
        let after = Case {
            state,
            outcome: None,
            closed_at: None,
            state_since: now,
            state_agency_id: caller.agency,
            ..before.clone()
        };
        let act = Act { action: CaseAction::Reopen, reason: Some(reopen.body.reason), note };
        let answer = make_change(c, &app, &caller, &before, &after, (act, now), ticket).await?;
        tell_ended(c, after.id, now).await?;
        Ok(answer)
    })
    .await
}

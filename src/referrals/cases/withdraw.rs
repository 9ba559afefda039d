//! A consent that is taken back, and given anew.
use super::super::store;
use super::close::take_back;
use super::follow;
use crate::access::api::Permit;
use crate::access::rules::{Caller, DecideCases};
use crate::cases::api::{Act, CaseView, check_version, decided, make_change, replayed, sees_person};
use crate::cases::consent::{self, Consent, NewConsent};
use crate::cases::rules::{CONSENT_NOT_THE_BASIS, CaseAction, CaseId, LawfulBasis};
use crate::cases::store::{self as cases, Case};
use crate::platform::answer::Answer;
use crate::platform::app::{App, Shared};
use crate::platform::db::{Conn, Db};
use crate::platform::error::{ApiError, ApiResult, FORBIDDEN, Fault};
use crate::platform::idempotency::{Attempt, Ticket};
use crate::platform::input::{IfMatch, Keyed, PathId};
use crate::platform::moment::Day;
use crate::platform::openapi::{IdempotencyHeader, IfMatchHeader};
use crate::platform::text::Text;
use crate::regions::rules::TimeZone;
use actix_web::post;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::ToSchema;

/// A consent is taken back. Nobody has to say why.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WithdrawConsent {
    /// The day on which it was said; today, unless told.
    on: Option<Day>,
    note: Option<Text<2000>>,
}

/// A consent is given anew.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RestoreConsent {
    /// Given on the day of the withdrawal or later.
    consent: NewConsent,
    note: Option<Text<2000>>,
}

/// Take back the consent of a case
///
/// Of an open or a closed case that is processed by consent. It is restricted from then on: open referrals are withdrawn or
/// cancelled in their sender's name with the reason `consent_withdrawn`; it can be neither changed, closed, reopened nor referred; the
/// person is shown to the reporter and the volunteer only, and masked to everybody else.
#[utoipa::path(tag = "cases", security(("oauth2" = ["cases:write"])),
    params(("id" = CaseId, Path, description = "Id of the case."), IdempotencyHeader, IfMatchHeader), request_body = WithdrawConsent,
    responses((status = 200, body = CaseView, description = "Restricted.")))]
#[post("/v1/cases/{id}/withdraw-consent")]
pub async fn withdraw_consent(
    permit: Permit<DecideCases>,
    id: PathId<CaseId>,
    version: IfMatch,
    withdraw: Keyed<WithdrawConsent>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let (caller, app) = (permit.caller(), app.0);
    db.write(async move |c| {
        let ticket = match withdraw.key.begin(c, &app, caller.identity()).await? {
            Attempt::Replay(replay) => return replayed(c, &app, &caller, replay).await,
            Attempt::Fresh(ticket) => ticket,
        };
        let (before, now) = (cases::lock(c, &caller, id.0).await?, app.clock.now());
        let state = decided(&before, CaseAction::WithdrawConsent)?;
        if before.lawful_basis != LawfulBasis::Consent {
            return Err(ApiError::from(&CONSENT_NOT_THE_BASIS).member("lawful_basis", before.lawful_basis));
        }
        check_version(&before, version)?;
        let today = TimeZone::of(&before.village_code).day(now);
        let on = withdraw.body.on.map_or(today, Day::date);
        if on > today || before.consent_on.is_some_and(|given| on < given) {
            let fault =
                Fault::new("date_impossible", "antara persetujuan dan hari ini", "between the consent and today");
            return Err(ApiError::rule("/on", fault));
        }
        for referral in &store::lock_open(c, before.id).await? {
            take_back(c, &app, &caller, referral, "consent_withdrawn").await?;
        }
        let after = Case { state, consent_withdrawn_on: Some(on), ..before.clone() };
        let note = withdraw.body.note.as_ref().map(|note| note.as_str().to_owned());
        let act = Act { action: CaseAction::WithdrawConsent, reason: None, note };
        moved(c, &app, &caller, &before, after, (act, now), ticket).await
    })
    .await
}

/// Note a new consent of a case
///
/// Of a restricted case, by who reported it or its volunteer: they see the person. It is open or closed again, as it was before. Its referrals stay ended; new ones may be sent.
#[utoipa::path(tag = "cases", security(("oauth2" = ["cases:write"])),
    params(("id" = CaseId, Path, description = "Id of the case."), IdempotencyHeader, IfMatchHeader), request_body = RestoreConsent,
    responses((status = 200, body = CaseView, description = "As before the withdrawal.")))]
#[post("/v1/cases/{id}/restore-consent")]
pub async fn restore_consent(
    permit: Permit<DecideCases>,
    id: PathId<CaseId>,
    version: IfMatch,
    restore: Keyed<RestoreConsent>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let (caller, app) = (permit.caller(), app.0);
    db.write(async move |c| {
        let ticket = match restore.key.begin(c, &app, caller.identity()).await? {
            Attempt::Replay(replay) => return replayed(c, &app, &caller, replay).await,
            Attempt::Fresh(ticket) => ticket,
        };
        let (before, now) = (cases::lock(c, &caller, id.0).await?, app.clock.now());
        if !sees_person(&caller, &before) {
            return Err(ApiError::from(&FORBIDDEN));
        }
        let state = decided(&before, CaseAction::RestoreConsent)?;
        check_version(&before, version)?;
        let today = TimeZone::of(&before.village_code).day(now);
        let person = cases::person(c, before.id).await?;
        let given = Consent::given(restore.body.consent, &person);
        consent::check(LawfulBasis::Consent, Some(&given), &person, today, today)?;
        if before.consent_withdrawn_on.is_some_and(|withdrawn| given.on() < withdrawn) {
            let fault =
                Fault::new("consent_too_old", "sebelum persetujuan ditarik", "before the consent was taken back");
            return Err(ApiError::rule("/consent/on", fault));
        }
        let mut after = Case { state, consent_withdrawn_on: None, ..before.clone() };
        consent::set(&mut after, Some(&given));
        let note = restore.body.note.as_ref().map(|note| note.as_str().to_owned());
        let act = Act { action: CaseAction::RestoreConsent, reason: None, note };
        moved(c, &app, &caller, &before, after, (act, now), ticket).await
    })
    .await
}

/// Writes the move with all that goes with it, its referrals' flag too; the answer.
async fn moved(
    conn: &mut Conn,
    app: &App,
    caller: &Caller,
    before: &Case,
    after: Case,
    (act, now): (Act, DateTime<Utc>),
    ticket: Ticket,
) -> ApiResult<Answer> {
    let after = Case { state_since: now, state_agency_id: caller.agency, ..after };
    let answer = make_change(conn, app, caller, before, &after, (act, now), ticket).await?;
    follow(conn, app, before, &after).await?;
    Ok(answer)
}

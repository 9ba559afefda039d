//! Certificates that are taken back, and those issued in the place of another.
use super::certify::{CertificateSignatory, CertificateView};
use super::{Reason, check_organiser};
use crate::access::api::Permit;
use crate::access::rules::{Caller, DecideTraining, SharedCaller};
use crate::codes::rules::Code;
use crate::platform::answer::Answer;
use crate::platform::app::{App, Shared};
use crate::platform::db::{Conn, Db};
use crate::platform::error::{ApiError, ApiResult, STALE};
use crate::platform::idempotency::{Attempt, RequestKey};
use crate::platform::input::{IfMatch, Keyed, PathId};
use crate::platform::openapi::{IdempotencyHeader, IfMatchHeader};
use crate::platform::text::Text;
use crate::regions::rules::TimeZone;
use crate::training::certify::{Paper, Replaced, end, issue};
use crate::training::rules::CERTIFICATE_STATE_CONFLICT;
use crate::training::rules::certificates::{CertificateId, CertificateState};
use crate::training::store::{self, Certificate};
use actix_web::post;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// Why a certificate is taken back.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    /// Code of the list `certificate-reasons`; `other` needs a note.
    reason: Code,
    /// No personal data.
    note: Option<Text<500>>,
}

/// Why another certificate is issued in the place of one, and what changes on it.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reissue {
    /// Code of the list `certificate-reasons`; `other` needs a note.
    reason: Code,
    /// No personal data.
    note: Option<Text<500>>,
    /// As before if absent.
    signatory: Option<CertificateSignatory>,
}

/// A certificate to be ended.
#[derive(Clone)]
struct Work {
    caller: SharedCaller,
    app: Arc<App>,
    id: CertificateId,
    version: IfMatch,
    key: RequestKey,
    reason: Code,
    note: Option<Text<500>>,
    to: End,
}

/// How a certificate ends.
#[derive(Clone)]
enum End {
    /// Nothing comes in its place.
    Revoked,
    /// Another one does, signed by somebody else if that is said.
    Replaced(Option<CertificateSignatory>),
}

/// Revoke a certificate
///
/// By the organiser, for good. Whoever checks its number is told at once; result and level stay as they are. A result that is
/// corrected or taken back revokes the certificate by itself.
#[utoipa::path(tag = "training", security(("oauth2" = ["training:write"])),
    params(("id" = CertificateId, Path, description = "Id of the certificate."), IdempotencyHeader, IfMatchHeader), request_body = Revocation,
    responses((status = 200, body = CertificateView, description = "Revoked.")))]
#[post("/v1/training-certificates/{id}/revoke")]
pub async fn revoke_certificate(
    permit: Permit<DecideTraining>,
    id: PathId<CertificateId>,
    version: IfMatch,
    keyed: Keyed<Revocation>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let Revocation { reason, note } = keyed.body;
    let (caller, app) = (permit.caller(), app.0.clone());
    let work = Work { caller, app, id: id.0, version, key: keyed.key, reason, note, to: End::Revoked };
    db.write(async move |c| change(c, work).await).await
}

/// Issue a certificate anew
///
/// By the organiser, for example with a name that was corrected: one with a number of its own takes its place and the old one
/// holds no more, at the same moment. The day on it is today; it holds as long as the old one would have. One that has expired is not
/// issued anew (`certificate_state_conflict`).
#[utoipa::path(tag = "training", security(("oauth2" = ["training:write"])),
    params(("id" = CertificateId, Path, description = "Id of the certificate."), IdempotencyHeader, IfMatchHeader), request_body = Reissue,
    responses((status = 201, body = CertificateView, description = "The new one.")))]
#[post("/v1/training-certificates/{id}/reissue")]
pub async fn reissue_certificate(
    permit: Permit<DecideTraining>,
    id: PathId<CertificateId>,
    version: IfMatch,
    keyed: Keyed<Reissue>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let Reissue { reason, note, signatory } = keyed.body;
    let (caller, app) = (permit.caller(), app.0.clone());
    let work = Work { caller, app, id: id.0, version, key: keyed.key, reason, note, to: End::Replaced(signatory) };
    db.write(async move |c| change(c, work).await).await
}

async fn change(conn: &mut Conn, work: Work) -> ApiResult<Answer> {
    let Work { caller, app, id, version, key, reason, note, to } = work;
    let ticket = match key.begin(conn, &app, caller.identity()).await? {
        Attempt::Replay(kept) => {
            let kept_id = CertificateId(kept.subjects.first().copied().unwrap_or_default());
            store::find_certificate(&mut &*conn, &caller, kept_id).await?;
            return Ok(kept.answer);
        }
        Attempt::Fresh(ticket) => ticket,
    };
    let seen = store::find_certificate(&mut &*conn, &caller, id).await?;
    // The event before the seat and the certificate, as everyone who holds them.
    let event = store::lock_of_enrolment(conn, seen.event_id).await?;
    check_organiser(&caller, &event)?;
    // It may have become another row's, the same person's, before the event was held.
    let seen = store::find_certificate(&mut &*conn, &caller, id).await?;
    let seat = store::lock_enrolments(conn, event.id, Some(&[seen.volunteer_id])).await?.pop();
    let seat = seat.ok_or_else(ApiError::not_found)?;
    let mut certificate = store::lock_certificate(conn, id).await?;
    if certificate.state != CertificateState::Valid {
        return Err(conflict(&certificate));
    }
    check_version(&certificate, version)?;
    let today = TimeZone::of(&event.region_code).day(app.clock.now());
    if matches!(to, End::Replaced(_)) && certificate.valid_until.is_some_and(|last| last < today) {
        return Err(conflict(&certificate).member("valid_until", certificate.valid_until));
    }
    let given = Reason { code: &reason, explained: note.is_some() };
    let (action, state) = match to {
        End::Revoked => ("revoke", CertificateState::Revoked),
        End::Replaced(_) => ("reissue", CertificateState::Replaced),
    };
    given.check(conn, "certificate-reasons", Some(action), today, ("/reason", "/note")).await?;
    let note = note.map(|note| note.as_str().to_owned());
    let replaced = Replaced {
        id: certificate.id,
        valid_until: certificate.valid_until,
        reason: reason.clone(),
        note: note.clone(),
    };
    end(conn, &app, &caller, &event, &seat, &mut certificate, (state, reason, note)).await?;
    let shown = if let End::Replaced(signatory) = to {
        let new = signatory.map(|who| (who.name.as_str().to_owned(), who.position.as_str().to_owned()));
        let (name, position) =
            new.map_or((certificate.signatory_name, certificate.signatory_position), |(n, p)| (Some(n), Some(p)));
        let paper = Paper {
            issued_on: today,
            earlier_number: certificate.earlier_number,
            signatory_name: name,
            signatory_position: position,
            replaces: Some(replaced),
        };
        issue(conn, &app, &caller, &event, &seat, paper).await?.id
    } else {
        certificate.id
    };
    let answer = answer(conn, &app, &caller, (id, shown)).await?;
    ticket.keep(conn, answer, &[shown.0]).await
}

/// What came of it: the certificate that ended, or the one in its place.
async fn answer(
    conn: &mut Conn,
    app: &App,
    caller: &Caller,
    (ended, shown): (CertificateId, CertificateId),
) -> ApiResult<Answer> {
    let row = store::find_certificate(&mut &*conn, caller, shown).await?;
    let version = row.certificate.version;
    let location = format!("{}/v1/training-certificates/{shown}", app.settings.public_url);
    let view = CertificateView::of(app, row, false);
    if shown == ended { Answer::row(&view, version) } else { Answer::created(&view, version, location) }
}

fn check_version(certificate: &Certificate, sent: IfMatch) -> ApiResult<()> {
    if certificate.version == sent.0 {
        return Ok(());
    }
    Err(ApiError::from(&STALE)
        .member("version", certificate.version)
        .member("updated_at", certificate.state_since)
        .member("updated_by", certificate.state_by))
}

/// What stands in the way: that it holds no more, since when, and who said so.
pub(super) fn conflict(certificate: &Certificate) -> ApiError {
    ApiError::from(&CERTIFICATE_STATE_CONFLICT)
        .member("state", certificate.state)
        .member("since", certificate.state_since)
        .member("by", certificate.state_by)
}

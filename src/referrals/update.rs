//! `PATCH /v1/referrals/{id}`: its sender completes what it told.
use super::create::form_of;
use super::details::{NewEligibility, Values};
use super::moves::{check_version, conflict};
use super::publish::publish;
use super::rules::{NOT_A_PARTY, Party, ReferralId};
use super::store::history::{self, ReferralEvent};
use super::store::{self, Scene};
use super::view::{ReferralView, persons};
use crate::access::api::Permit;
use crate::access::rules::{Caller, SendReferrals};
use crate::audit::{rules::Event, store as audit};
use crate::platform::answer::Answer;
use crate::platform::app::{App, Shared};
use crate::platform::db::{Conn, Db};
use crate::platform::error::{ApiError, ApiResult};
use crate::platform::input::{Body, IfMatch, PathId, set, set_or_clear};
use crate::platform::openapi::IfMatchHeader;
use actix_web::patch;
use serde::Deserialize;
use utoipa::ToSchema;

/// A change of what a referral tells (RFC 7396): what is absent stays.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::option_option, reason = "absent, null and a value are three things")]
pub struct ReferralPatch {
    /// Values of the fields of the service's form; null takes one out.
    #[serde(default, deserialize_with = "set")]
    #[schema(nullable = false, value_type = Object)]
    fields: Option<Values>,
    /// What is known of the person's eligibility.
    #[serde(default, deserialize_with = "set_or_clear")]
    #[schema(value_type = Option<NewEligibility>)]
    eligibility: Option<Option<NewEligibility>>,
}

/// In the history; no move, so that it is none of [`super::rules::ReferralAction`].
const UPDATE: &str = "update";

/// Complete a referral
///
/// Its sender puts in what the service's form asks for and was not known yet (`fields_missing`), or corrects it, until the referral has
/// ended. Both sides are told.
#[utoipa::path(tag = "referrals", security(("oauth2" = ["referrals:send"])), params(("id" = ReferralId, Path, description = "Id of the referral."), IfMatchHeader),
    request_body(content = ReferralPatch, content_type = "application/merge-patch+json"),
    responses((status = 200, body = ReferralView, description = "Changed.")))]
#[patch("/v1/referrals/{id}")]
pub async fn update_referral(
    permit: Permit<SendReferrals>,
    id: PathId<ReferralId>,
    version: IfMatch,
    patch: Body<ReferralPatch>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let (caller, app, patch) = (permit.caller(), app.0, patch.0);
    db.write(async move |c| {
        store::lock(c, &caller, id.0).await?;
        let scene = store::find(&mut &*c, &caller, id.0).await?;
        let party = Party::of(&caller, scene.referral.sides());
        if !party.sender {
            return Err(ApiError::from(&NOT_A_PARTY));
        }
        if !scene.referral.status.is_open() {
            return Err(conflict(&scene.referral));
        }
        check_version(&scene.referral, version)?;
        save(c, &app, &caller, scene, patch).await?;
        let scene = store::find(&mut &*c, &caller, id.0).await?;
        let version = scene.referral.version;
        Answer::row(&ReferralView::of(&caller, scene, &app.keys, app.clock.now())?, version)
    })
    .await
}

async fn save(conn: &mut Conn, app: &App, caller: &Caller, scene: Scene, patch: ReferralPatch) -> ApiResult<()> {
    let (before, now) = (&scene.referral, app.clock.now());
    let mut details = scene.details(&app.keys)?;
    let form = form_of(conn, before.receiver_agency_id, &before.service).await?;
    details.fill(form.as_ref(), &patch.fields.unwrap_or_default().0, "/fields")?;
    if let Some(found) = patch.eligibility {
        details.note(found, "/eligibility", now)?;
    }
    // Also if nothing is left of what was told: it would stay told.
    if scene.is_told() || !details.is_empty() {
        store::details::save(conn, before.id, &details.seal(&app.keys, before.id)?).await?;
    }
    let after = store::save(conn, before, now).await?;
    let line = ReferralEvent {
        from_status: Some(before.status),
        agency_id: Some(caller.agency),
        ..ReferralEvent::of(app.clock.new_id(), &after, UPDATE).by(caller)
    };
    history::add(conn, &line, None).await?;
    let event = Event::by(caller, "referral.update", app.clock.new_id(), now).subject("referral", before.id);
    let (people, fields) = persons(caller, &after, &scene);
    audit::record(conn, &event.persons(people, fields).region(&after.village_code)).await?;
    publish(conn, Some(before), &after, now).await
}

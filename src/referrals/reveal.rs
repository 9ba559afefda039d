//! Showing the numbers of people in full: of one referral, or of a worklist at once. Recorded before they are sent.
use super::moves::conflict;
use super::rules::{PURPOSE_NOT_ALLOWED, PersonSight, ReferralId};
use super::store::{self, Scene};
use super::view::sight;
use crate::access::api::{Permit, spend_many};
use crate::access::rules::{Budget, Caller, RevealIdentity, RevealMany, RevealPurpose};
use crate::audit::{rules::Event, store::Recorder};
use crate::cases::api::RevealCase;
use crate::cases::person::{IdentityView, REVEALED_FIELDS};
use crate::platform::answer::Answer;
use crate::platform::app::Shared;
use crate::platform::crypto::Keys;
use crate::platform::db::Db;
use crate::platform::error::{ApiError, ApiResult, Fault, NOT_FOUND, Problem};
use crate::platform::input::{Body, PathId};
use actix_web::{HttpRequest, post};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// At most so many at once.
pub const MOST: usize = 200;

/// Who the person of a referral is, in full.
#[derive(Serialize, ToSchema)]
pub struct ReferralIdentity {
    #[serde(flatten)]
    person: IdentityView,
    /// What names somebody in the fields of the service's form.
    #[schema(value_type = Object)]
    fields: Map<String, Value>,
}

impl ReferralIdentity {
    /// Decrypts. Record the access before it is sent.
    fn of(scene: &Scene, keys: &Keys) -> ApiResult<Self> {
        Ok(Self { person: IdentityView::of(&scene.person, keys)?, fields: scene.details(keys)?.revealed() })
    }
}

fn may_reveal(caller: &Caller, scene: &Scene, purpose: RevealPurpose) -> ApiResult<()> {
    match sight(caller, &scene.referral) {
        PersonSight::Open => Ok(()),
        PersonSight::Eligibility if purpose == RevealPurpose::Eligibility => Ok(()),
        PersonSight::Eligibility => Err(ApiError::from(&PURPOSE_NOT_ALLOWED)),
        PersonSight::Masked | PersonSight::Header => Err(conflict(&scene.referral)),
    }
}

/// Reveal the numbers of a referral's person
///
/// From `received` for the purpose `eligibility`, from `accepted` for any, until the referral ends. The access is
/// recorded with its purpose before they are sent.
#[utoipa::path(tag = "referrals", security(("oauth2" = ["identity:reveal"])), params(("id" = ReferralId, Path, description = "Id of the referral.")),
    request_body = RevealCase,
    responses((status = 200, body = ReferralIdentity, description = "The numbers."),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "Not in this state.")))]
#[post("/v1/referrals/{id}/reveal")]
pub async fn reveal_referral(
    caller: Permit<RevealIdentity>,
    id: PathId<ReferralId>,
    reveal: Body<RevealCase>,
    app: Shared,
    recorder: Recorder,
    db: Db,
) -> ApiResult<Answer> {
    let scene = db.read(async |c| store::find(c, &caller, id.0).await).await?;
    let purpose = reveal.0.purpose;
    may_reveal(&caller, &scene, purpose)?;
    let event = Event::by(&caller, "referral.reveal", app.clock.new_id(), app.clock.now())
        .subject("referral", id.0)
        .persons([scene.person.id], REVEALED_FIELDS)
        .region(&scene.referral.village_code)
        .purpose(purpose.as_str());
    recorder.record(event).await?;
    Answer::ok(&ReferralIdentity::of(&scene, &app.keys)?)
}

/// Whose numbers, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RevealReferrals {
    /// At least one.
    #[schema(min_items = 1, max_items = 200)]
    ids: Vec<ReferralId>,
    purpose: RevealPurpose,
}

/// The numbers of one of them, or why they are not shown.
#[derive(Serialize, ToSchema)]
pub struct RevealedReferral {
    id: ReferralId,
    #[schema(required)]
    identity: Option<ReferralIdentity>,
    /// Code of the refusal, as a reveal of this one alone would give it; null: shown.
    #[schema(required, example = "not_found")]
    code: Option<&'static str>,
}

/// The numbers, in the order asked for.
#[derive(Serialize, ToSchema)]
pub struct RevealedReferrals {
    items: Vec<RevealedReferral>,
}

/// Reveal the numbers of a worklist's people
///
/// At most 200 referrals; each is shown or refused by itself, as a reveal of it alone would be. One access record names all people
/// that are shown; each counts in the budget of reveals. Takes no `Idempotency-Key`: it changes nothing.
#[utoipa::path(tag = "referrals", security(("oauth2" = ["identity:reveal"])), request_body = RevealReferrals,
    responses((status = 200, body = RevealedReferrals, description = "The numbers.")))]
#[post("/v1/referrals/reveal")]
pub async fn reveal_referrals(
    caller: Permit<RevealMany>,
    reveal: Body<RevealReferrals>,
    req: HttpRequest,
    app: Shared,
    recorder: Recorder,
    db: Db,
) -> ApiResult<Answer> {
    let RevealReferrals { ids, purpose } = reveal.0;
    check_ids(&ids)?;
    let scenes = db.read(async |c| store::search::of_ids(c, &caller, &ids).await).await?;
    let mut refused: Vec<(ReferralId, &'static str)> = vec![];
    let mut shown: Vec<&Scene> = vec![];
    for scene in &scenes {
        match may_reveal(&caller, scene, purpose) {
            Ok(()) => shown.push(scene),
            Err(error) => refused.push((scene.referral.id, error.code().code)),
        }
    }
    if !shown.is_empty() {
        let uses = u32::try_from(shown.len()).unwrap_or(u32::MAX);
        spend_many(&req, &caller, Budget::Reveals, uses)?.map_err(too_many)?;
        let event =
            Event::by(&caller, "referral.reveal", app.clock.new_id(), app.clock.now()).purpose(purpose.as_str());
        let rows = shown.iter().map(|row| (row.referral.id.0, row.person.id, &row.referral.village_code));
        recorder.record(event.rows("referral", rows, REVEALED_FIELDS)).await?;
    }
    let mut items = vec![];
    for id in ids {
        let scene = shown.iter().find(|scene| scene.referral.id == id);
        let identity = scene.map(|scene| ReferralIdentity::of(scene, &app.keys)).transpose()?;
        let why = refused.iter().find(|(refused, _)| *refused == id).map(|(_, code)| *code);
        let code = if identity.is_some() { None } else { Some(why.unwrap_or(NOT_FOUND.code)) };
        items.push(RevealedReferral { id, identity, code });
    }
    Answer::ok(&RevealedReferrals { items })
}

fn check_ids(ids: &[ReferralId]) -> ApiResult<()> {
    if !(1..=MOST).contains(&ids.len()) {
        let fault = Fault::with("out_of_range", format!("1 sampai {MOST} id"), format!("1 to {MOST} ids"));
        return Err(ApiError::rule("/ids", fault));
    }
    match (1..ids.len()).find(|index| ids.iter().take(*index).any(|id| ids.get(*index) == Some(id))) {
        Some(index) => {
            let fault = Fault::new("named_twice", "id ini sudah disebut", "this id is named twice");
            Err(ApiError::rule(&format!("/ids/{index}"), fault))
        }
        None => Ok(()),
    }
}

fn too_many(most: u32) -> ApiError {
    let fault =
        Fault::with("too_many", format!("jatah paling banyak {most}"), format!("the budget holds {most} at most"));
    ApiError::rule("/ids", fault)
}

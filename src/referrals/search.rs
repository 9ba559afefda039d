//! Searching referrals by a personal number or the receiver's own one: these stand in a body, never in an address.
use super::rules::PersonSight;
use super::store::Scene;
use super::store::search::{self as store, By};
use super::view::{ReferralView, fields_of, sight};
use crate::access::api::Permit;
use crate::access::rules::{RevealPurpose, Scope, SearchReferrals};
use crate::audit::{rules::Event, store::Recorder};
use crate::cases::rules::CardNumber;
use crate::platform::answer::Answer;
use crate::platform::app::Shared;
use crate::platform::db::Db;
use crate::platform::error::{ApiError, ApiResult, Fault};
use crate::platform::input::Body;
use crate::platform::nik::Nik;
use crate::platform::text::Line;
use actix_web::post;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Found at most.
const MOST: usize = 50;

/// By what to search: exactly one of `nik`, `card_number` and `partner_reference`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReferralSearch {
    nik: Option<Nik>,
    card_number: Option<CardNumber>,
    /// The receiver's own number of a referral.
    partner_reference: Option<Line<100>>,
    purpose: RevealPurpose,
}

/// What was found.
#[derive(Serialize, ToSchema)]
pub struct FoundReferrals {
    /// Newest first, each as the list shows it; none if the caller sees none that answers.
    #[schema(max_items = 50)]
    items: Vec<ReferralView>,
    /// There are older ones.
    more: bool,
}

/// Search referrals
///
/// By NIK or BPJS card of the person, or as they stand in the fields of the service's form, or by the receiver's own number: exact, among those that the caller sees; by a
/// personal number only where it sees the person or is to decide of them (`referrals:handle`), so not what has ended for it nor what no branch has claimed. Recorded with its
/// purpose, and counted in the budget of searches. Takes no `Idempotency-Key`: it changes nothing.
#[utoipa::path(tag = "referrals", security(("oauth2" = ["referrals:read"])), request_body = ReferralSearch,
    responses((status = 200, body = FoundReferrals, description = "What was found.")))]
#[post("/v1/referrals/search")]
pub async fn search_referrals(
    caller: Permit<SearchReferrals>,
    search: Body<ReferralSearch>,
    app: Shared,
    recorder: Recorder,
    db: Db,
) -> ApiResult<Answer> {
    let search = search.0;
    let (by, word) = match (&search.nik, &search.card_number, &search.partner_reference) {
        (Some(nik), None, None) => (By::Nik(app.keys.blind_index("nik", nik.reveal())), "nik"),
        (None, Some(card), None) => (By::Card(app.keys.blind_index("card", card.reveal())), "card_number"),
        (None, None, Some(number)) => (By::Reference(number.as_str().to_owned()), "partner_reference"),
        _ => {
            let (id, en) = (
                "tepat satu dari nik, card_number dan partner_reference",
                "exactly one of nik, card_number and partner_reference",
            );
            return Err(ApiError::rule("", Fault::new("exactly_one", id, en)));
        }
    };
    let limit = i64::try_from(MOST).unwrap_or(i64::MAX) + 1;
    let mut rows = db.read(async |c| store::search(c, &caller, &by, limit).await).await?;
    if !matches!(by, By::Reference(_)) {
        // A number would tell of whom a header is, or what branches look at before one of them claims it.
        let decides = caller.scopes.has(Scope::ReferralsHandle);
        rows.retain(|row| match sight(&caller, &row.referral) {
            PersonSight::Open => true,
            PersonSight::Eligibility | PersonSight::Masked => decides && !row.referral.sides().in_pool(&caller),
            PersonSight::Header => false,
        });
    }
    let (more, now) = (rows.len() > MOST, app.clock.now());
    rows.truncate(MOST);
    let open: Vec<&Scene> = rows.iter().filter(|row| sight(&caller, &row.referral) == PersonSight::Open).collect();
    let found = rows.iter().map(|row| (row.referral.id.0, row.person.id, &row.referral.village_code));
    let event = Event::by(&caller, "referral.search", app.clock.new_id(), now).detail(word);
    let event = event.purpose(search.purpose.as_str()).rows(
        "referral",
        found,
        if open.is_empty() { &[] } else { fields_of(&open) },
    );
    recorder.record(event.regions(caller.sight.region())).await?;
    let items: ApiResult<Vec<_>> = rows.into_iter().map(|row| ReferralView::of(&caller, row, &app.keys, now)).collect();
    Answer::ok(&FoundReferrals { items: items?, more })
}

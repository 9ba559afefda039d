//! `POST /v1/referrals/batch`: many referrals acknowledged or answered at once, each by itself.
use super::actions::{AcceptReferral, AcknowledgeReferral, CompleteReferral, HoldReferral, Promise, ReferralReason};
use super::moves::{Step, move_one};
use super::rules::{ReferralAction, ReferralId, ReferralStatus};
use super::store;
use crate::access::api::Permit;
use crate::access::rules::{Caller, HandleReferrals};
use crate::platform::answer::Answer;
use crate::platform::app::{App, Shared};
use crate::platform::db::{Conn, Db};
use crate::platform::error::{ApiError, ApiResult, Fault, Place};
use crate::platform::idempotency::Attempt;
use crate::platform::input::{IfMatch, Keyed, NoBody};
use crate::platform::openapi::IdempotencyHeader;
use crate::platform::text::Line;
use actix_web::post;
use diesel_async::AsyncConnection;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::sync::Arc;
use utoipa::ToSchema;
use uuid::Uuid;

/// At most so many at once.
const MOST: usize = 200;

/// Referrals and what is done with each.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReferralBatch {
    #[schema(min_items = 1, max_items = 200)]
    items: Vec<BatchItem>,
}

/// One referral, named by exactly one of `id` and `partner_reference`, and exactly one act with the body of its own path.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchItem {
    id: Option<ReferralId>,
    /// Your own number of it, told before; one of a branch of yours, if you have none such.
    partner_reference: Option<Line<100>>,
    /// As `If-Match`: the version that the act is based on.
    version: IfMatch,
    acknowledge: Option<AcknowledgeReferral>,
    accept: Option<AcceptReferral>,
    reject: Option<ReferralReason>,
    start: Option<Promise>,
    hold: Option<HoldReferral>,
    resume: Option<Promise>,
    complete: Option<CompleteReferral>,
    fail: Option<ReferralReason>,
    claim: Option<NoBody>,
    release: Option<NoBody>,
}

impl BatchItem {
    /// The one act that it names.
    fn step(self) -> ApiResult<Step> {
        let steps = [
            self.acknowledge.map(Step::from),
            self.accept.map(Step::from),
            self.reject.map(ReferralReason::reject),
            self.start.map(|promise| promise.step(ReferralAction::Start)),
            self.hold.map(Step::from),
            self.resume.map(|promise| promise.step(ReferralAction::Resume)),
            self.complete.map(Step::from),
            self.fail.map(ReferralReason::fail),
            self.claim.map(|_| Step::new(ReferralAction::Claim)),
            self.release.map(|_| Step::new(ReferralAction::Release)),
        ];
        let mut named = steps.into_iter().flatten();
        match (named.next(), named.next()) {
            (Some(step), None) => Ok(Step { unseen: true, ..step }),
            _ => Err(ApiError::rule("", Fault::new("exactly_one", "tepat satu tindakan", "exactly one act"))),
        }
    }
}

/// What became of one item.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchResult {
    /// Its place in the request, from 0.
    index: usize,
    /// Null: it names no referral that the caller sees.
    #[schema(required)]
    id: Option<ReferralId>,
    /// As the act alone would have been answered: 200, or the status of its problem.
    #[schema(example = 200)]
    http_status: u16,
    /// Where it stands now; null: it was not moved.
    #[schema(required)]
    status: Option<ReferralStatus>,
    /// Its version now; null: it was not moved.
    #[schema(required)]
    version: Option<i32>,
    /// Code of the refusal; null: done.
    #[schema(required, example = "referral_state_conflict")]
    code: Option<&'static str>,
    /// What is wrong, place by place; pointers begin at the item.
    errors: Vec<BatchFault>,
    /// What the refusal tells beside: `state`, `since`, `by` of a conflict, `version` of what has changed.
    #[schema(value_type = Object)]
    told: Map<String, Value>,
}

/// Something wrong with one value.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchFault {
    /// JSON pointer (RFC 6901) into the item.
    #[schema(example = "/reject/reason")]
    pointer: String,
    #[schema(example = "unknown_code")]
    code: String,
}

/// What became of each item, in the order sent.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchResults {
    items: Vec<BatchResult>,
    /// How many were done.
    done: usize,
}

/// Move many referrals
///
/// Acknowledges or answers at most 200 at once. Each item is done or refused by itself, as if it had been sent alone; the answer
/// tells what became of each. One `Idempotency-Key` stands for all of them: sent again, nothing is done twice. A body that does not
/// parse, or that names a referral twice, is refused as a whole, with the place.
#[utoipa::path(tag = "referrals", security(("oauth2" = ["referrals:handle"])), params(IdempotencyHeader), request_body = ReferralBatch,
    responses((status = 200, body = BatchResults, description = "What became of each.")))]
#[post("/v1/referrals/batch")]
pub async fn move_referrals(
    permit: Permit<HandleReferrals>,
    sent: Keyed<ReferralBatch>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let (caller, app) = (permit.caller(), app.0);
    if !(1..=MOST).contains(&sent.body.items.len()) {
        let fault = Fault::with("out_of_range", format!("1 sampai {MOST}"), format!("1 to {MOST}"));
        return Err(ApiError::rule("/items", fault));
    }
    db.write(async move |c| {
        let ticket = match sent.key.begin(c, &app, caller.identity()).await? {
            // It tells what this client itself did, and nothing of anybody.
            Attempt::Replay(replay) => return Ok(replay.answer),
            Attempt::Fresh(ticket) => ticket,
        };
        let named = named(c, &caller, &sent.body.items).await?;
        let mut order: Vec<usize> = (0..sent.body.items.len()).collect();
        // One order for all who move several: nobody waits for the other.
        order.sort_by_key(|index| named.get(*index).copied().flatten().map(|id| id.0));
        let mut items = vec![];
        for index in order {
            let Some(item) = sent.body.items.get(index) else { continue };
            let id = named.get(index).copied().flatten();
            items.push(one(c, &app, &caller, (index, id), item.clone()).await?);
        }
        items.sort_by_key(|result| result.index);
        let ids: Vec<Uuid> = items.iter().filter_map(|item| item.id).map(Uuid::from).collect();
        let done = items.iter().filter(|item| item.code.is_none()).count();
        ticket.keep(c, Answer::ok(&BatchResults { items, done })?, &ids).await
    })
    .await
}

/// Which referral each item names; refuses one that is named twice.
async fn named(conn: &mut Conn, caller: &Caller, items: &[BatchItem]) -> ApiResult<Vec<Option<ReferralId>>> {
    let numbers = items.iter().filter_map(|item| Some(item.partner_reference.as_ref()?.as_str().to_owned()));
    let numbers: Vec<String> = numbers.collect();
    let known = if numbers.is_empty() { vec![] } else { store::search::of_references(conn, caller, &numbers).await? };
    let find = |number: &Line<100>| {
        let same = || known.iter().filter(|one| one.number.as_deref() == Some(number.as_str()));
        let own = same().find(|one| one.handler.unwrap_or(one.receiver) == caller.agency);
        // Branches have numbers of their own: one that two of them use names nothing.
        let only = || same().next().filter(|_| same().nth(1).is_none());
        own.or_else(only).map(|one| one.id)
    };
    let named: Vec<Option<ReferralId>> = items
        .iter()
        .map(|item| match (item.id, &item.partner_reference) {
            (Some(id), None) => Some(id),
            (None, Some(number)) => find(number),
            _ => None,
        })
        .collect();
    let twice = |index: &usize| {
        let id = named.get(*index).copied().flatten();
        id.is_some() && named.iter().take(*index).any(|before| *before == id)
    };
    match (0..named.len()).find(twice) {
        Some(index) => {
            let fault = Fault::new("named_twice", "rujukan ini sudah disebut", "this referral is named twice");
            Err(ApiError::rule(&format!("/items/{index}"), fault))
        }
        None => Ok(named),
    }
}

/// One item, in a part of the transaction of its own: what is refused undoes itself and nothing else. Whatever is our fault ends
/// the whole.
async fn one(
    conn: &mut Conn,
    app: &Arc<App>,
    caller: &Caller,
    (index, id): (usize, Option<ReferralId>),
    item: BatchItem,
) -> ApiResult<BatchResult> {
    let exactly_one = item.id.is_some() != item.partner_reference.is_some();
    let version = item.version;
    let moved = match (id, item.step()) {
        (_, Err(error)) => Err(error),
        _ if !exactly_one => {
            let (id, en) = ("tepat satu dari id dan partner_reference", "exactly one of id and partner_reference");
            Err(ApiError::rule("", Fault::new("exactly_one", id, en)))
        }
        (None, Ok(_)) => Err(ApiError::not_found()),
        (Some(id), Ok(step)) => {
            conn.transaction(async |c| {
                move_one(c, app, caller, id, Some(version), &step)
                    .await
                    .map_err(|error| error.within(step.action.as_str()))?;
                store::standing(c, id).await.map_err(ApiError::from)
            })
            .await
        }
    };
    match moved {
        Ok((status, version)) => Ok(BatchResult {
            index,
            id,
            http_status: 200,
            status: Some(status),
            version: Some(version),
            code: None,
            errors: vec![],
            told: Map::new(),
        }),
        Err(error) if error.code().status >= 500 => Err(error),
        Err(error) => Ok(refused(index, id.filter(|_| error.code().status != 404), &error)),
    }
}

fn refused(index: usize, id: Option<ReferralId>, error: &ApiError) -> BatchResult {
    let fault = |(place, fault): &(Place, Fault)| {
        let pointer = if let Place::Pointer(at) = place { at.clone() } else { String::new() };
        BatchFault { pointer, code: fault.code.to_string() }
    };
    BatchResult {
        index,
        id,
        http_status: error.code().status,
        status: None,
        version: None,
        code: Some(error.code().code),
        errors: error.faults().iter().map(fault).collect(),
        told: error.members().clone(),
    }
}

//! `GET /v1/referrals/{id}/feedback`: what came of a referral, in one place, for who asked: how each receiver of it ended it, with
//! the codes in words, the day of the help and the note.
use super::rules::{PersonSight, ReferralId, ReferralStatus, chain_of};
use super::store::{self, Referral, history};
use super::view::sight;
use crate::access::api::Permit;
use crate::access::rules::{AgencyId, ReadReferrals};
use crate::audit::rules::Event;
use crate::audit::store::Recorder;
use crate::codes::rules::{Code, Labels};
use crate::codes::store as codes;
use crate::platform::answer::Answer;
use crate::platform::app::Shared;
use crate::platform::db::Db;
use crate::platform::error::ApiResult;
use crate::platform::input::PathId;
use actix_web::get;
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use std::collections::HashMap;
use utoipa::ToSchema;

/// How a referral ended.
#[derive(Debug, Serialize, ToSchema)]
pub struct Feedback {
    referral_id: ReferralId,
    /// Who was asked.
    receiver_agency_id: AgencyId,
    status: ReferralStatus,
    /// When it ended.
    at: DateTime<Utc>,
    /// Agency that ended it: a branch that had claimed it, or who took it back; null: time did.
    #[schema(required)]
    agency_id: Option<AgencyId>,
    /// How it was completed; code of the list `referral-outcomes`.
    #[schema(required)]
    outcome: Option<Code>,
    /// The outcome in words.
    #[schema(required)]
    outcome_labels: Option<Labels>,
    /// Why it ended otherwise.
    #[schema(required)]
    reason: Option<Code>,
    /// The code list of the reason.
    #[schema(required)]
    reason_list: Option<String>,
    /// The reason in words.
    #[schema(required)]
    reason_labels: Option<Labels>,
    /// When the person was served.
    #[schema(required)]
    served_on: Option<NaiveDate>,
    /// What was written with the ending; only for who sees the person.
    #[schema(required, example = "Kartu sudah aktif.")]
    note: Option<String>,
}

/// What came of a referral, and of those to which it was passed on.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReferralFeedback {
    /// In the order in which they were sent: of this referral, if it has ended, and of each that follows it and has.
    items: Vec<Feedback>,
    /// Those of them that have not ended: an answer is still to come.
    waiting: Vec<ReferralId>,
}

/// Read what came of a referral
///
/// The outcome with its day and its note, or why there is none; of a referral that was passed on, the answer of everyone to whom it
/// was, as far as the caller sees them. What was corrected or entered in error is no answer.
#[utoipa::path(tag = "referrals", security(("oauth2" = ["referrals:read"])), params(("id" = ReferralId, Path, description = "Id of the referral.")),
    responses((status = 200, body = ReferralFeedback, description = "How it ended, or that it has not.")))]
#[get("/v1/referrals/{id}/feedback")]
pub async fn read_referral_feedback(
    caller: Permit<ReadReferrals>,
    id: PathId<ReferralId>,
    app: Shared,
    recorder: Recorder,
    db: Db,
) -> ApiResult<Answer> {
    let scene = db.read(async |c| store::find(c, &caller, id.0).await).await?;
    let case = scene.referral.case_id;
    let of_case = db.read(async |c| store::history::of_case(c, &caller, case).await).await?;
    let chain = chain_of(id.0, of_case, |one| (one.id, one.previous_referral_id));
    let (ended, waiting): (Vec<Referral>, Vec<Referral>) =
        chain.into_iter().partition(|referral| !referral.status.is_open());
    let ended: Vec<Referral> =
        ended.into_iter().filter(|referral| referral.status != ReferralStatus::EnteredInError).collect();
    let ids: Vec<ReferralId> = ended.iter().map(|referral| referral.id).collect();
    let mut notes: HashMap<ReferralId, String> =
        db.read(async |c| history::endings(c, &ids).await).await?.into_iter().collect();
    // Each by its own sight: who was asked sees no more of what it has ended.
    notes.retain(|of, _| ended.iter().any(|one| one.id == *of && sight(&caller, one) == PersonSight::Open));
    if !notes.is_empty() {
        let event = Event::by(&caller, "referral.feedback", app.clock.new_id(), app.clock.now());
        let shown = ended.iter().filter(|one| notes.contains_key(&one.id));
        let rows = shown.map(|one| (one.id.0, scene.person.id, &one.village_code));
        recorder.record(event.rows("referral", rows, &["note"])).await?;
    }
    let labels = labels(&db, &ended).await?;
    let items = ended.into_iter().map(|referral| feedback(referral, &mut notes, &labels)).collect();
    Answer::ok(&ReferralFeedback { items, waiting: waiting.iter().map(|referral| referral.id).collect() })
}

/// The words of the codes of these endings, by list and code.
async fn labels(db: &Db, ended: &[Referral]) -> ApiResult<HashMap<(String, Code), Labels>> {
    let outcomes = ended.iter().filter_map(|one| one.outcome.clone()).map(|code| (OUTCOMES.to_owned(), code));
    let reasons = ended.iter().filter_map(|one| one.reason_list.clone().zip(one.reason.clone()));
    let wanted: Vec<(String, Code)> = outcomes.chain(reasons).collect();
    if wanted.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = db.read(async |c| codes::labels(c, &wanted).await).await?;
    Ok(rows.into_iter().map(|(list, code, labels)| ((list, code), labels)).collect())
}

const OUTCOMES: &str = "referral-outcomes";

fn feedback(
    referral: Referral,
    notes: &mut HashMap<ReferralId, String>,
    labels: &HashMap<(String, Code), Labels>,
) -> Feedback {
    let in_words = |list: Option<&str>, code: Option<&Code>| {
        list.zip(code).and_then(|(list, code)| labels.get(&(list.to_owned(), code.clone())).cloned())
    };
    Feedback {
        referral_id: referral.id,
        receiver_agency_id: referral.receiver_agency_id,
        status: referral.status,
        at: referral.status_since,
        agency_id: referral.status_agency_id,
        outcome_labels: in_words(Some(OUTCOMES), referral.outcome.as_ref()),
        outcome: referral.outcome,
        reason_labels: in_words(referral.reason_list.as_deref(), referral.reason.as_ref()),
        reason: referral.reason,
        reason_list: referral.reason_list,
        served_on: referral.served_on,
        note: notes.remove(&referral.id),
    }
}

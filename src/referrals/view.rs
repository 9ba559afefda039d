//! What of a referral is shown to whom.
use super::details::Eligibility;
use super::rules::{Party, PersonSight, ReferralAction, ReferralId, ReferralStatus, allowed_actions, person_sight};
use super::store::{Referral, Scene};
use super::talk::told;
use crate::access::rules::{AgencyId, Caller, Sight, VolunteerId};
use crate::cases::person::{CasePersonView, OPEN_FIELDS};
use crate::cases::rules::{CaseId, Urgency};
use crate::cases::store::Case;
use crate::codes::rules::Code;
use crate::platform::crypto::Keys;
use crate::platform::error::ApiResult;
use crate::platform::region_code::RegionCode;
use crate::regions::rules::TimeZone;
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use serde_json::{Map, Value};
use std::sync::LazyLock;
use utoipa::ToSchema;
use uuid::Uuid;

/// A referral as shown to one caller.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReferralView {
    id: ReferralId,
    case_id: CaseId,
    #[schema(example = "KS-1706-2026-000123")]
    case_number: String,
    status: ReferralStatus,
    /// In this state since.
    status_since: DateTime<Utc>,
    /// Agency that brought it into this state; null: time did.
    #[schema(required)]
    status_agency_id: Option<AgencyId>,
    /// Code of the list `services`.
    service: Code,
    urgency: Urgency,
    /// **Do not contact the person**: whoever does may endanger them. Shown to everyone who sees the referral, whatever else is not.
    do_not_contact: bool,
    province_code: RegionCode,
    regency_code: RegionCode,
    district_code: RegionCode,
    village_code: RegionCode,
    sender_agency_id: AgencyId,
    receiver_agency_id: AgencyId,
    /// Branch that has claimed it.
    #[schema(required)]
    handler_agency_id: Option<AgencyId>,
    /// Branches that may claim it.
    pool_agency_ids: Vec<AgencyId>,
    /// The volunteer who follows the case.
    #[schema(required)]
    volunteer_id: Option<VolunteerId>,
    /// Receiver of the referral before this one; the sender stays the first one.
    #[schema(required)]
    forwarded_by: Option<AgencyId>,
    #[schema(required)]
    previous_referral_id: Option<ReferralId>,
    /// The receiver's own number of it.
    #[schema(required)]
    partner_reference: Option<String>,
    /// Without an answer by then it expires.
    #[schema(required)]
    expires_at: Option<DateTime<Utc>>,
    /// When somebody must do something next.
    #[schema(required)]
    due_at: Option<DateTime<Utc>>,
    /// To be acknowledged by then: by the receiver's calendar, as the two below.
    #[schema(required)]
    acknowledge_by: Option<DateTime<Utc>>,
    /// To be answered by then.
    #[schema(required)]
    answer_by: Option<DateTime<Utc>>,
    /// To be completed by then; null: nothing is promised for the service.
    #[schema(required)]
    complete_by: Option<DateTime<Utc>>,
    /// How often the receiver was reminded of it while it waits for an answer: at half of the time, and at its end.
    #[schema(minimum = 0, maximum = 2)]
    reminders: i16,
    /// 1: the time for an answer is over; 2: one and a half times of it, which concerns the regency; 3: twice, which concerns the
    /// province. 0 once it is answered.
    #[schema(minimum = 0, maximum = 3)]
    escalation_level: i16,
    /// When it was last escalated.
    #[schema(required)]
    escalated_at: Option<DateTime<Utc>>,
    /// When the receiver means to be done.
    #[schema(required)]
    due_on: Option<NaiveDate>,
    /// When the person is expected.
    #[schema(required)]
    appointment_at: Option<DateTime<Utc>>,
    /// Where it stood before it was held.
    #[schema(required)]
    held_from: Option<ReferralStatus>,
    /// Code of the list `hold-reasons`.
    #[schema(required)]
    hold_reason: Option<Code>,
    /// When to look again at what is held.
    #[schema(required)]
    hold_review_on: Option<NaiveDate>,
    /// Where it stood before it ended: a correction leads back there.
    #[schema(required)]
    ended_from: Option<ReferralStatus>,
    /// Why it ended.
    #[schema(required)]
    reason: Option<Code>,
    /// The code list of the reason.
    #[schema(required)]
    reason_list: Option<String>,
    /// How it was completed; code of the list `referral-outcomes`.
    #[schema(required)]
    outcome: Option<Code>,
    /// When the person was served.
    #[schema(required)]
    served_on: Option<NaiveDate>,
    /// Codes of the list `ppks`; null once its receiver has nothing more to do with it.
    #[schema(required)]
    ppks: Option<Vec<Code>>,
    /// What is needed, in words; null likewise.
    #[schema(required)]
    need: Option<String>,
    /// The person, masked until the referral is accepted; null likewise.
    #[schema(required)]
    person: Option<CasePersonView>,
    /// Values of the fields that the service asks for (`fields_schema` of the source system); null likewise. Of a field that names a
    /// person (`x-identity`): the last four digits of a number, a name in full; masked: no number, and initials. If the form asks
    /// for what names a person and it stands not here, the person of the case is meant.
    #[schema(required, value_type = Option<Object>)]
    fields: Option<Map<String, Value>>,
    /// Which of the fields that the form requires nobody has told yet.
    fields_missing: Vec<String>,
    /// What was found of the person's welfare when the sender looked it up; null: not told, or nothing more to do with it.
    #[schema(required)]
    eligibility: Option<Eligibility>,
    /// Comments and questions: `GET /v1/referrals/{id}/comments`.
    #[schema(minimum = 0)]
    comments: i32,
    /// Questions that the other side has not answered.
    #[schema(minimum = 0)]
    open_questions: i16,
    /// Those of them that the caller's side is to answer.
    #[schema(minimum = 0)]
    open_questions_to_me: i16,
    version: i32,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    /// What this caller may do with it now: the words of the paths below it.
    allowed_actions: Vec<ReferralAction>,
}

/// How much of the person this caller sees now.
pub fn sight(caller: &Caller, referral: &Referral) -> PersonSight {
    // As of the case: who reported it and its volunteer answer the person.
    let keeps = matches!(caller.sight, Sight::Own(_)) || referral.reporter_agency_id == caller.agency;
    if referral.restricted && !keeps {
        return PersonSight::Header;
    }
    let hidden = caller.sight.is_village() && referral.sensitive && !keeps;
    person_sight(caller, &referral.village_code, referral.sides(), referral.status, hidden)
}

impl ReferralView {
    /// As this caller may see it. If [`sight`] is open, record the access before it is sent.
    pub fn of(caller: &Caller, scene: Scene, keys: &Keys, now: DateTime<Utc>) -> ApiResult<Self> {
        let party = Party::of(caller, scene.referral.sides());
        let allowed_actions = allowed_actions(caller, party, &scene.facts(caller), now);
        let sight = sight(caller, &scene.referral);
        let details = if sight == PersonSight::Header { None } else { Some(scene.details(keys)?) };
        let Scene { referral, case, person, .. } = scene;
        let today = TimeZone::of(&referral.village_code).day(now);
        let header = Self { allowed_actions, ..Self::header(caller, referral, &case) };
        let Some(details) = details else { return Ok(header) };
        let shown = if sight == PersonSight::Open { CasePersonView::open } else { CasePersonView::masked };
        Ok(Self {
            person: Some(shown(&person, today)),
            fields: Some(details.shown(sight)),
            fields_missing: details.missing(&person),
            eligibility: details.eligibility(),
            ppks: Some(case.ppks),
            need: Some(person.need),
            ..header
        })
    }

    /// What everybody sees who sees the referral.
    fn header(caller: &Caller, referral: Referral, case: &Case) -> Self {
        let (talk, to_me) = told(caller, &referral);
        Self {
            id: referral.id,
            case_id: referral.case_id,
            case_number: case.number.clone(),
            status: referral.status,
            status_since: referral.status_since,
            status_agency_id: referral.status_agency_id,
            service: referral.service,
            urgency: referral.urgency,
            do_not_contact: case.do_not_contact,
            province_code: referral.province_code,
            regency_code: referral.regency_code,
            district_code: referral.district_code,
            village_code: referral.village_code,
            sender_agency_id: referral.sender_agency_id,
            receiver_agency_id: referral.receiver_agency_id,
            handler_agency_id: referral.handler_agency_id,
            pool_agency_ids: referral.pool_agency_ids,
            volunteer_id: referral.volunteer_id,
            forwarded_by: referral.forwarded_by,
            previous_referral_id: referral.previous_referral_id,
            partner_reference: referral.partner_reference,
            expires_at: referral.expires_at,
            due_at: referral.due_at,
            acknowledge_by: referral.acknowledge_by,
            answer_by: referral.answer_by,
            complete_by: referral.complete_by,
            reminders: referral.reminders,
            escalation_level: referral.escalation_level,
            escalated_at: referral.escalated_at,
            due_on: referral.due_on,
            appointment_at: referral.appointment_at,
            held_from: referral.held_from,
            hold_reason: referral.hold_reason,
            hold_review_on: referral.hold_review_on,
            ended_from: referral.ended_from,
            reason: referral.reason,
            reason_list: referral.reason_list,
            outcome: referral.outcome,
            served_on: referral.served_on,
            ppks: None,
            need: None,
            person: None,
            fields: None,
            fields_missing: vec![],
            eligibility: None,
            comments: talk.comments,
            open_questions: talk.open(),
            open_questions_to_me: to_me,
            version: referral.version,
            created_at: referral.created_at,
            updated_at: referral.updated_at,
            allowed_actions: vec![],
        }
    }
}

/// What an open view shows, with what is told in the fields of the service.
static WITH_FIELDS: LazyLock<Vec<&str>> = LazyLock::new(|| [OPEN_FIELDS, &["fields"]].concat());

/// What an open view of these shows, as access records name it.
pub fn fields_of(scenes: &[&Scene]) -> &'static [&'static str] {
    if scenes.iter().any(|scene| scene.is_told()) { &WITH_FIELDS } else { OPEN_FIELDS }
}

/// The person and the fields that an answer about a referral shows, for the access record. `referral`: as it is now.
pub fn persons(caller: &Caller, referral: &Referral, scene: &Scene) -> (Vec<Uuid>, &'static [&'static str]) {
    if sight(caller, referral) == PersonSight::Open {
        (vec![scene.person.id], fields_of(&[scene]))
    } else {
        (vec![], &[])
    }
}

//! What of a referral is shown to whom.
use super::rules::{Party, PersonSight, ReferralAction, ReferralId, ReferralStatus, allowed_actions, person_sight};
use super::store::{Referral, Scene};
use crate::access::rules::{AgencyId, Caller, Sight, VolunteerId};
use crate::cases::person::{CasePersonView, OPEN_FIELDS};
use crate::cases::rules::{CaseId, Urgency};
use crate::cases::store::{Case, CasePerson};
use crate::codes::rules::Code;
use crate::platform::region_code::RegionCode;
use crate::regions::rules::TimeZone;
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// A referral in a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReferralItem {
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
    version: i32,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// A referral.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReferralView {
    #[serde(flatten)]
    item: ReferralItem,
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
    person_sight(caller, &referral.village_code, referral.sender_agency_id, referral.status)
}

impl ReferralItem {
    /// As this caller may see it. If [`sight`] is open, record the access before it is sent.
    pub fn of(caller: &Caller, (referral, case, person): (Referral, Case, CasePerson), now: DateTime<Utc>) -> Self {
        let today = TimeZone::of(&referral.village_code).day(now);
        let sight = sight(caller, &referral);
        let working = sight != PersonSight::Header;
        let view = match sight {
            PersonSight::Open => Some(CasePersonView::open(&person, today)),
            PersonSight::Eligibility | PersonSight::Masked => Some(CasePersonView::masked(&person, today)),
            PersonSight::Header => None,
        };
        Self {
            id: referral.id,
            case_id: referral.case_id,
            case_number: case.number,
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
            volunteer_id: referral.volunteer_id,
            forwarded_by: referral.forwarded_by,
            previous_referral_id: referral.previous_referral_id,
            partner_reference: referral.partner_reference,
            expires_at: referral.expires_at,
            due_at: referral.due_at,
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
            ppks: working.then_some(case.ppks),
            need: working.then_some(person.need),
            person: view,
            version: referral.version,
            created_at: referral.created_at,
            updated_at: referral.updated_at,
        }
    }
}

impl ReferralView {
    /// As this caller may see it. If [`sight`] is open, record the access before it is sent.
    pub fn of(caller: &Caller, scene: Scene, now: DateTime<Utc>) -> Self {
        let party = Party::of(caller, scene.referral.sender_agency_id, scene.referral.receiver_agency_id);
        let allowed_actions = allowed_actions(caller, party, &scene.facts(caller.agency), now);
        Self { item: ReferralItem::of(caller, (scene.referral, scene.case, scene.person), now), allowed_actions }
    }
}

/// The person and the fields that an answer about this referral shows, for the access record.
pub fn persons(caller: &Caller, referral: &Referral, person: &CasePerson) -> (Vec<Uuid>, &'static [&'static str]) {
    if sight(caller, referral) == PersonSight::Open { (vec![person.id], OPEN_FIELDS) } else { (vec![], &[]) }
}

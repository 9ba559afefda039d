//! Endpoints under `/v1/referrals` that read.
use super::rules::{Period, PersonSight, ReferralId, ReferralStatus};
use super::store::list::{After, Order, Wanted, count, list};
use super::store::{self, Scene, worklist::merge};
use super::talk::Awaiting;
use super::view::{ReferralView, fields_of, persons, sight};
use crate::access::api::Permit;
use crate::access::rules::{AgencyId, Caller, ReadReferrals, Sight, VolunteerId};
use crate::audit::rules::Event;
use crate::audit::store::Recorder;
use crate::cases::rules::{CaseId, Urgency};
use crate::codes::rules::Code;
use crate::platform::answer::Answer;
use crate::platform::app::Shared;
use crate::platform::db::Db;
use crate::platform::error::{ApiResult, Fault};
use crate::platform::input::{PathId, several};
use crate::platform::moment::Moment;
use crate::platform::openapi::PreferHeader;
use crate::platform::page::{Page, PageParams, Paged};
use crate::platform::region_code::RegionCode;
use crate::text_enum;
use actix_web::get;
use chrono::{DateTime, Utc};
use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, schema::Type};
use utoipa::{IntoParams, ToSchema};

text_enum! {
    /// Which side of a referral the caller is on.
    ReferralDirection {
        /// It asked.
        Sent = "sent",
        /// It was asked; a parent sees those of its branches too.
        Received = "received",
    }
}

text_enum! {
    /// Order of a worklist.
    ReferralOrder {
        /// Newest first.
        Newest = "newest",
        /// What must be done next first; what waits for nobody is left out.
        Due = "due",
        /// What was changed longest ago first.
        Changed = "changed",
    }
}

text_enum! {
    /// Whether somebody is late.
    Overdue {
        /// Somebody is.
        True = "true",
    }
}

text_enum! {
    /// How high a referral was escalated.
    EscalationLevel {
        /// The time for an answer is over.
        One = "1",
        /// One and a half times of it: a matter of the regency.
        Two = "2",
        /// Twice: a matter of the province.
        Three = "3",
    }
}

impl From<EscalationLevel> for i16 {
    fn from(level: EscalationLevel) -> Self {
        match level {
            EscalationLevel::One => 1,
            EscalationLevel::Two => 2,
            EscalationLevel::Three => 3,
        }
    }
}

/// To whom a referral is addressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Receiver {
    /// Whoever calls.
    Me,
    /// This agency.
    Agency(AgencyId),
}

impl Receiver {
    fn agency(self) -> Option<AgencyId> {
        if let Self::Agency(agency) = self { Some(agency) } else { None }
    }
}

impl TryFrom<String> for Receiver {
    type Error = Fault;
    fn try_from(raw: String) -> Result<Self, Fault> {
        if raw == "me" {
            return Ok(Self::Me);
        }
        let fault = || Fault::new("receiver_malformed", "id instansi atau me", "the id of an agency, or me");
        raw.parse().map(|id| Self::Agency(AgencyId(id))).map_err(|_| fault())
    }
}

impl utoipa::PartialSchema for Receiver {
    fn schema() -> RefOr<Schema> {
        let text = "Id of an agency, or `me`.";
        let schema = ObjectBuilder::new().schema_type(Type::String).description(Some(text));
        schema
            .pattern(Some("^(me|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})$"))
            .examples([serde_json::json!("me")])
            .into()
    }
}
impl utoipa::ToSchema for Receiver {}

/// Which referrals.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReferralFilter {
    /// Only those that the own agency sent, or received.
    #[param(inline)]
    direction: Option<ReferralDirection>,
    /// Only those in this state; may be repeated. Entered in error: only if asked for.
    #[serde(default, deserialize_with = "several")]
    #[param(max_items = 100)]
    status: Vec<ReferralStatus>,
    /// Only those for this service.
    service: Option<Code>,
    /// Only those in this region.
    region: Option<RegionCode>,
    /// Only those that hurry so much.
    urgency: Option<Urgency>,
    /// Only those changed at this time or later, with a zone; what was changed longest ago comes first. A change that is committed late
    /// bears an earlier time: begin some minutes before the last answer, or follow `/v1/changes`, which misses none.
    updated_from: Option<Moment>,
    /// Only those sent in this month or year, in the zone of their village.
    #[param(inline)]
    period: Option<Period>,
    /// Only those sent by this agency.
    sender: Option<AgencyId>,
    /// Only those addressed to this agency; may be repeated. `me`: what the own agency has to answer, as `direction=received`.
    #[serde(default, deserialize_with = "several")]
    #[param(inline, max_items = 100)]
    receiver: Vec<Receiver>,
    /// Only those of this case.
    case_id: Option<CaseId>,
    /// Only those for which somebody is late: what was due is over.
    #[param(inline)]
    overdue: Option<Overdue>,
    /// Only those that were escalated so high, or higher.
    #[param(inline)]
    escalated: Option<EscalationLevel>,
    /// Only those with a question that has no answer yet and can still be answered.
    #[param(inline)]
    awaiting: Option<Awaiting>,
    /// Only those that ended at this time or later, with a zone.
    ended_from: Option<Moment>,
    /// Newest first, unless said otherwise or asked for `updated_from`.
    #[param(inline)]
    order: Option<ReferralOrder>,
}

impl ReferralFilter {
    fn order(&self) -> Order {
        match self.order {
            Some(ReferralOrder::Due) => Order::Due,
            Some(ReferralOrder::Changed) => Order::Changed,
            None if self.updated_from.is_some() => Order::Changed,
            Some(ReferralOrder::Newest) | None => Order::Newest,
        }
    }

    /// What contradicts itself, such as another agency as the sender of what one sent, is nobody's.
    pub fn wanted(&self, caller: &Caller, now: DateTime<Utc>) -> Wanted {
        let own = match &caller.sight {
            Sight::Addressed(agencies) => agencies.clone(),
            _ => vec![caller.agency],
        };
        let nobody = || vec![AgencyId(uuid::Uuid::nil())];
        let sender = match (self.direction, self.sender) {
            (Some(ReferralDirection::Sent), Some(named)) if named != caller.agency => nobody(),
            (Some(ReferralDirection::Sent), _) => vec![caller.agency],
            (_, named) => named.into_iter().collect(),
        };
        let asked_of_us = self.direction == Some(ReferralDirection::Received);
        let me = self.receiver.contains(&Receiver::Me) || (asked_of_us && self.receiver.is_empty());
        let mut receiver: Vec<AgencyId> = self.receiver.iter().filter_map(|receiver| receiver.agency()).collect();
        if me {
            receiver.extend(&own);
        }
        if asked_of_us {
            receiver.retain(|agency| own.contains(agency));
            if receiver.is_empty() {
                receiver = nobody();
            }
        }
        Wanted {
            sender,
            receiver,
            branch: (me && caller.branch).then_some(caller.agency),
            handler: None,
            pool: None,
            status: self.status.clone(),
            service: self.service.clone(),
            region: self.region.clone(),
            urgency: self.urgency,
            updated_from: self.updated_from.map(Moment::at),
            period: self.period,
            case: self.case_id,
            due_before: self.overdue.map(|Overdue::True| now),
            escalated: self.escalated.map(i16::from),
            ended_from: self.ended_from.map(Moment::at),
            awaiting: self.awaiting.map(|whom| whom.of(caller, now)),
        }
    }
}

/// List referrals
///
/// Worklists: `?direction=received&status=submitted` is what waits for the own agency.
#[utoipa::path(tag = "referrals", security(("oauth2" = ["referrals:read"])), params(ReferralFilter, PageParams, PreferHeader),
    responses((status = 200, body = Page<ReferralView>, description = "A page of referrals.")))]
#[get("/v1/referrals")]
pub async fn list_referrals(
    caller: Permit<ReadReferrals>,
    paged: Paged<ReferralFilter>,
    app: Shared,
    recorder: Recorder,
    db: Db,
) -> ApiResult<Answer> {
    let now = app.clock.now();
    let wanted = paged.filter.wanted(&caller, now);
    let (after, order): (Option<After>, _) = (paged.after()?, paged.filter.order());
    let parts = wanted.parts(&caller);
    let (rare, most) = (wanted.may_be_rare(&caller), paged.limit + 1);
    let asked = parts.iter().map(|part| {
        let (db, caller) = (&db, &caller);
        async move {
            if rare {
                db.report(async |c| list(&mut &*c, caller, part, order, after, most).await).await
            } else {
                db.read(async |c| list(c, caller, part, order, after, most).await).await
            }
        }
    });
    let rows = merge(try_join_all(asked).await?, order, most);
    let total =
        if paged.count { Some(db.read(async |c| count(c, &caller, &wanted, order).await).await?) } else { None };
    let (rows, after) = paged.cut(rows, |Scene { referral, .. }| match (order, referral.due_at) {
        (Order::Due, Some(due)) => After::Due(due, referral.id),
        (Order::Changed, _) => After::Changed(referral.updated_at, referral.id),
        _ => After::Newest(referral.created_at, referral.id),
    });
    let open: Vec<&Scene> = rows.iter().filter(|row| sight(&caller, &row.referral) == PersonSight::Open).collect();
    if !open.is_empty() {
        let shown = open.iter().map(|row| (row.referral.id.0, row.person.id, &row.referral.village_code));
        let event = Event::by(&caller, "referral.list", app.clock.new_id(), now);
        recorder.record(event.rows("referral", shown, fields_of(&open))).await?;
    }
    let items: ApiResult<Vec<_>> = rows.into_iter().map(|row| ReferralView::of(&caller, row, &app.keys, now)).collect();
    paged.answer(items?, after, total)
}

/// Read a referral
///
/// A source system sees the need and a masked person while it decides, the person once it has accepted, and the header
/// after the referral has ended.
#[utoipa::path(tag = "referrals", security(("oauth2" = ["referrals:read"])), params(("id" = ReferralId, Path, description = "Id of the referral.")),
    responses((status = 200, body = ReferralView, description = "The referral.")))]
#[get("/v1/referrals/{id}")]
pub async fn read_referral(
    caller: Permit<ReadReferrals>,
    id: PathId<ReferralId>,
    app: Shared,
    recorder: Recorder,
    db: Db,
) -> ApiResult<Answer> {
    let scene = db.read(async |c| store::find(c, &caller, id.0).await).await?;
    let (people, fields) = persons(&caller, &scene.referral, &scene);
    if !people.is_empty() {
        let event = Event::by(&caller, "referral.read", app.clock.new_id(), app.clock.now());
        let event = event.subject("referral", id.0).persons(people, fields).region(&scene.referral.village_code);
        recorder.record(event).await?;
    }
    let version = scene.referral.version;
    Answer::row(&ReferralView::of(&caller, scene, &app.keys, app.clock.now())?, version)
}

/// A line of the history.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReferralHistoryItem {
    at: DateTime<Utc>,
    /// Null: it was sent.
    #[schema(required)]
    from: Option<ReferralStatus>,
    to: ReferralStatus,
    /// `create`, the word of an action, or what the clock did: `remind`, `escalate`.
    #[schema(example = "accept")]
    action: String,
    /// Null: time did.
    #[schema(required)]
    agency_id: Option<AgencyId>,
    /// The officer: the agency's own opaque id.
    #[schema(required)]
    acting_user: Option<String>,
    #[schema(required)]
    volunteer_id: Option<VolunteerId>,
    /// A code.
    #[schema(required)]
    reason: Option<Code>,
    /// Code of the list `referral-outcomes`.
    #[schema(required)]
    outcome: Option<Code>,
    /// In words; only for who sees the person.
    #[schema(required)]
    note: Option<String>,
}

/// The history of a referral.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReferralHistory {
    /// Oldest first.
    items: Vec<ReferralHistoryItem>,
}

/// Read the history of a referral
#[utoipa::path(tag = "referrals", security(("oauth2" = ["referrals:read"])), params(("id" = ReferralId, Path, description = "Id of the referral.")),
    responses((status = 200, body = ReferralHistory, description = "Every move, oldest first.")))]
#[get("/v1/referrals/{id}/history")]
pub async fn read_referral_history(
    caller: Permit<ReadReferrals>,
    id: PathId<ReferralId>,
    app: Shared,
    recorder: Recorder,
    db: Db,
) -> ApiResult<Answer> {
    let scene = db.read(async |c| store::find(c, &caller, id.0).await).await?;
    let lines = db.read(async |c| store::history::list(c, id.0).await).await?;
    let open = sight(&caller, &scene.referral) == PersonSight::Open;
    if open && lines.iter().any(|(_, note)| note.is_some()) {
        let event = Event::by(&caller, "referral.history", app.clock.new_id(), app.clock.now());
        let event = event.subject("referral", id.0).persons([scene.person.id], &["note"]);
        recorder.record(event.region(&scene.referral.village_code)).await?;
    }
    let items = lines.into_iter().map(|(line, note)| ReferralHistoryItem {
        at: line.at,
        from: line.from_status,
        to: line.to_status,
        action: line.action,
        agency_id: line.agency_id,
        acting_user: line.acting_user,
        volunteer_id: line.volunteer_id,
        reason: line.reason,
        outcome: line.outcome,
        note: note.filter(|_| open),
    });
    Answer::ok(&ReferralHistory { items: items.collect() })
}

//! `POST /v1/cases/{id}/referrals`: asks a source system to meet the need of a case.
use super::details::{Details, NewEligibility, Values};
use super::due;
use super::moves::{Mover, add_history, answer, replayed};
use super::publish::publish;
use super::rules::{EXPIRY, REFERRAL_OPEN_AT_TARGET, ReferralId, ReferralStatus};
use super::store::{self, Referral};
use super::view::ReferralView;
use crate::access::api::Permit;
use crate::access::rules::{AgencyId, Caller, ClientId, SendReferrals};
use crate::agencies::forms::Form;
use crate::agencies::store::{self as agencies, SourceSystem};
use crate::audit::{rules::Event, store as audit};
use crate::cases::api::{check_code, state_conflict};
use crate::cases::person::OPEN_FIELDS;
use crate::cases::rules::{CaseId, CaseState, Urgency};
use crate::cases::store::{self as cases, Case};
use crate::codes::rules::Code;
use crate::platform::answer::Answer;
use crate::platform::app::{App, Shared};
use crate::platform::db::{Conn, Db};
use crate::platform::error::{ApiError, ApiResult, Fault, ID_TAKEN};
use crate::platform::idempotency::Attempt;
use crate::platform::input::{Keyed, PathId};
use crate::platform::openapi::IdempotencyHeader;
use crate::platform::region_code::RegionCode;
use crate::platform::text::Text;
use crate::regions::rules::TimeZone;
use actix_web::post;
use chrono::{DateTime, Datelike, Utc};
use diesel::OptionalExtension;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// What is asked of whom.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewReferral {
    /// Your own `UUIDv7`, so that a repeated create is known; made by the service if absent.
    pub id: Option<ReferralId>,
    /// A source system that offers the service in the region: see `/v1/source-systems`.
    pub target_agency_id: AgencyId,
    /// Code of the list `services`.
    pub service: Code,
    /// The case's, unless said otherwise.
    pub urgency: Option<Urgency>,
    /// What the source system should know beside the case's need. Shown to who sees the person.
    pub note: Option<Text<2000>>,
    /// Values of the fields that the service asks for: `fields_schema` of the target. What is required and not known yet may follow.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub fields: Values,
    /// What is known of the person's eligibility.
    pub eligibility: Option<NewEligibility>,
}

/// A referral to be made.
pub struct Asked {
    /// Its id.
    pub id: ReferralId,
    /// Who asks.
    pub sender: AgencyId,
    /// Who is asked.
    pub receiver: AgencyId,
    /// Which of its branches may claim it.
    pub pool: Vec<AgencyId>,
    /// For what.
    pub service: Code,
    /// How much it hurries.
    pub urgency: Urgency,
    /// By which client.
    pub created_by: ClientId,
    /// Digest of the create; empty: made by forwarding.
    pub create_request: Vec<u8>,
}

/// A new referral of a case.
pub fn submitted(case: &Case, asked: Asked, now: DateTime<Utc>) -> Referral {
    let day = TimeZone::of(&case.village_code).day(now);
    Referral {
        id: asked.id,
        case_id: case.id,
        province_code: case.province_code.clone(),
        regency_code: case.regency_code.clone(),
        district_code: case.district_code.clone(),
        village_code: case.village_code.clone(),
        reporter_agency_id: case.reporter_agency_id,
        volunteer_id: case.volunteer_id,
        sensitive: case.sensitive,
        restricted: false,
        sender_agency_id: asked.sender,
        receiver_agency_id: asked.receiver,
        handler_agency_id: None,
        pool_agency_ids: asked.pool,
        service: asked.service,
        urgency: asked.urgency,
        month: day.with_day(1).unwrap_or(day),
        status: ReferralStatus::Submitted,
        status_since: now,
        status_agency_id: Some(asked.sender),
        held_from: None,
        hold_reason: None,
        hold_review_on: None,
        ended_from: None,
        reason_list: None,
        reason: None,
        outcome: None,
        served_on: None,
        partner_reference: None,
        due_on: None,
        appointment_at: None,
        forwarded_by: None,
        previous_referral_id: None,
        chain: vec![asked.receiver],
        expires_at: Some(now + EXPIRY),
        acknowledge_by: None,
        answer_by: None,
        complete_by: None,
        remind_at: None,
        escalate_2_at: None,
        escalate_3_at: None,
        tick_at: None,
        reminders: 0,
        escalation_level: 0,
        escalated_at: None,
        due_at: None,
        comments: 0,
        questions_to_sender: None,
        questions_to_receiver: None,
        version: 1,
        created_by: asked.created_by,
        create_request: asked.create_request,
        created_at: now,
        updated_at: now,
    }
}

/// Send a referral
///
/// Asks one source system to meet the need of a case. It must offer the service where the case is, and may have no other
/// open referral of the case. Without an answer the referral expires after 30 days, or a week after its last escalation if that is later.
#[utoipa::path(tag = "referrals", security(("oauth2" = ["referrals:send"])),
    params(("id" = CaseId, Path, description = "Id of the case."), IdempotencyHeader), request_body = NewReferral,
    responses((status = 201, body = ReferralView, description = "Sent."), (status = 200, body = ReferralView, description = "It was sent by the same create.")))]
#[post("/v1/cases/{id}/referrals")]
pub async fn create_referral(
    permit: Permit<SendReferrals>,
    id: PathId<CaseId>,
    new: Keyed<NewReferral>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let (caller, app) = (permit.caller(), app.0);
    db.write(async move |c| {
        let ticket = match new.key.begin(c, &app, caller.identity()).await? {
            Attempt::Replay(replay) => return replayed(c, &app, &caller, replay).await,
            Attempt::Fresh(ticket) => ticket,
        };
        let case = cases::lock(c, &caller, id.0).await?;
        let person = cases::person(c, case.id).await?;
        if let Some(same) = find_same(c, &new.body, new.key.body(), &caller, case.id).await? {
            note(c, &app, &caller, "referral.read", same, &case, person.id).await?;
            return answer(c, &app, &caller, same, ticket, false).await;
        }
        let sent = send(c, &app, &caller, &case, &new.body, new.key.body(), "").await?;
        note(c, &app, &caller, "referral.create", sent.id, &case, person.id).await?;
        answer(c, &app, &caller, sent.id, ticket, true).await
    })
    .await
}

/// Records what was done or shown of a referral, and that its sender sees the person.
async fn note(
    conn: &mut Conn,
    app: &App,
    caller: &Caller,
    action: &str,
    id: ReferralId,
    case: &Case,
    person: Uuid,
) -> ApiResult<()> {
    let event = Event::by(caller, action, app.clock.new_id(), app.clock.now()).subject("referral", id);
    Ok(audit::record(conn, &event.persons([person], OPEN_FIELDS).region(&case.village_code)).await?)
}

/// The row of the same create; an id of anything else is taken.
async fn find_same(
    conn: &mut Conn,
    new: &NewReferral,
    request: &[u8],
    caller: &Caller,
    case: CaseId,
) -> ApiResult<Option<ReferralId>> {
    let Some(id) = new.id else { return Ok(None) };
    match store::lock_any(conn, id).await.optional()? {
        None => Ok(None),
        Some(row) if row.created_by == caller.client && row.create_request == request && row.case_id == case => {
            Ok(Some(row.id))
        }
        Some(_) => Err(ApiError::from(&ID_TAKEN)),
    }
}

/// Inserts a referral of a case that is locked. `at` is where the body names it.
pub async fn send(
    conn: &mut Conn,
    app: &App,
    caller: &Caller,
    case: &Case,
    new: &NewReferral,
    request: &[u8],
    at: &str,
) -> ApiResult<Referral> {
    let now = app.clock.now();
    if case.state != CaseState::Open {
        return Err(state_conflict(case));
    }
    let open = store::lock_open(conn, case.id).await?;
    if let Some(rival) = open.iter().find(|referral| referral.receiver_agency_id == new.target_agency_id) {
        // Whoever sees the case sees its referrals.
        return Err(ApiError::from(&REFERRAL_OPEN_AT_TARGET).member("referral_id", rival.id));
    }
    let pool = check_target(conn, at, new.target_agency_id, &new.service, &case.village_code, now).await?;
    let form = form_of(conn, new.target_agency_id, &new.service).await?;
    let mut details = Details::default();
    details.fill(form.as_ref(), &new.fields.0, &format!("{at}/fields"))?;
    details.note(new.eligibility, &format!("{at}/eligibility"), now)?;
    let asked = Asked {
        id: new.id.unwrap_or_else(|| ReferralId(app.clock.new_id())),
        sender: caller.agency,
        receiver: new.target_agency_id,
        pool,
        service: new.service.clone(),
        urgency: new.urgency.unwrap_or(case.urgency),
        created_by: caller.client,
        create_request: request.to_vec(),
    };
    insert(conn, app, caller, submitted(case, asked, now), &details, new.note.as_ref().map(Text::as_str)).await
}

/// The form of a service at one source system: its own, or the national one.
pub async fn form_of(conn: &mut Conn, system: AgencyId, service: &Code) -> ApiResult<Option<Form>> {
    let schema = agencies::form_of(conn, system, service).await?;
    let unusable =
        |fault: Fault| ApiError::internal(anyhow::anyhow!("a form that is stored is unusable: {}", fault.code));
    schema.map(|schema| Form::parse(schema).map_err(unusable)).transpose()
}

/// The branches to which what is addressed to a source system is open.
async fn open_pool(
    conn: &mut Conn,
    system: &SourceSystem,
    service: &Code,
    village: &RegionCode,
) -> ApiResult<Vec<AgencyId>> {
    if !system.open_to_branches {
        return Ok(vec![]);
    }
    let around: Vec<RegionCode> = std::iter::successors(Some(village.clone()), RegionCode::parent).collect();
    Ok(agencies::branches_offering(conn, system.agency_id, service, &around).await?)
}

/// The same by the entry of now; of who is no longer active, none.
pub async fn pool_of(
    conn: &mut Conn,
    target: AgencyId,
    service: &Code,
    village: &RegionCode,
) -> ApiResult<Vec<AgencyId>> {
    match agencies::find_target(conn, target, service).await.optional()? {
        Some(found) => open_pool(conn, &found.system, service, village).await,
        None => Ok(vec![]),
    }
}

/// Refuses a target that offers the service in the region neither itself nor by branches to which it is open; returns these branches.
/// `at` is where the body names it.
pub async fn check_target(
    conn: &mut Conn,
    at: &str,
    target: AgencyId,
    service: &Code,
    village: &RegionCode,
    now: DateTime<Utc>,
) -> ApiResult<Vec<AgencyId>> {
    let unknown = || Fault::new("target_unknown", "bukan sistem sumber yang aktif", "not an active source system");
    let place = format!("{at}/target_agency_id");
    let found = agencies::find_target(conn, target, service).await.optional()?;
    let found = found.ok_or_else(|| ApiError::rule(&place, unknown()))?;
    check_code(conn, "services", service, true, &format!("{at}/service"), TimeZone::of(village).day(now)).await?;
    let pool = open_pool(conn, &found.system, service, village).await?;
    if !pool.is_empty() {
        return Ok(pool);
    }
    if !found.offers {
        let fault = Fault::new("service_not_offered", "tidak menyediakan layanan ini", "does not offer this service");
        return Err(ApiError::rule(&format!("{at}/service"), fault));
    }
    let serves = |regions: &[RegionCode]| regions.is_empty() || regions.iter().any(|region| region.contains(village));
    // A government helps where it governs, whatever its entry says.
    if !serves(&found.system.region_codes) || (found.kind.jurisdiction().is_some() && !serves(&found.jurisdiction)) {
        let fault = Fault::new("region_not_served", "tidak melayani wilayah ini", "does not serve this region");
        return Err(ApiError::rule(&place, fault));
    }
    Ok(pool)
}

/// Inserts a referral with what is due and its first line of history, and publishes it.
pub async fn insert(
    conn: &mut Conn,
    app: &App,
    caller: &Caller,
    mut new: Referral,
    details: &Details,
    note: Option<&str>,
) -> ApiResult<Referral> {
    let now = new.created_at;
    due::begin(conn, &mut new, now).await?;
    let saved = store::create(conn, &new).await.map_err(ApiError::from);
    let saved = saved.map_err(|error| {
        let error = error.on_constraint("referrals_open_at_target", || ApiError::from(&REFERRAL_OPEN_AT_TARGET));
        error.on_constraint("referrals_pkey", || ApiError::from(&ID_TAKEN))
    })?;
    if !details.is_empty() {
        store::details::save(conn, saved.id, &details.seal(&app.keys, saved.id)?).await?;
    }
    add_history(conn, app, Mover::Caller(caller), None, &saved, note).await?;
    publish(conn, None, &saved, saved.created_at).await?;
    Ok(saved)
}

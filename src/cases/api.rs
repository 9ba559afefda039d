//! Endpoints under `/v1/cases` that need nothing of referrals.
use super::consent::Consent;
use super::person::{CasePersonView, IdentityView, OPEN_FIELDS, REVEALED_FIELDS};
use super::rules::{CASE_STATE_CONFLICT, CLOCK_AHEAD, CaseAction, CaseId, CaseState, LawfulBasis, Urgency, decide};
use super::store::list::{Wanted, count, list};
use super::store::{self, Case, CaseEvent, CasePerson};
use crate::access::api::Permit;
use crate::access::rules::{AgencyId, Caller, ReadCases, RevealIdentity, RevealPurpose, Sight, VolunteerId};
use crate::audit::rules::Event;
use crate::audit::store::{self as audit, Recorder};
use crate::changes::rules::{Audience, Change, ChangeType, Op};
use crate::changes::store as changes;
use crate::codes::rules::{Code, UNKNOWN_CODE};
use crate::codes::store as codes;
use crate::platform::answer::Answer;
use crate::platform::app::{App, Shared};
use crate::platform::db::{Conn, Db};
use crate::platform::error::{ApiError, ApiResult, Fault, STALE};
use crate::platform::idempotency::{Replay, Ticket};
use crate::platform::input::{Body, IfMatch, PathId, set, several};
use crate::platform::moment::Moment;
use crate::platform::openapi::PreferHeader;
use crate::platform::page::{Page, PageParams, Paged};
use crate::platform::region_code::RegionCode;
use crate::regions::rules::TimeZone;
use actix_web::{get, post};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// A case as shown to one caller.
#[derive(Debug, Serialize, ToSchema)]
pub struct CaseView {
    id: CaseId,
    #[schema(example = "KS-1706-2026-000123")]
    number: String,
    state: CaseState,
    /// In this state since.
    state_since: DateTime<Utc>,
    /// Agency that brought it into this state.
    state_agency_id: AgencyId,
    province_code: RegionCode,
    regency_code: RegionCode,
    district_code: RegionCode,
    /// Where the person lives or was found.
    village_code: RegionCode,
    reporter_agency_id: AgencyId,
    /// The volunteer who reported it and follows it.
    #[schema(required)]
    volunteer_id: Option<VolunteerId>,
    /// Codes of the list `ppks`.
    ppks: Vec<Code>,
    /// One of these is specific personal data.
    sensitive: bool,
    /// Code of the list `service-fields`.
    #[schema(required)]
    service_field: Option<Code>,
    /// Code of the list `sectors`.
    #[schema(required)]
    sector: Option<Code>,
    urgency: Urgency,
    /// **Do not contact the person**: whoever does may endanger them. Go by the contact, or ask the reporter.
    do_not_contact: bool,
    lawful_basis: LawfulBasis,
    /// Of a restricted case the one that was taken back.
    #[schema(required)]
    consent: Option<Consent>,
    /// When the consent was taken back.
    #[schema(required)]
    consent_withdrawn_on: Option<NaiveDate>,
    /// Of a restricted case masked, but to its reporter and its volunteer.
    person: CasePersonView,
    /// What is needed, in words; null where the person is masked.
    #[schema(required)]
    need: Option<String>,
    /// Code of the list `case-outcomes`; of a closed case.
    #[schema(required)]
    outcome: Option<Code>,
    #[schema(required)]
    closed_at: Option<DateTime<Utc>>,
    version: i32,
    /// When it was written down, by the clock of the device; null: when it was sent.
    #[schema(required)]
    recorded_at: Option<DateTime<Utc>>,
    /// The device's clock was more than ten minutes ahead of the service's: `recorded_at` is not to be relied on.
    clock_ahead: bool,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// Whether the caller sees the person of a case that it sees. Of a restricted one: who reported it and its volunteer, so that
/// somebody can answer the person (UU 27/2022, art. 40 and 41).
pub fn sees_person(caller: &Caller, case: &Case) -> bool {
    case.state != CaseState::Restricted
        || matches!(caller.sight, Sight::Own(_))
        || case.reporter_agency_id == caller.agency
}

impl CaseView {
    /// For who sees the case: governments of its region and its volunteer know the person.
    pub fn of(caller: &Caller, case: Case, person: CasePerson, now: DateTime<Utc>) -> Self {
        let (open, consent) = (sees_person(caller, &case), Consent::of(&case));
        let today = TimeZone::of(&case.village_code).day(now);
        Self {
            id: case.id,
            number: case.number,
            state: case.state,
            state_since: case.state_since,
            state_agency_id: case.state_agency_id,
            province_code: case.province_code,
            regency_code: case.regency_code,
            district_code: case.district_code,
            village_code: case.village_code,
            reporter_agency_id: case.reporter_agency_id,
            volunteer_id: case.volunteer_id,
            ppks: case.ppks,
            sensitive: case.sensitive,
            service_field: case.service_field,
            sector: case.sector,
            urgency: case.urgency,
            do_not_contact: case.do_not_contact,
            lawful_basis: case.lawful_basis,
            consent,
            consent_withdrawn_on: case.consent_withdrawn_on,
            person: if open { CasePersonView::open(&person, today) } else { CasePersonView::masked(&person, today) },
            need: open.then_some(person.need),
            outcome: case.outcome,
            closed_at: case.closed_at,
            version: case.version,
            recorded_at: case.recorded_at,
            clock_ahead: case.recorded_at.is_some_and(|at| at > case.created_at + CLOCK_AHEAD),
            created_at: case.created_at,
            updated_at: case.updated_at,
        }
    }
}

/// Who sees a case: its reporter, the governments it lies under, its volunteer. The village is left out of a sensitive
/// one.
pub fn audience(case: &Case) -> Audience {
    let place = if case.sensitive { &case.district_code } else { &case.village_code };
    Audience {
        agencies: vec![case.reporter_agency_id],
        regions: vec![place.clone()],
        volunteers: case.volunteer_id.into_iter().collect(),
        below: vec![],
    }
}

/// Which cases.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CaseFilter {
    /// Only those in this region.
    region: Option<RegionCode>,
    /// Only those in this state; may be repeated.
    #[serde(default, deserialize_with = "several")]
    #[param(max_items = 100)]
    status: Vec<CaseState>,
    /// Only those with this category; may be repeated.
    #[serde(default, deserialize_with = "several")]
    #[param(max_items = 100)]
    ppks: Vec<Code>,
    /// Only those that hurry so much.
    urgency: Option<Urgency>,
    /// Created at this time or later, with a zone.
    created_from: Option<Moment>,
    /// Created before this time.
    created_before: Option<Moment>,
    /// Only those that this volunteer follows.
    volunteer_id: Option<VolunteerId>,
    /// Only those that this agency reported.
    reporter: Option<AgencyId>,
    /// Only those whose person must not be contacted, or only the others.
    #[serde(default, deserialize_with = "set")] // else an empty value would be none
    do_not_contact: Option<bool>,
    /// Only those in their state since before this time: with `status=open`, what has been open for long.
    state_before: Option<Moment>,
    /// Only those changed at this time or later, with a zone.
    updated_from: Option<Moment>,
    /// Only those with a referral that is open, or only the others: with `status=open` and `false`, for whom nothing is under way.
    #[serde(default, deserialize_with = "set")] // else an empty value would be none
    referred: Option<bool>,
}

impl CaseFilter {
    /// What is looked for.
    pub fn wanted(&self) -> Wanted {
        Wanted {
            region: self.region.clone(),
            state: self.status.clone(),
            ppks: self.ppks.clone(),
            urgency: self.urgency,
            created_from: self.created_from.map(Moment::at),
            created_before: self.created_before.map(Moment::at),
            volunteer: self.volunteer_id,
            reporter: self.reporter,
            do_not_contact: self.do_not_contact,
            state_before: self.state_before.map(Moment::at),
            updated_from: self.updated_from.map(Moment::at),
            referred: self.referred,
        }
    }
}

/// List cases
///
/// Newest first. A source system has no cases: it sees what a referral shows it.
#[utoipa::path(tag = "cases", security(("oauth2" = ["cases:read"])), params(CaseFilter, PageParams, PreferHeader),
    responses((status = 200, body = Page<CaseView>, description = "A page of cases.")))]
#[get("/v1/cases")]
pub async fn list_cases(
    caller: Permit<ReadCases>,
    paged: Paged<CaseFilter>,
    app: Shared,
    recorder: Recorder,
    db: Db,
) -> ApiResult<Answer> {
    let wanted = paged.filter.wanted();
    let (after, now): (Option<(DateTime<Utc>, CaseId)>, _) = (paged.after()?, app.clock.now());
    let rows = db.read(async |c| list(c, &caller, &wanted, after, paged.limit + 1).await).await?;
    let total = if paged.count { Some(db.read(async |c| count(c, &caller, &wanted).await).await?) } else { None };
    let (rows, after) = paged.cut(rows, |(case, _)| (case.created_at, case.id));
    let open: Vec<_> = rows.iter().filter(|(case, _)| sees_person(&caller, case)).collect();
    if !open.is_empty() {
        let event = Event::by(&caller, "case.list", app.clock.new_id(), now).rows(
            "case",
            open.iter().map(|(case, person)| (case.id.0, person.id, &case.village_code)),
            OPEN_FIELDS,
        );
        recorder.record(event).await?;
    }
    paged.answer(
        rows.into_iter().map(|(case, person)| CaseView::of(&caller, case, person, now)).collect(),
        after,
        total,
    )
}

/// Read a case
#[utoipa::path(tag = "cases", security(("oauth2" = ["cases:read"])), params(("id" = CaseId, Path, description = "Id of the case.")),
    responses((status = 200, body = CaseView, description = "The case.")))]
#[get("/v1/cases/{id}")]
pub async fn read_case(
    caller: Permit<ReadCases>,
    id: PathId<CaseId>,
    app: Shared,
    recorder: Recorder,
    db: Db,
) -> ApiResult<Answer> {
    let (case, person) = db.read(async |c| store::find(c, &caller, id.0).await).await?;
    let now = app.clock.now();
    recorder.record(shown(&app, &caller, "case.read", &case, &person)).await?;
    let version = case.version;
    Answer::row(&CaseView::of(&caller, case, person, now), version)
}

/// The access record of a case that is shown.
pub fn shown(app: &App, caller: &Caller, action: &str, case: &Case, person: &CasePerson) -> Event {
    let event = Event::by(caller, action, app.clock.new_id(), app.clock.now()).subject("case", case.id);
    let event = event.region(&case.village_code);
    if sees_person(caller, case) { event.persons([person.id], OPEN_FIELDS) } else { event }
}

/// Why the numbers are shown.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RevealCase {
    /// Recorded.
    pub purpose: RevealPurpose,
}

/// Reveal the numbers of a case's person
///
/// NIK, KK and card number in full. The access is recorded with its purpose before they are sent.
#[utoipa::path(tag = "cases", security(("oauth2" = ["identity:reveal"])), params(("id" = CaseId, Path, description = "Id of the case.")),
    request_body = RevealCase,
    responses((status = 200, body = IdentityView, description = "The numbers."),
        (status = 409, body = crate::platform::error::Problem, content_type = "application/problem+json", description = "The consent was taken back.")))]
#[post("/v1/cases/{id}/reveal")]
pub async fn reveal_case(
    caller: Permit<RevealIdentity>,
    id: PathId<CaseId>,
    reveal: Body<RevealCase>,
    app: Shared,
    recorder: Recorder,
    db: Db,
) -> ApiResult<Answer> {
    let (case, person) = db.read(async |c| store::find(c, &caller, id.0).await).await?;
    if !sees_person(&caller, &case) {
        return Err(state_conflict(&case));
    }
    let event = shown(&app, &caller, "case.reveal", &case, &person)
        .persons([], REVEALED_FIELDS)
        .purpose(reveal.0.purpose.as_str());
    recorder.record(event).await?;
    Answer::ok(&IdentityView::of(&person, &app.keys)?)
}

/// What goes into the history of a case.
pub struct Act {
    /// What was done.
    pub action: CaseAction,
    /// Outcome or reason.
    pub reason: Option<Code>,
    /// In words.
    pub note: Option<String>,
}

impl Act {
    /// For which nobody gives a reason.
    pub fn new(action: CaseAction) -> Self {
        Self { action, reason: None, note: None }
    }
}

/// History, audit and outbox of a change of a case. The answer shows the person, so the audit row says so.
pub async fn note_change(
    conn: &mut Conn,
    app: &App,
    caller: &Caller,
    before: Option<&Case>,
    after: &Case,
    person: &CasePerson,
    act: Act,
) -> ApiResult<()> {
    // One moment: history tells when the row says that it changed.
    let now = after.updated_at;
    let mut event = shown(app, caller, &format!("case.{}", act.action), after, person);
    if let Some(reason) = &act.reason {
        event = event.detail(reason.as_str());
    }
    let line = CaseEvent {
        id: app.clock.new_id(),
        case_id: after.id,
        at: now,
        action: act.action,
        from_state: before.map(|case| case.state),
        to_state: after.state,
        agency_id: caller.agency,
        client_id: caller.client,
        acting_user: caller.acting_user.as_ref().map(|user| user.as_str().to_owned()),
        volunteer_id: caller.volunteer,
        reason: act.reason,
        note: act.note,
    };
    store::add_history(conn, &line).await?;
    audit::record(conn, &event).await?;
    publish(conn, before, after).await
}

/// Saves a change of a case that is locked, with all that goes with it; the answer, kept for a replay.
pub async fn make_change(
    conn: &mut Conn,
    app: &App,
    caller: &Caller,
    before: &Case,
    after: &Case,
    (act, now): (Act, DateTime<Utc>),
    ticket: Ticket,
) -> ApiResult<Answer> {
    let after = store::save(conn, after, now).await?;
    let person = store::person(conn, after.id).await?;
    note_change(conn, app, caller, Some(before), &after, &person, act).await?;
    let (version, subjects) = (after.version, shown_of(caller, &after, &person));
    let answer = Answer::row(&CaseView::of(caller, after, person, now), version)?;
    ticket.keep(conn, answer, &subjects).await
}

/// What an answer shows, for a replay: a case, and its person unless masked.
pub fn shown_of(caller: &Caller, case: &Case, person: &CasePerson) -> Vec<Uuid> {
    std::iter::once(case.id.0).chain(sees_person(caller, case).then_some(person.id)).collect()
}

/// Publishes a change of a case, to those who saw it before and those who see it now.
pub async fn publish(conn: &mut Conn, before: Option<&Case>, after: &Case) -> ApiResult<()> {
    let change = Change {
        r#type: ChangeType::Case,
        id: after.id.0,
        version: after.version,
        op: Op::Upsert,
        redirected_to: None,
        before: before.map(audience).unwrap_or_default(),
        after: audience(after),
        at: after.updated_at,
    };
    Ok(changes::publish(conn, &change).await?)
}

/// The stored answer, if the caller still sees the person that it shows; otherwise where the case stands. The access is recorded with this transaction.
pub async fn replayed(conn: &mut Conn, app: &App, caller: &Caller, replay: Replay) -> ApiResult<Answer> {
    let id = replay.subjects.first().copied().map(CaseId).ok_or_else(ApiError::not_found)?;
    let (case, person) = store::find(&mut &*conn, caller, id).await?;
    if replay.subjects.contains(&person.id) && !sees_person(caller, &case) {
        return Err(state_conflict(&case));
    }
    audit::record(conn, &shown(app, caller, "case.replay", &case, &person)).await?;
    Ok(replay.answer)
}

/// Where an act leads, if the state allows it.
pub fn decided(case: &Case, action: CaseAction) -> ApiResult<CaseState> {
    decide(action, Some(case.state), case.closed_at.is_some()).ok_or_else(|| state_conflict(case))
}

/// The case is in another state.
pub fn state_conflict(case: &Case) -> ApiError {
    ApiError::from(&CASE_STATE_CONFLICT)
        .member("state", case.state)
        .member("since", case.state_since)
        .member("by", case.state_agency_id)
}

/// Refuses a change that is based on an older version.
pub fn check_version(case: &Case, sent: IfMatch) -> ApiResult<()> {
    if case.version == sent.0 {
        return Ok(());
    }
    Err(ApiError::from(&STALE).member("version", case.version).member("updated_at", case.updated_at))
}

/// Refuses a code that its list does not have today, or that must be explained and is not.
pub async fn check_code(
    conn: &mut Conn,
    list: &str,
    code: &Code,
    explained: bool,
    pointer: &str,
    day: NaiveDate,
) -> ApiResult<()> {
    let found = codes::valid(conn, list, std::slice::from_ref(code), day).await?;
    let entry = found.first().ok_or_else(|| ApiError::rule(pointer, UNKNOWN_CODE))?;
    if entry.needs_text && !explained {
        let fault = Fault::new("required", "alasan ini harus dijelaskan", "this reason must be explained");
        return Err(ApiError::rule("/note", fault));
    }
    Ok(())
}

//! What of `/v1/cases` touches referrals: a case may come with its first one, a change may alter who sees them, and
//! closing ([`close`]) or a consent that is taken back ([`withdraw`]) ends them. They are followed by the volunteer of their case
//! ([`assign`]).
pub mod assign;
pub mod close;
pub mod upsert;
pub mod withdraw;

use super::create::{NewReferral, send};
use super::publish::{publish, publish_of_case};
use super::rules::ReferralId;
use super::store::{self, Referral};
use crate::access::api::{Permit, Purse};
use crate::access::rules::{Caller, Scope, SharedCaller, Sight, VolunteerId, WriteCases};
use crate::audit::rules::Event;
use crate::audit::store::{self as audit, Recorder};
use crate::cases::alike::{Distinct, Till};
use crate::cases::api::{Act, CaseView, check_code, check_version, decided, note_change, replayed, shown_of};
use crate::cases::consent::{self, Consent, NewConsent};
use crate::cases::person::{CasePersonPatch, NewCasePerson};
use crate::cases::rules::{CaseAction, CaseId, CaseState, LawfulBasis, Urgency, levels};
use crate::cases::store::{self as cases, Case, CasePerson};
use crate::codes::rules::{Code, UNKNOWN_CODE};
use crate::codes::store as codes;
use crate::platform::answer::Answer;
use crate::platform::app::{App, Shared};
use crate::platform::db::{Conn, Db};
use crate::platform::error::{ApiError, ApiResult, FORBIDDEN, Fault, ID_TAKEN};
use crate::platform::idempotency::Attempt;
use crate::platform::input::{Body, IfMatch, Keyed, PathId, set, set_or_clear};
use crate::platform::moment::Moment;
use crate::platform::openapi::{IdempotencyHeader, IfMatchHeader};
use crate::platform::region_code::RegionCode;
use crate::platform::text::Text;
use crate::regions::rules::TimeZone;
use crate::regions::store as regions;
use crate::volunteers::store as volunteers;
use actix_web::{patch, post};
use chrono::{DateTime, Datelike, NaiveDate, Utc};
use diesel::OptionalExtension;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// A new case.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCase {
    /// Your own `UUIDv7`, so that a repeated create is known; made by the service if absent.
    id: Option<CaseId>,
    /// Where the person lives or was found: a village of your own region.
    village_code: RegionCode,
    person: NewCasePerson,
    /// Codes of the list `ppks`.
    #[schema(min_items = 1, max_items = 26)]
    ppks: Vec<Code>,
    /// Code of the list `service-fields`.
    service_field: Option<Code>,
    /// Code of the list `sectors`.
    sector: Option<Code>,
    /// `normal`, unless said otherwise.
    urgency: Option<Urgency>,
    /// What is needed, in words.
    need: Text<4000>,
    /// Why these data may be processed.
    lawful_basis: LawfulBasis,
    /// With the basis `consent`, and only then.
    consent: Option<NewConsent>,
    /// Whoever contacts the person may endanger them: somebody who lives with the offender. Not so, unless said otherwise; an upsert that
    /// says nothing of it leaves it as it is.
    do_not_contact: Option<bool>,
    /// When it was written down, by the clock of the device; it may have been without a network for days. Kept as it is, even
    /// if the clock is wrong.
    recorded_at: Option<Moment>,
    /// The volunteer who reported it, if an office writes it down. A phone reports for its own.
    volunteer_id: Option<VolunteerId>,
    /// The first referral, sent with the same request; needs `referrals:send` too.
    referral: Option<NewReferral>,
    /// Cases of the `candidates` of `case_alike` than which this is another one.
    #[serde(default)]
    #[schema(max_items = 50)]
    distinct_from: Vec<CaseId>,
    /// Why: a code of the list `distinct-reasons`. `namesakes` and `twins` do not explain an equal number.
    distinct_reason: Option<Code>,
}

/// A case that was created, with the first referral if there is one.
#[derive(Debug, Serialize, ToSchema)]
pub struct CreatedCase {
    #[serde(flatten)]
    case: CaseView,
    /// The referral that was sent with it.
    #[schema(required)]
    referral_id: Option<ReferralId>,
}

/// Report a case
///
/// With its first referral, if wanted: both are made or neither. The number is counted by regency and year.
///
/// Where a case of your sight that is not closed has the same person and a category in common in the same regency, nothing is made:
/// 409 `case_alike` has the `candidates`, each with `case_id`, `number`, `state`, `village_code`, `ppks`, `reporter_agency_id`,
/// `created_at`, `by` (`nik`, `card` or `name`), `initials` and `age_band`. Show them, and go on with the one that it is. If it is none of
/// them, send the create again with their ids in `distinct_from` and a `distinct_reason`. The refusal counts as a search by number and
/// is recorded.
#[utoipa::path(tag = "cases", security(("oauth2" = ["cases:write"])), params(IdempotencyHeader), request_body = NewCase,
    responses((status = 201, body = CreatedCase, description = "Reported."), (status = 200, body = CreatedCase, description = "It was reported by the same create.")))]
#[post("/v1/cases")]
pub async fn create_case(
    permit: Permit<WriteCases>,
    new: Keyed<NewCase>,
    app: Shared,
    db: Db,
    recorder: Recorder,
    purse: Purse,
) -> ApiResult<Answer> {
    let till = Till { caller: &permit, app: &app, db: &db, recorder: &recorder, purse: &purse };
    let created = create(&db, permit.caller(), app.0.clone(), new).await;
    till.charge(created).await
}

async fn create(db: &Db, caller: SharedCaller, app: Arc<App>, new: Keyed<NewCase>) -> ApiResult<Answer> {
    if new.body.referral.is_some() && !caller.scopes.has(Scope::ReferralsSend) {
        return Err(ApiError::from(&FORBIDDEN));
    }
    db.write(async move |c| {
        let ticket = match new.key.begin(c, &app, caller.identity()).await? {
            Attempt::Replay(replay) => return replayed(c, &app, &caller, replay).await,
            Attempt::Fresh(ticket) => ticket,
        };
        let (body, request, now) = (new.body, new.key.body(), app.clock.now());
        if let Some(id) = find_same(c, &body, request, &caller).await? {
            let (case, person) = cases::find(&mut &*c, &caller, id).await?;
            audit::record(c, &crate::cases::api::shown(&app, &caller, "case.read", &case, &person)).await?;
            let (referral_id, version) = (store::first_of(c, id).await?, case.version);
            let subjects = shown_of(&caller, &case, &person);
            let view = CreatedCase { case: CaseView::of(&caller, case, person, now), referral_id };
            return ticket.keep(c, Answer::row(&view, version)?, &subjects).await;
        }
        let (case, person, referral_id) = report_and_send(c, &app, &caller, body, request).await?;
        let (id, version, subjects) = (case.id, case.version, shown_of(&caller, &case, &person));
        let view = CreatedCase { case: CaseView::of(&caller, case, person, now), referral_id };
        let answer = Answer::created(&view, version, format!("{}/v1/cases/{id}", app.settings.public_url))?;
        ticket.keep(c, answer, &subjects).await
    })
    .await
}

/// Reports a case and sends its first referral, if there is one.
pub async fn report_and_send(
    conn: &mut Conn,
    app: &App,
    caller: &Caller,
    new: NewCase,
    request: &[u8],
) -> ApiResult<(Case, CasePerson, Option<ReferralId>)> {
    let first = new.referral.clone();
    let (case, person) = report(conn, app, caller, new, request).await?;
    let Some(first) = first else { return Ok((case, person, None)) };
    let sent = send_first(conn, app, caller, &case, &first, request).await?;
    Ok((case, person, Some(sent)))
}

/// Sends a referral that came with its case: the person is recorded with that.
async fn send_first(
    conn: &mut Conn,
    app: &App,
    caller: &Caller,
    case: &Case,
    first: &NewReferral,
    request: &[u8],
) -> ApiResult<ReferralId> {
    let sent = send(conn, app, caller, case, first, request, "/referral").await?;
    let event = Event::by(caller, "referral.create", app.clock.new_id(), app.clock.now()).subject("referral", sent.id);
    audit::record(conn, &event.region(&sent.village_code)).await?;
    Ok(sent.id)
}

/// The row of the same create; an id of anything else is taken.
async fn find_same(conn: &mut Conn, new: &NewCase, request: &[u8], caller: &Caller) -> ApiResult<Option<CaseId>> {
    let Some(id) = new.id else { return Ok(None) };
    cases::hold_id(conn, id).await?;
    match cases::lock_any(conn, id).await.optional()? {
        None => Ok(None),
        Some(row) if row.created_by == caller.client && row.create_request == request => Ok(Some(row.id)),
        Some(_) => Err(ApiError::from(&ID_TAKEN)),
    }
}

async fn report(
    conn: &mut Conn,
    app: &App,
    caller: &Caller,
    new: NewCase,
    request: &[u8],
) -> ApiResult<(Case, CasePerson)> {
    let (now, id) = (app.clock.now(), new.id.unwrap_or_else(|| CaseId(app.clock.new_id())));
    let [province_code, regency_code, district_code, village_code] = place(conn, caller, &new.village_code).await?;
    let volunteer_id = reporter(conn, caller, new.volunteer_id).await?;
    let today = TimeZone::of(&village_code).day(now);
    let (ppks, sensitive) = check_ppks(conn, new.ppks, today).await?;
    check_places(conn, new.service_field.as_ref(), new.sector.as_ref(), today).await?;
    let distinct = Distinct::check(conn, caller, new.distinct_from, new.distinct_reason, today).await?;
    let person = new.person.into_row(&app.keys, app.clock.new_id(), id, &new.need, today)?;
    let recorded_at = new.recorded_at.map(Moment::at);
    let given = new.consent.map(|given| Consent::given(given, &person));
    consent::check(new.lawful_basis, given.as_ref(), &person, today, latest(recorded_at, &village_code, today))?;
    let mut case = Case {
        id,
        number: cases::next_number(conn, &regency_code, today.year()).await?,
        state: CaseState::Open,
        province_code,
        regency_code,
        district_code,
        village_code,
        reporter_agency_id: caller.agency,
        volunteer_id,
        ppks,
        sensitive,
        service_field: new.service_field,
        sector: new.sector,
        urgency: new.urgency.unwrap_or(Urgency::Normal),
        lawful_basis: new.lawful_basis,
        consent_by: None,
        consent_on: None,
        outcome: None,
        closed_at: None,
        state_since: now,
        state_agency_id: caller.agency,
        version: 1,
        created_by: caller.client,
        create_request: request.to_vec(),
        created_at: now,
        updated_at: now,
        do_not_contact: new.do_not_contact.unwrap_or_default(),
        consent_relation: None,
        consent_method: None,
        consent_withdrawn_on: None,
        recorded_at,
        consent_evidence_ids: vec![],
    };
    consent::set(&mut case, given.as_ref());
    let reason = distinct.create(conn, caller, &case, &person, today).await?;
    note_change(conn, app, caller, None, &case, &person, Act { action: CaseAction::Create, reason, note: None })
        .await?;
    Ok((case, person))
}

/// The last day on which somebody can have agreed: a device whose clock is ahead says what it knows.
fn latest(recorded_at: Option<DateTime<Utc>>, village: &RegionCode, today: NaiveDate) -> NaiveDate {
    recorded_at.map_or(today, |at| TimeZone::of(village).day(at).max(today))
}

/// Where a need belongs among services.
async fn check_places(
    conn: &mut Conn,
    service_field: Option<&Code>,
    sector: Option<&Code>,
    today: NaiveDate,
) -> ApiResult<()> {
    check_optional(conn, "service-fields", service_field, "/service_field", today).await?;
    check_optional(conn, "sectors", sector, "/sector", today).await
}

/// The codes of a current village in the caller's jurisdiction.
async fn place(conn: &mut Conn, caller: &Caller, village: &RegionCode) -> ApiResult<[RegionCode; 4]> {
    if matches!(caller.sight, Sight::Addressed(_)) {
        // Cases are seen by region: it would never see this one again.
        return Err(ApiError::from(&FORBIDDEN));
    }
    let at = "/village_code";
    let unknown = || Fault::new("region_unknown", "bukan desa atau kelurahan yang berlaku", "not a current village");
    let codes = levels(village).ok_or_else(|| ApiError::rule(at, unknown()))?;
    if regions::current(conn, std::slice::from_ref(village)).await?.is_empty() {
        return Err(ApiError::rule(at, unknown()));
    }
    if !caller.regions.iter().any(|region| region.contains(village)) {
        let fault = Fault::new("outside_jurisdiction", "di luar wilayah Anda", "outside your region");
        return Err(ApiError::rule(at, fault));
    }
    Ok(codes)
}

/// Who reported it: a phone its own volunteer, an office one that it sees.
async fn reporter(conn: &mut Conn, caller: &Caller, named: Option<VolunteerId>) -> ApiResult<Option<VolunteerId>> {
    let unknown = || {
        let fault = Fault::new("volunteer_unknown", "relawan tidak ditemukan", "no such volunteer");
        ApiError::rule("/volunteer_id", fault)
    };
    let id = match (caller.volunteer, named) {
        (Some(own), Some(named)) if own != named => return Err(unknown()),
        (own, named) => own.or(named),
    };
    let Some(id) = id else { return Ok(None) };
    let found = volunteers::hold_living(conn, caller, id).await.optional()?;
    found.map(|volunteer| Some(volunteer.id)).ok_or_else(unknown)
}

async fn check_ppks(conn: &mut Conn, mut ppks: Vec<Code>, day: NaiveDate) -> ApiResult<(Vec<Code>, bool)> {
    let found = codes::valid(conn, "ppks", &ppks, day).await?;
    if ppks.is_empty() {
        return Err(ApiError::rule("/ppks", Fault::new("required", "paling sedikit satu", "at least one")));
    }
    if let Some(index) = ppks.iter().position(|code| found.iter().all(|entry| entry.code != *code)) {
        return Err(ApiError::rule(&format!("/ppks/{index}"), UNKNOWN_CODE));
    }
    ppks.sort();
    ppks.dedup();
    Ok((ppks, found.iter().any(|entry| entry.sensitive)))
}

async fn check_optional(
    conn: &mut Conn,
    list: &str,
    code: Option<&Code>,
    pointer: &str,
    day: NaiveDate,
) -> ApiResult<()> {
    match code {
        Some(code) => check_code(conn, list, code, true, pointer, day).await,
        None => Ok(()),
    }
}

/// A change of a case (RFC 7396): what is absent stays.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::option_option, reason = "absent, null and a value are three things")]
pub struct CasePatch {
    #[serde(default, deserialize_with = "set")]
    #[schema(nullable = false)]
    person: Option<CasePersonPatch>,
    /// All of them, as codes of the list `ppks`.
    #[serde(default, deserialize_with = "set")]
    #[schema(nullable = false)]
    ppks: Option<Vec<Code>>,
    /// Code of the list `service-fields`.
    #[serde(default, deserialize_with = "set_or_clear")]
    #[schema(value_type = Option<Code>)]
    service_field: Option<Option<Code>>,
    /// Code of the list `sectors`.
    #[serde(default, deserialize_with = "set_or_clear")]
    #[schema(value_type = Option<Code>)]
    sector: Option<Option<Code>>,
    #[serde(default, deserialize_with = "set")]
    #[schema(nullable = false)]
    urgency: Option<Urgency>,
    #[serde(default, deserialize_with = "set")]
    #[schema(nullable = false)]
    need: Option<Text<4000>>,
    #[serde(default, deserialize_with = "set")]
    #[schema(nullable = false)]
    lawful_basis: Option<LawfulBasis>,
    #[serde(default, deserialize_with = "set_or_clear")]
    #[schema(value_type = Option<NewConsent>)]
    consent: Option<Option<NewConsent>>,
    #[serde(default, deserialize_with = "set")]
    #[schema(nullable = false)]
    do_not_contact: Option<bool>,
}

/// Change a case
///
/// While it is open. What its referrals show follows; those who see them are told.
#[utoipa::path(tag = "cases", security(("oauth2" = ["cases:write"])), params(("id" = CaseId, Path, description = "Id of the case."), IfMatchHeader),
    request_body(content = CasePatch, content_type = "application/merge-patch+json"),
    responses((status = 200, body = CaseView, description = "Changed.")))]
#[patch("/v1/cases/{id}")]
pub async fn update_case(
    permit: Permit<WriteCases>,
    id: PathId<CaseId>,
    version: IfMatch,
    patch: Body<CasePatch>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let (caller, app, patch) = (permit.caller(), app.0, patch.0);
    db.write(async move |c| {
        let (before, now) = (cases::lock(c, &caller, id.0).await?, app.clock.now());
        decided(&before, CaseAction::Update)?;
        check_version(&before, version)?;
        let mut person = cases::person(c, before.id).await?;
        let changed = change(c, &app, &before, &mut person, patch).await?;
        let after = save_change(c, &app, &caller, &before, &changed, &person).await?;
        let version = after.version;
        Answer::row(&CaseView::of(&caller, after, person, now), version)
    })
    .await
}

/// Writes a change, with all who are told of it.
async fn save_change(
    conn: &mut Conn,
    app: &App,
    caller: &Caller,
    before: &Case,
    changed: &Case,
    person: &CasePerson,
) -> ApiResult<Case> {
    let after = cases::save(conn, changed, app.clock.now()).await?;
    cases::save_person(conn, person).await?;
    let act = Act { action: CaseAction::Update, reason: None, note: None };
    note_change(conn, app, caller, Some(before), &after, person, act).await?;
    follow(conn, app, before, &after).await?;
    Ok(after)
}

/// The last day on which somebody can have agreed to a changed case: not later than before, if a device's clock was ahead.
fn latest_of_change(given: Option<&Consent>, before: &Case, today: NaiveDate) -> NaiveDate {
    given.map_or(today, |given| given.on().min(before.consent_on.unwrap_or(today)).max(today))
}

async fn change(
    conn: &mut Conn,
    app: &App,
    before: &Case,
    person: &mut CasePerson,
    patch: CasePatch,
) -> ApiResult<Case> {
    let (mut after, today) = (before.clone(), TimeZone::of(&before.village_code).day(app.clock.now()));
    if let Some(changes) = patch.person {
        changes.apply(person, &app.keys, today)?;
    }
    if let Some(need) = patch.need {
        need.as_str().clone_into(&mut person.need);
    }
    if let Some(ppks) = patch.ppks {
        (after.ppks, after.sensitive) = check_ppks(conn, ppks, today).await?;
    }
    if let Some(field) = patch.service_field {
        check_optional(conn, "service-fields", field.as_ref(), "/service_field", today).await?;
        after.service_field = field;
    }
    if let Some(sector) = patch.sector {
        check_optional(conn, "sectors", sector.as_ref(), "/sector", today).await?;
        after.sector = sector;
    }
    after.urgency = patch.urgency.unwrap_or(after.urgency);
    after.lawful_basis = patch.lawful_basis.unwrap_or(after.lawful_basis);
    after.do_not_contact = patch.do_not_contact.unwrap_or(after.do_not_contact);
    let kept = Consent::of(&after);
    let said = patch.consent.map(|given| given.map(|given| Consent::given(given, person)));
    let given = said.unwrap_or_else(|| kept.filter(|_| after.lawful_basis == LawfulBasis::Consent));
    let latest = latest_of_change(given.as_ref(), before, today);
    consent::check(after.lawful_basis, given.as_ref(), person, today, latest)?;
    consent::set(&mut after, given.as_ref());
    Ok(after)
}

/// Tells those who see the case by a referral, of a person who must not be contacted whoever had one, takes a case that has become sensitive out of the village's sight, and the person of
/// a restricted one out of all but the reporter's.
pub(super) async fn follow(conn: &mut Conn, app: &App, was: &Case, case: &Case) -> ApiResult<()> {
    let (now, restricted) = (app.clock.now(), case.state == CaseState::Restricted);
    let endangered = case.do_not_contact && !was.do_not_contact;
    for before in store::lock_all(conn, case.id).await? {
        if before.sensitive == case.sensitive && before.restricted == restricted {
            if endangered || before.status.is_open() {
                store::touch(conn, before.id, now).await?;
            }
            // Who has done its part may still have the telephone number.
            if endangered {
                publish(conn, Some(&before), &before, now).await?;
            } else {
                publish_of_case(conn, &before, now).await?;
            }
        } else {
            let after = Referral { sensitive: case.sensitive, restricted, ..before.clone() };
            let after = store::save(conn, &after, now).await?;
            publish(conn, Some(&before), &after, now).await?;
        }
    }
    Ok(())
}

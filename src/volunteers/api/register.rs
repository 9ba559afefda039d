//! Registering a candidate.
use super::{VolunteerView, keep, note, replay, showing};
use crate::access::api::Permit;
use crate::access::rules::{Caller, ProposeVolunteers, Scope, VolunteerId};
use crate::audit::store as audit;
use crate::codes::rules::{Code, UNKNOWN_CODE};
use crate::codes::store as codes;
use crate::platform::answer::Answer;
use crate::platform::app::{App, Shared};
use crate::platform::db::{Conn, Db};
use crate::platform::error::{ApiError, ApiResult, CONFLICT, Fault, ID_TAKEN, Place};
use crate::platform::idempotency::Attempt;
use crate::platform::input::Keyed;
use crate::platform::moment::Day;
use crate::platform::nik::{Nik, NikStatus, Sex};
use crate::platform::openapi::IdempotencyHeader;
use crate::platform::person::{Email, Phone};
use crate::platform::region_code::{RegionCode, RegionLevel};
use crate::platform::text::{Line, Text, fold};
use crate::regions::rules::TimeZone;
use crate::regions::store as regions;
use crate::volunteers::rules::{
    HistoryAction, IdentityState, NOT_THE_AUTHORITY, TrainingLevel, VOLUNTEER_EXISTS, VolunteerStatus,
    check_birth_date, check_certificate, may_propose, nik_status, nik_warnings,
};
use crate::volunteers::store::{self, Full, HistoryRow, Person, Posting, Volunteer};
use actix_web::post;
use chrono::{DateTime, NaiveDate, Utc};
use serde::Deserialize;
use utoipa::ToSchema;

/// A candidate.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewVolunteer {
    /// Your own `UUIDv7`, so that a repeated create is known; made by the service if absent.
    id: Option<VolunteerId>,
    /// Village of the posting.
    village_code: RegionCode,
    #[schema(example = "Siti Aminah")]
    name: Line<200>,
    sex: Option<Sex>,
    nik: Option<Nik>,
    /// `verified` (checked against the civil registry; social offices only) or `well_formed` with a NIK; `none` (the person
    /// has none) or `unknown` without.
    nik_status: Option<NikStatus>,
    birth_date: Option<Day>,
    birth_place: Option<Line<100>>,
    address: Option<Text<500>>,
    phone: Option<Phone>,
    email: Option<Email>,
    /// Last education.
    education: Option<Line<100>>,
    /// Main occupation.
    occupation: Option<Line<100>>,
    /// Number in the office's own register.
    member_number: Option<Line<50>>,
    /// Basic training passed before this registry: number of its certificate.
    certificate_number: Option<Line<100>>,
    /// Who held it.
    certificate_organiser: Option<Line<200>>,
    /// When.
    certificate_date: Option<Day>,
    /// Year of the first appointment.
    #[schema(minimum = 1945, maximum = 2200)]
    appointed_year: Option<i16>,
    /// Codes of the list `psm-functions`.
    #[serde(default)]
    functions: Vec<Code>,
}

/// Propose a candidate
///
/// A village proposes for itself, a social office for any village of its region. A NIK that a volunteer of your sight
/// already has is `volunteer_exists` with its `id`. Where the NIK differs from what is stated, `warnings` says so.
#[utoipa::path(tag = "volunteers", security(("oauth2" = ["volunteers:propose"]), ("oauth2" = ["volunteers:write"])), params(IdempotencyHeader), request_body = NewVolunteer,
    responses((status = 201, body = VolunteerView, description = "Registered as candidate."), (status = 200, body = VolunteerView, description = "It was registered by the same create.")))]
#[post("/v1/volunteers")]
pub async fn create_volunteer(
    permit: Permit<ProposeVolunteers>,
    new: Keyed<NewVolunteer>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let (caller, app) = (permit.caller(), app.0);
    db.write(async move |c| {
        let ticket = match new.key.begin(c, &app, caller.identity()).await? {
            Attempt::Replay(kept) => return replay(c, &app, &caller, kept).await,
            Attempt::Fresh(ticket) => ticket,
        };
        if !may_propose(&caller, &new.body.village_code) {
            return Err(ApiError::from(&NOT_THE_AUTHORITY));
        }
        let (body, digest, now) = (new.body, new.key.body(), app.clock.now());
        if let Some(nik) = &body.nik {
            // Before looking for the row of a repeated create: that one may be under way.
            store::hold_nik(c, &nik_index(&app, nik)).await?;
        }
        let same = match body.id {
            Some(id) => find_same(c, &caller, id, digest).await?,
            None => None,
        };
        if let Some(full) = same {
            if let Some(event) = showing(&caller, &app, "volunteer.repeat_create", [&full.0]) {
                audit::record(c, &event).await?;
            }
            let (id, version) = (full.0.id, full.0.version);
            let answer = Answer::row(&VolunteerView::of(full, &caller, now), version)?;
            return keep(ticket, c, &caller, answer, id).await;
        }
        let full = register(c, &app, &caller, body, digest).await?;
        let (id, version) = (full.0.id, full.0.version);
        let location = format!("{}/v1/volunteers/{id}", app.settings.public_url);
        let answer = Answer::created(&VolunteerView::of(full, &caller, now), version, location)?;
        keep(ticket, c, &caller, answer, id).await
    })
    .await
}

/// The row of the same create; an id of anything else is taken.
async fn find_same(conn: &mut Conn, caller: &Caller, id: VolunteerId, digest: &[u8]) -> ApiResult<Option<Full>> {
    match store::find_create(conn, id).await? {
        None => Ok(None),
        Some((creator, request)) if creator == Some(caller.client.0) && request.as_deref() == Some(digest) => {
            Ok(Some(store::lock_full(conn, caller, id).await?))
        }
        Some(_) => Err(ApiError::from(&ID_TAKEN)),
    }
}

async fn register(conn: &mut Conn, app: &App, caller: &Caller, body: NewVolunteer, digest: &[u8]) -> ApiResult<Full> {
    let now = app.clock.now();
    let today = TimeZone::of(&body.village_code).day(now);
    check_village(conn, &body.village_code).await?;
    check_functions(conn, &body.functions, today).await?;
    check_year(body.appointed_year)?;
    let volunteer = candidate(app, caller, &body, digest, now);
    let id = volunteer.id;
    let person = identify(conn, app, caller, id, body, today).await?;
    let posting = Posting {
        id: app.clock.new_id(),
        volunteer_id: id,
        village_code: volunteer.village_code.clone(),
        valid_from: today,
        valid_until: None,
        posted_by: caller.agency,
        created_at: now,
    };
    let first = HistoryRow {
        id: app.clock.new_id(),
        volunteer_id: id,
        at: now,
        action: HistoryAction::Create,
        from_status: None,
        to_status: volunteer.status,
        effective_on: today,
        agency_id: caller.agency,
        acting_user: caller.acting_user.as_ref().map(|user| user.as_str().to_owned()),
        reason: None,
        note: None,
    };
    let full = (volunteer, person);
    store::create(conn, &full, &posting, &first).await.map_err(|error| {
        let error = ApiError::from(error).on_constraint("volunteers_pkey", || ApiError::from(&ID_TAKEN));
        error.on_constraint("volunteer_people_one_nik", || ApiError::from(&CONFLICT))
    })?;
    note(conn, app, caller, "volunteer.create", None, &full.0, None).await?;
    Ok(full)
}

/// The row of a new candidate.
fn candidate(app: &App, caller: &Caller, body: &NewVolunteer, digest: &[u8], now: DateTime<Utc>) -> Volunteer {
    let mut volunteer = Volunteer {
        id: body.id.unwrap_or_else(|| VolunteerId(app.clock.new_id())),
        status: VolunteerStatus::Candidate,
        status_since: now,
        status_by: caller.agency,
        effective_on: TimeZone::of(&body.village_code).day(now),
        ended_from: None,
        level: TrainingLevel::None,
        sex: body.sex,
        province_code: body.village_code.clone(),
        regency_code: body.village_code.clone(),
        district_code: body.village_code.clone(),
        village_code: body.village_code.clone(),
        functions: body.functions.clone(),
        appointed_year: body.appointed_year,
        sk_number: None,
        sk_date: None,
        sk_official: None,
        supervisor_kind: None,
        supervisor_agency_id: None,
        supervisor_officer: None,
        supervisor_since: None,
        version: 1,
        created_by: Some(caller.client.0),
        create_request: Some(digest.to_vec()),
        created_at: now,
        updated_at: now,
        updated_by: caller.agency,
    };
    volunteer.post_to(&body.village_code);
    volunteer
}

/// The person of a new row, NIK checked and sealed.
async fn identify(
    conn: &mut Conn,
    app: &App,
    caller: &Caller,
    id: VolunteerId,
    body: NewVolunteer,
    today: NaiveDate,
) -> ApiResult<Person> {
    let birth_date = body.birth_date.map(Day::date);
    check_birth_date(birth_date, today)?;
    let certificate_date = body.certificate_date.map(Day::date);
    check_certificate(certificate_date, today)?;
    let line = |text: Option<Line<100>>| text.map(|text| text.as_str().to_owned());
    let mut person = Person {
        volunteer_id: id,
        folded_name: fold(body.name.as_str()),
        name: body.name.as_str().to_owned(),
        birth_date,
        birth_place: line(body.birth_place),
        address: body.address.map(|text| text.as_str().to_owned()),
        phone: body.phone.map(|phone| phone.as_str().to_owned()),
        email: body.email.map(|email| email.as_str().to_owned()),
        education: line(body.education),
        occupation: line(body.occupation),
        member_number: body.member_number.map(|text| text.as_str().to_owned()),
        certificate_number: line(body.certificate_number),
        certificate_organiser: body.certificate_organiser.map(|text| text.as_str().to_owned()),
        certificate_date,
        nik_status: stated_status(caller, body.nik.is_some(), body.nik_status)?,
        nik: None,
        nik_index: None,
        nik_last_four: None,
        nik_warnings: vec![],
        identity_state: IdentityState::Sole,
    };
    if let Some(nik) = &body.nik {
        seal_nik(app, &mut person, nik, today)?;
        person.identity_state = dispute(conn, caller, id, &nik_index(app, nik)).await?;
        warn(conn, &mut person, nik, body.sex).await?;
    }
    Ok(person)
}

/// By which a NIK is found.
pub(super) fn nik_index(app: &App, nik: &Nik) -> Vec<u8> {
    app.keys.blind_index("volunteer_people.nik", nik.reveal())
}

/// What binds a sealed NIK to its row.
pub(super) fn nik_context(id: VolunteerId) -> String {
    format!("volunteer_people.nik:{id}")
}

/// Encrypts the NIK into the person's row.
pub(super) fn seal_nik(app: &App, person: &mut Person, nik: &Nik, today: NaiveDate) -> ApiResult<()> {
    nik.check_born(today).map_err(|fault| ApiError::malformed(Place::Pointer("/nik".to_owned()), fault))?;
    let sealed = app.keys.encrypt(&nik_context(person.volunteer_id), nik.reveal()).map_err(ApiError::internal)?;
    person.nik = Some(sealed);
    person.nik_index = Some(nik_index(app, nik));
    person.nik_last_four = Some(nik.last_four().to_owned());
    Ok(())
}

/// Whether another row has this NIK. One that the caller sees is named; of one that it does not see it learns nothing,
/// and its own row is marked. The NIK is held.
pub(super) async fn dispute(
    conn: &mut Conn,
    caller: &Caller,
    id: VolunteerId,
    nik_index: &[u8],
) -> ApiResult<IdentityState> {
    let holder = store::nik_holder(conn, nik_index).await?.filter(|holder| holder.id != id);
    let Some(holder) = holder else { return Ok(IdentityState::Sole) };
    let window = caller.sight.window();
    let village = holder.village_code.as_str();
    if (window.from.as_str() <= village && village < window.until.as_str()) || window.own == holder.id {
        return Err(ApiError::from(&VOLUNTEER_EXISTS).member("id", holder.id));
    }
    Ok(IdentityState::Disputed)
}

/// Notes where the NIK differs from what is stated.
pub(super) async fn warn(conn: &mut Conn, person: &mut Person, nik: &Nik, sex: Option<Sex>) -> ApiResult<()> {
    let known = match RegionCode::parse(nik.district()) {
        Ok(district) => regions::exists(conn, &district).await?,
        Err(_) => false,
    };
    person.nik_warnings = nik_warnings(nik, person.birth_date, sex, known);
    Ok(())
}

/// The status of a NIK that the caller may state.
pub(super) fn stated_status(caller: &Caller, has_nik: bool, stated: Option<NikStatus>) -> ApiResult<NikStatus> {
    if stated == Some(NikStatus::Verified) && !caller.scopes.has(Scope::VolunteersWrite) {
        let fault =
            Fault::new("nik_status_reserved", "hanya Dinas Sosial yang memverifikasi", "only a social office verifies");
        return Err(ApiError::rule("/nik_status", fault));
    }
    nik_status(has_nik, stated)
}

/// A posting is to a village that is in the current list.
pub(super) async fn check_village(conn: &mut Conn, village: &RegionCode) -> ApiResult<()> {
    if village.level() != RegionLevel::Village {
        let fault = Fault::new("village_expected", "bukan desa atau kelurahan", "not a village");
        return Err(ApiError::rule("/village_code", fault));
    }
    if regions::current(conn, std::slice::from_ref(village)).await?.is_empty() {
        let fault = Fault::new("region_unknown", "bukan wilayah yang berlaku", "not a current region");
        return Err(ApiError::rule("/village_code", fault));
    }
    Ok(())
}

pub(super) async fn check_functions(conn: &mut Conn, functions: &[Code], today: NaiveDate) -> ApiResult<()> {
    if functions.is_empty() {
        return Ok(());
    }
    let known = codes::valid(conn, "psm-functions", functions, today).await?;
    match functions.iter().position(|code| !known.iter().any(|entry| entry.code == *code)) {
        Some(index) => Err(ApiError::rule(&format!("/functions/{index}"), UNKNOWN_CODE)),
        None => Ok(()),
    }
}

pub(super) fn check_year(year: Option<i16>) -> ApiResult<()> {
    if year.is_none_or(|year| (1945..=2200).contains(&year)) {
        return Ok(());
    }
    let fault = Fault::new("out_of_range", "tahun antara 1945 dan 2200", "a year between 1945 and 2200");
    Err(ApiError::malformed(Place::Pointer("/appointed_year".to_owned()), fault))
}

//! Registering a volunteer, whoever does it: an office or a village over HTTP, or an import.
use super::identity::{stated_status, take_nik, warn};
use super::rules::likeness::{Traits, alike};
use super::rules::{
    HistoryAction, IdentityState, Letter, TrainingLevel, VOLUNTEER_ALIKE, VolunteerStatus, check_birth_date,
    check_certificate,
};
use super::store::{self, Full, HistoryRow, Neighbour, Person, Posting, Volunteer};
use crate::access::rules::{Caller, VolunteerId};
use crate::audit::{rules::Event, store as audit};
use crate::codes::rules::{Code, UNKNOWN_CODE};
use crate::codes::store as codes;
use crate::platform::app::App;
use crate::platform::db::Conn;
use crate::platform::error::{ApiError, ApiResult, CONFLICT, Fault, ID_TAKEN, Place};
use crate::platform::moment::Day;
use crate::platform::nik::{Nik, NikStatus, Sex};
use crate::platform::person::{Email, Phone};
use crate::platform::region_code::{RegionCode, RegionLevel};
use crate::platform::text::{Line, Text, fold};
use crate::regions::rules::TimeZone;
use crate::regions::store as regions;
use chrono::{DateTime, NaiveDate, Utc};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

/// A candidate.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewVolunteer {
    /// Your own `UUIDv7`, so that a repeated create is known; made by the service if absent.
    pub(crate) id: Option<VolunteerId>,
    /// Village of the posting.
    pub(crate) village_code: RegionCode,
    #[schema(example = "Siti Aminah")]
    pub(crate) name: Line<200>,
    pub(crate) sex: Option<Sex>,
    pub(crate) nik: Option<Nik>,
    /// `verified` (checked against the civil registry; social offices only) or `well_formed` with a NIK; `none` (the person
    /// has none) or `unknown` without.
    pub(crate) nik_status: Option<NikStatus>,
    pub(crate) birth_date: Option<Day>,
    pub(crate) birth_place: Option<Line<100>>,
    pub(crate) address: Option<Text<500>>,
    pub(crate) phone: Option<Phone>,
    pub(crate) email: Option<Email>,
    /// Last education.
    pub(crate) education: Option<Line<100>>,
    /// Main occupation.
    pub(crate) occupation: Option<Line<100>>,
    /// Number in the office's own register.
    pub(crate) member_number: Option<Line<50>>,
    /// Basic training passed before this registry: number of its certificate.
    pub(crate) certificate_number: Option<Line<100>>,
    /// Who held it.
    pub(crate) certificate_organiser: Option<Line<200>>,
    /// When.
    pub(crate) certificate_date: Option<Day>,
    /// Year of the first appointment.
    #[schema(minimum = 1945, maximum = 2200)]
    pub(crate) appointed_year: Option<i16>,
    /// Codes of the list `psm-functions`.
    #[serde(default)]
    pub(crate) functions: Vec<Code>,
    /// It is another person than those who are alike. An equal NIK cannot be overridden.
    pub(crate) override_duplicate: Option<Override>,
}

/// Why somebody is registered although others are alike.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Override {
    /// `namesakes`, `twins` or `identity_checked`: the codes of the group `override` of `duplicate-reasons`.
    #[schema(example = "namesakes")]
    pub(crate) reason: Code,
}

/// A registration.
#[derive(Debug)]
pub struct Entry {
    /// Who, and where.
    pub new: NewVolunteer,
    /// Digest of the create, by which the same create is known.
    pub digest: Option<Vec<u8>>,
    /// Already appointed: it begins as active. Imports alone have this.
    pub letter: Option<Letter>,
    /// What of the person the answer shows.
    pub shown: &'static [&'static str],
}

/// Inserts a volunteer with person, posting, history, audit and outbox, in the transaction at hand. Whether the caller may
/// propose for the village was asked before, and NIK and village are held ([`store::hold_many`]). That somebody has the NIK or
/// is alike is told last: no other refusal may tell it for nothing.
pub async fn register(conn: &mut Conn, app: &App, caller: &Caller, entry: Entry) -> ApiResult<Full> {
    let Entry { new, digest, letter, shown } = entry;
    let now = app.clock.now();
    let today = TimeZone::of(&new.village_code).day(now);
    check_village(conn, &new.village_code, "/village_code").await?;
    check_functions(conn, &new.functions, today).await?;
    check_year(new.appointed_year)?;
    if let Some(letter) = &letter {
        letter.check(today)?;
    }
    let mut volunteer = candidate(app, caller, &new, now);
    volunteer.create_request = digest;
    if let Some(letter) = letter {
        volunteer.status = VolunteerStatus::Active;
        volunteer.effective_on = letter.date;
        volunteer.appoint(letter);
    }
    let reason = new.override_duplicate.as_ref().map(|duplicate| duplicate.reason.clone());
    if let Some(reason) = &reason {
        check_duplicate_reason(conn, reason, "override", "/override_duplicate/reason", today).await?;
    }
    let person = identify(conn, app, caller, volunteer.id, new, today).await?;
    if reason.is_none() {
        check_alike(conn, &volunteer, &person).await?;
    }
    let full = (volunteer, person);
    let (posting, first) = beginning(app, caller, &full.0);
    store::create(conn, &full, &posting, &first).await.map_err(|error| {
        let error = ApiError::from(error).on_constraint("volunteers_pkey", || ApiError::from(&ID_TAKEN));
        error.on_constraint("volunteer_people_one_nik", || ApiError::from(&CONFLICT))
    })?;
    let event = Event::by(caller, "volunteer.create", app.clock.new_id(), now).subject("volunteer", full.0.id);
    let event = if let Some(reason) = &reason { event.detail(reason.as_str()) } else { event };
    audit::record(conn, &event.region(&full.0.village_code).persons([full.0.id.0], shown)).await?;
    store::publish(conn, None, &full.0, now).await?;
    Ok(full)
}

/// Refuses if others of the village may be the same person. The caller is told which, and no name.
async fn check_alike(conn: &mut Conn, volunteer: &Volunteer, person: &Person) -> ApiResult<()> {
    let neighbours = store::neighbours_of(conn, std::slice::from_ref(&volunteer.village_code)).await?;
    let stated = Traits { name: &person.name, birth_date: person.birth_date };
    let same = |other: &Neighbour| alike(stated, Traits { name: &other.name, birth_date: other.birth_date });
    let candidates = neighbours.iter().map(|(_, other)| other).filter(|other| same(other));
    let candidates: Vec<Value> = candidates.map(|other| json!({ "id": other.id, "status": other.status })).collect();
    if candidates.is_empty() {
        return Ok(());
    }
    Err(ApiError::from(&VOLUNTEER_ALIKE).member("candidates", candidates))
}

/// A reason is a code of the list `duplicate-reasons` that belongs to the act.
pub async fn check_duplicate_reason(
    conn: &mut Conn,
    reason: &Code,
    act: &str,
    pointer: &str,
    today: NaiveDate,
) -> ApiResult<()> {
    let known = codes::valid(conn, "duplicate-reasons", std::slice::from_ref(reason), today).await?;
    if known.first().is_some_and(|code| code.group_code.as_deref() == Some(act)) {
        return Ok(());
    }
    Err(ApiError::rule(pointer, UNKNOWN_CODE))
}

/// The first posting, and the first row of the history.
fn beginning(app: &App, caller: &Caller, volunteer: &Volunteer) -> (Posting, HistoryRow) {
    let posting = Posting {
        id: app.clock.new_id(),
        volunteer_id: volunteer.id,
        village_code: volunteer.village_code.clone(),
        valid_from: volunteer.effective_on,
        valid_until: None,
        posted_by: caller.agency,
        created_at: volunteer.created_at,
    };
    let first = HistoryRow {
        id: app.clock.new_id(),
        volunteer_id: volunteer.id,
        at: volunteer.created_at,
        action: HistoryAction::Create,
        from_status: None,
        to_status: volunteer.status,
        effective_on: volunteer.effective_on,
        agency_id: caller.agency,
        acting_user: caller.acting_user.as_ref().map(|user| user.as_str().to_owned()),
        reason: None,
        note: None,
    };
    (posting, first)
}

/// The row of a new candidate.
fn candidate(app: &App, caller: &Caller, body: &NewVolunteer, now: DateTime<Utc>) -> Volunteer {
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
        create_request: None,
        created_at: now,
        updated_at: now,
        updated_by: caller.agency,
        merged_into: None,
        merged_at: None,
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
        disputed_at: None,
    };
    if let Some(nik) = &body.nik {
        take_nik(conn, app, caller, &mut person, nik, today).await?;
        warn(conn, &mut person, nik, body.sex).await?;
    }
    Ok(person)
}

/// A posting is to a village that is in the current list; `pointer`: where the request names it.
pub async fn check_village(conn: &mut Conn, village: &RegionCode, pointer: &str) -> ApiResult<()> {
    if village.level() != RegionLevel::Village {
        let fault = Fault::new("village_expected", "bukan desa atau kelurahan", "not a village");
        return Err(ApiError::rule(pointer, fault));
    }
    if regions::current(conn, std::slice::from_ref(village)).await?.is_empty() {
        let fault = Fault::new("region_unknown", "bukan wilayah yang berlaku", "not a current region");
        return Err(ApiError::rule(pointer, fault));
    }
    Ok(())
}

/// Functions are codes of the list `psm-functions` that are valid today.
pub async fn check_functions(conn: &mut Conn, functions: &[Code], today: NaiveDate) -> ApiResult<()> {
    if functions.is_empty() {
        return Ok(());
    }
    let known = codes::valid(conn, "psm-functions", functions, today).await?;
    match functions.iter().position(|code| !known.iter().any(|entry| entry.code == *code)) {
        Some(index) => Err(ApiError::rule(&format!("/functions/{index}"), UNKNOWN_CODE)),
        None => Ok(()),
    }
}

/// A year in which somebody may have been appointed.
pub fn check_year(year: Option<i16>) -> ApiResult<()> {
    if year.is_none_or(|year| (1945..=2200).contains(&year)) {
        return Ok(());
    }
    let fault = Fault::new("out_of_range", "tahun antara 1945 dan 2200", "a year between 1945 and 2200");
    Err(ApiError::malformed(Place::Pointer("/appointed_year".to_owned()), fault))
}

//! Endpoints under `/v1/volunteers`, and what they show.
pub mod actions;
mod decide;
pub mod documents;
pub mod duplicates;
pub mod identity;
pub mod links;
pub mod phones;
pub mod postings;
pub mod read;
pub mod register;
pub mod renewals;
pub mod search;
mod supervisor;
mod tries;
pub mod update;

use super::rules::{NOT_THE_AUTHORITY, NikWarning, TrainingLevel, VOLUNTEER_MERGED, VolunteerStatus, may_decide};
use super::store::{self, Full, Person, Volunteer};
use crate::access::rules::{AgencyId, Caller, Scope, VolunteerId};
use crate::audit::{rules::Event, store as audit};
use crate::codes::rules::Code;
use crate::platform::answer::Answer;
use crate::platform::app::App;
use crate::platform::db::{Conn, Db};
use crate::platform::error::{ApiError, ApiResult, STALE};
use crate::platform::idempotency::{Replay, Ticket};
use crate::platform::input::IfMatch;
use crate::platform::nik::{NikStatus, Sex, masked};
use crate::platform::person::{AgeBand, initials};
use crate::platform::region_code::RegionCode;
use crate::regions::rules::TimeZone;
use chrono::{DateTime, NaiveDate, Utc};
use diesel::OptionalExtension;
use serde::Serialize;
use supervisor::SupervisorView;
pub use supervisor::keep_supervisor_in_region;
use utoipa::ToSchema;

/// What an unmasked view shows of a person: recorded before it is sent.
pub const FIELDS: &[&str] = &[
    "name",
    "birth_date",
    "birth_place",
    "address",
    "phone",
    "email",
    "education",
    "occupation",
    "member_number",
    "certificate",
    "nik_last_four",
];

/// The letter (surat keputusan) by which a volunteer is appointed.
#[derive(Debug, Serialize, ToSchema)]
pub struct AppointmentView {
    #[schema(example = "460/123/DINSOS/2023")]
    number: String,
    date: NaiveDate,
    /// Who signed it.
    official: String,
}

/// Who a volunteer is. Masked: initials and age band alone.
#[derive(Serialize, ToSchema)]
pub struct PersonView {
    /// The caller has no right to see the person: what follows the age band is null.
    masked: bool,
    #[schema(example = "S. A.")]
    initials: String,
    #[schema(required)]
    age_band: Option<AgeBand>,
    #[schema(required, example = "Siti Aminah")]
    name: Option<String>,
    #[schema(required)]
    birth_date: Option<NaiveDate>,
    #[schema(required)]
    birth_place: Option<String>,
    #[schema(required)]
    address: Option<String>,
    #[schema(required, example = "+6281200000001")]
    phone: Option<String>,
    #[schema(required)]
    email: Option<String>,
    /// Last education.
    #[schema(required)]
    education: Option<String>,
    /// Main occupation.
    #[schema(required)]
    occupation: Option<String>,
    /// Number in the office's own register.
    #[schema(required)]
    member_number: Option<String>,
    /// Basic training passed before this registry: number of its certificate.
    #[schema(required)]
    certificate_number: Option<String>,
    /// Who held it.
    #[schema(required)]
    certificate_organiser: Option<String>,
    /// When.
    #[schema(required)]
    certificate_date: Option<NaiveDate>,
    #[schema(required)]
    nik_status: Option<NikStatus>,
    /// The last four digits; in full by `reveal`.
    #[schema(required, example = "************0001")]
    nik: Option<String>,
}

impl PersonView {
    fn of(person: Person, open: bool, today: NaiveDate) -> Self {
        let age_band = person.birth_date.map(|date| AgeBand::of(date, today));
        let bare = Self {
            masked: !open,
            initials: initials(&person.name),
            age_band,
            name: None,
            birth_date: None,
            birth_place: None,
            address: None,
            phone: None,
            email: None,
            education: None,
            occupation: None,
            member_number: None,
            certificate_number: None,
            certificate_organiser: None,
            certificate_date: None,
            nik_status: None,
            nik: None,
        };
        if !open {
            return bare;
        }
        Self {
            name: Some(person.name),
            birth_date: person.birth_date,
            birth_place: person.birth_place,
            address: person.address,
            phone: person.phone,
            email: person.email,
            education: person.education,
            occupation: person.occupation,
            member_number: person.member_number,
            certificate_number: person.certificate_number,
            certificate_organiser: person.certificate_organiser,
            certificate_date: person.certificate_date,
            nik_status: Some(person.nik_status),
            nik: person.nik_last_four.as_deref().map(masked),
            ..bare
        }
    }
}

/// A volunteer.
#[derive(Serialize, ToSchema)]
pub struct VolunteerView {
    id: VolunteerId,
    status: VolunteerStatus,
    /// When the status was recorded.
    status_since: DateTime<Utc>,
    /// Agency that recorded it.
    status_by: AgencyId,
    /// Since when it holds.
    effective_on: NaiveDate,
    /// Highest training passed.
    level: TrainingLevel,
    /// Null: not known.
    #[schema(required)]
    sex: Option<Sex>,
    /// The current posting.
    village_code: RegionCode,
    /// Codes of the list `psm-functions`.
    functions: Vec<Code>,
    /// Year of the first appointment.
    #[schema(required)]
    appointed_year: Option<i16>,
    /// Null before the appointment.
    #[schema(required)]
    appointment: Option<AppointmentView>,
    /// Who accompanies it; null: nobody.
    #[schema(required)]
    supervisor: Option<SupervisorView>,
    person: PersonView,
    /// Where the NIK differs from what is stated: to be looked at.
    warnings: Vec<NikWarning>,
    version: i32,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl VolunteerView {
    /// Of a row that the caller sees.
    pub fn of((volunteer, mut person): Full, caller: &Caller, now: DateTime<Utc>) -> Self {
        let open = sees_person(caller);
        let supervisor = SupervisorView::of(&volunteer);
        let letter = volunteer.sk_number.zip(volunteer.sk_date).zip(volunteer.sk_official).filter(|_| open);
        let warnings = std::mem::take(&mut person.nik_warnings);
        Self {
            id: volunteer.id,
            status: volunteer.status,
            status_since: volunteer.status_since,
            status_by: volunteer.status_by,
            effective_on: volunteer.effective_on,
            level: volunteer.level,
            sex: volunteer.sex,
            functions: volunteer.functions,
            appointed_year: volunteer.appointed_year,
            appointment: letter.map(|((number, date), official)| AppointmentView { number, date, official }),
            supervisor,
            person: PersonView::of(person, open, TimeZone::of(&volunteer.village_code).day(now)),
            village_code: volunteer.village_code,
            warnings: if open { warnings } else { vec![] },
            version: volunteer.version,
            created_at: volunteer.created_at,
            updated_at: volunteer.updated_at,
        }
    }
}

/// Whether the caller sees who the volunteers of its sight are. A client that may only propose sees initials.
fn sees_person(caller: &Caller) -> bool {
    caller.scopes.has(Scope::VolunteersRead)
}

/// The event of showing these volunteers; none if no person is shown.
fn showing<'a>(
    caller: &Caller,
    app: &App,
    action: &str,
    shown: impl IntoIterator<Item = &'a Volunteer>,
) -> Option<Event> {
    let rows: Vec<_> = shown.into_iter().map(|one| (one.id.0, one.id.0, &one.village_code)).collect();
    let any = sees_person(caller) && !rows.is_empty();
    let event = || Event::by(caller, action, app.clock.new_id(), app.clock.now());
    any.then(|| event().rows("volunteer", rows, FIELDS))
}

/// Audit and outbox of a change, and the record of showing the person in the answer.
async fn note(
    conn: &mut Conn,
    app: &App,
    caller: &Caller,
    action: &str,
    before: Option<&Volunteer>,
    after: &Volunteer,
    detail: Option<&str>,
) -> ApiResult<()> {
    let now = app.clock.now();
    let event = Event::by(caller, action, app.clock.new_id(), now).subject("volunteer", after.id);
    // A transfer is told to both ends.
    let places = before.into_iter().chain([after]).map(|volunteer| &volunteer.village_code);
    let event = event.regions(places).persons([after.id.0], shown_fields(caller));
    let event = if let Some(detail) = detail { event.detail(detail) } else { event };
    audit::record(conn, &event).await?;
    // One moment: the feed tells when the row says that it changed.
    store::publish(conn, before, after, after.updated_at).await?;
    Ok(())
}

/// Keeps the answer of a change. The id stands twice in what is kept if the person is shown in it.
pub async fn keep(
    ticket: Ticket,
    conn: &mut Conn,
    caller: &Caller,
    answer: Answer,
    id: VolunteerId,
) -> ApiResult<Answer> {
    let subjects = if sees_person(caller) { vec![id.0, id.0] } else { vec![id.0] };
    ticket.keep(conn, answer, &subjects).await
}

/// Sends a kept answer again to who still sees all that is in it, and records that.
pub async fn replay(conn: &mut Conn, app: &App, caller: &Caller, kept: Replay) -> ApiResult<Answer> {
    let id = VolunteerId(kept.subjects.first().copied().unwrap_or_default());
    let volunteer = store::find(&mut &*conn, caller, id).await?;
    if kept.subjects.len() > 1 {
        let event = showing(caller, app, "volunteer.replay", [&volunteer]).ok_or_else(ApiError::not_found)?;
        audit::record(conn, &event).await?;
    }
    Ok(kept.answer)
}

/// A volunteer that the caller sees and decides on, held until the transaction ends.
async fn decide_on(conn: &mut Conn, caller: &Caller, id: VolunteerId) -> ApiResult<Volunteer> {
    let (volunteer, _) = find_locked(conn, caller, id).await?;
    if may_decide(caller, &volunteer.village_code) { Ok(volunteer) } else { Err(ApiError::from(&NOT_THE_AUTHORITY)) }
}

/// Refuses a change that is based on an older version.
pub fn check_version(volunteer: &Volunteer, sent: IfMatch) -> ApiResult<()> {
    if volunteer.version == sent.0 {
        return Ok(());
    }
    Err(ApiError::from(&STALE)
        .member("version", volunteer.version)
        .member("updated_at", volunteer.updated_at)
        .member("updated_by", volunteer.updated_by))
}

/// What of a person an answer to this caller shows.
pub fn shown_fields(caller: &Caller) -> &'static [&'static str] {
    if sees_person(caller) { FIELDS } else { &[] }
}

/// A volunteer whom the caller sees, held. One that has been merged is told from one that is missing, if the caller sees
/// what it was merged into: a change must not land on another row unseen.
pub async fn find_locked(conn: &mut Conn, caller: &Caller, id: VolunteerId) -> ApiResult<Full> {
    if let Some(full) = store::lock_full(conn, caller, id).await.optional()? {
        return Ok(full);
    }
    let survivor = store::survivor(&mut &*conn, caller, id).await?;
    Err(ApiError::from(&VOLUNTEER_MERGED).member("id", survivor))
}

/// Where to read a volunteer who is not found under this id: 308 if it was merged into one that the caller sees.
pub async fn elsewhere(db: &Db, app: &App, caller: &Caller, id: VolunteerId, below: &str) -> ApiResult<Answer> {
    let survivor = db.read(async |c| store::survivor(c, caller, id).await).await?;
    Ok(Answer::moved(format!("{}/v1/volunteers/{survivor}{below}", app.settings.public_url)))
}

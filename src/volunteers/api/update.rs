//! Changing what is known of a volunteer. The status is never patched.
use super::supervisor::{Supervisor, set_supervisor};
use super::tries::{Till, Tries};
use super::{VolunteerView, check_version, find_locked, note};
use crate::access::api::Permit;
use crate::access::rules::{Caller, SharedCaller, VolunteerId, WriteVolunteers};
use crate::codes::rules::Code;
use crate::platform::answer::Answer;
use crate::platform::app::{App, Shared};
use crate::platform::db::{Conn, Db};
use crate::platform::error::{ApiError, ApiResult, CONFLICT};
use crate::platform::input::{Body, IfMatch, PathId, set, set_or_clear};
use crate::platform::moment::Day;
use crate::platform::nik::{Nik, NikStatus, Sex};
use crate::platform::openapi::IfMatchHeader;
use crate::platform::person::{Email, Phone};
use crate::platform::text::{Line, Text, fold};
use crate::regions::rules::TimeZone;
use crate::volunteers::identity::{compare, forget_nik, nik_index, stated_status, take_nik};
use crate::volunteers::register::{check_functions, check_year};
use crate::volunteers::rules::{NOT_THE_AUTHORITY, check_birth_date, check_certificate, may_decide};
use crate::volunteers::store::{self, Full, Person};
use actix_web::patch;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// A change of a volunteer (RFC 7396): what is absent stays, null removes.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::option_option, reason = "absent, null and a value are three things")]
pub struct VolunteerPatch {
    #[serde(default, deserialize_with = "set")]
    #[schema(nullable = false)]
    name: Option<Line<200>>,
    #[serde(default, deserialize_with = "set_or_clear")]
    #[schema(value_type = Option<Sex>)]
    sex: Option<Option<Sex>>,
    #[serde(default, deserialize_with = "set_or_clear")]
    #[schema(value_type = Option<Nik>)]
    nik: Option<Option<Nik>>,
    /// Must fit the NIK that there is then.
    #[serde(default, deserialize_with = "set")]
    #[schema(nullable = false)]
    nik_status: Option<NikStatus>,
    #[serde(default, deserialize_with = "set_or_clear")]
    #[schema(value_type = Option<Day>)]
    birth_date: Option<Option<Day>>,
    #[serde(default, deserialize_with = "set_or_clear")]
    #[schema(value_type = Option<Line<100>>)]
    birth_place: Option<Option<Line<100>>>,
    #[serde(default, deserialize_with = "set_or_clear")]
    #[schema(value_type = Option<Text<500>>)]
    address: Option<Option<Text<500>>>,
    #[serde(default, deserialize_with = "set_or_clear")]
    #[schema(value_type = Option<Phone>)]
    phone: Option<Option<Phone>>,
    #[serde(default, deserialize_with = "set_or_clear")]
    #[schema(value_type = Option<Email>)]
    email: Option<Option<Email>>,
    /// Last education.
    #[serde(default, deserialize_with = "set_or_clear")]
    #[schema(value_type = Option<Line<100>>)]
    education: Option<Option<Line<100>>>,
    /// Main occupation.
    #[serde(default, deserialize_with = "set_or_clear")]
    #[schema(value_type = Option<Line<100>>)]
    occupation: Option<Option<Line<100>>>,
    #[serde(default, deserialize_with = "set_or_clear")]
    #[schema(value_type = Option<Line<50>>)]
    member_number: Option<Option<Line<50>>>,
    #[serde(default, deserialize_with = "set_or_clear")]
    #[schema(value_type = Option<Line<100>>)]
    certificate_number: Option<Option<Line<100>>>,
    #[serde(default, deserialize_with = "set_or_clear")]
    #[schema(value_type = Option<Line<200>>)]
    certificate_organiser: Option<Option<Line<200>>>,
    #[serde(default, deserialize_with = "set_or_clear")]
    #[schema(value_type = Option<Day>)]
    certificate_date: Option<Option<Day>>,
    #[serde(default, deserialize_with = "set_or_clear")]
    #[schema(value_type = Option<i16>, minimum = 1945, maximum = 2200)]
    appointed_year: Option<Option<i16>>,
    /// Who accompanies the volunteer from today on.
    #[serde(default, deserialize_with = "set_or_clear")]
    #[schema(value_type = Option<Supervisor>)]
    supervisor: Option<Option<Supervisor>>,
    /// Codes of the list `psm-functions`; replaces all.
    #[serde(default, deserialize_with = "set")]
    #[schema(nullable = false)]
    functions: Option<Vec<Code>>,
}

/// Change a volunteer
///
/// Personal data and functions. Status, level and posting have operations of their own. A NIK that a volunteer of your sight
/// already has is `volunteer_exists` with its `id`; that counts as a search by number and is recorded.
#[utoipa::path(tag = "volunteers", security(("oauth2" = ["volunteers:write"])), params(("id" = VolunteerId, Path, description = "Id of the volunteer."), IfMatchHeader),
    request_body(content = VolunteerPatch, content_type = "application/merge-patch+json"),
    responses((status = 200, body = VolunteerView, description = "Changed.")))]
#[patch("/v1/volunteers/{id}")]
pub async fn update_volunteer(
    permit: Permit<WriteVolunteers>,
    id: PathId<VolunteerId>,
    version: IfMatch,
    patch: Body<VolunteerPatch>,
    app: Shared,
    db: Db,
    till: Till,
) -> ApiResult<Answer> {
    let patch = patch.0;
    let tries = Tries { caller: &permit, app: &app, db: &db, till: &till };
    if patch.nik.as_ref().is_some_and(Option::is_some) {
        tries.check_left()?;
    }
    let changed = change(&db, permit.caller(), app.0.clone(), (id.0, version), patch).await;
    tries.charge("volunteer.update", changed).await
}

async fn change(
    db: &Db,
    caller: SharedCaller,
    app: Arc<App>,
    (id, version): (VolunteerId, IfMatch),
    patch: VolunteerPatch,
) -> ApiResult<Answer> {
    db.write(async move |c| {
        let full = find_locked(c, &caller, id).await?;
        if !may_decide(&caller, &full.0.village_code) {
            return Err(ApiError::from(&NOT_THE_AUTHORITY));
        }
        check_version(&full.0, version)?;
        let (before, held, touched) = (full.0.clone(), full.1.nik_index.clone(), patch.nik.is_some());
        let (mut volunteer, person) = apply(c, &app, &caller, full, patch).await?;
        let now = app.clock.now();
        store::save(c, &mut volunteer, caller.agency, now).await?;
        let saved = store::save_person(c, &person).await.map_err(ApiError::from);
        saved.map_err(|error| error.on_constraint("volunteer_people_one_nik", || ApiError::from(&CONFLICT)))?;
        if let Some(held) = held.filter(|_| touched) {
            // If it was given up, whoever registered it later has it undisputed now.
            store::hold_nik(c, &held).await?;
            store::promote(c, &held).await?;
        }
        note(c, &app, &caller, "volunteer.update", Some(&before), &volunteer, None).await?;
        let version = volunteer.version;
        Answer::row(&VolunteerView::of((volunteer, person), &caller, now), version)
    })
    .await
}

async fn apply(
    conn: &mut Conn,
    app: &App,
    caller: &Caller,
    (mut volunteer, mut person): Full,
    patch: VolunteerPatch,
) -> ApiResult<Full> {
    let today = TimeZone::of(&volunteer.village_code).day(app.clock.now());
    if let Some(functions) = patch.functions.clone() {
        check_functions(conn, &functions, today).await?;
        volunteer.functions = functions;
    }
    if let Some(supervisor) = patch.supervisor.clone() {
        set_supervisor(conn, &mut volunteer, supervisor, today).await?;
    }
    check_year(patch.appointed_year.flatten())?;
    volunteer.appointed_year = patch.appointed_year.unwrap_or(volunteer.appointed_year);
    volunteer.sex = patch.sex.unwrap_or(volunteer.sex);
    check_birth_date(patch.birth_date.flatten().map(Day::date), today)?;
    check_certificate(patch.certificate_date.flatten().map(Day::date), today)?;
    // A NIK that is sent as it is stays as it is: verified or not, disputed or not.
    let index = patch.nik.clone().map(|nik| nik.map(|nik| nik_index(app, &nik)));
    let new_nik = patch.nik.clone().filter(|_| index.as_ref() != Some(&person.nik_index));
    let changed = new_nik.is_some() || patch.birth_date.is_some() || patch.sex.is_some();
    let has_nik = new_nik.as_ref().map_or(person.nik.is_some(), Option::is_some);
    if new_nik.is_some() || patch.nik_status.is_some() {
        person.nik_status = stated_status(caller, has_nik, patch.nik_status)?;
    }
    describe(&mut person, patch);
    if let Some(nik) = &new_nik {
        forget_nik(&mut person);
        if let Some(nik) = nik {
            store::hold_nik(conn, &nik_index(app, nik)).await?;
            take_nik(conn, app, caller, &mut person, nik, today).await?;
        }
    }
    if changed {
        compare(conn, app, &mut person, volunteer.sex).await?;
    }
    Ok((volunteer, person))
}

/// Takes over what the patch says of the person, the NIK apart.
fn describe(person: &mut Person, patch: VolunteerPatch) {
    if let Some(name) = patch.name {
        person.folded_name = fold(name.as_str());
        name.as_str().clone_into(&mut person.name);
    }
    let day = |new: Option<Day>| new.map(Day::date);
    person.birth_date = patch.birth_date.map_or(person.birth_date, day);
    person.certificate_date = patch.certificate_date.map_or(person.certificate_date, day);
    let texts = [
        (&mut person.birth_place, patch.birth_place.map(|text| text.map(|text| text.as_str().to_owned()))),
        (&mut person.address, patch.address.map(|text| text.map(|text| text.as_str().to_owned()))),
        (&mut person.phone, patch.phone.map(|text| text.map(|text| text.as_str().to_owned()))),
        (&mut person.email, patch.email.map(|text| text.map(|text| text.as_str().to_owned()))),
        (&mut person.education, patch.education.map(|text| text.map(|text| text.as_str().to_owned()))),
        (&mut person.occupation, patch.occupation.map(|text| text.map(|text| text.as_str().to_owned()))),
        (&mut person.member_number, patch.member_number.map(|text| text.map(|text| text.as_str().to_owned()))),
        (
            &mut person.certificate_number,
            patch.certificate_number.map(|text| text.map(|text| text.as_str().to_owned())),
        ),
        (
            &mut person.certificate_organiser,
            patch.certificate_organiser.map(|text| text.map(|text| text.as_str().to_owned())),
        ),
    ];
    for (field, new) in texts {
        if let Some(new) = new {
            *field = new;
        }
    }
}

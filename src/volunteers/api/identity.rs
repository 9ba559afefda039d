//! Personal numbers: searching by one, and showing one in full. Both for a purpose, both recorded before the answer.
use super::{FIELDS, VolunteerView};
use crate::access::api::Permit;
use crate::access::rules::{RevealIdentity, RevealPurpose, SearchVolunteers, VolunteerId};
use crate::audit::{rules::Event, store::Recorder};
use crate::platform::answer::Answer;
use crate::platform::app::Shared;
use crate::platform::db::Db;
use crate::platform::error::{ApiError, ApiResult, Fault};
use crate::platform::input::{Body, PathId};
use crate::platform::nik::{Nik, NikStatus};
use crate::platform::person::Phone;
use crate::volunteers::identity::{nik_index, open_nik};
use crate::volunteers::store;
use actix_web::post;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// By what to search: exactly one of `nik` and `phone`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VolunteerSearch {
    nik: Option<Nik>,
    phone: Option<Phone>,
    purpose: RevealPurpose,
}

/// Who was found.
#[derive(Serialize, ToSchema)]
pub struct FoundVolunteers {
    /// At most 50; none if nobody of the caller's sight has it.
    items: Vec<VolunteerView>,
}

/// Search volunteers
///
/// By NIK or telephone number, exact. A personal number stands in the body, never in an address. Takes no
/// `Idempotency-Key`: it changes nothing.
#[utoipa::path(tag = "volunteers", security(("oauth2" = ["volunteers:read"])), request_body = VolunteerSearch,
    responses((status = 200, body = FoundVolunteers, description = "Who was found.")))]
#[post("/v1/volunteers/search")]
pub async fn search_volunteers(
    caller: Permit<SearchVolunteers>,
    search: Body<VolunteerSearch>,
    app: Shared,
    db: Db,
    recorder: Recorder,
) -> ApiResult<Answer> {
    let search = search.0;
    let (found, by) = match (&search.nik, &search.phone) {
        (Some(nik), None) => {
            let index = nik_index(&app, nik);
            (db.read(async |c| store::find_by_nik(c, &caller, &index).await).await?, "nik")
        }
        (None, Some(phone)) => {
            (db.read(async |c| store::find_by_phone(c, &caller, phone.as_str()).await).await?, "phone")
        }
        _ => {
            let fault = Fault::new("exactly_one", "tepat satu dari nik dan phone", "exactly one of nik and phone");
            return Err(ApiError::rule("", fault));
        }
    };
    let rows = found.iter().map(|(volunteer, _)| (volunteer.id.0, volunteer.id.0, &volunteer.village_code));
    let event = Event::by(&caller, "volunteer.search", app.clock.new_id(), app.clock.now()).detail(by);
    let event = event.purpose(search.purpose.as_str()).rows("volunteer", rows, FIELDS);
    recorder.record(event.regions(caller.sight.region())).await?;
    let now = app.clock.now();
    Answer::ok(&FoundVolunteers {
        items: found.into_iter().map(|full| VolunteerView::of(full, &caller, now)).collect(),
    })
}

/// Why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reveal {
    purpose: RevealPurpose,
}

/// Identity numbers in full.
#[derive(Serialize, ToSchema)]
pub struct RevealedVolunteer {
    id: VolunteerId,
    /// Sixteen digits; null if there is none.
    #[schema(required, example = "1706024508950001")]
    nik: Option<String>,
    nik_status: NikStatus,
}

/// Reveal a volunteer's NIK
///
/// In full, for a purpose; recorded with who asked. Takes no `Idempotency-Key`: it changes nothing.
#[utoipa::path(tag = "volunteers", security(("oauth2" = ["identity:reveal"])), params(("id" = VolunteerId, Path, description = "Id of the volunteer.")),
    request_body = Reveal, responses((status = 200, body = RevealedVolunteer, description = "The numbers.")))]
#[post("/v1/volunteers/{id}/reveal")]
pub async fn reveal_volunteer(
    caller: Permit<RevealIdentity>,
    id: PathId<VolunteerId>,
    reveal: Body<Reveal>,
    app: Shared,
    db: Db,
    recorder: Recorder,
) -> ApiResult<Answer> {
    let (volunteer, person) = db.read(async |c| store::find_full(c, &caller, id.0).await).await?;
    let nik = open_nik(&app, &person)?;
    let event = Event::by(&caller, "volunteer.reveal", app.clock.new_id(), app.clock.now());
    let event = event.purpose(reveal.0.purpose.as_str()).subject("volunteer", id.0).region(&volunteer.village_code);
    recorder.record(event.persons([id.0.0], &["nik"])).await?;
    let nik = nik.map(|nik| nik.reveal().to_owned());
    Answer::ok(&RevealedVolunteer { id: id.0, nik, nik_status: person.nik_status })
}

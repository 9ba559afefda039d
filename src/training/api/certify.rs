//! Certificates: issued to who passed, taken back, issued anew, and drawn.
use super::enrol::shows;
use super::{check_organiser, conflict, replay};
use crate::access::api::Permit;
use crate::access::rules::{
    AgencyId, Caller, DecideTraining, ReadParticipants, ReadTraining, SharedCaller, VolunteerId,
};
use crate::agencies::store as agencies;
use crate::audit::rules::Event;
use crate::audit::store::Recorder;
use crate::codes::rules::Code;
use crate::platform::answer::Answer;
use crate::platform::app::{App, Shared};
use crate::platform::db::{Conn, Db};
use crate::platform::error::{ApiError, ApiResult, FORBIDDEN, Fault, Place, Problem};
use crate::platform::idempotency::{Attempt, RequestKey};
use crate::platform::input::{Keyed, PathId, several};
use crate::platform::moment::Day;
use crate::platform::openapi::{Binary, IdempotencyHeader};
use crate::platform::page::{Page, PageParams, Paged};
use crate::platform::person::initials;
use crate::platform::region_code::RegionCode;
use crate::platform::text::Line;
use crate::regions::rules::TimeZone;
use crate::regions::store as regions;
use crate::training::certify::{Paper, issue, place_of};
use crate::training::papers::{CertificateFacts, Signatory, certificate};
use crate::training::rules::certificates::{CertificateId, CertificateState, check_issued_on};
use crate::training::rules::{
    EnrolmentId, EnrolmentState, EventLevel, EventState, TrainingEventId, TrainingResult, organises,
};
use crate::training::store::{self, Certified, Enrolment, TrainingEvent};
use actix_web::{HttpResponse, get, post, web};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// Who signs certificates.
#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CertificateSignatory {
    /// With titles, as it is to be printed.
    #[schema(example = "Drs. H. Saroni, M.Si.")]
    pub(super) name: Line<100>,
    #[schema(example = "Kepala Dinas Sosial Kabupaten Mukomuko")]
    pub(super) position: Line<200>,
}

/// Who gets a certificate.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CertificateItem {
    /// Who passed.
    volunteer_id: VolunteerId,
    /// Of a certificate of earlier years: the number that stands on its paper.
    earlier_number: Option<Line<100>>,
}

/// Certificates to be issued.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCertificates {
    /// The day that stands on them, from the last of the event on; today if absent.
    issued_on: Option<Day>,
    /// A line to sign on if absent.
    signatory: Option<CertificateSignatory>,
    /// Nobody twice. Absent: everyone who passed, 200 at a time, but for those whose certificate was revoked: they are named.
    #[schema(min_items = 1, max_items = 200)]
    items: Option<Vec<CertificateItem>>,
}

/// A certificate, as who sees its holder knows it.
#[derive(Serialize, ToSchema)]
pub struct CertificateView {
    id: CertificateId,
    /// What stands on it, and what `/v1/certificates/{number}` is asked by.
    #[schema(example = "BT-1706-2026-0001-7K3MQ9TX")]
    number: String,
    enrolment_id: EnrolmentId,
    event_id: TrainingEventId,
    volunteer_id: VolunteerId,
    /// Where the volunteer is posted.
    village_code: RegionCode,
    #[schema(example = "S. A.")]
    initials: String,
    /// Null: no right to see the person, or an answer to a change.
    #[schema(required, example = "Siti Aminah")]
    name: Option<String>,
    level: EventLevel,
    /// Agency that issued it.
    organiser_id: AgencyId,
    /// Number within organiser and year, without gaps.
    serial: i32,
    #[schema(value_type = Day)]
    issued_on: NaiveDate,
    /// Last day; null: for good.
    #[schema(required, value_type = Option<Day>)]
    valid_until: Option<NaiveDate>,
    /// Of one from before: what stands on its paper.
    #[schema(required)]
    earlier_number: Option<String>,
    #[schema(required)]
    signatory_name: Option<String>,
    #[schema(required)]
    signatory_position: Option<String>,
    state: CertificateState,
    state_since: DateTime<Utc>,
    state_by: AgencyId,
    /// Why it does not hold: code of the list `certificate-reasons`.
    #[schema(required)]
    reason: Option<Code>,
    #[schema(required)]
    note: Option<String>,
    /// The one in whose place it was issued.
    #[schema(required)]
    replaces: Option<CertificateId>,
    /// Where everybody can check it.
    check_url: String,
    version: i32,
}

impl CertificateView {
    /// With the name only where `open`.
    pub(super) fn of(app: &App, row: Certified, open: bool) -> Self {
        let Certified { certificate, volunteer_id, event_id, village_code, name } = row;
        Self {
            check_url: check_url(app, &certificate.number),
            id: certificate.id,
            number: certificate.number,
            enrolment_id: certificate.enrolment_id,
            event_id,
            volunteer_id,
            village_code,
            initials: initials(&name),
            name: Some(name).filter(|_| open),
            level: certificate.level,
            organiser_id: certificate.organiser_id,
            serial: certificate.serial,
            issued_on: certificate.issued_on,
            valid_until: certificate.valid_until,
            earlier_number: certificate.earlier_number,
            signatory_name: certificate.signatory_name,
            signatory_position: certificate.signatory_position,
            state: certificate.state,
            state_since: certificate.state_since,
            state_by: certificate.state_by,
            reason: certificate.reason,
            note: certificate.note,
            replaces: certificate.replaces,
            version: certificate.version,
        }
    }
}

fn check_url(app: &App, number: &str) -> String {
    format!("{}/v1/certificates/{number}", app.settings.public_url)
}

/// A certificate that somebody has.
#[derive(Debug, Serialize, ToSchema)]
pub struct IssuedCertificate {
    volunteer_id: VolunteerId,
    id: CertificateId,
    #[schema(example = "BT-1706-2026-0001-7K3MQ9TX")]
    number: String,
    /// By this request; `false`: it was there.
    issued: bool,
}

/// The certificates of who was asked for.
#[derive(Debug, Serialize, ToSchema)]
pub struct IssuedCertificates {
    /// In the order sent; of everyone, in the order of enrolment.
    items: Vec<IssuedCertificate>,
    /// Who passed and has none yet: issue again. 0 unless more than 200 were due.
    left: usize,
}

/// Most certificates that a request issues: each takes some statements, and a transaction has seconds.
const MOST_AT_ONCE: usize = 200;

/// Certificates to be issued, and who asks.
#[derive(Clone)]
struct Work {
    caller: SharedCaller,
    app: Arc<App>,
    id: TrainingEventId,
    key: RequestKey,
    new: NewCertificates,
}

/// Issue certificates
///
/// By the organiser, when the event is over, to who passed: one for a person, so that who has one keeps it (`issued: false`).
/// Numbers follow one another within the organiser's year, without gaps. With the day of then and the number of then
/// (`earlier_number`), certificates of earlier years are recorded so that they can be checked, too.
#[utoipa::path(tag = "training", security(("oauth2" = ["training:write"])),
    params(("id" = TrainingEventId, Path, description = "Id of the event."), IdempotencyHeader), request_body = NewCertificates,
    responses((status = 200, body = IssuedCertificates, description = "The certificates.")))]
#[post("/v1/training-events/{id}/certificates")]
pub async fn issue_certificates(
    permit: Permit<DecideTraining>,
    id: PathId<TrainingEventId>,
    new: Keyed<NewCertificates>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    if new.body.items.as_ref().is_some_and(|items| !(1..=MOST_AT_ONCE).contains(&items.len())) {
        let fault = Fault::new("out_of_range", "1 sampai 200", "1 to 200");
        return Err(ApiError::malformed(Place::Pointer("/items".to_owned()), fault));
    }
    let work = Work { caller: permit.caller(), app: app.0.clone(), id: id.0, key: new.key, new: new.body };
    db.write(async move |c| issue_all(c, work).await).await
}

async fn issue_all(conn: &mut Conn, work: Work) -> ApiResult<Answer> {
    let Work { caller, app, id, key, new } = work;
    let ticket = match key.begin(conn, &app, caller.identity()).await? {
        Attempt::Replay(kept) => return replay(conn, &caller, kept).await,
        Attempt::Fresh(ticket) => ticket,
    };
    // Who holds the event is alone with its certificates: twenty who ask at once get one.
    let event = store::lock(conn, &caller, id).await?;
    check_organiser(&caller, &event)?;
    if event.state != EventState::Completed {
        return Err(conflict(&event));
    }
    let zone = TimeZone::of(&event.region_code);
    let today = zone.day(app.clock.now());
    let issued_on = new.issued_on.map_or(today, Day::date);
    // One that ended before its time was over when it was said to be.
    check_issued_on(issued_on, zone.day(event.ends_at.min(event.state_since)), today)?;
    let (name, position) =
        new.signatory.map(|who| (who.name.as_str().to_owned(), who.position.as_str().to_owned())).unzip();
    let seats = passed(conn, &event, new.items.as_deref()).await?;
    let ids: Vec<EnrolmentId> = seats.iter().map(|(seat, _)| seat.id).collect();
    let held = store::valid_of(&mut &*conn, &ids).await?;
    let held: HashMap<EnrolmentId, (CertificateId, String)> =
        held.into_iter().map(|one| (one.enrolment_id, (one.id, one.number))).collect();
    let named = new.items.is_some();
    let taken_back = if named { vec![] } else { store::taken_back(&mut &*conn, &ids).await? };
    let (mut items, mut fresh, mut left) = (vec![], 0, 0);
    for (seat, earlier) in seats {
        let volunteer_id = seat.volunteer_id;
        if let Some((id, number)) = held.get(&seat.id).cloned() {
            items.push(IssuedCertificate { volunteer_id, id, number, issued: false });
        } else if taken_back.contains(&seat.id) {
            // Only who is named gets another one.
        } else if fresh == MOST_AT_ONCE {
            left += 1;
        } else {
            fresh += 1;
            let paper = Paper {
                issued_on,
                earlier_number: earlier,
                signatory_name: name.clone(),
                signatory_position: position.clone(),
                replaces: None,
            };
            let made = issue(conn, &app, &caller, &event, &seat, paper).await?;
            items.push(IssuedCertificate { volunteer_id, id: made.id, number: made.number, issued: true });
        }
    }
    let answer = Answer::ok(&IssuedCertificates { items, left })?;
    ticket.keep(conn, answer, &[id.0]).await
}

/// The seats of who is asked for, each with its number from before; refuses who has not passed.
async fn passed(
    conn: &mut Conn,
    event: &TrainingEvent,
    items: Option<&[CertificateItem]>,
) -> ApiResult<Vec<(Enrolment, Option<String>)>> {
    let passed =
        |seat: &Enrolment| seat.state == EnrolmentState::Enrolled && seat.result == Some(TrainingResult::Passed);
    let Some(items) = items else {
        let mut all = store::lock_enrolments(conn, event.id, None).await?;
        all.retain(passed);
        all.sort_by_key(|seat| seat.id);
        return Ok(all.into_iter().map(|seat| (seat, None)).collect());
    };
    super::attend::check_once(items.iter().map(|item| item.volunteer_id), |index| Some(format!("/items/{index}")))?;
    let of: Vec<VolunteerId> = items.iter().map(|item| item.volunteer_id).collect();
    let enrolled: HashSet<VolunteerId> = store::enrolled(conn, event.id).await?.into_iter().map(|one| one.0).collect();
    // Of somebody who has been merged meanwhile: the seat is the other row's.
    let whose = super::attend::seats_of(conn, &of, |id| enrolled.contains(&id)).await?;
    let of: Vec<VolunteerId> = whose.values().copied().collect();
    let locked = store::lock_enrolments(conn, event.id, Some(&of)).await?;
    let mut seats: HashMap<VolunteerId, Enrolment> = locked.into_iter().map(|seat| (seat.volunteer_id, seat)).collect();
    let mut found = vec![];
    for (index, item) in items.iter().enumerate() {
        let seat = whose.get(&item.volunteer_id).and_then(|id| seats.remove(id)).filter(passed).ok_or_else(|| {
            let fault = Fault::new("not_passed", "tidak lulus pelatihan ini", "has not passed this training");
            ApiError::rule(&format!("/items/{index}/volunteer_id"), fault)
        })?;
        found.push((seat, item.earlier_number.as_ref().map(|number| number.as_str().to_owned())));
    }
    Ok(found)
}

/// Which certificates.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CertificateFilter {
    /// In one of these states.
    #[serde(default, deserialize_with = "several")]
    #[param(max_items = 100)]
    state: Vec<CertificateState>,
}

/// Records that these are shown, as far as they are.
async fn record_shown(
    recorder: &Recorder,
    app: &App,
    caller: &Caller,
    action: &str,
    shown: &[Certified],
) -> ApiResult<()> {
    let open = shown.iter().filter(|one| shows(caller, one.volunteer_id, &one.village_code));
    let rows: Vec<_> = open.map(|one| (one.certificate.id.0, one.volunteer_id.0, &one.village_code)).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let event = Event::by(caller, action, app.clock.new_id(), app.clock.now());
    recorder.record(event.rows("training_certificate", rows, &["name"])).await
}

/// List the certificates of an event
///
/// In the order of issue: all of them for the organiser, those of volunteers it sees for everyone else. Names are shown to who
/// may read the volunteer.
#[utoipa::path(tag = "training", security(("oauth2" = ["training:read"])),
    params(("id" = TrainingEventId, Path, description = "Id of the event."), CertificateFilter, PageParams),
    responses((status = 200, body = Page<CertificateView>, description = "A page of certificates.")))]
#[get("/v1/training-events/{id}/certificates")]
pub async fn list_certificates(
    caller: Permit<ReadTraining>,
    id: PathId<TrainingEventId>,
    paged: Paged<CertificateFilter>,
    app: Shared,
    db: Db,
    recorder: Recorder,
) -> ApiResult<Answer> {
    let (state, after): (_, Option<CertificateId>) = (&paged.filter.state, paged.after()?);
    let event = db.read(async |c| store::find(c, &caller, id.0).await).await?;
    let of = (event.id, organises(&caller, event.organiser_id));
    let rows = db.read(async |c| store::certificates(c, &caller, of, state, after, paged.limit + 1).await).await?;
    let (rows, after) = paged.cut(rows, |row| row.certificate.id);
    record_shown(&recorder, &app, &caller, "training_certificate.list", &rows).await?;
    let views = rows.into_iter().map(|row| {
        let open = shows(&caller, row.volunteer_id, &row.village_code);
        CertificateView::of(&app, row, open)
    });
    paged.answer(views.collect(), after, None)
}

/// Read a certificate
///
/// Of a volunteer that the caller sees, or of an event that it organises. Whoever has only its number asks
/// `/v1/certificates/{number}`.
#[utoipa::path(tag = "training", security(("oauth2" = ["training:read"])), params(("id" = CertificateId, Path, description = "Id of the certificate.")),
    responses((status = 200, body = CertificateView, description = "The certificate.")))]
#[get("/v1/training-certificates/{id}")]
pub async fn read_certificate(
    caller: Permit<ReadTraining>,
    id: PathId<CertificateId>,
    app: Shared,
    db: Db,
    recorder: Recorder,
) -> ApiResult<Answer> {
    let row = db.read(async |c| store::find_certificate(c, &caller, id.0).await).await?;
    record_shown(&recorder, &app, &caller, "training_certificate.read", std::slice::from_ref(&row)).await?;
    let (version, open) = (row.certificate.version, shows(&caller, row.volunteer_id, &row.village_code));
    Answer::row(&CertificateView::of(&app, row, open), version)
}

/// Open a certificate
///
/// As a PDF to be printed and signed: one page A4, with a QR code of the address where everybody can check it. For who may read
/// the volunteer, the volunteer's phone too. One that holds no more is not drawn (`certificate_state_conflict`).
#[utoipa::path(tag = "training", security(("oauth2" = ["training:read", "volunteers:read"])), params(("id" = CertificateId, Path, description = "Id of the certificate.")),
    responses((status = 200, description = "The paper.", body = Binary, content_type = "application/pdf"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "It holds no more: `certificate_state_conflict`.")))]
#[get("/v1/training-certificates/{id}/pdf")]
pub async fn open_certificate(
    caller: Permit<ReadParticipants>,
    id: PathId<CertificateId>,
    app: Shared,
    db: Db,
    recorder: Recorder,
) -> ApiResult<HttpResponse> {
    let row = db.read(async |c| store::find_certificate(c, &caller, id.0).await).await?;
    if !shows(&caller, row.volunteer_id, &row.village_code) {
        return Err(ApiError::from(&FORBIDDEN));
    }
    if row.certificate.state != CertificateState::Valid {
        return Err(super::reissue::conflict(&row.certificate));
    }
    let event = db.read(async |c| store::event_of(c, row.event_id).await).await?;
    let organiser = db.read(async |c| agencies::find(c, row.certificate.organiser_id).await).await?.name;
    let region = db.read(async |c| regions::find_with_parents(c, &event.region_code).await).await?;
    let region = region.into_iter().find(|one| one.code == event.region_code).map(|one| one.name).unwrap_or_default();
    record_shown(&recorder, &app, &caller, "training_certificate.open", std::slice::from_ref(&row)).await?;
    let url = check_url(&app, &row.certificate.number);
    let file = format!("attachment; filename=\"{}.pdf\"", row.certificate.number);
    // Measuring and packing take milliseconds: not on the thread that answers everybody else.
    let drawn = web::block(move || draw(&row, &event, &organiser, &region, &url));
    let pdf = drawn.await.map_err(ApiError::internal)?.map_err(ApiError::internal)?;
    let mut answer = HttpResponse::Ok();
    answer.insert_header(("content-disposition", file)).insert_header(("cache-control", "private, no-store"));
    Ok(answer.content_type("application/pdf").body(pdf))
}

fn draw(
    row: &Certified,
    event: &TrainingEvent,
    organiser: &str,
    region: &str,
    url: &str,
) -> Result<Vec<u8>, crate::platform::pdf::PdfError> {
    let zone = TimeZone::of(&event.region_code);
    let own = &row.certificate;
    let signatory = own.signatory_name.as_deref().zip(own.signatory_position.as_deref());
    certificate(&CertificateFacts {
        number: &own.number,
        check_url: url,
        holder: &row.name,
        title: &event.title,
        level: own.level,
        organiser,
        region,
        venue: &event.venue,
        first_day: zone.day(event.starts_at),
        last_day: zone.day(event.ends_at),
        issued_on: own.issued_on,
        valid_until: own.valid_until,
        place: place_of(region),
        signatory: signatory.map(|(name, position)| Signatory { name, position }),
    })
}

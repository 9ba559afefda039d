//! The list of who came, to be signed and to be reckoned with: PDF and CSV.
use super::check_organiser;
use super::enrol::shows;
use crate::access::api::Permit;
use crate::access::rules::{ReadParticipants, VolunteerId};
use crate::agencies::store as agencies;
use crate::audit::rules::Event;
use crate::audit::store::Recorder;
use crate::platform::app::{App, Shared, room};
use crate::platform::cells::guard;
use crate::platform::db::Db;
use crate::platform::error::{ApiError, ApiResult, Language};
use crate::platform::input::PathId;
use crate::platform::openapi::Binary;
use crate::platform::person::initials;
use crate::platform::region_code::RegionCode;
use crate::regions::rules::TimeZone;
use crate::regions::store as regions;
use crate::training::papers::{AttendanceList, AttendanceRow, SessionColumn, attendance_list, moment_of, time_of};
use crate::training::rules::TrainingEventId;
use crate::training::store::{self, Session, TrainingEvent};
use actix_web::{HttpResponse, get, web};
use chrono::{DateTime, Utc};
use std::collections::HashMap;

/// A participant of the list.
struct Line {
    volunteer: VolunteerId,
    village_code: RegionCode,
    village: String,
    /// Initials, of who is out of the caller's sight.
    name: String,
    /// In the order of the sessions; none: not recorded.
    marks: Vec<Option<bool>>,
}

/// Everything that stands on the list.
struct Sheet {
    event: TrainingEvent,
    organiser: String,
    region: String,
    sessions: Vec<Session>,
    lines: Vec<Line>,
    at: DateTime<Utc>,
}

/// Download the attendance list
///
/// As a PDF to be printed and signed: who has a seat, by village and name, with what is recorded of each session and room to sign.
/// By the organiser. At most a few at a time: 503 with `Retry-After` otherwise.
#[utoipa::path(tag = "training", security(("oauth2" = ["training:read", "volunteers:read"])), params(("id" = TrainingEventId, Path, description = "Id of the event.")),
    responses((status = 200, description = "The list.", body = Binary, content_type = "application/pdf")))]
#[get("/v1/training-events/{id}/attendance.pdf")]
pub async fn download_attendance_list(
    caller: Permit<ReadParticipants>,
    id: PathId<TrainingEventId>,
    app: Shared,
    db: Db,
    recorder: Recorder,
) -> ApiResult<HttpResponse> {
    let sheet = read(&caller, id.0, &app, &db, &recorder).await?;
    // Of ten thousand names it takes a second.
    let taken = room(&app.exports, 2)?;
    let drawn = web::block(move || {
        let _taken = taken;
        draw(&sheet)
    });
    let pdf = drawn.await.map_err(ApiError::internal)?.map_err(ApiError::internal)?;
    Ok(file(id.0, "pdf").content_type("application/pdf").body(pdf))
}

/// Download the attendance as CSV
///
/// Who has a seat, by village and name, with a column for each session: came, did not come, empty where nothing is recorded. With a
/// byte order mark and semicolons, as Excel opens it; a text that a spreadsheet would take for a formula has an apostrophe before
/// it. By the organiser.
#[utoipa::path(tag = "training", security(("oauth2" = ["training:read", "volunteers:read"])), params(("id" = TrainingEventId, Path, description = "Id of the event.")),
    responses((status = 200, description = "A line for each participant.", body = String, content_type = "text/csv")))]
#[get("/v1/training-events/{id}/attendance.csv")]
pub async fn download_attendance(
    caller: Permit<ReadParticipants>,
    id: PathId<TrainingEventId>,
    language: Language,
    app: Shared,
    db: Db,
    recorder: Recorder,
) -> ApiResult<HttpResponse> {
    let sheet = read(&caller, id.0, &app, &db, &recorder).await?;
    let text = csv(&sheet, language).map_err(ApiError::internal)?;
    let mut answer = file(id.0, "csv");
    answer.insert_header(("vary", "Accept-Language"));
    Ok(answer.content_type("text/csv; charset=utf-8").body(text))
}

fn file(id: TrainingEventId, kind: &str) -> actix_web::HttpResponseBuilder {
    let mut answer = HttpResponse::Ok();
    answer.insert_header(("content-disposition", format!("attachment; filename=\"attendance-{id}.{kind}\"")));
    answer.insert_header(("cache-control", "private, no-store"));
    answer
}

async fn read(
    caller: &Permit<ReadParticipants>,
    id: TrainingEventId,
    app: &App,
    db: &Db,
    recorder: &Recorder,
) -> ApiResult<Sheet> {
    let event = db.read(async |c| store::find(c, caller, id).await).await?;
    check_organiser(caller, &event)?;
    let organiser = db.read(async |c| agencies::find(c, event.organiser_id).await).await?.name;
    let region = db.read(async |c| regions::find_with_parents(c, &event.region_code).await).await?;
    let region = region.into_iter().find(|one| one.code == event.region_code).map(|one| one.name).unwrap_or_default();
    let sessions = db.read(async |c| store::sessions(c, &[id]).await).await?;
    let seats = db.report(async |c| store::sheet(c, id).await).await?;
    let of: Vec<VolunteerId> = seats.iter().map(|seat| seat.0).collect();
    let noted = db.report(async |c| store::attendance(c, id, &of).await).await?;
    let noted: HashMap<(VolunteerId, i16), bool> =
        noted.into_iter().map(|row| ((row.volunteer_id, row.session), row.present)).collect();
    let line = |(volunteer, village_code, village, name): (VolunteerId, RegionCode, String, String)| Line {
        marks: sessions.iter().map(|session| noted.get(&(volunteer, session.number)).copied()).collect(),
        name: if shows(caller, volunteer, &village_code) { name } else { initials(&name) },
        volunteer,
        village_code,
        village,
    };
    let lines: Vec<Line> = seats.into_iter().map(line).collect();
    let at = app.clock.now();
    let shown = lines.iter().filter(|line| shows(caller, line.volunteer, &line.village_code));
    let shown: Vec<_> = shown.map(|line| (id.0, line.volunteer.0, &line.village_code)).collect();
    if !shown.is_empty() {
        let record = Event::by(caller, "training_event.attendance_list", app.clock.new_id(), at);
        recorder.record(record.rows("training_event", shown, &["name", "attendance"])).await?;
    }
    Ok(Sheet { event, organiser, region, sessions, lines, at })
}

fn draw(sheet: &Sheet) -> Result<Vec<u8>, crate::platform::pdf::PdfError> {
    let zone = TimeZone::of(&sheet.event.region_code);
    let labels: Vec<(String, String)> = sheet
        .sessions
        .iter()
        .map(|one| (format!("Sesi {}", one.number), time_of(zone, one.starts_at, one.ends_at)))
        .collect();
    let rows = sheet.lines.iter();
    attendance_list(&AttendanceList {
        title: &sheet.event.title,
        organiser: &sheet.organiser,
        venue: &sheet.event.venue,
        region: &sheet.region,
        sessions: labels.iter().map(|(label, time)| SessionColumn { label, time }).collect(),
        rows: rows
            .map(|line| AttendanceRow { name: &line.name, village: &line.village, marks: line.marks.clone() })
            .collect(),
        printed: &moment_of(zone, sheet.at),
        printed_on: zone.day(sheet.at),
        signatory: None,
    })
}

fn csv(sheet: &Sheet, language: Language) -> anyhow::Result<String> {
    let (head, session, came, absent) = match language {
        Language::Indonesian => (["No", "Nama", "Desa/Kelurahan", "Kode Desa"], "Sesi", "hadir", "tidak hadir"),
        Language::English => (["No", "Name", "Village", "Village Code"], "Session", "present", "absent"),
    };
    let mut csv = csv::WriterBuilder::new()
        .delimiter(b';')
        .terminator(csv::Terminator::CRLF)
        .from_writer("\u{feff}".as_bytes().to_vec());
    let columns = sheet.sessions.iter().map(|one| format!("{session} {}", one.number));
    csv.write_record(head.iter().map(|name| (*name).to_owned()).chain(columns))?;
    for (number, line) in (1..).zip(&sheet.lines) {
        let marks = line.marks.iter().map(|mark| match mark {
            Some(true) => came.to_owned(),
            Some(false) => absent.to_owned(),
            None => String::new(),
        });
        let (name, village) = (guard(&line.name).into_owned(), guard(&line.village).into_owned());
        let own = [number.to_string(), name, village, line.village_code.to_string()];
        csv.write_record(own.into_iter().chain(marks))?;
    }
    Ok(String::from_utf8(csv.into_inner().map_err(csv::IntoInnerError::into_error)?)?)
}

//! `POST /v1/exports/volunteers`.
use super::pages::{Page, Pages};
use super::rules::{Delimiter, ExportFormat, NikShown};
use super::sheet::{Sheet, read_on};
use super::text::Lines;
use crate::access::api::{Gate, Permit, spend_many};
use crate::access::rules::{Budget, ExportIdentities, ExportVolunteers, OUTLIVED, RevealPurpose, VolunteerId};
use crate::audit::store::Recorder;
use crate::platform::app::{App, Shared, aside, room};
use crate::platform::db::Db;
use crate::platform::error::{ApiError, ApiResult, Fault, Language};
use crate::platform::http::RequestInfo;
use crate::platform::input::Body;
use crate::platform::openapi::Binary;
use crate::platform::sending::{cut, ending};
use crate::volunteers::api::read::VolunteerFilter;
use actix_web::body::SizedStream;
use actix_web::web::Bytes;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, HttpResponseBuilder, post};
use futures_util::stream::{iter, try_unfold};
use futures_util::{Stream, TryStreamExt};
use serde::Deserialize;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;
use utoipa::ToSchema;
use uuid::Uuid;

/// What to export.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "format": "xlsx", "filters": { "region": "17.06", "status": ["active"] } }))]
pub struct VolunteerExport {
    format: ExportFormat,
    /// Which volunteers: what the list takes as parameters.
    #[serde(default)]
    filters: VolunteerFilter,
    /// `full` takes the scope `identity:reveal` and a purpose.
    #[serde(default = "masked")]
    #[schema(default = "masked")]
    nik: NikShown,
    /// Why NIKs are needed in full; with `nik: full` and only with it.
    purpose: Option<RevealPurpose>,
    /// Of CSV; a semicolon if absent.
    delimiter: Option<Delimiter>,
}

fn masked() -> NikShown {
    NikShown::Masked
}

/// Export volunteers
///
/// The volunteers that the list shows for the same filters, in the same order, as a file: with the columns that an import
/// takes, headers and words in Indonesian, or in English by `Accept-Language` (NDJSON always has the words of this API). NIKs
/// are masked unless `nik` is `full`. In CSV a text that a spreadsheet would take for a formula, a number or a date has an
/// apostrophe before it; XLSX keeps every digit as it is and is the better choice for people. The file is not a picture of one
/// instant: who is registered meanwhile may be in it, and who moves meanwhile may be missing. An answer that ends without its
/// proper end is not whole: ask again. It must be read within an hour, and never rest for a minute. A few exports at a time are
/// made: 503 with `Retry-After` if there are as many. With `nik: full` as many as have a NIK are taken from the agency's daily
/// budget at once; more than it ever holds are 422. Takes no `Idempotency-Key`: it changes nothing.
#[utoipa::path(tag = "partners", security(("oauth2" = ["imports:write", "volunteers:read"])), request_body = VolunteerExport,
    responses((status = 200, description = "The file.",
        headers(("Content-Disposition" = String, description = "`attachment` with a name of the file."), ("Content-Language" = String, description = "Of headers and words.")),
        content((String = "text/csv"), (String = "application/x-ndjson"),
        (Binary = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")))))]
#[post("/v1/exports/volunteers")]
pub async fn export_volunteers(
    caller: Permit<ExportVolunteers>,
    reveal: Result<Permit<ExportIdentities>, ApiError>,
    sent: Body<VolunteerExport>,
    req: HttpRequest,
    app: Shared,
    db: Db,
    recorder: Recorder,
) -> ApiResult<HttpResponse> {
    let sent = sent.0;
    let revealing = check(&sent, reveal)?;
    let info = req.extensions().get::<RequestInfo>().cloned();
    let language = info.as_ref().map(|info| info.language).unwrap_or_default();
    let gate = req.app_data::<Arc<Gate>>().cloned().ok_or_else(|| ApiError::internal("no gate registered"))?;
    let rooms = Rooms::take(&app, sent.format)?;
    let pages = Pages {
        caller: caller.caller(),
        app: app.0.clone(),
        gate,
        db,
        recorder,
        wanted: sent.filters.wanted(app.clock.now()),
        revealing,
        until: app.clock.elapsed() + OUTLIVED.to_std().unwrap_or_default(),
    };
    if revealing.is_some() {
        charge(&req, &pages).await?;
    }
    // Before anything is answered: what fails here is an error like any other.
    let first = pages.after(None).await?;
    let mut response = answer(sent.format, language, &app);
    match sent.format {
        ExportFormat::Xlsx => send_workbook(response, pages, first, (language, rooms)).await,
        ExportFormat::Csv => {
            let lines = Lines::Csv(sent.delimiter.unwrap_or(Delimiter::Semicolon), language);
            Ok(response.streaming(stream(pages, first, lines, rooms)))
        }
        ExportFormat::Ndjson => Ok(response.streaming(stream(pages, first, Lines::Ndjson, rooms))),
    }
}

/// The places of an export, until it has been sent.
struct Rooms {
    _export: OwnedSemaphorePermit,
    _workbook: Option<OwnedSemaphorePermit>,
}

impl Rooms {
    fn take(app: &App, format: ExportFormat) -> ApiResult<Self> {
        const LATER: u32 = 30;
        let workbook = if format == ExportFormat::Xlsx { Some(room(&app.workbooks, LATER)?) } else { None };
        Ok(Self { _export: room(&app.exports, LATER)?, _workbook: workbook })
    }
}

/// Takes the NIKs that are about to be written from the agency's budget, all at once: half an export is of no use.
async fn charge(req: &HttpRequest, pages: &Pages) -> ApiResult<()> {
    let niks = u32::try_from(pages.niks().await?).unwrap_or(u32::MAX);
    if niks == 0 {
        return Ok(());
    }
    let within = |most: u32| {
        let id = format!("lebih banyak NIK daripada jatah sehari ({most}); persempit filter");
        let en = format!("more NIKs than a day's budget ({most}); narrow the filters");
        ApiError::rule("/filters", Fault::with("too_many", id, en))
    };
    spend_many(req, &pages.caller, Budget::ExportedNiks, niks)?.map_err(within)
}

/// Whether NIKs may be written in full, and why they are.
fn check(
    sent: &VolunteerExport,
    reveal: Result<Permit<ExportIdentities>, ApiError>,
) -> ApiResult<Option<RevealPurpose>> {
    if sent.nik == NikShown::Full {
        reveal?;
    }
    match (sent.nik, sent.purpose) {
        (NikShown::Full, Some(purpose)) => Ok(Some(purpose)),
        (NikShown::Masked, None) => Ok(None),
        (NikShown::Full, None) => {
            let fault = Fault::new("required", "wajib bila NIK ditulis lengkap", "required where NIKs are in full");
            Err(ApiError::rule("/purpose", fault))
        }
        (NikShown::Masked, Some(_)) => {
            let fault = Fault::new("not_needed", "hanya bila NIK ditulis lengkap", "only where NIKs are in full");
            Err(ApiError::rule("/purpose", fault))
        }
    }
}

fn answer(format: ExportFormat, language: Language, app: &Shared) -> HttpResponseBuilder {
    let name = format!("volunteers-{}.{format}", app.clock.now().format("%Y%m%d"));
    let mut response = HttpResponse::Ok();
    response
        .content_type(format.content_type())
        .insert_header(("content-disposition", format!("attachment; filename=\"{name}\"")))
        .insert_header(("content-language", if language == Language::English { "en" } else { "id" }))
        .insert_header(("vary", "Accept-Language"));
    response
}

/// Where a stream of lines is.
enum At {
    /// This page has been read, and is yet to be written.
    Page(Page),
    /// The page after this row is yet to be read.
    After(VolunteerId),
    End,
}

/// The lines, read as the client takes them. An error breaks the connection off: the client sees that it has not all of them.
fn stream(pages: Pages, first: Page, lines: Lines, rooms: Rooms) -> impl Stream<Item = ApiResult<Bytes>> {
    let pages = Arc::new(pages);
    let reading = pages.clone();
    let read = try_unfold((At::Page(first), true), move |(at, begins)| {
        let pages = reading.clone();
        async move {
            let page = match at {
                At::Page(page) => page,
                At::After(row) => pages.after(Some(row)).await?,
                At::End => return ApiResult::Ok(None),
            };
            let rows = lines.rows(&page.records)?;
            let head = if begins { lines.head()? } else { vec![] };
            let bytes = if head.is_empty() { rows } else { [head, rows].concat() };
            let at = page.next.map_or(At::End, At::After);
            Ok(Some((iter(cut(Bytes::from(bytes))), (at, false))))
        }
    });
    send(pages, read.try_flatten(), rooms)
}

/// The parts of an answer: each only as long as the caller is let in, all of them only as long as an export may take.
fn send(
    pages: Arc<Pages>,
    parts: impl Stream<Item = ApiResult<Bytes>> + 'static,
    rooms: Rooms,
) -> impl Stream<Item = ApiResult<Bytes>> {
    let (clock, until, request) = (pages.app.clock.clone(), pages.until, pages.caller.request);
    let allowed = parts.and_then(move |part| {
        let pages = pages.clone();
        async move { pages.check_still_in().await.map(|()| part) }
    });
    ending(&clock, until, rooms, allowed).map_err(move |error| broken_off(error, request))
}

/// The request has been logged as answered: what happened to it then is a line of its own.
fn broken_off(error: ApiError, request: Uuid) -> ApiError {
    let cause = error.cause().unwrap_or_else(|| error.code().code.to_owned());
    tracing::error!(request_id = %request, operation = "export_volunteers", cause, "answer broken off");
    error
}

/// The workbook, once it is whole. A client that goes away meanwhile takes the file with it: it has no name.
async fn send_workbook(
    mut response: HttpResponseBuilder,
    pages: Pages,
    first: Page,
    (language, rooms): (Language, Rooms),
) -> ApiResult<HttpResponse> {
    let dir = pages.app.settings.temp_dir.clone();
    let mut sheet = aside(move || Sheet::new(&dir, language)).await?;
    let mut page = first;
    loop {
        let records = page.records;
        sheet = aside(move || sheet.add(&records).map(|()| sheet)).await?;
        let Some(row) = page.next else { break };
        page = pages.after(Some(row)).await?;
    }
    let (file, length) = aside(move || sheet.finish()).await?;
    pages.check_still_in().await?;
    let parts = try_unfold(file, async |mut file| {
        let (bytes, file) = aside(move || read_on(&mut file).map(|bytes| (bytes, file))).await?;
        ApiResult::Ok((!bytes.is_empty()).then(|| (Bytes::from(bytes), file)))
    });
    Ok(response.body(SizedStream::new(length, send(Arc::new(pages), parts, rooms))))
}

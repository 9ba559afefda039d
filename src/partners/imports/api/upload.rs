//! Taking a file in.
use super::ImportView;
use crate::access::api::Permit;
use crate::access::rules::{AgencyKind, Caller, ImportVolunteers};
use crate::partners::imports::intake::create;
use crate::partners::imports::jobs::{Jobs, Sent};
use crate::partners::imports::rules::ImportId;
use crate::partners::imports::rules::sheet::Kind;
use crate::partners::imports::store;
use crate::platform::answer::Answer;
use crate::platform::app::Shared;
use crate::platform::db::{Conn, Db};
use crate::platform::error::{ApiError, ApiResult, Fault, Place, UNSUPPORTED_MEDIA_TYPE};
use crate::platform::idempotency::{Attempt, Replay};
use crate::platform::input::{Query, Upload};
use crate::platform::openapi::IdempotencyHeader;
use crate::volunteers::rules::NOT_THE_AUTHORITY;
use actix_web::post;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa::openapi::{KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat, schema::Type};

/// Most bytes of a file.
pub const LIMIT: usize = 32 * 1024 * 1024;

/// What a file may be sent as.
const MEDIA_TYPES: &str = "text/csv, application/vnd.openxmlformats-officedocument.spreadsheetml.sheet, application/x-ndjson, application/vnd.ms-excel, application/octet-stream";
/// A large file on a slow line has so long to arrive.
const MOST_SECONDS: u64 = 300;

/// The bytes of an Excel workbook.
struct Workbook;

impl utoipa::PartialSchema for Workbook {
    fn schema() -> RefOr<Schema> {
        let binary = SchemaFormat::KnownFormat(KnownFormat::Binary);
        let bytes = ObjectBuilder::new().schema_type(Type::String).format(Some(binary));
        bytes.description(Some("The bytes of an Excel workbook (.xlsx).")).into()
    }
}
impl utoipa::ToSchema for Workbook {}

/// How a file is to be read.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ImportOptions {
    /// Letters of a column that is not to be read, whatever it holds; may be repeated.
    #[serde(default)]
    #[param(example = json!(["H"]), pattern = "^[A-Za-z]{1,3}$", max_items = 200)]
    ignore: Vec<String>,
}

/// Upload a file of volunteers
///
/// CSV, XLSX or NDJSON, at most 32 MB and 100,000 rows, as it is. It is read and stored sealed; then its rows are looked
/// through, which registers nobody: read the import until its `state` is `validated`. A file that cannot be understood as a
/// whole is 422 `file_refused` with every reason; the same file again is 409 `file_imported_already` with the `id` of the
/// first, unless that was discarded, failed or has expired.
#[utoipa::path(tag = "partners", security(("oauth2" = ["imports:write", "volunteers:write"])), params(ImportOptions, IdempotencyHeader),
    request_body(description = "The file.", content(
        (String = "text/csv", example = "Nama;NIK;Tanggal Lahir;L/P;Kode Desa\r\nSiti Aminah;1706024508950001;05/08/1995;P;17.06.02.1017\r\n"),
        (Workbook = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", example = "PK…"),
        (String = "application/x-ndjson", example = "{\"name\":\"Siti Aminah\",\"nik\":\"1706024508950001\",\"village_code\":\"17.06.02.1017\"}\n"))),
    responses((status = 202, body = ImportView, description = "It is in, and its rows are being looked through.")))]
#[post("/v1/imports")]
pub async fn create_import(
    permit: Permit<ImportVolunteers>,
    options: Query<ImportOptions>,
    file: Upload<LIMIT, MOST_SECONDS>,
    jobs: Jobs,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let (caller, app) = (permit.caller(), app.0);
    let other = || ApiError::from(&UNSUPPORTED_MEDIA_TYPE).header("accept", MEDIA_TYPES);
    let kind = Kind::of(&file.content_type).ok_or_else(other)?;
    check_authority(&caller)?;
    check_letters(&options.0.ignore)?;
    let (id, key) = (ImportId(app.clock.new_id()), file.key.clone());
    let Upload { content, room, .. } = file;
    let sent = Sent { content, kind, ignored: options.0.ignore, room };
    let read = jobs.read(&app, id, caller.agency, sent).await?;
    let shared = app.clone();
    let answer = db
        .write(async move |c| {
            let ticket = match key.begin(c, &app, caller.identity()).await? {
                Attempt::Replay(kept) => return replay(c, &caller, kept).await,
                Attempt::Fresh(ticket) => ticket,
            };
            let import = create(c, &app, &caller, read).await?;
            let location = format!("{}/v1/imports/{id}", app.settings.public_url);
            let version = import.version;
            let answer = Answer::accepted(&ImportView::of(import, store::Counts::new_file())?, version, location)?;
            ticket.keep(c, answer, &[id.0]).await
        })
        .await?;
    jobs.start(&shared);
    Ok(answer)
}

/// Sends a kept answer again to who still sees the import.
pub(super) async fn replay(conn: &mut Conn, caller: &Caller, kept: Replay) -> ApiResult<Answer> {
    let id = ImportId(kept.subjects.first().copied().unwrap_or_default());
    store::find(&mut &*conn, caller, id).await?;
    Ok(kept.answer)
}

/// A register is that of a social office: where it decides, it imports.
pub fn check_authority(caller: &Caller) -> ApiResult<()> {
    let office = matches!(caller.agency_kind, AgencyKind::DinsosRegency | AgencyKind::DinsosProvince);
    if office && caller.sight.region().is_some() { Ok(()) } else { Err(ApiError::from(&NOT_THE_AUTHORITY)) }
}

fn check_letters(ignored: &[String]) -> ApiResult<()> {
    let good = |one: &String| (1..=3).contains(&one.len()) && one.bytes().all(|b| b.is_ascii_alphabetic());
    if ignored.len() <= 200 && ignored.iter().all(good) {
        return Ok(());
    }
    let fault = Fault::new(
        "column_malformed",
        "huruf kolom seperti di Excel: A, B, AA",
        "letters of a column as in Excel: A, B, AA",
    );
    Err(ApiError::malformed(Place::Parameter("ignore".to_owned()), fault))
}

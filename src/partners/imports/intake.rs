//! A file that arrives: read as a whole, so that what is wrong with all of it is told at once; its rows packed, sealed and
//! stored in chunks.
use super::rules::header::{Column, understand};
use super::rules::person::compare;
use super::rules::sheet::{Deadline, Kind, read};
use super::rules::{FILE_IMPORTED_ALREADY, FILE_REFUSED, ImportFormat, ImportId, ImportState, Todo, Waiting};
use super::store::{self, Chunk, Import};
use crate::access::rules::{AgencyId, Caller};
use crate::audit::{rules::Event, store as audit};
use crate::platform::app::App;
use crate::platform::crypto::Keys;
use crate::platform::db::Conn;
use crate::platform::error::{ApiError, ApiResult, Fault, Place};
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use std::io::{Read, Write};

/// Rows that one transaction looks through or registers: a fraction of a second, so that neither the feed nor who registers
/// somebody in one of their villages is held up for long.
const CHUNK: usize = 50;

/// A file that was read.
#[derive(Clone)]
pub struct Prepared {
    id: ImportId,
    format: ImportFormat,
    size: usize,
    digest: Vec<u8>,
    header_row: i32,
    columns: Vec<Column>,
    other_sheets: usize,
    rows: usize,
    chunks: Vec<Chunk>,
}

/// Reads a file of an agency: `said` to be of a kind, without the columns of these letters, until then. Takes as long as the file is large: not for a thread that answers requests.
pub fn prepare(
    keys: &Keys,
    id: ImportId,
    agency: AgencyId,
    bytes: &[u8],
    (said, ignored, until): (Kind, &[String], Deadline),
) -> ApiResult<Prepared> {
    let refused_for = |fault| refused(vec![fault]);
    let sheet = read(bytes, said, until).map_err(refused_for)?;
    let (format, other_sheets) = (ImportFormat::from(sheet.kind), sheet.other_sheets);
    let register = understand(sheet, ignored).map_err(refused)?;
    let rows = compare(&register.columns, register.rows, until).map_err(refused_for)?;
    let pack = |(position, rows): (i32, &[Waiting])| {
        until.check().map_err(refused_for)?;
        let sealed = seal(keys, id, position, rows)?;
        let row_count = i32::try_from(rows.len()).unwrap_or(i32::MAX);
        Ok(Chunk { import_id: id, position, todo: Some(Todo::Validate), sealed: Some(sealed), row_count })
    };
    let chunks = (0..).zip(rows.chunks(CHUNK)).map(pack).collect::<ApiResult<Vec<Chunk>>>()?;
    Ok(Prepared {
        id,
        format,
        size: bytes.len(),
        digest: keys.fingerprint(&[b"import", agency.0.as_bytes(), bytes]),
        header_row: register.header_row,
        columns: register.columns,
        other_sheets,
        rows: rows.len(),
        chunks,
    })
}

fn refused(faults: Vec<Fault>) -> ApiError {
    let whole = || Place::Pointer(String::new());
    faults.into_iter().fold(ApiError::from(&FILE_REFUSED), |error, fault| error.fault(whole(), fault))
}

/// What binds sealed rows to their place.
fn context(id: ImportId, position: i32) -> String {
    format!("import_chunks.sealed:{id}:{position}")
}

fn seal(keys: &Keys, id: ImportId, position: i32, rows: &[Waiting]) -> ApiResult<Vec<u8>> {
    let plain = serde_json::to_vec(rows).map_err(|_| ApiError::internal("rows cannot be written"))?;
    let mut encoder = DeflateEncoder::new(vec![], Compression::fast());
    let small = encoder.write_all(&plain).and_then(|()| encoder.finish());
    let small = small.map_err(|_| ApiError::internal("rows cannot be packed"))?;
    keys.seal(&context(id, position), &small).map_err(ApiError::internal)
}

/// The rows of a chunk.
pub fn open(keys: &Keys, chunk: &Chunk) -> ApiResult<Vec<Waiting>> {
    let sealed = chunk.sealed.as_deref().unwrap_or_default();
    let packed = keys.unseal(&context(chunk.import_id, chunk.position), sealed);
    let packed = packed.map_err(|_| ApiError::internal("stored rows do not open"))?;
    let mut plain = zeroize::Zeroizing::new(vec![]);
    let read = DeflateDecoder::new(packed.as_slice()).read_to_end(&mut plain);
    read.map_err(|_| ApiError::internal("stored rows do not unpack"))?;
    serde_json::from_slice(&plain).map_err(|_| ApiError::internal("stored rows do not parse"))
}

/// Stores a file that was read, once: the same one again is a conflict that names the first.
pub async fn create(conn: &mut Conn, app: &App, caller: &Caller, file: Prepared) -> ApiResult<Import> {
    if let Some(same) = store::find_same(conn, caller.agency, &file.digest).await? {
        return Err(ApiError::from(&FILE_IMPORTED_ALREADY).member("id", same.id).member("state", same.state));
    }
    let (now, number) = (app.clock.now(), |count: usize| i32::try_from(count).unwrap_or(i32::MAX));
    let layout = serde_json::to_value(&file.columns).map_err(|_| ApiError::internal("columns cannot be written"))?;
    let import = Import {
        id: file.id,
        agency_id: caller.agency,
        client_id: caller.client,
        acting_user: caller.acting_user.as_ref().map(|user| user.as_str().to_owned()),
        request_id: caller.request,
        state: ImportState::Uploaded,
        failure: None,
        format: file.format,
        size: number(file.size),
        digest: file.digest,
        header_row: file.header_row,
        layout,
        other_sheets: number(file.other_sheets),
        row_count: number(file.rows),
        selected: None,
        version: 1,
        created_at: now,
        updated_at: now,
        validated_at: None,
        ended_at: None,
        expired_at: None,
    };
    store::create(conn, &import, &file.chunks).await?;
    note(conn, app, caller, "import.create", import.id).await?;
    Ok(import)
}

/// Records an act on an import.
pub async fn note(conn: &mut Conn, app: &App, caller: &Caller, action: &str, id: ImportId) -> ApiResult<()> {
    let event = Event::by(caller, action, app.clock.new_id(), app.clock.now()).subject("import", id);
    Ok(audit::record(conn, &event.regions(caller.sight.region())).await?)
}

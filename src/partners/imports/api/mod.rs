//! Endpoints under `/v1/imports`, and what they show: never what is in a cell.
pub mod act;
pub mod read;
pub mod upload;

use super::rules::header::{Column, Meaning};
use super::rules::{ImportFailure, ImportFormat, ImportId, ImportState};
use super::store::{Counts, Import};
use crate::access::rules::ClientId;
use crate::platform::error::{ApiError, ApiResult};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

/// A column of the file that is read.
#[derive(Debug, Serialize, ToSchema)]
pub struct ImportColumn {
    /// What Excel calls it.
    #[schema(example = "D")]
    column: String,
    /// Its header, as the file writes it, without what stands in brackets and adds nothing.
    #[schema(example = "Tgl Lahir")]
    name: String,
    /// What it means.
    #[schema(example = "birth_date")]
    field: String,
}

/// How many rows are in which state.
#[derive(Debug, Serialize, ToSchema)]
pub struct ImportCounts {
    /// Rows of people in the file.
    #[schema(example = 75)]
    rows: i64,
    /// Not looked through yet.
    pending: i64,
    /// Can be applied.
    ready: i64,
    /// Cannot: `errors` of the row says why.
    faulty: i64,
    /// Are, or may be, somebody who is registered already.
    duplicates: i64,
    /// Registered by this import.
    applied: i64,
}

/// A file of volunteers on its way in.
#[derive(Debug, Serialize, ToSchema)]
pub struct ImportView {
    id: ImportId,
    state: ImportState,
    /// Why it stopped; null unless `failed`.
    #[schema(required)]
    failure: Option<ImportFailure>,
    format: ImportFormat,
    /// Bytes of the file.
    size: i32,
    /// Row of the header, as Excel numbers it; 0 for NDJSON.
    header_row: i32,
    /// Columns that are read.
    columns: Vec<ImportColumn>,
    /// Letters of columns that are not: counted or derived (No., age), not collected (religion), or ignored as you asked.
    #[schema(example = json!(["A"]))]
    ignored_columns: Vec<String>,
    /// Other sheets of the workbook that are shown and hold something: only the first is read.
    other_sheets: i32,
    counts: ImportCounts,
    /// Per cent of what is being done now.
    #[schema(minimum = 0, maximum = 100, example = 100)]
    progress: i64,
    /// Client in whose name rows are registered.
    client_id: ClientId,
    /// The officer at the keyboard.
    #[schema(required, example = "staf-0017")]
    acting_user: Option<String>,
    version: i32,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    /// When every row had been looked through.
    #[schema(required)]
    validated_at: Option<DateTime<Utc>>,
    /// When it was applied, failed or was discarded.
    #[schema(required)]
    ended_at: Option<DateTime<Utc>>,
    /// When rows that nobody had applied were removed: the same file may be sent again. Null as long as all are there, or
    /// applied, or it was discarded.
    #[schema(required)]
    expired_at: Option<DateTime<Utc>>,
}

impl ImportView {
    /// Of an import and how far it is.
    pub fn of(import: Import, counts: Counts) -> ApiResult<Self> {
        let layout: Vec<Column> =
            serde_json::from_value(import.layout).map_err(|_| ApiError::internal("stored columns do not parse"))?;
        let rows = i64::from(import.row_count);
        let known = counts.ready + counts.faulty + counts.duplicates + counts.applied;
        let (open, all) = counts.open;
        let mut columns = vec![];
        let mut ignored_columns = vec![];
        for Column { name, letters, meaning } in layout {
            match word(meaning) {
                Some(field) => columns.push(ImportColumn { column: letters, name, field: field.to_owned() }),
                None => ignored_columns.push(letters),
            }
        }
        Ok(Self {
            id: import.id,
            state: import.state,
            failure: import.failure,
            format: import.format,
            size: import.size,
            header_row: import.header_row,
            columns,
            ignored_columns,
            other_sheets: import.other_sheets,
            counts: ImportCounts {
                rows,
                pending: rows - known,
                ready: counts.ready,
                faulty: counts.faulty,
                duplicates: counts.duplicates,
                applied: counts.applied,
            },
            progress: if all == 0 { 100 } else { (all - open) * 100 / all },
            client_id: import.client_id,
            acting_user: import.acting_user,
            version: import.version,
            created_at: import.created_at,
            updated_at: import.updated_at,
            validated_at: import.validated_at,
            ended_at: import.ended_at,
            expired_at: import.expired_at,
        })
    }
}

/// What a column means, in a word.
fn word(meaning: Meaning) -> Option<&'static str> {
    match meaning {
        Meaning::Field(field) => Some(field.as_str()),
        Meaning::BirthPlaceAndDate => Some("birth_place_and_date"),
        Meaning::District => Some("district_name"),
        Meaning::Regency => Some("regency_name"),
        Meaning::Nothing => None,
    }
}

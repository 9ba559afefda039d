//! Reading imports: how far they are, and what became of each row.
use super::ImportView;
use crate::access::api::Permit;
use crate::access::rules::{ReadImports, VolunteerId};
use crate::partners::imports::rules::{Finding, ImportId, ImportState, RowState};
use crate::partners::imports::store::{self, Counts, ImportRow};
use crate::platform::answer::Answer;
use crate::platform::cells::guard;
use crate::platform::db::Db;
use crate::platform::error::{ApiError, ApiResult, Language};
use crate::platform::input::{PathId, several};
use crate::platform::page::{Page, PageParams, Paged};
use actix_web::{HttpResponse, get};
use futures_util::stream::try_unfold;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::HashMap;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Which imports.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ImportFilter {
    /// In one of these states.
    #[serde(default, deserialize_with = "several")]
    #[param(max_items = 100)]
    state: Vec<ImportState>,
}

/// List imports
///
/// Those of your agency, newest first.
#[utoipa::path(tag = "partners", security(("oauth2" = ["imports:write"])), params(ImportFilter, PageParams),
    responses((status = 200, body = Page<ImportView>, description = "A page of imports.")))]
#[get("/v1/imports")]
pub async fn list_imports(caller: Permit<ReadImports>, paged: Paged<ImportFilter>, db: Db) -> ApiResult<Answer> {
    let after: Option<ImportId> = paged.after()?;
    let states = &paged.filter.state;
    let rows = db.read(async |c| store::list(c, &caller, states, after, paged.limit + 1).await).await?;
    let (rows, after) = paged.cut(rows, |import| import.id);
    let ids: Vec<ImportId> = rows.iter().map(|import| import.id).collect();
    let counts: HashMap<ImportId, Counts> =
        db.read(async |c| store::counts(c, &ids).await).await?.into_iter().collect();
    let view = |import: store::Import| {
        let counts = counts.get(&import.id).copied().unwrap_or_default();
        ImportView::of(import, counts)
    };
    paged.answer(rows.into_iter().map(view).collect::<ApiResult<Vec<_>>>()?, after, None)
}

/// Read an import
///
/// How far it is, what its columns mean, and how many rows are in which state.
#[utoipa::path(tag = "partners", security(("oauth2" = ["imports:write"])), params(("id" = ImportId, Path, description = "Id of the import.")),
    responses((status = 200, body = ImportView, description = "The import.")))]
#[get("/v1/imports/{id}")]
pub async fn read_import(caller: Permit<ReadImports>, id: PathId<ImportId>, db: Db) -> ApiResult<Answer> {
    let import = db.read(async |c| store::find(c, &caller, id.0).await).await?;
    let counts = db.read(async |c| store::counts(c, &[id.0]).await).await?;
    let version = import.version;
    let counts = counts.into_iter().next().map(|(_, counts)| counts).unwrap_or_default();
    Answer::row(&ImportView::of(import, counts)?, version)
}

/// Which rows.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ImportRowFilter {
    /// In one of these states.
    #[serde(default, deserialize_with = "several")]
    #[param(max_items = 100)]
    state: Vec<RowState>,
}

/// Something to know of a row, and where it is. It never tells what is in the cell.
#[derive(Debug, Serialize, ToSchema)]
pub struct RowFinding {
    /// Header of the column, as the file writes it; null: the row as a whole, or a column that the file does not have.
    #[schema(required, example = "Tgl Lahir")]
    column: Option<String>,
    /// What the column means.
    #[schema(required, example = "birth_date")]
    field: Option<String>,
    /// Stable reason.
    #[schema(example = "date_malformed")]
    code: String,
    /// In Indonesian, or English if `Accept-Language` prefers it.
    detail: String,
}

impl RowFinding {
    fn all(stored: Value, language: Language) -> ApiResult<Vec<Self>> {
        let list: Vec<Finding> =
            serde_json::from_value(stored).map_err(|_| ApiError::internal("stored findings do not parse"))?;
        let one = |finding: Finding| {
            let detail = if language == Language::English { finding.en } else { finding.id };
            Self { column: finding.column, field: finding.field, code: finding.code, detail }
        };
        Ok(list.into_iter().map(one).collect())
    }
}

/// What became of a row.
#[derive(Debug, Serialize, ToSchema)]
pub struct ImportRowView {
    /// As Excel numbers it; of NDJSON the line.
    #[schema(example = 17)]
    row: i32,
    state: RowState,
    /// Why it cannot be applied.
    errors: Vec<RowFinding>,
    /// What is worth a look and stands in nobody's way.
    warnings: Vec<RowFinding>,
    /// Who was registered by it.
    #[schema(required)]
    volunteer_id: Option<VolunteerId>,
    /// Volunteers of your sight whom it is, or may be.
    candidates: Vec<Uuid>,
}

impl ImportRowView {
    fn of(row: ImportRow, language: Language) -> ApiResult<Self> {
        Ok(Self {
            row: row.number,
            state: row.state,
            errors: RowFinding::all(row.errors, language)?,
            warnings: RowFinding::all(row.warnings, language)?,
            volunteer_id: row.volunteer_id,
            candidates: row.candidates,
        })
    }
}

/// List the rows of an import
///
/// In the order of the file, as far as they have been looked through. Kept for 90 days after the import is over.
#[utoipa::path(tag = "partners", security(("oauth2" = ["imports:write"])), params(("id" = ImportId, Path, description = "Id of the import."), ImportRowFilter, PageParams),
    responses((status = 200, body = Page<ImportRowView>, description = "A page of rows.")))]
#[get("/v1/imports/{id}/rows")]
pub async fn list_import_rows(
    caller: Permit<ReadImports>,
    id: PathId<ImportId>,
    paged: Paged<ImportRowFilter>,
    language: Language,
    db: Db,
) -> ApiResult<Answer> {
    db.read(async |c| store::find(c, &caller, id.0).await).await?;
    let (states, after): (_, Option<i32>) = (&paged.filter.state, paged.after()?);
    let rows = db.read(async |c| store::list_rows(c, &caller, id.0, states, after, paged.limit + 1).await).await?;
    let (rows, after) = paged.cut(rows, |row| row.number);
    let rows: Vec<_> = rows.into_iter().map(|row| ImportRowView::of(row, language)).collect::<ApiResult<_>>()?;
    Ok(paged.answer(rows, after, None)?.header("vary", "Accept-Language"))
}

/// Rows of the file of errors that are read at a time.
const AT_ONCE: i64 = 500;

/// Download the errors of an import
///
/// As CSV that Excel opens: row, column, code and what is wrong, a line for each; without what is in the cells.
#[utoipa::path(tag = "partners", security(("oauth2" = ["imports:write"])), params(("id" = ImportId, Path, description = "Id of the import.")),
    responses((status = 200, body = String, content_type = "text/csv", description = "A line for each error.")))]
#[get("/v1/imports/{id}/errors.csv")]
pub async fn download_import_errors(
    permit: Permit<ReadImports>,
    id: PathId<ImportId>,
    language: Language,
    db: Db,
) -> ApiResult<HttpResponse> {
    let (caller, id) = (permit.caller(), id.0);
    db.read(async |c| store::find(c, &caller, id).await).await?;
    let head =
        if language == Language::English { "Row;Column;Code;What is wrong" } else { "Baris;Kolom;Kode;Keterangan" };
    // With the mark by which Excel knows UTF-8.
    let first = format!("\u{feff}{head}\r\n");
    let body = try_unfold((Some(first), Some(0)), move |(first, after): (Option<String>, Option<i32>)| {
        let (caller, db) = (caller.clone(), db.clone());
        async move {
            let Some(last) = after else { return ApiResult::Ok(None) };
            let wrong = [RowState::Faulty, RowState::Duplicate];
            let rows = db.read(async |c| store::list_rows(c, &caller, id, &wrong, Some(last), AT_ONCE).await).await?;
            let next = rows.last().map(|row| row.number);
            let mut text = first.unwrap_or_default();
            for row in rows {
                text.push_str(&lines(row, language)?);
            }
            Ok(Some((actix_web::web::Bytes::from(text), (None, next))))
        }
    });
    let mut answer = HttpResponse::Ok();
    answer.insert_header(("content-disposition", format!("attachment; filename=\"errors-{id}.csv\"")));
    answer.insert_header(("vary", "Accept-Language"));
    Ok(answer.content_type("text/csv; charset=utf-8").streaming(body))
}

/// The lines of a row.
pub fn lines(row: ImportRow, language: Language) -> ApiResult<String> {
    let quoted = |text: &str| format!("\"{}\"", guard(text).replace('"', "\"\""));
    let findings = RowFinding::all(row.errors, language)?.into_iter();
    let line = |finding: RowFinding| {
        let column = finding.column.or(finding.field).unwrap_or_default();
        format!("{};{};{};{}\r\n", row.number, quoted(&column), finding.code, quoted(&finding.detail))
    };
    Ok(findings.map(line).collect())
}

//! Endpoints under `/v1/code-lists`.
use super::rules::{Code, Labels};
use super::store::{self, CodeList, Entry};
use crate::access::api::Permit;
use crate::access::rules::ReadReference;
use crate::platform::answer::Answer;
use crate::platform::db::Db;
use crate::platform::error::{ApiError, ApiResult};
use actix_web::{get, web::Path};
use chrono::NaiveDate;
use serde::Serialize;
use utoipa::ToSchema;

/// Lists change rarely: a phone may use them offline and ask once an hour.
const CACHE: &str = "private, max-age=3600";

/// A code list without its codes.
#[derive(Debug, Serialize, ToSchema)]
pub struct CodeListHead {
    /// Its name in the path.
    #[schema(example = "ppks")]
    name: String,
    labels: Labels,
}

/// All code lists.
#[derive(Debug, Serialize, ToSchema)]
pub struct CodeLists {
    items: Vec<CodeListHead>,
}

/// A code of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct CodeView {
    code: Code,
    labels: Labels,
    /// Codes that belong together, such as the child categories.
    #[schema(required)]
    group: Option<String>,
    /// Specific personal data (UU 27/2022, art. 4): shown to fewer.
    sensitive: bool,
    /// Must be explained in words.
    needs_text: bool,
    /// First day on which it is given.
    valid_from: NaiveDate,
    /// First day on which it is no longer given; null: valid.
    #[schema(required)]
    valid_until: Option<NaiveDate>,
}

/// A code list.
#[derive(Debug, Serialize, ToSchema)]
pub struct CodeListView {
    #[serde(flatten)]
    head: CodeListHead,
    /// In the order of the regulation.
    codes: Vec<CodeView>,
}

impl From<CodeList> for CodeListHead {
    fn from(list: CodeList) -> Self {
        Self { name: list.name, labels: Labels { id: list.label_id, en: list.label_en } }
    }
}

impl From<Entry> for CodeView {
    fn from(entry: Entry) -> Self {
        Self {
            code: entry.code,
            labels: Labels { id: entry.label_id, en: entry.label_en },
            group: entry.group_code,
            sensitive: entry.sensitive,
            needs_text: entry.needs_text,
            valid_from: entry.valid_from,
            valid_until: entry.valid_until,
        }
    }
}

/// List code lists
#[utoipa::path(tag = "reference", security(("oauth2" = [])), responses((status = 200, body = CodeLists, description = "Their names.")))]
#[get("/v1/code-lists")]
pub async fn list_code_lists(_caller: Permit<ReadReference>, db: Db) -> ApiResult<Answer> {
    let lists = db.read(async |c| store::lists(c).await).await?;
    let items = lists.into_iter().map(CodeListHead::from).collect();
    Ok(Answer::ok(&CodeLists { items })?.header("cache-control", CACHE))
}

/// Read a code list
///
/// Whole, with codes that are no longer given, so that old records stay readable.
#[utoipa::path(tag = "reference", security(("oauth2" = [])), params(("name" = String, Path, description = "Name of the list.", example = "ppks")),
    responses((status = 200, body = CodeListView, description = "The list.")))]
#[get("/v1/code-lists/{name}")]
pub async fn read_code_list(_caller: Permit<ReadReference>, name: Path<String>, db: Db) -> ApiResult<Answer> {
    // PostgreSQL takes no NUL, and no name holds one.
    let name = if name.contains('\0') { String::new() } else { name.into_inner() };
    let (mut lists, codes): (Vec<CodeList>, Vec<Entry>) =
        db.read(async |c| store::list(c, &name).await).await?.into_iter().unzip();
    let head = CodeListHead::from(lists.pop().ok_or_else(ApiError::not_found)?);
    let codes = codes.into_iter().map(CodeView::from).collect();
    Ok(Answer::ok(&CodeListView { head, codes })?.header("cache-control", CACHE))
}

//! Applying an import, and giving it up.
use super::ImportView;
use super::upload::{check_authority, replay};
use crate::access::api::Permit;
use crate::access::rules::{Caller, ImportVolunteers};
use crate::codes::rules::Code;
use crate::partners::imports::intake::note;
use crate::partners::imports::jobs::Jobs;
use crate::partners::imports::rules::{
    ApplyMode, FILE_IMPORTED_ALREADY, IMPORT_EXPIRED, IMPORT_STATE_CONFLICT, ImportId, ImportState, ROWS_NOT_READY,
    RowState,
};
use crate::partners::imports::store::{self, Counts, Import, ImportRow};
use crate::platform::answer::Answer;
use crate::platform::app::{App, Shared};
use crate::platform::db::{Conn, Db};
use crate::platform::error::{ApiError, ApiResult, Fault, Place, STALE};
use crate::platform::idempotency::Attempt;
use crate::platform::input::{IfMatch, Keyed, NoBody, PathId};
use crate::platform::openapi::{IdempotencyHeader, IfMatchHeader};
use crate::regions::rules::TimeZone;
use crate::volunteers::register::check_duplicate_reason;
use crate::volunteers::rules::VOLUNTEER_EXISTS;
use actix_web::post;
use serde::Deserialize;
use utoipa::ToSchema;

/// Most rows that one call names, and most that it says of that they are other people.
const MOST_ROWS: usize = 5000;
const MOST_OVERRIDES: usize = 1000;

/// Which rows become volunteers.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApplyImport {
    #[schema(example = "good_rows")]
    mode: ApplyMode,
    /// Numbers of rows, as Excel numbers them; absent: every row.
    #[schema(min_items = 1, max_items = 5000)]
    rows: Option<Vec<i32>>,
    /// Rows that are other people than those who are alike, of those named in `rows` if that is given. An equal NIK cannot be overridden.
    #[serde(default)]
    #[schema(max_items = 1000)]
    override_duplicates: Vec<OverrideRow>,
}

/// A row that is another person than those who are alike.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OverrideRow {
    /// Number of the row, as Excel numbers it.
    row: i32,
    /// Code of the list `duplicate-reasons`, of the group `override`.
    #[schema(example = "namesakes")]
    reason: Code,
}

/// Apply an import
///
/// Registers its rows in your name: with an appointment letter (SK) as active, without as candidates. `all`: each row must be
/// ready, else 409 `rows_not_ready`; `good_rows`: those that are. Read the import until its `state` is `applied`, and its rows
/// for who became of each. Rows that are left can be applied later, for 7 days; then it is 409 `import_expired`.
#[utoipa::path(tag = "partners", security(("oauth2" = ["imports:write", "volunteers:write"])), request_body = ApplyImport,
    params(("id" = ImportId, Path, description = "Id of the import."), IdempotencyHeader, IfMatchHeader),
    responses((status = 202, body = ImportView, description = "It is being applied.")))]
#[post("/v1/imports/{id}/apply")]
pub async fn apply_import(
    permit: Permit<ImportVolunteers>,
    id: PathId<ImportId>,
    version: IfMatch,
    wanted: Keyed<ApplyImport>,
    jobs: Jobs,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let (caller, app, id) = (permit.caller(), app.0, id.0);
    let shared = app.clone();
    let answer = db
        .write(async move |c| {
            let ticket = match wanted.key.begin(c, &app, caller.identity()).await? {
                Attempt::Replay(kept) => return replay(c, &caller, kept).await,
                Attempt::Fresh(ticket) => ticket,
            };
            let mut import = store::lock(c, &caller, id).await?;
            check_authority(&caller)?;
            check(&import, import.may_be_applied(), version)?;
            check_choice(&wanted.body)?;
            override_rows(c, &app, id, &wanted.body.override_duplicates).await?;
            begin(c, &app, &caller, &mut import, wanted.body.mode, wanted.body.rows).await?;
            let location = format!("{}/v1/imports/{id}", app.settings.public_url);
            let (version, counts) = (import.version, counts(c, id).await?);
            let answer = Answer::accepted(&ImportView::of(import, counts)?, version, location)?;
            ticket.keep(c, answer, &[id.0]).await
        })
        .await?;
    jobs.start(&shared);
    Ok(answer)
}

async fn counts(conn: &mut Conn, id: ImportId) -> ApiResult<Counts> {
    let found = store::counts(&mut &*conn, &[id]).await?;
    Ok(found.into_iter().next().map(|(_, counts)| counts).unwrap_or_default())
}

/// How much a call may name, and that it means what it names.
fn check_choice(wanted: &ApplyImport) -> ApiResult<()> {
    let counted = [
        ("/rows", wanted.rows.as_ref().map_or(1, Vec::len), 1, MOST_ROWS),
        ("/override_duplicates", wanted.override_duplicates.len(), 0, MOST_OVERRIDES),
    ];
    if let Some((at, _, least, most)) =
        counted.into_iter().find(|(_, count, least, most)| count < least || count > most)
    {
        let fault = Fault::with("out_of_range", format!("{least} sampai {most}"), format!("{least} to {most}"));
        return Err(ApiError::malformed(Place::Pointer(at.to_owned()), fault));
    }
    let chosen = |one: &OverrideRow| wanted.rows.as_ref().is_none_or(|rows| rows.contains(&one.row));
    match wanted.override_duplicates.iter().position(|one| !chosen(one)) {
        None => Ok(()),
        Some(index) => {
            let fault = Fault::new("row_not_chosen", "bukan salah satu dari `rows`", "none of `rows`");
            Err(ApiError::rule(&format!("/override_duplicates/{index}/row"), fault))
        }
    }
}

/// State before version: what has moved on is a conflict of its own.
fn check(import: &Import, may: bool, version: IfMatch) -> ApiResult<()> {
    if let Some(at) = import.expired_at {
        return Err(ApiError::from(&IMPORT_EXPIRED).member("state", import.state).member("expired_at", at));
    }
    if !may {
        return Err(ApiError::from(&IMPORT_STATE_CONFLICT).member("state", import.state));
    }
    if import.version == version.0 {
        return Ok(());
    }
    Err(ApiError::from(&STALE).member("version", import.version).member("updated_at", import.updated_at))
}

/// Notes which duplicates are other people. Who has the NIK of somebody registered is that one.
async fn override_rows(conn: &mut Conn, app: &App, id: ImportId, rows: &[OverrideRow]) -> ApiResult<()> {
    for (index, OverrideRow { row, reason }) in rows.iter().enumerate() {
        let at = |member| format!("/override_duplicates/{index}/{member}");
        let found = store::find_row(conn, id, *row).await?;
        let same_nik = |row: &ImportRow| {
            let errors = row.errors.as_array().into_iter().flatten();
            errors.filter_map(|error| error.get("code")).any(|code| code == VOLUNTEER_EXISTS.code)
        };
        if !found.is_some_and(|row| row.state == RowState::Duplicate && !same_nik(&row)) {
            let fault = Fault::new("not_alike", "bukan baris yang hanya serupa", "not a row that is merely alike");
            return Err(ApiError::rule(&at("row"), fault));
        }
        let today = TimeZone::Wib.day(app.clock.now());
        check_duplicate_reason(conn, reason, "override", &at("reason"), today).await?;
        store::set_override(conn, id, *row, reason).await?;
    }
    Ok(())
}

/// Gives the chosen rows of a locked import to whoever works.
pub async fn begin(
    conn: &mut Conn,
    app: &App,
    caller: &Caller,
    import: &mut Import,
    mode: ApplyMode,
    rows: Option<Vec<i32>>,
) -> ApiResult<()> {
    let rows = rows.map(|mut rows| {
        rows.sort_unstable();
        rows.dedup();
        rows
    });
    let count =
        async |conn: &mut Conn, states: &[RowState]| store::count_rows(conn, import.id, rows.as_deref(), states).await;
    if let Some(rows) = &rows {
        let known = count(conn, RowState::ALL).await?;
        if usize::try_from(known).ok() != Some(rows.len()) {
            let fault = Fault::new("row_unknown", "bukan baris berkas ini", "not rows of this file");
            return Err(ApiError::rule("/rows", fault));
        }
    }
    let overridden = store::count_overridden(conn, import.id, rows.as_deref()).await?;
    let ready = count(conn, &[RowState::Ready]).await? + overridden;
    let faulty = count(conn, &[RowState::Faulty]).await?;
    let duplicates = count(conn, &[RowState::Duplicate]).await? - overridden;
    if ready == 0 || (mode == ApplyMode::All && faulty + duplicates > 0) {
        let error = ApiError::from(&ROWS_NOT_READY).member("ready", ready);
        return Err(error.member("faulty", faulty).member("duplicates", duplicates));
    }
    // The same file may have come again since a fault of ours stopped this one.
    let same = store::find_same(conn, caller.agency, &import.digest).await?;
    if let Some(same) = same.filter(|same| same.id != import.id) {
        return Err(ApiError::from(&FILE_IMPORTED_ALREADY).member("id", same.id).member("state", same.state));
    }
    if store::apply_chunks(conn, import.id, rows.as_deref()).await? == 0 {
        return Err(ApiError::from(&IMPORT_STATE_CONFLICT).member("state", import.state));
    }
    (import.state, import.failure) = (ImportState::Applying, None);
    (import.ended_at, import.selected) = (None, rows);
    (import.client_id, import.request_id) = (caller.client, caller.request);
    import.acting_user = caller.acting_user.as_ref().map(|user| user.as_str().to_owned());
    store::save(conn, import, app.clock.now()).await?;
    note(conn, app, caller, "import.apply", import.id).await
}

/// Discard an import
///
/// Before anything of it is registered: its rows are removed at once, and the same file may be sent again.
#[utoipa::path(tag = "partners", security(("oauth2" = ["imports:write", "volunteers:write"])), request_body = NoBody,
    params(("id" = ImportId, Path, description = "Id of the import."), IdempotencyHeader, IfMatchHeader),
    responses((status = 200, body = ImportView, description = "It is discarded.")))]
#[post("/v1/imports/{id}/discard")]
pub async fn discard_import(
    permit: Permit<ImportVolunteers>,
    id: PathId<ImportId>,
    version: IfMatch,
    wanted: Keyed<NoBody>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let (caller, app, id) = (permit.caller(), app.0, id.0);
    db.write(async move |c| {
        let ticket = match wanted.key.begin(c, &app, caller.identity()).await? {
            Attempt::Replay(kept) => return replay(c, &caller, kept).await,
            Attempt::Fresh(ticket) => ticket,
        };
        // Chunks before the import, as whoever works on them takes them.
        store::find(&mut &*c, &caller, id).await?;
        store::empty_chunks(c, id).await?;
        let mut import = store::lock(c, &caller, id).await?;
        check(&import, import.state.may_be_discarded(), version)?;
        let now = app.clock.now();
        (import.state, import.ended_at) = (ImportState::Discarded, Some(now));
        store::save(c, &mut import, now).await?;
        note(c, &app, &caller, "import.discard", id).await?;
        let (version, counts) = (import.version, counts(c, id).await?);
        let answer = Answer::row(&ImportView::of(import, counts)?, version)?;
        ticket.keep(c, answer, &[id.0]).await
    })
    .await
}

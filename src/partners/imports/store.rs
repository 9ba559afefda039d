//! Every SQL statement on imports, their chunks and their rows.
use super::rules::{ImportFailure, ImportFormat, ImportId, ImportState, RowState, Todo};
use crate::access::rules::{AgencyId, Caller, ClientId, VolunteerId};
use crate::codes::rules::Code;
use crate::platform::db::Conn;
use crate::platform::db::sql::{Columns, Known, pg_advisory_xact_lock, unnest, uuids};
use crate::schema::{import_chunks as chunks, import_rows as rows, imports as t};
use chrono::{DateTime, TimeDelta, Utc};
use diesel::dsl::{auto_type, count, exists, min, not, sum};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use serde_json::Value;
use uuid::Uuid;

/// How long the rows of a file wait for somebody to come back to it.
pub const KEPT: TimeDelta = TimeDelta::days(7);
/// How long it is told what became of each row.
pub const TOLD: TimeDelta = TimeDelta::days(90);

/// An import as stored.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = t, check_for_backend(diesel::pg::Pg))]
#[diesel(treat_none_as_default_value = false, treat_none_as_null = true)]
pub struct Import {
    /// Its id.
    pub id: ImportId,
    /// Whose.
    pub agency_id: AgencyId,
    /// Client that sent it: in its name rows are registered.
    pub client_id: ClientId,
    /// Officer of the request whose work is being done.
    pub acting_user: Option<String>,
    /// That request.
    pub request_id: Uuid,
    /// Where it stands.
    pub state: ImportState,
    /// Why it stopped.
    pub failure: Option<ImportFailure>,
    /// What the file was.
    pub format: ImportFormat,
    /// Its bytes.
    pub size: i32,
    /// By which the same file is known.
    pub digest: Vec<u8>,
    /// Row of the header.
    pub header_row: i32,
    /// What each column means.
    pub layout: Value,
    /// Sheets that were not read.
    pub other_sheets: i32,
    /// Rows of people.
    pub row_count: i32,
    /// The rows being applied; none: all that are ready.
    pub selected: Option<Vec<i32>>,
    /// Raised by every move.
    pub version: i32,
    /// When.
    pub created_at: DateTime<Utc>,
    /// Last move.
    pub updated_at: DateTime<Utc>,
    /// When every row was known.
    pub validated_at: Option<DateTime<Utc>>,
    /// When it was over.
    pub ended_at: Option<DateTime<Utc>>,
    /// When rows that nobody had applied were removed.
    pub expired_at: Option<DateTime<Utc>>,
}

impl Import {
    /// Whether its rows may be chosen and applied: those that are left too, and those that a fault of ours kept from it.
    pub fn may_be_applied(&self) -> bool {
        let stopped = self.failure == Some(ImportFailure::Internal) && self.validated_at.is_some();
        self.expired_at.is_none() && (self.state.may_be_applied() || stopped)
    }
}

/// How many rows are in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Can be applied.
    pub ready: i64,
    /// Cannot.
    pub faulty: i64,
    /// Are, or may be, registered already.
    pub duplicates: i64,
    /// Registered by this import.
    pub applied: i64,
    /// Chunks that wait for what is being done, of so many.
    pub open: (i64, i64),
}

impl Counts {
    /// Of a file that nobody has looked through.
    pub fn new_file() -> Self {
        Self { open: (1, 1), ..Self::default() }
    }
}

/// A chunk of rows.
#[derive(Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = chunks, check_for_backend(diesel::pg::Pg), treat_none_as_default_value = false)]
pub struct Chunk {
    /// Of which import.
    pub import_id: ImportId,
    /// From 0.
    pub position: i32,
    /// What is to be done with it.
    pub todo: Option<Todo>,
    /// The rows, packed and sealed.
    pub sealed: Option<Vec<u8>>,
    /// How many.
    pub row_count: i32,
}

/// What became of a row.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = rows, check_for_backend(diesel::pg::Pg))]
pub struct ImportRow {
    /// As Excel numbers it.
    pub number: i32,
    /// Where it stands.
    pub state: RowState,
    /// What is wrong.
    pub errors: Value,
    /// What is worth a look.
    pub warnings: Value,
    /// Who was registered by it.
    pub volunteer_id: Option<VolunteerId>,
    /// Whom it is, or may be.
    pub candidates: Vec<Uuid>,
    /// Why it is not the one that it is like.
    pub override_reason: Option<Code>,
}

#[auto_type(type_alias, type_name = "Visible")]
fn of_agency(agency: AgencyId) -> _ {
    t::agency_id.eq(agency)
}

/// The imports that a caller sees: those of its own agency.
pub fn visible_to(caller: &Caller) -> Visible {
    of_agency(caller.agency)
}

/// An import that the caller sees.
pub async fn find(conn: &mut &Conn, caller: &Caller, id: ImportId) -> QueryResult<Import> {
    t::table.find(id).filter(visible_to(caller)).select(Import::columns()).first(conn).await
}

/// The same, held until the transaction ends.
pub async fn lock(conn: &mut Conn, caller: &Caller, id: ImportId) -> QueryResult<Import> {
    t::table.find(id).filter(visible_to(caller)).select(Import::columns()).for_update().first(conn).await
}

/// An import, for the work on it.
pub async fn find_any(conn: &mut Conn, id: ImportId) -> QueryResult<Import> {
    t::table.find(id).select(Import::columns()).first(conn).await
}

/// The import of the same file that did not come to nothing, and of which no rows are gone. Who sends it again meanwhile waits until the transaction ends.
pub async fn find_same(conn: &mut Conn, agency: AgencyId, digest: &[u8]) -> QueryResult<Option<Import>> {
    let key = digest.first_chunk().map(|bytes| i64::from_be_bytes(*bytes)).unwrap_or_default();
    diesel::select(pg_advisory_xact_lock(key)).execute(conn).await?;
    let same = t::table.filter(t::agency_id.eq(agency).and(t::digest.eq(digest)));
    let nothing = [ImportState::Failed, ImportState::Discarded];
    let same = same.filter(t::state.ne_all(nothing).and(t::expired_at.is_null()));
    same.select(Import::columns()).first(conn).await.optional()
}

/// Inserts an import with its chunks.
pub async fn create(conn: &mut Conn, import: &Import, parts: &[Chunk]) -> QueryResult<()> {
    diesel::insert_into(t::table).values(import).execute(conn).await?;
    let column = |of: fn(&Chunk) -> i32| parts.iter().map(of).collect::<Vec<i32>>();
    let values = diesel::select((
        import.id.into_sql::<diesel::sql_types::Uuid>(),
        unnest(column(|part| part.position)),
        unnest(parts.iter().map(|part| part.todo).collect::<Vec<_>>()),
        unnest(parts.iter().map(|part| part.sealed.as_deref()).collect::<Vec<_>>()),
        unnest(column(|part| part.row_count)),
    ));
    let columns = (chunks::import_id, chunks::position, chunks::todo, chunks::sealed, chunks::row_count);
    values.insert_into(chunks::table).into_columns(columns).execute(conn).await.map(drop)
}

/// Writes an import that is locked, under the next version.
pub async fn save(conn: &mut Conn, import: &mut Import, now: DateTime<Utc>) -> QueryResult<()> {
    import.version += 1;
    import.updated_at = now;
    diesel::update(t::table.find(import.id)).set(&*import).execute(conn).await.map(drop)
}

/// One page of the caller's imports, newest first.
pub async fn list(
    conn: &mut &Conn,
    caller: &Caller,
    states: &[ImportState],
    after: Option<ImportId>,
    limit: i64,
) -> QueryResult<Vec<Import>> {
    let query = t::table.filter(visible_to(caller)).select(Import::columns());
    let mut query = query.order(t::id.desc()).limit(limit).into_boxed();
    if !states.is_empty() {
        query = query.filter(t::state.eq_any(states.to_vec()));
    }
    if let Some(after) = after {
        query = query.filter(t::id.lt(after));
    }
    query.load(conn).await
}

type Summed = (ImportId, (Option<i64>, Option<i64>, Option<i64>, Option<i64>), i64, i64);

/// How far each of these is.
pub async fn counts(conn: &mut &Conn, ids: &[ImportId]) -> QueryResult<Vec<(ImportId, Counts)>> {
    let summed: Vec<Summed> = chunks::table
        .filter(chunks::import_id.eq_any(ids))
        .group_by(chunks::import_id)
        .select((
            chunks::import_id,
            (sum(chunks::ready), sum(chunks::faulty), sum(chunks::duplicate), sum(chunks::applied)),
            count(chunks::todo),
            count(chunks::position),
        ))
        .load(conn)
        .await?;
    let counted = |(id, (ready, faulty, duplicates, applied), open, all): Summed| {
        let [ready, faulty, duplicates, applied] = [ready, faulty, duplicates, applied].map(Option::unwrap_or_default);
        (id, Counts { ready, faulty, duplicates, applied, open: (open, all) })
    };
    Ok(summed.into_iter().map(counted).collect())
}

/// One page of the rows of an import that the caller sees, in the order of the file.
pub async fn list_rows(
    conn: &mut &Conn,
    caller: &Caller,
    id: ImportId,
    states: &[RowState],
    after: Option<i32>,
    limit: i64,
) -> QueryResult<Vec<ImportRow>> {
    let of = rows::table.inner_join(t::table).filter(rows::import_id.eq(id)).filter(visible_to(caller));
    let mut query = of.select(ImportRow::columns()).order(rows::number).limit(limit).into_boxed();
    if !states.is_empty() {
        query = query.filter(rows::state.eq_any(states.to_vec()));
    }
    if let Some(after) = after {
        query = query.filter(rows::number.gt(after));
    }
    query.load(conn).await
}

/// A row of an import that is locked.
pub async fn find_row(conn: &mut Conn, id: ImportId, number: i32) -> QueryResult<Option<ImportRow>> {
    rows::table.find((id, number)).select(ImportRow::columns()).first(conn).await.optional()
}

/// Notes that a row is another person than the one that it is like.
pub async fn set_override(conn: &mut Conn, id: ImportId, number: i32, reason: &Code) -> QueryResult<()> {
    let reason = rows::override_reason.eq(Some(reason));
    diesel::update(rows::table.find((id, number))).set(reason).execute(conn).await.map(drop)
}

/// How many of these rows are in one of the states; of all rows if none are named.
pub async fn count_rows(
    conn: &mut Conn,
    id: ImportId,
    numbers: Option<&[i32]>,
    states: &[RowState],
) -> QueryResult<i64> {
    let mut query = rows::table.filter(rows::import_id.eq(id).and(rows::state.eq_any(states.to_vec()))).into_boxed();
    if let Some(numbers) = numbers {
        query = query.filter(rows::number.eq_any(numbers.to_vec()));
    }
    query.count().get_result(conn).await
}

/// How many of these rows wait to be registered as other people; of all rows if none are named.
pub async fn count_overridden(conn: &mut Conn, id: ImportId, numbers: Option<&[i32]>) -> QueryResult<i64> {
    let of = rows::table.filter(rows::import_id.eq(id).and(rows::override_reason.is_not_null())).into_boxed();
    let waiting = of.filter(rows::state.eq(RowState::Duplicate));
    match numbers {
        Some(numbers) => waiting.filter(rows::number.eq_any(numbers.to_vec())).count().get_result(conn).await,
        None => waiting.count().get_result(conn).await,
    }
}

/// Takes the next chunk that nobody is at work on and that is not put off: small imports do not wait for large ones. Held
/// until the transaction ends; it is let go of if that fails.
pub async fn take_chunk(conn: &mut Conn, now: DateTime<Utc>) -> QueryResult<Option<Chunk>> {
    chunks::table
        .filter(chunks::todo.is_not_null())
        .filter(Known(chunks::not_before.is_null().or(chunks::not_before.le(now))))
        .order((chunks::position, chunks::import_id))
        .select(Chunk::columns())
        .for_update()
        .skip_locked()
        .first(conn)
        .await
        .optional()
}

/// When the first of those that are put off is due again.
pub async fn next_due(conn: &mut Conn) -> QueryResult<Option<DateTime<Utc>>> {
    chunks::table.filter(chunks::todo.is_not_null()).select(min(chunks::not_before)).first(conn).await
}

/// Puts a chunk off; `charged`: for a fault of ours. How many there have been since it was last done; 0 if somebody else has
/// done it meanwhile.
pub async fn put_off(
    conn: &mut Conn,
    (id, position): (ImportId, i32),
    charged: bool,
    until: impl Fn(i32) -> DateTime<Utc>,
) -> QueryResult<i32> {
    let one = chunks::table.find((id, position)).filter(chunks::todo.is_not_null());
    let attempts = one.select(chunks::attempts).for_update().first::<i32>(conn).await.optional()?;
    let Some(attempts) = attempts.map(|attempts| attempts + i32::from(charged)) else { return Ok(0) };
    let values = (chunks::attempts.eq(attempts), chunks::not_before.eq(Some(until(attempts))));
    diesel::update(chunks::table.find((id, position))).set(values).execute(conn).await?;
    Ok(attempts)
}

/// Says that somebody has begun to look through its rows.
pub async fn begin(conn: &mut Conn, id: ImportId, now: DateTime<Utc>) -> QueryResult<()> {
    let waiting = t::table.filter(t::id.eq(id).and(t::state.eq(ImportState::Uploaded)));
    let begun = (t::state.eq(ImportState::Validating), t::version.eq(t::version + 1), t::updated_at.eq(now));
    diesel::update(waiting).set(begun).execute(conn).await.map(drop)
}

/// A row as it was judged.
#[derive(Debug)]
pub struct NewRow {
    /// As Excel numbers it.
    pub number: i32,
    /// Where it stands.
    pub state: RowState,
    /// What is wrong.
    pub errors: Value,
    /// What is worth a look.
    pub warnings: Value,
    /// Whom it is, or may be.
    pub candidates: Vec<Uuid>,
}

/// Inserts what a chunk was found to be.
pub async fn add_rows(conn: &mut Conn, chunk: &Chunk, found: &[NewRow]) -> QueryResult<()> {
    fn column<T>(rows: &[NewRow], of: impl Fn(&NewRow) -> T) -> Vec<T> {
        rows.iter().map(of).collect()
    }
    let ids = |row: &NewRow| {
        let ids: Vec<String> = row.candidates.iter().map(ToString::to_string).collect();
        format!("{{{}}}", ids.join(","))
    };
    let values = diesel::select((
        chunk.import_id.into_sql::<diesel::sql_types::Uuid>(),
        chunk.position.into_sql::<diesel::sql_types::Integer>(),
        unnest(column(found, |row| row.number)),
        unnest(column(found, |row| row.state)),
        unnest(column(found, |row| row.errors.clone())),
        unnest(column(found, |row| row.warnings.clone())),
        uuids(unnest(column(found, ids))),
    ));
    let columns =
        (rows::import_id, rows::position, rows::number, rows::state, rows::errors, rows::warnings, rows::candidates);
    values.insert_into(rows::table).into_columns(columns).execute(conn).await.map(drop)
}

/// What became of the rows of a chunk, in the order of the file.
pub async fn rows_of(conn: &mut Conn, chunk: &Chunk) -> QueryResult<Vec<ImportRow>> {
    let of = rows::table.filter(rows::import_id.eq(chunk.import_id).and(rows::position.eq(chunk.position)));
    of.select(ImportRow::columns()).order(rows::number).load(conn).await
}

/// Writes what became of a row.
pub async fn save_row(conn: &mut Conn, id: ImportId, row: &ImportRow) -> QueryResult<()> {
    let values = (
        rows::state.eq(row.state),
        rows::errors.eq(&row.errors),
        rows::warnings.eq(&row.warnings),
        rows::volunteer_id.eq(row.volunteer_id),
        rows::candidates.eq(&row.candidates),
        rows::override_reason.eq(&row.override_reason),
    );
    diesel::update(rows::table.find((id, row.number))).set(values).execute(conn).await.map(drop)
}

/// Ends the work on a chunk, with what its rows are now.
pub async fn finish_chunk(conn: &mut Conn, chunk: &Chunk, counts: Counts) -> QueryResult<()> {
    let number = |count: i64| i32::try_from(count).unwrap_or(i32::MAX);
    // Nothing of it is applied any more: nothing of it is kept. Otherwise it is not written again.
    let gone = counts.ready + counts.duplicates == 0;
    let values = (
        chunks::todo.eq(None::<Todo>),
        gone.then_some(chunks::sealed.eq(None::<Vec<u8>>)),
        chunks::ready.eq(number(counts.ready)),
        chunks::faulty.eq(number(counts.faulty)),
        chunks::duplicate.eq(number(counts.duplicates)),
        chunks::applied.eq(number(counts.applied)),
        (chunks::attempts.eq(0), chunks::not_before.eq(None::<DateTime<Utc>>)),
    );
    diesel::update(chunks::table.find((chunk.import_id, chunk.position))).set(values).execute(conn).await.map(drop)
}

/// Gives every chunk with rows that are chosen and can be applied to whoever works; how many chunks that are.
pub async fn apply_chunks(conn: &mut Conn, id: ImportId, numbers: Option<&[i32]>) -> QueryResult<usize> {
    let ready = rows::state.eq(RowState::Ready);
    let other = rows::state.eq(RowState::Duplicate).and(rows::override_reason.is_not_null());
    let mut good = rows::table.filter(rows::import_id.eq(id)).filter(ready.or(other)).into_boxed();
    if let Some(numbers) = numbers {
        good = good.filter(rows::number.eq_any(numbers.to_vec()));
    }
    let positions: Vec<i32> = good.select(rows::position).distinct().load(conn).await?;
    let of = chunks::table.filter(chunks::import_id.eq(id).and(chunks::position.eq_any(positions)));
    let values =
        (chunks::todo.eq(Some(Todo::Apply)), chunks::attempts.eq(0), chunks::not_before.eq(None::<DateTime<Utc>>));
    diesel::update(of.filter(chunks::sealed.is_not_null())).set(values).execute(conn).await
}

/// Takes every chunk out of the hands of whoever works; the rows stay.
pub async fn rest_chunks(conn: &mut Conn, id: ImportId) -> QueryResult<usize> {
    let of = chunks::table.filter(chunks::import_id.eq(id).and(chunks::todo.is_not_null()));
    diesel::update(of).set(chunks::todo.eq(None::<Todo>)).execute(conn).await
}

/// Removes the rows themselves; what became of them stays.
pub async fn empty_chunks(conn: &mut Conn, id: ImportId) -> QueryResult<usize> {
    let of = chunks::table.filter(chunks::import_id.eq(id).and(chunks::sealed.is_not_null()));
    diesel::update(of).set((chunks::todo.eq(None::<Todo>), chunks::sealed.eq(None::<Vec<u8>>))).execute(conn).await
}

/// Those whose last chunk is done, moved on and locked: from looking through to looked through, from applying to applied.
pub async fn finish(conn: &mut Conn, now: DateTime<Utc>) -> QueryResult<Vec<Import>> {
    let busy = [ImportState::Uploaded, ImportState::Validating, ImportState::Applying];
    let open = chunks::table.filter(chunks::import_id.eq(t::id).and(chunks::todo.is_not_null()));
    let due = t::table.filter(t::state.eq_any(busy)).filter(not(exists(open)));
    let mut done: Vec<Import> = due.select(Import::columns()).for_update().skip_locked().load(conn).await?;
    for import in &mut done {
        if import.state == ImportState::Applying {
            (import.state, import.ended_at) = (ImportState::Applied, Some(now));
        } else {
            (import.state, import.validated_at) = (ImportState::Validated, Some(now));
        }
        save(conn, import, now).await?;
    }
    Ok(done)
}

/// Stops an import, unless it is over already; what it is now. Chunks before the import, as whoever works on them takes them.
/// After a fault of ours the rows stay for their time.
pub async fn fail(
    conn: &mut Conn,
    id: ImportId,
    why: ImportFailure,
    now: DateTime<Utc>,
) -> QueryResult<Option<Import>> {
    match why {
        ImportFailure::Internal => rest_chunks(conn, id).await?,
        ImportFailure::ClientNotAllowed => empty_chunks(conn, id).await?,
    };
    let busy = [ImportState::Uploaded, ImportState::Validating, ImportState::Applying];
    let one = t::table.find(id).filter(t::state.eq_any(busy)).select(Import::columns());
    let Some(mut import) = one.for_update().first::<Import>(conn).await.optional()? else { return Ok(None) };
    (import.state, import.failure, import.ended_at) = (ImportState::Failed, Some(why), Some(now));
    save(conn, &mut import, now).await?;
    Ok(Some(import))
}

/// Imports that nobody came back to, locked: their rows are to be removed, whatever became of them.
pub async fn forgotten(conn: &mut Conn, now: DateTime<Utc>) -> QueryResult<Vec<Import>> {
    let kept = chunks::table.filter(chunks::import_id.eq(t::id).and(chunks::sealed.is_not_null()));
    let old = t::table.filter(t::updated_at.lt(now - KEPT)).filter(exists(kept));
    old.select(Import::columns()).for_update().skip_locked().limit(100).load(conn).await
}

/// Forgets what became of each row of imports that are long over; how many rows that were.
pub async fn sweep_rows(conn: &mut Conn, now: DateTime<Utc>) -> QueryResult<usize> {
    let over = t::table.filter(t::ended_at.lt(now - TOLD)).select(t::id);
    diesel::delete(rows::table.filter(rows::import_id.eq_any(over))).execute(conn).await
}

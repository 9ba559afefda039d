//! Looking through the rows of imports and registering them, a chunk a transaction.
//!
//! Whoever holds a chunk's row works on it, so several nodes share an import; one that dies lets go, and the next turn takes
//! the chunk up as if nothing had been done: nothing of it was committed. What becomes of a row stands in the transaction
//! that registers the volunteer, so no row is registered twice, and none is said to be registered that is not.
use super::intake::open;
use super::rules::header::Column;
use super::rules::person::{Context, Judged, alike_in_file, judge};
use super::rules::villages::{OUTSIDE, Villages};
use super::rules::{Finding, ImportFailure, ImportId, ImportState, RowState, Todo, Waiting};
use super::store::{self, Chunk, Counts, Import, ImportRow, NewRow};
use crate::access::api::on_behalf;
use crate::access::rules::{ActingUser, Caller, Scope};
use crate::access::store as access;
use crate::audit::{rules::Event, rules::Outcome, store as audit};
use crate::codes::rules::{Code, valid_on};
use crate::codes::store as codes;
use crate::partners::fields::Field;
use crate::platform::app::App;
use crate::platform::db::{Conn, DbError, TxError, Writer};
use crate::platform::error::{ApiError, ApiResult, Code as ErrorCode, FORBIDDEN, Fault, Place};
use crate::platform::moment::Day;
use crate::platform::nik::Nik;
use crate::platform::region_code::RegionCode;
use crate::regions::rules::TimeZone;
use crate::regions::store as regions;
use crate::volunteers::identity::nik_index;
use crate::volunteers::register::{Entry, NewVolunteer, Override, register};
use crate::volunteers::rules::likeness::{Traits, alike};
use crate::volunteers::rules::{NikWarning, VOLUNTEER_ALIKE, VOLUNTEER_EXISTS, may_decide, nik_warnings};
use crate::volunteers::store::{self as volunteers, Neighbour};
use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::AsyncConnection;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use uuid::Uuid;

/// Tries while the database cannot be reached, and how much longer each waits.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(200);
/// How long a chunk is left that cannot be done right now, as somebody registers in one of its villages.
const BUSY: TimeDelta = TimeDelta::seconds(1);
/// Faults of ours over one chunk until its import is given up. The first is left for some seconds, each further one for twice
/// as long: an hour and a half in all, in which a disk may be cleared and a deployment ended.
const FAULTS: i32 = 10;
const FAULTY: TimeDelta = TimeDelta::seconds(5);

type Remembered = Option<(RegionCode, Arc<Villages>)>;

/// The villages of the region last worked in: a province has thousands.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Remembered>>);

impl Memory {
    async fn villages(&self, conn: &mut Conn, region: &RegionCode) -> ApiResult<Arc<Villages>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, villages)) = known.filter(|(of, _)| of == region) {
            return Ok(villages);
        }
        let villages = Arc::new(Villages::new(regions::named(conn, region).await?));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((region.clone(), villages.clone()));
        Ok(villages)
    }
}

/// What stopped the work on a chunk.
#[derive(Debug)]
struct Stopped {
    chunk: Option<(ImportId, i32)>,
    error: ApiError,
}

impl From<DbError> for Stopped {
    fn from(error: DbError) -> Self {
        Self { chunk: None, error: error.into() }
    }
}
impl From<diesel::result::Error> for Stopped {
    fn from(error: diesel::result::Error) -> Self {
        Self { chunk: None, error: error.into() }
    }
}
impl TxError for Stopped {
    fn retryable(&self) -> bool {
        self.error.retryable()
    }
}

/// Works until there is nothing left to do soon or the service is asked to stop; how many chunks were taken up.
pub async fn work(app: &Arc<App>, writer: &Writer) -> ApiResult<usize> {
    let (memory, mut done, mut tries) = (Memory::default(), 0, 0);
    while !app.is_stopping() {
        let more = match step(app, writer, &memory).await {
            Err(error) if tries < TRIES && error.code().status == 503 => {
                tries += 1;
                tokio::time::sleep(PAUSE * tries).await;
                continue;
            }
            other => other?,
        };
        tries = 0;
        let now = app.clock.now();
        // Also of an import whose last chunk was done by somebody who died before saying so.
        writer.run(async move |c| ApiResult::Ok(store::finish(c, now).await?)).await?;
        if more {
            done += 1;
            continue;
        }
        let due = writer.run(async move |c| ApiResult::Ok(store::next_due(c).await?)).await?;
        // The others wait for the next turn.
        let Some(wait) = due.map(|due| due - app.clock.now()).filter(|wait| *wait <= BUSY) else { break };
        tokio::time::sleep(wait.to_std().unwrap_or(PAUSE)).await;
    }
    Ok(done)
}

/// One chunk; false: there is none. One that cannot be done is put off, so that it does not stand in the way of others.
async fn step(app: &Arc<App>, writer: &Writer, memory: &Memory) -> ApiResult<bool> {
    let (inner, memory) = (app.clone(), memory.clone());
    let done = writer.run(async move |c| {
        let Some(chunk) = store::take_chunk(c, inner.clock.now()).await? else { return Ok(false) };
        let at = Some((chunk.import_id, chunk.position));
        do_chunk(c, &inner, &memory, chunk).await.map_err(|error| Stopped { chunk: at, error })?;
        Ok(true)
    });
    let stopped: Stopped = match done.await {
        Ok(more) => return Ok(more),
        Err(stopped) => stopped,
    };
    let Some((id, position)) = stopped.chunk else { return Err(stopped.error) };
    let (app, error) = (app.clone(), stopped.error);
    let (status, cause) = (error.code().status, error.cause());
    if status != 503 {
        tracing::error!(import = %id, position, %error, cause, "a part of an import cannot be done");
    }
    writer.run(async move |c| set_aside(c, &app, (id, position), status).await).await?;
    Ok(true)
}

/// What becomes of a chunk that could not be done, and of its import.
async fn set_aside(conn: &mut Conn, app: &App, chunk: (ImportId, i32), status: u16) -> ApiResult<()> {
    let now = app.clock.now();
    match status {
        403 => fail(conn, app, chunk.0, ImportFailure::ClientNotAllowed).await,
        503 => Ok(store::put_off(conn, chunk, false, |_| now + BUSY).await.map(drop)?),
        _ => {
            let faults = store::put_off(conn, chunk, true, |faults| again(now, faults)).await?;
            if faults < FAULTS { Ok(()) } else { fail(conn, app, chunk.0, ImportFailure::Internal).await }
        }
    }
}

/// When a chunk is taken up again after so many faults.
fn again(now: DateTime<Utc>, faults: i32) -> DateTime<Utc> {
    now + FAULTY * 2_i32.pow(u32::try_from(faults.clamp(1, FAULTS) - 1).unwrap_or_default())
}

async fn fail(conn: &mut Conn, app: &App, id: ImportId, why: ImportFailure) -> ApiResult<()> {
    let now = app.clock.now();
    let Some(import) = store::fail(conn, id, why, now).await? else { return Ok(()) };
    let event = Event::new("import.fail", import.request_id, app.clock.new_id(), now);
    let event = event.client(import.agency_id.0, import.client_id.0).acting(import.acting_user.as_deref());
    let event = event.subject("import", id).outcome(Outcome::Failed).detail(why.as_str());
    Ok(audit::record(conn, &event).await?)
}

/// In whose name it goes on, with what the database grants now.
async fn caller_of(conn: &mut Conn, app: &App, import: &Import) -> ApiResult<Caller> {
    let state = access::read(conn, import.client_id).await?;
    let user = import.acting_user.clone().map(ActingUser::try_from).transpose();
    let user = user.map_err(|_| ApiError::internal("a stored acting user does not parse"))?;
    let caller = on_behalf(&state, user, import.request_id, app.clock.now());
    let may = |caller: &Caller| {
        caller.agency == import.agency_id
            && [Scope::ImportsWrite, Scope::VolunteersWrite].iter().all(|scope| caller.scopes.has(*scope))
    };
    caller.filter(may).ok_or_else(|| ApiError::from(&FORBIDDEN))
}

async fn do_chunk(conn: &mut Conn, app: &App, memory: &Memory, chunk: Chunk) -> ApiResult<()> {
    let import = store::find_any(conn, chunk.import_id).await?;
    let caller = caller_of(conn, app, &import).await?;
    let region = caller.sight.region().cloned().ok_or_else(|| ApiError::from(&FORBIDDEN))?;
    let villages = memory.villages(conn, &region).await?;
    let now = app.clock.now();
    let columns: Vec<Column> =
        serde_json::from_value(import.layout.clone()).map_err(|_| ApiError::internal("stored columns do not parse"))?;
    let functions = functions(conn, TimeZone::of(&region).day(now)).await?;
    let waiting = open(&app.keys, &chunk)?;
    let context = Context { columns: &columns, villages: &villages, region: &region, functions: &functions, now };
    match chunk.todo {
        Some(Todo::Validate) => {
            store::begin(conn, import.id, now).await?;
            let found = validate(conn, app, &caller, &context, &waiting).await?;
            store::add_rows(conn, &chunk, &found).await?;
            let counts = counted(found.iter().map(|row| row.state));
            store::finish_chunk(conn, &chunk, counts).await?;
        }
        Some(Todo::Apply) => {
            let rows = store::rows_of(conn, &chunk).await?;
            let states = apply(conn, app, &caller, &context, &import, &waiting, rows).await?;
            store::finish_chunk(conn, &chunk, counted(states.into_iter())).await?;
        }
        None => {}
    }
    Ok(())
}

async fn functions(conn: &mut Conn, today: chrono::NaiveDate) -> ApiResult<Vec<Code>> {
    let list = codes::list(&mut &*conn, "psm-functions").await?;
    let valid = list.into_iter().filter(|(_, entry)| valid_on(entry.valid_from, entry.valid_until, today));
    Ok(valid.map(|(_, entry)| entry.code).collect())
}

fn counted(states: impl Iterator<Item = RowState>) -> Counts {
    states.fold(Counts::default(), |mut counts, state| {
        let count = match state {
            RowState::Ready => &mut counts.ready,
            RowState::Faulty => &mut counts.faulty,
            RowState::Duplicate => &mut counts.duplicates,
            RowState::Applied => &mut counts.applied,
        };
        *count += 1;
        counts
    })
}

/// The name of the column that a field has in this file.
fn column_of<'a>(context: &'a Context, field: Field) -> Option<&'a str> {
    use super::rules::header::Meaning;
    let column = context.columns.iter().find(|column| column.meaning == Meaning::Field(field));
    column.map(|column| column.name.as_str())
}

fn finding(context: &Context, field: Field, fault: &Fault) -> Finding {
    Finding::new(column_of(context, field), Some(field.as_str()), fault)
}

/// What the register knows of the people of a chunk.
struct Known {
    /// Volunteers in sight, by the index of their NIK.
    holders: HashMap<Vec<u8>, Vec<Uuid>>,
    /// Districts that exist or existed.
    districts: HashSet<RegionCode>,
    /// Who is posted in their villages.
    neighbours: HashMap<RegionCode, Vec<Neighbour>>,
}

impl Known {
    async fn of(conn: &mut Conn, app: &App, caller: &Caller, people: &[&NewVolunteer]) -> ApiResult<Self> {
        let niks: Vec<&Nik> = people.iter().filter_map(|new| new.nik.as_ref()).collect();
        let indexes: Vec<Vec<u8>> = niks.iter().map(|nik| nik_index(app, nik)).collect();
        let mut holders: HashMap<Vec<u8>, Vec<Uuid>> = HashMap::new();
        for (index, id, village) in volunteers::holders_of(conn, &indexes).await? {
            // Of whom it does not see, the caller learns nothing.
            if caller.sight.shows(id, &village) {
                holders.entry(index).or_default().push(id.0);
            }
        }
        let districts: Vec<RegionCode> = niks.iter().filter_map(|nik| RegionCode::parse(nik.district()).ok()).collect();
        let villages: Vec<RegionCode> = people.iter().map(|new| new.village_code.clone()).collect();
        let mut neighbours: HashMap<RegionCode, Vec<Neighbour>> = HashMap::new();
        for (village, neighbour) in volunteers::neighbours_of(conn, &villages).await? {
            neighbours.entry(village).or_default().push(neighbour);
        }
        Ok(Self { holders, districts: regions::known(conn, &districts).await?.into_iter().collect(), neighbours })
    }

    /// Volunteers of the village who may be the same person.
    fn alike(&self, new: &NewVolunteer) -> Vec<Uuid> {
        let stated = Traits { name: new.name.as_str(), birth_date: new.birth_date.map(Day::date) };
        let same = |other: &&Neighbour| alike(stated, Traits { name: &other.name, birth_date: other.birth_date });
        self.neighbours.get(&new.village_code).into_iter().flatten().filter(same).map(|other| other.id.0).collect()
    }
}

async fn validate(
    conn: &mut Conn,
    app: &App,
    caller: &Caller,
    context: &Context<'_>,
    waiting: &[Waiting],
) -> ApiResult<Vec<NewRow>> {
    let judged: Vec<Judged> = waiting.iter().map(|row| judge(row, context)).collect();
    let people: Vec<&NewVolunteer> = judged.iter().filter_map(|row| row.person.as_ref().map(|(new, _)| new)).collect();
    let known = Known::of(conn, app, caller, &people).await?;
    let found = waiting.iter().zip(judged).map(|(row, judged)| look_up(app, caller, context, &known, row, judged));
    found.collect()
}

/// What the register says of a row beside what it is by itself.
fn look_up(
    app: &App,
    caller: &Caller,
    context: &Context,
    known: &Known,
    row: &Waiting,
    judged: Judged,
) -> ApiResult<NewRow> {
    let Judged { person, mut errors, mut warnings } = judged;
    let (mut candidates, mut doubles) = (vec![], vec![]);
    if let Some((new, _)) = &person {
        if !may_decide(caller, &new.village_code) {
            errors.push(finding(context, Field::VillageCode, &OUTSIDE));
        }
        if let Some(nik) = &new.nik {
            candidates = known.holders.get(&nik_index(app, nik)).cloned().unwrap_or_default();
            doubles.extend((!candidates.is_empty()).then(|| finding(context, Field::Nik, &of_code(&VOLUNTEER_EXISTS))));
            let district = RegionCode::parse(nik.district()).is_ok_and(|code| known.districts.contains(&code));
            let differs = nik_warnings(nik, new.birth_date.map(Day::date), new.sex, district);
            warnings.extend(differs.into_iter().map(|warning| finding(context, Field::Nik, &nik_warning(warning))));
        }
        let alike = known.alike(new);
        doubles.extend((!alike.is_empty()).then(|| finding(context, Field::Name, &of_code(&VOLUNTEER_ALIKE))));
        candidates.extend(alike);
        doubles.extend((!row.alike.is_empty()).then(|| finding(context, Field::Name, &alike_in_file(&row.alike))));
    }
    candidates.sort_unstable();
    candidates.dedup();
    let state = match (errors.is_empty(), doubles.is_empty()) {
        (false, _) => RowState::Faulty,
        (true, false) => RowState::Duplicate,
        (true, true) => RowState::Ready,
    };
    errors.extend(doubles);
    Ok(NewRow { number: row.row.number, state, errors: json(&errors)?, warnings: json(&warnings)?, candidates })
}

fn json(findings: &[Finding]) -> ApiResult<serde_json::Value> {
    serde_json::to_value(findings).map_err(|_| ApiError::internal("findings cannot be written"))
}

fn of_code(code: &'static ErrorCode) -> Fault {
    Fault::with(code.code, code.message.id.to_string(), code.message.en.to_string())
}

fn nik_warning(warning: NikWarning) -> Fault {
    let (id, en) = match warning {
        NikWarning::BirthDateDiffers => ("tanggal lahir dalam NIK berbeda", "the birth date in the NIK is another one"),
        NikWarning::SexDiffers => ("jenis kelamin dalam NIK berbeda", "the sex in the NIK is another one"),
        NikWarning::RegionUnknown => ("kecamatan dalam NIK tidak dikenal", "the district in the NIK is not known"),
    };
    Fault::new(warning.as_str(), id, en)
}

/// Registers the chosen rows that are ready; returns the state of every row of the chunk.
async fn apply(
    conn: &mut Conn,
    app: &App,
    caller: &Caller,
    context: &Context<'_>,
    import: &Import,
    waiting: &[Waiting],
    mut rows: Vec<ImportRow>,
) -> ApiResult<Vec<RowState>> {
    let chosen = |row: &ImportRow| {
        let good = row.state == RowState::Ready || (row.state == RowState::Duplicate && row.override_reason.is_some());
        good && import.selected.as_ref().is_none_or(|rows| rows.contains(&row.number))
    };
    let mut due: Vec<(&mut ImportRow, Judged)> = vec![];
    for row in rows.iter_mut().filter(|row| chosen(row)) {
        let waiting = waiting.iter().find(|waiting| waiting.row.number == row.number);
        let waiting = waiting.ok_or_else(|| ApiError::internal("a row of an import is missing"))?;
        due.push((row, judge(waiting, context)));
    }
    let people = || due.iter().filter_map(|(_, judged)| judged.person.as_ref().map(|(new, _)| new));
    let niks: Vec<Vec<u8>> = people().filter_map(|new| new.nik.as_ref().map(|nik| nik_index(app, nik))).collect();
    let villages: Vec<RegionCode> = people().map(|new| new.village_code.clone()).collect();
    volunteers::hold_many(conn, &niks, &villages).await?;
    for (row, judged) in due {
        apply_row(conn, app, caller, context, row, judged).await?;
        store::save_row(conn, import.id, row).await?;
    }
    Ok(rows.into_iter().map(|row| row.state).collect())
}

async fn apply_row(
    conn: &mut Conn,
    app: &App,
    caller: &Caller,
    context: &Context<'_>,
    row: &mut ImportRow,
    judged: Judged,
) -> ApiResult<()> {
    let Some((mut new, letter)) = judged.person.filter(|(new, _)| may_decide(caller, &new.village_code)) else {
        // The day, the regions or the caller's own are others than when it was looked through.
        (row.state, row.errors) = (RowState::Faulty, json(&judged.errors)?);
        return Ok(());
    };
    new.override_duplicate = row.override_reason.clone().map(|reason| Override { reason });
    let entry = Entry { new, digest: None, letter, shown: &[] };
    // What the database refuses must not take the rows before it along.
    let registered = conn.transaction(async |c| register(c, app, caller, entry).await).await;
    match registered {
        Ok((volunteer, _)) => {
            (row.state, row.volunteer_id) = (RowState::Applied, Some(volunteer.id));
            (row.errors, row.candidates) = (json(&[])?, vec![]);
        }
        Err(error) if error.code().status >= 500 => return Err(error),
        Err(error) => {
            row.candidates = told_candidates(&error);
            row.state = if row.candidates.is_empty() { RowState::Faulty } else { RowState::Duplicate };
            row.errors = json(&told(context, &error))?;
            row.override_reason = None;
        }
    }
    Ok(())
}

/// Whom a refusal names.
fn told_candidates(error: &ApiError) -> Vec<Uuid> {
    let id = |value: &serde_json::Value| value.as_str().and_then(|id| Uuid::parse_str(id).ok());
    let alike = error.told_member("candidates").and_then(|list| list.as_array()).into_iter().flatten();
    let alike = alike.filter_map(|one| one.get("id").and_then(id));
    error.told_member("id").and_then(id).into_iter().chain(alike).collect()
}

/// What a refusal says, column by column.
fn told(context: &Context, error: &ApiError) -> Vec<Finding> {
    let field = |at: &str| Field::parse(at.trim_start_matches('/').split('/').next().unwrap_or_default());
    let one = |(place, fault): &(Place, Fault)| {
        let field = if let Place::Pointer(at) = place { field(at) } else { None };
        Finding::new(field.and_then(|field| column_of(context, field)), field.map(Field::as_str), fault)
    };
    let list: Vec<Finding> = error.faults().iter().map(one).collect();
    let about = match error.code() {
        code if *code == VOLUNTEER_EXISTS => Field::Nik,
        _ => Field::Name,
    };
    if list.is_empty() { vec![finding(context, about, &of_code(error.code()))] } else { list }
}

/// Gives up imports that nobody came back to, and forgets what became of the rows of those that are long over.
pub async fn sweep(conn: &mut Conn, app: &App) -> ApiResult<usize> {
    let now = app.clock.now();
    let mut old = store::forgotten(conn, now).await?;
    for import in &mut old {
        store::empty_chunks(conn, import.id).await?;
        match import.state {
            ImportState::Uploaded | ImportState::Validating | ImportState::Validated => {
                import.state = ImportState::Discarded;
            }
            // Something of it may be registered.
            ImportState::Applying | ImportState::Applied => {
                (import.state, import.expired_at) = (ImportState::Applied, Some(now));
            }
            ImportState::Failed => import.expired_at = Some(now),
            ImportState::Discarded => {}
        }
        import.ended_at = import.ended_at.or(Some(now));
        store::save(conn, import, now).await?;
    }
    Ok(old.len() + store::sweep_rows(conn, now).await?)
}

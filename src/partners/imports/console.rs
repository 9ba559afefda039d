//! `simpul import FILE`: what the routes do, on the host and in the name of a client, with a bar to watch. Stopped halfway, the
//! same command goes on where it was.
use super::api::act::begin;
use super::api::read::lines;
use super::api::upload::{LIMIT, check_authority};
use super::intake::{create, note, prepare};
use super::rules::sheet::{Deadline, Kind};
use super::rules::{ApplyMode, FILE_IMPORTED_ALREADY, ImportId, ImportState, RowState};
use super::store::{self, Counts, Import};
use super::work::work;
use crate::access::api::on_behalf;
use crate::access::rules::{ActingUser, Caller, ClientId, ClientKind, Scope, SharedCaller};
use crate::access::store as access;
use crate::platform::app::App;
use crate::platform::db::Writer;
use crate::platform::error::{ApiError, ApiResult, Language};
use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

const LOOK: Duration = Duration::from_millis(200);
/// Looks at an import that others are at work on before this process takes part again.
const LOOKS: u32 = 25;
/// Nobody else waits for the file that is read.
const LONGEST: Duration = Duration::from_mins(10);
/// Rows of the file of errors that are read at a time.
const AT_ONCE: i64 = 1000;

/// `simpul import …`
#[derive(Debug, clap::Args)]
pub struct ImportCommand {
    /// CSV, XLSX or NDJSON, told by its ending or else by its first bytes
    file: PathBuf,
    /// Id of the client in whose name the rows are registered: one of the social office whose register it is
    #[arg(long, value_name = "CLIENT")]
    client: Uuid,
    /// The officer who wants it; required of a client of kind officer
    #[arg(long, value_name = "USER")]
    acting_user: Option<String>,
    /// Register the rows after looking through them: all, if every one is good, or the good-rows
    #[arg(long, value_name = "MODE", value_parser = mode)]
    apply: Option<ApplyMode>,
    /// Write what is wrong with which row to this file, as CSV
    #[arg(long, value_name = "FILE")]
    errors: Option<PathBuf>,
    /// Letters of a column that is not read, whatever it holds; may be repeated
    #[arg(long = "ignore", value_name = "COLUMN")]
    ignored: Vec<String>,
}

fn mode(raw: &str) -> Result<ApplyMode, String> {
    ApplyMode::parse(&raw.replace('-', "_")).ok_or_else(|| "all or good-rows".to_owned())
}

struct Console {
    app: Arc<App>,
    writer: Writer,
    caller: SharedCaller,
}

/// Does what the command asks; returns what it prints. What did not come to what was asked is an error with the same words.
pub async fn run(app: Arc<App>, writer: Writer, command: ImportCommand) -> anyhow::Result<String> {
    let bytes = std::fs::read(&command.file).with_context(|| command.file.display().to_string())?;
    anyhow::ensure!(bytes.len() <= LIMIT, "{} is larger than 32 MB: make several files of it", command.file.display());
    let caller = Arc::new(caller(&app, &writer, &command).await?);
    let console = Console { app, writer, caller };
    let id = console.take_in(bytes, kind_of(&command.file), &command.ignored).await?;
    console.watch(id, "looking through").await?;
    if let Some(mode) = command.apply {
        console.apply(id, mode).await?;
        console.watch(id, "registering").await?;
    }
    if let Some(path) = &command.errors {
        console.write_errors(id, path).await?;
    }
    let (import, counts) = console.read(id).await?;
    console.writer.drain().await;
    let Counts { ready, faulty, duplicates, applied, .. } = counts;
    let rows = import.row_count;
    let why = import.failure.map(|why| format!(" ({why})")).unwrap_or_default();
    let told = format!(
        "import {id}: {}{why}\n{rows} rows: {applied} applied, {ready} ready, {faulty} faulty, {duplicates} duplicates",
        import.state
    );
    let stopped = matches!(import.state, ImportState::Failed | ImportState::Discarded);
    anyhow::ensure!(!stopped && (ready == 0 || command.apply.is_none()), told);
    Ok(told)
}

fn kind_of(path: &Path) -> Kind {
    match path.extension().and_then(|ending| ending.to_str()).map(str::to_lowercase).as_deref() {
        Some("csv" | "txt") => Kind::Csv,
        Some("xlsx") => Kind::Xlsx,
        Some("ndjson" | "jsonl") => Kind::Ndjson,
        _ => Kind::Any,
    }
}

/// The client, by the rules that hold over HTTP.
async fn caller(app: &Arc<App>, writer: &Writer, command: &ImportCommand) -> anyhow::Result<Caller> {
    let user = command.acting_user.clone().map(ActingUser::try_from).transpose();
    let user = user.map_err(|fault| anyhow::anyhow!("--acting-user {}", fault.message.en))?;
    let client = ClientId(command.client);
    let state = writer.run(async move |c| ApiResult::Ok(access::read(c, client).await?)).await;
    let state = state.map_err(told).with_context(|| format!("--client {client}"))?;
    let caller = on_behalf(&state, user, app.clock.new_id(), app.clock.now());
    let caller = caller.context("the client is disabled or has expired, or its agency is suspended")?;
    for scope in [Scope::ImportsWrite, Scope::VolunteersWrite] {
        anyhow::ensure!(caller.scopes.has(scope), "the client does not hold {scope}");
    }
    let unnamed = caller.client_kind == ClientKind::Officer && caller.acting_user.is_none();
    anyhow::ensure!(!unnamed, "--acting-user is required: the client is an officer's");
    check_authority(&caller).map_err(told)?;
    Ok(caller)
}

fn told(error: ApiError) -> anyhow::Error {
    anyhow::anyhow!(error.told())
}

impl Console {
    /// Stores the file, or finds the import that it is already.
    async fn take_in(&self, bytes: Vec<u8>, kind: Kind, ignored: &[String]) -> anyhow::Result<ImportId> {
        let (app, caller, id) = (self.app.clone(), self.caller.clone(), ImportId(self.app.clock.new_id()));
        let (keys, agency, ignored) = (app.keys.clone(), caller.agency, ignored.to_vec());
        let reading = tokio::task::spawn_blocking(move || {
            prepare(&keys, id, agency, &bytes, (kind, &ignored, Deadline::after(LONGEST)))
        });
        let read = reading.await?.map_err(told)?;
        let stored = self.writer.run(async move |c| {
            let import = create(c, &app, &caller, read).await?;
            note(c, &app, &caller, "import.create_on_host", import.id).await
        });
        match stored.await {
            Ok(()) => Ok(id),
            Err(error) if *error.code() == FILE_IMPORTED_ALREADY => {
                let first = error.told_member("id").and_then(|id| Uuid::parse_str(id.as_str()?).ok());
                Ok(ImportId(first.context("the import of this file is not named")?))
            }
            Err(error) => Err(told(error)),
        }
    }

    async fn read(&self, id: ImportId) -> anyhow::Result<(Import, Counts)> {
        let caller = self.caller.clone();
        let read = self.writer.run(async move |c| {
            let import = store::find(&mut &*c, &caller, id).await?;
            let counts = store::counts(&mut &*c, &[id]).await?;
            ApiResult::Ok((import, counts.into_iter().next().map(|(_, counts)| counts).unwrap_or_default()))
        });
        read.await.map_err(told)
    }

    /// Works until the import has come to rest, whoever else works on it.
    async fn watch(&self, id: ImportId, what: &str) -> anyhow::Result<()> {
        let style = ProgressStyle::with_template("{msg} {bar:40} {human_pos}/{human_len} {elapsed}")?;
        let bar = ProgressBar::new(0).with_style(style).with_message(what.to_owned());
        let go = || {
            let (app, writer) = (self.app.clone(), self.writer.clone());
            tokio::spawn(async move { work(&app, &writer).await })
        };
        let (mut working, mut rest) = (go(), None);
        loop {
            let (import, counts) = self.read(id).await?;
            let (open, all) = counts.open;
            let share = if all == 0 { 0 } else { i64::from(import.row_count) * (all - open) / all };
            bar.set_length(u64::try_from(import.row_count)?);
            bar.set_position(u64::try_from(share)?);
            if !matches!(import.state, ImportState::Uploaded | ImportState::Validating | ImportState::Applying) {
                break;
            }
            // Done, and yet not at rest: another process is at work on the rest of it, or has died over it, or it was put off.
            if let Some(looks) = rest {
                tokio::time::sleep(LOOK).await;
                rest = Some(looks + 1).filter(|looks| *looks < LOOKS);
                if rest.is_none() {
                    working = go();
                }
                continue;
            }
            tokio::select! {
                ended = &mut working => { ended?.map_err(told)?; rest = Some(0); }
                () = tokio::time::sleep(LOOK) => {}
            }
        }
        bar.finish_and_clear();
        Ok(())
    }

    /// Begins to register; nothing if that was done.
    async fn apply(&self, id: ImportId, mode: ApplyMode) -> anyhow::Result<()> {
        let (import, counts) = self.read(id).await?;
        if !import.may_be_applied() || (import.state == ImportState::Applied && counts.ready == 0) {
            return Ok(());
        }
        let (app, caller) = (self.app.clone(), self.caller.clone());
        let begun = self.writer.run(async move |c| {
            let mut import = store::lock(c, &caller, id).await?;
            begin(c, &app, &caller, &mut import, mode, None).await
        });
        begun.await.map_err(told).with_context(|| {
            format!("{} ready, {} faulty, {} duplicates", counts.ready, counts.faulty, counts.duplicates)
        })
    }

    async fn write_errors(&self, id: ImportId, path: &Path) -> anyhow::Result<()> {
        let mut file = std::fs::File::create(path).with_context(|| path.display().to_string())?;
        file.write_all("\u{feff}Baris;Kolom;Kode;Keterangan\r\n".as_bytes())?;
        let mut after = 0;
        loop {
            let caller = self.caller.clone();
            let wrong = [RowState::Faulty, RowState::Duplicate];
            let page = self.writer.run(async move |c| {
                ApiResult::Ok(store::list_rows(&mut &*c, &caller, id, &wrong, Some(after), AT_ONCE).await?)
            });
            let page = page.await.map_err(told)?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.number;
            for row in page {
                file.write_all(lines(row, Language::Indonesian).map_err(told)?.as_bytes())?;
            }
        }
    }
}

//! The command line: each subcommand reads its configuration and calls the library.
use anyhow::Context;
use chrono::{SecondsFormat, TimeDelta};
use clap::{Parser, Subcommand};
use secrecy::ExposeSecret;
use simpul::access::keys;
use simpul::access::tokens::Signer;
use simpul::agencies::holidays;
use simpul::demo;
use simpul::operator::{AgencyCommand, Operator};
use simpul::partners::imports::console::{self, ImportCommand};
use simpul::platform::clock::Clock;
use simpul::platform::config::{self, Config, Environment};
use simpul::platform::crypto::Keys;
use simpul::platform::db::{Target, Writer, migrate};
use simpul::platform::objects::Objects;
use simpul::platform::telemetry;
use simpul::{reencrypt, regions, server, worker};
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};

#[derive(Parser)]
#[command(version, about = "Referrals between village volunteers and the bodies that can help")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Answer requests; configured by the environment or .env (see .env.example)
    Serve {
        /// Run the jobs of `simpul worker` too, where there is one node only
        #[arg(long)]
        with_worker: bool,
    },
    /// Run what runs by the clock
    Worker,
    /// Bring the schema up to date, as the owner named by the environment
    Migrate,
    /// The official table of regions
    Regions {
        #[command(subcommand)]
        action: RegionsAction,
    },
    /// Days on which nobody works
    Holidays {
        #[command(subcommand)]
        action: HolidaysAction,
    },
    /// Agencies and their clients, by an operator on the host: the first one, before anybody has a token
    Agency {
        #[command(subcommand)]
        action: AgencyCommand,
    },
    /// Take in a file of volunteers, on the host and in the name of a client
    Import {
        #[command(flatten)]
        command: ImportCommand,
    },
    /// Key files
    Keys {
        #[command(subcommand)]
        action: KeysAction,
    },
    /// Print the OpenAPI document
    Openapi {
        /// Where clients reach the service
        #[arg(long, default_value = "https://simpul.example")]
        public_url: String,
    },
    /// Everything at once on this machine, with a private PostgreSQL and invented data
    Demo {
        /// Where to answer
        #[arg(long, default_value = "127.0.0.1:8080")]
        listen: SocketAddr,
        /// Where database, keys and credentials are kept
        #[arg(long, default_value = ".data")]
        data_dir: PathBuf,
        /// A setting of its PostgreSQL, name=value; may be repeated. For measuring
        #[arg(long, hide = true)]
        postgres: Vec<String>,
    },
}

#[derive(Subcommand)]
enum RegionsAction {
    /// Insert or update all regions in the database
    Load {
        /// Columns code, name, postal code, last listed, as gzipped CSV; the table that comes with the service if absent
        file: Option<PathBuf>,
        /// What became of regions that are no longer: columns `old_code`, `new_code`, as CSV
        #[arg(long, value_name = "FILE")]
        successors: Option<PathBuf>,
        /// Regions that the table does not list any more are no longer: year of the last list that had them
        #[arg(long, value_name = "YEAR", value_parser = clap::value_parser!(i16).range(1945..=2200))]
        retire: Option<i16>,
    },
}

#[derive(Subcommand)]
enum HolidaysAction {
    /// Put the days of a file in the place of all that the database has of their years
    Load {
        /// Columns day, region (`region_code`; empty: the whole country), name, kind (holiday, `joint_leave`), as CSV; the sample of 2026 that
        /// comes with the service if absent
        file: Option<PathBuf>,
    },
}

#[derive(Subcommand)]
enum KeysAction {
    /// Make what is missing in the two key directories
    Create,
    /// Make the next key that encrypts stored data; --after 0 also encrypts everything anew by it
    Rotate {
        /// Minutes until it encrypts: time to copy it to every node
        #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u16).range(0..=10080))]
        after: u16,
        /// As of re-encrypt
        #[arg(long, hide = true)]
        settled: Option<u16>,
    },
    /// Encrypt everything anew by the key that encrypts now, while the service runs; takes two minutes at least after that key
    /// was taken up, until what was under way then is found too
    ReEncrypt {
        /// Seconds in which whatever the former key encrypted is committed, instead of two minutes. For tests
        #[arg(long, hide = true)]
        settled: Option<u16>,
    },
    /// Make the next key that signs tokens, and remove those whose last token has ended
    RotateSigning {
        /// Minutes until it signs: time to copy it to every node, and for others to read it at /.well-known/jwks.json
        #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u16).range(0..=10080))]
        after: u16,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let mut env = Environment::of_process()?;
    match cli.command {
        Command::Serve { with_worker } => serve(Config::read(env)?, with_worker).await,
        Command::Worker => work(&Config::read(env)?).await,
        Command::Migrate => {
            let (url, ca) = config::owner_database(env)?;
            let applied = migrate::run(&Target::new(url.expose_secret(), ca.as_deref())?).await?;
            say(&if applied.is_empty() {
                "the schema is up to date".to_owned()
            } else {
                format!("applied {}", applied.join(", "))
            })
        }
        Command::Regions { action: RegionsAction::Load { file, successors, retire } } => {
            load_regions(env, file, successors, retire).await
        }
        Command::Holidays { action: HolidaysAction::Load { file } } => load_holidays(env, file).await,
        Command::Agency { action } => {
            let (url, ca) = config::service_database(&mut env)?;
            let operator = Operator::new(&Target::new(url.expose_secret(), ca.as_deref())?).await?;
            let signer = move || {
                let (keys, issuer) = config::token_signing(env)?;
                Signer::load(&keys, &issuer, false)
            };
            say(&operator.run(action, signer).await?)
        }
        Command::Import { command } => {
            let (app, writer) = server::worker_parts(&Config::read(env)?).await?;
            say(&console::run(app, writer, command).await?)
        }
        Command::Keys { action } => keys_command(env, action).await,
        Command::Openapi { public_url } => say(&simpul::document_text(&public_url)?),
        Command::Demo { listen, data_dir, postgres } => {
            telemetry::start_log(telemetry::LogFormat::Text, env.get("LOG_LEVEL").unwrap_or("warn"))?;
            let options = demo::Options {
                listen,
                data_dir,
                postgres,
                server: env.get("SIMPUL_PG_BIN").map(PathBuf::from),
                path: env.get("PATH").map(Into::into),
            };
            let mut demo = demo::start(options).await?;
            let asked_to_stop = stop_signal()?;
            say(&demo.greeting())?;
            tokio::select! { () = asked_to_stop => {}, () = demo.database_ended() => {} }
            demo.stop().await
        }
    }
}

async fn keys_command(env: Environment, action: KeysAction) -> anyhow::Result<()> {
    match action {
        KeysAction::Create => {
            let (signing, data) = config::key_directories(env)?;
            let mut made = Keys::create(&data, false)?;
            made.extend(keys::create(&signing, Clock::default().now(), false)?);
            say(&if made.is_empty() { "nothing is missing".to_owned() } else { format!("made {}", made.join(", ")) })
        }
        KeysAction::RotateSigning { after } => rotate_signing(env, after),
        KeysAction::Rotate { after, settled } => {
            let (_, data) = config::key_directories(env)?;
            let now = Clock::default().now();
            let from = now + TimeDelta::minutes(after.into());
            let made = Keys::add_data_key(&data, from, now)?;
            let from = from.to_rfc3339_opts(SecondsFormat::Secs, true);
            say(&format!("made {made}, encrypts from {from}"))?;
            if after == 0 {
                return re_encrypt(Environment::of_process()?, settled).await;
            }
            say("copy it to every node before, and run `simpul keys re-encrypt` after")
        }
        KeysAction::ReEncrypt { settled } => re_encrypt(env, settled).await,
    }
}

async fn load_holidays(mut env: Environment, file: Option<PathBuf>) -> anyhow::Result<()> {
    let (url, ca) = config::service_database(&mut env)?;
    let target = Target::new(url.expose_secret(), ca.as_deref())?;
    let days = match file {
        None => holidays::shipped()?,
        Some(path) => holidays::read(std::fs::File::open(&path).with_context(|| path.display().to_string())?)?,
    };
    let years = holidays::load(&target, &days).await?;
    let years: Vec<String> = years.iter().map(ToString::to_string).collect();
    say(&format!("{} days of {}", days.len(), years.join(", ")))
}

async fn load_regions(
    mut env: Environment,
    file: Option<PathBuf>,
    successors: Option<PathBuf>,
    retire: Option<i16>,
) -> anyhow::Result<()> {
    let (url, ca) = config::service_database(&mut env)?;
    let target = Target::new(url.expose_secret(), ca.as_deref())?;
    let rows = match file {
        None => regions::rules::shipped()?,
        Some(path) => regions::rules::read(std::fs::File::open(&path).with_context(|| path.display().to_string())?)?,
    };
    let open = |path: &PathBuf| std::fs::File::open(path).with_context(|| path.display().to_string());
    let pairs = successors.as_ref().map(|path| regions::rules::read_successors(open(path)?)).transpose()?;
    let retired = regions::retire_missing(&target, &rows, retire).await?;
    let loaded = regions::load(&target, &rows).await?;
    say(&format!("{loaded} regions"))?;
    if retired > 0 {
        say(&format!("{retired} are no longer"))?;
    }
    if let Some(pairs) = pairs {
        say(&format!("{} successors", regions::load_successors(&target, &pairs).await?))?;
    }
    Ok(())
}

fn rotate_signing(env: Environment, after: u16) -> anyhow::Result<()> {
    let (signing, _) = config::key_directories(env)?;
    let turn = keys::rotate(&signing, Clock::default().now(), TimeDelta::minutes(after.into()))?;
    let from = turn.from.to_rfc3339_opts(SecondsFormat::Secs, true);
    say(&format!("made {}, signs from {from}: copy it to every node before", turn.made))?;
    let removed = turn.removed.join(", ");
    say(&if removed.is_empty() {
        "removed nothing".to_owned()
    } else {
        format!("removed {removed}: their last token has ended; remove them from every node")
    })
}

async fn re_encrypt(mut env: Environment, settled: Option<u16>) -> anyhow::Result<()> {
    let (url, ca) = config::service_database(&mut env)?;
    let target = Target::new(url.expose_secret(), ca.as_deref())?;
    migrate::check(&target, false).await?;
    let objects = config::objects(&mut env)?;
    let (_, data) = config::key_directories(env)?;
    let (writer, keys) = (Writer::patient(&target, 1)?, Arc::new(Keys::load(&data, false)?));
    let objects = Objects::open(&objects, keys.clone())?;
    let settled = settled.map_or(reencrypt::SETTLED, |seconds| TimeDelta::seconds(seconds.into()));
    let done = reencrypt::run(&writer, &keys, &objects, &Clock::default(), settled).await?;
    writer.drain().await;
    say(&format!(
        "encrypted anew: {} volunteers, {} people of cases, {} referrals, {} documents. Nothing needs an older key now: keep older keys as long as backups of before",
        done.volunteers, done.cases, done.referrals, done.documents
    ))
}

async fn serve(config: Config, with_worker: bool) -> anyhow::Result<()> {
    telemetry::start_log(config.log_format, &config.log_level)?;
    let metrics = telemetry::start_metrics()?;
    let listener = TcpListener::bind(config.listen).with_context(|| format!("cannot listen on {}", config.listen))?;
    let running = server::start(&config, listener, Clock::default(), Some(metrics)).await?;
    let asked_to_stop = stop_signal()?;
    say(&format!("ready http://{}", running.address))?;
    let jobs = with_worker.then(|| tokio::spawn(worker::run(running.app.clone(), running.writer.clone())));
    asked_to_stop.await;
    running.stop().await;
    if let Some(jobs) = jobs {
        jobs.abort();
    }
    Ok(())
}

async fn work(config: &Config) -> anyhow::Result<()> {
    telemetry::start_log(config.log_format, &config.log_level)?;
    let (app, writer) = server::worker_parts(config).await?;
    tokio::select! { () = worker::run(app, writer.clone()) => {}, () = stop_signal()? => {} }
    writer.drain().await;
    Ok(())
}

/// SIGTERM or Ctrl-C, listened for from this call on, before anyone is told that the service is ready. A second one
/// changes nothing: the first is being obeyed.
fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
    })
}

fn say(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    Ok(out.flush()?)
}

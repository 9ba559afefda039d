//! `simpul demo`: the whole service on one machine, with a private PostgreSQL and invented data.
//!
//! What it makes is marked as a demo, keys and database alike, and `simpul serve` refuses both.
pub mod cases;
pub mod cluster;
mod seed;
mod training;
mod volunteers;

pub use seed::{Credential, seed};

use crate::access;
use crate::agencies::holidays;
use crate::platform::clock::Clock;
use crate::platform::config::{CHANGES_KEPT, Config, ObjectPlace, Rates, Settings};
use crate::platform::crypto::Keys;
use crate::platform::db::{Target, migrate};
use crate::platform::limits::Rate;
use crate::platform::telemetry::LogFormat;
use crate::{regions, server, worker};
use cluster::Cluster;
use std::ffi::OsString;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

const DATABASE: &str = "simpul";

/// How to start a demo.
pub struct Options {
    /// Where to answer.
    pub listen: SocketAddr,
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// Settings of its PostgreSQL, each as `name=value`.
    pub postgres: Vec<String>,
    /// Directory of the PostgreSQL programs, if not the newest that is found.
    pub server: Option<PathBuf>,
    /// `PATH`, to find them.
    pub path: Option<OsString>,
}

/// A demo that answers.
pub struct Demo {
    running: server::Running,
    jobs: tokio::task::JoinHandle<()>,
    cluster: Cluster,
    credentials: PathBuf,
    example: Credential,
}

/// Starts PostgreSQL, brings schema and data up to date, and serves.
pub async fn start(options: Options) -> anyhow::Result<Demo> {
    // Before anything is made: a taken port is the commonest mistake.
    let listener = TcpListener::bind(options.listen)
        .map_err(|e| anyhow::anyhow!("cannot listen on {}: {e}; choose another with --listen", options.listen))?;
    let address = listener.local_addr()?;
    let programs = cluster::find_server(options.server.as_deref(), options.path.as_deref())?;
    let settings = options.postgres;
    let how = cluster::Options { server: programs, durable: true, settings, ..cluster::Options::default() };
    let cluster = tokio::task::block_in_place(|| Cluster::start(&options.data_dir.join("pg"), &how))?;
    cluster::prepare(&cluster.url(cluster::SUPERUSER, "postgres"), DATABASE).await?;
    let owner = Target::new(&cluster.url("simpul_owner", DATABASE), None)?;
    migrate::run(&owner).await?;
    migrate::mark_demo(&owner).await?;

    let keys = options.data_dir.join("keys");
    Keys::create(&keys, true)?;
    access::keys::create(&keys, Clock::default().now(), true)?;
    let documents = options.data_dir.join("documents");
    std::fs::create_dir_all(&documents)?;
    let config = Config {
        settings: Settings {
            public_url: format!("http://{address}"),
            issuer: format!("http://{address}"),
            demo: true,
            trusted_proxies: vec![],
            // Trying things out, and measuring, should not meet a limit.
            rates: Rates::all(Rate::a_minute(1_000_000)),
            temp_dir: std::env::temp_dir(),
            objects: ObjectPlace::Directory(documents),
            changes_kept: CHANGES_KEPT,
            certificate_months: [None; 3],
        },
        database_url: cluster.url("simpul_service", DATABASE).into(),
        database_ca_file: None,
        database_pool: 8,
        listen: address,
        admin_listen: None,
        workers: 2,
        stop_delay: Duration::ZERO,
        signing_keys_dir: keys.clone(),
        data_keys_dir: keys,
        log_format: LogFormat::Text,
        log_level: "warn".to_owned(),
    };
    let clock = Clock::default();
    let service = config.database()?;
    let table = regions::rules::shipped()?;
    if regions::loaded(&service).await? < table.len() {
        regions::load(&service, &table).await?;
        holidays::load(&service, &holidays::shipped()?).await?;
    }
    let credentials = options.data_dir.join("demo").join("credentials.json");
    let data_keys = Arc::new(Keys::load(&config.data_keys_dir, true)?);
    let example = seed::seed(&service, &clock, &data_keys, &credentials).await?;
    let (maker, writer) = server::worker_parts(&config).await?;
    cases::seed(&maker, &writer).await?;
    writer.drain().await;
    let running = server::start(&config, listener, clock, None).await?;
    let jobs = tokio::spawn(worker::run(running.app.clone(), running.writer.clone()));
    Ok(Demo { running, jobs, cluster, credentials, example })
}

impl Demo {
    /// Links, a command that works as pasted, and the line that tells a script that the demo answers.
    pub fn greeting(&self) -> String {
        let base = &self.running.app.settings.public_url;
        let (id, secret) = (&self.example.client_id, &self.example.client_secret);
        format!(
            "Simpul demo: real regions, invented people\n\
             \x20 docs         {base}/docs (to read and try)\n\
             \x20 document     {base}/openapi.json\n\
             \x20 health       {base}/readyz\n\
             \x20 credentials  {file}\n\
             \x20 tour         README.md, a referral in five minutes\n\
             Who am I? Paste this into another terminal, as an officer of {agency}:\n\
             \x20 curl -sS -H \"Authorization: Bearer $(curl -sS -u '{id}:{secret}' -d grant_type=client_credentials {base}/oauth/token | sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/')\" {base}/v1/me\n\
             Ctrl-C stops it.\n\
             ready {base}",
            agency = self.example.agency,
            file = self.credentials.display(),
        )
    }

    /// Returns when PostgreSQL has ended by itself: nothing can be answered any more.
    pub async fn database_ended(&mut self) {
        while !self.cluster.exited() {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        tracing::error!(log = %self.cluster.log().display(), "PostgreSQL ended by itself");
    }

    /// Stops the service, then PostgreSQL.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        let lost = self.cluster.exited();
        self.jobs.abort();
        self.running.stop().await;
        self.cluster.stop()?;
        anyhow::ensure!(!lost, "PostgreSQL ended by itself; see {}", self.cluster.log().display());
        Ok(())
    }
}

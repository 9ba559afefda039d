//! The test app: one server and one database per test, clients per role, every answer held against the document.
mod client;
mod document;
pub mod feed;
pub mod forge;
mod history;
pub mod office;
pub mod pdf;
pub mod register;

pub use client::{Client, Reply, Request};
pub use document::{document, operations, resolve, validator_of};

use chrono::TimeDelta;
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use simpul::access::rules::{AgencyKind, ClientKind};
use simpul::demo::Credential;
use simpul::demo::cluster::{self, TestCluster, test_cluster};
use simpul::platform::clock::Clock;
use simpul::platform::config::{CHANGES_KEPT, Config, ObjectPlace, Rates, Settings};
use simpul::platform::crypto::Keys;
use simpul::platform::db::{Target, migrate};
use simpul::platform::limits::Rate;
use simpul::platform::telemetry::LogFormat;
use simpul::server::{self, Running};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Rounds of a race: few by default, all of them with `DRILL=full`.
pub fn rounds(full: u32) -> u32 {
    let all = std::env::var("DRILL").is_ok_and(|value| value == "full");
    if all { full } else { full.div_ceil(20).max(3) }
}

/// A name like nobody else's: two of one name in one village would be taken for one person.
pub fn a_name() -> String {
    format!("Budi {}", uuid::Uuid::now_v7().simple())
}

/// Runs a test against an app of its own.
pub fn run(test: impl AsyncFnOnce(&TestApp)) {
    run_with(|_| (), test);
}

/// Runs a test against an app of its own that is configured otherwise.
pub fn run_with(configure: impl FnOnce(&mut Config), test: impl AsyncFnOnce(&TestApp)) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let app = TestApp::start(configure).await;
        test(&app).await;
        if !AtomicBool::load(&app.tampered, Ordering::Relaxed) {
            app.check_histories().await;
        }
        app.stop().await;
    });
}

/// Asks until it holds. What is promised within a second may be late in coming on a slow machine, but no request that is sent
/// later may be answered as before.
pub async fn within_a_second(holds: impl AsyncFn() -> bool) {
    let begun = Instant::now();
    loop {
        let sent = begun.elapsed();
        if holds().await {
            return;
        }
        assert!(sent < Duration::from_secs(1), "answered as before to a request sent {sent:?} later");
    }
}

/// A statement that the service ran, with the number of its calls.
#[derive(Debug, diesel::QueryableByName)]
pub struct Statement {
    #[diesel(sql_type = diesel::sql_types::Text)]
    pub query: String,
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    pub calls: i64,
}

/// A running service with a database of its own, cloned from a template that holds the demo's agencies and some regions.
pub struct TestApp {
    /// `http://127.0.0.1:…`.
    pub base: String,
    /// Moves the service's time.
    pub clock: Clock,
    pub(crate) http: reqwest::Client,
    running: Running,
    cluster: TestCluster,
    database: String,
    credentials: Vec<Credential>,
    /// Transactions of this test come after this one.
    born: i64,
    /// Rows were changed without the service.
    tampered: AtomicBool,
}

pub fn scratch() -> PathBuf {
    // Beside the test binaries, which cargo never shares between two target directories.
    std::env::current_exe().unwrap().parent().unwrap().join("test-pg")
}

/// The cluster of this run, with the template made.
pub async fn cluster() -> TestCluster {
    let path = std::env::var_os("PATH");
    let server =
        cluster::find_server(std::env::var_os("SIMPUL_PG_BIN").map(PathBuf::from).as_deref(), path.as_deref()).unwrap();
    // For counting the statements of a request; as many as all tests run, for the least used are dropped.
    let settings = ["shared_preload_libraries=pg_stat_statements", "pg_stat_statements.max=100000"];
    let settings = settings.map(str::to_owned).to_vec();
    let options = cluster::Options { server, durable: false, settings, ..cluster::Options::default() };
    let runner = rustix::process::getppid().unwrap();
    let cluster =
        tokio::task::spawn_blocking(move || test_cluster(&scratch(), runner, &options)).await.unwrap().unwrap();
    let made = cluster.once("template", async || make_template(&cluster).await).await;
    made.unwrap();
    cluster
}

fn shared_dir() -> PathBuf {
    scratch().join(format!("{}-shared", rustix::process::getppid().unwrap().as_raw_nonzero()))
}

/// The directory of the keys of all tests, which the first of them makes.
pub fn shared_keys() -> PathBuf {
    tokio::runtime::Runtime::new().unwrap().block_on(cluster());
    shared_dir().join("keys")
}

/// The key that signs the access tokens of every test app, as PEM.
pub fn signing_key_pem() -> String {
    let files = std::fs::read_dir(shared_dir().join("keys")).unwrap().map(|entry| entry.unwrap().path());
    let mut keys = files.filter(|path| path.extension().is_some_and(|extension| extension == "pem"));
    std::fs::read_to_string(keys.next().unwrap()).unwrap()
}

async fn make_template(cluster: &TestCluster) -> anyhow::Result<()> {
    let superuser = cluster.url(cluster::SUPERUSER, "postgres");
    execute(&superuser, "DROP DATABASE IF EXISTS template WITH (FORCE)").await;
    cluster::prepare(&superuser, "template").await?;
    execute(&cluster.url(cluster::SUPERUSER, "template"), "CREATE EXTENSION pg_stat_statements").await;
    migrate::run(&Target::new(&cluster.url("simpul_owner", "template"), None)?).await?;
    let service = Target::new(&cluster.url("simpul_service", "template"), None)?;
    // Two provinces whole, every province and regency, and some retired codes.
    let table: Vec<_> = simpul::regions::rules::shipped()?
        .into_iter()
        .filter(|r| {
            r.code.as_str().len() <= 5
                || r.code.as_str().starts_with("17.")
                || r.code.as_str().starts_with("15.01")
                || r.code.as_str().starts_with("91.01")
        })
        .collect();
    simpul::regions::load(&service, &table).await?;
    let shared = shared_dir();
    std::fs::remove_dir_all(&shared).ok();
    std::fs::create_dir_all(shared.join("documents"))?;
    Keys::create(&shared.join("keys"), false)?;
    simpul::access::keys::create(&shared.join("keys"), Clock::default().now(), false)?;
    let keys = std::sync::Arc::new(Keys::load(&shared.join("keys"), false)?);
    simpul::demo::seed(&service, &Clock::default(), &keys, &shared.join("credentials.json")).await?;
    Ok(())
}

/// Runs SQL text as the role of `url`.
pub async fn execute(url: &str, sql: &str) {
    let (mut conn, _driver) = Target::new(url, None).unwrap().connect().await.unwrap();
    conn.batch_execute(sql).await.unwrap();
}

impl TestApp {
    async fn start(configure: impl FnOnce(&mut Config)) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let cluster = cluster().await;
        let database = format!("t{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        // One clone at a time: PostgreSQL refuses a second one of the same template meanwhile.
        static CLONING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
        {
            let _alone = CLONING.lock().await;
            let make = format!("CREATE DATABASE {database} TEMPLATE template OWNER simpul_owner STRATEGY file_copy");
            execute(&cluster.url(cluster::SUPERUSER, "postgres"), &make).await;
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let mut config = config(&base, &cluster.url("simpul_service", &database));
        configure(&mut config);
        let clock = Clock::default();
        let running = server::start(&config, listener, clock.clone(), None).await.unwrap();
        let credentials =
            serde_json::from_slice(&std::fs::read(shared_dir().join("credentials.json")).unwrap()).unwrap();
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let tampered = AtomicBool::new(false);
        let mut app = Self { base, clock, http, running, cluster, database, credentials, born: 0, tampered };
        app.born = app.number("SELECT pg_snapshot_xmax(pg_current_snapshot())").await;
        app
    }

    async fn stop(self) {
        self.running.stop().await;
        drop(self.http);
        let drop_it = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.database);
        execute(&self.cluster.url(cluster::SUPERUSER, "postgres"), &drop_it).await;
    }

    /// The service's own parts, for running a job now.
    pub fn running(&self) -> &Running {
        &self.running
    }

    /// Lets time pass for the service.
    pub fn pass(&self, time: TimeDelta) {
        self.clock.advance(time);
    }

    /// Address of this test's database as another role.
    pub fn database_url(&self, role: &str) -> String {
        self.cluster.url(role, &self.database)
    }

    /// A connection as the superuser, for looking at what is stored.
    pub async fn connect(&self) -> AsyncPgConnection {
        Target::new(&self.database_url(cluster::SUPERUSER), None).unwrap().connect().await.unwrap().0
    }

    /// The rows of one text column.
    pub async fn texts(&self, sql: &str) -> Vec<String> {
        #[derive(diesel::QueryableByName)]
        struct Row {
            #[diesel(sql_type = diesel::sql_types::Text)]
            value: String,
        }
        let query = format!("SELECT value::text AS value FROM ({sql}) AS t(value)");
        let rows: Vec<Row> = diesel::sql_query(query).load(&mut self.connect().await).await.unwrap();
        rows.into_iter().map(|row| row.value).collect()
    }

    /// Changes what is stored, as the superuser.
    pub async fn sql(&self, sql: &str) {
        self.tampers();
        execute(&self.database_url(cluster::SUPERUSER), sql).await;
    }

    /// From here on rows are not made by requests alone: their histories are not checked.
    pub fn tampers(&self) {
        self.tampered.store(true, Ordering::Relaxed);
    }

    /// One number.
    pub async fn number(&self, sql: &str) -> i64 {
        self.texts(sql).await[0].parse().unwrap()
    }

    /// What the service ran in this database during an action. Left out: whether callers may still call, which is asked
    /// anew every half second, and what opens a connection. Tests share a server, so nothing of other databases is
    /// counted or forgotten.
    pub async fn statements_of(&self, action: impl AsyncFnOnce()) -> Vec<Statement> {
        let here = "(SELECT oid FROM pg_database WHERE datname = current_database())";
        self.texts(&format!("SELECT pg_stat_statements_reset(0, {here}, 0)::text")).await;
        action().await;
        let sql = format!(
            "SELECT query, calls FROM pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid
             WHERE r.rolname = 'simpul_service' AND s.dbid = {here}
             AND query NOT LIKE '%access_state%' AND query NOT LIKE 'SET %'"
        );
        diesel::sql_query(sql).load(&mut self.connect().await).await.unwrap()
    }

    /// How often the service asked the database during an action.
    pub async fn calls_of(&self, action: impl AsyncFnOnce()) -> i64 {
        self.statements_of(action).await.iter().map(|statement| statement.calls).sum()
    }

    /// The one statement of a request that says all these words, with the number of its calls.
    pub async fn statement_of(&self, client: &Client<'_>, path: &str, words: &[&str]) -> Statement {
        let mut ran = self.statements_of(async || drop(client.get(path).await.expect(200))).await;
        ran.retain(|statement| words.iter().all(|word| statement.query.contains(word)));
        assert_eq!(ran.len(), 1, "{path}: {ran:?}");
        ran.remove(0)
    }

    /// The plan of a statement for any values, as the service's reading connections make it.
    pub async fn generic_plan(&self, sql: &str) -> String {
        self.plan(sql, "").await
    }

    /// The same, where the planner may only choose what stays good when the tables are large: rows in the order of an
    /// index. Tables of tests are so small that it would rather read and sort them whole.
    pub async fn plan_of_large_tables(&self, sql: &str) -> String {
        let kinds = ["seqscan", "bitmapscan", "sort", "incremental_sort", "hashjoin", "mergejoin"];
        self.plan(sql, &kinds.map(|kind| format!("SET enable_{kind} = off;")).join("")).await
    }

    /// The plan of a statement for these values, as the service's connections for reports make it.
    pub async fn plan_of_values(&self, sql: &str, values: &str) -> String {
        self.explain(&format!("SET plan_cache_mode = force_custom_plan; PREPARE it AS {sql}"), &format!("({values})"))
            .await
    }

    async fn plan(&self, sql: &str, settings: &str) -> String {
        let binds = (1..60).take_while(|n| sql.contains(&format!("${n}"))).map(|_| "NULL").collect::<Vec<_>>();
        let binds = if binds.is_empty() { String::new() } else { format!("({})", binds.join(",")) };
        self.explain(&format!("SET plan_cache_mode = force_generic_plan; {settings} PREPARE it AS {sql}"), &binds).await
    }

    async fn explain(&self, prepare: &str, values: &str) -> String {
        #[derive(diesel::QueryableByName)]
        struct Line {
            #[diesel(sql_type = diesel::sql_types::Text, column_name = "QUERY PLAN")]
            text: String,
        }
        let mut conn = self.connect().await;
        conn.batch_execute(prepare).await.unwrap();
        let lines: Vec<Line> = diesel::sql_query(format!("EXPLAIN EXECUTE it{values}")).load(&mut conn).await.unwrap();
        lines.into_iter().map(|line| line.text).collect::<Vec<_>>().join("\n")
    }

    /// Credentials of every demo client.
    pub fn credentials(&self) -> &[Credential] {
        &self.credentials
    }

    /// Credentials of a demo client.
    pub fn credential(&self, agency: &str, kind: ClientKind) -> &Credential {
        self.credentials.iter().find(|c| c.agency == agency && c.client_kind == kind).expect("no such demo client")
    }

    async fn client(&self, agency: &str, kind: ClientKind) -> Client<'_> {
        Client::sign_in(self, self.credential(agency, kind)).await
    }

    /// Kementerian Sosial.
    pub async fn ministry(&self) -> Client<'_> {
        self.client("Kementerian Sosial", ClientKind::Officer).await
    }
    /// Dinsos of Bengkulu (17).
    pub async fn province(&self) -> Client<'_> {
        self.client("Dinas Sosial Provinsi Bengkulu", ClientKind::Officer).await
    }
    /// Dinsos of Mukomuko (17.06).
    pub async fn regency(&self) -> Client<'_> {
        self.client("Dinas Sosial Kabupaten Mukomuko", ClientKind::Officer).await
    }
    /// Dinsos of Bengkulu Selatan (17.01): same province.
    pub async fn neighbour_regency(&self) -> Client<'_> {
        self.client("Dinas Sosial Kabupaten Bengkulu Selatan", ClientKind::Officer).await
    }
    /// Dinsos of Kerinci (15.01): another province.
    pub async fn other_regency(&self) -> Client<'_> {
        self.client("Dinas Sosial Kabupaten Kerinci", ClientKind::Officer).await
    }
    /// Kelurahan Koto Jaya (17.06.02.1017).
    pub async fn village(&self) -> Client<'_> {
        self.client("Pemerintah Kelurahan Koto Jaya", ClientKind::Officer).await
    }
    /// Kelurahan Bandar Ratu (17.06.02.1018).
    pub async fn other_village(&self) -> Client<'_> {
        self.client("Pemerintah Kelurahan Bandar Ratu", ClientKind::Officer).await
    }
    /// BPJS Kesehatan, national: its integration.
    pub async fn bpjs(&self) -> Client<'_> {
        self.client("BPJS Kesehatan", ClientKind::System).await
    }
    /// The branch of Mukomuko.
    pub async fn bpjs_branch(&self) -> Client<'_> {
        self.client("BPJS Kesehatan Mukomuko", ClientKind::Officer).await
    }
    /// The branch of another region.
    pub async fn bpjs_elsewhere(&self) -> Client<'_> {
        self.client("BPJS Kesehatan Kerinci", ClientKind::Officer).await
    }
    /// Figures of Bengkulu.
    pub async fn dashboard(&self) -> Client<'_> {
        self.client("Dinas Sosial Provinsi Bengkulu", ClientKind::Dashboard).await
    }
    /// The phone of a volunteer of Koto Jaya (17.06.02.1017).
    pub async fn phone(&self) -> Client<'_> {
        self.client("Dinas Sosial Kabupaten Mukomuko", ClientKind::Phone).await
    }
    /// Without a token.
    pub fn nobody(&self) -> Client<'_> {
        Client::nobody(self)
    }

    /// One client per role, by the name that the authorization table uses.
    pub async fn roles(&self) -> Vec<(&'static str, Client<'_>)> {
        vec![
            ("ministry", self.ministry().await),
            ("province", self.province().await),
            ("regency", self.regency().await),
            ("neighbour", self.neighbour_regency().await),
            ("other regency", self.other_regency().await),
            ("village", self.village().await),
            ("other village", self.other_village().await),
            ("bpjs", self.bpjs().await),
            ("bpjs branch", self.bpjs_branch().await),
            ("bpjs elsewhere", self.bpjs_elsewhere().await),
            ("dashboard", self.dashboard().await),
            ("phone", self.phone().await),
            ("nobody", self.nobody()),
        ]
    }

    /// Id of a demo agency.
    pub async fn agency(&self, name: &str) -> String {
        self.texts(&format!("SELECT id FROM agencies WHERE name = '{name}'")).await.remove(0)
    }
}

/// A configuration for tests on one database.
pub fn config(base: &str, database_url: &str) -> Config {
    let keys = shared_dir().join("keys");
    Config {
        settings: Settings {
            public_url: base.to_owned(),
            issuer: base.to_owned(),
            demo: false,
            // The tests' own clients: with X-Forwarded-For a request comes from anywhere.
            trusted_proxies: vec!["127.0.0.1".parse().unwrap()],
            // Tests of limits set their own.
            rates: Rates::all(Rate::a_minute(1_000_000)),
            temp_dir: std::env::temp_dir(),
            objects: ObjectPlace::Directory(shared_dir().join("documents")),
            changes_kept: CHANGES_KEPT,
            certificate_months: [None; 3],
        },
        database_url: database_url.to_owned().into(),
        database_ca_file: None,
        database_pool: 8,
        listen: ([127, 0, 0, 1], 0).into(),
        admin_listen: None,
        workers: 1,
        stop_delay: std::time::Duration::ZERO,
        signing_keys_dir: keys.clone(),
        data_keys_dir: keys,
        log_format: LogFormat::Json,
        log_level: "info".to_owned(),
    }
}

/// Whether an agency of this kind may name an acting user.
pub(crate) fn acting_user(kind: ClientKind, _agency: AgencyKind) -> Option<&'static str> {
    (kind == ClientKind::Officer).then_some("staf-0017")
}

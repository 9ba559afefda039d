//! The two commands as a newcomer meets them: `simpul demo` and `simpul serve`, as processes.
use rustix::process::{Pid, Signal};
use serde_json::{Value, json};
use simpul::access::rules::{AgencyKind, ClientKind, Scope};
use simpul::demo::Credential;
use simpul::demo::cluster::SUPERUSER;
use simpul::platform::region_code::RegionCode;
use simpul::referrals::rules::ReferralStatus;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A demo as a process, with a data directory of its own.
pub struct Demo {
    child: Child,
    pub base: String,
    curl: String,
}

impl Demo {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Demo {
    /// A test that fails leaves nothing running; after [`stop`] there is nothing to kill.
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

pub fn data_dir(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("simpul-test-{}-{name}", std::process::id()));
    std::fs::remove_dir_all(&dir).ok();
    dir
}

pub fn start(dir: &Path) -> Demo {
    std::fs::create_dir_all(dir.parent().unwrap()).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_simpul"))
        .args(["demo", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut base, mut curl) = (String::new(), String::new());
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        if line.trim_start().starts_with("curl ") {
            line.trim().clone_into(&mut curl);
        }
        if let Some(address) = line.strip_prefix("ready ") {
            address.clone_into(&mut base);
            break;
        }
    }
    if base.is_empty() {
        let mut why = String::new();
        std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut why).unwrap();
        panic!("the demo does not start: {why}");
    }
    Demo { child, base, curl }
}

/// No process of this data directory is left.
pub fn nothing_is_left(dir: &Path) {
    let name = dir.to_string_lossy().into_owned();
    let until = Instant::now() + Duration::from_secs(15);
    loop {
        let left: Vec<String> = std::fs::read_dir("/proc")
            .unwrap()
            .flatten()
            .filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok())
            .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
            .filter(|line| line.contains(&name) && line.contains("postgres"))
            .collect();
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < until, "left behind: {left:?}");
        std::thread::sleep(Duration::from_millis(50)); // for other processes there is nothing to wait on
    }
}

/// Sends a signal. The `kill` of a shell is no program on every machine.
pub fn send(signal: Signal, pid: u32) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

pub fn stop(mut demo: Demo, signal: Signal) {
    send(signal, demo.child.id());
    let status = demo.child.wait().unwrap();
    assert!(signal == Signal::KILL || status.success(), "{status}");
}

#[test]
fn the_printed_command_works_and_a_stop_leaves_nothing() {
    let dir = data_dir("printed");
    for signal in [Signal::TERM, Signal::INT] {
        let demo = start(&dir);
        let output = Command::new("sh").args(["-c", &demo.curl]).output().unwrap();
        let me: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        assert_eq!(me["agency_name"], "Dinas Sosial Kabupaten Mukomuko");
        stop(demo, signal);
        nothing_is_left(&dir);
    }
    let credentials = dir.join("demo/credentials.json");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&credentials).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let list: Vec<Value> = serde_json::from_slice(&std::fs::read(&credentials).unwrap()).unwrap();
    for member in [
        "agency",
        "agency_kind",
        "region",
        "client_kind",
        "client_id",
        "client_secret",
        "private_key_pem",
        "kid",
        "es256_private_key_pem",
        "es256_kid",
        "scopes",
        "volunteer_id",
    ] {
        assert!(list.iter().all(|entry| entry.get(member).is_some()), "{member}");
    }
    std::fs::remove_dir_all(&dir).unwrap();
}

fn pg_url(dir: &Path, role: &str, database: &str) -> String {
    let host: String = dir.join("pg").canonicalize().unwrap().to_string_lossy().replace('/', "%2F");
    format!("postgres://{role}@{host}/{database}")
}

#[test]
fn serve_names_every_fault_and_refuses_what_a_demo_made() {
    let simpul = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_simpul"));
        command.env_clear().current_dir(std::env::temp_dir());
        command
    };
    let output = simpul()
        .arg("serve")
        .env("LISTEN", "eighty")
        .env("DATABASE_URL", "postgres://u:secret@h/d?sslmode=x")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    for name in ["LISTEN", "DATABASE_URL", "PUBLIC_URL", "SIGNING_KEYS_DIR", "DATA_KEYS_DIR", "DOCUMENTS_DIR"] {
        assert!(said.contains(name), "{name} is not named: {said}");
    }
    assert!(!said.contains("secret"), "{said}");

    let dir = data_dir("serve");
    let demo = start(&dir);
    let serve = |database: &str, keys: &Path| {
        let mut command = simpul();
        command
            .arg("serve")
            .env("DATABASE_URL", database)
            .env("PUBLIC_URL", "http://localhost:1")
            .env("LISTEN", "127.0.0.1:0");
        command
            .env("ADMIN_LISTEN", "127.0.0.1:0")
            .env("SIGNING_KEYS_DIR", keys)
            .env("DATA_KEYS_DIR", keys)
            .env("DOCUMENTS_DIR", keys)
            .env("LOG_LEVEL", "off");
        let output = command.output().unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let url = pg_url(&dir, "simpul_service", "simpul");
    assert!(serve(&url, &dir.join("keys")).contains("made by `simpul demo`"));
    // a new database: its schema is behind, and the demo's keys are refused there too
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(simpul::demo::cluster::prepare(&pg_url(&dir, SUPERUSER, "postgres"), "fresh")).unwrap();
    let fresh = pg_url(&dir, "simpul_service", "fresh");
    assert!(serve(&fresh, &dir.join("keys")).contains("run `simpul migrate`"));
    let migrated =
        simpul().arg("migrate").env("DATABASE_OWNER_URL", pg_url(&dir, "simpul_owner", "fresh")).output().unwrap();
    assert!(migrated.status.success(), "{migrated:?}");
    assert!(serve(&fresh, &dir.join("keys")).contains("is a demo key"));
    // with keys of its own it serves
    let own = dir.join("own");
    let made =
        simpul().args(["keys", "create"]).env("SIGNING_KEYS_DIR", &own).env("DATA_KEYS_DIR", &own).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    let mut command = simpul();
    command
        .args(["serve", "--with-worker"])
        .env("DATABASE_URL", &fresh)
        .env("PUBLIC_URL", "http://localhost:1")
        .env("LISTEN", "127.0.0.1:0");
    command
        .env("ADMIN_LISTEN", "127.0.0.1:0")
        .env("SIGNING_KEYS_DIR", &own)
        .env("DATA_KEYS_DIR", &own)
        .env("DOCUMENTS_DIR", &own)
        .env("STOP_DELAY", "3")
        .env("LOG_LEVEL", "off");
    let mut served = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(served.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("ready http://127.0.0.1:"), "{line}");
    runtime.block_on(stops_in_order(line.trim().trim_start_matches("ready "), &mut served));
    stop(demo, Signal::TERM);
    nothing_is_left(&dir);
    std::fs::remove_dir_all(&dir).unwrap();
}

/// Asked to stop, it tells a balancer first, and goes on answering new connections for the while that it was given.
async fn stops_in_order(base: &str, served: &mut Child) {
    let fresh = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap();
    let get = async |path: &str| fresh.get(format!("{base}{path}")).send().await.map(|reply| reply.status().as_u16());
    assert_eq!(get("/readyz").await.unwrap(), 200);
    send(Signal::TERM, served.id());
    let asked = Instant::now();
    while get("/readyz").await.unwrap() == 200 {}
    assert_eq!(get("/readyz").await.unwrap(), 503);
    assert_eq!(get("/.well-known/jwks.json").await.unwrap(), 200);
    assert!(served.wait().unwrap().success());
    assert!(asked.elapsed() >= Duration::from_secs(3), "it left before the balancer could know");
    get("/livez").await.unwrap_err();
}

/// The demo's clients, over HTTP.
pub struct Clients {
    pub runtime: tokio::runtime::Runtime,
    pub http: reqwest::Client,
    pub base: String,
    list: Vec<Credential>,
}

impl Clients {
    pub fn of(dir: &Path, demo: &Demo) -> Self {
        let list = serde_json::from_slice(&std::fs::read(dir.join("demo/credentials.json")).unwrap()).unwrap();
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build().unwrap();
        Self { runtime: tokio::runtime::Runtime::new().unwrap(), http, base: demo.base.clone(), list }
    }

    pub fn find(&self, agency: &str, kind: ClientKind) -> &Credential {
        let found = self.list.iter().find(|client| client.agency == agency && client.client_kind == kind);
        found.unwrap_or_else(|| panic!("{agency} has no {kind}"))
    }

    fn answer(&self, request: reqwest::RequestBuilder) -> Value {
        self.runtime.block_on(async {
            let reply = request.send().await.unwrap();
            assert_eq!(reply.status(), 200, "{}", reply.url());
            reply.json().await.unwrap()
        })
    }

    pub fn token(&self, client: &Credential) -> String {
        let request = self.http.post(format!("{}/oauth/token", self.base));
        let request = request.basic_auth(&client.client_id, Some(&client.client_secret));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let answer = self.answer(request.body("grant_type=client_credentials"));
        answer["access_token"].as_str().unwrap().to_owned()
    }

    pub fn get(&self, token: &str, path: &str) -> Value {
        let request = self.http.get(format!("{}{path}", self.base)).header("prefer", "count=exact");
        self.answer(request.bearer_auth(token))
    }
}

/// Who takes part, and what they find: the Bimtek of Mukomuko and what came of it.
#[test]
fn the_demo_is_the_founding_event() {
    let dir = data_dir("event");
    let demo = start(&dir);
    let clients = Clients::of(&dir, &demo);

    // an office of every kind, each with an officer; every client can sign in and is who it says
    let mukomuko = ["17.06.02.1017", "17.06.02.1018", "17.06.02.2008"];
    let offices = [("Kementerian Sosial", None), ("Dinas Sosial Provinsi Bengkulu", Some("17"))].into_iter();
    let offices = offices.chain([("Dinas Sosial Kabupaten Mukomuko", Some("17.06")), ("BPJS Kesehatan", None)]);
    let offices = offices.chain([("BPJS Kesehatan Mukomuko", Some("17.06"))]);
    let offices = offices.chain([("Dinas Sosial Provinsi Jambi", Some("15"))]);
    for (name, region) in offices.chain([("Dinas Sosial Kabupaten Kerinci", Some("15.01"))]) {
        assert_eq!(clients.find(name, ClientKind::Officer).region.as_ref().map(RegionCode::as_str), region, "{name}");
    }
    let villages = clients.list.iter().filter(|client| client.agency_kind == AgencyKind::VillageGovernment);
    let villages: Vec<&str> = villages.filter_map(|client| client.region.as_ref().map(RegionCode::as_str)).collect();
    assert_eq!(villages, mukomuko);
    for client in &clients.list {
        clients.find(&client.agency, ClientKind::Officer);
        let me = clients.get(&clients.token(client), "/v1/me");
        let says = serde_json::to_value(client).unwrap();
        for (member, of_me) in [
            ("agency", "agency_name"),
            ("agency_kind", "agency_kind"),
            ("client_kind", "client_kind"),
            ("client_id", "client_id"),
            ("scopes", "scopes"),
            ("volunteer_id", "volunteer_id"),
        ] {
            assert_eq!(says[member], me[of_me], "{} {}", client.agency, client.client_kind);
        }
        assert_eq!(says["region"], me["region_codes"][0]);
        assert!(client.private_key_pem.starts_with("-----BEGIN PRIVATE KEY-----") && !client.kid.is_empty());
    }
    let dashboard = clients.find("Dinas Sosial Provinsi Bengkulu", ClientKind::Dashboard);
    assert_eq!(dashboard.scopes, [Scope::StatisticsRead]);

    let ministry = clients.token(clients.find("Kementerian Sosial", ClientKind::Officer));
    let agencies = clients.get(&ministry, "/v1/agencies?limit=200");
    let agency = |name: &str| {
        let found = agencies["items"].as_array().unwrap().iter().find(|agency| agency["name"] == name);
        found.unwrap_or_else(|| panic!("{name} is not there"))
    };
    assert_eq!(agency("BPJS Kesehatan Mukomuko")["parent_id"], agency("BPJS Kesehatan")["id"]);

    // 75 active volunteers in villages that there are, one of them with a phone
    let volunteers = clients.get(&ministry, "/v1/volunteers?region=17.06&status=active&limit=200");
    assert_eq!(volunteers["total"], 75);
    let volunteers = volunteers["items"].as_array().unwrap();
    let villages: BTreeSet<&str> = volunteers.iter().map(|one| one["village_code"].as_str().unwrap()).collect();
    assert!(villages.len() > 40, "{}", villages.len());
    for village in villages {
        let region = clients.get(&ministry, &format!("/v1/regions/{village}"));
        assert_eq!(
            (&region["level"], &region["last_listed"], region["kind"].is_string()),
            (&json!("village"), &Value::Null, true),
            "{village}"
        );
    }
    let phone = clients.find("Dinas Sosial Kabupaten Mukomuko", ClientKind::Phone);
    assert!(volunteers.iter().any(|one| one["id"] == json!(phone.volunteer_id)));

    // the Bimtek of 17 May 2023, which all of them passed
    let day = "starts_from=2023-05-17T00:00:00%2B07:00&starts_before=2023-05-18T00:00:00%2B07:00";
    let events = clients.get(&ministry, &format!("/v1/training-events?region=17.06&state=completed&{day}"));
    let event = &events["items"][0];
    assert_eq!((&event["title"], &event["seats_taken"]), (&json!("Bimtek PSM Kabupaten Mukomuko"), &json!(75)));

    // cases, referrals in every state, and work for BPJS
    assert!(clients.get(&ministry, "/v1/cases?limit=1")["total"].as_i64().unwrap() >= 24);
    for status in ReferralStatus::ALL {
        let found = clients.get(&ministry, &format!("/v1/referrals?status={status}&limit=1"));
        assert!(found["total"].as_i64().unwrap() > 0, "no referral is {status}");
    }
    let bpjs = clients.token(clients.find("BPJS Kesehatan", ClientKind::System));
    let own = agency("BPJS Kesehatan")["id"].as_str().unwrap();
    let waiting = format!("/v1/referrals?direction=received&receiver={own}&status=submitted&limit=1");
    assert!(clients.get(&bpjs, &waiting)["total"].as_i64().unwrap() >= 10);
    stop(demo, Signal::TERM);
    nothing_is_left(&dir);
    std::fs::remove_dir_all(&dir).unwrap();
}

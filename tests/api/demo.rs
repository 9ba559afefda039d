//! The two commands as a newcomer meets them: `simpul demo` and `simpul serve`, as processes.
use crate::support;
use serde_json::Value;
use simpul::demo::cluster::SUPERUSER;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A demo as a process, with a data directory of its own.
struct Demo {
    child: Child,
    base: String,
    curl: String,
}

fn data_dir(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("simpul-test-{}-{name}", std::process::id()));
    std::fs::remove_dir_all(&dir).ok();
    dir
}

fn start(dir: &Path) -> Demo {
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
fn nothing_is_left(dir: &Path) {
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

fn stop(mut demo: Demo, signal: &str) {
    Command::new("kill").args([signal, &demo.child.id().to_string()]).status().unwrap();
    let status = demo.child.wait().unwrap();
    assert!(signal == "-KILL" || status.success(), "{status}");
}

#[test]
fn the_printed_command_works_and_a_stop_leaves_nothing() {
    let dir = data_dir("printed");
    for signal in ["-TERM", "-INT"] {
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

#[test]
fn killed_under_writes_it_loses_and_doubles_nothing() {
    let dir = data_dir("killed");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build().unwrap();
    let (mut acknowledged, mut sent) = (vec![], 0);
    let rounds = support::rounds(10);
    for round in 0..rounds {
        let demo = start(&dir);
        let credentials: Vec<Value> =
            serde_json::from_slice(&std::fs::read(dir.join("demo/credentials.json")).unwrap()).unwrap();
        let ministry = credentials.iter().find(|c| c["agency_kind"] == "ministry").unwrap().clone();
        runtime.block_on(async {
            let form = "grant_type=client_credentials&acting_user=staf-1";
            let request = http
                .post(format!("{}/oauth/token", demo.base))
                .header("content-type", "application/x-www-form-urlencoded")
                .body(form);
            let request =
                request.basic_auth(ministry["client_id"].as_str().unwrap(), ministry["client_secret"].as_str());
            let answer: Value = request.send().await.unwrap().json().await.unwrap();
            let token = answer["access_token"].as_str().unwrap().to_owned();
            // what was on its way at the last kill is sent again with its key, then new ones until this kill
            let writer = |name: String| {
                let (http, url, token) = (http.clone(), format!("{}/v1/agencies", demo.base), token.clone());
                async move {
                    let body = serde_json::json!({ "kind": "other", "name": name, "scopes": [] });
                    let reply =
                        http.post(url).bearer_auth(token).header("idempotency-key", &name).json(&body).send().await;
                    reply.is_ok_and(|reply| reply.status() == 201).then_some(name)
                }
            };
            let pid = demo.child.id().to_string();
            let killer = tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(150 + 40 * u64::from(round))).await;
                Command::new("kill").args(["-KILL", &pid]).status().unwrap();
            });
            while !killer.is_finished() {
                let names: Vec<String> = (0..8).map(|n| format!("w-{}", sent + n)).collect();
                sent += 8;
                acknowledged
                    .extend(futures_util::future::join_all(names.into_iter().map(writer)).await.into_iter().flatten());
            }
        });
        stop(demo, "-KILL");
        nothing_is_left(&dir);
    }
    assert!(acknowledged.len() > 8, "nothing was written before the kills");
    let demo = start(&dir);
    let stored: Vec<String> = runtime.block_on(async {
        let url = pg_url(&dir, SUPERUSER, "simpul");
        let (mut conn, _driver) = simpul::platform::db::Target::new(&url, None).unwrap().connect().await.unwrap();
        use diesel::prelude::*;
        use diesel_async::RunQueryDsl;
        use simpul::schema::agencies::dsl::{agencies, kind, name};
        agencies.filter(kind.eq("other")).select(name).load(&mut conn).await.unwrap()
    });
    let mut once = stored.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), stored.len(), "a write was doubled");
    let lost: Vec<&String> = acknowledged.iter().filter(|name| !stored.contains(name)).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    stop(demo, "-TERM");
    nothing_is_left(&dir);
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
    for name in ["LISTEN", "DATABASE_URL", "PUBLIC_URL", "SIGNING_KEYS_DIR", "DATA_KEYS_DIR"] {
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
        .env("LOG_LEVEL", "off");
    let mut served = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(served.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("ready http://127.0.0.1:"), "{line}");
    Command::new("kill").args(["-TERM", &served.id().to_string()]).status().unwrap();
    assert!(served.wait().unwrap().success());
    stop(demo, "-TERM");
    nothing_is_left(&dir);
    std::fs::remove_dir_all(&dir).unwrap();
}

/// The commands of the README, from its text.
#[test]
fn the_readme_walk_works_as_written() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let walk = readme.split("## First walk").nth(1).unwrap().split("\n## ").next().unwrap();
    let blocks: Vec<&str> = walk.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap()).collect();
    let place = data_dir("readme");
    let demo = start(&place.join(".data"));
    let script = blocks.join("\n").replace("BASE=http://127.0.0.1:8080", &format!("BASE={}", demo.base));
    assert!(script.contains(&demo.base), "the walk begins with BASE=");
    let output = Command::new("bash").args(["-euo", "pipefail", "-c", &script]).current_dir(&place).output().unwrap();
    let (said, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{wrong}");
    for expected in [
        "Dinas Sosial Kabupaten Mukomuko",
        "17.06 Kabupaten Mukomuko",
        "Koto Jaya",
        "BPJS Kesehatan Mukomuko",
        "PPKS-08 Lanjut Usia Terlantar",
    ] {
        assert!(said.contains(expected), "{expected} is not in: {said}");
    }
    assert!(!said.contains("urn:uuid:"), "a problem in: {said}");
    stop(demo, "-TERM");
    nothing_is_left(&place);
    std::fs::remove_dir_all(&place).unwrap();
}

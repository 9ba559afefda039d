//! A NIK is in clear nowhere but in the answers to who may have it: not in the database, not in a log.
use crate::support::{self, TestApp, run};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

/// Of the person, of a duplicate, of an import, of one that is refused.
const NIKS: [&str; 4] = ["1706024508950001", "1706027108950001", "1706024108000001", "1706022902960001"];

/// About a person, to the other side of a referral.
const SAID: &str = "di belakang pasar ikan";

/// Every table, column by column as text: what a dump of the database would hold.
pub async fn found_in(app: &TestApp, secret: &str) -> Vec<String> {
    let tables = app.texts("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' ORDER BY 1").await;
    assert!(tables.len() > 30);
    let mut found = vec![];
    for table in tables {
        let sql = format!(
            "SELECT count(*) FROM \"{table}\" t WHERE t::text LIKE '%{secret}%' OR t::text LIKE '%' || encode('{secret}'::bytea, 'hex') || '%' OR t::text LIKE '%' || translate(encode('{secret}'::bytea, 'base64'), '=', '') || '%'"
        );
        if app.number(&sql).await > 0 {
            found.push(table);
        }
    }
    found
}

#[test]
fn no_nik_is_in_clear_in_the_database_or_in_a_log() {
    run(async |app| {
        let config = support::config(&app.base, "");
        let mut child = Command::new(env!("CARGO_BIN_EXE_simpul"))
            .args(["serve", "--with-worker"])
            .env_clear()
            .current_dir(std::env::temp_dir())
            .envs([("LISTEN", "127.0.0.1:0"), ("ADMIN_LISTEN", "127.0.0.1:0"), ("LOG_LEVEL", "trace")])
            .env("DATABASE_URL", app.database_url("simpul_service"))
            .env("PUBLIC_URL", &app.base)
            .env("SIGNING_KEYS_DIR", &config.signing_keys_dir)
            .env("DATA_KEYS_DIR", &config.data_keys_dir)
            .env("DOCUMENTS_DIR", std::env::temp_dir())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let log = std::thread::spawn(move || {
            let mut text = vec![];
            stderr.read_to_end(&mut text).unwrap();
            String::from_utf8_lossy(&text).into_owned()
        });
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        let base = ready.trim().strip_prefix("ready ").unwrap().to_owned();
        let (regency, elsewhere) = (app.regency().await, app.other_regency().await);
        let send = async |token: &str, path: &str, body: Value| -> (u16, Value) {
            let request = app.http.post(format!("{base}{path}")).bearer_auth(token).json(&body);
            let reply = request.header("idempotency-key", uuid::Uuid::now_v7().to_string()).send().await.unwrap();
            (reply.status().as_u16(), reply.json().await.unwrap_or_default())
        };
        let (here, away) = (regency.token.clone().unwrap(), elsewhere.token.clone().unwrap());
        let volunteer =
            |village: &str, nik: &str| json!({ "village_code": village, "name": support::a_name(), "nik": nik });
        let (status, made) = send(&here, "/v1/volunteers", volunteer("17.06.02.1017", NIKS[0])).await;
        assert_eq!(status, 201);
        assert_eq!(send(&away, "/v1/volunteers", volunteer("15.01.01.2001", NIKS[0])).await.0, 201);
        assert_eq!(send(&here, "/v1/volunteers", volunteer("17.06.02.1017", NIKS[0])).await.0, 409);
        assert_eq!(send(&here, "/v1/volunteers", volunteer("17.06.02.1017", NIKS[1])).await.0, 201);
        // refused for its form, for what is around it, for its member
        let (status, refused) = send(&here, "/v1/volunteers", volunteer("17.06", NIKS[3])).await;
        assert_eq!(status, 422, "{refused}");
        assert_eq!(send(&here, "/v1/volunteers", json!({ NIKS[3]: NIKS[3] })).await.0, 400);
        let number = format!("{}0", NIKS[3]);
        assert_eq!(send(&here, "/v1/volunteers", volunteer("17.06.02.1017", &number)).await.0, 400);
        let purpose = json!({ "purpose": "identity_check" });
        let at = format!("/v1/volunteers/{}/reveal", made["id"].as_str().unwrap());
        let (status, revealed) = send(&here, &at, purpose).await;
        assert_eq!((status, &revealed["nik"]), (200, &json!(NIKS[0])));
        for nik in NIKS {
            let search = json!({ "nik": nik, "purpose": "identity_check" });
            assert_eq!(send(&here, "/v1/volunteers/search", search).await.0, 200);
        }
        import(app, &base, &here).await;
        // what is said about a person is kept where it belongs, and told to nobody else
        let mut case = crate::cases::patient("17.06.02.1017");
        case["referral"] = crate::referrals::ask(&app.agency("BPJS Kesehatan").await, crate::referrals::REACTIVATION);
        let (status, reported) = send(&here, "/v1/cases", case).await;
        assert_eq!(status, 201, "{reported}");
        let at = format!("/v1/referrals/{}/comments", reported["referral_id"].as_str().unwrap());
        assert_eq!(send(&here, &at, json!({ "kind": "question", "text": SAID })).await.0, 201);
        assert_eq!(send(&here, &at, json!({ "kind": SAID, "text": SAID })).await.0, 400);
        assert_eq!(found_in(app, SAID).await, ["referral_comment_texts"]);

        let dump: Vec<_> = futures_util::future::join_all(NIKS.map(async |nik| (nik, found_in(app, nik).await))).await;
        assert!(dump.iter().all(|(_, tables)| tables.is_empty()), "{dump:?}");
        // the search finds what is there
        assert!(!found_in(app, "************0001").await.is_empty() || !found_in(app, "Mukomuko").await.is_empty());
        crate::demo::send(rustix::process::Signal::TERM, child.id());
        child.wait().unwrap();
        let log = log.join().unwrap();
        assert!(log.contains("search_volunteers"), "the log was read");
        for secret in NIKS {
            assert!(!log.contains(secret), "a NIK is in the log");
        }
        assert!(!log.contains(SAID), "a comment is in the log");
    });
}

/// A file with a NIK, looked through and applied.
async fn import(app: &TestApp, base: &str, token: &str) {
    let file = format!(
        "Nama;NIK;Kode Wilayah\nRohana binti Saleh;{};17.06.02.1018\nSalah;{}0;17.06.02.1018\n",
        NIKS[2], NIKS[3]
    );
    let request = app.http.post(format!("{base}/v1/imports")).bearer_auth(token).header("content-type", "text/csv");
    let request = request.header("idempotency-key", uuid::Uuid::now_v7().to_string()).body(file);
    let reply = request.send().await.unwrap();
    let status = reply.status().as_u16();
    let job: Value = reply.json().await.unwrap();
    assert_eq!(status, 202, "{job}");
    let at = format!("{base}/v1/imports/{}", job["id"].as_str().unwrap());
    let wait = async |state: &str| loop {
        let job: Value = app.http.get(&at).bearer_auth(token).send().await.unwrap().json().await.unwrap();
        assert_ne!(job["state"], "failed", "{job}");
        if job["state"] == state {
            return job;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    let job = wait("validated").await;
    let request = app.http.post(format!("{at}/apply")).bearer_auth(token).json(&json!({ "mode": "good_rows" }));
    let request = request.header("idempotency-key", uuid::Uuid::now_v7().to_string());
    let reply = request.header("if-match", format!("\"{}-x\"", job["version"])).send().await.unwrap();
    assert!(reply.status().is_success(), "{}", reply.text().await.unwrap());
    wait("applied").await;
}

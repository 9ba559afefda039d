//! What every request meets, and the ways to the database under stress.
use crate::support::{self, run};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use futures_util::future::join_all;
use simpul::platform::db::{DbError, Reader, Reports, Target, Writer};
use simpul::schema::code_lists;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[test]
fn unknown_paths_methods_and_languages() {
    run(async |app| {
        let nobody = app.nobody();
        for path in ["/", "/v1", "/v1/nope", "/v1/me/", "//v1/me", "/v1/%6de%00"] {
            assert_eq!(nobody.get(path).await.status, 404, "{path}");
        }
        let wrong = nobody.request(reqwest::Method::PUT, "/v1/agencies").await.problem(405, "method_not_allowed");
        assert_eq!(wrong.header("allow"), "GET, POST, HEAD");
        nobody
            .request(reqwest::Method::from_bytes(b"BREW").unwrap(), "/v1/me")
            .await
            .problem(405, "method_not_allowed");
        let english = nobody.get("/nope").header("accept-language", "en-GB, id;q=0.1").await.problem(404, "not_found");
        assert_eq!((english.json["detail"].as_str(), english.header("content-language")), (Some("Not found."), "en"));
        assert_eq!(english.header("vary"), "Accept-Language");
        let indonesian = nobody.get("/nope").await;
        assert_eq!(indonesian.json["detail"], "Data tidak ditemukan.");
        // HEAD is GET without the body
        let head = app.bpjs().await.request(reqwest::Method::HEAD, "/v1/code-lists").await;
        assert_eq!((head.status, head.text.len()), (200, 0));
        assert!(head.header("content-length").parse::<u32>().unwrap() > 100);
    });
}

/// A filter that is spelled wrong must not give the list without it, on an operation without filters neither.
#[test]
fn a_query_parameter_that_the_document_does_not_name_is_refused() {
    run(async |app| {
        let (ministry, regency) = (app.ministry().await, app.regency().await);
        let paths =
            ["/v1/me", "/v1/code-lists", "/v1/code-lists/ppks", "/v1/regions/17.06", "/v1/agencies", "/v1/regions"];
        for path in paths {
            let reply = ministry.get(&format!("{path}?regoin=17")).await.problem(400, "malformed");
            reply.blames("?regoin", "unknown_field");
            // what a client made up is not repeated: it could be somebody's number
            let reply = ministry.get(&format!("{path}?1706024508950001=1")).await.problem(400, "malformed");
            assert!(!reply.text.contains("1706024508950001"), "{}", reply.text);
        }
        // a stranger, and who has no right, learn nothing of it
        app.nobody().get("/v1/me?regoin=17").await.problem(401, "unauthenticated");
        regency.post("/v1/agencies?regoin=17", serde_json::json!({})).await.problem(403, "forbidden");
        // a balancer's probe and a browser may add what they like
        for path in ["/livez?x=1", "/readyz?x=1", "/docs?x=1", "/docs/errors?x=1", "/openapi.json?x=1"] {
            app.nobody().get(path).await.expect(200);
        }
    });
}

#[test]
fn odd_bytes_in_path_and_query_are_answered_like_any_other() {
    run(async |app| {
        let regency = app.regency().await;
        for odd in ["%00", "%ff%fe", "%C0%AE", "%0A", "%F4%90%80%80", "a%2Fb", "%E2%80%AE"] {
            regency.get(&format!("/v1/code-lists/{odd}")).await.problem(404, "not_found");
            regency.get(&format!("/v1/regions/{odd}")).await.problem(404, "not_found");
            regency.get(&format!("/v1/agencies/{odd}")).await.problem(404, "not_found");
        }
        // a character that no text may hold is refused, at its edge too, where it would be trimmed away
        for odd in ["%00", "%ff", "a%0A", "%C2%85a", "a%E2%80%AEb", "a%EF%BF%BDb"] {
            let reply = regency.get(&format!("/v1/regions?name={odd}")).await.problem(400, "malformed");
            reply.blames("?name", "invalid_character");
        }
        // a number of any length is a number larger than 200
        let many = regency.get(&format!("/v1/regions?limit={}", "9".repeat(60))).await.expect(200);
        assert_eq!(many.json["items"].as_array().unwrap().len(), 200);
    });
}

#[test]
fn a_request_is_told_by_its_id() {
    run(async |app| {
        let id = uuid::Uuid::now_v7().to_string();
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let ask = app.nobody().get("/v1/me").header("x-request-id", &id);
        let reply =
            ask.header("traceparent", &format!("00-{trace}-00f067aa0ba902b7-01")).await.problem(401, "unauthenticated");
        assert_eq!(reply.header("x-request-id"), id);
        assert_eq!(reply.json["instance"], format!("urn:uuid:{id}"));
        assert!(reply.header("traceparent").starts_with(&format!("00-{trace}-")));
        let made = app.nobody().get("/v1/me").header("x-request-id", "1706024508950001").await;
        assert!(uuid::Uuid::try_parse(made.header("x-request-id")).is_ok());
        assert!(!made.text.contains("1706024508950001"));
    });
}

#[test]
fn a_slow_or_broken_client_holds_nothing() {
    run(async |app| {
        let address = app.base.strip_prefix("http://").unwrap();
        // Two hundred clients that begin a body and never end it: others are served meanwhile, without waiting for a
        // connection to the database.
        let token = app.ministry().await.token.unwrap();
        let mut slow = vec![];
        for _ in 0..200 {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let head = format!(
                "POST /v1/agencies HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\nidempotency-key: k\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{{"
            );
            stream.write_all(head.as_bytes()).await.unwrap();
            slow.push(stream);
        }
        app.bpjs().await.get("/v1/me").await.expect(200);
        drop(slow);
        // a head that never ends is hung up on
        let mut half = TcpStream::connect(address).await.unwrap();
        half.write_all(b"GET /livez HTTP/1.1\r\nhost:").await.unwrap();
        let mut answer = vec![];
        tokio::time::timeout(Duration::from_secs(20), half.read_to_end(&mut answer)).await.unwrap().unwrap();
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 408"));
    });
}

#[test]
fn a_client_that_hangs_up_does_not_stop_its_transaction() {
    run(async |app| {
        let (address, ministry) = (app.base.strip_prefix("http://").unwrap(), app.ministry().await);
        let rounds = support::rounds(100);
        for round in 0..rounds {
            let body = format!(r#"{{"kind":"other","name":"N{round}","scopes":[]}}"#);
            let mut stream = TcpStream::connect(address).await.unwrap();
            let head = format!(
                "POST /v1/agencies HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\nidempotency-key: hang-{round}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                ministry.token.as_ref().unwrap(),
                body.len()
            );
            stream.write_all(head.as_bytes()).await.unwrap();
            drop(stream);
            // sent again with the same key it is done once, whatever became of the first
            let again = serde_json::from_str(&body).unwrap();
            ministry.post("/v1/agencies", again).key(&format!("hang-{round}")).settled().await.expect(201);
        }
        assert_eq!(app.number("SELECT count(*) FROM agencies WHERE kind = 'other'").await, i64::from(rounds));
        assert_eq!(app.number("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'").await, 0);
    });
}

#[test]
fn when_the_database_is_gone_nobody_gets_in_and_it_says_so() {
    run(async |app| {
        let bpjs = app.bpjs().await;
        bpjs.get("/readyz").await.expect(200);
        let superuser = app.database_url("postgres");
        let name = superuser.rsplit('/').next().unwrap().to_owned();
        let elsewhere = superuser.replace(&format!("/{name}"), "/postgres");
        support::execute(&elsewhere, &format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false")).await;
        support::execute(
            &elsewhere,
            &format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"),
        )
        .await;
        tokio::time::timeout(Duration::from_secs(5), async { while bpjs.get("/readyz").await.status != 503 {} })
            .await
            .unwrap();
        let reply = bpjs.get("/v1/code-lists").await.problem(503, "unavailable");
        assert_eq!(reply.header("retry-after"), "1");
        bpjs.get("/livez").await.expect(200);
        let token = bpjs.ask_token(&[]).await;
        assert_eq!((token.status, token.json["error"].as_str()), (503, Some("temporarily_unavailable")));
        support::execute(&elsewhere, &format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true")).await;
        tokio::time::timeout(Duration::from_secs(5), async { while bpjs.get("/v1/code-lists").await.status != 200 {} })
            .await
            .unwrap();
    });
}

#[test]
fn a_stop_answers_what_is_under_way() {
    run(async |app| {
        let bpjs = app.bpjs().await;
        app.running().app.stopping.store(true, std::sync::atomic::Ordering::Relaxed);
        bpjs.get("/readyz").await.problem(503, "unavailable");
        bpjs.get("/v1/code-lists").await.expect(200);
    });
}

/// Many requests share a connection: each gets its own answer, whatever the others do.
#[test]
fn pipelined_reads_are_never_mixed_up() {
    run(async |app| {
        let reader = Arc::new(Reader::new(&Target::new(&app.database_url("simpul_service"), None).unwrap(), 2));
        let names = app.texts("SELECT name FROM code_lists").await;
        let until = Instant::now() + Duration::from_secs(u64::from(support::rounds(5).min(5)));
        let killer = async {
            while Instant::now() < until {
                support::execute(&app.database_url("postgres"), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'simpul-reader'").await;
                tokio::time::sleep(Duration::from_millis(150)).await;
            }
        };
        let read = async |n: usize| {
            let (mut right, mut lost) = (0u32, 0u32);
            while Instant::now() < until {
                let name = &names[(n + usize::try_from(right).unwrap()) % names.len()];
                let query = reader
                    .run(async |c| code_lists::table.find(name).select(code_lists::name).first::<String>(c).await);
                // every seventh is dropped half-way
                if right % 7 == 3 {
                    let _ = tokio::time::timeout(Duration::from_micros(50), query).await;
                    right += 1;
                    continue;
                }
                match query.await {
                    Ok(found) => {
                        assert_eq!(found, *name);
                        right += 1;
                    }
                    Err(DbError::Unavailable(_) | DbError::Deadline | DbError::Busy) => {
                        lost += 1;
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                    Err(other) => panic!("{other}"),
                }
            }
            (right, lost)
        };
        let ((), answers) = tokio::join!(killer, join_all((0..32).map(read)));
        assert!(answers.iter().map(|(right, _)| right).sum::<u32>() > 500);
        assert_eq!(app.number("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'").await, 0);
    });
}

#[test]
fn slow_reports_do_not_delay_a_read() {
    run(async |app| {
        let target = Target::new(&app.database_url("simpul_service"), None).unwrap();
        let (reports, reader) = (Reports::new(&target, 2).unwrap(), Reader::new(&target, 2));
        let sleep = || reports.run(async |c| diesel::sql_query("SELECT pg_sleep(20)").execute(c).await);
        let mut slow = std::pin::pin!(sleep());
        let reads = async {
            for _ in 0..200 {
                reader
                    .run(async |c| code_lists::table.select(code_lists::name).first::<String>(c).await)
                    .await
                    .unwrap();
            }
        };
        tokio::select! { biased; () = reads => {}, _ = &mut slow => panic!("the reads waited for the report") }
    });
}

#[test]
fn a_transaction_is_tried_again_after_a_deadlock_and_only_then() {
    run(async |app| {
        let writer = Writer::new(&Target::new(&app.database_url("simpul_service"), None).unwrap(), 8).unwrap();
        let ids = app.texts("SELECT id FROM agencies ORDER BY id LIMIT 2").await;
        let ids: Vec<uuid::Uuid> = ids.iter().map(|id| id.parse().unwrap()).collect();
        use simpul::schema::agencies;
        for _ in 0..support::rounds(40) {
            let touch = |first: uuid::Uuid, second: uuid::Uuid| {
                writer.run(async move |c| {
                    for id in [first, second] {
                        diesel::update(agencies::table.find(id))
                            .set(agencies::version.eq(agencies::version + 1))
                            .execute(c)
                            .await?;
                    }
                    Ok::<_, DbError>(())
                })
            };
            let (a, b) = tokio::join!(touch(ids[0], ids[1]), touch(ids[1], ids[0]));
            a.unwrap();
            b.unwrap();
        }
        let versions =
            app.texts(&format!("SELECT version FROM agencies WHERE id IN ('{}', '{}')", ids[0], ids[1])).await;
        let expected = (1 + 2 * support::rounds(40)).to_string();
        assert_eq!(versions, [expected.clone(), expected]);
    });
}

#[test]
fn the_worker_sweeps_what_is_no_longer_kept() {
    run(async |app| {
        let ministry = app.ministry().await;
        ministry
            .post("/v1/agencies", serde_json::json!({ "kind": "other", "name": "X", "scopes": [] }))
            .await
            .expect(201);
        let kept = async || {
            app.number("SELECT (SELECT count(*) FROM idempotency_keys) + (SELECT count(*) FROM client_assertions)")
                .await
        };
        support::execute(
            &app.database_url("simpul_service"),
            "INSERT INTO client_assertions SELECT id, 'x', now() + interval '1 hour' FROM clients LIMIT 1",
        )
        .await;
        assert_eq!(kept().await, 2);
        let turn = async || simpul::worker::turn(&app.running().app, &app.running().writer).await.unwrap();
        turn().await;
        assert_eq!(kept().await, 2);
        app.pass(chrono::TimeDelta::days(8));
        turn().await;
        assert_eq!(kept().await, 0);
    });
}

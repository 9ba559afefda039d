//! Documents of a volunteer: taken in by what they are, kept sealed, got by a link that ends.
use crate::support::office::PDF;
use crate::support::{Client, Reply, Request, TestApp, rounds, run, run_with, within_a_second};
use actix_web::{HttpRequest, HttpResponse};
use chrono::TimeDelta;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use simpul::platform::config::{Bucket, Config, ObjectPlace};
use simpul::platform::limits::Rate;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use uuid::Uuid;

const KOTO_JAYA: &str = "17.06.02.1017";
pub const JPEG: &[u8] = b"\xff\xd8\xff\xe0\0\x10JFIF\0 a face";
pub const PNG: &[u8] = b"\x89PNG\r\n\x1a\n a face";

async fn volunteer(client: &Client<'_>) -> String {
    let new = json!({ "village_code": KOTO_JAYA, "name": crate::support::a_name(), "nik_status": "none" });
    format!("/v1/volunteers/{}", client.post("/v1/volunteers", new).await.expect(201).id())
}

pub async fn send(client: &Client<'_>, of: &str, kind: &str, content_type: &str, content: &[u8]) -> Reply {
    let request = client.request(Method::POST, &format!("{of}/documents?kind={kind}"));
    request.raw(content).header("content-type", content_type).key(&Uuid::now_v7().to_string()).await
}

pub async fn listed(client: &Client<'_>, of: &str) -> Vec<Value> {
    client.get(&format!("{of}/documents")).await.expect(200).json["items"].as_array().unwrap().clone()
}

/// The address of a new link, below that of the service.
pub async fn link(client: &Client<'_>, document: &str) -> String {
    let made = client.request(Method::POST, &format!("{document}/link")).json(&json!({})).await.expect(200);
    let url = made.json["url"].as_str().unwrap();
    url.strip_prefix(&client.app.base).unwrap_or_else(|| panic!("{url}")).to_owned()
}

pub fn remove<'a>(client: &Client<'a>, document: &str, etag: &str) -> Request<'a> {
    client.request(Method::DELETE, document).header("if-match", etag)
}

fn address(reply: &Reply) -> String {
    format!("/v1/volunteers/{}/documents/{}", reply.json["volunteer_id"].as_str().unwrap(), reply.id())
}

/// Every file below a directory.
pub fn files(dir: &Path) -> Vec<PathBuf> {
    let (mut folders, mut found) = (vec![dir.to_owned()], vec![]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let list = if entry.path().is_dir() { &mut folders } else { &mut found };
            list.push(entry.path());
        }
    }
    found
}

/// Runs a test with a place of its own for content.
pub fn run_beside(name: &str, test: impl AsyncFnOnce(&TestApp, &Path)) {
    let dir = std::env::temp_dir().join(format!("simpul-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let place = ObjectPlace::Directory(dir.clone());
    run_with(|config| config.settings.objects = place, async |app| test(app, &dir).await);
    std::fs::remove_dir_all(&dir).unwrap();
}

pub async fn sweep(app: &TestApp) {
    simpul::worker::turn(&app.running().app, &app.running().writer).await.unwrap();
}

async fn audited(app: &TestApp) -> Vec<String> {
    app.texts(
        "SELECT concat_ws(' ', action, acting_user, detail, array_to_string(fields, ',')) FROM audit_events
         WHERE action LIKE 'volunteer_document.%' AND outcome = 'allowed' ORDER BY at, id",
    )
    .await
}

#[test]
fn a_document_goes_in_is_kept_sealed_and_comes_out_as_it_was() {
    run_beside("sealed", async |app, dir| {
        let regency = app.regency().await;
        let of = volunteer(&regency).await;
        let made = send(&regency, &of, "appointment_letter", "application/pdf", PDF).await.expect(201);
        assert_eq!(made.header("location"), format!("{}{}", app.base, address(&made)));
        assert_eq!(
            (&made.json["kind"], &made.json["content_type"], &made.json["size"], &made.json["version"]),
            (&json!("appointment_letter"), &json!("application/pdf"), &json!(PDF.len()), &json!(1))
        );
        assert_eq!(made.json["sha256"].as_str().unwrap().len(), 64);
        send(&regency, &of, "photo", "image/jpeg", JPEG).await.expect(201);
        send(&regency, &of, "certificate", "IMAGE/PNG; charset=binary", PNG).await.expect(201);
        let kinds: Vec<_> = listed(&regency, &of).await.iter().map(|one| one["kind"].clone()).collect();
        assert_eq!(kinds, ["appointment_letter", "photo", "certificate"]);
        let read = regency.get(&address(&made)).await.expect(200);
        assert_eq!((&read.json, read.header("etag")), (&made.json, made.header("etag")));
        // what lies in the store tells nothing, not even by its name
        let stored = files(dir);
        assert_eq!(stored.len(), 3);
        for file in &stored {
            let content = std::fs::read(file).unwrap();
            for clear in [&b"%PDF"[..], b"JFIF", b"a face", b"PNG"] {
                assert!(!content.windows(clear.len()).any(|part| part == clear), "{} holds clear text", file.display());
            }
            let name = file.file_name().unwrap().to_str().unwrap();
            assert!(Uuid::try_parse(name).is_ok(), "{name}");
        }
        // out by a link, without a token, as a file and nothing else
        let url = link(&regency, &address(&made)).await;
        let got = app.nobody().get(&url).await.expect(200);
        assert_eq!(got.bytes, PDF);
        for (name, value) in [
            ("content-type", "application/pdf"),
            ("content-disposition", "attachment; filename=\"appointment_letter.pdf\""),
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
            ("content-security-policy", "default-src 'none'; sandbox; frame-ancestors 'none'"),
        ] {
            assert_eq!(got.header(name), value);
        }
        assert_eq!(
            audited(app).await,
            [
                "volunteer_document.create staf-0017 appointment_letter document",
                "volunteer_document.create staf-0017 photo document",
                "volunteer_document.create staf-0017 certificate document",
                "volunteer_document.link staf-0017 appointment_letter document",
                "volunteer_document.download staf-0017 appointment_letter document",
            ]
        );
        // somebody changes a file, or puts one in the place of another
        let file = |reply: &Reply| {
            let id = reply.id().replace('-', "");
            files(dir).into_iter().find(|file| file.ends_with(&id)).unwrap()
        };
        let other = send(&regency, &of, "certificate", "application/pdf", PDF).await.expect(201);
        std::fs::copy(file(&other), file(&made)).unwrap();
        let broken = app.http.get(format!("{}{url}", app.base)).send().await.unwrap();
        assert_eq!(broken.status(), 500, "a file of another document was taken for its own");
    });
}

#[test]
fn a_file_is_what_its_first_bytes_say_and_no_larger_than_its_kind_may_be() {
    run(async |app| {
        let regency = app.regency().await;
        let of = volunteer(&regency).await;
        for (kind, content_type, content) in [
            ("photo", "application/pdf", PDF),
            ("photo", "image/png", JPEG),
            ("certificate", "application/pdf", PNG),
            ("certificate", "application/pdf", b"<html><script>".as_slice()),
            ("certificate", "text/html", b"<html>"),
            ("certificate", "image/svg+xml", b"<svg/>"),
            ("certificate", "application/json", b"{}"),
            ("certificate", "", PDF),
            ("certificate", "application/pdf", b""),
        ] {
            let refused = send(&regency, &of, kind, content_type, content).await.problem(415, "unsupported_media_type");
            assert!(refused.header("accept").contains("image/png"), "{kind} {content_type}");
        }
        let differs = send(&regency, &of, "certificate", "application/pdf", PNG).await;
        differs.problem(415, "unsupported_media_type").blames("Content-Type", "content_differs");
        let large = |begin: &[u8], size: usize| [begin, &vec![b' '; size - begin.len()]].concat();
        let mib = 1024 * 1024;
        send(&regency, &of, "photo", "image/jpeg", &large(JPEG, 5 * mib)).await.expect(201);
        send(&regency, &of, "photo", "image/jpeg", &large(JPEG, 5 * mib + 1)).await.problem(413, "body_too_large");
        send(&regency, &of, "certificate", "application/pdf", &large(PDF, 10 * mib)).await.expect(201);
        send(&regency, &of, "certificate", "application/pdf", &large(PDF, 10 * mib + 1))
            .await
            .problem(413, "body_too_large");
        let unnamed = regency.request(Method::POST, &format!("{of}/documents")).raw(PDF).key("k");
        unnamed.header("content-type", "application/pdf").await.problem(400, "malformed").blames("?kind", "required");
        let keyless = regency.request(Method::POST, &format!("{of}/documents?kind=photo")).raw(JPEG);
        keyless.header("content-type", "image/jpeg").await.problem(400, "idempotency_key_missing");
        assert_eq!(listed(&regency, &of).await.len(), 2);
        // a list of them is one page
        for _ in 2..30 {
            send(&regency, &of, "certificate", "image/png", PNG).await.expect(201);
        }
        send(&regency, &of, "certificate", "image/png", PNG).await.problem(409, "too_many_documents");
    });
}

#[test]
fn offices_write_and_who_sees_the_volunteer_reads() {
    run(async |app| {
        let (regency, phone) = (app.regency().await, app.phone().await);
        let of = volunteer(&regency).await;
        let beside = volunteer(&regency).await;
        let document = send(&regency, &of, "certificate", "image/png", PNG).await.expect(201);
        let at = address(&document);
        let seen = async |client: &Client<'_>| {
            listed(client, &of).await;
            client.get(&at).await.expect(200);
            assert_eq!(app.nobody().get(&link(client, &at).await).await.expect(200).bytes, PNG);
        };
        for client in [app.ministry().await, app.province().await, app.village().await] {
            seen(&client).await;
        }
        let etag = document.header("etag").to_owned();
        send(&app.village().await, &of, "photo", "image/png", PNG).await.problem(403, "forbidden");
        remove(&app.village().await, &at, &etag).await.problem(403, "forbidden");
        // its own phone reads its own alone
        let own = format!("/v1/volunteers/{}", phone.credential.as_ref().unwrap().volunteer_id.as_ref().unwrap());
        let photo = send(&regency, &own, "photo", "image/png", PNG).await.expect(201);
        assert_eq!(listed(&phone, &own).await.len(), 1);
        assert_eq!(app.nobody().get(&link(&phone, &address(&photo)).await).await.expect(200).bytes, PNG);
        send(&phone, &own, "photo", "image/png", PNG).await.problem(403, "forbidden");
        // a document of another volunteer is a missing one
        let missing = format!("{of}/documents/{}", Uuid::now_v7());
        let elsewhere = format!("{beside}/documents/{}", document.id());
        for (client, wrong) in [
            (&regency, &elsewhere),
            (&app.neighbour_regency().await, &at),
            (&app.other_village().await, &at),
            (&phone, &at),
        ] {
            let none = client.get(&missing).await.problem(404, "not_found");
            assert_eq!(client.get(wrong).await.anonymous(), none.anonymous());
            let none = client
                .request(Method::POST, &format!("{missing}/link"))
                .json(&json!({}))
                .await
                .problem(404, "not_found");
            let linked = client.request(Method::POST, &format!("{wrong}/link")).json(&json!({})).await;
            assert_eq!(linked.anonymous(), none.anonymous());
        }
        remove(&regency, &elsewhere, &etag).await.problem(404, "not_found");
        regency.request(Method::DELETE, &at).await.problem(428, "if_match_missing");
        regency.request(Method::DELETE, &at).header("if-match", "\"2-a\"").await.problem(412, "stale");
        assert_eq!(remove(&regency, &at, &etag).await.expect(200).json["items"], json!([]));
        remove(&regency, &at, &etag).await.problem(404, "not_found");
    });
}

#[test]
fn a_link_ends_and_is_no_more_than_its_maker() {
    run(async |app| {
        let (regency, ministry) = (app.regency().await, app.ministry().await);
        let of = volunteer(&regency).await;
        let at = address(&send(&regency, &of, "photo", "image/png", PNG).await.expect(201));
        let url = link(&regency, &at).await;
        let open = async |url: &str| app.nobody().get(url).await;
        let none = open("/v1/documents/AQIDBA").await.problem(404, "not_found");
        // a changed one, and what was sealed for something else
        let changed = format!("{}{}", &url[..url.len() - 1], if url.ends_with('A') { "B" } else { "A" });
        assert_eq!(open(&changed).await.anonymous(), none.anonymous());
        let cursor =
            regency.get("/v1/volunteers?limit=1").await.expect(200).json["next_cursor"].as_str().unwrap().to_owned();
        assert_eq!(open(&format!("/v1/documents/{cursor}")).await.anonymous(), none.anonymous());
        assert!(!url.contains(of.rsplit('/').next().unwrap()), "it tells whose it is");
        // for five minutes
        app.pass(TimeDelta::minutes(5) - TimeDelta::seconds(5));
        open(&url).await.expect(200);
        app.pass(TimeDelta::seconds(5));
        open(&url).await.problem(410, "link_expired");
        // it ends with what it shows
        let url = link(&regency, &at).await;
        let etag = regency.get(&at).await.expect(200).header("etag").to_owned();
        regency.request(Method::DELETE, &at).header("if-match", &etag).await.expect(200);
        assert_eq!(open(&url).await.anonymous(), none.anonymous());
        // with the sight of its maker
        let at = address(&send(&regency, &of, "photo", "image/png", PNG).await.expect(201));
        let url = link(&app.village().await, &at).await;
        open(&url).await.expect(200);
        let etag = regency.get(&of).await.expect(200).header("etag").to_owned();
        let transfer = json!({ "village_code": "17.06.02.1018" });
        regency.act(&format!("{of}/postings"), &etag, transfer).await.expect(200);
        assert_eq!(open(&url).await.anonymous(), none.anonymous());
        // and with its maker, within a second
        let url = link(&regency, &at).await;
        open(&url).await.expect(200);
        let agency = format!("/v1/agencies/{}", regency.agency);
        let etag = ministry.get(&agency).await.expect(200).header("etag").to_owned();
        ministry.act(&format!("{agency}/suspend"), &etag, json!({})).await.expect(200);
        within_a_second(async || open(&url).await.status == 404).await;
    });
}

#[test]
fn one_request_makes_one_document_however_often_it_arrives() {
    run_beside("once", async |app, dir| {
        let regency = app.regency().await;
        let of = volunteer(&regency).await;
        for round in 0..rounds(40) {
            let ask = || {
                let request = regency.request(Method::POST, &format!("{of}/documents?kind=certificate"));
                request.raw(PNG).header("content-type", "image/png").key(&format!("once-{round}")).settled()
            };
            let answers = join_all((0..4).map(|_| ask())).await;
            let ids: Vec<String> = answers.into_iter().map(|answer| answer.expect(201).id()).collect();
            assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
            let other = regency.request(Method::POST, &format!("{of}/documents?kind=certificate")).raw(PDF);
            let other = other.header("content-type", "application/pdf").key(&format!("once-{round}")).await;
            other.problem(422, "idempotency_key_reused");
            assert_eq!(listed(&regency, &of).await.len(), 1);
            // what was sent twice at once is left over for a day, and then gone
            let etag = regency.get(&format!("{of}/documents/{}", ids[0])).await.expect(200).header("etag").to_owned();
            let gone = regency.request(Method::DELETE, &format!("{of}/documents/{}", ids[0])).header("if-match", &etag);
            gone.await.expect(200);
            sweep(app).await;
            app.pass(TimeDelta::hours(25));
            sweep(app).await;
            assert_eq!(files(dir), Vec::<PathBuf>::new());
            assert_eq!(app.number("SELECT count(*) FROM volunteer_documents").await, 0);
            return_to_now(app);
        }
    });
}

/// Tokens live for 15 minutes.
fn return_to_now(app: &TestApp) {
    app.pass(-TimeDelta::hours(25));
}

#[test]
fn what_broke_off_is_found_again_and_what_is_shown_stays() {
    run_beside("left-over", async |app, dir| {
        let regency = app.regency().await;
        let of = volunteer(&regency).await;
        let kept = send(&regency, &of, "certificate", "image/png", PNG).await.expect(201);
        // uploads that broke off: before their content was written, and after
        let upload = |id: &Uuid| {
            format!(
                "INSERT INTO volunteer_documents SELECT '{id}', volunteer_id, kind, content_type, size, sha256, 'uploading', now(), created_at, created_by
                 FROM volunteer_documents WHERE id = '{}'",
                kept.id()
            )
        };
        let (before, after) = (Uuid::now_v7(), Uuid::now_v7());
        app.sql(&format!("{}; {}", upload(&before), upload(&after))).await;
        let name = after.simple().to_string();
        std::fs::create_dir_all(dir.join(&name[30..])).unwrap();
        std::fs::write(dir.join(&name[30..]).join(&name), b"sealed").unwrap();
        assert_eq!((listed(&regency, &of).await.len(), files(dir).len()), (1, 2));
        sweep(app).await;
        assert_eq!(files(dir).len(), 2, "an upload may be under way for a day");
        app.pass(TimeDelta::hours(25));
        sweep(app).await;
        return_to_now(app);
        let ids = app.texts("SELECT id FROM volunteer_documents").await;
        assert_eq!((ids, files(dir).len()), (vec![kept.id()], 1));
        assert_eq!(app.nobody().get(&link(&regency, &address(&kept)).await).await.expect(200).bytes, PNG);
        // a store that does not answer costs the row nothing
        let etag = kept.header("etag").to_owned();
        std::fs::remove_dir_all(dir).unwrap();
        std::fs::write(dir, b"no directory").unwrap();
        let refused = send(&regency, &of, "certificate", "image/png", PNG).await;
        refused.problem(503, "unavailable");
        assert_eq!(listed(&regency, &of).await.len(), 1);
        std::fs::remove_file(dir).unwrap();
        std::fs::create_dir_all(dir).unwrap();
        regency.request(Method::DELETE, &address(&kept)).header("if-match", &etag).await.expect(200);
        sweep(app).await;
        assert_eq!(app.number("SELECT count(*) FROM volunteer_documents WHERE state = 'removed'").await, 0);
    });
}

/// What a bucket holds, by the path of each request.
type Held = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

/// As much of S3 as is asked: put, get and delete, signed.
fn bucket(held: &Held, req: &HttpRequest, body: &[u8]) -> HttpResponse {
    let signed = req.headers().get("authorization").and_then(|value| value.to_str().ok());
    if !signed.is_some_and(|value| value.starts_with("AWS4-HMAC-SHA256 Credential=who/")) {
        return HttpResponse::Forbidden().finish();
    }
    let (mut held, path) = (held.lock().unwrap(), req.path().to_owned());
    match req.method().as_str() {
        "PUT" => {
            held.insert(path, body.to_vec());
            HttpResponse::Ok().insert_header(("etag", "\"1\"")).finish()
        }
        "GET" => match held.get(&path) {
            Some(content) => HttpResponse::Ok()
                .insert_header(("etag", "\"1\""))
                .insert_header(("last-modified", "Wed, 25 Nov 2026 03:00:00 GMT"))
                .body(content.clone()),
            None => HttpResponse::NotFound().finish(),
        },
        "DELETE" => {
            held.remove(&path);
            HttpResponse::NoContent().finish()
        }
        _ => HttpResponse::MethodNotAllowed().finish(),
    }
}

#[test]
fn a_bucket_holds_what_a_directory_would() {
    let held = Held::default();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let place = ObjectPlace::Bucket(Bucket {
        name: "simpul".to_owned(),
        endpoint: Some(format!("http://{}", listener.local_addr().unwrap())),
        region: "id-1".to_owned(),
        access_key_id: "who".to_owned(),
        secret_access_key: "what".to_owned().into(),
    });
    run_with(
        |config| config.settings.objects = place,
        async |app| {
            let regency = app.regency().await;
            let of = volunteer(&regency).await;
            let shared = held.clone();
            let server = actix_web::HttpServer::new(move || {
                let held = shared.clone();
                let answer = move |req: HttpRequest, body: actix_web::web::Bytes| {
                    let answer = bucket(&held, &req, &body);
                    async move { answer }
                };
                actix_web::App::new()
                    .app_data(actix_web::web::PayloadConfig::new(20 * 1024 * 1024))
                    .default_service(actix_web::web::to(answer))
            });
            let server = server.workers(1).disable_signals().listen(listener).unwrap().run();
            let stopping = server.handle();
            tokio::spawn(server);
            let made = send(&regency, &of, "photo", "image/png", PNG).await.expect(201);
            let names: Vec<String> = held.lock().unwrap().keys().cloned().collect();
            let id = made.id().replace('-', "");
            assert_eq!(names, [format!("/simpul/{}/{id}", &id[30..])]);
            assert!(held.lock().unwrap().values().all(|content| !content.windows(6).any(|part| part == b"a face")));
            let url = link(&regency, &address(&made)).await;
            assert_eq!(app.nobody().get(&url).await.expect(200).bytes, PNG);
            remove(&regency, &address(&made), made.header("etag")).await.expect(200);
            sweep(app).await;
            assert!(held.lock().unwrap().is_empty());
            assert_eq!(app.number("SELECT count(*) FROM volunteer_documents").await, 0);
            // away for a while
            let kept = send(&regency, &of, "photo", "image/png", PNG).await.expect(201);
            let url = link(&regency, &address(&kept)).await;
            stopping.stop(false).await;
            send(&regency, &of, "photo", "image/png", PNG).await.problem(503, "unavailable");
            app.nobody().get(&url).await.problem(503, "unavailable");
            assert_eq!(listed(&regency, &of).await.len(), 1);
        },
    );
}

/// Room is for so many at a time; the rest is asked to come again.
#[test]
fn files_on_their_way_in_take_no_more_memory_than_there_is_room() {
    run(async |app| {
        use tokio::io::AsyncWriteExt;
        let regency = app.regency().await;
        let of = volunteer(&regency).await;
        let mut slow = vec![];
        let address = app.base.trim_start_matches("http://").to_owned();
        let head = format!(
            "POST {of}/documents?kind=photo HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\nidempotency-key: slow\r\ncontent-type: image/png\r\ncontent-length: 1000\r\n\r\n",
            regency.token.as_ref().unwrap()
        );
        let free = || app.running().app.uploads.available_permits();
        while free() > 0 {
            let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
            let before = free();
            stream.write_all(head.as_bytes()).await.unwrap();
            slow.push(stream);
            while free() == before {
                tokio::task::yield_now().await;
            }
        }
        let refused = send(&regency, &of, "photo", "image/png", PNG).await.problem(503, "unavailable");
        assert!(!refused.header("retry-after").is_empty());
        regency.get(&of).await.expect(200);
        drop(slow);
        while free() == 0 {
            tokio::task::yield_now().await;
        }
        send(&regency, &of, "photo", "image/png", PNG).await.expect(201);
    });
}

/// A file of the most bytes, more than the buffers between the two ends hold.
fn large() -> Vec<u8> {
    [PDF, &vec![b' '; 10 * 1024 * 1024 - PDF.len()]].concat()
}

/// Opens a link, and reads no more than the head of the answer.
async fn begin(app: &TestApp, url: &str) -> reqwest::Response {
    let response = app.http.get(format!("{}{url}", app.base)).send().await.unwrap();
    assert_eq!(response.status(), 200);
    response
}

/// Waits until so many more may be on their way out.
async fn free(app: &TestApp, many: usize) {
    let begun = Instant::now();
    while app.running().app.downloads.available_permits() != many {
        assert!(begun.elapsed() < Duration::from_secs(20), "the places of downloads are held");
        tokio::task::yield_now().await;
    }
}

#[test]
fn files_on_their_way_out_take_no_more_memory_than_there_is_room() {
    run(async |app| {
        let regency = app.regency().await;
        let of = volunteer(&regency).await;
        let at = address(&send(&regency, &of, "certificate", "application/pdf", &large()).await.expect(201));
        let mut slow = vec![];
        for _ in 0..8 {
            slow.push(begin(app, &link(&regency, &at).await).await);
        }
        let url = link(&regency, &at).await;
        // as often as it is tried: nothing has been opened by it
        for _ in 0..40 {
            let refused = app.nobody().get(&url).await.problem(503, "unavailable");
            assert_eq!(refused.header("retry-after"), "2");
        }
        regency.get(&at).await.expect(200);
        // whoever reads makes room
        assert!(slow.pop().unwrap().bytes().await.unwrap() == large());
        free(app, 1).await;
        assert!(app.nobody().get(&url).await.expect(200).bytes == large());
        // and whoever leaves
        drop(slow.pop());
        free(app, 2).await;
        // and whoever does neither, after a while: what it then has is not whole
        app.pass(TimeDelta::minutes(1));
        free(app, 8).await;
        for response in slow {
            assert!(response.bytes().await.is_err(), "half a file passed off as whole");
        }
    });
}

#[test]
fn a_link_is_opened_a_few_times_and_takes_nothing_from_its_maker() {
    let few = |config: &mut Config| config.settings.rates.client = Rate::a_minute(25);
    run_with(few, async |app| {
        let regency = app.regency().await;
        let of = volunteer(&regency).await;
        let at = address(&send(&regency, &of, "photo", "image/png", PNG).await.expect(201));
        let (url, other) = (link(&regency, &at).await, link(&regency, &at).await);
        for _ in 0..30 {
            app.nobody().get(&url).await.expect(200);
        }
        let refused = app.nobody().get(&url).await.problem(429, "rate_limited");
        assert!(refused.header("retry-after").parse::<u32>().unwrap() > 0);
        app.nobody().get(&other).await.expect(200);
        regency.get(&at).await.expect(200);
    });
}

#[test]
fn who_gets_at_content_or_removes_it_says_who_sits_at_the_keyboard() {
    run(async |app| {
        let regency = app.regency().await;
        let of = volunteer(&regency).await;
        let made = send(&regency, &of, "appointment_letter", "application/pdf", PDF).await.expect(201);
        let at = address(&made);
        let token = regency.ask_token(&[]).await.expect(200).json["access_token"].as_str().unwrap().to_owned();
        let unnamed = regency.with_token(&token);
        unnamed.get(&at).await.expect(200);
        let linked = unnamed.request(Method::POST, &format!("{at}/link")).json(&json!({})).await;
        linked.problem(403, "acting_user_required");
        remove(&unnamed, &at, made.header("etag")).await.problem(403, "acting_user_required");
        remove(&regency, &at, made.header("etag")).await.expect(200);
    });
}

/// An upload may take minutes to arrive.
#[test]
fn who_is_cut_off_meanwhile_finishes_no_upload() {
    run(async |app| {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (regency, ministry) = (app.regency().await, app.ministry().await);
        let of = volunteer(&regency).await;
        let of_json = json!({ "kind": "officer" }).to_string();
        let agency = format!("/v1/agencies/{}", regency.agency);
        let mut begun = vec![];
        for (what, kind, content) in [
            (format!("{of}/documents?kind=photo"), "image/png", PNG),
            ("/v1/imports".to_owned(), "text/csv", b"Nama;NIK\r\nSiti;\r\n".as_slice()),
            ("/v1/clients".to_owned(), "application/json", of_json.as_bytes()),
        ] {
            let head = format!(
                "POST {what} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\nidempotency-key: k\r\nconnection: close\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n",
                regency.token.as_ref().unwrap(),
                content.len()
            );
            let mut stream = tokio::net::TcpStream::connect(app.base.trim_start_matches("http://")).await.unwrap();
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(&content[..4]).await.unwrap();
            begun.push((what, stream, content));
        }
        // both files are on their way
        while app.running().app.uploads.available_permits() > 6 {
            tokio::task::yield_now().await;
        }
        regency.get("/v1/me").await.expect(200);
        let etag = ministry.get(&agency).await.expect(200).header("etag").to_owned();
        ministry.act(&format!("{agency}/suspend"), &etag, json!({})).await.expect(200);
        within_a_second(async || regency.get("/v1/me").await.status == 401).await;
        for (what, mut stream, content) in begun {
            stream.write_all(&content[4..]).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 401 "), "{what}: {answer}");
        }
        assert_eq!(app.number("SELECT count(*) FROM volunteer_documents").await, 0);
    });
}

#[test]
fn uploads_that_broke_off_take_nobodys_place() {
    run_beside("broken-off", async |app, dir| {
        let regency = app.regency().await;
        let of = volunteer(&regency).await;
        // the store is away
        std::fs::remove_dir_all(dir).unwrap();
        std::fs::write(dir, b"no directory").unwrap();
        for _ in 0..30 {
            send(&regency, &of, "photo", "image/png", PNG).await.problem(503, "unavailable");
        }
        std::fs::remove_file(dir).unwrap();
        std::fs::create_dir_all(dir).unwrap();
        let kept = send(&regency, &of, "photo", "image/png", PNG).await.expect(201);
        // a node that was killed could not even say so
        app.sql(&format!(
            "INSERT INTO volunteer_documents SELECT gen_random_uuid(), volunteer_id, kind, content_type, size, sha256, 'uploading', now(), created_at, created_by
             FROM volunteer_documents, generate_series(1, 30) WHERE id = '{}'",
            kept.id()
        ))
        .await;
        send(&regency, &of, "photo", "image/png", PNG).await.problem(409, "too_many_documents");
        app.pass(TimeDelta::minutes(6));
        send(&regency, &of, "photo", "image/png", PNG).await.expect(201);
        sweep(app).await;
        assert_eq!(app.number("SELECT count(*) FROM volunteer_documents WHERE state = 'removed'").await, 0);
    });
}

#[test]
fn what_cannot_be_removed_keeps_nothing_else() {
    run_beside("stuck", async |app, dir| {
        let regency = app.regency().await;
        let of = volunteer(&regency).await;
        let mut made = vec![];
        for _ in 0..3 {
            made.push(send(&regency, &of, "photo", "image/png", PNG).await.expect(201));
        }
        let place = |reply: &Reply| {
            let name = reply.id().replace('-', "");
            dir.join(&name[30..]).join(&name)
        };
        // what a killed process leaves beside a file
        let beside = place(&made[1]).with_file_name(format!("{}#1", made[1].id().replace('-', "")));
        std::fs::write(&beside, b"half").unwrap();
        // the oldest cannot be removed
        std::fs::remove_file(place(&made[0])).unwrap();
        std::fs::create_dir_all(place(&made[0]).join("in the way")).unwrap();
        for one in &made {
            remove(&regency, &address(one), one.header("etag")).await.expect(200);
            app.pass(TimeDelta::seconds(1));
        }
        let since = "SELECT state_since FROM volunteer_documents";
        sweep(app).await;
        assert_eq!(app.texts("SELECT id FROM volunteer_documents").await, [made[0].id()]);
        assert!(!beside.exists() && !place(&made[1]).exists() && !place(&made[2]).exists());
        // it is the last of them from now on
        let before = app.texts(since).await;
        app.pass(TimeDelta::seconds(1));
        sweep(app).await;
        assert!(app.texts(since).await > before);
        std::fs::remove_dir_all(place(&made[0])).unwrap();
        sweep(app).await;
        assert_eq!(app.number("SELECT count(*) FROM volunteer_documents").await, 0);
    });
}

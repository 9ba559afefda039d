//! Volunteers out as a file: what is in it, who gets it, what is recorded, and what a broken line looks like.
use crate::support::{Client, Reply, Request, TestApp, run, run_with, within_a_second};
use calamine::{Data, Reader, Xlsx};
use chrono::TimeDelta;
use futures_util::future::{join, join3};
use reqwest::Method;
use serde_json::{Value, json};
use simpul::partners::fields::Field;
use simpul::platform::cells::unguard;
use simpul::platform::config::Config;
use simpul::platform::limits::Rate;
use std::collections::BTreeSet;
use std::io::Cursor;
use std::path::Path;
use std::time::{Duration, Instant};

const EXPORT: &str = "/v1/exports/volunteers";
const NIK: &str = "1706024508950001";
const KOTO_JAYA: &str = "17.06.02.1017";
const NDJSON: &str = "application/x-ndjson";
const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

fn ask<'a>(client: &Client<'a>, body: &Value) -> Request<'a> {
    client.request(Method::POST, EXPORT).json(body)
}

fn siti() -> Value {
    json!({
        "village_code": KOTO_JAYA, "name": "Siti Aminah", "sex": "female", "birth_date": "1995-08-05", "birth_place": "Mukomuko",
        "nik": NIK, "phone": "0812 0000 9999", "email": "siti@psm.example", "address": "Jl. Merdeka 1; RT 2",
        "education": "SMA", "occupation": "Petani", "member_number": "0012", "certificate_number": "17/BTD/2023",
        "certificate_organiser": "Dinas Sosial", "certificate_date": "2023-05-17", "appointed_year": 2020,
        "functions": ["coordination", "motivation"],
    })
}

/// Every line of NDJSON.
fn lines(reply: &Reply) -> Vec<Value> {
    assert_eq!(reply.header("content-type"), NDJSON);
    assert!(reply.text.is_empty() || reply.text.ends_with('\n'));
    reply.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Header and rows of CSV.
fn table(reply: &Reply, delimiter: u8) -> (Vec<String>, Vec<Vec<String>>) {
    assert_eq!(reply.header("content-type").split(';').next(), Some("text/csv"));
    let text = reply.bytes.strip_prefix(b"\xef\xbb\xbf").expect("Excel is not told that it is UTF-8");
    // a bare line feed only inside of quotes
    let ends = text.windows(2).filter(|two| two[1] == b'\n');
    assert!(ends.clone().all(|two| two[0] == b'\r') && ends.count() > 0);
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(text);
    let head = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let rows = reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect();
    (head, rows)
}

/// Every cell of a workbook's one sheet, the header first.
fn cells(reply: &Reply) -> Vec<Vec<Data>> {
    assert_eq!(reply.header("content-type"), XLSX);
    let mut book = Xlsx::new(Cursor::new(reply.bytes.clone())).unwrap();
    assert_eq!(book.worksheets().len(), 1);
    let name = book.sheet_names()[0].clone();
    let formulas = book.worksheet_formula(&name).unwrap();
    assert!(formulas.used_cells().next().is_none(), "a text became a formula");
    book.worksheet_range(&name).unwrap().rows().map(<[Data]>::to_vec).collect()
}

fn at(field: Field) -> usize {
    Field::ALL.iter().position(|one| *one == field).unwrap()
}

/// The ids of all pages of a list.
async fn listed(client: &Client<'_>, query: &str) -> Vec<String> {
    let (mut ids, mut next) = (vec![], Some(format!("/v1/volunteers?limit=200&{query}")));
    while let Some(path) = next {
        let page = client.get(&path).await.expect(200).json;
        ids.extend(page["items"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()));
        next = page["next_cursor"].as_str().map(|cursor| format!("/v1/volunteers?limit=200&cursor={cursor}"));
    }
    ids
}

fn ids(rows: &[Value]) -> Vec<String> {
    rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

/// A client of the regency's office with these scopes.
async fn with_scopes<'a>(app: &'a TestApp, scopes: &[&str]) -> Client<'a> {
    let regency = app.regency().await;
    let new = json!({ "kind": "officer", "name": "Aplikasi", "purpose": "Pelaporan", "scopes": scopes });
    let made = regency.post("/v1/clients", new).await.expect(201).json;
    let mut credential = regency.credential.clone().unwrap();
    credential.client_id = made["id"].as_str().unwrap().to_owned();
    credential.client_secret = made["secret"].as_str().unwrap().to_owned();
    Client::sign_in(app, &credential).await
}

/// So many more volunteers in Koto Jaya, each with an address of 448 letters; inserted without the service.
async fn crowd(app: &TestApp, client: &Client<'_>, many: u32) {
    let one =
        client.post("/v1/volunteers", json!({ "village_code": KOTO_JAYA, "name": "Warga", "nik_status": "none" }));
    let one = one.await.expect(201).id();
    app.sql(&format!(
        "CREATE TEMP TABLE new AS SELECT gen_random_uuid() AS id, n FROM generate_series(1, {many}) n;
         INSERT INTO volunteers SELECT made.* FROM new, volunteers v,
             LATERAL jsonb_populate_record(v, jsonb_build_object('id', new.id)) made WHERE v.id = '{one}';
         INSERT INTO volunteer_people SELECT made.* FROM new, volunteer_people p,
             LATERAL (SELECT string_agg(md5(new.n || '-' || i), '') AS long FROM generate_series(1, 14) i) address,
             LATERAL jsonb_populate_record(p, jsonb_build_object('volunteer_id', new.id, 'address', address.long)) made
             WHERE p.volunteer_id = '{one}';"
    ))
    .await;
}

#[test]
fn an_export_is_the_list_for_every_role_and_filter() {
    run(async |app| {
        app.village().await.post("/v1/volunteers", siti()).await.expect(201);
        let offices =
            [app.province().await, app.regency().await, app.neighbour_regency().await, app.other_regency().await];
        let mut sizes = BTreeSet::new();
        for client in &offices {
            for (filters, query) in [
                (json!({}), ""),
                (json!({ "region": "17.06" }), "region=17.06"),
                (
                    json!({ "region": "17.06.02.1017", "status": ["candidate"] }),
                    "region=17.06.02.1017&status=candidate",
                ),
                (json!({ "status": ["active", "resigned"] }), "status=active&status=resigned"),
                (json!({ "level": ["basic"], "sex": ["female", "unknown"] }), "level=basic&sex=female&sex=unknown"),
                (json!({ "function": "coordination" }), "function=coordination"),
                (json!({ "region": "15.01" }), "region=15.01"),
            ] {
                let reply = ask(client, &json!({ "format": "ndjson", "filters": filters })).await.expect(200);
                let (exported, listed) = (ids(&lines(&reply)), listed(client, query).await);
                assert_eq!(exported, listed, "{} {query}", client.agency);
                sizes.insert(listed.len());
            }
        }
        assert!(sizes.len() > 5 && sizes.contains(&0), "{sizes:?}: the filters say nothing");
        for client in [
            app.ministry().await,
            app.village().await,
            app.bpjs().await,
            app.phone().await,
            app.dashboard().await,
            with_scopes(app, &["volunteers:read"]).await,
            with_scopes(app, &["imports:write"]).await,
        ] {
            let reply = ask(&client, &json!({ "format": "csv" })).await.problem(403, "forbidden");
            assert!(reply.header("www-authenticate").contains("imports:write volunteers:read"));
        }
        ask(&with_scopes(app, &["imports:write", "volunteers:read"]).await, &json!({ "format": "csv" }))
            .await
            .expect(200);
        ask(&app.nobody(), &json!({ "format": "csv" })).await.problem(401, "unauthenticated");
    });
}

#[test]
fn a_volunteer_stands_in_every_kind_of_file_with_all_that_is_known() {
    run(async |app| {
        let regency = app.regency().await;
        let id = app.village().await.post("/v1/volunteers", siti()).await.expect(201).id();
        let today = app.clock.now().date_naive().to_string();
        let filters = json!({ "region": KOTO_JAYA, "status": ["candidate"] });
        let find = |rows: Vec<Vec<String>>| rows.into_iter().find(|row| row[0] == id).unwrap();

        let reply = ask(&regency, &json!({ "format": "ndjson", "filters": filters })).await.expect(200);
        let row = lines(&reply).into_iter().find(|row| row["id"] == id.as_str()).unwrap();
        let since = row["effective_on"].clone();
        let whole = json!({
            "id": id, "nik": "************0001", "name": "Siti Aminah", "member_number": "0012", "birth_place": "Mukomuko",
            "birth_date": "1995-08-05", "sex": "female", "address": "Jl. Merdeka 1; RT 2", "village_code": KOTO_JAYA,
            "village_name": "Koto Jaya", "phone": "+6281200009999", "email": "siti@psm.example", "education": "SMA",
            "appointed_year": 2020, "occupation": "Petani", "certificate_number": "17/BTD/2023",
            "certificate_organiser": "Dinas Sosial", "certificate_date": "2023-05-17",
            "functions": ["coordination", "motivation"], "level": "none", "status": "candidate", "effective_on": since,
            "sk_number": null, "sk_date": null, "sk_official": null, "nik_status": "well_formed",
        });
        assert_eq!(row, whole);
        let words: BTreeSet<&str> = Field::ALL.iter().map(|field| field.as_str()).collect();
        assert_eq!(row.as_object().unwrap().keys().map(String::as_str).collect::<BTreeSet<_>>(), words);

        let reply = ask(&regency, &json!({ "format": "csv", "filters": filters })).await.expect(200);
        let name = format!("attachment; filename=\"volunteers-{}.csv\"", today.replace('-', ""));
        assert_eq!(reply.header("content-disposition"), name);
        assert_eq!((reply.header("cache-control"), reply.header("x-content-type-options")), ("no-store", "nosniff"));
        assert_eq!(reply.header("content-language"), "id");
        let (head, rows) = table(&reply, b';');
        assert_eq!((head[1].as_str(), head[5].as_str(), head[6].as_str()), ("NIK", "Tanggal Lahir", "Jenis Kelamin"));
        let row = find(rows);
        assert_eq!(
            &row[1..8],
            ["************0001", "Siti Aminah", "'0012", "Mukomuko", "1995-08-05", "Perempuan", "Jl. Merdeka 1; RT 2"]
        );
        assert_eq!(
            (row[at(Field::Phone)].as_str(), row[at(Field::Functions)].as_str()),
            ("'+6281200009999", "coordination, motivation")
        );
        assert_eq!((row[at(Field::Status)].as_str(), row[at(Field::Level)].as_str()), ("Calon", "Belum"));

        let english = json!({ "format": "csv", "filters": filters, "delimiter": "comma" });
        let reply = ask(&regency, &english).header("accept-language", "en").await.expect(200);
        let (head, rows) = table(&reply, b',');
        assert_eq!((head[5].as_str(), reply.header("content-language")), ("Date of Birth", "en"));
        assert_eq!(find(rows)[at(Field::Status)], "candidate");

        let rows = cells(&ask(&regency, &json!({ "format": "xlsx", "filters": filters })).await.expect(200));
        assert_eq!(rows[0][at(Field::Sex)], Data::String("Jenis Kelamin".to_owned()));
        let row = rows.iter().find(|row| row[0] == Data::String(id.clone())).unwrap();
        let text = |field| row[at(field)].to_string();
        assert_eq!((text(Field::MemberNumber), text(Field::Phone)), ("0012".to_owned(), "+6281200009999".to_owned()));
        assert!(matches!(row[at(Field::MemberNumber)], Data::String(_)), "a number with zeros became one without");
        let Data::DateTime(born) = &row[at(Field::BirthDate)] else { panic!("{:?}", row[at(Field::BirthDate)]) };
        assert_eq!(born.to_ymd_hms_milli(), (1995, 8, 5, 0, 0, 0, 0));
        assert_eq!((&row[at(Field::AppointedYear)], &row[at(Field::SkNumber)]), (&Data::Float(2020.0), &Data::Empty));
    });
}

#[test]
fn no_text_of_a_volunteer_is_a_formula_and_each_is_read_back() {
    run(async |app| {
        let regency = app.regency().await;
        let evil = [
            "=HYPERLINK(\"http://evil.example\")",
            "+1+1",
            "-2+3",
            "@SUM(A1)",
            "'=1",
            "''+1",
            "'Aisyah",
            "=cmd|' /C calc'!A0",
            "0012",
            "1706024508950001",
            "1/2/2023",
            "12-05",
            "1E5",
            "Siti; \"Aminah\", S.Sos.",
            "\u{ff1d}1+1",
            "Siti,=cmd|' /C calc'!A0,x",
            "Siti; \"=1+1\"",
            "Siti|@SUM(A1)",
            "Siti\",'=1",
        ];
        for text in evil {
            let new = json!({ "village_code": KOTO_JAYA, "name": text, "nik_status": "none", "member_number": text,
                "birth_date": "1960-02-29", "address": format!("{text}\r\n{text}"), "occupation": text,
                "override_duplicate": { "reason": "namesakes" } });
            regency.post("/v1/volunteers", new).await.expect(201);
        }
        let filters = json!({ "region": KOTO_JAYA, "status": ["candidate"] });
        let stored: BTreeSet<String> = evil.iter().map(|text| (*text).to_owned()).collect();
        let (_, rows) = table(&ask(&regency, &json!({ "format": "csv", "filters": filters })).await.expect(200), b';');
        let mut found = BTreeSet::new();
        for row in &rows {
            for cell in row {
                assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\u{ff1d}']), "{cell}");
            }
            let [name, number, job] =
                [Field::Name, Field::MemberNumber, Field::Occupation].map(|field| unguard(&row[at(field)]));
            assert!((name == number && name == job) || !stored.contains(&*name), "{row:?}");
            if stored.contains(&*name) {
                assert_eq!(unguard(&row[at(Field::Address)]), format!("{name}\r\n{name}"));
                found.insert(name.into_owned());
            }
        }
        assert_eq!(found, stored);
        // whatever whoever opens it takes for the delimiter, and whether it reads quotes or not
        for written in ["semicolon", "comma"] {
            let body = json!({ "format": "csv", "filters": filters, "delimiter": written });
            let reply = ask(&regency, &body).await.expect(200);
            let text = reply.bytes.strip_prefix(b"\xef\xbb\xbf").unwrap();
            for (delimiter, quoting) in
                [(b';', true), (b',', true), (b'|', true), (b'\t', true), (b';', false), (b',', false)]
            {
                let mut reader =
                    csv::ReaderBuilder::new().delimiter(delimiter).quoting(quoting).flexible(true).from_reader(text);
                for cell in reader.records().flat_map(|row| row.unwrap().iter().map(str::to_owned).collect::<Vec<_>>())
                {
                    let begin = cell.trim_start_matches([' ', '"']);
                    assert!(
                        !begin.starts_with(['=', '+', '-', '@', '\u{ff1d}']),
                        "{written} {delimiter} {quoting}: {cell}"
                    );
                }
            }
        }
        let rows = cells(&ask(&regency, &json!({ "format": "xlsx", "filters": filters })).await.expect(200));
        let column = rows.iter().map(|row| row[at(Field::Name)].clone());
        let named: BTreeSet<String> =
            column.filter_map(|cell| if let Data::String(text) = cell { Some(text) } else { None }).collect();
        assert!(stored.is_subset(&named), "{named:?}");
    });
}

/// The newest audit events of the action.
async fn audited(app: &TestApp) -> Vec<String> {
    app.texts(
        "SELECT concat_ws(' ', acting_user, purpose, cardinality(person_ids), array_to_string(fields, ',')) FROM audit_events
         WHERE action = 'volunteer.export' AND outcome = 'allowed' ORDER BY at, id",
    )
    .await
}

#[test]
fn a_nik_is_in_full_only_for_who_may_reveal_it_and_says_why() {
    run(async |app| {
        let regency = app.regency().await;
        app.village().await.post("/v1/volunteers", siti()).await.expect(201);
        let filters = json!({ "region": KOTO_JAYA, "status": ["candidate"] });
        for format in ["csv", "xlsx", "ndjson"] {
            let reply = ask(&regency, &json!({ "format": format, "filters": filters })).await.expect(200);
            let text = if format == "xlsx" { format!("{:?}", cells(&reply)) } else { reply.text };
            assert!(text.contains("************0001") && !text.contains(NIK), "{format}");
        }
        let masked = audited(app).await;
        assert_eq!(masked.len(), 3);
        assert!(masked[0].starts_with("staf-0017 ") && masked[0].ends_with("nik_last_four"), "{masked:?}");
        assert!(!masked[0].contains("legal_duty"));

        let full =
            |format: &str| json!({ "format": format, "filters": filters, "nik": "full", "purpose": "legal_duty" });
        let reply = ask(&regency, &full("csv")).await.expect(200);
        let (_, rows) = table(&reply, b';');
        assert!(rows.iter().any(|row| row[at(Field::Nik)] == format!("'{NIK}")));
        let rows = cells(&ask(&regency, &full("xlsx")).await.expect(200));
        assert!(rows.iter().any(|row| row[at(Field::Nik)] == Data::String(NIK.to_owned())), "not as text");
        let rows = lines(&ask(&regency, &full("ndjson")).await.expect(200));
        assert!(rows.iter().any(|row| row["nik"] == NIK));
        for event in &audited(app).await[3..] {
            assert!(event.starts_with("staf-0017 legal_duty ") && event.ends_with(",nik"), "{event}");
        }

        let mut body = full("csv");
        body.as_object_mut().unwrap().remove("purpose");
        ask(&regency, &body).await.problem(422, "rule_broken").blames("/purpose", "required");
        let aimless = json!({ "format": "csv", "purpose": "legal_duty" });
        ask(&regency, &aimless).await.problem(422, "rule_broken").blames("/purpose", "not_needed");
        let plain = with_scopes(app, &["imports:write", "volunteers:read"]).await;
        let refused = ask(&plain, &full("csv")).await.problem(403, "forbidden");
        assert!(refused.header("www-authenticate").contains("identity:reveal"));
        let token = regency.ask_token(&[]).await.expect(200).json["access_token"].as_str().unwrap().to_owned();
        ask(&regency.with_token(&token), &json!({ "format": "csv" })).await.problem(403, "acting_user_required");
        assert_eq!(audited(app).await.len(), 6, "refused and recorded as done");
    });
}

/// Refuses to record more pages of an export than so many.
async fn refuse_records(app: &TestApp, after: u32) {
    app.sql(&format!(
        "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
             IF NEW.action = 'volunteer.export'
                 AND (SELECT count(*) FROM audit_events WHERE request_id = NEW.request_id) >= {after} THEN
                 RAISE EXCEPTION 'no more';
             END IF; RETURN NEW; END $$;
         CREATE OR REPLACE TRIGGER refuse BEFORE INSERT ON audit_events FOR EACH ROW EXECUTE FUNCTION refuse();"
    ))
    .await;
}

#[test]
fn nobody_is_in_a_file_who_is_not_recorded_before() {
    run(async |app| {
        let regency = app.regency().await;
        crowd(app, &regency, 1500).await;
        refuse_records(app, 1).await;
        // the second page is neither recorded nor sent, and the end is missing
        for format in ["csv", "ndjson"] {
            let response = open(&regency, &json!({ "format": format })).send().await.unwrap();
            assert_eq!(response.status(), 200);
            let request = response.headers()["x-request-id"].to_str().unwrap().to_owned();
            let (bytes, whole) = drain(response).await;
            let rows = bytes.split(|b| *b == b'\n').count();
            assert!(!whole && (1000..1010).contains(&rows), "{format}: {rows} rows, whole: {whole}");
            let recorded =
                format!("SELECT sum(cardinality(person_ids)) FROM audit_events WHERE request_id = '{request}'");
            assert_eq!(app.number(&recorded).await, 1000);
        }
        // a workbook that is not whole is not begun
        ask(&regency, &json!({ "format": "xlsx" })).await.problem(503, "unavailable");
        refuse_records(app, 0).await;
        ask(&regency, &json!({ "format": "csv" })).await.problem(503, "unavailable");
    });
}

fn open(client: &Client<'_>, body: &Value) -> reqwest::RequestBuilder {
    let url = format!("{}{EXPORT}", client.app.base);
    client.app.http.post(url).bearer_auth(client.token.as_ref().unwrap()).json(body)
}

/// All that comes of an answer, and whether it ended as an answer ends.
async fn take(client: &Client<'_>, body: &Value) -> (Vec<u8>, bool) {
    let response = open(client, body).send().await.unwrap();
    assert_eq!(response.status(), 200);
    drain(response).await
}

async fn drain(mut response: reqwest::Response) -> (Vec<u8>, bool) {
    let mut bytes = vec![];
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            end => return (bytes, end.is_ok()),
        }
    }
}

#[test]
fn a_long_register_comes_whole_and_a_page_at_a_time() {
    run(async |app| {
        let regency = app.regency().await;
        crowd(app, &regency, 3100).await;
        let expected = app.texts("SELECT id FROM volunteers WHERE regency_code = '17.06' ORDER BY id").await;
        assert!(expected.len() > 3100);
        let pages = i64::try_from(expected.len().div_ceil(1000)).unwrap();
        for format in ["csv", "ndjson", "xlsx"] {
            let mut reply = None;
            let ran = app
                .statements_of(async || reply = Some(ask(&regency, &json!({ "format": format })).await.expect(200)))
                .await;
            let reply = reply.unwrap();
            let found: Vec<String> = match format {
                "csv" => table(&reply, b';').1.into_iter().map(|row| row[0].clone()).collect(),
                "xlsx" => cells(&reply).into_iter().skip(1).map(|row| row[0].to_string()).collect(),
                _ => ids(&lines(&reply)),
            };
            assert_eq!(found, expected, "{format}");
            // so many rows at a time, whatever the length
            let calls =
                |words: &str| ran.iter().filter(|one| one.query.contains(words)).map(|one| one.calls).sum::<i64>();
            assert_eq!((calls("JOIN \"volunteer_people\""), calls("audit_events")), (pages, pages), "{ran:#?}");
            let events = format!("FROM audit_events WHERE request_id = '{}'", reply.header("x-request-id"));
            assert_eq!(app.number(&format!("SELECT max(cardinality(person_ids)) {events}")).await, 1000);
            let recorded =
                format!("SELECT count(DISTINCT person) FROM (SELECT unnest(person_ids) AS person {events}) shown");
            assert_eq!(usize::try_from(app.number(&recorded).await).unwrap(), expected.len());
        }
    });
}

/// More than the buffers between the two ends hold.
const MANY: u32 = 20_000;

#[test]
fn who_reads_slowly_holds_no_connection_and_a_database_that_fails_shows() {
    run(async |app| {
        let (regency, ministry) = (app.regency().await, app.ministry().await);
        crowd(app, &regency, MANY).await;
        let body = json!({ "format": "ndjson" });
        let mut slow = vec![];
        // more of them than there are connections for exports
        for _ in 0..4 {
            let response = open(&regency, &body).send().await.unwrap();
            assert_eq!(response.status(), 200);
            slow.push(response);
        }
        let working = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle' AND application_name LIKE 'simpul-%'";
        let begun = Instant::now();
        while app.number(working).await > 0 {
            assert!(begun.elapsed() < Duration::from_secs(30), "an export works on although nobody reads");
        }
        ministry.get("/v1/statistics/volunteers?region=17.06").await.expect(200);
        // there is no room for more, and whoever asks is told before the first byte
        let small = json!({ "format": "csv", "filters": { "region": "17.06.02.1009" } });
        let refused = ask(&regency, &small).await.problem(503, "unavailable");
        assert_eq!(refused.header("retry-after"), "30");
        // one is read to its end
        let (bytes, whole) = drain(slow.pop().unwrap()).await;
        room_for(app, 1).await;
        ask(&regency, &small).await.expect(200);
        let all = app.number("SELECT count(*) FROM volunteers WHERE regency_code = '17.06'").await;
        assert!(whole && bytes.split(|b| *b == b'\n').count() - 1 == usize::try_from(all).unwrap());
        // one whose client is cut off meanwhile
        let agency = &regency.agency;
        let etag = ministry.get(&format!("/v1/agencies/{agency}")).await.header("etag").to_owned();
        ministry.act(&format!("/v1/agencies/{agency}/suspend"), &etag, json!({})).await.expect(200);
        within_a_second(async || regency.get("/v1/me").await.status == 401).await;
        let (bytes, whole) = drain(slow.pop().unwrap()).await;
        assert!(!whole && !bytes.is_empty(), "{} bytes after the agency was suspended", bytes.len());
        let etag = ministry.get(&format!("/v1/agencies/{agency}")).await.header("etag").to_owned();
        ministry.act(&format!("/v1/agencies/{agency}/reactivate"), &etag, json!({})).await.expect(200);
        within_a_second(async || regency.with_token(&fresh(&regency).await).get("/v1/me").await.status == 200).await;
        // one whose database fails
        app.sql("ALTER TABLE volunteers RENAME TO gone").await;
        let (bytes, whole) = drain(slow.pop().unwrap()).await;
        assert!(!whole && !bytes.is_empty(), "{} bytes of a table that is gone", bytes.len());
        app.sql("ALTER TABLE gone RENAME TO volunteers").await;
        // and one that nobody reads, which ends
        room_for(app, 3).await;
        app.pass(TimeDelta::minutes(1));
        room_for(app, 4).await;
        let (bytes, whole) = drain(slow.pop().unwrap()).await;
        assert!(!whole && !bytes.is_empty(), "{} bytes that nobody read in time", bytes.len());
    });
}

/// Waits until so many more exports may begin.
async fn room_for(app: &TestApp, many: usize) {
    let begun = Instant::now();
    while app.running().app.exports.available_permits() != many {
        assert!(begun.elapsed() < Duration::from_secs(30), "an export that has ended keeps its place");
        tokio::task::yield_now().await;
    }
}

#[test]
fn two_workbooks_are_made_at_a_time_and_an_export_ends_after_an_hour() {
    run(async |app| {
        let regency = app.regency().await;
        let held = app.running().app.workbooks.clone().try_acquire_many_owned(2).unwrap();
        let refused = ask(&regency, &json!({ "format": "xlsx" })).await.problem(503, "unavailable");
        assert_eq!(refused.header("retry-after"), "30");
        ask(&regency, &json!({ "format": "csv" })).await.expect(200);
        drop(held);
        ask(&regency, &json!({ "format": "xlsx" })).await.expect(200);
        room_for(app, 4).await;
        crowd(app, &regency, 1500).await;
        // while a page waits for the database an hour passes: not even a new token lets it go on
        for format in ["ndjson", "xlsx"] {
            let regency = regency.with_token(&fresh(&regency).await);
            let mut locked = app.connect().await;
            let lock = "BEGIN; LOCK TABLE audit_events IN SHARE MODE";
            diesel_async::SimpleAsyncConnection::batch_execute(&mut locked, lock).await.unwrap();
            let waits = async {
                let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
                while app.number(waiting).await == 0 {}
                app.pass(TimeDelta::hours(1));
                diesel_async::SimpleAsyncConnection::batch_execute(&mut locked, "COMMIT").await.unwrap();
            };
            let body = json!({ "format": format });
            let (answer, ()) = join(open(&regency, &body).send(), waits).await;
            let answer = answer.unwrap();
            if format == "xlsx" {
                assert_eq!(answer.status(), 503, "a workbook that took an hour was sent");
            } else {
                assert!(!drain(answer).await.1, "an export went on after an hour");
            }
            room_for(app, 4).await;
        }
    });
}

/// The connections for slow reads are few, and others use them as well.
#[test]
fn a_busy_database_does_not_break_an_export_off() {
    run(async |app| {
        let (regency, ministry) = (app.regency().await, app.ministry().await);
        crowd(app, &regency, MANY).await;
        let mut response = open(&regency, &json!({ "format": "ndjson" })).send().await.unwrap();
        assert_eq!(response.status(), 200);
        let begin = response.chunk().await.unwrap().unwrap();
        // until nobody reads on
        let working = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle' AND application_name LIKE 'simpul-%'";
        while app.number(working).await > 0 {}
        let (go, may) = tokio::sync::oneshot::channel();
        let mut locked = app.connect().await;
        let lock = "BEGIN; LOCK TABLE volunteer_people IN ACCESS EXCLUSIVE MODE";
        diesel_async::SimpleAsyncConnection::batch_execute(&mut locked, lock).await.unwrap();
        let slow = || ministry.get("/v1/volunteers?age_band=60%2B");
        let others = async {
            let busy = async {
                let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'simpul-reports' AND wait_event_type = 'Lock'";
                while app.number(waiting).await < 2 {}
                go.send(()).unwrap();
                // each of these waits a second for a connection that is not there
                for _ in 0..2 {
                    slow().await.problem(503, "unavailable");
                }
                diesel_async::SimpleAsyncConnection::batch_execute(&mut locked, "COMMIT").await.unwrap();
            };
            let (one, other, ()) = join3(slow().settled(), slow().settled(), busy).await;
            assert_eq!((one.status, other.status), (200, 200));
        };
        let rest = async {
            may.await.unwrap();
            drain(response).await
        };
        let ((bytes, whole), ()) = join(rest, others).await;
        let all = app.number("SELECT count(*) FROM volunteers WHERE regency_code = '17.06'").await;
        assert!(whole, "broken off after {} bytes", begin.len() + bytes.len());
        let rows = [begin.to_vec(), bytes].concat().split(|byte| *byte == b'\n').count() - 1;
        assert_eq!(i64::try_from(rows).unwrap(), all);
    });
}

#[test]
fn niks_in_exports_are_counted_by_person_and_masked_ones_not_at_all() {
    let few = |config: &mut Config| {
        let rates = &mut config.settings.rates;
        (rates.reveals, rates.exported_niks) = (Rate::an_hour(1), Rate::a_day(5));
    };
    run_with(few, async |app| {
        let regency = app.regency().await;
        app.village().await.post("/v1/volunteers", siti()).await.expect(201);
        let without = json!({ "village_code": KOTO_JAYA, "name": "Warga", "nik_status": "none" });
        app.village().await.post("/v1/volunteers", without).await.expect(201);
        for _ in 0..3 {
            let masked = ask(&regency, &json!({ "format": "csv" })).await.expect(200);
            let told = masked.header("ratelimit-policy");
            assert!(!told.contains("reveals") && !told.contains("niks"), "{told}");
        }
        let niks = |region: &str| {
            format!(
                "SELECT count(*) FROM volunteers v JOIN volunteer_people p ON p.volunteer_id = v.id
                 WHERE p.nik IS NOT NULL AND v.status = 'candidate' AND v.village_code = '{region}'"
            )
        };
        let one = app.number(&niks(KOTO_JAYA)).await;
        assert_eq!(one, 1, "the demo has others there");
        let full =
            |filters: Value| json!({ "format": "ndjson", "filters": filters, "nik": "full", "purpose": "legal_duty" });
        let here = json!({ "region": KOTO_JAYA, "status": ["candidate"] });
        for left in (0..5).rev() {
            let reply = ask(&regency, &full(here.clone())).await.expect(200);
            assert!(lines(&reply).len() > 1 && reply.text.contains(NIK));
            assert!(reply.header("ratelimit-policy").ends_with("\"exported-niks\";q=5;w=86400"));
            let told = reply.header("ratelimit");
            assert!(told.contains(&format!("\"exported-niks\";r={left};")) && !told.contains("reveals"), "{told}");
        }
        let spent = ask(&regency, &full(here.clone())).await.problem(429, "budget_spent");
        let wait: i64 = spent.header("retry-after").parse().unwrap();
        assert!((1..=86_400 / 5).contains(&wait), "{wait}");
        // more than a day ever holds is another matter: no waiting helps
        let refused = ask(&regency, &full(json!({}))).await.problem(422, "rule_broken");
        refused.blames("/filters", "too_many");
        ask(&regency, &full(json!({ "region": "15.01" }))).await.expect(200);
        ask(&regency, &json!({ "format": "csv" })).await.expect(200);
        app.pass(TimeDelta::seconds(wait));
        let regency = app.regency().await;
        ask(&regency, &full(here)).await.expect(200);
    });
}

async fn fresh(client: &Client<'_>) -> String {
    client.ask_token(&[("acting_user", "staf-0017")]).await.json["access_token"].as_str().unwrap_or_default().to_owned()
}

/// Files of a directory that this process has open, with and without a name.
fn open_files(dir: &Path) -> usize {
    let links =
        std::fs::read_dir("/proc/self/fd").unwrap().flatten().filter_map(|fd| std::fs::read_link(fd.path()).ok());
    links.filter(|file| file.starts_with(dir)).count()
}

#[test]
#[cfg(target_os = "linux")]
fn a_workbook_goes_with_who_asked_for_it() {
    let dir = std::env::temp_dir().join(format!("simpul-exports-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let named = || std::fs::read_dir(&dir).unwrap().count();
    run_with(
        |config| config.settings.temp_dir.clone_from(&dir),
        async |app| {
            let regency = app.regency().await;
            crowd(app, &regency, 3000).await;
            let body = json!({ "format": "xlsx" });
            let appears = async || {
                while open_files(&dir) == 0 {
                    tokio::task::yield_now().await;
                }
            };
            let request = open(&regency, &body).send();
            tokio::select! { biased; () = appears() => {}, _ = request => panic!("answered without a file") }
            assert_eq!(named(), 0, "a file with a name is left behind when the service is killed");
            let begun = Instant::now();
            while open_files(&dir) > 0 {
                assert!(begun.elapsed() < Duration::from_mins(1), "still open after its client has gone");
                tokio::task::yield_now().await;
            }
            // and to its end
            assert!(take(&regency, &body).await.1);
            let begun = Instant::now();
            while open_files(&dir) > 0 {
                assert!(begun.elapsed() < Duration::from_mins(1), "still open after it was sent");
                tokio::task::yield_now().await;
            }
            assert_eq!(named(), 0);
        },
    );
    std::fs::remove_dir(&dir).unwrap();
}

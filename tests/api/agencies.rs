//! The registry of agencies, and who a token is.
use crate::support::{Client, run, within_a_second};
use serde_json::{Value, json};
use uuid::Uuid;

fn branch(name: &str) -> Value {
    json!({ "kind": "health_facility", "name": name, "region_codes": ["1706"], "scopes": ["referrals:read", "referrals:handle"] })
}

#[test]
fn every_role_is_told_who_it_is() {
    run(async |app| {
        for (role, client) in app.roles().await {
            let reply = client.get("/v1/me").await;
            if role == "nobody" {
                reply.problem(401, "unauthenticated");
                continue;
            }
            let me = reply.expect(200).json;
            let credential = client.credential.as_ref().unwrap();
            assert_eq!(me["client_id"], credential.client_id.as_str());
            assert_eq!(me["agency_name"], credential.agency.as_str());
            assert_eq!(me["region_codes"][0], serde_json::to_value(&credential.region).unwrap(), "{role}");
            assert_eq!(me["scopes"], serde_json::to_value(&credential.scopes).unwrap());
        }
    });
}

#[test]
fn a_repeated_create_registers_once() {
    run(async |app| {
        let ministry = app.ministry().await;
        let first = ministry.post("/v1/agencies", branch("RSUD Mukomuko")).key("k-1").await.expect(201);
        assert_eq!(first.json["region_codes"], json!(["17.06"]));
        assert_eq!(first.header("location"), format!("{}/v1/agencies/{}", app.base, first.id()));

        let again = ministry.post("/v1/agencies", branch("RSUD Mukomuko")).key("k-1").await.expect(201);
        assert_eq!(again.header("idempotency-replayed"), "true");
        assert_eq!((again.text, again.headers["etag"].clone()), (first.text.clone(), first.headers["etag"].clone()));
        // quoted, as the draft RFC writes it, it is the same key
        ministry.post("/v1/agencies", branch("RSUD Mukomuko")).key("\"k-1\"").await.expect(201);
        ministry.post("/v1/agencies", branch("Puskesmas")).key("k-1").await.problem(422, "idempotency_key_reused");
        assert_eq!(app.number("SELECT count(*) FROM agencies WHERE kind = 'health_facility'").await, 1);
        // another client's key is another key
        app.province().await.post("/v1/agencies", branch("RSUD Mukomuko")).key("k-1").await.problem(403, "forbidden");
        // a key is good for a week
        app.pass(chrono::TimeDelta::days(8));
        let ministry = app.ministry().await;
        ministry.post("/v1/agencies", branch("Puskesmas")).key("k-1").await.expect(201);
    });
}

#[test]
fn an_id_of_the_client_makes_a_create_repeatable_without_a_key() {
    run(async |app| {
        let ministry = app.ministry().await;
        let mut new = branch("RSUD Mukomuko");
        new["id"] = json!(Uuid::now_v7());
        let first = ministry.post("/v1/agencies", new.clone()).await.expect(201);
        let again = ministry.post("/v1/agencies", new.clone()).await.expect(200);
        assert_eq!(first.json, again.json);
        new["name"] = json!("Another");
        ministry.post("/v1/agencies", new.clone()).await.problem(409, "id_taken");
        // the id that stands for every malformed one must never exist
        for impossible in [Uuid::max(), Uuid::nil()] {
            new["id"] = json!(impossible);
            ministry.post("/v1/agencies", new.clone()).await.problem(400, "malformed").blames("/id", "id_malformed");
        }
    });
}

#[test]
fn fifty_creates_at_once_make_one() {
    run(async |app| {
        let ministry = app.ministry().await;
        for _ in 0..crate::support::rounds(20) {
            let (id, key) = (Uuid::now_v7(), Uuid::now_v7().to_string());
            let mut new = branch("RSUD");
            new["id"] = json!(id);
            let one_key = (0..25).map(|_| ministry.post("/v1/agencies", new.clone()).key(&key).settled());
            let own_keys = (0..25).map(|_| ministry.post("/v1/agencies", new.clone()).settled());
            let replies = futures_util::future::join_all(one_key.chain(own_keys)).await;
            let first = replies.iter().filter(|r| r.status == 201 && r.header("idempotency-replayed").is_empty());
            assert_eq!(first.count(), 1);
            for reply in &replies {
                // an id that another transaction is inserting is taken
                assert!(matches!(reply.status, 200 | 201) || reply.code() == "id_taken", "{reply:?}");
            }
            assert_eq!(app.number(&format!("SELECT count(*) FROM agencies WHERE id = '{id}'")).await, 1);
            assert_eq!(
                app.number(&format!("SELECT count(*) FROM audit_events WHERE '{id}' = ANY(subject_ids)")).await,
                1
            );
            assert_eq!(app.number(&format!("SELECT count(*) FROM changes WHERE entity_id = '{id}'")).await, 1);
        }
    });
}

#[test]
fn a_government_is_registered_once_with_its_one_region() {
    run(async |app| {
        let ministry = app.ministry().await;
        let new =
            |kind: &str, regions: Value| json!({ "kind": kind, "name": "X", "region_codes": regions, "scopes": [] });
        let post = |body| ministry.post("/v1/agencies", body);
        post(new("dinsos_regency", json!(["17.06"]))).await.problem(409, "agency_exists");
        post(new("dinsos_regency", json!(["17.07"]))).await.expect(201);
        post(new("dinsos_regency", json!(["17"])))
            .await
            .problem(422, "rule_broken")
            .blames("/region_codes", "jurisdiction_wrong");
        post(new("dinsos_province", json!([]))).await.problem(422, "rule_broken");
        post(new("ministry", json!(["17"]))).await.problem(422, "rule_broken");
        post(new("other", json!(["17.06", "17.98"])))
            .await
            .problem(422, "rule_broken")
            .blames("/region_codes/1", "region_unknown");
        post(new("other", json!(["91.01.01"])))
            .await
            .problem(422, "rule_broken")
            .blames("/region_codes/0", "region_unknown");
        post(new("other", json!(["17x"])))
            .await
            .problem(400, "malformed")
            .blames("/region_codes/0", "region_code_malformed");
        let mut child = new("bpjs_kesehatan", json!(["17.01"]));
        child["parent_id"] = json!(Uuid::now_v7());
        post(child.clone()).await.problem(422, "rule_broken").blames("/parent_id", "parent_unknown");
        child["parent_id"] = json!(app.agency("BPJS Kesehatan").await);
        post(child).await.expect(201);
    });
}

#[test]
fn bad_input_is_named_where_it_is_and_never_echoed() {
    run(async |app| {
        let ministry = app.ministry().await;
        let secret = "1706024508950001";
        let post = |body: &str| ministry.post("/v1/agencies", json!({})).raw(body.as_bytes());
        let cases = [
            (format!(r#"{{"kind":"{secret}"}}"#), 400, "/kind", "unknown_value"),
            (format!(r#"{{"kind":"other","name":{secret}}}"#), 400, "/name", "wrong_type"),
            (r#"{"kind":"other","name":" ","scopes":[]}"#.to_owned(), 400, "/name", "required"),
            (r#"{"kind":"other","name":"a\u0000b","scopes":[]}"#.to_owned(), 400, "/name", "invalid_character"),
            (format!(r#"{{"kind":"other","name":"{}","scopes":[]}}"#, "x".repeat(201)), 400, "/name", "too_long"),
            (r#"{"kind":"other","name":"a"}"#.to_owned(), 400, "/scopes", "required"),
            (format!(r#"{{"kind":"other","name":"a","scopes":[],"nik":"{secret}"}}"#), 400, "/nik", "unknown_field"),
            (format!(r#"{{"kind":"other","name":"a","scopes":[],"{secret}":1}}"#), 400, "", "unknown_field"),
            (r#"{"kind":"other","kind":"other","name":"a","scopes":[]}"#.to_owned(), 400, "/kind", "duplicate_field"),
            (format!(r#"{{"kind":"other","name":"a","scopes":["{secret}"]}}"#), 400, "/scopes/0", "unknown_value"),
            (format!("[\"{secret}\"]"), 400, "", "object_expected"),
            (format!("{{\"{secret}"), 400, "", "json_syntax"),
            (String::new(), 400, "", "object_expected"),
        ];
        for (body, status, place, code) in cases {
            let reply = post(&body).await.problem(status, "malformed").blames(place, code);
            assert!(!reply.text.contains(secret), "{}", reply.text);
        }
        post("{}").header("content-type", "text/plain").await.problem(415, "unsupported_media_type");
        post("{}").without("content-type").await.problem(415, "unsupported_media_type");
        post("{}")
            .without("idempotency-key")
            .await
            .problem(400, "idempotency_key_missing")
            .blames("Idempotency-Key", "required");
        post("{}").key(&"k".repeat(129)).await.problem(400, "malformed").blames("Idempotency-Key", "malformed");
        post("{}").and_header("idempotency-key", "second").await.problem(400, "malformed");
        post(&format!(r#"{{"name":"{}"}}"#, "x".repeat(70_000))).await.problem(413, "body_too_large");
        ministry
            .get("/v1/agencies?kind=1706024508950001")
            .await
            .problem(400, "malformed")
            .blames("?kind", "unknown_value");
        ministry
            .get("/v1/agencies?nik=1706024508950001")
            .await
            .problem(400, "malformed")
            .blames("?nik", "unknown_field");
        ministry
            .get("/v1/agencies?region_code=%00")
            .await
            .problem(400, "malformed")
            .blames("?region_code", "invalid_character");
        ministry.get("/v1/agencies?region_code=17&region_code=15").await.problem(400, "malformed");
    });
}

#[test]
fn a_change_needs_the_version_that_it_is_based_on() {
    run(async |app| {
        let ministry = app.ministry().await;
        let made = ministry.post("/v1/agencies", branch("RSUD")).await.expect(201);
        let path = format!("/v1/agencies/{}", made.id());
        let read = ministry.get(&path).await.expect(200);
        let etag = read.header("etag").to_owned();
        assert_eq!(etag, made.header("etag"));
        ministry.get(&path).header("if-none-match", &etag).await.expect(304);
        ministry.get(&path).header("if-none-match", &format!("\"other\", W/{etag}")).await.expect(304);

        let rename = json!({ "name": "RSUD Mukomuko" });
        ministry.patch(&path, &etag, rename.clone()).without("if-match").await.problem(428, "if_match_missing");
        for bad in ["*", "7", "\"x\"", "\"0-a\"", "W/7"] {
            ministry.patch(&path, bad, rename.clone()).await.problem(400, "malformed").blames("If-Match", "malformed");
        }
        ministry
            .patch(&path, &etag, json!({ "name": null }))
            .await
            .problem(400, "malformed")
            .blames("/name", "wrong_type");
        // a compressing proxy makes it weak; the part behind the version does not count
        let changed = ministry.patch(&path, "W/\"1-anything\"", rename.clone()).await.expect(200);
        assert_eq!((&changed.json["name"], &changed.json["version"]), (&json!("RSUD Mukomuko"), &json!(2)));
        let stale = ministry.patch(&path, &etag, rename).await.problem(412, "stale");
        assert_eq!(stale.json["version"], 2);
        ministry.get(&path).header("if-none-match", &etag).await.expect(200);
    });
}

#[test]
fn two_changes_of_one_version_have_one_winner() {
    run(async |app| {
        let ministry = app.ministry().await;
        let id = ministry.post("/v1/agencies", branch("RSUD")).await.expect(201).id();
        let path = format!("/v1/agencies/{id}");
        for _ in 0..crate::support::rounds(100) {
            let etag = ministry.get(&path).await.header("etag").to_owned();
            let rename = |n: u32| ministry.patch(&path, &etag, json!({ "name": format!("RSUD {n}") })).settled();
            let replies = futures_util::future::join_all((0..8).map(rename)).await;
            assert_eq!(replies.iter().filter(|r| r.status == 200).count(), 1);
            assert_eq!(replies.iter().filter(|r| r.code() == "stale").count(), 7);
        }
    });
}

async fn wait_for(client: &Client<'_>, status: u16) {
    within_a_second(async || client.get("/v1/code-lists").await.status == status).await;
}

#[test]
fn a_suspended_agency_is_refused_within_a_second_and_let_in_again() {
    run(async |app| {
        let (ministry, regency) = (app.ministry().await, app.regency().await);
        let path = format!("/v1/agencies/{}", regency.agency);
        let etag = ministry.get(&path).await.header("etag").to_owned();
        let done = ministry.act(&format!("{path}/suspend"), &etag, json!({})).await.expect(200);
        assert_eq!(done.json["state"], "suspended");
        wait_for(&regency, 401).await;
        regency.ask_token(&[]).await.expect(401);
        let late = ministry.act(&format!("{path}/suspend"), done.header("etag"), json!({})).await;
        assert_eq!(late.problem(409, "agency_state_conflict").json["state"], "suspended");

        let etag = done.header("etag").to_owned();
        ministry.act(&format!("{path}/reactivate"), &etag, json!({})).await.expect(200);
        wait_for(&regency, 200).await;

        let own = format!("/v1/agencies/{}", ministry.agency);
        let etag = ministry.get(&own).await.header("etag").to_owned();
        ministry.act(&format!("{own}/suspend"), &etag, json!({})).await.problem(422, "own_agency");
        ministry.patch(&own, &etag, json!({ "scopes": [] })).await.problem(422, "own_agency");
        // whoever is not let in any more is in the record too
        let denied = app.texts("SELECT DISTINCT agency_id || ' ' || detail FROM audit_events WHERE action = 'code_lists.list' AND outcome = 'denied'").await;
        assert_eq!(denied, [format!("{} unauthenticated", regency.agency)]);
    });
}

#[test]
fn scopes_taken_from_an_agency_are_gone_within_a_second() {
    run(async |app| {
        let (ministry, dashboard) = (app.ministry().await, app.dashboard().await);
        assert_eq!(dashboard.get("/v1/me").await.json["scopes"], json!(["statistics:read"]));
        let path = format!("/v1/agencies/{}", dashboard.agency);
        let etag = ministry.get(&path).await.header("etag").to_owned();
        ministry.patch(&path, &etag, json!({ "scopes": ["cases:read"] })).await.expect(200);
        within_a_second(async || dashboard.get("/v1/me").await.json["scopes"] == json!([])).await;
    });
}

#[test]
fn acts_are_recorded_with_who_and_refusals_too() {
    run(async |app| {
        let (ministry, regency) = (app.ministry().await, app.regency().await);
        let made = ministry.post("/v1/agencies", branch("RSUD")).await.expect(201);
        regency.post("/v1/agencies", branch("RSUD")).await.problem(403, "forbidden");
        let rows = app.texts("SELECT concat_ws(' ', action, outcome, acting_user, purpose, cardinality(subject_ids), detail) FROM audit_events WHERE action LIKE 'agency%' ORDER BY at").await;
        assert_eq!(
            rows,
            [
                "agency.create allowed staf-0017 Pelayanan kesejahteraan sosial 1",
                "agency.create denied staf-0017 Pelayanan kesejahteraan sosial 0 forbidden",
            ]
        );
        let request = app
            .texts("SELECT request_id FROM audit_events WHERE action = 'agency.create' AND outcome = 'allowed'")
            .await;
        assert_eq!(request, [made.header("x-request-id")]);
        // deciding takes somebody at the keyboard
        let token = ministry.ask_token(&[]).await.json["access_token"].as_str().unwrap().to_owned();
        ministry.with_token(&token).post("/v1/agencies", branch("RSUD")).await.problem(403, "acting_user_required");
    });
}

#[test]
fn a_renumbered_government_gets_its_new_region() {
    run(async |app| {
        let (ministry, village) = (app.ministry().await, app.village().await);
        let at = format!("/v1/agencies/{}", village.agency);
        let etag = ministry.get(&at).await.expect(200).header("etag").to_owned();
        let to = |code: &str| json!({ "region_codes": [code] });
        ministry.patch(&at, &etag, to("17.06")).await.problem(422, "rule_broken");
        ministry
            .patch(&at, &etag, to("17.06.02.9999"))
            .await
            .problem(422, "rule_broken")
            .blames("/region_codes/0", "region_unknown");
        // of a government that there is
        ministry.patch(&at, &etag, to("17.06.02.1018")).await.problem(409, "agency_exists");
        let seen = async || {
            village.get("/v1/volunteers?region=17.06.02.1009").await.expect(200).json["items"].as_array().unwrap().len()
        };
        let province = app.province().await;
        province
            .post("/v1/volunteers", json!({ "village_code": "17.06.02.1009", "name": crate::support::a_name() }))
            .await
            .expect(201);
        assert_eq!(seen().await, 0);
        let changed = ministry.patch(&at, &etag, to("17.06.02.1009")).await.expect(200);
        assert_eq!(changed.json["region_codes"], json!(["17.06.02.1009"]));
        within_a_second(async || seen().await > 0).await;
    });
}

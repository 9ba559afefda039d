//! Volunteers, from the proposal of a candidate to the end of the service.
use crate::support::{Client, Reply, TestApp, a_name, rounds, run, within_a_second};
use serde_json::{Value, json};
use uuid::Uuid;

const NIK: &str = "1706024508950001";
const OTHER_NIK: &str = "1706027108950001";
const KOTO_JAYA: &str = "17.06.02.1017";
const BANDAR_RATU: &str = "17.06.02.1018";

fn siti(village: &str) -> Value {
    json!({ "village_code": village, "name": "Siti Aminah", "sex": "female", "birth_date": "1995-08-05", "nik": NIK, "phone": "0812 0000 9999" })
}

/// Without a NIK, which may be none.
fn somebody(village: &str) -> Value {
    json!({ "village_code": village, "name": a_name(), "nik_status": "none" })
}

async fn register(client: &Client<'_>, body: Value) -> Reply {
    client.post("/v1/volunteers", body).await.expect(201)
}

fn path(reply: &Reply) -> String {
    format!("/v1/volunteers/{}", reply.id())
}

/// Takes a volunteer one step further.
async fn step(client: &Client<'_>, path: &str, action: &str, body: Value) -> Reply {
    let etag = client.get(path).await.expect(200).header("etag").to_owned();
    client.act(&format!("{path}/{action}"), &etag, body).await
}

fn letter() -> Value {
    json!({ "sk_number": "460/1/DINSOS/2026", "sk_date": "2026-01-05", "sk_official": "Bupati Mukomuko" })
}

async fn active(client: &Client<'_>, village: &str) -> String {
    let path = path(&register(client, somebody(village)).await);
    for (action, body) in [("verify", json!({})), ("select", json!({})), ("activate", letter())] {
        step(client, &path, action, body).await.expect(200);
    }
    path
}

/// The newest audit events of an action.
async fn audited(app: &TestApp, action: &str) -> Vec<String> {
    let sql = format!(
        "SELECT concat_ws(' ', acting_user, purpose, array_to_string(person_ids, ','), array_to_string(fields, ','), detail) FROM audit_events WHERE action = '{action}' ORDER BY at"
    );
    app.texts(&sql).await
}

#[test]
fn a_village_proposes_and_the_regency_sees_the_candidate() {
    run(async |app| {
        let (village, regency) = (app.village().await, app.regency().await);
        let made = register(&village, siti(KOTO_JAYA)).await;
        assert_eq!((&made.json["status"], &made.json["level"]), (&json!("candidate"), &json!("none")));
        assert_eq!(made.header("location"), format!("{}{}", app.base, path(&made)));
        let person = &made.json["person"];
        assert_eq!(person["nik"], "************0001");
        assert_eq!((&person["name"], &person["phone"]), (&json!("Siti Aminah"), &json!("+6281200009999")));
        assert_eq!(made.json["warnings"], json!([]));
        let read = regency.get(&path(&made)).await.expect(200);
        assert_eq!(read.text, made.text);
        regency.get(&path(&made)).header("if-none-match", read.header("etag")).await.expect(304);
        // nothing of the number is stored as it is
        assert_eq!(
            app.number(&format!("SELECT count(*) FROM volunteer_people p WHERE p::text LIKE '%{NIK}%'")).await,
            0
        );
        assert_eq!(
            app.number(&format!("SELECT count(*) FROM idempotency_keys p WHERE p::text LIKE '%{NIK}%'")).await,
            0
        );
        // a village proposes for itself alone
        let elsewhere = village.post("/v1/volunteers", somebody(BANDAR_RATU)).await;
        elsewhere.problem(403, "not_the_authority");
        regency.post("/v1/volunteers", somebody("17.01.01.2001")).await.problem(403, "not_the_authority");
        app.bpjs().await.post("/v1/volunteers", somebody(KOTO_JAYA)).await.problem(403, "forbidden");
        app.phone().await.post("/v1/volunteers", somebody(KOTO_JAYA)).await.problem(403, "forbidden");
    });
}

#[test]
fn each_caller_sees_the_volunteers_of_its_region_and_no_other() {
    run(async |app| {
        let id = register(&app.village().await, siti(KOTO_JAYA)).await.id();
        let paths = ["", "/history", "/postings"].map(|part| format!("/v1/volunteers/{id}{part}"));
        for client in [app.ministry().await, app.province().await, app.regency().await, app.village().await] {
            for path in &paths {
                client.get(path).await.expect(200);
            }
            let list = client.get("/v1/volunteers?region=17.06.02.1017&limit=200").await.expect(200);
            assert!(list.json["items"].as_array().unwrap().iter().any(|item| item["id"] == id.as_str()));
        }
        let missing = "01890000-0000-7000-8000-000000000000";
        for client in
            [app.other_village().await, app.neighbour_regency().await, app.other_regency().await, app.phone().await]
        {
            for path in &paths {
                let foreign = client.get(path).await.problem(404, "not_found");
                let none = client.get(&path.replace(&id, missing)).await;
                assert_eq!(foreign.anonymous(), none.anonymous());
                assert_eq!(client.get(&path.replace(&id, "1706024508950001")).await.anonymous(), none.anonymous());
            }
            let list = client.get("/v1/volunteers?region=17.06.02.1017&limit=200").await.expect(200);
            assert!(list.json["items"].as_array().unwrap().iter().all(|item| item["id"] != id.as_str()));
        }
        for client in [app.bpjs().await, app.dashboard().await] {
            client.get(&paths[0]).await.problem(403, "forbidden");
        }
    });
}

#[test]
fn a_foreign_volunteer_is_a_missing_one_to_every_act() {
    run(async |app| {
        let other = app.other_regency().await;
        let id = register(&app.regency().await, siti(KOTO_JAYA)).await.id();
        let missing = Uuid::now_v7().to_string();
        let acts = [
            ("verify", json!({})),
            ("select", json!({})),
            ("activate", letter()),
            ("deactivate", json!({ "reason": "leave" })),
            ("reactivate", json!({})),
            ("reject", json!({ "reason": "quota_full" })),
            ("resign", json!({ "reason": "own_request" })),
            ("dismiss", json!({ "reason": "misconduct" })),
            ("declare-deceased", json!({})),
            ("reapply", json!({})),
            ("correct", json!({ "reason": "wrong_person" })),
            ("postings", json!({ "village_code": "15.01.01.2001" })),
            ("reveal", json!({ "purpose": "legal_duty" })),
        ];
        for (act, body) in acts {
            let post = async |id: &str| other.act(&format!("/v1/volunteers/{id}/{act}"), "\"1-x\"", body.clone()).await;
            assert_eq!(
                post(&id).await.problem(404, "not_found").anonymous(),
                post(&missing).await.anonymous(),
                "{act}"
            );
        }
        let patch = async |id: &str| other.patch(&format!("/v1/volunteers/{id}"), "\"1-x\"", json!({})).await;
        assert_eq!(patch(&id).await.problem(404, "not_found").anonymous(), patch(&missing).await.anonymous());
    });
}

#[test]
fn a_phone_sees_its_volunteer_and_cannot_decide() {
    run(async |app| {
        let phone = app.phone().await;
        let own = phone.credential.as_ref().unwrap().volunteer_id.clone().unwrap();
        let list = phone.get("/v1/volunteers").header("prefer", "count=exact").await.expect(200);
        assert_eq!((&list.json["total"], &list.json["items"][0]["id"]), (&json!(1), &json!(own)));
        let read = phone.get(&format!("/v1/volunteers/{own}")).await.expect(200);
        assert_eq!((&read.json["village_code"], &read.json["person"]["masked"]), (&json!(KOTO_JAYA), &json!(false)));
        let resign = json!({ "reason": "own_request" });
        phone.act(&format!("/v1/volunteers/{own}/resign"), read.header("etag"), resign).await.problem(403, "forbidden");
        phone
            .post(&format!("/v1/volunteers/{own}/reveal"), json!({ "purpose": "identity_check" }))
            .await
            .problem(403, "forbidden");
    });
}

#[test]
fn who_may_only_propose_sees_initials() {
    run(async |app| {
        let (ministry, village) = (app.ministry().await, app.village().await);
        let agency = format!("/v1/agencies/{}", village.agency);
        let etag = ministry.get(&agency).await.header("etag").to_owned();
        let first = village.post("/v1/volunteers", siti(KOTO_JAYA)).key("k").await.expect(201);
        assert_eq!(first.json["person"]["masked"], false);
        ministry.patch(&agency, &etag, json!({ "scopes": ["volunteers:propose"] })).await.expect(200);
        while village.get("/v1/volunteers").await.status != 403 {}
        let made = register(
            &village,
            json!({ "village_code": KOTO_JAYA, "name": "Budi Hartono", "birth_date": "1990-01-01", "nik": OTHER_NIK }),
        )
        .await;
        let person = &made.json["person"];
        assert_eq!(
            (&person["initials"], &person["age_band"], &person["masked"]),
            (&json!("B. H."), &json!("25-44"), &json!(true))
        );
        assert!(!made.text.contains("Hartono") && !made.text.contains("0001") && !made.text.contains("1990"));
        // what it was shown when it had the right is not shown again
        village.post("/v1/volunteers", siti(KOTO_JAYA)).key("k").await.problem(404, "not_found");
    });
}

#[test]
fn a_nik_registers_once_among_those_who_see_each_other() {
    run(async |app| {
        let (village, regency, province) = (app.village().await, app.regency().await, app.province().await);
        let first = register(&village, siti(KOTO_JAYA)).await;
        for client in [&village, &regency] {
            let again = client.post("/v1/volunteers", siti(KOTO_JAYA)).await.problem(409, "volunteer_exists");
            assert_eq!(again.json["id"], first.id());
        }
        // spaces and dots do not make another number
        let mut spaced = siti("17.01.01.2001");
        spaced["nik"] = json!("17.06.02 450895-0001");
        let again = province.post("/v1/volunteers", spaced.clone()).await.problem(409, "volunteer_exists");
        assert_eq!(again.json["id"], first.id());
        // who cannot see the first learns nothing of it
        let neighbour = app.neighbour_regency().await;
        let disputed = register(&neighbour, spaced.clone()).await;
        let shape = |reply: &Reply| reply.json.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(shape(&disputed), shape(&first));
        assert!(!disputed.text.contains("disputed"));
        let states = app
            .texts("SELECT identity_state FROM volunteer_people WHERE nik_last_four = '0001' ORDER BY volunteer_id")
            .await;
        assert_eq!(states, ["sole", "disputed"]);
        // its own is a duplicate to itself
        let twice = neighbour.post("/v1/volunteers", spaced).await.problem(409, "volunteer_exists");
        assert_eq!(twice.json["id"], disputed.id());
        let found = province
            .post("/v1/volunteers/search", json!({ "nik": NIK, "purpose": "identity_check" }))
            .await
            .expect(200);
        assert_eq!(found.json["items"].as_array().unwrap().len(), 2);
    });
}

#[test]
fn fifty_creates_of_one_nik_make_one_volunteer() {
    run(async |app| {
        let (regency, elsewhere) = (app.regency().await, app.other_regency().await);
        for round in 0..rounds(10) {
            let mut new = siti(KOTO_JAYA);
            (new["nik"], new["name"]) = (json!(format!("170602450895{:04}", 100 + round)), json!(a_name()));
            if round % 2 == 1 {
                // whom nobody here sees has it already
                let mut taken = siti("15.01.01.2001");
                (taken["nik"], taken["name"]) = (new["nik"].clone(), json!(a_name()));
                register(&elsewhere, taken).await;
            }
            let posts = (0..50).map(|_| regency.post("/v1/volunteers", new.clone()).settled());
            let replies = futures_util::future::join_all(posts).await;
            let made: Vec<_> = replies.iter().filter(|reply| reply.status == 201).collect();
            assert_eq!(made.len(), 1);
            let refused = replies.iter().filter(|reply| reply.code() == "volunteer_exists");
            assert_eq!(refused.filter(|reply| reply.json["id"] == made[0].id()).count(), 49);
        }
    });
}

#[test]
fn a_create_with_an_id_of_its_own_is_repeatable() {
    run(async |app| {
        let regency = app.regency().await;
        let mut new = siti(KOTO_JAYA);
        new["id"] = json!(Uuid::now_v7());
        let first = register(&regency, new.clone()).await;
        let again = regency.post("/v1/volunteers", new.clone()).await.expect(200);
        assert_eq!(first.text, again.text);
        new["name"] = json!("Siti A.");
        regency.post("/v1/volunteers", new.clone()).await.problem(409, "id_taken");
        app.other_regency()
            .await
            .post("/v1/volunteers", json!({ "id": new["id"], "village_code": "15.01.01.2001", "name": "X" }))
            .await
            .problem(409, "id_taken");
        for _ in 0..rounds(10) {
            new["id"] = json!(Uuid::now_v7());
            (new["nik"], new["name"]) = (json!(null), json!(a_name()));
            let posts = (0..20).map(|_| regency.post("/v1/volunteers", new.clone()).settled());
            let replies = futures_util::future::join_all(posts).await;
            assert_eq!(replies.iter().filter(|reply| reply.status == 201).count(), 1);
            assert!(replies.iter().all(|reply| matches!(reply.status, 200 | 201) || reply.code() == "id_taken"));
            let id = new["id"].as_str().unwrap();
            assert_eq!(
                app.number(&format!("SELECT count(*) FROM volunteer_history WHERE volunteer_id = '{id}'")).await,
                1
            );
        }
    });
}

#[test]
fn what_is_wrong_is_named_and_never_echoed() {
    run(async |app| {
        let (regency, village) = (app.regency().await, app.village().await);
        let with = |field: &str, value: Value| {
            let mut new = siti(KOTO_JAYA);
            new[field] = value;
            new
        };
        let secret = "1706029999990000";
        for (field, value, code) in [
            ("nik", json!(secret), "nik_malformed"),
            ("nik", json!("1706024508500001x"), "nik_malformed"),
            ("phone", json!(secret), "phone_malformed"),
            ("email", json!("siti"), "email_malformed"),
            ("village_code", json!("17.06.2"), "region_code_malformed"),
            ("birth_date", json!("5 Agustus"), "date_malformed"),
            ("birth_date", json!("-9999-01-01"), "date_malformed"),
            ("certificate_date", json!("+262000-01-01"), "date_malformed"),
            ("appointed_year", json!(1900), "out_of_range"),
            ("sex", json!("x"), "unknown_value"),
            ("status", json!("active"), "unknown_field"),
            ("name", json!("a\u{202e}b"), "invalid_character"),
        ] {
            let reply = regency.post("/v1/volunteers", with(field, value)).await.problem(400, "malformed");
            let reply = reply.blames(&format!("/{field}"), code);
            assert!(!reply.text.contains(secret));
        }
        for (field, value, place, code) in [
            ("village_code", json!("17.06.02"), "/village_code", "village_expected"),
            ("village_code", json!("17.06.02.9999"), "/village_code", "region_unknown"),
            ("functions", json!(["motivation", "singing"]), "/functions/1", "code_unknown"),
            ("nik_status", json!("none"), "/nik_status", "nik_status_wrong"),
            ("birth_date", json!("2015-08-05"), "/birth_date", "too_young"),
            ("birth_date", json!("2095-08-05"), "/birth_date", "too_young"),
            ("certificate_date", json!("2199-01-01"), "/certificate_date", "in_the_future"),
        ] {
            regency.post("/v1/volunteers", with(field, value)).await.problem(422, "rule_broken").blames(place, code);
        }
        village
            .post("/v1/volunteers", with("nik_status", json!("verified")))
            .await
            .problem(422, "rule_broken")
            .blames("/nik_status", "nik_status_reserved");
        // a retired village posts nobody
        let retired = app.texts("SELECT code FROM regions WHERE level = 'village' AND last_listed IS NOT NULL AND province_code = '17' LIMIT 1").await;
        for code in retired {
            app.province()
                .await
                .post("/v1/volunteers", with("village_code", json!(code)))
                .await
                .problem(422, "rule_broken")
                .blames("/village_code", "region_unknown");
        }
        regency.get("/v1/volunteers?status=gone").await.problem(400, "malformed").blames("?status", "unknown_value");
        regency
            .get("/v1/volunteers?nik=1706024508950001")
            .await
            .problem(400, "malformed")
            .blames("?nik", "unknown_field");
    });
}

#[test]
fn a_nik_that_differs_is_a_warning() {
    run(async |app| {
        let regency = app.regency().await;
        let mut new = siti(KOTO_JAYA);
        (new["birth_date"], new["sex"], new["nik"]) = (json!("1995-08-06"), json!("male"), json!("9101014508950001"));
        let made = register(&regency, new).await;
        assert_eq!(made.json["warnings"], json!(["nik_birth_date_differs", "nik_sex_differs"]));
        let fixed = json!({ "birth_date": "1995-08-05", "sex": "female" });
        let changed = regency.patch(&path(&made), made.header("etag"), fixed).await.expect(200);
        assert_eq!(changed.json["warnings"], json!([]));
        let unknown =
            regency.patch(&path(&made), changed.header("etag"), json!({ "nik": "1799994508950001" })).await.expect(200);
        assert_eq!(unknown.json["warnings"], json!(["nik_region_unknown"]));
    });
}

#[test]
fn a_patch_changes_data_and_never_the_state() {
    run(async |app| {
        let (regency, village) = (app.regency().await, app.village().await);
        let made = register(&village, siti(KOTO_JAYA)).await;
        let path = path(&made);
        let change = json!({ "name": "Siti Aminah, S.Sos.", "address": "RT 01\nRW 02", "phone": null, "sex": null, "functions": ["motivation"] });
        village.patch(&path, made.header("etag"), change.clone()).await.problem(403, "forbidden");
        regency
            .patch(&path, made.header("etag"), change.clone())
            .without("if-match")
            .await
            .problem(428, "if_match_missing");
        let changed = regency.patch(&path, made.header("etag"), change.clone()).await.expect(200);
        assert_eq!((&changed.json["version"], &changed.json["sex"]), (&json!(2), &Value::Null));
        let person = &changed.json["person"];
        assert_eq!(
            (&person["phone"], &person["nik"], &person["birth_date"]),
            (&Value::Null, &json!("************0001"), &json!("1995-08-05"))
        );
        let stale = regency.patch(&path, made.header("etag"), change).await.problem(412, "stale");
        assert_eq!((&stale.json["version"], &stale.json["updated_by"]), (&json!(2), &json!(regency.agency)));
        for field in ["status", "level", "village_code", "sk_number"] {
            let refused = regency.patch(&path, changed.header("etag"), json!({ field: "x" })).await;
            refused.problem(400, "malformed").blames(&format!("/{field}"), "unknown_field");
        }
        regency
            .patch(&path, changed.header("etag"), json!({ "name": null }))
            .await
            .problem(400, "malformed")
            .blames("/name", "wrong_type");
        regency
            .patch(&path, changed.header("etag"), json!({ "nik_status": "unknown" }))
            .await
            .problem(422, "rule_broken")
            .blames("/nik_status", "nik_status_wrong");
        let without = regency
            .patch(&path, changed.header("etag"), json!({ "nik": null, "nik_status": "none" }))
            .await
            .expect(200);
        assert_eq!(
            (&without.json["person"]["nik"], &without.json["person"]["nik_status"]),
            (&Value::Null, &json!("none"))
        );
        // the number is free again, and taken by who comes first
        let mut next = siti(KOTO_JAYA);
        next["name"] = json!("Rohana");
        let next = register(&regency, next).await;
        let taken =
            regency.patch(&path, without.header("etag"), json!({ "nik": NIK })).await.problem(409, "volunteer_exists");
        assert_eq!(taken.json["id"], next.id());
        // a number whose holder the caller cannot see is taken in, and marked
        register(&app.other_regency().await, json!({ "village_code": "15.01.01.2001", "name": "X", "nik": OTHER_NIK }))
            .await;
        regency.patch(&path, without.header("etag"), json!({ "nik": OTHER_NIK })).await.expect(200);
        assert_eq!(app.number("SELECT count(*) FROM volunteer_people WHERE identity_state = 'disputed'").await, 1);
    });
}

#[test]
fn a_volunteer_goes_the_whole_way_and_every_step_is_told() {
    run(async |app| {
        let (village, regency, province) = (app.village().await, app.regency().await, app.province().await);
        let path = path(&register(&village, siti(KOTO_JAYA)).await);
        step(&village, &path, "verify", json!({})).await.problem(403, "forbidden");
        let steps = [
            (&regency, "verify", json!({ "note": "KTP dan ijazah lengkap" }), "verified"),
            (&regency, "select", json!({}), "selected"),
            (&regency, "activate", letter(), "active"),
            (&regency, "deactivate", json!({ "reason": "illness" }), "inactive"),
            (&province, "reactivate", json!({}), "active"),
            (&regency, "resign", json!({ "reason": "other", "note": "pindah tugas suami" }), "resigned"),
            (&regency, "correct", json!({ "reason": "entered_by_mistake" }), "active"),
            (&regency, "dismiss", json!({ "reason": "misconduct" }), "dismissed"),
            (&regency, "correct", json!({ "reason": "wrong_person" }), "active"),
            (&regency, "declare-deceased", json!({}), "deceased"),
            (&regency, "correct", json!({ "reason": "wrong_person" }), "active"),
            (&regency, "deactivate", json!({ "reason": "leave" }), "inactive"),
            (&regency, "resign", json!({ "reason": "moved_away" }), "resigned"),
            (&regency, "correct", json!({ "reason": "entered_by_mistake" }), "inactive"),
            (&regency, "resign", json!({ "reason": "moved_away" }), "resigned"),
            (&regency, "reapply", json!({}), "candidate"),
            (&regency, "reject", json!({ "reason": "quota_full" }), "rejected"),
            (&regency, "reapply", json!({}), "candidate"),
        ];
        let mut told = vec!["create - candidate".to_owned()];
        for (client, action, body, to) in steps {
            let from = client.get(&path).await.json["status"].as_str().unwrap().to_owned();
            let done = step(client, &path, action, body).await.expect(200);
            assert_eq!(done.json["status"], to);
            told.push(format!("{action} {from} {to}"));
        }
        let read = regency.get(&path).await.expect(200);
        assert_eq!(read.json["version"], 19);
        assert_eq!(read.json["appointment"]["number"], "460/1/DINSOS/2026");
        let history = regency.get(&format!("{path}/history")).await.expect(200);
        let items = history.json["items"].as_array().unwrap();
        let seen: Vec<String> = items
            .iter()
            .map(|item| {
                format!(
                    "{} {} {}",
                    item["action"].as_str().unwrap(),
                    item["from"].as_str().unwrap_or("-"),
                    item["to"].as_str().unwrap()
                )
            })
            .collect();
        assert_eq!(seen, told);
        assert_eq!(
            (&items[1]["note"], &items[1]["acting_user"]),
            (&json!("KTP dan ijazah lengkap"), &json!("staf-0017"))
        );
        assert_eq!(
            (&items[5]["agency_id"], &items[3]["effective_on"]),
            (&json!(province.agency), &json!("2026-01-05"))
        );
        let id = path.rsplit('/').next().unwrap();
        assert_eq!(
            app.number(&format!("SELECT count(*) FROM changes WHERE entity_id = '{id}' AND version BETWEEN 1 AND 19"))
                .await,
            19
        );
        assert_eq!(audited(app, "volunteer.resign").await[0].rsplit(' ').next(), Some("other"));
        assert_eq!(app.number(&format!("SELECT count(*) FROM audit_events WHERE action = 'volunteer.declare_deceased' AND '{id}' = ANY(subject_ids)")).await, 1);
    });
}

#[test]
fn a_decision_must_fit_the_status_the_version_and_its_reason() {
    run(async |app| {
        let regency = app.regency().await;
        let made = register(&regency, somebody(KOTO_JAYA)).await;
        let (path, etag) = (path(&made), made.header("etag").to_owned());
        let act = |action: &str, body: Value| regency.act(&format!("{path}/{action}"), &etag, body);
        let wrong = act("select", json!({})).await.problem(409, "volunteer_state_conflict");
        assert_eq!((&wrong.json["state"], &wrong.json["by"]), (&json!("candidate"), &json!(regency.agency)));
        assert_eq!(wrong.json["since"], made.json["status_since"]);
        act("correct", json!({ "reason": "wrong_person" })).await.problem(409, "volunteer_state_conflict");
        act("reject", json!({})).await.problem(400, "malformed").blames("/reason", "required");
        act("reject", json!({ "reason": "misconduct" }))
            .await
            .problem(422, "rule_broken")
            .blames("/reason", "code_unknown");
        act("reject", json!({ "reason": "no_such" }))
            .await
            .problem(422, "rule_broken")
            .blames("/reason", "code_unknown");
        act("reject", json!({ "reason": "other" })).await.problem(422, "rule_broken").blames("/note", "required");
        act("verify", json!({ "effective_on": "2199-01-01" }))
            .await
            .problem(422, "rule_broken")
            .blames("/effective_on", "in_the_future");
        act("verify", json!({ "effective_on": "2000-01-01" }))
            .await
            .problem(422, "rule_broken")
            .blames("/effective_on", "before_previous");
        act("verify", json!({})).without("if-match").await.problem(428, "if_match_missing");
        act("verify", json!({})).without("idempotency-key").await.problem(400, "idempotency_key_missing");
        let done = act("verify", json!({})).key("once").await.expect(200);
        let again = act("verify", json!({})).key("once").await.expect(200);
        assert_eq!((again.header("idempotency-replayed"), &again.text), ("true", &done.text));
        // a late mover on what is done: 409, not 412
        act("verify", json!({})).await.problem(409, "volunteer_state_conflict");
        act("select", json!({})).await.problem(412, "stale");
        step(&regency, &path, "select", json!({})).await.expect(200);
        step(&regency, &path, "activate", json!({})).await.problem(400, "malformed").blames("/sk_number", "required");
        let mut future = letter();
        future["sk_date"] = json!("2199-01-01");
        step(&regency, &path, "activate", future).await.problem(422, "rule_broken").blames("/sk_date", "in_the_future");
        // deciding takes somebody at the keyboard
        let token = regency.ask_token(&[]).await.json["access_token"].as_str().unwrap().to_owned();
        step(&regency.with_token(&token), &path, "activate", letter()).await.problem(403, "acting_user_required");
    });
}

#[test]
fn the_database_refuses_what_the_table_of_moves_does_not_list() {
    run(async |app| {
        let url = app.database_url("simpul_service");
        let (mut conn, _driver) = simpul::platform::db::Target::new(&url, None).unwrap().connect().await.unwrap();
        let statuses = [
            "candidate",
            "verified",
            "selected",
            "active",
            "inactive",
            "rejected",
            "resigned",
            "dismissed",
            "deceased",
        ];
        let mut allowed = vec![];
        for from in statuses {
            for to in statuses.iter().filter(|to| **to != from) {
                // As the superuser, past the triggers, a row in the status to begin with.
                let ended = matches!(from, "resigned" | "dismissed" | "deceased");
                let left = if ended { "'active'" } else { "NULL" };
                let begin = format!(
                    "SET session_replication_role = replica; UPDATE volunteers SET status = '{from}', ended_from = {left} WHERE id = (SELECT min(id::text)::uuid FROM volunteers)"
                );
                app.sql(&begin).await;
                let ends = matches!(*to, "resigned" | "dismissed" | "deceased");
                let left = if ends { "'active'" } else { "NULL" };
                let sql = format!(
                    "UPDATE volunteers SET status = '{to}', ended_from = {left} WHERE id = (SELECT min(id::text)::uuid FROM volunteers)"
                );
                use diesel_async::SimpleAsyncConnection;
                if conn.batch_execute(&sql).await.is_ok() {
                    allowed.push((from, *to));
                }
            }
        }
        use simpul::volunteers::rules::{VolunteerAction, VolunteerStatus, next};
        let mut listed = vec![];
        for from in VolunteerStatus::ALL {
            for to in VolunteerStatus::ALL {
                let ended = from.has_ended().then_some(VolunteerStatus::Active);
                if VolunteerAction::ALL.iter().any(|action| next(*from, ended, *action) == Some(*to)) {
                    listed.push((from.as_str(), to.as_str()));
                }
            }
        }
        allowed.sort_unstable();
        listed.sort_unstable();
        assert_eq!(allowed, listed);
    });
}

#[test]
fn many_decide_at_once_and_one_wins() {
    run(async |app| {
        let regency = app.regency().await;
        for _ in 0..rounds(50) {
            let made = register(&regency, somebody(KOTO_JAYA)).await;
            let path = path(&made);
            let etag = made.header("etag").to_owned();
            let acts = (0..16).map(|n| {
                let (action, body) =
                    if n % 2 == 0 { ("verify", json!({})) } else { ("reject", json!({ "reason": "quota_full" })) };
                regency.act(&format!("{path}/{action}"), &etag, body).settled()
            });
            let replies = futures_util::future::join_all(acts).await;
            assert_eq!(replies.iter().filter(|reply| reply.status == 200).count(), 1);
            assert!(
                replies
                    .iter()
                    .all(|reply| reply.status == 200 || matches!(reply.code(), "volunteer_state_conflict" | "stale"))
            );
            assert_eq!(regency.get(&format!("{path}/history")).await.json["items"].as_array().unwrap().len(), 2);
        }
    });
}

#[test]
fn a_transfer_needs_both_ends_and_is_told_to_both() {
    run(async |app| {
        let (regency, province) = (app.regency().await, app.province().await);
        let path = active(&regency, KOTO_JAYA).await;
        let id = path.rsplit('/').next().unwrap().to_owned();
        let transfer = async |client: &Client<'_>, village: &str| {
            step(client, &path, "postings", json!({ "village_code": village })).await
        };
        transfer(&regency, "17.01.01.2001").await.problem(403, "not_the_authority");
        transfer(&regency, KOTO_JAYA).await.problem(422, "rule_broken").blames("/village_code", "same_village");
        transfer(&regency, "17.06.02").await.problem(422, "rule_broken").blames("/village_code", "village_expected");
        transfer(&regency, "17.06.02.9999").await.problem(422, "rule_broken").blames("/village_code", "region_unknown");
        let moved = transfer(&regency, BANDAR_RATU).await.expect(200);
        assert_eq!((&moved.json["village_code"], &moved.json["version"]), (&json!(BANDAR_RATU), &json!(5)));
        app.village().await.get(&path).await.problem(404, "not_found");
        app.other_village().await.get(&path).await.expect(200);
        let change = app.texts(&format!("SELECT concat_ws(' ', version, op, regions_before, regions_after) FROM changes WHERE entity_id = '{id}' ORDER BY seq DESC LIMIT 1")).await;
        assert_eq!(change, [format!("5 upsert {{{KOTO_JAYA}}} {{{BANDAR_RATU}}}")]);
        // between regencies it is the province's
        transfer(&province, "17.01.01.2001").await.expect(200);
        regency.get(&path).await.problem(404, "not_found");
        // whoever had it can read who took it away
        let told = regency.get("/v1/audit-events?action=volunteer.transfer&outcome=allowed").await.expect(200);
        assert_eq!(told.json["items"].as_array().unwrap().len(), 2);
        let postings = app.neighbour_regency().await.get(&format!("{path}/postings")).await.expect(200);
        let places: Vec<&str> = postings.json["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["village_code"].as_str().unwrap())
            .collect();
        assert_eq!(places, [KOTO_JAYA, BANDAR_RATU, "17.01.01.2001"]);
        assert_eq!(postings.json["items"][2]["valid_until"], Value::Null);
        // who has left is posted nowhere
        let neighbour = app.neighbour_regency().await;
        step(&neighbour, &path, "resign", json!({ "reason": "own_request" })).await.expect(200);
        transfer(&province, KOTO_JAYA).await.problem(409, "volunteer_state_conflict");
    });
}

#[test]
fn transfers_at_once_leave_one_current_posting() {
    run(async |app| {
        let regency = app.regency().await;
        let path = active(&regency, KOTO_JAYA).await;
        let id = path.rsplit('/').next().unwrap().to_owned();
        let villages = app.texts("SELECT code FROM regions WHERE regency_code = '17.06' AND level = 'village' AND last_listed IS NULL LIMIT 12 OFFSET 30").await;
        for _ in 0..rounds(20) {
            let etag = regency.get(&path).await.header("etag").to_owned();
            let moves = villages.iter().map(|village| {
                regency.act(&format!("{path}/postings"), &etag, json!({ "village_code": village })).settled()
            });
            let replies = futures_util::future::join_all(moves).await;
            assert_eq!(replies.iter().filter(|reply| reply.status == 200).count(), 1);
        }
        let current = format!(
            "SELECT count(*) FROM volunteer_postings p JOIN volunteers v ON v.id = p.volunteer_id AND v.village_code = p.village_code WHERE v.id = '{id}' AND valid_until IS NULL"
        );
        assert_eq!(app.number(&current).await, 1);
        // the database refuses an overlap by itself
        let overlap = format!(
            "UPDATE volunteer_postings SET valid_from = valid_from - 9, valid_until = NULL WHERE volunteer_id = '{id}'"
        );
        use diesel_async::SimpleAsyncConnection;
        let error = app.connect().await.batch_execute(&overlap).await.unwrap_err();
        assert!(error.to_string().contains("overlap") || error.to_string().contains("one_current"), "{error}");
    });
}

#[test]
fn a_phone_of_who_has_left_is_cut_off() {
    run(async |app| {
        let (phone, regency) = (app.phone().await, app.regency().await);
        let path = format!("/v1/volunteers/{}", phone.credential.as_ref().unwrap().volunteer_id.clone().unwrap());
        step(&regency, &path, "dismiss", json!({ "reason": "long_absence" })).await.expect(200);
        within_a_second(async || phone.get(&path).await.status == 401).await;
    });
}

#[test]
fn a_number_is_revealed_for_a_purpose_and_that_is_recorded_first() {
    run(async |app| {
        let regency = app.regency().await;
        let made = register(&regency, siti(KOTO_JAYA)).await;
        let reveal = format!("{}/reveal", path(&made));
        let shown =
            regency.post(&reveal, json!({ "purpose": "legal_duty" })).without("idempotency-key").await.expect(200);
        assert_eq!((&shown.json["nik"], shown.header("cache-control")), (&json!(NIK), "no-store"));
        let id = made.id();
        assert_eq!(audited(app, "volunteer.reveal").await, [format!("staf-0017 legal_duty {id} nik")]);
        regency.post(&reveal, json!({})).await.problem(400, "malformed").blames("/purpose", "required");
        regency
            .post(&reveal, json!({ "purpose": "curiosity" }))
            .await
            .problem(400, "malformed")
            .blames("/purpose", "unknown_value");
        app.village().await.post(&reveal, json!({ "purpose": "legal_duty" })).await.problem(403, "forbidden");
        let token = regency.ask_token(&[]).await.json["access_token"].as_str().unwrap().to_owned();
        regency
            .with_token(&token)
            .post(&reveal, json!({ "purpose": "legal_duty" }))
            .await
            .problem(403, "acting_user_required");
    });
}

#[test]
fn a_search_is_exact_and_recorded_even_if_nobody_is_found() {
    run(async |app| {
        let (regency, other) = (app.regency().await, app.other_regency().await);
        let made = register(&regency, siti(KOTO_JAYA)).await;
        let search = async |client: &Client<'_>, body: Value| {
            client.post("/v1/volunteers/search", body).without("idempotency-key").await
        };
        for body in [
            json!({ "nik": "1706 0245 0895 0001", "purpose": "identity_check" }),
            json!({ "phone": "+62 812 0000 9999", "purpose": "identity_check" }),
        ] {
            let found = search(&regency, body.clone()).await.expect(200);
            assert_eq!(found.json["items"][0]["id"], made.id());
            assert!(!found.text.contains(NIK));
            assert_eq!(search(&other, body).await.expect(200).json["items"], json!([]));
        }
        let events = audited(app, "volunteer.search").await;
        assert_eq!(events.len(), 4);
        assert!(events[0].contains(&made.id()) && events[0].ends_with(" nik") && !events[1].contains(&made.id()));
        search(&regency, json!({ "purpose": "identity_check" }))
            .await
            .problem(422, "rule_broken")
            .blames("", "exactly_one");
        search(&regency, json!({ "nik": NIK, "phone": "081200009999", "purpose": "identity_check" }))
            .await
            .problem(422, "rule_broken");
        search(&regency, json!({ "nik": "0170602200600001", "purpose": "identity_check" }))
            .await
            .problem(400, "malformed")
            .blames("/nik", "nik_malformed");
    });
}

#[test]
fn every_answer_with_persons_is_recorded_once_with_all_of_them() {
    run(async |app| {
        let regency = app.regency().await;
        let list = regency.get("/v1/volunteers?limit=200").await.expect(200);
        let ids: Vec<&str> =
            list.json["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), 75);
        let events = audited(app, "volunteer.list").await;
        assert_eq!(events.len(), 1);
        assert!(events[0].contains(&ids.join(",")) && events[0].contains("name,birth_date"));
        let request = app.texts("SELECT request_id FROM audit_events WHERE action = 'volunteer.list'").await;
        assert_eq!(request, [list.header("x-request-id")]);
        regency.get(&format!("/v1/volunteers/{}", ids[0])).await.expect(200);
        regency.get(&format!("/v1/volunteers/{}/history", ids[0])).await.expect(200);
        assert_eq!(audited(app, "volunteer.read").await.len(), 1);
        assert!(audited(app, "volunteer.read_history").await[0].ends_with(&format!("{} note", ids[0])));
        // an empty page shows nobody
        regency.get("/v1/volunteers?status=deceased").await.expect(200);
        assert_eq!(audited(app, "volunteer.list").await.len(), 1);
    });
}

#[test]
fn what_cannot_be_recorded_is_not_shown() {
    run(async |app| {
        let regency = app.regency().await;
        let made = register(&regency, siti(KOTO_JAYA)).await;
        crate::support::execute(&app.database_url("postgres"), "REVOKE INSERT ON audit_events FROM simpul_service")
            .await;
        let paths = ["/v1/volunteers".to_owned(), path(&made), format!("{}/history", path(&made))];
        for path in &paths {
            let refused = regency.get(path).await;
            assert!(refused.status >= 500 && !refused.text.contains("Siti"), "{}", refused.text);
            refused.problem(503, "unavailable");
        }
        let reveal = regency.post(&format!("{}/reveal", path(&made)), json!({ "purpose": "legal_duty" })).await;
        assert!(!reveal.problem(503, "unavailable").text.contains(NIK));
        crate::support::execute(&app.database_url("postgres"), "GRANT INSERT ON audit_events TO simpul_service").await;
        regency.get(&paths[1]).await.expect(200);
    });
}

#[test]
fn a_list_is_walked_page_by_page_and_filtered() {
    run(async |app| {
        let (regency, province) = (app.regency().await, app.province().await);
        let mut seen = vec![];
        let mut next = "/v1/volunteers?limit=20&status=active".to_owned();
        loop {
            let page = regency.get(&next).header("prefer", "count=exact").await.expect(200);
            assert_eq!((&page.json["total"], page.header("preference-applied")), (&json!(75), "count=exact"));
            seen.extend(
                page.json["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()),
            );
            match page.json["next_cursor"].as_str() {
                Some(cursor) => next = format!("/v1/volunteers?limit=20&cursor={cursor}"),
                None => break,
            }
        }
        let ordered: Vec<_> = {
            let mut ids = seen.clone();
            ids.sort();
            ids.dedup();
            ids
        };
        assert_eq!((seen.len(), &seen), (75, &ordered));
        let count = async |query: &str| {
            let list = province
                .get(&format!("/v1/volunteers?limit=200&{query}"))
                .header("prefer", "count=exact")
                .await
                .expect(200);
            assert_eq!(list.json["total"], list.json["items"].as_array().unwrap().len());
            list.json["total"].as_u64().unwrap()
        };
        assert_eq!(count("region=17.06.02.2008").await, 10);
        assert_eq!(
            (count("region=17.06").await, count("region=17.01").await, count("region=15.01").await),
            (75, 10, 0)
        );
        assert_eq!(count("region=17").await, count("").await);
        assert_eq!(count("region=17.01&status=candidate&status=verified").await, 3);
        assert_eq!(count("sex=female&region=17.06").await + count("sex=male&region=17.06").await, 75);
        assert_eq!((count("sex=unknown").await, count("sex=unknown&sex=male&sex=female&region=17.06").await), (0, 75));
        assert_eq!(count("level=none&region=17.06").await + count("level=basic&level=advanced&region=17.06").await, 75);
        let motivated = count("function=motivation&region=17.06").await;
        assert!(motivated > 0 && motivated < 75);
    });
}

/// The plans of the statements that the lists really ran, as the service's connections make them: for any values.
#[test]
fn every_list_is_served_by_an_index() {
    run(async |app| {
        let (regency, province, ministry) = (app.regency().await, app.province().await, app.ministry().await);
        // Enough rows for the planner to mind.
        let many = "SET session_replication_role = replica;
            INSERT INTO volunteers SELECT gen_random_uuid(), (ARRAY['candidate', 'verified', 'selected', 'rejected'])[1 + n % 4], now(), gen_random_uuid(), now(), NULL, 'none', NULL,
                r.province_code, r.regency_code, r.district_code, r.code, '{}', NULL, NULL, NULL, NULL, 1, NULL, NULL, now(), now(), gen_random_uuid()
            FROM regions r, generate_series(1, 20) n WHERE r.level = 'village' AND r.last_listed IS NULL;
            INSERT INTO volunteer_people (volunteer_id, name, folded_name, nik_status, nik_warnings, identity_state)
            SELECT id, 'X', 'x', 'none', '{}', 'sole' FROM volunteers v WHERE NOT EXISTS (SELECT 1 FROM volunteer_people p WHERE p.volunteer_id = v.id);
            ANALYZE volunteers; ANALYZE volunteer_people;";
        app.sql(many).await;
        for (client, query, index) in [
            (&regency, "", "volunteers_by_regency"),
            (&province, "", "volunteers_by_province"),
            (&ministry, "", "volunteers_pkey"),
            (&regency, "status=candidate", "volunteers_by_regency_status"),
            (&province, "status=candidate", "volunteers_by_province_status"),
            (&ministry, "status=candidate", "volunteers_by_status"),
            (&province, "region=17.06.02", "volunteers_by_district"),
            (&province, "region=17.06.02.1017", "volunteers_by_village"),
            (&app.phone().await, "", "volunteers_pkey"),
        ] {
            let path = format!("/v1/volunteers?limit=20&{query}");
            let list = app.statement_of(client, &path, &["volunteer_people", "ORDER BY"]).await;
            let plan = app.generic_plan(&list.query).await;
            assert!(
                plan.contains(&format!("using {index} on volunteers")) && !plan.contains("Sort"),
                "{query}: {plan}"
            );
        }
    });
}

#[test]
fn a_read_takes_one_statement_and_one_for_its_record() {
    run(async |app| {
        let regency = app.regency().await;
        let id = register(&regency, siti(KOTO_JAYA)).await.id();
        let calls = async |path: &str| app.calls_of(async || drop(regency.get(path).await.expect(200))).await;
        for path in [
            "/v1/volunteers?limit=200".to_owned(),
            format!("/v1/volunteers/{id}"),
            format!("/v1/volunteers/{id}/history"),
        ] {
            assert_eq!(calls(&path).await, 2, "{path}");
        }
        assert_eq!(calls(&format!("/v1/volunteers/{id}/postings")).await, 1);
    });
}

#[test]
fn two_offices_that_do_not_see_each_other_register_one_nik_at_once() {
    run(async |app| {
        let (regency, other) = (app.regency().await, app.other_regency().await);
        for round in 0..rounds(50) {
            let nik = format!("170602450895{:04}", 200 + round);
            let new = |village: &str| {
                let mut new = siti(village);
                (new["nik"], new["name"]) = (json!(nik), json!(a_name()));
                new
            };
            let (here, there) =
                (regency.post("/v1/volunteers", new(KOTO_JAYA)), other.post("/v1/volunteers", new("15.01.01.2001")));
            let (here, there) = tokio::join!(here.settled(), there.settled());
            assert_eq!((here.status, there.status), (201, 201));
            let states = app
                .texts(&format!(
                    "SELECT identity_state FROM volunteer_people WHERE nik_last_four = '{}' ORDER BY 1",
                    &nik[12..]
                ))
                .await;
            assert_eq!(states, ["disputed", "sole"]);
        }
    });
}

#[test]
fn a_level_is_derived_and_told() {
    use simpul::access::rules::VolunteerId;
    use simpul::platform::error::ApiResult;
    use simpul::volunteers::{rules::TrainingLevel, store};
    run(async |app| {
        let regency = app.regency().await;
        let made = register(&regency, somebody(KOTO_JAYA)).await;
        let id = VolunteerId(made.id().parse().unwrap());
        let now = app.clock.now();
        for _ in 0..2 {
            let set = app
                .running()
                .writer
                .run(async move |c| ApiResult::Ok(store::set_level(c, id, TrainingLevel::Basic, now).await?))
                .await;
            let set = set.unwrap();
            assert_eq!((set.level, set.version), (TrainingLevel::Basic, 2));
        }
        assert_eq!(regency.get(&path(&made)).await.json["level"], "basic");
        assert_eq!(app.number(&format!("SELECT count(*) FROM changes WHERE entity_id = '{}'", made.id())).await, 2);
        let figures = regency.get("/v1/statistics/volunteers?group_by=level").await.expect(200);
        let buckets = figures.json["buckets"].as_array().unwrap();
        assert!(buckets.iter().find(|bucket| bucket["key"] == "basic").unwrap()["count"].as_i64().unwrap() > 0);
        crate::statistics::adds_up(&regency, &figures).await;
    });
}

#[test]
fn a_volunteer_has_a_supervisor_of_its_offices_who_finds_his_volunteers() {
    run(async |app| {
        let (regency, province, neighbour) = (app.regency().await, app.province().await, app.neighbour_regency().await);
        let at = path(&register(&regency, somebody(KOTO_JAYA)).await);
        let beside = path(&register(&regency, somebody(BANDAR_RATU)).await);
        assert_eq!(regency.get(&at).await.json["supervisor"], Value::Null);
        let change = async |client: &Client<'_>, at: &str, supervisor: Value| {
            let etag = client.get(at).await.header("etag").to_owned();
            client.patch(at, &etag, json!({ "supervisor": supervisor })).await
        };
        let of =
            |kind: &str, agency: &str, officer: &str| json!({ "kind": kind, "agency_id": agency, "officer": officer });
        let tksk = of("tksk", &regency.agency, "tksk-02");
        let set = change(&regency, &at, tksk.clone()).await.expect(200).json;
        let mut expected = tksk.clone();
        expected["since"] = set["supervisor"]["since"].clone();
        assert_eq!((&set["supervisor"], &set["version"]), (&expected, &json!(2)));
        change(&regency, &beside, of("dinsos_officer", &province.agency, "staf-9")).await.expect(200);
        // said again on another day, it is the same since it was
        app.pass(chrono::TimeDelta::days(2));
        let regency = app.regency().await;
        assert_eq!(change(&regency, &at, tksk.clone()).await.expect(200).json["supervisor"], expected);
        // "my volunteers", and those of an office
        let listed = async |client: &Client<'_>, query: &str| {
            let items = client.get(&format!("/v1/volunteers?{query}")).await.expect(200).json["items"].clone();
            let ids =
                items.as_array().unwrap().iter().map(|one| format!("/v1/volunteers/{}", one["id"].as_str().unwrap()));
            ids.collect::<Vec<_>>()
        };
        let by = |agency: &str| format!("supervisor_agency={agency}");
        assert_eq!(listed(&regency, "supervisor=tksk-02").await, std::slice::from_ref(&at));
        assert_eq!(listed(&regency, &by(&province.agency)).await, std::slice::from_ref(&beside));
        assert_eq!(listed(&regency, &format!("supervisor=staf-9&{}", by(&regency.agency))).await, Vec::<String>::new());
        assert_eq!(listed(&app.neighbour_regency().await, "supervisor=tksk-02").await, Vec::<String>::new());
        // no office of elsewhere, no other agency, none that is not there: all alike
        for agency in [neighbour.agency.clone(), app.bpjs().await.agency, Uuid::now_v7().to_string()] {
            let refused = change(&regency, &at, of("tksk", &agency, "x")).await.problem(422, "rule_broken");
            refused.blames("/supervisor/agency_id", "not_the_office");
        }
        for name in ["Siti Aminah", "siti@dinsos.example", NIK] {
            change(&regency, &at, of("tksk", &regency.agency, name)).await.problem(400, "malformed");
        }
        // within the region of the office a transfer changes nothing; beyond it nobody accompanies the volunteer any more
        let moved = |village: &str| json!({ "village_code": village });
        assert_eq!(step(&regency, &at, "postings", moved(BANDAR_RATU)).await.expect(200).json["supervisor"], expected);
        let province = app.province().await;
        let south = "SELECT code FROM regions WHERE code LIKE '17.01.%' AND level = 'village' AND last_listed IS NULL ORDER BY code LIMIT 1";
        let south = app.texts(south).await.remove(0);
        let gone = step(&province, &at, "postings", moved(&south)).await.expect(200);
        assert_eq!(gone.json["supervisor"], Value::Null);
        assert_eq!(change(&regency, &beside, Value::Null).await.expect(200).json["supervisor"], Value::Null);
    });
}

//! Cases: a person's need, who may know of it, and how it ends.
use crate::support::{Client, Reply, TestApp, rounds, run, within_a_second};
use chrono::TimeDelta;
use serde_json::{Value, json};
use uuid::Uuid;

pub const NIK: &str = "1706024508950001";
pub const KOTO_JAYA: &str = "17.06.02.1017";
const BANDAR_RATU: &str = "17.06.02.1018";

/// A neglected elder without papers.
pub fn elder(village: &str) -> Value {
    json!({
        "village_code": village,
        "person": { "name": "Mbah Karto Sentono", "sex": "male", "age_estimate": 78, "nik_status": "none", "address": "Gubuk di tepi pasar", "communication_need": "local_language" },
        "ppks": ["PPKS-08"], "service_field": "rehabilitation", "sector": "sosial_ekonomi", "urgency": "urgent",
        "need": "Tinggal sendiri, tidak ada yang merawat.", "lawful_basis": "vital_interest",
    })
}

/// A woman whose health insurance has lapsed.
pub fn patient(village: &str) -> Value {
    json!({
        "village_code": village,
        "person": { "name": "Siti Aminah", "sex": "female", "birth_date": "1995-08-05", "nik": NIK, "kk_number": "1706020101100001", "card_number": "0001234567890", "phone": "0812 3456 789" },
        "ppks": ["PPKS-24"], "sector": "kesehatan", "need": "PBI-JK nonaktif, perlu cuci darah.",
        "lawful_basis": "consent", "consent": { "by": "person", "method": "spoken", "on": "2026-01-05" },
    })
}

/// A sensitive one: a child.
fn child(village: &str) -> Value {
    let mut case = elder(village);
    case["ppks"] = json!(["PPKS-02", "PPKS-24"]);
    case["person"] = json!({ "name": "Budi Kecil", "birth_date": "2019-03-04", "guardian_name": "Ibu Ratna", "guardian_phone": "+62 811 222 333" });
    case
}

/// Reports a case, as another one than those which are alike: one person does for many tests.
pub async fn report(client: &Client<'_>, mut case: Value) -> Reply {
    let reply = client.post("/v1/cases", case.clone()).await;
    if reply.code() != "case_alike" {
        return reply.expect(201);
    }
    let alike: Vec<_> = reply.json["candidates"].as_array().unwrap().iter().map(|one| one["case_id"].clone()).collect();
    (case["distinct_from"], case["distinct_reason"]) = (json!(alike), json!("separate_need"));
    client.post("/v1/cases", case).await.expect(201)
}

fn path(reply: &Reply) -> String {
    format!("/v1/cases/{}", reply.id())
}

#[test]
fn a_case_is_reported_numbered_and_read_back() {
    run(async |app| {
        let village = app.village().await;
        let first = report(&village, patient(KOTO_JAYA)).await;
        let year = (chrono::Utc::now() + TimeDelta::hours(7)).format("%Y").to_string();
        assert_eq!(first.json["number"], format!("KS-1706-{year}-000001"));
        assert_eq!(first.header("location"), format!("{}{}", app.base, path(&first)));
        let second = report(&app.regency().await, elder("17.06.02.2008")).await;
        assert_eq!(second.json["number"], format!("KS-1706-{year}-000002"));

        let read = village.get(&path(&first)).await.expect(200);
        assert_eq!(read.header("etag").split('-').next(), first.header("etag").split('-').next());
        let person = &read.json["person"];
        assert_eq!(person["name"], "Siti Aminah");
        // numbers are the last four digits to everyone
        assert_eq!(person["nik"], "************0001");
        assert_eq!(person["kk_number"], "************0001");
        assert_eq!(person["card_number"], "*********7890");
        assert_eq!(person["phone"], "+628123456789");
        assert_eq!((&person["age_band"], &person["initials"]), (&json!("25-44"), &json!("S. A.")));
        let elder = &second.json["person"];
        assert_eq!((&elder["nik"], &elder["nik_status"]), (&Value::Null, &json!("none")));
        assert_eq!((&elder["age"], &elder["age_band"]), (&json!(78), &json!("60+")));
    });
}

#[test]
fn the_year_of_a_number_is_the_villages_own() {
    run(async |app| {
        // 31 December, 18:30 UTC: already the new year in Bengkulu (UTC+7), in Papua even more so
        let new_year = chrono::NaiveDate::from_ymd_opt(2026, 12, 31).unwrap().and_hms_opt(18, 30, 0).unwrap().and_utc();
        app.pass(new_year - app.clock.now());
        let village = app.village().await;
        assert_eq!(report(&village, patient(KOTO_JAYA)).await.json["number"], "KS-1706-2027-000001");
    });
}

#[test]
fn identity_numbers_are_stored_encrypted_and_nowhere_else() {
    run(async |app| {
        let village = app.village().await;
        report(&village, patient(KOTO_JAYA)).await;
        assert_eq!(app.number("SELECT count(*) FROM case_people WHERE length(nik_index) = 32 AND position('1706024508950001'::bytea IN nik) = 0").await, 1);
        // the same number is found by its index, and its ciphertext differs
        report(&village, patient(KOTO_JAYA)).await;
        assert_eq!(
            app.number("SELECT count(DISTINCT nik_index) * 10 + count(DISTINCT nik) FROM case_people").await,
            12
        );
        for secret in [NIK, "Siti Aminah", "0001234567890", "cuci darah"] {
            for table in [
                "changes",
                "audit_events",
                "idempotency_keys",
                "cases",
                "referrals",
                "referral_history",
                "case_history",
            ] {
                let found = app.number(&format!("SELECT count(*) FROM {table} t WHERE t::text LIKE '%{secret}%' OR t::text LIKE '%' || encode('{secret}'::bytea, 'hex') || '%'")).await;
                assert_eq!(found, 0, "{table} holds personal data");
            }
        }
    });
}

#[test]
fn what_does_not_fit_is_named() {
    run(async |app| {
        let village = app.village().await;
        let with = |pointer: &str, value: Value| {
            let mut case = patient(KOTO_JAYA);
            *case.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = value;
            case
        };
        let add = |place: &str, name: &str, value: Value| {
            let mut case = patient(KOTO_JAYA);
            case.pointer_mut(place).unwrap()[name] = value;
            case
        };
        let rules = [
            (with("/village_code", json!(BANDAR_RATU)), "/village_code", "outside_jurisdiction"),
            (with("/village_code", json!("17.06")), "/village_code", "region_unknown"),
            (with("/village_code", json!("17.06.02.9999")), "/village_code", "region_unknown"),
            (with("/ppks", json!([])), "/ppks", "required"),
            (with("/ppks", json!(["PPKS-08", "PPKS-99"])), "/ppks/1", "code_unknown"),
            (with("/sector", json!("nope")), "/sector", "code_unknown"),
            (add("", "service_field", json!("nope")), "/service_field", "code_unknown"),
            (with("/lawful_basis", json!("public_task")), "/consent", "not_expected"),
            (with("/consent", Value::Null), "/consent", "required"),
            (with("/consent/on", json!("2199-01-01")), "/consent/on", "date_impossible"),
            (with("/person/birth_date", json!("2020-01-01")), "/consent/by", "guardian_needed"),
            (with("/person/birth_date", json!("2199-01-01")), "/person/birth_date", "date_impossible"),
            (add("/person", "age_estimate", json!(30)), "/person/age_estimate", "age_twice"),
            (add("/person", "nik_status", json!("verified")), "/person/nik_status", "nik_status_wrong"),
            (add("/person", "nik_status", json!("none")), "/person/nik_status", "nik_status_wrong"),
            (add("", "volunteer_id", json!(Uuid::now_v7())), "/volunteer_id", "volunteer_unknown"),
        ];
        for (case, place, code) in rules {
            village.post("/v1/cases", case).await.problem(422, "rule_broken").blames(place, code);
        }
        let malformed = [
            (with("/person/nik", json!("1706023208950001")), "/person/nik", "nik_malformed"),
            (with("/person/card_number", json!("123")), "/person/card_number", "number_malformed"),
            (with("/person/phone", json!("call me")), "/person/phone", "phone_malformed"),
            (with("/need", json!(" ")), "/need", "required"),
            (with("/lawful_basis", json!("because")), "/lawful_basis", "unknown_value"),
            (with("/consent/on", json!("yesterday")), "/consent/on", "date_malformed"),
        ];
        for (case, place, code) in malformed {
            let reply = village.post("/v1/cases", case).await.problem(400, "malformed").blames(place, code);
            assert!(!reply.text.contains("1706023208950001"));
        }
        assert_eq!(app.number("SELECT count(*) FROM cases").await, 0);
        village.get("/v1/cases?created_from=2026-01-01T00:00:00").await.problem(400, "malformed");
        village.get("/v1/cases?sort=name").await.problem(400, "malformed").blames("?sort", "unknown_field");
    });
}

/// Who sees a case of Koto Jaya: its governments and nobody else.
#[test]
fn a_case_is_seen_by_the_governments_it_lies_under() {
    run(async |app| {
        let case = path(&report(&app.village().await, elder(KOTO_JAYA)).await);
        for (sees, client) in [
            (true, app.ministry().await),
            (true, app.province().await),
            (true, app.regency().await),
            (true, app.village().await),
            (false, app.other_village().await),
            (false, app.neighbour_regency().await),
            (false, app.other_regency().await),
            (false, app.phone().await),
        ] {
            let role = client.credential.as_ref().unwrap().agency.clone();
            let (read, list) =
                (client.get(&case).await, client.get("/v1/cases").header("prefer", "count=exact").await.expect(200));
            assert_eq!(list.json["total"], json!(i64::from(sees)), "{role}");
            assert_eq!(list.json["items"].as_array().unwrap().len(), usize::from(sees), "{role}");
            let history = client.get(&format!("{case}/history")).await;
            if sees {
                read.expect(200);
                assert_eq!(history.expect(200).json["items"][0]["action"], "create", "{role}");
            } else {
                let missing = client.get(&format!("/v1/cases/{}", Uuid::now_v7())).await;
                assert_eq!(read.anonymous(), missing.anonymous(), "{role}");
                let missing = client.get(&format!("/v1/cases/{}/history", Uuid::now_v7())).await;
                assert_eq!(history.anonymous(), missing.anonymous(), "{role}");
            }
        }
        // a source system has no cases at all
        for path in [case.clone(), format!("{case}/history")] {
            app.bpjs().await.get(&path).await.problem(403, "forbidden");
            app.dashboard().await.get(&path).await.problem(403, "forbidden");
            app.nobody().get(&path).await.problem(401, "unauthenticated");
        }
    });
}

#[test]
fn a_village_learns_of_a_sensitive_case_only_if_it_reported_it() {
    run(async |app| {
        let (village, regency) = (app.village().await, app.regency().await);
        let own = report(&village, child(KOTO_JAYA)).await;
        let told = report(&regency, child(KOTO_JAYA)).await;
        assert_eq!(told.json["sensitive"], true);
        for part in ["", "/history"] {
            village.get(&format!("{}{part}", path(&own))).await.expect(200);
            village.get(&format!("{}{part}", path(&told))).await.problem(404, "not_found");
        }
        regency.get(&path(&told)).await.expect(200);
        // the outbox leaves the village out too
        let regions = app
            .texts(&format!(
                "SELECT array_to_string(regions_after, ' ') FROM changes WHERE entity_id = '{}'",
                told.id()
            ))
            .await;
        assert_eq!(regions, ["17.06.02"]);

        // a case that turns out to be sensitive is gone for the village, and one that is not comes back
        let plain = report(&regency, elder(KOTO_JAYA)).await;
        village.get(&path(&plain)).await.expect(200);
        let changed =
            regency.patch(&path(&plain), plain.header("etag"), json!({ "ppks": ["PPKS-09"] })).await.expect(200);
        village.get(&path(&plain)).await.problem(404, "not_found");
        let seen = app.texts(&format!("SELECT regions_before[1] || ' to ' || regions_after[1] FROM changes WHERE entity_id = '{}' AND version = 2", plain.id())).await;
        assert_eq!(seen, ["17.06.02.1017 to 17.06.02"]);
        regency.patch(&path(&plain), changed.header("etag"), json!({ "ppks": ["PPKS-08"] })).await.expect(200);
        village.get(&path(&plain)).await.expect(200);
    });
}

#[test]
fn every_answer_that_shows_a_person_is_recorded_first() {
    run(async |app| {
        let (village, regency) = (app.village().await, app.regency().await);
        let case = report(&village, patient(KOTO_JAYA)).await;
        report(&village, elder(KOTO_JAYA)).await;
        village.get(&path(&case)).await.expect(200);
        village.get("/v1/cases").await.expect(200);
        regency.post(&format!("{}/reveal", path(&case)), json!({ "purpose": "service_delivery" })).await.expect(200);
        let rows = app.texts("SELECT concat_ws(' ', action, acting_user, purpose, cardinality(person_ids), 'nik' = ANY(fields)) FROM audit_events WHERE action LIKE 'case.%' ORDER BY at, id").await;
        assert_eq!(
            rows,
            [
                "case.create staf-0017 Pelayanan kesejahteraan sosial 1 f",
                "case.create staf-0017 Pelayanan kesejahteraan sosial 1 f",
                "case.read staf-0017 Pelayanan kesejahteraan sosial 1 f",
                "case.list staf-0017 Pelayanan kesejahteraan sosial 2 f",
                "case.reveal staf-0017 service_delivery 1 t",
            ]
        );
        // an empty list shows nobody
        app.other_village().await.get("/v1/cases").await.expect(200);
        assert_eq!(app.number("SELECT count(*) FROM audit_events WHERE action = 'case.list'").await, 1);
    });
}

#[test]
fn numbers_are_revealed_with_a_purpose_by_someone() {
    run(async |app| {
        let (village, regency) = (app.village().await, app.regency().await);
        let reveal = format!("{}/reveal", path(&report(&village, patient(KOTO_JAYA)).await));
        let shown = regency.post(&reveal, json!({ "purpose": "identity_check" })).await.expect(200);
        assert_eq!(shown.json["nik"], NIK);
        assert_eq!(shown.json["kk_number"], "1706020101100001");
        assert_eq!(shown.json["card_number"], "0001234567890");
        regency.post(&reveal, json!({})).await.problem(400, "malformed").blames("/purpose", "required");
        village.post(&reveal, json!({ "purpose": "eligibility" })).await.problem(403, "forbidden");
        let token = regency.ask_token(&[]).await.json["access_token"].as_str().unwrap().to_owned();
        let nobody = regency.with_token(&token);
        nobody.post(&reveal, json!({ "purpose": "eligibility" })).await.problem(403, "acting_user_required");
        let foreign = app.other_regency().await.post(&reveal, json!({ "purpose": "eligibility" })).await;
        foreign.problem(404, "not_found");
    });
}

#[test]
fn a_list_is_filtered_and_paged_without_loss() {
    run(async |app| {
        let (regency, village) = (app.regency().await, app.village().await);
        for n in 0..7 {
            let place = if n % 2 == 0 { KOTO_JAYA } else { BANDAR_RATU };
            report(&regency, if n < 3 { elder(place) } else { patient(place) }).await;
        }
        let list = async |client: &Client<'_>, query: &str| {
            let reply = client.get(&format!("/v1/cases?{query}")).header("prefer", "count=exact").await.expect(200);
            assert_eq!(reply.json["total"], json!(reply.json["items"].as_array().unwrap().len()), "{query}");
            reply.json["total"].as_i64().unwrap()
        };
        assert_eq!(list(&regency, "").await, 7);
        assert_eq!(list(&regency, "region=17.06.02.1017").await, 4);
        assert_eq!(list(&regency, "region=17.01").await, 0);
        assert_eq!(list(&regency, "ppks=PPKS-08").await, 3);
        assert_eq!(list(&regency, "ppks=PPKS-08&ppks=PPKS-24").await, 7);
        assert_eq!(list(&regency, "urgency=urgent&region=17.06.02.1018").await, 1);
        assert_eq!(list(&regency, "status=closed").await, 0);
        assert_eq!(list(&village, "").await, 4);
        // half-open: created at a moment is from it and not before it
        let newest =
            regency.get("/v1/cases?limit=1").await.json["items"][0]["created_at"].as_str().unwrap().replace('+', "%2B");
        assert_eq!(list(&regency, &format!("created_from={newest}")).await, 1);
        assert_eq!(list(&regency, &format!("created_before={newest}")).await, 6);

        let mut seen = vec![];
        let mut next = Some("/v1/cases?limit=3".to_owned());
        while let Some(address) = next {
            let page = regency.get(&address).await.expect(200);
            seen.extend(
                page.json["items"].as_array().unwrap().iter().map(|case| case["number"].as_str().unwrap().to_owned()),
            );
            next = page.json["next_cursor"].as_str().map(|cursor| format!("/v1/cases?limit=3&cursor={cursor}"));
        }
        let mut newest_first = seen.clone();
        newest_first.sort_by(|a, b| b.cmp(a));
        assert_eq!((seen.len(), &seen), (7, &newest_first));
    });
}

#[test]
fn a_patch_changes_what_it_names() {
    run(async |app| {
        let village = app.village().await;
        let case = report(&village, patient(KOTO_JAYA)).await;
        let at = path(&case);
        let patch = json!({ "urgency": "urgent", "sector": null, "person": { "phone": null, "address": "Jl. Pasar 1", "nik": null, "nik_status": "unknown" } });
        let after = village.patch(&at, case.header("etag"), patch).await.expect(200).json;
        assert_eq!(
            (&after["urgency"], &after["sector"], &after["version"]),
            (&json!("urgent"), &Value::Null, &json!(2))
        );
        let person = &after["person"];
        assert_eq!(
            (&person["phone"], &person["address"], &person["nik"]),
            (&Value::Null, &json!("Jl. Pasar 1"), &Value::Null)
        );
        assert_eq!((&person["name"], &person["card_number"]), (&json!("Siti Aminah"), &json!("*********7890")));
        assert_eq!(app.number("SELECT count(*) FROM case_people WHERE nik IS NULL AND nik_index IS NULL").await, 1);

        let etag = village.get(&at).await.header("etag").to_owned();
        village
            .patch(&at, &etag, json!({ "person": { "name": null } }))
            .await
            .problem(400, "malformed")
            .blames("/person/name", "wrong_type");
        village
            .patch(&at, &etag, json!({ "state": "closed" }))
            .await
            .problem(400, "malformed")
            .blames("/state", "unknown_field");
        village.patch(&at, &etag, json!({ "lawful_basis": "public_task" })).await.expect(200);
        let basis = village.get(&at).await.json;
        assert_eq!((&basis["lawful_basis"], &basis["consent"]), (&json!("public_task"), &Value::Null));
        village.patch(&at, &etag, json!({ "need": "x" })).await.problem(412, "stale");
        app.other_village().await.patch(&at, &etag, json!({ "need": "x" })).await.problem(404, "not_found");
    });
}

#[test]
fn two_edits_of_one_version_have_one_winner() {
    run(async |app| {
        let village = app.village().await;
        let at = path(&report(&village, elder(KOTO_JAYA)).await);
        for _ in 0..rounds(100) {
            let etag = village.get(&at).await.header("etag").to_owned();
            let edit = |n: u32| village.patch(&at, &etag, json!({ "need": format!("Perlu {n}") })).settled();
            let (one, two) = futures_util::future::join(edit(1), edit(2)).await;
            let mut statuses = [one.status, two.status];
            statuses.sort_unstable();
            assert_eq!(statuses, [200, 412]);
        }
    });
}

async fn close(client: &Client<'_>, at: &str, body: Value) -> Reply {
    let etag = client.get(at).await.expect(200).header("etag").to_owned();
    client.act(&format!("{at}/close"), &etag, body).await
}

#[test]
fn a_case_is_closed_and_reopened_within_ninety_days() {
    run(async |app| {
        let village = app.village().await;
        let at = path(&report(&village, elder(KOTO_JAYA)).await);
        close(&village, &at, json!({ "outcome": "nope" }))
            .await
            .problem(422, "rule_broken")
            .blames("/outcome", "code_unknown");
        let closed =
            close(&village, &at, json!({ "outcome": "need_met", "note": "Sudah dijemput." })).await.expect(200);
        assert_eq!((&closed.json["state"], &closed.json["outcome"]), (&json!("closed"), &json!("need_met")));
        let late = close(&village, &at, json!({ "outcome": "need_met" })).await.problem(409, "case_state_conflict");
        assert_eq!((&late.json["state"], &late.json["by"]), (&json!("closed"), &json!(village.agency)));
        village.patch(&at, closed.header("etag"), json!({ "need": "x" })).await.problem(409, "case_state_conflict");

        let reopen = async |client: &Client<'_>, body: Value| {
            let etag = client.get(&at).await.header("etag").to_owned();
            client.act(&format!("{at}/reopen"), &etag, body).await
        };
        reopen(&village, json!({ "reason": "other" })).await.problem(422, "rule_broken").blames("/note", "required");
        let open = reopen(&village, json!({ "reason": "need_returned" })).await.expect(200);
        assert_eq!(
            (&open.json["state"], &open.json["outcome"], &open.json["closed_at"]),
            (&json!("open"), &Value::Null, &Value::Null)
        );
        reopen(&village, json!({ "reason": "need_returned" })).await.problem(409, "case_state_conflict");
        close(&village, &at, json!({ "outcome": "need_met" })).await.expect(200);
        app.pass(TimeDelta::days(90) + TimeDelta::minutes(1));
        reopen(&app.village().await, json!({ "reason": "need_returned" })).await.problem(409, "reopening_over");
        let history = app
            .texts("SELECT concat_ws(' ', action, from_state, to_state, reason) FROM case_history ORDER BY at, id")
            .await;
        assert_eq!(
            history,
            [
                "create open",
                "close open closed need_met",
                "reopen closed open need_returned",
                "close open closed need_met"
            ]
        );
    });
}

/// Who did what and why, for all who see the case; notes are personal data, so who reads them is recorded first.
#[test]
fn the_history_of_a_case_is_told() {
    run(async |app| {
        let (phone, village, regency) = (app.phone().await, app.village().await, app.regency().await);
        let volunteer = phone.credential.as_ref().unwrap().volunteer_id.clone().unwrap();
        let mut case = elder(KOTO_JAYA);
        case["referral"] = crate::referrals::ask(&app.bpjs().await.agency, crate::referrals::REACTIVATION);
        let first = report(&phone, case).await;
        let (at, history) = (path(&first), format!("{}/history", path(&first)));
        let read = || async { app.number("SELECT count(*) FROM audit_events WHERE action = 'case.history'").await };

        let created = village.get(&history).await.expect(200).json;
        let line = json!({
            "at": first.json["created_at"], "from": null, "to": "open", "action": "create", "agency_id": phone.agency,
            "acting_user": null, "volunteer_id": volunteer, "reason": null, "outcome": null, "note": null,
        });
        assert_eq!(created, json!({ "items": [line] }));
        // nothing in it tells of a person yet
        assert_eq!(read().await, 0);

        // a change of what the case says names none of it; its referral, which closing ends, has a history of its own
        let changed = village.patch(&at, first.header("etag"), json!({ "urgency": "normal" })).await.expect(200);
        let closing = json!({ "outcome": "need_met", "end_referrals": true, "note": "Anaknya sudah pulang." });
        let closed = close(&village, &at, closing).await.expect(200);
        let note = json!({ "reason": "other", "note": "Ditinggal lagi." });
        let reopened = regency.act(&format!("{at}/reopen"), closed.header("etag"), note).await.expect(200);
        for (reader, who) in [(&phone, 1), (&village, 2), (&regency, 3)] {
            let items = reader.get(&history).await.expect(200).json["items"].clone();
            let update = json!({
                "at": changed.json["updated_at"], "from": "open", "to": "open", "action": "update", "agency_id": village.agency,
                "acting_user": "staf-0017", "volunteer_id": null, "reason": null, "outcome": null, "note": null,
            });
            let close = json!({
                "at": closed.json["closed_at"], "from": "open", "to": "closed", "action": "close", "agency_id": village.agency,
                "acting_user": "staf-0017", "volunteer_id": null, "reason": null, "outcome": "need_met", "note": "Anaknya sudah pulang.",
            });
            let reopen = json!({
                "at": reopened.json["state_since"], "from": "closed", "to": "open", "action": "reopen", "agency_id": regency.agency,
                "acting_user": "staf-0017", "volunteer_id": null, "reason": "other", "outcome": null, "note": "Ditinggal lagi.",
            });
            assert_eq!(items, json!([created["items"][0], update, close, reopen]));
            assert_eq!(read().await, who);
        }
        let accesses = app.texts("SELECT concat_ws(' ', p.case_id, fields, region_codes[4]) FROM audit_events JOIN case_people p ON person_ids = ARRAY[p.id] WHERE action = 'case.history' GROUP BY 1").await;
        assert_eq!(accesses, [format!("{} {{note}} 17.06.02.1017", first.id())]);
    });
}

#[test]
fn a_create_with_an_id_of_the_client_is_repeatable() {
    run(async |app| {
        let village = app.village().await;
        let mut new = patient(KOTO_JAYA);
        new["id"] = json!(Uuid::now_v7());
        let first = report(&village, new.clone()).await;
        let changed =
            village.patch(&path(&first), first.header("etag"), json!({ "urgency": "urgent" })).await.expect(200);
        // the row as it is now
        let again = village.post("/v1/cases", new.clone()).await.expect(200);
        assert_eq!((&again.json["version"], &again.json["urgency"]), (&changed.json["version"], &json!("urgent")));
        new["need"] = json!("Lain");
        village.post("/v1/cases", new.clone()).await.problem(409, "id_taken");
        let foreign = app.other_regency().await;
        new["village_code"] = json!("15.01.01.2001");
        let taken = foreign.post("/v1/cases", new).await.problem(409, "id_taken");
        assert!(taken.json.get("state").is_none());
        assert_eq!(app.number("SELECT count(*) FROM cases").await, 1);
    });
}

#[test]
fn a_replay_is_sent_only_to_who_still_sees_the_case() {
    run(async |app| {
        let (village, regency) = (app.village().await, app.regency().await);
        let first = village.post("/v1/cases", elder(KOTO_JAYA)).key("k").await.expect(201);
        let again = village.post("/v1/cases", elder(KOTO_JAYA)).key("k").await.expect(201);
        assert_eq!((again.header("idempotency-replayed"), &again.text), ("true", &first.text));
        assert_eq!(
            app.number(
                "SELECT count(*) FROM audit_events WHERE action = 'case.replay' AND cardinality(person_ids) = 1"
            )
            .await,
            1
        );
        village.post("/v1/cases", patient(KOTO_JAYA)).key("k").await.problem(422, "idempotency_key_reused");
        // reported for the village by itself, so it keeps sight of it even when it becomes sensitive
        regency.patch(&path(&first), first.header("etag"), json!({ "ppks": ["PPKS-16"] })).await.expect(200);
        village.post("/v1/cases", elder(KOTO_JAYA)).key("k").await.expect(201);
        app.sql("UPDATE cases SET reporter_agency_id = (SELECT id FROM agencies WHERE kind = 'ministry')").await;
        village.post("/v1/cases", elder(KOTO_JAYA)).key("k").await.problem(404, "not_found");
    });
}

#[test]
fn a_phone_reports_for_its_own_volunteer() {
    run(async |app| {
        let phone = app.phone().await;
        let volunteer = phone.credential.as_ref().unwrap().volunteer_id.clone().unwrap();
        let case = report(&phone, elder(KOTO_JAYA)).await;
        assert_eq!(case.json["volunteer_id"], volunteer.as_str());
        phone.get(&path(&case)).await.expect(200);
        let mut other = elder(KOTO_JAYA);
        other["volunteer_id"] = json!(Uuid::now_v7());
        phone.post("/v1/cases", other).await.problem(422, "rule_broken").blames("/volunteer_id", "volunteer_unknown");
        // an office names a volunteer that it sees
        let mut named = elder(KOTO_JAYA);
        named["volunteer_id"] = json!(volunteer);
        let by_office = report(&app.village().await, named.clone()).await;
        phone.get(&path(&by_office)).await.expect(200);
        named["village_code"] = json!(BANDAR_RATU);
        app.other_village()
            .await
            .post("/v1/cases", named)
            .await
            .problem(422, "rule_broken")
            .blames("/volunteer_id", "volunteer_unknown");
        assert_eq!(phone.get("/v1/cases").await.json["items"].as_array().unwrap().len(), 2);
    });
}

/// Reads of one statement each: no look-up per row.
#[test]
fn a_page_of_cases_takes_two_statements() {
    run(async |app: &TestApp| {
        let village = app.village().await;
        for _ in 0..5 {
            report(&village, elder(KOTO_JAYA)).await;
        }
        village.get("/v1/cases").await.expect(200);
        // the page, and the record that it was read
        let ran = app.statements_of(async || drop(village.get("/v1/cases").await.expect(200))).await;
        assert_eq!(ran.iter().map(|one| one.calls).collect::<Vec<_>>(), [1, 1], "{ran:?}");
    });
}

/// A case is seen by region. Who sees only what is sent to it would lose the case that it reports.
#[test]
fn who_could_not_see_a_case_does_not_report_one() {
    run(async |app| {
        app.sql("UPDATE access_state SET scopes = scopes || '{cases:read,cases:write}' WHERE agency_id = (SELECT id FROM agencies WHERE name = 'BPJS Kesehatan Mukomuko')").await;
        let branch = app.bpjs_branch().await;
        let token = async || {
            let reply = branch.ask_token(&[("scope", "cases:read cases:write"), ("acting_user", "staf-0017")]).await;
            reply.json["access_token"].as_str().map(str::to_owned)
        };
        within_a_second(async || token().await.is_some()).await;
        let branch = branch.with_token(&token().await.unwrap());
        assert_eq!(branch.get("/v1/cases").await.expect(200).json["items"], json!([]));
        branch.post("/v1/cases", elder(KOTO_JAYA)).await.problem(403, "forbidden");
        assert_eq!(
            app.number(
                "SELECT count(*) FROM cases c JOIN agencies a ON a.id = c.reporter_agency_id WHERE a.name LIKE 'BPJS%'"
            )
            .await,
            0
        );
    });
}

//! What source systems offer: who enters it, what is refused, who reads it.
use crate::support::{TestApp, run};
use serde_json::{Value, json};

fn pbi() -> Value {
    json!({ "service": "pbi_jk_reactivation", "urgent": { "acknowledge_minutes": 60 }, "normal": { "answer_days": 5, "complete_days": 10 },
        "capacity_note": "Dua puluh sehari" })
}

/// A branch of two regencies that the ministry has registered, with an officer of its own who is not signed in.
async fn branch(app: &TestApp) -> String {
    let (ministry, parent) = (app.ministry().await, app.bpjs().await);
    let new = json!({ "kind": "bpjs_kesehatan", "name": "BPJS Kesehatan Cabang Selatan", "parent_id": parent.agency,
        "region_codes": ["17.01", "17.06"], "scopes": ["clients:manage", "referrals:read", "referrals:handle"] });
    ministry.post("/v1/agencies", new).await.expect(201).id()
}

/// A branch of several regencies is entered by the body that it belongs to, within its regions, and found at once.
#[test]
fn a_source_system_enters_its_branches_and_itself() {
    run(async |app| {
        let (parent, village) = (app.bpjs().await, app.village().await);
        let id = branch(app).await;
        let entry = json!({ "agency_id": id, "region_codes": ["17.06"], "offers": [pbi()], "time_zone": "Asia/Jakarta",
            "working_days": [6, 1, 2], "opens_at": "07:30", "closes_at": "14:00" });
        let made = parent.post("/v1/source-systems", entry.clone()).await.expect(201);
        assert_eq!(made.json["working_days"], json!([1, 2, 6]));
        assert_eq!((&made.json["opens_at"], &made.json["may_forward"]), (&json!("07:30"), &json!(false)));
        let offer = &made.json["offers"][0];
        assert_eq!(offer["urgent"], json!({ "acknowledge_minutes": 60, "answer_days": 1, "complete_days": null }));
        assert_eq!(offer["normal"], json!({ "acknowledge_days": 1, "answer_days": 5, "complete_days": 10 }));
        // the national form, with titles for people here
        assert_eq!(offer["fields_schema"]["properties"]["participant_nik"]["x-identity"], "nik");
        assert_eq!(offer["fields_schema"]["additionalProperties"], false);
        parent.post("/v1/source-systems", entry).await.problem(409, "source_system_exists");

        let found =
            village.get("/v1/source-systems?service=pbi_jk_reactivation&region=17.06.02.1017&kind=bpjs_kesehatan");
        let found = found.await.expect(200).json["items"].clone();
        assert!(found.as_array().unwrap().iter().any(|item| item["agency_id"] == id.as_str()));
        let none = village.get("/v1/source-systems?kind=civil_registry").await.expect(200);
        assert_eq!(none.json["items"], json!([]));

        let address = format!("/v1/source-systems/{id}");
        let patch = json!({ "capacity_note": "Libur Natal", "offers": [{ "service": "bpjs_registration" }] });
        let changed = parent.patch(&address, made.header("etag"), patch).await.expect(200);
        assert_eq!((&changed.json["version"], &changed.json["services"]), (&json!(2), &json!(["bpjs_registration"])));
        assert_eq!(changed.json["region_codes"], json!(["17.06"]));
        parent.patch(&address, made.header("etag"), json!({ "capacity_note": null })).await.problem(412, "stale");
        let told = app.texts(&format!("SELECT entity_type || ' ' || version FROM changes WHERE entity_id = '{id}' AND entity_type = 'source_system' ORDER BY seq")).await;
        assert_eq!(told, ["source_system 1", "source_system 2"]);
        let noted = app.texts(&format!("SELECT action FROM audit_events WHERE '{id}' = ANY (subject_ids) AND action LIKE 'source_system.%' ORDER BY at, id")).await;
        assert_eq!(noted, ["source_system.create", "source_system.update"]);
    });
}

/// Only the ministry lets somebody forward, or serve what lies outside their regions; others enter nobody but themselves.
#[test]
fn an_entry_is_changed_by_whom_it_concerns() {
    run(async |app| {
        let (ministry, parent, regency) = (app.ministry().await, app.bpjs().await, app.regency().await);
        let id = branch(app).await;
        let entry = |more: Value| {
            let mut entry = json!({ "agency_id": id, "region_codes": ["17.01"], "offers": [pbi()] });
            entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            entry
        };
        regency.post("/v1/source-systems", entry(json!({}))).await.problem(403, "entry_not_yours");
        app.village().await.post("/v1/source-systems", entry(json!({}))).await.problem(403, "forbidden");
        parent
            .post("/v1/source-systems", entry(json!({ "may_forward": true })))
            .await
            .problem(403, "forwarding_not_yours");
        for outside in [json!([]), json!(["17"]), json!(["17.01", "17.02"])] {
            let problem = parent.post("/v1/source-systems", entry(json!({ "region_codes": outside }))).await;
            problem.problem(422, "rule_broken");
        }
        let made = ministry.post("/v1/source-systems", entry(json!({ "may_forward": true }))).await.expect(201);
        assert_eq!(made.json["may_forward"], true);
        let address = format!("/v1/source-systems/{id}");
        // what it was granted stays, whoever changes the rest
        let kept = parent.patch(&address, made.header("etag"), json!({ "closes_at": "15:00" })).await.expect(200);
        assert_eq!(kept.json["may_forward"], true);
        let etag = kept.header("etag").to_owned();
        parent.patch(&address, &etag, json!({ "may_forward": false })).await.problem(403, "forwarding_not_yours");
        parent.patch(&address, &etag, json!({ "opens_at": "15:00" })).await.problem(422, "rule_broken");
        regency.patch(&address, &etag, json!({ "capacity_note": "x" })).await.problem(403, "entry_not_yours");
        app.bpjs_branch()
            .await
            .patch(&address, &etag, json!({ "capacity_note": "x" }))
            .await
            .problem(403, "entry_not_yours");
        // its own entry an office keeps itself
        let own = format!("/v1/source-systems/{}", regency.agency);
        let own_etag = regency.get(&own).await.header("etag").to_owned();
        regency.patch(&own, &own_etag, json!({ "capacity_note": "Dua tempat" })).await.expect(200);
    });
}

/// A form is refused when it is entered, not when somebody fills it in; what is wrong is said without what was sent.
#[test]
fn a_form_that_is_not_safe_to_run_is_refused() {
    run(async |app| {
        let (regency, secret) = (app.regency().await, "1706024508959001");
        let own = format!("/v1/source-systems/{}", regency.agency);
        let etag = regency.get(&own).await.header("etag").to_owned();
        let with = |form: Value| json!({ "offers": [{ "service": "neglected_elder_care", "fields_schema": form }] });
        for form in [
            json!({ "type": "object", "properties": { "a": { "$ref": "https://example.org/x" } } }),
            json!({ "type": "object", "properties": { "a": { "type": "string", "pattern": "(a)\\1" } } }),
            json!({ "type": "object", "properties": { secret: { "type": "string" } } }),
            json!({ "type": "object", "properties": { "a": { "type": "string" } }, "allOf": [] }),
        ] {
            let refused = regency.patch(&own, &etag, with(form)).await.problem(400, "malformed");
            let at = &refused.json["errors"][0];
            assert_eq!((&at["pointer"], &at["code"]), (&json!("/offers/0/fields_schema"), &json!("form_unusable")));
            assert!(!refused.text.contains(secret));
        }
        let twice = json!({ "offers": [{ "service": "emergency_aid" }, { "service": "emergency_aid" }] });
        regency.patch(&own, &etag, twice).await.problem(422, "rule_broken");
        regency.patch(&own, &etag, json!({ "offers": [{ "service": "nope" }] })).await.problem(422, "rule_broken");
        let form = json!({ "type": "object", "properties": { "kk": { "type": "string", "title": "Nomor KK", "x-identity": "kk" } } });
        let kept = regency.patch(&own, &etag, with(form)).await.expect(200);
        let form = &kept.json["offers"][0]["fields_schema"];
        assert_eq!(form["properties"]["kk"]["pattern"], "^[0-9]{16}$");
        assert_eq!(form["additionalProperties"], false);
    });
}

/// A government is found where it governs, whatever its entry says.
#[test]
fn a_government_helps_where_it_governs() {
    run(async |app| {
        let (ministry, regency) = (app.ministry().await, app.regency().await);
        let own = format!("/v1/source-systems/{}", regency.agency);
        let etag = regency.get(&own).await.header("etag").to_owned();
        ministry.patch(&own, &etag, json!({ "region_codes": ["17"] })).await.expect(200);
        for (region, found) in [("17.06.02.1017", true), ("17.01", false)] {
            let list =
                ministry.get(&format!("/v1/source-systems?region={region}&kind=dinsos_regency")).await.expect(200);
            let names =
                list.json["items"].as_array().unwrap().iter().any(|item| item["agency_id"] == regency.agency.as_str());
            assert_eq!(names, found, "{region}");
        }
    });
}

//! The BPJS integration: many referrals acknowledged or answered at once, searched by number, revealed for a worklist.
use crate::cases::{KOTO_JAYA, NIK, patient, report};
use crate::referrals::{REACTIVATION, act, ask, because, to_bpjs};
use crate::support::{Reply, TestApp, run};
use serde_json::{Value, json};
use uuid::Uuid;

const BATCH: &str = "/v1/referrals/batch";

fn id(path: &str) -> &str {
    path.rsplit('/').next().unwrap()
}

fn codes(reply: &Reply) -> Vec<&str> {
    reply.json["items"].as_array().unwrap().iter().map(|item| item["code"].as_str().unwrap_or("-")).collect()
}

#[test]
fn each_item_of_a_batch_is_done_or_refused_by_itself() {
    run(async |app| {
        let bpjs = app.bpjs().await;
        let mut all = vec![];
        for _ in 0..6 {
            all.push(to_bpjs(app).await);
        }
        act(&bpjs, &all[1], "reject", because("quota_exhausted")).await.expect(200);
        act(&bpjs, &all[2], "acknowledge", json!({ "partner_reference": "B-2" })).await.expect(200);
        let foreign = {
            let mut case = patient(KOTO_JAYA);
            case["referral"] = ask(&app.agency("Dinas Sosial Kabupaten Mukomuko").await, "emergency_aid");
            report(&app.village().await, case).await.json["referral_id"].as_str().unwrap().to_owned()
        };
        let items = json!([
            { "id": id(&all[0]), "version": 1, "acknowledge": { "partner_reference": "B-0" } },
            { "id": id(&all[1]), "version": 2, "accept": {} },
            { "partner_reference": "B-2", "version": 2, "accept": { "due_on": "2099-01-01" } },
            { "id": id(&all[3]), "version": 7, "accept": {} },
            { "id": id(&all[4]), "version": 1, "reject": { "reason": "no_such_reason" } },
            { "id": id(&all[5]), "version": 1, "accept": { "appointment_at": "2020-01-01T10:00:00Z" } },
            { "id": foreign, "version": 1, "accept": {} },
            { "id": Uuid::now_v7(), "version": 1, "accept": {} },
            { "partner_reference": "nobody's", "version": 1, "accept": {} },
            { "id": Uuid::now_v7(), "version": 1, "accept": {}, "reject": { "reason": "quota_exhausted" } },
            { "id": Uuid::now_v7(), "version": 1 },
            { "version": 1, "start": {} },
        ]);
        let key = "a-batch";
        let done = bpjs.post(BATCH, json!({ "items": items })).key(key).await.expect(200);
        assert_eq!(
            codes(&done),
            [
                "-",
                "referral_state_conflict",
                "-",
                "stale",
                "rule_broken",
                "rule_broken",
                "not_found",
                "not_found",
                "not_found",
                "rule_broken",
                "rule_broken",
                "rule_broken"
            ]
        );
        assert_eq!(done.json["done"], 2);
        let item = |index: usize| &done.json["items"][index];
        assert_eq!(
            (&item(0)["status"], &item(0)["version"], &item(0)["http_status"]),
            (&json!("received"), &json!(2), &json!(200))
        );
        assert_eq!((&item(2)["status"], &item(2)["id"]), (&json!("accepted"), &json!(id(&all[2]))));
        assert_eq!((&item(1)["told"]["state"], &item(1)["told"]["by"]), (&json!("rejected"), &json!(bpjs.agency)));
        assert_eq!(item(3)["told"]["version"], 1);
        assert_eq!(item(4)["errors"][0], json!({ "pointer": "/reject/reason", "code": "code_unknown" }));
        assert_eq!(item(5)["errors"][0]["pointer"], "/accept/appointment_at");
        assert_eq!(item(6)["id"], Value::Null);
        for (at, status) in
            [(0, "received"), (1, "rejected"), (2, "accepted"), (3, "submitted"), (4, "submitted"), (5, "submitted")]
        {
            assert_eq!(bpjs.get(&all[at]).await.json["status"], status, "{at}");
        }
        // sent again, nothing is done twice
        let again = bpjs.post(BATCH, json!({ "items": items })).key(key).await.expect(200);
        assert_eq!(again.json, done.json);
        let lines = "SELECT count(*) FROM referral_history WHERE action = 'acknowledge'";
        assert_eq!(app.number(lines).await, 2);
        app.village().await.post(BATCH, json!({ "items": items })).await.problem(403, "forbidden");
    });
}

#[test]
fn a_batch_that_names_a_referral_twice_does_nothing() {
    run(async |app| {
        let bpjs = app.bpjs().await;
        let at = to_bpjs(app).await;
        act(&bpjs, &at, "acknowledge", json!({ "partner_reference": "B-1" })).await.expect(200);
        let by_id = json!({ "id": id(&at), "version": 2, "accept": {} });
        let by_number = json!({ "partner_reference": "B-1", "version": 2, "accept": {} });
        for items in [json!([by_id, by_id]), json!([by_id, by_number])] {
            bpjs.post(BATCH, json!({ "items": items }))
                .await
                .problem(422, "rule_broken")
                .blames("/items/1", "named_twice");
        }
        let unreadable = json!([by_id, { "id": id(&at), "version": 2, "accept": { "due_on": "soon" } }]);
        bpjs.post(BATCH, json!({ "items": unreadable }))
            .await
            .problem(400, "malformed")
            .blames("/items/1/accept/due_on", "date_malformed");
        for items in [json!([]), json!(vec![by_id; 201])] {
            bpjs.post(BATCH, json!({ "items": items }))
                .await
                .problem(422, "rule_broken")
                .blames("/items", "out_of_range");
        }
        assert_eq!(bpjs.get(&at).await.json["status"], "received");
    });
}

/// What a single answer shows and records, a batch shows and records not.
#[test]
fn a_batch_shows_nobody() {
    run(async |app| {
        let (bpjs, at) = (app.bpjs().await, to_bpjs(app).await);
        let items = json!([{ "id": id(&at), "version": 1, "accept": {} }]);
        let done = bpjs.post(BATCH, json!({ "items": items })).await.expect(200);
        assert!(!done.text.contains("Siti"));
        let seen = "SELECT count(*) FROM audit_events WHERE action = 'referral.accept' AND cardinality(person_ids) > 0";
        assert_eq!(app.number(seen).await, 0);
        assert_eq!(app.number("SELECT count(*) FROM audit_events WHERE action = 'referral.accept'").await, 1);
    });
}

async fn another(app: &TestApp, card: &str) -> String {
    let mut case = patient(KOTO_JAYA);
    case["person"]["name"] = json!("Rahmat Hidayat");
    case["person"]["nik"] = json!("1706021508909001");
    case["person"]["birth_date"] = json!("1990-08-15");
    case["person"]["sex"] = json!("male");
    case["person"]["card_number"] = json!(card);
    case["referral"] = ask(&app.agency("BPJS Kesehatan").await, REACTIVATION);
    let made = report(&app.village().await, case).await;
    format!("/v1/referrals/{}", made.json["referral_id"].as_str().unwrap())
}

#[test]
fn referrals_are_searched_by_a_number_of_the_person_or_of_the_receiver() {
    run(async |app| {
        let (bpjs, regency, province) = (app.bpjs().await, app.regency().await, app.province().await);
        let (siti, rahmat) = (to_bpjs(app).await, another(app, "0009876543210").await);
        let search = async |by: Value| {
            let mut body = by;
            body["purpose"] = json!("identity_check");
            let reply = bpjs.post("/v1/referrals/search", body).await.expect(200);
            reply.json["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|item| item["id"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(search(json!({ "nik": NIK })).await, [id(&siti)]);
        assert_eq!(search(json!({ "card_number": "000 9876 543210" })).await, [id(&rahmat)]);
        assert!(search(json!({ "card_number": "0009876543211" })).await.is_empty());
        act(&bpjs, &rahmat, "acknowledge", json!({ "partner_reference": "SEP-77" })).await.expect(200);
        assert_eq!(search(json!({ "partner_reference": "SEP-77" })).await, [id(&rahmat)]);
        // who does not see them finds none; masked stays masked
        let by = json!({ "nik": NIK, "purpose": "identity_check" });
        let found = bpjs.post("/v1/referrals/search", by.clone()).await;
        assert_eq!(found.json["items"][0]["person"]["masked"], true);
        assert!(!found.text.contains("Aminah"));
        assert_eq!(
            app.bpjs_elsewhere().await.post("/v1/referrals/search", by.clone()).await.expect(200).json["items"],
            json!([])
        );
        for client in [&regency, &province] {
            let found = client.post("/v1/referrals/search", by.clone()).await.expect(200);
            assert_eq!(
                (found.json["items"].as_array().unwrap().len(), &found.json["items"][0]["person"]["name"]),
                (1, &json!("Siti Aminah"))
            );
        }
        let recorded =
            "SELECT count(*) FROM audit_events WHERE action = 'referral.search' AND purpose = 'identity_check'";
        assert_eq!(app.number(recorded).await, 8);
        for wrong in [json!({}), json!({ "nik": NIK, "card_number": "0001234567890" })] {
            let mut body = wrong;
            body["purpose"] = json!("eligibility");
            bpjs.post("/v1/referrals/search", body).await.problem(422, "rule_broken");
        }
    });
}

#[test]
fn the_numbers_of_a_worklist_are_revealed_at_once_and_recorded_in_one() {
    run(async |app| {
        let bpjs = app.bpjs().await;
        let (siti, rahmat, waiting) = (to_bpjs(app).await, another(app, "0009876543210").await, to_bpjs(app).await);
        act(&bpjs, &siti, "accept", json!({})).await.expect(200);
        act(&bpjs, &rahmat, "acknowledge", json!({})).await.expect(200);
        let missing = Uuid::now_v7().to_string();
        let ids = json!([id(&rahmat), missing, id(&siti), id(&waiting)]);
        let reveal = async |purpose: &str| {
            bpjs.post("/v1/referrals/reveal", json!({ "ids": ids, "purpose": purpose })).await.expect(200)
        };
        let shown = reveal("eligibility").await;
        assert_eq!(codes(&shown), ["-", "not_found", "-", "referral_state_conflict"]);
        assert_eq!(shown.json["items"][0]["identity"]["card_number"], "0009876543210");
        assert_eq!(shown.json["items"][2]["identity"]["nik"], NIK);
        assert_eq!(
            codes(&reveal("service_delivery").await),
            ["purpose_not_allowed", "not_found", "-", "referral_state_conflict"]
        );
        let recorded =
            "SELECT cardinality(person_ids) FROM audit_events WHERE action = 'referral.reveal' ORDER BY at, id";
        assert_eq!(app.texts(recorded).await, ["2", "1"]);
        for (ids, code) in [(json!([]), "out_of_range"), (json!(vec![Uuid::now_v7(); 201]), "out_of_range")] {
            let body = json!({ "ids": ids, "purpose": "eligibility" });
            bpjs.post("/v1/referrals/reveal", body).await.problem(422, "rule_broken").blames("/ids", code);
        }
        let twice = json!({ "ids": [id(&siti), id(&siti)], "purpose": "eligibility" });
        bpjs.post("/v1/referrals/reveal", twice).await.problem(422, "rule_broken").blames("/ids/1", "named_twice");
    });
}

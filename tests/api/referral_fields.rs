//! What a service asks for beside the need: typed values, shown by sight, completed by the sender; and what is known of eligibility.
use crate::cases::{KOTO_JAYA, NIK, elder, patient};
use crate::clear_text::found_in;
use crate::referrals::{ELDER_CARE, REACTIVATION, act, ask, because};
use crate::support::{Client, Reply, TestApp, rounds, run};
use chrono::TimeDelta;
use serde_json::{Value, json};
use std::future::IntoFuture;

/// Of a child of the person: other numbers than the person's own.
const CHILD_NIK: &str = "1706020503190002";
const CHILD_CARD: &str = "0009876543210";

fn told() -> Value {
    json!({ "participant_name": "Budi Kecil", "participant_nik": CHILD_NIK, "card_number": CHILD_CARD, "deactivated_on": "2026-03-01",
        "reason": "chronic", "facility_name": "RSUD Mukomuko", "letter_number": "445/12/2026" })
}

fn found(app: &TestApp) -> Value {
    json!({ "desil": 3, "quarter": "2026-Q1", "checked_at": app.clock.now() - TimeDelta::hours(1) })
}

/// A case with a referral to BPJS that tells this.
async fn sent(app: &TestApp, sender: &Client<'_>, fields: Value, eligibility: Value) -> Reply {
    let mut case = patient(KOTO_JAYA);
    case["referral"] = ask(&app.agency("BPJS Kesehatan").await, REACTIVATION);
    case["referral"]["fields"] = fields;
    case["referral"]["eligibility"] = eligibility;
    sender.post("/v1/cases", case).await
}

fn at(created: &Reply) -> String {
    format!("/v1/referrals/{}", created.json["referral_id"].as_str().unwrap())
}

#[test]
fn what_a_service_asks_for_is_shown_by_sight() {
    run(async |app| {
        let (village, bpjs) = (app.village().await, app.bpjs().await);
        let at = at(&sent(app, &village, told(), found(app)).await.expect(201));

        // undecided: no number, and initials
        let masked = bpjs.get(&at).await.expect(200).json;
        assert_eq!(
            masked["fields"],
            json!({ "participant_name": "B. K.", "deactivated_on": "2026-03-01", "reason": "chronic", "facility_name": "RSUD Mukomuko", "letter_number": "445/12/2026" })
        );
        assert_eq!((&masked["fields_missing"], &masked["eligibility"]["desil"]), (&json!([]), &json!(3)));
        assert_eq!(masked["eligibility"]["quarter"], "2026-Q1");
        // received: in full for one purpose, recorded
        act(&bpjs, &at, "acknowledge", json!({})).await.expect(200);
        let reveal = bpjs.post(&format!("{at}/reveal"), json!({ "purpose": "eligibility" })).await.expect(200);
        assert_eq!(
            (&reveal.json["fields"], &reveal.json["nik"]),
            (
                &json!({ "participant_name": "Budi Kecil", "participant_nik": CHILD_NIK, "card_number": CHILD_CARD }),
                &json!(NIK)
            )
        );
        let many = json!({ "ids": [masked["id"]], "purpose": "eligibility" });
        let many = bpjs.post("/v1/referrals/reveal", many).await.expect(200);
        assert_eq!(many.json["items"][0]["identity"]["fields"]["participant_nik"], CHILD_NIK);
        // accepted: whose it is, by the last four digits
        act(&bpjs, &at, "accept", json!({})).await.expect(200);
        let open = bpjs.get(&at).await.expect(200).json;
        let mut all = told();
        (all["participant_nik"], all["card_number"]) = (json!("************0002"), json!("*********3210"));
        assert_eq!(open["fields"], all);
        assert_eq!(village.get(&at).await.expect(200).json["fields"], all);
        let listed = bpjs.get("/v1/referrals?receiver=me").await.expect(200).json["items"][0].clone();
        assert_eq!(listed["fields"], all);
        // ended: the receiver has nothing more to do with it, the sender has
        act(&bpjs, &at, "complete", json!({ "outcome": "membership_active" })).await.expect(200);
        let header = bpjs.get(&at).await.expect(200).json;
        assert_eq!(
            (&header["fields"], &header["eligibility"], &header["fields_missing"]),
            (&Value::Null, &Value::Null, &json!([]))
        );
        assert_eq!(village.get(&at).await.expect(200).json["fields"], all);

        // in no column, no log and no access record does any of it stand in clear
        for secret in [CHILD_NIK, CHILD_CARD, "Budi Kecil", "445/12/2026"] {
            assert_eq!(found_in(app, secret).await, [""; 0], "{secret}");
        }
        let of_fields = "SELECT count(*) FROM audit_events WHERE 'fields' = ANY(fields)";
        assert!(app.number(of_fields).await >= 3);
    });
}

#[test]
fn a_wrong_value_is_refused_where_it_stands_and_nothing_is_stored() {
    run(async |app| {
        let village = app.village().await;
        let fields = json!({ "participant_nik": "1706029903190002", "card_number": "12345", "deactivated_on": "2026-02-30", "reason": "poor", "letter_number": 12, "other": true });
        let refused = sent(app, &village, fields, found(app)).await.problem(422, "rule_broken");
        let refused = [
            ("/referral/fields", "unknown_field"),
            ("/referral/fields/card_number", "malformed"),
            ("/referral/fields/deactivated_on", "malformed"),
            ("/referral/fields/letter_number", "wrong_type"),
            ("/referral/fields/participant_nik", "nik_malformed"),
            ("/referral/fields/reason", "unknown_value"),
        ]
        .into_iter()
        .fold(refused, |refused, (place, code)| refused.blames(place, code));
        assert!(!refused.text.contains("poor") && !refused.text.contains("12345"), "{}", refused.text);
        for (eligibility, place) in [
            (
                json!({ "desil": 3, "quarter": "2026-Q1", "checked_at": app.clock.now() + TimeDelta::hours(1) }),
                "/referral/eligibility/checked_at",
            ),
            (
                json!({ "desil": 3, "quarter": "2099-Q1", "checked_at": app.clock.now() }),
                "/referral/eligibility/quarter",
            ),
        ] {
            sent(app, &village, told(), eligibility).await.problem(422, "rule_broken").blames(place, "date_impossible");
        }
        for eligibility in [
            json!({ "desil": 11, "quarter": "2026-Q1", "checked_at": app.clock.now() }),
            json!({ "desil": 1, "quarter": "2026-Q5", "checked_at": app.clock.now() }),
        ] {
            sent(app, &village, told(), eligibility).await.expect(400);
        }
        sent(app, &village, Value::Null, found(app)).await.expect(400);
        // a service that asks for nothing takes nothing
        let mut case = elder(KOTO_JAYA);
        case["referral"] = ask(&app.agency("Dinas Sosial Kabupaten Mukomuko").await, ELDER_CARE);
        case["referral"]["fields"] = json!({ "letter_number": "1" });
        village.post("/v1/cases", case).await.problem(422, "rule_broken").blames("/referral/fields", "no_form");
        assert_eq!(
            app.number("SELECT (SELECT count(*) FROM cases) + (SELECT count(*) FROM referral_details)").await,
            0
        );
    });
}

#[test]
fn what_is_missing_is_told_and_completed_by_the_sender() {
    run(async |app| {
        let (village, bpjs, regency) = (app.village().await, app.bpjs().await, app.regency().await);
        let at = at(&sent(app, &village, json!({ "reason": "chronic" }), Value::Null).await.expect(201));
        let waiting = bpjs.get(&at).await.expect(200);
        // the participant is the person of the case, as long as nobody says otherwise
        assert_eq!(waiting.json["fields_missing"], json!(["facility_name", "letter_number"]));
        assert_eq!(waiting.json["eligibility"], Value::Null);

        let before = village.get(&at).await.expect(200);
        let etag = before.header("etag").to_owned();
        let completed = json!({ "fields": { "facility_name": "Puskesmas Mukomuko", "letter_number": "12", "reason": null }, "eligibility": found(app) });
        let after = village.patch(&at, &etag, completed.clone()).await.expect(200);
        assert_eq!(
            (&after.json["fields"], &after.json["fields_missing"]),
            (&json!({ "facility_name": "Puskesmas Mukomuko", "letter_number": "12" }), &json!(["reason"]))
        );
        assert_eq!((&after.json["version"], &after.json["status"]), (&json!(2), &json!("submitted")));
        assert_eq!(bpjs.get(&at).await.expect(200).json["fields"], after.json["fields"]);
        let line = village.get(&format!("{at}/history")).await.expect(200).json["items"][1].clone();
        assert_eq!(
            (&line["action"], &line["from"], &line["to"]),
            (&json!("update"), &json!("submitted"), &json!("submitted"))
        );

        // what was read before is stale; what was masked is no value
        village.patch(&at, &etag, completed).await.problem(412, "stale");
        let etag = village.get(&at).await.expect(200).header("etag").to_owned();
        let masked = json!({ "fields": { "participant_nik": "************0001" } });
        village
            .patch(&at, &etag, masked)
            .await
            .problem(422, "rule_broken")
            .blames("/fields/participant_nik", "malformed");
        // who only sees it does not write it; the receiver cannot
        let etag = regency.get(&at).await.expect(200).header("etag").to_owned();
        let one = json!({ "fields": { "letter_number": "13" } });
        regency.patch(&at, &etag, one.clone()).await.problem(403, "not_a_party");
        // held, it can be completed still; ended it cannot
        act(&bpjs, &at, "accept", json!({})).await.expect(200);
        act(&bpjs, &at, "hold", because("waiting_for_documents")).await.expect(200);
        let etag = village.get(&at).await.expect(200).header("etag").to_owned();
        village.patch(&at, &etag, one.clone()).await.expect(200);
        act(&bpjs, &at, "fail", because("unreachable")).await.expect(200);
        let etag = village.get(&at).await.expect(200).header("etag").to_owned();
        let refused = village.patch(&at, &etag, one).await.problem(409, "referral_state_conflict");
        assert_eq!((&refused.json["state"], &refused.json["by"]), (&json!("failed"), &json!(bpjs.agency)));
    });
}

#[test]
fn the_last_of_what_was_told_can_be_taken_out() {
    run(async |app| {
        let (village, regency) = (app.village().await, app.regency().await);
        // its service asks for nothing: without the eligibility nothing is told
        let mut case = elder(KOTO_JAYA);
        case["referral"] = ask(&regency.agency, ELDER_CARE);
        case["referral"]["eligibility"] = found(app);
        let at = at(&village.post("/v1/cases", case).await.expect(201));
        for eligibility in [Value::Null, found(app), Value::Null] {
            let etag = village.get(&at).await.expect(200).header("etag").to_owned();
            let change = json!({ "eligibility": eligibility });
            let changed = village.patch(&at, &etag, change).await.expect(200);
            assert_eq!(changed.json["eligibility"]["desil"], eligibility["desil"]);
            let read = village.get(&at).await.expect(200);
            assert_eq!(read.json["eligibility"], changed.json["eligibility"]);
        }
    });
}

#[test]
fn two_completions_of_one_version_are_one() {
    run(async |app| {
        let village = app.village().await;
        let at = at(&sent(app, &village, json!({}), Value::Null).await.expect(201));
        for round in 0..rounds(20) {
            let etag = village.get(&at).await.expect(200).header("etag").to_owned();
            let one = |name: &str| {
                village.patch(&at, &etag, json!({ "fields": { "letter_number": format!("{name} {round}") } }))
            };
            let (a, b) = tokio::join!(one("a").into_future(), one("b").into_future());
            let mut codes = [a.status, b.status];
            codes.sort_unstable();
            assert_eq!(codes, [200, 412]);
        }
    });
}

#[test]
fn who_is_meant_in_the_fields_is_found_by_number() {
    run(async |app| {
        let (village, bpjs) = (app.village().await, app.bpjs().await);
        let at = at(&sent(app, &village, told(), Value::Null).await.expect(201));
        let id = json!(at.rsplit('/').next().unwrap());
        for search in [json!({ "nik": CHILD_NIK }), json!({ "card_number": CHILD_CARD }), json!({ "nik": NIK })] {
            let mut search = search;
            search["purpose"] = json!("eligibility");
            let found = bpjs.post("/v1/referrals/search", search.clone()).await.expect(200);
            assert_eq!(found.json["items"][0]["id"], id, "{search}");
        }
        // a number that was taken out names nobody any more
        let etag = village.get(&at).await.expect(200).header("etag").to_owned();
        village.patch(&at, &etag, json!({ "fields": { "participant_nik": null } })).await.expect(200);
        let search = json!({ "nik": CHILD_NIK, "purpose": "eligibility" });
        assert_eq!(bpjs.post("/v1/referrals/search", search).await.expect(200).json["items"], json!([]));
    });
}

#[test]
fn what_was_told_goes_along_when_it_is_passed_on() {
    run(async |app| {
        let (village, bpjs, branch) = (app.village().await, app.bpjs().await, app.bpjs_branch().await);
        let at = at(&sent(app, &village, told(), found(app)).await.expect(201));
        act(&bpjs, &at, "forward", json!({ "target_agency_id": branch.agency, "reason": "nearer_branch" }))
            .await
            .expect(200);
        let next = branch.get("/v1/referrals?receiver=me").await.expect(200).json["items"][0].clone();
        assert_eq!(
            (&next["fields"]["letter_number"], &next["fields"]["participant_name"]),
            (&json!("445/12/2026"), &json!("B. K."))
        );
        assert_eq!(
            (&next["eligibility"]["desil"], &next["previous_referral_id"]),
            (&json!(3), &json!(at.rsplit('/').next().unwrap()))
        );
        // who passed it on keeps the header of its own
        assert_eq!(bpjs.get(&at).await.expect(200).json["fields"], Value::Null);
    });
}

#[test]
fn a_form_of_its_own_is_what_a_source_system_asks_for() {
    run(async |app| {
        let (village, bpjs) = (app.village().await, app.bpjs().await);
        let entry = format!("/v1/source-systems/{}", bpjs.agency);
        let read = bpjs.get(&entry).await.expect(200);
        let form = json!({ "type": "object", "properties": { "room": { "type": "integer", "minimum": 1, "maximum": 9 } }, "required": ["room"] });
        let offers = json!({ "offers": [{ "service": REACTIVATION, "fields_schema": form }] });
        bpjs.patch(&entry, read.header("etag"), offers).await.expect(200);
        let created = sent(app, &village, json!({}), Value::Null).await.expect(201);
        assert_eq!(village.get(&at(&created)).await.expect(200).json["fields_missing"], json!(["room"]));
        let at = at(&created);
        let etag = village.get(&at).await.expect(200).header("etag").to_owned();
        let refused = village.patch(&at, &etag, json!({ "fields": { "room": 10 } })).await;
        refused.problem(422, "rule_broken").blames("/fields/room", "out_of_range");
        // 2.0 is a whole number
        let filled = village.patch(&at, &etag, json!({ "fields": { "room": 2.0 } })).await.expect(200);
        assert_eq!(filled.json["fields"], json!({ "room": 2 }));
    });
}

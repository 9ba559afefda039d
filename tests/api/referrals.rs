//! Referrals: every move of the table, who sees what in which state, the clock, races.
use crate::cases::{KOTO_JAYA, NIK, elder, patient, report};
use crate::support::{Client, Reply, TestApp, rounds, run};
use chrono::TimeDelta;
use serde_json::{Value, json};
use std::future::IntoFuture;
use uuid::Uuid;

pub const ELDER_CARE: &str = "neglected_elder_care";
pub const REACTIVATION: &str = "pbi_jk_reactivation";

pub fn ask(target: &str, service: &str) -> Value {
    json!({ "target_agency_id": target, "service": service })
}

/// A referral of the village to BPJS, with its path.
pub async fn to_bpjs(app: &TestApp) -> String {
    let (village, bpjs) = (app.village().await, app.agency("BPJS Kesehatan").await);
    let mut case = patient(KOTO_JAYA);
    case["referral"] = ask(&bpjs, REACTIVATION);
    let made = report(&village, case).await;
    format!("/v1/referrals/{}", made.json["referral_id"].as_str().unwrap())
}

/// A referral of the village to the regency's social office.
pub async fn to_regency(app: &TestApp) -> String {
    let (village, regency) = (app.village().await, app.agency("Dinas Sosial Kabupaten Mukomuko").await);
    let case = report(&village, elder(KOTO_JAYA)).await.id();
    let sent = village.post(&format!("/v1/cases/{case}/referrals"), ask(&regency, ELDER_CARE)).await.expect(201);
    format!("/v1/referrals/{}", sent.id())
}

/// Moves what the client has just read.
pub async fn act(client: &Client<'_>, path: &str, action: &str, body: Value) -> Reply {
    let etag = client.get(path).await.expect(200).header("etag").to_owned();
    client.act(&format!("{path}/{action}"), &etag, body).await
}

async fn walk(client: &Client<'_>, path: &str, moves: &[(&str, Value)]) {
    for (action, body) in moves {
        act(client, path, action, body.clone()).await.expect(200);
    }
}

pub fn actions(reply: &Reply) -> Vec<&str> {
    reply.json["allowed_actions"].as_array().unwrap().iter().map(|a| a.as_str().unwrap()).collect()
}

pub fn because(reason: &str) -> Value {
    json!({ "reason": reason })
}

#[test]
fn a_referral_goes_the_whole_way_and_tells_each_step() {
    run(async |app| {
        let (village, bpjs) = (app.village().await, app.bpjs().await);
        let at = to_bpjs(app).await;
        let sent = village.get(&at).await.expect(200);
        assert_eq!(
            (&sent.json["status"], &sent.json["sender_agency_id"]),
            (&json!("submitted"), &json!(village.agency))
        );
        assert_eq!(actions(&sent), ["withdraw"]);
        assert_eq!(actions(&bpjs.get(&at).await), ["acknowledge", "accept", "reject", "forward", "claim"]);

        let received = act(&bpjs, &at, "acknowledge", json!({ "partner_reference": "BPJS-17" })).await.expect(200);
        assert_eq!(
            (&received.json["status"], &received.json["partner_reference"]),
            (&json!("received"), &json!("BPJS-17"))
        );
        let due = (app.clock.now() + TimeDelta::days(7)).date_naive();
        let accepted = act(&bpjs, &at, "accept", json!({ "due_on": due })).await.expect(200);
        assert_eq!((&accepted.json["due_on"], &accepted.json["expires_at"]), (&json!(due), &Value::Null));
        assert_eq!(actions(&accepted), ["forward", "start", "hold", "complete", "fail"]);
        assert_eq!(actions(&village.get(&at).await), ["cancel"]);
        walk(&bpjs, &at, &[("start", json!({})), ("hold", because("waiting_for_documents"))]).await;
        let held = bpjs.get(&at).await;
        assert_eq!(
            (&held.json["held_from"], &held.json["hold_reason"]),
            (&json!("in_progress"), &json!("waiting_for_documents"))
        );
        let resumed = act(&bpjs, &at, "resume", json!({})).await.expect(200);
        assert_eq!(
            (&resumed.json["status"], &resumed.json["held_from"], &resumed.json["hold_reason"]),
            (&json!("in_progress"), &Value::Null, &Value::Null)
        );
        let done = json!({ "outcome": "membership_active", "note": "Kartu sudah aktif." });
        let completed = act(&bpjs, &at, "complete", done).await.expect(200);
        assert_eq!(
            (&completed.json["outcome"], &completed.json["ended_from"]),
            (&json!("membership_active"), &json!("in_progress"))
        );
        assert_eq!(actions(&completed), ["correct"]);

        let history = village.get(&format!("{at}/history")).await.expect(200);
        let lines: Vec<String> = history.json["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|line| {
                let word = |name: &str| line[name].as_str().unwrap_or("-").to_owned();
                [word("action"), word("from"), word("to"), word("reason"), word("outcome")].join(" ")
            })
            .collect();
        assert_eq!(
            lines,
            [
                "create - submitted - -",
                "acknowledge submitted received - -",
                "accept received accepted - -",
                "start accepted in_progress - -",
                "hold in_progress on_hold waiting_for_documents -",
                "resume on_hold in_progress - -",
                "complete in_progress completed - membership_active",
            ]
        );
        assert_eq!(history.json["items"][6]["note"], "Kartu sudah aktif.");
        // every step is audited and published once, with its version
        let id = at.rsplit('/').next().unwrap();
        assert_eq!(app.number(&format!("SELECT count(*) FROM audit_events WHERE action IN ('referral.create', 'referral.acknowledge', 'referral.accept', 'referral.start', 'referral.hold', 'referral.resume', 'referral.complete') AND '{id}' = ANY(subject_ids)")).await, 7);
        assert_eq!(
            app.texts(&format!("SELECT version FROM changes WHERE entity_id = '{id}' ORDER BY seq")).await,
            ["1", "2", "3", "4", "5", "6", "7"]
        );
    });
}

/// What a source system sees of the person, by state.
#[test]
fn a_source_system_sees_the_person_only_while_it_works_for_the_person() {
    run(async |app| {
        let (bpjs, village) = (app.bpjs().await, app.village().await);
        let at = to_bpjs(app).await;
        let reveal = async |purpose: &str| bpjs.post(&format!("{at}/reveal"), json!({ "purpose": purpose })).await;
        let accesses = "SELECT count(*) FROM audit_events WHERE cardinality(person_ids) > 0 AND agency_id = (SELECT id FROM agencies WHERE name = 'BPJS Kesehatan')";
        let masked = |reply: &Reply| {
            let person = &reply.json["person"];
            assert_eq!(
                (&person["masked"], &person["initials"], &person["age_band"]),
                (&json!(true), &json!("S. A."), &json!("25-44"))
            );
            assert_eq!(reply.json["need"], "PBI-JK nonaktif, perlu cuci darah.");
            assert_eq!(reply.json["village_code"], KOTO_JAYA);
            for secret in ["Siti", "Aminah", "0001", "7890", "1995", "812"] {
                assert!(!reply.json["person"].to_string().contains(secret), "{secret}");
            }
        };
        // submitted: need, region, initials, age band
        masked(&bpjs.get(&at).await.expect(200));
        let list = bpjs.get("/v1/referrals?status=submitted").await.expect(200);
        assert_eq!(list.json["items"][0]["person"]["masked"], true);
        assert_eq!(reveal("eligibility").await.problem(409, "referral_state_conflict").json["state"], "submitted");
        // received: the same, and numbers to find out whether the person is entitled
        act(&bpjs, &at, "acknowledge", json!({})).await.expect(200);
        masked(&bpjs.get(&at).await.expect(200));
        assert_eq!(app.number(accesses).await, 0);
        reveal("service_delivery").await.problem(403, "purpose_not_allowed");
        assert_eq!(reveal("eligibility").await.expect(200).json["nik"], NIK);
        assert_eq!(app.number(accesses).await, 1);
        // accepted: the person, with numbers masked
        let accepted = act(&bpjs, &at, "accept", json!({})).await.expect(200);
        for open in [&accepted, &bpjs.get(&at).await] {
            assert_eq!(open.json["person"]["name"], "Siti Aminah");
            assert_eq!(open.json["person"]["nik"], "************0001");
        }
        reveal("service_delivery").await.expect(200);
        bpjs.get("/v1/referrals").await.expect(200);
        assert_eq!(app.number(accesses).await, 5);
        // ended: its header
        let ended = act(&bpjs, &at, "complete", json!({ "outcome": "membership_active" })).await.expect(200);
        for closed in [&ended, &bpjs.get(&at).await] {
            assert_eq!(
                (&closed.json["person"], &closed.json["need"], &closed.json["ppks"]),
                (&Value::Null, &Value::Null, &Value::Null)
            );
        }
        reveal("eligibility").await.problem(409, "referral_state_conflict");
        // only the read before completing came to these
        assert_eq!(app.number(accesses).await, 6);
        let history = bpjs.get(&format!("{at}/history")).await.expect(200);
        assert!(history.json["items"].as_array().unwrap().iter().all(|line| line["note"].is_null()));
        // the village knew the person all along
        assert_eq!(village.get(&at).await.json["person"]["name"], "Siti Aminah");
    });
}

#[test]
fn a_referral_is_seen_by_its_parties_their_parents_and_the_governments_above() {
    run(async |app| {
        let branch = app.agency("BPJS Kesehatan Mukomuko").await;
        let village = app.village().await;
        let case = report(&village, patient(KOTO_JAYA)).await.id();
        let sent = village.post(&format!("/v1/cases/{case}/referrals"), ask(&branch, REACTIVATION)).await.expect(201);
        let at = format!("/v1/referrals/{}", sent.id());
        for (sees, client) in [
            (true, app.ministry().await),
            (true, app.province().await),
            (true, app.regency().await),
            (true, app.village().await),
            (true, app.bpjs_branch().await),
            (true, app.bpjs().await),
            (false, app.bpjs_elsewhere().await),
            (false, app.other_village().await),
            (false, app.neighbour_regency().await),
            (false, app.other_regency().await),
            (false, app.phone().await),
        ] {
            let role = client.credential.as_ref().unwrap().agency.clone();
            let list = client.get("/v1/referrals").header("prefer", "count=exact").await.expect(200);
            assert_eq!(list.json["total"], json!(i64::from(sees)), "{role}");
            if sees {
                client.get(&at).await.expect(200);
            } else {
                let missing = client.get(&format!("/v1/referrals/{}", Uuid::now_v7())).await;
                assert_eq!(client.get(&at).await.anonymous(), missing.anonymous(), "{role}");
            }
        }
        app.dashboard().await.get(&at).await.problem(403, "forbidden");
    });
}

/// A foreign id is a missing one, on every route with an id.
#[test]
fn another_agencys_referral_answers_like_a_missing_one_on_every_route() {
    run(async |app| {
        let (id, missing) = (to_regency(app).await.rsplit('/').next().unwrap().to_owned(), Uuid::now_v7().to_string());
        let (foreign, elsewhere) = (app.other_regency().await, app.bpjs_elsewhere().await);
        let reason = || json!({ "reason": "other", "note": "x" });
        let target = app.agency("BPJS Kesehatan").await;
        let bodies = [
            ("acknowledge", json!({})),
            ("accept", json!({})),
            ("reject", reason()),
            ("forward", json!({ "target_agency_id": target, "reason": "outside_authority" })),
            ("start", json!({})),
            ("hold", reason()),
            ("resume", json!({})),
            ("complete", json!({ "outcome": "service_provided" })),
            ("fail", reason()),
            ("claim", json!({})),
            ("release", json!({})),
            ("withdraw", reason()),
            ("cancel", reason()),
            ("correct", reason()),
            ("mark-error", reason()),
            ("reveal", json!({ "purpose": "eligibility" })),
        ];
        for (action, body) in bodies {
            let post =
                |id: &str| foreign.act(&format!("/v1/referrals/{id}/{action}"), "\"1-a\"", body.clone()).into_future();
            let (theirs, none) = (post(&id).await.problem(404, "not_found"), post(&missing).await);
            assert_eq!(theirs.anonymous(), none.anonymous(), "{action}");
        }
        for path in ["", "/history"] {
            let read = |id: &str| foreign.get(&format!("/v1/referrals/{id}{path}")).into_future();
            assert_eq!(read(&id).await.problem(404, "not_found").anonymous(), read(&missing).await.anonymous());
        }
        elsewhere.act(&format!("/v1/referrals/{id}/accept"), "\"1-a\"", json!({})).await.problem(404, "not_found");
        let case = app.texts("SELECT case_id FROM referrals").await.remove(0);
        for (path, body) in [
            ("referrals", ask(&target, REACTIVATION)),
            ("close", json!({ "outcome": "need_met" })),
            ("reopen", json!({ "reason": "need_returned" })),
            ("reveal", json!({ "purpose": "eligibility" })),
        ] {
            let post = |id: &str| foreign.act(&format!("/v1/cases/{id}/{path}"), "\"1-a\"", body.clone()).into_future();
            let (theirs, none) = (post(&case).await.problem(404, "not_found"), post(&missing).await);
            assert_eq!(theirs.anonymous(), none.anonymous(), "{path}");
        }
        assert_eq!(app.texts("SELECT status || version FROM referrals").await, ["submitted1"]);
    });
}

#[test]
fn who_sees_a_referral_but_is_not_the_party_is_refused() {
    run(async |app| {
        let at = to_bpjs(app).await;
        let regency = app.regency().await;
        act(&regency, &at, "accept", json!({})).await.problem(403, "not_a_party");
        act(&regency, &at, "withdraw", because("wrong_target")).await.problem(403, "not_a_party");
        act(&app.province().await, &at, "mark-error", because("wrong_record")).await.problem(403, "not_a_party");
        let bpjs = app.bpjs().await;
        bpjs.act(&format!("{at}/withdraw"), "\"1-a\"", because("wrong_target")).await.problem(403, "forbidden");
        let village = app.village().await;
        village.act(&format!("{at}/accept"), "\"1-a\"", json!({})).await.problem(403, "forbidden");
        // an officer says who decides; a system need not
        let token = regency.ask_token(&[]).await.json["access_token"].as_str().unwrap().to_owned();
        regency
            .with_token(&token)
            .act(&format!("{at}/accept"), "\"1-a\"", json!({}))
            .await
            .problem(403, "acting_user_required");
        assert!(bpjs.credential.as_ref().unwrap().client_kind.as_str() == "system");
        act(&bpjs, &at, "accept", json!({})).await.expect(200);
    });
}

#[test]
fn an_office_that_refers_to_itself_is_both_parties() {
    run(async |app| {
        let regency = app.regency().await;
        let case = report(&regency, elder(KOTO_JAYA)).await.id();
        let sent =
            regency.post(&format!("/v1/cases/{case}/referrals"), ask(&regency.agency, ELDER_CARE)).await.expect(201);
        assert_eq!(actions(&sent), ["acknowledge", "accept", "reject", "forward", "claim", "withdraw", "mark-error"]);
        // its phones are sender only
        let phone = app.phone().await;
        let mut own = elder(KOTO_JAYA);
        own["referral"] = ask(&regency.agency, ELDER_CARE);
        let own = report(&phone, own).await.json["referral_id"].as_str().unwrap().to_owned();
        assert_eq!(actions(&phone.get(&format!("/v1/referrals/{own}")).await), ["withdraw"]);
        let at = format!("/v1/referrals/{own}");
        act(&phone, &at, "withdraw", because("need_met_otherwise")).await.expect(200);
    });
}

#[test]
fn a_move_that_the_table_does_not_list_tells_the_state() {
    run(async |app| {
        let (village, bpjs) = (app.village().await, app.bpjs().await);
        let at = to_bpjs(app).await;
        let early = act(&bpjs, &at, "complete", json!({ "outcome": "membership_active" })).await;
        assert_eq!(early.problem(409, "referral_state_conflict").json["state"], "submitted");
        let old = bpjs.get(&at).await.header("etag").to_owned();
        act(&bpjs, &at, "reject", because("not_in_dtsen")).await.expect(200);
        // a late mover on a finished thing: 409 with state, since and by, although its version is old too
        let late = bpjs.act(&format!("{at}/accept"), &old, json!({})).await.problem(409, "referral_state_conflict");
        assert_eq!((&late.json["state"], &late.json["by"]), (&json!("rejected"), &json!(bpjs.agency)));
        assert!(late.json["since"].is_string());
        act(&village, &at, "withdraw", because("wrong_target")).await.problem(409, "referral_state_conflict");
        // an old version of something that could still be moved: 412
        let at = to_bpjs(app).await;
        let old = bpjs.get(&at).await.header("etag").to_owned();
        act(&bpjs, &at, "acknowledge", json!({})).await.expect(200);
        assert_eq!(bpjs.act(&format!("{at}/accept"), &old, json!({})).await.problem(412, "stale").json["version"], 2);
        bpjs.post(&format!("{at}/accept"), json!({})).await.problem(428, "if_match_missing");
        bpjs.act(&format!("{at}/accept"), &old, json!({}))
            .without("idempotency-key")
            .await
            .problem(400, "idempotency_key_missing");
    });
}

#[test]
fn reasons_are_codes_of_the_actions_list() {
    run(async |app| {
        let bpjs = app.bpjs().await;
        let at = to_bpjs(app).await;
        act(&bpjs, &at, "reject", json!({})).await.problem(400, "malformed").blames("/reason", "required");
        act(&bpjs, &at, "reject", because("wrong_target"))
            .await
            .problem(422, "rule_broken")
            .blames("/reason", "code_unknown");
        act(&bpjs, &at, "reject", because("other")).await.problem(422, "rule_broken").blames("/note", "required");
        let yesterday = (app.clock.now() - TimeDelta::days(2)).date_naive();
        act(&bpjs, &at, "accept", json!({ "due_on": yesterday }))
            .await
            .problem(422, "rule_broken")
            .blames("/due_on", "date_past");
        act(&bpjs, &at, "accept", json!({ "appointment_at": "2020-01-01T08:00:00+07:00" }))
            .await
            .problem(422, "rule_broken")
            .blames("/appointment_at", "date_past");
        act(&bpjs, &at, "accept", json!({ "status": "completed" }))
            .await
            .problem(400, "malformed")
            .blames("/status", "unknown_field");
        act(&bpjs, &at, "accept", json!({})).await.expect(200);
        act(&bpjs, &at, "complete", json!({ "outcome": "nope" }))
            .await
            .problem(422, "rule_broken")
            .blames("/outcome", "code_unknown");
        let never = json!({ "outcome": "membership_active", "served_on": "2199-01-01" });
        act(&bpjs, &at, "complete", never).await.problem(422, "rule_broken").blames("/served_on", "date_impossible");
        act(&bpjs, &at, "reject", json!({ "reason": "other", "note": "x" }))
            .await
            .problem(409, "referral_state_conflict");
    });
}

#[test]
fn a_referral_is_sent_to_who_offers_the_service_there() {
    run(async |app| {
        let village = app.village().await;
        let case = report(&village, patient(KOTO_JAYA)).await.id();
        let at = format!("/v1/cases/{case}/referrals");
        let target = async |name: &str| app.agency(name).await;
        let refused = async |body: Value, place: &str, code: &str| {
            village.post(&at, body).await.problem(422, "rule_broken").blames(place, code);
        };
        refused(ask(&Uuid::now_v7().to_string(), REACTIVATION), "/target_agency_id", "target_unknown").await;
        refused(ask(&target("Kementerian Sosial").await, REACTIVATION), "/target_agency_id", "target_unknown").await;
        refused(ask(&target("BPJS Kesehatan Kerinci").await, REACTIVATION), "/target_agency_id", "region_not_served")
            .await;
        refused(
            ask(&target("Dinas Sosial Kabupaten Kerinci").await, ELDER_CARE),
            "/target_agency_id",
            "region_not_served",
        )
        .await;
        refused(ask(&target("BPJS Kesehatan").await, ELDER_CARE), "/service", "service_not_offered").await;
        refused(ask(&target("BPJS Kesehatan").await, "nope"), "/service", "code_unknown").await;
        let bpjs = target("BPJS Kesehatan").await;
        let first = village.post(&at, ask(&bpjs, REACTIVATION)).await.expect(201);
        let rival = village.post(&at, ask(&bpjs, "bpjs_registration")).await.problem(409, "referral_open_at_target");
        assert_eq!(rival.json["referral_id"], first.id().as_str());
        village.post(&at, ask(&target("BPJS Kesehatan Mukomuko").await, REACTIVATION)).await.expect(201);
        // in the same request as the case: both or neither
        let mut both = elder(KOTO_JAYA);
        both["referral"] = ask(&bpjs, ELDER_CARE);
        village
            .post("/v1/cases", both)
            .await
            .problem(422, "rule_broken")
            .blames("/referral/service", "service_not_offered");
        assert_eq!(app.number("SELECT count(*) FROM cases").await, 1);
        // a government helps where it governs, whatever its entry says
        app.sql("UPDATE source_systems SET region_codes = '{}' WHERE agency_id = (SELECT id FROM agencies WHERE name LIKE '%Kerinci' AND kind = 'dinsos_regency')").await;
        refused(
            ask(&target("Dinas Sosial Kabupaten Kerinci").await, ELDER_CARE),
            "/target_agency_id",
            "region_not_served",
        )
        .await;
    });
}

#[test]
fn a_forwarded_referral_keeps_its_sender_and_makes_no_loop() {
    run(async |app| {
        let (village, regency, province) = (app.village().await, app.regency().await, app.province().await);
        let first = to_regency(app).await;
        let forward = |target: &str| json!({ "target_agency_id": target, "reason": "outside_authority" });
        act(&regency, &first, "forward", forward(&regency.agency)).await.problem(409, "forward_loop");
        act(&regency, &first, "forward", forward(&app.agency("BPJS Kesehatan").await))
            .await
            .problem(422, "rule_broken")
            .blames("/service", "service_not_offered");
        let closed = act(&regency, &first, "forward", forward(&province.agency)).await.expect(200);
        assert_eq!(
            (&closed.json["status"], &closed.json["ended_from"], &closed.json["reason"]),
            (&json!("forwarded"), &json!("submitted"), &json!("outside_authority"))
        );
        let next = province.get("/v1/referrals?direction=received").await.expect(200).json["items"][0].clone();
        assert_eq!(next["status"], "submitted");
        assert_eq!(
            (&next["sender_agency_id"], &next["forwarded_by"]),
            (&json!(village.agency), &json!(regency.agency))
        );
        assert_eq!((&next["previous_referral_id"], &next["case_id"]), (&closed.json["id"], &closed.json["case_id"]));
        let second = format!("/v1/referrals/{}", next["id"].as_str().unwrap());
        act(&province, &second, "forward", forward(&regency.agency)).await.problem(409, "forward_loop");
        // the sender may take the second one back, too
        assert_eq!(actions(&village.get(&second).await), ["withdraw"]);
        // mark-error: not while the next one is open
        app.sql("UPDATE agencies SET scopes = array_append(scopes, 'referrals:correct') WHERE name LIKE '%Koto Jaya'")
            .await;
        act(&regency, &first, "mark-error", because("wrong_record")).await.problem(403, "not_a_party");
    });
}

#[test]
fn only_an_entry_that_may_forward_forwards() {
    run(async |app| {
        app.sql("UPDATE source_systems SET may_forward = false").await;
        let at = to_regency(app).await;
        let regency = app.regency().await;
        assert!(!actions(&regency.get(&at).await).contains(&"forward"));
        let forward = json!({ "target_agency_id": app.agency("Dinas Sosial Provinsi Bengkulu").await, "reason": "outside_authority" });
        act(&regency, &at, "forward", forward).await.problem(403, "may_not_forward");
    });
}

#[test]
fn an_open_referral_at_the_target_is_in_the_way_of_forwarding() {
    run(async |app| {
        let (village, regency, province) = (app.village().await, app.regency().await, app.province().await);
        let case = report(&village, elder(KOTO_JAYA)).await.id();
        let at = format!("/v1/cases/{case}/referrals");
        let one = village.post(&at, ask(&regency.agency, ELDER_CARE)).await.expect(201).id();
        village.post(&at, ask(&province.agency, ELDER_CARE)).await.expect(201);
        let forward = json!({ "target_agency_id": province.agency, "reason": "outside_authority" });
        act(&regency, &format!("/v1/referrals/{one}"), "forward", forward)
            .await
            .problem(409, "referral_open_at_target");
        assert_eq!(app.number("SELECT count(*) FROM referrals WHERE status = 'submitted'").await, 2);
    });
}

#[test]
fn an_ending_is_corrected_within_seven_days() {
    run(async |app| {
        let (bpjs, village) = (app.bpjs().await, app.village().await);
        let at = to_bpjs(app).await;
        walk(
            &bpjs,
            &at,
            &[("accept", json!({})), ("hold", because("waiting_for_quota")), ("fail", because("unreachable"))],
        )
        .await;
        act(&bpjs, &at, "correct", because("wrong_outcome")).await.expect(200);
        let back = bpjs.get(&at).await.json;
        assert_eq!(
            (&back["status"], &back["held_from"], &back["reason"], &back["ended_from"]),
            (&json!("on_hold"), &json!("accepted"), &Value::Null, &Value::Null)
        );
        walk(&bpjs, &at, &[("resume", json!({})), ("complete", json!({ "outcome": "not_eligible" }))]).await;
        let back = act(&bpjs, &at, "correct", because("wrong_outcome")).await.expect(200);
        assert_eq!((&back.json["status"], &back.json["outcome"]), (&json!("accepted"), &Value::Null));
        // the person is in sight again
        assert_eq!(back.json["person"]["name"], "Siti Aminah");
        act(&bpjs, &at, "complete", json!({ "outcome": "not_eligible" })).await.expect(200);
        // not while another one is open there, nor when the case is closed
        let case = bpjs.get(&at).await.json["case_id"].as_str().unwrap().to_owned();
        let rival = village
            .post(&format!("/v1/cases/{case}/referrals"), ask(&bpjs.agency, REACTIVATION))
            .await
            .expect(201)
            .id();
        act(&bpjs, &at, "correct", because("wrong_outcome")).await.problem(409, "referral_open_at_target");
        act(&village, &format!("/v1/referrals/{rival}"), "withdraw", because("duplicate")).await.expect(200);
        act(&village, &format!("/v1/cases/{case}"), "close", json!({ "outcome": "need_not_met" })).await.expect(200);
        assert_eq!(
            act(&bpjs, &at, "correct", because("wrong_outcome")).await.problem(409, "case_state_conflict").json["state"],
            "closed"
        );
        act(&village, &format!("/v1/cases/{case}"), "reopen", json!({ "reason": "new_information" })).await.expect(200);
        app.pass(TimeDelta::days(7) + TimeDelta::minutes(1));
        let bpjs = app.bpjs().await;
        act(&bpjs, &at, "correct", because("wrong_outcome")).await.problem(409, "correction_over");
        assert_eq!(actions(&bpjs.get(&at).await), Vec::<&str>::new());
    });
}

#[test]
fn what_was_entered_in_error_is_kept_by_its_sender_and_the_ministry() {
    run(async |app| {
        let (regency, bpjs, ministry) = (app.regency().await, app.bpjs().await, app.ministry().await);
        let phone = app.phone().await;
        let mut case = patient(KOTO_JAYA);
        case["volunteer_id"] = json!(phone.credential.as_ref().unwrap().volunteer_id);
        let case = report(&regency, case).await.id();
        let sent =
            regency.post(&format!("/v1/cases/{case}/referrals"), ask(&bpjs.agency, REACTIVATION)).await.expect(201);
        let at = format!("/v1/referrals/{}", sent.id());
        act(&bpjs, &at, "accept", json!({})).await.expect(200);
        phone.get(&at).await.expect(200);
        act(&bpjs, &at, "mark-error", because("wrong_record")).await.problem(403, "not_a_party");
        let marked = act(&regency, &at, "mark-error", because("wrong_person")).await.expect(200);
        assert_eq!(
            (&marked.json["status"], &marked.json["ended_from"]),
            (&json!("entered_in_error"), &json!("accepted"))
        );
        assert_eq!(actions(&marked), Vec::<&str>::new());
        regency.get(&at).await.expect(200);
        ministry.get(&at).await.expect(200);
        for gone in [&bpjs, &phone, &app.village().await, &app.province().await] {
            gone.get(&at).await.problem(404, "not_found");
        }
        // in no list unless asked for
        let count = async |query: &str| {
            regency.get(&format!("/v1/referrals{query}")).await.json["items"].as_array().unwrap().len()
        };
        assert_eq!((count("").await, count("?status=entered_in_error").await), (0, 1));
        // the outbox tells receiver and volunteer: in the audience before, not after
        let told = app.texts(&format!("SELECT concat_ws(' ', cardinality(agencies_before), cardinality(agencies_after), cardinality(volunteers_before), cardinality(volunteers_after), cardinality(regions_after)) FROM changes WHERE entity_id = '{}' ORDER BY seq DESC LIMIT 1", sent.id())).await;
        assert_eq!(told, ["2 1 1 0 0"]);
        // the target may be asked again
        regency.post(&format!("/v1/cases/{case}/referrals"), ask(&bpjs.agency, REACTIVATION)).await.expect(201);
    });
}

#[test]
fn a_claim_keeps_other_branches_off() {
    run(async |app| {
        let village = app.village().await;
        let branch_id = app.agency("BPJS Kesehatan Mukomuko").await;
        let case = report(&village, patient(KOTO_JAYA)).await.id();
        let sent =
            village.post(&format!("/v1/cases/{case}/referrals"), ask(&branch_id, REACTIVATION)).await.expect(201);
        let at = format!("/v1/referrals/{}", sent.id());
        let (branch, national) = (app.bpjs_branch().await, app.bpjs().await);
        let claimed = act(&branch, &at, "claim", json!({})).await.expect(200);
        assert_eq!(
            (&claimed.json["handler_agency_id"], &claimed.json["status"]),
            (&json!(branch_id), &json!("submitted"))
        );
        let kept = act(&national, &at, "accept", json!({})).await.problem(409, "referral_claimed");
        assert_eq!(kept.json["by"], branch_id.as_str());
        act(&national, &at, "claim", json!({})).await.problem(409, "referral_claimed");
        assert_eq!(act(&national, &at, "release", json!({})).await.expect(200).json["handler_agency_id"], Value::Null);
        act(&national, &at, "accept", json!({})).await.expect(200);
    });
}

#[test]
fn a_partners_reference_names_one_referral() {
    run(async |app| {
        let bpjs = app.bpjs().await;
        let (one, two) = (to_bpjs(app).await, to_bpjs(app).await);
        act(&bpjs, &one, "acknowledge", json!({ "partner_reference": "R-1" })).await.expect(200);
        act(&bpjs, &two, "acknowledge", json!({ "partner_reference": "R-1" }))
            .await
            .problem(409, "partner_reference_taken");
        act(&bpjs, &two, "acknowledge", json!({ "partner_reference": "R-2" })).await.expect(200);
    });
}

#[test]
fn closing_a_case_ends_its_referrals_only_if_asked() {
    run(async |app| {
        let (village, bpjs, regency) = (app.village().await, app.bpjs().await, app.regency().await);
        let waiting = to_bpjs(app).await;
        let case = village.get(&waiting).await.json["case_id"].as_str().unwrap().to_owned();
        let at = format!("/v1/cases/{case}");
        let other =
            village.post(&format!("{at}/referrals"), ask(&regency.agency, "desil_check")).await.expect(201).id();
        let other = format!("/v1/referrals/{other}");
        act(&regency, &other, "accept", json!({})).await.expect(200);
        let refused =
            act(&village, &at, "close", json!({ "outcome": "need_met" })).await.problem(409, "referrals_open");
        assert_eq!(refused.json["referral_ids"].as_array().unwrap().len(), 2);
        act(&regency, &at, "close", json!({ "outcome": "need_met", "end_referrals": true })).await.expect(200);
        let (one, two) = (bpjs.get(&waiting).await.json, village.get(&other).await.json);
        assert_eq!(
            (&one["status"], &one["reason"], &one["status_agency_id"]),
            (&json!("withdrawn"), &json!("case_closed"), &json!(village.agency))
        );
        assert_eq!((&two["status"], &two["reason"]), (&json!("cancelled"), &json!("case_closed")));
        // nothing new is sent for a closed case
        let sent = village.post(&format!("{at}/referrals"), ask(&bpjs.agency, REACTIVATION)).await;
        assert_eq!(sent.problem(409, "case_state_conflict").json["state"], "closed");
    });
}

#[test]
fn without_an_answer_a_referral_expires_after_thirty_days() {
    run(async |app| {
        let (old, answered) = (to_bpjs(app).await, to_bpjs(app).await);
        let bpjs = app.bpjs().await;
        act(&bpjs, &old, "acknowledge", json!({})).await.expect(200);
        act(&bpjs, &answered, "accept", json!({})).await.expect(200);
        let turn = async || simpul::worker::turn(&app.running().app, &app.running().writer).await.unwrap();
        app.pass(TimeDelta::days(30) - TimeDelta::minutes(5));
        turn().await;
        assert_eq!(app.number("SELECT count(*) FROM referrals WHERE status = 'expired'").await, 0);
        app.pass(TimeDelta::minutes(10));
        turn().await;
        turn().await;
        let (village, bpjs) = (app.village().await, app.bpjs().await);
        let expired = village.get(&old).await.expect(200).json;
        assert_eq!(
            (&expired["status"], &expired["status_agency_id"], &expired["ended_from"]),
            (&json!("expired"), &Value::Null, &json!("received"))
        );
        assert_eq!(village.get(&answered).await.json["status"], "accepted");
        let late = act(&bpjs, &old, "accept", json!({})).await.problem(409, "referral_state_conflict");
        assert_eq!((&late.json["state"], &late.json["by"]), (&json!("expired"), &Value::Null));
        let history = village.get(&format!("{old}/history")).await;
        let line = history.json["items"].as_array().unwrap().last().unwrap().clone();
        assert_eq!(
            (&line["action"], &line["agency_id"], &line["acting_user"]),
            (&json!("expire"), &Value::Null, &Value::Null)
        );
        assert_eq!(app.number("SELECT count(*) FROM referral_history WHERE action = 'expire'").await, 1);
        assert_eq!(
            app.number("SELECT count(*) FROM audit_events WHERE action = 'referral.expire' AND agency_id IS NULL")
                .await,
            1
        );
    });
}

/// The clock and an answer at the same moment: one of them, never both.
#[test]
fn an_answer_at_the_moment_of_expiry_and_the_clock_do_not_both_win() {
    run(async |app| {
        for _ in 0..rounds(40) {
            let at = to_bpjs(app).await;
            app.sql(&format!(
                "UPDATE referrals SET expires_at = now() - interval '1 minute' WHERE id = '{}'",
                at.rsplit('/').next().unwrap()
            ))
            .await;
            let bpjs = app.bpjs().await;
            let etag = bpjs.get(&at).await.header("etag").to_owned();
            let clock = async { simpul::worker::turn(&app.running().app, &app.running().writer).await.unwrap() };
            let (reply, ()) =
                futures_util::future::join(bpjs.act(&format!("{at}/accept"), &etag, json!({})).settled(), clock).await;
            let status = app.village().await.get(&at).await.json["status"].clone();
            match reply.status {
                200 => assert_eq!(status, "accepted"),
                _ => assert_eq!((reply.code(), status), ("referral_state_conflict", json!("expired"))),
            }
            let lines = format!(
                "SELECT count(*) FROM referral_history WHERE referral_id = '{}'",
                at.rsplit('/').next().unwrap()
            );
            assert_eq!(app.number(&lines).await, 2);
        }
    });
}

/// 64 clients accept or reject one referral at once.
#[test]
fn sixty_four_answers_at_once_have_one_winner() {
    run(async |app| {
        let bpjs = app.bpjs().await;
        for _ in 0..rounds(1000) {
            let at = to_bpjs(app).await;
            let etag = bpjs.get(&at).await.header("etag").to_owned();
            let answer = |n: u32| {
                let (action, body) =
                    if n.is_multiple_of(2) { ("accept", json!({})) } else { ("reject", because("quota_exhausted")) };
                bpjs.act(&format!("{at}/{action}"), &etag, body).settled()
            };
            let replies = futures_util::future::join_all((0..64).map(answer)).await;
            assert_eq!(replies.iter().filter(|reply| reply.status == 200).count(), 1);
            let lost = replies.iter().filter(|reply| matches!(reply.code(), "referral_state_conflict" | "stale"));
            assert_eq!(lost.count(), 63);
            let id = at.rsplit('/').next().unwrap();
            let moved =
                format!("SELECT count(*) FROM referral_history WHERE referral_id = '{id}' AND from_status IS NOT NULL");
            assert_eq!(app.number(&moved).await, 1);
            assert_eq!(app.number(&format!("SELECT count(*) FROM changes WHERE entity_id = '{id}'")).await, 2);
        }
    });
}

/// While the row is held elsewhere every connection waits for it, and nobody gets one in time.
#[test]
fn what_is_answered_with_not_now_has_moved_nothing() {
    run(async |app| {
        use diesel_async::SimpleAsyncConnection;
        let bpjs = app.bpjs().await;
        let at = to_bpjs(app).await;
        let id = at.rsplit('/').next().unwrap();
        let etag = bpjs.get(&at).await.header("etag").to_owned();
        let answer = |n: u32| bpjs.act(&format!("{at}/accept"), &etag, json!({})).key(&format!("answer-{n}"));
        let mut holder = app.connect().await;
        let hold = format!("BEGIN; SELECT FROM referrals WHERE id = '{id}' FOR UPDATE");
        holder.batch_execute(&hold).await.unwrap();
        let replies = futures_util::future::join_all((0..64).map(|n| answer(n).into_future())).await;
        for reply in replies {
            assert!(!reply.clone().problem(503, "unavailable").header("retry-after").is_empty());
        }
        assert_eq!(app.number("SELECT count(*) FROM referral_history").await, 1);
        assert_eq!(bpjs.get(&at).await.json["status"], "submitted");
        holder.batch_execute("ROLLBACK").await.unwrap();
        // the very same requests again
        let replies = futures_util::future::join_all((0..64).map(|n| answer(n).settled())).await;
        assert_eq!(replies.iter().filter(|reply| reply.status == 200).count(), 1);
        assert_eq!(replies.iter().filter(|reply| reply.code() == "referral_state_conflict").count(), 63);
        assert_eq!(app.number("SELECT count(*) FROM referral_history").await, 2);
    });
}

#[test]
fn a_replay_does_not_show_a_person_who_is_out_of_sight() {
    run(async |app| {
        let bpjs = app.bpjs().await;
        let at = to_bpjs(app).await;
        let etag = bpjs.get(&at).await.header("etag").to_owned();
        let accept = || bpjs.act(&format!("{at}/accept"), &etag, json!({})).key("once");
        let first = accept().await.expect(200);
        let again = accept().await.expect(200);
        assert_eq!((again.header("idempotency-replayed"), &again.text), ("true", &first.text));
        assert_eq!(
            app.number(
                "SELECT count(*) FROM audit_events WHERE action = 'referral.replay' AND cardinality(person_ids) = 1"
            )
            .await,
            1
        );
        act(&bpjs, &at, "complete", json!({ "outcome": "membership_active" })).await.expect(200);
        // the stored answer shows the person; the receiver no longer does, and is told where it stands
        assert_eq!(accept().await.problem(409, "referral_state_conflict").json["state"], "completed");
    });
}

#[test]
fn worklists_are_filtered_and_ordered() {
    run(async |app| {
        let (village, bpjs, regency) = (app.village().await, app.bpjs().await, app.regency().await);
        let (one, two) = (to_bpjs(app).await, to_bpjs(app).await);
        to_regency(app).await;
        act(&bpjs, &two, "accept", json!({ "appointment_at": app.clock.now() + TimeDelta::hours(1) }))
            .await
            .expect(200);
        let list = async |client: &Client<'_>, query: &str| {
            let reply = client.get(&format!("/v1/referrals?{query}")).header("prefer", "count=exact").await.expect(200);
            let ids: Vec<String> = reply.json["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|r| format!("/v1/referrals/{}", r["id"].as_str().unwrap()))
                .collect();
            assert_eq!(reply.json["total"], json!(ids.len()), "{query}");
            ids
        };
        assert_eq!(list(&village, "direction=sent").await.len(), 3);
        assert_eq!(list(&village, "direction=received").await.len(), 0);
        assert_eq!(list(&regency, "direction=received").await.len(), 1);
        assert_eq!(list(&regency, "").await.len(), 3);
        assert_eq!(list(&bpjs, "direction=received").await, [two.clone(), one.clone()]);
        assert_eq!(list(&bpjs, "status=submitted").await, std::slice::from_ref(&one));
        assert_eq!(list(&bpjs, "status=submitted&status=accepted").await.len(), 2);
        assert_eq!(list(&bpjs, "order=due").await, [two.clone(), one.clone()]);
        assert_eq!(list(&regency, &format!("service={ELDER_CARE}&urgency=urgent")).await.len(), 1);
        assert_eq!(list(&regency, "region=17.06.02.1017").await.len(), 3);
        assert_eq!(list(&regency, "region=17.01").await.len(), 0);
        assert_eq!(list(&regency, &format!("receiver={}", bpjs.agency)).await.len(), 2);
        assert_eq!(list(&regency, &format!("direction=received&receiver={}", bpjs.agency)).await.len(), 0);
        assert_eq!(list(&regency, &format!("sender={}", village.agency)).await.len(), 3);
        let year = (app.clock.now() + TimeDelta::hours(7)).format("%Y").to_string();
        assert_eq!(list(&regency, &format!("period={year}")).await.len(), 3);
        assert_eq!(list(&regency, "period=2019-02").await.len(), 0);
        let changed = bpjs.get(&two).await.json["updated_at"].as_str().unwrap().replace('+', "%2B");
        assert_eq!(list(&bpjs, &format!("updated_from={changed}")).await, std::slice::from_ref(&two));
        regency
            .get("/v1/referrals?period=2026-13")
            .await
            .problem(400, "malformed")
            .blames("?period", "period_malformed");
        regency.get("/v1/referrals?status=nope").await.problem(400, "malformed").blames("?status", "unknown_value");
        // pages follow each other in both orders
        for order in ["newest", "due"] {
            let first = regency.get(&format!("/v1/referrals?limit=2&order={order}")).await.expect(200);
            let cursor = first.json["next_cursor"].as_str().unwrap();
            let second = regency.get(&format!("/v1/referrals?limit=2&cursor={cursor}")).await.expect(200);
            let mut ids: Vec<&Value> = first.json["items"]
                .as_array()
                .unwrap()
                .iter()
                .chain(second.json["items"].as_array().unwrap())
                .map(|r| &r["id"])
                .collect();
            ids.sort_by_key(|id| id.as_str());
            ids.dedup();
            assert_eq!((ids.len(), &second.json["next_cursor"]), (3, &Value::Null));
        }
    });
}

/// What the service would never do, the database refuses too.
#[test]
fn the_database_refuses_moves_that_the_table_does_not_list() {
    run(async |app| {
        let at = to_bpjs(app).await;
        let id = at.rsplit('/').next().unwrap();
        let refused = async |set: &str| {
            let sql = format!(
                "DO $$ BEGIN UPDATE referrals SET {set} WHERE id = '{id}'; RAISE 'it was taken'; EXCEPTION WHEN check_violation THEN NULL; END $$"
            );
            app.sql(&sql).await;
        };
        // Else each of these would be refused for it alone.
        app.sql("UPDATE referrals SET tick_at = NULL").await;
        refused("tick_at = now(), status = 'received', escalation_level = 1").await;
        refused("status = 'completed', outcome = 'service_provided', ended_from = 'submitted', expires_at = NULL")
            .await;
        refused("status = 'in_progress', expires_at = NULL").await;
        refused("status = 'rejected', ended_from = 'submitted', expires_at = NULL").await;
        refused("status = 'withdrawn', reason_list = 'withdrawal-reasons', reason = 'moved', expires_at = NULL").await;
        refused("status = 'withdrawn', reason_list = 'withdrawal-reasons', reason = 'moved', expires_at = NULL, ended_from = 'accepted'").await;
        refused("outcome = 'service_provided'").await;
        refused("held_from = 'accepted', hold_reason = 'other'").await;
        refused("expires_at = NULL").await;
        app.sql(&format!("UPDATE referrals SET status = 'withdrawn', reason_list = 'withdrawal-reasons', reason = 'moved', expires_at = NULL, ended_from = 'submitted' WHERE id = '{id}'")).await;
        refused("status = 'submitted', reason = NULL, reason_list = NULL, ended_from = NULL, expires_at = now()").await;
        assert_eq!(app.number("SELECT count(*) FROM referral_history").await, 1);
    });
}

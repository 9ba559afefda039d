//! Referrals that are open to several branches, and those that are passed on to several bodies.
use crate::cases::{KOTO_JAYA, elder, patient, report};
use crate::referrals::{ELDER_CARE, REACTIVATION, act, actions, ask, because, to_bpjs};
use crate::support::feed::Follower;
use crate::support::{Client, Reply, TestApp, rounds, run};
use serde_json::{Value, json};

/// BPJS lets its branches claim; that of Kerinci serves Mukomuko too.
async fn open_to_branches(app: &TestApp) {
    app.sql("UPDATE source_systems SET open_to_branches = true WHERE agency_id = (SELECT id FROM agencies WHERE name = 'BPJS Kesehatan')").await;
    app.sql("UPDATE source_systems SET region_codes = region_codes || '{17.06}' WHERE agency_id = (SELECT id FROM agencies WHERE name = 'BPJS Kesehatan Kerinci')").await;
}

async fn listed(client: &Client<'_>, query: &str) -> usize {
    client.get(&format!("/v1/referrals?{query}")).await.expect(200).json["items"].as_array().unwrap().len()
}

fn masked(reply: &Reply) -> bool {
    reply.json["person"]["masked"].as_bool().unwrap()
}

#[test]
fn one_branch_claims_what_is_open_to_several() {
    run(async |app| {
        open_to_branches(app).await;
        let (branch, other, bpjs) = (app.bpjs_branch().await, app.bpjs_elsewhere().await, app.bpjs().await);
        let at = to_bpjs(app).await;
        let open = branch.get(&at).await.expect(200);
        assert_eq!(actions(&open), ["claim"]);
        assert_eq!(open.json["pool_agency_ids"].as_array().unwrap().len(), 2);
        for query in
            ["", "direction=received", "receiver=me", "receiver=me&status=submitted&status=accepted", "order=due"]
        {
            assert_eq!((listed(&branch, query).await, listed(&other, query).await), (1, 1), "{query}");
            assert_eq!(listed(&bpjs, query).await, 1, "{query}");
        }
        assert_eq!(listed(&branch, &format!("receiver={}", branch.agency)).await, 0);
        assert_eq!(listed(&branch, "status=accepted").await, 0);
        act(&branch, &at, "accept", json!({})).await.problem(409, "claim_first");
        act(&branch, &at, "release", json!({})).await.problem(409, "claim_first");
        // several look on: the person stays masked, whatever the state
        act(&bpjs, &at, "acknowledge", json!({})).await.expect(200);
        assert!(masked(&branch.get(&at).await));
        branch
            .post(&format!("{at}/reveal"), json!({ "purpose": "eligibility" }))
            .await
            .problem(409, "referral_state_conflict");

        let claimed = act(&branch, &at, "claim", json!({})).await.expect(200);
        assert_eq!(claimed.json["handler_agency_id"], branch.agency.as_str());
        assert_eq!(actions(&claimed), ["accept", "reject", "forward", "release"]);
        branch.post(&format!("{at}/reveal"), json!({ "purpose": "eligibility" })).await.expect(200);
        other.get(&at).await.problem(404, "not_found");
        assert_eq!((listed(&branch, "direction=received").await, listed(&other, "").await), (1, 0));
        // given back, and taken by the other
        act(&branch, &at, "release", json!({})).await.expect(200);
        assert!(masked(&branch.get(&at).await));
        act(&other, &at, "claim", json!({})).await.expect(200);
        branch.get(&at).await.problem(404, "not_found");
        let accepted = act(&other, &at, "accept", json!({})).await.expect(200);
        assert!(!masked(&accepted));
        act(&other, &at, "complete", json!({ "outcome": "membership_active" })).await.expect(200);
        for query in ["", "receiver=me&status=completed"] {
            assert_eq!((listed(&other, query).await, listed(&branch, query).await), (1, 0), "{query}");
        }
    });
}

#[test]
fn who_loses_sight_of_a_pool_is_told_that_it_is_gone() {
    run(async |app| {
        open_to_branches(app).await;
        let (branch, other, bpjs) = (app.bpjs_branch().await, app.bpjs_elsewhere().await, app.bpjs().await);
        let (mut of_branch, mut of_other) =
            (Follower::new(app.bpjs_branch().await).await, Follower::new(app.bpjs_elsewhere().await).await);
        let ops =
            |news: Vec<Value>| news.iter().map(|change| change["op"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
        let (at, second, third) = (to_bpjs(app).await, to_bpjs(app).await, to_bpjs(app).await);
        assert_eq!(ops(of_other.news().await), ["upsert", "upsert", "upsert"]);
        of_branch.news().await;
        act(&branch, &at, "claim", json!({})).await.expect(200);
        assert_eq!(
            (ops(of_branch.news().await), ops(of_other.news().await)),
            (vec!["upsert".to_owned()], vec!["removed".to_owned()])
        );
        act(&branch, &at, "release", json!({})).await.expect(200);
        assert_eq!(ops(of_other.news().await), ["upsert"]);
        // answered by the parent, taken back by the sender: nobody's to claim any more
        act(&bpjs, &second, "reject", because("quota_exhausted")).await.expect(200);
        act(&app.village().await, &third, "withdraw", because("need_met_otherwise")).await.expect(200);
        assert_eq!(ops(of_other.news().await), ["removed", "removed"]);
        other.get(&second).await.problem(404, "not_found");
        assert_eq!(listed(&other, "").await, 1);
    });
}

#[test]
fn a_pool_is_of_the_branches_that_offer_the_service_there() {
    run(async |app| {
        let (branch, other) = (app.bpjs_branch().await, app.bpjs_elsewhere().await);
        let closed = to_bpjs(app).await;
        branch.get(&closed).await.problem(404, "not_found");
        app.sql("UPDATE source_systems SET open_to_branches = true WHERE agency_id = (SELECT id FROM agencies WHERE name = 'BPJS Kesehatan')").await;
        let at = to_bpjs(app).await;
        branch.get(&at).await.expect(200);
        other.get(&at).await.problem(404, "not_found");
        // What the parent does itself no more, its branches may.
        app.sql("DELETE FROM source_system_services WHERE agency_id = (SELECT id FROM agencies WHERE name = 'BPJS Kesehatan')").await;
        let next = to_bpjs(app).await;
        act(&branch, &next, "claim", json!({})).await.expect(200);
        app.sql("UPDATE agencies SET state = 'suspended' WHERE name = 'BPJS Kesehatan Mukomuko'").await;
        let village = app.village().await;
        let mut case = elder(KOTO_JAYA);
        case["referral"] = ask(&app.agency("BPJS Kesehatan").await, REACTIVATION);
        village
            .post("/v1/cases", case)
            .await
            .problem(422, "rule_broken")
            .blames("/referral/service", "service_not_offered");
    });
}

#[test]
fn branches_that_claim_at_once_have_one_winner() {
    run(async |app| {
        open_to_branches(app).await;
        let (branch, other) = (app.bpjs_branch().await, app.bpjs_elsewhere().await);
        for _ in 0..rounds(100) {
            let at = to_bpjs(app).await;
            let etag = branch.get(&at).await.header("etag").to_owned();
            let claim = |n: usize| {
                let client = if n.is_multiple_of(2) { &branch } else { &other };
                client.act(&format!("{at}/claim"), &etag, json!({})).settled()
            };
            let replies = futures_util::future::join_all((0..16).map(claim)).await;
            let won: Vec<&Reply> = replies.iter().filter(|reply| reply.status == 200).collect();
            assert_eq!(won.len(), 1);
            let lost = replies
                .iter()
                .filter(|reply| matches!(reply.code(), "not_found" | "referral_state_conflict" | "stale"));
            assert_eq!(lost.count(), 15);
        }
    });
}

#[test]
fn a_need_is_passed_on_to_all_who_have_a_part_in_it() {
    run(async |app| {
        let (village, regency) = (app.village().await, app.regency().await);
        let (province, bpjs) = (app.agency("Dinas Sosial Provinsi Bengkulu").await, app.agency("BPJS Kesehatan").await);
        let case = report(&village, patient(KOTO_JAYA)).await.id();
        let sent =
            village.post(&format!("/v1/cases/{case}/referrals"), ask(&regency.agency, ELDER_CARE)).await.expect(201);
        let at = format!("/v1/referrals/{}", sent.id());
        let split = |also: Value| json!({ "target_agency_id": province, "reason": "outside_authority", "also": also });
        let twice = split(json!([ask(&bpjs, REACTIVATION), ask(&bpjs, REACTIVATION)]));
        act(&regency, &at, "forward", twice)
            .await
            .problem(422, "rule_broken")
            .blames("/also/1/target_agency_id", "named_twice");
        let not_theirs = split(json!([{ "target_agency_id": bpjs }]));
        act(&regency, &at, "forward", not_theirs)
            .await
            .problem(422, "rule_broken")
            .blames("/also/0/service", "service_not_offered");
        let many = split(json!(vec![ask(&bpjs, REACTIVATION); 5]));
        act(&regency, &at, "forward", many).await.problem(422, "rule_broken").blames("/also", "too_many");
        let back = split(json!([ask(&regency.agency, ELDER_CARE)]));
        act(&regency, &at, "forward", back).await.problem(409, "forward_loop");
        assert_eq!(village.get(&at).await.json["status"], "submitted");

        act(&regency, &at, "forward", split(json!([ask(&bpjs, REACTIVATION)]))).await.expect(200);
        let all = village.get(&format!("/v1/referrals?case_id={case}")).await.expect(200);
        let next: Vec<&Value> = all.json["items"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|one| one["previous_referral_id"] == sent.json["id"])
            .collect();
        assert_eq!(next.len(), 2);
        for one in &next {
            assert_eq!(
                (&one["status"], &one["sender_agency_id"], &one["forwarded_by"]),
                (&json!("submitted"), &json!(village.agency), &json!(regency.agency))
            );
            assert_eq!(one["allowed_actions"], json!(["withdraw"]));
        }
        let mut receivers: Vec<&Value> = next.iter().map(|one| &one["receiver_agency_id"]).collect();
        receivers.sort_by_key(|id| id.as_str());
        let mut expected = [json!(province), json!(bpjs)];
        expected.sort_by_key(|id| id.as_str().unwrap().to_owned());
        assert_eq!(receivers, expected.iter().collect::<Vec<_>>());
    });
}

/// What may be done is told in lists too, and is what may be done.
#[test]
fn a_list_tells_what_may_be_done_as_each_referral_does() {
    run(async |app| {
        let (village, bpjs) = (app.village().await, app.bpjs().await);
        for moves in [&[][..], &["acknowledge"], &["accept"], &["accept", "start"], &["reject"]] {
            let at = to_bpjs(app).await;
            for action in moves {
                let body = if *action == "reject" { because("quota_exhausted") } else { json!({}) };
                act(&bpjs, &at, action, body).await.expect(200);
            }
        }
        for client in [&village, &bpjs, &app.regency().await] {
            let list = client.get("/v1/referrals").await.expect(200);
            let items = list.json["items"].as_array().unwrap();
            assert_eq!(items.len(), 5);
            for item in items {
                let one = client.get(&format!("/v1/referrals/{}", item["id"].as_str().unwrap())).await.expect(200);
                assert_eq!(&one.json, item);
            }
        }
    });
}

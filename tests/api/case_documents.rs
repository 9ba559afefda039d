//! Documents of cases and referrals: who attaches, who is told of them, who opens them, and that nothing is left over.
use crate::cases::{KOTO_JAYA, elder, patient, report};
use crate::documents::{JPEG, PNG, files, link, listed, remove, run_beside, send, sweep};
use crate::referrals::{ELDER_CARE, act, ask, because, to_bpjs};
use crate::support::feed::Follower;
use crate::support::office::PDF;
use crate::support::{Client, Reply, TestApp, rounds, run};
use chrono::TimeDelta;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use std::path::PathBuf;
use uuid::Uuid;

/// A case of the village with consent, and its path.
async fn of_village(app: &TestApp) -> String {
    format!("/v1/cases/{}", report(&app.village().await, patient(KOTO_JAYA)).await.id())
}

pub async fn letter(client: &Client<'_>, of: &str) -> Reply {
    send(client, of, "facility_letter", "application/pdf", PDF).await.expect(201)
}

/// The case of a referral.
pub async fn case_of(client: &Client<'_>, referral: &str) -> String {
    format!("/v1/cases/{}", client.get(referral).await.expect(200).json["case_id"].as_str().unwrap())
}

async fn kinds(client: &Client<'_>, of: &str) -> Vec<String> {
    listed(client, of).await.iter().map(|one| one["kind"].as_str().unwrap().to_owned()).collect()
}

async fn try_link(client: &Client<'_>, document: &str) -> Reply {
    client.request(Method::POST, &format!("{document}/link")).json(&json!({})).await
}

pub async fn opened(app: &TestApp, client: &Client<'_>, document: &str) -> Vec<u8> {
    app.nobody().get(&link(client, document).await).await.expect(200).bytes
}

#[test]
fn a_consent_has_its_evidence() {
    run(async |app| {
        let village = app.village().await;
        let at = of_village(app).await;
        let before = village.get(&at).await.expect(200);
        assert_eq!(before.json["consent"]["evidence_document_ids"], json!([]));
        let signed = send(&village, &at, "consent_evidence", "image/jpeg", JPEG).await.expect(201);
        assert_eq!(signed.header("location"), format!("{}{at}/documents/{}", app.base, signed.id()));
        let told = ["kind", "content_type", "referral_id", "created_by", "volunteer_id", "version"];
        assert_eq!(
            told.map(|member| signed.json[member].clone()),
            [json!("consent_evidence"), json!("image/jpeg"), Value::Null, json!(village.agency), Value::Null, json!(1)]
        );
        letter(&village, &at).await;
        let again = send(&village, &at, "consent_evidence", "application/pdf", PDF).await.expect(201);
        let after = village.get(&at).await.expect(200);
        assert_eq!(after.json["consent"]["evidence_document_ids"], json!([signed.id(), again.id()]));
        // no new version, and another representation
        assert_eq!(
            (&after.json["version"], &after.json["updated_at"]),
            (&before.json["version"], &before.json["updated_at"])
        );
        assert_ne!(after.header("etag"), before.header("etag"));
        village.patch(&at, before.header("etag"), json!({ "urgency": "urgent" })).await.expect(200);
        let document = format!("{at}/documents/{}", signed.id());
        let read = village.get(&document).await.expect(200);
        assert_eq!((&read.json, read.header("etag")), (&signed.json, signed.header("etag")));
        assert_eq!(opened(app, &village, &document).await, JPEG);
        let left = remove(&village, &document, signed.header("etag")).await.expect(200);
        assert_eq!(left.json["items"].as_array().unwrap().len(), 2);
        assert_eq!(village.get(&at).await.json["consent"]["evidence_document_ids"], json!([again.id()]));
        village.get(&document).await.problem(404, "not_found");
        let audited = app.texts("SELECT concat_ws(' ', action, acting_user, detail, array_to_string(fields, ','), cardinality(person_ids)) FROM audit_events WHERE action LIKE 'case_document.%' AND outcome = 'allowed' ORDER BY at, id").await;
        let expected = [
            "create staf-0017 consent_evidence",
            "create staf-0017 facility_letter",
            "create staf-0017 consent_evidence",
            "link staf-0017 consent_evidence",
            "download staf-0017 consent_evidence",
            "delete staf-0017 consent_evidence",
        ];
        assert_eq!(audited, expected.map(|line| format!("case_document.{line} document 1")));
        // where nobody agreed there is nothing to show
        let other = format!("/v1/cases/{}", report(&village, elder(KOTO_JAYA)).await.id());
        send(&village, &other, "consent_evidence", "image/jpeg", JPEG).await.problem(409, "consent_not_the_basis");
        assert_eq!(village.get(&other).await.json["consent"], Value::Null);
    });
}

#[test]
fn who_sees_the_person_of_a_case_sees_its_documents() {
    run(async |app| {
        let (village, regency, phone) = (app.village().await, app.regency().await, app.phone().await);
        let at = of_village(app).await;
        let document = format!("{at}/documents/{}", letter(&village, &at).await.id());
        for client in [&village, &regency, &app.province().await, &app.ministry().await] {
            assert_eq!(kinds(client, &at).await, ["facility_letter"]);
            assert_eq!(opened(app, client, &document).await, PDF);
        }
        // a source system has no cases, a stranger not this one
        let missing = format!("{at}/documents/{}", Uuid::now_v7());
        for client in [app.other_regency().await, app.other_village().await, phone.clone()] {
            let none = client.get(&missing).await.problem(404, "not_found");
            assert_eq!(client.get(&document).await.anonymous(), none.anonymous());
            client.get(&format!("{at}/documents")).await.problem(404, "not_found");
            try_link(&client, &document).await.problem(404, "not_found");
            send(&client, &at, "statement", "application/pdf", PDF).await.problem(404, "not_found");
        }
        app.bpjs().await.get(&format!("{at}/documents")).await.problem(403, "forbidden");
        // whoever attached it removes it
        let etag = village.get(&document).await.header("etag").to_owned();
        remove(&regency, &document, &etag).await.problem(403, "document_of_another");
        let own = format!("/v1/cases/{}", report(&phone, patient(KOTO_JAYA)).await.id());
        let photo = send(&phone, &own, "photo", "image/png", PNG).await.expect(201);
        assert_eq!(photo.json["volunteer_id"], json!(phone.credential.as_ref().unwrap().volunteer_id));
        let of_office = letter(&regency, &own).await;
        let at = |reply: &Reply| format!("{own}/documents/{}", reply.id());
        assert_eq!(opened(app, &phone, &at(&photo)).await, PNG);
        remove(&phone, &at(&of_office), of_office.header("etag")).await.problem(403, "document_of_another");
        remove(&phone, &at(&photo), "\"2-a\"").await.problem(412, "stale");
        remove(&phone, &at(&photo), photo.header("etag")).await.expect(200);
    });
}

#[test]
fn who_was_asked_sees_what_is_attached_to_its_referral_as_it_sees_the_person() {
    run(async |app| {
        let (village, bpjs) = (app.village().await, app.bpjs().await);
        let at = to_bpjs(app).await;
        let case = case_of(&village, &at).await;
        send(&village, &case, "consent_evidence", "image/jpeg", JPEG).await.expect(201);
        send(&village, &case, "other", "application/pdf", PDF).await.expect(201);
        let sent = letter(&village, &at).await;
        assert_eq!(sent.json["referral_id"], json!(at.rsplit('/').next().unwrap()));
        let home = send(&village, &at, "photo", "image/jpeg", JPEG).await.expect(201);
        let (sent, home) = (format!("{at}/documents/{}", sent.id()), format!("{at}/documents/{}", home.id()));
        // the case has them all, the referral its own
        assert_eq!(kinds(&village, &case).await, ["consent_evidence", "other", "facility_letter", "photo"]);
        for client in [&village, &bpjs] {
            assert_eq!(kinds(client, &at).await, ["facility_letter", "photo"]);
        }
        // told of, not opened; then what shows whether the person is entitled; then all
        for document in [&sent, &home] {
            try_link(&bpjs, document).await.problem(409, "referral_state_conflict");
        }
        send(&bpjs, &at, "statement", "application/pdf", PDF).await.problem(409, "referral_state_conflict");
        act(&bpjs, &at, "acknowledge", json!({})).await.expect(200);
        assert_eq!(opened(app, &bpjs, &sent).await, PDF);
        try_link(&bpjs, &home).await.problem(409, "referral_state_conflict");
        act(&bpjs, &at, "accept", json!({})).await.expect(200);
        assert_eq!(opened(app, &bpjs, &home).await, JPEG);
        let statement = send(&bpjs, &at, "statement", "application/pdf", PDF).await.expect(201);
        assert_eq!(kinds(&village, &case).await.last().unwrap(), "statement");
        let last = format!("{at}/documents/{}", statement.id());
        remove(&village, &last, statement.header("etag")).await.problem(403, "document_of_another");
        // a link is no more than its maker, who sees the header alone after the end
        let url = link(&bpjs, &home).await;
        app.nobody().get(&url).await.expect(200);
        act(&bpjs, &at, "complete", json!({ "outcome": "membership_active" })).await.expect(200);
        app.nobody().get(&url).await.problem(404, "not_found");
        assert_eq!(kinds(&bpjs, &at).await, [""; 0]);
        for document in [&sent, &last] {
            bpjs.get(document).await.problem(404, "not_found");
            assert_eq!(opened(app, &village, document).await, PDF);
        }
        send(&bpjs, &at, "statement", "application/pdf", PDF).await.problem(409, "referral_state_conflict");
        // the other side as long as it may speak
        letter(&village, &at).await;
        app.pass(TimeDelta::days(31));
        send(&app.village().await, &at, "other", "image/png", PNG).await.problem(409, "referral_state_conflict");
    });
}

#[test]
fn what_is_attached_is_passed_on_with_the_referral() {
    run(async |app| {
        let (village, regency, province) = (app.village().await, app.regency().await, app.province().await);
        let case = report(&village, elder(KOTO_JAYA)).await.id();
        let sent = village.post(&format!("/v1/cases/{case}/referrals"), ask(&regency.agency, ELDER_CARE)).await;
        let at = format!("/v1/referrals/{}", sent.expect(201).id());
        let document = letter(&village, &at).await.id();
        let forward = json!({ "target_agency_id": province.agency, "reason": "capacity_exceeded" });
        act(&regency, &at, "forward", forward).await.expect(200);
        let chain = village.get(&format!("/v1/referrals?case_id={case}&status=submitted")).await.expect(200);
        let next = format!("/v1/referrals/{}", chain.json["items"][0]["id"].as_str().unwrap());
        assert_eq!(kinds(&province, &next).await, ["facility_letter"]);
        assert_eq!(opened(app, &province, &format!("{next}/documents/{document}")).await, PDF);
        // what is attached later stays with the later one
        send(&village, &next, "statement", "application/pdf", PDF).await.expect(201);
        assert_eq!(kinds(&village, &next).await, ["facility_letter", "statement"]);
        assert_eq!(kinds(&village, &at).await, ["facility_letter"]);
    });
}

#[test]
fn only_the_sides_attach_and_a_branch_after_it_has_claimed() {
    run(async |app| {
        let (village, regency) = (app.village().await, app.regency().await);
        let at = to_bpjs(app).await;
        let document = format!("{at}/documents/{}", letter(&village, &at).await.id());
        // those above read
        assert_eq!(opened(app, &regency, &document).await, PDF);
        send(&regency, &at, "other", "image/png", PNG).await.problem(403, "not_a_party");
        for client in [app.other_regency().await, app.bpjs_elsewhere().await, app.phone().await] {
            client.get(&document).await.problem(404, "not_found");
            try_link(&client, &document).await.problem(404, "not_found");
            send(&client, &at, "other", "image/png", PNG).await.problem(404, "not_found");
        }
        // evidence of a consent is the case's own; a document of another referral is none of this one
        let url = format!("{at}/documents?kind=consent_evidence");
        let evidence = village.request(Method::POST, &url).raw(PDF).header("content-type", "application/pdf").key("k");
        evidence.await.problem(400, "malformed").blames("?kind", "unknown_value");
        let other = to_bpjs(app).await;
        let elsewhere = format!("{other}/documents/{}", document.rsplit('/').next().unwrap());
        village.get(&elsewhere).await.problem(404, "not_found");
        send(&village, &at, "photo", "application/pdf", PDF).await.problem(415, "unsupported_media_type");
        send(&village, &at, "other", "application/pdf", PNG).await.problem(415, "unsupported_media_type");
        app.sql("UPDATE source_systems SET open_to_branches = true WHERE agency_id = (SELECT id FROM agencies WHERE name = 'BPJS Kesehatan')").await;
        let (pool, branch) = (to_bpjs(app).await, app.bpjs_branch().await);
        letter(&village, &pool).await;
        assert_eq!(kinds(&branch, &pool).await, [""; 0]);
        send(&branch, &pool, "other", "image/png", PNG).await.problem(409, "claim_first");
        act(&branch, &pool, "claim", json!({})).await.expect(200);
        assert_eq!(kinds(&branch, &pool).await, ["facility_letter"]);
    });
}

#[test]
fn a_consent_that_is_taken_back_hides_the_documents() {
    run(async |app| {
        let (village, regency, bpjs) = (app.village().await, app.regency().await, app.bpjs().await);
        let at = to_bpjs(app).await;
        let case = case_of(&village, &at).await;
        let document = letter(&village, &at).await.id();
        let url = link(&regency, &format!("{case}/documents/{document}")).await;
        let day = (app.clock.now() + TimeDelta::hours(7)).date_naive();
        act(&village, &case, "withdraw-consent", json!({ "on": day })).await.expect(200);
        assert_eq!(kinds(&village, &case).await, ["facility_letter"]);
        regency.get(&format!("{case}/documents")).await.problem(404, "not_found");
        app.nobody().get(&url).await.problem(404, "not_found");
        assert_eq!(kinds(&regency, &at).await, [""; 0]);
        assert_eq!(kinds(&bpjs, &at).await, [""; 0]);
        send(&village, &case, "statement", "application/pdf", PDF).await.problem(409, "case_state_conflict");
        let at = format!("{case}/documents/{document}");
        let etag = village.get(&at).await.expect(200).header("etag").to_owned();
        remove(&village, &at, &etag).await.expect(200);
    });
}

#[test]
fn a_case_has_thirty_documents_and_both_sides_are_told() {
    run(async |app| {
        let (village, bpjs) = (app.village().await, app.bpjs().await);
        let at = to_bpjs(app).await;
        let case = case_of(&village, &at).await;
        let (mut followers, mut stranger) = (vec![], Follower::new(app.other_regency().await).await);
        for client in [app.village().await, app.bpjs().await] {
            followers.push(Follower::new(client).await);
        }
        letter(&village, &at).await;
        let told = |news: Vec<Value>| -> Vec<String> {
            news.iter()
                .map(|one| format!("{} {} {}", one["type"], one["op"], one["version"]).replace('"', ""))
                .collect()
        };
        assert_eq!(told(followers[0].news().await), ["case upsert 1", "referral upsert 1"]);
        assert_eq!(told(followers[1].news().await), ["referral upsert 1"]);
        assert_eq!(told(stranger.news().await), [""; 0]);
        for n in 1..30 {
            send(&village, if n % 2 == 0 { &case } else { &at }, "other", "image/png", PNG).await.expect(201);
        }
        for of in [&case, &at] {
            send(&village, of, "other", "image/png", PNG).await.problem(409, "too_many_documents");
        }
        assert_eq!((kinds(&village, &case).await.len(), kinds(&bpjs, &at).await.len()), (30, 16));
    });
}

#[test]
fn one_request_makes_one_document_and_nothing_is_left_over() {
    run_beside("of-cases", async |app, dir| {
        let (village, bpjs) = (app.village().await, app.bpjs().await);
        let at = to_bpjs(app).await;
        act(&bpjs, &at, "accept", json!({})).await.expect(200);
        let case = case_of(&village, &at).await;
        for round in 0..rounds(40) {
            for (client, of) in [(&village, &case), (&bpjs, &at)] {
                let ask = || {
                    let request = client.request(Method::POST, &format!("{of}/documents?kind=statement"));
                    request.raw(PNG).header("content-type", "image/png").key(&format!("once-{round}")).settled()
                };
                let ids: Vec<String> =
                    join_all((0..4).map(|_| ask())).await.into_iter().map(|answer| answer.expect(201).id()).collect();
                assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
                let document = format!("{of}/documents/{}", ids[0]);
                let etag = client.get(&document).await.expect(200).header("etag").to_owned();
                remove(client, &document, &etag).await.expect(200);
            }
            sweep(app).await;
            app.pass(TimeDelta::hours(25));
            sweep(app).await;
            assert_eq!(files(dir), Vec::<PathBuf>::new());
            assert_eq!(app.number("SELECT count(*) FROM case_documents").await, 0);
            app.pass(-TimeDelta::hours(25));
        }
        // what is shown stays; a replay is for who still sees it
        let request = bpjs.request(Method::POST, &format!("{at}/documents?kind=other")).raw(PDF);
        let request = request.header("content-type", "application/pdf").key("again");
        let first = request.clone().await.expect(201);
        assert_eq!(request.clone().await.expect(201).id(), first.id());
        sweep(app).await;
        assert_eq!(files(dir).len(), 1);
        let content = std::fs::read(&files(dir)[0]).unwrap();
        assert!(!content.windows(4).any(|part| part == b"%PDF"), "kept in clear");
        act(&bpjs, &at, "fail", because("moved")).await.expect(200);
        request.await.problem(404, "not_found");
    });
}

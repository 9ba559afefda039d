//! The story of one person and every kind of source system: a volunteer asks them all from a phone, each answers in its way, some pass on, and
//! the volunteer sees each answer.
use crate::cases::{KOTO_JAYA, elder};
use crate::clients::{bearer, by_secret};
use crate::operator::json_of;
use crate::referrals::{ELDER_CARE, REACTIVATION, act, ask, because};
use crate::support::feed::Follower;
use crate::support::{Client, Reply, TestApp, run};
use serde_json::{Value, json};
use simpul::access::rules::AgencyKind;
use std::collections::BTreeSet;

const HELPS: [&str; 3] = ["referrals:read", "referrals:handle", "identity:reveal"];

/// An officer of an agency, with a client that an operator made for it.
async fn officer<'a>(app: &'a TestApp, agency: &str) -> Client<'a> {
    let named = ["create-client", agency, "--name", "Loket rujukan", "--purpose", "Penyelesaian rujukan"];
    let scopes = ["--scope", "referrals:read", "--scope", "referrals:handle", "--scope", "identity:reveal"];
    let made = json_of(app, &[&named[..], &scopes].concat()).await;
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    let token = by_secret(app, &text("client_id"), &text("client_secret"), "203.0.113.7").await.expect(200);
    Client { agency: agency.to_owned(), ..bearer(app, &token) }
}

/// A body that the ministry registers and enters as a source system.
async fn body<'a>(app: &'a TestApp, kind: AgencyKind, name: &str, services: &[&str]) -> Client<'a> {
    let ministry = app.ministry().await;
    let new = json!({ "kind": kind.as_str(), "name": name, "region_codes": ["17.06"], "scopes": HELPS });
    let agency = ministry.post("/v1/agencies", new).await.expect(201).id();
    enter(app, &agency, &["17.06"], services).await;
    officer(app, &agency).await
}

async fn enter(app: &TestApp, agency: &str, regions: &[&str], services: &[&str]) {
    let offers: Vec<Value> = services.iter().map(|service| json!({ "service": service })).collect();
    let entry = json!({ "agency_id": agency, "region_codes": regions, "offers": offers, "may_forward": true });
    app.ministry().await.post("/v1/source-systems", entry).await.expect(201);
}

/// The village helps in its own way: it writes letters.
pub async fn village_that_helps(app: &TestApp) -> Client<'_> {
    let (ministry, village) = (app.ministry().await, app.agency("Pemerintah Kelurahan Koto Jaya").await);
    let path = format!("/v1/agencies/{village}");
    let read = ministry.get(&path).await.expect(200);
    let mut scopes: Vec<Value> = read.json["scopes"].as_array().unwrap().clone();
    scopes.extend(
        HELPS.iter().map(|scope| json!(scope)).filter(|scope| !read.json["scopes"].as_array().unwrap().contains(scope)),
    );
    ministry.patch(&path, read.header("etag"), json!({ "scopes": scopes })).await.expect(200);
    enter(app, &village, &[KOTO_JAYA], &["registration_letter"]).await;
    officer(app, &village).await
}

/// Finds on the phone who can help here, and asks.
async fn send(phone: &Client<'_>, case: &str, kind: AgencyKind, target: &str, mut referral: Value) -> String {
    let service = referral["service"].as_str().unwrap().to_owned();
    let found =
        phone.get(&format!("/v1/source-systems?service={service}&region={KOTO_JAYA}&kind={kind}")).await.expect(200);
    assert!(found.json["items"].as_array().unwrap().iter().any(|item| item["agency_id"] == target), "{kind}");
    referral["note"] = json!("Mohon dibantu.");
    let sent = phone.post(&format!("/v1/cases/{case}/referrals"), referral).await.expect(201);
    format!("/v1/referrals/{}", sent.id())
}

async fn walk(client: &Client<'_>, at: &str, moves: &[(&str, Value)]) -> Reply {
    let mut last = client.get(at).await.expect(200);
    for (action, body) in moves {
        last = act(client, at, action, body.clone()).await.expect(200);
    }
    last
}

/// What the receiver finds first in its worklist of the new ones.
async fn first(client: &Client<'_>) -> String {
    let new = client.get("/v1/referrals?direction=received&status=submitted").await.expect(200);
    format!("/v1/referrals/{}", new.json["items"][0]["id"].as_str().unwrap())
}

fn done(outcome: &str, note: &str) -> Value {
    json!({ "outcome": outcome, "note": note })
}

/// Who answered, to which referral, and what: status, outcome, note.
type Answer = (AgencyKind, String, &'static str, &'static str, &'static str);

/// An answer as the volunteer's phone has it.
async fn is_seen(phone: &Client<'_>, number: &Value, news: &[Value], (kind, at, status, outcome, note): &Answer) {
    let seen = phone.get(at).await.expect(200).json;
    assert_eq!((&seen["status"], &seen["case_number"]), (&json!(status), number), "{kind}");
    assert_eq!(seen["outcome"].as_str().unwrap_or_default(), *outcome, "{kind}");
    let history = phone.get(&format!("{at}/history")).await.expect(200).json;
    let last = history["items"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&last["to"], last["note"].as_str().unwrap_or_default()), (&json!(status), *note), "{kind}");
    // in one place, with what came of it wherever it was passed on to
    let feedback = phone.get(&format!("{at}/feedback")).await.expect(200).json;
    assert!(feedback["waiting"].as_array().unwrap().is_empty(), "{kind}: {feedback}");
    assert!(feedback.to_string().contains(note), "{kind}: {feedback}");
    assert!(news.iter().any(|item| item["id"] == seen["id"] && item["op"] == "upsert"), "{kind}");
}

#[test]
fn every_kind_of_source_system_answers_and_the_volunteer_sees_it() {
    run(async |app| {
        use AgencyKind as Kind;
        let phone = app.phone().await;
        let mut told = Follower::new(app.phone().await).await;
        let case = phone.post("/v1/cases", elder(KOTO_JAYA)).await.expect(201);
        let id = case.id();
        let go = |action: &'static str| (action, json!({}));
        let mut answers: Vec<Answer> = vec![];

        // the village writes a letter
        let village = village_that_helps(app).await;
        let at =
            send(&phone, &id, Kind::VillageGovernment, &village.agency, ask(&village.agency, "registration_letter"))
                .await;
        walk(&village, &at, &[go("accept"), ("complete", done("service_provided", "Surat di kantor lurah."))]).await;
        answers.push((Kind::VillageGovernment, at, "completed", "service_provided", "Surat di kantor lurah."));

        // the regency's homes are full; the province's are not
        let (regency, province) = (app.regency().await, app.province().await);
        let at = send(&phone, &id, Kind::DinsosRegency, &regency.agency, ask(&regency.agency, ELDER_CARE)).await;
        let forward =
            json!({ "target_agency_id": province.agency, "reason": "capacity_exceeded", "note": "Panti penuh." });
        walk(&regency, &at, &[go("acknowledge"), ("forward", forward)]).await;
        answers.push((Kind::DinsosRegency, at, "forwarded", "", "Panti penuh."));
        let at = first(&province).await;
        walk(&province, &at, &[go("accept"), go("start"), ("complete", done("service_provided", "Tinggal di panti."))])
            .await;
        answers.push((Kind::DinsosProvince, at, "completed", "service_provided", "Tinggal di panti."));

        // BPJS passes on to its nearer branch, which makes the card good again
        let (bpjs, branch) = (app.bpjs().await, app.bpjs_branch().await);
        let mut referral = ask(&bpjs.agency, REACTIVATION);
        referral["fields"] = json!({ "participant_name": "Mbah Karto Sentono", "participant_nik": "1706020101480003", "reason": "chronic",
            "facility_name": "RSUD Mukomuko", "letter_number": "445/12" });
        referral["eligibility"] = json!({ "desil": 1, "quarter": "2026-Q1", "checked_at": app.clock.now() });
        let at = send(&phone, &id, Kind::BpjsKesehatan, &bpjs.agency, referral).await;
        let forward = json!({ "target_agency_id": branch.agency, "reason": "nearer_branch" });
        walk(&bpjs, &at, &[("acknowledge", json!({ "partner_reference": "RKT-1" })), ("forward", forward)]).await;
        answers.push((Kind::BpjsKesehatan, at, "forwarded", "", ""));
        let at = first(&branch).await;
        assert_eq!(walk(&branch, &at, &[go("accept")]).await.json["fields"]["letter_number"], "445/12");
        walk(&branch, &at, &[("complete", done("membership_active", "Kartu aktif."))]).await;
        answers.push((Kind::BpjsKesehatan, at, "completed", "membership_active", "Kartu aktif."));

        // the others, each in its way
        let employment =
            body(app, Kind::BpjsKetenagakerjaan, "BPJS Ketenagakerjaan Mukomuko", &["employment_insurance"]).await;
        let at = send(
            &phone,
            &id,
            Kind::BpjsKetenagakerjaan,
            &employment.agency,
            ask(&employment.agency, "employment_insurance"),
        )
        .await;
        let mut declined = because("documents_incomplete");
        declined["note"] = json!("Bukan peserta.");
        walk(&employment, &at, &[("reject", declined)]).await;
        answers.push((Kind::BpjsKetenagakerjaan, at, "rejected", "", "Bukan peserta."));

        let hospital = body(app, Kind::HealthFacility, "RSUD Mukomuko", &["jampersal_recommendation"]).await;
        let at = send(
            &phone,
            &id,
            Kind::HealthFacility,
            &hospital.agency,
            ask(&hospital.agency, "jampersal_recommendation"),
        )
        .await;
        let mut failed = because("unreachable");
        failed["note"] = json!("Tidak datang dua kali.");
        walk(&hospital, &at, &[go("accept"), ("fail", failed)]).await;
        answers.push((Kind::HealthFacility, at, "failed", "", "Tidak datang dua kali."));

        let registry = body(app, Kind::CivilRegistry, "Dukcapil Mukomuko", &["death_certificate"]).await;
        let at =
            send(&phone, &id, Kind::CivilRegistry, &registry.agency, ask(&registry.agency, "death_certificate")).await;
        walk(&registry, &at, &[go("accept"), ("complete", done("record_not_found", "Istri belum tercatat."))]).await;
        answers.push((Kind::CivilRegistry, at, "completed", "record_not_found", "Istri belum tercatat."));

        let home = body(app, Kind::SocialInstitution, "Yayasan Kasih", &[ELDER_CARE]).await;
        let at = send(&phone, &id, Kind::SocialInstitution, &home.agency, ask(&home.agency, ELDER_CARE)).await;
        let held = ("hold", because("waiting_for_quota"));
        walk(
            &home,
            &at,
            &[go("accept"), held, go("resume"), ("complete", done("service_refused_by_person", "Memilih panti."))],
        )
        .await;
        answers.push((Kind::SocialInstitution, at, "completed", "service_refused_by_person", "Memilih panti."));

        let relief = body(app, Kind::Other, "PMI Mukomuko", &["emergency_aid"]).await;
        let at = send(&phone, &id, Kind::Other, &relief.agency, ask(&relief.agency, "emergency_aid")).await;
        walk(&relief, &at, &[go("acknowledge"), go("accept"), ("complete", done("aid_received", "Sembako diantar."))])
            .await;
        answers.push((Kind::Other, at, "completed", "aid_received", "Sembako diantar."));

        // every kind that helps has answered
        let kinds: BTreeSet<Kind> = answers.iter().map(|(kind, ..)| *kind).collect();
        assert_eq!(kinds, Kind::ALL.iter().copied().filter(|kind| *kind != Kind::Ministry).collect());
        // the volunteer reads each on the phone, under the number of the one case, and was told of each by the feed
        let news = told.news().await;
        for answer in &answers {
            is_seen(&phone, &case.json["number"], &news, answer).await;
        }
        let listed = phone.get(&format!("/v1/referrals?case_id={id}")).await.expect(200).json;
        assert_eq!(listed["items"].as_array().unwrap().len(), answers.len());
        // and the case ends with what came of it
        let path = format!("/v1/cases/{id}");
        act(&app.village().await, &path, "close", json!({ "outcome": "need_met" })).await.expect(200);
        assert_eq!(phone.get(&path).await.expect(200).json["outcome"], "need_met");
    });
}

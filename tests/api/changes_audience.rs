//! Whom the feed tells of what: the stories of volunteers, cases, referrals and training, as each role hears them.
use crate::cases::{KOTO_JAYA, elder, patient, report};
use crate::phones::{Phone, code};
use crate::referrals::{ELDER_CARE, REACTIVATION, act, ask};
use crate::support::feed::{FEED, Follower, Followers};
use crate::support::{Client, Reply, TestApp, a_name, run, within_a_second};
use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};

const BANDAR_RATU: &str = "17.06.02.1018";
const BENGKULU_SELATAN: &str = "17.01.01.2001";

async fn propose(by: &Client<'_>, village: &str) -> String {
    let new = json!({ "village_code": village, "name": a_name(), "nik_status": "none" });
    by.post("/v1/volunteers", new).await.expect(201).id()
}

async fn transfer(by: &Client<'_>, volunteer: &str, village: &str) -> Reply {
    let at = format!("/v1/volunteers/{volunteer}");
    act(by, &at, "postings", json!({ "village_code": village })).await.expect(200)
}

async fn patch(by: &Client<'_>, path: &str, change: Value) -> Reply {
    let etag = by.get(path).await.expect(200).header("etag").to_owned();
    by.patch(path, &etag, change).await.expect(200)
}

fn because(reason: &str) -> Value {
    json!({ "reason": reason })
}

/// Nobody else hears anything: every role that may read the feed listens.
#[test]
fn a_candidate_is_told_to_the_governments_above_and_a_transfer_to_both_sides() {
    run(async |app| {
        let mut all = Followers::of_roles(app).await;
        let (village, regency, province) = (app.village().await, app.regency().await, app.province().await);
        let id = propose(&village, KOTO_JAYA).await;
        let names: [(&str, &str); 1] = [(&id, "Budi")];
        assert_eq!(all.heard(&names).await, ["ministry, province, regency, village: upsert Budi 1"]);
        act(&regency, &format!("/v1/volunteers/{id}"), "verify", json!({})).await.expect(200);
        assert_eq!(all.heard(&names).await, ["ministry, province, regency, village: upsert Budi 2"]);
        // within the regency: one village loses sight, another gains it, the office has it still
        transfer(&regency, &id, BANDAR_RATU).await;
        let within = ["ministry, province, regency, other village: upsert Budi 3", "village: removed Budi 3"];
        assert_eq!(all.heard(&names).await, within);
        // to another regency
        transfer(&province, &id, BENGKULU_SELATAN).await;
        let across = ["ministry, province, neighbour: upsert Budi 4", "regency, other village: removed Budi 4"];
        assert_eq!(all.heard(&names).await, across);
        // whoever has forgotten it is told nothing more
        patch(&app.neighbour_regency().await, &format!("/v1/volunteers/{id}"), json!({ "occupation": "Petani" })).await;
        assert_eq!(all.heard(&names).await, ["ministry, province, neighbour: upsert Budi 5"]);
    });
}

/// Two rows that were one person: whoever saw the one that is no more, and sees the other, is told which id to use. Who does
/// not see the other learns nothing of it.
#[test]
fn a_merged_volunteer_leads_to_the_other_and_tells_nobody_else_of_it() {
    run(async |app| {
        let province = app.province().await;
        let merge = async |survivor: &str, twin: &str| {
            let at = |id: &str| format!("/v1/volunteers/{id}");
            let version = province.get(&at(twin)).await.expect(200).json["version"].clone();
            let order = json!({ "duplicate_id": twin, "duplicate_version": version, "reason": "registered_twice" });
            act(&province, &at(survivor), "merge", order).await.expect(200);
        };
        let (regency, neighbour) = (app.regency().await, app.neighbour_regency().await);
        let (one, two) = (propose(&regency, KOTO_JAYA).await, propose(&regency, KOTO_JAYA).await);
        let three = propose(&neighbour, BENGKULU_SELATAN).await;
        let names = [(one.as_str(), "one"), (two.as_str(), "two"), (three.as_str(), "three")];
        let mut all = Followers::of_roles(app).await;
        merge(&one, &two).await;
        let within = ["ministry, province, regency, village: upsert one 2, redirected two 2 to one"];
        assert_eq!(all.heard(&names).await, within);
        merge(&three, &one).await;
        let across = [
            "ministry, province: upsert three 2, redirected one 3 to three",
            "regency, village: removed one 3",
            "neighbour: upsert three 2",
        ];
        assert_eq!(all.heard(&names).await, across);
    });
}

#[test]
fn a_phone_is_told_of_its_volunteer_alone() {
    run(async |app| {
        let phone = app.phone().await;
        let own = phone.credential.as_ref().unwrap().volunteer_id.clone().unwrap();
        let mut follower = Follower::new(phone).await;
        let regency = app.regency().await;
        propose(&regency, KOTO_JAYA).await;
        let changed = patch(&regency, &format!("/v1/volunteers/{own}"), json!({ "occupation": "Petani" })).await;
        let news = follower.news().await;
        assert_eq!(news.len(), 1, "{news:?}");
        let item = json!({ "type": "volunteer", "id": own, "op": "upsert", "version": changed.json["version"],
            "at": changed.json["updated_at"] });
        assert_eq!(news[0], item);
        follower.client.get(&format!("/v1/volunteers/{own}")).await.expect(200);
    });
}

#[test]
fn a_source_system_is_told_of_what_is_sent_to_it_as_long_as_it_sees_it() {
    run(async |app| {
        let (regency, bpjs) = (app.regency().await, app.bpjs().await);
        let volunteer = app.phone().await.credential.as_ref().unwrap().volunteer_id.clone().unwrap();
        let mut all = Followers::of_roles(app).await;
        let mut case = patient(KOTO_JAYA);
        case["volunteer_id"] = json!(volunteer);
        case["referral"] = ask(&bpjs.agency, REACTIVATION);
        let made = report(&regency, case).await.json;
        let (case, referral) = (made["id"].as_str().unwrap(), made["referral_id"].as_str().unwrap());
        let names = [(case, "case"), (referral, "referral")];
        let sent = [
            "ministry, province, regency, village, phone: upsert case 1, upsert referral 1",
            "bpjs: upsert referral 1",
        ];
        assert_eq!(all.heard(&names).await, sent);
        let at = format!("/v1/referrals/{referral}");
        act(&bpjs, &at, "accept", json!({})).await.expect(200);
        let moved = ["ministry, province, regency, village, bpjs, phone: upsert referral 2"];
        assert_eq!(all.heard(&names).await, moved);
        // what a change of the case alters of its referral has no version of its own
        patch(&regency, &format!("/v1/cases/{case}"), json!({ "need": "Perlu cuci darah." })).await;
        let altered = [
            "ministry, province, regency, village, phone: upsert case 2, upsert referral 2",
            "bpjs: upsert referral 2",
        ];
        assert_eq!(all.heard(&names).await, altered);
        // it should never have been: sender and ministry keep it
        act(&regency, &at, "mark-error", because("wrong_person")).await.expect(200);
        let marked = ["ministry, regency: upsert referral 3", "province, village, bpjs, phone: removed referral 3"];
        assert_eq!(all.heard(&names).await, marked);
        bpjs.get(&at).await.problem(404, "not_found");
        act(&regency, &format!("/v1/cases/{case}"), "close", json!({ "outcome": "need_met" })).await.expect(200);
        assert_eq!(all.heard(&names).await, ["ministry, province, regency, village, phone: upsert case 3"]);
    });
}

#[test]
fn a_branch_is_told_of_its_own_and_its_parent_of_both() {
    run(async |app| {
        let (regency, branch) = (app.regency().await, app.bpjs_branch().await);
        let mut all = Followers::of_roles(app).await;
        let mut case = patient(KOTO_JAYA);
        case["referral"] = ask(&branch.agency, REACTIVATION);
        let made = report(&regency, case).await.json;
        let names = [(made["id"].as_str().unwrap(), "case"), (made["referral_id"].as_str().unwrap(), "referral")];
        let sent = [
            "ministry, province, regency, village: upsert case 1, upsert referral 1",
            "bpjs, bpjs branch: upsert referral 1",
        ];
        assert_eq!(all.heard(&names).await, sent);
    });
}

#[test]
fn a_forwarded_referral_ends_and_the_next_one_begins() {
    run(async |app| {
        let (regency, village, province) = (app.regency().await, app.village().await, app.province().await);
        let mut case = elder(KOTO_JAYA);
        case["referral"] = ask(&regency.agency, ELDER_CARE);
        let made = report(&village, case).await.json;
        let first = made["referral_id"].as_str().unwrap();
        let mut all = Followers::of_roles(app).await;
        let on = json!({ "target_agency_id": province.agency, "reason": "outside_authority" });
        act(&regency, &format!("/v1/referrals/{first}"), "forward", on).await.expect(200);
        let heard = all.heard(&[(first, "first")]).await;
        assert_eq!(heard, ["ministry, province, regency, village: upsert first 2, upsert referral 1"]);
    });
}

/// What a village must not know it is not told of, and has to forget when it turns out to be so.
#[test]
fn a_case_that_becomes_sensitive_is_taken_out_of_the_villages_sight() {
    run(async |app| {
        let regency = app.regency().await;
        let mut case = elder(KOTO_JAYA);
        case["referral"] = ask(&regency.agency, ELDER_CARE);
        let made = report(&regency, case).await.json;
        let (case, referral) = (made["id"].as_str().unwrap(), made["referral_id"].as_str().unwrap());
        let names = [(case, "case"), (referral, "referral")];
        let mut all = Followers::of_roles(app).await;
        let at = format!("/v1/cases/{case}");
        patch(&regency, &at, json!({ "ppks": ["PPKS-02"] })).await;
        let hidden = [
            "ministry, province, regency: upsert case 2, upsert referral 2",
            "village: removed case 2, removed referral 2",
        ];
        assert_eq!(all.heard(&names).await, hidden);
        app.village().await.get(&at).await.problem(404, "not_found");
        patch(&regency, &at, json!({ "need": "Lain." })).await;
        assert_eq!(all.heard(&names).await, ["ministry, province, regency: upsert case 3, upsert referral 2"]);
    });
}

fn bimtek(region: &str) -> Value {
    let begins = Utc::now() + TimeDelta::days(10);
    // a province trains those who have had their basic training
    let level = if region == "17" { "advanced" } else { "basic" };
    json!({ "level": level, "title": "Bimtek PSM", "region_code": region, "venue": "Aula", "capacity": 9,
        "sessions": [{ "starts_at": begins, "ends_at": begins + TimeDelta::hours(2) }] })
}

#[test]
fn training_is_told_to_everyone_below_once_it_is_announced() {
    run(async |app| {
        let (regency, village) = (app.regency().await, app.village().await);
        let mut all = Followers::of_roles(app).await;
        let event = regency.post("/v1/training-events", bimtek("17.06")).await.expect(201).id();
        let names: [(&str, &str); 1] = [(&event, "event")];
        assert_eq!(all.heard(&names).await, ["ministry, province, regency: upsert event 1"]);
        let at = format!("/v1/training-events/{event}");
        act(&regency, &at, "publish", json!({})).await.expect(200);
        let announced = ["ministry, province, regency, village, other village, phone: upsert event 2"];
        assert_eq!(all.heard(&names).await, announced);

        // a seat that is taken is told as well, though the event has the same version
        let volunteer = propose(&village, KOTO_JAYA).await;
        all.heard(&names).await;
        let seat =
            village.post(&format!("{at}/enrolments"), json!({ "volunteer_id": volunteer })).await.expect(201).id();
        let names: [(&str, &str); 2] = [(&event, "event"), (&seat, "seat")];
        let taken = [
            "ministry, province, regency, village: upsert seat 1, upsert event 2",
            "other village, phone: upsert event 2",
        ];
        assert_eq!(all.heard(&names).await, taken);
        act(&regency, &at, "cancel", because("venue_unavailable")).await.expect(200);
        let cancelled = ["ministry, province, regency, village, other village, phone: upsert event 3"];
        assert_eq!(all.heard(&names).await, cancelled);
    });
}

/// In which village a phone's volunteer is posted, the feed does not know: rather too much than too little.
#[test]
fn a_phone_is_told_of_training_anywhere_in_its_regency_and_reads_only_its_own() {
    run(async |app| {
        let mut phone = Follower::new(app.phone().await).await;
        let mut village = Follower::new(app.village().await).await;
        let (regency, neighbour) = (app.regency().await, app.neighbour_regency().await);
        let mut made = vec![];
        for (by, region) in
            [(&regency, KOTO_JAYA), (&regency, BANDAR_RATU), (&app.province().await, "17"), (&neighbour, "17.01")]
        {
            let event = by.post("/v1/training-events", bimtek(region)).await.expect(201).id();
            act(by, &format!("/v1/training-events/{event}"), "publish", json!({})).await.expect(200);
            made.push(event);
        }
        let ids =
            |news: Vec<Value>| news.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
        assert_eq!(ids(phone.news().await), made[..3]);
        assert_eq!(ids(village.news().await), [made[0].clone(), made[2].clone()]);
        for (event, status) in made.iter().zip([200, 404, 200, 404]) {
            let read = phone.client.get(&format!("/v1/training-events/{event}")).await;
            assert_eq!(read.status, status, "{}", read.text);
        }
    });
}

/// Who took part sees the event for ever, and so is told of it, wherever the volunteer is by then, and although the
/// seat was given back.
#[test]
fn who_took_part_and_moved_away_is_told_of_the_event() {
    run(async |app| {
        let (regency, province, neighbour) = (app.regency().await, app.province().await, app.neighbour_regency().await);
        let volunteer = propose(&regency, KOTO_JAYA).await;
        let at = regency.post("/v1/training-events", bimtek(KOTO_JAYA)).await.expect(201).id();
        let at = format!("/v1/training-events/{at}");
        act(&regency, &at, "publish", json!({})).await.expect(200);
        let seat = regency.post(&format!("{at}/enrolments"), json!({ "volunteer_id": volunteer })).await.expect(201);
        let seat = format!("/v1/training-enrolments/{}", seat.id());
        act(&regency, &seat, "withdraw", json!({})).await.expect(200);
        transfer(&province, &volunteer, BENGKULU_SELATAN).await;
        let new = code(&neighbour, &format!("/v1/volunteers/{volunteer}")).await;
        let phone = Phone::new(app, &new).await.sign_in().await;
        let mut phone = Follower::new(phone).await;
        patch(&regency, &at, json!({ "venue": "Balai desa" })).await;
        let news = phone.news().await;
        assert_eq!(news.len(), 1, "{news:?}");
        let read = phone.client.get(&format!("/v1/training-events/{}", news[0]["id"].as_str().unwrap())).await;
        assert_eq!(read.expect(200).json["venue"], "Balai desa");
    });
}

#[test]
fn an_agency_is_told_to_everyone_as_everyone_reads_it() {
    run(async |app| {
        let ministry = app.ministry().await;
        let mut all = Followers::of_roles(app).await;
        let branch = app.agency("BPJS Kesehatan Mukomuko").await;
        patch(&ministry, &format!("/v1/agencies/{branch}"), json!({ "name": "BPJS Kesehatan Cabang Mukomuko" })).await;
        let heard = all.heard(&[(&branch, "branch")]).await;
        let everyone = "ministry, province, regency, neighbour, other regency, village, other village, bpjs, bpjs branch, \
             bpjs elsewhere, phone: upsert branch 2";
        assert_eq!(heard, [everyone]);
    });
}

/// An office sees what lies in its region. What it reported elsewhere, before it was renumbered, is no longer its own to follow.
#[test]
fn who_was_given_another_region_is_told_nothing_of_what_it_left() {
    run(async |app| {
        let (regency, village, ministry) = (app.regency().await, app.village().await, app.ministry().await);
        let mut case = elder(KOTO_JAYA);
        case["referral"] = ask(&regency.agency, ELDER_CARE);
        let made = report(&village, case).await.json;
        let (case, referral) = (made["id"].as_str().unwrap(), made["referral_id"].as_str().unwrap());
        let at = format!("/v1/agencies/{}", village.agency);
        let before = village.get("/v1/me").await.expect(200).json["region_codes"].clone();
        patch(&ministry, &at, json!({ "region_codes": ["17.06.02.1009"] })).await;
        within_a_second(async || village.get("/v1/me").await.expect(200).json["region_codes"] != before).await;
        village.get(&format!("/v1/cases/{case}")).await.problem(404, "not_found");
        let mut all = Followers::of_roles(app).await;
        patch(&regency, &format!("/v1/cases/{case}"), json!({ "need": "Perlu pendamping." })).await;
        act(&regency, &format!("/v1/referrals/{referral}"), "accept", json!({})).await.expect(200);
        let heard = all.heard(&[(case, "case"), (referral, "referral")]).await;
        assert_eq!(heard, ["ministry, province, regency: upsert case 2, upsert referral 1, upsert referral 2"]);
    });
}

/// Somebody goes on working for the person: that is nothing to whom the person was once sent.
#[test]
fn who_has_done_its_part_is_told_nothing_of_the_case() {
    run(async |app| {
        let (regency, bpjs) = (app.regency().await, app.bpjs().await);
        let mut case = patient(KOTO_JAYA);
        case["referral"] = ask(&bpjs.agency, REACTIVATION);
        let made = report(&regency, case).await.json;
        let (case, referral) = (made["id"].as_str().unwrap(), made["referral_id"].as_str().unwrap());
        act(&bpjs, &format!("/v1/referrals/{referral}"), "reject", because("not_in_dtsen")).await.expect(200);
        let mut all = Followers::of_roles(app).await;
        patch(&regency, &format!("/v1/cases/{case}"), json!({ "need": "Perlu cuci darah." })).await;
        let heard = all.heard(&[(case, "case"), (referral, "referral")]).await;
        assert_eq!(heard, ["ministry, province, regency, village: upsert case 2, upsert referral 2"]);
    });
}

/// Without the scope of a row nothing of it is told.
#[test]
fn a_change_takes_the_scope_of_its_row() {
    run(async |app| {
        let regency = app.regency().await;
        let narrow = [("scope", "changes:read cases:read"), ("acting_user", "staf-0017")];
        let token = regency.ask_token(&narrow).await.expect(200).json["access_token"].as_str().unwrap().to_owned();
        let mut narrow = Follower::new(regency.with_token(&token)).await;
        propose(&regency, KOTO_JAYA).await;
        let mut case = elder(KOTO_JAYA);
        case["referral"] = ask(&regency.agency, ELDER_CARE);
        let case = report(&regency, case).await.id();
        let news = narrow.news().await;
        assert_eq!(news.iter().map(|item| &item["id"]).collect::<Vec<_>>(), [&json!(case)]);
        // and without the feed's own there is none
        let none = [("scope", "cases:read")];
        let token = regency.ask_token(&none).await.expect(200).json["access_token"].as_str().unwrap().to_owned();
        regency.with_token(&token).get(FEED).await.problem(403, "forbidden");
        app.dashboard().await.get(FEED).await.problem(403, "forbidden");
    });
}

/// Ids, versions and times: nothing that tells of a person.
#[test]
fn the_feed_tells_nothing_of_a_person() {
    run(async |app| {
        let mut ministry = Follower::new(app.ministry().await).await;
        let regency = app.regency().await;
        let person = json!({ "village_code": KOTO_JAYA, "name": "Siti Aminah", "sex": "female",
            "birth_date": "1995-08-05", "nik": "1706024508950001", "phone": "0812 0000 9999" });
        regency.post("/v1/volunteers", person).await.expect(201);
        let mut case = patient(KOTO_JAYA);
        case["person"]["nik"] = json!("1706027108950001");
        case["referral"] = ask(&app.agency("BPJS Kesehatan").await, REACTIVATION);
        report(&regency, case).await;
        let news = ministry.news().await;
        assert_eq!(news.len(), 3);
        let known = ["at", "id", "op", "type", "version"];
        for item in &news {
            let mut members: Vec<&String> = item.as_object().unwrap().keys().collect();
            members.sort();
            assert_eq!(members, known, "{item}");
        }
        kept_apart(app).await;
    });
}

/// What is stored of changes holds no personal data either.
async fn kept_apart(app: &TestApp) {
    for word in ["Siti", "1706024508950001", "1706027108950001", "81200009999"] {
        let found = app.number(&format!("SELECT count(*) FROM changes c WHERE c::text LIKE '%{word}%'")).await;
        assert_eq!(found, 0, "{word}");
    }
}

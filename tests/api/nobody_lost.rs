//! Nobody is lost: whatever waits is seen by somebody who can do something about it, and a clock that stands still stands for one alone.
use crate::cases::{KOTO_JAYA, NIK, elder, patient, report};
use crate::journey_everyone::village_that_helps;
use crate::phones::{Phone, code};
use crate::referrals::{ELDER_CARE, REACTIVATION, act, actions, ask, because, to_bpjs, to_regency};
use crate::support::feed::Follower;
use crate::support::office::PDF;
use crate::support::{Client, Reply, TestApp, a_name, run, within_a_second};
use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use serde_json::{Value, json};
use simpul::platform::region_code::RegionCode;
use simpul::regions::rules::TimeZone;

/// A worklist of one side, and what its list has: as many as it counts.
async fn worklist(client: &Client<'_>, side: &str, key: &str) -> Option<Vec<String>> {
    let lists = client.get("/v1/referrals/worklists").await.expect(200).json;
    let side = lists["sides"].as_array().unwrap().iter().find(|one| one["side"] == side)?;
    let list = side["lists"].as_array().unwrap().iter().find(|one| one["key"] == key)?;
    let url = list["list_url"].as_str().unwrap().replace(&client.app.base, "");
    let ids = listed(client, &url).await;
    assert_eq!(list["count"], ids.len(), "{url}");
    Some(ids)
}

async fn listed(client: &Client<'_>, url: &str) -> Vec<String> {
    let page = client.get(url).await.expect(200).json;
    page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

fn id(path: &str) -> String {
    path.rsplit('/').next().unwrap().to_owned()
}

async fn turn(app: &TestApp) -> bool {
    simpul::worker::turn(&app.running().app, &app.running().writer).await.is_ok()
}

fn ppks(village: &str, category: &str) -> Value {
    let mut case = elder(village);
    case["ppks"] = json!([category]);
    case
}

#[test]
fn whatever_is_shown_of_a_referral_moves_the_time_by_which_it_is_asked_for() {
    run(async |app| {
        let (bpjs, village) = (app.bpjs().await, app.village().await);
        let at = to_bpjs(app).await;
        let case = format!("/v1/cases/{}", village.get(&at).await.json["case_id"].as_str().unwrap());
        let mut seen = bpjs.get(&at).await.expect(200);
        let mut version = seen.json["version"].clone();
        for step in ["need", "question", "do_not_contact", "document", "reminder"] {
            app.pass(TimeDelta::seconds(1));
            match step {
                "need" | "do_not_contact" => {
                    let etag = village.get(&case).await.header("etag").to_owned();
                    let changed = if step == "need" { json!({ "need": "Segera." }) } else { json!({ step: true }) };
                    village.patch(&case, &etag, changed).await.expect(200);
                }
                "question" => {
                    let asks = json!({ "kind": "question", "text": "Kapan dijawab?" });
                    village.post(&format!("{at}/comments"), asks).await.expect(201);
                }
                "document" => {
                    let sent = village.request(reqwest::Method::POST, &format!("{at}/documents?kind=statement"));
                    let sent = sent.raw(PDF).header("content-type", "application/pdf").key("d");
                    sent.await.expect(201);
                }
                _ => {
                    app.sql("UPDATE referrals SET tick_at = created_at").await;
                    assert!(turn(app).await);
                }
            }
            let after = seen.json["updated_at"].as_str().unwrap().parse::<DateTime<Utc>>().unwrap();
            let after = (after + TimeDelta::microseconds(1)).to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
            let news = listed(&bpjs, &format!("/v1/referrals?receiver=me&updated_from={after}")).await;
            assert_eq!(news, [id(&at)], "{step}");
            let now = bpjs.get(&at).await.expect(200);
            assert_ne!(now.header("etag"), seen.header("etag"), "{step}");
            // who works on it is refused for none of that
            assert_eq!(now.json["version"], version, "{step}");
            (version, seen) = (now.json["version"].clone(), now);
        }
    });
}

/// What is shown of the person: nothing, masked, open.
fn shown(reply: &Reply) -> &str {
    match &reply.json["person"]["masked"] {
        Value::Bool(true) => "masked",
        Value::Bool(false) => "open",
        _ => "nothing",
    }
}

#[test]
fn a_village_that_is_asked_sees_what_it_is_asked_and_no_more() {
    run(async |app| {
        let (village, regency) = (village_that_helps(app).await, app.regency().await);
        let letter = ask(&village.agency, "registration_letter");
        // sensitive from the beginning, and since it was asked
        for later in [false, true] {
            let case = report(&regency, ppks(KOTO_JAYA, if later { "PPKS-08" } else { "PPKS-09" })).await;
            let path = format!("/v1/cases/{}", case.id());
            let sent = regency.post(&format!("{path}/referrals"), letter.clone()).await.expect(201);
            let at = format!("/v1/referrals/{}", sent.id());
            if later {
                assert_eq!(shown(&village.get(&at).await), "open");
                let etag = regency.get(&path).await.header("etag").to_owned();
                regency.patch(&path, &etag, json!({ "ppks": ["PPKS-09"] })).await.expect(200);
            }
            let read = village.get(&at).await.expect(200);
            assert_eq!((shown(&read), &read.json["need"]), ("masked", &case.json["need"]));
            assert!(actions(&read).contains(&"acknowledge"));
            app.village().await.get(&path).await.problem(404, "not_found");
            assert_eq!(worklist(&village, "received", "new").await.unwrap(), [sent.id()]);
            assert!(listed(&village, "/v1/referrals").await.contains(&sent.id()));
            assert_eq!(shown(&act(&village, &at, "acknowledge", json!({})).await.expect(200)), "masked");
            assert_eq!(shown(&act(&village, &at, "accept", json!({})).await.expect(200)), "open");
            let done = json!({ "outcome": "service_provided" });
            assert_eq!(shown(&act(&village, &at, "complete", done).await.expect(200)), "nothing");
            // the neighbours are told of none of it
            app.other_village().await.get(&at).await.problem(404, "not_found");
        }
    });
}

#[test]
fn a_village_that_asked_for_what_became_sensitive_keeps_the_header() {
    run(async |app| {
        let (village, regency) = (app.village().await, app.regency().await);
        let case = report(&regency, ppks(KOTO_JAYA, "PPKS-08")).await;
        let path = format!("/v1/cases/{}", case.id());
        let sent = village.post(&format!("{path}/referrals"), ask(&regency.agency, ELDER_CARE)).await.expect(201);
        let at = format!("/v1/referrals/{}", sent.id());
        assert_eq!(shown(&sent), "open");
        regency.patch(&path, case.header("etag"), json!({ "ppks": ["PPKS-16"] })).await.expect(200);
        village.get(&path).await.problem(404, "not_found");
        let read = village.get(&at).await.expect(200);
        assert_eq!((shown(&read), &read.json["need"], &read.json["ppks"]), ("nothing", &Value::Null, &Value::Null));
        act(&village, &at, "withdraw", because("need_met_otherwise")).await.expect(200);
    });
}

#[test]
fn what_is_on_hold_is_looked_at_again() {
    run(async |app| {
        // nine in the morning in Mukomuko
        app.pass("2027-03-01T02:00:00Z".parse::<DateTime<Utc>>().unwrap() - app.clock.now());
        let (bpjs, village) = (app.bpjs().await, app.village().await);
        let at = to_bpjs(app).await;
        let soon = json!({ "appointment_at": "2027-03-03T03:00:00Z", "due_on": "2027-03-04" });
        act(&bpjs, &at, "accept", soon).await.expect(200);
        assert_eq!(bpjs.get(&at).await.json["due_at"], "2027-03-03T03:00:00Z");
        let held = act(&bpjs, &at, "hold", because("waiting_for_documents")).await.expect(200);
        // the whole of the day is left
        assert_eq!(
            (&held.json["hold_review_on"], &held.json["due_at"]),
            (&json!("2027-03-15"), &json!("2027-03-15T17:00:00Z"))
        );
        assert_eq!((&held.json["due_on"], &held.json["appointment_at"]), (&Value::Null, &Value::Null));
        for (client, side) in [(&bpjs, "received"), (&village, "sent"), (&app.phone().await, "own")] {
            let expected = if side == "own" { vec![] } else { vec![id(&at)] };
            assert_eq!(worklist(client, side, "on_hold").await.unwrap(), expected);
        }
        app.pass("2027-03-15T16:59:00Z".parse::<DateTime<Utc>>().unwrap() - app.clock.now());
        let (bpjs, village) = (app.bpjs().await, app.village().await);
        assert!(worklist(&bpjs, "received", "overdue").await.unwrap().is_empty());
        app.pass(TimeDelta::minutes(2));
        assert_eq!(worklist(&bpjs, "received", "overdue").await.unwrap(), [id(&at)]);
        assert_eq!(worklist(&village, "sent", "overdue").await.unwrap(), [id(&at)]);
        // it goes on with a new promise, or none
        let resumed = act(&bpjs, &at, "resume", json!({ "due_on": "2027-03-18" })).await.expect(200);
        assert_eq!(resumed.json["due_at"], "2027-03-18T17:00:00Z");
        act(&bpjs, &at, "hold", json!({ "reason": "waiting_for_documents", "review_on": "2027-03-17" }))
            .await
            .expect(200);
        let resumed = act(&bpjs, &at, "resume", json!({})).await.expect(200);
        assert_eq!((&resumed.json["due_on"], &resumed.json["hold_review_on"]), (&Value::Null, &Value::Null));
        act(&bpjs, &at, "start", json!({ "due_on": "2027-03-01" }))
            .await
            .problem(422, "rule_broken")
            .blames("/due_on", "date_past");
        let moved = json!({ "appointment_at": "2027-03-20T03:00:00Z" });
        assert_eq!(act(&bpjs, &at, "start", moved).await.expect(200).json["due_at"], "2027-03-20T03:00:00Z");
    });
}

#[test]
fn a_day_ends_by_the_clocks_of_its_province() {
    run(async |app| {
        let day = NaiveDate::from_ymd_opt(2027, 3, 1).unwrap();
        let next = day + Days::new(1);
        for code in (11..=97).map(|number: u8| number.to_string()) {
            let zone = TimeZone::of(&RegionCode::parse(&code).unwrap());
            let ends = zone.instant(next, chrono::NaiveTime::MIN);
            let said = app
                .texts(&format!(
                    "SELECT to_char(day_ends('{day}', '{code}') AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
                ))
                .await;
            assert_eq!(said, [ends.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)], "{code}");
        }
    });
}

#[test]
fn a_case_for_which_nothing_is_under_way_is_in_a_worklist() {
    run(async |app| {
        let (phone, regency) = (app.phone().await, app.regency().await);
        let case = report(&phone, patient(KOTO_JAYA)).await;
        let path = format!("/v1/cases/{}", case.id());
        let waits = async |expected: bool| {
            let expected = if expected { vec![case.id()] } else { vec![] };
            for (client, side) in [(&phone, "own"), (&regency, "region")] {
                assert_eq!(worklist(client, side, "not_referred").await.unwrap(), expected, "{side}");
            }
        };
        waits(true).await;
        let bpjs = app.bpjs().await;
        let sent = phone.post(&format!("{path}/referrals"), ask(&bpjs.agency, REACTIVATION)).await.expect(201);
        let at = format!("/v1/referrals/{}", sent.id());
        waits(false).await;
        assert_eq!(listed(&regency, "/v1/cases?status=open&referred=true").await, [case.id()]);
        // declined more than a month ago, which no list of referrals tells any more
        act(&bpjs, &at, "reject", because("not_in_dtsen")).await.expect(200);
        waits(true).await;
        app.pass(TimeDelta::days(31));
        let (phone, regency, village) = (app.phone().await, app.regency().await, app.village().await);
        assert!(worklist(&regency, "sent", "waiting").await.unwrap().is_empty());
        assert_eq!(worklist(&phone, "own", "not_referred").await.unwrap(), [case.id()]);
        assert_eq!(worklist(&regency, "region", "not_referred").await.unwrap(), [case.id()]);
        // the consent is taken back and given anew: the referral that was taken back with it stays so
        let etag = regency.get(&path).await.header("etag").to_owned();
        regency.act(&format!("{path}/close"), &etag, json!({ "outcome": "need_met" })).await.expect(200);
        assert!(worklist(&regency, "region", "not_referred").await.unwrap().is_empty());
        // what the own agency reported, wherever; cases have no service, and who is asked has no cases
        let own = report(&regency, elder(KOTO_JAYA)).await;
        assert_eq!(worklist(&regency, "sent", "not_referred").await.unwrap(), [own.id()]);
        assert!(worklist(&village, "sent", "not_referred").await.unwrap().is_empty());
        assert_eq!(worklist(&app.bpjs().await, "received", "not_referred").await, None);
        let of_service = regency.get(&format!("/v1/referrals/worklists?service={REACTIVATION}")).await.expect(200);
        assert!(!of_service.text.contains("not_referred"));
        regency.get("/v1/cases?referred=").await.problem(400, "malformed");
    });
}

#[test]
fn a_replay_does_not_show_who_is_restricted_since() {
    run(async |app| {
        let (village, regency) = (app.village().await, app.regency().await);
        let case = report(&village, patient(KOTO_JAYA)).await;
        let path = format!("/v1/cases/{}", case.id());
        let close = || {
            let body = json!({ "outcome": "need_met" });
            regency.act(&format!("{path}/close"), case.header("etag"), body).key("close")
        };
        let first = close().await.expect(200);
        assert_eq!((shown(&first), shown(&close().await.expect(200))), ("open", "open"));
        let withdraw = async |client: &Client<'_>, key: &str| {
            let body = json!({});
            client.act(&format!("{path}/withdraw-consent"), first.header("etag"), body).key(key).await
        };
        let masked = withdraw(&regency, "withdraw").await.expect(200);
        assert_eq!(shown(&masked), "masked");
        // what shows nobody is shown again, what shows the person is not
        assert_eq!(withdraw(&regency, "withdraw").await.expect(200).text, masked.text);
        assert_eq!(close().await.problem(409, "case_state_conflict").json["state"], "restricted");
        assert!(regency.get(&path).await.expect(200).text.contains("restricted"));
    });
}

#[test]
fn a_replay_does_not_show_the_need_to_who_has_ended_it() {
    run(async |app| {
        let bpjs = app.bpjs().await;
        let at = to_bpjs(app).await;
        let etag = bpjs.get(&at).await.header("etag").to_owned();
        let acknowledge = || bpjs.act(&format!("{at}/acknowledge"), &etag, json!({})).key("once");
        let first = acknowledge().await.expect(200);
        assert!(first.json["need"].is_string());
        assert_eq!(acknowledge().await.expect(200).text, first.text);
        // it sees more by now, so it may see the same again
        act(&bpjs, &at, "accept", json!({})).await.expect(200);
        assert_eq!(acknowledge().await.expect(200).text, first.text);
        act(&bpjs, &at, "complete", json!({ "outcome": "membership_active" })).await.expect(200);
        assert_eq!(acknowledge().await.problem(409, "referral_state_conflict").json["state"], "completed");
    });
}

#[test]
fn what_a_branch_has_taken_on_its_parent_takes_back() {
    run(async |app| {
        app.sql("UPDATE source_systems SET open_to_branches = true WHERE agency_id = (SELECT id FROM agencies WHERE name = 'BPJS Kesehatan')").await;
        let (branch, bpjs) = (app.bpjs_branch().await, app.bpjs().await);
        let at = to_bpjs(app).await;
        act(&branch, &at, "claim", json!({})).await.expect(200);
        let accept = json!({ "partner_reference": "KC-1" });
        let accepted = act(&branch, &at, "accept", accept).await.expect(200);
        // the branch sees it through
        assert!(!actions(&accepted).contains(&"release"));
        act(&branch, &at, "release", json!({})).await.problem(409, "referral_state_conflict");
        let mut feed = Follower::new(app.bpjs_branch().await).await;
        app.sql("UPDATE agencies SET state = 'suspended' WHERE name = 'BPJS Kesehatan Mukomuko'").await;
        let read = bpjs.get(&at).await.expect(200);
        assert_eq!(actions(&read), ["release"]);
        let back = act(&bpjs, &at, "release", json!({})).await.expect(200);
        assert_eq!(
            (&back.json["status"], &back.json["handler_agency_id"], &back.json["pool_agency_ids"]),
            (&json!("accepted"), &Value::Null, &json!([]))
        );
        // a number of the branch's own is not the parent's
        assert_eq!(back.json["partner_reference"], Value::Null);
        assert!(actions(&back).contains(&"complete"));
        app.sql("UPDATE agencies SET state = 'active' WHERE name = 'BPJS Kesehatan Mukomuko'").await;
        assert_eq!(feed.news().await[0]["op"], "removed");
        act(&bpjs, &at, "start", json!({})).await.expect(200);
        act(&bpjs, &at, "complete", json!({ "outcome": "membership_active" })).await.expect(200);
    });
}

#[test]
fn branches_have_numbers_of_their_own() {
    run(async |app| {
        app.sql("UPDATE source_systems SET open_to_branches = true WHERE agency_id = (SELECT id FROM agencies WHERE name = 'BPJS Kesehatan')").await;
        app.sql("UPDATE source_systems SET region_codes = region_codes || '{17.06}' WHERE agency_id = (SELECT id FROM agencies WHERE name = 'BPJS Kesehatan Kerinci')").await;
        let (branch, other) = (app.bpjs_branch().await, app.bpjs_elsewhere().await);
        let (one, two, three) = (to_bpjs(app).await, to_bpjs(app).await, to_bpjs(app).await);
        let acknowledge = async |client: &Client<'_>, at: &str| {
            act(client, at, "claim", json!({})).await.expect(200);
            act(client, at, "acknowledge", json!({ "partner_reference": "2027/001" })).await
        };
        acknowledge(&branch, &one).await.expect(200);
        acknowledge(&other, &two).await.expect(200);
        acknowledge(&branch, &three).await.problem(409, "partner_reference_taken");
        // by its own number a branch means its own; the parent, that uses it not, whichever it is, if it is one
        let bpjs = app.bpjs().await;
        let batch = async |client: &Client<'_>| {
            let item = json!({ "partner_reference": "2027/001", "version": 3, "accept": {} });
            let done = client.post("/v1/referrals/batch", json!({ "items": [item] })).await.expect(200);
            done.json["items"][0].clone()
        };
        let unclear = batch(&bpjs).await;
        assert_eq!((&unclear["id"], &unclear["http_status"]), (&Value::Null, &json!(404)));
        let own = to_bpjs(app).await;
        act(&bpjs, &own, "acknowledge", json!({ "partner_reference": "2027/001" })).await.expect(200);
        app.sql("UPDATE referrals SET version = 3 WHERE partner_reference = '2027/001'").await;
        assert_eq!(batch(&bpjs).await["id"], id(&own));
        assert_eq!(batch(&other).await["id"], id(&two));
        // who gives a referral back gives up its number
        let released = act(&branch, &one, "release", json!({})).await.expect(200);
        assert_eq!(released.json["partner_reference"], Value::Null);
        act(&branch, &three, "acknowledge", json!({ "partner_reference": "2027/001" })).await.expect(200);
    });
}

#[test]
fn what_was_rejected_for_all_branches_is_open_to_them_again_when_that_is_corrected() {
    run(async |app| {
        app.sql("UPDATE source_systems SET open_to_branches = true WHERE agency_id = (SELECT id FROM agencies WHERE name = 'BPJS Kesehatan')").await;
        let (branch, bpjs) = (app.bpjs_branch().await, app.bpjs().await);
        let at = to_bpjs(app).await;
        act(&bpjs, &at, "reject", because("quota_exhausted")).await.expect(200);
        branch.get(&at).await.problem(404, "not_found");
        let corrected = act(&bpjs, &at, "correct", because("wrong_reason")).await;
        let corrected = if corrected.status == 200 {
            corrected
        } else {
            act(&bpjs, &at, "correct", because("wrong_outcome")).await.expect(200)
        };
        assert_eq!(corrected.json["pool_agency_ids"], json!([branch.agency]));
        act(&branch, &at, "claim", json!({})).await.expect(200);
    });
}

#[test]
fn an_office_that_gets_another_region_keeps_what_it_has_to_do() {
    run(async |app| {
        let (ministry, regency) = (app.ministry().await, app.regency().await);
        let received = to_regency(app).await;
        let case = report(&regency, patient(KOTO_JAYA)).await;
        let bpjs = app.bpjs().await;
        let path = format!("/v1/cases/{}/referrals", case.id());
        let sent = regency.post(&path, ask(&bpjs.agency, REACTIVATION)).await.expect(201).id();
        let agency = format!("/v1/agencies/{}", regency.agency);
        let etag = ministry.get(&agency).await.header("etag").to_owned();
        ministry.patch(&agency, &etag, json!({ "region_codes": ["17.07"] })).await.expect(200);
        let regency = app.regency().await;
        within_a_second(async || listed(&regency, "/v1/referrals").await.is_empty()).await;
        assert_eq!(worklist(&regency, "received", "new").await.unwrap(), [id(&received)]);
        assert_eq!(listed(&regency, "/v1/referrals?direction=sent").await, std::slice::from_ref(&sent));
        // as a body that is asked it does not know the person until it takes it on
        assert_eq!(shown(&regency.get(&received).await.expect(200)), "masked");
        assert_eq!(shown(&act(&regency, &received, "accept", json!({})).await.expect(200)), "open");
        act(&regency, &received, "complete", json!({ "outcome": "service_provided" })).await.expect(200);
        let at = format!("/v1/referrals/{sent}");
        assert_eq!(shown(&regency.get(&at).await.expect(200)), "open");
        act(&regency, &at, "withdraw", because("need_met_otherwise")).await.expect(200);
    });
}

#[test]
fn who_may_still_have_the_telephone_number_is_told_not_to_use_it() {
    run(async |app| {
        let (regency, bpjs) = (app.regency().await, app.bpjs().await);
        let mut case = patient(KOTO_JAYA);
        let upsert =
            async |case: &Value| regency.post("/v1/cases/upsert", json!({ "reference": "S-1", "case": case })).await;
        let made = upsert(&case).await.expect(201);
        let path = format!("/v1/cases/{}", made.id());
        let sent = regency.post(&format!("{path}/referrals"), ask(&bpjs.agency, REACTIVATION)).await.expect(201);
        let at = format!("/v1/referrals/{}", sent.id());
        act(&bpjs, &at, "accept", json!({})).await.expect(200);
        act(&bpjs, &at, "complete", json!({ "outcome": "membership_active" })).await.expect(200);
        let mut feed = Follower::new(app.bpjs().await).await;
        regency.patch(&path, made.header("etag"), json!({ "do_not_contact": true })).await.expect(200);
        let news = feed.news().await;
        assert_eq!((news.len(), &news[0]["id"]), (1, &json!(sent.id())));
        assert_eq!(bpjs.get(&at).await.expect(200).json["do_not_contact"], true);
        // a system that knows nothing of it leaves it as it is, and who has done its part is told of nothing else
        case["need"] = json!("Cuci darah dua kali seminggu.");
        assert_eq!(upsert(&case).await.expect(200).json["do_not_contact"], true);
        assert!(feed.news().await.is_empty());
        case["do_not_contact"] = json!(false);
        assert_eq!(upsert(&case).await.expect(200).json["do_not_contact"], false);
    });
}

#[test]
fn whoever_has_long_to_answer_is_hurried_before_time_runs_out() {
    run(async |app| {
        app.sql("UPDATE source_system_services SET answer_days = 25 WHERE agency_id = (SELECT id FROM agencies WHERE name = 'BPJS Kesehatan')").await;
        let at = to_bpjs(app).await;
        let sent = app.village().await.get(&at).await.expect(200);
        let time = |name: &str| sent.json[name].as_str().unwrap().parse::<DateTime<Utc>>().unwrap();
        let (created, answer_by, expires_at) = (time("created_at"), time("answer_by"), time("expires_at"));
        assert!(expires_at - created > (answer_by - created) * 2 - TimeDelta::days(14), "{answer_by} {expires_at}");
        app.pass(expires_at - app.clock.now() - TimeDelta::minutes(1));
        turn(app).await;
        assert_eq!(app.village().await.get(&at).await.expect(200).json["escalation_level"], 3);
        app.pass(TimeDelta::minutes(2));
        turn(app).await;
        assert_eq!(app.village().await.get(&at).await.expect(200).json["status"], "expired");
    });
}

#[test]
fn one_that_the_clock_cannot_move_keeps_none_of_the_others() {
    run(async |app| {
        let mut sent = vec![];
        for _ in 0..5 {
            sent.push(to_bpjs(app).await);
        }
        let stuck = id(&sent[1]);
        app.sql(&format!(
            "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
             CREATE TRIGGER fail BEFORE UPDATE ON referrals FOR EACH ROW WHEN (OLD.id = '{stuck}') EXECUTE FUNCTION fail()"
        ))
        .await;
        let states = "SELECT status || ' ' || escalation_level FROM referrals ORDER BY created_at, id";
        app.pass(TimeDelta::days(20));
        turn(app).await;
        assert_eq!(
            app.texts(states).await,
            ["submitted 3", "submitted 0", "submitted 3", "submitted 3", "submitted 3"]
        );
        app.pass(TimeDelta::days(11));
        turn(app).await;
        assert_eq!(app.texts(states).await, ["expired 0", "submitted 0", "expired 0", "expired 0", "expired 0"]);
        // and what is swept keeps the clock from nothing
        app.sql("DROP TRIGGER fail ON referrals; ALTER TABLE idempotency_keys RENAME TO hidden").await;
        assert!(!turn(app).await);
        assert_eq!(app.texts(states).await, ["expired 0"; 5]);
        app.sql("ALTER TABLE hidden RENAME TO idempotency_keys").await;
        assert!(turn(app).await);
    });
}

#[test]
fn what_was_changed_is_read_in_the_order_of_the_changes() {
    run(async |app| {
        let bpjs = app.bpjs().await;
        let mut sent = vec![];
        for _ in 0..4 {
            sent.push(to_bpjs(app).await);
            app.pass(TimeDelta::minutes(1));
        }
        let from = bpjs.get(&sent[1]).await.json["updated_at"].as_str().unwrap().to_owned();
        act(&bpjs, &sent[2], "acknowledge", json!({})).await.expect(200);
        let expected: Vec<String> = [1, 3, 2].iter().map(|index| id(&sent[*index])).collect();
        for limit in [1, 2, 50] {
            let (mut page, mut read) = (format!("/v1/referrals?receiver=me&updated_from={from}&limit={limit}"), vec![]);
            loop {
                let reply = bpjs.get(&page).await.expect(200);
                read.extend(reply.json["items"].as_array().unwrap().iter().map(|one| one["id"].clone()));
                let Some(cursor) = reply.json["next_cursor"].as_str() else { break };
                page = format!("/v1/referrals?cursor={cursor}&limit={limit}");
            }
            assert_eq!(read, expected, "{limit}");
        }
        let query = format!("/v1/referrals?receiver=me&status=submitted&status=received&updated_from={from}");
        assert_eq!(listed(&bpjs, &query).await, expected);
        let newest: Vec<String> = expected.iter().rev().cloned().collect();
        let newest = [&newest[1], &newest[0], &newest[2]].map(Clone::clone);
        assert_eq!(listed(&bpjs, &format!("{query}&order=newest")).await, newest);
        assert_eq!(listed(&bpjs, "/v1/referrals?order=changed").await.last(), Some(&id(&sent[2])));
    });
}

#[test]
fn a_number_does_not_tell_of_whom_a_header_is() {
    run(async |app| {
        app.sql("UPDATE source_systems SET open_to_branches = true WHERE agency_id = (SELECT id FROM agencies WHERE name = 'BPJS Kesehatan')").await;
        let (branch, village, regency) = (app.bpjs_branch().await, app.village().await, app.regency().await);
        let found = async |client: &Client<'_>, by: Value| {
            let mut search = by;
            search["purpose"] = json!("eligibility");
            let found = client.post("/v1/referrals/search", search).await.expect(200);
            found.json["items"].as_array().unwrap().len()
        };
        let (nik, number) = (json!({ "nik": NIK }), json!({ "partner_reference": "KC-7" }));
        let at = to_bpjs(app).await;
        // who reads alone decides of nothing
        let narrow = [("scope", "referrals:read"), ("acting_user", "staf-0017")];
        let token = app.bpjs().await.ask_token(&narrow).await.json["access_token"].as_str().unwrap().to_owned();
        // the parent is asked; a branch that has not claimed it looks on
        assert_eq!((found(&app.bpjs().await, nik.clone()).await, found(&branch, nik.clone()).await), (1, 0));
        assert_eq!(found(&app.nobody().with_token(&token), nik.clone()).await, 0);
        act(&branch, &at, "claim", json!({})).await.expect(200);
        assert_eq!(found(&branch, nik.clone()).await, 1);
        act(&branch, &at, "accept", json!({ "partner_reference": "KC-7" })).await.expect(200);
        act(&branch, &at, "complete", json!({ "outcome": "membership_active" })).await.expect(200);
        assert_eq!((found(&branch, nik.clone()).await, found(&branch, number).await), (0, 1));
        // a government knows the person, unless the consent was taken back
        assert_eq!(found(&regency, nik.clone()).await, 1);
        let case = format!("/v1/cases/{}", village.get(&at).await.json["case_id"].as_str().unwrap());
        let etag = village.get(&case).await.header("etag").to_owned();
        village.act(&format!("{case}/withdraw-consent"), &etag, json!({})).await.expect(200);
        assert_eq!((found(&regency, nik.clone()).await, found(&village, nik).await), (0, 1));
    });
}

#[test]
fn a_case_is_given_to_another_volunteer_with_its_referrals() {
    run(async |app| {
        let (regency, phone, bpjs) = (app.regency().await, app.phone().await, app.bpjs().await);
        let mut case = patient(KOTO_JAYA);
        case["referral"] = ask(&bpjs.agency, REACTIVATION);
        let made = report(&phone, case).await;
        let (path, at) = (
            format!("/v1/cases/{}", made.id()),
            format!("/v1/referrals/{}", made.json["referral_id"].as_str().unwrap()),
        );
        let next = json!({ "village_code": KOTO_JAYA, "name": a_name(), "nik_status": "none" });
        let next = regency.post("/v1/volunteers", next).await.expect(201).id();
        let other = Phone::new(app, &code(&regency, &format!("/v1/volunteers/{next}")).await).await.sign_in().await;
        let mut feed = Follower::new(app.phone().await).await;
        other.get(&path).await.problem(404, "not_found");
        let give = async |client: &Client<'_>, to: Value, status: u16| {
            let etag = regency.get(&path).await.header("etag").to_owned();
            let body = json!({ "volunteer_id": to, "note": "Pindah tugas." });
            client.act(&format!("{path}/assign"), &etag, body).await.expect(status)
        };
        give(&phone, json!(next), 403).await;
        give(&regency, made.json["volunteer_id"].clone(), 422).await.blames("/volunteer_id", "unchanged");
        give(&regency, json!(uuid::Uuid::now_v7()), 422).await.blames("/volunteer_id", "volunteer_unknown");
        give(&app.other_regency().await, json!(next), 404).await;
        let etag = regency.get(&path).await.header("etag").to_owned();
        regency.act(&format!("{path}/assign"), &etag, json!({})).await.problem(400, "malformed");

        let given = give(&regency, json!(next), 200).await;
        assert_eq!((&given.json["volunteer_id"], &given.json["version"]), (&json!(next), &json!(2)));
        phone.get(&path).await.problem(404, "not_found");
        phone.get(&at).await.problem(404, "not_found");
        let gone: Vec<Value> = feed.news().await.into_iter().map(|change| change["op"].clone()).collect();
        assert_eq!(gone, ["removed", "removed"]);
        assert_eq!(other.get(&path).await.expect(200).json["state"], "open");
        assert_eq!(other.get(&at).await.expect(200).json["volunteer_id"], next.as_str());
        let lines = regency.get(&format!("{path}/history")).await.expect(200);
        assert_eq!(
            (&lines.json["items"][1]["action"], &lines.json["items"][1]["note"]),
            (&json!("assign"), &json!("Pindah tugas."))
        );
        // to nobody, and no more once it is closed
        assert_eq!(give(&regency, Value::Null, 200).await.json["volunteer_id"], Value::Null);
        other.get(&at).await.problem(404, "not_found");
        let close = json!({ "outcome": "need_met", "end_referrals": true });
        act(&regency, &path, "close", close).await.expect(200);
        give(&regency, json!(next), 409).await;
    });
}

#[test]
fn equal_pages_have_one_etag() {
    run(async |app| {
        let village = app.village().await;
        for _ in 0..3 {
            report(&village, patient(KOTO_JAYA)).await;
        }
        let first = village.get("/v1/cases?limit=1").await.expect(200);
        assert!(first.json["next_cursor"].is_string());
        let again = village.get("/v1/cases?limit=1").header("if-none-match", first.header("etag")).await;
        again.expect(304);
    });
}

#[test]
fn a_number_of_ones_own_names_no_person() {
    run(async |app| {
        let (bpjs, regency) = (app.bpjs().await, app.regency().await);
        let at = to_bpjs(app).await;
        for number in [NIK, "1706.0245.0895.0001"] {
            for action in ["acknowledge", "accept"] {
                let refused = act(&bpjs, &at, action, json!({ "partner_reference": number })).await;
                refused.problem(400, "malformed").blames("/partner_reference", "number_of_a_person");
            }
            let upsert = json!({ "reference": number, "case": elder(KOTO_JAYA) });
            let refused = regency.post("/v1/cases/upsert", upsert).await;
            refused.problem(400, "malformed").blames("/reference", "number_of_a_person");
        }
        act(&bpjs, &at, "acknowledge", json!({ "partner_reference": "1706024508950000" })).await.expect(200);
    });
}

#[test]
fn no_officer_stands_beside_another_agency() {
    run(async |app| {
        let (regency, village) = (app.regency().await, app.village().await);
        let at = to_bpjs(app).await;
        let case = format!("/v1/cases/{}", village.get(&at).await.json["case_id"].as_str().unwrap());
        act(&regency, &case, "close", json!({ "outcome": "need_met", "end_referrals": true })).await.expect(200);
        let line = village.get(&format!("{at}/history")).await.expect(200).json["items"][1].clone();
        assert_eq!(
            (&line["action"], &line["agency_id"], &line["acting_user"]),
            (&json!("withdraw"), &json!(village.agency), &Value::Null)
        );
    });
}

#[test]
fn a_batch_promises_what_the_single_act_does() {
    run(async |app| {
        let bpjs = app.bpjs().await;
        let at = to_bpjs(app).await;
        act(&bpjs, &at, "accept", json!({})).await.expect(200);
        let due = (app.clock.now() + TimeDelta::days(5)).date_naive();
        let item = json!({ "id": id(&at), "version": 2, "start": { "due_on": due } });
        let done = bpjs.post("/v1/referrals/batch", json!({ "items": [item] })).await.expect(200);
        assert_eq!(done.json["items"][0]["status"], "in_progress");
        assert_eq!(bpjs.get(&at).await.json["due_on"], json!(due));
    });
}

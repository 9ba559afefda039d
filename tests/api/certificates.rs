//! Certificates: issued once, drawn, checked by everyone, taken back and issued anew.
use crate::support::pdf::{page, qr_of, texts};
use crate::support::{Client, Reply, TestApp, rounds, run, run_with};
use crate::training::{EVENTS, KOTO_JAYA, act, bimtek, candidates, correct, enrol, level, prepare};
use chrono::TimeDelta;
use futures_util::future::join_all;
use regex::Regex;
use serde_json::{Value, json};
use simpul::platform::config::Config;
use simpul::platform::limits::Rate;
use std::collections::BTreeSet;

/// An event of a day that is over and that these have passed.
async fn passed(client: &Client<'_>, body: Value, people: &[String]) -> String {
    let event = prepare(client, body).await;
    act(client, &event, "publish", json!({})).await.expect(200);
    for person in people {
        enrol(client, &event, person).await.expect(201);
    }
    act(client, &event, "start", json!({})).await.expect(200);
    let items: Vec<Value> = people.iter().map(|id| json!({ "volunteer_id": id, "result": "passed" })).collect();
    client.post(&format!("{event}/results"), json!({ "items": items })).await.expect(200);
    act(client, &event, "complete", json!({})).await.expect(200);
    event
}

/// The day of the founding event of Mukomuko.
fn founding(capacity: usize) -> Value {
    json!({ "level": "basic", "title": "Bimtek PSM Kabupaten Mukomuko", "region_code": "17.06", "venue": "Aula Bappelitbang",
        "speakers": [
            { "agency": "Dinas Sosial Provinsi Bengkulu", "topic": "Kebijakan" },
            { "agency": "Dinas Sosial Kabupaten Mukomuko", "name": "Kepala Bidang Rehabilitasi Sosial", "topic": "Tugas PSM" },
            { "agency": "BPJS Kesehatan" },
        ],
        "sessions": [
            { "starts_at": "2023-05-17T08:30:00+07:00", "ends_at": "2023-05-17T12:00:00+07:00", "topic": "Tugas dan fungsi PSM" },
            { "starts_at": "2023-05-17T13:30:00+07:00", "ends_at": "2023-05-17T16:00:00+07:00" },
        ],
        "cost_source": "regency_budget", "capacity": capacity })
}

async fn issue(client: &Client<'_>, event: &str, body: Value) -> Reply {
    client.post(&format!("{event}/certificates"), body).await
}

fn numbers(issued: &Reply) -> Vec<String> {
    let items = issued.json["items"].as_array().unwrap().iter();
    items.map(|item| item["number"].as_str().unwrap().to_owned()).collect()
}

fn certificate(issued: &Reply, index: usize) -> String {
    format!("/v1/training-certificates/{}", issued.json["items"][index]["id"].as_str().unwrap())
}

async fn count(client: &Client<'_>, path: &str, key: &str) -> i64 {
    let figures = client.get(path).await.expect(200);
    let bucket = figures.json["buckets"].as_array().unwrap().iter().find(|bucket| bucket["key"] == key);
    bucket.unwrap_or_else(|| panic!("no {key}: {}", figures.text))["count"].as_i64().unwrap()
}

/// Makes somebody a volunteer who is at work.
async fn activate(client: &Client<'_>, volunteer: &str) {
    let letter = json!({ "sk_number": "460/1/2023", "sk_date": "2023-06-01", "sk_official": "Bupati" });
    for (action, body) in [("verify", json!({})), ("select", json!({})), ("activate", letter)] {
        act(client, &format!("/v1/volunteers/{volunteer}"), action, body).await.expect(200);
    }
}

/// 17 May 2023, hall of Bappelitbang, 75 seats, speakers of three agencies: from the draft to the certificate.
#[test]
fn the_founding_event_goes_through_whole() {
    run(async |app| {
        let (regency, dashboard) = (app.regency().await, app.dashboard().await);
        let lacking = "/v1/statistics/training-needs";
        let levels = "/v1/statistics/volunteers?group_by=level";
        let covered = "/v1/statistics/coverage?region=17.06";
        let before = (
            count(&dashboard, lacking, "basic").await,
            count(&dashboard, lacking, "advanced").await,
            count(&dashboard, levels, "basic").await,
            count(&dashboard, covered, "met").await,
        );
        let heard = async || -> Vec<(String, i64)> {
            let figures = dashboard.get("/v1/statistics/training?group_by=speaker_agency&year=2023").await.expect(200);
            let buckets = figures.json["buckets"].as_array().unwrap().iter();
            let mut all: Vec<_> =
                buckets.map(|one| (one["key"].as_str().unwrap().to_owned(), one["count"].as_i64().unwrap())).collect();
            all.push((
                figures.json["total"]["attendance_rate"].to_string(),
                figures.json["total"]["count"].as_i64().unwrap(),
            ));
            all
        };
        let heard_before = heard().await;
        let empty = dashboard.get("/v1/statistics/coverage/villages?region=17.06&state=none&limit=1").await.expect(200);
        let empty = empty.json["items"][0]["village_code"].as_str().unwrap().to_owned();
        let mut people = candidates(&regency, KOTO_JAYA, 40).await;
        people.extend(candidates(&regency, &empty, 35).await);
        assert_eq!(count(&dashboard, lacking, "basic").await, before.0 + 75);

        let event = prepare(&regency, founding(75)).await;
        act(&regency, &event, "publish", json!({})).await.expect(200);
        for person in &people {
            enrol(&regency, &event, person).await.expect(201);
        }
        let one_more = candidates(&regency, KOTO_JAYA, 1).await.remove(0);
        enrol(&regency, &event, &one_more).await.problem(409, "event_full");
        let came: Vec<Value> = people
            .iter()
            .flat_map(|id| [1, 2].map(|session| json!({ "volunteer_id": id, "session": session, "present": true })))
            .collect();
        let noted = regency.post(&format!("{event}/attendance"), json!({ "items": came })).await.expect(200);
        assert_eq!(noted.json["state"], "running");
        let items: Vec<Value> =
            people.iter().map(|id| json!({ "volunteer_id": id, "result": "passed", "score": 80 })).collect();
        let results = regency.post(&format!("{event}/results"), json!({ "items": items })).await.expect(200);
        assert!(results.json["items"].as_array().unwrap().iter().all(|item| item["level"] == "basic"));
        issue(&regency, &event, json!({})).await.problem(409, "training_state_conflict");
        act(&regency, &event, "complete", json!({})).await.expect(200);

        let order = json!({ "issued_on": "2023-05-17",
            "signatory": { "name": "Drs. Saroni, M.Si.", "position": "Kepala Dinas Sosial Kabupaten Mukomuko" } });
        let issued = issue(&regency, &event, order.clone()).await.expect(200);
        let all = numbers(&issued);
        assert_eq!((all.len(), all.iter().collect::<BTreeSet<_>>().len()), (75, 75));
        let form = Regex::new("^BT-1706-2023-00([0-9]{2})-[0-9A-HJKMNP-TV-Z]{8}$").unwrap();
        let serials: Vec<u32> = all.iter().map(|number| form.captures(number).unwrap()[1].parse().unwrap()).collect();
        assert_eq!(serials, (1..=75).collect::<Vec<_>>());
        // asked again, everyone has the one that there is
        let again = issue(&regency, &event, order).await.expect(200);
        assert_eq!(numbers(&again), all);
        assert!(again.json["items"].as_array().unwrap().iter().all(|item| item["issued"] == false));

        // levels, needs, coverage and figures follow
        for person in people.iter().step_by(25) {
            assert_eq!(level(&regency, person).await, "basic");
        }
        assert_eq!(count(&dashboard, levels, "basic").await, before.2 + 75);
        assert_eq!(count(&dashboard, lacking, "basic").await, before.0 + 1);
        assert_eq!(count(&dashboard, lacking, "advanced").await, before.1 + 75);
        activate(&regency, &people[74]).await;
        assert_eq!(count(&dashboard, covered, "met").await, before.3 + 1);
        let agencies = ["BPJS Kesehatan", "Dinas Sosial Kabupaten Mukomuko", "Dinas Sosial Provinsi Bengkulu", "1.0"];
        assert_eq!(heard().await, agencies.map(|agency| (agency.to_owned(), heard_before[0].1 + 75)));

        // and the paper of one of them leads to the page that tells of it
        let paper = regency.get(&format!("{}/pdf", certificate(&issued, 0))).await.expect(200);
        let url = qr_of(&paper.bytes);
        assert_eq!(url, format!("{}/v1/certificates/{}", app.base, all[0]));
        let told = app.nobody().get(url.strip_prefix(&app.base).unwrap()).await.expect(200);
        assert_eq!((&told.json["status"], &told.json["issued_on"]), (&json!("valid"), &json!("2023-05-17")));
    });
}

/// What each part of an event says of each of its certificates.
async fn state_of(client: &Client<'_>, path: &str) -> (Value, String) {
    let row = client.get(path).await.expect(200);
    (row.json["state"].clone(), row.header("etag").to_owned())
}

#[test]
fn twenty_who_ask_for_one_certificate_get_one() {
    run(async |app| {
        let regency = app.regency().await;
        let mut last = 0;
        for _ in 0..rounds(40) {
            let people = candidates(&regency, KOTO_JAYA, 1).await;
            let event = passed(&regency, founding(5), &people).await;
            let ask = json!({ "issued_on": "2023-05-17", "items": [{ "volunteer_id": people[0] }] });
            let path = format!("{event}/certificates");
            let replies = join_all((0..20).map(|_| regency.post(&path, ask.clone()).settled())).await;
            let made: BTreeSet<Vec<String>> = replies.iter().map(numbers).collect();
            let issued = replies.iter().filter(|reply| reply.json["items"][0]["issued"] == true).count();
            assert_eq!((made.len(), issued), (1, 1), "{made:?}");
            // and no serial number was lost by who came too late
            let row = regency.get(&certificate(&replies[0], 0)).await.expect(200);
            last += 1;
            assert_eq!(row.json["serial"], last);
        }
    });
}

#[test]
fn numbers_of_a_year_have_no_gaps_however_many_events_issue_at_once() {
    run(async |app| {
        let regency = app.regency().await;
        let mut events = vec![];
        for _ in 0..rounds(40) {
            let people = candidates(&regency, KOTO_JAYA, 3).await;
            events.push((passed(&regency, founding(5), &people).await, people));
        }
        let asked = events.iter().enumerate().flat_map(|(index, (event, people))| {
            let path = format!("{event}/certificates");
            let own = regency.post(&path, json!({ "issued_on": "2023-05-17" })).settled();
            // a request that is refused takes no number
            let of = if index % 2 == 0 { &people[0] } else { &event[EVENTS.len() + 1..] };
            let one = regency.post(&path, json!({ "issued_on": "2023-05-17", "items": [{ "volunteer_id": of }] }));
            [futures_util::future::Either::Left(own), futures_util::future::Either::Right(one.settled())]
        });
        join_all(asked.collect::<Vec<_>>()).await;
        let told = app.texts("SELECT count(*) || ' ' || min(serial) || ' ' || max(serial) || ' ' || count(DISTINCT serial) FROM certificates WHERE year = 2023").await;
        let all = 3 * events.len();
        assert_eq!(told, [format!("{all} 1 {all} {all}")]);
    });
}

#[test]
fn a_certificate_is_drawn_for_who_sees_its_holder() {
    run(async |app| {
        let (regency, village, phone) = (app.regency().await, app.village().await, app.phone().await);
        let own = phone.credential.as_ref().unwrap().volunteer_id.clone().unwrap();
        let event = passed(&regency, founding(5), std::slice::from_ref(&own)).await;
        let issued = issue(&regency, &event, json!({ "issued_on": "2023-05-20" })).await.expect(200);
        let path = format!("{}/pdf", certificate(&issued, 0));
        let mut drawn = vec![];
        for client in [&regency, &village, &phone, &app.ministry().await] {
            let paper = client.get(&path).await.expect(200);
            assert_eq!(paper.header("content-type"), "application/pdf");
            assert_eq!(paper.header("cache-control"), "private, no-store");
            drawn.push(paper.bytes);
        }
        assert!(drawn.iter().all(|one| *one == drawn[0]), "the same facts give the same paper");
        let picture = page(&drawn[0], 0);
        assert!(picture.width > picture.height, "A4 across");
        let name = regency.get(&format!("/v1/volunteers/{own}")).await.expect(200).json["person"]["name"]
            .as_str()
            .unwrap()
            .to_owned();
        let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
        let said = letters(&texts(&drawn[0])[0]);
        for expected in [
            name.as_str(),
            numbers(&issued)[0].as_str(),
            "17 Mei 2023",
            "Mukomuko, 20 Mei 2023",
            "Aula Bappelitbang",
            "Kabupaten Mukomuko",
        ] {
            assert!(said.contains(&letters(expected)), "{expected} is not in: {said}");
        }
        // each look at a name is recorded
        let seen = "SELECT count(*) FROM audit_events WHERE action = 'training_certificate.open' AND cardinality(person_ids) = 1";
        assert_eq!(app.number(seen).await, 4);
        for client in [&app.other_regency().await, &app.other_village().await] {
            client.get(&path).await.problem(404, "not_found");
        }
        app.dashboard().await.get(&path).await.problem(403, "forbidden");
        let list = village.get(&format!("{event}/certificates")).await.expect(200);
        assert_eq!(list.json["items"][0]["name"], json!(name));
        assert_eq!(
            phone.get(&format!("{event}/enrolments")).await.json["items"][0]["certificate_number"],
            json!(numbers(&issued)[0])
        );
    });
}

#[test]
fn everyone_who_has_a_number_is_told_whether_it_holds_and_no_more() {
    run(async |app| {
        let regency = app.regency().await;
        let people = candidates(&regency, KOTO_JAYA, 1).await;
        let event = passed(&regency, founding(5), &people).await;
        let issued = issue(&regency, &event, json!({ "issued_on": "2023-05-17" })).await.expect(200);
        let number = numbers(&issued).remove(0);
        let path = format!("/v1/certificates/{number}");
        let told = app.nobody().get(&path).await.expect(200);
        let row = regency.get(&certificate(&issued, 0)).await.expect(200);
        let expected = json!({ "number": number, "status": "valid", "initials": row.json["initials"], "level": "basic",
            "organiser": told.json["organiser"], "issued_on": "2023-05-17", "valid_until": null });
        assert_eq!(told.json, expected);
        assert_eq!(told.header("cache-control"), "no-store");
        // typed by hand
        app.nobody().get(&format!("/v1/certificates/{}", number.to_lowercase())).await.expect(200);
        // in a browser
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        let page = app.nobody().get(&path).header("accept", browser).await.expect(200);
        assert!(page.header("content-type").starts_with("text/html"));
        assert!(page.header("content-security-policy").contains("style-src 'sha256-"));
        assert!(
            page.text.contains("Sertifikat ini berlaku.")
                && page.text.contains(&number)
                && page.text.contains("lang=\"id\"")
        );
        let english = app.nobody().get(&path).header("accept", browser).header("accept-language", "en").await;
        assert!(english.text.contains("This certificate is valid."));
        // nothing of the holder, whoever asks and however
        let name = regency.get(&format!("/v1/volunteers/{}", people[0])).await.expect(200).json["person"]["name"]
            .as_str()
            .unwrap()
            .to_owned();
        for text in [&told.text, &page.text, &english.text] {
            assert!(!text.contains(&name) && !text.contains(&people[0]) && !text.contains("village"), "{text}");
        }
        // what does not exist and what cannot exist is not there
        let wrong = format!("{}{}", &number[..number.len() - 1], if number.ends_with('0') { '1' } else { '0' });
        for none in [wrong.as_str(), "BT-1706-2023-0001", "KS-1706-2026-000123", "%F0%9F%98%80"] {
            let none = format!("/v1/certificates/{none}");
            app.nobody().get(&none).await.problem(404, "not_found");
            let page = app.nobody().get(&none).header("accept", browser).await.expect(404);
            assert!(page.text.contains("Tidak ada sertifikat dengan nomor ini."));
        }
        // what a messenger hangs on an address that is passed on does not keep anybody from it
        app.nobody().get(&format!("{path}?utm_source=x")).await.expect(200);
    });
}

#[test]
fn numbers_are_not_tried_out() {
    let few = |config: &mut Config| config.settings.rates.checks = Rate::a_minute(60);
    run_with(few, async |app| {
        let mut held = None;
        for _ in 0..61 {
            let reply = app.nobody().get("/v1/certificates/BT-1706-2023-0001-00000000").await;
            if reply.status == 429 {
                held = Some(reply);
                break;
            }
            reply.problem(404, "not_found");
        }
        let held = held.expect("the sixty-first is refused").problem(429, "rate_limited");
        assert!(held.header("retry-after").parse::<u64>().unwrap() >= 1);
        app.pass(TimeDelta::minutes(1));
        app.nobody().get("/v1/certificates/BT-1706-2023-0001-00000000").await.problem(404, "not_found");
    });
}

#[test]
fn a_certificate_is_taken_back_and_issued_anew() {
    run(async |app| {
        let (regency, province, village) = (app.regency().await, app.province().await, app.village().await);
        let people = candidates(&regency, KOTO_JAYA, 2).await;
        let event = passed(&regency, founding(5), &people).await;
        let issued = issue(&regency, &event, json!({})).await.expect(200);
        let (first, second) = (certificate(&issued, 0), certificate(&issued, 1));
        let etag = state_of(&regency, &first).await.1;
        let post = async |client: &Client<'_>, path: &str, etag: &str, body: Value| client.act(path, etag, body).await;
        let revoke = format!("{first}/revoke");
        let why = json!({ "reason": "misused" });
        post(&province, &revoke, &etag, why.clone()).await.problem(403, "not_the_organiser");
        post(&village, &revoke, &etag, why.clone()).await.problem(403, "forbidden");
        post(&regency, &revoke, "\"9-x\"", why.clone()).await.problem(412, "stale");
        let wrong = post(&regency, &revoke, &etag, json!({ "reason": "lost_or_damaged" })).await;
        wrong.problem(422, "rule_broken").blames("/reason", "code_unknown");
        let silent = post(&regency, &revoke, &etag, json!({ "reason": "other" })).await.problem(422, "rule_broken");
        silent.blames("/note", "required");
        let revoked = post(&regency, &revoke, &etag, why.clone()).await.expect(200);
        assert_eq!((&revoked.json["state"], &revoked.json["reason"]), (&json!("revoked"), &json!("misused")));
        let late =
            post(&regency, &revoke, revoked.header("etag"), why).await.problem(409, "certificate_state_conflict");
        assert_eq!(late.json["state"], "revoked");
        regency.get(&format!("{first}/pdf")).await.problem(409, "certificate_state_conflict");
        let number = |path: &str| {
            let path = path.to_owned();
            let regency = regency.clone();
            async move { regency.get(&path).await.expect(200).json["number"].as_str().unwrap().to_owned() }
        };
        let check = async |number: &str| app.nobody().get(&format!("/v1/certificates/{number}")).await.expect(200);
        assert_eq!(check(&number(&first).await).await.json["status"], "revoked");
        // level and result are as they were
        assert_eq!(level(&regency, &people[0]).await, "basic");

        let etag = state_of(&regency, &second).await.1;
        let order =
            json!({ "reason": "name_corrected", "signatory": { "name": "Dra. Rina", "position": "Kepala Dinas" } });
        let anew = post(&regency, &format!("{second}/reissue"), &etag, order).await.expect(201);
        assert_eq!((&anew.json["serial"], &anew.json["signatory_name"]), (&json!(3), &json!("Dra. Rina")));
        assert!(second.ends_with(anew.json["replaces"].as_str().unwrap()));
        assert_eq!(state_of(&regency, &second).await.0, "replaced");
        assert_eq!(check(&number(&second).await).await.json["status"], "revoked");
        assert_eq!(check(anew.json["number"].as_str().unwrap()).await.json["status"], "valid");
        // nobody gets one again unasked whose was taken back; who is named does, and who has one keeps it
        let issued = async |body: Value| -> Vec<Value> {
            let again = issue(&regency, &event, body).await.expect(200);
            assert_eq!(again.json["left"], 0);
            again.json["items"].as_array().unwrap().iter().map(|item| item["issued"].clone()).collect()
        };
        assert_eq!(issued(json!({})).await, [json!(false)]);
        assert_eq!(issued(json!({ "items": [{ "volunteer_id": people[0] }] })).await, [json!(true)]);
        assert_eq!(issued(json!({})).await, [json!(false), json!(false)]);
        let reissued = anew.json["enrolment_id"].as_str().unwrap();
        let history = regency.get(&format!("/v1/training-enrolments/{reissued}/history")).await.expect(200);
        let newest = history.json["items"].as_array().unwrap().last().unwrap().clone();
        assert_eq!((&newest["action"], &newest["reason"]), (&json!("reissue"), &json!("name_corrected")));
        let list = regency.get(&format!("{event}/certificates")).await.expect(200);
        assert_eq!(list.json["items"].as_array().unwrap().len(), 4);
        let valid = regency.get(&format!("{event}/certificates?state=valid")).await.expect(200);
        assert_eq!(valid.json["items"].as_array().unwrap().len(), 2);
    });
}

#[test]
fn a_corrected_result_takes_its_certificate_along() {
    run(async |app| {
        let regency = app.regency().await;
        let people = candidates(&regency, KOTO_JAYA, 2).await;
        let event = passed(&regency, founding(5), &people).await;
        let issued = issue(&regency, &event, json!({})).await.expect(200);
        correct(&regency, &event, &people[0], "failed").await.expect(200);
        let void = json!({ "volunteer_ids": [people[1]], "reason": "entered_by_mistake" });
        regency.post(&format!("{event}/results/void"), void).await.expect(200);
        for index in [0, 1] {
            let row = regency.get(&certificate(&issued, index)).await.expect(200);
            assert_eq!((&row.json["state"], &row.json["reason"]), (&json!("revoked"), &json!("result_corrected")));
        }
        let seat =
            regency.get(&format!("{event}/enrolments")).await.json["items"][0]["id"].as_str().unwrap().to_owned();
        let history = regency.get(&format!("/v1/training-enrolments/{seat}/history")).await.expect(200);
        let actions: Vec<_> =
            history.json["items"].as_array().unwrap().iter().map(|item| item["action"].clone()).collect();
        assert_eq!(actions, ["enrol", "result", "issue", "result", "revoke"]);
        // nobody gets one without having passed, and whoever tries it behind the service does not either
        let items = json!({ "items": [{ "volunteer_id": people[0] }] });
        issue(&regency, &event, items).await.problem(422, "rule_broken").blames("/items/0/volunteer_id", "not_passed");
        assert_eq!(issue(&regency, &event, json!({})).await.expect(200).json["items"], json!([]));
        let refused = "DO $$ BEGIN UPDATE certificates SET state = 'valid', reason = NULL; RAISE 'it was taken'; EXCEPTION WHEN check_violation THEN NULL; END $$";
        app.sql(refused).await;
    });
}

#[test]
fn certificates_of_earlier_years_are_recorded_and_expire_as_their_level_does() {
    run(async |app| {
        let regency = app.regency().await;
        let people = candidates(&regency, KOTO_JAYA, 2).await;
        let event = passed(&regency, founding(5), &people).await;
        let items = json!([{ "volunteer_id": people[1], "earlier_number": "893/045/DINSOS/2023" }, { "volunteer_id": people[0] }]);
        let on = |day: &str| json!({ "issued_on": day, "items": items });
        issue(&regency, &event, on("2023-05-16"))
            .await
            .problem(422, "rule_broken")
            .blames("/issued_on", "before_the_end");
        let tomorrow = (app.clock.now() + TimeDelta::days(2)).format("%Y-%m-%d").to_string();
        issue(&regency, &event, on(&tomorrow)).await.problem(422, "rule_broken").blames("/issued_on", "in_the_future");
        let twice = json!({ "items": [{ "volunteer_id": people[0] }, { "volunteer_id": people[0] }] });
        issue(&regency, &event, twice).await.problem(422, "rule_broken").blames("/items/1", "given_twice");
        issue(&regency, &event, json!({ "items": [] }))
            .await
            .problem(400, "malformed")
            .blames("/items", "out_of_range");
        let issued = issue(&regency, &event, on("2023-06-01")).await.expect(200);
        let row = regency.get(&certificate(&issued, 0)).await.expect(200);
        assert_eq!((&row.json["earlier_number"], &row.json["serial"]), (&json!("893/045/DINSOS/2023"), &json!(1)));
        assert!(numbers(&issued)[0].starts_with("BT-1706-2023-0001-"));
        // who has left since was there all the same
        let left = candidates(&regency, KOTO_JAYA, 1).await;
        let gone = format!("/v1/volunteers/{}", left[0]);
        act(&regency, &gone, "reject", json!({ "reason": "quota_full" })).await.expect(200);
        let past = passed(&regency, founding(5), &left).await;
        assert_eq!(
            issue(&regency, &past, on("2023-06-01")).await.problem(422, "rule_broken").json["errors"][0]["code"],
            "not_passed"
        );
        issue(&regency, &past, json!({ "issued_on": "1998-06-01" })).await.problem(422, "rule_broken");
        let named = json!({ "issued_on": "2023-06-01", "items": [{ "volunteer_id": left[0] }] });
        assert!(numbers(&issue(&regency, &past, named).await.expect(200))[0].starts_with("BT-1706-2023-0003-"));
        // and so was what was held in the last century
        let mut old = founding(5);
        old["sessions"] = json!([{ "starts_at": "1998-05-17T08:30:00+07:00", "ends_at": "1998-05-17T12:00:00+07:00" }]);
        let old = passed(&regency, old, &left).await;
        let old = issue(&regency, &old, json!({ "issued_on": "1998-06-01" })).await.expect(200);
        assert!(numbers(&old)[0].starts_with("BT-1706-1998-0001-"));
        assert_eq!(
            regency.get("/v1/training-events?year=1998").await.expect(200).json["items"].as_array().unwrap().len(),
            1
        );
        // this year's begin anew
        let person = candidates(&regency, KOTO_JAYA, 1).await;
        let today = passed(&regency, bimtek_of_today(app), &person).await;
        let new = issue(&regency, &today, json!({})).await;
        assert_eq!(new.status, 200, "{}", new.text);
        assert_eq!(regency.get(&certificate(&new, 0)).await.expect(200).json["serial"], 1);
    });
}

#[test]
fn a_certificate_expires_after_the_months_of_its_level() {
    let months = |config: &mut Config| config.settings.certificate_months = [Some(36), None, None];
    run_with(months, async |app| {
        let regency = app.regency().await;
        let people = candidates(&regency, KOTO_JAYA, 2).await;
        let event = passed(&regency, founding(5), &people).await;
        let of = |id: &String, day: &str| json!({ "issued_on": day, "items": [{ "volunteer_id": id }] });
        let stale = issue(&regency, &event, of(&people[0], "2023-05-17")).await.expect(200);
        let today = (app.clock.now() + TimeDelta::hours(7)).format("%Y-%m-%d").to_string();
        let fresh = issue(&regency, &event, of(&people[1], &today)).await.expect(200);
        let check = async |issued: &Reply| {
            app.nobody().get(&format!("/v1/certificates/{}", numbers(issued)[0])).await.expect(200).json
        };
        let (old, new) = (check(&stale).await, check(&fresh).await);
        assert_eq!((&old["status"], &old["valid_until"]), (&json!("expired"), &json!("2026-05-16")));
        assert_eq!(new["status"], "valid");
        // one issued anew holds no longer than the one before; what has expired is not made young again
        let anew = async |issued: &Reply| {
            let path = certificate(issued, 0);
            let etag = state_of(&regency, &path).await.1;
            regency.act(&format!("{path}/reissue"), &etag, json!({ "reason": "lost_or_damaged" })).await
        };
        assert_eq!(anew(&fresh).await.expect(201).json["valid_until"], new["valid_until"]);
        anew(&stale).await.problem(409, "certificate_state_conflict");
    });
}

/// An event that ends today.
fn bimtek_of_today(app: &TestApp) -> Value {
    let mut body = bimtek("basic", "17.06", 5);
    let now = app.clock.now();
    body["sessions"] = json!([{ "starts_at": now - TimeDelta::minutes(2), "ends_at": now - TimeDelta::minutes(1) }]);
    body
}

/// The certificate is of the seat, and the seat goes where its person goes.
#[test]
fn a_certificate_follows_its_holder_into_a_merge() {
    run(async |app| {
        let regency = app.regency().await;
        let people = candidates(&regency, KOTO_JAYA, 2).await;
        let event = passed(&regency, founding(5), &people[..1]).await;
        let issued = issue(&regency, &event, json!({})).await.expect(200);
        let etag = regency.get(&format!("/v1/volunteers/{}", people[1])).await.header("etag").to_owned();
        let twin = regency.get(&format!("/v1/volunteers/{}", people[0])).await.expect(200);
        let order = json!({ "duplicate_id": people[0], "duplicate_version": twin.json["version"], "reason": "registered_twice" });
        regency.act(&format!("/v1/volunteers/{}/merge", people[1]), &etag, order).await.expect(200);
        let row = regency.get(&certificate(&issued, 0)).await.expect(200);
        assert_eq!((&row.json["volunteer_id"], &row.json["state"]), (&json!(people[1]), &json!("valid")));
        assert_eq!(
            app.nobody().get(&format!("/v1/certificates/{}", numbers(&issued)[0])).await.json["status"],
            "valid"
        );
    });
}

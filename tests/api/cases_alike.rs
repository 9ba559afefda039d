//! One open case for a person and a need in a regency: who reports it again is offered the first one.
use crate::cases::{KOTO_JAYA, NIK, elder, patient};
use crate::referrals::{REACTIVATION, ask};
use crate::support::{Client, Reply, Request, TestApp, rounds, run, run_with};
use serde_json::{Value, json};
use simpul::platform::config::Config;
use simpul::platform::limits::Rate;
use uuid::Uuid;

const BANDAR_RATU: &str = "17.06.02.1018";
/// Of the regency next to it.
const ELSEWHERE: &str = "17.01.01.2001";
const CARD: &str = "0001234567890";

async fn report(client: &Client<'_>, case: Value) -> Reply {
    client.post("/v1/cases", case).await.expect(201)
}

fn path(reply: &Reply) -> String {
    format!("/v1/cases/{}", reply.id())
}

/// The patient, but for what is said of the person.
fn person(village: &str, person: Value) -> Value {
    let mut case = patient(village);
    case["person"] = person;
    case
}

fn with(mut case: Value, members: &Value) -> Value {
    for (name, value) in members.as_object().unwrap() {
        case[name] = value.clone();
    }
    case
}

/// The ids of the candidates of a refusal, in their order.
fn offered(reply: Reply) -> Vec<String> {
    let refused = reply.problem(409, "case_alike");
    let candidates = refused.json["candidates"].as_array().unwrap();
    candidates.iter().map(|one| one["case_id"].as_str().unwrap().to_owned()).collect()
}

async fn cases(app: &TestApp) -> i64 {
    app.number("SELECT count(*) FROM cases").await
}

async fn close(client: &Client<'_>, case: &Reply) {
    let body = json!({ "outcome": "need_met" });
    client.act(&format!("{}/close", path(case)), case.header("etag"), body).await.expect(200);
}

#[test]
fn who_has_an_open_case_is_offered_by_number_and_by_name() {
    run(async |app| {
        let (village, regency) = (app.village().await, app.regency().await);
        let first = report(&village, patient(KOTO_JAYA)).await;
        let told = |by: &str| {
            json!([{ "case_id": first.id(), "number": first.json["number"], "state": "open", "village_code": KOTO_JAYA,
                "ppks": ["PPKS-24"], "reporter_agency_id": village.agency, "created_at": first.json["created_at"], "by": by,
                "initials": "S. A.", "age_band": "25-44" }])
        };
        let (born, age) = ("1995-08-05", app.clock.now().format("%Y").to_string().parse::<i32>().unwrap() - 1995);
        for (again, by) in [
            (patient(BANDAR_RATU), "nik"),
            (person(KOTO_JAYA, json!({ "name": "Somebody Else", "sex": "male", "nik": NIK })), "nik"),
            (person(BANDAR_RATU, json!({ "name": "S", "birth_date": "1960-01-01", "card_number": CARD })), "card"),
            (person(BANDAR_RATU, json!({ "name": "Hj. Siti Amniah, S.Sos.", "birth_date": born })), "name"),
            (
                person(BANDAR_RATU, json!({ "name": "Aminah Siti", "birth_date": born, "nik": "1706024508950002" })),
                "name",
            ),
            (person(BANDAR_RATU, json!({ "name": "SITI AMINAH", "age_estimate": age + 4 })), "name"),
            (person(BANDAR_RATU, json!({ "name": "St. Aminah", "age_band": "25-44" })), "name"),
            (person(KOTO_JAYA, json!({ "name": "siti  aminah" })), "name"),
            (with(patient(KOTO_JAYA), &json!({ "ppks": ["PPKS-08", "PPKS-24"] })), "nik"),
        ] {
            let refused = regency.post("/v1/cases", again.clone()).await.problem(409, "case_alike");
            assert_eq!(refused.json["candidates"], told(by), "{again}");
            let text = refused.text.to_lowercase();
            assert!(!text.contains("aminah") && !text.contains(NIK) && !text.contains(CARD), "{text}");
        }
        // nothing is left of a refusal, not even a number
        assert_eq!(cases(app).await, 1);
        assert_eq!(app.number("SELECT last FROM case_numbers").await, 1);
        assert_eq!(app.number("SELECT count(*) FROM case_people").await, 1);
        let second = report(&regency, elder(BANDAR_RATU)).await;
        assert!(second.json["number"].as_str().unwrap().ends_with("-000002"));
        // what is asked for the second time under one key is judged anew
        let again = regency.post("/v1/cases", patient(KOTO_JAYA)).key("k").await;
        assert_eq!(offered(again), [first.id()]);
        close(&village, &first).await;
        regency.post("/v1/cases", patient(KOTO_JAYA)).key("k").await.expect(201);
    });
}

#[test]
fn another_person_need_or_regency_is_another_case() {
    run(async |app| {
        let (province, regency) = (app.province().await, app.regency().await);
        let first = report(&regency, patient(KOTO_JAYA)).await;
        for other in [
            with(patient(KOTO_JAYA), &json!({ "ppks": ["PPKS-08"] })),
            patient(ELSEWHERE),
            person(KOTO_JAYA, json!({ "name": "Siti Aminah", "birth_date": "1995-08-06" })),
            person(KOTO_JAYA, json!({ "name": "Siti Aminah", "sex": "male", "birth_date": "1995-08-05" })),
            person(KOTO_JAYA, json!({ "name": "Siti Zubaidah", "birth_date": "1995-08-05" })),
            // a name is not enough with another age, or away from the village
            person(KOTO_JAYA, json!({ "name": "Siti Aminah", "age_band": "60+" })),
            person(BANDAR_RATU, json!({ "name": "Siti Aminah" })),
        ] {
            report(&province, other).await;
        }
        close(&regency, &first).await;
        let again = report(&regency, person(KOTO_JAYA, json!({ "name": "Teh Siti", "nik": NIK }))).await;
        // a case that is opened again is open
        let (at, etag) =
            (format!("{}/reopen", path(&first)), regency.get(&path(&first)).await.header("etag").to_owned());
        regency.act(&at, &etag, json!({ "reason": "need_returned" })).await.expect(200);
        let found = offered(regency.post("/v1/cases", patient(KOTO_JAYA)).await);
        assert!(found.contains(&first.id()) && found.contains(&again.id()), "{found:?}");
        // a restricted one is not over
        let etag = regency.get(&path(&first)).await.header("etag").to_owned();
        regency.act(&format!("{}/withdraw-consent", path(&first)), &etag, json!({})).await.expect(200);
        close(&regency, &again).await;
        let refused = regency.post("/v1/cases", patient(KOTO_JAYA)).await.problem(409, "case_alike");
        let restricted = refused.json["candidates"].as_array().unwrap().iter().find(|one| one["case_id"] == first.id());
        assert_eq!(restricted.unwrap()["state"], "restricted");
    });
}

#[test]
fn what_is_changed_of_a_person_is_found_as_it_is_now() {
    run(async |app| {
        let regency = app.regency().await;
        let first = report(&regency, elder(KOTO_JAYA)).await;
        let named = |name: &str| with(elder(BANDAR_RATU), &json!({ "person": { "name": name, "age_estimate": 80 } }));
        let changed = json!({ "person": { "name": "Mbah Wiryo" } });
        regency.patch(&path(&first), first.header("etag"), changed).await.expect(200);
        assert_eq!(offered(regency.post("/v1/cases", named("mbah wiryo")).await), [first.id()]);
        // written by a version of the service that knew no keys
        app.sql("UPDATE case_people SET name_key = NULL, name_version = 0").await;
        simpul::worker::turn(&app.running().app, &app.running().writer).await.unwrap();
        assert_eq!(offered(regency.post("/v1/cases", named("Mbah Wirio")).await), [first.id()]);
        app.sql("UPDATE case_people SET name = 'Mbah Darmo'").await;
        assert_eq!(app.number("SELECT min(name_version) FROM case_people").await, 0);
        simpul::worker::turn(&app.running().app, &app.running().writer).await.unwrap();
        assert_eq!(offered(regency.post("/v1/cases", named("Mbah Darmo")).await), [first.id()]);
    });
}

#[test]
fn of_what_somebody_does_not_see_nothing_is_told() {
    run(async |app| {
        let (village, other, regency) = (app.village().await, app.other_village().await, app.regency().await);
        let phone = app.phone().await;
        // of another village
        let first = report(&village, patient(KOTO_JAYA)).await;
        let second = report(&other, patient(BANDAR_RATU)).await;
        assert_eq!(second.json["number"].as_str().unwrap().split('-').next_back(), Some("000002"));
        assert_eq!(offered(village.post("/v1/cases", patient(KOTO_JAYA)).await), [first.id()]);
        assert_eq!(offered(regency.post("/v1/cases", patient(KOTO_JAYA)).await), [second.id(), first.id()]);
        let denied = "SELECT count(*) FROM audit_events WHERE action = 'case.create' AND outcome = 'denied'";
        assert_eq!(app.number(denied).await, 2);
        // sensitive, and reported by the office
        let child = with(
            elder(KOTO_JAYA),
            &json!({ "ppks": ["PPKS-16"], "person": { "name": "Budi Kecil", "birth_date": "2019-03-04" } }),
        );
        let known = report(&regency, child.clone()).await;
        let again = report(&village, child.clone()).await;
        assert_eq!(offered(village.post("/v1/cases", child.clone()).await), [again.id()]);
        assert_eq!(offered(regency.post("/v1/cases", child).await), [again.id(), known.id()]);
        // a phone is told of its own volunteer's
        let third = report(&phone, patient(KOTO_JAYA)).await;
        assert_eq!(offered(phone.post("/v1/cases", patient(KOTO_JAYA)).await), [third.id()]);
        // what the audit record tells of a refusal, it tells of those who were named
        let told = format!(
            "{denied} AND '{}' = ANY (subject_ids) AND volunteer_id IS NOT NULL AND cardinality(person_ids) = 1 AND detail = 'case_alike'",
            third.id()
        );
        assert_eq!(app.number(&told).await, 1);
    });
}

#[test]
fn that_it_is_another_case_is_said_with_a_reason() {
    run(async |app| {
        let (village, regency) = (app.village().await, app.regency().await);
        let first = report(&village, patient(KOTO_JAYA)).await;
        let hidden = report(&app.other_village().await, elder(BANDAR_RATU)).await;
        let broken = async |case: Value, distinct: Value, at: &str, code: &str| {
            village.post("/v1/cases", with(case, &distinct)).await.problem(422, "rule_broken").blames(at, code);
        };
        let (id, again) = (first.id(), patient(KOTO_JAYA));
        let says = |ids: &[&str], reason: &str| json!({ "distinct_from": ids, "distinct_reason": reason });
        broken(again.clone(), json!({ "distinct_from": [id] }), "/distinct_reason", "required").await;
        broken(again.clone(), json!({ "distinct_reason": "twins" }), "/distinct_from", "required").await;
        broken(again.clone(), says(&[&id], "unheard_of"), "/distinct_reason", "code_unknown").await;
        broken(again.clone(), says(&[&id], "registered_twice"), "/distinct_reason", "code_unknown").await;
        let strangers = [Uuid::now_v7().to_string(), hidden.id()];
        for stranger in &strangers {
            let ids = [id.as_str(), stranger.as_str()];
            broken(again.clone(), says(&ids, "identity_checked"), "/distinct_from/1", "case_unknown").await;
        }
        let many = with(again.clone(), &says(&vec![id.as_str(); 51], "identity_checked"));
        village.post("/v1/cases", many).await.problem(400, "malformed").blames("/distinct_from", "out_of_range");
        // a number is nobody's namesake
        broken(again.clone(), says(&[&id], "namesakes"), "/distinct_reason", "reason_unfit").await;
        assert_eq!(cases(app).await, 2);

        let second = report(&village, with(again.clone(), &says(&[&id], "separate_need"))).await;
        // one that is named is no answer to the others
        let left = village.post("/v1/cases", with(again.clone(), &says(&[&id], "separate_need"))).await;
        assert_eq!(offered(left), [second.id()]);
        let both = says(&[&id, &second.id()], "identity_checked");
        let third = report(&village, with(again, &both)).await;
        let namesake = person(KOTO_JAYA, json!({ "name": "Siti Aminah" }));
        let ids = [id, second.id(), third.id()];
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        report(&regency, with(namesake, &says(&ids, "namesakes"))).await;

        let kept = "SELECT reason || ' ' || count(*) FROM case_distinctions GROUP BY reason ORDER BY 1";
        assert_eq!(app.texts(kept).await, ["identity_checked 2", "namesakes 3", "separate_need 1"]);
        let detail = "SELECT detail FROM audit_events WHERE action = 'case.create' AND outcome = 'allowed' ORDER BY at, id OFFSET 2";
        assert_eq!(app.texts(detail).await, ["separate_need", "identity_checked", "namesakes"]);
        let history = village.get(&format!("{}/history", path(&second))).await.expect(200);
        assert_eq!(history.json["items"][0]["reason"], "separate_need");
        // said of nobody who is alike, it says nothing
        let alone = report(&village, with(elder(KOTO_JAYA), &says(&ids[..1], "twins"))).await;
        let history = village.get(&format!("{}/history", path(&alone))).await.expect(200);
        assert_eq!(history.json["items"][0]["reason"], Value::Null);
    });
}

#[test]
fn a_phone_goes_on_with_the_case_that_it_is_offered() {
    run(async |app| {
        let (phone, bpjs) = (app.phone().await, app.bpjs().await);
        let first = report(&phone, patient(KOTO_JAYA)).await;
        let asks =
            with(patient(KOTO_JAYA), &json!({ "referral": ask(&bpjs.agency, REACTIVATION), "id": Uuid::now_v7() }));
        let found = offered(phone.post("/v1/cases", asks.clone()).await);
        assert_eq!(found, [first.id()]);
        // both are made or neither
        assert_eq!(app.number("SELECT count(*) FROM referrals").await, 0);
        let sent = phone.post(&format!("/v1/cases/{}/referrals", found[0]), asks["referral"].clone()).await.expect(201);
        assert_eq!(sent.json["case_id"], first.id());
        let other = json!({ "distinct_from": found, "distinct_reason": "separate_need" });
        let second = phone.post("/v1/cases", with(asks, &other)).await.expect(201);
        assert!(second.json["referral_id"].is_string());
        assert_eq!((cases(app).await, app.number("SELECT count(*) FROM referrals").await), (2, 2));
    });
}

#[test]
fn each_refusal_that_names_a_case_is_paid() {
    let few = |config: &mut Config| config.settings.rates.searches = Rate::an_hour(2);
    run_with(few, async |app| {
        let village = app.village().await;
        report(&village, patient(KOTO_JAYA)).await;
        for _ in 0..2 {
            village.post("/v1/cases", patient(KOTO_JAYA)).await.problem(409, "case_alike");
        }
        village.post("/v1/cases", patient(KOTO_JAYA)).await.problem(429, "budget_spent");
        // nobody waits for help because of that
        report(&village, elder(KOTO_JAYA)).await;
        let denied = "SELECT count(*) FROM audit_events WHERE action = 'case.create' AND detail = 'case_alike' AND outcome = 'denied' AND '17.06' = ANY (region_codes)";
        assert_eq!(app.number(denied).await, 3);
    });
}

#[test]
fn of_equal_reports_at_once_one_is_taken() {
    let many = |config: &mut Config| config.settings.rates.searches = Rate::an_hour(100_000);
    run_with(many, async |app| {
        let (village, regency) = (app.village().await, app.regency().await);
        for round in 0..rounds(60) {
            let name = format!(
                "Mbah {}",
                ["Karto", "Wiryo", "Ponirah", "Tukiman", "Darmo"][usize::try_from(round % 5).unwrap()]
            );
            let said = json!({ "name": name, "birth_date": format!("19{:02}-03-01", 30 + round / 5) });
            let case = with(elder(KOTO_JAYA), &json!({ "person": said }));
            let posts = (0..12).map(|at| [&village, &regency][at % 2].post("/v1/cases", case.clone()).settled());
            let replies = futures_util::future::join_all(posts).await;
            let (made, refused): (Vec<_>, Vec<_>) = replies.into_iter().partition(|reply| reply.status == 201);
            assert_eq!((made.len(), refused.len()), (1, 11));
            for reply in refused {
                assert_eq!(offered(reply), [made[0].id()]);
            }
        }
        let gaps = "SELECT max(right(number, 6)::integer) - count(*) FROM cases";
        assert_eq!(app.number(gaps).await, 0);
    });
}

#[test]
fn one_create_sent_fifty_times_at_once_makes_one_case_with_one_referral() {
    run(async |app| {
        let (village, bpjs) = (app.village().await, app.bpjs().await);
        for round in 0..rounds(40) {
            let name = format!("Mbah {}", Uuid::now_v7().simple());
            let mut case = with(
                elder(KOTO_JAYA),
                &json!({ "person": { "name": name }, "referral": ask(&bpjs.agency, REACTIVATION) }),
            );
            let own_id = round % 2 == 0;
            if own_id {
                case["id"] = json!(Uuid::now_v7());
            }
            let key = Uuid::now_v7().to_string();
            let posts = (0..50).map(|at| {
                let key = if own_id { format!("{key}-{at}") } else { key.clone() };
                let case = case.clone();
                let village = &village;
                async move { village.post("/v1/cases", case).key(&key).settled().await }
            });
            let replies = futures_util::future::join_all(posts).await;
            for reply in &replies {
                assert!([200, 201].contains(&reply.status), "{}", reply.text);
                assert_eq!(
                    (reply.id(), &reply.json["referral_id"]),
                    (replies[0].id(), &replies[0].json["referral_id"])
                );
            }
            let fresh =
                replies.iter().filter(|reply| reply.status == 201 && reply.header("idempotency-replayed").is_empty());
            assert_eq!(fresh.count(), 1);
            let made = i64::from(round) + 1;
            assert_eq!((cases(app).await, app.number("SELECT count(*) FROM referrals").await), (made, made));
        }
    });
}

/// The pairs that a caller gets, in their order, over all pages.
async fn pairs(client: &Client<'_>, query: &str) -> Vec<(String, String, String)> {
    let (mut next, mut all) = (format!("/v1/cases/duplicates?{query}"), vec![]);
    loop {
        let page = client.get(&next).await.expect(200);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let pair = |one: &Value| (text(&one["case"]["id"]), text(&one["other"]["id"]), text(&one["by"]));
        all.extend(page.json["items"].as_array().unwrap().iter().map(pair));
        let Some(cursor) = page.json["next_cursor"].as_str() else { return all };
        next = format!("/v1/cases/duplicates?cursor={cursor}&limit=1");
    }
}

#[test]
fn whoever_sees_both_gets_the_pair() {
    run(async |app| {
        let (village, other, regency) = (app.village().await, app.other_village().await, app.regency().await);
        let first = report(&village, patient(KOTO_JAYA)).await;
        let second = report(&other, patient(BANDAR_RATU)).await;
        report(&app.province().await, patient(ELSEWHERE)).await;
        let by = |by: &str, case: &Reply, other: &Reply| (case.id(), other.id(), by.to_owned());
        for (who, client) in app.roles().await {
            let reply = client.get("/v1/cases/duplicates").await;
            let pairs = match reply.status {
                200 => reply.json["items"].as_array().unwrap().len(),
                401 | 403 => continue,
                status => panic!("{who}: {status}"),
            };
            let above = ["ministry", "province", "regency"].contains(&who);
            assert_eq!(pairs, usize::from(above), "{who}");
        }
        assert_eq!(pairs(&regency, "").await, [by("nik", &second, &first)]);
        assert_eq!(pairs(&regency, &format!("region={BANDAR_RATU}")).await, [by("nik", &second, &first)]);
        assert!(pairs(&regency, "region=17.06.03").await.is_empty());
        let shown = "SELECT count(*) FROM audit_events WHERE action = 'case.list' AND cardinality(person_ids) = 2 AND request_id IN (SELECT request_id FROM audit_events WHERE action = 'case.list_duplicates')";
        assert!(app.number(shown).await >= 1);

        // a third that becomes alike by a change
        let third = report(&regency, with(elder(KOTO_JAYA), &json!({ "ppks": ["PPKS-08", "PPKS-24"] }))).await;
        let changed = json!({ "person": { "name": "Aminah, Siti", "sex": "female", "age_estimate": 30 } });
        let changed = regency.patch(&path(&third), third.header("etag"), changed).await.expect(200);
        let three = [by("name", &third, &second), by("name", &third, &first), by("nik", &second, &first)];
        assert_eq!(pairs(&regency, "").await, three);
        // page by page
        assert_eq!(pairs(&regency, "limit=1").await, three);
        assert_eq!(pairs(&regency, "limit=2").await, three);
        // what is closed or corrected is gone
        close(&village, &first).await;
        assert_eq!(pairs(&regency, "").await, three[..1]);
        regency.patch(&path(&third), changed.header("etag"), json!({ "ppks": ["PPKS-08"] })).await.expect(200);
        assert!(pairs(&regency, "").await.is_empty());
        // and what is said to be distinct was never there
        let distinct = json!({ "distinct_from": [second.id()], "distinct_reason": "identity_checked" });
        report(&regency, with(patient(KOTO_JAYA), &distinct)).await;
        assert!(pairs(&regency, "").await.is_empty());
    });
}

/// Says of a case that it is not another one.
fn say<'a>(client: &Client<'a>, case: &Reply, etag: &str, from: &Reply, reason: &str) -> Request<'a> {
    let body = json!({ "distinct_from": [from.id()], "distinct_reason": reason, "note": "Sudah ditanyakan." });
    client.act(&format!("{}/distinguish", path(case)), etag, body)
}

#[test]
fn two_that_are_alike_are_told_apart() {
    run(async |app| {
        let (village, other, regency) = (app.village().await, app.other_village().await, app.regency().await);
        let born = |said: Value| with(json!({ "name": "Siti Aminah", "birth_date": "1995-08-05" }), &said);
        let first = report(&village, person(KOTO_JAYA, born(json!({})))).await;
        let second = report(&other, person(BANDAR_RATU, born(json!({})))).await;
        let pair = |by: &str| vec![(second.id(), first.id(), by.to_owned())];
        let etag = async |case: &Reply| regency.get(&path(case)).await.header("etag").to_owned();
        assert_eq!(pairs(&regency, "").await, pair("name"));
        // who sees one of them knows of no other
        say(&village, &first, first.header("etag"), &second, "namesakes")
            .await
            .problem(422, "rule_broken")
            .blames("/distinct_from/0", "case_unknown");
        say(&other, &first, first.header("etag"), &second, "namesakes").await.problem(404, "not_found");
        say(&regency, &first, first.header("etag"), &first, "namesakes")
            .await
            .problem(422, "rule_broken")
            .blames("/distinct_from/0", "case_itself");
        say(&regency, &first, "\"7-abc\"", &second, "namesakes").await.problem(412, "stale");
        say(&app.bpjs().await, &first, first.header("etag"), &second, "namesakes").await.expect(403);

        // of the earlier one, and again under the same key
        let said = say(&regency, &first, first.header("etag"), &second, "namesakes").key("k").await.expect(200);
        assert_eq!(said.json["version"], 2);
        let again = say(&regency, &first, first.header("etag"), &second, "namesakes").key("k").await.expect(200);
        assert_eq!(again.header("idempotency-replayed"), "true");
        assert!(pairs(&regency, "").await.is_empty());
        let history = regency.get(&format!("{}/history", path(&first))).await.expect(200);
        let line = &history.json["items"][1];
        assert_eq!(
            json!([line["action"], line["from"], line["to"], line["reason"], line["outcome"], line["note"]]),
            json!(["distinguish", "open", "open", "namesakes", null, "Sudah ditanyakan."])
        );

        // who may not see the other is not told that there is one
        let of_village = village.get(&format!("{}/history", path(&first))).await.expect(200);
        assert_eq!(of_village.json["items"].as_array().unwrap().len(), 1);

        // a number that both have come to have is explained by no name
        for case in [&first, &second] {
            let changed = json!({ "person": born(json!({ "nik": NIK })) });
            regency.patch(&path(case), &etag(case).await, changed).await.expect(200);
        }
        assert_eq!(pairs(&regency, "").await, pair("nik"));
        say(&regency, &second, &etag(&second).await, &first, "twins")
            .await
            .problem(422, "rule_broken")
            .blames("/distinct_reason", "reason_unfit");
        say(&regency, &second, &etag(&second).await, &first, "separate_need").await.expect(200);
        assert!(pairs(&regency, "").await.is_empty());
        assert_eq!(app.texts("SELECT reason FROM case_distinctions").await, ["separate_need"]);
        let audited =
            "SELECT detail FROM audit_events WHERE action = 'case.distinguish' AND outcome = 'allowed' ORDER BY at, id";
        assert_eq!(app.texts(audited).await, ["namesakes", "separate_need"]);

        // what is closed is told from nothing, but what is open from it: it may be opened again
        close(&regency, &regency.get(&path(&first)).await).await;
        say(&regency, &first, &etag(&first).await, &second, "namesakes").await.problem(409, "case_state_conflict");
        say(&regency, &second, &etag(&second).await, &first, "identity_checked").await.expect(200);
        let at = format!("{}/reopen", path(&first));
        regency.act(&at, &etag(&first).await, json!({ "reason": "need_returned" })).await.expect(200);
        assert!(pairs(&regency, "").await.is_empty());
    });
}

/// With many cases in the regency, many names and many of one day.
#[test]
fn who_is_alike_is_looked_for_by_indexes() {
    run(async |app| {
        let regency = app.regency().await;
        report(&regency, patient(KOTO_JAYA)).await;
        let look = app
            .statements_of(async || {
                drop(regency.post("/v1/cases", patient(KOTO_JAYA)).await.problem(409, "case_alike"));
            })
            .await;
        let queue = app.statement_of(&regency, "/v1/cases/duplicates", &["name_key"]).await;
        let look = look.iter().find(|one| one.query.contains("name_key") && one.query.starts_with("SELECT")).unwrap();
        app.sql(
            "CREATE TEMP TABLE drawn AS SELECT n, gen_random_uuid() AS id FROM generate_series(1, 30000) n;
             INSERT INTO cases (id, number, state, province_code, regency_code, district_code, village_code, reporter_agency_id, ppks,
                sensitive, urgency, lawful_basis, state_since, state_agency_id, created_by, create_request, created_at, updated_at)
             SELECT d.id, 'KS-1706-2025-' || lpad(n::text, 6, '0'), 'open', province_code, regency_code, district_code, village_code,
                reporter_agency_id, ppks, sensitive, urgency, 'public_task', state_since, state_agency_id, created_by, create_request,
                created_at, updated_at FROM (SELECT c.*, p.id AS person FROM cases c JOIN case_people p ON p.case_id = c.id) c, drawn d;
             INSERT INTO case_people (id, case_id, name, name_key, name_version, birth_date, nik_status, need)
             SELECT gen_random_uuid(), id, 'Siti ' || n, 'siti ' || n, 2, date '1950-01-01' + n % 20000, 'unknown', '-' FROM drawn;
             ANALYZE cases; ANALYZE case_people",
        )
        .await;
        for plan in [app.generic_plan(&look.query).await, app.generic_plan(&queue.query).await] {
            assert!(!plan.contains("Seq Scan"), "{plan}");
            for index in
                ["case_people_by_nik", "case_people_by_card", "case_people_by_name", "case_people_by_birth_date"]
            {
                assert!(plan.contains(&format!("Bitmap Index Scan on {index}")), "{index}: {plan}");
            }
        }
    });
}

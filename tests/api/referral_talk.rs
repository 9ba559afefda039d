//! What both sides of a referral say to each other: who speaks, who reads, and that nothing moves by it.
use crate::cases::{KOTO_JAYA, patient, report};
use crate::referrals::{ELDER_CARE, REACTIVATION, act, ask, because, to_bpjs, to_regency};
use crate::support::feed::Follower;
use crate::support::{Client, Reply, TestApp, rounds, run};
use chrono::TimeDelta;
use futures_util::future::join_all;
use serde_json::{Value, json};
use uuid::Uuid;

const ASKED: &str = "Apakah kartu keluarga yang baru sudah ada?";
const ANSWERED: &str = "Sudah, terbit bulan lalu.";

fn question() -> Value {
    json!({ "kind": "question", "text": ASKED })
}

fn comment(text: &str) -> Value {
    json!({ "kind": "comment", "text": text })
}

fn answer_to(question: &Reply) -> Value {
    json!({ "kind": "comment", "text": ANSWERED, "answers": question.json["id"] })
}

async fn say(client: &Client<'_>, at: &str, body: Value) -> Reply {
    client.post(&format!("{at}/comments"), body).await
}

async fn listed(client: &Client<'_>, at: &str) -> Vec<Value> {
    client.get(&format!("{at}/comments")).await.expect(200).json["items"].as_array().unwrap().clone()
}

/// What a client reads: each text, `-` where it is shown none.
async fn texts(client: &Client<'_>, at: &str) -> Vec<String> {
    let items = listed(client, at).await;
    items.iter().map(|item| item["text"].as_str().unwrap_or("-").to_owned()).collect()
}

/// Comments, open questions, and those to this client.
async fn counted(client: &Client<'_>, at: &str) -> [i64; 3] {
    let read = client.get(at).await.expect(200).json;
    ["comments", "open_questions", "open_questions_to_me"].map(|member| read[member].as_i64().unwrap())
}

/// A referral of a volunteer's phone to BPJS.
async fn of_phone(app: &TestApp, phone: &Client<'_>) -> String {
    let mut case = patient(KOTO_JAYA);
    case["referral"] = ask(&app.agency("BPJS Kesehatan").await, REACTIVATION);
    format!("/v1/referrals/{}", report(phone, case).await.json["referral_id"].as_str().unwrap())
}

#[test]
fn a_question_is_asked_and_answered_and_moves_nothing() {
    run(async |app| {
        let (phone, bpjs) = (app.phone().await, app.bpjs().await);
        let at = of_phone(app, &phone).await;
        let before = phone.get(&at).await.expect(200);
        assert_eq!(counted(&bpjs, &at).await, [0, 0, 0]);

        let asked = say(&bpjs, &at, question()).await.expect(201);
        assert_eq!(asked.header("location"), format!("{}{at}/comments", app.base));
        let told = ["kind", "side", "text", "answers", "answered_at", "agency_id", "acting_user", "volunteer_id"];
        assert_eq!(
            told.map(|member| asked.json[member].clone()),
            [
                json!("question"),
                json!("receiver"),
                json!(ASKED),
                Value::Null,
                Value::Null,
                json!(bpjs.agency),
                Value::Null,
                Value::Null
            ]
        );
        assert_eq!((counted(&phone, &at).await, counted(&bpjs, &at).await), ([1, 1, 1], [1, 1, 0]));

        // the other side answers, and nobody else
        say(&bpjs, &at, answer_to(&asked)).await.problem(422, "rule_broken").blames("/answers", "own_question");
        let answer = say(&phone, &at, answer_to(&asked)).await.expect(201);
        assert_eq!((&answer.json["side"], &answer.json["answers"]), (&json!("sender"), &asked.json["id"]));
        assert_eq!(answer.json["volunteer_id"], json!(phone.credential.as_ref().unwrap().volunteer_id));
        assert_eq!(counted(&phone, &at).await, [2, 0, 0]);
        // a second answer says more, and the first one stays what answered it
        let office = app.regency().await;
        let more = say(&office, &at, answer_to(&asked)).await.expect(201);
        say(&office, &at, comment("Terima kasih.")).await.expect(201);
        let items = listed(&bpjs, &at).await;
        let first = &items[0];
        assert_eq!((&first["answered_by_id"], &first["answered_at"]), (&answer.json["id"], &answer.json["created_at"]));
        assert_eq!((items.len(), &items[2]["id"], &items[2]["answers"]), (4, &more.json["id"], &asked.json["id"]));
        assert_eq!(counted(&bpjs, &at).await, [4, 0, 0]);

        // nothing moved: what was read before is still the current version, and another representation
        let after = phone.get(&at).await.expect(200);
        for member in ["status", "status_since", "version", "allowed_actions"] {
            assert_eq!(after.json[member], before.json[member], "{member}");
        }
        assert_ne!(after.header("etag"), before.header("etag"));
        bpjs.act(&format!("{at}/accept"), before.header("etag"), json!({})).await.expect(200);
        let history = phone.get(&format!("{at}/history")).await.expect(200);
        assert_eq!(history.json["items"].as_array().unwrap().len(), 2);
    });
}

#[test]
fn questions_go_both_ways_and_lists_find_what_waits_for_an_answer() {
    run(async |app| {
        let (village, bpjs, regency) = (app.village().await, app.bpjs().await, app.regency().await);
        let (at, quiet) = (to_bpjs(app).await, to_bpjs(app).await);
        let count = async |client: &Client<'_>, query: &str| {
            let list = client.get(&format!("/v1/referrals?{query}")).await.expect(200);
            list.json["items"].as_array().unwrap().len()
        };
        let waiting = async |client: &Client<'_>| {
            let (me, them) = (count(client, "awaiting=me").await, count(client, "awaiting=them").await);
            (me, them, count(client, "awaiting=anyone").await)
        };
        let of_village = say(&village, &at, question()).await.expect(201);
        assert_eq!((waiting(&village).await, waiting(&bpjs).await), ((0, 1, 1), (1, 0, 1)));
        let of_bpjs = say(&bpjs, &at, question()).await.expect(201);
        assert_eq!((waiting(&village).await, waiting(&bpjs).await), ((1, 1, 1), (1, 1, 1)));
        // the regency is on neither side, and sees that somebody waits
        assert_eq!(waiting(&regency).await, (0, 0, 1));
        assert_eq!(counted(&regency, &at).await, [2, 2, 0]);
        assert_eq!(count(&bpjs, "direction=received&awaiting=me&status=submitted").await, 1);
        assert_eq!(count(&village, "direction=sent&awaiting=me&region=17.06").await, 1);
        let filtered = async |query: &str| {
            let list = bpjs.get(&format!("{at}/comments?{query}")).await.expect(200).json;
            list["items"].as_array().unwrap().len()
        };
        say(&bpjs, &at, answer_to(&of_village)).await.expect(201);
        assert_eq!((filtered("answered=true").await, filtered("answered=false").await), (1, 1));
        assert_eq!((filtered("kind=question").await, filtered("kind=comment").await), (2, 1));
        assert_eq!((waiting(&village).await, waiting(&bpjs).await), ((1, 0, 1), (0, 1, 1)));
        let of = async |client: &Client<'_>, side: &str| {
            let lists = client.get("/v1/referrals/worklists").await.expect(200).json;
            let side = lists["sides"].as_array().unwrap().iter().find(|one| one["side"] == side).unwrap().clone();
            let list = side["lists"].as_array().unwrap().iter().find(|one| one["key"] == "questions").unwrap().clone();
            let url = list["list_url"].as_str().unwrap().strip_prefix(&app.base).unwrap().to_owned();
            let items = client.get(&url).await.expect(200).json["items"].as_array().unwrap().len();
            assert_eq!(list["count"], json!(items), "{url}");
            items
        };
        assert_eq!((of(&village, "sent").await, of(&bpjs, "received").await, of(&regency, "region").await), (1, 0, 1));
        // while it can be answered
        say(&village, &at, answer_to(&of_bpjs)).await.expect(201);
        say(&village, &quiet, question()).await.expect(201);
        assert_eq!(waiting(&bpjs).await, (1, 0, 1));
        act(&village, &quiet, "withdraw", because("wrong_target")).await.expect(200);
        assert_eq!(waiting(&bpjs).await, (0, 0, 0));
    });
}

#[test]
fn who_sees_the_need_reads_and_only_the_sides_speak() {
    run(async |app| {
        let (village, bpjs) = (app.village().await, app.bpjs().await);
        let at = to_bpjs(app).await;
        say(&village, &at, comment("Rumahnya di belakang pasar.")).await.expect(201);
        for client in [app.regency().await, app.province().await, app.ministry().await] {
            assert_eq!(texts(&client, &at).await, ["Rumahnya di belakang pasar."]);
            let refused = say(&client, &at, question()).await.expect(403);
            assert!(["not_a_party", "forbidden"].contains(&refused.code()), "{}", refused.text);
        }
        say(&app.regency().await, &at, question()).await.problem(403, "not_a_party");
        for client in
            [app.other_regency().await, app.other_village().await, app.bpjs_elsewhere().await, app.phone().await]
        {
            client.get(&format!("{at}/comments")).await.problem(404, "not_found");
            say(&client, &at, question()).await.problem(404, "not_found");
        }
        app.dashboard().await.get(&format!("{at}/comments")).await.problem(403, "forbidden");
        app.nobody().get(&format!("{at}/comments")).await.problem(401, "unauthenticated");
        // masked until it is accepted, as the need is not
        for action in ["acknowledge", "accept"] {
            assert_eq!(texts(&bpjs, &at).await, ["Rumahnya di belakang pasar."]);
            act(&bpjs, &at, action, json!({})).await.expect(200);
        }
        let shown = app.texts("SELECT concat_ws(' ', action, array_to_string(fields, ','), cardinality(person_ids)) FROM audit_events WHERE action LIKE 'referral.comment%' AND outcome = 'allowed' ORDER BY at, id").await;
        let mut expected = vec!["referral.comment comment 1"];
        expected.extend(vec!["referral.comments comment 1"; 5]);
        assert_eq!(shown, expected);
    });
}

#[test]
fn after_the_end_its_receiver_reads_what_is_said_to_it_since() {
    run(async |app| {
        let (village, bpjs) = (app.village().await, app.bpjs().await);
        let at = to_bpjs(app).await;
        let open = say(&bpjs, &at, question()).await.expect(201);
        say(&village, &at, comment("Namanya Siti Aminah.")).await.expect(201);
        act(&bpjs, &at, "reject", because("quota_exhausted")).await.expect(200);
        assert_eq!(texts(&bpjs, &at).await, ["-", "-"]);
        assert_eq!(texts(&village, &at).await, [ASKED, "Namanya Siti Aminah."]);
        // it is told that there is something, and by whom
        let items = listed(&bpjs, &at).await;
        assert_eq!((&items[1]["agency_id"], &items[0]["answered_at"]), (&json!(village.agency), &Value::Null));
        let late = say(&village, &at, question()).await.expect(201);
        assert_eq!(texts(&bpjs, &at).await, ["-", "-", ASKED]);
        let answer = say(&bpjs, &at, answer_to(&late)).await.expect(201);
        assert_eq!(answer.json["text"], ANSWERED);
        say(&village, &at, answer_to(&open)).await.expect(201);
        assert_eq!(counted(&village, &at).await, [5, 0, 0]);
        let unanswered = say(&village, &at, question()).await.expect(201);
        app.pass(TimeDelta::days(30));
        let (village, bpjs) = (app.village().await, app.bpjs().await);
        for client in [&village, &bpjs] {
            let over = say(client, &at, comment("Masih ada?")).await.problem(409, "referral_state_conflict");
            assert_eq!(over.json["state"], "rejected");
        }
        assert_eq!(texts(&bpjs, &at).await, ["-"; 6]);
        assert_eq!(texts(&village, &at).await.last().unwrap(), ASKED);
        // a replay shows no more than a read does
        assert_eq!(unanswered.json["text"], ASKED);
        let list = bpjs.get("/v1/referrals?awaiting=me").await.expect(200);
        assert_eq!(list.json["items"], json!([]));
    });
}

#[test]
fn what_its_receiver_did_not_end_is_talked_about_no_more() {
    run(async |app| {
        let (village, bpjs, regency) = (app.village().await, app.bpjs().await, app.regency().await);
        let mut mistaken = patient(KOTO_JAYA);
        mistaken["referral"] = ask(&bpjs.agency, REACTIVATION);
        let mistaken = report(&regency, mistaken).await.json["referral_id"].as_str().unwrap().to_owned();
        let (taken_back, wrong, passed_on) =
            (to_bpjs(app).await, format!("/v1/referrals/{mistaken}"), to_regency(app).await);
        for (client, at) in [(&bpjs, &taken_back), (&bpjs, &wrong), (&regency, &passed_on)] {
            say(client, at, question()).await.expect(201);
        }
        act(&village, &taken_back, "withdraw", because("need_met_otherwise")).await.expect(200);
        say(&bpjs, &taken_back, comment("Lalu?")).await.problem(409, "referral_state_conflict");
        say(&village, &taken_back, comment("Lalu?")).await.problem(409, "referral_state_conflict");
        assert_eq!(
            (texts(&bpjs, &taken_back).await, texts(&village, &taken_back).await),
            (vec!["-".to_owned()], vec![ASKED.to_owned()])
        );
        act(&regency, &wrong, "mark-error", because("wrong_person")).await.expect(200);
        bpjs.get(&format!("{wrong}/comments")).await.problem(404, "not_found");
        assert_eq!(texts(&regency, &wrong).await, [ASKED]);
        say(&regency, &wrong, comment("Maaf.")).await.problem(409, "referral_state_conflict");
        let next = json!({ "target_agency_id": app.agency("Dinas Sosial Provinsi Bengkulu").await, "reason": "outside_authority" });
        act(&regency, &passed_on, "forward", next).await.expect(200);
        say(&village, &passed_on, comment("Lalu?")).await.problem(409, "referral_state_conflict");
    });
}

#[test]
fn a_consent_that_is_taken_back_ends_the_talk() {
    run(async |app| {
        let (village, bpjs, regency) = (app.village().await, app.bpjs().await, app.regency().await);
        let at = to_bpjs(app).await;
        say(&village, &at, question()).await.expect(201);
        act(&bpjs, &at, "reject", because("quota_exhausted")).await.expect(200);
        let late = say(&village, &at, comment("Kami coba lagi.")).await.expect(201);
        assert_eq!(late.status, 201);
        let case = format!("/v1/cases/{}", village.get(&at).await.json["case_id"].as_str().unwrap());
        let on = (app.clock.now() + TimeDelta::hours(7)).date_naive();
        act(&village, &case, "withdraw-consent", json!({ "on": on })).await.expect(200);
        for client in [&bpjs, &regency] {
            assert_eq!(texts(client, &at).await, ["-", "-"]);
        }
        assert_eq!(texts(&village, &at).await, [ASKED, "Kami coba lagi."]);
        for client in [&bpjs, &village] {
            say(client, &at, comment("Halo")).await.problem(409, "referral_state_conflict");
        }
    });
}

#[test]
fn branches_claim_before_they_talk() {
    run(async |app| {
        app.sql("UPDATE source_systems SET open_to_branches = true WHERE agency_id = (SELECT id FROM agencies WHERE name = 'BPJS Kesehatan')").await;
        app.sql("UPDATE source_systems SET region_codes = region_codes || '{17.06}' WHERE agency_id = (SELECT id FROM agencies WHERE name = 'BPJS Kesehatan Kerinci')").await;
        let (branch, other, bpjs, village) =
            (app.bpjs_branch().await, app.bpjs_elsewhere().await, app.bpjs().await, app.village().await);
        let at = to_bpjs(app).await;
        let asked = say(&village, &at, question()).await.expect(201);
        assert_eq!(
            (texts(&branch, &at).await, texts(&bpjs, &at).await),
            (vec!["-".to_owned()], vec![ASKED.to_owned()])
        );
        say(&branch, &at, answer_to(&asked)).await.problem(409, "claim_first");
        act(&branch, &at, "claim", json!({})).await.expect(200);
        assert_eq!(texts(&branch, &at).await, [ASKED]);
        other.get(&format!("{at}/comments")).await.problem(404, "not_found");
        // the parent leaves it to the branch
        say(&bpjs, &at, answer_to(&asked)).await.problem(409, "referral_claimed");
        say(&branch, &at, answer_to(&asked)).await.expect(201);
        act(&branch, &at, "release", json!({})).await.expect(200);
        assert_eq!(texts(&other, &at).await, ["-", "-"]);
    });
}

/// An office that refers to itself asks as who sent it and answers as who was asked.
#[test]
fn an_office_on_both_sides_answers_itself() {
    run(async |app| {
        let regency = app.regency().await;
        let case = report(&regency, crate::cases::elder(KOTO_JAYA)).await.id();
        let sent = regency.post(&format!("/v1/cases/{case}/referrals"), ask(&regency.agency, ELDER_CARE)).await;
        let at = format!("/v1/referrals/{}", sent.expect(201).id());
        let asked = say(&regency, &at, question()).await.expect(201);
        assert_eq!(asked.json["side"], "sender");
        assert_eq!(counted(&regency, &at).await, [1, 1, 1]);
        let answer = say(&regency, &at, answer_to(&asked)).await.expect(201);
        assert_eq!(answer.json["side"], "receiver");
        assert_eq!(counted(&regency, &at).await, [2, 0, 0]);
    });
}

#[test]
fn what_cannot_be_meant_is_refused() {
    run(async |app| {
        let (village, bpjs) = (app.village().await, app.bpjs().await);
        let (at, other) = (to_bpjs(app).await, to_bpjs(app).await);
        let asked = say(&village, &at, question()).await.expect(201);
        let plain = say(&village, &at, comment("Halo")).await.expect(201);
        let back = json!({ "kind": "question", "text": "Yang mana?", "answers": asked.json["id"] });
        say(&bpjs, &at, back).await.problem(422, "rule_broken").blames("/answers", "not_expected");
        say(&bpjs, &other, answer_to(&asked)).await.problem(422, "rule_broken").blames("/answers", "question_unknown");
        say(&bpjs, &at, answer_to(&plain)).await.problem(422, "rule_broken").blames("/answers", "question_unknown");
        let nothing = json!({ "kind": "comment", "text": "?", "answers": Uuid::now_v7() });
        say(&bpjs, &at, nothing).await.problem(422, "rule_broken").blames("/answers", "question_unknown");
        for bad in [
            comment("  "),
            comment(&"x".repeat(4001)),
            json!({ "kind": "answer", "text": "x" }),
            json!({ "kind": "comment" }),
        ] {
            say(&bpjs, &at, bad).await.expect(400);
        }
        say(&bpjs, &at, comment(&"x".repeat(4000))).await.expect(201);
        bpjs.get(&format!("{at}/comments?answered=")).await.expect(400);
        bpjs.get(&format!("{at}/comments?kind=answer")).await.expect(400);
        let (id, full) = (at.rsplit('/').next().unwrap(), "UPDATE referrals SET comments = 500");
        app.sql(&format!("{full} WHERE id = '{id}'")).await;
        say(&bpjs, &at, comment("Satu lagi")).await.problem(409, "too_many_comments");
    });
}

#[test]
fn what_is_said_twice_is_said_once() {
    run(async |app| {
        let (village, bpjs) = (app.village().await, app.bpjs().await);
        let (at, other) = (to_bpjs(app).await, to_bpjs(app).await);
        let mut new = question();
        new["id"] = json!(Uuid::now_v7());
        let (path, key) = (format!("{at}/comments"), Uuid::now_v7().to_string());
        let first = village.post(&path, new.clone()).key(&key).await.expect(201);
        let again = village.post(&path, new.clone()).key(&key).await.expect(201);
        assert_eq!((again.header("idempotency-replayed"), &again.json), ("true", &first.json));
        // with another key it is known by its id
        let known = village.post(&path, new.clone()).await.expect(200);
        assert_eq!(known.json, first.json);
        let mut changed = new.clone();
        changed["text"] = json!("Lain");
        village.post(&path, changed.clone()).await.problem(409, "id_taken");
        village.post(&path, changed).key(&key).await.problem(422, "idempotency_key_reused");
        village.post(&format!("{other}/comments"), new.clone()).await.problem(409, "id_taken");
        bpjs.post(&path, new).await.problem(409, "id_taken");
        assert_eq!(counted(&village, &at).await, [1, 1, 0]);
        // whoever reads it no longer is not shown it by a replay
        let key = Uuid::now_v7().to_string();
        let said = bpjs.post(&path, comment("Kami periksa.")).key(&key).await.expect(201);
        assert_eq!(said.json["text"], "Kami periksa.");
        act(&bpjs, &at, "reject", because("quota_exhausted")).await.expect(200);
        bpjs.post(&path, comment("Kami periksa.")).key(&key).await.problem(404, "not_found");
    });
}

#[test]
fn what_is_said_at_once_is_counted_once() {
    run(async |app| {
        let (village, bpjs) = (app.village().await, app.bpjs().await);
        let at = to_bpjs(app).await;
        let path = format!("{at}/comments");
        let mut total = 0;
        for _ in 0..rounds(50) {
            // of nine each: fewer than a referral may have
            let mut new = question();
            new["id"] = json!(Uuid::now_v7());
            let same = join_all((0..16).map(|_| village.post(&path, new.clone()).settled())).await;
            assert_eq!(same.iter().filter(|reply| reply.status == 201).count(), 1);
            assert_eq!(same.iter().filter(|reply| reply.status == 200).count(), 15);
            // answers at once, while the sender goes on: one is the first, and every one is kept
            let answer = |n: usize| {
                let by = if n.is_multiple_of(2) { &bpjs } else { &village };
                let body = if n.is_multiple_of(2) { answer_to(&same[0]) } else { comment("Kami tunggu.") };
                by.post(&path, body).settled()
            };
            let replies = join_all((0..8).map(answer)).await;
            assert!(replies.iter().all(|reply| reply.status == 201));
            total += 9;
        }
        assert_eq!(counted(&bpjs, &at).await, [i64::from(total), 0, 0]);
        let first = "SELECT count(*) FROM referral_comments q JOIN referral_comments a ON a.id = q.answered_by_id AND a.answers = q.id
            WHERE q.answered_at = a.created_at AND NOT EXISTS (SELECT FROM referral_comments b WHERE b.answers = q.id AND b.created_at < a.created_at)";
        assert_eq!(app.number(first).await, i64::from(rounds(50)));
        // page by page, each once
        let (mut seen, mut page) = (0, format!("{path}?limit=7"));
        loop {
            let read = bpjs.get(&page).header("prefer", "count=exact").await.expect(200).json;
            assert_eq!(read["total"], json!(total));
            seen += read["items"].as_array().unwrap().len();
            let Some(cursor) = read["next_cursor"].as_str() else { break };
            page = format!("{path}?limit=7&cursor={cursor}");
        }
        assert_eq!(i32::try_from(seen).unwrap(), total);
    });
}

#[test]
fn the_feed_tells_both_sides() {
    run(async |app| {
        let phone = app.phone().await;
        let at = of_phone(app, &phone).await;
        let version = phone.get(&at).await.json["version"].clone();
        let mut followers = vec![];
        for client in [app.phone().await, app.bpjs().await, app.regency().await, app.province().await] {
            followers.push(Follower::new(client).await);
        }
        let mut stranger = Follower::new(app.other_regency().await).await;
        let asked = say(&app.bpjs().await, &at, question()).await.expect(201);
        say(&phone, &at, answer_to(&asked)).await.expect(201);
        for follower in &mut followers {
            let news = follower.news().await;
            let told: Vec<_> = news.iter().map(|change| (&change["type"], &change["op"], &change["version"])).collect();
            assert_eq!(told, [(&json!("referral"), &json!("upsert"), &version); 2]);
        }
        assert!(stranger.news().await.is_empty());
    });
}

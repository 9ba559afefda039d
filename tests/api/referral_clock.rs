//! The clock of referrals: by when, by whose calendar, and what happens if not. And how much there is to do.
use crate::cases::{KOTO_JAYA, patient, report};
use crate::referrals::{REACTIVATION, act, ask, because, to_bpjs, to_regency};
use crate::support::feed::Follower;
use crate::support::{Client, TestApp, rounds, run};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use std::io::Write;
use std::process::Command;

/// Friday afternoon in Jakarta, half past four in Jayapura: the office there has just closed.
const SENT: &str = "2027-03-05T07:30:00Z";

fn pass_to(app: &TestApp, at: &str) {
    app.pass(at.parse::<DateTime<Utc>>().unwrap() - app.clock.now());
}

async fn turn(app: &TestApp) {
    simpul::worker::turn(&app.running().app, &app.running().writer).await.unwrap();
}

fn id(path: &str) -> &str {
    path.rsplit('/').next().unwrap()
}

async fn load(app: &TestApp, file: &str) -> (bool, String) {
    let mut path = tempfile::NamedTempFile::new().unwrap();
    path.write_all(file.as_bytes()).unwrap();
    let url = app.database_url("simpul_service");
    let mut command = Command::new(env!("CARGO_BIN_EXE_simpul"));
    command.env_clear().env("DATABASE_URL", url).args(["holidays", "load"]).arg(path.path());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    (output.status.success(), text)
}

/// A receiver in the east, where clocks are two hours ahead of the sender's, over a weekend and a holiday.
#[test]
fn without_an_answer_a_referral_is_reminded_of_escalated_and_expires() {
    run(async |app| {
        assert!(load(app, "day,region_code,name,kind\n2027-03-08,,Hari raya,holiday\n").await.0);
        app.sql("UPDATE source_systems SET time_zone = 'Asia/Jayapura' WHERE agency_id = (SELECT id FROM agencies WHERE name = 'BPJS Kesehatan')").await;
        pass_to(app, SENT);
        let at = to_bpjs(app).await;
        let sent = app.village().await.get(&at).await.expect(200);
        // Tuesday is the first day of work: Monday is a holiday.
        assert_eq!(sent.json["acknowledge_by"], "2027-03-09T07:00:00Z");
        assert_eq!(sent.json["answer_by"], "2027-03-11T07:00:00Z");
        assert_eq!((&sent.json["due_at"], &sent.json["complete_by"]), (&sent.json["acknowledge_by"], &Value::Null));
        let mut etag = sent.header("etag").to_owned();
        for (moment, reminders, level, lines) in [
            ("2027-03-10T02:59:00Z", 0, 0, 0),
            ("2027-03-10T03:01:00Z", 1, 0, 1),
            ("2027-03-11T06:59:00Z", 1, 0, 1),
            ("2027-03-11T07:01:00Z", 2, 1, 2),
            ("2027-03-15T02:59:00Z", 2, 1, 2),
            ("2027-03-15T03:01:00Z", 2, 2, 3),
            ("2027-03-16T06:59:00Z", 2, 2, 3),
            ("2027-03-16T07:01:00Z", 2, 3, 4),
            ("2027-04-03T07:00:00Z", 2, 3, 4),
        ] {
            pass_to(app, moment);
            let mut feed = Follower::new(app.village().await).await;
            // several workers at once do it once
            futures_util::future::join_all((0..3).map(|_| turn(app))).await;
            let now = app.village().await.get(&at).await.expect(200);
            assert_eq!(
                (&now.json["reminders"], &now.json["escalation_level"]),
                (&json!(reminders), &json!(level)),
                "{moment}"
            );
            assert_eq!((&now.json["version"], &now.json["status"]), (&json!(1), &json!("submitted")), "{moment}");
            let written = format!(
                "SELECT count(*) FROM referral_history WHERE referral_id = '{}' AND agency_id IS NULL",
                id(&at)
            );
            assert_eq!(app.number(&written).await, lines, "{moment}");
            let audited = "SELECT count(*) FROM audit_events WHERE action IN ('referral.remind', 'referral.escalate')";
            assert_eq!(app.number(audited).await, lines, "{moment}");
            let news = feed.news().await;
            let changed = etag != now.header("etag");
            assert_eq!(news.len(), usize::from(changed), "{moment}");
            assert!(
                news.iter().all(|change| change["op"] == "upsert" && change["version"] == 1 && change["id"] == id(&at))
            );
            etag = now.header("etag").to_owned();
            for (office, concerns) in [(app.regency().await, level >= 2), (app.province().await, level >= 3)] {
                let lists = office.get("/v1/referrals/worklists").await.expect(200);
                let region = lists.json["sides"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .find(|side| side["side"] == "region")
                    .unwrap()
                    .clone();
                let escalated =
                    region["lists"].as_array().unwrap().iter().find(|list| list["key"] == "escalated").unwrap().clone();
                assert_eq!(escalated["count"], i64::from(concerns), "{moment}");
            }
        }
        pass_to(app, "2027-04-04T07:31:00Z");
        turn(app).await;
        let over = app.village().await.get(&at).await.expect(200);
        assert_eq!(
            (&over.json["status"], &over.json["escalation_level"], &over.json["answer_by"]),
            (&json!("expired"), &json!(0), &Value::Null)
        );
        let words = format!("SELECT action FROM referral_history WHERE referral_id = '{}' ORDER BY at, id", id(&at));
        assert_eq!(app.texts(&words).await, ["create", "remind", "escalate", "escalate", "escalate", "expire"]);
    });
}

/// After a standstill everything that was missed is done in one turn.
#[test]
fn what_was_missed_is_made_up_for() {
    run(async |app| {
        pass_to(app, SENT);
        let at = to_bpjs(app).await;
        app.pass(TimeDelta::days(20));
        turn(app).await;
        let now = app.village().await.get(&at).await.expect(200);
        assert_eq!((&now.json["reminders"], &now.json["escalation_level"]), (&json!(2), &json!(3)));
        assert_eq!(app.number("SELECT count(*) FROM referral_history WHERE agency_id IS NULL").await, 4);
    });
}

#[test]
fn an_answer_at_the_moment_of_escalation_is_not_escalated() {
    run(async |app| {
        for _ in 0..rounds(40) {
            let at = to_bpjs(app).await;
            let referral = id(&at);
            app.sql(&format!(
                "UPDATE referrals SET tick_at = now() - interval '1 minute', reminders = 1 WHERE id = '{referral}'"
            ))
            .await;
            let bpjs = app.bpjs().await;
            let etag = bpjs.get(&at).await.header("etag").to_owned();
            let accept = bpjs.act(&format!("{at}/accept"), &etag, json!({})).settled();
            let (reply, ()) = futures_util::future::join(accept, turn(app)).await;
            // The clock takes no version: whoever works on it is not refused for it.
            assert_eq!(reply.status, 200, "{}", reply.text);
            let now = bpjs.get(&at).await;
            assert_eq!(
                (&now.json["status"], &now.json["escalation_level"], &now.json["escalated_at"]),
                (&json!("accepted"), &json!(0), &Value::Null)
            );
            let after = format!(
                "SELECT count(*) FROM referral_history h WHERE referral_id = '{referral}' AND action = 'escalate' AND at > (SELECT at FROM referral_history WHERE referral_id = h.referral_id AND action = 'accept')"
            );
            assert_eq!(app.number(&after).await, 0);
        }
    });
}

/// Tests take seconds, and the service's clock goes on meanwhile.
fn about(value: &Value, at: &str) {
    let (value, at): (DateTime<Utc>, DateTime<Utc>) = (value.as_str().unwrap().parse().unwrap(), at.parse().unwrap());
    assert!((0..300).contains(&(value - at).num_seconds()), "{value} is not {at}");
}

#[test]
fn what_is_due_begins_with_each_state() {
    run(async |app| {
        app.sql(
            "UPDATE source_system_services SET complete_days = 5, answer_days = 2, acknowledge_urgent_minutes = 30",
        )
        .await;
        pass_to(app, "2027-03-01T02:00:00Z"); // Monday, nine in the morning
        let (bpjs, at) = (app.bpjs().await, to_bpjs(app).await);
        let sent = bpjs.get(&at).await;
        about(&sent.json["acknowledge_by"], "2027-03-02T02:00:00Z");
        about(&sent.json["answer_by"], "2027-03-03T02:00:00Z");
        let received = act(&bpjs, &at, "acknowledge", json!({})).await.expect(200);
        assert_eq!(
            (&received.json["acknowledge_by"], &received.json["answer_by"]),
            (&Value::Null, &sent.json["answer_by"])
        );
        assert_eq!(received.json["due_at"], sent.json["answer_by"]);
        let accepted = act(&bpjs, &at, "accept", json!({})).await.expect(200);
        assert_eq!(accepted.json["answer_by"], Value::Null);
        about(&accepted.json["complete_by"], "2027-03-08T02:00:00Z");
        assert_eq!(act(&bpjs, &at, "start", json!({})).await.json["complete_by"], accepted.json["complete_by"]);
        assert_eq!(act(&bpjs, &at, "hold", because("waiting_for_documents")).await.json["complete_by"], Value::Null);
        pass_to(app, "2027-03-02T02:00:00Z");
        let bpjs = app.bpjs().await;
        let resumed = act(&bpjs, &at, "resume", json!({})).await.expect(200);
        about(&resumed.json["complete_by"], "2027-03-09T02:00:00Z");
        let done = act(&bpjs, &at, "complete", json!({ "outcome": "membership_active" })).await.expect(200);
        assert_eq!((&done.json["complete_by"], &done.json["due_at"]), (&Value::Null, &Value::Null));
        // corrected: anew
        pass_to(app, "2027-03-03T02:00:00Z");
        let bpjs = app.bpjs().await;
        let again = act(&bpjs, &at, "correct", because("wrong_outcome")).await.expect(200);
        assert_eq!(again.json["status"], "in_progress");
        about(&again.json["complete_by"], "2027-03-10T02:00:00Z");

        // urgent, in the evening: by the clock
        pass_to(app, "2027-03-03T14:00:00Z");
        let mut case = patient(KOTO_JAYA);
        case["urgency"] = json!("urgent");
        case["referral"] = ask(&app.agency("BPJS Kesehatan").await, REACTIVATION);
        let made = report(&app.village().await, case).await;
        let urgent =
            app.bpjs().await.get(&format!("/v1/referrals/{}", made.json["referral_id"].as_str().unwrap())).await;
        about(&urgent.json["acknowledge_by"], "2027-03-03T14:30:00Z");
        about(&urgent.json["answer_by"], "2027-03-04T09:00:00Z");
    });
}

#[test]
fn holidays_are_loaded_by_the_year_or_not_at_all() {
    run(async |app| {
        let days = "SELECT concat_ws(' ', day, region_code, kind) FROM holidays WHERE day >= '2027-01-01' ORDER BY day, region_code";
        let head = "day,region_code,name,kind\n";
        let (done, told) = load(app, &format!("{head}2027-03-08,,Hari raya,holiday\n2027-03-09,17.06,Hari jadi,joint_leave\n2028-01-01,,Tahun baru,holiday\n")).await;
        assert!(done && told.contains("3 days of 2027, 2028"), "{told}");
        assert_eq!(app.texts(days).await, ["2027-03-08 holiday", "2027-03-09 17.06 joint_leave", "2028-01-01 holiday"]);
        for (lines, why) in [
            ("2027-05-01,,Hari Buruh,holiday\n2027-05-32,,x,holiday\n", "line 3: day"),
            ("2027-05-01,,Hari Buruh,feast\n", "line 2: kind"),
            ("2027-05-01,17.99,Hari Buruh,holiday\n", "official table"),
        ] {
            let (done, told) = load(app, &format!("{head}{lines}")).await;
            assert!(!done && told.contains(why), "{told}");
            assert_eq!(app.texts(days).await.len(), 3, "{lines}");
        }
        // a year is replaced by itself
        assert!(load(app, &format!("{head}2027-05-01,,Hari Buruh,holiday\n")).await.0);
        assert_eq!(app.texts(days).await, ["2027-05-01 holiday", "2028-01-01 holiday"]);
        // of Bengkulu: an office of Mukomuko is closed, that of the province is not
        assert!(load(app, &format!("{head}2027-03-02,17.06,Hari jadi,holiday\n")).await.0);
        pass_to(app, "2027-03-01T02:00:00Z");
        let at = to_regency(app).await;
        let sent = app.regency().await.get(&at).await.expect(200);
        // urgent: one working day, and the second of March is none here
        about(&sent.json["answer_by"], "2027-03-03T02:00:00Z");
        let forward = json!({ "target_agency_id": app.province().await.agency, "reason": "outside_authority" });
        act(&app.regency().await, &at, "forward", forward).await.expect(200);
        let next = app.province().await.get("/v1/referrals?direction=received").await.json["items"][0].clone();
        about(&next["answer_by"], "2027-03-02T02:00:00Z");
    });
}

async fn check_counts(client: &Client<'_>, who: &str) -> Vec<i64> {
    let mut counts = vec![];
    for filter in ["", "?urgency=urgent", "?service=pbi_jk_reactivation&region=17.06"] {
        let lists = client.get(&format!("/v1/referrals/worklists{filter}")).await.expect(200);
        for side in lists.json["sides"].as_array().unwrap() {
            for list in side["lists"].as_array().unwrap() {
                let url = list["list_url"].as_str().unwrap();
                let read = client.get(&format!("{}&limit=200", &url[url.find("/v1/").unwrap()..])).await.expect(200);
                let length = read.json["items"].as_array().unwrap().len();
                assert_eq!(list["count"], length, "{who} {} {url}", side["side"]);
                if filter.is_empty() {
                    counts.push(list["count"].as_i64().unwrap());
                }
            }
        }
    }
    counts
}

#[test]
fn each_count_of_a_worklist_is_the_length_of_its_list() {
    run(async |app| {
        pass_to(app, "2027-03-01T02:00:00Z");
        let late = to_bpjs(app).await;
        to_regency(app).await;
        app.pass(TimeDelta::days(8));
        turn(app).await;
        let (bpjs, regency) = (app.bpjs().await, app.regency().await);
        for moves in [&["accept"][..], &["accept", "complete"], &["reject"], &["accept", "hold"], &[]] {
            let at = to_bpjs(app).await;
            for action in moves {
                let body = match *action {
                    "complete" => json!({ "outcome": "membership_active" }),
                    "reject" => because("quota_exhausted"),
                    "hold" => because("waiting_for_documents"),
                    _ => json!({}),
                };
                act(&bpjs, &at, action, body).await.expect(200);
            }
        }
        act(&bpjs, &late, "acknowledge", json!({})).await.expect(200);
        // new, waiting, on hold, overdue, escalated, done this week, questions; and cases that are not referred, for who has some
        assert_eq!(check_counts(&bpjs, "bpjs").await, [1, 3, 1, 1, 1, 2, 0]);
        let all = &[2, 4, 1, 2, 2, 2, 0, 2][..];
        let counts = check_counts(&regency, "regency").await;
        assert_eq!(counts, [&[1, 1, 0, 1, 1, 0, 0][..], &[0; 8], all].concat());
        let counts = check_counts(&app.village().await, "village").await;
        assert_eq!(counts, [&[0; 7][..], &[2, 1, 1, 2, 2, 1, 0, 2], all].concat());
        check_counts(&app.province().await, "province").await;
        check_counts(&app.ministry().await, "ministry").await;
        check_counts(&app.bpjs_branch().await, "branch").await;
        check_counts(&app.phone().await, "phone").await;
    });
}

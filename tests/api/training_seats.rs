//! Who gets a seat and who waits, without what comes before, at the same time elsewhere; and what is kept of a seat.
use crate::support::{Client, Reply, rounds, run};
use crate::training::{
    BENGKULU_SELATAN, KOTO_JAYA, act, bimtek, candidates, correct, enrol, level, publish, results, session,
};
use chrono::TimeDelta;
use futures_util::future::join_all;
use serde_json::{Value, json};

async fn wait(client: &Client<'_>, event: &str, volunteer: &str) -> Reply {
    client.post(&format!("{event}/enrolments"), json!({ "volunteer_id": volunteer, "wait": true })).await
}

fn seat(of: &Reply) -> String {
    format!("/v1/training-enrolments/{}", of.id())
}

/// Of each item of a list: the members of these names.
fn told(list: &Reply, names: &[&str]) -> Vec<Vec<Value>> {
    let items = list.json["items"].as_array().unwrap();
    items.iter().map(|item| names.iter().map(|name| item[name].clone()).collect()).collect()
}

/// Who waits, in the order of the list.
async fn in_line(client: &Client<'_>, event: &str) -> Vec<String> {
    let list = client.get(&format!("{event}/enrolments?state=waiting&limit=200")).await.expect(200);
    let mut line: Vec<(i64, String)> = told(&list, &["waiting_position", "volunteer_id"])
        .into_iter()
        .map(|one| (one[0].as_i64().unwrap(), one[1].as_str().unwrap().to_owned()))
        .collect();
    line.sort();
    let positions: Vec<i64> = line.iter().map(|one| one.0).collect();
    assert_eq!(positions, (1..=i64::try_from(line.len()).unwrap()).collect::<Vec<_>>());
    line.into_iter().map(|one| one.1).collect()
}

#[test]
fn sixty_four_enrolments_for_ten_seats() {
    run(async |app| {
        let regency = app.regency().await;
        let people = candidates(&regency, KOTO_JAYA, 64).await;
        for round in 0..rounds(200) {
            let event = publish(&regency, bimtek("basic", "17.06", 10)).await;
            let (path, waits) = (format!("{event}/enrolments"), round % 2 == 0);
            let posts =
                people.iter().map(|id| regency.post(&path, json!({ "volunteer_id": id, "wait": waits })).settled());
            let replies = join_all(posts).await;
            let statuses: Vec<_> = replies.iter().map(|r| r.status).collect();
            let count = |state: &str| replies.iter().filter(|r| r.status == 201 && r.json["state"] == state).count();
            let full = replies.iter().filter(|r| r.status == 409 && r.code() == "event_full").count();
            let expected = if waits { (10, 54, 0) } else { (10, 0, 54) };
            assert_eq!((count("enrolled"), count("waiting"), full), expected, "{statuses:?}");
            let id = event.rsplit('/').next().unwrap();
            let seats = "SELECT count(*) FROM training_enrolments WHERE state = 'enrolled' AND event_id";
            assert_eq!(app.number(&format!("{seats} = '{id}'")).await, 10);
            let now = regency.get(&event).await.expect(200);
            assert_eq!((&now.json["seats_taken"], &now.json["waiting"]), (&json!(10), &json!(expected.1)));
            if !waits {
                continue;
            }
            // those who leave at once make room for the first who wait, in their order
            let line = in_line(&regency, &event).await;
            let enrolled = replies.iter().filter(|r| r.json["state"] == "enrolled");
            let leave = enrolled.take(3).map(|r| {
                let etag = r.header("etag").to_owned();
                regency.act(&format!("{}/withdraw", seat(r)), &etag, json!({})).settled()
            });
            for left in join_all(leave.collect::<Vec<_>>()).await {
                left.expect(200);
            }
            assert_eq!(in_line(&regency, &event).await, line[3..]);
            let promoted = format!(
                "SELECT count(*) FROM training_enrolment_history h JOIN training_enrolments e ON e.id = h.enrolment_id WHERE h.action = 'promote' AND e.event_id = '{id}' AND e.volunteer_id IN ('{}')",
                line[..3].join("','")
            );
            assert_eq!(app.number(&promoted).await, 3);
            assert_eq!(app.number(&format!("{seats} = '{id}'")).await, 10);
        }
    });
}

#[test]
fn who_waits_is_told_of_a_seat_and_who_may_no_longer_holds_nobody_up() {
    run(async |app| {
        let (regency, village) = (app.regency().await, app.village().await);
        let event = publish(&regency, bimtek("basic", "17.06", 1)).await;
        let people = candidates(&village, KOTO_JAYA, 5).await;
        let first = wait(&village, &event, &people[0]).await.expect(201);
        assert_eq!((&first.json["state"], &first.json["waiting_position"]), (&json!("enrolled"), &Value::Null));
        assert_eq!(enrol(&village, &event, &people[1]).await.problem(409, "event_full").json["waiting"], 0);
        let mut line = vec![];
        for (position, person) in (1..).zip(&people[1..]) {
            let waits = wait(&village, &event, person).await.expect(201);
            assert_eq!((&waits.json["state"], &waits.json["waiting_position"]), (&json!("waiting"), &json!(position)));
            line.push(waits);
        }
        assert_eq!(enrol(&village, &event, &people[1]).await.problem(409, "already_enrolled").json["id"], line[0].id());
        assert_eq!(village.get(&event).await.json["waiting"], 4);

        // the second has left, the third waits no more: the fourth gets the seat
        let gone = format!("/v1/volunteers/{}", people[1]);
        act(&regency, &gone, "reject", json!({ "reason": "quota_full" })).await.expect(200);
        act(&village, &seat(&line[1]), "withdraw", json!({})).await.expect(200);
        let before = app.number("SELECT coalesce(max(seq), 0) FROM changes").await;
        act(&village, &seat(&first), "withdraw", json!({})).await.expect(200);
        assert_eq!(village.get(&seat(&line[2])).await.expect(200).json["state"], "enrolled");
        let kept = village.get(&seat(&line[0])).await.expect(200);
        assert_eq!((&kept.json["state"], &kept.json["waiting_position"]), (&json!("waiting"), &json!(1)));
        let fed = format!("SELECT count(*) FROM changes WHERE seq > {before} AND entity_id = '{}'", line[2].id());
        assert_eq!(app.number(&fed).await, 1);
        let audit = format!(
            "SELECT count(*) FROM audit_events WHERE action = 'training_enrolment.promote' AND person_ids = ARRAY['{}'::uuid]",
            people[3]
        );
        assert_eq!(app.number(&audit).await, 1);
        // more seats: the next; who withdrew comes back behind the others
        let again = wait(&village, &event, &people[2]).await.expect(201);
        assert_eq!((&again.json["id"], &again.json["waiting_position"]), (&json!(line[1].id()), &json!(3)));
        let etag = regency.get(&event).await.header("etag").to_owned();
        let grown = regency.patch(&event, &etag, json!({ "capacity": 2 })).await.expect(200);
        assert_eq!((&grown.json["seats_taken"], &grown.json["waiting"]), (&json!(2), &json!(2)));
        assert_eq!(village.get(&seat(&line[3])).await.json["state"], "enrolled");
        let history = village.get(&format!("{}/history", seat(&again))).await.expect(200);
        let actions: Vec<_> = told(&history, &["action"]).concat();
        assert_eq!(actions, ["wait", "withdraw", "wait"]);
    });
}

#[test]
fn the_training_that_comes_before_is_waived_by_the_organiser_with_a_reason() {
    run(async |app| {
        let (province, regency, village) = (app.province().await, app.regency().await, app.village().await);
        let event = publish(&province, bimtek("advanced", "17", 9)).await;
        let people = candidates(&village, KOTO_JAYA, 2).await;
        let ask = |reason: Value| json!({ "volunteer_id": people[0], "waiver": reason });
        let path = format!("{event}/enrolments");
        village.post(&path, ask(json!({ "reason": "long_service" }))).await.problem(403, "not_the_organiser");
        let unknown = province.post(&path, ask(json!({ "reason": "budget" }))).await.problem(422, "rule_broken");
        unknown.blames("/waiver/reason", "code_unknown");
        let silent = province.post(&path, ask(json!({ "reason": "other" }))).await.problem(422, "rule_broken");
        silent.blames("/waiver/note", "required");
        let taken = province.post(&path, ask(json!({ "reason": "other", "note": "Dilatih tahun 2019" }))).await;
        let taken = taken.expect(201);
        assert_eq!((&taken.json["waiver_reason"], &taken.json["waiver_note"]), (&json!("other"), &Value::Null));
        assert_eq!(province.get(&seat(&taken)).await.expect(200).json["waiver_note"], "Dilatih tahun 2019");
        let audit =
            "SELECT detail FROM audit_events WHERE action = 'training_enrolment.create' AND outcome = 'allowed'";
        assert_eq!(app.texts(audit).await, ["other"]);
        let history = province.get(&format!("{}/history", seat(&taken))).await.expect(200);
        assert_eq!(
            told(&history, &["action", "reason", "note"]),
            [[json!("enrol"), json!("other"), json!("Dilatih tahun 2019")]]
        );
        // where nothing comes before, there is nothing to waive
        let basic = publish(&regency, bimtek("basic", "17.06", 9)).await;
        let needless = regency.post(&format!("{basic}/enrolments"), ask(json!({ "reason": "long_service" }))).await;
        needless.problem(422, "rule_broken").blames("/waiver", "not_needed");
    });
}

#[test]
fn a_seat_at_the_same_time_elsewhere_is_warned_of() {
    run(async |app| {
        let (regency, village) = (app.regency().await, app.village().await);
        let person = candidates(&village, KOTO_JAYA, 1).await.remove(0);
        let at = |days: i64| {
            let mut body = bimtek("other", "17.06", 9);
            body["sessions"] = json!([session(days), session(days + 4)]);
            body
        };
        // days 10 and 14; 12 and 16 lie between and clash with nothing; 14 and 18 do
        let (own, between, same) = (at(10), at(12), at(14));
        let own = publish(&regency, own).await;
        assert_eq!(enrol(&village, &own, &person).await.expect(201).json["clashes"], json!([]));
        let between = publish(&regency, between).await;
        assert_eq!(enrol(&village, &between, &person).await.expect(201).json["clashes"], json!([]));
        let same = publish(&regency, same).await;
        let warned = enrol(&village, &same, &person).await.expect(201);
        assert_eq!(warned.json["clashes"].as_array().unwrap().len(), 1);
        assert!(own.ends_with(warned.json["clashes"][0]["event_id"].as_str().unwrap()));
        assert_eq!(village.get(&seat(&warned)).await.expect(200).json["clashes"], warned.json["clashes"]);
        let list = village.get(&format!("{own}/enrolments")).await.expect(200);
        assert!(same.ends_with(list.json["items"][0]["clashes"][0]["event_id"].as_str().unwrap()));
        // given back, it clashes no more
        act(&village, &seat(&warned), "withdraw", json!({})).await.expect(200);
        assert_eq!(village.get(&format!("{own}/enrolments")).await.json["items"][0]["clashes"], json!([]));
        assert_eq!(village.get(&seat(&warned)).await.expect(200).json["clashes"], json!([]));
    });
}

#[test]
fn a_result_is_corrected_and_taken_back_with_a_reason_and_nothing_is_forgotten() {
    run(async |app| {
        let (regency, village) = (app.regency().await, app.village().await);
        let event = publish(&regency, bimtek("basic", "17.06", 9)).await;
        let people = candidates(&village, KOTO_JAYA, 2).await;
        let own = enrol(&village, &event, &people[0]).await.expect(201);
        enrol(&village, &event, &people[1]).await.expect(201);
        act(&regency, &event, "start", json!({})).await.expect(200);
        let path = format!("{event}/results");
        let record = async |item: Value| regency.post(&path, json!({ "items": [item] })).await;
        let of = |result: &str| json!({ "volunteer_id": people[0], "result": result });
        let with = |result: &str, name: &str, value: Value| {
            let mut item = of(result);
            item[name] = value;
            item
        };
        record(with("passed", "score", json!(101)))
            .await
            .problem(400, "malformed")
            .blames("/items/0/score", "out_of_range");
        let absent = record(with("absent", "score", json!(50))).await.problem(422, "rule_broken");
        absent.blames("/items/0/score", "not_scored");
        let early = record(with("passed", "reason", json!("reassessed"))).await.problem(422, "rule_broken");
        early.blames("/items/0/reason", "not_needed");
        let scored = record(with("passed", "score", json!(82))).await.expect(200);
        assert_eq!(
            (&scored.json["items"][0]["score"], &scored.json["items"][0]["level"]),
            (&json!(82), &json!("basic"))
        );
        // the same again, with or without the score, changes nothing
        record(of("passed")).await.expect(200);
        record(with("passed", "score", json!(82))).await.expect(200);
        record(of("failed")).await.problem(422, "rule_broken").blames("/items/0/reason", "required");
        let other = record(with("failed", "reason", json!("other"))).await.problem(422, "rule_broken");
        other.blames("/items/0/note", "required");
        assert_eq!(level(&village, &people[0]).await, "basic");
        let better = json!({ "volunteer_id": people[0], "result": "passed", "score": 90, "reason": "reassessed" });
        record(better).await.expect(200);
        let failed = correct(&regency, &event, &people[0], "failed").await.expect(200);
        assert_eq!(
            (&failed.json["items"][0]["score"], &failed.json["items"][0]["level"]),
            (&Value::Null, &json!("none"))
        );

        let void = async |ids: Value, reason: &str| {
            regency.post(&format!("{path}/void"), json!({ "volunteer_ids": ids, "reason": reason })).await
        };
        results(&regency, &event, &people[1], "passed").await.expect(200);
        void(json!([]), "entered_by_mistake").await.problem(400, "malformed").blames("/volunteer_ids", "out_of_range");
        void(json!([people[0]]), "budget").await.problem(422, "rule_broken").blames("/reason", "code_unknown");
        let twice = void(json!([people[1], people[1]]), "entered_by_mistake").await.problem(422, "rule_broken");
        twice.blames("/volunteer_ids/1", "given_twice");
        let both = void(json!([people[0], people[1]]), "entered_by_mistake").await.expect(200);
        let nothing = |id: &String| json!({ "volunteer_id": id, "result": null, "score": null, "level": "none" });
        assert_eq!(both.json["items"], json!([nothing(&people[0]), nothing(&people[1])]));
        assert_eq!(village.get(&seat(&own)).await.json["result"], Value::Null);
        let history = village.get(&format!("{}/history", seat(&own))).await.expect(200);
        let words = |row: [Value; 5]| row.to_vec();
        let expected = [
            words([json!("enrol"), Value::Null, Value::Null, Value::Null, Value::Null]),
            words([json!("result"), Value::Null, json!("passed"), json!(82), Value::Null]),
            words([json!("result"), json!("passed"), json!("passed"), json!(90), json!("reassessed")]),
            words([json!("result"), json!("passed"), json!("failed"), Value::Null, json!("entered_by_mistake")]),
            words([json!("void"), json!("failed"), Value::Null, Value::Null, json!("entered_by_mistake")]),
        ];
        assert_eq!(told(&history, &["action", "from_result", "to_result", "score", "reason"]), expected);
    });
}

#[test]
fn every_correction_of_attendance_is_kept() {
    run(async |app| {
        let (regency, village) = (app.regency().await, app.village().await);
        let event = publish(&regency, bimtek("basic", "17.06", 9)).await;
        let person = candidates(&village, KOTO_JAYA, 1).await.remove(0);
        let own = enrol(&village, &event, &person).await.expect(201);
        app.pass(TimeDelta::days(10) + TimeDelta::hours(1));
        let (regency, village) = (app.regency().await, app.village().await);
        let noted = app.clock.now() - TimeDelta::minutes(30);
        let came = async |present: bool, device_at: Value| {
            let mut item = json!({ "volunteer_id": person, "session": 1, "present": present });
            if !device_at.is_null() {
                item["device_at"] = device_at;
            }
            regency.post(&format!("{event}/attendance"), json!({ "items": [item] })).await.expect(200)
        };
        came(true, json!(noted)).await;
        came(true, Value::Null).await; // the same again is no correction
        came(false, Value::Null).await;
        came(true, json!(noted)).await; // noted earlier: does not replace it
        let history = village.get(&format!("{}/history", seat(&own))).await.expect(200);
        let rows = told(&history, &["action", "session", "present", "acting_user"]);
        let row = |present: bool| [json!("attend"), json!(1), json!(present), json!("staf-0017")];
        assert_eq!(rows[1..], [row(true), row(false)]);
        let at = history.json["items"][1]["device_at"].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>();
        assert_eq!(at.unwrap().timestamp_millis(), noted.timestamp_millis());
        let other = app.other_regency().await;
        let foreign = other.get(&format!("{}/history", seat(&own))).await.problem(404, "not_found");
        let none = other.get(&format!("/v1/training-enrolments/{}/history", uuid::Uuid::now_v7())).await;
        assert_eq!(foreign.anonymous(), none.anonymous());
        // everyone who may see the seat reads it
        app.province().await.get(&format!("{}/history", seat(&own))).await.expect(200);
    });
}

#[test]
fn what_is_said_of_who_has_moved_away_is_told_where_the_person_is() {
    run(async |app| {
        let (regency, province, there) = (app.regency().await, app.province().await, app.neighbour_regency().await);
        let event = publish(&regency, bimtek("basic", "17.06", 9)).await;
        let person = candidates(&regency, KOTO_JAYA, 1).await.remove(0);
        let own = enrol(&regency, &event, &person).await.expect(201);
        let elsewhere = publish(&regency, bimtek("other", "17.06", 9)).await;
        enrol(&regency, &elsewhere, &person).await.expect(201);
        act(&regency, &event, "start", json!({})).await.expect(200);
        results(&regency, &event, &person, "passed").await.expect(200);
        let note = "Tertukar dengan peserta lain";
        let item = json!({ "volunteer_id": person, "result": "failed", "reason": "other", "note": note });
        regency.post(&format!("{event}/results"), json!({ "items": [item] })).await.expect(200);
        let history = format!("{}/history", seat(&own));
        let notes = async |client: &Client<'_>| {
            let notes = told(&client.get(&history).await.expect(200), &["note"]).concat();
            notes.iter().filter(|note| !note.is_null()).cloned().collect::<Vec<_>>()
        };
        assert_eq!(notes(&regency).await, [json!(note)]);
        act(&province, &format!("/v1/volunteers/{person}"), "postings", json!({ "village_code": BENGKULU_SELATAN }))
            .await
            .expect(200);
        // the organiser still has the seat, and not the person
        assert_eq!(notes(&regency).await, Vec::<Value>::new());
        let kept = regency.get(&seat(&own)).await.expect(200);
        assert_eq!((&kept.json["name"], &kept.json["clashes"]), (&Value::Null, &json!([])));
        assert_eq!(notes(&there).await, [json!(note)]);
        let read = "SELECT count(*) FROM audit_events WHERE action = 'training_enrolment.read_history' AND cardinality(person_ids) = 1";
        assert_eq!(app.number(read).await, 2);
    });
}

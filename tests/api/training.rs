//! Training, from the preparation of an event to the level that follows.
use crate::support::feed::Follower;
use crate::support::{Client, Reply, TestApp, a_name, rounds, run};
use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

pub const KOTO_JAYA: &str = "17.06.02.1017";
pub const BANDAR_RATU: &str = "17.06.02.1018";
pub const EVENTS: &str = "/v1/training-events";
pub const BENGKULU_SELATAN: &str = "17.01.01.2001";

pub fn session(days: i64) -> Value {
    let begins = Utc::now() + TimeDelta::days(days);
    json!({ "starts_at": begins, "ends_at": begins + TimeDelta::hours(2) })
}

pub fn bimtek(level: &str, region: &str, capacity: i32) -> Value {
    json!({ "level": level, "title": "Bimtek PSM", "region_code": region, "venue": "Aula Bappelitbang",
        "speaker_agencies": ["BPJS Kesehatan"], "sessions": [session(10), session(11)], "capacity": capacity })
}

pub async fn prepare(client: &Client<'_>, body: Value) -> String {
    format!("{EVENTS}/{}", client.post(EVENTS, body).await.expect(201).id())
}

/// Moves an event on.
pub async fn act(client: &Client<'_>, path: &str, action: &str, body: Value) -> Reply {
    let etag = client.get(path).await.expect(200).header("etag").to_owned();
    client.act(&format!("{path}/{action}"), &etag, body).await
}

pub async fn publish(client: &Client<'_>, body: Value) -> String {
    let path = prepare(client, body).await;
    act(client, &path, "publish", json!({})).await.expect(200);
    path
}

/// Ids of new candidates of a village.
pub async fn candidates(client: &Client<'_>, village: &str, count: usize) -> Vec<String> {
    let mut ids = vec![];
    for _ in 0..count {
        let new = json!({ "village_code": village, "name": a_name(), "nik_status": "none" });
        ids.push(client.post("/v1/volunteers", new).await.expect(201).id());
    }
    ids
}

pub async fn enrol(client: &Client<'_>, event: &str, volunteer: &str) -> Reply {
    client.post(&format!("{event}/enrolments"), json!({ "volunteer_id": volunteer })).await
}

pub async fn results(client: &Client<'_>, event: &str, volunteer: &str, result: &str) -> Reply {
    let items = json!({ "items": [{ "volunteer_id": volunteer, "result": result }] });
    client.post(&format!("{event}/results"), items).await
}

/// The same of who has a result.
pub async fn correct(client: &Client<'_>, event: &str, volunteer: &str, result: &str) -> Reply {
    let items = json!({ "items": [{ "volunteer_id": volunteer, "result": result, "reason": "entered_by_mistake" }] });
    client.post(&format!("{event}/results"), items).await
}

pub async fn level(client: &Client<'_>, volunteer: &str) -> Value {
    client.get(&format!("/v1/volunteers/{volunteer}")).await.expect(200).json["level"].clone()
}

#[test]
fn training_makes_a_volunteer_basic_at_once_and_a_correction_takes_it_back() {
    run(async |app| {
        let (regency, village) = (app.regency().await, app.village().await);
        let event = publish(&regency, bimtek("basic", "17.06", 2)).await;
        let people = candidates(&village, KOTO_JAYA, 3).await;
        let first = enrol(&village, &event, &people[0]).await.expect(201);
        assert_eq!((&first.json["initials"], &first.json["name"]), (&json!("B. 0."), &Value::Null));
        enrol(&regency, &event, &people[1]).await.expect(201);
        assert_eq!(enrol(&regency, &event, &people[2]).await.problem(409, "event_full").json["capacity"], 2);
        let taken = regency.get(&event).await.expect(200);
        assert_eq!((&taken.json["seats_taken"], &taken.json["version"]), (&json!(2), &json!(2)));

        results(&regency, &event, &people[0], "passed").await.problem(409, "training_state_conflict");
        let attendance = |session: u32, who: usize, present: bool| json!({ "volunteer_id": people[who], "session": session, "present": present });
        let items = json!({ "items": [attendance(1, 0, true), attendance(1, 2, true), attendance(3, 0, true), attendance(2, 0, true)] });
        let early = regency.post(&format!("{event}/attendance"), items.clone()).await.expect(200);
        assert_eq!(early.json["state"], "published");
        app.pass(TimeDelta::days(10));
        let (regency, village) = (app.regency().await, app.village().await);
        let came = regency.post(&format!("{event}/attendance"), items).await.expect(200);
        let outcomes: Vec<_> =
            came.json["items"].as_array().unwrap().iter().map(|item| item["outcome"].clone()).collect();
        assert_eq!(outcomes, ["recorded", "not_enrolled", "session_unknown", "too_early"]);
        assert_eq!(came.json["state"], "running");

        let passed = results(&regency, &event, &people[0], "passed").await.expect(200);
        assert_eq!(
            passed.json["items"],
            json!([{ "volunteer_id": people[0], "result": "passed", "score": null, "level": "basic" }])
        );
        assert_eq!(level(&village, &people[0]).await, "basic");
        act(&regency, &event, "complete", json!({})).await.expect(200);
        let training = village.get(&format!("/v1/volunteers/{}/training", people[0])).await.expect(200);
        let item = &training.json["items"][0];
        assert_eq!(
            (&item["result"], &item["attended"], &item["event_state"]),
            (&json!("passed"), &json!([1]), &json!("completed"))
        );

        correct(&regency, &event, &people[0], "failed").await.expect(200);
        assert_eq!(level(&village, &people[0]).await, "none");
        results(&regency, &event, &people[2], "passed")
            .await
            .problem(422, "rule_broken")
            .blames("/items/0/volunteer_id", "not_enrolled");
        let told = app.texts(&format!("SELECT entity_type || ' ' || count(*) FROM changes WHERE entity_id = '{}' OR entity_id = '{}' GROUP BY entity_type ORDER BY 1", people[0], first.id())).await;
        // created, basic, none again; enrolled, came, passed, failed
        assert_eq!(told, ["training_enrolment 4", "volunteer 3"]);
        let acts = app.texts("SELECT action || ' ' || acting_user || ' ' || cardinality(person_ids) FROM audit_events WHERE action LIKE 'training%results' ORDER BY at").await;
        assert_eq!(acts, ["training_event.record_results staf-0017 1"; 2]);
    });
}

#[test]
fn advanced_training_needs_basic_and_is_the_provinces() {
    run(async |app| {
        let (province, regency, village) = (app.province().await, app.regency().await, app.village().await);
        for (client, level, region) in [(&regency, "advanced", "17.06"), (&province, "basic", "17.06")] {
            client.post(EVENTS, bimtek(level, region, 5)).await.problem(403, "training_level_not_in_authority");
        }
        regency.post(EVENTS, bimtek("basic", "17.01", 5)).await.problem(403, "training_region_not_in_authority");
        regency.post(EVENTS, bimtek("basic", "17", 5)).await.problem(403, "training_region_not_in_authority");
        village.post(EVENTS, bimtek("basic", "17.06", 5)).await.problem(403, "forbidden");
        let event = publish(&province, bimtek("advanced", "17", 5)).await;
        let person = candidates(&village, KOTO_JAYA, 1).await.remove(0);
        enrol(&village, &event, &person).await.problem(422, "rule_broken").blames("/volunteer_id", "basic_required");
        let basic = publish(&regency, bimtek("basic", "17.06", 5)).await;
        enrol(&village, &basic, &person).await.expect(201);
        act(&regency, &basic, "start", json!({})).await.expect(200);
        results(&regency, &basic, &person, "passed").await.expect(200);
        enrol(&village, &event, &person).await.expect(201);
        act(&province, &event, "start", json!({})).await.expect(200);
        let both = results(&province, &event, &person, "passed").await.expect(200);
        assert_eq!(both.json["items"][0]["level"], "advanced");
        // without the advanced one, the basic one still counts; called off, neither does
        correct(&province, &event, &person, "absent").await.expect(200);
        assert_eq!(level(&village, &person).await, "basic");
        act(&regency, &basic, "cancel", json!({ "reason": "budget" })).await.expect(200);
        assert_eq!(level(&village, &person).await, "none");
    });
}

/// Whether the last change of an event is for this reader, as the outbox says it.
async fn told(app: &TestApp, path: &str, role: &str, client: &Client<'_>) -> bool {
    if role == "ministry" {
        return true;
    }
    let credential = client.credential.as_ref().unwrap();
    let own = if role == "phone" { KOTO_JAYA } else { credential.region.as_ref().unwrap().as_str() };
    let above: Vec<String> = own.match_indices('.').map(|(at, _)| format!("'{}'", &own[..at])).collect();
    let above = [above, vec![format!("'{own}'")]].concat().join(",");
    let places = if role == "phone" {
        format!("volunteers_after @> ARRAY['{}'::uuid]", credential.volunteer_id.as_ref().unwrap())
    } else {
        let above_it = format!("EXISTS (SELECT FROM unnest(regions_after) r WHERE r = '{own}' OR r LIKE '{own}.%')");
        format!("agencies_after @> ARRAY['{}'::uuid] OR {above_it}", client.agency)
    };
    let id = path.rsplit('/').next().unwrap();
    let last = format!(
        "SELECT ({places} OR below_after && ARRAY[{above}])::text FROM changes WHERE entity_id = '{id}' ORDER BY seq DESC LIMIT 1"
    );
    app.texts(&last).await == ["true"]
}

#[test]
fn an_event_is_seen_where_it_is_held_and_a_draft_only_by_those_above() {
    run(async |app| {
        let (regency, province) = (app.regency().await, app.province().await);
        let local = prepare(&regency, bimtek("basic", "17.06", 5)).await;
        let wide = prepare(&province, bimtek("advanced", "17", 5)).await;
        let below = prepare(&province, bimtek("other", "17.06", 5)).await;
        let everyone = [
            ("ministry", app.ministry().await),
            ("province", province.clone()),
            ("regency", regency.clone()),
            ("village", app.village().await),
            ("phone", app.phone().await),
            ("neighbour", app.neighbour_regency().await),
            ("other", app.other_regency().await),
        ];
        let check = async |path: &str, seen: &[&str]| {
            for (role, client) in &everyone {
                let reply = client.get(path).await;
                assert_eq!(reply.status, if seen.contains(role) { 200 } else { 404 }, "{role}: {path}");
                if reply.status == 404 {
                    let none = client.get(&format!("{EVENTS}/{}", Uuid::now_v7())).await;
                    assert_eq!(reply.anonymous(), none.anonymous());
                }
                assert_eq!(
                    told(app, path, role, client).await,
                    seen.contains(role),
                    "the outbox tells {role} of {path}"
                );
                client.get(&format!("{path}/history")).await.expect(reply.status);
                client.get(&format!("{path}/enrolments")).await.expect(reply.status);
                let list = client.get(&format!("{EVENTS}?limit=200")).header("prefer", "count=exact").await.expect(200);
                let items = list.json["items"].as_array().unwrap();
                assert_eq!(
                    items.iter().any(|item| path.ends_with(item["id"].as_str().unwrap())),
                    seen.contains(role),
                    "{role}"
                );
                assert_eq!(list.json["total"], items.len());
            }
        };
        check(&local, &["ministry", "province", "regency"]).await;
        check(&wide, &["ministry", "province"]).await;
        check(&below, &["ministry", "province"]).await;
        act(&regency, &local, "publish", json!({})).await.expect(200);
        act(&province, &wide, "publish", json!({})).await.expect(200);
        act(&province, &below, "publish", json!({})).await.expect(200);
        check(&local, &["ministry", "province", "regency", "village", "phone"]).await;
        check(&wide, &["ministry", "province", "regency", "village", "phone", "neighbour"]).await;
        check(&below, &["ministry", "province", "regency", "village", "phone"]).await;
        for client in [app.bpjs().await, app.dashboard().await] {
            client.get(&local).await.problem(403, "forbidden");
        }
    });
}

#[test]
fn a_foreign_event_is_a_missing_one_to_every_act() {
    run(async |app| {
        let (regency, other) = (app.regency().await, app.other_regency().await);
        let event = publish(&regency, bimtek("basic", "17.06", 5)).await;
        let person = candidates(&regency, KOTO_JAYA, 1).await.remove(0);
        let seat = format!("/v1/training-enrolments/{}", enrol(&regency, &event, &person).await.expect(201).id());
        let reason = json!({ "reason": "budget" });
        let acts = [
            ("publish", json!({})),
            ("postpone", reason.clone()),
            ("republish", json!({ "sessions": [session(3)] })),
            ("start", json!({})),
            ("complete", json!({})),
            ("cancel", reason),
            ("enrolments", json!({ "volunteer_id": person })),
            ("attendance", json!({ "items": [{ "volunteer_id": person, "session": 1, "present": true }] })),
            ("results", json!({ "items": [{ "volunteer_id": person, "result": "passed" }] })),
        ];
        let missing = format!("{EVENTS}/{}", Uuid::now_v7());
        for (action, body) in acts {
            let post = async |path: &str| other.act(&format!("{path}/{action}"), "\"1-x\"", body.clone()).await;
            assert_eq!(
                post(&event).await.problem(404, "not_found").anonymous(),
                post(&missing).await.anonymous(),
                "{action}"
            );
        }
        let patch = async |path: &str| other.patch(path, "\"1-x\"", json!({})).await;
        assert_eq!(patch(&event).await.problem(404, "not_found").anonymous(), patch(&missing).await.anonymous());
        let none = format!("/v1/training-enrolments/{}", Uuid::now_v7());
        assert_eq!(other.get(&seat).await.problem(404, "not_found").anonymous(), other.get(&none).await.anonymous());
        let leave = async |path: &str| other.act(&format!("{path}/withdraw"), "\"1-x\"", json!({})).await;
        assert_eq!(leave(&seat).await.problem(404, "not_found").anonymous(), leave(&none).await.anonymous());
        other.get(&format!("/v1/volunteers/{person}/training")).await.problem(404, "not_found");
        // who sees it and does not organise it is told so
        let (village, province) = (app.village().await, app.province().await);
        act(&province, &event, "start", json!({})).await.problem(403, "not_the_organiser");
        results(&province, &event, &person, "passed").await.problem(403, "not_the_organiser");
        enrol(&province, &event, &person).await.problem(403, "enrolment_not_in_authority");
        province.patch(&event, "\"1-x\"", json!({})).await.problem(403, "not_the_organiser");
        village.act(&format!("{event}/start"), "\"1-x\"", json!({})).await.problem(403, "forbidden");
    });
}

#[test]
fn each_enrols_its_own_and_sees_its_own() {
    run(async |app| {
        let (regency, village, phone) = (app.regency().await, app.village().await, app.phone().await);
        let event = publish(&regency, bimtek("basic", "17.06", 9)).await;
        let own = phone.credential.as_ref().unwrap().volunteer_id.clone().unwrap();
        let elsewhere = candidates(&regency, BANDAR_RATU, 1).await.remove(0);
        for client in [&village, &phone] {
            let refused = enrol(client, &event, &elsewhere).await.problem(422, "rule_broken");
            refused.blames("/volunteer_id", "volunteer_unknown");
        }
        let seat = enrol(&phone, &event, &own).await.expect(201);
        assert_eq!(seat.header("location"), format!("{}/v1/training-enrolments/{}", app.base, seat.id()));
        assert_eq!(enrol(&village, &event, &own).await.problem(409, "already_enrolled").json["id"], seat.id());
        enrol(&regency, &event, &elsewhere).await.expect(201);
        for (client, count) in
            [(&regency, 2), (&village, 1), (&phone, 1), (&app.ministry().await, 2), (&app.other_village().await, 1)]
        {
            let list = client.get(&format!("{event}/enrolments")).header("prefer", "count=exact").await.expect(200);
            assert_eq!((list.json["items"].as_array().unwrap().len(), &list.json["total"]), (count, &json!(count)));
            assert!(list.json["items"].as_array().unwrap().iter().all(|item| item["name"].is_string()));
        }
        let shown = app
            .texts(
                "SELECT cardinality(person_ids) FROM audit_events WHERE action = 'training_enrolment.list' ORDER BY at",
            )
            .await;
        assert_eq!(shown, ["2", "1", "1", "2", "1"]);
        // a phone of the organiser is not the organiser
        let seat_of_other = regency.get(&format!("{event}/enrolments?limit=1")).await.json["next_cursor"].clone();
        assert!(seat_of_other.is_string());
        let other =
            regency.get(&format!("{event}/enrolments")).await.json["items"][1]["id"].as_str().unwrap().to_owned();
        phone.get(&format!("/v1/training-enrolments/{other}")).await.problem(404, "not_found");

        let path = format!("/v1/training-enrolments/{}", seat.id());
        let etag = phone.get(&path).await.expect(200).header("etag").to_owned();
        phone.act(&format!("{path}/withdraw"), "\"9-x\"", json!({})).await.problem(412, "stale");
        let left = phone.act(&format!("{path}/withdraw"), &etag, json!({})).key("leave").await.expect(200);
        assert_eq!(left.json["state"], "withdrawn");
        assert_eq!(
            phone.act(&format!("{path}/withdraw"), &etag, json!({})).key("leave").await.expect(200).text,
            left.text
        );
        phone.act(&format!("{path}/withdraw"), &etag, json!({})).await.problem(409, "enrolment_state_conflict");
        assert_eq!(regency.get(&event).await.json["seats_taken"], 1);
        assert_eq!(enrol(&phone, &event, &own).await.expect(201).id(), seat.id());
        assert_eq!(regency.get(&event).await.json["seats_taken"], 2);
        // nobody leaves what has begun
        act(&regency, &event, "start", json!({})).await.expect(200);
        act(&phone, &path, "withdraw", json!({})).await.problem(409, "training_state_conflict");
        enrol(&village, &event, &candidates(&village, KOTO_JAYA, 1).await[0])
            .await
            .problem(409, "training_state_conflict");
    });
}

#[test]
fn who_has_left_or_is_elsewhere_gets_no_seat() {
    run(async |app| {
        let (regency, province) = (app.regency().await, app.province().await);
        let event = publish(&province, bimtek("other", "17.06", 9)).await;
        let elsewhere = candidates(&province, BENGKULU_SELATAN, 1).await.remove(0);
        enrol(&province, &event, &elsewhere)
            .await
            .problem(422, "rule_broken")
            .blames("/volunteer_id", "outside_region");
        let person = candidates(&regency, KOTO_JAYA, 1).await.remove(0);
        let path = format!("/v1/volunteers/{person}");
        act(&regency, &path, "reject", json!({ "reason": "quota_full" })).await.expect(200);
        enrol(&regency, &event, &person)
            .await
            .problem(422, "rule_broken")
            .blames("/volunteer_id", "volunteer_has_left");
        enrol(&regency, &event, &Uuid::now_v7().to_string())
            .await
            .problem(422, "rule_broken")
            .blames("/volunteer_id", "volunteer_unknown");
    });
}

#[test]
fn enrolment_has_its_time() {
    run(async |app| {
        let (regency, village) = (app.regency().await, app.village().await);
        let mut new = bimtek("basic", "17.06", 9);
        new["enrolment_opens_at"] = json!(Utc::now() + TimeDelta::days(1));
        new["enrolment_closes_at"] = json!(Utc::now() + TimeDelta::days(2));
        let event = prepare(&regency, new).await;
        let people = candidates(&village, KOTO_JAYA, 3).await;
        enrol(&regency, &event, &people[0]).await.problem(409, "training_state_conflict");
        act(&regency, &event, "publish", json!({})).await.expect(200);
        let closed = enrol(&village, &event, &people[0]).await.problem(409, "enrolment_closed");
        assert!(closed.json["opens_at"].is_string() && closed.json["closes_at"].is_string());
        app.pass(TimeDelta::days(1));
        let (regency, village) = (app.regency().await, app.village().await);
        enrol(&village, &event, &people[0]).await.expect(201);
        app.pass(TimeDelta::days(1));
        let (regency2, village) = (app.regency().await, app.village().await);
        enrol(&village, &event, &people[1]).await.problem(409, "enrolment_closed");
        // the organiser adds who stands at the door
        enrol(&regency2, &event, &people[1]).await.expect(201);
        act(&regency2, &event, "start", json!({})).await.expect(200);
        enrol(&regency2, &event, &people[2]).await.expect(201);
        drop(regency);
    });
}

#[test]
fn one_person_gets_one_seat_however_often_it_asks() {
    run(async |app| {
        let (regency, village) = (app.regency().await, app.village().await);
        let people = candidates(&regency, KOTO_JAYA, usize::try_from(rounds(40)).unwrap()).await;
        let event = publish(&regency, bimtek("basic", "17.06", 500)).await;
        for (taken, person) in people.iter().enumerate() {
            let path = format!("{event}/enrolments");
            let posts = (0..16).map(|n| if n % 2 == 0 { &regency } else { &village });
            let posts = posts.map(|client| client.post(&path, json!({ "volunteer_id": person })).settled());
            let replies = futures_util::future::join_all(posts).await;
            assert_eq!(replies.iter().filter(|reply| reply.status == 201).count(), 1);
            assert_eq!(replies.iter().filter(|reply| reply.code() == "already_enrolled").count(), 15);
            assert_eq!(regency.get(&event).await.json["seats_taken"], taken + 1);
        }
    });
}

/// What the code does not do, the database does not let be done either.
#[test]
fn the_database_refuses_what_the_rules_refuse() {
    run(async |app| {
        let regency = app.regency().await;
        let event = publish(&regency, bimtek("basic", "17.06", 1)).await;
        let id = event.rsplit('/').next().unwrap().to_owned();
        let people = candidates(&regency, KOTO_JAYA, 2).await;
        enrol(&regency, &event, &people[0]).await.expect(201);
        use diesel_async::SimpleAsyncConnection;
        let mut conn = app.connect().await;
        for (sql, constraint) in [
            (
                format!(
                    "INSERT INTO training_enrolments (id, event_id, volunteer_id, state, state_since, state_by, created_at) VALUES (gen_random_uuid(), '{id}', '{}', 'enrolled', now(), gen_random_uuid(), now())",
                    people[1]
                ),
                "training_events_seats",
            ),
            (
                format!(
                    "INSERT INTO training_enrolments (id, event_id, volunteer_id, state, state_since, state_by, created_at) VALUES (gen_random_uuid(), '{id}', '{}', 'withdrawn', now(), gen_random_uuid(), now())",
                    people[0]
                ),
                "training_enrolments_one_seat",
            ),
            (format!("UPDATE training_events SET state = 'completed' WHERE id = '{id}'"), "does not go"),
            (format!("UPDATE training_events SET capacity = 0 WHERE id = '{id}'"), "training_events_"),
            (
                format!("UPDATE training_events SET level = 'advanced' WHERE id = '{id}'"),
                "training_events_level_in_authority",
            ),
            (
                format!(
                    "UPDATE training_enrolments SET result = 'passed', result_at = now(), result_by = gen_random_uuid() WHERE event_id = '{id}'"
                ),
                "no result before",
            ),
            ("DELETE FROM training_event_history".to_owned(), "append only"),
        ] {
            let refused = conn.batch_execute(&sql).await.unwrap_err().to_string();
            assert!(refused.contains(constraint), "{sql}: {refused}");
        }
    });
}

#[test]
fn moves_leave_history_and_late_ones_are_told_what_is() {
    run(async |app| {
        let regency = app.regency().await;
        let event = prepare(&regency, bimtek("basic", "17.06", 9)).await;
        let etag = regency.get(&event).await.header("etag").to_owned();
        let first = regency.act(&format!("{event}/publish"), &etag, json!({})).key("once").await.expect(200);
        let again = regency.act(&format!("{event}/publish"), &etag, json!({})).key("once").await.expect(200);
        assert_eq!((first.text, again.header("idempotency-replayed")), (again.text.clone(), "true"));
        let late =
            regency.act(&format!("{event}/publish"), &etag, json!({})).await.problem(409, "training_state_conflict");
        assert_eq!((&late.json["state"], &late.json["by"]), (&json!("published"), &json!(regency.agency)));
        regency.act(&format!("{event}/start"), &etag, json!({})).await.problem(412, "stale");
        act(&regency, &event, "postpone", json!({ "reason": "entered_by_mistake" }))
            .await
            .problem(422, "rule_broken")
            .blames("/reason", "code_unknown");
        act(&regency, &event, "postpone", json!({ "reason": "other" }))
            .await
            .problem(422, "rule_broken")
            .blames("/note", "required");
        let put_off =
            act(&regency, &event, "postpone", json!({ "reason": "other", "note": "Banjir" })).await.expect(200);
        assert_eq!((&put_off.json["reason"], &put_off.json["note"]), (&json!("other"), &json!("Banjir")));
        let dates = json!({ "sessions": [session(40)] });
        let back = act(&regency, &event, "republish", dates).await.expect(200);
        assert_eq!(
            (&back.json["state"], back.json["sessions"].as_array().unwrap().len(), &back.json["reason"]),
            (&json!("published"), 1, &Value::Null)
        );
        act(&regency, &event, "start", json!({})).await.expect(200);
        act(&regency, &event, "complete", json!({})).await.expect(200);
        act(&regency, &event, "cancel", json!({ "reason": "budget" })).await.problem(409, "training_state_conflict");
        let history = regency.get(&format!("{event}/history")).await.expect(200);
        let actions: Vec<_> =
            history.json["items"].as_array().unwrap().iter().map(|row| row["action"].clone()).collect();
        assert_eq!(actions, ["create", "publish", "postpone", "republish", "start", "complete"]);
        // deciding takes somebody at the keyboard
        let token = regency.ask_token(&[]).await.json["access_token"].as_str().unwrap().to_owned();
        let nobody = regency.with_token(&token);
        nobody
            .act(&format!("{event}/cancel"), "\"1-x\"", json!({ "reason": "budget" }))
            .await
            .problem(403, "acting_user_required");
        results(&nobody, &event, &Uuid::now_v7().to_string(), "passed").await.problem(403, "acting_user_required");
    });
}

#[test]
fn those_enrolled_are_told_of_a_postponement() {
    run(async |app| {
        let (regency, phone) = (app.regency().await, app.phone().await);
        let event = publish(&regency, bimtek("basic", "17.06", 9)).await;
        let own = phone.credential.as_ref().unwrap().volunteer_id.clone().unwrap();
        enrol(&phone, &event, &own).await.expect(201);
        let mut phone = Follower::new(phone).await;
        let put_off = act(&regency, &event, "postpone", json!({ "reason": "disaster" })).await.expect(200).json;
        let told = json!({ "type": "training_event", "id": put_off["id"], "version": put_off["version"], "op": "upsert",
            "at": put_off["updated_at"] });
        assert_eq!(phone.news().await, [told]);
    });
}

#[test]
fn a_create_with_an_id_of_its_own_is_repeatable() {
    run(async |app| {
        let regency = app.regency().await;
        let mut new = bimtek("basic", "17.06", 9);
        new["id"] = json!(Uuid::now_v7());
        let first = regency.post(EVENTS, new.clone()).await.expect(201);
        assert_eq!(regency.post(EVENTS, new.clone()).await.expect(200).text, first.text);
        assert_eq!(regency.get(&format!("{EVENTS}/{}", first.id())).await.text, first.text);
        app.other_regency().await.post(EVENTS, json!({ "id": new["id"], "level": "basic", "title": "X", "region_code": "15.01", "venue": "Y", "sessions": [session(1)], "capacity": 1 })).await.problem(409, "id_taken");
        new["capacity"] = json!(8);
        regency.post(EVENTS, new.clone()).await.problem(409, "id_taken");
        for _ in 0..rounds(10) {
            new["id"] = json!(Uuid::now_v7());
            let posts = (0..16).map(|_| regency.post(EVENTS, new.clone()).settled());
            let replies = futures_util::future::join_all(posts).await;
            assert_eq!(replies.iter().filter(|reply| reply.status == 201).count(), 1);
            assert!(replies.iter().all(|reply| matches!(reply.status, 200 | 201) || reply.code() == "id_taken"));
        }
    });
}

#[test]
fn what_is_planned_may_change_until_it_begins() {
    run(async |app| {
        let regency = app.regency().await;
        let event = prepare(&regency, bimtek("basic", "17.06", 9)).await;
        let patch = async |body: Value| {
            let etag = regency.get(&event).await.header("etag").to_owned();
            regency.patch(&event, &etag, body).await
        };
        let closes = Utc::now() + TimeDelta::days(5);
        let changed = patch(json!({ "title": "Bimtek II", "sessions": [session(20)], "enrolment_closes_at": closes }))
            .await
            .expect(200);
        assert_eq!(
            (&changed.json["title"], changed.json["sessions"].as_array().unwrap().len()),
            (&json!("Bimtek II"), 1)
        );
        assert_eq!(changed.json["starts_at"], changed.json["sessions"][0]["starts_at"]);
        assert_ne!(changed.json["enrolment_closes_at"], changed.json["starts_at"]);
        let cleared = patch(json!({ "enrolment_closes_at": null })).await.expect(200);
        assert_eq!(cleared.json["enrolment_closes_at"], cleared.json["starts_at"]);
        patch(json!({ "level": "other" })).await.problem(400, "malformed").blames("/level", "unknown_field");
        patch(json!({ "title": null })).await.problem(400, "malformed").blames("/title", "wrong_type");
        act(&regency, &event, "publish", json!({})).await.expect(200);
        patch(json!({ "sessions": [session(20)] }))
            .await
            .problem(422, "rule_broken")
            .blames("/sessions", "postpone_instead");
        for person in candidates(&regency, KOTO_JAYA, 2).await {
            enrol(&regency, &event, &person).await.expect(201);
        }
        patch(json!({ "capacity": 1 })).await.problem(422, "rule_broken").blames("/capacity", "fewer_than_taken");
        assert_eq!(patch(json!({ "capacity": 2 })).await.expect(200).json["capacity"], 2);
        regency.patch(&event, "\"1-x\"", json!({})).await.problem(412, "stale");
        act(&regency, &event, "start", json!({})).await.expect(200);
        patch(json!({ "title": "X" })).await.problem(409, "training_state_conflict");
    });
}

#[test]
fn what_is_wrong_is_named() {
    run(async |app| {
        let regency = app.regency().await;
        let with = |field: &str, value: Value| {
            let mut new = bimtek("basic", "17.06", 9);
            new[field] = value;
            new
        };
        for (field, value, place, code) in [
            ("capacity", json!(0), "/capacity", "out_of_range"),
            ("capacity", json!(10001), "/capacity", "out_of_range"),
            ("sessions", json!([]), "/sessions", "out_of_range"),
            (
                "sessions",
                json!([{ "starts_at": "2026-01-01T08:00:00", "ends_at": "2026-01-01T09:00:00Z" }]),
                "/sessions/0/starts_at",
                "moment_malformed",
            ),
            (
                "sessions",
                json!([{ "starts_at": "9999-01-01T08:00:00Z", "ends_at": "9999-01-01T09:00:00Z" }]),
                "/sessions/0/ends_at",
                "moment_malformed",
            ),
            ("level", json!("expert"), "/level", "unknown_value"),
            ("title", json!(""), "/title", "required"),
            ("seats_taken", json!(1), "/seats_taken", "unknown_field"),
        ] {
            regency.post(EVENTS, with(field, value)).await.problem(400, "malformed").blames(place, code);
        }
        let (one, two) = (session(1), session(2));
        for (field, value, place, code) in [
            ("sessions", json!([two, one]), "/sessions/1/starts_at", "sessions_overlap"),
            (
                "sessions",
                json!([{ "starts_at": one["ends_at"], "ends_at": one["starts_at"] }]),
                "/sessions/0/ends_at",
                "ends_before_start",
            ),
            (
                "enrolment_opens_at",
                json!(Utc::now() + TimeDelta::days(100)),
                "/enrolment_closes_at",
                "closes_before_opening",
            ),
            ("region_code", json!("17.06.99"), "/region_code", "region_unknown"),
        ] {
            regency.post(EVENTS, with(field, value)).await.problem(422, "rule_broken").blames(place, code);
        }
        for query in ["starts_from=2026-01-01", "starts_before=-9999-01-01T00:00:00Z", "state=gone", "level=x"] {
            let name = query.split('=').next().unwrap();
            let reply = regency.get(&format!("{EVENTS}?{query}")).await.problem(400, "malformed");
            assert_eq!(reply.json["errors"][0]["parameter"], name);
        }
        let event = publish(&regency, bimtek("basic", "17.06", 9)).await;
        let id = Uuid::now_v7();
        let twice = json!({ "items": [{ "volunteer_id": id, "session": 1, "present": true }, { "volunteer_id": id, "session": 1, "present": false }] });
        regency
            .post(&format!("{event}/attendance"), twice)
            .await
            .problem(422, "rule_broken")
            .blames("/items/1", "given_twice");
        let item = json!({ "items": [{ "volunteer_id": id, "session": 0, "present": true }] });
        let none = regency.post(&format!("{event}/attendance"), item).await.problem(400, "malformed");
        none.blames("/items/0/session", "out_of_range");
        regency
            .post(&format!("{event}/results"), json!({ "items": [] }))
            .await
            .problem(400, "malformed")
            .blames("/items", "out_of_range");
    });
}

#[test]
fn what_a_device_noted_earlier_does_not_replace_what_was_noted_later() {
    run(async |app| {
        let regency = app.regency().await;
        let mut new = bimtek("basic", "17.06", 9);
        new["sessions"] = json!([session(0)]);
        let event = publish(&regency, new).await;
        let person = candidates(&regency, KOTO_JAYA, 1).await.remove(0);
        enrol(&regency, &event, &person).await.expect(201);
        let note = async |minutes: i64, present: bool| {
            let at = app.clock.now() + TimeDelta::minutes(minutes);
            let item = json!({ "volunteer_id": person, "session": 1, "present": present, "device_at": at });
            let reply = regency.post(&format!("{event}/attendance"), json!({ "items": [item] })).await.expect(200);
            reply.json["items"][0]["outcome"].clone()
        };
        assert_eq!(note(-30, true).await, "recorded");
        assert_eq!(note(-40, false).await, "superseded");
        assert_eq!(note(-10, true).await, "unchanged");
        assert_eq!(note(-20, false).await, "superseded");
        // a clock that is ahead keeps nobody out
        assert_eq!(note(600, false).await, "recorded");
        assert_eq!(note(0, true).await, "recorded");
        let seat = regency.get(&format!("{event}/enrolments")).await.expect(200);
        assert_eq!(seat.json["items"][0]["attended"], json!([1]));
        // its phone has it at once
        let training = regency.get(&format!("/v1/volunteers/{person}/training")).await.expect(200);
        assert_eq!(training.json["items"][0]["attended"], json!([1]));
    });
}

#[test]
fn the_list_pages_in_the_order_of_the_start() {
    run(async |app| {
        let regency = app.regency().await;
        for days in [30, 5, 5, 12] {
            let mut new = bimtek("basic", "17.06.02", 9);
            new["sessions"] = json!([session(days)]);
            prepare(&regency, new).await;
        }
        let from = Utc::now().format("%Y-%m-%dT%H:%M:%SZ");
        let query = format!("{EVENTS}?region=17.06.02&level=basic&state=draft&starts_from={from}");
        let whole = regency.get(&query).await.expect(200);
        let starts: Vec<_> =
            whole.json["items"].as_array().unwrap().iter().map(|item| item["starts_at"].to_string()).collect();
        assert!(starts.len() == 4 && starts.is_sorted());
        let first = regency.get(&format!("{query}&limit=2")).await.expect(200);
        let second = regency
            .get(&format!("{EVENTS}?limit=2&cursor={}", first.json["next_cursor"].as_str().unwrap()))
            .await
            .expect(200);
        let both = [first.json["items"].as_array().unwrap().clone(), second.json["items"].as_array().unwrap().clone()]
            .concat();
        assert_eq!(&both, whole.json["items"].as_array().unwrap());
        assert_eq!(second.json["next_cursor"], Value::Null);
        assert_eq!(regency.get(&format!("{query}&starts_before={from}")).await.json["items"], json!([]));
        // as many statements for many as for one
        assert_eq!(app.calls_of(async || drop(regency.get(&query).await.expect(200))).await, 2);
    });
}

#[test]
fn the_demo_has_the_founding_event() {
    run(async |app: &TestApp| {
        let regency = app.regency().await;
        let found = regency
            .get(&format!("{EVENTS}?region=17.06&state=completed&starts_before=2023-05-18T00:00:00%2B07:00"))
            .await
            .expect(200);
        let event = &found.json["items"][0];
        assert_eq!(
            (&event["venue"], &event["seats_taken"], &event["capacity"]),
            (&json!("Aula Bappelitbang"), &json!(75), &json!(75))
        );
        assert_eq!(
            (&event["starts_at"], &event["time_zone"]),
            (&json!("2023-05-17T01:30:00Z"), &json!("Asia/Jakarta"))
        );
        assert_eq!(event["speaker_agencies"].as_array().unwrap().len(), 3);
        let seats =
            regency.get(&format!("{EVENTS}/{}/enrolments?limit=200", event["id"].as_str().unwrap())).await.expect(200);
        let seats = seats.json["items"].as_array().unwrap().clone();
        assert!(
            seats.len() == 75
                && seats.iter().all(|seat| seat["result"] == "passed" && seat["attended"] == json!([1, 2]))
        );
        let basic =
            regency.get("/v1/volunteers?level=basic&status=active").header("prefer", "count=exact").await.expect(200);
        assert_eq!(basic.json["total"], 75);
        let phone = app.phone().await;
        let open = phone.get(&format!("{EVENTS}?state=published")).await.expect(200);
        let path = format!("{EVENTS}/{}", open.json["items"][0]["id"].as_str().unwrap());
        enrol(&phone, &path, &phone.credential.as_ref().unwrap().volunteer_id.clone().unwrap()).await.expect(201);
    });
}

//! One person once: who is alike, whose NIK two rows have, and what is merged.
use crate::support::{Client, Reply, TestApp, a_name, rounds, run};
use serde_json::{Value, json};

const NIK: &str = "1706024508950001";
const KOTO_JAYA: &str = "17.06.02.1017";
const BANDAR_RATU: &str = "17.06.02.1018";

fn siti(village: &str) -> Value {
    json!({ "village_code": village, "name": "Siti Aminah", "birth_date": "1995-08-05" })
}

async fn register(client: &Client<'_>, body: Value) -> Reply {
    client.post("/v1/volunteers", body).await.expect(201)
}

fn path(reply: &Reply) -> String {
    format!("/v1/volunteers/{}", reply.id())
}

/// Merges one into another, both as they are now.
async fn merge(client: &Client<'_>, survivor: &str, duplicate: &str) -> Reply {
    let etag = client.get(&format!("/v1/volunteers/{survivor}")).await.expect(200).header("etag").to_owned();
    let other = client.get(&format!("/v1/volunteers/{duplicate}")).await.expect(200);
    let order =
        json!({ "duplicate_id": duplicate, "duplicate_version": other.json["version"], "reason": "registered_twice" });
    client.act(&format!("/v1/volunteers/{survivor}/merge"), &etag, order).await
}

async fn undo(client: &Client<'_>, survivor: &str, duplicate: &str) -> Reply {
    let etag = client.get(&format!("/v1/volunteers/{survivor}")).await.expect(200).header("etag").to_owned();
    client.act(&format!("/v1/volunteers/{survivor}/undo-merge"), &etag, json!({ "duplicate_id": duplicate })).await
}

async fn ids(client: &Client<'_>) -> Vec<String> {
    let list = client.get("/v1/volunteers?limit=200").await.expect(200);
    list.json["items"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

/// Volunteers of Mukomuko as the figures have them, which must be as many as the list has.
async fn total(app: &TestApp) -> i64 {
    let regency = app.regency().await;
    let figures = regency.get("/v1/statistics/volunteers").await.expect(200);
    let list = regency.get("/v1/volunteers?limit=1").header("prefer", "count=exact").await.expect(200);
    assert_eq!(figures.json["total"], list.json["total"]);
    figures.json["total"].as_i64().unwrap()
}

async fn changes(app: &TestApp, id: &str) -> Vec<String> {
    app.texts(&format!(
        "SELECT op || coalesce(' ' || redirected_to::text, '') FROM changes WHERE entity_id = '{id}' ORDER BY seq"
    ))
    .await
}

#[test]
fn who_is_alike_is_offered_and_overridden_with_a_reason() {
    run(async |app| {
        let (village, regency) = (app.village().await, app.regency().await);
        let first = register(&village, siti(KOTO_JAYA)).await;
        for name in ["siti aminah", "Aminah, Siti", "Siti Amniah", "Siti", "Hj. Siti Aminah, S.Sos."] {
            let mut again = siti(KOTO_JAYA);
            again["name"] = json!(name);
            let refused = regency.post("/v1/volunteers", again).await.problem(409, "volunteer_alike");
            assert_eq!(refused.json["candidates"], json!([{ "id": first.id(), "status": "candidate" }]), "{name}");
            assert!(!refused.text.to_lowercase().contains("aminah"));
        }
        // without a birth date only an equal name is the same
        let without = |name: &str| json!({ "village_code": KOTO_JAYA, "name": name });
        regency.post("/v1/volunteers", without("SITI AMINAH")).await.problem(409, "volunteer_alike");
        register(&regency, without("Siti")).await;
        // another birth date, another village
        let mut other = siti(KOTO_JAYA);
        other["birth_date"] = json!("1995-08-06");
        register(&regency, other).await;
        register(&regency, siti(BANDAR_RATU)).await;
        // said to be another person
        let mut another = siti(KOTO_JAYA);
        for reason in ["same_nik", "unheard_of"] {
            another["override_duplicate"] = json!({ "reason": reason });
            let refused = regency.post("/v1/volunteers", another.clone()).await.problem(422, "rule_broken");
            refused.blames("/override_duplicate/reason", "code_unknown");
        }
        another["override_duplicate"] = json!({ "reason": "namesakes" });
        let made = register(&regency, another.clone()).await;
        let detail = format!(
            "SELECT detail FROM audit_events WHERE action = 'volunteer.create' AND '{}' = ANY (subject_ids)",
            made.id()
        );
        assert_eq!(app.texts(&detail).await, ["namesakes"]);
        // an equal NIK cannot be overridden
        let mut nik = siti(KOTO_JAYA);
        (nik["nik"], nik["birth_date"]) = (json!(NIK), json!("1990-01-01"));
        let holder = register(&regency, nik.clone()).await;
        nik["override_duplicate"] = json!({ "reason": "namesakes" });
        let refused = regency.post("/v1/volunteers", nik).await.problem(409, "volunteer_exists");
        assert_eq!(refused.json["id"], holder.id());
    });
}

#[test]
fn alike_at_once_are_registered_once() {
    run(async |app| {
        let regency = app.regency().await;
        for round in 0..rounds(40) {
            let mut new = siti(KOTO_JAYA);
            new["name"] = json!(["Siti Aminah", "Siti Zubaidah"][usize::from(round % 2 == 0)]);
            new["birth_date"] = json!(format!("19{}-03-{:02}", 60 + round / 28, 1 + round % 28));
            let posts = (0..12).map(|_| regency.post("/v1/volunteers", new.clone()).settled());
            let replies = futures_util::future::join_all(posts).await;
            let made: Vec<_> = replies.iter().filter(|reply| reply.status == 201).collect();
            assert_eq!(made.len(), 1);
            let refused = replies.iter().filter(|reply| reply.code() == "volunteer_alike");
            assert_eq!(refused.filter(|reply| reply.json["candidates"][0]["id"] == made[0].id()).count(), 11);
        }
    });
}

#[test]
fn the_region_above_both_gets_a_disputed_pair() {
    run(async |app| {
        let (regency, neighbour, province) = (app.regency().await, app.neighbour_regency().await, app.province().await);
        let queue = "/v1/volunteers/duplicates";
        let mut new = siti(KOTO_JAYA);
        new["nik"] = json!(NIK);
        let first = register(&regency, new.clone()).await;
        let place = &neighbour.get("/v1/volunteers").await.expect(200).json["items"][0]["village_code"];
        new["village_code"] = place.clone();
        let later = register(&neighbour, new).await;
        for (who, client) in app.roles().await {
            let reply = client.get(queue).await;
            let pairs = match reply.status {
                200 => reply.json["items"].as_array().unwrap().len(),
                401 | 403 => continue,
                status => panic!("{who}: {status}"),
            };
            let above = ["ministry", "province"].contains(&who);
            assert_eq!(pairs, usize::from(above), "{who}");
        }
        let pair = &province.get(queue).await.expect(200).json["items"][0];
        assert_eq!((&pair["volunteer"]["id"], &pair["holder"]["id"]), (&json!(later.id()), &json!(first.id())));
        assert_eq!(pair["holder"]["person"]["nik"], "************0001");
        let shown = "SELECT count(*) FROM audit_events WHERE action = 'volunteer.list_duplicates' AND cardinality(person_ids) = 2";
        assert!(app.number(shown).await >= 1);
        // the holder's was wrong: the other one has it undisputed, and nobody else is told
        let etag = regency.get(&path(&first)).await.expect(200).header("etag").to_owned();
        regency.patch(&path(&first), &etag, json!({ "nik": null })).await.expect(200);
        assert_eq!(province.get(queue).await.expect(200).json["items"], json!([]));
        let state = format!("SELECT identity_state FROM volunteer_people WHERE volunteer_id = '{}'", later.id());
        assert_eq!(app.texts(&state).await, ["sole"]);
        assert_eq!(neighbour.get(&path(&later)).await.expect(200).json["version"], 1);
    });
}

/// A case that the volunteer reported, with a referral; a seat in an event.
async fn work(client: &Client<'_>, volunteer: &str) -> (String, String, String) {
    let case = json!({ "village_code": KOTO_JAYA, "person": { "name": "Mbah Karto", "age_estimate": 78 }, "volunteer_id": volunteer,
        "ppks": ["PPKS-08"], "need": "Tinggal sendiri.", "lawful_basis": "vital_interest",
        "referral": { "target_agency_id": client.agency, "service": "neglected_elder_care" } });
    let case = client.post("/v1/cases", case).await.expect(201);
    let begins = chrono::Utc::now() + chrono::TimeDelta::days(10);
    let event = json!({ "level": "basic", "title": "Bimtek", "region_code": KOTO_JAYA, "venue": "Aula", "capacity": 9,
        "sessions": [{ "starts_at": begins, "ends_at": begins + chrono::TimeDelta::hours(2) }] });
    let event = client.post("/v1/training-events", event).await.expect(201);
    let at = format!("/v1/training-events/{}", event.id());
    client.act(&format!("{at}/publish"), event.header("etag"), json!({})).await.expect(200);
    let seat = json!({ "volunteer_id": volunteer });
    client.post(&format!("{at}/enrolments"), seat).await.expect(201);
    (case.id(), case.json["referral_id"].as_str().unwrap().to_owned(), event.id())
}

async fn seats(client: &Client<'_>, event: &str) -> Vec<String> {
    let list = client.get(&format!("/v1/training-events/{event}/enrolments")).await.expect(200);
    list.json["items"].as_array().unwrap().iter().map(|one| one["volunteer_id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_merged_volunteer_leads_to_the_other_with_all_that_it_did_and_back() {
    run(async |app| {
        let (regency, village) = (app.regency().await, app.village().await);
        let before = total(app).await;
        let keeper = json!({ "village_code": KOTO_JAYA, "name": "Siti Aminah", "phone": "0812 0000 9999" });
        let keeper = register(&regency, keeper).await.id();
        let mut twin = siti(KOTO_JAYA);
        (twin["nik"], twin["phone"], twin["override_duplicate"]) =
            (json!(NIK), json!("0812 0000 1111"), json!({ "reason": "namesakes" }));
        let twin = register(&regency, twin).await.id();
        let (case, referral, event) = work(&regency, &twin).await;
        let one = format!("/v1/volunteers/{twin}");

        let merged = merge(&regency, &keeper, &twin).await.expect(200);
        assert_eq!(merged.id(), keeper);
        // what it lacked it took over, what it had stayed
        let person = &merged.json["person"];
        assert_eq!((&person["birth_date"], &person["nik"]), (&json!("1995-08-05"), &json!("************0001")));
        assert_eq!(person["phone"], "+6281200009999");
        let revealed =
            regency.post(&format!("/v1/volunteers/{keeper}/reveal"), json!({ "purpose": "identity_check" })).await;
        assert_eq!(revealed.expect(200).json["nik"], NIK);
        // the other id leads on, to whoever sees the survivor
        for below in ["", "/history", "/postings", "/merges", "/training"] {
            let moved = village.get(&format!("{one}{below}")).await.expect(308);
            assert_eq!(moved.header("location"), format!("{}/v1/volunteers/{keeper}{below}", app.base), "{below}");
        }
        app.other_regency().await.get(&one).await.problem(404, "not_found");
        let changed =
            regency.patch(&one, "\"1-a\"", json!({ "occupation": "Petani" })).await.problem(409, "volunteer_merged");
        assert_eq!(changed.json["id"], keeper);
        regency.act(&format!("{one}/verify"), "\"1-a\"", json!({})).await.problem(409, "volunteer_merged");
        // it is in no list, search or figure
        assert!(!ids(&regency).await.contains(&twin));
        assert_eq!(total(app).await, before + 1);
        let found =
            regency.post("/v1/volunteers/search", json!({ "nik": NIK, "purpose": "identity_check" })).await.expect(200);
        assert_eq!(found.json["items"].as_array().unwrap().len(), 1);
        // what it did is the survivor's
        assert_eq!(regency.get(&format!("/v1/cases/{case}")).await.expect(200).json["volunteer_id"], keeper);
        assert_eq!(regency.get(&format!("/v1/referrals/{referral}")).await.expect(200).json["volunteer_id"], keeper);
        assert_eq!(seats(&regency, &event).await, [keeper.as_str()]);
        assert_eq!(changes(app, &twin).await.last().unwrap(), &format!("redirected {keeper}"));
        let told = regency.get(&format!("/v1/volunteers/{keeper}/merges")).await.expect(200);
        assert_eq!(told.json["items"][0]["filled"], json!(["birth_date", "nik"]));
        // once merged it is not merged again, nor is its NIK anyone else's
        let mut again = siti(KOTO_JAYA);
        again["nik"] = json!(NIK);
        let exists = regency.post("/v1/volunteers", again).await.problem(409, "volunteer_exists");
        assert_eq!(exists.json["id"], keeper);

        let parted = undo(&regency, &keeper, &twin).await.expect(200);
        assert_eq!((&parted.json["person"]["birth_date"], &parted.json["person"]["nik"]), (&Value::Null, &Value::Null));
        let back = regency.get(&one).await.expect(200);
        assert_eq!(back.json["person"]["nik"], "************0001");
        assert_eq!(total(app).await, before + 2);
        assert_eq!(regency.get(&format!("/v1/cases/{case}")).await.expect(200).json["volunteer_id"], twin);
        assert_eq!(regency.get(&format!("/v1/referrals/{referral}")).await.expect(200).json["volunteer_id"], twin);
        assert_eq!(seats(&regency, &event).await, [twin.as_str()]);
        assert_eq!(changes(app, &twin).await.last().unwrap(), "upsert");
        let told = regency.get(&format!("/v1/volunteers/{keeper}/merges")).await.expect(200);
        assert!(told.json["items"][0]["undone_at"].is_string());
        undo(&regency, &keeper, &twin).await.problem(422, "rule_broken").blames("/duplicate_id", "not_merged");
    });
}

#[test]
fn a_chain_of_merges_leads_to_its_end_and_is_parted_link_by_link() {
    run(async |app| {
        let regency = app.regency().await;
        let new = || json!({ "village_code": KOTO_JAYA, "name": a_name() });
        let mut made = vec![];
        for _ in 0..3 {
            made.push(register(&regency, new()).await.id());
        }
        merge(&regency, &made[1], &made[0]).await.expect(200);
        merge(&regency, &made[2], &made[1]).await.expect(200);
        let leads_to = async |id: &str| {
            let reply = regency.get(&format!("/v1/volunteers/{id}")).await;
            if reply.status == 200 {
                String::new()
            } else {
                reply.expect(308).header("location").rsplit('/').next().unwrap().to_owned()
            }
        };
        assert_eq!([leads_to(&made[0]).await, leads_to(&made[1]).await], [made[2].as_str(), made[2].as_str()]);
        undo(&regency, &made[2], &made[0]).await.problem(422, "rule_broken").blames("/duplicate_id", "not_merged");
        undo(&regency, &made[2], &made[1]).await.expect(200);
        assert_eq!([leads_to(&made[0]).await.as_str(), &leads_to(&made[1]).await], [made[1].as_str(), ""]);
        app.sql("UPDATE volunteer_merges SET at = at - interval '30 days'").await;
        undo(&regency, &made[1], &made[0]).await.problem(409, "merge_final");
    });
}

#[test]
fn what_cannot_be_one_person_is_not_merged() {
    run(async |app| {
        let (regency, village, province) = (app.regency().await, app.village().await, app.province().await);
        let new = |village: &str| json!({ "village_code": village, "name": a_name() });
        let keeper = register(&regency, new(KOTO_JAYA)).await.id();
        let twin = register(&regency, new(KOTO_JAYA)).await.id();
        merge(&village, &keeper, &twin).await.problem(403, "forbidden");
        // not oneself, not one that is not there or elsewhere
        merge(&regency, &keeper, &keeper).await.problem(422, "rule_broken").blames("/duplicate_id", "same_volunteer");
        let away = register(&app.other_regency().await, new("15.01.01.2001")).await.id();
        let etag = regency.get(&format!("/v1/volunteers/{keeper}")).await.expect(200).header("etag").to_owned();
        for missing in [away, uuid::Uuid::now_v7().to_string()] {
            let order = json!({ "duplicate_id": missing, "duplicate_version": 1, "reason": "registered_twice" });
            let refused = regency.act(&format!("/v1/volunteers/{keeper}/merge"), &etag, order).await;
            refused.problem(422, "rule_broken").blames("/duplicate_id", "volunteer_unknown");
        }
        // both as they were read, and a reason of this act
        let order = |version, reason| json!({ "duplicate_id": twin, "duplicate_version": version, "reason": reason });
        let at = format!("/v1/volunteers/{keeper}/merge");
        regency.act(&at, "\"9-a\"", order(1, "registered_twice")).await.problem(412, "stale");
        regency.act(&at, &etag, order(9, "registered_twice")).await.problem(412, "stale");
        regency.act(&at, &etag, order(1, "twins")).await.problem(422, "rule_broken").blames("/reason", "code_unknown");
        // a seat each in one event
        let (_, _, event) = work(&regency, &keeper).await;
        let seat = json!({ "volunteer_id": twin });
        regency.post(&format!("/v1/training-events/{event}/enrolments"), seat).await.expect(201);
        let blocked = merge(&regency, &keeper, &twin).await.problem(409, "merge_blocked");
        assert_eq!(
            (&blocked.json["because"], &blocked.json["events"]),
            (&json!("seats_in_one_event"), &json!([event]))
        );
        // two NIKs are two persons
        let mut nik = new(KOTO_JAYA);
        nik["nik"] = json!(NIK);
        let first = register(&regency, nik.clone()).await.id();
        (nik["nik"], nik["name"]) = (json!("1706027108950001"), json!(a_name()));
        let second = register(&regency, nik).await.id();
        let blocked = merge(&province, &first, &second).await.problem(409, "merge_blocked");
        assert_eq!(blocked.json["because"], "niks_differ");
        // an appointed one does not vanish behind a candidate
        let active = regency.get("/v1/volunteers?status=active&limit=1").await.expect(200).json["items"][0]["id"]
            .as_str()
            .unwrap()
            .to_owned();
        let blocked = merge(&regency, &keeper, &active).await.problem(409, "merge_blocked");
        assert_eq!(blocked.json["because"], "duplicate_is_appointed");
    });
}

#[test]
fn merges_at_once_leave_one_survivor() {
    run(async |app| {
        let regency = app.regency().await;
        for _ in 0..rounds(40) {
            let new = || json!({ "village_code": KOTO_JAYA, "name": a_name() });
            let (one, other) = (register(&regency, new()).await, register(&regency, new()).await);
            let order = |duplicate: &str| json!({ "duplicate_id": duplicate, "duplicate_version": 1, "reason": "registered_twice" });
            let act = |survivor: &Reply, duplicate: &Reply| {
                regency
                    .act(&format!("{}/merge", path(survivor)), survivor.header("etag"), order(&duplicate.id()))
                    .settled()
            };
            let (here, there) = futures_util::future::join(act(&one, &other), act(&other, &one)).await;
            let mut statuses = [here.status, there.status];
            statuses.sort_unstable();
            assert!(statuses == [200, 409] || statuses == [200, 422], "{statuses:?}: {} {}", here.text, there.text);
            let merged = format!(
                "SELECT count(*) FROM volunteers WHERE merged_into IS NOT NULL AND id IN ('{}', '{}')",
                one.id(),
                other.id()
            );
            assert_eq!(app.number(&merged).await, 1);
        }
    });
}

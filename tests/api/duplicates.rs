//! One person once: who is alike, whose NIK two rows have, and what is merged.
use crate::support::{Client, Reply, TestApp, a_name, rounds, run, run_with};
use serde_json::{Value, json};
use simpul::platform::config::Config;
use simpul::platform::limits::Rate;

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
        let shown = "SELECT count(*) FROM audit_events WHERE action = 'volunteer.list' AND cardinality(person_ids) = 2 AND request_id IN (SELECT request_id FROM audit_events WHERE action = 'volunteer.list_duplicates')";
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
    let case = crate::cases::report(client, case).await;
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
        // what is passed on since is the survivor's, and goes back with the case
        let at = format!("/v1/referrals/{referral}");
        let province = app.agency("Dinas Sosial Provinsi Bengkulu").await;
        let onward = json!({ "target_agency_id": province, "reason": "capacity_exceeded" });
        crate::referrals::act(&regency, &at, "forward", onward).await.expect(200);
        let next = regency.get(&format!("/v1/referrals?case_id={case}")).await.expect(200).json["items"][0].clone();
        assert_eq!((&next["previous_referral_id"], &next["volunteer_id"]), (&json!(referral), &json!(keeper)));
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
        let next = format!("/v1/referrals/{}", next["id"].as_str().unwrap());
        assert_eq!(regency.get(&next).await.expect(200).json["volunteer_id"], twin);
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
            assert!(statuses == [200, 409], "{statuses:?}: {} {}", here.text, there.text);
            let merged = format!(
                "SELECT count(*) FROM volunteers WHERE merged_into IS NOT NULL AND id IN ('{}', '{}')",
                one.id(),
                other.id()
            );
            assert_eq!(app.number(&merged).await, 1);
        }
    });
}

/// Everything that an office reads in the audit record.
async fn audited(client: &Client<'_>) -> String {
    client.get("/v1/audit-events?limit=200").await.expect(200).text
}

#[test]
fn the_audit_record_tells_no_office_of_the_other_row() {
    run(async |app| {
        let (regency, neighbour, province) = (app.regency().await, app.neighbour_regency().await, app.province().await);
        let mut new = siti(KOTO_JAYA);
        new["nik"] = json!(NIK);
        let first = register(&regency, new.clone()).await;
        new["village_code"] =
            neighbour.get("/v1/volunteers").await.expect(200).json["items"][0]["village_code"].clone();
        let later = register(&neighbour, new.clone()).await;
        let all = async || {
            province.get("/v1/volunteers/duplicates").await.expect(200);
            province.get("/v1/volunteers?limit=200").await.expect(200);
            let search = json!({ "nik": NIK, "purpose": "identity_check" });
            let found = province.post("/v1/volunteers/search", search).await.expect(200);
            found.json["items"].as_array().unwrap().len()
        };
        assert_eq!(all().await, 2);
        merge(&province, &first.id(), &later.id()).await.expect(200);
        undo(&province, &first.id(), &later.id()).await.expect(200);
        merge(&province, &first.id(), &later.id()).await.expect(200);
        // each reads that its own was listed, searched and merged, and of the other nothing
        for (reader, own, foreign) in [(&regency, &first, &later), (&neighbour, &later, &first)] {
            let told = audited(reader).await;
            assert!(!told.contains(&foreign.id()) && !told.contains("duplicates"), "{told}");
            for act in ["volunteer.list", "volunteer.search", "volunteer.merge", "volunteer.undo_merge"] {
                let of_own = format!("/v1/audit-events?subject={}&action={act}", own.id());
                let events = reader.get(&of_own).await.expect(200);
                let subjects = &events.json["items"][0]["subject_ids"];
                assert!(subjects.as_array().unwrap().contains(&json!(own.id())), "{act}: {}", events.text);
            }
            let of_foreign = reader.get(&format!("/v1/audit-events?subject={}", foreign.id())).await.expect(200);
            assert_eq!(of_foreign.json["items"], json!([]));
        }
        // nor is it found step by step where else such an event took place
        let place = "/v1/audit-events?action=volunteer.search&region=";
        assert_eq!(neighbour.get(&format!("{place}17.06.02.1017")).await.expect(200).json["items"], json!([]));
        assert_eq!(
            regency.get(&format!("{place}17.06.02.1017")).await.expect(200).json["items"][0]["outcome"],
            "allowed"
        );
        // who did it reads all of it
        let own = province.get("/v1/audit-events?action=volunteer.search").await.expect(200);
        assert_eq!(own.json["items"][0]["subject_ids"].as_array().unwrap().len(), 2);
        assert!(audited(&province).await.contains("volunteer.list_duplicates"));
    });
}

#[test]
fn a_nik_that_is_sent_as_it_is_leaves_everything_as_it_is() {
    run(async |app| {
        let (regency, neighbour, province) = (app.regency().await, app.neighbour_regency().await, app.province().await);
        let mut new = siti(KOTO_JAYA);
        new["nik"] = json!(NIK);
        let first = register(&regency, new.clone()).await;
        new["village_code"] =
            neighbour.get("/v1/volunteers").await.expect(200).json["items"][0]["village_code"].clone();
        let later = register(&neighbour, new.clone()).await;
        let states = "SELECT volunteer_id || ' ' || identity_state || ' ' || coalesce(disputed_at::text, '-') FROM volunteer_people WHERE nik_index IN (SELECT nik_index FROM volunteer_people WHERE identity_state = 'disputed') ORDER BY 1";
        let before = app.texts(states).await;
        let patch = async |client: &Client<'_>, of: &Reply, body: Value| {
            let etag = client.get(&path(of)).await.expect(200).header("etag").to_owned();
            client.patch(&path(of), &etag, body).await
        };
        let verified = patch(&regency, &first, json!({ "nik": NIK, "nik_status": "verified" })).await.expect(200);
        assert_eq!(verified.json["person"]["nik_status"], "verified");
        for (client, of) in [(&province, &first), (&regency, &first), (&province, &later), (&neighbour, &later)] {
            patch(client, of, json!({ "nik": NIK })).await.expect(200);
        }
        assert_eq!(province.get(&path(&first)).await.expect(200).json["person"]["nik_status"], "verified");
        assert_eq!(app.texts(states).await, before);
        let pairs = province.get("/v1/volunteers/duplicates").await.expect(200);
        assert_eq!(pairs.json["items"][0]["holder"]["id"], first.id());
        // without one it stays without, and what is known of that stays known
        let none =
            register(&regency, json!({ "village_code": KOTO_JAYA, "name": a_name(), "nik_status": "none" })).await;
        let still = patch(&regency, &none, json!({ "nik": null })).await.expect(200);
        assert_eq!(still.json["person"]["nik_status"], "none");
    });
}

#[test]
fn numbers_are_not_tried_out_by_registering() {
    let few = |config: &mut Config| config.settings.rates.searches = Rate::an_hour(4);
    run_with(few, async |app| {
        let regency = app.regency().await;
        let free = "1706024508959002";
        let mut held = siti(KOTO_JAYA);
        held["nik"] = json!(NIK);
        let holder = register(&regency, held.clone()).await;
        let other = register(&regency, json!({ "village_code": KOTO_JAYA, "name": a_name() })).await;
        let etag = other.header("etag").to_owned();
        // what is refused anyway is refused alike, taken or free
        for nik in [NIK, free] {
            let refused = regency.patch(&path(&other), &etag, json!({ "nik": nik, "nik_status": "none" })).await;
            refused.problem(422, "rule_broken").blames("/nik_status", "nik_status_wrong");
            let new = json!({ "village_code": KOTO_JAYA, "name": a_name(), "nik": nik, "override_duplicate": { "reason": "unheard_of" } });
            regency.post("/v1/volunteers", new).await.problem(422, "rule_broken");
        }
        for _ in 0..2 {
            regency.patch(&path(&other), &etag, json!({ "nik": NIK })).await.problem(409, "volunteer_exists");
        }
        held["name"] = json!(a_name());
        let told = regency.post("/v1/volunteers", held.clone()).await.problem(409, "volunteer_exists");
        assert!(told.header("ratelimit").contains("\"searches\";r=1"), "{}", told.header("ratelimit"));
        regency.post("/v1/volunteers", siti(KOTO_JAYA)).await.problem(409, "volunteer_alike");
        // spent: that a number is free is told no more than that it is taken
        for nik in [NIK, free] {
            regency.patch(&path(&other), &etag, json!({ "nik": nik })).await.problem(429, "budget_spent");
            held["nik"] = json!(nik);
            regency.post("/v1/volunteers", held.clone()).await.problem(429, "budget_spent");
        }
        regency.post("/v1/volunteers", siti(KOTO_JAYA)).await.problem(429, "budget_spent");
        register(&regency, json!({ "village_code": KOTO_JAYA, "name": a_name() })).await;
        regency.patch(&path(&other), &etag, json!({ "occupation": "Petani" })).await.expect(200);
        app.pass(chrono::TimeDelta::hours(1));
        let regency = app.regency().await;
        register(&regency, held.clone()).await;
        let denied = format!(
            "SELECT action || ' ' || detail FROM audit_events WHERE outcome = 'denied' AND '{}' = ANY (person_ids) ORDER BY at",
            holder.id()
        );
        let exists = |action: &str| format!("volunteer.{action} volunteer_exists");
        let alike = "volunteer.create volunteer_alike".to_owned();
        assert_eq!(
            app.texts(&denied).await,
            [exists("update"), exists("update"), exists("create"), alike.clone(), alike]
        );
    });
}

#[test]
fn two_rows_that_a_third_one_out_of_sight_disputes_are_a_pair_of_whoever_sees_both() {
    run(async |app| {
        let (regency, neighbour, province) = (app.regency().await, app.neighbour_regency().await, app.province().await);
        let mut new = siti(KOTO_JAYA);
        (new["nik"], new["override_duplicate"]) = (json!(NIK), json!({ "reason": "namesakes" }));
        let at = |village: &str| {
            let mut new = new.clone();
            new["village_code"] = json!(village);
            new
        };
        let place = neighbour.get("/v1/volunteers").await.expect(200).json["items"][0]["village_code"].clone();
        let sole = register(&neighbour, at(place.as_str().unwrap())).await.id();
        let one = register(&app.village().await, at(KOTO_JAYA)).await.id();
        let two = register(&app.other_village().await, at(BANDAR_RATU)).await.id();
        let pairs = async |client: &Client<'_>, more: &str| -> Vec<[String; 2]> {
            let page = client.get(&format!("/v1/volunteers/duplicates{more}")).await.expect(200);
            let id = |pair: &Value, of: &str| pair[of]["id"].as_str().unwrap().to_owned();
            let items = page.json["items"].as_array().unwrap().iter();
            items.map(|pair| [id(pair, "volunteer"), id(pair, "holder")]).collect()
        };
        assert_eq!(pairs(&regency, "").await, [[two.clone(), one.clone()]]);
        assert_eq!(pairs(&neighbour, "").await, [[""; 2]; 0]);
        assert_eq!(pairs(&province, "").await, [[one.clone(), sole.clone()], [two.clone(), sole.clone()]]);
        // a page each
        let first = province.get("/v1/volunteers/duplicates?limit=1").await.expect(200);
        let cursor = first.json["next_cursor"].as_str().unwrap();
        assert_eq!(pairs(&province, &format!("?limit=1&cursor={cursor}")).await, [[two.clone(), sole]]);
        merge(&regency, &one, &two).await.expect(200);
        assert_eq!(pairs(&regency, "").await, [[""; 2]; 0]);
    });
}

/// A volunteer of a village, with what more is said.
async fn person(client: &Client<'_>, village: &str, more: Value) -> String {
    let mut new = json!({ "village_code": village, "name": a_name() });
    new.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    register(client, new).await.id()
}

#[test]
fn what_spans_two_provinces_is_the_ministrys_and_only_that() {
    run(async |app| {
        let (ministry, province, regency) = (app.ministry().await, app.province().await, app.regency().await);
        let other = app.other_regency().await;
        let kerinci = "15.01.01.2001";
        let (here, near) = (person(&regency, KOTO_JAYA, json!({})).await, person(&regency, KOTO_JAYA, json!({})).await);
        let there = person(&other, kerinci, json!({})).await;
        // within one province it only watches
        merge(&ministry, &here, &near).await.problem(403, "not_the_authority");
        let transfer = async |to: &str, id: &str| {
            let at = format!("/v1/volunteers/{id}");
            let etag = ministry.get(&at).await.expect(200).header("etag").to_owned();
            ministry.act(&format!("{at}/postings"), &etag, json!({ "village_code": to })).await
        };
        transfer(BANDAR_RATU, &near).await.problem(403, "not_the_authority");
        let etag = ministry.get(&format!("/v1/volunteers/{near}")).await.expect(200).header("etag").to_owned();
        let patched = ministry.patch(&format!("/v1/volunteers/{near}"), &etag, json!({ "occupation": "Petani" })).await;
        patched.problem(403, "not_the_authority");
        ministry.post("/v1/volunteers", siti(KOTO_JAYA)).await.problem(403, "not_the_authority");
        // two provinces: nobody else sees both
        let order = json!({ "duplicate_id": there, "duplicate_version": 1, "reason": "registered_twice" });
        let refused = province.act(&format!("/v1/volunteers/{here}/merge"), "\"1-a\"", order).await;
        refused.problem(422, "rule_broken").blames("/duplicate_id", "volunteer_unknown");
        merge(&ministry, &here, &there).await.expect(200);
        assert_eq!(ministry.get(&format!("/v1/volunteers/{there}")).await.status, 308);
        undo(&ministry, &here, &there).await.expect(200);
        other.get(&format!("/v1/volunteers/{there}")).await.expect(200);
        let moved = transfer(kerinci, &near).await.expect(200);
        assert_eq!(moved.json["village_code"], kerinci);
        other.get(&format!("/v1/volunteers/{near}")).await.expect(200);
        regency.get(&format!("/v1/volunteers/{near}")).await.problem(404, "not_found");
    });
}

async fn send_document(client: &Client<'_>, of: &str) -> String {
    let request = client.request(reqwest::Method::POST, &format!("/v1/volunteers/{of}/documents?kind=certificate"));
    let request = request.raw(crate::support::office::PDF).header("content-type", "application/pdf");
    request.key(&uuid::Uuid::now_v7().to_string()).await.expect(201).id()
}

#[test]
fn documents_go_along_and_come_back() {
    run(async |app| {
        let regency = app.regency().await;
        let (keeper, twin) =
            (person(&regency, KOTO_JAYA, json!({})).await, person(&regency, KOTO_JAYA, json!({})).await);
        let own = send_document(&regency, &keeper).await;
        let (kept, removed) = (send_document(&regency, &twin).await, send_document(&regency, &twin).await);
        let listed = async |of: &str| -> Vec<String> {
            let list = regency.get(&format!("/v1/volunteers/{of}/documents")).await.expect(200);
            list.json["items"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
        };
        let etag = regency.get(&format!("/v1/volunteers/{twin}/documents/{removed}")).await.expect(200);
        let etag = etag.header("etag").to_owned();
        merge(&regency, &keeper, &twin).await.expect(200);
        assert_eq!(listed(&keeper).await, [own.clone(), kept.clone(), removed.clone()]);
        for below in ["/documents".to_owned(), format!("/documents/{kept}")] {
            let moved = regency.get(&format!("/v1/volunteers/{twin}{below}")).await.expect(308);
            assert_eq!(moved.header("location"), format!("{}/v1/volunteers/{keeper}{below}", app.base));
        }
        let one = format!("/v1/volunteers/{keeper}/documents/{kept}");
        let link = regency.request(reqwest::Method::POST, &format!("{one}/link")).json(&json!({})).await.expect(200);
        let link = link.json["url"].as_str().unwrap().strip_prefix(&app.base).unwrap().to_owned();
        app.nobody().get(&link).await.expect(200);
        let remove =
            |of: &str| regency.request(reqwest::Method::DELETE, &format!("/v1/volunteers/{of}/documents/{removed}"));
        remove(&twin).header("if-match", &etag).await.problem(409, "volunteer_merged");
        remove(&keeper).header("if-match", &etag).await.expect(200);
        undo(&regency, &keeper, &twin).await.expect(200);
        assert_eq!((listed(&keeper).await, listed(&twin).await), (vec![own], vec![kept]));
    });
}

/// An event of the regency in Koto Jaya, published.
async fn event(client: &Client<'_>) -> String {
    let begins = chrono::Utc::now() + chrono::TimeDelta::days(10);
    let new = json!({ "level": "basic", "title": "Bimtek", "region_code": KOTO_JAYA, "venue": "Aula", "capacity": 9,
        "sessions": [{ "starts_at": begins, "ends_at": begins + chrono::TimeDelta::hours(2) }] });
    let event = client.post("/v1/training-events", new).await.expect(201);
    let at = format!("/v1/training-events/{}", event.id());
    client.act(&format!("{at}/publish"), event.header("etag"), json!({})).await.expect(200);
    at
}

async fn enrol(client: &Client<'_>, event: &str, volunteer: &str) -> Reply {
    client.post(&format!("{event}/enrolments"), json!({ "volunteer_id": volunteer })).await.expect(201)
}

async fn start(client: &Client<'_>, event: &str) {
    let etag = client.get(event).await.expect(200).header("etag").to_owned();
    client.act(&format!("{event}/start"), &etag, json!({})).await.expect(200);
}

async fn complete(client: &Client<'_>, event: &str) {
    let etag = client.get(event).await.expect(200).header("etag").to_owned();
    client.act(&format!("{event}/complete"), &etag, json!({})).await.expect(200);
}

async fn result(client: &Client<'_>, event: &str, volunteer: &str, result: &str) -> Reply {
    let items = json!({ "items": [{ "volunteer_id": volunteer, "result": result }] });
    client.post(&format!("{event}/results"), items).await.expect(200)
}

async fn correct(client: &Client<'_>, event: &str, volunteer: &str, result: &str) -> Reply {
    let items = json!({ "items": [{ "volunteer_id": volunteer, "result": result, "reason": "entered_by_mistake" }] });
    client.post(&format!("{event}/results"), items).await.expect(200)
}

async fn level(client: &Client<'_>, volunteer: &str) -> Value {
    client.get(&format!("/v1/volunteers/{volunteer}")).await.expect(200).json["level"].clone()
}

#[test]
fn what_the_other_row_passed_counts_and_no_seat_is_out_of_sight() {
    run(async |app| {
        let regency = app.regency().await;
        let (keeper, twin) =
            (person(&regency, KOTO_JAYA, json!({})).await, person(&regency, KOTO_JAYA, json!({})).await);
        // a seat given back by the one, taken by the other: it could not go along
        let at = event(&regency).await;
        let left = enrol(&regency, &at, &keeper).await;
        let leave = format!("/v1/training-enrolments/{}/withdraw", left.id());
        regency.act(&leave, left.header("etag"), json!({})).await.expect(200);
        enrol(&regency, &at, &twin).await;
        let blocked = merge(&regency, &keeper, &twin).await.problem(409, "merge_blocked");
        assert_eq!(blocked.json["because"], "seats_in_one_event");
        enrol(&regency, &at, &keeper).await;
        start(&regency, &at).await;
        result(&regency, &at, &keeper, "failed").await;
        result(&regency, &at, &twin, "passed").await;
        complete(&regency, &at).await;
        // over: both stay, and what either passed counts
        let merged = merge(&regency, &keeper, &twin).await.expect(200);
        assert_eq!((&merged.json["level"], level(&regency, &keeper).await), (&json!("basic"), json!("basic")));
        let training = regency.get(&format!("/v1/volunteers/{keeper}/training")).await.expect(200);
        let taken = training.json["items"].as_array().unwrap().iter();
        let taken: Vec<_> = taken.map(|one| (one["volunteer_id"].clone(), one["result"].clone())).collect();
        assert_eq!(taken, [(json!(keeper), json!("failed")), (json!(twin), json!("passed"))]);
        let told = changes(app, &twin).await;
        let corrected = correct(&regency, &at, &twin, "failed").await;
        assert_eq!(
            corrected.json["items"][0],
            json!({ "volunteer_id": twin, "result": "failed", "score": null, "level": "none" })
        );
        assert_eq!(level(&regency, &keeper).await, "none");
        assert_eq!(changes(app, &twin).await, told);
        correct(&regency, &at, &twin, "passed").await;
        undo(&regency, &keeper, &twin).await.expect(200);
        assert_eq!((level(&regency, &keeper).await, level(&regency, &twin).await), (json!("none"), json!("basic")));
    });
}

#[test]
fn what_a_device_noted_of_the_other_row_is_the_survivors() {
    run(async |app| {
        let regency = app.regency().await;
        let (keeper, twin) =
            (person(&regency, KOTO_JAYA, json!({})).await, person(&regency, KOTO_JAYA, json!({})).await);
        let at = event(&regency).await;
        enrol(&regency, &at, &twin).await;
        merge(&regency, &keeper, &twin).await.expect(200);
        app.pass(chrono::TimeDelta::days(10));
        let regency = app.regency().await;
        let of = |id: &str, present: bool| json!({ "volunteer_id": id, "session": 1, "present": present });
        let items = json!({ "items": [of(&twin, true), of(&keeper, true)] });
        let came = regency.post(&format!("{at}/attendance"), items).await.expect(200);
        let outcomes: Vec<_> = came.json["items"].as_array().unwrap().iter().map(|one| &one["outcome"]).collect();
        assert_eq!(outcomes, ["recorded", "unchanged"]);
        let list = regency.get(&format!("{at}/enrolments")).await.expect(200);
        assert_eq!(
            (&list.json["items"][0]["volunteer_id"], &list.json["items"][0]["attended"]),
            (&json!(keeper), &json!([1]))
        );
        let passed = result(&regency, &at, &twin, "passed").await;
        assert_eq!(
            passed.json["items"][0],
            json!({ "volunteer_id": twin, "result": "passed", "score": null, "level": "basic" })
        );
        assert_eq!(level(&regency, &keeper).await, "basic");
        let both = json!({ "items": [{ "volunteer_id": twin, "result": "passed" }, { "volunteer_id": keeper, "result": "failed" }] });
        let twice = regency.post(&format!("{at}/results"), both).await.problem(422, "rule_broken");
        twice.blames("/items/1", "given_twice");
    });
}

#[test]
fn nothing_lands_on_a_row_that_is_merged_meanwhile() {
    run(async |app| {
        let regency = app.regency().await;
        let case = |of: &str| {
            json!({ "village_code": KOTO_JAYA, "person": { "name": a_name() }, "volunteer_id": of,
            "ppks": ["PPKS-08"], "need": "Tinggal sendiri.", "lawful_basis": "vital_interest" })
        };
        for _ in 0..rounds(60) {
            let (keeper, twin) =
                (person(&regency, KOTO_JAYA, json!({})).await, person(&regency, KOTO_JAYA, json!({})).await);
            let at = event(&regency).await;
            let order = json!({ "duplicate_id": twin, "duplicate_version": 1, "reason": "registered_twice" });
            let etag = regency.get(&format!("/v1/volunteers/{keeper}")).await.expect(200).header("etag").to_owned();
            let merged = regency.act(&format!("/v1/volunteers/{keeper}/merge"), &etag, order).settled();
            let reported = regency.post("/v1/cases", case(&twin)).settled();
            let seat = json!({ "volunteer_id": twin });
            let enrolled = regency.post(&format!("{at}/enrolments"), seat).settled();
            let (merged, reported, enrolled) = futures_util::join!(merged, reported, enrolled);
            merged.expect(200);
            for reply in [&reported, &enrolled] {
                assert!([201, 422].contains(&reply.status), "{}", reply.text);
            }
            let stray = format!(
                "SELECT (SELECT count(*) FROM cases WHERE volunteer_id = '{twin}') + (SELECT count(*) FROM training_enrolments WHERE volunteer_id = '{twin}')"
            );
            assert_eq!(app.number(&stray).await, 0);
        }
        // whatever else may write: the database refuses it
        let merged = app.texts("SELECT id FROM volunteers WHERE merged_into IS NOT NULL LIMIT 1").await.remove(0);
        let stray = format!("UPDATE cases SET volunteer_id = '{merged}' WHERE id = (SELECT id FROM cases LIMIT 1)");
        let refused = refusal_of(app, &stray).await;
        assert!(refused.contains("the volunteer is merged"), "{refused}");
    });
}

/// What the database answers to a statement that it refuses.
async fn refusal_of(app: &TestApp, sql: &str) -> String {
    use diesel_async::SimpleAsyncConnection;
    app.connect().await.batch_execute(sql).await.unwrap_err().to_string()
}

#[test]
fn seats_and_attendance_and_merges_at_once_fail_for_nobody() {
    run(async |app| {
        let regency = app.regency().await;
        let at = event(&regency).await;
        start(&regency, &at).await;
        for _ in 0..rounds(40) {
            let (keeper, twin) =
                (person(&regency, KOTO_JAYA, json!({})).await, person(&regency, KOTO_JAYA, json!({})).await);
            app.sql("UPDATE training_events SET capacity = capacity + 2").await;
            enrol(&regency, &at, &twin).await;
            let order = json!({ "duplicate_id": twin, "duplicate_version": 1, "reason": "registered_twice" });
            let etag = regency.get(&format!("/v1/volunteers/{keeper}")).await.expect(200).header("etag").to_owned();
            let merged = regency.act(&format!("/v1/volunteers/{keeper}/merge"), &etag, order).settled();
            let seat = json!({ "volunteer_id": keeper });
            let enrolled = regency.post(&format!("{at}/enrolments"), seat).settled();
            let items = json!({ "items": [{ "volunteer_id": twin, "result": "passed" }] });
            let passed = regency.post(&format!("{at}/results"), items).settled();
            let (merged, enrolled, passed) = futures_util::join!(merged, enrolled, passed);
            passed.expect(200);
            assert!([201, 409].contains(&enrolled.status), "{}", enrolled.text);
            // the result may have made it another version
            assert!([200, 409, 412].contains(&merged.status), "{}", merged.text);
            assert_ne!(enrolled.status == 201, merged.status == 200);
            let whose = if merged.status == 200 { &keeper } else { &twin };
            assert_eq!(level(&regency, whose).await, "basic");
        }
    });
}

#[test]
fn the_past_of_both_is_read_and_no_ending_is_hidden() {
    run(async |app| {
        let regency = app.regency().await;
        let mut made = vec![];
        for _ in 0..3 {
            made.push(person(&regency, KOTO_JAYA, json!({})).await);
        }
        let act = async |id: &str, action: &str, body: Value| {
            let etag = regency.get(&format!("/v1/volunteers/{id}")).await.expect(200).header("etag").to_owned();
            regency.act(&format!("/v1/volunteers/{id}/{action}"), &etag, body).await.expect(200)
        };
        act(&made[0], "verify", json!({ "note": "Sesuai berkas." })).await;
        act(&made[0], "postings", json!({ "village_code": BANDAR_RATU })).await;
        merge(&regency, &made[1], &made[0]).await.expect(200);
        merge(&regency, &made[2], &made[1]).await.expect(200);
        let of = async |below: &str| -> Vec<String> {
            let list = regency.get(&format!("/v1/volunteers/{}{below}", made[2])).await.expect(200);
            list.json["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| one["volunteer_id"].as_str().unwrap().to_owned())
                .collect()
        };
        let mut history = of("/history").await;
        history.sort();
        let mut all = vec![made[0].clone(), made[0].clone(), made[1].clone(), made[2].clone()];
        all.sort();
        assert_eq!(history, all);
        let mut postings = of("/postings").await;
        postings.sort();
        assert_eq!(postings, all);
        let merges = regency.get(&format!("/v1/volunteers/{}/merges", made[2])).await.expect(200);
        let pairs = merges.json["items"].as_array().unwrap().iter();
        let pairs: Vec<_> = pairs.map(|one| [one["duplicate_id"].clone(), one["survivor_id"].clone()]).collect();
        assert_eq!(pairs, [[json!(made[0]), json!(made[1])], [json!(made[1]), json!(made[2])]]);
        let read = format!(
            "SELECT cardinality(person_ids) FROM audit_events WHERE action = 'volunteer.read_history' AND '{}' = ANY (person_ids)",
            made[0]
        );
        assert_eq!(app.texts(&read).await, ["3"]);
        // a dismissal does not vanish behind a candidate
        let active =
            regency.get("/v1/volunteers?status=active&limit=1").await.expect(200).json["items"][0]["id"].clone();
        let active = active.as_str().unwrap();
        act(active, "dismiss", json!({ "reason": "misconduct" })).await;
        let blocked = merge(&regency, &made[2], active).await.problem(409, "merge_blocked");
        assert_eq!(blocked.json["because"], "duplicate_has_ended");
        merge(&regency, active, &made[2]).await.expect(200);
    });
}

#[test]
fn parts_are_taken_whole_and_given_back_as_they_were() {
    run(async |app| {
        let regency = app.regency().await;
        let keeper =
            json!({ "certificate_organiser": "Dinas Sosial", "nik_status": "none", "birth_date": "1990-01-31" });
        let keeper = person(&regency, KOTO_JAYA, keeper).await;
        let twin = json!({ "nik": NIK, "sex": "male", "functions": ["coordination"], "appointed_year": 2015, "phone": "0812 0000 1111",
            "certificate_number": "17/2015", "certificate_organiser": "BBPPKS", "certificate_date": "2015-03-01" });
        let twin = person(&regency, KOTO_JAYA, twin).await;
        let office = regency.agency.clone();
        let supervisor = json!({ "supervisor": { "kind": "tksk", "agency_id": office, "officer": "tksk-1706-02" } });
        let etag = regency.get(&format!("/v1/volunteers/{twin}")).await.expect(200).header("etag").to_owned();
        regency.patch(&format!("/v1/volunteers/{twin}"), &etag, supervisor).await.expect(200);
        let third = person(&regency, KOTO_JAYA, json!({ "phone": "0812 0000 1111" })).await;

        merge(&regency, &keeper, &twin).await.expect(200);
        merge(&regency, &keeper, &third).await.expect(200);
        let merged = regency.get(&format!("/v1/volunteers/{keeper}")).await.expect(200).json;
        assert_eq!(
            (&merged["sex"], &merged["functions"], &merged["appointed_year"]),
            (&json!("male"), &json!(["coordination"]), &json!(2015))
        );
        assert_eq!(merged["supervisor"]["officer"], "tksk-1706-02");
        // it had a certificate of its own: not a number of the other one's
        let person = &merged["person"];
        assert_eq!(
            (&person["certificate_number"], &person["certificate_organiser"]),
            (&Value::Null, &json!("Dinas Sosial"))
        );
        // the NIK is compared with what is known of the survivor
        assert_eq!(merged["warnings"], json!(["nik_birth_date_differs", "nik_sex_differs"]));
        let told = regency.get(&format!("/v1/volunteers/{keeper}/merges")).await.expect(200);
        assert_eq!(
            told.json["items"][0]["filled"],
            json!(["phone", "sex", "functions", "appointed_year", "supervisor", "nik"])
        );

        // the third has the telephone too, and stays
        undo(&regency, &keeper, &twin).await.expect(200);
        let parted = regency.get(&format!("/v1/volunteers/{keeper}")).await.expect(200).json;
        assert_eq!(
            (&parted["sex"], &parted["functions"], &parted["supervisor"]),
            (&Value::Null, &json!([]), &Value::Null)
        );
        let person = &parted["person"];
        assert_eq!(
            (&person["nik"], &person["nik_status"], &person["phone"]),
            (&Value::Null, &json!("none"), &json!("+6281200001111"))
        );
        assert_eq!(parted["warnings"], json!([]));
        undo(&regency, &keeper, &third).await.expect(200);
        let alone = regency.get(&format!("/v1/volunteers/{keeper}")).await.expect(200).json;
        assert_eq!(alone["person"]["phone"], Value::Null);
    });
}

#[test]
fn what_was_merged_meanwhile_is_told_as_such() {
    run(async |app| {
        let regency = app.regency().await;
        let (keeper, twin) = (person(&regency, KOTO_JAYA, json!({})).await, uuid::Uuid::now_v7().to_string());
        let new = json!({ "id": twin, "village_code": KOTO_JAYA, "name": a_name() });
        register(&regency, new.clone()).await;
        merge(&regency, &keeper, &twin).await.expect(200);
        // the same create again, and a colleague's merge again
        let again = regency.post("/v1/volunteers", new).await.problem(409, "volunteer_merged");
        assert_eq!(again.json["id"], keeper);
        let etag = regency.get(&format!("/v1/volunteers/{keeper}")).await.expect(200).header("etag").to_owned();
        let order = json!({ "duplicate_id": twin, "duplicate_version": 1, "reason": "registered_twice" });
        let merged = regency.act(&format!("/v1/volunteers/{keeper}/merge"), &etag, order).await;
        assert_eq!(merged.problem(409, "volunteer_merged").json["id"], keeper);
    });
}

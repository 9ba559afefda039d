//! What an event offers, who pays, and who is asked to come.
use crate::support::run;
use crate::training::{BANDAR_RATU, EVENTS, KOTO_JAYA, act, bimtek, candidates, enrol, prepare, publish};
use serde_json::{Value, json};
use uuid::Uuid;

#[test]
fn an_event_tells_who_speaks_what_is_handed_out_and_who_pays() {
    run(async |app| {
        let regency = app.regency().await;
        let mut body = bimtek("basic", "17.06", 5);
        body["speakers"] = json!([{ "agency": "BPJS Kesehatan", "name": "dr. Lestari", "topic": "PBI-JK" }]);
        let both = regency.post(EVENTS, body.clone()).await.problem(422, "rule_broken");
        both.blames("/speaker_agencies", "told_twice");
        body.as_object_mut().unwrap().remove("speaker_agencies");
        body["speakers"] = json!([
            { "agency": "BPJS Kesehatan", "name": "dr. Lestari", "topic": "PBI-JK" },
            { "agency": "Dinas Sosial Provinsi Bengkulu" },
            { "agency": "BPJS Kesehatan", "topic": "Mobile JKN" },
        ]);
        body["materials"] =
            json!([{ "title": "Alur rujukan", "url": "https://dinsos.example/alur.pdf" }, { "title": "Buku saku" }]);
        body["cost_source"] = json!("other");
        regency.post(EVENTS, body.clone()).await.problem(422, "rule_broken").blames("/cost_note", "required");
        body["cost_note"] = json!("Hibah yayasan");
        let event = prepare(&regency, body.clone()).await;
        let row = regency.get(&event).await.expect(200);
        assert_eq!(row.json["speaker_agencies"], json!(["BPJS Kesehatan", "Dinas Sosial Provinsi Bengkulu"]));
        assert_eq!(
            row.json["speakers"][1],
            json!({ "agency": "Dinas Sosial Provinsi Bengkulu", "name": null, "topic": null })
        );
        assert_eq!(row.json["materials"][1], json!({ "title": "Buku saku", "url": null }));
        assert_eq!((&row.json["cost_source"], &row.json["cost_note"]), (&json!("other"), &json!("Hibah yayasan")));

        let patch = async |change: Value| {
            let etag = regency.get(&event).await.header("etag").to_owned();
            regency.patch(&event, &etag, change).await
        };
        patch(json!({ "cost_source": null })).await.problem(422, "rule_broken").blames("/cost_note", "code_missing");
        patch(json!({ "cost_source": "budget" }))
            .await
            .problem(422, "rule_broken")
            .blames("/cost_source", "code_unknown");
        let changed = patch(
            json!({ "cost_source": null, "cost_note": null, "speaker_agencies": ["Bappelitbang"], "materials": [] }),
        );
        let changed = changed.await.expect(200);
        assert_eq!(changed.json["speakers"], json!([{ "agency": "Bappelitbang", "name": null, "topic": null }]));
        assert_eq!((&changed.json["materials"], &changed.json["cost_source"]), (&json!([]), &Value::Null));
        for url in ["http://dinsos.example/a", "javascript:alert(1)", "https://"] {
            let bad = patch(json!({ "materials": [{ "title": "x", "url": url }] })).await.problem(400, "malformed");
            bad.blames("/materials/0/url", "not_a_link");
        }
        let many: Vec<Value> = (0..51).map(|_| json!({ "agency": "x" })).collect();
        patch(json!({ "speakers": many })).await.problem(400, "malformed").blames("/speakers", "out_of_range");
    });
}

#[test]
fn invited_villages_send_their_own_and_are_told() {
    run(async |app| {
        let (regency, village, other) = (app.regency().await, app.village().await, app.other_village().await);
        let mut body = bimtek("basic", "17.06", 9);
        body["by_invitation"] = json!(true);
        let event = publish(&regency, body).await;
        let own = candidates(&village, KOTO_JAYA, 1).await.remove(0);
        let elsewhere = candidates(&regency, BANDAR_RATU, 1).await.remove(0);
        enrol(&village, &event, &own).await.problem(409, "not_invited");
        let path = format!("{event}/invitations");
        let invite = async |villages: Value| regency.post(&path, json!({ "village_codes": villages })).await;
        invite(json!([])).await.problem(400, "malformed").blames("/village_codes", "out_of_range");
        invite(json!([KOTO_JAYA, "17.06"]))
            .await
            .problem(422, "rule_broken")
            .blames("/village_codes/1", "village_unknown");
        invite(json!(["17.01.01.2001"])).await.problem(422, "rule_broken").blames("/village_codes/0", "outside_region");
        village.post(&path, json!({ "village_codes": [KOTO_JAYA] })).await.problem(403, "forbidden");
        let before = app.number("SELECT coalesce(max(seq), 0) FROM changes").await;
        assert_eq!(invite(json!([KOTO_JAYA, KOTO_JAYA])).await.expect(200).json["changed"], 1);
        assert_eq!(invite(json!([KOTO_JAYA])).await.expect(200).json["changed"], 0);
        let told = format!("SELECT count(*) FROM changes WHERE seq > {before} AND entity_type = 'training_event'");
        assert_eq!(app.number(&told).await, 1, "what changes nothing is not told");

        let invited = async |client: &crate::support::Client<'_>, wanted: bool| {
            let list = client.get(&format!("{EVENTS}?invited={wanted}")).await.expect(200);
            let items = list.json["items"].as_array().unwrap().iter();
            items.filter(|item| event.ends_with(item["id"].as_str().unwrap())).count()
        };
        assert_eq!((invited(&village, true).await, invited(&village, false).await), (1, 0));
        assert_eq!((invited(&other, true).await, invited(&other, false).await), (0, 1));
        enrol(&village, &event, &own).await.expect(201);
        enrol(&other, &event, &elsewhere).await.problem(409, "not_invited");
        // the organiser enrols whom it will
        enrol(&regency, &event, &elsewhere).await.expect(201);
        let rows = regency.get(&path).await.expect(200);
        let row = &rows.json["items"][0];
        assert_eq!(
            (&row["village_code"], &row["enrolled"], &row["waiting"]),
            (&json!(KOTO_JAYA), &json!(1), &json!(0))
        );
        assert_eq!(other.get(&path).await.expect(200).json["items"], json!([]));
        assert_eq!(village.get(&path).await.expect(200).json["items"].as_array().unwrap().len(), 1);
        let back = json!({ "village_codes": [KOTO_JAYA] });
        assert_eq!(regency.post(&format!("{path}/withdraw"), back).await.expect(200).json["changed"], 1);
        let more = candidates(&village, KOTO_JAYA, 1).await.remove(0);
        enrol(&village, &event, &more).await.problem(409, "not_invited");
        // who waits gets no seat while the village is not invited
        let etag = regency.get(&event).await.header("etag").to_owned();
        let closed = json!({ "capacity": 2, "by_invitation": false });
        let open = regency.patch(&event, &etag, closed).await.expect(200);
        let waits = village.post(&format!("{event}/enrolments"), json!({ "volunteer_id": more, "wait": true })).await;
        assert_eq!(waits.expect(201).json["state"], "waiting");
        let more_seats = json!({ "capacity": 3, "by_invitation": true });
        let grown = regency.patch(&event, open.header("etag"), more_seats).await.expect(200);
        assert_eq!((&grown.json["seats_taken"], &grown.json["waiting"]), (&json!(2), &json!(1)));
        act(&regency, &event, "start", json!({})).await.expect(200);
        invite(json!([KOTO_JAYA])).await.problem(409, "training_state_conflict");
        // a foreign event is a missing one
        let foreign = app.other_regency().await.get(&path).await.problem(404, "not_found");
        let none = app.other_regency().await.get(&format!("{EVENTS}/{}/invitations", Uuid::now_v7())).await;
        assert_eq!(foreign.anonymous(), none.anonymous());
    });
}

//! What came of a referral, for who asked: one answer, the answers of a chain, and who reads the note.
use crate::cases::{KOTO_JAYA, elder, patient, report};
use crate::referrals::{ELDER_CARE, REACTIVATION, act, ask, because, to_bpjs};
use crate::support::{Client, run};
use chrono::TimeDelta;
use serde_json::{Value, json};

async fn feedback(client: &Client<'_>, at: &str) -> Value {
    client.get(&format!("{at}/feedback")).await.expect(200).json
}

#[test]
fn the_volunteer_reads_outcome_day_and_note_in_one_place() {
    run(async |app| {
        let (phone, bpjs, village) = (app.phone().await, app.bpjs().await, app.village().await);
        let mut case = patient(KOTO_JAYA);
        case["referral"] = ask(&bpjs.agency, REACTIVATION);
        let id = report(&phone, case).await.json["referral_id"].as_str().unwrap().to_owned();
        let at = format!("/v1/referrals/{id}");
        assert_eq!(feedback(&phone, &at).await, json!({ "items": [], "waiting": [id] }));
        act(&bpjs, &at, "accept", json!({ "note": "Akan kami urus." })).await.expect(200);
        let today = (app.clock.now() + TimeDelta::hours(7)).date_naive();
        let done = json!({ "outcome": "membership_active", "served_on": today, "note": "Kartu sudah aktif." });
        let ended = act(&bpjs, &at, "complete", done).await.expect(200);
        let read = feedback(&phone, &at).await;
        assert_eq!((read["items"].as_array().unwrap().len(), &read["waiting"]), (1, &json!([])));
        let one = &read["items"][0];
        for (member, value) in [
            ("referral_id", json!(id)),
            ("status", json!("completed")),
            ("outcome", json!("membership_active")),
            ("served_on", json!(today)),
            ("note", json!("Kartu sudah aktif.")),
            ("agency_id", json!(bpjs.agency)),
            ("at", ended.json["status_since"].clone()),
            ("reason", Value::Null),
        ] {
            assert_eq!(one[member], value, "{member}");
        }
        assert!(one["outcome_labels"]["id"].as_str().is_some_and(|words| !words.is_empty()));
        // who was asked sees no more than the header of what it has ended; the village lies in its region
        assert_eq!(feedback(&bpjs, &at).await["items"][0]["note"], Value::Null);
        assert_eq!(feedback(&village, &at).await["items"][0]["note"], "Kartu sudah aktif.");
        app.other_regency().await.get(&format!("{at}/feedback")).await.problem(404, "not_found");
        let read = app.texts("SELECT concat_ws(' ', array_to_string(fields, ','), cardinality(person_ids)) FROM audit_events WHERE action = 'referral.feedback' ORDER BY at, id").await;
        assert_eq!(read, ["note 1", "note 1"]);
        // what was corrected is no answer
        act(&bpjs, &at, "correct", because("wrong_outcome")).await.expect(200);
        assert_eq!(feedback(&phone, &at).await, json!({ "items": [], "waiting": [id] }));
    });
}

#[test]
fn the_volunteer_sees_each_answer_of_a_chain() {
    run(async |app| {
        let (village, regency, province, phone) =
            (app.village().await, app.regency().await, app.province().await, app.phone().await);
        let bpjs = app.bpjs().await;
        let mut case = elder(KOTO_JAYA);
        case["volunteer_id"] = json!(phone.credential.as_ref().unwrap().volunteer_id);
        case["referral"] = ask(&regency.agency, ELDER_CARE);
        let case = report(&village, case).await;
        let first = case.json["referral_id"].as_str().unwrap().to_owned();
        let beside = village
            .post(&format!("/v1/cases/{}/referrals", case.id()), ask(&bpjs.agency, REACTIVATION))
            .await
            .expect(201);
        let at = format!("/v1/referrals/{first}");
        let forward = json!({ "target_agency_id": province.agency, "reason": "capacity_exceeded", "note": "Panti kabupaten penuh." });
        act(&regency, &at, "forward", forward).await.expect(200);
        let read = feedback(&phone, &at).await;
        let second = read["waiting"][0].as_str().unwrap().to_owned();
        assert_eq!(
            (&read["items"][0]["status"], &read["items"][0]["note"]),
            (&json!("forwarded"), &json!("Panti kabupaten penuh."))
        );
        assert_eq!(
            (&read["items"][0]["reason"], &read["items"][0]["reason_list"]),
            (&json!("capacity_exceeded"), &json!("forward-reasons"))
        );
        assert!(read["items"][0]["reason_labels"]["en"].is_string());
        act(&province, &format!("/v1/referrals/{second}"), "accept", json!({})).await.expect(200);
        let done = json!({ "outcome": "service_provided", "note": "Sudah tinggal di panti." });
        act(&province, &format!("/v1/referrals/{second}"), "complete", done).await.expect(200);
        for client in [&phone, &village, &regency] {
            let read = feedback(client, &at).await;
            let told: Vec<_> =
                read["items"].as_array().unwrap().iter().map(|one| (&one["referral_id"], &one["note"])).collect();
            assert_eq!(
                told,
                [
                    (&json!(first), &json!("Panti kabupaten penuh.")),
                    (&json!(second), &json!("Sudah tinggal di panti."))
                ]
            );
            assert_eq!(read["waiting"], json!([]));
        }
        // the other referral of the case is a story of its own
        assert_eq!(feedback(&phone, &format!("/v1/referrals/{}", beside.id())).await["waiting"], json!([beside.id()]));
    });
}

#[test]
fn what_time_ended_has_no_agency_and_what_was_taken_back_has_its_reason() {
    run(async |app| {
        let village = app.village().await;
        let (late, back) = (to_bpjs(app).await, to_bpjs(app).await);
        act(&village, &back, "withdraw", because("moved")).await.expect(200);
        app.pass(TimeDelta::days(31));
        simpul::worker::turn(&app.running().app, &app.running().writer).await.unwrap();
        let village = app.village().await;
        let expired = feedback(&village, &late).await["items"][0].clone();
        assert_eq!(
            (&expired["status"], &expired["agency_id"], &expired["reason"], &expired["outcome_labels"]),
            (&json!("expired"), &Value::Null, &Value::Null, &Value::Null)
        );
        let withdrawn = feedback(&village, &back).await["items"][0].clone();
        assert_eq!((&withdrawn["status"], &withdrawn["reason"]), (&json!("withdrawn"), &json!("moved")));
        assert_eq!(withdrawn["agency_id"], json!(village.agency));
    });
}

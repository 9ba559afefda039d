//! Whole stories of cases and referrals.
use crate::cases::{KOTO_JAYA, NIK, elder, patient, report};
use crate::referrals::{ELDER_CARE, REACTIVATION, act, ask};
use crate::support::{a_name, rounds, run};
use serde_json::{Value, json};
use std::io::Write;
use std::net::{Shutdown, TcpStream};
use uuid::Uuid;

/// (a) A village reports a neglected elder with no NIK; the regency forwards to the province, which helps; the volunteer
/// sees what came of it.
#[test]
fn an_elder_without_a_nik_is_helped_by_the_province() {
    run(async |app| {
        let (village, regency, province, phone) =
            (app.village().await, app.regency().await, app.province().await, app.phone().await);
        let mut case = elder(KOTO_JAYA);
        case["volunteer_id"] = json!(phone.credential.as_ref().unwrap().volunteer_id);
        case["referral"] = ask(&regency.agency, ELDER_CARE);
        let case = report(&village, case).await;
        assert_eq!((&case.json["person"]["nik"], &case.json["person"]["nik_status"]), (&Value::Null, &json!("none")));

        let waiting = regency.get("/v1/referrals?direction=received&status=submitted").await.expect(200).json["items"]
            [0]["id"]
            .clone();
        let first = format!("/v1/referrals/{}", waiting.as_str().unwrap());
        act(&regency, &first, "acknowledge", json!({})).await.expect(200);
        let forward = json!({ "target_agency_id": province.agency, "reason": "capacity_exceeded", "note": "Panti kabupaten penuh." });
        act(&regency, &first, "forward", forward).await.expect(200);

        let waiting = province.get("/v1/referrals?direction=received&status=submitted").await.expect(200).json["items"]
            [0]["id"]
            .clone();
        let second = format!("/v1/referrals/{}", waiting.as_str().unwrap());
        act(&province, &second, "accept", json!({})).await.expect(200);
        act(&province, &second, "start", json!({})).await.expect(200);
        let done = json!({ "outcome": "service_provided", "note": "Sudah tinggal di panti." });
        act(&province, &second, "complete", done).await.expect(200);

        // the volunteer follows the whole chain on the phone, with the number of the one case
        let chain = phone.get(&format!("/v1/referrals?case_id={}", case.id())).await.expect(200).json;
        let seen: Vec<(&Value, &Value, &Value)> = chain["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|r| (&r["status"], &r["outcome"], &r["case_number"]))
            .collect();
        let number = &case.json["number"];
        assert_eq!(
            seen,
            [(&json!("completed"), &json!("service_provided"), number), (&json!("forwarded"), &Value::Null, number)]
        );
        let history = phone.get(&format!("{second}/history")).await.expect(200).json;
        assert_eq!(history["items"].as_array().unwrap().last().unwrap()["note"], "Sudah tinggal di panti.");
        act(&village, &format!("/v1/cases/{}", case.id()), "close", json!({ "outcome": "need_met" })).await.expect(200);
        assert_eq!(phone.get(&format!("/v1/cases/{}", case.id())).await.json["outcome"], "need_met");
    });
}

/// (b) PBI-JK reactivation: BPJS acknowledges, looks the person up, accepts, completes.
#[test]
fn a_lapsed_insurance_is_active_again() {
    run(async |app| {
        let (village, bpjs) = (app.village().await, app.bpjs().await);
        let mut case = patient(KOTO_JAYA);
        case["referral"] = ask(&bpjs.agency, REACTIVATION);
        let case = report(&village, case).await;
        let at = format!("/v1/referrals/{}", case.json["referral_id"].as_str().unwrap());
        act(&bpjs, &at, "acknowledge", json!({ "partner_reference": "RKT-2026-0001" })).await.expect(200);
        let identity = bpjs.post(&format!("{at}/reveal"), json!({ "purpose": "eligibility" })).await.expect(200);
        assert_eq!((&identity.json["nik"], &identity.json["card_number"]), (&json!(NIK), &json!("0001234567890")));
        act(&bpjs, &at, "accept", json!({})).await.expect(200);
        let today = (app.clock.now() + chrono::TimeDelta::hours(7)).date_naive();
        act(&bpjs, &at, "complete", json!({ "outcome": "membership_active", "served_on": today })).await.expect(200);
        let seen = village.get(&at).await.expect(200).json;
        assert_eq!(
            (&seen["status"], &seen["outcome"], &seen["served_on"]),
            (&json!("completed"), &json!("membership_active"), &json!(today))
        );
        // who saw whose data can be answered
        let accesses = app.texts(&format!("SELECT concat_ws(' ', action, purpose) FROM audit_events WHERE agency_id = '{}' AND cardinality(person_ids) > 0 ORDER BY at, id", bpjs.agency)).await;
        assert_eq!(
            accesses,
            [
                "referral.reveal eligibility",
                "referral.accept Penyelesaian rujukan kepesertaan",
                "referral.read Penyelesaian rujukan kepesertaan",
            ]
        );
    });
}

/// (d) A phone on a bad network sends its report twenty times, and the connection is cut before each answer.
#[test]
fn a_report_sent_twenty_times_over_a_cut_connection_is_one_case() {
    run(async |app| {
        let phone = app.phone().await;
        for _ in 0..rounds(10) {
            let before = app.number("SELECT count(*) FROM cases").await;
            let (id, key) = (Uuid::now_v7(), Uuid::now_v7());
            let mut case = elder(KOTO_JAYA);
            (case["id"], case["person"]["name"]) = (json!(id), json!(a_name()));
            case["referral"] = ask(&app.agency("Dinas Sosial Kabupaten Mukomuko").await, ELDER_CARE);
            let body = case.to_string();
            let host = app.base.trim_start_matches("http://");
            let request = format!(
                "POST /v1/cases HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nIdempotency-Key: {key}\r\nContent-Length: {}\r\n\r\n{body}",
                phone.token.as_ref().unwrap(),
                body.len()
            );
            for _ in 0..20 {
                let mut socket = TcpStream::connect(host).unwrap();
                socket.write_all(request.as_bytes()).unwrap();
                socket.shutdown(Shutdown::Both).unwrap();
            }
            // the twenty-first arrives: whatever became of the others, it names the one case
            let reply = phone.post("/v1/cases", case.clone()).key(&key.to_string()).settled().await.expect(201);
            assert_eq!(reply.id(), id.to_string());
            // and so it does with a new key, by the id that the phone chose
            phone.post("/v1/cases", case.clone()).await.expect(200);
            assert_eq!(app.number("SELECT count(*) FROM cases").await, before + 1);
            let kept = format!("SELECT count(*) FROM referrals WHERE case_id = '{id}'");
            assert_eq!(app.number(&kept).await, 1);
            assert_eq!(app.number(&format!("SELECT count(*) FROM case_history WHERE case_id = '{id}'")).await, 1);
        }
    });
}

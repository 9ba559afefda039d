//! Cases by their reporter's own number: made once, brought up to date, whatever is sent how often.
use crate::cases::{KOTO_JAYA, elder, patient};
use crate::referrals::{ELDER_CARE, ask};
use crate::support::{Client, Reply, rounds, run};
use futures_util::future::join_all;
use serde_json::{Value, json};
use uuid::Uuid;

const UPSERT: &str = "/v1/cases/upsert";

async fn put(client: &Client<'_>, number: &str, case: &Value) -> Reply {
    client.post(UPSERT, json!({ "reference": number, "case": case })).await
}

#[test]
fn a_case_is_made_by_its_number_and_brought_up_to_date() {
    run(async |app| {
        let (regency, village) = (app.regency().await, app.village().await);
        let mut case = patient(KOTO_JAYA);
        let made = put(&regency, "SLRT-1", &case).await.expect(201);
        let path = format!("/v1/cases/{}", made.id());
        // the same again: nothing happens, nobody is told
        let same = put(&regency, "SLRT-1", &case).await.expect(200);
        assert_eq!((same.id(), &same.json["version"]), (made.id(), &json!(1)));
        let told = format!("SELECT count(*) FROM changes WHERE entity_id = '{}'", made.id());
        assert_eq!(app.number(&told).await, 1);

        case["need"] = json!("Cuci darah dua kali seminggu.");
        case["person"]["phone"] = Value::Null;
        case["urgency"] = json!("urgent");
        let changed = put(&regency, "SLRT-1", &case).await.expect(200);
        assert_eq!(
            (changed.id(), &changed.json["version"], &changed.json["number"]),
            (made.id(), &json!(2), &made.json["number"])
        );
        let read = regency.get(&path).await.expect(200);
        assert_eq!(
            (&read.json["need"], &read.json["urgency"], &read.json["person"]["phone"], &read.json["person"]["nik"]),
            (&case["need"], &json!("urgent"), &Value::Null, &json!("************0001"))
        );
        // what an officer has changed here stays, until the other system has news
        regency.patch(&path, read.header("etag"), json!({ "urgency": "normal" })).await.expect(200);
        assert_eq!(put(&regency, "SLRT-1", &case).await.expect(200).json["urgency"], "normal");

        // each agency has numbers of its own
        let other = put(&village, "SLRT-1", &elder(KOTO_JAYA)).await.expect(201);
        assert_ne!(other.id(), made.id());
        assert_eq!(app.number("SELECT count(*) FROM cases").await, 2);
    });
}

#[test]
fn what_cannot_be_changed_is_told_and_nothing_is_lost() {
    run(async |app| {
        let regency = app.regency().await;
        let case = patient(KOTO_JAYA);
        let made = put(&regency, "7", &case).await.expect(201);
        let phone = app.phone().await;
        for (member, value) in [
            ("id", json!(Uuid::now_v7())),
            ("village_code", json!("17.06.02.1018")),
            ("volunteer_id", json!(phone.credential.as_ref().unwrap().volunteer_id)),
        ] {
            let mut other = case.clone();
            other[member] = value;
            let place = format!("/case/{member}");
            put(&regency, "7", &other).await.problem(422, "rule_broken").blames(&place, "fixed");
        }
        let mut wrong = case.clone();
        wrong["ppks"] = json!(["PPKS-99"]);
        put(&regency, "7", &wrong).await.problem(422, "rule_broken").blames("/case/ppks/0", "code_unknown");
        put(&regency, "8", &wrong).await.problem(422, "rule_broken");
        // the same person under another number is offered, as everywhere
        let alike = put(&regency, "9", &case).await.problem(409, "case_alike");
        assert_eq!(alike.json["candidates"][0]["case_id"], made.json["id"]);
        assert_eq!(app.number("SELECT count(*) FROM case_references").await, 1);
        // closed, it is not changed from outside
        let path = format!("/v1/cases/{}", made.id());
        let etag = regency.get(&path).await.expect(200).header("etag").to_owned();
        regency.act(&format!("{path}/close"), &etag, json!({ "outcome": "need_met" })).await.expect(200);
        let mut later = case.clone();
        later["need"] = json!("Lagi.");
        assert_eq!(put(&regency, "7", &later).await.problem(409, "case_state_conflict").json["state"], "closed");
        put(&regency, "7", &case).await.expect(200);
        assert_eq!(regency.get(&path).await.expect(200).json["version"], 2);
    });
}

#[test]
fn its_referral_is_sent_once() {
    run(async |app| {
        let (village, regency) = (app.village().await, app.agency("Dinas Sosial Kabupaten Mukomuko").await);
        let mut case = elder(KOTO_JAYA);
        put(&village, "a", &case).await.expect(201);
        case["referral"] = ask(&regency, ELDER_CARE);
        let sent = put(&village, "a", &case).await.expect(200);
        let id = sent.json["referral_id"].clone();
        assert!(id.is_string());
        case["need"] = json!("Sudah dua hari tidak makan.");
        assert_eq!(put(&village, "a", &case).await.expect(200).json["referral_id"], id);
        assert_eq!(app.number("SELECT count(*) FROM referrals").await, 1);
    });
}

#[test]
fn many_at_once_make_one_case() {
    run(async |app| {
        let village = app.village().await;
        for round in 0..rounds(20) {
            let before = app.number("SELECT count(*) FROM cases").await;
            let number = format!("race {round}");
            let mut case = elder(KOTO_JAYA);
            case["person"]["name"] = json!(crate::support::a_name());
            // half of them tell something else
            let sent = (0..20).map(|index| {
                let mut case = case.clone();
                case["urgency"] = json!(if index % 2 == 0 { "urgent" } else { "normal" });
                village.post(UPSERT, json!({ "reference": number, "case": case })).settled()
            });
            let replies = join_all(sent).await;
            let made = replies.iter().filter(|reply| reply.status == 201).count();
            let known = replies.iter().filter(|reply| reply.status == 200).count();
            let other: Vec<_> =
                replies.iter().filter(|reply| !matches!(reply.status, 200 | 201)).map(|reply| &reply.text).collect();
            assert_eq!((made, known), (1, 19), "{other:?}");
            assert!(replies.iter().all(|reply| reply.id() == replies[0].id()));
            assert_eq!(app.number("SELECT count(*) FROM cases").await, before + 1);
        }
    });
}

//! Who agreed and how, a consent that is taken back, how the person may be reached, and what the phone's clock said.
use crate::cases::{KOTO_JAYA, elder, patient, report};
use crate::referrals::{ELDER_CARE, REACTIVATION, act, ask};
use crate::support::feed::Followers;
use crate::support::{Client, Reply, TestApp, rounds, run};
use chrono::TimeDelta;
use serde_json::{Value, json};

fn at(reply: &Reply) -> String {
    format!("/v1/cases/{}", reply.id())
}

/// A patient of the village, asked of BPJS and of the regency's social office.
async fn asked_of_two(app: &TestApp) -> (String, [String; 2]) {
    let (village, regency) = (app.village().await, app.agency("Dinas Sosial Kabupaten Mukomuko").await);
    let mut case = patient(KOTO_JAYA);
    case["referral"] = ask(&app.agency("BPJS Kesehatan").await, REACTIVATION);
    let made = report(&village, case).await;
    let second = village.post(&format!("{}/referrals", at(&made)), ask(&regency, ELDER_CARE)).await.expect(201).id();
    let referral = |id: &str| format!("/v1/referrals/{id}");
    (at(&made), [referral(made.json["referral_id"].as_str().unwrap()), referral(&second)])
}

#[test]
fn a_person_has_one_age_and_others_have_names() {
    run(async |app| {
        let village = app.village().await;
        let with = |members: Value| {
            let mut case = elder(KOTO_JAYA);
            for (name, value) in members.as_object().unwrap() {
                case["person"][name] = value.clone();
            }
            case
        };
        let whole = json!({ "age_estimate": null, "age_band": "60+", "guardian_name": "Ratna", "guardian_relation": "child",
            "contact_name": "Pak RT", "contact_phone": "0811 222 333", "contact_relation": "neighbour" });
        let made = report(&village, with(whole)).await;
        let person = village.get(&at(&made)).await.expect(200).json["person"].clone();
        let told = ["age", "age_band", "guardian_relation", "contact_name", "contact_phone", "contact_relation"];
        let told: Vec<Value> = told.into_iter().map(|name| person[name].clone()).collect();
        assert_eq!(json!(told), json!([null, "60+", "child", "Pak RT", "+62811222333", "neighbour"]));
        for (members, place, code) in [
            (json!({ "age_band": "60+" }), "/person/age_band", "age_twice"),
            (json!({ "guardian_relation": "child" }), "/person/guardian_name", "required"),
            (json!({ "contact_phone": "0811 222 333" }), "/person/contact_name", "required"),
        ] {
            village.post("/v1/cases", with(members)).await.problem(422, "rule_broken").blames(place, code);
        }
        // a better answer takes the place of the other one only if that goes
        let etag = village.get(&at(&made)).await.header("etag").to_owned();
        let known = json!({ "person": { "birth_date": "1950-01-31" } });
        village
            .patch(&at(&made), &etag, known)
            .await
            .problem(422, "rule_broken")
            .blames("/person/age_band", "age_twice");
        let known = json!({ "person": { "birth_date": "1950-01-31", "age_band": null, "contact_name": null, "contact_phone": null, "contact_relation": null } });
        let after = village.patch(&at(&made), &etag, known).await.expect(200);
        assert_eq!(
            (&after.json["person"]["age_band"], &after.json["person"]["contact_phone"]),
            (&json!("60+"), &Value::Null)
        );
    });
}

#[test]
fn a_consent_is_somebodys_who_may_give_it_in_a_way_that_is_told() {
    run(async |app| {
        let village = app.village().await;
        let with = |person: Value, consent: Value| {
            let mut case = patient(KOTO_JAYA);
            for (name, value) in person.as_object().unwrap() {
                case["person"][name] = value.clone();
            }
            case["consent"] = consent;
            case
        };
        let child = json!({ "birth_date": null, "age_band": "5-11", "nik": null });
        let guarded = json!({ "birth_date": null, "age_band": "5-11", "nik": null, "guardian_name": "Ratna", "guardian_relation": "parent" });
        let said = |by: &str| json!({ "by": by, "method": "spoken", "on": "2026-01-05" });
        let mut neighbour = said("representative");
        neighbour["relation"] = json!("neighbour");
        let mut own = said("person");
        own["relation"] = json!("spouse");
        for (person, consent, place, code) in [
            (child.clone(), said("person"), "/consent/by", "guardian_needed"),
            (child.clone(), neighbour.clone(), "/consent/by", "guardian_needed"),
            (child, said("guardian"), "/person/guardian_name", "required"),
            (json!({}), said("representative"), "/consent/relation", "required"),
            (json!({}), own, "/consent/relation", "not_expected"),
        ] {
            village.post("/v1/cases", with(person, consent)).await.problem(422, "rule_broken").blames(place, code);
        }
        let unsaid = json!({ "by": "person", "on": "2026-01-05" });
        let reply = village.post("/v1/cases", with(json!({}), unsaid)).await;
        reply.problem(400, "malformed").blames("/consent/method", "required");
        let told = report(&village, with(guarded, said("guardian"))).await.json["consent"].clone();
        let day = "2026-01-05";
        let given = json!({ "by": "guardian", "relation": "parent", "method": "spoken", "on": day, "evidence_document_ids": [] });
        assert_eq!(told, given);
        let told = report(&village, with(json!({}), neighbour)).await.json["consent"].clone();
        assert_eq!(told["relation"], "neighbour");
    });
}

/// It must be impossible to overlook: everyone who sees the case or a referral of it is told, whatever else is hidden.
#[test]
fn do_not_contact_is_told_to_everyone_who_sees_anything_of_it() {
    run(async |app| {
        let (village, bpjs) = (app.village().await, app.bpjs().await);
        let mut case = patient(KOTO_JAYA);
        case["do_not_contact"] = json!(true);
        case["referral"] = ask(&bpjs.agency, REACTIVATION);
        let made = report(&village, case).await;
        assert_eq!(made.json["do_not_contact"], true);
        let referral = format!("/v1/referrals/{}", made.json["referral_id"].as_str().unwrap());
        let masked = bpjs.get(&referral).await.expect(200).json;
        assert_eq!((&masked["do_not_contact"], &masked["person"]["masked"]), (&json!(true), &json!(true)));
        assert_eq!(bpjs.get("/v1/referrals").await.json["items"][0]["do_not_contact"], true);
        let refused =
            act(&bpjs, &referral, "reject", json!({ "reason": "other", "note": "Bukan peserta." })).await.expect(200);
        assert_eq!((&refused.json["do_not_contact"], &refused.json["person"]), (&json!(true), &Value::Null));
        report(&village, elder(KOTO_JAYA)).await;
        let list = async |query: &str| {
            village.get(&format!("/v1/cases?do_not_contact={query}")).await.expect(200).json["items"].clone()
        };
        let (endangered, others) = (list("true").await, list("false").await);
        assert_eq!((endangered.as_array().unwrap().len(), others.as_array().unwrap().len()), (1, 1));
        assert_eq!((&endangered[0]["id"], &others[0]["do_not_contact"]), (&made.json["id"], &json!(false)));
        // who works on it is told at once that this has changed
        let mut hears = Followers::of_roles(app).await;
        let case = made.id();
        let etag = village.get(&at(&made)).await.header("etag").to_owned();
        village.patch(&at(&made), &etag, json!({ "do_not_contact": false })).await.expect(200);
        assert!(
            hears
                .heard(&[(&case, "case")])
                .await
                .iter()
                .any(|line| line.contains("village") && line.contains("upsert case 2"))
        );
    });
}

/// A phone was without a network for days, or its clock is wrong: the report is kept, and told from a sure one.
#[test]
fn what_the_phones_clock_said_is_kept() {
    run(async |app| {
        let phone = app.phone().await;
        let now = app.clock.now();
        for (said, ahead) in [
            (now - TimeDelta::days(5), false),
            (now + TimeDelta::minutes(9), false),
            (now + TimeDelta::days(400), true),
        ] {
            let mut case = patient(KOTO_JAYA);
            case["recorded_at"] = json!(said);
            // what the device takes for today
            case["consent"]["on"] = json!((said + TimeDelta::hours(7)).date_naive());
            let made = report(&phone, case).await;
            let read = phone.get(&at(&made)).await.expect(200).json;
            assert_eq!(read["clock_ahead"], ahead);
            let kept: chrono::DateTime<chrono::Utc> = serde_json::from_value(read["recorded_at"].clone()).unwrap();
            assert!((kept - said).abs() < TimeDelta::milliseconds(1));
            // and it can be worked with
            phone.patch(&at(&made), made.header("etag"), json!({ "urgency": "urgent" })).await.expect(200);
        }
        let mut case = patient(KOTO_JAYA);
        case["recorded_at"] = json!("2026-11-25T08:00:00");
        phone.post("/v1/cases", case).await.problem(400, "malformed");
        assert_eq!(report(&phone, elder(KOTO_JAYA)).await.json["recorded_at"], Value::Null);
    });
}

#[test]
fn a_consent_that_is_taken_back_ends_the_work_and_hides_the_person() {
    run(async |app| {
        let (village, regency, bpjs) = (app.village().await, app.regency().await, app.bpjs().await);
        let (case, [to_bpjs, to_regency]) = asked_of_two(app).await;
        act(&regency, &to_regency, "accept", json!({})).await.expect(200);
        let mut followers = Followers::of_roles(app).await;
        let restricted =
            act(&village, &case, "withdraw-consent", json!({ "note": "Tidak mau lagi." })).await.expect(200);
        assert_eq!(restricted.json["state"], "restricted");
        assert_eq!(
            restricted.json["consent_withdrawn_on"],
            json!((app.clock.now() + TimeDelta::hours(7)).date_naive())
        );
        for (referral, ended) in [(&to_bpjs, "withdrawn"), (&to_regency, "cancelled")] {
            let read = village.get(referral).await.expect(200).json;
            assert_eq!((&read["status"], &read["reason"]), (&json!(ended), &json!("consent_withdrawn")));
            // in the sender's name
            assert_eq!(read["status_agency_id"], village.agency.as_str());
        }
        let (id, first) = (case.rsplit('/').next().unwrap(), to_bpjs.rsplit('/').next().unwrap());
        let heard = followers.heard(&[(id, "case"), (first, "referral")]).await.join("; ");
        assert!(heard.contains("bpjs") && !heard.contains("removed"), "{heard}");
        // the reporter sees the person, to answer them; nobody else does
        let own = village.get(&case).await.expect(200).json;
        assert_eq!((&own["person"]["name"], &own["person"]["masked"]), (&json!("Siti Aminah"), &json!(false)));
        for other in [&regency, &app.province().await, &app.ministry().await] {
            let read = other.get(&case).await.expect(200);
            assert_eq!((&read.json["person"]["masked"], &read.json["need"]), (&json!(true), &Value::Null));
            assert!(!read.text.contains("Siti Aminah") && !read.text.contains("cuci darah"), "{}", read.text);
            for address in [
                "/v1/cases".to_owned(),
                "/v1/referrals".to_owned(),
                to_regency.clone(),
                format!("{case}/history"),
                format!("{to_regency}/history"),
            ] {
                let read = other.get(&address).await.expect(200);
                assert!(!read.text.contains("Siti") && !read.text.contains("Tidak mau"), "{address}: {}", read.text);
            }
        }
        assert!(!bpjs.get(&to_bpjs).await.expect(200).text.contains("S. A."));
        regency
            .post(&format!("{case}/reveal"), json!({ "purpose": "identity_check" }))
            .await
            .problem(409, "case_state_conflict");
        regency
            .post(&format!("{to_regency}/reveal"), json!({ "purpose": "identity_check" }))
            .await
            .problem(409, "referral_state_conflict");
        // those who saw nobody are not said to have seen them
        let since = restricted.json["state_since"].as_str().unwrap();
        let seen = app.texts(&format!("SELECT DISTINCT a.kind FROM audit_events e JOIN agencies a ON a.id = e.agency_id WHERE e.at > '{since}' AND cardinality(person_ids) > 0")).await;
        assert_eq!(seen, ["village_government"]);
        // and nothing is done with it
        let etag = village.get(&case).await.header("etag").to_owned();
        village.patch(&case, &etag, json!({ "need": "x" })).await.problem(409, "case_state_conflict");
        act(&village, &case, "close", json!({ "outcome": "need_met" })).await.problem(409, "case_state_conflict");
        act(&village, &case, "reopen", json!({ "reason": "need_returned" })).await.problem(409, "case_state_conflict");
        act(&village, &case, "withdraw-consent", json!({})).await.problem(409, "case_state_conflict");
        let again = ask(&bpjs.agency, REACTIVATION);
        village.post(&format!("{case}/referrals"), again).await.problem(409, "case_state_conflict");
    });
}

#[test]
fn a_new_consent_brings_the_case_back_where_it_stood() {
    run(async |app| {
        let (village, regency) = (app.village().await, app.regency().await);
        let given = |on: Value| json!({ "consent": { "by": "person", "method": "thumbprint", "on": on } });
        let today = json!((app.clock.now() + TimeDelta::hours(7)).date_naive());
        for closed in [false, true] {
            let mut new = patient(KOTO_JAYA);
            new["person"]["nik"] = json!(if closed { "1706024508959001" } else { "1706024508959002" });
            new["person"]["name"] = json!(if closed { "Upik Sari" } else { "Rina Wati" });
            new["person"]["card_number"] = Value::Null;
            let case = at(&report(&village, new).await);
            act(&village, &case, "restore-consent", given(today.clone())).await.problem(409, "case_state_conflict");
            if closed {
                act(&village, &case, "close", json!({ "outcome": "need_met" })).await.expect(200);
            }
            let before = village.get(&case).await.json;
            let early = json!({ "on": "2026-01-04" });
            act(&village, &case, "withdraw-consent", early)
                .await
                .problem(422, "rule_broken")
                .blames("/on", "date_impossible");
            act(&regency, &case, "withdraw-consent", json!({})).await.expect(200);
            let old = given(json!("2026-01-05"));
            act(&village, &case, "restore-consent", old)
                .await
                .problem(422, "rule_broken")
                .blames("/consent/on", "consent_too_old");
            let after = act(&village, &case, "restore-consent", given(today.clone())).await.expect(200).json;
            for member in ["state", "outcome", "closed_at", "person", "need"] {
                assert_eq!(after[member], before[member], "{member}");
            }
            assert_eq!(
                (&after["consent"]["method"], &after["consent_withdrawn_on"]),
                (&json!("thumbprint"), &Value::Null)
            );
            assert_eq!(regency.get(&case).await.json["person"]["masked"], false);
            let lines = village.get(&format!("{case}/history")).await.expect(200).json["items"].clone();
            let lines: Vec<&str> =
                lines.as_array().unwrap().iter().rev().take(2).map(|line| line["action"].as_str().unwrap()).collect();
            assert_eq!(lines, ["restore-consent", "withdraw-consent"]);
        }
        // nobody can take back what was never given
        let case = at(&report(&village, elder(KOTO_JAYA)).await);
        let refused = act(&village, &case, "withdraw-consent", json!({})).await.problem(409, "consent_not_the_basis");
        assert_eq!(refused.json["lawful_basis"], "vital_interest");
    });
}

/// A receiver accepts at the moment at which the consent is taken back: the referral has ended either way.
#[test]
fn no_referral_outlives_the_consent() {
    run(async |app| {
        let (village, regency) = (app.village().await, app.regency().await);
        for n in 0..rounds(40) {
            let mut new = patient(KOTO_JAYA);
            new["person"] =
                json!({ "name": crate::support::a_name(), "age_estimate": 20 + n % 50, "nik_status": "none" });
            new["referral"] = ask(&regency.agency, ELDER_CARE);
            let made = report(&village, new).await;
            let referral = format!("/v1/referrals/{}", made.json["referral_id"].as_str().unwrap());
            let etag = regency.get(&referral).await.expect(200).header("etag").to_owned();
            let accept = regency.act(&format!("{referral}/accept"), &etag, json!({})).settled();
            let (etag, withdraw) = (made.header("etag"), format!("{}/withdraw-consent", at(&made)));
            let (accepted, withdrawn) =
                futures_util::future::join(accept, village.act(&withdraw, etag, json!({})).settled()).await;
            assert!(
                matches!(accepted.status, 200 | 409) && withdrawn.status == 200,
                "{} {}",
                accepted.text,
                withdrawn.text
            );
            let status = village.get(&referral).await.json["status"].clone();
            assert_eq!(status, if accepted.status == 200 { "cancelled" } else { "withdrawn" });
        }
    });
}

/// What the service would not do, the database does not take either.
#[test]
fn the_database_refuses_what_is_no_move_of_a_case() {
    run(async |app| {
        let village = app.village().await;
        let case = report(&village, patient(KOTO_JAYA)).await.id();
        let tries = async |set: &str| {
            let sql = format!(
                "DO $$ BEGIN UPDATE cases SET {set} WHERE id = '{case}'; RAISE EXCEPTION 'taken'; EXCEPTION WHEN check_violation THEN NULL; END $$"
            );
            app.sql(&sql).await;
        };
        tries("state = 'closed'").await;
        tries("outcome = 'need_met', closed_at = now()").await;
        tries("state = 'restricted'").await;
        tries("consent_withdrawn_on = '2026-11-25'").await;
        tries("state = 'restricted', consent_withdrawn_on = '2026-11-25', lawful_basis = 'public_task', consent_by = NULL, consent_on = NULL, consent_method = NULL").await;
        tries("consent_relation = 'spouse'").await;
        act(&village, &format!("/v1/cases/{case}"), "withdraw-consent", json!({})).await.expect(200);
        tries("state = 'closed', consent_withdrawn_on = NULL, outcome = 'need_met', closed_at = now()").await;
    });
}

/// Who was told of a referral.
async fn heard(hears: &mut Followers<'_>, referral: &str) -> String {
    let id = referral.rsplit('/').next().unwrap();
    let mut lines = hears.heard(&[(id, "it")]).await;
    lines.retain(|line| line.contains("upsert it "));
    lines.join("; ")
}

fn may(reply: &Reply, action: &str) -> bool {
    reply.json["allowed_actions"].as_array().unwrap().iter().any(|one| one == action)
}

/// Closing a case takes from its receivers what they might correct, and reopening gives it back: they are told.
#[test]
fn who_may_no_longer_correct_is_told_so() {
    run(async |app| {
        let (village, bpjs): (Client<'_>, Client<'_>) = (app.village().await, app.bpjs().await);
        let (case, [to_bpjs, to_regency]) = asked_of_two(app).await;
        act(&bpjs, &to_bpjs, "reject", json!({ "reason": "other", "note": "Belum." })).await.expect(200);
        act(&app.regency().await, &to_regency, "accept", json!({})).await.expect(200);
        let mut hears = Followers::of_roles(app).await;
        assert!(may(&bpjs.get(&to_bpjs).await, "correct"));
        let version = bpjs.get(&to_bpjs).await.json["version"].clone();
        let closing = json!({ "outcome": "need_met", "end_referrals": true });
        act(&village, &case, "close", closing).await.expect(200);
        assert!(heard(&mut hears, &to_bpjs).await.contains("bpjs"));
        let after = bpjs.get(&to_bpjs).await;
        assert!(!may(&after, "correct"));
        assert_eq!(after.json["version"], version);
        act(&village, &case, "reopen", json!({ "reason": "need_returned" })).await.expect(200);
        assert!(heard(&mut hears, &to_bpjs).await.contains("bpjs"));
        assert!(may(&bpjs.get(&to_bpjs).await, "correct"));
        // a week later there is nothing to be told of
        app.pass(TimeDelta::days(8));
        let village = app.village().await;
        act(&village, &case, "close", json!({ "outcome": "need_met" })).await.expect(200);
        let mut hears = Followers::of_roles(app).await;
        act(&village, &case, "reopen", json!({ "reason": "need_returned" })).await.expect(200);
        assert_eq!(heard(&mut hears, &to_bpjs).await, "");
    });
}

#[test]
fn a_list_has_the_filters_that_its_readers_need() {
    run(async |app| {
        let (village, regency, phone) = (app.village().await, app.regency().await, app.phone().await);
        let by_phone = report(&phone, elder(KOTO_JAYA)).await;
        // a phone is its office's: the regency's
        let by_village = report(&village, patient(KOTO_JAYA)).await;
        let ids = async |query: String| {
            let list =
                regency.get(&format!("/v1/cases?{query}")).header("prefer", "count=exact").await.expect(200).json;
            let items = list["items"].as_array().unwrap();
            assert_eq!(list["total"], json!(items.len()));
            items.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let volunteer = phone.credential.as_ref().unwrap().volunteer_id.clone().unwrap();
        assert_eq!(ids(format!("volunteer_id={volunteer}")).await, [by_phone.id()]);
        assert_eq!(ids(format!("reporter={}", village.agency)).await, [by_village.id()]);
        let moment = |value: &Value| value.as_str().unwrap().replace('+', "%2B");
        assert_eq!(ids(format!("state_before={}", moment(&by_village.json["state_since"]))).await, [by_phone.id()]);
        // a phone asks for what has changed since it last asked
        app.pass(TimeDelta::minutes(1));
        let changed =
            village.patch(&at(&by_phone), by_phone.header("etag"), json!({ "urgency": "normal" })).await.expect(200);
        let since = moment(&changed.json["updated_at"]);
        assert_eq!(ids(format!("updated_from={since}")).await, [by_phone.id()]);
        let delta = phone.get(&format!("/v1/cases?updated_from={since}")).await.expect(200).json;
        assert_eq!(delta["items"].as_array().unwrap().len(), 1);
    });
}

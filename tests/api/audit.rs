//! Who may read what of who did what.
use crate::cases::{patient, report};
use crate::referrals::{act, to_bpjs};
use crate::support::{Client, Reply, TestApp, run};
use serde_json::json;

const KOTO_JAYA: &str = "17.06.02.1017";

/// The actions of a page, newest first, with how they ended.
fn lines(page: &Reply) -> Vec<String> {
    let items = page.json["items"].as_array().unwrap().iter();
    let word = |value: &serde_json::Value| value.as_str().unwrap_or("-").to_owned();
    items.map(|e| format!("{} {} {}", word(&e["action"]), word(&e["outcome"]), word(&e["acting_user"]))).collect()
}

async fn of(reader: &Client<'_>, query: &str) -> Vec<String> {
    lines(&reader.get(&format!("/v1/audit-events?{query}")).await.expect(200))
}

/// A case of Koto Jaya, acknowledged and revealed by BPJS.
async fn helped(app: &TestApp) -> String {
    let at = to_bpjs(app).await;
    let bpjs = app.bpjs().await;
    act(&bpjs, &at, "acknowledge", json!({})).await.expect(200);
    bpjs.post(&format!("{at}/reveal"), json!({ "purpose": "eligibility" })).await.expect(200);
    at
}

#[test]
fn a_government_reads_what_concerns_its_region_whoever_did_it() {
    run(async |app| {
        let at = helped(app).await;
        let id = at.rsplit('/').next().unwrap();
        let whole =
            ["referral.reveal allowed -", "referral.acknowledge allowed -", "referral.create allowed staf-0017"];
        let subject = format!("subject={id}");
        for reader in [app.ministry().await, app.province().await, app.regency().await] {
            assert_eq!(of(&reader, &subject).await, whole);
        }
        // another's region, and the same agency's acts alone
        for (reader, sees) in [
            (app.neighbour_regency().await, &whole[..0]),
            (app.other_regency().await, &whole[..0]),
            (app.bpjs().await, &whole[..2]),
            (app.bpjs_branch().await, &whole[..0]),
        ] {
            assert_eq!(of(&reader, &subject).await, sees);
        }
        let bpjs = app.agency("BPJS Kesehatan").await;
        let regency = app.regency().await;
        let revealed = regency.get(&format!("/v1/audit-events?agency={bpjs}&action=referral.reveal")).await.expect(200);
        let event = &revealed.json["items"][0];
        assert_eq!((&event["purpose"], &event["subject_ids"]), (&json!("eligibility"), &json!([id])));
        assert!(event["fields"].as_array().unwrap().contains(&json!("nik")), "{event}");
        let person = event["person_ids"][0].as_str().unwrap();
        assert!(of(&regency, &format!("subject={person}")).await.contains(&whole[0].to_owned()));
    });
}

/// One event names the persons of many villages: each of their governments reads it.
#[test]
fn a_list_is_read_about_in_every_region_that_it_showed() {
    run(async |app| {
        let regency = app.regency().await;
        for village in [KOTO_JAYA, "17.06.02.1018"] {
            report(&regency, patient(village)).await;
        }
        app.ministry().await.get("/v1/cases").await.expect(200);
        for (reader, sees) in [(app.regency().await, 1), (app.province().await, 1), (app.other_regency().await, 0)] {
            for region in ["", "&region=17.06.02.1018"] {
                let seen = of(&reader, &format!("action=case.list{region}")).await;
                assert_eq!(seen.len(), sees, "{region}");
            }
        }
    });
}

#[test]
fn refusals_can_be_read_and_reading_is_recorded() {
    run(async |app| {
        let regency = app.regency().await;
        app.dashboard().await.get("/v1/volunteers").await.problem(403, "forbidden");
        let province = app.province().await;
        assert_eq!(of(&province, "outcome=denied").await, ["volunteers.list denied -"]);
        assert!(of(&regency, "outcome=denied").await.is_empty());
        app.village().await.get("/v1/agencies?cursor=x").await.problem(400, "cursor_invalid");
        app.village().await.post("/v1/agencies", json!({})).await.problem(403, "forbidden");
        // of the village's officers the regency reads, too
        assert_eq!(of(&regency, "outcome=denied").await, ["agency.create denied staf-0017"]);
        assert_eq!(of(&regency, "action=audit_event.list").await.len(), 2);
        app.dashboard().await.get("/v1/audit-events").await.problem(403, "forbidden");
    });
}

#[test]
fn pages_filters_and_counts_go_together() {
    run(async |app| {
        let at = helped(app).await;
        let id = at.rsplit('/').next().unwrap();
        let ministry = app.ministry().await;
        let mut next = format!("/v1/audit-events?subject={id}&limit=1");
        let mut seen = vec![];
        loop {
            let page = ministry.get(&next).header("prefer", "count=exact").await.expect(200);
            assert_eq!(page.json["total"], 3);
            seen.extend(lines(&page));
            let Some(cursor) = page.json["next_cursor"].as_str() else { break };
            next = format!("/v1/audit-events?limit=1&cursor={cursor}");
        }
        assert_eq!(seen.len(), 3);
        assert_eq!(seen, of(&ministry, &format!("subject={id}")).await);
        let at = ministry.get(&format!("/v1/audit-events?subject={id}")).await.json["items"][1]["at"].clone();
        let at = at.as_str().unwrap();
        assert_eq!(of(&ministry, &format!("subject={id}&at_before={at}")).await, seen[2..]);
        assert_eq!(of(&ministry, &format!("subject={id}&at_from={at}")).await, seen[..2]);
        assert_eq!(of(&ministry, &format!("subject={id}&outcome=failed")).await.len(), 0);
        for (bad, code) in
            [("at_from=2026-11-25", "moment_malformed"), ("subject=1", "wrong_type"), ("who=me", "unknown_field")]
        {
            ministry
                .get(&format!("/v1/audit-events?{bad}"))
                .await
                .problem(400, "malformed")
                .blames(&format!("?{}", bad.split('=').next().unwrap()), code);
        }
    });
}

//! A newer table of regions: villages that are no longer, and the volunteers who follow.
use crate::support::{TestApp, a_name, run, scratch};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const OLD: &str = "17.06.02.1017";
const NEW: &str = "17.06.02.1018";

/// A table with what the database has, but for some lines.
async fn table(app: &TestApp, change: impl Fn(String) -> Option<String>) -> PathBuf {
    use std::io::Write;
    let rows = app
        .texts("SELECT concat_ws(',', code, '\"' || replace(name, '\"', '\"\"') || '\"', coalesce(postal_code, ''), coalesce(last_listed::text, '')) FROM regions ORDER BY code")
        .await;
    let path = scratch().join(format!("regions-{}.csv.gz", uuid::Uuid::now_v7()));
    let mut file = flate2::write::GzEncoder::new(std::fs::File::create(&path).unwrap(), flate2::Compression::fast());
    writeln!(file, "code,name,postal_code,last_listed").unwrap();
    for row in rows.into_iter().filter_map(change) {
        writeln!(file, "{row}").unwrap();
    }
    file.finish().unwrap();
    path
}

async fn load(app: &TestApp, file: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_simpul"));
    command.env_clear().current_dir(std::env::temp_dir()).args(["regions", "load"]).arg(file).args(more);
    command.env("DATABASE_URL", app.database_url("simpul_service"));
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn volunteers_follow_a_village_that_is_no_longer_when_an_officer_says_where_to() {
    run(async |app| {
        let (regency, province, village) = (app.regency().await, app.province().await, app.village().await);
        let list = "/v1/volunteers/retired-villages";
        assert_eq!(regency.get(list).await.expect(200).json["items"], json!([]));
        let new = json!({ "village_code": OLD, "name": a_name() });
        let one = regency.post("/v1/volunteers", new).await.expect(201).id();
        let here = app.number(&format!("SELECT count(*) FROM volunteers WHERE village_code = '{OLD}'")).await;
        assert!(here > 1);
        let case = json!({ "village_code": OLD, "person": { "name": "Mbah Karto", "age_estimate": 78 }, "volunteer_id": one,
            "ppks": ["PPKS-08"], "need": "Tinggal sendiri.", "lawful_basis": "vital_interest" });
        let case = regency.post("/v1/cases", case).await.expect(201).id();

        // the newer table lacks it: not loaded until that is said to be meant
        let file = table(app, |row| (!row.starts_with(OLD)).then_some(row)).await;
        let refused = load(app, &file, &[]).await;
        assert!(!refused.status.success() && said(&refused).contains("1 current regions are not in this table"));
        assert_eq!(regency.get(list).await.expect(200).json["items"], json!([]));
        let mapping = scratch().join(format!("mapping-{}.csv", uuid::Uuid::now_v7()));
        std::fs::write(&mapping, format!("old_code,new_code\n{OLD},{NEW}\n")).unwrap();
        let mapping = mapping.to_str().unwrap();
        let loaded = load(app, &file, &["--retire", "2026", "--successors", mapping]).await;
        assert!(
            loaded.status.success() && said(&loaded).contains("1 are no longer\n1 successors"),
            "{}",
            said(&loaded)
        );
        std::fs::remove_file(mapping).unwrap();
        std::fs::remove_file(file).unwrap();

        let open = regency.get(list).await.expect(200);
        let expected = json!([{ "village_code": OLD, "name": "Koto Jaya", "last_listed": 2026, "volunteers": here,
            "proposals": [{ "code": NEW, "name": open.json["items"][0]["proposals"][0]["name"], "mapped": true }] }]);
        assert_eq!(open.json["items"], expected);
        assert_eq!(app.neighbour_regency().await.get(list).await.expect(200).json["items"], json!([]));
        // nobody is registered or transferred there any more, and who is there stays in sight
        let refused = regency.post("/v1/volunteers", json!({ "village_code": OLD, "name": a_name() })).await;
        refused.problem(422, "rule_broken").blames("/village_code", "region_unknown");
        regency.get(&format!("/v1/volunteers/{one}")).await.expect(200);

        let follow = |to: &str, ids: Value| json!({ "old_code": OLD, "new_code": to, "volunteer_ids": ids });
        village.post(list, follow(NEW, Value::Null)).await.problem(403, "forbidden");
        let beside = app.other_regency().await.post(list, follow(NEW, Value::Null)).await;
        beside.problem(403, "not_the_authority");
        let wrong = regency.post(list, follow(OLD, Value::Null)).await.problem(422, "rule_broken");
        wrong.blames("/new_code", "region_unknown");
        let wrong = json!({ "old_code": NEW, "new_code": "17.06.02.1009" });
        regency.post(list, wrong).await.problem(422, "rule_broken").blames("/old_code", "not_retired");
        let away = json!({ "old_code": OLD, "new_code": NEW, "effective_on": (chrono::Utc::now() + chrono::TimeDelta::days(2)).date_naive() });
        regency.post(list, away).await.problem(422, "rule_broken").blames("/effective_on", "in_the_future");

        // a part of it became this village: one, then the others
        let first = regency.post(list, follow("17.06.02.1009", json!([one]))).await.expect(200);
        assert_eq!((&first.json["moved"], &first.json["left"]), (&json!(1), &json!(here - 1)));
        let rest = province.post(list, follow(NEW, Value::Null)).await.expect(200);
        assert_eq!((&rest.json["moved"], &rest.json["left"]), (&json!(here - 1), &json!(0)));
        assert_eq!(regency.get(list).await.expect(200).json["items"], json!([]));
        let moved = regency.get(&format!("/v1/volunteers/{one}")).await.expect(200);
        assert_eq!((&moved.json["village_code"], &moved.json["version"]), (&json!("17.06.02.1009"), &json!(2)));
        let postings = regency.get(&format!("/v1/volunteers/{one}/postings")).await.expect(200);
        let codes: Vec<_> = postings.json["items"].as_array().unwrap().iter().map(|one| &one["village_code"]).collect();
        assert_eq!(codes, ["17.06.02.1017", "17.06.02.1009"]);
        // what was reported there stays there
        assert_eq!(regency.get(&format!("/v1/cases/{case}")).await.expect(200).json["village_code"], OLD);
        let told = "SELECT id::text FROM audit_events WHERE action = 'volunteer.follow_village'";
        assert_eq!(app.texts(told).await.len(), 2);
        let feed = format!(
            "SELECT count(*) FROM changes WHERE entity_id = '{one}' AND regions_before = '{{{OLD}}}' AND regions_after = '{{17.06.02.1009}}'"
        );
        assert_eq!(app.number(&feed).await, 1);
        // figures follow: nobody is counted in the old one
        let figures = "SELECT coalesce(sum(count), 0) FROM volunteer_figures WHERE region_code = ";
        assert_eq!(app.number(&format!("{figures}'{OLD}'")).await, 0);
    });
}

#[test]
fn a_village_of_the_same_name_is_proposed() {
    run(async |app| {
        let regency = app.regency().await;
        app.sql(&format!("UPDATE regions SET last_listed = 2026 WHERE code = '{OLD}'")).await;
        app.sql("INSERT INTO regions SELECT '17.06.02.1099', name, folded_name, level, kind, parent_code, province_code, regency_code, district_code, postal_code, NULL, time_zone FROM regions WHERE code = '17.06.02.1017'").await;
        let open = regency.get("/v1/volunteers/retired-villages").await.expect(200);
        let proposal = json!([{ "code": "17.06.02.1099", "name": "Koto Jaya", "mapped": false }]);
        assert_eq!(open.json["items"][0]["proposals"], proposal);
    });
}

/// Papua's: the villages of a province that was split are another one's now.
#[test]
fn what_another_province_took_over_is_proposed_and_the_ministry_moves_it() {
    run(async |app| {
        let (ministry, province, regency) = (app.ministry().await, app.province().await, app.regency().await);
        let list = "/v1/volunteers/retired-villages";
        let keeper = regency.post("/v1/volunteers", json!({ "village_code": OLD, "name": a_name() })).await.expect(201);
        let twin = regency.post("/v1/volunteers", json!({ "village_code": OLD, "name": a_name() })).await.expect(201);
        let order = json!({ "duplicate_id": twin.id(), "duplicate_version": 1, "reason": "registered_twice" });
        let merge = format!("/v1/volunteers/{}/merge", keeper.id());
        regency.act(&merge, keeper.header("etag"), order).await.expect(200);
        let here = app
            .number(&format!("SELECT count(*) FROM volunteers WHERE village_code = '{OLD}' AND merged_into IS NULL"))
            .await;
        app.sql(&format!("UPDATE regions SET last_listed = 2026 WHERE code = '{OLD}'")).await;
        let copy = |code: &str, parent: &str, district: &str, of: &str| {
            format!(
                "INSERT INTO regions SELECT '{code}', name, folded_name, level, kind, '{parent}', '15', '15.01', {district}, postal_code, NULL, time_zone FROM regions WHERE code = '{of}'"
            )
        };
        // of villages with that name elsewhere, the one whose district has the same name too
        app.sql(&copy("15.01.99", "15.01", "'15.01.99'", "17.06.02")).await;
        app.sql(&copy("15.01.99.1001", "15.01.99", "'15.01.99'", OLD)).await;
        let beside = app
            .texts("SELECT code FROM regions WHERE parent_code = '15.01' AND code <> '15.01.99' ORDER BY code LIMIT 1")
            .await
            .remove(0);
        app.sql(&copy(&format!("{beside}.1099"), &beside, &format!("'{beside}'"), OLD)).await;
        for client in [&ministry, &province, &regency] {
            let open = client.get(list).await.expect(200);
            let proposal = json!([{ "code": "15.01.99.1001", "name": "Koto Jaya", "mapped": false }]);
            assert_eq!(open.json["items"][0]["proposals"], proposal);
        }
        let follow = |to: &str| json!({ "old_code": OLD, "new_code": to });
        province.post(list, follow("15.01.99.1001")).await.problem(403, "not_the_authority");
        ministry.post(list, follow(NEW)).await.problem(403, "not_the_authority");
        let wrong = ministry.post(list, follow("15.01.99.1002")).await.problem(422, "rule_broken");
        wrong.blames("/new_code", "region_unknown");
        let done = ministry.post(list, follow("15.01.99.1001")).await.expect(200);
        assert_eq!((&done.json["moved"], &done.json["left"]), (&json!(here), &json!(0)));
        app.other_regency().await.get(&format!("/v1/volunteers/{}", keeper.id())).await.expect(200);
        regency.get(&format!("/v1/volunteers/{}", keeper.id())).await.problem(404, "not_found");
    });
}

//! Figures about referrals: each bucket is its list, and small numbers are told to nobody who may not see the rows.
use crate::cases::{KOTO_JAYA, elder, patient, report};
use crate::referrals::{ELDER_CARE, REACTIVATION, act, ask};
use crate::statistics::length;
use crate::support::{Client, Reply, TestApp, rounds, run};
use chrono::TimeDelta;
use serde_json::{Value, json};
use simpul::platform::error::ApiResult;
use simpul::statistics::store::referrals::fold;
use std::future::IntoFuture;

const BANDAR_RATU: &str = "17.06.02.1018";

async fn fold_all(app: &TestApp) -> i64 {
    app.running().writer.run(async |c| ApiResult::Ok(fold(c, 1000).await?)).await.unwrap()
}

/// Some referrals in several states, villages and services, one of a sensitive case.
async fn some(app: &TestApp) {
    let (regency, bpjs, village) = (app.regency().await, app.bpjs().await, app.village().await);
    for n in 0..9 {
        let place = if n % 3 == 0 { BANDAR_RATU } else { KOTO_JAYA };
        let mut case = if n % 2 == 0 { patient(place) } else { elder(place) };
        case["referral"] = if n % 2 == 0 { ask(&bpjs.agency, REACTIVATION) } else { ask(&regency.agency, ELDER_CARE) };
        if n == 5 {
            case["ppks"] = json!(["PPKS-16"]);
        }
        let made = report(&regency, case).await;
        let at = format!("/v1/referrals/{}", made.json["referral_id"].as_str().unwrap());
        match n {
            2 => drop(act(&bpjs, &at, "accept", json!({})).await.expect(200)),
            3 => drop(act(&regency, &at, "mark-error", json!({ "reason": "duplicate" })).await.expect(200)),
            4 => drop(act(&bpjs, &at, "reject", json!({ "reason": "not_in_dtsen" })).await.expect(200)),
            _ => {}
        }
    }
    let mut own = patient(KOTO_JAYA);
    own["ppks"] = json!(["PPKS-17"]);
    own["referral"] = ask(&bpjs.agency, REACTIVATION);
    report(&village, own).await;
}

fn counts(figures: &Reply) -> Vec<(String, i64)> {
    let bucket = |bucket: &Value| (bucket["key"].as_str().unwrap().to_owned(), bucket["count"].as_i64().unwrap());
    figures.json["buckets"].as_array().unwrap().iter().map(bucket).collect()
}

async fn adds_up(reader: &Client<'_>, query: &str) -> Vec<(String, i64)> {
    let figures = reader.get(&format!("/v1/statistics/referrals?{query}")).await.expect(200);
    let counts = counts(&figures);
    assert_eq!(figures.json["total"], counts.iter().map(|(_, count)| count).sum::<i64>(), "{query}");
    for bucket in figures.json["buckets"].as_array().unwrap() {
        let url = bucket["list_url"].as_str().unwrap();
        assert_eq!(length(reader, url).await, bucket["count"].as_i64().unwrap(), "{url}");
    }
    counts
}

#[test]
fn every_bucket_equals_its_list_for_every_reader_before_and_after_folding() {
    run(async |app| {
        some(app).await;
        let year = (app.clock.now() + TimeDelta::hours(7)).format("%Y").to_string();
        let queries = [
            String::new(),
            "group_by=service".to_owned(),
            "group_by=region".to_owned(),
            "group_by=month".to_owned(),
            format!("group_by=month&period={year}"),
            "group_by=sender".to_owned(),
            "group_by=receiver&status=submitted&status=accepted".to_owned(),
            "status=entered_in_error".to_owned(),
            format!("group_by=status&service={REACTIVATION}"),
            format!("group_by=region&period={year}"),
        ];
        for reader in [app.ministry().await, app.province().await, app.regency().await, app.village().await] {
            let mut before = vec![];
            for query in &queries {
                // a village has no regions below it
                if reader.agency == app.village().await.agency && query.contains("region") {
                    continue;
                }
                before.push((query, adds_up(&reader, query).await));
            }
            fold_all(app).await;
            for (query, counted) in before {
                assert_eq!(adds_up(&reader, query).await, counted, "{query}");
            }
        }
        // nine and one, less the one in error
        let total = async |reader: &Client<'_>| reader.get("/v1/statistics/referrals").await.json["total"].clone();
        assert_eq!(total(&app.regency().await).await, 9);
        assert_eq!(total(&app.neighbour_regency().await).await, 0);
        // Koto Jaya's five plain ones and its own sensitive one; not the sensitive one that the regency reported
        let plain = "SELECT count(*) FROM referrals WHERE village_code = '17.06.02.1017' AND status <> 'entered_in_error' AND (NOT sensitive OR sender_agency_id = (SELECT id FROM agencies WHERE name LIKE '%Koto Jaya'))";
        assert_eq!(total(&app.village().await).await, app.number(plain).await);
        assert!(
            app.number(plain).await
                < app.number("SELECT count(*) FROM referrals WHERE village_code = '17.06.02.1017'").await
        );
        app.province().await.get("/v1/statistics/referrals?region=15").await.problem(404, "not_found");
        app.bpjs().await.get("/v1/statistics/referrals").await.problem(403, "forbidden");
    });
}

#[test]
fn folding_changes_no_figure_and_leaves_one_row_a_bucket() {
    run(async |app| {
        some(app).await;
        assert!(fold_all(app).await >= 10);
        assert_eq!(fold_all(app).await, 0);
        assert_eq!(app.number("SELECT count(*) FROM referral_counts WHERE NOT folded OR count <= 0").await, 0);
        assert_eq!(
            app.number("SELECT sum(count) FROM referral_counts").await,
            app.number("SELECT count(*) FROM referrals").await
        );
        let distinct = "SELECT count(*) FROM (SELECT DISTINCT month, village_code, reporter_agency_id, volunteer_id, sender_agency_id, receiver_agency_id, service, status, sensitive FROM referrals) r";
        assert_eq!(app.number("SELECT count(*) FROM referral_counts").await, app.number(distinct).await);
        // the service can read and fold, and nothing else
        let denied = "DO $$ BEGIN SET LOCAL ROLE simpul_service; INSERT INTO referral_counts (month) VALUES ('2026-01-01'); RAISE 'it was taken'; EXCEPTION WHEN insufficient_privilege THEN NULL; END $$";
        app.sql(denied).await;
    });
}

/// While referrals move and are folded, every figure is that of some moment: never one too many.
#[test]
fn a_figure_is_never_off_while_referrals_move() {
    run(async |app| {
        let (regency, bpjs) = (app.regency().await, app.bpjs().await);
        let mut paths = vec![];
        for _ in 0..6 {
            let mut case = patient(KOTO_JAYA);
            case["referral"] = ask(&bpjs.agency, REACTIVATION);
            let made = report(&regency, case).await;
            paths.push(format!("/v1/referrals/{}", made.json["referral_id"].as_str().unwrap()));
        }
        for path in &paths {
            for (action, body) in [("acknowledge", json!({})), ("accept", json!({})), ("start", json!({}))] {
                let reads = (0..rounds(10)).map(|_| regency.get("/v1/statistics/referrals").into_future());
                let moved = act(&bpjs, path, action, body);
                let (moved, reads, _) =
                    futures_util::future::join3(moved, futures_util::future::join_all(reads), fold_all(app)).await;
                moved.expect(200);
                for read in reads {
                    assert_eq!(read.expect(200).json["total"], 6);
                }
            }
        }
    });
}

#[test]
fn small_numbers_are_not_told_to_who_may_not_see_the_rows() {
    run(async |app| {
        some(app).await;
        let dashboard = app.dashboard().await;
        let figures = dashboard.get("/v1/statistics/referrals").await.expect(200);
        let province = adds_up(&app.province().await, "").await;
        for (bucket, (key, count)) in figures.json["buckets"].as_array().unwrap().iter().zip(&province) {
            assert_eq!(bucket["key"], key.as_str());
            assert!(bucket.get("list_url").is_none());
            let told = bucket["count"].as_i64();
            assert!(told.is_none_or(|told| told == *count && !(1..5).contains(&told)), "{bucket}");
            assert!(*count == 0 || *count >= 5 || told.is_none(), "{bucket}");
        }
        // one bucket alone would follow from the total
        let hidden =
            figures.json["buckets"].as_array().unwrap().iter().filter(|bucket| bucket["count"].is_null()).count();
        assert!(hidden >= 2, "{}", figures.text);
        let one = dashboard.get("/v1/statistics/referrals?status=rejected").await.expect(200);
        assert_eq!((&one.json["total"], &one.json["buckets"][0]["count"]), (&Value::Null, &Value::Null));
        // unchanged figures are not sent again
        dashboard.get("/v1/statistics/referrals").header("if-none-match", figures.header("etag")).await.expect(304);
    });
}

#[test]
fn the_demo_has_a_referral_in_every_state_and_counts_that_equal_their_lists() {
    run(async |app| {
        let (maker, writer) =
            simpul::server::worker_parts(&crate::support::config(&app.base, &app.database_url("simpul_service")))
                .await
                .unwrap();
        // all in one transaction
        app.tampers();
        simpul::demo::cases::seed(&maker, &writer).await.unwrap();
        let states = app.texts("SELECT DISTINCT status FROM referrals ORDER BY 1").await;
        let mut all: Vec<&str> = simpul::referrals::rules::ReferralStatus::ALL.iter().map(|s| s.as_str()).collect();
        all.sort_unstable();
        assert_eq!(states, all);
        let bpjs = app.bpjs().await;
        let waiting =
            bpjs.get("/v1/referrals?direction=received&status=submitted").header("prefer", "count=exact").await;
        let waiting = waiting.expect(200).json["total"].as_i64().unwrap();
        assert!(waiting >= 10, "{waiting}");
        assert!(app.number("SELECT count(*) FROM cases").await >= 36);
        assert_eq!(app.number("SELECT count(*) FROM cases WHERE regency_code <> '17.06'").await, 0);
        assert!(app.number("SELECT count(DISTINCT village_code) FROM cases").await > 10);
        for reader in [app.ministry().await, app.province().await, app.regency().await, app.village().await] {
            for query in ["", "group_by=service", "group_by=month", "group_by=receiver"] {
                adds_up(&reader, query).await;
            }
        }
        // once
        let before = app.number("SELECT count(*) FROM cases").await;
        simpul::demo::cases::seed(&maker, &writer).await.unwrap();
        assert_eq!(app.number("SELECT count(*) FROM cases").await, before);
        writer.drain().await;
    });
}

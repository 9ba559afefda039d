//! Figures about volunteers and coverage, and the lists that they equal.
use crate::support::{Client, Reply, TestApp, a_name, rounds, run};
use serde_json::{Value, json};
use simpul::platform::error::ApiResult;
use simpul::statistics::store;

/// Length of a list, walked page by page.
pub async fn length(client: &Client<'_>, list_url: &str) -> i64 {
    let path = list_url.strip_prefix(&client.app.base).unwrap();
    let (bare, query) = path.split_once('?').unwrap_or((path, ""));
    let (mut rows, mut next) = (0, format!("{bare}?limit=40&{query}"));
    loop {
        let page = client.get(&next).await.expect(200);
        rows += i64::try_from(page.json["items"].as_array().unwrap().len()).unwrap();
        match page.json["next_cursor"].as_str() {
            Some(cursor) => next = format!("{bare}?limit=40&cursor={cursor}"),
            None => return rows,
        }
    }
}

/// Each bucket has as many rows as its list, and the buckets make the total.
pub async fn adds_up(reader: &Client<'_>, figures: &Reply) {
    let buckets = figures.json["buckets"].as_array().unwrap();
    let sum: i64 = buckets.iter().map(|bucket| bucket["count"].as_i64().unwrap()).sum();
    assert_eq!(figures.json["total"], sum);
    for bucket in buckets {
        if let Some(url) = bucket["list_url"].as_str() {
            assert_eq!(length(reader, url).await, bucket["count"].as_i64().unwrap(), "{url}");
        }
    }
}

fn counts(figures: &Reply) -> Vec<(String, i64)> {
    let bucket = |bucket: &Value| (bucket["key"].as_str().unwrap().to_owned(), bucket["count"].as_i64().unwrap());
    figures.json["buckets"].as_array().unwrap().iter().map(bucket).collect()
}

async fn fold(app: &TestApp) -> i64 {
    app.running().writer.run(async |c| ApiResult::Ok(store::fold(c).await?)).await.unwrap()
}

const QUERIES: &[&str] = &[
    "",
    "group_by=level",
    "group_by=sex",
    "group_by=region",
    "group_by=region&status=active",
    "region=17.01",
    "region=17.01&group_by=region",
    "region=17.06.02&group_by=region&sex=female",
    "region=17.06.02.2008&group_by=sex",
    "group_by=level&status=active&status=inactive",
    "group_by=status&status=active&level=none",
    "group_by=sex&sex=unknown&sex=female",
];

#[test]
fn every_bucket_equals_its_list_before_and_after_folding() {
    run(async |app| {
        let province = app.province().await;
        // one whose sex is not known
        province.post("/v1/volunteers", json!({ "village_code": "17.06.02.1017", "name": "X" })).await.expect(201);
        let read = async || {
            let mut all = vec![];
            for query in QUERIES {
                let figures = province.get(&format!("/v1/statistics/volunteers?{query}")).await.expect(200);
                adds_up(&province, &figures).await;
                all.push(counts(&figures));
            }
            for query in [
                "",
                "group_by=region",
                "group_by=region&state=met",
                "region=17.06",
                "region=17.06&state=none&state=below",
                "region=17.06.02&group_by=region",
            ] {
                let figures = province.get(&format!("/v1/statistics/coverage?{query}")).await.expect(200);
                adds_up(&province, &figures).await;
                all.push(counts(&figures));
            }
            all
        };
        let before = read().await;
        assert!(fold(app).await > 500);
        assert_eq!(read().await, before);
        let rows = app.number("SELECT count(*) FROM volunteer_figures").await;
        assert_eq!(fold(app).await, 0);
        assert_eq!(app.number("SELECT count(*) FROM volunteer_figures").await, rows);
        assert_eq!(
            app.number("SELECT sum(count) FROM volunteer_figures WHERE region_code = ''").await,
            app.number("SELECT count(*) FROM volunteers").await
        );
    });
}

#[test]
fn the_ministry_counts_the_country_and_a_village_itself() {
    run(async |app| {
        let (ministry, village) = (app.ministry().await, app.village().await);
        let all = ministry.get("/v1/statistics/volunteers?group_by=region").await.expect(200);
        adds_up(&ministry, &all).await;
        assert_eq!(
            (&all.json["region"], &all.json["timezone"], counts(&all).len()),
            (&Value::Null, &json!("Asia/Jakarta"), 38)
        );
        assert_eq!(all.json["total"], app.number("SELECT count(*) FROM volunteers").await);
        let coverage = ministry.get("/v1/statistics/coverage").await.expect(200);
        assert_eq!(
            coverage.json["total"],
            app.number("SELECT count(*) FROM regions WHERE level = 'village' AND last_listed IS NULL").await
        );
        let own = village.get("/v1/statistics/volunteers").await.expect(200);
        adds_up(&village, &own).await;
        assert_eq!((&own.json["region"], &own.json["total"]), (&json!("17.06.02.1017"), &json!(1)));
        let own = village.get("/v1/statistics/coverage").await.expect(200);
        assert_eq!(counts(&own), [("none".to_owned(), 0), ("below".to_owned(), 0), ("met".to_owned(), 1)]);
        village
            .get("/v1/statistics/volunteers?group_by=region")
            .await
            .problem(422, "rule_broken")
            .blames("?group_by", "no_deeper_level");
        village
            .get("/v1/statistics/coverage?group_by=region")
            .await
            .problem(422, "rule_broken")
            .blames("?group_by", "no_deeper_level");
    });
}

#[test]
fn a_region_outside_is_a_missing_one() {
    run(async |app| {
        let (dashboard, regency) = (app.dashboard().await, app.regency().await);
        for path in ["/v1/statistics/volunteers", "/v1/statistics/coverage", "/v1/statistics/coverage/villages"] {
            let missing = dashboard.get(&format!("{path}?region=17.98")).await.problem(404, "not_found");
            for region in ["15", "15.01", "15.01.01.2001"] {
                assert_eq!(dashboard.get(&format!("{path}?region={region}")).await.anonymous(), missing.anonymous());
            }
            assert_eq!(regency.get(&format!("{path}?region=17")).await.anonymous(), missing.anonymous());
            dashboard
                .get(&format!("{path}?region=17x"))
                .await
                .problem(400, "malformed")
                .blames("?region", "region_code_malformed");
            dashboard
                .get(&format!("{path}?nik=1706024508950001"))
                .await
                .problem(400, "malformed")
                .blames("?nik", "unknown_field");
            for client in [app.phone().await, app.bpjs().await, app.bpjs_branch().await] {
                client.get(path).await.problem(403, "forbidden");
            }
        }
    });
}

#[test]
fn figures_follow_every_change_and_their_etag_with_them() {
    run(async |app| {
        let (regency, dashboard) = (app.regency().await, app.dashboard().await);
        let village = "17.06.02.1009"; // has nobody yet
        let figures = async || dashboard.get("/v1/statistics/volunteers?region=17.06").await.expect(200);
        let state = async || {
            let list = dashboard.get(&format!("/v1/statistics/coverage/villages?region={village}")).await.expect(200);
            list.json["items"][0]["state"].as_str().unwrap().to_owned()
        };
        let first = figures().await;
        assert_eq!((state().await, first.json["definition_version"].as_i64()), ("none".to_owned(), Some(1)));
        app.pass(chrono::TimeDelta::seconds(90));
        let same =
            dashboard.get("/v1/statistics/volunteers?region=17.06").header("if-none-match", first.header("etag")).await;
        assert_eq!((same.status, same.header("etag")), (304, first.header("etag")));
        assert_ne!(figures().await.json["as_of"], first.json["as_of"]);

        let made =
            regency.post("/v1/volunteers", json!({ "village_code": village, "name": a_name() })).await.expect(201);
        let path = format!("/v1/volunteers/{}", made.id());
        dashboard
            .get("/v1/statistics/volunteers?region=17.06")
            .header("if-none-match", first.header("etag"))
            .await
            .expect(200);
        let letter = json!({ "sk_number": "1", "sk_date": "2026-01-05", "sk_official": "Bupati" });
        for (action, body) in [("verify", json!({})), ("select", json!({})), ("activate", letter)] {
            let etag = regency.get(&path).await.header("etag").to_owned();
            regency.act(&format!("{path}/{action}"), &etag, body).await.expect(200);
            adds_up(&regency, &regency.get("/v1/statistics/volunteers").await.expect(200)).await;
        }
        assert_eq!(state().await, "met");
        fold(app).await;
        let etag = regency.get(&path).await.header("etag").to_owned();
        regency.act(&format!("{path}/postings"), &etag, json!({ "village_code": "17.06.02.1017" })).await.expect(200);
        assert_eq!(state().await, "none");
        assert_eq!(figures().await.json["total"], 76);
        // the service itself can write no figure
        for sql in [
            "UPDATE volunteer_figures SET count = 0",
            "DELETE FROM coverage_figures",
            "INSERT INTO coverage_figures (village_code, active, folded) VALUES ('17.06.02.1009', 1, false)",
        ] {
            use diesel_async::SimpleAsyncConnection;
            let url = app.database_url("simpul_service");
            let (mut conn, _driver) = simpul::platform::db::Target::new(&url, None).unwrap().connect().await.unwrap();
            assert!(conn.batch_execute(sql).await.unwrap_err().to_string().contains("permission denied"), "{sql}");
        }
    });
}

#[test]
fn figures_hold_while_volunteers_change_and_rows_are_folded() {
    run(async |app| {
        let (regency, province) = (app.regency().await, app.province().await);
        for _ in 0..rounds(20) {
            let posts = (0..12).map(|n| {
                let village = if n % 2 == 0 { "17.06.02.1009" } else { "17.06.02.1018" };
                regency.post("/v1/volunteers", json!({ "village_code": village, "name": a_name() })).settled()
            });
            let folds = async {
                for _ in 0..6 {
                    fold(app).await;
                }
            };
            let more_folds = async {
                for _ in 0..6 {
                    fold(app).await;
                }
            };
            let reads = async {
                let mut last = 0;
                for _ in 0..20 {
                    let figures = province.get("/v1/statistics/volunteers?region=17.06").await.expect(200);
                    let total = figures.json["total"].as_i64().unwrap();
                    assert!(total >= last, "a figure fell from {last} to {total}");
                    last = total;
                }
            };
            let (made, (), (), ()) = tokio::join!(futures_util::future::join_all(posts), folds, more_folds, reads);
            assert!(made.iter().all(|reply| reply.status == 201));
            adds_up(&regency, &regency.get("/v1/statistics/volunteers?group_by=region").await.expect(200)).await;
        }
    });
}

#[test]
fn figures_of_a_region_read_only_its_own_rows() {
    run(async |app| {
        let province = app.province().await;
        fold(app).await;
        crate::support::execute(
            &app.database_url("postgres"),
            "ANALYZE regions; ANALYZE volunteer_figures; ANALYZE coverage_figures",
        )
        .await;
        for (path, marker, index) in [
            ("volunteers", "volunteer_figures", "volunteer_figures_by_region"),
            ("volunteers?group_by=region", "volunteer_figures", "volunteer_figures_by_parent"),
            ("coverage", "village_coverage", "regions_by_province"),
            ("coverage?region=17.06", "village_coverage", "regions_by_regency"),
            ("coverage?region=17.06&group_by=region", "village_coverage", "regions_by_regency"),
            ("coverage/villages?region=17.06&state=none", "village_coverage", "regions_by_regency"),
        ] {
            let figures = app.statement_of(&province, &format!("/v1/statistics/{path}"), &[marker]).await;
            let plan = app.generic_plan(&figures.query).await;
            assert!(plan.contains(index) && !plan.contains("Seq Scan on regions"), "{path}: {plan}");
        }
    });
}

#[test]
fn coverage_is_told_by_the_target_that_is_asked_by() {
    run(async |app| {
        let province = app.province().await;
        let states = async |query: &str| -> Vec<i64> {
            let figures = province.get(&format!("/v1/statistics/coverage?{query}")).await.expect(200);
            let buckets = figures.json["buckets"].as_array().unwrap().clone();
            for bucket in &buckets {
                let path = bucket["list_url"].as_str().unwrap().strip_prefix(&app.base).unwrap();
                let list = province.get(&format!("{path}&limit=1")).header("prefer", "count=exact").await.expect(200);
                assert_eq!(list.json["total"], bucket["count"], "{path}");
            }
            buckets.iter().map(|bucket| bucket["count"].as_i64().unwrap()).collect()
        };
        let (one, two) = (states("region=17.06").await, states("region=17.06&target=2").await);
        assert_eq!((one[0], one[1]), (two[0], 0));
        assert!(two[1] > 0 && two[2] > 0 && two[1] + two[2] == one[2]);
        for bad in ["0", "101", "x"] {
            province.get(&format!("/v1/statistics/coverage?target={bad}")).await.problem(400, "malformed");
        }
    });
}

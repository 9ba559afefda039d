//! Whole stories, from one office to the next.
use crate::statistics::{adds_up, length};
use crate::support::run;
use serde_json::json;

/// (c) The province's dashboard sees counts and nothing else; whoever may read the lists finds them equal.
#[test]
fn the_dashboard_of_a_province_sees_exact_counts() {
    run(async |app| {
        let (dashboard, regency) = (app.dashboard().await, app.regency().await);
        let volunteers = dashboard.get("/v1/statistics/volunteers?region=17.06").await.expect(200);
        assert_eq!(volunteers.json["total"], 75);
        let buckets = volunteers.json["buckets"].as_array().unwrap();
        assert_eq!((buckets.len(), buckets.iter().filter(|bucket| bucket["count"] == 0).count()), (9, 8));
        // the dashboard may not read volunteers, so no list is offered to it
        assert!(buckets.iter().all(|bucket| bucket.get("list_url").is_none()));
        dashboard.get("/v1/volunteers?region=17.06").await.problem(403, "forbidden");

        let same = regency.get("/v1/statistics/volunteers?region=17.06").await.expect(200);
        let without_lists = |mut figures: serde_json::Value| {
            for bucket in figures["buckets"].as_array_mut().unwrap() {
                bucket.as_object_mut().unwrap().remove("list_url");
            }
            figures["buckets"].take()
        };
        assert_eq!(without_lists(same.json.clone()), without_lists(volunteers.json.clone()));
        adds_up(&regency, &same).await;
        let by_district =
            regency.get("/v1/statistics/volunteers?region=17.06&group_by=region&status=active").await.expect(200);
        assert_eq!(
            (&by_district.json["total"], by_district.json["buckets"].as_array().unwrap().len()),
            (&json!(75), 15)
        );
        adds_up(&regency, &by_district).await;

        let coverage = dashboard.get("/v1/statistics/coverage?region=17.06").await.expect(200);
        assert_eq!(coverage.json["total"], 151);
        let count = |key: &str| {
            let buckets = coverage.json["buckets"].as_array().unwrap();
            buckets.iter().find(|bucket| bucket["key"] == key).unwrap()["count"].as_i64().unwrap()
        };
        let covered = app.number("SELECT count(DISTINCT village_code) FROM volunteers WHERE regency_code = '17.06' AND status = 'active'").await;
        assert_eq!((count("met"), count("below"), count("none")), (covered, 0, 151 - covered));
        // which villages: these lists the dashboard may read itself
        adds_up(&dashboard, &coverage).await;
        assert_eq!(
            length(&dashboard, &format!("{}/v1/statistics/coverage/villages?region=17.06&state=met", app.base)).await,
            covered
        );
        let ten = dashboard.get("/v1/statistics/coverage/villages?region=17.06.02.2008").await.expect(200);
        assert_eq!(ten.json["items"][0]["active"], 10);
    });
}

//! Who lacks training, who took part, and the list that is signed.
use crate::support::pdf::texts;
use crate::support::{Client, Reply, run};
use crate::training::{BANDAR_RATU, KOTO_JAYA, act, bimtek, candidates, enrol, level, publish, results};
use chrono::TimeDelta;
use serde_json::{Value, json};
use std::collections::BTreeMap;

async fn list(client: &Client<'_>, path: &str) -> Reply {
    client.get(path).header("prefer", "count=exact").await.expect(200)
}

/// Each bucket's count equals what its list has; returns them.
async fn adds_up(client: &Client<'_>, base: &str, path: &str) -> BTreeMap<String, i64> {
    let figures = client.get(path).await.expect(200);
    let mut counts = BTreeMap::new();
    for bucket in figures.json["buckets"].as_array().unwrap() {
        let count = bucket["count"].as_i64().unwrap();
        let url = bucket["list_url"].as_str().unwrap();
        let listed = list(client, url.strip_prefix(base).unwrap()).await;
        assert_eq!(listed.json["total"], count, "{url}");
        counts.insert(bucket["key"].as_str().unwrap().to_owned(), count);
    }
    counts
}

#[test]
fn who_lacks_training_is_listed_and_counted() {
    run(async |app| {
        let (regency, province, village) = (app.regency().await, app.province().await, app.village().await);
        let figures = "/v1/statistics/training-needs";
        let before = adds_up(&regency, &app.base, figures).await;
        let mut people = candidates(&regency, KOTO_JAYA, 3).await;
        people.extend(candidates(&regency, BANDAR_RATU, 2).await);
        let basic = publish(&regency, bimtek("basic", "17.06", 9)).await;
        let seat = enrol(&regency, &basic, &people[0]).await.expect(201);
        enrol(&regency, &basic, &people[1]).await.expect(201);
        act(&regency, &format!("/v1/volunteers/{}", people[4]), "reject", json!({ "reason": "quota_full" }))
            .await
            .expect(200);
        let now = adds_up(&regency, &app.base, figures).await;
        assert_eq!((now["basic"], now["advanced"]), (before["basic"] + 4, before["advanced"]));
        let needs = list(&regency, "/v1/training-needs?need=basic&limit=200").await;
        let row =
            |id: &str| needs.json["items"].as_array().unwrap().iter().find(|row| row["volunteer_id"] == id).cloned();
        let taken = row(&people[0]).unwrap();
        assert_eq!((&taken["seat"]["enrolment_id"], &taken["seat"]["state"]), (&json!(seat.id()), &json!("enrolled")));
        assert_eq!((row(&people[2]).unwrap()["seat"].clone(), row(&people[4])), (Value::Null, None));

        act(&regency, &basic, "start", json!({})).await.expect(200);
        results(&regency, &basic, &people[0], "passed").await.expect(200);
        let then = adds_up(&regency, &app.base, figures).await;
        assert_eq!((then["basic"], then["advanced"]), (now["basic"] - 1, now["advanced"] + 1));
        for (client, region) in
            [(&regency, ""), (&province, "&region=17.06"), (&province, ""), (&regency, "&region=17.06.02")]
        {
            let by_region = adds_up(client, &app.base, &format!("{figures}?group_by=region&need=basic{region}")).await;
            let all = adds_up(client, &app.base, &format!("{figures}?need=basic{region}")).await;
            assert_eq!(by_region.values().sum::<i64>(), all["basic"]);
        }
        let unasked = list(&regency, "/v1/training-needs?limit=200").await;
        assert_eq!(unasked.json["total"], then["basic"] + then["advanced"]);
        let either = adds_up(&regency, &app.base, &format!("{figures}?group_by=region")).await;
        assert_eq!(either.values().sum::<i64>(), then["basic"] + then["advanced"]);
        regency.get("/v1/training-needs?need=").await.problem(400, "malformed");
        app.other_regency().await.get("/v1/training-needs?need=basic&region=17.06").await.expect(200);
        assert_eq!(
            list(&app.other_regency().await, "/v1/training-needs?need=basic&region=17.06").await.json["total"],
            0
        );
        let own = list(&village, "/v1/training-needs?need=advanced").await;
        assert!(own.json["items"].as_array().unwrap().iter().all(|row| row["village_code"] == KOTO_JAYA));
        let shown = "SELECT count(*) FROM audit_events WHERE action = 'training_need.list'";
        assert!(app.number(shown).await > 3);
        assert_eq!(level(&regency, &people[0]).await, "basic");
    });
}

#[test]
fn who_took_part_is_counted_by_all_that_it_is_told_by() {
    run(async |app| {
        let (regency, province) = (app.regency().await, app.province().await);
        let people = candidates(&regency, KOTO_JAYA, 2).await;
        let there = candidates(&regency, BANDAR_RATU, 1).await.remove(0);
        let mut body = bimtek("basic", "17.06", 9);
        body["speakers"] = json!([{ "agency": "BPJS Kesehatan" }, { "agency": "Bappelitbang" }]);
        body.as_object_mut().unwrap().remove("speaker_agencies");
        body["title"] = json!("=Bimtek");
        let event = publish(&regency, body).await;
        for person in people.iter().chain([&there]) {
            enrol(&regency, &event, person).await.expect(201);
        }
        app.pass(TimeDelta::days(11) + TimeDelta::hours(1));
        let (regency, province2) = (app.regency().await, app.province().await);
        drop(province);
        let dashboard = app.dashboard().await;
        let came = |who: &String, session: u8, present: bool| json!({ "volunteer_id": who, "session": session, "present": present });
        let items = json!({ "items": [came(&people[0], 1, true), came(&people[0], 2, true), came(&people[1], 1, true), came(&people[1], 2, false)] });
        regency.post(&format!("{event}/attendance"), items).await.expect(200);
        results(&regency, &event, &people[0], "passed").await.expect(200);
        results(&regency, &event, &people[1], "failed").await.expect(200);
        results(&regency, &event, &there, "absent").await.expect(200);
        let figures =
            async |query: &str| dashboard.get(&format!("/v1/statistics/training?{query}")).await.expect(200).json;
        let year = regency.get(&event).await.expect(200).json["starts_at"].as_str().unwrap().to_owned();
        let year = year.parse::<chrono::DateTime<chrono::Utc>>().unwrap() + TimeDelta::hours(7);
        let year = year.format("%Y").to_string();
        let this = format!("year={year}");
        let nothing = figures(&this).await;
        assert_eq!((&nothing["total"]["count"], &nothing["total"]["attendance_rate"]), (&json!(0), &Value::Null));
        act(&regency, &event, "complete", json!({})).await.expect(200);

        let all = figures(&this).await;
        let expected = json!({ "count": 3, "events": 1, "passed": 1, "failed": 1, "absent": 1, "expected": 6, "attended": 3, "attendance_rate": 0.5 });
        assert_eq!(all["total"], expected);
        let counts = |figures: &Value| -> BTreeMap<String, i64> {
            let buckets = figures["buckets"].as_array().unwrap().iter();
            buckets.map(|one| (one["key"].as_str().unwrap().to_owned(), one["count"].as_i64().unwrap())).collect()
        };
        assert_eq!(
            counts(&all),
            BTreeMap::from([("basic", 3), ("advanced", 0), ("other", 0)].map(|(k, n)| (k.to_owned(), n)))
        );
        let years = counts(&figures("group_by=year").await);
        assert_eq!((years[&year], years["2023"]), (3, 75));
        let heard = counts(&figures(&format!("group_by=speaker_agency&year={year}")).await);
        assert_eq!(heard, BTreeMap::from([("BPJS Kesehatan".to_owned(), 3), ("Bappelitbang".to_owned(), 3)]));
        let sexes = counts(&figures(&format!("group_by=sex&{this}")).await);
        assert_eq!((sexes["unknown"], sexes.values().sum::<i64>()), (3, 3));
        assert_eq!(
            counts(&figures(&format!("group_by=sex&sex=female&{this}")).await),
            BTreeMap::from([("female".to_owned(), 0)])
        );
        let villages = counts(&figures(&format!("group_by=region&region=17.06.02&{this}")).await);
        assert_eq!((villages[KOTO_JAYA], villages[BANDAR_RATU], villages.values().sum::<i64>()), (2, 1, 3));
        assert_eq!(figures("year=2019").await["total"]["count"], 0);
        for client in [&regency, &province2] {
            let own = adds_up(client, &app.base, "/v1/statistics/training?group_by=event").await;
            assert_eq!((own.len(), own[event.rsplit('/').next().unwrap()]), (2, 3));
            let of_village = format!("/v1/statistics/training?group_by=event&region={KOTO_JAYA}&{this}");
            let own = adds_up(client, &app.base, &of_village).await;
            assert_eq!(own.values().copied().collect::<Vec<_>>(), [2]);
        }
        // the dashboard may not list, and is given no list
        assert!(figures("group_by=event").await["buckets"][0].get("list_url").is_none());
        dashboard.get("/v1/statistics/training?region=15").await.problem(404, "not_found");
        dashboard.get("/v1/statistics/training?year=1").await.problem(400, "malformed").blames("?year", "out_of_range");
        let kept = dashboard.get("/v1/statistics/training").await.expect(200);
        dashboard.get("/v1/statistics/training").header("if-none-match", kept.header("etag")).await.expect(304);

        // the same on paper and as a table, for the organiser alone
        let names = |id: &str| {
            let (regency, id) = (regency.clone(), id.to_owned());
            async move {
                regency.get(&format!("/v1/volunteers/{id}")).await.json["person"]["name"].as_str().unwrap().to_owned()
            }
        };
        let csv = regency.get(&format!("{event}/attendance.csv")).await.expect(200);
        let lines: Vec<&str> = csv.text.trim_start_matches('\u{feff}').trim_end().split("\r\n").collect();
        assert_eq!(lines[0], "No;Nama;Desa/Kelurahan;Kode Desa;Sesi 1;Sesi 2");
        let line = format!(";{};Koto Jaya;{KOTO_JAYA};hadir;tidak hadir", names(&people[1]).await);
        assert!(lines.iter().any(|own| own.ends_with(&line)), "{line}: {lines:#?}");
        assert!(lines[3].ends_with(&format!("{BANDAR_RATU};;")), "{}", lines[3]);
        let english = regency.get(&format!("{event}/attendance.csv")).header("accept-language", "en").await.expect(200);
        assert!(english.text.contains("Session 1") && english.text.contains(";present;absent"));
        let paper = regency.get(&format!("{event}/attendance.pdf")).await.expect(200);
        let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
        let said = letters(&texts(&paper.bytes).concat());
        for expected in [names(&people[0]).await.as_str(), "Koto Jaya", "Hadir", "Sesi 1", "Halaman 1 dari 1", "WIB"] {
            assert!(said.contains(&letters(expected)), "{expected} is not in: {said}");
        }
        for kind in ["pdf", "csv"] {
            let path = format!("{event}/attendance.{kind}");
            province2.get(&path).await.problem(403, "not_the_organiser");
            app.other_regency().await.get(&path).await.problem(404, "not_found");
        }
        let seen = "SELECT count(*) FROM audit_events WHERE action = 'training_event.attendance_list' AND cardinality(person_ids) = 3";
        assert_eq!(app.number(seen).await, 3);
    });
}

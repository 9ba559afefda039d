//! Volunteers by name, and the filters of their list.
use crate::support::{Client, Reply, TestApp, rounds, run};
use chrono::{NaiveDate, TimeDelta};
use serde_json::{Value, json};

const SEARCH: &str = "/v1/volunteers/search-names";

/// Two villages of Mukomuko where nobody is posted yet.
async fn empty_villages(app: &TestApp) -> [String; 2] {
    let villages =
        "SELECT code FROM regions r WHERE regency_code = '17.06' AND level = 'village' AND last_listed IS NULL
        AND NOT EXISTS (SELECT FROM volunteers WHERE village_code = r.code) ORDER BY code LIMIT 2";
    app.texts(villages).await.try_into().unwrap()
}

async fn register(client: &Client<'_>, village: &str, name: &str) -> Reply {
    let new = json!({ "village_code": village, "name": name, "nik_status": "none",
        "override_duplicate": { "reason": "namesakes" } });
    client.post("/v1/volunteers", new).await.expect(201)
}

async fn search(client: &Client<'_>, body: Value) -> Reply {
    client.post(SEARCH, body).without("idempotency-key").await
}

/// The names that are found in a region, the best first.
async fn found(client: &Client<'_>, region: &str, name: &str) -> Vec<String> {
    let reply = search(client, json!({ "name": name, "filters": { "region": region }, "limit": 50 })).await.expect(200);
    let items = reply.json["items"].as_array().unwrap();
    items.iter().map(|item| item["person"]["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn names_are_found_however_they_are_written() {
    run(async |app| {
        let (regency, [village, _]) = (app.regency().await, empty_villages(app).await);
        for name in [
            "Ir. Soekarno",
            "Sukarno Hatta",
            "Soekarnoputri",
            "Djoko Tjipto",
            "Joko Cipto Santoso",
            "Hj. Siti Nur'aini, S.Sos.",
            "Ma'ruf Amin",
            "Moehammad Joesoef",
            "M. Yusuf",
            "José",
            "Haji",
        ] {
            register(&regency, &village, name).await;
        }
        for (asked, answer) in [
            // as typed, then what begins so, then what is spelled otherwise
            ("Soekarno", &["Ir. Soekarno", "Soekarnoputri", "Sukarno Hatta"][..]),
            ("sukarno", &["Sukarno Hatta", "Ir. Soekarno", "Soekarnoputri"]),
            ("Suka", &["Sukarno Hatta", "Ir. Soekarno", "Soekarnoputri"]),
            ("joko cipto", &["Joko Cipto Santoso", "Djoko Tjipto"]),
            ("CIPTO, DJOKO", &["Djoko Tjipto", "Joko Cipto Santoso"]),
            // titles, apostrophes, words that are joined
            ("Nuraini", &["Hj. Siti Nur'aini, S.Sos."]),
            ("nur aini", &["Hj. Siti Nur'aini, S.Sos."]),
            ("Dra. Siti Nuraini, M.Si.", &["Hj. Siti Nur'aini, S.Sos."]),
            ("Maruf", &["Ma'ruf Amin"]),
            ("Ma`ruf", &["Ma'ruf Amin"]),
            ("KH Ma’ruf Amin", &["Ma'ruf Amin"]),
            ("muhammad yusuf", &["Moehammad Joesoef", "M. Yusuf"]),
            ("Jusuf", &["Moehammad Joesoef", "M. Yusuf"]),
            ("jose", &["José"]),
            ("haji", &["Haji"]),
            // letters amiss: another one, left out, added, the wrong order, two of them
            ("Sukarni Hatta", &["Sukarno Hatta"]),
            ("Hata", &["Sukarno Hatta"]),
            ("Hattta", &["Sukarno Hatta"]),
            ("Amni Maruf", &["Ma'ruf Amin"]),
            ("Santooso", &["Joko Cipto Santoso"]),
            ("Smatoso", &["Joko Cipto Santoso"]),
            // beginnings
            ("j", &["Joko Cipto Santoso", "José", "Moehammad Joesoef", "Djoko Tjipto", "M. Yusuf"]),
            ("jo", &["Joko Cipto Santoso", "José", "Moehammad Joesoef", "Djoko Tjipto"]),
            ("joko san", &["Joko Cipto Santoso"]),
            ("santo j", &[]),
            // nobody
            ("Xylophone", &[]),
            ("...", &[]),
            ("siti amin", &[]),
        ] {
            let mut names = found(&regency, &village, asked).await;
            let mut wanted: Vec<String> = answer.iter().map(|name| (*name).to_owned()).collect();
            if asked.starts_with('j') && asked.len() < 3 || asked == "Jusuf" || asked == "muhammad yusuf" {
                // equally good ones, in the order of registration
                names.sort();
                wanted.sort();
            }
            assert_eq!(names, wanted, "{asked}");
        }
    });
}

#[test]
fn the_best_come_first_and_equals_in_the_order_of_their_ids() {
    run(async |app| {
        let (regency, [village, _]) = (app.regency().await, empty_villages(app).await);
        let mut ids = vec![];
        for turn in 0..8 {
            let name = ["Sulastri Wibowo", "Sulastri", "Soelastri", "Sulastrini", "Sulastry", "Sulasrti"][turn % 6];
            ids.push((name, register(&regency, &village, name).await.id()));
        }
        ids.sort_by_key(|(name, id)| {
            let rank = match *name {
                "Sulastri" => 0,
                "Sulastri Wibowo" => 1,
                "Sulastrini" => 2,
                "Soelastri" | "Sulastry" => 3,
                _ => 4,
            };
            (rank, id.clone())
        });
        let order: Vec<&str> = ids.iter().map(|(_, id)| id.as_str()).collect();
        let ask = async |limit: i64| {
            let reply =
                search(&regency, json!({ "name": "Sulastri", "filters": { "region": village }, "limit": limit }))
                    .await
                    .expect(200);
            let items: Vec<String> = reply.json["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|item| item["id"].as_str().unwrap().to_owned())
                .collect();
            (items, reply.json["more"].as_bool().unwrap())
        };
        let (all, more) = ask(50).await;
        assert_eq!((all.iter().map(String::as_str).collect::<Vec<_>>(), more), (order.clone(), false));
        for limit in 1..=8_usize {
            let (some, more) = ask(i64::try_from(limit).unwrap()).await;
            assert_eq!((some.as_slice(), more), (&all[..limit], limit < 8), "{limit}");
        }
        // No limit of none, and none beyond what is ever shown.
        for wrong in [json!(0), json!(-1), json!(51), json!(1.5), json!("5"), json!(i64::MAX)] {
            let reply = search(&regency, json!({ "name": "Sulastri", "limit": wrong })).await.problem(400, "malformed");
            assert_eq!(reply.json["errors"][0]["pointer"], "/limit");
        }
        search(&regency, json!({ "name": " " })).await.problem(400, "malformed");
        search(&regency, json!({ "filters": { "region": village } })).await.problem(400, "malformed");
        search(&regency, json!({ "name": "Siti", "nama": "Siti" })).await.problem(400, "malformed");
    });
}

/// What is typed on the way to a name may look like a degree, and what is behind a comma like nothing known.
#[test]
fn what_is_typed_so_far_finds_who_is_meant() {
    run(async |app| {
        let (regency, [village, _]) = (app.regency().await, empty_villages(app).await);
        for name in
            ["Budi Saputra", "Budi", "Siti Septiani", "Siti, S.E.", "Norhayati Lubis", "Hi. Dahlan Idris", "Yosef Mak"]
        {
            register(&regency, &village, name).await;
        }
        for (asked, answer) in [
            ("budi sap", &["Budi Saputra", "Budi"][..]),
            ("siti se", &["Siti Septiani", "Siti, S.E."]),
            ("Siti, SE", &["Siti, S.E.", "Siti Septiani"]),
            ("nurhayati", &["Norhayati Lubis"]),
            ("Nuhayati", &["Norhayati Lubis"]),
            ("Nohayati Lubis", &["Norhayati Lubis"]),
            ("H. Dahlan Idris", &["Hi. Dahlan Idris"]),
            ("Dahlan Idris, S.Pd., Gr., Xyz.", &["Hi. Dahlan Idris"]),
            ("mak", &["Yosef Mak"]),
        ] {
            assert_eq!(found(&regency, &village, asked).await, answer, "{asked}");
        }
    });
}

#[test]
fn a_search_shows_no_more_than_the_list() {
    run(async |app| {
        let (regency, [village, _]) = (app.regency().await, empty_villages(app).await);
        let id = register(&regency, &village, "Qonitatillah Harahap").await.id();
        let count = async |client: &Client<'_>, body: Value| {
            search(client, body).await.expect(200).json["items"].as_array().unwrap().len()
        };
        let ask = || json!({ "name": "Qonitatillah" });
        for (client, seen) in [
            (app.ministry().await, 1),
            (app.province().await, 1),
            (app.neighbour_regency().await, 0),
            (app.other_regency().await, 0),
            (app.other_village().await, 0),
        ] {
            assert_eq!(count(&client, ask()).await, seen, "{}", client.agency);
        }
        for (region, seen) in
            [("17", 1), ("17.06", 1), ("17.06.02.2008", 0), ("17.01", 0), ("15", 0), (village.as_str(), 1)]
        {
            let body = json!({ "name": "Qonitatillah", "filters": { "region": region } });
            assert_eq!(count(&regency, body.clone()).await, seen, "{region}");
            assert_eq!(count(&app.ministry().await, body).await, seen, "{region}");
        }
        for stranger in [app.bpjs().await, app.bpjs_branch().await, app.dashboard().await] {
            search(&stranger, ask()).await.problem(403, "forbidden");
        }
        // who may only propose searches nobody
        let village_office = app.village().await;
        let token = village_office.ask_token(&[("scope", "volunteers:propose")]).await.expect(200).json;
        let proposer = village_office.with_token(token["access_token"].as_str().unwrap());
        search(&proposer, ask()).await.problem(403, "forbidden");
        // a phone finds itself, whatever it is asked for
        let phone = app.phone().await;
        let own = phone.get("/v1/volunteers").await.expect(200).json["items"][0].clone();
        let name = own["person"]["name"].as_str().unwrap().to_owned();
        let word = name.split(' ').next().unwrap();
        let reply = search(&phone, json!({ "name": word })).await.expect(200);
        assert_eq!(reply.json["items"].as_array().unwrap().len(), 1);
        assert_eq!(reply.json["items"][0]["id"], own["id"]);
        assert_eq!(count(&phone, ask()).await, 0);
        // the view is the list's
        let listed = regency.get(&format!("/v1/volunteers?region={village}")).await.expect(200).json;
        assert_eq!(search(&regency, ask()).await.expect(200).json["items"], listed["items"]);
        assert_eq!(listed["items"][0]["id"].as_str().unwrap(), id);
    });
}

#[test]
fn a_search_is_recorded_as_the_list_is() {
    run(async |app| {
        let (regency, [village, _]) = (app.regency().await, empty_villages(app).await);
        let id = register(&regency, &village, "Rosmawati Piliang").await.id();
        let events = async || {
            let sql = "SELECT concat_ws(' ', acting_user, purpose, array_to_string(person_ids, ','), subject_type, detail) FROM audit_events
                WHERE action = 'volunteer.search_names' ORDER BY at, id";
            app.texts(sql).await
        };
        let reply =
            search(&regency, json!({ "name": "Rosmawati", "filters": { "region": village } })).await.expect(200);
        assert_eq!(reply.header("cache-control"), "no-store");
        let purpose = regency.get("/v1/me").await.json["purpose"].as_str().unwrap().to_owned();
        assert_eq!(events().await, [format!("staf-0017 {purpose} {id} volunteer")]);
        // nobody shown, nothing recorded; and no name anywhere
        assert_eq!(found(&regency, &village, "Xylophone").await, Vec::<String>::new());
        assert_eq!(events().await.len(), 1);
        assert_eq!(app.number("SELECT count(*) FROM audit_events a WHERE a::text ILIKE '%rosmawati%'").await, 0);
    });
}

#[test]
fn who_changes_the_name_or_the_village_is_found_there_at_once() {
    run(async |app| {
        let (regency, [here, there]) = (app.regency().await, empty_villages(app).await);
        let made = register(&regency, &here, "Tjahjono Wiriaatmadja").await;
        let path = format!("/v1/volunteers/{}", made.id());
        assert_eq!(found(&regency, &here, "Cahyono").await, ["Tjahjono Wiriaatmadja"]);
        let patched = regency.patch(&path, made.header("etag"), json!({ "name": "Bratasena" })).await.expect(200);
        assert_eq!(found(&regency, &here, "Cahyono").await, Vec::<String>::new());
        assert_eq!(found(&regency, &here, "Bratasena").await, ["Bratasena"]);
        let post = regency.act(&format!("{path}/postings"), patched.header("etag"), json!({ "village_code": there }));
        post.await.expect(200);
        assert_eq!(found(&regency, &here, "Bratasena").await, Vec::<String>::new());
        assert_eq!(found(&regency, &there, "Brata").await, ["Bratasena"]);
        assert_eq!(found(&regency, "17.06", "Bratsena").await, ["Bratasena"]);
    });
}

#[test]
fn names_of_a_former_version_are_made_anew_and_words_that_nobody_has_go() {
    run(async |app| {
        let (regency, [village, _]) = (app.regency().await, empty_villages(app).await);
        let made = register(&regency, &village, "Poernomosidi").await;
        let turn = async || simpul::worker::turn(&app.running().app, &app.running().writer).await.unwrap();
        // as a row that was there before names were searched
        app.sql("UPDATE volunteer_people SET search_words = '{}', search_version = 0").await;
        assert_eq!(found(&regency, &village, "Purnomosidi").await, Vec::<String>::new());
        turn().await;
        assert_eq!(found(&regency, &village, "Purnomosidi").await, ["Poernomosidi"]);
        assert_eq!(app.number("SELECT count(*) FROM volunteer_people WHERE search_version <> 2").await, 0);
        // as a former version of the service changes a name
        app.sql(&format!("UPDATE volunteer_people SET name = 'Zainudin' WHERE volunteer_id = '{}'", made.id())).await;
        turn().await;
        assert_eq!(found(&regency, &village, "Zaenuddin").await, ["Zainudin"]);
        // the word is kept for a day, while somebody may have it again
        let kept = async || app.texts("SELECT word FROM name_words WHERE word LIKE '%rnomosidi' ORDER BY 1").await;
        turn().await;
        assert_eq!(kept().await, ["poernomosidi", "purnomosidi"]);
        app.pass(TimeDelta::hours(25));
        for _ in 0..3 {
            turn().await;
        }
        assert_eq!(kept().await, Vec::<String>::new());
        let regency = app.regency().await;
        assert_eq!(found(&regency, &village, "Zaenuddin").await, ["Zainudin"]);
        assert_eq!(found(&regency, &village, "Zaenuddim").await, ["Zainudin"], "its words are still known");
    });
}

/// A word goes when the last who has it goes, and comes with the next: at the same time it stays.
#[test]
fn a_word_is_not_swept_away_under_who_registers_with_it() {
    run(async |app| {
        let (regency, [village, _]) = (app.regency().await, empty_villages(app).await);
        for round in 0..rounds(40) {
            // letters that no spelling changes, and never the same word
            let vowel = ["a", "e", "i", "o", "u"][usize::try_from(round % 5).unwrap()];
            let last = ["n", "r", "s", "t", "k", "l", "m", "p"][usize::try_from(round / 5 % 8).unwrap()];
            let word = format!("gemblong{vowel}{last}");
            app.sql(&format!(
                "INSERT INTO name_words (written, word, checked_at) VALUES (true, '{word}', now() - interval '2 days'), (false, '{word}', now() - interval '2 days') ON CONFLICT DO NOTHING"
            ))
            .await;
            let turn = async || simpul::worker::turn(&app.running().app, &app.running().writer).await.unwrap();
            let new = json!({ "village_code": village, "name": word, "nik_status": "none" });
            let (made, ()) = tokio::join!(regency.post("/v1/volunteers", new).settled(), turn());
            made.expect(201);
            let known = format!("SELECT count(*) FROM name_words WHERE word = '{word}'");
            assert_eq!(app.number(&known).await, 2, "{word}");
        }
    });
}

#[test]
fn a_search_takes_the_filters_of_the_list() {
    run(async |app| {
        let (regency, province) = (app.regency().await, app.province().await);
        // Everyone of the demo whose name has an S somewhere, by list and by search.
        for filter in [
            json!({}),
            json!({ "status": ["active"] }),
            json!({ "status": ["candidate", "verified", "inactive"] }),
            json!({ "level": ["basic"] }),
            json!({ "sex": ["female"] }),
            json!({ "sex": ["unknown"] }),
            json!({ "age_band": ["25-44", "unknown"] }),
            json!({ "age_band": ["45-59"], "sex": ["male"] }),
            json!({ "posted_from": "2024-01-01" }),
            json!({ "posted_before": "2024-01-01" }),
            json!({ "has_phone": true }),
            json!({ "has_phone": false }),
            json!({ "function": "motivation" }),
            json!({ "region": "17.06.02", "has_phone": true }),
            json!({ "supervisor": "tksk-0001" }),
        ] {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            for (name, value) in filter.as_object().unwrap() {
                for one in value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]) {
                    query.append_pair(name, &one.as_str().map_or_else(|| one.to_string(), str::to_owned));
                }
            }
            let query = query.finish();
            for client in [&regency, &province] {
                let list = client
                    .get(&format!("/v1/volunteers?limit=200&{query}"))
                    .header("prefer", "count=exact")
                    .await
                    .expect(200)
                    .json;
                assert_eq!(list["total"], list["items"].as_array().unwrap().len(), "{query}");
                let listed = list["items"].as_array().unwrap().iter().filter(|item| {
                    let name = item["person"]["name"].as_str().unwrap().to_lowercase();
                    name.split(' ').any(|word| word.starts_with('s'))
                });
                let mut listed: Vec<&str> = listed.map(|item| item["id"].as_str().unwrap()).collect();
                let body = json!({ "name": "s", "limit": 50, "filters": filter });
                let reply = search(client, body).await.expect(200);
                let mut found: Vec<&str> =
                    reply.json["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect();
                listed.sort_unstable();
                found.sort_unstable();
                if reply.json["more"] == true {
                    assert!(found.len() == 50 && found.iter().all(|id| listed.contains(id)), "{query}");
                } else {
                    assert_eq!(found, listed, "{query}");
                }
            }
        }
    });
}

#[test]
fn the_list_is_narrowed_by_age_posting_and_phone() {
    run(async |app| {
        let (regency, ministry, [here, there]) = (app.regency().await, app.ministry().await, empty_villages(app).await);
        let today = (app.clock.now() + TimeDelta::hours(7)).date_naive();
        let aged = |years: i32| today.checked_sub_months(chrono::Months::new(12 * years.unsigned_abs())).unwrap();
        let new = async |name: &str, born: Option<NaiveDate>, phone: Option<&str>| {
            let body =
                json!({ "village_code": here, "name": name, "nik_status": "none", "birth_date": born, "phone": phone });
            regency.post("/v1/volunteers", body).await.expect(201)
        };
        let day = TimeDelta::days(1);
        new("A", Some(aged(25)), Some("0812 0000 0001")).await; // 25 today
        new("B", Some(aged(25) + day), None).await; // tomorrow
        new("C", Some(aged(45)), None).await;
        new("D", Some(aged(45) + day), None).await;
        new("E", Some(aged(60)), None).await;
        let moved = new("F", None, Some("0812 0000 0002")).await;
        let names = async |client: &Client<'_>, query: &str| {
            // the ministry's is planned for its values, the regency's is not
            let region = if client.agency == ministry.agency { "17" } else { "17.06" };
            let path = format!("/v1/volunteers?region={region}&{query}");
            let reply = client.get(&path).header("prefer", "count=exact").await.expect(200).json;
            let items = reply["items"].as_array().unwrap();
            assert_eq!(reply["total"], items.len());
            let mut names: Vec<String> = items
                .iter()
                .filter(|item| item["village_code"] == here.as_str() || item["village_code"] == there.as_str())
                .map(|item| item["person"]["name"].as_str().unwrap().to_owned())
                .collect();
            names.sort();
            names.concat()
        };
        for (query, wanted) in [
            ("age_band=18-24", "B"),
            ("age_band=25-44", "AD"),
            ("age_band=45-59", "C"),
            ("age_band=60%2B", "E"),
            ("age_band=unknown", "F"),
            ("age_band=0-4&age_band=5-11&age_band=12-17", ""),
            ("age_band=18-24&age_band=60%2B&age_band=unknown", "BEF"),
            ("has_phone=true&status=candidate", "AF"),
            ("has_phone=false", "BCDE"),
            ("has_phone=true&age_band=25-44&status=candidate", "A"),
        ] {
            assert_eq!(names(&regency, &format!("limit=200&{query}")).await, wanted, "{query}");
            assert_eq!(names(&ministry, &format!("limit=200&{query}")).await, wanted, "{query}");
        }
        // the current posting's first day, half-open
        app.pass(TimeDelta::days(3));
        let (regency, ministry) = (app.regency().await, app.ministry().await);
        let later = today + TimeDelta::days(3);
        let posting = json!({ "village_code": there, "effective_on": today + day });
        let path = format!("/v1/volunteers/{}", moved.id());
        regency.act(&format!("{path}/postings"), moved.header("etag"), posting).await.expect(200);
        let (first, second) = (today, today + day);
        for (query, wanted) in [
            (format!("posted_from={first}"), "ABCDEF"),
            (format!("posted_from={second}"), "F"),
            (format!("posted_from={first}&posted_before={second}"), "ABCDE"),
            (format!("posted_from={second}&posted_before={later}&has_phone=true"), "F"),
            (format!("posted_before={first}"), ""),
        ] {
            assert_eq!(names(&regency, &format!("limit=200&{query}")).await, wanted, "{query}");
            assert_eq!(names(&ministry, &format!("limit=200&{query}")).await, wanted, "{query}");
        }
        for wrong in [
            "age_band=18",
            "age_band=",
            "posted_from=2026-02-30",
            "posted_before=yesterday",
            "has_phone=maybe",
            "has_phone=",
        ] {
            let name = wrong.split('=').next().unwrap();
            let reply = regency.get(&format!("/v1/volunteers?{wrong}")).await.problem(400, "malformed");
            assert_eq!(reply.json["errors"][0]["parameter"], name, "{wrong}");
        }
    });
}

/// On the evening of one zone it is already tomorrow in the next.
#[test]
fn an_age_is_told_by_the_day_of_the_region() {
    run(async |app| {
        app.tampers();
        // 23:30 in Jakarta, 00:30 in Makassar, 01:30 in Jayapura
        let now = app.clock.now();
        let evening = now.date_naive().and_hms_opt(16, 30, 0).unwrap().and_utc();
        app.pass(if evening > now { evening - now } else { evening - now + TimeDelta::days(1) });
        let ministry = app.ministry().await;
        let today = app.clock.now().date_naive();
        let turns = |day: NaiveDate| day.checked_sub_months(chrono::Months::new(12 * 60)).unwrap();
        let tomorrow = today + TimeDelta::days(1);
        for (place, village) in [("17.06", "17.06.02.1017"), ("91.01", "91.01")] {
            let village = if village == "91.01" {
                app.texts(
                    "SELECT code FROM regions WHERE code LIKE '91.01.%' AND level = 'village' ORDER BY code LIMIT 1",
                )
                .await
                .remove(0)
            } else {
                village.to_owned()
            };
            let sixty_tomorrow = turns(tomorrow);
            app.sql(&format!(
                "INSERT INTO volunteers (id, status, status_since, status_by, effective_on, province_code, regency_code, district_code, village_code, functions, created_at, updated_at, updated_by)
                 VALUES ('01900000-0000-7000-8000-0000000{:0>5}', 'candidate', now(), gen_random_uuid(), now(), left('{village}', 2), left('{village}', 5), left('{village}', 8), '{village}', '{{}}', now(), now(), gen_random_uuid());
                 INSERT INTO volunteer_people (volunteer_id, name, folded_name, birth_date, nik_status, nik_warnings, identity_state)
                 VALUES ('01900000-0000-7000-8000-0000000{:0>5}', 'Senja {place}', 'x', '{sixty_tomorrow}', 'none', '{{}}', 'sole')",
                place.replace('.', ""), place.replace('.', ""),
            ))
            .await;
        }
        let of = async |query: &str| {
            let reply = ministry.get(&format!("/v1/volunteers?limit=200&{query}")).await.expect(200).json;
            let items = reply["items"].as_array().unwrap().clone();
            let dusk = items.iter().filter(|item| item["person"]["name"].as_str().unwrap().starts_with("Senja"));
            dusk.map(|item| {
                (
                    item["person"]["name"].as_str().unwrap().to_owned(),
                    item["person"]["age_band"].as_str().unwrap().to_owned(),
                )
            })
            .collect::<Vec<_>>()
        };
        let west = ("Senja 17.06".to_owned(), "45-59".to_owned());
        let east = ("Senja 91.01".to_owned(), "60+".to_owned());
        assert_eq!(of("age_band=45-59").await, std::slice::from_ref(&west));
        assert_eq!(of("age_band=60%2B").await, std::slice::from_ref(&east));
        assert_eq!(of("age_band=60%2B&region=91").await, [east]);
        assert_eq!(of("age_band=45-59&region=17.06").await, [west]);
    });
}

/// Many people of two regencies: every third is called Siti, one Rukiyah Hutapea.
const MANY: &str = "SET session_replication_role = replica;
    INSERT INTO volunteers (id, status, status_since, status_by, effective_on, province_code, regency_code, district_code, village_code, functions, created_at, updated_at, updated_by, posted_on)
    SELECT ('01800000-0000-7000-8000-' || lpad(to_hex(row_number() OVER (ORDER BY n, r.code)), 12, '0'))::uuid, 'candidate', now(), gen_random_uuid(), now(),
        r.province_code, r.regency_code, r.district_code, r.code, '{}', now(), now(), gen_random_uuid(), date '2020-01-01' + n
    FROM regions r, generate_series(1, 20) n WHERE r.level = 'village' AND r.last_listed IS NULL;
    CREATE TEMP TABLE called AS SELECT v.id, v.village_code, CASE WHEN n = 7777 THEN 'rukiyah hutapea'
        WHEN n % 3 = 0 THEN 'siti ' || (ARRAY['aminah', 'rahayu', 'lestari'])[1 + n / 3 % 3] ELSE 'budi ' || n END AS name
        FROM (SELECT id, village_code, row_number() OVER (ORDER BY id) AS n FROM volunteers WHERE id::text LIKE '0180%') v;
    INSERT INTO volunteer_people (volunteer_id, name, folded_name, birth_date, nik_status, nik_warnings, identity_state, search_words, search_version, search_tokens)
    SELECT id, name, name, date '1980-01-01', 'none', '{}', 'sole', words, 2, name_tokens(words, village_code)
    FROM called, LATERAL (SELECT array_agg(p || w) AS words FROM unnest(string_to_array(name, ' ')) w, unnest('{=,\"\"}'::text[]) p) s;
    INSERT INTO name_words (written, word) SELECT DISTINCT b, w FROM called, unnest(string_to_array(name, ' ')) w, unnest('{true,false}'::bool[]) b ON CONFLICT DO NOTHING;
    SET session_replication_role = origin;
    ANALYZE volunteers; ANALYZE volunteer_people; ANALYZE name_words;";

#[test]
fn a_search_reads_by_indices_and_in_few_statements() {
    run(async |app| {
        let (regency, ministry, phone) = (app.regency().await, app.ministry().await, app.phone().await);
        app.sql(MANY).await;
        for (client, body, most) in [
            // expanded, searched, shown, recorded
            (&regency, json!({ "name": "siti" }), 5),
            (&regency, json!({ "name": "si" }), 4),
            (&regency, json!({ "name": "siti rahayu" }), 5),
            (&ministry, json!({ "name": "siti" }), 5),
            (&ministry, json!({ "name": "s" }), 4),
            (&ministry, json!({ "name": "siti les" }), 5),
            (&ministry, json!({ "name": "siti", "filters": { "has_phone": true } }), 7),
            (&ministry, json!({ "name": "rukiyah hutapea" }), 8),
            (&ministry, json!({ "name": "rukiyha", "filters": { "status": ["candidate"], "age_band": ["25-44"] } }), 8),
            (&ministry, json!({ "name": "nobody of this name" }), 6),
            (&phone, json!({ "name": "siti" }), 6),
        ] {
            let ran = app
                .statements_of(async || {
                    let reply = search(client, body.clone()).await;
                    assert_eq!(reply.status, 200, "{body}");
                })
                .await;
            let calls: i64 = ran.iter().map(|statement| statement.calls).sum();
            assert!(calls <= most, "{body}: {calls} {ran:?}");
            for statement in ran.iter().filter(|statement| statement.query.starts_with("SELECT")) {
                let plan = app.generic_plan(&statement.query).await;
                assert!(!plan.contains("Seq Scan"), "{body}: {}\n{plan}", statement.query);
            }
        }
        // who has the word is few among many: the regency's own, of whom the demo has some
        let reply = search(&regency, json!({ "name": "siti aminah", "limit": 50 })).await.expect(200);
        assert_eq!(reply.json["more"], true);
        let found = search(&ministry, json!({ "name": "hutapea rukiyah" })).await.expect(200);
        assert_eq!(found.json["items"].as_array().unwrap().len(), 1);
        // of very many who answer equally well, the first by id
        let first = "SELECT volunteer_id FROM volunteer_people WHERE search_words @> '{=siti}' ORDER BY 1 LIMIT 3";
        let reply = search(&ministry, json!({ "name": "Siti", "limit": 3 })).await.expect(200);
        let ids: Vec<&str> =
            reply.json["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect();
        assert_eq!(
            (ids, &reply.json["more"]),
            (app.texts(first).await.iter().map(String::as_str).collect(), &json!(true))
        );
    });
}

/// What few of very many have is found by its own index; what depends on the values is planned with them.
#[test]
fn a_rare_filter_does_not_read_on() {
    run(async |app| {
        let (ministry, province) = (app.ministry().await, app.province().await);
        app.sql(MANY).await;
        app.sql("UPDATE volunteer_people SET phone = '+62' WHERE phone IS NULL").await;
        app.sql("VACUUM ANALYZE volunteer_people").await;
        for (client, query, index) in [
            (&ministry, "posted_from=2031-01-01", "volunteers_by_posting_day"),
            (&province, "posted_from=2031-01-01", "volunteers_by_posting_day"),
            (&ministry, "age_band=5-11", "volunteer_people_by_birth_date"),
            (&ministry, "has_phone=false", "volunteer_people_by_phone"),
            (&ministry, "supervisor=nobody-knows", "volunteers_by_officer"),
        ] {
            let path = format!("/v1/volunteers?limit=20&{query}");
            assert_eq!(client.get(&path).await.expect(200).json["items"], json!([]), "{query}");
            let list = app.statement_of(client, &path, &["volunteer_people", "ORDER BY"]).await;
            let bands = "date '2014-11-25', date '2021-11-25', '{11,12}'";
            let values = match query {
                "age_band=5-11" => format!("{bands}, {bands}, {bands}, 21"),
                "has_phone=false" => "21".to_owned(),
                "supervisor=nobody-knows" => "'nobody-knows', 21".to_owned(),
                _ if client.agency == ministry.agency => "date '2031-01-01', 21".to_owned(),
                _ => "'17', date '2031-01-01', 21".to_owned(),
            };
            let plan = app.plan_of_values(&list.query, &values).await;
            assert!(plan.contains(index) && !plan.contains("Seq Scan"), "{query}: {}\n{plan}", list.query);
        }
    });
}

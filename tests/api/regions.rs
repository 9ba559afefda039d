//! Region codes.
use crate::support::run;
use serde_json::json;

#[test]
fn a_region_is_found_by_its_code_dotted_or_not() {
    run(async |app| {
        let bpjs = app.bpjs().await;
        let village = bpjs.get("/v1/regions/17.06.02.1017").await.expect(200);
        assert_eq!(village.json["name"], "Koto Jaya");
        assert_eq!(village.json["kind"], "kelurahan");
        assert_eq!(village.json["time_zone"], "Asia/Jakarta");
        let parents: Vec<_> = village.json["parents"].as_array().unwrap().iter().map(|p| p["code"].clone()).collect();
        assert_eq!(parents, [json!("17"), json!("17.06"), json!("17.06.02")]);
        assert_eq!(bpjs.get("/v1/regions/1706021017").await.expect(200).json, village.json);
        assert_eq!(bpjs.get("/v1/regions/91.01.01").await.expect(200).json["last_listed"], 2022);
        for missing in ["17.99", "170", "17%25", "17_06", "%00", "17.06.02.10170", "1706024508950001"] {
            let reply = bpjs.get(&format!("/v1/regions/{missing}")).await.problem(404, "not_found");
            assert!(!reply.text.contains("1706024508950001"));
        }
        let etag = village.header("etag").to_owned();
        bpjs.get("/v1/regions/17.06.02.1017").header("if-none-match", &etag).await.expect(304);
    });
}

#[test]
fn lists_walk_every_page_once() {
    run(async |app| {
        let village = app.village().await;
        for limit in [1, 7, 15, 200] {
            let mut path = format!("/v1/regions?parent=17.06&level=district&limit={limit}");
            let mut codes = vec![];
            loop {
                let page = village.get(&path).await.expect(200);
                let items = page.json["items"].as_array().unwrap();
                assert!(items.len() <= limit && !items.is_empty());
                codes.extend(items.iter().map(|item| item["code"].as_str().unwrap().to_owned()));
                // the link and the body name the same next page; the cursor carries the filters
                let Some(cursor) = page.json["next_cursor"].as_str() else {
                    assert_eq!(page.header("link"), "");
                    break;
                };
                let link =
                    page.header("link").strip_prefix('<').and_then(|l| l.strip_suffix(">; rel=\"next\"")).unwrap();
                assert!(link.contains(cursor), "{link}");
                path = link.strip_prefix(&app.base).unwrap().to_owned();
            }
            assert_eq!(codes.len(), 15, "limit {limit}");
            assert!(codes.is_sorted() && codes.iter().all(|code| code.starts_with("17.06.")));
        }
    });
}

#[test]
fn a_cursor_belongs_to_its_list_its_filters_and_its_agency() {
    run(async |app| {
        let (village, regency) = (app.village().await, app.regency().await);
        let page = village.get("/v1/regions?parent=17.06&limit=2").await.expect(200);
        let cursor = page.json["next_cursor"].as_str().unwrap();
        village.get(&format!("/v1/regions?cursor={cursor}&limit=2")).await.expect(200);
        village.get(&format!("/v1/regions?cursor={cursor}&parent=1706")).await.problem(400, "cursor_invalid");
        village.get(&format!("/v1/regions?cursor={cursor}&parent=17.06")).await.expect(200);
        village
            .get(&format!("/v1/agencies?cursor={cursor}"))
            .await
            .problem(400, "cursor_invalid")
            .blames("?cursor", "cursor_invalid");
        regency.get(&format!("/v1/regions?cursor={cursor}")).await.problem(400, "cursor_invalid");
        let mut bytes = cursor.to_owned().into_bytes();
        bytes[20] = if bytes[20] == b'A' { b'B' } else { b'A' };
        for forged in [String::from_utf8(bytes).unwrap(), "x".to_owned(), "%00".to_owned(), cursor[..20].to_owned()] {
            village.get(&format!("/v1/regions?cursor={forged}")).await.problem(400, "cursor_invalid");
        }
    });
}

#[test]
fn limits_and_filters_are_checked() {
    run(async |app| {
        let village = app.village().await;
        let count = async |query: &str| {
            village.get(&format!("/v1/regions?{query}")).await.expect(200).json["items"].as_array().unwrap().len()
        };
        assert_eq!(count("").await, 50);
        assert_eq!(count("limit=100000000000000000000000").await, 200);
        assert_eq!(count("level=province").await, 38);
        for bad in ["limit=0", "limit=-1", "limit=x", "limit=", "limit=1.5"] {
            village.get(&format!("/v1/regions?{bad}")).await.problem(400, "malformed").blames("?limit", "out_of_range");
        }
        assert_eq!(count("name=K%C3%B3t%C3%B3+JAYA&level=village&parent=17.06.02").await, 1);
        // a wildcard folds to nothing: neither a pattern nor everything
        village.get("/v1/regions?name=%25_").await.problem(400, "malformed").blames("?name", "name_without_letters");
        assert_eq!(count("parent=91.01&retired=false").await, 0);
        assert!(count("parent=91.01&retired=true").await > 0);
    });
}

#[test]
fn a_list_is_one_statement() {
    run(async |app| {
        let village = app.village().await;
        village.get("/v1/regions?parent=17.06").await.expect(200);
        let calls = app.calls_of(async || drop(village.get("/v1/regions?parent=17.06").await.expect(200))).await;
        assert_eq!(calls, 1);
    });
}

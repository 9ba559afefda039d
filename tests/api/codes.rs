//! Code lists.
use crate::support::run;

#[test]
fn lists_carry_both_languages_in_the_order_of_the_regulation() {
    run(async |app| {
        let bpjs = app.bpjs().await;
        let lists = bpjs.get("/v1/code-lists").await.expect(200);
        assert!(lists.json["items"].as_array().unwrap().iter().any(|list| list["name"] == "ppks"));
        let ppks = bpjs.get("/v1/code-lists/ppks").await.expect(200);
        let codes = ppks.json["codes"].as_array().unwrap();
        assert_eq!(codes.len(), 26);
        assert_eq!(
            (codes[7]["code"].as_str(), codes[7]["labels"]["id"].as_str()),
            (Some("PPKS-08"), Some("Lanjut Usia Terlantar"))
        );
        // UU PDP, art. 4(2): 01-07, 09, 10, 14-19
        let sensitive: Vec<usize> = (1..=26).filter(|n| codes[n - 1]["sensitive"] == true).collect();
        assert_eq!(sensitive, [1, 2, 3, 4, 5, 6, 7, 9, 10, 14, 15, 16, 17, 18, 19]);
        let etag = ppks.header("etag").to_owned();
        bpjs.get("/v1/code-lists/ppks").header("if-none-match", &etag).await.expect(304);
        for missing in ["nope", "%00", "PPKS", "1706024508950001"] {
            bpjs.get(&format!("/v1/code-lists/{missing}")).await.problem(404, "not_found");
        }
    });
}

#[test]
fn source_systems_are_found_by_service_and_region() {
    run(async |app| {
        let village = app.village().await;
        let names = async |query: &str| {
            let page = village.get(&format!("/v1/source-systems?{query}")).await.expect(200);
            page.json["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|item| item["name"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        let here = names("service=pbi_jk_reactivation&region=17.06.02.1017").await;
        assert_eq!(here, ["BPJS Kesehatan", "BPJS Kesehatan Mukomuko"]);
        assert_eq!(
            names("service=neglected_elder_care&region=17.06").await,
            ["Dinas Sosial Provinsi Bengkulu", "Dinas Sosial Kabupaten Mukomuko"]
        );
        assert_eq!(names("service=no_such_service").await.len(), 0);
        let id = app.agency("BPJS Kesehatan").await;
        let one = village.get(&format!("/v1/source-systems/{id}")).await.expect(200);
        assert_eq!(one.json["services"].as_array().unwrap().len(), 2);
        let not_one = app.agency("Kementerian Sosial").await;
        village.get(&format!("/v1/source-systems/{not_one}")).await.problem(404, "not_found");
    });
}

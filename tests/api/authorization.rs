//! Every operation of the document, tried by every role: a table that cannot be incomplete, for a reviewer to read.
use crate::support::{Client, TestApp, config, document, operations, resolve, run};
use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

/// The path with its parameters filled in; an operation whose parameters this does not know fails the test.
fn address(path: &str, app: &TestApp) -> String {
    let _ = app;
    let filled = path
        .replace("{id}", &Uuid::max().to_string())
        .replace("{code}", "17.06")
        .replace("{name}", "ppks")
        .replace("{kid}", "k");
    assert!(!filled.contains('{'), "tell this test what to put into {path}");
    filled
}

/// Sends the least that reaches the check of rights: what is missing otherwise is only asked for afterwards.
async fn attempt(client: &Client<'_>, method: &Method, path: &str) -> u16 {
    client.request(method.clone(), path).await.status
}

#[test]
fn every_operation_has_one_answer_for_every_role() {
    run(async |app| {
        let roles = app.roles().await;
        let mut table = format!("{:<28}", "operation");
        for (role, _) in &roles {
            table += &format!("{role:>16}");
        }
        for (id, method, path, secured) in operations() {
            table += &format!("\n{id:<28}");
            let address = address(&path, app);
            for (role, client) in &roles {
                let status = attempt(client, &method, &address).await;
                assert!(!secured || *role != "nobody" || status == 401, "{id} lets nobody in");
                table += &format!("{status:>16}");
            }
        }
        insta::assert_snapshot!(table);
    });
}

/// Missing, malformed and foreign ids are told apart by nobody.
#[test]
fn a_malformed_id_answers_like_a_missing_one() {
    run(async |app| {
        for (role, client) in app.roles().await {
            for (id, method, path, secured) in operations() {
                if !path.contains("{id}") || !secured || role == "nobody" {
                    continue;
                }
                let ask = async |sent: &str| {
                    let request = client.request(method.clone(), &path.replace("{id}", sent));
                    let request = if method == Method::GET { request } else { request.json(&json!({})) };
                    request.key("k").header("if-match", "\"1-a\"").await
                };
                let missing = ask(&Uuid::now_v7().to_string()).await;
                assert!(matches!(missing.status, 400 | 403 | 404), "{role} {id}: {}", missing.text);
                for malformed in [
                    "1",
                    "not-an-id",
                    "00000000000000000000000000000000",
                    "%00",
                    "ffffffff-ffff-ffff-ffff-ffffffffffff",
                    "..%2f",
                ] {
                    assert_eq!(ask(malformed).await.anonymous(), missing.anonymous(), "{role} {id} {malformed}");
                }
            }
        }
    });
}

/// A phone has its volunteer's own work, and no figures; a dashboard has figures, and no rows; a source system neither
/// volunteers nor cases.
#[test]
fn every_client_of_the_demo_has_the_lists_of_its_scopes_and_no_other() {
    run(async |app| {
        // with cases and referrals, all in one transaction
        let config = config(&app.base, &app.database_url("simpul_service"));
        let (maker, writer) = simpul::server::worker_parts(&config).await.unwrap();
        app.tampers();
        simpul::demo::cases::seed(&maker, &writer).await.unwrap();
        let lists: Vec<String> = operations()
            .into_iter()
            .filter(|(_, method, path, _)| {
                let answer =
                    &document()["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"];
                *method == reqwest::Method::GET
                    && !path.contains('{')
                    && resolve(answer)["properties"]["items"].is_object()
            })
            .map(|(_, _, path, _)| path)
            .collect();
        assert!(lists.len() >= 9, "{lists:?}");
        for credential in app.credentials() {
            let client = Client::sign_in(app, credential).await;
            let may = |list: &str| {
                let asked = document()["paths"][list]["get"]["security"][0]["oauth2"].as_array().unwrap();
                asked.iter().all(|scope| credential.scopes.iter().any(|own| scope == own.as_str()))
            };
            for list in &lists {
                let reply = client.get(list).await;
                assert_eq!(reply.status, if may(list) { 200 } else { 403 }, "{} {list}", credential.agency);
            }
            let open: Vec<&str> = lists.iter().map(String::as_str).filter(|list| may(list)).collect();
            let reference = ["/v1/agencies", "/v1/code-lists", "/v1/regions", "/v1/source-systems"];
            let more: Vec<&str> = open.into_iter().filter(|list| !reference.contains(list)).collect();
            match credential.client_kind.as_str() {
                "dashboard" => assert_eq!(more, ["/v1/statistics/coverage/villages"]),
                "phone" => {
                    assert_eq!(more, ["/v1/cases", "/v1/referrals", "/v1/training-events", "/v1/volunteers"]);
                    let own = json!(credential.volunteer_id);
                    let volunteers = client.get("/v1/volunteers").await.json["items"].clone();
                    assert_eq!((volunteers.as_array().unwrap().len(), &volunteers[0]["id"]), (1, &own));
                    for list in ["/v1/cases", "/v1/referrals"] {
                        let items = client.get(list).await.json["items"].clone();
                        assert!(
                            !items[0].is_null()
                                && items.as_array().unwrap().iter().all(|item| item["volunteer_id"] == own),
                            "{list}"
                        );
                    }
                }
                "system" => assert_eq!(more, ["/v1/audit-events", "/v1/clients", "/v1/referrals"]),
                _ => {}
            }
        }
    });
}

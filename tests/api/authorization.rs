//! Every operation of the document, tried by every role: a table that cannot be incomplete, for a reviewer to read.
use crate::support::{Client, TestApp, operations, run};
use reqwest::Method;
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
                    let request = if method == Method::GET { request } else { request.json(&serde_json::json!({})) };
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

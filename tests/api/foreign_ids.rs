//! Another agency's row answers like a missing one: every operation of the document with an id, tried by every role.
use crate::support::office::{Office, Row, collection};
use crate::support::{Client, Reply, TestApp, document, operations, resolve, run};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use uuid::Uuid;

/// Reference data: whoever has a token sees every row.
const OPEN: &[&str] = &["/v1/agencies", "/v1/source-systems", "/v1/regions", "/v1/code-lists"];
/// No data at all; what is opened by a link alone, whoever has it; and what whoever has its number may check.
const FILES: &[&str] =
    &["/docs/assets", "/v1/documents", "/v1/documents/case", "/v1/documents/referral", "/v1/certificates"];

/// Everything stored that a request can change, a line a table: what was asked is recorded, and that alone may be new.
async fn stored(app: &TestApp) -> Vec<String> {
    let tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename NOT IN ('audit_events', 'regions') ORDER BY 1";
    let line = |table: &String| {
        format!(
            "SELECT '{table} ' || count(*) || ' ' || coalesce(md5(string_agg(t::text, '|' ORDER BY t::text)), '') FROM {table} t"
        )
    };
    let lines: Vec<String> = app.texts(tables).await.iter().map(line).collect();
    assert!(lines.len() > 20);
    app.texts(&lines.join(" UNION ALL ")).await
}

/// Whether one of the scopes that the operation asks for is the client's.
fn has_right(client: &Client<'_>, operation: &Value) -> bool {
    let Some(credential) = &client.credential else { return false };
    let ways = operation["security"].as_array().into_iter().flatten().filter_map(|way| way["oauth2"].as_array());
    ways.into_iter().any(|scopes| scopes.iter().all(|scope| credential.scopes.iter().any(|own| scope == own.as_str())))
}

/// Operations with an id, of rows that not everyone sees.
fn guarded() -> Vec<(String, Method, String)> {
    let with_id = operations().into_iter().filter(|(_, _, path, _)| path.contains('{'));
    let of_someone =
        with_id.filter(|(_, _, path, _)| !OPEN.contains(&collection(path)) && !FILES.contains(&collection(path)));
    of_someone.map(|(id, method, path, _)| (id, method, path)).collect()
}

#[test]
fn another_agencys_row_answers_like_a_missing_one_to_every_operation_and_role() {
    run(async |app| {
        let roles = app.roles().await;
        let mut refused: BTreeSet<(&str, String)> = BTreeSet::new();
        for (office, seeing) in [
            (Office::kerinci(app).await, ["ministry", "other regency"].as_slice()),
            (Office::mukomuko(app).await, &["ministry", "province", "regency"]),
        ] {
            let mut rows = vec![];
            for (id, method, path) in guarded() {
                let row = office.row(&path).await;
                rows.push((id, method, path, row));
            }
            let before = stored(app).await;
            for (id, method, path, row) in &rows {
                let operation = &document()["paths"][path][method.as_str().to_lowercase()];
                for (role, client) in &roles {
                    // an agency's clients and imports are its own business alone
                    let sees = match collection(path) {
                        "/v1/clients" | "/v1/imports" => {
                            client.agency == office.client.agency && has_right(client, operation)
                        }
                        _ => seeing.contains(role),
                    };
                    if sees {
                        client.get(&format!("{}/{}", collection(path), row.id)).await.expect(200);
                        continue;
                    }
                    let missing = Uuid::now_v7().to_string();
                    let missing = Row { id: missing.clone(), etag: "\"1-a\"".to_owned(), document: missing };
                    let foreign = office.ask(client, method, path, row).await;
                    let missing = office.ask(client, method, path, &missing).await;
                    assert_eq!(foreign.anonymous(), missing.anonymous(), "{role} {id}");
                    let expected = match *role {
                        "nobody" => (401, "unauthenticated"),
                        _ if has_right(client, operation) => (404, "not_found"),
                        _ => (403, "forbidden"),
                    };
                    assert_eq!((foreign.status, foreign.code()), expected, "{role} {id}: {}", foreign.text);
                    if expected.0 == 404 {
                        refused.insert((*role, id.clone()));
                    }
                }
            }
            let changed: Vec<_> = before.into_iter().zip(stored(app).await).filter(|(old, new)| old != new).collect();
            assert!(changed.is_empty(), "whom it is not shown to has changed it: {changed:#?}");
            // It was the sight that was missing, and nothing else: to the office itself the very same is done.
            for (id, method, path, row) in &rows {
                let own = office.ask(&office.client, method, path, row).await;
                assert!(own.status < 300, "{id} is refused to the office itself: {} {}", own.status, own.text);
            }
        }
        // Every role with the right was told nothing, by every operation; only the ministry sees all that there is.
        for (id, method, path) in guarded() {
            let operation = &document()["paths"][&path][method.as_str().to_lowercase()];
            let tried = |(role, client): &&(&str, Client<'_>)| *role != "ministry" && has_right(client, operation);
            for (role, _) in roles.iter().filter(tried) {
                assert!(refused.contains(&(*role, id.clone())), "{role} was not tried with {id}");
            }
        }
        assert!(refused.len() > 250, "{}", refused.len());
    });
}

/// What is open is open to all, so no id of it is anybody's secret; and only the ministry changes it.
#[test]
fn reference_data_is_seen_by_every_role() {
    run(async |app| {
        let other = app.agency("Dinas Sosial Kabupaten Kerinci").await;
        for (role, client) in app.roles().await {
            for at in OPEN {
                let id = match *at {
                    "/v1/regions" => "15.01",
                    "/v1/code-lists" => "ppks",
                    _ => &other,
                };
                let reply = client.get(&format!("{at}/{id}")).await;
                assert_eq!(reply.status, if role == "nobody" { 401 } else { 200 }, "{role} {at}");
            }
        }
        for (id, method, path, _) in operations() {
            if OPEN.contains(&collection(&path)) && path.contains('{') && method != Method::GET {
                let scopes = &document()["paths"][&path][method.as_str().to_lowercase()]["security"][0]["oauth2"];
                assert_eq!(*scopes, json!(["agencies:admin"]), "{id}");
            }
        }
    });
}

/// What an answer says, with the id that was asked for taken out of it.
fn without(id: &str, reply: &Reply) -> (u16, String) {
    let mut json = reply.json.clone();
    for varying in ["instance", "as_of"] {
        json.as_object_mut().unwrap().remove(varying);
    }
    (reply.status, json.to_string().replace(id, "ID"))
}

/// The pointers of all members of a schema that hold an id, `0` for the items of an array.
fn ids_in(schema: &'static Value, at: &str, found: &mut Vec<String>) {
    let schema = resolve(schema);
    if schema["format"] == "uuid" {
        found.push(at.to_owned());
    }
    for part in ["oneOf", "allOf", "anyOf"] {
        schema[part].as_array().into_iter().flatten().for_each(|part| ids_in(part, at, found));
    }
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        ids_in(member, &format!("{at}/{name}"), found);
    }
    if schema["items"].is_object() {
        ids_in(&schema["items"], &format!("{at}/0"), found);
    }
}

/// An id in a body or a query is no way around: a row of somebody else is as good as none there, too.
#[test]
fn a_foreign_id_in_a_body_or_a_query_answers_like_a_missing_one() {
    run(async |app| {
        let (kerinci, mukomuko) = (Office::kerinci(app).await, Office::mukomuko(app).await);
        let case = kerinci.row("/v1/cases/{id}").await.id;
        let client_id = kerinci.client.credential.as_ref().unwrap().client_id.clone();
        // What a name of the document stands for; agencies are open to all.
        let foreign_of = |name: &str| match name {
            "volunteer_id" | "duplicate_id" | "subject" => Some(kerinci.volunteer.clone()),
            "case_id" => Some(case.clone()),
            "agency" | "sender" | "receiver" | "reporter" | "supervisor_agency" => Some(kerinci.client.agency.clone()),
            "client" => Some(client_id.clone()),
            // those of a village that is no longer, which there must be first
            // `answers`: a question of the referral itself, see referral_talk.rs
            "id" | "target_agency_id" | "parent_id" | "agency_id" | "answers" | "0" => None,
            _ => panic!("tell this test whose row {name} names"),
        };
        let (mut bodies, mut queries) = (0, 0);
        for (id, method, path, _) in operations() {
            let operation = &document()["paths"][&path][method.as_str().to_lowercase()];
            let mut members = vec![];
            for body in operation["requestBody"]["content"].as_object().into_iter().flat_map(|content| content.values())
            {
                ids_in(&body["schema"], "", &mut members);
            }
            // those of an export are the list's own, whose parameters are tried below
            members.retain(|pointer| !pointer.starts_with("/filters/"));
            for pointer in members {
                let (place, name) = pointer.rsplit_once('/').unwrap();
                let Some(foreign) = foreign_of(name) else { continue };
                let row = if path.contains('{') { mukomuko.row(&path).await } else { Row::default() };
                let ask = async |value: &str| {
                    let mut body = mukomuko.body(operation);
                    body.pointer_mut(place).unwrap_or_else(|| panic!("{id}: no {place} in the example"))[name] =
                        json!(value);
                    let request = mukomuko.ask(&mukomuko.client, &method, &path, &row).json(&body);
                    request.await
                };
                let missing = Uuid::now_v7().to_string();
                let (theirs, none) = (ask(&foreign).await, ask(&missing).await);
                let (told, nothing) = (without(&foreign, &theirs), without(&missing, &none));
                assert_eq!(told, nothing, "{id} {pointer}");
                if theirs.status >= 400 {
                    assert_eq!(theirs.anonymous(), none.anonymous(), "{id} {pointer}");
                }
                bodies += 1;
                if path.ends_with("/undo-merge") {
                    continue; // only who was merged into the row
                }
                // the office's own is taken; who is merged is not the one that others are asked with
                let merged = name == "duplicate_id";
                let own =
                    if merged { mukomuko.row("/v1/volunteers/{id}").await.id } else { mukomuko.volunteer.clone() };
                let taken = ask(&own).await;
                assert!(taken.status < 300, "{id} {pointer}: {}", taken.text);
                assert_ne!(without(&own, &taken), told, "{id} {pointer}");
            }
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let name = parameter["name"].as_str().unwrap();
                if parameter["in"] != "query" || resolve(&parameter["schema"])["format"] != "uuid" {
                    continue;
                }
                let (Some(foreign), missing) = (foreign_of(name), Uuid::now_v7().to_string()) else { continue };
                let ask = async |value: &str| mukomuko.client.get(&format!("{path}?{name}={value}")).await.expect(200);
                let (theirs, none) = (ask(&foreign).await, ask(&missing).await);
                assert_eq!(without(&foreign, &theirs), without(&missing, &none), "{id} ?{name}");
                queries += 1;
            }
        }
        assert!(bodies >= 4 && queries >= 8, "{bodies} members and {queries} parameters found");
    });
}

//! Every operation of the document, tried by every role: a table that cannot be incomplete, for a reviewer to read.
use crate::cases::{KOTO_JAYA, elder, report};
use crate::referrals::{REACTIVATION, ask};
use crate::support::office::{Office, Row, collection};
use crate::support::{Client, TestApp, config, document, operations, resolve, run, within_a_second};
use reqwest::Method;
use serde_json::json;
use std::collections::BTreeMap;
use uuid::Uuid;

/// The path with its parameters filled in; an operation whose parameters this does not know fails the test.
fn address(path: &str, app: &TestApp) -> String {
    let _ = app;
    let filled = path
        .replace("{id}", &Uuid::max().to_string())
        .replace("{code}", "17.06")
        .replace("{name}", "ppks")
        .replace("{kid}", "k")
        .replace("{document}", &Uuid::max().to_string())
        .replace("{number}", "BT-1706-2023-0001-00000000")
        .replace("{token}", "AQIDBA");
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
                    let own = [
                        "/v1/cases",
                        "/v1/changes",
                        "/v1/cases/duplicates",
                        "/v1/volunteers/duplicates",
                        "/v1/referrals",
                        "/v1/volunteers/retired-villages",
                        "/v1/training-events",
                        "/v1/training-needs",
                        "/v1/volunteers",
                    ];
                    assert_eq!(more, own);
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
                "system" => assert_eq!(more, ["/v1/audit-events", "/v1/changes", "/v1/clients", "/v1/referrals"]),
                _ => {}
            }
        }
    });
}

/// What a path may name. The first three are in Kabupaten Mukomuko (17.06): a row of the regency's office in Koto Jaya; what the
/// phone of a volunteer there reported or sent to BPJS, or that volunteer; a row of the office in another village. Then one of
/// an office in another province, an id that does not exist, and one that cannot.
const OBJECTS: [&str; 6] = ["here", "phone's", "beside", "away", "missing", "malformed"];
/// Of everyone and of nobody: named by words that all know, read by all.
const REFERENCE: &[(&str, &str)] = &[
    ("/v1/regions", "17.06"),
    ("/v1/code-lists", "ppks"),
    ("/v1/source-systems", ""),
    ("/v1/certificates", "BT-1706-2023-0001-00000000"),
];

/// A row that is not there.
fn row(id: &str) -> Row {
    Row { id: id.to_owned(), etag: "\"1-a\"".to_owned(), ..Row::default() }
}

struct Rows<'a> {
    here: Office<'a>,
    beside: Office<'a>,
    away: Office<'a>,
    phone: Client<'a>,
    bpjs: Client<'a>,
    ministry: Client<'a>,
}

impl<'a> Rows<'a> {
    async fn new(app: &'a TestApp) -> Self {
        Self {
            here: Office::koto_jaya(app).await,
            beside: Office::mukomuko(app).await,
            away: Office::kerinci(app).await,
            phone: app.phone().await,
            bpjs: app.bpjs().await,
            ministry: app.ministry().await,
        }
    }

    fn office(&self, object: &str) -> &Office<'a> {
        match object {
            "beside" => &self.beside,
            "away" => &self.away,
            _ => &self.here,
        }
    }

    /// A row in the state in which the operation is accepted; none if there is no such row.
    async fn make(&self, path: &str, object: &str) -> Option<Row> {
        let at = collection(path);
        let reference = REFERENCE.iter().find(|(of, _)| *of == at && !["missing", "malformed"].contains(&object));
        if let Some((_, word)) = reference {
            let id = if word.is_empty() { self.bpjs.agency.clone() } else { (*word).to_owned() };
            return (object == "here").then(|| Row { id, ..Row::default() });
        }
        match (object, at) {
            ("missing", _) => Some(Row { document: Uuid::now_v7().to_string(), ..row(&Uuid::now_v7().to_string()) }),
            ("malformed", _) => Some(row("not-an-id")),
            ("phone's", "/v1/volunteers") => {
                let id = self.phone.credential.as_ref()?.volunteer_id.clone()?;
                if path.contains("{document}") {
                    return Some(self.here.with_document(at, id).await);
                }
                Some(Row {
                    document: String::new(),
                    etag: self.phone.get(&format!("{at}/{id}")).await.expect(200).header("etag").to_owned(),
                    id,
                })
            }
            ("phone's", "/v1/cases") => {
                let mut case = elder(KOTO_JAYA);
                case["lawful_basis"] = json!("consent");
                case["consent"] = json!({ "by": "person", "method": "spoken", "on": "2026-01-05" });
                let id = report(&self.phone, case).await.id();
                Some(self.here.bring(&self.here.client, path, id).await)
            }
            ("phone's", "/v1/referrals") => {
                let mut case = elder(KOTO_JAYA);
                case["referral"] = ask(&self.bpjs.agency, REACTIVATION);
                let made = report(&self.phone, case).await;
                let id = made.json["referral_id"].as_str().unwrap().to_owned();
                Some(self.here.bring(&self.bpjs, path, id).await)
            }
            ("phone's", _) => None,
            // who administers agencies is nobody's neighbour
            (_, "/v1/agencies") if object != "here" => None,
            (_, "/v1/agencies") => {
                let id = self.here.row(at).await.id;
                Some(self.here.bring(&self.ministry, path, id).await)
            }
            _ => Some(self.office(object).row(path).await),
        }
    }
}

/// Every operation that names a row, by every role, complete and on time: what becomes of it. Roles that get the same
/// answers share a line.
#[test]
fn every_row_has_one_answer_for_every_role() {
    run(async |app| {
        let (rows, roles) = (Rows::new(app).await, app.roles().await);
        let mut table = format!("{:<44}{}", "", OBJECTS.map(|object| format!("{object:>11}")).concat());
        for (id, method, path, secured) in operations() {
            if !path.contains('{') || !secured {
                continue;
            }
            let mut made: BTreeMap<&str, Option<Row>> = BTreeMap::new();
            for object in OBJECTS {
                made.insert(object, rows.make(&path, object).await);
            }
            let mut lines: Vec<(String, Vec<&str>)> = vec![];
            for (role, client) in &roles {
                let mut cells = String::new();
                let none = rows.make(&path, "missing").await;
                let missing = match &none {
                    Some(row) => Some(rows.here.ask(client, &method, &path, row).await.anonymous()),
                    None => None,
                };
                for object in OBJECTS {
                    // The volunteer of the demo's phone is changed by nobody here: that would end the phone.
                    let kept = object == "phone's" && path.starts_with("/v1/volunteers") && *role != "phone";
                    let Some(row) = made[object].as_ref().filter(|_| !kept || method == Method::GET) else {
                        cells += &format!("{:>11}", "-");
                        continue;
                    };
                    let reply = rows.office(object).ask(client, &method, &path, row).await;
                    assert!(reply.status < 500, "{id} {role} {object}: {}", reply.text);
                    if reply.status == 404 || object == "malformed" {
                        assert_eq!(Some(reply.anonymous()), missing, "{id}: {role} can tell {object} from missing");
                    }
                    cells += &format!("{:>11}", reply.status);
                    if reply.status < 300 && method != Method::GET {
                        made.insert(object, rows.make(&path, object).await);
                    }
                }
                match lines.iter_mut().find(|(same, _)| *same == cells) {
                    Some((_, who)) => who.push(role),
                    None => lines.push((cells, vec![role])),
                }
            }
            table += &format!("\n\n{id}");
            for (cells, who) in lines {
                let mut names = vec![String::new()];
                for name in who {
                    let last = names.last_mut().unwrap();
                    if last.len() + name.len() > 38 {
                        names.push(name.to_owned());
                    } else {
                        *last = if last.is_empty() { name.to_owned() } else { format!("{last}, {name}") };
                    }
                }
                let last = names.pop().unwrap();
                for line in &names {
                    table += &format!("\n  {line},");
                }
                table += &format!("\n  {last:<42}{cells}");
            }
        }
        insta::assert_snapshot!(table);
    });
}

/// A region is a code, and never a pattern or the beginning of one.
#[test]
fn no_region_is_widened_by_how_it_is_written() {
    run(async |app| {
        let (regency, province) = (app.regency().await, app.province().await);
        let asks_region = |operation: &'static serde_json::Value| {
            let parameters = operation["parameters"].as_array().into_iter().flatten().map(resolve);
            parameters.filter(|one| one["name"] == "region").count() == 1
        };
        let lists: Vec<String> = operations()
            .into_iter()
            .filter(|(_, method, path, _)| {
                *method == Method::GET && !path.contains('{') && asks_region(&document()["paths"][path]["get"])
            })
            .map(|(_, _, path, _)| path)
            .collect();
        assert!(lists.len() >= 6, "{lists:?}");
        for list in &lists {
            for client in [&regency, &province] {
                for trick in [
                    "1",
                    "170",
                    "17.",
                    "17.0",
                    "17.060",
                    "17.06.",
                    "17.06.0",
                    "17.06.02.101",
                    "17.06.02.10170",
                    "17%25",
                    "%25",
                    "_",
                    "1_",
                    "17.0_",
                    "17.06%25",
                    "*",
                    "17.06%20",
                    "17.06,15",
                    "17..06",
                    ".17",
                    "17.06%00",
                    "17%2F",
                    "17:",
                    "%EF%BC%91%EF%BC%97",
                ] {
                    let reply = client.get(&format!("{list}?region={trick}")).await;
                    assert_eq!(
                        reply.problem(400, "malformed").json["errors"][0]["parameter"],
                        "region",
                        "{list} {trick}"
                    );
                }
            }
            // Who can help is known to all, what trains a province to its regencies; and its own acts an agency reads
            // wherever they were.
            if ["/v1/source-systems", "/v1/training-events", "/v1/audit-events"].contains(&list.as_str()) {
                continue;
            }
            // another one's region is empty or none of yours, and the one around yours is cut to yours
            let own = regency.get(&format!("{list}?region=17.06")).await.expect(200).json;
            let around = regency.get(&format!("{list}?region=17")).await;
            if around.status == 200 && own["items"].is_array() {
                assert_eq!(around.json["items"], own["items"], "{list}");
            }
            let other = regency.get(&format!("{list}?region=15.01")).await;
            let empty = other.json["items"].as_array().is_some_and(Vec::is_empty) || other.json["total"] == 0;
            let counts =
                other.json["sides"].as_array().into_iter().flatten().flat_map(|side| side["lists"].as_array().unwrap());
            let empty =
                empty || other.json["sides"].is_array() && counts.map(|list| &list["count"]).all(|count| count == 0);
            assert!(empty || matches!(other.status, 404 | 422), "{list}: {}", other.text);
        }
    });
}

/// A branch of several regencies sees what is addressed to it, wherever it comes from, and its parent sees that too.
#[test]
fn a_branch_of_several_regencies_sees_what_is_addressed_to_it() {
    run(async |app| {
        let (ministry, parent, sibling) = (app.ministry().await, app.bpjs().await, app.bpjs_branch().await);
        let new = json!({ "kind": "bpjs_kesehatan", "name": "BPJS Kesehatan Cabang Selatan", "parent_id": parent.agency,
            "region_codes": ["17.01", "17.06"], "scopes": ["clients:manage", "referrals:read", "referrals:handle"] });
        let branch = ministry.post("/v1/agencies", new).await.expect(201).id();
        let first = json!({ "kind": "system", "name": "Integrasi", "purpose": "Rujukan",
            "scopes": ["clients:manage", "referrals:read", "referrals:handle"] });
        let made = ministry.post(&format!("/v1/agencies/{branch}/clients"), first).await.expect(201).json;
        // as it would be entered by /v1/source-systems
        let like = &sibling.agency;
        app.sql(&format!(
            "INSERT INTO source_systems (agency_id, may_forward, region_codes, version, created_at, updated_at)
                 SELECT '{branch}', may_forward, '{{17.01,17.06}}', 1, created_at, updated_at FROM source_systems WHERE agency_id = '{like}';
             INSERT INTO source_system_services (agency_id, service) SELECT '{branch}', service FROM source_system_services WHERE agency_id = '{like}'"
        ))
        .await;
        let mut credential = parent.credential.clone().unwrap();
        credential.client_id = made["id"].as_str().unwrap().to_owned();
        credential.client_secret = made["secret"].as_str().unwrap().to_owned();
        let client = Client::sign_in(app, &credential).await;
        let south = "SELECT code FROM regions WHERE code LIKE '17.01.%' AND level = 'village' AND last_listed IS NULL ORDER BY code LIMIT 1";
        let south = app.texts(south).await.remove(0);
        let mut sent = vec![];
        for (office, village) in [(app.regency().await, KOTO_JAYA), (app.neighbour_regency().await, &south)] {
            let mut case = elder(village);
            case["referral"] = ask(&branch, REACTIVATION);
            let case = report(&office, case).await.json;
            sent.push(case["referral_id"].as_str().unwrap().to_owned());
        }
        let seen = async |client: &Client<'_>, query: &str| {
            let list = client.get(&format!("/v1/referrals?{query}")).await.expect(200).json;
            let mut ids: Vec<String> =
                list["items"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect();
            ids.sort();
            ids
        };
        assert_eq!(seen(&client, "").await, sent);
        assert_eq!(seen(&client, "region=17.01").await, [sent[1].clone()]);
        assert_eq!(seen(&client, "region=17").await, sent);
        // that it has a branch more reaches the parent within a second
        within_a_second(async || seen(&parent, &format!("receiver={branch}")).await == sent).await;
        for stranger in [&sibling, &app.bpjs_elsewhere().await] {
            assert!(seen(stranger, "").await.is_empty());
            stranger.get(&format!("/v1/referrals/{}", sent[0])).await.problem(404, "not_found");
        }
        // the parent does not see the branch's clients, nor the branch its parent's referrals
        parent.get(&format!("/v1/clients/{}", credential.client_id)).await.problem(404, "not_found");
        let mut case = elder(KOTO_JAYA);
        case["referral"] = ask(&parent.agency, REACTIVATION);
        let above = report(&app.village().await, case).await.json;
        client
            .get(&format!("/v1/referrals/{}", above["referral_id"].as_str().unwrap()))
            .await
            .problem(404, "not_found");
    });
}

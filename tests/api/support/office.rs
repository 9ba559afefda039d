//! Rows for every operation with an id, made by one office that is party to all of them.
use super::{Client, TestApp, a_name, document, resolve};
use chrono::{TimeDelta, Utc};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Mutex;

/// What is done to a new row so that the operation is accepted: by the last word of their paths, first to last.
const BEFORE: &[(&str, &[&str])] = &[
    ("/v1/agencies/{id}/reactivate", &["suspend"]),
    ("/v1/cases/{id}/reopen", &["close"]),
    ("/v1/cases/{id}/restore-consent", &["withdraw-consent"]),
    ("/v1/clients/{id}/enable", &["disable"]),
    ("/v1/referrals/{id}/cancel", &["accept"]),
    ("/v1/referrals/{id}/complete", &["accept"]),
    ("/v1/referrals/{id}/correct", &["reject"]),
    ("/v1/referrals/{id}/fail", &["accept"]),
    ("/v1/referrals/{id}/hold", &["accept"]),
    ("/v1/referrals/{id}/release", &["claim"]),
    ("/v1/referrals/{id}/resume", &["accept", "hold"]),
    ("/v1/referrals/{id}/reveal", &["acknowledge"]),
    ("/v1/referrals/{id}/start", &["accept"]),
    ("/v1/training-events/{id}/attendance", &["publish", "enrolments", "start"]),
    ("/v1/training-events/{id}/certificates", &["publish", "enrolments", "start", "results", "complete"]),
    ("/v1/training-events/{id}/complete", &["publish", "enrolments", "start", "results"]),
    ("/v1/training-events/{id}/enrolments", &["publish"]),
    ("/v1/training-events/{id}/postpone", &["publish"]),
    ("/v1/training-events/{id}/republish", &["publish", "postpone"]),
    ("/v1/training-events/{id}/results", &["publish", "enrolments", "start"]),
    ("/v1/training-events/{id}/results/void", &["publish", "enrolments", "start", "results"]),
    ("/v1/training-events/{id}/start", &["publish"]),
    ("/v1/volunteers/{id}/activate", &["verify", "select"]),
    ("/v1/volunteers/{id}/correct", &["verify", "select", "activate", "resign"]),
    ("/v1/volunteers/{id}/deactivate", &["verify", "select", "activate"]),
    ("/v1/volunteers/{id}/declare-deceased", &["verify", "select", "activate"]),
    ("/v1/volunteers/{id}/dismiss", &["verify", "select", "activate"]),
    ("/v1/volunteers/{id}/reactivate", &["verify", "select", "activate", "deactivate"]),
    ("/v1/volunteers/{id}/reapply", &["reject"]),
    ("/v1/volunteers/{id}/resign", &["verify", "select", "activate"]),
    ("/v1/volunteers/{id}/select", &["verify"]),
    ("/v1/volunteers/{id}/undo-merge", &["merge"]),
];

/// The key of every client that an office makes: the example of RFC 7515, A.3.
const KEY: (&str, &str, &str) =
    ("rfc-7515", "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");

/// The collection that the first id of a path is of.
pub fn collection(path: &str) -> &str {
    path.split("/{").next().unwrap()
}

/// A Dinas Sosial of a regency: it reports, refers to itself, answers, trains.
pub struct Office<'a> {
    pub client: Client<'a>,
    pub villages: [String; 2],
    /// A candidate of its first village.
    pub volunteer: String,
    /// Whom it can refer and forward to.
    target: String,
    /// What can be merged into a row, or told from it, by that one's id.
    twins: Mutex<HashMap<String, String>>,
}

/// A row and its current version.
#[derive(Debug, Clone, Default)]
pub struct Row {
    pub id: String,
    pub etag: String,
    /// A document of it, where the path names one.
    pub document: String,
}

impl Row {
    /// A path that names this row.
    pub fn address(&self, path: &str) -> String {
        let named = ["{id}", "{code}", "{name}"].into_iter().fold(path.to_owned(), |at, one| at.replace(one, &self.id));
        named
            .replace("{kid}", KEY.0)
            .replace("{document}", if self.document.is_empty() { "none" } else { &self.document })
    }
}

impl<'a> Office<'a> {
    pub async fn new(client: Client<'a>, target: &str, villages: [&str; 2]) -> Self {
        let (target, villages) = (client.app.agency(target).await, villages.map(str::to_owned));
        let mut office = Self { client, villages, volunteer: String::new(), target, twins: Mutex::default() };
        office.volunteer = office.create("/v1/volunteers").await;
        office
    }

    /// In Koto Jaya, where the demo's village government and phone are.
    pub async fn koto_jaya(app: &'a TestApp) -> Self {
        Self::new(app.regency().await, "Dinas Sosial Provinsi Bengkulu", ["17.06.02.1017", "17.06.02.1009"]).await
    }

    /// In Mukomuko, away from Koto Jaya and Bandar Ratu.
    pub async fn mukomuko(app: &'a TestApp) -> Self {
        Self::new(app.regency().await, "Dinas Sosial Provinsi Bengkulu", ["17.06.02.2008", "17.06.02.1009"]).await
    }

    /// In another province.
    pub async fn kerinci(app: &'a TestApp) -> Self {
        let villages = "SELECT code FROM regions WHERE code LIKE '15.01.%' AND level = 'village' AND last_listed IS NULL ORDER BY code LIMIT 2";
        let villages = app.texts(villages).await;
        Self::new(app.other_regency().await, "Dinas Sosial Provinsi Jambi", [&villages[0], &villages[1]]).await
    }

    /// A new row that the path can name, in the state in which the operation is accepted.
    pub async fn row(&self, path: &str) -> Row {
        let id = self.create(collection(path)).await;
        self.bring(&self.client, path, id).await
    }

    /// A row of this id, brought by a client into the state in which the operation is accepted.
    pub async fn bring(&self, by: &Client<'_>, path: &str, id: String) -> Row {
        let at = collection(path);
        if path.ends_with("merge") || path.ends_with("distinguish") {
            let twin = self.create(at).await;
            self.twins.lock().unwrap().insert(id.clone(), twin);
        }
        let steps = BEFORE.iter().find(|(of, _)| *of == path).map_or(&[][..], |(_, steps)| *steps);
        for step in steps {
            let action = format!("{at}/{{id}}/{step}");
            let operation = &document()["paths"][&action]["post"];
            let etag = etag(by, at, &id).await;
            let reply = by.act(&action.replace("{id}", &id), &etag, self.body_on(operation, &id)).await;
            assert!(reply.status < 300, "{action} before {path}: {}", reply.text);
        }
        if path.ends_with("/phone/disable") {
            self.give_phone(&id).await;
        }
        if path.contains("{document}") {
            return self.with_document(at, id).await;
        }
        Row { etag: etag(by, at, &id).await, id, ..Row::default() }
    }

    /// A row with a new document, and the version of that.
    pub async fn with_document(&self, at: &str, id: String) -> Row {
        let kind = if at == "/v1/volunteers" { "certificate" } else { "statement" };
        let sent = self.client.request(Method::POST, &format!("{at}/{id}/documents?kind={kind}"));
        let sent = sent.raw(PDF).header("content-type", "application/pdf").key(&uuid::Uuid::now_v7().to_string());
        let made = sent.await.expect(201);
        Row { etag: made.header("etag").to_owned(), document: made.id(), id }
    }

    /// Lets a phone register as the volunteer's.
    async fn give_phone(&self, volunteer: &str) {
        let code = self.client.post(&format!("/v1/volunteers/{volunteer}/phone/codes"), json!({})).await.expect(200);
        let phone = json!({ "code": code.json["code"], "key": key() });
        self.client.app.nobody().post("/oauth/register", phone).without("idempotency-key").await.expect(201);
    }

    /// A new row of a collection.
    fn create(&self, at: &str) -> Pin<Box<dyn Future<Output = String> + Send + '_>> {
        let at = at.to_owned();
        Box::pin(async move {
            let place = &self.villages[0];
            let case = json!({ "village_code": place, "person": { "name": a_name() },
                "ppks": ["PPKS-08"], "need": "Tinggal sendiri.", "lawful_basis": "consent",
                "consent": { "by": "person", "method": "spoken", "on": "2026-01-05" } });
            let made = |at: &'static str, body| async move { self.client.post(at, body).await.expect(201) };
            match at.as_str() {
                "/v1/volunteers" => {
                    made("/v1/volunteers", json!({ "village_code": place, "name": a_name(), "nik_status": "none" }))
                        .await
                        .id()
                }
                "/v1/cases" => made("/v1/cases", case).await.id(),
                "/v1/referrals" => {
                    let mut case = case;
                    case["referral"] =
                        json!({ "target_agency_id": self.client.agency, "service": "neglected_elder_care" });
                    made("/v1/cases", case).await.json["referral_id"].as_str().unwrap().to_owned()
                }
                "/v1/training-events" => {
                    let event = json!({ "level": "basic", "title": "Bimtek", "region_code": place, "venue": "Aula",
                        "sessions": [session()], "capacity": 9 });
                    made("/v1/training-events", event).await.id()
                }
                "/v1/clients" => {
                    let client = json!({ "kind": "system", "name": "Aplikasi", "purpose": "Pelayanan", "key": key(),
                        "scopes": ["statistics:read"] });
                    made("/v1/clients", client).await.id()
                }
                "/v1/imports" => self.import().await,
                // what it offers is its own to change
                "/v1/source-systems" => self.client.agency.clone(),
                "/v1/agencies" => {
                    let new =
                        json!({ "kind": "other", "name": "Yayasan", "scopes": ["clients:manage", "statistics:read"] });
                    self.client.app.ministry().await.post("/v1/agencies", new).await.expect(201).id()
                }
                "/v1/training-certificates" => {
                    let event = self.row("/v1/training-events/{id}/certificates").await.id;
                    let path = format!("/v1/training-events/{event}/certificates");
                    let made = self.client.post(&path, json!({})).await.expect(200);
                    made.json["items"][0]["id"].as_str().unwrap().to_owned()
                }
                "/v1/training-enrolments" => {
                    let event = self.row("/v1/training-events/{id}/enrolments").await.id;
                    let body = json!({ "volunteer_id": self.volunteer });
                    self.client.post(&format!("/v1/training-events/{event}/enrolments"), body).await.expect(201).id()
                }
                _ => panic!(
                    "tell support::office how a row of {at} is made, or foreign_ids.rs that everyone sees all of them"
                ),
            }
        })
    }

    /// A file of one row, looked through: until then it moves by itself.
    async fn import(&self) -> String {
        let name = uuid::Uuid::now_v7();
        let file = format!("Nama;Kode Wilayah\nWarga {name};{}\n", self.villages[0]);
        let request = self.client.request(Method::POST, "/v1/imports").raw(file.as_bytes());
        let id = request.header("content-type", "text/csv").key(&name.to_string()).await.expect(202).id();
        while self.client.get(&format!("/v1/imports/{id}")).await.json["state"] != "validated" {}
        id
    }

    /// The document's example of the body, with what this office can mean by it. A merge patch changes one word.
    pub fn body(&self, operation: &Value) -> Value {
        let content = operation["requestBody"]["content"].as_object().and_then(|content| content.iter().next());
        let Some((kind, body)) = content else { return Value::Null };
        let mut example = body["example"].clone();
        if operation["operationId"] == "update_referral" {
            return json!({ "eligibility": null });
        }
        if kind.contains("merge-patch") {
            let word = ["need", "occupation", "venue", "name", "capacity_note"]
                .into_iter()
                .find(|word| example.get(word).is_some());
            let word = word.unwrap_or_else(|| panic!("tell support::office what to change by {operation}"));
            return json!({ word: "Lain" });
        }
        self.fill(&mut example);
        if example.is_null() { json!({}) } else { example }
    }

    /// The same, for a row that it depends on.
    fn body_on(&self, operation: &Value, id: &str) -> Value {
        let mut body = self.body(operation);
        if let Some(duplicate) = body.get_mut("duplicate_id") {
            *duplicate = json!(self.twins.lock().unwrap().get(id).unwrap_or(&self.volunteer));
        }
        if let (Some(others), Some(twin)) = (body.get_mut("distinct_from"), self.twins.lock().unwrap().get(id)) {
            *others = json!([twin]);
        }
        body
    }

    pub fn fill(&self, value: &mut Value) {
        let soon = || Utc::now() + TimeDelta::days(20);
        match value {
            Value::Object(members) => members.iter_mut().for_each(|(name, value)| match name.as_str() {
                "volunteer_id" => *value = json!(self.volunteer),
                "target_agency_id" => *value = json!(self.target),
                "village_code" => *value = json!(self.villages[1]),
                "region_code" => *value = json!(self.villages[0]),
                "village_codes" => *value = json!([self.villages[0]]),
                "volunteer_ids" => *value = json!([self.volunteer]),
                "service" => *value = json!("neglected_elder_care"),
                // who has a case is offered that one
                "person" => value["name"] = json!(a_name()),
                // consent would need to say whose and when
                "lawful_basis" => *value = json!("public_task"),
                "on" | "issued_on" => *value = json!((Utc::now() + TimeDelta::hours(7)).date_naive()),
                "sessions" => *value = json!([session()]),
                "due_on" => *value = json!(soon().date_naive()),
                "appointment_at" => *value = json!(soon()),
                // a partner's number names one referral
                "partner_reference" => *value = json!(uuid::Uuid::now_v7()),
                _ => self.fill(value),
            }),
            Value::Array(items) => items.iter_mut().for_each(|value| self.fill(value)),
            _ => {}
        }
    }

    /// The request of an operation, complete, on one row or on none.
    pub fn ask(&self, client: &Client<'a>, method: &Method, path: &str, row: &Row) -> super::client::Request<'a> {
        let operation = &document()["paths"][path][method.as_str().to_lowercase()];
        let address = format!("{}{}", row.address(path), needed(operation));
        let request = client.request(method.clone(), &address);
        complete(request, operation, &row.etag, &self.body_on(operation, &row.id))
    }
}

/// A file, as good as any.
pub const PDF: &[u8] = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n";

/// The query without which the operation is not begun.
pub fn needed(operation: &'static Value) -> String {
    let parameters = operation["parameters"].as_array().into_iter().flatten().map(resolve);
    let needed = parameters.filter(|one| one["in"] == "query" && one["required"] == true);
    let pairs: Vec<String> = needed
        .map(|one| format!("{}={}", one["name"].as_str().unwrap(), one["example"].as_str().expect("an example")))
        .collect();
    if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
}

/// Gives a request what the operation asks for.
pub fn complete<'a>(
    mut request: super::client::Request<'a>,
    operation: &'static Value,
    etag: &str,
    body: &Value,
) -> super::client::Request<'a> {
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        match resolve(parameter)["name"].as_str().unwrap() {
            "Idempotency-Key" => request = request.key(&uuid::Uuid::now_v7().to_string()),
            "If-Match" => request = request.header("if-match", etag),
            _ => {}
        }
    }
    match operation["requestBody"]["content"].as_object().and_then(|content| content.keys().next()) {
        Some(kind) if kind.contains("json") || kind.contains("form") => request.json(body).header("content-type", kind),
        Some(kind) => request.raw(PDF).header("content-type", kind),
        None => request,
    }
}

async fn etag(by: &Client<'_>, at: &str, id: &str) -> String {
    by.get(&format!("{at}/{id}")).await.expect(200).header("etag").to_owned()
}

fn key() -> Value {
    let (kid, x, y) = KEY;
    json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": kid })
}

fn session() -> Value {
    let begins = Utc::now() + TimeDelta::days(10);
    json!({ "starts_at": begins, "ends_at": begins + TimeDelta::hours(2) })
}

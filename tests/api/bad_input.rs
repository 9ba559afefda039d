//! Bad input on every operation of the document: refused with problem details, never a 5xx, and nothing of it is repeated.
//!
//! Driven by the document, so that a new operation, member or parameter is tried without a word here.
use crate::support::office::{Office, Row, collection, complete, needed};
use crate::support::{Client, Reply, Request, TestApp, document, operations, resolve, run, validator_of};
use futures_util::{FutureExt, StreamExt};
use regex::Regex;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use uuid::Uuid;

/// Stands in whatever is sent; no answer may hold it. With digits, so that it could be somebody's number.
const MARK: &str = "zqMARK1706024508950001";
/// Where something else is put into a body.
const HERE: &str = "@@HERE@@";
/// Days and instants at the edges of what a calendar, a number or a database can hold.
const TIMES: &[&str] = &[
    "-9999-01-01",
    "0000-01-01",
    "0001-01-01",
    "9999-12-31",
    "+262000-01-01",
    "2026-02-30",
    "2026-13-01",
    "2026-01-01T00:00:00Z",
    "-9999-01-01T00:00:00Z",
    "0000-01-01T00:00:00Z",
    "9999-12-31T23:59:60Z",
    "9999-12-31T23:59:59-23:59",
    "2200-12-31T23:59:59-23:59",
    "1945-01-01T00:00:00+23:59",
    "+262000-01-01T00:00:00Z",
    "2026-01-01T00:00:00",
    "2026-01-01T24:00:00Z",
    "2026-01-01T00:00:00+99:99",
];

/// An operation with what it takes to be reached.
struct Case<'a> {
    id: String,
    method: Method,
    path: String,
    operation: &'static Value,
    client: Client<'a>,
    row: Row,
    body: Value,
}

impl<'a> Case<'a> {
    /// A request that is right in everything.
    fn right(&self) -> Request<'a> {
        self.to(&format!("{}{}", self.address(), needed(self.operation)))
    }

    fn address(&self) -> String {
        let number = ("{number}", "BT-1706-2023-0001-00000000");
        let known = [("{code}", "17.06"), ("{name}", "ppks"), ("{token}", "AQIDBA"), number];
        let path = known.into_iter().fold(self.path.clone(), |path, (name, word)| path.replace(name, word));
        let address = self.row.address(&path);
        assert!(!address.contains('{'), "tell this test what to put into {address}");
        address
    }

    /// The same to another address.
    fn to(&self, address: &str) -> Request<'a> {
        let request =
            complete(self.client.request(self.method.clone(), address), self.operation, &self.row.etag, &self.body);
        if self.is_form() { request.raw(form(&self.body).as_bytes()) } else { request }
    }

    fn is_form(&self) -> bool {
        self.content().is_some_and(|(kind, _)| kind.contains("urlencoded"))
    }

    /// What it takes is a file: whatever its bytes are, it says so itself (`imports.rs`).
    fn is_file(&self) -> bool {
        self.content().is_some_and(|(kind, _)| !kind.contains("json") && !kind.contains("urlencoded"))
    }

    fn content(&self) -> Option<(&'static String, &'static Value)> {
        self.operation["requestBody"]["content"].as_object()?.iter().next()
    }

    fn parameters(&self, place: &str) -> impl Iterator<Item = (&'static str, &'static Value)> {
        let all = self.operation["parameters"].as_array().into_iter().flatten().map(resolve);
        let place = place.to_owned();
        all.filter(move |one| one["in"] == place.as_str()).map(|one| (one["name"].as_str().unwrap(), &one["schema"]))
    }

    fn takes(&self, header: &str) -> bool {
        self.parameters("header").any(|(name, _)| name == header)
    }
}

fn form(body: &Value) -> String {
    let pairs = body.as_object().unwrap().iter().map(|(name, value)| (name, value.as_str().unwrap_or_default()));
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// Every operation, as somebody who may call it, on a row of which it would be accepted.
async fn cases<'a>(app: &'a TestApp, office: &Office<'a>) -> Vec<Case<'a>> {
    let callers = [office.client.clone(), app.ministry().await, app.bpjs().await, app.phone().await];
    let mut list = vec![];
    for (id, method, path, secured) in operations() {
        let operation = &document()["paths"][&path][method.as_str().to_lowercase()];
        let scopes: Vec<&str> = operation["security"]
            .as_array()
            .into_iter()
            .flatten()
            .flat_map(|way| way["oauth2"].as_array().into_iter().flatten())
            .map(|scope| scope.as_str().unwrap())
            .collect();
        let may = |client: &&Client<'_>| {
            let own = &client.credential.as_ref().unwrap().scopes;
            scopes.is_empty() || own.iter().any(|own| scopes.contains(&own.as_str()))
        };
        let client = if secured {
            callers.iter().find(may).unwrap_or_else(|| panic!("nobody may {id}")).clone()
        } else {
            app.nobody()
        };
        let open = ["/v1/agencies", "/v1/source-systems"].contains(&collection(&path));
        let row = match (path.contains("{id}"), open) {
            // what an office offers is its own to change
            (true, _) if !open || collection(&path) == "/v1/source-systems" => office.row(&path).await,
            (true, _) => {
                let agency = app.agency("BPJS Kesehatan Kerinci").await;
                let etag = app.ministry().await.get(&format!("/v1/agencies/{agency}")).await.header("etag").to_owned();
                Row { id: agency, etag, ..Row::default() }
            }
            _ => Row::default(),
        };
        let content = operation["requestBody"]["content"].as_object().and_then(|content| content.values().next());
        // of a merge patch, too, all that can be said
        let mut body = content.map_or(Value::Null, |content| content["example"].clone());
        if content.is_some() && !body.is_object() {
            body = json!({});
        }
        office.fill(&mut body);
        list.push(Case { id, method, path, operation, client, row, body });
    }
    list
}

/// What came of a request: nothing if it was answered as it should be, or what is wrong. Where there is room for few at a time
/// (exports), it is asked again, and has to be answered in the end.
async fn wrong(request: Request<'_>, expected: Expected) -> Option<String> {
    let outcome = AssertUnwindSafe(request.settled()).catch_unwind().await;
    let reply = match outcome {
        Ok(reply) => reply,
        Err(panic) => return Some(panic.downcast_ref::<String>().map_or("panic", String::as_str).to_owned()),
    };
    expected.differs(&reply)
}

/// How something bad is to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// It does not parse, or breaks a rule; nobody is asked whether a row is there.
    Refused,
    /// With this status.
    Status(u16),
    /// It may be right all the same: anything but a failure of the service.
    Answered,
}

impl Expected {
    fn differs(self, reply: &Reply) -> Option<String> {
        let status = reply.status;
        let fits = match self {
            Self::Refused => matches!(status, 400 | 422),
            Self::Status(wanted) => status == wanted,
            Self::Answered => status < 500,
        };
        let repeats = status >= 400 && reply.text.contains(MARK);
        let repeats =
            repeats || reply.headers.values().any(|value| String::from_utf8_lossy(value.as_bytes()).contains(MARK));
        let shaped = status < 400 || (reply.text.is_empty() && status == 401) || is_problem(reply) || is_oauth(reply);
        (!fits || repeats || !shaped).then(|| {
            let why = [(!fits, "status"), (repeats, "repeats what was sent"), (!shaped, "shape")];
            let why: Vec<&str> = why.iter().filter(|(is, _)| *is).map(|(_, why)| *why).collect();
            format!("{} ({self:?}: {}): {}", status, why.join(", "), reply.text.chars().take(400).collect::<String>())
        })
    }
}

/// RFC 9457, whole.
fn is_problem(reply: &Reply) -> bool {
    let text = |name: &str| reply.json[name].as_str().is_some_and(|text| !text.is_empty());
    let code = simpul::error_codes().into_iter().find(|code| code.code == reply.code());
    reply.header("content-type").starts_with("application/problem+json")
        && ["type", "title", "detail", "code"].into_iter().all(text)
        && reply.json["status"] == reply.status
        && code.is_some_and(|code| code.status == reply.status)
        && reply.json["instance"] == format!("urn:uuid:{}", reply.header("x-request-id"))
        && reply.json["errors"].as_array().is_none_or(|errors| errors.iter().all(|error| error["code"].is_string()))
}

/// RFC 6749, section 5.2.
fn is_oauth(reply: &Reply) -> bool {
    let known = [
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "invalid_client_metadata",
        "slow_down",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
    ];
    reply.header("content-type").starts_with("application/json")
        && reply.header("cache-control").contains("no-store")
        && known.contains(&reply.json["error"].as_str().unwrap_or_default())
}

/// Asks all of them, some at once; panics with everything that is wrong.
async fn none_wrong(asked: Vec<(String, Request<'_>, Expected)>, least: usize) {
    let count = asked.len();
    let mut answers =
        futures_util::stream::iter(asked)
            .map(|(name, request, expected)| async move {
                wrong(request, expected).await.map(|why| format!("{name}: {why}"))
            })
            .buffer_unordered(8);
    let mut found = vec![];
    while let Some(answer) = answers.next().await {
        found.extend(answer);
    }
    found.sort();
    assert!(found.is_empty(), "{} of {count}:\n{}", found.len(), found.join("\n"));
    assert!(count >= least, "{count} requests are few");
}

/// Every place of a body: its pointer and schema. Of an array, its first item.
fn places(schema: &'static Value, at: &str, found: &mut Vec<(String, &'static Value)>) {
    let schema = resolve(schema);
    for part in ["oneOf", "allOf", "anyOf"] {
        schema[part].as_array().into_iter().flatten().for_each(|part| places(part, at, found));
    }
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        found.push((format!("{at}/{name}"), member));
        places(member, &format!("{at}/{name}"), found);
    }
    if schema["items"].is_object() {
        found.push((format!("{at}/0"), &schema["items"]));
        places(&schema["items"], &format!("{at}/0"), found);
    }
}

/// The body with `value` at a place; what leads there is made where the example has it not.
fn put(body: &Value, pointer: &str, value: Value) -> Value {
    let mut body = body.clone();
    let mut at = &mut body;
    for name in pointer.split('/').skip(1) {
        if name == "0" {
            if at.as_array().is_none_or(Vec::is_empty) {
                *at = json!([null]);
            }
            at = &mut at[0];
        } else {
            if !at.is_object() {
                *at = json!({});
            }
            at = &mut at[name];
        }
    }
    *at = value;
    body
}

/// The body as text with something at a place that no JSON value can be.
fn put_raw(body: &Value, pointer: &str, raw: &[u8]) -> Vec<u8> {
    let text = put(body, pointer, json!(HERE)).to_string();
    let (before, after) = text.split_once(&format!("\"{HERE}\"")).unwrap();
    [before.as_bytes(), raw, after.as_bytes()].concat()
}

fn values() -> Vec<Value> {
    let overlong = format!("{MARK}{}", "x".repeat(9000));
    let mut list = vec![
        json!(null),
        json!(true),
        json!(987_654_321),
        json!(-1),
        json!(1.5),
        json!(i64::MAX),
        json!(u64::MAX),
        json!({ MARK: 1 }),
        json!([MARK]),
        json!([[[[MARK]]]]),
        json!(""),
        json!(" "),
        json!(MARK),
        json!(overlong),
        json!(format!("{MARK}\u{0}")),
        json!(format!("\u{1}{MARK}")),
        json!(format!("{MARK}\u{202e}")),
        json!(format!("{MARK}'; DROP TABLE cases; --")),
        json!("00000000-0000-0000-0000-000000000000"),
        json!("ffffffff-ffff-ffff-ffff-ffffffffffff"),
    ];
    list.extend(TIMES.iter().map(|time| json!(time)));
    list
}

/// What no JSON text may hold, in the place of a value.
const RAW: &[&[u8]] = &[
    b"\"zqMARK1706024508950001\\ud800\"",
    b"\"\\udc00zqMARK1706024508950001\"",
    b"\"zqMARK1706024508950001\xff\"",
    b"\"zqMARK1706024508950001\xed\xa0\x80\"",
    b"\"zqMARK1706024508950001\x01\"",
    b"\"\\x41zqMARK1706024508950001\"",
    b"1e99999",
    b"-",
    b"01",
    b"NaN",
    b"zqMARK1706024508950001",
    b"\"zqMARK1706024508950001",
    b"",
];

#[test]
fn no_member_of_a_body_takes_what_the_document_refuses() {
    run(async |app| {
        let office = Office::kerinci(app).await;
        let (mut refused, mut answered) = (vec![], vec![]);
        for case in cases(app, &office).await {
            let Some((_, content)) = case.content().filter(|_| !case.is_form()) else { continue };
            let schema = validator_of(&content["schema"]);
            let mut members = vec![];
            places(&content["schema"], "", &mut members);
            let ask = |body: &[u8]| {
                let kind = case.content().unwrap().0;
                case.right().raw(body).header("content-type", kind)
            };
            for (pointer, of) in &members {
                let name = |what: &str| format!("{} {pointer} {what}", case.id);
                for value in values() {
                    // times only where a time is meant, or one of them for all
                    let time = value.as_str().is_some_and(|text| TIMES.contains(&text));
                    if time && !of.to_string().contains("Day") && !of.to_string().contains("Moment") {
                        continue;
                    }
                    let body = put(&case.body, pointer, value.clone());
                    let what: String = value.to_string().chars().take(40).collect();
                    let request = ask(body.to_string().as_bytes());
                    if schema.is_valid(&body) {
                        answered.push((name(&what), request, Expected::Answered));
                    } else {
                        refused.push((name(&what), request, Expected::Refused));
                    }
                }
                // nothing at all is no item of an array
                for raw in RAW.iter().filter(|raw| !raw.is_empty() || !pointer.ends_with("/0")) {
                    let what = String::from_utf8_lossy(raw).into_owned();
                    refused.push((name(&what), ask(&put_raw(&case.body, pointer, raw)), Expected::Status(400)));
                }
                // a member that the document does not name, beside this one
                let beside = pointer.rsplit_once('/').unwrap().0;
                if !pointer.ends_with("/0") {
                    let body = put(&case.body, &format!("{beside}/{MARK}"), json!(MARK));
                    refused.push((name("with a stranger"), ask(body.to_string().as_bytes()), Expected::Refused));
                    // the same one twice
                    let (_, last) = pointer.rsplit_once('/').unwrap();
                    let value = put(&case.body, pointer, case.body.pointer(pointer).cloned().unwrap_or_default());
                    let value = value.pointer(pointer).unwrap().clone();
                    let twice = format!("{value},\"{last}\":{value}");
                    let body = put_raw(&case.body, pointer, twice.as_bytes());
                    refused.push((name("twice"), ask(&body), Expected::Status(400)));
                }
                // without it, where it must be there
                let mut less = case.body.clone();
                let object = less.pointer_mut(beside).and_then(Value::as_object_mut);
                if object.is_some_and(|object| object.remove(pointer.rsplit_once('/').unwrap().1).is_some()) {
                    let expected = if schema.is_valid(&less) { Expected::Answered } else { Expected::Refused };
                    let list = if expected == Expected::Refused { &mut refused } else { &mut answered };
                    list.push((name("is missing"), ask(less.to_string().as_bytes()), expected));
                }
            }
        }
        // What is refused changes nothing, so every one of these meets the row as it was made.
        none_wrong(refused, 3000).await;
        none_wrong(answered, 300).await;
    });
}

#[test]
fn no_operation_takes_a_body_that_is_none() {
    run(async |app| {
        let office = Office::kerinci(app).await;
        let mut asked = vec![];
        let deep = "[".repeat(30_000);
        let nested = format!("{{\"{MARK}\":{}1{}}}", "[".repeat(20_000), "]".repeat(20_000));
        let large = format!("{{\"{MARK}\":\"{}\"}}", "x".repeat(70_000));
        let bodies: Vec<(&str, &[u8], u16)> = vec![
            ("empty", b"", 400),
            ("half", b"{", 400),
            ("array", b"[]", 400),
            ("text", b"\"zqMARK1706024508950001\"", 400),
            ("null", b"null", 400),
            ("number", b"1706024508950001", 400),
            ("two", b"{}{}", 400),
            ("mark before", b"\xef\xbb\xbf{}", 400),
            ("UTF-16", b"\xff\xfe{\0}\0", 400),
            ("no JSON", b"zqMARK1706024508950001", 400),
            ("deep", deep.as_bytes(), 400),
            ("nested", nested.as_bytes(), 400),
            ("large", large.as_bytes(), 413),
        ];
        for case in cases(app, &office).await {
            let Some((kind, _)) = case.content() else { continue };
            let name = |what: &str| format!("{} {what}", case.id);
            // files: documents.rs
            if case.is_form() || !kind.ends_with("json") {
                continue;
            }
            // RFC 6749 knows no other status
            let oauth = |status| if case.path.starts_with("/oauth/") { 400 } else { status };
            let of_type = oauth(415);
            for (what, body, status) in bodies.iter().filter(|_| !case.is_file()) {
                asked.push((
                    name(what),
                    case.right().raw(body).header("content-type", kind),
                    Expected::Status(oauth(*status)),
                ));
            }
            for other in [
                "text/plain",
                "application/xml",
                "application/x-www-form-urlencoded",
                "multipart/form-data; boundary=x",
                "application/json5",
                MARK,
                "",
            ] {
                asked.push((
                    name(&format!("as {other:?}")),
                    case.right().header("content-type", other),
                    Expected::Status(of_type),
                ));
            }
            asked.push((name("as nothing"), case.right().without("content-type"), Expected::Status(of_type)));
            asked.push((
                name("as bytes"),
                case.right().header_bytes("content-type", b"\xff\xfe"),
                Expected::Status(of_type),
            ));
            asked.push((
                name("as two things"),
                case.right().and_header("content-type", "text/plain"),
                Expected::Answered,
            ));
            let squeezed = case.right().raw(b"\x1f\x8b\x08zqMARK1706024508950001").header("content-type", kind);
            let refused = Expected::Status(if case.is_file() { 422 } else { 400 });
            asked.push((name("squeezed"), squeezed.header("content-encoding", "gzip"), refused));
        }
        none_wrong(asked, 1000).await;
    });
}

/// A statement is made of a filter's values: their number has an end, and the document says which.
#[test]
fn no_list_takes_more_values_than_the_document_says() {
    run(async |app| {
        let office = Office::kerinci(app).await;
        let (mut asked, mut endless) = (vec![], vec![]);
        for case in cases(app, &office).await {
            for (name, schema) in case.parameters("query").filter(|(_, schema)| schema["items"].is_object()) {
                let item = resolve(&schema["items"]);
                let value = item["enum"][0].as_str().or(item["example"].as_str()).unwrap_or("A");
                let Some(most) = schema["maxItems"].as_u64() else {
                    endless.push(format!("{} ?{name}", case.id));
                    continue;
                };
                let pair = format!("&{name}={value}");
                let ask = |many: usize| {
                    let needed = needed(case.operation);
                    let begin = if needed.is_empty() { "?" } else { &needed };
                    case.to(&format!("{}{begin}{}", case.address(), pair.repeat(many)).replace("?&", "?"))
                };
                let most = usize::try_from(most).unwrap();
                let told = |many: usize| format!("{} ?{name} {many} times", case.id);
                asked.push((told(most), ask(most), Expected::Answered));
                asked.push((told(most + 1), ask(most + 1), Expected::Refused));
                // as many as a request holds
                let many = 10_000.min(60_000 / pair.len());
                asked.push((told(many), ask(many), Expected::Refused));
            }
            let Some((_, content)) = case.content().filter(|_| !case.is_form() && !case.is_file()) else { continue };
            let mut members = vec![];
            places(&content["schema"], "", &mut members);
            for (pointer, _) in members.iter().filter(|(_, of)| resolve(of)["items"].is_object()) {
                let list = json!(vec!["0-4"; 8000]);
                let body = put(&case.body, pointer, list).to_string();
                asked.push((format!("{} {pointer}", case.id), case.right().raw(body.as_bytes()), Expected::Refused));
            }
        }
        assert!(endless.is_empty(), "the document says no maxItems: {endless:#?}");
        none_wrong(asked, 80).await;
    });
}

/// What is sent again counts once, and changes nothing.
#[test]
fn a_value_of_a_filter_counts_once() {
    run(async |app| {
        let (ministry, regency) = (app.ministry().await, app.regency().await);
        let once = ministry.get("/v1/volunteers?age_band=25-44&age_band=unknown").await.expect(200);
        let repeated = "age_band=25-44&age_band=unknown&".repeat(40);
        let often = ministry.get(&format!("/v1/volunteers?{repeated}limit=50")).await.expect(200);
        assert!(!once.json["items"].as_array().unwrap().is_empty());
        assert_eq!(once.json["items"], often.json["items"]);
        // where filters stand in a body
        for (path, body) in [
            ("/v1/exports/volunteers", json!({ "format": "csv", "filters": { "age_band": vec!["0-4"; 6000] } })),
            ("/v1/volunteers/search-names", json!({ "name": "Siti", "filters": { "age_band": vec!["0-4"; 6000] } })),
        ] {
            let refused = regency.request(Method::POST, path).json(&body).await.problem(400, "malformed");
            refused.blames("/filters/age_band", "too_many");
        }
        let many = format!("/v1/volunteers?{}", "age_band=0-4&".repeat(4500));
        ministry.get(&many).await.problem(400, "malformed").blames("?age_band", "too_many");
        ministry.get("/livez").await.expect(200);
    });
}

/// The addresses that a query parameter can be sent wrong with.
fn queries(name: &str, schema: &'static Value) -> Vec<(String, Expected)> {
    let of = validator_of(schema);
    let item = &resolve(schema)["items"];
    let items = item.is_object().then(|| validator_of(item));
    let takes = |text: &str| {
        let typed = [json!(text), text.parse::<i64>().map_or(Value::Null, |n| json!(n)), json!(text == "true")];
        let typed = if ["true", "false"].contains(&text) { &typed[..] } else { &typed[..2] };
        typed.iter().any(|value| !value.is_null() && items.as_ref().unwrap_or(&of).is_valid(value))
    };
    let overlong = format!("{MARK}{}", "x".repeat(5000));
    let texts = [
        "",
        " ",
        MARK,
        &overlong,
        "-1",
        "0",
        "1.5",
        "99999999999999999999",
        "1e3",
        "null",
        "a&b",
        "'",
        "%",
        "_",
        "../..",
        "[]",
    ];
    let mut list = vec![];
    for text in texts.iter().chain(TIMES) {
        let encoded: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
        // an offset whose plus sign became a space is not a time either
        let expected = if takes(text) || name == "limit" { Expected::Answered } else { Expected::Refused };
        list.push((format!("{name}={encoded}"), expected));
    }
    for raw in ["%00", "%ff", "%ED%A0%80", "%C0%AE", "a%0Ab", "%E2%80%AE", "%"] {
        // a percent sign that stands for nothing is itself, as browsers read it
        let expected = if raw == "%" { Expected::Answered } else { Expected::Refused };
        list.push((format!("{name}={MARK}{raw}"), expected));
    }
    list.push((format!("{name}[]={MARK}"), Expected::Refused));
    list.push((format!("{name}%00={MARK}"), Expected::Refused));
    let example = &resolve(schema)["enum"][0];
    let right = example.as_str().unwrap_or("1");
    if items.is_none() {
        list.push((format!("{name}={right}&{name}={right}"), Expected::Refused));
    }
    list
}

#[test]
fn no_query_and_no_path_takes_what_the_document_refuses() {
    run(async |app| {
        let office = Office::kerinci(app).await;
        let (mut asked, parameter_in_path) = (vec![], Regex::new(r"\{[a-z]+\}").unwrap());
        for case in cases(app, &office).await {
            let name = |what: &str| format!("{} {}", case.id, what.chars().take(60).collect::<String>());
            let address = case.address();
            for (parameter, schema) in case.parameters("query") {
                for (query, expected) in queries(parameter, schema) {
                    asked.push((name(&query), case.to(&format!("{address}?{query}")), expected));
                }
            }
            let secured = simpul::platform::openapi::takes_token(case.operation);
            for stranger in [MARK, "%00", "%ff", "%zz", "limit[]", "ID", "__proto__"] {
                let query = format!("{address}?{stranger}={MARK}");
                asked.push((
                    name(&query),
                    case.to(&query),
                    if secured { Expected::Refused } else { Expected::Answered },
                ));
            }
            for query in ["&&&=", "%", "?", "=", "#"] {
                asked.push((name(query), case.to(&format!("{address}?{query}")), Expected::Answered));
            }
            if case.path.contains('{') {
                let overlong = format!("{MARK}{}", "x".repeat(5000));
                let odd = [
                    "%00",
                    "%ff",
                    "%",
                    "%zz",
                    "..%2f..%2f",
                    "a%2Fb",
                    "%0A",
                    "%E2%80%AE",
                    "%ED%A0%80",
                    MARK,
                    &overlong,
                    "'",
                    "-1",
                    "*",
                ];
                for odd in odd {
                    let path = parameter_in_path.replace_all(&case.path, regex::NoExpand(odd)).into_owned();
                    let path = format!("{path}{}", needed(case.operation));
                    asked.push((name(&path), case.to(&path), Expected::Status(404)));
                }
            }
        }
        none_wrong(asked, 2000).await;
    });
}

/// Headers that something in the way of a request may read.
const HEADERS: &[&str] = &[
    "accept-language",
    "prefer",
    "if-none-match",
    "if-modified-since",
    "accept",
    "accept-encoding",
    "x-request-id",
    "traceparent",
    "tracestate",
    "x-forwarded-for",
    "x-forwarded-host",
    "forwarded",
    "origin",
    "referer",
    "cookie",
    "range",
    "expect",
    "x-http-method-override",
    "user-agent",
];

#[test]
fn no_header_is_trusted() {
    run(async |app| {
        let office = Office::kerinci(app).await;
        let mut asked = vec![];
        let long = format!("{MARK}{}", "x".repeat(8000));
        let quoted = format!("\"{long}\"");
        let odd: [&[u8]; 7] =
            [MARK.as_bytes(), long.as_bytes(), b"\xff\xfe", b"", b";;;,,,q=", b"*;q=nan", b"en;q=99999999999999999999"];
        for (number, case) in cases(app, &office).await.into_iter().enumerate() {
            // The row is moved by the first that is accepted; then the answer is another, but an answer.
            let name = |what: &str, value: &[u8]| {
                format!("{} {what}: {}", case.id, String::from_utf8_lossy(value).chars().take(40).collect::<String>())
            };
            let mut with = |header: &'static str, value: &[u8], expected: Expected| {
                asked.push((name(header, value), case.right().header_bytes(header, value), expected));
            };
            let keyed = if case.takes("Idempotency-Key") { Expected::Status(400) } else { Expected::Answered };
            let keys: [&[u8]; 8] =
                [b"", b" ", b"\"\"", long.as_bytes(), quoted.as_bytes(), b"a b", b"\xc3\xa9", b"a\"b"];
            for key in keys {
                with("idempotency-key", key, keyed);
            }
            let matched = if case.takes("If-Match") { Expected::Status(400) } else { Expected::Answered };
            let etags: [&[u8]; 13] = [
                b"",
                b"*",
                b"zqMARK1706024508950001",
                b"\"zqMARK1706024508950001\"",
                b"\"0-a\"",
                b"\"-1-a\"",
                b"\"+1-a\"",
                b"\"01-a\"",
                b"W/W/\"1-a\"",
                b"\"99999999999999999999\"",
                b"\"\xff\"",
                b"\"1-a\", \"2-b\"",
                quoted.as_bytes(),
            ];
            for etag in etags {
                with("if-match", etag, matched);
            }
            // each of them with another one of these, so that all operations together see all pairs
            for (turn, header) in HEADERS.iter().enumerate() {
                with(header, odd[(number + turn) % odd.len()], Expected::Answered);
            }
            if simpul::platform::openapi::takes_token(case.operation) {
                for token in [
                    format!("Bearer {MARK}"),
                    format!("Bearer {long}"),
                    MARK.to_owned(),
                    "Bearer".to_owned(),
                    "Bearer a.b.c".to_owned(),
                    format!("Basic {MARK}"),
                    String::new(),
                ] {
                    with("authorization", token.as_bytes(), Expected::Status(401));
                }
                with("authorization", b"Bearer \xff\xfe", Expected::Status(401));
            }
        }
        none_wrong(asked, 3000).await;
    });
}

#[test]
fn no_path_takes_another_method() {
    run(async |app| {
        let office = Office::kerinci(app).await;
        let mut paths: BTreeMap<String, (String, Vec<Method>)> = BTreeMap::new();
        for case in cases(app, &office).await {
            let entry = paths.entry(case.path.clone()).or_insert_with(|| (case.address(), vec![]));
            entry.1.push(case.method);
        }
        let mut asked = vec![];
        let methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"];
        for (path, (address, known)) in &paths {
            for client in [office.client.clone(), app.nobody()] {
                for method in methods {
                    let method = Method::from_bytes(method.as_bytes()).unwrap();
                    if known.contains(&method) {
                        continue;
                    }
                    let request = client
                        .request(method.clone(), &format!("{address}?{MARK}={MARK}"))
                        .json(&json!({ MARK: MARK }));
                    asked.push((format!("{method} {path}"), request, Expected::Status(405)));
                }
                // HEAD is GET, where there is one; the document does not name it.
                let head = client.request(Method::HEAD, address).await;
                let get = client.request(Method::GET, address).await;
                assert!(
                    head.text.is_empty() && (head.status, head.header("allow")) == (get.status, get.header("allow")),
                    "HEAD {path}"
                );
                if !known.contains(&Method::GET) {
                    let mut allow: Vec<&str> = known.iter().map(Method::as_str).collect();
                    allow.sort_unstable();
                    assert_eq!((get.status, get.header("allow")), (405, allow.join(", ").as_str()), "{path}");
                }
            }
        }
        none_wrong(asked, 500).await;
    });
}

#[test]
fn the_token_endpoint_takes_a_form_and_says_no_more_than_oauth() {
    run(async |app| {
        let office = Office::kerinci(app).await;
        let credential = office.client.credential.as_ref().unwrap();
        let mut asked = vec![];
        for case in cases(app, &office).await.into_iter().filter(Case::is_form) {
            let (kind, content) = case.content().unwrap();
            // the one parameter that there must be
            let token = case.id == "issue_token";
            let (needed, least) =
                if token { ("grant_type", "grant_type=client_credentials") } else { ("token", "token=x") };
            let basic = {
                use base64::Engine;
                let text = format!("{}:{}", credential.client_id, credential.client_secret);
                format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text))
            };
            let ask = |body: &[u8]| case.right().raw(body).header("content-type", kind).header("authorization", &basic);
            let bad = Expected::Status(400);
            let mut with = |body: &str, expected: Expected| {
                let name = format!("{} {}", case.id, body.chars().take(60).collect::<String>());
                asked.push((name, ask(body.as_bytes()), expected));
            };
            with(least, Expected::Status(200));
            let long = "x".repeat(9000);
            for body in [
                "",
                "&&&",
                MARK,
                "grant_type",
                "grant_type=",
                "%",
                "%00=%ff",
                "{\"grant_type\":\"client_credentials\"}",
                &long,
            ] {
                with(body, bad);
            }
            let mut members = vec![];
            places(&content["schema"], "", &mut members);
            for (pointer, _) in members {
                let member = pointer.trim_start_matches('/');
                let before = if member == needed { String::new() } else { format!("{least}&") };
                for value in [MARK, "", "%00", "%ff", &format!("{MARK}{long}"), "a%0Ab", "%ED%A0%80"] {
                    let expected = if value.is_empty() && member != needed { Expected::Answered } else { bad };
                    // any word names an officer, or is a token that is none; and who asks comes first: another client is
                    // no client
                    let word = value.starts_with(MARK) && member.starts_with("token");
                    let free = member.starts_with("client_") || (member == "acting_user" && value == MARK) || word;
                    let expected = if free { Expected::Answered } else { expected };
                    with(&format!("{before}{member}={value}"), expected);
                }
                with(&format!("{before}{member}={MARK}&{member}={MARK}"), bad);
            }
            with(&format!("{least}&{MARK}={MARK}"), Expected::Answered);
            for other in ["application/json", "text/plain", "", MARK] {
                let request = ask(least.as_bytes()).header("content-type", other);
                asked.push((format!("{} as {other:?}", case.id), request, bad));
            }
            let large = format!("{least}&{}", "x".repeat(70_000));
            asked.push((format!("{} large", case.id), ask(large.as_bytes()), Expected::Answered));
            for authorization in
                [MARK, "Basic", "Basic %%%", "Basic enFNQVJL", &format!("Basic {}", "x".repeat(8000)), "Bearer x", ""]
            {
                let request = ask(least.as_bytes()).header("authorization", authorization);
                asked.push((format!("{} with {authorization:.40}", case.id), request, Expected::Answered));
            }
        }
        none_wrong(asked, 50).await;
    });
}

#[test]
fn what_is_no_operation_is_a_problem_too() {
    run(async |app| {
        let mut asked = vec![];
        for client in [app.regency().await, app.nobody()] {
            for path in [
                "/",
                "/v1",
                &format!("/{MARK}"),
                &format!("/v1/{MARK}/{}?{MARK}", Uuid::now_v7()),
                "/v1/cases/",
                "/%00",
                "/%ff%fe",
                "/%zz",
            ] {
                for method in [Method::GET, Method::POST, Method::OPTIONS] {
                    let request = client.request(method.clone(), path).json(&json!({ MARK: MARK }));
                    asked.push((format!("{method} {path}"), request, Expected::Status(404)));
                }
            }
        }
        none_wrong(asked, 40).await;
    });
}

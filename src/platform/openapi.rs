//! The document: what every operation shares is added here, once, from the shape of the operation.
mod answers;
mod examples;

use super::error::{Code, Problem, ProblemItem};
use super::region_code::RegionCode;
use serde_json::{Map, Value, json};
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;

/// Parameter of every POST that creates or moves something.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "documents what `Keyed` reads")]
pub struct IdempotencyHeader {
    /// A new UUID for each act; send the same one again when you do not know whether the request arrived. Kept for 7 days.
    #[param(
        rename = "Idempotency-Key",
        min_length = 1,
        max_length = 130,
        pattern = r##"^(?:[!#-~]{1,128}|"[!#-~]{1,128}")$"##,
        example = "0194c2a0-7d3e-7c1b-9f57-1c2d3e4f5a6b"
    )]
    key: String,
}

/// Parameter of everything that changes a row.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "documents what `IfMatch` reads")]
pub struct IfMatchHeader {
    /// `ETag` of the read that the change is based on.
    #[param(
        rename = "If-Match",
        pattern = r##"^(?:W/)?"[1-9][0-9]{0,8}(?:-[!#-~]*)?"$"##,
        example = "\"7-3f9a0c1b22de\""
    )]
    etag: String,
}

/// Parameter of lists that can tell how many rows they have.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "documents what `Paged::count` reads")]
pub struct PreferHeader {
    /// `count=exact` asks for `total` (RFC 7240).
    #[param(rename = "Prefer", example = "count=exact")]
    prefer: Option<String>,
}

/// Bytes that are no JSON: a file.
pub struct Binary;

impl utoipa::PartialSchema for Binary {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        let binary = utoipa::openapi::SchemaFormat::KnownFormat(utoipa::openapi::KnownFormat::Binary);
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .format(Some(binary))
            .description(Some("The bytes of a file."))
            .into()
    }
}
impl utoipa::ToSchema for Binary {}

#[derive(OpenApi)]
#[openapi(
    info(title = "Simpul", license(name = "Apache-2.0 OR MIT", identifier = "Apache-2.0 OR MIT"),),
    components(schemas(Problem, ProblemItem, RegionCode))
)]
struct Base;

/// The base document that the routes add themselves to.
pub fn base() -> Document {
    Base::openapi()
}

/// What the document says that the routes do not.
pub struct Parts<'a> {
    /// Where clients reach the service.
    pub public_url: &'a str,
    /// What it is and how to begin, in Markdown.
    pub introduction: &'a str,
    /// Every tag with what it is about, in reading order.
    pub tags: &'a [(&'a str, &'a str)],
    /// Every scope with what it allows.
    pub scopes: &'a Map<String, Value>,
    /// Every reason that a problem may give.
    pub codes: &'a [&'static Code],
    /// Name of each code list with one of its codes.
    pub lists: &'a [(&'a str, &'a str)],
}

/// Adds to each operation what follows from its shape, so that no handler has to repeat it: answers, headers, the right
/// that it takes, examples.
pub fn finish(document: &Document, parts: &Parts) -> anyhow::Result<Value> {
    let mut document = serde_json::to_value(document)?;
    set(&mut document, "servers", json!([{ "url": parts.public_url, "description": "This service." }]));
    if let Some(info) = document.get_mut("info") {
        set(info, "description", parts.introduction.trim().into());
    }
    let used = tags_used(&document);
    let tags = parts.tags.iter().filter(|(name, _)| used.contains(&(*name).to_owned()));
    let tags: Vec<Value> = tags
        .map(|(name, about)| json!({ "name": name, "x-displayName": capital(name), "description": about }))
        .collect();
    set(&mut document, "tags", tags.into());
    if let Some(components) = document.get_mut("components") {
        finish_schemas(components, parts.codes);
        set(components, "responses", answers::problems(parts.public_url));
        set(components, "headers", answers::headers());
        let flows = json!({ "clientCredentials": { "tokenUrl": format!("{}/oauth/token", parts.public_url), "scopes": parts.scopes } });
        let token = json!({ "type": "oauth2", "description": "JWT of RFC 9068 for one of an agency's clients.", "flows": flows });
        let secret = json!({ "type": "http", "scheme": "basic", "description": "Client id and secret; for `/oauth/token` alone." });
        set(components, "securitySchemes", json!({ TOKEN: token, "client": secret }));
    }
    let schemas = document.pointer("/components/schemas").cloned().unwrap_or_default();
    for (path, method, operation) in operations(&mut document) {
        answers::complete(&path, &method, operation, parts.public_url);
        say_what_it_takes(operation);
        examples::complete(operation, &schemas, parts.lists);
    }
    drop_unused(&mut document);
    Ok(document)
}

/// Components that nothing refers to: answers that no operation gives, schemas that were written in place.
fn drop_unused(document: &mut Value) {
    let mut left = usize::MAX;
    // What only an unused one refers to is unused as well.
    loop {
        let text = document.to_string();
        let mut count = 0;
        for kind in ["responses", "headers", "schemas"] {
            let components = document.pointer_mut(&format!("/components/{kind}")).and_then(Value::as_object_mut);
            if let Some(components) = components {
                components.retain(|name, _| text.contains(&format!("\"#/components/{kind}/{name}\"")));
                count += components.len();
            }
        }
        if count == left {
            return;
        }
        left = count;
    }
}

/// The scheme of access tokens.
const TOKEN: &str = "oauth2";

/// Whether an operation asks for an access token.
pub fn takes_token(operation: &Value) -> bool {
    let ways = operation.get("security").and_then(Value::as_array);
    ways.is_some_and(|ways| ways.iter().any(|way| way.get(TOKEN).is_some()))
}

fn set(object: &mut Value, name: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(name.to_owned(), value);
    }
}

/// Every operation with its path and method.
fn operations(document: &mut Value) -> impl Iterator<Item = (String, String, &mut Value)> {
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    paths.into_iter().flatten().flat_map(|(path, item)| {
        let methods = item.as_object_mut().into_iter().flatten();
        methods.map(move |(method, operation)| (path.clone(), method.clone(), operation))
    })
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn tags_used(document: &Value) -> Vec<String> {
    let items = document.get("paths").and_then(Value::as_object).into_iter().flat_map(Map::values);
    let operations = items.filter_map(Value::as_object).flat_map(Map::values);
    let tags = operations.filter_map(|operation| operation.get("tags")?.as_array()).flatten();
    tags.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The right that an operation takes, in its description: a reader looks there first.
fn say_what_it_takes(operation: &mut Value) {
    if !takes_token(operation) {
        if operation.get("security").is_none() {
            set(operation, "security", json!([])); // told apart from "forgotten"
        }
        return;
    }
    let alternatives = operation.get("security").and_then(Value::as_array).into_iter().flatten();
    let scopes = |one: &Value| -> Option<String> {
        let words = one.get(TOKEN)?.as_array()?.iter().filter_map(Value::as_str);
        let words: Vec<String> = words.map(|word| format!("`{word}`")).collect();
        (!words.is_empty()).then(|| words.join(" and "))
    };
    let scopes: Vec<String> = alternatives.filter_map(scopes).collect();
    let right = if scopes.is_empty() { "any token will do".to_owned() } else { scopes.join(" or ") };
    let said = operation.get("description").and_then(Value::as_str).unwrap_or_default();
    let text = format!("{said}\n\nScope: {right}.");
    set(operation, "description", text.trim().into());
}

fn finish_schemas(components: &mut Value, codes: &[&'static Code]) {
    let Some(Value::Object(schemas)) = components.get_mut("schemas") else { return };
    schemas.sort_keys();
    // Extension members of RFC 9457: utoipa writes a flattened map as a second schema.
    if let Some(problem) = schemas.get_mut("Problem") {
        flatten_problem(problem);
        let words: Vec<&str> = codes.iter().map(|code| code.code).collect();
        if let Some(code) = problem.pointer_mut("/properties/code") {
            // Not `enum`: a client must live with a code that is added later.
            set(code, "x-extensible-enum", words.into());
        }
    }
    schemas.values_mut().for_each(finish_schema);
}

/// What the names and formats of our own making mean, wherever they appear.
fn finish_schema(schema: &mut Value) {
    if schema.get("format").and_then(Value::as_str) == Some("int32") && schema.get("maximum").is_none() {
        set(schema, "maximum", i32::MAX.into());
        if schema.get("minimum").is_none() {
            set(schema, "minimum", i32::MIN.into());
        }
    }
    for (name, property) in schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
        let about = match name.as_str() {
            "version" => "Goes up with each change; the first part of the `ETag`.",
            "created_at" => "When it was made.",
            "updated_at" => "When it was last changed.",
            _ => continue,
        };
        if property.get("description").is_none() && property.get("$ref").is_none() {
            set(property, "description", about.into());
        }
    }
    match schema {
        Value::Object(members) => members.values_mut().for_each(finish_schema),
        Value::Array(items) => items.iter_mut().for_each(finish_schema),
        _ => {}
    }
}

fn flatten_problem(problem: &mut Value) {
    let parts = problem.get("allOf").and_then(Value::as_array).cloned().unwrap_or_default();
    if let Some(own) = parts.iter().find(|part| part.get("properties").is_some()) {
        let description = problem.get("description").cloned();
        *problem = own.clone();
        if let (Some(text), Some(problem)) = (description, problem.as_object_mut()) {
            problem.insert("description".to_owned(), text);
        }
    }
}

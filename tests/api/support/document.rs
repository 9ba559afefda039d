//! Holds every answer against `openapi/openapi.json`: path, status, content type, body.
use super::Reply;
use jsonschema::Validator;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/openapi.json");
    serde_json::from_str(&std::fs::read_to_string(path).expect("make openapi")).unwrap()
});

static ROUTES: LazyLock<matchit::Router<String>> = LazyLock::new(|| {
    let mut router = matchit::Router::new();
    for path in DOCUMENT["paths"].as_object().unwrap().keys() {
        router.insert(path.clone(), path.clone()).unwrap();
    }
    router
});

/// Component schemas, closed: a member that the document does not name is an error, unless the schema is one part of
/// several or says otherwise.
static COMPONENTS: LazyLock<Value> = LazyLock::new(|| {
    let mut components = DOCUMENT["components"]["schemas"].clone();
    let mut parts = vec![];
    find_parts(&components, &mut parts);
    for (name, schema) in components.as_object_mut().unwrap() {
        let open = name == "Problem" || parts.contains(name);
        if !open && schema.get("properties").is_some() && schema.get("additionalProperties").is_none() {
            schema["additionalProperties"] = json!(false);
        }
    }
    components
});

static VALIDATORS: LazyLock<Mutex<HashMap<String, &'static Validator>>> = LazyLock::new(Mutex::default);

fn find_parts(value: &Value, parts: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for part in members.get("allOf").and_then(Value::as_array).into_iter().flatten() {
                parts.extend(part["$ref"].as_str().and_then(|r| r.rsplit('/').next()).map(str::to_owned));
            }
            members.values().for_each(|value| find_parts(value, parts));
        }
        Value::Array(items) => items.iter().for_each(|value| find_parts(value, parts)),
        _ => {}
    }
}

/// Every operation: `(id, method, path, whether it asks for a token)`.
pub fn operations() -> Vec<(String, Method, String, bool)> {
    let mut list = vec![];
    for (path, item) in DOCUMENT["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let id = operation["operationId"].as_str().unwrap().to_owned();
            list.push((id, method, path.clone(), simpul::platform::openapi::takes_token(operation)));
        }
    }
    list.sort_by(|a, b| a.0.cmp(&b.0));
    list
}

/// The component that a `$ref` names, or the value itself.
pub fn resolve(value: &'static Value) -> &'static Value {
    value["$ref"].as_str().map_or(value, |at| DOCUMENT.pointer(&at[1..]).unwrap_or_else(|| panic!("{at} is missing")))
}

/// The document as committed.
pub fn document() -> &'static Value {
    &DOCUMENT
}

/// Panics when the document does not say what was answered.
pub(super) fn check(method: &Method, path: &str, reply: &Reply) {
    for name in ["x-request-id", "traceparent", "x-content-type-options", "cache-control"] {
        assert!(reply.headers.contains_key(name), "{method} {path}: no {name}");
    }
    let bare = path.split('?').next().unwrap();
    let status = reply.status.to_string();
    let undocumented = || panic!("{method} {bare}: {status} is not in the document: {}", reply.text);
    let operation = ROUTES.at(bare).ok().map(|found| &DOCUMENT["paths"][found.value][method.as_str().to_lowercase()]);
    let Some(operation) = operation.filter(|operation| operation.is_object()) else {
        assert!(
            matches!(reply.status, 404 | 405) || *method == Method::HEAD,
            "{method} {bare}: {status} of no operation"
        );
        return;
    };
    let response = resolve(&operation["responses"][&status]);
    if !response.is_object() {
        undocumented();
    }
    let content_type = reply.header("content-type").split(';').next().unwrap().to_owned();
    let Some(content) = response.get("content") else {
        assert!(reply.text.is_empty(), "{method} {bare}: {status} has a body that the document does not tell of");
        return;
    };
    let schema = &content[&content_type]["schema"];
    assert!(schema.is_object(), "{method} {bare}: {status} is {content_type}, which is not in the document");
    // a line of application/x-ndjson is JSON, all of them are not
    if content_type.ends_with("/json") || content_type.ends_with("+json") {
        let errors: Vec<String> =
            validator(schema).iter_errors(&reply.json).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert!(errors.is_empty(), "{method} {bare} {status} differs from the document: {errors:#?}\n{}", reply.text);
    }
}

/// One per schema: most answers of all operations are problems.
fn validator(schema: &Value) -> &'static Validator {
    let made = || -> &'static Validator { Box::leak(Box::new(validator_among(&COMPONENTS, schema))) };
    VALIDATORS.lock().unwrap().entry(schema.to_string()).or_insert_with(made)
}

/// What an instance of a schema is held against.
pub fn validator_of(schema: &Value) -> Validator {
    validator_among(&DOCUMENT["components"]["schemas"], schema)
}

/// Made of what the schema names alone: what is made of the whole document is slow to make and large to keep.
fn validator_among(components: &Value, schema: &Value) -> Validator {
    let mut named = serde_json::Map::new();
    collect_named(components, schema, &mut named);
    let whole = json!({ "components": { "schemas": named }, "allOf": [schema] });
    jsonschema::draft202012::options().should_validate_formats(true).build(&whole).unwrap()
}

/// The components that a schema names, and those that these name.
fn collect_named(components: &Value, schema: &Value, named: &mut serde_json::Map<String, Value>) {
    match schema {
        Value::Object(members) => {
            let name = members.get("$ref").and_then(|r| r.as_str()?.strip_prefix("#/components/schemas/"));
            if let Some(name) = name.filter(|name| !named.contains_key(*name)) {
                named.insert(name.to_owned(), components[name].clone());
                collect_named(components, &components[name], named);
            }
            members.values().for_each(|value| collect_named(components, value, named));
        }
        Value::Array(items) => items.iter().for_each(|value| collect_named(components, value, named)),
        _ => {}
    }
}

//! The document: what every operation shares is added here, once, from the shape of the operation.
use super::error::{Problem, ProblemItem};
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
        max_length = 128,
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
    #[param(rename = "If-Match", example = "\"7-3f9a0c1b22de\"")]
    etag: String,
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Simpul",
        description = "Links volunteers in the villages (Pekerja Sosial Masyarakat) and the people they help with the bodies that can help. \
            Get a token at `/oauth/token` with your client's key or secret, then call `/v1/…`.",
        license(name = "Apache-2.0 OR MIT", identifier = "Apache-2.0 OR MIT"),
    ),
    components(schemas(Problem, ProblemItem, RegionCode))
)]
struct Base;

/// The base document that the routes add themselves to.
pub fn base() -> Document {
    Base::openapi()
}

/// Adds to each operation the answers that follow from its shape, so that no handler has to repeat them.
pub fn finish(document: &Document, public_url: &str, scopes: &Map<String, Value>) -> anyhow::Result<Value> {
    let mut document = serde_json::to_value(document)?;
    if let Some(root) = document.as_object_mut() {
        root.insert("servers".to_owned(), json!([{ "url": public_url }]));
    }
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    for (path, item) in paths.into_iter().flatten() {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            let added = answers(path, method, operation);
            if let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) {
                for (status, answer) in added {
                    responses.entry(status).or_insert(answer);
                }
                responses.sort_keys();
                add_headers(responses);
            }
        }
    }
    let flows = json!({ "clientCredentials": { "tokenUrl": format!("{public_url}/oauth/token"), "scopes": scopes } });
    if let Some(components) = document.get_mut("components").and_then(Value::as_object_mut) {
        components.insert(
            "securitySchemes".to_owned(),
            json!({ "oauth2": { "type": "oauth2", "description": "JWT of RFC 9068 for one of an agency's clients.", "flows": flows } }),
        );
        if let Some(Value::Object(schemas)) = components.get_mut("schemas") {
            schemas.sort_keys();
            // Extension members of RFC 9457: utoipa writes a flattened map as a second schema.
            if let Some(problem) = schemas.get_mut("Problem") {
                flatten_problem(problem);
            }
        }
    }
    Ok(document)
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

fn answers(path: &str, method: &str, operation: &Value) -> Vec<(String, Value)> {
    let problem = |text: &str| json!({ "description": text, "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } } });
    let parameters = operation.get("parameters").and_then(Value::as_array);
    let has =
        |name: &str| parameters.into_iter().flatten().any(|p| p.get("name").and_then(Value::as_str) == Some(name));
    let takes =
        |place: &str| parameters.into_iter().flatten().any(|p| p.get("in").and_then(Value::as_str) == Some(place));
    let body = operation.get("requestBody").is_some();
    let secured = operation.get("security").is_some();
    let oauth = path.starts_with("/oauth/");
    let rules = [
        ("304", method == "get" && secured, "Not modified: the ETag of `If-None-Match` is current."),
        (
            "400",
            !oauth && (body || takes("query") || takes("header")),
            "Something does not parse; `errors` says where.",
        ),
        ("401", secured, "No token, or one that is not valid (RFC 6750)."),
        ("403", secured, "The token has no right to this operation."),
        // A repeated create is not answered again to who no longer sees the row.
        ("404", takes("path") || has("Idempotency-Key"), "Missing, or not yours."),
        ("408", body && !oauth, "The body came too slowly."),
        (
            "409",
            has("Idempotency-Key") || has("If-Match"),
            "In conflict with what exists, or a request with this key is in progress.",
        ),
        ("412", has("If-Match"), "Changed since it was read; `version` tells the current one."),
        ("413", body && !oauth, "The body is too large."),
        ("415", body && !oauth, "Not JSON."),
        ("422", body && !oauth, "The values break a rule, or the key was used for another request."),
        ("428", has("If-Match"), "`If-Match` is missing."),
        ("500", !oauth, "A fault of ours; the request id helps us find it."),
        ("503", !oauth && path != "/livez", "The database cannot be reached; try again."),
    ];
    let mut list = vec![];
    for (status, applies, text) in rules {
        if applies {
            list.push((
                status.to_owned(),
                if status == "304" { json!({ "description": text }) } else { problem(text) },
            ));
        }
    }
    list
}

/// The headers that answers carry, by status.
fn add_headers(responses: &mut Map<String, Value>) {
    let text = |about: &str| json!({ "description": about, "schema": { "type": "string" } });
    for (status, response) in responses.iter_mut() {
        let Some(response) = response.as_object_mut() else { continue };
        let headers = response.entry("headers").or_insert_with(|| json!({}));
        let Some(headers) = headers.as_object_mut() else { continue };
        headers.insert("X-Request-Id".to_owned(), text("Id of the request; quote it when you ask for help."));
        match status.as_str() {
            "401" => headers.insert("WWW-Authenticate".to_owned(), text("Why (RFC 6750).")),
            "503" => headers.insert("Retry-After".to_owned(), text("Seconds.")),
            _ => None,
        };
    }
}

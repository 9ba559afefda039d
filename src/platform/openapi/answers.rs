//! The answers that follow from the shape of an operation, and the headers that come with them.
use super::{set, takes_token};
use crate::platform::error::{self, Code};
use serde_json::{Map, Value, json};

/// An answer that many operations give, under this name in the components.
struct Shared {
    status: &'static str,
    name: &'static str,
    /// Its commonest reason, for the example.
    code: Option<&'static Code>,
    about: &'static str,
}

const fn shared(status: &'static str, name: &'static str, code: Option<&'static Code>, about: &'static str) -> Shared {
    Shared { status, name, code, about }
}

static SHARED: &[Shared] = &[
    shared("304", "NotModified", None, "Not modified: the ETag of `If-None-Match` is current."),
    shared("400", "Malformed", Some(&error::MALFORMED), "Something does not parse; `errors` says where."),
    shared("401", "Unauthenticated", Some(&error::UNAUTHENTICATED), "No token, or one that is not valid (RFC 6750)."),
    shared("403", "Forbidden", Some(&error::FORBIDDEN), "The caller has no right to this."),
    shared("404", "NotFound", Some(&error::NOT_FOUND), "Missing, or not yours."),
    shared("408", "TooSlow", Some(&error::BODY_TOO_SLOW), "The body came too slowly."),
    shared(
        "409",
        "Conflict",
        Some(&error::CONFLICT),
        "In conflict with what exists (members tell with what), or a request with this key is in progress.",
    ),
    shared(
        "412",
        "Stale",
        Some(&error::STALE),
        "Changed since it was read; `version` tells the current one: read again, then decide again.",
    ),
    shared("413", "TooLarge", Some(&error::BODY_TOO_LARGE), "The body is too large."),
    shared("415", "UnsupportedMediaType", Some(&error::UNSUPPORTED_MEDIA_TYPE), "Not JSON."),
    shared(
        "422",
        "RuleBroken",
        Some(&error::RULE_BROKEN),
        "The values break a rule, or the key was used for another request.",
    ),
    shared("428", "IfMatchMissing", Some(&error::IF_MATCH_MISSING), "`If-Match` is missing."),
    shared(
        "429",
        "TooManyRequests",
        Some(&error::RATE_LIMITED),
        "More requests than the client or its agency may send in a minute; `RateLimit-Policy` says how many that is.",
    ),
    shared("500", "Internal", Some(&error::INTERNAL), "A fault of ours; the request id helps us find it."),
    shared("503", "Unavailable", Some(&error::UNAVAILABLE), "The database cannot be reached; try again."),
];

/// `components/responses`.
pub(super) fn problems(public_url: &str) -> Value {
    let one = |shared: &Shared| {
        let mut response = json!({ "description": shared.about });
        if let Some(code) = shared.code {
            let schema = json!({ "$ref": "#/components/schemas/Problem" });
            let content = json!({ "schema": schema, "example": example(code, public_url) });
            set(&mut response, "content", json!({ "application/problem+json": content }));
        }
        add_headers(&mut response, shared.status, &Shape::default());
        (shared.name.to_owned(), response)
    };
    SHARED.iter().map(one).collect::<Map<_, _>>().into()
}

fn example(code: &Code, public_url: &str) -> Value {
    json!({
        "type": format!("{public_url}/docs/errors#{}", code.code),
        "title": code.title(),
        "status": code.status,
        "detail": code.message.id,
        "instance": "urn:uuid:0194c2a0-7d3e-7c1b-9f57-1c2d3e4f5a6b",
        "code": code.code,
        "errors": [],
    })
}

const HEADERS: &[(&str, &str, &str)] = &[
    ("RequestId", "X-Request-Id", "Id of the request; quote it when you ask for help."),
    ("ETag", "ETag", "Of this representation. Send it back as `If-None-Match`, and as `If-Match` with a change."),
    ("Location", "Location", "Address of the new row, or where the row is found now."),
    ("Link", "Link", "`rel=\"next\"`: the next page (RFC 8288); absent on the last one."),
    ("PreferenceApplied", "Preference-Applied", "`count=exact` where `total` was asked for (RFC 7240)."),
    ("IdempotencyReplayed", "Idempotency-Replayed", "`true`: this act was done before, and this is its answer again."),
    ("Challenge", "WWW-Authenticate", "Why (RFC 6750)."),
    (
        "RateLimitPolicy",
        "RateLimit-Policy",
        "Requests (`q`) that the client and its agency may send in so many seconds (`w`).",
    ),
    ("RateLimit", "RateLimit", "Requests that are left of them (`r`), and seconds until all are there again (`t`)."),
    ("RetryAfter", "Retry-After", "Seconds to wait before the next try."),
    ("ContentLanguage", "Content-Language", "`id`, or `en` if `Accept-Language` prefers it."),
];

/// `components/headers`.
pub(super) fn headers() -> Value {
    let one = |&(name, _, about): &(&str, &str, &str)| {
        // Only the request id is in every answer; the rest where it applies.
        let header = json!({ "description": about, "required": name == "RequestId", "schema": { "type": "string" } });
        (name.to_owned(), header)
    };
    HEADERS.iter().map(one).collect::<Map<_, _>>().into()
}

/// What an operation takes: its answers follow from that.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a question of its own")]
struct Shape {
    oauth: bool,
    conditional: bool,
    body: bool,
    secured: bool,
    in_path: bool,
    parses: bool,
    key: bool,
    version: bool,
    pages: bool,
    counts: bool,
}

impl Shape {
    fn of(path: &str, method: &str, operation: &Value) -> Self {
        let parameters = || operation.get("parameters").and_then(Value::as_array).into_iter().flatten();
        let has = |name: &str| parameters().any(|p| p.get("name").and_then(Value::as_str) == Some(name));
        let takes = |place: &str| parameters().any(|p| p.get("in").and_then(Value::as_str) == Some(place));
        let (body, secured) = (operation.get("requestBody").is_some(), takes_token(operation));
        Self {
            oauth: path.starts_with("/oauth/"),
            // Every row and list has an ETag; a handler outside says so itself.
            conditional: (method == "get" && secured) || operation.pointer("/responses/304").is_some(),
            body,
            secured,
            in_path: takes("path"),
            // A query that an operation does not have is refused too.
            parses: body || takes("query") || takes("header") || secured,
            key: has("Idempotency-Key"),
            version: has("If-Match"),
            pages: has("cursor"),
            counts: has("Prefer"),
        }
    }

    fn answers(&self, status: &str) -> bool {
        match status {
            "304" => self.conditional,
            // The token endpoint speaks RFC 6749 and names its own.
            _ if self.oauth => false,
            "400" => self.parses,
            "401" | "403" | "429" => self.secured,
            // A repeated create is not answered again to who no longer sees the row.
            "404" => self.in_path || self.key,
            "408" | "413" | "415" | "422" => self.body,
            "409" => self.key || self.version,
            "412" | "428" => self.version,
            _ => true,
        }
    }
}

/// Adds to an operation the answers of its shape, beside those that its handler names, and headers to all.
pub(super) fn complete(path: &str, method: &str, operation: &mut Value, public_url: &str) {
    let shape = Shape::of(path, method, operation);
    if shape.answers("304") {
        add_condition(operation);
    }
    let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) else { return };
    for (status, response) in responses.iter_mut() {
        add_headers(response, status, &shape);
        let code = SHARED.iter().find(|shared| shared.status == status).and_then(|shared| shared.code);
        let content = response.pointer_mut("/content/application~1problem+json");
        if let (Some(code), Some(content)) = (code, content)
            && content.get("example").is_none()
        {
            set(content, "example", example(code, public_url));
        }
    }
    for shared in SHARED.iter().filter(|shared| shape.answers(shared.status)) {
        let answer = || json!({ "$ref": format!("#/components/responses/{}", shared.name) });
        responses.entry(shared.status).or_insert_with(answer);
    }
    responses.sort_keys();
}

/// Every read can be repeated for the price of a comparison.
fn add_condition(operation: &mut Value) {
    let parameter = json!({
        "name": "If-None-Match", "in": "header", "required": false, "schema": { "type": "string" },
        "description": "`ETag` of what you hold, such as `\"7-3f9a0c1b22de\"`: 304 if it is current.",
    });
    match operation.get_mut("parameters").and_then(Value::as_array_mut) {
        Some(list) => list.push(parameter),
        None => set(operation, "parameters", json!([parameter])),
    }
}

fn add_headers(response: &mut Value, status: &str, shape: &Shape) {
    let problem = response.pointer("/content/application~1problem+json").is_some();
    let done = matches!(status, "200" | "201" | "202");
    let json = response.pointer("/content/application~1json").is_some();
    let applies = |name: &str| match name {
        "RequestId" => true,
        "ETag" => status == "304" || (done && (shape.conditional || (json && shape.secured))),
        "Location" => matches!(status, "201" | "202" | "308"),
        "Link" => done && shape.pages,
        "PreferenceApplied" => done && shape.counts,
        "IdempotencyReplayed" => done && shape.key,
        "Challenge" => matches!(status, "401" | "403"),
        "RetryAfter" => matches!(status, "409" | "429" | "503"),
        "RateLimitPolicy" | "RateLimit" => (shape.secured && status != "401") || (status == "429" && !shape.oauth),
        "ContentLanguage" => problem,
        _ => false,
    };
    let mut headers = response.get("headers").and_then(Value::as_object).cloned().unwrap_or_default();
    for (name, header, _) in HEADERS.iter().filter(|(name, _, _)| applies(name)) {
        headers.entry(*header).or_insert_with(|| json!({ "$ref": format!("#/components/headers/{name}") }));
    }
    set(response, "headers", headers.into());
}

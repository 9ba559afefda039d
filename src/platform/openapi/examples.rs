//! Examples of what is sent and answered, put together from the schemas: an example that a handler or a type gives comes
//! first, what is left follows from type and format.
use super::set;
use serde_json::{Map, Value, json};

/// References followed: deep enough for every body of ours, and a schema that contains itself ends here.
const DEPTH: usize = 8;

/// The schema of a word out of a list that only the database knows; which list, a description says.
const CODE: &str = "Code";

/// Adds an example to each body that has none. `lists` has a code of each list.
pub(super) fn complete(operation: &mut Value, schemas: &Value, lists: &[(&str, &str)]) {
    let said = operation.get("description").and_then(Value::as_str).and_then(named_list).map(str::to_owned);
    let maker = Maker { schemas, lists, said: said.as_deref(), whole: false };
    each_body(operation.get_mut("requestBody"), &maker);
    let maker = Maker { whole: true, ..maker };
    let responses = operation.get_mut("responses").and_then(Value::as_object_mut).into_iter().flatten();
    responses.for_each(|(_, response)| each_body(Some(response), &maker));
    let maker = Maker { whole: false, ..maker };
    let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten();
    for parameter in parameters {
        let told = parameter.get("example").is_some() || parameter.get("required") != Some(&Value::Bool(true));
        if let (false, Some(schema)) = (told, parameter.get("schema")) {
            let example = maker.example(schema, DEPTH);
            set(parameter, "example", example);
        }
    }
}

fn each_body(holder: Option<&mut Value>, maker: &Maker) {
    let content = holder.and_then(|holder| holder.get_mut("content")?.as_object_mut());
    for (media_type, body) in content.into_iter().flatten() {
        let told = body.get("example").is_some() || body.get("examples").is_some();
        let readable =
            media_type.ends_with("/json") || media_type.ends_with("+json") || media_type.ends_with("urlencoded");
        if let (false, true, Some(schema)) = (told, readable, body.get("schema")) {
            let example = maker.example(schema, DEPTH);
            set(body, "example", example);
        }
    }
}

#[derive(Clone, Copy)]
struct Maker<'a> {
    schemas: &'a Value,
    /// A code of each list.
    lists: &'a [(&'a str, &'a str)],
    /// The list that the descriptions around speak of.
    said: Option<&'a str>,
    /// Every member (an answer), or only those that must be there and those with an example of their own (a request: two
    /// members that exclude each other are both optional).
    whole: bool,
}

impl Maker<'_> {
    fn example(&self, schema: &Value, depth: usize) -> Value {
        let own = schema.get("description").and_then(Value::as_str).and_then(named_list);
        Maker { said: own.or(self.said), ..*self }.made(schema, depth)
    }

    fn made(&self, schema: &Value, depth: usize) -> Value {
        if depth == 0 {
            return Value::Null;
        }
        if let Some(given) = own_example(schema) {
            return given;
        }
        if let Some(name) = schema.get("$ref").and_then(Value::as_str).and_then(|at| at.rsplit('/').next()) {
            let listed = self.lists.iter().find(|(list, _)| name == CODE && self.said == Some(*list));
            if let Some((_, code)) = listed {
                return (*code).into();
            }
            return self.schemas.get(name).map_or(Value::Null, |schema| self.example(schema, depth - 1));
        }
        if let Some(parts) = schema.get("allOf").and_then(Value::as_array) {
            let parts = parts.iter().map(|part| self.example(part, depth));
            let members: Map<String, Value> = parts.filter_map(|part| part.as_object().cloned()).flatten().collect();
            return members.into();
        }
        let choices = schema.get("oneOf").or_else(|| schema.get("anyOf")).and_then(Value::as_array);
        if let Some(choice) = choices.and_then(|list| list.iter().find(|one| !is_null(one))) {
            return self.example(choice, depth);
        }
        match kind(schema) {
            "object" => self.object(schema, depth),
            "array" => schema.get("items").map_or_else(|| json!([]), |items| json!([self.example(items, depth)])),
            "integer" | "number" => {
                schema.get("minimum").filter(|least| least.as_i64() > Some(0)).cloned().unwrap_or_else(|| json!(1))
            }
            "boolean" => json!(true),
            "string" => text(schema),
            _ => Value::Null,
        }
    }

    fn object(&self, schema: &Value, depth: usize) -> Value {
        let properties = || schema.get("properties").and_then(Value::as_object).into_iter().flatten();
        let required: Vec<&str> =
            schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        // A patch requires nothing; an example of nothing would say nothing.
        let all = self.whole || required.is_empty();
        let chosen = properties()
            .filter(|(name, schema)| all || required.contains(&name.as_str()) || own_example(schema).is_some());
        chosen.map(|(name, schema)| (name.clone(), self.example(schema, depth))).collect::<Map<_, _>>().into()
    }
}

fn own_example(schema: &Value) -> Option<Value> {
    let listed = |name| schema.get(name).and_then(Value::as_array).and_then(|list| list.first());
    let found = schema.get("example").or_else(|| listed("examples")).or_else(|| schema.get("const"));
    found.or_else(|| schema.get("default").filter(|value| !value.is_array())).or_else(|| listed("enum")).cloned()
}

/// The name in "of the list `name`".
fn named_list(description: &str) -> Option<&str> {
    description.split_once("list `")?.1.split_once('`').map(|(name, _)| name)
}

fn is_null(schema: &Value) -> bool {
    schema.get("type").and_then(Value::as_str) == Some("null")
}

/// The type, of several the first that is not null.
fn kind(schema: &Value) -> &str {
    match schema.get("type") {
        Some(Value::String(one)) => one,
        Some(Value::Array(several)) => {
            several.iter().filter_map(Value::as_str).find(|one| *one != "null").unwrap_or_default()
        }
        _ if schema.get("properties").is_some() => "object",
        _ => "",
    }
}

fn text(schema: &Value) -> Value {
    match schema.get("format").and_then(Value::as_str) {
        Some("uuid") => "0194c2a0-7d3e-7c1b-9f57-1c2d3e4f5a6b",
        Some("date-time") => "2026-11-25T03:00:00Z",
        Some("date") => "2026-11-25",
        Some("uri") => "https://simpul.example/docs",
        _ => "contoh",
    }
    .into()
}

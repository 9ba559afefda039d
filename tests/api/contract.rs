//! The document: current, complete and true. That each answer is as documented is checked with every request of every test.
use crate::support::{document, operations, resolve, run, validator_of};
use regex::Regex;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;

/// Of each operation: its id, the attribute that serves it, and what the document says.
fn each_operation(mut look: impl FnMut(&str, &str, &'static Value)) {
    for (id, method, path, _) in operations() {
        let method = method.as_str().to_lowercase();
        look(&id, &format!("#[{method}(\"{path}\")]"), &document()["paths"][&path][&method]);
    }
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().trim().to_owned()
}

/// Every line of our source, for finding a name in it.
fn source(dir: &Path, into: &mut String) {
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            source(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn the_committed_document_is_current() {
    let made: Value = serde_json::from_str(&simpul::document_text("https://simpul.example").unwrap()).unwrap();
    assert!(made == *document(), "openapi/openapi.json is not what the routes say: run `make openapi` and commit it");
}

#[test]
fn every_operation_is_described_and_named_like_its_handler() {
    let mut code = String::new();
    source(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut code);
    let tags: Vec<String> = document()["tags"].as_array().unwrap().iter().map(|tag| text(tag, "name")).collect();
    let mut seen = BTreeSet::new();
    each_operation(|id, served, operation| {
        assert!(seen.insert(id.to_owned()), "{id} is there twice");
        let handler = code.split_once(served).map(|(_, after)| after.trim_start());
        assert!(handler.is_some_and(|after| after.starts_with(&format!("pub async fn {id}("))), "{served} is not {id}");
        let summary = text(operation, "summary");
        assert!((3..=60).contains(&summary.len()) && !summary.ends_with('.'), "{id}: a title as summary: {summary:?}");
        assert!(!text(operation, "description").is_empty(), "{id} has no description");
        let own = operation["tags"].as_array().unwrap();
        assert!(
            own.len() == 1 && tags.contains(&own[0].as_str().unwrap().to_owned()),
            "{id}: tag {own:?} is not in docs::rules::TAGS"
        );
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            assert!(
                !text(parameter, "description").is_empty(),
                "{id}: parameter {} is not described",
                parameter["name"]
            );
        }
    });
    for tag in document()["tags"].as_array().unwrap() {
        assert!(!text(tag, "description").is_empty(), "{tag}");
    }
}

#[test]
fn every_answer_is_described_with_its_body() {
    each_operation(|id, _, operation| {
        let responses = operation["responses"].as_object().unwrap();
        assert!(responses.keys().any(|status| status.starts_with('2')), "{id} never succeeds");
        for (status, response) in responses {
            let response = resolve(response);
            assert!(!text(response, "description").is_empty(), "{id} {status}");
            let bodies = response["content"].as_object();
            assert!(
                bodies.is_some() || matches!(status.as_str(), "204" | "304" | "308"),
                "{id} {status}: a body, or 204"
            );
            for (kind, body) in bodies.into_iter().flatten() {
                assert!(body["schema"].is_object(), "{id} {status} {kind} has no schema");
            }
        }
        if simpul::platform::openapi::takes_token(operation) {
            for status in ["400", "401", "403", "500", "503"] {
                assert!(responses.contains_key(status), "{id}: {status} is missing");
            }
        }
    });
}

/// An example that the schema refuses teaches a partner to fail.
#[test]
fn every_example_is_there_and_fits_its_schema() {
    let mut wrong = vec![];
    let mut fits = |place: String, schema: &Value, example: &Value| {
        let validator = validator_of(schema);
        wrong.extend(validator.iter_errors(example).map(|error| format!("{place}{}: {error}", error.instance_path())));
    };
    each_operation(|id, _, operation| {
        for (kind, body) in operation["requestBody"]["content"].as_object().into_iter().flatten() {
            assert!(!body["example"].is_null() || body["examples"].is_object(), "{id}: {kind} has no example");
            if !body["example"].is_null() {
                fits(format!("{id} takes "), &body["schema"], &body["example"]);
            }
        }
        for (status, response) in operation["responses"].as_object().unwrap() {
            for body in resolve(response)["content"].as_object().into_iter().flat_map(|content| content.values()) {
                if !body["example"].is_null() {
                    fits(format!("{id} answers {status} "), &body["schema"], &body["example"]);
                }
            }
        }
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            if !parameter["example"].is_null() {
                fits(format!("{id} takes {} ", parameter["name"]), &parameter["schema"], &parameter["example"]);
            }
        }
    });
    assert!(wrong.is_empty(), "give these an example of their own, #[schema(example = …)]: {wrong:#?}");
}

#[test]
fn every_schema_is_described_and_every_reference_resolves() {
    for (name, schema) in document()["components"]["schemas"].as_object().unwrap() {
        // A page of something is described by what it is a page of.
        assert!(!text(schema, "description").is_empty() || name.contains("_of_"), "schema {name} is not described");
    }
    fn references(value: &'static Value, look: &mut dyn FnMut(&str)) {
        match value {
            Value::Object(members) => {
                if let Some(at) = members.get("$ref").and_then(Value::as_str) {
                    look(at);
                }
                members.values().for_each(|value| references(value, look));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, look)),
            _ => {}
        }
    }
    references(document(), &mut |at| {
        let found = at.strip_prefix('#').and_then(|at| document().pointer(at));
        assert!(found.is_some(), "{at} is nowhere; a type that only a query takes needs #[param(inline)]");
    });
}

#[test]
fn every_code_is_listed_once() {
    let codes: Vec<&str> = simpul::error_codes().iter().map(|code| code.code).collect();
    let listed = &document()["components"]["schemas"]["Problem"]["properties"]["code"]["x-extensible-enum"];
    assert_eq!(*listed, json!(codes));
    assert_eq!(codes.iter().collect::<BTreeSet<_>>().len(), codes.len(), "two codes of one name");
}

/// Everything in a schema, references followed once.
fn in_schema(schema: &'static Value, seen: &mut BTreeSet<String>, look: &mut impl FnMut(&'static Value)) {
    if let Some(reference) = schema["$ref"].as_str()
        && !seen.insert(reference.to_owned())
    {
        return;
    }
    let schema = resolve(schema);
    look(schema);
    match schema {
        Value::Object(members) => members.values().for_each(|value| in_schema(value, seen, look)),
        Value::Array(items) => items.iter().for_each(|value| in_schema(value, seen, look)),
        _ => {}
    }
}

/// A date that is only parsed may be of the year 262142: the database refuses it, and the answer is a 500.
#[test]
fn a_request_takes_only_dates_of_years_that_can_be_meant() {
    let mut dates = 0;
    each_operation(|id, _, operation| {
        for part in ["parameters", "requestBody"] {
            in_schema(&operation[part], &mut BTreeSet::new(), &mut |schema| {
                if schema["format"].as_str().is_some_and(|format| format.starts_with("date")) {
                    dates += 1;
                    assert!(schema["pattern"].is_string(), "{id}: use platform::moment::Day or Moment for {schema}");
                }
            });
        }
    });
    assert!(dates > 20, "{dates} dates found");
}

/// A code of another list, or of another action, teaches a partner to fail just as well.
#[test]
fn every_code_in_an_example_is_of_the_list_that_its_description_names() {
    let named = Regex::new("list `([a-z-]+)`").unwrap();
    let list = |text: &str| named.captures(text).map(|found| found[1].to_owned());
    let mut shown = vec![];
    each_operation(|id, served, operation| {
        for body in operation["requestBody"]["content"].as_object().into_iter().flat_map(|content| content.values()) {
            let schema = resolve(&body["schema"]);
            for (name, member) in schema["properties"].as_object().into_iter().flatten() {
                let told = member.to_string();
                if !told.contains("schemas/Code\"") {
                    continue;
                }
                let said = list(&told).or_else(|| list(&text(operation, "description")));
                let said = said.unwrap_or_else(|| panic!("{id}: {name} does not say of which list it is"));
                let action = served.trim_end_matches("\")]").rsplit('/').next().unwrap().to_owned();
                match &body["example"][name] {
                    Value::Null => {}
                    Value::Array(codes) => {
                        shown.extend(codes.iter().map(|code| (id.to_owned(), said.clone(), action.clone(), code)));
                    }
                    code => shown.push((id.to_owned(), said, action, code)),
                }
            }
        }
    });
    assert!(shown.len() > 20, "{shown:?}");
    run(async |app| {
        let reader = app.ministry().await;
        for (id, list, action, code) in shown {
            let codes = reader.get(&format!("/v1/code-lists/{list}")).await.expect(200).json;
            let entry = codes["codes"].as_array().unwrap().iter().find(|entry| entry["code"] == *code);
            let entry = entry.unwrap_or_else(|| panic!("{id}: {code} is not in the list"));
            assert_eq!(entry["needs_text"], false, "{id}: {code} needs a note");
            // reasons may be of one action only
            let group = &entry["group"];
            assert!(!list.ends_with("-reasons") || group.is_null() || *group == action, "{id}: {code}");
        }
    });
}

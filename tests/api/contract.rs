//! The document: current, complete, true.

#[test]
fn the_committed_document_is_what_the_routes_say() {
    let committed = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/openapi.json")).unwrap();
    let made = simpul::document_text("https://simpul.example").unwrap();
    assert!(committed.trim() == made.trim(), "openapi/openapi.json is not current: run `make openapi` and commit it");
}

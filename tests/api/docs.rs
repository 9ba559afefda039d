//! The pages at /docs: out of the binary, from one host, as the browser will take them.
use crate::support::{TestApp, run};
use regex::Regex;

/// What a page loads, by its own address.
fn loads(page: &str) -> Vec<String> {
    let addresses = Regex::new(r##"(?:src|href)="([^"#]+)"##).unwrap();
    addresses.captures_iter(page).map(|found| found[1].to_owned()).collect()
}

fn policy(reply: &crate::support::Reply) -> Vec<(String, Vec<String>)> {
    let words = |one: &str| one.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let directives = reply.header("content-security-policy").split(';').map(words);
    directives.map(|mut words| (words.remove(0), words)).collect()
}

async fn files(app: &TestApp, page: &str, dir: &str) -> usize {
    let mut found = 0;
    for address in loads(page) {
        assert!(!address.contains("//"), "{address} is on another host");
        if address.contains("assets/") {
            let path = format!("/docs/{}", address.trim_start_matches("docs/"));
            let file = app.nobody().get(&path).await.expect(200);
            assert_eq!(file.header("cache-control"), "public, max-age=31536000, immutable", "{dir}{address}");
            found += 1;
        }
    }
    found
}

#[test]
fn the_pages_load_from_their_own_host_alone() {
    run(async |app| {
        let docs = app.nobody().get("/docs").await.expect(200);
        assert_eq!(docs.header("content-type"), "text/html; charset=utf-8");
        assert_eq!(files(app, &docs.text, "docs/").await, 3);
        assert!(!docs.text.contains("<script>"), "a script in the page would need 'unsafe-inline'");
        for (directive, sources) in policy(&docs) {
            let inline = directive == "style-src" && sources == ["'self'", "'unsafe-inline'"];
            let local = sources.iter().all(|source| matches!(source.as_str(), "'self'" | "'none'" | "data:"));
            assert!(inline || local, "{directive} {sources:?}");
        }
        assert!(policy(&docs).contains(&("script-src".to_owned(), vec!["'self'".to_owned()])));
        assert!(policy(&docs).contains(&("connect-src".to_owned(), vec!["'self'".to_owned()])));
        assert!(policy(&docs).contains(&("default-src".to_owned(), vec!["'none'".to_owned()])));

        let errors = app.nobody().get("/docs/errors").await.expect(200);
        assert_eq!(files(app, &errors.text, "").await, 1);
        assert!(!errors.text.contains("<script"));
        // the token endpoint that the reference asks is the service's own
        let document = app.nobody().get("/openapi.json").await.expect(200);
        let flow = &document.json["components"]["securitySchemes"]["oauth2"]["flows"]["clientCredentials"];
        assert_eq!(flow["tokenUrl"], format!("{}/oauth/token", app.base));
    });
}

#[test]
fn the_reference_is_sent_packed_to_who_unpacks_it() {
    run(async |app| {
        let docs = app.nobody().get("/docs").await.expect(200).text;
        let scalar = loads(&docs).into_iter().find(|address| address.contains("scalar")).unwrap();
        let path = format!("/{scalar}");
        let plain = app.nobody().get(&path).await.expect(200);
        let length = |reply: &crate::support::Reply| reply.header("content-length").parse::<usize>().unwrap();
        assert_eq!((plain.header("content-encoding"), plain.text.len()), ("", length(&plain)));
        assert!(plain.text.contains("createApiReference") && plain.header("vary").contains("Accept-Encoding"));
        let packed = app.nobody().get(&path).header("accept-encoding", "br, gzip").await.expect(200);
        assert_eq!(packed.header("content-encoding"), "gzip");
        assert!(length(&packed) < 1_500_000 && length(&packed) < length(&plain) / 3);
        // two forms, two strong tags; each is good for its own
        assert_ne!(plain.header("etag"), packed.header("etag"));
        let again = app.nobody().get(&path).header("if-none-match", plain.header("etag"));
        again.await.expect(304);
        app.nobody().get(&path).header("if-none-match", packed.header("etag")).await.expect(200);
        app.nobody().get("/docs/assets/scalar-0.0.0.js").await.problem(404, "not_found");
        app.nobody().get("/docs/assets/..%2f..%2fCargo.toml").await.problem(404, "not_found");
    });
}

#[test]
fn every_code_has_its_anchor_in_both_languages() {
    run(async |app| {
        let indonesian = app.nobody().get("/docs/errors").await.expect(200);
        let english = app.nobody().get("/docs/errors").header("accept-language", "en-GB").await.expect(200);
        assert_eq!((indonesian.header("content-language"), english.header("content-language")), ("id", "en"));
        assert!(english.header("vary").contains("Accept-Language") && english.text.contains("<html lang=\"en\">"));
        for code in simpul::error_codes() {
            let anchor = format!("id=\"{}\"", code.code);
            assert_eq!(indonesian.text.matches(&anchor).count(), 1, "{anchor}");
            assert!(
                indonesian.text.contains(&*code.message.id) && english.text.contains(&*code.message.en),
                "{anchor}"
            );
        }
        // where a problem points is there
        let problem = app.nobody().get("/v1/me").await.problem(401, "unauthenticated");
        let address = problem.json["type"].as_str().unwrap().to_owned();
        let (page, anchor) = address.strip_prefix(&app.base).unwrap().split_once('#').unwrap();
        assert!(app.nobody().get(page).await.expect(200).text.contains(&format!("id=\"{anchor}\"")));
        app.nobody().get("/docs/errors").header("if-none-match", indonesian.header("etag")).await.expect(304);
    });
}

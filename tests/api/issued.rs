//! What becomes of a token after it was issued, and the keys that sign them.
use crate::clients::{by_key, ed25519};
use crate::support::{self, Client, Reply, TestApp, run, run_with, within_a_second};
use chrono::TimeDelta;
use futures_util::future::join_all;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Asks an endpoint about a token, by the client's secret.
async fn about(client: &Client<'_>, endpoint: &str, token: &str) -> Reply {
    let credential = client.credential.as_ref().unwrap();
    let basic = base64(&format!("{}:{}", credential.client_id, credential.client_secret));
    let form = client.app.nobody().form(endpoint, &[("token", token), ("token_type_hint", "access_token")]);
    form.header("authorization", &format!("Basic {basic}")).await
}

fn base64(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}

async fn new_token(client: &Client<'_>) -> String {
    client.ask_token(&[]).await.expect(200).json["access_token"].as_str().unwrap().to_owned()
}

#[test]
fn a_token_that_is_given_up_is_refused_and_no_other() {
    run(async |app| {
        let (bpjs, regency) = (app.bpjs().await, app.regency().await);
        let (token, other) = (new_token(&bpjs).await, new_token(&bpjs).await);
        let told = about(&bpjs, "/oauth/introspect", &token).await.expect(200).json;
        let jti = told["jti"].as_str().unwrap().to_owned();
        assert_eq!(told["active"], true);
        let id = &bpjs.credential.as_ref().unwrap().client_id;
        assert_eq!((&told["client_id"], &told["sub"]), (&json!(id), &json!(id)));
        assert_eq!(json!([told["iss"], told["agency_id"]]), json!([app.base, bpjs.agency]));
        assert!(told["scope"].as_str().unwrap().contains("referrals:handle"));

        let answer = about(&bpjs, "/oauth/revoke", &token).await.expect(200);
        assert_eq!((answer.text.as_str(), answer.header("cache-control")), ("{}", "no-store"));
        within_a_second(async || bpjs.with_token(&token).get("/v1/me").await.status == 401).await;
        let why = bpjs.with_token(&token).get("/v1/me").await;
        assert!(why.header("www-authenticate").contains("error=\"invalid_token\""));
        let gone = about(&bpjs, "/oauth/introspect", &token).await.expect(200);
        assert_eq!(gone.json, json!({ "active": false }));
        bpjs.with_token(&other).get("/v1/me").await.expect(200);
        about(&bpjs, "/oauth/revoke", &token).await.expect(200); // again

        // an officer's name goes into the record with it
        let named = regency.token.clone().unwrap();
        about(&regency, "/oauth/revoke", &named).await.expect(200);
        let regency = app.regency().await;
        let done = regency.get("/v1/audit-events?action=token.revoke").await.expect(200).json["items"].clone();
        assert_eq!((done.as_array().unwrap().len(), &done[0]["acting_user"]), (1, &json!("staf-0017")));
        let subjects =
            format!("SELECT count(*) FROM audit_events WHERE action = 'token.revoke' AND '{jti}' = ANY (subject_ids)");
        assert_eq!(app.number(&subjects).await, 1);

        // what has ended by itself is forgotten, when nothing goes on any more that was begun with it
        assert_eq!(app.number("SELECT count(*) FROM revoked_tokens").await, 2);
        for (later, left) in [(16, 2), (55, 2), (10, 0)] {
            app.pass(TimeDelta::minutes(later));
            simpul::worker::turn(&app.running().app, &app.running().writer).await.unwrap();
            assert_eq!(app.number("SELECT count(*) FROM revoked_tokens").await, left);
        }
        bpjs.with_token(&token).get("/v1/me").await.problem(401, "unauthenticated");
    });
}

#[test]
fn only_own_tokens_are_spoken_of() {
    run(async |app| {
        let (bpjs, branch) = (app.bpjs().await, app.bpjs_branch().await);
        let token = new_token(&branch).await;
        let refused = about(&bpjs, "/oauth/revoke", &token).await;
        assert_eq!((refused.status, &refused.json["error"]), (400, &json!("unauthorized_client")));
        branch.with_token(&token).get("/v1/me").await.expect(200);
        let mut altered = token.clone();
        altered.pop();
        for none in [token.as_str(), &altered, "x", "a.b.c", &"x".repeat(5000)] {
            assert_eq!(about(&bpjs, "/oauth/introspect", none).await.expect(200).text, "{\"active\":false}");
            if none != token {
                about(&bpjs, "/oauth/revoke", none).await.expect(200);
            }
        }
        assert_eq!(app.number("SELECT count(*) FROM revoked_tokens").await, 0);
        let own = new_token(&bpjs).await;
        app.pass(TimeDelta::minutes(16));
        about(&bpjs, "/oauth/revoke", &own).await.expect(200);
        // an export or a link may go on
        assert_eq!(app.number("SELECT count(*) FROM revoked_tokens").await, 1);
        app.pass(TimeDelta::hours(2));
        about(&bpjs, "/oauth/revoke", &new_token(&bpjs).await).await.expect(200);
        about(&branch, "/oauth/revoke", &token).await.expect(200);
        assert_eq!(app.number("SELECT count(*) FROM revoked_tokens").await, 2, "nothing of it goes on");
        assert_eq!(about(&bpjs, "/oauth/introspect", &own).await.expect(200).json["active"], false);

        for endpoint in ["/oauth/revoke", "/oauth/introspect"] {
            let nobody = app.nobody();
            nobody.form(endpoint, &[("token", &own)]).await.expect(401);
            let reply = about(&bpjs, endpoint, "").await.expect(400);
            assert_eq!(reply.json["error"], "invalid_request");
            let basic = |secret: &str| format!("Basic {}", base64(&format!("{}:{secret}", bpjs.agency)));
            nobody.form(endpoint, &[("token", &own)]).header("authorization", &basic("x")).await.expect(401);
            let bearer = nobody.form(endpoint, &[("token", &own)]).header("authorization", &format!("Bearer {own}"));
            bearer.await.expect(401);
            let credential = bpjs.credential.as_ref().unwrap();
            let secret = base64(&format!("{}:{}", credential.client_id, credential.client_secret));
            let form = nobody.form(endpoint, &[("token", &own), ("client_id", &bpjs.agency)]);
            form.header("authorization", &format!("Basic {secret}")).await.expect(400);
        }
    });
}

/// One assertion is one request, whichever it is.
#[test]
fn an_assertion_is_used_once_at_all_endpoints_together() {
    run(async |app| {
        let regency = app.regency().await;
        let (jwk, key) = ed25519("k");
        let client = json!({ "kind": "system", "name": "A", "purpose": "B", "scopes": ["cases:read"], "key": jwk });
        let id = regency.post("/v1/clients", client).await.expect(201).id();
        let token = by_key(app, &id, Algorithm::EdDSA, "k", &key).await.expect(200).json;
        let token = token["access_token"].as_str().unwrap();
        let assertion = |key: &EncodingKey| {
            let now = app.clock.now().timestamp();
            let claims = json!({ "iss": id, "sub": id, "aud": format!("{}/oauth/token", app.base), "iat": now,
                "exp": now + 60, "jti": uuid::Uuid::now_v7() });
            jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &claims, key).unwrap()
        };
        let ask = async |endpoint: &str, assertion: &str| {
            let form = [
                ("grant_type", "client_credentials"),
                ("token", token),
                ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
                ("client_assertion", assertion),
            ];
            app.nobody().form(endpoint, &form).settled().await
        };
        let one = assertion(&key);
        assert_eq!(ask("/oauth/introspect", &one).await.expect(200).json["active"], true);
        for endpoint in ["/oauth/introspect", "/oauth/revoke", "/oauth/token"] {
            assert_eq!(ask(endpoint, &one).await.expect(401).json["error"], "invalid_client");
        }
        app.nobody().with_token(token).get("/v1/me").await.expect(200);
        let one = assertion(&key);
        let endpoints = ["/oauth/introspect", "/oauth/token"].into_iter().cycle().take(50);
        let replies = join_all(endpoints.map(|endpoint| ask(endpoint, &one))).await;
        assert_eq!(replies.iter().filter(|reply| reply.status == 200).count(), 1);
    });
}

/// Lays the next key beside the first, as an operator does.
fn rotate(keys: &Path, after: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_simpul"));
    command.args(["keys", "rotate-signing", "--after", after]).env_clear().current_dir(std::env::temp_dir());
    let output = command.env("SIGNING_KEYS_DIR", keys).env("DATA_KEYS_DIR", keys).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

async fn published(app: &TestApp) -> Vec<Value> {
    app.nobody().get("/.well-known/jwks.json").await.expect(200).json["keys"].as_array().unwrap().clone()
}

async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < Duration::from_secs(20), "never: {what}");
    }
}

fn kid(token: &str) -> Value {
    use base64::Engine;
    let header = token.split('.').next().unwrap();
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(header).unwrap();
    serde_json::from_slice::<Value>(&bytes).unwrap()["kid"].clone()
}

#[test]
fn signing_keys_are_changed_while_the_service_runs() {
    let keys: PathBuf = std::env::temp_dir().join(format!("simpul-rotation-{}", std::process::id()));
    let of_all = support::shared_keys();
    std::fs::create_dir_all(&keys).unwrap();
    for file in std::fs::read_dir(of_all).unwrap().flatten().filter(|file| file.path().extension().unwrap() == "pem") {
        std::fs::copy(file.path(), keys.join(file.file_name())).unwrap();
    }
    run_with(
        |config| config.signing_keys_dir.clone_from(&keys),
        async |app| {
            let bpjs = app.bpjs().await;
            let old = bpjs.token.clone().unwrap();
            assert_eq!(published(app).await.len(), 1);
            // it is known before it signs
            let said = rotate(&keys, "10");
            assert!(said.contains("signs from") && said.contains("removed nothing"), "{said}");
            until("the new key is published", async || published(app).await.len() == 2).await;
            assert_eq!(kid(&new_token(&bpjs).await), kid(&old));
            app.pass(TimeDelta::minutes(11));
            let new = new_token(&bpjs).await;
            assert_ne!(kid(&new), kid(&old));
            for token in [&old, &new] {
                bpjs.with_token(token).get("/v1/me").await.expect(200);
            }
            // a key that is taken away takes its tokens with it
            let mut files: Vec<PathBuf> = std::fs::read_dir(&keys).unwrap().flatten().map(|file| file.path()).collect();
            files.sort();
            std::fs::remove_file(&files[0]).unwrap();
            until("its tokens are refused", async || bpjs.with_token(&old).get("/v1/me").await.status == 401).await;
            bpjs.with_token(&new).get("/v1/me").await.expect(200);
            // what cannot be read changes nothing
            std::fs::write(keys.join("99990101000000.pem"), "no key").unwrap();
            bpjs.with_token(&new).get("/v1/me").await.expect(200);
            assert_eq!(published(app).await.len(), 1);
        },
    );
    std::fs::remove_dir_all(&keys).unwrap();
}

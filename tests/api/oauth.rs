//! The token endpoint and what its tokens open. What must not open anything is in [`crate::tokens`].
use crate::support::{Client, Reply, TestApp, run};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use simpul::access::rules::ClientKind;
use uuid::Uuid;

const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Claims of a good assertion of the regency's officer client.
fn claims(app: &TestApp) -> Value {
    let client = &app.credential("Dinas Sosial Kabupaten Mukomuko", ClientKind::Officer).client_id;
    let now = app.clock.now().timestamp();
    json!({ "iss": client, "sub": client, "aud": app.base, "iat": now, "exp": now + 300, "jti": Uuid::now_v7() })
}

fn sign(app: &TestApp, claims: &Value) -> String {
    let credential = app.credential("Dinas Sosial Kabupaten Mukomuko", ClientKind::Officer);
    let mut header = Header::new(Algorithm::EdDSA);
    header.kid = Some(credential.kid.clone());
    jsonwebtoken::encode(&header, claims, &EncodingKey::from_ed_pem(credential.private_key_pem.as_bytes()).unwrap())
        .unwrap()
}

async fn ask(app: &TestApp, assertion: &str) -> Reply {
    let form =
        [("grant_type", "client_credentials"), ("client_assertion_type", ASSERTION), ("client_assertion", assertion)];
    app.nobody().form("/oauth/token", &form).settled().await
}

#[track_caller]
fn refused(reply: &Reply, status: u16, error: &str) {
    assert_eq!((reply.status, reply.json["error"].as_str()), (status, Some(error)), "{}", reply.text);
    assert_eq!(reply.header("cache-control"), "no-store");
}

#[test]
fn a_signed_assertion_buys_one_token() {
    run(async |app| {
        for audience in [app.base.clone(), format!("{}/oauth/token", app.base)] {
            let mut claims = claims(app);
            claims["aud"] = json!(audience);
            let assertion = sign(app, &claims);
            let reply = ask(app, &assertion).await.expect(200);
            assert_eq!(
                (reply.json["token_type"].as_str(), reply.json["expires_in"].as_i64()),
                (Some("Bearer"), Some(900))
            );
            let token = reply.json["access_token"].as_str().unwrap();
            app.nobody().with_token(token).get("/v1/me").await.expect(200);
            refused(&ask(app, &assertion).await, 401, "invalid_client");
        }
    });
}

#[test]
fn requests_are_answered_as_the_rfc_says() {
    run(async |app| {
        let regency = app.regency().await;
        refused(&regency.ask_token(&[("grant_type", "client_credentials")]).await, 400, "invalid_request"); // given twice
        refused(&regency.ask_token(&[("scope", "agencies:admin")]).await, 400, "invalid_scope");
        refused(&regency.ask_token(&[("scope", "nonsense")]).await, 400, "invalid_scope");
        refused(&regency.ask_token(&[("acting_user", "Sri Wahyuni")]).await, 400, "invalid_request");
        refused(&regency.ask_token(&[("acting_user", "1706024508950001")]).await, 400, "invalid_request");
        refused(&regency.ask_token(&[("client_secret", "x")]).await, 400, "invalid_request");
        refused(&regency.ask_token(&[("client_id", "x")]).await, 400, "invalid_request");
        refused(
            &regency.ask_token(&[("client_assertion", "a.b.c"), ("client_assertion_type", ASSERTION)]).await,
            400,
            "invalid_request",
        );
        let narrow = regency.ask_token(&[("scope", "cases:read")]).await.expect(200);
        assert_eq!(narrow.json["scope"], "cases:read");

        let nobody = app.nobody();
        refused(&nobody.form("/oauth/token", &[("grant_type", "client_credentials")]).await, 401, "invalid_client");
        refused(&nobody.post("/oauth/token", json!({})).await, 400, "invalid_request");
        let basic = |text: &str| {
            format!("Basic {}", {
                use base64::Engine;
                base64::engine::general_purpose::STANDARD.encode(text)
            })
        };
        let credential = regency.credential.as_ref().unwrap();
        let (id, secret) = (&credential.client_id, &credential.client_secret);
        for wrong in [
            basic(&format!("{id}:wrong")),
            basic(&format!("{}:{secret}", Uuid::now_v7())),
            basic("x"),
            "Basic !".to_owned(),
            format!("Bearer {secret}"),
        ] {
            let reply = nobody
                .form("/oauth/token", &[("grant_type", "client_credentials")])
                .header("authorization", &wrong)
                .await;
            refused(&reply, 401, "invalid_client");
            assert!(reply.header("www-authenticate").starts_with("Basic"));
        }
        let good = basic(&format!("{id}:{secret}"));
        refused(
            &nobody.form("/oauth/token", &[("grant_type", "password")]).header("authorization", &good).await,
            400,
            "unsupported_grant_type",
        );
        refused(&nobody.form("/oauth/token", &[]).header("authorization", &good).await, 400, "invalid_request");
        // refusals of a client that is known are in the record
        let denied =
            app.number("SELECT count(*) FROM audit_events WHERE action = 'token.issue' AND outcome = 'denied'").await;
        assert!((1..10).contains(&denied), "recorded, and bounded: {denied}");
    });
}

#[test]
fn the_metadata_and_the_keys_tell_how() {
    run(async |app| {
        let nobody = app.nobody();
        let metadata = nobody.get("/.well-known/oauth-authorization-server").await.expect(200).json;
        assert_eq!(metadata["issuer"], app.base.as_str());
        // RFC 8414, section 3.2: a list without elements must not be there
        let empty = metadata.as_object().unwrap().iter().find(|(_, value)| **value == json!([]));
        assert_eq!(empty, None);
        let keys_path = metadata["jwks_uri"].as_str().unwrap().strip_prefix(&app.base).unwrap().to_owned();
        let keys = nobody.get(&keys_path).await.expect(200).json;
        let key = &keys["keys"][0];
        assert_eq!(
            (key["kty"].as_str(), key["crv"].as_str(), key["use"].as_str()),
            (Some("OKP"), Some("Ed25519"), Some("sig"))
        );
        assert!(key.get("d").is_none(), "a private key is shown");
        // a partner can check a token with it
        let jwk = serde_json::from_value(key.clone()).unwrap();
        let decoding = jsonwebtoken::DecodingKey::from_jwk(&jwk).unwrap();
        let mut validation = jsonwebtoken::Validation::new(Algorithm::EdDSA);
        validation.set_audience(&[&app.base]);
        validation.set_issuer(&[&app.base]);
        let token = app.bpjs().await.token.unwrap();
        let data = jsonwebtoken::decode::<Value>(&token, &decoding, &validation).unwrap();
        assert_eq!(data.header.typ.as_deref(), Some("at+jwt"));
        assert_eq!(data.header.kid.as_deref(), key["kid"].as_str());
    });
}

#[test]
fn the_acting_user_is_signed_into_the_token() {
    run(async |app| {
        let regency: Client<'_> = app.regency().await;
        assert_eq!(regency.get("/v1/me").await.json["acting_user"], "staf-0017");
        assert_eq!(app.bpjs().await.get("/v1/me").await.json["acting_user"], Value::Null);
        let rows = app
            .texts("SELECT acting_user FROM audit_events WHERE action = 'token.issue' AND acting_user IS NOT NULL")
            .await;
        assert_eq!(rows, ["staf-0017"]);
    });
}

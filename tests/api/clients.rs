//! Clients and keys: an agency manages its own, and nothing of anybody else's.
use crate::support::{Client, Reply, TestApp, run, within_a_second};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use chrono::TimeDelta;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use uuid::Uuid;

const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

fn draft() -> Value {
    json!({ "kind": "officer", "name": "Aplikasi SLRT", "purpose": "Pelayanan kesejahteraan sosial",
        "scopes": ["clients:manage", "cases:read"] })
}

fn with(mut body: Value, member: &str, value: Value) -> Value {
    body[member] = value;
    body
}

fn path(client: &Reply) -> String {
    format!("/v1/clients/{}", client.id())
}

fn secret(reply: &Reply) -> String {
    reply.json["secret"].as_str().unwrap_or_else(|| panic!("no secret: {}", reply.text)).to_owned()
}

/// Asks for a token by secret, as if from an address.
pub async fn by_secret(app: &TestApp, id: &str, secret: &str, from: &str) -> Reply {
    use base64::Engine;
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("{id}:{secret}"));
    let form = [("grant_type", "client_credentials"), ("acting_user", "staf-0017")];
    let request = app.nobody().form("/oauth/token", &form).header("authorization", &format!("Basic {basic}"));
    request.header("x-forwarded-for", from).await
}

pub fn bearer<'a>(app: &'a TestApp, token: &Reply) -> Client<'a> {
    app.nobody().with_token(token.json["access_token"].as_str().unwrap())
}

/// A client of the regency with a secret, and a token of it.
async fn made(app: &TestApp, body: Value) -> (Reply, Client<'_>) {
    let client = app.regency().await.post("/v1/clients", body).await.expect(201);
    let token = by_secret(app, &client.id(), &secret(&client), "203.0.113.7").await.expect(200);
    let client_of = bearer(app, &token);
    (client, client_of)
}

async fn etag(client: &Client<'_>, path: &str) -> String {
    client.get(path).await.expect(200).header("etag").to_owned()
}

async fn act(client: &Client<'_>, path: &str, action: &str, body: Value) -> Reply {
    client.act(&format!("{path}/{action}"), &etag(client, path).await, body).await
}

async fn change(client: &Client<'_>, path: &str, body: Value) -> Reply {
    client.patch(path, &etag(client, path).await, body).await
}

/// Until a token is answered so: on every node within a second.
async fn soon(client: &Client<'_>, status: u16) {
    within_a_second(async || client.get("/v1/me").await.status == status).await;
}

#[test]
fn a_secret_is_shown_once() {
    run(async |app| {
        let regency = app.regency().await;
        let body = with(draft(), "id", json!(Uuid::now_v7()));
        let first = regency.post("/v1/clients", body.clone()).key("k-1").await.expect(201);
        assert_eq!(first.header("location"), format!("{}{}", app.base, path(&first)));
        let secret = secret(&first);
        assert_eq!(secret.len(), 43, "256 bits in base64url");
        // whoever lost the answer learns which client it was, and may rotate
        let again = regency.post("/v1/clients", body.clone()).key("k-1").await.problem(409, "secret_already_shown");
        assert_eq!(again.id(), first.id());
        let same = regency.post("/v1/clients", body.clone()).await.expect(200);
        assert_eq!((same.id(), same.json["secret"].clone()), (first.id(), Value::Null));
        let other = with(body, "name", json!("Lain"));
        regency.post("/v1/clients", other.clone()).key("k-1").await.problem(422, "idempotency_key_reused");
        regency.post("/v1/clients", other).await.problem(409, "id_taken");

        let read = regency.get(&path(&first)).await.expect(200);
        assert_eq!(read.json["secrets"].as_array().unwrap().len(), 1);
        assert_eq!((&read.json["state"], &read.json["version"]), (&json!("active"), &json!(1)));
        let list = regency.get("/v1/clients?kind=officer&state=active").await.expect(200);
        assert!(list.text.contains(&first.id()));
        // nowhere is it kept
        let hashed =
            format!("SELECT count(*) FROM client_secrets WHERE position('{secret}'::bytea IN secret_hash) > 0");
        assert_eq!(app.number(&hashed).await, 0);
        let stored = app.texts("SELECT length(answer) FROM idempotency_keys WHERE key = 'k-1'").await;
        assert_eq!(stored, ["0"], "that it was answered, and not what");
        for reply in [&again, &same, &read, &list] {
            assert!(!reply.text.contains(&secret));
        }
        let token = by_secret(app, &first.id(), &secret, "203.0.113.7").await.expect(200);
        let me = bearer(app, &token).get("/v1/me").await.expect(200).json;
        assert_eq!(me["client_id"], first.json["id"]);
        assert_eq!(me["scopes"], json!(["clients:manage", "cases:read"]));
        let rows = app.texts("SELECT concat_ws(' ', action, outcome, acting_user, subject_type, subject_ids) FROM audit_events WHERE action LIKE 'client%'").await;
        assert_eq!(rows, [format!("client.create allowed staf-0017 client {{{}}}", first.id())]);
    });
}

#[test]
fn another_agencys_client_is_no_client() {
    run(async |app| {
        let (client, _) = made(app, draft()).await;
        let regency = app.regency().await;
        let key = regency.post(&format!("{}/keys", path(&client)), ed25519("k").0).await.expect(201);
        let operations = [
            (Method::GET, "", Value::Null),
            (Method::PATCH, "", json!({ "name": "x" })),
            (Method::POST, "/disable", json!({ "reason": "replaced" })),
            (Method::POST, "/enable", json!({ "reason": "cleared" })),
            (Method::POST, "/rotate-secret", json!({})),
            (Method::POST, "/revoke-tokens", json!({})),
            (Method::GET, "/keys", Value::Null),
            (Method::POST, "/keys", ed25519("l").0),
            (Method::GET, "/keys/k", Value::Null),
            (Method::DELETE, "/keys/k", Value::Null),
        ];
        for other in [app.neighbour_regency().await, app.ministry().await, app.village().await] {
            assert!(!other.get("/v1/clients").await.expect(200).text.contains(&client.id()));
            for (method, rest, body) in &operations {
                let ask = async |id: &str| {
                    let request = other.request(method.clone(), &format!("/v1/clients/{id}{rest}"));
                    let request = if body.is_null() { request } else { request.json(body) };
                    request.key(&Uuid::now_v7().to_string()).header("if-match", "\"1-a\"").await
                };
                let (foreign, missing) = (ask(&client.id()).await, ask(&Uuid::now_v7().to_string()).await);
                assert_eq!((foreign.status, foreign.anonymous()), (404, missing.anonymous()), "{method} {rest}");
            }
            // its id is taken, and that is all that is said
            let body = with(draft(), "id", client.json["id"].clone());
            let body = with(body, "scopes", json!([]));
            let taken = other.post("/v1/clients", body).await.problem(409, "id_taken");
            assert!(!taken.text.contains("SLRT"));
        }
        assert_eq!(regency.get(&path(&client)).await.expect(200).json["version"], 2);
        regency.get(key.header("location").strip_prefix(&app.base).unwrap()).await.expect(200);
        // without the right, and without somebody at the keyboard
        app.dashboard().await.get("/v1/clients").await.problem(403, "forbidden");
        app.bpjs().await.get("/v1/clients").await.expect(200);
        let token = regency.ask_token(&[]).await.json["access_token"].as_str().unwrap().to_owned();
        regency.with_token(&token).post("/v1/clients", draft()).await.problem(403, "acting_user_required");
    });
}

#[test]
fn the_ministry_makes_the_first_client_and_no_other() {
    run(async |app| {
        let ministry = app.ministry().await;
        let agency = json!({ "kind": "health_facility", "name": "RSUD Mukomuko", "region_codes": ["17.06"],
            "scopes": ["clients:manage", "referrals:read", "referrals:handle"] });
        let agency = ministry.post("/v1/agencies", agency).await.expect(201);
        let clients = format!("/v1/agencies/{}/clients", agency.id());
        let body = with(draft(), "scopes", json!(["clients:manage", "referrals:read"]));
        let without = with(body.clone(), "scopes", json!(["referrals:read"]));
        ministry.post(&clients, without).await.problem(422, "rule_broken").blames("/scopes", "clients_manage_needed");
        app.regency().await.post(&clients, body.clone()).await.problem(403, "forbidden");
        let nowhere = format!("/v1/agencies/{}/clients", Uuid::now_v7());
        ministry.post(&nowhere, body.clone()).await.problem(404, "not_found");
        let own = app.regency().await.agency;
        ministry
            .post(&format!("/v1/agencies/{own}/clients"), with(draft(), "scopes", json!(["clients:manage"])))
            .await
            .problem(409, "clients_exist");

        let first = ministry.post(&clients, body.clone()).await.expect(201);
        assert_eq!(first.json["agency_id"], agency.json["id"]);
        ministry.post(&clients, body.clone()).await.problem(409, "clients_exist");
        // from here on it helps itself
        let token = by_secret(app, &first.id(), &secret(&first), "203.0.113.7").await.expect(200);
        let hospital = bearer(app, &token);
        let second = hospital.post("/v1/clients", body.clone()).await.expect(201);
        ministry.get(&path(&second)).await.problem(404, "not_found");
        // until nobody is left who can
        app.sql("UPDATE clients SET state = 'disabled' WHERE name = 'Aplikasi SLRT'").await;
        ministry.post(&clients, body).await.expect(201);
    });
}

#[test]
fn a_client_never_holds_more_than_its_agency() {
    run(async |app| {
        let (ministry, regency) = (app.ministry().await, app.regency().await);
        let post = |body: Value| regency.post("/v1/clients", body);
        post(with(draft(), "scopes", json!(["cases:read", "agencies:admin"])))
            .await
            .problem(422, "rule_broken")
            .blames("/scopes/1", "scope_not_granted");
        let board = with(draft(), "kind", json!("dashboard"));
        post(board.clone()).await.problem(422, "rule_broken").blames("/scopes/0", "scope_not_for_kind");
        post(with(board, "scopes", json!(["statistics:read"]))).await.expect(201);
        post(with(draft(), "kind", json!("phone")))
            .await
            .problem(422, "rule_broken")
            .blames("/kind", "phone_registers_itself");
        let phone = format!("/v1/clients/{}", app.phone().await.credential.unwrap().client_id);
        change(&regency, &phone, json!({ "scopes": ["clients:manage"] }))
            .await
            .problem(422, "rule_broken")
            .blames("/scopes/0", "scope_not_for_kind");

        let (client, app_of) = made(app, draft()).await;
        change(&regency, &path(&client), json!({ "scopes": ["cases:read", "agencies:admin"] }))
            .await
            .problem(422, "rule_broken")
            .blames("/scopes/1", "scope_not_granted");
        // what the agency loses, its clients lose, though the client's own row still names it
        let agency = format!("/v1/agencies/{}", regency.agency);
        change(&ministry, &agency, json!({ "scopes": ["clients:manage"] })).await.expect(200);
        within_a_second(async || app_of.get("/v1/me").await.json["scopes"] == json!(["clients:manage"])).await;
        let token = by_secret(app, &client.id(), &secret(&client), "203.0.113.7").await.expect(200);
        assert_eq!(token.json["scope"], "clients:manage");
        // and a change of something else brings nothing back
        let renamed = change(&regency, &path(&client), json!({ "name": "Baru" })).await.expect(200);
        assert_eq!((&renamed.json["name"], &renamed.json["scopes"]), (&json!("Baru"), &draft()["scopes"]));
        let token = by_secret(app, &client.id(), &secret(&client), "203.0.113.7").await.expect(200);
        assert_eq!(token.json["scope"], "clients:manage");
    });
}

#[test]
fn a_client_calls_from_its_networks_alone() {
    run(async |app| {
        let regency = app.regency().await;
        let post = |networks: Value| regency.post("/v1/clients", with(draft(), "networks", networks));
        for bad in ["203.0.113.7/24", "203.0.113.0/33", "here", "::ffff:203.0.113.0/120"] {
            post(json!(["10.0.0.0/8", bad])).await.problem(400, "malformed").blames("/networks/1", "network_malformed");
        }
        post(json!(vec!["10.0.0.0/8"; 21])).await.problem(400, "malformed").blames("/networks", "too_many");
        let client = post(json!(["203.0.113.0/24", "2001:db8::7"])).await.expect(201);
        assert_eq!(client.json["networks"], json!(["203.0.113.0/24", "2001:db8::7/128"]));
        let (id, secret) = (client.id(), secret(&client));
        let token = by_secret(app, &id, &secret, "203.0.113.7").await.expect(200);
        by_secret(app, &id, &secret, "2001:db8::7").await.expect(200);
        let app_of = bearer(app, &token);
        // what a caller writes itself stands before what the proxy adds
        for elsewhere in ["198.51.100.1", "203.0.113.7, 198.51.100.1", "unknown", "2001:db8::8", ""] {
            let refused = by_secret(app, &id, &secret, elsewhere).await;
            assert_eq!((refused.status, &refused.json["error"]), (401, &json!("invalid_client")), "{elsewhere}");
            let get = app_of.get("/v1/me").header("x-forwarded-for", elsewhere).await;
            assert_eq!(get.problem(403, "address_not_allowed").header("www-authenticate"), "");
        }
        app_of.get("/v1/me").await.problem(403, "address_not_allowed"); // the proxy's own
        app_of.get("/v1/me").header("x-forwarded-for", "198.51.100.1, 203.0.113.9").await.expect(200);
        app_of.get("/v1/me").header("forwarded", "for=203.0.113.9").await.expect(200);
        // a wrong secret learns nothing of addresses
        let wrong = by_secret(app, &id, "wrong", "198.51.100.1").await;
        assert!(!wrong.text.contains("address"), "{}", wrong.text);
        let denied = app.texts("SELECT DISTINCT action FROM audit_events WHERE outcome = 'denied' AND detail = 'address_not_allowed' ORDER BY 1").await;
        assert_eq!(denied, ["me.read", "token.issue"]);
        // a change holds within a second, for tokens of before too
        change(&regency, &path(&client), json!({ "networks": ["198.51.100.0/24"] })).await.expect(200);
        within_a_second(async || app_of.get("/v1/me").header("x-forwarded-for", "203.0.113.7").await.status == 403)
            .await;
        app_of.get("/v1/me").header("x-forwarded-for", "198.51.100.1").await.expect(200);
    });
}

#[test]
fn a_client_ends_when_it_was_to_end() {
    run(async |app| {
        let regency = app.regency().await;
        let at = |minutes| json!((app.clock.now() + TimeDelta::minutes(minutes)).to_rfc3339());
        let past = regency.post("/v1/clients", with(draft(), "expires_at", at(-1))).await;
        past.problem(422, "rule_broken").blames("/expires_at", "in_the_past");
        let (client, app_of) = made(app, with(draft(), "expires_at", at(5))).await;
        let (lasting, _) = made(app, with(draft(), "expires_at", at(5))).await;
        let forever = change(&regency, &path(&lasting), json!({ "expires_at": null })).await.expect(200);
        assert_eq!(forever.json["expires_at"], Value::Null);
        app.pass(TimeDelta::minutes(5));
        app_of.get("/v1/me").await.problem(401, "unauthenticated");
        by_secret(app, &client.id(), &secret(&client), "203.0.113.7").await.expect(401);
        within_a_second(async || by_secret(app, &lasting.id(), &secret(&lasting), "203.0.113.7").await.status == 200)
            .await;
    });
}

/// A public JWK of this name, and its private half.
pub fn ed25519(kid: &str) -> (Value, EncodingKey) {
    let pem = simpul::access::keys::new_key_pem().unwrap();
    let jwk = serde_json::to_value(simpul::access::keys::public_jwk(&pem).unwrap()).unwrap();
    (with(jwk, "kid", json!(kid)), EncodingKey::from_ed_pem(pem.as_bytes()).unwrap())
}

fn p256(kid: &str) -> (Value, EncodingKey) {
    let document =
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &aws_lc_rs::rand::SystemRandom::new());
    let key = EncodingKey::from_ec_der(document.unwrap().as_ref());
    let jwk = jsonwebtoken::jwk::Jwk::from_encoding_key(&key, Algorithm::ES256).unwrap();
    (with(serde_json::to_value(jwk).unwrap(), "kid", json!(kid)), key)
}

/// Asks for a token by an assertion of a key.
pub async fn by_key(app: &TestApp, client: &str, algorithm: Algorithm, kid: &str, key: &EncodingKey) -> Reply {
    let now = app.clock.now().timestamp();
    let claims =
        json!({ "iss": client, "sub": client, "aud": app.base, "iat": now, "exp": now + 300, "jti": Uuid::now_v7() });
    let header = Header { kid: Some(kid.to_owned()), ..Header::new(algorithm) };
    let assertion = jsonwebtoken::encode(&header, &claims, key).unwrap();
    let form =
        [("grant_type", "client_credentials"), ("client_assertion_type", ASSERTION), ("client_assertion", &assertion)];
    app.nobody().form("/oauth/token", &form).await
}

#[test]
fn keys_come_and_go() {
    run(async |app| {
        let regency = app.regency().await;
        let (first, first_private) = ed25519("first");
        let made = regency.post("/v1/clients", with(draft(), "key", first.clone())).key("k-1").await.expect(201);
        assert_eq!(made.json["secret"], Value::Null, "it has a key");
        regency.post("/v1/clients", with(draft(), "key", first.clone())).key("k-1").await.expect(201); // no secret: replayed
        let (id, keys) = (made.id(), format!("{}/keys", path(&made)));
        by_key(app, &id, Algorithm::EdDSA, "first", &first_private).await.expect(200);

        // the next one beside it
        let (second, second_private) = p256("second");
        let mut sent = second.clone();
        sent.as_object_mut()
            .unwrap()
            .extend(json!({ "use": "sig", "key_ops": ["verify"], "alg": "ES256" }).as_object().unwrap().clone());
        let added = regency.post(&keys, sent).await.expect(201);
        assert_eq!((added.json["kid"].as_str(), added.json["alg"].as_str()), (Some("second"), Some("ES256")));
        assert_eq!(added.header("location"), format!("{}{keys}/second", app.base));
        by_key(app, &id, Algorithm::ES256, "second", &second_private).await.expect(200);
        let list = regency.get(&format!("{keys}?limit=1")).await.expect(200).json;
        assert_eq!(list["items"][0]["kid"], "first");
        let cursor = list["next_cursor"].as_str().unwrap();
        assert_eq!(regency.get(&format!("{keys}?cursor={cursor}")).await.expect(200).json["items"][0]["kid"], "second");
        // a name or a key twice
        regency.post(&keys, ed25519("second").0).await.problem(409, "key_exists");
        regency.post(&keys, with(second.clone(), "kid", json!("third"))).await.problem(409, "key_exists");

        // the old one goes, and its tokens with the next revocation
        let gone = async |kid: &str, etag: &str| {
            regency.request(Method::DELETE, &format!("{keys}/{kid}")).header("if-match", etag).await
        };
        gone("first", made.header("etag")).await.problem(412, "stale");
        let now = etag(&regency, &path(&made)).await;
        let after = gone("first", &now).await.expect(200);
        gone("first", after.header("etag")).await.problem(404, "not_found");
        for none in ["..", "a%2Fb", "x".repeat(65).as_str(), "%00"] {
            gone(none, after.header("etag")).await.problem(404, "not_found");
        }
        let refused = by_key(app, &id, Algorithm::EdDSA, "first", &first_private).await;
        assert_eq!((refused.status, &refused.json["error"]), (401, &json!("invalid_client")));
        // its name is free again; without one a key is called by its thumbprint
        regency.post(&keys, ed25519("first").0).await.expect(201);
        let (mut unnamed, private) = ed25519("");
        unnamed.as_object_mut().unwrap().remove("kid");
        let named = regency.post(&keys, unnamed).await.expect(201).json;
        assert_eq!(named["kid"], named["thumbprint"]);
        by_key(app, &id, Algorithm::EdDSA, named["kid"].as_str().unwrap(), &private).await.expect(200);
        for number in 3..10 {
            regency.post(&keys, ed25519(&number.to_string()).0).await.expect(201);
        }
        let full = regency.post(&keys, ed25519("one-more").0).await.problem(409, "too_many_keys");
        assert_eq!(full.json["most"], 10);
        let rows =
            app.texts("SELECT DISTINCT action FROM audit_events WHERE action LIKE 'client_key%' ORDER BY 1").await;
        assert_eq!(rows, ["client_key.create", "client_key.delete"]);
    });
}

#[test]
fn a_key_that_proves_nothing_is_refused_and_not_repeated() {
    run(async |app| {
        let regency = app.regency().await;
        let client = regency.post("/v1/clients", with(draft(), "key", ed25519("good").0)).await.expect(201);
        let keys = format!("{}/keys", path(&client));
        let (ed, ec) = (ed25519("k").0, p256("k").0);
        let secret = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
        let low = "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"; // the neutral element
        let beside = "AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"; // y = 2
        let rsa = json!({ "kty": "RSA", "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMs", "e": "AQAB" });
        let edwards = |member: &str, value: Value| with(ed.clone(), member, value);
        let nist = |member: &str, value: Value| with(ec.clone(), member, value);
        let mut ec_without_y = ec.clone();
        ec_without_y.as_object_mut().unwrap().remove("y");
        let cases = [
            // whoever sends these has told a secret
            (edwards("d", json!(secret)), 400, "/d", "private_key"),
            (nist("d", json!(secret)), 400, "/d", "private_key"),
            (edwards("k", json!(secret)), 400, "/k", "private_key"),
            (edwards("p", json!(secret)), 400, "/p", "private_key"),
            (json!({ "kty": "oct", "k": secret }), 400, "", ""),
            (rsa.clone(), 400, "", ""),
            (edwards("kty", json!("RSA")), 400, "/kty", "unknown_value"),
            (nist("crv", json!("P-384")), 400, "/crv", "unknown_value"),
            (nist("crv", json!("secp256k1")), 400, "/crv", "unknown_value"),
            (edwards("crv", json!("X25519")), 400, "/crv", "unknown_value"),
            (edwards("crv", json!("Ed448")), 400, "/crv", "unknown_value"),
            (edwards("crv", json!("P-256")), 422, "/crv", "key_inconsistent"),
            (edwards("kty", json!("EC")), 422, "/crv", "key_inconsistent"),
            (edwards("y", json!(low)), 422, "/y", "key_inconsistent"),
            (ec_without_y, 422, "/y", "key_inconsistent"),
            (edwards("x", json!(low)), 422, "/x", "point_unusable"),
            (edwards("x", json!(beside)), 422, "/x", "point_unusable"),
            (nist("x", json!(beside)), 422, "/x", "point_unusable"),
            (nist("y", json!(secret)), 422, "/x", "point_unusable"),
            (edwards("x", json!(format!("{secret}="))), 400, "/x", "coordinate_malformed"),
            (edwards("x", json!(&secret[1..])), 400, "/x", "coordinate_malformed"),
            (edwards("x", json!(format!("{}B", &low[..42]))), 400, "/x", "coordinate_malformed"),
            (edwards("x", json!(secret.repeat(900))), 400, "/x", "coordinate_malformed"),
            (edwards("x", json!(7)), 400, "/x", "wrong_type"),
            (edwards("alg", json!("none")), 400, "/alg", "unknown_value"),
            (edwards("alg", json!("HS256")), 400, "/alg", "unknown_value"),
            (edwards("alg", json!("ES256")), 422, "/alg", "key_inconsistent"),
            (nist("alg", json!("EdDSA")), 422, "/alg", "key_inconsistent"),
            (edwards("use", json!("enc")), 400, "/use", "unknown_value"),
            (edwards("key_ops", json!(["sign"])), 400, "/key_ops/0", "unknown_value"),
            (edwards("key_ops", json!([])), 400, "/key_ops", "key_ops_malformed"),
            (edwards("key_ops", json!(["verify", "verify"])), 400, "/key_ops", "key_ops_malformed"),
            (edwards("x5u", json!("https://elsewhere.example")), 400, "", "unknown_field"),
            (edwards("x5c", json!([secret])), 400, "", "unknown_field"),
            (edwards("note", json!(secret)), 400, "/note", "unknown_field"),
            (edwards("kid", json!("")), 400, "/kid", "kid_malformed"),
            (edwards("kid", json!("..")), 400, "/kid", "kid_malformed"),
            (edwards("kid", json!("a/b")), 400, "/kid", "kid_malformed"),
            (edwards("kid", json!("' OR 1=1")), 400, "/kid", "kid_malformed"),
            (edwards("kid", json!("k".repeat(65))), 400, "/kid", "kid_malformed"),
            (json!({}), 400, "/kty", "required"),
        ];
        for (jwk, status, place, code) in cases {
            let problem = if status == 400 { "malformed" } else { "rule_broken" };
            let reply = regency.post(&keys, jwk.clone()).await.problem(status, problem);
            assert!(!reply.text.contains(&secret[..20]), "echoed: {}", reply.text);
            if !code.is_empty() {
                reply.blames(place, code);
            }
            // with a new client too, at its place there
            let reply = regency.post("/v1/clients", with(draft(), "key", jwk)).await.problem(status, problem);
            assert!(!reply.text.contains(&secret[..20]), "echoed: {}", reply.text);
            if !code.is_empty() {
                reply.blames(&format!("/key{place}"), code);
            }
        }
        assert_eq!(app.number("SELECT count(*) FROM client_keys WHERE created_at > now() - interval '1 min' AND client_id IN (SELECT id FROM clients WHERE name = 'Aplikasi SLRT')").await, 1);
    });
}

#[test]
fn a_new_secret_overlaps_the_old_one() {
    run(async |app| {
        let regency = app.regency().await;
        let client = regency.post("/v1/clients", draft()).await.expect(201);
        let (id, at) = (client.id(), path(&client));
        let works = async |secret: &str| by_secret(app, &id, secret, "203.0.113.7").await.status == 200;
        let rotate = async |body: Value| secret(&act(&regency, &at, "rotate-secret", body).await.expect(200));
        let first = secret(&client);
        let second = rotate(json!({ "overlap_hours": 2 })).await;
        assert!(works(&first).await && works(&second).await);
        assert_eq!(regency.get(&at).await.json["secrets"].as_array().unwrap().len(), 2);
        // never three: the one that was to end ends
        let third = rotate(json!({})).await;
        assert_eq!([works(&first).await, works(&second).await, works(&third).await], [false, true, true]);
        app.pass(TimeDelta::hours(24));
        let regency = app.regency().await;
        assert_eq!([works(&second).await, works(&third).await], [false, true]);
        // others have seen it
        let last = secret(&act(&regency, &at, "rotate-secret", json!({ "overlap_hours": 0 })).await.expect(200));
        assert_eq!([works(&third).await, works(&last).await], [false, true]);

        let too_long = act(&regency, &at, "rotate-secret", json!({ "overlap_hours": 169 })).await;
        too_long.problem(400, "malformed").blames("/overlap_hours", "out_of_range");
        let current = etag(&regency, &at).await;
        let request = || regency.act(&format!("{at}/rotate-secret"), &current, json!({})).key("k-1").into_future();
        request().await.expect(200);
        let again = request().await.problem(409, "secret_already_shown");
        assert_eq!(again.id(), id);
        regency.act(&format!("{at}/rotate-secret"), &current, json!({})).await.problem(412, "stale");
        // who had a key alone gets a secret
        let keyed = regency.post("/v1/clients", with(draft(), "key", ed25519("k").0)).await.expect(201);
        let given = secret(&act(&regency, &path(&keyed), "rotate-secret", json!({})).await.expect(200));
        by_secret(app, &keyed.id(), &given, "203.0.113.7").await.expect(200);
        // fifty at once
        for _ in 0..crate::support::rounds(10) {
            let current = etag(&regency, &at).await;
            let request = || regency.act(&format!("{at}/rotate-secret"), &current, json!({})).into_future();
            let replies = futures_util::future::join_all((0..10).map(|_| request())).await;
            assert_eq!(replies.iter().filter(|reply| reply.status == 200).count(), 1);
            assert_eq!(app.number(&format!("SELECT count(*) FROM client_secrets WHERE client_id = '{id}'")).await, 2);
        }
    });
}

#[test]
fn a_disabled_client_is_refused_within_a_second() {
    run(async |app| {
        let regency = app.regency().await;
        let (client, app_of) = made(app, draft()).await;
        let at = path(&client);
        for wrong in ["found_again", "nonsense"] {
            act(&regency, &at, "disable", json!({ "reason": wrong }))
                .await
                .problem(422, "rule_broken")
                .blames("/reason", "unknown_code");
        }
        let done = act(&regency, &at, "disable", json!({ "reason": "suspected_misuse" })).await.expect(200);
        assert_eq!((&done.json["state"], &done.json["state_reason"]), (&json!("disabled"), &json!("suspected_misuse")));
        soon(&app_of, 401).await;
        by_secret(app, &client.id(), &secret(&client), "203.0.113.7").await.expect(401);
        let late = act(&regency, &at, "disable", json!({ "reason": "replaced" })).await;
        assert_eq!(late.problem(409, "client_state_conflict").json["state"], "disabled");
        act(&regency, &at, "enable", json!({ "reason": "cleared" })).await.expect(200);
        let buy = async || by_secret(app, &client.id(), &secret(&client), "203.0.113.7").await;
        within_a_second(async || buy().await.status == 200).await;
        let token = buy().await;
        let fresh = bearer(app, &token);
        soon(&fresh, 200).await;
        app_of.get("/v1/me").await.problem(401, "unauthenticated"); // of before: for good
        act(&regency, &at, "revoke-tokens", json!({})).await.expect(200);
        soon(&fresh, 401).await;

        // a lost phone, by one call, for good
        let phone = app.phone().await;
        let lost = format!("/v1/clients/{}", phone.credential.as_ref().unwrap().client_id);
        act(&regency, &lost, "disable", json!({ "reason": "lost_or_stolen" })).await.expect(200);
        soon(&phone, 401).await;
        act(&regency, &lost, "enable", json!({ "reason": "found_again" })).await.problem(409, "phone_stays_disabled");

        // nobody locks itself out
        let own = format!("/v1/clients/{}", regency.credential.as_ref().unwrap().client_id);
        act(&regency, &own, "disable", json!({ "reason": "replaced" })).await.problem(422, "own_client");
        change(&regency, &own, json!({ "scopes": ["cases:read"] })).await.problem(422, "own_client");
        change(&regency, &own, json!({ "networks": ["203.0.113.0/24"] })).await.problem(422, "own_client");
        let soon = (app.clock.now() + TimeDelta::minutes(1)).to_rfc3339();
        change(&regency, &own, json!({ "expires_at": soon })).await.problem(422, "own_client");
        change(&regency, &own, json!({ "networks": ["127.0.0.0/8"] })).await.expect(200);
        let rows = app.texts("SELECT concat_ws(' ', action, detail) FROM audit_events WHERE action LIKE 'client.%able' OR action LIKE 'client_tokens%' ORDER BY at").await;
        assert_eq!(
            rows,
            [
                "client.disable suspected_misuse",
                "client.enable cleared",
                "client_tokens.revoke",
                "client.disable lost_or_stolen"
            ]
        );
    });
}

/// A change of a client that began before its agency's suspension and ends after it must not open the gate again.
#[test]
fn a_change_beside_a_suspension_opens_nothing() {
    run(async |app| {
        let regency = app.regency().await;
        let (client, _) = made(app, draft()).await;
        let phone = app.phone().await;
        let volunteer = format!("/v1/volunteers/{}", phone.credential.as_ref().unwrap().volunteer_id.clone().unwrap());
        let (renamed, left) = (etag(&regency, &path(&client)).await, etag(&regency, &volunteer).await);
        use diesel_async::SimpleAsyncConnection;
        let mut other = app.connect().await;
        let suspend = format!(
            "BEGIN; UPDATE agencies SET state = 'suspended' WHERE id = '{0}'; UPDATE access_state SET active = false WHERE agency_id = '{0}'",
            regency.agency
        );
        other.batch_execute(&suspend).await.unwrap();
        let changes = async {
            let rename = regency.patch(&path(&client), &renamed, json!({ "name": "Baru" })).into_future();
            let dismiss =
                regency.act(&format!("{volunteer}/dismiss"), &left, json!({ "reason": "long_absence" })).into_future();
            futures_util::future::join(rename, dismiss).await
        };
        let commit = async {
            let waiting =
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
            let begun = Instant::now();
            while app.number(waiting).await < 2 {
                assert!(begun.elapsed() < Duration::from_millis(1500), "nothing waits for the suspension");
            }
            other.batch_execute("COMMIT").await.unwrap();
        };
        let ((rename, dismiss), ()) = futures_util::future::join(changes, commit).await;
        assert_eq!([rename.status, dismiss.status], [200, 200], "{} {}", rename.text, dismiss.text);
        let open = format!("SELECT count(*) FROM access_state WHERE agency_id = '{}' AND active", regency.agency);
        assert_eq!(app.number(&open).await, 0);
    });
}

/// The ministry may send its create again, and does not see by it what became of the client.
#[test]
fn what_became_of_an_agencys_first_client_is_its_own_business() {
    run(async |app| {
        let ministry = app.ministry().await;
        let agency = json!({ "kind": "health_facility", "name": "RSUD", "region_codes": ["17.06"], "scopes": ["clients:manage"] });
        let agency = ministry.post("/v1/agencies", agency).await.expect(201);
        let clients = format!("/v1/agencies/{}/clients", agency.id());
        let body = with(with(draft(), "scopes", json!(["clients:manage"])), "id", json!(Uuid::now_v7()));
        let first = ministry.post(&clients, body.clone()).await.expect(201);
        ministry.post(&clients, body.clone()).await.expect(200);
        let token = by_secret(app, &first.id(), &secret(&first), "203.0.113.7").await.expect(200);
        let own = bearer(app, &token);
        change(&own, &path(&first), json!({ "name": "Rahasia" })).await.expect(200);
        ministry.post(&clients, body).await.problem(409, "clients_exist");
    });
}

#[test]
fn a_client_keeps_something_to_prove_itself_by() {
    run(async |app| {
        let regency = app.regency().await;
        let (key, private) = ed25519("only");
        let new = with(with(draft(), "scopes", json!(["clients:manage"])), "key", key);
        let new = with(new, "kind", json!("system")); // whom no acting user is asked of
        let made = regency.post("/v1/clients", new).await.expect(201);
        let token = by_key(app, &made.id(), Algorithm::EdDSA, "only", &private).await.expect(200);
        let own = bearer(app, &token);
        let at = format!("{}/keys", path(&made));
        let remove = async |by: &Client<'_>, kid: &str| {
            let etag = etag(by, &path(&made)).await;
            by.request(Method::DELETE, &format!("{at}/{kid}")).header("if-match", &etag).await
        };
        remove(&own, "only").await.problem(422, "own_client");
        own.post(&at, ed25519("next").0).await.expect(201);
        remove(&own, "only").await.expect(200);
        // another one may take away even the last
        remove(&regency, "next").await.expect(200);
    });
}

/// Whoever names a client, and is not it, hides nothing of what the client itself was refused.
#[test]
fn refusals_of_a_client_and_of_who_names_it_are_recorded_apart() {
    run(async |app| {
        let bpjs = app.bpjs().await;
        let id = bpjs.credential.as_ref().unwrap().client_id.clone();
        for _ in 0..3 {
            by_secret(app, &id, "wrong", "203.0.113.7").await.expect(401);
            bpjs.get("/v1/volunteers").await.problem(403, "forbidden");
        }
        let refused =
            format!("SELECT count(DISTINCT action) FROM audit_events WHERE client_id = '{id}' AND outcome = 'denied'");
        assert_eq!(app.number(&refused).await, 2);
    });
}

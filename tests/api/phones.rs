//! A volunteer's phone: its code, its registration, its end.
use crate::clients::{by_key, ed25519};
use crate::support::{Client, Reply, TestApp, a_name, rounds, run, within_a_second};
use chrono::TimeDelta;
use futures_util::future::join_all;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

const VILLAGE: &str = "17.06.02.1017";
const ENDED: [&str; 2] = ["invalid_grant", "the code is unknown, used or over: ask for another one"];

/// The path of a new volunteer.
async fn volunteer(by: &Client<'_>, village: &str) -> String {
    let new = json!({ "village_code": village, "name": a_name(), "nik_status": "none" });
    format!("/v1/volunteers/{}", by.post("/v1/volunteers", new).await.expect(201).id())
}

pub async fn code(by: &Client<'_>, volunteer: &str) -> String {
    let made = by.post(&format!("{volunteer}/phone/codes"), json!({})).await.expect(200);
    made.json["code"].as_str().unwrap().to_owned()
}

async fn register(app: &TestApp, body: Value) -> Reply {
    app.nobody().post("/oauth/register", body).without("idempotency-key").await
}

/// A phone: a key that never leaves it, and the client that it became.
pub struct Phone<'a> {
    app: &'a TestApp,
    key: EncodingKey,
    id: String,
    kid: String,
}

impl<'a> Phone<'a> {
    pub async fn new(app: &'a TestApp, code: &str) -> Self {
        let (jwk, key) = ed25519("phone");
        let made = register(app, json!({ "code": code, "key": jwk, "name": "Samsung A14" })).await.expect(201);
        let of = |name: &str| made.json[name].as_str().unwrap().to_owned();
        Self { app, key, id: of("client_id"), kid: of("kid") }
    }

    async fn buys(&self) -> Reply {
        by_key(self.app, &self.id, Algorithm::EdDSA, &self.kid, &self.key).await
    }

    /// Waits until it gets no token any more, which is promised within a second.
    async fn is_cut_off(&self) {
        within_a_second(async || self.buys().await.status == 401).await;
    }

    pub async fn sign_in(&self) -> Client<'a> {
        let token = self.buys().await.expect(200).json["access_token"].as_str().unwrap().to_owned();
        self.app.nobody().with_token(&token)
    }
}

/// Waits until it is refused, which is promised within a second.
async fn is_refused(client: &Client<'_>) {
    within_a_second(async || client.get("/v1/me").await.status == 401).await;
}

fn refused(reply: &Reply, [error, why]: [&str; 2]) {
    assert_eq!((reply.status, &reply.json), (400, &json!({ "error": error, "error_description": why })));
    assert_eq!(reply.header("cache-control"), "no-store");
}

#[test]
fn a_phone_becomes_its_volunteers_client() {
    run(async |app| {
        let regency = app.regency().await;
        let path = volunteer(&regency, VILLAGE).await;
        let made = regency.post(&format!("{path}/phone/codes"), json!({})).key("c").await.expect(200);
        let sent = made.json["code"].as_str().unwrap();
        assert!(regex::Regex::new("^([0-9A-HJKMNP-TV-Z]{4}-){2}[0-9A-HJKMNP-TV-Z]{4}$").unwrap().is_match(sent));
        let ends: chrono::DateTime<chrono::Utc> = made.json["expires_at"].as_str().unwrap().parse().unwrap();
        assert!(ends - app.clock.now() > TimeDelta::minutes(9));
        // it is stored nowhere, neither as such nor with the answer
        regency.post(&format!("{path}/phone/codes"), json!({})).key("c").await.problem(409, "secret_already_shown");
        let stored = app.number(&format!("SELECT count(*) FROM phone_codes p WHERE p::text LIKE '%{sent}%'")).await;
        assert_eq!(stored, 0);

        let (jwk, key) = ed25519("phone");
        let typed = sent.to_lowercase().replace('-', " ");
        let body = json!({ "code": typed, "key": jwk, "name": "Samsung A14" });
        let phone = register(app, body.clone()).await.expect(201);
        assert_eq!(phone.json["token_endpoint"], format!("{}/oauth/token", app.base));
        assert_eq!(phone.json["issuer"], app.base);
        let wanted = "volunteers:read cases:read cases:write referrals:read referrals:send training:read \
            training:enrol changes:read";
        assert_eq!(phone.json["scope"], wanted);
        // the answer was lost: the same phone asks again, also after the code has ended
        app.pass(TimeDelta::minutes(11));
        let again = register(app, body).await.expect(201);
        assert_eq!(again.json, phone.json);
        refused(&register(app, json!({ "code": sent, "key": ed25519("phone").0 })).await, ENDED);

        let id = phone.json["client_id"].as_str().unwrap();
        let token = by_key(app, id, Algorithm::EdDSA, "phone", &key).await.expect(200).json;
        let phone = app.nobody().with_token(token["access_token"].as_str().unwrap());
        let me = phone.get("/v1/me").await.expect(200).json;
        assert_eq!(json!([me["client_kind"], me["agency_id"]]), json!(["phone", regency.agency]));
        assert_eq!(me["volunteer_id"], path.rsplit('/').next().unwrap());
        let seen = phone.get("/v1/volunteers").await.expect(200).json["items"].clone();
        assert_eq!((seen.as_array().unwrap().len(), &seen[0]["id"]), (1, &me["volunteer_id"]));
        let of = format!("/v1/clients?volunteer_id={}", me["volunteer_id"].as_str().unwrap());
        assert_eq!(regency.get(&of).await.expect(200).json["items"][0]["name"], "Samsung A14");
        // who made the code is who let the phone in
        let done = regency.get(&format!("/v1/audit-events?subject={id}&action=phone.register")).await.expect(200).json;
        assert_eq!(json!([done["items"][0]["acting_user"], done["items"][0]["client_id"]]), json!(["staf-0017", id]));
    });
}

#[test]
fn a_code_is_good_for_ten_minutes_and_until_the_next_one() {
    run(async |app| {
        let regency = app.regency().await;
        let path = volunteer(&regency, VILLAGE).await;
        let try_it = async |code: &str| register(app, json!({ "code": code, "key": ed25519("k").0 })).await;
        let first = code(&regency, &path).await;
        let second = code(&regency, &path).await;
        refused(&try_it(&first).await, ENDED);
        app.pass(TimeDelta::minutes(10));
        refused(&try_it(&second).await, ENDED);
        refused(&try_it("K7QF-9M2D-X4TA").await, ENDED);
        let third = code(&regency, &path).await;
        app.pass(TimeDelta::minutes(9));
        try_it(&third).await.expect(201);
        let regency = app.regency().await;
        // an attempt with a code that was is recorded, and says nothing to who made it
        let tried = "SELECT count(*) FROM audit_events WHERE action = 'phone.register' AND outcome = 'denied'";
        assert!(app.number(tried).await > 0);

        // five an hour
        for _ in 0..2 {
            code(&regency, &path).await;
        }
        let more = regency.post(&format!("{path}/phone/codes"), json!({})).await.problem(429, "rate_limited");
        let wait: i64 = more.header("retry-after").parse().unwrap();
        code(&regency, &volunteer(&regency, VILLAGE).await).await;
        app.pass(TimeDelta::seconds(wait - 2));
        let regency = app.regency().await;
        regency.post(&format!("{path}/phone/codes"), json!({})).await.problem(429, "rate_limited");
        app.pass(TimeDelta::seconds(2));
        code(&regency, &path).await;
    });
}

#[test]
fn only_the_office_of_the_regency_makes_codes() {
    run(async |app| {
        let regency = app.regency().await;
        let path = volunteer(&regency, VILLAGE).await;
        for (action, body) in [("codes", json!({})), ("disable", json!({ "reason": "lost_or_stolen" }))] {
            let ask = async |client: &Client<'_>| client.post(&format!("{path}/phone/{action}"), body.clone()).await;
            for sees in [app.ministry().await, app.province().await, app.village().await] {
                ask(&sees).await.problem(403, "not_the_authority");
            }
            for stranger in [app.neighbour_regency().await, app.other_regency().await, app.bpjs_branch().await] {
                ask(&stranger).await.problem(404, "not_found");
            }
            for no_right in [app.phone().await, app.dashboard().await] {
                ask(&no_right).await.problem(403, "forbidden");
            }
            let reply = regency.ask_token(&[]).await.expect(200);
            let unnamed = regency.with_token(reply.json["access_token"].as_str().unwrap());
            ask(&unnamed).await.problem(403, "acting_user_required");
        }
        // who has left needs no phone, not even with a code from before
        let given = code(&regency, &path).await;
        for (action, body) in [
            ("verify", json!({})),
            ("select", json!({})),
            ("activate", json!({ "sk_number": "460/1", "sk_date": "2023-01-02", "sk_official": "Bupati" })),
            ("resign", json!({ "reason": "own_request" })),
        ] {
            let etag = regency.get(&path).await.expect(200).header("etag").to_owned();
            regency.act(&format!("{path}/{action}"), &etag, body).await.expect(200);
        }
        refused(&register(app, json!({ "code": given, "key": ed25519("k").0 })).await, ENDED);
        regency.post(&format!("{path}/phone/codes"), json!({})).await.problem(409, "volunteer_state_conflict");
    });
}

#[test]
fn a_lost_phone_is_cut_off_by_one_call_and_another_one_registers() {
    run(async |app| {
        let regency = app.regency().await;
        let path = volunteer(&regency, VILLAGE).await;
        let lost = Phone::new(app, &code(&regency, &path).await).await;
        let session = lost.sign_in().await;
        session.get("/v1/me").await.expect(200);
        let disable = format!("{path}/phone/disable");
        regency.post(&disable, json!({ "reason": "found_again" })).await.problem(422, "rule_broken");
        let done = regency.post(&disable, json!({ "reason": "lost_or_stolen" })).key("d").await.expect(200);
        assert_eq!(done.json["client_id"], lost.id);
        is_refused(&session).await;
        lost.is_cut_off().await;
        regency.post(&disable, json!({ "reason": "lost_or_stolen" })).key("d").await.expect(200); // a replay
        regency.post(&disable, json!({ "reason": "lost_or_stolen" })).await.problem(409, "client_state_conflict");

        // found again or bought anew: it registers, and whichever comes later is the one
        let second = Phone::new(app, &code(&regency, &path).await).await;
        let session = second.sign_in().await;
        let third = Phone::new(app, &code(&regency, &path).await).await;
        is_refused(&session).await;
        second.is_cut_off().await;
        third.sign_in().await.get("/v1/me").await.expect(200);
        let active = format!("/v1/clients?kind=phone&state=active&volunteer_id={}", path.rsplit('/').next().unwrap());
        let phones = regency.get(&active).await.expect(200).json["items"].clone();
        assert_eq!((phones.as_array().unwrap().len(), &phones[0]["id"]), (1, &json!(third.id)));
    });
}

/// The phone is a client of the regency's office: in another regency it is that of nobody who looks after the volunteer.
#[test]
fn a_volunteer_who_moves_to_another_regency_registers_anew() {
    run(async |app| {
        let (regency, province) = (app.regency().await, app.province().await);
        let path = volunteer(&regency, VILLAGE).await;
        let phone = Phone::new(app, &code(&regency, &path).await).await;
        let session = phone.sign_in().await;
        let next = code(&regency, &path).await;
        let transfer = async |to: &str| {
            let etag = province.get(&path).await.expect(200).header("etag").to_owned();
            province.act(&format!("{path}/postings"), &etag, json!({ "village_code": to })).await.expect(200)
        };
        transfer("17.06.02.1018").await;
        session.get("/v1/me").await.expect(200);
        let elsewhere = "SELECT code FROM regions WHERE code LIKE '17.01.%' AND level = 'village' AND last_listed IS NULL ORDER BY code LIMIT 1";
        app.pass(TimeDelta::days(1));
        let (regency, province) = (app.regency().await, app.province().await);
        let etag = province.get(&path).await.expect(200).header("etag").to_owned();
        let to = json!({ "village_code": app.texts(elsewhere).await.remove(0) });
        province.act(&format!("{path}/postings"), &etag, to).await.expect(200);
        phone.is_cut_off().await;
        refused(&register(app, json!({ "code": next, "key": ed25519("k").0 })).await, ENDED);
        regency.post(&format!("{path}/phone/codes"), json!({})).await.problem(404, "not_found");
        let neighbour = app.neighbour_regency().await;
        Phone::new(app, &code(&neighbour, &path).await).await.sign_in().await.get("/v1/me").await.expect(200);
    });
}

#[test]
fn many_phones_with_one_code_are_one() {
    run(async |app| {
        let regency = app.regency().await;
        for round in 0..rounds(20) {
            let path = volunteer(&regency, VILLAGE).await;
            let code = code(&regency, &path).await;
            let bodies: Vec<Value> = (0..50).map(|_| json!({ "code": code, "key": ed25519("phone").0 })).collect();
            let asked = bodies
                .iter()
                .map(|body| app.nobody().post("/oauth/register", body.clone()).without("idempotency-key").settled());
            let replies = join_all(asked).await;
            let won: Vec<usize> = (0..50).filter(|index| replies[*index].status == 201).collect();
            assert_eq!(won.len(), 1, "round {round}");
            for reply in replies.iter().filter(|reply| reply.status != 201) {
                refused(reply, ENDED);
            }
            let id = path.rsplit('/').next().unwrap();
            let made = format!("SELECT count(*) FROM clients WHERE volunteer_id = '{id}'");
            assert_eq!(app.number(&made).await, 1, "round {round}");
        }
    });
}

/// Two phones with two codes at once, the phone being disabled meanwhile: never two that are active.
#[test]
fn a_volunteer_never_has_two_phones() {
    run(async |app| {
        let regency = app.regency().await;
        let path = volunteer(&regency, VILLAGE).await;
        for _ in 0..rounds(40) {
            app.pass(TimeDelta::minutes(31)); // five codes an hour, two a round
            let regency = app.regency().await;
            let code = code(&regency, &path).await;
            let same = |name: &str| json!({ "code": code, "key": ed25519(name).0 });
            let post = |body| app.nobody().post("/oauth/register", body).without("idempotency-key").settled();
            let lost = json!({ "reason": "lost_or_stolen" });
            let disable = regency.post(&format!("{path}/phone/disable"), lost).settled();
            let more = regency.post(&format!("{path}/phone/codes"), json!({})).settled();
            let (first, second, disabled, _) = tokio::join!(post(same("a")), post(same("b")), disable, more);
            assert!(first.status == 400 || second.status == 400);
            assert!(matches!(disabled.status, 200 | 409), "{}", disabled.text);
            let active = "SELECT coalesce(max(n), 0) FROM (SELECT count(*) AS n FROM clients WHERE kind = 'phone' AND state = 'active' GROUP BY volunteer_id) AS each";
            assert!(app.number(active).await <= 1);
        }
    });
}

#[test]
fn what_is_no_registration_is_refused_and_never_repeated() {
    run(async |app| {
        let regency = app.regency().await;
        let path = volunteer(&regency, VILLAGE).await;
        let code = code(&regency, &path).await;
        let secret = "zqMARK1706024508950001";
        let good = ed25519("k").0;
        let low_order = json!({ "kty": "OKP", "crv": "Ed25519", "x": "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" });
        let mut private = good.clone();
        private["d"] = json!(secret);
        let key = "key is not the public half of an Ed25519 or P-256 key as JWK";
        for (body, error) in [
            (json!({}), "invalid_request"),
            (json!({ "code": code }), "invalid_client_metadata"),
            (json!({ "code": code, "key": good, secret: 1 }), "invalid_request"),
            (json!({ "code": 1, "key": good }), "invalid_request"),
            (json!({ "code": code, "key": secret }), "invalid_client_metadata"),
            (json!({ "code": code, "key": private }), "invalid_client_metadata"),
            (json!({ "code": code, "key": low_order }), "invalid_client_metadata"),
            (json!({ "code": secret, "key": good }), "invalid_grant"),
            (json!({ "code": "", "key": good }), "invalid_grant"),
            (json!({ "code": "0".repeat(10_000), "key": good }), "invalid_grant"),
        ] {
            let reply = register(app, body).await;
            assert_eq!((reply.status, reply.json["error"].as_str()), (400, Some(error)), "{}", reply.text);
            assert!(error != "invalid_client_metadata" || reply.json["error_description"] == key);
            assert!(!reply.text.contains("zqMARK") && !reply.text.contains(&code));
        }
        // nothing of this used the code up
        register(app, json!({ "code": code, "key": good })).await.expect(201);
    });
}

#[test]
fn a_phone_whose_clock_is_wrong_is_told_so_and_what_time_it_is() {
    run(async |app| {
        let regency = app.regency().await;
        let phone = Phone::new(app, &code(&regency, &volunteer(&regency, VILLAGE).await).await).await;
        for ahead in [TimeDelta::days(-1), TimeDelta::hours(2), TimeDelta::minutes(2), TimeDelta::days(4000)] {
            let now = (chrono::Utc::now() + ahead).timestamp();
            let claims = json!({ "iss": phone.id, "sub": phone.id, "aud": app.base, "iat": now, "exp": now + 300,
                "jti": uuid::Uuid::now_v7() });
            let header = Header { kid: Some(phone.kid.clone()), ..Header::new(Algorithm::EdDSA) };
            let assertion = jsonwebtoken::encode(&header, &claims, &phone.key).unwrap();
            let form = [
                ("grant_type", "client_credentials"),
                ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
                ("client_assertion", &assertion),
            ];
            let reply = app.nobody().form("/oauth/token", &form).await;
            assert_eq!((reply.status, &reply.json["error"]), (401, &json!("invalid_client")), "{ahead}");
            let why = reply.json["error_description"].as_str().unwrap();
            assert!(why.contains("compare your clock with the Date header"), "{ahead}: {why}");
            let told = chrono::DateTime::parse_from_rfc2822(reply.header("date")).unwrap();
            assert!((chrono::Utc::now() - told.to_utc()).abs() < TimeDelta::minutes(1));
        }
        phone.sign_in().await;
    });
}

/// A code ends with whatever made it good: the phone that is cut off, the office's client that made it, the volunteer's place.
#[test]
fn a_code_does_not_outlive_what_it_was_made_for() {
    run(async |app| {
        let regency = app.regency().await;
        let dead =
            async |code: &str| refused(&register(app, json!({ "code": code, "key": ed25519("k").0 })).await, ENDED);
        let lost = json!({ "reason": "lost_or_stolen" });

        // the bag with the code in it, before there was a phone and after
        let path = volunteer(&regency, VILLAGE).await;
        let first = code(&regency, &path).await;
        let done = regency.post(&format!("{path}/phone/disable"), lost.clone()).await.expect(200);
        assert_eq!(done.json["client_id"], Value::Null);
        dead(&first).await;
        regency.post(&format!("{path}/phone/disable"), lost.clone()).await.problem(409, "client_state_conflict");
        let phone = Phone::new(app, &code(&regency, &path).await).await;
        let next = code(&regency, &path).await;
        let done = regency.post(&format!("{path}/phone/disable"), lost.clone()).await.expect(200);
        assert_eq!(done.json["client_id"], phone.id);
        dead(&next).await;

        // a client that is cut off leaves no codes behind
        let new = json!({ "kind": "officer", "name": "Loket", "purpose": "Pelayanan", "scopes": ["clients:manage", "volunteers:read"] });
        let made = regency.post("/v1/clients", new).await.expect(201);
        let mut credential = regency.credential.clone().unwrap();
        (credential.client_id, credential.client_secret) =
            (made.id(), made.json["secret"].as_str().unwrap().to_owned());
        let thief = Client::sign_in(app, &credential).await;
        let path = volunteer(&regency, VILLAGE).await;
        let left = code(&thief, &path).await;
        let client = format!("/v1/clients/{}", made.id());
        let misuse = json!({ "reason": "suspected_misuse" });
        regency.act(&format!("{client}/disable"), made.header("etag"), misuse).await.expect(200);
        dead(&left).await;

        // who is rejected has neither phone nor code, and gets none
        let phone = Phone::new(app, &code(&regency, &path).await).await;
        let session = phone.sign_in().await;
        let left = code(&regency, &path).await;
        let etag = regency.get(&path).await.expect(200).header("etag").to_owned();
        let reject = json!({ "reason": "not_resident" });
        regency.act(&format!("{path}/reject"), &etag, reject).await.expect(200);
        is_refused(&session).await;
        dead(&left).await;
        regency.post(&format!("{path}/phone/codes"), json!({})).await.problem(409, "volunteer_state_conflict");
    });
}

#[test]
fn nobody_gives_a_phone_another_key_and_a_repeated_registration_names_its_own() {
    run(async |app| {
        let regency = app.regency().await;
        let path = volunteer(&regency, VILLAGE).await;
        let given = code(&regency, &path).await;
        let (mut jwk, _) = ed25519("first");
        let made = register(app, json!({ "code": given, "key": jwk })).await.expect(201).json;
        jwk["kid"] = json!("second");
        let again = register(app, json!({ "code": given, "key": jwk })).await.expect(201).json;
        assert_eq!((&again["kid"], &again), (&json!("first"), &made));
        let client = format!("/v1/clients/{}", made["client_id"].as_str().unwrap());
        regency.post(&format!("{client}/keys"), ed25519("mine").0).await.problem(409, "phone_keeps_its_key");
        let etag = regency.get(&client).await.expect(200).header("etag").to_owned();
        let rotate = regency.act(&format!("{client}/rotate-secret"), &etag, json!({}));
        rotate.await.problem(409, "phone_keeps_its_key");
    });
}

/// Another office's replay of a cut-off tells it nothing once the volunteer has moved.
#[test]
fn a_replayed_cut_off_is_looked_at_with_todays_eyes() {
    run(async |app| {
        let regency = app.regency().await;
        let path = volunteer(&regency, VILLAGE).await;
        Phone::new(app, &code(&regency, &path).await).await;
        let disable = async |by: &Client<'_>| {
            by.post(&format!("{path}/phone/disable"), json!({ "reason": "lost_or_stolen" })).key("d").await
        };
        let first = disable(&regency).await.expect(200);
        assert_eq!(disable(&regency).await.expect(200).json, first.json);
        app.pass(TimeDelta::days(1));
        let (regency, province) = (app.regency().await, app.province().await);
        let south = "SELECT code FROM regions WHERE code LIKE '17.01.%' AND level = 'village' AND last_listed IS NULL ORDER BY code LIMIT 1";
        let to = json!({ "village_code": app.texts(south).await.remove(0) });
        let etag = province.get(&path).await.expect(200).header("etag").to_owned();
        province.act(&format!("{path}/postings"), &etag, to).await.expect(200);
        disable(&regency).await.problem(404, "not_found");
    });
}

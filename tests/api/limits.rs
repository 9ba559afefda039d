//! How often one may call.
use crate::cases::{KOTO_JAYA, patient, report};
use crate::clients::ed25519;
use crate::support::{Client, TestApp, run, run_with, within_a_second};
use chrono::TimeDelta;
use serde_json::{Value, json};
use simpul::platform::config::{Config, Rates};
use simpul::platform::limits::Rate;

/// Grants the agency of a client so many requests a minute; null: as many as every agency.
async fn grant(app: &TestApp, client: &Client<'_>, rate: Value) {
    let (ministry, path) = (app.ministry().await, format!("/v1/agencies/{}", client.agency));
    let etag = ministry.get(&path).await.expect(200).header("etag").to_owned();
    let agency = ministry.patch(&path, &etag, json!({ "rate_limit": rate })).await.expect(200);
    let told = if rate.is_null() { Value::Null } else { rate };
    assert_eq!(agency.json.get("rate_limit").cloned().unwrap_or_default(), told);
}

/// Waits until an agency is counted by this rate: within a second.
async fn counted_by(client: &Client<'_>, rate: u32) {
    let wanted = format!("\"agency\";q={rate};w=60");
    within_a_second(async || client.get("/v1/me").await.header("ratelimit-policy").ends_with(&wanted)).await;
}

#[test]
fn who_sends_too_much_waits_and_nobody_else() {
    run(async |app| {
        let (bpjs, branch) = (app.bpjs().await, app.bpjs_branch().await);
        let free = bpjs.get("/v1/me").await.expect(200);
        assert_eq!(free.header("ratelimit-policy"), "\"client\";q=1000000;w=60, \"agency\";q=1000000;w=60");
        grant(app, &bpjs, json!(6)).await;
        counted_by(&bpjs, 6).await;
        let mut left = None;
        let refused = loop {
            let reply = bpjs.get("/v1/me").await;
            let state = reply.header("ratelimit").to_owned();
            if reply.status == 429 {
                break reply;
            }
            assert!(left.replace(state.clone()) != Some(state), "nothing was taken");
        };
        let refused = refused.problem(429, "rate_limited");
        assert_eq!(refused.json["title"], "Too Many Requests");
        assert_eq!(refused.header("ratelimit"), "\"client\";r=0;t=60");
        let wait: i64 = refused.header("retry-after").parse().unwrap();
        assert!((1..=10).contains(&wait), "{wait}");
        // not by what the request is: before rights, bodies and ids are looked at
        bpjs.post("/v1/cases", json!({})).await.problem(429, "rate_limited");
        bpjs.get("/v1/referrals/x").await.problem(429, "rate_limited");
        // a token that fails is no request of anybody
        bpjs.with_token("x.y.z").get("/v1/me").await.problem(401, "unauthenticated");
        branch.get("/v1/me").await.expect(200);

        app.pass(TimeDelta::seconds(wait));
        bpjs.get("/v1/me").await.expect(200);
        bpjs.get("/v1/me").await.problem(429, "rate_limited");
        grant(app, &bpjs, Value::Null).await;
        counted_by(&bpjs, 1_000_000).await;
        for wrong in [json!(0), json!(-1), json!(1_000_001), json!(1.5), json!("6"), json!(i64::MAX)] {
            let (ministry, path) = (app.ministry().await, format!("/v1/agencies/{}", bpjs.agency));
            let etag = ministry.get(&path).await.expect(200).header("etag").to_owned();
            let reply = ministry.patch(&path, &etag, json!({ "rate_limit": wrong })).await;
            assert_eq!(reply.problem(400, "malformed").json["errors"][0]["pointer"], "/rate_limit");
        }
    });
}

fn rates(change: impl FnOnce(&mut Rates)) -> impl FnOnce(&mut Config) {
    |config| change(&mut config.settings.rates)
}

#[test]
fn a_client_does_not_use_up_what_its_agency_has() {
    let few = rates(|rates| (rates.client, rates.agency) = (Rate::a_minute(10), Rate::a_minute(16)));
    run_with(few, async |app| {
        let (officer, phone) = (app.regency().await, app.phone().await);
        while officer.get("/v1/me").await.status == 200 {}
        officer.get("/v1/me").await.problem(429, "rate_limited");
        // signing in took one request of each: five are left for the agency's others
        let mut taken = 0;
        let last = loop {
            let reply = phone.get("/v1/me").await;
            if reply.status == 429 {
                break reply;
            }
            taken += 1;
        };
        assert_eq!(taken, 5);
        assert!(last.header("ratelimit").contains("\"agency\";r=0"), "{}", last.header("ratelimit"));
        assert!(last.header("ratelimit").starts_with("\"client\";r=3"), "{}", last.header("ratelimit"));
    });
}

#[test]
fn tokens_are_limited_and_no_stranger_locks_a_client_out() {
    let few = rates(|rates| (rates.tokens, rates.strangers) = (Rate::a_minute(30), Rate::a_minute(20)));
    run_with(few, async |app| {
        let credential = app.bpjs().await.credential.unwrap();
        let ask = async |secret: &str, from: &str| {
            let basic = base64(&format!("{}:{secret}", credential.client_id));
            let form = app.nobody().form("/oauth/token", &[("grant_type", "client_credentials")]);
            form.header("authorization", &format!("Basic {basic}")).header("x-forwarded-for", from).await
        };
        let good = &credential.client_secret;
        // It has proved itself from one of these addresses before.
        ask(good, "203.0.113.1").await.expect(200);
        for from in ["203.0.113.1", "198.51.100.1"] {
            let mut wrong = 0;
            let refused = loop {
                let basic = base64(&format!("{}:x", uuid::Uuid::now_v7()));
                let form = app.nobody().form("/oauth/token", &[("grant_type", "client_credentials")]);
                let form = form.header("authorization", &format!("Basic {basic}"));
                let reply = form.header("x-forwarded-for", from).await;
                if reply.status == 429 {
                    break reply;
                }
                assert_eq!(reply.status, 401);
                wrong += 1;
            };
            assert!((20..=21).contains(&wrong), "{wrong}");
            assert_eq!(refused.json["error"], "slow_down");
            assert!(refused.header("retry-after").parse::<u32>().unwrap() >= 1);
        }
        // where it is known it is let in, where it is not it has to wait, and elsewhere it is nobody's business
        ask(good, "203.0.113.1").await.expect(200);
        ask(good, "198.51.100.1").await.expect(429);
        ask(good, "192.0.2.1").await.expect(200);
        // its own failures are not taken from what it may get, nor anybody else's in its name
        for _ in 0..40 {
            ask("x", "203.0.113.1").await.expect(401);
        }
        // and yet they come to an end, there and nowhere else
        ask(good, "192.0.2.77").await.expect(200);
        let mut wrong = 0;
        while ask("x", "192.0.2.77").await.status == 401 {
            wrong += 1;
        }
        assert!((200..=250).contains(&wrong), "{wrong}");
        ask(good, "203.0.113.1").await.expect(200);
        let mut got = 0;
        let last = loop {
            let reply = ask(good, "203.0.113.1").await;
            if reply.status == 429 {
                break reply;
            }
            got += 1;
        };
        assert!(got > 15, "{got}");
        assert_eq!(last.json["error"], "slow_down");
        app.pass(TimeDelta::seconds(2));
        ask(good, "203.0.113.1").await.expect(200);
        // an address of IPv6 is one of many of a host
        let mut codes = vec![];
        for host in 0..30 {
            codes.push(ask("x", &format!("2001:db8::{host:x}")).await.status);
        }
        assert!(codes.contains(&429));
        ask("x", "2001:db8:0:1::1").await.expect(401);
    });
}

#[test]
fn codes_of_phones_are_not_guessed() {
    let few = rates(|rates| rates.strangers = Rate::a_minute(20));
    run_with(few, async |app| {
        let (key, mut statuses) = (ed25519("k").0, vec![]);
        for _ in 0..25 {
            let body = json!({ "code": "K7QF-9M2D-X4TA", "key": key });
            let post = app.nobody().post("/oauth/register", body).header("x-forwarded-for", "198.51.100.7");
            statuses.push(post.without("idempotency-key").await.status);
        }
        assert_eq!((statuses[0], statuses[24]), (400, 429));
        // tokens are another matter
        let asks = app.nobody().form("/oauth/token", &[("grant_type", "client_credentials")]);
        let bpjs = app.credential("BPJS Kesehatan", simpul::access::rules::ClientKind::System);
        let basic = base64(&format!("{}:{}", bpjs.client_id, bpjs.client_secret));
        let asks = asks.header("authorization", &format!("Basic {basic}"));
        asks.header("x-forwarded-for", "198.51.100.7").await.expect(200);
    });
}

/// What a thief sends from elsewhere with a token of a client that is limited to its networks is not the client's.
#[test]
fn a_request_from_elsewhere_takes_nothing_from_the_client() {
    let few = rates(|rates| (rates.client, rates.agency) = (Rate::a_minute(20), Rate::a_minute(40)));
    run_with(few, async |app| {
        let regency = app.regency().await;
        let new = json!({ "kind": "system", "name": "A", "purpose": "B", "scopes": ["cases:read"], "networks": ["203.0.113.0/24"] });
        let made = regency.post("/v1/clients", new).await.expect(201).json;
        let mut credential = regency.credential.clone().unwrap();
        (credential.client_id, credential.client_secret) =
            (made["id"].as_str().unwrap().to_owned(), made["secret"].as_str().unwrap().to_owned());
        let basic = base64(&format!("{}:{}", credential.client_id, credential.client_secret));
        let form = app.nobody().form("/oauth/token", &[("grant_type", "client_credentials")]);
        let form = form.header("authorization", &format!("Basic {basic}")).header("x-forwarded-for", "203.0.113.9");
        let token = form.await.expect(200).json["access_token"].as_str().unwrap().to_owned();
        let client = app.nobody().with_token(&token);
        for _ in 0..60 {
            let stolen = client.get("/v1/me").header("x-forwarded-for", "198.51.100.1").await;
            stolen.problem(403, "address_not_allowed");
        }
        let own = client.get("/v1/me").header("x-forwarded-for", "203.0.113.9").await.expect(200);
        assert!(own.header("ratelimit").starts_with("\"client\";r=19"), "{}", own.header("ratelimit"));
    });
}

/// Personal numbers are neither tried out nor gathered: an agency has so many of both an hour.
#[test]
fn searches_by_number_and_reveals_have_budgets() {
    let few = |config: &mut Config| {
        let rates = &mut config.settings.rates;
        (rates.agency, rates.searches, rates.reveals) = (Rate::a_minute(100_000), Rate::an_hour(4), Rate::an_hour(2));
    };
    run_with(few, async |app| {
        let (regency, neighbour) = (app.regency().await, app.neighbour_regency().await);
        let search = async |client: &Client<'_>, body: Value| {
            client.post("/v1/volunteers/search", body).without("idempotency-key").await
        };
        let wanted = || json!({ "phone": "0812 0000 0001", "purpose": "identity_check" });
        for left in (0..4).rev() {
            // what is malformed was a try, too
            let body = if left == 2 { json!({}) } else { wanted() };
            let reply = search(&regency, body).await.expect(if left == 2 { 400 } else { 200 });
            assert!(
                reply.header("ratelimit-policy").ends_with(", \"searches\";q=4;w=3600"),
                "{}",
                reply.header("ratelimit-policy")
            );
            assert!(
                reply.header("ratelimit").contains(&format!(", \"searches\";r={left};t=")),
                "{}",
                reply.header("ratelimit")
            );
        }
        let spent = search(&regency, wanted()).await.problem(429, "budget_spent");
        let wait: i64 = spent.header("retry-after").parse().unwrap();
        assert!((1..=900).contains(&wait), "{wait}");
        assert!(spent.header("ratelimit").ends_with(", \"searches\";r=0;t=3600"), "{}", spent.header("ratelimit"));
        let denied = "SELECT concat_ws(' ', action, outcome, detail, acting_user) FROM audit_events WHERE detail = 'budget_spent'";
        assert_eq!(app.texts(denied).await, ["volunteers.search denied budget_spent staf-0017"]);
        // another agency has its own, and nobody without the right takes any of it
        search(&neighbour, wanted()).await.expect(200);
        let dashboard = app.dashboard().await;
        search(&dashboard, wanted()).await.problem(403, "forbidden");
        // by name it is no matter of numbers
        let names = regency.post("/v1/volunteers/search-names", json!({ "name": "Siti" })).without("idempotency-key");
        assert!(!names.await.expect(200).header("ratelimit").contains("searches"));

        // one budget for whatever is shown in full
        let reveal = async |client: &Client<'_>, path: &str| {
            client.post(&format!("{path}/reveal"), json!({ "purpose": "eligibility" })).without("idempotency-key").await
        };
        let volunteer = regency.get("/v1/volunteers?limit=1").await.expect(200).json["items"][0]["id"].clone();
        let volunteer = format!("/v1/volunteers/{}", volunteer.as_str().unwrap());
        let case = format!("/v1/cases/{}", report(&regency, patient(KOTO_JAYA)).await.id());
        reveal(&regency, &volunteer).await.expect(200);
        let last = reveal(&regency, &case).await.expect(200);
        assert!(last.header("ratelimit").contains(", \"reveals\";r=0;t="), "{}", last.header("ratelimit"));
        let referral = format!("/v1/referrals/{}", uuid::Uuid::now_v7());
        for path in [&volunteer, &case, &referral] {
            reveal(&regency, path).await.problem(429, "budget_spent");
        }
        assert!(regency.get(&volunteer).await.expect(200).header("ratelimit").matches(';').count() == 4);
        // it fills evenly
        app.pass(TimeDelta::minutes(31));
        let regency = app.regency().await;
        reveal(&regency, &volunteer).await.expect(200);
        reveal(&regency, &volunteer).await.problem(429, "budget_spent");
        // with a rate of its own an agency has more in proportion
        grant(app, &regency, json!(300_000)).await;
        counted_by(&regency, 300_000).await;
        for _ in 0..6 {
            reveal(&regency, &volunteer).await.expect(200);
        }
        reveal(&regency, &volunteer).await.problem(429, "budget_spent");
    });
}

fn base64(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}

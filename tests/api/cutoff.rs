//! A cut-off reaches every process of the service: two `simpul serve` on one database, one told and both asked.
use crate::cases::{KOTO_JAYA, elder};
use crate::support::{self, Client, TestApp, rounds, run};
use futures_util::future::{LocalBoxFuture, join, join_all};
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What is promised, from the answer to whoever cuts somebody off to the last request that is still taken.
const PROMISED: Duration = Duration::from_secs(1);
/// How long a probe waits for a change before it gives up.
const PATIENCE: Duration = Duration::from_secs(20);
/// Answers of the new kind in a row that end a probe.
const SETTLED: u32 = 10;

/// One process of the service. It has the name and the keys of the app under test, so that they take each other's tokens.
struct Node {
    child: Child,
    base: String,
    /// Of the request that is repeated here: two at once with one key would wait for each other.
    key: &'static str,
}

impl Node {
    fn start(app: &TestApp, key: &'static str) -> Self {
        let config = support::config(&app.base, "");
        let mut child = Command::new(env!("CARGO_BIN_EXE_simpul"))
            .arg("serve")
            .env_clear()
            .current_dir(std::env::temp_dir())
            .envs([("LISTEN", "127.0.0.1:0"), ("ADMIN_LISTEN", "127.0.0.1:0"), ("LOG_LEVEL", "off")])
            .env("DATABASE_URL", app.database_url("simpul_service"))
            .env("PUBLIC_URL", &app.base)
            .env("SIGNING_KEYS_DIR", &config.signing_keys_dir)
            .env("DATA_KEYS_DIR", &config.data_keys_dir)
            .env("DOCUMENTS_DIR", std::env::temp_dir())
            .envs(["CLIENT", "AGENCY", "TOKENS", "STRANGERS"].map(|of| (format!("RATE_LIMIT_{of}"), "1000000")))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let base = line.trim().strip_prefix("ready ").unwrap_or_else(|| panic!("it does not start: {line}")).to_owned();
        Self { child, base, key }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A client of the service that may ask any of its processes.
struct Caller<'a> {
    client: Client<'a>,
    token: String,
}

impl<'a> Caller<'a> {
    fn new(client: Client<'a>) -> Self {
        Self { token: client.token.clone().unwrap(), client }
    }

    fn request(&self, node: &Node, method: Method, path: &str) -> RequestBuilder {
        self.client.app.http.request(method, format!("{}{path}", node.base)).bearer_auth(&self.token)
    }

    /// Whether it may read.
    async fn reads(&self, node: &Node) -> Option<bool> {
        let_in(send(self.request(node, Method::GET, "/v1/me")).await)
    }

    /// Whether it gets the answer again that it has had: nothing is done, and still it must be let in.
    async fn replays(&self, node: &Node) -> Option<bool> {
        let request = self.request(node, Method::POST, "/v1/cases").header("idempotency-key", node.key);
        let reply = send(request.json(&case_of(node))).await;
        assert!(reply.0 != 201 || reply.1["idempotency-replayed"] == "true", "done twice");
        let_in(reply)
    }

    /// Whether it gets a new token.
    async fn buys(&self, node: &Node) -> Option<bool> {
        let_in(send(self.token_request(node)).await)
    }

    fn token_request(&self, node: &Node) -> RequestBuilder {
        let credential = self.client.credential.as_ref().unwrap();
        let request = self.client.app.http.post(format!("{}/oauth/token", node.base));
        let request = request.basic_auth(&credential.client_id, Some(&credential.client_secret));
        let form = request.header("content-type", "application/x-www-form-urlencoded");
        form.body("grant_type=client_credentials&acting_user=staf-0017")
    }
}

/// One that the other nodes have not made.
fn case_of(node: &Node) -> Value {
    let mut case = elder(KOTO_JAYA);
    case["person"]["name"] = json!(format!("Mbah {}", node.key));
    case
}

type Answer = (u16, HeaderMap, Value);

async fn send(request: RequestBuilder) -> Answer {
    let reply = request.send().await.unwrap();
    (reply.status().as_u16(), reply.headers().clone(), reply.json().await.unwrap())
}

/// Sends until the service is not too busy to answer.
async fn insist(request: impl Fn() -> RequestBuilder) -> Answer {
    let begun = Instant::now();
    loop {
        let answer = send(request()).await;
        if answer.0 != 503 {
            return answer;
        }
        assert!(begun.elapsed() < PATIENCE, "{}", answer.2);
    }
}

/// Whether the caller was let in; none where the service was too busy to tell.
fn let_in((status, _, body): Answer) -> Option<bool> {
    match status {
        200 | 201 => Some(true),
        401 if body["code"] == "unauthenticated" || body["error"] == "invalid_client" => Some(false),
        503 => None,
        _ => panic!("{status}: {body}"),
    }
}

/// When the last request was sent that was answered as before the change, and when that answer came.
type Last = (Instant, Instant);

/// Asks without a pause until the answer has become `wanted` and stays so.
async fn probe(wanted: bool, ask: impl AsyncFn() -> Option<bool>) -> Last {
    let begun = Instant::now();
    let (mut last, mut row) = ((begun, begun), 0);
    while row < SETTLED {
        let sent = Instant::now();
        assert!(sent - begun < PATIENCE, "nothing changed");
        match ask().await {
            Some(found) if found == wanted => row += 1,
            Some(_) => (last, row) = ((sent, Instant::now()), 0),
            None => {}
        }
    }
    last
}

/// Makes a change while every way in is asked on both processes. Returns how long it took as its maker saw it, from before
/// the request to after the last answer as before: the time of a slow machine is in it.
async fn reaches(change: impl AsyncFnOnce(), probes: impl Future<Output = Vec<Last>>) -> Duration {
    let begun = Instant::now();
    let changed = async {
        change().await;
        Instant::now()
    };
    let (done, last) = join(changed, probes).await;
    for (sent, _) in &last {
        // A slow machine makes a change or an answer late, not a request that is sent a second after the one be taken.
        let late = sent.saturating_duration_since(done);
        assert!(late <= PROMISED, "still answered as before {late:?} later");
    }
    last.into_iter().map(|(_, answered)| answered - begun).max().unwrap_or_default()
}

/// Every way in, on both processes at once: a read, a replay and, if it is to change too, a new token.
async fn ways_in(wanted: bool, nodes: &[Node], caller: &Caller<'_>, tokens: bool) -> Vec<Last> {
    let mut ways: Vec<LocalBoxFuture<'_, Last>> = vec![];
    for node in nodes {
        ways.push(Box::pin(probe(wanted, async || caller.reads(node).await)));
        ways.push(Box::pin(probe(wanted, async || caller.replays(node).await)));
        if tokens {
            ways.push(Box::pin(probe(wanted, async || caller.buys(node).await)));
        }
    }
    join_all(ways).await
}

/// An action on a row, by a call to the first process.
async fn act(who: &Caller<'_>, node: &Node, path: &str, action: &str, body: Value) {
    let etag = insist(|| who.request(node, Method::GET, path)).await.1["etag"].clone();
    let key = uuid::Uuid::now_v7().to_string();
    let request = || who.request(node, Method::POST, &format!("{path}/{action}")).json(&body);
    let (status, _, body) = insist(|| request().header("if-match", &etag).header("idempotency-key", &key)).await;
    assert_eq!(status, 200, "{action}: {body}");
}

/// Another client of the agency, which may do to the first what that cannot do to itself.
async fn manager<'a>(app: &'a TestApp, client: &Client<'a>) -> Caller<'a> {
    let new = json!({ "kind": "officer", "name": "Pengelola", "purpose": "Pengelolaan", "scopes": ["clients:manage"] });
    let made = client.post("/v1/clients", new).await.expect(201).json;
    let mut credential = client.credential.clone().unwrap();
    let of = |name: &str| made[name].as_str().unwrap().to_owned();
    (credential.client_id, credential.client_secret) = (of("id"), of("secret"));
    Caller::new(Client::sign_in(app, &credential).await)
}

/// The old token stays shut out; all take a new one, whichever process issued it.
async fn renew(nodes: &[Node], caller: &mut Caller<'_>) {
    ways_in(false, nodes, caller, false).await;
    for node in nodes {
        let begun = Instant::now();
        caller.token = loop {
            let answer = send(caller.token_request(node)).await.2;
            if let Some(token) = answer["access_token"].as_str() {
                break token.to_owned();
            }
            assert!(begun.elapsed() < PATIENCE, "{answer}");
        };
        ways_in(true, nodes, caller, true).await;
    }
}

#[test]
fn whoever_is_cut_off_is_refused_by_every_process_within_a_second_and_let_in_again() {
    run(async |app| {
        let nodes = [Node::start(app, "first"), Node::start(app, "second")];
        let (ministry, mut regency) = (Caller::new(app.ministry().await), Caller::new(app.regency().await));
        let (agency, id) =
            (regency.client.agency.clone(), regency.client.credential.as_ref().unwrap().client_id.clone());
        for node in &nodes {
            regency.client.post("/v1/cases", case_of(node)).key(node.key).await.expect(201);
        }
        let manager = manager(app, &regency.client).await;
        let (agency, client) = (format!("/v1/agencies/{agency}"), format!("/v1/clients/{id}"));
        let to_agency = async |action: &str| act(&ministry, &nodes[0], &agency, action, json!({})).await;
        let to_client = async |action: &str, body: Value| act(&manager, &nodes[0], &client, action, body).await;
        let because = |reason: &str| json!({ "reason": reason });
        let mut longest = Duration::ZERO;
        for round in 0..rounds(20) {
            // everybody is let in
            ways_in(true, &nodes, &regency, true).await;
            let (shut, open) = (ways_in(false, &nodes, &regency, round % 3 < 2), ways_in(true, &nodes, &regency, true));
            let (out, back) = match round % 3 {
                0 => (
                    reaches(async || to_agency("suspend").await, shut).await,
                    reaches(async || to_agency("reactivate").await, open).await,
                ),
                // What was issued before stays shut out, as below.
                1 => {
                    let out = reaches(async || to_client("disable", because("suspected_misuse")).await, shut).await;
                    to_client("enable", because("cleared")).await;
                    drop(open);
                    renew(&nodes, &mut regency).await;
                    (out, out)
                }
                _ => {
                    let out = reaches(async || to_client("revoke-tokens", json!({})).await, shut).await;
                    drop(open);
                    renew(&nodes, &mut regency).await;
                    (out, out)
                }
            };
            longest = longest.max(out).max(back);
        }
        println!("longest, as seen from outside: {longest:?}");
    });
}

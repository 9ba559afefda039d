//! A demo that is killed while it is written to: what it said yes to is there, and once.
use crate::demo::{Clients, Demo, data_dir, nothing_is_left, send, start, stop};
use crate::support::rounds;
use rustix::process::Signal;
use serde_json::{Value, json};
use simpul::access::rules::ClientKind;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const WRITERS: usize = 6;

/// Who writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Village,
    Bpjs,
    Regency,
}

/// One act, the same each time that it is sent.
#[derive(Debug, Clone)]
struct Act {
    by: By,
    path: String,
    key: String,
    body: Value,
}

/// How to reach a demo; the address and the tokens are new after each start.
#[derive(Clone)]
struct Line {
    http: reqwest::Client,
    base: String,
    tokens: [String; 3],
    target: Value,
}

impl Line {
    fn to(dir: &Path, demo: &Demo) -> (Clients, Self) {
        let clients = Clients::of(dir, demo);
        let tokens = [
            ("Pemerintah Kelurahan Koto Jaya", ClientKind::Officer),
            ("BPJS Kesehatan", ClientKind::System),
            ("Dinas Sosial Kabupaten Mukomuko", ClientKind::Officer),
        ]
        .map(|(agency, kind)| clients.token(clients.find(agency, kind)));
        let target = clients.get(&tokens[1], "/v1/me")["agency_id"].clone();
        let line = Self { http: clients.http.clone(), base: clients.base.clone(), tokens, target };
        (clients, line)
    }

    fn token(&self, by: By) -> &str {
        let [village, bpjs, regency] = &self.tokens;
        match by {
            By::Village => village,
            By::Bpjs => bpjs,
            By::Regency => regency,
        }
    }

    /// The answer with whether it is one given before; nothing if the connection broke or the service asks to come again.
    async fn send(&self, act: &Act) -> Option<(Value, bool)> {
        let request = self.http.post(format!("{}{}", self.base, act.path)).bearer_auth(self.token(act.by));
        let request = request.header("idempotency-key", &act.key).header("if-match", "\"1-0\"").json(&act.body);
        let reply = request.send().await.ok()?;
        let (status, replayed) = (reply.status().as_u16(), reply.headers().contains_key("idempotency-replayed"));
        let body: Value = reply.json().await.ok()?;
        match status {
            200 | 201 => Some((body, replayed)),
            503 => None,
            _ => panic!("{act:?}: {body}"),
        }
    }
}

/// What one of those who write at the same time did, and what it does not know the end of.
#[derive(Default)]
struct Writer {
    number: usize,
    acts: usize,
    done: Vec<(Act, Value)>,
    open: Option<Act>,
}

impl Writer {
    /// A case with a referral, its acknowledgement by BPJS, a volunteer; over and over.
    fn next(&mut self, target: &Value) -> Act {
        let serial = format!("{}-{}", self.number, self.acts);
        self.acts += 1;
        let act = |by, path: String, body| Act { by, path, key: format!("killed-{serial}"), body };
        match (self.acts % 3, self.done.last()) {
            (1, _) => act(
                By::Village,
                "/v1/cases".to_owned(),
                json!({
                    "village_code": "17.06.02.1017", "ppks": ["PPKS-24"], "lawful_basis": "public_task",
                    "person": { "name": crate::support::a_name(), "birth_date": "1991-03-14" },
                    "need": "PBI-JK nonaktif.",
                    "referral": { "target_agency_id": target, "service": "pbi_jk_reactivation" },
                }),
            ),
            (2, Some((_, case))) => {
                let referral = case["referral_id"].as_str().unwrap();
                act(By::Bpjs, format!("/v1/referrals/{referral}/acknowledge"), json!({}))
            }
            _ => act(
                By::Regency,
                "/v1/volunteers".to_owned(),
                json!({ "village_code": "17.06.02.1017", "name": crate::support::a_name(), "birth_date": "1995-08-05" }),
            ),
        }
    }

    /// Writes until the connection breaks. Whoever reaches `last` kills the demo, while the others wait for their answers.
    async fn write(mut self, line: Line, count: Arc<AtomicUsize>, last: usize, pid: u32) -> Self {
        loop {
            let act = self.open.take().unwrap_or_else(|| self.next(&line.target));
            let Some((answer, _)) = line.send(&act).await else {
                self.open = Some(act);
                if line.http.get(format!("{}/livez", line.base)).send().await.is_err() {
                    return self;
                }
                continue;
            };
            self.done.push((act, answer));
            if count.fetch_add(1, Ordering::Relaxed) + 1 == last {
                send(Signal::KILL, pid);
            }
        }
    }
}

fn total(clients: &Clients, token: &str, path: &str) -> usize {
    usize::try_from(clients.get(token, path)["total"].as_u64().unwrap()).unwrap()
}

/// Cases, referrals and volunteers that there are, whoever looks.
fn totals(clients: &Clients, line: &Line) -> [usize; 3] {
    let regency = line.token(By::Regency);
    ["/v1/cases?limit=1", "/v1/referrals?limit=1", "/v1/volunteers?limit=1"].map(|list| total(clients, regency, list))
}

#[test]
fn killed_under_writes_it_loses_and_doubles_nothing() {
    let dir = data_dir("killed");
    let mut before = None;
    let mut writers: Vec<Writer> = (0..WRITERS).map(|number| Writer { number, ..Writer::default() }).collect();
    for round in 0..rounds(10) {
        let demo = start(&dir);
        let (clients, line) = Line::to(&dir, &demo);
        before.get_or_insert_with(|| totals(&clients, &line));
        let (count, last) = (Arc::new(AtomicUsize::new(0)), 20 + 7 * usize::try_from(round).unwrap());
        let pid = demo.pid();
        writers = clients.runtime.block_on(async {
            let writing = writers.into_iter().map(|one| one.write(line.clone(), count.clone(), last, pid));
            futures_util::future::join_all(writing).await
        });
        stop(demo, Signal::KILL);
        nothing_is_left(&dir);
    }

    let demo = start(&dir);
    let (clients, line) = Line::to(&dir, &demo);
    // What nobody knows the end of is sent again, as a client would: afterwards it is done, and once.
    for writer in &mut writers {
        if let Some(act) = writer.open.take() {
            let (answer, _) = clients.runtime.block_on(line.send(&act)).unwrap();
            writer.done.push((act, answer));
        }
    }
    let done: Vec<&(Act, Value)> = writers.iter().flat_map(|writer| &writer.done).collect();
    let by = |who| done.iter().filter(|(act, _)| act.by == who).count();
    assert!([By::Village, By::Bpjs, By::Regency].into_iter().all(|who| by(who) > 8), "too little was written");
    let [cases, referrals, volunteers] = before.unwrap();
    let now = [cases + by(By::Village), referrals + by(By::Village), volunteers + by(By::Regency)];
    assert_eq!(totals(&clients, &line), now, "a write was lost or doubled");
    for (act, answer) in done {
        let (again, replayed) = clients.runtime.block_on(line.send(act)).unwrap();
        assert!(replayed && again["id"] == answer["id"], "{act:?} was done twice");
        if act.by == By::Bpjs {
            let at = act.path.trim_end_matches("/acknowledge");
            let history = clients.get(line.token(By::Bpjs), &format!("{at}/history"));
            let moves: Vec<&str> =
                history["items"].as_array().unwrap().iter().map(|m| m["action"].as_str().unwrap()).collect();
            assert_eq!(moves, ["create", "acknowledge"]);
            assert_eq!(clients.get(line.token(By::Bpjs), at)["status"], "received");
        }
    }
    let regency = line.token(By::Regency);
    let figures = clients.get(regency, "/v1/statistics/referrals?group_by=status");
    for bucket in figures["buckets"].as_array().unwrap() {
        let list = bucket["list_url"].as_str().unwrap().trim_start_matches(&clients.base).to_owned();
        assert_eq!(bucket["count"], total(&clients, regency, &list), "{bucket}");
    }
    stop(demo, Signal::TERM);
    nothing_is_left(&dir);
    std::fs::remove_dir_all(&dir).unwrap();
}

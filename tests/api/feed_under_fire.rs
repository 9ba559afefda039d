//! The feed under fire: a hundred thousand changes by transactions that stay open at random, while two readers poll. Each is told of
//! every committed change that concerns it once, in the order in which its row changed, and of each row that it loses sight of.
use crate::cases::KOTO_JAYA;
use crate::support::feed::Follower;
use crate::support::{TestApp, rounds, run};
use diesel_async::SimpleAsyncConnection;
use futures_util::future::join_all;
use simpul::access::rules::AgencyId;
use simpul::changes::rules::{Audience, Change, ChangeType, Op};
use simpul::changes::store as changes;
use simpul::platform::db::{Conn, Target};
use simpul::platform::region_code::RegionCode;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use uuid::Uuid;

const WRITERS: usize = 6;
/// Rows of each writer.
const ROWS: usize = 50;

/// Who sees a row: the regency, BPJS.
type Seen = [bool; 2];
/// What a reader is told: of which row, in which version, what to do.
type Told = (Uuid, i32, &'static str);

/// One of the writers, and what it has committed.
struct Writer {
    conn: Conn,
    bpjs: AgencyId,
    rows: Vec<(Uuid, i32, Seen)>,
    expected: [Vec<Told>; 2],
    committed: usize,
}

impl Writer {
    async fn new(app: &TestApp, bpjs: AgencyId) -> Self {
        let conn = Target::new(&app.database_url("simpul_service"), None).unwrap().connect().await.unwrap().0;
        let rows = (0..ROWS).map(|_| (Uuid::now_v7(), 0, [false, false])).collect();
        Self { conn, bpjs, rows, expected: [vec![], vec![]], committed: 0 }
    }

    fn audience(&self, seen: Seen) -> Audience {
        let village = RegionCode::parse(if seen[0] { KOTO_JAYA } else { "15.01.01.2001" }).unwrap();
        Audience {
            regions: vec![village],
            agencies: if seen[1] { vec![self.bpjs] } else { vec![] },
            ..Audience::default()
        }
    }

    /// One transaction of a few changes, which others outlast or not; every eighth is rolled back.
    async fn transaction(&mut self, app: &TestApp) {
        self.conn.batch_execute("BEGIN").await.unwrap();
        let (mut rows, mut expected, changed) = (self.rows.clone(), [vec![], vec![]], fastrand::usize(1..40));
        for _ in 0..changed {
            let (id, version, before) = rows[fastrand::usize(0..ROWS)];
            let after = [fastrand::bool(), fastrand::bool()];
            let (at, version) = (app.clock.now(), version + 1);
            let audiences =
                (if version == 1 { Audience::default() } else { self.audience(before) }, self.audience(after));
            let (r#type, op) = (ChangeType::Referral, Op::Upsert);
            let change =
                Change { r#type, id, version, op, redirected_to: None, before: audiences.0, after: audiences.1, at };
            changes::publish(&mut self.conn, &change).await.unwrap();
            for reader in 0..2 {
                if after[reader] || before[reader] {
                    expected[reader].push((id, version, if after[reader] { "upsert" } else { "removed" }));
                }
            }
            let row = rows.iter_mut().find(|row| row.0 == id).unwrap();
            *row = (id, version, after);
            if fastrand::u32(0..10) == 0 {
                self.conn.batch_execute("SELECT 1").await.unwrap();
            }
        }
        if fastrand::u32(0..8) == 0 {
            self.conn.batch_execute("ROLLBACK").await.unwrap();
            return;
        }
        self.conn.batch_execute("COMMIT").await.unwrap();
        self.rows = rows;
        self.committed += changed;
        for (all, new) in self.expected.iter_mut().zip(expected) {
            all.extend(new);
        }
    }
}

/// What was told of each row, in its order.
fn by_row(told: &[Told]) -> BTreeMap<Uuid, Vec<(i32, &'static str)>> {
    let mut rows: BTreeMap<Uuid, Vec<(i32, &'static str)>> = BTreeMap::new();
    for (id, version, op) in told {
        rows.entry(*id).or_default().push((*version, op));
    }
    rows
}

async fn poll(mut reader: Follower<'_>, at_work: &AtomicUsize) -> Vec<Told> {
    let mut told = vec![];
    loop {
        let last = at_work.load(Ordering::Relaxed) == 0;
        let news = if last { reader.news().await } else { reader.read(fastrand::usize(1..1000)).await };
        told.extend(news.iter().map(|item| {
            let op = if item["op"] == "removed" { "removed" } else { "upsert" };
            let id = item["id"].as_str().unwrap().parse().unwrap();
            (id, i32::try_from(item["version"].as_i64().unwrap()).unwrap(), op)
        }));
        if last {
            return told;
        }
    }
}

#[test]
fn a_hundred_thousand_changes_are_told_once_and_none_is_lost() {
    run(async |app| {
        app.tampers();
        let wanted = usize::try_from(rounds(100_000)).unwrap();
        let bpjs = app.bpjs().await;
        let agency = AgencyId(bpjs.agency.parse().unwrap());
        let mut writers = vec![];
        for _ in 0..WRITERS {
            writers.push(Writer::new(app, agency).await);
        }
        let readers = [Follower::new(app.regency().await).await, Follower::new(bpjs).await];
        let at_work = AtomicUsize::new(WRITERS);
        let write = async |writer: &mut Writer| {
            while writer.committed < wanted.div_ceil(WRITERS) {
                writer.transaction(app).await;
            }
            at_work.fetch_sub(1, Ordering::Relaxed);
        };
        let [regency, bpjs] = readers;
        let (_, regency, bpjs) =
            tokio::join!(join_all(writers.iter_mut().map(write)), poll(regency, &at_work), poll(bpjs, &at_work));
        assert!(writers.iter().map(|writer| writer.committed).sum::<usize>() >= wanted);
        for (reader, told) in [regency, bpjs].iter().enumerate() {
            assert_eq!(told.len(), told.iter().collect::<BTreeSet<_>>().len(), "told twice");
            let expected: Vec<Told> = writers.iter().flat_map(|writer| writer.expected[reader].clone()).collect();
            assert!(expected.iter().any(|(_, _, op)| *op == "removed"));
            let (told, expected) = (by_row(told), by_row(&expected));
            for (id, lines) in &expected {
                assert_eq!(told.get(id), Some(lines), "{id}");
            }
            assert_eq!(told.len(), expected.len());
        }
    });
}

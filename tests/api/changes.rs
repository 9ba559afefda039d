//! The feed itself: its order, its pages, where it begins and when it has to be begun anew.
use crate::cases::{KOTO_JAYA, elder, report};
use crate::referrals::{ELDER_CARE, ask};
use crate::support::feed::{FEED, Follower, settled};
use crate::support::{Client, TestApp, a_name, execute, rounds, run, run_with, within_a_second};
use chrono::TimeDelta;
use diesel_async::SimpleAsyncConnection;
use futures_util::future::join_all;
use serde_json::{Value, json};
use simpul::changes::rules::{Audience, Change, ChangeType, LOOKED_AT, Op};
use simpul::changes::store as changes;
use simpul::platform::db::{Conn, Target};
use simpul::platform::region_code::RegionCode;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use uuid::Uuid;

/// A connection as the service has it.
async fn connect(app: &TestApp) -> Conn {
    app.tampers();
    Target::new(&app.database_url("simpul_service"), None).unwrap().connect().await.unwrap().0
}

fn in_village(code: &str) -> Audience {
    Audience { regions: vec![RegionCode::parse(code).unwrap()], ..Audience::default() }
}

fn change(app: &TestApp, id: Uuid) -> Change {
    let (before, after) = (Audience::default(), in_village(KOTO_JAYA));
    let (r#type, op, at) = (ChangeType::Volunteer, Op::Upsert, app.clock.now());
    Change { r#type, id, version: 1, op, redirected_to: None, before, after, at }
}

/// Publishes new rows of Koto Jaya in a transaction that is open already, or in one each.
async fn publish(app: &TestApp, conn: &mut Conn, count: usize) -> Vec<String> {
    let mut ids = vec![];
    for _ in 0..count {
        let id = Uuid::now_v7();
        changes::publish(conn, &change(app, id)).await.unwrap();
        ids.push(id.to_string());
    }
    ids
}

fn ids(news: &[Value]) -> Vec<String> {
    news.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

async fn turn(app: &TestApp) {
    simpul::worker::turn(&app.running().app, &app.running().writer).await.unwrap();
}

/// What committed later, but began earlier, stands before what has not been told yet: nothing is told until it has
/// ended.
#[test]
fn a_late_commit_is_neither_lost_nor_told_out_of_order() {
    run(async |app| {
        let mut regency = Follower::new(app.regency().await).await;
        let (mut late, mut early) = (connect(app).await, connect(app).await);
        late.batch_execute("BEGIN").await.unwrap();
        let mut wanted = publish(app, &mut late, 2).await;
        wanted.extend(publish(app, &mut early, 2).await);
        for _ in 0..3 {
            assert_eq!(ids(&regency.read(1000).await), Vec::<String>::new());
        }
        // an operator sees that something is waiting, and for how long
        app.pass(TimeDelta::seconds(90));
        let lag = app.nobody().get("/readyz").await.expect(200).json["feed_lag_seconds"].as_u64().unwrap();
        assert!((90..150).contains(&lag), "{lag}");
        late.batch_execute("COMMIT").await.unwrap();
        assert_eq!(ids(&regency.news().await), wanted);
        assert_eq!(regency.news().await, Vec::<Value>::new());
        assert_eq!(
            app.nobody().get("/readyz").await.expect(200).json,
            json!({ "status": "ok", "feed_lag_seconds": 0 })
        );
    });
}

#[test]
fn what_is_rolled_back_is_told_to_nobody() {
    run(async |app| {
        let mut regency = Follower::new(app.regency().await).await;
        let mut conn = connect(app).await;
        conn.batch_execute("BEGIN").await.unwrap();
        publish(app, &mut conn, 2).await;
        conn.batch_execute("ROLLBACK").await.unwrap();
        let told = publish(app, &mut conn, 1).await;
        assert_eq!(ids(&regency.news().await), told);
    });
}

/// Transactions of any length, some rolled back, and a reader that asks all the time: everything that was committed,
/// once.
#[test]
fn whoever_reads_while_others_write_misses_nothing_and_reads_nothing_twice() {
    const WRITERS: usize = 4;
    run(async |app| {
        let mut conns = vec![];
        for _ in 0..WRITERS {
            conns.push(connect(app).await);
        }
        for _ in 0..rounds(60) {
            let mut regency = Follower::new(app.regency().await).await;
            let ended = AtomicUsize::new(0);
            let write = async |conn: &mut Conn| {
                let mut committed = vec![];
                for _ in 0..10 {
                    conn.batch_execute("BEGIN").await.unwrap();
                    let mut ids = publish(app, conn, fastrand::usize(0..4)).await;
                    // it stays open for as long as others take for a transaction or two
                    for _ in 0..fastrand::u32(0..20) {
                        conn.batch_execute("SELECT 1").await.unwrap();
                    }
                    ids.extend(publish(app, conn, fastrand::usize(0..3)).await);
                    let back = fastrand::u32(0..5) == 0;
                    conn.batch_execute(if back { "ROLLBACK" } else { "COMMIT" }).await.unwrap();
                    if !back {
                        committed.push(ids);
                    }
                }
                ended.fetch_add(1, Ordering::Relaxed);
                committed
            };
            let read = async {
                let mut told = vec![];
                while ended.load(Ordering::Relaxed) < WRITERS {
                    told.extend(ids(&regency.read(fastrand::usize(1..9)).await));
                }
                told.extend(ids(&regency.news().await));
                told
            };
            let (committed, told) = tokio::join!(join_all(conns.iter_mut().map(write)), read);
            let all: Vec<&String> = committed.iter().flatten().flatten().collect();
            assert_eq!(told.len(), told.iter().collect::<BTreeSet<_>>().len(), "told twice");
            assert_eq!(told.iter().collect::<BTreeSet<_>>(), all.into_iter().collect::<BTreeSet<_>>());
            // a transaction is told whole and in its own order
            for transaction in committed.iter().flatten().filter(|ids| !ids.is_empty()) {
                let at = told.iter().position(|id| *id == transaction[0]).unwrap();
                assert_eq!(told[at..at + transaction.len()], transaction[..]);
            }
        }
    });
}

#[test]
fn pages_of_any_size_give_each_change_once() {
    run(async |app| {
        let begin = Follower::new(app.regency().await).await;
        let mut conn = connect(app).await;
        let wanted = publish(app, &mut conn, 25).await;
        settled(app).await;
        for limit in [1, 2, 7, 24, 25, 26, 1000] {
            let mut regency = Follower { client: begin.client.clone(), cursor: begin.cursor.clone() };
            assert_eq!(ids(&regency.read(limit).await), wanted, "{limit}");
        }
        // a page that is exactly full has no more
        let page = begin.ask("&limit=25").await.expect(200);
        assert_eq!((page.json["more"].clone(), page.header("link")), (json!(false), ""));
        let page = begin.ask("&limit=24").await.expect(200);
        let link = format!(
            "<{}{FEED}?cursor={}&limit=24>; rel=\"next\"",
            app.base,
            page.json["next_cursor"].as_str().unwrap()
        );
        assert_eq!((page.json["more"].clone(), page.header("link")), (json!(true), link.as_str()));
        assert_eq!(page.header("cache-control"), "no-store");
        for bad in ["0", "-1", "x", ""] {
            begin.ask(&format!("&limit={bad}")).await.problem(400, "malformed").blames("?limit", "out_of_range");
        }
        begin.ask("&limit=99999999999999999999").await.expect(200);
    });
}

/// However little of it concerns the reader, one request looks at so many changes and says that there may be more.
#[test]
fn a_request_looks_at_no_more_than_so_many_changes() {
    run(async |app| {
        let (mut village, mut ministry) =
            (Follower::new(app.village().await).await, Follower::new(app.ministry().await).await);
        let mut conn = connect(app).await;
        let others = 2 * LOOKED_AT + 10;
        let bandar_ratu = format!(
            "INSERT INTO changes (generation, at, entity_type, entity_id, version, op, scope, agencies_before, agencies_after,
                 regions_before, regions_after, volunteers_before, volunteers_after)
             SELECT generation, now(), 'volunteer', gen_random_uuid(), 1, 'upsert', 'volunteers:read', '{{}}', '{{}}',
                 '{{}}', '{{17.06.02.1018}}', '{{}}', '{{}}' FROM installation, generate_series(1, {others})"
        );
        conn.batch_execute(&bandar_ratu).await.unwrap();
        let own = publish(app, &mut conn, 1).await;
        settled(app).await;
        let mut asked = vec![];
        loop {
            let page = village.ask("").await.expect(200).json;
            page["next_cursor"].as_str().unwrap().clone_into(&mut village.cursor);
            asked.push((page["items"].as_array().unwrap().len(), page["more"] == true));
            if page["more"] == false {
                assert_eq!(page["items"][0]["id"], own[0]);
                break;
            }
        }
        assert_eq!(asked, [(0, true), (0, true), (1, false)]);
        assert_eq!(i64::try_from(ministry.read(1000).await.len()).unwrap(), others + 1);
    });
}

#[test]
fn an_answer_is_read_in_the_order_of_an_index_by_two_statements() {
    run(async |app| {
        let village = Follower::new(app.village().await).await;
        village.ask("").await.expect(200);
        assert_eq!(app.calls_of(async || drop(village.ask("").await.expect(200))).await, 2);
        let address = format!("{FEED}?cursor={}&limit=20", village.cursor);
        let rows = app.statement_of(&village.client, &address, &["is_among", "LIMIT"]).await;
        for plan in [app.plan_of_large_tables(&rows.query).await, many(app, &rows.query).await] {
            assert!(plan.contains("Index Scan using changes_in_order on changes"), "{plan}");
            let between = "Index Cond: ((ROW(xid, seq) > ROW((($";
            let until = "AND (xid < pg_snapshot_xmin(pg_current_snapshot()))";
            assert!(plan.contains(between) && plan.contains(until), "{plan}");
            assert!(!plan.contains("Sort") && !plan.contains("Filter"), "{plan}");
            // the only table that is read whole has one row
            assert!(!plan.replace("Seq Scan on installation", "").contains("Seq Scan"), "{plan}");
        }
        let ready = app.statement_of(&app.nobody(), "/readyz", &["changes_horizon"]).await;
        let plan = many(app, &ready.query).await;
        assert!(plan.contains("using changes_in_order") && plan.contains("Index Cond: (xid >= "), "{plan}");
    });
}

/// The plan with a hundred thousand changes.
async fn many(app: &TestApp, sql: &str) -> String {
    let filled = "INSERT INTO changes (generation, at, entity_type, entity_id, version, op, scope, agencies_before,
             agencies_after, regions_before, regions_after, volunteers_before, volunteers_after)
         SELECT generation, now(), 'volunteer', gen_random_uuid(), 1, 'upsert', 'volunteers:read', '{}', '{}',
             '{}', '{17.06.02.1018}', '{}', '{}' FROM installation, generate_series(1, 100000);
         ANALYZE changes";
    if app.number("SELECT count(*) FROM changes").await < 100_000 {
        app.sql(filled).await;
    }
    app.generic_plan(sql).await
}

#[test]
fn types_are_chosen_and_go_on_with_the_cursor() {
    run(async |app| {
        let regency = app.regency().await;
        settled(app).await;
        let begin = async |query: &str| {
            let begin = regency.get(&format!("{FEED}?since=now{query}")).await.expect(200);
            let cursor = begin.json["next_cursor"].as_str().unwrap().to_owned();
            Follower { client: regency.clone(), cursor }
        };
        let mut cases = begin("&type=case").await;
        let mut both = begin("&type=volunteer&type=referral").await;
        let mut case = elder(KOTO_JAYA);
        case["referral"] = ask(&regency.agency, ELDER_CARE);
        report(&regency, case).await;
        let new = json!({ "village_code": KOTO_JAYA, "name": a_name(), "nik_status": "none" });
        regency.post("/v1/volunteers", new).await.expect(201);
        settled(app).await;
        // whether it is said again or not; never other types than before
        cases.ask("&type=case").await.expect(200);
        cases.ask("&type=referral").await.problem(400, "cursor_invalid").blames("?cursor", "cursor_invalid");
        both.ask("&type=referral&type=volunteer").await.expect(200);
        let types =
            |news: Vec<Value>| news.iter().map(|item| item["type"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
        assert_eq!(types(cases.news().await), ["case"]);
        assert_eq!(types(both.news().await), ["referral", "volunteer"]);
        regency.get(&format!("{FEED}?type=cases")).await.problem(400, "malformed").blames("?type", "unknown_value");
    });
}

#[test]
fn the_feed_begins_with_the_oldest_or_now_and_stays_where_it_is() {
    run(async |app| {
        let regency = app.regency().await;
        let mut conn = connect(app).await;
        let old = publish(app, &mut conn, 3).await;
        settled(app).await;
        let mut all = Follower { client: regency.clone(), cursor: String::new() };
        let first = regency.get(&format!("{FEED}?limit=1")).await.expect(200).json;
        first["next_cursor"].as_str().unwrap().clone_into(&mut all.cursor);
        let mut told = ids(first["items"].as_array().unwrap());
        told.extend(ids(&all.read(1000).await));
        assert_eq!(told[told.len() - 3..], old);
        // nothing happens: the same answer, which need not be sent again
        let same = all.ask("").await.expect(200);
        assert_eq!((&same.json["next_cursor"], &same.json["items"]), (&json!(all.cursor), &json!([])));
        let unchanged = regency.get(&format!("{FEED}?cursor={}", all.cursor));
        unchanged.header("if-none-match", same.header("etag")).await.expect(304);
        // now is now, and a cursor goes on from where it is
        let mut now = Follower::new(regency.clone()).await;
        assert_eq!(now.read(10).await, Vec::<Value>::new());
        now.ask("&since=now").await.problem(400, "malformed").blames("?since", "not_with_cursor");
        regency
            .get(&format!("{FEED}?since=yesterday"))
            .await
            .problem(400, "malformed")
            .blames("?since", "unknown_value");
        regency.get(&format!("{FEED}?since=now&since=now")).await.problem(400, "malformed");
    });
}

#[test]
fn a_cursor_is_its_agencys_own() {
    run(async |app| {
        let (regency, neighbour) = (app.regency().await, app.neighbour_regency().await);
        let own = Follower::new(regency.clone()).await;
        let refused = async |client: &Client<'_>, path: &str, cursor: &str| {
            let reply = client.get(&format!("{path}?cursor={cursor}")).await;
            reply.problem(400, "cursor_invalid").blames("?cursor", "cursor_invalid");
        };
        refused(&neighbour, FEED, &own.cursor).await;
        refused(&regency, "/v1/cases", &own.cursor).await;
        let list = regency.get("/v1/volunteers?limit=1").await.expect(200).json;
        refused(&regency, FEED, list["next_cursor"].as_str().unwrap()).await;
        for at in [0, 3, 10, 40, own.cursor.len() - 1] {
            let other = if &own.cursor[at..=at] == "A" { "B" } else { "A" };
            refused(&regency, FEED, &format!("{}{other}{}", &own.cursor[..at], &own.cursor[at + 1..])).await;
        }
        refused(&regency, FEED, "").await;
        refused(&regency, FEED, "x").await;
    });
}

async fn anew(follower: &Follower<'_>, why: &str) {
    follower.ask("").await.problem(410, "resync_required").blames("?cursor", why);
}

/// Whoever was away for longer than changes are kept is told so, instead of missing some; whoever had read them goes
/// on.
#[test]
fn a_cursor_older_than_what_is_kept_has_to_be_begun_anew() {
    run_with(
        |config| config.settings.changes_kept = TimeDelta::days(2),
        async |app| {
            let mut conn = connect(app).await;
            let away = Follower::new(app.regency().await).await;
            publish(app, &mut conn, 3).await;
            let mut half = Follower { client: away.client.clone(), cursor: away.cursor.clone() };
            settled(app).await;
            half.ask("&limit=2").await.expect(200).json["next_cursor"].as_str().unwrap().clone_into(&mut half.cursor);
            let mut steady = Follower::new(away.client.clone()).await;
            app.pass(TimeDelta::hours(47));
            let young = publish(app, &mut conn, 2).await;
            settled(app).await;
            turn(app).await;
            let sign_in = async |follower: &mut Follower<'_>| {
                let client = app.regency().await;
                follower.client.token = client.token;
            };
            let (mut away, sweeper) = (away, app.running().writer.clone());
            for follower in [&mut away, &mut half, &mut steady] {
                sign_in(follower).await;
            }
            half.ask("").await.expect(200);
            // a few at a time: the place is remembered, and nothing that is young is touched
            app.pass(TimeDelta::hours(2));
            let kept_from = app.clock.now() - TimeDelta::days(2);
            let before = app.number("SELECT count(*) FROM changes").await;
            let swept = async |most: i64| {
                sweeper
                    .run(async move |c| {
                        changes::sweep(c, kept_from, most).await.map_err(simpul::platform::db::DbError::from)
                    })
                    .await
                    .unwrap()
            };
            let all_but_one = before - 3;
            assert_eq!((swept(all_but_one).await, swept(1000).await, swept(1000).await), (all_but_one, 1, 0));
            assert_eq!(app.number("SELECT count(*) FROM changes").await, 2);
            turn(app).await;
            assert_eq!(app.number("SELECT count(*) FROM changes").await, 2);
            for follower in [&mut away, &mut half, &mut steady] {
                sign_in(follower).await;
            }
            anew(&away, "too_old").await;
            anew(&half, "too_old").await;
            assert_eq!(ids(&steady.news().await), young);
            let oldest = steady.client.get(FEED).await.expect(200).json;
            assert_eq!(ids(oldest["items"].as_array().unwrap()), young);
            // begun with the oldest, it goes on
            let cursor = oldest["next_cursor"].as_str().unwrap().to_owned();
            assert_eq!(Follower { client: steady.client.clone(), cursor }.read(10).await, Vec::<Value>::new());
        },
    );
}

/// What may not be told yet is not removed either, however old it is: it would be missed without a word.
#[test]
fn what_has_not_been_told_is_not_removed() {
    run(async |app| {
        let mut regency = Follower::new(app.regency().await).await;
        let (mut open, mut conn) = (connect(app).await, connect(app).await);
        open.batch_execute("BEGIN; SELECT pg_current_xact_id()").await.unwrap();
        let told = publish(app, &mut conn, 2).await;
        let kept_from = app.clock.now() + TimeDelta::days(1);
        changes::sweep(&mut conn, kept_from, 100_000).await.unwrap();
        assert_eq!(app.number("SELECT count(*) FROM changes").await, 2);
        open.batch_execute("COMMIT").await.unwrap();
        assert_eq!(ids(&regency.news().await), told);
    });
}

#[test]
fn a_restored_database_is_read_anew() {
    run(async |app| {
        let regency = Follower::new(app.regency().await).await;
        let mut conn = connect(app).await;
        publish(app, &mut conn, 1).await;
        execute(&app.database_url("simpul_owner"), "SELECT renew_changes()").await;
        anew(&regency, "restored").await;
        let mut again = Follower::new(regency.client.clone()).await;
        let told = publish(app, &mut conn, 1).await;
        assert_eq!(ids(&again.news().await), told);
    });
}

/// Another scope, another branch, another kind of client: what has come into sight since would never be told.
#[test]
fn who_sees_something_else_by_now_begins_anew() {
    run(async |app| {
        let regency = Follower::new(app.regency().await).await;
        let narrow = [("scope", "changes:read cases:read")];
        let token = regency.client.ask_token(&narrow).await.json["access_token"].as_str().unwrap().to_owned();
        let narrow = Follower { client: regency.client.with_token(&token), cursor: regency.cursor.clone() };
        anew(&narrow, "sight_changed").await;
        // rights that open no row of the feed make no difference
        let same = "changes:read volunteers:read cases:read referrals:read training:read";
        let token =
            regency.client.ask_token(&[("scope", same)]).await.json["access_token"].as_str().unwrap().to_owned();
        regency.client.with_token(&token).get(&format!("{FEED}?cursor={}", regency.cursor)).await.expect(200);
        // the phone of the office's volunteer is no officer of it
        let phone = app.phone().await;
        anew(&Follower { client: phone, cursor: regency.cursor.clone() }, "sight_changed").await;

        let bpjs = Follower::new(app.bpjs().await).await;
        let ministry = app.ministry().await;
        let branch = json!({ "kind": "bpjs_kesehatan", "name": "BPJS Kesehatan Cabang Baru", "region_codes": ["17.01"],
            "parent_id": bpjs.client.agency, "scopes": [] });
        ministry.post("/v1/agencies", branch).await.expect(201);
        within_a_second(async || bpjs.ask("").await.status == 410).await;
        anew(&bpjs, "sight_changed").await;
    });
}

/// A row that is gone: whoever saw it is told, the ministry too, which sees whatever anybody sees.
#[test]
fn who_saw_a_row_that_is_gone_forgets_it() {
    run(async |app| {
        let mut readers = vec![];
        for client in [app.village().await, app.ministry().await, app.other_village().await, app.bpjs().await] {
            readers.push(Follower::new(client).await);
        }
        let mut conn = connect(app).await;
        let id = Uuid::now_v7();
        let (op, before, after) = (Op::Removed, in_village(KOTO_JAYA), Audience::default());
        changes::publish(&mut conn, &Change { op, before, after, ..change(app, id) }).await.unwrap();
        for (reader, told) in readers.iter_mut().zip([true, true, false, false]) {
            let news = reader.news().await;
            let (ops, gone) = (news.iter().map(|item| &item["op"]).collect::<Vec<_>>(), json!("removed"));
            assert_eq!(ops, if told { vec![&gone] } else { vec![] }, "{news:?}");
        }
    });
}

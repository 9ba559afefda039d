//! Figures about referrals: each bucket is its list, and small numbers are told to nobody who may not see the rows.
use crate::cases::{KOTO_JAYA, elder, patient, report};
use crate::referrals::{ELDER_CARE, REACTIVATION, act, ask};
use crate::statistics::length;
use crate::support::{Client, Reply, TestApp, rounds, run};
use chrono::TimeDelta;
use diesel_async::SimpleAsyncConnection;
use serde_json::{Value, json};
use simpul::platform::error::ApiResult;
use simpul::statistics::store::referrals::fold;
use std::future::IntoFuture;

const BANDAR_RATU: &str = "17.06.02.1018";

async fn fold_all(app: &TestApp) -> i64 {
    app.running().writer.run(async |c| ApiResult::Ok(fold(c, 1000).await?)).await.unwrap()
}

/// Some referrals in several states, villages and services, one of a sensitive case.
async fn some(app: &TestApp) {
    let (regency, bpjs, village) = (app.regency().await, app.bpjs().await, app.village().await);
    for n in 0..9 {
        let place = if n % 3 == 0 { BANDAR_RATU } else { KOTO_JAYA };
        let mut case = if n % 2 == 0 { patient(place) } else { elder(place) };
        case["referral"] = if n % 2 == 0 { ask(&bpjs.agency, REACTIVATION) } else { ask(&regency.agency, ELDER_CARE) };
        if n == 5 {
            case["ppks"] = json!(["PPKS-16"]);
        }
        let made = report(&regency, case).await;
        let at = format!("/v1/referrals/{}", made.json["referral_id"].as_str().unwrap());
        match n {
            2 => drop(act(&bpjs, &at, "accept", json!({})).await.expect(200)),
            3 => drop(act(&regency, &at, "mark-error", json!({ "reason": "duplicate" })).await.expect(200)),
            4 => drop(act(&bpjs, &at, "reject", json!({ "reason": "not_in_dtsen" })).await.expect(200)),
            _ => {}
        }
    }
    let mut own = patient(KOTO_JAYA);
    own["ppks"] = json!(["PPKS-17"]);
    own["referral"] = ask(&bpjs.agency, REACTIVATION);
    report(&village, own).await;
}

fn counts(figures: &Reply) -> Vec<(String, i64)> {
    let bucket = |bucket: &Value| (bucket["key"].as_str().unwrap().to_owned(), bucket["count"].as_i64().unwrap());
    figures.json["buckets"].as_array().unwrap().iter().map(bucket).collect()
}

async fn adds_up(reader: &Client<'_>, query: &str) -> Vec<(String, i64)> {
    let figures = reader.get(&format!("/v1/statistics/referrals?{query}")).await.expect(200);
    let counts = counts(&figures);
    assert_eq!(figures.json["total"], counts.iter().map(|(_, count)| count).sum::<i64>(), "{query}");
    for bucket in figures.json["buckets"].as_array().unwrap() {
        let url = bucket["list_url"].as_str().unwrap();
        assert_eq!(length(reader, url).await, bucket["count"].as_i64().unwrap(), "{url}");
    }
    counts
}

#[test]
fn every_bucket_equals_its_list_for_every_reader_before_and_after_folding() {
    run(async |app| {
        some(app).await;
        let year = (app.clock.now() + TimeDelta::hours(7)).format("%Y").to_string();
        let queries = [
            String::new(),
            "group_by=service".to_owned(),
            "group_by=region".to_owned(),
            "group_by=month".to_owned(),
            format!("group_by=month&period={year}"),
            "group_by=sender".to_owned(),
            "group_by=receiver&status=submitted&status=accepted".to_owned(),
            "status=entered_in_error".to_owned(),
            format!("group_by=status&service={REACTIVATION}"),
            format!("group_by=region&period={year}"),
        ];
        for reader in [app.ministry().await, app.province().await, app.regency().await, app.village().await] {
            let mut before = vec![];
            for query in &queries {
                // a village has no regions below it
                if reader.agency == app.village().await.agency && query.contains("region") {
                    continue;
                }
                before.push((query, adds_up(&reader, query).await));
            }
            fold_all(app).await;
            for (query, counted) in before {
                assert_eq!(adds_up(&reader, query).await, counted, "{query}");
            }
        }
        // nine and one, less the one in error
        let total = async |reader: &Client<'_>| reader.get("/v1/statistics/referrals").await.json["total"].clone();
        assert_eq!(total(&app.regency().await).await, 9);
        assert_eq!(total(&app.neighbour_regency().await).await, 0);
        // Koto Jaya's five plain ones and its own sensitive one; not the sensitive one that the regency reported
        let plain = "SELECT count(*) FROM referrals WHERE village_code = '17.06.02.1017' AND status <> 'entered_in_error' AND (NOT sensitive OR sender_agency_id = (SELECT id FROM agencies WHERE name LIKE '%Koto Jaya'))";
        assert_eq!(total(&app.village().await).await, app.number(plain).await);
        assert!(
            app.number(plain).await
                < app.number("SELECT count(*) FROM referrals WHERE village_code = '17.06.02.1017'").await
        );
        app.province().await.get("/v1/statistics/referrals?region=15").await.problem(404, "not_found");
        app.bpjs().await.get("/v1/statistics/referrals").await.problem(403, "forbidden");
    });
}

#[test]
fn folding_changes_no_figure_and_leaves_one_row_a_bucket() {
    run(async |app| {
        some(app).await;
        assert!(fold_all(app).await >= 10);
        assert_eq!(fold_all(app).await, 0);
        assert_eq!(app.number("SELECT count(*) FROM referral_counts WHERE NOT folded OR count <= 0").await, 0);
        assert_eq!(
            app.number("SELECT sum(count) FROM referral_counts").await,
            app.number("SELECT count(*) FROM referrals").await
        );
        let distinct = "SELECT count(*) FROM (SELECT DISTINCT month, village_code, reporter_agency_id, volunteer_id, sender_agency_id, receiver_agency_id, service, status, sensitive FROM referrals) r";
        assert_eq!(app.number("SELECT count(*) FROM referral_counts").await, app.number(distinct).await);
        // the service can read and fold, and nothing else
        let denied = "DO $$ BEGIN SET LOCAL ROLE simpul_service; INSERT INTO referral_counts (month) VALUES ('2026-01-01'); RAISE 'it was taken'; EXCEPTION WHEN insufficient_privilege THEN NULL; END $$";
        app.sql(denied).await;
    });
}

/// While referrals move and are folded, every figure is that of some moment: never one too many.
#[test]
fn a_figure_is_never_off_while_referrals_move() {
    run(async |app| {
        let (regency, bpjs) = (app.regency().await, app.bpjs().await);
        let mut paths = vec![];
        for _ in 0..6 {
            let mut case = patient(KOTO_JAYA);
            case["referral"] = ask(&bpjs.agency, REACTIVATION);
            let made = report(&regency, case).await;
            paths.push(format!("/v1/referrals/{}", made.json["referral_id"].as_str().unwrap()));
        }
        for path in &paths {
            for (action, body) in [("acknowledge", json!({})), ("accept", json!({})), ("start", json!({}))] {
                let reads = (0..rounds(10)).map(|_| regency.get("/v1/statistics/referrals").into_future());
                let moved = act(&bpjs, path, action, body);
                let (moved, reads, _) =
                    futures_util::future::join3(moved, futures_util::future::join_all(reads), fold_all(app)).await;
                moved.expect(200);
                for read in reads {
                    assert_eq!(read.expect(200).json["total"], 6);
                }
            }
        }
    });
}

/// Twenty referrals of this year in two regencies, with small numbers in each of their sides.
async fn twenty(app: &TestApp) {
    let (province, bpjs) = (app.province().await, app.bpjs().await);
    let regency = app.regency().await;
    let elsewhere =
        "SELECT min(code) FROM regions WHERE code LIKE '17.01.%' AND length(code) = 13 AND last_listed IS NULL";
    let elsewhere = app.texts(elsewhere).await.remove(0);
    let plan = [
        (6, KOTO_JAYA, &bpjs, REACTIVATION, ""),
        (2, KOTO_JAYA, &bpjs, REACTIVATION, "accept"),
        (3, KOTO_JAYA, &bpjs, REACTIVATION, "reject"),
        (5, BANDAR_RATU, &regency, ELDER_CARE, ""),
        (1, BANDAR_RATU, &regency, ELDER_CARE, "accept"),
        (3, elsewhere.as_str(), &province, ELDER_CARE, ""),
    ];
    for (many, place, target, service, action) in plan {
        for _ in 0..many {
            let mut case = elder(place);
            case["referral"] = ask(&target.agency, service);
            let made = report(&province, case).await;
            let at = format!("/v1/referrals/{}", made.json["referral_id"].as_str().unwrap());
            let body = if action == "reject" { json!({ "reason": "quota_exhausted" }) } else { json!({}) };
            if !action.is_empty() {
                act(target, &at, action, body).await.expect(200);
            }
        }
    }
}

#[test]
fn small_numbers_are_not_told_to_who_may_not_see_the_rows() {
    run(async |app| {
        twenty(app).await;
        let (dashboard, province) = (app.dashboard().await, app.province().await);
        let year = (app.clock.now() + TimeDelta::hours(7)).format("%Y").to_string();
        let told = async |query: &str| {
            let figures = dashboard.get(&format!("/v1/statistics/referrals?{query}")).await.expect(200).json;
            let buckets = figures["buckets"].as_array().unwrap();
            assert!(buckets.iter().all(|bucket| bucket.get("list_url").is_none()));
            let of = |bucket: &Value| (bucket["key"].as_str().unwrap().to_owned(), bucket["count"].as_i64());
            (figures["total"].as_i64(), figures["period"].clone(), buckets.iter().map(of).collect::<Vec<_>>())
        };
        // what is told is exact: three accepted and three rejected are six
        let exact: Vec<(String, i64)> = adds_up(&province, &format!("period={year}")).await;
        let (total, period, statuses) = told("").await;
        assert_eq!((total, period), (Some(20), json!(year)));
        for ((key, count), (own, exact)) in statuses.iter().zip(&exact) {
            assert_eq!(key, own);
            assert_eq!(*count, (!matches!(key.as_str(), "accepted" | "rejected")).then_some(*exact), "{key}");
        }
        let services = told("group_by=service").await.2;
        assert!(services.contains(&(REACTIVATION.to_owned(), Some(11))));
        assert!(services.contains(&(ELDER_CARE.to_owned(), Some(9))));
        // three of one regency would follow from seventeen of the other
        let regions = told(&format!("group_by=region&region=17&period={year}")).await.2;
        assert!(regions.contains(&("17.01".to_owned(), None)) && regions.contains(&("17.06".to_owned(), None)));
        // months to come are no cover, and are not shown: at most the one that has begun in the east and not yet here
        let mut months = told("group_by=month").await.2;
        months.retain(|(_, count)| *count != Some(0));
        let month = (app.clock.now() + TimeDelta::hours(7)).format("%Y-%m").to_string();
        assert_eq!(months, [(month, Some(20))]);
        // anything finer is not told at all
        for query in [
            "status=submitted",
            "region=17.06",
            "group_by=region&region=17.06",
            &format!("service={REACTIVATION}"),
            &format!("period={year}-12"),
            "group_by=sender",
            "group_by=receiver",
            &format!("sender={}", province.agency),
        ] {
            let (total, _, buckets) = told(query).await;
            assert!(total.is_none() && buckets.iter().all(|(_, count)| count.is_none()), "{query}");
            assert!(buckets.is_empty() == query.starts_with("group_by=sender") || !query.contains("group_by=sender"));
        }
        // a year without any is told
        assert_eq!(told("period=2019").await.0, Some(0));
        // unchanged figures are not sent again
        let figures = dashboard.get("/v1/statistics/referrals").await.expect(200);
        dashboard.get("/v1/statistics/referrals").header("if-none-match", figures.header("etag")).await.expect(304);
    });
}

/// What is counted of referrals: village, status, service, receiver.
type Atom = [String; 4];

/// A set of referrals by its filters: region, statuses, service, receiver; none: any.
#[derive(Clone, Default)]
struct Set {
    region: Option<String>,
    status: Vec<String>,
    service: Option<String>,
    receiver: Option<String>,
}

impl Set {
    fn query(&self) -> String {
        let mut query = String::new();
        for (name, values) in [
            ("region", self.region.iter().collect::<Vec<_>>()),
            ("status", self.status.iter().collect()),
            ("service", self.service.iter().collect()),
            ("receiver", self.receiver.iter().collect()),
        ] {
            for value in values {
                query += &format!("&{name}={value}");
            }
        }
        query
    }

    /// The bucket of this key.
    fn part(&self, group: &str, key: &str) -> Self {
        let (mut part, key) = (self.clone(), key.to_owned());
        match group {
            "region" => part.region = Some(key),
            "status" => part.status = vec![key],
            "service" => part.service = Some(key),
            _ => part.receiver = Some(key),
        }
        part
    }

    fn holds(&self, [village, status, service, receiver]: &Atom) -> bool {
        let is = |wanted: &Option<String>, own: &String| wanted.as_ref().is_none_or(|wanted| wanted == own);
        self.region.as_ref().is_none_or(|region| village.starts_with(region.as_str()))
            && (self.status.is_empty() || self.status.contains(status))
            && is(&self.service, service)
            && is(&self.receiver, receiver)
    }
}

/// Equations in row echelon form, modulo a prime: what follows from what was told.
#[derive(Default)]
struct Known(Vec<(usize, Vec<i64>)>);

impl Known {
    const PRIME: i64 = 1_000_003;

    /// What is left of an equation when all that is known has been taken off.
    fn rest(&self, mut row: Vec<i64>) -> Vec<i64> {
        for (lead, known) in &self.0 {
            let by = row[*lead];
            row.iter_mut().zip(known).for_each(|(own, known)| *own = (*own - by * known).rem_euclid(Self::PRIME));
        }
        row
    }

    fn learn(&mut self, row: Vec<i64>) {
        let row = self.rest(row);
        let Some(lead) = row.iter().position(|n| *n != 0) else { return };
        let inverse = (0..Self::PRIME - 2).fold(1, |power, _| power * row[lead] % Self::PRIME);
        self.0.push((lead, row.iter().map(|n| n * inverse % Self::PRIME).collect()));
    }

    fn tells(&self, row: Vec<i64>) -> bool {
        self.rest(row).iter().all(|n| *n == 0)
    }
}

/// A reader without the rows asks for everything, by every filter, and solves the equations: no small number follows.
#[test]
fn differences_between_answers_tell_no_small_number() {
    run(async |app| {
        twenty(app).await;
        let (dashboard, bpjs) = (app.dashboard().await, app.bpjs().await);
        let distinct = async |column: &str| app.texts(&format!("SELECT DISTINCT {column} FROM referrals")).await;
        let (villages, statuses) = (distinct("village_code").await, distinct("status").await);
        let (services, receivers) = (distinct("service").await, distinct("receiver_agency_id").await);
        // A place for every kind that could be, since who asks does not know which there are.
        let mut atoms: Vec<Atom> = vec![];
        for village in &villages {
            for status in &statuses {
                for service in &services {
                    for receiver in &receivers {
                        atoms.push([village, status, service, receiver].map(String::clone));
                    }
                }
            }
        }
        let row = |set: &Set| atoms.iter().map(|atom| i64::from(set.holds(atom))).collect::<Vec<i64>>();

        let mut sets = vec![];
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<String>>();
        for region in [None, Some("17"), Some("17.01"), Some("17.06"), Some("17.06.02"), Some(KOTO_JAYA)] {
            for status in [
                words(&[]),
                words(&["submitted"]),
                words(&["rejected"]),
                words(&["submitted", "accepted"]),
                words(&["submitted", "rejected"]),
            ] {
                for (service, receiver) in
                    [(None, None), (Some(REACTIVATION), None), (Some(ELDER_CARE), None), (None, Some(&bpjs.agency))]
                {
                    let (region, service) = (region.map(str::to_owned), service.map(str::to_owned));
                    sets.push(Set { region, status: status.clone(), service, receiver: receiver.cloned() });
                }
            }
        }
        let (mut known, mut asked, mut told) = (Known::default(), vec![], 0);
        for set in &sets {
            for group in ["status", "service", "region", "receiver"] {
                if group == "region" && set.region.as_deref() == Some(KOTO_JAYA) {
                    continue;
                }
                let query = format!("/v1/statistics/referrals?group_by={group}{}", set.query());
                let figures = dashboard.get(&query).await.expect(200).json;
                let mut learn = |set: Set, count: &Value| {
                    if count.is_i64() {
                        known.learn(row(&set));
                        told += 1;
                    }
                    asked.push(set);
                };
                learn(set.clone(), &figures["total"]);
                for bucket in figures["buckets"].as_array().unwrap() {
                    learn(set.part(group, bucket["key"].as_str().unwrap()), &bucket["count"]);
                }
            }
        }
        assert!(told > 10, "it was told nothing");
        let stored = "SELECT concat_ws(' ', village_code, status, service, receiver_agency_id) FROM referrals";
        let stored: Vec<Atom> = app
            .texts(stored)
            .await
            .iter()
            .map(|line| line.split(' ').map(str::to_owned).collect::<Vec<_>>().try_into().unwrap())
            .collect();
        let mut small = 0;
        for set in asked {
            let count = stored.iter().filter(|atom| set.holds(atom)).count();
            if (1..5).contains(&count) {
                small += 1;
                assert!(!known.tells(row(&set)), "{} has {count}, as follows from the answers", set.query());
            }
        }
        assert!(small > 50, "there was nothing to find");
    });
}

#[test]
fn the_demo_has_a_referral_in_every_state_and_counts_that_equal_their_lists() {
    run(async |app| {
        let (maker, writer) =
            simpul::server::worker_parts(&crate::support::config(&app.base, &app.database_url("simpul_service")))
                .await
                .unwrap();
        // all in one transaction
        app.tampers();
        simpul::demo::cases::seed(&maker, &writer).await.unwrap();
        let states = app.texts("SELECT DISTINCT status FROM referrals ORDER BY 1").await;
        let mut all: Vec<&str> = simpul::referrals::rules::ReferralStatus::ALL.iter().map(|s| s.as_str()).collect();
        all.sort_unstable();
        assert_eq!(states, all);
        let bpjs = app.bpjs().await;
        let waiting =
            bpjs.get("/v1/referrals?direction=received&status=submitted").header("prefer", "count=exact").await;
        let waiting = waiting.expect(200).json["total"].as_i64().unwrap();
        assert!(waiting >= 10, "{waiting}");
        assert!(app.number("SELECT count(*) FROM cases").await >= 36);
        assert_eq!(app.number("SELECT count(*) FROM cases WHERE regency_code <> '17.06'").await, 0);
        assert!(app.number("SELECT count(DISTINCT village_code) FROM cases").await > 10);
        for reader in [app.ministry().await, app.province().await, app.regency().await, app.village().await] {
            for query in ["", "group_by=service", "group_by=month", "group_by=receiver"] {
                adds_up(&reader, query).await;
            }
        }
        // once
        let before = app.number("SELECT count(*) FROM cases").await;
        simpul::demo::cases::seed(&maker, &writer).await.unwrap();
        assert_eq!(app.number("SELECT count(*) FROM cases").await, before);
        writer.drain().await;
    });
}

/// With a million referrals a province's rows are thousands, each on a page of its own.
#[test]
fn figures_of_a_province_are_read_from_its_index_alone() {
    run(async |app| {
        let province = app.province().await;
        let receiver = format!("period=2026-10&receiver={}", province.agency);
        for query in
            ["", "period=2026", "period=2026-10&group_by=region", "group_by=service", "group_by=month", &receiver]
        {
            let path = format!("/v1/statistics/referrals?{query}");
            let figures = app.statement_of(&province, &path, &["SELECT", "\"referral_counts\""]).await;
            let plan = app.plan_of_large_tables(&figures.query).await;
            assert!(plan.contains("Index Only Scan using referral_counts_of_province"), "{query}: {plan}");
        }
    });
}

/// A country's take longer than a read on the shared connections may, and would hold up the reads behind them.
#[test]
fn figures_of_the_country_are_counted_among_the_reports() {
    run(async |app| {
        let ministry = app.ministry().await;
        let mut conn = app.connect().await;
        conn.batch_execute("BEGIN; LOCK TABLE referral_counts").await.unwrap();
        let release = async {
            let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                AND application_name = 'simpul-reports' AND wait_event_type = 'Lock'";
            // not for ever: a read on the shared connections gives up before
            for _ in 0..300 {
                if app.number(waiting).await > 0 {
                    break;
                }
            }
            conn.batch_execute("COMMIT").await.unwrap();
        };
        let (figures, ()) = tokio::join!(ministry.get("/v1/statistics/referrals").into_future(), release);
        figures.expect(200);
    });
}

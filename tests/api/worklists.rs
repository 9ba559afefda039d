//! Worklists of referrals: one order whatever they are put together from, and nothing read beyond the page.
use crate::cases::{KOTO_JAYA, patient, report};
use crate::referrals::{REACTIVATION, act, ask, to_bpjs};
use crate::support::{Client, TestApp, run};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

/// A referral of the village to the branch of BPJS in Mukomuko, with its path.
async fn to_branch(app: &TestApp) -> String {
    let mut case = patient(KOTO_JAYA);
    case["referral"] = ask(&app.agency("BPJS Kesehatan Mukomuko").await, REACTIVATION);
    let made = report(&app.village().await, case).await;
    format!("/v1/referrals/{}", made.json["referral_id"].as_str().unwrap())
}

/// Every id of a list, read in pages of this size.
async fn walk(client: &Client<'_>, query: &str, limit: usize) -> Vec<String> {
    let mut ids = vec![];
    let mut page = format!("/v1/referrals?{query}&limit={limit}");
    loop {
        let read = client.get(&page).await.expect(200).json;
        let items = read["items"].as_array().unwrap();
        assert!(items.len() <= limit, "{page}");
        ids.extend(items.iter().map(|item| format!("/v1/referrals/{}", item["id"].as_str().unwrap())));
        match &read["next_cursor"] {
            Value::Null => return ids,
            cursor => page = format!("/v1/referrals?cursor={}&limit={limit}", cursor.as_str().unwrap()),
        }
    }
}

#[test]
fn a_parent_reads_its_own_and_its_branches_referrals_in_one_order() {
    run(async |app| {
        // A Monday, nine in the morning: what is new is to be acknowledged on Tuesday at nine.
        app.pass("2027-03-01T02:00:00Z".parse::<DateTime<Utc>>().unwrap() - app.clock.now());
        let (bpjs, branch) = (app.bpjs().await, app.bpjs_branch().await);
        let mut sent = vec![];
        for turn in 0..8 {
            sent.push(if turn % 3 == 0 { to_branch(app).await } else { to_bpjs(app).await });
            app.pass(TimeDelta::minutes(1));
        }
        // two of each are accepted: the later one of the pair is due earlier
        for (index, days) in [(0, 4), (1, 3), (3, 2), (4, 1)] {
            let due = json!({ "due_on": (app.clock.now() + TimeDelta::days(days)).date_naive() });
            let by = if index % 3 == 0 { &branch } else { &bpjs };
            act(by, &sent[index], "accept", due).await.expect(200);
        }
        let pick = |order: &[usize]| order.iter().map(|index| sent[*index].clone()).collect::<Vec<_>>();
        for limit in [1, 2, 3, 200] {
            assert_eq!(walk(&bpjs, "direction=received", limit).await, pick(&[7, 6, 5, 4, 3, 2, 1, 0]), "{limit}");
            assert_eq!(walk(&bpjs, "order=newest", limit).await, pick(&[7, 6, 5, 4, 3, 2, 1, 0]), "{limit}");
            assert_eq!(walk(&bpjs, "status=submitted", limit).await, pick(&[7, 6, 5, 2]), "{limit}");
            // a state named twice is one
            let twice = "status=accepted&status=submitted&status=accepted";
            assert_eq!(walk(&bpjs, twice, limit).await, pick(&[7, 6, 5, 4, 3, 2, 1, 0]), "{limit}");
            assert_eq!(walk(&bpjs, "order=due", limit).await, pick(&[2, 5, 6, 7, 4, 3, 1, 0]), "{limit}");
            assert_eq!(walk(&bpjs, &format!("{twice}&order=due"), limit).await, pick(&[2, 5, 6, 7, 4, 3, 1, 0]));
            let of_branch = format!("receiver={}", branch.agency);
            assert_eq!(walk(&bpjs, &of_branch, limit).await, pick(&[6, 3, 0]), "{limit}");
            assert_eq!(walk(&branch, "direction=received", limit).await, pick(&[6, 3, 0]), "{limit}");
        }
    });
}

/// With a million referrals a list that sorts what an agency ever received is answered by a time-out.
#[test]
fn a_worklist_reads_its_page_in_the_order_of_an_index() {
    run(async |app| {
        let (bpjs, branch, regency) = (app.bpjs().await, app.bpjs_branch().await, app.regency().await);
        let (phone, ministry) = (app.phone().await, app.ministry().await);
        let received = format!("receiver={}", bpjs.agency);
        let check = async |client: &Client<'_>, query: &str, index: &str, parts: i64| {
            let words = ["SELECT", "\"case_people\"", "LIMIT"];
            let list = app.statement_of(client, &format!("/v1/referrals?{query}"), &words).await;
            assert_eq!(list.calls, parts, "{query}");
            let plan = app.plan_of_large_tables(&list.query).await;
            assert!(plan.contains(&format!("using {index}")) && !plan.contains("Sort"), "{query}: {plan}");
        };
        // Of the whole country. Among few rows it does for the others too.
        check(&ministry, "status=cancelled", "referrals_in_state", 1).await;
        app.sql("DROP INDEX referrals_in_state").await;
        // What an office of a region asks for may come by its region as well as by its own part in it.
        for (client, query, index, parts) in [
            (&bpjs, "direction=received&status=submitted", "referrals_received", 3),
            (&bpjs, "status=submitted&status=received", "referrals_received", 6),
            (&bpjs, "", "referrals_received", 3),
            (&bpjs, "order=due", "referrals_received_by_due", 3),
            (&regency, "direction=received&status=submitted", "referrals_", 1),
            (&regency, "direction=received&order=due", "referrals_", 1),
            (&regency, "direction=sent", "referrals_", 1),
            (&regency, "direction=sent&order=due", "referrals_", 1),
            (&regency, "status=submitted", "referrals_by_regency", 1),
            (&regency, &received, "referrals_", 1),
            (&bpjs, "direction=received&overdue=true&order=due", "referrals_received_by_due", 3),
            (&bpjs, "direction=received&escalated=1", "referrals_escalated_received", 3),
            (&regency, "escalated=2", "referrals_escalated_of_regency", 1),
            (&bpjs, "direction=received&awaiting=me", "referrals_asked_received", 3),
            (&regency, "awaiting=anyone", "referrals_asked_of_regency", 1),
            (&bpjs, "direction=received&updated_from=2026-01-01T00:00:00Z", "referrals_received_changed", 3),
            (&bpjs, "receiver=me&status=accepted&updated_from=2026-01-01T00:00:00Z", "referrals_received_changed", 3),
            (&phone, "updated_from=2026-01-01T00:00:00Z", "referrals_of_volunteer_changed", 1),
            (&ministry, "updated_from=2026-01-01T00:00:00Z", "referrals_changed", 1),
            (&ministry, "order=due", "referrals_by_due", 1),
        ] {
            check(client, query, index, parts).await;
        }
        // A branch has its own, what it has claimed, and the little that is open to several.
        let list = "/v1/referrals?status=accepted";
        let ran = app.statements_of(async || drop(branch.get(list).await.expect(200))).await;
        let ran: Vec<_> =
            ran.iter().filter(|one| one.query.contains("\"case_people\"") && one.query.contains("LIMIT")).collect();
        assert_eq!(ran.len(), 2, "{ran:?}");
        for one in ran {
            let plan = app.plan_of_large_tables(&one.query).await;
            let by = ["using referrals_received", "using referrals_handled"];
            assert!(by.iter().any(|index| plan.contains(index)) && !plan.contains("Sort"), "{plan}");
        }
        // Among few rows it is all the same whether an index knows the state; so without those that do not.
        app.sql("DROP INDEX referrals_received_newest, referrals_received_by_due").await;
        check(&bpjs, "direction=received&status=submitted", "referrals_received on", 3).await;
        check(&bpjs, "order=due&status=accepted", "referrals_received_in_state_by_due", 3).await;
    });
}

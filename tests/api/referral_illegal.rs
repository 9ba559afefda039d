//! Every move that the table does not list, in every state: refused with where the referral stands, and nothing has moved.
use crate::cases::{KOTO_JAYA, patient, report};
use crate::referrals::{REACTIVATION, act, ask, because};
use crate::support::{Client, TestApp, run};
use chrono::TimeDelta;
use serde_json::{Value, json};

/// Every state, with the moves of the receiver (`<`) and the sender (`>`) that lead there from the beginning.
const STATES: [(&str, &[(&str, &str)]); 13] = [
    ("submitted", &[]),
    ("received", &[("<", "acknowledge")]),
    ("accepted", &[("<", "accept")]),
    ("in_progress", &[("<", "accept"), ("<", "start")]),
    ("on_hold", &[("<", "accept"), ("<", "hold")]),
    ("completed", &[("<", "accept"), ("<", "complete")]),
    ("rejected", &[("<", "reject")]),
    ("failed", &[("<", "accept"), ("<", "fail")]),
    ("forwarded", &[("<", "forward")]),
    ("withdrawn", &[(">", "withdraw")]),
    ("cancelled", &[("<", "accept"), (">", "cancel")]),
    ("expired", &[]),
    ("entered_in_error", &[(">", "mark-error")]),
];

/// Every move, by whom, and the states that it begins in.
const MOVES: [(&str, &str, &[&str]); 15] = [
    ("<", "acknowledge", &["submitted"]),
    ("<", "accept", &["submitted", "received"]),
    ("<", "reject", &["submitted", "received"]),
    ("<", "forward", &["submitted", "received", "accepted"]),
    ("<", "start", &["accepted"]),
    ("<", "hold", &["accepted", "in_progress"]),
    ("<", "resume", &["on_hold"]),
    ("<", "complete", &["accepted", "in_progress"]),
    ("<", "fail", &["accepted", "in_progress", "on_hold"]),
    ("<", "claim", &["submitted", "received"]),
    ("<", "release", &[]), // nobody has claimed it
    ("<", "correct", &["rejected", "completed", "failed"]),
    (">", "withdraw", &["submitted", "received"]),
    (">", "cancel", &["accepted", "in_progress", "on_hold"]),
    (
        ">",
        "mark-error",
        &[
            "submitted",
            "received",
            "accepted",
            "in_progress",
            "on_hold",
            "completed",
            "rejected",
            "failed",
            "forwarded",
            "withdrawn",
            "cancelled",
            "expired",
        ],
    ),
];

/// What a move carries at least.
async fn body(app: &TestApp, action: &str) -> Value {
    match action {
        "reject" => because("quota_exhausted"),
        "forward" => json!({ "target_agency_id": app.bpjs_branch().await.agency, "reason": "nearer_branch" }),
        "hold" => because("waiting_for_documents"),
        "complete" => json!({ "outcome": "membership_active" }),
        "fail" => because("unreachable"),
        "correct" | "mark-error" => because("wrong_record"),
        "withdraw" | "cancel" => because("wrong_target"),
        _ => json!({}),
    }
}

/// Sender and receiver, with tokens of now.
async fn sides(app: &TestApp) -> [(&'static str, Client<'_>); 2] {
    [(">", app.regency().await), ("<", app.bpjs().await)]
}

fn side<'a, 'b>(sides: &'a [(&'static str, Client<'b>); 2], word: &str) -> &'a Client<'b> {
    &sides.iter().find(|(known, _)| *known == word).unwrap().1
}

#[test]
fn every_illegal_move_tells_the_state_and_moves_nothing() {
    run(async |app| {
        let mut refused = 0;
        for (state, walk) in STATES {
            let mut case = patient(KOTO_JAYA);
            case["referral"] = ask(&app.agency("BPJS Kesehatan").await, REACTIVATION);
            let sent = report(&app.regency().await, case).await;
            let at = format!("/v1/referrals/{}", sent.json["referral_id"].as_str().unwrap());
            if state == "expired" {
                app.pass(TimeDelta::days(31));
                simpul::worker::turn(&app.running().app, &app.running().writer).await.unwrap();
            }
            let sides = sides(app).await;
            for (who, action) in walk {
                act(side(&sides, who), &at, action, body(app, action).await).await.expect(200);
            }
            let sender = side(&sides, ">");
            let before = sender.get(&at).await.expect(200);
            assert_eq!(before.json["status"], state);
            for (who, action, _) in MOVES.iter().filter(|(_, _, from)| !from.contains(&state)) {
                let mover = side(&sides, who);
                let sent = mover.act(&format!("{at}/{action}"), before.header("etag"), body(app, action).await).await;
                if state == "entered_in_error" && *who == "<" {
                    // it is gone for the receiver
                    sent.problem(404, "not_found");
                    continue;
                }
                let told = sent.problem(409, "referral_state_conflict").json;
                assert_eq!(
                    (&told["state"], &told["since"], &told["by"]),
                    (&json!(state), &before.json["status_since"], &before.json["status_agency_id"]),
                    "{action} of {state}"
                );
                refused += 1;
            }
            let after = sender.get(&at).await.expect(200);
            let (version, history) = (&after.json["version"], format!("{at}/history"));
            assert_eq!(*version, before.json["version"], "{state}");
            let lines = sender.get(&history).await.expect(200).json["items"].as_array().unwrap().len();
            assert_eq!(json!(lines), *version, "{state}");
        }
        // of what the receiver sees no longer it is told nothing
        let (legal, gone) = (MOVES.iter().map(|(_, _, from)| from.len()).sum::<usize>(), 12);
        assert_eq!(refused, STATES.len() * MOVES.len() - legal - gone);
    });
}

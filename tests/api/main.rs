//! Black-box tests over HTTP against real PostgreSQL: a file per domain module, and the tests of the rules.
//!
//! Each test has a database and a server of its own ([`support::run`]). `DRILL=full` runs every round of every race.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![expect(clippy::items_after_statements, clippy::format_push_string, reason = "a test is read from top to bottom")]

mod support;

mod agencies;
mod architecture;
mod audit;
mod authorization;
mod bad_input;
mod case_documents;
mod case_upsert;
mod cases;
mod cases_alike;
mod cases_consent;
mod certificates;
mod changes;
mod changes_audience;
mod clear_text;
mod clients;
mod codes;
mod contract;
mod cutoff;
mod demo;
mod demo_counts;
mod docs;
mod documents;
mod duplicates;
mod examples;
mod exports;
mod feed_under_fire;
mod foreign_ids;
mod imports;
mod issued;
mod journey_everyone;
mod journeys;
mod journeys_referrals;
mod killed;
mod limits;
mod names;
mod nobody_lost;
mod oauth;
mod operator;
mod papers;
mod phones;
mod platform;
mod referral_batches;
mod referral_clock;
mod referral_feedback;
mod referral_fields;
mod referral_figures;
mod referral_illegal;
mod referral_pools;
mod referral_talk;
mod referrals;
mod regions;
mod renewals;
mod rotation;
mod schema;
mod source_systems;
mod statistics;
mod tokens;
mod training;
mod training_figures;
mod training_programme;
mod training_seats;
mod volunteers;
mod worklists;

//! The database itself: what the migrations made.
use crate::support::{self, TestApp, run};
use simpul::access::rules::{AgencyKind, ClientKind};
use simpul::agencies::clients::rules::ClientState;
use simpul::agencies::rules::AgencyState;
use simpul::audit::rules::Outcome;
use simpul::cases::rules::documents::CaseDocumentKind;
use simpul::cases::rules::{
    CaseAction, CaseState, CommunicationNeed, ConsentBy, ConsentMethod, LawfulBasis, Relation, Urgency,
};
use simpul::changes::rules::Op;
use simpul::documents::rules::{DocumentState, DocumentType};
use simpul::partners::imports::rules::{ImportFailure, ImportFormat, ImportState, RowState, Todo};
use simpul::platform::db::{Target, migrate};
use simpul::platform::nik::{NikStatus, Sex};
use simpul::platform::person::AgeBand;
use simpul::platform::region_code::RegionLevel;
use simpul::referrals::rules::talk::{CommentKind, TalkSide};
use simpul::referrals::rules::{ReferralAction, ReferralStatus};
use simpul::regions::rules::{RegionKind, TimeZone};
use simpul::statistics::rules::SexGroup;
use simpul::training::rules::certificates::CertificateState;
use simpul::training::rules::{EnrolmentState, EventHistoryAction, EventLevel, EventState, SeatAction, TrainingResult};
use simpul::volunteers::rules::documents::DocumentKind;
use simpul::volunteers::rules::{HistoryAction, IdentityState, SupervisorKind, TrainingLevel, VolunteerStatus};

#[test]
fn every_foreign_key_is_indexed() {
    run(async |app| {
        // The columns of the key, in any order, must be the first columns of some index.
        let bare = app
            .texts(
                "
            SELECT c.conrelid::regclass || '.' || c.conname FROM pg_constraint c
            WHERE c.contype = 'f' AND NOT EXISTS (
                SELECT 1 FROM pg_index i WHERE i.indrelid = c.conrelid
                -- A search for a value finds what is not null.
                AND (i.indpred IS NULL OR (cardinality(c.conkey) = 1 AND pg_get_expr(i.indpred, i.indrelid) = '(' ||
                    (SELECT attname FROM pg_attribute a WHERE a.attrelid = c.conrelid AND a.attnum = c.conkey[1]) || ' IS NOT NULL)'))
                AND (SELECT array_agg(k ORDER BY k) FROM unnest(c.conkey) k)
                  = (SELECT array_agg(k ORDER BY k) FROM unnest((i.indkey::int2[])[0:cardinality(c.conkey) - 1]) k))",
            )
            .await;
        assert_eq!(bare, Vec::<String>::new());
    });
}

/// The words of a CHECK are those of the Rust enum, in its order.
async fn check_words(app: &TestApp, table: &str, column: &str, words: Vec<&'static str>) {
    let found = app
        .texts(&format!(
            "
        SELECT pg_get_constraintdef(oid) FROM pg_constraint
        WHERE conrelid = '{table}'::regclass AND contype = 'c' AND conname = '{table}_{column}_check'"
        ))
        .await;
    let listed = regex::Regex::new("'([a-z_A-Z0-9/+-]+)'::text").unwrap();
    let mut in_database: Vec<String> = listed.captures_iter(&found.concat()).map(|word| word[1].to_owned()).collect();
    let mut in_rust: Vec<String> = words.into_iter().map(str::to_owned).collect();
    in_database.sort();
    in_rust.sort();
    assert_eq!(in_database, in_rust, "{table}.{column}");
}

#[test]
fn checks_list_what_the_enums_list() {
    run(async |app| {
        macro_rules! same {
            ($table:literal, $column:literal, $type:ty) => {
                check_words(app, $table, $column, <$type>::ALL.iter().map(|v| v.as_str()).collect()).await;
            };
        }
        same!("access_state", "client_kind", ClientKind);
        same!("access_state", "agency_kind", AgencyKind);
        same!("agencies", "kind", AgencyKind);
        same!("agencies", "state", AgencyState);
        same!("clients", "kind", ClientKind);
        same!("clients", "state", ClientState);
        same!("audit_events", "outcome", Outcome);
        same!("changes", "op", Op);
        same!("cases", "state", CaseState);
        same!("cases", "urgency", Urgency);
        same!("cases", "lawful_basis", LawfulBasis);
        same!("cases", "consent_by", ConsentBy);
        same!("cases", "consent_method", ConsentMethod);
        same!("cases", "consent_relation", Relation);
        same!("case_people", "guardian_relation", Relation);
        same!("case_people", "contact_relation", Relation);
        same!("case_people", "age_band", AgeBand);
        same!("case_history", "action", CaseAction);
        same!("case_people", "communication_need", CommunicationNeed);
        same!("case_people", "nik_status", NikStatus);
        same!("case_people", "sex", Sex);
        same!("referrals", "status", ReferralStatus);
        same!("referrals", "urgency", Urgency);
        let moves = ReferralAction::ALL.iter().map(|action| action.as_str());
        check_words(
            app,
            "referral_history",
            "action",
            moves.chain(["create", "remind", "escalate", "update"]).collect(),
        )
        .await;
        same!("regions", "level", RegionLevel);
        same!("regions", "kind", RegionKind);
        same!("regions", "time_zone", TimeZone);
        same!("volunteers", "status", VolunteerStatus);
        same!("volunteers", "level", TrainingLevel);
        same!("volunteers", "sex", Sex);
        same!("volunteers", "supervisor_kind", SupervisorKind);
        same!("volunteer_people", "nik_status", NikStatus);
        same!("volunteer_people", "identity_state", IdentityState);
        same!("volunteer_history", "action", HistoryAction);
        same!("volunteer_history", "from_status", VolunteerStatus);
        same!("volunteer_history", "to_status", VolunteerStatus);
        same!("volunteer_documents", "kind", DocumentKind);
        same!("volunteer_documents", "content_type", DocumentType);
        same!("volunteer_documents", "state", DocumentState);
        same!("case_documents", "kind", CaseDocumentKind);
        same!("case_documents", "content_type", DocumentType);
        same!("case_documents", "state", DocumentState);
        same!("referral_comments", "kind", CommentKind);
        same!("referral_comments", "side", TalkSide);
        same!("volunteer_figures", "status", VolunteerStatus);
        same!("volunteer_figures", "level", TrainingLevel);
        same!("volunteer_figures", "sex", SexGroup);
        same!("imports", "state", ImportState);
        same!("imports", "failure", ImportFailure);
        same!("imports", "format", ImportFormat);
        same!("import_chunks", "todo", Todo);
        same!("import_rows", "state", RowState);
        same!("source_systems", "time_zone", TimeZone);
        same!("training_events", "level", EventLevel);
        same!("training_events", "state", EventState);
        same!("training_enrolments", "state", EnrolmentState);
        same!("training_enrolments", "result", TrainingResult);
        same!("training_enrolment_history", "action", SeatAction);
        same!("training_enrolment_history", "from_result", TrainingResult);
        same!("training_enrolment_history", "to_result", TrainingResult);
        same!("certificates", "level", EventLevel);
        same!("certificates", "state", CertificateState);
        same!("training_event_history", "action", EventHistoryAction);
        same!("training_event_history", "from_state", EventState);
        same!("training_event_history", "to_state", EventState);
    });
}

#[test]
fn the_service_may_do_no_more_than_it_must() {
    run(async |app| {
        let service = app.database_url("simpul_service");
        let (mut conn, _driver) = Target::new(&service, None).unwrap().connect().await.unwrap();
        use diesel_async::SimpleAsyncConnection;
        for forbidden in [
            "UPDATE audit_events SET action = 'x'",
            "DELETE FROM audit_events",
            "TRUNCATE audit_events",
            "UPDATE changes SET op = 'upsert'",
            "DELETE FROM changes",
            "UPDATE changes_swept SET seq = 1",
            "SELECT renew_changes()",
            "DELETE FROM agencies",
            "DELETE FROM regions",
            "DELETE FROM training_enrolments",
            "UPDATE training_event_history SET note = 'x'",
            "UPDATE training_enrolment_history SET note = 'x'",
            "UPDATE installation SET demo = true",
            "CREATE TABLE x ()",
            "DROP TABLE codes",
            "DELETE FROM __diesel_schema_migrations",
            "CREATE TEMP TABLE y ()",
        ] {
            let refused = conn.batch_execute(forbidden).await;
            assert!(refused.is_err() || forbidden.contains("TEMP"), "{forbidden}");
        }
        // not even the owner rewrites the record
        support::execute(&app.database_url("simpul_owner"), "INSERT INTO audit_events (id, at, action, outcome, request_id, subject_ids, person_ids, fields, region_codes) VALUES (gen_random_uuid(), now(), 'x', 'allowed', gen_random_uuid(), '{}', '{}', '{}', '{}')").await;
        let (mut owner, _driver) =
            Target::new(&app.database_url("simpul_owner"), None).unwrap().connect().await.unwrap();
        assert!(owner.batch_execute("DELETE FROM audit_events").await.is_err());
    });
}

/// `down.sql` takes back what `up.sql` made: going down and up again gives the same schema.
#[test]
fn migrations_go_down_and_up_again() {
    run(async |app| {
        let shape = "SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable FROM information_schema.columns WHERE table_schema = 'public' AND table_name NOT LIKE 'pg_stat%' ORDER BY 1";
        let owner = Target::new(&app.database_url("simpul_owner"), None).unwrap();
        let before = app.texts(shape).await;
        migrate::revert_all(&owner).await.unwrap();
        let left = app.texts(shape).await;
        assert!(left.iter().all(|column| column.starts_with("__diesel")), "{left:?}");
        let functions = app
            .texts(
                "SELECT proname FROM pg_proc p JOIN pg_roles r ON r.oid = p.proowner WHERE r.rolname = 'simpul_owner'",
            )
            .await;
        assert_eq!(functions, Vec::<String>::new());
        assert!(migrate::check(&owner, false).await.unwrap_err().to_string().contains("simpul migrate"));
        migrate::run(&owner).await.unwrap();
        assert_eq!(app.texts(shape).await, before);
        assert!(migrate::run(&owner).await.unwrap().is_empty());
    });
}

/// src/schema.rs names every table and column, with its nullability.
#[test]
fn the_printed_schema_is_current() {
    run(async |app| {
        let printed = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/schema.rs")).unwrap();
        let table = regex::Regex::new(r"(?s)    ([a-z_]+) \([a-z_, ]+\) \{(.*?)\n    \}").unwrap();
        let column = regex::Regex::new(r"(?m)^        ([a-z_0-9]+) -> (.*),$").unwrap();
        let mut in_rust = vec![];
        for found in table.captures_iter(&printed) {
            for part in column.captures_iter(&found[2]) {
                in_rust.push(format!("{}.{} {}", &found[1], &part[1], part[2].starts_with("Nullable")));
            }
        }
        in_rust.sort();
        let mut in_database = app.texts("SELECT table_name || '.' || column_name || ' ' || (is_nullable = 'YES') FROM information_schema.columns WHERE table_schema = 'public' AND table_name NOT LIKE 'pg_stat%' AND table_name NOT LIKE '\\_\\_%' AND table_name NOT IN (SELECT viewname FROM pg_views)").await;
        in_database.sort();
        assert_eq!(in_rust, in_database, "run `make schema`");
    });
}

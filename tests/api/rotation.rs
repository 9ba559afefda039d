//! Keys of stored data: the next one is laid down, taken up and everything is encrypted anew, while the service answers.
use crate::case_documents::{case_of, letter, opened};
use crate::documents::{JPEG, send};
use crate::support::office::PDF;
use crate::support::{self, TestApp, run_with, scratch};
use chrono::{TimeDelta, Utc};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

const NIK: &str = "1706024508950001";

/// The keys of all tests in a directory of this test's own. The one that seals has done so for years: it may have been made this very
/// second, and the next one seals from a moment ago.
fn own_keys() -> PathBuf {
    let own = scratch().join(format!("keys-{}", uuid::Uuid::now_v7()));
    std::fs::create_dir_all(&own).unwrap();
    for file in std::fs::read_dir(support::shared_keys()).unwrap().flatten() {
        let name = file.file_name().into_string().unwrap();
        let name = if name.starts_with("data-") { "data-20200101000000.key" } else { &name };
        std::fs::copy(file.path(), own.join(name)).unwrap();
    }
    own
}

async fn simpul(app: &TestApp, keys: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_simpul"));
    command.env_clear().current_dir(std::env::temp_dir()).arg("keys").args(arguments);
    command.env("DATABASE_URL", app.database_url("simpul_service"));
    command.env("SIGNING_KEYS_DIR", keys).env("DATA_KEYS_DIR", keys).env("DOCUMENTS_DIR", documents());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let (said, why) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr).into_owned());
    if output.status.success() { said } else { why }
}

/// Where the app under test keeps documents.
fn documents() -> PathBuf {
    match support::config("", "").settings.objects {
        simpul::platform::config::ObjectPlace::Directory(dir) => dir,
        simpul::platform::config::ObjectPlace::Bucket(_) => panic!("not in tests"),
    }
}

/// How many keys have sealed what is stored.
async fn sealed_by(app: &TestApp) -> i64 {
    app.number(
        "SELECT count(DISTINCT k) FROM (SELECT substring(nik FROM 2 FOR 4) k FROM volunteer_people WHERE nik IS NOT NULL
         UNION ALL SELECT substring(nik FROM 2 FOR 4) FROM case_people WHERE nik IS NOT NULL
         UNION ALL SELECT substring(kk FROM 2 FOR 4) FROM case_people WHERE kk IS NOT NULL
         UNION ALL SELECT substring(card FROM 2 FOR 4) FROM case_people WHERE card IS NOT NULL
         UNION ALL SELECT substring(sealed FROM 2 FOR 4) FROM referral_details) keys",
    )
    .await
}

#[test]
fn everything_is_encrypted_anew_while_the_service_answers() {
    let dir = own_keys();
    run_with(
        |config| config.data_keys_dir.clone_from(&dir),
        async |app| {
            let keys = app.running().app.keys.clone();
            let regency = app.regency().await;
            let made = json!({ "village_code": "17.06.02.1017", "name": "Siti Aminah", "nik": NIK });
            let made = regency.post("/v1/volunteers", made).await.expect(201).id();
            let told = crate::referrals::to_bpjs(app).await;
            let village = app.village().await;
            let (person, case) = (format!("/v1/volunteers/{made}"), case_of(&village, &told).await);
            let face = send(&regency, &person, "photo", "image/jpeg", JPEG).await.expect(201).id();
            let papers = [
                (&regency, format!("{person}/documents/{face}"), JPEG),
                (&village, format!("{case}/documents/{}", letter(&village, &case).await.id()), PDF),
                (&village, format!("{told}/documents/{}", letter(&village, &told).await.id()), PDF),
            ];
            assert_eq!(sealed_by(app).await, 1);
            let before = keys.encrypt("here", "kept").unwrap();

            // one that waits for its time seals nothing, and no second one is made beside it
            let said = simpul(app, &dir, &["rotate", "--after", "60"]).await;
            assert!(said.contains("simpul keys re-encrypt"), "{said}");
            keys.reload().unwrap();
            assert!(keys.is_current(&before));
            assert!(simpul(app, &dir, &["rotate"]).await.contains("wait for it"));
            let waiting = newest(&dir);
            let past = format!("data-{}.key", (Utc::now() - TimeDelta::seconds(2)).format("%Y%m%d%H%M%S"));
            std::fs::rename(waiting, dir.join(past)).unwrap();

            // another process seals by it, maybe before this one has looked: it is opened all the same
            let said = simpul(app, &dir, &["re-encrypt", "--settled", "0"]).await;
            assert!(said.starts_with("encrypted anew: ") && said.contains(", 3 documents"), "{said}");
            assert_eq!(sealed_by(app).await, 1);
            for (client, paper, content) in &papers {
                assert_eq!(opened(app, client, paper).await, *content, "{paper}");
            }
            let reveal = json!({ "purpose": "identity_check" });
            let shown = regency.post(&format!("/v1/volunteers/{made}/reveal"), reveal).await.expect(200);
            assert_eq!(shown.json["nik"], NIK);
            assert_eq!(*keys.decrypt("here", &before).unwrap(), "kept");
            let told = regency.get(&told).await.expect(200).json["fields_missing"].clone();
            assert_eq!(told, json!(["reason", "facility_name", "letter_number"]));
            // done once, nothing is left
            let said = simpul(app, &dir, &["re-encrypt", "--settled", "0"]).await;
            assert!(said.starts_with("encrypted anew: 0 volunteers, 0 people of cases, 0 referrals"), "{said}");
            // at once, on one node
            let said = simpul(app, &dir, &["rotate", "--after", "0", "--settled", "0"]).await;
            assert!(said.contains("encrypted anew: ") && !said.contains("anew: 0 volunteers"), "{said}");
            assert_eq!(sealed_by(app).await, 1);
        },
    );
    std::fs::remove_dir_all(dir).unwrap();
}

/// What a transaction sealed by the former key and commits late is found before it is said that nothing is left.
#[test]
fn what_is_committed_late_is_encrypted_anew_too() {
    let dir = own_keys();
    run_with(
        |config| config.data_keys_dir.clone_from(&dir),
        async |app| {
            let regency = app.regency().await;
            let made = json!({ "village_code": "17.06.02.1017", "name": "Siti Aminah", "nik": NIK });
            let made = regency.post("/v1/volunteers", made).await.expect(201).id();
            let sealed = format!("SELECT encode(nik, 'hex') FROM volunteer_people WHERE volunteer_id = '{made}'");
            let former = app.texts(&sealed).await.remove(0);
            let said = simpul(app, &dir, &["rotate"]).await;
            assert!(said.contains("simpul keys re-encrypt"), "{said}");
            let from = Utc::now() - TimeDelta::seconds(2);
            std::fs::rename(newest(&dir), dir.join(format!("data-{}.key", from.format("%Y%m%d%H%M%S")))).unwrap();
            let ((), said) = tokio::join!(
                async {
                    let begun = Instant::now();
                    while app.texts(&sealed).await.remove(0) == former {
                        assert!(begun.elapsed().as_secs() < 60, "it was not encrypted anew");
                    }
                    let late = format!("decode('{former}', 'hex')");
                    app.sql(&format!("UPDATE volunteer_people SET nik = {late} WHERE volunteer_id = '{made}'")).await;
                },
                simpul(app, &dir, &["re-encrypt", "--settled", "3"]),
            );
            assert!(said.starts_with("encrypted anew: "), "{said}");
            assert_ne!(app.texts(&sealed).await.remove(0), former);
            assert_eq!(sealed_by(app).await, 1);
        },
    );
    std::fs::remove_dir_all(dir).unwrap();
}

fn newest(dir: &Path) -> PathBuf {
    let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("data-")).max().unwrap()
}

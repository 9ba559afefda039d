//! The schema: bringing it up to date, and refusing one that is not.
use self::history::__diesel_schema_migrations;
use super::sql::current_setting;
use super::{Conn, Target, unavailable};
use crate::schema::installation;
use diesel::migration::MigrationSource;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel_async::{AsyncMigrationHarness, RunQueryDsl, SimpleAsyncConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use std::collections::BTreeSet;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");
/// Two nodes that start together must not migrate together.
const LOCK: i64 = 0x5349_4d50_554c;

mod history {
    diesel::table! {
        __diesel_schema_migrations (version) {
            version -> Text,
        }
    }
}

/// Applies what is pending; returns the versions applied. As the owner, on a multi-threaded runtime.
pub async fn run(owner: &Target) -> anyhow::Result<Vec<String>> {
    let (mut conn, _driver) = owner.session("simpul-migrate", "").connect().await?;
    conn.batch_execute(&format!("SELECT pg_advisory_lock({LOCK})")).await?;
    let mut harness = AsyncMigrationHarness::new(conn);
    let applied =
        harness.run_pending_migrations(MIGRATIONS).map_err(|error| anyhow::anyhow!("migration failed: {error}"))?;
    Ok(applied.iter().map(ToString::to_string).collect())
}

/// Takes every migration back; returns how many. For the test of `down.sql`.
pub async fn revert_all(owner: &Target) -> anyhow::Result<usize> {
    let (conn, _driver) = owner.session("simpul-migrate", "").connect().await?;
    let mut harness = AsyncMigrationHarness::new(conn);
    let reverted =
        harness.revert_all_migrations(MIGRATIONS).map_err(|error| anyhow::anyhow!("revert failed: {error}"))?;
    Ok(reverted.len())
}

/// Marks the installation as one whose credentials everyone knows. As the owner.
pub async fn mark_demo(owner: &Target) -> anyhow::Result<()> {
    let (mut conn, _driver) = owner.session("simpul-migrate", "").connect().await?;
    diesel::update(installation::table).set(installation::demo.eq(true)).execute(&mut conn).await?;
    Ok(())
}

/// Whether this program fits the database: schema, language of messages, and kind of installation.
pub async fn check(target: &Target, demo: bool) -> anyhow::Result<()> {
    let (mut conn, _driver) = target.session("simpul-check", "").connect().await?;
    let behind = pending(&mut conn).await?;
    anyhow::ensure!(behind.is_empty(), "the schema is behind by {}: run `simpul migrate`", behind.join(", "));
    let language: String = diesel::select(current_setting("lc_messages")).get_result(&mut conn).await?;
    anyhow::ensure!(
        matches!(language.as_str(), "C" | "POSIX" | "C.UTF-8" | "en_US.UTF-8"),
        "lc_messages is {language}: errors are told by their English text. Run as superuser: ALTER ROLE simpul_service SET lc_messages = 'C'"
    );
    let made_by_demo: bool = installation::table.select(installation::demo).first(&mut conn).await?;
    anyhow::ensure!(
        made_by_demo == demo,
        "this database was {}made by `simpul demo`, whose credentials everyone knows",
        if made_by_demo { "" } else { "not " }
    );
    Ok(())
}

async fn pending(conn: &mut Conn) -> anyhow::Result<Vec<String>> {
    let applied =
        __diesel_schema_migrations::table.select(__diesel_schema_migrations::version).load::<String>(conn).await;
    let applied: BTreeSet<String> = match applied {
        Ok(versions) => versions.into_iter().collect(),
        Err(diesel::result::Error::DatabaseError(_, info)) if info.message().contains("does not exist") => {
            BTreeSet::new()
        }
        Err(error) => return Err(error.into()),
    };
    let known = MigrationSource::<Pg>::migrations(&MIGRATIONS).map_err(unavailable)?;
    let known = known.iter().map(|migration| migration.name().version().as_owned().to_string());
    Ok(known.filter(|version| !applied.contains(version)).collect())
}

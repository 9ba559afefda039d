//! Every SQL statement on `changes`.
use super::rules::{Audience, Change, ChangeType, Found, LOOKED_AT, Op, Place, Reader, Standing};
use crate::platform::db::Conn;
use crate::schema::sql_types::Xid8;
use crate::schema::{changes as t, changes_swept, installation};
use chrono::{DateTime, Utc};
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::dsl::not;
use diesel::pg::{Pg, PgValue};
use diesel::prelude::*;
use diesel::sql_types::Bool;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

/// Publishes a change with the transaction that makes it.
pub async fn publish(conn: &mut Conn, change: &Change) -> QueryResult<()> {
    let generation = installation::table.select(installation::generation).single_value().assume_not_null();
    let ids = |audience: &Audience| audience.agencies.iter().map(|id| id.0).collect::<Vec<Uuid>>();
    let volunteers = |audience: &Audience| audience.volunteers.iter().map(|id| id.0).collect::<Vec<Uuid>>();
    let row = (
        t::generation.eq(generation),
        t::at.eq(change.at),
        t::entity_type.eq(change.r#type),
        t::entity_id.eq(change.id),
        t::version.eq(change.version),
        (t::op.eq(change.op), t::redirected_to.eq(change.redirected_to)),
        t::scope.eq(change.r#type.scope()),
        t::agencies_before.eq(ids(&change.before)),
        t::agencies_after.eq(ids(&change.after)),
        t::regions_before.eq(&change.before.regions),
        t::regions_after.eq(&change.after.regions),
        t::volunteers_before.eq(volunteers(&change.before)),
        t::volunteers_after.eq(volunteers(&change.after)),
        t::below_before.eq(&change.before.below),
        t::below_after.eq(&change.after.below),
    );
    diesel::insert_into(t::table).values(row).execute(conn).await.map(drop)
}

/// Functions of our own migration.
mod functions {
    #![expect(clippy::too_many_arguments, reason = "an audience has four parts, a reader six")]
    use crate::schema::sql_types::Xid8;
    use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text, Timestamptz, Uuid};

    #[diesel::declare_sql_function]
    extern "SQL" {
        /// Every transaction before this one has ended.
        fn changes_horizon() -> Xid8;
        /// Whether a row stands after a place.
        fn follows(xid: Xid8, seq: BigInt, after_xid: BigInt, after_seq: BigInt) -> Bool;
        /// Whether an audience has this reader in it.
        fn is_among(
            agencies: Array<Uuid>,
            regions: Array<Text>,
            volunteers: Array<Uuid>,
            below: Array<Text>,
            within: Bool,
            everything: Bool,
            own_agencies: Array<Uuid>,
            own_region: Nullable<Text>,
            own_volunteer: Nullable<Uuid>,
            around: Array<Text>,
            home: Nullable<Text>,
        ) -> Bool;
        /// Removes the oldest rows; how many that were.
        fn sweep_changes(kept_from: Timestamptz, most: BigInt) -> BigInt;
    }
}
use functions::{changes_horizon, follows, is_among, sweep_changes};

/// Number of a transaction. PostgreSQL counts them from the beginning and never anew, so it is never too large.
#[derive(Debug, Clone, Copy, FromSqlRow)]
struct Xid(i64);

impl FromSql<Xid8, Pg> for Xid {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        Ok(Self(i64::from_be_bytes(value.as_bytes().try_into()?)))
    }
}

type FoundRow = ((Xid, i64), (String, Uuid, i32, Op, Option<Uuid>, DateTime<Utc>), (bool, bool, bool));

/// The changes after a place, oldest first, as far as they may be served, whomever they concern; no more than
/// [`LOOKED_AT`]. Only what is here once all older transactions have ended is served: what one of them adds late would
/// stand before what has been read.
pub async fn after(conn: &mut &Conn, reader: &Reader, types: &[ChangeType], place: Place) -> QueryResult<Vec<Found>> {
    let generation = installation::table.select(installation::generation).single_value().assume_not_null();
    let wanted = t::generation
        .eq(generation)
        .and(t::scope.eq_any(&reader.scopes))
        .and(types.is_empty().into_sql::<Bool>().or(t::entity_type.eq_any(types)));
    let Reader { everything, agencies, region, volunteer, around, home, .. } = reader;
    let within = || t::entity_type.eq_any([ChangeType::Case, ChangeType::Referral]);
    let (before, after) = (
        is_among(
            t::agencies_before,
            t::regions_before,
            t::volunteers_before,
            t::below_before,
            within(),
            *everything,
            agencies,
            region,
            volunteer,
            around,
            home,
        ),
        is_among(
            t::agencies_after,
            t::regions_after,
            t::volunteers_after,
            t::below_after,
            within(),
            *everything,
            agencies,
            region,
            volunteer,
            around,
            home,
        ),
    );
    let rows: Vec<FoundRow> = t::table
        .filter(follows(t::xid, t::seq, place.xid, place.seq))
        .filter(t::xid.lt(changes_horizon()))
        .select((
            (t::xid, t::seq),
            (t::entity_type, t::entity_id, t::version, t::op, t::redirected_to, t::at),
            // Any token reads every agency and what it offers.
            (wanted, before, after.or(t::entity_type.eq_any([ChangeType::Agency, ChangeType::SourceSystem]))),
        ))
        .order((t::xid, t::seq))
        .limit(LOOKED_AT)
        .load(conn)
        .await?;
    Ok(rows.into_iter().map(of_row).collect())
}

fn of_row(((xid, seq), (r#type, id, version, op, redirected_to, at), (wanted, before, after)): FoundRow) -> Found {
    let place = Place { xid: xid.0, seq };
    Found { place, r#type, id, version, op, redirected_to, at, wanted, before, after }
}

/// How the feed as a whole stands. Ask it after [`after`]: what was removed before that is known by then.
pub async fn standing(conn: &mut &Conn) -> QueryResult<Standing> {
    let generation = installation::table.select(installation::generation).single_value().assume_not_null();
    let whole = changes_swept::table.select((changes_swept::xid, changes_swept::seq, generation, changes_horizon()));
    let (xid, seq, generation, horizon): (Xid, i64, Uuid, Xid) = whole.first(conn).await?;
    Ok(Standing { generation, swept: Place { xid: xid.0, seq }, horizon: horizon.0 })
}

/// When the oldest change was made that waits for older transactions to end.
pub async fn oldest_waiting(conn: &mut &Conn) -> QueryResult<Option<DateTime<Utc>>> {
    let waiting = t::table.filter(not(t::xid.lt(changes_horizon()))).order((t::xid, t::seq)).select(t::at);
    diesel::select(waiting.limit(1).single_value()).get_result(conn).await
}

/// Removes the oldest `most` changes, as far as they are older than `kept_from`; returns how many.
pub async fn sweep(conn: &mut Conn, kept_from: DateTime<Utc>, most: i64) -> QueryResult<i64> {
    diesel::select(sweep_changes(kept_from, most)).get_result(conn).await
}

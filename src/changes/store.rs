//! Every SQL statement on `changes`.
use super::rules::{Audience, Change};
use crate::platform::db::Conn;
use crate::schema::{changes as t, installation};
use diesel::prelude::*;
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
        t::entity_type.eq(change.entity),
        t::entity_id.eq(change.id),
        t::version.eq(change.version),
        t::op.eq(change.op),
        t::redirected_to.eq(change.redirected_to),
        t::scope.eq(change.scope),
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

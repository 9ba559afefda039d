//! One person once: rows that are alike, NIKs that two rows have, and what was merged.
use super::{Full, Person, Volunteer, visible_to};
use crate::access::rules::{AgencyId, Caller, VolunteerId};
use crate::platform::db::Conn;
use crate::platform::db::sql::{Columns, Known};
use crate::schema::{volunteer_people, volunteers, volunteers as t};
use crate::volunteers::rules::{IdentityState, VolunteerStatus};
use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use std::collections::HashMap;
use uuid::Uuid;

diesel::alias!(volunteers as other: Other, volunteer_people as other_person: OtherPerson);

/// Who is posted in a village, as likeness is judged.
#[derive(Queryable)]
pub struct Neighbour {
    /// Its id.
    pub id: VolunteerId,
    /// Where it stands.
    pub status: VolunteerStatus,
    /// Full name.
    pub name: String,
    /// If known.
    pub birth_date: Option<NaiveDate>,
}

/// Two rows with one NIK.
#[derive(Debug, Clone, Copy)]
pub struct Dispute {
    /// The row that had it later.
    pub id: VolunteerId,
    /// The row that had it first.
    pub holder: VolunteerId,
    /// Since when that is known.
    pub since: DateTime<Utc>,
}

/// Pairs of rows with one NIK of which the caller sees both, in the order of the later row: each disputed row with the one of
/// the caller's sight that had the NIK first, undisputed or not.
pub async fn disputes(
    conn: &mut &Conn,
    caller: &Caller,
    after: Option<VolunteerId>,
    limit: i64,
) -> QueryResult<Vec<Dispute>> {
    let window = caller.sight.window();
    let (place, had) = (other.field(t::village_code), other_person.field(volunteer_people::disputed_at));
    let since = volunteer_people::disputed_at;
    let sooner = had.lt(since).or(had.eq(since).and(other_person.field(volunteer_people::volunteer_id).lt(t::id)));
    let sole = other_person.field(volunteer_people::identity_state).eq(IdentityState::Sole);
    let disputed = other_person.field(volunteer_people::identity_state).eq(IdentityState::Disputed);
    let first = other_person
        .inner_join(other.on(other.field(t::id).eq(other_person.field(volunteer_people::volunteer_id))))
        .filter(other_person.field(volunteer_people::nik_index).eq(volunteer_people::nik_index))
        .filter(sole.or(disputed.and(Known(sooner))))
        .filter(place.ge(window.from).and(place.lt(window.until)))
        .select(other.field(t::id))
        .order((had.asc().nulls_first(), other.field(t::id)))
        .limit(1)
        .single_value();
    let after = after.unwrap_or(VolunteerId(Uuid::nil()));
    let pairs: Vec<(VolunteerId, Option<VolunteerId>, DateTime<Utc>)> = t::table
        .inner_join(volunteer_people::table)
        .filter(volunteer_people::identity_state.eq(IdentityState::Disputed).and(t::id.gt(after)))
        .filter(visible_to(caller))
        .filter(first.clone().is_not_null())
        .select((t::id, first, since.assume_not_null()))
        .order(t::id)
        .limit(limit)
        .load(conn)
        .await?;
    let pair = |(id, holder, since): (_, Option<VolunteerId>, _)| Some(Dispute { id, holder: holder?, since });
    Ok(pairs.into_iter().filter_map(pair).collect())
}

/// These volunteers with their persons, as far as the caller sees them.
pub async fn full_of(conn: &mut &Conn, caller: &Caller, ids: &[VolunteerId]) -> QueryResult<Vec<Full>> {
    let some = t::table.inner_join(volunteer_people::table).filter(t::id.eq_any(ids)).filter(visible_to(caller));
    some.select((Volunteer::columns(), Person::columns())).order(t::id).load(conn).await
}

/// The row that a merged one is found under, if the caller sees it.
pub async fn survivor(conn: &mut &Conn, caller: &Caller, id: VolunteerId) -> QueryResult<VolunteerId> {
    let merged_into = other.filter(other.field(t::id).eq(id)).select(other.field(t::merged_into)).single_value();
    t::table.filter(visible_to(caller)).filter(t::id.nullable().eq(merged_into)).select(t::id).first(conn).await
}

/// What these lead to, as far as they are merged, whoever may see either.
pub async fn survivors(conn: &mut Conn, ids: &[VolunteerId]) -> QueryResult<HashMap<VolunteerId, VolunteerId>> {
    let merged = t::table.filter(t::id.eq_any(ids).and(t::merged_into.is_not_null()));
    let pairs: Vec<(VolunteerId, VolunteerId)> =
        merged.select((t::id, t::merged_into.assume_not_null())).load(conn).await?;
    Ok(pairs.into_iter().collect())
}

/// Those that lead to a volunteer.
pub async fn merged_into(conn: &mut Conn, id: VolunteerId) -> QueryResult<Vec<VolunteerId>> {
    t::table.filter(t::merged_into.eq(id)).select(t::id).order(t::id).load(conn).await
}

/// A volunteer whom the caller sees and who is not merged, until the transaction ends: for what refers to it. A merge waits for
/// that, or is waited for.
pub async fn hold_living(conn: &mut Conn, caller: &Caller, id: VolunteerId) -> QueryResult<Volunteer> {
    let living = t::table.find(id).filter(visible_to(caller)).filter(t::merged_into.is_null());
    living.select(Volunteer::columns()).for_key_share().first(conn).await
}

/// After a NIK was given up: the row that has waited longest has it undisputed from now on, unless another one has. The
/// NIK is held.
pub async fn promote(conn: &mut Conn, nik_index: &[u8]) -> QueryResult<()> {
    let having = volunteer_people::table.filter(volunteer_people::nik_index.eq(nik_index));
    let states: Vec<(VolunteerId, IdentityState)> = having
        .select((volunteer_people::volunteer_id, volunteer_people::identity_state))
        .order((volunteer_people::disputed_at, volunteer_people::volunteer_id))
        .load(conn)
        .await?;
    if states.iter().any(|(_, state)| *state == IdentityState::Sole) {
        return Ok(());
    }
    let Some((next, _)) = states.iter().find(|(_, state)| *state == IdentityState::Disputed) else { return Ok(()) };
    let sole = volunteer_people::identity_state.eq(IdentityState::Sole);
    let undisputed = (sole, volunteer_people::disputed_at.eq(None::<DateTime<Utc>>));
    diesel::update(volunteer_people::table.find(next)).set(undisputed).execute(conn).await.map(drop)
}

/// Merges a row that is locked into another one, with those that had been merged into it; returns the latter.
pub async fn absorb(
    conn: &mut Conn,
    duplicate: &mut Volunteer,
    survivor: VolunteerId,
    by: AgencyId,
    now: DateTime<Utc>,
) -> QueryResult<Vec<VolunteerId>> {
    duplicate.merged_into = Some(survivor);
    duplicate.merged_at = Some(now);
    super::save(conn, duplicate, by, now).await?;
    let gone = (
        volunteer_people::identity_state.eq(IdentityState::Merged),
        volunteer_people::disputed_at.eq(None::<DateTime<Utc>>),
    );
    diesel::update(volunteer_people::table.find(duplicate.id)).set(gone).execute(conn).await?;
    let earlier = diesel::update(t::table.filter(t::merged_into.eq(duplicate.id)));
    earlier.set(t::merged_into.eq(survivor)).returning(t::id).get_results(conn).await
}

/// Parts a row from the one that it was merged into, with those that had come with it. Its NIK is disputed until
/// [`promote`] finds it the only one.
pub async fn release(
    conn: &mut Conn,
    duplicate: &mut Volunteer,
    earlier: &[VolunteerId],
    by: AgencyId,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    duplicate.merged_into = None;
    duplicate.merged_at = None;
    super::save(conn, duplicate, by, now).await?;
    let people = volunteer_people::table.find(duplicate.id);
    let disputed =
        (volunteer_people::identity_state.eq(IdentityState::Disputed), volunteer_people::disputed_at.eq(now));
    diesel::update(people.filter(volunteer_people::nik_index.is_not_null())).set(disputed).execute(conn).await?;
    let sole = volunteer_people::identity_state.eq(IdentityState::Sole);
    diesel::update(people.filter(volunteer_people::nik_index.is_null())).set(sole).execute(conn).await?;
    let back = t::table.filter(t::id.eq_any(earlier));
    diesel::update(back).set(t::merged_into.eq(duplicate.id)).execute(conn).await.map(drop)
}

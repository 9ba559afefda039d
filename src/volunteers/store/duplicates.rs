//! One person once: rows that are alike, NIKs that two rows have, and what was merged.
use super::{Full, Person, Volunteer, visible_to};
use crate::access::rules::{AgencyId, Caller, VolunteerId};
use crate::platform::db::Conn;
use crate::platform::region_code::RegionCode;
use crate::schema::{volunteer_people, volunteers, volunteers as t};
use crate::volunteers::rules::{IdentityState, VolunteerStatus};
use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

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

/// Everyone who is or was a volunteer of a village: some ten at most.
pub async fn neighbours(conn: &mut Conn, village: &RegionCode) -> QueryResult<Vec<Neighbour>> {
    t::table
        .inner_join(volunteer_people::table)
        .filter(t::village_code.eq(village).and(t::merged_into.is_null()))
        .select((t::id, t::status, volunteer_people::name, volunteer_people::birth_date))
        .order(t::id)
        .load(conn)
        .await
}

/// Two rows with one NIK.
#[derive(Debug, Clone, Copy, Queryable)]
pub struct Dispute {
    /// The row that had it later.
    pub id: VolunteerId,
    /// The row that has it undisputed.
    pub holder: VolunteerId,
    /// Since when that is known.
    pub since: DateTime<Utc>,
}

/// Pairs of rows with one NIK of which the caller sees both, in the order of the later row.
pub async fn disputes(
    conn: &mut &Conn,
    caller: &Caller,
    after: Option<VolunteerId>,
    limit: i64,
) -> QueryResult<Vec<Dispute>> {
    let window = caller.sight.window();
    let place = other.field(t::village_code);
    let mut pairs = t::table
        .inner_join(volunteer_people::table)
        .inner_join(
            other_person.on(other_person
                .field(volunteer_people::nik_index)
                .eq(volunteer_people::nik_index)
                .and(other_person.field(volunteer_people::identity_state).eq(IdentityState::Sole))),
        )
        .inner_join(other.on(other.field(t::id).eq(other_person.field(volunteer_people::volunteer_id))))
        .filter(volunteer_people::identity_state.eq(IdentityState::Disputed))
        .filter(visible_to(caller))
        .filter(place.ge(window.from).and(place.lt(window.until)))
        .into_boxed();
    if let Some(after) = after {
        pairs = pairs.filter(t::id.gt(after));
    }
    pairs
        .select((t::id, other.field(t::id), volunteer_people::disputed_at.assume_not_null()))
        .order(t::id)
        .limit(limit)
        .load(conn)
        .await
}

/// These volunteers with their persons, as far as the caller sees them.
pub async fn full_of(conn: &mut &Conn, caller: &Caller, ids: &[VolunteerId]) -> QueryResult<Vec<Full>> {
    let some = t::table.inner_join(volunteer_people::table).filter(t::id.eq_any(ids)).filter(visible_to(caller));
    some.select((Volunteer::as_select(), Person::as_select())).order(t::id).load(conn).await
}

/// The row that a merged one is found under, if the caller sees it.
pub async fn survivor(conn: &mut &Conn, caller: &Caller, id: VolunteerId) -> QueryResult<VolunteerId> {
    let merged_into = other.filter(other.field(t::id).eq(id)).select(other.field(t::merged_into)).single_value();
    t::table.filter(visible_to(caller)).filter(t::id.nullable().eq(merged_into)).select(t::id).first(conn).await
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

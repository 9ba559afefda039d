//! Which cases may be one: the same person with the same need, open in one regency.
use super::{Case, CasePerson, WithPeople, in_region, visible_to};
use crate::access::rules::Caller;
use crate::cases::rules::{CaseId, CaseState};
use crate::codes::rules::Code;
use crate::platform::db::Conn;
use crate::platform::db::sql::{Columns, Known, coalesce};
use crate::platform::names::{VERSION, likeness};
use crate::platform::region_code::RegionCode;
use crate::schema::{case_distinctions, case_distinctions as d, case_people, case_people as p, cases as t, codes};
use chrono::{DateTime, Utc};
use diesel::dsl::{exists, not};
use diesel::prelude::*;
use diesel::upsert::excluded;
use diesel_async::RunQueryDsl;
use of_pairs::{later, later_person};
use uuid::Uuid;

mod of_pairs {
    use crate::schema::{case_people, cases};
    diesel::alias!(cases as later: Later, case_people as later_person: LaterPerson);
}

/// What a person's name is found by, with the version of its rules.
#[derive(Debug, AsChangeset, Insertable)]
#[diesel(table_name = p, treat_none_as_null = true, treat_none_as_default_value = false)]
pub(super) struct FoundBy {
    name_key: Option<String>,
    name_version: i16,
}

/// Of a name, by the rules of now.
pub(super) fn found_by(name: &str) -> FoundBy {
    FoundBy { name_key: likeness::key(name), name_version: VERSION }
}

/// Of the caller's sight, the cases that are not closed, lie in the regency of this one and have a category in common with it, and whose
/// person has a number, the name or the birth date of its person. That they are alike is yet to be judged.
pub async fn near(
    conn: &mut Conn,
    caller: &Caller,
    case: &Case,
    person: &CasePerson,
) -> QueryResult<Vec<(Case, CasePerson)>> {
    let named = p::regency_code.eq(&case.regency_code).and(p::name_key.eq(likeness::key(&person.name)));
    let born = p::regency_code.eq(&case.regency_code).and(p::birth_date.eq(person.birth_date));
    let numbered = p::nik_index.eq(&person.nik_index).or(p::card_index.eq(&person.card_index));
    t::table
        .inner_join(p::table)
        .filter(visible_to::<WithPeople>(caller))
        .filter(Known(numbered.or(named).or(born)))
        .filter(t::regency_code.eq(&case.regency_code).and(t::state.ne(CaseState::Closed)))
        .filter(t::ppks.overlaps_with(&case.ppks).and(t::id.ne(case.id)))
        .select((Case::columns(), CasePerson::columns()))
        .load(conn)
        .await
}

/// Those of these cases that the caller sees, each with its person's row.
pub async fn seen(conn: &mut &Conn, caller: &Caller, ids: &[CaseId]) -> QueryResult<Vec<(Case, CasePerson)>> {
    let some = t::table.inner_join(p::table).filter(visible_to::<WithPeople>(caller)).filter(t::id.eq_any(ids));
    some.select((Case::columns(), CasePerson::columns())).load(conn).await
}

/// That two cases are two, by what was said of them last. Of each pair first the one that was reported later.
pub async fn keep_distinctions(
    conn: &mut Conn,
    caller: &Caller,
    pairs: &[(CaseId, CaseId)],
    reason: &Code,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    let row = |(case, other): &(CaseId, CaseId)| {
        (
            d::case_id.eq(*case),
            d::other_id.eq(*other),
            d::reason.eq(reason.clone()),
            d::at.eq(now),
            d::agency_id.eq(caller.agency),
            d::client_id.eq(caller.client),
        )
    };
    let rows: Vec<_> = pairs.iter().map(row).collect();
    diesel::insert_into(case_distinctions::table)
        .values(rows)
        .on_conflict((d::case_id, d::other_id))
        .do_update()
        .set((
            d::reason.eq(excluded(d::reason)),
            d::at.eq(excluded(d::at)),
            d::agency_id.eq(excluded(d::agency_id)),
            d::client_id.eq(excluded(d::client_id)),
        ))
        .execute(conn)
        .await
        .map(drop)
}

/// Where going through cases goes on.
#[derive(Debug, Clone, Copy)]
pub struct From {
    /// After the case of this time
    pub at: DateTime<Utc>,
    /// and this id,
    pub id: CaseId,
    /// or with it once more.
    pub again: bool,
}

/// So many cases of the caller's sight that are not closed, newest first.
pub async fn window(
    conn: &mut &Conn,
    caller: &Caller,
    region: Option<&RegionCode>,
    from: Option<From>,
    limit: i64,
) -> QueryResult<Vec<(DateTime<Utc>, CaseId)>> {
    let mut query = t::table.filter(visible_to::<t::table>(caller)).filter(t::state.ne(CaseState::Closed)).into_boxed();
    if let Some(region) = region {
        query = query.filter(in_region::<t::table>(region));
    }
    if let Some(From { at, id, again }) = from {
        let onward =
            t::created_at.lt(at).or(t::id.lt(id)).or(t::id.eq(id).and(again.into_sql::<diesel::sql_types::Bool>()));
        query = query.filter(t::created_at.le(at).and(onward));
    }
    query.order((t::created_at.desc(), t::id.desc())).select((t::created_at, t::id)).limit(limit).load(conn).await
}

/// Each of these cases with every older one that is not closed either, lies in its regency and has a category in common with it, and
/// whose person has a number, the name or the birth date of its person; but for those of which it was said that they are two: a reason
/// that explains the name does not explain a number that both have since. That they are alike is yet to be judged, and whether the
/// caller sees the older one.
pub async fn pairs(conn: &mut &Conn, ids: &[CaseId]) -> QueryResult<Vec<(CaseId, CaseId)>> {
    let (its, here) = (later_person, later_person.field(p::regency_code));
    let numbered = || p::nik_index.eq(its.field(p::nik_index)).or(p::card_index.eq(its.field(p::card_index)));
    let named = p::regency_code.eq(here).and(p::name_key.eq(its.field(p::name_key)));
    let born = p::regency_code.eq(here).and(p::birth_date.eq(its.field(p::birth_date)));
    let (at, id) = (later.field(t::created_at), later.field(t::id));
    let older = t::created_at.lt(at).or(t::created_at.eq(at).and(t::id.lt(id)));
    let explains = codes::group_code.is_distinct_from("namesake").or(not(coalesce(Known(numbered()), false)));
    let reason = codes::table.on(codes::list.eq(d::list).and(codes::code.eq(d::reason)));
    let said = d::table.inner_join(reason).filter(d::case_id.eq(id).and(d::other_id.eq(t::id))).filter(explains);
    later
        .inner_join(later_person.on(its.field(p::case_id).eq(id)))
        .inner_join(p::table.on(numbered().or(named).or(born)))
        .inner_join(t::table.on(t::id.eq(p::case_id)))
        .filter(later.field(t::id).eq_any(ids))
        .filter(t::regency_code.eq(later.field(t::regency_code)).and(t::state.ne(CaseState::Closed)))
        .filter(t::ppks.overlaps_with(later.field(t::ppks)).and(older).and(not(exists(said))))
        .select((later.field(t::id), t::id))
        .load(conn)
        .await
}

/// Makes the keys of up to so many names anew that were made by former rules, or by a version of the service that knew none; returns how
/// many those were.
pub async fn refresh_keys(conn: &mut Conn, most: i64) -> QueryResult<usize> {
    let outdated = p::table.filter(p::name_version.lt(VERSION)).select((p::id, p::name));
    let rows: Vec<(Uuid, String)> = outdated.limit(most).for_no_key_update().skip_locked().load(conn).await?;
    for (id, name) in &rows {
        diesel::update(case_people::table.find(id)).set(found_by(name)).execute(conn).await?;
    }
    Ok(rows.len())
}

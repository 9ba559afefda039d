//! Lists of cases: one builder of filters for the page and its count.
use super::{Case, CasePerson, Filter, WithPeople, in_region, visible_to};
use crate::access::rules::{AgencyId, Caller, VolunteerId};
use crate::cases::rules::{CaseId, CaseState, Urgency};
use crate::codes::rules::Code;
use crate::platform::db::Conn;
use crate::platform::db::sql::{Columns, Known};
use crate::platform::region_code::RegionCode;
use crate::schema::{case_people, cases, referrals};
use chrono::{DateTime, Utc};
use diesel::dsl::exists;
use diesel::expression::SelectableExpression;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

/// Which cases of those visible.
#[derive(Debug, Default, Clone)]
pub struct Wanted {
    /// In this region.
    pub region: Option<RegionCode>,
    /// In one of these states.
    pub state: Vec<CaseState>,
    /// With one of these categories.
    pub ppks: Vec<Code>,
    /// That hurry so much.
    pub urgency: Option<Urgency>,
    /// Created at or after.
    pub created_from: Option<DateTime<Utc>>,
    /// Created before.
    pub created_before: Option<DateTime<Utc>>,
    /// Followed by this volunteer.
    pub volunteer: Option<VolunteerId>,
    /// Reported by this agency.
    pub reporter: Option<AgencyId>,
    /// Whether the person must not be contacted.
    pub do_not_contact: Option<bool>,
    /// In its state since before this time.
    pub state_before: Option<DateTime<Utc>>,
    /// Changed at or after.
    pub updated_from: Option<DateTime<Utc>>,
    /// Whether a referral of it is open.
    pub referred: Option<bool>,
}

/// One page, newest first.
pub async fn list(
    conn: &mut &Conn,
    caller: &Caller,
    wanted: &Wanted,
    after: Option<(DateTime<Utc>, CaseId)>,
    limit: i64,
) -> QueryResult<Vec<(Case, CasePerson)>> {
    let mut query = cases::table
        .inner_join(case_people::table)
        .filter(visible_to::<WithPeople>(caller))
        .select((Case::columns(), CasePerson::columns()))
        .order((cases::created_at.desc(), cases::id.desc()))
        .limit(limit)
        .into_boxed();
    if let Some(region) = &wanted.region {
        query = query.filter(in_region::<WithPeople>(region));
    }
    if let Some(only) = only::<WithPeople>(wanted) {
        query = query.filter(only);
    }
    if let Some(referred) = wanted.referred {
        let of_it = referrals::table.filter(referrals::case_id.eq(cases::id));
        query = query.filter(exists(of_it.filter(referrals::ended_from.is_null())).eq(referred));
    }
    if let Some((at, id)) = after {
        query = query.filter(cases::created_at.le(at).and(cases::created_at.lt(at).or(cases::id.lt(id))));
    }
    query.load(conn).await
}

/// How many the whole list has.
pub async fn count(conn: &mut &Conn, caller: &Caller, wanted: &Wanted) -> QueryResult<i64> {
    let mut query = cases::table.filter(visible_to::<cases::table>(caller)).count().into_boxed();
    if let Some(region) = &wanted.region {
        query = query.filter(in_region::<cases::table>(region));
    }
    if let Some(only) = only::<cases::table>(wanted) {
        query = query.filter(only);
    }
    if let Some(referred) = wanted.referred {
        let of_it = referrals::table.filter(referrals::case_id.eq(cases::id));
        query = query.filter(exists(of_it.filter(referrals::ended_from.is_null())).eq(referred));
    }
    query.get_result(conn).await
}

/// The filters that do not speak of regions; the one builder for list and count.
fn only<Source: 'static>(wanted: &Wanted) -> Option<Filter<Source>>
where
    cases::closed_at: SelectableExpression<Source>,
    cases::state: SelectableExpression<Source>,
    cases::ppks: SelectableExpression<Source>,
    cases::urgency: SelectableExpression<Source>,
    cases::created_at: SelectableExpression<Source>,
    cases::updated_at: SelectableExpression<Source>,
    cases::state_since: SelectableExpression<Source>,
    cases::volunteer_id: SelectableExpression<Source>,
    cases::reporter_agency_id: SelectableExpression<Source>,
    cases::do_not_contact: SelectableExpression<Source>,
{
    let mut parts: Vec<Filter<Source>> = vec![];
    match wanted.state.as_slice() {
        [] => {}
        // What is null or not, the planner can tell from the condition of a partial index; a value that is bound later it cannot.
        [CaseState::Open] => parts.push(Box::new(cases::state.eq(CaseState::Open).and(cases::closed_at.is_null()))),
        some => parts.push(Box::new(cases::state.eq_any(some.to_vec()))),
    }
    if !wanted.ppks.is_empty() {
        parts.push(Box::new(cases::ppks.overlaps_with(wanted.ppks.clone())));
    }
    if let Some(urgency) = wanted.urgency {
        parts.push(Box::new(cases::urgency.eq(urgency)));
    }
    if let Some(from) = wanted.created_from {
        parts.push(Box::new(cases::created_at.ge(from)));
    }
    if let Some(before) = wanted.created_before {
        parts.push(Box::new(cases::created_at.lt(before)));
    }
    if let Some(from) = wanted.updated_from {
        parts.push(Box::new(cases::updated_at.ge(from)));
    }
    if let Some(before) = wanted.state_before {
        parts.push(Box::new(cases::state_since.lt(before)));
    }
    if let Some(volunteer) = wanted.volunteer {
        parts.push(Box::new(Known(cases::volunteer_id.eq(volunteer))));
    }
    if let Some(reporter) = wanted.reporter {
        parts.push(Box::new(cases::reporter_agency_id.eq(reporter)));
    }
    if let Some(endangered) = wanted.do_not_contact {
        parts.push(Box::new(cases::do_not_contact.eq(endangered)));
    }
    parts.into_iter().reduce(|all, part| Box::new(all.and(part)))
}

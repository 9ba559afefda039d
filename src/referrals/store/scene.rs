//! Referrals with all that they are decided by and all that is shown of them, as one statement reads them.
use super::{OPEN, Referral};
use crate::access::rules::Caller;
use crate::cases::rules::CaseState;
use crate::cases::store::{Case, CasePerson, Filter};
use crate::platform::crypto::Keys;
use crate::platform::db::sql::{Columns, ColumnsOf};
use crate::platform::error::ApiResult;
use crate::referrals::details::Details;
use crate::referrals::rules::Facts;
use crate::schema::{case_people, cases, referral_details, referrals, source_systems};
use diesel::dsl::{InnerJoin, InnerJoinQuerySource, exists};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Binary, Nullable};

/// What a referral is decided by, beside what is shown of it.
#[derive(Debug)]
pub struct Scene {
    /// The referral.
    pub referral: Referral,
    /// Its case.
    pub case: Case,
    /// The case's person.
    pub person: CasePerson,
    may_forward: bool,
    rival_open: bool,
    successor_open: bool,
    told: Option<Vec<u8>>,
}

impl Scene {
    /// Whether anything is told in the fields of the service.
    pub fn is_told(&self) -> bool {
        self.told.is_some()
    }

    /// What is told for the service.
    pub fn details(&self, keys: &Keys) -> ApiResult<Details> {
        self.told
            .as_ref()
            .map_or_else(|| Ok(Details::default()), |sealed| Details::open(keys, self.referral.id, sealed))
    }

    /// What a move of this caller depends on.
    pub fn facts(&self, caller: &Caller) -> Facts {
        let referral = &self.referral;
        Facts {
            status: referral.status,
            since: referral.status_since,
            held_from: referral.held_from,
            ended_from: referral.ended_from,
            may_forward: self.may_forward,
            claimed: referral.handler_agency_id.is_some(),
            claimed_by_other: referral.handler_agency_id.is_some_and(|handler| handler != caller.agency),
            in_pool: referral.sides().in_pool(caller),
            case_open: self.case.state == CaseState::Open,
            rival_open: self.rival_open,
            successor_open: self.successor_open,
        }
    }
}

/// The same table under other names.
mod again {
    use crate::schema::referrals;
    diesel::alias!(referrals as rivals: Rivals, referrals as successors: Successors);
}

/// Referrals with all that they are decided by.
pub(super) type Decided = InnerJoinQuerySource<
    InnerJoinQuerySource<referrals::table, InnerJoin<cases::table, case_people::table>>,
    source_systems::table,
>;
/// A scene as it is read.
pub(super) type SceneRow = (Referral, Case, CasePerson, bool, bool, bool, Option<Vec<u8>>);
/// What is read of it.
pub(super) type SceneColumns = (
    ColumnsOf<Referral>,
    ColumnsOf<Case>,
    ColumnsOf<CasePerson>,
    source_systems::may_forward,
    Filter<Decided>,
    Filter<Decided>,
    Box<dyn BoxableExpression<Decided, Pg, SqlType = Nullable<Binary>>>,
);

pub(super) fn scene() -> SceneColumns {
    let (referral, case, person) = (Referral::columns(), Case::columns(), CasePerson::columns());
    (referral, case, person, source_systems::may_forward, rival_open(), successor_open(), told())
}

/// What is told in the fields of the service, sealed.
fn told() -> Box<dyn BoxableExpression<Decided, Pg, SqlType = Nullable<Binary>>> {
    let told = referral_details::table.filter(referral_details::referral_id.eq(referrals::id));
    Box::new(told.select(referral_details::sealed).single_value())
}

/// Whether the case has another open referral at the same receiver.
fn rival_open() -> Filter<Decided> {
    let rivals = again::rivals
        .filter(again::rivals.field(referrals::case_id).eq(referrals::case_id))
        .filter(again::rivals.field(referrals::receiver_agency_id).eq(referrals::receiver_agency_id))
        .filter(again::rivals.field(referrals::id).ne(referrals::id))
        .filter(again::rivals.field(referrals::status).eq_any(OPEN))
        .select(again::rivals.field(referrals::id)); // the text of a statement is made for each call
    Box::new(exists(rivals))
}

/// Whether it was passed on and a referral that follows it is open.
fn successor_open() -> Filter<Decided> {
    let successors = again::successors
        .filter(again::successors.field(referrals::previous_referral_id).eq(referrals::id.nullable()))
        .filter(again::successors.field(referrals::status).eq_any(OPEN))
        .select(again::successors.field(referrals::id));
    Box::new(exists(successors))
}

impl From<SceneRow> for Scene {
    fn from((referral, case, person, may_forward, rival_open, successor_open, told): SceneRow) -> Self {
        Self { referral, case, person, may_forward, rival_open, successor_open, told }
    }
}

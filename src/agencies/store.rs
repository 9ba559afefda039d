//! Every SQL statement on agencies and source systems.
pub mod calendar;

use super::clients::store::refresh_access;
use super::offers::{ACKNOWLEDGE_DAYS, ACKNOWLEDGE_URGENT_MINUTES, ANSWER_DAYS, ANSWER_URGENT_DAYS};
use super::rules::AgencyState;
use crate::access::rules::{AgencyId, AgencyKind, Scope};
use crate::codes::rules::Code;
use crate::platform::db::Conn;
use crate::platform::db::sql::Columns;
use crate::platform::region_code::RegionCode;
use crate::regions::rules::TimeZone;
use crate::schema::{agencies, service_forms, source_system_services, source_systems};
use chrono::{DateTime, NaiveTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

/// An agency as stored; it holds no personal data.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = agencies, check_for_backend(diesel::pg::Pg), treat_none_as_default_value = false)]
pub struct Agency {
    /// Its id.
    pub id: AgencyId,
    /// What it is.
    pub kind: AgencyKind,
    /// Its official name.
    pub name: String,
    /// The agency whose branch it is.
    pub parent_id: Option<AgencyId>,
    /// Jurisdiction, or the regencies of a branch.
    pub region_codes: Vec<RegionCode>,
    /// Whether it may call.
    pub state: AgencyState,
    /// The most that its clients may hold.
    pub scopes: Vec<Scope>,
    /// Raised to refuse every token at once.
    pub token_epoch: i32,
    /// Requests a minute that it was granted; none: as every agency.
    pub rate_limit: Option<i32>,
    /// Raised by every change.
    pub version: i32,
    /// Client that created it.
    pub created_by: Option<Uuid>,
    /// Digest of the create, so that the same create gives the row again.
    pub create_request: Option<Vec<u8>>,
    /// When.
    pub created_at: DateTime<Utc>,
    /// Last change.
    pub updated_at: DateTime<Utc>,
}

/// Agencies in the order of their ids.
pub async fn list(
    conn: &mut &Conn,
    kind: Option<AgencyKind>,
    region: Option<&RegionCode>,
    after: Option<AgencyId>,
    limit: i64,
) -> QueryResult<Vec<Agency>> {
    let mut query = agencies::table.select(Agency::columns()).order(agencies::id).limit(limit).into_boxed();
    if let Some(kind) = kind {
        query = query.filter(agencies::kind.eq(kind));
    }
    if let Some(region) = region {
        query = query.filter(agencies::region_codes.contains(vec![region.as_str()]));
    }
    if let Some(after) = after {
        query = query.filter(agencies::id.gt(after));
    }
    query.load(conn).await
}

/// One agency.
pub async fn find(conn: &mut &Conn, id: AgencyId) -> QueryResult<Agency> {
    agencies::table.find(id).select(Agency::columns()).first(conn).await
}

/// What these agencies are called, in the order of their names.
pub async fn names(conn: &mut &Conn, ids: &[AgencyId]) -> QueryResult<Vec<(AgencyId, String)>> {
    let query = agencies::table.filter(agencies::id.eq_any(ids)).order((agencies::name, agencies::id));
    query.select((agencies::id, agencies::name)).load(conn).await
}

/// One agency, held until the transaction ends.
pub async fn lock(conn: &mut Conn, id: AgencyId) -> QueryResult<Agency> {
    agencies::table.find(id).select(Agency::columns()).for_no_key_update().first(conn).await
}

/// Inserts an agency and tells its parent's clients that they have a branch more.
pub async fn create_agency(conn: &mut Conn, agency: &Agency) -> QueryResult<()> {
    diesel::insert_into(agencies::table).values(agency).execute(conn).await?;
    if let Some(parent) = agency.parent_id {
        refresh_access(conn, parent).await?;
    }
    Ok(())
}

/// Writes name, regions, scopes, limit, state and epoch of an agency that is locked, raises its version, and carries it to the gate.
pub async fn save_agency(conn: &mut Conn, agency: &Agency, now: DateTime<Utc>) -> QueryResult<Agency> {
    let saved = diesel::update(agencies::table.find(agency.id))
        .set((
            agencies::name.eq(&agency.name),
            agencies::region_codes.eq(&agency.region_codes),
            agencies::scopes.eq(&agency.scopes),
            agencies::state.eq(agency.state),
            agencies::token_epoch.eq(agency.token_epoch),
            agencies::rate_limit.eq(agency.rate_limit),
            agencies::version.eq(agencies::version + 1),
            agencies::updated_at.eq(now),
        ))
        .returning(Agency::columns())
        .get_result(conn)
        .await?;
    refresh_access(conn, agency.id).await?;
    Ok(saved)
}

/// What a source system is, without its services.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = source_systems, check_for_backend(diesel::pg::Pg))]
pub struct SourceSystem {
    /// The agency.
    pub agency_id: AgencyId,
    /// Whether it may forward a referral to another one.
    pub may_forward: bool,
    /// What is addressed to it may be claimed by its branches.
    pub open_to_branches: bool,
    /// Regions served; none = the whole country.
    pub region_codes: Vec<RegionCode>,
    /// By which it works.
    pub time_zone: TimeZone,
    /// ISO weekdays: 1 is Monday.
    pub working_days: Vec<i16>,
    /// In its zone.
    pub opens_at: NaiveTime,
    /// In its zone; after `opens_at`.
    pub closes_at: NaiveTime,
    /// What there is room for, in words.
    pub capacity_note: Option<String>,
    /// Raised by every change.
    pub version: i32,
}

/// A service as a source system offers it; what it does not say is as everywhere.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = source_system_services, check_for_backend(diesel::pg::Pg), treat_none_as_default_value = false)]
pub struct Offer {
    /// Who offers it.
    pub agency_id: AgencyId,
    /// Code of the list `services`.
    pub service: Code,
    /// By the clock.
    pub acknowledge_urgent_minutes: Option<i32>,
    /// Working days, as all others are.
    pub acknowledge_days: Option<i16>,
    /// From sending to answering.
    pub answer_urgent_days: Option<i16>,
    /// From sending to answering.
    pub answer_days: Option<i16>,
    /// From accepting to completing.
    pub complete_urgent_days: Option<i16>,
    /// From accepting to completing.
    pub complete_days: Option<i16>,
    /// What there is room for, in words.
    pub capacity_note: Option<String>,
    /// JSON Schema of its own fields, instead of the national one.
    pub fields_schema: Option<serde_json::Value>,
}

impl Offer {
    /// A service offered as it is everywhere.
    pub fn plain(agency_id: AgencyId, service: Code) -> Self {
        Self {
            agency_id,
            service,
            acknowledge_urgent_minutes: None,
            acknowledge_days: None,
            answer_urgent_days: None,
            answer_days: None,
            complete_urgent_days: None,
            complete_days: None,
            capacity_note: None,
            fields_schema: None,
        }
    }

    /// Minutes by the clock until an urgent referral is acknowledged, and working days until another one is.
    pub fn acknowledge_within(&self) -> (i32, i16) {
        let minutes = self.acknowledge_urgent_minutes.unwrap_or(ACKNOWLEDGE_URGENT_MINUTES);
        (minutes, self.acknowledge_days.unwrap_or(ACKNOWLEDGE_DAYS))
    }

    /// Working days until it is answered.
    pub fn answer_within(&self, urgent: bool) -> i16 {
        if urgent {
            self.answer_urgent_days.unwrap_or(ANSWER_URGENT_DAYS)
        } else {
            self.answer_days.unwrap_or(ANSWER_DAYS)
        }
    }

    /// Working days from accepting until it is completed, if that was said.
    pub fn complete_within(&self, urgent: bool) -> Option<i16> {
        if urgent { self.complete_urgent_days } else { self.complete_days }
    }
}

/// A source system with its agency's name and kind.
pub type NamedSystem = (SourceSystem, String, AgencyKind);

/// Active source systems in the order of their ids. `regions`: only those that serve one of these or everything; a government
/// only where it governs, whatever its entry says.
pub async fn list_source_systems(
    conn: &mut &Conn,
    kind: Option<AgencyKind>,
    service: Option<&Code>,
    regions: Option<&[RegionCode]>,
    after: Option<AgencyId>,
    limit: i64,
) -> QueryResult<Vec<NamedSystem>> {
    let mut query = source_systems::table
        .inner_join(agencies::table)
        .filter(agencies::state.eq(AgencyState::Active))
        .select((SourceSystem::columns(), agencies::name, agencies::kind))
        .order(source_systems::agency_id)
        .limit(limit)
        .into_boxed();
    if let Some(kind) = kind {
        query = query.filter(agencies::kind.eq(kind));
    }
    if let Some(service) = service {
        let offering = source_system_services::table.filter(source_system_services::service.eq(service));
        query = query.filter(source_systems::agency_id.eq_any(offering.select(source_system_services::agency_id)));
    }
    if let Some(regions) = regions {
        let everywhere = source_systems::region_codes.eq(Vec::<String>::new());
        query = query.filter(everywhere.or(source_systems::region_codes.overlaps_with(regions)));
        let governments = AgencyKind::ALL.iter().copied().filter(|kind| kind.jurisdiction().is_some());
        let no_government = agencies::kind.ne_all(governments.collect::<Vec<_>>());
        query = query.filter(no_government.or(agencies::region_codes.overlaps_with(regions)));
    }
    if let Some(after) = after {
        query = query.filter(source_systems::agency_id.gt(after));
    }
    query.load(conn).await
}

/// One source system, of a suspended agency too: old referrals name it.
pub async fn find_source_system(conn: &mut &Conn, id: AgencyId) -> QueryResult<NamedSystem> {
    source_systems::table
        .inner_join(agencies::table)
        .filter(source_systems::agency_id.eq(id))
        .select((SourceSystem::columns(), agencies::name, agencies::kind))
        .first(conn)
        .await
}

/// A source system that may be asked for something.
#[derive(Debug)]
pub struct Target {
    /// What it is.
    pub system: SourceSystem,
    /// What its agency is.
    pub kind: AgencyKind,
    /// The agency's jurisdiction.
    pub jurisdiction: Vec<RegionCode>,
    /// The service is among those it offers.
    pub offers: bool,
}

/// A service as a source system offers it.
pub async fn find_offer(conn: &mut Conn, system: AgencyId, service: &Code) -> QueryResult<Option<Offer>> {
    source_system_services::table.find((system, service)).select(Offer::columns()).first(conn).await.optional()
}

/// An active source system, and whether it offers a service.
pub async fn find_target(conn: &mut Conn, id: AgencyId, service: &Code) -> QueryResult<Target> {
    let (system, kind, jurisdiction) = source_systems::table
        .inner_join(agencies::table)
        .filter(source_systems::agency_id.eq(id).and(agencies::state.eq(AgencyState::Active)))
        .select((SourceSystem::columns(), agencies::kind, agencies::region_codes))
        .first(conn)
        .await?;
    let offers = find_offer(conn, id, service).await?.is_some();
    Ok(Target { system, kind, jurisdiction, offers })
}

/// The active branches of a source system that offer a service in a village, if what is addressed to it is open to them.
/// `around`: the village and the regions that it lies in.
pub async fn branches_offering(
    conn: &mut Conn,
    parent: AgencyId,
    service: &Code,
    around: &[RegionCode],
) -> QueryResult<Vec<AgencyId>> {
    let offering = source_system_services::table.filter(source_system_services::service.eq(service));
    let everywhere = source_systems::region_codes.eq(Vec::<String>::new());
    source_systems::table
        .inner_join(agencies::table)
        .filter(agencies::parent_id.eq(parent).and(agencies::state.eq(AgencyState::Active)))
        .filter(source_systems::agency_id.eq_any(offering.select(source_system_services::agency_id)))
        .filter(everywhere.or(source_systems::region_codes.overlaps_with(around)))
        .select(source_systems::agency_id)
        .order(source_systems::agency_id)
        .load(conn)
        .await
}

/// What these source systems offer.
pub async fn offers(conn: &mut &Conn, systems: &[AgencyId]) -> QueryResult<Vec<Offer>> {
    source_system_services::table
        .filter(source_system_services::agency_id.eq_any(systems))
        .select(Offer::columns())
        .order((source_system_services::agency_id, source_system_services::service))
        .load(conn)
        .await
}

/// What a source system asks for with a service: its own form, or the national one.
pub async fn form_of(conn: &mut Conn, system: AgencyId, service: &Code) -> QueryResult<Option<serde_json::Value>> {
    if let Some(own) = find_offer(conn, system, service).await?.and_then(|offer| offer.fields_schema) {
        return Ok(Some(own));
    }
    service_forms::table.find(service).select(service_forms::fields_schema).first(conn).await.optional()
}

/// What services ask for everywhere.
pub async fn forms(conn: &mut &Conn) -> QueryResult<Vec<(Code, serde_json::Value)>> {
    service_forms::table.select((service_forms::service, service_forms::fields_schema)).load(conn).await
}

/// One source system, held until the transaction ends.
pub async fn lock_source_system(conn: &mut Conn, id: AgencyId) -> QueryResult<SourceSystem> {
    source_systems::table.find(id).select(SourceSystem::columns()).for_no_key_update().first(conn).await
}

/// Makes an agency a source system, or changes what it offers. `offers`: instead of those it has; none: these stay.
pub async fn save_source_system(
    conn: &mut Conn,
    system: &SourceSystem,
    offers: Option<&[Offer]>,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    let fields = (
        source_systems::may_forward.eq(system.may_forward),
        source_systems::open_to_branches.eq(system.open_to_branches),
        source_systems::region_codes.eq(&system.region_codes),
        source_systems::time_zone.eq(system.time_zone),
        source_systems::working_days.eq(&system.working_days),
        source_systems::opens_at.eq(system.opens_at),
        source_systems::closes_at.eq(system.closes_at),
        source_systems::capacity_note.eq(&system.capacity_note),
        source_systems::updated_at.eq(now),
    );
    diesel::insert_into(source_systems::table)
        .values((source_systems::agency_id.eq(system.agency_id), fields, source_systems::created_at.eq(now)))
        .on_conflict(source_systems::agency_id)
        .do_update()
        .set((fields, source_systems::version.eq(source_systems::version + 1)))
        .execute(conn)
        .await?;
    let Some(offers) = offers else { return Ok(()) };
    diesel::delete(source_system_services::table.filter(source_system_services::agency_id.eq(system.agency_id)))
        .execute(conn)
        .await?;
    diesel::insert_into(source_system_services::table).values(offers).execute(conn).await?;
    Ok(())
}

/// Whether no agency is registered yet.
pub async fn is_empty(conn: &mut Conn) -> QueryResult<bool> {
    let any: Option<AgencyId> = agencies::table.select(agencies::id).first(conn).await.optional()?;
    Ok(any.is_none())
}

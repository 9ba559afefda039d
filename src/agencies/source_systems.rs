//! Endpoints under `/v1/source-systems`: who can help, with what, where.
use super::store::{self, NamedSystem};
use crate::access::api::Permit;
use crate::access::rules::{AgencyId, AgencyKind, ReadReference};
use crate::codes::rules::Code;
use crate::platform::answer::Answer;
use crate::platform::db::Db;
use crate::platform::error::ApiResult;
use crate::platform::input::PathId;
use crate::platform::page::{Page, PageParams, Paged};
use crate::platform::region_code::RegionCode;
use actix_web::get;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// A body that receives referrals.
#[derive(Debug, Serialize, ToSchema)]
pub struct SourceSystemView {
    /// Its agency: `target_agency_id` of a referral.
    agency_id: AgencyId,
    kind: AgencyKind,
    #[schema(example = "BPJS Kesehatan")]
    name: String,
    /// Whether it may forward a referral to another one.
    may_forward: bool,
    /// Whether what is addressed to it may be claimed by those of its branches that offer the service there.
    open_to_branches: bool,
    /// Regions served; empty: the whole country.
    region_codes: Vec<RegionCode>,
    /// Codes of the list `services`.
    services: Vec<Code>,
    version: i32,
}

impl SourceSystemView {
    fn of((system, name, kind): NamedSystem, services: &[(AgencyId, Code)]) -> Self {
        let own = services.iter().filter(|(agency, _)| *agency == system.agency_id);
        Self {
            agency_id: system.agency_id,
            kind,
            name,
            may_forward: system.may_forward,
            open_to_branches: system.open_to_branches,
            region_codes: system.region_codes,
            services: own.map(|(_, service)| service.clone()).collect(),
            version: system.version,
        }
    }
}

/// Which source systems.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SourceSystemFilter {
    /// Only those that offer this service.
    service: Option<Code>,
    /// Only those that serve this region.
    region: Option<RegionCode>,
}

/// List source systems
///
/// Who can help a person here: `?service=pbi_jk_reactivation&region=17.06.02.1009`.
#[utoipa::path(tag = "reference", security(("oauth2" = [])), params(SourceSystemFilter, PageParams),
    responses((status = 200, body = Page<SourceSystemView>, description = "A page of source systems.")))]
#[get("/v1/source-systems")]
pub async fn list_source_systems(
    _caller: Permit<ReadReference>,
    paged: Paged<SourceSystemFilter>,
    db: Db,
) -> ApiResult<Answer> {
    let (filter, after): (_, Option<AgencyId>) = (&paged.filter, paged.after()?);
    // Serving a regency is serving each of its villages.
    let regions: Option<Vec<RegionCode>> =
        filter.region.clone().map(|region| std::iter::successors(Some(region), RegionCode::parent).collect());
    let rows = db
        .read(async |c| {
            store::list_source_systems(c, filter.service.as_ref(), regions.as_deref(), after, paged.limit + 1).await
        })
        .await?;
    let (rows, after) = paged.cut(rows, |(system, _, _)| system.agency_id);
    let ids: Vec<AgencyId> = rows.iter().map(|(system, _, _)| system.agency_id).collect();
    let services = db.read(async |c| store::services(c, &ids).await).await?;
    paged.answer(rows.into_iter().map(|row| SourceSystemView::of(row, &services)).collect(), after, None)
}

/// Read a source system
#[utoipa::path(tag = "reference", security(("oauth2" = [])), params(("id" = AgencyId, Path, description = "Id of its agency.")),
    responses((status = 200, body = SourceSystemView, description = "The source system.")))]
#[get("/v1/source-systems/{id}")]
pub async fn read_source_system(_caller: Permit<ReadReference>, id: PathId<AgencyId>, db: Db) -> ApiResult<Answer> {
    let system = db.read(async |c| store::find_source_system(c, id.0).await).await?;
    let services = db.read(async |c| store::services(c, &[id.0]).await).await?;
    let version = system.0.version;
    Answer::row(&SourceSystemView::of(system, &services), version)
}

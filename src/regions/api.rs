//! Endpoints under `/v1/regions`.
use super::store::{self, Region, Wanted};
use crate::access::api::Permit;
use crate::access::rules::ReadReference;
use crate::platform::answer::Answer;
use crate::platform::db::Db;
use crate::platform::error::{ApiError, ApiResult, Fault, Place};
use crate::platform::page::{Page, PageParams, Paged};
use crate::platform::region_code::{RegionCode, RegionLevel};
use crate::platform::text::{Line, fold};
use actix_web::{get, web::Path};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Regions change once a year: a phone may keep them for a day.
pub const REFERENCE_CACHE: &str = "private, max-age=86400";

/// Which regions.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RegionFilter {
    /// Only those directly in this region.
    parent: Option<RegionCode>,
    /// Only those of this depth.
    level: Option<RegionLevel>,
    /// Only those whose name holds this text; case, diacritics and apostrophes do not count.
    #[param(inline)]
    name: Option<Line<100>>,
    /// Retired codes too, so that old records stay readable.
    #[serde(default)]
    retired: bool,
}

/// List regions
///
/// Without a filter: all current regions in the order of their codes, provinces first within each branch.
#[utoipa::path(tag = "reference", security(("oauth2" = [])), params(RegionFilter, PageParams),
    responses((status = 200, body = Page<Region>, description = "A page of regions.")))]
#[get("/v1/regions")]
pub async fn list_regions(_caller: Permit<ReadReference>, paged: Paged<RegionFilter>, db: Db) -> ApiResult<Answer> {
    let filter = &paged.filter;
    let name = filter.name.as_ref().map(|name| fold(name.as_str()));
    if name.as_ref().is_some_and(String::is_empty) {
        let fault = Fault::new("name_without_letters", "perlu huruf atau angka", "needs a letter or a digit");
        return Err(ApiError::malformed(Place::Parameter("name".to_owned()), fault));
    }
    let wanted = Wanted { parent: filter.parent.clone(), level: filter.level, name, retired: filter.retired };
    let after: Option<RegionCode> = paged.after()?;
    let rows = db.read(async |c| store::list(c, &wanted, after.as_ref(), paged.limit + 1).await).await?;
    let (items, after) = paged.cut(rows, |region| region.code.clone());
    Ok(paged.answer(items, after, None)?.header("cache-control", REFERENCE_CACHE))
}

/// A region with the regions that it lies in.
#[derive(Debug, Serialize, ToSchema)]
pub struct RegionInPlace {
    #[serde(flatten)]
    region: Region,
    /// From the province down; empty for a province.
    parents: Vec<Region>,
}

/// Read a region
///
/// The code may be dotted or not: `17.06` or `1706`.
#[utoipa::path(tag = "reference", security(("oauth2" = [])), params(("code" = RegionCode, Path, description = "Region code.")),
    responses((status = 200, body = RegionInPlace, description = "The region.")))]
#[get("/v1/regions/{code}")]
pub async fn read_region(_caller: Permit<ReadReference>, code: Path<String>, db: Db) -> ApiResult<Answer> {
    let code = RegionCode::parse(&code).map_err(|_| ApiError::not_found())?;
    let mut found = db.read(async |c| store::find_with_parents(c, &code).await).await?;
    let region = found.pop().filter(|region| region.code == code).ok_or_else(ApiError::not_found)?;
    Ok(Answer::ok(&RegionInPlace { region, parents: found })?.header("cache-control", REFERENCE_CACHE))
}

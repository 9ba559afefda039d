//! Registering an agency, whoever does it: the ministry over HTTP, or an operator on the host.
use super::rules::{AGENCY_EXISTS, check_regions};
use super::store::{self, Agency};
use crate::audit::{rules::Event, store as audit};
use crate::changes::rules::{Audience, Change, ChangeType, Op};
use crate::changes::store as changes;
use crate::platform::db::Conn;
use crate::platform::error::{ApiError, ApiResult, Fault, ID_TAKEN};
use crate::regions::store as regions;
use chrono::{DateTime, Utc};
use diesel::OptionalExtension;

/// Inserts an agency whose regions and parent are there and fit.
pub async fn insert(conn: &mut Conn, agency: &Agency) -> ApiResult<()> {
    check_jurisdiction(conn, agency).await?;
    if let Some(parent) = agency.parent_id
        && store::lock(conn, parent).await.optional()?.is_none_or(|parent| parent.kind != agency.kind)
    {
        let fault = Fault::new("parent_unknown", "bukan instansi sejenis", "not an agency of the same kind");
        return Err(ApiError::rule("/parent_id", fault));
    }
    let saved = store::create_agency(conn, agency).await.map_err(ApiError::from);
    saved.map_err(|error| {
        let error = error.on_constraint("agencies_one_per_government", || ApiError::from(&AGENCY_EXISTS));
        error.on_constraint("agencies_pkey", || ApiError::from(&ID_TAKEN))
    })
}

/// Refuses regions that an agency of this kind cannot have, or that are not current.
pub async fn check_jurisdiction(conn: &mut Conn, agency: &Agency) -> ApiResult<()> {
    check_regions(agency.kind, &agency.region_codes)?;
    let known = regions::current(conn, &agency.region_codes).await?;
    if let Some(index) = agency.region_codes.iter().position(|code| !known.contains(code)) {
        let fault = Fault::new("region_unknown", "bukan wilayah yang berlaku", "not a current region");
        return Err(ApiError::rule(&format!("/region_codes/{index}"), fault));
    }
    Ok(())
}

/// Audit and outbox of a change of an agency. The feed tells everyone of it: every token reads every agency.
pub async fn announce(conn: &mut Conn, event: Event, agency: &Agency, now: DateTime<Utc>) -> ApiResult<()> {
    let event = event.subject("agency", agency.id);
    audit::record(conn, &event.regions(&agency.region_codes)).await?;
    let audience = Audience { agencies: vec![agency.id], regions: agency.region_codes.clone(), ..Audience::default() };
    let change = Change {
        r#type: ChangeType::Agency,
        id: agency.id.0,
        version: agency.version,
        op: Op::Upsert,
        redirected_to: None,
        before: if agency.version == 1 { Audience::default() } else { audience.clone() },
        after: audience,
        at: now,
    };
    changes::publish(conn, &change).await?;
    Ok(())
}

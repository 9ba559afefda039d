//! `/v1/audit-events`, and the recorder as an argument of a handler.
use super::rules::{Event, Outcome, SubjectId};
use super::store::{self, AuditEvent, Recorder, Wanted};
use crate::access::api::Permit;
use crate::access::rules::{AgencyId, ClientId, ReadAudit};
use crate::platform::answer::Answer;
use crate::platform::app::Shared;
use crate::platform::db::Db;
use crate::platform::error::{ApiError, ApiResult};
use crate::platform::moment::Moment;
use crate::platform::openapi::PreferHeader;
use crate::platform::page::{Page, PageParams, Paged};
use crate::platform::region_code::RegionCode;
use crate::platform::text::Line;
use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, get};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use std::future::{Ready, ready};
use utoipa::IntoParams;
use uuid::Uuid;

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditFilter {
    /// Only those that speak of this row (a case, a referral, a volunteer, …) or person.
    #[param(inline)]
    subject: Option<SubjectId>,
    /// Only those of this agency.
    agency: Option<AgencyId>,
    /// Only those of this client.
    client: Option<ClientId>,
    /// Only those of this action, `resource.verb`, such as `referral.reveal`.
    action: Option<Line<100>>,
    /// Only those that ended so.
    outcome: Option<Outcome>,
    /// Only those that concern this region.
    region: Option<RegionCode>,
    /// Only those at this time or later, with a zone.
    at_from: Option<Moment>,
    /// Only those before this time.
    at_before: Option<Moment>,
}

/// List audit events
///
/// Who did what, who saw whose data and why, and what was refused; newest first. Every agency reads what its own clients
/// did, a parent its branches' as well, a government also what others did that concerns its region, and the ministry all.
/// Of an event that speaks of rows in many regions, a government is told of those in its own, unless it did it itself.
/// Refusals are recorded once a second for each client at most. To read here is recorded, too.
#[utoipa::path(tag = "audit", security(("oauth2" = ["audit:read"])), params(AuditFilter, PageParams, PreferHeader),
    responses((status = 200, body = Page<AuditEvent>, description = "A page of events.")))]
#[get("/v1/audit-events")]
pub async fn list_audit_events(
    caller: Permit<ReadAudit>,
    paged: Paged<AuditFilter>,
    app: Shared,
    recorder: Recorder,
    db: Db,
) -> ApiResult<Answer> {
    let filter = &paged.filter;
    let wanted = Wanted {
        subject: filter.subject,
        agency: filter.agency,
        client: filter.client,
        action: filter.action.as_ref().map(|action| action.as_str().to_owned()),
        outcome: filter.outcome,
        region: filter.region.clone(),
        at_from: filter.at_from.map(Moment::at),
        at_before: filter.at_before.map(Moment::at),
    };
    let after: Option<(DateTime<Utc>, Uuid)> = paged.after()?;
    let rows = db.read(async |c| store::list(c, &caller, &wanted, after, paged.limit + 1).await).await?;
    let total =
        if paged.count { Some(db.read(async |c| store::count(c, &caller, &wanted).await).await?) } else { None };
    let (rows, after) = paged.cut(rows, |row| (row.at, row.id));
    let event = Event::by(&caller, "audit_event.list", app.clock.new_id(), app.clock.now());
    recorder.record(event.regions(caller.sight.region())).await?;
    paged.answer(rows, after, total)
}

impl FromRequest for Recorder {
    type Error = ApiError;
    type Future = Ready<ApiResult<Self>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(req.app_data::<Self>().cloned().ok_or_else(|| ApiError::internal("no recorder registered")))
    }
}

//! Endpoints under `/v1/agencies`, and `/v1/me`.
use super::register;
use super::rules::{AGENCY_EXISTS, AGENCY_STATE_CONFLICT, AgencyState, OWN_AGENCY, RequestsAMinute};
use super::store::{self, Agency};
use crate::access::api::Permit;
use crate::access::rules::{
    ActingUser, AdministerAgencies, AgencyId, AgencyKind, Caller, ClientId, ClientKind, ReadReference, Scope,
    SharedCaller, VolunteerId,
};
use crate::audit::rules::Event;
use crate::platform::answer::Answer;
use crate::platform::app::{App, Shared};
use crate::platform::db::{Conn, Db};
use crate::platform::error::{ApiError, ApiResult, ID_TAKEN, STALE};
use crate::platform::idempotency::{Attempt, Ticket};
use crate::platform::input::{Body, IfMatch, Keyed, NoBody, PathId, set, set_or_clear};
use crate::platform::openapi::{IdempotencyHeader, IfMatchHeader};
use crate::platform::page::{Page, PageParams, Paged};
use crate::platform::region_code::RegionCode;
use crate::platform::text::Line;
use actix_web::{get, patch, post};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// Who a token is.
#[derive(Debug, Serialize, ToSchema)]
pub struct Me {
    client_id: ClientId,
    client_kind: ClientKind,
    agency_id: AgencyId,
    agency_kind: AgencyKind,
    #[schema(example = "Dinas Sosial Kabupaten Mukomuko")]
    agency_name: String,
    /// Jurisdiction, or the regencies of a branch; empty: the whole country.
    region_codes: Vec<RegionCode>,
    /// What this token may do now.
    scopes: Vec<Scope>,
    /// Recorded with every plain read of personal data.
    purpose: String,
    /// The officer whom the token names.
    #[schema(required, value_type = Option<String>)]
    acting_user: Option<ActingUser>,
    /// Of a phone.
    #[schema(required)]
    volunteer_id: Option<VolunteerId>,
    /// When the token ends.
    expires_at: DateTime<Utc>,
}

/// Who am I?
///
/// What the service knows of the caller: its agency, its region and what this token may do right now.
#[utoipa::path(tag = "identity", security(("oauth2" = [])), responses((status = 200, body = Me, description = "The caller.")))]
#[get("/v1/me")]
pub async fn read_me(caller: Permit<ReadReference>, db: Db) -> ApiResult<Answer> {
    let agency = db.read(async |c| store::find(c, caller.agency).await).await?;
    Answer::ok(&Me {
        client_id: caller.client,
        client_kind: caller.client_kind,
        agency_id: caller.agency,
        agency_kind: caller.agency_kind,
        agency_name: agency.name,
        region_codes: caller.regions.clone(),
        scopes: caller.scopes.list(),
        purpose: caller.purpose.clone(),
        acting_user: caller.acting_user.clone(),
        volunteer_id: caller.volunteer,
        expires_at: caller.expires_at,
    })
}

/// An agency.
#[derive(Debug, Serialize, ToSchema)]
pub struct AgencyView {
    id: AgencyId,
    kind: AgencyKind,
    #[schema(example = "Dinas Sosial Kabupaten Mukomuko")]
    name: String,
    /// The agency whose branch it is.
    #[schema(required)]
    parent_id: Option<AgencyId>,
    /// Jurisdiction, or the regencies of a branch; empty: the whole country.
    region_codes: Vec<RegionCode>,
    state: AgencyState,
    /// The most that its clients may hold; only for the agency itself and for who administers agencies.
    #[serde(skip_serializing_if = "Option::is_none")]
    scopes: Option<Vec<Scope>>,
    /// Requests a minute that all its clients together may send to each node, if it was granted more or less than others;
    /// only for the agency itself and for who administers agencies.
    #[serde(skip_serializing_if = "Option::is_none")]
    rate_limit: Option<i32>,
    version: i32,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl AgencyView {
    fn of(agency: Agency, caller: &Caller) -> Self {
        let open = agency.id == caller.agency || caller.scopes.has(Scope::AgenciesAdmin);
        Self {
            id: agency.id,
            kind: agency.kind,
            name: agency.name,
            parent_id: agency.parent_id,
            region_codes: agency.region_codes,
            state: agency.state,
            scopes: open.then_some(agency.scopes),
            rate_limit: agency.rate_limit.filter(|_| open),
            version: agency.version,
            created_at: agency.created_at,
            updated_at: agency.updated_at,
        }
    }
}

/// Which agencies.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AgencyFilter {
    /// Only of this kind.
    kind: Option<AgencyKind>,
    /// Only those that name exactly this region, not the regions around or within it.
    region_code: Option<RegionCode>,
}

/// List agencies
///
/// Reference data: who takes part. In the order of registration.
#[utoipa::path(tag = "agencies", security(("oauth2" = [])), params(AgencyFilter, PageParams),
    responses((status = 200, body = Page<AgencyView>, description = "A page of agencies.")))]
#[get("/v1/agencies")]
pub async fn list_agencies(caller: Permit<ReadReference>, paged: Paged<AgencyFilter>, db: Db) -> ApiResult<Answer> {
    let (filter, after): (_, Option<AgencyId>) = (&paged.filter, paged.after()?);
    let rows = db
        .read(async |c| store::list(c, filter.kind, filter.region_code.as_ref(), after, paged.limit + 1).await)
        .await?;
    let (rows, after) = paged.cut(rows, |agency| agency.id);
    paged.answer(rows.into_iter().map(|agency| AgencyView::of(agency, &caller)).collect(), after, None)
}

/// Read an agency
#[utoipa::path(tag = "agencies", security(("oauth2" = [])), params(("id" = AgencyId, Path, description = "Id of the agency.")),
    responses((status = 200, body = AgencyView, description = "The agency.")))]
#[get("/v1/agencies/{id}")]
pub async fn read_agency(caller: Permit<ReadReference>, id: PathId<AgencyId>, db: Db) -> ApiResult<Answer> {
    let agency = db.read(async |c| store::find(c, id.0).await).await?;
    let version = agency.version;
    Answer::row(&AgencyView::of(agency, &caller), version)
}

/// A new agency.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAgency {
    /// Your own `UUIDv7`, so that a repeated create is known; made by the service if absent.
    id: Option<AgencyId>,
    #[schema(example = "health_facility")]
    kind: AgencyKind,
    #[schema(example = "RSUD Mukomuko")]
    name: Line<200>,
    /// The agency whose branch it is.
    parent_id: Option<AgencyId>,
    /// A government's one region, a branch's regencies; empty: the whole country.
    #[serde(default)]
    region_codes: Vec<RegionCode>,
    /// The most that its clients may hold.
    scopes: Vec<Scope>,
}

/// Register an agency
///
/// A government is registered once: another one of the same kind and region is `agency_exists`.
#[utoipa::path(tag = "agencies", security(("oauth2" = ["agencies:admin"])), params(IdempotencyHeader), request_body = NewAgency,
    responses((status = 201, body = AgencyView, description = "Registered."), (status = 200, body = AgencyView, description = "It was registered by the same create.")))]
#[post("/v1/agencies")]
pub async fn create_agency(
    permit: Permit<AdministerAgencies>,
    new: Keyed<NewAgency>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let (caller, app) = (permit.caller(), app.0);
    db.write(async move |c| {
        let ticket = match new.key.begin(c, &app, caller.identity()).await? {
            Attempt::Replay(replay) => return Ok(replay.answer),
            Attempt::Fresh(ticket) => ticket,
        };
        if let Some(same) = find_same(c, &new, &caller).await? {
            let answer = Answer::row(&AgencyView::of(same.clone(), &caller), same.version)?;
            return ticket.keep(c, answer, &[same.id.0]).await;
        }
        let agency = register(c, &app, &caller, new).await?;
        let location = format!("{}/v1/agencies/{}", app.settings.public_url, agency.id);
        let (id, version) = (agency.id.0, agency.version);
        let answer = Answer::created(&AgencyView::of(agency, &caller), version, location)?;
        ticket.keep(c, answer, &[id]).await
    })
    .await
}

/// The row of the same create; an id of anything else is taken.
async fn find_same(conn: &mut Conn, new: &Keyed<NewAgency>, caller: &Caller) -> ApiResult<Option<Agency>> {
    use diesel::OptionalExtension;
    let Some(id) = new.body.id else { return Ok(None) };
    match store::lock(conn, id).await.optional()? {
        None => Ok(None),
        Some(row)
            if row.created_by == Some(caller.client.0) && row.create_request.as_deref() == Some(new.key.body()) =>
        {
            Ok(Some(row))
        }
        Some(_) => Err(ApiError::from(&ID_TAKEN)),
    }
}

async fn register(conn: &mut Conn, app: &App, caller: &Caller, new: Keyed<NewAgency>) -> ApiResult<Agency> {
    let (body, now) = (new.body, app.clock.now());
    let agency = Agency {
        id: body.id.unwrap_or_else(|| AgencyId(app.clock.new_id())),
        kind: body.kind,
        name: body.name.as_str().to_owned(),
        parent_id: body.parent_id,
        region_codes: body.region_codes,
        state: AgencyState::Active,
        scopes: body.scopes,
        token_epoch: 0,
        rate_limit: None,
        version: 1,
        created_by: Some(caller.client.0),
        create_request: Some(new.key.body().to_vec()),
        created_at: now,
        updated_at: now,
    };
    register::insert(conn, &agency).await?;
    note(conn, app, caller, &agency, "agency.create").await?;
    Ok(agency)
}

async fn note(conn: &mut Conn, app: &App, caller: &Caller, agency: &Agency, action: &str) -> ApiResult<()> {
    let event = Event::by(caller, action, app.clock.new_id(), app.clock.now());
    register::announce(conn, event, agency, app.clock.now()).await
}

/// A change of an agency (RFC 7396): what is absent stays.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::option_option, reason = "absent, null and a value are three things")]
pub struct AgencyPatch {
    #[serde(default, deserialize_with = "set")]
    #[schema(nullable = false, example = "RSUD Mukomuko")]
    name: Option<Line<200>>,
    /// Its jurisdiction, when its region was renumbered: its clients see the rows of the new one within a second, and those of
    /// the old one no more.
    #[serde(default, deserialize_with = "set")]
    #[schema(nullable = false, example = json!(["17.06"]))]
    region_codes: Option<Vec<RegionCode>>,
    /// The most that its clients may hold; what is taken away is refused within a second.
    #[serde(default, deserialize_with = "set")]
    #[schema(nullable = false)]
    scopes: Option<Vec<Scope>>,
    /// Requests a minute of all its clients together, on each node; its clients may each send more or less in proportion. null:
    /// as every agency.
    #[serde(default, deserialize_with = "set_or_clear")]
    #[schema(value_type = Option<RequestsAMinute>, example = 12000)]
    rate_limit: Option<Option<RequestsAMinute>>,
}

/// Change an agency
#[utoipa::path(tag = "agencies", security(("oauth2" = ["agencies:admin"])), params(("id" = AgencyId, Path, description = "Id of the agency."), IfMatchHeader),
    request_body(content = AgencyPatch, content_type = "application/merge-patch+json"),
    responses((status = 200, body = AgencyView, description = "Changed.")))]
#[patch("/v1/agencies/{id}")]
pub async fn update_agency(
    permit: Permit<AdministerAgencies>,
    id: PathId<AgencyId>,
    version: IfMatch,
    patch: Body<AgencyPatch>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let (caller, app, patch) = (permit.caller(), app.0, patch.0);
    db.write(async move |c| {
        let mut agency = store::lock(c, id.0).await?;
        check_version(&agency, version)?;
        let keeps_admin = patch.scopes.as_ref().is_none_or(|scopes| scopes.contains(&Scope::AgenciesAdmin));
        if agency.id == caller.agency && !keeps_admin {
            return Err(ApiError::from(&OWN_AGENCY));
        }
        agency.name = patch.name.map_or(agency.name, |name| name.as_str().to_owned());
        agency.scopes = patch.scopes.unwrap_or(agency.scopes);
        agency.rate_limit = patch.rate_limit.map_or(agency.rate_limit, |limit| limit.map(i32::from));
        if let Some(codes) = patch.region_codes {
            agency.region_codes = codes;
            register::check_jurisdiction(c, &agency).await?;
        }
        let saved = store::save_agency(c, &agency, app.clock.now()).await.map_err(ApiError::from);
        let agency = saved
            .map_err(|error| error.on_constraint("agencies_one_per_government", || ApiError::from(&AGENCY_EXISTS)))?;
        note(c, &app, &caller, &agency, "agency.update").await?;
        let version = agency.version;
        Answer::row(&AgencyView::of(agency, &caller), version)
    })
    .await
}

fn check_version(agency: &Agency, sent: IfMatch) -> ApiResult<()> {
    if agency.version == sent.0 {
        return Ok(());
    }
    Err(ApiError::from(&STALE).member("version", agency.version).member("updated_at", agency.updated_at))
}

/// Suspend an agency
///
/// Its tokens are refused on every node within a second, and no new ones are issued.
#[utoipa::path(tag = "agencies", security(("oauth2" = ["agencies:admin"])),
    params(("id" = AgencyId, Path, description = "Id of the agency."), IdempotencyHeader, IfMatchHeader), request_body = NoBody,
    responses((status = 200, body = AgencyView, description = "Suspended.")))]
#[post("/v1/agencies/{id}/suspend")]
pub async fn suspend_agency(
    permit: Permit<AdministerAgencies>,
    id: PathId<AgencyId>,
    version: IfMatch,
    keyed: Keyed<NoBody>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    move_agency(Move { caller: permit.caller(), app: app.0, id: id.0, version, keyed, to: AgencyState::Suspended }, db)
        .await
}

/// Reactivate an agency
#[utoipa::path(tag = "agencies", security(("oauth2" = ["agencies:admin"])),
    params(("id" = AgencyId, Path, description = "Id of the agency."), IdempotencyHeader, IfMatchHeader), request_body = NoBody,
    responses((status = 200, body = AgencyView, description = "Active again.")))]
#[post("/v1/agencies/{id}/reactivate")]
pub async fn reactivate_agency(
    permit: Permit<AdministerAgencies>,
    id: PathId<AgencyId>,
    version: IfMatch,
    keyed: Keyed<NoBody>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    move_agency(Move { caller: permit.caller(), app: app.0, id: id.0, version, keyed, to: AgencyState::Active }, db)
        .await
}

#[derive(Clone)]
struct Move {
    caller: SharedCaller,
    app: Arc<App>,
    id: AgencyId,
    version: IfMatch,
    keyed: Keyed<NoBody>,
    to: AgencyState,
}

async fn move_agency(act: Move, db: Db) -> ApiResult<Answer> {
    db.write(async move |c| {
        let ticket: Ticket = match act.keyed.key.begin(c, &act.app, act.caller.identity()).await? {
            Attempt::Replay(replay) => return Ok(replay.answer),
            Attempt::Fresh(ticket) => ticket,
        };
        let mut agency = store::lock(c, act.id).await?;
        if agency.state == act.to {
            return Err(ApiError::from(&AGENCY_STATE_CONFLICT)
                .member("state", agency.state)
                .member("since", agency.updated_at));
        }
        check_version(&agency, act.version)?;
        if act.to == AgencyState::Suspended && agency.id == act.caller.agency {
            return Err(ApiError::from(&OWN_AGENCY));
        }
        agency.state = act.to;
        let agency = store::save_agency(c, &agency, act.app.clock.now()).await?;
        let action = if act.to == AgencyState::Suspended { "agency.suspend" } else { "agency.reactivate" };
        note(c, &act.app, &act.caller, &agency, action).await?;
        let version = agency.version;
        let answer = Answer::row(&AgencyView::of(agency, &act.caller), version)?;
        ticket.keep(c, answer, &[act.id.0]).await
    })
    .await
}

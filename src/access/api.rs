//! From `Authorization` to a [`Caller`], before anything else of the request is looked at.
use super::limits::{Limits, granted};
use super::rules::{
    ACTING_USER_REQUIRED, ADDRESS_NOT_ALLOWED, AgencyKind, Budget, Caller, ClientKind, Permission, Scope, SharedCaller,
    Sight,
};
use super::store::{AccessState, Directory, Standing};
use super::tokens::{Claims, Rejected, Signer};
use crate::platform::app::App;
use crate::platform::db::Db;
use crate::platform::error::{ApiError, ApiResult, FORBIDDEN, UNAUTHENTICATED};
use crate::platform::http::{Identity, RateFields, RequestInfo};
use crate::platform::limits::Rate;
use actix_web::body::MessageBody;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use actix_web::middleware::Next;
use actix_web::{Error, FromRequest, HttpMessage, HttpRequest};
use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;

/// What telling a caller from a stranger takes; shared by all workers.
pub struct Gate {
    /// Signs and verifies.
    pub signer: Signer,
    /// Who may still call.
    pub directory: Directory,
    /// How often.
    pub limits: Limits,
}

/// The layer around every operation that asks for a token.
pub async fn authenticate(
    req: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    if req.extensions().get::<RequestInfo>().is_some_and(|info| info.secured) {
        match identify(&req).await {
            Ok(caller) => req.extensions_mut().insert::<SharedCaller>(Arc::new(caller)),
            // As a response, not as an error: the layers outside look at who was refused.
            Err(error) => return Ok(req.error_response(error).map_into_right_body()),
        };
    }
    next.call(req).await.map(ServiceResponse::map_into_left_body)
}

async fn identify(req: &ServiceRequest) -> ApiResult<Caller> {
    let missing = || ApiError::internal("request without app, database or gate");
    let app = req.app_data::<Arc<App>>().ok_or_else(missing)?;
    let gate = req.app_data::<Arc<Gate>>().ok_or_else(missing)?;
    let db = req.app_data::<Db>().ok_or_else(missing)?;
    let about = req.extensions().get::<RequestInfo>().map(|info| (info.id, info.address));
    let (request, address) = about.unwrap_or_default();
    let token = bearer(req.headers())?;
    // No database is asked when the token already fails.
    let claims = gate.signer.verify(token, app.clock.now()).map_err(|why| invalid_token(why.to_string().as_str()))?;
    let state = gate.directory.find(db, claims.sub).await?;
    let refused = || invalid_token("the client may not call");
    let state = state.ok_or_else(refused)?;
    req.extensions_mut().insert(Identity { agency: state.agency_id.0, client: state.client_id.0 });
    if !still_good(&state, &claims, app.clock.now()) {
        return Err(refused());
    }
    // Before it is counted: what comes from elsewhere is not the client's.
    if !state.may_call_from(address) {
        return Err(ApiError::from(&ADDRESS_NOT_ALLOWED));
    }
    let (fields, counted) = gate.limits.call(&state);
    req.extensions_mut().insert(fields);
    counted?;
    req.extensions_mut().insert(Granted(granted(&state)));
    Ok(caller(&claims, &state, request, address))
}

/// Requests a minute that the caller's agency was granted.
struct Granted(Option<Rate>);

/// Counts the use of a right that has a budget.
fn spend(req: &HttpRequest, caller: &Caller, budget: Budget) -> ApiResult<()> {
    let missing = || ApiError::internal("request without gate");
    let gate = req.app_data::<Arc<Gate>>().ok_or_else(missing)?;
    let granted = req.extensions().get::<Granted>().and_then(|granted| granted.0);
    let (fields, counted) = gate.limits.spend(caller.agency, granted, budget);
    if let Some(told) = req.extensions_mut().get_mut::<RateFields>() {
        told.add(&fields);
    }
    counted
}

/// The one bearer token of the `Authorization` header (RFC 6750, section 2.1); the other two ways are not offered.
fn bearer(headers: &HeaderMap) -> ApiResult<&str> {
    let mut sent = headers.get_all(AUTHORIZATION);
    let (Some(value), None) = (sent.next(), sent.next()) else {
        return Err(ApiError::from(&UNAUTHENTICATED).header("www-authenticate", "Bearer realm=\"simpul\""));
    };
    let text = value.to_str().map_err(|_| invalid_token("token is not valid"))?;
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim_matches(' ')),
        _ => Err(ApiError::from(&UNAUTHENTICATED).header("www-authenticate", "Bearer realm=\"simpul\"")),
    }
}

fn invalid_token(why: &str) -> ApiError {
    let challenge = format!("Bearer realm=\"simpul\", error=\"invalid_token\", error_description=\"{why}\"");
    ApiError::from(&UNAUTHENTICATED).header("www-authenticate", challenge)
}

/// Whether the database still stands by what a token says.
pub fn still_good(state: &Standing, claims: &Claims, now: chrono::DateTime<chrono::Utc>) -> bool {
    state.active
        && !state.has_revoked(claims.jti)
        && state.agency_id == claims.agency_id
        && state.token_epoch == claims.epoch
        && state.volunteer_id == claims.volunteer_id
        && state.expires_at.is_none_or(|end| now < end)
}

fn caller(claims: &Claims, state: &AccessState, request: uuid::Uuid, address: Option<IpAddr>) -> Caller {
    let sight = match (state.volunteer_id, state.agency_kind, state.region_codes.first()) {
        (Some(volunteer), _, _) => Sight::Own(volunteer),
        (None, AgencyKind::Ministry, _) => Sight::Everything,
        (None, kind, Some(region)) if kind.jurisdiction().is_some() => Sight::Region(region.clone()),
        _ => Sight::Addressed(std::iter::once(state.agency_id).chain(state.child_agency_ids.iter().copied()).collect()),
    };
    Caller {
        client: state.client_id,
        client_kind: state.client_kind,
        agency: state.agency_id,
        agency_kind: state.agency_kind,
        scopes: claims.scopes().unwrap_or_default().and(state.scope_set()),
        sight,
        regions: state.region_codes.clone(),
        acting_user: claims.acting_user.clone(),
        volunteer: state.volunteer_id,
        purpose: state.purpose.clone(),
        request,
        address,
        expires_at: claims.expires_at().unwrap_or_default(),
    }
}

impl From<Rejected> for ApiError {
    fn from(why: Rejected) -> Self {
        invalid_token(&why.to_string())
    }
}

/// A caller with the right `P`. The first argument of a handler: nothing of the request is read before it is known.
pub struct Permit<P> {
    caller: SharedCaller,
    right: PhantomData<P>,
}

impl<P> Permit<P> {
    /// The caller, to be moved into a transaction.
    pub fn caller(&self) -> SharedCaller {
        self.caller.clone()
    }
}

impl<P> Deref for Permit<P> {
    type Target = Caller;
    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl<P: Permission> FromRequest for Permit<P> {
    type Error = ApiError;
    type Future = Ready<ApiResult<Self>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let caller = req.extensions().get::<SharedCaller>().cloned();
        let caller = caller.ok_or_else(|| ApiError::internal("an operation takes a Permit but declares no security"));
        ready(caller.and_then(|caller| {
            allow::<P>(&caller)?;
            // After the right (nobody without it learns what is taken), before anything else is read.
            if let Some(info) = req.extensions().get::<RequestInfo>() {
                info.check_query(req.query_string())?;
            }
            if let Some(budget) = P::BUDGET {
                spend(req, &caller, budget)?;
            }
            Ok(Self { caller, right: PhantomData })
        }))
    }
}

fn allow<P: Permission>(caller: &Caller) -> ApiResult<()> {
    if !P::SCOPES.is_empty() && !P::SCOPES.iter().any(|scope| caller.scopes.has(*scope)) {
        let wanted: Vec<&str> = P::SCOPES.iter().copied().map(Scope::as_str).collect();
        let challenge =
            format!("Bearer realm=\"simpul\", error=\"insufficient_scope\", scope=\"{}\"", wanted.join(" "));
        return Err(ApiError::from(&FORBIDDEN).header("www-authenticate", challenge));
    }
    if P::ACTING_USER && caller.client_kind == ClientKind::Officer && caller.acting_user.is_none() {
        return Err(ApiError::from(&ACTING_USER_REQUIRED));
    }
    Ok(())
}

//! From `Authorization` to a [`Caller`], before anything else of the request is looked at.
use super::limits::{Limits, granted};
use super::rules::{
    ACTING_USER_REQUIRED, ADDRESS_NOT_ALLOWED, ActingUser, AgencyKind, Budget, Caller, ClientKind, LetIn, Permission,
    Scope, Scopes, SharedCaller, Sight,
};
use super::store::{AccessState, Directory, Standing};
use super::tokens::{Claims, Rejected, Signer};
use crate::platform::app::App;
use crate::platform::db::Db;
use crate::platform::error::{ApiError, ApiResult, FORBIDDEN, UNAUTHENTICATED};
use crate::platform::http::{Identity, RateFields, RequestInfo, StillIn};
use crate::platform::limits::Rate;
use actix_web::body::MessageBody;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use actix_web::middleware::Next;
use actix_web::{Error, FromRequest, HttpMessage, HttpRequest};
use chrono::{DateTime, Utc};
use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;
use uuid::Uuid;

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
            Ok(caller) => {
                let caller = Arc::new(caller);
                if let Some(still_in) = still_in(&req, &caller) {
                    req.extensions_mut().insert(still_in);
                }
                req.extensions_mut().insert::<SharedCaller>(caller)
            }
            // As a response, not as an error: the layers outside look at who was refused.
            Err(error) => return Ok(req.error_response(error).map_into_right_body()),
        };
    }
    next.call(req).await.map(ServiceResponse::map_into_left_body)
}

/// For whatever takes long before anything is done: a body that is yet to arrive. What only reads has none, and most requests do.
fn still_in(req: &ServiceRequest, caller: &SharedCaller) -> Option<StillIn> {
    if req.method().is_safe() {
        return None;
    }
    let app = req.app_data::<Arc<App>>()?.clone();
    let (gate, db) = (req.app_data::<Arc<Gate>>()?.clone(), req.app_data::<Db>()?.clone());
    let caller = caller.clone();
    Some(StillIn::new(move || {
        let (app, gate, db, caller) = (app.clone(), gate.clone(), db.clone(), caller.clone());
        Box::pin(async move { gate.check_still_in(&db, &caller, app.clock.now()).await })
    }))
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
    let who = LetIn::by(&claims);
    Ok(caller(who, &state, claims.expires_at().unwrap_or_default(), (request, address)))
}

/// Requests a minute that the caller's agency was granted.
struct Granted(Option<Rate>);

/// Counts the use of a right that has a budget.
fn spend(req: &HttpRequest, caller: &Caller, budget: Budget) -> ApiResult<()> {
    spend_many(req, caller, budget, 1)?.map_err(|_| ApiError::internal("a budget of nothing"))
}

/// Counts so many uses at once, for what is known to take as many before any of it is done. More than the whole budget ever
/// holds take nothing of it: what it holds is returned.
pub fn spend_many(req: &HttpRequest, caller: &Caller, budget: Budget, uses: u32) -> ApiResult<Result<(), u32>> {
    let gate = gate(req)?;
    let granted = req.extensions().get::<Granted>().and_then(|granted| granted.0);
    let (fields, counted) = match gate.limits.spend(caller.agency, granted, budget, uses) {
        Ok(counted) => counted,
        Err(most) => return Ok(Err(most)),
    };
    if let Some(told) = req.extensions_mut().get_mut::<RateFields>() {
        told.add(&fields);
    }
    counted.map(Ok)
}

/// The budgets of whoever calls, for an operation that costs something only if it turns out so.
pub struct Purse(HttpRequest);

impl Purse {
    /// Refuses a caller whose agency has nothing left.
    pub fn check_left(&self, caller: &Caller, budget: Budget) -> ApiResult<()> {
        gate(&self.0)?.limits.check_left(caller.agency, budget)
    }

    /// Counts one; refused if it was one too many.
    pub fn spend(&self, caller: &Caller, budget: Budget) -> ApiResult<()> {
        spend(&self.0, caller, budget)
    }
}

impl FromRequest for Purse {
    type Error = ApiError;
    type Future = Ready<ApiResult<Self>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(req.clone())))
    }
}

fn gate(req: &HttpRequest) -> ApiResult<&Arc<Gate>> {
    req.app_data::<Arc<Gate>>().ok_or_else(|| ApiError::internal("request without gate"))
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
pub fn still_good(state: &Standing, claims: &Claims, now: DateTime<Utc>) -> bool {
    still_let_in(state, &LetIn::by(claims), now)
}

fn still_let_in(state: &Standing, who: &LetIn, now: DateTime<Utc>) -> bool {
    state.active
        && !state.has_revoked(who.token)
        && state.agency_id == who.agency
        && state.token_epoch == who.epoch
        && state.volunteer_id == who.volunteer
        && state.expires_at.is_none_or(|end| now < end)
}

/// As of now: what the client was let in with, cut to what the database still grants.
fn caller(
    who: LetIn,
    state: &AccessState,
    expires_at: DateTime<Utc>,
    (request, address): (Uuid, Option<IpAddr>),
) -> Caller {
    let all = of_state(state, who.acting_user, request);
    let scopes = Scopes::parse(&who.scopes).unwrap_or_default().and(all.scopes);
    Caller { scopes, address, expires_at, token: who.token, epoch: who.epoch, ..all }
}

/// In whose name work goes on after the answer to its request: the client, with all that the database grants it now. None:
/// it may not call any more.
pub fn on_behalf(
    state: &AccessState,
    acting_user: Option<ActingUser>,
    request: Uuid,
    now: DateTime<Utc>,
) -> Option<Caller> {
    let good = state.active && state.expires_at.is_none_or(|end| now < end);
    good.then(|| of_state(state, acting_user, request))
}

fn of_state(state: &AccessState, acting_user: Option<ActingUser>, request: Uuid) -> Caller {
    let sight = match (state.volunteer_id, state.agency_kind, state.region_codes.first()) {
        (Some(volunteer), _, _) => Sight::Own(volunteer),
        (None, AgencyKind::Ministry, _) => Sight::Everything,
        (None, kind, Some(region)) if kind.jurisdiction().is_some() => Sight::Region(region.clone()),
        _ => Sight::Addressed(std::iter::once(state.agency_id).chain(state.child_agency_ids.iter().copied()).collect()),
    };
    let branch = state.parent_agency_id.is_some() && matches!(sight, Sight::Addressed(_));
    Caller {
        client: state.client_id,
        client_kind: state.client_kind,
        agency: state.agency_id,
        agency_kind: state.agency_kind,
        scopes: state.scope_set(),
        sight,
        branch,
        regions: state.region_codes.clone(),
        acting_user,
        volunteer: state.volunteer_id,
        purpose: state.purpose.clone(),
        request,
        address: None,
        expires_at: state.expires_at.unwrap_or(DateTime::<Utc>::MAX_UTC),
        token: Uuid::nil(),
        epoch: state.token_epoch,
    }
}

impl Gate {
    /// Refuses a caller that was let in and would not be let in any more: asked again and again by an answer that takes long,
    /// for whoever is cut off gets no more of it.
    pub async fn check_still_in(&self, db: &Db, caller: &Caller, now: DateTime<Utc>) -> ApiResult<()> {
        let state = self.directory.find(db, caller.client).await?;
        let still = state.is_some_and(|state| {
            still_let_in(&state, &LetIn::as_caller(caller), now)
                && state.region_codes == caller.regions
                && caller.scopes.within(state.scope_set())
        });
        if still { Ok(()) } else { Err(invalid_token("the client may not call")) }
    }

    /// Who was let in once, as the caller of another request, by something that only this service can have given; none if it
    /// would not be let in any more. It does not count as a request of the client: whoever was given it could use up what the
    /// client may. From where it comes is not asked: what was given is made to be opened elsewhere.
    pub async fn recall(
        &self,
        db: &Db,
        who: LetIn,
        info: &RequestInfo,
        now: DateTime<Utc>,
    ) -> ApiResult<Option<Caller>> {
        let state = self.directory.find(db, who.client).await?;
        let Some(state) = state.filter(|state| still_let_in(state, &who, now)) else { return Ok(None) };
        Ok(Some(caller(who, &state, now, (info.id, info.address))))
    }
}

impl LetIn {
    fn by(claims: &Claims) -> Self {
        Self {
            client: claims.sub,
            agency: claims.agency_id,
            token: claims.jti,
            epoch: claims.epoch,
            scopes: claims.scope.clone(),
            acting_user: claims.acting_user.clone(),
            volunteer: claims.volunteer_id,
        }
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
    let one_of = P::SCOPES.is_empty() || P::SCOPES.iter().any(|scope| caller.scopes.has(*scope));
    if !one_of || !P::AND.iter().all(|scope| caller.scopes.has(*scope)) {
        let wanted: Vec<&str> = P::SCOPES.iter().chain(P::AND).copied().map(Scope::as_str).collect();
        let challenge =
            format!("Bearer realm=\"simpul\", error=\"insufficient_scope\", scope=\"{}\"", wanted.join(" "));
        return Err(ApiError::from(&FORBIDDEN).header("www-authenticate", challenge));
    }
    if P::ACTING_USER && caller.client_kind == ClientKind::Officer && caller.acting_user.is_none() {
        return Err(ApiError::from(&ACTING_USER_REQUIRED));
    }
    Ok(())
}

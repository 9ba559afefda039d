//! A volunteer's phone: the code that its regency's office makes, the phone that posts it with its own key, and the call
//! that cuts off one that was lost.
use super::decide::conflict;
use crate::access::api::Permit;
use crate::access::limits::Stranger;
use crate::access::rules::{AgencyId, AgencyKind, Caller, ClientId, ClientKind, ManagePhones, Scopes, VolunteerId};
use crate::agencies::clients::api::{ShownSecret, check_reason};
use crate::agencies::clients::create;
use crate::agencies::clients::rules::{CLIENT_STATE_CONFLICT, ClientState, NewClient, phone_scopes};
use crate::agencies::clients::store::{self as clients, Client};
use crate::agencies::oauth::{GateArg, OAuthProblem, Refusal, request_of, token_endpoint};
use crate::agencies::rules::AgencyState;
use crate::agencies::store as agencies;
use crate::audit::rules::Event;
use crate::audit::store::{self as audit, Recorder};
use crate::codes::rules::Code;
use crate::platform::answer::Answer;
use crate::platform::app::{App, Shared};
use crate::platform::crypto;
use crate::platform::db::{Conn, Db};
use crate::platform::error::{ApiError, ApiResult, RATE_LIMITED};
use crate::platform::idempotency::Attempt;
use crate::platform::input::{Body, Keyed, NoBody, PathId};
use crate::platform::jwk::{PublicJwk, PublicKey};
use crate::platform::openapi::IdempotencyHeader;
use crate::platform::text::Line;
use crate::volunteers::phones::cut_off_phone;
use crate::volunteers::rules::{NOT_THE_AUTHORITY, may_decide};
use crate::volunteers::store::phones::{self, PhoneCode};
use crate::volunteers::store::{self, Volunteer};
use actix_web::web::Payload;
use actix_web::{FromRequest, HttpRequest, HttpResponse, post};
use chrono::{DateTime, TimeDelta, Utc};
use diesel::OptionalExtension;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;
use uuid::Uuid;

/// How long a code is good.
const CODE_LIFETIME: TimeDelta = TimeDelta::minutes(10);
/// Codes that may be made for a volunteer within an hour.
const CODES_AN_HOUR: usize = 5;

/// A one-time code for a volunteer's phone.
#[derive(Debug, Serialize, ToSchema)]
pub struct PhoneCodeView {
    volunteer_id: VolunteerId,
    /// Shown this once. To be typed or scanned into the app, which posts it to `/oauth/register`; upper and lower case,
    /// blanks and hyphens are all the same.
    #[schema(value_type = String, example = "K7QF-9M2D-X4TA")]
    code: ShownSecret,
    expires_at: DateTime<Utc>,
}

/// Make a code for a volunteer's phone
///
/// Good once, for 10 minutes; the one made before is none any more. Only the social office of the volunteer's regency makes
/// codes, at most five an hour for a volunteer (429 `rate_limited`). The same request sent again gets 409
/// `secret_already_shown`: make another one.
#[utoipa::path(tag = "volunteers", security(("oauth2" = ["clients:manage"])),
    params(("id" = VolunteerId, Path, description = "Id of the volunteer."), IdempotencyHeader), request_body = NoBody,
    responses((status = 200, body = PhoneCodeView, description = "The code.")))]
#[post("/v1/volunteers/{id}/phone/codes")]
pub async fn create_phone_code(
    permit: Permit<ManagePhones>,
    id: PathId<VolunteerId>,
    keyed: Keyed<NoBody>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let (caller, app) = (permit.caller(), app.0);
    db.write(async move |c| {
        let ticket = match keyed.key.begin(c, &app, caller.identity()).await? {
            Attempt::Replay(replay) => return Ok(replay.answer),
            Attempt::Fresh(ticket) => ticket,
        };
        let volunteer = store::lock(c, &caller, id.0).await?;
        if !looks_after(&caller, &volunteer) {
            return Err(ApiError::from(&NOT_THE_AUTHORITY));
        }
        if !volunteer.status.is_engaged() {
            return Err(conflict(&volunteer));
        }
        let now = app.clock.now();
        check_pace(c, volunteer.id, now).await?;
        let code = crypto::random_code().map_err(ApiError::internal)?;
        let row = PhoneCode {
            id: app.clock.new_id(),
            volunteer_id: volunteer.id,
            agency_id: caller.agency,
            code_index: index(&app, &code),
            created_at: now,
            created_by: caller.client,
            acting_user: caller.acting_user.as_ref().map(|user| user.as_str().to_owned()),
            expires_at: now + CODE_LIFETIME,
            client_id: None,
        };
        phones::add_code(c, &row).await?;
        note(c, &app, &caller, &volunteer, "phone_code.create").await?;
        let view =
            PhoneCodeView { volunteer_id: volunteer.id, code: ShownSecret::new(code), expires_at: row.expires_at };
        ticket.keep_secret(c, Answer::ok(&view)?, &[volunteer.id.0]).await
    })
    .await
}

/// Whether the caller is the social office of the regency where the volunteer is posted: the phone becomes its client.
fn looks_after(caller: &Caller, volunteer: &Volunteer) -> bool {
    caller.agency_kind == AgencyKind::DinsosRegency && may_decide(caller, &volunteer.village_code)
}

async fn check_pace(conn: &mut Conn, volunteer: VolunteerId, now: DateTime<Utc>) -> ApiResult<()> {
    let hour = TimeDelta::hours(1);
    let made = phones::codes_made(conn, volunteer, now - hour).await?;
    let Some(first) = made.len().checked_sub(CODES_AN_HOUR).and_then(|index| made.get(index)) else { return Ok(()) };
    let wait = (*first + hour - now).num_seconds().max(0) + 1;
    Err(ApiError::from(&RATE_LIMITED).header("retry-after", wait))
}

fn index(app: &App, code: &str) -> Vec<u8> {
    app.keys.blind_index("phone_codes.code", code)
}

async fn note(conn: &mut Conn, app: &App, caller: &Caller, volunteer: &Volunteer, action: &str) -> ApiResult<()> {
    let event = Event::by(caller, action, app.clock.new_id(), app.clock.now()).subject("volunteer", volunteer.id);
    audit::record(conn, &event.region(&volunteer.village_code)).await?;
    Ok(())
}

/// Why a phone is disabled.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PhoneReason {
    /// Code of the list `client-reasons`, of the group `disable`.
    #[schema(example = "lost_or_stolen")]
    reason: Code,
}

/// The phone that was disabled.
#[derive(Debug, Serialize, ToSchema)]
pub struct DisabledPhone {
    volunteer_id: VolunteerId,
    /// null: there was a code, and no phone yet.
    #[schema(required)]
    client_id: Option<ClientId>,
}

/// Disable a volunteer's phone
///
/// For one that was lost: its tokens are refused on every node within a second, and for good, and a code that was not used yet
/// is none any more. Another one registers with a new code. With neither phone nor code: 409 `client_state_conflict`.
#[utoipa::path(tag = "volunteers", security(("oauth2" = ["clients:manage"])),
    params(("id" = VolunteerId, Path, description = "Id of the volunteer."), IdempotencyHeader), request_body = PhoneReason,
    responses((status = 200, body = DisabledPhone, description = "Disabled.")))]
#[post("/v1/volunteers/{id}/phone/disable")]
pub async fn disable_phone(
    permit: Permit<ManagePhones>,
    id: PathId<VolunteerId>,
    keyed: Keyed<PhoneReason>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let (caller, app) = (permit.caller(), app.0);
    db.write(async move |c| {
        let attempt = keyed.key.begin(c, &app, caller.identity()).await?;
        let volunteer = store::lock(c, &caller, id.0).await?;
        if !looks_after(&caller, &volunteer) {
            return Err(ApiError::from(&NOT_THE_AUTHORITY));
        }
        let ticket = match attempt {
            Attempt::Replay(replay) => return Ok(replay.answer),
            Attempt::Fresh(ticket) => ticket,
        };
        let (now, reason) = (app.clock.now(), keyed.body.reason);
        check_reason(c, now, "disable", &reason).await?;
        let ended = cut_off_phone(c, volunteer.id, reason.as_str(), now).await?;
        let client = ended.ok_or_else(|| ApiError::from(&CLIENT_STATE_CONFLICT))?;
        let event =
            Event::by(&caller, "phone.disable", app.clock.new_id(), now).subjects("client", client.map(Uuid::from));
        audit::record(c, &event.region(&volunteer.village_code).detail(reason.as_str())).await?;
        let view = DisabledPhone { volunteer_id: volunteer.id, client_id: client };
        ticket.keep(c, Answer::ok(&view)?, &[volunteer.id.0]).await
    })
    .await
}

/// A code as it was typed: in no log.
#[derive(Clone, Deserialize)]
struct TypedCode(String);

impl std::fmt::Debug for TypedCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TypedCode")
    }
}

/// A phone that registers itself.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PhoneRegistration {
    /// As the office of the regency made it.
    #[schema(example = "K7QF-9M2D-X4TA", max_length = 32)]
    #[schema(value_type = String)]
    code: TypedCode,
    /// The public half of a key that never leaves the phone.
    key: PublicJwk,
    /// For the agency's overview, such as the phone's model; no personal data.
    #[schema(example = "Samsung A14")]
    name: Option<Line<200>>,
}

/// What the phone is from now on (RFC 7591, section 3.2.1).
#[derive(Debug, Serialize, ToSchema)]
pub struct RegisteredPhone {
    client_id: ClientId,
    /// Seconds since 1970.
    #[schema(example = 1_795_600_000)]
    client_id_issued_at: i64,
    #[schema(example = "private_key_jwt")]
    token_endpoint_auth_method: &'static str,
    #[schema(example = json!(["client_credentials"]))]
    grant_types: [&'static str; 1],
    /// What it may do at most.
    #[schema(example = "cases:read cases:write")]
    scope: String,
    /// Name of the key, for the header of its assertions.
    #[schema(example = "2026-11")]
    kid: String,
    agency_id: AgencyId,
    #[schema(required)]
    volunteer_id: Option<VolunteerId>,
    #[schema(example = "https://simpul.example")]
    issuer: String,
    #[schema(example = "https://simpul.example/oauth/token")]
    token_endpoint: String,
}

/// Register a phone
///
/// The app makes a key of its own, and posts its public half with the code that the volunteer was given. It becomes a client
/// bound to that volunteer, whose former phone is disabled. When the answer was lost, send the same code and key again: it is
/// the same client. From then on the phone gets its tokens at the token endpoint, by `private_key_jwt`.
#[utoipa::path(tag = "identity", request_body = PhoneRegistration,
    responses((status = 201, body = RegisteredPhone, description = "Registered (RFC 7591)."), (status = 400, body = OAuthProblem, description = "`invalid_grant`: the code is unknown, used or over; `invalid_client_metadata`: the key cannot be taken; `invalid_request`."),
        (status = 429, body = OAuthProblem, description = "Too many attempts from this address."), (status = 500, body = OAuthProblem, description = "A fault of ours."),
        (status = 503, body = OAuthProblem, description = "Try again shortly.")))]
#[post("/oauth/register")]
pub async fn register_phone(
    req: HttpRequest,
    payload: Payload,
    app: Shared,
    gate: GateArg,
    db: Db,
    recorder: Recorder,
) -> HttpResponse {
    match register(&req, payload, &app.0, &gate, &db).await {
        Ok(phone) => HttpResponse::Created().insert_header(("pragma", "no-cache")).json(phone),
        Err(refusal) => {
            if refusal.is_failure() {
                gate.failed(&req, Stranger::WithCode);
            }
            refusal.recorded(&req, &app, &recorder, "phone.register").await
        }
    }
}

const BAD_KEY: &str = "key is not the public half of an Ed25519 or P-256 key as JWK";

fn unreadable(error: ApiError) -> Refusal {
    if error.points_at("/key") {
        return Refusal::new("invalid_client_metadata", BAD_KEY);
    }
    Refusal::from(error)
}

/// Says no more: whether there was such a code is nobody's business.
const NO_CODE: &str = "the code is unknown, used or over: ask for another one";

async fn register(
    req: &HttpRequest,
    payload: Payload,
    app: &Arc<App>,
    gate: &GateArg,
    db: &Db,
) -> Result<RegisteredPhone, Refusal> {
    gate.let_in(req, Stranger::WithCode)?;
    let Body(sent) =
        Body::<PhoneRegistration>::from_request(req, &mut payload.into_inner()).await.map_err(unreadable)?;
    let key = sent.key.check().map_err(|_| Refusal::new("invalid_client_metadata", BAD_KEY))?;
    let code = crypto::read_code(&sent.code.0).ok_or_else(|| Refusal::new("invalid_grant", NO_CODE))?;
    let attempt =
        Attempted { index: index(app, &code), key, name: sent.name, request: request_of(req), app: app.clone() };
    let made = db.write(async move |c| become_client(c, &attempt).await).await?;
    let (client, kid) = made?;
    Ok(RegisteredPhone {
        client_id: client.id,
        client_id_issued_at: client.created_at.timestamp(),
        token_endpoint_auth_method: "private_key_jwt",
        grant_types: ["client_credentials"],
        scope: client.scopes.iter().copied().collect::<Scopes>().to_string(),
        kid,
        agency_id: client.agency_id,
        volunteer_id: client.volunteer_id,
        issuer: app.settings.issuer.clone(),
        token_endpoint: token_endpoint(app),
    })
}

#[derive(Clone)]
struct Attempted {
    index: Vec<u8>,
    key: PublicKey,
    name: Option<Line<200>>,
    request: Uuid,
    app: Arc<App>,
}

/// Uses the code up and makes the phone its volunteer's client. The inner refusal is an answer too: it is recorded.
async fn become_client(conn: &mut Conn, sent: &Attempted) -> ApiResult<Result<(Client, String), Refusal>> {
    let now = sent.app.clock.now();
    let Some((code, volunteer)) = phones::lock_code(conn, &sent.index).await.optional()? else {
        return Ok(Err(Refusal::new("invalid_grant", NO_CODE)));
    };
    let by = code.client_id.unwrap_or(code.created_by);
    let refused = move |why| Refusal::new("invalid_grant", NO_CODE).of(code.agency_id, by).because(why);
    if let Some(client) = code.client_id {
        // The answer was lost on the way: the same key is the same phone.
        let client = clients::find_any(conn, client).await?;
        let keys = clients::keys(&mut &*conn, client.id).await?;
        let same = keys.into_iter().find(|(_, jwk)| *jwk == sent.key.jwk);
        return Ok(match same.filter(|_| client.state == ClientState::Active) {
            Some((kid, _)) => Ok((client, kid)),
            None => Err(refused("used")),
        });
    }
    let agency = agencies::lock(conn, code.agency_id).await?;
    let here = agency.region_codes.iter().any(|region| region.contains(&volunteer.village_code));
    if now >= code.expires_at {
        return Ok(Err(refused("over")));
    }
    // Whoever is cut off cannot leave codes behind.
    let maker = clients::find_any(conn, code.created_by).await?;
    let maker_may = maker.state == ClientState::Active && maker.expires_at.is_none_or(|end| now < end);
    if agency.state != AgencyState::Active || !volunteer.status.is_engaged() || !here || !maker_may {
        return Ok(Err(refused("not_allowed")));
    }
    let before = clients::disable_phones(conn, volunteer.id, "replaced", now).await?;
    let new = NewClient {
        id: ClientId(sent.app.clock.new_id()),
        agency: agency.id,
        kind: ClientKind::Phone,
        name: sent.name.clone().map_or_else(|| fixed("Ponsel PSM"), Ok)?,
        purpose: fixed("Pendampingan oleh PSM")?,
        scopes: phone_scopes(&agency.scopes),
        networks: vec![],
        expires_at: None,
        volunteer: Some(volunteer.id),
        created_by: Some(code.created_by),
        create_request: None,
    };
    let (client, _) = create::insert(conn, &sent.app.clock, &new, Some(&sent.key), &agency.scopes).await?;
    phones::use_code(conn, code.id, client.id).await?;
    let event = Event::new("phone.register", sent.request, sent.app.clock.new_id(), now)
        .client(agency.id.0, client.id.0)
        .acting(code.acting_user.as_deref())
        .subjects("client", std::iter::once(client.id.0).chain(before.iter().map(|client| client.id.0)));
    audit::record(conn, &event.region(&volunteer.village_code)).await?;
    Ok(Ok((client, sent.key.kid.clone())))
}

fn fixed(text: &str) -> ApiResult<Line<200>> {
    Line::try_from(text.to_owned()).map_err(|fault| ApiError::internal(fault.code))
}

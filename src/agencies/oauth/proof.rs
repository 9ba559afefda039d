//! How a client proves itself: by a JWT of its own key (RFC 7523), or by its secret (RFC 6749, section 2.3.1).
use super::{FAILED, Form, GateArg, Refusal, address_of, token_endpoint};
use crate::access::api::Gate;
use crate::access::limits::Stranger;
use crate::access::rules::{ADDRESS_NOT_ALLOWED, ClientId};
use crate::access::store::{AccessState, Standing};
use crate::access::tokens::{Unverified, VerifyingKey};
use crate::agencies::clients::store;
use crate::platform::app::App;
use crate::platform::crypto;
use crate::platform::db::{Conn, Db};
use crate::platform::error::ApiResult;
use actix_web::HttpRequest;
use actix_web::http::header::AUTHORIZATION;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use std::net::IpAddr;
use std::sync::Arc;
use uuid::Uuid;

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Common libraries sign assertions for an hour; a few minutes more for their clocks.
const ASSERTION_LIFETIME: TimeDelta = TimeDelta::minutes(65);
const CLOCK_SKEW: TimeDelta = TimeDelta::seconds(60);

/// An assertion that is good, to be used up in the transaction that records the token.
#[derive(Clone)]
struct Assertion {
    jti_hash: Vec<u8>,
    expires_at: DateTime<Utc>,
}

/// A client that has proved itself. Its assertion is still to be used up, in the transaction of what it asks for.
#[derive(Clone)]
pub(super) struct Proven {
    pub(super) state: Arc<Standing>,
    assertion: Option<Assertion>,
}

impl Proven {
    /// The client of a request that may call, from where it calls, as often as it does.
    pub(super) async fn of(
        req: &HttpRequest,
        form: &Form,
        app: &App,
        gate: &GateArg,
        db: &Db,
    ) -> Result<Self, Refusal> {
        let proof = Proof::of(req, form)?;
        let stranger = Stranger::Naming(proof.client());
        gate.let_in(req, stranger)?;
        let checked = Self::check(&proof, address_of(req), app, gate, db).await;
        if checked.as_ref().is_err_and(Refusal::is_failure) {
            gate.failed(req, stranger);
        }
        checked
    }

    async fn check(
        proof: &Proof<'_>,
        address: Option<IpAddr>,
        app: &App,
        gate: &GateArg,
        db: &Db,
    ) -> Result<Self, Refusal> {
        let now = app.clock.now();
        let state = gate.0.directory.find(db, proof.client()).await?.filter(|state| state.active);
        let state = state.ok_or_else(|| Refusal::new("invalid_client", FAILED))?;
        let known = |refusal: Refusal| refusal.of(state.agency_id, state.client_id);
        let assertion = proof.check(&state, app, &gate.0, db, now).await.map_err(known)?;
        if !state.may_call_from(address) {
            let refusal = Refusal::new("invalid_client", "the client may not call from this address");
            return Err(known(refusal.because(ADDRESS_NOT_ALLOWED.code)));
        }
        if state.expires_at.is_some_and(|end| now >= end) {
            return Err(known(Refusal::new("invalid_client", "the client has expired")));
        }
        if let Some(wait) = gate.0.limits.token(address, state.client_id) {
            return Err(known(Refusal::too_many(wait)));
        }
        Ok(Self { state, assertion })
    }

    /// A refusal of this client.
    pub(super) fn refuse(&self, refusal: Refusal) -> Refusal {
        refusal.of(self.state.agency_id, self.state.client_id)
    }

    /// Uses the assertion up, in the transaction of what it was sent for; false if it was used before: do nothing then.
    pub(super) async fn use_up(&self, conn: &mut Conn) -> ApiResult<bool> {
        let Some(one) = &self.assertion else { return Ok(true) };
        Ok(store::use_assertion(conn, self.state.client_id, &one.jti_hash, one.expires_at).await?)
    }

    /// What [`Proven::use_up`] said, once that is committed.
    pub(super) fn check_fresh(&self, fresh: bool) -> Result<(), Refusal> {
        let used = || self.refuse(Refusal::new("invalid_client", "the assertion was used before"));
        if fresh { Ok(()) } else { Err(used()) }
    }
}

/// How the client proves itself: exactly one way.
enum Proof<'a> {
    Secret { client: ClientId, secret: String },
    Assertion { client: ClientId, jwt: Unverified<'a>, claims: AssertionClaims },
}

/// Claims of an assertion (RFC 7523, section 3). Others are the client's own business.
#[derive(Debug, Deserialize)]
struct AssertionClaims {
    iss: String,
    sub: String,
    aud: String,
    exp: i64,
    iat: Option<i64>,
    nbf: Option<i64>,
    jti: String,
}

impl<'a> Proof<'a> {
    fn of(req: &HttpRequest, form: &'a Form) -> Result<Self, Refusal> {
        let basic: Vec<_> = req.headers().get_all(AUTHORIZATION).collect();
        let assertion = form.get("client_assertion");
        if form.get("client_secret").is_some() {
            return Err(Refusal::new("invalid_request", "send the secret by HTTP Basic"));
        }
        match (basic.as_slice(), assertion) {
            ([value], None) => {
                let basic = Self::basic(value.to_str().unwrap_or_default());
                basic.ok_or_else(|| Refusal::new("invalid_client", FAILED))
            }
            ([], Some(jwt)) if form.get("client_assertion_type") == Some(ASSERTION_TYPE) => Self::assertion(jwt),
            ([], Some(_)) => Err(Refusal::new("invalid_request", "client_assertion_type is missing or unknown")),
            ([], None) => Err(Refusal::new("invalid_client", "the client did not authenticate")),
            _ => Err(Refusal::new("invalid_request", "authenticate in one way only")),
        }
    }

    /// `client_secret_basic`: id and secret are form-encoded before they are joined (RFC 6749, section 2.3.1).
    fn basic(header: &str) -> Option<Self> {
        let (scheme, encoded) = header.split_once(' ')?;
        let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
        let (id, secret) = decoded.split_once(':')?;
        let plain = |part: &str| {
            // What stands behind an ampersand must be looked at too.
            let text = format!("v={}", part.replace('&', "%26"));
            url::form_urlencoded::parse(text.as_bytes()).next().map(|(_, value)| value.into_owned())
        };
        let client = Uuid::try_parse(&plain(id)?).ok().map(ClientId)?;
        let secret = plain(secret)?;
        scheme.eq_ignore_ascii_case("basic").then_some(Self::Secret { client, secret })
    }

    fn assertion(jwt: &'a str) -> Result<Self, Refusal> {
        let invalid = |_| Refusal::new("invalid_client", "the assertion is not valid");
        let jwt = Unverified::parse(jwt).map_err(invalid)?;
        // An access token is not an assertion.
        if jwt.typ().is_some_and(|typ| !typ.eq_ignore_ascii_case("jwt") && typ != "client-authentication+jwt") {
            return Err(Refusal::new("invalid_client", "the assertion is of another type"));
        }
        let claims: AssertionClaims = jwt.peek().map_err(invalid)?;
        if claims.iss != claims.sub {
            return Err(Refusal::new("invalid_client", "iss and sub must be the client id"));
        }
        let client = Uuid::try_parse(&claims.sub).map(ClientId);
        let client = client.map_err(|_| Refusal::new("invalid_client", "iss and sub must be the client id"))?;
        Ok(Self::Assertion { client, jwt, claims })
    }

    fn client(&self) -> ClientId {
        match self {
            Self::Secret { client, .. } | Self::Assertion { client, .. } => *client,
        }
    }

    async fn check(
        &self,
        state: &AccessState,
        app: &App,
        gate: &Gate,
        db: &Db,
        now: DateTime<Utc>,
    ) -> Result<Option<Assertion>, Refusal> {
        let client = state.client_id;
        match self {
            Self::Secret { secret, .. } => {
                let hash = crypto::sha256(secret.as_bytes());
                let known = db.read(async |c| store::secrets(c, client, now).await).await?;
                let mut matches = false;
                for stored in &known {
                    matches |= crypto::same(stored, &hash);
                }
                if matches { Ok(None) } else { Err(Refusal::new("invalid_client", FAILED)) }
            }
            Self::Assertion { jwt, claims, .. } => {
                let keys = db.read(async |c| store::keys(c, client).await).await?;
                let good =
                    keys.iter().filter(|(kid, _)| jwt.kid().is_none_or(|wanted| wanted == kid)).any(|(_, jwk)| {
                        let key = serde_json::from_value(jwk.clone()).ok().and_then(|jwk| VerifyingKey::from_jwk(&jwk));
                        key.is_some_and(|key| jwt.verify::<AssertionClaims>(&key).is_ok())
                    });
                if !good {
                    return Err(Refusal::new("invalid_client", FAILED));
                }
                claims.check(client, gate.signer.issuer(), &token_endpoint(app), now).map(Some)
            }
        }
    }
}

impl AssertionClaims {
    fn check(&self, client: ClientId, issuer: &str, endpoint: &str, now: DateTime<Utc>) -> Result<Assertion, Refusal> {
        let invalid = |why| Err(Refusal::new("invalid_client", why));
        if self.aud != issuer && self.aud != endpoint {
            return invalid("aud must be the issuer or the token endpoint");
        }
        let Some(expires_at) = DateTime::from_timestamp(self.exp, 0) else { return invalid("exp is out of range") };
        if expires_at <= now {
            return invalid("the assertion has expired; compare your clock with the Date header");
        }
        if expires_at > now + ASSERTION_LIFETIME {
            return invalid("exp is more than 65 minutes ahead; compare your clock with the Date header");
        }
        let latest = (now + CLOCK_SKEW).timestamp();
        if self.iat.is_some_and(|iat| iat > latest) || self.nbf.is_some_and(|nbf| nbf > latest) {
            return invalid("the assertion is not valid yet; compare your clock with the Date header");
        }
        if !(1..=256).contains(&self.jti.len()) {
            return invalid("jti must have 1 to 256 characters");
        }
        let jti_hash = crypto::sha256(format!("{client}:{}", self.jti).as_bytes());
        Ok(Assertion { jti_hash, expires_at })
    }
}

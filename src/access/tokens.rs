//! Access tokens (RFC 9068), and the strict reading of any JWT.
//!
//! `jsonwebtoken` checks signatures and nothing else here: its own checks skip claims of a wrong JSON type, ignore
//! `typ` and `crit`, and know only the machine's clock.
use super::keys::Ring;
use super::rules::{ActingUser, AgencyId, ClientId, Scopes, VolunteerId};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use uuid::Uuid;

/// How long an access token lives.
pub const LIFETIME: TimeDelta = TimeDelta::minutes(15);
/// Clocks of two nodes differ by no more.
pub const LEEWAY: TimeDelta = TimeDelta::seconds(10);
/// Longer ones are refused unread.
const MAX_LENGTH: usize = 4096;
const TYPE: &str = "at+jwt";
/// Half the order of the base point of P-256.
const HALF_OF_P256: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0x80, 0x00, 0x00, 0x00, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xde, 0x73, 0x7d,
    0x56, 0xd3, 0x8b, 0xcf, 0x42, 0x79, 0xdc, 0xe5, 0x61, 0x7e, 0x31, 0x92, 0xa8,
];

/// What a token says. Nothing else may stand in it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// The issuer.
    pub iss: String,
    /// The client.
    pub sub: ClientId,
    /// The service, which is its own issuer.
    pub aud: String,
    /// The client again (RFC 9068, section 2.2).
    pub client_id: ClientId,
    /// Ends, seconds since 1970.
    pub exp: i64,
    /// Issued.
    pub iat: i64,
    /// Of this token.
    pub jti: Uuid,
    /// Scopes, separated by spaces.
    pub scope: String,
    /// The client's agency.
    pub agency_id: AgencyId,
    /// Must still be the current one.
    pub epoch: i32,
    /// The officer at the keyboard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acting_user: Option<ActingUser>,
    /// Of a phone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volunteer_id: Option<VolunteerId>,
}

impl Claims {
    /// Its scopes.
    pub fn scopes(&self) -> Option<Scopes> {
        if self.scope.is_empty() { Some(Scopes::default()) } else { Scopes::parse(&self.scope) }
    }

    /// When it ends.
    pub fn expires_at(&self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp(self.exp, 0)
    }
}

/// A token is not what it claims to be. Says no more: whoever forges learns nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// Not a token of ours, or altered.
    #[error("token is not valid")]
    Invalid,
    /// It was valid until not long ago.
    #[error("token has expired")]
    Expired,
}

/// The header of a JWT, strictly: no `crit`, `jku`, `jwk`, `x5u` or anything else that we would have to understand.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StrictHeader {
    #[serde(default)]
    typ: Option<String>,
    alg: String,
    #[serde(default)]
    kid: Option<String>,
}

/// A JWT whose signature has not been checked.
pub struct Unverified<'a> {
    token: &'a str,
    header: StrictHeader,
}

impl<'a> Unverified<'a> {
    /// Three parts of canonical base64url, and a header with `alg`, `typ` and `kid` alone.
    pub fn parse(token: &'a str) -> Result<Self, Rejected> {
        let parts: Vec<&str> = token.split('.').take(4).collect();
        let [header, claims, signature] = parts.as_slice() else { return Err(Rejected::Invalid) };
        if token.len() > MAX_LENGTH {
            return Err(Rejected::Invalid);
        }
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| Rejected::Invalid);
        decode(claims)?;
        decode(signature)?;
        let header = serde_json::from_slice(&decode(header)?).map_err(|_| Rejected::Invalid)?;
        Ok(Self { token, header })
    }

    /// Which key it says signed it.
    pub fn kid(&self) -> Option<&str> {
        self.header.kid.as_deref()
    }

    /// What it is, if it says so.
    pub fn typ(&self) -> Option<&str> {
        self.header.typ.as_deref()
    }

    /// The claims before the signature is checked: to find out whose key to check it with.
    pub fn peek<T: DeserializeOwned>(&self) -> Result<T, Rejected> {
        let claims = self.token.split('.').nth(1).unwrap_or_default();
        let bytes = URL_SAFE_NO_PAD.decode(claims).map_err(|_| Rejected::Invalid)?;
        serde_json::from_slice(&bytes).map_err(|_| Rejected::Invalid)
    }

    /// ECDSA holds two signatures of a text valid, `(r, s)` and `(r, n - s)`. Of the service's own tokens only the lower one
    /// is taken, so that each has one spelling. Clients' libraries make either.
    fn is_the_one(&self, algorithm: Algorithm) -> bool {
        let signature = self.token.rsplit('.').next().and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
        let s = signature.as_deref().and_then(|bytes| bytes.last_chunk::<32>());
        algorithm != Algorithm::ES256 || s.is_some_and(|s| *s <= HALF_OF_P256)
    }

    /// The claims, if `key` signed them with the one algorithm that it is for.
    pub fn verify<T: DeserializeOwned>(&self, key: &VerifyingKey) -> Result<T, Rejected> {
        if self.header.alg != key.name() {
            return Err(Rejected::Invalid);
        }
        let mut validation = Validation::new(key.algorithm);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        let data = jsonwebtoken::decode::<T>(self.token, &key.key, &validation).map_err(|_| Rejected::Invalid)?;
        Ok(data.claims)
    }
}

/// A public key and the one algorithm that it is for.
pub struct VerifyingKey {
    algorithm: Algorithm,
    key: DecodingKey,
}

impl VerifyingKey {
    /// From a JWK: Ed25519 or P-256, nothing else.
    pub fn from_jwk(jwk: &Jwk) -> Option<Self> {
        let algorithm = match &jwk.algorithm {
            AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
            AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => Algorithm::ES256,
            _ => return None,
        };
        Some(Self { algorithm, key: DecodingKey::from_jwk(jwk).ok()? })
    }

    fn name(&self) -> &'static str {
        if self.algorithm == Algorithm::EdDSA { "EdDSA" } else { "ES256" }
    }
}

/// Signs access tokens and checks them, by the keys of a directory ([`super::keys`]), which may change meanwhile.
pub struct Signer {
    issuer: String,
    dir: PathBuf,
    demo: bool,
    ring: RwLock<Arc<Ring>>,
}

impl Signer {
    /// Reads the directory.
    pub fn load(dir: &Path, issuer: &str, demo: bool) -> anyhow::Result<Self> {
        let ring = RwLock::new(Arc::new(Ring::load(dir, demo)?));
        Ok(Self { issuer: issuer.to_owned(), dir: dir.to_owned(), demo, ring })
    }

    /// Reads the directory again if there are other files in it. On an error the keys stay as they were.
    pub fn reload(&self) -> anyhow::Result<()> {
        if self.ring().is_of(&self.dir)? {
            return Ok(());
        }
        let ring = Arc::new(Ring::load(&self.dir, self.demo)?);
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = ring;
        Ok(())
    }

    fn ring(&self) -> Arc<Ring> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// `iss` and `aud` of the tokens.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The public keys (RFC 7517).
    pub fn jwks(&self) -> serde_json::Value {
        self.ring().jwks.clone()
    }

    /// Signs a token by the key of the time when it is issued.
    pub fn sign(&self, claims: &Claims) -> anyhow::Result<String> {
        let ring = self.ring();
        let key = ring.signing(claims.iat);
        let mut header = Header::new(key.algorithm);
        header.typ = Some(TYPE.to_owned());
        header.kid = Some(key.kid.clone());
        loop {
            let token = jsonwebtoken::encode(&header, claims, &key.signing)?;
            // Every other one by ES256 is the twin.
            if Unverified::parse(&token)?.is_the_one(key.algorithm) {
                return Ok(token);
            }
        }
    }

    /// The claims of a token of ours that is valid at `now`.
    pub fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<Arc<Claims>, Rejected> {
        self.verify_ended(token, now, TimeDelta::zero())
    }

    /// The same of one that may have ended, so long ago at most.
    pub fn verify_ended(&self, token: &str, now: DateTime<Utc>, ago: TimeDelta) -> Result<Arc<Claims>, Rejected> {
        let ring = self.ring();
        if let Some(claims) = ring.known.get(token) {
            return check_time(&claims, now, ago).map(|()| claims);
        }
        let unverified = Unverified::parse(token)?;
        if unverified.typ() != Some(TYPE) {
            return Err(Rejected::Invalid);
        }
        let key = unverified.kid().and_then(|kid| ring.verifying(kid)).ok_or(Rejected::Invalid)?;
        if !unverified.is_the_one(key.algorithm) {
            return Err(Rejected::Invalid);
        }
        let claims: Claims = unverified.verify(key)?;
        let ours = claims.iss == self.issuer && claims.aud == self.issuer && claims.client_id == claims.sub;
        if !ours || claims.scopes().is_none() || claims.exp.saturating_sub(claims.iat) > LIFETIME.num_seconds() {
            return Err(Rejected::Invalid);
        }
        check_time(&claims, now, ago)?;
        let claims = Arc::new(claims);
        ring.known.insert(token.to_owned(), claims.clone());
        Ok(claims)
    }
}

fn check_time(claims: &Claims, now: DateTime<Utc>, ago: TimeDelta) -> Result<(), Rejected> {
    let now = now.timestamp();
    if claims.iat > now.saturating_add(LEEWAY.num_seconds()) {
        return Err(Rejected::Invalid);
    }
    if claims.exp.saturating_add(ago.num_seconds()) <= now { Err(Rejected::Expired) } else { Ok(()) }
}

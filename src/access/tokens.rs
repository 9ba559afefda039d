//! Access tokens (RFC 9068) and the keys that sign them; the strict reading of any JWT.
//!
//! `jsonwebtoken` checks signatures and nothing else here: its own checks skip claims of a wrong JSON type, ignore
//! `typ` and `crit`, and know only the machine's clock.
use super::rules::{ActingUser, AgencyId, ClientId, Scopes, VolunteerId};
use crate::platform::crypto;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use quick_cache::sync::Cache;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use uuid::Uuid;

/// How long an access token lives.
pub const LIFETIME: TimeDelta = TimeDelta::minutes(15);
/// Clocks of two nodes differ by no more.
const LEEWAY: TimeDelta = TimeDelta::seconds(10);
/// Longer ones are refused unread.
const MAX_LENGTH: usize = 4096;
const TYPE: &str = "at+jwt";
const REMEMBERED: usize = 4096;
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

/// The keys of this service that sign access tokens: the last file by name signs, all verify, so that a new key can be
/// laid beside the old one and the old one removed when its tokens have ended.
pub struct Signer {
    issuer: String,
    kid: String,
    algorithm: Algorithm,
    signing: EncodingKey,
    verifying: BTreeMap<String, VerifyingKey>,
    jwks: serde_json::Value,
    /// Verified before, by the whole token. `exp` is looked at on every use.
    known: Cache<String, Arc<Claims>>,
}

impl Signer {
    /// Reads `*.pem` (PKCS #8, Ed25519 or P-256) of a directory.
    pub fn load(dir: &Path, issuer: &str, demo: bool) -> anyhow::Result<Self> {
        let entries = std::fs::read_dir(dir).map_err(|e| anyhow::anyhow!("cannot read {}: {e}", dir.display()))?;
        let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "pem"));
        paths.sort();
        let (mut verifying, mut jwks, mut last) = (BTreeMap::new(), vec![], None);
        for path in paths {
            let pem = crypto::read_private(&path, demo)?;
            let (algorithm, signing) = private_key(&pem)
                .ok_or_else(|| anyhow::anyhow!("{} is not a PKCS #8 Ed25519 or P-256 key", path.display()))?;
            let mut jwk = Jwk::from_encoding_key(&signing, algorithm)?;
            let kid = jwk.thumbprint(ThumbprintHash::SHA256)?;
            jwk.common.key_id = Some(kid.clone());
            jwk.common.public_key_use = Some(PublicKeyUse::Signature);
            jwk.common.key_algorithm =
                Some(if algorithm == Algorithm::EdDSA { KeyAlgorithm::EdDSA } else { KeyAlgorithm::ES256 });
            let key =
                VerifyingKey::from_jwk(&jwk).ok_or_else(|| anyhow::anyhow!("{} has no public half", path.display()))?;
            verifying.insert(kid.clone(), key);
            jwks.push(serde_json::to_value(&jwk)?);
            last = Some((kid, algorithm, signing));
        }
        let (kid, algorithm, signing) = last.ok_or_else(|| {
            anyhow::anyhow!("no *.pem in {}: make a signing key with `simpul keys create`", dir.display())
        })?;
        let jwks = serde_json::json!({ "keys": jwks });
        Ok(Self { issuer: issuer.to_owned(), kid, algorithm, signing, verifying, jwks, known: Cache::new(REMEMBERED) })
    }

    /// Makes a signing key in `dir` if there is none.
    pub fn create(dir: &Path, demo: bool) -> anyhow::Result<Option<String>> {
        std::fs::create_dir_all(dir)?;
        if std::fs::read_dir(dir)?.flatten().any(|entry| entry.path().extension().is_some_and(|e| e == "pem")) {
            return Ok(None);
        }
        let name = format!("{}.pem", Utc::now().format("%Y%m%d%H%M%S"));
        let mark = if demo { format!("{}\n", crypto::DEMO_MARK) } else { String::new() };
        crypto::write_private(&dir.join(&name), format!("{mark}{}", new_key_pem()?).as_bytes())?;
        Ok(Some(name))
    }

    /// `iss` and `aud` of the tokens.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The public keys (RFC 7517).
    pub fn jwks(&self) -> &serde_json::Value {
        &self.jwks
    }

    /// Signs a token.
    pub fn sign(&self, claims: &Claims) -> anyhow::Result<String> {
        let mut header = Header::new(self.algorithm);
        header.typ = Some(TYPE.to_owned());
        header.kid = Some(self.kid.clone());
        loop {
            let token = jsonwebtoken::encode(&header, claims, &self.signing)?;
            // Every other one by ES256 is the twin.
            if Unverified::parse(&token)?.is_the_one(self.algorithm) {
                return Ok(token);
            }
        }
    }

    /// The claims of a token of ours that is valid at `now`.
    pub fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<Arc<Claims>, Rejected> {
        if let Some(claims) = self.known.get(token) {
            return check_time(&claims, now).map(|()| claims);
        }
        let unverified = Unverified::parse(token)?;
        if unverified.typ() != Some(TYPE) {
            return Err(Rejected::Invalid);
        }
        let key = unverified.kid().and_then(|kid| self.verifying.get(kid)).ok_or(Rejected::Invalid)?;
        if !unverified.is_the_one(key.algorithm) {
            return Err(Rejected::Invalid);
        }
        let claims: Claims = unverified.verify(key)?;
        let ours = claims.iss == self.issuer && claims.aud == self.issuer && claims.client_id == claims.sub;
        if !ours || claims.scopes().is_none() || claims.exp.saturating_sub(claims.iat) > LIFETIME.num_seconds() {
            return Err(Rejected::Invalid);
        }
        check_time(&claims, now)?;
        let claims = Arc::new(claims);
        self.known.insert(token.to_owned(), claims.clone());
        Ok(claims)
    }
}

fn check_time(claims: &Claims, now: DateTime<Utc>) -> Result<(), Rejected> {
    let now = now.timestamp();
    if claims.iat > now.saturating_add(LEEWAY.num_seconds()) {
        return Err(Rejected::Invalid);
    }
    if claims.exp <= now { Err(Rejected::Expired) } else { Ok(()) }
}

fn private_key(pem: &str) -> Option<(Algorithm, EncodingKey)> {
    let body = pem.find("-----BEGIN").and_then(|at| pem.get(at..))?;
    let ed = EncodingKey::from_ed_pem(body.as_bytes()).map(|key| (Algorithm::EdDSA, key));
    ed.or_else(|_| EncodingKey::from_ec_pem(body.as_bytes()).map(|key| (Algorithm::ES256, key))).ok()
}

/// A new Ed25519 key as PKCS #8 in PEM.
pub fn new_key_pem() -> anyhow::Result<String> {
    let pair = Ed25519KeyPair::generate()?;
    anyhow::ensure!(!pair.public_key().as_ref().is_empty(), "key without a public half");
    Ok(pem(pair.to_pkcs8v1()?.as_ref()))
}

/// A new P-256 key as PKCS #8 in PEM, for libraries that cannot sign with Ed25519.
pub fn new_es256_key_pem() -> anyhow::Result<String> {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
    Ok(pem(pair.to_pkcs8v1()?.as_ref()))
}

fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
}

/// The public half of a PEM as a JWK with its thumbprint as `kid`, for registering a client's key.
pub fn public_jwk(pem: &str) -> anyhow::Result<Jwk> {
    let (algorithm, key) = private_key(pem).ok_or_else(|| anyhow::anyhow!("not a PKCS #8 Ed25519 or P-256 key"))?;
    let mut jwk = Jwk::from_encoding_key(&key, algorithm)?;
    jwk.common.key_id = Some(jwk.thumbprint(ThumbprintHash::SHA256)?);
    Ok(jwk)
}

//! The keys that sign access tokens: files outside the database, several at once.
//!
//! Each `*.pem` (PKCS #8, Ed25519 or P-256) is named after the time from which it signs,
//! `YYYYMMDDhhmmss.pem` in UTC; a name that is no time has always been. All check. So a new key can be laid on every node
//! before it signs, and an old one removed when its last token has ended.
use super::tokens::{Claims, LEEWAY, LIFETIME, VerifyingKey};
use crate::platform::crypto;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use jsonwebtoken::jwk::{Jwk, KeyAlgorithm, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey};
use quick_cache::sync::Cache;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

const NAME: &str = "%Y%m%d%H%M%S";

/// A key file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct KeyFile {
    /// It signs from then on.
    from: DateTime<Utc>,
    path: PathBuf,
    /// A file that is written over is another key.
    written: SystemTime,
}

impl KeyFile {
    fn of(path: PathBuf) -> Self {
        let written = path.metadata().and_then(|file| file.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
        Self { from: begins(&path), path, written }
    }
}

/// The key files of a directory, in the order in which they sign.
fn files(dir: &Path) -> anyhow::Result<Vec<KeyFile>> {
    let entries = std::fs::read_dir(dir).map_err(|e| anyhow::anyhow!("cannot read {}: {e}", dir.display()))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let keys = paths.filter(|path| path.extension().is_some_and(|extension| extension == "pem"));
    let mut files: Vec<KeyFile> = keys.map(KeyFile::of).collect();
    files.sort();
    Ok(files)
}

fn begins(path: &Path) -> DateTime<Utc> {
    let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
    NaiveDateTime::parse_from_str(name, NAME).map_or(DateTime::UNIX_EPOCH, |time| time.and_utc())
}

/// A key that signs.
pub(super) struct SigningKey {
    from: i64,
    pub(super) kid: String,
    pub(super) algorithm: Algorithm,
    pub(super) signing: EncodingKey,
}

/// Tokens that are remembered.
const REMEMBERED: usize = 4096;

/// All keys of a directory; at least one.
pub(super) struct Ring {
    /// Tokens that these keys have verified, by the whole token: with a key that goes, what it verified is forgotten. `exp` is
    /// looked at on every use.
    pub(super) known: Cache<String, Arc<Claims>>,
    files: Vec<KeyFile>,
    first: SigningKey,
    later: Vec<SigningKey>,
    verifying: BTreeMap<String, VerifyingKey>,
    pub(super) jwks: serde_json::Value,
}

impl Ring {
    pub(super) fn load(dir: &Path, demo: bool) -> anyhow::Result<Self> {
        let files = files(dir)?;
        let (mut verifying, mut jwks, mut keys) = (BTreeMap::new(), vec![], vec![]);
        for file in &files {
            let path = &file.path;
            let pem = crypto::read_private(path, demo)?;
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
            keys.push(SigningKey { from: file.from.timestamp(), kid, algorithm, signing });
        }
        let mut keys = keys.into_iter();
        let first = keys.next().ok_or_else(|| {
            anyhow::anyhow!("no *.pem in {}: make a signing key with `simpul keys create`", dir.display())
        })?;
        let (known, jwks) = (Cache::new(REMEMBERED), serde_json::json!({ "keys": jwks }));
        Ok(Self { known, files, first, later: keys.collect(), verifying, jwks })
    }

    /// Whether these are the files of the directory now.
    pub(super) fn is_of(&self, dir: &Path) -> anyhow::Result<bool> {
        Ok(files(dir)? == self.files)
    }

    /// The key that signs at a time, in seconds since 1970. Before the time of the first it is the first.
    pub(super) fn signing(&self, at: i64) -> &SigningKey {
        self.later.iter().rev().find(|key| key.from <= at).unwrap_or(&self.first)
    }

    pub(super) fn verifying(&self, kid: &str) -> Option<&VerifyingKey> {
        self.verifying.get(kid)
    }
}

/// Makes a signing key in `dir` if there is none.
pub fn create(dir: &Path, now: DateTime<Utc>, demo: bool) -> anyhow::Result<Option<String>> {
    std::fs::create_dir_all(dir)?;
    if files(dir)?.is_empty() { new_key(dir, now, demo).map(Some) } else { Ok(None) }
}

/// What a rotation did.
#[derive(Debug)]
pub struct Rotation {
    /// The new file.
    pub made: String,
    /// It signs from then on.
    pub from: DateTime<Utc>,
    /// Files that no token needs any more.
    pub removed: Vec<String>,
}

/// Makes a key that signs in a while, and removes those whose last token has ended.
pub fn rotate(dir: &Path, now: DateTime<Utc>, after: TimeDelta) -> anyhow::Result<Rotation> {
    let before = files(dir)?;
    anyhow::ensure!(!before.is_empty(), "no *.pem in {}: begin with `simpul keys create`", dir.display());
    let from = now + after;
    if let Some(last) = before.iter().find(|file| file.from > now) {
        anyhow::bail!("{} does not sign yet: one rotation at a time", last.path.display());
    }
    let made = new_key(dir, from, false)?;
    let mut removed = vec![];
    // A clock may be a leeway behind, and a token lives for its lifetime after the key's successor has begun.
    for (old, next) in before.iter().zip(before.iter().skip(1)) {
        if next.from + LIFETIME + LEEWAY + LEEWAY <= now {
            std::fs::remove_file(&old.path)?;
            removed.extend(old.path.file_name().map(|name| name.to_string_lossy().into_owned()));
        }
    }
    Ok(Rotation { made, from, removed })
}

fn new_key(dir: &Path, from: DateTime<Utc>, demo: bool) -> anyhow::Result<String> {
    let name = format!("{}.pem", from.format(NAME));
    let mark = if demo { format!("{}\n", crypto::DEMO_MARK) } else { String::new() };
    crypto::write_private(&dir.join(&name), format!("{mark}{}", new_key_pem()?).as_bytes())?;
    Ok(name)
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

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeZone;

    #[test]
    fn a_key_signs_from_its_time_and_goes_when_its_tokens_have_ended() {
        let dir = std::env::temp_dir().join(format!("simpul-keys-{}", std::process::id()));
        let start = Utc.with_ymd_and_hms(2026, 11, 25, 3, 0, 0).unwrap();
        std::fs::create_dir_all(&dir).unwrap();
        let first = new_key(&dir, start, false).unwrap();
        crypto::write_private(&dir.join("by-hand.pem"), new_es256_key_pem().unwrap().as_bytes()).unwrap();
        let signs = |at: DateTime<Utc>| Ring::load(&dir, false).unwrap().signing(at.timestamp()).kid.clone();
        let (by_hand, of_first) = (signs(start - TimeDelta::seconds(1)), signs(start));
        assert_ne!(by_hand, of_first);

        let minutes = TimeDelta::minutes;
        let turn = rotate(&dir, start + minutes(1), minutes(60)).unwrap();
        assert_eq!((turn.from, turn.removed), (start + minutes(61), vec![]));
        assert_eq!((signs(turn.from - TimeDelta::seconds(1)) == of_first, signs(turn.from) == of_first), (true, false));
        assert_eq!(Ring::load(&dir, false).unwrap().jwks["keys"].as_array().unwrap().len(), 3);
        assert!(rotate(&dir, start + minutes(2), minutes(60)).is_err(), "two keys wait");
        // the key without a time was followed by the first, whose successor has not signed for a token's life yet
        let turn = rotate(&dir, start + minutes(70), minutes(60)).unwrap();
        assert_eq!(turn.removed, ["by-hand.pem"]);
        let turn = rotate(&dir, start + minutes(131), minutes(60)).unwrap();
        assert_eq!(turn.removed, [first]);
        std::fs::remove_dir_all(&dir).unwrap();
        assert!(rotate(&dir, start, minutes(60)).is_err());
    }
}

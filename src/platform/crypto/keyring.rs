//! Keys that seal under one name: the newest whose time has come seals, all open.
use super::{Unsealed, read_key};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::{digest, rand};
use chrono::{DateTime, NaiveDateTime, Utc};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use zeroize::Zeroizing;

const VERSION: u8 = 1;
const KEY_ID: usize = 4;
const NAME: &str = "data-%Y%m%d%H%M%S";

/// The file of a data key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct KeyFile {
    /// It seals from then on; a name that tells no time has always been.
    pub(super) from: DateTime<Utc>,
    pub(super) path: PathBuf,
    /// A file that is written over is another key.
    pub(super) written: SystemTime,
}

impl KeyFile {
    /// What such a file is called.
    pub(super) fn name(from: DateTime<Utc>) -> String {
        format!("{}.key", from.format(NAME))
    }

    fn of(path: PathBuf) -> Self {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let from = NaiveDateTime::parse_from_str(stem, NAME).map_or(DateTime::UNIX_EPOCH, |time| time.and_utc());
        let written = path.metadata().and_then(|file| file.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
        Self { from, path, written }
    }

    /// The data keys of a directory, oldest first.
    pub(super) fn all(dir: &Path) -> anyhow::Result<Vec<Self>> {
        let entries = std::fs::read_dir(dir)
            .map_err(|e| anyhow::anyhow!("cannot read the key directory {}: {e}", dir.display()))?;
        let is_data = |path: &PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.starts_with("data-") && path.extension().is_some_and(|extension| extension == "key")
        };
        let mut files: Vec<Self> =
            entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_data).map(Self::of).collect();
        files.sort();
        anyhow::ensure!(!files.is_empty(), "no data-*.key in {}: make keys with `simpul keys create`", dir.display());
        Ok(files)
    }

    pub(super) fn read(&self, demo: bool) -> anyhow::Result<Zeroizing<[u8; 32]>> {
        read_key(&self.path, demo)
    }
}

/// A set of keys.
pub(super) struct Keyring {
    current: [u8; KEY_ID],
    keys: BTreeMap<[u8; KEY_ID], LessSafeKey>,
}

impl Keyring {
    /// Of keys and the time from which each seals, oldest first. If the time of none has come, the oldest seals.
    pub(super) fn new(secrets: &[(DateTime<Utc>, Zeroizing<[u8; 32]>)], now: DateTime<Utc>) -> anyhow::Result<Self> {
        let mut keys = BTreeMap::new();
        let mut current = None;
        for (from, secret) in secrets {
            let mut id = [0; KEY_ID];
            id.iter_mut().zip(digest::digest(&digest::SHA256, &secret[..]).as_ref()).for_each(|(to, from)| *to = *from);
            keys.insert(id, LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &secret[..])?));
            if current.is_none() || *from <= now {
                current = Some(id);
            }
        }
        Ok(Self { current: current.ok_or_else(|| anyhow::anyhow!("no key"))?, keys })
    }

    /// Whether there is the key that this was sealed with.
    pub(super) fn knows(&self, sealed: &[u8]) -> bool {
        key_id(sealed).is_some_and(|id| self.keys.contains_key(&id))
    }

    /// Whether the key that seals now sealed this.
    pub(super) fn is_current(&self, sealed: &[u8]) -> bool {
        key_id(sealed) == Some(self.current)
    }

    /// Layout: version (1 byte), key id (4), nonce (12), ciphertext and tag.
    pub(super) fn seal(&self, context: &str, plain: &[u8]) -> anyhow::Result<Vec<u8>> {
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce)?;
        self.seal_with(nonce, context, plain)
    }

    /// With a nonce that no other plain text of this key has.
    pub(super) fn seal_with(&self, nonce: [u8; NONCE_LEN], context: &str, plain: &[u8]) -> anyhow::Result<Vec<u8>> {
        let key = self.keys.get(&self.current).ok_or(Unsealed)?;
        let mut sealed = Vec::with_capacity(1 + KEY_ID + NONCE_LEN + plain.len() + 16);
        sealed.push(VERSION);
        sealed.extend_from_slice(&self.current);
        sealed.extend_from_slice(&nonce);
        // With room for the tag from the beginning: what grows later leaves a copy of the plain text behind.
        let mut text = Zeroizing::new(Vec::with_capacity(plain.len() + 16));
        text.extend_from_slice(plain);
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(context.as_bytes()), &mut *text)?;
        sealed.extend_from_slice(&text);
        Ok(sealed)
    }

    pub(super) fn open(&self, context: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unsealed> {
        let (&version, rest) = sealed.split_first().ok_or(Unsealed)?;
        let (id, rest) = rest.split_first_chunk::<KEY_ID>().ok_or(Unsealed)?;
        let (nonce, text) = rest.split_first_chunk::<NONCE_LEN>().ok_or(Unsealed)?;
        let key = self.keys.get(id).filter(|_| version == VERSION).ok_or(Unsealed)?;
        let mut text = Zeroizing::new(text.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let length = key.open_in_place(nonce, Aad::from(context.as_bytes()), &mut text).map_err(|_| Unsealed)?.len();
        text.truncate(length);
        Ok(text)
    }
}

fn key_id(sealed: &[u8]) -> Option<[u8; KEY_ID]> {
    sealed.get(1..)?.first_chunk().copied()
}

//! Keys that live outside the database, and what is done with them: sealing (AES-256-GCM), blind indexes and request
//! fingerprints (HMAC-SHA-256).
//!
//! The directory holds `data-YYYYMMDDhhmmss.key` (one or more; each seals from that time in UTC on, until the next does, and
//! all open), `index.key` (blind indexes; it outlives the data keys) and `seal.key` (cursors, stored answers). Each file is
//! 32 random bytes in base64. Data keys that are added or removed are taken up while the service runs.
mod keyring;

use aws_lc_rs::{constant_time, digest, hmac, rand};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use keyring::{KeyFile, Keyring};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};
use zeroize::Zeroizing;

/// First line of every key file that `simpul demo` makes: such a key is refused everywhere else.
pub const DEMO_MARK: &str = "# simpul demo key: known to everyone who has this folder";

/// What was sealed does not open: altered, of another row, or of a key that is gone.
#[derive(Debug, thiserror::Error)]
#[error("sealed value does not open")]
pub struct Unsealed;

/// Every data key of the service. No `Debug` output shows one.
pub struct Keys {
    data: RwLock<Keyring>,
    dir: PathBuf,
    demo: bool,
    seal: Keyring,
    index: hmac::Key,
    fingerprint: hmac::Key,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys")
    }
}

impl Keys {
    /// Reads the directory. Refuses missing, short, constant or readable-by-others keys, and demo keys unless `demo`.
    pub fn load(dir: &Path, demo: bool) -> anyhow::Result<Self> {
        let seal = read_key(&dir.join("seal.key"), demo)?;
        let index = read_key(&dir.join("index.key"), demo)?;
        let derive = |label: &[u8], from: &[u8; 32]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, from), label);
        Ok(Self {
            fingerprint: hmac::Key::new(hmac::HMAC_SHA256, derive(b"fingerprint", &seal).as_ref()),
            seal: Keyring::new(&[(DateTime::UNIX_EPOCH, seal)], DateTime::UNIX_EPOCH)?,
            data: RwLock::new(data_keys(dir, demo)?),
            dir: dir.to_owned(),
            demo,
            index: hmac::Key::new(hmac::HMAC_SHA256, &index[..]),
        })
    }

    /// Reads the data keys again: what has been added since opens, and seals if its time has come. A directory that cannot be
    /// read leaves everything as it was.
    pub fn reload(&self) -> anyhow::Result<()> {
        let fresh = data_keys(&self.dir, self.demo)?;
        *self.data.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// Makes what is missing in `dir`; returns the names made.
    pub fn create(dir: &Path, demo: bool) -> anyhow::Result<Vec<String>> {
        std::fs::create_dir_all(dir)?;
        let data = KeyFile::all(dir).is_err().then(|| KeyFile::name(Utc::now()));
        let names = [Some("index.key".to_owned()), Some("seal.key".to_owned()), data];
        let missing = names.into_iter().flatten().filter(|name| !dir.join(name).exists());
        missing.map(|name| write_key(dir, name, demo)).collect()
    }

    /// Makes the data key that seals from `from` on; returns its name. Refused while another one waits for its time.
    pub fn add_data_key(dir: &Path, from: DateTime<Utc>, now: DateTime<Utc>) -> anyhow::Result<String> {
        let waiting = KeyFile::all(dir)?.into_iter().find(|file| file.from > now);
        if let Some(waiting) = waiting {
            anyhow::bail!("{} seals from {} only: wait for it", waiting.path.display(), waiting.from);
        }
        write_key(dir, KeyFile::name(from), false)
    }

    /// Since when the data key that seals now does so wherever its file is: from its time on, and not before the file was there.
    pub fn seals_since(&self, now: DateTime<Utc>) -> anyhow::Result<DateTime<Utc>> {
        let sealing = KeyFile::all(&self.dir)?.into_iter().rfind(|file| file.from <= now);
        Ok(sealing.map_or(DateTime::UNIX_EPOCH, |file| file.from.max(file.written.into())))
    }

    /// Encrypts a stored value. `context` binds it to its place: `table.column:row-id`.
    pub fn encrypt(&self, context: &str, plain: &str) -> anyhow::Result<Vec<u8>> {
        self.encrypt_bytes(context, plain.as_bytes())
    }

    /// The same of what is no text.
    pub fn encrypt_bytes(&self, context: &str, plain: &[u8]) -> anyhow::Result<Vec<u8>> {
        self.data.read().unwrap_or_else(PoisonError::into_inner).seal(context, plain)
    }

    /// Opens what [`Keys::encrypt_bytes`] made in the same place.
    pub fn decrypt_bytes(&self, context: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unsealed> {
        let known = self.data.read().unwrap_or_else(PoisonError::into_inner).knows(sealed);
        if !known {
            // Another process may have taken up a new key a moment earlier.
            self.reload().map_err(|_| Unsealed)?;
        }
        self.data.read().unwrap_or_else(PoisonError::into_inner).open(context, sealed)
    }

    /// Opens what [`Keys::encrypt`] made in the same place.
    pub fn decrypt(&self, context: &str, sealed: &[u8]) -> Result<Zeroizing<String>, Unsealed> {
        let plain = self.decrypt_bytes(context, sealed)?;
        std::str::from_utf8(&plain).map(|text| Zeroizing::new(text.to_owned())).map_err(|_| Unsealed)
    }

    /// Whether the data key that seals now sealed this; if not, [`Keys::reseal`] does it anew.
    pub fn is_current(&self, sealed: &[u8]) -> bool {
        self.data.read().unwrap_or_else(PoisonError::into_inner).is_current(sealed)
    }

    /// The same value under the key that seals now.
    pub fn reseal(&self, context: &str, sealed: &[u8]) -> anyhow::Result<Vec<u8>> {
        let plain = self.decrypt(context, sealed)?;
        self.encrypt(context, &plain)
    }

    /// Seals what leaves the service and comes back (a cursor) or lives for days (a stored answer).
    pub fn seal(&self, context: &str, plain: &[u8]) -> anyhow::Result<Vec<u8>> {
        self.seal.seal(context, plain)
    }

    /// The same, equal for what is equal, so that an answer with a cursor can be compared by its digest. The nonce is a keyed digest of
    /// context and text: two texts have one as seldom as two random ones are equal.
    pub fn seal_alike(&self, context: &str, plain: &[u8]) -> anyhow::Result<Vec<u8>> {
        let digest = self.fingerprint(&[b"nonce", context.as_bytes(), plain]);
        let nonce = digest.first_chunk().copied().ok_or(Unsealed)?;
        self.seal.seal_with(nonce, context, plain)
    }

    /// Opens what [`Keys::seal`] made in the same context.
    pub fn unseal(&self, context: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unsealed> {
        self.seal.open(context, sealed)
    }

    /// A deterministic, keyed digest by which an encrypted value can be found and kept unique.
    pub fn blind_index(&self, column: &str, value: &str) -> Vec<u8> {
        mac(&self.index, &[column.as_bytes(), value.as_bytes()])
    }

    /// A keyed digest of a request or a part of it.
    pub fn fingerprint(&self, parts: &[&[u8]]) -> Vec<u8> {
        mac(&self.fingerprint, parts)
    }
}

fn data_keys(dir: &Path, demo: bool) -> anyhow::Result<Keyring> {
    let files = KeyFile::all(dir)?;
    let secrets = files.iter().map(|file| Ok((file.from, file.read(demo)?))).collect::<anyhow::Result<Vec<_>>>()?;
    Keyring::new(&secrets, Utc::now())
}

fn write_key(dir: &Path, name: String, demo: bool) -> anyhow::Result<String> {
    let mut secret = Zeroizing::new([0u8; 32]);
    rand::fill(&mut secret[..])?;
    let mark = if demo { format!("{DEMO_MARK}\n") } else { String::new() };
    write_private(&dir.join(&name), format!("{mark}{}\n", STANDARD.encode(&secret[..])).as_bytes())?;
    Ok(name)
}

/// Each part is preceded by its length, so that no two lists of parts give the same input.
fn mac(key: &hmac::Key, parts: &[&[u8]]) -> Vec<u8> {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(part);
    }
    context.sign().as_ref().to_vec()
}

/// Enough of a digest to tell two versions of one content apart: ETags, names of files.
pub fn short_hash(bytes: &[u8]) -> String {
    let short = sha256(bytes).first_chunk().map(|bytes| u64::from_be_bytes(*bytes)).unwrap_or_default();
    format!("{:012x}", short >> 16)
}

/// SHA-256, for random secrets and for ETags.
pub fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, bytes).as_ref().to_vec()
}

/// Compares in constant time.
pub fn same(a: &[u8], b: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(a, b).is_ok()
}

/// A random secret of 256 bits in base64url.
pub fn random_secret() -> anyhow::Result<String> {
    let mut secret = Zeroizing::new([0u8; 32]);
    rand::fill(&mut secret[..])?;
    Ok(URL_SAFE_NO_PAD.encode(&secret[..]))
}

/// Digits and letters that nobody takes for another (Crockford's base 32): no I, L, O, U.
const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const CODE_LENGTH: usize = 12;

/// So many random letters of these, five bits each.
pub fn random_letters<const N: usize>() -> anyhow::Result<Vec<char>> {
    let mut bytes = Zeroizing::new([0u8; N]);
    rand::fill(&mut bytes[..])?;
    let letters = bytes.iter().filter_map(|byte| LETTERS.get(usize::from(byte % 32)));
    Ok(letters.map(|byte| char::from(*byte)).collect())
}

/// So many letters of these as they were typed: small letters, `O` for zero, `I` or `L` for one.
pub fn read_letters(typed: &str, length: usize) -> Option<Vec<char>> {
    let read = |c: char| match c.to_ascii_uppercase() {
        'O' => Some('0'),
        'I' | 'L' => Some('1'),
        c => u8::try_from(c).ok().filter(|byte| LETTERS.contains(byte)).map(char::from),
    };
    let letters = typed.chars().take(length + 1).map(read).collect::<Option<Vec<char>>>()?;
    Some(letters).filter(|letters| letters.len() == length)
}

/// A random code of 60 bits to be typed by a person, such as `K7QF-9M2D-X4TA`.
pub fn random_code() -> anyhow::Result<String> {
    let letters = random_letters::<CODE_LENGTH>()?;
    Ok(letters.chunks(4).map(String::from_iter).collect::<Vec<_>>().join("-"))
}

/// A code as [`random_code`] made it, however it was typed: small letters, blanks, `O` for zero, `I` or `L` for one.
pub fn read_code(typed: &str) -> Option<String> {
    let signs: String = typed.chars().filter(|c| !matches!(c, '-' | ' ')).take(CODE_LENGTH + 1).collect();
    let letters = read_letters(&signs, CODE_LENGTH)?;
    Some(letters.chunks(4).map(String::from_iter).collect::<Vec<_>>().join("-"))
}

/// Writes a file that only its owner may read, and never over an existing one.
pub fn write_private(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    file.sync_all()?;
    Ok(())
}

/// Reads a key file after looking at its mode and its mark.
pub fn read_private(path: &Path, demo: bool) -> anyhow::Result<Zeroizing<String>> {
    use std::os::unix::fs::PermissionsExt;
    let shown = path.display();
    let mode = std::fs::metadata(path).map_err(|e| anyhow::anyhow!("cannot read {shown}: {e}"))?.permissions().mode();
    anyhow::ensure!(mode % 8 == 0, "{shown} can be read by everyone: chmod o= it");
    let text = Zeroizing::new(std::fs::read_to_string(path).map_err(|e| anyhow::anyhow!("cannot read {shown}: {e}"))?);
    anyhow::ensure!(
        demo || !text.starts_with(DEMO_MARK),
        "{shown} is a demo key: make your own with `simpul keys create`"
    );
    Ok(text)
}

fn read_key(path: &Path, demo: bool) -> anyhow::Result<Zeroizing<[u8; 32]>> {
    let text = read_private(path, demo)?;
    let line = text.lines().find(|line| !line.starts_with('#')).unwrap_or_default();
    let shown = path.display();
    let bytes = Zeroizing::new(STANDARD.decode(line.trim()).map_err(|_| anyhow::anyhow!("{shown} is not base64"))?);
    let key: [u8; 32] =
        bytes.as_slice().try_into().map_err(|_| anyhow::anyhow!("{shown} must hold 32 bytes in base64"))?;
    let first = key.first().copied().unwrap_or_default();
    anyhow::ensure!(key.iter().any(|b| *b != first), "{shown} is not random");
    Ok(Zeroizing::new(key))
}

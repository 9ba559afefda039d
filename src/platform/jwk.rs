//! Public keys from outside, as JWK (RFC 7517): Ed25519 and P-256, nothing else, and only points that a signature can be
//! checked with. Parsed at the edge; what was sent is in no error.
use super::crypto;
use super::error::Fault;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ParsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use num_bigint::BigUint;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use utoipa::openapi::schema::ArrayBuilder;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, schema::Type};
use utoipa::{PartialSchema, ToSchema};

/// A public key to be registered (RFC 7517): Ed25519 (`OKP`, for `EdDSA`) or P-256 (`EC`, for `ES256`).
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "kid": "2026-11" }))]
pub struct PublicJwk {
    kty: KeyType,
    crv: Curve,
    x: Coordinate,
    /// Of P-256 only.
    y: Option<Coordinate>,
    /// Names the key in the header of an assertion; absent: its thumbprint (RFC 7638).
    kid: Option<Kid>,
    #[serde(rename = "use")]
    #[expect(dead_code, reason = "there is only one that parses")]
    usage: Option<KeyUse>,
    #[expect(dead_code, reason = "there is only one that parses")]
    key_ops: Option<KeyOperations>,
    alg: Option<KeyAlgorithm>,
    #[serde(
        rename = "d",
        alias = "p",
        alias = "q",
        alias = "dp",
        alias = "dq",
        alias = "qi",
        alias = "oth",
        alias = "k",
        default
    )]
    #[schema(ignore)]
    #[expect(dead_code, reason = "refuses by being there")]
    private: Option<Private>,
}

/// Kind of key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
enum KeyType {
    /// Of an Edwards curve.
    #[serde(rename = "OKP")]
    Edwards,
    /// Of a NIST curve.
    #[serde(rename = "EC")]
    Elliptic,
}

/// Curve of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
enum Curve {
    /// RFC 8032.
    Ed25519,
    /// NIST P-256.
    #[serde(rename = "P-256")]
    P256,
}

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
enum KeyUse {
    /// Signatures.
    #[serde(rename = "sig")]
    Signature,
}

/// What a key does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
enum KeyOperation {
    /// Checks signatures.
    #[serde(rename = "verify")]
    Verify,
}

/// `verify`, once.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Vec<KeyOperation>")]
struct KeyOperations;

impl TryFrom<Vec<KeyOperation>> for KeyOperations {
    type Error = Fault;
    fn try_from(list: Vec<KeyOperation>) -> Result<Self, Fault> {
        let fault = Fault::new("key_ops_malformed", "tepat satu: verify", "exactly one: verify");
        if list.len() == 1 { Ok(Self) } else { Err(fault) }
    }
}

impl PartialSchema for KeyOperations {
    fn schema() -> RefOr<Schema> {
        ArrayBuilder::new()
            .items(KeyOperation::schema())
            .min_items(Some(1))
            .max_items(Some(1))
            .description(Some("`verify`, once."))
            .into()
    }
}
impl ToSchema for KeyOperations {}

/// Algorithm of a key's signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
enum KeyAlgorithm {
    /// By Ed25519.
    EdDSA,
    /// By P-256 and SHA-256.
    #[serde(rename = "ES256")]
    Es256,
}

/// A private or symmetric key: whoever receives one can sign in its owner's name.
#[derive(Debug, Clone)]
struct Private;

impl<'de> Deserialize<'de> for Private {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        let fault = Fault::new(
            "private_key",
            "kunci privat atau simetris; kunci ini tidak lagi rahasia, buat yang baru dan kirim bagian publiknya",
            "a private or symmetric key; it is no secret any more: make another one and send its public half",
        );
        Err(serde::de::Error::custom(fault))
    }
}

/// 32 bytes in base64url without padding, written in the one canonical way.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct Coordinate([u8; 32]);

impl Coordinate {
    fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }
}

impl TryFrom<String> for Coordinate {
    type Error = Fault;
    fn try_from(raw: String) -> Result<Self, Fault> {
        let bytes = if raw.len() == 43 { URL_SAFE_NO_PAD.decode(&raw).ok() } else { None };
        bytes.and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or(Fault::new(
            "coordinate_malformed",
            "bukan 32 byte dalam base64url",
            "not 32 bytes in base64url",
        ))
    }
}

impl PartialSchema for Coordinate {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some("^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$"))
            .description(Some("32 bytes in base64url without padding."))
            .examples([json!("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")])
            .into()
    }
}
impl ToSchema for Coordinate {}

/// Name of a key, as it may stand in a path.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Kid(String);

impl Kid {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Kid {
    type Error = Fault;
    fn try_from(raw: String) -> Result<Self, Fault> {
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if (1..=64).contains(&raw.len()) && raw.chars().all(good) && !raw.starts_with('.') {
            return Ok(Self(raw));
        }
        Err(Fault::new(
            "kid_malformed",
            "1 sampai 64 huruf, angka atau - _ . dan tidak diawali titik",
            "must be 1 to 64 letters, digits or - _ . and not begin with a dot",
        ))
    }
}

impl PartialSchema for Kid {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some("^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}$"))
            .description(Some("1 to 64 letters, digits or `- _ .`, not beginning with a dot."))
            .examples([json!("2026-11")])
            .into()
    }
}
impl ToSchema for Kid {}

/// A key that was looked at and is good.
#[derive(Debug, Clone)]
pub struct PublicKey {
    /// Its name.
    pub kid: String,
    /// RFC 7638, SHA-256.
    pub thumbprint: String,
    /// The members that make the key, and nothing else.
    pub jwk: Value,
}

impl PublicJwk {
    /// The key, or which member is wrong and why.
    pub fn check(&self) -> Result<PublicKey, (&'static str, Fault)> {
        let wrong = |id, en| Fault::new("key_inconsistent", id, en);
        let edwards = self.crv == Curve::Ed25519;
        if edwards != (self.kty == KeyType::Edwards) {
            return Err(("/crv", wrong("bukan kurva jenis kunci ini", "not a curve of this kind of key")));
        }
        if edwards == self.y.is_some() {
            return Err(("/y", wrong("hanya dan selalu pada P-256", "of P-256 only, and always")));
        }
        if self.alg.is_some_and(|alg| edwards != (alg == KeyAlgorithm::EdDSA)) {
            return Err(("/alg", wrong("bukan algoritma kurva ini", "not an algorithm of this curve")));
        }
        let sound = match &self.y {
            None => edwards_point(&self.x.0),
            Some(y) => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, [&[4], &self.x.0[..], &y.0[..]].concat()).is_ok(),
        };
        if !sound {
            let fault =
                Fault::new("point_unusable", "bukan titik yang dapat dipakai", "not a usable point of its curve");
            return Err(("/x", fault));
        }
        let jwk = match &self.y {
            None => json!({ "crv": "Ed25519", "kty": "OKP", "x": self.x.text() }),
            Some(y) => json!({ "crv": "P-256", "kty": "EC", "x": self.x.text(), "y": y.text() }),
        };
        let thumbprint = thumbprint(&jwk);
        Ok(PublicKey {
            kid: self.kid.as_ref().map_or_else(|| thumbprint.clone(), |kid| kid.0.clone()),
            thumbprint,
            jwk,
        })
    }
}

/// RFC 7638: the digest of the members that make the key, in the order of their names.
pub fn thumbprint(jwk: &Value) -> String {
    let members: std::collections::BTreeMap<&str, &str> =
        ["crv", "kty", "x", "y"].into_iter().filter_map(|name| Some((name, jwk.get(name)?.as_str()?))).collect();
    URL_SAFE_NO_PAD.encode(crypto::sha256(json!(members).to_string().as_bytes()))
}

/// Whether 32 bytes are a point of Ed25519 (RFC 8032, section 5.1.3) in its one canonical form, and not one of the eight
/// whose signatures anyone can make. AWS-LC looks at the point only when it checks a signature, and takes those.
fn edwards_point(bytes: &[u8; 32]) -> bool {
    let one = BigUint::from(1_u8);
    let p = (&one << 255_u8) - 19_u8;
    let mut little_endian = *bytes;
    if let Some(last) = little_endian.last_mut() {
        *last &= 0x7f; // the sign of x
    }
    let mut y = BigUint::from_bytes_le(&little_endian);
    if y >= p {
        return false;
    }
    let over = |top: BigUint, bottom: &BigUint| top * bottom.modpow(&(&p - 2_u8), &p) % &p;
    let d = over(&p - 121_665_u32, &BigUint::from(121_666_u32));
    let x_squared = |y: &BigUint| over(y * y + &p - &one, &((&d * y * y + &one) % &p));
    // Eight times the point: each of low order comes to the neutral element, whose y is one.
    for step in 0..3 {
        let (xx, yy) = (x_squared(&y), &y * &y % &p);
        if step == 0 && xx != BigUint::ZERO && xx.modpow(&((&p - &one) >> 1_u8), &p) != one {
            return false; // no x belongs to this y
        }
        let bottom = (&one + &p - &d * &xx % &p * &yy % &p) % &p;
        y = over(yy + xx, &bottom);
    }
    y != one
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> [u8; 32] {
        let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
        std::array::from_fn(|index| byte(2 * index))
    }

    #[test]
    fn points_of_low_order_and_points_beside_the_curve_are_refused() {
        // The eight points of low order in every spelling (Cremers and Jackson, "Prime, Order Please!").
        for low in [
            "0100000000000000000000000000000000000000000000000000000000000000",
            "0100000000000000000000000000000000000000000000000000000000000080",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0000000000000000000000000000000000000000000000000000000000000080",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        ] {
            assert!(!edwards_point(&hex(low)), "{low}");
        }
        // y = 2 belongs to no point; keys of RFC 8032, section 7.1
        assert!(!edwards_point(&hex("0200000000000000000000000000000000000000000000000000000000000000")));
        assert!(edwards_point(&hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")));
        assert!(edwards_point(&hex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")));
        assert!(edwards_point(&hex("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025")));
    }

    #[test]
    fn the_thumbprint_is_that_of_the_rfc() {
        // RFC 8037, appendix A.3
        let sent = json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
        let key = serde_json::from_value::<PublicJwk>(sent).unwrap().check().unwrap();
        assert_eq!(key.thumbprint, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        assert_eq!(key.kid, key.thumbprint);
    }

    #[test]
    fn only_points_of_p256_pass() {
        let key = |x: &str, y: &str| {
            let sent = json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y });
            serde_json::from_value::<PublicJwk>(sent).unwrap().check().map(|key| key.thumbprint).map_err(|(at, _)| at)
        };
        // RFC 7517, appendix A.1
        let (x, y) = ("MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM");
        assert!(key(x, y).is_ok());
        let zero = "A".repeat(43);
        assert_eq!([key(y, x), key(x, x), key(&zero, &zero)], [Err("/x"), Err("/x"), Err("/x")]);
    }
}

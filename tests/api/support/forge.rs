//! Makes JWTs that no honest library makes: any header, any claims, any signature.
use super::TestApp;
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{self as sig, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair};
use aws_lc_rs::{hmac, rand};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use simpul::demo::Credential;
use std::rc::Rc;
use uuid::Uuid;

/// Signs the text in front of a signature.
pub type Sign = Rc<dyn Fn(&[u8]) -> Vec<u8>>;

/// An honest header and honest claims, and a key: each method makes one token that differs from the honest one in one way,
/// and is signed as it stands. Every token has a `jti` of its own, so that none is refused for another one's sake.
#[derive(Clone)]
pub struct Forge {
    pub header: Value,
    pub claims: Value,
    pub sign: Sign,
}

pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub fn decode(part: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(part).unwrap()
}

fn members(object: &Value, without: &str) -> Vec<String> {
    let members = object.as_object().unwrap().iter().filter(|(name, _)| *name != without);
    members.map(|(name, value)| format!("{}:{value}", json!(name))).collect()
}

/// The object as text, one member of it being `raw`, or gone if that is empty.
fn with(object: &Value, name: &str, raw: &str) -> String {
    let mut members = members(object, name);
    if !raw.is_empty() {
        members.push(format!("{}:{raw}", json!(name)));
    }
    format!("{{{}}}", members.join(","))
}

impl Forge {
    /// Like `token`, which the service issued, with the service's own key.
    pub fn like(token: &str, sign: Sign) -> Self {
        let part = |n| serde_json::from_slice(&decode(token.split('.').nth(n).unwrap())).unwrap();
        Self { header: part(0), claims: part(1), sign }
    }

    /// Assertions of a client, with its Ed25519 key.
    pub fn of_client(app: &TestApp, credential: &Credential) -> Self {
        let (now, client) = (app.clock.now().timestamp(), &credential.client_id);
        let claims = json!({ "iss": client, "sub": client, "aud": app.base, "iat": now, "exp": now + 300, "jti": "" });
        let header = json!({ "alg": "EdDSA", "kid": credential.kid });
        Self { header, claims, sign: ed25519(&credential.private_key_pem) }
    }

    /// The same with its P-256 key.
    pub fn of_client_es256(app: &TestApp, credential: &Credential) -> Self {
        let header = json!({ "alg": "ES256", "kid": credential.es256_kid });
        Self { header, sign: p256(&credential.es256_private_key_pem), ..Self::of_client(app, credential) }
    }

    /// The same claims under another key.
    pub fn signed_by(&self, sign: Sign) -> Self {
        Self { sign, ..self.clone() }
    }

    /// The same under another `alg`, signed as that says.
    pub fn alg(&self, alg: &str, sign: Sign) -> String {
        let mut other = self.signed_by(sign);
        other.header["alg"] = json!(alg);
        other.token()
    }

    /// The claims with a `jti` of their own.
    pub fn fresh(&self) -> Value {
        let mut claims = self.claims.clone();
        claims["jti"] = json!(Uuid::now_v7());
        claims
    }

    /// An honest one.
    pub fn token(&self) -> String {
        self.raw(self.header.to_string(), self.fresh().to_string())
    }

    /// Header and claims as they are given.
    pub fn raw(&self, header: impl AsRef<[u8]>, claims: impl AsRef<[u8]>) -> String {
        let text = format!("{}.{}", encode(header), encode(claims));
        format!("{text}.{}", encode((self.sign)(text.as_bytes())))
    }

    /// One member of the header as raw JSON; none if empty.
    pub fn header(&self, name: &str, raw: &str) -> String {
        self.raw(with(&self.header, name, raw), self.fresh().to_string())
    }

    /// One claim as raw JSON; none if empty.
    pub fn claim(&self, name: &str, raw: &str) -> String {
        self.raw(self.header.to_string(), with(&self.fresh(), name, raw))
    }

    /// One member twice, the honest one last or first.
    pub fn twice(&self, name: &str, raw: &str, honest_last: bool) -> String {
        let honest = if self.header.get(name).is_some() { self.header.clone() } else { self.fresh() };
        let all = members(&honest, "").join(",");
        let doubled =
            if honest_last { format!("{{\"{name}\":{raw},{all}}}") } else { format!("{{{all},\"{name}\":{raw}}}") };
        if self.header.get(name).is_some() {
            return self.raw(doubled, self.fresh().to_string());
        }
        self.raw(self.header.to_string(), doubled)
    }

    /// An honest text with another signature, made of the honest one.
    pub fn signature(&self, change: impl Fn(Vec<u8>) -> Vec<u8>) -> String {
        let token = self.token();
        let (text, signature) = token.rsplit_once('.').unwrap();
        format!("{text}.{}", encode(change(decode(signature))))
    }

    /// An honest token whose three parts are changed after it was signed.
    pub fn parts(&self, change: impl Fn(&str, &str, &str) -> String) -> String {
        let token = self.token();
        let parts: Vec<&str> = token.split('.').collect();
        change(parts[0], parts[1], parts[2])
    }

    /// Honest tokens, each with one bit of one part flipped: the first, one in the middle, the last.
    pub fn flips(&self) -> Vec<(String, String)> {
        let mut list = vec![];
        for part in 0..3 {
            for place in ["first", "middle", "last"] {
                let token = self.token();
                let mut parts: Vec<Vec<u8>> = token.split('.').map(decode).collect();
                let end = parts[part].len() - 1;
                let at = match place {
                    "first" => 0,
                    "middle" => end / 2,
                    _ => end,
                };
                parts[part][at] ^= 1;
                let name = format!("the {place} byte of the {} flipped", ["header", "claims", "signature"][part]);
                list.push((name, parts.iter().map(encode).collect::<Vec<_>>().join(".")));
            }
        }
        list
    }
}

fn der(pem: &str) -> Vec<u8> {
    let body: String = pem.lines().filter(|line| !line.starts_with('-') && !line.starts_with('#')).collect();
    STANDARD.decode(body).unwrap()
}

pub fn ed25519(pem: &str) -> Sign {
    let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der(pem)).unwrap();
    Rc::new(move |text| pair.sign(text).as_ref().to_vec())
}

fn ecdsa(algorithm: &'static sig::EcdsaSigningAlgorithm, pkcs8: &[u8]) -> Sign {
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8).unwrap();
    Rc::new(move |text| pair.sign(&SystemRandom::new(), text).unwrap().as_ref().to_vec())
}

pub fn p256(pem: &str) -> Sign {
    ecdsa(&sig::ECDSA_P256_SHA256_FIXED_SIGNING, &der(pem))
}

/// Signatures as ASN.1 instead of the two numbers.
pub fn p256_der(pem: &str) -> Sign {
    ecdsa(&sig::ECDSA_P256_SHA256_ASN1_SIGNING, &der(pem))
}

/// A new key of another curve or kind, with what names it in a header.
pub fn stranger(algorithm: &str) -> Sign {
    let curve = match algorithm {
        "EdDSA" => return ed25519(&simpul::access::keys::new_key_pem().unwrap()),
        "RS256" => return rsa(&sig::RSA_PKCS1_SHA256),
        "PS256" => return rsa(&sig::RSA_PSS_SHA256),
        // 114 bytes: nobody here can make a real one
        "Ed448" => return Rc::new(|_| noise(114)),
        "ES384" => &sig::ECDSA_P384_SHA384_FIXED_SIGNING,
        "ES512" => &sig::ECDSA_P521_SHA512_FIXED_SIGNING,
        "ES256K" => &sig::ECDSA_P256K1_SHA256_FIXED_SIGNING,
        _ => &sig::ECDSA_P256_SHA256_FIXED_SIGNING,
    };
    ecdsa(curve, EcdsaKeyPair::generate(curve).unwrap().to_pkcs8v1().unwrap().as_ref())
}

fn rsa(encoding: &'static sig::RsaSignatureEncoding) -> Sign {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    Rc::new(move |text| {
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(encoding, &SystemRandom::new(), text, &mut signature).unwrap();
        signature
    })
}

pub fn hs(algorithm: hmac::Algorithm, secret: impl AsRef<[u8]>) -> Sign {
    let key = hmac::Key::new(algorithm, secret.as_ref());
    Rc::new(move |text| hmac::sign(&key, text).as_ref().to_vec())
}

pub fn noise(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    rand::fill(&mut bytes).unwrap();
    bytes
}

/// The public half of a key in every form that a careless verifier may take for a secret.
pub fn as_secrets(private_pem: &str) -> Vec<(&'static str, Vec<u8>)> {
    let jwk = serde_json::to_value(simpul::access::keys::public_jwk(private_pem).unwrap()).unwrap();
    let x = jwk["x"].as_str().unwrap();
    let spki = if jwk["kty"] == "OKP" {
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der(private_pem)).unwrap();
        pair.public_key().as_der().unwrap().as_ref().to_vec()
    } else {
        let pair = EcdsaKeyPair::from_pkcs8(&sig::ECDSA_P256_SHA256_FIXED_SIGNING, &der(private_pem)).unwrap();
        pair.public_key().as_der().unwrap().as_ref().to_vec()
    };
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(&spki));
    vec![
        ("the public key's bytes", decode(x)),
        ("the public key's base64", x.as_bytes().to_vec()),
        ("the public key as JWK", jwk.to_string().into_bytes()),
        ("the public key as DER", spki),
        ("the public key as PEM", pem.into_bytes()),
    ]
}

/// Order of the base point of P-256.
const P256: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
/// Order of the base point of Ed25519, its lowest byte first.
const ED25519: &str = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// n of P-256, as it stands in a signature.
pub fn p256_order() -> Vec<u8> {
    hex(P256)
}

/// The other signature of the same text that ECDSA holds valid: n - s for s.
pub fn p256_twin(mut signature: Vec<u8>) -> Vec<u8> {
    let mut borrow = 0;
    for (s, n) in signature[32..].iter_mut().zip(hex(P256)).rev() {
        let difference = i16::from(n) - i16::from(*s) - borrow;
        borrow = i16::from(difference < 0);
        *s = u8::try_from(difference.rem_euclid(256)).unwrap();
    }
    signature
}

/// The lower of the two signatures.
pub fn low(sign: Sign) -> Sign {
    Rc::new(move |text| {
        let signature = sign(text);
        let twin = p256_twin(signature.clone());
        if twin[32..] < signature[32..] { twin } else { signature }
    })
}

/// s + L for s: valid where a verifier forgets to look at the range of s.
pub fn ed25519_twin(mut signature: Vec<u8>) -> Vec<u8> {
    let mut carry = 0;
    for (s, l) in signature[32..].iter_mut().zip(hex(ED25519)) {
        let sum = u16::from(*s) + u16::from(l) + carry;
        carry = sum >> 8;
        *s = u8::try_from(sum & 255).unwrap();
    }
    signature
}

/// Halves exchanged.
pub fn swapped(mut signature: Vec<u8>) -> Vec<u8> {
    signature.rotate_left(32);
    signature
}

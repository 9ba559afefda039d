//! The forgery kit: tokens and assertions that must open nothing, one line each, between honest ones that must open.
//!
//! What is altered here is signed again with the right key wherever that is possible: a check that fails before a claim is
//! looked at would prove nothing of the claim.
use crate::support::forge::{self, Forge, encode, hs, noise, stranger};
use crate::support::{self, Reply, TestApp, run, signing_key_pem};
use aws_lc_rs::hmac::{HMAC_SHA256, HMAC_SHA384, HMAC_SHA512};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use regex::{Captures, Regex};
use serde_json::{Value, json};
use simpul::access::keys;
use simpul::access::rules::{ClientKind, Scope};
use simpul::demo::Credential;
use simpul::platform::crypto;
use simpul::server::{self, Running};
use std::collections::HashSet;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use uuid::Uuid;

const PLAIN: &str = "Bearer realm=\"simpul\"";
const INVALID: &str = "Bearer realm=\"simpul\", error=\"invalid_token\", error_description=\"token is not valid\"";
const EXPIRED: &str = "Bearer realm=\"simpul\", error=\"invalid_token\", error_description=\"token has expired\"";
const SHUT_OUT: &str =
    "Bearer realm=\"simpul\", error=\"invalid_token\", error_description=\"the client may not call\"";

/// Claims of an access token that are missing, of another type or out of range, and some that have no place in one.
const WRONG_CLAIMS: &str = r#"
exp          | missing | null | "soon" | "@60" | true | [1] | [@60] | {} | @60.0 | @60.5 | 1e300 | 1e999 | NaN | 0x7fffffff
exp          | @901 | @3600 | 9223372036854775807 | 9223372036854775808 | -9223372036854775809 | Infinity
iat          | missing | null | "now" | "@0" | true | [1] | {} | 0.0 | 1e9 | 0 | -1 | @-2 | @60 | @40
iat          | 9223372036854775807 | 9223372036854775808 | -9223372036854775808
nbf          | null | 0 | -1 | @-60 | @60 | "x"
iss          | missing | null | 7 | true | {} | ["ISS"] | "" | "https://elsewhere.example" | "ISS/" | "/ISS" | "ISS.example"
aud          | missing | null | 7 | {} | "" | [] | ["ISS"] | ["ISS","x"] | "https://elsewhere.example" | "*" | "ISS/v1/me" | "SUB"
sub          | missing | null | 7 | {} | ["SUB"] | "" | "x" | "1706024508950001" | "' OR 1=1 --"
sub          | "00000000-0000-0000-0000-000000000000" | "01900000-0000-7000-8000-000000000001"
client_id    | missing | null | 7 | {} | ["SUB"] | "x" | "01900000-0000-7000-8000-000000000001"
scope        | missing | null | 7 | true | {} | [] | ["referrals:read"] | "nonsense" | " " | "*" | "REFERRALS:READ"
scope        | "referrals:read " | "referrals:read  changes:read" | "referrals:read,changes:read" | "referrals:read\u0000"
jti          | missing | null | 7 | [] | {} | "" | "x" | "x*300"
agency_id    | missing | null | 7 | [] | {} | "" | "x" | ["SUB"]
epoch        | missing | null | "0" | 0.0 | 0.5 | [0] | {} | true | 2147483648 | -2147483649 | 1e300
acting_user  | 7 | [] | {} | true | "" | "Sri Wahyuni" | "1706024508950001" | "x*65" | "a;b" | "<b>"
acting_user  | "a\u0000b" | "a\nb" | "a\r\nb" | "\u202eb" | "\u001b[31m" | "\ud800"
volunteer_id | 7 | [] | {} | "" | "x" | true
role         | "admin"
cnf          | {"jkt":"x"}
act          | {"sub":"SUB"}
azp          | "SUB"
scp          | ["agencies:admin"]
EXP          | @60
"#;

/// The same of an assertion.
const WRONG_ASSERTION_CLAIMS: &str = r#"
iss | missing | null | 7 | {} | ["SUB"] | "" | "x" | "ISS/" | "https://elsewhere.example"
sub | missing | null | 7 | {} | ["SUB"] | "" | "x" | "1706024508950001" | "' OR 1=1 --"
exp | missing | null | "soon" | "@60" | true | [1] | {} | @60.5 | 0 | -1 | @-1 | @-3600 | -9223372036854775808
exp | 1e300 | 1e999 | NaN | @3960 | @86400 | 9223372036854775807 | 9223372036854775808 | 253402300800
iat | "now" | true | [1] | {} | 1e300 | 0.5 | @120 | 9223372036854775807 | 9223372036854775808
nbf | "now" | true | [1] | {} | 1e300 | 0.5 | @120 | 9223372036854775807 | 9223372036854775808
jti | missing | null | 7 | [] | {} | true | "" | "x*257" | "x*2000"
"#;

/// Audiences; `AUD` is the honest one, the issuer.
const WRONG_AUDIENCES: &str = r#"
aud | missing | null | 7 | {} | [] | true | "" | "*" | "SUB" | "https://elsewhere.example" | ["AUD"] | ["AUD","x"]
aud | "AUD/" | "AUD/v1/me" | "AUD/oauth" | "AUD/oauth/token/" | "AUD/oauth/token?x" | "AUD x" | "x AUD" | "AUD.example/oauth/token"
"#;

/// What is wrong, and the token.
type Table = Vec<(String, String)>;

fn rows<const N: usize>(table: &mut Table, rows: [(&str, String); N]) {
    table.extend(rows.map(|(name, token)| (name.to_owned(), token)));
}

/// Where a header of a forged token points to. Nobody may come.
struct Lure(TcpListener);

impl Lure {
    fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    fn url(&self) -> String {
        format!("\"http://{}/keys.json\"", self.0.local_addr().unwrap())
    }

    /// The first to come is this test itself, now.
    fn nobody_came(&self) {
        let own = std::net::TcpStream::connect(self.0.local_addr().unwrap()).unwrap();
        let (_, first) = self.0.accept().unwrap();
        assert_eq!(first, own.local_addr().unwrap(), "a header made the service call somebody");
    }
}

/// Nothing of what was sent is in the answer.
#[track_caller]
fn not_echoed(name: &str, reply: &Reply, sent: &str) {
    let mut answer = reply.text.clone();
    for (header, value) in &reply.headers {
        answer.push_str(&format!("\n{header}: {}", String::from_utf8_lossy(value.as_bytes())));
    }
    let pieces: HashSet<&[u8]> = answer.as_bytes().windows(16).collect();
    assert!(!sent.as_bytes().windows(16).any(|piece| pieces.contains(piece)), "{name}: echoed in {answer}");
}

/// Every spelling of "unsigned", with and without the signature that the text would have.
fn unsigned(forge: &Forge, table: &mut Table) {
    for alg in ["none", "None", "NONE", "nOnE", "none ", " none", "", "null", "NONE\\u0000"] {
        let raw = format!("\"{alg}\"");
        let token = forge.header("alg", &raw);
        let bare = token.rsplit_once('.').unwrap().0.to_owned();
        table.push((format!("alg {alg:?}, no signature"), format!("{bare}.")));
        table.push((format!("alg {alg:?}, signed"), token));
    }
}

/// Algorithms that are not the key's, each signed as it says.
fn algorithms(forge: &Forge, public_of: &str, own: &str, table: &mut Table) {
    for (what, secret) in forge::as_secrets(public_of) {
        table.push((format!("HS256 with {what} as the secret"), forge.alg("HS256", hs(HMAC_SHA256, &secret))));
        table.push((format!("{own} in the header, HMAC with {what}"), forge.alg(own, hs(HMAC_SHA256, secret))));
    }
    let (_, x) = forge::as_secrets(public_of).remove(0);
    table.push(("HS384 with the public key".to_owned(), forge.alg("HS384", hs(HMAC_SHA384, &x))));
    table.push(("HS512 with the public key".to_owned(), forge.alg("HS512", hs(HMAC_SHA512, &x))));
    table.push(("HS256 with an empty secret".to_owned(), forge.alg("HS256", hs(HMAC_SHA256, ""))));
    for alg in ["RS256", "PS256", "ES384", "ES512", "ES256K", "Ed448", "ES256", "EdDSA"] {
        table.push((format!("{alg} of a stranger"), forge.alg(alg, stranger(alg))));
        table.push((format!("{own} in the header, {alg} in truth"), forge.alg(own, stranger(alg))));
    }
    for alg in ["Ed25519", "eddsa", "EDDSA", "EdDSA ", "es256", "RS256", "HS256", "ES384"] {
        table.push((format!("alg {alg:?}, signed by the right key"), forge.header("alg", &format!("\"{alg}\""))));
    }
    for raw in ["", "null", "0", "true", "[\"EdDSA\"]", "[\"ES256\"]", "{}"] {
        table.push((format!("alg is {raw}"), forge.header("alg", raw)));
    }
}

/// Members of the header that would have a verifier fetch, trust, skip or unpack something.
fn headers(forge: &Forge, lure: &Lure, table: &mut Table) {
    let pem = keys::new_key_pem().unwrap();
    let jwk = serde_json::to_string(&keys::public_jwk(&pem).unwrap()).unwrap();
    let attacker = forge.signed_by(forge::ed25519(&pem));
    for (name, raw) in [("jku", lure.url()), ("x5u", lure.url()), ("jwk", jwk), ("x5c", "[\"MIIB\"]".to_owned())] {
        table.push((format!("{name}, signed by the right key"), forge.header(name, &raw)));
        table.push((format!("{name}, signed by what it names"), attacker.header(name, &raw)));
    }
    for (name, raw) in [
        ("x5t", "\"AAAA\""),
        ("x5t#S256", "\"AAAA\""),
        ("crit", "[]"),
        ("crit", "[\"exp\"]"),
        ("crit", "[\"b64\"]"),
        ("crit", "null"),
        ("b64", "false"),
        ("b64", "true"),
        ("zip", "\"DEF\""),
        ("cty", "\"JWT\""),
        ("cty", "\"json\""),
        ("enc", "\"A256GCM\""),
        ("epk", "{}"),
        ("apu", "\"AAAA\""),
        ("p2c", "1000000000"),
        ("iss", "\"x\""),
        ("url", &lure.url()),
        ("nonce", "\"x\""),
        ("surprise", "1"),
        ("ALG", "\"none\""),
    ] {
        table.push((format!("{name} {raw}"), forge.header(name, raw)));
    }
    for raw in ["\"\"", "\"elsewhere\"", "7", "[]", "{}", "true"] {
        table.push((format!("kid is {raw}"), forge.header("kid", raw)));
    }
    let kid = forge.header["kid"].as_str().unwrap();
    for (name, kid) in [
        ("a path", "../../../../../../dev/null".to_owned()),
        ("a path in the service's directory", "./data-20261125000000.key".to_owned()),
        ("a URL", lure.url().trim_matches('"').to_owned()),
        ("SQL", "' OR 1=1 --".to_owned()),
        ("more SQL", "x' UNION SELECT kid FROM client_keys; DROP TABLE clients; --".to_owned()),
        ("a command", "|curl elsewhere.example".to_owned()),
        ("64 kB", "k".repeat(64 * 1024)),
        ("the right one and a blank", format!("{kid} ")),
        ("the right one and a NUL", format!("{kid}\0")),
        ("the right one in capitals", kid.to_uppercase()),
        ("half of the right one", kid[..kid.len() / 2].to_owned()),
    ] {
        table.push((format!("kid is {name}"), forge.header("kid", &json!(kid).to_string())));
    }
}

/// Texts that are no JWT, or not the one way to write one.
fn shapes(forge: &Forge, table: &mut Table) {
    let (header, claims) = (forge.header.to_string(), forge.fresh().to_string());
    let part = |change: fn(&str, &str, &str) -> String| forge.parts(change);
    rows(
        table,
        [
            ("one part", part(|h, _, _| h.to_owned())),
            ("two parts", part(|h, c, _| format!("{h}.{c}"))),
            ("no signature", part(|h, c, _| format!("{h}.{c}."))),
            ("a dot behind it", part(|h, c, s| format!("{h}.{c}.{s}."))),
            ("a dot before it", part(|h, c, s| format!(".{h}.{c}.{s}"))),
            ("four parts", part(|h, c, s| format!("{h}.{c}.{s}.{s}"))),
            ("five parts", part(|h, c, s| format!("{h}.{c}.{s}.{s}.{s}"))),
            ("a JWE", format!("{}.AAAA.AAAA.AAAA.AAAA", encode(r#"{"alg":"dir","enc":"A256GCM"}"#))),
            ("dots", "..".to_owned()),
            ("no header", part(|_, c, s| format!(".{c}.{s}"))),
            ("no claims", part(|h, _, s| format!("{h}..{s}"))),
            ("header and claims exchanged", part(|h, c, s| format!("{c}.{h}.{s}"))),
            ("padding behind the header", part(|h, c, s| format!("{h}=.{c}.{s}"))),
            ("padding behind the claims", part(|h, c, s| format!("{h}.{c}=.{s}"))),
            ("padding behind the signature", part(|h, c, s| format!("{h}.{c}.{s}=="))),
            ("padding written as %3D", part(|h, c, s| format!("{h}.{c}.{s}%3D%3D"))),
            ("a blank in the claims", part(|h, c, s| format!("{h}.{} {}.{s}", &c[..8], &c[8..]))),
            ("a tab in the signature", part(|h, c, s| format!("{h}.{c}.{}\t{}", &s[..8], &s[8..]))),
            ("a tab before it", part(|h, c, s| format!("\t{h}.{c}.{s}"))),
            ("quotes around it", part(|h, c, s| format!("\"{h}.{c}.{s}\""))),
            ("two in one header, with a comma", part(|h, c, s| format!("{h}.{c}.{s},{h}.{c}.{s}"))),
            ("the signature in hex", part(|h, c, _| format!("{h}.{c}.{}", "0a".repeat(64)))),
            ("the claims in plain JSON", part(|h, _, s| format!("{h}.{{\"sub\":\"x\"}}.{s}"))),
            ("bits behind the last byte of the signature", part(|h, c, s| format!("{h}.{c}.{}", trailing(s)))),
            ("the other alphabet", other_alphabet(forge)),
            ("a token in the claims of a token", forge.raw(&header, json!(forge.token()).to_string())),
            ("a header that is a list", forge.raw(list(&forge.header, &["typ", "alg", "kid"]), &claims)),
            ("claims that are a list", forge.raw(&header, "[]")),
            ("claims that are null", forge.raw(&header, "null")),
            ("claims that are a number", forge.raw(&header, "1")),
            ("empty claims", forge.raw(&header, "{}")),
            ("an empty header", forge.raw("{}", &claims)),
            ("a comma too many", forge.raw(&header, claims.replace('}', ",}"))),
            ("something behind the claims", forge.raw(&header, format!("{claims}{{}}"))),
            ("something behind the header", forge.raw(format!("{header}x"), &claims)),
            ("a byte order mark", forge.raw(&header, format!("\u{feff}{claims}"))),
            ("UTF-16", forge.raw(&header, claims.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>())),
            ("a header that is no UTF-8", forge.raw(replaced(&header, b"EdDSA"), &claims)),
            ("claims that are no UTF-8", forge.raw(&header, replaced(&claims, b"http"))),
            ("a lone surrogate", forge.claim("iss", r#""\ud800""#)),
            ("a NUL in a claim", forge.claim("iss", r#""\u0000""#)),
            ("a header 1,000 deep", forge.header("kid", &deep(1000))),
            ("claims 1,000 deep", forge.claim("iss", &deep(1000))),
            ("claims padded to 5 kB", forge.raw(&header, format!("{claims}{}", " ".repeat(5000)))),
            ("100 kB of one letter", "x".repeat(100_000)),
            ("100 kB of dots", ".".repeat(100_000)),
            ("100 kB of claims", forge.claim("surprise", &format!("\"{}\"", "x".repeat(72_000)))),
            ("100 kB of signature", part(|h, c, s| format!("{h}.{c}.{s}{}", "A".repeat(100_000)))),
            ("a signature cut short", part(|h, c, s| format!("{h}.{c}.{}", &s[..s.len() - 4]))),
            ("a signature with more behind it", part(|h, c, s| format!("{h}.{c}.{}", &format!("{}AAAA", &s[..84])))),
            ("zeros for a signature", forge.signature(|s| vec![0; s.len()])),
            ("ones for a signature", forge.signature(|s| vec![255; s.len()])),
            ("noise for a signature", forge.signature(|s| noise(s.len()))),
            ("its halves exchanged", forge.signature(forge::swapped)),
            ("its bytes backwards", forge.signature(|s| s.into_iter().rev().collect())),
            ("one half of it zeros", forge.signature(|s| [&s[..32], &[0; 32]].concat())),
            ("the other half of it zeros", forge.signature(|s| [&[0; 32], &s[32..]].concat())),
            ("the signature of another token", forge.signature(|_| (forge.sign)(b"another"))),
            ("signed by a stranger with the same kid", forge.signed_by(stranger("EdDSA")).token()),
        ],
    );
    table.extend(forge.flips());
    for (name, raw) in [("alg", "\"none\""), ("kid", "\"elsewhere\""), ("exp", "1"), ("sub", "\"x\""), ("iss", "\"x\"")]
    {
        table.push((format!("{name} twice, the honest one last"), forge.twice(name, raw, true)));
        table.push((format!("{name} twice, the honest one first"), forge.twice(name, raw, false)));
    }
    table.push(("exp twice, once escaped".to_owned(), forge.twice("\\u0065xp", "1", true)));
    table.push(("alg twice, once escaped".to_owned(), {
        let header = forge.header.to_string().replacen('{', "{\"\\u0061lg\":\"none\",", 1);
        forge.raw(header, &claims)
    }));
}

fn deep(levels: usize) -> String {
    format!("{}{}", "[".repeat(levels), "]".repeat(levels))
}

fn list(object: &Value, names: &[&str]) -> String {
    names.iter().map(|name| object[*name].clone()).collect::<Value>().to_string()
}

fn replaced(text: &str, start: &[u8]) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    if let Some(at) = bytes.windows(start.len()).position(|window| window == start) {
        bytes[at] = 0xff;
    } else {
        bytes[2] = 0xff;
    }
    bytes
}

/// The last letter of 64 bytes holds four bits that no byte needs.
fn trailing(part: &str) -> String {
    const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (rest, last) = part.split_at(part.len() - 1);
    let at = LETTERS.find(last).unwrap();
    format!("{rest}{}", &LETTERS[at + 1..at + 2])
}

fn other_alphabet(forge: &Forge) -> String {
    loop {
        let token = forge.token();
        let other = token.replace('-', "+").replace('_', "/");
        if other != token {
            return other;
        }
    }
}

/// Each claim of a text table as each of its values, signed by the right key: `claim | JSON | JSON | …`. `@60` is in a
/// minute, `ISS` and `SUB` are the honest ones, `x*300` is a long word, `missing` leaves the claim out.
fn claims(forge: &Forge, now: i64, text: &str, table: &mut Table) {
    let (time, word) = (Regex::new(r"@(-?\d+)").unwrap(), Regex::new(r"x\*(\d+)").unwrap());
    let number = |found: &Captures| found[1].parse::<i64>().unwrap();
    for line in text.trim().lines() {
        let mut cells = line.split('|').map(str::trim);
        let name = cells.next().unwrap();
        for cell in cells {
            let raw = cell.replace("ISS", forge.claims["iss"].as_str().unwrap());
            let raw = raw.replace("SUB", forge.claims["sub"].as_str().unwrap());
            let raw = time.replace_all(&raw, |found: &Captures| (now + number(found)).to_string()).into_owned();
            let raw = word.replace_all(&raw, |found: &Captures| "x".repeat(number(found).try_into().unwrap()));
            let raw = if cell == "missing" { "" } else { &raw };
            table.push((format!("{name} is {cell}"), forge.claim(name, raw)));
        }
    }
}

/// Opens what it should: `GET /v1/me` with this token.
async fn opens(app: &TestApp, name: &str, token: &str) -> Reply {
    let reply = app.nobody().with_token(token).get("/v1/me").await;
    assert_eq!(reply.status, 200, "{name}: {}", reply.text);
    reply
}

/// Tries the whole table before it fails.
async fn all_refused(app: &TestApp, table: &Table, challenge: &str) {
    let mut wrong = vec![];
    for (name, token) in table {
        let sent = format!("Bearer {token}");
        let reply = app.nobody().get("/v1/me").header_bytes("authorization", sent.as_bytes()).await;
        let answer = (reply.status, reply.code(), reply.header("www-authenticate"));
        if answer != (401, "unauthenticated", challenge) {
            wrong.push(format!("{name}: {answer:?}"));
        }
        not_echoed(name, &reply, token);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Tokens of other kinds, and keys that are not the service's.
fn other_kinds(app: &TestApp, forge: &Forge, table: &mut Table) {
    for raw in ["", "null", "7", "[\"at+jwt\"]"] {
        table.push((format!("typ is {raw}"), forge.header("typ", raw)));
    }
    for typ in ["JWT", "jwt", "AT+JWT", "at+jwt ", "at-jwt", "application/at+jwt", "id_token", "dpop+jwt"] {
        table.push((format!("typ is {typ}"), forge.header("typ", &json!(typ).to_string())));
    }
    for typ in ["client-authentication+jwt", "logout+jwt", "secevent+jwt", "token-introspection+jwt"] {
        table.push((format!("typ is {typ}"), forge.header("typ", &json!(typ).to_string())));
    }
    let credential = app.credential("BPJS Kesehatan", ClientKind::System);
    let client = forge.signed_by(forge::ed25519(&credential.private_key_pem));
    let assertion = Forge::of_client(app, credential);
    let header = forge.header.to_string();
    rows(
        table,
        [
            ("no kid", forge.header("kid", "")),
            ("kid is null", forge.header("kid", "null")),
            ("signed by the client itself", client.token()),
            ("signed by the client itself, with its kid", client.header("kid", &json!(credential.kid).to_string())),
            ("an assertion", assertion.token()),
            ("an assertion by the service's key", forge.raw(&header, assertion.fresh().to_string())),
            ("an assertion of type at+jwt", assertion.header("typ", "\"at+jwt\"")),
            ("an assertion in ES256", Forge::of_client_es256(app, credential).token()),
            ("the client's secret", credential.client_secret.clone()),
            ("the client's id", credential.client_id.clone()),
            ("the claims as a list", forge.raw(&header, in_order(&forge.fresh()))),
            ("a surprise 1,000 deep", forge.claim("surprise", &deep(1000))),
            ("s + L", forge.signature(forge::ed25519_twin)),
            ("the neutral point for R", forge.signature(|_| [&[1], &[0; 63][..]].concat())),
        ],
    );
}

/// What whoever holds a token but no key can do: change a claim or a bit and keep the rest.
fn altered(forge: &Forge, now: i64, table: &mut Table) {
    for (name, value) in [
        ("scope", json!("agencies:admin audit:read")),
        ("agency_id", json!(Uuid::now_v7())),
        ("sub", json!(Uuid::now_v7())),
        ("client_id", json!(Uuid::now_v7())),
        ("volunteer_id", json!(Uuid::now_v7())),
        ("acting_user", json!("staf-0001")),
        ("exp", json!(now + 890)),
        ("epoch", json!(7)),
    ] {
        let token = forge.parts(|h, c, s| {
            let mut claims: Value = serde_json::from_slice(&forge::decode(c)).unwrap();
            claims[name] = value.clone();
            format!("{h}.{}.{s}", encode(claims.to_string()))
        });
        table.push((format!("{name} changed under the signature"), token));
    }
}

/// One token 512 times, another bit of its signature flipped each time.
fn bits(token: &str) -> Table {
    let (text, signature) = token.rsplit_once('.').unwrap();
    let flipped = |bit: usize| {
        let mut signature = forge::decode(signature);
        signature[bit / 8] ^= 1 << (bit % 8);
        (format!("bit {bit} of the signature flipped"), format!("{text}.{}", encode(signature)))
    };
    (0..512).map(flipped).collect()
}

/// Tokens that must be taken, so that the kit cannot pass by refusing everything.
fn honest(forge: &Forge, now: i64) -> Table {
    let (header, claims) = (forge.header.to_string(), forge.fresh());
    let members = claims.as_object().unwrap().iter().rev();
    let backwards: Vec<_> = members.map(|(name, value)| format!(" {} :\n{value}\t", json!(name))).collect();
    let mut good = Table::new();
    rows(
        &mut good,
        [
            ("signed again", forge.token()),
            ("in another order, with blanks", forge.raw(header, format!("{{{}}}", backwards.join(",")))),
            ("without scopes", forge.claim("scope", "\"\"")),
            ("with one scope", forge.claim("scope", "\"referrals:read\"")),
            ("with somebody at the keyboard", forge.claim("acting_user", "\"staf-0001\"")),
            ("an escape in it", forge.claim("iss", &claims["iss"].to_string().replacen("http", "\\u0068ttp", 1))),
            ("from a clock ten seconds ahead", forge.claim("iat", &(now + 10).to_string())),
            ("with a shorter life", forge.claim("exp", &(now + 600).to_string())),
        ],
    );
    good
}

#[test]
fn no_forged_access_token_is_accepted() {
    run(async |app| {
        let bpjs = app.bpjs().await;
        let (pem, now) = (signing_key_pem(), app.clock.now().timestamp());
        let forge = Forge::like(bpjs.token.as_ref().unwrap(), forge::ed25519(&pem));
        let lure = Lure::new();
        let mut table = Table::new();
        unsigned(&forge, &mut table);
        algorithms(&forge, &pem, "EdDSA", &mut table);
        headers(&forge, &lure, &mut table);
        shapes(&forge, &mut table);
        other_kinds(app, &forge, &mut table);
        altered(&forge, now, &mut table);
        claims(&forge, now, WRONG_CLAIMS, &mut table);
        let issuer = forge.claims["iss"].as_str().unwrap();
        for (from, to) in [("http:", "https:"), ("http:", "HTTP:"), ("http", " http")] {
            table.push((format!("{to} in iss"), forge.claim("iss", &json!(issuer.replacen(from, to, 1)).to_string())));
        }
        let mut old = Table::new();
        claims(&forge, now, "exp | @0 | @-1 | 0 | -1 | -9223372036854775808", &mut old);
        assert!(table.len() >= 120, "{} forged tokens", table.len());

        let token = forge.token();
        opens(app, "as it was issued", bpjs.token.as_ref().unwrap()).await;
        opens(app, "the one whose bits are flipped", &token).await;
        let ran = app
            .statements_of(async || {
                all_refused(app, &table, INVALID).await;
                all_refused(app, &bits(&token), INVALID).await;
                all_refused(app, &old, EXPIRED).await;
            })
            .await;
        assert!(ran.is_empty(), "the database was asked about a token that is none: {ran:?}");
        lure.nobody_came();
        for (name, token) in &honest(&forge, now) {
            opens(app, name, token).await;
        }
    });
}

#[test]
fn a_token_ends_after_a_quarter_of_an_hour_also_where_it_is_known() {
    run(async |app| {
        let token = app.bpjs().await.token.unwrap();
        opens(app, "new", &token).await;
        app.pass(TimeDelta::minutes(14));
        opens(app, "old", &token).await;
        app.pass(TimeDelta::minutes(1));
        all_refused(app, &vec![("ended".to_owned(), token)], EXPIRED).await;
    });
}

/// The values of the claims, in the order in which the service would write them.
fn in_order(claims: &Value) -> String {
    list(claims, &["iss", "sub", "aud", "client_id", "exp", "iat", "jti", "scope", "agency_id", "epoch"])
}

/// Signed by the right key, but not what the database says of the client.
#[test]
fn a_token_that_says_other_than_the_database_is_refused_and_recorded() {
    run(async |app| {
        let sign = forge::ed25519(&signing_key_pem());
        let (bpjs, phone) = (app.bpjs().await, app.phone().await);
        let of_bpjs = Forge::like(bpjs.token.as_ref().unwrap(), sign.clone());
        let of_phone = Forge::like(phone.token.as_ref().unwrap(), sign.clone());
        let (mut unknown, stranger) = (of_bpjs.clone(), Uuid::now_v7());
        (unknown.claims["sub"], unknown.claims["client_id"]) = (json!(stranger), json!(stranger));
        let mut borrowed = of_bpjs.clone();
        for name in ["sub", "client_id"] {
            borrowed.claims[name] = of_phone.claims[name].clone();
        }
        let ministry = json!(app.agency("Kementerian Sosial").await).to_string();
        let nobody = format!("\"{}\"", Uuid::now_v7());
        let mut table = Table::new();
        rows(
            &mut table,
            [
                ("an unknown client", unknown.token()),
                ("another client's id", borrowed.token()),
                ("another agency", of_bpjs.claim("agency_id", &ministry)),
                ("an unknown agency", of_bpjs.claim("agency_id", &nobody)),
                ("a later epoch", of_bpjs.claim("epoch", "1")),
                ("an earlier epoch", of_bpjs.claim("epoch", "-1")),
                ("the last epoch", of_bpjs.claim("epoch", "2147483647")),
                ("a volunteer of whom the client knows nothing", of_bpjs.claim("volunteer_id", &nobody)),
                ("the phone's volunteer", of_bpjs.claim("volunteer_id", &of_phone.claims["volunteer_id"].to_string())),
                ("a phone without its volunteer", of_phone.claim("volunteer_id", "")),
                ("a phone of another volunteer", of_phone.claim("volunteer_id", &nobody)),
                ("a phone of another agency", of_phone.claim("agency_id", &of_bpjs.claims["agency_id"].to_string())),
            ],
        );
        all_refused(app, &table, SHUT_OUT).await;
        let who = app.texts("SELECT DISTINCT client_id FROM audit_events WHERE action = 'me.read' AND outcome = 'denied' AND detail = 'unauthenticated' ORDER BY 1").await;
        let mut known: Vec<&str> =
            [&of_bpjs, &of_phone].iter().map(|forge| forge.claims["sub"].as_str().unwrap()).collect();
        known.sort_unstable();
        assert_eq!(who, known, "recorded are the clients that exist");

        opens(app, "of the integration", &of_bpjs.token()).await;
        opens(app, "of the phone", &of_phone.token()).await;
        // more scopes than the client holds are cut to these
        let dashboard = app.dashboard().await;
        let all = Scope::ALL.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(" ");
        let wide = Forge::like(dashboard.token.as_ref().unwrap(), sign).claim("scope", &json!(all).to_string());
        assert_eq!(opens(app, "all scopes", &wide).await.json["scopes"], json!(["statistics:read"]));
        dashboard.with_token(&wide).get("/v1/cases").await.problem(403, "forbidden");
    });
}

/// RFC 6750, section 2.1 only: a token elsewhere stays in logs and histories, and is not looked at.
#[test]
fn a_good_token_is_taken_in_one_place_only() {
    run(async |app| {
        let bpjs = app.bpjs().await;
        let token = bpjs.token.clone().unwrap();
        let nobody = app.nobody();
        let get = |header: &str, value: String| nobody.get("/v1/me").header(header, &value);
        let form = [("access_token", token.as_str())];
        let calls = app
            .calls_of(async || {
                for (name, request) in [
                    ("nothing", nobody.get("/v1/me")),
                    ("in the query", nobody.get(&format!("/v1/me?access_token={token}"))),
                    ("in the query, as bearer", nobody.get(&format!("/v1/me?bearer={token}"))),
                    ("in a form", nobody.form("/v1/cases", &form)),
                    ("in a body", nobody.post("/v1/cases", json!({ "access_token": token }))),
                    ("in a cookie", get("cookie", format!("access_token={token}; token={token}"))),
                    ("in a header of its own", get("x-access-token", token.clone())),
                    ("for the proxy", get("proxy-authorization", format!("Bearer {token}"))),
                    ("without a scheme", get("authorization", token.clone())),
                    ("of no scheme that we know", get("authorization", format!("Token {token}"))),
                    ("as DPoP", get("authorization", format!("DPoP {token}"))),
                    ("as Basic", get("authorization", format!("Basic {token}"))),
                    ("with a colon", get("authorization", format!("Bearer:{token}"))),
                    ("a tab for the blank", get("authorization", format!("Bearer\t{token}"))),
                    ("the scheme twice", get("authorization", "Bearer".to_owned())),
                    ("an empty header", get("authorization", String::new())),
                    ("twice", bpjs.get("/v1/me").and_header("authorization", &format!("Bearer {token}"))),
                    ("beside a wrong one", bpjs.get("/v1/me").and_header("authorization", "Bearer a.b.c")),
                    ("beside a secret", bpjs.get("/v1/me").and_header("authorization", "Basic YTpi")),
                ] {
                    let reply = request.await;
                    assert_eq!((reply.status, reply.code()), (401, "unauthenticated"), "{name}: {}", reply.text);
                    assert_eq!(reply.header("www-authenticate"), PLAIN, "{name}");
                    not_echoed(name, &reply, &token);
                }
                for (name, bytes) in [
                    ("the scheme twice", format!("Bearer Bearer {token}").into_bytes()),
                    ("another token behind a comma", format!("Bearer {token}, Bearer {token}").into_bytes()),
                    ("a byte that is no letter", [b"Bearer ", token.as_bytes(), b"\xff"].concat()),
                    ("a letter of another script", format!("Bearer {token}é").into_bytes()),
                ] {
                    let reply = nobody.get("/v1/me").header_bytes("authorization", &bytes).await;
                    assert_eq!((reply.status, reply.header("www-authenticate")), (401, INVALID), "{name}");
                    not_echoed(name, &reply, &token);
                }
            })
            .await;
        assert_eq!(calls, 0);
        // beside a good one it is a parameter that nobody knows
        bpjs.get(&format!("/v1/me?access_token={token}")).await.problem(400, "malformed");
        for scheme in ["Bearer", "bearer", "BEARER", "Bearer  "] {
            bpjs.get("/v1/me").header("authorization", &format!("{scheme} {token}")).await.expect(200);
        }
    });
}

/// A further service on the same database, with signing keys and an issuer of its own.
async fn deployment(app: &TestApp, keys: &Path, issuer: &str) -> (Running, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let mut config = support::config(&base, &app.database_url("simpul_service"));
    issuer.clone_into(&mut config.settings.issuer);
    keys.clone_into(&mut config.signing_keys_dir);
    config.database_pool = 2;
    (server::start(&config, listener, app.clock.clone(), None).await.unwrap(), base)
}

/// A token of a deployment for the integration of BPJS, by its secret.
async fn buy(app: &TestApp, base: &str) -> String {
    let credential = app.credential("BPJS Kesehatan", ClientKind::System);
    let begun = Instant::now();
    loop {
        let request = app.http.post(format!("{base}/oauth/token")).body("grant_type=client_credentials");
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let request = request.basic_auth(&credential.client_id, Some(&credential.client_secret));
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        if let Some(token) = answer["access_token"].as_str() {
            return token.to_owned();
        }
        // several services at once on a busy machine
        assert!(answer["error"] == "temporarily_unavailable" && begun.elapsed() < Duration::from_secs(20), "{answer}");
    }
}

/// Status and challenge.
async fn try_at(app: &TestApp, base: &str, token: &str) -> (u16, String) {
    let sent = [b"Bearer ", token.as_bytes()].concat();
    let reply = app.http.get(format!("{base}/v1/me")).header("authorization", sent).send().await.unwrap();
    let challenge = reply.headers().get("www-authenticate").map(|value| value.to_str().unwrap().to_owned());
    (reply.status().as_u16(), challenge.unwrap_or_default())
}

fn keys_dir(name: &str, keys: &[&str]) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("simpul-test-{}-keys-{name}", std::process::id()));
    std::fs::remove_dir_all(&dir).ok();
    std::fs::create_dir_all(&dir).unwrap();
    for (n, pem) in keys.iter().enumerate() {
        crypto::write_private(&dir.join(format!("{n}.pem")), pem.as_bytes()).unwrap();
    }
    dir
}

#[test]
fn a_token_is_as_good_as_the_keys_and_the_name_of_its_deployment() {
    run(async |app| {
        const ISSUER: &str = "https://simpul.example";
        let (old, new) = (keys::new_key_pem().unwrap(), keys::new_key_pem().unwrap());
        let dirs = [keys_dir("old", &[&old]), keys_dir("both", &[&old, &new]), keys_dir("new", &[&new])];
        let (of_old, at_old) = deployment(app, &dirs[0], ISSUER).await;
        let (of_both, at_both) = deployment(app, &dirs[1], ISSUER).await;
        let (of_new, at_new) = deployment(app, &dirs[2], ISSUER).await;
        let (elsewhere, at_elsewhere) = deployment(app, &dirs[1], "https://elsewhere.example").await;
        let (by_old, by_both, by_new) = (buy(app, &at_old).await, buy(app, &at_both).await, buy(app, &at_new).await);
        let invalid = (401, INVALID.to_owned());
        for (name, base, token) in [
            ("the key was removed", &at_new, &by_old),
            ("the key is not there yet", &at_old, &by_both),
            ("another deployment's, with the same keys", &at_elsewhere, &by_both),
            ("the same the other way round", &at_both, &buy(app, &at_elsewhere).await),
            ("a deployment with other keys and another name", &app.base, &by_old),
            ("the same the other way round", &at_old, &buy(app, &app.base).await),
        ] {
            assert_eq!(try_at(app, base, token).await, invalid, "{name}");
        }
        for (name, base, token) in [
            ("its own", &at_old, &by_old),
            ("the old key lies beside the new one", &at_both, &by_old),
            ("the new key signs", &at_both, &by_both),
            ("by the new key", &at_new, &by_both),
            ("by the new key alone", &at_both, &by_new),
        ] {
            assert_eq!(try_at(app, base, token).await.0, 200, "{name}");
        }
        for service in [of_old, of_both, of_new, elsewhere] {
            service.stop().await;
        }
        for dir in dirs {
            std::fs::remove_dir_all(dir).unwrap();
        }
    });
}

/// Signatures that a careless reading of ES256 takes: as ASN.1, with numbers that are nought or too large.
fn signatures_es256(forge: &Forge, pem: &str, table: &mut Table) {
    let (nought, order) = (vec![0; 32], forge::p256_order());
    let one = [&[0; 31][..], &[1]].concat();
    table.push(("as ASN.1".to_owned(), forge.signed_by(forge::p256_der(pem)).token()));
    let numbers = [("0", &nought), ("1", &one), ("n", &order)];
    for (r_name, r) in numbers {
        for (s_name, s) in numbers {
            let token = forge.signature(|_| [&r[..], &s[..]].concat());
            table.push((format!("r = {r_name}, s = {s_name}"), token));
        }
        table.push((format!("r = {r_name}"), forge.signature(|own| [&r[..], &own[32..]].concat())));
        table.push((format!("s = {r_name}"), forge.signature(|own| [&own[..32], &r[..]].concat())));
    }
    let widened = |own: Vec<u8>| [&[0], &own[..32], &[0], &own[32..]].concat();
    table.push(("both numbers in 33 bytes".to_owned(), forge.signature(widened)));
    table.push(("halves exchanged".to_owned(), forge.signature(forge::swapped)));
    table.push(("EdDSA in the header".to_owned(), forge.header("alg", "\"EdDSA\"")));
    table.push(("ES256K in the header".to_owned(), forge.header("alg", "\"ES256K\"")));
    table.push(("of another curve".to_owned(), forge.signed_by(stranger("ES256K")).token()));
    table.push(("of another key".to_owned(), forge.signed_by(stranger("ES256")).token()));
}

/// A deployment may sign with P-256 instead.
#[test]
fn no_forged_access_token_is_accepted_where_es256_signs() {
    run(async |app| {
        let pem = keys::new_es256_key_pem().unwrap();
        let dir = keys_dir("es256", &[&pem]);
        let (service, base) = deployment(app, &dir, "https://simpul.example").await;
        let token = buy(app, &base).await;
        let forge = Forge::like(&token, forge::low(forge::p256(&pem)));
        assert_eq!(forge.header["alg"], "ES256");
        let mut table = Table::new();
        unsigned(&forge, &mut table);
        algorithms(&forge, &pem, "ES256", &mut table);
        shapes(&forge, &mut table);
        signatures_es256(&forge, &pem, &mut table);
        // ECDSA holds two signatures of a text valid; one is enough
        table.push(("n - s for s".to_owned(), forge.signature(forge::p256_twin)));
        assert!(table.len() >= 120, "{} forged tokens", table.len());
        assert_eq!(try_at(app, &base, &forge.token()).await.0, 200);
        let mut wrong = vec![];
        for (name, token) in table {
            if try_at(app, &base, &token).await != (401, INVALID.to_owned()) {
                wrong.push(name);
            }
        }
        assert!(wrong.is_empty(), "{wrong:?}");
        for _ in 0..20 {
            assert_eq!(try_at(app, &base, &buy(app, &base).await).await.0, 200);
        }
        service.stop().await;
        std::fs::remove_dir_all(dir).unwrap();
    });
}

const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const GRANT: (&str, &str) = ("grant_type", "client_credentials");
const BY_JWT: (&str, &str) = ("client_assertion_type", ASSERTION);
/// Refusals of RFC 6749, section 5.2.
const CLIENT: (u16, &str) = (401, "invalid_client");
const REQUEST: (u16, &str) = (400, "invalid_request");
const GRANT_TYPE: (u16, &str) = (400, "unsupported_grant_type");
const SCOPE: (u16, &str) = (400, "invalid_scope");

async fn ask(app: &TestApp, assertion: &str) -> Reply {
    app.nobody().form("/oauth/token", &[GRANT, BY_JWT, ("client_assertion", assertion)]).await
}

/// Tries the whole table before it fails.
async fn buy_nothing(app: &TestApp, table: &Table) {
    let mut wrong = vec![];
    for (name, assertion) in table {
        let reply = ask(app, assertion).await;
        let answer = (reply.status, reply.json["error"].as_str().unwrap_or_default());
        // larger than any body that is read, or with what no parameter may hold
        let unread = assertion.len() > 64 * 1024 || assertion.contains(char::is_control);
        let refusal = if unread { REQUEST } else { CLIENT };
        if answer != refusal || reply.header("cache-control") != "no-store" {
            wrong.push(format!("{name}: {answer:?}"));
            continue;
        }
        not_echoed(name, &reply, assertion);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn officer(app: &TestApp) -> &Credential {
    app.credential("Dinas Sosial Kabupaten Mukomuko", ClientKind::Officer)
}

/// The officer's assertions, and what is wrong with each.
fn forged_assertions(app: &TestApp, forge: &Forge, es256: &Forge, lure: &Lure) -> Table {
    let (own, other) = (officer(app), app.credential("BPJS Kesehatan", ClientKind::System));
    let now = app.clock.now().timestamp();
    let mut table = Table::new();
    unsigned(forge, &mut table);
    unsigned(es256, &mut table);
    algorithms(forge, &own.private_key_pem, "EdDSA", &mut table);
    algorithms(es256, &own.es256_private_key_pem, "ES256", &mut table);
    headers(forge, lure, &mut table);
    shapes(forge, &mut table);
    shapes(es256, &mut table);
    signatures_es256(es256, &own.es256_private_key_pem, &mut table);
    table.push(("s + L".to_owned(), forge.signature(forge::ed25519_twin)));
    for typ in ["7", "[]", "\"\"", "\"at+jwt\"", "\"id_token\"", "\"application/jwt\"", "\"dpop+jwt\"", "\"JWT \""] {
        table.push((format!("typ is {typ}"), forge.header("typ", typ)));
    }
    let others = Forge::of_client(app, other);
    let their_key = forge.signed_by(others.sign.clone());
    let (client_id, kid) = (json!(other.client_id).to_string(), others.header["kid"].to_string());
    let secret = |secret: &[u8]| forge.alg("HS256", hs(HMAC_SHA256, secret));
    rows(
        &mut table,
        [
            ("HS256 with the client's secret", secret(own.client_secret.as_bytes())),
            ("HS256 with the hash of the secret", secret(&crypto::sha256(own.client_secret.as_bytes()))),
            ("ES256 in the header, by the Ed25519 key", forge.header("alg", "\"ES256\"")),
            ("EdDSA in the header, by the P-256 key", es256.header("alg", "\"EdDSA\"")),
            ("the Ed25519 key under the kid of the other", forge.header("kid", &json!(own.es256_kid).to_string())),
            ("another client's kid", forge.header("kid", &kid)),
            ("another client's key", their_key.token()),
            ("another client's key and kid", their_key.header("kid", &kid)),
            ("another client's key, no kid", their_key.header("kid", "")),
            ("the service's own key", forge.signed_by(forge::ed25519(&signing_key_pem())).token()),
            ("iss of another client", forge.claim("iss", &client_id)),
            ("sub of another client", forge.claim("sub", &client_id)),
        ],
    );
    let audiences = WRONG_AUDIENCES.replace("AUD", &app.base);
    for forge in [forge, es256] {
        claims(forge, now, WRONG_ASSERTION_CLAIMS, &mut table);
        claims(forge, now, &audiences, &mut table);
    }
    table.push(("iss in capitals".to_owned(), forge.claim("iss", &json!(own.client_id.to_uppercase()).to_string())));
    table
}

#[test]
fn no_forged_assertion_buys_a_token() {
    run(async |app| {
        let (forge, es256) = (Forge::of_client(app, officer(app)), Forge::of_client_es256(app, officer(app)));
        let (lure, regency) = (Lure::new(), app.regency().await);
        let mut table = forged_assertions(app, &forge, &es256, &lure);
        table.push(("an access token".to_owned(), regency.token.clone().unwrap()));
        let now = app.clock.now().timestamp();
        assert!(table.len() >= 120, "{} forged assertions", table.len());
        ask(app, &forge.token()).await.expect(200);
        buy_nothing(app, &table).await;
        lure.nobody_came();
        let denied = app.texts(&format!("SELECT DISTINCT client_id || ' ' || detail FROM audit_events WHERE action = 'token.issue' AND outcome = 'denied' AND client_id = '{}'", officer(app).client_id)).await;
        assert_eq!(denied, [format!("{} invalid_client", officer(app).client_id)]);

        let mut good = Table::new();
        rows(
            &mut good,
            [
                ("by Ed25519", forge.token()),
                ("by P-256", es256.token()),
                ("by the twin of a signature of P-256", es256.signature(forge::p256_twin)),
                ("without kid", forge.header("kid", "")),
                ("P-256 without kid", es256.header("kid", "")),
                ("typ JWT", forge.header("typ", "\"JWT\"")),
                ("typ jwt", forge.header("typ", "\"jwt\"")),
                ("typ of RFC 7523bis", forge.header("typ", "\"client-authentication+jwt\"")),
                ("for the endpoint", forge.claim("aud", &format!("\"{}/oauth/token\"", app.base))),
                ("for an hour", forge.claim("exp", &(now + 3600).to_string())),
                ("without iat", forge.claim("iat", "")),
                ("from a clock half a minute ahead", forge.claim("iat", &(now + 30).to_string())),
                ("good since a while", forge.claim("nbf", &(now - 60).to_string())),
                ("with a claim of its own", forge.claim("surprise", "{\"a\":[1,2]}")),
                ("with a long jti", forge.claim("jti", &json!("x".repeat(256)).to_string())),
            ],
        );
        for (name, assertion) in &good {
            let reply = ask(app, assertion).await;
            assert_eq!(reply.status, 200, "{name}: {}", reply.text);
            opens(app, name, reply.json["access_token"].as_str().unwrap()).await;
        }
        // and none of them twice
        buy_nothing(app, &good).await;
    });
}

#[test]
fn no_database_is_asked_for_an_assertion_that_is_none() {
    run(async |app| {
        let forge = Forge::of_client(app, officer(app));
        let lure = Lure::new();
        let mut table = Table::new();
        for name in ["jku", "jwk", "crit", "b64", "zip", "x5u"] {
            table.push((name.to_owned(), forge.header(name, &lure.url())));
        }
        rows(
            &mut table,
            [
                ("no JWT", "x".to_owned()),
                ("two parts", forge.parts(|h, c, _| format!("{h}.{c}"))),
                ("an access token's type", forge.header("typ", "\"at+jwt\"")),
                ("no sub", forge.claim("sub", "")),
                ("aud is a list", forge.claim("aud", &json!([app.base]).to_string())),
                ("no jti", forge.claim("jti", "")),
                ("sub is no id", forge.claim("sub", "\"x\"")),
                ("100 kB", "x".repeat(100_000)),
            ],
        );
        assert_eq!(app.calls_of(async || buy_nothing(app, &table).await).await, 0);
    });
}

#[test]
fn an_assertion_is_used_once_however_it_is_sent() {
    run(async |app| {
        let es256 = Forge::of_client_es256(app, officer(app));
        for _ in 0..support::rounds(20) {
            let one = es256.token();
            // the same text with its other signature is the same assertion
            let (text, signature) = one.rsplit_once('.').unwrap();
            let twin = format!("{text}.{}", encode(forge::p256_twin(forge::decode(signature))));
            let tries = (0..50).map(|n| ask(app, if n % 2 == 0 { &one } else { &twin }));
            let replies = futures_util::future::join_all(tries).await;
            let (won, lost): (Vec<_>, Vec<_>) = replies.into_iter().partition(|reply| reply.status == 200);
            assert_eq!(won.len(), 1);
            let fault = |reply: &Reply| (reply.status, reply.json["error_description"].as_str().unwrap().to_owned());
            assert!(lost.iter().all(|r| fault(r) == (401, "the assertion was used before".to_owned())), "{lost:?}");
            buy_nothing(app, &vec![("again".to_owned(), one), ("its twin".to_owned(), twin)]).await;
        }
        // whose claims differ in anything but jti is the same assertion too; another client's of that jti is not
        let forge = Forge::of_client(app, officer(app));
        let jti = forge.fresh()["jti"].to_string();
        ask(app, &forge.claim("jti", &jti)).await.expect(200);
        buy_nothing(app, &vec![("again".to_owned(), es256.claim("jti", &jti))]).await;
        let other = Forge::of_client(app, app.credential("BPJS Kesehatan", ClientKind::System));
        ask(app, &other.claim("jti", &jti)).await.expect(200);
    });
}

#[test]
fn keys_and_clients_that_are_gone_buy_nothing() {
    run(async |app| {
        let own = officer(app);
        let (forge, es256) = (Forge::of_client(app, own), Forge::of_client_es256(app, own));
        app.sql(&format!("UPDATE client_keys SET removed_at = now() WHERE kid = '{}'", own.es256_kid)).await;
        let no_kid = es256.header("kid", "");
        buy_nothing(app, &vec![("a key removed".to_owned(), es256.token()), ("without kid".to_owned(), no_kid)]).await;
        ask(app, &forge.token()).await.expect(200);
        for (name, gone, back) in [
            ("disabled", "active = false", "active = true"),
            ("expired", "expires_at = now() - interval '1 second'", "expires_at = NULL"),
        ] {
            let client = &own.client_id;
            app.sql(&format!("UPDATE access_state SET {gone} WHERE client_id = '{client}'")).await;
            until(app, &forge, 401).await;
            buy_nothing(app, &vec![(name.to_owned(), forge.token())]).await;
            app.sql(&format!("UPDATE access_state SET {back} WHERE client_id = '{client}'")).await;
            until(app, &forge, 200).await;
        }
    });
}

/// The memory of who may call lasts half a second.
async fn until(app: &TestApp, forge: &Forge, status: u16) {
    let begun = Instant::now();
    while ask(app, &forge.token()).await.status != status {
        assert!(begun.elapsed() < Duration::from_secs(5), "still not {status}");
    }
}

#[test]
fn a_client_proves_itself_in_one_way_and_in_one_place() {
    run(async |app| {
        let (own, nobody) = (officer(app), app.nobody());
        let forge = Forge::of_client(app, own);
        let basic = basic(format!("{}:{}", own.client_id, own.client_secret));
        let send = |form: &[(&str, &str)]| nobody.form("/oauth/token", form);
        let other = &app.credential("BPJS Kesehatan", ClientKind::System).client_id;
        let one = forge.token();
        let (jwt, two) = (("client_assertion", one.as_str()), forge.token());
        let secret = ("client_secret", own.client_secret.as_str());
        let id = ("client_id", own.client_id.as_str());
        let saml = ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer");
        let in_query = format!("/oauth/token?client_assertion_type={ASSERTION}&client_assertion={one}");
        let all = json!({ "grant_type": GRANT.1, "client_assertion_type": ASSERTION, "client_assertion": one });
        let with = |header: &str| send(&[GRANT]).header("authorization", header);
        let grant = |grant: &str| send(&[("grant_type", grant), BY_JWT, jwt, ("assertion", &one)]);
        let more = |name: &str, value: &str| send(&[GRANT, BY_JWT, jwt, (name, value)]);
        for (name, request, refusal) in [
            ("secret and assertion", send(&[GRANT, BY_JWT, jwt]).header("authorization", &basic), REQUEST),
            ("secret in both places", send(&[GRANT, id, secret]).header("authorization", &basic), REQUEST),
            ("secret in the body", send(&[GRANT, id, secret]), REQUEST),
            ("secret in the body, and an assertion", send(&[GRANT, BY_JWT, jwt, secret]), REQUEST),
            ("two headers", with(&basic).and_header("authorization", &basic), REQUEST),
            ("nothing", send(&[GRANT]), CLIENT),
            ("the id alone", send(&[GRANT, id]), CLIENT),
            ("no type", send(&[GRANT, jwt]), REQUEST),
            ("another type", send(&[GRANT, saml, jwt]), REQUEST),
            ("the type in capitals", send(&[GRANT, (BY_JWT.0, &BY_JWT.1.to_uppercase()), jwt]), REQUEST),
            ("the type alone", send(&[GRANT, BY_JWT]), CLIENT),
            ("the assertion twice", send(&[GRANT, BY_JWT, jwt, jwt]), REQUEST),
            ("two assertions", send(&[GRANT, BY_JWT, jwt, (jwt.0, &two)]), REQUEST),
            ("the type twice", send(&[GRANT, BY_JWT, BY_JWT, jwt]), REQUEST),
            ("the grant twice", send(&[GRANT, GRANT, BY_JWT, jwt]), REQUEST),
            ("a parameter twice that nobody knows", send(&[GRANT, BY_JWT, jwt, ("x", "1"), ("x", "1")]), REQUEST),
            ("scope twice", send(&[GRANT, BY_JWT, jwt, ("scope", "cases:read"), ("scope", "")]), REQUEST),
            ("in the query", nobody.form(&in_query, &[GRANT]), CLIENT),
            ("in JSON", nobody.post("/oauth/token", all), REQUEST),
            ("as a bearer token", with(&format!("Bearer {one}")), CLIENT),
            ("for another client", more("client_id", other), REQUEST),
            ("a grant that is not offered", grant("password"), GRANT_TYPE),
            ("the other grant of RFC 7523", grant("urn:ietf:params:oauth:grant-type:jwt-bearer"), GRANT_TYPE),
            ("the grant in capitals", grant("CLIENT_CREDENTIALS"), GRANT_TYPE),
            ("no grant", send(&[BY_JWT, jwt]), REQUEST),
            ("more scopes than its own", more("scope", "agencies:admin"), SCOPE),
            ("a scope that nobody knows", more("scope", "cases:read everything"), SCOPE),
            ("scopes with two blanks", more("scope", "cases:read  cases:write"), SCOPE),
            ("a user with a line break", more("acting_user", "a\nb"), REQUEST),
            ("a user with a NUL", more("acting_user", "a\0b"), REQUEST),
            ("a user written from right to left", more("acting_user", "a\u{202e}b"), REQUEST),
        ] {
            let reply = request.await;
            let answer = (reply.status, reply.json["error"].as_str().unwrap_or_default());
            assert_eq!(answer, refusal, "{name}: {}", reply.text);
            let challenge = if reply.status == 401 { "Basic realm=\"simpul\"" } else { "" };
            assert_eq!(reply.header("www-authenticate"), challenge, "{name}");
            not_echoed(name, &reply, &format!("{one} {two} {} {basic}", own.client_secret));
        }
        // none of these used it up
        send(&[GRANT, BY_JWT, jwt, id, ("scope", ""), ("unknown", "1")]).await.expect(200);
        send(&[GRANT, id]).header("authorization", &basic).await.expect(200);
    });
}

fn hex(bytes: &[u8], before: &str) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + before + &format!("{byte:02x}"))
}

fn basic(text: impl AsRef<[u8]>) -> String {
    format!("Basic {}", STANDARD.encode(text))
}

#[test]
fn a_secret_is_taken_as_it_was_given_and_no_other_way() {
    run(async |app| {
        let own = officer(app);
        let (id, secret) = (&own.client_id, &own.client_secret);
        let other = &app.credential("BPJS Kesehatan", ClientKind::System).client_secret;
        let escaped = hex(secret.as_bytes(), "%");
        let good = basic(format!("{id}:{secret}"));
        let hash = hex(&crypto::sha256(secret.as_bytes()), "");
        for (name, header) in [
            ("no secret", basic(id)),
            ("an empty secret", basic(format!("{id}:"))),
            ("an empty id", basic(format!(":{secret}"))),
            ("a colon alone", basic(":")),
            ("another client's secret", basic(format!("{id}:{other}"))),
            ("the hash of the secret", basic(format!("{id}:{hash}"))),
            ("the secret and a blank", basic(format!("{id}:{secret} "))),
            ("a blank and the secret", basic(format!("{id}: {secret}"))),
            ("the secret and a NUL", basic(format!("{id}:{secret}\0"))),
            ("the secret and a line break", basic(format!("{id}:{secret}\n"))),
            ("the secret and more behind an ampersand", basic(format!("{id}:{secret}&x"))),
            ("the id and more behind an ampersand", basic(format!("{id}&x:{secret}"))),
            ("the secret and more behind a colon", basic(format!("{id}:{secret}:x"))),
            ("half of the secret", basic(format!("{id}:{}", &secret[..secret.len() / 2]))),
            ("the secret in capitals", basic(format!("{id}:{}", secret.to_uppercase()))),
            ("escaped twice", basic(format!("{id}:{}", escaped.replace('%', "%25")))),
            ("half an escape", basic(format!("{id}:{secret}%"))),
            ("bytes that are no text", basic([id.as_bytes(), b":", secret.as_bytes(), b"\xff"].concat())),
            ("such bytes, escaped", basic(format!("{id}:{secret}%ff"))),
            ("an unknown client", basic(format!("{}:{secret}", Uuid::now_v7()))),
            ("no id", basic(format!("x:{secret}"))),
            ("SQL for an id", basic(format!("' OR 1=1 --:{secret}"))),
            ("the two exchanged", basic(format!("{secret}:{id}"))),
            ("not encoded", format!("Basic {id}:{secret}")),
            ("padding missing", basic(format!("{id}:{secret}  ")).trim_end_matches('=').to_owned() + "="),
            ("of another scheme", good.replace("Basic", "Digest")),
            ("without a scheme", good.replace("Basic ", "")),
            ("the scheme alone", "Basic".to_owned()),
            ("nothing", String::new()),
        ] {
            let reply = app.nobody().form("/oauth/token", &[GRANT]).header("authorization", &header).await;
            let answer = (reply.status, reply.json["error"].as_str().unwrap_or_default());
            assert_eq!(answer, CLIENT, "{name}: {}", reply.text);
            assert_eq!(reply.header("www-authenticate"), "Basic realm=\"simpul\"", "{name}");
            not_echoed(name, &reply, &header);
        }
        for (name, header) in [
            ("as it is", good.clone()),
            ("the scheme in small letters", good.replace("Basic", "basic")),
            ("escaped", basic(format!("{id}:{escaped}"))),
        ] {
            let reply = app.nobody().form("/oauth/token", &[GRANT]).header("authorization", &header).await;
            assert_eq!(reply.status, 200, "{name}: {}", reply.text);
        }
    });
}

//! Addresses: the networks that a client may call from, and which address a request comes from.
use super::error::Fault;
use actix_web::http::header::HeaderMap;
use diesel::{deserialize::FromSqlRow, expression::AsExpression, pg::Pg, sql_types};
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use utoipa::PartialSchema;
use utoipa::openapi::schema::ArrayBuilder;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, SchemaFormat, schema::Type};

/// A range of addresses such as `203.0.113.0/24` or `2001:db8::/32`; a bare address stands for itself alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, FromSqlRow, AsExpression)]
#[serde(try_from = "String", into = "String")]
#[diesel(sql_type = sql_types::Text)]
pub struct Network(IpNet);

/// Not a network.
pub const MALFORMED_NETWORK: Fault = Fault::new(
    "network_malformed",
    "bukan rentang alamat IP; contoh: 203.0.113.0/24",
    "not a range of IP addresses; example: 203.0.113.0/24",
);

impl Network {
    /// Whether an address lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl FromStr for Network {
    type Err = Fault;

    /// Bits behind the prefix must be zero: `10.0.0.1/8` is more likely a mistake than a network.
    fn from_str(raw: &str) -> Result<Self, Fault> {
        let net = raw.parse::<IpNet>().or_else(|_| raw.parse::<IpAddr>().map(IpNet::from));
        let net = net.map_err(|_| MALFORMED_NETWORK)?;
        // An IPv4 address in the clothes of IPv6 is looked at as IPv4, and would never be in it.
        let mapped = matches!(net.addr(), IpAddr::V6(address) if address.to_ipv4_mapped().is_some());
        if net == net.trunc() && !mapped { Ok(Self(net)) } else { Err(MALFORMED_NETWORK) }
    }
}

impl TryFrom<String> for Network {
    type Error = Fault;
    fn try_from(raw: String) -> Result<Self, Fault> {
        raw.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.0.to_string()
    }
}

impl PartialSchema for Network {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::Custom("ip-network".to_owned())))
            .min_length(Some(2))
            .max_length(Some(43))
            .description(Some("Range of IP addresses (CIDR), IPv4 or IPv6; bits behind the prefix are zero. A bare address is a range of one."))
            .examples([serde_json::json!("203.0.113.0/24")])
            .into()
    }
}
impl utoipa::ToSchema for Network {
    fn name() -> std::borrow::Cow<'static, str> {
        "Network".into()
    }
}

/// The networks of one client, no more than a person can keep in mind; none: everywhere.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "Vec<Network>")]
pub struct Networks(pub Vec<Network>);

const MOST: usize = 20;

impl TryFrom<Vec<Network>> for Networks {
    type Error = Fault;
    fn try_from(list: Vec<Network>) -> Result<Self, Fault> {
        if list.len() <= MOST {
            return Ok(Self(list));
        }
        Err(Fault::with("too_many", format!("paling banyak {MOST}"), format!("at most {MOST}")))
    }
}

impl PartialSchema for Networks {
    fn schema() -> RefOr<Schema> {
        ArrayBuilder::new()
            .items(Network::schema())
            .max_items(Some(MOST))
            .description(Some("From where it may ask for tokens and use them; empty: from everywhere."))
            .examples([serde_json::json!(["203.0.113.0/24"])])
            .into()
    }
}
impl utoipa::ToSchema for Networks {
    fn name() -> std::borrow::Cow<'static, str> {
        "Networks".into()
    }
}

impl diesel::serialize::ToSql<sql_types::Text, Pg> for Network {
    fn to_sql<'b>(&'b self, out: &mut diesel::serialize::Output<'b, '_, Pg>) -> diesel::serialize::Result {
        std::io::Write::write_all(out, self.0.to_string().as_bytes())?;
        Ok(diesel::serialize::IsNull::No)
    }
}

impl diesel::deserialize::FromSql<sql_types::Text, Pg> for Network {
    fn from_sql(bytes: diesel::pg::PgValue<'_>) -> diesel::deserialize::Result<Self> {
        std::str::from_utf8(bytes.as_bytes())?.parse().map_err(|_| "not a network".into())
    }
}

/// Whether one may call from an address who is limited to `networks`; no networks: from everywhere, an address that is
/// not known included.
pub fn allows(networks: &[Network], address: Option<IpAddr>) -> bool {
    networks.is_empty() || address.is_some_and(|address| networks.iter().any(|network| network.contains(address)))
}

/// The address that a request comes from: of the connection, and behind one of our own proxies the last one that no
/// proxy of ours has. `None`: a proxy of ours does not tell it, or tells two. What a stranger wrote into the headers stands
/// before what our proxy added, and is never reached.
pub fn address_of(peer: IpAddr, headers: &HeaderMap, proxies: &[Network]) -> Option<IpAddr> {
    let peer = peer.to_canonical();
    let ours = |address: IpAddr| proxies.iter().any(|proxy| proxy.contains(address));
    if !ours(peer) {
        return Some(peer);
    }
    let client = |hops: Vec<Option<IpAddr>>| {
        let mut nearest = peer;
        for hop in hops.into_iter().rev() {
            nearest = hop?;
            if !ours(nearest) {
                break;
            }
        }
        Some(nearest)
    };
    let plain = joined(headers, "x-forwarded-for").map(|text| text.split(',').map(hop).collect());
    let standard = joined(headers, "forwarded").map(|text| forwarded(&text));
    match (plain.map(client), standard.map(client)) {
        (None, None) => Some(peer),
        (Some(told), None) | (None, Some(told)) => told,
        // A proxy that writes one header may let a stranger's other one through.
        (Some(one), Some(other)) => one.filter(|_| one == other),
    }
}

/// A list header, its lines joined as RFC 9110 says (section 5.3); one that is not text is a list of nothing known.
fn joined(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines: Vec<&str> = headers.get_all(name).map(|line| line.to_str().unwrap_or("?")).collect();
    (!lines.is_empty()).then(|| lines.join(","))
}

/// One address, with or without a port.
fn hop(raw: &str) -> Option<IpAddr> {
    let raw = raw.trim();
    let bare = raw.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(raw);
    let address = bare.parse().ok().or_else(|| raw.parse::<SocketAddr>().ok().map(|socket| socket.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

/// `for` of each element (RFC 7239).
fn forwarded(text: &str) -> Vec<Option<IpAddr>> {
    // A quote that a stranger leaves open would swallow what our proxy added.
    if text.matches('"').count() % 2 == 1 {
        return vec![None];
    }
    let parameter = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then(|| hop(value.trim().trim_matches('"')))
    };
    let element = |element: &str| {
        let mut told = unquoted(element, ';').into_iter().filter_map(parameter);
        told.next().flatten().filter(|_| told.next().is_none())
    };
    unquoted(text, ',').into_iter().map(element).collect()
}

/// Splits at `mark` outside of quotes.
fn unquoted(text: &str, mark: char) -> Vec<&str> {
    let mut quoted = false;
    text.split(|c| {
        quoted ^= c == '"';
        c == mark && !quoted
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::{HeaderName, HeaderValue};

    fn network(raw: &str) -> Result<String, Fault> {
        raw.parse::<Network>().map(String::from)
    }

    #[test]
    fn a_network_has_no_bits_behind_its_prefix() {
        assert_eq!(network("203.0.113.0/24").unwrap(), "203.0.113.0/24");
        assert_eq!(network("203.0.113.7").unwrap(), "203.0.113.7/32");
        assert_eq!(network("2001:DB8::/32").unwrap(), "2001:db8::/32");
        for bad in
            ["", "203.0.113.7/24", "203.0.113.0/33", "10.0.0/8", "::ffff:10.0.0.0/104", "2001:db8::1/32", "a", " ::1"]
        {
            assert_eq!(network(bad), Err(MALFORMED_NETWORK), "{bad}");
        }
        let home: Network = "10.0.0.0/8".parse().unwrap();
        assert!(home.contains("::ffff:10.1.2.3".parse().unwrap()) && !home.contains("11.0.0.1".parse().unwrap()));
    }

    fn seen(peer: &str, sent: &[(&'static str, &str)]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in sent {
            headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        let proxies = ["10.0.0.0/8", "2001:db8::/32"].map(|raw| raw.parse().unwrap());
        address_of(peer.parse().unwrap(), &headers, &proxies).map(|address| address.to_string())
    }

    #[test]
    fn headers_count_only_where_a_proxy_of_ours_wrote_them() {
        const PLAIN: &str = "x-forwarded-for";
        const STANDARD: &str = "forwarded";
        for (peer, sent, expected) in [
            ("198.51.100.9", vec![(PLAIN, "203.0.113.7")], Some("198.51.100.9")),
            ("198.51.100.9", vec![(STANDARD, "for=203.0.113.7")], Some("198.51.100.9")),
            ("::ffff:198.51.100.9", vec![], Some("198.51.100.9")),
            ("10.0.0.1", vec![], Some("10.0.0.1")),
            ("10.0.0.1", vec![(PLAIN, "203.0.113.7")], Some("203.0.113.7")),
            ("::ffff:10.0.0.1", vec![(PLAIN, "203.0.113.7:4711")], Some("203.0.113.7")),
            // what a stranger wrote stands before what our proxies added
            ("10.0.0.1", vec![(PLAIN, "6.6.6.6, 203.0.113.7, 10.0.0.2")], Some("203.0.113.7")),
            ("10.0.0.1", vec![(PLAIN, "6.6.6.6"), (PLAIN, "203.0.113.7")], Some("203.0.113.7")),
            ("10.0.0.1", vec![(PLAIN, "nonsense, 203.0.113.7")], Some("203.0.113.7")),
            ("10.0.0.1", vec![(PLAIN, "10.0.0.3, 10.0.0.2")], Some("10.0.0.3")),
            ("10.0.0.1", vec![(PLAIN, "203.0.113.7, unknown")], None),
            ("10.0.0.1", vec![(PLAIN, "203.0.113.7,")], None),
            ("10.0.0.1", vec![(PLAIN, "")], None),
            ("2001:db8::1", vec![(STANDARD, "for=6.6.6.6, for=203.0.113.7;proto=https")], Some("203.0.113.7")),
            ("10.0.0.1", vec![(STANDARD, "by=x;For=\"[2001:db9::7]:4711\"")], Some("2001:db9::7")),
            ("10.0.0.1", vec![(STANDARD, "for=_hidden")], None),
            ("10.0.0.1", vec![(STANDARD, "proto=https")], None),
            ("10.0.0.1", vec![(STANDARD, "for=6.6.6.6;for=203.0.113.7")], None),
            // an open quote does not hide what our proxy added
            ("10.0.0.1", vec![(STANDARD, "for=6.6.6.6;x=\""), (STANDARD, "for=203.0.113.7")], None),
            ("10.0.0.1", vec![(STANDARD, "for=6.6.6.6;x=\""), (STANDARD, "for=\"[2001:db9::7]\"")], None),
            ("10.0.0.1", vec![(STANDARD, "for=6.6.6.6;x=\"a,b\", for=203.0.113.7")], Some("203.0.113.7")),
            // both headers: they must tell the same
            ("10.0.0.1", vec![(PLAIN, "203.0.113.7"), (STANDARD, "for=203.0.113.7")], Some("203.0.113.7")),
            ("10.0.0.1", vec![(PLAIN, "203.0.113.7"), (STANDARD, "for=6.6.6.6")], None),
            ("10.0.0.1", vec![(PLAIN, "?"), (STANDARD, "for=_x")], None),
        ] {
            assert_eq!(seen(peer, &sent).as_deref(), expected, "{peer} {sent:?}");
        }
    }
}

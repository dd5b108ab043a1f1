//! Whose word is taken for where a call comes from (CLU-21).

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// Networks of reverse proxies. What a proxy says about the client in front of it is believed; what others say is dropped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct TrustedProxies(Vec<IpNet>);

/// A network that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no network such as `10.0.0.0/8` or `fd00::/8`")]
#[non_exhaustive]
pub struct NoNetwork(String);

/// Private and loopback networks.
const DEFAULT: [&str; 6] =
    ["127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7"];

/// What only a proxy may say.
const OF_PROXIES: [&str; 8] = [
    "forwarded",
    "x-forwarded-client-cert",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-tls-client-cert",
    "x-forwarded-tls-client-cert-info",
    "x-real-ip",
];

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// How many hops are looked at; the client is taken to be the last of them.
const HOPS_MAX: usize = 32;

impl TrustedProxies {
    /// Tells the client of a request that came from an address, and leaves what is known of it in the headers: afterwards
    /// `X-Forwarded-For` is the client's address and nothing else.
    pub fn apply(&self, remote: IpAddr, headers: &mut HeaderMap) -> IpAddr {
        let remote = remote.to_canonical();
        let mut client = remote;
        if self.contains(remote) {
            client = self.client(remote, headers);
        } else {
            for name in OF_PROXIES {
                headers.remove(name);
            }
        }
        headers.remove(header::FORWARDED);
        if let Ok(value) = HeaderValue::try_from(client.to_string()) {
            headers.insert(X_FORWARDED_FOR, value);
        }
        client
    }

    /// The first address, seen from here, that is no trusted proxy.
    fn client(&self, proxy: IpAddr, headers: &HeaderMap) -> IpAddr {
        let values = headers.get_all(X_FORWARDED_FOR).iter().rev();
        let values = values.filter_map(|value| value.to_str().ok());
        let mut client = proxy;
        for hop in values.flat_map(|value| value.rsplit(',')).take(HOPS_MAX) {
            // Whatever stands before a word that is no address cannot be trusted, either.
            let Some(address) = address(hop.trim()) else { break };
            client = address;
            if !self.contains(client) {
                break;
            }
        }
        client
    }

    fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// An address, of which some proxies tell the port, too.
fn address(text: &str) -> Option<IpAddr> {
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let address = text.parse().ok().or_else(with_port).or_else(bracketed);
    address.map(|address: IpAddr| address.to_canonical())
}

impl Default for TrustedProxies {
    fn default() -> Self {
        Self(DEFAULT.iter().filter_map(|network| network.parse().ok()).collect())
    }
}

impl TryFrom<Vec<String>> for TrustedProxies {
    type Error = NoNetwork;

    fn try_from(networks: Vec<String>) -> Result<Self, NoNetwork> {
        networks.iter().map(|network| one(network)).collect::<Result<_, _>>().map(Self)
    }
}

/// A comma list; an empty one trusts nobody.
impl FromStr for TrustedProxies {
    type Err = NoNetwork;

    fn from_str(list: &str) -> Result<Self, NoNetwork> {
        let networks = list.split(',').map(str::trim).filter(|network| !network.is_empty());
        networks.map(one).collect::<Result<_, _>>().map(Self)
    }
}

fn one(network: &str) -> Result<IpNet, NoNetwork> {
    let alone = || network.parse::<IpAddr>().ok().map(IpNet::from);
    network.parse().ok().or_else(alone).ok_or_else(|| NoNetwork(network.to_owned()))
}

impl From<TrustedProxies> for Vec<String> {
    fn from(proxies: TrustedProxies) -> Self {
        proxies.0.iter().map(ToString::to_string).collect()
    }
}

impl fmt::Display for TrustedProxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Vec::from(self.clone()).join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLIC: &str = "203.0.113.9";

    /// What is left of the headers of a request from an address.
    fn seen(remote: &str, headers: &[(&'static str, &str)]) -> (IpAddr, HeaderMap) {
        let headers = headers.iter().map(|(name, value)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        });
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, value);
        }
        let client = TrustedProxies::default().apply(remote.parse().unwrap(), &mut map);
        (client, map)
    }

    fn client(remote: &str, forwarded_for: &str) -> String {
        let (client, headers) = seen(remote, &[("x-forwarded-for", forwarded_for)]);
        let values: Vec<_> = headers.get_all(X_FORWARDED_FOR).iter().collect();
        assert_eq!(values, [client.to_string().as_str()]);
        client.to_string()
    }

    // CLU-21
    #[test]
    fn what_a_public_address_says_about_itself_is_dropped() {
        assert_eq!(client(PUBLIC, "198.51.100.1"), PUBLIC);
        for name in OF_PROXIES {
            let (_, headers) = seen(PUBLIC, &[(name, "forged")]);
            assert_eq!(headers.len(), 1, "{name} stays");
            assert_eq!(headers[X_FORWARDED_FOR], PUBLIC);
        }
    }

    // CLU-21
    #[test]
    fn a_proxy_tells_its_client_and_the_client_tells_nothing() {
        assert_eq!(client("10.0.0.1", PUBLIC), PUBLIC);
        assert_eq!(client("10.0.0.1", &format!("192.0.2.1, {PUBLIC}, 10.0.0.2")), PUBLIC);
        assert_eq!(client("::ffff:10.0.0.1", &format!("{PUBLIC}:4711")), PUBLIC);
        assert_eq!(client("::1", "[2001:db8::1]"), "2001:db8::1");
        // No address: nothing before it counts.
        assert_eq!(client("10.0.0.1", &format!("{PUBLIC}, unknown")), "10.0.0.1");
        // All are proxies: the farthest.
        assert_eq!(client("10.0.0.1", "10.0.0.3, 10.0.0.2"), "10.0.0.3");
    }

    #[test]
    fn several_headers_are_one_list() {
        let headers = [("x-forwarded-for", "192.0.2.1"), ("x-forwarded-for", PUBLIC)];
        assert_eq!(seen("10.0.0.1", &headers).0.to_string(), PUBLIC);
    }

    #[test]
    fn networks_are_read_and_written() {
        let proxies: TrustedProxies = "10.1.0.0/16, 192.0.2.1".parse().unwrap();
        assert_eq!(proxies.to_string(), "10.1.0.0/16,192.0.2.1/32");
        assert_eq!("".parse(), Ok(TrustedProxies(Vec::new())));
        assert_eq!("10.1/16".parse::<TrustedProxies>(), Err(NoNetwork("10.1/16".to_owned())));
    }
}

//! Where brokers are: addresses that users choose, checked before anybody connects (DESIGN 8).

use std::net::SocketAddr;

use tokio::net::{TcpStream, lookup_host};
use ttn_core::net::Reach;
use url::Url;

use super::ProviderError;

/// A broker's address.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) scheme: String,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: Option<(String, Option<String>)>,
    /// The whole address without user and password.
    url: Url,
}

impl Target {
    /// Reads an address; `schemes` gives the default ports of those that are known.
    pub(super) fn parse(text: &str, schemes: &[(&str, u16)]) -> Result<Self, ProviderError> {
        let wrong = |url: &str, reason: &str| ProviderError::Url {
            url: url.to_owned(),
            reason: reason.to_owned(),
        };
        // The text may have a password in it.
        let url = Url::parse(text).map_err(|error| wrong("(hidden)", &error.to_string()))?;
        let mut shown = url.clone();
        let _ = (shown.set_username(""), shown.set_password(None));
        let known = schemes.iter().find(|(scheme, _)| *scheme == url.scheme());
        let names: Vec<_> = schemes.iter().map(|(scheme, _)| *scheme).collect();
        let unknown = || wrong(shown.as_str(), &format!("use one of {}", names.join(", ")));
        let (scheme, port) = known.ok_or_else(unknown)?;
        let host = url.host_str().ok_or_else(|| wrong(shown.as_str(), "it has no host"))?;
        let user = (!url.username().is_empty())
            .then(|| (decoded(url.username()), url.password().map(decoded)));
        Ok(Self {
            scheme: (*scheme).to_owned(),
            host: host.trim_matches(['[', ']']).to_owned(),
            port: url.port().unwrap_or(*port),
            user,
            url: shown,
        })
    }

    /// The address without user and password, with another scheme and an explicit port.
    pub(super) fn url_as(&self, scheme: &str) -> String {
        let mut url = self.url.clone();
        // Both schemes are special ones, and the address has a host.
        let _ = (url.set_scheme(scheme), url.set_port(Some(self.port)));
        url.into()
    }

    /// The addresses that the name has now and that may be reached.
    pub(super) async fn resolve(&self, reach: Reach) -> std::io::Result<Vec<SocketAddr>> {
        resolve((self.host.as_str(), self.port), reach).await
    }
}

/// Connects to a name, if it may be reached.
pub(super) async fn connect(
    name: impl tokio::net::ToSocketAddrs,
    reach: Reach,
) -> std::io::Result<TcpStream> {
    let addresses = resolve(name, reach).await?;
    let stream = TcpStream::connect(&*addresses).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn resolve(
    name: impl tokio::net::ToSocketAddrs,
    reach: Reach,
) -> std::io::Result<Vec<SocketAddr>> {
    let addresses: Vec<_> = lookup_host(name).await?.collect();
    let allowed = addresses.iter().copied().filter(|address| reach.check(address.ip()).is_ok());
    let allowed: Vec<_> = allowed.collect();
    match addresses.iter().find_map(|address| reach.check(address.ip()).err()) {
        Some(refused) if allowed.is_empty() => {
            Err(std::io::Error::new(std::io::ErrorKind::PermissionDenied, refused))
        }
        _ => Ok(allowed),
    }
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMES: [(&str, u16); 2] = [("mqtt", 1883), ("mqtts", 8883)];

    // AS-47, AS-48
    #[test]
    fn addresses_have_schemes_ports_and_users() {
        let target = Target::parse("mqtts://me:p%40ss@broker.example.org", &SCHEMES).unwrap();
        assert_eq!((target.scheme.as_str(), target.port), ("mqtts", 8883));
        assert_eq!(target.user, Some(("me".to_owned(), Some("p@ss".to_owned()))));
        let target = Target::parse("mqtt://[::1]:77", &SCHEMES).unwrap();
        assert_eq!((target.host.as_str(), target.port), ("::1", 77));
        let target = Target::parse("ws://me:hunter2@broker/mqtt?a=b", &[("ws", 80)]).unwrap();
        assert_eq!(target.url_as("wss"), "wss://broker:80/mqtt?a=b");
        for wrong in ["broker", "http://me:hunter2@broker", "mqtt://"] {
            let error = Target::parse(wrong, &SCHEMES).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}

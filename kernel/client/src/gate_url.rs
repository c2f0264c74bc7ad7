//! A gate on a port of this machine (`--expose-http`), named by URL.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use url::{Host, Url};

use crate::endpoint::EndpointError;

/// `http://HOST[:PORT]` where the host is this machine's loopback: nothing encrypts the way there, so it leads nowhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateUrl {
    /// As it goes into `Host`.
    authority: String,
    addresses: Vec<SocketAddr>,
}

impl GateUrl {
    /// # Errors
    /// [`EndpointError::NotLoopback`] for everything that is not plain HTTP to loopback, path and query included.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        let refused = || EndpointError::NotLoopback { url: text.to_owned() };
        let url = Url::parse(text).map_err(|_| refused())?;
        let is_bare = url.scheme() == "http"
            && url.username().is_empty()
            && url.password().is_none()
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none();
        if !is_bare {
            return Err(refused());
        }
        let ips: Vec<IpAddr> = match url.host() {
            // Not looked up: what the name means here is settled (RFC 6761 section 6.3).
            Some(Host::Domain("localhost")) => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
            Some(Host::Ipv4(ip)) if ip.is_loopback() => vec![ip.into()],
            Some(Host::Ipv6(ip)) if ip.is_loopback() => vec![ip.into()],
            _ => return Err(refused()),
        };
        let port = url.port_or_known_default().ok_or_else(refused)?;
        let host = url.host_str().ok_or_else(refused)?;
        let addresses = ips.into_iter().map(|ip| SocketAddr::new(ip, port)).collect();
        Ok(Self { authority: format!("{host}:{port}"), addresses })
    }

    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }
}

impl fmt::Display for GateUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_taken_under_each_of_its_names() {
        for (text, authority) in [
            ("http://localhost:3000", "localhost:3000"),
            ("http://127.0.0.1:3000/", "127.0.0.1:3000"),
            ("http://[::1]:3000", "[::1]:3000"),
            ("http://localhost", "localhost:80"),
        ] {
            assert_eq!(GateUrl::parse(text).unwrap().authority(), authority);
        }
    }

    #[test]
    fn everything_else_is_refused_with_the_remedy() {
        for text in [
            "https://localhost:3000",
            "http://gate.example:3000",
            "http://10.0.0.1:3000",
            "http://0.0.0.0:3000",
            "http://localhost.evil.test:3000",
            "http://me@localhost:3000",
            "http://localhost:3000/v1",
            "http://localhost:3000?a=b",
            "localhost:3000",
            "",
        ] {
            let error = GateUrl::parse(text).unwrap_err();
            assert!(error.remedy().contains("http://localhost:"), "{text}: {error}");
        }
    }
}

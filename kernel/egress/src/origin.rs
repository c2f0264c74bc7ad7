//! Where a request goes: a URL whose written form and meaning are the same.
//!
//! The policy, the approver and the ledger see a URL as text; a socket needs a host and a port. Everything on which two URL
//! parsers may disagree (WHATWG URL against RFC 3986) is refused here rather than normalised, so that what was
//! judged is what is dialled.

use std::fmt;
use std::net::IpAddr;

use http::uri::PathAndQuery;
use url::{Host, Url};

use crate::addr::{Development, admissible, is_loopback};
use crate::error::Refused;

/// Bytes of a URL at most.
const URL_BYTES_MAX: usize = 8 * 1024;

/// A URL that may be requested: parsed, unambiguous, and permitted as far as can be said before resolving its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    url: Url,
    origin: Origin,
    path_and_query: PathAndQuery,
}

impl Target {
    /// Reads an absolute `https` URL (or `http` to loopback in development). The fragment is dropped.
    ///
    /// # Errors
    /// [`Refused`], naming the part that is ambiguous or forbidden and how to write it instead.
    pub fn parse(text: &str, dev: &Development) -> Result<Self, Refused> {
        let target = Self::read(text)?;
        target.permitted(dev)?;
        Ok(target)
    }

    /// The grammar alone: what it leads to is not judged.
    pub(crate) fn read(text: &str) -> Result<Self, Refused> {
        let written = Written::split(text)?;
        let mut url = Url::parse(text).map_err(|e| Refused::Unparsable(e.to_string()))?;
        url.set_fragment(None);
        let origin = Origin::of(&url, &written)?;
        Ok(Self { path_and_query: path_and_query(&url)?, url, origin })
    }

    /// What would be refused under `dev` without asking DNS: plain `http`, loopback names, forbidden literals.
    pub(crate) fn permitted(&self, dev: &Development) -> Result<(), Refused> {
        let origin = &self.origin;
        match origin.literal() {
            Some(ip) => admissible(ip, dev)
                .map_err(|reason| Refused::Address { host: origin.host.to_string(), reason })?,
            None if origin.is_loopback() && !dev.dangerous_loopback && !dev.dangerous_private => {
                return Err(Refused::LoopbackName(origin.host.to_string()));
            }
            None => {}
        }
        match origin.scheme {
            Scheme::Https => Ok(()),
            Scheme::Http if dev.dangerous_loopback && origin.is_loopback() => Ok(()),
            Scheme::Http if dev.dangerous_private && origin.is_private() => Ok(()),
            Scheme::Http => Err(Refused::PlainHttp(origin.host.to_string())),
        }
    }

    /// Scheme, host and port.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The path, percent-encoded, starting with `/`.
    pub fn path(&self) -> &str {
        self.url.path()
    }

    /// The query without its `?`, percent-encoded.
    pub fn query(&self) -> Option<&str> {
        self.url.query()
    }

    /// The whole URL in canonical form, without fragment.
    pub fn as_str(&self) -> &str {
        self.url.as_str()
    }

    /// Path and query as they stand in the request line (RFC 9112 section 3.2.1, origin-form).
    pub(crate) fn path_and_query(&self) -> &PathAndQuery {
        &self.path_and_query
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The two schemes spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// HTTP/1.1 over TLS.
    Https,
    /// HTTP/1.1 in the clear: loopback in development only.
    Http,
}

impl Scheme {
    /// `https` or `http`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Https => "https",
            Self::Http => "http",
        }
    }

    fn default_port(self) -> u16 {
        match self {
            Self::Https => 443,
            Self::Http => 80,
        }
    }

    fn named(name: &str) -> Result<Self, Refused> {
        match name {
            "https" => Ok(Self::Https),
            "http" => Ok(Self::Http),
            other => Err(Refused::Scheme(other.escape_default().to_string())),
        }
    }
}

/// Scheme, host and port: what a connection is made to and shared by. Displayed as in RFC 6454 section 6.2, the default port left out.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    scheme: Scheme,
    host: Host<String>,
    port: u16,
}

impl Origin {
    fn of(url: &Url, written: &Written<'_>) -> Result<Self, Refused> {
        let scheme = Scheme::named(url.scheme())?;
        let host = url.host().ok_or(Refused::NoHost)?.to_owned();
        let canonical = host.to_string();
        // Case aside (RFC 3986 section 6.2.2.1), a host that changes under parsing hides what it means: decimal,
        // octal, hexadecimal and short IPv4, percent-encoding, IDNA mappings, long IPv6.
        if !written.host.eq_ignore_ascii_case(&canonical) {
            return Err(Refused::HostSpelling {
                written: written.host.escape_default().to_string(),
                canonical,
            });
        }
        if let Host::Domain(name) = &host {
            check_name(name)?;
        }
        let port = url.port().unwrap_or(scheme.default_port());
        if port == 0 {
            return Err(Refused::PortZero);
        }
        Ok(Self { scheme, host, port })
    }

    /// The scheme.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host: a lower-case ASCII name, an IPv4 address, or an IPv6 address in brackets.
    pub fn host(&self) -> String {
        self.host.to_string()
    }

    /// The port, 1..=65535, the scheme's default filled in.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The `Host` header's value (RFC 9110 section 7.2): the port only where it is not the default.
    pub(crate) fn authority(&self) -> String {
        if self.port == self.scheme.default_port() {
            return self.host.to_string();
        }
        format!("{}:{}", self.host, self.port)
    }

    /// The address, where the host is one.
    pub(crate) fn literal(&self) -> Option<IpAddr> {
        match &self.host {
            Host::Domain(_) => None,
            Host::Ipv4(ip) => Some(IpAddr::V4(*ip)),
            Host::Ipv6(ip) => Some(IpAddr::V6(*ip)),
        }
    }

    /// A loopback name, or an address of a private network.
    fn is_private(&self) -> bool {
        let refused = |ip| admissible(ip, &Development::default()).is_err_and(|reason| reason.is_private());
        self.is_loopback() || self.literal().is_some_and(refused)
    }

    /// A loopback address, or a name that RFC 6761 section 6.3 reserves for one.
    pub(crate) fn is_loopback(&self) -> bool {
        match &self.host {
            Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
            Host::Ipv4(ip) => is_loopback(IpAddr::V4(*ip)),
            Host::Ipv6(ip) => is_loopback(IpAddr::V6(*ip)),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.authority())
    }
}

/// The parts of a URL as its author wrote them, before any parser had an opinion.
struct Written<'a> {
    host: &'a str,
}

impl<'a> Written<'a> {
    fn split(text: &'a str) -> Result<Self, Refused> {
        if text.len() > URL_BYTES_MAX {
            return Err(Refused::TooLong { bytes: text.len(), bytes_max: URL_BYTES_MAX });
        }
        // WHATWG strips tabs and line ends anywhere, trims spaces, and reads `\` as `/`.
        if let Some(c) = text.chars().find(|c| *c == '\\' || *c == ' ' || c.is_control()) {
            return Err(Refused::Character(c));
        }
        let (scheme, rest) =
            text.split_once("://").ok_or_else(|| Refused::Unparsable("no \"://\" in it".to_owned()))?;
        Scheme::named(&scheme.to_ascii_lowercase())?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        check_path(tail)?;
        Ok(Self { host: written_host(authority)? })
    }
}

/// The host of `host[:port]`, RFC 3986 section 3.2.
fn written_host(authority: &str) -> Result<&str, Refused> {
    if authority.contains('@') {
        return Err(Refused::UserInfo);
    }
    let host = match authority.find(']') {
        Some(bracket) => &authority[..=bracket],
        None => authority.split(':').next().unwrap_or_default(),
    };
    if host.is_empty() {
        return Err(Refused::NoHost);
    }
    // RFC 6874 wrote zones as %25; browsers and this parser never took them.
    if host.starts_with('[') && host.contains('%') {
        return Err(Refused::ZoneId);
    }
    if host.ends_with('.') {
        return Err(Refused::TrailingDot(host.escape_default().to_string()));
    }
    Ok(host)
}

/// Refuses `.` and `..`, which WHATWG resolves even where they are percent-encoded.
fn check_path(tail: &str) -> Result<(), Refused> {
    let path = tail.split(['?', '#']).next().unwrap_or_default();
    let is_dots =
        |segment: &str| matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..");
    if path.split('/').any(is_dots) { Err(Refused::DotSegment) } else { Ok(()) }
}

/// Lengths of RFC 1035 section 2.3.4; letters, digits and hyphen of RFC 1123 section 2.1, and the underscore that
/// real names carry. The URL parser lets far more through to the resolver.
fn check_name(name: &str) -> Result<(), Refused> {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let is_label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(is_plain);
    if name.len() <= 253 && name.split('.').all(is_label) {
        Ok(())
    } else {
        Err(Refused::HostName(name.to_owned()))
    }
}

fn path_and_query(url: &Url) -> Result<PathAndQuery, Refused> {
    let text = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    PathAndQuery::try_from(text).map_err(|e| Refused::Unparsable(e.to_string()))
}

#[cfg(test)]
mod tests;

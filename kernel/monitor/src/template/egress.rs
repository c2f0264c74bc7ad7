//! Where a template may send: the manifest's `egress` rules, compiled.

use url::{Host, Url};

use crate::manifest::EgressRules;
use crate::schema::{Violation, below};

use super::TemplateError;

#[derive(Debug)]
pub(super) struct Egress {
    domains: Vec<Domain>,
    ports: Vec<u16>,
}

/// A pattern of host names.
#[derive(Debug, PartialEq, Eq)]
enum Domain {
    Any,
    /// `*.example.com`, kept as `.example.com`: every name below, at any depth, not the name itself.
    Below(String),
    Exactly(String),
}

impl Egress {
    pub(super) fn compile(rules: &EgressRules, wrong: &mut Vec<Violation>) -> Self {
        let mut domains = Vec::new();
        for (i, text) in rules.domains.iter().enumerate() {
            match Domain::parse(text) {
                Some(domain) => domains.push(domain),
                None => wrong.push(Violation::new(
                    below("/egress/domains", i),
                    "expected a host in lower case, `*.` and a name of two labels or more, or `*`",
                )),
            }
        }
        Self { domains, ports: rules.ports.clone() }
    }

    pub(super) fn allows_any_host(&self) -> bool {
        self.domains.contains(&Domain::Any)
    }

    /// Whether the host is among those allowed.
    pub(super) fn covers(&self, host: &Host<&str>) -> bool {
        let name = host.to_string();
        self.domains.iter().any(|domain| domain.covers(host, &name))
    }

    /// Scheme, host and port of `url` are among those allowed. Addresses are the egress guard's business.
    ///
    /// # Errors
    /// Which of them is not, and what would be.
    pub(super) fn admit(&self, url: &Url) -> Result<(), TemplateError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(TemplateError::new("expected an http or https url"));
        }
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
            return Err(TemplateError::new("expected a url with a host"));
        };
        if !self.covers(&host) {
            return Err(TemplateError::new("expected one of the hosts that this action may reach"));
        }
        // On loopback, services have whatever port was free; whether loopback is allowed at all the guard decides.
        if !self.ports.contains(&port) && !is_loopback(&host) {
            let ports = self.ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
            return Err(TemplateError::new(format!("expected one of the ports {ports}, found {port}")));
        }
        Ok(())
    }
}

impl Domain {
    fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::Any);
        }
        if let Some(suffix) = text.strip_prefix("*.") {
            let is_name = matches!(Host::parse(suffix).ok()?, Host::Domain(name) if name == suffix);
            return (is_name && suffix.contains('.') && is_dns(suffix))
                .then(|| Self::Below(format!(".{suffix}")));
        }
        let host = Host::parse(text).ok()?;
        let is_fit = host.to_string() == text && (is_dns(text) || !matches!(host, Host::Domain(_)));
        is_fit.then(|| Self::Exactly(text.to_owned()))
    }

    fn covers(&self, host: &Host<&str>, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Below(suffix) => {
                matches!(host, Host::Domain(_))
                    && name.len() > suffix.len()
                    && name.ends_with(suffix.as_str())
            }
            Self::Exactly(exactly) => name == exactly,
        }
    }
}

/// Labels of letters, digits and inner hyphens (RFC 1123 section 2.1), 63 bytes each and 253 in all.
pub(super) fn is_dns(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

pub(super) fn is_loopback_url(url: &Url) -> bool {
    url.host().is_some_and(|host| is_loopback(&host))
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(ip) => ip.is_loopback(),
        Host::Ipv6(ip) => ip.is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn egress(domains: &[&str], ports: &[u16]) -> Egress {
        let rules = EgressRules {
            domains: domains.iter().map(|&d| d.to_owned()).collect(),
            methods: vec![],
            ports: ports.to_vec(),
            redirects: 0,
        };
        let mut wrong = Vec::new();
        let egress = Egress::compile(&rules, &mut wrong);
        assert_eq!(wrong, []);
        egress
    }

    fn admits(domains: &[&str], url: &str) -> bool {
        egress(domains, &[443]).admit(&Url::parse(url).unwrap()).is_ok()
    }

    #[test]
    fn a_host_is_matched_exactly_or_below_a_suffix() {
        assert!(admits(&["api.test"], "https://api.test/"));
        assert!(!admits(&["api.test"], "https://x.api.test/"));
        assert!(!admits(&["api.test"], "https://api.test.evil.test/"));
        assert!(admits(&["*.api.test"], "https://x.api.test/"));
        assert!(admits(&["*.api.test"], "https://x.y.api.test/"));
        assert!(!admits(&["*.api.test"], "https://api.test/"));
        assert!(!admits(&["*.api.test"], "https://evilapi.test/"));
        assert!(admits(&["*"], "https://anything.test/"));
        assert!(admits(&["192.0.2.1"], "https://192.0.2.1/"));
        assert!(!admits(&[], "https://api.test/"));
    }

    #[test]
    fn ports_are_those_listed_except_on_loopback() {
        let egress = egress(&["*"], &[80, 443]);
        for (url, admitted) in [
            ("https://api.test/", true),
            ("http://api.test/", true),
            ("https://api.test:8443/", false),
            ("https://api.test:80/", true),
            ("http://127.0.0.1:8080/", true),
            ("http://[::1]:8080/", true),
            ("http://localhost:8080/", true),
            ("http://localhost.evil.test:8080/", false),
            ("http://10.0.0.1:8080/", false),
            ("ftp://api.test/", false),
        ] {
            assert_eq!(egress.admit(&Url::parse(url).unwrap()).is_ok(), admitted, "{url}");
        }
    }

    #[test]
    fn patterns_that_are_no_hosts_are_refused() {
        for text in [
            "",
            "API.test",
            "api.test.",
            "*.com",
            "*.*.test",
            "a*.test",
            "0x7f.1",
            "127.1",
            "a b",
            "*.127.0.0.1",
            "a/b",
        ] {
            assert_eq!(Domain::parse(text), None, "{text}");
        }
        for text in ["api.test", "localhost", "127.0.0.1", "[::1]", "*.api.test", "xn--bcher-kva.test"] {
            assert!(Domain::parse(text).is_some(), "{text}");
        }
    }
}

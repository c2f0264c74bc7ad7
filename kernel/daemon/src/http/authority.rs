//! What a request on a TCP port must be addressed to. A page in a browser can reach a loopback port under any name that
//! resolves to it; it cannot choose `Host`, and it cannot leave out `Origin`.

use hyper::header::{HOST, HeaderMap, ORIGIN};
use latchgate_monitor::denial::Denial;
use latchgate_wire::problem::Code;

/// The spellings of this gate's own authority.
pub struct Authority {
    accepted: Vec<String>,
}

impl Authority {
    /// The canonical one, and on loopback the usual names with the bound port.
    pub fn new(public_base_url: &str, port: u16) -> Self {
        let canonical = public_base_url.split_once("://").map_or(public_base_url, |(_, rest)| rest);
        let mut accepted = vec![canonical.to_ascii_lowercase()];
        accepted.extend(["localhost", "127.0.0.1", "[::1]"].map(|host| format!("{host}:{port}")));
        Self { accepted }
    }

    /// # Errors
    /// 403 for another `Host`, or for any `Origin`.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), Denial> {
        if headers.contains_key(ORIGIN) {
            return Err(Denial::new(Code::Forbidden, "requests from web pages (Origin) are refused"));
        }
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).map(str::to_ascii_lowercase);
        match host {
            Some(host) if self.accepted.contains(&host) => Ok(()),
            _ => Err(Denial::new(Code::Forbidden, format!("Host: expected {}", self.accepted.join(" or ")))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn the_gates_own_names_are_taken_and_others_are_not() {
        let authority = Authority::new("https://gate.example:8443", 3000);
        for host in
            ["gate.example:8443", "GATE.example:8443", "localhost:3000", "127.0.0.1:3000", "[::1]:3000"]
        {
            assert!(authority.check(&headers(&[("host", host)])).is_ok(), "{host}");
        }
        for host in ["evil.test", "evil.test:3000", "localhost", "127.0.0.1:3001", "localhost:3000.evil.test"]
        {
            assert!(authority.check(&headers(&[("host", host)])).is_err(), "{host}");
        }
        assert!(authority.check(&headers(&[])).is_err());
    }

    #[test]
    fn any_origin_is_refused() {
        let authority = Authority::new("http://localhost:3000", 3000);
        let page = headers(&[("host", "localhost:3000"), ("origin", "http://localhost:3000")]);
        assert_eq!(authority.check(&page).unwrap_err().code, Code::Forbidden);
    }
}

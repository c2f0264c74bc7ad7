//! A URL that is one argument: accepted only where its written form and its meaning are the same.
//!
//! Two URL parsers disagree on backslashes, white space, user-info, odd numbers and dot segments; policy, approver and
//! socket must not. What they disagree on is refused, what remains is given in its normal form.

use url::{Host, Url};

use super::TemplateError;
use super::egress::is_dns;

/// Bytes of a URL at most.
pub(super) const URL_BYTES_MAX: usize = 8 * 1024;

/// The normal form of `text`, without fragment.
///
/// # Errors
/// What is ambiguous or forbidden, and what is expected instead.
pub(super) fn parse(text: &str) -> Result<Url, TemplateError> {
    let written = Written::split(text)?;
    let mut url = Url::parse(text).map_err(|error| TemplateError::new(format!("expected a url: {error}")))?;
    url.set_fragment(None);
    let host = url.host().ok_or_else(|| TemplateError::new("expected a url with a host"))?;
    written.check_host(&host)?;
    if url.port() == Some(0) {
        return Err(TemplateError::new("expected a port from 1 to 65535"));
    }
    Ok(url)
}

/// The parts of a URL as its author wrote them, before any parser had an opinion.
struct Written<'a> {
    host: &'a str,
}

impl<'a> Written<'a> {
    fn split(text: &'a str) -> Result<Self, TemplateError> {
        let expect = |message: &str| Err(TemplateError::new(message));
        if text.len() > URL_BYTES_MAX {
            return expect("expected a url of at most 8,192 bytes");
        }
        // WHATWG URL section 4.4 drops tabs and line ends anywhere, trims, and reads `\` as `/`.
        if text.contains(|c: char| c == '\\' || c.is_whitespace() || c.is_control()) {
            return expect("expected a url without white space, control characters and backslashes");
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return expect("expected a url that begins with https:// or http://");
        };
        if !scheme.eq_ignore_ascii_case("https") && !scheme.eq_ignore_ascii_case("http") {
            return expect("expected a url that begins with https:// or http://");
        }
        let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return expect("expected a url without user-info: no `@` before the path");
        }
        let (host, port) = host_and_port(authority);
        if host.is_empty() {
            return expect("expected a url with a host");
        }
        if host.ends_with('.') {
            return expect("expected a host without a dot at its end");
        }
        if port.is_some_and(|port| port.is_empty() || port.starts_with('0')) {
            return expect("expected a port written without leading zeros");
        }
        if has_dot_segment(tail) {
            return expect("expected a path without `.` and `..` segments, percent-encoded ones included");
        }
        Ok(Self { host })
    }

    /// Case aside (RFC 3986 section 6.2.2.1) a host must not change under parsing: decimal, octal, hexadecimal and short
    /// IPv4, percent-encoding and long IPv6 hide where they lead. Labels beyond ASCII become punycode, visibly; one that
    /// maps to ASCII was made to look like another.
    fn check_host(&self, host: &Host<&str>) -> Result<(), TemplateError> {
        let canonical = host.to_string();
        let is_same = match host {
            Host::Domain(name) => self.is_same_name(name),
            Host::Ipv4(_) | Host::Ipv6(_) => self.host.eq_ignore_ascii_case(&canonical),
        };
        if !is_same {
            return Err(TemplateError::new("expected the host in its normal form")
                .remedy(format!("write the host as {canonical}")));
        }
        Ok(())
    }

    fn is_same_name(&self, name: &str) -> bool {
        let mut canonical = name.split('.');
        let all_same = self.host.split('.').all(|written| match canonical.next() {
            Some(label) if written.is_ascii() => label.eq_ignore_ascii_case(written),
            Some(label) => label.starts_with("xn--"),
            None => false,
        });
        all_same && canonical.next().is_none() && is_dns(name)
    }
}

/// RFC 3986 section 3.2: `host[:port]`, an IPv6 address in brackets.
fn host_and_port(authority: &str) -> (&str, Option<&str>) {
    let end = authority.find(']').map_or(0, |bracket| bracket + 1);
    match authority[end..].find(':') {
        Some(colon) => (&authority[..end + colon], Some(&authority[end + colon + 1..])),
        None => (authority, None),
    }
}

/// `.` and `..`, which WHATWG URL resolves even where they are percent-encoded.
fn has_dot_segment(tail: &str) -> bool {
    let path = tail.split(['?', '#']).next().unwrap_or_default();
    path.split('/').any(|s| matches!(s.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_urls_are_given_in_their_normal_form() {
        for (text, url) in [
            ("https://api.test", "https://api.test/"),
            ("HTTPS://API.test/A?b=C", "https://api.test/A?b=C"),
            ("https://api.test:443/a", "https://api.test/a"),
            ("http://127.0.0.1:8080/a", "http://127.0.0.1:8080/a"),
            ("https://[2001:DB8::1]/", "https://[2001:db8::1]/"),
            ("https://api.test/a#fragment", "https://api.test/a"),
            ("https://evil.test/x@api.test", "https://evil.test/x@api.test"),
            ("https://bücher.test/ü", "https://xn--bcher-kva.test/%C3%BC"),
            ("https://api.test/a//b", "https://api.test/a//b"),
            ("https://api.test/a?..", "https://api.test/a?.."),
            ("https://api.test/...", "https://api.test/..."),
        ] {
            assert_eq!(parse(text).unwrap().as_str(), url, "{text}");
        }
    }

    #[test]
    fn ambiguous_urls_are_refused() {
        for text in [
            "",
            "api.test/a",
            "//api.test/a",
            "https:api.test",
            "https:///api.test",
            "ftp://api.test/",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "https://user@api.test/",
            "https://user:pass@api.test/",
            "https://api.test:443@evil.test/",
            "https://@api.test/",
            "https://api.test\\@evil.test/",
            "https://api.test/a\\b",
            "https://api.test/a b",
            " https://api.test/",
            "https://api.test/\n",
            "https://api.test/\r\nx: y",
            "https://api\t.test/",
            "https://api.test/\u{0}",
            "https://api.test/\u{2003}",
            "https://api.test./",
            "https://ex%61mple.test/",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://0177.0.0.1/",
            "https://127.1/",
            "https://127.0.0.1./",
            "https://[0:0:0:0:0:0:0:1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[fe80::1%25eth0]/",
            "https://１２７.0.0.1/",
            "https://ａpi.test/",
            "https://api。test/",
            "https://api.test:0/",
            "https://api.test:0443/",
            "https://api.test:/",
            "https://api.test:65536/",
            "https://api..test/",
            "https://api.test/a/../b",
            "https://api.test/%2e%2E/b",
            "https://api.test/./b",
        ] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_url_has_at_most_8192_bytes() {
        let of = |bytes: usize| format!("https://api.test/{}", "a".repeat(bytes - 17));
        assert!(parse(&of(8192)).is_ok());
        assert!(parse(&of(8193)).is_err());
    }

    #[test]
    fn a_refused_spelling_comes_with_the_right_one() {
        let refused = parse("https://127.1/").unwrap_err();
        assert_eq!(refused.remediation.as_deref(), Some("write the host as 127.0.0.1"));
    }
}

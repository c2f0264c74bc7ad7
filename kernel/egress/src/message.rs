//! What goes out and what comes back, and the headers a caller may not choose.

use std::fmt;
use std::net::SocketAddr;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Request, StatusCode, Uri};
use http_body_util::Full;

use crate::credentials::Credentials;
use crate::error::Refused;
use crate::origin::{Origin, Target};

/// One request. Header values may hold secrets: `Debug` shows names only.
pub struct Outbound {
    /// Any method but `CONNECT` and `TRACE`.
    pub method: Method,
    /// Where it goes.
    pub target: Target,
    /// Sent in this order, duplicates kept. `host`, `content-length`, `accept-encoding` and everything that concerns
    /// the connection are set here and refused from the caller.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body; sent with a `content-length`, empty for none.
    pub body: Bytes,
    /// Bytes of response body accepted; one more is an error.
    pub response_bytes_max: usize,
    /// Secrets that are put in once the connection stands.
    pub credentials: Option<Credentials>,
}

/// One complete response, redirects included: they are results, not followed.
#[derive(Clone)]
pub struct Reply {
    /// The status, never 1xx.
    pub status: StatusCode,
    /// All response headers, the request's own secrets taken out. `Debug` shows names only: an upstream may echo others.
    pub headers: HeaderMap,
    /// The whole body, not encoded (`content-encoding` is refused), at most `response_bytes_max` bytes.
    pub body: Bytes,
    /// The address the connection was made to: the proxy's, where one was in the way.
    pub remote: SocketAddr,
}

/// The request as it is written on a connection.
pub(crate) type Message = Request<Full<Bytes>>;

/// A request that was checked, headers of our own included, and that may still be completed.
pub(crate) struct Complete {
    method: Method,
    /// Path and query.
    target: PathAndQuery,
    headers: HeaderMap,
    body: Bytes,
}

impl Outbound {
    /// Checks method and headers, adds our own, and forgets where the request goes.
    pub(crate) fn complete(self) -> Result<Complete, Refused> {
        check_method(&self.method)?;
        check_size(&self.headers)?;
        let mut headers = own_headers(self.target.origin())?;
        for (name, value) in self.headers {
            check_name(&name)?;
            append(&mut headers, name, value);
        }
        if !headers.contains_key(header::USER_AGENT) {
            append(&mut headers, header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        }
        let target = self.target.path_and_query().clone();
        Ok(Complete { method: self.method, target, headers, body: self.body })
    }
}

impl Complete {
    pub(crate) fn method(&self) -> &Method {
        &self.method
    }

    /// Path and query.
    pub(crate) fn target(&self) -> &str {
        self.target.as_str()
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    pub(crate) fn body(&self) -> &Bytes {
        &self.body
    }

    /// # Errors
    /// If a header of that name is there already, or is not the caller's to set.
    pub(crate) fn set_header(&mut self, name: HeaderName, value: HeaderValue) -> Result<(), String> {
        if self.headers.contains_key(&name) || check_name(&name).is_err() {
            return Err(format!("the header {name} is taken"));
        }
        append(&mut self.headers, name, value);
        Ok(())
    }

    pub(crate) fn set_body(&mut self, body: Bytes) {
        self.body = body;
    }

    /// # Errors
    /// If what comes out is no path and query.
    pub(crate) fn retarget(&mut self, change: impl FnOnce(&mut String)) -> Result<(), String> {
        let mut text = self.target.as_str().to_owned();
        change(&mut text);
        if text.len() > TARGET_BYTES_MAX {
            return Err(format!("the url would be over {TARGET_BYTES_MAX} bytes"));
        }
        // The error's own words could hold what was put in.
        self.target = PathAndQuery::try_from(text).map_err(|_| "the url cannot hold it".to_owned())?;
        Ok(())
    }

    pub(crate) fn into_message(mut self) -> Message {
        // RFC 9110 section 8.6: methods that usually carry content say so when there is none. hyper adds the length of
        // a body that is there.
        if self.body.is_empty() && [Method::POST, Method::PUT, Method::PATCH].contains(&self.method) {
            append(&mut self.headers, header::CONTENT_LENGTH, HeaderValue::from(0));
        }
        let mut message = Request::new(Full::new(self.body));
        *message.method_mut() = self.method;
        *message.uri_mut() = Uri::from(self.target);
        *message.headers_mut() = self.headers;
        message
    }
}

const USER_AGENT: &str = concat!("latchgate/", env!("CARGO_PKG_VERSION"));

/// Path and query, a secret in them included.
const TARGET_BYTES_MAX: usize = 48 * 1024;

/// Request headers at most, in number and in bytes of names and values.
const HEADERS_MAX: usize = 100;
const HEADER_BYTES_MAX: usize = 64 * 1024;

/// Headers that frame the message, name its receiver, or concern this connection (RFC 9110 sections 7.2, 7.6, 8.6,
/// 10.1, 12.5.3; RFC 9112 section 6). `proxy-*` is refused by prefix.
const RESERVED: &[&str] = &[
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// `CONNECT` makes a tunnel, `TRACE` sends credentials back as content (RFC 9110 sections 9.3.6 and 9.3.8).
fn check_method(method: &Method) -> Result<(), Refused> {
    if *method == Method::CONNECT || *method == Method::TRACE {
        return Err(Refused::Method(method.to_string()));
    }
    Ok(())
}

fn check_name(name: &HeaderName) -> Result<(), Refused> {
    if RESERVED.contains(&name.as_str()) || name.as_str().starts_with("proxy-") {
        return Err(Refused::Header(name.to_string()));
    }
    Ok(())
}

fn check_size(headers: &[(HeaderName, HeaderValue)]) -> Result<(), Refused> {
    let bytes = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if headers.len() > HEADERS_MAX || bytes > HEADER_BYTES_MAX {
        return Err(Refused::HeadTooLarge {
            count: headers.len(),
            bytes,
            count_max: HEADERS_MAX,
            bytes_max: HEADER_BYTES_MAX,
        });
    }
    Ok(())
}

fn own_headers(origin: &Origin) -> Result<HeaderMap, Refused> {
    let host = HeaderValue::try_from(origin.authority()).map_err(|_| Refused::HostName(origin.host()))?;
    let mut headers = HeaderMap::new();
    append(&mut headers, header::HOST, host);
    append(&mut headers, header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    Ok(headers)
}

fn append(headers: &mut HeaderMap, name: HeaderName, mut value: HeaderValue) {
    // Keeps the value out of every `Debug` on the way.
    value.set_sensitive(true);
    headers.append(name, value);
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound")
            .field("method", &self.method)
            .field("origin", &self.target.origin().to_string())
            .field("path", &self.target.path())
            .field("headers", &self.headers.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("body_bytes", &self.body.len())
            .field("credentials", &self.credentials)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("status", &self.status)
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("body_bytes", &self.body.len())
            .field("remote", &self.remote)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addr::Development;

    fn outbound(method: Method, headers: &[(&str, &str)], body: &'static str) -> Outbound {
        let header = |(n, v): &(&str, &str)| (n.parse().unwrap(), v.parse().unwrap());
        Outbound {
            method,
            target: Target::parse("https://api.test:8443/a?b=c", &Development::default()).unwrap(),
            headers: headers.iter().map(header).collect(),
            body: Bytes::from_static(body.as_bytes()),
            response_bytes_max: 0,
            credentials: None,
        }
    }

    #[test]
    fn own_headers_are_added_and_the_target_is_in_origin_form() {
        let message =
            outbound(Method::POST, &[("x-a", "1"), ("x-a", "2")], "").complete().unwrap().into_message();
        assert_eq!(message.uri(), "/a?b=c");
        let values = |name: &str| message.headers().get_all(name).iter().collect::<Vec<_>>();
        assert_eq!(values("host"), ["api.test:8443"]);
        assert_eq!(values("accept-encoding"), ["identity"]);
        assert_eq!(values("content-length"), ["0"]);
        assert_eq!(values("user-agent"), [USER_AGENT]);
        assert_eq!(values("x-a"), ["1", "2"]);
    }

    #[test]
    fn the_caller_may_name_its_user_agent() {
        let message = outbound(Method::GET, &[("user-agent", "app")], "").complete().unwrap().into_message();
        assert_eq!(message.headers().get_all("user-agent").iter().collect::<Vec<_>>(), ["app"]);
    }

    #[test]
    fn reserved_headers_are_refused() {
        let by_prefix = ["proxy-authorization", "proxy-connection"];
        for name in RESERVED.iter().chain(&by_prefix) {
            let refused = outbound(Method::GET, &[(name, "x")], "").complete().err().unwrap();
            assert_eq!(refused, Refused::Header((*name).to_owned()));
        }
    }

    #[test]
    fn connect_and_trace_are_refused() {
        for method in [Method::CONNECT, Method::TRACE] {
            assert!(matches!(outbound(method, &[], "").complete(), Err(Refused::Method(_))));
        }
    }

    #[test]
    fn a_hundred_headers_pass_and_one_more_does_not() {
        assert!(outbound(Method::GET, &[("x-a", "1"); HEADERS_MAX], "").complete().is_ok());
        assert!(outbound(Method::GET, &[("x-a", "1"); HEADERS_MAX + 1], "").complete().is_err());
    }

    #[test]
    fn debug_shows_no_values() {
        let request = outbound(Method::GET, &[("authorization", "Bearer hunter2")], "hunter2");
        let shown = format!("{request:?}");
        assert!(shown.contains("authorization") && !shown.contains("hunter2"), "{shown}");
        let message = format!("{:?}", request.complete().unwrap().into_message().headers());
        assert!(!message.contains("hunter2"), "{message}");
    }
}

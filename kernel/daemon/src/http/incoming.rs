//! A request as it comes in: refused when it could be read in two ways, bounded in size and time.

use std::time::Duration;

use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, HOST, HeaderMap, TRANSFER_ENCODING};
use hyper::{Method, Request, Version};
use latchgate_monitor::authenticator::Presented;
use latchgate_monitor::denial::Denial;
use latchgate_wire::problem::Code;
use zeroize::Zeroizing;

/// Larger than any action's arguments (manifest `limits.request_bytes`).
pub const BODY_BYTES_MAX: usize = 8 << 20;
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest that a client may ask to wait for a decision.
pub const WAIT_MAX: Duration = Duration::from_secs(300);

/// Head and whole body.
pub struct Received {
    pub method: Method,
    pub path: String,
    pub query: Option<String>,
    pub headers: HeaderMap,
    /// Wiped with the request: on the operators' socket it may hold secrets.
    pub body: Zeroizing<Vec<u8>>,
}

impl Received {
    /// # Errors
    /// 400 for a message with two meanings, 408 for a slow body, 413 for a large one.
    pub async fn read(request: Request<Incoming>) -> Result<Self, Denial> {
        let (head, body) = request.into_parts();
        unambiguous(&head.headers, &head.uri, head.version)?;
        let body = tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, BODY_BYTES_MAX).collect());
        let body = match body.await {
            Ok(Ok(body)) => body.to_bytes().to_vec(),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                let detail = format!("the body has more than {BODY_BYTES_MAX} bytes");
                return Err(Denial::new(Code::BodyTooLarge, detail));
            }
            Ok(Err(_)) => return Err(Denial::new(Code::BadRequest, "the body ended before its end")),
            Err(_) => return Err(Denial::new(Code::RequestTimeout, "the body did not come within 30 s")),
        };
        Ok(Self {
            method: head.method,
            path: head.uri.path().to_owned(),
            query: head.uri.query().map(str::to_owned),
            headers: head.headers,
            body: Zeroizing::new(body),
        })
    }

    /// Calls `f` with what lease and proof are checked against.
    pub fn presented<T>(&self, f: impl FnOnce(Presented<'_>) -> T) -> T {
        let values =
            |name: &str| -> Vec<&[u8]> { self.headers.get_all(name).iter().map(|v| v.as_bytes()).collect() };
        f(Presented {
            method: self.method.as_str(),
            path: &self.path,
            authorization: &values("authorization"),
            dpop: &values("dpop"),
            body: &self.body,
        })
    }

    /// The single value of a header, as text.
    ///
    /// # Errors
    /// 400 if it is there twice or is no ASCII text.
    pub fn header(&self, name: &str) -> Result<Option<&str>, Denial> {
        let mut values = self.headers.get_all(name).iter();
        let Some(first) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(Denial::new(Code::BadRequest, format!("more than one {name} header")));
        }
        first
            .to_str()
            .map(Some)
            .map_err(|_| Denial::new(Code::BadRequest, format!("the {name} header is no text")))
    }

    /// `Prefer: wait=N` in seconds (RFC 7240 section 4.3); anything else in the header is ignored, as that RFC demands.
    pub fn wait(&self) -> Duration {
        let preferences = self.headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
        let seconds = preferences
            .flat_map(|value| value.split([',', ';']))
            .find_map(|preference| preference.trim().strip_prefix("wait=")?.parse::<u64>().ok());
        Duration::from_secs(seconds.unwrap_or(0)).min(WAIT_MAX)
    }
}

/// RFC 9112 sections 3.2 and 6.3: what proxies and servers have read differently is refused. Of two body lengths the server
/// library hands on one, so a body comes with `Content-Length` or not at all (section 6.3, 411).
fn unambiguous(headers: &HeaderMap, uri: &hyper::Uri, version: Version) -> Result<(), Denial> {
    let bad = |detail: &str| Err(Denial::new(Code::BadRequest, detail));
    if headers.contains_key(TRANSFER_ENCODING) {
        return Err(Denial::new(Code::LengthRequired, "Transfer-Encoding is not taken")
            .remedy("send the body with Content-Length"));
    }
    if headers.get_all(CONTENT_LENGTH).iter().count() > 1 {
        return bad("more than one Content-Length");
    }
    match (headers.get_all(HOST).iter().count(), version) {
        (1, _) | (0, Version::HTTP_10) => {}
        (0, _) => return bad("expected a Host header"),
        _ => return bad("more than one Host"),
    }
    if uri.authority().is_some() || uri.scheme().is_some() {
        return bad("expected a path on the request line, not a whole URL");
    }
    Ok(())
}

//! An HTTP proxy that the operator named: how it is written, what may be asked of it, and the tunnel it gives.
//!
//! Behind a proxy, names are the proxy's to resolve, so the address guard sees no address of theirs. What can be judged without
//! one still is: address literals, names for loopback, and names that only a private network gives. TLS is end to end:
//! the proxy sees which host and port, and bytes. Its own address is not guarded, since the operator wrote it.
//!
//! Deliberately absent: credentials for the proxy (in its URL they would be a secret in the configuration), TLS to the
//! proxy, proxies from the environment, and plain `http` through one, which is for this machine's loopback alone and goes
//! there directly.

use std::fmt;
use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::error::{ConfigError, Refused, SendError};
use crate::origin::{Origin, Scheme, Target};
use crate::resolve::{Pinned, Resolve};

/// Where a proxy listens: `http://HOST:PORT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    origin: Origin,
}

impl Proxy {
    /// # Errors
    /// [`ConfigError::Proxy`], with what is expected, for anything but an `http` URL of host and port alone. What was written is
    /// not repeated: it could hold a password.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let target = Target::read(text).map_err(|refused| match refused {
            Refused::UserInfo => ConfigError::Proxy(
                "has a user or password in it, which the configuration must not hold; use a proxy that asks for none".into(),
            ),
            other => ConfigError::Proxy(format!("cannot be used: {other}")),
        })?;
        let expected = "expected http://HOST:PORT and nothing else";
        if target.origin().scheme() != Scheme::Http {
            return Err(ConfigError::Proxy(format!("is not spoken to by https; {expected}")));
        }
        if target.path() != "/" || target.query().is_some() || text.contains('#') {
            return Err(ConfigError::Proxy(format!("has a path, a query or a fragment; {expected}")));
        }
        Ok(Self { origin: target.origin().clone() })
    }

    /// The addresses of the proxy itself, unguarded.
    pub(crate) async fn resolve(&self, resolver: &dyn Resolve) -> Result<Pinned, SendError> {
        Pinned::unguarded(&self.origin, resolver).await.map_err(|error| self.blame(error))
    }

    /// Says that it was the proxy that could not be reached.
    pub(crate) fn blame(&self, error: SendError) -> SendError {
        match error {
            SendError::Unreachable(why) => SendError::Unreachable(format!("proxy {self}: {why}")),
            other => other,
        }
    }

    /// Asks for a connection to `origin` on a stream to the proxy (RFC 9110 section 9.3.6). What comes behind is the
    /// origin's.
    pub(crate) async fn tunnel<S>(
        &self,
        mut stream: S,
        origin: &Origin,
        remote: SocketAddr,
    ) -> Result<S, SendError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let failed = |why: String| SendError::Unreachable(format!("proxy {self} at {remote}: {why}"));
        let authority = format!("{}:{}", origin.host(), origin.port());
        let request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.map_err(|error| failed(error.to_string()))?;
        stream.flush().await.map_err(|error| failed(error.to_string()))?;
        match status(&read_head(&mut stream).await.map_err(failed)?) {
            Some(200..=299) => Ok(stream),
            Some(407) => Err(failed("it asks for credentials, which cannot be given to a proxy".into())),
            Some(status) => Err(failed(format!("no tunnel to {authority}: status {status}"))),
            None => Err(failed("its answer is not http/1.1".into())),
        }
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.origin.host(), self.origin.port())
    }
}

/// What only a private network answers: names without a dot, and those kept for such networks (RFC 6761, RFC 6762 with its
/// appendix G, RFC 8375, and `.internal`, which ICANN reserved).
///
/// # Errors
/// [`Refused::PrivateName`].
pub(crate) fn judge(origin: &Origin) -> Result<(), Refused> {
    let host = origin.host();
    if origin.literal().is_some() {
        return Ok(());
    }
    let is_private = !host.contains('.')
        || PRIVATE.iter().any(|name| host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.')));
    if is_private { Err(Refused::PrivateName(host)) } else { Ok(()) }
}

const PRIVATE: [&str; 11] = [
    "corp",
    "home",
    "home.arpa",
    "internal",
    "intranet",
    "lan",
    "local",
    "localdomain",
    "localhost",
    "onion",
    "private",
];

/// Bytes of the head of a proxy's answer.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// The answer up to its empty line. Nothing may come behind it: in a tunnel the client speaks first.
async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>, String> {
    let mut head = Vec::new();
    let mut chunk = [0; 1024];
    loop {
        let length = stream.read(&mut chunk).await.map_err(|error| error.to_string())?;
        if length == 0 {
            return Err("it closed the connection instead of an answer".into());
        }
        let seen = head.len();
        head.extend_from_slice(chunk.get(..length).unwrap_or_default());
        let from = seen.saturating_sub(END.len() - 1);
        let end = head.get(from..).and_then(|new| new.windows(END.len()).position(|window| window == END));
        if head.len() > HEAD_BYTES_MAX {
            return Err(format!("its answer has a head of more than {HEAD_BYTES_MAX} bytes"));
        }
        match end.map(|at| from + at + END.len()) {
            Some(end) if end == head.len() => return Ok(head),
            Some(_) => return Err("it sent bytes before anything was said through the tunnel".into()),
            None => {}
        }
    }
}

const END: &[u8] = b"\r\n\r\n";

/// The code of an HTTP/1 status line (RFC 9112 section 4).
fn status(head: &[u8]) -> Option<u16> {
    let line = head.split(|byte| *byte == b'\r').next()?;
    let rest = line.strip_prefix(b"HTTP/1.1 ").or_else(|| line.strip_prefix(b"HTTP/1.0 "))?;
    let code = rest.get(..3).filter(|code| code.iter().all(u8::is_ascii_digit))?;
    if !matches!(rest.get(3), None | Some(b' ')) {
        return None;
    }
    std::str::from_utf8(code).ok()?.parse().ok()
}

#[cfg(test)]
mod tests;

//! Opens a connection to a pinned address: TCP, TLS for the name, HTTP/1.1.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use crate::client::Limits;
use crate::error::{Phase, SendError};
use crate::origin::{Origin, Scheme};
use crate::proxy::Proxy;
use crate::resolve::Pinned;

/// One HTTP/1.1 connection. Dropping it closes the socket at once, whatever was under way.
pub(crate) struct Connection {
    pub(crate) sender: SendRequest<Full<Bytes>>,
    pub(crate) remote: SocketAddr,
    _driver: Driver,
}

/// The task that moves the connection's bytes.
struct Driver(JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Connection {
    /// Connects to the first pinned address that answers: the origin's, or the proxy's, which then makes the way.
    pub(crate) async fn open(
        origin: &Origin,
        pinned: &Pinned,
        proxy: Option<&Proxy>,
        tls: &TlsConnector,
        limits: &Limits,
        deadline: Instant,
    ) -> Result<Self, SendError> {
        let dialled = dial(pinned.addresses(), limits, deadline).await;
        let (mut tcp, remote) = match proxy {
            Some(proxy) => dialled.map_err(|error| proxy.blame(error))?,
            None => dialled?,
        };
        if let Some(proxy) = proxy {
            tcp = timeout_at(deadline, proxy.tunnel(tcp, origin, remote))
                .await
                .map_err(|_| SendError::timeout(Phase::Tunnel))??;
        }
        match origin.scheme() {
            Scheme::Http => Self::start(tcp, remote, limits).await,
            Scheme::Https => {
                let handshake = tls.connect(server_name(origin)?, tcp);
                let stream = timeout_at(deadline, handshake)
                    .await
                    .map_err(|_| SendError::timeout(Phase::Handshake))?
                    .map_err(|e| {
                        SendError::Unreachable(format!("tls with {} failed: {e}", origin.authority()))
                    })?;
                Self::start(stream, remote, limits).await
            }
        }
    }

    /// Speaks HTTP/1.1 over an established stream. Writes nothing yet.
    pub(crate) async fn start<S>(stream: S, remote: SocketAddr, limits: &Limits) -> Result<Self, SendError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, driver) = Builder::new()
            .max_headers(limits.response_headers_max)
            .max_header_size(limits.response_head_bytes_max)
            .max_buf_size(limits.response_head_bytes_max.max(BUFFER_BYTES))
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|e| SendError::Unreachable(format!("http with {remote} failed: {e}")))?;
        // Its error reaches the sender as well, where it is told.
        let task = tokio::spawn(async move { drop(driver.await) });
        Ok(Self { sender, remote, _driver: Driver(task) })
    }
}

/// Buffered per connection and direction.
const BUFFER_BYTES: usize = 64 * 1024;
/// Addresses tried before giving up; all of them were checked.
const ADDRESSES_MAX: usize = 6;

/// Tries the addresses in order, each with its share of the time left.
pub(crate) async fn dial(
    addresses: &[SocketAddr],
    limits: &Limits,
    deadline: Instant,
) -> Result<(TcpStream, SocketAddr), SendError> {
    let count = addresses.len().min(ADDRESSES_MAX);
    let mut failure = String::from("no address to connect to");
    for (tried, address) in addresses.iter().take(count).enumerate() {
        let now = Instant::now();
        if now >= deadline {
            return Err(SendError::timeout(Phase::Connect));
        }
        let share = (deadline - now) / u32::try_from(count - tried).unwrap_or(1);
        match timeout_at(now + share.min(limits.connect_timeout), TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Small requests leave at once; without it they may wait for an acknowledgement (RFC 9293 3.7.4).
                stream.set_nodelay(true).map_err(|e| SendError::Unreachable(connect_failed(address, &e)))?;
                return Ok((stream, *address));
            }
            Ok(Err(e)) => failure = connect_failed(address, &e),
            Err(_) => failure = format!("connect to {address} timed out"),
        }
    }
    if Instant::now() >= deadline {
        return Err(SendError::timeout(Phase::Connect));
    }
    Err(SendError::Unreachable(failure))
}

fn connect_failed(address: &SocketAddr, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => format!("connect to {address} refused"),
        _ => format!("connect to {address} failed: {error}"),
    }
}

/// The name the certificate must carry: the host of the URL, never what DNS said.
fn server_name(origin: &Origin) -> Result<ServerName<'static>, SendError> {
    if let Some(ip) = origin.literal() {
        return Ok(ServerName::from(ip));
    }
    ServerName::try_from(origin.host())
        .map_err(|e| SendError::Unreachable(format!("{} cannot be verified by tls: {e}", origin.host())))
}

/// The TLS side of [`Connection::open`], built once.
pub(crate) fn connector(config: rustls::ClientConfig) -> TlsConnector {
    TlsConnector::from(Arc::new(config))
}

//! HTTP/1.1 to the gate, over its Unix socket or a loopback port: connections are kept and used again, one request at a time on each.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use crate::endpoint::Endpoint;
use crate::error::ClientError;
use crate::gate_url::GateUrl;
use crate::guard::check_directory;

/// The largest response body taken.
const BODY_BYTES_MAX: usize = 64 << 20;
/// Connections kept open while nothing is asked.
const IDLE_MAX: usize = 32;

type Connection = SendRequest<Full<Bytes>>;

/// The way to one gate. As many connections as there are requests in flight.
pub(crate) struct Transport {
    place: Place,
    idle: Mutex<Vec<Connection>>,
}

enum Place {
    Socket(PathBuf),
    Port(GateUrl),
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// How far a request got.
#[derive(Debug)]
pub(crate) enum SendError {
    /// It did not leave this process.
    NotSent(ClientError),
    /// It left, and no whole answer came.
    Lost(String),
    /// It was answered with more than is taken.
    TooLarge,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").field("place", &self.name()).finish_non_exhaustive()
    }
}

impl Transport {
    pub fn new(socket: &Path) -> Self {
        Self { place: Place::Socket(socket.to_owned()), idle: Mutex::default() }
    }

    /// The way that agents come.
    pub fn for_agents(endpoint: &Endpoint) -> Self {
        match endpoint.url() {
            Some(url) => Self { place: Place::Port(url.clone()), idle: Mutex::default() },
            None => Self::new(endpoint.agent_socket()),
        }
    }

    /// The place as errors name it.
    pub fn name(&self) -> PathBuf {
        match &self.place {
            Place::Socket(socket) => socket.clone(),
            Place::Port(url) => url.to_string().into(),
        }
    }

    /// What goes into `Host`.
    pub fn host(&self) -> &str {
        match &self.place {
            Place::Socket(_) => "localhost",
            Place::Port(url) => url.authority(),
        }
    }

    /// Sends one request and reads the whole answer.
    pub async fn send(&self, request: Request<Full<Bytes>>, within: Duration) -> Result<Answer, SendError> {
        let exchange = self.exchange(request);
        match tokio::time::timeout(within, exchange).await {
            Ok(result) => result,
            Err(_) => Err(SendError::Lost(format!("none came within {} s", within.as_secs()))),
        }
    }

    async fn exchange(&self, mut request: Request<Full<Bytes>>) -> Result<Answer, SendError> {
        // A kept connection may have been closed meanwhile. hyper hands the request back if not a byte of it was
        // written; only then is it sent again, so nothing is ever asked twice.
        while let Some(mut connection) = self.take_idle() {
            // Its last answer was read to the end, so this is a matter of its driver's next turn.
            if connection.ready().await.is_err() {
                continue;
            }
            match connection.try_send_request(request).await {
                Ok(response) => return self.read(connection, response).await,
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(SendError::Lost(error.into_error().to_string())),
                },
            }
        }
        let mut connection = self.connect().await.map_err(SendError::NotSent)?;
        match connection.try_send_request(request).await {
            Ok(response) => self.read(connection, response).await,
            Err(error) => Err(SendError::Lost(error.into_error().to_string())),
        }
    }

    async fn connect(&self) -> Result<Connection, ClientError> {
        let unreachable = |error| ClientError::unreachable(&self.name(), &error);
        match &self.place {
            Place::Socket(socket) => {
                check_directory(socket)?;
                opened(UnixStream::connect(socket).await.map_err(unreachable)?).await
            }
            Place::Port(url) => {
                let stream = TcpStream::connect(url.addresses()).await.map_err(unreachable)?;
                // A request is one write, and nothing is gained by waiting for more of it.
                stream.set_nodelay(true).map_err(unreachable)?;
                opened(stream).await
            }
        }
    }

    async fn read(
        &self,
        connection: Connection,
        response: http::Response<Incoming>,
    ) -> Result<Answer, SendError> {
        let (head, body) = response.into_parts();
        let body = Limited::new(body, BODY_BYTES_MAX).collect().await.map_err(|error| {
            if error.is::<http_body_util::LengthLimitError>() {
                SendError::TooLarge
            } else {
                SendError::Lost(error.to_string())
            }
        })?;
        self.keep(connection);
        Ok(Answer { status: head.status, headers: head.headers, body: body.to_bytes() })
    }

    fn take_idle(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|connection| !connection.is_closed());
        idle.pop()
    }

    fn keep(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX && !connection.is_closed() {
            idle.push(connection);
        }
    }
}

async fn opened<S>(stream: S) -> Result<Connection, ClientError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let handshake = http1::handshake(TokioIo::new(stream)).await;
    let (connection, driver) = handshake.map_err(|error| ClientError::Protocol(error.to_string()))?;
    // Ends when the connection is dropped or the gate closes it; its error reaches whoever waits for an answer.
    tokio::spawn(async move { drop(driver.await) });
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_gate::FakeGate;

    fn get(path: &str) -> Request<Full<Bytes>> {
        Request::get(path).header("host", "localhost").body(Full::default()).unwrap()
    }

    const SOON: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn a_connection_serves_one_request_after_the_other() {
        let gate = FakeGate::answering(|_| (200, "{}".into())).await;
        let transport = Transport::new(&gate.socket());
        for _ in 0..3 {
            assert_eq!(transport.send(get("/a"), SOON).await.unwrap().status, 200);
        }
        assert_eq!(gate.connections(), 1);
    }

    #[tokio::test]
    async fn requests_in_flight_have_connections_of_their_own() {
        let gate = FakeGate::answering(|_| (200, "{}".into())).await;
        let transport = Transport::new(&gate.socket());
        let (one, two) = tokio::join!(transport.send(get("/a"), SOON), transport.send(get("/b"), SOON));
        assert!(one.is_ok() && two.is_ok());
        assert_eq!(gate.connections(), 2);
    }

    #[tokio::test]
    async fn a_gate_that_hangs_up_without_an_answer_loses_it_and_is_not_asked_again() {
        let gate = FakeGate::hanging_up().await;
        let transport = Transport::new(&gate.socket());
        let error = transport.send(get("/a"), SOON).await.unwrap_err();
        assert!(matches!(error, SendError::Lost(_)), "{error:?}");
        assert_eq!(gate.connections(), 1);
    }

    #[tokio::test]
    async fn a_kept_connection_that_was_closed_is_replaced() {
        let gate = FakeGate::closing_after_each(|_| (200, "{}".into())).await;
        let transport = Transport::new(&gate.socket());
        for _ in 0..3 {
            assert_eq!(transport.send(get("/a"), SOON).await.unwrap().status, 200);
        }
        assert_eq!(gate.connections(), 3);
    }

    #[tokio::test]
    async fn no_socket_means_not_sent() {
        let dir = tempfile::tempdir().unwrap();
        let transport = Transport::new(&dir.path().join("gate.sock"));
        let error = transport.send(get("/a"), SOON).await.unwrap_err();
        assert!(matches!(error, SendError::NotSent(ClientError::Unreachable { .. })), "{error:?}");
    }
}

//! One connection: bounded, timed, and aware of when an answer has left for its caller.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use latchgate_monitor::authenticator::Listener;
use latchgate_monitor::denial::Denial;
use latchgate_wire::principal::Principal;
use latchgate_wire::problem::Code;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpListener, UnixListener};

use super::allotment::{Allotment, Place};
use super::authority::Authority;
use super::patient::Patient;
use super::{admin, agent, respond, tcp_peer};
use crate::gate::Gate;

/// Which routes a Unix socket has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Surface {
    Agent,
    /// The agent API for the jail of this name, which is known by its listener.
    Jail(String),
    Admin,
}

/// What a connection is for, and what its requests must be addressed to.
#[derive(Clone)]
enum Entrance {
    Agent(Listener, Option<Arc<Authority>>),
    /// With the process on the other side, where the kernel names it.
    Admin(Option<i32>),
}

/// From the first byte, or from the last answer, to the end of a request's head. Ends idle connections too.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// How long open requests may take to end once the gate is to stop.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Takes connections of a Unix socket until the gate is to end, then lets those that are open finish. None waits to be taken
/// behind others: whoever has more than his share is told so and closed.
pub async fn serve(listener: &UnixListener, gate: Arc<Gate>, surface: &Surface, allotment: Arc<Allotment>) {
    let connections = Connections::new(gate, allotment);
    while let Some(accepted) = connections.next(listener.accept()).await {
        let Some(stream) = accepted else { continue };
        let Ok(peer) = stream.peer_cred() else { continue };
        let Some((stream, place)) = connections.place(peer.uid(), stream) else { continue };
        let entrance = match surface {
            Surface::Admin => Entrance::Admin(peer.pid()),
            Surface::Agent => Entrance::Agent(connections.listener(Principal::Uid(peer.uid())), None),
            Surface::Jail(name) => Entrance::Agent(connections.listener(Principal::Jail(name.clone())), None),
        };
        connections.begin(stream, entrance, place);
    }
    connections.finish().await;
}

/// The same for the agent API on a loopback port: who is there is told by the kernel's socket tables, and what a browser could
/// send is refused by `authority`.
pub async fn serve_tcp(
    listener: &TcpListener,
    gate: Arc<Gate>,
    authority: Arc<Authority>,
    allotment: Arc<Allotment>,
) {
    let connections = Connections::new(gate, allotment);
    while let Some(accepted) = connections.next(listener.accept()).await {
        let Some(stream) = accepted else { continue };
        let addresses = stream.local_addr().and_then(|local| Ok((local, stream.peer_addr()?)));
        let Ok(uid) = addresses.and_then(|(local, peer)| tcp_peer::uid(local, peer)) else {
            tracing::warn!("a connection whose owner the kernel does not name was closed");
            continue;
        };
        let _nodelay_is_a_courtesy = stream.set_nodelay(true);
        let Some((stream, place)) = connections.place(uid, stream) else { continue };
        connections.begin(
            stream,
            Entrance::Agent(connections.listener(Principal::Uid(uid)), Some(Arc::clone(&authority))),
            place,
        );
    }
    connections.finish().await;
}

/// The connections of one listener.
struct Connections {
    gate: Arc<Gate>,
    graceful: GracefulShutdown,
    allotment: Arc<Allotment>,
}

impl Connections {
    fn new(gate: Arc<Gate>, allotment: Arc<Allotment>) -> Self {
        Self { gate, graceful: GracefulShutdown::new(), allotment }
    }

    fn listener(&self, peer: Principal) -> Listener {
        let boundary = self.gate.boundary_for(&peer);
        Listener { peer, boundary }
    }

    /// The next connection, `Some(None)` where accepting failed, `None` when the gate is to end.
    async fn next<S, A>(&self, accept: impl Future<Output = io::Result<(S, A)>>) -> Option<Option<S>> {
        tokio::select! {
            () = self.gate.shutdown.cancelled() => None,
            accepted = accept => match accepted {
                Ok((stream, _)) => Some(Some(stream)),
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted");
                    // Out of descriptors: wait for some to be closed rather than spin.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    Some(None)
                }
            },
        }
    }

    /// A place for one more connection of this user. Without one, `stream` comes back no more: it is told why, and nobody
    /// waits for it.
    fn place<S>(&self, uid: u32, stream: S) -> Option<(S, Place)>
    where
        S: AsyncWrite + Unpin + Send + 'static,
    {
        if let Some(place) = self.allotment.take(uid) {
            return Some((stream, place));
        }
        let denial = Denial::new(Code::Unavailable, "this user has too many connections open already")
            .remedy("close those that are idle, and send the next request on one that is open");
        self.gate.refusals.count(denial.code);
        let bytes = respond::unasked(&denial);
        tokio::spawn(async move { Patient::new(stream).write_all(&bytes).await });
        None
    }

    fn begin<S>(&self, stream: S, entrance: Entrance, place: Place)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let delivery = Arc::new(Delivery { gate: Arc::clone(&self.gate), pending: Mutex::new(None) });
        let io = TokioIo::new(Stream { inner: Patient::new(stream), delivery: Arc::clone(&delivery) });
        let gate = Arc::clone(&self.gate);
        let service = service_fn(move |request| {
            let (gate, entrance, delivery) = (Arc::clone(&gate), entrance.clone(), Arc::clone(&delivery));
            async move {
                let response = match entrance {
                    Entrance::Agent(origin, authority) => {
                        agent::route(&gate, &origin, authority.as_deref(), request, delivery).await
                    }
                    Entrance::Admin(process) => admin::route(&gate, process, request).await,
                };
                Ok::<_, std::convert::Infallible>(response)
            }
        });
        let watched = self.graceful.watch(protocol().serve_connection(io, service));
        tokio::spawn(async move {
            // A broken connection is the client's affair: its call goes on without it.
            if let Err(error) = watched.await {
                tracing::debug!(%error, "connection ended");
            }
            drop(place);
        });
    }

    /// Whoever is in the middle of a request gets the answer; who is idle is closed.
    async fn finish(self) {
        if tokio::time::timeout(CLOSE_TIMEOUT, self.graceful.shutdown()).await.is_err() {
            tracing::warn!("connections were still open at the end");
        }
    }
}

fn protocol() -> http1::Builder {
    let mut protocol = http1::Builder::new();
    protocol.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    protocol.max_buf_size(HEAD_BYTES_MAX).half_close(false);
    protocol
}

/// The answer on its way out of this connection. HTTP/1.1 has one at a time.
pub struct Delivery {
    gate: Arc<Gate>,
    pending: Mutex<Option<u64>>,
}

impl Delivery {
    /// The last byte of this intent's answer is in the connection's buffer.
    pub fn begin(&self, intent_seq: u64) {
        self.gate.deliveries.begin(intent_seq);
        *self.pending.lock().unwrap_or_else(PoisonError::into_inner) = Some(intent_seq);
    }

    /// The buffer is empty: the kernel has every byte.
    fn flushed(&self) {
        if let Some(intent_seq) = self.take() {
            self.gate.deliveries.written(intent_seq);
        }
    }

    fn take(&self) -> Option<u64> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl<S> Drop for Stream<S> {
    /// The connection is over; what was not flushed was not delivered.
    fn drop(&mut self) {
        if let Some(intent_seq) = self.delivery.take() {
            self.delivery.gate.deliveries.abandoned(intent_seq);
        }
    }
}

/// The socket. hyper flushes it after it has written out its whole buffer, and not before.
struct Stream<S> {
    inner: S,
    delivery: Arc<Delivery>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Stream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Stream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(cx);
        if let Poll::Ready(Ok(())) = flushed {
            self.delivery.flushed();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;

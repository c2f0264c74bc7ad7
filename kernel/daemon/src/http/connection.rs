//! One connection: bounded, timed, and aware of when an answer has left for its caller.

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
use latchgate_wire::principal::Principal;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

use super::{admin, agent};
use crate::gate::Gate;

/// Which routes a socket has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surface {
    Agent,
    Admin,
}

/// From the first byte, or from the last answer, to the end of a request's head. Ends idle connections too.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
const HEAD_BYTES_MAX: usize = 64 * 1024;
const CONNECTIONS_MAX: usize = 1024;
/// How long open requests may take to end once the gate is to stop.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Takes connections until the gate is to end, then lets those that are open finish.
pub async fn serve(listener: &UnixListener, gate: Arc<Gate>, surface: Surface) {
    let graceful = GracefulShutdown::new();
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            () = gate.shutdown.cancelled() => break,
            accepted = accept(listener, &permits) => accepted,
        };
        let (stream, permit) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                // Out of descriptors: wait for some to be closed rather than spin.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let Ok(peer) = stream.peer_cred() else { continue };
        let origin = Listener { peer: Principal::Uid(peer.uid()), boundary: gate.boundary };
        let delivery = Arc::new(Delivery { gate: Arc::clone(&gate), pending: Mutex::new(None) });
        let io = TokioIo::new(Stream { inner: stream, delivery: Arc::clone(&delivery) });
        let service = service_fn({
            let gate = Arc::clone(&gate);
            move |request| {
                let (gate, origin, delivery) = (Arc::clone(&gate), origin.clone(), Arc::clone(&delivery));
                async move {
                    let response = match surface {
                        Surface::Agent => agent::route(&gate, &origin, request, delivery).await,
                        Surface::Admin => admin::route(&gate, request, delivery).await,
                    };
                    Ok::<_, std::convert::Infallible>(response)
                }
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(HEAD_BYTES_MAX)
            .half_close(false)
            .serve_connection(io, service);
        let watched = graceful.watch(connection);
        tokio::spawn(async move {
            // A broken connection is the client's affair: its call goes on without it.
            if let Err(error) = watched.await {
                tracing::debug!(%error, "connection ended");
            }
            drop(permit);
        });
    }
    // Whoever is in the middle of a request gets the answer; who is idle is closed.
    if tokio::time::timeout(CLOSE_TIMEOUT, graceful.shutdown()).await.is_err() {
        tracing::warn!("connections were still open at the end");
    }
}

async fn accept(
    listener: &UnixListener,
    permits: &Arc<Semaphore>,
) -> io::Result<(UnixStream, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(permits).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, permit))
}

/// The answer on its way out of this connection. HTTP/1.1 has one at a time.
pub struct Delivery {
    gate: Arc<Gate>,
    pending: Mutex<Option<u64>>,
}

impl Delivery {
    /// The last byte of this intent's answer is in the connection's buffer.
    pub fn begin(&self, intent_seq: u64) {
        *self.pending.lock().unwrap_or_else(PoisonError::into_inner) = Some(intent_seq);
    }

    /// The buffer is empty: the kernel has every byte.
    fn flushed(&self) {
        let sent = self.pending.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(intent_seq) = sent {
            self.gate.mark_delivered(intent_seq);
        }
    }
}

/// The socket. hyper flushes it after it has written out its whole buffer, and not before.
struct Stream {
    inner: UnixStream,
    delivery: Arc<Delivery>,
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
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

//! A service on a loopback port, on a thread of its own: answers at once, after a while, or never, and knows when it was asked.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

use crate::gate::FILE;

/// How long an answer to [`Path::Slow`] takes: a call there runs for about as long.
const SLOW: Duration = Duration::from_millis(200);

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    Prompt,
    Slow,
    Never,
}

/// Lives as long as the process.
pub struct Upstream {
    address: SocketAddr,
    asked: Arc<Mutex<Asked>>,
}

/// Requests until now.
#[derive(Clone, Copy, Default)]
pub struct Asked {
    pub count: usize,
    pub last: Option<Instant>,
}

impl Path {
    fn as_str(self) -> &'static str {
        match self {
            Self::Prompt => "/readme",
            Self::Slow => "/slow",
            Self::Never => "/never",
        }
    }
}

impl Upstream {
    pub fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("no loopback port")?;
        let address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let asked = Arc::default();
        let asking = Arc::clone(&asked);
        std::thread::spawn(move || runtime.block_on(serve(listener, asking)));
        Ok(Self { address, asked })
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Arguments of a call that reads from here.
    pub fn body(&self, path: Path) -> String {
        format!(r#"{{"url":"http://127.0.0.1:{}{}"}}"#, self.port(), path.as_str())
    }

    pub fn asked(&self) -> Asked {
        *lock(&self.asked)
    }
}

fn lock(asked: &Mutex<Asked>) -> MutexGuard<'_, Asked> {
    asked.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(listener: TcpListener, asked: Arc<Mutex<Asked>>) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let asked = Arc::clone(&asked);
        let answer = service_fn(move |request: http::Request<hyper::body::Incoming>| {
            {
                let mut asked = lock(&asked);
                asked.count += 1;
                asked.last = Some(Instant::now());
            }
            let path = request.uri().path().to_owned();
            async move {
                if path == Path::Slow.as_str() {
                    tokio::time::sleep(SLOW).await;
                } else if path == Path::Never.as_str() {
                    std::future::pending::<()>().await;
                }
                Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::from_static(
                    FILE.as_bytes(),
                ))))
            }
        });
        // A connection that the gate gives up is no loss here.
        tokio::spawn(async move {
            drop(http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await)
        });
    }
}

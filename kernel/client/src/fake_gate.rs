//! A server for tests: records requests and answers as told.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tempfile::TempDir;
use tokio::net::UnixListener;

use crate::endpoint::Endpoint;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub query: String,
    pub headers: http::HeaderMap,
    pub body: Bytes,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// In place of a status: no answer at all.
const HANG_UP: u16 = 0;

type Reply = dyn Fn(&Seen) -> (u16, String) + Send + Sync;

enum Manner {
    KeepAlive(Arc<Reply>),
    CloseAfterEach(Arc<Reply>),
    HangUp,
}

pub struct FakeGate {
    dir: TempDir,
    seen: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<AtomicUsize>,
}

impl FakeGate {
    pub async fn answering(reply: impl Fn(&Seen) -> (u16, String) + Send + Sync + 'static) -> Self {
        Self::start(Manner::KeepAlive(Arc::new(reply)))
    }

    pub async fn closing_after_each(reply: impl Fn(&Seen) -> (u16, String) + Send + Sync + 'static) -> Self {
        Self::start(Manner::CloseAfterEach(Arc::new(reply)))
    }

    pub async fn hanging_up() -> Self {
        Self::start(Manner::HangUp)
    }

    /// Gives leases, and closes the connection on requests below `path`.
    pub async fn hanging_up_on(path: &'static str) -> Self {
        Self::answering(move |seen| {
            if seen.path.starts_with(path) {
                (HANG_UP, String::new())
            } else {
                crate::agent::tests::lease(60_000)
            }
        })
        .await
    }

    pub fn endpoint(&self) -> Endpoint {
        Endpoint::new(self.socket(), self.socket())
    }

    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("gate.sock")
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    fn start(manner: Manner) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("gate.sock")).unwrap();
        let gate = Self { dir, seen: Arc::default(), connections: Arc::default() };
        let (seen, connections) = (gate.seen.clone(), gate.connections.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                let (reply, keep_alive) = match &manner {
                    Manner::KeepAlive(reply) => (reply.clone(), true),
                    Manner::CloseAfterEach(reply) => (reply.clone(), false),
                    Manner::HangUp => continue,
                };
                let seen = seen.clone();
                let service = service_fn(move |request| answer(request, reply.clone(), seen.clone()));
                let server = http1::Builder::new()
                    .keep_alive(keep_alive)
                    .serve_connection(TokioIo::new(stream), service);
                tokio::spawn(async move { drop(server.await) });
            }
        });
        gate
    }
}

#[derive(Debug, thiserror::Error)]
#[error("hung up")]
struct HungUp;

async fn answer(
    request: Request<Incoming>,
    reply: Arc<Reply>,
    seen: Arc<Mutex<Vec<Seen>>>,
) -> Result<Response<Full<Bytes>>, HungUp> {
    let (head, body) = request.into_parts();
    let request = Seen {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers,
        body: body.collect().await.unwrap().to_bytes(),
    };
    let (status, text) = reply(&request);
    seen.lock().unwrap().push(request);
    if status == HANG_UP {
        return Err(HungUp);
    }
    Ok(Response::builder().status(status).body(Full::from(text)).unwrap())
}

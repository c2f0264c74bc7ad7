//! An upstream that follows a script, a resolver that follows another, and a private CA.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use latchgate_egress::{Answer, Config, Egress, Outbound, Reply, Resolve, SendError};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

/// What the upstream does with the next request, whichever connection it comes on.
#[derive(Clone, Copy)]
pub enum Step {
    Answer(&'static str),
    AnswerAndClose(&'static str),
    Close,
    Hang,
}

pub const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[derive(Default)]
pub struct Seen {
    script: Mutex<VecDeque<Step>>,
    requests: Mutex<Vec<String>>,
    connections: AtomicUsize,
    received: Notify,
    closed: Notify,
}

pub struct Upstream {
    pub address: SocketAddr,
    seen: Arc<Seen>,
}

impl Upstream {
    pub async fn plain(script: &[Step]) -> Self {
        Self::start("127.0.0.1:0", script, None).await
    }

    pub async fn start(bind: &str, script: &[Step], tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind(bind).await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Seen { script: Mutex::new(script.iter().copied().collect()), ..Seen::default() });
        tokio::spawn(accept(listener, tls, Arc::clone(&seen)));
        Self { address, seen }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn requests(&self) -> Vec<String> {
        self.seen.requests.lock().unwrap().clone()
    }

    pub fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    pub async fn received(&self) {
        self.seen.received.notified().await;
    }

    /// Until a connection is over on this side, and the client's reactor has had every chance to notice.
    pub async fn closed(&self) {
        self.seen.closed.notified().await;
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
    }
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, seen: Arc<Seen>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        seen.connections.fetch_add(1, Ordering::SeqCst);
        let (tls, seen) = (tls.clone(), Arc::clone(&seen));
        tokio::spawn(async move {
            match tls {
                None => serve(stream, &seen).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        serve(stream, &seen).await;
                    }
                }
            }
            seen.closed.notify_one();
        });
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, seen: &Seen) {
    while let Some(request) = read_request(&mut stream).await {
        seen.requests.lock().unwrap().push(request);
        seen.received.notify_one();
        let step = seen.script.lock().unwrap().pop_front().unwrap_or(Step::Close);
        match step {
            Step::Answer(bytes) => stream.write_all(bytes.as_bytes()).await.unwrap(),
            Step::AnswerAndClose(bytes) => return stream.write_all(bytes.as_bytes()).await.unwrap(),
            Step::Close => return,
            Step::Hang => assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0),
        }
    }
}

/// Head and body of one request; `None` at the end of the connection.
async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut text = String::new();
    loop {
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |l| l.parse().unwrap()) {
                return Some(text);
            }
        }
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await {
            Ok(n) if n > 0 => text.push_str(std::str::from_utf8(&buffer[..n]).unwrap()),
            _ => return None,
        }
    }
}

/// Gives its answers in turn, the last one again and again.
pub struct Scripted {
    answers: Vec<Vec<IpAddr>>,
    asked: AtomicUsize,
}

impl Scripted {
    pub fn new(answers: &[&[&str]]) -> Arc<Self> {
        let parse = |answer: &&[&str]| answer.iter().map(|text| text.parse().unwrap()).collect();
        Arc::new(Self { answers: answers.iter().map(parse).collect(), asked: AtomicUsize::new(0) })
    }

    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Resolve for Scripted {
    fn addresses<'a>(&'a self, _: &'a str) -> Answer<'a> {
        let turn = self.asked.fetch_add(1, Ordering::SeqCst).min(self.answers.len() - 1);
        Box::pin(async move { Ok(self.answers[turn].clone()) })
    }
}

/// A CA that exists for one test.
pub struct Ca(CertifiedIssuer<'static, KeyPair>);

impl Ca {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub fn pem(&self) -> Vec<u8> {
        self.0.pem().into_bytes()
    }

    /// A server that holds a certificate for `name`.
    pub fn acceptor(&self, name: &str) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &self.0).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// An egress that reaches loopback.
pub fn development() -> Egress {
    Egress::new(Config { dangerous_loopback: true, ..Config::default() }).unwrap()
}

/// The same, with names from `resolver` and trust in `ca`.
pub fn named(resolver: &Arc<Scripted>, ca: &Ca) -> Egress {
    let resolver: Arc<dyn Resolve> = Arc::clone(resolver) as _;
    Egress::new(Config {
        dangerous_loopback: true,
        extra_ca_pem: Some(ca.pem()),
        resolver,
        ..Config::default()
    })
    .unwrap()
}

pub fn request(egress: &Egress, method: Method, url: &str) -> Outbound {
    Outbound {
        method,
        target: egress.target(url).unwrap(),
        headers: Vec::new(),
        body: Bytes::new(),
        response_bytes_max: 1024,
        credentials: None,
    }
}

pub fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

pub async fn get(egress: &Egress, url: &str) -> Result<Reply, SendError> {
    egress.send(request(egress, Method::GET, url), "test", soon()).await
}

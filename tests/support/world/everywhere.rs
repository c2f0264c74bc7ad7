//! A service at every address of the world: it writes down each connection, and answers what gets as far as a request.

use std::collections::HashMap;
use std::fs;
use std::io::{BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::patience::eventually;
use crate::upstream::{Response, Seen, read_request};

use super::Authority;

/// Ports that are watched: of services that an agent would like to reach, TLS on 443 alone.
const PORTS: [u16; 9] = [22, 80, 443, 2375, 3306, 5432, 6379, 8080, 8443];
/// Names and addresses that TLS is spoken for: all that a test gives to its twins and to the names it rebinds.
const CERTIFIED: [&str; 9] = [
    "*.twin.test",
    "*.evil.test",
    PUBLIC_V4,
    PUBLIC_V6,
    "::ffff:93.184.216.34",
    "64:ff9b::93.184.216.34",
    // Of the actions that ship.
    "api.github.com",
    "slack.com",
    "s3.us-east-1.amazonaws.com",
];
/// Where the fence of [`Everywhere::hits`] connects to; no test uses it.
const FENCE: &str = "127.255.255.1";

const PUBLIC_V4: &str = "93.184.216.34";
const PUBLIC_V6: &str = "2606:2800:220:1::1";

/// A connection that came, and the request on it if it got that far.
#[derive(Clone, Debug)]
pub struct Hit {
    /// What was dialled.
    pub at: SocketAddr,
    pub request: Option<Seen>,
}

/// A hit as it comes about.
struct Caught {
    at: SocketAddr,
    request: Arc<OnceLock<Seen>>,
}

/// The tripwires.
pub struct Everywhere {
    shared: Arc<Shared>,
}

type Answering = dyn Fn(IpAddr, &Seen) -> Response + Send;

struct Shared {
    hits: Mutex<Vec<Caught>>,
    /// How often each port was reached by the fence.
    fences: Mutex<HashMap<u16, u64>>,
    answering: Mutex<Box<Answering>>,
    tls: Arc<ServerConfig>,
}

impl Everywhere {
    /// A public address with a service that any action may reach.
    pub const PUBLIC_V4: &str = PUBLIC_V4;
    pub const PUBLIC_V6: &str = PUBLIC_V6;

    /// # Panics
    /// If a port is taken.
    pub(super) fn start(authority: &Authority, has_ipv6: bool) -> Self {
        let shared = Arc::new(Shared {
            hits: Mutex::default(),
            fences: Mutex::default(),
            answering: Mutex::new(Box::new(|_, _| Response::ok("here"))),
            tls: authority.server(&CERTIFIED),
        });
        // One socket for both, as far as there are both.
        let any = if has_ipv6 { "::" } else { "0.0.0.0" };
        for port in PORTS {
            let listener = TcpListener::bind((any, port)).expect("a port of a network of our own");
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.accept(&listener, port));
        }
        Self { shared }
    }

    /// Answers differently from now on: by the address that was dialled, and the request. Each answer ends its connection.
    pub fn answer(&self, answering: impl Fn(IpAddr, &Seen) -> Response + Send + 'static) {
        *self.shared.answering.lock().unwrap() = Box::new(answering);
    }

    /// Every connection until now, in order for each port. Whatever was dialled before this was called is in it.
    ///
    /// # Panics
    /// If a port takes no connection.
    pub fn hits(&self) -> Vec<Hit> {
        // Connections are accepted in their order: when ours has been, all before it have.
        let before = self.shared.fences.lock().unwrap().clone();
        for port in PORTS {
            drop(TcpStream::connect((fence(), port)).unwrap());
        }
        eventually("the fence", || {
            let fences = self.shared.fences.lock().unwrap();
            PORTS.iter().all(|port| fences.get(port) > before.get(port)).then_some(())
        });
        let hit = |caught: &Caught| Hit { at: caught.at, request: caught.request.get().cloned() };
        self.shared.hits.lock().unwrap().iter().map(hit).collect()
    }

    /// How many connections the gate ever tried to open, on whatever port, as the kernel counts them (`ActiveOpens` of RFC
    /// 4022, for IPv4 and IPv6): nobody else in this network opens any, the fence aside.
    ///
    /// # Panics
    /// If the kernel does not say.
    pub fn attempts(&self) -> u64 {
        let text = fs::read_to_string("/proc/self/net/snmp").unwrap();
        let mut lines = text.lines().filter_map(|line| line.strip_prefix("Tcp: "));
        let (names, values) = (lines.next().unwrap(), lines.next().unwrap());
        let at = names.split(' ').position(|name| name == "ActiveOpens").unwrap();
        let opened: u64 = values.split(' ').nth(at).unwrap().parse().unwrap();
        opened - lock(&self.shared.fences).values().sum::<u64>()
    }
}

fn fence() -> IpAddr {
    FENCE.parse().unwrap()
}

impl Shared {
    fn accept(self: &Arc<Self>, listener: &TcpListener, port: u16) {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { continue };
            let Ok(at) = stream.local_addr() else { continue };
            let at = SocketAddr::new(at.ip().to_canonical(), at.port());
            if at.ip() == fence() {
                *lock(&self.fences).entry(port).or_default() += 1;
                continue;
            }
            let request = self.caught(at);
            let shared = Arc::clone(self);
            // Ends with its connection; a broken one is the caller's affair.
            thread::spawn(move || match port {
                443 => {
                    let tls = shared.tls_on(stream)?;
                    shared.converse(at, &request, tls)
                }
                _ => shared.converse(at, &request, stream),
            });
        }
    }

    fn tls_on<S: Read + Write>(&self, stream: S) -> Option<StreamOwned<ServerConnection, S>> {
        Some(StreamOwned::new(ServerConnection::new(Arc::clone(&self.tls)).ok()?, stream))
    }

    /// One request and its answer. A tunnel leads to every name there is, and they all live here.
    fn converse(&self, at: SocketAddr, request: &OnceLock<Seen>, stream: impl Read + Write) -> Option<()> {
        let mut reader = BufReader::new(stream);
        let seen = read_request(&mut reader)?;
        if seen.method == "CONNECT" {
            let _first = request.set(seen);
            // Whoever asks for a tunnel says nothing before it stands: nothing was read ahead.
            let mut stream = reader.into_inner();
            stream.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").ok()?;
            let behind = self.caught(at);
            let mut tls = BufReader::new(self.tls_on(stream)?);
            return self.answer(at.ip(), &behind, read_request(&mut tls)?, tls.get_mut());
        }
        self.answer(at.ip(), request, seen, reader.get_mut())
    }

    fn caught(&self, at: SocketAddr) -> Arc<OnceLock<Seen>> {
        let request = Arc::new(OnceLock::new());
        lock(&self.hits).push(Caught { at, request: Arc::clone(&request) });
        request
    }

    fn answer(
        &self,
        at: IpAddr,
        request: &OnceLock<Seen>,
        seen: Seen,
        writer: &mut impl Write,
    ) -> Option<()> {
        let response = lock(&self.answering)(at, &seen);
        let _first = request.set(seen);
        writer.write_all(&response.header("Connection", "close").bytes()?).ok()?;
        writer.flush().ok()
    }
}

/// A test that failed while it held the lock still has to end.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

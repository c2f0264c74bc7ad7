//! A service on loopback that actions call: writes down every request, counts effects, answers as it is told.

use std::io::{BufRead, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::patience::PATIENCE;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Every byte of it, as it came.
    pub raw: Vec<u8>,
}

/// What is answered.
#[derive(Clone, Debug)]
pub enum Response {
    /// A whole answer.
    Whole { status: u16, headers: Vec<(String, String)>, body: Vec<u8> },
    /// Nothing until [`Upstream::release`], then this.
    Held(Box<Response>),
    /// These bytes, then the end of the connection.
    Cut(Vec<u8>),
    /// These bytes, then nothing until [`Upstream::release`].
    Stuck(Vec<u8>),
    /// The first bytes, then the second again and again until the caller hangs up.
    Endless(Vec<u8>, Vec<u8>),
    /// As [`Self::Endless`], but slowly.
    Dripping(Vec<u8>, Vec<u8>),
}

/// Between one drop and the next.
const DRIP: Duration = Duration::from_millis(10);

/// The service. It ends with the test.
pub struct Upstream {
    port: u16,
    shared: Arc<Shared>,
}

type Answering = dyn Fn(&Seen) -> Response + Send + Sync;

struct Shared {
    answering: Box<Answering>,
    state: Mutex<State>,
    changed: Condvar,
    stopped: AtomicBool,
}

#[derive(Default)]
struct State {
    seen: Vec<Seen>,
    released: bool,
}

impl Response {
    /// 200 with a text.
    pub fn ok(text: &str) -> Self {
        Self::status(200, text)
    }

    pub fn status(status: u16, text: &str) -> Self {
        let headers = vec![("Content-Type".to_owned(), "text/plain".to_owned())];
        Self::Whole { status, headers, body: text.as_bytes().to_vec() }
    }

    /// 200 with a page.
    pub fn html(page: &str) -> Self {
        let headers = vec![("Content-Type".to_owned(), "text/html".to_owned())];
        Self::Whole { status: 200, headers, body: page.as_bytes().to_vec() }
    }

    /// 200 with JSON.
    pub fn json(value: &Value) -> Self {
        let headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
        Self::Whole { status: 200, headers, body: value.to_string().into_bytes() }
    }

    /// With one header more.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Self::Whole { headers, .. } = &mut self {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// The request is taken, and the answer waits for [`Upstream::release`].
    pub fn hang() -> Self {
        Self::ok("late").held()
    }

    /// This answer, but only after [`Upstream::release`].
    #[must_use]
    pub fn held(self) -> Self {
        Self::Held(Box::new(self))
    }

    /// As it goes onto the wire, if that is at once.
    pub(crate) fn bytes(&self) -> Option<Vec<u8>> {
        match self {
            Self::Whole { status, headers, body } => Some(written(*status, headers, body)),
            Self::Cut(bytes) => Some(bytes.clone()),
            Self::Held(_) | Self::Stuck(_) | Self::Endless(..) | Self::Dripping(..) => None,
        }
    }

    /// The request is taken, and the connection ends in the middle of the answer.
    pub fn cut() -> Self {
        Self::Cut(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf".to_vec())
    }
}

impl Upstream {
    /// Answers 200 `ok` to everything.
    pub fn start() -> Self {
        Self::answering(|_| Response::ok("ok"))
    }

    /// # Panics
    /// If no port can be had.
    pub fn answering(answering: impl Fn(&Seen) -> Response + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            answering: Box::new(answering),
            state: Mutex::default(),
            changed: Condvar::new(),
            stopped: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || accepting.accept(&listener));
        Self { port, shared }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// `http://127.0.0.1:PORT` and this path.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Every request until now, in order.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.lock().seen.clone()
    }

    /// How many requests came: the effects.
    pub fn count(&self) -> usize {
        self.shared.lock().seen.len()
    }

    /// How many requests came for this path.
    pub fn count_of(&self, path: &str) -> usize {
        self.seen().iter().filter(|seen| seen.path == path).count()
    }

    /// Waits until so many requests have come.
    ///
    /// # Panics
    /// If they do not come.
    pub fn await_requests(&self, count: usize) {
        let state = self.shared.lock();
        let waited =
            self.shared.changed.wait_timeout_while(state, PATIENCE, |state| state.seen.len() < count);
        let (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        let came = state.seen.len();
        drop(state);
        assert!(!timeout.timed_out(), "{came} of {count} requests came");
    }

    /// Lets every answer go that was held, now and from now on.
    pub fn release(&self) {
        self.shared.release();
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        self.shared.release();
        // Wakes the accepting thread, which then ends.
        let _woken = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Shared {
    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        for stream in listener.incoming() {
            if self.stopped.load(Ordering::Relaxed) {
                return;
            }
            let Ok(stream) = stream else { continue };
            let shared = Arc::clone(self);
            // Ends with its connection; a broken one is the caller's affair.
            thread::spawn(move || shared.converse(stream));
        }
    }

    fn converse(&self, stream: TcpStream) -> Option<()> {
        let mut writer = stream.try_clone().ok()?;
        let mut reader = BufReader::new(stream);
        loop {
            let seen = read_request(&mut reader)?;
            let mut response = (self.answering)(&seen);
            self.lock().seen.push(seen);
            self.changed.notify_all();
            while let Response::Held(after) = response {
                self.await_release();
                response = *after;
            }
            match response {
                Response::Whole { status, headers, body } => {
                    writer.write_all(&written(status, &headers, &body)).ok()?;
                }
                Response::Cut(bytes) => return writer.write_all(&bytes).ok(),
                Response::Stuck(bytes) => {
                    writer.write_all(&bytes).ok()?;
                    self.await_release();
                    return None;
                }
                Response::Endless(first, again) => {
                    writer.write_all(&first).ok()?;
                    loop {
                        writer.write_all(&again).ok()?;
                    }
                }
                Response::Dripping(first, again) => {
                    writer.write_all(&first).ok()?;
                    while !self.is_released_within(DRIP) {
                        writer.write_all(&again).ok()?;
                    }
                    return None;
                }
                Response::Held(_) => unreachable!("the loop above unwraps it"),
            }
        }
    }

    fn is_released_within(&self, limit: Duration) -> bool {
        let waited = self.changed.wait_timeout_while(self.lock(), limit, |state| !state.released);
        waited.unwrap_or_else(PoisonError::into_inner).0.released
    }

    fn await_release(&self) {
        let state = self.lock();
        drop(self.changed.wait_while(state, |state| !state.released).unwrap_or_else(PoisonError::into_inner));
    }

    /// A test that failed while it held the lock still has to end the service.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn release(&self) {
        self.lock().released = true;
        self.changed.notify_all();
    }
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// # Panics
    /// If the body is no JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// One request with its body; nothing at the end of the connection.
pub(crate) fn read_request(reader: &mut impl BufRead) -> Option<Seen> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
    let mut raw = line.clone().into_bytes();
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
        raw.extend_from_slice(line.as_bytes());
        let Some((name, value)) = line.split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut seen = Seen { method, path, headers, body: Vec::new(), raw };
    let length = seen.header("content-length").and_then(|value| value.parse().ok()).unwrap_or(0);
    seen.body = vec![0; length];
    reader.read_exact(&mut seen.body).ok()?;
    seen.raw.extend_from_slice(&seen.body);
    Some(seen)
}

fn written(status: u16, headers: &[(String, String)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} Status\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    [head.as_bytes(), body].concat()
}

/// A port on loopback where nothing listens.
///
/// # Panics
/// If no port can be had.
pub fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

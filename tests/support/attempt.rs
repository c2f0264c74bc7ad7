//! One request in the making: honest unless told otherwise, and every byte of it in the test's hand.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::key::Key;
use crate::proof::Proof;
use crate::wire::{Connection, Reply};

/// What public clients sign for over a Unix socket.
const BASE_URL: &str = "http://localhost";

type Edit = Box<dyn FnOnce(Proof) -> Proof>;

/// A request. Without any change it is what an honest client sends, body hash included.
pub struct Attempt {
    socket: PathBuf,
    key: Key,
    lease: Option<String>,
    method: String,
    path: String,
    body: Vec<u8>,
    headers: Vec<(String, String)>,
    edits: Vec<Edit>,
    base_url: String,
    authorization: Option<Vec<String>>,
    dpop: Option<Vec<String>>,
}

impl Attempt {
    pub fn new(socket: &Path, key: &Key, lease: Option<&str>, method: &str, path: &str) -> Self {
        Self {
            socket: socket.to_owned(),
            key: key.clone(),
            lease: lease.map(str::to_owned),
            method: method.to_owned(),
            path: path.to_owned(),
            body: Vec::new(),
            headers: Vec::new(),
            edits: Vec::new(),
            base_url: BASE_URL.to_owned(),
            authorization: None,
            dpop: None,
        }
    }

    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        self.method = method.to_owned();
        self
    }

    #[must_use]
    pub fn path(mut self, path: &str) -> Self {
        self.path = path.to_owned();
        self
    }

    /// The body, byte for byte.
    #[must_use]
    pub fn body(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.body = bytes.into();
        self
    }

    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.body(body.to_string())
    }

    /// One header more.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    #[must_use]
    pub fn idempotency_key(self, key: &str) -> Self {
        self.header("Idempotency-Key", key)
    }

    /// Waits so long for a decision (`Prefer: wait=N`).
    #[must_use]
    pub fn wait(self, seconds: u64) -> Self {
        self.header("Prefer", &format!("wait={seconds}"))
    }

    /// Signs for this origin instead of `http://localhost`.
    #[must_use]
    pub fn base_url(mut self, url: &str) -> Self {
        self.base_url = url.to_owned();
        self
    }

    /// Changes the proof before it is signed. The proof is made for the request as it is sent.
    #[must_use]
    pub fn proof(mut self, edit: impl FnOnce(Proof) -> Proof + 'static) -> Self {
        self.edits.push(Box::new(edit));
        self
    }

    /// These `DPoP` headers instead of the proof: none, one, several.
    #[must_use]
    pub fn dpop(mut self, values: &[&str]) -> Self {
        self.dpop = Some(values.iter().map(|value| (*value).to_owned()).collect());
        self
    }

    /// These `Authorization` headers instead of the lease: none, one, several.
    #[must_use]
    pub fn authorization(mut self, values: &[&str]) -> Self {
        self.authorization = Some(values.iter().map(|value| (*value).to_owned()).collect());
        self
    }

    /// The request as it goes onto the wire.
    pub fn bytes(self) -> Vec<u8> {
        self.finish().1
    }

    /// The same, with the socket that it is for.
    pub fn prepared(self) -> (PathBuf, Vec<u8>) {
        self.finish()
    }

    /// Sends it and reads the reply.
    ///
    /// # Panics
    /// If none comes.
    #[track_caller]
    pub fn send(self) -> Reply {
        self.begin().reply()
    }

    /// Sends it and leaves the reply to be read, or not. Dropping the connection hangs up.
    ///
    /// # Panics
    /// If nothing listens.
    pub fn begin(self) -> Connection {
        let (socket, bytes) = self.finish();
        let mut connection = Connection::open(&socket);
        connection.send(&bytes);
        connection
    }

    fn finish(self) -> (PathBuf, Vec<u8>) {
        let Self { socket, key, lease, method, path, body, headers, edits, base_url, authorization, dpop } =
            self;
        let dpop = dpop.unwrap_or_else(|| {
            let target = path.split(['?', '#']).next().unwrap_or_default();
            let mut proof = Proof::new(&key, &method, &format!("{base_url}{target}")).body(&body);
            if let Some(lease) = &lease {
                proof = proof.lease(lease);
            }
            vec![edits.into_iter().fold(proof, |proof, edit| edit(proof)).sign()]
        });
        let authorization =
            authorization.unwrap_or_else(|| lease.iter().map(|lease| format!("DPoP {lease}")).collect());
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n");
        let mut line = |name: &str, value: &str| head.push_str(&format!("{name}: {value}\r\n"));
        authorization.iter().for_each(|value| line("Authorization", value));
        dpop.iter().for_each(|value| line("DPoP", value));
        headers.iter().for_each(|(name, value)| line(name, value));
        if !body.is_empty() || method == "POST" {
            line("Content-Type", "application/json");
            line("Content-Length", &body.len().to_string());
        }
        head.push_str("\r\n");
        (socket, [head.into_bytes(), body].concat())
    }
}

//! An agent that can send anything: a key, a lease, and requests made byte by byte.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::attempt::Attempt;
use crate::key::Key;

#[derive(Clone)]
pub struct RawAgent {
    pub key: Key,
    pub lease: String,
    pub session_id: String,
    pub lease_jti: String,
    pub principal: String,
    pub socket: PathBuf,
}

impl RawAgent {
    /// A lease for a new key. `request` adds to the lease request or replaces its members.
    ///
    /// # Panics
    /// If the gate gives none.
    pub fn connect(socket: &Path, request: &Value) -> Self {
        Self::connect_as(socket, &Key::generate(), request)
    }

    /// As [`Self::connect`], for this key.
    ///
    /// # Panics
    /// If the gate gives no lease.
    pub fn connect_as(socket: &Path, key: &Key, request: &Value) -> Self {
        let lease = Self::ask_for_lease(socket, key, request).send().expect(200);
        let text =
            |name: &str| lease[name].as_str().unwrap_or_else(|| panic!("{name} in {lease}")).to_owned();
        Self {
            key: key.clone(),
            lease: text("lease_jwt"),
            session_id: text("session_id"),
            lease_jti: text("lease_jti"),
            principal: text("principal"),
            socket: socket.to_owned(),
        }
    }

    /// The request for a lease, not sent yet.
    pub fn ask_for_lease(socket: &Path, key: &Key, request: &Value) -> Attempt {
        let mut body = json!({ "dpop_jwk": key.jwk() });
        for (name, value) in request.as_object().into_iter().flatten() {
            body[name] = value.clone();
        }
        Attempt::new(socket, key, None, "POST", "/v1/leases").dpop(&[]).json(&body)
    }

    /// Calls an action, changed by `overrides`; status and body of the reply.
    pub fn execute(
        &self,
        action: &str,
        body: &Value,
        overrides: impl FnOnce(Attempt) -> Attempt,
    ) -> (u16, Value) {
        let reply = overrides(self.call(action, body)).send();
        (reply.status, reply.json())
    }

    /// The call of an action, not sent yet.
    pub fn call(&self, action: &str, body: &Value) -> Attempt {
        self.post(&format!("/v1/actions/{action}/execute"), body)
    }

    pub fn post(&self, path: &str, body: &Value) -> Attempt {
        Attempt::new(&self.socket, &self.key, Some(&self.lease), "POST", path).json(body)
    }

    pub fn get(&self, path: &str) -> Attempt {
        Attempt::new(&self.socket, &self.key, Some(&self.lease), "GET", path)
    }

    /// The same agent under another lease.
    #[must_use]
    pub fn with_lease(&self, lease: &str) -> Self {
        Self { lease: lease.to_owned(), ..self.clone() }
    }

    /// The same lease in the hands of another key.
    #[must_use]
    pub fn with_key(&self, key: &Key) -> Self {
        Self { key: key.clone(), ..self.clone() }
    }
}

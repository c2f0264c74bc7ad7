//! An operator that can send anything on the admin socket.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::attempt::Attempt;
use crate::key::Key;

#[derive(Clone)]
pub struct RawOperator {
    pub key: Key,
    pub socket: PathBuf,
}

impl RawOperator {
    pub fn new(socket: &Path, key: Key) -> Self {
        Self { key, socket: socket.to_owned() }
    }

    pub fn get(&self, path: &str) -> Attempt {
        Attempt::new(&self.socket, &self.key, None, "GET", path)
    }

    pub fn post(&self, path: &str, body: &Value) -> Attempt {
        Attempt::new(&self.socket, &self.key, None, "POST", path).json(body)
    }

    /// Everything the gate shows of a held call.
    ///
    /// # Panics
    /// If it shows nothing.
    pub fn show(&self, approval_id: &str) -> Value {
        self.get(&format!("/v1/approvals/{approval_id}")).send().expect(200)
    }

    /// Approves what is shown.
    ///
    /// # Panics
    /// If the gate does not take the decision.
    pub fn approve(&self, approval_id: &str) -> Value {
        let shown = self.show(approval_id);
        let body = json!({ "plan_digest": shown["plan_digest"] });
        self.post(&format!("/v1/approvals/{approval_id}/approve"), &body).send().expect(200)
    }

    /// Denies what is shown.
    ///
    /// # Panics
    /// If the gate does not take the decision.
    pub fn deny(&self, approval_id: &str, reason: &str) -> Value {
        let shown = self.show(approval_id);
        let body = json!({ "plan_digest": shown["plan_digest"], "reason": reason });
        self.post(&format!("/v1/approvals/{approval_id}/deny"), &body).send().expect(200)
    }

    /// Revokes a target such as `{"lease": "lse_.."}`.
    ///
    /// # Panics
    /// If the gate does not take it.
    pub fn revoke(&self, target: &Value) -> Value {
        self.post("/v1/revoke", &json!({ "target": target })).send().expect(200)
    }

    /// # Panics
    /// If there is no answer.
    pub fn status(&self) -> Value {
        self.get("/v1/status").send().expect(200)
    }
}

//! An operator that can send anything on the admin socket.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::attempt::Attempt;
use crate::key::Key;
use crate::patience::eventually;

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

    /// The held calls that wait for a decision, newest first.
    ///
    /// # Panics
    /// If there is no answer.
    pub fn pending(&self) -> Vec<Value> {
        let list = self.get("/v1/approvals?status=pending").send().expect(200);
        list["approvals"].as_array().expect("a list").clone()
    }

    /// Waits until a call is held that is not among `known`; its approval's id. The log's file is no place to look: an
    /// entry stands in it a moment before it is durable and counts.
    ///
    /// # Panics
    /// If none comes.
    pub fn await_held(&self, known: &[&str]) -> String {
        eventually("a held call", || {
            let ids = self.pending().into_iter().map(|held| held["approval_id"].as_str().unwrap().to_owned());
            ids.into_iter().find(|id| !known.contains(&id.as_str()))
        })
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

//! Standing approvals: whether a call that policy asks about was answered before, by what an operator chose to leave open.
//!
//! Nothing is matched by pattern. A call is answered if it has the pins of the approved one: the digest over action,
//! manifest, asking rule, the target of each step, and every argument but those that the operator freed by name. What
//! an agent writes is compared and never interpreted.

use latchgate_wire::digest::{Digest, HashKey};
use latchgate_wire::jcs;
use latchgate_wire::receipt::ApprovalRef;
use serde_json::{Value, json};

use super::Planned;
use super::hold::CallPayload;
use crate::plan::{Plan, Step};
use crate::ports::{Approval, Log};

/// What a call is recognised by when `free` may change.
///
/// # Errors
/// Only if the arguments have no canonical form.
fn pins(key: &HashKey, of: &Pinned<'_>, free: &[String]) -> Result<Digest, jcs::JcsError> {
    let mut args = of.args.clone();
    if let Some(members) = args.as_object_mut() {
        members.retain(|name, _| !free.contains(name));
    }
    let targets: Vec<Value> = of.plan.steps.iter().map(target).collect();
    let pinned = json!({
        "action": of.action_id,
        "manifest": of.manifest_digest,
        "rule": of.rule,
        "rule_digest": of.rule_digest,
        "free": free,
        "args": args,
        "targets": targets,
    });
    Ok(key.digest(&[b"latchgate-standing-v1\n", &jcs::canonical_value(&pinned)?]))
}

struct Pinned<'a> {
    action_id: &'a str,
    manifest_digest: Digest,
    rule: &'a str,
    rule_digest: Option<Digest>,
    args: &'a Value,
    plan: &'a Plan,
}

/// Where a step goes, whatever it brings: it stays as it was even if an argument in it is free. Queries and bodies are the
/// arguments' own.
fn target(step: &Step) -> Value {
    match step {
        Step::Http(step) => {
            let place = step.url.split(['?', '#']).next().unwrap_or_default();
            json!(["http", step.method, place])
        }
        Step::Fs(step) => json!(["fs", step.operation.as_str(), step.path.as_str()]),
    }
}

/// The pins of a held call, for the operator who approves more than it.
///
/// # Errors
/// Why the arguments have no canonical form.
pub fn pins_of(
    key: &HashKey,
    approval: &Approval,
    stored: &CallPayload,
    free: &[String],
) -> Result<Digest, jcs::JcsError> {
    let call = &approval.held.call;
    let pinned = Pinned {
        action_id: &call.action.id,
        manifest_digest: call.action.manifest_digest,
        rule: &call.policy.rule,
        // As it was written when it asked: if it has changed, this answers nothing.
        rule_digest: stored.rule,
        args: &stored.args,
        plan: &stored.plan,
    };
    pins(key, &pinned, free)
}

impl Planned {
    /// The standing approval that answers this call, which `rule` asks about.
    pub(super) fn answered(
        &self,
        log: &impl Log,
        key: &HashKey,
        rule: &str,
    ) -> Option<(ApprovalRef, Digest)> {
        let manifest = &self.action.manifest;
        let pinned = Pinned {
            action_id: &manifest.action_id,
            manifest_digest: self.action.manifest_digest,
            rule,
            rule_digest: self.catalog.policy.rule_digest(rule),
            args: &self.args,
            plan: &self.plan,
        };
        let standings = log.standings(&self.subject.who, &manifest.action_id);
        standings.into_iter().find_map(|standing| {
            let pins = pins(key, &pinned, &standing.reach.free).ok()?;
            (pins == standing.reach.pins).then_some((standing.approved, pins))
        })
    }
}

//! A gate in a world of its own, whose policy allows everything: only the guards of egress stand in the way.

use std::collections::HashMap;

use latchgate_tests::world::{Hit, World};
use latchgate_tests::{Gate, GateBuilder, RawAgent, Reply, policy};
use serde_json::{Value, json};

use crate::scene::{Leaves, Refusal, attempted, on_record, shown};

/// Before `commit`: the text is refused, whatever it would lead to.
pub const SPELLING: Refusal = on_record(422, "invalid_target");
/// Before that, by the manifest's pattern.
pub const SCHEMA: Refusal = on_record(422, "schema_violation");
/// Behind `commit`: the address is refused.
pub const GUARD: Refusal = attempted(403, "egress_denied");

pub struct Ground {
    pub world: World,
    pub gate: Gate,
    pub agent: RawAgent,
}

/// One URL, and what must come of it.
#[derive(Clone, Debug)]
pub struct Case {
    pub url: String,
    pub refusal: Refusal,
}

impl Case {
    pub fn new(url: impl Into<String>, refusal: Refusal) -> Self {
        Self { url: url.into(), refusal }
    }
}

impl Ground {
    pub fn create() -> Self {
        Self::with("", |gate| gate)
    }

    /// With these members of `[egress]`, and what else the gate is to have.
    pub fn with(egress: &str, build: impl FnOnce(GateBuilder) -> GateBuilder) -> Self {
        let world = World::create();
        let config = format!("[egress]\nextra_ca_file = \"{}\"\n{egress}\n", world.ca_file().display());
        let gate = build(Gate::builder().policy(policy::ALLOW).config(&config)).start();
        let agent = gate.raw_agent();
        Self { world, gate, agent }
    }

    pub fn call(&self, action: &str, url: &str) -> Reply {
        self.agent.call(action, &json!({ "url": url })).send()
    }

    /// Each of these is refused as it should be, on record and without effect; nobody was so much as dialled.
    #[track_caller]
    pub fn refuses(&self, action: &str, cases: &[Case]) {
        let everywhere = &self.world.everywhere;
        let (attempts, hits) = (everywhere.attempts(), everywhere.hits().len());
        let replies: Vec<Reply> = cases.iter().map(|case| self.call(action, &case.url)).collect();
        let dialled = everywhere.attempts() - attempts;
        let reached = everywhere.hits().split_off(hits);
        assert!(reached.is_empty(), "{action} reached {reached:#?}");
        assert_eq!(dialled, 0, "{action}: connections that were tried");
        let entries = self.entries_by_trace();
        let wrong: Vec<String> = cases
            .iter()
            .zip(&replies)
            .filter_map(|(case, reply)| Some(format!("{}: {}", case.url, objection(case, reply, &entries)?)))
            .collect();
        assert!(wrong.is_empty(), "{action}, {} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    }

    /// The twin: 200, and one request at that address.
    #[track_caller]
    pub fn reaches(&self, action: &str, url: &str, at: &str) -> Hit {
        let hits = self.world.everywhere.hits().len();
        let reply = self.call(action, url);
        assert_eq!(reply.status, 200, "{action} {url}: {}", shown(&reply));
        let new = self.world.everywhere.hits().split_off(hits);
        let [hit] = &new[..] else { panic!("{action} {url}: {new:#?}") };
        assert_eq!(hit.at.ip().to_string(), at, "{action} {url}");
        assert!(hit.request.is_some(), "{action} {url}: {hit:?}");
        hit.clone()
    }

    fn entries_by_trace(&self) -> HashMap<String, Vec<Value>> {
        let mut by_trace: HashMap<String, Vec<Value>> = HashMap::new();
        for entry in self.gate.entries() {
            if let Some(trace_id) = entry["trace_id"].as_str() {
                by_trace.entry(trace_id.to_owned()).or_default().push(entry);
            }
        }
        by_trace
    }

    /// The gate ends in order, nothing panicked, the ledger is sound.
    pub fn end(mut self) {
        assert_eq!(self.gate.raw_operator().status()["panics_caught"], 0, "{}", self.gate.log());
        assert!(self.gate.terminate().success(), "{}", self.gate.log());
        self.gate.assert_sound();
    }
}

/// What is not as it should be with the answer to a case.
fn objection(case: &Case, reply: &Reply, entries: &HashMap<String, Vec<Value>>) -> Option<String> {
    let Refusal { status, code, leaves } = case.refusal;
    if reply.outcome() != (status, code.to_owned()) || reply.json()["effect"] != "none" {
        return Some(format!("expected {status} {code}, found {}", shown(reply)));
    }
    let body = reply.json();
    let written = body["trace_id"].as_str().and_then(|trace_id| entries.get(trace_id));
    let written = written.map(Vec::as_slice).unwrap_or_default();
    let is_right = match (leaves, written) {
        (Leaves::Entry, [denied]) => denied["kind"] == "call.denied" && denied["error"] == code,
        (Leaves::Outcome, [intent, outcome]) => {
            let kinds = intent["kind"] == "call.intent" && outcome["kind"] == "call.outcome";
            let effects = outcome["effects"].as_array();
            kinds && effects.is_some_and(|effects| effects.iter().all(|effect| effect["status"] == "none"))
        }
        _ => false,
    };
    (!is_right).then(|| format!("{code} left {written:#?}"))
}

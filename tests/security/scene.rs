//! The ground that attacks happen on: a gate that would say yes, a service that counts effects, and a ledger to look into.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use latchgate_tests::{
    Attempt, Gate, GateBuilder, RawAgent, RawOperator, Reply, Upstream, eventually, of_kind, policy, tick,
};
use serde_json::{Value, json};

/// Actions may reach the service of the test.
pub const LOOPBACK: &str = "[egress]\ndangerous_loopback = true\n";

/// What a refusal leaves in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaves {
    /// Nothing of its own: it is counted into `refusals.counted`, since nobody is known to have asked.
    Count,
    /// One `call.denied` with the code and the trace id of the answer.
    Entry,
    /// An intent and an outcome without effect: a guard behind `commit` refused.
    Outcome,
}

/// The exact answer to an attack.
#[derive(Clone, Copy, Debug)]
pub struct Refusal {
    pub status: u16,
    pub code: &'static str,
    pub leaves: Leaves,
}

/// Before authentication.
pub const fn counted(status: u16, code: &'static str) -> Refusal {
    Refusal { status, code, leaves: Leaves::Count }
}

/// After authentication.
pub const fn on_record(status: u16, code: &'static str) -> Refusal {
    Refusal { status, code, leaves: Leaves::Entry }
}

/// After `commit`, by a guard.
pub const fn attempted(status: u16, code: &'static str) -> Refusal {
    Refusal { status, code, leaves: Leaves::Outcome }
}

pub struct Scene {
    pub gate: Gate,
    pub upstream: Upstream,
    pub agent: RawAgent,
    counted: RefCell<BTreeMap<String, u64>>,
    numbers: Cell<u64>,
}

/// What there was before an attack.
pub struct Before {
    effects: usize,
    entries: usize,
}

impl Before {
    /// Nothing happened since, and nothing was written about it.
    #[track_caller]
    pub fn assert_same(&self, scene: &Scene) {
        assert_eq!((scene.effects(), scene.entries().len()), (self.effects, self.entries));
    }
}

impl Scene {
    /// Policy allows everything, so that only what the attack is about stands in the way.
    pub fn allowing() -> Self {
        Self::of(Gate::builder().policy(policy::ALLOW).config(LOOPBACK))
    }

    /// Policy holds everything.
    pub fn asking() -> Self {
        Self::of(Gate::builder().policy(policy::ASK).config(LOOPBACK))
    }

    pub fn of(builder: GateBuilder) -> Self {
        Self::with(builder, Upstream::start())
    }

    pub fn with(builder: GateBuilder, upstream: Upstream) -> Self {
        Self::at(builder.manifest("tick.yaml", &tick::manifest()).start(), upstream)
    }

    /// On a home that the test laid out.
    pub fn on(gate: Gate) -> Self {
        Self::on_with(gate, Upstream::start())
    }

    /// The same with a service that answers as the test wants.
    pub fn on_with(mut gate: Gate, upstream: Upstream) -> Self {
        gate.start().unwrap_or_else(|refused| panic!("the gate does not start: {refused:#?}"));
        Self::at(gate, upstream)
    }

    fn at(gate: Gate, upstream: Upstream) -> Self {
        let agent = gate.raw_agent();
        Self { gate, upstream, agent, counted: RefCell::default(), numbers: Cell::new(0) }
    }

    /// Never given before in this scene: calls with different numbers are different calls.
    pub fn number(&self) -> u64 {
        self.numbers.set(self.numbers.get() + 1);
        self.numbers.get()
    }

    /// A call of `agent` with one countable effect.
    pub fn post_by(&self, agent: &RawAgent, number: u64) -> Attempt {
        agent.call("tick", &self.post_args(number))
    }

    pub fn post(&self, number: u64) -> Attempt {
        self.post_by(&self.agent, number)
    }

    pub fn post_args(&self, number: u64) -> Value {
        json!({ "url": self.upstream.url("/effect"), "number": number })
    }

    /// A new held call (where policy asks): its approval id.
    #[track_caller]
    pub fn hold(&self) -> String {
        let held = self.post(self.number()).send().expect(202);
        held["approval_id"].as_str().expect("an approval id").to_owned()
    }

    pub fn operator(&self) -> RawOperator {
        self.gate.raw_operator()
    }

    pub fn effects(&self) -> usize {
        self.upstream.count()
    }

    /// The entries that requests make; what the gate writes of its own accord comes at any time.
    pub fn entries(&self) -> Vec<Value> {
        let of_its_own = ["calls.delivered", "refusals.counted"];
        let mut entries = self.gate.entries();
        entries.retain(|entry| !of_its_own.iter().any(|kind| entry["kind"] == *kind));
        entries
    }

    pub fn before(&self) -> Before {
        Before { effects: self.effects(), entries: self.entries().len() }
    }

    /// The reply is this refusal, it left what it should, and nothing happened.
    #[track_caller]
    pub fn assert_refused(&self, what: &str, before: &Before, reply: &Reply, refusal: Refusal) {
        let found = reply.outcome();
        assert_eq!(found, (refusal.status, refusal.code.to_owned()), "{what}: {}", shown(reply));
        assert_eq!(reply.json()["effect"], "none", "{what}");
        assert_eq!(self.effects(), before.effects, "{what}: an effect");
        let entries = self.entries();
        let new = &entries[before.entries..];
        match refusal.leaves {
            Leaves::Count => {
                assert!(new.is_empty(), "{what}: expected no entry, found {new:#?}");
                *self.counted.borrow_mut().entry(refusal.code.to_owned()).or_default() += 1;
            }
            Leaves::Entry => {
                let [denied] = new else { panic!("{what}: expected one entry, found {new:#?}") };
                assert_eq!(denied["kind"], "call.denied", "{what}");
                assert_eq!(denied["error"], refusal.code, "{what}");
                assert_eq!(denied["trace_id"], reply.json()["trace_id"], "{what}");
            }
            Leaves::Outcome => {
                let [intent, outcome] = new else { panic!("{what}: expected two entries, found {new:#?}") };
                assert_eq!(
                    (&intent["kind"], &outcome["kind"]),
                    (&json!("call.intent"), &json!("call.outcome"))
                );
                let statuses: Vec<_> =
                    outcome["effects"].as_array().unwrap().iter().map(|e| &e["status"]).collect();
                assert!(statuses.iter().all(|status| **status == "none"), "{what}: {outcome:#}");
            }
        }
    }

    /// Sends the attack, then its twin: the same attempt without the attack, which succeeds with one effect.
    #[track_caller]
    pub fn repels(&self, what: &str, refusal: Refusal, attack: impl FnOnce(Attempt) -> Attempt) {
        let number = self.number();
        let before = self.before();
        let reply = attack(self.post(number)).send();
        self.assert_refused(what, &before, &reply, refusal);
        let twin = self.post(number).send();
        assert_eq!(twin.status, 200, "the twin of {what}: {}", shown(&twin));
        assert_eq!(self.effects(), before.effects + 1, "the twin of {what}");
    }

    /// Sends an attack that has its twin elsewhere.
    #[track_caller]
    pub fn refuses(&self, what: &str, refusal: Refusal, attack: Attempt) -> Value {
        let before = self.before();
        let reply = attack.send();
        self.assert_refused(what, &before, &reply, refusal);
        reply.json()
    }

    /// Reads under a lease from before a start are taken from the second after it on: waits for that second.
    pub fn await_reads(&self) {
        let second = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let now = second();
        eventually("the next second", || (second() > now).then_some(()));
    }

    /// To be expected at the end as well: a refusal that was seen by other means than [`Self::refuses`].
    pub fn also_counted(&self, code: &str, times: u64) {
        *self.counted.borrow_mut().entry(code.to_owned()).or_default() += times;
    }

    /// Ends the gate in order: nothing panicked, what was refused before authentication was counted and no more, and the
    /// ledger is sound.
    #[track_caller]
    pub fn end(self) {
        let operator = self.operator();
        self.end_by(&operator);
    }

    /// As [`Self::end`], where the operator of the first start is none any more.
    #[track_caller]
    pub fn end_by(mut self, operator: &RawOperator) {
        assert_eq!(operator.status()["panics_caught"], 0, "{}", self.gate.log());
        assert!(!self.gate.log().contains("panicked"), "{}", self.gate.log());
        assert!(self.gate.terminate().success(), "{}", self.gate.log());
        assert_eq!(self.refusals_counted(), *self.counted.borrow(), "refusals before authentication");
        self.gate.assert_sound();
    }

    /// The sum of all `refusals.counted`.
    fn refusals_counted(&self) -> BTreeMap<String, u64> {
        let mut sum = BTreeMap::new();
        for entry in of_kind(&self.gate.entries(), "refusals.counted") {
            for (code, count) in entry["counts"].as_object().unwrap() {
                *sum.entry(code.clone()).or_default() += count.as_u64().unwrap();
            }
        }
        sum
    }
}

pub fn shown(reply: &Reply) -> String {
    format!("{} {}", reply.status, String::from_utf8_lossy(&reply.body))
}

//! A gate with two actions of the same manifest: `hostile`, and its twin `innocent`.

use std::cell::Cell;

use latchgate_tests::{Gate, GateBuilder, RawAgent, guest, policy};
use serde_json::{Value, json};

pub struct Scene {
    pub gate: Gate,
    agent: RawAgent,
    calls: Cell<u64>,
}

/// Both modules in a home, not started.
pub fn home(hostile: &[u8], twin: &[u8], limits: &[&str]) -> GateBuilder {
    let gate = Gate::builder().policy(policy::ALLOW).root_file("files/one", "");
    guest::install(guest::install(gate, "hostile", hostile, limits), "innocent", twin, limits)
}

impl Scene {
    pub fn new(hostile: &[u8], twin: &[u8], limits: &[&str]) -> Self {
        Self::of(home(hostile, twin, limits).start())
    }

    pub fn of(gate: Gate) -> Self {
        let agent = gate.raw_agent();
        Self { gate, agent, calls: Cell::new(0) }
    }

    /// Calls an action as nobody did before: status, answer, and the entries that it left.
    pub fn call(&self, action: &str) -> (u16, Value, Vec<Value>) {
        let before = self.entries().len();
        self.calls.set(self.calls.get() + 1);
        let (status, answer) = self.agent.execute(action, &json!({ "n": self.calls.get() }), |call| call);
        (status, answer, self.entries().split_off(before))
    }

    /// The hostile call fails for a reason that says `word`, with an intent, an outcome and this effect; the twin succeeds
    /// right after it.
    #[track_caller]
    pub fn check(&self, word: &str, class: &str, effect: &str) {
        self.check_of("hostile", word, class, effect);
    }

    /// The same of another action.
    #[track_caller]
    pub fn check_of(&self, action: &str, word: &str, class: &str, effect: &str) {
        let (status, answer, entries) = self.call(action);
        assert_eq!((status, &answer["error"]), (502, &json!("action_failed")), "{answer}");
        assert!(answer["detail"].as_str().unwrap().contains(word), "{answer}");
        assert_eq!(answer["effect"], effect, "{answer}");
        let [intent, outcome] = &entries[..] else { panic!("expected two entries, found {entries:#?}") };
        assert_eq!((&intent["kind"], &outcome["kind"]), (&json!("call.intent"), &json!("call.outcome")));
        assert_eq!(outcome["failure_class"], class, "{outcome:#}");
        assert_eq!(outcome["effects"][0]["status"], effect, "{outcome:#}");
        assert_eq!(outcome["receipt_id"], answer["receipt_id"]);
        self.check_innocent();
    }

    #[track_caller]
    pub fn check_innocent(&self) {
        let (status, answer, entries) = self.call("innocent");
        assert_eq!((status, &answer["output"]), (200, &json!({ "n": 1 })), "{answer}");
        assert_eq!(answer["verification"]["outcome"], "verified", "{answer}");
        assert_eq!(entries.len(), 2, "{entries:#?}");
    }

    /// Ends the gate: nothing panicked, and the ledger is sound.
    #[track_caller]
    pub fn end(mut self) {
        assert_eq!(self.gate.raw_operator().status()["panics_caught"], 0, "{}", self.gate.log());
        assert!(self.gate.terminate().success(), "{}", self.gate.log());
        self.gate.assert_sound();
    }

    /// What calls leave; the gate writes others of its own accord at any time.
    fn entries(&self) -> Vec<Value> {
        let mut entries = self.gate.entries();
        entries.retain(|entry| entry["kind"].as_str().unwrap().starts_with("call."));
        entries
    }
}

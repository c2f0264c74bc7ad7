//! The intent is in the log before anything happens: the service that is called looks for itself.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};

use latchgate_tests::{Gate, Response, Upstream, entries_in, of_kind, policy};
use serde_json::{Value, json};

use crate::scene::{LOOPBACK, Scene};

/// Intents and outcomes, as counted at each request.
type Counts = Arc<Mutex<Vec<(usize, usize)>>>;

/// A scene whose service notes, at each request, how many intents and outcomes the log has then.
fn watched(policy: &str) -> (Scene, Counts) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let ledger: Arc<OnceLock<PathBuf>> = Arc::default();
    let upstream = Upstream::answering({
        let (seen, ledger) = (Arc::clone(&seen), Arc::clone(&ledger));
        move |_| {
            let entries = entries_in(ledger.get().expect("a gate"));
            let count = |kind| of_kind(&entries, kind).len();
            seen.lock().unwrap().push((count("call.intent"), count("call.outcome")));
            Response::ok("ok")
        }
    });
    let scene = Scene::with(Gate::builder().policy(policy).config(LOOPBACK), upstream);
    ledger.set(scene.gate.ledger()).unwrap();
    (scene, seen)
}

#[test]
fn an_allowed_call_has_its_intent_before_its_effect() {
    let (scene, seen) = watched(policy::ALLOW);
    for _ in 0..5 {
        scene.post(scene.number()).send().expect(200);
    }
    let expected: Vec<_> = (0..5).map(|before| (before + 1, before)).collect();
    assert_eq!(*seen.lock().unwrap(), expected);
    scene.end();
}

#[test]
fn an_approved_call_has_its_decision_and_intent_before_its_effect() {
    let (scene, seen) = watched(policy::ASK);
    let id = scene.hold();
    assert_eq!(scene.effects(), 0);
    scene.operator().approve(&id);
    assert_eq!(*seen.lock().unwrap(), [(1, 0)]);
    let kinds: Vec<Value> = scene.entries().iter().map(|entry| entry["kind"].clone()).collect();
    let of_the_call = &kinds[kinds.len() - 4..];
    assert_eq!(
        of_the_call,
        ["call.held", "approval.decided", "call.intent", "call.outcome"].map(|kind| json!(kind))
    );
    scene.end();
}

//! A call is done once: keys, joining, and what happens when a client hangs up.

use std::fs;
use std::thread;

use latchgate_tests::manifest::typed_post;
use latchgate_tests::{Gate, Response, Upstream, closed_port, eventually, policy};
use serde_json::{Value, json};

fn gate() -> Gate {
    let builder = Gate::builder().config("[egress]\ndangerous_loopback = true\n").policy(policy::ALLOW);
    builder.manifest("post.yaml", &typed_post("post", &[])).start()
}

fn write(content: &str) -> Value {
    json!({ "path": "a.txt", "content": content })
}

#[test]
fn the_same_key_gets_the_same_answer() {
    let gate = gate();
    let agent = gate.raw_agent();
    let call = || agent.execute("fs_write", &write("one"), |call| call.idempotency_key("k1"));
    let first = call();
    assert_eq!(first.0, 200, "{:#}", first.1);
    fs::write(gate.root().join("a.txt"), "changed since").unwrap();
    let second = call();
    assert_eq!(second, first);
    assert_eq!(fs::read_to_string(gate.root().join("a.txt")).unwrap(), "changed since");
    assert_eq!(gate.entries_of("call.intent").len(), 1);
    gate.assert_sound();
}

#[test]
fn a_key_belongs_to_one_request_of_one_action() {
    let gate = gate();
    let agent = gate.raw_agent();
    let keyed = |action: &str, args: &Value| agent.execute(action, args, |call| call.idempotency_key("k1"));
    assert_eq!(keyed("fs_write", &write("one")).0, 200);
    let (status, problem) = keyed("fs_write", &write("two"));
    assert_eq!((status, &problem["error"]), (409, &json!("idempotency_mismatch")), "{problem:#}");
    assert_eq!(fs::read_to_string(gate.root().join("a.txt")).unwrap(), "one");
    assert_eq!(keyed("fs_read", &json!({ "path": "a.txt" })).0, 200, "another action, another key");
}

#[test]
fn a_key_outlives_the_session_and_the_gate() {
    let mut gate = gate();
    let first = gate.raw_agent().execute("fs_write", &write("one"), |call| call.idempotency_key("k1"));
    gate.kill9();
    gate.restart();
    let second = gate.raw_agent().execute("fs_write", &write("one"), |call| call.idempotency_key("k1"));
    assert_eq!(second, first);
    assert_eq!(gate.entries_of("call.intent").len(), 1);
}

#[test]
fn another_key_is_another_call() {
    let upstream = Upstream::start();
    let gate = gate();
    let agent = gate.raw_agent();
    let args = json!({ "url": upstream.url("/"), "body": {} });
    for key in ["k1", "k2"] {
        assert_eq!(agent.execute("post", &args, |call| call.idempotency_key(key)).0, 200);
    }
    assert_eq!(upstream.count(), 2);
}

#[test]
fn a_client_that_hung_up_gets_the_answer_when_it_asks_again() {
    let upstream = Upstream::answering(|_| Response::hang());
    let gate = gate();
    let agent = gate.raw_agent();
    let args = json!({ "url": upstream.url("/"), "body": { "attempts": 1 } });
    let hung_up = agent.call("post", &args).begin();
    upstream.await_requests(1);
    drop(hung_up);
    upstream.release();
    let outcome = gate.await_entry("the outcome", |entry| entry["kind"] == "call.outcome");
    let (status, answer) = agent.execute("post", &args, |call| call);
    assert_eq!(status, 200, "{answer:#}");
    assert_eq!(answer["receipt_id"], outcome["receipt_id"]);
    assert_eq!(upstream.count(), 1);
    gate.assert_sound();
}

#[test]
fn a_call_that_is_running_is_joined() {
    let upstream = Upstream::answering(|_| Response::hang());
    let gate = gate();
    let agent = gate.raw_agent();
    let args = json!({ "url": upstream.url("/"), "body": { "attempts": 2 } });
    let first = agent.call("post", &args).begin();
    upstream.await_requests(1);
    // Were the first answer delivered before the second call is read, that would rightly be a new call.
    drop(first);
    let mut second = agent.call("post", &args).begin();
    upstream.release();
    let answer = second.reply().expect(200);
    assert_eq!(gate.entries_of("call.outcome")[0]["receipt_id"], answer["receipt_id"]);
    assert_eq!(upstream.count(), 1);
}

#[test]
fn many_calls_with_one_key_at_once_have_one_effect() {
    let upstream = Upstream::answering(|_| Response::hang());
    let gate = gate();
    let args = json!({ "url": upstream.url("/"), "body": { "attempts": 3 } });
    let receipts: Vec<Value> = thread::scope(|scope| {
        let callers: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let agent = gate.raw_agent();
                    let (status, answer) = agent.execute("post", &args, |call| call.idempotency_key("k1"));
                    assert_eq!(status, 200, "{answer:#}");
                    answer["receipt_id"].clone()
                })
            })
            .collect();
        upstream.await_requests(1);
        eventually("eight leases", || (gate.entries_of("lease.issued").len() == 8).then_some(()));
        upstream.release();
        callers.into_iter().map(|caller| caller.join().unwrap()).collect()
    });
    assert!(receipts.iter().all(|receipt| *receipt == receipts[0]), "{receipts:?}");
    assert_eq!(upstream.count(), 1);
    assert_eq!(gate.entries_of("call.intent").len(), 1);
}

#[test]
fn after_delivery_an_identical_call_is_a_new_call() {
    let upstream = Upstream::start();
    let gate = gate();
    let agent = gate.raw_agent();
    let args = json!({ "url": upstream.url("/"), "body": { "attempts": 4 } });
    let (_, first) = agent.execute("post", &args, |call| call);
    let (_, second) = agent.execute("post", &args, |call| call);
    assert_ne!(first["receipt_id"], second["receipt_id"]);
    assert_eq!(upstream.count(), 2);
}

#[test]
fn a_failed_call_without_effect_may_be_tried_again() {
    let gate = gate();
    let agent = gate.raw_agent();
    let url = format!("http://127.0.0.1:{}/", closed_port());
    let args = json!({ "url": url, "body": {} });
    let call = || agent.execute("post", &args, |call| call.idempotency_key("k1")).1;
    let (first, second) = (call(), call());
    assert_eq!((&first["effect"], &second["effect"]), (&json!("none"), &json!("none")));
    assert_ne!(first["receipt_id"], second["receipt_id"]);
}

#[test]
fn a_lease_with_one_call_buys_one() {
    let gate = gate();
    let agent = gate.raw_agent_with(&json!({ "budgets": { "max_calls": 1 } }));
    assert_eq!(agent.execute("fs_write", &write("one"), |call| call).0, 200);
    let (status, problem) = agent.execute("fs_write", &write("two"), |call| call);
    assert_eq!((status, &problem["error"]), (403, &json!("budget_exhausted")), "{problem:#}");
    assert_eq!(fs::read_to_string(gate.root().join("a.txt")).unwrap(), "one");
}

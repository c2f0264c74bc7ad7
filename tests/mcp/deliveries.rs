//! An answer that did not reach the client keeps its call: whoever repeats it, in whichever process, is answered with that.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use latchgate_tests::{Gate, McpClient, Response, Seen, Upstream, eventually, exchange, policy, tick};
use serde_json::{Value, json};

const VERSION: &str = "2025-11-25";

fn gate() -> Gate {
    let config = "[egress]\ndangerous_loopback = true\n";
    Gate::builder().policy(policy::ALLOW).config(config).manifest("tick.yaml", &tick::manifest()).start()
}

fn args(service: &Upstream) -> Value {
    json!({ "url": service.url("/effect"), "number": 7 })
}

fn receipt(result: &Value) -> String {
    assert_eq!(result["isError"], false, "{result:#}");
    result["_meta"]["latchgate/receipt_id"].as_str().unwrap_or_else(|| panic!("{result:#}")).to_owned()
}

/// As the gate answers it, as far as this caller is concerned.
fn passed_on(socket: &Path, seen: &Seen) -> Response {
    let mut request = format!("{} {} HTTP/1.1\r\n", seen.method, seen.path);
    for (name, value) in &seen.headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    let reply = exchange(socket, &[request.as_bytes(), &seen.body].concat());
    let headers = reply.headers.into_iter().filter(|(name, _)| name != "content-length").collect();
    Response::Whole { status: reply.status, headers, body: reply.body }
}

/// The gate has written its answer, and the adapter dies before its client has it.
#[test]
fn a_call_whose_answer_died_with_the_adapter_is_not_made_twice() {
    let (gate, service) = (gate(), Upstream::start());
    let (socket, holds) = (gate.agent_socket(), Arc::new(AtomicBool::new(true)));
    let still = Arc::clone(&holds);
    let between = Upstream::answering(move |seen| {
        let answer = passed_on(&socket, seen);
        let is_call = seen.path.ends_with("/execute") && still.load(Ordering::SeqCst);
        if is_call { answer.held() } else { answer }
    });
    let url = between.url("");
    let mut first = McpClient::session(&gate, VERSION, json!({}), &["--gate-url", &url]);
    first.begin_call("tick", &args(&service));
    // The gate has answered, and as far as it can see somebody has read it.
    eventually("an answer", || (gate.entries_of("call.outcome").len() == 1).then_some(()));
    drop(first);
    holds.store(false, Ordering::SeqCst);

    let mut second = McpClient::session(&gate, VERSION, json!({}), &["--gate-url", &url]);
    let found = receipt(&second.call("tick", &args(&service)));
    assert_eq!(service.count(), 1, "the effect was doubled");
    assert_eq!(gate.entries_of("call.outcome")[0]["receipt_id"], found.as_str());
    // Now its answer has been read: who calls again means it.
    let again = receipt(&second.call("tick", &args(&service)));
    assert_ne!(again, found);
    assert_eq!(service.count(), 2);
    gate.assert_sound();
}

/// The twin: the client had the answer.
#[test]
fn a_call_whose_answer_was_read_is_another_one_in_the_next_session() {
    let (gate, service) = (gate(), Upstream::start());
    let mut receipts = Vec::new();
    for _ in 0..3 {
        let mut client = McpClient::session(&gate, VERSION, json!({}), &[]);
        receipts.push(receipt(&client.call("tick", &args(&service))));
        let last = gate.entries_of("call.intent").last().unwrap()["seq"].clone();
        gate.await_entry("the delivery", |entry| {
            entry["kind"] == "calls.delivered" && entry["intents"].as_array().unwrap().contains(&last)
        });
        assert!(client.end().success());
    }
    receipts.dedup();
    assert_eq!((receipts.len(), service.count()), (3, 3));
    gate.assert_sound();
}

#[test]
fn one_session_repeats_a_call_as_often_as_it_means_to() {
    let (gate, service) = (gate(), Upstream::start());
    let mut client = McpClient::session(&gate, VERSION, json!({}), &[]);
    let mut receipts: Vec<String> = (0..20).map(|_| receipt(&client.call("tick", &args(&service)))).collect();
    receipts.sort();
    receipts.dedup();
    assert_eq!((receipts.len(), service.count()), (20, 20));
    gate.assert_sound();
}

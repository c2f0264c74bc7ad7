//! A caller's trace (W3C Trace Context): in the log beside the gate's own id, and back in the answer; anything else is ignored.

use latchgate_tests::{Gate, RawAgent};
use serde_json::{Value, json};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// Reads a file under that header; the answer's own, and the trace id of its entry.
fn call(agent: &RawAgent, headers: &[&str]) -> (Option<String>, Value) {
    let attempt = agent.call("fs_read", &json!({ "path": "a" }));
    let attempt = headers.iter().fold(attempt, |attempt, value| attempt.header("traceparent", value));
    let reply = attempt.send();
    let trace_id = reply.expect(200)["trace_id"].clone();
    (reply.header("traceparent").map(str::to_owned), trace_id)
}

/// The lines of the gate's log that name a caller's trace.
fn traced(gate: &Gate) -> Vec<Value> {
    let log = std::fs::read_to_string(gate.home().join("state/gate.log")).unwrap();
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line.get("traceparent_trace_id").is_some()).collect()
}

#[test]
fn a_callers_trace_is_in_the_log_and_in_the_answer() {
    let gate = Gate::builder().root_file("a", "x").start();
    let (answer, trace_id) = call(&gate.raw_agent(), &[&format!("00-{TRACE}-00f067aa0ba902b7-01")]);
    let answer = answer.expect("a traceparent");
    assert!(answer.starts_with(&format!("00-{TRACE}-")) && answer.ends_with("-01"), "{answer}");
    assert!(!answer.contains("00f067aa0ba902b7"), "the gate's part in the trace is its own: {answer}");
    let lines = traced(&gate);
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert_eq!((&lines[0]["traceparent_trace_id"], &lines[0]["trace_id"]), (&json!(TRACE), &trace_id));
    assert_eq!(gate.entries_of("call.outcome")[0]["trace_id"], trace_id);
}

#[test]
fn what_is_no_trace_is_ignored_and_the_call_goes_on() {
    let gate = Gate::builder().root_file("a", "x").start();
    let agent = gate.raw_agent();
    let sound = format!("00-{TRACE}-00f067aa0ba902b7-01");
    for headers in [
        &["00-00000000000000000000000000000000-00f067aa0ba902b7-01"][..],
        &["ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"],
        &["{\"trace\":1}"],
        &[&sound, &sound],
        &[],
    ] {
        assert_eq!(call(&agent, headers).0, None, "{headers:?}");
    }
    assert!(traced(&gate).is_empty());
}

#[test]
fn a_stranger_writes_no_log_line() {
    let gate = Gate::builder().start();
    let attempt = gate.raw_agent().call("fs_read", &json!({ "path": "a" })).authorization(&[]);
    let reply = attempt.header("traceparent", &format!("00-{TRACE}-00f067aa0ba902b7-01")).send();
    assert_eq!(reply.status, 401);
    assert!(traced(&gate).is_empty());
}

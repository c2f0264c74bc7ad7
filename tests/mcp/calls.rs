//! Calls: answers with receipts, refusals that say what to do, and nothing of the credentials.

use std::thread;

use latchgate_tests::{Gate, McpClient, Response, STATELESS, Upstream, policy, tick};
use serde_json::{Value, json};

const LOOPBACK: &str = "[egress]\ndangerous_loopback = true\n";

fn text(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap()
}

#[test]
fn a_call_answers_with_its_receipt() {
    let gate = Gate::builder().root_file("a.txt", "hello").start();
    let mut client = McpClient::session(&gate, "2025-11-25", json!({}), &["--agent-id", "helper"]);
    let result = client.call("fs_read", &json!({ "path": "a.txt" }));
    let outcome = &gate.entries_of("call.outcome")[0];
    assert_eq!(result["_meta"]["latchgate/receipt_id"], outcome["receipt_id"]);
    assert_eq!(result["_meta"]["latchgate/trace_id"], outcome["trace_id"]);
    assert_eq!(outcome["agent"], "helper");
    gate.assert_sound();
}

#[test]
fn a_denial_is_a_tool_error_with_code_reason_and_trace_and_no_effect() {
    let gate = Gate::builder().policy(policy::DENY).root_file("a.txt", "hello").start();
    let mut client = McpClient::session(&gate, STATELESS, json!({}), &["--tools", "all"]);
    let result = client.call("fs_read", &json!({ "path": "a.txt" }));
    assert_eq!(result["isError"], true, "{result:#}");
    assert_eq!(result["_meta"]["latchgate/error"], "policy_denied");
    assert_eq!(result["_meta"]["latchgate/effect"], "none");
    let denied = &gate.entries_of("call.denied")[0];
    assert_eq!(result["_meta"]["latchgate/trace_id"], denied["trace_id"]);
    for part in
        ["policy_denied", "a test forbids it", "Effect: none", "Next: ", denied["trace_id"].as_str().unwrap()]
    {
        assert!(text(&result).contains(part), "`{part}` in {}", text(&result));
    }
    assert!(result["structuredContent"].is_null());
    assert!(!result.to_string().contains("never"), "the rule's name is not the agent's business");
    assert!(gate.entries_of("call.intent").is_empty());
    client.call("latchgate_my_pending", &json!({}));
}

#[test]
fn wrong_arguments_are_a_tool_error_and_an_unknown_tool_is_one_of_the_protocol() {
    let gate = Gate::builder().start();
    let mut client = McpClient::session(&gate, "2025-11-25", json!({}), &[]);
    let result = client.call("fs_read", &json!({ "path": 7 }));
    assert_eq!(result["_meta"]["latchgate/error"], "schema_violation", "{result:#}");
    assert!(text(&result).contains("inputSchema"));
    let unknown = client.request("tools/call", json!({ "name": "none", "arguments": {} }));
    assert_eq!(unknown["error"]["code"], -32602);
    // An operator's tools are no tools here, whatever they are called with.
    for name in ["latchgate_approve", "latchgate_deny", "latchgate_allowlist", "latchgate_list_pending"] {
        let refused =
            client.request("tools/call", json!({ "name": name, "arguments": { "approval_id": "x" } }));
        assert_eq!(refused["error"]["code"], -32602, "{name}");
    }
}

#[test]
fn a_ping_and_a_second_call_are_answered_while_one_is_held() {
    let gate = Gate::builder().root_file("a.txt", "hello").start();
    let mut client = McpClient::session(&gate, "2025-11-25", json!({}), &[]);
    let held = client.begin_call("fs_write", &json!({ "path": "b.txt", "content": "x" }));
    let id = gate.raw_operator().await_held(&[]);
    client.result("ping", json!({}));
    let read = client.call("fs_read", &json!({ "path": "a.txt" }));
    assert_eq!(read["structuredContent"]["text"], "hello");
    gate.raw_operator().approve(&id);
    let written = client.answer(&held);
    assert_eq!(written["result"]["structuredContent"]["created"], true, "{written:#}");
}

#[test]
fn answers_of_calls_in_flight_are_not_crossed() {
    let mut gate = Gate::builder().policy(policy::ALLOW);
    for number in 0..40 {
        gate = gate.root_file(&format!("{number}.txt"), format!("content {number}"));
    }
    let gate = gate.start();
    let mut client = McpClient::session(&gate, "2025-11-25", json!({}), &[]);
    let ids: Vec<Value> = (0..40)
        .map(|number| client.begin_call("fs_read", &json!({ "path": format!("{number}.txt") })))
        .collect();
    for (number, id) in ids.iter().enumerate().rev() {
        let answer = client.answer(id);
        assert_eq!(answer["result"]["structuredContent"]["text"], format!("content {number}"), "{answer:#}");
    }
    assert_eq!(gate.entries_of("call.outcome").len(), 40);
}

/// A call with one effect, cancelled while the service still works on it.
struct Cancelled {
    gate: Gate,
    upstream: Upstream,
    client: McpClient,
    args: Value,
    first: Value,
}

impl Cancelled {
    fn running() -> Self {
        let upstream = Upstream::answering(|_| Response::ok("done").held());
        let gate = Gate::builder()
            .policy(policy::ALLOW)
            .config(LOOPBACK)
            .manifest("tick.yaml", &tick::manifest())
            .start();
        let mut client = McpClient::session(&gate, "2025-11-25", json!({}), &[]);
        let args = json!({ "url": upstream.url("/effect"), "number": 1 });
        let first = client.begin_call("tick", &args);
        upstream.await_requests(1);
        client.cancel(&first);
        client.result("ping", json!({}));
        Self { gate, upstream, client, args, first }
    }
}

/// The request is cancelled while the effect happens; the agent repeats it and gets the one answer.
#[test]
fn a_cancelled_call_that_runs_is_not_abandoned_and_not_repeated() {
    let Cancelled { gate, upstream, mut client, args, first } = Cancelled::running();
    let second = client.begin_call("tick", &args);
    client.result("ping", json!({}));
    upstream.release();
    let answer = client.answer(&second);
    assert_eq!(answer["result"]["isError"], false, "{answer:#}");
    assert_eq!(upstream.count(), 1, "the effect happened twice");
    assert_eq!(gate.entries_of("call.intent").len(), 1);
    assert!(
        client.unasked().iter().all(|message| message["id"] != first),
        "a cancelled request was answered"
    );

    // The answer was given: the same call is a new one.
    let third = client.call("tick", &args);
    assert_eq!(third["isError"], false);
    assert_ne!(third["_meta"]["latchgate/receipt_id"], answer["result"]["_meta"]["latchgate/receipt_id"]);
    assert_eq!(upstream.count(), 2);
}

/// As the one above, but the answer has come when the agent repeats the call.
#[test]
fn a_cancelled_call_that_has_ended_is_answered_once_more_and_not_made_again() {
    let Cancelled { gate, upstream, mut client, args, .. } = Cancelled::running();
    upstream.release();
    gate.await_entry("the outcome", |entry| entry["kind"] == "call.outcome");
    let second = client.call("tick", &args);
    assert_eq!(second["isError"], false, "{second:#}");
    assert_eq!(upstream.count(), 1, "the effect happened twice");
}

#[test]
fn neither_key_nor_lease_nor_proof_is_seen_at_any_log_level() {
    let gate = Gate::builder().root_file("a.txt", "hello").start();
    let stderr = gate.base().join("adapter.err");
    let mut command = std::process::Command::new(latchgate_tests::mcp_binary());
    command.args(["serve", "--log-level", "trace"]).env_clear().env("LATCHGATE_HOME", gate.home());
    command.stderr(std::fs::File::create(&stderr).unwrap());
    let mut client = McpClient::of(&mut command);
    client.begin_session("2025-11-25", json!({}));
    let answers = [
        client.call("fs_read", &json!({ "path": "a.txt" })),
        client.result("resources/read", json!({ "uri": "latchgate://status" })),
    ];
    client.end();
    let said = std::fs::read_to_string(&stderr).unwrap();
    assert!(said.contains("fs_read"), "the log says nothing, so this proves nothing");
    // Each credential here is a JWT.
    for text in [said, format!("{answers:?}")] {
        for part in ["eyJ", "DPoP ", "PRIVATE KEY"] {
            assert!(!text.contains(part), "{part}");
        }
    }
}

#[test]
fn two_clients_have_sessions_of_their_own() {
    let gate = Gate::builder().root_file("a.txt", "hello").start();
    let read = |mut client: McpClient| {
        client.call("fs_read", &json!({ "path": "a.txt" }));
        client.end();
    };
    let clients = [0, 1].map(|_| McpClient::session(&gate, "2025-11-25", json!({}), &[]));
    thread::scope(|scope| {
        for client in clients {
            scope.spawn(move || read(client));
        }
    });
    let sessions: std::collections::BTreeSet<String> =
        gate.entries_of("call.outcome").iter().map(|entry| entry["session_id"].to_string()).collect();
    assert_eq!(sessions.len(), 2);
}

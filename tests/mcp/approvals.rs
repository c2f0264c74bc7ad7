//! Held calls: waited for, handed over as tasks or questions, taken back, and done once however often they are asked for.

use latchgate_tests::{Attempt, Gate, Key, McpClient, RawAgent, STATELESS, eventually};
use serde_json::{Value, json};

const TASKS: &str = "io.modelcontextprotocol/tasks";

fn note() -> Value {
    json!({ "path": "note.txt", "content": "buy milk\n" })
}

fn is_written(gate: &Gate) -> bool {
    gate.root().join("note.txt").exists()
}

/// The decisions on record.
fn decisions(gate: &Gate) -> Vec<String> {
    gate.entries_of("approval.decided")
        .iter()
        .map(|entry| entry["decision"].as_str().unwrap().to_owned())
        .collect()
}

/// The approval that a result says is pending.
#[track_caller]
fn pending(result: &Value) -> String {
    assert_eq!(result["_meta"]["latchgate/status"], "pending_approval", "{result:#}");
    result["_meta"]["latchgate/approval_id"].as_str().unwrap().to_owned()
}

#[test]
fn a_held_call_is_answered_when_it_is_approved() {
    let gate = Gate::builder().start();
    let mut client = McpClient::session(&gate, "2025-06-18", json!({}), &[]);
    let call = json!({ "name": "fs_write", "arguments": note(), "_meta": { "progressToken": "p1" } });
    let held = client.begin("tools/call", call);
    let id = gate.raw_operator().await_held(&[]);
    let progress = client.notification("notifications/progress");
    assert_eq!(progress["params"]["progressToken"], "p1");
    assert!(progress["params"]["message"].as_str().unwrap().contains(&id), "{progress:#}");
    gate.raw_operator().approve(&id);
    let answer = client.answer(&held);
    assert_eq!(answer["result"]["structuredContent"]["created"], true, "{answer:#}");
    assert_eq!(answer["result"]["_meta"]["latchgate/approval"]["id"], id.as_str());
    assert_eq!(gate.entries_of("call.intent").len(), 1);
    gate.assert_sound();
}

#[test]
fn a_denial_reaches_the_agent_that_waits() {
    let gate = Gate::builder().start();
    let mut client = McpClient::session(&gate, "2025-06-18", json!({}), &[]);
    let held = client.begin_call("fs_write", &note());
    let id = gate.raw_operator().await_held(&[]);
    gate.raw_operator().deny(&id, "not on a Sunday");
    let answer = client.answer(&held);
    assert_eq!(answer["result"]["isError"], true);
    assert!(
        answer["result"]["content"][0]["text"].as_str().unwrap().contains("not on a Sunday"),
        "{answer:#}"
    );
    assert!(!is_written(&gate));
    // It was told: the same call asks anew.
    client.begin_call("fs_write", &note());
    gate.raw_operator().await_held(&[&id]);
}

#[test]
fn a_wait_that_is_over_says_who_decides_and_the_same_call_brings_the_answer() {
    let gate = Gate::builder().start();
    let mut client = McpClient::session(&gate, "2025-06-18", json!({}), &["--approval-wait", "0"]);
    let result = client.call("fs_write", &note());
    let id = pending(&result);
    let text = result["content"][0]["text"].as_str().unwrap();
    for part in [&id, "operator", "Until: ", "same arguments", "has not happened"] {
        assert!(text.contains(part), "`{part}` in {text}");
    }
    let mine = client.call("latchgate_my_pending", &json!({}));
    assert_eq!(mine["structuredContent"]["pending"][0]["approval_id"], id.as_str());
    assert_eq!(pending(&client.call("fs_write", &note())), id);

    gate.raw_operator().approve(&id);
    let done = client.call("fs_write", &note());
    assert_eq!(done["structuredContent"]["created"], true, "{done:#}");
    assert_eq!(client.call("latchgate_my_pending", &json!({}))["structuredContent"]["pending"], json!([]));
    assert_eq!(gate.entries_of("call.intent").len(), 1);
    // The answer was given: the same call is a new one.
    assert_ne!(pending(&client.call("fs_write", &note())), id);
}

#[test]
fn a_denial_while_nobody_waited_is_told_to_the_next_call() {
    let gate = Gate::builder().start();
    let mut client = McpClient::session(&gate, "2025-06-18", json!({}), &["--approval-wait", "0"]);
    let id = pending(&client.call("fs_write", &note()));
    gate.raw_operator().deny(&id, "no");
    let told = client.call("fs_write", &note());
    assert_eq!(told["_meta"]["latchgate/error"], "policy_denied", "{told:#}");
    assert_eq!(gate.entries_of("call.held").len(), 1, "it was asked for again");
}

#[test]
fn a_held_read_is_waited_for_by_whoever_repeats_it() {
    let gate = Gate::builder().policy(latchgate_tests::policy::ASK).root_file("a.txt", "hello").start();
    let mut client = McpClient::session(&gate, "2025-06-18", json!({}), &["--approval-wait", "0"]);
    let args = json!({ "path": "a.txt" });
    let id = pending(&client.call("fs_read", &args));
    assert_eq!(pending(&client.call("fs_read", &args)), id);
    gate.raw_operator().approve(&id);
    assert_eq!(client.call("fs_read", &args)["structuredContent"]["text"], "hello");
    assert_eq!(gate.entries_of("call.held").len(), 1);
}

#[test]
fn an_adapter_started_anew_finds_the_call_that_it_left() {
    let gate = Gate::builder().start();
    let mut first = McpClient::session(&gate, "2025-06-18", json!({}), &["--approval-wait", "0"]);
    let id = pending(&first.call("fs_write", &note()));
    first.end();
    let mut second = McpClient::session(&gate, "2025-06-18", json!({}), &["--approval-wait", "0"]);
    let mine = second.call("latchgate_my_pending", &json!({}));
    assert_eq!(mine["structuredContent"]["pending"][0]["approval_id"], id.as_str());
    second.end();
    gate.raw_operator().approve(&id);
    let mut third = McpClient::session(&gate, "2025-06-18", json!({}), &["--approval-wait", "0"]);
    assert_eq!(third.call("fs_write", &note())["structuredContent"]["created"], true);
    assert_eq!(gate.entries_of("call.intent").len(), 1);
}

#[test]
fn a_cancelled_held_call_withdraws_its_approval() {
    let gate = Gate::builder().start();
    let mut client = McpClient::session(&gate, "2025-11-25", json!({}), &[]);
    let held = client.begin_call("fs_write", &note());
    let id = gate.raw_operator().await_held(&[]);
    client.cancel(&held);
    let void = gate.await_entry("the withdrawal", |entry| entry["decision"] == "void");
    assert_eq!((&void["approval_id"], &void["reason"]), (&json!(id), &json!("withdrawn by its owner")));
    assert!(void["signed"].is_null(), "no operator said so");
    assert!(gate.raw_operator().pending().is_empty());
    let shown = gate.raw_operator().show(&id);
    let body = json!({ "plan_digest": shown["plan_digest"] });
    let late = gate.raw_operator().post(&format!("/v1/approvals/{id}/approve"), &body).send();
    assert_eq!(late.outcome(), (409, "approval_decided".into()));
    assert!(!is_written(&gate));
    client.result("ping", json!({}));
    assert!(client.unasked().iter().all(|message| message["id"] != held), "a cancelled request was answered");
    gate.assert_sound();
}

/// Its twin: the same without the cancellation.
#[test]
fn a_held_call_that_is_not_cancelled_stays_and_is_done() {
    let gate = Gate::builder().start();
    let mut client = McpClient::session(&gate, "2025-11-25", json!({}), &[]);
    let held = client.begin_call("fs_write", &note());
    let id = gate.raw_operator().await_held(&[]);
    client.result("ping", json!({}));
    gate.raw_operator().approve(&id);
    client.answer(&held);
    assert!(is_written(&gate));
    assert_eq!(decisions(&gate), ["approved"]);
}

#[test]
fn a_held_call_that_another_request_waits_for_is_not_withdrawn() {
    let gate = Gate::builder().start();
    let mut client = McpClient::session(&gate, "2025-11-25", json!({}), &[]);
    let call = json!({ "name": "fs_write", "arguments": note(), "_meta": { "progressToken": 2 } });
    let first = client.begin_call("fs_write", &note());
    let id = gate.raw_operator().await_held(&[]);
    let second = client.begin("tools/call", call);
    client.notification("notifications/progress");
    client.cancel(&first);
    client.result("ping", json!({}));
    gate.raw_operator().approve(&id);
    let answer = client.answer(&second);
    assert_eq!(answer["result"]["structuredContent"]["created"], true, "{answer:#}");
    assert_eq!(decisions(&gate), ["approved"]);
}

#[test]
fn the_end_of_standard_input_leaves_held_calls_as_they_are() {
    let gate = Gate::builder().start();
    let mut client = McpClient::session(&gate, "2025-11-25", json!({}), &[]);
    client.begin_call("fs_write", &note());
    let id = gate.raw_operator().await_held(&[]);
    assert!(client.end().success());
    gate.raw_operator().approve(&id);
    assert_eq!(decisions(&gate), ["approved"]);
    assert!(is_written(&gate));
}

#[test]
fn a_client_with_tasks_gets_one_that_lives_on_in_the_gate() {
    let gate = Gate::builder().start();
    let capabilities = json!({ "extensions": { (TASKS): {} } });
    let mut client = McpClient::session(&gate, STATELESS, capabilities.clone(), &[]);
    let created = client.call("fs_write", &note());
    assert_eq!(
        (&created["resultType"], &created["status"]),
        (&json!("task"), &json!("working")),
        "{created:#}"
    );
    let task = json!({ "taskId": created["taskId"] });
    let id = created["taskId"].as_str().unwrap().to_owned();
    assert_eq!(client.result("tasks/get", task.clone())["status"], "working");
    client.end();

    gate.raw_operator().approve(&id);
    let mut client = McpClient::session(&gate, STATELESS, capabilities, &[]);
    let done = client.result("tasks/get", task.clone());
    assert_eq!(done["status"], "completed", "{done:#}");
    assert_eq!(done["result"]["structuredContent"]["created"], true);
    assert_eq!(client.result("tasks/get", task)["result"], done["result"], "a second look brings the same");
    let unknown = json!({ "taskId": "appr_01JD3G0000000000000000000F" });
    assert_eq!(client.request("tasks/get", unknown)["error"]["code"], -32602);
    assert_eq!(gate.entries_of("call.intent").len(), 1);
}

#[test]
fn a_cancelled_task_is_withdrawn() {
    let gate = Gate::builder().start();
    let mut client = McpClient::session(&gate, STATELESS, json!({ "extensions": { (TASKS): {} } }), &[]);
    let task = json!({ "taskId": client.call("fs_write", &note())["taskId"] });
    client.result("tasks/cancel", task.clone());
    assert_eq!(decisions(&gate), ["void"]);
    let ended = client.result("tasks/get", task);
    assert_eq!(ended["status"], "cancelled", "{ended:#}");
}

#[test]
fn a_client_that_asks_its_user_is_told_and_decides_nothing() {
    let gate = Gate::builder().start();
    let mut client = McpClient::session(&gate, "2025-11-25", json!({ "elicitation": {} }), &[]);
    let held = client.begin_call("fs_write", &note());
    let id = gate.raw_operator().await_held(&[]);
    let question = client.message("a question", |message| message["method"] == "elicitation/create");
    assert!(question["params"]["message"].as_str().unwrap().contains(&id), "{question:#}");
    client.send(
        &json!({ "jsonrpc": "2.0", "id": question["id"], "result": { "action": "accept", "content": {} } }),
    );
    client.result("ping", json!({}));
    assert_eq!(gate.raw_operator().pending().len(), 1, "the client's yes decided it");
    assert!(!is_written(&gate));
    gate.raw_operator().approve(&id);
    assert_eq!(client.answer(&held)["result"]["structuredContent"]["created"], true);
}

#[test]
fn a_user_who_declines_takes_the_call_back() {
    let gate = Gate::builder().start();
    let mut client = McpClient::session(&gate, "2025-11-25", json!({ "elicitation": {} }), &[]);
    let held = client.begin_call("fs_write", &note());
    let question = client.message("a question", |message| message["method"] == "elicitation/create");
    client.send(&json!({ "jsonrpc": "2.0", "id": question["id"], "result": { "action": "decline" } }));
    let answer = client.answer(&held);
    assert_eq!(answer["result"]["_meta"]["latchgate/status"], "withdrawn", "{answer:#}");
    assert_eq!(decisions(&gate), ["void"]);
}

#[test]
fn the_stateless_question_comes_back_as_the_same_call_and_decides_nothing() {
    let gate = Gate::builder().start();
    let args = ["--approval-wait", "0"];
    let mut client = McpClient::session(&gate, STATELESS, json!({ "elicitation": { "form": {} } }), &args);
    let asked = client.call("fs_write", &note());
    assert_eq!(asked["resultType"], "input_required", "{asked:#}");
    assert_eq!(asked["inputRequests"]["approval"]["method"], "elicitation/create");
    let id = gate.raw_operator().await_held(&[]);
    let again = |action: &str, state: &Value| {
        json!({
            "name": "fs_write",
            "arguments": note(),
            "requestState": state,
            "inputResponses": { "approval": { "action": action, "content": {} } },
        })
    };
    let waiting = client.result("tools/call", again("accept", &asked["requestState"]));
    assert_eq!(pending(&waiting), id);
    assert!(!is_written(&gate));
    // A state that is not ours decides nothing.
    let forged = client.request("tools/call", again("decline", &json!("rs1.AAAA.AAAA")));
    assert_eq!(forged["error"]["code"], -32602, "{forged:#}");
    assert_eq!(decisions(&gate), [""; 0]);
    let withdrawn = client.result("tools/call", again("decline", &asked["requestState"]));
    assert_eq!(withdrawn["_meta"]["latchgate/status"], "withdrawn", "{withdrawn:#}");
    assert_eq!(decisions(&gate), ["void"]);
}

#[test]
fn a_held_call_of_the_meta_tools_is_awaited_by_its_approval() {
    let gate = Gate::builder().start();
    let mut client =
        McpClient::session(&gate, "2025-11-25", json!({}), &["--tools", "meta", "--approval-wait", "0"]);
    let id = pending(&client.call("latchgate_call", &json!({ "action": "fs_write", "arguments": note() })));
    let wait = json!({ "approval_id": id });
    assert_eq!(pending(&client.call("latchgate_await", &wait)), id);
    gate.raw_operator().approve(&id);
    assert_eq!(client.call("latchgate_await", &wait)["structuredContent"]["output"]["created"], true);
    let invalid = client.call("latchgate_await", &json!({ "approval_id": "x" }));
    assert_eq!(invalid["isError"], true);
}

/// Two routes of the gate that the adapter stands on.
#[test]
fn an_answer_is_collected_and_a_call_withdrawn_by_its_owner_alone() {
    let gate = Gate::builder().start();
    let owner = gate.raw_agent();
    let (status, held) = owner.execute("fs_write", &note(), |call| call);
    assert_eq!(status, 202);
    let id = held["approval_id"].as_str().unwrap();
    let answer = format!("/v1/approvals/{id}/answer");
    let waiting = owner.get(&answer).send();
    assert_eq!(waiting.expect(202)["approval_id"], id);

    let other = enrolled(&gate);
    assert_eq!(other.get(&answer).send().outcome(), (404, "not_found".into()));
    let withdraw =
        |agent: &RawAgent, id: &str| agent.get(&format!("/v1/approvals/{id}")).method("DELETE").send();
    assert_eq!(withdraw(&other, id).outcome(), (404, "not_found".into()));
    assert_eq!(gate.raw_operator().pending().len(), 1);

    gate.raw_operator().approve(id);
    let collected = owner.get(&answer).send().expect(200);
    assert_eq!(collected["output"]["created"], true, "{collected:#}");
    assert_eq!(collected["approval"]["id"], id);
    let again = owner.get(&answer).send().expect(200);
    assert_eq!(again["receipt_id"], collected["receipt_id"], "a second look calls nothing");
    eventually("the delivery", || {
        let (status, held) = owner.execute("fs_write", &note(), |call| call);
        (status == 202 && held["approval_id"] != id).then_some(())
    });
    assert_eq!(gate.entries_of("call.intent").len(), 1);

    let (_, held) = owner.execute("fs_write", &json!({ "path": "b.txt", "content": "x" }), |call| call);
    let id = held["approval_id"].as_str().unwrap();
    assert_eq!(withdraw(&owner, id).expect(200)["status"], "void");
    assert_eq!(withdraw(&owner, id).outcome(), (409, "approval_decided".into()));
    assert_eq!(owner.get(&format!("/v1/approvals/{id}/answer")).send().outcome(), (409, "conflict".into()));
    gate.assert_sound();
}

/// Another principal on the same socket.
fn enrolled(gate: &Gate) -> RawAgent {
    gate.cli(&["agents", "add", "other", "--out", "other.pem"]).exited(0);
    let (key, socket) = (Key::read(&gate.base().join("other.pem")), gate.agent_socket());
    let body = json!({ "dpop_jwk": key.jwk() });
    let lease = Attempt::new(&socket, &key, None, "POST", "/v1/leases").json(&body).send().expect(200);
    assert_eq!(lease["principal"], "agent:other");
    let text = |name: &str| lease[name].as_str().unwrap().to_owned();
    RawAgent {
        key,
        lease: text("lease_jwt"),
        session_id: text("session_id"),
        lease_jti: text("lease_jti"),
        principal: text("principal"),
        socket,
    }
}

#[test]
fn a_request_state_that_was_not_given_for_the_call_is_refused_and_nothing_begins() {
    let gate = Gate::builder().start();
    let mut client = McpClient::session(&gate, STATELESS, json!({ "elicitation": {} }), &[]);
    let asked = client.call("fs_write", &note());
    let (state, question) = (asked["requestState"].as_str().unwrap().to_owned(), "approval");
    let accepts = |state: &str, arguments: Value| {
        let answers = json!({ question: { "action": "accept", "content": {} } });
        json!({ "name": "fs_write", "arguments": arguments, "requestState": state, "inputResponses": answers })
    };
    let other = json!({ "path": "other.txt", "content": "x" });
    for wrong in [accepts(&format!("{state}-x"), note()), accepts(&state, other), accepts("", note())] {
        let answer = client.request("tools/call", wrong);
        assert_eq!(answer["error"]["code"], -32602, "{answer:#}");
    }
    let held = gate.cli(&["approvals", "list", "--json"]).exited(0).json();
    assert_eq!(held["approvals"].as_array().unwrap().len(), 1, "{held:#}");

    // The twin: the state as it was given.
    let waits = client.begin("tools/call", accepts(&state, note()));
    let id = held["approvals"][0]["approval_id"].as_str().unwrap();
    gate.cli(&["approvals", "approve", id, "--yes"]).exited(0);
    assert_eq!(client.answer(&waits)["result"]["isError"], false);
    assert!(is_written(&gate));
}

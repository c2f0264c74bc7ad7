//! The adapter and its gate, each of which may come and go.

use std::process::Command;

use latchgate_tests::{Gate, McpClient, Ran, eventually, mcp_binary};
use serde_json::{Value, json};

fn read(client: &mut McpClient) -> Value {
    client.call("fs_read", &json!({ "path": "a.txt" }))
}

fn is_answered(result: &Value) -> bool {
    result["structuredContent"]["text"] == "hello"
}

#[test]
fn without_a_gate_calls_say_how_to_start_one_and_work_once_it_is_there() {
    let mut gate = Gate::builder().root_file("a.txt", "hello").prepare();
    let mut client = McpClient::session(&gate, "2025-11-25", json!({}), &[]);
    let list = client.result("tools/list", json!({}));
    assert_eq!(list["tools"].as_array().unwrap().len(), 1, "{list:#}");
    let result = read(&mut client);
    assert_eq!(result["_meta"]["latchgate/error"], "gate_unreachable", "{result:#}");
    assert!(result["content"][0]["text"].as_str().unwrap().contains("latchgate up"), "{result:#}");
    let status = client.result("resources/read", json!({ "uri": "latchgate://status" }));
    assert!(status["contents"][0]["text"].as_str().unwrap().contains("unreachable"));

    gate.start().unwrap();
    client.notification("notifications/tools/list_changed");
    assert!(client.result("tools/list", json!({}))["tools"].as_array().unwrap().len() > 1);
    assert!(is_answered(&read(&mut client)));
}

#[test]
fn a_gate_that_restarts_is_found_again_and_the_session_goes_on() {
    let mut gate = Gate::builder().root_file("a.txt", "hello").start();
    let mut client = McpClient::session(&gate, "2025-11-25", json!({}), &[]);
    assert!(is_answered(&read(&mut client)));
    gate.terminate();
    let list = client.result("tools/list", json!({}));
    assert!(list.to_string().contains("fs_read"), "tools do not vanish with a restart");
    assert_eq!(read(&mut client)["_meta"]["latchgate/error"], "gate_unreachable");
    gate.restart();
    eventually("an answer", || is_answered(&read(&mut client)).then_some(()));
    gate.kill9();
    gate.restart();
    eventually("an answer", || is_answered(&read(&mut client)).then_some(()));
}

#[test]
fn a_call_that_is_held_over_a_restart_is_answered_after_it() {
    let mut gate = Gate::builder().start();
    let mut client = McpClient::session(&gate, "2025-11-25", json!({}), &["--approval-wait", "3000"]);
    let held = client.begin_call("fs_write", &json!({ "path": "note.txt", "content": "x" }));
    let id = gate.raw_operator().await_held(&[]);
    gate.kill9();
    gate.restart();
    gate.raw_operator().approve(&id);
    let answer = client.answer(&held);
    assert_eq!(answer["result"]["structuredContent"]["created"], true, "{answer:#}");
    assert_eq!(gate.entries_of("call.intent").len(), 1);
}

#[test]
fn the_adapter_ends_when_standard_input_does() {
    let gate = Gate::builder().start();
    for begins in [false, true] {
        let mut client = McpClient::start(&gate, &[]);
        if begins {
            client.begin_session("2025-11-25", json!({}));
        }
        assert!(client.end().success());
    }
}

#[test]
fn a_gate_is_reached_over_its_port_with_the_canonical_url_found() {
    let port = latchgate_tests::closed_port();
    let config = format!("[http]\nexpose = \"127.0.0.1:{port}\"\n");
    let gate = Gate::builder().root_file("a.txt", "hello").config(&config).start();
    for url in [format!("http://localhost:{port}"), format!("http://127.0.0.1:{port}")] {
        let mut command = Command::new(mcp_binary());
        // A flag goes before a variable that leads elsewhere.
        command.args(["serve", "--gate-url", &url]).env_clear().env("LATCHGATE_SOCKET", "/nowhere/gate.sock");
        let mut client = McpClient::of(&mut command);
        client.begin_session("2025-11-25", json!({}));
        let result = read(&mut client);
        assert!(is_answered(&result), "{url}: {result:#}");
    }
    let mut command = Command::new(mcp_binary());
    command.args(["serve", "--gate-socket"]).arg(gate.home().join("run")).env_clear();
    let mut client = McpClient::of(command.env("LATCHGATE_URL", "http://localhost:1"));
    client.begin_session("2025-11-25", json!({}));
    assert!(is_answered(&read(&mut client)), "nor does the other variable stand in the way of this one");
    assert_eq!(gate.entries_of("call.outcome").len(), 3);
}

#[test]
fn a_url_that_leads_off_this_machine_is_refused_with_the_remedy() {
    for url in ["http://gate.example:3000", "https://localhost:3000", "localhost:3000"] {
        let ran = Ran::of(Command::new(mcp_binary()).args(["serve", "--gate-url", url]).env_clear());
        assert!(ran.code != 0 && ran.stdout.is_empty(), "{ran:?}");
        assert!(ran.stderr.contains("http://localhost:PORT"), "{ran:?}");
    }
    let both = ["serve", "--gate-url", "http://localhost:1", "--gate-socket", "/x"];
    assert_eq!(Ran::of(Command::new(mcp_binary()).args(both).env_clear()).code, 2);
}

#[test]
fn an_enrolled_agent_is_known_by_its_key() {
    let gate = Gate::builder().root_file("a.txt", "hello").start();
    gate.cli(&["agents", "add", "helper", "--out", "helper.pem"]).exited(0);
    let key = gate.base().join("helper.pem");
    let mut client =
        McpClient::session(&gate, "2025-11-25", json!({}), &["--agent-key", key.to_str().unwrap()]);
    assert!(is_answered(&read(&mut client)));
    assert_eq!(gate.entries_of("call.outcome")[0]["principal"], "agent:helper");
}

#[test]
fn a_session_id_is_a_uuid_and_stands_in_the_gates_log() {
    let gate = Gate::builder().root_file("a.txt", "hello").start();
    let id = "0198c0de-0000-7000-8000-000000000001";
    let mut client = McpClient::session(&gate, "2025-11-25", json!({}), &["--session-id", id]);
    assert!(is_answered(&read(&mut client)));
    let log = gate.home().join("state/gate.log");
    eventually("the gate's log", || std::fs::read_to_string(&log).ok()?.contains(id).then_some(()));
    let status = client.result("resources/read", json!({ "uri": "latchgate://status" }));
    assert!(status["contents"][0]["text"].as_str().unwrap().contains(id));
    let wrong = ["serve", "--session-id", "mine"];
    assert_eq!(Ran::of(Command::new(mcp_binary()).args(wrong).env_clear()).code, 2);
}

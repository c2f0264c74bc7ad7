//! How a session begins: each revision from one binary, and the stateless one at any moment.

use latchgate_tests::{Gate, McpClient, STATELESS};
use serde_json::{Value, json};

const WITH_HANDSHAKE: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];

fn names(list: &Value) -> Vec<&str> {
    list["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect()
}

#[test]
fn every_revision_lists_and_calls() {
    let gate = Gate::builder().root_file("a.txt", "hello").start();
    for version in WITH_HANDSHAKE.into_iter().chain([STATELESS]) {
        let mut client = McpClient::session(&gate, version, json!({}), &[]);
        let list = client.result("tools/list", json!({}));
        assert!(names(&list).contains(&"fs_read"), "{version}: {list:#}");
        let read = client.call("fs_read", &json!({ "path": "a.txt" }));
        assert_eq!(read["structuredContent"]["text"], "hello", "{version}: {read:#}");
        let is_stateless = version == STATELESS;
        assert_eq!(read["resultType"].is_string(), is_stateless, "{version}");
        assert_eq!(list["cacheScope"] == "private", is_stateless, "{version}");
        assert!(client.end().success());
    }
}

#[test]
fn an_unknown_revision_is_answered_with_one_that_has_a_handshake() {
    let gate = Gate::builder().start();
    for asked in ["2023-01-01", "2099-01-01", STATELESS] {
        let mut client = McpClient::start(&gate, &[]).speaking("2025-11-25");
        let info = json!({ "name": "test", "version": "1" });
        let params = json!({ "protocolVersion": asked, "capabilities": {}, "clientInfo": info });
        client.send(&json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params }));
        let answer = client.answer(&json!(0));
        let agreed = answer["result"]["protocolVersion"].as_str().unwrap();
        assert!(WITH_HANDSHAKE.contains(&agreed), "{asked}: {agreed}");
    }
}

/// As a client probes that speaks both kinds.
#[test]
fn discover_is_answered_before_initialize_and_under_a_string_id() {
    let gate = Gate::builder().start();
    let mut client = McpClient::start(&gate, &[]);
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": STATELESS,
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let discover = json!({ "jsonrpc": "2.0", "id": "probe-1", "method": "server/discover", "params": { "_meta": meta } });
    client.send(&discover);
    let found = client.answer(&json!("probe-1"));
    let supported = found["result"]["supportedVersions"].as_array().unwrap();
    for version in WITH_HANDSHAKE.into_iter().chain([STATELESS]) {
        assert!(supported.contains(&json!(version)), "{version}: {found:#}");
    }
    client.begin_session("2025-11-25", json!({}));
    assert!(!names(&client.result("tools/list", json!({}))).is_empty());
}

#[test]
fn a_discover_without_its_metadata_is_an_error_and_the_handshake_still_works() {
    let gate = Gate::builder().start();
    let mut client = McpClient::start(&gate, &[]);
    client.send(&json!({ "jsonrpc": "2.0", "id": "probe", "method": "server/discover" }));
    assert_eq!(client.answer(&json!("probe"))["error"]["code"], -32602);
    client.begin_session("2025-06-18", json!({}));
    client.result("ping", json!({}));
}

#[test]
fn what_is_said_before_a_session_begins_ends_nothing() {
    let gate = Gate::builder().start();
    let mut client = McpClient::start(&gate, &[]).speaking("2025-11-25");
    client.notify("notifications/initialized", json!({}));
    client.cancel(&json!(7));
    client.send(&json!({ "jsonrpc": "2.0", "id": 3, "result": {} }));
    client.send(&json!({ "jsonrpc": "2.0", "id": 4, "method": "ping" }));
    assert!(client.answer(&json!(4))["error"].is_null());
    client.begin_session("2025-11-25", json!({}));
}

#[test]
fn a_second_handshake_is_refused() {
    let gate = Gate::builder().start();
    let mut client = McpClient::session(&gate, "2025-11-25", json!({}), &[]);
    let info = json!({ "name": "test", "version": "1" });
    let params = json!({ "protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": info });
    assert_eq!(client.request("initialize", params)["error"]["code"], -32600);
    client.result("ping", json!({}));
}

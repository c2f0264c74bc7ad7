//! What the adapter offers: tools that are the gate's actions, resources, and the news that they changed.

use std::fs;

use latchgate_tests::{Gate, McpClient, STATELESS, policy, tick};
use serde_json::{Value, json};

fn tool<'a>(list: &'a Value, name: &str) -> &'a Value {
    let found = list["tools"].as_array().unwrap().iter().find(|tool| tool["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {list:#}"))
}

fn has(list: &Value, name: &str) -> bool {
    list["tools"].as_array().unwrap().iter().any(|tool| tool["name"] == name)
}

#[test]
fn a_tool_says_what_its_action_says() {
    let gate = Gate::builder().manifest("tick.yaml", &tick::manifest()).start();
    let mut client = McpClient::session(&gate, STATELESS, json!({}), &[]);
    let list = client.result("tools/list", json!({}));
    let (read, tick) = (tool(&list, "fs_read"), tool(&list, "tick"));
    assert_eq!(tick["title"], "Send a number");
    assert!(tick["description"].as_str().unwrap().contains("counts how often"));
    assert_eq!(tick["inputSchema"]["required"], json!(["url", "number"]));
    assert_eq!(tick["outputSchema"]["type"], "object");
    assert_eq!(read["annotations"]["readOnlyHint"], true);
    assert_eq!(tick["annotations"]["readOnlyHint"], false);
    assert_eq!(tick["annotations"]["openWorldHint"], true);
    assert_eq!(tick["_meta"]["latchgate/risk_level"], "high");
    assert!(has(&list, "latchgate_my_pending"));
    for own in ["approve", "deny", "allowlist"] {
        assert!(!list.to_string().contains(&format!("latchgate_{own}")), "an operator's tool: {own}");
    }
}

#[test]
fn structured_content_conforms_to_the_output_schema() {
    let gate = Gate::builder().root_file("a.txt", "hello").root_file("d/b.txt", "x").start();
    let mut client = McpClient::session(&gate, "2025-11-25", json!({}), &[]);
    let list = client.result("tools/list", json!({}));
    for (name, args) in [
        ("fs_read", json!({ "path": "a.txt" })),
        ("fs_list", json!({ "path": "." })),
        ("fs_search", json!({ "path": ".", "pattern": "hello" })),
        ("latchgate_my_pending", json!({})),
    ] {
        let result = client.call(name, &args);
        assert_eq!(result["isError"], false, "{name}: {result:#}");
        let schema = jsonschema::validator_for(&tool(&list, name)["outputSchema"]).unwrap();
        let wrong: Vec<_> = schema.iter_errors(&result["structuredContent"]).map(|e| e.to_string()).collect();
        assert!(wrong.is_empty(), "{name}: {wrong:?}\n{result:#}");
        let text = result["content"][0]["text"].as_str().unwrap();
        assert_eq!(serde_json::from_str::<Value>(text).unwrap(), result["structuredContent"], "{name}");
    }
}

#[test]
fn a_profile_shows_what_policy_could_permit_and_all_shows_the_rest() {
    let only_reads = r#"@id("reads") permit (principal, action == Action::"fs_read", resource);"#;
    let gate = Gate::builder().policy(only_reads).start();
    let mut client = McpClient::session(&gate, "2025-11-25", json!({}), &[]);
    let list = client.result("tools/list", json!({}));
    assert!(has(&list, "fs_read") && !has(&list, "fs_write"), "{list:#}");
    let mut client = McpClient::session(&gate, "2025-11-25", json!({}), &["--tools", "all"]);
    let list = client.result("tools/list", json!({}));
    assert!(has(&list, "fs_read") && has(&list, "fs_write"));
}

#[test]
fn a_large_catalogue_comes_in_pages_that_hold_each_tool_once() {
    let mut gate = Gate::builder().policy(policy::ALLOW);
    for number in 0..120 {
        let manifest = tick::manifest().replace("action_id: tick", &format!("action_id: tick_{number:03}"));
        gate = gate.manifest(&format!("tick_{number:03}.yaml"), &manifest);
    }
    let gate = gate.start();
    let mut client = McpClient::session(&gate, "2025-11-25", json!({}), &[]);
    let first = client.result("tools/list", json!({}));
    let cursor = first["nextCursor"].clone();
    assert!(cursor.is_string(), "one page");
    let second = client.result("tools/list", json!({ "cursor": cursor }));
    assert!(second["nextCursor"].is_null());
    for number in 0..120 {
        let name = format!("tick_{number:03}");
        assert!(has(&first, &name) != has(&second, &name), "{name}");
    }
    let answer = client.request("tools/list", json!({ "cursor": "nonsense" }));
    assert_eq!(answer["error"]["code"], -32602);
}

#[test]
fn meta_tools_find_describe_and_call() {
    let gate = Gate::builder().root_file("a.txt", "hello").start();
    let mut client = McpClient::session(&gate, "2025-11-25", json!({}), &["--tools", "meta"]);
    let list = client.result("tools/list", json!({}));
    assert!(!has(&list, "fs_read"));
    let found = client.call("latchgate_search", &json!({ "query": "READ file" }));
    assert!(found["structuredContent"]["actions"].to_string().contains("fs_read"), "{found:#}");
    let shown = client.call("latchgate_describe", &json!({ "action": "fs_read" }));
    assert_eq!(shown["structuredContent"]["request_schema"]["type"], "object", "{shown:#}");
    let called =
        client.call("latchgate_call", &json!({ "action": "fs_read", "arguments": { "path": "a.txt" } }));
    assert_eq!(called["structuredContent"]["output"]["text"], "hello", "{called:#}");
    let absent = client.call("latchgate_call", &json!({ "action": "none" }));
    assert_eq!(absent["isError"], true);
}

#[test]
fn resources_are_the_actions_and_the_status_and_nothing_else() {
    let gate = Gate::builder().start();
    let mut client = McpClient::session(&gate, STATELESS, json!({}), &["--agent-id", "helper"]);
    let list = client.result("resources/list", json!({}));
    let uris: Vec<&str> =
        list["resources"].as_array().unwrap().iter().map(|r| r["uri"].as_str().unwrap()).collect();
    assert_eq!(uris, ["latchgate://actions", "latchgate://status"]);
    let mut read = |uri: &str| {
        let read = client.result("resources/read", json!({ "uri": uri }));
        assert_eq!(read["contents"][0]["mimeType"], "application/json");
        serde_json::from_str::<Value>(read["contents"][0]["text"].as_str().unwrap()).unwrap()
    };
    assert!(read("latchgate://actions")["actions"].to_string().contains("\"fs_read\""));
    let status = read("latchgate://status");
    assert_eq!(
        (&status["gate"]["status"], &status["session"]["agent_id"]),
        (&json!("ready"), &json!("helper"))
    );
    assert!(status["session"]["principal"].as_str().unwrap().starts_with("uid:"));
    for uri in ["latchgate://approvals/pending", "latchgate://audit/recent", "file:///etc/passwd"] {
        assert!(client.request("resources/read", json!({ "uri": uri }))["error"].is_object(), "{uri}");
    }
    // No capability of an agent's session, so no method either.
    assert_eq!(client.request("prompts/list", json!({}))["error"]["code"], -32601);
    assert!(client.request("prompts/get", json!({ "name": "explain_denial" }))["error"].is_object());
}

#[test]
fn a_changed_catalogue_is_told_to_who_listens() {
    let gate = Gate::builder().policy(policy::ALLOW).start();
    let mut old = McpClient::session(&gate, "2025-06-18", json!({}), &[]);
    old.result("tools/list", json!({}));
    let mut new = McpClient::session(&gate, STATELESS, json!({}), &[]);
    new.result("tools/list", json!({}));
    let filter = json!({ "notifications": { "toolsListChanged": true } });
    let subscription = new.begin("subscriptions/listen", filter);
    new.notification("notifications/subscriptions/acknowledged");

    fs::write(gate.home().join("manifests/tick.yaml"), tick::manifest()).unwrap();
    gate.cli(&["reload"]).exited(0);
    old.notification("notifications/tools/list_changed");
    let told = new.notification("notifications/tools/list_changed");
    assert_eq!(told["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], subscription, "{told:#}");
    for client in [&mut old, &mut new] {
        assert!(has(&client.result("tools/list", json!({})), "tick"));
    }
}

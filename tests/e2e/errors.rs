//! Errors that tell the truth: a stable code, what was expected, and what would help.

use latchgate_tests::{Gate, policy};
use serde_json::{Value, json};

fn problem_of(gate: &Gate, action: &str, args: &Value) -> (u16, Value) {
    gate.raw_agent().execute(action, args, |call| call)
}

#[test]
fn a_missing_root_is_told_with_its_remedy_and_mended_without_a_restart() {
    let gate = Gate::builder().absent_root().start();
    let agent = gate.raw_agent();
    let read = || agent.execute("fs_read", &json!({ "path": "a" }), |call| call);
    let make_root = || {
        std::fs::create_dir(gate.root()).unwrap();
        std::fs::write(gate.root().join("a"), "x").unwrap();
    };
    let assert_missing = || {
        let (status, problem) = read();
        assert_eq!((status, &problem["error"]), (503, &json!("unavailable")), "{problem:#}");
        assert_eq!(problem["effect"], "none");
        let remedy = problem["remediation"].as_str().unwrap_or_default();
        assert!(remedy.contains("create it"), "{problem:#}");
    };
    assert_missing();
    make_root();
    assert_eq!(read().0, 200);
    std::fs::remove_dir_all(gate.root()).unwrap();
    assert_missing();
    make_root();
    assert_eq!(read().0, 200);
}

#[test]
fn a_root_on_the_command_line_must_exist() {
    let mut gate = Gate::builder().prepare();
    std::fs::remove_dir(gate.root()).unwrap();
    let refused = gate.start().unwrap_err();
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains(gate.root().to_str().unwrap()), "{}", refused.stderr);
    assert!(gate.home().read_dir().unwrap().next().is_none(), "nothing was made");
}

#[test]
fn every_problem_has_the_same_members() {
    let gate = Gate::builder().start();
    let (status, problem) = problem_of(&gate, "fs_read", &json!({ "path": "../x" }));
    assert!((400..500).contains(&status), "{problem:#}");
    assert_eq!(problem["type"], format!("urn:latchgate:problem:{}", problem["error"].as_str().unwrap()));
    assert_eq!(problem["status"], status);
    assert_eq!((&problem["effect"], &problem["retryable"]), (&json!("none"), &json!(false)));
    for member in ["title", "detail"] {
        assert!(problem[member].as_str().is_some_and(|text| !text.is_empty()), "{member} in {problem:#}");
    }
    let denied = &gate.entries_of("call.denied")[0];
    assert_eq!(denied["trace_id"], problem["trace_id"]);
    assert_eq!(denied["error"], problem["error"]);
}

#[test]
fn arguments_that_do_not_fit_are_pointed_at() {
    let gate = Gate::builder().start();
    let cases = [
        ("fs_read", json!({ "path": 7 }), "/path"),
        ("fs_read", json!({ "path": "" }), "/path"),
        ("fs_read", json!({ "path": "a", "mode": "x" }), "/mode"),
        ("http_post", json!({ "url": "https://example.com/", "body": [] }), "/body"),
    ];
    for (action, args, pointer) in cases {
        let (status, problem) = problem_of(&gate, action, &args);
        assert_eq!((status, &problem["error"]), (422, &json!("schema_violation")), "{args}: {problem:#}");
        assert_eq!(problem["pointer"], pointer, "{args}: {problem:#}");
    }
    let (status, problem) = problem_of(&gate, "fs_read", &json!({}));
    assert_eq!((status, &problem["error"]), (422, &json!("schema_violation")), "{problem:#}");
    assert!(problem["detail"].as_str().unwrap().contains("path"), "{problem:#}");
}

#[test]
fn urls_that_cannot_be_used_are_refused_before_anything_is_asked() {
    let gate = Gate::builder().policy(policy::ALLOW).start();
    for url in [
        "https://user:secret@example.com/",
        "https://example.com/a/../b",
        "https://example.com:8443/",
        "https://exa mple.com/",
        "https:///path",
    ] {
        let (status, problem) = problem_of(&gate, "http_fetch", &json!({ "url": url }));
        assert_eq!((status, &problem["error"]), (422, &json!("invalid_target")), "{url}: {problem:#}");
        assert_eq!(problem["pointer"], "/url", "{url}: {problem:#}");
        assert!(!problem.to_string().contains("secret"), "{problem:#}");
    }
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let gate = Gate::builder().root_file("dir/file", "x").start();
    for (path, part) in [("none.txt", "does not exist"), ("dir", "dir"), ("../dir/file", "..")] {
        let (status, problem) = problem_of(&gate, "fs_read", &json!({ "path": path }));
        assert_eq!((status, &problem["error"]), (422, &json!("invalid_target")), "{path}: {problem:#}");
        assert!(problem["detail"].as_str().unwrap().contains(part), "{path}: {problem:#}");
    }
}

#[test]
fn an_unknown_action_is_a_recorded_refusal() {
    let gate = Gate::builder().start();
    let (status, problem) = problem_of(&gate, "no_such_action", &json!({}));
    assert_eq!((status, &problem["error"]), (404, &json!("action_not_found")), "{problem:#}");
    let denied = &gate.entries_of("call.denied")[0];
    assert_eq!(
        (&denied["action_id"], &denied["error"]),
        (&json!("no_such_action"), &json!("action_not_found"))
    );
}

#[test]
fn policy_tells_the_agent_its_reason_and_not_its_rule() {
    let gate = Gate::builder().root_file(".env", "TOKEN=1").start();
    let (status, problem) = problem_of(&gate, "fs_read", &json!({ "path": ".env" }));
    assert_eq!((status, &problem["error"]), (403, &json!("policy_denied")), "{problem:#}");
    assert!(problem["deny_reason"].as_str().unwrap().contains("environment"), "{problem:#}");
    assert!(!problem.to_string().contains("no-environment-files"), "{problem:#}");
    assert_eq!(gate.entries_of("call.denied")[0]["policy"]["rule"], "no-environment-files");
}

#[test]
fn an_empty_policy_denies_everything() {
    let gate = Gate::builder().policy("").root_file("a", "x").start();
    let (status, problem) = problem_of(&gate, "fs_read", &json!({ "path": "a" }));
    assert_eq!((status, &problem["error"]), (403, &json!("policy_denied")), "{problem:#}");
}

#[test]
fn routes_that_do_not_exist_and_methods_that_do_not_fit_are_told_apart() {
    let gate = Gate::builder().start();
    let agent = gate.raw_agent();
    assert_eq!(agent.get("/v1/nothing").send().outcome(), (404, "not_found".into()));
    assert_eq!(agent.get("/v1/leases").send().outcome(), (405, "method_not_allowed".into()));
    let reply = agent.post("/v1/actions/fs_read", &json!({})).send();
    assert_eq!(reply.outcome(), (405, "method_not_allowed".into()));
    assert_eq!(agent.get("/v1/receipts/rcpt_x").send().outcome(), (404, "not_found".into()));
    // What operators may ask is nowhere on the agents' socket.
    for path in ["/v1/status", "/v1/audit", "/v1/approvals/appr_x/approve", "/v1/revoke", "/v1/shutdown"] {
        assert_eq!(agent.post(path, &json!({})).send().status, 404, "{path}");
    }
}

#[test]
fn a_configuration_that_cannot_be_read_is_told_with_file_and_line() {
    let refused = Gate::builder().config("[egress]\nallow_all = true\n").try_start().err().unwrap();
    assert!(refused.stderr.contains("latchgate.toml:2:"), "{}", refused.stderr);
    assert!(refused.stderr.contains("allow_all"), "{}", refused.stderr);
    let refused = Gate::builder().policy("permit (principal, action, resource)").try_start().err().unwrap();
    assert!(refused.stderr.contains("standard.cedar:1"), "{}", refused.stderr);
    let manifest = latchgate_tests::manifest::variant("fs_read", "mine", &[("class: read", "class: rea")]);
    let refused = Gate::builder().manifest("mine.yaml", &manifest).try_start().err().unwrap();
    assert!(refused.stderr.contains("mine.yaml:"), "{}", refused.stderr);
}

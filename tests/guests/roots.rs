//! What file actions see is the operator's choice alone.

use std::fs;

use latchgate_tests::{Gate, policy};
use serde_json::json;

/// The root has a file, and so has every place that an agent might name instead.
fn gate() -> Gate {
    let gate = Gate::builder().policy(policy::ALLOW).root_file("file", "inside").start();
    fs::create_dir(gate.base().join("other")).unwrap();
    fs::write(gate.base().join("other/file"), "outside").unwrap();
    gate
}

#[test]
fn a_root_that_an_agent_names_is_refused() {
    let gate = gate();
    let agent = gate.raw_agent();
    let other = gate.base().join("other").display().to_string();
    for name in ["root", "fs_root", "cwd", "dir", "roots"] {
        let (status, answer) = agent.execute("fs_read", &json!({ "path": "file", name: other }), |call| call);
        assert_eq!((status, &answer["error"]), (422, &json!("schema_violation")), "{name}: {answer}");
        assert_eq!(gate.entries().last().unwrap()["error"], "schema_violation", "{name}");
    }
    // Elsewhere in the request it means nothing: the twin in each.
    let said =
        |call: latchgate_tests::Attempt| call.header("Latchgate-Root", &other).header("X-Root", &other);
    let (status, answer) = agent.execute("fs_read", &json!({ "path": "file" }), said);
    assert_eq!((status, &answer["output"]["text"]), (200, &json!("inside")), "{answer}");
    let agent = gate.raw_agent_with(&json!({ "agent_id": other }));
    let (status, answer) = agent.execute("fs_read", &json!({ "path": "./file" }), |call| call);
    assert_eq!((status, &answer["output"]["text"]), (200, &json!("inside")), "{answer}");
}

#[test]
fn where_a_command_is_run_does_not_move_the_root_of_a_gate_that_runs() {
    let gate = gate();
    for args in [&["call", "--json", "fs_read", r#"{"path":"file"}"#][..], &["reload"], &["status"]] {
        let mut command = gate.command(args);
        command.current_dir(gate.base().join("other")).env("LATCHGATE_ROOT", gate.base().join("other"));
        let ran = command.output().unwrap();
        assert!(ran.status.success(), "{args:?}: {ran:?}");
        assert!(!String::from_utf8_lossy(&ran.stdout).contains("outside"), "{args:?}: {ran:?}");
    }
    let (_, answer) = gate.raw_agent().execute("fs_read", &json!({ "path": "file" }), |call| call);
    assert_eq!(answer["output"]["text"], "inside", "{answer}");
}

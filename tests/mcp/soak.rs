//! Very many calls through one adapter: each answer is its own question's, and nothing stays behind.

use std::collections::HashMap;
use std::fs;

use latchgate_tests::{Gate, McpClient};
use serde_json::{Value, json};

/// Calls at once.
const IN_FLIGHT: usize = 32;
/// What may be more at the end than after a tenth of the calls: allocators round, nothing more.
const GROWTH_KIB: u64 = 4096;
/// Files that are read in turn.
const FILES: usize = 97;

/// `LATCHGATE_SOAK_CALLS` for more.
fn calls() -> usize {
    std::env::var("LATCHGATE_SOAK_CALLS").map_or(500, |calls| calls.parse().expect("a number of calls"))
}

#[test]
fn soak_loses_and_crosses_no_answer_and_grows_nothing() {
    let calls = calls();
    let config = "[limits]\ncalls_per_s = 100000\n";
    let builder = Gate::builder().config(config);
    let gate = (0..FILES)
        .fold(builder, |builder, n| builder.root_file(&format!("{n}.txt"), format!("content {n}")))
        .start();
    let mut client = McpClient::session(&gate, "2025-11-25", json!({}), &[]);
    let mut open: HashMap<String, usize> = HashMap::new();
    let (mut begun, mut settled) = (0, 0);
    for answered in 0..calls {
        while begun < calls && open.len() < IN_FLIGHT {
            let n = begun * 31 % FILES;
            let id = client.begin_call("fs_read", &json!({ "path": format!("{n}.txt") }));
            open.insert(id.to_string(), n);
            begun += 1;
        }
        let answer =
            client.message("an answer", |message| message["id"].is_u64() && message["method"].is_null());
        let n = open.remove(&answer["id"].to_string()).expect("an answer to an open call, once");
        let output = &answer["result"]["structuredContent"];
        assert_eq!(output["path"], format!("{n}.txt"), "call {answered}: {answer:#}");
        assert_eq!(output["text"], format!("content {n}"), "call {answered}: {answer:#}");
        if answered == calls / 10 {
            settled = rss_kib(&client);
        }
    }
    let after = rss_kib(&client);
    println!("{calls} calls at {IN_FLIGHT} in flight: {settled} KiB after a tenth, {after} KiB after all");
    assert!(open.is_empty(), "{open:?}");
    assert_eq!(client.unasked(), [Value::Null; 0]);
    assert!(after <= settled + GROWTH_KIB, "{settled} KiB became {after}");
    assert_eq!(gate.entries_of("call.outcome").len(), calls);
    assert!(client.end().success());
    gate.assert_sound();
}

fn rss_kib(client: &McpClient) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", client.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

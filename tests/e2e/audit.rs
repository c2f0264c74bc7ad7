//! The ledger as an operator reads it: followed as it grows, as a spreadsheet, and counted.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use latchgate_tests::{Gate, Ran, exchange};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

fn gate() -> Gate {
    Gate::builder().root_file("a.txt", "text\n").root_file(".env", "TOKEN=1").start()
}

fn read(gate: &Gate, path: &str) -> Ran {
    gate.cli(&["call", "fs_read", &json!({ "path": path }).to_string()])
}

/// Reads records of RFC 4180 as somebody else would.
fn csv(text: &str) -> Vec<Vec<String>> {
    let script = "import csv,json,sys,io\n\
        print(json.dumps(list(csv.reader(io.StringIO(sys.stdin.buffer.read().decode(),newline='')))))";
    let mut child = Command::new("python3")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), text.as_bytes()).unwrap();
    serde_json::from_slice(&child.wait_with_output().unwrap().stdout).unwrap()
}

#[test]
fn a_follower_sees_every_entry_once_in_order_and_ends_well_when_interrupted() {
    for format in [&["--json"][..], &["--format", "csv"], &[]] {
        let gate = gate();
        read(&gate, "a.txt").exited(0);
        let args = [&["audit", "--follow", "--kind", "call.outcome", "--limit", "1"], format].concat();
        let mut command = gate.command(&args);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        if format.contains(&"csv") {
            assert!(lines.next().unwrap().starts_with("seq,"));
        }
        let first = lines.next().unwrap();
        // It has begun: from here on nothing may be missed.
        for _ in 0..3 {
            read(&gate, "a.txt").exited(0);
            read(&gate, ".env").exited(3);
        }
        let followed: Vec<String> = std::iter::once(first).chain(lines.by_ref().take(3)).collect();
        let expected = gate.entries_of("call.outcome");
        assert_eq!(expected.len(), 4);
        for (line, entry) in followed.iter().zip(&expected) {
            match format {
                ["--json"] => assert_eq!(&serde_json::from_str::<Value>(line).unwrap(), entry),
                ["--format", _] => assert!(line.starts_with(&format!("{},", entry["seq"])), "{line}"),
                _ => assert!(line.contains(entry["receipt_id"].as_str().unwrap()), "{line}"),
            }
        }
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        assert_eq!(lines.next(), None);
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
}

#[test]
fn a_follower_of_a_gate_that_ends_says_so() {
    let mut gate = gate();
    let mut command = gate.command(&["audit", "--follow", "--json", "--limit", "1"]);
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.next().unwrap().unwrap();
    assert!(gate.terminate().success(), "the gate does not wait for its follower");
    assert_eq!(child.wait().unwrap().code(), Some(5));
}

#[test]
fn a_spreadsheet_gets_every_entry_and_no_formula() {
    let gate = gate();
    read(&gate, "a.txt").exited(0);
    let agent = gate.raw_agent();
    for action in ["=cmd", "+cmd", "-cmd", "@cmd", "plain,cmd"] {
        let (status, _) = agent.execute(action, &json!({}), |call| call);
        assert_eq!(status, 404, "{action}");
    }
    let text = gate.cli(&["audit", "--format", "csv", "--limit", "1000"]).exited(0).stdout;
    assert_eq!(text.matches("\r\n").count(), text.matches('\n').count());
    let rows = csv(&text);
    assert_eq!(rows.len(), gate.entries().len() + 1, "{text}");
    assert!(rows.iter().all(|row| row.len() == rows[0].len()));
    let actions: Vec<&str> = rows.iter().map(|row| row[5].as_str()).collect();
    for action in ["'=cmd", "'+cmd", "'-cmd", "'@cmd", "plain,cmd", "fs_read"] {
        assert!(actions.contains(&action), "{action} in {actions:?}");
    }
    assert!(!rows.iter().flatten().any(|cell| cell.starts_with(['=', '+', '-', '@'])), "{text}");
    gate.cli(&["audit", "--format", "none"]).exited(2);
    gate.cli(&["audit", "--follow", "--until", "1h"]).exited(2);
    let by_name = gate.cli(&["audit", "--format", "json", "--limit", "3"]).exited(0);
    assert_eq!(by_name.json_lines(), gate.cli(&["audit", "--json", "--limit", "3"]).exited(0).json_lines());
}

#[test]
fn decisions_are_counted_by_what_was_asked_for() {
    let mut gate = gate();
    for _ in 0..3 {
        read(&gate, "a.txt").exited(0);
    }
    read(&gate, ".env").exited(3);
    let held = gate.cli(&["call", "fs_write", r#"{"path":"b","content":"x"}"#]).exited(4);
    gate.cli(&["approvals", "approve", held.stdout.trim(), "--yes"]).exited(0);
    let stats = |gate: &Gate, by: &str| gate.cli(&["audit", "stats", "--by", by, "--json"]).exited(0).json();
    let row = |stats: &Value, key: &str| {
        let rows = stats["rows"].as_array().unwrap();
        rows.iter().find(|row| row["key"] == key).unwrap_or_else(|| panic!("{key} in {stats:#}")).clone()
    };
    // From the log alone, and then from an index made before.
    for _ in 0..2 {
        let by_action = stats(&gate, "action");
        let expected =
            json!({"key": "fs_read", "total": 4, "allowed": 3, "held": 0, "approved": 0, "denied": 1});
        assert_eq!(row(&by_action, "fs_read"), expected);
        let expected =
            json!({"key": "fs_write", "total": 2, "allowed": 0, "held": 1, "approved": 1, "denied": 0});
        assert_eq!(row(&by_action, "fs_write"), expected);
        let uid = format!("uid:{}", rustix::process::getuid().as_raw());
        assert_eq!(row(&stats(&gate, "principal"), &uid)["total"], 6);
        assert_eq!(row(&stats(&gate, "decision"), "denied")["total"], 1);
        let hours = stats(&gate, "hour");
        let total: u64 =
            hours["rows"].as_array().unwrap().iter().map(|row| row["total"].as_u64().unwrap()).sum();
        assert_eq!(total, 6);
        gate.restart();
    }
    let shown = gate.cli(&["audit", "stats"]).exited(0).stdout;
    assert!(shown.starts_with("ACTION ") && !shown.contains(['#', '█']), "{shown}");
    assert_eq!(gate.cli(&["audit", "stats", "--until", "7d", "--json"]).exited(0).json()["rows"], json!([]));
    gate.cli(&["audit", "stats", "--by", "colour"]).exited(2);
    gate.cli(&["audit", "--kind", "call.denied", "stats"]).exited(2);
}

#[test]
fn bars_are_drawn_on_a_terminal_with_what_the_locale_has() {
    let gate = gate();
    read(&gate, "a.txt").exited(0);
    if Command::new("script").arg("--version").stdout(Stdio::null()).status().is_err() {
        eprintln!("LEFT OUT: without `script` there is no terminal to draw on");
        return;
    }
    let drawn = |locale: &str| {
        let binary = gate.command(&[]).get_program().to_str().unwrap().to_owned();
        let mut script = Command::new("script");
        script.args(["-qec", &format!("{binary} audit stats"), "/dev/null"]).stdin(Stdio::null());
        script.env_clear().envs(gate.command(&[]).get_envs().filter_map(|(n, v)| Some((n, v?))));
        Ran::of(script.env("LC_ALL", locale).env("NO_COLOR", "1")).exited(0).stdout
    };
    let (blocks, ascii) = (drawn("C.UTF-8"), drawn("C"));
    assert!(blocks.contains('█') && !blocks.contains('#'), "{blocks}");
    assert!(ascii.contains("####") && ascii.is_ascii() && !ascii.contains('\u{1b}'), "{ascii}");
}

#[test]
fn a_query_that_asks_for_two_directions_is_refused_and_a_stranger_learns_no_count() {
    let gate = gate();
    let operator = gate.raw_operator();
    for path in ["/v1/audit?from=0&before=3", "/v1/audit/stats?by=colour", "/v1/audit/stats?limit=1"] {
        assert_eq!(operator.get(path).send().outcome(), (400, "bad_request".into()), "{path}");
    }
    assert_eq!(operator.get("/v1/audit?from=0&limit=2").send().status, 200);
    assert_eq!(operator.get("/v1/audit/stats?by=hour").send().status, 200);
    let stranger = exchange(&gate.admin_socket(), b"GET /v1/audit/stats HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(stranger.status, 401);
}

//! The command line as scripts and people meet it: exit codes, JSON and nothing else, colour only where it is seen.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use latchgate_tests::manifest::typed_post;
use latchgate_tests::{Gate, Response, Terminal, Upstream, eventually, policy};
use serde_json::{Value, json};

fn gate() -> Gate {
    Gate::builder().root_file("a.txt", "text\n").root_file(".env", "TOKEN=1").start()
}

#[test]
fn wrong_usage_and_wrong_arguments_end_with_2() {
    let gate = gate();
    for args in [
        &["no-such-command"][..],
        &["call"],
        &["call", "fs_read", "{"],
        &["call", "fs_read", "[]"],
        &["call", "fs_read", r#"{"path":"a.txt","path":".env"}"#],
        &["call", "fs_read", r#"{"path":7}"#],
        &["call", "fs_read", r#"{"path":"../a.txt"}"#],
        &["call", "no_such_action"],
        &["audit", "--limit", "0"],
        &["approvals", "show", "appr_none"],
    ] {
        let ran = gate.cli(args).exited(2);
        assert!(!ran.stderr.is_empty(), "{args:?}");
    }
}

#[test]
fn a_denied_call_ends_with_3_and_its_reason() {
    let ran = gate().cli(&["call", "fs_read", r#"{"path":".env"}"#]).exited(3);
    assert!(ran.stderr.contains("policy_denied") && ran.stderr.contains("environment"), "{}", ran.stderr);
    assert_eq!(ran.stdout, "");
}

#[test]
fn a_held_call_ends_with_4_prints_its_id_and_names_the_command() {
    let gate = gate();
    let ran = gate.cli(&["call", "fs_write", r#"{"path":"b","content":"x"}"#]).exited(4);
    let id = ran.stdout.trim();
    assert_eq!(gate.entries_of("call.held")[0]["approval_id"], id);
    assert!(ran.stderr.contains(&format!("latchgate approvals approve {id}")), "{}", ran.stderr);
    // Without a terminal nobody is asked, so nothing is approved by accident.
    gate.cli(&["approvals", "approve", id]).exited(2);
    assert!(!gate.root().join("b").exists());
    gate.cli(&["approvals", "approve", id, "--yes"]).exited(0);
    assert_eq!(fs::read_to_string(gate.root().join("b")).unwrap(), "x");
}

#[test]
fn a_call_that_waits_ends_as_the_decision_says() {
    let gate = gate();
    let waiting = |path: &str| {
        let args = json!({ "path": path, "content": "x" }).to_string();
        let mut command = gate.command(&["call", "fs_write", &args, "--wait", "--json"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let child = waiting("b");
    let held = gate.raw_operator().await_held(&[]);
    gate.cli(&["approvals", "approve", &held, "--yes"]).exited(0);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["output"]["path"], "b");

    let child = waiting("c");
    let held = gate.raw_operator().await_held(&[]);
    gate.cli(&["approvals", "deny", &held, "--reason", "no"]).exited(0);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!gate.root().join("c").exists());
}

#[test]
fn no_gate_ends_with_5_and_names_the_command_that_starts_one() {
    let gate = Gate::builder().prepare();
    for args in [&["call", "fs_read", "{}"][..], &["actions", "list"]] {
        let ran = gate.cli(args).exited(5);
        assert!(ran.stderr.contains("latchgate up"), "{args:?}: {}", ran.stderr);
    }
    // These need an operator's key as well, which the first `up` makes.
    for args in [&["status"][..], &["approvals", "list"], &["audit"], &["down"]] {
        let ran = gate.cli(args);
        assert_ne!(ran.code, 0, "{args:?}");
        assert!(ran.stderr.contains("latchgate up"), "{args:?}: {}", ran.stderr);
    }
    let mut gate = Gate::builder().start();
    gate.terminate();
    for args in [&["status"][..], &["approvals", "list"], &["audit"], &["down"], &["call", "fs_list"]] {
        gate.cli(args).exited(5);
    }
}

#[test]
fn an_altered_ledger_ends_with_6() {
    let mut gate = gate();
    gate.terminate();
    gate.cli(&["verify"]).exited(0);
    let segment = &latchgate_tests::segments_in(&gate.ledger())[0];
    let mut bytes = fs::read(segment).unwrap();
    bytes[40] ^= 1;
    fs::write(segment, bytes).unwrap();
    gate.cli(&["verify"]).exited(6);
}

#[test]
fn an_unknown_effect_ends_with_7() {
    let upstream = Upstream::answering(|_| Response::hang());
    let hasty = typed_post("hasty_post", &[("time_ms: 30000", "time_ms: 500")]);
    let builder = Gate::builder().config("[egress]\ndangerous_loopback = true\n").policy(policy::ALLOW);
    let gate = builder.manifest("hasty.yaml", &hasty).start();
    let args = json!({ "url": upstream.url("/"), "body": {} }).to_string();
    gate.cli(&["call", "hasty_post", &args]).exited(7);
    // Once more, in case a script retries all the same.
    gate.cli(&["call", "hasty_post", &args]).exited(7);
    assert_eq!(upstream.count(), 1);
}

#[test]
fn a_service_that_said_no_ends_with_1() {
    let upstream = Upstream::answering(|_| Response::status(500, "no"));
    let builder = Gate::builder().config("[egress]\ndangerous_loopback = true\n").policy(policy::ALLOW);
    let gate = builder.start();
    let args = json!({ "url": upstream.url("/") }).to_string();
    gate.cli(&["call", "http_fetch", &args]).exited(1);
}

#[test]
fn json_is_alone_on_stdout_whatever_the_end() {
    let gate = gate();
    let held = gate.cli(&["call", "--json", "fs_write", r#"{"path":"b","content":"x"}"#]).exited(4).json();
    let id = held["approval_id"].as_str().unwrap();
    for (args, code) in [
        (&["status"][..], 0),
        (&["actions", "list"], 0),
        (&["actions", "show", "fs_read"], 0),
        (&["actions", "show", "none"], 2),
        (&["call", "fs_read", r#"{"path":"a.txt"}"#], 0),
        (&["call", "fs_read", r#"{"path":".env"}"#], 3),
        (&["call", "fs_read", "{"], 2),
        (&["approvals", "list"], 0),
        (&["approvals", "show", id], 0),
        (&["approvals", "approve", id, "--yes"], 0),
        (&["approvals", "approve", id, "--yes"], 1),
        (&["verify"], 0),
    ] {
        let mut args = args.to_vec();
        args.push("--json");
        let ran = gate.cli(&args).exited(code);
        assert!(ran.json().is_object(), "{args:?}: {}", ran.stdout);
        if code != 0 && code != 4 {
            assert!(ran.json()["error"].is_string(), "{args:?}: {}", ran.stdout);
        }
    }
    let entries = gate.cli(&["audit", "--json"]).exited(0).json_lines();
    assert!(entries.iter().all(|entry| entry["kind"].is_string()), "{entries:#?}");
}

#[test]
fn arguments_come_from_stdin_too() {
    let gate = gate();
    let mut command = gate.command(&["call", "fs_read", "-"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(br#"{"path":"a.txt"}"#).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stdout), (Some(0), b"text\n".to_vec()));
}

#[test]
fn a_file_goes_through_a_pipe_to_the_byte() {
    let text = "\x1b[31mred\x1b[0m \u{202e}\tend";
    let gate = Gate::builder().root_file("a", text).start();
    assert_eq!(gate.cli(&["call", "fs_read", r#"{"path":"a"}"#]).exited(0).stdout, text);
}

/// The command on a terminal, both streams together.
fn on_a_terminal(gate: &Gate, args: &[&str], variables: &[(&str, &str)]) -> String {
    let mut command = gate.command(args);
    command.envs(variables.iter().copied());
    let (code, shown) = Terminal::run(command, 40, 120).finish();
    assert_eq!(code, 0, "{shown}");
    shown
}

#[test]
fn colour_is_for_terminals_and_never_with_no_color() {
    let gate = gate();
    let is_coloured = |text: &str| text.contains('\x1b');
    for args in [&["verify"][..], &["actions", "list"], &["status"], &["audit"]] {
        let ran = gate.cli(args).exited(0);
        assert!(!is_coloured(&ran.stdout) && !is_coloured(&ran.stderr), "{args:?}: {ran:#?}");
        let shown = on_a_terminal(&gate, args, &[("NO_COLOR", "1")]);
        assert!(!is_coloured(&shown), "{args:?}: {shown:?}");
    }
    let shown = on_a_terminal(&gate, &["verify"], &[]);
    assert!(is_coloured(&shown), "{shown:?}");
}

#[test]
fn a_terminal_is_not_obeyed_by_what_an_agent_wrote() {
    let gate = gate();
    let hostile = json!({ "path": "b", "content": "\u{1b}[2J\u{202e}evil\u{200b}" });
    let (status, held) = gate.raw_agent().execute("fs_write", &hostile, |call| call);
    assert_eq!(status, 202, "{held:#}");
    let id = held["approval_id"].as_str().unwrap();
    let shown = on_a_terminal(&gate, &["approvals", "show", id], &[("NO_COLOR", "1")]);
    assert!(shown.contains("evil"), "{shown:?}");
    for raw in ['\u{1b}', '\u{202e}', '\u{200b}'] {
        assert!(!shown.contains(raw), "{raw:?} in {shown:?}");
    }
}

#[test]
fn every_command_explains_itself_with_an_example() {
    let gate = Gate::builder().prepare();
    let mut left = vec![Vec::<String>::new()];
    let mut checked = Vec::new();
    while let Some(path) = left.pop() {
        let mut args: Vec<&str> = path.iter().map(String::as_str).collect();
        args.push("--help");
        let help = gate.cli(&args).exited(0).stdout;
        let examples = help.lines().filter(|line| line.trim_start().contains("latchgate ")).count();
        // One such line is the usage.
        assert!(examples >= 2, "no example in {help}");
        for name in subcommands(&help) {
            left.push(path.iter().cloned().chain([name]).collect());
        }
        checked.push(path.join(" "));
    }
    for expected in ["up", "call", "approvals approve", "audit", "verify", "demo", "status", "down"] {
        assert!(checked.iter().any(|path| path == expected), "{expected} in {checked:?}");
    }
}

/// The names that clap lists under `Commands:`.
fn subcommands(help: &str) -> Vec<String> {
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = listed.take_while(|line| line.starts_with("  ")).filter(|line| !line.starts_with("   "));
    names.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

#[test]
fn the_version_names_commit_and_ledger_format() {
    let version = Gate::builder().prepare().cli(&["--version"]).exited(0).stdout;
    assert!(version.contains("commit ") && version.contains("ledger format 1"), "{version}");
}

#[test]
fn up_says_what_it_is_and_what_it_is_not() {
    let gate = gate();
    // It listens a moment before it says so.
    for part in [gate.home().to_str().unwrap(), gate.root().to_str().unwrap(), "same-user"] {
        eventually(part, || (gate.said() + &gate.log()).contains(part).then_some(()));
    }
}

#[test]
fn a_gate_in_the_background_answers_when_the_command_returns() {
    let gate = Gate::builder().root_file("a.txt", "text\n").prepare();
    let root = gate.root().to_str().unwrap().to_owned();
    gate.cli(&["up", "--detach", "--root", &root]).exited(0);
    let ran = gate.cli(&["call", "fs_read", r#"{"path":"a.txt"}"#]);
    gate.cli(&["down"]).exited(0);
    assert_eq!(ran.exited(0).stdout, "text\n");
    assert!(!gate.agent_socket().exists());
}

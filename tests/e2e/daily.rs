//! What an operator does on ordinary days: another policy, a port, reload, drain, revoke, a look at files and logs.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use latchgate_tests::{Gate, eventually, policy};
use serde_json::{Value, json};

const EVERYTHING_ELSE: &str = "@id(\"nothing\")\nforbid (principal, action, resource);\n";

fn gate() -> Gate {
    Gate::builder().root_file("a.txt", "text\n").start()
}

fn write_policy(gate: &Gate, name: &str, text: &str) {
    let path = gate.home().join("policies").join(name);
    // Created as the gate's own are, or the gate refuses it.
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}

/// Starts it in the background, looks, and ends it whatever was seen.
fn detached<T>(gate: &Gate, args: &[&str], look: impl FnOnce(&Value) -> T) -> T {
    let root = gate.root().to_str().unwrap();
    let mut all = vec!["up", "--detach", "--json", "--root", root];
    all.extend(args);
    let started = gate.cli(&all).exited(0).json();
    let seen = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| look(&started)));
    gate.cli(&["down"]).exited(0);
    seen.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

#[test]
fn a_new_home_gets_the_preset_and_an_existing_one_keeps_its_policy() {
    let gate = Gate::builder().root_file("a.txt", "text\n").prepare();
    let write = ["call", "fs_write", r#"{"path":"b","content":"x"}"#];
    detached(&gate, &["--preset", "read-only"], |started| {
        assert_eq!(started["preset"], "read-only");
        gate.cli(&["call", "fs_read", r#"{"path":"a.txt"}"#]).exited(0);
        gate.cli(&write).exited(3);
    });
    let text = fs::read_to_string(gate.home().join("policies/read-only.cedar")).unwrap();
    assert!(text.starts_with("// preset: "), "{text}");
    assert!(!gate.home().join("policies/standard.cedar").exists());
    // The same once more changes nothing; another one is refused, and nothing starts.
    detached(&gate, &["--preset", "read-only"], |started| assert_eq!(started["preset"], Value::Null));
    let ran = gate.cli(&["up", "--preset", "coding"]).exited(2);
    assert!(ran.stderr.contains("policies") && ran.stderr.contains("read-only.cedar"), "{}", ran.stderr);
    assert!(ran.stderr.contains("latchgate presets show coding"), "{}", ran.stderr);
    assert!(!gate.home().join("policies/coding.cedar").exists());
    gate.cli(&["up", "--preset", "none"]).exited(2);
}

#[test]
fn an_exposed_port_answers_and_only_a_loopback_one_is_taken() {
    let gate = Gate::builder().prepare();
    let refused = gate.cli(&["up", "--expose-http", "0.0.0.0:3000"]).exited(2);
    assert!(refused.stderr.contains("loopback"), "{}", refused.stderr);
    detached(&gate, &["--expose-http", "127.0.0.1:0"], |started| {
        let address = started["exposed"].as_str().unwrap();
        assert!(std::net::TcpStream::connect(address).is_ok(), "{address}");
    });
}

#[test]
fn a_reload_puts_a_changed_policy_in_force_or_nothing() {
    let gate = gate();
    let read = ["call", "fs_read", r#"{"path":"a.txt"}"#];
    gate.cli(&read).exited(0);
    write_policy(&gate, "more.cedar", "permit (principal, action);\n");
    let ran = gate.cli(&["reload"]).exited(2);
    assert!(ran.stderr.contains("more.cedar") && ran.stderr.contains("stays in force"), "{}", ran.stderr);
    gate.cli(&read).exited(0);
    write_policy(&gate, "more.cedar", EVERYTHING_ELSE);
    let reloaded = gate.cli(&["reload", "--json"]).exited(0).json();
    assert_eq!(gate.cli(&["status", "--json"]).json()["policy_digest"], reloaded["policy_digest"]);
    gate.cli(&read).exited(3);
}

#[test]
fn a_drained_gate_takes_no_call_and_still_answers_its_operator() {
    let gate = gate();
    let ran = gate.cli(&["drain"]).exited(0);
    assert!(ran.stdout.starts_with("drained"), "{}", ran.stdout);
    gate.cli(&["call", "fs_read", r#"{"path":"a.txt"}"#]).exited(1);
    assert_eq!(gate.cli(&["status", "--json"]).exited(0).json()["status"], "draining");
}

#[test]
fn a_revoked_session_is_refused_at_its_next_call() {
    let gate = gate();
    let read = |agent: &latchgate_tests::RawAgent| {
        agent.execute("fs_read", &json!({ "path": "a.txt" }), |call| call).0
    };
    let (one, other) = (gate.raw_agent(), gate.raw_agent());
    assert_eq!((read(&one), read(&other)), (200, 200));
    let session = gate.entries_of("lease.issued")[0]["who"]["session_id"].as_str().unwrap().to_owned();
    gate.cli(&["revoke", "--session", &session, "--reason", "a test"]).exited(0);
    assert_eq!((read(&one), read(&other)), (401, 200));
    let entry = &gate.entries_of("lease.revoked")[0];
    assert_eq!((&entry["target"]["session"], &entry["reason"]), (&json!(session), &json!("a test")));
    gate.cli(&["revoke", "--all"]).exited(0);
    assert_eq!(read(&other), 401);
    for args in [&["revoke"][..], &["revoke", "--all", "--agent", "x"]] {
        gate.cli(args).exited(2);
    }
}

#[test]
fn an_accepted_clock_is_an_entry_in_the_operators_name() {
    let gate = gate();
    let accepted = gate.cli(&["clock", "accept", "--json"]).exited(0).json();
    let entry = &gate.entries_of("clock.accepted")[0];
    assert_eq!((&entry["operator"], &entry["seq"]), (&json!("local"), &accepted["log_index"]));
}

#[test]
fn presets_are_listed_and_printed_without_a_gate() {
    let gate = Gate::builder().prepare();
    let listed = gate.cli(&["presets", "--json"]).exited(0).json();
    let names: Vec<_> = listed["presets"].as_array().unwrap().iter().map(|preset| &preset["name"]).collect();
    assert!(names.len() >= 6 && names.contains(&&json!("standard")), "{names:?}");
    assert_eq!(gate.cli(&["presets", "show", "standard"]).exited(0).stdout, policy::STANDARD);
    gate.cli(&["presets", "show", "none"]).exited(2);
}

#[test]
fn the_policy_shown_holds_plain_rules_as_cedar_and_says_whether_it_is_in_force() {
    let gate = gate();
    let shown = gate.cli(&["policy", "show", "--json"]).exited(0).json();
    assert_eq!(shown["policy_digest"], shown["in_force"]);
    write_policy(
        &gate,
        "rules.yaml",
        "format: 1\nrules:\n  - { id: no-sending, then: deny, when: { class: send } }\n",
    );
    let ran = gate.cli(&["policy", "show"]).exited(0);
    assert!(ran.stdout.contains("// file: policies/rules.yaml\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("@id(\"no-sending\")"), "{}", ran.stdout);
    assert!(ran.stderr.contains("next: latchgate reload"), "{}", ran.stderr);
}

#[test]
fn the_settings_are_shown_with_their_origin_and_every_problem_is_told() {
    let gate = Gate::builder().config("[auth]\nlease_ttl_s = 60\n").start();
    let file = gate.cli(&["config", "path"]).exited(0).stdout;
    assert_eq!(file.trim_end(), gate.home().join("latchgate.toml").to_str().unwrap());
    let shown = gate.cli(&["config", "show", "--json"]).exited(0).json();
    let settings = shown["settings"].as_array().unwrap();
    let find = |name| settings.iter().find(|setting| setting["name"] == name).unwrap();
    assert_eq!(
        find("auth.lease_ttl_s"),
        &json!({ "name": "auth.lease_ttl_s", "value": 60, "origin": "file" })
    );
    assert_eq!(find("approvals.ttl_s")["origin"], "default");
    gate.cli(&["config", "check"]).exited(0);
    fs::write(file.trim_end(), "[auth]\nlease_ttl_s = 0\n[approvals]\nttl_s = 0\n").unwrap();
    write_policy(&gate, "more.cedar", "permit (principal, action);\n");
    let checked = gate.cli(&["config", "check", "--json"]).exited(2).json();
    assert!(checked["problems"].as_array().unwrap().len() >= 3, "{checked:#}");
    let told = gate.cli(&["config", "check"]).exited(2).stderr;
    assert!(told.contains("lease_ttl_s is 0") && told.contains("more.cedar"), "{told}");
}

#[test]
fn the_log_is_shown_to_people_and_raw_to_machines_and_followed() {
    let gate = gate();
    gate.cli(&["reload"]).exited(0);
    let shown = gate.cli(&["logs"]).exited(0).stdout;
    assert!(shown.contains("configuration reloaded") && !shown.contains('{'), "{shown}");
    let lines = gate.cli(&["logs", "--json", "--lines", "1"]).exited(0).json_lines();
    assert_eq!((lines.len(), &lines[0]["operator"]), (1, &json!("local")));
    let mut command = gate.command(&["logs", "--follow", "--lines", "0", "--json"]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut followed = String::new();
    // Reloads until one is seen: nothing tells when the follower has begun.
    let reader = std::thread::spawn({
        let stdout = child.stdout.take().unwrap();
        move || {
            BufReader::new(stdout).read_line(&mut followed).unwrap();
            followed
        }
    });
    eventually("a followed line", || {
        gate.cli(&["reload"]).exited(0);
        reader.is_finished().then_some(())
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(reader.join().unwrap().contains("configuration reloaded"));
    Gate::builder().prepare().cli(&["logs"]).exited(1);
}

#[test]
fn completions_are_what_the_shell_can_read() {
    let gate = Gate::builder().prepare();
    let script = gate.cli(&["completions", "bash"]).exited(0).stdout;
    assert!(script.contains("approvals") && script.contains("--expose-http"), "{script}");
    assert!(!script.contains("--announce"), "{script}");
    let path = gate.base().join("completions");
    fs::write(&path, script).unwrap();
    assert!(Command::new("bash").arg("-n").arg(&path).status().unwrap().success());
    gate.cli(&["completions", "none"]).exited(2);
}

#[test]
fn the_manual_is_what_man_can_read() {
    let gate = Gate::builder().prepare();
    let dir = gate.base().join("man1");
    let written = gate.cli(&["man", dir.to_str().unwrap(), "--json"]).exited(0).json();
    assert!(written["pages"].as_array().unwrap().len() > 30, "{written:#}");
    let page = fs::read_to_string(dir.join("latchgate-audit-stats.1")).unwrap();
    assert!(page.contains("latchgate audit stats"), "{page}");
    if Command::new("groff").arg("--version").stdout(Stdio::null()).status().is_err() {
        eprintln!("LEFT OUT: without groff nothing reads the pages here");
        return;
    }
    let read =
        Command::new("groff").args(["-man", "-Tutf8", "-ww", "-z"]).arg(dir.join("latchgate.1")).output();
    let read = read.unwrap();
    assert!(read.status.success() && read.stderr.is_empty(), "{}", String::from_utf8_lossy(&read.stderr));
}

//! Policy before it is in force: tested by its cases, explained, replayed against what happened, compared.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use latchgate_tests::{Gate, Ran, workspace};
use serde_json::{Value, json};

const POLICY: &str = r#"@id("reads") @reason("reading is allowed")
permit (principal, action in Action::"class:read", resource)
when { context.op.kind == "fs" };
@id("writes") @ask("it changes a file") permit (principal, action in Action::"class:write", resource);
@id("no-env") @reason("not this one")
forbid (principal, action, resource)
when { context.op.kind == "fs" && context.op.path like "*.env" };
"#;

fn gate() -> Gate {
    Gate::builder().policy(POLICY).root_file("a.txt", "text").root_file(".env", "TOKEN=1").start()
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// The only file in the home's `policies/`, with another text.
fn replace_policy(gate: &Gate, text: &str) {
    let files: Vec<_> =
        fs::read_dir(gate.home().join("policies")).unwrap().map(|f| f.unwrap().path()).collect();
    let policies: Vec<_> = files.iter().filter(|path| path.is_file()).collect();
    assert_eq!(policies.len(), 1, "{files:?}");
    write(policies[0], text);
}

fn explained(gate: &Gate, args: &[&str]) -> Value {
    let mut words = vec!["policy", "explain", "--json"];
    words.extend(args);
    gate.cli(&words).exited(0).json()
}

// policy test

fn tested(home: &Path, args: &[&str]) -> Ran {
    let mut command = std::process::Command::new(latchgate_tests::binary());
    Ran::of(command.env("LATCHGATE_HOME", home).args(["policy", "test"]).args(args))
}

#[test]
fn every_preset_passes_its_cases_without_a_gate() {
    let home = tempfile::tempdir().unwrap();
    let policies = workspace().join("policies").display().to_string();
    let ran = tested(home.path(), &[&policies, "--require-coverage", "--json"]).exited(0);
    let sets = ran.json()["sets"].as_array().unwrap().clone();
    assert!(sets.len() >= 6, "{sets:?}");
    assert!(sets.iter().all(|set| set["held"].as_u64().unwrap() > 5), "{sets:?}");
}

#[test]
fn a_case_with_another_answer_ends_with_1_and_names_file_and_line() {
    let dir = tempfile::tempdir().unwrap();
    let set = dir.path().join("set");
    write(&set.join("p.cedar"), POLICY);
    let case = |verdict: &str| {
        format!(
            "format: 1\ncases:\n  - {{ action: fs_read, args: {{ path: a }}, verdict: allow, rule: reads }}\n  \
             - {{ action: fs_read, args: {{ path: x.env }}, verdict: {verdict} }}\n"
        )
    };
    write(&set.join("cases/a.yaml"), &case("ask"));
    let set = set.display().to_string();
    let ran = tested(dir.path(), &[&set]).exited(1);
    assert!(ran.stdout.contains("cases/a.yaml:4: fs_read"), "{}", ran.stdout);
    assert!(ran.stdout.contains("expected ask, found deny by no-env"), "{}", ran.stdout);
    assert!(ran.stdout.contains("p.cedar:4: no case is decided by writes"), "{}", ran.stdout);
    // The same with the right answer passes, unless every rule must have a case.
    write(&Path::new(&set).join("cases/a.yaml"), &case("deny"));
    tested(dir.path(), &[&set]).exited(0);
    tested(dir.path(), &[&set, "--require-coverage"]).exited(1);
}

#[test]
fn a_directory_without_cases_is_wrong_usage() {
    let dir = tempfile::tempdir().unwrap();
    let ran = tested(dir.path(), &[&dir.path().display().to_string()]).exited(2);
    assert!(ran.stderr.contains("there are no cases here"), "{}", ran.stderr);
}

// policy explain

#[test]
fn a_call_is_explained_with_file_line_and_what_would_change_it() {
    let gate = gate();
    let told = explained(&gate, &["--action", "fs_read", "--args", r#"{"path":".env"}"#]);
    assert_eq!((&told["verdict"], &told["rule"]), (&json!("deny"), &json!("no-env")));
    let fired: Vec<_> =
        told["fired"].as_array().unwrap().iter().map(|rule| (&rule["id"], &rule["line"])).collect();
    assert_eq!(fired, [(&json!("reads"), &json!(1)), (&json!("no-env"), &json!(5))]);
    assert!(told["fired"][1]["file"].as_str().unwrap().starts_with("policies/"), "{told}");
    assert!(told["changes"][0].as_str().unwrap().contains("it would be allowed by reads"), "{told}");
    // The gate answers as explained, and tells the agent no rule.
    let denied = gate.raw_agent().call("fs_read", &json!({ "path": ".env" })).send().expect(403);
    assert!(!denied.to_string().contains("no-env"), "{denied}");
}

#[test]
fn a_receipt_is_explained_by_the_policy_recorded_for_it() {
    let gate = gate();
    gate.raw_agent().call("fs_read", &json!({ "path": "a.txt" })).send().expect(200);
    let receipt = gate.entries_of("call.outcome")[0]["receipt_id"].as_str().unwrap().to_owned();
    let told = explained(&gate, &[&receipt]);
    assert_eq!((&told["then"]["verdict"], &told["then"]["rule"]), (&json!("allow"), &json!("reads")));
    assert_eq!((&told["differs"], &told["note"]), (&json!(false), &Value::Null));
    // The files change, and nothing is reloaded: what was recorded stays, and today's answer is said beside it.
    replace_policy(&gate, &POLICY.replace("@id(\"reads\")", "@id(\"reads\") @ask(\"why\")"));
    let told = explained(&gate, &[&receipt]);
    assert_eq!((&told["then"]["verdict"], &told["today"]["verdict"]), (&json!("allow"), &json!("ask")));
    assert_eq!(told["differs"], true);
    let shown = gate.cli(&["policy", "explain", &receipt]).exited(0).stdout;
    assert!(shown.contains("reads (policies/") && shown.contains("this differs"), "{shown}");
}

#[test]
fn a_denied_call_is_explained_as_far_as_it_was_recorded() {
    let gate = gate();
    gate.raw_agent().call("fs_read", &json!({ "path": ".env" })).send().expect(403);
    let trace = gate.entries_of("call.denied")[0]["trace_id"].as_str().unwrap().to_owned();
    let told = explained(&gate, &[&trace]);
    assert_eq!(told["policy"]["rule"], "no-env");
    assert!(told["note"].as_str().unwrap().contains("are not kept"), "{told}");
    gate.cli(&["policy", "explain", "trc_01JD3G0000000000000000000E"]).exited(2);
    gate.cli(&["policy", "explain", "--action", "none"]).exited(2);
    gate.cli(&["policy", "explain", "--action", "fs_read", "--args", r#"{"path":7}"#]).exited(2);
}

// policy simulate

#[test]
fn recorded_calls_are_replayed_against_files_that_are_not_in_force() {
    let gate = gate();
    let agent = gate.raw_agent();
    for _ in 0..3 {
        agent.call("fs_read", &json!({ "path": "a.txt" })).send().expect(200);
    }
    agent.call("fs_read", &json!({ "path": ".env" })).send().expect(403);
    agent.call("fs_write", &json!({ "path": "b", "content": "x" })).send().expect(202);
    let simulated = |args: &[&str]| {
        let mut words = vec!["policy", "simulate", "--since", "1h", "--json"];
        words.extend(args);
        gate.cli(&words).exited(0).json()
    };
    let same = simulated(&[]);
    assert_eq!((&same["replayed"], &same["same"]), (&json!(4), &json!(4)));
    assert_eq!(same["not_replayed"]["denied"], json!({ "no-env": 1 }));

    let entries = gate.entries().len();
    replace_policy(&gate, "@id(\"ask-all\") @ask(\"why\") permit (principal, action, resource);");
    let changed = simulated(&[]);
    assert_eq!((&changed["replayed"], &changed["same"]), (&json!(4), &json!(1)));
    let change = &changed["changes"][0];
    assert_eq!((&change["action"], &change["calls"]), (&json!("fs_read"), &json!(3)));
    assert_eq!(
        (&change["from"], &change["to"], &change["to_rule"]),
        (&json!("allow"), &json!("ask"), &json!("ask-all"))
    );
    assert_eq!(changed["not_replayed"]["denying_rules_gone"], json!(["no-env"]));
    let shown = gate.cli(&["policy", "simulate"]).exited(0).stdout;
    assert!(shown.contains("3 would be answered otherwise"), "{shown}");
    assert_eq!(gate.entries().len(), entries, "a replay writes nothing");
}

#[test]
fn forgotten_arguments_are_counted_and_not_guessed() {
    let gate = gate();
    gate.raw_agent().call("fs_read", &json!({ "path": "a.txt" })).send().expect(200);
    let receipt = gate.entries_of("call.outcome")[0]["receipt_id"].as_str().unwrap().to_owned();
    gate.cli(&["ledger", "forget", "--receipt", &receipt]).exited(0);
    let simulated = gate.cli(&["policy", "simulate", "--json"]).exited(0).json();
    assert_eq!((&simulated["replayed"], &simulated["not_replayed"]["forgotten"]), (&json!(0), &json!(1)));
}

// policy compare

#[test]
fn a_wider_set_ends_with_1_and_a_witness_and_the_other_way_round_with_0() {
    let gate = gate();
    let next = gate.base().join("next.cedar");
    write(&next, &POLICY.replace("\"*.env\"", "\"*/.env\""));
    let next = next.display().to_string();
    let found = gate.cli(&["policy", "compare", "home", &next, "--json"]).exited(1).json();
    let witnesses = found["witnesses"].as_array().unwrap();
    let witness = witnesses.iter().find(|witness| witness["action"] == "fs_read").unwrap();
    assert_eq!((&witness["old"], &witness["old_rule"]), (&json!("deny"), &json!("no-env")));
    assert_eq!((&witness["new"], &witness["new_rule"]), (&json!("allow"), &json!("reads")));
    // The witness is a call: explained by the one set and by the other, it comes out as told.
    let path = json!({ "path": witness["arguments"]["path"] }).to_string();
    for (set, verdict) in [("home", "deny"), (next.as_str(), "allow")] {
        let told = explained(
            &gate,
            &["--policy", set, "--action", "fs_read", "--args", &path, "--boundary", "service"],
        );
        assert_eq!(told["verdict"], verdict, "{set} {path}");
    }
    let shown = gate.cli(&["policy", "compare", "home", &next]).exited(1).stdout;
    assert!(shown.contains("WIDER"), "{shown}");
    let back = gate.cli(&["policy", "compare", &next, "home"]).exited(0).stdout;
    assert!(back.contains("not wider as far as was tried"), "{back}");
}

#[test]
fn a_set_with_a_forbid_more_is_proved_not_wider() {
    let gate = gate();
    let next = gate.base().join("next.cedar");
    write(
        &next,
        &format!(
            "{POLICY}@id(\"more\") forbid (principal, action, resource) when {{ context.op.path like \"*.pem\" }};"
        ),
    );
    let found =
        gate.cli(&["policy", "compare", "home", &next.display().to_string(), "--json"]).exited(0).json();
    assert_eq!((&found["proved"], &found["wider"]), (&json!(true), &json!(false)));
    assert!(found["stricter"].as_u64().unwrap() > 0 && found["tried"].as_u64().unwrap() > 50, "{found}");
    gate.cli(&["policy", "compare", "home", "/nowhere"]).exited(2);
    gate.cli(&["policy", "compare", "home", "preset:none"]).exited(2);
}

// reload --expect, and observing

#[test]
fn a_reload_that_expects_another_policy_changes_nothing() {
    let gate = gate();
    let in_force =
        || gate.cli(&["status", "--json"]).exited(0).json()["policy_digest"].as_str().unwrap().to_owned();
    let before = in_force();
    replace_policy(&gate, "@id(\"none\") forbid (principal, action, resource);");
    let changes = gate.entries_of("config.changed").len();
    let other = format!("sha256:{}", "0".repeat(64));
    let ran = gate.cli(&["reload", "--expect", &other]).exited(1);
    assert!(ran.stderr.contains(&before) && ran.stderr.contains("nothing was changed"), "{}", ran.stderr);
    assert_eq!((in_force(), gate.entries_of("config.changed").len()), (before.clone(), changes));
    gate.raw_agent().call("fs_read", &json!({ "path": "a.txt" })).send().expect(200);
    // Its twin expects what is in force: the change is made, judged by and recorded.
    gate.cli(&["reload", "--expect", &before]).exited(0);
    let recorded = gate.entries_of("config.changed");
    assert_eq!(
        (recorded.len(), recorded[changes]["policy_digest"].as_str()),
        (changes + 1, Some(in_force().as_str()))
    );
    gate.raw_agent().call("fs_read", &json!({ "path": "a.txt" })).send().expect(403);
    // Once more it is no longer what is in force.
    gate.cli(&["reload", "--expect", &before]).exited(1);
    gate.cli(&["reload", "--expect", "none"]).exited(2);
}

#[test]
fn a_gate_that_observes_reads_and_records_what_it_would_have_done() {
    let preset = fs::read_to_string(workspace().join("policies/observe/policy.cedar")).unwrap();
    let gate =
        Gate::builder().policy(&preset).root_file("a.txt", "text").root_file(".env", "TOKEN=1").start();
    let agent = gate.raw_agent();
    agent.call("fs_read", &json!({ "path": "a.txt" })).send().expect(200);
    agent.call("fs_read", &json!({ "path": ".env" })).send().expect(403);
    let denied = agent.call("fs_write", &json!({ "path": "b", "content": "x" })).send().expect(403);
    assert!(!denied.to_string().contains("ask-to-write"), "{denied}");
    assert!(!gate.root().join("b").exists());
    assert!(gate.entries_of("call.held").is_empty() && gate.entries_of("call.intent").len() == 1);
    let recorded = gate.entries_of("call.denied");
    assert_eq!(recorded[0]["policy"]["rule"], "no-environment-files");
    assert_eq!(recorded[0]["policy"].get("would"), None);
    let policy = &recorded[1]["policy"];
    assert_eq!((&policy["verdict"], &policy["rule"]), (&json!("deny"), &json!("observe")));
    assert_eq!(policy["would"], json!({ "rule": "ask-to-write", "verdict": "ask" }));
    // Loudly: in the status, in the log, in the audit and in the doctor's account.
    assert_eq!(gate.cli(&["status", "--json"]).exited(0).json()["observes"], true);
    assert!(gate.cli(&["status"]).exited(0).stdout.contains("OBSERVES"));
    assert!(gate.log().contains("this gate observes"), "{}", gate.log());
    let audit = gate.cli(&["audit", "--kind", "call.denied"]).exited(0).stdout;
    assert!(audit.contains("without observing: ask by rule ask-to-write"), "{audit}");
    let doctor = gate.cli(&["doctor"]).stdout;
    assert!(doctor.contains("this gate observes"), "{doctor}");
    gate.assert_sound();
}

//! Approvals from the command line: what a person is shown, how far a word reaches, and taking it back.

use latchgate_tests::{Gate, RawAgent, Terminal};
use serde_json::{Value, json};

fn gate() -> Gate {
    Gate::builder().root_file("notes.md", "# Notes\n\nbuy milk\n").start()
}

fn note(content: &str) -> Value {
    json!({ "path": "notes.md", "content": content })
}

/// Holds a write of this text; the approval's id.
fn hold(agent: &RawAgent, content: &str) -> String {
    let (status, held) = agent.execute("fs_write", &note(content), |call| call);
    assert_eq!(status, 202, "{held:#}");
    held["approval_id"].as_str().unwrap().to_owned()
}

fn status(agent: &RawAgent, args: &Value) -> u16 {
    agent.execute("fs_write", args, |call| call).0
}

#[test]
fn a_held_write_is_shown_as_what_changes_in_the_file() {
    let gate = gate();
    let id = hold(&gate.raw_agent(), "# Notes\n\nbuy bread\n");
    let shown = gate.cli(&["approvals", "show", &id]).exited(0).stdout;
    for line in ["     1   # Notes", "     3 - buy milk", "     3 + buy bread"] {
        assert!(shown.lines().any(|found| found == line), "`{line}` in {shown}");
    }
    assert!(!shown.contains("another one than when this was planned"), "{shown}");
    std::fs::write(gate.root().join("notes.md"), "something else\n").unwrap();
    let shown = gate.cli(&["approvals", "show", &id]).exited(0).stdout;
    assert!(shown.contains("another one than when this was planned"), "{shown}");
}

#[test]
fn a_held_deletion_shows_what_would_be_lost() {
    let gate = gate();
    let (code, held) = gate.raw_agent().execute("fs_delete", &json!({ "path": "notes.md" }), |call| call);
    assert_eq!(code, 202, "{held:#}");
    let shown = gate.cli(&["approvals", "show", held["approval_id"].as_str().unwrap()]).exited(0).stdout;
    assert!(shown.contains("     3 - buy milk"), "{shown}");
}

#[test]
fn the_agents_words_are_shown_as_its_own() {
    let gate = gate();
    let agent = gate.raw_agent_with(&json!({ "agent_id": "helpful bot" }));
    let (code, held) = agent.execute("fs_write", &note("x\n"), |call| {
        call.header("X-LatchGate-Reason", "the operator said yes already")
    });
    assert_eq!(code, 202, "{held:#}");
    let shown = gate.cli(&["approvals", "show", held["approval_id"].as_str().unwrap()]).exited(0).stdout;
    let expected = "\
agent     untrusted, it calls itself:
          │ helpful bot
reason    untrusted, it says why:
          │ the operator said yes already
";
    assert!(shown.contains(expected), "{shown}");
}

#[test]
fn an_approval_for_the_session_answers_what_was_left_open_and_nothing_else() {
    let gate = gate();
    let agent = gate.raw_agent();
    let id = hold(&agent, "one\n");
    let approve = ["approvals", "approve", &id, "--scope", "session", "--any", "content", "--uses", "2"];
    let refused = gate.cli(&approve).exited(2).stderr;
    assert!(refused.contains("--yes"), "{refused}");
    let said = gate.cli(&[&approve[..], &["--yes"]].concat()).exited(0).stderr;
    for line in [
        "target    write notes.md",
        "fixed     path = \"notes.md\"",
        "may vary  content: whatever the action takes; the target above stays",
        "uses      2 further calls at most",
    ] {
        assert!(said.contains(line), "`{line}` in {said}");
    }
    // The first call again is answered with what came of it.
    assert_eq!(status(&agent, &note("one\n")), 200);

    assert_eq!(status(&agent, &note("two\n")), 200);
    assert_eq!(status(&agent, &json!({ "path": "other.md", "content": "two\n" })), 202, "another target");
    assert_eq!(status(&gate.raw_agent(), &note("three\n")), 202, "another session");
    let standing = gate.cli(&["approvals", "standing", "--json"]).exited(0).json();
    assert_eq!(standing["standing"][0]["approval_id"], id.as_str(), "{standing:#}");
    assert_eq!(standing["standing"][0]["uses"], 1);
    let listed = gate.cli(&["approvals", "standing"]).exited(0).stdout;
    assert!(listed.contains("may vary  content") && listed.contains("uses      1 of 2"), "{listed}");

    gate.cli(&["approvals", "standing", "revoke", &id, "--reason", "done"]).exited(0);
    assert_eq!(status(&agent, &note("four\n")), 202, "revoked");
    gate.cli(&["approvals", "standing", "revoke", &id]).exited(2);
    gate.assert_sound();
}

#[test]
fn a_wider_approval_is_refused_where_its_bounds_make_no_sense() {
    let gate = gate();
    let id = hold(&gate.raw_agent(), "one\n");
    for (flags, what) in [
        (&["--any", "content"][..], "--scope session"),
        (&["--scope", "always", "--any", "mode"], "no argument `mode`"),
        (&["--scope", "always", "--for", "9999d"], "366d"),
        (&["--scope", "session", "--uses", "0"], "later calls"),
        (&["--scope", "forever"], "always"),
    ] {
        let args = [&["approvals", "approve", &id, "--yes"], flags].concat();
        let stderr = gate.cli(&args).exited(2).stderr;
        assert!(stderr.contains(what), "{flags:?}: {stderr}");
    }
    assert!(gate.entries_of("approval.decided").is_empty());
}

#[test]
fn a_denial_with_a_cool_down_answers_the_same_call_again() {
    let gate = gate();
    let agent = gate.raw_agent();
    let id = hold(&agent, "one\n");
    gate.cli(&["approvals", "deny", &id, "--cool-down", "8d"]).exited(2);
    gate.cli(&["approvals", "deny", &id, "--reason", "not today", "--cool-down", "1h"]).exited(0);
    let (code, denied) = agent.execute("fs_write", &note("one\n"), |call| call);
    assert_eq!((code, &denied["error"]), (403, &json!("policy_denied")), "{denied:#}");
    assert_eq!(status(&agent, &note("two\n")), 202);
}

#[test]
fn what_changed_since_the_last_approved_call_is_shown() {
    let gate = gate();
    let agent = gate.raw_agent();
    let first = hold(&agent, "one\ntwo\n");
    let shown = gate.cli(&["approvals", "show", &first]).exited(0).stdout;
    assert!(shown.contains("no earlier call of this action"), "{shown}");
    gate.cli(&["approvals", "approve", &first, "--yes"]).exited(0);
    let second = hold(&agent, "one\nthree\n");
    let shown = gate.cli(&["approvals", "show", &second]).exited(0).stdout;
    let expected = "\
changed since the last approved call of this action
  /content
     1   one
     2 - two
     2 + three

earlier calls of this action by this principal
  executed (";
    assert!(shown.contains(expected), "{shown}");
}

/// Runs the command on a terminal and answers each question when it comes: its exit code and all that it said.
fn converse(gate: &Gate, args: &[&str], dialogue: &[(&str, &str)]) -> (i32, String) {
    let mut terminal = Terminal::run(gate.command(args), 100, 110);
    for (question, answer) in dialogue {
        terminal.shows(&[question]);
        terminal.press(answer);
        terminal.press("\n");
    }
    terminal.finish()
}

#[test]
fn the_reach_of_an_approval_is_edited_before_it_is_agreed_to() {
    let gate = gate();
    let id = hold(&gate.raw_agent(), "two\n");
    let args = ["approvals", "approve", &id, "--scope", "always"];
    let question = "[y/N, e to edit]";
    let (code, shown) = converse(&gate, &args, &[(question, "no")]);
    assert_eq!(code, 4, "{shown}");
    let (code, shown) = converse(
        &gate,
        &args,
        &[
            (question, "e"),
            ("may vary", "content"),
            ("for how long", "2h"),
            ("how many", "5"),
            ("further calls at most", "y"),
        ],
    );
    assert_eq!(code, 0, "{shown}");
    let standing = &gate.cli(&["approvals", "standing", "--json"]).exited(0).json()["standing"][0];
    assert_eq!((&standing["free"], &standing["max_uses"]), (&json!(["content"]), &json!(5)), "{standing:#}");
    gate.cli(&["call", "fs_write", &note("three\n").to_string()]).exited(0);
    assert_eq!(std::fs::read_to_string(gate.root().join("notes.md")).unwrap(), "three\n");
}

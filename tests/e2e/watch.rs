//! `approvals watch` on a real terminal: what is on the screen, what a key does, and how the terminal is left.

use std::fs;
use std::process::Stdio;
use std::thread;

use latchgate_tests::{Gate, RawAgent, Terminal, eventually};
use rustix::process::Signal;
use serde_json::{Value, json};

const OLD: &str = "# Notes\n\nbuy milk\n";
const NEW: &str = "# Notes\n\nbuy bread\n";

fn gate() -> Gate {
    Gate::builder().root_file("notes.md", OLD).start()
}

fn watch(gate: &Gate, rows: u16) -> Terminal {
    Terminal::run(gate.command(&["approvals", "watch"]), rows, 110)
}

/// Holds a write; the approval's id.
fn hold(agent: &RawAgent, args: &Value) -> String {
    let (status, held) = agent.execute("fs_write", args, |call| call);
    assert_eq!(status, 202, "{held:#}");
    held["approval_id"].as_str().unwrap().to_owned()
}

fn note(content: &str) -> Value {
    json!({ "path": "notes.md", "content": content })
}

fn notes(gate: &Gate) -> String {
    fs::read_to_string(gate.root().join("notes.md")).unwrap()
}

fn assert_given_back(terminal: &Terminal) {
    assert!(terminal.is_cooked(), "the terminal is left as it was");
    eventually("the first screen", || (!terminal.is_on_second_screen()).then_some(()));
}

#[test]
fn a_held_write_shows_its_diff_and_one_key_approves_it_for_the_call_that_waits() {
    let gate = gate();
    let mut terminal = watch(&gate, 50);
    terminal.shows(&["nothing waits"]);
    let args = note(NEW).to_string();
    let mut call = gate.command(&["call", "fs_write", &args, "--wait", "--json"]);
    let call = call.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let waiting = thread::spawn(move || call.wait_with_output().unwrap());

    terminal.shows(&["fs_write", "     3 - buy milk", "     3 + buy bread", "a approve"]);
    assert_eq!(terminal.bells(), 1);
    assert_eq!(notes(&gate), OLD);
    terminal.press("a");
    terminal.shows(&["approved and executed, receipt rcpt_", "nothing waits"]);
    let output = waiting.join().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(result["output"]["path"], "notes.md", "{result:#}");
    assert_eq!(notes(&gate), NEW);

    terminal.press("q");
    assert_eq!(terminal.wait(), 0);
    assert_given_back(&terminal);
    gate.assert_sound();
}

#[test]
fn escapes_bidi_and_zero_width_characters_are_shown_harmless_and_whole() {
    let gate = gate();
    let hostile = "\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}1A\rline\u{202e}evil\u{2066}\u{200b}\u{200d}\u{feff}\u{e0041}end\n";
    let agent = gate.raw_agent();
    let long = format!("{}tail", "x".repeat(300));
    let content = format!("{hostile}{long}\n");
    hold(&agent, &json!({ "path": "bill\u{202e}\u{200b}.md", "content": content }));
    let terminal = watch(&gate, 60);
    let shown = terminal.shows(&[
        "\\u{1B}[2J\\u{1B}]0;owned\\u{7}\\u{9B}1A\\u{D}line\\u{202E}evil\\u{2066}\\u{200B}\\u{200D}\\u{FEFF}",
        "path      bill\\u{202E}\\u{200B}.md",
        "a approve",
    ]);
    // Broken where the screen ends, and nothing is lost.
    let joined: String = shown
        .lines()
        .filter_map(|line| line.split_once("+ ").or_else(|| line.split_once("┆ ")))
        .map(|(_, text)| text)
        .collect();
    assert!(joined.contains("\\u{FEFF}\\u{E0041}end") && joined.contains(&long), "{shown}");
    let sent = String::from_utf8(terminal.bytes()).unwrap();
    for raw in ['\u{202e}', '\u{2066}', '\u{200b}', '\u{200d}', '\u{feff}', '\u{9b}', '\u{e0041}'] {
        assert!(!sent.contains(raw), "{raw:?} was sent to the terminal");
    }
    assert!(
        !sent.contains("\u{1b}[2J") && !sent.contains("\u{1b}]"),
        "the terminal was given an agent's commands"
    );
}

#[test]
fn what_does_not_fit_is_read_before_it_is_approved() {
    let gate = gate();
    let lines: String = (1..=40).map(|line| format!("line {line}\n")).collect();
    hold(&gate.raw_agent(), &note(&lines));
    let mut terminal = watch(&gate, 24);
    terminal.shows(&["lines 1 to 20 of"]);
    terminal.press("a");
    terminal.shows(&["were not on the screen yet"]);
    assert_eq!(notes(&gate), OLD);
    read_to_the_end(&mut terminal);
    terminal.press("a");
    terminal.shows(&["approved and executed"]);
    assert_eq!(notes(&gate), lines);
    gate.assert_sound();
}

/// Presses space, each time after the last one was followed.
fn read_to_the_end(terminal: &mut Terminal) {
    loop {
        let (end, count) = position(&terminal.screen()).expect("a position in the head");
        if end == count {
            return;
        }
        terminal.press(" ");
        eventually("the next lines", || position(&terminal.screen()).filter(|(now, _)| *now > end));
    }
}

/// `lines 1 to 20 of 45`: the last two.
fn position(screen: &str) -> Option<(usize, usize)> {
    let (_, position) = screen.lines().next()?.split_once("| lines ")?;
    let numbers: Vec<usize> = position.split(' ').filter_map(|word| word.parse().ok()).collect();
    Some((*numbers.get(1)?, *numbers.get(2)?))
}

#[test]
fn a_denial_takes_a_reason_that_the_agent_is_told() {
    let gate = gate();
    let agent = gate.raw_agent();
    let id = hold(&agent, &note(NEW));
    let mut terminal = watch(&gate, 50);
    terminal.shows(&["a approve"]);
    terminal.press("d");
    terminal.shows(&["reason, for the agent:"]);
    terminal.press("not on a Sunday");
    terminal.shows(&["not on a Sunday_"]);
    terminal.press("\r");
    terminal.shows(&["denied"]);
    let polled = agent.get(&format!("/v1/approvals/{id}/poll")).send().expect(200);
    assert_eq!((&polled["status"], &polled["reason"]), (&json!("denied"), &json!("not on a Sunday")));
    assert_eq!(notes(&gate), OLD);
}

#[test]
fn an_approval_for_the_session_is_confirmed_first() {
    let gate = gate();
    let agent = gate.raw_agent();
    hold(&agent, &note(NEW));
    let mut terminal = watch(&gate, 50);
    terminal.shows(&["a approve"]);
    terminal.press("s");
    terminal.shows(&["later ones are executed without asking", "may vary  nothing", "100 further calls"]);
    assert_eq!(notes(&gate), OLD);
    terminal.press("y");
    terminal.shows(&["approved and executed"]);
    let standing = gate.cli(&["approvals", "standing", "--json"]).exited(0).json();
    assert_eq!(standing["standing"][0]["scope"], "session", "{standing:#}");
}

#[test]
fn calls_of_one_shape_are_approved_together_after_they_were_listed() {
    let gate = gate();
    let agent = gate.raw_agent();
    hold(&agent, &json!({ "path": "other.md", "content": "other\n" }));
    // Both replace what is not there yet: the second finds the file of the first, and is refused.
    hold(&agent, &json!({ "path": "new.md", "content": "one\n" }));
    hold(&agent, &json!({ "path": "new.md", "content": "two\n" }));
    let mut terminal = watch(&gate, 60);
    terminal.shows(&["3 wait", "a approve"]);
    terminal.press("b");
    terminal.shows(&[
        "2 calls of the same action, principal and target",
        "+ one",
        "+ two",
        "y approve these 2",
    ]);
    terminal.press("y");
    eventually("two decisions", || (gate.entries_of("approval.decided").len() == 2).then_some(()));
    terminal.shows(&["1 waits"]);
    assert!(!gate.root().join("other.md").exists());
    assert!(gate.root().join("new.md").exists());
}

#[test]
fn a_call_that_comes_leaves_the_one_on_the_screen_alone() {
    let gate = gate();
    let agent = gate.raw_agent();
    hold(&agent, &note(NEW));
    let mut terminal = watch(&gate, 50);
    terminal.shows(&["buy bread", "a approve"]);
    assert_eq!(terminal.bells(), 0, "it waited before");
    let other = json!({ "path": "other.md", "content": "other\n" });
    hold(&agent, &other);
    terminal.shows(&["2 wait, this is 2 of 2", "buy bread"]);
    assert_eq!(terminal.bells(), 1);
    terminal.press("a");
    terminal.shows(&["approved and executed"]);
    assert_eq!(notes(&gate), NEW);
    assert!(!gate.root().join("other.md").exists());
    terminal.press("n");
    terminal.shows(&["other.md", "this is 1 of 1"]);
}

#[test]
fn pasted_text_and_a_second_key_decide_nothing() {
    let gate = gate();
    hold(&gate.raw_agent(), &note(NEW));
    let mut terminal = watch(&gate, 50);
    terminal.shows(&["a approve"]);
    terminal.press("aay");
    terminal.shows(&["more than one key at once"]);
    assert_eq!(notes(&gate), OLD);
    assert!(gate.entries_of("approval.decided").is_empty());
}

#[test]
fn the_terminal_is_given_back_on_every_way_out() {
    let gate = gate();
    for way in ["\u{3}", "q"] {
        let mut terminal = watch(&gate, 30);
        terminal.shows(&["nothing waits"]);
        assert!(!terminal.is_cooked() && terminal.is_on_second_screen());
        terminal.press(way);
        assert_eq!(terminal.wait(), 0);
        assert_given_back(&terminal);
    }
    for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
        let mut terminal = watch(&gate, 30);
        terminal.shows(&["nothing waits"]);
        terminal.signal(signal);
        assert_eq!(terminal.wait(), 0);
        assert_given_back(&terminal);
    }
}

#[test]
fn a_resize_is_followed_and_what_is_cut_off_is_to_be_read_again() {
    let gate = gate();
    hold(&gate.raw_agent(), &note(NEW));
    let mut terminal = watch(&gate, 50);
    terminal.shows(&["buy bread", "a approve"]);
    terminal.resize(16, 70);
    terminal.shows(&["lines 1 to 12 of"]);
    terminal.press("a");
    terminal.shows(&["not on the screen yet"]);
    terminal.resize(50, 110);
    terminal.shows(&["buy bread"]);
    assert_eq!(notes(&gate), OLD);
}

#[test]
fn without_a_terminal_it_says_what_else_there_is() {
    let gate = gate();
    let ran = gate.cli(&["approvals", "watch"]).exited(2);
    assert!(
        ran.stderr.contains("needs a terminal") && ran.stderr.contains("approvals list"),
        "{}",
        ran.stderr
    );
}

#[test]
fn no_color_is_heeded_on_the_whole_screen() {
    let gate = gate();
    hold(&gate.raw_agent(), &note(NEW));
    let mut command = gate.command(&["approvals", "watch"]);
    command.env("NO_COLOR", "1");
    let terminal = Terminal::run(command, 50, 110);
    terminal.shows(&["     3 - buy milk", "     3 + buy bread"]);
    let sent = String::from_utf8(terminal.bytes()).unwrap();
    // Sequences that end in `m` are styles.
    let is_style =
        |rest: &str| rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').starts_with('m');
    assert!(!sent.split("\u{1b}[").skip(1).any(is_style), "{sent:?}");
}

#[test]
fn a_gate_in_the_foreground_tells_of_held_calls_in_its_terminal() {
    let mut gate = Gate::builder().root_file("notes.md", OLD).prepare();
    let root = gate.root().to_str().unwrap().to_owned();
    let mut terminal = Terminal::run(gate.command(&["up", "--root", &root]), 40, 200);
    terminal.shows(&["latchgate call fs_read"]);
    let id = hold(&gate.raw_agent(), &note(NEW));
    terminal.shows(&["held: fs_write by uid:", &format!("latchgate approvals approve {id}")]);
    terminal.signal(Signal::TERM);
    assert_eq!(terminal.wait(), 0);
    assert!(!gate.is_running());
}

/// The watch in the gate's own terminal: opened by one key, left by another, and the lines go on.
#[test]
fn w_opens_the_watch_in_the_terminal_of_a_gate_in_the_foreground() {
    let mut gate = Gate::builder().root_file("notes.md", OLD).prepare();
    let root = gate.root().to_str().unwrap().to_owned();
    let mut terminal = Terminal::run(gate.command(&["up", "--root", &root]), 40, 200);
    terminal.shows(&["latchgate call fs_read"]);
    let agent = gate.raw_agent();
    hold(&agent, &note(NEW));
    terminal.shows(&["held: fs_write by uid:", "press w to decide"]);
    // What is pasted opens nothing, and is not shown.
    terminal.press("www");
    hold(&agent, &note("# Other\n"));
    eventually("the second line", || {
        (terminal.screen().matches("held: fs_write").count() == 2).then_some(())
    });
    assert!(!terminal.is_on_second_screen() && !terminal.screen().contains("www"), "{}", terminal.screen());

    terminal.press("w");
    terminal.shows(&["a approve", "+ # Other"]);
    assert!(terminal.is_on_second_screen());
    terminal.press("n");
    terminal.shows(&["     3 + buy bread", "a approve"]);
    terminal.press("a");
    terminal.shows(&["approved and executed, receipt rcpt_"]);
    assert_eq!(notes(&gate), NEW);
    terminal.press("q");
    eventually("the first screen", || (!terminal.is_on_second_screen()).then_some(()));
    let third = hold(&agent, &json!({ "path": "third.md", "content": "x" }));
    terminal.shows(&[&format!("latchgate approvals approve {third}")]);

    // The gate's end ends a watch that is open, and the terminal is as it was.
    terminal.press("w");
    terminal.shows(&["third.md", "a approve"]);
    terminal.signal(Signal::TERM);
    assert_eq!(terminal.wait(), 0, "{}", terminal.screen());
    assert_given_back(&terminal);
    assert!(!gate.is_running());
    gate.assert_sound();
}

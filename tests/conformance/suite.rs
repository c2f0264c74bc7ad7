//! The runs: a whole revision with what is expected to fail, and single scenarios that expect nothing to.
//!
//! `LATCHGATE_CONFORMANCE=long` runs every revision; otherwise the newest.

use std::path::{Path, PathBuf};
use std::process::Command;

use latchgate_tests::{Gate, NpmTools, Ran, Response, Upstream, workspace};

use serde_json::Value;

use crate::front::Front;
use crate::pack;

/// Newest first.
const REVISIONS: [&str; 3] = ["2026-07-28", "2025-11-25", "2025-06-18"];
/// Run on their own, each towards an adapter that nobody has asked yet.
const APART: [&str; 3] =
    ["input-required-result-result-type", "tasks-capability-negotiation", "tasks-request-state-removal"];

fn is_long() -> bool {
    std::env::var_os("LATCHGATE_CONFORMANCE").is_some_and(|form| form == "long")
}

#[test]
fn every_scenario_of_what_is_offered_passes() {
    let Some(npm) = NpmTools::find() else { return };
    let upstream = Upstream::answering(|_| Response::hang());
    let gate = pack::gate(&upstream);
    let revisions = if is_long() { &REVISIONS[..] } else { &REVISIONS[..1] };
    let run = |revision: &str| {
        let front = Front::start(&gate, &["--approval-wait", "1"]);
        let expected = workspace().join(format!("tests/conformance/expected-failures-{revision}.yaml"));
        let mut suite = suite(&npm, &gate, &front);
        suite.args(["--suite", "all", "--spec-version", revision]);
        suite.arg("--output-dir").arg(results(&gate, revision));
        Ran::of(suite.arg("--expected-failures").arg(expected))
    };
    // One after the other: the same call of the same agent at the same time is one call.
    for revision in revisions {
        let ran = run(revision);
        println!("{revision}: {}", summary(&ran));
        assert_eq!(ran.code, 0, "{revision}: {}\n{:#?}", ran.stdout, failures(&results(&gate, revision)));
    }
}

#[test]
fn scenarios_that_need_a_fresh_adapter_pass() {
    let Some(npm) = NpmTools::find() else { return };
    let gate = pack::apart();
    let scenarios = if is_long() { &APART[..] } else { &APART[..1] };
    for scenario in scenarios {
        let front = Front::start(&gate, &["--approval-wait", "1"]);
        let ran = Ran::of(suite(&npm, &gate, &front).args(["--scenario", scenario]));
        println!("{scenario}: {}", summary(&ran));
        ran.exited(0);
    }
}

fn suite(npm: &NpmTools, gate: &Gate, front: &Front) -> Command {
    let mut command = npm.node("@modelcontextprotocol/conformance/dist/index.js");
    command.args(["server", "--url", &front.url]).current_dir(gate.base());
    command
}

fn results(gate: &Gate, revision: &str) -> PathBuf {
    gate.base().join(format!("results-{revision}"))
}

/// The checks below a directory that did not pass, expected or not.
fn failures(dir: &Path) -> Vec<String> {
    let mut failed = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let scenario = entry.file_name().to_string_lossy().into_owned();
        let Ok(text) = std::fs::read_to_string(entry.path().join("checks.json")) else { continue };
        let checks: Vec<Value> = serde_json::from_str(&text).unwrap();
        let not_passed =
            checks.iter().filter(|check| check["status"] != "SUCCESS" && check["status"] != "INFO");
        failed.extend(not_passed.map(|check| {
            format!("{scenario} {}: {} {}", check["id"], check["status"], check["errorMessage"])
        }));
    }
    failed
}

/// The last line that counts.
fn summary(ran: &Ran) -> &str {
    let counts = |line: &&str| line.starts_with("Total:") || line.starts_with("Passed:");
    ran.stdout.lines().rfind(counts).unwrap_or("no count")
}

#[test]
fn each_expected_failure_has_its_reason() {
    for revision in REVISIONS {
        let path = workspace().join(format!("tests/conformance/expected-failures-{revision}.yaml"));
        for (number, line) in lines(&path) {
            assert!(
                !line.trim_start().starts_with("- ") || line.contains(" # "),
                "{}:{number}: no reason",
                path.display()
            );
        }
    }
}

fn lines(path: &Path) -> Vec<(usize, String)> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().enumerate().map(|(at, line)| (at + 1, line.to_owned())).collect()
}

//! `policy test`: tables of cases held against the sets they lie beside; works without a gate.

use std::path::PathBuf;

use clap::Args;
use latchgate_daemon::policy::tested::{TestedSet, test};
use owo_colors::OwoColorize as _;
use serde_json::{Value, json};

use super::failure;
use crate::connect;
use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::visible::styled;

const EXAMPLES: &str = "\
Examples:
  latchgate policy test
  latchgate policy test policies
  latchgate policy test policies/standard --require-coverage

A set is a directory of policy files with a directory `cases` in it; DIR is one,
or holds some. A table of cases, DIR/cases/*.yaml:

  format: 1
  cases:
    - { action: fs_read, args: { path: .env }, verdict: deny, rule: no-environment-files }

A case may say principal, agent, boundary, time and calls_left, too. The exit
code is 1 when a case has another answer.";

/// Hold policy to its tables of cases
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Test {
    /// The directory of a set, or of several [default: the policies of the local home]
    dir: Option<PathBuf>,
    /// Fail for a rule that decides no case, too
    #[arg(long)]
    require_coverage: bool,
}

impl Test {
    pub fn run(self, console: &Console) -> Result<Exit, Failure> {
        let places = connect::places()?;
        let dir = self.dir.unwrap_or_else(|| places.policies_dir());
        let sets = test(&dir, &places).map_err(|error| failure(&error))?;
        if sets.is_empty() {
            let what = format!("{}: there are no cases here", dir.display());
            return Err(Failure::usage(what).remedy("write a table into DIR/cases/NAME.yaml; see --help"));
        }
        if console.is_json() {
            console.json(&document(&sets))?;
        } else {
            console.result(&sets.iter().map(sheet).collect::<Vec<_>>().join("\n"))?;
        }
        let is_bad =
            |set: &TestedSet| has_failed(set) || (self.require_coverage && !set.tested.uncovered.is_empty());
        Ok(if sets.iter().any(is_bad) { Exit::Failed } else { Exit::Done })
    }
}

/// A set without any case says nothing, which is no success.
fn has_failed(set: &TestedSet) -> bool {
    !set.tested.failures.is_empty() || set.tested.held == 0
}

fn document(sets: &[TestedSet]) -> Value {
    let sets: Vec<Value> = sets
        .iter()
        .map(|set| {
            let failures: Vec<Value> = set
                .tested
                .failures
                .iter()
                .map(
                    |failure| json!({"file": failure.file, "line": failure.line, "problem": failure.problem}),
                )
                .collect();
            json!({
                "dir": set.dir, "tables": set.tables, "held": set.tested.held, "failures": failures,
                "uncovered": set.tested.uncovered,
            })
        })
        .collect();
    json!({ "sets": sets })
}

fn sheet(set: &TestedSet) -> String {
    let mut lines = Vec::new();
    for failure in &set.tested.failures {
        let place = format!("{}:{}", failure.file, failure.line);
        lines.push(format!("{} {}: {}", "FAILED".red().bold(), styled(&place), styled(&failure.problem)));
    }
    for rule in &set.tested.uncovered {
        let place = format!("{}:{}", rule.file, rule.line);
        lines.push(format!("{} {}: no case is decided by {}", "UNCOVERED".yellow(), styled(&place), rule.id));
    }
    let (held, failed) = (set.tested.held, set.tested.failures.len());
    let word = if has_failed(set) { "FAILED".red().bold().to_string() } else { "ok".green().to_string() };
    let dir = styled(&set.dir.display().to_string());
    lines.push(format!("{word} {dir}: {held} cases hold, {failed} failed"));
    lines.join("\n")
}

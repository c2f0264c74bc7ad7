//! `cargo xtask ci`: every check a change must pass, in order, with the time of each.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::workspace::Workspace;
use crate::{actions, process, tidy, tools};

/// Run every check a change must pass; stop at the first that fails
#[derive(clap::Args)]
#[command(after_help = "Example:\n  cargo xtask ci")]
pub struct Args {}

struct Stage {
    name: &'static str,
    check: fn(&Path) -> Result<()>,
}

const STAGES: [Stage; 7] = [
    Stage { name: "test", check: test },
    Stage { name: "fmt", check: fmt },
    Stage { name: "clippy", check: clippy },
    Stage { name: "deny", check: deny },
    Stage { name: "advisories", check: advisories },
    Stage { name: "tidy", check: |_| tidy::run(&tidy::Args {}) },
    Stage { name: "actions", check: |_| actions::run(true) },
];

/// # Errors
/// A stage fails; the table printed before says which.
pub fn run(_: &Args) -> Result<()> {
    let root = Workspace::here()?.root;
    run_stages(&STAGES, &root)
}

fn run_stages(stages: &[Stage], root: &Path) -> Result<()> {
    let mut rows = Vec::new();
    let mut failed = None;
    for stage in stages {
        println!("\n== {}", stage.name);
        let start = Instant::now();
        let result = (stage.check)(root);
        rows.push(row(stage.name, verdict(&result), start.elapsed()));
        if let Err(error) = result {
            println!("== {} failed: {error:#}", stage.name);
            failed = Some(stage.name);
            break;
        }
    }
    rows.extend(stages.iter().skip(rows.len()).map(|stage| format!("{:<12} not run", stage.name)));
    println!("\n{}", rows.join("\n"));
    match failed {
        Some(name) => bail!("stage {name} failed"),
        None => Ok(()),
    }
}

/// Exactly the command the README gives.
fn test(root: &Path) -> Result<()> {
    process::run(process::cargo(root).args(["xtask", "test"]))
}

fn fmt(root: &Path) -> Result<()> {
    process::run(process::cargo(root).args(["fmt", "--all", "--check"]))
}

fn clippy(root: &Path) -> Result<()> {
    let args = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    process::run(process::cargo(root).args(args))
}

fn deny(root: &Path) -> Result<()> {
    tools::ensure("deny", root)?;
    let args = ["deny", "check", "--hide-inclusion-graph", "bans", "licenses", "sources"];
    process::run(process::cargo(root).args(args))
}

/// The database lies on another host; where that cannot be reached the rest still counts.
fn advisories(root: &Path) -> Result<()> {
    if !process::succeeds(process::cargo(root).args(["deny", "fetch", "db"])) {
        println!("ADVISORIES NOT CHECKED: the RustSec advisory database cannot be fetched from here");
        return Ok(());
    }
    process::run(process::cargo(root).args(["deny", "check", "--disable-fetch", "advisories"]))
}

fn verdict(result: &Result<()>) -> &'static str {
    if result.is_ok() { "ok" } else { "FAILED" }
}

fn row(name: &str, verdict: &str, time: Duration) -> String {
    format!("{name:<12} {verdict:<7} {:>7.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSES: Stage = Stage { name: "passes", check: |_| Ok(()) };
    const FAILS: Stage = Stage { name: "fails", check: |_| bail!("no") };
    const LATER: Stage = Stage { name: "later", check: |_| panic!("ran after a failure") };

    #[test]
    fn stages_that_pass_pass_together() {
        assert!(run_stages(&[PASSES, PASSES], Path::new(".")).is_ok());
    }

    #[test]
    fn the_first_failure_ends_the_run() {
        let error = run_stages(&[PASSES, FAILS, LATER], Path::new(".")).unwrap_err();
        assert_eq!(error.to_string(), "stage fails failed");
    }

    #[test]
    fn a_row_names_the_stage_its_verdict_and_its_time() {
        assert_eq!(row("fmt", "ok", Duration::from_millis(1250)), "fmt          ok          1.2 s");
    }
}

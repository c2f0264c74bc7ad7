//! `cargo xtask crash`: break the gate in every way that a machine has, again and again, and hold its ledger to its word each time.

use anyhow::{Result, ensure};

use crate::process;
use crate::workspace::Workspace;

/// Break the gate under load, restart it and verify everything it had promised
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  cargo xtask crash\n  cargo xtask crash --runs 500 --seed 7")]
pub struct Args {
    /// How often the gate is killed, at random and at named points; the rest grows with it
    #[arg(long, default_value_t = 60)]
    runs: u32,
    /// Repeat the run that printed this seed; a new one is drawn without it
    #[arg(long)]
    seed: Option<u64>,
}

/// Commits that the fold and its reference are tried on, for each run.
const COMMITS_A_RUN: u64 = 5_000;

/// # Errors
/// The build fails, or a promise was broken; the output names the seed and the run.
pub fn run(args: &Args) -> Result<()> {
    ensure!(args.runs > 0, "--runs is 0, expected at least 1");
    let workspace = Workspace::here()?;
    // As `cargo xtask test` builds, so that nothing is compiled twice.
    process::run(process::cargo(&workspace.root).args(["build", "--workspace", "--bins", "--tests"]))?;
    let gate = workspace.target.join("debug").join("latchgate");
    let mut test = process::cargo(&workspace.root);
    // One after the other: what a campaign is in the middle of is not for another to disturb.
    test.args(["test", "--workspace", "--test", "crash", "--", "--nocapture", "--test-threads", "1"]);
    test.env("LATCHGATE_BIN", gate).env("LATCHGATE_CRASH_RUNS", args.runs.to_string());
    if let Some(seed) = args.seed {
        test.env("LATCHGATE_CRASH_SEED", seed.to_string());
    }
    process::run(&mut test)?;

    let mut fold = process::cargo(&workspace.root);
    fold.args(["test", "--workspace", "--lib", "--", "--nocapture", "the_state_and_the_reference"]);
    fold.env("LATCHGATE_FOLD_COMMITS", (u64::from(args.runs) * COMMITS_A_RUN).to_string());
    if let Some(seed) = args.seed {
        fold.env("LATCHGATE_CRASH_SEED", seed.to_string());
    }
    process::run(&mut fold)
}

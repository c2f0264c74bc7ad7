//! `cargo xtask races`: everything that can happen to a held call, at once, thousands of times against the running gate.

use anyhow::{Result, ensure};

use crate::process;
use crate::workspace::Workspace;

/// Race approvals, denials, revocations, reloads, restarts and repeated calls for one held call after another
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  cargo xtask races\n  cargo xtask races --rounds 100 --seed 7")]
pub struct Args {
    /// How many calls are held and raced for
    #[arg(long, default_value_t = 2_000)]
    rounds: u32,
    /// Draw the same events again as the run that printed this seed; a new one is drawn without it
    #[arg(long)]
    seed: Option<u64>,
}

/// # Errors
/// The build fails, or a call had two effects or two ends; the output names the seed and the round.
pub fn run(args: &Args) -> Result<()> {
    ensure!(args.rounds > 0, "--rounds is 0, expected at least 1");
    let workspace = Workspace::here()?;
    // As `cargo xtask test` builds, so that nothing is compiled twice.
    process::run(process::cargo(&workspace.root).args(["build", "--workspace", "--bins", "--tests"]))?;
    let gate = workspace.target.join("debug").join("latchgate");
    let mut test = process::cargo(&workspace.root);
    test.args(["test", "--workspace", "--test", "races", "--", "--nocapture"]);
    test.env("LATCHGATE_BIN", gate).env("LATCHGATE_RACES_ROUNDS", args.rounds.to_string());
    if let Some(seed) = args.seed {
        test.env("LATCHGATE_RACES_SEED", seed.to_string());
    }
    process::run(&mut test)
}

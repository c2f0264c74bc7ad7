//! `cargo xtask bench`: what a call through the gate costs, beside what the libraries under it cost alone.

use std::path::Path;

use anyhow::Result;

use crate::process;
use crate::workspace::Workspace;

/// Measure the gate against the libraries it is built on, and against its goals
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  cargo xtask bench\n  cargo xtask bench --short")]
pub struct Args {
    /// Small counts with the dev profile: shows that all can be measured, not how fast it is
    #[arg(long)]
    pub short: bool,
}

/// # Errors
/// A build or a measurement fails. A missed goal is printed, and is no failure.
pub fn run(args: &Args) -> Result<()> {
    let workspace = Workspace::here()?;
    process::run(&mut build(&workspace.root, args.short))?;
    let profile = workspace.target.join(if args.short { "debug" } else { "release" });
    let mut bench = process::program(profile.join("latchgate-bench"), &workspace.root);
    bench.arg("--gate").arg(profile.join("latchgate"));
    bench.arg("--guest").arg(workspace.root.join("actions/prebuilt/fs.wasm"));
    // Beside the build, because a temporary directory may lie in memory, where a sync costs nothing.
    bench.arg("--dir").arg(&workspace.target);
    if args.short {
        bench.arg("--short");
    }
    process::run(&mut bench)
}

fn build(root: &Path, is_short: bool) -> std::process::Command {
    let mut build = process::cargo(root);
    match is_short {
        // The whole workspace, as `cargo xtask test` has built it: fewer packages would mean other features.
        true => build.args(["build", "--workspace", "--bins"]),
        false => build.args(["build", "--release", "-p", "latchgate", "-p", "latchgate-tests", "--bins"]),
    };
    build
}

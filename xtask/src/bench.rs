//! `cargo xtask bench`: what a call through the gate costs, beside what the libraries under it cost alone; and what hostile
//! guests cost the others; and what the ledger costs by itself.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::process;
use crate::workspace::Workspace;

/// Measure the gate against the libraries it is built on, and against its goals
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  cargo xtask bench\n  cargo xtask bench --short\n  cargo xtask bench hostile\n  cargo xtask bench revoke\n  cargo xtask bench mcp\n  cargo xtask bench ledger\n  cargo xtask bench policy"
)]
pub struct Args {
    /// What is measured; by default calls
    suite: Option<Suite>,
    /// Small counts with the dev profile: shows that all can be measured, not how fast it is
    #[arg(long)]
    pub short: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Suite {
    /// How long hostile guests last, and what innocent calls beside them wait
    Hostile,
    /// How long a revocation of everything takes to be over, with 200 calls running
    Revoke,
    /// What a call through the MCP adapter costs beside a direct one
    Mcp,
    /// What appending, verifying, starting and asking cost beside the bare disk and the bare signatures, at 1 and 10 million entries
    Ledger,
    /// How fast 100,000 recorded calls are replayed against another policy set
    Policy,
}

/// # Errors
/// A build or a measurement fails. A missed goal is printed, and is no failure.
pub fn run(args: &Args) -> Result<()> {
    let workspace = Workspace::here()?;
    if args.suite == Some(Suite::Ledger) {
        return ledger(&workspace, args.short);
    }
    // Somebody else's build may be measured; the measuring program is always ours.
    process::run(&mut build(&workspace.root, args.short))?;
    let profile = workspace.target.join(if args.short { "debug" } else { "release" });
    let mut bench = process::program(profile.join("latchgate-bench"), &workspace.root);
    bench
        .arg("--gate")
        .arg(std::env::var_os("LATCHGATE_BIN").map_or(profile.join("latchgate"), PathBuf::from));
    if args.suite == Some(Suite::Hostile) {
        bench.arg("--hostile");
    }
    if args.suite == Some(Suite::Revoke) {
        bench.arg("--revoke");
    }
    if args.suite == Some(Suite::Policy) {
        bench.arg("--policy");
    }
    if args.suite == Some(Suite::Mcp) {
        let adapter = std::env::var_os("LATCHGATE_MCP_BIN");
        bench.arg("--mcp").arg(adapter.map_or(profile.join("latchgate-mcp"), PathBuf::from));
    }
    bench.arg("--guest").arg(workspace.root.join("actions/prebuilt/fs.wasm"));
    // Beside the build, because a temporary directory may lie in memory, where a sync costs nothing.
    bench.arg("--dir").arg(&workspace.target);
    if args.short {
        bench.arg("--short");
    }
    process::run(&mut bench)
}

/// No gate runs in this: the ledger is measured by itself, by an example of its crate. 10 million entries take 12 GB and an hour.
fn ledger(workspace: &Workspace, is_short: bool) -> Result<()> {
    let mut build = process::cargo(&workspace.root);
    match is_short {
        true => build.args(["build", "--workspace", "--example", "ledger"]),
        false => build.args(["build", "--release", "-p", "latchgate-ledger", "--example", "ledger"]),
    };
    process::run(&mut build)?;
    let profile = workspace.target.join(if is_short { "debug" } else { "release" });
    let mut bench = process::program(profile.join("examples/ledger"), &workspace.root);
    bench.arg("--dir").arg(&workspace.target);
    if is_short {
        bench.arg("--short");
    }
    process::run(&mut bench)
}

fn build(root: &Path, is_short: bool) -> std::process::Command {
    let mut build = process::cargo(root);
    match is_short {
        // The whole workspace, as `cargo xtask test` has built it: fewer packages would mean other features.
        true => build.args(["build", "--workspace", "--bins"]),
        false => build.args([
            "build",
            "--release",
            "-p",
            "latchgate",
            "-p",
            "latchgate-mcp",
            "-p",
            "latchgate-tests",
            "--bins",
        ]),
    };
    build
}

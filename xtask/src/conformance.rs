//! `cargo xtask conformance`: the protocol's own suite against the handler of `latchgate-mcp serve`.

use anyhow::{Result, bail};

use crate::workspace::Workspace;
use crate::{npm, process};

/// Run MCP's conformance suite against the adapter, every revision that the suite knows
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  cargo xtask conformance\n  cargo xtask conformance --short")]
pub struct Args {
    /// The newest revision alone, as every `cargo xtask test` runs it
    #[arg(long)]
    short: bool,
}

/// # Errors
/// The suite cannot be had, the build fails, or a scenario fails that is not expected to.
pub fn run(args: &Args) -> Result<()> {
    let workspace = Workspace::here()?;
    let Some(npm) = npm::prepare(&workspace.root, &workspace.target)? else {
        bail!("the conformance suite cannot be had: see above");
    };
    // As `cargo xtask test` builds, so that nothing is compiled twice.
    let build = ["build", "--workspace", "--bins", "--tests", "--examples"];
    process::run(process::cargo(&workspace.root).args(build))?;
    let built = workspace.target.join("debug");
    let mut test = process::cargo(&workspace.root);
    test.args(["test", "--workspace", "--test", "conformance", "--", "--nocapture"]);
    test.env("LATCHGATE_BIN", built.join("latchgate"));
    test.env("LATCHGATE_MCP_BIN", built.join("latchgate-mcp")).env("LATCHGATE_NPM", npm);
    test.env("LATCHGATE_CONFORMANCE", if args.short { "short" } else { "long" });
    process::run(&mut test)
}

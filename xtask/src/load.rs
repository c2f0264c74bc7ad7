//! `cargo xtask load`: the running gate under tools that are not ours, over its socket and its port.

use anyhow::Result;

use crate::process;
use crate::workspace::Workspace;

/// Load the running gate with h2load and slowhttptest, on loopback and bounded in count and time
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  cargo xtask load\n  cargo xtask load --short")]
pub struct Args {
    /// The few thousand requests and few seconds that every `cargo xtask test` sends
    #[arg(long)]
    short: bool,
}

const PACKAGES: [(&str, &str); 2] = [("h2load", "nghttp2-client"), ("slowhttptest", "slowhttptest")];

/// # Errors
/// The build fails, or the gate answered otherwise than it should; the output says to what.
pub fn run(args: &Args) -> Result<()> {
    let workspace = Workspace::here()?;
    install(&workspace);
    // As `cargo xtask test` builds, so that nothing is compiled twice.
    process::run(process::cargo(&workspace.root).args(["build", "--workspace", "--bins", "--tests"]))?;
    let gate = workspace.target.join("debug").join("latchgate");
    let mut test = process::cargo(&workspace.root);
    test.args(["test", "--workspace", "--test", "load", "--", "--nocapture"]);
    test.env("LATCHGATE_BIN", gate).env("LATCHGATE_LOAD", if args.short { "short" } else { "long" });
    process::run(&mut test)
}

/// The programs, from the system's packages where that can be done. Where not, the campaign says what it leaves out.
fn install(workspace: &Workspace) {
    let is_missing = |name: &str| !process::succeeds(process::program("which", &workspace.root).arg(name));
    let missing: Vec<&str> =
        PACKAGES.iter().filter(|(name, _)| is_missing(name)).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return;
    }
    let mut apt = process::program("apt-get", &workspace.root);
    apt.args(["install", "--yes", "--no-install-recommends"]).args(&missing);
    apt.env("DEBIAN_FRONTEND", "noninteractive");
    if let Err(error) = process::run(&mut apt) {
        eprintln!("LEFT OUT: {} cannot be installed: {error:#}", missing.join(", "));
    }
}

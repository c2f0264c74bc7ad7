//! `sandbox`: an agent in a machine of its own, out of which only the gate leads.

#[cfg(target_os = "linux")]
mod choice;
#[cfg(target_os = "linux")]
mod doctor;
#[cfg(target_os = "linux")]
mod exits;
#[cfg(target_os = "linux")]
mod session;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use latchgate_wire::jail::Level;

use super::{AsOperator, Global};
use crate::console::Console;
use crate::exit::{Exit, Failure};

const EXAMPLES: &str = "\
Examples:
  latchgate sandbox -- claude-code   the profile of that name, and its program
  latchgate sandbox --allow-host api.example.com -- python3 agent.py
  latchgate sandbox --workspace ~/project --read-only ~/.nvm -- npx some-agent
  latchgate sandbox --shell          a shell inside, to look around
  latchgate sandbox doctor           what this kernel gives

Inside there is this directory, the system's programs, and the gate's socket
(LATCHGATE_SOCKET is set, so `latchgate-mcp serve` finds it). Calls from there
are `jail:NAME`'s. The exit status is the command's.";

/// Run an agent where only the gate leads out: its own namespaces, an empty network, no privileges
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Sandbox {
    #[command(subcommand)]
    also: Option<Also>,
    /// What the agent needs: a bundled profile or one of `sandbox/*.toml` beside the configuration [default: the one that
    /// the command names, else generic]
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// A host that may be reached over HTTPS, such as api.example.com or *.example.com; may be repeated
    #[arg(long, value_name = "HOST")]
    allow_host: Vec<String>,
    /// No proxy inside: the gate is the only way out
    #[arg(long, conflicts_with = "allow_host")]
    no_network: bool,
    /// The directory that the command may change, and starts in [default: this directory]
    #[arg(long, value_name = "DIR")]
    workspace: Option<PathBuf>,
    /// Another file or directory that the command may change; may be repeated
    #[arg(long, value_name = "PATH")]
    bind: Vec<PathBuf>,
    /// Another file or directory that the command may read; may be repeated
    #[arg(long, value_name = "PATH")]
    read_only: Vec<PathBuf>,
    /// A variable for the command: NAME=VALUE, or NAME to hand on this one's; may be repeated
    #[arg(long, value_name = "NAME[=VALUE]")]
    env: Vec<String>,
    /// Who the command is to the gate: `jail:NAME` [default: the name of its program]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// What the kernel must give: strict (with Landlock), standard, or the weaker namespaces (without seccomp)
    #[arg(long, default_value_t, value_name = "LEVEL")]
    level: Level,
    /// No gate inside, and no entry of this session
    #[arg(long)]
    no_gate: bool,
    /// A shell instead of a command
    #[arg(long, conflicts_with = "command")]
    shell: bool,
    #[command(flatten)]
    operator: AsOperator,
    /// The command and its arguments
    #[arg(trailing_var_arg = true, required_unless_present_any = ["shell", "profile"], value_name = "COMMAND")]
    command: Vec<OsString>,
}

#[derive(Debug, Subcommand)]
enum Also {
    /// Try what this kernel gives, level by level, and say what would change it
    #[command(after_help = "Example:\n  latchgate sandbox doctor")]
    Doctor,
}

impl Sandbox {
    #[cfg(target_os = "linux")]
    pub fn run(self, global: &Global, console: &Console) -> Result<Exit, Failure> {
        match self.also {
            Some(Also::Doctor) => doctor::run(console),
            None => session::run(self, global, console),
        }
    }

    #[cfg(not(target_os = "linux"))]
    pub fn run(self, _: &Global, _: &Console) -> Result<Exit, Failure> {
        Err(Failure::new(
            Exit::Failed,
            "the sandbox is made of Linux namespaces, which this system does not have",
        )
        .remedy("run the agent in a Linux virtual machine, with the gate there"))
    }
}

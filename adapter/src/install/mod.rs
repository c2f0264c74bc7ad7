//! `latchgate-mcp install` and `uninstall`: `serve` in the configuration of an MCP client.
//!
//! Read in this order: which client wants what where (`clients`), on which system (`system`), in which members (`entry`); which
//! file (`target`) and what is started (`launch`); how a text is edited (`edit`), what that does to a file (`change`), and how files are read and replaced (`file`).
//! Only the agent's session is ever written, never the operator's, and no secret.

mod change;
mod clients;
mod docs;
mod edit;
mod entry;
mod file;
mod launch;
mod list;
mod own_command;
mod system;
mod target;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;

use change::Change;
use clients::Client;
use edit::Refusal;
use entry::{Launch, NAME};
use file::Found;
use system::System;

/// Write `latchgate-mcp serve` into an MCP client's configuration
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  latchgate-mcp install --list\n  latchgate-mcp install --ide cursor --dry-run\n  \
                        latchgate-mcp install --ide claude-code --scope project"
)]
pub struct InstallArgs {
    /// The client: one of those that --list names
    #[arg(long, value_name = "NAME", required_unless_present_any = ["list", "docs"])]
    ide: Option<String>,
    /// The user's own configuration, or that of the project in the current directory
    #[arg(long, value_enum, default_value_t = Scope::User)]
    scope: Scope,
    /// Show what would be changed, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// The gate's socket, where it is not at a usual place
    #[arg(long, value_name = "PATH", conflicts_with = "gate_url")]
    gate_socket: Option<PathBuf>,
    /// The gate's address, where it is reached over TCP
    #[arg(long, value_name = "URL")]
    gate_url: Option<String>,
    /// List the clients, their files and whether latchgate is in them
    #[arg(long, conflicts_with_all = ["ide", "docs"])]
    list: bool,
    /// With --list: as JSON
    #[arg(long, requires = "list")]
    json: bool,
    /// Print the clients' part of docs/mcp.md
    #[arg(long, hide = true)]
    docs: bool,
}

/// Take `latchgate-mcp serve` out of an MCP client's configuration
#[derive(clap::Args)]
#[command(after_help = "Example:\n  latchgate-mcp uninstall --ide cursor")]
pub struct UninstallArgs {
    /// The client: one of those that `install --list` names
    #[arg(long, value_name = "NAME")]
    ide: String,
    /// The user's own configuration, or that of the project in the current directory
    #[arg(long, value_enum, default_value_t = Scope::User)]
    scope: Scope,
    /// Show what would be changed, and change nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Scope {
    User,
    Project,
}

impl Scope {
    fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Project => "project",
        }
    }
}

/// Wrong usage, as everywhere in latchgate.
const USAGE: u8 = 2;

pub fn install(args: InstallArgs) -> anyhow::Result<ExitCode> {
    if args.docs {
        say(&docs::clients());
        return Ok(ExitCode::SUCCESS);
    }
    let system = System::here().context("HOME is not set to an absolute path")?;
    let Some(name) = &args.ide else { return list::print(&system, args.json) };
    let Some((client, path)) = target::of(&system, name, args.scope) else {
        return Ok(ExitCode::from(USAGE));
    };
    let launch = launch::of(client, &system, &args)?;
    let refused = |refusal: &Refusal| refuse(client, &path, refusal, Some(&launch));
    let found = match Found::read(&path, target::trust(args.scope, &system)) {
        Ok(found) => found,
        Err(refusal) => return Ok(refused(&refusal)),
    };
    let change = match client.installed(&found, &launch) {
        Ok(change) => change,
        Err(refusal) => return Ok(refused(&refusal)),
    };
    if change == Change::None {
        say(&format!("{NAME} is already in {}\n", found.path.display()));
        return Ok(ExitCode::SUCCESS);
    }
    let program =
        client.own_command.and_then(|name| own_command::on_path(name, std::env::var_os("PATH").as_deref()));
    if args.dry_run {
        if let Some(program) = &program {
            say(&format!(
                "# would run: {}\n",
                own_command::shown(program, &own_command::add(&launch, args.scope))
            ));
        }
        say(&change.diff(&found));
        return Ok(ExitCode::SUCCESS);
    }
    write(client, &found, &launch, &change, args.scope, program.as_deref())?;
    Ok(ExitCode::SUCCESS)
}

fn write(
    client: &Client,
    found: &Found,
    launch: &Launch,
    change: &Change,
    scope: Scope,
    program: Option<&Path>,
) -> anyhow::Result<()> {
    let Change::Write { text, replaces } = change else { return Ok(()) };
    // An entry of ours is no earlier state: what was kept before it stays.
    if !replaces {
        found.forget_backup().and_then(|()| found.back_up()).with_context(|| kept(found))?;
    }
    match program {
        Some(program) => by_own_command(program, client, found, launch, scope, *replaces)?,
        None => found.replace(text).with_context(|| format!("{} is unchanged", found.path.display()))?,
    }
    let verb = if *replaces { "replaced" } else { "added" };
    say(&format!("{verb} {NAME} in {}\n", found.path.display()));
    if *replaces {
        say(&change.diff(found));
    } else if found.text.is_some() {
        say(&format!("before:  {}\n", found.backup_path().display()));
    }
    say(&format!("next:    {}\n", client.after));
    Ok(())
}

pub fn uninstall(args: UninstallArgs) -> anyhow::Result<ExitCode> {
    let system = System::here().context("HOME is not set to an absolute path")?;
    let Some((client, path)) = target::of(&system, &args.ide, args.scope) else {
        return Ok(ExitCode::from(USAGE));
    };
    let found = match Found::read(&path, target::trust(args.scope, &system)) {
        Ok(found) => found,
        Err(refusal) => return Ok(refuse(client, &path, &refusal, None)),
    };
    let change = match client.uninstalled(&found) {
        Ok(change) => change,
        Err(refusal) => return Ok(refuse(client, &path, &refusal, None)),
    };
    if args.dry_run {
        say(&change.diff(&found));
        return Ok(ExitCode::SUCCESS);
    }
    let unchanged = || format!("{} is unchanged", found.path.display());
    match &change {
        Change::None => {
            say(&format!("{NAME} is not in {}\n", found.path.display()));
            return Ok(ExitCode::SUCCESS);
        }
        Change::Restore(Some(text)) => {
            found.replace(text).with_context(unchanged)?;
            found.forget_backup().with_context(|| kept(&found))?;
        }
        Change::Restore(None) => found.remove().with_context(unchanged)?,
        Change::TakeOut(text) | Change::Write { text, .. } => {
            take_out(client, &found, text, args.scope)?;
            if found.backup_path().exists() {
                say(&format!(
                    "before:  {} is left for you to compare or remove\n",
                    found.backup_path().display()
                ));
            }
        }
    }
    say(&format!("removed {NAME} from {}\n", found.path.display()));
    Ok(ExitCode::SUCCESS)
}

/// A client that keeps its file itself is asked to; its running sessions would write the entry back.
fn take_out(client: &Client, found: &Found, text: &str, scope: Scope) -> anyhow::Result<()> {
    let program =
        client.own_command.and_then(|name| own_command::on_path(name, std::env::var_os("PATH").as_deref()));
    match program {
        Some(program) => own_command::run(&program, &own_command::remove(scope)),
        None => found.replace(text).with_context(|| format!("{} is unchanged", found.path.display())),
    }
}

fn by_own_command(
    program: &Path,
    client: &Client,
    found: &Found,
    launch: &Launch,
    scope: Scope,
    replaces: bool,
) -> anyhow::Result<()> {
    if replaces {
        own_command::run(program, &own_command::remove(scope))?;
    }
    own_command::run(program, &own_command::add(launch, scope))?;
    let now = std::fs::read_to_string(&found.path).unwrap_or_default();
    match client.place().entry(&now) {
        Ok(Some(_)) => Ok(()),
        _ => anyhow::bail!(
            "`{}` succeeded, and {NAME} is not in {}",
            own_command::shown(program, &own_command::add(launch, scope)),
            found.path.display()
        ),
    }
}

/// Nothing was written: why, and what to paste by hand.
fn refuse(client: &Client, path: &Path, refusal: &Refusal, launch: Option<&Launch>) -> ExitCode {
    eprintln!("latchgate-mcp: {} is unchanged: {}", path.display(), refusal.0);
    match launch {
        Some(launch) => {
            eprintln!("mend it and run this again, or add by hand what this {} shows:", client.format.name());
            eprint!("\n{}", client.snippet(launch));
        }
        None => eprintln!("mend it and run this again, or take the entry `{NAME}` out by hand"),
    }
    ExitCode::FAILURE
}

/// To standard output. Whoever closed it has seen enough.
fn say(text: &str) {
    let _enough = std::io::stdout().lock().write_all(text.as_bytes());
}

fn kept(found: &Found) -> String {
    format!("cannot keep {} as {}", found.path.display(), found.backup_path().display())
}

#[cfg(test)]
mod tests;

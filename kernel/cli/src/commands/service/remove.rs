//! `service remove`: undoes `service install`.

use std::path::PathBuf;
use std::process::Command;

use clap::Args;
use latchgate_daemon::doctor::word;

use super::install::require_root;
use super::layout::{AccountName, Layout, account, members};
use super::step::Step;
use crate::console::Console;
use crate::exit::{Exit, Failure};

const EXAMPLES: &str = "\
Examples:
  sudo latchgate service remove
  latchgate service remove --dry-run --ledger
  sudo latchgate service remove --ledger --yes

Stops the service, deletes its unit, and does what `latchgate uninstall` does
to its home. The ledger stays, with the user whose it is, unless --ledger is
given: then user and group go too, if nothing else is theirs.";

/// Stop the service and delete what `service install` made; the ledger only if asked to
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Remove {
    /// Print all that would be done; do nothing
    #[arg(long)]
    dry_run: bool,
    /// Delete the ledger too
    #[arg(long)]
    ledger: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// The user that the gate runs as
    #[arg(long, value_name = "NAME", default_value = "latchgate")]
    user: AccountName,
    /// The group whose members may call
    #[arg(long, value_name = "NAME", default_value = "latchgate-agents")]
    group: AccountName,
    /// Below this directory, as `service install --prefix` wrote it
    #[arg(long, value_name = "DIR")]
    prefix: Option<PathBuf>,
}

impl Remove {
    pub fn run(self, console: &Console) -> Result<Exit, Failure> {
        let layout = Layout::new(self.prefix.clone().map(|prefix| std::path::absolute(&prefix)).transpose()?);
        if layout.is_machine() && !self.dry_run {
            require_root()?;
        }
        if !self.yes && !self.dry_run && (!console.is_interactive() || console.is_json()) {
            return Err(Failure::usage("nobody can be asked whether to delete this")
                .remedy("say it beforehand with --yes, or look with --dry-run"));
        }
        let mut steps = self.steps(&layout)?;
        if !self.dry_run {
            steps.iter_mut().try_for_each(Step::carry_out)?;
        }
        if console.is_json() {
            console.json(&serde_json::json!({ "dry_run": self.dry_run, "steps": steps }))?;
        } else {
            let shown: Vec<String> = steps.iter().map(Step::show).collect();
            console.result(&shown.join("\n"))?;
        }
        if self.dry_run {
            console.note("nothing was done");
        } else if !self.ledger {
            console.note(&format!("the ledger stays in {}", layout.state().display()));
        }
        Ok(Exit::Done)
    }

    fn steps(&self, layout: &Layout) -> Result<Vec<Step>, Failure> {
        let mut steps = Vec::new();
        let is_installed = layout.unit().exists();
        let is_managed = std::path::Path::new("/run/systemd/system").is_dir();
        if layout.is_machine() {
            let why = match (is_installed, is_managed) {
                (false, _) => Some("there is no unit"),
                (true, false) => Some("systemd does not run here"),
                (true, true) => None,
            };
            steps.push(Step::run("systemctl", &["disable", "--now", "latchgate"]).unless(why));
        }
        steps.push(self.uninstall(layout)?);
        steps.push(Step::remove(layout.unit()));
        if layout.is_machine() {
            let why = (!is_managed).then_some("systemd does not run here");
            steps.push(Step::run("systemctl", &["daemon-reload"]).unless(why));
            if self.ledger {
                steps.extend(self.accounts());
            }
        }
        Ok(steps)
    }

    /// Shows its list, asks its question, and refuses while the gate runs.
    fn uninstall(&self, layout: &Layout) -> Result<Step, Failure> {
        let executable = std::env::current_exe()?;
        let mut command = Command::new(&executable);
        command.arg("uninstall").env_clear().envs(layout.environment()).stdout(std::process::Stdio::null());
        command.args(self.ledger.then_some("--ledger")).args(self.yes.then_some("--yes"));
        let flags = [self.ledger.then_some(" --ledger"), self.yes.then_some(" --yes")];
        let flags: String = flags.into_iter().flatten().collect();
        let places = layout.environment().map(|(name, path)| format!("{name}={} ", word(&path))).concat();
        Ok(Step::command(command, format!("{places}{} uninstall{flags}", word(&executable))))
    }

    /// An account whose home is another's, or a group with other members, is not ours to delete.
    fn accounts(&self) -> Vec<Step> {
        let (user, group) = (self.user.as_str(), self.group.as_str());
        let state = Layout::new(None).state().display().to_string();
        let keep_user = match account("/etc/passwd", user) {
            None => Some(format!("there is no user {user}")),
            Some(fields) if fields.get(5) != Some(&state) => Some(format!("{user} has another home")),
            Some(_) => None,
        };
        let keep_group = match account("/etc/group", group) {
            None => Some(format!("there is no group {group}")),
            Some(fields) if members(&fields).iter().any(|member| *member != user) => {
                Some(format!("{group} has other members"))
            }
            Some(_) => None,
        };
        vec![
            Step::run("userdel", &[user]).unless(keep_user),
            Step::run("groupdel", &[group]).unless(keep_group),
        ]
    }
}

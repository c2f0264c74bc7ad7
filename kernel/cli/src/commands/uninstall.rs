//! `uninstall`: takes the local gate's files off this machine, after a list and a question.

use clap::Args;
use latchgate_daemon::Places;
use latchgate_daemon::doctor::word;
use latchgate_daemon::uninstall::{self, Ledger, Plan, UninstallError};

use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::table::{Rows, Tone};

const EXAMPLES: &str = "\
Examples:
  latchgate uninstall
  latchgate uninstall --yes
  latchgate backup --to ~/kept && latchgate uninstall --ledger --yes

Deletes sockets, configuration, keys, index, cache and gate.log, and nothing
that it did not list. The ledger stays, with the public key and the checkpoint that it
is verified by, unless --ledger is given. Without its private keys no gate goes
on with it, and the arguments and results that it keeps cannot be read again.";

/// Delete the local gate's files; the ledger only if asked to
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Uninstall {
    /// Delete the ledger too, and what it is verified by
    #[arg(long)]
    ledger: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

impl Uninstall {
    pub async fn run(self, console: &Console) -> Result<Exit, Failure> {
        // The user's own home, or none: not that of a service, which `service remove` names.
        let places = Places::find().map_err(|error| Failure::usage(error.to_string()))?;
        let ledger = if self.ledger { Ledger::Deleted } else { Ledger::Kept };
        let plan = uninstall::plan(&places, ledger).map_err(failure)?;
        if plan.items.is_empty() {
            console.note(&format!("there is nothing of a gate at {}", places.config_dir.display()));
            return if console.is_json() {
                done(console, &uninstall::Deleted::default())
            } else {
                Ok(Exit::Done)
            };
        }
        if !console.is_json() {
            console.note(&list(&plan));
        }
        self.confirm(&plan, ledger, console).await?;
        let deleted = plan.carry_out().map_err(failure)?;
        if console.is_json() {
            return done(console, &deleted);
        }
        console.result(&format!("deleted {} files and directories", deleted.deleted.len()))?;
        for path in &deleted.left {
            console.note(&format!("left, because something else is in it: {}", path.display()));
        }
        if let (Ledger::Kept, true) = (ledger, places.ledger_dir().is_dir()) {
            console.note(&kept(&places));
        }
        Ok(Exit::Done)
    }

    async fn confirm(&self, plan: &Plan, ledger: Ledger, console: &Console) -> Result<(), Failure> {
        if self.yes {
            return Ok(());
        }
        if !console.is_interactive() || console.is_json() {
            return Err(Failure::usage("nobody can be asked whether to delete this")
                .remedy("say it beforehand with --yes"));
        }
        let what = match ledger {
            Ledger::Kept => "delete these",
            Ledger::Deleted => "delete these, the ledger among them",
        };
        match console.confirm(&format!("{what} ({})?", plan.items.len())).await? {
            true => Ok(()),
            false => Err(Failure::new(Exit::Failed, "nothing was deleted")),
        }
    }
}

fn done(console: &Console, deleted: &uninstall::Deleted) -> Result<Exit, Failure> {
    console.json(deleted)?;
    Ok(Exit::Done)
}

fn list(plan: &Plan) -> String {
    let mut rows = Rows::new(&["WHAT", "PATH"], None);
    for item in &plan.items {
        rows.add([(item.what, Tone::Quiet), (&item.path.display().to_string(), Tone::Plain)]);
    }
    rows.render()
}

fn kept(places: &Places) -> String {
    let (ledger, key) = (word(&places.ledger_dir()), word(&places.entry_public_key()));
    format!("the ledger stays: latchgate verify {ledger} --key {key}")
}

fn failure(error: UninstallError) -> Failure {
    let failure = Failure::new(Exit::Failed, error.to_string());
    match error {
        UninstallError::Running(_) => failure.remedy("run: latchgate down"),
        UninstallError::Io { .. } => failure,
    }
}

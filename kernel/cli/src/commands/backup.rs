//! `backup`: a copy of the local home, taken while its gate runs or not.

use std::path::PathBuf;

use clap::Args;
use latchgate_client::{Endpoint, OperatorClient};
use latchgate_daemon::Places;
use latchgate_daemon::backup::{self, Backup, BackupError, Destination, Secrets};
use latchgate_daemon::doctor::word;

use super::{AsOperator, Global};
use crate::connect;
use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::render::facts::Facts;
use crate::visible::styled;
use crate::{wait, when};

const EXAMPLES: &str = "\
Examples:
  latchgate backup --to /mnt/backups
  latchgate backup --to gate.tar
  latchgate backup --without-keys --to /srv/evidence
  latchgate verify /mnt/backups/latchgate-backup-TIME/ledger --key entry.pub

A backup holds the ledger up to its last synced entry, the payloads, the
configuration, the keys and secrets.age, not the index and gate.log. Keys are
secret: a directory that others can read is refused, and every file has mode 0600.

To restore one into a new home, with no gate running on it:
  export LATCHGATE_HOME=$HOME/restored
  mkdir -m 700 -p \"$LATCHGATE_HOME/state\"
  cp -a BACKUP/config/. \"$LATCHGATE_HOME/\"
  cp -a BACKUP/ledger BACKUP/keys \"$LATCHGATE_HOME/state/\"
  test ! -e BACKUP/secrets.age || cp -a BACKUP/secrets.age \"$LATCHGATE_HOME/state/\"
  latchgate verify && latchgate up --detach
Never run the restored gate and the old one both: their ledgers would part.";

/// Copy the ledger, the configuration and the keys, also while the gate runs
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct BackupCommand {
    /// A directory, in which a new one is made, or a file that ends in .tar [default: backups/ beside the ledger]
    #[arg(long, value_name = "DIR|FILE")]
    to: Option<PathBuf>,
    /// Leave the private keys out: enough to verify, not to go on
    #[arg(long)]
    without_keys: bool,
    #[command(flatten)]
    operator: AsOperator,
}

impl BackupCommand {
    pub async fn run(self, global: &Global, console: &Console) -> Result<Exit, Failure> {
        let places = connect::places()?;
        let destination = destination(self.to, &places);
        let secrets = if self.without_keys { Secrets::LeftOut } else { Secrets::Included };
        let notes = backup::notes(&places).map_err(failure)?;
        let synced = synced(global, &places, &self.operator.name).await;
        let writing = tokio::task::spawn_blocking(move || {
            backup::write(&places, notes, synced, &destination, secrets, when::now())
        });
        let written = wait::show(console, "copying", writing).await.map_err(std::io::Error::other)?;
        let written = written.map_err(failure)?;
        if console.is_json() {
            console.json(&written)?;
        } else {
            console.result(&sheet(&written))?;
        }
        for path in &written.left_out {
            console.note(&format!("left out, because it is no file: {}", path.display()));
        }
        Ok(Exit::Done)
    }
}

fn destination(to: Option<PathBuf>, places: &Places) -> Destination {
    match to {
        Some(path) if path.extension().is_some_and(|extension| extension == "tar") => {
            Destination::Archive(path)
        }
        Some(path) => Destination::In(path),
        None => Destination::In(places.state_dir.join("backups")),
    }
}

/// How far the home's own gate has synced, if one runs and tells us. Without its word the copy ends at the last checkpoint.
async fn synced(global: &Global, places: &Places, operator: &str) -> Option<u64> {
    let own = Endpoint::new(places.agent_socket(), places.admin_socket());
    let socket = global.socket().unwrap_or(own.admin_socket());
    let operator: OperatorClient = connect::operator(Some(socket), operator).ok()?;
    let status = operator.status().await.ok()?;
    (std::path::Path::new(&status.home) == places.config_dir).then_some(status.entries)
}

fn failure(error: BackupError) -> Failure {
    let remedy = match &error {
        BackupError::NoLedger(_) => Some("a first `latchgate up` makes one".to_owned()),
        BackupError::Readable { path, .. } => {
            Some(format!("run: chmod 0700 {}; or leave the keys out with --without-keys", word(path)))
        }
        BackupError::Replaceable { path, .. } => Some(format!("run: chmod go-w {}", word(path))),
        BackupError::Exists(_) => Some("give another name with --to".to_owned()),
        BackupError::NoModes(_) => Some("give a .tar file on another disk, or --without-keys".to_owned()),
        BackupError::Ledger(_) | BackupError::Io { .. } => None,
    };
    let exit = match &error {
        BackupError::NoLedger(_) | BackupError::Exists(_) => Exit::Usage,
        _ => Exit::Failed,
    };
    let failure = Failure::new(exit, error.to_string());
    match remedy {
        Some(remedy) => failure.remedy(remedy),
        None => failure,
    }
}

fn sheet(written: &Backup) -> String {
    let keys = match written.has_keys {
        true => "included: whoever has this backup can be the gate; keep it as you keep a key",
        false => "left out: this backup can be verified, not gone on with",
    };
    let mut facts = Facts::default();
    facts
        .add("backup", styled(&written.path.display().to_string()))
        .add("ledger", format!("{} entries", written.entries))
        .add("size", format!("{} files, {} KiB", written.files, written.bytes.div_ceil(1024)))
        .add("keys", keys)
        .add("next", next(written));
    facts.render()
}

fn next(written: &Backup) -> String {
    match written.path.is_dir() {
        true => format!("latchgate verify {}", word(&written.path.join("ledger"))),
        false => format!("tar -tf {}", word(&written.path)),
    }
}

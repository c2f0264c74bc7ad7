//! Whose checkpoints are believed and where the last one is remembered, for every command that shows one.

use std::path::PathBuf;

use clap::Args;
use latchgate_client::{Memory, OperatorClient, Seen};
use latchgate_daemon::verify::public_key;
use latchgate_wire::checkpoint::Checkpoint;
use latchgate_wire::keychain;

use crate::connect;
use crate::console::Console;
use crate::exit::Failure;

/// The key, and the memory.
#[derive(Clone, Debug, Args)]
pub struct Trust {
    /// The gate's public key (Ed25519, PEM) [default: the local gate's]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Where the last checkpoint seen of each gate is remembered [default: seen/ beside the local ledger]
    #[arg(long, value_name = "DIR", env = "LATCHGATE_SEEN")]
    seen: Option<PathBuf>,
}

/// A checkpoint that was signed by the key and continues the one seen before.
pub struct Shown {
    pub note: String,
    pub checkpoint: Checkpoint,
    pub seen: Seen,
    /// base64url.
    pub key: String,
}

impl Trust {
    /// Asks for a checkpoint; one that is not of the log that was seen before ends the command.
    pub async fn checkpoint(&self, operator: &OperatorClient, console: &Console) -> Result<Shown, Failure> {
        let key = self.key()?;
        let memory = match &self.seen {
            Some(dir) => Memory::at(dir),
            None => Memory::at(connect::places()?.state_dir.join("seen")),
        };
        let (note, seen) = memory.checkpoint(operator, &key).await?;
        let checkpoint =
            Checkpoint::read_unverified(&note).map_err(|error| Failure::usage(error.to_string()))?;
        if seen == Seen::First {
            console.note("the first checkpoint seen of this ledger; from here on a rollback shows");
        }
        Ok(Shown { note, checkpoint, seen, key })
    }

    fn key(&self) -> Result<String, Failure> {
        let path = match &self.key {
            Some(path) => path.clone(),
            None => connect::places()?.entry_public_key(),
        };
        let key = public_key(&path).map_err(|error| {
            Failure::usage(error.to_string()).remedy("give the gate's state/keys/entry.pub with --key FILE")
        })?;
        Ok(keychain::text(&key))
    }
}

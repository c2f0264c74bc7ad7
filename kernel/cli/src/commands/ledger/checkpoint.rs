//! `ledger checkpoint`: the signed size and root of the ledger, now.

use clap::Args;
use latchgate_client::{OperatorClient, Seen};
use serde_json::json;

use super::seen::Trust;
use crate::console::Console;
use crate::exit::{Exit, Failure};

const EXAMPLES: &str = "\
Examples:
  latchgate ledger checkpoint
  latchgate ledger checkpoint > /mnt/elsewhere/gate.checkpoint

It is checked against the last one seen: a ledger that was rolled back or
replaced ends this command with exit code 6.";

/// Sign and print a checkpoint of everything recorded until now
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Checkpoint {
    #[command(flatten)]
    trust: Trust,
}

impl Checkpoint {
    pub async fn run(self, operator: &OperatorClient, console: &Console) -> Result<Exit, Failure> {
        let shown = self.trust.checkpoint(operator, console).await?;
        if console.is_json() {
            let (seen, from) = match shown.seen {
                Seen::First => ("first", None),
                Seen::Same => ("same", Some(shown.checkpoint.size)),
                Seen::Grown { from } => ("grown", Some(from)),
            };
            console.json(&json!({
                "origin": shown.checkpoint.origin,
                "size": shown.checkpoint.size,
                "root": shown.checkpoint.root_text(),
                "key": shown.key,
                "note": shown.note,
                "seen": seen,
                "seen_size": from,
            }))?;
        } else {
            console.bytes(shown.note.as_bytes())?;
        }
        Ok(Exit::Done)
    }
}

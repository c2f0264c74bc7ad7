//! `ledger rotate-key`: the ledger goes over to a new signing key, by an entry that both keys sign.

use clap::Args;
use latchgate_client::OperatorClient;

use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::render::facts::Facts;

const EXAMPLES: &str = "\
Example:
  latchgate ledger rotate-key

Whoever trusts the old key can go on verifying with it: the entry leads from it
to the new one. Give out the new state/keys/entry.pub all the same. The old
private key is deleted; if somebody has a copy of it, what they sign behind this
entry is not part of the ledger.";

/// Change the key that signs entries and checkpoints
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct RotateKey {}

impl RotateKey {
    pub async fn run(self, operator: &OperatorClient, console: &Console) -> Result<Exit, Failure> {
        let rotated = operator.rotate_ledger_key().await?;
        if console.is_json() {
            console.json(&rotated)?;
        } else {
            let mut facts = Facts::default();
            facts
                .add("old key", &rotated.old_key)
                .add("new key", &rotated.new_key)
                .add("entry", format!("{}; the new key signs what follows", rotated.log_index))
                .add("next", "give out the new state/keys/entry.pub");
            console.result(&facts.render())?;
        }
        Ok(Exit::Done)
    }
}

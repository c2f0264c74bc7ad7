//! `ledger consistency`: that the ledger of one size begins with that of another.

use clap::Args;
use latchgate_client::OperatorClient;

use super::seen::Trust;
use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::render::facts::Facts;

const EXAMPLES: &str = "\
Examples:
  latchgate ledger consistency 100
  latchgate ledger consistency 100 250 --json > for-the-witness.json";

/// Prove that the ledger was only appended to between two of its sizes
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Consistency {
    /// The smaller size
    old: u64,
    /// The larger size [default: the newest]
    new: Option<u64>,
    #[command(flatten)]
    trust: Trust,
}

impl Consistency {
    pub async fn run(self, operator: &OperatorClient, console: &Console) -> Result<Exit, Failure> {
        let shown = self.trust.checkpoint(operator, console).await?;
        let new = self.new.unwrap_or(shown.checkpoint.size);
        let proved = operator.ledger_consistency(self.old, Some(new)).await?;
        let failed = |why: String| {
            Failure::new(Exit::VerificationFailed, format!("what the gate gave proves nothing: {why}"))
        };
        let new_root = proved.prove().map_err(|error| failed(error.to_string()))?;
        if (proved.old, proved.new) != (self.old, new) {
            return Err(failed("it is about other sizes".into()));
        }
        if new == shown.checkpoint.size && new_root != shown.checkpoint.root {
            return Err(failed("its root is not the one that was signed".into()));
        }
        if console.is_json() {
            console.json(&proved)?;
        } else {
            let mut facts = Facts::default();
            facts
                .add("old", format!("{} entries, root {}", proved.old, proved.old_root))
                .add("new", format!("{new} entries, root {}", proved.new_root))
                .add("proof", format!("{} hashes", proved.proof.len()))
                .add("result", "the larger begins with the smaller: nothing was changed or taken out");
            console.result(&facts.render())?;
        }
        Ok(Exit::Done)
    }
}

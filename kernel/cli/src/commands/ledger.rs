//! `ledger`: proofs of what the gate recorded, and what operators do about its entries.

mod checkpoint;
mod consistency;
mod export;
mod forget;
mod proof;
mod rotate_key;
mod seen;
mod unknown;
mod witness;

use clap::{Args, Subcommand};

use super::{AsOperator, Global};
use crate::connect;
use crate::console::Console;
use crate::exit::{Exit, Failure};

const EXAMPLES: &str = "\
Examples:
  latchgate ledger checkpoint
  latchgate ledger proof rcpt_01JD3G0000000000000000000F --out receipt.json
  latchgate ledger export /srv/evidence
  latchgate ledger unknown";

/// Prove what is in the ledger, export it, resolve unknown outcomes, forget payloads
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Ledger {
    #[command(subcommand)]
    command: LedgerCommand,
    #[command(flatten)]
    operator: AsOperator,
}

#[derive(Debug, Subcommand)]
enum LedgerCommand {
    Checkpoint(checkpoint::Checkpoint),
    Proof(proof::Proof),
    Consistency(consistency::Consistency),
    Export(export::Export),
    Witness(witness::Witness),
    Unknown(unknown::Unknown),
    Forget(forget::Forget),
    RotateKey(rotate_key::RotateKey),
}

impl Ledger {
    pub async fn run(self, global: &Global, console: &Console) -> Result<Exit, Failure> {
        // A witness needs no gate of its own.
        if let LedgerCommand::Witness(witness) = self.command {
            return witness.run(console);
        }
        let operator = connect::operator(global.socket(), &self.operator.name)?;
        match self.command {
            LedgerCommand::Checkpoint(checkpoint) => checkpoint.run(&operator, console).await,
            LedgerCommand::Proof(proof) => proof.run(&operator, console).await,
            LedgerCommand::Consistency(consistency) => consistency.run(&operator, console).await,
            LedgerCommand::Export(export) => export.run(&operator, console).await,
            LedgerCommand::Unknown(unknown) => unknown.run(&operator, console).await,
            LedgerCommand::Forget(forget) => forget.run(&operator, console).await,
            LedgerCommand::RotateKey(rotate) => rotate.run(&operator, console).await,
            LedgerCommand::Witness(witness) => witness.run(console),
        }
    }
}

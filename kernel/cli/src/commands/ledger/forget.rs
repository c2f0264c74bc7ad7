//! `ledger forget`: arguments, plans and results become unreadable; entries, signatures and proofs stay.

use clap::{ArgGroup, Args};
use latchgate_client::OperatorClient;
use latchgate_wire::api::ForgetRequest;
use latchgate_wire::ids::{ReceiptId, SessionId};
use latchgate_wire::time::Timestamp;

use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::when;

const EXAMPLES: &str = "\
Examples:
  latchgate ledger forget --receipt rcpt_01JD3G0000000000000000000F
  latchgate ledger forget --before 30d

What is forgotten cannot be brought back, not from the ledger's directory either.
Backups hold payloads and their keys: forget there, too. Calls that run or wait
for a decision keep what they need.";

/// Destroy the keys of stored arguments, plans and results
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, group = ArgGroup::new("which").required(true))]
pub struct Forget {
    /// Of one call
    #[arg(long, value_name = "RECEIPT", group = "which")]
    receipt: Option<ReceiptId>,
    /// Of every call of a session
    #[arg(long, value_name = "SESSION", group = "which")]
    session: Option<SessionId>,
    /// Of every call before that time: 30d, 12h, or 2026-01-31T00:00:00Z
    #[arg(long, value_name = "TIME", group = "which", value_parser = point)]
    before: Option<Timestamp>,
}

fn point(text: &str) -> Result<Timestamp, String> {
    when::parse_point(text, when::now())
}

impl Forget {
    pub async fn run(self, operator: &OperatorClient, console: &Console) -> Result<Exit, Failure> {
        let request = ForgetRequest { receipt: self.receipt, session: self.session, before: self.before };
        let forgot = operator.forget(&request).await?;
        if console.is_json() {
            console.json(&forgot)?;
        } else if forgot.payloads == 0 {
            console.note("there was nothing left to forget");
        } else {
            console.result(&format!("forgotten: {} payloads", forgot.payloads))?;
            console.note("next: latchgate verify");
        }
        Ok(Exit::Done)
    }
}

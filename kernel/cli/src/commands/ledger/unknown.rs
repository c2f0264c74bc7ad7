//! `ledger unknown`: calls that may have happened, and the word of whoever looked.

use clap::{Args, Subcommand, ValueEnum};
use latchgate_client::OperatorClient;
use latchgate_wire::api::{ResolveRequest, UnknownOutcome};
use latchgate_wire::entry::Resolution;
use latchgate_wire::ids::ReceiptId;
use owo_colors::OwoColorize as _;

use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::render::facts::Facts;
use crate::visible::styled;
use crate::when;

const EXAMPLES: &str = "\
Examples:
  latchgate ledger unknown
  latchgate ledger unknown resolve rcpt_01JD3G0000000000000000000F done --note \"the issue is there: #12\"
  latchgate ledger unknown resolve rcpt_01JD3G0000000000000000000F not-done";

/// List the calls that may have happened, or record what became of one
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Unknown {
    #[command(subcommand)]
    command: Option<UnknownCommand>,
}

#[derive(Debug, Subcommand)]
enum UnknownCommand {
    Resolve(Resolve),
}

/// Record what you found where the effect would be: done is not repeated, not-done may be tried again
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  latchgate ledger unknown resolve rcpt_01JD3G0000000000000000000F not-done --note \"no such issue\""
)]
struct Resolve {
    /// The receipt, as `latchgate ledger unknown` lists it
    receipt: ReceiptId,
    resolution: Found,
    /// How you know, for the ledger
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Found {
    /// It happened
    Done,
    /// It did not happen
    NotDone,
}

impl Unknown {
    pub async fn run(self, operator: &OperatorClient, console: &Console) -> Result<Exit, Failure> {
        match self.command {
            None => list(operator, console).await,
            Some(UnknownCommand::Resolve(resolve)) => resolve.run(operator, console).await,
        }
    }
}

async fn list(operator: &OperatorClient, console: &Console) -> Result<Exit, Failure> {
    let list = operator.unknown_outcomes().await?;
    if console.is_json() {
        console.json(&list)?;
    } else if list.unknown.is_empty() {
        console.note("nothing is unknown: of every call that ended it is known what became of it");
    } else {
        let sheets: Vec<_> = list.unknown.iter().map(sheet).collect();
        console.result(&sheets.join("\n\n"))?;
        console.note("next: latchgate ledger unknown resolve RECEIPT done|not-done --note TEXT");
    }
    Ok(Exit::Done)
}

fn sheet(outcome: &UnknownOutcome) -> String {
    let mut facts = Facts::default();
    facts.add("receipt", outcome.receipt_id.to_string());
    facts.add("action", format!("{} ({})", styled(&outcome.action_id), styled(&outcome.title)));
    facts.add("target", styled(&outcome.target));
    facts.add("by", format!("{} in {}", styled(&outcome.principal.to_string()), outcome.session_id));
    facts.add(
        "when",
        format!("{}, given up {}", when::short(outcome.started_at), when::short(outcome.finished_at)),
    );
    for effect in &outcome.effects {
        facts.add(
            "effect",
            format!("{} {}: {:?}", styled(&effect.kind), styled(&effect.target), effect.status)
                .to_lowercase(),
        );
    }
    if !outcome.arguments.is_null() {
        facts.add("arguments", styled(&outcome.arguments.to_string()));
    }
    if let Some(key) = &outcome.idempotency_key {
        facts.add("key", styled(key));
    }
    facts.add("entries", format!("{} and {}", outcome.intent_seq, outcome.log_index));
    facts.render()
}

impl Resolve {
    async fn run(self, operator: &OperatorClient, console: &Console) -> Result<Exit, Failure> {
        let resolution = match self.resolution {
            Found::Done => Resolution::Done,
            Found::NotDone => Resolution::NotDone,
        };
        let request = ResolveRequest { resolution, note: self.note };
        let resolved = operator.resolve_outcome(self.receipt, &request).await?;
        if console.is_json() {
            console.json(&resolved)?;
        } else {
            let then = match resolution {
                Resolution::Done => "the identical call is told so and is not executed again",
                Resolution::NotDone => "the identical call may be tried again",
            };
            console.result(&format!("{} {}: {then}", resolution.as_str().green(), self.receipt))?;
            console.note(&format!("next: latchgate audit --id {}", self.receipt));
        }
        Ok(Exit::Done)
    }
}

//! `ledger proof`: one receipt with everything that a stranger needs to check it.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use clap::Args;
use latchgate_client::OperatorClient;
use latchgate_wire::ids::ReceiptId;

use super::seen::Trust;
use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::visible::styled;

const EXAMPLES: &str = "\
Examples:
  latchgate ledger proof rcpt_01JD3G0000000000000000000F --out receipt.json
  latchgate ledger proof 17
  latchgate ledger proof rcpt_01JD3G0000000000000000000F --payloads --out receipt.json
  latchgate verify --bundle receipt.json --key entry.pub

With --payloads the arguments, the plan and the result are in the file, with
the salt that their digests were made with: whoever has it can read them.";

/// Print a receipt with its proof of inclusion, as one JSON file that verifies elsewhere
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Proof {
    /// A receipt's id, or the number of any entry
    receipt: Which,
    /// Include what the entries name by digest: arguments, plan and result
    #[arg(long)]
    payloads: bool,
    /// Write the bundle there, readable by you alone
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    trust: Trust,
}

#[derive(Clone, Copy, Debug)]
enum Which {
    Receipt(ReceiptId),
    Entry(u64),
}

impl std::str::FromStr for Which {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let receipt = text.parse().map(Self::Receipt).ok();
        let which = receipt.or_else(|| text.parse().map(Self::Entry).ok());
        which.ok_or("expected a receipt's id (rcpt_...) or the number of an entry")
    }
}

impl Proof {
    pub async fn run(self, operator: &OperatorClient, console: &Console) -> Result<Exit, Failure> {
        // What is proved must be in the log that was seen before.
        let shown = self.trust.checkpoint(operator, console).await?;
        let bundle = match self.receipt {
            Which::Receipt(id) => operator.ledger_receipt(id, self.payloads).await?,
            Which::Entry(seq) => operator.ledger_entry(seq, self.payloads).await?,
        };
        let key = latchgate_wire::keychain::parse(&shown.key)
            .ok_or_else(|| Failure::usage("the key is no Ed25519 key"))?;
        bundle.prove(&key).map_err(|error| {
            Failure::new(Exit::VerificationFailed, format!("what the gate gave proves nothing: {error}"))
        })?;
        let text = serde_json::to_string_pretty(&bundle).map_err(std::io::Error::other)? + "\n";
        match self.out {
            Some(path) => {
                let options = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
                let mut file = options.map_err(|error| {
                    Failure::usage(format!("{}: {error}", path.display()))
                        .remedy("give another file with --out")
                })?;
                file.write_all(text.as_bytes())?;
                let path = styled(&path.display().to_string());
                console.note(&format!("next: latchgate verify --bundle {path} --key FILE"));
            }
            None => console.bytes(text.as_bytes())?,
        }
        Ok(Exit::Done)
    }
}

//! `ledger witness`: this machine's word that it saw another gate's checkpoint, and that it continues the one before.

use std::path::PathBuf;

use clap::Args;
use latchgate_daemon::witness::{Cosigned, WitnessError, WitnessOptions, cosign};
use serde_json::json;

use crate::connect;
use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::when;

const EXAMPLES: &str = "\
Examples:
  latchgate ledger witness /mnt/other-gate/ledger --key other.pub
  latchgate ledger witness other.checkpoint --key other.pub --proof between.json > cosigned

The checkpoint is held to the last one that was cosigned: by the tiles beside
it, or by --proof (`latchgate ledger consistency OLD NEW --json`, printed by the
other gate's operator). A gate that shows another past is not cosigned: exit
code 6. The note comes out with this witness's line (C2SP tlog-cosignature).";

/// Cosign another gate's checkpoint after checking that nothing before it was changed
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Witness {
    /// An export or copy of the other gate's ledger, or a file with its checkpoint
    source: PathBuf,
    /// The other gate's public key (Ed25519, PEM)
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The proof of consistency, where there are no tiles
    #[arg(long, value_name = "FILE")]
    proof: Option<PathBuf>,
    /// Under what name to sign
    #[arg(long, value_name = "NAME", default_value = "latchgate-witness")]
    name: String,
}

impl Witness {
    pub fn run(self, console: &Console) -> Result<Exit, Failure> {
        let at_s = u64::try_from(when::now().as_secs()).unwrap_or(0);
        let Self { source, key, proof, name } = self;
        let options = WitnessOptions { source, key, proof, name, at_s };
        let cosigned = cosign(&connect::places()?, &options).map_err(failure)?;
        if console.is_json() {
            console.json(&json!({
                "origin": cosigned.checkpoint.origin,
                "size": cosigned.checkpoint.size,
                "before": cosigned.before,
                "verifier_key": cosigned.verifier_key,
                "note": cosigned.note,
            }))?;
        } else {
            console.bytes(cosigned.note.as_bytes())?;
            console.note(&told(&cosigned));
        }
        Ok(Exit::Done)
    }
}

fn told(cosigned: &Cosigned) -> String {
    let size = cosigned.checkpoint.size;
    let how = match cosigned.before {
        None => "the first that was seen of this gate".to_owned(),
        Some(before) => format!("it continues the {before} entries that were cosigned before"),
    };
    format!("cosigned {size} entries: {how}\nverifier key: {}", cosigned.verifier_key)
}

fn failure(error: WitnessError) -> Failure {
    let exit = match &error {
        WitnessError::Inconsistent { .. } | WitnessError::Checkpoint { .. } => Exit::VerificationFailed,
        WitnessError::Key(_)
        | WitnessError::Name(_)
        | WitnessError::Proof { .. }
        | WitnessError::NoTiles { .. } => Exit::Usage,
        WitnessError::Io { .. } | WitnessError::State(_) => Exit::Failed,
    };
    let failure = Failure::new(exit, error.to_string());
    match exit {
        Exit::VerificationFailed => {
            failure.remedy("keep both checkpoints: two that part prove what the gate did")
        }
        _ => failure,
    }
}

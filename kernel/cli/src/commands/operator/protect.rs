//! `operator protect`: a passphrase for a private key, so that reading its file is not enough.

use std::path::PathBuf;

use clap::Args;
use owo_colors::OwoColorize as _;
use serde_json::json;

use crate::connect;
use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::keys;
use crate::visible::styled;

const EXAMPLES: &str = "\
Examples:
  latchgate operator protect
  latchgate operator protect ana --passphrase-file /run/user/1000/new-passphrase

Every command that decides asks for the passphrase from then on. Where there is no
terminal, LATCHGATE_OPERATOR_PASSPHRASE_FILE names a file of mode 0600 that holds it.
There is no way back to a lost one: `latchgate operator rotate NAME` by another admin
makes a new key.";

/// Protect an operator's private key with a passphrase, or change the passphrase; the gate need not run
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Protect {
    /// The operator's name [default: the one you act as]
    name: Option<String>,
    /// A file of mode 0600 that holds the new passphrase [default: ask on the terminal]
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

impl Protect {
    pub fn run(self, by: &str, console: &Console) -> Result<Exit, Failure> {
        let name = self.name.as_deref().unwrap_or(by);
        let path = connect::operator_key(name)?;
        let held = keys::operator(&path)?;
        let passphrase = keys::chosen(self.passphrase_file.as_deref())?;
        keys::protect(&path, &held.key, &passphrase)?;
        if console.is_json() {
            console.json(&json!({ "name": name, "key_file": path, "protected": true }))?;
        } else {
            console.result(&format!("{} the key of {}", "protected".green(), styled(name)))?;
            console.note(
                "copies of the file made before open the gate still: `latchgate operator rotate` ends them",
            );
        }
        Ok(Exit::Done)
    }
}

//! `secrets init`: the identity that opens the store, and a passphrase for it.

use std::path::PathBuf;

use clap::Args;
use latchgate_daemon::secrets::{Protection, offline};
use owo_colors::OwoColorize as _;
use serde_json::json;

use super::way;
use crate::connect;
use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::keys;
use crate::render::facts::Facts;
use crate::visible::styled;

const EXAMPLES: &str = "\
Examples:
  latchgate secrets init
  latchgate secrets init --passphrase
  latchgate secrets init --passphrase --passphrase-file /run/user/1000/new-passphrase

The first `secrets set` does this too, without a passphrase. With one, `up` asks for
it at each start, and `serve` reads it from the file that secrets.passphrase_file
names. There is no way back to a lost one.";

/// Make the identity that opens secrets.age, or put it under a passphrase
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Init {
    /// Protect the identity with a passphrase; one that is there gets it, or another one
    #[arg(long)]
    passphrase: bool,
    /// A file of mode 0600 that holds the new passphrase [default: ask on the terminal]
    #[arg(long, value_name = "FILE", requires = "passphrase")]
    passphrase_file: Option<PathBuf>,
}

impl Init {
    pub fn run(self, console: &Console) -> Result<Exit, Failure> {
        let places = connect::places()?;
        let before = offline::protection(&places).map_err(way::failure)?;
        if before != Protection::Absent && !self.passphrase {
            let what =
                format!("{} is there already; nothing was changed", places.secrets_identity().display());
            return Err(Failure::usage(what).remedy("--passphrase protects it; secrets set adds a secret"));
        }
        let old = if before == Protection::Passphrase { way::passphrase(&places)? } else { None };
        let new = if self.passphrase { Some(keys::chosen(self.passphrase_file.as_deref())?) } else { None };
        match (before, &new) {
            (Protection::File | Protection::Passphrase, Some(new)) => {
                offline::protect(&places, old.as_ref().map(|text| text.as_str()), new)
            }
            _ => offline::init(&places, new.as_ref().map(|text| text.as_str())),
        }
        .map_err(way::failure)?;
        let identity = places.secrets_identity();
        if console.is_json() {
            console.json(&json!({
                "identity": identity,
                "store": places.secrets_file(),
                "passphrase": self.passphrase,
            }))?;
            return Ok(Exit::Done);
        }
        let how =
            if self.passphrase { "under a passphrase".green().to_string() } else { "mode 0600".to_owned() };
        let mut facts = Facts::default();
        facts
            .add("identity", format!("{}, {how}", styled(&identity.display().to_string())))
            .add("store", styled(&places.secrets_file().display().to_string()))
            .add("next", "latchgate secrets set NAME");
        console.result(&facts.render())?;
        if before == Protection::File {
            console.note("copies of the identity made before open the store still");
        }
        Ok(Exit::Done)
    }
}

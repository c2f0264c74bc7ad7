//! `secrets get`: what is known of one secret; its value only if it is asked for, and to whoever can read the store anyway.

use clap::Args;
use latchgate_daemon::secrets::offline;
use latchgate_wire::secret::{SecretInfo, SecretName};
use serde_json::json;

use super::{Global, value, way};
use crate::connect;
use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::render::facts::Facts;
use crate::visible::styled;

const EXAMPLES: &str = "\
Examples:
  latchgate secrets get github_token
  latchgate secrets get github_token --reveal | wc -c

The fingerprint is keyed: equal for equal values in this store, and of no use to
anybody who would guess them. --reveal reads the store itself, so it works for
the gate's own user only: no gate gives a value to an operator.";

/// Show what is known of a secret; the value itself only with --reveal
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Get {
    /// The secret's name
    name: String,
    /// Print the value; on a terminal you are asked first
    #[arg(long)]
    reveal: bool,
    /// Do not ask
    #[arg(long, short, requires = "reveal")]
    yes: bool,
}

impl Get {
    pub async fn run(self, global: &Global, by: &str, console: &Console) -> Result<Exit, Failure> {
        let name = value::name(&self.name)?;
        if self.reveal {
            return self.print(&name, console).await;
        }
        let (list, _) = way::list(global, by).await?;
        let info = list.secrets.iter().find(|info| info.name == name).ok_or_else(|| unknown(&name))?;
        if console.is_json() {
            console.json(info)?;
        } else {
            console.result(&sheet(info))?;
        }
        Ok(Exit::Done)
    }

    async fn print(&self, name: &SecretName, console: &Console) -> Result<Exit, Failure> {
        let places = connect::places()?;
        let passphrase = way::passphrase(&places)?;
        let passphrase = passphrase.as_ref().map(|text| text.as_str());
        let found = offline::reveal(&places, passphrase, name.as_str()).map_err(way::failure)?;
        let found = found.ok_or_else(|| unknown(name))?;
        if console.is_stdout_terminal() && !self.yes && !self.is_confirmed(name, console).await? {
            return Err(Failure::new(Exit::Failed, "nothing was shown"));
        }
        if console.is_json() {
            console.json(&json!({ "name": name, "value": found.expose() }))?;
            return Ok(Exit::Done);
        }
        console.bytes(found.expose().as_bytes())?;
        if console.is_stdout_terminal() {
            console.bytes(b"\n")?;
        }
        Ok(Exit::Done)
    }

    async fn is_confirmed(&self, name: &SecretName, console: &Console) -> Result<bool, Failure> {
        if !console.is_interactive() {
            return Err(Failure::usage("nobody can be asked whether to show it").remedy("say it with --yes"));
        }
        console.confirm(&format!("show the value of {name} on this terminal?")).await
    }
}

fn unknown(name: &SecretName) -> Failure {
    Failure::usage(format!("there is no secret {name}")).remedy(format!("latchgate secrets set {name}"))
}

fn sheet(info: &SecretInfo) -> String {
    let joined = |words: Vec<&str>, none: &str| {
        if words.is_empty() { none.to_owned() } else { styled(&words.join(", ")) }
    };
    let mut facts = Facts::default();
    facts
        .add("name", styled(info.name.as_str()))
        .add("kind", info.kind.as_str())
        .add("set", info.set_at.to_string())
        .add("prints as", styled(&info.fingerprint))
        .add("hosts", joined(info.hosts.iter().map(String::as_str).collect(), "those that actions declare"))
        .add("needed by", joined(info.needed_by.iter().map(String::as_str).collect(), "no action"));
    if let Some(url) = &info.token_url {
        facts.add("tokens", styled(url));
    }
    facts.render()
}

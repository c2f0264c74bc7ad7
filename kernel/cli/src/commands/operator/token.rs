//! `operator token`: a secret that a program sends beside the operator's key, and that is worth nothing without it.

use std::path::PathBuf;

use clap::Args;
use latchgate_client::OperatorClient;
use latchgate_wire::api::TokenRequest;
use owo_colors::OwoColorize as _;
use serde_json::json;

use super::Global;
use crate::connect;
use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::keys::{self, NewToken};
use crate::visible::styled;

const EXAMPLES: &str = "\
Examples:
  latchgate operator token
  latchgate operator token ana --out /media/stick/ana.token
  latchgate operator token ana --remove

The token is made here and written to a file that only its owner can read; the gate
keeps its digest. A request that carries one must be signed by the same operator's
key. A new token ends the old one.";

/// Make a token that a program sends beside an operator's key: yours, or as an admin somebody else's
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Token {
    /// The operator's name [default: the one you act as]
    name: Option<String>,
    /// Where to write the token [default: beside the private key, with .token behind its name]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print the token, too
    #[arg(long)]
    print: bool,
    /// Take the token away and delete its file
    #[arg(long, conflicts_with = "print")]
    remove: bool,
}

impl Token {
    pub async fn run(self, global: &Global, by: &str, console: &Console) -> Result<Exit, Failure> {
        let name = self.name.as_deref().unwrap_or(by);
        let beside = NewToken::path_beside(&connect::operator_key(name)?);
        let path = self.out.clone().unwrap_or(beside);
        let client = connect::operator(global.socket(), by)?;
        if self.remove {
            return remove(&client, name, path, console).await;
        }
        let new = NewToken::at(path)?;
        let request = TokenRequest { token: Some(new.digest()) };
        if let Err(error) = client.set_token(name, &request).await {
            new.not_taken(&error)?;
            return Err(error.into());
        }
        let (token, path) = new.taken()?;
        let printed = self.print.then(|| token.expose());
        if console.is_json() {
            console.json(&json!({ "name": name, "token_file": path, "token": printed }))?;
            return Ok(Exit::Done);
        }
        match printed {
            Some(token) => console.result(token)?,
            None => console.result(&format!("{} a token for operator {}", "made".green(), styled(name)))?,
        }
        console.note(&format!("token: {}", styled(&path.display().to_string())));
        Ok(Exit::Done)
    }
}

async fn remove(
    client: &OperatorClient,
    name: &str,
    path: PathBuf,
    console: &Console,
) -> Result<Exit, Failure> {
    client.set_token(name, &TokenRequest { token: None }).await?;
    keys::discard_token(&path)?;
    if console.is_json() {
        console.json(&json!({ "name": name, "token_file": null }))?;
    } else {
        console.result(&format!("{} the token of operator {}", "removed".red(), styled(name)))?;
    }
    Ok(Exit::Done)
}

//! `agents add`: enrols a key, whose holder is `agent:NAME` from then on.

use std::path::PathBuf;

use clap::Args;
use latchgate_wire::api::AgentRequest;
use latchgate_wire::jwk::Jwk;
use serde_json::Value;

use super::Global;
use crate::connect;
use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::keys;

const EXAMPLES: &str = "\
Examples:
  latchgate agents add ci --out ci.pem
  latchgate agents add ci --key ci.pub.jwk

The best private key is one that never left the agent's own side: let it make the
pair and give --key the public half.";

/// Enrol an agent under a name
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Add {
    /// The agent's name: letters, digits, `.`, `_`, `-`
    name: String,
    /// The public key that the agent made itself: a JWK or PEM
    #[arg(long, value_name = "FILE", conflicts_with = "out")]
    key: Option<PathBuf>,
    /// Where to write the private key that is made for it [default: agent-NAME.pem among the gate's keys]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Add {
    pub async fn run(self, global: &Global, by: &str, console: &Console) -> Result<Exit, Failure> {
        let own_place = super::own_place(&self.name)?;
        let given = self.key.as_deref().map(keys::public_key).transpose()?;
        let client = connect::operator(global.socket(), by)?;
        let request = |jwk: Jwk| AgentRequest {
            name: self.name.clone(),
            jwk: serde_json::to_value(jwk).unwrap_or(Value::Null),
        };
        if let Some(jwk) = given {
            client.add_agent(&request(jwk)).await?;
            return super::show_key(console, "enrolled", &self.name, &jwk, None);
        }
        let new = keys::New::at(self.out.clone().unwrap_or(own_place))?;
        let jwk = new.jwk;
        let (_, file) = new.ended(client.add_agent(&request(jwk)).await)?;
        super::show_key(console, "enrolled", &self.name, &jwk, Some(file))
    }
}

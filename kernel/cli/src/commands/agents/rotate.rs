//! `agents rotate`: another key under the same name; leases of the old one end.

use std::path::PathBuf;

use clap::Args;
use latchgate_wire::api::RotateRequest;
use latchgate_wire::jwk::Jwk;
use serde_json::Value;

use super::Global;
use crate::connect;
use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::keys::{self, Replacement};

const EXAMPLES: &str = "\
Examples:
  latchgate agents rotate ci --out ci.pem
  latchgate agents rotate ci --key ci.pub.jwk

The new key is written beside the old one, told to the gate, and then takes its
place. If that was interrupted, the same command brings it to its end.";

/// Give an agent a new key
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Rotate {
    /// The agent's name
    name: String,
    /// The public key that the agent made itself: a JWK or PEM
    #[arg(long, value_name = "FILE", conflicts_with = "out")]
    key: Option<PathBuf>,
    /// Where its private key lies, if not among the gate's keys
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Rotate {
    pub async fn run(self, global: &Global, by: &str, console: &Console) -> Result<Exit, Failure> {
        let own_place = super::own_place(&self.name)?;
        let given = self.key.as_deref().map(keys::public_key).transpose()?;
        let client = connect::operator(global.socket(), by)?;
        let request = |jwk: Jwk| RotateRequest { jwk: serde_json::to_value(jwk).unwrap_or(Value::Null) };
        if let Some(jwk) = given {
            client.rotate_agent(&self.name, &request(jwk)).await?;
            return super::show_key(console, "rotated", &self.name, &jwk, None);
        }
        let path = self.out.clone().unwrap_or(own_place);
        if let Some(key) = Replacement::left_over(&path, None)? {
            let jkt = keys::thumbprint(&key);
            if client.agents().await?.agents.iter().any(|agent| agent.jkt == jkt) {
                Replacement::finish(&path)?;
                console.note("an earlier rotation had been interrupted; it is at its end now");
                let jwk = Jwk::from(key.verifying_key());
                return super::show_key(console, "rotated", &self.name, &jwk, Some(path));
            }
        }
        let new = Replacement::of(path, None)?;
        let jwk = new.jwk;
        let (_, file) = new.ended(client.rotate_agent(&self.name, &request(jwk)).await)?;
        super::show_key(console, "rotated", &self.name, &jwk, Some(file))
    }
}

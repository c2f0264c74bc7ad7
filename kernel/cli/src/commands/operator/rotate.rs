//! `operator rotate`: another key under the same name. Whatever happens in between, one of the two files opens the gate.

use std::path::{Path, PathBuf};

use clap::Args;
use latchgate_client::{ClientError, OperatorClient};
use latchgate_wire::api::{OperatorList, RotateRequest};
use latchgate_wire::es256::SigningKey;
use latchgate_wire::jwk::Jwk;
use latchgate_wire::problem::Code;
use owo_colors::OwoColorize as _;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::Global;
use crate::connect;
use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::keys::{self, Replacement};
use crate::visible::styled;

const EXAMPLES: &str = "\
Examples:
  latchgate operator rotate
  latchgate operator rotate ana --key ana.pub.pem

The new key is written beside the old one, told to the gate, and then takes its
place. If that was interrupted, the same command brings it to its end.";

/// Give an operator a new key: yourself, or as an admin somebody else
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Rotate {
    /// The operator's name [default: the one you act as]
    name: Option<String>,
    /// The public key that they made themselves: a JWK or PEM
    #[arg(long, value_name = "FILE", conflicts_with = "out")]
    key: Option<PathBuf>,
    /// Where their private key lies, if not among the gate's keys
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Rotate {
    pub async fn run(self, global: &Global, by: &str, console: &Console) -> Result<Exit, Failure> {
        let name = self.name.as_deref().unwrap_or(by);
        let path = match &self.out {
            Some(path) => path.clone(),
            None => connect::operator_key(name)?,
        };
        let endpoint = connect::admin(global.socket())?;
        let held = keys::operator(&connect::operator_key(by)?)?;
        let client = OperatorClient::new(&endpoint, held.key, by);
        if let Some(file) = &self.key {
            let jwk = keys::public_key(file)?;
            client.rotate_operator(name, &request(jwk)).await?;
            return show(console, name, &jwk, None);
        }
        // Somebody else's key has a passphrase that we do not know: the new one is theirs to protect.
        let passphrase = held.passphrase.filter(|_| name == by);
        if let Some(key) = Replacement::left_over(&path, passphrase.as_ref())? {
            let as_new = OperatorClient::new(&endpoint, key.clone(), name);
            if is_known(&client, &as_new, &key).await? {
                Replacement::finish(&path)?;
                console.note("an earlier rotation had been interrupted; it is at its end now");
                return show(console, name, &Jwk::from(key.verifying_key()), Some(&path));
            }
        }
        self.replace(&client, name, path, passphrase.as_ref(), console).await
    }

    async fn replace(
        &self,
        client: &OperatorClient,
        name: &str,
        path: PathBuf,
        passphrase: Option<&Zeroizing<String>>,
        console: &Console,
    ) -> Result<Exit, Failure> {
        let new = Replacement::of(path, passphrase)?;
        let jwk = new.jwk;
        let (_, path) = new.ended(client.rotate_operator(name, &request(jwk)).await)?;
        show(console, name, &jwk, Some(&path))
    }
}

/// Whether the gate took that key the last time. Its old key, if it was our own, can ask no more.
async fn is_known(
    client: &OperatorClient,
    as_new: &OperatorClient,
    key: &SigningKey,
) -> Result<bool, Failure> {
    let jkt = keys::thumbprint(key);
    let names_it = |list: OperatorList| list.operators.iter().any(|operator| operator.jkt == jkt);
    match client.operators().await {
        Err(error) if error.code() == Some(Code::Forbidden) => {
            Ok(names_it(as_new.operators().await.map_err(|_| Failure::from(error))?))
        }
        list => Ok(names_it(list.map_err(|error: ClientError| Failure::from(error))?)),
    }
}

fn request(jwk: Jwk) -> RotateRequest {
    RotateRequest { jwk: serde_json::to_value(jwk).unwrap_or(Value::Null) }
}

fn show(console: &Console, name: &str, jwk: &Jwk, file: Option<&Path>) -> Result<Exit, Failure> {
    let jkt = jwk.thumbprint().to_string();
    if console.is_json() {
        console.json(&json!({ "name": name, "jkt": jkt, "key_file": file }))?;
        return Ok(Exit::Done);
    }
    console.result(&format!("{} operator {} has the key {jkt}", "rotated".green(), styled(name)))?;
    if let Some(file) = file {
        console.note(&format!("private key: {}", styled(&file.display().to_string())));
    }
    Ok(Exit::Done)
}

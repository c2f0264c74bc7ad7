//! `operator add`: one more person, with a key of their own.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use latchgate_wire::api::OperatorRequest;
use latchgate_wire::entry::Role;
use latchgate_wire::jwk::Jwk;
use owo_colors::OwoColorize as _;
use serde_json::{Value, json};

use super::Global;
use crate::connect;
use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::keys;
use crate::visible::styled;

const EXAMPLES: &str = "\
Examples:
  latchgate operator add ana --role approver
  latchgate operator add ana --role approver --key ana.pub.pem
  latchgate operator add ana --role viewer --out /media/stick/ana.pem

Without --key a key pair is made here: the private half goes to a file that only
its owner can read, the gate learns the public half alone.";

/// Add an operator
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Add {
    /// The person's name: letters, digits, `.`, `_`, `-`
    name: String,
    /// What they may do
    #[arg(long, value_enum)]
    role: RoleName,
    /// The public key that they made themselves: a JWK or PEM
    #[arg(long, value_name = "FILE", conflicts_with = "out")]
    key: Option<PathBuf>,
    /// Where to write the private key that is made for them [default: operator-NAME.pem among the gate's keys]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum RoleName {
    Viewer,
    Approver,
    Admin,
}

impl Add {
    pub async fn run(self, global: &Global, by: &str, console: &Console) -> Result<Exit, Failure> {
        let own_place = connect::operator_key(&self.name)?;
        let given = self.key.as_deref().map(keys::public_key).transpose()?;
        let client = connect::operator(global.socket(), by)?;
        let request = |jwk: Jwk| OperatorRequest {
            name: self.name.clone(),
            role: self.role.into(),
            jwk: serde_json::to_value(jwk).unwrap_or(Value::Null),
        };
        let (jwk, file) = match given {
            Some(jwk) => {
                client.add_operator(&request(jwk)).await?;
                (jwk, None)
            }
            None => {
                let new = keys::New::at(self.out.clone().unwrap_or(own_place))?;
                let jwk = new.jwk;
                let (_, file) = new.ended(client.add_operator(&request(jwk)).await)?;
                (jwk, Some(file))
            }
        };
        self.show(console, &jwk.thumbprint().to_string(), file)
    }

    fn show(&self, console: &Console, jkt: &str, file: Option<PathBuf>) -> Result<Exit, Failure> {
        let role = Role::from(self.role).as_str();
        if console.is_json() {
            console.json(&json!({ "name": self.name, "role": role, "jkt": jkt, "key_file": file }))?;
            return Ok(Exit::Done);
        }
        console.result(&format!("{} operator {} ({role})", "added".green(), styled(&self.name)))?;
        if let Some(file) = &file {
            console.note(&format!("private key: {}", styled(&file.display().to_string())));
        }
        match (&file, &self.out) {
            (Some(_), None) => {
                console.note(&format!("next: latchgate operator protect {}", self.name));
            }
            (Some(_), Some(_)) => console.note("next: hand that file to them, and leave no copy here"),
            (None, _) => console.note("next: latchgate operator list"),
        }
        Ok(Exit::Done)
    }
}

impl From<RoleName> for Role {
    fn from(role: RoleName) -> Self {
        match role {
            RoleName::Viewer => Self::Viewer,
            RoleName::Approver => Self::Approver,
            RoleName::Admin => Self::Admin,
        }
    }
}

//! `operator add`: one more person, with a key of their own.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use latchgate_client::OperatorClient;
use latchgate_wire::api::OperatorRequest;
use latchgate_wire::entry::Role;
use latchgate_wire::jwk::Jwk;
use latchgate_wire::operator_token::TokenDigest;
use owo_colors::OwoColorize as _;
use serde_json::{Value, json};

use super::Global;
use crate::connect;
use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::keys::{self, NewToken};
use crate::visible::styled;

const EXAMPLES: &str = "\
Examples:
  latchgate operator add ana --role approver
  latchgate operator add ana --role approver --key ana.pub.pem
  latchgate operator add ana --role viewer --out /media/stick/ana.pem
  latchgate operator add assistant --role approver --token

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
    /// Make a token beside the private key, too: see `latchgate operator token --help`
    #[arg(long, conflicts_with = "key")]
    token: bool,
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
        let Some(jwk) = given else {
            return self.add_with_new_key(&client, own_place, console).await;
        };
        client.add_operator(&self.request(jwk, None)).await?;
        self.show(console, &jwk, None, None)
    }

    async fn add_with_new_key(
        &self,
        client: &OperatorClient,
        own_place: PathBuf,
        console: &Console,
    ) -> Result<Exit, Failure> {
        let path = self.out.clone().unwrap_or(own_place);
        let new = keys::New::at(path.clone())?;
        let jwk = new.jwk;
        // The key first: what is there already is not written over.
        let token = self.token.then(|| NewToken::at(NewToken::path_beside(&path))).transpose()?;
        let request = self.request(jwk, token.as_ref().map(NewToken::digest));
        let answer = client.add_operator(&request).await;
        let token_file = match (token, &answer) {
            (Some(token), Ok(_)) => Some(token.taken()?.1),
            (Some(token), Err(error)) => {
                token.not_taken(error)?;
                None
            }
            (None, _) => None,
        };
        let (_, file) = new.ended(answer)?;
        self.show(console, &jwk, Some(file), token_file)
    }

    fn request(&self, jwk: Jwk, token: Option<TokenDigest>) -> OperatorRequest {
        OperatorRequest {
            name: self.name.clone(),
            role: self.role.into(),
            jwk: serde_json::to_value(jwk).unwrap_or(Value::Null),
            token,
        }
    }

    fn show(
        &self,
        console: &Console,
        jwk: &Jwk,
        file: Option<PathBuf>,
        token: Option<PathBuf>,
    ) -> Result<Exit, Failure> {
        let (role, jkt) = (Role::from(self.role).as_str(), jwk.thumbprint().to_string());
        if console.is_json() {
            let mut added = json!({ "name": self.name, "role": role, "jkt": jkt, "key_file": file });
            if let Some(token) = token {
                added["token_file"] = json!(token);
            }
            console.json(&added)?;
            return Ok(Exit::Done);
        }
        console.result(&format!("{} operator {} ({role})", "added".green(), styled(&self.name)))?;
        if let Some(file) = &file {
            console.note(&format!("private key: {}", styled(&file.display().to_string())));
        }
        if let Some(token) = &token {
            console.note(&format!("token: {}", styled(&token.display().to_string())));
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

//! `secrets set`: one value, new or in the place of another.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use latchgate_wire::secret::{NamedSecret, SecretKind, SecretName, SecretSpec, TokenSource};
use owo_colors::OwoColorize as _;
use serde_json::json;

use super::{Global, value, way};
use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::visible::styled;

const EXAMPLES: &str = "\
Examples:
  latchgate secrets set github_token
  pass show github | latchgate secrets set github_token --host api.github.com
  latchgate secrets set crm --oauth2 client-credentials --client-id gate \\
      --token-url https://id.example/oauth/token

With --oauth2 what is asked for is the client's secret, or the refresh token; the gate
fetches access tokens with it and renews them before they end.";

/// Set a secret; its value is asked for unseen, or read from stdin
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Set {
    /// The secret's name, as actions declare it: letters, digits, `.`, `_`, `-`
    name: String,
    /// Where a value does not belong
    #[arg(hide = true, num_args = 0..)]
    extra: Vec<OsString>,
    /// Send it to this host only, whatever an action says; may be repeated
    #[arg(long, value_name = "HOST")]
    host: Vec<String>,
    /// Take a value of less than 12 bytes, which is guessed and cannot be kept out of answers
    #[arg(long)]
    dangerous_short: bool,
    /// Let the gate fetch access tokens
    #[arg(long, value_enum, value_name = "GRANT", requires_all = ["token_url", "client_id"])]
    oauth2: Option<Grant>,
    /// The token endpoint
    #[arg(long, value_name = "URL", requires = "oauth2")]
    token_url: Option<String>,
    /// The client's id there
    #[arg(long, value_name = "ID", requires = "oauth2")]
    client_id: Option<String>,
    /// A file that holds the client's secret, beside a refresh token
    #[arg(long, value_name = "FILE", requires = "oauth2")]
    client_secret_file: Option<PathBuf>,
    /// What to ask for
    #[arg(long, value_name = "SCOPE", requires = "oauth2")]
    scope: Option<String>,
    /// Send id and secret in the form, for endpoints that do not take them as Basic credentials
    #[arg(long, requires = "oauth2")]
    credentials_in_body: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Grant {
    /// As itself, with its secret
    ClientCredentials,
    /// For somebody who consented, with a refresh token
    Refresh,
}

impl Set {
    pub async fn run(self, global: &Global, by: &str, console: &Console) -> Result<Exit, Failure> {
        let name = value::name(&self.name)?;
        value::refuse_on_command_line(&name, &self.extra)?;
        let secret = self.spec(&name, console)?;
        // Before anybody is asked for a key.
        secret.check().map_err(|error| {
            let failure = Failure::usage(format!("secret {name}: {error}"));
            match error {
                latchgate_wire::secret::SpecError::Short(_) => {
                    failure.remedy("use a longer one; --dangerous-short takes it nevertheless")
                }
                _ => failure,
            }
        })?;
        let kind = secret.kind;
        let (list, via) = way::set(global, by, vec![NamedSecret { name: name.clone(), secret }]).await?;
        let info = list.secrets.iter().find(|info| info.name == name);
        if console.is_json() {
            console.json(&json!({ "set": info, "gate": via == way::Via::Gate }))?;
            return Ok(Exit::Done);
        }
        let text = format!("{} secret {} ({})", "set".green(), styled(name.as_str()), kind.as_str());
        console.result(&text)?;
        console.note(via.consequence());
        if let Some(needed_by) = info.map(|info| &info.needed_by).filter(|actions| !actions.is_empty()) {
            console.note(&format!("needed by {}", styled(&needed_by.join(", "))));
        }
        Ok(Exit::Done)
    }

    fn spec(&self, name: &SecretName, console: &Console) -> Result<SecretSpec, Failure> {
        let (kind, what) = match self.oauth2 {
            None => (SecretKind::Plain, "value"),
            Some(Grant::ClientCredentials) => (SecretKind::Oauth2ClientCredentials, "client secret"),
            Some(Grant::Refresh) => (SecretKind::Oauth2Refresh, "refresh token"),
        };
        if self.client_secret_file.is_some() && kind != SecretKind::Oauth2Refresh {
            return Err(Failure::usage("--client-secret-file goes with --oauth2 refresh")
                .remedy("with client-credentials the client's secret is the value that is asked for"));
        }
        let value = value::read(&format!("{what} of {name} (not shown): "), console)?;
        let source = match (&self.token_url, &self.client_id) {
            (Some(token_url), Some(client_id)) => Some(TokenSource {
                token_url: token_url.clone(),
                client_id: client_id.clone(),
                client_secret: self
                    .client_secret_file
                    .as_deref()
                    .map(|path| value::from_file(path, console))
                    .transpose()?,
                scope: self.scope.clone(),
                credentials_in_body: self.credentials_in_body,
            }),
            _ => None,
        };
        let hosts = self.host.iter().map(|host| host.to_ascii_lowercase()).collect();
        Ok(SecretSpec { kind, value, source, hosts, dangerous_short: self.dangerous_short })
    }
}

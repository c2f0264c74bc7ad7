//! Who makes a change: the gate that runs, so that it is in force at once and recorded, else we ourselves under its lock.

use latchgate_client::{ClientError, OperatorClient};
use latchgate_daemon::Places;
use latchgate_daemon::secrets::{Change, Protection, SecretsError, offline};
use latchgate_wire::secret::{NamedSecret, SecretList, SecretName, SecretsRequest};
use zeroize::Zeroizing;

use super::Global;
use crate::connect;
use crate::exit::{Exit, Failure};
use crate::keys;

/// Who made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    Gate,
    Home,
}

impl Via {
    /// When it takes effect.
    pub fn consequence(self) -> &'static str {
        match self {
            Self::Gate => "the gate uses it from its next request on",
            Self::Home => "no gate runs: the next start takes it up and records it",
        }
    }
}

pub async fn set(global: &Global, by: &str, secrets: Vec<NamedSecret>) -> Result<(SecretList, Via), Failure> {
    if let Some(gate) = gate(global, by)? {
        let request = SecretsRequest { set: secrets };
        return match gate.set_secrets(&request).await {
            Err(error) if is_absent(global, &error) => at_home(Change::Set(request.set)),
            answer => Ok((answer?, Via::Gate)),
        };
    }
    at_home(Change::Set(secrets))
}

pub async fn remove(global: &Global, by: &str, name: SecretName) -> Result<(SecretList, Via), Failure> {
    if let Some(gate) = gate(global, by)? {
        return match gate.remove_secret(&name).await {
            Err(error) if is_absent(global, &error) => at_home(Change::Remove(name)),
            answer => Ok((answer?, Via::Gate)),
        };
    }
    at_home(Change::Remove(name))
}

pub async fn list(global: &Global, by: &str) -> Result<(SecretList, Via), Failure> {
    if let Some(gate) = gate(global, by)? {
        match gate.secrets().await {
            Err(error) if is_absent(global, &error) => {}
            answer => return Ok((answer?, Via::Gate)),
        }
    }
    let places = connect::places()?;
    let passphrase = passphrase(&places)?;
    let list = offline::list(&places, passphrase.as_ref().map(|text| text.as_str())).map_err(failure)?;
    Ok((list, Via::Home))
}

/// What opens the store, if that takes more than its files.
pub fn passphrase(places: &Places) -> Result<Option<Zeroizing<String>>, Failure> {
    match offline::protection(places).map_err(failure)? {
        Protection::Absent | Protection::File => Ok(None),
        Protection::Passphrase => {
            let file = offline::passphrase_file(places);
            keys::of_secrets(&places.secrets_identity(), file.as_deref()).map(Some)
        }
    }
}

pub fn failure(error: SecretsError) -> Failure {
    let what = error.to_string();
    match error {
        SecretsError::Unknown(_) => {
            Failure::usage(what).remedy("`latchgate secrets list` prints what there is")
        }
        SecretsError::Refused { .. }
        | SecretsError::Twice(_)
        | SecretsError::Exists(_)
        | SecretsError::Locked(_) => Failure::usage(what),
        SecretsError::InUse(_) => Failure::new(Exit::Failed, what)
            .remedy("if that gate runs, name its socket with --socket; if it is just starting, try again"),
        _ => Failure::new(Exit::Failed, what),
    }
}

/// The gate that was named, or that of the local home if its socket is there.
fn gate(global: &Global, by: &str) -> Result<Option<OperatorClient>, Failure> {
    if !is_named(global) && !connect::places()?.admin_socket().exists() {
        return Ok(None);
    }
    connect::operator(global.socket(), by).map(Some)
}

/// The socket was left behind by a gate that is gone. A gate that was named is not replaced by another home.
fn is_absent(global: &Global, error: &ClientError) -> bool {
    matches!(error, ClientError::Unreachable { .. }) && !is_named(global)
}

fn is_named(global: &Global) -> bool {
    let variable = std::env::var_os("LATCHGATE_SOCKET").is_some_and(|socket| !socket.is_empty());
    global.socket().is_some() || variable
}

fn at_home(change: Change) -> Result<(SecretList, Via), Failure> {
    let places = connect::places()?;
    let passphrase = passphrase(&places)?;
    let passphrase = passphrase.as_ref().map(|text| text.as_str());
    Ok((offline::change(&places, passphrase, change).map_err(failure)?, Via::Home))
}

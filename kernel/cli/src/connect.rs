//! From the command line to a client: which gate, and as whom.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use latchgate_client::{
    AgentClient, AgentOptions, ClientError, Endpoint, OperatorClient, PublicClient, Search,
};
use latchgate_daemon::Places;
use latchgate_wire::principal::is_name;

use crate::exit::{Exit, Failure};
use crate::keys;

/// What the agents' label of calls from the command line is.
const LABEL: &str = "latchgate-cli";

/// The operator that the first `latchgate up` makes.
pub const LOCAL_OPERATOR: &str = "local";

/// The gate that the flags and the environment name.
pub fn endpoint(socket: Option<&Path>) -> Result<Endpoint, Failure> {
    Ok(Endpoint::discover(&Search::from_env(socket.map(Path::to_owned))).map_err(ClientError::from)?)
}

pub fn public(socket: Option<&Path>) -> Result<PublicClient, Failure> {
    Ok(PublicClient::new(&endpoint(socket)?))
}

/// An agent: with the enrolled key in that file, else with a key of this process.
pub async fn agent(socket: Option<&Path>, key: Option<&Path>) -> Result<AgentClient, Failure> {
    let options = AgentOptions { agent_id: Some(LABEL.into()), ..AgentOptions::default() };
    let endpoint = endpoint(socket)?;
    let client = match key {
        Some(path) => AgentClient::connect_with_key(&endpoint, keys::agent(path)?, options).await?,
        None => AgentClient::connect(&endpoint, options).await?,
    };
    Ok(client)
}

/// The operator of that name, with its key from the local home.
pub fn operator(socket: Option<&Path>, name: &str) -> Result<OperatorClient, Failure> {
    let path = operator_key(name)?;
    let endpoint = admin(socket)?;
    Ok(OperatorClient::new(&endpoint, keys::operator(&path)?.key, name))
}

/// A gate that runs, as far as can be seen. Without one there may be no key yet; that there is no gate is what should be
/// said.
pub fn admin(socket: Option<&Path>) -> Result<Endpoint, Failure> {
    let endpoint = endpoint(socket)?;
    require_socket(endpoint.admin_socket())?;
    Ok(endpoint)
}

/// Where the private key of that operator lies.
pub fn operator_key(name: &str) -> Result<PathBuf, Failure> {
    require_name(name)?;
    Ok(places()?.operator_key(name))
}

pub fn require_name(name: &str) -> Result<(), Failure> {
    if is_name(name) {
        return Ok(());
    }
    Err(Failure::usage(format!("{name}: expected a name of 1 to 64 of `A-Z a-z 0-9 . _ -`")))
}

/// The local home: the user's own, or the service's for whoever has none and may read that.
pub fn places() -> Result<Places, Failure> {
    let own = Places::find().map_err(|error| Failure::usage(error.to_string()))?;
    let service = Places::service();
    let is_named = std::env::var_os("LATCHGATE_HOME").is_some_and(|home| !home.is_empty());
    let is_service = !is_named && !own.config_file().exists() && service.config_file().exists();
    Ok(if is_service { service } else { own })
}

fn require_socket(socket: &Path) -> Result<(), Failure> {
    let error = match fs::symlink_metadata(socket) {
        Ok(_) => return Ok(()),
        Err(error) => error,
    };
    let remedy = match error.kind() {
        io::ErrorKind::PermissionDenied => "run this as the user whose gate it is",
        _ => "start it with `latchgate up`",
    };
    let what = format!("gate unreachable at {}: {}", socket.display(), why(&error));
    Err(Failure::new(Exit::Unreachable, what).remedy(remedy))
}

fn why(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no socket".into(),
        io::ErrorKind::PermissionDenied => "no permission".into(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_socket_the_gate_is_unreachable_whatever_the_key() {
        let dir = tempfile::tempdir().unwrap();
        let Err(failure) = operator(Some(dir.path()), LOCAL_OPERATOR) else { panic!("connected") };
        assert_eq!(failure.exit, Exit::Unreachable);
        assert_eq!(failure.remedy.as_deref(), Some("start it with `latchgate up`"));
    }
}

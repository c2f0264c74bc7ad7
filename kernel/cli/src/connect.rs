//! From the command line to a client: which gate, and as whom.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use latchgate_client::{
    AgentClient, AgentOptions, ClientError, Endpoint, OperatorClient, PublicClient, Search,
};
use latchgate_daemon::Places;
use latchgate_wire::es256::SigningKey;
use latchgate_wire::principal::is_name;
use zeroize::Zeroizing;

use crate::exit::{Exit, Failure};

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

/// An agent with a key of this process.
pub async fn agent(socket: Option<&Path>) -> Result<AgentClient, Failure> {
    let options = AgentOptions { agent_id: Some(LABEL.into()), ..AgentOptions::default() };
    Ok(AgentClient::connect(&endpoint(socket)?, options).await?)
}

/// The operator of that name, with its key from the local home.
pub fn operator(socket: Option<&Path>, name: &str) -> Result<OperatorClient, Failure> {
    if !is_name(name) {
        return Err(Failure::usage("--operator: expected 1 to 64 of `A-Z a-z 0-9 . _ -`"));
    }
    let endpoint = endpoint(socket)?;
    // Without a gate there may be no key yet; that there is no gate is what should be said.
    require_socket(endpoint.admin_socket())?;
    let path = places()?.operator_key(name);
    Ok(OperatorClient::new(&endpoint, read_key(&path)?, name))
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

/// A private key that nobody else could read or replace.
fn read_key(path: &Path) -> Result<SigningKey, Failure> {
    let found = fs::symlink_metadata(path).map_err(|error| missing_key(path, &error))?;
    if !found.is_file() {
        return Err(Failure::new(Exit::Failed, format!("operator key {} is not a file", path.display())));
    }
    let own = rustix::process::geteuid().as_raw();
    if found.uid() != own {
        let what = format!("operator key {} belongs to uid {}, not to {own}", path.display(), found.uid());
        return Err(Failure::new(Exit::Failed, what).remedy(format!("run: chown {own} {}", path.display())));
    }
    if found.mode() & 0o077 != 0 {
        let mode = found.mode() & 0o7777;
        let what = format!("operator key {} has mode {mode:04o}, which lets others in", path.display());
        return Err(Failure::new(Exit::Failed, what).remedy(format!("run: chmod 0600 {}", path.display())));
    }
    let pem = Zeroizing::new(fs::read_to_string(path).map_err(|error| missing_key(path, &error))?);
    SigningKey::from_pkcs8_pem(&pem)
        .map_err(|error| Failure::new(Exit::Failed, format!("operator key {}: {error}", path.display())))
}

fn missing_key(path: &Path, error: &io::Error) -> Failure {
    let path: PathBuf = path.to_owned();
    Failure::new(Exit::Failed, format!("operator key {}: {error}", path.display())).remedy(
        "run this as the user whose gate it is, with the gate's LATCHGATE_HOME, or name another --operator",
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn key_with_mode(mode: u32) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("operator-local.pem");
        let pem = SigningKey::from_entropy(&[7; 32]).unwrap().to_pkcs8_pem().unwrap();
        fs::write(&path, pem.as_bytes()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        (dir, path)
    }

    #[test]
    fn a_private_key_is_read() {
        let (_dir, path) = key_with_mode(0o600);
        assert!(read_key(&path).is_ok());
    }

    #[test]
    fn a_key_that_others_can_read_is_refused_with_the_command_that_mends_it() {
        let (_dir, path) = key_with_mode(0o640);
        let Err(failure) = read_key(&path) else { panic!("taken") };
        assert_eq!(failure.remedy, Some(format!("run: chmod 0600 {}", path.display())));
    }

    #[test]
    fn without_a_socket_the_gate_is_unreachable_whatever_the_key() {
        let dir = tempfile::tempdir().unwrap();
        let Err(failure) = operator(Some(dir.path()), LOCAL_OPERATOR) else { panic!("connected") };
        assert_eq!(failure.exit, Exit::Unreachable);
        assert_eq!(failure.remedy.as_deref(), Some("start it with `latchgate up`"));
    }
}

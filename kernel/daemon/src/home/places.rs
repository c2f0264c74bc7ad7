//! Where a gate keeps its things (contract: Places). Never in the agent's working directory.

use std::path::{Path, PathBuf};

/// `sun_path` holds 108 bytes, one of them the closing NUL (unix(7)).
const SOCKET_PATH_BYTES_MAX: usize = 107;

const SERVICE_CONFIG: &str = "/etc/latchgate";
const SERVICE_STATE: &str = "/var/lib/latchgate";
const SERVICE_RUN: &str = "/run/latchgate";

/// The directories of one gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// `latchgate.toml`, in `config_dir` unless `serve --config` names another.
    config_file: PathBuf,
    /// `latchgate.toml`, `manifests/`, `policies/`, `operators/`.
    pub config_dir: PathBuf,
    /// `ledger/`, `index/`, `cache/`, `keys/`, `secrets.age`, `gate.log`.
    pub state_dir: PathBuf,
    /// The sockets.
    pub run_dir: PathBuf,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PlaceError {
    #[error(
        "neither LATCHGATE_HOME nor HOME is set, so there is no place for the gate's files; set LATCHGATE_HOME"
    )]
    NoHome,
    #[error("{name} is {value}, which is not an absolute path; set it to one")]
    Relative { name: &'static str, value: String },
    #[error(
        "the socket path {path} has {len} bytes and the system takes {SOCKET_PATH_BYTES_MAX}; \
         set LATCHGATE_HOME or XDG_RUNTIME_DIR to a shorter path"
    )]
    SocketPathTooLong { path: String, len: usize },
}

impl Places {
    /// `$LATCHGATE_HOME`, else the XDG directories.
    pub fn find() -> Result<Self, PlaceError> {
        let places = match absolute("LATCHGATE_HOME")? {
            Some(home) => Self::at_home(&home),
            None => Self::xdg()?,
        };
        places.checked()
    }

    /// Everything below one directory, as with `$LATCHGATE_HOME`.
    pub fn at_home(home: &Path) -> Self {
        Self::of(home.to_owned(), home.join("state"), home.join("run"))
    }

    /// Of the service: `/etc`, `/var/lib` and `/run`.
    pub fn service() -> Self {
        Self::of(SERVICE_CONFIG.into(), SERVICE_STATE.into(), SERVICE_RUN.into())
    }

    /// With this configuration file, beside which manifests, policies and operators lie. State and sockets: below
    /// `$LATCHGATE_HOME` if it is set, else where the service has them.
    ///
    /// # Errors
    /// A relative path, or one that is too long for a socket.
    pub fn with_config(file: &Path) -> Result<Self, PlaceError> {
        let relative = || PlaceError::Relative { name: "--config", value: file.display().to_string() };
        let dir = file.parent().filter(|_| file.is_absolute()).ok_or_else(relative)?;
        let other = absolute("LATCHGATE_HOME")?.map_or_else(Self::service, |home| Self::at_home(&home));
        Self { config_file: file.to_owned(), config_dir: dir.to_owned(), ..other }.checked()
    }

    fn of(config_dir: PathBuf, state_dir: PathBuf, run_dir: PathBuf) -> Self {
        Self { config_file: config_dir.join("latchgate.toml"), config_dir, state_dir, run_dir }
    }

    fn xdg() -> Result<Self, PlaceError> {
        let below_home = |name, rest: &str| match (absolute(name)?, absolute("HOME")?) {
            (Some(dir), _) => Ok(dir.join("latchgate")),
            (None, Some(home)) => Ok(home.join(rest).join("latchgate")),
            (None, None) => Err(PlaceError::NoHome),
        };
        let run_dir = match absolute("XDG_RUNTIME_DIR")? {
            Some(dir) => dir.join("latchgate"),
            None => PathBuf::from(format!("/tmp/latchgate-{}", rustix::process::getuid().as_raw())),
        };
        let config_dir = below_home("XDG_CONFIG_HOME", ".config")?;
        Ok(Self::of(config_dir, below_home("XDG_STATE_HOME", ".local/state")?, run_dir))
    }

    /// Refuses places whose sockets the system could not make.
    ///
    /// # Errors
    /// With the remedy.
    pub fn checked(self) -> Result<Self, PlaceError> {
        let path = self.admin_socket();
        let len = path.as_os_str().len();
        if len > SOCKET_PATH_BYTES_MAX {
            return Err(PlaceError::SocketPathTooLong { path: path.display().to_string(), len });
        }
        Ok(self)
    }

    /// Whether the sockets lie below the directory of the configuration, so that who may reach them must pass through it.
    pub fn is_one_directory(&self) -> bool {
        self.run_dir.starts_with(&self.config_dir)
    }

    pub fn agent_socket(&self) -> PathBuf {
        self.run_dir.join("gate.sock")
    }

    /// A directory for each jail, with the socket of its listener.
    pub fn jails_dir(&self) -> PathBuf {
        self.run_dir.join("jails")
    }

    pub fn admin_dir(&self) -> PathBuf {
        self.run_dir.join("admin")
    }

    pub fn admin_socket(&self) -> PathBuf {
        self.admin_dir().join("gate-admin.sock")
    }

    pub fn config_file(&self) -> PathBuf {
        self.config_file.clone()
    }

    pub fn manifests_dir(&self) -> PathBuf {
        self.config_dir.join("manifests")
    }

    pub fn policies_dir(&self) -> PathBuf {
        self.config_dir.join("policies")
    }

    /// Public keys and roles of the operators.
    pub fn operators_dir(&self) -> PathBuf {
        self.config_dir.join("operators")
    }

    /// Public keys of the enrolled agents.
    pub fn agents_dir(&self) -> PathBuf {
        self.config_dir.join("agents")
    }

    pub fn ledger_dir(&self) -> PathBuf {
        self.state_dir.join("ledger")
    }

    pub fn index_dir(&self) -> PathBuf {
        self.state_dir.join("index")
    }

    /// Compiled modules. May be deleted at any time.
    pub fn cache_dir(&self) -> PathBuf {
        self.state_dir.join("cache")
    }

    pub fn keys_dir(&self) -> PathBuf {
        self.state_dir.join("keys")
    }

    /// The values that services want, encrypted.
    pub fn secrets_file(&self) -> PathBuf {
        self.state_dir.join("secrets.age")
    }

    /// What opens them.
    pub fn secrets_identity(&self) -> PathBuf {
        self.keys_dir().join("secrets.identity")
    }

    /// The ledger's public key, for `verify`.
    pub fn entry_public_key(&self) -> PathBuf {
        self.keys_dir().join("entry.pub")
    }

    pub fn log_file(&self) -> PathBuf {
        self.state_dir.join("gate.log")
    }

    /// The newest checkpoint known, kept apart from the ledger.
    pub fn last_checkpoint(&self) -> PathBuf {
        self.keys_dir().join("last-checkpoint")
    }

    /// The private key of an operator of this machine.
    pub fn operator_key(&self, name: &str) -> PathBuf {
        self.keys_dir().join(format!("operator-{name}.pem"))
    }

    /// The private key of an agent of this machine, unless it has it elsewhere.
    pub fn agent_key(&self, name: &str) -> PathBuf {
        self.keys_dir().join(format!("agent-{name}.pem"))
    }

    /// What no file action may reach, whatever its root.
    pub fn forbidden(&self) -> Vec<PathBuf> {
        vec![self.config_dir.clone(), self.state_dir.clone(), self.run_dir.clone()]
    }
}

fn absolute(name: &'static str) -> Result<Option<PathBuf>, PlaceError> {
    match std::env::var_os(name) {
        None => Ok(None),
        Some(value) if value.is_empty() => Ok(None),
        Some(value) if Path::new(&value).is_absolute() => Ok(Some(PathBuf::from(value))),
        Some(value) => Err(PlaceError::Relative { name, value: value.to_string_lossy().into_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_path_of_the_systems_limit_is_taken_and_one_more_is_refused() {
        let tail = "/run/admin/gate-admin.sock".len();
        let at = |len: usize| Places::at_home(Path::new(&format!("/{}", "x".repeat(len - tail - 1))));
        assert!(at(107).checked().is_ok());
        assert!(matches!(at(108).checked(), Err(PlaceError::SocketPathTooLong { len: 108, .. })));
    }
}

//! Where a gate's two sockets are (contract: Places).

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::gate_url::GateUrl;

/// `sun_path` holds 108 bytes, one of them the closing NUL (unix(7)).
const SOCKET_PATH_BYTES_MAX: usize = 107;

const AGENT_SOCKET: &str = "gate.sock";
const ADMIN_DIR: &str = "admin";
const ADMIN_SOCKET: &str = "gate-admin.sock";

/// Where the installed service listens. Below `/run`, which only root can write to.
pub(crate) const SERVICE_DIR: &str = "/run/latchgate";

/// Where users have their runtime directories, by uid (systemd.special(7), user@.service).
const RUNTIME_DIRS: &str = "/run/user";

/// The sockets of one gate: one for agents, one for operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    agent: PathBuf,
    admin: PathBuf,
    /// Agents come this way instead.
    url: Option<GateUrl>,
}

/// Why there is no endpoint to try.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    #[error("the socket path {path} has {len} bytes and the system takes {SOCKET_PATH_BYTES_MAX}")]
    TooLong { path: String, len: usize },
    #[error("{name} is {value}, which is not an absolute path")]
    Relative { name: &'static str, value: String },
    #[error("the gate's url is {url}, expected plain http to a port of this machine")]
    NotLoopback { url: String },
}

impl EndpointError {
    /// What would mend it.
    pub fn remedy(&self) -> String {
        match self {
            Self::TooLong { .. } => "set LATCHGATE_HOME or XDG_RUNTIME_DIR to a shorter path".into(),
            Self::Relative { name, .. } => format!("set {name} to a path that begins with `/`"),
            Self::NotLoopback { .. } => {
                "name it as http://localhost:PORT, or leave it out to use the gate's socket".into()
            }
        }
    }
}

/// Where to look for a gate, in this order. The first three name one gate and end the search, whether or not it runs:
/// a call meant for one gate must not reach another.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// `--socket`: a socket, or the directory that holds the sockets.
    pub flag: Option<PathBuf>,
    /// `LATCHGATE_SOCKET`, as `flag`.
    pub socket: Option<PathBuf>,
    /// `LATCHGATE_HOME`; the sockets are in its `run/`.
    pub home: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`, else what it usually is, if that is there.
    pub runtime_dir: Option<PathBuf>,
    /// The caller's uid, for `/tmp/latchgate-<uid>/`.
    pub uid: u32,
}

impl Search {
    /// The flag, and the rest from the environment. An empty variable counts as absent.
    pub fn from_env(flag: Option<PathBuf>) -> Self {
        let var = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let uid = rustix::process::getuid().as_raw();
        Self {
            flag,
            socket: var("LATCHGATE_SOCKET"),
            home: var("LATCHGATE_HOME"),
            // Programs that start others with a clean environment leave it out.
            runtime_dir: var("XDG_RUNTIME_DIR").or_else(|| own_runtime_dir(Path::new(RUNTIME_DIRS), uid)),
            uid,
        }
    }

    fn candidates(&self) -> Result<Vec<Endpoint>, EndpointError> {
        if let Some(path) = self.flag.as_ref().or(self.socket.as_ref()) {
            return Ok(vec![Endpoint::named(path)]);
        }
        if let Some(home) = &self.home {
            absolute("LATCHGATE_HOME", home)?;
            return Ok(vec![Endpoint::in_dir(&home.join("run"))]);
        }
        let mut found = Vec::new();
        if let Some(dir) = &self.runtime_dir {
            absolute("XDG_RUNTIME_DIR", dir)?;
            found.push(Endpoint::in_dir(&dir.join("latchgate")));
        }
        found.push(Endpoint::in_dir(&PathBuf::from(format!("/tmp/latchgate-{}", self.uid))));
        found.push(Endpoint::in_dir(Path::new(SERVICE_DIR)));
        Ok(found)
    }
}

impl Endpoint {
    /// The first place that has a socket; if none has, the first place, so that errors can name it.
    ///
    /// # Errors
    /// A socket path that the system cannot take, or a relative directory from the environment.
    pub fn discover(search: &Search) -> Result<Self, EndpointError> {
        let candidates = search.candidates()?;
        let chosen = candidates.iter().find(|place| place.exists()).or(candidates.first());
        // Invariant: every search has at least one candidate.
        let chosen = chosen.cloned().unwrap_or_else(|| Self::in_dir(Path::new(SERVICE_DIR)));
        chosen.checked()
    }

    /// Both sockets below one runtime directory.
    pub fn in_dir(dir: &Path) -> Self {
        Self::new(dir.join(AGENT_SOCKET), dir.join(ADMIN_DIR).join(ADMIN_SOCKET))
    }

    /// As [`Self::in_dir`], for a gate whose sockets are known.
    pub fn new(agent: PathBuf, admin: PathBuf) -> Self {
        Self { agent, admin, url: None }
    }

    /// Agents reach it by this URL; operators have no way there.
    pub fn at_url(url: GateUrl) -> Self {
        Self { url: Some(url), ..Self::new(PathBuf::new(), PathBuf::new()) }
    }

    pub(crate) fn url(&self) -> Option<&GateUrl> {
        self.url.as_ref()
    }

    /// The agents' socket.
    pub fn agent_socket(&self) -> &Path {
        &self.agent
    }

    /// The operators' socket.
    pub fn admin_socket(&self) -> &Path {
        &self.admin
    }

    /// What a flag names: the directory, the agents' socket, or the operators' socket in its `admin/`.
    fn named(path: &Path) -> Self {
        if path.is_dir() {
            return Self::in_dir(path);
        }
        let dir = path.parent().unwrap_or(Path::new(""));
        if path.file_name().is_some_and(|name| name == ADMIN_SOCKET) {
            let agent = dir.parent().unwrap_or(Path::new("")).join(AGENT_SOCKET);
            return Self::new(agent, path.to_owned());
        }
        Self::new(path.to_owned(), dir.join(ADMIN_DIR).join(ADMIN_SOCKET))
    }

    fn exists(&self) -> bool {
        self.agent.symlink_metadata().is_ok() || self.admin.symlink_metadata().is_ok()
    }

    fn checked(self) -> Result<Self, EndpointError> {
        for path in [&self.agent, &self.admin] {
            let len = path.as_os_str().len();
            if len > SOCKET_PATH_BYTES_MAX {
                return Err(EndpointError::TooLong { path: path.display().to_string(), len });
            }
        }
        Ok(self)
    }
}

/// The user's own runtime directory below `dirs`, if there is one that is nobody else's.
fn own_runtime_dir(dirs: &Path, uid: u32) -> Option<PathBuf> {
    let dir = dirs.join(uid.to_string());
    let found = dir.symlink_metadata().ok()?;
    let is_own = found.is_dir() && found.uid() == uid && found.mode() & 0o077 == 0;
    is_own.then_some(dir)
}

fn absolute(name: &'static str, path: &Path) -> Result<(), EndpointError> {
    if path.is_absolute() {
        return Ok(());
    }
    Err(EndpointError::Relative { name, value: path.display().to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(search: &Search) -> String {
        Endpoint::discover(search).unwrap().agent_socket().display().to_string()
    }

    #[test]
    fn the_usual_runtime_directory_counts_if_it_is_ones_own_and_closed() {
        use std::os::unix::fs::PermissionsExt as _;
        let dirs = tempfile::tempdir().unwrap();
        let uid = rustix::process::getuid().as_raw();
        let dir = dirs.path().join(uid.to_string());
        assert_eq!(own_runtime_dir(dirs.path(), uid), None);
        std::fs::create_dir(&dir).unwrap();
        std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(own_runtime_dir(dirs.path(), uid), None);
        std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(own_runtime_dir(dirs.path(), uid), Some(dir));
    }

    #[test]
    fn the_flag_goes_before_the_environment_and_the_home() {
        let mut search = Search {
            flag: Some("/f/gate.sock".into()),
            socket: Some("/e/gate.sock".into()),
            home: Some("/h".into()),
            runtime_dir: Some("/r".into()),
            uid: 4_000_000_000,
        };
        assert_eq!(found(&search), "/f/gate.sock");
        search.flag = None;
        assert_eq!(found(&search), "/e/gate.sock");
        search.socket = None;
        assert_eq!(found(&search), "/h/run/gate.sock");
        search.home = None;
        assert_eq!(found(&search), "/r/latchgate/gate.sock");
        search.runtime_dir = None;
        assert_eq!(found(&search), "/tmp/latchgate-4000000000/gate.sock");
    }

    #[test]
    fn a_runtime_directory_without_a_socket_is_passed_over_but_a_home_is_not() {
        let (empty, full) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let dir = full.path().join("latchgate");
        std::fs::create_dir(&dir).unwrap();
        std::fs::write(dir.join("gate.sock"), "").unwrap();
        let search =
            Search { runtime_dir: Some(full.path().into()), uid: 4_000_000_000, ..Search::default() };
        assert_eq!(found(&search), dir.join("gate.sock").display().to_string());
        let search = Search { home: Some(empty.path().into()), ..search };
        assert_eq!(found(&search), empty.path().join("run/gate.sock").display().to_string());
    }

    #[test]
    fn a_flag_may_name_the_directory_or_either_socket() {
        let dir = tempfile::tempdir().unwrap();
        let expected = Endpoint::in_dir(dir.path());
        for path in
            [dir.path().to_owned(), dir.path().join("gate.sock"), dir.path().join("admin/gate-admin.sock")]
        {
            let search = Search { flag: Some(path), ..Search::default() };
            assert_eq!(Endpoint::discover(&search), Ok(expected.clone()));
        }
    }

    #[test]
    fn a_path_of_107_bytes_is_taken_and_one_of_108_is_refused_with_the_remedy() {
        let tail = "/admin/gate-admin.sock".len();
        let of = |len: usize| {
            let dir = PathBuf::from(format!("/{}", "x".repeat(len - tail - 1)));
            Endpoint::discover(&Search { flag: Some(dir.join("gate.sock")), ..Search::default() })
        };
        assert!(of(107).is_ok());
        let error = of(108).unwrap_err();
        assert!(matches!(error, EndpointError::TooLong { len: 108, .. }), "{error}");
        assert!(error.remedy().contains("shorter"));
    }

    #[test]
    fn a_relative_home_is_refused() {
        let search = Search { home: Some("here".into()), ..Search::default() };
        let error = Endpoint::discover(&search).unwrap_err();
        assert_eq!(error.to_string(), "LATCHGATE_HOME is here, which is not an absolute path");
    }
}

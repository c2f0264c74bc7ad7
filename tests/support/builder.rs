//! A gate to be: its home and root on disk, before the binary is started on them.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use crate::gate::{Gate, Prepared, Refused};
use crate::policy;
use crate::private::{private_dir, private_file};

/// Where temporary homes lie. Not `TMPDIR`: a socket's path has 107 bytes at most.
const BASE: &str = "/tmp";

/// Of a gate that serves as root.
const SERVICE_GROUP: u32 = 65534;

/// What is put into place before the start. With nothing said, the gate makes its home itself, as on a first use.
#[derive(Default)]
pub struct GateBuilder {
    config: Option<String>,
    policy: Option<String>,
    manifests: Vec<(String, Vec<u8>)>,
    root_files: Vec<(String, Vec<u8>)>,
    env: Vec<(String, String)>,
    uid: Option<u32>,
    binary: Option<PathBuf>,
    is_root_configured: bool,
    serves: bool,
}

impl GateBuilder {
    /// The text of `latchgate.toml`.
    #[must_use]
    pub fn config(mut self, toml: &str) -> Self {
        self.config = Some(toml.to_owned());
        self
    }

    /// The only file of `policies/`; without it the standard policy is in force.
    #[must_use]
    pub fn policy(mut self, cedar: &str) -> Self {
        self.policy = Some(cedar.to_owned());
        self
    }

    /// One more file of `manifests/`, such as `slow.yaml`.
    #[must_use]
    pub fn manifest(self, name: &str, yaml: &str) -> Self {
        self.beside_manifests(name, yaml)
    }

    /// Any file in `manifests/`, such as `slow.wasm`.
    #[must_use]
    pub fn beside_manifests(mut self, name: &str, content: impl AsRef<[u8]>) -> Self {
        self.manifests.push((name.to_owned(), content.as_ref().to_vec()));
        self
    }

    /// A file below the root, directories included.
    #[must_use]
    pub fn root_file(mut self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.root_files.push((path.to_owned(), content.as_ref().to_vec()));
        self
    }

    /// A variable in the gate's environment, and in that of commands.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Runs the gate as this user. Only root can.
    #[must_use]
    pub fn uid(mut self, uid: u32) -> Self {
        self.uid = Some(uid);
        self
    }

    /// Another copy of the binary, for a user who cannot reach the build directory.
    #[must_use]
    pub fn binary(mut self, path: &Path) -> Self {
        self.binary = Some(path.to_owned());
        self
    }

    /// Has the configuration name the root, which is not made, instead of the command line.
    #[must_use]
    pub fn absent_root(mut self) -> Self {
        self.is_root_configured = true;
        self
    }

    /// Writes the home with `init`, for the members of the group whose number is the uid, and runs the gate with `serve`. Others may pass through to
    /// its socket.
    #[must_use]
    pub fn serves(mut self) -> Self {
        self.serves = true;
        self
    }

    /// Starts the gate and waits until it takes calls.
    ///
    /// # Panics
    /// If it does not start, with what it said.
    pub fn start(self) -> Gate {
        self.try_start().unwrap_or_else(|refused| panic!("the gate does not start: {refused:#?}"))
    }

    /// Starts the gate and waits until it takes calls or ends.
    ///
    /// # Errors
    /// Exit code and standard error, if it ends.
    pub fn try_start(self) -> Result<Gate, Refused> {
        let mut gate = self.prepare();
        gate.start()?;
        Ok(gate)
    }

    /// Lays everything out and starts nothing.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn prepare(mut self) -> Gate {
        let base = tempfile::Builder::new().prefix("gate-").tempdir_in(BASE).unwrap();
        let (home, root) = (base.path().join("h"), base.path().join("root"));
        private_dir(&home);
        if self.is_root_configured {
            let config = self.config.take().unwrap_or_default();
            self.config = Some(format!("{config}\n[fs]\nroot = \"{}\"\n", root.display()));
        } else {
            private_dir(&root);
        }
        for (path, content) in &self.root_files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        self.write_home(&home);
        if let Some(uid) = self.uid {
            give(base.path(), uid);
        }
        let gate = Gate::prepared(Prepared {
            base,
            home,
            root,
            env: self.env,
            uid: self.uid,
            binary: self.binary,
            is_root_configured: self.is_root_configured,
            serves: self.serves,
        });
        if self.serves {
            fs::set_permissions(gate.base(), fs::Permissions::from_mode(0o755)).unwrap();
            let (home, root) = (gate.home().to_str().unwrap(), gate.root().to_str().unwrap());
            let group = self.uid.unwrap_or(SERVICE_GROUP).to_string();
            gate.cli(&["init", "--home", home, "--root", root, "--group", &group]).exited(0);
        }
        gate
    }

    fn write_home(&self, home: &Path) {
        for (name, content) in &self.manifests {
            private_file(&home.join("manifests").join(name), content);
        }
        if let (true, Some(policy)) = (self.serves, &self.policy) {
            private_file(&home.join("policies/standard.cedar"), policy);
        }
        if self.serves || (self.config.is_none() && self.policy.is_none()) {
            return;
        }
        // A home with a configuration is whole: the gate adds no policy to it.
        private_file(&home.join("latchgate.toml"), self.config.as_deref().unwrap_or_default());
        let policy = self.policy.as_deref().unwrap_or(policy::STANDARD);
        private_file(&home.join("policies/standard.cedar"), policy);
    }
}

fn give(path: &Path, uid: u32) {
    chown(path, Some(uid), Some(uid)).unwrap();
    if path.is_dir() {
        fs::read_dir(path).unwrap().for_each(|file| give(&file.unwrap().path(), uid));
    }
}

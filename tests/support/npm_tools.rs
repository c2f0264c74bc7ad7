//! Programs from npm that `cargo xtask` put into `target/npm`, and the Node that runs them.

use std::path::PathBuf;
use std::process::Command;

use crate::binary::workspace;

/// What is installed.
pub struct NpmTools {
    pub dir: PathBuf,
    pub node: PathBuf,
}

impl NpmTools {
    /// `LATCHGATE_NPM`, else `target/npm`. `None` where it could not be installed, which is said.
    ///
    /// # Panics
    /// If `LATCHGATE_NPM` names a directory that holds nothing of it.
    pub fn find() -> Option<Self> {
        let named = std::env::var_os("LATCHGATE_NPM").map(PathBuf::from);
        let dir = named.clone().unwrap_or_else(|| workspace().join("target/npm"));
        let modules = dir.join("node_modules");
        let nodes = ["x64", "arm64"].map(|cpu| modules.join(format!("node-linux-{cpu}/bin/node")));
        let node = nodes.into_iter().find(|node| node.is_file());
        assert!(named.is_none() || node.is_some(), "{} holds no Node; run: cargo xtask test", dir.display());
        if node.is_none() {
            eprintln!("LEFT OUT: {} is not there, because npm could not be reached", modules.display());
        }
        Some(Self { node: node?, dir })
    }

    /// Node with a script of a package, and nothing of the caller's environment but `PATH`.
    pub fn node(&self, script: &str) -> Command {
        let mut command = Command::new(&self.node);
        command.arg(self.dir.join("node_modules").join(script));
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
    }
}

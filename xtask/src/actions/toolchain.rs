//! Who builds the guests: the toolchain at hand if it has the wasm target, else Debian's.

use std::{
    env,
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use super::debian;
use crate::process;

pub const TARGET: &str = "wasm32-unknown-unknown";

/// Forces one source, `rustup` or `debian`, instead of the first that works.
const CHOICE: &str = "XTASK_GUEST_TOOLCHAIN";

/// A way to compile for [`TARGET`].
pub struct Toolchain {
    identity: String,
    environment: Vec<(&'static str, OsString)>,
    cargo_arguments: &'static [&'static str],
    remaps: Vec<(PathBuf, String)>,
}

impl Toolchain {
    /// Looks in this order: the current toolchain's own target, `rustup target add`, Debian's packages
    /// unpacked into `target/wasm-toolchain`.
    pub fn find(root: &Path) -> Result<Self> {
        match env::var(CHOICE).ok().as_deref() {
            Some("rustup") => {
                Self::installed(root)?.context("the wasm target is not installed and cannot be added")
            }
            Some("debian") => Self::debian(root),
            Some(other) => bail!("{CHOICE} is {other:?}, expected rustup or debian"),
            None => match Self::installed(root)? {
                Some(toolchain) => Ok(toolchain),
                None => Self::debian(root)
                    .context("no wasm target, rustup cannot add it, and Debian's toolchain failed"),
            },
        }
    }

    /// One line that is the same wherever the same sources give the same bytes. It names the host,
    /// because cargo hashes it into symbol names.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    pub fn cargo_arguments(&self) -> &[&str] {
        self.cargo_arguments
    }

    pub fn remaps(&self) -> &[(PathBuf, String)] {
        &self.remaps
    }

    /// Takes away what in the caller's environment changes a build, and sets what this toolchain needs.
    pub fn prepare(&self, command: &mut Command) {
        let foreign = |name: &OsStr| {
            let name = name.to_string_lossy();
            name.starts_with("CARGO_PROFILE_")
                || name.starts_with("CARGO_BUILD_")
                || name.starts_with("CARGO_TARGET_")
                || name.starts_with("RUSTC")
                || name == "RUSTFLAGS"
        };
        for (name, _) in env::vars_os().filter(|(name, _)| foreign(name)) {
            command.env_remove(name);
        }
        command.env("CARGO_INCREMENTAL", "0");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
    }

    fn installed(root: &Path) -> Result<Option<Self>> {
        let rustc = Rustc { program: "rustc".into(), library_path: None, root };
        let there = rustc.has_target()? || (rustup_target_add(root) && rustc.has_target()?);
        if !there {
            return Ok(None);
        }
        let (version, host) = rustc.version()?;
        Ok(Some(Self {
            identity: format!("{version} (its own {TARGET}, host {host})"),
            environment: Vec::new(),
            cargo_arguments: &[],
            remaps: Vec::new(),
        }))
    }

    /// Debian ships no compiled std for the target, so cargo builds it from Debian's sources. Cargo is
    /// the one at hand, and therefore named beside the compiler: it decides the arguments that rustc
    /// gets.
    fn debian(root: &Path) -> Result<Self> {
        let unpacked = debian::unpack(&root.join("target/wasm-toolchain"))?;
        let rustc = Rustc { program: unpacked.rustc(), library_path: Some(unpacked.library_path()), root };
        let (version, host) = rustc.version()?;
        let cargo = process::output(process::cargo(root).arg("--version"))?;
        let identity = format!(
            "{version} (Debian rustc-web {}, std built from source by {}, host {host})",
            unpacked.version,
            cargo.trim_end()
        );
        Ok(Self {
            identity,
            environment: vec![
                ("RUSTC", rustc.program.into_os_string()),
                ("LD_LIBRARY_PATH", unpacked.library_path().into_os_string()),
                // A stable compiler builds std only so.
                ("RUSTC_BOOTSTRAP", "1".into()),
                ("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", unpacked.linker().into_os_string()),
            ],
            cargo_arguments: &["-Zbuild-std=std,panic_abort"],
            remaps: vec![(unpacked.directory, "/toolchain".to_owned())],
        })
    }
}

fn rustup_target_add(root: &Path) -> bool {
    process::run(process::program("rustup", root).args(["target", "add", TARGET])).is_ok()
}

struct Rustc<'a> {
    program: PathBuf,
    library_path: Option<PathBuf>,
    root: &'a Path,
}

impl Rustc<'_> {
    fn has_target(&self) -> Result<bool> {
        let sysroot = PathBuf::from(self.ask(&["--print", "sysroot"])?.trim_end());
        Ok(sysroot.join("lib/rustlib").join(TARGET).join("lib").is_dir())
    }

    /// The line `rustc --version` prints, and the host triple.
    fn version(&self) -> Result<(String, String)> {
        let verbose = self.ask(&["-vV"])?;
        let version = verbose.lines().next().context("rustc -vV printed nothing")?;
        let host = verbose
            .lines()
            .find_map(|line| line.strip_prefix("host: "))
            .context("rustc -vV names no host")?;
        Ok((version.to_owned(), host.to_owned()))
    }

    fn ask(&self, arguments: &[&str]) -> Result<String> {
        let mut command = process::program(&self.program, self.root);
        if let Some(path) = &self.library_path {
            command.env("LD_LIBRARY_PATH", path);
        }
        process::output(command.args(arguments))
    }
}

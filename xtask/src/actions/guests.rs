//! The guest crates: which there are, and how one compiles to a core module, the same in every directory.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::toolchain::{TARGET, Toolchain};
use crate::process;

/// The guests' workspace, `actions/`.
pub struct Workspace {
    directory: PathBuf,
    pub guests: Vec<Guest>,
    /// Absolute paths that rustc would write into a guest, with what it writes instead.
    remaps: Vec<(PathBuf, String)>,
}

/// A workspace member that is a `cdylib`.
pub struct Guest {
    pub name: String,
    /// Where its component is committed: in `prebuilt/` beside the crate.
    pub prebuilt: PathBuf,
    /// Lies in `actions/`, as opposed to a guest for tests only.
    pub shipped: bool,
}

impl Workspace {
    pub fn read(root: &Path) -> Result<Self> {
        let directory = root.join("actions");
        let metadata = Metadata::read(&directory)?;
        let members: BTreeSet<_> = metadata.workspace_members.iter().collect();
        let (members, dependencies): (Vec<_>, Vec<_>) =
            metadata.packages.iter().partition(|package| members.contains(&package.id));
        let guests =
            members.into_iter().filter(|package| package.is_cdylib()).map(|package| package.guest(root));
        let guests = guests.collect::<Result<Vec<_>>>()?;
        Ok(Self { directory, guests, remaps: remaps(root, &dependencies) })
    }

    /// Compiles one guest, alone: the features it is built with must not depend on other guests.
    pub fn compile(&self, guest: &Guest, toolchain: &Toolchain, target_dir: &Path) -> Result<Vec<u8>> {
        let mut command = process::cargo(&self.directory);
        toolchain.prepare(&mut command);
        command
            .args(["build", "--release", "--locked", "--target", TARGET, "--package", &guest.name])
            .args(toolchain.cargo_arguments())
            .arg("--target-dir")
            .arg(target_dir)
            .env("CARGO_ENCODED_RUSTFLAGS", self.rustflags(toolchain, target_dir));
        process::run(&mut command)?;
        let module =
            target_dir.join(TARGET).join("release").join(format!("{}.wasm", guest.name.replace('-', "_")));
        fs::read(&module).with_context(|| format!("read {}", module.display()))
    }

    /// Of several prefixes that match, rustc takes the last one given.
    fn rustflags(&self, toolchain: &Toolchain, target_dir: &Path) -> OsString {
        let inside = [(target_dir.to_owned(), "/target".to_owned())];
        let mut flags = OsString::new();
        for (from, to) in self.remaps.iter().chain(toolchain.remaps()).chain(&inside) {
            if !flags.is_empty() {
                flags.push("\x1f");
            }
            flags.push("--remap-path-prefix=");
            flags.push(from);
            flags.push("=");
            flags.push(to);
        }
        flags
    }
}

/// The sources of ours, and every directory that holds downloaded crates.
fn remaps(root: &Path, dependencies: &[&Package]) -> Vec<(PathBuf, String)> {
    let registries: BTreeSet<_> =
        dependencies.iter().filter_map(|package| package.manifest_path.ancestors().nth(2)).collect();
    let ours = (root.to_owned(), "/latchgate".to_owned());
    std::iter::once(ours)
        .chain(registries.into_iter().map(|path| (path.to_owned(), "/crates".to_owned())))
        .collect()
}

/// The part of `cargo metadata` that is read here.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_members: Vec<String>,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    manifest_path: PathBuf,
    targets: Vec<CrateTarget>,
}

#[derive(Deserialize)]
struct CrateTarget {
    crate_types: Vec<String>,
}

impl Metadata {
    fn read(directory: &Path) -> Result<Self> {
        let mut command = process::cargo(directory);
        command.args(["metadata", "--locked", "--format-version", "1"]);
        serde_json::from_str(&process::output(&mut command)?)
            .context("answer of `cargo metadata` not understood")
    }
}

impl Package {
    fn is_cdylib(&self) -> bool {
        self.targets.iter().any(|target| target.crate_types.iter().any(|kind| kind == "cdylib"))
    }

    fn guest(&self, root: &Path) -> Result<Guest> {
        let beside = self.manifest_path.ancestors().nth(2).context("a guest crate lies in a directory")?;
        Ok(Guest {
            name: self.name.clone(),
            prebuilt: beside.join("prebuilt").join(format!("{}.wasm", self.name)),
            shipped: beside.starts_with(root.join("actions")),
        })
    }
}

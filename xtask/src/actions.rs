//! `cargo xtask actions`: builds the guests and pins their digests; with `--check`, proves both.
//!
//! A guest becomes a component in two steps, `guests` then `component`, by a builder that `toolchain`
//! finds. The same sources and the same builder give the same bytes wherever they lie, so `--check` can
//! compare bytes; with another builder it compares the interface (WIT) and says so.

mod component;
mod debian;
mod guests;
mod manifests;
mod toolchain;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest as _, Sha256};

use guests::{Guest, Workspace};
use toolchain::Toolchain;

use crate::workspace;

/// Builds every guest, or with `check` rebuilds aside and compares with what is committed.
///
/// # Errors
/// No toolchain, a build that fails, a component outside its world, or (with `check`) any difference.
pub fn run(check: bool) -> Result<()> {
    let root = workspace::Workspace::here()?.root;
    let guests = Workspace::read(&root)?;
    let toolchain = Toolchain::find(&root)?;
    println!("toolchain: {}", toolchain.identity());
    if check { compare(&root, &guests, &toolchain) } else { build(&root, &guests, &toolchain) }
}

fn build(root: &Path, workspace: &Workspace, toolchain: &Toolchain) -> Result<()> {
    let mut digests = BTreeMap::new();
    for (guest, component) in components(workspace, toolchain, &root.join("actions/target/guests"))? {
        let directory = guest.prebuilt.parent().context("a component has a directory")?;
        fs::create_dir_all(directory).with_context(|| format!("create {}", directory.display()))?;
        write(&guest.prebuilt, &component)?;
        report(guest, &component);
        if guest.shipped {
            digests.insert(guest.name.clone(), digest(&component));
        }
    }
    write(&toolchain_file(root), format!("{}\n", toolchain.identity()).as_bytes())?;
    for manifest in manifests::pin_all(&root.join("manifests"), &digests)? {
        println!("pinned {}", manifest.display());
    }
    Ok(())
}

fn compare(root: &Path, workspace: &Workspace, toolchain: &Toolchain) -> Result<()> {
    let comparison = Comparison::choose(root, toolchain)?;
    let aside = root.join("target/actions-check");
    remove_directory(&aside)?;
    let rebuilt = components(workspace, toolchain, &aside)?;
    remove_directory(&aside)?;

    let mut differences = Vec::new();
    let mut digests = BTreeMap::new();
    for (guest, component) in rebuilt {
        let Ok(committed) = fs::read(&guest.prebuilt) else {
            differences.push(format!("{} is missing", guest.prebuilt.display()));
            continue;
        };
        report(guest, &committed);
        if guest.shipped {
            digests.insert(guest.name.clone(), digest(&committed));
        }
        differences.extend(comparison.difference(guest, &committed, &component)?);
    }
    differences.extend(orphans(root, workspace)?);
    differences.extend(manifests::differences(&root.join("manifests"), &digests)?);
    ensure!(differences.is_empty(), "the committed components differ:\n  {}", differences.join("\n  "));
    println!("{}", comparison.success());
    Ok(())
}

/// What a rebuild can be held to on this machine.
enum Comparison {
    Bytes,
    Interface { committed_by: String },
}

impl Comparison {
    fn choose(root: &Path, toolchain: &Toolchain) -> Result<Self> {
        let path = toolchain_file(root);
        let committed_by = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        let committed_by = committed_by.trim_end().to_owned();
        if committed_by == toolchain.identity() {
            println!("comparing BYTES: this is the toolchain of the committed components");
            return Ok(Self::Bytes);
        }
        println!(
            "comparing the INTERFACE (WIT) ONLY, not bytes: the committed were built by\n  {committed_by}"
        );
        Ok(Self::Interface { committed_by })
    }

    fn difference(&self, guest: &Guest, committed: &[u8], rebuilt: &[u8]) -> Result<Option<String>> {
        let name = &guest.name;
        match self {
            Self::Bytes if committed == rebuilt => Ok(None),
            Self::Bytes => {
                Ok(Some(format!("{name}: committed {}, rebuilt {}", digest(committed), digest(rebuilt))))
            }
            Self::Interface { .. } => {
                let (committed, rebuilt) = (component::interface(committed)?, component::interface(rebuilt)?);
                Ok((committed != rebuilt).then(|| {
                    format!("{name}: committed interface\n{committed}\n  rebuilt interface\n{rebuilt}")
                }))
            }
        }
    }

    fn success(&self) -> String {
        match self {
            Self::Bytes => "same bytes, digests pinned".to_owned(),
            Self::Interface { committed_by } => {
                format!("same interface, digests pinned; bytes NOT compared, they need {committed_by}")
            }
        }
    }
}

fn components<'a>(
    workspace: &'a Workspace,
    toolchain: &Toolchain,
    target_dir: &Path,
) -> Result<Vec<(&'a Guest, Vec<u8>)>> {
    let build = |guest: &'a Guest| {
        let module = workspace.compile(guest, toolchain, target_dir)?;
        let component =
            component::encode(&module).with_context(|| format!("make {} a component", guest.name))?;
        if guest.shipped {
            component::ensure_world(&component).with_context(|| format!("guest {}", guest.name))?;
        }
        Ok((guest, component))
    };
    workspace.guests.iter().map(build).collect()
}

/// Components in `actions/prebuilt` that no crate stands for.
fn orphans(root: &Path, workspace: &Workspace) -> Result<Vec<String>> {
    let mut orphans = Vec::new();
    for file in fs::read_dir(root.join("actions/prebuilt")).context("read actions/prebuilt")? {
        let path = file?.path();
        let is_component = path.extension().is_some_and(|extension| extension == "wasm");
        if is_component
            && !workspace.guests.iter().any(|guest| guest.prebuilt.file_name() == path.file_name())
        {
            orphans.push(format!("{} has no guest crate", path.display()));
        }
    }
    Ok(orphans)
}

fn report(guest: &Guest, component: &[u8]) {
    println!("{} {} {}", guest.name, digest(component), component.len());
}

fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

fn toolchain_file(root: &Path) -> PathBuf {
    root.join("actions/prebuilt/TOOLCHAIN")
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).with_context(|| format!("write {}", path.display()))
}

fn remove_directory(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            bail!("remove {}: {error}", path.display())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_named_and_lower_case() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(digest(b""), empty);
    }
}

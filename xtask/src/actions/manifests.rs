//! Module digests in `manifests/*.yaml`: pinned by an edit of one line, so that comments and layout stay.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// The digest of each built-in guest, by name.
type Digests = BTreeMap<String, String>;

/// Writes the digests into every manifest that names a built-in module; gives the files it changed.
pub fn pin_all(directory: &Path, digests: &Digests) -> Result<Vec<PathBuf>> {
    let mut changed = Vec::new();
    for path in manifests(directory)? {
        let before = read(&path)?;
        let after = pin(&before, digests).with_context(|| path.display().to_string())?;
        if after != before {
            fs::write(&path, after).with_context(|| format!("write {}", path.display()))?;
            changed.push(path);
        }
    }
    Ok(changed)
}

/// One line for every manifest in `directory` whose digest is not that of the guest it names.
pub fn differences(directory: &Path, digests: &Digests) -> Result<Vec<String>> {
    let mut differences = Vec::new();
    for path in manifests(directory)? {
        let text = read(&path)?;
        match pin(&text, digests) {
            Ok(pinned) if pinned == text => {}
            Ok(_) => differences.push(format!("{}: module_digest is not that of its module", path.display())),
            Err(error) => differences.push(format!("{}: {error}", path.display())),
        }
    }
    Ok(differences)
}

/// `manifest` with the digest of its built-in module in its `module_digest` line. Both are top-level
/// members, each on its own line. A manifest whose module is a path is left alone.
fn pin(manifest: &str, digests: &Digests) -> Result<String> {
    let Some(name) = manifest.lines().find_map(builtin) else {
        return Ok(manifest.to_owned());
    };
    let digest =
        digests.get(name).with_context(|| format!("module is builtin:{name}, but there is no such guest"))?;
    let old =
        manifest.lines().find(|line| line.starts_with(DIGEST)).context("has no line `module_digest:`")?;
    let new = format!("{DIGEST} {digest}{}", comment(old));
    let lines = manifest.split_inclusive('\n');
    Ok(lines
        .map(|line| if line.starts_with(DIGEST) { line.replacen(old, &new, 1) } else { line.to_owned() })
        .collect())
}

const DIGEST: &str = "module_digest:";

fn builtin(line: &str) -> Option<&str> {
    let value = line.strip_prefix("module:")?;
    let value = value.strip_suffix(comment(value)).unwrap_or(value);
    value.trim().trim_matches(['"', '\'']).strip_prefix("builtin:")
}

/// The comment that ends a line, with the space before it; YAML 1.2 section 6.6 demands that space.
fn comment(line: &str) -> &str {
    line.find(" #").map_or("", |start| &line[start..])
}

/// The `.yaml` files directly in `directory`, by name; none if there is no such directory.
fn manifests(directory: &Path) -> Result<Vec<PathBuf>> {
    if !directory.exists() {
        return Ok(Vec::new());
    }
    let files = fs::read_dir(directory).with_context(|| format!("read {}", directory.display()))?;
    let mut paths = files.map(|file| Ok(file?.path())).collect::<Result<Vec<_>>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    Ok(paths)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digests() -> Digests {
        BTreeMap::from([("fs".to_owned(), "sha256:aa".to_owned())])
    }

    #[test]
    fn only_the_digest_line_changes() {
        let cases = [
            (
                "a: 1\nmodule: builtin:fs\nmodule_digest: sha256:00\nb: 2\n",
                "a: 1\nmodule: builtin:fs\nmodule_digest: sha256:aa\nb: 2\n",
            ),
            (
                "module_digest:  # pinned\nmodule: \"builtin:fs\" # ours",
                "module_digest: sha256:aa # pinned\nmodule: \"builtin:fs\" # ours",
            ),
            (
                "module: builtin:fs\nmodule_digest: \"\"\nx:\n  module_digest: y\n",
                "module: builtin:fs\nmodule_digest: sha256:aa\nx:\n  module_digest: y\n",
            ),
        ];
        for (before, after) in cases {
            assert_eq!(pin(before, &digests()).unwrap(), after);
        }
    }

    #[test]
    fn a_module_that_is_a_path_keeps_its_digest() {
        let manifest = "module: mine/fs.wasm\nmodule_digest: sha256:00\n";
        assert_eq!(pin(manifest, &digests()).unwrap(), manifest);
    }

    #[test]
    fn an_unknown_guest_and_a_missing_digest_line_are_errors() {
        for manifest in ["module: builtin:sql\nmodule_digest: x\n", "module: builtin:fs\n"] {
            assert!(pin(manifest, &digests()).is_err(), "{manifest}");
        }
    }
}

//! Rules on dependencies: the edges between our crates, and the crates only one of ours may use.

use std::path::Path;

use super::Finding;
use crate::workspace::{Dependency, Kind, Package};

/// Each of our crates and what it may depend on among ours. A crate that is not here is not in the design.
const EDGES: [(&str, &[&str]); 12] = [
    ("latchgate-wire", &[]),
    ("latchgate-monitor", &["latchgate-wire"]),
    ("latchgate-ledger", &["latchgate-monitor", "latchgate-wire"]),
    ("latchgate-egress", &["latchgate-wire"]),
    ("latchgate-wasm", &["latchgate-egress", "latchgate-monitor", "latchgate-wire"]),
    ("latchgate-jail", &["latchgate-egress", "latchgate-wire"]),
    (
        "latchgate-daemon",
        &["latchgate-egress", "latchgate-ledger", "latchgate-monitor", "latchgate-wasm", "latchgate-wire"],
    ),
    ("latchgate-client", &["latchgate-wire"]),
    ("latchgate", &["latchgate-client", "latchgate-daemon", "latchgate-jail", "latchgate-wire"]),
    ("latchgate-mcp", &["latchgate-client", "latchgate-wire"]),
    ("latchgate-tests", &["latchgate-client", "latchgate-wire"]),
    ("xtask", &[]),
];

/// Edges for `[dev-dependencies]` alone, beyond those above.
const TEST_EDGES: [(&str, &[&str]); 0] = [];

/// Crates of others that only one of ours may use, dev-dependencies included.
const CONFINED: [(&str, &str); 3] =
    [("wasmtime", "latchgate-wasm"), ("wasmtime-wasi", "latchgate-wasm"), ("sled", "latchgate-ledger")];

/// Confined crates that a crate beside the gate may use all the same. `latchgate-bench` measures what wasmtime costs
/// without anything of ours, which cannot be had through `latchgate-wasm`.
const OUTSIDE_THE_GATE: [(&str, &str); 1] = [("wasmtime", "latchgate-tests")];

/// A package with the text of its manifest, for the line numbers.
pub struct Member<'a> {
    package: &'a Package,
    file: String,
    manifest: &'a str,
}

impl<'a> Member<'a> {
    pub fn new(package: &'a Package, root: &Path, manifest: &'a str) -> Self {
        Self { package, file: relative(&package.manifest_path, root), manifest }
    }

    fn finding(&self, dependency: &str, what: String, remedy: &'static str) -> Finding {
        let line =
            self.manifest.lines().position(|line| declares(line, dependency)).map_or(1, |index| index + 1);
        Finding { file: self.file.clone(), line, what, remedy }
    }
}

pub fn check(member: &Member<'_>) -> Vec<Finding> {
    let name = member.package.name.as_str();
    let Some(allowed) = allowed(&EDGES, name) else {
        let what = format!("the crate {name} is not in the design");
        let remedy =
            "add it to the layout in the architecture and to xtask/src/tidy/edges.rs, in its own commit";
        return vec![member.finding("name", what, remedy)];
    };
    let of_tests = self::allowed(&TEST_EDGES, name).unwrap_or_default();
    let dependencies = &member.package.dependencies;
    dependencies.iter().filter_map(|dependency| breach(member, dependency, allowed, of_tests)).collect()
}

/// A guest may depend on the SDK beside it and on nothing else of ours.
pub fn check_guest(package: &Package, root: &Path) -> Vec<Finding> {
    let sdk = root.join("actions/sdk");
    let ours =
        package.dependencies.iter().filter_map(|dependency| Some((dependency, dependency.path.as_ref()?)));
    ours.filter(|(_, path)| !path.starts_with(&sdk))
        .map(|(dependency, _)| Finding {
            file: relative(&package.manifest_path, root),
            line: 1,
            what: format!("the guest {} depends on {}", package.name, dependency.name),
            remedy: "guests know the SDK alone",
        })
        .collect()
}

fn breach(
    member: &Member<'_>,
    dependency: &Dependency,
    allowed: &[&str],
    of_tests: &[&str],
) -> Option<Finding> {
    let (from, to) = (member.package.name.as_str(), dependency.name.as_str());
    if dependency.path.is_some() {
        let permitted = allowed.contains(&to) || (dependency.kind == Kind::Dev && of_tests.contains(&to));
        let remedy = "a new edge is a design change: architecture first, then xtask/src/tidy/edges.rs, in its own commit";
        return (!permitted).then(|| member.finding(to, format!("{from} may not depend on {to}"), remedy));
    }
    if OUTSIDE_THE_GATE.contains(&(to, from)) {
        return None;
    }
    let (_, owner) = CONFINED.iter().find(|(confined, owner)| *confined == to && *owner != from)?;
    let what = format!("{to} belongs to {owner} alone");
    Some(member.finding(to, what, "go through the crate that owns it"))
}

fn allowed(edges: &[(&str, &'static [&'static str])], name: &str) -> Option<&'static [&'static str]> {
    edges.iter().find(|(from, _)| *from == name).map(|(_, to)| *to)
}

fn declares(line: &str, dependency: &str) -> bool {
    let rest = line.trim_start().strip_prefix(dependency);
    rest.is_some_and(|rest| rest.starts_with(['.', ' ', '=']))
}

fn relative(path: &Path, root: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str =
        "[package]\nname = \"x\"\n[dependencies]\nsled.workspace = true\nlatchgate-wire = {}\n";

    fn package(name: &str, dependency: &str, ours: bool, kind: &str) -> Package {
        let path = if ours { "\"/r/kernel/x\"" } else { "null" };
        let json = format!(
            r#"{{"name":"{name}","manifest_path":"/r/kernel/m/Cargo.toml",
                "dependencies":[{{"name":"{dependency}","kind":{kind},"path":{path}}}]}}"#
        );
        serde_json::from_str(&json).unwrap()
    }

    fn found(package: &Package) -> Vec<Finding> {
        check(&Member::new(package, Path::new("/r"), MANIFEST))
    }

    #[test]
    fn an_edge_of_the_design_is_allowed_and_its_reverse_is_not() {
        for kind in ["null", "\"build\"", "\"dev\""] {
            assert!(found(&package("latchgate-monitor", "latchgate-wire", true, kind)).is_empty());
            let reverse = found(&package("latchgate-wire", "latchgate-monitor", true, kind));
            assert_eq!(reverse.len(), 1, "{kind}");
            assert_eq!(reverse[0].what, "latchgate-wire may not depend on latchgate-monitor");
        }
    }

    #[test]
    fn a_finding_names_file_and_line() {
        let finding = &found(&package("xtask", "latchgate-wire", true, "null"))[0];
        assert_eq!((finding.file.as_str(), finding.line), ("kernel/m/Cargo.toml", 5));
    }

    #[test]
    fn confined_crates_stay_with_their_owner() {
        for (theirs, owner) in CONFINED {
            assert!(found(&package(owner, theirs, false, "null")).is_empty(), "{theirs}");
            assert_eq!(found(&package("latchgate-client", theirs, false, "\"dev\"")).len(), 1, "{theirs}");
        }
        assert!(found(&package("latchgate-client", "serde", false, "null")).is_empty());
    }

    #[test]
    fn the_benchmark_may_measure_wasmtime_and_nothing_else_that_is_confined() {
        let found = |theirs| found(&package("latchgate-tests", theirs, false, "null")).len();
        assert_eq!(["wasmtime", "wasmtime-wasi", "sled"].map(found), [0, 1, 1]);
    }

    #[test]
    fn a_crate_outside_the_design_is_reported() {
        assert_eq!(found(&package("latchgate-core", "serde", false, "null")).len(), 1);
        assert!(found(&package("latchgate-wire", "serde", false, "null")).is_empty());
    }

    #[test]
    fn a_guest_knows_the_sdk_alone() {
        let mut guest = package("http-fetch", "latchgate-sdk", true, "null");
        guest.dependencies[0].path = Some("/r/actions/sdk".into());
        assert!(check_guest(&guest, Path::new("/r")).is_empty());
        guest.dependencies[0].path = Some("/r/kernel/wire".into());
        assert_eq!(check_guest(&guest, Path::new("/r")).len(), 1);
    }
}

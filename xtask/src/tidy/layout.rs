//! Rules on the tree: its top-level names, names that say nothing, and paths of the machine it was written on.

use std::collections::BTreeSet;

use super::{File, Finding};

/// Fixed with the customer, and the usual dot and tool files.
const TOP_LEVEL: [&str; 23] = [
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "SECURITY.md",
    "actions",
    "adapter",
    "clippy.toml",
    "deny.toml",
    "docs",
    "kernel",
    "manifests",
    "policies",
    "rustfmt.toml",
    "tests",
    "xtask",
    ".cargo",
    ".ci",
    ".gitattributes",
    ".gitignore",
];

const DOT_EXTRAS: [&str; 2] = [".config", ".editorconfig"];

/// Names for files nobody could name.
const EMPTY_NAMES: [&str; 6] = ["util", "utils", "helper", "helpers", "common", "misc"];

/// Spelt in two halves, so that this file does not break its own rule.
const MACHINE_PATHS: [&str; 3] = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/tmp/", "lg")];

pub fn check_names<'a>(paths: impl Iterator<Item = &'a str>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut seen = BTreeSet::new();
    for path in paths {
        let top = path.split('/').next().unwrap_or(path);
        if !TOP_LEVEL.contains(&top) && !DOT_EXTRAS.contains(&top) && seen.insert(top) {
            findings.push(Finding {
                file: path.to_owned(),
                line: 1,
                what: format!("`{top}` is not one of the top-level names"),
                remedy: "move it below one of: kernel adapter actions manifests policies xtask tests docs",
            });
        }
        if let Some(name) = path.split('/').map(stem).find(|name| EMPTY_NAMES.contains(name)) {
            findings.push(Finding {
                file: path.to_owned(),
                line: 1,
                what: format!("the name `{name}` says nothing"),
                remedy: "name it for its one purpose, or move each part to where it is used",
            });
        }
    }
    findings
}

pub fn check_machine_paths(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        if let Some(path) = MACHINE_PATHS.iter().find(|path| starts_a_path(line, path)) {
            findings.push(Finding {
                file: file.path.clone(),
                line: index + 1,
                what: format!("`{path}` is a path of one machine"),
                remedy: "write it relative to the repository, or use an invented path such as /srv/project",
            });
        }
    }
    findings
}

/// Whether `path` stands in `line` as an absolute path and not inside a longer one or a URL.
fn starts_a_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|c| !c.is_alphanumeric() && !"._-~*/})]>%$".contains(c))
    })
}

fn stem(name: &str) -> &str {
    name.split_once('.').map_or(name, |(stem, _)| stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(path: &str) -> usize {
        check_names(std::iter::once(path)).len()
    }

    fn machine(text: &str) -> Vec<usize> {
        let file = File { path: "docs/a.md".to_owned(), text: text.to_owned() };
        check_machine_paths(&file).into_iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn the_top_level_is_fixed() {
        for good in ["README.md", "kernel/wire/src/lib.rs", ".ci/run", "docs/a.md"] {
            assert_eq!(named(good), 0, "{good}");
        }
        for bad in ["src/main.rs", "notes.md", "scripts/x.sh", ".env"] {
            assert_eq!(named(bad), 1, "{bad}");
        }
    }

    #[test]
    fn a_foreign_directory_is_reported_once() {
        assert_eq!(check_names(["src/a.rs", "src/b.rs"].into_iter()).len(), 1);
    }

    #[test]
    fn a_name_says_something() {
        for bad in ["kernel/wire/src/utils.rs", "tests/common/mod.rs", "kernel/cli/src/helpers.rs"] {
            assert_eq!(named(bad), 1, "{bad}");
        }
        for good in ["kernel/wire/src/uncommon.rs", "tests/support/lib.rs"] {
            assert_eq!(named(good), 0, "{good}");
        }
    }

    #[test]
    fn no_path_of_the_machine_it_was_written_on() {
        let (work, root) = (MACHINE_PATHS[0], MACHINE_PATHS[1]);
        for bad in [format!("see {work}x"), format!("a\n\"{root}b\"")] {
            assert_eq!(machine(&bad).len(), 1, "{bad}");
        }
        for good in ["/workspace/x".to_owned(), format!("https://a.test{work}x"), format!("..{root}x")] {
            assert_eq!(machine(&good), [0; 0], "{good}");
        }
    }
}

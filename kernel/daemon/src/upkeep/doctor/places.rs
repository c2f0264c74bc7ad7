//! Whose files are whose: owner, mode and kind of what lies in a home.

use std::fs;
use std::path::{Path, PathBuf};

use super::finding::{Finding, word};
use crate::home::files::{FileError, check_owned_file, check_private_file, private_dir};
use crate::home::places::Places;

/// What was found, and the words in which the same would be found again among the settings.
pub struct Looked {
    pub findings: Vec<Finding>,
    pub told: Vec<String>,
}

/// Everything whose owner or mode a start would refuse; one good finding if there is nothing.
pub fn examine(places: &Places) -> Looked {
    let dirs = dirs(places);
    let private = private_files(places);
    let owned = owned_files(places);
    let is_shared = is_shared(places);
    let mut looked = Looked { findings: Vec::new(), told: Vec::new() };
    let count = dirs.len() + private.len() + owned.len();
    let of_dirs = dirs.iter().map(|path| (path, private_dir(path)));
    let of_private = private.iter().map(|path| (path, check_private_file(path)));
    let of_owned = owned.iter().map(|path| (path, check_owned_file(path)));
    for (path, result) in of_dirs.chain(of_private).chain(of_owned) {
        let Err(error) = result else { continue };
        looked.told.push(error.to_string());
        match &error {
            // With socket.group set, others pass through; nobody else may write.
            FileError::Mode { found, .. } if is_shared && is_way(places, path) && found & 0o022 == 0 => {}
            _ => looked.findings.push(finding(&error)),
        }
    }
    if looked.findings.is_empty() {
        let what = format!("{count} files and directories are yours, and nobody else's");
        looked.findings.push(Finding::ok("files", what));
    }
    looked
}

fn finding(error: &FileError) -> Finding {
    let refused = "the gate does not start like this";
    match error {
        FileError::Mode { path, found, expected } => {
            Finding::problem("files", format!("{} has mode {found:04o}", path.display()))
                .means(format!("others on this machine could read or replace what is there; {refused}"))
                .run(format!("chmod {expected:04o} {}", word(path)))
        }
        FileError::Owner { path, found, expected } => {
            Finding::problem("files", format!("{} belongs to uid {found}", path.display()))
                .means(format!("uid {found} could replace what is there; {refused}"))
                .run(format!("chown {expected} {}", word(path)))
        }
        FileError::Kind { path, expected } => {
            let aside = PathBuf::from(format!("{}.aside", path.display()));
            Finding::problem("files", format!("{} is not a {expected}", path.display()))
                .means(refused)
                .run(format!("mv {} {}", word(path), word(&aside)))
        }
        other => Finding::problem("files", other.to_string()).means(refused),
    }
}

fn dirs(places: &Places) -> Vec<PathBuf> {
    let ledger = places.ledger_dir();
    let mut dirs = vec![
        places.config_dir.clone(),
        places.state_dir.clone(),
        places.run_dir.clone(),
        places.admin_dir(),
        places.manifests_dir(),
        places.policies_dir(),
        places.operators_dir(),
        places.agents_dir(),
        places.keys_dir(),
        ledger.clone(),
    ];
    dirs.extend(["log", "payload", "policy"].map(|name| ledger.join(name)));
    present(dirs)
}

/// Whoever can read them can act as the gate or its operators.
fn private_files(places: &Places) -> Vec<PathBuf> {
    let mut files = files_in(&places.keys_dir());
    files.extend(present(vec![places.secrets_file()]));
    files.extend(files_in(&places.operators_dir()));
    files.extend(files_in(&places.agents_dir()));
    files
}

/// What they say rules the gate, but is no secret.
fn owned_files(places: &Places) -> Vec<PathBuf> {
    let mut files = present(vec![places.config_file()]);
    files.extend(files_in(&places.policies_dir()));
    files.extend(files_in(&places.manifests_dir()));
    files
}

fn files_in(dir: &Path) -> Vec<PathBuf> {
    let items = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = items.map(|item| item.path()).collect();
    files.retain(|path| !path.is_dir());
    files.sort();
    files
}

fn present(paths: Vec<PathBuf>) -> Vec<PathBuf> {
    paths.into_iter().filter(|path| path.symlink_metadata().is_ok()).collect()
}

/// The directories on the way to the agents' socket.
fn is_way(places: &Places, path: &Path) -> bool {
    places.agent_socket().starts_with(path) && path != places.admin_dir()
}

/// Whether the configuration opens the agents' socket to a group.
fn is_shared(places: &Places) -> bool {
    let text = fs::read_to_string(places.config_file()).unwrap_or_default();
    let table: toml::Table = text.parse().unwrap_or_default();
    table.get("socket").and_then(|socket| socket.get("group")).is_some()
}

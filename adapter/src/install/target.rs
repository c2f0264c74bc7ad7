//! Which client and which of its files an invocation is about.

use std::path::{Path, PathBuf};

use super::Scope;
use super::clients::{CLIENTS, Client, find};
use super::file::Trust;
use super::system::System;

/// The client and the file to write. Says what is wrong where there is none.
pub fn of(system: &System, name: &str, scope: Scope) -> Option<(&'static Client, PathBuf)> {
    let Some(client) = find(name) else {
        let names: Vec<_> = CLIENTS.iter().map(|client| client.name).collect();
        eprintln!("latchgate-mcp: there is no client `{name}`; expected one of {}", names.join(", "));
        return None;
    };
    match (scope, client.project) {
        (Scope::User, _) => Some((client, user_file(client, system))),
        (Scope::Project, Some(path)) => Some((client, PathBuf::from(system.project_file(path)))),
        (Scope::Project, None) => {
            eprintln!("latchgate-mcp: {} reads no file of a project; leave --scope out", client.title);
            None
        }
    }
}

/// The first of the client's files that is there, or else the first.
pub fn user_file(client: &Client, system: &System) -> PathBuf {
    let files: Vec<PathBuf> = system.user_files(&client.user).into_iter().map(PathBuf::from).collect();
    let there = files.iter().find(|path| path.symlink_metadata().is_ok());
    there.or(files.first()).cloned().unwrap_or_default()
}

pub fn trust(scope: Scope, system: &System) -> Trust<'_> {
    match scope {
        Scope::User => Trust::User,
        Scope::Project => Trust::Project(Path::new(&system.project)),
    }
}

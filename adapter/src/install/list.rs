//! `install --list`: the clients, their files, and whether latchgate is in them.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;

use super::clients::{CLIENTS, Client};
use super::file::{Found, Trust};
use super::say;
use super::system::System;
use super::target::user_file;

pub fn print(system: &System, json: bool) -> anyhow::Result<ExitCode> {
    let rows: Vec<Row> = CLIENTS.iter().map(|client| Row::of(client, system)).collect();
    if json {
        let clients: Vec<_> = rows.iter().map(Row::json).collect();
        say(&format!("{}\n", json!({ "clients": clients })));
        return Ok(ExitCode::SUCCESS);
    }
    let width = |text: fn(&Row) -> &str| rows.iter().map(|row| text(row).len()).max().unwrap_or(0);
    let (names, states) = (width(|row| row.client.name), width(|row| row.state));
    for row in &rows {
        say(&format!("{:names$}  {:states$}  {}\n", row.client.name, row.state, row.path.display()));
    }
    Ok(ExitCode::SUCCESS)
}

struct Row {
    client: &'static Client,
    path: PathBuf,
    /// `installed`, `not there`, or `unreadable`; `no file` where the client was perhaps never started.
    state: &'static str,
    project: Option<String>,
}

impl Row {
    fn of(client: &'static Client, system: &System) -> Self {
        let path = user_file(client, system);
        let state = state(client, &path);
        Self { client, path, state, project: client.project.map(|path| system.project_file(path)) }
    }

    fn json(&self) -> serde_json::Value {
        json!({
            "name": self.client.name,
            "aliases": self.client.aliases,
            "title": self.client.title,
            "user_file": self.path.display().to_string(),
            "project_file": self.project,
            "state": self.state.replace(' ', "_"),
        })
    }
}

fn state(client: &Client, path: &Path) -> &'static str {
    let Ok(found) = Found::read(path, Trust::User) else { return "unreadable" };
    if found.text.is_none() {
        return "no file";
    }
    match client.place().entry(found.text()) {
        Ok(Some(_)) => "installed",
        Ok(None) => "not there",
        Err(_) => "unreadable",
    }
}

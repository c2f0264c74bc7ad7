//! A home of a test's own, with the files of clients in it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use latchgate_tests::{Ran, mcp_binary};
use serde_json::Value;
use tempfile::TempDir;

pub struct Home(TempDir);

impl Home {
    pub fn new() -> Self {
        let home = tempfile::Builder::new().prefix("home-").tempdir_in("/tmp").unwrap();
        fs::create_dir(home.path().join("project")).unwrap();
        fs::create_dir(home.path().join("bin")).unwrap();
        Self(home)
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.0.path().join(below)
    }

    /// `latchgate-mcp` in the project, with nothing of the caller's environment. Programs are looked for in `bin` alone.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(mcp_binary());
        command.args(args).env_clear().current_dir(self.path("project")).stdin(Stdio::null());
        command.env("HOME", self.0.path()).env("PATH", self.path("bin"));
        command
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        Ran::of(&mut self.command(args))
    }

    /// Every client, as `install --list --json` tells of it.
    pub fn clients(&self) -> Vec<Value> {
        self.run(&["install", "--list", "--json"]).exited(0).json()["clients"].as_array().unwrap().clone()
    }

    pub fn write(&self, below: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// A program that clients would bring along.
    pub fn program(&self, name: &str, script: &str) {
        let path = self.write(&format!("bin/{name}"), format!("#!/bin/sh\n{script}"));
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// The names of all files, sorted.
    pub fn files(&self) -> Vec<String> {
        let mut found = Vec::new();
        walk(self.0.path(), &mut found);
        let mut names: Vec<String> = found
            .iter()
            .map(|path| path.strip_prefix(self.0.path()).unwrap().display().to_string())
            .collect();
        names.sort();
        names
    }
}

fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
    for file in fs::read_dir(dir).unwrap() {
        let path = file.unwrap().path();
        if path.symlink_metadata().unwrap().is_dir() { walk(&path, found) } else { found.push(path) }
    }
}

/// What a client's file might hold before, with comments where the format has them.
pub fn earlier(file: &str) -> &'static str {
    if file.ends_with(".toml") {
        return "# mine\nmodel = \"m\"   # why\n\n[mcp_servers.other]\ncommand = 'o'\n\n[tui]\nz = 1\na = 2";
    }
    if file.ends_with(".yaml") {
        return "# mine\nmodel: m   # why\nmcp_servers:\n  # the other one\n  other:\n    command: o\n\n# the rest\nz: [1,  2]\n";
    }
    if file.ends_with("openclaw.json") {
        return "// mine\n{\n  gateway: { port: 18789, },\n  mcp: { servers: { 'other': { command: 'o' } } },\n}\n";
    }
    "{\n\t// mine\n\t\"z\": 1,   /* why */\n\t\"mcpServers\": { \"other\": { \"command\": \"o\" } },\n\t\"servers\": {},\n\t\"a\": [1,2]\n}"
}

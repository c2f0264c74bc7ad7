//! The documentation: every block marked `sh recipe` is run, in its order, each document in a home of its own.

use std::fmt::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use latchgate_tests::{binary, mcp_binary, workspace};

const BEGIN: &str = "```sh recipe";
const END: &str = "```";

#[test]
fn install() {
    check("install");
}

#[test]
fn first_call() {
    check("first-call");
}

#[test]
fn approvals() {
    check("approvals");
}

#[test]
fn operations() {
    check("operations");
}

#[test]
fn notifications() {
    check("notifications");
}

#[test]
fn operators() {
    check("operators");
}

#[test]
fn policy() {
    check("policy");
}

#[test]
fn boundaries() {
    check("boundaries");
}

#[test]
fn sandbox() {
    check("sandbox");
}

#[test]
fn ledger() {
    check("ledger");
}

#[test]
fn errors() {
    check("errors");
}

#[test]
fn secrets() {
    check("secrets");
}

#[test]
fn mcp() {
    check("mcp");
}

/// Whoever adds a document adds its test.
#[test]
fn no_recipe_is_left_out() {
    let tested = include_str!("docs.rs");
    for file in std::fs::read_dir(workspace().join("docs")).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let has_recipe = std::fs::read_to_string(&path).unwrap().contains(&format!("\n{BEGIN}\n"));
        assert!(!has_recipe || tested.contains(&format!("check(\"{name}\")")), "{name} is not tested");
    }
}

/// Runs a document's recipe as its reader would type it; stops at the first line that fails.
#[track_caller]
fn check(document: &str) {
    let text = std::fs::read_to_string(workspace().join(format!("docs/{document}.md"))).unwrap();
    let script = recipe(&text);
    assert!(!script.is_empty(), "{document} has no recipe");
    let home = tempfile::Builder::new().prefix("d").tempdir_in("/tmp").unwrap();
    let (bin, work) = (home.path().join("bin"), home.path().join("w"));
    for dir in [&bin, &work] {
        std::fs::create_dir(dir).unwrap();
        std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700)).unwrap();
    }
    symlink(binary(), bin.join("latchgate")).unwrap();
    if script.contains("latchgate-mcp") {
        symlink(mcp_binary(), bin.join("latchgate-mcp")).unwrap();
    }
    let ran = shell(&format!("set -eux\n{script}"), home.path());
    // Whatever became of the recipe: no gate is left behind.
    let _ended_before = shell("latchgate down", home.path());
    let said = format!("{}\n{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "docs/{document}.md, {}:\n{said}", ran.status);
}

fn shell(script: &str, home: &Path) -> std::process::Output {
    let path = std::env::var("PATH").unwrap_or_default();
    Command::new("sh")
        .args(["-c", script])
        .current_dir(home.join("w"))
        .env("PATH", format!("{}:{path}", home.join("bin").display()))
        .env("HOME", home)
        .env("LATCHGATE_HOME", home.join("h"))
        .env_remove("LATCHGATE_SOCKET")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// The marked blocks, one after the other.
fn recipe(document: &str) -> String {
    let mut script = String::new();
    let mut lines = document.lines();
    while lines.by_ref().any(|line| line == BEGIN) {
        for line in lines.by_ref().take_while(|line| *line != END) {
            writeln!(script, "{line}").unwrap();
        }
    }
    script
}

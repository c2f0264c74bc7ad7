//! Files that `install` leaves alone: each refusal says why and shows what to paste, and changes nothing.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use latchgate_tests::{OTHER_UID, Ran};

use super::install_home::Home;

/// Tries to install and to take out; the file must be as it was, and no other one may have come.
#[track_caller]
fn refused(home: &Home, client: &str, path: &Path, why: &str) {
    let (before, files) = (fs::read(path).ok(), home.files());
    for command in ["install", "uninstall"] {
        let ran = home.run(&[command, "--ide", client]).exited(1);
        assert!(ran.stderr.contains(&path.display().to_string()), "{}", ran.stderr);
        assert!(ran.stderr.contains(why), "{why:?} in {}", ran.stderr);
        assert!(
            command == "uninstall" || ran.stderr.contains("LATCHGATE_AGENT_ID"),
            "no snippet in {}",
            ran.stderr
        );
        assert_eq!((fs::read(path).ok(), home.files()), (before.clone(), files.clone()));
    }
}

#[test]
fn broken_and_foreign_texts_are_left_alone() {
    let home = Home::new();
    for (client, file, text, why) in [
        ("cursor", ".cursor/mcp.json", "{ \"mcpServers\": ", "not valid JSON"),
        ("cursor", ".cursor/mcp.json", "[]", "top level is an array"),
        ("cursor", ".cursor/mcp.json", "{\"mcpServers\": \"none\"}", "`mcpServers` is a string"),
        (
            "cursor",
            ".cursor/mcp.json",
            "{\"mcpServers\": {\"latchgate\":1}, \"mcpServers\": {\"latchgate\":1}}",
            "more than one",
        ),
        ("codex", ".codex/config.toml", "a = [1", "not valid TOML"),
        ("codex", ".codex/config.toml", "mcp_servers = 3\n", "`mcp_servers` is a number"),
        ("hermes-agent", ".hermes/config.yaml", "a: [", "not valid YAML"),
        ("hermes-agent", ".hermes/config.yaml", "mcp_servers: [a]\n", "`mcp_servers` is an array"),
        ("openclaw", ".openclaw/openclaw.json", "{ mcp: [] }", "`mcp` is an array"),
    ] {
        let path = home.write(file, text);
        refused(&home, client, &path, why);
    }
    let path = home.write(".cursor/mcp.json", [b'{', 0xFF, b'}']);
    refused(&home, "cursor", &path, "not UTF-8");
    let path = home.write(".cursor/mcp.json", vec![b' '; 17 * 1024 * 1024]);
    refused(&home, "cursor", &path, "bytes");
}

#[test]
fn a_yaml_file_that_lines_cannot_edit_gets_the_snippet() {
    let home = Home::new();
    let path = home.write(".hermes/config.yaml", "mcp_servers: { other: { command: o } }\n");
    let ran = home.run(&["install", "--ide", "hermes-agent"]).exited(1);
    assert!(
        ran.stderr.contains("on one line") && ran.stderr.contains("mcp_servers:\n  latchgate:\n"),
        "{}",
        ran.stderr
    );
    assert_eq!(fs::read_to_string(path).unwrap(), "mcp_servers: { other: { command: o } }\n");
}

#[test]
fn what_is_no_regular_file_of_ones_own_is_left_alone() {
    let home = Home::new();
    let path = home.path(".cursor/mcp.json");
    fs::create_dir_all(&path).unwrap();
    refused(&home, "cursor", &path, "not a regular file");
    fs::remove_dir(&path).unwrap();

    symlink("/nonexistent/mcp.json", &path).unwrap();
    refused(&home, "cursor", &path, "link to nothing");
    fs::remove_file(&path).unwrap();

    // Nobody writes to it: whoever opened it would wait without end.
    let made = Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    for command in ["install", "uninstall"] {
        let ran = home.run(&[command, "--ide", "cursor"]).exited(1);
        assert!(ran.stderr.contains("not a regular file"), "{}", ran.stderr);
    }
    fs::remove_file(&path).unwrap();

    home.write(".cursor/mcp.json", "{}");
    fs::hard_link(&path, home.path("second")).unwrap();
    refused(&home, "cursor", &path, "second name");
    fs::remove_file(home.path("second")).unwrap();

    if !rustix::process::geteuid().is_root() {
        eprintln!("LEFT OUT: a file of another uid can only be made by root");
        return;
    }
    chown(&path, Some(OTHER_UID), None).unwrap();
    refused(&home, "cursor", &path, "belongs to uid 65534");
}

/// A repository is anybody's: its links lead nowhere else.
#[test]
fn a_project_cannot_lead_out_of_itself() {
    let home = Home::new();
    let prey = home.write("prey/mcp.json", "{}\n");
    let install = ["install", "--ide", "cursor", "--scope", "project"];
    symlink(home.path("prey"), home.path("project/.cursor")).unwrap();
    let ran = home.run(&install).exited(1);
    assert!(ran.stderr.contains("leads out of the project"), "{}", ran.stderr);
    fs::remove_file(home.path("project/.cursor")).unwrap();
    fs::create_dir(home.path("project/.cursor")).unwrap();
    symlink(&prey, home.path("project/.cursor/mcp.json")).unwrap();
    home.run(&install).exited(1);
    assert_eq!(fs::read_to_string(&prey).unwrap(), "{}\n");

    fs::remove_file(home.path("project/.cursor/mcp.json")).unwrap();
    home.write("project/shared.json", "{}\n");
    symlink(home.path("project/shared.json"), home.path("project/.cursor/mcp.json")).unwrap();
    home.run(&install).exited(0);
}

#[test]
fn a_directory_that_is_closed_is_told_of_and_an_open_one_is_written() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("LEFT OUT: another uid can only be had by root");
        return;
    }
    let home = Home::new();
    let program = home.path("bin/latchgate-mcp");
    fs::copy(latchgate_tests::mcp_binary(), &program).unwrap();
    fs::set_permissions(home.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    let run = || {
        let mut command = Command::new(&program);
        command.args(["install", "--ide", "cursor"]).env_clear().env("HOME", home.path("")).current_dir("/");
        Ran::of(command.uid(OTHER_UID).gid(OTHER_UID).stdin(Stdio::null()))
    };
    let ran = run().exited(1);
    assert!(ran.stderr.contains(".cursor/mcp.json is unchanged"), "{}", ran.stderr);
    assert!(!home.path(".cursor").exists());
    chown(home.path(""), Some(OTHER_UID), Some(OTHER_UID)).unwrap();
    run().exited(0);
    assert!(home.path(".cursor/mcp.json").exists());
}

#[test]
fn wrong_usage_is_answered_with_the_names() {
    let home = Home::new();
    for args in [&["install", "--ide", "emacs"][..], &["uninstall", "--ide", "emacs"]] {
        let ran = home.run(args).exited(2);
        assert!(ran.stderr.contains("cursor, ") && ran.stderr.contains("zed"), "{}", ran.stderr);
    }
    home.run(&["install"]).exited(2);
    let mut homeless = home.command(&["install", "--ide", "cursor"]);
    homeless.env("HOME", OsStr::new(""));
    let ran = Ran::of(&mut homeless).exited(1);
    assert!(ran.stderr.contains("HOME"), "{}", ran.stderr);
}

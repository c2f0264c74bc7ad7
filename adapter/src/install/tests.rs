//! Golden files: for each system the path of every client's file and what stands in it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::clients::CLIENTS;
use super::system::Os;
use super::*;

/// What a person on that system would find.
fn golden(os: Os, home: &str, project: &str, command: &str) -> String {
    let system = System { os, home: home.into(), project: project.into(), variables: BTreeMap::new() };
    let mut out = String::new();
    for client in CLIENTS {
        let launch =
            Launch { command: command.into(), args: vec!["serve".into()], agent_id: client.name.into() };
        writeln!(out, "==== {} ====", client.name).unwrap();
        for file in system.user_files(&client.user) {
            writeln!(out, "user: {file}").unwrap();
        }
        if let Some(path) = client.project {
            writeln!(out, "project: {}", system.project_file(path)).unwrap();
        }
        writeln!(out, "\n{}", client.snippet(&launch)).unwrap();
    }
    out
}

#[track_caller]
fn check(found: &str, kept: &str, name: &str) {
    if std::env::var_os("LATCHGATE_WRITE_GOLDEN").is_some() {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/src/install/golden/");
        std::fs::write(format!("{directory}{name}"), found).unwrap();
    }
    assert!(
        found == kept,
        "run: LATCHGATE_WRITE_GOLDEN=1 cargo nextest run -p latchgate-mcp golden\n{found}"
    );
}

#[test]
fn golden_on_linux() {
    let found = golden(Os::Linux, "/home/ana", "/srv/shop", "/usr/local/bin/latchgate-mcp");
    check(&found, include_str!("golden/linux.txt"), "linux.txt");
}

#[test]
fn golden_on_macos() {
    let found = golden(Os::Macos, "/Users/ana", "/Users/ana/shop", "/opt/homebrew/bin/latchgate-mcp");
    check(&found, include_str!("golden/macos.txt"), "macos.txt");
}

#[test]
fn golden_on_windows() {
    let found =
        golden(Os::Windows, r"C:\Users\ana", r"D:\shop", r"C:\Program Files\latchgate\latchgate-mcp.exe");
    check(&found, include_str!("golden/windows.txt"), "windows.txt");
}

#[test]
fn variables_move_files_where_the_client_says_so() {
    let with = |os, name: &str, value: &str, client: &str| {
        let variables = BTreeMap::from([(name.to_owned(), value.to_owned())]);
        let system = System { os, home: "/h".into(), project: "/p".into(), variables };
        system.user_files(&clients::find(client).unwrap().user)[0].clone()
    };
    for (name, client, moved) in [
        ("CLAUDE_CONFIG_DIR", "claude-code", "/d/.claude.json"),
        ("CODEX_HOME", "codex", "/d/config.toml"),
        ("COPILOT_HOME", "copilot-cli", "/d/mcp-config.json"),
        ("CLINE_DIR", "cline", "/d/data/settings/cline_mcp_settings.json"),
        ("GEMINI_CLI_HOME", "gemini-cli", "/d/.gemini/settings.json"),
        ("HERMES_HOME", "hermes-agent", "/d/config.yaml"),
        ("OPENCLAW_STATE_DIR", "openclaw", "/d/openclaw.json"),
        ("XDG_CONFIG_HOME", "copilot", "/d/Code/User/mcp.json"),
        ("XDG_CONFIG_HOME", "opencode", "/d/opencode/opencode.jsonc"),
        ("XDG_CONFIG_HOME", "zed", "/d/zed/settings.json"),
    ] {
        assert_eq!(with(Os::Linux, name, "/d", client), moved);
        assert!(with(Os::Linux, name, "d", client).starts_with("/h/"), "{name} that is relative");
    }
    assert_eq!(with(Os::Macos, "XDG_CONFIG_HOME", "/d", "zed"), "/h/.config/zed/settings.json");
    let windows = with(Os::Windows, "APPDATA", r"E:\Roaming", "claude");
    assert_eq!(windows, r"E:\Roaming\Claude\claude_desktop_config.json");
}

#[test]
fn the_documentation_holds_what_the_table_says() {
    let kept = include_str!("../../../docs/mcp.md");
    let (_, rest) = kept.split_once("<!-- clients: begin -->\n\n").unwrap();
    let (kept, _) = rest.split_once("<!-- clients: end -->").unwrap();
    assert!(
        kept == docs::clients(),
        "put the output of `latchgate-mcp install --docs` between the marks of docs/mcp.md"
    );
}

#[test]
fn only_the_agents_session_is_ever_written() {
    for client in CLIENTS {
        let launch = Launch { command: "/b".into(), args: vec!["serve".into()], agent_id: "x".into() };
        let text = client.snippet(&launch);
        assert!(text.contains("serve"), "{text}");
        for never in ["operator", "key", "token", "secret", "admin"] {
            assert!(!text.to_lowercase().contains(never), "{never} in {text}");
        }
    }
}

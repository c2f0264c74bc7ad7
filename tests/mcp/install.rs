//! `install` and `uninstall`: the entry of every client comes, stays once, and goes without a trace.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use latchgate_tests::{mcp_binary, mode};

use super::install_home::{Home, earlier};

/// The client's file in this home.
fn file(client: &serde_json::Value) -> &Path {
    Path::new(client["user_file"].as_str().unwrap())
}

#[test]
fn every_client_takes_the_entry_once_and_is_left_without_a_trace() {
    let home = Home::new();
    let clients = home.clients();
    assert_eq!(clients.len(), 14);
    let before = home.files();
    for client in &clients {
        let name = client["name"].as_str().unwrap();
        assert_eq!(client["state"], "no_file", "{name}");
        let said = home.run(&["install", "--ide", name]).exited(0).stdout;
        assert!(said.contains("added latchgate in ") && said.contains("next:"), "{said}");
        let path = file(client);
        let written = fs::read_to_string(path).unwrap();
        let command = mcp_binary().canonicalize().unwrap().display().to_string();
        assert!(written.contains(&command) && written.contains("serve"), "{written}");
        assert!(written.contains(&format!("\"{name}\"")), "{written}");
        assert_eq!(mode(path), 0o600, "{name}");

        let again = home.run(&["install", "--ide", name]).exited(0).stdout;
        assert!(again.contains("already"), "{again}");
        assert_eq!(fs::read_to_string(path).unwrap(), written);
        let listed = home.clients().into_iter().find(|client| client["name"] == name).unwrap();
        assert_eq!(listed["state"], "installed");

        home.run(&["uninstall", "--ide", name]).exited(0);
        assert!(!path.exists(), "{name}");
        assert!(home.run(&["uninstall", "--ide", name]).exited(0).stdout.contains("is not in"));
    }
    assert_eq!(home.files(), before);
}

#[test]
fn comments_mode_and_every_byte_of_an_earlier_file_come_back() {
    let home = Home::new();
    for client in home.clients() {
        let name = client["name"].as_str().unwrap();
        let path = file(&client);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let before = earlier(path.to_str().unwrap());
        fs::write(path, before).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o640)).unwrap();

        let said = home.run(&["install", "--ide", name]).exited(0).stdout;
        let backup = path.with_file_name(format!("{}.before-latchgate", path.file_name().unwrap().display()));
        assert!(said.contains(&backup.display().to_string()), "{said}");
        assert_eq!((fs::read_to_string(&backup).unwrap().as_str(), mode(&backup)), (before, 0o640), "{name}");
        let written = fs::read_to_string(path).unwrap();
        for kept in ["mine", "other", "why"].iter().filter(|word| before.contains(**word)) {
            assert!(written.contains(kept), "{name}: {kept} in {written}");
        }
        assert_eq!(mode(path), 0o640, "{name}");
        home.run(&["install", "--ide", name]).exited(0);
        assert_eq!(fs::read_to_string(&backup).unwrap(), before, "the second run kept something else");

        home.run(&["uninstall", "--ide", name]).exited(0);
        assert_eq!(fs::read_to_string(path).unwrap(), before, "{name}");
        assert_eq!(mode(path), 0o640, "{name}");
        assert!(!backup.exists(), "{name}");
    }
}

#[test]
fn what_was_changed_in_between_is_kept_when_the_entry_goes() {
    let home = Home::new();
    let path = home.write(".cursor/mcp.json", "{\n  // mine\n  \"a\": 1\n}\n");
    home.run(&["install", "--ide", "cursor"]).exited(0);
    let changed = fs::read_to_string(&path).unwrap().replace("\"a\": 1,", "\"a\": 2, // two");
    fs::write(&path, changed).unwrap();
    let said = home.run(&["uninstall", "--ide", "cursor"]).exited(0).stdout;
    assert!(said.contains("mcp.json.before-latchgate is left"), "{said}");
    let left = fs::read_to_string(&path).unwrap();
    assert!(left.contains("// mine") && left.contains("\"a\": 2") && left.contains("// two"), "{left}");
    assert!(!left.contains("latchgate"), "{left}");
    // An entry that a person wrote anew is a new earlier state.
    home.run(&["install", "--ide", "cursor"]).exited(0);
    home.run(&["uninstall", "--ide", "cursor"]).exited(0);
    assert_eq!(fs::read_to_string(&path).unwrap(), left);
}

#[test]
fn a_dry_run_shows_the_difference_and_writes_nothing() {
    let home = Home::new();
    let path = home.write(".codex/config.toml", "model = \"m\"\n");
    let before = home.files();
    let shown = home.run(&["install", "--ide", "codex", "--dry-run"]).exited(0).stdout;
    for line in [
        &format!("--- {}", path.display()),
        &format!("+++ {}", path.display()),
        " model = \"m\"",
        "+[mcp_servers.latchgate]",
        "+args = [\"serve\"]",
        "+tool_timeout_sec = 120",
    ] {
        assert!(shown.lines().any(|found| found == line), "`{line}` in {shown}");
    }
    let new = home.run(&["install", "--ide", "zed", "--dry-run"]).exited(0).stdout;
    assert!(new.starts_with("--- /dev/null\n+++ "), "{new}");
    assert_eq!((home.files(), fs::read_to_string(&path).unwrap().as_str()), (before, "model = \"m\"\n"));

    home.run(&["install", "--ide", "codex"]).exited(0);
    let installed = fs::read_to_string(&path).unwrap();
    let shown = home.run(&["uninstall", "--ide", "codex", "--dry-run"]).exited(0).stdout;
    assert!(shown.contains("-[mcp_servers.latchgate]"), "{shown}");
    assert_eq!(fs::read_to_string(&path).unwrap(), installed);
}

#[test]
fn another_way_to_the_gate_replaces_the_entry_and_the_earlier_file_still_comes_back() {
    let home = Home::new();
    let path = home.write(".cursor/mcp.json", "{}\n");
    home.run(&["install", "--ide", "cursor"]).exited(0);
    let url = ["install", "--ide", "cursor", "--gate-url", "http://localhost:3000"];
    let said = home.run(&url).exited(0).stdout;
    assert!(said.contains("replaced") && said.contains("+"), "{said}");
    let written = fs::read_to_string(&path).unwrap();
    assert!(written.contains(r#"["serve", "--gate-url", "http://localhost:3000"]"#), "{written}");
    home.run(&["uninstall", "--ide", "cursor"]).exited(0);
    assert_eq!(fs::read_to_string(&path).unwrap(), "{}\n");
    home.run(&[&url[..], &["--gate-socket", "/s"]].concat()).exited(2);
}

#[test]
fn what_a_client_added_to_the_entry_stays_and_another_server_of_that_name_does_not() {
    let home = Home::new();
    home.run(&["install", "--ide", "windsurf"]).exited(0);
    let path = home.path(".codeium/windsurf/mcp_config.json");
    let own = fs::read_to_string(&path)
        .unwrap()
        .replace("\"args\"", "\"disabledTools\": [\"fs_write\"],\n      \"args\"");
    fs::write(&path, &own).unwrap();
    assert!(home.run(&["install", "--ide", "windsurf"]).exited(0).stdout.contains("already"));
    assert_eq!(fs::read_to_string(&path).unwrap(), own);
    fs::write(&path, own.replace("\"args\"", "\"serverUrl\": \"http://x\",\n      \"args\"")).unwrap();
    assert!(home.run(&["install", "--ide", "windsurf"]).exited(0).stdout.contains("replaced"));
    assert!(!fs::read_to_string(&path).unwrap().contains("http://x"));
}

#[test]
fn a_gate_that_only_this_shell_finds_is_named_in_the_entry() {
    let home = Home::new();
    let entry = |name: &str, value: &str| {
        let mut command = home.command(&["install", "--ide", "cursor", "--dry-run"]);
        command.env(name, value).env("LATCHGATE_OPERATOR_TOKEN", "lgop_secret").env("API_KEY", "hush");
        latchgate_tests::Ran::of(&mut command).exited(0).stdout
    };
    assert!(entry("LATCHGATE_HOME", "/g").contains(r#""--gate-socket", "/g/run/gate.sock""#));
    assert!(entry("LATCHGATE_SOCKET", "/s/gate.sock").contains(r#""--gate-socket", "/s/gate.sock""#));
    let usual = entry("XDG_RUNTIME_DIR", "/run/user/1000");
    assert!(usual.contains(r#"["serve"]"#), "{usual}");
    assert!(!usual.contains("lgop_") && !usual.contains("hush"), "{usual}");
}

#[test]
fn a_projects_file_holds_nothing_of_this_machine() {
    let home = Home::new();
    let clients = home.clients();
    for client in &clients {
        let name = client["name"].as_str().unwrap();
        let args = ["install", "--ide", name, "--scope", "project"];
        let Some(path) = client["project_file"].as_str() else {
            let ran = home.run(&args).exited(2);
            assert!(ran.stderr.contains("reads no file of a project"), "{}", ran.stderr);
            continue;
        };
        let mut command = home.command(&args);
        latchgate_tests::Ran::of(command.env("LATCHGATE_HOME", "/g")).exited(0);
        let written = fs::read_to_string(path).unwrap();
        assert!(written.contains("\"latchgate-mcp\""), "{written}");
        assert!(!written.contains("\"/"), "an absolute path in {written}");
        assert!(!file(client).exists(), "{name} wrote the user's file");
        home.run(&["uninstall", "--ide", name, "--scope", "project"]).exited(0);
        assert!(!Path::new(path).exists());
    }
}

#[test]
fn a_linked_file_is_written_where_it_lies_and_the_link_stays() {
    let home = Home::new();
    let real = home.write("dotfiles/mcp.json", "{}\n");
    fs::create_dir(home.path(".cursor")).unwrap();
    symlink(&real, home.path(".cursor/mcp.json")).unwrap();
    home.run(&["install", "--ide", "cursor"]).exited(0);
    assert!(home.path(".cursor/mcp.json").is_symlink());
    assert!(fs::read_to_string(&real).unwrap().contains("latchgate"));
    home.run(&["uninstall", "--ide", "cursor"]).exited(0);
    assert_eq!(fs::read_to_string(&real).unwrap(), "{}\n");
    assert!(home.path(".cursor/mcp.json").is_symlink());
}

#[test]
fn a_link_on_the_path_is_the_name_that_outlives_the_next_version() {
    let home = Home::new();
    let link = home.path("bin/latchgate-mcp");
    symlink(mcp_binary(), &link).unwrap();
    let shown = home.run(&["install", "--ide", "cursor", "--dry-run"]).exited(0).stdout;
    assert!(shown.contains(&format!("\"command\": \"{}\"", link.display())), "{shown}");
    fs::remove_file(&link).unwrap();
    home.program("latchgate-mcp", "exit 1\n");
    let shown = home.run(&["install", "--ide", "cursor", "--dry-run"]).exited(0).stdout;
    assert!(!shown.contains(&link.display().to_string()), "another program's name: {shown}");
}

#[test]
fn output_that_nobody_reads_to_its_end_is_no_failure() {
    let home = Home::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = home.command(&["install", "--ide", "cursor"]);
    assert!(command.stdout(writer).status().unwrap().success());
    assert!(home.path(".cursor/mcp.json").exists());
}

#[test]
fn the_file_that_is_there_is_taken_before_the_one_that_could_be() {
    let home = Home::new();
    let older = home.write(".config/opencode/opencode.json", "{}\n");
    home.run(&["install", "--ide", "open-code"]).exited(0);
    assert!(fs::read_to_string(&older).unwrap().contains(r#""type": "local""#));
    assert!(!home.path(".config/opencode/opencode.jsonc").exists());
}

/// Running sessions of Claude Code write its file, so its own command does, too, where it is there.
#[test]
fn claude_code_is_asked_through_its_own_command() {
    let home = Home::new();
    let script = r#"echo "$*" >> "$HOME/asked"
case "$2" in
add) printf '{"mcpServers":{"latchgate":{"type":"stdio","command":"x"}}}' > "$HOME/.claude.json" ;;
remove) printf '{"mcpServers":{}}' > "$HOME/.claude.json" ;;
esac
"#;
    home.program("claude", script);
    let args = ["install", "--ide", "claude-code"];
    let shown = home.run(&[&args[..], &["--dry-run"]].concat()).exited(0).stdout;
    assert!(
        shown.starts_with(
            "# would run: claude mcp add latchgate --scope user --env LATCHGATE_AGENT_ID=claude-code -- /"
        ),
        "{shown}"
    );
    assert!(!home.path("asked").exists());
    home.run(&args).exited(0);
    // The entry that stands there now is not quite ours: it is taken out first.
    home.run(&args).exited(0);
    home.run(&["uninstall", "--ide", "claude-code"]).exited(0);
    let asked = fs::read_to_string(home.path("asked")).unwrap();
    let verbs: Vec<_> = asked.lines().map(|line| line.split(' ').nth(1).unwrap()).collect();
    assert_eq!(verbs, ["add", "remove", "add", "remove"], "{asked}");
    assert!(asked.lines().next().unwrap().ends_with(" serve"), "{asked}");

    home.program("claude", "echo 'no settings today' >&2\nexit 1\n");
    let failed = home.run(&args).exited(1);
    assert!(
        failed.stderr.contains("claude mcp add") && failed.stderr.contains("no settings today"),
        "{}",
        failed.stderr
    );
}

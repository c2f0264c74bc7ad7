//! Real MCP clients, in a home of their own and without a network: each reads back what `install` wrote, and those that try a
//! server connect to the gate through it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use latchgate_tests::{Gate, Ran, mcp_binary};
use serde_json::Value;
use tempfile::TempDir;

/// Where `cargo xtask clients` put the clients. They are of no use to anything else, and large.
fn programs() -> Option<PathBuf> {
    let found = std::env::var_os("LATCHGATE_CLIENTS").map(PathBuf::from);
    if found.is_none() {
        eprintln!("LEFT OUT: the clients are not installed; run: cargo xtask clients");
    }
    found.map(|clients| clients.join("node_modules/.bin"))
}

/// A gate, and a person who uses one client.
struct Desk {
    gate: Gate,
    home: TempDir,
    programs: PathBuf,
}

impl Desk {
    fn new() -> Option<Self> {
        let programs = programs()?;
        let home = tempfile::Builder::new().prefix("home-").tempdir_in("/tmp").unwrap();
        for below in ["project", ".cline", ".gemini"] {
            fs::create_dir(home.path().join(below)).unwrap();
        }
        Some(Self { gate: Gate::builder().start(), home, programs })
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("unshare");
        // A network of its own, with nothing but loopback.
        command.args(["--map-root-user", "--net", "sh", "-c", "ip link set lo up; exec \"$@\"", "sh"]);
        command.arg(program).env_clear().current_dir(self.home.path().join("project")).stdin(Stdio::null());
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .env("PATH", format!("{}:{}/bin:{path}", self.programs.display(), self.home.path().display()))
            .env("HOME", self.home.path());
        command.env("NO_COLOR", "1").env("TERM", "dumb").env("CI", "1");
        command
            .env("GEMINI_CLI_TRUST_WORKSPACE", "true")
            .env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1");
        command
    }

    /// What a client says, shown to whoever runs this.
    fn run(&self, client: &str, args: &[&str]) -> Ran {
        let ran = Ran::of(self.command(&self.programs.join(client)).args(args)).exited(0);
        eprintln!("$ {client} {}\n{}{}", args.join(" "), ran.stdout, ran.stderr);
        ran
    }

    fn ask(&self, client: &str, args: &[&str]) -> String {
        self.run(client, args).stdout
    }

    fn install(&self, client: &str) {
        let socket = self.gate.agent_socket();
        let mut command = self.command(&mcp_binary());
        Ran::of(command.args(["install", "--ide", client, "--gate-socket"]).arg(socket)).exited(0);
    }

    /// For everybody who works on the project: by the name on the PATH.
    fn install_in_project(&self, client: &str) {
        let link = self.home.path().join("bin/latchgate-mcp");
        if !link.exists() {
            fs::create_dir(link.parent().unwrap()).unwrap();
            symlink(mcp_binary(), &link).unwrap();
        }
        let args = ["install", "--ide", client, "--scope", "project"];
        Ran::of(self.command(&mcp_binary()).args(args)).exited(0);
    }

    /// What the client's user would have said to its question.
    fn trusts_the_project(&self, file: &str, text: impl Fn(&str) -> String) {
        let path = self.home.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text(self.home.path().join("project").to_str().unwrap())).unwrap();
    }

    fn uninstall(&self, client: &str) {
        Ran::of(self.command(&mcp_binary()).args(["uninstall", "--ide", client])).exited(0);
    }

    fn words(&self) -> [String; 4] {
        let socket = self.gate.agent_socket().display().to_string();
        [
            mcp_binary().canonicalize().unwrap().display().to_string(),
            "serve".into(),
            "--gate-socket".into(),
            socket,
        ]
    }

    fn line(&self) -> String {
        self.words().join(" ")
    }
}

#[test]
fn codex_reads_back_its_entry() {
    let Some(desk) = Desk::new() else { return };
    desk.install("codex");
    let listed: Value = serde_json::from_str(&desk.ask("codex", &["mcp", "list", "--json"])).unwrap();
    let server = &listed[0];
    assert_eq!((&server["name"], &server["enabled"]), (&"latchgate".into(), &true.into()), "{listed:#}");
    let transport = &server["transport"];
    let [command, args @ ..] = desk.words();
    assert_eq!(transport["command"], command);
    assert_eq!(transport["args"], serde_json::json!(args));
    assert_eq!(transport["env"]["LATCHGATE_AGENT_ID"], "codex");
    assert_eq!(transport["env_vars"][0], "XDG_RUNTIME_DIR");
    assert_eq!(server["tool_timeout_sec"], 120.0);
    desk.uninstall("codex");
    assert_eq!(desk.ask("codex", &["mcp", "list", "--json"]).trim(), "[]");
}

#[test]
fn opencode_reads_back_its_entry_and_connects() {
    let Some(desk) = Desk::new() else { return };
    desk.install("opencode");
    let config: Value = serde_json::from_str(&desk.ask("opencode", &["debug", "config"])).unwrap();
    let server = &config["mcp"]["latchgate"];
    assert_eq!(server["command"], serde_json::json!(desk.words()), "{config:#}");
    assert_eq!(server["environment"]["LATCHGATE_AGENT_ID"], "opencode");
    let listed = desk.ask("opencode", &["mcp", "list"]);
    assert!(listed.contains("latchgate") && listed.contains("connected"), "{listed}");
}

/// Gemini CLI says some things on standard error that are no errors.
fn said(ran: Ran) -> String {
    ran.stdout + &ran.stderr
}

#[test]
fn gemini_cli_reads_back_its_entry_and_connects() {
    let Some(desk) = Desk::new() else { return };
    desk.install("gemini-cli");
    let listed = said(desk.run("gemini", &["mcp", "list"]));
    assert!(listed.contains(&format!("latchgate: {} (stdio) - Connected", desk.line())), "{listed}");
    desk.uninstall("gemini-cli");
    let listed = said(desk.run("gemini", &["mcp", "list"]));
    assert!(listed.contains("No MCP servers configured"), "{listed}");
}

#[test]
fn copilot_cli_reads_back_its_entry() {
    let Some(desk) = Desk::new() else { return };
    desk.install("copilot-cli");
    let shown = desk.ask("copilot", &["mcp", "get", "latchgate"]);
    for line in [
        "Status: Enabled",
        "Type: local",
        "Tools: * (all)",
        "Source: User",
        &format!("Command: {}", desk.line()),
    ] {
        assert!(shown.lines().any(|found| found.trim() == line), "`{line}` in {shown}");
    }
}

#[test]
fn a_projects_entry_is_read_back_by_clients_that_trust_the_project() {
    let Some(desk) = Desk::new() else { return };
    desk.trusts_the_project(".codex/config.toml", |p| {
        format!("[projects.\"{p}\"]\ntrust_level = \"trusted\"\n")
    });
    desk.trusts_the_project(".copilot/config.json", |p| format!("{{\"trusted_folders\":[\"{p}\"]}}"));
    for client in ["codex", "copilot-cli", "gemini-cli", "opencode"] {
        desk.install_in_project(client);
    }
    let codex: Value = serde_json::from_str(&desk.ask("codex", &["mcp", "list", "--json"])).unwrap();
    assert_eq!(codex[0]["transport"]["command"], "latchgate-mcp", "{codex:#}");
    let copilot = desk.ask("copilot", &["mcp", "list"]);
    assert!(copilot.contains("Workspace servers:") && copilot.contains("latchgate (local)"), "{copilot}");
    let gemini = said(desk.run("gemini", &["mcp", "list"]));
    assert!(gemini.contains("latchgate: latchgate-mcp serve (stdio) - Connected"), "{gemini}");
    let opencode = desk.ask("opencode", &["mcp", "list"]);
    assert!(opencode.contains("latchgate-mcp serve") && opencode.contains("connected"), "{opencode}");
}

#[test]
fn claude_code_takes_its_entry_by_its_own_command_and_connects() {
    let Some(desk) = Desk::new() else { return };
    desk.install("claude-code");
    // Again: nothing is asked of it, since the entry is there.
    desk.install("claude-code");
    let shown = desk.ask("claude", &["mcp", "get", "latchgate"]);
    let [command, args @ ..] = desk.words();
    for part in
        ["User config", "Connected", &format!("Command: {command}"), &format!("Args: {}", args.join(" "))]
    {
        assert!(shown.contains(part), "`{part}` in {shown}");
    }
    desk.uninstall("claude-code");
    let left = fs::read_to_string(desk.home.path().join(".claude.json")).unwrap();
    assert!(!left.contains("latchgate"), "{left}");
}

#[test]
fn cline_finds_the_entry_to_take_out() {
    let Some(desk) = Desk::new() else { return };
    desk.install("cline");
    desk.ask("cline", &["mcp", "uninstall", "latchgate"]);
    let path = desk.home.path().join(".cline/data/settings/cline_mcp_settings.json");
    assert!(!fs::read_to_string(path).unwrap().contains("latchgate"));
}

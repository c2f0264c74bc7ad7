//! The clients: one table that install, uninstall, `--list`, the documentation and the tests go by.

use super::edit::Format;
use super::entry::Shape;
use super::system::{Base, Files, Place};

/// An MCP client, and how it wants to be told of a server.
pub struct Client {
    pub name: &'static str,
    pub aliases: &'static [&'static str],
    /// As its makers write it.
    pub title: &'static str,
    pub user: Files,
    /// Below the project's directory. `None`: the client reads no file of a project.
    pub project: Option<&'static str>,
    pub format: Format,
    /// The path to the member that holds the servers.
    pub servers: &'static [&'static str],
    pub shape: Shape,
    /// A command of the client's that keeps the file itself.
    pub own_command: Option<&'static str>,
    /// What to do once the entry is there.
    pub after: &'static str,
    /// What else its user should know; empty where there is nothing.
    pub note: &'static str,
    /// Who says that place and shape are these: the client itself, where a test has it read the entry back, else the pages of
    /// its makers and what other installers write.
    pub source: &'static str,
}

/// The client of this name, or with this alias.
pub fn find(name: &str) -> Option<&'static Client> {
    CLIENTS.iter().find(|client| client.name == name || client.aliases.contains(&name))
}

const fn home(path: &'static str) -> Place {
    Place { base: Base::Home, path }
}

const fn named(variable: &'static str, below_home: &'static str, path: &'static str) -> Place {
    Place { base: Base::Named { variable, below_home }, path }
}

const fn applications(path: &'static str) -> Place {
    Place { base: Base::Applications, path }
}

const MCP_SERVERS: &[&str] = &["mcpServers"];

pub const CLIENTS: &[Client] = &[
    Client {
        name: "antigravity",
        aliases: &[],
        title: "Antigravity",
        user: Files::Everywhere(&[
            home(".gemini/config/mcp_config.json"),
            home(".gemini/antigravity/mcp_config.json"),
        ]),
        project: Some(".agents/mcp_config.json"),
        format: Format::Json,
        servers: MCP_SERVERS,
        shape: Shape::Bare,
        own_command: None,
        after: "in the agent panel choose MCP Servers, Manage MCP Servers, Refresh; restart `agy`",
        note: "IDE and CLI share the file. Where only the file of versions before 2.0 is there, that one is written.",
        source: "the installer add-mcp 2.4.0",
    },
    Client {
        name: "claude",
        aliases: &["claude-desktop"],
        title: "Claude Desktop",
        user: Files::Everywhere(&[applications("Claude/claude_desktop_config.json")]),
        project: None,
        format: Format::Json,
        servers: MCP_SERVERS,
        shape: Shape::Bare,
        own_command: None,
        after: "quit Claude Desktop and start it again",
        note: "",
        source: "the installers add-mcp 2.4.0 and install-mcp 1.10.2",
    },
    Client {
        name: "claude-code",
        aliases: &[],
        title: "Claude Code",
        user: Files::Everywhere(&[named("CLAUDE_CONFIG_DIR", "", ".claude.json")]),
        project: Some(".mcp.json"),
        format: Format::Json,
        servers: MCP_SERVERS,
        shape: Shape::Stdio,
        own_command: Some("claude"),
        after: "start a new session; `/mcp` in it shows the server",
        note: "Where `claude` is on the PATH, it is asked to write the entry itself (`claude mcp add`), since running sessions \
               write that file too. `settings.json` is not the file: Claude Code reads no servers from it.",
        source: "the client itself",
    },
    Client {
        name: "cline",
        aliases: &[],
        title: "Cline",
        user: Files::Everywhere(&[named("CLINE_DIR", ".cline", "data/settings/cline_mcp_settings.json")]),
        project: None,
        format: Format::Json,
        servers: MCP_SERVERS,
        shape: Shape::Stdio,
        own_command: None,
        after: "start a new task; the MCP Servers panel shows the server",
        note: "The file of Cline 3 and its CLI. An older extension of VS Code keeps its own: open it from Configure MCP Servers \
               and paste the entry.",
        source: "the client itself",
    },
    Client {
        name: "codex",
        aliases: &[],
        title: "Codex",
        user: Files::Everywhere(&[named("CODEX_HOME", ".codex", "config.toml")]),
        project: Some(".codex/config.toml"),
        format: Format::Toml,
        servers: &["mcp_servers"],
        shape: Shape::Codex,
        own_command: None,
        after: "start a new session; `codex mcp list` shows the server",
        note: "Codex passes hardly any variables on, so `env_vars` names those that a gate is found by; `tool_timeout_sec` \
               leaves time for an approval. A project's file counts only in projects that Codex trusts.",
        source: "the client itself",
    },
    Client {
        name: "copilot",
        aliases: &["vscode"],
        title: "GitHub Copilot in VS Code",
        user: Files::Everywhere(&[applications("Code/User/mcp.json")]),
        project: Some(".vscode/mcp.json"),
        format: Format::Json,
        servers: &["servers"],
        shape: Shape::Stdio,
        own_command: None,
        after: "run MCP: List Servers from the command palette, choose latchgate and start it",
        note: "The file is that of the default profile; VS Code keeps another for each further one.",
        source: "code.visualstudio.com/docs/agents/reference/mcp-configuration, and the installer add-mcp 2.4.0",
    },
    Client {
        name: "copilot-cli",
        aliases: &[],
        title: "GitHub Copilot CLI",
        user: Files::Everywhere(&[named("COPILOT_HOME", ".copilot", "mcp-config.json")]),
        project: Some(".github/mcp.json"),
        format: Format::Json,
        servers: MCP_SERVERS,
        shape: Shape::CopilotCli,
        own_command: None,
        after: "start a new session; `copilot mcp list` shows the server",
        note: "A project's file counts only in folders that it was told to trust.",
        source: "the client itself",
    },
    Client {
        name: "cursor",
        aliases: &[],
        title: "Cursor",
        user: Files::Everywhere(&[home(".cursor/mcp.json")]),
        project: Some(".cursor/mcp.json"),
        format: Format::Json,
        servers: MCP_SERVERS,
        shape: Shape::Stdio,
        own_command: None,
        after: "open Cursor's settings, MCP, and switch latchgate on if it is off",
        note: "",
        source: "cursor.com/docs/mcp, and the installer add-mcp 2.4.0",
    },
    Client {
        name: "gemini-cli",
        aliases: &["gemini"],
        title: "Gemini CLI",
        user: Files::Everywhere(&[named("GEMINI_CLI_HOME", "", ".gemini/settings.json")]),
        project: Some(".gemini/settings.json"),
        format: Format::Json,
        servers: MCP_SERVERS,
        shape: Shape::Bare,
        own_command: None,
        after: "start a new session; `/mcp` in it shows the server",
        note: "Gemini CLI starts no server in a folder that it was not told to trust.",
        source: "the client itself",
    },
    Client {
        name: "hermes-agent",
        aliases: &["hermes"],
        title: "Hermes Agent",
        user: Files::Everywhere(&[named("HERMES_HOME", ".hermes", "config.yaml")]),
        project: None,
        format: Format::Yaml,
        servers: &["mcp_servers"],
        shape: Shape::Bare,
        own_command: None,
        after: "start Hermes again, or run `/reload-mcp` in it",
        note: "",
        source: "hermes-agent.nousresearch.com/docs/user-guide/features/mcp",
    },
    Client {
        name: "openclaw",
        aliases: &["open-claw"],
        title: "OpenClaw",
        user: Files::Everywhere(&[named("OPENCLAW_STATE_DIR", ".openclaw", "openclaw.json")]),
        project: None,
        format: Format::Json5,
        servers: &["mcp", "servers"],
        shape: Shape::Bare,
        own_command: None,
        after: "start the OpenClaw gateway again; `openclaw mcp list` shows the server",
        note: "",
        source: "docs.openclaw.ai/tools/mcp",
    },
    Client {
        name: "opencode",
        aliases: &["open-code"],
        title: "OpenCode",
        user: Files::Everywhere(&[
            Place { base: Base::Config, path: "opencode/opencode.jsonc" },
            Place { base: Base::Config, path: "opencode/opencode.json" },
        ]),
        project: Some("opencode.json"),
        format: Format::Json,
        servers: &["mcp"],
        shape: Shape::OpenCode,
        own_command: None,
        after: "start a new session; `opencode mcp list` shows the server",
        note: "",
        source: "the client itself",
    },
    Client {
        name: "windsurf",
        aliases: &[],
        title: "Windsurf",
        user: Files::Everywhere(&[home(".codeium/windsurf/mcp_config.json")]),
        project: None,
        format: Format::Json,
        servers: MCP_SERVERS,
        shape: Shape::Bare,
        own_command: None,
        after: "open the MCP panel of Cascade and choose Refresh",
        note: "",
        source: "docs.windsurf.com/windsurf/cascade/mcp, and the installers add-mcp 2.4.0 and install-mcp 1.10.2",
    },
    Client {
        name: "zed",
        aliases: &[],
        title: "Zed",
        user: Files::PerSystem {
            linux: Place { base: Base::Config, path: "zed/settings.json" },
            macos: home(".config/zed/settings.json"),
            windows: applications("Zed/settings.json"),
        },
        project: Some(".zed/settings.json"),
        format: Format::Json,
        servers: &["context_servers"],
        shape: Shape::Bare,
        own_command: None,
        after: "open the settings of the agent panel: the dot beside latchgate turns green",
        note: "Zed starts a project's servers once the project is trusted.",
        source: "zed.dev/docs/configuring-zed, and the installer install-mcp 1.10.2",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_and_alias_is_one_clients_own() {
        let mut names: Vec<_> =
            CLIENTS.iter().flat_map(|client| client.aliases.iter().chain([&client.name])).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        assert!(find("open-code").is_some_and(|client| client.name == "opencode"));
        assert!(find("emacs").is_none());
    }
}

//! What `serve` takes on the command line and from the environment.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use uuid::Uuid;

/// Serve the gate's actions as MCP tools over stdio
#[derive(clap::Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  latchgate-mcp serve\n  latchgate-mcp serve --agent-id cursor --tools meta"
)]
pub struct Args {
    /// The gate's socket for agents, or the directory it lies in [env: LATCHGATE_SOCKET=] [default: where `latchgate up` puts it]
    // Not clap's `env`: a variable of the user's would stand in the way of the other flag.
    #[arg(long, conflicts_with = "gate_url", value_name = "PATH")]
    pub(super) gate_socket: Option<PathBuf>,
    /// The gate's port on this machine instead (`latchgate up --expose-http`), as http://localhost:PORT [env: LATCHGATE_URL=]
    #[arg(long, value_name = "URL")]
    gate_url: Option<String>,
    /// The gate's canonical URL [default: what the gate says]
    #[arg(long, env = "LATCHGATE_PUBLIC_URL", value_name = "URL")]
    pub(super) public_base_url: Option<String>,
    /// What this agent is called in approvals and in the ledger; a label, never authority
    #[arg(long, env = "LATCHGATE_AGENT_ID", default_value = "latchgate-mcp", value_name = "NAME")]
    pub(super) agent_id: String,
    /// The private key of an enrolled agent (`latchgate agents add`) [default: a key of this process's own]
    #[arg(long, env = "LATCHGATE_AGENT_KEY", value_name = "FILE")]
    pub(super) agent_key: Option<PathBuf>,
    /// What this session is called in the gate's log [default: a fresh UUID]
    #[arg(long, env = "LATCHGATE_SESSION_ID", value_name = "UUID")]
    pub(super) session_id: Option<SessionLabel>,
    /// What goes to standard error: a level, or directives like `warn,rmcp=debug`
    #[arg(long, env = "RUST_LOG", default_value = "warn", value_name = "LEVEL")]
    pub(super) log_level: String,
    /// Which tools to offer
    #[arg(long, value_enum, default_value_t = ToolSet::Profile)]
    pub(super) tools: ToolSet,
    /// How long a held call waits for its decision before it answers that it is pending, in seconds
    #[arg(long, default_value = "50", value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(0..=3600))]
    pub(super) approval_wait: u64,
}

/// Which of a gate's actions become tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ToolSet {
    /// Each action of the gate, permitted or not
    All,
    /// Each action that policy could permit this agent
    Profile,
    /// Four tools that search, describe, call and await: for gates with very many actions
    Meta,
}

/// A UUID. An empty variable counts as none.
#[derive(Clone, Copy, Debug)]
pub struct SessionLabel(pub(super) Option<Uuid>);

impl FromStr for SessionLabel {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() { Ok(Self(None)) } else { text.parse().map(|id| Self(Some(id))) }
    }
}

impl Args {
    /// The port to be used instead of a socket: a flag goes before every variable, then a port before a socket.
    pub(super) fn gate_url(&self) -> Option<String> {
        let by_variable = || std::env::var("LATCHGATE_URL").ok().filter(|_| self.gate_socket.is_none());
        self.gate_url.clone().or_else(by_variable).filter(|url| !url.is_empty())
    }

    pub(super) fn approval_wait(&self) -> Duration {
        Duration::from_secs(self.approval_wait)
    }
}

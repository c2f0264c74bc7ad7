//! `latchgate-mcp operator`: an operator's session over stdio, in a process that no agent talks to.
//!
//! Read in this order: who the operator is (`credentials`), what is shown of an agent's words (`untrusted`), what can be
//! asked (`tools`, `allowlist`, `resources`, `prompts`), and the handler that clients talk to (`server`).
//!
//! What changes what is asked from then on (`allowlist`) is there only for who asks for it by name. Deliberately absent:
//! approvals beyond one call, which belong to a person at the command line.

mod allowlist;
mod credentials;
mod prompts;
mod resources;
mod server;
mod tools;
mod untrusted;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use latchgate_client::ClientError;
use rmcp::ServiceExt as _;
use rmcp::transport::stdio;

use allowlist::Allowlist;
use credentials::Refused;
use server::OperatorServer;

use crate::logging;

/// Serve approvals to an operator's MCP client over stdio
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  latchgate-mcp operator --operator-key ~/.local/state/latchgate/keys/operator-local.pem \\\n    \
                  --operator-token @$HOME/.local/state/latchgate/keys/operator-local.pem.token"
)]
pub struct Args {
    /// The gate's socket for operators [default: where `latchgate up` puts it]
    #[arg(long, env = "LATCHGATE_ADMIN_SOCKET", value_name = "PATH")]
    admin_socket: Option<PathBuf>,
    /// The operator's private key, in a file that nobody else can read
    #[arg(long, env = "LATCHGATE_OPERATOR_KEY", value_name = "FILE")]
    operator_key: PathBuf,
    /// The operator's token, or @FILE that holds it; only if the operator has one
    #[arg(long, env = "LATCHGATE_OPERATOR_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    operator_token: Option<String>,
    /// The operator's name; if it is another one than the gate knows the key by, nothing is served
    #[arg(long, env = "LATCHGATE_OPERATOR_ID", default_value = credentials::ANY_OPERATOR, value_name = "NAME")]
    operator_id: String,
    /// The URL that proofs are signed for, as the gate's public_base_url has it; without, the name that every gate's socket has
    #[arg(long, env = "LATCHGATE_PUBLIC_URL", value_name = "URL")]
    public_base_url: Option<String>,
    /// Whom latchgate_allowlist is about when it is not said: an enrolled agent's name, or uid:N
    #[arg(long, env = "LATCHGATE_AGENT_ID", default_value = "latchgate-mcp", value_name = "NAME")]
    agent_id: String,
    /// Offer latchgate_allowlist, which changes the policy: an action reaches one more host without a question
    #[arg(long, env = "LATCHGATE_ENABLE_ALLOWLIST_TOOL", value_name = "BOOL", num_args = 0..=1,
          default_value_t = false, default_missing_value = "true")]
    enable_allowlist_tool: bool,
    /// What goes to standard error: a level, or directives like `warn,rmcp=debug`
    #[arg(long, env = "RUST_LOG", default_value = "warn", value_name = "LEVEL")]
    log_level: String,
}

/// Wrong usage, as everywhere in latchgate.
const USAGE: u8 = 2;

/// Serves until standard input ends.
///
/// # Errors
/// Whatever keeps the session from running once the operator is known.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    logging::to_stderr(&args.log_level)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?;
    let ended = runtime.block_on(serve(args));
    // What the client began to read on another thread holds nobody up.
    runtime.shutdown_background();
    ended
}

async fn serve(args: Args) -> anyhow::Result<ExitCode> {
    let client = match credentials::verified(&args).await {
        Ok(client) => client,
        Err(refused) => return Ok(refused.said()),
    };
    let allowlist = args.enable_allowlist_tool.then(|| Allowlist::for_agent(args.agent_id));
    match OperatorServer::new(client, allowlist).serve(stdio()).await {
        Ok(running) => {
            running.waiting().await.context("the session broke off")?;
        }
        // The client went without a word, or said none that begins a session.
        Err(error) => tracing::info!(%error, "no session"),
    }
    Ok(ExitCode::SUCCESS)
}

impl Refused {
    /// Says it, with the remedy.
    fn said(self) -> ExitCode {
        eprintln!("latchgate-mcp: {}", self.what);
        if let Some(remedy) = self.remedy {
            eprintln!("help: {remedy}");
        }
        ExitCode::from(self.code)
    }
}

/// A code and words for a model and for the person behind it.
fn explained(error: &ClientError) -> String {
    use latchgate_wire::visible::plain;
    let mut text = match error {
        ClientError::Problem(problem) => format!("{}: {}", plain(&problem.error), plain(&problem.detail)),
        other => plain(&other.to_string()),
    };
    if let Some(remedy) = error.remedy() {
        text.push_str(&format!("\nNext: {}", plain(&remedy)));
    }
    if let ClientError::Problem(problem) = error
        && let Some(trace_id) = problem.trace_id
    {
        text.push_str(&format!("\nTrace: {trace_id}"));
    }
    text
}

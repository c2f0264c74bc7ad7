//! `latchgate-mcp serve`: an agent's session over stdio.
//!
//! Read in this order: what may be asked for on the command line (`args`), how the gate is found and found again (`link`),
//! what it offers (`catalogue`, `tools`, `meta_tools`), one call from request to answer (`calls`, `flight`, `undelivered`,
//! `approvals`, `results`), what can be read (`resources`), the handler that clients talk to (`server`, with `own_tools` and
//! `tasks`), and the lines they talk in (`stdio`, `lines`, `talk`, `batch`).
//!
//! Deliberately absent: anything of an operator. Nothing here can decide an approval, and no prompt explains a denial.

mod args;
mod link;

mod catalogue;
mod meta_tools;
mod tools;

mod approvals;
mod calls;
mod confirmed;
mod flight;
mod results;
mod undelivered;

mod own_tools;
mod resources;
mod server;
mod tasks;

mod batch;
mod lines;
mod stdio;
mod talk;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use rmcp::ServiceExt as _;
use tokio::runtime;

use crate::logging;

pub use args::{Args, ToolSet};
pub use server::AgentServer;

/// Serves until standard input ends.
///
/// # Errors
/// A key that cannot be read, or a gate's URL that leads off this machine. A gate that does not run is none: calls say so.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    logging::to_stderr(&args.log_level)?;
    // Two threads: a call that waits holds none, and the client's side is one pipe.
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("no runtime to serve with")?;
    let ended = runtime.block_on(serve(args));
    // Calls that run are the gate's own and go on without us.
    runtime.shutdown_timeout(Duration::ZERO);
    ended.map(|()| ExitCode::SUCCESS)
}

async fn serve(args: Args) -> anyhow::Result<()> {
    let server = AgentServer::new(args)?.told_what_is_written();
    let stdio = stdio::Stdio::of_this_process(server.closing(), server.written());
    match server.serve(stdio).await {
        Ok(running) => {
            let _why = running.waiting().await;
        }
        // The client went without a word, or said none that begins a session.
        Err(error) => tracing::info!(%error, "no session"),
    }
    Ok(())
}

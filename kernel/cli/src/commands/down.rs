//! `down`: asks the gate to end, and waits until it has.

use std::path::Path;
use std::time::{Duration, Instant};

use clap::Args;

use super::{AsOperator, Global};
use crate::connect;
use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::wait;
use latchgate_client::Process;

const EXAMPLES: &str = "\
Example:
  latchgate down";

const POLL: Duration = Duration::from_millis(50);

/// Stop the gate: running calls end first
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Down {
    #[command(flatten)]
    operator: AsOperator,
    /// How long to wait for its end
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = crate::when::parse_duration)]
    timeout: Duration,
}

impl Down {
    pub async fn run(self, global: &Global, console: &Console) -> Result<Exit, Failure> {
        let endpoint = connect::endpoint(global.socket())?;
        let operator = connect::operator(global.socket(), &self.operator.name)?;
        let socket = endpoint.admin_socket().to_owned();
        let process = Process::behind(&socket);
        operator.shutdown().await?;
        let is_stopped =
            wait::show(console, "waiting for running calls", stopped(process, &socket, self.timeout)).await;
        if !is_stopped {
            let what =
                format!("the gate at {} still drains after {} s", socket.display(), self.timeout.as_secs());
            return Err(Failure::new(Exit::Failed, what).remedy("wait, or look at `latchgate status`"));
        }
        if console.is_json() {
            console.json(&serde_json::json!({ "status": "stopped", "socket": endpoint.agent_socket() }))?;
        } else {
            console.result(&format!("stopped the gate at {}", endpoint.agent_socket().display()))?;
        }
        Ok(Exit::Done)
    }
}

/// The sockets go first and the ledger is closed last, so it is the process whose end counts.
async fn stopped(process: Option<Process>, socket: &Path, timeout: Duration) -> bool {
    match process {
        Some(process) => process.ended(timeout).await,
        None => gone(socket, timeout).await,
    }
}

/// The next best sign, where the process cannot be seen.
async fn gone(socket: &Path, timeout: Duration) -> bool {
    let until = Instant::now() + timeout;
    while socket.symlink_metadata().is_ok() {
        if Instant::now() >= until {
            return false;
        }
        tokio::time::sleep(POLL).await;
    }
    true
}

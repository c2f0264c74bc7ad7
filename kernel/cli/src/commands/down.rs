//! `down`: asks the gate to end, and waits until it has.

use std::time::{Duration, Instant};

use clap::Args;

use super::{AsOperator, Global};
use crate::connect;
use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::wait;

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
        operator.shutdown().await?;
        let socket = endpoint.agent_socket().to_owned();
        let is_gone = wait::show(console, "waiting for running calls", gone(&socket, self.timeout)).await;
        if !is_gone {
            let what =
                format!("the gate at {} still drains after {} s", socket.display(), self.timeout.as_secs());
            return Err(Failure::new(Exit::Failed, what).remedy("wait, or look at `latchgate status`"));
        }
        if console.is_json() {
            console.json(&serde_json::json!({ "status": "stopped", "socket": socket }))?;
        } else {
            console.result(&format!("stopped the gate at {}", socket.display()))?;
        }
        Ok(Exit::Done)
    }
}

/// The gate removes its socket when it is done.
async fn gone(socket: &std::path::Path, timeout: Duration) -> bool {
    let until = Instant::now() + timeout;
    while socket.symlink_metadata().is_ok() {
        if Instant::now() >= until {
            return false;
        }
        tokio::time::sleep(POLL).await;
    }
    true
}

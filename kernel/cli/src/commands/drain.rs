//! `drain`: the gate takes no more calls and lets the running ones end; it goes on listening.

use clap::Args;
use serde_json::Value;

use super::{AsOperator, Global};
use crate::connect;
use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::wait;

const EXAMPLES: &str = "\
Example:
  latchgate drain && latchgate down

A drained gate refuses calls until it is started again. If calls still run
after `gate.drain_s` of the configuration, the exit code is 1.";

/// Take no more calls, and wait for those that run
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Drain {
    #[command(flatten)]
    operator: AsOperator,
}

impl Drain {
    pub async fn run(self, global: &Global, console: &Console) -> Result<Exit, Failure> {
        let operator = connect::operator(global.socket(), &self.operator.name)?;
        let drained = wait::show(console, "waiting for running calls", operator.drain()).await?;
        let running = still_running(&drained);
        if console.is_json() {
            console.json(&drained)?;
        } else if running == 0 {
            console.result("drained: no call runs, and no new one is taken")?;
            console.note("next: latchgate down");
        } else {
            console.result(&format!("draining: {running} calls still run, and no new one is taken"))?;
            console.note("next: latchgate drain waits for them again");
        }
        Ok(if running == 0 { Exit::Done } else { Exit::Failed })
    }
}

fn still_running(drained: &Value) -> u64 {
    match drained["status"].as_str() {
        Some("drained") => 0,
        _ => drained["calls_running"].as_u64().unwrap_or(1).max(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_a_gate_that_says_so_is_drained() {
        assert_eq!(still_running(&json!({ "status": "drained", "calls_running": 0 })), 0);
        assert_eq!(still_running(&json!({ "status": "draining", "calls_running": 3 })), 3);
        assert_eq!(still_running(&json!({})), 1);
    }
}

//! `metrics`: the gate's counters, as monitoring reads them.

use clap::Args;
use serde_json::json;

use super::{AsOperator, Global};
use crate::connect;
use crate::console::Console;
use crate::exit::{Exit, Failure};

const EXAMPLES: &str = "\
Examples:
  latchgate metrics
  latchgate metrics > /var/lib/node_exporter/latchgate.prom";

/// Print the gate's counters (OpenMetrics text, as Prometheus reads it)
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Metrics {
    #[command(flatten)]
    operator: AsOperator,
}

impl Metrics {
    pub async fn run(self, global: &Global, console: &Console) -> Result<Exit, Failure> {
        let operator = connect::operator(global.socket(), &self.operator.name)?;
        let text = operator.metrics().await?;
        if console.is_json() {
            console.json(&json!({ "openmetrics": text }))
        } else {
            console.result(&text)
        }?;
        Ok(Exit::Done)
    }
}

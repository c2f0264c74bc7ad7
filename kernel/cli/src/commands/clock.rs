//! `clock`: gate time, and a person's word for the system's clock.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::{AsOperator, Global};
use crate::connect;
use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::when;

const EXAMPLES: &str = "\
Example:
  latchgate clock accept";

/// Vouch for this machine's clock after it was set
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Clock {
    #[command(subcommand)]
    command: ClockCommand,
    #[command(flatten)]
    operator: AsOperator,
}

#[derive(Debug, Subcommand)]
enum ClockCommand {
    /// Let gate time go by the clock as it stands now; it never goes back
    #[command(after_help = "Example:\n  latchgate clock accept")]
    Accept,
}

impl Clock {
    pub async fn run(self, global: &Global, console: &Console) -> Result<Exit, Failure> {
        let operator = connect::operator(global.socket(), &self.operator.name)?;
        match self.command {
            ClockCommand::Accept => {
                let accepted = operator.accept_clock().await?;
                if console.is_json() {
                    console.json(&accepted)?;
                } else {
                    console.result(&line(&accepted))?;
                    console.note("next: latchgate status");
                }
            }
        }
        Ok(Exit::Done)
    }
}

fn line(accepted: &Value) -> String {
    let drift_ms = accepted["drift_ms"].as_i64().unwrap_or(0);
    let distance = when::span(drift_ms.saturating_abs());
    match drift_ms {
        -999..=999 => "accepted: the clock and gate time agreed".into(),
        1000.. => format!("accepted: the clock was {distance} ahead of gate time"),
        _ => format!("accepted: the clock was {distance} behind gate time, which does not go back"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_distance_is_told_in_its_direction() {
        let told = |ms: i64| line(&json!({ "drift_ms": ms, "log_index": 7 }));
        assert_eq!(told(-3), "accepted: the clock and gate time agreed");
        assert_eq!(told(7_200_000), "accepted: the clock was 2 h ahead of gate time");
        assert_eq!(told(-60_000), "accepted: the clock was 60 s behind gate time, which does not go back");
    }
}

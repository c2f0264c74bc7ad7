//! `audit stats`: what was decided about calls, counted by the gate.

use clap::{Args, ValueEnum};
use latchgate_client::OperatorClient;
use latchgate_wire::stats::{By, StatsQuery};
use latchgate_wire::time::Timestamp;

use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::render::budgets;
use crate::render::stats::{self, Bar};

const EXAMPLES: &str = "\
Examples:
  latchgate audit stats
  latchgate audit stats --since 24h --by hour
  latchgate audit stats --by principal --json

allowed   policy let the call run at once
held      the call waited for a person
approved  the call ran because a person had approved it
denied    the call was refused

By principal, what is left of the operators' budgets stands below.";

/// Count what was decided about calls
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Stats {
    /// Since this time (2026-11-20T09:30:00Z), or since so long ago (15m, 2h, 7d), to the minute
    #[arg(long, value_name = "TIME", value_parser = super::point)]
    since: Option<Timestamp>,
    /// Before this time
    #[arg(long, value_name = "TIME", value_parser = super::point)]
    until: Option<Timestamp>,
    /// What a line stands for
    #[arg(long, value_enum, value_name = "WHAT", default_value = "action")]
    by: Grouping,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Grouping {
    Action,
    Principal,
    Decision,
    Hour,
}

impl Stats {
    pub async fn run(self, operator: &OperatorClient, console: &Console) -> Result<Exit, Failure> {
        let by = match self.by {
            Grouping::Action => By::Action,
            Grouping::Principal => By::Principal,
            Grouping::Decision => By::Decision,
            Grouping::Hour => By::Hour,
        };
        let counted = operator.audit_stats(&StatsQuery { by, since: self.since, until: self.until }).await?;
        if console.is_json() {
            console.json(&counted)?;
            return Ok(Exit::Done);
        }
        if counted.rows.is_empty() {
            console.note("nothing was decided in this time");
            return Ok(Exit::Done);
        }
        let bar = console.is_stdout_terminal().then(Bar::of_environment);
        console.result(&stats::table(&counted, bar, console.width()))?;
        if by == By::Principal {
            let left = budgets::lines(&operator.budgets().await?.principals);
            console.note(&left.join("\n"));
        }
        if counted.left_off > 0 {
            console.note(&format!("{} more are left off; --since narrows the time", counted.left_off));
        }
        Ok(Exit::Done)
    }
}

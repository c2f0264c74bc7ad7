//! `logs`: what the local gate noted, from `gate.log` and the file set aside before it.

mod tail;

use std::time::Duration;

use clap::Args;

use crate::connect;
use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::render::log;
use crate::visible;
use tail::Tail;

const EXAMPLES: &str = "\
Examples:
  latchgate logs --lines 20
  latchgate logs --follow --json

What agents called, and what came of it, stands in the ledger: `latchgate audit`.";

const POLL: Duration = Duration::from_millis(200);

/// Show the gate's log
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Logs {
    /// Go on with what is added, until interrupted
    #[arg(long, short)]
    follow: bool,
    /// How many of the last lines to begin with
    #[arg(long, short = 'n', value_name = "N", default_value_t = 100)]
    lines: usize,
}

impl Logs {
    pub async fn run(self, console: &Console) -> Result<Exit, Failure> {
        let path = connect::places()?.log_file();
        let (lines, mut tail) = Tail::open(&path, self.lines).map_err(|error| {
            Failure::new(Exit::Failed, format!("{}: {error}", path.display()))
                .remedy("a first `latchgate up` makes it; look with the gate's LATCHGATE_HOME and user")
        })?;
        show(&lines, console)?;
        if !self.follow {
            return Ok(Exit::Done);
        }
        loop {
            tokio::time::sleep(POLL).await;
            show(&tail.added()?, console)?;
        }
    }
}

fn show(lines: &[String], console: &Console) -> Result<(), Failure> {
    for line in lines {
        let shown = if console.is_json() { visible::json(line) } else { log::line(line) };
        console.result(&shown)?;
    }
    Ok(())
}

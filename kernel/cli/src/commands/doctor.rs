//! `doctor`: what is wrong with the local gate, its home and its machine, each with the command that mends it.

mod running;

use std::path::PathBuf;

use clap::Args;
use latchgate_client::Endpoint;
use latchgate_daemon::doctor::{self, Level};

use super::{AsOperator, Global};
use crate::connect;
use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::render::findings;

const EXAMPLES: &str = "\
Examples:
  latchgate doctor
  latchgate doctor --json | jq -r '.findings[] | select(.level != \"ok\") | .remedy'

Works whether or not the gate runs, and changes nothing. The exit code is 1 if
there is a problem; warnings are for you to judge.";

/// Look for what is wrong with the gate, its home and this machine
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Doctor {
    #[command(flatten)]
    operator: AsOperator,
}

impl Doctor {
    pub async fn run(self, global: &Global, console: &Console) -> Result<Exit, Failure> {
        let places = connect::places()?;
        let endpoint = match global.socket() {
            Some(_) => connect::endpoint(global.socket())?,
            None => Endpoint::new(places.agent_socket(), places.admin_socket()),
        };
        let mut found = running::examine(&endpoint, &places, &self.operator.name).await;
        let examined = tokio::task::spawn_blocking(move || doctor::examine(&places)).await;
        found.extend(examined.map_err(std::io::Error::other)?);
        let problems = found.iter().filter(|finding| finding.level == Level::Problem).count();
        let warnings = found.iter().filter(|finding| finding.level == Level::Warning).count();
        if console.is_json() {
            console.json(&serde_json::json!({
                "sound": problems == 0, "problems": problems, "warnings": warnings, "findings": found,
            }))?;
        } else {
            console.result(&findings::list(&found))?;
            console.note(&findings::summary(problems, warnings));
        }
        Ok(if problems == 0 { Exit::Done } else { Exit::Failed })
    }
}

/// What stands where a socket should be is moved out of the way, not removed.
fn move_aside(path: &std::path::Path) -> String {
    let aside = PathBuf::from(format!("{}.aside", path.display()));
    format!("mv {} {}", doctor::word(path), doctor::word(&aside))
}

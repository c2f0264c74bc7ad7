//! `demo`: a throw-away gate, one call of each kind, and the proof that the record holds. No network.

mod home;
mod story;

use std::path::PathBuf;

use clap::Args;
use latchgate_client::Endpoint;
use latchgate_daemon::verify::{VerifyOptions, run as verify};
use latchgate_daemon::{Logs, Manner, Running, StartOptions};
use owo_colors::OwoColorize as _;
use serde_json::json;

use super::{together, up};
use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::render::facts::Facts;
use crate::{visible, wait};
use home::DemoHome;
use story::Scene;

const EXAMPLES: &str = "\
Examples:
  latchgate demo
  latchgate demo --keep ./demo-home";

/// See a call allowed, one denied and one approved, and verify the record of it
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Demo {
    /// Leave the gate's home in this directory, which must be new or empty
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

impl Demo {
    pub fn run(self, console: &Console) -> Result<Exit, Failure> {
        latchgate_daemon::install(Logs::Watched).map_err(|error| Failure::new(Exit::Failed, error))?;
        let home = DemoHome::make(self.keep)?;
        together(async {
            if !console.is_json() {
                console.result(&format!(
                    "{}\n",
                    "a gate of its own, three calls, and what is on record".bold()
                ))?;
            }
            let running = wait::show(console, "starting a gate", start(&home)).await?;
            let told = story::tell(console, &endpoint(&home), &home).await;
            // In order whatever happened: what is verified is a ledger that was closed.
            let stopped = running.stop("demo").await;
            let scenes = told?;
            stopped.map_err(|error| deviation("the gate to close its ledger", &error))?;
            let record = check_record(&home)?;
            finish(console, &home, &scenes, &record)
        })
    }
}

/// What the verification found.
struct Record {
    entries: u64,
    key: String,
}

async fn start(home: &DemoHome) -> Result<Running, Failure> {
    let root = home.files().to_owned();
    up::start(StartOptions {
        places: home.places().clone(),
        manner: Manner::Up { fallback_root: root.clone(), preset: None },
        root: Some(root),
        expose_http: None,
        passphrase: None,
    })
    .await
}

fn endpoint(home: &DemoHome) -> Endpoint {
    Endpoint::new(home.places().agent_socket(), home.places().admin_socket())
}

/// As anybody with the public key would.
fn check_record(home: &DemoHome) -> Result<Record, Failure> {
    let options = VerifyOptions {
        dir: home.places().ledger_dir(),
        key: Some(home.places().entry_public_key()),
        checkpoints: vec![home.places().last_checkpoint()],
        since: None,
        payload_key: None,
    };
    let report = verify(&options, &|_| {})
        .map_err(|error| deviation("a ledger that can be verified", &error.to_string()))?;
    if let Some(finding) = report.findings.first() {
        return Err(deviation("a ledger without findings", &finding.message));
    }
    if !report.pinned || report.checkpoint_size != Some(report.entries) {
        return Err(deviation("a checkpoint over every entry, under the gate's key", "less than that"));
    }
    Ok(Record { entries: report.entries, key: report.key.unwrap_or_default() })
}

fn finish(console: &Console, home: &DemoHome, scenes: &[Scene], record: &Record) -> Result<Exit, Failure> {
    if console.is_json() {
        console.json(&json!({
            "scenes": scenes,
            "entries": record.entries,
            "verified": true,
            "key": record.key,
            "kept": home.kept(),
        }))?;
        return Ok(Exit::Done);
    }
    let mut facts = Facts::default();
    facts
        .line("the record".bold().to_string())
        .add("ledger", format!("{} entries, every one signed, all under one checkpoint", record.entries))
        .add("verified", "signatures, tree, checkpoints and meaning agree".green().to_string());
    match home.kept() {
        Some(dir) => {
            let dir = visible::styled(&dir.display().to_string());
            let key = visible::styled(&home.places().entry_public_key().display().to_string());
            facts.add("kept", &dir).add("next", format!("latchgate verify {dir} --key {key}"));
        }
        None => {
            facts.add("next", "latchgate up");
        }
    }
    console.result(&facts.render())?;
    Ok(Exit::Done)
}

/// What should have happened, and what did instead.
fn deviation(expected: &str, found: &str) -> Failure {
    Failure::new(Exit::Failed, format!("the demo expected {expected}, found: {found}"))
        .remedy("this gate does not work as it should; please report it with the lines above")
}

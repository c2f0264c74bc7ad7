//! `up`: a gate for the user who types it, with everything it needs made on first use.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use clap::Args;
use latchgate_daemon::{Places, Running, StartError, Summary, UpOptions};
use owo_colors::OwoColorize as _;
use serde::{Deserialize, Serialize};

use super::together;
use crate::connect;
use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::render::facts::Facts;
use crate::visible::styled;
use crate::when;

const EXAMPLES: &str = "\
Examples:
  latchgate up                      in the foreground, file actions below this directory
  latchgate up --root ~/project --detach";

/// Run a gate; the first time, make its home, keys, a local operator and a safe policy
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Up {
    /// The directory that file actions see [default: `fs.root` of the configuration, else this directory]
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Run in the background; returns when the gate takes calls
    #[arg(long)]
    detach: bool,
    /// Set by --detach for the process in the background: announce the start on stdout, then let go of the terminal
    #[arg(long, hide = true)]
    announce: bool,
}

impl Up {
    pub fn run(self, console: &Console) -> Result<Exit, Failure> {
        if self.detach { self.in_background(console) } else { self.in_foreground(console) }
    }

    fn in_foreground(self, console: &Console) -> Result<Exit, Failure> {
        latchgate_daemon::install().map_err(|error| Failure::new(Exit::Failed, error))?;
        if self.announce {
            // Fails only for the leader of a process group, which a child just started is not.
            rustix::process::setsid().map_err(std::io::Error::from)?;
        }
        together(async {
            let running = start(options(connect::places()?, self.root)?).await?;
            let started = Started::of(running.summary());
            if self.announce {
                release_terminal(&started)?;
            } else {
                started.show(console)?;
            }
            let stopped = running.wait().await;
            stopped.map_err(|error| {
                Failure::new(Exit::Failed, error).remedy("the next start recovers the ledger")
            })?;
            if !self.announce {
                console.note("stopped: the ledger is closed");
            }
            Ok(Exit::Done)
        })
    }

    /// Starts ourselves again in a session of our own. Errors of the child go to our stderr; its announcement ends our
    /// waiting.
    fn in_background(self, console: &Console) -> Result<Exit, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["up", "--announce"]);
        if let Some(root) = &self.root {
            command.arg("--root").arg(root);
        }
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        if line.is_empty() {
            let status = child.wait()?;
            let exit = if status.code() == Some(2) { Exit::Usage } else { Exit::Failed };
            return Err(Failure::new(exit, "the gate did not start in the background")
                .remedy("the reason stands above; `latchgate up` without --detach shows the same"));
        }
        let started: Started = serde_json::from_str(&line).map_err(std::io::Error::from)?;
        super::alone(async {
            let endpoint = latchgate_client::Endpoint::new(started.agent_socket.clone(), PathBuf::new());
            let ready = latchgate_client::PublicClient::new(&endpoint).ready().await?;
            if ready.status != "ready" {
                return Err(Failure::new(Exit::Failed, format!("the gate started and is {}", ready.status)));
            }
            started.show(console)?;
            Ok(Exit::Done)
        })
    }
}

/// Where this process stands is the root unless somebody says otherwise.
fn options(places: Places, root: Option<PathBuf>) -> Result<UpOptions, Failure> {
    let fallback_root = std::env::current_dir()?;
    let root = match root {
        Some(root) => Some(root.canonicalize().map_err(|error| {
            Failure::usage(format!("--root {}: {error}", root.display()))
                .remedy("give a directory that exists")
        })?),
        None => None,
    };
    Ok(UpOptions { places, root, fallback_root, expose_http: None })
}

/// Starts a gate in this process.
pub async fn start(options: UpOptions) -> Result<Running, Failure> {
    latchgate_daemon::start(options).await.map_err(|error| match &error {
        StartError::Config(_) | StartError::Root(_) => Failure::usage(error.to_string()),
        _ => Failure::new(Exit::Failed, error.to_string()),
    })
}

/// Says on stdout that we are up, and keeps no stream open that another process might wait for.
fn release_terminal(started: &Started) -> Result<(), Failure> {
    let null = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stderr(&null).map_err(std::io::Error::from)?;
    let announced = serde_json::to_string(started).map_err(std::io::Error::from)?;
    {
        use std::io::Write as _;
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "{announced}")?;
        stdout.flush()?;
    }
    rustix::stdio::dup2_stdout(&null).map_err(std::io::Error::from)?;
    Ok(())
}

/// What the start did, for people and machines.
#[derive(Debug, Serialize, Deserialize)]
struct Started {
    created: bool,
    home: PathBuf,
    boundary: String,
    root: PathBuf,
    actions: usize,
    agent_socket: PathBuf,
    operator: String,
    recovered_bytes: u64,
    recovered_to: Option<PathBuf>,
    unknown_outcomes: usize,
    clock_behind_ms: i64,
}

impl Started {
    fn of(summary: &Summary) -> Self {
        Self {
            created: summary.created,
            home: summary.home.clone(),
            boundary: summary.boundary.as_str().to_owned(),
            root: summary.root.clone(),
            actions: summary.actions,
            agent_socket: summary.agent_socket.clone(),
            operator: summary.operator.clone(),
            recovered_bytes: summary.recovered_bytes,
            recovered_to: summary.recovered_to.clone(),
            unknown_outcomes: summary.unknown_outcomes,
            clock_behind_ms: summary.clock_behind_ms,
        }
    }

    fn show(&self, console: &Console) -> Result<(), Failure> {
        for warning in self.warnings() {
            console.note(&format!("{} {warning}", "warning:".yellow().bold()));
        }
        if console.is_json() { console.json(self) } else { console.result(&self.lines()) }
    }

    /// Five lines: what there is, what it protects, what it shows, who decides, what to type.
    fn lines(&self) -> String {
        let path = |path: &PathBuf| styled(&path.display().to_string());
        let home = match self.created {
            true => format!("{} (made just now: keys, operator, policy)", path(&self.home)),
            false => path(&self.home),
        };
        let policy = match self.created {
            true => "policy `standard`: looking is allowed, changing waits for an approval".to_owned(),
            false => format!("policy in {}, {} actions", path(&self.home.join("policies")), self.actions),
        };
        let mut facts = Facts::default();
        facts
            .add("home", home)
            .add("boundary", boundary(&self.boundary))
            .add("root", format!("{} is what file actions see", path(&self.root)))
            .add("operator", format!("{}; {policy}", styled(&self.operator)))
            .add("next", "latchgate call fs_read '{\"path\":\"README.md\"}'".bold().to_string());
        facts.render()
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.recovered_bytes > 0 {
            let to = self.recovered_to.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
            warnings.push(format!(
                "{} bytes of a torn tail were cut from the ledger and kept in {to}",
                self.recovered_bytes
            ));
        }
        if self.unknown_outcomes > 0 {
            warnings.push(format!(
                "{} interrupted calls may have happened; see `latchgate audit --kind call.outcome`",
                self.unknown_outcomes
            ));
        }
        if self.clock_behind_ms > 0 {
            let behind = when::span(self.clock_behind_ms);
            warnings.push(format!(
                "the clock is {behind} behind the ledger's last entry: set it, calls are denied until then"
            ));
        }
        warnings
    }
}

/// The boundary in force, said honestly, with the way out.
fn boundary(name: &str) -> String {
    match name {
        "same-user" => "same-user: programs run as you can reach the gate's keys; run agents as another user to change that".into(),
        other => styled(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::stripped;

    fn started() -> Started {
        Started {
            created: true,
            home: "/h".into(),
            boundary: "same-user".into(),
            root: "/r".into(),
            actions: 5,
            agent_socket: "/h/run/gate.sock".into(),
            operator: "local".into(),
            recovered_bytes: 0,
            recovered_to: None,
            unknown_outcomes: 0,
            clock_behind_ms: 0,
        }
    }

    #[test]
    fn a_first_start_is_told_in_five_lines() {
        let expected = "\
home      /h (made just now: keys, operator, policy)
boundary  same-user: programs run as you can reach the gate's keys; run agents as another user to change that
root      /r is what file actions see
operator  local; policy `standard`: looking is allowed, changing waits for an approval
next      latchgate call fs_read '{\"path\":\"README.md\"}'";
        assert_eq!(stripped(&started().lines()), expected);
        assert!(started().warnings().is_empty());
    }

    #[test]
    fn a_later_start_names_where_the_policy_lies() {
        let lines = stripped(&Started { created: false, ..started() }.lines());
        assert!(lines.starts_with("home      /h\n"), "{lines}");
        assert!(lines.contains("operator  local; policy in /h/policies, 5 actions"), "{lines}");
    }

    #[test]
    fn what_was_recovered_is_a_warning_each() {
        let started = Started { recovered_bytes: 7, unknown_outcomes: 1, clock_behind_ms: 5000, ..started() };
        assert_eq!(started.warnings().len(), 3);
    }
}

//! `up`: a gate for the user who types it, with everything it needs made on first use.

mod held;
mod started;

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{self, Stdio};

use clap::Args;
use latchgate_daemon::secrets::{Protection, offline};
use latchgate_daemon::{
    Logs, Manner, Passphrase, Places, Preset, Running, Signals, StartError, StartOptions,
};
use zeroize::Zeroizing;

use super::{presets, together};
use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::keys;
use held::Teller;
use started::Started;
use tokio::sync::watch;

const EXAMPLES: &str = "\
Examples:
  latchgate up                      in the foreground, file actions below this directory
  latchgate up --root ~/project --detach
  latchgate up --preset read-only   the first time: another policy than `standard`
  latchgate up --expose-http 127.0.0.1:3000";

/// Run a gate; the first time, make its home, keys, a local operator and a safe policy
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Up {
    /// The directory that file actions see [default: `fs.root` of the configuration, else this directory]
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// The policy that a new home gets: a name from `latchgate presets` [default: standard]
    #[arg(long, value_name = "NAME", value_parser = presets::parse)]
    preset: Option<Preset>,
    /// Take agents' calls on this loopback address and port too, such as 127.0.0.1:3000
    #[arg(long, value_name = "ADDR")]
    expose_http: Option<SocketAddr>,
    /// Run in the background; returns when the gate takes calls
    #[arg(long)]
    detach: bool,
    /// Set by --detach for the process in the background: announce the start on stdout, then let go of the terminal
    #[arg(long, hide = true)]
    announce: bool,
    /// Set by --detach where somebody typed the passphrase of the secrets: it comes on stdin
    #[arg(long, hide = true)]
    passphrase_stdin: bool,
}

impl Up {
    pub fn run(self, console: &Console) -> Result<Exit, Failure> {
        if self.detach { self.in_background(console) } else { self.in_foreground(console) }
    }

    fn in_foreground(self, console: &Console) -> Result<Exit, Failure> {
        latchgate_daemon::install(Logs::Watched).map_err(|error| Failure::new(Exit::Failed, error))?;
        if self.announce {
            // Fails only for the leader of a process group, which a child just started is not.
            rustix::process::setsid().map_err(std::io::Error::from)?;
        }
        together(async {
            let signals = Signals::install().map_err(|error| Failure::new(Exit::Failed, error))?;
            let running = start(self.options(own_places()?)?).await?;
            let started = Started::of(running.summary());
            if self.announce {
                release_terminal(&started)?;
            } else {
                started.show(console)?;
            }
            let (end, ended) = watch::channel(());
            let telling = (!self.announce && console.is_interactive() && console.is_watched()).then(|| {
                let agent_socket = running.summary().agent_socket.clone();
                let teller = Teller { console: *console, held: running.held_calls(), agent_socket };
                tokio::spawn(teller.announce(ended))
            });
            let stopped = running.wait(signals).await;
            drop(end);
            if let Some(telling) = telling {
                telling.await.map_err(std::io::Error::from)?;
            }
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
        let mut command = process::Command::new(std::env::current_exe()?);
        command.args(["up", "--announce"]).args(self.passed_on());
        let passphrase = typed_passphrase(&own_places()?)?;
        let stdin = if passphrase.is_some() { Stdio::piped() } else { Stdio::null() };
        command.args(passphrase.as_ref().map(|_| "--passphrase-stdin"));
        let mut child = command.stdin(stdin).stdout(Stdio::piped()).spawn()?;
        if let (Some(passphrase), Some(mut stdin)) = (passphrase, child.stdin.take()) {
            stdin.write_all(passphrase.0.as_bytes())?;
        }
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

    fn passphrase(&self, places: &Places) -> Result<Option<Passphrase>, Failure> {
        if !self.passphrase_stdin {
            return typed_passphrase(places);
        }
        let mut line = Zeroizing::new(String::new());
        std::io::stdin().read_line(&mut line)?;
        Ok(Some(Passphrase(Zeroizing::new(line.trim_end_matches('\n').to_owned()))))
    }

    /// What the process in the background is told of our command line.
    fn passed_on(&self) -> Vec<OsString> {
        let root = self.root.as_ref().map(|root| ["--root".into(), root.into()]);
        let preset = self.preset.map(|preset| ["--preset".into(), preset.name.into()]);
        let expose = self.expose_http.map(|address| ["--expose-http".into(), address.to_string().into()]);
        [root, preset, expose].into_iter().flatten().flatten().collect()
    }

    /// Where this process stands is the root unless somebody says otherwise.
    fn options(&self, places: Places) -> Result<StartOptions, Failure> {
        let manner = Manner::Up { fallback_root: std::env::current_dir()?, preset: self.preset };
        let root = self.root.as_ref().map(|root| canonical_root(root)).transpose()?;
        let passphrase = self.passphrase(&places)?;
        Ok(StartOptions { places, manner, root, expose_http: self.expose_http, passphrase })
    }
}

/// What the secrets' identity asks for, if nothing but a person can say it.
fn typed_passphrase(places: &Places) -> Result<Option<Passphrase>, Failure> {
    let is_sealed = offline::protection(places).is_ok_and(|found| found == Protection::Passphrase);
    if !is_sealed || offline::passphrase_file(places).is_some() {
        return Ok(None);
    }
    keys::of_secrets(&places.secrets_identity(), None).map(|typed| Some(Passphrase(typed)))
}

/// What `--root` names, as it lies on the disk.
pub fn canonical_root(root: &Path) -> Result<PathBuf, Failure> {
    root.canonicalize().map_err(|error| {
        Failure::usage(format!("--root {}: {error}", root.display())).remedy("give a directory that exists")
    })
}

/// What `--home` names.
pub fn at_home(home: &Path) -> Result<Places, Failure> {
    Ok(Places::at_home(&std::path::absolute(home)?))
}

/// The home of the user who types.
fn own_places() -> Result<Places, Failure> {
    Places::find().map_err(|error| Failure::usage(error.to_string()))
}

/// Starts a gate in this process.
pub async fn start(options: StartOptions) -> Result<Running, Failure> {
    latchgate_daemon::start(options).await.map_err(|error| match &error {
        StartError::Config(_)
        | StartError::NoConfig(_)
        | StartError::Group(_)
        | StartError::Root(_)
        | StartError::Preset(_) => Failure::usage(error.to_string()),
        _ => Failure::new(Exit::Failed, error.to_string()),
    })
}

/// Says on stdout that we are up, and keeps no stream open that another process might wait for.
fn release_terminal(started: &Started) -> Result<(), Failure> {
    let null = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stderr(&null).map_err(std::io::Error::from)?;
    let announced = serde_json::to_string(started).map_err(std::io::Error::from)?;
    {
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "{announced}")?;
        stdout.flush()?;
    }
    rustix::stdio::dup2_stdout(&null).map_err(std::io::Error::from)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::{Cli, Command};

    #[test]
    fn the_process_in_the_background_is_told_everything() {
        let up = |args: &[&str]| {
            let line = ["latchgate", "up"].iter().chain(args);
            match Cli::try_parse_from(line).unwrap().command {
                Command::Up(up) => up,
                other => panic!("{other:?}"),
            }
        };
        let args = ["--root", "/r", "--preset", "coding", "--expose-http", "127.0.0.1:3000"];
        assert_eq!(up(&args).passed_on(), args);
        assert!(up(&["--detach"]).passed_on().is_empty());
    }
}

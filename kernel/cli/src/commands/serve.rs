//! `serve`: a gate for production. What was not configured is refused, nobody is asked, and the log goes to stderr as JSON.

use std::path::PathBuf;

use clap::Args;
use latchgate_daemon::{Logs, Manner, Places, Signals, StartOptions};

use super::{together, up};
use crate::exit::{Exit, Failure};

const EXAMPLES: &str = "\
Examples:
  latchgate serve --config /etc/latchgate/latchgate.toml
  latchgate serve --home /srv/gate

`latchgate init` writes what it needs. With --config, manifests, policies and
operators lie beside the file; state and sockets lie in /var/lib/latchgate and
/run/latchgate, or below LATCHGATE_HOME where that is set. With socket.group
set, the members of that group may call, and the boundary is `service`.";

/// Run a gate for production: explicit configuration, no prompts, JSON logs on stderr
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
#[group(id = "place", required = true, multiple = false)]
pub struct Serve {
    /// The configuration file, an absolute path
    #[arg(long, value_name = "FILE", group = "place")]
    config: Option<PathBuf>,
    /// The directory that everything lies in
    #[arg(long, value_name = "DIR", group = "place")]
    home: Option<PathBuf>,
}

impl Serve {
    pub fn run(self) -> Result<Exit, Failure> {
        latchgate_daemon::install(Logs::Json).map_err(|error| Failure::new(Exit::Failed, error))?;
        let places = self.places()?;
        together(async {
            let options = StartOptions {
                places,
                manner: Manner::Serve,
                root: None,
                expose_http: None,
                passphrase: None,
            };
            let signals = Signals::install().map_err(|error| Failure::new(Exit::Failed, error))?;
            let running = up::start(options).await?;
            running.summary().log();
            let stopped = running.wait(signals).await;
            stopped.map_err(|error| {
                Failure::new(Exit::Failed, error).remedy("the next start recovers the ledger")
            })?;
            Ok(Exit::Done)
        })
    }

    fn places(&self) -> Result<Places, Failure> {
        let places = match (&self.config, &self.home) {
            (Some(file), _) => Places::with_config(file),
            (None, Some(home)) => up::at_home(home)?.checked(),
            (None, None) => return Err(Failure::usage("expected --config FILE or --home DIR")),
        };
        places.map_err(|error| Failure::usage(error.to_string()))
    }
}

//! `init`: writes what a gate needs, and starts none.

use std::path::PathBuf;

use clap::Args;
use latchgate_daemon::{InitOptions, Initialised, Places, Preset, StartError};
use serde_json::json;

use super::{presets, up};
use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::render::facts::Facts;
use crate::visible::styled;

const EXAMPLES: &str = "\
Examples:
  latchgate init
  latchgate init --home /srv/gate --root /srv/project --preset coding
  sudo -u latchgate latchgate init --service --root /srv/project

--service takes what exists already: a user for the gate, who is a member of
the agents' group, and /etc/latchgate and /var/lib/latchgate, which are that
user's own.";

/// The group of --service unless --group names another.
const AGENTS_GROUP: &str = "latchgate-agents";

/// Write a new home (configuration, policy, an operator's key) without starting a gate
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Init {
    /// The directory that everything shall lie in [default: LATCHGATE_HOME, else the user's own directories]
    #[arg(long, value_name = "DIR", conflicts_with = "service")]
    home: Option<PathBuf>,
    /// For a service of this machine: /etc/latchgate, /var/lib/latchgate and /run/latchgate
    #[arg(long)]
    service: bool,
    /// The policy to begin with: a name from `latchgate presets`
    #[arg(long, value_name = "NAME", value_parser = presets::parse, default_value = "standard")]
    preset: Preset,
    /// The directory that file actions shall see
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// The group whose members may call [default with --service: latchgate-agents]
    #[arg(long, value_name = "GROUP")]
    group: Option<String>,
}

impl Init {
    pub fn run(self, console: &Console) -> Result<Exit, Failure> {
        let places = self.places()?;
        let root = self.root.as_ref().map(|root| up::canonical_root(root)).transpose()?;
        let group = self.group.clone().or_else(|| self.service.then(|| AGENTS_GROUP.to_owned()));
        let is_served = self.service || group.is_some();
        let options = InitOptions { places, preset: self.preset, root, group };
        let made = latchgate_daemon::init(options).map_err(|error| self.failure(&error))?;
        let next = match (self.service, is_served, &self.home) {
            (true, ..) => format!("latchgate serve --config {}", made.places.config_file().display()),
            (false, true, _) => format!("latchgate serve --home {}", made.places.config_dir.display()),
            (false, false, Some(home)) => format!("LATCHGATE_HOME={} latchgate up", home.display()),
            (false, false, None) => "latchgate up".to_owned(),
        };
        if console.is_json() {
            console.json(&document(&made, &next))?;
        } else {
            console.result(&sheet(&made, &next))?;
        }
        Ok(Exit::Done)
    }

    fn places(&self) -> Result<Places, Failure> {
        let places = match (&self.home, self.service, std::env::var_os("LATCHGATE_HOME")) {
            (Some(home), ..) => up::at_home(home)?.checked(),
            (None, true, None) => Places::service().checked(),
            (None, ..) => Places::find(),
        };
        places.map_err(|error| Failure::usage(error.to_string()))
    }

    fn failure(&self, error: &StartError) -> Failure {
        let failure = Failure::new(Exit::Failed, error.to_string());
        match error {
            StartError::Exists(_) => {
                Failure::usage(error.to_string()).remedy("name another place with --home")
            }
            StartError::Group(_) | StartError::Root(_) => Failure::usage(error.to_string()),
            StartError::File(_) if self.service => failure.remedy(
                "as root: useradd --system latchgate; usermod -aG latchgate-agents latchgate; \
                 install -d -m 0700 -o latchgate /etc/latchgate /var/lib/latchgate",
            ),
            _ => failure,
        }
    }
}

fn document(made: &Initialised, next: &str) -> serde_json::Value {
    json!({
        "config_file": made.places.config_file(),
        "policies": made.places.policies_dir(),
        "preset": made.preset.map(|preset| preset.name),
        "operator": made.operator,
        "operator_key": made.operator_key,
        "next": next,
    })
}

fn sheet(made: &Initialised, next: &str) -> String {
    let path = |path: PathBuf| styled(&path.display().to_string());
    let policy = match made.preset {
        Some(preset) => format!("`{}` in {}", preset.name, path(made.places.policies_dir())),
        None => format!("what lay in {}", path(made.places.policies_dir())),
    };
    let mut facts = Facts::default();
    facts
        .add("config", path(made.places.config_file()))
        .add("policy", policy)
        .add("operator", format!("{}, with the key {}", made.operator, path(made.operator_key.clone())))
        .add("next", styled(next));
    facts.render()
}

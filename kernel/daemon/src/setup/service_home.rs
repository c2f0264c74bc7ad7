//! What a service's home begins with: a configuration that opens the agents' socket to a group, a policy, an operator.
//!
//! What is there already stays as it is, so this can be done again and after a package has laid out the files.

use std::path::PathBuf;

use latchgate_monitor::ports::Clock as _;

use crate::clock::GateClock;
use crate::config::template_with;
use crate::home::files::{create_private, private_dir};
use crate::home::places::Places;
use crate::people::operators::{LOCAL, Operators};
use crate::setup::builtin::Preset;
use crate::setup::presets;
use crate::setup::start::StartError;
use crate::world::OsEntropy;

/// Whether keys are made: a package holds none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstOperator {
    Made,
    LeftOut,
}

/// Makes what is missing, by the user who will run the gate; the files that were made.
///
/// # Errors
/// If something is there that others could read or replace.
pub fn prepare(places: &Places, group: &str, operator: FirstOperator) -> Result<Vec<PathBuf>, StartError> {
    let mut made = Vec::new();
    for dir in [&places.config_dir, &places.state_dir, &places.manifests_dir(), &places.policies_dir()] {
        private_dir(dir)?;
    }
    if let Some(preset) = presets::put(places, Preset::STANDARD)? {
        made.push(places.policies_dir().join(preset.file_name()));
    }
    let key = places.operator_key(LOCAL);
    if operator == FirstOperator::Made && !key.exists() {
        private_dir(&places.keys_dir())?;
        Operators::load(places, &OsEntropy, GateClock::start().now().as_secs())?;
        made.extend(key.exists().then_some(key));
    }
    // Last: its presence says that the home is whole.
    let config = places.config_file();
    if !config.exists() {
        create_private(&config, template_with(&[("socket.group", group)]).as_bytes())?;
        made.push(config);
    }
    Ok(made)
}

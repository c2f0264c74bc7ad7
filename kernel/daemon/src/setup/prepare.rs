//! Before a start: the configuration in force, and the directories of the home as they must be.

use std::path::PathBuf;

use crate::config::{Environment, Given, Resolved, template};
use crate::home::files::{check_owned_file, check_passage, create_private, private_dir};
use crate::home::group::Gid;
use crate::home::places::Places;
use crate::http::listen::Access;
use crate::people::operators::Operators;
use crate::setup::builtin::Preset;
use crate::setup::presets;
use crate::setup::start::StartError;

/// How a gate is started.
#[derive(Clone, Debug)]
pub enum Manner {
    /// By a user for themselves: what a home lacks is made.
    Up {
        /// The root of file actions if nobody names one: where the gate was started.
        fallback_root: PathBuf,
        /// The policy of a new home, and of no other.
        preset: Option<Preset>,
    },
    /// For production: configuration, policy and operators must be there; only state is made.
    Serve,
}

/// A home that a gate can be started on.
pub struct Prepared {
    pub resolved: Resolved,
    /// Who may connect to the agents' socket.
    pub access: Access,
    /// There was no home before.
    pub is_new: bool,
    /// The policy that a new home got.
    pub preset: Option<Preset>,
}

/// # Errors
/// What is missing, wrong or open to others; nothing was started.
pub fn prepare(places: &Places, manner: &Manner, given: &[Given]) -> Result<Prepared, StartError> {
    let is_new = !places.config_file().exists();
    if is_new && matches!(manner, Manner::Serve) {
        return Err(StartError::NoConfig(places.config_file()));
    }
    let resolved = Resolved::load(&places.config_file(), &Environment::of_process(), given)?;
    let access = match &resolved.config.socket.group {
        Some(group) => Access::Group(Gid::of(group).map_err(|error| StartError::Group(error.to_string()))?),
        None => Access::Private,
    };
    let preset = match manner {
        Manner::Up { preset, .. } => {
            if let Some(preset) = preset {
                presets::check(places, *preset, is_new).map_err(StartError::Preset)?;
            }
            directories(places, access)?;
            if is_new { new_home(places, preset.unwrap_or(Preset::STANDARD), &template())? } else { None }
        }
        Manner::Serve => {
            explicit(places, &resolved)?;
            directories(places, access)?;
            None
        }
    };
    check_owned_file(&places.config_file())?;
    Ok(Prepared { resolved, access, is_new, preset })
}

/// Writes policy and configuration of a new home; says which policy it got.
pub fn new_home(places: &Places, preset: Preset, config: &str) -> Result<Option<Preset>, StartError> {
    let given = presets::put(places, preset)?;
    // Last: its presence says that the home is whole.
    create_private(&places.config_file(), config.as_bytes())?;
    Ok(given)
}

/// The directories of a home but that of the agents' socket, which is made with the socket.
pub fn directories(places: &Places, access: Access) -> Result<(), StartError> {
    match access {
        Access::Group(_) if places.is_one_directory() => check_passage(&places.config_dir)?,
        Access::Group(_) | Access::Private => private_dir(&places.config_dir)?,
    }
    for dir in [&places.state_dir, &places.manifests_dir(), &places.policies_dir()] {
        private_dir(dir)?;
    }
    Ok(())
}

/// What production does not leave to chance.
fn explicit(places: &Places, resolved: &Resolved) -> Result<(), StartError> {
    if rustix::process::geteuid().is_root() && !resolved.config.gate.dangerous_root {
        return Err(StartError::AsRoot);
    }
    if !presets::has_policy(places) {
        return Err(StartError::NoPolicy(places.policies_dir()));
    }
    if !Operators::are_named(places) {
        return Err(StartError::NoOperator(places.operators_dir()));
    }
    Ok(())
}

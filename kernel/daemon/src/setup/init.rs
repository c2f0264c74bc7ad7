//! `init`: a home is written and nothing is started.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use crate::clock::GateClock;
use crate::config::template_with;
use crate::home::files::{FileError, private_dir};
use crate::home::group::Gid;
use crate::home::places::Places;
use crate::http::listen::Access;
use crate::people::operators::{LOCAL, Operators};
use crate::setup::builtin::Preset;
use crate::setup::prepare::{directories, new_home};
use crate::setup::start::StartError;
use crate::world::OsEntropy;
use latchgate_monitor::ports::Clock as _;

/// What a new home is to have.
#[derive(Clone, Debug)]
pub struct InitOptions {
    pub places: Places,
    pub preset: Preset,
    /// Becomes `fs.root`.
    pub root: Option<PathBuf>,
    /// Becomes `socket.group`.
    pub group: Option<String>,
}

/// What was written.
#[derive(Clone, Debug)]
pub struct Initialised {
    pub places: Places,
    /// `None` if a policy lay there already.
    pub preset: Option<Preset>,
    pub operator: String,
    /// The operator's private key.
    pub operator_key: PathBuf,
}

/// Writes configuration, policy and an operator.
///
/// # Errors
/// If there is a home already, or a value is none; an existing file is never changed.
pub fn init(options: InitOptions) -> Result<Initialised, StartError> {
    let InitOptions { places, preset, root, group } = options;
    if places.config_file().exists() {
        return Err(StartError::Exists(places.config_file()));
    }
    let gid = group.as_deref().map(Gid::of).transpose();
    let access =
        gid.map_err(|error| StartError::Group(error.to_string()))?.map_or(Access::Private, Access::Group);
    let root = root.map(|root| root.into_os_string().into_string());
    let root =
        root.transpose().map_err(|root| StartError::Root(format!("--root {} is no text", root.display())))?;
    let mut set = Vec::new();
    set.extend(root.as_deref().map(|root| ("fs.root", root)));
    set.extend(group.as_deref().map(|group| ("socket.group", group)));

    private_dir(&places.config_dir)?;
    if access != Access::Private && places.is_one_directory() {
        open_passage(&places)?;
    }
    directories(&places, access)?;
    private_dir(&places.keys_dir())?;
    Operators::load(&places, &OsEntropy, GateClock::start().now().as_secs())?;
    let preset = new_home(&places, preset, &template_with(&set))?;
    let operator_key = places.operator_key(LOCAL);
    Ok(Initialised { places, preset, operator: LOCAL.into(), operator_key })
}

/// Others may pass through to the socket, and see and open nothing else on the way.
fn open_passage(places: &Places) -> Result<(), FileError> {
    let path = places.config_dir.clone();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o711))
        .map_err(|source| FileError::Io { path, source })
}

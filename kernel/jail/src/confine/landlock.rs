//! Landlock: what may be written is said once more, in a layer that knows nothing of mounts, and signals and abstract sockets
//! stay inside.

use std::path::PathBuf;

use landlock::{
    ABI, Access as _, AccessFs, CompatLevel, Compatible as _, LandlockStatus, PathBeneath, PathFd,
    PathFdError, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetError, Scope,
};

/// The newest version whose rights this file was written for; of an older kernel's, what it has.
const NEWEST: ABI = ABI::V6;

/// What a device of the jail's own `/dev` is used for.
const DEVICES: &str = "/dev";

#[derive(Debug, thiserror::Error)]
pub(super) enum LandlockError {
    #[error(transparent)]
    Rules(#[from] RulesetError),
    #[error(transparent)]
    Path(#[from] PathFdError),
}

/// Reading and starting is allowed everywhere in the small root, changing below `writable` alone. The version in force; 0 where
/// the kernel has none.
pub(super) fn restrict(writable: &[PathBuf]) -> Result<u32, LandlockError> {
    let all = AccessFs::from_all(NEWEST);
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(all)?
        .scope(Scope::AbstractUnixSocket | Scope::Signal)?
        .create()?
        .add_rule(PathBeneath::new(PathFd::new("/")?, AccessFs::from_read(NEWEST)))?;
    let devices = AccessFs::ReadFile
        | AccessFs::ReadDir
        | AccessFs::WriteFile
        | AccessFs::IoctlDev
        | AccessFs::Truncate;
    rules = rules.add_rule(PathBeneath::new(PathFd::new(DEVICES)?, devices))?;
    for path in writable {
        let access = if path.is_dir() { all } else { all & AccessFs::from_file(NEWEST) };
        rules = rules.add_rule(PathBeneath::new(PathFd::new(path)?, access))?;
    }
    let status = rules.restrict_self()?;
    Ok(match status.landlock {
        LandlockStatus::Available { effective_abi, .. } => effective_abi as u32,
        LandlockStatus::NotEnabled | LandlockStatus::NotImplemented => 0,
    })
}

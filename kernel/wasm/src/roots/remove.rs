//! Removing a file that is still what the plan saw.

use latchgate_monitor::plan::{Before, FsStep};
use rustix::fs::AtFlags;
use rustix::io::Errno;

use super::Output;
use super::failure::{Failure, Kind};
use super::file::RegularFile;
use super::replace::{check_unchanged, open_directory, sync_directory};
use super::walk::Base;

pub(super) fn remove(base: &Base, step: &FsStep) -> Result<Output, Failure> {
    let Some(planned @ Before::File { .. }) = &step.before else {
        return Err(Failure::refused("the plan does not say what is removed"));
    };
    let parent = base.parent(&step.path)?;
    let dir = open_directory(&parent)?;
    let file = match RegularFile::open(&parent) {
        Err(failure) if failure.kind == Kind::NotFound => {
            return Err(Failure::changed(&step.path, "disappeared"));
        }
        opened => opened?,
    };
    check_unchanged(&parent, &file, planned)?;
    match rustix::fs::unlinkat(&parent.dir, parent.name, AtFlags::empty()) {
        Ok(()) => {}
        Err(Errno::NOENT) => return Err(Failure::changed(&step.path, "disappeared")),
        Err(error) => return Err(Failure::from_errno(&step.path, "remove", error)),
    }
    sync_directory(&parent, &dir)?;
    Ok(Output::Removed)
}

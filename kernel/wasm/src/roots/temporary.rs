//! The name of a write's temporary file: the gate's own below the root, and found again after a crash.
//!
//! The name follows from the call's salt, which is random, kept encrypted with the plan, and known to nobody else. So after a
//! crash the one file that an interrupted write may have left can be named, without a search; and no action sees, reads, writes
//! or removes a name of this form.

use std::fmt;

use latchgate_monitor::plan::{FsOperation, FsStep, Plan, Step};
use latchgate_wire::digest::{Digest, Salt};
use rustix::fs::{AtFlags, FileType};
use rustix::io::Errno;

use super::failure::Failure;
use super::replace::{open_directory, sync_directory};
use super::walk::Base;
use super::{RootError, Roots};

const PREFIX: &[u8] = b".latchgate-";
const SUFFIX: &[u8] = b".tmp";
const DIGITS: usize = 16;
/// Makes the name's digest another than any other digest of the call.
const PURPOSE: &[u8] = b"name of a temporary file";

/// `.latchgate-<16 hexadecimal digits>.tmp`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TemporaryName(String);

impl TemporaryName {
    /// Of the call with this salt. Its steps are performed one after another, so one name is enough.
    pub(crate) fn of_call(salt: &Salt) -> Self {
        let Digest(bytes) = Digest::salted(salt, PURPOSE);
        let digits: String = bytes.iter().take(DIGITS / 2).map(|byte| format!("{byte:02x}")).collect();
        Self(format!(".latchgate-{digits}.tmp"))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TemporaryName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// Whether a name is of the form that the gate keeps to itself.
pub(super) fn is_kept(name: &[u8]) -> bool {
    let digits = name.strip_prefix(PREFIX).and_then(|rest| rest.strip_suffix(SUFFIX));
    digits.is_some_and(|digits| {
        digits.len() == DIGITS && digits.iter().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(c))
    })
}

impl Roots {
    /// Removes what an interrupted call may have left behind; the paths of what there was. For calls that do not run any more.
    ///
    /// # Errors
    /// If the root cannot be used.
    pub fn remove_leftovers(&self, plan: &Plan, salt: &Salt) -> Result<Vec<String>, RootError> {
        let base = self.base()?;
        let name = TemporaryName::of_call(salt);
        let mut removed = Vec::new();
        for step in &plan.steps {
            match step {
                Step::Fs(step) if step.operation == FsOperation::Write => {
                    match remove_leftover(&base, step, &name) {
                        Ok(true) => removed.push(format!("{name} beside {}", step.path.as_str())),
                        Ok(false) => {}
                        Err(failure) => {
                            tracing::warn!(why = failure.message, "a temporary file stays behind");
                        }
                    }
                }
                Step::Fs(_) | Step::Http(_) => {}
            }
        }
        Ok(removed)
    }
}

/// Only a file that this gate can have made: regular, its own, with no other name.
fn remove_leftover(base: &Base, step: &FsStep, name: &TemporaryName) -> Result<bool, Failure> {
    let parent = base.parent(&step.path)?;
    let dir = open_directory(&parent)?;
    let failed = |error| Failure::from_errno(&step.path, "remove the temporary file of", error);
    let found = match rustix::fs::statat(&parent.dir, name.as_str(), AtFlags::SYMLINK_NOFOLLOW) {
        Ok(found) => found,
        Err(Errno::NOENT) => return Ok(false),
        Err(error) => return Err(failed(error)),
    };
    let is_own = found.st_uid == rustix::process::geteuid().as_raw();
    if !is_own || found.st_nlink > 1 || FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
        return Ok(false);
    }
    rustix::fs::unlinkat(&parent.dir, name.as_str(), AtFlags::empty()).map_err(failed)?;
    sync_directory(&parent, &dir)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_of_the_form_that_is_kept_and_each_calls_own() {
        let (one, other) = (TemporaryName::of_call(&Salt([1; 32])), TemporaryName::of_call(&Salt([2; 32])));
        assert!(is_kept(one.as_str().as_bytes()), "{one}");
        assert_ne!(one, other);
        assert_eq!(one, TemporaryName::of_call(&Salt([1; 32])));
    }

    #[test]
    fn other_names_are_not_kept() {
        for name in [
            ".latchgate-0123456789abcde.tmp",
            ".latchgate-0123456789abcdef0.tmp",
            ".latchgate-0123456789abcdeg.tmp",
            ".latchgate-0123456789ABCDEF.tmp",
            "latchgate-0123456789abcdef.tmp",
            ".latchgate-0123456789abcdef.tmp.old",
            ".latchgate-.tmp",
            "",
        ] {
            assert!(!is_kept(name.as_bytes()), "{name}");
        }
        assert!(is_kept(b".latchgate-0123456789abcdef.tmp"));
    }
}

//! The look at the file system while a plan is made.

use latchgate_monitor::plan::{Before, FsOperation, FsPath};
use latchgate_monitor::ports::{Probe, ProbeError};
use latchgate_wire::digest::Digest;

use super::failure::{Failure, Kind, shown};
use super::file::RegularFile;
use super::{RootError, Roots};

impl Probe for Roots {
    async fn content(&self, path: &FsPath, bytes_max: u64) -> Result<(Vec<u8>, Before), ProbeError> {
        let file = self.open_to_edit(path)?;
        file.check_size(bytes_max)?;
        if file.is_small() {
            return Ok(content(file, bytes_max)?);
        }
        match tokio::task::spawn_blocking(move || content(file, bytes_max)).await {
            Ok(found) => Ok(found?),
            Err(error) => Err(not_read(path, &error).into()),
        }
    }

    async fn look(&self, operation: FsOperation, path: &FsPath) -> Result<Option<Before>, ProbeError> {
        let look = self.open_to_look(operation, path)?;
        match look {
            Look::Nothing => Ok(None),
            Look::Absent => Ok(Some(Before::Absent)),
            Look::File(file) if file.is_small() => Ok(Some(file.before()?)),
            Look::File(file) => match tokio::task::spawn_blocking(move || file.before()).await {
                Ok(before) => Ok(Some(before?)),
                Err(error) => Err(not_read(path, &error).into()),
            },
        }
    }
}

/// What was read, and the digest of that and nothing else.
fn content(file: RegularFile, bytes_max: u64) -> Result<(Vec<u8>, Before), Failure> {
    let content = file.read(bytes_max)?;
    let before = Before::File { digest: Digest::of(&content), size: content.len() as u64 };
    Ok((content, before))
}

fn not_read(path: &FsPath, error: &tokio::task::JoinError) -> Failure {
    Failure::new(Kind::Failed, format!("{} was not read: {error}", shown(path)))
}

enum Look {
    Nothing,
    Absent,
    File(RegularFile),
}

impl Roots {
    /// A file that a write may replace, and that is there.
    fn open_to_edit(&self, path: &FsPath) -> Result<RegularFile, Failure> {
        match self.open_to_look(FsOperation::Write, path)? {
            Look::File(file) => Ok(file),
            Look::Absent | Look::Nothing => {
                Err(Failure::new(Kind::NotFound, format!("{} does not exist", shown(path))))
            }
        }
    }

    fn open_to_look(&self, operation: FsOperation, path: &FsPath) -> Result<Look, Failure> {
        let base = &*self.base()?;
        match operation {
            FsOperation::Read => RegularFile::open(&base.parent(path)?).map(|_| Look::Nothing),
            FsOperation::List | FsOperation::Search => base.directory(path).map(|_| Look::Nothing),
            FsOperation::Delete => RegularFile::open(&base.parent(path)?).map(Look::File),
            FsOperation::Write => {
                let parent =
                    base.parent(path).map_err(|failure| super::replace::without_parent(failure, path))?;
                match RegularFile::open(&parent) {
                    Ok(file) if file.has_other_names() => Err(super::replace::has_other_names(path)),
                    Ok(file) => Ok(Look::File(file)),
                    Err(failure) if failure.kind == Kind::NotFound => Ok(Look::Absent),
                    Err(failure) => Err(failure),
                }
            }
        }
    }
}

impl From<RootError> for ProbeError {
    fn from(error: RootError) -> Self {
        Self::Root { message: error.message, remediation: error.remediation }
    }
}

impl From<Failure> for ProbeError {
    fn from(failure: Failure) -> Self {
        match failure.kind {
            Kind::Root => {
                Self::Root { message: failure.message, remediation: failure.remediation.unwrap_or_default() }
            }
            Kind::Refused | Kind::NotFound | Kind::Changed | Kind::TooLarge | Kind::Failed => {
                let hint = failure.remediation.map(|hint| format!("; {hint}")).unwrap_or_default();
                Self::Target { message: failure.message + &hint }
            }
        }
    }
}

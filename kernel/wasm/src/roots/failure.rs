//! Why a file operation was not done, and whether it may have been done all the same. Messages name the path below the root.

use latchgate_monitor::plan::FsPath;
use latchgate_wire::receipt::EffectStatus;
use rustix::io::Errno;

use super::RootError;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    pub(crate) message: String,
    pub(crate) remediation: Option<String>,
    /// `None` but where the last act may have succeeded.
    pub(crate) effect: EffectStatus,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The root itself cannot be used.
    Root,
    /// A guard said no.
    Refused,
    NotFound,
    /// Not what the plan was made for.
    Changed,
    TooLarge,
    /// The file system did not do it.
    Failed,
}

impl Failure {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), remediation: None, effect: EffectStatus::None }
    }

    pub(super) fn refused(message: impl Into<String>) -> Self {
        Self::new(Kind::Refused, message)
    }

    pub(super) fn changed(path: &FsPath, what: &str) -> Self {
        let mut failure =
            Self::new(Kind::Changed, format!("{} {what} since the call was planned", shown(path)));
        failure.remediation = Some("look at it again and repeat the call".into());
        failure
    }

    pub(super) fn or_do(mut self, remediation: &str) -> Self {
        self.remediation = Some(remediation.into());
        self
    }

    /// The operation may have been done.
    pub(crate) fn unknown(mut self) -> Self {
        self.effect = EffectStatus::Unknown;
        self
    }

    /// What the kernel said while `path` was opened or changed.
    pub(super) fn from_errno(path: &FsPath, doing: &str, error: Errno) -> Self {
        let path = shown(path);
        match error {
            Errno::NOENT => Self::new(Kind::NotFound, format!("{path} does not exist")),
            Errno::LOOP => {
                Self::refused(format!("{path} is or contains a symbolic link; links are not followed"))
            }
            Errno::XDEV => {
                Self::refused(format!("{path} lies on another mount than the root; mounts are not entered"))
                    .or_do("make that directory the root")
            }
            Errno::NOTDIR => {
                Self::refused(format!("{path} is, or passes through, something that is no directory"))
            }
            Errno::ACCESS | Errno::PERM | Errno::ROFS => {
                Self::refused(format!("the gate may not {doing} {path}: {error}"))
                    .or_do("give the gate's user the permission")
            }
            error => Self::new(Kind::Failed, format!("cannot {doing} {path}: {error}")),
        }
    }
}

impl From<RootError> for Failure {
    fn from(error: RootError) -> Self {
        Self::new(Kind::Root, error.message).or_do(&error.remediation)
    }
}

/// The path as messages name it.
pub(super) fn shown(path: &FsPath) -> String {
    match path.as_str() {
        "" => "the root".into(),
        text => format!("`{text}`"),
    }
}

/// The kernel's error behind a standard one.
pub(super) fn errno(error: &std::io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

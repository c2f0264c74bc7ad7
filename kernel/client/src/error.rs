//! Why a request did not bring what was asked for, and what a person or a script should do about it.

use std::io;
use std::path::{Path, PathBuf};

use latchgate_wire::problem::{Code, Problem};
use latchgate_wire::receipt::EffectStatus;

use crate::endpoint::EndpointError;

/// What went wrong between us and the gate.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There is no place to look at.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// Somebody else could be listening there.
    #[error("the socket's directory {dir} {why}", dir = .dir.display())]
    Untrusted { dir: PathBuf, why: String, remedy: String },
    /// Nothing was sent: no effect.
    #[error("gate unreachable at {socket}: {why}", socket = .socket.display())]
    Unreachable { socket: PathBuf, why: String, remedy: String },
    /// The gate refused, or the call failed.
    #[error("{}", .0.detail)]
    Problem(Box<Problem>),
    /// The request was sent and no answer came.
    #[error("the gate's answer was lost: {0}")]
    AnswerLost(String),
    /// What the gate shows is not what its key signed.
    #[error("{0}")]
    Unproven(String),
    /// The gate's log is not the one that was seen before.
    #[error("the gate's ledger was rolled back or replaced: {why}")]
    RolledBack { why: String, remembered: PathBuf },
    /// What was asked for cannot be sent.
    #[error("{0}")]
    Input(String),
    /// The answer is not what the contract says.
    #[error("unexpected answer from the gate: {0}")]
    Protocol(String),
}

impl ClientError {
    /// The exit code of a command that ends with this error (contract: Exit codes).
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Endpoint(_) | Self::Input(_) => 2,
            Self::Untrusted { .. } | Self::Unreachable { .. } => 5,
            Self::Problem(problem) => exit_code_of(problem),
            Self::Unproven(_) | Self::RolledBack { .. } => 6,
            Self::AnswerLost(_) => 7,
            Self::Protocol(_) => 1,
        }
    }

    /// What to do about it, where there is something to say.
    pub fn remedy(&self) -> Option<String> {
        match self {
            Self::Endpoint(error) => Some(error.remedy()),
            Self::Untrusted { remedy, .. } | Self::Unreachable { remedy, .. } => Some(remedy.clone()),
            Self::Problem(problem) => problem.remediation.clone(),
            Self::AnswerLost(_) => {
                Some("the call may have happened: look at `latchgate audit` before it is repeated".into())
            }
            Self::Protocol(_) => Some("check that gate and client are of the same version".into()),
            Self::Unproven(_) => Some("check that the key is this gate's: its state/keys/entry.pub".into()),
            Self::RolledBack { remembered, .. } => {
                let remembered = remembered.display();
                Some(format!(
                    "stop the gate, keep {remembered} as evidence, and compare the ledger with your backup"
                ))
            }
            Self::Input(_) => None,
        }
    }

    /// The problem's code, if the gate answered with one that this version knows.
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Problem(problem) => problem.code(),
            _ => None,
        }
    }

    pub(crate) fn unreachable(socket: &Path, error: &io::Error) -> Self {
        let remedy = match error.kind() {
            io::ErrorKind::PermissionDenied => "ask whoever runs this gate to let your user in",
            _ => "start it with `latchgate up`",
        };
        let why = match error.kind() {
            io::ErrorKind::NotFound => "there is no socket".into(),
            io::ErrorKind::ConnectionRefused => "nothing listens".into(),
            io::ErrorKind::PermissionDenied => "no permission".into(),
            _ => error.to_string(),
        };
        Self::Unreachable { socket: socket.to_owned(), why, remedy: remedy.into() }
    }
}

fn exit_code_of(problem: &Problem) -> u8 {
    if problem.effect == EffectStatus::Unknown {
        return 7;
    }
    let Some(code) = problem.code() else { return 1 };
    match code {
        Code::PolicyDenied
        | Code::BudgetExhausted
        | Code::EgressDenied
        | Code::ScopeInsufficient
        | Code::Forbidden
        | Code::LeaseRevoked => 3,
        Code::BadRequest
        | Code::NotFound
        | Code::ActionNotFound
        | Code::IdempotencyMismatch
        | Code::AlreadyExists
        | Code::BodyTooLarge
        | Code::SchemaViolation
        | Code::InvalidTarget
        | Code::InvalidConfiguration
        | Code::LengthRequired
        | Code::HeadersTooLarge => 2,
        Code::OutcomeUnknown => 7,
        Code::MissingAuthHeader
        | Code::MissingDpopHeader
        | Code::InvalidLease
        | Code::LeaseExpired
        | Code::InvalidDpop
        | Code::InvalidOperatorToken
        | Code::ReplayDetected
        | Code::MethodNotAllowed
        | Code::RequestTimeout
        | Code::Conflict
        | Code::GrantConsumed
        | Code::ApprovalDecided
        | Code::RateLimited
        | Code::Internal
        | Code::ProviderFailed
        | Code::ActionFailed
        | Code::Unavailable
        | Code::SecretMissing
        | Code::Draining
        | Code::ProviderTimeout => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit_code(code: Code, effect: EffectStatus) -> u8 {
        ClientError::Problem(Box::new(Problem { effect, ..Problem::new(code, "x") })).exit_code()
    }

    #[test]
    fn each_kind_of_failure_has_its_exit_code() {
        assert_eq!(exit_code(Code::PolicyDenied, EffectStatus::None), 3);
        assert_eq!(exit_code(Code::SchemaViolation, EffectStatus::None), 2);
        assert_eq!(exit_code(Code::ProviderFailed, EffectStatus::None), 1);
        assert_eq!(exit_code(Code::ProviderTimeout, EffectStatus::Unknown), 7);
        assert_eq!(ClientError::AnswerLost("x".into()).exit_code(), 7);
    }

    #[test]
    fn a_gate_that_does_not_run_names_the_command_that_starts_it() {
        let error = ClientError::unreachable(Path::new("/r/gate.sock"), &io::ErrorKind::NotFound.into());
        assert_eq!(error.to_string(), "gate unreachable at /r/gate.sock: there is no socket");
        assert_eq!(error.remedy().as_deref(), Some("start it with `latchgate up`"));
        assert_eq!(error.exit_code(), 5);
    }
}

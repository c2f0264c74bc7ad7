//! How a command ends: its exit code, and what it says when it did not do what was asked.

use std::io;

use latchgate_client::ClientError;
use latchgate_wire::problem::{Code, Problem};
use serde_json::{Value, json};

/// Exit codes (contract: Binaries and commands). Scripts branch on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    Done = 0,
    Failed = 1,
    /// Wrong usage or invalid input.
    Usage = 2,
    Denied = 3,
    ApprovalPending = 4,
    Unreachable = 5,
    VerificationFailed = 6,
    /// It may have happened: a script must not retry.
    EffectUnknown = 7,
}

impl Exit {
    fn from_code(code: u8) -> Self {
        match code {
            0 => Self::Done,
            2 => Self::Usage,
            3 => Self::Denied,
            4 => Self::ApprovalPending,
            5 => Self::Unreachable,
            6 => Self::VerificationFailed,
            7 => Self::EffectUnknown,
            _ => Self::Failed,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::Denied => "denied",
            Self::ApprovalPending => "approval_pending",
            Self::Unreachable => "unreachable",
            Self::VerificationFailed => "verification_failed",
            Self::EffectUnknown => "effect_unknown",
        }
    }
}

/// Why a command did not do what was asked: one line what, one line what helps.
#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    pub what: String,
    pub remedy: Option<String>,
    problem: Option<Box<Problem>>,
}

impl Failure {
    pub fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), remedy: None, problem: None }
    }

    pub fn usage(what: impl Into<String>) -> Self {
        Self::new(Exit::Usage, what)
    }

    #[must_use]
    pub fn remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }

    /// What `--json` prints in place of a result: the gate's problem document, or one made like it.
    pub fn document(&self) -> Value {
        if let Some(problem) = &self.problem {
            return json!(problem);
        }
        let mut document = json!({ "error": self.exit.word(), "detail": self.what });
        if let (Some(members), Some(remedy)) = (document.as_object_mut(), &self.remedy) {
            members.insert("remediation".into(), remedy.as_str().into());
        }
        document
    }

    /// Whether somebody closed our output, as `| head` does. Nothing is wrong then.
    pub fn is_closed_output(&self) -> bool {
        self.exit == Exit::Done
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::new(Exit::Done, "the output was closed"),
            _ => Self::new(Exit::Failed, error.to_string()),
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let exit = Exit::from_code(error.exit_code());
        let remedy = error.remedy();
        match error {
            ClientError::Problem(problem) => Self::from(*problem),
            other => Self { exit, what: other.to_string(), remedy, problem: None },
        }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        let error = ClientError::Problem(Box::new(problem.clone()));
        let mut what = format!("{}: {}", problem.error, problem.detail);
        if let Some(reason) = problem.deny_reason.as_ref().filter(|reason| **reason != problem.detail) {
            what = format!("{what} ({reason})");
        }
        if let Some(pointer) = &problem.pointer {
            what = format!("{what} (at {pointer})");
        }
        let remedy =
            own_remedy(&problem).or_else(|| problem.remediation.clone()).or_else(|| record(&problem));
        let exit = Exit::from_code(error.exit_code());
        Self { exit, what, remedy, problem: Some(Box::new(problem)) }
    }
}

/// Where a command of ours helps better than the route that the gate names.
fn own_remedy(problem: &Problem) -> Option<String> {
    match problem.code()? {
        Code::SchemaViolation => Some("`latchgate actions show ACTION` prints the arguments it takes".into()),
        Code::ActionNotFound => Some("`latchgate actions list` prints what there is".into()),
        Code::ApprovalDecided => Some("`latchgate approvals list --all` shows how it ended".into()),
        _ => None,
    }
}

/// The next step where nobody names one.
fn record(problem: &Problem) -> Option<String> {
    problem.trace_id.map(|id| format!("`latchgate audit --id {id}` shows what was recorded"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use latchgate_wire::receipt::EffectStatus;

    #[test]
    fn a_refusal_keeps_the_gates_own_words_and_document() {
        let mut problem = Problem::new(Code::PolicyDenied, "policy does not permit this call");
        problem.deny_reason = Some("secrets stay here".into());
        problem.remediation = Some("ask the operator".into());
        let failure = Failure::from(problem.clone());
        assert_eq!(failure.exit, Exit::Denied);
        assert_eq!(failure.what, "policy_denied: policy does not permit this call (secrets stay here)");
        assert_eq!(failure.remedy.as_deref(), Some("ask the operator"));
        assert_eq!(failure.document(), json!(problem));
    }

    #[test]
    fn an_unknown_effect_has_an_exit_code_of_its_own() {
        let problem = Problem { effect: EffectStatus::Unknown, ..Problem::new(Code::ProviderTimeout, "x") };
        assert_eq!(Failure::from(problem).exit, Exit::EffectUnknown);
    }

    #[test]
    fn a_failure_of_our_own_has_a_document_too() {
        let failure = Failure::usage("no").remedy("yes");
        assert_eq!(failure.document(), json!({"error": "usage", "detail": "no", "remediation": "yes"}));
    }
}

//! The invocation: what the host tells a guest about the call and its plan.

use serde::Deserialize;
use serde_json::Value;

/// One call, as planned by the host.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Invocation {
    /// The manifest's `action_id`.
    pub action_id: String,
    /// The arguments, validated and with defaults applied.
    pub args: Value,
    /// The plan's steps in order. A step is performed by its index, through the interface of its kind.
    pub steps: Vec<Step>,
}

/// What one step of the plan will do. Headers, bodies and secrets stay with the host.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Step {
    /// Performed with [`crate::http::perform`].
    Http { method: String, url: String },
    /// Performed with [`crate::fs::perform`]. `path` is relative to the action's root.
    Fs { operation: FsOperation, path: String },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FsOperation {
    Read,
    List,
    Write,
    Delete,
    Search,
}

impl Invocation {
    /// Members this SDK does not know are ignored, so that a newer host can say more; a kind of step or an
    /// operation it does not know is an error, because the guest could not perform it.
    pub(crate) fn parse(json: &str) -> Result<Self, String> {
        serde_json::from_str(json).map_err(|error| format!("invocation not understood: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(json: &str) -> Result<Vec<Step>, String> {
        Invocation::parse(&format!(r#"{{"action_id":"a","args":{{"n":1}},"steps":{json}}}"#))
            .map(|invocation| invocation.steps)
    }

    #[test]
    fn http_and_fs_steps_are_read() {
        let expected = vec![
            Step::Http { method: "GET".to_owned(), url: "https://example.com/".to_owned() },
            Step::Fs { operation: FsOperation::Delete, path: "a/b".to_owned() },
        ];
        let json = r#"[{"kind":"http","method":"GET","url":"https://example.com/"},
                       {"kind":"fs","operation":"delete","path":"a/b"}]"#;
        assert_eq!(steps(json), Ok(expected));
    }

    #[test]
    fn members_of_a_newer_host_are_ignored() {
        let json = r#"[{"kind":"fs","operation":"read","path":"a","page":2}]"#;
        assert!(steps(json).is_ok());
    }

    #[test]
    fn unknown_kinds_and_operations_are_errors() {
        for json in [r#"[{"kind":"sql","query":"x"}]"#, r#"[{"kind":"fs","operation":"chmod","path":"a"}]"#] {
            assert!(steps(json).is_err(), "{json}");
        }
    }
}

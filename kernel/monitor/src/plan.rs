//! The plan of a call: what will be done, built by the host from manifest and arguments before policy is asked.
//!
//! A held plan is stored as its canonical JSON and executed from there: what was shown is what is done.

mod search;

use serde::{Deserialize, Serialize};

use latchgate_wire::digest::{Digest, Salt};
use latchgate_wire::jcs;
use latchgate_wire::receipt::PlanKind;

pub use latchgate_wire::placement::{Placement, SecretUse};
pub use search::{Matcher, RESULTS_MAX, Search, SearchError};

/// Everything that a call may do. `kind` `exact`: the steps, each once, nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    pub kind: PlanKind,
    pub steps: Vec<Step>,
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Step {
    Http(HttpStep),
    Fs(FsStep),
}

/// One HTTP request, complete but for the values of secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpStep {
    /// Upper case.
    pub method: String,
    /// Absolute and normalised (WHATWG URL), without user-info and fragment.
    pub url: String,
    /// Origin and path template, without any argument: what entries say of it.
    pub target: String,
    /// Lower-case names, in the manifest's order.
    pub headers: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Content>,
    /// Secrets by name and place; the host adds the values when it connects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretUse>,
    /// The largest response body accepted.
    pub response_bytes_max: u64,
}

/// One file operation below the operator's root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FsStep {
    pub operation: FsOperation,
    pub path: FsPath,
    /// What a write puts there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
    /// What the probe found where something will be replaced or removed; if it differs at execution, nothing is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Before>,
    /// What is searched for below the path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<Box<Search>>,
    /// The largest content read or listing given.
    pub bytes_max: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FsOperation {
    Read,
    List,
    Write,
    Delete,
    /// Looks into the files below a directory.
    Search,
}

impl FsOperation {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::List => "list",
            Self::Write => "write",
            Self::Delete => "delete",
            Self::Search => "search",
        }
    }
}

/// A path below the root: components joined by `/`; empty is the root itself. No `.`, `..`, empty component, NUL,
/// control character or backslash.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FsPath(String);

/// Why a text is no path below the root.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FsPathError {
    #[error("the path is absolute; paths are relative to the root that the operator chose")]
    Absolute,
    #[error("the path contains `..`")]
    Parent,
    #[error("the path contains a control character, NUL or backslash")]
    Character,
    #[error("the path has more than 4,096 bytes, or a component of more than 255")]
    Long,
}

impl FsPath {
    /// `.` and repeated or trailing slashes are dropped; whatever could lead elsewhere is refused.
    pub fn parse(text: &str) -> Result<Self, FsPathError> {
        if text.starts_with('/') {
            return Err(FsPathError::Absolute);
        }
        if text.contains(|c: char| c.is_control() || c == '\\') {
            return Err(FsPathError::Character);
        }
        let components: Vec<&str> = text.split('/').filter(|c| !c.is_empty() && *c != ".").collect();
        if components.contains(&"..") {
            return Err(FsPathError::Parent);
        }
        if text.len() > 4096 || components.iter().any(|c| c.len() > 255) {
            return Err(FsPathError::Long);
        }
        Ok(Self(components.join("/")))
    }

    /// Relative; empty for the root.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for FsPath {
    type Error = String;

    /// Only the normal form: a stored plan has no second spelling.
    fn try_from(text: String) -> Result<Self, String> {
        match Self::parse(&text) {
            Ok(path) if path.0 == text => Ok(path),
            Ok(_) => Err("the path is not in its normal form".into()),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl From<FsPath> for String {
    fn from(path: FsPath) -> Self {
        path.0
    }
}

/// What was found at a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Before {
    Absent,
    /// A regular file with this content.
    File {
        digest: Digest,
        size: u64,
    },
}

/// Bytes in a plan: text where they are UTF-8, so that a person can read them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    Text(String),
    Base64(String),
}

impl Content {
    /// The bytes meant.
    ///
    /// # Errors
    /// If the text of `Base64` is not standard base64 with padding (RFC 4648 section 4).
    pub fn bytes(&self) -> Result<Vec<u8>, base64::DecodeError> {
        use base64::Engine as _;
        match self {
            Self::Text(text) => Ok(text.clone().into_bytes()),
            Self::Base64(text) => base64::engine::general_purpose::STANDARD.decode(text),
        }
    }
}

impl Plan {
    /// Bytes of request bodies that leave for services.
    pub fn bytes_out(&self) -> u64 {
        let bodies = self.steps.iter().filter_map(|step| match step {
            Step::Http(step) => step.body.as_ref(),
            Step::Fs(_) => None,
        });
        bodies.map(|body| body.bytes().map_or(0, |bytes| bytes.len() as u64)).sum()
    }

    /// The canonical bytes that are digested, stored and shown.
    pub fn canonical(&self) -> Result<Vec<u8>, serde_json::Error> {
        jcs::canonical_value(&serde_json::to_value(self)?).map_err(serde::ser::Error::custom)
    }

    /// SHA-256(salt || canonical bytes).
    pub fn digest(&self, salt: &Salt) -> Result<Digest, serde_json::Error> {
        Ok(Digest::salted(salt, &self.canonical()?))
    }

    /// Origin and path template of the first step: what entries and lists call the operation.
    pub fn target(&self) -> String {
        match self.steps.first() {
            Some(step) => step.target(),
            None => "none".into(),
        }
    }
}

impl Step {
    /// Origin and path template; no argument.
    pub fn target(&self) -> String {
        match self {
            Self::Http(step) => step.target.clone(),
            Self::Fs(_) => "fs:{path}".into(),
        }
    }

    /// The effect's kind in the receipt.
    pub fn effect_kind(&self) -> String {
        match self {
            Self::Http(_) => "http.request".into(),
            Self::Fs(step) => format!("fs.{}", step.operation.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_below_the_root_are_normalised() {
        for (text, path) in [("a/b", "a/b"), ("./a//b/", "a/b"), ("", ""), (".", ""), ("a/...", "a/...")] {
            assert_eq!(FsPath::parse(text).unwrap().as_str(), path, "{text}");
        }
    }

    #[test]
    fn paths_that_lead_elsewhere_are_refused() {
        for (text, error) in [
            ("/etc/passwd", FsPathError::Absolute),
            ("../x", FsPathError::Parent),
            ("a/../../x", FsPathError::Parent),
            ("a\0b", FsPathError::Character),
            ("a\\..\\b", FsPathError::Character),
            ("a\nb", FsPathError::Character),
        ] {
            assert_eq!(FsPath::parse(text), Err(error), "{text:?}");
        }
        assert_eq!(FsPath::parse(&"a".repeat(256)), Err(FsPathError::Long));
        assert!(FsPath::parse(&"a".repeat(255)).is_ok());
    }

    #[test]
    fn a_stored_plan_is_read_back_unchanged() {
        let plan = Plan {
            kind: PlanKind::Exact,
            steps: vec![Step::Fs(FsStep {
                operation: FsOperation::Write,
                path: FsPath::parse("a/b").unwrap(),
                content: Some(Content::Text("x".into())),
                before: Some(Before::Absent),
                search: None,
                bytes_max: 10,
            })],
        };
        let bytes = plan.canonical().unwrap();
        assert_eq!(serde_json::from_slice::<Plan>(&bytes).unwrap(), plan);
        let twisted = String::from_utf8(bytes).unwrap().replace("a/b", "a/../b");
        assert!(serde_json::from_str::<Plan>(&twisted).is_err());
    }
}

//! How a manifest's template and validated arguments become one operation.
//!
//! Compiled when the manifest is read: what can be known then (unknown placeholders, a literal URL outside the egress
//! rules, an argument that cannot stand where it is put) is an error of the manifest, never of a call. Expansion
//! encodes each argument for its place and refuses what would change the place: an argument fills a path segment, a
//! query value, a header value, a JSON value or a file name, and can become nothing else.

mod arguments;
mod body;
mod count;
mod edit;
mod egress;
mod fs;
mod glob;
mod header;
mod http;
mod literal_url;
mod search;
mod text;
mod whole_url;

use serde_json::{Map, Value};

use crate::manifest::{Manifest, Template};
use crate::plan::{Content, FsOperation, FsPath, HttpStep, Search};
use crate::schema::{Violations, below};

pub use edit::Edit;
pub use glob::Glob;

use arguments::Arguments;
use fs::FsCompiled;
pub(crate) use header::is_reserved_header;
use http::HttpCompiled;

/// A template whose placeholders all name declared arguments that may stand where they stand.
#[derive(Debug)]
pub struct CompiledTemplate(Kind);

#[derive(Debug)]
enum Kind {
    Http(Box<HttpCompiled>),
    Fs(FsCompiled),
}

/// What a call would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expanded {
    /// Secrets by name, whether they are set or not.
    Http(HttpStep),
    /// What was there before is not known yet.
    Fs {
        operation: FsOperation,
        path: FsPath,
        content: Option<Content>,
        search: Option<Box<Search>>,
        bytes_max: u64,
    },
    /// A write of what is there with a part of it replaced: known once the file was looked at.
    FsPatch { path: FsPath, edit: Edit, bytes_max: u64 },
}

/// Why arguments that fit the schema give no operation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TemplateError {
    /// JSON pointer to the argument.
    pub pointer: Option<String>,
    pub message: String,
    pub remediation: Option<String>,
}

impl CompiledTemplate {
    /// # Errors
    /// Every part of the template, or of the egress and file rules, that cannot work, with its place in the manifest.
    pub fn compile(manifest: &Manifest) -> Result<Self, Violations> {
        let arguments = Arguments::of(&manifest.request_schema);
        let mut wrong = Vec::new();
        let kind = match &manifest.template {
            Template::Http(template) => HttpCompiled::compile(manifest, template, &arguments, &mut wrong)
                .map(|http| Kind::Http(Box::new(http))),
            Template::Fs(template) => {
                FsCompiled::compile(manifest, template, &arguments, &mut wrong).map(Kind::Fs)
            }
        };
        match kind {
            Some(kind) if wrong.is_empty() => Ok(Self(kind)),
            _ => Err(Violations(wrong)),
        }
    }

    /// Whether a call can go to the host of this name.
    pub fn may_reach(&self, host: &str) -> bool {
        match &self.0 {
            Kind::Http(template) => template.may_reach(host),
            Kind::Fs(_) => false,
        }
    }

    /// The operation that `args` ask for. They must have passed the manifest's request schema, defaults filled in.
    ///
    /// # Errors
    /// An argument that would leave its place, or an operation outside the egress or file rules.
    pub fn expand(&self, args: &Value) -> Result<Expanded, TemplateError> {
        let args = args.as_object().ok_or_else(|| TemplateError::new("expected an object of arguments"))?;
        match &self.0 {
            Kind::Http(template) => template.expand(args).map(Expanded::Http),
            Kind::Fs(template) => template.expand(args),
        }
    }
}

impl TemplateError {
    fn new(message: impl Into<String>) -> Self {
        Self { pointer: None, message: message.into(), remediation: None }
    }

    /// Of the argument `name`.
    fn of(name: &str, message: impl Into<String>) -> Self {
        Self::new(message).at(name)
    }

    fn at(mut self, name: &str) -> Self {
        self.pointer = Some(below("", name));
        self
    }

    fn remedy(mut self, remediation: impl Into<String>) -> Self {
        self.remediation = Some(remediation.into());
        self
    }
}

/// Arguments as they come in.
type Args = Map<String, Value>;

#[cfg(test)]
mod tests;

//! Calls that nobody made: an action, real or standing in for one, and the plan that arguments would make of it.
//!
//! Nothing of the world is looked at: what a write would replace is not part of what policy sees.

use std::sync::Arc;

use latchgate_wire::digest::Digest;
use latchgate_wire::receipt::PlanKind;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use crate::catalog::Action;
use crate::manifest::{Class, Manifest, Risk, Template};
use crate::plan::{FsOperation, FsPath, FsStep, HttpStep, Plan, Step};
use crate::template::Expanded;

/// An action that a call can be supposed of.
#[derive(Clone)]
pub enum Supposed {
    Loaded(Arc<Action>),
    StandIn(Box<Manifest>),
}

/// An action as a table of cases describes it: what rules see of it, without a manifest. `fs` names the operation on the
/// argument `path`, `http` the method of a request to the argument `url`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StandIn {
    pub class: Class,
    pub risk_level: Risk,
    #[serde(default)]
    pub tags: Vec<String>,
    #[serde(default)]
    pub fs: Option<FsOperation>,
    #[serde(default)]
    pub http: Option<String>,
}

impl Supposed {
    pub fn manifest(&self) -> &Manifest {
        match self {
            Self::Loaded(action) => &action.manifest,
            Self::StandIn(manifest) => manifest,
        }
    }

    /// The arguments with their defaults, and what a call with them would do.
    ///
    /// # Errors
    /// Why a gate would refuse the arguments before policy is asked.
    pub fn plan(&self, mut args: Value) -> Result<(Value, Plan), String> {
        let step = match self {
            Self::Loaded(action) => {
                action.schema.validate(&mut args).map_err(|violation| match violation.pointer.as_str() {
                    "" => violation.message,
                    pointer => format!("{pointer}: {}", violation.message),
                })?;
                step(action.template.expand(&args).map_err(|error| error.to_string())?)
            }
            Self::StandIn(manifest) => plain_step(manifest, &args)?,
        };
        Ok((args, Plan { kind: PlanKind::Exact, steps: vec![step] }))
    }
}

fn step(expanded: Expanded) -> Step {
    match expanded {
        Expanded::Http(step) => Step::Http(step),
        Expanded::Fs { operation, path, content, search, bytes_max } => {
            Step::Fs(FsStep { operation, path, content, before: None, search, bytes_max })
        }
        Expanded::FsPatch { path, bytes_max, .. } => fs_step(FsOperation::Write, path, bytes_max),
    }
}

/// The operation of a stand-in.
fn plain_step(manifest: &Manifest, args: &Value) -> Result<Step, String> {
    let argument = |name: &str| {
        args.get(name)
            .and_then(Value::as_str)
            .ok_or_else(|| format!("expected the argument `{name}`, a text"))
    };
    Ok(match &manifest.template {
        Template::Fs(template) => {
            let path = FsPath::parse(argument("path")?).map_err(|error| error.to_string())?;
            fs_step(template.operation, path, 1)
        }
        Template::Http(template) => {
            let url = Url::parse(argument("url")?).map_err(|error| format!("`url`: {error}"))?;
            http_step(&template.method, url.as_str())
        }
    })
}

/// A step on a file, with nothing that policy does not see.
pub(super) fn fs_step(operation: FsOperation, path: FsPath, bytes_max: u64) -> Step {
    Step::Fs(FsStep { operation, path, content: None, before: None, search: None, bytes_max })
}

/// A request, with nothing that policy does not see.
pub(super) fn http_step(method: &str, url: &str) -> Step {
    Step::Http(HttpStep {
        method: method.to_owned(),
        url: url.to_owned(),
        target: String::new(),
        headers: Vec::new(),
        body: None,
        secrets: Vec::new(),
        response_bytes_max: 1,
    })
}

impl StandIn {
    /// # Errors
    /// A stand-in that is neither or both of `fs` and `http`, or with a name that no action can have.
    pub fn manifest(&self, id: &str) -> Result<Manifest, String> {
        let text = json!({"type": "string"});
        let (template, properties, required) = match (self.fs, &self.http) {
            (Some(operation), None) => {
                let properties = json!({"path": text, "content": text});
                (json!({"operation": operation, "path": "{path}"}), properties, "path")
            }
            (None, Some(method)) => {
                let properties = json!({
                    "url": text,
                    "count": {"type": "integer"},
                    "amount": {"type": "number"},
                    "labels": {"type": "array", "items": text},
                    "options": {
                        "type": "object", "additionalProperties": false,
                        "properties": {"draft": {"type": "boolean"}},
                    },
                    "headers": {"type": "object"},
                });
                (json!({"method": method, "url": "{url}"}), properties, "url")
            }
            _ => return Err(format!("expected `{id}` to have either `fs` or `http`")),
        };
        let schema = json!({
            "type": "object", "additionalProperties": false, "properties": properties, "required": [required],
        });
        let manifest = json!({
            "format": 1, "action_id": id, "version": "1.0.0", "title": id, "description": id, "tags": self.tags,
            "class": self.class, "risk_level": self.risk_level, "risk_rationale": "stands in",
            "module": "builtin:none", "module_digest": Digest::of(b""), "imports": [], "request_schema": schema,
            "response_schema": {}, "template": template, "examples": [],
        });
        serde_json::from_value(manifest).map_err(|error| error.to_string())
    }
}

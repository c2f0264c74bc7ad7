//! Manifests: one YAML file an action, saying what the action may do and how a call of it becomes a plan.

mod check;
pub(crate) mod read;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use latchgate_wire::digest::Digest;
use latchgate_wire::placement::{Placement, SecretUse};

pub use read::ManifestError;

/// The members of a manifest file, as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the manifest format: 1.
    pub format: u32,
    /// 1 to 64 of `a-z 0-9 _`, beginning with a letter.
    pub action_id: String,
    pub version: String,
    pub title: String,
    /// For the model that must choose among actions.
    pub description: String,
    #[serde(default)]
    pub tags: Vec<String>,
    pub class: Class,
    pub risk_level: Risk,
    pub risk_rationale: String,
    /// `builtin:NAME`, or the path of a component beside the manifest.
    pub module: String,
    pub module_digest: Digest,
    /// Host interfaces that the module may import: `http`, `fs`, `log`.
    pub imports: Vec<Import>,
    /// JSON Schema 2020-12; an object that is closed (`additionalProperties: false`).
    pub request_schema: Value,
    pub response_schema: Value,
    pub template: Template,
    /// Credentials that the gate adds to the request; only for http templates.
    #[serde(default)]
    pub secrets: Vec<SecretRule>,
    #[serde(default)]
    pub egress: Option<EgressRules>,
    #[serde(default)]
    pub fs: Option<FsRules>,
    #[serde(default)]
    pub limits: Limits,
    #[serde(default)]
    pub verify: VerifyRules,
    #[serde(default)]
    pub cost: CostRules,
    #[serde(default)]
    pub idempotent: bool,
    pub examples: Vec<Example>,
}

/// What an action does to the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    Read,
    Write,
    Send,
    Execute,
    Submit,
    TransferValue,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    Low,
    Medium,
    High,
    Critical,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Import {
    Http,
    Fs,
    Log,
}

/// How arguments become an operation. A string that is wholly `{name}` takes the argument with its type; within a longer
/// string it takes a scalar, encoded for its place.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Template {
    Http(HttpTemplate),
    Fs(FsTemplate),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpTemplate {
    pub method: String,
    /// Scheme and host are literal, unless the whole is one argument: `{url}`.
    pub url: String,
    #[serde(default)]
    pub query: BTreeMap<String, Value>,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// JSON with placeholders.
    #[serde(default)]
    pub body: Option<Value>,
    /// Fields of a form, in place of `body`: encoded and left out as those of the query are.
    #[serde(default)]
    pub form: BTreeMap<String, Value>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FsTemplate {
    pub operation: crate::plan::FsOperation,
    pub path: String,
    #[serde(default)]
    pub content: Option<String>,
    /// A write of what is there, with a part of it replaced; in place of `content`.
    #[serde(default)]
    pub edit: Option<EditTemplate>,
    /// What a search looks for.
    #[serde(default)]
    pub search: Option<SearchTemplate>,
}

/// What is searched for. The file rules hold for every file and directory met on the way.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchTemplate {
    pub pattern: String,
    /// `true`, `false`, or wholly one boolean argument.
    pub is_regex: String,
    /// The same.
    pub is_case_sensitive: String,
    /// What the name of a file must match.
    pub glob: String,
    /// A number, or wholly one integer argument; 1 to 500.
    pub results_max: String,
}

/// What a write replaces in the present content.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EditTemplate {
    pub old_text: String,
    pub new_text: String,
    /// How often `old_text` must occur: a number, or wholly one integer argument.
    pub count: String,
}

/// A secret that the gate adds: where it goes, and nowhere else.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretRule {
    /// For AWS the access key id.
    pub name: String,
    /// Without it no call is made; where it is not required, the request goes without.
    #[serde(default = "yes")]
    pub required: bool,
    /// One of the hosts under `egress`, by its full name.
    pub host: String,
    pub placement: Placement,
}

fn yes() -> bool {
    true
}

impl SecretRule {
    /// As a plan names it.
    pub fn used(&self) -> SecretUse {
        SecretUse { name: self.name.clone(), host: self.host.clone(), placement: self.placement.clone() }
    }
}

/// Where an action may connect to.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EgressRules {
    /// Host names, `*.example.com` for every name below, `*` for any (only where the whole URL is an argument).
    pub domains: Vec<String>,
    pub methods: Vec<String>,
    #[serde(default = "https_only")]
    pub ports: Vec<u16>,
    /// Redirects followed: 0 for now.
    #[serde(default)]
    pub redirects: u8,
}

fn https_only() -> Vec<u16> {
    vec![443]
}

/// Which paths below the root an action may touch. Globs; deny wins.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FsRules {
    #[serde(default = "everything")]
    pub allow: Vec<String>,
    #[serde(default)]
    pub deny: Vec<String>,
    pub operations: Vec<crate::plan::FsOperation>,
}

fn everything() -> Vec<String> {
    vec!["**".into()]
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Wasmtime fuel units; 1 to 10,000,000,000.
    pub fuel: u64,
    /// 1 to 512.
    pub memory_mib: u32,
    /// From start to answer, host calls included; 100 to 300,000.
    pub time_ms: u64,
    /// Canonical arguments; 1 to 8 MiB.
    pub request_bytes: u64,
    /// Content or response body; 1 to 64 MiB.
    pub response_bytes: u64,
    /// 1 to 1,000.
    pub host_calls: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            fuel: 200_000_000,
            memory_mib: 64,
            time_ms: 30_000,
            request_bytes: 1 << 20,
            response_bytes: 4 << 20,
            host_calls: 16,
        }
    }
}

/// What counts as done, by the host's observation.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerifyRules {
    /// Status codes that the service answers when it did what was asked; empty means 200 to 299.
    #[serde(default)]
    pub http_status: Vec<u16>,
    /// What a JSON answer says where it did what was asked, for services that answer 200 to refusals.
    #[serde(default)]
    pub json: Option<JsonRule>,
    /// The host cannot tell; the receipt says so.
    #[serde(default)]
    pub unverifiable: bool,
}

/// A member of an answer and the only value that means success.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JsonRule {
    /// RFC 6901.
    pub pointer: String,
    pub equals: Value,
}

impl JsonRule {
    /// Whether a body says so; one that is no JSON does not.
    pub fn holds(&self, body: &[u8]) -> bool {
        let read = serde_json::from_slice::<Value>(body);
        read.is_ok_and(|value| value.pointer(&self.pointer) == Some(&self.equals))
    }
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CostRules {
    #[serde(default)]
    pub usd_cents: u64,
}

/// Arguments and the exact operation expected of them: the action's tests.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Example {
    pub title: String,
    pub arguments: Value,
    /// The content of the file that the example finds; exactly where the template is an edit.
    #[serde(default)]
    pub given: Option<String>,
    /// A subset of the plan's first step: every member named must be equal.
    pub expect: Value,
}

impl Class {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Send => "send",
            Self::Execute => "execute",
            Self::Submit => "submit",
            Self::TransferValue => "transfer_value",
        }
    }
}

impl Risk {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

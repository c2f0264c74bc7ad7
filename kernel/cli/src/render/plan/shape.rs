//! The shapes of plans, read strictly: a plan with a member that this program does not know is shown as its JSON, because
//! a reader who skips what it does not understand shows less than will be done.

use latchgate_wire::placement::SecretUse;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    #[serde(rename = "kind")]
    pub _kind: String,
    pub steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Step {
    Http(HttpStep),
    Fs(FsStep),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpStep {
    pub method: String,
    pub url: String,
    #[serde(rename = "target")]
    pub _target: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<Content>,
    #[serde(default)]
    pub secrets: Vec<SecretUse>,
    pub response_bytes_max: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FsStep {
    pub operation: String,
    pub path: String,
    pub content: Option<Content>,
    pub before: Option<Before>,
    pub search: Option<Search>,
    pub bytes_max: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Search {
    pub pattern: String,
    pub is_regex: bool,
    pub is_case_sensitive: bool,
    pub glob: String,
    pub results_max: u64,
    pub allow: Vec<String>,
    pub deny: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Before {
    Absent,
    File { digest: String, size: u64 },
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    Text(String),
    Base64(String),
}

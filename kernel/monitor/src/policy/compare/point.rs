//! One call of those that are compared: everything that a rule can see of it.

use latchgate_wire::ids::SessionId;
use latchgate_wire::principal::Principal;
use latchgate_wire::receipt::{Boundary, PlanKind, Verdict};
use latchgate_wire::time::Timestamp;
use serde_json::{Map, Value};
use url::Url;

use super::super::args::Record;
use super::super::judge::{Agent, Question};
use super::super::supposed::{fs_step, http_step};
use super::Witness;
use crate::manifest::{Manifest, Template};
use crate::plan::{Content, FsOperation, FsPath, Plan, Step};

#[derive(Clone)]
pub(super) struct Point {
    pub principal: Principal,
    pub agent: Option<String>,
    pub boundary: Boundary,
    pub now: Timestamp,
    pub calls_left: Option<u64>,
    pub session: SessionId,
    pub plan: PlanKind,
    pub args: Map<String, Value>,
    pub target: Target,
}

#[derive(Clone)]
pub(super) enum Target {
    Fs { operation: FsOperation, path: String },
    Http { method: String, url: String, body_bytes: usize },
}

/// One change of a point.
#[derive(Clone, Debug)]
pub(super) enum Setting {
    Who(Principal, Option<String>),
    Boundary(Boundary),
    Time(Timestamp),
    CallsLeft(Option<u64>),
    Session(SessionId),
    Plan(PlanKind),
    Operation(FsOperation),
    Path(String),
    Method(String),
    Url(String),
    BodyBytes(usize),
    /// An argument, absent or not.
    Argument(String, Option<Value>),
}

/// A point as a call.
pub(super) struct Asked<'a> {
    point: &'a Point,
    manifest: &'a Manifest,
    args: Value,
    plan: Plan,
}

impl Point {
    /// Somebody, some time, with the arguments that must be there.
    pub fn plain(manifest: &Manifest) -> Self {
        let target = match &manifest.template {
            Template::Fs(template) => Target::Fs { operation: template.operation, path: "x".into() },
            Template::Http(template) => Target::Http {
                method: template.method.clone(),
                url: "https://x.example/".into(),
                body_bytes: 0,
            },
        };
        Self {
            principal: Principal::Uid(1000),
            agent: None,
            boundary: Boundary::Service,
            now: Timestamp::from_secs(1_700_000_000),
            calls_left: None,
            session: SessionId::new(1, 1),
            plan: PlanKind::Exact,
            args: Record::of_request(&manifest.request_schema)
                .least("x")
                .as_object()
                .cloned()
                .unwrap_or_default(),
            target,
        }
    }

    pub fn set(&mut self, setting: &Setting) {
        match (setting.clone(), &mut self.target) {
            (Setting::Who(principal, agent), _) => {
                self.principal = principal;
                self.agent = agent;
            }
            (Setting::Boundary(boundary), _) => self.boundary = boundary,
            (Setting::Time(now), _) => self.now = now,
            (Setting::CallsLeft(left), _) => self.calls_left = left,
            (Setting::Session(session), _) => self.session = session,
            (Setting::Plan(plan), _) => self.plan = plan,
            (Setting::Operation(new), Target::Fs { operation, .. }) => *operation = new,
            (Setting::Path(new), Target::Fs { path, .. }) => *path = new,
            (Setting::Method(new), Target::Http { method, .. }) => *method = new,
            (Setting::Url(new), Target::Http { url, .. }) => *url = new,
            (Setting::BodyBytes(new), Target::Http { body_bytes, .. }) => *body_bytes = new,
            (Setting::Argument(name, Some(value)), _) => {
                self.args.insert(name, value);
            }
            (Setting::Argument(name, None), _) => {
                self.args.remove(&name);
            }
            (Setting::Operation(_) | Setting::Path(_), Target::Http { .. })
            | (Setting::Method(_) | Setting::Url(_) | Setting::BodyBytes(_), Target::Fs { .. }) => {}
        }
    }

    /// `None` for a path that is none: it would be refused before policy is asked.
    pub fn question<'a>(&'a self, manifest: &'a Manifest) -> Option<Asked<'a>> {
        let plan = Plan { kind: self.plan, steps: vec![self.step()?] };
        Some(Asked { point: self, manifest, args: Value::Object(self.arguments(manifest)), plan })
    }

    /// With the target where the template takes it whole from one argument.
    fn arguments(&self, manifest: &Manifest) -> Map<String, Value> {
        let mut args = self.args.clone();
        let target = match &self.target {
            Target::Fs { path, .. } => path,
            Target::Http { url, .. } => url,
        };
        if let Some(name) = whole_argument(manifest) {
            args.insert(name.to_owned(), target.clone().into());
        }
        args
    }

    fn step(&self) -> Option<Step> {
        Some(match &self.target {
            Target::Fs { operation, path } => fs_step(*operation, FsPath::parse(path).ok()?, 1),
            Target::Http { method, url, body_bytes } => {
                let mut step = http_step(method, url);
                if let (Step::Http(step), 1..) = (&mut step, *body_bytes) {
                    step.body = Some(Content::Text("x".repeat(*body_bytes)));
                }
                step
            }
        })
    }

    /// Who, when and what, as a person reads it; the verdicts are filled in by whoever judged.
    pub fn witness(&self, manifest: &Manifest) -> Witness {
        let operation = match &self.target {
            Target::Fs { operation, path } => format!("{} {path:?}", operation.as_str()),
            Target::Http { method, url, body_bytes: 0 } => format!("{method} {url}"),
            Target::Http { method, url, body_bytes } => format!("{method} {url} with {body_bytes} bytes"),
        };
        Witness {
            action: manifest.action_id.clone(),
            principal: self.principal.to_string(),
            agent: self.agent.clone(),
            boundary: self.boundary.as_str(),
            at: self.now.to_string(),
            operation,
            arguments: self.arguments(manifest),
            calls_left: self.calls_left,
            old: Verdict::Deny,
            old_rule: String::new(),
            new: Verdict::Deny,
            new_rule: String::new(),
            why: String::new(),
        }
    }
}

impl Asked<'_> {
    pub fn as_question(&self) -> Question<'_> {
        let point = self.point;
        Question {
            principal: &point.principal,
            agent: Agent::of(&point.principal, point.agent.as_deref()),
            manifest: self.manifest,
            args: &self.args,
            plan: &self.plan,
            session: point.session,
            boundary: point.boundary,
            now: point.now,
            calls_left: point.calls_left,
        }
    }

    pub fn step(&self) -> Option<&Step> {
        self.plan.steps.first()
    }

    pub fn args(&self) -> &Value {
        &self.args
    }
}

/// The argument that is the whole path or address.
pub(super) fn whole_argument(manifest: &Manifest) -> Option<&str> {
    let whole = match &manifest.template {
        Template::Fs(template) => &template.path,
        Template::Http(template) => &template.url,
    };
    let name = whole.strip_prefix('{')?.strip_suffix('}')?;
    (!name.contains(['{', '}'])).then_some(name)
}

/// The address that the parts make, if they make one.
pub(super) fn address(
    scheme: &str,
    host: &str,
    port: Option<u16>,
    path: &str,
    query: &[String],
) -> Option<String> {
    let mut url = Url::parse(&format!("{scheme}://{host}/")).ok()?;
    if port.is_some() {
        url.set_port(port).ok()?;
    }
    url.set_path(path);
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query.iter().map(|name| (name, "x")));
    }
    Some(url.to_string())
}

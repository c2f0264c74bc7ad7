//! Small worlds for the tests of policy: manifests, plans and questions.

use latchgate_wire::digest::Digest;
use latchgate_wire::ids::SessionId;
use latchgate_wire::principal::Principal;
use latchgate_wire::receipt::{Boundary, PlanKind};
use latchgate_wire::time::Timestamp;
use serde_json::{Value, json};

use super::{Agent, Judgement, Policy, PolicyError, Question, Source, Unrepresentable};
use crate::manifest::{Manifest, Template};
use crate::plan::{FsPath, FsStep, HttpStep, Plan, Step};

/// An action on the file `path`.
pub fn fs_action(id: &str, class: &str, risk: &str, operation: &str) -> Manifest {
    let properties = json!({"path": {"type": "string"}, "content": {"type": "string"}});
    let template = json!({"operation": operation, "path": "{path}"});
    action(id, class, risk, &template, &properties, &json!(["path"]))
}

/// A request to `url`, with arguments of every kind of type.
pub fn http_action(id: &str, class: &str, risk: &str, method: &str) -> Manifest {
    let properties = json!({
        "url": {"type": "string"},
        "count": {"type": "integer"},
        "amount": {"type": "number"},
        "labels": {"type": "array", "items": {"type": "string"}},
        "options": {"type": "object", "additionalProperties": false, "properties": {"draft": {"type": "boolean"}}},
        "headers": {"type": "object"},
    });
    let template = json!({"method": method, "url": "{url}"});
    action(id, class, risk, &template, &properties, &json!(["url"]))
}

fn action(
    id: &str,
    class: &str,
    risk: &str,
    template: &Value,
    properties: &Value,
    required: &Value,
) -> Manifest {
    let schema = json!({
        "type": "object", "additionalProperties": false, "properties": properties, "required": required,
    });
    let manifest = json!({
        "format": 1, "action_id": id, "version": "1.0.0", "title": id, "description": id, "tags": ["sample"],
        "class": class, "risk_level": risk, "risk_rationale": "a test", "module": "builtin:test",
        "module_digest": Digest::of(b""), "imports": [], "request_schema": schema, "response_schema": {},
        "template": template, "examples": [],
    });
    serde_json::from_value(manifest).unwrap()
}

pub fn samples() -> Vec<Manifest> {
    vec![
        fs_action("file_read", "read", "low", "read"),
        fs_action("file_write", "write", "medium", "write"),
        http_action("http_fetch", "read", "medium", "GET"),
        http_action("note_send", "send", "high", "POST"),
        http_action("account_close", "write", "critical", "DELETE"),
    ]
}

/// `text` loaded for the sample actions, from a file called `p.cedar`.
pub fn load(text: &str) -> Result<Policy, Vec<PolicyError>> {
    let samples = samples();
    let actions: Vec<&Manifest> = samples.iter().collect();
    Policy::load(&[Source { name: "p.cedar".into(), text: text.into() }], &actions)
}

/// Plain rules, as a file `rules.yaml`.
pub fn load_yaml(text: &str) -> Result<Policy, Vec<PolicyError>> {
    let samples = samples();
    let actions: Vec<&Manifest> = samples.iter().collect();
    Policy::load(&[Source { name: "rules.yaml".into(), text: text.into() }], &actions)
}

/// The plan that the arguments `path` or `url` make.
pub fn plan(manifest: &Manifest, args: &Value) -> Plan {
    let argument = |name: &str| args[name].as_str().unwrap().to_owned();
    let step = match &manifest.template {
        Template::Fs(template) => Step::Fs(FsStep {
            operation: template.operation,
            path: FsPath::parse(&argument("path")).unwrap(),
            content: None,
            before: None,
            search: None,
            bytes_max: 1,
        }),
        Template::Http(template) => Step::Http(HttpStep {
            method: template.method.clone(),
            url: argument("url"),
            target: "https://example.com".into(),
            headers: vec![],
            body: None,
            secrets: vec![],
            response_bytes_max: 1,
        }),
    };
    Plan { kind: PlanKind::Exact, steps: vec![step] }
}

/// A question that tests then change.
pub fn question<'a>(manifest: &'a Manifest, args: &'a Value, plan: &'a Plan) -> Question<'a> {
    Question {
        principal: &Principal::Uid(1000),
        agent: Agent::Unnamed,
        manifest,
        args,
        plan,
        session: SessionId::new(1, 1),
        boundary: Boundary::Service,
        now: Timestamp::from_secs(1_700_000_000),
        calls_left: None,
    }
}

/// The judgement of a sample action under `policy`.
pub fn judge(policy: &Policy, action: &str, args: &Value) -> Result<Judgement, Unrepresentable> {
    let manifest = samples().into_iter().find(|manifest| manifest.action_id == action).unwrap();
    let plan = plan(&manifest, args);
    policy.judge(&question(&manifest, args, &plan))
}

/// [`judge`] as `verdict rule`.
pub fn verdict(policy: &Policy, action: &str, args: &Value) -> String {
    let judgement = judge(policy, action, args).unwrap();
    assert_eq!(judgement.ask_reason.is_some(), judgement.verdict == latchgate_wire::receipt::Verdict::Ask);
    format!("{:?} {}", judgement.verdict, judgement.rule).to_lowercase()
}

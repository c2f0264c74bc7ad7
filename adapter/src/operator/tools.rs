//! The operator's tools: what waits, one of them whole, yes, and no.

use std::str::FromStr;
use std::sync::Arc;

use latchgate_client::OperatorClient;
use latchgate_wire::api::{ApprovalDetail, ApprovalInfo, ApproveRequest, Decided, DenyRequest};
use latchgate_wire::ids::ApprovalId;
use latchgate_wire::receipt::ApprovalScope;
use rmcp::ErrorData;
use rmcp::model::{CallToolResult, ContentBlock, JsonObject, Tool, ToolAnnotations};
use serde_json::{Value, json};

use super::{explained, untrusted};

const LIST: &str = "latchgate_list_pending";
const SHOW: &str = "latchgate_get_approval";
const APPROVE: &str = "latchgate_approve";
const DENY: &str = "latchgate_deny";

pub fn all() -> Vec<Tool> {
    let id = json!({ "type": "string", "description": "such as appr_01J...", "maxLength": 64 });
    vec![
        tool(
            LIST,
            "List held calls",
            "Calls of agents that wait for a decision: risk, who asks, how long there is. Read one whole with \
             latchgate_get_approval before you decide it.",
            json!({}),
            &[],
        )
        .with_annotations(ToolAnnotations::new().read_only(true).open_world(false)),
        tool(
            SHOW,
            "Show a held call",
            "One held call, whole: the plan with every operation as it will be performed, the arguments, what changed since the \
             last approved call, and the plan_digest that a decision names. Show all of it to the person who decides.",
            json!({ "approval_id": id }),
            &["approval_id"],
        )
        .with_annotations(ToolAnnotations::new().read_only(true).open_world(false)),
        tool(
            APPROVE,
            "Approve a held call",
            "Approves this one call and waits for its execution. plan_digest must be the one that latchgate_get_approval showed: \
             what was shown is what is executed. Only when a person has said yes to that plan.",
            json!({
                "approval_id": id,
                "plan_digest": { "type": "string", "description": "sha256:... as shown" },
                "note": { "type": "string", "maxLength": 1000, "description": "kept with the decision" },
            }),
            &["approval_id", "plan_digest"],
        )
        .with_annotations(ToolAnnotations::new().read_only(false).destructive(true).idempotent(false).open_world(true)),
        tool(
            DENY,
            "Deny a held call",
            "Denies this one call. The reason reaches the agent.",
            json!({
                "approval_id": id,
                "reason": { "type": "string", "minLength": 1, "maxLength": 1000 },
                "plan_digest": { "type": "string", "description": "sha256:... as shown; without it, whatever is held under this id" },
            }),
            &["approval_id", "reason"],
        )
        .with_annotations(ToolAnnotations::new().read_only(false).destructive(false).idempotent(true).open_world(false)),
    ]
}

pub fn tool(
    name: &'static str,
    title: &str,
    description: &'static str,
    properties: Value,
    required: &[&str],
) -> Tool {
    let schema = json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    });
    let schema = schema.as_object().cloned().unwrap_or_default();
    Tool::new(name, description, Arc::new(schema)).with_title(title)
}

/// # Errors
/// There is no such tool. Anything else is a result that says what went wrong.
pub async fn call(
    client: &OperatorClient,
    name: &str,
    arguments: Option<&JsonObject>,
) -> Result<CallToolResult, ErrorData> {
    let Some(tool) = all().into_iter().find(|tool| tool.name == name) else {
        return Err(ErrorData::invalid_params(format!("there is no tool {name:?}"), None));
    };
    let arguments = match Arguments::of(arguments, &tool) {
        Ok(arguments) => arguments,
        Err(wrong) => return Ok(error(wrong)),
    };
    match name {
        LIST => list(client).await,
        SHOW => show(client, &arguments).await,
        APPROVE => approve(client, &arguments).await,
        _ => deny(client, &arguments).await,
    }
}

async fn list(client: &OperatorClient) -> Result<CallToolResult, ErrorData> {
    let approvals = match client.approvals(Some("pending")).await {
        Ok(list) => list.approvals,
        Err(failed) => return Ok(error(explained(&failed))),
    };
    let facts: Vec<Value> = approvals.iter().map(facts).collect();
    let claimed: Vec<Value> = approvals.iter().map(claimed).collect();
    untrusted::result(&json!({ "pending": facts }), &json!(claimed))
}

async fn show(client: &OperatorClient, arguments: &Arguments) -> Result<CallToolResult, ErrorData> {
    let found = match arguments.read::<ApprovalId>("approval_id") {
        Ok(id) => client.approval(id).await,
        Err(wrong) => return Ok(error(wrong)),
    };
    match found {
        Ok(detail) => untrusted::result(&judged(&detail), &words(&detail)),
        Err(failed) => Ok(error(explained(&failed))),
    }
}

async fn approve(client: &OperatorClient, arguments: &Arguments) -> Result<CallToolResult, ErrorData> {
    let read = || {
        let request = ApproveRequest {
            plan_digest: arguments.read("plan_digest")?,
            scope: ApprovalScope::Once,
            note: arguments.text("note"),
            reach: None,
        };
        Ok((arguments.read("approval_id")?, request))
    };
    let (id, request) = match read() {
        Ok(read) => read,
        Err(wrong) => return Ok(error(wrong)),
    };
    match client.approve(id, &request).await {
        Ok(done) => decided(&done),
        Err(failed) => Ok(error(explained(&failed))),
    }
}

async fn deny(client: &OperatorClient, arguments: &Arguments) -> Result<CallToolResult, ErrorData> {
    let id = match arguments.read("approval_id") {
        Ok(id) => id,
        Err(wrong) => return Ok(error(wrong)),
    };
    let plan_digest = match arguments.text("plan_digest") {
        Some(_) => match arguments.read("plan_digest") {
            Ok(digest) => digest,
            Err(wrong) => return Ok(error(wrong)),
        },
        // No is safe whatever the plan is.
        None => match client.approval(id).await {
            Ok(detail) => detail.info.plan_digest,
            Err(failed) => return Ok(error(explained(&failed))),
        },
    };
    let request = DenyRequest { plan_digest, reason: arguments.text("reason"), cool_down_s: None };
    match client.deny(id, &request).await {
        Ok(done) => decided(&done),
        Err(failed) => Ok(error(explained(&failed))),
    }
}

/// What the gate vouches for. Without the plan's digest: who decides has read the plan.
pub fn facts(info: &ApprovalInfo) -> Value {
    json!({
        "approval_id": info.approval_id,
        "status": info.status,
        "action_id": info.action_id,
        "title": info.title,
        "risk_level": info.risk_level,
        "principal": info.principal,
        "session_id": info.session_id,
        "held_at": info.held_at,
        "expires_at": info.expires_at,
    })
}

/// What the agent calls itself.
fn claimed(info: &ApprovalInfo) -> Value {
    json!({ "approval_id": info.approval_id, "agent": info.agent })
}

fn judged(detail: &ApprovalDetail) -> Value {
    let mut facts = facts(&detail.info);
    facts["plan_digest"] = json!(detail.info.plan_digest);
    facts["description"] = json!(detail.description);
    facts["rule"] = json!(detail.rule);
    facts["rule_reason"] = json!(detail.rule_reason);
    facts["boundary"] = json!(detail.boundary);
    facts["approvers_needed"] = json!(detail.approvers);
    facts["approved_by"] = json!(detail.approved_by);
    facts["earlier"] = json!(detail.earlier);
    facts
}

/// The plan is the gate's, and made of the agent's arguments.
pub fn words(detail: &ApprovalDetail) -> Value {
    json!({
        "agent": detail.info.agent,
        "agent_reason": detail.agent_reason,
        "plan": detail.plan,
        "arguments": detail.arguments,
        "present": detail.present,
        "changes": detail.changes,
    })
}

fn decided(done: &Decided) -> Result<CallToolResult, ErrorData> {
    let facts = json!({
        "approval_id": done.approval_id,
        "status": done.status,
        "receipt_id": done.receipt_id,
        "effect": done.effect,
        "problem": done.problem.as_ref().map(|problem| json!({ "error": problem.error, "trace_id": problem.trace_id })),
    });
    let words =
        json!({ "output": done.output, "problem": done.problem.as_ref().map(|problem| &problem.detail) });
    let mut result = untrusted::result(&facts, &words)?;
    // The decision stands; what it allowed did not happen as planned.
    result.is_error = Some(done.problem.is_some());
    Ok(result)
}

pub fn error(text: String) -> CallToolResult {
    CallToolResult::error(vec![ContentBlock::text(text)])
}

/// Strings by name, none that the tool does not take.
pub struct Arguments(JsonObject);

impl Arguments {
    pub fn of(given: Option<&JsonObject>, tool: &Tool) -> Result<Self, String> {
        let given = given.cloned().unwrap_or_default();
        let known =
            tool.input_schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
        if let Some(name) = given.keys().find(|name| !known.contains_key(*name)) {
            return Err(format!("{name:?} is no argument of {}", tool.name));
        }
        if let Some((name, _)) = given.iter().find(|(_, value)| !value.is_string()) {
            return Err(format!("{name}: expected a string"));
        }
        let required =
            tool.input_schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
        match required.iter().filter_map(Value::as_str).find(|name| !given.contains_key(*name)) {
            Some(name) => Err(format!("{name} is missing")),
            None => Ok(Self(given)),
        }
    }

    pub fn text(&self, name: &str) -> Option<String> {
        self.0.get(name).and_then(Value::as_str).map(str::to_owned)
    }

    fn read<T: FromStr<Err: std::fmt::Display>>(&self, name: &str) -> Result<T, String> {
        self.text(name).unwrap_or_default().parse().map_err(|error: T::Err| format!("{name}: {error}"))
    }
}

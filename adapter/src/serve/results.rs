//! What the gate said, as the result of a tool: structured where it succeeded, and an error that says what to do where not.

use latchgate_client::ClientError;
use latchgate_wire::api::{ActionInfo, Executed, Pending};
use latchgate_wire::problem::{Code, Problem};
use latchgate_wire::receipt::EffectStatus;
use rmcp::model::{CallToolResult, ContentBlock, MetaObject};
use serde_json::{Value, json};

use super::tools::{is_object_output, object};

/// The output as the tool's schema has it, and as text.
pub fn executed(action: &ActionInfo, executed: &Executed) -> CallToolResult {
    let structured = match is_object_output(action) && executed.output.is_object() {
        true => executed.output.clone(),
        false => json!({ "output": executed.output }),
    };
    structured_result(structured, executed_meta(executed))
}

/// As [`executed`], where the tool is not the action itself.
pub fn wrapped(executed: &Executed) -> CallToolResult {
    structured_result(json!({ "output": executed.output }), executed_meta(executed))
}

/// A success of the adapter's own.
pub fn structured(value: Value) -> CallToolResult {
    structured_result(value, MetaObject::new())
}

fn structured_result(value: Value, meta: MetaObject) -> CallToolResult {
    // The protocol asks for the same as text, for clients that know no structured content.
    let text = serde_json::to_string_pretty(&value).unwrap_or_default();
    let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
    result.structured_content = Some(value);
    result.meta = (!meta.0.is_empty()).then_some(meta);
    result
}

fn executed_meta(executed: &Executed) -> MetaObject {
    let mut meta = object(json!({
        "latchgate/receipt_id": executed.receipt_id,
        "latchgate/log_index": executed.log_index,
        "latchgate/trace_id": executed.trace_id,
        "latchgate/verification": executed.verification.outcome,
    }));
    if let Some(approval) = &executed.approval {
        meta.insert("latchgate/approval".into(), json!(approval));
    }
    MetaObject(meta)
}

/// A call that waits for a person. An error to the protocol, since it is not the tool's output.
pub fn pending(action: &str, pending: &Pending) -> CallToolResult {
    let text = format!(
        "pending_approval: {action} waits for a person's decision and has not happened.\n\
         Approval: {id}\n\
         Who decides: an operator of this gate, with `latchgate approvals approve {id}` or `latchgate tui`. You cannot.\n\
         Until: {until}; nobody's decision by then is a no.\n\
         Next: tell the user. Once it is decided, call {action} again with the same arguments: that brings the answer \
         and does nothing twice.\n\
         Trace: {trace}",
        id = pending.approval_id,
        until = pending.expires_at,
        trace = pending.trace_id,
    );
    refusal(
        text,
        json!({
            "latchgate/status": "pending_approval",
            "latchgate/approval_id": pending.approval_id,
            "latchgate/expires_at": pending.expires_at,
            "latchgate/trace_id": pending.trace_id,
        }),
    )
}

/// As [`pending`], where only the approval is known.
pub fn still_pending(id: &str) -> CallToolResult {
    let text = format!(
        "pending_approval: {id} still waits for an operator's decision.\nNext: tell the user; await it again later."
    );
    refusal(text, json!({ "latchgate/status": "pending_approval", "latchgate/approval_id": id }))
}

/// Why there is no output.
pub fn error(error: &ClientError) -> CallToolResult {
    match error {
        ClientError::Problem(problem) => of_problem(problem),
        other => of_failure(other),
    }
}

fn of_problem(problem: &Problem) -> CallToolResult {
    let mut lines = vec![format!("{}: {}", problem.error, problem.detail)];
    let mut line = |name: &str, text: Option<&str>| lines.extend(text.map(|text| format!("{name}: {text}")));
    line("Reason", problem.deny_reason.as_deref());
    line("At", problem.pointer.as_deref().filter(|pointer| !pointer.is_empty()));
    line("Effect", Some(effect(problem.effect)));
    line("Next", Some(next(problem)));
    line("Receipt", problem.receipt_id.as_deref());
    let trace = problem.trace_id.map(|trace| trace.to_string());
    line("Trace", trace.as_deref());
    refusal(
        lines.join("\n"),
        json!({
            "latchgate/error": problem.error,
            "latchgate/effect": problem.effect,
            "latchgate/retryable": problem.retryable,
            "latchgate/trace_id": problem.trace_id,
            "latchgate/receipt_id": problem.receipt_id,
            "latchgate/pointer": problem.pointer,
            "latchgate/remediation": next(problem),
        }),
    )
}

/// Between here and the gate.
fn of_failure(error: &ClientError) -> CallToolResult {
    let (code, status) = match error {
        ClientError::AnswerLost(_) => ("answer_lost", EffectStatus::Unknown),
        ClientError::Input(_) => ("invalid_input", EffectStatus::None),
        ClientError::Protocol(_) => ("unexpected_answer", EffectStatus::Unknown),
        _ => ("gate_unreachable", EffectStatus::None),
    };
    let next = match error {
        ClientError::AnswerLost(_) | ClientError::Protocol(_) => {
            "call again with the same arguments: the gate answers with what became of it and does nothing twice".into()
        }
        other => other.remedy().unwrap_or_else(|| "correct the arguments".into()),
    };
    let text = format!("{code}: {error}\nEffect: {}\nNext: {next}", effect(status));
    refusal(
        text,
        json!({ "latchgate/error": code, "latchgate/effect": status, "latchgate/remediation": next }),
    )
}

/// Taken back before anybody decided it.
pub fn withdrawn(action: &str, id: &str) -> CallToolResult {
    let text = format!(
        "withdrawn: {action} ({id}) was taken back before it was decided, and has not happened.\nEffect: none"
    );
    refusal(text, json!({ "latchgate/status": "withdrawn", "latchgate/approval_id": id }))
}

/// An error of the adapter's own that a caller can mend.
pub fn invalid(detail: &str, next: &str) -> CallToolResult {
    let text = format!("invalid_input: {detail}\nEffect: none\nNext: {next}");
    refusal(text, json!({ "latchgate/error": "invalid_input", "latchgate/effect": "none" }))
}

fn refusal(text: String, meta: Value) -> CallToolResult {
    let mut meta = object(meta);
    meta.retain(|_, value| !value.is_null());
    let mut result = CallToolResult::error(vec![ContentBlock::text(text)]);
    result.meta = Some(MetaObject(meta));
    result
}

fn effect(effect: EffectStatus) -> &'static str {
    match effect {
        EffectStatus::None => "none",
        EffectStatus::Done => "done",
        EffectStatus::Unknown => "unknown: it may have happened",
    }
}

fn next(problem: &Problem) -> &str {
    match (problem.code(), &problem.remediation, problem.effect) {
        // The gate's remedy names a route of its own; here the schema is the tool's.
        (Some(Code::SchemaViolation), _, _) => "correct the arguments: they must fit the tool's inputSchema",
        (_, Some(remedy), _) => remedy,
        (_, None, EffectStatus::Unknown) => "tell the user; an operator has to look whether it happened",
        (_, None, _) if problem.retryable => "call again",
        (_, None, _) => "do not repeat it as it is; tell the user if you need it",
    }
}

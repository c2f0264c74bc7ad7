//! An action as a tool: its name, schemas and hints in the words of the protocol.

use std::sync::Arc;

use latchgate_wire::api::ActionInfo;
use rmcp::model::{JsonObject, MetaObject, Tool, ToolAnnotations};
use serde_json::{Map, Value, json};

/// Names that the adapter keeps for tools of its own.
pub const OWN_PREFIX: &str = "latchgate_";
pub const MY_PENDING: &str = "latchgate_my_pending";

/// The tool of an action.
pub fn of_action(action: &ActionInfo) -> Tool {
    let hints = &action.annotations;
    let annotations = ToolAnnotations::new()
        .read_only(hints.read_only_hint)
        .destructive(hints.destructive_hint)
        .idempotent(hints.idempotent_hint)
        .open_world(hints.open_world_hint);
    Tool::new(action.action_id.clone(), action.description.clone(), input_schema(action))
        .with_title(action.title.clone())
        .with_raw_output_schema(Arc::new(output_schema(action)))
        .with_annotations(annotations)
        .with_meta(MetaObject(object(json!({
            "latchgate/class": action.class,
            "latchgate/risk_level": action.risk_level,
            "latchgate/version": action.version,
            "latchgate/tags": action.tags,
        }))))
}

/// The agent's own held calls.
pub fn my_pending() -> Tool {
    let output = object(json!({
        "type": "object",
        "required": ["pending"],
        "additionalProperties": false,
        "properties": { "pending": { "type": "array", "items": {
            "type": "object",
            "required": ["approval_id", "action", "title", "risk_level", "held_at", "expires_at"],
            "properties": {
                "approval_id": { "type": "string" },
                "action": { "type": "string" },
                "title": { "type": "string" },
                "risk_level": { "type": "string" },
                "held_at": { "type": "string" },
                "expires_at": { "type": "string" }
            }
        } } }
    }));
    own(
        MY_PENDING,
        "My pending approvals",
        "Lists your own calls that wait for a person's decision, those of earlier sessions included. Changes nothing.",
        json!({ "type": "object", "properties": {}, "additionalProperties": false }),
        output,
    )
}

/// A tool of the adapter's own that changes nothing.
pub fn own(
    name: &'static str,
    title: &'static str,
    description: &'static str,
    input: Value,
    output: JsonObject,
) -> Tool {
    Tool::new(name, description, Arc::new(object(input)))
        .with_title(title)
        .with_raw_output_schema(Arc::new(output))
        .with_annotations(
            ToolAnnotations::new().read_only(true).destructive(false).idempotent(true).open_world(false),
        )
}

/// The gate validates by the same schema; the protocol wants its root to say `object`.
fn input_schema(action: &ActionInfo) -> Arc<JsonObject> {
    let mut schema = object(action.request_schema.clone());
    schema.insert("type".into(), "object".into());
    Arc::new(schema)
}

/// Whether the output stands in the structured content as it is. Anything but an object goes into a member.
pub fn is_object_output(action: &ActionInfo) -> bool {
    action.response_schema.get("type").is_some_and(|kind| kind == "object")
}

fn output_schema(action: &ActionInfo) -> JsonObject {
    if is_object_output(action) {
        return object(action.response_schema.clone());
    }
    let inner = match &action.response_schema {
        Value::Bool(_) => Value::Object(Map::new()),
        schema => schema.clone(),
    };
    object(json!({ "type": "object", "required": ["output"], "properties": { "output": inner } }))
}

pub fn object(value: Value) -> JsonObject {
    match value {
        Value::Object(members) => members,
        _ => JsonObject::new(),
    }
}

//! Four tools instead of one for each action: what a client with a small window uses on a gate with very many.

use std::sync::Arc;

use latchgate_wire::api::ActionInfo;
use rmcp::model::{Tool, ToolAnnotations};
use serde_json::{Value, json};

use super::tools::{object, own};

pub const SEARCH: &str = "latchgate_search";
pub const DESCRIBE: &str = "latchgate_describe";
pub const CALL: &str = "latchgate_call";
pub const AWAIT: &str = "latchgate_await";

const FOUND_MAX: usize = 20;

pub fn all() -> Vec<Tool> {
    vec![search_tool(), describe_tool(), call_tool(), await_tool()]
}

fn search_tool() -> Tool {
    let found = object(json!({
        "type": "object",
        "required": ["actions", "total"],
        "properties": {
            "actions": { "type": "array", "items": {
                "type": "object",
                "required": ["action", "title", "description", "class", "risk_level"],
                "properties": {
                    "action": { "type": "string" },
                    "title": { "type": "string" },
                    "description": { "type": "string" },
                    "class": { "type": "string" },
                    "risk_level": { "type": "string" }
                }
            } },
            "total": { "type": "integer" }
        }
    }));
    own(
        SEARCH,
        "Search actions",
        "Finds actions of the gate by words in their names, titles, descriptions and tags.",
        json!({
            "type": "object",
            "properties": { "query": { "type": "string", "description": "Words, all of which must occur; empty for all" } },
            "additionalProperties": false
        }),
        found,
    )
}

fn describe_tool() -> Tool {
    let described = object(json!({
        "type": "object",
        "required": ["action_id", "title", "description", "request_schema", "response_schema"]
    }));
    own(
        DESCRIBE,
        "Describe an action",
        "Shows one action with the schema of its arguments. Read it before calling the action.",
        json!({
            "type": "object",
            "required": ["action"],
            "properties": { "action": { "type": "string" } },
            "additionalProperties": false
        }),
        described,
    )
}

fn call_tool() -> Tool {
    // What an action does is not known here, so the hints are those of the worst.
    own(
        CALL,
        "Call an action",
        "Calls an action of the gate by name, with arguments that fit its schema.",
        json!({
            "type": "object",
            "required": ["action"],
            "properties": {
                "action": { "type": "string" },
                "arguments": { "type": "object", "description": "As the action's request_schema says" }
            },
            "additionalProperties": false
        }),
        wrapped_output(),
    )
    .with_annotations(
        ToolAnnotations::new().read_only(false).destructive(true).idempotent(false).open_world(true),
    )
}

fn await_tool() -> Tool {
    own(
        AWAIT,
        "Await a held call",
        "Waits for the decision on a held call of yours and brings its answer.",
        json!({
            "type": "object",
            "required": ["approval_id"],
            "properties": { "approval_id": { "type": "string" } },
            "additionalProperties": false
        }),
        wrapped_output(),
    )
}

fn wrapped_output() -> rmcp::model::JsonObject {
    object(json!({ "type": "object", "required": ["output"], "properties": { "output": {} } }))
}

/// Actions in which every word of the query occurs.
pub fn search(actions: &[Arc<ActionInfo>], query: &str) -> Value {
    let words: Vec<String> = query.split_whitespace().map(str::to_lowercase).collect();
    let found: Vec<&Arc<ActionInfo>> = actions.iter().filter(|action| mentions(action, &words)).collect();
    let shown = found.iter().take(FOUND_MAX).map(|action| {
        json!({
            "action": action.action_id,
            "title": action.title,
            "description": action.description,
            "class": action.class,
            "risk_level": action.risk_level,
        })
    });
    json!({ "actions": shown.collect::<Vec<_>>(), "total": found.len() })
}

fn mentions(action: &ActionInfo, words: &[String]) -> bool {
    let text =
        format!("{} {} {} {}", action.action_id, action.title, action.description, action.tags.join(" "));
    let text = text.to_lowercase();
    words.iter().all(|word| text.contains(word))
}

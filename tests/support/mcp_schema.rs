//! The protocol's own JSON Schemas, where they lie beside the work tree, and what a message must be by them.

use std::collections::HashMap;
use std::fs;
use std::sync::{Arc, LazyLock, Mutex, Once};

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::binary::workspace;

/// One revision's schema.
pub struct McpSchema {
    document: Value,
    /// `definitions` or `$defs`.
    place: &'static str,
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

static LOADED: LazyLock<Mutex<HashMap<String, Option<Arc<McpSchema>>>>> = LazyLock::new(Mutex::default);
static LEFT_OUT: Once = Once::new();

/// Which definition a result is, by a member that only it has.
const RESULTS: [(&str, &str); 8] = [
    ("tools", "ListToolsResult"),
    ("content", "CallToolResult"),
    ("resources", "ListResourcesResult"),
    ("resourceTemplates", "ListResourceTemplatesResult"),
    ("contents", "ReadResourceResult"),
    ("prompts", "ListPromptsResult"),
    ("supportedVersions", "DiscoverResult"),
    ("serverInfo", "InitializeResult"),
];

impl McpSchema {
    /// `None` where the schemas are not beside the work tree, which is said once.
    pub fn of(version: &str) -> Option<Arc<Self>> {
        let mut loaded = LOADED.lock().unwrap();
        loaded.entry(version.to_owned()).or_insert_with(|| Self::load(version)).clone()
    }

    fn load(version: &str) -> Option<Arc<Self>> {
        let file = format!("mcp-schemas/{version}.json");
        let beside = workspace().join("../shared/vectors").join(&file);
        let named = std::env::var_os("LATCHGATE_VECTORS").map(|dir| std::path::Path::new(&dir).join(&file));
        let Ok(text) = fs::read_to_string(named.unwrap_or(beside)) else {
            LEFT_OUT.call_once(|| {
                eprintln!("LEFT OUT: no MCP schemas in ../shared/vectors, so no line is checked by them")
            });
            return None;
        };
        let document: Value = serde_json::from_str(&text).unwrap();
        let place = if document["$defs"].is_object() { "$defs" } else { "definitions" };
        Some(Arc::new(Self { document, place, validators: Mutex::default() }))
    }

    /// # Panics
    /// If a server may not say this.
    #[track_caller]
    pub fn check(&self, message: &Value) {
        self.check_as("JSONRPCMessage", message);
        if let Some(method) = message["method"].as_str() {
            let kind = if message["id"].is_null() { "ServerNotification" } else { "ServerRequest" };
            // Requests of the server's own and notifications of extensions are not in every revision's list.
            if method.starts_with("notifications/") && method != "notifications/tasks" {
                self.check_as(kind, message);
            }
        }
        let Some(result) = message["result"].as_object() else { return };
        for (member, definition) in RESULTS {
            if result.contains_key(member) && self.document[self.place].get(definition).is_some() {
                return self.check_as(definition, &message["result"]);
            }
        }
    }

    #[track_caller]
    fn check_as(&self, definition: &str, value: &Value) {
        let validator = self.validator(definition);
        let wrong: Vec<String> = validator.iter_errors(value).map(|error| error.to_string()).collect();
        assert!(wrong.is_empty(), "no {definition}: {wrong:#?}\n{value:#}");
    }

    fn validator(&self, definition: &str) -> Arc<Validator> {
        let mut validators = self.validators.lock().unwrap();
        let make = || {
            let schema = json!({
                "$schema": self.document["$schema"],
                "$ref": format!("#/{}/{definition}", self.place),
                (self.place): self.document[self.place],
            });
            Arc::new(jsonschema::validator_for(&schema).unwrap())
        };
        Arc::clone(validators.entry(definition.to_owned()).or_insert_with(make))
    }
}

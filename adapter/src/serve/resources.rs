//! What an agent can read of its gate: the actions, and how things stand. Nothing that it could not ask for by itself.

use std::sync::Arc;

use rmcp::model::{ListResourcesResult, ReadResourceResult, Resource, ResourceContents};
use serde_json::{Value, json};

use super::catalogue::Catalogue;
use super::link::Link;

const ACTIONS: &str = "latchgate://actions";
const STATUS: &str = "latchgate://status";
const JSON: &str = "application/json";

/// Both resources.
pub fn list() -> ListResourcesResult {
    let actions = Resource::new(ACTIONS, "actions")
        .with_title("Actions")
        .with_description("The gate's actions with schemas, risk and hints")
        .with_mime_type(JSON);
    let status = Resource::new(STATUS, "status")
        .with_title("Status")
        .with_description("Whether the gate takes calls, and who it takes this session for")
        .with_mime_type(JSON);
    ListResourcesResult::with_all_items(vec![actions, status])
}

/// `None` for any other URI.
pub async fn read(uri: &str, catalogue: &Catalogue, link: &Arc<Link>) -> Option<ReadResourceResult> {
    let value = match uri {
        ACTIONS => {
            let actions = catalogue.current().await;
            json!({ "actions": actions.iter().map(|action| &**action).collect::<Vec<_>>() })
        }
        STATUS => status(link).await,
        _ => return None,
    };
    let text = serde_json::to_string_pretty(&value).unwrap_or_default();
    let contents = ResourceContents::text(text, uri).with_mime_type(JSON);
    Some(ReadResourceResult::new(vec![contents]))
}

async fn status(link: &Arc<Link>) -> Value {
    let mut status = json!({
        "adapter": { "name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION") },
        "session": { "agent_id": link.agent_id(), "label": link.session_label() },
    });
    let ready = match link.public() {
        Ok(public) => public.ready().await,
        Err(error) => Err(error),
    };
    status["gate"] = match ready {
        Ok(ready) => json!({
            "status": ready.status,
            "actions_registered": ready.actions_registered,
            "public_base_url": ready.public_base_url,
        }),
        Err(error) => {
            let remedy = error.remedy();
            json!({ "status": "unreachable", "detail": error.to_string(), "remediation": remedy })
        }
    };
    if let Ok(agent) = link.agent().await
        && let (Ok(principal), Ok(session_id)) = (agent.principal().await, agent.session_id().await)
    {
        status["session"]["principal"] = json!(principal);
        status["session"]["session_id"] = json!(session_id);
    }
    status
}

//! What an operator's client can read: actions, status, what waits, and the newest entries.

use latchgate_client::{ClientError, OperatorClient};
use latchgate_wire::api::AuditQuery;
use rmcp::ErrorData;
use rmcp::model::{CacheScope, ReadResourceResult, Resource, ResourceContents};
use serde_json::{Value, json};

use super::untrusted::{NOTICE, shown};
use super::{explained, tools};

const ACTIONS: &str = "latchgate://actions";
const STATUS: &str = "latchgate://status";
const PENDING: &str = "latchgate://approvals/pending";
const AUDIT: &str = "latchgate://audit/recent";

const ENTRIES: usize = 25;

pub fn all() -> Vec<Resource> {
    let resource = |uri, name, description| {
        Resource::new(uri, name).with_description(description).with_mime_type("application/json")
    };
    vec![
        resource(ACTIONS, "actions", "every action of the gate with its schemas, class and risk"),
        resource(STATUS, "status", "the gate's state, and the version of this adapter"),
        resource(PENDING, "pending approvals", "calls that wait for a decision"),
        resource(AUDIT, "recent audit entries", "the newest 25 entries of the ledger, newest first"),
    ]
}

/// # Errors
/// There is no such resource, or the gate does not answer.
pub async fn read(client: &OperatorClient, uri: &str) -> Result<ReadResourceResult, ErrorData> {
    let value = match uri {
        ACTIONS => client.actions().await.map(|actions| json!({ "actions": actions })),
        STATUS => status(client).await,
        PENDING => pending(client).await,
        AUDIT => audit(client, &AuditQuery { limit: Some(ENTRIES), ..AuditQuery::default() }).await,
        _ => return Err(ErrorData::resource_not_found(format!("there is no resource {uri:?}"), None)),
    };
    let value = value.map_err(|error| ErrorData::internal_error(explained(&error), None))?;
    let contents = ResourceContents::text(shown(&value), uri).with_mime_type("application/json");
    // What an operator reads is for nobody else, and old a moment later.
    Ok(ReadResourceResult::new(vec![contents]).with_ttl_ms(0).with_cache_scope(CacheScope::Private))
}

async fn status(client: &OperatorClient) -> Result<Value, ClientError> {
    let status = client.status().await?;
    Ok(
        json!({ "gate": status, "adapter": { "name": "latchgate-mcp", "version": env!("CARGO_PKG_VERSION") } }),
    )
}

async fn pending(client: &OperatorClient) -> Result<Value, ClientError> {
    let list = client.approvals(Some("pending")).await?;
    let approvals: Vec<Value> = list
        .approvals
        .iter()
        .map(|info| {
            let mut facts = tools::facts(info);
            facts["untrusted"] = json!({ "agent": info.agent });
            facts
        })
        .collect();
    Ok(json!({ "notice": NOTICE, "approvals": approvals }))
}

/// Entries are the gate's, and say what agents called themselves and asked for.
pub async fn audit(client: &OperatorClient, query: &AuditQuery) -> Result<Value, ClientError> {
    let page = client.audit(query).await?;
    Ok(json!({ "notice": NOTICE, "untrusted": { "entries": page.entries } }))
}

//! The tools that are the adapter's own and no action of the gate's.

use latchgate_client::ClientError;
use latchgate_wire::ids::ApprovalId;
use rmcp::ErrorData;
use rmcp::RoleServer;
use rmcp::model::{CallToolRequestParams, CallToolResponse, CallToolResult};
use rmcp::service::RequestContext;
use serde_json::{Value, json};

use super::args::ToolSet;
use super::server::{AgentServer, unread};
use super::{meta_tools, results, tools};

impl AgentServer {
    /// The result of a tool of that name, if there is one.
    pub(super) async fn own_tool(
        &self,
        params: &CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Option<Result<CallToolResponse, ErrorData>> {
        let args = Value::Object(params.arguments.clone().unwrap_or_default());
        let text = |name: &str| args.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let is_meta = self.shows == ToolSet::Meta;
        Some(Ok(match params.name.as_ref() {
            tools::MY_PENDING => self.my_pending().await.into(),
            meta_tools::SEARCH if is_meta => {
                let actions = self.catalogue.current().await;
                results::structured(meta_tools::search(&actions, &text("query"))).into()
            }
            meta_tools::DESCRIBE if is_meta => self.described(&text("action")).await.into(),
            meta_tools::AWAIT if is_meta => self.awaited(&args, context).await.into(),
            meta_tools::CALL if is_meta => {
                let name = text("action");
                let inner = args.get("arguments").cloned().unwrap_or_else(|| json!({}));
                match self.action(&name).await {
                    Ok(action) => return Some(self.call(action, inner, params, context).await),
                    Err(no) => no.as_result(&name).into(),
                }
            }
            _ => return None,
        }))
    }

    async fn my_pending(&self) -> CallToolResult {
        let listed = match self.link.agent().await {
            Ok(agent) => agent.approvals().await,
            Err(error) => Err(error),
        };
        let list = match listed {
            Ok(list) => list,
            Err(error) => return results::error(&error),
        };
        // Others of the same owner are nobody's business here.
        let mine = list.approvals.iter().filter(|held| held.agent.as_deref() == Some(self.link.agent_id()));
        let pending = mine.map(|held| {
            json!({
                "approval_id": held.approval_id,
                "action": held.action_id,
                "title": held.title,
                "risk_level": held.risk_level,
                "held_at": held.held_at,
                "expires_at": held.expires_at,
            })
        });
        results::structured(json!({ "pending": pending.collect::<Vec<_>>() }))
    }

    async fn described(&self, name: &str) -> CallToolResult {
        match self.action(name).await {
            Ok(action) => results::structured(json!(*action)),
            Err(no) => no.as_result(name),
        }
    }

    /// The answer of a held call that is known by its approval.
    async fn awaited(&self, args: &Value, context: &RequestContext<RoleServer>) -> CallToolResult {
        let id = args.get("approval_id").and_then(Value::as_str).unwrap_or_default();
        let Ok(id) = id.parse::<ApprovalId>() else {
            return results::invalid(
                "approval_id: expected appr_ and 26 characters",
                "take it from the pending result",
            );
        };
        let answered = tokio::select! {
            answered = self.approvals.awaited(id) => answered,
            () = context.ct.cancelled() => return unread(),
            () = self.closing.cancelled() => return unread(),
        };
        match answered {
            Ok(Some(ended)) => {
                self.calls.given_by_approval(id, &ended);
                match &ended {
                    Ok(executed) => results::wrapped(executed),
                    Err(error) => results::error(error),
                }
            }
            Ok(None) => results::still_pending(&id.to_string()),
            Err(error) => results::error(&error),
        }
    }
}

/// Why a name is no action's.
pub enum NoAction {
    Unknown,
    NotAsked(ClientError),
}

impl NoAction {
    fn as_result(&self, name: &str) -> CallToolResult {
        match self {
            Self::Unknown => results::invalid(
                &format!("there is no action `{name}` here"),
                "look for one with latchgate_search",
            ),
            Self::NotAsked(error) => results::error(error),
        }
    }
}

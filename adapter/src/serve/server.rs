//! The handler that clients talk to, whatever the transport.

use std::borrow::Cow;
use std::sync::Arc;

use latchgate_client::ClientError;
use latchgate_wire::api::{ActionInfo, Executed, WITHDRAWN};
use latchgate_wire::ids::ApprovalId;
use latchgate_wire::problem::Code;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, CancelTaskParams, CancelledNotificationParam,
    DetailedTask, GetTaskParams, GetTaskResult, Implementation, ListResourcesResult, ListToolsResult,
    PaginatedRequestParams, ProtocolVersion, ReadResourceRequestParams, ReadResourceResponse,
    ServerCapabilities, ServerConfig, SubscriptionFilter, TaskPayload, Tool, UpdateTaskParams,
};
use rmcp::service::{NotificationContext, RequestContext, SubscriptionContext};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::approvals::{Answered, Approvals, held_at, task_result, working};
use super::args::{Args, ToolSet};
use super::calls::Calls;
use super::catalogue::Catalogue;
use super::flight::{Ending, Flight};
use super::link::Link;
use super::undelivered::Given;
use super::{meta_tools, resources, results, tools};

/// Tools on one page.
const PAGE: usize = 100;

const INSTRUCTIONS: &str = "Every tool here goes through an execution gate: policy decides, and some calls wait for a \
person. A result that says `pending_approval` has done nothing yet: tell the user, and call again with the same arguments \
once it is decided. Errors say whether anything happened and what to do next.";

/// One agent of one gate. Cloned, it is the same agent.
#[derive(Clone)]
pub struct AgentServer {
    link: Arc<Link>,
    catalogue: Arc<Catalogue>,
    calls: Arc<Calls>,
    approvals: Arc<Approvals>,
    given: Arc<Given>,
    shows: ToolSet,
    closing: CancellationToken,
}

impl AgentServer {
    /// Begins to look for the gate.
    ///
    /// # Errors
    /// A key that cannot be read, or a gate's URL that leads off this machine.
    pub fn new(args: Args) -> anyhow::Result<Self> {
        let link = Link::new(&args)?;
        let closing = CancellationToken::new();
        let calls = Calls::new(Arc::clone(&link));
        let approvals = Approvals::new(Arc::clone(&calls), args.approval_wait(), closing.clone())?;
        Ok(Self {
            catalogue: Catalogue::following(Arc::clone(&link), args.tools),
            link,
            calls,
            approvals: Arc::new(approvals),
            given: Arc::default(),
            shows: args.tools,
            closing,
        })
    }

    /// The same agent towards another client, whose request ids are its own.
    #[must_use]
    pub fn for_another_client(&self) -> Self {
        Self { given: Arc::default(), ..self.clone() }
    }

    /// To be cancelled when the client is gone.
    pub fn closing(&self) -> CancellationToken {
        self.closing.clone()
    }

    async fn tools(&self) -> Vec<Tool> {
        let mut all = vec![tools::my_pending()];
        match self.shows {
            ToolSet::Meta => all.extend(meta_tools::all()),
            ToolSet::All | ToolSet::Profile => {
                let actions = self.catalogue.current().await;
                let named = actions.iter().filter(|action| !action.action_id.starts_with(tools::OWN_PREFIX));
                all.extend(named.map(tools::of_action));
            }
        }
        all
    }

    /// An action by name.
    async fn action(&self, name: &str) -> Result<ActionInfo, NoAction> {
        if name.starts_with(tools::OWN_PREFIX) {
            return Err(NoAction::Unknown);
        }
        match self.catalogue.action(name).await {
            Ok(Some(action)) => Ok(action),
            Ok(None) => Err(NoAction::Unknown),
            Err(error) => Err(NoAction::NotAsked(error)),
        }
    }

    async fn call(
        &self,
        action: ActionInfo,
        args: Value,
        params: &CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> CallToolResponse {
        let flight = match self.calls.begin(action, args) {
            Ok(flight) => flight,
            Err(error) => return results::error(&error).into(),
        };
        match self.approvals.answered(&flight, params, context).await {
            Answered::Ended(ending) => {
                self.given.note(context.id.clone(), &flight);
                self.calls.given(&flight);
                self.result(&flight.action, &ending).into()
            }
            Answered::Meanwhile(response) => {
                self.calls.left(&flight);
                *response
            }
            Answered::Closing => {
                self.calls.left(&flight);
                closing_result().into()
            }
            Answered::Cancelled => {
                self.cancelled(&flight);
                closing_result().into()
            }
        }
    }

    fn cancelled(&self, flight: &Arc<Flight>) {
        match self.closing.is_cancelled() {
            true => self.calls.left(flight),
            false => self.calls.cancelled(flight),
        }
    }

    fn result(&self, action: &ActionInfo, ending: &Ending) -> CallToolResult {
        match (&**ending, self.shows) {
            (Ok(executed), ToolSet::Meta) => results::wrapped(executed),
            (Ok(executed), ToolSet::All | ToolSet::Profile) => results::executed(action, executed),
            (Err(error), _) => results::error(error),
        }
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
            Ok(action) => results::structured(json!(action)),
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
            () = context.ct.cancelled() => return closing_result(),
            () = self.closing.cancelled() => return closing_result(),
        };
        match answered {
            Ok(Some(Ok(executed))) => {
                self.calls.given_by_approval(id);
                results::wrapped(&executed)
            }
            Ok(Some(Err(error))) => {
                self.calls.given_by_approval(id);
                results::error(&error)
            }
            Ok(None) => results::still_pending(&id.to_string()),
            Err(error) => results::error(&error),
        }
    }

    async fn own_tool(
        &self,
        params: &CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Option<CallToolResponse> {
        let args = Value::Object(params.arguments.clone().unwrap_or_default());
        let text = |name: &str| args.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let is_meta = self.shows == ToolSet::Meta;
        Some(match params.name.as_ref() {
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
                    Ok(action) => self.call(action, inner, params, context).await,
                    Err(no) => no.as_result(&name).into(),
                }
            }
            _ => return None,
        })
    }

    /// The state of a held call, as a task has it.
    async fn task(&self, id: ApprovalId) -> Result<DetailedTask, ErrorData> {
        let now = held_at(id);
        let answered = self.calls.decided(id, None).await;
        let working = |message: Option<String>| {
            let task = working(id, &now, None);
            let task = message.into_iter().fold(task, |task, message| task.with_status_message(message));
            DetailedTask::new(task, TaskPayload::Working)
        };
        let ended = match answered {
            Ok(Some(ended)) => ended,
            Ok(None) => return Ok(working(None)),
            Err(error) => return Ok(working(Some(format!("the gate cannot be asked now: {error}")))),
        };
        if is_absent(&ended) {
            return Err(ErrorData::invalid_params(
                "there is no such task, or it ended more than 24 h ago",
                None,
            ));
        }
        self.calls.given_by_approval(id);
        if is_withdrawn(&ended) {
            return Ok(DetailedTask::new(
                working(None).task.with_status_message(WITHDRAWN),
                TaskPayload::Cancelled,
            ));
        }
        let result = match &ended {
            Ok(executed) => match self.catalogue.action(&executed.action_id).await {
                Ok(Some(action)) if self.shows != ToolSet::Meta => results::executed(&action, executed),
                _ => results::wrapped(executed),
            },
            Err(error) => results::error(error),
        };
        let task = working(None).task.with_status_message("decided");
        Ok(DetailedTask::new(task, TaskPayload::Completed { result: task_result(&result) }))
    }
}

/// Why a name is no action's.
enum NoAction {
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

fn is_absent(ended: &Result<Executed, ClientError>) -> bool {
    matches!(ended, Err(error) if error.code() == Some(Code::NotFound))
}

fn is_withdrawn(ended: &Result<Executed, ClientError>) -> bool {
    matches!(ended, Err(ClientError::Problem(problem)) if problem.detail == WITHDRAWN)
}

/// Nobody reads it: the request was cancelled, or the client is gone.
fn closing_result() -> CallToolResult {
    results::invalid("the request was cancelled", "call again")
}

fn task_id(text: &str) -> Result<ApprovalId, ErrorData> {
    text.parse().map_err(|_| ErrorData::invalid_params(format!("there is no task `{text}`"), None))
}

impl ServerHandler for AgentServer {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_tool_list_changed()
            .enable_resources()
            .enable_tasks()
            .build();
        let mut name = Implementation::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        name.title = Some("Latchgate".into());
        ServerConfig::new(capabilities).with_server_info(name).with_instructions(INSTRUCTIONS)
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Cow::Borrowed(ProtocolVersion::KNOWN_VERSIONS)
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let from = match request.and_then(|request| request.cursor) {
            None => 0,
            Some(cursor) => cursor
                .parse::<usize>()
                .map_err(|_| ErrorData::invalid_params("cursor: expected one of an earlier page", None))?,
        };
        let tools = self.tools().await;
        let next = from.saturating_add(PAGE);
        let mut list = ListToolsResult::with_all_items(tools.iter().skip(from).take(PAGE).cloned().collect());
        list.next_cursor = (next < tools.len()).then(|| next.to_string());
        Ok(list)
    }

    async fn call_tool(
        &self,
        params: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        if let Some(response) = self.own_tool(&params, &context).await {
            return Ok(response);
        }
        let unknown = || ErrorData::invalid_params(format!("unknown tool: {}", params.name), None);
        if self.shows == ToolSet::Meta {
            return Err(unknown());
        }
        let action = match self.action(&params.name).await {
            Ok(action) => action,
            Err(NoAction::Unknown) => return Err(unknown()),
            Err(NoAction::NotAsked(error)) => return Ok(results::error(&error).into()),
        };
        let args = Value::Object(params.arguments.clone().unwrap_or_default());
        Ok(self.call(action, args, &params, &context).await)
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Ok(resources::list())
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        match resources::read(&request.uri, &self.catalogue, &self.link).await {
            Some(result) => Ok(result.into()),
            None => Err(ErrorData::resource_not_found(
                format!("there is no resource {}", request.uri),
                Some(json!({ "uri": request.uri })),
            )),
        }
    }

    async fn get_task(
        &self,
        request: GetTaskParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        self.task(task_id(&request.task_id)?).await.map(GetTaskResult::new)
    }

    async fn update_task(
        &self,
        request: UpdateTaskParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        // No task asks for anything: what a client sends is not needed.
        task_id(&request.task_id).map(|_| ())
    }

    async fn cancel_task(
        &self,
        request: CancelTaskParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let id = task_id(&request.task_id)?;
        match self.calls.take_back(id).await {
            Ok(()) => {
                self.calls.given_by_approval(id);
                Ok(())
            }
            // Cooperative: what is decided goes its way, and the task says which.
            Err(error) => {
                tracing::info!(approval = %id, %error, "a cancelled task goes on");
                Ok(())
            }
        }
    }

    fn accepted_subscription_filter(&self, _: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(SubscriptionFilter::builder().tools_list_changed().build())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let mut changes = self.catalogue.changes();
        let mut news = async || {
            while changes.changed().await.is_ok() {
                if context.sink().notify_tool_list_changed().await.is_err() {
                    return;
                }
            }
        };
        let is_wanted = context.accepted().tools_list_changed == Some(true);
        tokio::select! {
            () = context.cancelled() => {}
            () = self.closing.cancelled() => {}
            () = news(), if is_wanted => {}
        }
        Ok(())
    }

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        let mut changes = self.catalogue.changes();
        // What was known before was known to the client's first look, or will be.
        changes.mark_unchanged();
        let (closing, peer) = (self.closing.clone(), context.peer);
        tokio::spawn(async move {
            let news = async {
                while changes.changed().await.is_ok() && peer.notify_tool_list_changed().await.is_ok() {}
            };
            tokio::select! {
                () = closing.cancelled() => {}
                () = news => {}
            }
        });
    }

    async fn on_cancelled(&self, notice: CancelledNotificationParam, _: NotificationContext<RoleServer>) {
        if let Some(flight) = notice.request_id.and_then(|id| self.given.take(&id)) {
            self.calls.not_given(&flight);
        }
    }
}

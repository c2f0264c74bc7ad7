//! The handler that clients talk to, whatever the transport.

use std::borrow::Cow;
use std::sync::Arc;

use latchgate_client::ClientError;
use latchgate_wire::api::ActionInfo;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, CancelTaskParams, CancelledNotificationParam,
    GetTaskParams, GetTaskResult, Implementation, ListPromptsRequestMethod, ListPromptsResult,
    ListResourcesResult, ListToolsResult, PaginatedRequestParams, ProtocolVersion, ReadResourceRequestParams,
    ReadResourceResponse, RequestId, ServerCapabilities, ServerConfig, SubscriptionFilter, Tool,
    UpdateTaskParams,
};
use rmcp::service::{NotificationContext, RequestContext, SubscriptionContext};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::approvals::{Answered, Approvals};
use super::args::{Args, ToolSet};
use super::calls::Calls;
use super::catalogue::Catalogue;
use super::flight::{Ending, Flight, Identity};
use super::link::Link;
use super::own_tools::NoAction;
use super::tasks::task_id;
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
    pub(super) link: Arc<Link>,
    pub(super) catalogue: Arc<Catalogue>,
    pub(super) calls: Arc<Calls>,
    pub(super) approvals: Arc<Approvals>,
    given: Arc<Given>,
    pub(super) shows: ToolSet,
    pub(super) closing: CancellationToken,
    /// Whether the transport says when an answer is written. Where none does, it counts as written when it is given.
    told: Told,
}

#[derive(Clone, Copy)]
enum Told {
    AtOnce,
    WhenWritten,
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
            told: Told::AtOnce,
        })
    }

    /// For a transport that calls [`Self::written`].
    #[must_use]
    pub fn told_what_is_written(self) -> Self {
        Self { told: Told::WhenWritten, ..self }
    }

    /// To be called with the request whose answer the client's side has taken.
    pub fn written(&self) -> Arc<dyn Fn(&RequestId) + Send + Sync> {
        let (calls, given) = (Arc::clone(&self.calls), Arc::clone(&self.given));
        Arc::new(move |request| {
            if let Some(call) = given.written(request) {
                calls.written(call);
            }
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
                all.extend(named.map(|action| tools::of_action(action)));
            }
        }
        all
    }

    /// An action by name.
    pub(super) async fn action(&self, name: &str) -> Result<Arc<ActionInfo>, NoAction> {
        if name.starts_with(tools::OWN_PREFIX) {
            return Err(NoAction::Unknown);
        }
        match self.catalogue.action(name).await {
            Ok(Some(action)) => Ok(action),
            Ok(None) => Err(NoAction::Unknown),
            Err(error) => Err(NoAction::NotAsked(error)),
        }
    }

    pub(super) async fn call(
        &self,
        action: Arc<ActionInfo>,
        args: Value,
        params: &CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let flight = match self.begin(action, args, params)? {
            Ok(flight) => flight,
            Err(error) => return Ok(results::error(&error).into()),
        };
        Ok(match self.approvals.answered(&flight, params, context).await {
            Answered::Ended(ending) => {
                if !flight.is_read() {
                    self.given.note(context.id.clone(), &flight);
                }
                self.calls.given(&flight);
                if let Told::AtOnce = self.told {
                    self.written()(&context.id);
                }
                self.result(&flight.action, &ending).into()
            }
            Answered::Meanwhile(response) => {
                self.calls.left(&flight);
                *response
            }
            Answered::Closing => {
                self.calls.left(&flight);
                unread().into()
            }
            Answered::Cancelled => {
                self.cancelled(&flight);
                unread().into()
            }
        })
    }

    /// Nothing is begun for a client that brings back what was not given to it.
    fn begin(
        &self,
        action: Arc<ActionInfo>,
        args: Value,
        params: &CallToolRequestParams,
    ) -> Result<Result<Arc<Flight>, ClientError>, ErrorData> {
        let begun = Identity::of(&action.action_id, &args).map(|identity| {
            match self.approvals.is_genuine(&identity, params) {
                true => Ok(self.calls.begin(action, args)),
                false => Err(ErrorData::invalid_params(
                    "requestState: expected the one that was given for this call, or none",
                    None,
                )),
            }
        });
        begun.unwrap_or_else(|error| Ok(Err(error)))
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
}

/// Nobody reads it: the request was cancelled, or the client is gone.
pub fn unread() -> CallToolResult {
    results::invalid("the request was cancelled", "call again")
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
            return response;
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
        self.call(action, args, &params, &context).await
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

    /// There are none, so it is no capability, and so no method: clients that go by capabilities never ask, and those that ask
    /// all the same know this answer. The protocol's own suite takes an empty list here for a capability that was not declared.
    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Err(ErrorData::method_not_found::<ListPromptsRequestMethod>())
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
        self.cancel(task_id(&request.task_id)?).await;
        Ok(())
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

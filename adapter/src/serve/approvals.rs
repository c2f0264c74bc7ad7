//! A held call towards its client: a task, a question that informs, or a bounded wait, by what the client declared.
//!
//! Nothing that comes back from a client decides anything. A person's answer there can only take the call back.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use latchgate_client::ClientError;
use latchgate_wire::api::{Executed, Pending};
use latchgate_wire::ids::ApprovalId;
use rmcp::RoleServer;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CreateTaskResult, ElicitRequest, ElicitRequestParams,
    ElicitationAction, ElicitationSchema, InputRequest, InputRequiredResult, ProgressNotificationParam,
    ProgressToken, ProtocolVersion, RequestStateCodec, SealOptions, Task, TaskStatus,
};
use rmcp::service::{Peer, RequestContext};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::calls::Calls;
use super::flight::{Ending, Flight, Identity, Landed};
use super::results;

/// The longest one request to the gate waits; then the next does.
const SLICE: Duration = Duration::from_secs(20);
/// Between signs of life to a client that asked for them: as long as it has taken, within these.
const PROGRESS_FIRST: Duration = Duration::from_secs(1);
const PROGRESS: Duration = Duration::from_secs(5);
/// Between looks at a gate that is away or answers too early.
const PAUSE: Duration = Duration::from_millis(250);
/// How often a client is asked to look at its task.
const TASK_POLL_MS: u64 = 2_000;
/// The one question's name.
const QUESTION: &str = "approval";

/// What a client can do with a call that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    Task,
    InputRequired,
    Elicitation,
    Wait,
}

impl Manner {
    fn of(context: &RequestContext<RoleServer>) -> Self {
        let Some(client) = context.client_capabilities() else { return Self::Wait };
        let is_stateless = context.protocol_version().is_some_and(|v| v >= ProtocolVersion::V_2026_07_28);
        // A form, which is what a client means that declares nothing in particular.
        let asks =
            client.elicitation.as_ref().is_some_and(|modes| modes.form.is_some() || modes.url.is_none());
        match (is_stateless, client.supports_tasks(), asks) {
            (true, true, _) => Self::Task,
            (true, false, true) => Self::InputRequired,
            (false, _, true) => Self::Elicitation,
            (_, _, false) => Self::Wait,
        }
    }
}

/// How a request's wait ended.
pub enum Answered {
    Ended(Ending),
    /// To be handed to the client, with the call left as it is.
    Meanwhile(Box<CallToolResponse>),
    /// The request was cancelled.
    Cancelled,
    /// The client is gone. What it asked for stays as it is.
    Closing,
}

/// How held calls are waited for.
pub struct Approvals {
    calls: Arc<Calls>,
    wait: Duration,
    closing: CancellationToken,
    /// Seals what a client brings back with its answer. Of this process only.
    codec: RequestStateCodec,
}

impl Approvals {
    /// # Errors
    /// If the system gives no randomness.
    pub fn new(calls: Arc<Calls>, wait: Duration, closing: CancellationToken) -> anyhow::Result<Self> {
        let mut key = [0; 32];
        getrandom::fill(&mut key)
            .map_err(|error| anyhow::anyhow!("the system gives no randomness: {error}"))?;
        let codec = RequestStateCodec::try_new(key)?;
        Ok(Self { calls, wait, closing, codec })
    }

    /// Waits for the call as this client can.
    pub async fn answered(
        &self,
        flight: &Arc<Flight>,
        params: &CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Answered {
        let until = Instant::now() + self.wait;
        let progress = Progress::of(context, self.wait);
        tokio::select! {
            biased;
            () = self.closing.cancelled() => Answered::Closing,
            () = context.ct.cancelled() => Answered::Cancelled,
            answered = self.settled(flight, params, context, until) => answered,
            never = progress.goes_on(flight) => match never {},
        }
    }

    async fn settled(
        &self,
        flight: &Arc<Flight>,
        params: &CallToolRequestParams,
        context: &RequestContext<RoleServer>,
        until: Instant,
    ) -> Answered {
        let pending = match flight.landed().await {
            Landed::Ended(ending) => return Answered::Ended(ending),
            Landed::Held(pending) => pending,
        };
        if self.is_declined(flight, params) {
            return self.taken_back(flight, &pending).await;
        }
        match Manner::of(context) {
            Manner::Task => Answered::Meanwhile(Box::new(task(&pending).into())),
            Manner::InputRequired if flight.tell() => {
                Answered::Meanwhile(Box::new(self.question(flight, &pending).into()))
            }
            Manner::Elicitation if flight.tell() => {
                tokio::select! {
                    answered = self.decided(flight, &pending, until) => answered,
                    () = declined(&context.peer, flight, &pending) => self.taken_back(flight, &pending).await,
                }
            }
            Manner::InputRequired | Manner::Elicitation | Manner::Wait => {
                self.decided(flight, &pending, until).await
            }
        }
    }

    /// Until the decision, or until it has taken too long for one request.
    async fn decided(&self, flight: &Arc<Flight>, pending: &Pending, until: Instant) -> Answered {
        loop {
            if let Some(ending) = flight.ending() {
                return Answered::Ended(ending);
            }
            let left = until.saturating_duration_since(Instant::now());
            let slice = (left >= Duration::from_secs(1)).then(|| left.min(SLICE));
            let asked = Instant::now();
            match self.calls.decided(pending.approval_id, slice).await {
                Ok(Some(ended)) => return Answered::Ended(self.calls.end(flight, ended)),
                Ok(None) if left.is_zero() => break,
                Err(_) if left.is_zero() => break,
                Ok(None) => {}
                Err(error) => tracing::info!(%error, "a held call cannot be asked for"),
            }
            // An answer before its time comes from a gate that ends.
            if asked.elapsed() < PAUSE {
                tokio::time::sleep(PAUSE.min(left)).await;
            }
        }
        let result = results::pending(&flight.action.action_id, pending);
        Answered::Meanwhile(Box::new(result.into()))
    }

    /// As [`Self::decided`], for a call of which only the approval is known. `None`: it still waits.
    ///
    /// # Errors
    /// Why it cannot be asked now.
    pub async fn awaited(
        &self,
        id: ApprovalId,
    ) -> Result<Option<Result<Executed, ClientError>>, ClientError> {
        let until = Instant::now() + self.wait;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let slice = (left >= Duration::from_secs(1)).then(|| left.min(SLICE));
            let answer = self.calls.decided(id, slice).await;
            if left.is_zero() || !matches!(answer, Ok(None)) {
                return answer;
            }
            tokio::time::sleep(PAUSE.min(left)).await;
        }
    }

    async fn taken_back(&self, flight: &Arc<Flight>, pending: &Pending) -> Answered {
        let id = pending.approval_id;
        match self.calls.take_back(id).await {
            Ok(()) => {
                self.calls.given(flight);
                let result = results::withdrawn(&flight.action.action_id, &id.to_string());
                Answered::Meanwhile(Box::new(result.into()))
            }
            // Decided in the same moment: that is the answer.
            Err(_) => self.decided(flight, pending, Instant::now() + PAUSE).await,
        }
    }

    /// The question of the stateless protocol, which comes back with the same call and an answer.
    fn question(&self, flight: &Flight, pending: &Pending) -> InputRequiredResult {
        let question = ElicitRequest::new(form(&flight.action.action_id, pending));
        let questions = BTreeMap::from([(QUESTION.to_owned(), InputRequest::Elicitation(question))]);
        let bound = SealOptions::new().associated_data(flight.identity.as_bytes());
        let state = self.codec.seal_with(pending.approval_id.to_string().as_bytes(), &bound);
        InputRequiredResult::new(Some(questions), Some(state))
    }

    /// Whether what a client brings back was made here, about this call.
    pub fn is_genuine(&self, identity: &Identity, params: &CallToolRequestParams) -> bool {
        params
            .request_state
            .as_ref()
            .is_none_or(|state| self.codec.open_with(state, identity.as_bytes()).is_ok())
    }

    /// The user was asked about this call and said no.
    fn is_declined(&self, flight: &Flight, params: &CallToolRequestParams) -> bool {
        let Some(state) = &params.request_state else { return false };
        let opened = self.codec.open_with(state, flight.identity.as_bytes()).ok();
        let named = opened.and_then(|bytes| String::from_utf8(bytes).ok()?.parse::<ApprovalId>().ok());
        let answer = params.input_responses.as_ref().and_then(|answers| answers.get(QUESTION));
        let says_no =
            answer.is_some_and(|answer| answer.get("action").is_some_and(|action| action == "decline"));
        says_no && named.is_some() && named == flight.held_as()
    }
}

/// The handle of a held call is its approval: it outlives this process.
fn task(pending: &Pending) -> CreateTaskResult {
    CreateTaskResult::new(working(
        pending.approval_id,
        &held_at(pending.approval_id),
        Some(&pending.expires_at.to_string()),
    ))
}

/// A task that waits for a person.
pub fn working(id: ApprovalId, at: &str, until: Option<&str>) -> Task {
    let until = until.map_or_else(String::new, |until| format!(" until {until}"));
    let message = format!("waits for an operator's decision{until}: latchgate approvals approve {id}");
    Task::new(id.to_string(), TaskStatus::Working, at, at)
        .with_status_message(message)
        .with_poll_interval_ms(TASK_POLL_MS)
}

/// An approval's id carries the time that it was made at.
pub fn held_at(id: ApprovalId) -> String {
    let ms = i64::try_from(id.time_ms()).unwrap_or(i64::MAX);
    latchgate_wire::time::Timestamp::from_ms(ms).to_string()
}

/// Comes back only if the user says no. An answer that nothing hangs on is no reason to end the wait.
async fn declined(peer: &Peer<RoleServer>, flight: &Flight, pending: &Pending) {
    match peer.create_elicitation(form(&flight.action.action_id, pending)).await {
        Ok(answer) if answer.action == ElicitationAction::Decline => {}
        Ok(_) => std::future::pending().await,
        Err(error) => {
            tracing::info!(%error, "the client was not told that a call waits");
            std::future::pending().await
        }
    }
}

fn form(action: &str, pending: &Pending) -> ElicitRequestParams {
    let id = pending.approval_id;
    ElicitRequestParams::FormElicitationParams {
        meta: None,
        message: format!(
            "{action} waits for an operator of the gate until {until}. It is decided there, not here: latchgate approvals \
             approve {id}. Accept to go on waiting, decline to take the call back.",
            until = pending.expires_at
        ),
        requested_schema: ElicitationSchema::new(BTreeMap::new()),
    }
}

/// Signs of life for a request that asked for them.
struct Progress {
    to: Option<(Peer<RoleServer>, ProgressToken)>,
    begun: Instant,
    total: Duration,
}

impl Progress {
    fn of(context: &RequestContext<RoleServer>, total: Duration) -> Self {
        let token = context.meta.get_progress_token();
        Self { to: token.map(|token| (context.peer.clone(), token)), begun: Instant::now(), total }
    }

    async fn goes_on(&self, flight: &Flight) -> Infallible {
        let Some((peer, token)) = &self.to else { return std::future::pending().await };
        let mut is_held = false;
        loop {
            // At once when it comes to be held, so that the user knows what it waits for.
            tokio::select! {
                () = tokio::time::sleep(self.begun.elapsed().clamp(PROGRESS_FIRST, PROGRESS)) => {}
                landed = flight.landed(), if !is_held => match landed {
                    Landed::Held(_) => is_held = true,
                    Landed::Ended(_) => return std::future::pending().await,
                },
            }
            if peer.notify_progress(self.notice(token, flight)).await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    fn notice(&self, token: &ProgressToken, flight: &Flight) -> ProgressNotificationParam {
        let message = match flight.held_as() {
            Some(id) => format!("waits for an operator: latchgate approvals approve {id}"),
            None => "running".into(),
        };
        let elapsed = self.begun.elapsed().as_secs_f64();
        ProgressNotificationParam::new(token.clone(), elapsed)
            .with_total(self.total.as_secs_f64().max(elapsed))
            .with_message(message)
    }
}

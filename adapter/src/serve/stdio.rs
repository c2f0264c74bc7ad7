//! The transport: one JSON-RPC message a line. What cannot be one is answered and left, whatever it is.

use std::collections::{HashSet, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rmcp::RoleServer;
use rmcp::model::{
    ClientJsonRpcMessage, ClientNotification, ClientRequest, ErrorData, GetMeta as _, JsonRpcMessage,
    ProtocolVersion, RequestId, ServerJsonRpcMessage, ServerResult,
};
use rmcp::transport::{StdioReader, StdioWriter, Transport, stdio_pipes};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::batch::Batches;
use super::lines::{LINE_BYTES_MAX, Line, Lines};

/// Messages in one batch.
const BATCH_MAX: usize = 1000;
/// Requests at once, beyond which nothing more is read. More than any client has, and little enough to hold.
const RUNNING_MAX: usize = 1024;
/// Refusals that wait for a client which does not read. Nothing more is read from it then.
const REFUSALS_MAX: usize = 64;
/// Ids of cancelled requests that are remembered: a late answer must not be taken for another's.
const SPENT_MAX: usize = 1024;

/// Lines in, lines out.
pub struct Stdio<R, W> {
    lines: Lines<R>,
    writer: Arc<tokio::sync::Mutex<W>>,
    talk: Arc<Mutex<Talk>>,
    /// Read and not handed on yet.
    ready: VecDeque<ClientJsonRpcMessage>,
    refusals: Arc<Semaphore>,
    /// A request has ended.
    ended: Arc<Notify>,
    closing: CancellationToken,
}

/// What is known of the conversation.
#[derive(Default)]
struct Talk {
    /// The revision, once it is agreed on.
    version: Option<ProtocolVersion>,
    is_open: bool,
    running: HashSet<RequestId>,
    spent: VecDeque<RequestId>,
    batches: Batches,
}

impl Stdio<StdioReader, StdioWriter> {
    /// `closing` is cancelled when standard input ends.
    pub fn of_this_process(closing: CancellationToken) -> Self {
        let (read, write) = stdio_pipes();
        Self::new(read, write, closing)
    }
}

impl<R, W> Stdio<R, W>
where
    R: AsyncRead + Send + Unpin,
    W: AsyncWrite + Send + Unpin + 'static,
{
    pub fn new(read: R, write: W, closing: CancellationToken) -> Self {
        let writer = Arc::new(tokio::sync::Mutex::new(write));
        let refusals = Arc::new(Semaphore::new(REFUSALS_MAX));
        let (talk, ended) = (Arc::default(), Arc::default());
        Self { lines: Lines::new(read), writer, talk, ready: VecDeque::new(), refusals, ended, closing }
    }

    /// Takes a line apart. What is to be said about it at once comes back.
    fn take(&mut self, line: Line) -> Option<Value> {
        let bytes = match line {
            Line::Whole(bytes) if bytes.is_empty() => return None,
            Line::Whole(bytes) => bytes,
            Line::TooLong => {
                let detail = format!("a message has at most {LINE_BYTES_MAX} bytes");
                return self.talk().refusal(None, ErrorData::invalid_request(detail, None));
            }
        };
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        match serde_json::from_slice(bytes) {
            Ok(Value::Array(messages)) => self.take_batch(messages),
            Ok(message) => {
                let Admitted { message, answer } = self.talk().admit(message);
                self.ready.extend(message);
                answer
            }
            Err(error) => self.talk().refusal(None, ErrorData::parse_error(error.to_string(), None)),
        }
    }

    fn take_batch(&mut self, messages: Vec<Value>) -> Option<Value> {
        let talk = Arc::clone(&self.talk);
        let mut talk = talk.lock().unwrap_or_else(PoisonError::into_inner);
        if talk.version != Some(ProtocolVersion::V_2025_03_26) {
            let error = ErrorData::invalid_request("batches belong to revision 2025-03-26", None);
            return talk.refusal(None, error);
        }
        if messages.is_empty() || messages.len() > BATCH_MAX {
            let detail = format!("a batch has 1 to {BATCH_MAX} messages");
            return talk.refusal(None, ErrorData::invalid_request(detail, None));
        }
        let (mut requests, mut answers) = (Vec::new(), Vec::new());
        for message in messages {
            let Admitted { message, answer } = talk.admit(message);
            if let Some(JsonRpcMessage::Request(request)) = &message {
                requests.push(request.id.clone());
            }
            self.ready.extend(message);
            answers.extend(answer);
        }
        talk.batches.open(&requests, answers)
    }

    /// Until there is room for one more request, and one more refusal.
    fn room(&self) -> impl Future<Output = Option<OwnedSemaphorePermit>> + Send + use<R, W> {
        let (talk, ended) = (Arc::clone(&self.talk), Arc::clone(&self.ended));
        let refusals = Arc::clone(&self.refusals);
        async move {
            while talk.lock().unwrap_or_else(PoisonError::into_inner).running.len() >= RUNNING_MAX {
                // A permit is kept for whoever comes late, so no end is missed.
                ended.notified().await;
            }
            refusals.acquire_owned().await.ok()
        }
    }

    /// In a task: `receive` may be dropped while it waits, and half a line must not go out.
    fn answer_at_once(&self, answer: Value, room: OwnedSemaphorePermit) {
        let writer = Arc::clone(&self.writer);
        tokio::spawn(async move {
            let _until_written = room;
            let Ok(line) = line(&answer) else { return };
            if let Err(error) = write(&writer, &line).await {
                tracing::info!(%error, "standard output cannot be written");
            }
        });
    }

    fn talk(&self) -> MutexGuard<'_, Talk> {
        self.talk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What becomes of a message: handed on, answered at once, both or neither.
struct Admitted {
    message: Option<ClientJsonRpcMessage>,
    answer: Option<Value>,
}

impl Admitted {
    fn refused(answer: Option<Value>) -> Self {
        Self { message: None, answer }
    }

    fn taken(message: ClientJsonRpcMessage) -> Self {
        Self { message: Some(message), answer: None }
    }
}

impl Talk {
    fn admit(&mut self, message: Value) -> Admitted {
        let id = match message.get("id") {
            None => None,
            Some(id) => match serde_json::from_value::<RequestId>(id.clone()) {
                Ok(id) => Some(id),
                Err(_) => {
                    let error = ErrorData::invalid_request("id: expected a string or an integer", None);
                    return Admitted::refused(self.refusal(None, error));
                }
            },
        };
        let is_request = message.get("method").is_some_and(Value::is_string);
        if is_request && let Some(id) = &id {
            return self.admit_request(id.clone(), message);
        }
        match serde_json::from_value::<ClientJsonRpcMessage>(message) {
            Ok(JsonRpcMessage::Request(_)) | Err(_) => {
                // An answer to nothing, or a malformed notification, is not answered: there is no request behind it.
                let error =
                    ErrorData::invalid_request("expected a request, a notification or an answer", None);
                Admitted::refused(if is_request { None } else { self.refusal(None, error) })
            }
            // Nothing but a request begins a session.
            Ok(_) if !self.is_open => Admitted::refused(None),
            Ok(message) => {
                let answer = self.note_cancelled(&message);
                Admitted { message: Some(message), answer }
            }
        }
    }

    fn admit_request(&mut self, id: RequestId, message: Value) -> Admitted {
        if self.running.contains(&id) || self.spent.contains(&id) {
            // Under its own id the answer would be taken for the other's.
            let error = ErrorData::invalid_request(format!("id {id} is in use"), None);
            return Admitted::refused(self.refusal(None, error));
        }
        let method = message.get("method").and_then(Value::as_str).unwrap_or_default().to_owned();
        if message.get("params").is_some_and(|params| !params.is_object()) {
            let error = ErrorData::invalid_params(format!("{method}: the parameters are an object"), None);
            return Admitted::refused(self.refusal(Some(id), error));
        }
        let request = match serde_json::from_value::<ClientJsonRpcMessage>(message) {
            Ok(JsonRpcMessage::Request(request)) => request,
            _ => {
                let error = ErrorData::invalid_request("expected a request of JSON-RPC 2.0", None);
                return Admitted::refused(self.refusal(Some(id), error));
            }
        };
        if matches!(request.request, ClientRequest::CustomRequest(_)) && is_of_the_protocol(&method) {
            let error =
                ErrorData::invalid_params(format!("{method}: the parameters are not what it takes"), None);
            return Admitted::refused(self.refusal(Some(id), error));
        }
        let is_initialize = matches!(request.request, ClientRequest::InitializeRequest(_));
        if is_initialize && self.is_open {
            let error = ErrorData::invalid_request("the session has begun already", None);
            return Admitted::refused(self.refusal(Some(id), error));
        }
        if is_initialize || begins_stateless(&request.request) {
            self.is_open = true;
        }
        self.running.insert(id);
        Admitted::taken(JsonRpcMessage::Request(request))
    }

    /// A cancelled request gets no answer. The answers of its batch, if it was the last that was missing.
    fn note_cancelled(&mut self, message: &ClientJsonRpcMessage) -> Option<Value> {
        let JsonRpcMessage::Notification(notification) = message else { return None };
        let ClientNotification::CancelledNotification(cancelled) = &notification.notification else {
            return None;
        };
        let id = cancelled.params.request_id.as_ref()?;
        if !self.running.remove(id) {
            return None;
        }
        if self.spent.len() == SPENT_MAX {
            self.spent.pop_front();
        }
        self.spent.push_back(id.clone());
        self.batches.answered(id, None)
    }

    /// An error as it goes out. Up to 2025-06-18 an error without id is no message of the protocol: it is left out.
    fn refusal(&self, id: Option<RequestId>, error: ErrorData) -> Option<Value> {
        tracing::info!(code = error.code.0, message = %error.message, "a message was refused");
        let is_old = self.version.as_ref().is_some_and(|version| *version <= ProtocolVersion::V_2025_06_18);
        if id.is_none() && is_old {
            return None;
        }
        serde_json::to_value(ServerJsonRpcMessage::error(error, id)).ok()
    }

    /// The message as it goes out; `None` while its batch waits for others.
    fn sent(&mut self, message: &ServerJsonRpcMessage) -> Result<Option<Vec<u8>>, serde_json::Error> {
        let id = match message {
            JsonRpcMessage::Response(response) => {
                if let ServerResult::InitializeResult(result) = &response.result {
                    self.version = Some(result.protocol_version.clone());
                }
                Some(&response.id)
            }
            JsonRpcMessage::Error(error) => error.id.as_ref(),
            JsonRpcMessage::Request(_) | JsonRpcMessage::Notification(_) => None,
        };
        let Some(id) = id else { return line(message).map(Some) };
        self.running.remove(id);
        if !self.batches.has(id) {
            return line(message).map(Some);
        }
        let answer = serde_json::to_value(message)?;
        self.batches.answered(id, Some(answer)).map(|answers| line(&answers)).transpose()
    }
}

impl<R, W> Transport<RoleServer> for Stdio<R, W>
where
    R: AsyncRead + Send + Unpin,
    W: AsyncWrite + Send + Unpin + 'static,
{
    type Error = io::Error;

    fn send(
        &mut self,
        message: ServerJsonRpcMessage,
    ) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let line = self.talk().sent(&message);
        self.ended.notify_one();
        let writer = Arc::clone(&self.writer);
        async move {
            match line? {
                Some(line) => write(&writer, &line).await,
                None => Ok(()),
            }
        }
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        loop {
            if let Some(message) = self.ready.pop_front() {
                return Some(message);
            }
            let room = self.room().await?;
            let Some(next) = self.lines.next().await else {
                self.closing.cancel();
                return None;
            };
            if let Some(answer) = self.take(next) {
                self.answer_at_once(answer, room);
            }
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        self.closing.cancel();
        self.writer.lock().await.flush().await
    }
}

fn line(message: &impl serde::Serialize) -> Result<Vec<u8>, serde_json::Error> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    Ok(line)
}

async fn write<W: AsyncWrite + Unpin>(writer: &tokio::sync::Mutex<W>, line: &[u8]) -> io::Result<()> {
    let mut writer = writer.lock().await;
    writer.write_all(line).await?;
    writer.flush().await
}

/// A request that carries all that a stateless one must, for a revision that we speak.
fn begins_stateless(request: &ClientRequest) -> bool {
    if matches!(request, ClientRequest::DiscoverRequest(_) | ClientRequest::PingRequest(_)) {
        return false;
    }
    let meta = request.get_meta();
    let version = meta.protocol_version();
    meta.missing_required_keys(&ProtocolVersion::V_2026_07_28).is_empty()
        && version.is_some_and(|version| ProtocolVersion::KNOWN_VERSIONS.contains(&version))
}

/// Requests whose parameters the protocol knows: one that is none of these is simply unknown.
fn is_of_the_protocol(method: &str) -> bool {
    matches!(
        method,
        "initialize"
            | "ping"
            | "server/discover"
            | "tools/list"
            | "tools/call"
            | "resources/list"
            | "resources/read"
            | "resources/templates/list"
            | "resources/subscribe"
            | "resources/unsubscribe"
            | "subscriptions/listen"
            | "prompts/list"
            | "prompts/get"
            | "completion/complete"
            | "logging/setLevel"
            | "tasks/get"
            | "tasks/update"
            | "tasks/cancel"
    )
}

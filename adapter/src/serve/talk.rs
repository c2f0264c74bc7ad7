//! The conversation: which messages are let in, under which revision, and what goes out for them.

use std::collections::{HashSet, VecDeque};

use rmcp::model::{
    ClientJsonRpcMessage, ClientNotification, ClientRequest, ErrorData, GetMeta as _, JsonRpcMessage,
    ProtocolVersion, RequestId, ServerJsonRpcMessage, ServerResult,
};
use serde_json::Value;

use super::batch::Batches;

/// Ids of cancelled requests that are remembered: a late answer must not be taken for another's.
const SPENT_MAX: usize = 1024;

/// What is known of the conversation.
#[derive(Default)]
pub struct Talk {
    /// The revision, once it is agreed on.
    pub version: Option<ProtocolVersion>,
    is_open: bool,
    running: HashSet<RequestId>,
    spent: VecDeque<RequestId>,
    pub batches: Batches,
}

/// What becomes of a message: handed on, answered at once, both or neither.
pub struct Admitted {
    pub message: Option<ClientJsonRpcMessage>,
    pub answer: Option<Value>,
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
    /// Requests without an answer yet.
    pub fn running_len(&self) -> usize {
        self.running.len()
    }

    /// Lets a message in, or says what is wrong with it.
    pub fn admit(&mut self, message: Value) -> Admitted {
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
    pub fn refusal(&self, id: Option<RequestId>, error: ErrorData) -> Option<Value> {
        tracing::info!(code = error.code.0, message = %error.message, "a message was refused");
        let is_old = self.version.as_ref().is_some_and(|version| *version <= ProtocolVersion::V_2025_06_18);
        if id.is_none() && is_old {
            return None;
        }
        serde_json::to_value(ServerJsonRpcMessage::error(error, id)).ok()
    }

    /// The message as it goes out; `None` while its batch waits for others.
    pub fn sent(&mut self, message: &ServerJsonRpcMessage) -> Result<Option<Vec<u8>>, serde_json::Error> {
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

pub fn line(message: &impl serde::Serialize) -> Result<Vec<u8>, serde_json::Error> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    Ok(line)
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

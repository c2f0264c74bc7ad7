//! One request and its answer: headers on the way out, value or problem on the way back.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::Full;
use latchgate_wire::operator_token;
use latchgate_wire::problem::{Code, Problem};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::ClientError;
use crate::transport::{Answer, SendError, Transport};

/// How long an answer may take that needs no execution.
pub(crate) const PROMPT: Duration = Duration::from_secs(30);
/// How long an execution may take, decided waiting apart. The gate stops guests long before.
pub(crate) const EXECUTION: Duration = Duration::from_secs(600);

const DPOP: HeaderName = HeaderName::from_static("dpop");
const OPERATOR_TOKEN: HeaderName = HeaderName::from_static(operator_token::HEADER);
const PREFER: HeaderName = HeaderName::from_static("prefer");

/// Whether a request whose answer was lost may have done something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Never,
    Possible,
}

/// A request before it is signed.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub method: Method,
    /// Path and query.
    pub path: String,
    pub body: Bytes,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub within: Duration,
    pub effect: Effect,
}

impl Outgoing {
    pub fn get(path: impl Into<String>) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            body: Bytes::new(),
            headers: Vec::new(),
            within: PROMPT,
            effect: Effect::Never,
        }
    }

    /// Asks only for something else than what carries this tag (RFC 9110 section 13.1.2).
    ///
    /// # Errors
    /// [`ClientError::Input`] if the tag cannot stand in a header.
    pub fn unless(self, tag: Option<&str>) -> Result<Self, ClientError> {
        self.header("if-none-match", tag)
    }

    pub fn delete(path: impl Into<String>) -> Self {
        Self { method: Method::DELETE, ..Self::get(path) }
    }

    /// # Errors
    /// [`ClientError::Input`] if the body is no JSON.
    pub fn post(path: impl Into<String>, body: &impl Serialize) -> Result<Self, ClientError> {
        let body = serde_json::to_vec(body).map_err(|error| ClientError::Input(error.to_string()))?;
        let headers = vec![(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        Ok(Self { method: Method::POST, body: body.into(), headers, ..Self::get(path) })
    }

    /// May execute a call, and takes as long as that.
    pub fn executing(self) -> Self {
        Self { within: EXECUTION, effect: Effect::Possible, ..self }
    }

    /// Waits for a decision up to `wait` (RFC 7240 section 4.3).
    pub fn waiting(mut self, wait: Option<Duration>) -> Self {
        if let Some(wait) = wait {
            let value = format!("wait={}", wait.as_secs());
            self.headers.extend(HeaderValue::try_from(value).map(|value| (PREFER, value)));
            self.within += wait;
        }
        self
    }

    /// # Errors
    /// [`ClientError::Input`] if the value cannot stand in a header.
    pub fn header(mut self, name: &'static str, value: Option<&str>) -> Result<Self, ClientError> {
        if let Some(value) = value {
            let value = HeaderValue::from_str(value)
                .map_err(|_| ClientError::Input(format!("{name}: expected printable ascii")))?;
            self.headers.push((HeaderName::from_static(name), value));
        }
        Ok(self)
    }

    fn into_request(self, host: &str, credentials: Credentials) -> Result<Request<Full<Bytes>>, ClientError> {
        let mut builder = Request::builder().method(self.method).uri(self.path).header(header::HOST, host);
        for (name, value) in self.headers {
            builder = builder.header(name, value);
        }
        let credentials = [
            (header::AUTHORIZATION, credentials.authorization),
            (DPOP, credentials.proof),
            (OPERATOR_TOKEN, credentials.operator_token),
        ];
        for (name, value) in credentials {
            if let Some(mut value) = value {
                value.set_sensitive(true);
                builder = builder.header(name, value);
            }
        }
        builder.body(Full::new(self.body)).map_err(|error| ClientError::Input(error.to_string()))
    }
}

/// What authenticates a request; nothing on public routes.
#[derive(Default)]
pub(crate) struct Credentials {
    pub authorization: Option<HeaderValue>,
    pub proof: Option<HeaderValue>,
    pub operator_token: Option<HeaderValue>,
}

/// Sends, and takes any success.
///
/// # Errors
/// [`ClientError::Problem`] for any other status.
pub(crate) async fn send(
    transport: &Transport,
    outgoing: Outgoing,
    credentials: Credentials,
) -> Result<Answer, ClientError> {
    let answer = send_any(transport, outgoing, credentials).await?;
    // 304 comes only to whoever named what it has.
    let is_answered = answer.status.is_success() || answer.status == StatusCode::NOT_MODIFIED;
    if is_answered { Ok(answer) } else { Err(problem(&answer)) }
}

/// Sends, and takes any status.
///
/// # Errors
/// If there is no answer.
pub(crate) async fn send_any(
    transport: &Transport,
    outgoing: Outgoing,
    credentials: Credentials,
) -> Result<Answer, ClientError> {
    let (within, effect) = (outgoing.within, outgoing.effect);
    let request = outgoing.into_request(transport.host(), credentials)?;
    transport.send(request, within).await.map_err(|error| not_answered(error, effect, transport))
}

/// Reads a body that must be this.
///
/// # Errors
/// [`ClientError::Protocol`] for anything else.
pub(crate) fn read<T: DeserializeOwned>(answer: &Answer) -> Result<T, ClientError> {
    serde_json::from_slice(&answer.body)
        .map_err(|error| ClientError::Protocol(format!("body of the {} answer: {error}", answer.status)))
}

/// What was asked for with its tag; `None` if it is what the caller has already.
///
/// # Errors
/// [`ClientError::Protocol`] for a body that is something else.
pub(crate) fn read_tagged<T: DeserializeOwned>(answer: &Answer) -> Result<Option<Tagged<T>>, ClientError> {
    if answer.status == StatusCode::NOT_MODIFIED {
        return Ok(None);
    }
    let tag = answer.headers.get(header::ETAG).and_then(|tag| tag.to_str().ok());
    Ok(Some(Tagged { value: read(answer)?, tag: tag.unwrap_or_default().to_owned() }))
}

/// A value under the tag that a later request may name.
#[derive(Clone, Debug)]
pub struct Tagged<T> {
    pub value: T,
    pub tag: String,
}

fn not_answered(error: SendError, effect: Effect, transport: &Transport) -> ClientError {
    match (error, effect) {
        (SendError::NotSent(error), _) => error,
        (SendError::Lost(why), Effect::Possible) => ClientError::AnswerLost(why),
        (SendError::Lost(why), Effect::Never) => ClientError::Unreachable {
            socket: transport.name(),
            why: format!("no answer: {why}"),
            remedy: "try again; if it stays so, look at the gate's log".into(),
        },
        (SendError::TooLarge, _) => ClientError::Protocol("the body is larger than 64 MiB".into()),
    }
}

fn problem(answer: &Answer) -> ClientError {
    match serde_json::from_slice::<Problem>(&answer.body) {
        Ok(mut problem) => {
            add_retry_after(&mut problem, answer);
            ClientError::Problem(Box::new(problem))
        }
        Err(_) if answer.status == StatusCode::NOT_FOUND => {
            ClientError::Problem(Box::new(Problem::new(Code::NotFound, "this gate has no such route")))
        }
        Err(_) => ClientError::Protocol(format!("status {} without a problem document", answer.status)),
    }
}

/// `Retry-After` belongs to the remedy: nothing else tells a person when.
fn add_retry_after(problem: &mut Problem, answer: &Answer) {
    let seconds = answer.headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    if let (None, Some(seconds)) = (&problem.remediation, seconds) {
        problem.remediation = Some(format!("try again in {seconds} s"));
    }
}

//! Host interface `http`: performs a planned request through the egress and notes what came of it.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use latchgate_egress::{Credentials, Effect, Outbound, Reply, SendError};
use latchgate_monitor::plan::{HttpStep, Step};
use latchgate_monitor::steps::{Observed, StepFailure};
use latchgate_wire::digest::Digest;
use latchgate_wire::receipt::{EffectStatus, FailureClass};

use crate::bindings::http::{Error, Header, Host, Response};
use crate::call::{Call, Job};
use crate::lanes::at_home;

impl Host for Call {
    async fn perform(&mut self, step: u32) -> wasmtime::Result<Result<Response, Error>> {
        self.count()?;
        let job = Arc::clone(&self.job);
        let index = step as usize;
        let planned = match self.begin(&job, index, |step| match step {
            Step::Http(step) => Some(step),
            Step::Fs(_) => None,
        }) {
            Ok(planned) => planned,
            Err(why) => return Ok(Err(Error::Refused(why))),
        };
        let sent = match outbound(self, planned) {
            Ok(request) => {
                let deadline = self.deadlines.host_calls;
                let sending = self.egress.send(request, &job.partition, deadline);
                at_home(&self.home, sending).await.map_err(Unanswered::from)
            }
            Err(why) => Err(Unanswered::refused(why)),
        };
        match sent {
            Ok(reply) => {
                self.journal.end(done(index, &reply, &job));
                Ok(Ok(response(reply)))
            }
            Err(unanswered) => {
                let (observed, error) = unanswered.tell(index);
                self.journal.end(observed);
                Ok(Err(error))
            }
        }
    }
}

/// The planned request, or why it cannot be sent.
fn outbound(call: &Call, step: &HttpStep) -> Result<Outbound, String> {
    let method =
        Method::from_bytes(step.method.as_bytes()).map_err(|e| format!("method {}: {e}", step.method))?;
    let target = call.egress.target(&step.url).map_err(|e| e.to_string())?;
    let headers = step.headers.iter().map(|(name, value)| header(name, value)).collect::<Result<_, _>>()?;
    let body = match &step.body {
        None => Bytes::new(),
        Some(content) => content.bytes().map_err(|e| format!("the planned body is not base64: {e}"))?.into(),
    };
    let response_bytes_max = usize::try_from(step.response_bytes_max).unwrap_or(usize::MAX);
    let credentials = (!step.secrets.is_empty()).then(|| Credentials {
        uses: step.secrets.clone(),
        vault: Arc::clone(&call.vault),
        now: Arc::clone(&call.now),
    });
    Ok(Outbound { method, target, headers, body, response_bytes_max, credentials })
}

fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), String> {
    let header = HeaderName::from_bytes(name.as_bytes()).map_err(|e| format!("header {name}: {e}"))?;
    let value = HeaderValue::from_str(value).map_err(|e| format!("header {name}: {e}"))?;
    Ok((header, value))
}

fn done(step: usize, reply: &Reply, job: &Job) -> Observed {
    Observed {
        step,
        status: EffectStatus::Done,
        http_status: Some(reply.status.as_u16()),
        is_refusal: job.success.as_ref().is_some_and(|rule| !rule.holds(&reply.body)),
        bytes: reply.body.len() as u64,
        digest: Some(Digest::salted(&job.salt, &reply.body)),
        failure: None,
    }
}

fn response(reply: Reply) -> Response {
    Response { status: reply.status.as_u16(), headers: shown(&reply.headers), body: reply.body.into() }
}

/// Cookies are credentials of the upstream, and nobody here keeps them.
fn shown(headers: &HeaderMap) -> Vec<Header> {
    let kept = headers.iter().filter(|(name, _)| !matches!(name.as_str(), "set-cookie" | "set-cookie2"));
    kept.map(|(name, value)| Header {
        name: name.as_str().to_owned(),
        value: String::from_utf8_lossy(value.as_bytes()).into_owned(),
    })
    .collect()
}

/// A request without a usable answer.
struct Unanswered {
    status: EffectStatus,
    http_status: Option<u16>,
    class: FailureClass,
    remediation: &'static str,
    message: String,
    as_error: fn(String) -> Error,
}

impl Unanswered {
    fn refused(message: String) -> Self {
        Self {
            status: EffectStatus::None,
            http_status: None,
            class: FailureClass::Refused,
            remediation: "have the action's manifest or the gate's egress settings changed",
            message,
            as_error: Error::Refused,
        }
    }

    fn tell(self, step: usize) -> (Observed, Error) {
        let error = (self.as_error)(self.message.clone());
        let failure = StepFailure {
            class: self.class,
            message: self.message,
            remediation: Some(self.remediation.into()),
        };
        let observed = Observed {
            step,
            status: self.status,
            http_status: self.http_status,
            is_refusal: false,
            bytes: 0,
            digest: None,
            failure: Some(failure),
        };
        (observed, error)
    }
}

impl From<SendError> for Unanswered {
    fn from(error: SendError) -> Self {
        let message = error.to_string();
        let status = match error.effect() {
            Effect::None => EffectStatus::None,
            Effect::Unknown => EffectStatus::Unknown,
        };
        let (class, remediation, as_error): (_, _, fn(String) -> Error) = match &error {
            SendError::Refused(_) => return Self::refused(message),
            SendError::Secret(_) => (FailureClass::ProviderFailed, ASK_OPERATOR, Error::Unreachable),
            SendError::Unreachable(_) => (FailureClass::ProviderFailed, TRY_LATER, Error::Unreachable),
            SendError::Timeout { sent: false, .. } => {
                (FailureClass::ProviderTimeout, TRY_LATER, Error::Timeout)
            }
            SendError::Timeout { sent: true, .. } => {
                (FailureClass::ProviderTimeout, FIND_OUT, Error::Timeout)
            }
            SendError::TooLarge { .. } => (FailureClass::ProviderFailed, ASK_FOR_LESS, Error::TooLarge),
            SendError::Failed { .. } => (FailureClass::ProviderFailed, FIND_OUT, Error::Failed),
        };
        let http_status = match &error {
            SendError::Failed { status, .. } => status.map(|status| status.as_u16()),
            SendError::Refused(_)
            | SendError::Secret(_)
            | SendError::Unreachable(_)
            | SendError::Timeout { .. }
            | SendError::TooLarge { .. } => None,
        };
        Self { status, http_status, class, remediation, message, as_error }
    }
}

const ASK_OPERATOR: &str = "ask the operator: latchgate secrets list";
const TRY_LATER: &str = "try again later";
const FIND_OUT: &str = "find out whether the request took effect before repeating it";
const ASK_FOR_LESS: &str = "ask for less, or have limits.response_bytes raised in the action's manifest; \
                            find out whether the request took effect before repeating it";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_not_shown_to_the_guest() {
        let mut headers = HeaderMap::new();
        for (name, value) in [("set-cookie", "id=1"), ("ETag", "x"), ("set-cookie2", "id=2"), ("via", "y")] {
            headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        let shown: Vec<_> = shown(&headers).into_iter().map(|h| (h.name, h.value)).collect();
        assert_eq!(shown, [("etag".into(), "x".into()), ("via".into(), "y".into())]);
    }
}

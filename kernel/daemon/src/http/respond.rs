//! Responses: JSON, never cached, and marked when they deliver the answer of a call.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use latchgate_monitor::answer::Answer;
use latchgate_monitor::denial::Denial;
use latchgate_wire::ids::TraceId;
use latchgate_wire::problem::Code;
use serde::Serialize;

use super::connection::Delivery;

/// A whole body that says when its last byte was taken.
pub struct Whole {
    bytes: Option<Bytes>,
    delivers: Option<(u64, Arc<Delivery>)>,
}

impl Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(bytes) = self.bytes.take() else { return Poll::Ready(None) };
        if let Some((intent_seq, delivery)) = self.delivers.take() {
            delivery.begin(intent_seq);
        }
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

/// A JSON document.
pub fn json(status: u16, value: &impl Serialize) -> Response<Whole> {
    document(status, "application/json", value, None)
}

/// A signed note (C2SP tlog-tiles).
pub fn text(text: String) -> Response<Whole> {
    whole(200, "text/plain; charset=utf-8", text.into(), None)
}

/// A tile (C2SP tlog-tiles).
pub fn octets(bytes: Vec<u8>) -> Response<Whole> {
    whole(200, "application/octet-stream", bytes.into(), None)
}

/// OpenMetrics text.
pub fn metrics(text: String) -> Response<Whole> {
    whole(200, "application/openmetrics-text; version=1.0.0; charset=utf-8", text.into(), None)
}

/// What the client has is what there is (RFC 9110 section 15.4.5).
pub fn not_modified() -> Response<Whole> {
    let mut response = Response::new(Whole { bytes: None, delivers: None });
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// An answer to a call. Once it is wholly written, `delivers` is marked.
pub fn answer(answer: &Answer, delivers: Option<(u64, Arc<Delivery>)>) -> Response<Whole> {
    match answer {
        Answer::Executed(executed) => document(200, "application/json", executed, delivers),
        Answer::Pending(pending) => document(202, "application/json", pending, delivers),
        Answer::Problem(problem) => document(problem.status, "application/problem+json", problem, delivers),
    }
}

/// A refusal.
pub fn problem(denial: &Denial, trace_id: TraceId) -> Response<Whole> {
    let mut problem = denial.problem();
    problem.trace_id = Some(trace_id);
    let mut response = document(problem.status, "application/problem+json", &problem, None);
    match denial.code {
        Code::RateLimited | Code::Unavailable | Code::Draining => {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        // What could not be read to its end leaves the connection in an unknown place.
        Code::BadRequest | Code::LengthRequired | Code::BodyTooLarge | Code::RequestTimeout => {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        _ => {}
    }
    response
}

/// A refusal to whoever has asked nothing yet, with which the connection ends: head and body as they go onto the wire.
pub fn unasked(denial: &Denial) -> Vec<u8> {
    let problem = denial.problem();
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/problem+json\r\ncache-control: no-store\r\nretry-after: 1\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.into_bytes(), body].concat()
}

fn document(
    status: u16,
    content_type: &'static str,
    value: &impl Serialize,
    delivers: Option<(u64, Arc<Delivery>)>,
) -> Response<Whole> {
    let (status, bytes) = match serde_json::to_vec(value) {
        Ok(bytes) => (status, bytes),
        Err(error) => {
            tracing::error!(%error, "an answer could not be written as JSON");
            (500, br#"{"error":"internal"}"#.to_vec())
        }
    };
    whole(status, content_type, bytes.into(), delivers)
}

fn whole(
    status: u16,
    content_type: &'static str,
    bytes: Bytes,
    delivers: Option<(u64, Arc<Delivery>)>,
) -> Response<Whole> {
    let mut response = Response::new(Whole { bytes: Some(bytes), delivers });
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

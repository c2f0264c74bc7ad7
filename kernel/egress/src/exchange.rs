//! One request and its response on one connection, written at most once.

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING};
use http::{Response, StatusCode, Version};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use tokio::time::{Instant, timeout_at};

use crate::client::Limits;
use crate::connect::Connection;
use crate::error::{Part, Phase, SendError};
use crate::message::{Message, Reply};

/// Why an exchange gave no reply.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The connection died before the request was written, and here it is again. The only case that may be retried.
    Unsent(Box<Message>, String),
    /// The request may have been written.
    Sent(SendError),
}

impl From<SendError> for Broken {
    fn from(error: SendError) -> Self {
        Self::Sent(error)
    }
}

/// Sends `message` and reads the whole response. The connection is fit for another exchange if this returns `Ok` and
/// must be dropped otherwise.
pub(crate) async fn exchange(
    connection: &mut Connection,
    message: Message,
    bytes_max: usize,
    limits: &Limits,
    deadline: Instant,
) -> Result<Reply, Broken> {
    let response = head(connection, message, limits, deadline).await?;
    let (parts, body) = response.into_parts();
    check_head(parts.status, parts.version, &parts.headers)?;
    let body = timeout_at(deadline, read(body, bytes_max, parts.status))
        .await
        .map_err(|_| SendError::timeout(Phase::Body))??;
    Ok(Reply { status: parts.status, headers: parts.headers, body, remote: connection.remote })
}

async fn head(
    connection: &mut Connection,
    message: Message,
    limits: &Limits,
    deadline: Instant,
) -> Result<Response<Incoming>, Broken> {
    let mut failure = match timeout_at(deadline, connection.sender.try_send_request(message)).await {
        Err(_) => return Err(SendError::timeout(Phase::Response).into()),
        Ok(Ok(response)) => return Ok(response),
        Ok(Err(failure)) => failure,
    };
    // hyper hands the message back only where it was still in the queue, no byte of it encoded.
    let unsent = failure.take_message();
    let error = failure.into_error();
    Err(match unsent {
        Some(message) => Broken::Unsent(Box::new(message), describe(&error)),
        None if error.is_parse_too_large() => {
            SendError::TooLarge { part: Part::Head, bytes_max: limits.response_head_bytes_max }.into()
        }
        None => failed(None, format!("no response: {}", describe(&error))).into(),
    })
}

fn check_head(status: StatusCode, version: Version, headers: &HeaderMap) -> Result<(), SendError> {
    if status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(failed(Some(status), "upstream switched protocols unasked".to_owned()));
    }
    // RFC 9112 section 6.3: the mark of response splitting.
    if headers.contains_key(CONTENT_LENGTH) && headers.contains_key(TRANSFER_ENCODING) {
        return Err(failed(Some(status), "response has content-length and transfer-encoding".to_owned()));
    }
    // Section 6.1 and 7.4: none was asked for, so chunks are the only one, and HTTP/1.0 has not even those. hyper would
    // hand out what is compressed below its chunks as the body.
    let mut encodings = headers.get_all(TRANSFER_ENCODING).iter();
    if let Some(encoding) = encodings.next() {
        let is_chunked = encoding.as_bytes().eq_ignore_ascii_case(b"chunked");
        if !is_chunked || encodings.next().is_some() || version == Version::HTTP_10 {
            return Err(failed(
                Some(status),
                "response has a transfer-encoding, none but chunked was asked for".to_owned(),
            ));
        }
    }
    // Identity was asked for. Anything else could be a decompression bomb or hide an echoed secret from scrubbing.
    let is_identity =
        |value: &http::HeaderValue| value.is_empty() || value.as_bytes().eq_ignore_ascii_case(b"identity");
    if !headers.get_all(CONTENT_ENCODING).iter().all(is_identity) {
        return Err(failed(
            Some(status),
            "response has a content-encoding, identity was asked for".to_owned(),
        ));
    }
    Ok(())
}

async fn read(mut body: Incoming, bytes_max: usize, status: StatusCode) -> Result<Bytes, SendError> {
    let too_large = || SendError::TooLarge { part: Part::Body, bytes_max };
    // A declared length is refused before a byte is read.
    if body.size_hint().lower() > bytes_max as u64 {
        return Err(too_large());
    }
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|e| failed(Some(status), format!("response body broke off: {}", describe(&e))))?;
        // Trailers are bounded by hyper and dropped.
        let Ok(chunk) = frame.into_data() else { continue };
        if chunk.len() > bytes_max - whole.len() {
            return Err(too_large());
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.freeze())
}

fn failed(status: Option<StatusCode>, reason: String) -> SendError {
    SendError::Failed { status, reason }
}

/// The error with its cause; hyper's own text names only the kind.
fn describe(error: &hyper::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests;

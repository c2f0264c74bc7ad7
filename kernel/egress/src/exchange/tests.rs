//! One connection over an in-memory stream, so that time can be virtual.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use http::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::sleep;

use super::*;
use crate::addr::Development;
use crate::error::Effect;
use crate::message::Outbound;
use crate::origin::Target;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";

fn message() -> Message {
    let target = Target::parse("https://api.test/x", &Development::default()).unwrap();
    let outbound = Outbound {
        method: Method::POST,
        target,
        headers: vec![],
        body: Bytes::from_static(b"body"),
        response_bytes_max: 0,
        credentials: None,
    };
    outbound.complete().unwrap().into_message()
}

async fn connected() -> (Connection, DuplexStream) {
    let (ours, theirs) = duplex(256 * 1024);
    let remote = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1);
    (Connection::start(ours, remote, &Limits::default()).await.unwrap(), theirs)
}

async fn run(connection: &mut Connection, bytes_max: usize) -> Result<Reply, Broken> {
    let deadline = Instant::now() + Duration::from_secs(30);
    exchange(connection, message(), bytes_max, &Limits::default(), deadline).await
}

/// The result of a request answered with exactly `response`, after which the peer closes.
async fn answered(response: &[u8], bytes_max: usize) -> Result<Reply, SendError> {
    let (mut connection, mut peer) = connected().await;
    let serve = async {
        read_request(&mut peer).await;
        // The client may have given up on an oversized response.
        let _ = peer.write_all(response).await;
        drop(peer);
    };
    match tokio::join!(run(&mut connection, bytes_max), serve).0 {
        Ok(reply) => Ok(reply),
        Err(Broken::Sent(error)) => Err(error),
        Err(Broken::Unsent(_, reason)) => panic!("unsent: {reason}"),
    }
}

async fn read_request(peer: &mut DuplexStream) -> String {
    let mut seen = Vec::new();
    while !seen.ends_with(b"\r\n\r\nbody") {
        let mut buffer = [0; 1024];
        let n = peer.read(&mut buffer).await.unwrap();
        assert_ne!(n, 0, "closed within the request");
        seen.extend_from_slice(&buffer[..n]);
    }
    String::from_utf8(seen).unwrap()
}

fn failure(result: Result<Reply, SendError>) -> String {
    let error = result.unwrap_err();
    assert_eq!(error.effect(), Effect::Unknown);
    error.to_string()
}

#[tokio::test]
async fn the_request_is_written_in_origin_form_with_its_length() {
    let (mut connection, mut peer) = connected().await;
    let serve = async {
        let seen = read_request(&mut peer).await;
        peer.write_all(OK).await.unwrap();
        seen
    };
    let (reply, seen) = tokio::join!(run(&mut connection, 2), serve);
    assert_eq!(reply.unwrap().body, "hi");
    assert!(seen.starts_with("POST /x HTTP/1.1\r\nhost: api.test\r\n"), "{seen}");
    assert_eq!(seen.matches("content-length: 4\r\n").count(), 1, "{seen}");
}

#[tokio::test]
async fn a_body_of_the_limit_passes_and_one_byte_more_does_not() {
    let too_large = SendError::TooLarge { part: Part::Body, bytes_max: 1 };
    assert_eq!(answered(OK, 2).await.unwrap().body, "hi");
    assert_eq!(answered(OK, 1).await.unwrap_err(), too_large);

    let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nh\r\n1\r\ni\r\n0\r\n\r\n";
    assert_eq!(answered(chunked, 2).await.unwrap().body, "hi");
    assert_eq!(answered(chunked, 1).await.unwrap_err(), too_large);

    let until_close = b"HTTP/1.1 200 OK\r\n\r\nhi";
    assert_eq!(answered(until_close, 2).await.unwrap().body, "hi");
    assert_eq!(answered(until_close, 1).await.unwrap_err(), too_large);
}

#[tokio::test]
async fn an_oversized_length_is_refused_before_the_body_comes() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 4611686018427387904\r\n\r\n";
    assert_eq!(
        answered(head, 10).await.unwrap_err(),
        SendError::TooLarge { part: Part::Body, bytes_max: 10 }
    );
}

#[tokio::test]
async fn headers_are_bounded_in_number_and_size() {
    let with = |headers: String| format!("HTTP/1.1 204 No Content\r\n{headers}\r\n").into_bytes();
    let limits = Limits::default();
    let many = |n: usize| with("a: b\r\n".repeat(n));
    assert!(answered(&many(limits.response_headers_max), 0).await.is_ok());
    let too_large = SendError::TooLarge { part: Part::Head, bytes_max: limits.response_head_bytes_max };
    assert_eq!(answered(&many(limits.response_headers_max + 1), 0).await.unwrap_err(), too_large);

    let long = |n: usize| with(format!("a: {}\r\n", "b".repeat(n)));
    assert!(answered(&long(limits.response_head_bytes_max - 100), 0).await.is_ok());
    assert_eq!(answered(&long(limits.response_head_bytes_max), 0).await.unwrap_err(), too_large);
}

#[tokio::test]
async fn only_identity_encoding_is_accepted() {
    let encoded = |value: &str| {
        format!("HTTP/1.1 200 OK\r\ncontent-encoding: {value}\r\ncontent-length: 0\r\n\r\n").into_bytes()
    };
    assert!(answered(&encoded("Identity"), 0).await.is_ok());
    for value in ["gzip", "br", "identity, gzip", "x-unknown"] {
        assert!(failure(answered(&encoded(value), 0).await).contains("content-encoding"), "{value}");
    }
}

#[tokio::test]
async fn only_chunked_transfer_is_accepted() {
    let sent = |version: &str, lines: &str| {
        format!("HTTP/{version} 200 OK\r\n{lines}\r\n\r\n2\r\nhi\r\n0\r\n\r\n").into_bytes()
    };
    let chunked = sent("1.1", "transfer-encoding: Chunked");
    assert_eq!(answered(&chunked, 2).await.unwrap().body, "hi");
    for (version, lines) in [
        ("1.1", "transfer-encoding: gzip, chunked"),
        ("1.1", "transfer-encoding: gzip\r\ntransfer-encoding: chunked"),
        ("1.1", "transfer-encoding: chunked\r\ntransfer-encoding: chunked"),
        ("1.1", "transfer-encoding: chunked, chunked"),
        ("1.1", "transfer-encoding: identity"),
        ("1.0", "transfer-encoding: chunked"),
    ] {
        let told = failure(answered(&sent(version, lines), 100).await);
        assert!(told.contains("transfer-encoding") || told.contains("no response"), "{lines}: {told}");
    }
}

#[tokio::test]
async fn ambiguous_framing_fails() {
    for (response, word) in [
        (&b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nhi"[..], "no response"),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            "content-length",
        ),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nhi", "broke off"),
        (
            b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
            "switched protocols",
        ),
        (b"hello\r\n\r\n", "no response"),
        (b"", "no response"),
    ] {
        let told = failure(answered(response, 10).await);
        assert!(told.contains(word), "{told}");
        assert!(told.ends_with("may have taken effect"), "{told}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_upstream_meets_the_deadline() {
    let (mut connection, mut peer) = connected().await;
    let (result, _) = tokio::join!(run(&mut connection, 10), read_request(&mut peer));
    let Err(Broken::Sent(error)) = result else { panic!("{result:?}") };
    assert_eq!(error, SendError::Timeout { sent: true, during: Phase::Response });
}

#[tokio::test(start_paused = true)]
async fn a_body_that_drips_meets_the_deadline() {
    let (mut connection, mut peer) = connected().await;
    let serve = async {
        read_request(&mut peer).await;
        peer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n").await.unwrap();
        let mut dripped = 0;
        while peer.write_all(b"x").await.is_ok() && dripped < 100 {
            sleep(Duration::from_secs(1)).await;
            dripped += 1;
        }
        dripped
    };
    let started = Instant::now();
    let requested = async {
        let result = run(&mut connection, 1000).await;
        drop(connection);
        result
    };
    let (result, dripped) = tokio::join!(requested, serve);
    let Err(Broken::Sent(error)) = result else { panic!("{result:?}") };
    assert_eq!(error, SendError::Timeout { sent: true, during: Phase::Body });
    assert_eq!(error.effect(), Effect::Unknown);
    // The connection is gone with it: the peer's next drop falls on nothing.
    assert!((29..=32).contains(&dripped), "{dripped}");
    assert!(started.elapsed() < Duration::from_secs(33));
}

#[tokio::test]
async fn a_request_not_yet_written_is_handed_back() {
    let (mut connection, mut peer) = connected().await;
    let serve = async {
        read_request(&mut peer).await;
        peer.write_all(OK).await.unwrap();
        peer
    };
    let (first, peer) = tokio::join!(run(&mut connection, 2), serve);
    first.unwrap();
    connection.sender.ready().await.unwrap();
    // Closed, but the driver has not run since: the request goes into its queue all the same.
    drop(peer);
    let second = run(&mut connection, 2).await;
    assert!(matches!(second, Err(Broken::Unsent(..))), "{second:?}");
}

#[tokio::test]
async fn a_request_once_written_is_never_handed_back() {
    let (mut connection, mut peer) = connected().await;
    let serve = async {
        read_request(&mut peer).await;
        drop(peer);
    };
    let (result, ()) = tokio::join!(run(&mut connection, 2), serve);
    assert!(matches!(result, Err(Broken::Sent(SendError::Failed { status: None, .. }))), "{result:?}");
}

//! What comes back is a result or an error that says whether the request was sent.

use http::{HeaderName, HeaderValue, Method, StatusCode};
use latchgate_egress::{Effect, Part, Refused, SendError};
use tokio::net::TcpListener;

use crate::support::{OK, Step, Upstream, development, get, request, soon};

#[tokio::test]
async fn a_redirect_is_a_result() {
    let elsewhere = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
    let upstream = Upstream::plain(&[Step::Answer(elsewhere)]).await;
    let reply = get(&development(), &upstream.url("/a")).await.unwrap();
    assert_eq!(reply.status, StatusCode::FOUND);
    assert_eq!(reply.headers["location"], "http://127.0.0.1:1/");
    assert_eq!(upstream.requests().len(), 1);
}

#[tokio::test]
async fn a_compressed_response_is_refused_after_sending() {
    let gzip = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\nok";
    let upstream = Upstream::plain(&[Step::Answer(gzip)]).await;
    let error = get(&development(), &upstream.url("/")).await.unwrap_err();
    assert!(matches!(error, SendError::Failed { status: Some(StatusCode::OK), .. }), "{error:?}");
    assert_eq!(error.effect(), Effect::Unknown);
    assert!(upstream.requests()[0].contains("\r\naccept-encoding: identity\r\n"));
}

#[tokio::test]
async fn an_oversized_body_is_refused_after_sending() {
    let upstream = Upstream::plain(&[Step::Answer(OK), Step::Answer(OK)]).await;
    let egress = development();
    let mut small = request(&egress, Method::GET, &upstream.url("/"));
    small.response_bytes_max = 1;
    let error = egress.send(small, "test", soon()).await.unwrap_err();
    assert_eq!(error, SendError::TooLarge { part: Part::Body, bytes_max: 1 });
    assert_eq!(error.effect(), Effect::Unknown);
    // Its connection is not used again: the rest of that body would be read as the next response.
    assert!(get(&egress, &upstream.url("/")).await.is_ok());
    assert_eq!(upstream.connections(), 2);
}

#[tokio::test]
async fn headers_and_body_arrive_as_given() {
    let upstream = Upstream::plain(&[Step::Answer(OK)]).await;
    let egress = development();
    let mut outbound = request(&egress, Method::POST, &upstream.url("/p?q=%20"));
    outbound.headers.push((HeaderName::from_static("authorization"), HeaderValue::from_static("Bearer x")));
    outbound.body = "payload".into();
    egress.send(outbound, "test", soon()).await.unwrap();
    let seen = upstream.requests().remove(0);
    assert!(seen.starts_with("POST /p?q=%20 HTTP/1.1\r\n"), "{seen}");
    assert!(seen.contains("\r\nauthorization: Bearer x\r\n"), "{seen}");
    assert!(seen.contains(&format!("\r\nhost: {}\r\n", upstream.address)), "{seen}");
    assert!(
        seen.contains(concat!("\r\nuser-agent: latchgate/", env!("CARGO_PKG_VERSION"), "\r\n")),
        "{seen}"
    );
    assert!(seen.ends_with("\r\n\r\npayload"), "{seen}");
}

#[tokio::test]
async fn a_host_header_from_the_caller_is_refused_unsent() {
    let upstream = Upstream::plain(&[]).await;
    let egress = development();
    let mut outbound = request(&egress, Method::GET, &upstream.url("/"));
    outbound.headers.push((HeaderName::from_static("host"), HeaderValue::from_static("evil.test")));
    let error = egress.send(outbound, "test", soon()).await.unwrap_err();
    assert_eq!(error, SendError::Refused(Refused::Header("host".to_owned())));
    assert_eq!((error.effect(), upstream.connections()), (Effect::None, 0));
}

#[tokio::test]
async fn a_refused_connection_is_named() {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = get(&development(), &format!("http://{address}/")).await.unwrap_err();
    assert_eq!(error.to_string(), format!("connect to {address} refused"));
    assert_eq!(error.effect(), Effect::None);
}

//! Connections are shared within a partition, and no request is ever written twice.

use http::Method;
use latchgate_egress::{Effect, SendError};

use crate::support::{OK, Step, Upstream, development, get, request, soon};

#[tokio::test]
async fn requests_of_one_partition_share_a_connection() {
    let upstream = Upstream::plain(&[Step::Answer(OK); 3]).await;
    let egress = development();
    for path in ["/1", "/2", "/3"] {
        get(&egress, &upstream.url(path)).await.unwrap();
    }
    assert_eq!((upstream.connections(), upstream.requests().len()), (1, 3));
}

#[tokio::test]
async fn requests_of_two_partitions_do_not() {
    let upstream = Upstream::plain(&[Step::Answer(OK); 2]).await;
    let egress = development();
    for partition in ["alice", "bob"] {
        egress.send(request(&egress, Method::GET, &upstream.url("/")), partition, soon()).await.unwrap();
    }
    assert_eq!(upstream.connections(), 2);
}

#[tokio::test]
async fn a_connection_closed_while_idle_is_replaced() {
    let upstream = Upstream::plain(&[Step::AnswerAndClose(OK), Step::Answer(OK)]).await;
    let egress = development();
    get(&egress, &upstream.url("/1")).await.unwrap();
    upstream.closed().await;
    get(&egress, &upstream.url("/2")).await.unwrap();
    assert_eq!((upstream.connections(), upstream.requests().len()), (2, 2));
}

#[tokio::test]
async fn a_request_that_was_read_is_not_sent_again() {
    let upstream = Upstream::plain(&[Step::Answer(OK), Step::Close, Step::Answer(OK)]).await;
    let egress = development();
    get(&egress, &upstream.url("/1")).await.unwrap();
    let error =
        egress.send(request(&egress, Method::POST, &upstream.url("/2")), "test", soon()).await.unwrap_err();
    assert!(matches!(error, SendError::Failed { status: None, .. }), "{error:?}");
    assert_eq!(error.effect(), Effect::Unknown);
    let effects = upstream.requests().iter().filter(|seen| seen.starts_with("POST /2")).count();
    assert_eq!((effects, upstream.connections()), (1, 1));
}

#[tokio::test]
async fn a_connection_announced_to_close_is_not_kept() {
    let closing = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok";
    let upstream = Upstream::plain(&[Step::Answer(closing), Step::Answer(OK)]).await;
    let egress = development();
    get(&egress, &upstream.url("/1")).await.unwrap();
    get(&egress, &upstream.url("/2")).await.unwrap();
    assert_eq!((upstream.connections(), upstream.requests().len()), (2, 2));
}

#[tokio::test]
async fn bytes_after_a_response_are_not_the_next_response() {
    let smuggled =
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil";
    let upstream = Upstream::plain(&[Step::Answer(smuggled), Step::Answer(OK)]).await;
    let egress = development();
    get(&egress, &upstream.url("/1")).await.unwrap();
    assert_eq!(get(&egress, &upstream.url("/2")).await.unwrap().body, "ok");
    assert_eq!(upstream.connections(), 2);
}

#[tokio::test]
async fn giving_up_closes_the_connection() {
    let upstream = Upstream::plain(&[Step::Hang]).await;
    let egress = development();
    let url = upstream.url("/");
    tokio::select! {
        result = get(&egress, &url) => panic!("{result:?}"),
        () = upstream.received() => {}
    }
    upstream.closed().await;
}

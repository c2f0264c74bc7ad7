//! One deadline covers everything, and says how far the request had come.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use latchgate_egress::{Answer, Config, Effect, Egress, Phase, Resolve, SendError};
use tokio::time::Instant;

use crate::support::{Ca, Scripted, Step, Upstream, development, get, named, request};

struct Silent;

impl Resolve for Silent {
    fn addresses<'a>(&'a self, _: &'a str) -> Answer<'a> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_resolver_meets_it_unsent() {
    let egress = Egress::new(Config { resolver: Arc::new(Silent), ..Config::default() }).unwrap();
    let error = get(&egress, "https://api.test/").await.unwrap_err();
    assert_eq!(error, SendError::Timeout { sent: false, during: Phase::Resolve });
    assert_eq!(error.effect(), Effect::None);
}

#[tokio::test]
async fn a_silent_handshake_meets_it_unsent() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let egress = named(&Scripted::new(&[&["127.0.0.1"]]), &Ca::new());
    let url = format!("https://api.test:{}/", listener.local_addr().unwrap().port());
    let greeted = async {
        let (stream, _) = listener.accept().await.unwrap();
        stream.readable().await.unwrap();
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(60)).await;
        stream
    };
    let (result, _stream) = tokio::join!(get(&egress, &url), greeted);
    assert_eq!(result.unwrap_err(), SendError::Timeout { sent: false, during: Phase::Handshake });
}

#[tokio::test]
async fn a_silent_upstream_meets_it_sent() {
    let upstream = Upstream::plain(&[Step::Hang]).await;
    let egress = development();
    let url = upstream.url("/");
    let received = async {
        upstream.received().await;
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(60)).await;
    };
    let (result, ()) = tokio::join!(get(&egress, &url), received);
    let error = result.unwrap_err();
    assert_eq!(error, SendError::Timeout { sent: true, during: Phase::Response });
    assert_eq!(error.effect(), Effect::Unknown);
}

#[tokio::test]
async fn one_already_past_sends_nothing() {
    let upstream = Upstream::plain(&[]).await;
    let egress = development();
    let outbound = request(&egress, Method::GET, &upstream.url("/"));
    let error = egress.send(outbound, "test", Instant::now()).await.unwrap_err();
    assert_eq!(error.effect(), Effect::None);
    assert_eq!(upstream.connections(), 0);
}

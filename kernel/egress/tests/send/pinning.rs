//! A connection goes to an address that was checked, however often the name changes its mind.

use std::sync::Arc;

use http::Method;
use latchgate_egress::{Config, Effect, Egress, Refused, Resolve, SendError};

use crate::support::{Ca, OK, Scripted, Step, Upstream, get, named, request, soon};

const NAME: &str = "api.test";

async fn upstream(bind: &str, ca: &Ca) -> Upstream {
    Upstream::start(bind, &[Step::Answer(OK); 4], Some(ca.acceptor(NAME))).await
}

fn url(upstream: &Upstream) -> String {
    format!("https://{NAME}:{}/", upstream.address.port())
}

fn assert_refused_address(error: &SendError, ip: &str) {
    let SendError::Refused(Refused::Address { reason, .. }) = error else { panic!("{error:?}") };
    assert_eq!(reason.ip().to_string(), ip);
    assert_eq!(error.effect(), Effect::None);
}

#[tokio::test]
async fn rebinding_between_check_and_connect_changes_nothing() {
    let ca = Ca::new();
    let checked = upstream("127.0.0.1:0", &ca).await;
    let rebound = upstream(&format!("127.0.0.2:{}", checked.address.port()), &ca).await;
    let resolver = Scripted::new(&[&["127.0.0.1"], &["127.0.0.2"]]);
    let reply = get(&named(&resolver, &ca), &url(&checked)).await.unwrap();
    assert_eq!(reply.remote, checked.address);
    assert_eq!((resolver.asked(), checked.connections(), rebound.connections()), (1, 1, 0));
}

#[tokio::test]
async fn a_name_that_turns_inward_is_refused_on_its_next_connection() {
    let ca = Ca::new();
    let upstream = upstream("127.0.0.1:0", &ca).await;
    let resolver = Scripted::new(&[&["127.0.0.1"], &["10.0.0.1"]]);
    let egress = named(&resolver, &ca);
    let send = |partition| egress.send(request(&egress, Method::GET, &url(&upstream)), partition, soon());
    assert!(send("one").await.is_ok());
    assert_refused_address(&send("two").await.unwrap_err(), "10.0.0.1");
    // The connection made to the checked address stays good.
    assert!(send("one").await.is_ok());
    assert_eq!((resolver.asked(), upstream.connections()), (2, 1));
}

#[tokio::test]
async fn a_second_address_that_is_refused_refuses_the_name() {
    let ca = Ca::new();
    let upstream = upstream("127.0.0.1:0", &ca).await;
    let both = named(&Scripted::new(&[&["127.0.0.1", "169.254.169.254"]]), &ca);
    assert_refused_address(&get(&both, &url(&upstream)).await.unwrap_err(), "169.254.169.254");
    assert_eq!(upstream.connections(), 0);

    let one = named(&Scripted::new(&[&["127.0.0.1"]]), &ca);
    assert!(get(&one, &url(&upstream)).await.is_ok());
}

#[tokio::test]
async fn a_name_for_loopback_is_refused_outside_development() {
    let ca = Ca::new();
    let upstream = upstream("127.0.0.1:0", &ca).await;
    let resolver: Arc<dyn Resolve> = Scripted::new(&[&["127.0.0.1"]]);
    let egress = Egress::new(Config { extra_ca_pem: Some(ca.pem()), resolver, ..Config::default() }).unwrap();
    let error = get(&egress, &url(&upstream)).await.unwrap_err();
    assert_refused_address(&error, "127.0.0.1");
    assert_eq!(
        error.to_string(),
        "api.test resolves to a refused address: 127.0.0.1 is a loopback address; set egress.dangerous_loopback = \
         true for development"
    );
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn a_target_parsed_under_development_is_refused_without_it() {
    let upstream = Upstream::plain(&[Step::Answer(OK)]).await;
    let lenient = crate::support::development();
    let strict = Egress::new(Config::default()).unwrap();
    let by_name = format!("http://localhost:{}/", upstream.address.port());
    let error = strict.send(request(&lenient, Method::GET, &by_name), "test", soon()).await.unwrap_err();
    assert_eq!(error, SendError::Refused(Refused::LoopbackName("localhost".to_owned())));
    let by_address = request(&lenient, Method::GET, &upstream.url("/"));
    assert_refused_address(&strict.send(by_address, "test", soon()).await.unwrap_err(), "127.0.0.1");
    assert_eq!(upstream.connections(), 0);
    assert!(get(&lenient, &by_name).await.is_ok());
}

#[tokio::test]
async fn an_address_that_does_not_answer_is_passed_over() {
    let ca = Ca::new();
    let upstream = upstream("127.0.0.2:0", &ca).await;
    let resolver = Scripted::new(&[&["127.0.0.3", "127.0.0.2"]]);
    let reply = get(&named(&resolver, &ca), &url(&upstream)).await.unwrap();
    assert_eq!(reply.remote, upstream.address);
}

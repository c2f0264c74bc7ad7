//! TLS: the certificate must carry the name of the URL and come from a trusted root.

use latchgate_egress::{Effect, SendError};

use crate::support::{Ca, OK, Scripted, Step, Upstream, get, named};

async fn upstream(ca: &Ca, name: &str) -> Upstream {
    Upstream::start("127.0.0.1:0", &[Step::Answer(OK)], Some(ca.acceptor(name))).await
}

/// What a request for `https://api.test` gives from a server with a certificate for `name` by `issuer`.
async fn requested(issuer: &Ca, name: &str, trusted: &Ca) -> (Result<u16, SendError>, Upstream) {
    let upstream = upstream(issuer, name).await;
    let egress = named(&Scripted::new(&[&["127.0.0.1"]]), trusted);
    let result = get(&egress, &format!("https://api.test:{}/", upstream.address.port())).await;
    (result.map(|reply| reply.status.as_u16()), upstream)
}

fn assert_unverified(result: Result<u16, SendError>, upstream: &Upstream) {
    let error = result.unwrap_err();
    assert!(matches!(error, SendError::Unreachable(_)), "{error:?}");
    assert!(error.to_string().starts_with("tls with api.test:"), "{error}");
    assert_eq!(error.effect(), Effect::None);
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn a_certificate_for_the_name_by_a_trusted_ca_is_accepted() {
    let ca = Ca::new();
    let (result, upstream) = requested(&ca, "api.test", &ca).await;
    assert_eq!(result, Ok(200));
    assert!(upstream.requests()[0].contains(&format!("\r\nhost: api.test:{}\r\n", upstream.address.port())));
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let ca = Ca::new();
    let (result, upstream) = requested(&ca, "evil.test", &ca).await;
    assert_unverified(result, &upstream);
}

#[tokio::test]
async fn a_certificate_by_an_unknown_ca_is_refused() {
    let (result, upstream) = requested(&Ca::new(), "api.test", &Ca::new()).await;
    assert_unverified(result, &upstream);
}

#[tokio::test]
async fn a_certificate_for_the_address_does_not_stand_in_for_the_name() {
    let ca = Ca::new();
    let (result, upstream) = requested(&ca, "127.0.0.1", &ca).await;
    assert_unverified(result, &upstream);
}

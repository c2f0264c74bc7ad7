//! Through a proxy: one tunnel a connection, TLS verified for the name behind it, and what is not asked of it.

use std::sync::{Arc, Mutex};

use latchgate_egress::{Config, Effect, Egress, Phase, Proxy, Refused, Resolve, SendError};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Ca, OK, Scripted, Step, Upstream, get};

const NAME: &str = "api.test";

/// A proxy that resolves every name to one upstream.
struct Tunnels {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Tunnels {
    async fn to(upstream: Option<&Upstream>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (seen, target) = (Arc::clone(&asked), upstream.map(|upstream| upstream.address));
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let seen = Arc::clone(&seen);
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        head.push(stream.read_u8().await.unwrap());
                    }
                    seen.lock().unwrap().push(String::from_utf8(head).unwrap());
                    match target {
                        Some(target) => {
                            let mut onward = TcpStream::connect(target).await.unwrap();
                            stream.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").await.unwrap();
                            let _over = copy_bidirectional(&mut stream, &mut onward).await;
                        }
                        // Says nothing, and keeps the connection.
                        None => drop(stream.read_u8().await),
                    }
                });
            }
        });
        Self { url, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// An egress with this proxy, in which names resolve to what must not be reached.
    fn egress(&self, ca: &Ca, resolver: &Arc<Scripted>, dangerous_loopback: bool) -> Egress {
        let resolver: Arc<dyn Resolve> = Arc::clone(resolver) as _;
        let proxy = Some(Proxy::parse(&self.url).unwrap());
        let extra_ca_pem = Some(ca.pem());
        Egress::new(Config { dangerous_loopback, extra_ca_pem, proxy, resolver, ..Config::default() })
            .unwrap()
    }
}

async fn upstream(ca: &Ca) -> Upstream {
    Upstream::start("127.0.0.1:0", &[Step::Answer(OK); 4], Some(ca.acceptor(NAME))).await
}

#[tokio::test]
async fn a_request_goes_through_a_tunnel_to_the_name() {
    let ca = Ca::new();
    let upstream = upstream(&ca).await;
    let proxy = Tunnels::to(Some(&upstream)).await;
    let resolver = Scripted::new(&[&["10.0.0.1"]]);
    let egress = proxy.egress(&ca, &resolver, false);
    for path in ["/1", "/2"] {
        assert_eq!(get(&egress, &format!("https://{NAME}{path}")).await.unwrap().body, "ok");
    }
    // One tunnel for both; the proxy saw a name and a port, and asked for the address itself.
    assert_eq!(proxy.asked(), [format!("CONNECT {NAME}:443 HTTP/1.1\r\nHost: {NAME}:443\r\n\r\n")]);
    assert_eq!((resolver.asked(), upstream.requests().len()), (0, 2));
    assert!(upstream.requests()[0].starts_with("GET /1 HTTP/1.1\r\n"));
}

#[tokio::test]
async fn the_name_is_verified_behind_the_proxy() {
    let ca = Ca::new();
    let upstream = upstream(&ca).await;
    let proxy = Tunnels::to(Some(&upstream)).await;
    let egress = proxy.egress(&ca, &Scripted::new(&[&["10.0.0.1"]]), false);
    let error = get(&egress, "https://other.test/").await.unwrap_err();
    assert!(matches!(error, SendError::Unreachable(_)), "{error:?}");
    assert!(error.to_string().contains("other.test"), "{error}");
    assert_eq!((error.effect(), upstream.requests().len()), (Effect::None, 0));
}

#[tokio::test]
async fn what_can_be_judged_without_an_address_is_not_asked_of_the_proxy() {
    let ca = Ca::new();
    let upstream = upstream(&ca).await;
    let proxy = Tunnels::to(Some(&upstream)).await;
    let egress = proxy.egress(&ca, &Scripted::new(&[&["1.1.1.1"]]), false);
    for url in [
        "https://10.0.0.1/",
        "https://169.254.169.254/",
        "https://[fd00::1]/",
        "https://[::ffff:a00:1]/",
        "https://127.0.0.1/",
        "https://localhost/",
        "https://intranet/",
        "https://metadata.google.internal/",
        "https://printer.local/",
        "http://api.test/",
    ] {
        // Parsed where more is permitted, so that sending is what refuses.
        let refused = match egress.target(url) {
            Err(refused) => refused,
            Ok(_) => match get(&egress, url).await.unwrap_err() {
                SendError::Refused(refused) => refused,
                other => panic!("{url}: {other:?}"),
            },
        };
        assert!(
            matches!(
                refused,
                Refused::Address { .. }
                    | Refused::LoopbackName(_)
                    | Refused::PrivateName(_)
                    | Refused::PlainHttp(_)
            ),
            "{url}: {refused:?}"
        );
    }
    assert_eq!((proxy.asked().len(), upstream.connections()), (0, 0));
    assert!(get(&egress, &format!("https://{NAME}/")).await.is_ok());
}

#[tokio::test]
async fn loopback_in_development_is_this_machines() {
    let ca = Ca::new();
    let proxy = Tunnels::to(None).await;
    let upstream = Upstream::plain(&[Step::Answer(OK); 2]).await;
    let egress = proxy.egress(&ca, &Scripted::new(&[&["1.1.1.1"]]), true);
    for host in ["127.0.0.1", "localhost"] {
        let url = format!("http://{host}:{}/", upstream.address.port());
        assert_eq!(get(&egress, &url).await.unwrap().remote, upstream.address);
    }
    assert_eq!(proxy.asked().len(), 0);
}

#[tokio::test]
async fn a_proxy_that_says_nothing_meets_the_deadline_unsent() {
    let ca = Ca::new();
    let proxy = Tunnels::to(None).await;
    let egress = proxy.egress(&ca, &Scripted::new(&[&["1.1.1.1"]]), false);
    let asked = async {
        while proxy.asked().is_empty() {
            tokio::task::yield_now().await;
        }
        tokio::time::pause();
        tokio::time::advance(std::time::Duration::from_secs(60)).await;
    };
    let url = format!("https://{NAME}/");
    let (result, ()) = tokio::join!(get(&egress, &url), asked);
    let error = result.unwrap_err();
    assert_eq!(error, SendError::Timeout { sent: false, during: Phase::Tunnel });
    assert_eq!(error.effect(), Effect::None);
}

#[tokio::test]
async fn a_proxy_that_nobody_runs_is_named_and_not_gone_around() {
    let ca = Ca::new();
    let upstream = upstream(&ca).await;
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let proxy = Tunnels { url: format!("http://{address}"), asked: Arc::default() };
    let egress = proxy.egress(&ca, &Scripted::new(&[&["127.0.0.1"]]), true);
    let error = get(&egress, &format!("https://{NAME}:{}/", upstream.address.port())).await.unwrap_err();
    assert_eq!(error.to_string(), format!("proxy {address}: connect to {address} refused"));
    assert_eq!((error.effect(), upstream.connections()), (Effect::None, 0));
}

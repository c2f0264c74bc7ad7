//! What a proxy's URL may be, which names are not asked of it, and answers of its that give no tunnel.

use tokio::io::duplex;

use super::*;
use crate::addr::Development;

#[test]
fn a_proxy_is_host_and_port() {
    for (text, shown) in [
        ("http://proxy.test:3128", "proxy.test:3128"),
        ("http://10.0.0.1:8080/", "10.0.0.1:8080"),
        ("http://[fd00::1]:8080", "[fd00::1]:8080"),
        ("HTTP://localhost:8888", "localhost:8888"),
        ("http://proxy.test", "proxy.test:80"),
    ] {
        assert_eq!(Proxy::parse(text).unwrap().to_string(), shown, "{text}");
    }
}

#[test]
fn anything_else_is_refused_and_not_repeated() {
    for text in [
        "",
        "proxy.test:3128",
        "https://proxy.test:3128",
        "socks5://proxy.test:1080",
        "http://user:hunter2@proxy.test:3128",
        "http://hunter2@proxy.test:3128",
        "http://proxy.test:3128/hunter2",
        "http://proxy.test:3128//",
        "http://proxy.test:3128?hunter2",
        "http://proxy.test:3128#hunter2",
        "http://proxy.test:0",
        "http://127.1:3128",
        "http://proxy.test.:3128",
        "http://proxy test:3128",
    ] {
        let told = Proxy::parse(text).expect_err(text).to_string();
        assert!(told.starts_with("egress.proxy "), "{text}: {told}");
        assert!(!told.contains("hunter2"), "{text}: {told}");
    }
}

#[test]
fn names_of_private_networks_are_not_asked_of_a_proxy() {
    let judged = |host: &str| {
        let url = format!("https://{host}/");
        judge(Target::parse(&url, &Development::default()).unwrap().origin())
    };
    for host in [
        "intranet",
        "metadata",
        "metadata.google.internal",
        "printer.local",
        "nas.lan",
        "x.home.arpa",
        "localhost.localdomain",
        "a.b.corp",
    ] {
        assert_eq!(judged(host), Err(Refused::PrivateName(host.to_owned())));
    }
    for host in ["api.test", "internal.test", "notlocal.test", "mylan.example", "corp.example.com", "1.1.1.1"]
    {
        assert_eq!(judged(host), Ok(()), "{host}");
    }
}

async fn answered(answer: &[u8]) -> Result<(), String> {
    let (ours, mut theirs) = duplex(64 * 1024);
    let proxy = Proxy::parse("http://proxy.test:3128").unwrap();
    let target = Target::parse("https://api.test/", &Development::default()).unwrap();
    let remote = "10.0.0.1:3128".parse().unwrap();
    let expected = b"CONNECT api.test:443 HTTP/1.1\r\nHost: api.test:443\r\n\r\n";
    let serve = async {
        let mut request = vec![0; expected.len()];
        theirs.read_exact(&mut request).await.unwrap();
        assert_eq!(request, expected);
        theirs.write_all(answer).await.unwrap();
        drop(theirs);
    };
    let (tunnel, ()) = tokio::join!(proxy.tunnel(ours, target.origin(), remote), serve);
    tunnel.map(drop).map_err(|error| {
        assert_eq!(error.effect(), crate::Effect::None);
        error.to_string()
    })
}

#[tokio::test]
async fn any_2xx_is_a_tunnel() {
    for answer in
        ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.0 200\r\n\r\n", "HTTP/1.1 299 X\r\nContent-Length: 9\r\n\r\n"]
    {
        assert_eq!(answered(answer.as_bytes()).await, Ok(()), "{answer}");
    }
}

#[tokio::test]
async fn any_other_answer_is_none() {
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "y".repeat(HEAD_BYTES_MAX));
    for (answer, word) in [
        ("HTTP/1.1 403 Forbidden\r\n\r\n", "status 403"),
        ("HTTP/1.1 407 X\r\nProxy-Authenticate: Basic\r\n\r\n", "credentials"),
        ("HTTP/1.1 302 Found\r\nLocation: http://10.0.0.1/\r\n\r\n", "status 302"),
        ("HTTP/1.1 100 Continue\r\n\r\n", "status 100"),
        ("HTTP/1.1 2000 OK\r\n\r\n", "not http"),
        ("HTTP/2 200\r\n\r\n", "not http"),
        ("SSH-2.0-x\r\n\r\n", "not http"),
        ("HTTP/1.1 200 OK\r\n", "closed"),
        ("", "closed"),
        ("HTTP/1.1 200 OK\r\n\r\n\x16\x03\x01", "before anything was said"),
        (&long, "head of more than"),
    ] {
        let told = answered(answer.as_bytes()).await.expect_err(answer);
        assert!(told.contains(word), "{answer:.40}: {told}");
    }
}

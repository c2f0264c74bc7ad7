//! `CONNECT` to port 443 of hosts on the list, for TLS to that very name.

use std::io;
use std::net::TcpListener as StdListener;
use std::sync::Arc;
use std::time::Duration;

use rustls::server::Acceptor;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::WayOut;
use super::hosts::Hosts;
use super::record::Recorder;

const HTTPS: u16 = 443;
const HEAD_BYTES_MAX: usize = 8 * 1024;
/// A greeting with post-quantum keys has two kilobytes.
const GREETING_BYTES_MAX: usize = 64 * 1024;
/// For the request, and again for the greeting.
const PATIENCE: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
const CONNECTIONS_MAX: usize = 256;

/// What every connection needs.
struct Way {
    out: WayOut,
    hosts: Hosts,
    recorder: Recorder,
}

/// Why a connection is not made: the status for the client, and the reason for it and for the ledger.
struct Refusal {
    status: &'static str,
    reason: String,
}

/// Serves a listener of the jail's. Dropped, it ends with every connection.
///
/// # Errors
/// If the listener is not one.
pub async fn serve(listener: StdListener, out: WayOut, hosts: Hosts, recorder: Recorder) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let way = Arc::new(Way { out, hosts, recorder });
    let mut connections = JoinSet::new();
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return Ok(()) };
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((client, _)) => {
                let way = Arc::clone(&way);
                connections.spawn(async move {
                    // A broken connection is its two ends' affair.
                    let _ended = connection(&way, client).await;
                    drop(place);
                });
            }
            // Out of descriptors: wait for some to be closed rather than spin.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn connection(way: &Way, mut client: TcpStream) -> io::Result<()> {
    let head = timeout(PATIENCE, read_head(&mut client)).await??;
    let asked = match authority(&head) {
        Ok(asked) => asked,
        Err(refusal) => {
            way.recorder.note("", 0, Some(refusal.reason.clone())).await;
            return answer(&mut client, &refusal).await;
        }
    };
    let (host, port) = asked;
    let upstream = match open(way, &host, port).await {
        Ok(upstream) => upstream,
        Err(refusal) => {
            way.recorder.note(&host, port, Some(refusal.reason.clone())).await;
            return answer(&mut client, &refusal).await;
        }
    };
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    let greeting = match timeout(PATIENCE, greeting_for(&host, &mut client)).await? {
        Ok(greeting) => greeting,
        Err(reason) => {
            way.recorder.note(&host, port, Some(reason)).await;
            return Ok(());
        }
    };
    if !way.recorder.note(&host, port, None).await {
        return Ok(());
    }
    pass(client, upstream, &greeting).await
}

async fn pass(mut client: TcpStream, mut upstream: TcpStream, greeting: &[u8]) -> io::Result<()> {
    let _nodelay_is_a_courtesy = client.set_nodelay(true);
    upstream.write_all(greeting).await?;
    copy_bidirectional(&mut client, &mut upstream).await.map(|_| ())
}

async fn open(way: &Way, host: &str, port: u16) -> Result<TcpStream, Refusal> {
    let forbidden = |reason: String| Refusal { status: "403 Forbidden", reason };
    if port != HTTPS {
        return Err(forbidden(format!("port {port}: only 443 is reached")));
    }
    if !way.hosts.contains(host) {
        return Err(forbidden("the host is not on the list of this sandbox".into()));
    }
    let tunnel = way.out.0.tunnel(&host.to_ascii_lowercase(), Instant::now() + CONNECT_TIMEOUT).await;
    tunnel.map_err(|error| Refusal { status: "502 Bad Gateway", reason: error.to_string() })
}

/// Up to the empty line, and not a byte further: what follows is for the host.
async fn read_head(client: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= HEAD_BYTES_MAX {
            return Err(io::Error::other("the request has no end"));
        }
        head.push(client.read_u8().await?);
    }
    Ok(head)
}

/// RFC 9110 section 9.3.6: `CONNECT host:port`.
fn authority(head: &[u8]) -> Result<(String, u16), Refusal> {
    let bad = |reason: &str| Refusal { status: "405 Method Not Allowed", reason: reason.into() };
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let line = std::str::from_utf8(line).map_err(|_| bad("the request is no text"))?;
    let mut words = line.split(' ');
    let (Some("CONNECT"), Some(authority), Some("HTTP/1.1" | "HTTP/1.0"), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(bad("only CONNECT is taken: use https"));
    };
    let (host, port) = authority.rsplit_once(':').ok_or_else(|| bad("expected CONNECT host:port"))?;
    let port = port.parse().map_err(|_| bad("expected CONNECT host:port"))?;
    Ok((host.to_owned(), port))
}

/// The client's first bytes, once they are seen to ask for the host that the connection was opened to.
async fn greeting_for(host: &str, client: &mut TcpStream) -> Result<Vec<u8>, String> {
    let mut acceptor = Acceptor::default();
    let mut greeting = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let length = client.read(&mut chunk).await.map_err(|error| error.to_string())?;
        let mut new =
            chunk.get(..length).filter(|new| !new.is_empty()).ok_or("it ended before its TLS greeting")?;
        greeting.extend_from_slice(new);
        if greeting.len() > GREETING_BYTES_MAX {
            return Err("its TLS greeting has no end".into());
        }
        while !new.is_empty() {
            acceptor.read_tls(&mut new).map_err(|error| error.to_string())?;
        }
        let accepted = acceptor.accept().map_err(|(error, _)| format!("what it says is no TLS: {error}"))?;
        let Some(accepted) = accepted else { continue };
        return match accepted.client_hello().server_name() {
            Some(name) if name.eq_ignore_ascii_case(host) => Ok(greeting),
            Some(name) => Err(format!("TLS for another host: {name}")),
            None => Err("TLS without the name of the host".into()),
        };
    }
}

async fn answer(client: &mut TcpStream, refusal: &Refusal) -> io::Result<()> {
    let body = format!("latchgate sandbox: {}\n", refusal.reason);
    let head = format!(
        "HTTP/1.1 {}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n",
        refusal.status,
        body.len()
    );
    client.write_all(format!("{head}Connection: close\r\n\r\n{body}").as_bytes()).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connect_line_names_host_and_port_and_nothing_else_is_taken() {
        let read = |line: &str| authority(format!("{line}\r\nHost: x\r\n\r\n").as_bytes()).ok();
        assert_eq!(read("CONNECT a.test:443 HTTP/1.1"), Some(("a.test".into(), 443)));
        assert_eq!(read("CONNECT [::1]:443 HTTP/1.1"), Some(("[::1]".into(), 443)));
        for line in [
            "GET http://a.test/ HTTP/1.1",
            "CONNECT a.test HTTP/1.1",
            "CONNECT a.test:x HTTP/1.1",
            "CONNECT a.test:443",
            "CONNECT a.test:443 HTTP/2",
            "CONNECT  a.test:443 HTTP/1.1",
            "connect a.test:443 HTTP/1.1",
            "CONNECT a.test:65536 HTTP/1.1",
        ] {
            assert_eq!(read(line), None, "{line}");
        }
    }
}

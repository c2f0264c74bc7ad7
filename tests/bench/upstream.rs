//! A service on a loopback port that answers every request the same, on a thread of its own.

use std::net::{SocketAddr, TcpListener};

use anyhow::{Context, Result};
use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

use crate::gate::FILE;

/// Lives as long as the process.
pub struct Upstream {
    address: SocketAddr,
}

impl Upstream {
    pub fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("no loopback port")?;
        let address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::spawn(move || runtime.block_on(serve(listener)));
        Ok(Self { address })
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Arguments of a call that reads from here.
    pub fn body(&self) -> String {
        format!(r#"{{"url":"http://127.0.0.1:{}/readme"}}"#, self.port())
    }
}

async fn serve(listener: TcpListener) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let answer = service_fn(|_| async {
            Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::from_static(FILE.as_bytes()))))
        });
        // A connection that the gate gives up is no loss here.
        tokio::spawn(async move {
            drop(http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await)
        });
    }
}

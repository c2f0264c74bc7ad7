//! The handler of `latchgate-mcp serve` behind HTTP on loopback, for the protocol's conformance suite. Never shipped: it
//! asks nobody who they are.
#![forbid(unsafe_code)]

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use clap::Parser;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use latchgate_mcp::serve::{AgentServer, Args};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::net::TcpListener;

/// The agent's handler behind HTTP, for tests
#[derive(Parser)]
struct Front {
    /// A port of this machine; 0 for any that is free. Printed once it listens.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    #[command(flatten)]
    serve: Args,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    let Front { listen, serve } = Front::parse();
    ensure!(listen.ip().is_loopback(), "--listen: expected an address of this machine");
    let server = AgentServer::new(serve)?;
    let front = StreamableHttpService::new(
        move || Ok::<_, io::Error>(server.for_another_client()),
        Arc::new(LocalSessionManager::default()),
        StreamableHttpServerConfig::default(),
    );
    let listener =
        TcpListener::bind(listen).await.with_context(|| format!("{listen} cannot be listened on"))?;
    println!("http://{}/mcp", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        let service = TowerToHyperService::new(front.clone());
        tokio::spawn(async move {
            drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await)
        });
    }
}

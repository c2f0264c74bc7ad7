//! A request and a small answer over a Unix socket, with hyper at both ends.

use std::convert::Infallible;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::UnixListener;
use tokio::runtime::Builder;

use super::BODY;
use crate::agent::Connection;
use crate::measure::{Cost, cost, cpu_of_process, cpu_of_thread};

/// The server has a thread of its own, as a gate has a process of its own: the way there and back wakes both sides. The
/// CPU time is the server's.
pub fn answer(dir: &Path, iterations: usize) -> Result<Cost> {
    let socket = dir.join("floor.sock");
    let listener = std::os::unix::net::UnixListener::bind(&socket)?;
    listener.set_nonblocking(true)?;
    let server = std::thread::spawn(move || serve(listener));
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let mut connection = runtime.block_on(Connection::open(&socket))?;
    std::fs::remove_file(&socket)?;

    // One connection and one thread on each side: whatever CPU time is not ours is the server's.
    let (whole, own) = (cpu_of_process(), cpu_of_thread());
    let mut asked = 0;
    let client = cost(iterations, || {
        asked += 1;
        let request = Request::post("/").header("host", "localhost").body(Full::from(BODY))?;
        let (status, _) = runtime.block_on(connection.send(request))?;
        ensure!(status.is_success(), "the server answered {status}");
        Ok(())
    })?;
    let (whole, own) = (cpu_of_process() - whole, cpu_of_thread() - own);
    let cpu = whole.saturating_sub(own) / asked;
    drop((connection, runtime));
    match server.join() {
        Ok(result) => result?,
        Err(_) => bail!("the server panicked"),
    }
    Ok(Cost { time: client.time, cpu })
}

/// One connection, to its end.
fn serve(listener: std::os::unix::net::UnixListener) -> Result<()> {
    Builder::new_current_thread().enable_all().build()?.block_on(async {
        let (stream, _) = UnixListener::from_std(listener)?.accept().await?;
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(echo));
        connection.await.context("the server's connection")
    })
}

async fn echo(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let mut response = Response::new(Full::new(body));
    response.headers_mut().insert("content-type", http::HeaderValue::from_static("application/json"));
    Ok(response)
}

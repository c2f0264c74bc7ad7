//! What is served outside for a session: the proxy, and the record of what it was asked.

use std::net::TcpListener;

use latchgate_client::OperatorClient;
use latchgate_daemon::{Environment, Places, Resolved};
use latchgate_jail::exits::{self, Hosts, Recorder, Records, Settings, WayOut};
use latchgate_wire::jail::JailConnections;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::exit::Failure;

/// Where the proxy listens inside.
pub const PROXY_PORT: u16 = 3128;

/// The way out, with the gate's own settings for it.
pub fn way_out(places: &Places) -> Result<WayOut, Failure> {
    let resolved = Resolved::load(&places.config_file(), &Environment::of_process(), &[]);
    let found = resolved.map_err(|error| Failure::usage(error.to_string()))?.config.egress;
    let settings = Settings { dangerous_loopback: found.dangerous_loopback, proxy: found.proxy };
    WayOut::new(&settings).map_err(|error| Failure::usage(error.to_string()))
}

/// Notes that go to the gate, which is told of each before the session ends.
pub fn recording(runtime: &Runtime, operator: OperatorClient, jail: String) -> (Recorder, JoinHandle<()>) {
    let (recorder, records) = exits::records();
    (recorder, runtime.spawn(record(records, operator, jail)))
}

/// A gate that does not take a note is told no more, and without notes nothing is connected.
async fn record(mut records: Records, operator: OperatorClient, jail: String) {
    while let Some(connections) = records.next().await {
        if operator.jail_connections(&jail, &JailConnections { connections }).await.is_err() {
            return;
        }
    }
}

/// Serves the listener until the session ends.
pub fn serve(
    runtime: &Runtime,
    listener: TcpListener,
    out: WayOut,
    hosts: Hosts,
    recorder: Recorder,
) -> JoinHandle<()> {
    runtime.spawn(async move {
        // It fails only for what is no listener, and ends with the session.
        let _served = exits::serve(listener, out, hosts, recorder).await;
    })
}

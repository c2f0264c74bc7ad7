//! A gate that listens: its background work, and its end in order.

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use latchgate_monitor::ports::Clock as _;
use latchgate_wire::api::ReloadRequest;
use latchgate_wire::receipt::Boundary;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;

use crate::calls::approvals;
use crate::evidence::retention;
use crate::gate::Gate;
use crate::http::authority::Authority;
use crate::http::listen::Socket;
use crate::http::{Allotment, Surface, serve, serve_tcp};
use crate::news;
use crate::process::hardening::connections_max;
use crate::process::held_calls::HeldCalls;
use crate::process::notify;
use crate::setup::builtin::Preset;
use crate::setup::reload::reload;
use crate::setup::start::Sockets;

/// What the start did, for the person who started it.
#[derive(Clone, Debug)]
pub struct Summary {
    /// There was no home before.
    pub created: bool,
    /// The policy that the new home got, unless one lay there already.
    pub preset: Option<Preset>,
    pub home: PathBuf,
    pub boundary: Boundary,
    /// What file actions see; none if nobody configured it.
    pub root: Option<PathBuf>,
    pub actions: usize,
    /// A rule only observes: most calls are recorded and not done.
    pub observes: bool,
    pub agent_socket: PathBuf,
    /// The loopback port of the agent API, if there is one.
    pub exposed: Option<SocketAddr>,
    pub operator: String,
    /// Bytes of a torn tail, cut and kept aside.
    pub recovered_bytes: u64,
    pub recovered_to: Option<PathBuf>,
    /// Interrupted calls whose effect is not known.
    pub unknown_outcomes: usize,
    /// Above 0: the clock stands before the ledger's last entry.
    pub clock_behind_ms: i64,
}

impl Summary {
    /// For a service's log, where nobody sees a terminal.
    pub fn log(&self) {
        tracing::info!(
            home = %self.home.display(),
            boundary = self.boundary.as_str(),
            root = self.root.as_ref().map(|root| root.display().to_string()),
            actions = self.actions,
            socket = %self.agent_socket.display(),
            recovered_bytes = self.recovered_bytes,
            unknown_outcomes = self.unknown_outcomes,
            "the gate takes calls"
        );
    }
}

/// A running gate. Dropping it without [`Running::stop`] leaves the ledger to be recovered at the next start.
pub struct Running {
    gate: Arc<Gate>,
    summary: Summary,
    /// Each gives its socket back, which stands until the ledger is closed: its absence says that the gate is gone.
    servers: Vec<JoinHandle<Option<Socket>>>,
    ticker: JoinHandle<()>,
}

/// Expiry of approvals and marks of delivery.
const TICK: Duration = Duration::from_secs(1);
/// How long a call that was stopped may take to be recorded: a batch or two, on a slow disk.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// Refusals before authentication are counted into one entry in so many ticks.
const TICKS_PER_COUNT: u32 = 60;

/// What ends a gate from outside, or has it reload. To be had before the gate starts: one that comes meanwhile is heeded once
/// it runs, where it would kill a process that does not listen for it.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// # Errors
    /// If the system does not hand them over.
    pub fn install() -> Result<Self, String> {
        let handler = |kind| signal(kind).map_err(|error| format!("signals cannot be handled: {error}"));
        Ok(Self {
            terminate: handler(SignalKind::terminate())?,
            interrupt: handler(SignalKind::interrupt())?,
            hangup: handler(SignalKind::hangup())?,
        })
    }
}

impl Running {
    pub(crate) fn begin(gate: Arc<Gate>, summary: Summary, sockets: Sockets) -> Self {
        let allotment = || Allotment::new(connections_max());
        // One for all that agents come in by.
        let agents = allotment();
        let listen = |socket: Socket, surface, allotment| {
            let gate = Arc::clone(&gate);
            tokio::spawn(async move {
                serve(&socket.listener, gate, &surface, allotment).await;
                Some(socket)
            })
        };
        let mut servers = vec![
            listen(sockets.agent, Surface::Agent, Arc::clone(&agents)),
            listen(sockets.admin, Surface::Admin, allotment()),
        ];
        if let Some(tcp) = sockets.tcp {
            let port = tcp.local_addr().map_or(0, |address| address.port());
            let authority = Arc::new(Authority::new(&gate.config.gate.public_base_url, port));
            let gate = Arc::clone(&gate);
            servers.push(tokio::spawn(async move {
                serve_tcp(&tcp, gate, authority, agents).await;
                None
            }));
        }
        let ticker = {
            let (ticking, keeping) = (tick(Arc::clone(&gate)), retention::keep(Arc::clone(&gate)));
            tokio::spawn(async move {
                tokio::join!(ticking, keeping);
            })
        };
        news::begin(&gate);
        notify::tell(notify::READY);
        Self { gate, summary, servers, ticker }
    }

    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// What waits for a person, as long as the gate runs.
    pub fn held_calls(&self) -> HeldCalls {
        HeldCalls::of(&self.gate)
    }

    /// Runs until SIGTERM, SIGINT or an operator's shutdown, then ends in order; a second signal stops the calls that run.
    ///
    /// # Errors
    /// If the ledger could not be closed; the next start recovers it.
    pub async fn wait(self, signals: Signals) -> Result<(), String> {
        let Signals { mut terminate, mut interrupt, mut hangup } = signals;
        let reason = loop {
            tokio::select! {
                _ = terminate.recv() => break "SIGTERM",
                _ = interrupt.recv() => break "SIGINT",
                () = self.gate.shutdown.cancelled() => break "operator",
                _ = hangup.recv() => match reload(&self.gate, &ReloadRequest::default()).await {
                    Ok(reloaded) => tracing::info!(actions = reloaded.actions_registered, "configuration reloaded"),
                    Err(denial) => {
                        tracing::error!(problem = %denial.detail, "not reloaded; what was in force stays in force");
                    }
                },
            }
        };
        let again = async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        self.end(reason, again).await
    }

    /// Ends in order, as [`Running::wait`] does when it is told to.
    ///
    /// # Errors
    /// If the ledger could not be closed.
    pub async fn stop(self, reason: &str) -> Result<(), String> {
        self.end(reason, std::future::pending()).await
    }

    /// Drain: no new calls; running ones end, or are stopped after `drain_s` or when `hurry` comes, with what is known of each as
    /// its outcome. Then the ledger is closed.
    async fn end(self, reason: &str, hurry: impl Future<Output = ()>) -> Result<(), String> {
        notify::tell(notify::STOPPING);
        let gate = self.gate;
        gate.draining.cancel();
        gate.tasks.close();
        if !gate.tasks.is_empty() {
            let (calls, drain_s) = (gate.tasks.len(), gate.drain().as_secs());
            tracing::warn!(calls, drain_s, "ending once running calls have; a second signal stops them");
        }
        tokio::select! {
            () = gate.tasks.wait() => {}
            () = tokio::time::sleep(gate.drain()) => {
                tracing::warn!(calls = gate.tasks.len(), "calls still run at the end of the drain time: they are stopped");
            }
            () = hurry => tracing::warn!(calls = gate.tasks.len(), "told again to end: running calls are stopped"),
        }
        gate.world.host.end();
        record_what_runs(&gate).await;
        gate.shutdown.cancel();
        let mut sockets = Vec::new();
        for server in self.servers {
            // A panic in a server is logged by its task; the ledger is closed all the same.
            sockets.push(server.await);
        }
        gate.jails.end().await;
        self.ticker.abort();
        gate.news.ended().await;
        // Of calls that came in while the first of these was waited for.
        record_what_runs(&gate).await;
        gate.record_deliveries().await;
        news::record(&gate).await;
        record_refusals(&gate).await;
        let closed = gate.world.ledger.close(reason).await;
        drop(sockets);
        closed.map_err(|error| format!("the ledger was not closed: {error}"))
    }
}

/// Waits for the outcomes of calls that were stopped. One that does not stop has an intent and no outcome: the next start
/// makes it `unknown`.
async fn record_what_runs(gate: &Gate) {
    if tokio::time::timeout(STOP_TIMEOUT, gate.tasks.wait()).await.is_err() {
        tracing::error!(
            calls = gate.tasks.len(),
            "calls did not stop; the next start records them as unknown"
        );
    }
}

async fn tick(gate: Arc<Gate>) {
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut ticks = 0u32;
    loop {
        interval.tick().await;
        gate.record_deliveries().await;
        news::record(&gate).await;
        approvals::expire(&gate).await;
        ticks = ticks.wrapping_add(1);
        if ticks.is_multiple_of(TICKS_PER_COUNT) {
            record_refusals(&gate).await;
        }
    }
}

async fn record_refusals(gate: &Gate) {
    if let Some(body) = gate.refusals.take(gate.world.clock.now()) {
        gate.append(body).await;
    }
}

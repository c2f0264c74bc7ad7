//! The running gate's state: what every route works on.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use latchgate_monitor::authenticator::Authenticator;
use latchgate_monitor::catalog::Catalog;
use latchgate_monitor::ports::{Clock as _, Commit, Durability, Entropy as _, Log as _};
use latchgate_wire::entry::{Body, CallsDelivered};
use latchgate_wire::ids::TraceId;
use latchgate_wire::keychain;
use latchgate_wire::principal::Principal;
use latchgate_wire::problem::Code;
use latchgate_wire::receipt::Boundary;
use latchgate_wire::time::Timestamp;
use serde_json::json;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::calls::deliveries::Deliveries;
use crate::calls::limits::{Rate, RateLimit};
use crate::calls::refusals::Refusals;
use crate::config::Config;
use crate::home::places::Places;
use crate::http::jails::Jails;
use crate::metrics::Metrics;
use crate::news::News;
use crate::people::agents::Agents;
use crate::people::leases::Leases;
use crate::people::operators::Operators;
use crate::secrets::keeper::Keeper;
use crate::world::GateWorld;

pub struct Gate {
    pub world: GateWorld,
    pub catalog: ArcSwap<Catalog>,
    /// Told of every catalog that is put in force after the first.
    catalog_changed: watch::Sender<()>,
    pub authenticator: Authenticator,
    pub operators: Operators,
    pub agents: Agents,
    pub leases: Leases,
    pub secrets: Arc<Keeper>,
    pub refusals: Refusals,
    pub metrics: Metrics,
    pub call_rate: RateLimit,
    pub lease_rate: RateLimit,
    pub boundary: Boundary,
    /// Of the gate itself.
    uid: u32,
    pub config: Config,
    pub places: Places,
    pub origin: String,
    pub started_at: Timestamp,
    /// The public key of leases, as `jwks.json` has it.
    lease_jwk: serde_json::Value,
    /// Calls and their like: they outlive connections, and the shutdown waits for them.
    pub tasks: TaskTracker,
    /// Cancelled when the gate shall end.
    pub shutdown: CancellationToken,
    /// Cancelled when no more calls are taken.
    pub draining: CancellationToken,
    pub deliveries: Deliveries,
    pub news: News,
    pub jails: Jails,
    /// Held while operators or agents change: one change is whole before the next begins.
    pub people: tokio::sync::Mutex<()>,
    /// Held from the reading of files to their being in force: what the log says last is what calls are judged by.
    pub reloading: tokio::sync::Mutex<()>,
}

/// What [`Gate::new`] is made of: everything but the counters.
pub struct Parts {
    pub world: GateWorld,
    pub catalog: Arc<Catalog>,
    pub authenticator: Authenticator,
    pub operators: Operators,
    pub agents: Agents,
    pub leases: Leases,
    pub secrets: Arc<Keeper>,
    pub boundary: Boundary,
    pub config: Config,
    pub places: Places,
    pub origin: String,
    pub lease_jwk: serde_json::Value,
    pub news: News,
}

impl Gate {
    pub fn new(parts: Parts) -> Self {
        let now = parts.world.clock.now();
        let stats = parts.world.ledger.stats();
        let metrics = Metrics::new(env!("CARGO_PKG_VERSION"), parts.boundary.as_str(), &stats);
        Self {
            world: parts.world,
            catalog: ArcSwap::new(parts.catalog),
            catalog_changed: watch::Sender::new(()),
            authenticator: parts.authenticator,
            operators: parts.operators,
            agents: parts.agents,
            leases: parts.leases,
            secrets: parts.secrets,
            refusals: Refusals::new(now),
            metrics,
            call_rate: RateLimit::new(Rate::bursting(parts.config.limits.calls_per_s, CALL_BURST_S)),
            lease_rate: RateLimit::new(Rate::bursting(parts.config.limits.leases_per_s, LEASE_BURST_S)),
            boundary: parts.boundary,
            uid: rustix::process::geteuid().as_raw(),
            config: parts.config,
            places: parts.places,
            origin: parts.origin,
            started_at: now,
            lease_jwk: parts.lease_jwk,
            tasks: TaskTracker::new(),
            shutdown: CancellationToken::new(),
            draining: CancellationToken::new(),
            deliveries: Deliveries::default(),
            news: parts.news,
            jails: Jails::default(),
            people: tokio::sync::Mutex::new(()),
            reloading: tokio::sync::Mutex::new(()),
        }
    }

    /// RFC 7517: the key of leases, and those of receipts (RFC 8037), the newest first.
    pub fn jwks(&self) -> serde_json::Value {
        let chain = self.world.ledger.keychain();
        let receipts = chain.keys().iter().rev().enumerate().map(|(at, (from, key))| {
            let kid = if at == 0 { self.origin.clone() } else { format!("{}/{from}", self.origin) };
            let x = keychain::text(key);
            json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": kid, "use": "sig", "alg": "EdDSA" })
        });
        let keys: Vec<_> = std::iter::once(self.lease_jwk.clone()).chain(receipts).collect();
        json!({ "keys": keys })
    }

    pub fn new_trace(&self) -> TraceId {
        TraceId::new(self.world.clock.now().as_ms().unsigned_abs(), self.world.entropy.u128())
    }

    /// What stands between this caller and the gate: nothing, if it runs as the gate's own user or as root.
    pub fn boundary_for(&self, principal: &Principal) -> Boundary {
        match principal {
            Principal::Uid(uid) if [ROOT, self.uid].contains(uid) => Boundary::SameUser,
            Principal::Jail(_) => Boundary::Jail,
            Principal::Uid(_) | Principal::Agent(_) => self.boundary,
        }
    }

    /// From here on calls are judged by this.
    pub fn put_in_force(&self, catalog: Catalog) {
        self.catalog.store(Arc::new(catalog));
        self.catalog_changed.send_replace(());
    }

    /// Whoever asked before a catalog is put in force is told.
    pub fn catalog_changes(&self) -> watch::Receiver<()> {
        self.catalog_changed.subscribe()
    }

    /// A refusal before the pipeline, for the minute's entry and for the metrics.
    pub fn count_refusal(&self, code: Code) {
        self.refusals.count(code);
        self.metrics.refused(code);
    }

    /// How long running calls may take to end.
    pub fn drain(&self) -> Duration {
        Duration::from_secs(u64::from(self.config.gate.drain_s))
    }

    pub fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    /// Writes the deliveries since the last time into the ledger. Marks lost with the power make a repeated call join its like:
    /// the safe side.
    pub async fn record_deliveries(&self) {
        for intents in self.deliveries.unrecorded().chunks(DELIVERIES_PER_ENTRY) {
            let body = Body::CallsDelivered(CallsDelivered { intents: intents.to_vec() });
            if self.append(body).await {
                self.deliveries.recorded(intents);
            }
        }
    }

    /// An entry of the gate's own, outside of any request; true once it is durable. A refusal is logged: nobody waits for it.
    pub async fn append(&self, body: Body) -> bool {
        let commit = Commit { trace_id: None, body, payload: Durability::Buffered };
        match self.world.ledger.commit(commit).await {
            Ok(_) => true,
            Err(error) => {
                tracing::warn!(%error, "an entry of the gate's own was not written");
                false
            }
        }
    }
}

const ROOT: u32 = 0;
/// Well below the longest line.
const DELIVERIES_PER_ENTRY: usize = 2000;
/// How many seconds' worth of calls, and of leases, one principal may ask at once.
const CALL_BURST_S: u32 = 2;
const LEASE_BURST_S: u32 = 20;

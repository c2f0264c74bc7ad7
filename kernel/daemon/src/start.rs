//! Assembly: from a home on disk to a gate that listens.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use latchgate_egress::Egress;
use latchgate_ledger::{Ledger, OpenConfig, OpenError};
use latchgate_monitor::authenticator::{Authenticator, LeaseCache, ProofWindow};
use latchgate_monitor::pipeline::Settings;
use latchgate_monitor::ports::{Clock as _, CommitError};
use latchgate_wasm::{Host, HostConfig, Roots};
use latchgate_wire::digest::HashKey;
use latchgate_wire::jwk::Jwk;
use latchgate_wire::lease::LeaseKeys;
use latchgate_wire::receipt::Boundary;
use serde_json::json;
use tokio::net::TcpListener;

use crate::builtin::Preset;
use crate::clock::GateClock;
use crate::config::{Config, ConfigError, Environment, Given, Resolved, template};
use crate::gate::{Gate, Parts};
use crate::home::files::{FileError, create_private, private_dir, read_unless_world_writable};
use crate::home::keys::{KeyError, Keys};
use crate::home::places::Places;
use crate::http::listen::{ListenError, Socket, bind};
use crate::leases::Leases;
use crate::operators::{LOCAL, Operators};
use crate::running::{Running, Summary};
use crate::world::{GateWorld, OsEntropy};
use crate::{approvals, loading, presets, telemetry};

/// What `latchgate up` was told.
#[derive(Clone, Debug)]
pub struct UpOptions {
    pub places: Places,
    /// `--root`: overrides the configuration.
    pub root: Option<PathBuf>,
    /// The root if neither says one: where the gate was started.
    pub fallback_root: PathBuf,
    /// `--expose-http`: overrides the configuration.
    pub expose_http: Option<SocketAddr>,
    /// `--preset`: the policy of a new home, and of no other.
    pub preset: Option<Preset>,
}

/// Why the gate does not start; each says what would help.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error("{0}")]
    Ledger(#[from] OpenError),
    #[error("{}", .0.join("\n"))]
    Catalog(Vec<String>),
    #[error("{0}")]
    Preset(String),
    #[error("{0}")]
    Egress(String),
    #[error("{0}")]
    Root(String),
    #[error("{0}")]
    Sandbox(String),
    #[error("the ledger takes no entries: {0}")]
    Commit(#[from] CommitError),
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: std::io::Error },
    #[error("{address} cannot be listened on: {source}; choose another port")]
    Expose { address: SocketAddr, source: std::io::Error },
    #[error("the gate is at fault: {0}")]
    Fault(String),
}

/// Starts a gate for the user who runs it: the boundary is `same-user`. On a first use its home, keys, a local operator and
/// the standard policy are made, or the policy that was chosen.
///
/// # Errors
/// [`StartError`]; nothing listens then.
pub async fn start(options: UpOptions) -> Result<Running, StartError> {
    let UpOptions { places, root, fallback_root, expose_http, preset } = options;
    let (created, preset) = prepare_home(&places, preset)?;
    let given = expose_http.map(|address| Given {
        flag: "--expose-http",
        setting: "http.expose",
        value: address.to_string(),
    });
    let mut resolved = Resolved::load(&places.config_file(), &Environment::of_process(), given.as_slice())?;
    // The sockets' lock comes first: a second gate must not touch keys or ledger.
    let admin = bind(&places.admin_socket())?;
    let agent = bind(&places.agent_socket())?;
    let tcp = match resolved.config.http.expose {
        Some(address) => Some(bind_tcp(address).await?),
        None => None,
    };
    resolved.derive(tcp.as_ref().and_then(|tcp| tcp.local_addr().ok()));
    let config = resolved.config;
    telemetry::keep_in(&places.state_dir)
        .map_err(|source| StartError::Io { path: places.state_dir.clone(), source })?;

    let clock = Arc::new(GateClock::start());
    let entropy = OsEntropy;
    let now = clock.now();
    let keys = Keys::load(&places, &entropy, now.as_ms().unsigned_abs())?;
    let operators = Operators::load(&places, &entropy, now.as_secs())?;
    let root = root.or_else(|| config.fs.root.clone()).unwrap_or(fallback_root);
    let roots =
        Roots::open(&root, &places.forbidden()).map_err(|error| StartError::Root(error.to_string()))?;
    let host = sandbox(&config, roots.clone())?;

    let (catalog, host) = {
        let places = places.clone();
        blocking(move || loading::load(&places, &host).map(|catalog| (catalog, host))).await??
    };
    let boundary = Boundary::SameUser;
    let (ledger, recovery) = {
        let config = ledger_config(&places, &keys, Arc::clone(&clock), boundary);
        blocking(move || Ledger::open(config)).await??
    };
    loading::put_in_force(&ledger, &catalog).await?;
    // A clock that was set back revives nothing.
    ledger.stats().last_entry_at.iter().for_each(|time| clock.not_before(*time));

    let jwks = jwks(&keys);
    let world = GateWorld {
        payloads: ledger.payloads(),
        ledger,
        roots: Arc::new(roots),
        host,
        clock,
        entropy,
        settings: Settings {
            request_key: HashKey::new(&keys.request),
            approval_ttl_ms: i64::from(config.approvals.ttl_s) * 1000,
        },
        panics: AtomicU64::new(0),
    };
    world.ledger.recent_proofs().iter().for_each(|proof| operators.seed(proof));
    let authenticator = authenticator(&config, &keys, &world);
    let leases = Leases {
        kid: kid(&keys),
        issuer: config.gate.public_base_url.clone(),
        audience: config.gate.public_base_url.clone(),
        ttl_s: i64::from(config.auth.lease_ttl_s),
        key: keys.lease,
    };
    let summary = Summary {
        created,
        preset,
        home: places.config_dir.clone(),
        boundary,
        root,
        actions: catalog.actions.len(),
        exposed: tcp.as_ref().and_then(|tcp| tcp.local_addr().ok()),
        agent_socket: places.agent_socket(),
        operator: LOCAL.into(),
        recovered_bytes: recovery.cut_bytes,
        recovered_to: recovery.cut_kept.clone(),
        unknown_outcomes: recovery.unknown.len(),
        clock_behind_ms: recovery.clock_behind_ms,
    };
    let gate = Arc::new(Gate::new(Parts {
        world,
        catalog: Arc::new(catalog),
        authenticator,
        operators,
        leases,
        boundary,
        config,
        places,
        origin: keys.origin,
        jwks,
    }));
    approvals::resume(&gate);
    Ok(Running::begin(gate, summary, Sockets { agent, admin, tcp }))
}

pub struct Sockets {
    pub agent: Socket,
    pub admin: Socket,
    pub tcp: Option<TcpListener>,
}

async fn bind_tcp(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|source| StartError::Expose { address, source })
}

/// Directories, configuration template and a policy. True if there was no home before; the policy it got.
fn prepare_home(places: &Places, preset: Option<Preset>) -> Result<(bool, Option<Preset>), StartError> {
    let created = !places.config_file().exists();
    if let Some(preset) = preset {
        presets::check(places, preset, created).map_err(StartError::Preset)?;
    }
    for dir in [&places.config_dir, &places.state_dir, &places.run_dir, &places.admin_dir()] {
        private_dir(dir)?;
    }
    for dir in [places.manifests_dir(), places.policies_dir()] {
        private_dir(&dir)?;
    }
    if created {
        let given = presets::put(places, preset.unwrap_or(Preset::STANDARD))?;
        // Last: its presence says that the home is whole.
        create_private(&places.config_file(), template().as_bytes())?;
        return Ok((true, given));
    }
    Ok((false, None))
}

fn sandbox(config: &Config, roots: Roots) -> Result<Host, StartError> {
    if config.egress.proxy.is_some() {
        return Err(StartError::Egress(
            "egress.proxy cannot be used yet; take it out of the configuration".into(),
        ));
    }
    let ca_file = config.egress.extra_ca_file.as_deref();
    let egress = latchgate_egress::Config {
        dangerous_loopback: config.egress.dangerous_loopback,
        extra_ca_pem: ca_file.map(read_unless_world_writable).transpose()?,
        ..latchgate_egress::Config::default()
    };
    let egress = Egress::new(egress).map_err(|error| {
        let file =
            ca_file.map_or_else(String::new, |path| format!("egress.extra_ca_file {}: ", path.display()));
        StartError::Egress(format!("{file}{error}"))
    })?;
    let host = HostConfig { egress: Arc::new(egress), roots };
    Host::new(host).map_err(|error| StartError::Sandbox(error.to_string()))
}

fn ledger_config(places: &Places, keys: &Keys, clock: Arc<GateClock>, boundary: Boundary) -> OpenConfig {
    OpenConfig {
        dir: places.ledger_dir(),
        index_dir: places.index_dir(),
        last_checkpoint: places.last_checkpoint(),
        origin: keys.origin.clone(),
        entry_key: keys.entry.clone(),
        payload_key: keys.payload.clone(),
        clock,
        version: env!("CARGO_PKG_VERSION").into(),
        boundary,
        on_fatal: latchgate_ledger::exit_process(),
    }
}

fn authenticator(config: &Config, keys: &Keys, world: &GateWorld) -> Authenticator {
    let mut lease_keys = LeaseKeys::default();
    lease_keys.insert(kid(keys), keys.lease.verifying_key());
    let proofs = ProofWindow::default();
    world.ledger.recent_proofs().iter().for_each(|proof| proofs.seed(proof));
    let mut base_urls = vec![config.gate.public_base_url.clone()];
    // Public clients sign this over a Unix socket by default.
    if config.gate.public_base_url != "http://localhost" {
        base_urls.push("http://localhost".into());
    }
    Authenticator {
        keys: lease_keys,
        issuer: config.gate.public_base_url.clone(),
        audience: config.gate.public_base_url.clone(),
        base_urls,
        require_body_hash: config.auth.require_body_hash,
        started_at: world.clock.now(),
        proofs,
        leases: LeaseCache::default(),
    }
}

fn kid(keys: &Keys) -> String {
    Jwk::from(keys.lease.verifying_key()).thumbprint().to_string()
}

/// RFC 7517: the key of leases (RFC 7518 section 6.2) and the key of receipts (RFC 8037).
fn jwks(keys: &Keys) -> serde_json::Value {
    use base64::Engine as _;
    let x = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(keys.entry.verifying_key().as_bytes());
    let mut lease = json!(Jwk::from(keys.lease.verifying_key()));
    if let Some(members) = lease.as_object_mut() {
        members.insert("kid".into(), kid(keys).into());
        members.insert("use".into(), "sig".into());
        members.insert("alg".into(), "ES256".into());
    }
    let receipt =
        json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": keys.origin, "use": "sig", "alg": "EdDSA" });
    json!({ "keys": [lease, receipt] })
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, StartError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| StartError::Fault(error.to_string()))
}

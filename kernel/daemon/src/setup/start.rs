//! Assembly: from a home on disk to a gate that listens.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use ed25519_dalek::SigningKey;
use latchgate_egress::{Egress, Proxy, Vault};
use latchgate_ledger::{Ledger, OpenConfig, OpenError};
use latchgate_monitor::authenticator::{Authenticator, LeaseCache};
use latchgate_monitor::pipeline::Settings;
use latchgate_monitor::ports::{Clock as _, CommitError};
use latchgate_monitor::proofs::ProofWindow;
use latchgate_wasm::{Host, HostConfig, ModuleCache, Roots};
use latchgate_wire::digest::HashKey;
use latchgate_wire::jwk::Jwk;
use latchgate_wire::lease::LeaseKeys;
use latchgate_wire::receipt::Boundary;
use serde_json::json;
use tokio::net::TcpListener;
use zeroize::Zeroizing;

use crate::calls::approvals;
use crate::clock::GateClock;
use crate::config::{Config, ConfigError, Given};
use crate::evidence::forget;
use crate::gate::{Gate, Parts};
use crate::home::files::{FileError, read_private, read_unless_world_writable};
use crate::home::keys::{KeyError, Keys, drop_next, install_next};
use crate::home::places::Places;
use crate::http::jails;
use crate::http::listen::{Access, ListenError, Socket, bind};
use crate::news::{self, News, Ways};
use crate::people::agents::Agents;
use crate::people::changes;
use crate::people::leases::Leases;
use crate::people::operators::{LOCAL, Operators};
use crate::process::running::{Running, Summary};
use crate::process::telemetry;
use crate::secrets::SecretsError;
use crate::secrets::keeper::Keeper;
use crate::setup::prepare::{Manner, Prepared, prepare};
use crate::setup::{leftovers, loading, reload};
use crate::world::{GateWorld, OsEntropy};

/// What a start was told.
#[derive(Clone, Debug)]
pub struct StartOptions {
    pub places: Places,
    pub manner: Manner,
    /// `--root`: overrides the configuration.
    pub root: Option<PathBuf>,
    /// `--expose-http`: overrides the configuration.
    pub expose_http: Option<SocketAddr>,
    /// Of the secrets' identity, where somebody was asked; else `secrets.passphrase_file` has it.
    pub passphrase: Option<Passphrase>,
}

/// A passphrase that somebody typed.
#[derive(Clone)]
pub struct Passphrase(pub Zeroizing<String>);

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(..)")
    }
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
    Secrets(#[from] SecretsError),
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error("{0}")]
    Ledger(#[from] OpenError),
    #[error("{}", .0.join("\n"))]
    Catalog(Vec<String>),
    #[error("{0}")]
    Preset(String),
    #[error("{0}")]
    Group(String),
    #[error("there is no configuration at {0}; `latchgate init` writes one")]
    NoConfig(PathBuf),
    #[error(
        "there is no policy in {0}; put one there, such as what `latchgate presets show standard` prints"
    )]
    NoPolicy(PathBuf),
    #[error(
        "{0} names no operator, so nobody could approve or stop anything; `latchgate init` makes one in a new home"
    )]
    NoOperator(PathBuf),
    #[error(
        "a gate that runs as root can be kept from nothing; run it as a user of its own, or set gate.dangerous_root"
    )]
    AsRoot,
    #[error("there is a home already: {0}; nothing was changed")]
    Exists(PathBuf),
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

/// Starts a gate.
///
/// # Errors
/// [`StartError`]; nothing listens then.
pub async fn start(options: StartOptions) -> Result<Running, StartError> {
    let StartOptions { places, manner, root: chosen_root, expose_http, passphrase } = options;
    let given = expose_http.map(|address| Given {
        flag: "--expose-http",
        setting: "http.expose",
        value: address.to_string(),
    });
    let Prepared { mut resolved, access, is_new, preset } = prepare(&places, &manner, given.as_slice())?;
    // The sockets' lock comes first: a second gate must not touch keys or ledger.
    let agent = bind(&places.agent_socket(), access)?;
    let admin = bind(&places.admin_socket(), Access::Private)?;
    jails::remove_leftovers(&places.jails_dir())
        .map_err(|source| StartError::Io { path: places.jails_dir(), source })?;
    let tcp = match resolved.config.http.expose {
        Some(address) => Some(bind_tcp(address).await?),
        None => None,
    };
    resolved.derive(tcp.as_ref().and_then(|tcp| tcp.local_addr().ok()));
    telemetry::keep_in(&places.state_dir)
        .map_err(|source| StartError::Io { path: places.state_dir.clone(), source })?;
    for setting in resolved.dangers() {
        tracing::warn!(%setting, "a setting weakens this gate");
    }
    let config = resolved.config;

    let clock = Arc::new(GateClock::start());
    let entropy = OsEntropy;
    let now = clock.now();
    let keys = Keys::load(&places, &entropy, now.as_ms().unsigned_abs())?;
    let operators = Operators::load(&places, &entropy, now.as_secs())?;
    let root = root(chosen_root, &config, &manner);
    let roots = roots(root.as_deref(), &places)?;
    let agents = Agents::load(&places)?;
    let secrets = {
        let (places, file) = (places.clone(), config.secrets.passphrase_file.clone());
        let (egress, clock) = (egress(&config, Reach::Actions)?, Arc::clone(&clock));
        Arc::new(blocking(move || open_secrets(&places, passphrase, file.as_deref(), egress, clock)).await??)
    };
    let vault = Arc::clone(&secrets) as Arc<dyn Vault>;
    let cache = loading::module_cache(&places, &keys);
    let host = sandbox(&config, roots.clone(), cache, vault, Arc::clone(&clock))?;

    let (catalog, host) = {
        let places = places.clone();
        blocking(move || loading::load(&places, &host).map(|catalog| (catalog, host))).await??
    };
    let boundary = boundary(&manner, access);
    let (ledger, recovery) = {
        let config = ledger_config(&places, &keys, Arc::clone(&clock), boundary);
        blocking(move || Ledger::open(config)).await??
    };
    {
        let (ledger, roots, intents) = (ledger.clone(), roots.clone(), recovery.unknown.clone());
        blocking(move || leftovers::remove(&ledger, &roots, &intents)).await?;
    }
    {
        let (places, next, took_next) = (places.clone(), keys.next_entry.clone(), recovery.took_next_key);
        blocking(move || settle_key(&places, next.as_ref(), took_next)).await??;
        let ledger = ledger.clone();
        let again = move || forget::again(&ledger, &ledger.payloads());
        blocking(again).await?.map_err(|denial| StartError::Fault(denial.detail))?;
    }
    loading::put_in_force(&ledger, &catalog).await?;
    reload::warn_if_observing(&catalog);
    changes::put_in_force(&ledger, &operators, &agents, None).await?;
    secrets.put_in_force(&ledger).await?;
    news::put_in_force(&ledger, &config.notify).await?;
    // A clock that was set back revives nothing.
    ledger.stats().last_entry_at.iter().for_each(|time| clock.not_before(*time));

    let ways = Ways {
        public: Arc::new(egress(&config, Reach::Public)?),
        private: Arc::new(egress(&config, Reach::Private)?),
    };
    let news = News::new(&config.notify, &ledger, Arc::clone(&secrets) as Arc<dyn Vault>, ways);
    let lease_jwk = lease_jwk(&keys);
    let world = GateWorld {
        payloads: ledger.payloads(),
        ledger,
        roots: Arc::new(roots),
        secrets: Arc::clone(&secrets),
        host,
        clock,
        entropy,
        settings: Settings {
            request_key: HashKey::new(&keys.request),
            approval_ttl_ms: i64::from(config.approvals.ttl_s) * 1000,
            held_max: config.approvals.held_max,
        },
        panics: AtomicU64::new(0),
    };
    world.ledger.recent_proofs().iter().for_each(|proof| operators.seed(*proof));
    let authenticator = authenticator(&config, &keys, &world);
    let leases = Leases {
        kid: kid(&keys),
        issuer: config.gate.public_base_url.clone(),
        audience: config.gate.public_base_url.clone(),
        ttl_s: i64::from(config.auth.lease_ttl_s),
        key: keys.lease,
    };
    let summary = Summary {
        created: is_new,
        preset,
        home: places.config_dir.clone(),
        boundary,
        root,
        actions: catalog.actions.len(),
        observes: catalog.policy.observes(),
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
        agents,
        leases,
        secrets,
        boundary,
        config,
        places,
        origin: keys.origin,
        lease_jwk,
        news,
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

/// `service` is for a gate that was put up as one: agents are other users, who reach its socket as members of a group and
/// nothing else of it, since the admin socket's directory is closed to all but the gate's user.
fn boundary(manner: &Manner, access: Access) -> Boundary {
    match (manner, access) {
        (Manner::Serve, Access::Group(_)) => Boundary::Service,
        (Manner::Serve, Access::Private) | (Manner::Up { .. }, _) => Boundary::SameUser,
    }
}

/// The root of file actions. Nobody's choice is none for a gate that serves: where it happens to be started means nothing.
fn root(chosen: Option<PathBuf>, config: &Config, manner: &Manner) -> Option<PathBuf> {
    let fallback = match manner {
        Manner::Up { fallback_root, .. } => Some(fallback_root),
        Manner::Serve => None,
    };
    chosen.or_else(|| config.fs.root.clone()).or_else(|| fallback.cloned())
}

fn roots(root: Option<&Path>, places: &Places) -> Result<Roots, StartError> {
    match root {
        Some(root) => {
            Roots::open(root, &places.forbidden()).map_err(|error| StartError::Root(error.to_string()))
        }
        None => Ok(Roots::none()),
    }
}

fn sandbox(
    config: &Config,
    roots: Roots,
    cache: Option<ModuleCache>,
    vault: Arc<dyn Vault>,
    clock: Arc<GateClock>,
) -> Result<Host, StartError> {
    let now = Arc::new(move || clock.now());
    let host = HostConfig { egress: Arc::new(egress(config, Reach::Actions)?), vault, now, roots, cache };
    Host::new(host).map_err(|error| StartError::Sandbox(error.to_string()))
}

/// Whom a way out is for, and so where it may lead.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// What actions ask for, which agents choose.
    Actions,
    /// Services that the operator named.
    Public,
    /// Such a service within a private network: no proxy stands between.
    Private,
}

/// A way out, as configured. Each has its own: they share no connection.
fn egress(config: &Config, reach: Reach) -> Result<Egress, StartError> {
    let refused = |error: latchgate_egress::ConfigError| StartError::Egress(error.to_string());
    let proxy = config.egress.proxy.as_deref().map(Proxy::parse).transpose().map_err(refused)?;
    let ca_file = config.egress.extra_ca_file.as_deref();
    let egress = latchgate_egress::Config {
        dangerous_loopback: config.egress.dangerous_loopback && reach == Reach::Actions,
        dangerous_private: reach == Reach::Private,
        extra_ca_pem: ca_file.map(read_unless_world_writable).transpose()?,
        proxy: proxy.filter(|_| reach != Reach::Private),
        ..latchgate_egress::Config::default()
    };
    Egress::new(egress).map_err(|error| {
        let file =
            ca_file.map_or_else(String::new, |path| format!("egress.extra_ca_file {}: ", path.display()));
        StartError::Egress(format!("{file}{error}"))
    })
}

/// What was typed goes before what is configured.
fn open_secrets(
    places: &Places,
    typed: Option<Passphrase>,
    file: Option<&Path>,
    egress: Egress,
    clock: Arc<GateClock>,
) -> Result<Keeper, StartError> {
    let passphrase = match (typed, file) {
        (Some(typed), _) => Some(typed.0),
        (None, Some(file)) => Some(first_line(file)?),
        (None, None) => None,
    };
    Ok(Keeper::open(places, passphrase.as_ref().map(|passphrase| passphrase.as_str()), egress, clock)?)
}

fn first_line(path: &Path) -> Result<Zeroizing<String>, StartError> {
    let bytes = Zeroizing::new(read_private(path)?);
    let line = bytes.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
    let line = std::str::from_utf8(line);
    let broken = |_| StartError::Key(KeyError::Broken(path.display().to_string()));
    line.map(|line| Zeroizing::new(line.to_owned())).map_err(broken)
}

fn ledger_config(places: &Places, keys: &Keys, clock: Arc<GateClock>, boundary: Boundary) -> OpenConfig {
    OpenConfig {
        dir: places.ledger_dir(),
        index_dir: places.index_dir(),
        last_checkpoint: places.last_checkpoint(),
        origin: keys.origin.clone(),
        entry_key: keys.entry.clone(),
        next_key: keys.next_entry.clone(),
        payload_key: keys.payload.clone(),
        state_key: keys.state.clone(),
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
    world.ledger.recent_proofs().iter().for_each(|proof| proofs.seed(*proof));
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

/// The key of leases (RFC 7518 section 6.2).
fn lease_jwk(keys: &Keys) -> serde_json::Value {
    let mut lease = json!(Jwk::from(keys.lease.verifying_key()));
    if let Some(members) = lease.as_object_mut() {
        members.insert("kid".into(), kid(keys).into());
        members.insert("use".into(), "sig".into());
        members.insert("alg".into(), "ES256".into());
    }
    lease
}

/// A change of keys that was cut short: the log has said which of the two it is.
fn settle_key(places: &Places, next: Option<&SigningKey>, took_next: bool) -> Result<(), StartError> {
    match (next, took_next) {
        (Some(next), true) => Ok(install_next(places, next)?),
        (Some(_), false) => Ok(drop_next(places)?),
        (None, _) => Ok(()),
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, StartError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| StartError::Fault(error.to_string()))
}

//! Assembly: from a home on disk to a gate that listens.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use latchgate_egress::Egress;
use latchgate_ledger::{Ledger, OpenConfig, OpenError};
use latchgate_monitor::authenticator::{Authenticator, LeaseCache, ProofWindow};
use latchgate_monitor::catalog::Catalog;
use latchgate_monitor::pipeline::Settings;
use latchgate_monitor::policy::Source;
use latchgate_monitor::ports::{Clock as _, Commit, CommitError, Durability, Log as _};
use latchgate_wasm::{Host, HostConfig, Roots};
use latchgate_wire::digest::HashKey;
use latchgate_wire::entry::Body;
use latchgate_wire::jwk::Jwk;
use latchgate_wire::lease::LeaseKeys;
use latchgate_wire::receipt::Boundary;
use serde_json::json;

use crate::clock::GateClock;
use crate::gate::{Gate, Parts};
use crate::home::config::{Config, ConfigError, TEMPLATE};
use crate::home::files::{FileError, create_private, private_dir};
use crate::home::keys::{KeyError, Keys};
use crate::home::places::Places;
use crate::http::listen::{ListenError, Socket, bind};
use crate::leases::Leases;
use crate::operators::{LOCAL, Operators};
use crate::running::{Running, Summary};
use crate::world::{GateWorld, OsEntropy};
use crate::{builtin, home};

/// What `latchgate up` was told.
#[derive(Clone, Debug)]
pub struct UpOptions {
    pub places: Places,
    /// `--root`: overrides the configuration.
    pub root: Option<PathBuf>,
    /// The root if neither says one: where the gate was started.
    pub fallback_root: PathBuf,
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
    Egress(String),
    #[error("{0}")]
    Root(String),
    #[error("{0}")]
    Sandbox(String),
    #[error("the ledger takes no entries: {0}")]
    Commit(#[from] CommitError),
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: std::io::Error },
    #[error("the gate is at fault: {0}")]
    Fault(String),
}

/// Starts a gate for the user who runs it: the boundary is `same-user`. On a first use its home, keys, a local operator and
/// the standard policy are made.
///
/// # Errors
/// [`StartError`]; nothing listens then.
pub async fn start(options: UpOptions) -> Result<Running, StartError> {
    let UpOptions { places, root, fallback_root } = options;
    let created = prepare_home(&places)?;
    let config = Config::load(&places.config_file())?;
    // The sockets' lock comes first: a second gate must not touch keys or ledger.
    let admin = bind(&places.admin_socket())?;
    let agent = bind(&places.agent_socket())?;

    let clock = Arc::new(GateClock::start());
    let entropy = OsEntropy;
    let now = clock.now();
    let keys = Keys::load(&places, &entropy, now.as_ms().unsigned_abs())?;
    let operators = Operators::load(&places, &entropy, now.as_secs())?;
    let root = root.or_else(|| config.fs_root.clone()).unwrap_or(fallback_root);
    let roots =
        Roots::open(&root, &places.forbidden()).map_err(|error| StartError::Root(error.to_string()))?;
    let host = sandbox(&config, roots.clone())?;

    let manifests = manifests(&places)?;
    let policies = policies(&places)?;
    let modules_dir = places.manifests_dir();
    let (catalog, host) = blocking(move || load_catalog(&manifests, &policies, &modules_dir, host)).await??;
    let boundary = Boundary::SameUser;
    let (ledger, recovery) = {
        let config = ledger_config(&places, &keys, Arc::clone(&clock), boundary);
        blocking(move || Ledger::open(config)).await??
    };
    put_in_force(&ledger, &catalog).await?;

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
            approval_ttl_ms: i64::from(config.approval_ttl_s) * 1000,
        },
    };
    let authenticator = authenticator(&config, &keys, &world);
    let leases = Leases {
        kid: kid(&keys),
        issuer: config.public_base_url.clone(),
        audience: config.public_base_url.clone(),
        ttl_s: i64::from(config.lease_ttl_s),
        key: keys.lease,
    };
    let summary = Summary {
        created,
        home: places.config_dir.clone(),
        boundary,
        root,
        actions: catalog.actions.len(),
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
    Ok(Running::begin(gate, summary, Sockets { agent, admin }))
}

pub struct Sockets {
    pub agent: Socket,
    pub admin: Socket,
}

/// Directories, configuration template and the standard policy. True if there was no home before.
fn prepare_home(places: &Places) -> Result<bool, StartError> {
    let created = !places.config_file().exists();
    for dir in [&places.config_dir, &places.state_dir, &places.run_dir, &places.admin_dir()] {
        private_dir(dir)?;
    }
    for dir in [places.manifests_dir(), places.policies_dir()] {
        private_dir(&dir)?;
    }
    if created {
        let policy = places.policies_dir().join("standard.cedar");
        if !policy.exists() {
            create_private(&policy, builtin::STANDARD_POLICY.as_bytes())?;
        }
        // Last: its presence says that the home is whole.
        create_private(&places.config_file(), TEMPLATE.as_bytes())?;
    }
    Ok(created)
}

fn sandbox(config: &Config, roots: Roots) -> Result<Host, StartError> {
    let egress = latchgate_egress::Config {
        dangerous_loopback: config.dangerous_loopback,
        ..latchgate_egress::Config::default()
    };
    let egress = Egress::new(egress).map_err(|error| StartError::Egress(error.to_string()))?;
    let host = HostConfig { egress: Arc::new(egress), roots };
    Host::new(host).map_err(|error| StartError::Sandbox(error.to_string()))
}

/// The bundled manifests, then the user's own.
fn manifests(places: &Places) -> Result<Vec<Source>, StartError> {
    let mut sources = builtin::manifests();
    sources.extend(read_sources(&places.config_dir, &places.manifests_dir(), "yaml")?);
    Ok(sources)
}

fn policies(places: &Places) -> Result<Vec<Source>, StartError> {
    read_sources(&places.config_dir, &places.policies_dir(), "cedar")
}

/// Every file of a directory with that ending, by name. Others who may write there would rule the gate.
fn read_sources(home: &Path, dir: &Path, extension: &str) -> Result<Vec<Source>, StartError> {
    let io = |source| StartError::Io { path: dir.to_owned(), source };
    let mut paths = Vec::new();
    for file in std::fs::read_dir(dir).map_err(io)? {
        let path = file.map_err(io)?.path();
        if path.extension().is_some_and(|found| found == extension) {
            paths.push(path);
        }
    }
    paths.sort();
    let mut sources = Vec::new();
    for path in paths {
        home::files::check_owned_file(&path)?;
        let text = std::fs::read_to_string(&path);
        let text = text.map_err(|source| StartError::Io { path: path.clone(), source })?;
        // By its place in the home: what is digested does not depend on where the home lies.
        let name = path.strip_prefix(home).unwrap_or(&path).display().to_string();
        sources.push(Source { name, text });
    }
    Ok(sources)
}

/// Compiles every module that a manifest pins, and holds it to its pin.
fn load_catalog(
    manifests: &[Source],
    policies: &[Source],
    modules_dir: &Path,
    host: Host,
) -> Result<(Catalog, Host), StartError> {
    let catalog = Catalog::load(manifests, policies).map_err(StartError::Catalog)?;
    let mut problems = Vec::new();
    for action in catalog.actions.values() {
        let manifest = &action.manifest;
        let registered = module_bytes(modules_dir, &manifest.module).and_then(|bytes| {
            host.register(&manifest.module, &bytes, manifest.module_digest, &manifest.imports)
                .map_err(|error| error.to_string())
        });
        if let Err(problem) = registered {
            problems.push(format!("action {}: {problem}", manifest.action_id));
        }
    }
    if problems.is_empty() { Ok((catalog, host)) } else { Err(StartError::Catalog(problems)) }
}

/// A built-in component, or a file beside the user's manifests.
fn module_bytes(modules_dir: &Path, module: &str) -> Result<Vec<u8>, String> {
    if let Some(name) = module.strip_prefix("builtin:") {
        return builtin::module(name)
            .map(<[u8]>::to_vec)
            .ok_or_else(|| format!("there is no built-in module `{name}`"));
    }
    let path = modules_dir.join(module);
    std::fs::read(&path).map_err(|error| format!("module {}: {error}", path.display()))
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

/// Policy and manifests of this start, as an entry, unless the log has them in force already.
async fn put_in_force(ledger: &Ledger, catalog: &Catalog) -> Result<(), StartError> {
    let entry = catalog.entry();
    let document = catalog.policy.document();
    let kept = ledger.keep_policy(&document);
    kept.map_err(|error| StartError::Fault(format!("the policy could not be kept: {error}")))?;
    if ledger.config().as_ref() != Some(&entry) {
        let body = Body::ConfigChanged(entry);
        ledger.commit(Commit { trace_id: None, body, payload: Durability::Buffered }).await?;
    }
    Ok(())
}

fn authenticator(config: &Config, keys: &Keys, world: &GateWorld) -> Authenticator {
    let mut lease_keys = LeaseKeys::default();
    lease_keys.insert(kid(keys), keys.lease.verifying_key());
    let proofs = ProofWindow::default();
    world.ledger.recent_proofs().iter().for_each(|proof| proofs.seed(proof));
    let mut base_urls = vec![config.public_base_url.clone()];
    // Public clients sign this over a Unix socket by default.
    if config.public_base_url != "http://localhost" {
        base_urls.push("http://localhost".into());
    }
    Authenticator {
        keys: lease_keys,
        issuer: config.public_base_url.clone(),
        audience: config.public_base_url.clone(),
        base_urls,
        require_body_hash: config.require_body_hash,
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

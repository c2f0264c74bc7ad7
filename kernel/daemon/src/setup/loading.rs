//! Loading: from the files of a home to a catalog whose every module is compiled and held to its pin.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use latchgate_ledger::Ledger;
use latchgate_monitor::catalog::Catalog;
use latchgate_monitor::manifest::Manifest;
use latchgate_monitor::policy::Source;
use latchgate_monitor::ports::{Commit, Durability, Log as _};
use latchgate_wasm::{Host, ModuleCache};
use latchgate_wire::entry::Body;

use crate::home::files::check_owned_file;
use crate::home::keys::Keys;
use crate::home::places::Places;
use crate::setup::builtin;
use crate::setup::start::StartError;

/// Reads manifests and policies, compiles every module that a manifest pins, and holds it to its pin. CPU-bound.
pub fn load(places: &Places, host: &Host) -> Result<Catalog, StartError> {
    let catalog = catalog(places)?;
    let problems = register_all(&places.manifests_dir(), host, &catalog);
    if problems.is_empty() {
        host.prune_cache();
        return Ok(catalog);
    }
    Err(StartError::Catalog(problems))
}

/// Several modules at a time: a compiler works on the functions of one at once, but not in all its stages.
fn register_all(modules_dir: &Path, host: &Host, catalog: &Catalog) -> Vec<String> {
    let mut by_module: BTreeMap<&str, Vec<&Manifest>> = BTreeMap::new();
    for action in catalog.actions.values() {
        by_module.entry(&action.manifest.module).or_default().push(&action.manifest);
    }
    let queue = Mutex::new(by_module.into_iter());
    let problems = Mutex::new(Vec::new());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        while let Some((module, manifests)) = next() {
            let found = register(host, modules_dir, module, &manifests);
            problems.lock().unwrap_or_else(PoisonError::into_inner).extend(found);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..std::thread::available_parallelism().map_or(1, NonZero::get) {
            scope.spawn(work);
        }
        work();
    });
    let mut problems = problems.into_inner().unwrap_or_else(PoisonError::into_inner);
    problems.sort();
    problems
}

/// What is wrong with a module, for each manifest that it is wrong for.
fn register(host: &Host, modules_dir: &Path, module: &str, manifests: &[&Manifest]) -> Vec<String> {
    let bytes = module_bytes(modules_dir, module);
    let register = |manifest: &Manifest| {
        let bytes = bytes.as_ref().map_err(String::clone)?;
        let registered = host.register(module, bytes, manifest.module_digest, &manifest.imports);
        registered.map_err(|error| error.to_string())
    };
    let problem = |manifest: &&Manifest| {
        register(manifest).err().map(|problem| format!("action {}: {problem}", manifest.action_id))
    };
    manifests.iter().filter_map(problem).collect()
}

/// Compiled modules of earlier starts. Without, the start takes longer.
pub fn module_cache(places: &Places, keys: &Keys) -> Option<ModuleCache> {
    let opened = ModuleCache::open(&places.cache_dir(), &keys.modules);
    opened.inspect_err(|error| tracing::warn!("compiled modules are not kept: {error}")).ok()
}

/// Manifests and policies alone; no module is looked at.
pub fn catalog(places: &Places) -> Result<Catalog, StartError> {
    Catalog::load(&manifests(places)?, &policies(places)?).map_err(StartError::Catalog)
}

/// As [`catalog`], were this policy file there, too.
pub fn catalog_with(places: &Places, more: Source) -> Result<Catalog, StartError> {
    let mut sources = policies(places)?;
    sources.push(more);
    Catalog::load(&manifests(places)?, &sources).map_err(StartError::Catalog)
}

/// As [`catalog`], were the policy file of this name not there.
pub fn catalog_without(places: &Places, name: &str) -> Result<Catalog, StartError> {
    let mut sources = policies(places)?;
    sources.retain(|source| source.name != name);
    Catalog::load(&manifests(places)?, &sources).map_err(StartError::Catalog)
}

/// Policy and manifests of this start, as an entry, unless the log has them in force already.
pub async fn put_in_force(ledger: &Ledger, catalog: &Catalog) -> Result<(), StartError> {
    let entry = catalog.entry();
    keep(ledger, catalog)?;
    if ledger.config().as_ref() != Some(&entry) {
        let body = Body::ConfigChanged(entry);
        ledger.commit(Commit { trace_id: None, body, payload: Durability::Buffered }).await?;
    }
    Ok(())
}

/// The policy's document beside the log, before an entry names it.
pub fn keep(ledger: &Ledger, catalog: &Catalog) -> Result<(), StartError> {
    let kept = |error| StartError::Fault(format!("policy and manifests could not be kept: {error}"));
    ledger.keep_policy(&catalog.policy.document()).map_err(kept)?;
    for action in catalog.actions.values() {
        ledger.keep_policy(action.text.as_bytes()).map_err(kept)?;
    }
    Ok(())
}

/// The bundled manifests, then the user's own.
pub fn manifests(places: &Places) -> Result<Vec<Source>, StartError> {
    let mut sources = builtin::manifests();
    sources.extend(read_sources(&places.config_dir, &places.manifests_dir(), "yaml")?);
    Ok(sources)
}

pub fn policies(places: &Places) -> Result<Vec<Source>, StartError> {
    let mut sources = read_sources(&places.config_dir, &places.policies_dir(), "cedar")?;
    sources.extend(read_sources(&places.config_dir, &places.policies_dir(), "yaml")?);
    Ok(sources)
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
        check_owned_file(&path)?;
        let text = std::fs::read_to_string(&path);
        let text = text.map_err(|source| StartError::Io { path: path.clone(), source })?;
        // By its place in the home: what is digested does not depend on where the home lies.
        let name = path.strip_prefix(home).unwrap_or(&path).display().to_string();
        sources.push(Source { name, text });
    }
    Ok(sources)
}

/// A built-in component, or a file beside the user's manifests.
pub fn module_bytes(modules_dir: &Path, module: &str) -> Result<Cow<'static, [u8]>, String> {
    if let Some(name) = module.strip_prefix("builtin:") {
        return builtin::module(name)
            .map(Cow::Borrowed)
            .ok_or_else(|| format!("there is no built-in module `{name}`"));
    }
    let path = modules_dir.join(module);
    std::fs::read(&path).map(Cow::Owned).map_err(|error| format!("module {}: {error}", path.display()))
}

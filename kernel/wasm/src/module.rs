//! Components: admitted by digest, compiled once, linked with what their manifest declares and nothing else.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use latchgate_monitor::manifest::Import;
use latchgate_wire::digest::Digest;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, ComponentExportIndex, HasSelf, InstancePre, Linker};

use crate::bindings;
use crate::cache::{Cache, ModuleCache};
use crate::call::Call;
use crate::lanes::Habit;
use crate::wasi;

/// A component, ready to be instantiated.
#[derive(Clone)]
pub(crate) struct Module {
    pub(crate) instance: InstancePre<Call>,
    /// The exported function `run`.
    pub(crate) run: ComponentExportIndex,
    pub(crate) habit: Habit,
}

/// Parameters and result of the exported `run`.
pub(crate) type RunParams<'a> = (&'a str,);
pub(crate) type RunResult = (Result<String, String>,);

/// The components that calls can be executed with.
pub(crate) struct Modules {
    engine: wasmtime::Engine,
    cache: Option<Cache>,
    loaded: RwLock<HashMap<Key, Module>>,
}

/// The same bytes under other imports are another module.
type Key = (Digest, Imports);

/// What is linked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Imports {
    http: bool,
    fs: bool,
    log: bool,
}

/// Why a component is not admitted. `name` is the manifest's word for it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    #[error("module {name} has digest {found}, the manifest pins {pinned}")]
    Digest { name: String, found: Digest, pinned: Digest },
    #[error("module {name} is no component that can be compiled: {reason}")]
    Compile { name: String, reason: String },
    #[error("module {name} imports {import}, which the manifest does not declare under imports")]
    Undeclared { name: String, import: String },
    #[error("module {name} imports {import}: {reason}")]
    Refused { name: String, import: String, reason: &'static str },
    #[error(
        "module {name} does not export `run: func(invocation: string) -> result<string, string>`: {reason}"
    )]
    Export { name: String, reason: String },
    #[error("module {name} cannot be linked: {reason}")]
    Link { name: String, reason: String },
}

impl Modules {
    pub(crate) fn new(engine: &wasmtime::Engine, cache: Option<ModuleCache>) -> Self {
        let cache = cache.map(|cache| cache.of(engine));
        Self { engine: engine.clone(), cache, loaded: RwLock::default() }
    }

    pub(crate) fn find(&self, digest: Digest, imports: &[Import]) -> Option<Module> {
        let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
        loaded.get(&(digest, Imports::of(imports))).cloned()
    }

    pub(crate) fn register(
        &self,
        name: &str,
        bytes: &[u8],
        pinned: Digest,
        imports: &[Import],
    ) -> Result<(), RegisterError> {
        let found = Digest::of(bytes);
        if found != pinned {
            return Err(RegisterError::Digest { name: name.to_owned(), found, pinned });
        }
        let key = (found, Imports::of(imports));
        if self.find(found, imports).is_some() {
            return Ok(());
        }
        let component = self.compiled(name, bytes, found)?;
        let module = Link { name, engine: &self.engine, component: &component, imports: key.1 }.module()?;
        self.loaded.write().unwrap_or_else(PoisonError::into_inner).insert(key, module);
        Ok(())
    }

    /// Removes what the cache holds of other modules, as far as it is too much.
    pub(crate) fn prune_cache(&self) {
        if let Some(cache) = &self.cache {
            let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
            let used: Vec<Digest> = loaded.keys().map(|(digest, _)| *digest).collect();
            drop(loaded);
            cache.prune(&used);
        }
    }

    /// Compiles, unless the same bytes are loaded under other imports or were compiled at an earlier start. `bytes` have the
    /// digest.
    fn compiled(&self, name: &str, bytes: &[u8], digest: Digest) -> Result<Component, RegisterError> {
        let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, module)) = loaded.iter().find(|((known, _), _)| *known == digest) {
            return Ok(module.instance.component().clone());
        }
        drop(loaded);
        if let Some(component) = self.cache.as_ref().and_then(|cache| cache.find(&self.engine, digest)) {
            return Ok(component);
        }
        // From the binary format alone: text would be a second way to write the same module.
        let component = Component::from_binary(&self.engine, bytes).map_err(|error| {
            RegisterError::Compile { name: name.to_owned(), reason: format!("{error:#}") }
        })?;
        if let Some(cache) = &self.cache {
            cache.keep(digest, &component);
        }
        Ok(component)
    }
}

impl Imports {
    fn of(imports: &[Import]) -> Self {
        let mut set = Self::default();
        for import in imports {
            match import {
                Import::Http => set.http = true,
                Import::Fs => set.fs = true,
                Import::Log => set.log = true,
            }
        }
        set
    }

    fn declares(self, interface: &str) -> bool {
        match interface {
            "latchgate:action/http@1.0.0" => self.http,
            "latchgate:action/fs@1.0.0" => self.fs,
            "latchgate:action/log@1.0.0" => self.log,
            _ => false,
        }
    }
}

/// The making of one module.
struct Link<'a> {
    name: &'a str,
    engine: &'a wasmtime::Engine,
    component: &'a Component,
    imports: Imports,
}

impl Link<'_> {
    fn module(&self) -> Result<Module, RegisterError> {
        let has_wasi = self.check_imports()?;
        let run = self.check_export()?;
        let linker = self.linker(has_wasi).map_err(|error| self.link_error(&error))?;
        let instance = linker.instantiate_pre(self.component).map_err(|error| self.link_error(&error))?;
        Ok(Module { instance, run, habit: Habit::default() })
    }

    /// Whether the component imports WASI. Anything that is neither declared nor harmless is named and refused.
    fn check_imports(&self) -> Result<bool, RegisterError> {
        let mut has_wasi = false;
        for (import, _) in self.component.component_type().imports(self.engine) {
            let (name, import) = (self.name.to_owned(), import.to_owned());
            match wasi::judge(&import) {
                wasi::Judged::Empty => has_wasi = true,
                wasi::Judged::Refused(reason) => return Err(RegisterError::Refused { name, import, reason }),
                wasi::Judged::NotWasi if self.imports.declares(&import) => {}
                wasi::Judged::NotWasi => return Err(RegisterError::Undeclared { name, import }),
            }
        }
        Ok(has_wasi)
    }

    fn check_export(&self) -> Result<ComponentExportIndex, RegisterError> {
        let failed = |reason: String| RegisterError::Export { name: self.name.to_owned(), reason };
        match self.component.get_export(None, "run") {
            Some((ComponentItem::ComponentFunc(function), index)) => {
                let component = self.component.component_type();
                match function.typecheck::<RunParams<'_>, RunResult>(&component.instance_type()) {
                    Ok(()) => Ok(index),
                    Err(error) => Err(failed(format!("{error:#}"))),
                }
            }
            Some(_) => Err(failed("its `run` is no function".into())),
            None => Err(failed("it exports no `run`".into())),
        }
    }

    fn linker(&self, has_wasi: bool) -> wasmtime::Result<Linker<Call>> {
        let mut linker = Linker::new(self.engine);
        if self.imports.http {
            bindings::http::add_to_linker::<Call, HasSelf<Call>>(&mut linker, |call| call)?;
        }
        if self.imports.fs {
            bindings::fs::add_to_linker::<Call, HasSelf<Call>>(&mut linker, |call| call)?;
        }
        if self.imports.log {
            bindings::log::add_to_linker::<Call, HasSelf<Call>>(&mut linker, |call| call)?;
        }
        if has_wasi {
            wasi::link(&mut linker)?;
        }
        Ok(linker)
    }

    fn link_error(&self, error: &wasmtime::Error) -> RegisterError {
        RegisterError::Link { name: self.name.to_owned(), reason: format!("{error:#}") }
    }
}

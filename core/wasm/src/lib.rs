//! WebAssembly components as handlers: the wasmtime host, its limits and its contract.
//!
//! ```text
//!  file ──> component ──> Module ──> configure, picture ──> Prepared ──> WasmHandler in a chain
//!           encoded,      a plugin    once for each config   instances:   budgets, breaker,
//!           inspected     of its name                        fresh or     verdicts checked
//!                                                            reused
//! ```
//!
//! The contract is `wasm-handlers/wit/handler.wit`; its normative text `docs/specs/handler.md`.
//! Nothing that a component does may reach further than its own call: memory, tables, time, bodies,
//! log lines and instances are bounded, a trap ends an instance and no other, and a verdict is
//! checked before the chain follows it.
//!
//! Unsafe code is denied. What derives wasmtime's traits allows it, for those say how records are
//! laid out: `contract.rs` and some imports in `host/`.

mod apply;
mod breaker;
mod budget;
pub mod cases;
mod compile;
mod component;
mod contract;
mod encode;
mod engine;
mod env;
pub mod errors;
mod failure;
mod handler;
mod host;
mod idle;
mod instance;
mod lines;
mod lower;
mod module;
mod owned;
mod packages;
mod portrait;
mod prepared;
mod reads;
mod run;
mod schema;
mod settings;
mod shape;
mod stats;
mod ticker;

pub use component::ModuleError;
pub use engine::{HostError, LARGEST_MEMORY, LARGEST_TABLE};
pub use module::Module;
pub use settings::{BreakerSpec, Grants, Limits, Spec};
pub use stats::{Own, Stats};

use compile::Compiler;
use paifang_pipeline::ConfigError;
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Weak},
};
use ticker::Ticker;
use wasmtime::Engine;

/// Runs components: one for a gateway.
pub struct Host {
    engine: Engine,
    ticker: Arc<Ticker>,
    compiler: Compiler,
    /// Modules by name, so that an entry that did not change keeps its instances and counters.
    modules: Mutex<HashMap<Arc<str>, Vec<Version>>>,
}

/// A module, as long as a release has it, and its counters, as long as a call may run on it.
#[derive(Clone)]
struct Version {
    module: Weak<Module>,
    sha256: Arc<str>,
    stats: Weak<Stats>,
}

/// A module, for status and metrics.
#[derive(Clone)]
pub struct ModuleReading {
    /// The entry's name.
    pub name: Arc<str>,
    /// SHA-256 of its file, in hex.
    pub sha256: Arc<str>,
    /// Its counters.
    pub stats: Arc<Stats>,
}

impl Host {
    /// A host. `cache` is a directory of ours alone in which compiled code is kept.
    ///
    /// # Errors
    /// The directory is not ours alone, or the machine cannot run compiled code.
    pub fn new(cache: Option<&Path>) -> Result<Self, HostError> {
        let (engine, ticker) = engine::engine(cache)?;
        Ok(Self {
            engine,
            ticker: Arc::new(ticker),
            compiler: Compiler::default(),
            modules: Mutex::default(),
        })
    }

    /// A file as a handler under this entry. One that is known already is given back as it is.
    ///
    /// # Errors
    /// What is wrong with it; the pointer leads into the entry.
    pub fn load(&self, spec: Spec, bytes: &[u8]) -> Result<Arc<Module>, ConfigError> {
        let known = |module: &Arc<Module>| *module.spec == spec && module.is_of(bytes);
        let before = self.modules.lock().get(&spec.name).cloned().unwrap_or_default();
        if let Some(module) =
            before.iter().filter_map(|version| version.module.upgrade()).find(known)
        {
            return Ok(module);
        }
        let name = spec.name.clone();
        let mut module = self.open(spec, bytes)?;
        // The same file under other limits or grants goes on counting.
        let same = before.iter().find(|version| version.sha256 == module.sha256);
        if let Some(stats) = same.and_then(|version| version.stats.upgrade()) {
            module.stats = stats;
        }
        module.probe()?;
        let module = Arc::new(module);
        let mut all = self.modules.lock();
        let versions = all.entry(name).or_default();
        versions.retain(|version| version.stats.strong_count() > 0);
        versions.push(Version {
            module: Arc::downgrade(&module),
            sha256: module.sha256.clone(),
            stats: Arc::downgrade(&module.stats),
        });
        Ok(module)
    }

    /// The like for tools that only look: nothing is kept, and its probes are not run.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn open(&self, spec: Spec, bytes: &[u8]) -> Result<Module, ConfigError> {
        Module::load(&self.engine, &self.ticker, &self.compiler, spec, bytes)
    }

    /// All modules that are alive, old versions that still serve calls among them.
    #[must_use]
    pub fn modules(&self) -> Vec<ModuleReading> {
        let all = self.modules.lock();
        let mut readings: Vec<ModuleReading> = all
            .iter()
            .flat_map(|(name, versions)| versions.iter().map(move |version| (name, version)))
            .filter_map(|(name, version)| {
                Some(ModuleReading {
                    name: name.clone(),
                    sha256: version.sha256.clone(),
                    stats: version.stats.upgrade()?,
                })
            })
            .collect();
        drop(all);
        readings.sort_by(|a, b| (&a.name, &a.sha256).cmp(&(&b.name, &b.sha256)));
        readings.dedup_by(|a, b| Arc::ptr_eq(&a.stats, &b.stats));
        readings
    }
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Host")
    }
}

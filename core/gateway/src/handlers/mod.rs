//! Handlers in WebAssembly: the host behind the config's section `wasm`.

mod spec;

pub(crate) use spec::spec;

use paifang_config::{compile::Modules, model::Wasm};
use paifang_pipeline::{ConfigError, DynPlugin};
use paifang_wasm::{Host, ModuleReading};
use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
};

/// The host, made when the first entry asks for it: it reserves address space and has a thread.
pub(crate) struct Handlers {
    cache: Option<PathBuf>,
    host: OnceLock<Result<Host, String>>,
}

impl Handlers {
    /// Keeps compiled code in `cache`, a directory of our own.
    pub(crate) fn new(cache: Option<PathBuf>) -> Self {
        Self { cache, host: OnceLock::new() }
    }

    /// The host.
    ///
    /// # Errors
    /// Why this machine cannot have one.
    pub(crate) fn host(&self) -> Result<&Host, ConfigError> {
        let host = self.host.get_or_init(|| {
            if let Some(cache) = &self.cache {
                match Host::new(Some(cache)) {
                    Ok(host) => return Ok(host),
                    // Compiling again is slower, and no reason not to serve.
                    Err(error) => tracing::warn!("compiled handlers are not kept: {error}"),
                }
            }
            Host::new(None).map_err(|error| error.to_string())
        });
        host.as_ref().map_err(|error| ConfigError::at("", error.clone()))
    }

    /// All modules that are alive, where there is a host.
    pub(crate) fn modules(&self) -> Vec<ModuleReading> {
        match self.host.get() {
            Some(Ok(host)) => host.modules(),
            _ => Vec::new(),
        }
    }
}

impl Modules for Handlers {
    fn load(
        &self,
        name: &str,
        entry: &Wasm,
        bytes: &[u8],
    ) -> Result<Arc<dyn DynPlugin>, ConfigError> {
        Ok(self.host()?.load(spec(name, entry), bytes)?)
    }
}

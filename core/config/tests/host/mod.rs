//! What golden cases compile with: one native handler, and a host that takes texts for modules.

use std::sync::Arc;
use std::time::SystemTime;

use paifang_config::compile::{Context, Modules, Stamp, compile};
use paifang_config::diag::Diagnostics;
use paifang_config::model::Wasm;
use paifang_config::snapshot::{Cause, Snapshot};
use paifang_config::source::{Env, MemoryFiles, SecretSources};
use paifang_pipeline::ports::{
    Clock, Concurrency, ConcurrencySpec, HttpOut, Kv, KvSpec, LimitSpec, Limiter, NoHttpOut,
    NonceSpec, Nonces, StateKey, Store, StoreError, SystemClock,
};
use paifang_pipeline::{
    BuildContext, Built, ConfigError, DynPlugin, ErrorCode, Handler, Registry, Stages,
};
use serde_json::Value;

/// Compiles what was loaded, with a host or without.
pub(crate) fn compiled(
    loaded: paifang_config::Loaded,
    env: Env<'_>,
    files: &MemoryFiles,
    hosted: bool,
) -> Result<Snapshot, Diagnostics> {
    let mut registry = Registry::default();
    registry.add(Arc::new(Named("native".into()))).expect("a name of its own");
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let http: Arc<dyn HttpOut> = Arc::new(NoHttpOut);
    let context = Context {
        registry: &registry,
        modules: hosted.then_some(&Host),
        stores: None,
        store: &NoStore,
        clock: &clock,
        http: &http,
        secrets: SecretSources { env, files },
        plans: &[],
        previous: None,
    };
    let stamp = Stamp { number: 1, time: SystemTime::UNIX_EPOCH, cause: Cause::Check };
    compile(loaded, stamp, &context)
}

/// A file that is no text saying `module` is refused, with what it says: `POINTER MESSAGE`.
struct Host;

impl Modules for Host {
    fn load(&self, name: &str, _: &Wasm, bytes: &[u8]) -> Result<Arc<dyn DynPlugin>, ConfigError> {
        match String::from_utf8_lossy(bytes).trim_end() {
            "module" => Ok(Arc::new(Named(name.into()))),
            refused => {
                let (pointer, message) = refused.split_once(' ').unwrap_or_default();
                Err(ConfigError::at(pointer, message))
            }
        }
    }
}

/// Handlers that do nothing; their config is empty.
struct Named(String);

impl DynPlugin for Named {
    fn kind(&self) -> &str {
        &self.0
    }
    fn errors(&self) -> &'static [&'static ErrorCode] {
        &[]
    }
    fn schema(&self, _: &mut schemars::SchemaGenerator) -> schemars::Schema {
        true.into()
    }
    fn build(&self, config: &Value, _: &BuildContext<'_>) -> Result<Built, ConfigError> {
        match config.as_object().and_then(|keys| keys.keys().next()) {
            Some(key) => Err(ConfigError::at(format!("/{key}"), "nothing is expected here")),
            None => Ok(Built::new(Idle)),
        }
    }
}

struct Idle;

impl Handler for Idle {
    fn stages(&self) -> Stages {
        Stages::REQUEST
    }
}

struct NoStore;

impl Store for NoStore {
    fn limiter(&self, _: &StateKey, _: LimitSpec) -> Result<Arc<dyn Limiter>, StoreError> {
        Err(StoreError(String::new()))
    }
    fn concurrency(
        &self,
        _: &StateKey,
        _: ConcurrencySpec,
    ) -> Result<Arc<dyn Concurrency>, StoreError> {
        Err(StoreError(String::new()))
    }
    fn nonces(&self, _: &StateKey, _: NonceSpec) -> Result<Arc<dyn Nonces>, StoreError> {
        Err(StoreError(String::new()))
    }
    fn kv(&self, _: &StateKey, _: KvSpec) -> Result<Arc<dyn Kv>, StoreError> {
        Err(StoreError(String::new()))
    }
}

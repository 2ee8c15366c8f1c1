//! What the plugins' tests share: building a step from JSON, and looking at what is refused.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use paifang_pipeline::{
    Built, ConfigError, DynPlugin,
    ports::{
        Concurrency, ConcurrencySpec, Kv, KvSpec, LimitSpec, Limiter, NonceSpec, Nonces, StateKey,
        Store, StoreError,
    },
    testkit::{TestClock, TestHttpOut, build, build_among},
};
use serde_json::Value;
use std::sync::Arc;

/// A store for plugins that keep nothing in one.
struct NoStore;

impl Store for NoStore {
    fn limiter(&self, _: &StateKey, _: LimitSpec) -> Result<Arc<dyn Limiter>, StoreError> {
        Err(StoreError("none here".to_owned()))
    }

    fn concurrency(
        &self,
        _: &StateKey,
        _: ConcurrencySpec,
    ) -> Result<Arc<dyn Concurrency>, StoreError> {
        Err(StoreError("none here".to_owned()))
    }

    fn nonces(&self, _: &StateKey, _: NonceSpec) -> Result<Arc<dyn Nonces>, StoreError> {
        Err(StoreError("none here".to_owned()))
    }

    fn kv(&self, _: &StateKey, _: KvSpec) -> Result<Arc<dyn Kv>, StoreError> {
        Err(StoreError("none here".to_owned()))
    }
}

/// Builds a step of a plugin that keeps no state.
pub(crate) fn built(plugin: &dyn DynPlugin, config: &Value) -> Result<Built, ConfigError> {
    build(plugin, config, &NoStore, &Arc::default(), &Arc::new(TestClock::new()))
}

/// Builds the like in a gateway with these upstreams; `main` is the API's own.
pub(crate) fn built_among(
    plugin: &dyn DynPlugin,
    config: &Value,
    upstreams: &[&str],
) -> Result<Built, ConfigError> {
    let http = Arc::new(TestHttpOut::new(upstreams.iter().copied())) as _;
    build_among(plugin, config, &NoStore, &Arc::default(), &Arc::new(TestClock::new()), &http)
}

/// The step's handler.
pub(crate) fn handler(plugin: &dyn DynPlugin, config: Value) -> Arc<dyn paifang_pipeline::Handler> {
    match built(plugin, &config) {
        Ok(built) => built.handler,
        Err(error) => panic!("{config}: {error} at `{}`", error.pointer),
    }
}

/// Holds that each config is refused with this pointer, this message and, where one is given, this
/// part of the help.
pub(crate) fn refuses(plugin: &dyn DynPlugin, table: &[(Value, &str, &str, &str)]) {
    for (config, pointer, message, help) in table {
        let Err(error) = built(plugin, config) else { panic!("{config} was taken") };
        assert_eq!(
            (error.pointer.as_str(), error.message.as_str()),
            (*pointer, *message),
            "{config}"
        );
        let told = error.help.unwrap_or_default();
        assert!(told.contains(help) && told.is_empty() == help.is_empty(), "{config}: {told}");
    }
}

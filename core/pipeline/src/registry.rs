//! Plugins and their registry: from a name and a piece of config to a handler.

use crate::{
    chain::StateUse,
    error::ErrorCode,
    exchange::{Apps, Route, Slots},
    handler::Handler,
    ports::{Clock, HttpOut, StateKey, Store, Stores},
    secret::{Secret, SecretRef, Secrets},
};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

/// A native plugin: makes handlers from typed config. Building is pure; background work belongs
/// in [`Handler::start`].
pub trait Plugin: Send + Sync + 'static {
    /// The step's config. Use `deny_unknown_fields`, units in types, and documented defaults:
    /// the JSON Schema and the docs page come from this type.
    type Config: DeserializeOwned + JsonSchema;

    /// The step's name in YAML.
    fn kind(&self) -> &'static str;

    /// Rows that this plugin adds to the error table.
    fn errors(&self) -> &'static [&'static ErrorCode] {
        &[]
    }

    /// What this plugin counts over all its steps, for metrics. Read at every scrape.
    fn counters(&self) -> Vec<PluginCounter> {
        Vec::new()
    }

    /// What else this plugin measures, with as many labels as it takes. Read at every scrape.
    fn metrics(&self) -> Vec<PluginMetric> {
        Vec::new()
    }

    /// Whether its steps protect what stands behind them: no contingency plan leaves such a step out,
    /// or puts another in its place. Plugins that only give comfort say false.
    fn protects(&self) -> bool {
        true
    }

    /// What of this plugin's steps is not as it should be now, such as an open circuit. Asked by
    /// people, at the admin API's `/v1/status`.
    fn troubles(&self) -> Vec<PluginTrouble> {
        Vec::new()
    }

    /// Makes a handler.
    ///
    /// # Errors
    /// What is wrong with the config, and where.
    fn build(&self, config: Self::Config, context: &BuildContext<'_>)
    -> Result<Built, ConfigError>;
}

/// What is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginTrouble {
    /// Whose it is: the key of the state, as metrics call it.
    pub name: String,
    /// The upstream that it is about, if it is about one.
    pub upstream: Option<String>,
    /// How it is, a stable word such as `open`.
    pub state: &'static str,
}

/// A number that a plugin counts over all its steps and that never falls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginCounter {
    /// The metric's name, `paifang_<plugin>_…_total`.
    pub name: &'static str,
    /// What it counts, one sentence.
    pub help: &'static str,
    /// A label that tells several counters of one name apart: its name and value.
    pub label: Option<(&'static str, String)>,
    /// The count.
    pub value: u64,
}

/// A number that a plugin tells of at every scrape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginMetric {
    /// The metric's name, `paifang_<plugin>_…`; `…_total` where it is a counter.
    pub name: &'static str,
    /// What it says, one sentence.
    pub help: &'static str,
    /// Whether it may fall.
    pub kind: MetricKind,
    /// What tells several of one name apart: names and values. The same names in all of them.
    pub labels: Vec<(&'static str, String)>,
    /// The number.
    pub value: u64,
}

/// Kinds of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// A count, which never falls.
    Counter,
    /// A number as it is at present.
    Gauge,
}

impl From<PluginCounter> for PluginMetric {
    fn from(counter: PluginCounter) -> Self {
        let PluginCounter { name, help, label, value } = counter;
        let labels = label.into_iter().collect();
        Self { name, help, kind: MetricKind::Counter, labels, value }
    }
}

/// What a plugin may use while building.
pub struct BuildContext<'a> {
    /// Id of the API whose chain the step stands in.
    pub api: &'a str,
    /// Id of the step.
    pub step: &'a str,
    /// The API's own upstream: where calls go that no step sends elsewhere.
    pub upstream: Option<&'a Arc<str>>,
    /// The upstreams that steps above may send calls to, at the places that [`Exchange::route`]
    /// tells once they have.
    ///
    /// [`Exchange::route`]: crate::Exchange::route
    pub routes: &'a [Arc<str>],
    /// All apps of the snapshot.
    pub apps: &'a Arc<Apps>,
    /// State that outlives the snapshot.
    pub store: &'a dyn Store,
    /// The like, shared with other gateways, by the names that the config gives.
    pub stores: &'a Stores,
    /// The clocks.
    pub clock: &'a Arc<dyn Clock>,
    /// Calls to the gateway's upstreams.
    pub http: &'a Arc<dyn HttpOut>,
    /// Secrets behind references.
    pub secrets: &'a dyn Secrets,
}

impl BuildContext<'_> {
    /// The key of this step's state: its own, or shared under a name.
    #[must_use]
    pub fn state_key(&self, share: Option<&str>) -> StateKey {
        share.map_or_else(|| StateKey::of_step(self.api, self.step), StateKey::shared)
    }

    /// The route to the `nth` upstream, from 0, of those that this step declares by
    /// [`Built::routes`].
    #[must_use]
    pub fn route(&self, nth: usize) -> Route {
        Route::at(self.routes.len() + nth)
    }

    /// Holds that there is an upstream of the name that stands at `pointer` in the step's config.
    ///
    /// # Errors
    /// There is none.
    pub fn known_upstream(&self, name: &str, pointer: &str) -> Result<(), ConfigError> {
        if self.http.has(name) {
            return Ok(());
        }
        Err(ConfigError::at(pointer, format!("there is no upstream `{name}`"))
            .help("upstreams stand under `upstreams:` at the top of the config"))
    }

    /// The store of a name that stands at `pointer` in the step's config; this gateway's own where
    /// no name is given.
    ///
    /// # Errors
    /// That there is no such store, at `pointer`.
    pub fn store(&self, name: Option<&str>, pointer: &str) -> Result<&dyn Store, ConfigError> {
        let Some(name) = name else { return Ok(self.store) };
        self.stores.get(name).ok_or_else(|| {
            let known: Vec<String> = self.stores.names().map(|name| format!("`{name}`")).collect();
            let help = if known.is_empty() {
                "define it under `stores`, or remove this key: each gateway counts alone then"
                    .to_owned()
            } else {
                format!("the config's stores are {}", known.join(", "))
            };
            ConfigError::at(pointer, format!("there is no store `{name}`")).help(help)
        })
    }

    /// The secret behind a reference that stands at `pointer` in the step's config.
    ///
    /// # Errors
    /// What is missing, at `pointer`.
    pub fn secret(&self, reference: &SecretRef, pointer: &str) -> Result<Secret, ConfigError> {
        self.secrets.resolve(reference).map_err(|message| ConfigError::at(pointer, message))
    }
}

/// A handler, and what its chain must know about it.
pub struct Built {
    /// What runs.
    pub handler: Arc<dyn Handler>,
    /// Slots that it writes: two writers of one slot in a chain are a load error.
    pub writes: Vec<Cow<'static, str>>,
    /// Whether it may write a slot that a step above has written (`override: true`).
    pub overrides: bool,
    /// State that it keeps between calls.
    pub states: Vec<StateUse>,
    /// Whether it answers every call that reaches it, so that the API needs no origin.
    pub always_answers: bool,
    /// The upstreams that it may send calls to, beside the API's own.
    pub routes: Vec<Arc<str>>,
}

impl Built {
    /// A handler that writes no slot, keeps no state and lets calls pass.
    pub fn new(handler: impl Handler) -> Self {
        Self {
            handler: Arc::new(handler),
            writes: Vec::new(),
            overrides: false,
            states: Vec::new(),
            always_answers: false,
            routes: Vec::new(),
        }
    }

    /// Declares a slot that it writes.
    #[must_use]
    pub fn writes(mut self, slot: impl Into<Cow<'static, str>>) -> Self {
        self.writes.push(slot.into());
        self
    }

    /// Declares state that it keeps.
    #[must_use]
    pub fn keeps(mut self, key: StateKey, fingerprint: impl Into<String>) -> Self {
        self.states.push(StateUse { key, fingerprint: fingerprint.into() });
        self
    }

    /// Declares the upstreams that it may send calls to. The choice is a slot, [`Slots::UPSTREAM`],
    /// so that two steps of a chain that choose are noticed.
    #[must_use]
    pub fn routes(mut self, upstreams: impl IntoIterator<Item = Arc<str>>) -> Self {
        self.routes.extend(upstreams);
        self.writes(Slots::UPSTREAM)
    }

    /// Declares that it answers every call.
    #[must_use]
    pub fn always_answers(mut self) -> Self {
        self.always_answers = true;
        self
    }
}

/// What is wrong with a step's config. Only the config loader knows files and lines; a plugin
/// points into its own piece.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ConfigError {
    /// JSON pointer (RFC 6901) into the step's config; empty for the whole.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub help: Option<String>,
}

impl ConfigError {
    /// An error at a JSON pointer, such as `/rate`.
    pub fn at(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), message: message.into(), help: None }
    }

    /// Adds how to mend it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// A plugin whose config type is hidden: what the registry holds. Implemented for every
/// [`Plugin`]; the WASM host makes its own.
pub trait DynPlugin: Send + Sync + 'static {
    /// The step's name in YAML.
    fn kind(&self) -> &str;

    /// Rows that this plugin adds to the error table.
    fn errors(&self) -> &'static [&'static ErrorCode];

    /// What the plugin counts over all its steps, for metrics.
    fn counters(&self) -> Vec<PluginCounter> {
        Vec::new()
    }

    /// What else the plugin measures.
    fn metrics(&self) -> Vec<PluginMetric> {
        Vec::new()
    }

    /// Whether its steps protect what stands behind them.
    fn protects(&self) -> bool {
        true
    }

    /// What of its steps is not as it should be now.
    fn troubles(&self) -> Vec<PluginTrouble> {
        Vec::new()
    }

    /// What people should know of it beside its config: short names with their values, which
    /// `explain` shows. Nothing for native plugins.
    fn describe(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    /// JSON Schema of the step's config.
    fn schema(&self, generator: &mut schemars::SchemaGenerator) -> schemars::Schema;

    /// Makes a handler from untyped config; `null` stands for "nothing given".
    ///
    /// # Errors
    /// What is wrong with the config, and where.
    fn build(&self, config: &Value, context: &BuildContext<'_>) -> Result<Built, ConfigError>;
}

impl<P: Plugin> DynPlugin for P {
    fn kind(&self) -> &str {
        Plugin::kind(self)
    }

    fn errors(&self) -> &'static [&'static ErrorCode] {
        Plugin::errors(self)
    }

    fn counters(&self) -> Vec<PluginCounter> {
        Plugin::counters(self)
    }

    fn metrics(&self) -> Vec<PluginMetric> {
        Plugin::metrics(self)
    }

    fn protects(&self) -> bool {
        Plugin::protects(self)
    }

    fn troubles(&self) -> Vec<PluginTrouble> {
        Plugin::troubles(self)
    }

    fn schema(&self, generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        generator.subschema_for::<P::Config>()
    }

    fn build(&self, config: &Value, context: &BuildContext<'_>) -> Result<Built, ConfigError> {
        let empty = Value::Object(serde_json::Map::new());
        let config = if config.is_null() { &empty } else { config };
        let typed = serde_path_to_error::deserialize(config)
            .map_err(|error| ConfigError::at(pointer(error.path()), error.inner().to_string()))?;
        Plugin::build(self, typed, context)
    }
}

/// A serde path as a JSON pointer.
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } => {
                pointer.push('/');
                pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
            }
            // Enum variants are no level of their own in an untagged tree; unknown parts end it.
            Segment::Enum { variant } => pointer.push_str(&format!("/{variant}")),
            Segment::Unknown => break,
        }
    }
    pointer
}

/// All plugins that a gateway knows, by name.
#[derive(Clone, Default)]
pub struct Registry {
    plugins: BTreeMap<Arc<str>, Arc<dyn DynPlugin>>,
}

/// Two plugins have the same name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("two plugins are called `{0}`")]
pub struct DuplicatePlugin(pub Arc<str>);

impl Registry {
    /// Adds a plugin.
    ///
    /// # Errors
    /// When its name is taken: native and WASM handlers share one namespace.
    pub fn add(&mut self, plugin: Arc<dyn DynPlugin>) -> Result<(), DuplicatePlugin> {
        let kind: Arc<str> = plugin.kind().into();
        if self.plugins.contains_key(&kind) {
            return Err(DuplicatePlugin(kind));
        }
        self.plugins.insert(kind, plugin);
        Ok(())
    }

    /// The plugin of that name.
    #[must_use]
    pub fn get(&self, kind: &str) -> Option<&Arc<dyn DynPlugin>> {
        self.plugins.get(kind)
    }

    /// All plugins, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Arc<dyn DynPlugin>)> {
        self.plugins.iter().map(|(kind, plugin)| (&**kind, plugin))
    }
}

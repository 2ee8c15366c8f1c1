//! Snapshots: a whole config, compiled, numbered, never changed again.
//!
//! A gateway holds the current one behind an atomic pointer. A call keeps the API it began with by
//! its `Arc`; what only an old snapshot holds goes when its last call ends.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use indexmap::IndexMap;
use paifang_pipeline::ports::{HttpOrigin, Spawn, Store};
use paifang_pipeline::{Api, Apps, Chain, ErrorPages, Handler, Secret};
use serde::{Deserialize, Serialize};

use crate::compile::{
    BuiltApps, CheckedPlans, SecretUse, ServedModule, ServedModules, ServedStores, Stamp,
    UpstreamUse, Used,
};
use crate::model::{Config, EncodedSlashes};
use crate::route::{EncodedSlash, PathPolicy, RouteTable};
use crate::source::{SourceMap, Tree};
use crate::yaml::{Digest, Located, Span};

/// Why a snapshot was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The gateway started.
    Start,
    /// The gateway started with the last good release, because the files were broken.
    Recovery,
    /// Somebody asked for it: a command, a signal, the admin API.
    Reload,
    /// A file changed.
    Watch,
    /// Somebody went back to the release with this number.
    Rollback(u64),
    /// Somebody switched this plan on.
    PlanOn(String),
    /// Somebody switched this plan off.
    PlanOff(String),
    /// It was only looked at.
    Check,
}

/// A plan that is on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanOn {
    /// Its name.
    pub name: String,
    /// Since when, in milliseconds since 1970.
    pub since_ms: u64,
}

/// An API as it is served.
#[derive(Debug)]
pub struct ServedApi {
    /// What the engine runs.
    pub api: Arc<Api>,
    /// It takes no calls: they are refused with `api_offline`, after the steps of `defaults`.
    pub offline: bool,
    /// It takes calls that may have been replayed (TLS 1.3 early data).
    pub early_data: bool,
    /// Digest of everything it was made of.
    pub(crate) key: Digest,
    /// What else it was made with.
    pub(crate) used: Used,
}

/// The `accept` steps of a listener.
#[derive(Debug)]
pub(crate) struct ServedAccept {
    pub(crate) chain: Arc<Chain>,
    /// Digest of everything it was made of.
    pub(crate) key: Digest,
    /// What else it was made with.
    pub(crate) used: Used,
}

/// A whole config, compiled; put together by [`compile`](crate::compile::compile) alone.
#[derive(Debug)]
pub struct Snapshot {
    pub(crate) stamp: Stamp,
    pub(crate) hash: Digest,
    pub(crate) config: Config,
    pub(crate) tree: Tree,
    pub(crate) apps: BuiltApps,
    pub(crate) pages: Arc<ErrorPages>,
    pub(crate) pages_key: Digest,
    pub(crate) token: Option<Secret>,
    pub(crate) tracing_headers: Vec<(String, Secret)>,
    pub(crate) modules: ServedModules,
    pub(crate) stores: ServedStores,
    pub(crate) table: RouteTable<usize, Span>,
    pub(crate) apis: Vec<Arc<ServedApi>>,
    pub(crate) by_id: HashMap<Arc<str>, usize>,
    pub(crate) fallback: Arc<ServedApi>,
    pub(crate) accept: IndexMap<Arc<str>, Arc<ServedAccept>>,
    pub(crate) plans: Vec<PlanOn>,
    pub(crate) checked_plans: CheckedPlans,
    pub(crate) built: usize,
}

impl Snapshot {
    /// The id of the API that answers requests that match none.
    pub const FALLBACK: &'static str = "-";

    /// Its number.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.stamp.number
    }

    /// When it was made.
    #[must_use]
    pub const fn time(&self) -> SystemTime {
        self.stamp.time
    }

    /// Why it was made.
    #[must_use]
    pub const fn cause(&self) -> &Cause {
        &self.stamp.cause
    }

    /// The plans that are on, in the order in which they were switched on.
    #[must_use]
    pub fn plans(&self) -> &[PlanOn] {
        &self.plans
    }

    /// How many APIs a plan of this config touches when it is on alone.
    #[must_use]
    pub fn plan_reach(&self, name: &str) -> usize {
        self.checked_plans.reach.get(name).copied().unwrap_or(0)
    }

    pub(crate) const fn checked_plans(&self) -> &CheckedPlans {
        &self.checked_plans
    }

    /// Digest of the whole config, variables filled in, of the modules that it names, and of the
    /// plans that are on; neither
    /// places, comments nor secrets count. Two snapshots with the same hash say the same.
    #[must_use]
    pub const fn hash(&self) -> Digest {
        self.hash
    }

    /// The config, for linking listeners, upstreams, admin and the rest.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// The files it was read from.
    #[must_use]
    pub const fn sources(&self) -> &SourceMap {
        &self.tree.sources
    }

    /// The tree it was read from.
    #[must_use]
    pub const fn tree(&self) -> &Tree {
        &self.tree
    }

    /// A path that stands in the config: relative ones begin at the file's directory.
    #[must_use]
    pub fn resolve(&self, path: &Located<PathBuf>) -> PathBuf {
        self.tree.sources.resolve(path)
    }

    /// All apps.
    #[must_use]
    pub const fn apps(&self) -> &Arc<Apps> {
        &self.apps.0
    }

    /// The token that admin requests must carry.
    #[must_use]
    pub const fn admin_token(&self) -> Option<&Secret> {
        self.token.as_ref()
    }

    /// The fields of requests to the collector of traces.
    #[must_use]
    pub fn tracing_headers(&self) -> &[(String, Secret)] {
        &self.tracing_headers
    }

    /// The modules of its `wasm` entries, by name, in the order of the config.
    pub fn modules(&self) -> impl Iterator<Item = (&str, &Arc<ServedModule>)> {
        self.modules.iter().map(|(name, module)| (&**name, module))
    }

    /// The module of a `wasm` entry.
    #[must_use]
    pub fn module(&self, name: &str) -> Option<&Arc<ServedModule>> {
        self.modules.get(name)
    }

    /// The route table. Its values are positions for [`Snapshot::at`].
    #[must_use]
    pub const fn table(&self) -> &RouteTable<usize, Span> {
        &self.table
    }

    /// All APIs, in the order of the config.
    #[must_use]
    pub fn apis(&self) -> &[Arc<ServedApi>] {
        &self.apis
    }

    /// The API at a position of the route table.
    #[must_use]
    pub fn at(&self, index: usize) -> Option<&Arc<ServedApi>> {
        self.apis.get(index)
    }

    /// The API with an id.
    #[must_use]
    pub fn api(&self, id: &str) -> Option<&Arc<ServedApi>> {
        self.apis.get(*self.by_id.get(id)?)
    }

    /// Position of an API in the config.
    pub(crate) fn position(&self, id: &str) -> Option<usize> {
        self.by_id.get(id).copied()
    }

    /// What answers requests that match no API: a chain of the `defaults` steps alone.
    #[must_use]
    pub const fn fallback(&self) -> &Arc<ServedApi> {
        &self.fallback
    }

    /// The `accept` steps of a listener; `None` where it has none.
    #[must_use]
    pub fn accept(&self, listener: &str) -> Option<&Arc<Chain>> {
        self.accept.get(listener).map(|served| &served.chain)
    }

    /// The same, with what it was made of.
    pub(crate) fn served_accept(&self, listener: &str) -> Option<&Arc<ServedAccept>> {
        self.accept.get(listener)
    }

    /// How request paths are read.
    #[must_use]
    pub fn path_policy(&self) -> PathPolicy {
        PathPolicy {
            max_len: *self.config.paths.max_length as usize,
            encoded_slash: match self.config.paths.encoded_slash {
                EncodedSlashes::Keep => EncodedSlash::Keep,
                EncodedSlashes::Reject => EncodedSlash::Reject,
            },
        }
    }

    /// How many APIs were built for this snapshot; all others were taken over.
    #[must_use]
    pub const fn built(&self) -> usize {
        self.built
    }

    /// Origins that handlers call and no upstream of the config stands for.
    #[must_use]
    pub fn origins(&self) -> BTreeSet<&HttpOrigin> {
        let apis = self.apis.iter().chain([&self.fallback]).map(|api| &api.used);
        let used = apis.chain(self.accept.values().map(|accept| &accept.used));
        used.flat_map(|used| &used.upstreams).filter_map(UpstreamUse::origin).collect()
    }

    /// The shared store of this name.
    #[must_use]
    pub fn store(&self, name: &str) -> Option<&Arc<dyn Store>> {
        self.stores.get(name).map(|served| &served.store)
    }

    /// Files with secrets that steps were built with.
    pub(crate) fn secret_files(&self) -> impl Iterator<Item = PathBuf> {
        let apis = self.apis.iter().chain([&self.fallback]).flat_map(|api| &api.used.secrets);
        let accept = self.accept.values().flat_map(|accept| &accept.used.secrets);
        let stores = self.stores.values().flat_map(|store| store.secret_files.iter().cloned());
        apis.chain(accept).filter_map(SecretUse::file).chain(stores)
    }

    /// Starts the handlers that `previous` does not have. Called before the snapshot goes live.
    ///
    /// # Errors
    /// The step and its sentence. Handlers that were started before it are drained again.
    pub fn start(&self, previous: Option<&Self>, spawn: &Arc<dyn Spawn>) -> Result<(), String> {
        for served in self.stores.values() {
            served.store.start(spawn);
        }
        let mut known = previous.map(Self::handlers).unwrap_or_default();
        let mut started: Vec<&Arc<dyn Handler>> = Vec::new();
        for (owner, chain) in self.chains() {
            for step in chain.steps() {
                if !known.insert(address(&step.handler)) {
                    continue;
                }
                if let Err(message) = step.handler.start(spawn) {
                    started.iter().for_each(|handler| handler.drain());
                    return Err(format!("the step `{}` of {owner}: {message}", step.id));
                }
                started.push(&step.handler);
            }
        }
        Ok(())
    }

    /// Drains the handlers that `next` does not have. Called once `next` is live, or with `None`
    /// when the gateway ends.
    pub fn drain(&self, next: Option<&Self>) {
        let mut known = next.map(Self::handlers).unwrap_or_default();
        for (_, chain) in self.chains() {
            for step in chain.steps() {
                if known.insert(address(&step.handler)) {
                    step.handler.drain();
                }
            }
        }
    }

    fn handlers(&self) -> HashSet<usize> {
        let chains = self.chains();
        chains.flat_map(|(_, chain)| chain.steps()).map(|step| address(&step.handler)).collect()
    }

    /// Every chain, with whose it is.
    fn chains(&self) -> impl Iterator<Item = (&str, &Chain)> {
        let apis = self.apis.iter().chain([&self.fallback]);
        apis.map(|api| (&*api.api.id, &api.api.chain))
            .chain(self.accept.iter().map(|(name, served)| (&**name, &*served.chain)))
    }
}

/// The identity of a handler.
fn address(handler: &Arc<dyn Handler>) -> usize {
    Arc::as_ptr(handler).cast::<()>() as usize
}

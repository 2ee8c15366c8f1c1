//! From a checked config and the plugins to a [`Snapshot`]: steps are built, chains compiled,
//! routes put into their table. Nothing is served here, and nothing that fails half-way leaves
//! anything behind but what it built.
//!
//! An API is built again only when something that it was made of changed: its own config, that of
//! the chains it uses, `defaults`, its upstream's retry rules, the apps, a secret it reads, a module
//! that one of its steps is made with, whether there is an upstream that a step has asked for, or
//! what plans that are on make of its chain.
//! All others are taken over from the previous snapshot as they are; counters are taken over by
//! API id and step id in any case.

mod accept;
mod api;
mod apps;
pub(crate) mod edits;
pub(crate) mod effective;
pub(crate) mod expand;
mod modules;
#[cfg(test)]
mod narrow_tests;
mod plans;
#[cfg(test)]
mod plans_tests;
mod routes;
mod secrets;
mod shares;
mod step;
mod stores;
#[cfg(test)]
mod targets_tests;
#[cfg(test)]
mod tests;
mod upstreams;
mod used;
mod words;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use paifang_pipeline::ports::{Clock, HttpOut, Store};
use paifang_pipeline::{DynPlugin, Registry, Secrets};

use crate::diag::{Diagnostics, Problem, Problems};
use crate::load::Loaded;
use crate::snapshot::{Cause, PlanOn, ServedApi, Snapshot};
use crate::source::SecretSources;
use crate::yaml::{Digest, Node};
pub(crate) use apps::BuiltApps;
use edits::Edits;
pub(crate) use modules::ServedModules;
pub use modules::{Modules, ServedModule};
pub(crate) use plans::CheckedPlans;
use secrets::SecretCache;
pub use secrets::SecretUse;
pub(crate) use stores::ServedStores;
pub use stores::{Opening, StoreHost};
use upstreams::UpstreamNames;
pub(crate) use upstreams::UpstreamUse;
pub(crate) use used::Used;

/// What a config is compiled with.
pub struct Context<'a> {
    /// The plugins. The same ones for every snapshot that follows another.
    pub registry: &'a Registry,
    /// Makes plugins of the modules of `wasm` entries; without it an entry is an error. The same
    /// one for every snapshot that follows another.
    pub modules: Option<&'a dyn Modules>,
    /// State that outlives snapshots.
    pub store: &'a dyn Store,
    /// Opens stores that gateways share; without it an entry is an error.
    pub stores: Option<&'a dyn StoreHost>,
    /// The clocks that handlers use.
    pub clock: &'a Arc<dyn Clock>,
    /// Calls of handlers to the upstreams of this config.
    pub http: &'a Arc<dyn HttpOut>,
    /// Where secrets are looked up.
    pub secrets: SecretSources<'a>,
    /// The plans that are on. One that the config does not have is an error.
    pub plans: &'a [PlanOn],
    /// The snapshot to take unchanged APIs and counters over from.
    pub previous: Option<&'a Snapshot>,
}

/// What a new snapshot is called.
#[derive(Debug, Clone)]
pub struct Stamp {
    /// Its number; greater than any before.
    pub number: u64,
    /// When it was made.
    pub time: SystemTime,
    /// Why it was made.
    pub cause: Cause,
}

/// Compiles a config.
///
/// # Errors
/// Everything that is wrong: modules that cannot be had, steps of unknown kinds, wrong config of
/// steps, secrets that are not there, slots with two writers, steps that share state and differ in
/// it, APIs that nothing answers, routes that contradict each other.
pub fn compile(
    loaded: Loaded,
    stamp: Stamp,
    context: &Context<'_>,
) -> Result<Snapshot, Diagnostics> {
    let Loaded { config, tree, modules } = loaded;
    let cache = SecretCache::new(context.secrets);
    let mut problems = Problems::default();
    let built = apps::build(&config, &tree.sources, &cache, &mut problems);
    let pages = apps::error_pages(&config);
    let stores = stores::build(&config, &tree.sources, &cache, context, &mut problems);
    let modules = modules::build(&config, modules, &stores, context, &mut problems);
    let token = config.admin.as_ref().and_then(|admin| admin.token.as_ref()).and_then(|token| {
        let within = cache.within(tree.sources.directory(token.span()));
        within
            .resolve(&token.0)
            .map_err(|message| problems.push(Problem::new(token.span(), message)))
            .ok()
    });
    let mut tracing_headers = Vec::new();
    for (name, secret) in config.tracing.iter().flat_map(|tracing| &tracing.value.headers) {
        let within = cache.within(tree.sources.directory(secret.span()));
        match within.resolve(&secret.0) {
            Ok(value) => tracing_headers.push((name.clone(), value)),
            Err(message) => problems.push(Problem::new(secret.span(), message)),
        }
    }
    let previous = context.previous.filter(|previous| previous.apps == built);
    // The same value as before where nothing changed, so that steps built before can stay.
    let apps = previous.map_or_else(|| built.clone(), |previous| previous.apps.clone());
    let job = Job {
        config: &config,
        sources: &tree.sources,
        context,
        modules: &modules,
        stores: &stores::by_name(&stores),
        apps: &apps.0,
        pages: &previous
            .filter(|previous| previous.pages_key == pages.1)
            .map_or(pages.0, |previous| previous.pages.clone()),
        cache: &cache,
        upstreams: UpstreamNames::of(&config, context.http),
        reuse: previous.is_some(),
        common: Digest::all([
            &Digest::of_bytes(b"api"),
            &apps.1,
            &pages.1,
            &stores::digest(&stores),
        ]),
        chains: std::cell::RefCell::default(),
        keys: std::cell::RefCell::default(),
        values: std::cell::RefCell::default(),
    };
    plans::refuse_unknown(&job, &mut problems);
    let on = |name: &str| context.plans.iter().any(|plan| plan.name == *name);
    let edits = Edits::of(&config, on);
    let mut apis = Vec::with_capacity(config.apis.len());
    let mut built_now = 0;
    for index in 0..config.apis.len() {
        let draft = api::draft(&job, Some(index), &edits, &mut problems);
        if let Some(api) = api::build(&job, draft, &mut problems) {
            let taken_over = job.before(&api.api.id).is_some_and(|old| Arc::ptr_eq(old, &api));
            built_now += usize::from(!taken_over);
            apis.push(api);
        }
    }
    let draft = api::draft(&job, None, &edits, &mut problems);
    let fallback = api::build(&job, draft, &mut problems);
    let accept = accept::build(&job, &mut problems);
    let keeping = apis.iter().chain(&fallback).flat_map(|api| shares::of_api(api));
    let keeping = keeping.chain(accept.iter().flat_map(|(name, one)| shares::of_accept(name, one)));
    shares::check(&job, &edits, keeping, &mut problems);
    let checked_plans = plans::check(&job, &apis, fallback.as_ref(), &accept, &mut problems);
    let table = routes::build(&config, &mut problems);
    let (pages, pages_key) = (job.pages.clone(), pages.1);
    problems.finish((), &tree.sources)?;
    let (Some(fallback), Some(table)) = (fallback, table) else {
        return Err(Diagnostics::without_place("the config could not be compiled", None));
    };
    let by_id: HashMap<Arc<str>, usize> =
        apis.iter().enumerate().map(|(index, api)| (api.api.id.clone(), index)).collect();
    let hash = hash(&tree.root, &modules, context.plans);
    Ok(Snapshot {
        stamp,
        hash,
        config,
        tree,
        apps,
        pages,
        pages_key,
        token,
        tracing_headers,
        modules,
        stores,
        table,
        apis,
        by_id,
        fallback,
        accept,
        plans: context.plans.to_vec(),
        checked_plans,
        built: built_now,
    })
}

/// What the snapshot says: its tree, the files that are part of it, and the plans that are on.
fn hash(tree: &Node, modules: &ServedModules, plans: &[PlanOn]) -> Digest {
    let tree = Digest::of(tree);
    if modules.is_empty() && plans.is_empty() {
        return tree;
    }
    let plans: Vec<Digest> =
        plans.iter().map(|plan| Digest::of_bytes(plan.name.as_bytes())).collect();
    let modules = modules.values().map(|module| &module.sha256);
    Digest::all([&tree].into_iter().chain(modules).chain(&plans))
}

/// One compilation.
struct Job<'a> {
    config: &'a crate::model::Config,
    sources: &'a crate::source::SourceMap,
    context: &'a Context<'a>,
    modules: &'a ServedModules,
    stores: &'a paifang_pipeline::ports::Stores,
    apps: &'a Arc<paifang_pipeline::Apps>,
    pages: &'a Arc<paifang_pipeline::ErrorPages>,
    cache: &'a SecretCache<'a>,
    upstreams: UpstreamNames,
    /// The apps are those of the previous snapshot, so what was built with them may stay.
    reuse: bool,
    /// Digest of what every API depends on, `defaults` apart.
    common: Digest,
    /// Digests of chains, those inside them included.
    chains: std::cell::RefCell<HashMap<String, Digest>>,
    /// Digests of what APIs are made of without plans, by their places in the config.
    keys: std::cell::RefCell<HashMap<usize, Digest>>,
    /// Steps' config as JSON, by node; chains that many APIs use are converted once.
    values: std::cell::RefCell<HashMap<crate::yaml::Span, Arc<serde_json::Value>>>,
}

impl Job<'_> {
    /// The plugin of a step: a native one, or a module.
    fn plugin(&self, kind: &str) -> Option<&Arc<dyn DynPlugin>> {
        let module = self.modules.get(kind).map(|module| &module.plugin);
        module.or_else(|| self.context.registry.get(kind))
    }

    /// Every kind that a step can have, modules that could not be loaded included.
    fn kinds(&self) -> Vec<&str> {
        let native = self.context.registry.iter().map(|(kind, _)| kind);
        native.chain(self.config.wasm.keys().map(|name| &**name)).collect()
    }

    /// The API of this id in the previous snapshot, for its counters.
    fn before(&self, id: &str) -> Option<&Arc<ServedApi>> {
        let previous = self.context.previous?;
        if id == Snapshot::FALLBACK { Some(previous.fallback()) } else { previous.api(id) }
    }

    /// Whether all that something was built with is what it was.
    fn still(&self, used: &Used) -> bool {
        self.cache.unchanged(&used.secrets) && self.upstreams.unchanged(&used.upstreams)
    }

    /// The same, if it was made of just the same.
    fn unchanged(&self, id: &str, key: Digest) -> Option<&Arc<ServedApi>> {
        self.before(id).filter(|before| self.reuse && before.key == key && self.still(&before.used))
    }
}

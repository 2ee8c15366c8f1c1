//! Building a gateway: in a binary's `main`, or inside a test on port 0, many in one process.

use crate::{
    control::{Controller, LogControl, Parts, Process, ReleaseError, recall, watch},
    edge::{Edge, ListenerStatus},
    handlers::Handlers,
    insight,
};
use paifang_config::source::{FileSource, MemoryFiles, Origin, RealFiles};
use paifang_pipeline::{
    DuplicatePlugin, DynPlugin, Plugin, Registry,
    ports::{Clock, Store, SystemClock, TokioSpawn},
};
use paifang_state::LocalStore;
use std::{
    collections::BTreeMap, net::SocketAddr, path::PathBuf, process::ExitCode, sync::Arc,
    time::Duration,
};

/// Variables for `${NAME}` and `{ env: NAME }`.
pub(crate) type Environment = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Where the config comes from, as the whole gateway uses it.
#[derive(Clone)]
pub(crate) struct Sources {
    pub(crate) origin: Origin,
    pub(crate) files: Arc<dyn FileSource>,
    pub(crate) environment: Environment,
}

/// A gateway to be.
///
/// ```no_run
/// # async fn example() -> Result<(), paifang::StartError> {
/// let gateway = paifang::Gateway::builder().config("paifang.yaml").start().await?;
/// gateway.stop(std::time::Duration::from_secs(10)).await;
/// # Ok(())
/// # }
/// ```
pub struct Builder {
    plugins: Vec<Arc<dyn DynPlugin>>,
    sources: Sources,
    clock: Arc<dyn Clock>,
    store: Arc<dyn Store>,
    log: Option<Arc<dyn LogControl>>,
    releases: Option<PathBuf>,
    handlers: Arc<Handlers>,
    process: Process,
}

/// The path under which [`Builder::yaml`] puts its text.
const IN_MEMORY: &str = "paifang.yaml";

impl Default for Builder {
    fn default() -> Self {
        Self {
            plugins: Vec::new(),
            sources: Sources {
                origin: Origin { root: IN_MEMORY.into(), overlays: Vec::new() },
                files: Arc::new(RealFiles),
                environment: Arc::new(|name| std::env::var(name).ok()),
            },
            clock: Arc::new(SystemClock::new()),
            store: Arc::new(LocalStore::new()),
            log: None,
            releases: None,
            handlers: Arc::new(Handlers::new(None)),
            process: Process::default(),
        }
    }
}

impl Builder {
    /// Reads the config from this file. Default: `paifang.yaml`.
    #[must_use]
    pub fn config(mut self, path: impl Into<PathBuf>) -> Self {
        self.sources.origin.root = path.into();
        self
    }

    /// Merges this file over the config, after those given before.
    #[must_use]
    pub fn overlay(mut self, path: impl Into<PathBuf>) -> Self {
        self.sources.origin.overlays.push(path.into());
        self
    }

    /// Takes the config from this text instead of a file.
    #[must_use]
    pub fn yaml(self, text: impl Into<String>) -> Self {
        let files = MemoryFiles::new([(IN_MEMORY, text.into().into_bytes())]);
        self.files(Arc::new(files)).config(IN_MEMORY)
    }

    /// Reads all files through this, for configs that live elsewhere than on disk.
    #[must_use]
    pub fn files(mut self, files: Arc<dyn FileSource>) -> Self {
        self.sources.files = files;
        self
    }

    /// Takes variables and secrets from these alone, not from the process's environment.
    #[must_use]
    pub fn environment<N: Into<String>, V: Into<String>>(
        mut self,
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let variables: BTreeMap<String, String> =
            variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        self.sources.environment = Arc::new(move |name| variables.get(name).cloned());
        self
    }

    /// Adds a plugin beside the built-in ones.
    #[must_use]
    pub fn plugin(mut self, plugin: impl Plugin) -> Self {
        self.plugins.push(Arc::new(plugin));
        self
    }

    /// Measures with this clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Keeps limits and nonces here. Two gateways with one store share them.
    #[must_use]
    pub fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = store;
        self
    }

    /// Keeps releases in this directory, whatever the config says. With it a gateway finds its last
    /// good release even when the config cannot be read at all.
    #[must_use]
    pub fn releases(mut self, directory: impl Into<PathBuf>) -> Self {
        self.releases = Some(directory.into());
        self
    }

    /// Keeps the compiled code of WASM handlers in this directory, which must be ours alone; without
    /// it they are compiled anew by each process.
    #[must_use]
    pub fn code_cache(mut self, directory: impl Into<PathBuf>) -> Self {
        self.handlers = Arc::new(Handlers::new(Some(directory.into())));
        self
    }

    /// Lets the admin API steer this log.
    #[must_use]
    pub fn log(mut self, log: Arc<dyn LogControl>) -> Self {
        self.log = Some(log);
        self
    }

    /// Tells the gateway of the process that is there for it alone.
    pub(crate) fn process(mut self, process: Process) -> Self {
        self.process = process;
        self
    }

    /// Starts the gateway on the runtime that this is awaited on.
    ///
    /// When the config is broken, the last good release that was kept is served instead, loudly.
    ///
    /// # Errors
    /// When neither can be had.
    pub async fn start(self) -> Result<Gateway, StartError> {
        let registry = self.registry()?;
        let parts = Parts {
            registry,
            sources: self.sources,
            clock: self.clock,
            store: self.store,
            spawn: Arc::new(TokioSpawn(tokio::runtime::Handle::current())),
            log: self.log,
            releases: self.releases,
            handlers: self.handlers,
            process: self.process,
        };
        let controller = Controller::start(parts).await?;
        tokio::spawn(watch(Arc::downgrade(&controller), controller.gone_live()));
        tokio::spawn(recall(Arc::downgrade(&controller), controller.gone_live()));
        tokio::spawn(insight::sample(Arc::downgrade(&controller)));
        Ok(Gateway { controller })
    }

    /// Runs the command line of this gateway: `run`, `check`, `explain` and all others, with its
    /// plugins. What a binary's `main` returns.
    #[must_use]
    pub fn run(self) -> ExitCode {
        crate::cli::main(self)
    }

    /// All plugins that this gateway knows.
    pub(crate) fn registry(&self) -> Result<Registry, DuplicatePlugin> {
        let mut registry = Registry::default();
        paifang_plugins::register(&mut registry)?;
        self.plugins.iter().try_for_each(|plugin| registry.add(plugin.clone()))?;
        Ok(registry)
    }

    /// The sources, for commands that only look.
    pub(crate) fn sources(&self) -> &Sources {
        &self.sources
    }

    /// What loads WASM handlers.
    pub(crate) fn handlers(&self) -> &Arc<Handlers> {
        &self.handlers
    }

    /// The store and the clock, for commands that only look.
    pub(crate) fn state(&self) -> (&Arc<dyn Store>, &Arc<dyn Clock>) {
        (&self.store, &self.clock)
    }
}

/// Why a gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Two plugins have one name.
    #[error(transparent)]
    Plugin(#[from] DuplicatePlugin),
    /// The config cannot be made a release, and no earlier one is kept.
    #[error(transparent)]
    Release(#[from] ReleaseError),
    /// The admin API cannot listen.
    #[error(transparent)]
    Admin(#[from] crate::admin::AdminError),
    /// The process whose place should be taken has given up.
    #[error("no place to take: {0}")]
    TakeOver(std::io::Error),
    /// The system gives no randomness.
    #[error("the system gives no randomness for keys")]
    NoRandomness,
}

/// A running gateway. Dropping it closes everything at once; [`Gateway::stop`] is gentler.
pub struct Gateway {
    controller: Arc<Controller>,
}

impl Gateway {
    /// A gateway with the built-in plugins.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The listeners, with the ports that port 0 was given.
    #[must_use]
    pub fn listeners(&self) -> Vec<ListenerStatus> {
        self.edge().listeners()
    }

    /// Where a listener listens.
    #[must_use]
    pub fn address(&self, listener: &str) -> Option<SocketAddr> {
        self.listeners().iter().find(|known| &*known.name == listener).map(|known| known.address)
    }

    /// Where the admin API listens, where the config has one.
    #[must_use]
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.controller.admin_address()
    }

    /// Reads the config again and makes it live.
    ///
    /// # Errors
    /// Why it cannot be; the release before goes on serving.
    pub async fn reload(&self) -> Result<u64, ReleaseError> {
        let report = self.controller.reload(crate::control::Cause::Reload).await?;
        Ok(report.release)
    }

    /// Stops: no new connections, calls in flight finish within `grace`, the rest is cut. Returns
    /// how many connections were cut.
    pub async fn stop(self, grace: Duration) -> u64 {
        self.controller.stop(grace).await
    }

    /// Another process serves: this one's connections end by themselves, within `patience`; the rest is
    /// cut. Returns how many connections were cut.
    pub(crate) async fn leave(&self, patience: Duration) -> u64 {
        self.controller.leave(patience).await
    }

    /// How long the config gives calls in flight when the gateway stops.
    #[must_use]
    pub fn grace(&self) -> Duration {
        self.controller.grace()
    }

    /// What reloads, for the signals of a process.
    pub(crate) fn controller(&self) -> &Arc<Controller> {
        &self.controller
    }

    fn edge(&self) -> &Edge {
        self.controller.edge()
    }
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway").field("listeners", &self.listeners()).finish()
    }
}

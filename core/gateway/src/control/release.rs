//! The controller: makes releases, keeps them, goes back to them.

use super::{
    LogControl, keep,
    link::Linked,
    make::Maker,
    report::{Kept, Report},
};
use crate::{
    admin::{Admin, AdminError, Token},
    builder::{Sources, StartError},
    edge::{Edge, ListenError},
    front::HttpFront,
    live::{Dispatcher, Live, Refusals, Serving, TraceKey},
    metrics::{Metrics, ReleaseCounters},
    upstream::{Deps, SystemResolver, SystemRoots},
};
use arc_swap::ArcSwapOption;
use paifang_config::{
    compile::Stamp,
    diag::Diagnostics,
    diff::{self, Diff},
    release::{ReleaseStore, StoreError},
    snapshot::Snapshot,
    source::ParseCache,
};
use paifang_pipeline::{
    Engine, Registry,
    ports::{Clock, Spawn, Store},
};
use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};

/// Why a release is made.
pub(crate) use paifang_config::snapshot::Cause;

/// How long a new upstream's names may take to be looked up before the release goes on without.
const WARM_UP: Duration = Duration::from_secs(2);

/// What a controller is made of.
pub(crate) struct Parts {
    pub(crate) registry: Registry,
    pub(crate) sources: Sources,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) spawn: Arc<dyn Spawn>,
    pub(crate) log: Option<Arc<dyn LogControl>>,
    /// Where releases are kept, whatever the config says.
    pub(crate) releases: Option<PathBuf>,
}

/// Why a release was not made. The one before goes on serving.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// The config is wrong.
    #[error("the config is refused: {} {}", .0.as_slice().len(), if .0.as_slice().len() == 1 { "error" } else { "errors" })]
    Config(Diagnostics),
    /// A listener cannot be had.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// A handler could not be started.
    #[error("{0}")]
    Handler(String),
    /// There is no such release, or none are kept.
    #[error("there is no release {number} to go back to")]
    Unknown {
        /// The number asked for.
        number: u64,
    },
    /// Releases cannot be read.
    #[error("releases cannot be read: {0}")]
    Store(#[from] StoreError),
    /// The gateway is stopping.
    #[error("the gateway is stopping")]
    Stopping,
}

impl ReleaseError {
    /// More, for people: every error of the config at its place.
    #[must_use]
    pub fn details(&self) -> Option<String> {
        match self {
            Self::Config(diagnostics) => Some(diagnostics.render()),
            _ => None,
        }
    }
}

/// What only one release at a time may touch.
#[derive(Default)]
struct Transaction {
    cache: ParseCache,
    /// Number of the newest release ever made here.
    number: u64,
    store: Option<ReleaseStore>,
}

/// Steers one gateway.
pub(crate) struct Controller {
    registry: Registry,
    sources: Sources,
    clock: Arc<dyn Clock>,
    store: Arc<dyn Store>,
    deps: Deps,
    log: Option<Arc<dyn LogControl>>,
    releases: Option<PathBuf>,
    pub(super) live: Arc<Live>,
    pub(super) edge: Arc<Edge>,
    metrics: Metrics,
    counters: Arc<ReleaseCounters>,
    trace_key: Arc<TraceKey>,
    /// Held through a release: two reloads at once come one after the other.
    transaction: tokio::sync::Mutex<Transaction>,
    /// The release that was gone back to, until a reload.
    pinned: Mutex<Option<u64>>,
    /// Why the last attempt failed, until one succeeds.
    pub(super) last_failure: ArcSwapOption<String>,
    ready: AtomicBool,
    admin: OnceLock<tokio::sync::Mutex<Option<Admin>>>,
    admin_address: OnceLock<SocketAddr>,
    pub(super) started: SystemTime,
}

impl Controller {
    /// Makes the first release and serves it.
    pub(crate) async fn start(parts: Parts) -> Result<Arc<Self>, StartError> {
        let Parts { registry, sources, clock, store, spawn, log, releases } = parts;
        let trace_key = Arc::new(TraceKey::generate().map_err(|_| StartError::NoRandomness)?);
        let deps = Deps {
            spawn,
            clock: clock.clone(),
            resolver: Arc::new(SystemResolver::new()),
            roots: Arc::new(SystemRoots::default()),
        };
        let mut transaction = Transaction::default();
        let maker = Maker { registry: &registry, sources: &sources, store: &*store, deps: &deps };
        let linked = maker.first(&mut transaction.cache, releases.as_ref())?;
        let snapshot = linked.serving.snapshot.clone();

        let live: Arc<Live> = Arc::new(Live::from_pointee(linked.serving));
        let refusals = Arc::new(Refusals::default());
        let engine = Engine::new(clock.clone());
        let dispatcher = Dispatcher::new(live.clone(), engine, trace_key.clone(), refusals.clone());
        let front = HttpFront::new(Arc::new(dispatcher));
        let edge = Arc::new(Edge::new(Arc::new(front), tokio::runtime::Handle::current()));
        let counters = Arc::new(ReleaseCounters::default());
        let controller = Arc::new(Self {
            metrics: Metrics::new(&live, &edge, &refusals, &counters),
            registry,
            sources,
            clock,
            store,
            deps,
            log,
            releases,
            live,
            edge,
            counters,
            trace_key,
            pinned: Mutex::new(None),
            transaction: tokio::sync::Mutex::new(transaction),
            last_failure: ArcSwapOption::empty(),
            ready: AtomicBool::new(false),
            admin: OnceLock::new(),
            admin_address: OnceLock::new(),
            started: SystemTime::now(),
        });
        let mut transaction = controller.transaction.lock().await;
        let prepared =
            controller.edge.prepare(linked.listeners).await.map_err(ReleaseError::from)?;
        snapshot.start(None, &controller.deps.spawn).map_err(ReleaseError::Handler)?;
        controller.warm(&controller.live.load_full()).await;
        prepared.commit(Duration::ZERO).await;
        if let Some(pinned) = transaction.store.as_ref().and_then(|store| store.pinned().ok()?)
            && matches!(snapshot.cause(), Cause::Rollback(_))
        {
            *lock(&controller.pinned) = Some(pinned);
        }
        controller.went_live(&mut transaction, &snapshot);
        drop(transaction);
        controller.start_admin(&snapshot).await?;
        controller.ready.store(true, Relaxed);
        Ok(controller)
    }

    /// Reads the files again and makes them the live release.
    ///
    /// # Errors
    /// Why not; then nothing has changed.
    pub(crate) async fn reload(self: &Arc<Self>, cause: Cause) -> Result<Report, ReleaseError> {
        self.release(cause, None).await
    }

    /// Makes an earlier release live again, and pins it.
    ///
    /// # Errors
    /// Why not; then nothing has changed.
    pub(crate) async fn rollback(self: &Arc<Self>, number: u64) -> Result<Report, ReleaseError> {
        self.release(Cause::Rollback(number), Some(number)).await
    }

    async fn release(
        self: &Arc<Self>,
        cause: Cause,
        earlier: Option<u64>,
    ) -> Result<Report, ReleaseError> {
        // A task of its own: the transaction goes through to its end even when whoever asked for
        // it has gone away meanwhile.
        let this = self.clone();
        let task = tokio::spawn(async move { this.transact(cause, earlier).await });
        let done = task.await.unwrap_or_else(|panic| {
            Err(ReleaseError::Handler(format!("the release ended early: {panic}")))
        });
        match &done {
            Ok(report) => {
                self.last_failure.store(None);
                tracing::info!(release = report.release, built = report.apis_built, "released");
            }
            Err(failed) => {
                self.counters.failed.fetch_add(1, Relaxed);
                let told = match failed.details() {
                    Some(details) => format!("{failed}\n{details}"),
                    None => failed.to_string(),
                };
                tracing::error!("not released, the release before goes on serving: {told}");
                self.last_failure.store(Some(Arc::new(told)));
            }
        }
        done
    }

    /// load → compile → link → listen → start → live.
    async fn transact(
        self: &Arc<Self>,
        cause: Cause,
        earlier: Option<u64>,
    ) -> Result<Report, ReleaseError> {
        let mut transaction = self.transaction.lock().await;
        if !self.ready.load(Relaxed) {
            return Err(ReleaseError::Stopping);
        }
        let began = std::time::Instant::now();
        let number = transaction.number + 1;
        let old = self.live.load_full();

        // Compiling takes processor time: off the threads that serve.
        let this = self.clone();
        let before = old.clone();
        let cache = std::mem::take(&mut transaction.cache);
        let store = transaction.store.clone();
        let compiled = tokio::task::spawn_blocking(move || {
            let mut cache = cache;
            let made = this.make(number, cause, earlier, store.as_ref(), &before, &mut cache);
            (made, cache)
        });
        let (made, cache) = compiled
            .await
            .map_err(|panic| ReleaseError::Handler(format!("compiling ended early: {panic}")))?;
        transaction.cache = cache;
        let Linked { serving, listeners } = made?;

        let snapshot = serving.snapshot.clone();
        let prepared = self.edge.prepare(listeners).await?;
        snapshot.start(Some(&old.snapshot), &self.deps.spawn).map_err(ReleaseError::Handler)?;
        let serving = Arc::new(serving);
        self.warm(&serving).await;

        // From here on nothing can fail.
        self.live.store(serving);
        prepared.commit(snapshot.config().shutdown.grace.get()).await;
        old.snapshot.drain(Some(&snapshot));
        transaction.number = number;
        *lock(&self.pinned) = earlier;
        let kept = self.went_live(&mut transaction, &snapshot);
        let diff = diff::diff(&old.snapshot, &snapshot);
        Ok(Report::new(&snapshot, began.elapsed(), kept, &diff))
    }

    /// Loads, compiles and links; blocks.
    fn make(
        &self,
        number: u64,
        cause: Cause,
        earlier: Option<u64>,
        store: Option<&ReleaseStore>,
        old: &Serving,
        cache: &mut ParseCache,
    ) -> Result<Linked, ReleaseError> {
        let maker = self.maker();
        let stamp = Stamp { number, time: SystemTime::now(), cause };
        match earlier {
            None => maker.from_files(cache, stamp, Some(old)).map_err(ReleaseError::Config),
            Some(wanted) => {
                let store = store.ok_or(ReleaseError::Unknown { number: wanted })?;
                maker.from_store(store, wanted, stamp, Some(old))
            }
        }
    }

    fn maker(&self) -> Maker<'_> {
        Maker {
            registry: &self.registry,
            sources: &self.sources,
            store: &*self.store,
            deps: &self.deps,
        }
    }

    /// What reloading now would change; changes nothing.
    pub(crate) async fn diff(self: &Arc<Self>) -> Result<Diff, ReleaseError> {
        let this = self.clone();
        let compared = tokio::task::spawn_blocking(move || {
            let old = this.live.load_full();
            let number = old.snapshot.number() + 1;
            let mut cache = ParseCache::new();
            let linked = this.make(number, Cause::Check, None, None, &old, &mut cache)?;
            Ok(diff::diff(&old.snapshot, &linked.serving.snapshot))
        });
        compared.await.unwrap_or_else(|panic| {
            Err(ReleaseError::Handler(format!("comparing ended early: {panic}")))
        })
    }

    /// Starts the upstreams, and gives their names a moment to be looked up.
    async fn warm(&self, serving: &Serving) {
        serving.upstreams.start();
        if tokio::time::timeout(WARM_UP, serving.upstreams.warmed()).await.is_err() {
            tracing::warn!(
                "some upstreams' names are not looked up yet; their calls fail until they are"
            );
        }
    }

    /// Notes a release that has gone live: log level, disk, counters.
    fn went_live(&self, transaction: &mut Transaction, snapshot: &Snapshot) -> Kept {
        self.counters.released.fetch_add(1, Relaxed);
        if let Some(log) = &self.log
            && let Err(why) = log.configure(snapshot.config().log.level.value())
        {
            tracing::warn!(%why, "`log.level` is not taken over");
        }
        transaction.number = transaction.number.max(snapshot.number());
        let directory = keep::directory(self.releases.as_ref(), snapshot);
        let pinned = *lock(&self.pinned);
        let origin = &self.sources.origin;
        match keep::keep(&mut transaction.store, snapshot, origin, directory, pinned) {
            Ok(kept) => kept,
            Err(failed) => {
                tracing::error!(error = %failed, "the release is live but not kept: after a restart with broken files it cannot be gone back to");
                Kept::Failed(failed.to_string())
            }
        }
    }

    async fn start_admin(self: &Arc<Self>, snapshot: &Snapshot) -> Result<(), AdminError> {
        let Some(admin) = &snapshot.config().admin else { return Ok(()) };
        let token = Token::new(snapshot.admin_token());
        let admin = Admin::start(admin.value.address.0, token, self.clone()).await?;
        // Set once, here.
        let _ = self.admin_address.set(admin.address());
        let _ = self.admin.set(tokio::sync::Mutex::new(Some(admin)));
        Ok(())
    }

    /// Stops; see [`crate::Gateway::stop`].
    pub(crate) async fn stop(&self, grace: Duration) -> u64 {
        self.ready.store(false, Relaxed);
        let cut = self.edge.drain(grace).await;
        self.live.load().snapshot.drain(None);
        if let Some(admin) = self.admin.get()
            && let Some(admin) = admin.lock().await.take()
        {
            admin.stop().await;
        }
        cut
    }

    /// All releases that are kept, the newest first.
    pub(crate) async fn list(&self) -> Result<Vec<paifang_config::release::Listed>, ReleaseError> {
        let store = self.transaction.lock().await.store.clone();
        let Some(store) = store else { return Ok(Vec::new()) };
        let listed = tokio::task::spawn_blocking(move || store.list()).await;
        let listed = listed
            .map_err(|panic| ReleaseError::Handler(format!("listing ended early: {panic}")))?;
        Ok(listed?)
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.ready.load(Relaxed)
    }

    pub(crate) fn pinned(&self) -> Option<u64> {
        *lock(&self.pinned)
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    pub(crate) fn edge(&self) -> &Edge {
        &self.edge
    }

    pub(crate) fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_address.get().copied()
    }

    pub(crate) fn grace(&self) -> Duration {
        self.live.load().snapshot.config().shutdown.grace.get()
    }

    pub(crate) fn log_level(&self) -> Option<String> {
        self.log.as_ref().map(|log| log.level())
    }

    pub(crate) fn set_log_level(&self, level: &str) -> Option<Result<(), String>> {
        let log = self.log.as_ref()?;
        tracing::warn!(level, "log level changed through the admin API");
        Some(log.set_level(level))
    }

    /// A header value that has calls traced for `ttl`.
    pub(crate) fn sign_trace(&self, ttl: Duration) -> String {
        self.trace_key.sign(self.clock.unix() + ttl)
    }

    /// The folders to watch; `None` where the config doesn't ask for it.
    pub(crate) fn watched(&self) -> Option<Vec<PathBuf>> {
        let live = self.live.load();
        let snapshot = &live.snapshot;
        if !snapshot.config().reload.watch {
            return None;
        }
        let files = snapshot.sources().files().iter().map(|file| file.directory().to_path_buf());
        let mut folders: Vec<PathBuf> = files
            .chain(snapshot.tree().directories.iter().cloned())
            .map(|folder| if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder })
            .collect();
        folders.sort();
        folders.dedup();
        Some(folders)
    }

    pub(crate) fn debounce(&self) -> Duration {
        self.live.load().snapshot.config().reload.debounce.get()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // What is inside is a plain value: a panic elsewhere leaves it whole.
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

//! The controller: what one gateway consists of, how it starts and how it ends.

use super::{
    LogControl,
    audit::Audit,
    keep::Keeping,
    level,
    make::{First, Maker},
    release::ReleaseError,
};
use crate::{
    access::{AccessFront, AccessHost, HttpDoors},
    admin::{Access, Admin, AdminChange, AdminError},
    builder::{Sources, StartError},
    cache::Cache,
    edge::{Edge, Sockets},
    front::{Fronts, HttpFront},
    handlers::Handlers,
    insight::Sampler,
    live::{Dispatcher, Held, Live, Refusals, TraceKey},
    metrics::{Metrics, ReleaseCounters},
    outbound::Outlets,
    stores::SharedStores,
    upgrade::{Program, Successor, Takeover},
    upstream::{Deps, SystemResolver, SystemRoots},
};
use arc_swap::ArcSwapOption;
use paifang_config::{snapshot::Snapshot, source::ParseCache};
use paifang_pipeline::{
    Engine, Registry, SlowLog,
    ports::{Clock, Spawn, Store},
};
use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};
use tokio::sync::watch;

/// How long requests to an admin API that a release has moved may take to end.
pub(super) const ADMIN_MOVES: Duration = Duration::from_secs(10);

/// The like when the gateway ends.
const ADMIN_ENDS: Duration = Duration::from_secs(1);

/// How long spans that are still queued may take to be sent when the gateway ends.
const SPANS_END: Duration = Duration::from_secs(2);

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
    pub(crate) handlers: Arc<Handlers>,
    pub(crate) process: Process,
}

/// What the gateway is to the process around it.
#[derive(Debug, Default)]
pub(crate) struct Process {
    /// What runs in this process's place when it is upgraded; `None` where the process is another's.
    pub(crate) program: Option<Program>,
    /// The process whose place is taken.
    pub(crate) takeover: Option<Takeover>,
    /// Sockets that listen already.
    pub(crate) sockets: Arc<Sockets>,
}

/// What only one release at a time may touch.
#[derive(Default)]
pub(super) struct Transaction {
    pub(super) cache: ParseCache,
    /// Number of the newest release ever made here.
    pub(super) number: u64,
    /// Where releases are kept.
    pub(super) keeping: Option<Keeping>,
}

/// Steers one gateway. Whatever runs beside it holds it weakly: it ends when its owner drops it.
pub(crate) struct Controller {
    pub(super) registry: Registry,
    pub(super) sources: Sources,
    pub(super) store: Arc<dyn Store>,
    pub(super) stores: Arc<SharedStores>,
    pub(crate) deps: Deps,
    pub(super) outlets: Arc<Outlets>,
    pub(super) log: Option<Arc<dyn LogControl>>,
    pub(super) releases: Option<PathBuf>,
    pub(super) handlers: Arc<Handlers>,
    /// Connections that speak MMTP.
    pub(super) access: Arc<paifang_access::Server<AccessHost>>,
    /// Kept answers.
    pub(super) answers: Arc<Cache>,
    pub(crate) live: Arc<Live>,
    pub(super) held: Arc<Held>,
    pub(super) edge: Arc<Edge>,
    metrics: Metrics,
    pub(super) counters: Arc<ReleaseCounters>,
    trace_key: Arc<TraceKey>,
    /// What calls have counted of late.
    pub(crate) sampler: Sampler,
    /// From when on steps and calls are told of as slow.
    pub(super) slow: Arc<SlowLog>,
    /// Held through a release: two reloads at once come one after the other.
    pub(super) transaction: tokio::sync::Mutex<Transaction>,
    /// The release that was gone back to, until a reload.
    pub(super) pinned: Mutex<Option<u64>>,
    /// Why the last attempt failed, until one succeeds.
    pub(super) last_failure: ArcSwapOption<String>,
    /// What was done with plans.
    pub(super) audit: Arc<Audit>,
    /// Why the live release is not kept on disk, where it should be.
    pub(super) not_kept: ArcSwapOption<String>,
    /// Tells of every release that goes live; its end is the controller's.
    pub(super) released: watch::Sender<u64>,
    ready: AtomicBool,
    /// Handlers have been started, and not been told yet that they end.
    undrained: AtomicBool,
    pub(super) admin: Mutex<Option<Admin>>,
    pub(super) sockets: Arc<Sockets>,
    pub(super) program: Option<Program>,
    /// An upgrade under way.
    pub(super) upgrade: Mutex<Option<tokio::task::AbortHandle>>,
    /// Why the last upgrade failed.
    pub(super) upgrade_failure: ArcSwapOption<String>,
    /// The process that has taken our place.
    pub(super) successor: watch::Sender<Option<Arc<Successor>>>,
    pub(super) started: SystemTime,
}

impl Controller {
    /// Makes the first release and serves it.
    pub(crate) async fn start(parts: Parts) -> Result<Arc<Self>, StartError> {
        let Parts { registry, sources, clock, store, spawn, log, releases, handlers, process } =
            parts;
        let Process { program, takeover, sockets } = process;
        let trace_key = Arc::new(TraceKey::generate().map_err(|_| StartError::NoRandomness)?);
        let deps = Deps {
            spawn,
            clock: clock.clone(),
            resolver: Arc::new(SystemResolver::new()),
            roots: Arc::new(SystemRoots::default()),
        };
        let answers = Cache::new(0, clock.clone(), deps.spawn.clone());
        let mut cache = ParseCache::new();
        let outlets = Arc::default();
        let stores = Arc::new(SharedStores::new(deps.clock.clone(), store.clone()));
        let maker = Maker {
            registry: &registry,
            sources: &sources,
            store: &*store,
            stores: &stores,
            deps: &deps,
            outlets: &outlets,
            handlers: &handlers,
            cache: &answers,
        };
        let First { linked, keeping, pinned, failure } =
            maker.first(&mut cache, releases.as_ref(), takeover.as_ref())?;
        let snapshot = linked.serving.snapshot.clone();
        let directory = keeping.as_ref().map(|keeping| keeping.store().directory());
        let audit = Arc::new(Audit::read(directory));

        let live: Arc<Live> = Arc::new(Live::from_pointee(linked.serving));
        let refusals = Arc::new(Refusals::default());
        let engine = Engine::new(clock);
        let slow = engine.slow().clone();
        let dispatcher = Dispatcher::new(live.clone(), engine, trace_key.clone(), refusals.clone());
        let dispatcher = Arc::new(dispatcher);
        let (local, clock) = (store.clone(), deps.clock.clone());
        let host = Arc::new(AccessHost::new(dispatcher.clone(), live.clone(), local, clock));
        let access = Arc::new(paifang_access::Server::new(host));
        let http = HttpDoors::new(dispatcher, live.clone(), access.clone());
        let front = Fronts::new(HttpFront::new(Arc::new(http)), AccessFront(access.clone()));
        let edge = Edge::new(Arc::new(front), tokio::runtime::Handle::current());
        let edge = Arc::new(edge.with_sockets(sockets.clone()));
        let counters = Arc::new(ReleaseCounters::default());
        let held: Arc<Held> = Arc::default();
        let controller = Arc::new(Self {
            metrics: Metrics::new(
                &live,
                &held,
                &edge,
                &refusals,
                &counters,
                &registry,
                (&handlers, &stores),
            )
            .with_cache(&answers)
            .with_mmtp(&access),
            access,
            answers,
            handlers,
            registry,
            sources,
            store,
            stores,
            deps,
            outlets,
            log,
            releases,
            live,
            held,
            edge,
            counters,
            trace_key,
            sampler: Sampler::default(),
            slow,
            transaction: tokio::sync::Mutex::new(Transaction { cache, number: 0, keeping }),
            pinned: Mutex::new(pinned),
            last_failure: ArcSwapOption::new(failure.map(Arc::new)),
            audit,
            not_kept: ArcSwapOption::empty(),
            released: watch::Sender::new(snapshot.number()),
            ready: AtomicBool::new(false),
            undrained: AtomicBool::new(false),
            admin: Mutex::new(None),
            sockets,
            program,
            upgrade: Mutex::default(),
            upgrade_failure: ArcSwapOption::empty(),
            successor: watch::Sender::new(None),
            started: SystemTime::now(),
        });
        let mut transaction = controller.transaction.lock().await;
        // First, so that a second gateway of the same config ends before it has done anything.
        let admin = controller.prepare_admin(&snapshot).await?;
        let prepared =
            controller.edge.prepare(linked.listeners).await.map_err(ReleaseError::from)?;
        snapshot.start(None, &controller.deps.spawn).map_err(ReleaseError::Handler)?;
        controller.undrained.store(true, Relaxed);
        let serving = controller.live.load_full();
        controller.warm(&serving).await;
        if let Some(takeover) = &takeover {
            takeover.ready(snapshot.number()).await.map_err(StartError::TakeOver)?;
        }
        serving.outbound.go_live();
        prepared.commit(Duration::ZERO).await;
        controller.went_live(&mut transaction, &snapshot).await;
        drop(transaction);
        controller.ready.store(true, Relaxed);
        controller.commit_admin(admin, &snapshot);
        if let Some(takeover) = takeover {
            let predecessor = takeover.serving().map_err(StartError::TakeOver)?;
            tracing::info!(pid = predecessor.pid, "upgrade: this process has taken the place of");
            let _ = controller.counters.predecessor.set(predecessor);
        }
        Ok(controller)
    }

    /// What becomes of the admin API with this snapshot; binds its address where it is new.
    pub(super) async fn prepare_admin(
        &self,
        snapshot: &Snapshot,
    ) -> Result<AdminChange, AdminError> {
        let now = lock(&self.admin).as_ref().map(Admin::wished);
        let wished = snapshot.config().admin.as_ref().map(|admin| admin.value.address.0);
        AdminChange::prepare(now, wished, &self.sockets).await
    }

    /// Makes it so. The admin API that was there before finishes what it is asked.
    pub(super) fn commit_admin(self: &Arc<Self>, change: AdminChange, snapshot: &Snapshot) {
        let access = Access::of(snapshot);
        let mut admin = lock(&self.admin);
        let before = match change {
            AdminChange::Keep => {
                // The address is the same, so who may use it is its own to change.
                admin.iter().for_each(|admin| admin.admit(access.clone()));
                return;
            }
            AdminChange::End => admin.take(),
            AdminChange::Begin(bound) => admin.replace(bound.serve(access, Arc::downgrade(self))),
        };
        drop(admin);
        if let Some(before) = before {
            tracing::info!(address = %before.address(), "the admin API has left this address");
            tokio::spawn(before.stop(ADMIN_MOVES));
        }
    }

    /// Stops; see [`crate::Gateway::stop`].
    pub(crate) async fn stop(&self, grace: Duration) -> u64 {
        self.ready.store(false, Relaxed);
        if let Some(upgrade) = lock(&self.upgrade).take() {
            upgrade.abort();
        }
        let cut = self.edge.drain(grace).await;
        // A release that was under way has ended; from here on nobody writes releases.
        self.transaction.lock().await.keeping = None;
        self.drain_handlers();
        let tracer = self.live.load().tracer.clone();
        if let Some(tracer) = tracer {
            tracer.flush(SPANS_END).await;
        }
        let admin = lock(&self.admin).take();
        if let Some(admin) = admin {
            admin.stop(ADMIN_ENDS).await;
        }
        cut
    }

    /// Ends what this process still has when another one serves; see [`crate::Gateway::leave`].
    pub(crate) async fn leave(&self, patience: Duration) -> u64 {
        let admin = lock(&self.admin).take();
        // What asked for this is answered.
        let admin = async {
            if let Some(admin) = admin {
                admin.leave(ADMIN_MOVES).await;
            }
        };
        let (cut, ()) = tokio::join!(self.edge.leave(patience), admin);
        self.drain_handlers();
        cut
    }

    /// Tells of every release that goes live, and of the end.
    pub(crate) fn gone_live(&self) -> watch::Receiver<u64> {
        self.released.subscribe()
    }

    fn drain_handlers(&self) {
        if self.undrained.swap(false, Relaxed) {
            self.live.load().snapshot.drain(None);
        }
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.ready.load(Relaxed)
    }

    /// Whether releases are made here still, and not by the process that has taken our place.
    pub(super) fn releases_here(&self) -> bool {
        self.is_ready() && self.successor.borrow().is_none()
    }

    pub(crate) fn pinned(&self) -> Option<u64> {
        *lock(&self.pinned)
    }

    /// Kept answers.
    pub(crate) fn answers(&self) -> &Cache {
        &self.answers
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    pub(crate) fn edge(&self) -> &Edge {
        &self.edge
    }

    pub(crate) fn admin_address(&self) -> Option<SocketAddr> {
        lock(&self.admin).as_ref().map(Admin::address)
    }

    pub(crate) fn grace(&self) -> Duration {
        self.live.load().snapshot.config().shutdown.grace.get()
    }

    pub(crate) fn log_level(&self) -> Option<String> {
        self.log.as_ref().map(|log| log.level())
    }

    pub(crate) fn set_log_level(&self, level: &str) -> Option<Result<(), String>> {
        let log = self.log.as_ref()?;
        let set = level::check(level).and_then(|()| log.set_level(level));
        if set.is_ok() {
            tracing::warn!(level, "log level changed through the admin API");
        }
        Some(set)
    }

    /// A header value that has calls traced for `ttl`.
    pub(crate) fn sign_trace(&self, ttl: Duration) -> String {
        self.trace_key.sign(self.deps.clock.unix() + ttl)
    }
}

impl Drop for Controller {
    /// What handlers have started ends with the gateway, also with one that was never stopped, or
    /// not to the end.
    fn drop(&mut self) {
        self.drain_handlers();
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // What is inside is a plain value: a panic elsewhere leaves it whole.
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

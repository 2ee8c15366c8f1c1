//! State that gateways share, on Redis, a Redis Cluster, or what speaks their protocol.
//!
//! | state | where it lies | what a call asks of the network |
//! |---|---|---|
//! | rate limit | one key a subject; leases of it here | nothing but for a subject's first calls |
//! | nonces | one key a nonce; a memory of this gateway's here | one command a fresh nonce |
//! | values, counters, buckets | three keys a state key, in one slot | one command an operation |
//! | calls in flight | here: each gateway counts its own | nothing |
//!
//! Nothing here connects until [`Store::start`], and no error of the servers ever fails a
//! release. Every wait is bounded by the settings; how is told in `docs/shared-state.md`.

mod counts;
mod failure;
mod kv;
mod limiter;
mod link;
mod members;
mod nonces;
mod script;
mod settings;
mod slot;

use crate::{store::Shelf, subject::SubjectHash};
use kv::SharedKv;
use limiter::{SharedLimiter, Surroundings, TICK};
use link::Link;
use nonces::SharedNonces;
use paifang_pipeline::ports::{
    Clock, Concurrency, ConcurrencySpec, Kv, KvSpec, LimitSpec, Limiter, NonceSpec, Nonces, Spawn,
    StateKey, Store, StoreError, WhenAway,
};
use parking_lot::Mutex;
pub use settings::{RedisSettings, RedisTls};
use std::sync::{Arc, Weak, atomic::Ordering::Relaxed};
use tokio::sync::Notify;

/// See the module.
pub struct RedisStore {
    link: Arc<Link>,
    clock: Arc<dyn Clock>,
    hash: SubjectHash,
    /// Where calls in flight are counted.
    local: Arc<dyn Store>,
    limiters: Mutex<Shelf<(LimitSpec, WhenAway), SharedLimiter>>,
    nonces: Mutex<Shelf<(NonceSpec, WhenAway), SharedNonces>>,
    /// All limits, for the ticker.
    all: Arc<Mutex<Vec<Weak<limiter::Shared>>>>,
    wake: Arc<Notify>,
}

impl RedisStore {
    /// A store that is not started yet. `local` counts calls in flight.
    #[must_use]
    pub fn new(settings: RedisSettings, clock: Arc<dyn Clock>, local: Arc<dyn Store>) -> Self {
        Self {
            link: Arc::new(Link::new(settings)),
            clock,
            hash: SubjectHash::random(),
            local,
            limiters: Mutex::default(),
            nonces: Mutex::default(),
            all: Arc::default(),
            wake: Arc::new(Notify::new()),
        }
    }

    /// Whether it has been started: a store of a release that was not made never is.
    #[must_use]
    pub fn is_started(&self) -> bool {
        self.link.is_started()
    }

    /// How it is.
    #[must_use]
    pub fn read(&self) -> StoreReading {
        let shared = self.link.shared();
        let counts = &shared.counts;
        StoreReading {
            name: shared.settings.name.clone(),
            lanes: shared.lanes.count(),
            lanes_up: if shared.is_connected() { shared.lanes.up() } else { 0 },
            gateways: shared.members.count().map(std::num::NonZeroU32::get),
            trouble: shared.trouble(),
            commands: counts.commands(),
            leased: counts.leased.load(Relaxed),
            given_back: counts.given_back.load(Relaxed),
            waited: counts.waited.load(Relaxed),
            without: counts.without.load(Relaxed),
        }
    }
}

/// How a store is, and what it has counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreReading {
    /// Its name in the config.
    pub name: String,
    /// Parts of its keys that fail apart: ranges of slots, one without a cluster.
    pub lanes: usize,
    /// Those that take writes.
    pub lanes_up: usize,
    /// How many gateways share it; `None` where that is neither told nor learnt yet.
    pub gateways: Option<u32>,
    /// What is wrong, while something is.
    pub trouble: Option<String>,
    /// Commands by what became of them.
    pub commands: [(&'static str, u64); 5],
    /// Permits that were leased.
    pub leased: u64,
    /// Permits that were given back unused.
    pub given_back: u64,
    /// Answers that calls waited for.
    pub waited: u64,
    /// Answers that were found without the store.
    pub without: u64,
}

/// Looks after leases until the store is gone. Sleeps while nothing is leased.
async fn tick(link: Weak<Link>, all: Arc<Mutex<Vec<Weak<limiter::Shared>>>>, wake: Arc<Notify>) {
    while link.strong_count() > 0 {
        let alive: Vec<_> = {
            let mut all = all.lock();
            all.retain(|limiter| limiter.strong_count() > 0);
            all.iter().filter_map(Weak::upgrade).collect()
        };
        let mut busy = false;
        for limiter in &alive {
            busy |= limiter.tick();
        }
        drop(alive);
        if busy {
            tokio::time::sleep(TICK).await;
        } else {
            // Now and then it looks whether the store is still there.
            let _ = tokio::time::timeout(std::time::Duration::from_secs(1), wake.notified()).await;
        }
    }
}

impl Store for RedisStore {
    /// Begins to connect and to keep leases.
    fn start(&self, spawn: &Arc<dyn Spawn>) {
        if self.link.start(spawn) {
            let (link, all) = (Arc::downgrade(&self.link), self.all.clone());
            spawn.spawn(Box::pin(tick(link, all, self.wake.clone())));
        }
    }

    fn limiter(&self, key: &StateKey, spec: LimitSpec) -> Result<Arc<dyn Limiter>, StoreError> {
        self.limiter_when_away(key, spec, WhenAway::Local)
    }

    fn limiter_when_away(
        &self,
        key: &StateKey,
        spec: LimitSpec,
        away: WhenAway,
    ) -> Result<Arc<dyn Limiter>, StoreError> {
        let make = || {
            let with = Surroundings {
                link: self.link.clone(),
                clock: self.clock.clone(),
                hash: self.hash.clone(),
                wake: self.wake.clone(),
            };
            let made = SharedLimiter::new(key, spec, away, with);
            self.all.lock().push(Arc::downgrade(made.shared()));
            made
        };
        Ok(self.limiters.lock().get_or(key, (spec, away), make))
    }

    fn concurrency(
        &self,
        key: &StateKey,
        spec: ConcurrencySpec,
    ) -> Result<Arc<dyn Concurrency>, StoreError> {
        self.local.concurrency(key, spec)
    }

    fn nonces(&self, key: &StateKey, spec: NonceSpec) -> Result<Arc<dyn Nonces>, StoreError> {
        self.nonces_when_away(key, spec, WhenAway::Closed)
    }

    fn nonces_when_away(
        &self,
        key: &StateKey,
        spec: NonceSpec,
        away: WhenAway,
    ) -> Result<Arc<dyn Nonces>, StoreError> {
        let make = || SharedNonces::new(self.link.clone(), key, spec, away, self.hash.clone());
        Ok(self.nonces.lock().get_or(key, (spec, away), make))
    }

    fn kv(&self, key: &StateKey, spec: KvSpec) -> Result<Arc<dyn Kv>, StoreError> {
        Ok(Arc::new(SharedKv::new(self.link.clone(), key, spec)))
    }
}

impl std::fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisStore").field("name", &self.link.shared().settings.name).finish()
    }
}

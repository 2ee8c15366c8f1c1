//! A set of keys that a server publishes: fetched in the background, again and again, and at once
//! when a token names a key that is not in it.
//!
//! Calls read it without a lock. A set that cannot be read changes nothing; one that could not be
//! renewed for too long counts no more.

use super::{
    fetch::{self, Fetched},
    jwks::KeySet,
};
use arc_swap::{ArcSwap, Guard};
use paifang_pipeline::ports::{Clock, HttpOut, Nanos, Spawn};
use parking_lot::Mutex;
use std::{
    sync::{
        Arc, Weak,
        atomic::{
            AtomicBool, AtomicU64, AtomicUsize,
            Ordering::{Relaxed, SeqCst},
        },
    },
    time::Duration,
};
use tokio::{
    sync::{Notify, watch},
    time::{sleep, timeout},
};

/// The least time between two fetches that calls have asked for.
const GAP: Duration = Duration::from_secs(10);
/// The least time until the next regular fetch, whatever the server says of its answer.
const LEAST: Duration = Duration::from_secs(10);
/// After failures: the first wait, doubled each time up to the last.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// The most calls that wait for a fetch.
const MAX_WAITING: usize = 1_000;

/// Where a set is, and how it is kept fresh.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Source {
    pub(super) upstream: String,
    pub(super) path: String,
    pub(super) refresh: Duration,
    pub(super) stale: Duration,
    pub(super) timeout: Duration,
}

/// Fetches over all sets of a gateway.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) fetched: AtomicU64,
    pub(super) failed: AtomicU64,
}

/// A published set.
pub(super) struct Remote {
    source: Source,
    clock: Arc<dyn Clock>,
    counts: Arc<Counts>,
    /// Of the release that went live last, of those that use the set.
    http: Mutex<Arc<dyn HttpOut>>,
    now: ArcSwap<Loaded>,
    started: AtomicBool,
    /// A fetch is under way or asked for.
    busy: AtomicBool,
    /// When the last fetch began.
    began: AtomicU64,
    kick: Arc<Notify>,
    ended: watch::Sender<()>,
    waiting: AtomicUsize,
}

/// What the server said last.
pub(super) struct Loaded {
    /// None before the first answer.
    pub(super) set: Option<Arc<KeySet>>,
    /// Another number for each other answer.
    pub(super) generation: u64,
    /// Until when the set counts.
    until: Nanos,
    digest: Vec<u8>,
}

impl Loaded {
    /// The set, where it counts.
    pub(super) fn keys(&self, now: Nanos) -> Option<&KeySet> {
        self.set.as_deref().filter(|_| now < self.until)
    }
}

/// A call that waits for a fetch to end.
pub(super) struct Waiter {
    remote: Arc<Remote>,
    ended: watch::Receiver<()>,
}

impl Remote {
    pub(super) fn new(
        source: Source,
        http: Arc<dyn HttpOut>,
        clock: Arc<dyn Clock>,
        counts: Arc<Counts>,
    ) -> Self {
        let none = Loaded { set: None, generation: 0, until: Nanos(0), digest: Vec::new() };
        Self {
            source,
            clock,
            counts,
            http: Mutex::new(http),
            now: ArcSwap::from_pointee(none),
            started: AtomicBool::new(false),
            busy: AtomicBool::new(false),
            began: AtomicU64::new(0),
            kick: Arc::default(),
            ended: watch::Sender::new(()),
            waiting: AtomicUsize::new(0),
        }
    }

    pub(super) fn loaded(&self) -> Guard<Arc<Loaded>> {
        self.now.load()
    }

    /// Fetches from now on by this way out, until nobody has the set any more.
    pub(super) fn start(self: &Arc<Self>, spawn: &dyn Spawn, http: &Arc<dyn HttpOut>) {
        *self.http.lock() = http.clone();
        if !self.started.swap(true, SeqCst) {
            self.busy.store(true, SeqCst);
            spawn.spawn(Box::pin(run(Arc::downgrade(self), self.kick.clone())));
        }
    }

    /// A place to wait for the fetch that is under way, or for one that begins now; none where the
    /// last one is not long ago, or too many wait.
    pub(super) fn ask(self: &Arc<Self>) -> Option<Waiter> {
        if !self.started.load(SeqCst) {
            return None;
        }
        // First, so that no end of a fetch falls between.
        let ended = self.ended.subscribe();
        if self.waiting.fetch_add(1, SeqCst) >= MAX_WAITING {
            self.waiting.fetch_sub(1, SeqCst);
            return None;
        }
        let waiter = Waiter { remote: self.clone(), ended };
        if self.busy.load(SeqCst) {
            return Some(waiter);
        }
        let since = self.clock.now().since(Nanos(self.began.load(SeqCst)));
        if u128::from(since) < GAP.as_nanos() {
            return None;
        }
        if !self.busy.swap(true, SeqCst) {
            self.kick.notify_one();
        }
        Some(waiter)
    }

    async fn fetch(&self) -> Result<Duration, String> {
        self.busy.store(true, SeqCst);
        self.began.store(self.clock.now().0, SeqCst);
        let http = self.http.lock().clone();
        let fetched = fetch::get(&*http, &self.source).await;
        let fetched = fetched.and_then(|answer| self.take(answer));
        self.busy.store(false, SeqCst);
        self.ended.send_replace(());
        fetched
    }

    /// Takes an answer over and gives the time until the next one is wanted.
    fn take(&self, answer: Fetched) -> Result<Duration, String> {
        let Source { upstream, path, refresh, stale, .. } = &self.source;
        let wait = answer.fresh.unwrap_or(*refresh).min(*refresh).max(LEAST);
        let span = u64::try_from((wait + *stale).as_nanos()).unwrap_or(u64::MAX);
        let until = Nanos(self.clock.now().0.saturating_add(span));
        let before = self.now.load();
        let same = before.set.as_ref().filter(|_| before.digest == answer.digest);
        let (set, generation) = match same {
            Some(set) => (set.clone(), before.generation),
            None => {
                let set = answer.read()?;
                for why in &set.skipped {
                    tracing::warn!(%upstream, %path, "a key is not used: {why}");
                }
                tracing::info!(%upstream, %path, keys = set.keys.len(), "keys for tokens");
                (Arc::new(set), before.generation + 1)
            }
        };
        let digest = answer.digest;
        self.now.store(Arc::new(Loaded { set: Some(set), generation, until, digest }));
        Ok(wait)
    }

    /// Says loudly that nothing came, and how long to wait.
    fn failed(&self, why: &str, failures: u32) -> Duration {
        let Source { upstream, path, .. } = &self.source;
        if self.now.load().keys(self.clock.now()).is_some() {
            tracing::warn!(%upstream, %path, "no new keys for tokens, the old ones go on: {why}");
        } else {
            tracing::error!(%upstream, %path, "no keys for tokens, they are refused: {why}");
        }
        let (first, last) = BACKOFF;
        first.saturating_mul(1 << failures.min(16)).min(last)
    }
}

async fn run(remote: Weak<Remote>, kick: Arc<Notify>) {
    let mut failures = 0;
    while let Some(remote) = remote.upgrade() {
        let wait = match remote.fetch().await {
            Ok(wait) => {
                remote.counts.fetched.fetch_add(1, Relaxed);
                failures = 0;
                wait
            }
            Err(why) => {
                remote.counts.failed.fetch_add(1, Relaxed);
                failures += 1;
                remote.failed(&why, failures - 1)
            }
        };
        drop(remote);
        tokio::select! {
            () = sleep(wait) => {}
            () = kick.notified() => {}
        }
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        // Wakes the task, which then finds nobody.
        self.kick.notify_one();
    }
}

impl Waiter {
    /// Waits, no longer than a fetch may take.
    pub(super) async fn wait(mut self) {
        let most = self.remote.source.timeout + Duration::from_secs(1);
        // Whether it ended or not, the call looks for its key once more.
        let _ = timeout(most, self.ended.changed()).await;
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.remote.waiting.fetch_sub(1, SeqCst);
    }
}

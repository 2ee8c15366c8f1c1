//! Sessions that clients may resume, kept in this process: each is given out once, and then gone.
//!
//! So a first flight that somebody recorded and sends again finds no session any more, and its early data is refused
//! (RFC 8446 section 8.1): at most once is it taken. Tickets hold but the name of a session, 32 random bytes.
//!
//! Bounded by count, by bytes and by age; the oldest go first.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, RwLock};
use tokio_rustls::rustls::server::StoresServerSessions;

use crate::edge::stats::Counter;

/// Locks, so that threads seldom wait for each other.
const SHARDS: usize = 16;
/// What a session costs beside its name and itself, about, in bytes: its places in the map and in the queue.
const OVERHEAD: usize = 96;
/// Names come from rustls, and are this long; nobody can have been given another.
const NAME: usize = 32;

/// How much is kept, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLimits {
    /// Sessions at once. Every handshake gives its client two.
    pub count: usize,
    /// Bytes of all sessions, what it takes to keep them included. One is some 300 bytes, and more with a client's certificate.
    pub bytes: usize,
    /// How long one may be resumed; clients give them up after a day.
    pub lifetime: Duration,
}

/// What became of sessions since the listener began to keep them.
#[derive(Debug, Default)]
pub struct SessionStats {
    /// Kept for clients.
    pub kept: Counter,
    /// Given out, so resumed.
    pub taken: Counter,
    /// Asked for in vain: used already, too old, evicted, or of another gateway.
    pub missed: Counter,
    /// Forgotten to keep the limits.
    pub evicted: Counter,
    held: AtomicU64,
    held_bytes: AtomicU64,
}

impl SessionStats {
    /// Sessions held now.
    pub fn held(&self) -> u64 {
        self.held.load(Relaxed)
    }

    /// Bytes held now.
    pub fn held_bytes(&self) -> u64 {
        self.held_bytes.load(Relaxed)
    }
}

/// The store of one listener.
pub(in crate::edge) struct Sessions {
    shards: [Mutex<Shard>; SHARDS],
    limits: RwLock<SessionLimits>,
    stats: Arc<SessionStats>,
    clock: fn() -> Duration,
}

type Name = [u8; NAME];

#[derive(Default)]
struct Shard {
    sessions: HashMap<Name, Session>,
    /// In the order in which they came, those that were taken since included.
    order: VecDeque<Name>,
    bytes: usize,
}

struct Session {
    value: Box<[u8]>,
    /// On the store's clock.
    kept_at: Duration,
}

impl Sessions {
    pub(super) fn new(limits: SessionLimits) -> Self {
        Self::with_clock(limits, uptime)
    }

    fn with_clock(limits: SessionLimits, clock: fn() -> Duration) -> Self {
        let (shards, stats) = Default::default();
        Self { shards, limits: RwLock::new(limits), stats, clock }
    }

    pub(in crate::edge) fn stats(&self) -> &Arc<SessionStats> {
        &self.stats
    }

    /// Holds to `limits` from now on. What exceeds them goes as others come.
    pub(super) fn limit(&self, limits: SessionLimits) {
        *self.limits.write() = limits;
    }

    fn shard(&self, name: &Name) -> &Mutex<Shard> {
        &self.shards[usize::from(name[0]) % SHARDS]
    }

    fn account(&self, change: Change) {
        let Change { came, came_bytes, went, went_bytes } = change;
        // Wrapping: what goes came before.
        self.stats.held.fetch_add(came.wrapping_sub(went), Relaxed);
        self.stats.held_bytes.fetch_add(came_bytes.wrapping_sub(went_bytes), Relaxed);
    }
}

/// What one operation did to a shard.
#[derive(Default)]
struct Change {
    came: u64,
    came_bytes: u64,
    went: u64,
    went_bytes: u64,
}

fn cost(value: &[u8]) -> usize {
    2 * NAME + OVERHEAD + value.len()
}

/// Since the process first asked.
fn uptime() -> Duration {
    static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    BEGIN.elapsed()
}

impl Shard {
    fn remove(&mut self, name: &Name, change: &mut Change) -> Option<Session> {
        let session = self.sessions.remove(name)?;
        let bytes = cost(&session.value);
        self.bytes -= bytes;
        change.went += 1;
        change.went_bytes += bytes as u64;
        Some(session)
    }

    /// Forgets the oldest until the limits hold and none is too old; returns how many.
    fn evict(&mut self, limits: &SessionLimits, now: Duration, change: &mut Change) -> u64 {
        let mut evicted = 0;
        while let Some(name) = self.order.front().copied() {
            let over = self.sessions.len() > limits.count.div_ceil(SHARDS)
                || self.bytes > limits.bytes / SHARDS;
            if let Some(session) = self.sessions.get(&name) {
                if !over && now.saturating_sub(session.kept_at) <= limits.lifetime {
                    break;
                }
                self.remove(&name, change);
                evicted += 1;
            }
            self.order.pop_front();
        }
        // Those that were taken leave their names behind.
        if self.order.len() > 2 * self.sessions.len() + 64 {
            self.order.retain(|name| self.sessions.contains_key(name));
        }
        evicted
    }
}

impl StoresServerSessions for Sessions {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        let Ok(name) = Name::try_from(key) else { return false };
        let limits = *self.limits.read();
        let bytes = cost(&value);
        if bytes > limits.bytes / SHARDS {
            return false;
        }
        let now = (self.clock)();
        let mut change = Change { came: 1, came_bytes: bytes as u64, ..Change::default() };
        let evicted = {
            let mut shard = self.shard(&name).lock();
            let session = Session { value: value.into_boxed_slice(), kept_at: now };
            if shard.sessions.insert(name, session).is_some() {
                // Never, of 32 random bytes; but then neither may be resumed.
                shard.sessions.remove(&name);
                return false;
            }
            shard.bytes += bytes;
            shard.order.push_back(name);
            let evicted = shard.evict(&limits, now, &mut change);
            // Under the lock, so that what is held is never less than nothing.
            self.account(change);
            evicted
        };
        self.stats.kept.increment();
        self.stats.evicted.add(evicted);
        true
    }

    /// None: TLS 1.3 takes, and TLS 1.2 has tickets of its own.
    fn get(&self, _key: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        let lifetime = self.limits.read().lifetime;
        let session = Name::try_from(key).ok().and_then(|name| {
            let mut change = Change::default();
            let mut shard = self.shard(&name).lock();
            let session = shard.remove(&name, &mut change);
            self.account(change);
            session
        });
        let now = (self.clock)();
        let fresh = session.filter(|session| now.saturating_sub(session.kept_at) <= lifetime);
        match fresh {
            Some(session) => {
                self.stats.taken.increment();
                Some(session.value.into_vec())
            }
            None => {
                self.stats.missed.increment();
                None
            }
        }
    }

    fn can_cache(&self) -> bool {
        true
    }
}

impl fmt::Debug for Sessions {
    /// Without what they hold: that is secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("held", &self.stats.held()).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "sessions_tests.rs"]
mod tests;

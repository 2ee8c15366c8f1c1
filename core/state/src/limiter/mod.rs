//! A rate limit over many subjects.
//!
//! A subject is one atomic number in a sharded map. An event of a known subject takes a shared
//! lock on its shard and moves the number by compare-and-swap; only newcomers write to a map. A
//! subject whose theoretical arrival time is past is as good as one never seen, so forgetting it
//! loses nothing: that is how room is made. When all subjects are active, newcomers are refused.

#[cfg(test)]
mod tests;

use crate::{
    gcra::{Gcra, NEVER_SEEN},
    shards::{Room, Shard, shards},
    subject::{AsIs, SubjectHash, SubjectKey},
};
use paifang_pipeline::ports::{Answer, LimitDecision, LimitSpec, Limiter, Nanos};
use parking_lot::{Mutex, RwLock};
use std::{collections::HashMap, sync::atomic::AtomicU64};

type Map = HashMap<SubjectKey, AtomicU64, AsIs>;

/// Looking through a full table for subjects to forget happens at most once in this long for each
/// subject held: 10 ms for 100,000. It reads some nanoseconds a subject, so a flood of newcomers
/// can make it use a few percent of a core, no more.
const SWEEP_GAP_NANOS: u64 = 100;

/// A rate limit over many subjects, in this process. A subject is one atomic number; when all that there is room for are active,
/// newcomers are refused.
pub struct LocalLimiter {
    gcra: Gcra,
    hash: SubjectHash,
    /// The empty subject.
    together: AtomicU64,
    shards: Box<[Shard<RwLock<Map>>]>,
    room: Room,
    /// When a full table may be looked through again.
    next_sweep: Mutex<u64>,
}

impl std::fmt::Debug for LocalLimiter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalLimiter").field("gcra", &self.gcra).finish_non_exhaustive()
    }
}

impl LocalLimiter {
    pub(crate) fn new(spec: &LimitSpec, hash: SubjectHash) -> Self {
        Self {
            gcra: Gcra::new(spec.count, spec.period_nanos, spec.burst),
            hash,
            together: AtomicU64::new(NEVER_SEEN),
            shards: shards(spec.subjects, RwLock::default),
            room: Room::new(spec.subjects),
            next_sweep: Mutex::new(0),
        }
    }

    /// Counts one event of `subject` at `now`, in nanoseconds of the caller's clock.
    pub fn decide(&self, subject: &[u8], now: u64) -> LimitDecision {
        if subject.is_empty() {
            return self.gcra.take(&self.together, now);
        }
        let key = self.hash.of(subject);
        let shard = &self.shards[key.shard(self.shards.len() - 1)].0;
        if let Some(cell) = shard.read().get(&key) {
            return self.gcra.take(cell, now);
        }
        self.newcomer(shard, key, now)
    }

    #[cold]
    fn newcomer(&self, shard: &RwLock<Map>, key: SubjectKey, now: u64) -> LimitDecision {
        if let Some(decision) = self.admit(shard, key, now) {
            return decision;
        }
        let until = self.make_room(now);
        match until {
            None => self.admit(shard, key, now).unwrap_or_else(|| refused(1)),
            Some(nanos) => refused(nanos),
        }
    }

    /// Writes the subject into its shard; `None` where the table is full.
    fn admit(&self, shard: &RwLock<Map>, key: SubjectKey, now: u64) -> Option<LimitDecision> {
        let mut map = shard.write();
        // Another thread may have been faster.
        if let Some(cell) = map.get(&key) {
            return Some(self.gcra.take(cell, now));
        }
        if !self.room.take() {
            return None;
        }
        if map.len() == map.capacity() {
            // Before a shard grows it forgets, so that it grows with the subjects that are active.
            let before = map.len();
            map.retain(|_, tat| *tat.get_mut() > now);
            self.room.give(before - map.len());
            if map.len() > before / 4 * 3 {
                map.reserve(before.max(3));
            }
        }
        let cell = AtomicU64::new(NEVER_SEEN);
        let decision = self.gcra.take(&cell, now);
        map.insert(key, cell);
        Some(decision)
    }

    /// Forgets every subject whose limit is full again. `None` when there is room now, else how
    /// long it pays to wait before asking again.
    fn make_room(&self, now: u64) -> Option<u64> {
        let mut next = self.next_sweep.lock();
        if !self.room.is_full() {
            return None;
        }
        if now < *next {
            return Some(*next - now);
        }
        let mut earliest = u64::MAX;
        let mut forgotten = 0;
        for shard in &self.shards {
            let mut map = shard.0.write();
            let before = map.len();
            map.retain(|_, tat| {
                let tat = *tat.get_mut();
                if tat > now {
                    earliest = earliest.min(tat);
                }
                tat > now
            });
            forgotten += before - map.len();
        }
        self.room.give(forgotten);
        let gap = now.saturating_add(SWEEP_GAP_NANOS.saturating_mul(self.room.held() as u64));
        if forgotten > 0 {
            *next = gap;
            return None;
        }
        // Arrival times only grow and nobody can come in, so nobody is forgotten before this.
        *next = gap.max(earliest);
        Some((*next).saturating_sub(now).max(1))
    }
}

/// The answer to a newcomer for whom there is no room.
const fn refused(nanos: u64) -> LimitDecision {
    LimitDecision { allowed: false, remaining: 0, retry_after_nanos: nanos, reset_nanos: nanos }
}

impl Limiter for LocalLimiter {
    fn take(&self, subject: &[u8], now: Nanos) -> Answer<LimitDecision> {
        Answer::Now(self.decide(subject, now.0))
    }
}

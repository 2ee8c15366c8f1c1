//! A memory of nonces.
//!
//! A nonce is remembered for exactly its time: seen again within it, it is a replay; after it, it
//! is fresh. Nonces lie in generations by the time they came, each a quarter of the time-to-live
//! long, and a generation is dropped as a whole when the last nonce in it has expired, so expiry
//! costs nothing per nonce. Hence an expired nonce may take up room for up to a quarter of its
//! time longer; what has not expired is never dropped to make room.

#[cfg(test)]
mod tests;

use crate::{
    shards::{Room, Shard, shards},
    subject::{AsIs, SubjectHash, SubjectKey},
};
use paifang_pipeline::ports::{Answer, Nanos, NonceSpec, NonceVerdict, Nonces};
use parking_lot::Mutex;
use std::collections::HashMap;

/// Generations in a time-to-live.
const PARTS: u64 = 4;
/// Those that may hold a live nonce: the present one, and as many as make up a time-to-live.
const GENERATIONS: usize = PARTS as usize + 1;

/// See the module.
pub(crate) struct LocalNonces {
    ttl: u64,
    span: u64,
    hash: SubjectHash,
    shards: Box<[Shard<Mutex<Memory>>]>,
    room: Room,
}

/// One shard.
#[derive(Default)]
struct Memory {
    /// When each nonce came, by generation number modulo [`GENERATIONS`].
    generations: [HashMap<SubjectKey, u64, AsIs>; GENERATIONS],
    /// The number of the present generation.
    present: u64,
    /// The latest time that this shard has been told.
    latest: u64,
}

impl LocalNonces {
    pub(crate) fn new(spec: &NonceSpec, hash: SubjectHash) -> Self {
        let ttl = u64::try_from(spec.ttl.as_nanos()).unwrap_or(u64::MAX).max(1);
        Self {
            ttl,
            span: ttl.div_ceil(PARTS),
            hash,
            shards: shards(spec.capacity, Mutex::default),
            room: Room::new(spec.capacity),
        }
    }

    pub(crate) fn remember(&self, nonce: &[u8], now: u64) -> NonceVerdict {
        let key = self.hash.of(nonce);
        let shard = &self.shards[key.shard(self.shards.len() - 1)].0;
        if let Some(verdict) = self.try_remember(&mut shard.lock(), key, now) {
            return verdict;
        }
        // Full. Shards that nobody has asked for a while may hold generations that are over.
        for shard in &self.shards {
            self.advance(&mut shard.0.lock(), now);
        }
        self.try_remember(&mut shard.lock(), key, now).unwrap_or(NonceVerdict::Full)
    }

    /// Forgets `nonce`, so that it is fresh again.
    pub(crate) fn forget(&self, nonce: &[u8]) {
        let key = self.hash.of(nonce);
        let mut memory = self.shards[key.shard(self.shards.len() - 1)].0.lock();
        for generation in &mut memory.generations {
            if generation.remove(&key).is_some() {
                self.room.give(1);
            }
        }
    }

    /// `None` where there is no room.
    fn try_remember(&self, memory: &mut Memory, key: SubjectKey, now: u64) -> Option<NonceVerdict> {
        let now = self.advance(memory, now);
        for generation in &mut memory.generations {
            match generation.get(&key) {
                Some(came) if now - came < self.ttl => return Some(NonceVerdict::Replayed),
                Some(_) => {
                    generation.remove(&key);
                    self.room.give(1);
                }
                None => {}
            }
        }
        if !self.room.take() {
            return None;
        }
        memory.generations[index(memory.present)].insert(key, now);
        Some(NonceVerdict::Fresh)
    }

    /// Drops generations that are over; gives the shard's time, which never goes back (threads
    /// read the clock a little before they come here).
    fn advance(&self, memory: &mut Memory, now: u64) -> u64 {
        let now = now.max(memory.latest);
        memory.latest = now;
        let present = now / self.span;
        let over = (present - memory.present).min(GENERATIONS as u64);
        for number in present - over..present {
            // The place of generation `number + 1` holds one that is GENERATIONS older.
            let old = &mut memory.generations[index(number + 1)];
            self.room.give(old.len());
            // What a flood has filled once is not kept for ever.
            old.shrink_to(2 * old.len());
            old.clear();
        }
        memory.present = present;
        now
    }
}

const fn index(generation: u64) -> usize {
    (generation % GENERATIONS as u64) as usize
}

impl Nonces for LocalNonces {
    fn insert(&self, nonce: &[u8], now: Nanos) -> Answer<NonceVerdict> {
        Answer::Now(self.remember(nonce, now.0))
    }
}

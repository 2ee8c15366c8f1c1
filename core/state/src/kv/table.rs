//! The values under one state key: shards, and making room over all of them.

use super::{
    room::{Limits, Need, Room},
    shard::{Shard, Write},
};
use crate::{
    shards::{self, shards},
    subject::{SubjectHash, SubjectKey},
};
use parking_lot::Mutex;
use std::num::NonZeroU32;

/// See the module. Keys are known by their hash; see `subject`.
pub(crate) struct Table {
    hash: SubjectHash,
    shards: Box<[shards::Shard<Mutex<Shard>>]>,
    room: Room,
}

/// Values and counters have one space of keys, buckets another.
#[derive(Clone, Copy)]
pub(super) enum Space {
    Values = 0,
    Buckets = 1,
}

/// What a look at an entry has come to.
pub(super) enum Step<T> {
    /// An answer, and nothing to write.
    Done(T),
    /// An answer, once this is written.
    Put(Write, T),
}

/// There is no room, and nothing that has expired.
pub(super) struct Full;

impl Table {
    pub(crate) fn new(entries: NonZeroU32, hash: SubjectHash) -> Self {
        Self { hash, shards: shards(entries, Mutex::default), room: Room::default() }
    }

    pub(super) fn key(&self, space: Space, key: &[u8]) -> SubjectKey {
        self.hash.of_space(space as u8, key)
    }

    /// Looks at the shard of `key`.
    pub(super) fn look<T>(&self, key: SubjectKey, look: impl FnOnce(&Shard) -> T) -> T {
        look(&self.shard(key).lock())
    }

    pub(super) fn remove(&self, key: SubjectKey) {
        self.shard(key).lock().remove(key, &self.room);
    }

    /// Looks at the shard of `key` and writes what comes of it, as one step for whoever looks on.
    /// `decide` is asked again after room had to be made.
    pub(super) fn update<T>(
        &self,
        key: SubjectKey,
        now: u64,
        limits: Limits,
        decide: impl Fn(&Shard) -> Step<T>,
    ) -> Result<T, Full> {
        loop {
            let need = {
                let mut shard = self.shard(key).lock();
                match decide(&shard) {
                    Step::Done(answer) => return Ok(answer),
                    Step::Put(write, answer) => match shard.put(write, now, &self.room, limits) {
                        Ok(()) => return Ok(answer),
                        Err(need) => need,
                    },
                }
            };
            if !self.make_room(need, now, limits) {
                return Err(Full);
            }
        }
    }

    /// Removes what has expired until there is room; false where that changed nothing, so that
    /// trying again would be in vain. Each entry that is looked at has expired or was written since
    /// it was looked at last, so the work is paid by the writes before it.
    #[cold]
    fn make_room(&self, need: Need, now: u64, limits: Limits) -> bool {
        let mut moved = false;
        for shard in &self.shards {
            let mut shard = shard.0.lock();
            while shard.advance(now, &self.room) {
                moved = true;
                if self.room.has(need, limits) {
                    return true;
                }
            }
        }
        // Another thread may have made room.
        moved || self.room.has(need, limits)
    }

    fn shard(&self, key: SubjectKey) -> &Mutex<Shard> {
        &self.shards[key.shard(self.shards.len() - 1)].0
    }

    /// Entries and bytes, as they are counted.
    #[cfg(test)]
    pub(super) fn held(&self) -> (u64, u64) {
        self.room.held()
    }

    /// Entries, times in the order, and room in the maps.
    #[cfg(test)]
    pub(super) fn sizes(&self) -> (usize, usize, usize) {
        self.shards.iter().fold((0, 0, 0), |sum, shard| {
            let sizes = shard.0.lock().sizes();
            (sum.0 + sizes.0, sum.1 + sizes.1, sum.2 + sizes.2)
        })
    }
}

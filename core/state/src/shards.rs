//! How state is cut into shards, and the count of entries over all of them.

use std::{
    num::NonZeroU32,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

/// Below this many entries one shard does.
const SMALL: usize = 64;
const MOST: usize = 64;

/// Puts a shard on a cache line of its own, so that neighbours do not slow each other down.
#[repr(align(64))]
pub(crate) struct Shard<T>(pub(crate) T);

/// As many shards as keep threads out of each other's way: four a core, at most 64, a power of two.
pub(crate) fn shards<T>(capacity: NonZeroU32, make: impl Fn() -> T) -> Box<[Shard<T>]> {
    let small = usize::try_from(capacity.get()).is_ok_and(|capacity| capacity < SMALL);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let count = if small { 1 } else { (4 * cores).next_power_of_two().min(MOST) };
    (0..count).map(|_| Shard(make())).collect()
}

/// How many entries there are, over all shards.
pub(crate) struct Room {
    held: AtomicUsize,
    capacity: usize,
}

impl Room {
    pub(crate) fn new(capacity: NonZeroU32) -> Self {
        let capacity = usize::try_from(capacity.get()).unwrap_or(usize::MAX);
        Self { held: AtomicUsize::new(0), capacity }
    }

    /// Takes room for one entry; false when there is none.
    pub(crate) fn take(&self) -> bool {
        let more = |held: usize| (held < self.capacity).then(|| held + 1);
        self.held.fetch_update(Relaxed, Relaxed, more).is_ok()
    }

    /// Gives the room of `count` entries back.
    pub(crate) fn give(&self, count: usize) {
        self.held.fetch_sub(count, Relaxed);
    }

    pub(crate) fn held(&self) -> usize {
        self.held.load(Relaxed)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.held() >= self.capacity
    }
}

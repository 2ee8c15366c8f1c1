//! Whether something that happens often is told of again.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// When a step or an API was last told of as slow, and how often it was not since: 16 bytes.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// The second after the last one.
    next: AtomicU64,
    unshown: AtomicU64,
}

impl Told {
    /// Takes the turn of a second: how often there was none since the last; `None` where another
    /// has had it.
    pub(crate) fn turn(&self, second: u64) -> Option<u64> {
        let next = self.next.load(Relaxed);
        let free = next <= second
            && self.next.compare_exchange(next, second + 1, Relaxed, Relaxed).is_ok();
        if free {
            return Some(self.unshown.swap(0, Relaxed));
        }
        self.unshown.fetch_add(1, Relaxed);
        None
    }

    /// The turn was not used after all.
    pub(crate) fn keep(&self, unshown: u64) {
        self.unshown.fetch_add(unshown, Relaxed);
    }
}

//! What has been purged, or overtaken by a change: a mark says that everything of a kind that was
//! asked for before it counts no more.
//!
//! So a purge costs nothing however much is kept, and an answer that was on its way while it came
//! is caught too. What marks have ended goes when it is met, or when room is needed.

use super::stored::Stored;
use foldhash::quality::RandomState;
use paifang_pipeline::ports::Nanos;
use parking_lot::RwLock;
use std::{
    collections::HashMap,
    hash::BuildHasher,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};

/// So many marks are held twice over; when there are more, the oldest become one that ends
/// everything older than them: too much is forgotten rather than too little.
const MOST: usize = 1 << 16;

/// Marks by the hash of what they are for.
#[derive(Default)]
pub(super) struct Marks {
    hasher: RandomState,
    /// Whether there has been any; most gateways see none for long.
    any: AtomicBool,
    /// What was asked for before, in nanoseconds, counts no more, whatever it is.
    floor: AtomicU64,
    all: RwLock<Generations>,
}

#[derive(Default)]
struct Generations {
    young: HashMap<u64, Nanos>,
    old: HashMap<u64, Nanos>,
}

impl Marks {
    /// The hash of a host with a path.
    pub(super) fn place(&self, host: &str, path: &str) -> u64 {
        self.hasher.hash_one(('p', host, path))
    }

    /// The hash of an API.
    pub(super) fn api(&self, id: &str) -> u64 {
        self.hasher.hash_one(('a', id))
    }

    /// The hash of a tag.
    pub(super) fn tag(&self, tag: &str) -> u64 {
        self.hasher.hash_one(('t', tag))
    }

    /// Ends what was asked for until `now` and belongs to `what`.
    pub(super) fn set(&self, what: u64, now: Nanos) {
        let mut all = self.all.write();
        if all.young.len() >= MOST && !all.young.contains_key(&what) {
            let oldest = std::mem::take(&mut all.young);
            let dropped = std::mem::replace(&mut all.old, oldest);
            if let Some(latest) = dropped.into_values().max() {
                self.floor.fetch_max(latest.0, Relaxed);
            }
        }
        all.young.insert(what, now);
        self.any.store(true, Relaxed);
    }

    /// Ends everything that was asked for until `now`.
    pub(super) fn set_all(&self, now: Nanos) {
        self.floor.fetch_max(now.0, Relaxed);
        self.any.store(true, Relaxed);
    }

    /// Whether `stored` still counts.
    pub(super) fn spare(&self, stored: &Stored) -> bool {
        if !self.any.load(Relaxed) {
            return true;
        }
        if stored.asked.0 <= self.floor.load(Relaxed) {
            return false;
        }
        let all = self.all.read();
        let ended = |what: &u64| {
            [&all.young, &all.old]
                .iter()
                .any(|marks| marks.get(what).is_some_and(|at| stored.asked <= *at))
        };
        !(ended(&stored.place) || ended(&stored.api) || stored.tags.iter().any(ended))
    }
}

#[cfg(test)]
mod tests {
    //! When marks run over, the floor rises.
    use super::{MOST, Marks, Nanos};
    use std::sync::atomic::Ordering::Relaxed;

    #[test]
    fn marks_that_are_forgotten_end_everything_older() {
        let marks = Marks::default();
        for at in 0..MOST as u64 * 2 {
            marks.set(at, Nanos(at + 1));
        }
        assert_eq!(marks.floor.load(Relaxed), 0, "two generations hold them all");
        marks.set(u64::MAX, Nanos(1 << 40));
        assert_eq!(marks.floor.load(Relaxed), MOST as u64, "the latest of those forgotten");
    }
}

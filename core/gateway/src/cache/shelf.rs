//! The memory: answers by key, within a bound, the ones that are asked for least go first.

use super::{key::Key, stored::Stored, variants::Variants};
use foldhash::quality::RandomState;
use quick_cache::{Lifecycle, Weighter, sync};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

/// An answer of average size, in bytes, by which tables are laid out.
const TYPICAL: u64 = 8 << 10;

type Keys = Box<[u8]>;

/// Answers by key.
pub(super) struct Shelf {
    answers: sync::Cache<Keys, Variants, Bytes, RandomState, Evictions>,
    evicted: Arc<AtomicU64>,
}

/// Weighs answers by what they take.
#[derive(Clone)]
struct Bytes;

impl Weighter<Keys, Variants> for Bytes {
    fn weight(&self, key: &Keys, variants: &Variants) -> u64 {
        key.len() as u64 + variants.bytes()
    }
}

/// Counts what had to go.
#[derive(Clone)]
struct Evictions(Arc<AtomicU64>);

impl Lifecycle<Keys, Variants> for Evictions {
    type RequestState = ();

    fn on_evict(&self, (): &mut (), _: Keys, _: Variants) {
        self.0.fetch_add(1, Relaxed);
    }
}

impl Shelf {
    pub(super) fn new(bytes: u64) -> Self {
        let evicted = Arc::new(AtomicU64::new(0));
        let typical = usize::try_from(bytes / TYPICAL).unwrap_or(usize::MAX).clamp(64, 1 << 20);
        let (hasher, lifecycle) = (RandomState::default(), Evictions(evicted.clone()));
        Self { answers: sync::Cache::with(typical, bytes, Bytes, hasher, lifecycle), evicted }
    }

    pub(super) fn resize(&self, bytes: u64) {
        if self.answers.capacity() != bytes {
            self.answers.set_capacity(bytes);
        }
    }

    /// The answers of a key.
    pub(super) fn get(&self, key: &Key) -> Option<Variants> {
        self.answers.get(&key[..])
    }

    /// Puts an answer beside those of its key that are for other requests. Of two that come at once
    /// with different headers one may be lost, which costs another fetch.
    pub(super) fn put(&self, key: &Key, stored: Arc<Stored>) {
        let before = self.answers.peek(&key[..]);
        self.answers.insert(key[..].into(), Variants::with(before.as_ref(), stored));
    }

    /// Takes a key's answers away.
    pub(super) fn remove(&self, key: &Key) {
        self.answers.remove(&key[..]);
    }

    /// Takes everything away.
    pub(super) fn clear(&self) {
        self.answers.clear();
    }

    /// Keys, bytes taken, bytes that may be taken, keys that had to go.
    pub(super) fn read(&self) -> (u64, u64, u64, u64) {
        let answers = &self.answers;
        (answers.len() as u64, answers.weight(), answers.capacity(), self.evicted.load(Relaxed))
    }
}

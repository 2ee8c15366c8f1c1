//! What a store has counted.

use super::failure::Failure;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counters; read when somebody asks.
#[derive(Default)]
pub(super) struct Counts {
    answered: AtomicU64,
    down: AtomicU64,
    busy: AtomicU64,
    failed: AtomicU64,
    refused: AtomicU64,
    /// Permits that were leased.
    pub(super) leased: AtomicU64,
    /// Permits that were given back.
    pub(super) given_back: AtomicU64,
    /// Calls that waited for an answer of the store.
    pub(super) waited: AtomicU64,
    /// Decisions made without the store.
    pub(super) without: AtomicU64,
}

impl Counts {
    /// Counts a command.
    pub(super) fn note(&self, failure: Option<&Failure>) {
        let counter = match failure {
            None => &self.answered,
            Some(Failure::Down) => &self.down,
            Some(Failure::Busy) => &self.busy,
            Some(Failure::Away(_)) => &self.failed,
            Some(Failure::Key(_)) => &self.refused,
        };
        counter.fetch_add(1, Relaxed);
    }

    /// Commands, by what became of them.
    pub(super) fn commands(&self) -> [(&'static str, u64); 5] {
        let read = |counter: &AtomicU64| counter.load(Relaxed);
        let word = |failure: Failure| failure.word();
        [
            ("answered", read(&self.answered)),
            (word(Failure::Down), read(&self.down)),
            (word(Failure::Busy), read(&self.busy)),
            (word(Failure::Away(String::new())), read(&self.failed)),
            (word(Failure::Key(String::new())), read(&self.refused)),
        ]
    }
}

//! A clock that only moves when told to.

use crate::ports::{Clock, Nanos};
use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// Both clocks in one: the wall clock begins at 2026-01-01T00:00:00Z and moves with the other.
#[derive(Debug)]
pub struct TestClock {
    nanos: AtomicU64,
}

/// 2026-01-01T00:00:00Z.
const EPOCH_SECS: u64 = 1_767_225_600;

impl TestClock {
    /// A clock that stands at one second, so that spans can be subtracted from it.
    #[must_use]
    pub fn new() -> Self {
        Self { nanos: AtomicU64::new(1_000_000_000) }
    }

    /// Moves both clocks on.
    pub fn advance(&self, by: Duration) {
        self.nanos.fetch_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }
}

impl Default for TestClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for TestClock {
    fn now(&self) -> Nanos {
        Nanos(self.nanos.load(Relaxed))
    }

    fn unix(&self) -> Duration {
        Duration::from_secs(EPOCH_SECS - 1) + Duration::from_nanos(self.nanos.load(Relaxed))
    }
}

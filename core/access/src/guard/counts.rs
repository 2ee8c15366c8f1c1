//! What is counted of those who have limits together.

use std::sync::{
    Arc,
    atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
};

use paifang_state::Gcra;

use super::{
    Scope, millis,
    queue::{Queue, Turn},
};

/// It outlives releases.
#[derive(Debug, Default)]
pub(super) struct Counts {
    open: AtomicU32,
    /// Theoretical arrival times, of connections and of calls.
    arrivals: AtomicU64,
    calls: AtomicU64,
    queue: Queue,
}

/// A release's limits over [`Counts`].
#[derive(Debug)]
pub(super) struct Place {
    counts: Arc<Counts>,
    connections: u32,
    /// With the nanoseconds between two connections.
    arrivals: Option<(Gcra, u64)>,
    calls: Option<Gcra>,
}

/// One connection that is open; dropping it counts it out.
#[derive(Debug)]
pub(super) struct Entered(Arc<Counts>);

impl Drop for Entered {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Relaxed);
    }
}

impl Place {
    pub(super) fn new(scope: &Scope, counts: Arc<Counts>) -> Self {
        Self {
            counts,
            connections: scope.connections.unwrap_or(u32::MAX),
            arrivals: scope.connection_rate.map(|pace| (pace.gcra(), pace.increment())),
            calls: scope.call_rate.map(super::Pace::gcra),
        }
    }

    /// One more open connection; `None` when there are as many as may be. Exact, however many threads ask.
    pub(super) fn enter(&self) -> Option<Entered> {
        let more = |open: u32| (open < self.connections).then(|| open + 1);
        self.counts.open.fetch_update(Relaxed, Relaxed, more).ok()?;
        Some(Entered(self.counts.clone()))
    }

    /// Counts a new connection; where it comes too fast, AFTER and JITTER in milliseconds.
    pub(super) fn arrive(&self, now: u64) -> Result<(), (u32, u32)> {
        let Some((gcra, increment)) = &self.arrivals else { return Ok(()) };
        let decision = gcra.take(&self.counts.arrivals, now);
        if decision.allowed {
            return Ok(());
        }
        let Turn { after, jitter } = self.counts.queue.turn(*increment, now);
        Err((millis(after.max(decision.retry_after_nanos)), millis(jitter)))
    }

    pub(super) fn limits_calls(&self) -> bool {
        self.calls.is_some()
    }

    /// Counts a call; where it comes too fast, the nanoseconds to wait.
    pub(super) fn call(&self, now: u64) -> Result<(), u64> {
        let Some(gcra) = &self.calls else { return Ok(()) };
        let decision = gcra.take(&self.counts.calls, now);
        if decision.allowed { Ok(()) } else { Err(decision.retry_after_nanos.max(1)) }
    }
}

#[cfg(test)]
impl Counts {
    pub(super) fn enter_count(&self) -> u32 {
        self.open.load(Relaxed)
    }
}

//! How long a call may compute: CPU time of the thread that it runs on, so that a machine which is
//! busy elsewhere cuts nobody short.
//!
//! Reading a thread's CPU time is a system call, which most calls never need: they are over before
//! the first tick. A call that sees one is taken to have computed since it began, but for half of
//! its limit at most; from then on the thread's CPU time counts. So a runaway is cut at its limit
//! and a tick, and a call that was merely kept waiting by others gets at least half of its own.

use std::time::{Duration, Instant};

/// The time of one call.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: Duration,
    began: Instant,
    /// The thread's CPU time at which the call is taken to have begun, once a tick was seen.
    baseline: Option<Duration>,
}

impl Budget {
    pub(crate) const fn new(limit: Duration, began: Instant) -> Self {
        Self { limit, began, baseline: None }
    }

    /// The limit under which the call began.
    pub(crate) const fn limit(&self) -> Duration {
        self.limit
    }

    /// Whether the call has computed for its limit. Asked at each tick that it sees.
    pub(crate) fn is_over(&mut self) -> bool {
        let now = thread_time();
        let baseline = *self
            .baseline
            .get_or_insert_with(|| now.saturating_sub(self.began.elapsed().min(self.limit / 2)));
        now.saturating_sub(baseline) >= self.limit
    }
}

/// CPU time of this thread; where the system has no such clock, its monotonic time.
fn thread_time() -> Duration {
    use rustix::time::{ClockId, clock_gettime};
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_slept_goes_on_and_one_that_computed_does_not() {
        // No thread computes for half an hour between two lines, though it began so long ago.
        let hour = Duration::from_secs(3600);
        let Some(long_ago) = Instant::now().checked_sub(hour) else { return };
        let mut budget = Budget::new(hour, long_ago);
        assert!(!budget.is_over());
        assert!(!budget.is_over());

        let mut budget = Budget::new(Duration::from_millis(1), Instant::now());
        let began = thread_time();
        while !budget.is_over() {}
        // What it computed before it first asked counts too, so it is a little less than its limit.
        assert!(thread_time() - began >= Duration::from_micros(500));
    }
}

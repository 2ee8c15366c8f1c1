//! How long a call may compute: CPU time of the thread that it runs on, so that a machine which is
//! busy elsewhere cuts nobody short.
//!
//! Reading a thread's CPU time is a system call, which most calls never need. So when half of the
//! time has passed on the wall, the clock is read for the first time, and the call may then use as
//! much again of the CPU. A runaway is thus cut after its limit, and a call that was merely kept
//! waiting by others gets at least half of its own.

use crate::ticker::Ticker;
use std::time::Duration;
use wasmtime::UpdateDeadline;

/// The time of one call.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: Duration,
    /// The thread's CPU time when half had passed.
    halfway: Option<Duration>,
}

impl Budget {
    pub(crate) const fn new(limit: Duration) -> Self {
        Self { limit, halfway: None }
    }

    /// Begins again. Gives the ticks after which [`Self::due`] is to be asked.
    pub(crate) fn begin(&mut self, limit: Duration) -> u64 {
        *self = Self::new(limit);
        Ticker::ticks(limit / 2)
    }

    /// The limit under which the call began.
    pub(crate) const fn limit(&self) -> Duration {
        self.limit
    }

    /// The deadline has passed: whether the call goes on, and for how many ticks.
    pub(crate) fn due(&mut self) -> UpdateDeadline {
        let now = thread_time();
        let half = self.limit / 2;
        match self.halfway {
            None => {
                self.halfway = Some(now);
                UpdateDeadline::Continue(Ticker::ticks(half))
            }
            Some(began) => match half.checked_sub(now.saturating_sub(began)) {
                None | Some(Duration::ZERO) => UpdateDeadline::Interrupt,
                Some(left) => UpdateDeadline::Continue(Ticker::ticks(left)),
            },
        }
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
        let mut budget = Budget::new(Duration::ZERO);
        budget.begin(Duration::from_secs(3600));
        assert!(matches!(budget.due(), UpdateDeadline::Continue(_)));
        // No thread computes for half an hour between two lines.
        assert!(matches!(budget.due(), UpdateDeadline::Continue(_)));

        budget.begin(Duration::from_nanos(2));
        assert!(matches!(budget.due(), UpdateDeadline::Continue(_)));
        while thread_time() == budget.halfway.unwrap_or_default() {}
        assert!(matches!(budget.due(), UpdateDeadline::Interrupt));
    }
}

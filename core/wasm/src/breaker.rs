//! Leaves a handler alone that keeps failing, and tries it again by itself.
//!
//! Closed, it counts calls and failures in a window of time. When enough calls have failed it opens:
//! calls are refused without touching the handler. After the backoff one call is let through; if it
//! succeeds the breaker closes, if it fails it opens again for twice as long.

use crate::settings::BreakerSpec;
use paifang_pipeline::ports::Nanos;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// Nobody opened it.
const CLOSED: u64 = 0;

/// A breaker.
pub(crate) struct Breaker {
    spec: BreakerSpec,
    /// Until when it is open; [`CLOSED`] where it is not. Read once a call.
    open_until: AtomicU64,
    /// Calls since the window began; zero where none has. A window begins with a failure, so while all
    /// goes well nothing is counted.
    calls: AtomicU32,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    window_began: u64,
    failures: u32,
    /// How often it has opened without closing between.
    opened: u32,
    /// One call tries whether all is well again.
    trying: bool,
}

/// What a breaker says of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Go on.
    Pass,
    /// Go on; the answer decides whether the breaker closes.
    Trial,
    /// Refused.
    Refused,
}

impl Breaker {
    pub(crate) fn new(spec: BreakerSpec) -> Self {
        Self {
            spec,
            open_until: AtomicU64::new(CLOSED),
            calls: AtomicU32::new(0),
            state: Mutex::default(),
        }
    }

    /// Whether a call may go on.
    pub(crate) fn admit(&self, now: Nanos) -> Admission {
        let until = self.open_until.load(Ordering::Acquire);
        if until == CLOSED {
            return Admission::Pass;
        }
        if now.0 < until {
            return Admission::Refused;
        }
        let mut state = self.state.lock();
        if state.trying {
            return Admission::Refused;
        }
        state.trying = true;
        Admission::Trial
    }

    /// Whether it refuses calls.
    pub(crate) fn is_open(&self) -> bool {
        self.open_until.load(Ordering::Relaxed) != CLOSED
    }

    /// Tells how an admitted call went. Says whether the breaker has just opened.
    pub(crate) fn done(&self, admission: Admission, failed: bool, now: Nanos) -> bool {
        if admission == Admission::Trial {
            let mut state = self.state.lock();
            state.trying = false;
            if failed {
                return self.open(&mut state, now);
            }
            *state = State::default();
            self.calls.store(0, Ordering::Relaxed);
            self.open_until.store(CLOSED, Ordering::Release);
            return false;
        }
        if !failed && self.calls.load(Ordering::Relaxed) == 0 {
            return false;
        }
        let calls = self.calls.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if !failed {
            return false;
        }
        let mut state = self.state.lock();
        if state.failures == 0 || now.since(Nanos(state.window_began)) > nanos(self.spec.window) {
            state.window_began = now.0;
            state.failures = 1;
            self.calls.store(1, Ordering::Relaxed);
            return self.spec.calls <= 1 && !self.is_open() && self.open(&mut state, now);
        }
        state.failures = state.failures.saturating_add(1);
        let share = f64::from(state.failures) / f64::from(calls);
        let open = calls >= self.spec.calls && share >= self.spec.failures;
        // Calls that began before it opened may still come in.
        open && !self.is_open() && self.open(&mut state, now)
    }

    /// A trial that never came to an end says nothing.
    pub(crate) fn abandoned(&self, admission: Admission) {
        if admission == Admission::Trial {
            self.state.lock().trying = false;
        }
    }

    fn open(&self, state: &mut State, now: Nanos) -> bool {
        let doubled = nanos(self.spec.backoff).saturating_mul(1 << state.opened.min(32));
        let backoff = doubled.min(nanos(self.spec.backoff_max));
        state.opened = state.opened.saturating_add(1);
        state.failures = 0;
        self.open_until.store(now.0.saturating_add(backoff).max(1), Ordering::Release);
        true
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn breaker() -> Breaker {
        Breaker::new(BreakerSpec { calls: 4, ..BreakerSpec::default() })
    }

    fn call(breaker: &Breaker, failed: bool, at: u64) -> Admission {
        let admission = breaker.admit(Nanos(at));
        if admission != Admission::Refused {
            breaker.done(admission, failed, Nanos(at));
        }
        admission
    }

    #[test]
    fn it_opens_at_the_share_and_not_before_enough_calls() {
        let breaker = breaker();
        for _ in 0..3 {
            assert_eq!(call(&breaker, true, SECOND), Admission::Pass);
            assert!(!breaker.is_open());
        }
        call(&breaker, true, SECOND);
        assert!(breaker.is_open());
        assert_eq!(call(&breaker, false, SECOND + 1), Admission::Refused);
    }

    #[test]
    fn a_window_that_has_passed_counts_no_more() {
        let breaker = breaker();
        for _ in 0..3 {
            call(&breaker, true, SECOND);
        }
        call(&breaker, true, 12 * SECOND);
        assert!(!breaker.is_open());
    }

    #[test]
    fn successes_keep_it_closed() {
        let breaker = breaker();
        for n in 0..100 {
            // A window begins with a failure: of its first four calls one in four fails here.
            call(&breaker, n % 4 == 3, SECOND);
        }
        assert!(!breaker.is_open());
    }

    #[test]
    fn one_trial_at_a_time_and_twice_the_backoff_when_it_fails() {
        let breaker = breaker();
        for _ in 0..4 {
            call(&breaker, true, 0);
        }
        let trial = breaker.admit(Nanos(SECOND));
        assert_eq!(trial, Admission::Trial);
        assert_eq!(breaker.admit(Nanos(SECOND)), Admission::Refused);
        assert!(breaker.done(trial, true, Nanos(SECOND)));
        assert_eq!(breaker.admit(Nanos(2 * SECOND)), Admission::Refused);
        assert_eq!(call(&breaker, false, 3 * SECOND), Admission::Trial);
        assert_eq!(call(&breaker, false, 3 * SECOND), Admission::Pass);
    }

    #[test]
    fn a_trial_that_is_given_up_lets_another_begin() {
        let breaker = breaker();
        for _ in 0..4 {
            call(&breaker, true, 0);
        }
        let trial = breaker.admit(Nanos(SECOND));
        breaker.abandoned(trial);
        assert_eq!(breaker.admit(Nanos(SECOND)), Admission::Trial);
    }
}

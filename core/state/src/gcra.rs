//! The generic cell rate algorithm, as virtual scheduling (ITU-T I.371, annex A).
//!
//! A subject is one number, its *theoretical arrival time* (TAT): when its next event would come
//! if events came at exactly the rate. With the increment T (the time between two events at the
//! rate) and the tolerance L = (burst - 1) * T, an event at `now` conforms when TAT - L <= now;
//! then TAT becomes max(TAT, now) + T. A subject whose TAT is past is as good as one never seen.
//!
//! Exactness: times are whole nanoseconds, and T is the period divided by the count, rounded
//! *up*. So no more events pass than configured, and what is lost is less than a nanosecond an
//! event: nothing at 1,000,000/s, 2e-9 of the rate at 3/s. All sums saturate; L and T are capped
//! at 2^61 ns (73 years), so that they stay apart from the end of the clock.

use paifang_pipeline::ports::LimitDecision;
use std::{
    num::NonZeroU64,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// 73 years, in nanoseconds.
const LONGEST: u64 = 1 << 61;

/// A TAT that no subject has reached: everything is allowed.
pub(crate) const NEVER_SEEN: u64 = 0;

/// A rate with its burst, ready to decide. A subject is an `AtomicU64` of the caller's, in nanoseconds of a clock of the caller's.
#[derive(Debug, Clone, Copy)]
pub struct Gcra {
    /// T.
    increment: u64,
    /// L.
    tolerance: u64,
}

impl Gcra {
    /// `count` events in `period` nanoseconds, `burst` of them at once.
    #[must_use]
    pub fn new(count: NonZeroU64, period: NonZeroU64, burst: NonZeroU64) -> Self {
        let increment = period.get().div_ceil(count.get()).clamp(1, LONGEST);
        let tolerance = (burst.get() - 1).saturating_mul(increment).min(LONGEST);
        Self { increment, tolerance }
    }

    /// The latest TAT that this rate gives at `now`.
    pub(crate) const fn emptiest(&self, now: u64) -> u64 {
        now.saturating_add(self.tolerance + self.increment)
    }

    /// Judges an event at `now` of a subject whose TAT is `tat`; gives its new TAT where it passes.
    pub(crate) fn judge(&self, tat: u64, now: u64) -> Result<(u64, LimitDecision), LimitDecision> {
        // How far the subject is ahead of the rate.
        let ahead = tat.saturating_sub(now);
        if ahead > self.tolerance {
            return Err(LimitDecision {
                allowed: false,
                remaining: 0,
                retry_after_nanos: ahead - self.tolerance,
                reset_nanos: ahead,
            });
        }
        let ahead = ahead + self.increment;
        let decision = LimitDecision {
            allowed: true,
            remaining: match self.tolerance.checked_sub(ahead) {
                Some(left) => left / self.increment + 1,
                None => 0,
            },
            retry_after_nanos: ahead.saturating_sub(self.tolerance),
            reset_nanos: ahead,
        };
        Ok((now.saturating_add(ahead), decision))
    }

    /// Counts an event of the subject whose TAT is in `cell`. Many threads may do so at once: each
    /// event that passes moves the TAT by one compare-and-swap, so none is lost or counted twice. A cell begins with 0.
    pub fn take(&self, cell: &AtomicU64, now: u64) -> LimitDecision {
        let mut tat = cell.load(Relaxed);
        loop {
            match self.judge(tat, now) {
                Err(refused) => return refused,
                Ok((next, passed)) => match cell.compare_exchange_weak(tat, next, Relaxed, Relaxed)
                {
                    Ok(_) => return passed,
                    Err(other) => tat = other,
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    //! The arithmetic, at its edges and against a token bucket counted in fractions.
    #![allow(clippy::unwrap_used)]
    use super::{Gcra, NEVER_SEEN};
    use paifang_pipeline::ports::LimitDecision;
    use proptest::prelude::*;

    fn gcra(count: u64, period: u64, burst: u64) -> Gcra {
        Gcra::new(count.try_into().unwrap(), period.try_into().unwrap(), burst.try_into().unwrap())
    }

    /// Takes at each of `times`; what passed.
    fn run(gcra: &Gcra, times: &[u64]) -> Vec<LimitDecision> {
        let mut tat = NEVER_SEEN;
        times
            .iter()
            .map(|&now| match gcra.judge(tat, now) {
                Ok((next, passed)) => {
                    tat = next;
                    passed
                }
                Err(refused) => refused,
            })
            .collect()
    }

    #[test]
    fn a_burst_passes_then_one_an_interval() {
        let gcra = gcra(10, 1_000, 3);
        let seen = run(&gcra, &[5, 5, 5, 5, 104, 105, 105, 1_000]);
        let allowed: Vec<_> = seen.iter().map(|one| one.allowed).collect();
        assert_eq!(allowed, [true, true, true, false, false, true, false, true]);
        let remaining: Vec<_> = seen.iter().map(|one| one.remaining).collect();
        assert_eq!(remaining, [2, 1, 0, 0, 0, 0, 0, 2]);
        let (third, fourth) = (seen[2], seen[3]);
        assert_eq!((third.retry_after_nanos, third.reset_nanos), (100, 300));
        assert_eq!((fourth.retry_after_nanos, fourth.reset_nanos), (100, 300));
        assert_eq!(seen[4].retry_after_nanos, 1, "the promise of the refusal before is kept");
    }

    #[test]
    fn the_rate_is_never_exceeded_by_rounding() {
        // 3 a second is no whole number of nanoseconds apart.
        let gcra = gcra(3, 1_000_000_000, 1);
        let passed = run(&gcra, &(0..3_000).map(|ms| ms * 1_000_000).collect::<Vec<_>>());
        assert_eq!(passed.iter().filter(|one| one.allowed).count(), 9);
        let gcra = super::tests::gcra(700_000_000, 1_000_000_000, 1);
        let passed = run(&gcra, &(0..1_000).collect::<Vec<_>>());
        assert_eq!(passed.iter().filter(|one| one.allowed).count(), 500);
    }

    #[test]
    fn nothing_overflows_at_the_end_of_all_ranges() {
        for (count, period, burst) in
            [(1, u64::MAX, u64::MAX), (u64::MAX, 1, u64::MAX), (1, 1, 1), (1, u64::MAX, 1)]
        {
            let gcra = gcra(count, period, burst);
            for tat in [0, 1, u64::MAX / 2, u64::MAX] {
                for now in [0, 1, u64::MAX / 2, u64::MAX] {
                    let _ = gcra.judge(tat, now);
                }
            }
        }
    }

    proptest! {
        /// Against a bucket of tokens, counted in whole parts of an event so that nothing rounds.
        #[test]
        fn is_a_token_bucket(
            increment in 1_u64..50,
            burst in 1_u64..20,
            steps in prop::collection::vec(0_u64..120, 1..200),
        ) {
            let gcra = gcra(1, increment, burst);
            let (mut tat, mut now) = (NEVER_SEEN, 0);
            // The model: `tokens` in units of 1/increment of an event.
            let (full, mut tokens) = (burst * increment, burst * increment);
            for step in steps {
                now += step;
                tokens = (tokens + step).min(full);
                let allowed = tokens >= increment;
                if allowed {
                    tokens -= increment;
                }
                let decision = match gcra.judge(tat, now) {
                    Ok((next, passed)) => { tat = next; passed }
                    Err(refused) => refused,
                };
                prop_assert_eq!(decision.allowed, allowed);
                prop_assert_eq!(decision.remaining, tokens / increment);
                prop_assert_eq!(decision.reset_nanos, full - tokens);
                prop_assert_eq!(decision.retry_after_nanos, increment.saturating_sub(tokens));
            }
        }
    }
}

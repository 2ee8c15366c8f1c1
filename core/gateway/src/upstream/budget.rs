//! The retry budget: how many repeated attempts an upstream bears.
//!
//! When everything fails, unbounded repetition doubles the load on what is already down. So within
//! any ten seconds repetitions are at most a share of the calls, and a few a second at any rate.
//! Calls and repetitions are counted in ring slots of one second, without a lock; slots that are
//! renewed under contention may lose a count, which only makes the budget a little smaller or larger.

use super::spec::BudgetSpec;
use paifang_pipeline::ports::Nanos;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Seconds that are looked back on.
const WINDOW: usize = 10;
/// Bits of a slot that count; those above say which second.
const COUNT_BITS: u32 = 32;
const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;

#[derive(Debug)]
pub(super) struct Budget {
    spec: BudgetSpec,
    calls: Ring,
    retries: Ring,
}

impl Budget {
    pub(super) fn new(spec: BudgetSpec) -> Self {
        Self { spec, calls: Ring::default(), retries: Ring::default() }
    }

    /// Counts a call, at its first attempt.
    pub(super) fn deposit(&self, now: Nanos) {
        self.calls.add(second(now));
    }

    /// Whether one more attempt is allowed; counts it if so.
    pub(super) fn spend(&self, now: Nanos) -> bool {
        let second = second(now);
        let share = self.calls.sum(second) * u64::from(self.spec.permille) / 1000;
        let allowed = share + u64::from(self.spec.minimum) * WINDOW as u64;
        let spend = self.retries.sum(second) < allowed;
        if spend {
            self.retries.add(second);
        }
        spend
    }
}

fn second(now: Nanos) -> u64 {
    now.0 / 1_000_000_000
}

/// Counts of the last seconds. A slot is `second << 32 | count`.
#[derive(Debug, Default)]
struct Ring([AtomicU64; WINDOW]);

impl Ring {
    fn add(&self, second: u64) {
        let slot = &self.0[second as usize % WINDOW];
        let seen = slot.load(Relaxed);
        if seen >> COUNT_BITS == second {
            slot.fetch_add(1, Relaxed);
            return;
        }
        let fresh = second << COUNT_BITS | 1;
        if slot.compare_exchange(seen, fresh, Relaxed, Relaxed).is_err() {
            // Another thread has begun the second.
            slot.fetch_add(1, Relaxed);
        }
    }

    fn sum(&self, second: u64) -> u64 {
        let oldest = second.saturating_sub(WINDOW as u64 - 1);
        self.0
            .iter()
            .map(|slot| slot.load(Relaxed))
            .filter(|slot| (oldest..=second).contains(&(slot >> COUNT_BITS)))
            .map(|slot| slot & COUNT_MASK)
            .sum()
    }
}

#[cfg(test)]
mod tests {
    //! Shares, the minimum, and forgetting.
    use super::{Budget, Nanos};
    use crate::upstream::spec::BudgetSpec;

    fn at(seconds: u64) -> Nanos {
        Nanos(seconds * 1_000_000_000)
    }

    fn spent(budget: &Budget, now: Nanos) -> usize {
        (0..10_000).take_while(|_| budget.spend(now)).count()
    }

    #[test]
    fn a_share_of_the_calls_and_a_minimum() {
        let budget = Budget::new(BudgetSpec { permille: 200, minimum: 3 });
        assert_eq!(spent(&budget, at(1)), 30);
        let budget = Budget::new(BudgetSpec { permille: 200, minimum: 0 });
        (0..100).for_each(|_| budget.deposit(at(5)));
        assert_eq!(spent(&budget, at(7)), 20);
        assert_eq!(spent(&budget, at(7)), 0);
    }

    #[test]
    fn after_ten_seconds_all_is_forgotten() {
        let budget = Budget::new(BudgetSpec { permille: 1000, minimum: 0 });
        (0..7).for_each(|_| budget.deposit(at(100)));
        assert_eq!(spent(&budget, at(109)), 7);
        assert_eq!(spent(&budget, at(110)), 0);
        // The very slot of a second that is long past.
        budget.deposit(at(200));
        assert_eq!(spent(&budget, at(200)), 1);
    }

    #[test]
    fn zero_allows_none() {
        let budget = Budget::new(BudgetSpec { permille: 0, minimum: 0 });
        (0..100).for_each(|_| budget.deposit(at(1)));
        assert!(!budget.spend(at(1)));
    }
}

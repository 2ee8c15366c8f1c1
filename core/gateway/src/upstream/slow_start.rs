//! Slow start: an endpoint that is new or came back takes a growing share of its calls.
//!
//! A server with cold caches and no connections cannot bear at once what its neighbours do. Its share
//! grows evenly from the least to the whole over a time. The share is a matter of the clock alone: no
//! task turns it up, and a call's look at an endpoint that is warm costs one load.

use super::spec::SlowStartSpec;
use paifang_pipeline::ports::Nanos;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// The share of an endpoint that is warm.
pub(super) const WARM: u32 = 1 << 16;

/// How warm an endpoint is.
#[derive(Debug)]
pub(super) struct Warmth {
    spec: Option<SlowStartSpec>,
    /// When it came; 0 once it is warm.
    since: AtomicU64,
    /// Grows by the share with each turn; a turn is taken when it passes a multiple of [`WARM`].
    credit: AtomicU32,
}

impl Warmth {
    pub(super) fn new(spec: Option<SlowStartSpec>) -> Self {
        Self { spec, since: AtomicU64::new(0), credit: AtomicU32::new(0) }
    }

    /// It has come, or come back.
    pub(super) fn begin(&self, now: Nanos) {
        if self.spec.is_some() {
            self.since.store(now.0.max(1), Relaxed);
        }
    }

    /// Its share now, of [`WARM`]; at least 1.
    pub(super) fn share(&self, now: Nanos) -> u32 {
        let since = self.since.load(Relaxed);
        let (false, Some(spec)) = (since == 0, self.spec) else { return WARM };
        let gone = u128::from(now.0.saturating_sub(since));
        let whole = spec.duration.as_nanos().max(1);
        if gone >= whole {
            // Unless it came anew meanwhile.
            let _ = self.since.compare_exchange(since, 0, Relaxed, Relaxed);
            return WARM;
        }
        let least = u64::from(WARM) * u64::from(spec.least_permille.min(1000)) / 1000;
        let rest = u128::from(u64::from(WARM) - least);
        (least as u32 + (rest * gone / whole) as u32).max(1)
    }

    /// Whether it takes the turn that has come to it: of all turns its share, evenly.
    pub(super) fn takes_turn(&self, now: Nanos) -> bool {
        let share = self.share(now);
        if share == WARM {
            return true;
        }
        let before = self.credit.fetch_add(share, Relaxed);
        before / WARM != before.wrapping_add(share) / WARM
    }

    /// Whether it takes the keys at this place among its own, from 0 to 65,535. What it takes once
    /// it goes on taking.
    pub(super) fn admits(&self, now: Nanos, place: u16) -> bool {
        u32::from(place) < self.share(now)
    }
}

#[cfg(test)]
mod tests {
    //! The ramp.
    use super::{Nanos, SlowStartSpec, WARM, Warmth};
    use std::time::Duration;

    fn at(seconds: u64) -> Nanos {
        Nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn the_share_grows_evenly_and_ends_whole() {
        let spec = SlowStartSpec { duration: Duration::from_secs(10), least_permille: 100 };
        let warmth = Warmth::new(Some(spec));
        assert_eq!(warmth.share(at(5)), WARM, "those that were there from the beginning are warm");
        warmth.begin(at(5));
        let shares = [5, 10, 15, 16].map(|second| warmth.share(at(second)));
        assert_eq!(shares, [WARM / 10, WARM / 10 + (WARM - WARM / 10) / 2, WARM, WARM]);
        warmth.begin(at(20));
        assert_eq!(warmth.share(at(20)), WARM / 10, "it came back");
        // Time that goes backwards between two threads.
        assert_eq!(warmth.share(at(19)), WARM / 10);
    }

    #[test]
    fn turns_and_keys_follow_the_share() {
        let spec = SlowStartSpec { duration: Duration::from_secs(100), least_permille: 0 };
        let warmth = Warmth::new(Some(spec));
        warmth.begin(at(100));
        for (second, expected) in [(110, 100), (125, 250), (150, 500), (200, 1000)] {
            let taken = (0..1000).filter(|_| warmth.takes_turn(at(second))).count();
            assert!(taken.abs_diff(expected) <= 1, "{taken} of 1000 after {second}");
        }
        warmth.begin(at(300));
        let admitted = |second: u64| {
            (0..=u16::MAX).filter(|&place| warmth.admits(at(second), place)).collect::<Vec<_>>()
        };
        let (early, late) = (admitted(325), admitted(350));
        assert_eq!((early.len(), late.len()), (1 << 14, 1 << 15));
        assert!(early.iter().all(|place| late.contains(place)), "nothing is given away again");
    }

    #[test]
    fn without_a_spec_all_are_warm() {
        let warmth = Warmth::new(None);
        warmth.begin(at(1));
        assert!(warmth.takes_turn(at(1)) && warmth.admits(at(1), u16::MAX));
    }
}

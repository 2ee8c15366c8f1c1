//! How long to wait between tries.

use std::time::Duration;

/// Full jitter: a random part of a bound that doubles, so that a crowd of clients that lost one server does not come back in step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Backoff {
    first: Duration,
    most: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new(Duration::from_millis(500), Duration::from_secs(60))
    }
}

impl Backoff {
    /// `first` bounds the first wait, `most` all of them.
    pub(crate) fn new(first: Duration, most: Duration) -> Self {
        Self { first: first.max(Duration::from_millis(1)), most: most.max(first) }
    }

    /// The bound of the wait after so many failures in a row.
    pub(crate) fn bound(&self, failures: u32) -> Duration {
        let doubled = self.first.checked_mul(1 << failures.min(30));
        doubled.map_or(self.most, |doubled| doubled.min(self.most))
    }

    /// The wait after so many failures in a row.
    pub(crate) fn wait(&self, failures: u32) -> Duration {
        let most = u64::try_from(self.bound(failures).as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(fastrand::u64(0..=most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_doubles_and_ends() {
        let backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(60));
        let bounds: Vec<u128> =
            (0..9).map(|failures| backoff.bound(failures).as_millis()).collect();
        assert_eq!(bounds, [500, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000]);
        assert_eq!(backoff.bound(u32::MAX), Duration::from_secs(60));
    }

    #[test]
    fn waits_are_spread_over_all_of_it() {
        let backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(100));
        let waits: Vec<u128> = (0..2000).map(|_| backoff.wait(3).as_millis()).collect();
        assert!(waits.iter().all(|wait| *wait <= 100));
        // The chance that a tenth stays empty is below 1e-90.
        for tenth in 0..10 {
            assert!(waits.iter().any(|wait| (tenth * 10..tenth * 10 + 11).contains(wait)));
        }
    }
}

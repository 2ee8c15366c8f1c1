//! Outliers: endpoints that are left alone for a while because calls to them fail.
//!
//! What counts is how attempts end, so it costs no probe and sees what probes don't. An endpoint is
//! ejected after so many failures in a row, or when a share of an interval's attempts has failed. It
//! comes back by time alone: the first call after that finds it, no task waits for it. Each ejection
//! takes longer than the one before; good behaviour is forgotten to have been bad at the same pace.
//!
//! This page holds one endpoint's account; how many may be out at once is [`super::eject`]'s affair.

use super::spec::OutlierSpec;
use http::StatusCode;
use paifang_pipeline::ports::Nanos;
use std::{
    fmt,
    sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// What is known of one endpoint.
#[derive(Debug, Default)]
pub(super) struct Outlier {
    failures_in_a_row: AtomicU32,
    /// When the interval began.
    interval: AtomicU64,
    attempts: AtomicU32,
    failures: AtomicU32,
    /// When it comes back; 0 while it is in.
    until: AtomicU64,
    /// How often it was out lately.
    times: AtomicU32,
    /// When it came back the last time.
    back: AtomicU64,
}

/// Why an endpoint is to be ejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// So many attempts have failed, one after the other.
    InARow(u32),
    /// Of so many attempts in an interval so many have failed.
    Share {
        /// Attempts that failed.
        failures: u32,
        /// Of so many.
        attempts: u32,
    },
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InARow(failures) => write!(f, "{failures} failures in a row"),
            Self::Share { failures, attempts } => {
                write!(f, "{failures} of {attempts} attempts failed")
            }
        }
    }
}

impl Outlier {
    /// Takes the end of an attempt; says why the endpoint is to be ejected, if it is.
    pub(super) fn record(&self, good: bool, spec: &OutlierSpec, now: Nanos) -> Option<Why> {
        if spec.failure_permille.is_some() {
            self.renew(spec, now);
            self.attempts.fetch_add(1, Relaxed);
        }
        if good {
            if self.failures_in_a_row.load(Relaxed) != 0 {
                self.failures_in_a_row.store(0, Relaxed);
            }
            return None;
        }
        let in_a_row = self.failures_in_a_row.fetch_add(1, Relaxed) + 1;
        if spec.failures_in_a_row.is_some_and(|most| in_a_row >= most) {
            return Some(Why::InARow(in_a_row));
        }
        let permille = spec.failure_permille?;
        let failures = self.failures.fetch_add(1, Relaxed) + 1;
        let attempts = self.attempts.load(Relaxed);
        let many = u64::from(failures) * 1000 >= u64::from(permille) * u64::from(attempts);
        (attempts >= spec.minimum_attempts && many).then_some(Why::Share { failures, attempts })
    }

    /// Begins an interval where the last is over. Counts of others at this very moment may go to
    /// either.
    fn renew(&self, spec: &OutlierSpec, now: Nanos) {
        let began = self.interval.load(Relaxed);
        let over = Duration::from_nanos(now.0.saturating_sub(began)) >= spec.interval;
        if over && self.interval.compare_exchange(began, now.0, Relaxed, Relaxed).is_ok() {
            self.attempts.store(0, Relaxed);
            self.failures.store(0, Relaxed);
        }
    }

    /// Whether it is out.
    pub(super) fn is_out(&self) -> bool {
        self.until.load(Relaxed) != 0
    }

    /// When it comes back, where it is out.
    pub(super) fn until(&self) -> Option<Nanos> {
        match self.until.load(Relaxed) {
            0 => None,
            until => Some(Nanos(until)),
        }
    }

    /// It is out from here on; gives for how long.
    pub(super) fn eject(&self, spec: &OutlierSpec, now: Nanos) -> Duration {
        let calm = now.0.saturating_sub(self.back.load(Relaxed));
        let forgiven = u128::from(calm) / spec.time.as_nanos().max(1);
        let before = self.times.load(Relaxed);
        let times = before.saturating_sub(u32::try_from(forgiven).unwrap_or(u32::MAX)) + 1;
        let out = spec.time.saturating_mul(times).min(spec.time_max);
        // More would not be longer.
        if out < spec.time_max || times <= before {
            self.times.store(times, Relaxed);
        }
        let until = now.0.saturating_add(u64::try_from(out.as_nanos()).unwrap_or(u64::MAX));
        self.until.store(until.max(1), Relaxed);
        out
    }

    /// It is in again, with a clean slate.
    pub(super) fn readmit(&self, now: Nanos) {
        self.until.store(0, Relaxed);
        self.back.store(now.0, Relaxed);
        self.forget();
    }

    /// What was counted counts no more.
    pub(super) fn forget(&self) {
        self.failures_in_a_row.store(0, Relaxed);
        self.attempts.store(0, Relaxed);
        self.failures.store(0, Relaxed);
    }
}

impl OutlierSpec {
    /// Whether an answer with this status is a failure.
    pub(super) fn is_failure(&self, status: StatusCode) -> bool {
        if self.statuses.is_empty() {
            status.is_server_error()
        } else {
            self.statuses.contains(&status)
        }
    }
}

#[cfg(test)]
mod tests {
    //! Counting, and how long an ejection takes.
    use super::{Nanos, Outlier, OutlierSpec, Why};
    use std::time::Duration;

    fn at(seconds: u64) -> Nanos {
        Nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn failures_in_a_row_and_no_others() {
        let spec = OutlierSpec { failures_in_a_row: Some(3), ..OutlierSpec::default() };
        let outlier = Outlier::default();
        let ends = [false, false, true, false, false, false];
        let found = ends.map(|good| outlier.record(good, &spec, at(1)));
        assert_eq!(found, [None, None, None, None, None, Some(Why::InARow(3))]);
    }

    #[test]
    fn a_share_of_enough_attempts_within_an_interval() {
        let spec = OutlierSpec {
            failures_in_a_row: None,
            failure_permille: Some(500),
            minimum_attempts: 4,
            interval: Duration::from_secs(10),
            ..OutlierSpec::default()
        };
        let outlier = Outlier::default();
        let record = |good, second| outlier.record(good, &spec, at(second));
        assert_eq!([record(false, 20), record(false, 21), record(false, 22)], [None; 3]);
        let why = Some(Why::Share { failures: 4, attempts: 4 });
        assert_eq!(record(false, 23), why);
        // Another interval.
        assert_eq!([record(false, 40), record(true, 41), record(true, 42)], [None; 3]);
        assert_eq!(record(false, 43), Some(Why::Share { failures: 2, attempts: 4 }));
        assert_eq!(
            [record(true, 44), record(false, 45)],
            [None, Some(Why::Share { failures: 3, attempts: 6 })]
        );
        assert_eq!([record(true, 46), record(true, 47), record(false, 48)], [None; 3]);
    }

    #[test]
    fn each_ejection_is_longer_until_it_is_forgiven() {
        let spec = OutlierSpec {
            time: Duration::from_secs(10),
            time_max: Duration::from_secs(35),
            ..OutlierSpec::default()
        };
        let outlier = Outlier::default();
        let mut now = 1000;
        let mut eject = |calm: u64| {
            now += calm;
            let out = outlier.eject(&spec, at(now)).as_secs();
            now += out;
            outlier.readmit(at(now));
            out
        };
        assert_eq!([0, 1, 1, 1, 1].map(&mut eject), [10, 20, 30, 35, 35]);
        assert_eq!(eject(20), 20, "twenty seconds of calm forgive two");
        assert_eq!(eject(1000), 10);
        assert!(!outlier.is_out() && outlier.until().is_none());
        outlier.eject(&spec, at(5));
        assert!(outlier.is_out());
    }
}

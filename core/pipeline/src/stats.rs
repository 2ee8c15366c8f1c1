//! Counters of calls and steps. Plain atomics on the hot path; the gateway exports them.

mod exemplar;
pub mod recent;
mod told;

use crate::exchange::{Outcome, Termination};
pub use exemplar::Exemplar;
use exemplar::Exemplars;
use recent::Recent;
use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    sync::{OnceLock, RwLock},
};
pub(crate) use told::Told;

/// How many buckets a [`Histogram`] has, the open last one included.
pub const BUCKETS: usize = 14;

/// Times in buckets that grow fourfold: up to 256 ns, 1.024 µs, … 4.29 s, and beyond.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    sum_nanos: AtomicU64,
}

/// A histogram's contents at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistogramReading {
    /// Observations in each bucket, not cumulative.
    pub buckets: [u64; BUCKETS],
    /// The sum of all observations, in nanoseconds.
    pub sum_nanos: u64,
}

impl Histogram {
    /// The upper bound of bucket `index` in nanoseconds; `None` for the open last one.
    #[must_use]
    pub const fn bound_nanos(index: usize) -> Option<u64> {
        if index + 1 < BUCKETS { Some(256 << (2 * index)) } else { None }
    }

    /// Counts one span.
    pub fn observe(&self, nanos: u64) {
        self.buckets[bucket(nanos)].fetch_add(1, Relaxed);
        self.sum_nanos.fetch_add(nanos, Relaxed);
    }

    /// The contents now.
    #[must_use]
    pub fn read(&self) -> HistogramReading {
        HistogramReading {
            buckets: std::array::from_fn(|index| self.buckets[index].load(Relaxed)),
            sum_nanos: self.sum_nanos.load(Relaxed),
        }
    }
}

/// The bucket of a span.
fn bucket(nanos: u64) -> usize {
    // (64 - leading zeros of nanos-1 over 256) halved, rounded up: the fourfold bucket.
    let bits = 64 - (nanos.saturating_sub(1) >> 8).leading_zeros() as usize;
    bits.div_ceil(2).min(BUCKETS - 1)
}

/// What a step can be counted under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum StepVerdict {
    /// On to the next step.
    Continue,
    /// Answered, or replaced the answer.
    Respond,
    /// Rejected or aborted.
    Reject,
    /// Asked for the whole body.
    NeedBody,
    /// Waited.
    Wait,
    /// Failed and was passed over (`on_failure: open`).
    FailedOpen,
    /// Failed and broke the call off.
    FailedClosed,
}

impl StepVerdict {
    /// All of them, in the order of their counters.
    pub const ALL: [Self; 7] = [
        Self::Continue,
        Self::Respond,
        Self::Reject,
        Self::NeedBody,
        Self::Wait,
        Self::FailedOpen,
        Self::FailedClosed,
    ];

    /// The metric label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Continue => "continue",
            Self::Respond => "respond",
            Self::Reject => "reject",
            Self::NeedBody => "need_body",
            Self::Wait => "wait",
            Self::FailedOpen => "failed_open",
            Self::FailedClosed => "failed_closed",
        }
    }
}

/// What the engine counts of one step. Lives on while reloads keep the step.
#[derive(Debug, Default)]
pub struct StepStats {
    verdicts: [AtomicU64; StepVerdict::ALL.len()],
    /// Time spent in the step, all stages, waiting included.
    pub time: Histogram,
    pub(crate) told: Told,
}

impl StepStats {
    pub(crate) fn count(&self, verdict: StepVerdict, nanos: u64) {
        self.verdicts[verdict as usize].fetch_add(1, Relaxed);
        self.time.observe(nanos);
    }

    /// How often the step gave this verdict.
    #[must_use]
    pub fn verdicts(&self, verdict: StepVerdict) -> u64 {
        self.verdicts[verdict as usize].load(Relaxed)
    }
}

/// What the engine counts of one API. Lives on while reloads keep the API.
#[derive(Debug, Default)]
pub struct ApiStats {
    status_classes: [AtomicU64; 6],
    in_flight: AtomicI64,
    /// From the request head's arrival to the call's end.
    pub total_time: Histogram,
    /// From opening an attempt to its response head.
    pub origin_time: Histogram,
    /// Attempts beyond the first.
    pub retries: AtomicU64,
    /// Request body bytes.
    pub request_bytes: AtomicU64,
    /// Response body bytes.
    pub response_bytes: AtomicU64,
    aborted: [AtomicU64; 5],
    errors: RwLock<BTreeMap<&'static str, AtomicU64>>,
    /// What has not been taken out yet; none before the first call, so that an API which is never
    /// called has no memory for it.
    recent: OnceLock<Box<Recent>>,
    /// Calls that had ended when it was last taken out.
    taken: AtomicU64,
    pub(crate) told: Told,
    /// None before the first call whose trace is sampled.
    exemplars: OnceLock<Box<Exemplars>>,
}

impl ApiStats {
    pub(crate) fn enter(&self) {
        self.in_flight.fetch_add(1, Relaxed);
    }

    pub(crate) fn leave(&self, outcome: &Outcome) {
        self.in_flight.fetch_sub(1, Relaxed);
        // First, so that whoever sees the call counted finds it there.
        self.recent.get_or_init(Box::default).count(outcome);
        let class = outcome.status.map_or(0, |status| usize::from(status.as_u16() / 100).min(5));
        self.status_classes[class].fetch_add(1, Relaxed);
        self.total_time.observe(outcome.total_nanos);
        if let Some(nanos) = outcome.origin_head_nanos {
            self.origin_time.observe(nanos);
        }
        if outcome.attempts > 1 {
            self.retries.fetch_add(u64::from(outcome.attempts - 1), Relaxed);
        }
        self.request_bytes.fetch_add(outcome.request_bytes, Relaxed);
        self.response_bytes.fetch_add(outcome.response_bytes, Relaxed);
        let aborted = match outcome.termination {
            Termination::Completed => None,
            Termination::ClientGone => Some(0),
            Termination::OriginBrokeOff => Some(1),
            Termination::HandlerBrokeOff => Some(2),
            Termination::Dropped => Some(3),
            Termination::Superseded => Some(4),
        };
        if let Some(index) = aborted {
            self.aborted[index].fetch_add(1, Relaxed);
        }
        if let Some(error) = outcome.error {
            self.count_error(error.label);
        }
    }

    /// Takes a call whose trace is sampled as an example of [`Self::total_time`].
    pub(crate) fn show(&self, exemplar: Exemplar) {
        self.exemplars.get_or_init(Box::default).show(exemplar);
    }

    /// Examples of [`Self::total_time`], by bucket.
    #[must_use]
    pub fn exemplars(&self) -> [Option<Exemplar>; BUCKETS] {
        self.exemplars.get().map_or([None; BUCKETS], |all| all.read())
    }

    fn count_error(&self, label: &'static str) {
        let Ok(known) = self.errors.read() else { return };
        if let Some(count) = known.get(label) {
            count.fetch_add(1, Relaxed);
            return;
        }
        drop(known);
        if let Ok(mut all) = self.errors.write() {
            all.entry(label).or_default().fetch_add(1, Relaxed);
        }
    }

    /// Calls that ended, by status class: index 0 without a status, 1 to 5 for 1xx to 5xx.
    #[must_use]
    pub fn status_classes(&self) -> [u64; 6] {
        std::array::from_fn(|index| self.status_classes[index].load(Relaxed))
    }

    /// Calls that ended.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.status_classes.iter().map(|class| class.load(Relaxed)).sum()
    }

    /// Takes out what calls have left since this was last called: each mark of [`recent`] with its
    /// count. For one taker; a second one would get what the first does not. Says whether any call
    /// has ended; where none has, that costs a look at one cache line.
    pub fn take_recent(&self, each: impl FnMut(u16, u32)) -> bool {
        let Some(recent) = self.recent.get() else { return false };
        let calls = self.calls();
        if self.taken.swap(calls, Relaxed) == calls {
            return false;
        }
        recent.take(each);
        true
    }

    /// Calls in flight now.
    #[must_use]
    pub fn in_flight(&self) -> i64 {
        self.in_flight.load(Relaxed)
    }

    /// Calls that did not complete, with the name of why.
    #[must_use]
    pub fn aborted(&self) -> [(&'static str, u64); 5] {
        let names = [
            Termination::ClientGone,
            Termination::OriginBrokeOff,
            Termination::HandlerBrokeOff,
            Termination::Dropped,
            Termination::Superseded,
        ];
        std::array::from_fn(|index| (names[index].as_str(), self.aborted[index].load(Relaxed)))
    }

    /// Answers made by the gateway for an error, by the error's label.
    #[must_use]
    pub fn errors(&self) -> Vec<(&'static str, u64)> {
        self.errors.read().map_or_else(
            |_| Vec::new(),
            |all| all.iter().map(|(label, count)| (*label, count.load(Relaxed))).collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    //! Where observations land.
    use super::{BUCKETS, Histogram};

    #[test]
    fn every_bound_is_inclusive_and_the_next_nanosecond_is_in_the_next_bucket() {
        for index in 0..BUCKETS - 1 {
            let Some(bound) = Histogram::bound_nanos(index) else { unreachable!() };
            let histogram = Histogram::default();
            histogram.observe(bound);
            histogram.observe(bound + 1);
            let reading = histogram.read();
            assert_eq!((reading.buckets[index], reading.buckets[index + 1]), (1, 1), "{bound}");
            assert_eq!(reading.sum_nanos, 2 * bound + 1);
        }
        assert_eq!(Histogram::bound_nanos(BUCKETS - 1), None);
    }
}

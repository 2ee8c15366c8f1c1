//! What an API's steps have counted, at one moment and since another.

use paifang_pipeline::{
    Chain,
    ports::Nanos,
    stats::{StepStats, StepVerdict},
};
use std::sync::Arc;

/// What the steps of one API had counted at a time.
#[derive(Debug)]
pub(super) struct Marks {
    pub(super) at: Nanos,
    steps: Box<[(Arc<str>, Count)]>,
}

/// What one step has counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Count {
    /// Verdicts: what it was asked at all stages.
    pub(super) verdicts: u64,
    /// Those by which the call was answered or broken off.
    pub(super) ended: u64,
    /// Its failures, passed over or not.
    pub(super) failed: u64,
    /// The time in it, in nanoseconds.
    pub(super) nanos: u64,
}

impl Count {
    /// What a step has counted so far.
    pub(super) fn of(stats: &StepStats) -> Self {
        let sum = |all: &[StepVerdict]| all.iter().map(|verdict| stats.verdicts(*verdict)).sum();
        Self {
            verdicts: sum(&StepVerdict::ALL),
            ended: sum(&[StepVerdict::Respond, StepVerdict::Reject, StepVerdict::FailedClosed]),
            failed: sum(&[StepVerdict::FailedOpen, StepVerdict::FailedClosed]),
            nanos: stats.time.read().sum_nanos,
        }
    }

    /// What was counted since. Counters that began anew count from zero.
    pub(super) fn since(self, earlier: Self) -> Self {
        let less = |now: u64, before: u64| now.checked_sub(before).unwrap_or(now);
        Self {
            verdicts: less(self.verdicts, earlier.verdicts),
            ended: less(self.ended, earlier.ended),
            failed: less(self.failed, earlier.failed),
            nanos: less(self.nanos, earlier.nanos),
        }
    }
}

impl Marks {
    /// What the steps have counted now.
    pub(super) fn of(chain: &Chain, at: Nanos) -> Self {
        let steps = chain.steps().iter();
        Self { at, steps: steps.map(|step| (step.id.clone(), Count::of(&step.stats))).collect() }
    }

    /// What a step had counted then; nothing for one that was not there.
    pub(super) fn get(&self, id: &str) -> Count {
        let found = self.steps.iter().find(|(known, _)| **known == *id);
        found.map(|(_, count)| *count).unwrap_or_default()
    }
}

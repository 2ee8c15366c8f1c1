//! What became of copies, and how many there are at present.

use crate::kept::Kept;
use paifang_pipeline::{MetricKind, PluginMetric};
use std::sync::{
    Arc,
    atomic::{
        AtomicU32, AtomicU64,
        Ordering::{AcqRel, Acquire, Relaxed},
    },
};

/// What became of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum Fate {
    /// It was sent and answered.
    Answered,
    /// It was sent, and there was no answer in time.
    Failed,
    /// There were too many.
    Full,
    /// Its body was larger than allowed.
    TooLarge,
    /// The call's own body did not come whole.
    Incomplete,
    /// The call never went to its own upstream.
    Unsent,
}

impl Fate {
    const ALL: [(Self, &'static str); 6] = [
        (Self::Answered, "answered"),
        (Self::Failed, "failed"),
        (Self::Full, "full"),
        (Self::TooLarge, "too_large"),
        (Self::Incomplete, "incomplete"),
        (Self::Unsent, "unsent"),
    ];
}

/// Of one step. Outlives reloads.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pending: AtomicU32,
    fates: [AtomicU64; Fate::ALL.len()],
}

/// Counters by API and step.
pub(super) type AllCounts = Kept<[String; 2], Counts>;

impl Counts {
    pub(super) fn count(&self, fate: Fate) {
        self.fates[fate as usize].fetch_add(1, Relaxed);
    }

    /// Takes a place for a copy, of `most`.
    pub(super) fn enter(self: &Arc<Self>, most: u32) -> Option<Place> {
        let more = |pending: u32| (pending < most).then_some(pending + 1);
        self.pending.fetch_update(AcqRel, Acquire, more).ok()?;
        Some(Place(self.clone()))
    }
}

/// A copy's place, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place(Arc<Counts>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.pending.fetch_sub(1, AcqRel);
    }
}

/// The counters as metrics.
pub(super) fn metrics(all: &AllCounts) -> Vec<PluginMetric> {
    let mut metrics = Vec::new();
    for ([api, step], counts) in all.all() {
        let labels = || vec![("api", api.clone()), ("step", step.clone())];
        for (fate, word) in Fate::ALL {
            metrics.push(PluginMetric {
                name: "paifang_mirror_copies_total",
                help: "Copies of calls by what became of them.",
                kind: MetricKind::Counter,
                labels: [labels(), vec![("result", word.to_owned())]].concat(),
                value: counts.fates[fate as usize].load(Relaxed),
            });
        }
        metrics.push(PluginMetric {
            name: "paifang_mirror_pending",
            help: "Copies that are waiting to be sent or answered.",
            kind: MetricKind::Gauge,
            labels: labels(),
            value: counts.pending.load(Acquire).into(),
        });
    }
    metrics
}

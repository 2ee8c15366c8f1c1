//! How many calls a step has let pass and refused, and whose turn it is.

use crate::{kept::Kept, points::POINTS};
use paifang_pipeline::{MetricKind, PluginMetric, units::Percent};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Of one step. Outlives reloads.
#[derive(Debug, Default)]
pub(super) struct Counts {
    passed: AtomicU64,
    shed: AtomicU64,
    /// Calls whose turn it was: those that no caller decides.
    turns: AtomicU64,
}

/// Counters by API and step.
pub(super) type AllCounts = Kept<[String; 2], Counts>;

impl Counts {
    /// Whether the next call belongs to the share. Of any calls in a row so many do as the share says,
    /// rounded up or down, and they are spread evenly.
    pub(super) fn turn(&self, share: Percent) -> bool {
        let (all, share) = (u64::from(POINTS), u64::from(share.thousandths()));
        let turn = self.turns.fetch_add(1, Relaxed) % all;
        (turn + 1) * share / all > turn * share / all
    }

    pub(super) fn count(&self, shed: bool) {
        let counter = if shed { &self.shed } else { &self.passed };
        counter.fetch_add(1, Relaxed);
    }
}

/// The counters as metrics.
pub(super) fn metrics(all: &AllCounts) -> Vec<PluginMetric> {
    let metrics = all.all().into_iter().flat_map(|([api, step], counts)| {
        [("passed", &counts.passed), ("shed", &counts.shed)].map(|(result, counter)| PluginMetric {
            name: "paifang_shed_calls_total",
            help: "Calls by whether they belonged to the share that is refused.",
            kind: MetricKind::Counter,
            labels: vec![
                ("api", api.clone()),
                ("result", result.to_owned()),
                ("step", step.clone()),
            ],
            value: counter.load(Relaxed),
        })
    });
    metrics.collect()
}

//! What is told of a breaker: a log line for every change, and metrics.

use super::{
    breaker::{Breaker, State},
    config::Spec,
    window::Counts,
};
use crate::kept::Kept;
use paifang_pipeline::{MetricKind, PluginMetric, PluginTrouble};
use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// Breakers by the name of their state, the upstream and what they do.
pub(super) type Breakers = Kept<(String, String, Spec), Breaker>;

/// Whose breaker it is, and what has become of it.
#[derive(Debug)]
pub(super) struct Report {
    name: String,
    upstream: String,
    changes: [AtomicU64; State::ALL.len()],
    refused: AtomicU64,
}

impl Report {
    pub(super) fn new(name: &str, upstream: &str) -> Self {
        Self {
            name: name.to_owned(),
            upstream: upstream.to_owned(),
            changes: Default::default(),
            refused: AtomicU64::new(0),
        }
    }

    /// A call was refused.
    pub(super) fn refused(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    pub(super) fn opened(&self, sum: Counts, nanos: u64) {
        self.changed(State::Open);
        let Counts { calls, failed, slow } = sum;
        let open = Duration::from_nanos(nanos);
        tracing::warn!(
            breaker = %self.name, upstream = %self.upstream, calls, failed, slow, ?open,
            "circuit breaker opened"
        );
    }

    pub(super) fn opened_again(&self, nanos: u64) {
        self.changed(State::Open);
        let open = Duration::from_nanos(nanos);
        tracing::warn!(
            breaker = %self.name, upstream = %self.upstream, ?open,
            "circuit breaker opened again: a call that tried the upstream was not fine"
        );
    }

    pub(super) fn half_open(&self) {
        self.changed(State::HalfOpen);
        tracing::info!(
            breaker = %self.name, upstream = %self.upstream,
            "circuit breaker is half open: some calls try the upstream"
        );
    }

    pub(super) fn closed(&self) {
        self.changed(State::Closed);
        tracing::info!(breaker = %self.name, upstream = %self.upstream, "circuit breaker closed");
    }

    fn changed(&self, to: State) {
        self.changes[to as usize].fetch_add(1, Relaxed);
    }

    /// How often it came to this state.
    #[cfg(test)]
    pub(super) fn changes(&self, to: State) -> u64 {
        self.changes[to as usize].load(Relaxed)
    }
}

/// The breakers that are not closed, each upstream's once.
pub(super) fn troubles(all: &Breakers) -> Vec<PluginTrouble> {
    let mut states = BTreeMap::<(String, String), u64>::new();
    for ((name, upstream, _), breaker) in all.all() {
        let state = states.entry((name, upstream)).or_default();
        *state = (*state).max(breaker.state() as u64);
    }
    let trouble = |((name, upstream), worst): ((String, String), u64)| {
        let named = State::ALL.into_iter().find(|(state, _)| *state as u64 == worst)?;
        (named.0 != State::Closed).then_some(PluginTrouble {
            name,
            upstream: Some(upstream),
            state: named.1,
        })
    };
    states.into_iter().filter_map(trouble).collect()
}

/// All breakers as metrics. Of those with one name the one that serves may stand beside the one that
/// a release brings that is not live yet; both count.
pub(super) fn metrics(all: &Breakers) -> Vec<PluginMetric> {
    let mut seen = BTreeMap::<(String, String), [u64; 5]>::new();
    for ((name, upstream, _), breaker) in all.all() {
        let sums = seen.entry((name, upstream)).or_default();
        let report = &breaker.report;
        for (sum, count) in sums.iter_mut().zip(&report.changes) {
            *sum += count.load(Relaxed);
        }
        sums[3] += report.refused.load(Relaxed);
        sums[4] = sums[4].max(breaker.state() as u64);
    }
    let mut metrics = Vec::new();
    for ((name, upstream), sums) in seen {
        let labels = || vec![("breaker", name.clone()), ("upstream", upstream.clone())];
        for (state, word) in State::ALL {
            metrics.push(PluginMetric {
                name: "paifang_circuit_breaker_changes_total",
                help: "Times that a breaker has come to a state.",
                kind: MetricKind::Counter,
                labels: [labels(), vec![("to", word.to_owned())]].concat(),
                value: sums[state as usize],
            });
        }
        metrics.push(PluginMetric {
            name: "paifang_circuit_breaker_refused_total",
            help: "Calls that a breaker has refused.",
            kind: MetricKind::Counter,
            labels: labels(),
            value: sums[3],
        });
        metrics.push(PluginMetric {
            name: "paifang_circuit_breaker_state",
            help: "What a breaker does: 0 closed, 1 half open, 2 open.",
            kind: MetricKind::Gauge,
            labels: labels(),
            value: sums[4],
        });
    }
    metrics
}

//! Telling of steps and calls that take long, and noting them for a trace.

use super::Run;
use crate::{
    ports::Nanos,
    spans::StepNote,
    stats::{StepVerdict, Told},
};
use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// From when on steps and calls are told of as slow, for all calls of a gateway; never at first.
///
/// Each step and each API is told of once a second at most, and all together [`SlowLog::LINES`]
/// times; a line says how many it stands for.
#[derive(Debug)]
pub struct SlowLog {
    step: AtomicU64,
    call: AtomicU64,
    /// The second that is counted, and its lines.
    second: AtomicU64,
    lines: AtomicU64,
}

impl Default for SlowLog {
    fn default() -> Self {
        let never = || AtomicU64::new(u64::MAX);
        Self { step: never(), call: never(), second: AtomicU64::new(0), lines: AtomicU64::new(0) }
    }
}

impl SlowLog {
    /// Lines a second, of all steps and APIs together.
    pub const LINES: u64 = 100;

    /// Sets what is slow from now on: calls that begin later are told of by it.
    pub fn set(&self, step: Option<Duration>, call: Option<Duration>) {
        let nanos = |limit: Option<Duration>| {
            limit.map_or(u64::MAX, |limit| u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX))
        };
        self.step.store(nanos(step), Relaxed);
        self.call.store(nanos(call), Relaxed);
    }

    pub(super) fn step(&self) -> u64 {
        self.step.load(Relaxed)
    }

    /// Whether there is room for a line, of this step or API and of all; then how many it stands
    /// for beside the one that is told.
    fn admits(&self, told: &Told, now: Nanos) -> Option<u64> {
        let second = now.0 / 1_000_000_000;
        if self.second.swap(second, Relaxed) != second {
            self.lines.store(0, Relaxed);
        }
        let hidden = told.turn(second)?;
        if self.lines.fetch_add(1, Relaxed) < Self::LINES {
            return Some(hidden);
        }
        told.keep(hidden + 1);
        None
    }
}

impl Run<'_> {
    /// From how many nanoseconds on [`Self::note_step`] wants to know of a step: of all where the
    /// call is traced, of none where nothing is told.
    pub(super) fn notable(&self) -> u64 {
        let traced = self.exchange.span.as_ref().is_some_and(|span| span.sampled);
        if traced { 0 } else { self.slow.step() }
    }

    /// A step has taken long, or the call is traced.
    #[cold]
    pub(super) fn note_step(
        &mut self,
        index: usize,
        stage: &'static str,
        verdict: StepVerdict,
        began: Nanos,
    ) {
        let now = self.exchange.now;
        if let Some(span) = self.exchange.span.as_mut().filter(|span| span.sampled) {
            span.step(StepNote { index, stage, verdict, time: (began, now) });
        }
        let nanos = now.since(began);
        if nanos < self.slow.step() {
            return;
        }
        let step = self.step(index);
        let Some(hidden) = self.slow.admits(&step.stats.told, now) else { return };
        tracing::warn!(
            target: "paifang::slow",
            api = %self.api.id, step = %step.id, kind = %step.kind, stage,
            verdict = verdict.as_str(), micros = nanos / 1_000, request_id = self.request_id(),
            trace_id = self.trace_id(), unshown = hidden, "slow step"
        );
    }

    /// A call has ended.
    pub(super) fn note_call(&self) {
        let outcome = &self.exchange.outcome;
        if outcome.total_nanos < self.slow.call.load(Relaxed) || outcome.upgraded {
            return;
        }
        let Some(hidden) = self.slow.admits(&self.api.stats.told, self.exchange.now) else {
            return;
        };
        tracing::warn!(
            target: "paifang::slow",
            api = %self.api.id, micros = outcome.total_nanos / 1_000,
            origin_micros = outcome.origin_head_nanos.map(|nanos| nanos / 1_000),
            attempts = outcome.attempts, endpoint = outcome.endpoint.map(tracing::field::display),
            status = outcome.status.map(|status| status.as_u16()),
            termination = outcome.termination.as_str(), request_id = self.request_id(),
            trace_id = self.trace_id(), unshown = hidden, "slow call"
        );
    }

    pub(super) fn request_id(&self) -> &str {
        self.exchange.slots.request_id().and_then(|id| id.to_str().ok()).unwrap_or("-")
    }

    fn trace_id(&self) -> Option<tracing::field::DisplayValue<crate::spans::TraceId>> {
        self.exchange.span.as_ref().map(|span| tracing::field::display(span.trace))
    }
}

#[cfg(test)]
mod tests {
    //! How often something is told of.
    use super::SlowLog;
    use crate::{ports::Nanos, stats::Told};

    #[test]
    fn each_is_told_of_once_a_second_and_all_so_many_times() {
        let (log, told) = (SlowLog::default(), Told::default());
        let at = |second: u64| Nanos(second * 1_000_000_000 + 7);
        assert_eq!(log.admits(&told, at(5)), Some(0));
        assert_eq!(log.admits(&told, at(5)), None);
        assert_eq!(log.admits(&told, at(5)), None);
        assert_eq!(log.admits(&told, at(6)), Some(2), "two were not shown");
        let others: Vec<Told> = (0..SlowLog::LINES).map(|_| Told::default()).collect();
        let shown = others.iter().filter(|told| log.admits(told, at(6)).is_some()).count() as u64;
        assert_eq!(shown, SlowLog::LINES - 1);
        let last = &others[others.len() - 1];
        assert_eq!(log.admits(last, at(7)), Some(1), "the one for which there was no room");
    }
}

//! What an instance's imports work on, and the account of one call.

use crate::{
    budget::Budget,
    host::wasi::{handles::Handles, stdio::Stdio},
    settings::Spec,
    stats::Stats,
    ticker::Ticker,
};
use paifang_pipeline::ports::{Clock, HttpOut, Kv};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use wasmtime::ResourceLimiter;

/// What all instances of one handler share.
pub(crate) struct Env {
    pub(crate) spec: Arc<Spec>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Where it keeps values, if that is granted.
    pub(crate) kv: Option<Arc<dyn Kv>>,
    pub(crate) http: Arc<dyn HttpOut>,
    pub(crate) stats: Arc<Stats>,
    pub(crate) ticker: Arc<Ticker>,
}

/// Where in its life an instance is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It is being configured: nothing that outlives it may be touched.
    Configure,
    /// A call.
    Call,
    /// The end of a call: nothing may be waited for.
    Log,
}

/// What belongs to one instance.
pub(crate) struct Ctx {
    pub(crate) env: Arc<Env>,
    pub(crate) phase: Phase,
    pub(crate) memory: Memory,
    /// Until when the call under way may wait, where it waits at all.
    pub(crate) patience: Option<tokio::time::Instant>,
    /// How long the call under way may compute.
    pub(crate) budget: Budget,
    /// What it has written by way of WASI and not ended with a line's end.
    pub(crate) stdio: Option<Box<Stdio>>,
    /// Handles of WASI that it holds.
    pub(crate) handles: Handles,
}

/// Holds an instance to its memory and tables.
pub(crate) struct Memory {
    most_bytes: usize,
    most_elements: usize,
    /// Elements of all its tables together.
    elements: usize,
    /// The most linear memory it has had.
    pub(crate) peak: usize,
    /// What it wanted more of than it may have.
    pub(crate) exceeded: Option<&'static str>,
}

impl Ctx {
    pub(crate) fn new(env: Arc<Env>, phase: Phase) -> Self {
        let limits = &env.spec.limits;
        let budget = Budget::new(limits.cpu, Instant::now());
        let memory = Memory {
            most_bytes: limits.memory_bytes,
            most_elements: limits.table_elements,
            elements: 0,
            peak: 0,
            exceeded: None,
        };
        Self {
            env,
            phase,
            memory,
            patience: None,
            budget,
            stdio: None,
            handles: Handles::default(),
        }
    }
}

impl ResourceLimiter for Memory {
    fn memory_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let allowed = desired <= self.most_bytes;
        if allowed {
            self.peak = self.peak.max(desired);
        } else {
            self.exceeded = Some("memory");
        }
        Ok(allowed)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let elements = self.elements.saturating_add(desired.saturating_sub(current));
        let allowed = elements <= self.most_elements;
        if allowed {
            self.elements = elements;
        } else {
            self.exceeded = Some("table");
        }
        Ok(allowed)
    }
}

/// Counts log lines in the second under way.
#[derive(Default)]
pub(crate) struct LogRate {
    /// The second in the upper half, its lines in the lower.
    state: AtomicU64,
}

impl LogRate {
    /// Whether another line may be written now.
    pub(crate) fn admit(&self, now: Duration, per_second: u32) -> bool {
        let second = now.as_secs() & u64::from(u32::MAX);
        let count =
            |state: u64| if state >> 32 == second { state & u64::from(u32::MAX) } else { 0 };
        self.state
            .fetch_update(Relaxed, Relaxed, |state| {
                let lines = count(state);
                (lines < u64::from(per_second)).then_some(second << 32 | (lines + 1))
            })
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_its_lines_and_no_more() {
        let rate = LogRate::default();
        let at = |millis| rate.admit(Duration::from_millis(millis), 2);
        assert_eq!([at(1_000), at(1_500), at(1_999), at(2_000)], [true, true, false, true]);
    }
}

//! Examples of calls, one for each bucket of a histogram: the trace to look at.

use super::{BUCKETS, bucket};
use crate::spans::TraceId;
use std::{sync::Mutex, time::Duration};

/// A call that is an example of its bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exemplar {
    /// Its trace.
    pub trace: TraceId,
    /// How long it took, in nanoseconds.
    pub nanos: u64,
    /// When it had begun, since the Unix epoch.
    pub unix: Duration,
}

/// The last sampled call of each bucket. Only calls whose trace is sampled come here.
#[derive(Debug, Default)]
pub(super) struct Exemplars(Mutex<[Option<Exemplar>; BUCKETS]>);

impl Exemplars {
    /// Takes a call as its bucket's example, unless another is just being taken.
    pub(super) fn show(&self, exemplar: Exemplar) {
        if let Ok(mut all) = self.0.try_lock() {
            all[bucket(exemplar.nanos)] = Some(exemplar);
        }
    }

    pub(super) fn read(&self) -> [Option<Exemplar>; BUCKETS] {
        self.0.lock().map_or([None; BUCKETS], |all| *all)
    }
}

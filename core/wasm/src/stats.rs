//! What is counted of a handler, by module version. Read at each scrape.

use crate::env::LogRate;
use paifang_pipeline::stats::Histogram;
use parking_lot::RwLock;
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
};

/// How many names of its own a handler may count under.
const OWN_NAMES: usize = 32;
/// The longest of them, in bytes.
const OWN_NAME_BYTES: usize = 64;

/// Counters of one version of one handler.
#[derive(Default)]
pub struct Stats {
    /// Calls of its functions: time inside, in nanoseconds, waiting included.
    pub time: Histogram,
    /// Traps: a panic, a bad access, a stack used up.
    pub traps: AtomicU64,
    /// Calls cut because they computed too long.
    pub timeouts: AtomicU64,
    /// Calls cut because they waited too long.
    pub wall_timeouts: AtomicU64,
    /// Calls that wanted more memory or table than they may have.
    pub overruns: AtomicU64,
    /// Verdicts that no chain may follow: illegal headers, paths, statuses.
    pub illegal: AtomicU64,
    /// Calls refused because as many instances ran as may.
    pub crowded: AtomicU64,
    /// Calls refused because its breaker was open.
    pub broken: AtomicU64,
    /// How often its breaker has opened.
    pub opened: AtomicU64,
    /// Instances made.
    pub instances_made: AtomicU64,
    /// Instances running now; what `limits.instances` bounds.
    pub instances: AtomicU32,
    /// The most linear memory that an instance has had, in bytes.
    pub memory_peak: AtomicU64,
    /// Lines that it logged beyond its rate; they are not written.
    pub log_dropped: AtomicU64,
    /// Holds its lines to their rate.
    pub(crate) log: LogRate,
    own: RwLock<BTreeMap<Arc<str>, Own>>,
}

/// A number of the handler's own.
#[derive(Clone)]
pub enum Own {
    /// A counter.
    Count(Arc<AtomicU64>),
    /// A histogram.
    Values(Arc<Histogram>),
}

impl Stats {
    /// Notes an instance's memory.
    pub(crate) fn memory(&self, bytes: u64) {
        // It hardly ever grows.
        if self.memory_peak.load(Relaxed) < bytes {
            self.memory_peak.fetch_max(bytes, Relaxed);
        }
    }

    /// Adds to a counter of the handler's own. `false` where the name is none, or one too many.
    pub(crate) fn count(&self, name: &str, by: u64) -> bool {
        match self.own(name, || Own::Count(Arc::default())) {
            Some(Own::Count(count)) => {
                count.fetch_add(by, Relaxed);
                true
            }
            _ => false,
        }
    }

    /// Records a value in a histogram of the handler's own.
    pub(crate) fn observe(&self, name: &str, value: u64) -> bool {
        match self.own(name, || Own::Values(Arc::default())) {
            Some(Own::Values(values)) => {
                values.observe(value);
                true
            }
            _ => false,
        }
    }

    fn own(&self, name: &str, make: impl FnOnce() -> Own) -> Option<Own> {
        if let Some(own) = self.own.read().get(name) {
            return Some(own.clone());
        }
        if !is_name(name) {
            return None;
        }
        let mut all = self.own.write();
        if all.len() >= OWN_NAMES && !all.contains_key(name) {
            return None;
        }
        Some(all.entry(name.into()).or_insert_with(make).clone())
    }

    /// The handler's own numbers, by name.
    #[must_use]
    pub fn own_numbers(&self) -> Vec<(Arc<str>, Own)> {
        self.own.read().iter().map(|(name, own)| (name.clone(), own.clone())).collect()
    }
}

fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    name.len() <= OWN_NAME_BYTES
        && bytes.next().is_some_and(|first| first.is_ascii_lowercase())
        && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

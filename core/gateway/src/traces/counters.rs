//! What has become of spans. Kept over reloads.

use std::sync::atomic::AtomicU64;

/// Counts of spans and of requests to the collector.
#[derive(Debug, Default)]
pub(crate) struct SpanCounters {
    /// Spans that the collector has taken.
    pub(crate) exported: AtomicU64,
    /// Spans for which there was no room in the queue.
    pub(crate) queue_full: AtomicU64,
    /// Spans that the collector did not want.
    pub(crate) refused: AtomicU64,
    /// Spans that could not be delivered for too long.
    pub(crate) gave_up: AtomicU64,
    /// Requests that the collector has answered well.
    pub(crate) requests: AtomicU64,
    /// Requests that were repeated, or should have been.
    pub(crate) retries: AtomicU64,
    /// Requests that were refused for good.
    pub(crate) refusals: AtomicU64,
}

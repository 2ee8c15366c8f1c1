//! Metrics of the spans that go to a collector; none where the config has no traces.

use super::family::{counters, gauges};
use crate::live::Live;
use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};
use std::{
    fmt,
    sync::{Arc, atomic::Ordering::Relaxed},
};

/// What tracers have counted.
pub(super) struct Traces(pub(super) Arc<Live>);

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Traces")
    }
}

impl Collector for Traces {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(tracer) = self.0.load().tracer.clone() else { return Ok(()) };
        let (counts, queued) = tracer.counters();
        let exported = counts.exported.load(Relaxed);
        counters(
            &mut encoder,
            "paifang_spans_exported",
            "Spans that the collector has taken.",
            [(vec![], exported)],
        )?;
        let dropped = [
            ("queue_full", &counts.queue_full),
            ("refused", &counts.refused),
            ("gave_up", &counts.gave_up),
        ];
        counters(
            &mut encoder,
            "paifang_spans_dropped",
            "Spans that the collector never got or did not want, by why.",
            dropped.map(|(reason, count)| (vec![("reason", reason)], count.load(Relaxed))),
        )?;
        let requests =
            [("ok", &counts.requests), ("retry", &counts.retries), ("refused", &counts.refusals)];
        counters(
            &mut encoder,
            "paifang_span_requests",
            "Requests to the collector, by what became of them.",
            requests.map(|(result, count)| (vec![("result", result)], count.load(Relaxed))),
        )?;
        let queued = i64::try_from(queued).unwrap_or(i64::MAX);
        gauges(
            &mut encoder,
            "paifang_span_queue_calls",
            "Calls whose spans wait to be sent.",
            [(vec![], queued)],
        )
    }
}

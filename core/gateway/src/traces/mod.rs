//! Traces for OpenTelemetry: which calls are sampled, what their spans are, and how they get to a
//! collector.
//!
//! A call that is not sampled costs the reading of its trace context and three random numbers. One
//! that is makes its spans when it has ended, and queues them; a task sends what is queued.
//! `docs/adr` tells why the messages of OTLP are written out here.

mod counters;
mod export;
mod proto;
mod spans;

pub(crate) use counters::SpanCounters;

use crate::upstream::{Deps, Upstream};
use export::{Exporter, Item};
use http::{HeaderMap, HeaderName, HeaderValue};
use paifang_pipeline::{
    Facts, Outcome, Secret, Termination,
    ports::Spawn,
    spans::{CallSpan, Ended, Propagation, SpanSink, TraceId},
    units::Percent,
};
use parking_lot::Mutex;
use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};
use tokio::sync::{mpsc, oneshot};

/// All that a release says of traces. Equal settings keep the exporter that is there.
#[derive(Clone, PartialEq)]
pub(crate) struct Settings {
    pub(crate) upstream: crate::upstream::UpstreamSpec,
    pub(crate) path: String,
    pub(crate) headers: Vec<(HeaderName, Secret)>,
    pub(crate) resource: Vec<(String, String)>,
    pub(crate) propagation: Propagation,
    pub(crate) sample: Percent,
    pub(crate) parent_based: bool,
    pub(crate) errors: bool,
    pub(crate) slow_step: Duration,
    pub(crate) queue: usize,
    pub(crate) batch: usize,
    pub(crate) delay: Duration,
    pub(crate) timeout: Duration,
}

/// Begins the spans of calls and queues them when they have ended.
pub(crate) struct Tracer {
    settings: Settings,
    queue: mpsc::Sender<Item>,
    counters: Arc<SpanCounters>,
    /// Until it is started.
    exporter: Mutex<Option<Exporter>>,
}

impl Tracer {
    /// The tracer of these settings: the one before, where they are the same.
    ///
    /// # Errors
    /// Why the collector cannot be called at all.
    pub(crate) fn build(
        settings: Settings,
        before: Option<&Arc<Self>>,
        deps: &Deps,
    ) -> Result<Arc<Self>, String> {
        if let Some(before) = before.filter(|before| before.settings == settings) {
            return Ok(before.clone());
        }
        let upstream = Upstream::build(settings.upstream.clone(), deps);
        let upstream = upstream.map_err(|error| error.to_string())?;
        let mut headers = HeaderMap::new();
        for (name, secret) in &settings.headers {
            let mut value = HeaderValue::from_bytes(secret.expose())
                .map_err(|_| format!("the value of `{name}` cannot stand in a header"))?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        let counters = before.map(|before| before.counters.clone()).unwrap_or_default();
        let (queue, items) = mpsc::channel(settings.queue);
        let exporter = Exporter::new(&settings, upstream, headers, items, counters.clone());
        let exporter = Mutex::new(Some(exporter));
        Ok(Arc::new(Self { settings, queue, counters, exporter }))
    }

    /// Begins to send, if it has not yet.
    pub(crate) fn start(&self, spawn: &Arc<dyn Spawn>) {
        if let Some(exporter) = self.exporter.lock().take() {
            spawn.spawn(Box::pin(exporter.run()));
        }
    }

    /// What has become of spans, and how many calls wait to be sent.
    pub(crate) fn counters(&self) -> (&SpanCounters, usize) {
        (&self.counters, self.queue.max_capacity() - self.queue.capacity())
    }

    /// Sends what is queued, if that takes no longer than `grace`.
    pub(crate) async fn flush(&self, grace: Duration) {
        let (done, sent) = oneshot::channel();
        let all = async {
            if self.queue.send(Item::Flush(done)).await.is_ok() {
                // It has ended, in whatever way.
                let _ = sent.await;
            }
        };
        let _ = tokio::time::timeout(grace, all).await;
    }

    /// A call's place in a trace.
    pub(crate) fn begin(
        self: &Arc<Self>,
        headers: &HeaderMap,
        facts: &Facts,
        route: Option<&Arc<str>>,
    ) -> CallSpan {
        let settings = &self.settings;
        // Two processes whose generators are in one state still differ in time.
        let time = facts.received_unix.as_nanos() as u64;
        let bits = (fastrand::u64(..) ^ time, fastrand::u64(..), fastrand::u64(..));
        let decide = |trace: TraceId, caller: Option<bool>| match caller {
            Some(sampled) if settings.parent_based => sampled,
            // The last 7 bytes are random, also in ids that others have made.
            _ => settings.sample.includes(trace.low() << 8),
        };
        let sink: Arc<dyn SpanSink> = self.clone();
        let mut span = CallSpan::begin(headers, settings.propagation, bits, decide, sink);
        if span.sampled || settings.errors {
            span.route = route.cloned();
        }
        span.noting_from(u64::try_from(settings.slow_step.as_nanos()).unwrap_or(u64::MAX))
    }
}

impl SpanSink for Tracer {
    fn ended(&self, ended: Ended<'_>) {
        let wanted = ended.span.sampled || self.settings.errors && failed(ended.call.outcome());
        if !wanted {
            return;
        }
        let spans = spans::of(&ended);
        let count = spans.len() as u64;
        if self.queue.try_send(Item::Spans(spans)).is_err() {
            self.counters.queue_full.fetch_add(count, Relaxed);
        }
    }
}

/// Whether a call counts as failed, as in the live statistics.
fn failed(outcome: &Outcome) -> bool {
    let broke =
        matches!(outcome.termination, Termination::OriginBrokeOff | Termination::HandlerBrokeOff);
    broke || outcome.status.is_some_and(|status| status.is_server_error())
}

//! The task that sends spans: in batches, one request at a time, again where that may help.
//!
//! OTLP over HTTP (<https://opentelemetry.io/docs/specs/otlp/#otlphttp>): which answers are worth a
//! repetition, `Retry-After`, and what a partial success is.

use super::{
    Settings,
    counters::SpanCounters,
    proto::{
        ExportRequest, ExportResponse, Resource, ResourceSpans, Scope, ScopeSpans, Span, attribute,
    },
};
use crate::upstream::Upstream;
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT},
};
use prost::Message;
use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep, timeout, timeout_at},
};

/// The first pause before a repetition; doubled for each that follows.
const PAUSE: Duration = Duration::from_millis(500);
/// The longest of them.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// After so long a batch is given up.
const GIVE_UP: Duration = Duration::from_secs(60);
/// The largest answer of a collector that is read, in bytes.
const LARGEST_ANSWER: usize = 64 << 10;
/// The version of the semantic conventions that spans follow.
const SCHEMA: &str = "https://opentelemetry.io/schemas/1.37.0";

/// What is queued.
pub(super) enum Item {
    /// The spans of one call.
    Spans(Vec<Span>),
    /// Tell when all that was queued before has been sent or given up.
    Flush(oneshot::Sender<()>),
}

/// What has become of a request.
enum Sent {
    Taken,
    /// It may be taken later, and not before so long.
    Later(Option<Duration>, String),
    Refused(String),
}

/// Sends what is queued, until nobody can queue anything any more.
pub(super) struct Exporter {
    upstream: Arc<Upstream>,
    path: String,
    headers: HeaderMap,
    resource: Resource,
    items: mpsc::Receiver<Item>,
    counters: Arc<SpanCounters>,
    batch: usize,
    delay: Duration,
    timeout: Duration,
    /// The collector did not take the last batch; told when that changes.
    troubled: bool,
}

impl Exporter {
    pub(super) fn new(
        settings: &Settings,
        upstream: Arc<Upstream>,
        mut headers: HeaderMap,
        items: mpsc::Receiver<Item>,
        counters: Arc<SpanCounters>,
    ) -> Self {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        headers.insert(
            USER_AGENT,
            HeaderValue::from_static(concat!("paifang/", env!("CARGO_PKG_VERSION"))),
        );
        let attributes = settings.resource.iter();
        let attributes = attributes.map(|(key, value)| attribute(key, value.as_str())).collect();
        Self {
            upstream,
            path: settings.path.clone(),
            headers,
            resource: Resource { attributes },
            items,
            counters,
            batch: settings.batch,
            delay: settings.delay,
            timeout: settings.timeout,
            troubled: false,
        }
    }

    /// Runs to the end of the queue.
    pub(super) async fn run(mut self) {
        self.upstream.start();
        self.upstream.warmed().await;
        while let Some(first) = self.items.recv().await {
            let (mut spans, mut flushed, mut ended) = (Vec::new(), Vec::new(), false);
            let mut next = Some(first);
            let until = Instant::now() + self.delay;
            while let Some(item) = next {
                match item {
                    Item::Spans(more) => spans.extend(more),
                    Item::Flush(done) => flushed.push(done),
                }
                if spans.len() >= self.batch || !flushed.is_empty() {
                    break;
                }
                next = match timeout_at(until, self.items.recv()).await {
                    Ok(None) => {
                        ended = true;
                        None
                    }
                    Ok(item) => item,
                    Err(_) => None,
                };
            }
            if !spans.is_empty() {
                self.deliver(spans).await;
            }
            // Whoever waits may have gone.
            flushed.into_iter().for_each(|done| _ = done.send(()));
            if ended {
                break;
            }
        }
        self.upstream.retire();
    }

    /// Sends a batch until it is taken, refused, or given up.
    async fn deliver(&mut self, spans: Vec<Span>) {
        let count = spans.len() as u64;
        let scope =
            Scope { name: "paifang".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() };
        let schema_url = SCHEMA.to_owned();
        let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, schema_url }];
        let resource = Some(self.resource.clone());
        let resource_spans = vec![ResourceSpans { resource, scope_spans }];
        let body = Bytes::from(ExportRequest { resource_spans }.encode_to_vec());
        let (end, mut pause) = (Instant::now() + GIVE_UP, PAUSE);
        loop {
            let (least, why) = match self.send(body.clone(), count).await {
                Sent::Taken => {
                    if std::mem::take(&mut self.troubled) {
                        tracing::info!("the collector takes spans again");
                    }
                    return;
                }
                Sent::Refused(why) => {
                    self.counters.refusals.fetch_add(1, Relaxed);
                    self.counters.refused.fetch_add(count, Relaxed);
                    self.complain(&why);
                    return;
                }
                Sent::Later(least, why) => (least, why),
            };
            self.counters.retries.fetch_add(1, Relaxed);
            self.complain(&why);
            // Many gateways do not come back all at once.
            let spread = pause.mul_f64(0.5 + fastrand::f64() / 2.0);
            let wait = spread.max(least.unwrap_or_default());
            if Instant::now() + wait >= end {
                self.counters.gave_up.fetch_add(count, Relaxed);
                return;
            }
            sleep(wait).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Tells of trouble, once until it is over.
    fn complain(&mut self, why: &str) {
        if !std::mem::replace(&mut self.troubled, true) {
            tracing::warn!(%why, "the collector does not take spans; calls go on, and spans are dropped when their queue is full");
        }
    }

    async fn send(&self, body: Bytes, count: u64) -> Sent {
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        match self.path.parse() {
            Ok(path) => *request.uri_mut() = path,
            Err(_) => return Sent::Refused(format!("`{}` is no path", self.path)),
        }
        request.headers_mut().extend(self.headers.clone());
        let call = self.upstream.call_whole(request, LARGEST_ANSWER);
        match timeout(self.timeout, call).await {
            Err(_) => Sent::Later(None, format!("no answer within {:?}", self.timeout)),
            Ok(Err(error)) => Sent::Later(None, format!("{error:?}")),
            Ok(Ok(answer)) => self.judge(&answer, count),
        }
    }

    fn judge(&self, answer: &Response<Bytes>, count: u64) -> Sent {
        let status = answer.status();
        if status.is_success() {
            self.counters.requests.fetch_add(1, Relaxed);
            let told = ExportResponse::decode(answer.body().clone()).unwrap_or_default();
            let partial = told.partial_success.unwrap_or_default();
            let rejected = u64::try_from(partial.rejected_spans).unwrap_or(0).min(count);
            self.counters.refused.fetch_add(rejected, Relaxed);
            self.counters.exported.fetch_add(count - rejected, Relaxed);
            if rejected > 0 {
                tracing::warn!(rejected, why = %partial.error_message, "the collector did not take all spans");
            }
            return Sent::Taken;
        }
        let why = format!("it answers {status}");
        match status {
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => {
                let after = answer.headers().get(RETRY_AFTER);
                let seconds = after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
                Sent::Later(seconds.map(Duration::from_secs), why)
            }
            _ => Sent::Refused(why),
        }
    }
}

//! The end of a call: the `log` stage, exactly once, whatever happened before.
//!
//! It runs in `Drop`, so that it comes also after a panic in the front, a dropped task or a
//! runtime that shuts down.

use super::Run;
use crate::{handler::LogCall, stats::Exemplar};
use std::panic::{AssertUnwindSafe, catch_unwind};

impl Drop for Run<'_> {
    fn drop(&mut self) {
        self.tick();
        let exchange = &mut self.exchange;
        exchange.outcome.total_nanos = exchange.now.since(exchange.facts.received);
        let api = self.api;
        for &index in &api.chain.log {
            let index = usize::from(index);
            if !self.takes_part(index) {
                continue;
            }
            let exchange = &mut self.exchange;
            let step = &api.chain.steps()[index];
            let logged = catch_unwind(AssertUnwindSafe(|| {
                step.handler.log(&mut LogCall { exchange, step: index });
            }));
            if logged.is_err() {
                tracing::error!(api = %api.id, step = %step.id, "handler panicked in `log`");
            }
        }
        self.emit_trace();
        self.note_call();
        api.stats.leave(&self.exchange.outcome);
        if let Some(span) = self.exchange.span.take() {
            if span.sampled {
                let nanos = self.exchange.outcome.total_nanos;
                let unix = self.exchange.facts.received_unix;
                api.stats.show(Exemplar { trace: span.trace, nanos, unix });
            }
            span.end(self.exchange, api, self.exchange.now);
        }
    }
}

impl Run<'_> {
    /// Writes a traced call's events, one line an event.
    fn emit_trace(&self) {
        let Some(trace) = &self.exchange.trace else { return };
        let outcome = &self.exchange.outcome;
        let id = self.request_id();
        for event in &trace.events {
            tracing::info!(
                target: "paifang::call_trace",
                request_id = id, api = %self.api.id, step = %event.step, stage = event.stage,
                verdict = event.verdict, nanos = event.nanos, headers = event.headers.join(" "),
            );
        }
        tracing::info!(
            target: "paifang::call_trace",
            request_id = id, api = %self.api.id, status = outcome.status.map(|status| status.as_u16()),
            termination = outcome.termination.as_str(), nanos = outcome.total_nanos,
            attempts = outcome.attempts, endpoint = outcome.endpoint.map(tracing::field::display),
        );
    }
}

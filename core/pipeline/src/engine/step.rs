//! Calling one step: its time, its count, its panics, its failure mode.

use super::{Run, Trouble, until};
use crate::{
    chain::{OnFailure, Step},
    error,
    exchange::{CallTrace, Exchange, Gate, TraceEvent},
    front::Front,
    handler::{Handler, Stages},
    ports::{BoxFuture, Nanos},
    stats::StepVerdict,
    verdict::{Failure, FailureKind, Rejection},
};
use futures::FutureExt;
use http::HeaderMap;
use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// What became of waiting.
pub(super) enum Waited<R> {
    /// The future is done.
    Done(R),
    /// It is not, and the step has failed.
    Failed(Failure),
}

impl Run<'_> {
    pub(super) fn step(&self, index: usize) -> &Step {
        &self.api.chain.steps()[index]
    }

    /// Whether the step declares this stage.
    pub(super) fn declares(&self, index: usize, stage: Stages) -> bool {
        self.api.chain.stages[index].has(stage)
    }

    /// Decides the step's `when`, once a call.
    pub(super) fn takes_part(&mut self, index: usize) -> bool {
        let gate = match self.exchange.states[index].gate {
            Gate::Unreached => {
                let when = self.api.chain.steps()[index].when.as_ref();
                let holds = when.is_none_or(|when| when.holds(self.exchange, index as u64 + 1));
                let gate = if holds { Gate::Open } else { Gate::Shut };
                self.exchange.states[index].gate = gate;
                gate
            }
            decided => decided,
        };
        gate == Gate::Open
    }

    /// Runs one method of the step's handler; a panic becomes a failure.
    pub(super) fn run_step<R>(
        &mut self,
        index: usize,
        method: impl FnOnce(&dyn Handler, &mut Exchange) -> R,
    ) -> Result<R, Failure> {
        let handler = &*self.api.chain.steps()[index].handler;
        let exchange = &mut self.exchange;
        // The exchange stays consistent whatever a handler does to it halfway: it holds plain
        // values, and a failed call goes on only to `response` and `log` stages.
        catch_unwind(AssertUnwindSafe(|| method(handler, exchange))).map_err(panicked)
    }

    /// Waits for a step's future: until it is done, the client gone, or the call's time up.
    pub(super) async fn wait<F: Front, R>(
        &mut self,
        front: &mut F,
        future: BoxFuture<R>,
    ) -> Result<Waited<R>, Trouble> {
        let deadline = until(self.deadline);
        let waited = tokio::select! {
            biased;
            done = AssertUnwindSafe(future).catch_unwind() => match done {
                Ok(done) => Waited::Done(done),
                Err(payload) => Waited::Failed(panicked(payload)),
            },
            () = front.closed() => return Err(Trouble::Gone),
            () = deadline => {
                if self.caller_is_overdue() {
                    let detail = "a step had no verdict before the caller's deadline".to_owned();
                    return Err(Trouble::Reject(
                        Rejection::new(error::UPSTREAM_TIMEOUT).internal(detail),
                    ));
                }
                Waited::Failed(Failure::unavailable("no verdict within the call's time"))
            }
        };
        // `exchange.now` stays at the step's beginning, so that waiting counts as the step's time.
        Ok(waited)
    }

    /// Counts what a step has said, and begins the next step's time.
    pub(super) fn count(&mut self, index: usize, stage: &'static str, verdict: StepVerdict) {
        let began = self.exchange.now;
        self.tick();
        self.count_from(began, index, stage, verdict, None);
    }

    /// The like, for a step whose header changes the trace wants.
    pub(super) fn count_from(
        &mut self,
        began: Nanos,
        index: usize,
        stage: &'static str,
        verdict: StepVerdict,
        headers: Option<(&HeaderMap, &HeaderMap)>,
    ) {
        let nanos = self.exchange.now.since(began);
        let step = &self.api.chain.steps()[index];
        step.stats.count(verdict, nanos);
        if nanos >= self.notable {
            self.note_step(index, stage, verdict, began);
        }
        let step = &self.api.chain.steps()[index];
        if let Some(trace) = &mut self.exchange.trace {
            let headers = headers.map(|(before, after)| CallTrace::changes(before, after));
            trace.events.push(TraceEvent {
                step: step.id.clone(),
                stage,
                verdict: verdict.as_str(),
                nanos,
                headers: headers.unwrap_or_default(),
            });
        }
    }

    /// A step has failed: `Some` is the error that the call ends with, `None` lets it go on.
    pub(super) fn judge(
        &mut self,
        index: usize,
        stage: &'static str,
        failure: &Failure,
    ) -> Option<Rejection> {
        let step = self.step(index);
        let (id, on_failure) = (step.id.clone(), step.on_failure);
        tracing::warn!(
            api = %self.api.id, step = %id, stage, on_failure = ?on_failure,
            "handler {failure}"
        );
        match on_failure {
            OnFailure::Open => {
                self.count(index, stage, StepVerdict::FailedOpen);
                None
            }
            OnFailure::Closed => {
                self.count(index, stage, StepVerdict::FailedClosed);
                self.exchange.outcome.answered_by = Some(id.clone());
                let code = match failure.kind {
                    FailureKind::Failed => error::HANDLER_FAILED,
                    FailureKind::Unavailable => error::HANDLER_UNAVAILABLE,
                };
                Some(Rejection::new(code).internal(format!("step `{id}` {failure}")))
            }
        }
    }
}

/// A caught panic as a failure, with its message where it has one.
fn panicked(payload: Box<dyn Any + Send>) -> Failure {
    let message = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned());
    Failure::failed(format!("panicked: {}", message.unwrap_or_else(|| "(no message)".to_owned())))
}

//! The walk down: every step's `request`, top to bottom, before any origin is touched.

use super::{Run, Trouble, step::Waited};
use crate::{
    body::{Collector, Frame, TooLarge, WholeBody},
    error,
    exchange::Response,
    front::{Front, Inbound},
    handler::{RequestBodyCall, RequestCall, Stages},
    stats::StepVerdict,
    verdict::{BodyVerdict, Failure, Rejection, Verdict},
};
use http::{HeaderMap, header::CONTENT_LENGTH};
use std::ops::Range;

impl Run<'_> {
    /// Walks the call down. `Some` is a step's answer; then `passed` counts the steps above it.
    pub(super) async fn walk_down<F: Front>(
        &mut self,
        front: &mut F,
    ) -> Result<Option<Response>, Trouble> {
        let api = self.api;
        for &index in &api.chain.request {
            let index = usize::from(index);
            self.passed = index;
            if !self.takes_part(index) || !self.declares(index, Stages::REQUEST) {
                continue;
            }
            // A step that lets the call pass at once, as most do, is no future.
            let before = self.headers_before();
            let verdict = self.run_request(index, false, |handler, call| handler.request(call));
            if matches!(verdict, Verdict::Continue) {
                self.passed_request(index, before.as_deref());
                continue;
            }
            if let Some(response) = self.request_step(front, index, verdict, before).await? {
                return Ok(Some(response));
            }
        }
        Ok(None)
    }

    /// The rest of one step of the walk, from its first verdict until it has decided.
    async fn request_step<F: Front>(
        &mut self,
        front: &mut F,
        index: usize,
        mut verdict: Verdict,
        before: Option<Box<HeaderMap>>,
    ) -> Result<Option<Response>, Trouble> {
        let mut with_body = false;
        loop {
            verdict = match verdict {
                Verdict::Continue => {
                    self.passed_request(index, before.as_deref());
                    return Ok(None);
                }
                Verdict::Respond(response) if response.status().is_informational() => {
                    Verdict::Fail(Failure::failed("answered with an interim status"))
                }
                Verdict::Respond(response) => {
                    self.count(index, "request", StepVerdict::Respond);
                    self.exchange.outcome.answered_by = Some(self.step(index).id.clone());
                    return Ok(Some(response));
                }
                Verdict::Reject(rejection) => {
                    self.count(index, "request", StepVerdict::Reject);
                    self.exchange.outcome.answered_by = Some(self.step(index).id.clone());
                    return Ok(Some(self.render(&rejection)));
                }
                Verdict::NeedBody if with_body => {
                    Verdict::Fail(Failure::failed("asked twice for the whole body"))
                }
                Verdict::NeedBody => {
                    self.count(index, "request", StepVerdict::NeedBody);
                    self.collect_request(front, index).await?;
                    self.tick();
                    with_body = true;
                    self.run_request(index, with_body, |handler, call| handler.request(call))
                }
                Verdict::Wait(future) => match self.wait(front, future).await? {
                    Waited::Failed(failure) => Verdict::Fail(failure),
                    Waited::Done(resume) => {
                        self.count(index, "request", StepVerdict::Wait);
                        self.run_request(index, with_body, |_, call| resume(call))
                    }
                },
                Verdict::Fail(failure) => {
                    return match self.judge(index, "request", &failure) {
                        None => Ok(None),
                        Some(rejection) => Ok(Some(self.render(&rejection))),
                    };
                }
            };
        }
    }

    /// The request headers as they are, where a trace wants to know what a step changes.
    fn headers_before(&self) -> Option<Box<HeaderMap>> {
        let traced = self.exchange.trace.is_some();
        traced.then(|| Box::new(self.exchange.head.headers.clone()))
    }

    /// Counts a step that lets the call pass.
    fn passed_request(&mut self, index: usize, before: Option<&HeaderMap>) {
        let began = self.exchange.now;
        self.tick();
        let after = before.map(|_| self.exchange.head.headers.clone());
        let changes = before.zip(after.as_ref());
        self.count_from(began, index, "request", StepVerdict::Continue, changes);
    }

    fn run_request(
        &mut self,
        index: usize,
        with_body: bool,
        method: impl FnOnce(&dyn crate::handler::Handler, &mut RequestCall<'_>) -> Verdict,
    ) -> Verdict {
        self.run_step(index, |handler, exchange| {
            method(handler, &mut RequestCall { exchange, step: index, with_body })
        })
        .unwrap_or_else(Verdict::Fail)
    }

    /// Collects the whole body as the steps above `asking` leave it. Those steps see its frames in
    /// `request_body`; the step that asked does not.
    async fn collect_request<F: Front>(
        &mut self,
        front: &mut F,
        asking: usize,
    ) -> Result<(), Trouble> {
        if let Some(WholeBody { data, trailers, position }) = self.exchange.body.take() {
            let mut frame = Frame { data, end: true, trailers };
            self.pass_request_frame(position..asking, &mut frame).map_err(Trouble::Reject)?;
            let position = position.max(asking + 1);
            self.exchange.body =
                Some(WholeBody { data: frame.data, trailers: frame.trailers, position });
            return Ok(());
        }
        let mut body = Collector::default();
        if front.body_ended() {
            let mut frame = Frame::last(bytes::Bytes::new());
            self.pass_request_frame(0..asking, &mut frame).map_err(Trouble::Reject)?;
            self.keep(&mut body, frame)?;
        } else {
            self.refuse_declared_length()?;
            front.begin_body().await?;
            loop {
                let mut frame = match front.recv().await? {
                    Inbound::Frame(frame) => frame,
                    Inbound::Gone => return Err(Trouble::Gone),
                };
                self.admit(&frame)?;
                self.pass_request_frame(0..asking, &mut frame).map_err(Trouble::Reject)?;
                let end = frame.end;
                self.keep(&mut body, frame)?;
                if end {
                    break;
                }
            }
            self.extend_deadline();
        }
        self.exchange.body = Some(body.finish(asking + 1));
        Ok(())
    }

    fn keep(&self, body: &mut Collector, frame: Frame) -> Result<(), Trouble> {
        body.push(frame, self.api.limits.body_bytes)
            .map_err(|TooLarge| Trouble::Reject(Rejection::new(error::BODY_TOO_LARGE)))
    }

    /// Refuses a body whose head already says that it is too large, before a byte of it is read.
    pub(super) fn refuse_declared_length(&self) -> Result<(), Trouble> {
        let declared = self
            .exchange
            .head
            .headers
            .get(CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if declared.is_some_and(|length| length > self.api.limits.body_bytes as u64) {
            return Err(Trouble::Reject(Rejection::new(error::BODY_TOO_LARGE)));
        }
        Ok(())
    }

    /// Accounts for a frame from the client; refuses it beyond the API's limit.
    pub(super) fn admit(&mut self, frame: &Frame) -> Result<(), Trouble> {
        let outcome = &mut self.exchange.outcome;
        outcome.request_bytes += frame.data.len() as u64;
        if outcome.request_bytes > self.api.limits.body_bytes as u64 {
            return Err(Trouble::Reject(Rejection::new(error::BODY_TOO_LARGE)));
        }
        Ok(())
    }

    /// Lets the `request_body` steps with an index in `range` see a frame. Says whether one did that
    /// may keep something of it for itself or change it.
    pub(super) fn pass_request_frame(
        &mut self,
        range: Range<usize>,
        frame: &mut Frame,
    ) -> Result<bool, Rejection> {
        let api = self.api;
        if api.chain.request_body.is_empty() {
            return Ok(false);
        }
        let mut seen = false;
        self.tick();
        for &index in &api.chain.request_body {
            let index = usize::from(index);
            if !range.contains(&index) || !self.sees_request_body(index) {
                continue;
            }
            let watches = api.chain.watches(index);
            seen |= !watches;
            let untouched = frame.clone();
            let ended = frame.end;
            let verdict = self.run_step(index, |handler, exchange| {
                handler.request_body(&mut RequestBodyCall { exchange, step: index }, frame)
            });
            // A step may add to the last frame, never move the end.
            frame.end = ended;
            if watches {
                *frame = untouched.clone();
            }
            match verdict.unwrap_or_else(BodyVerdict::Fail) {
                BodyVerdict::Continue => self.count(index, "request_body", StepVerdict::Continue),
                BodyVerdict::Abort(rejection) => {
                    self.count(index, "request_body", StepVerdict::Reject);
                    self.exchange.outcome.answered_by = Some(self.step(index).id.clone());
                    return Err(rejection);
                }
                BodyVerdict::Wait(_) => {
                    let failure = Failure::failed("`Wait` is not allowed in `request_body`");
                    self.pass_over(index, &failure, frame, untouched)?;
                }
                BodyVerdict::Fail(failure) => {
                    self.pass_over(index, &failure, frame, untouched)?;
                }
            }
        }
        Ok(seen)
    }

    /// Whether the step takes part in this call and has not left the request body alone.
    pub(super) fn sees_request_body(&mut self, index: usize) -> bool {
        !self.exchange.states[index].left.has(Stages::REQUEST_BODY) && self.takes_part(index)
    }

    /// A body step failed: break off, or go on with the frame as it was before the step.
    fn pass_over(
        &mut self,
        index: usize,
        failure: &Failure,
        frame: &mut Frame,
        untouched: Frame,
    ) -> Result<(), Rejection> {
        match self.judge(index, "request_body", failure) {
            Some(rejection) => Err(rejection),
            None => {
                *frame = untouched;
                Ok(())
            }
        }
    }
}

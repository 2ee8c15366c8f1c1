//! A prepared component as a [`Handler`] of a chain.

use crate::{
    apply,
    breaker::{Admission, Breaker},
    contract::{RequestVerdict, ResponseRef, ResponseVerdict},
    failure::CallError,
    host::Mode,
    lines::Lines,
    lower,
    owned::{OwnedCall, OwnedInput, OwnedResponse},
    prepared::{Prepared, now},
    reads::Selection,
    run::{Input, Output},
};
use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use paifang_pipeline::{
    Exchange, Handler, LogCall, RequestCall, ResponseCall, ResponseVerdict as Answered, Stages,
    Verdict,
};
use std::sync::{Arc, atomic::Ordering::Relaxed};

/// A step that runs a component.
pub(crate) struct WasmHandler {
    inner: Arc<Inner>,
}

struct Inner {
    prepared: Arc<Prepared>,
    breaker: Option<Breaker>,
    api: Arc<str>,
    step: Arc<str>,
}

/// What a step keeps of a call between its stages.
#[derive(Default)]
struct Memo {
    kept: Vec<u8>,
    /// Response headers for `log`.
    response: Vec<(HeaderName, HeaderValue)>,
}

impl WasmHandler {
    pub(crate) fn new(prepared: Arc<Prepared>, api: &str, step: &str) -> Self {
        let breaker = prepared.env.spec.breaker.map(Breaker::new);
        Self { inner: Arc::new(Inner { prepared, breaker, api: api.into(), step: step.into() }) }
    }
}

impl Inner {
    fn waits(&self) -> bool {
        self.prepared.mode == Mode::Async
    }

    fn admit(&self, exchange: &Exchange) -> Result<Admission, CallError> {
        match self.breaker.as_ref().map(|breaker| breaker.admit(exchange.now())) {
            None => Ok(Admission::Pass),
            Some(Admission::Refused) => Err(CallError::Broken),
            Some(admission) => Ok(admission),
        }
    }

    /// Tells breaker and counters how a call went.
    fn settle<T>(
        &self,
        admission: Admission,
        exchange: &Exchange,
        result: Result<T, CallError>,
    ) -> Result<T, CallError> {
        if let Err(error) = &result {
            error.count(&self.prepared.env.stats);
        }
        if let Some(breaker) = &self.breaker {
            let failed = match &result {
                Ok(_) => Some(false),
                Err(error) if error.is_fault() => Some(true),
                // It was not the handler's doing, so it says nothing of it.
                Err(_) => None,
            };
            match failed {
                Some(failed) => {
                    if breaker.done(admission, failed, exchange.now()) {
                        self.prepared.env.stats.opened.fetch_add(1, Relaxed);
                        tracing::warn!(
                            api = %self.api, step = %self.step,
                            "the handler keeps failing and is left alone for a while"
                        );
                    }
                }
                None => breaker.abandoned(admission),
            }
        }
        result
    }

    /// The whole body where it was asked for, if it is not too large for the handler.
    fn body(&self, body: Option<&Bytes>) -> Result<Option<Bytes>, CallError> {
        match body {
            Some(body) if body.len() > self.prepared.env.spec.limits.body_bytes => {
                Err(CallError::Body(body.len()))
            }
            body => Ok(body.cloned()),
        }
    }

    fn request(&self, call: &mut RequestCall<'_>) -> Result<Output, CallError> {
        let body = self.body(call.body())?;
        let memo = call.take_kept::<Memo>();
        let reads = &self.prepared.access.request;
        let result = lower::with_call(call, &self.api, reads, kept(memo.as_deref()), |record| {
            self.prepared.call(match &body {
                Some(body) => Input::RequestWithBody(record, body),
                None => Input::Request(record),
            })
        });
        if let Some(memo) = memo {
            call.keep_boxed(memo);
        }
        result
    }

    /// Does what the handler says of a request.
    fn obey_request(
        &self,
        call: &mut RequestCall<'_>,
        output: Output,
    ) -> Result<Verdict, CallError> {
        let Output::Request(verdict) = output else { return Err(confused()) };
        let limit = self.prepared.env.spec.limits.body_bytes;
        match verdict {
            RequestVerdict::Next(edits) => {
                let access = &self.prepared.access;
                let kept = apply::request(call, edits, access, limit)?;
                keep(call, kept);
                Ok(Verdict::Continue)
            }
            RequestVerdict::Respond(answer) => Ok(Verdict::Respond(apply::answer(answer, limit)?)),
            RequestVerdict::Reject(said) => Ok(Verdict::Reject(apply::rejection(said)?)),
            RequestVerdict::NeedBody(kept) => {
                if call.body().is_some() || self.prepared.exports.request_with_body.is_none() {
                    return Err(needless());
                }
                let kept = apply::kept(kept)?;
                keep(call, kept);
                Ok(Verdict::NeedBody)
            }
            RequestVerdict::Fail(why) => Err(CallError::Said(apply::cut(why))),
        }
    }

    fn finish_request(
        &self,
        admission: Admission,
        call: &mut RequestCall<'_>,
        result: Result<Output, CallError>,
    ) -> Verdict {
        let result = result.and_then(|output| self.obey_request(call, output));
        match self.settle(admission, call, result) {
            Ok(verdict) => verdict,
            Err(error) => Verdict::Fail(error.failure()),
        }
    }

    fn response(&self, call: &mut ResponseCall<'_>) -> Result<Output, CallError> {
        let body = self.body(call.body())?;
        let memo = call.take_kept::<Memo>();
        let reads = &self.prepared.access.response;
        let headers = Lines::of(&call.response().headers, &reads.response);
        let head = ResponseRef { status: call.response().status.as_u16(), headers: headers.text() };
        let result = lower::with_call(call, &self.api, reads, kept(memo.as_deref()), |record| {
            self.prepared.call(match &body {
                Some(body) => Input::ResponseWithBody(record, head, body),
                None => Input::Response(record, head),
            })
        });
        if let Some(memo) = memo {
            call.keep_boxed(memo);
        }
        result
    }

    fn obey_response(
        &self,
        call: &mut ResponseCall<'_>,
        output: Output,
    ) -> Result<Answered, CallError> {
        let Output::Response(verdict) = output else { return Err(confused()) };
        let limit = self.prepared.env.spec.limits.body_bytes;
        match verdict {
            ResponseVerdict::Next(edits) => {
                if let Some(kept) = apply::response(call, edits, limit)? {
                    let mut memo = call.take_kept::<Memo>().unwrap_or_default();
                    memo.kept = kept;
                    call.keep_boxed(memo);
                }
                Ok(Answered::Continue)
            }
            ResponseVerdict::Replace(answer) => {
                Ok(Answered::Replace(apply::answer(answer, limit)?))
            }
            ResponseVerdict::NeedBody(kept) => {
                if call.body().is_some() || self.prepared.exports.response_with_body.is_none() {
                    return Err(needless());
                }
                let kept = apply::kept(kept)?;
                if !kept.is_empty() {
                    let mut memo = call.take_kept::<Memo>().unwrap_or_default();
                    memo.kept = kept;
                    call.keep_boxed(memo);
                }
                Ok(Answered::NeedBody)
            }
            ResponseVerdict::Fail(why) => Err(CallError::Said(apply::cut(why))),
        }
    }

    fn finish_response(
        &self,
        admission: Admission,
        call: &mut ResponseCall<'_>,
        result: Result<Output, CallError>,
    ) -> Answered {
        let result = result.and_then(|output| self.obey_response(call, output));
        match self.settle(admission, call, result) {
            Ok(verdict) => verdict,
            Err(error) => Answered::Fail(error.failure()),
        }
    }

    /// Notes the response headers that `log` is to be given.
    fn note_response(&self, call: &mut ResponseCall<'_>) {
        if self.prepared.exports.log.is_none() {
            return;
        }
        let selection = &self.prepared.access.log.response;
        if *selection == Selection::None {
            return;
        }
        let headers = &call.response().headers;
        let noted: Vec<_> = match selection {
            Selection::None => Vec::new(),
            Selection::All => {
                headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
            }
            Selection::Named(names) => names
                .iter()
                .flat_map(|name| {
                    headers.get_all(name).iter().map(move |v| (name.clone(), v.clone()))
                })
                .collect(),
        };
        let mut memo = call.take_kept::<Memo>().unwrap_or_default();
        memo.response = noted;
        call.keep_boxed(memo);
    }
}

/// What was kept; empty where nothing was.
fn kept(memo: Option<&Memo>) -> &[u8] {
    memo.map_or(&[], |memo| &memo.kept)
}

fn keep(call: &mut RequestCall<'_>, kept: Vec<u8>) {
    if !kept.is_empty() || call.kept::<Memo>().is_some_and(|memo| !memo.kept.is_empty()) {
        let mut memo = call.take_kept::<Memo>().unwrap_or_default();
        memo.kept = kept;
        call.keep_boxed(memo);
    }
}

fn confused() -> CallError {
    CallError::Trap("one stage answered for another".to_owned())
}

fn needless() -> CallError {
    CallError::Illegal("that it needs the body, which it has or exports no stage for".into())
}

impl Handler for WasmHandler {
    fn stages(&self) -> Stages {
        let exports = &self.inner.prepared.exports;
        let mut stages = Stages::NONE;
        if exports.request.is_some() || exports.request_with_body.is_some() {
            stages = stages.and(Stages::REQUEST);
        }
        let noted =
            exports.log.is_some() && self.inner.prepared.access.log.response != Selection::None;
        if exports.response.is_some() || exports.response_with_body.is_some() || noted {
            stages = stages.and(Stages::RESPONSE);
        }
        if exports.log.is_some() {
            stages = stages.and(Stages::LOG);
        }
        stages
    }

    fn request(&self, call: &mut RequestCall<'_>) -> Verdict {
        let inner = &self.inner;
        if call.body().is_none() && inner.prepared.exports.request.is_none() {
            return Verdict::NeedBody;
        }
        let admission = match inner.admit(call) {
            Ok(admission) => admission,
            Err(error) => {
                error.count(&inner.prepared.env.stats);
                return Verdict::Fail(error.failure());
            }
        };
        if !inner.waits() {
            let result = inner.request(call);
            return inner.finish_request(admission, call, result);
        }
        let body = match inner.body(call.body()) {
            Ok(body) => body,
            Err(error) => return inner.finish_request(admission, call, Err(error)),
        };
        let memo = call.take_kept::<Memo>().unwrap_or_default();
        let reads = &inner.prepared.access.request;
        let record = lower::with_call(call, &inner.api, reads, &memo.kept, OwnedCall::of);
        call.keep_boxed(memo);
        let input = match body {
            Some(body) => OwnedInput::RequestWithBody(record, body),
            None => OwnedInput::Request(record),
        };
        let trial = Trial::new(inner.clone(), admission);
        Verdict::wait(async move {
            let result = input.run(&trial.inner.prepared).await;
            move |call: &mut RequestCall<'_>| trial.inner().finish_request(admission, call, result)
        })
    }

    fn response(&self, call: &mut ResponseCall<'_>) -> Answered {
        let inner = &self.inner;
        let exports = &inner.prepared.exports;
        if call.body().is_none() {
            inner.note_response(call);
        }
        if exports.response.is_none() {
            if exports.response_with_body.is_none() {
                return Answered::Continue;
            }
            if call.body().is_none() {
                return Answered::NeedBody;
            }
        }
        let admission = match inner.admit(call) {
            Ok(admission) => admission,
            Err(error) => {
                error.count(&inner.prepared.env.stats);
                return Answered::Fail(error.failure());
            }
        };
        if !inner.waits() {
            let result = inner.response(call);
            return inner.finish_response(admission, call, result);
        }
        let body = match inner.body(call.body()) {
            Ok(body) => body,
            Err(error) => return inner.finish_response(admission, call, Err(error)),
        };
        let memo = call.take_kept::<Memo>().unwrap_or_default();
        let reads = &inner.prepared.access.response;
        let record = lower::with_call(call, &inner.api, reads, &memo.kept, OwnedCall::of);
        call.keep_boxed(memo);
        let head = OwnedResponse::of(call.response(), &reads.response);
        let input = match body {
            Some(body) => OwnedInput::ResponseWithBody(record, head, body),
            None => OwnedInput::Response(record, head),
        };
        let trial = Trial::new(inner.clone(), admission);
        Answered::wait(async move {
            let result = input.run(&trial.inner.prepared).await;
            move |call: &mut ResponseCall<'_>| {
                trial.inner().finish_response(admission, call, result)
            }
        })
    }

    fn log(&self, call: &mut LogCall<'_>) {
        let inner = &self.inner;
        let Ok(admission) = inner.admit(call) else {
            CallError::Broken.count(&inner.prepared.env.stats);
            return;
        };
        let memo = call.take_kept::<Memo>().unwrap_or_default();
        let reads = &inner.prepared.access.log;
        let result = lower::with_call(call, &inner.api, reads, &memo.kept, |record| {
            lower::with_outcome(call, &memo.response, |outcome| {
                let input = Input::Log(record, outcome);
                if inner.waits() {
                    // Nothing is waited for here: what would have to is given up.
                    now(inner.prepared.call_unhurried(input)).unwrap_or_else(|| {
                        Err(CallError::Trap(
                            "it waits at `log`, where nothing is waited for".to_owned(),
                        ))
                    })
                } else {
                    inner.prepared.call(input)
                }
            })
        });
        // That `log` has gone well says nothing of a handler that fails before it: only its failures
        // count, so that they are not outnumbered by its successes.
        match result {
            Ok(_) => {
                if let Some(breaker) = &inner.breaker {
                    breaker.abandoned(admission);
                }
            }
            Err(error) => {
                if let Err(error) = inner.settle(admission, call, Err::<(), _>(error)) {
                    tracing::warn!(
                        api = %inner.api, step = %inner.step, stage = "log", "handler {error}"
                    );
                }
            }
        }
    }
}

/// A breaker's trial that may never come to an end: the client goes, the future is dropped.
struct Trial {
    inner: Arc<Inner>,
    admission: Option<Admission>,
}

impl Trial {
    fn new(inner: Arc<Inner>, admission: Admission) -> Self {
        Self { inner, admission: Some(admission) }
    }

    /// It has ended; who asks settles it.
    fn inner(mut self) -> Arc<Inner> {
        self.admission = None;
        self.inner.clone()
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        if let (Some(admission), Some(breaker)) = (self.admission, &self.inner.breaker) {
            breaker.abandoned(admission);
        }
    }
}

//! The walk back up: every passed step's `response`, bottom to top.

use super::{Run, Trouble, deliver::Answer, step::Waited};
use crate::{
    front::Front,
    handler::{Handler, ResponseCall},
    origin::OriginCall,
    stats::StepVerdict,
    verdict::{Failure, ResponseVerdict},
};
use http::{HeaderMap, Method};

impl Run<'_> {
    /// Whether the step sees this call's response: it was passed on the way down.
    pub(super) fn sees_response(&mut self, index: usize) -> bool {
        index < self.passed && self.takes_part(index)
    }

    /// Walks the answer up. Afterwards it is what the client gets.
    pub(super) async fn walk_up<F: Front, C: OriginCall>(
        &mut self,
        front: &mut F,
        answer: &mut Answer<C>,
    ) -> Result<(), Trouble> {
        let api = self.api;
        if api.chain.response.is_empty() {
            return Ok(());
        }
        self.extend_deadline();
        self.tick();
        for &index in &api.chain.response {
            let index = usize::from(index);
            if !self.sees_response(index) {
                continue;
            }
            // A step that lets the response pass at once, as most do, is no future.
            let traced = self.exchange.trace.is_some();
            let before = traced.then(|| Box::new(answer.head.headers.clone()));
            let verdict =
                self.run_response(index, answer, false, |handler, call| handler.response(call));
            if matches!(verdict, ResponseVerdict::Continue) {
                self.count_response(index, before.as_deref(), &answer.head.headers);
                continue;
            }
            self.response_step(front, index, answer, verdict, before).await?;
        }
        Ok(())
    }

    /// The rest of one step of the walk, from its first verdict until it has decided.
    async fn response_step<F: Front, C: OriginCall>(
        &mut self,
        front: &mut F,
        index: usize,
        answer: &mut Answer<C>,
        mut verdict: ResponseVerdict,
        before: Option<Box<HeaderMap>>,
    ) -> Result<(), Trouble> {
        let mut with_body = false;
        loop {
            verdict = match verdict {
                ResponseVerdict::Continue => {
                    self.count_response(index, before.as_deref(), &answer.head.headers);
                    return Ok(());
                }
                ResponseVerdict::Replace(response) if response.status().is_informational() => {
                    ResponseVerdict::Fail(Failure::failed("answered with an interim status"))
                }
                ResponseVerdict::Replace(response) => {
                    self.count(index, "response", StepVerdict::Respond);
                    self.exchange.outcome.answered_by = Some(self.step(index).id.clone());
                    self.exchange.outcome.error = None;
                    answer.replace(response, index).await;
                    return Ok(());
                }
                ResponseVerdict::NeedBody if with_body => {
                    ResponseVerdict::Fail(Failure::failed("asked twice for the whole body"))
                }
                ResponseVerdict::NeedBody => {
                    self.count(index, "response", StepVerdict::NeedBody);
                    match self.collect_response(front, answer, index).await {
                        Ok(()) => {}
                        Err(Trouble::Gone) => return Err(Trouble::Gone),
                        // The origin's fault: the steps above see the error in its place.
                        Err(trouble) => {
                            let rejection = super::deliver::as_rejection(trouble);
                            let response = self.render(&rejection);
                            answer.replace(response, index).await;
                            return Ok(());
                        }
                    }
                    self.tick();
                    with_body = true;
                    self.run_response(index, answer, with_body, |handler, call| {
                        handler.response(call)
                    })
                }
                ResponseVerdict::Wait(future) => match self.wait(front, future).await? {
                    Waited::Failed(failure) => ResponseVerdict::Fail(failure),
                    Waited::Done(resume) => {
                        self.count(index, "response", StepVerdict::Wait);
                        self.run_response(index, answer, with_body, |_, call| resume(call))
                    }
                },
                ResponseVerdict::Fail(failure) => {
                    if let Some(rejection) = self.judge(index, "response", &failure) {
                        let response = self.render(&rejection);
                        answer.replace(response, index).await;
                    }
                    return Ok(());
                }
            };
        }
    }

    fn run_response<C: OriginCall>(
        &mut self,
        index: usize,
        answer: &mut Answer<C>,
        with_body: bool,
        method: impl FnOnce(&dyn Handler, &mut ResponseCall<'_>) -> ResponseVerdict,
    ) -> ResponseVerdict {
        let length = answer.length(*self.exchange.method() == Method::HEAD);
        let (head, whole, trailers) = answer.view(with_body);
        self.run_step(index, |handler, exchange| {
            let mut call = ResponseCall { exchange, step: index, head, whole, trailers, length };
            method(handler, &mut call)
        })
        .unwrap_or_else(ResponseVerdict::Fail)
    }

    fn count_response(&mut self, index: usize, before: Option<&HeaderMap>, after: &HeaderMap) {
        let began = self.exchange.now;
        self.tick();
        let changes = before.map(|before| (before, after));
        self.count_from(began, index, "response", StepVerdict::Continue, changes);
    }
}

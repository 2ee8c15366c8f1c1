//! The response's way out: through the `response` and `response_body` steps to the client.

use super::{Run, Stop, Trouble, origin::Reply, step::Waited, told_length, upload::Upload};
use crate::{
    body::{Collector, Frame, TooLarge},
    error,
    exchange::{Exchange, Response, ResponseHead},
    front::{BodySize, Front},
    handler::{Handler, ResponseBodyCall, Stages},
    origin::{Never, OriginCall, OriginEvent},
    stats::StepVerdict,
    verdict::{BodyVerdict, Rejection},
};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header::CONTENT_LENGTH};
use std::ops::Range;

/// A response on its way up.
pub(super) struct Answer<C> {
    pub(super) head: ResponseHead,
    body: Body<C>,
    /// Steps from this index down have seen the body, or never will.
    position: usize,
}

enum Body<C> {
    Whole {
        data: Bytes,
        trailers: Option<Box<HeaderMap>>,
    },
    /// `told`: how the origin told its length, before any step could say otherwise.
    Stream {
        call: C,
        upload: Upload,
        told: BodySize,
    },
}

impl<C: OriginCall> Answer<C> {
    fn whole(response: Response, position: usize) -> Self {
        let (head, data) = response.into_parts();
        Self { head, body: Body::Whole { data, trailers: None }, position }
    }

    /// A head alone, as a 101 is while the walk up sees it.
    pub(super) fn without_body(head: ResponseHead, position: usize) -> Self {
        Self { head, body: Body::Whole { data: Bytes::new(), trailers: None }, position }
    }

    /// Gives up what is there for an answer that step `index` made.
    pub(super) async fn replace(&mut self, response: Response, index: usize) {
        let old = std::mem::replace(self, Self::whole(response, index));
        if let Body::Stream { call, .. } = old.body {
            call.finish(false).await;
        }
    }

    /// What a `response` step may see: the head, and with the body that and its trailers.
    pub(super) fn view(
        &mut self,
        with_body: bool,
    ) -> (&mut ResponseHead, Option<&mut Bytes>, Option<&HeaderMap>) {
        match &mut self.body {
            Body::Whole { data, trailers } if with_body => {
                (&mut self.head, Some(data), trailers.as_deref())
            }
            _ => (&mut self.head, None, None),
        }
    }

    /// How long the body is, as far as that is known. An answer to HEAD has none: there the head
    /// says how long it would be.
    pub(super) fn length(&self, head_only: bool) -> Option<u64> {
        let told = match &self.body {
            Body::Whole { data, .. } if !head_only || !data.is_empty() => {
                return Some(data.len() as u64);
            }
            Body::Stream { told: BodySize::Exact(length), .. } => return Some(*length),
            _ => told_length(&self.head.headers),
        };
        match told {
            BodySize::Exact(length) => Some(length),
            _ => None,
        }
    }
}

/// What a client is told when a response cannot be had after all.
pub(super) fn as_rejection(trouble: Trouble) -> Rejection {
    match trouble {
        Trouble::Reject(rejection) => rejection,
        Trouble::Origin(failed) => {
            Rejection::new(error::RESPONSE_INCOMPLETE).internal(failed.detail)
        }
        Trouble::Gone => Rejection::new(error::RESPONSE_INCOMPLETE),
    }
}

impl Run<'_> {
    /// Sends an answer that was made in the gateway.
    pub(super) async fn answer<F: Front>(
        &mut self,
        front: &mut F,
        response: Response,
    ) -> Result<(), Stop> {
        let answer = Answer::<Never>::whole(response, self.passed);
        self.send_answer(front, answer).await
    }

    /// Sends an origin's answer.
    pub(super) async fn deliver<F: Front, C: OriginCall>(
        &mut self,
        front: &mut F,
        reply: Reply<C>,
        upload: Upload,
    ) -> Result<(), Stop> {
        let Reply { call, head, ended } = reply;
        let position = self.api.chain.steps().len();
        let body = if ended {
            call.finish(upload.complete && !upload.broken).await;
            Body::Whole { data: Bytes::new(), trailers: None }
        } else {
            let told = match self.api.chain.response.is_empty() {
                true => BodySize::Declared,
                false => told_length(&head.headers),
            };
            Body::Stream { call, upload, told }
        };
        self.send_answer(front, Answer { head, body, position }).await
    }

    async fn send_answer<F: Front, C: OriginCall>(
        &mut self,
        front: &mut F,
        mut answer: Answer<C>,
    ) -> Result<(), Stop> {
        match self.walk_up(front, &mut answer).await {
            Ok(()) => self.deliver_answer(front, answer).await,
            Err(_) => Err(Stop::Gone),
        }
    }

    /// Sends an answer that has been walked up.
    pub(super) async fn deliver_answer<F: Front, C: OriginCall>(
        &mut self,
        front: &mut F,
        answer: Answer<C>,
    ) -> Result<(), Stop> {
        let Answer { mut head, body, position } = answer;
        let bodyless = self.bodyless(head.status);
        match body {
            Body::Whole { data, trailers } if bodyless => {
                // A step that would have changed the body leaves its length unknown.
                if !data.is_empty()
                    && *self.exchange.method() == Method::HEAD
                    && !self.response_body_may_change(position)
                {
                    head.headers.insert(CONTENT_LENGTH, data.len().into());
                }
                drop(trailers);
                self.send_head(front, head, BodySize::Empty).await?;
            }
            Body::Whole { data, trailers } => {
                let mut frame = Frame { data, end: true, trailers };
                match self.pass_response_frame(front, 0..position, &mut frame).await {
                    Ok(()) => {}
                    Err(Trouble::Gone) => return Err(Stop::Gone),
                    // No head went out yet, so the client can still be told.
                    Err(trouble) => {
                        let response = self.render(&as_rejection(trouble));
                        let (parts, data) = response.into_parts();
                        head = parts;
                        frame = Frame::last(data);
                    }
                }
                let size = match frame.trailers {
                    None => BodySize::Exact(frame.data.len() as u64),
                    Some(_) => BodySize::Unknown,
                };
                self.send_head(front, head, size).await?;
                self.send_frame(front, frame).await?;
            }
            Body::Stream { call, upload, told } => {
                let size = if bodyless {
                    BodySize::Empty
                } else if self.response_body_may_change(position) {
                    BodySize::Unknown
                } else {
                    told
                };
                self.send_head(front, head, size).await?;
                self.stream(front, call, upload, position).await?;
            }
        }
        Ok(())
    }

    /// Relays the origin's body until its end.
    async fn stream<F: Front, C: OriginCall>(
        &mut self,
        front: &mut F,
        mut call: C,
        mut upload: Upload,
        position: usize,
    ) -> Result<(), Stop> {
        loop {
            let event = self.next_event(front, &mut call, &mut upload, false).await;
            let mut frame = match event {
                Ok(OriginEvent::Frame(frame)) => frame,
                Ok(OriginEvent::Info(_) | OriginEvent::Head(..)) => {
                    return Err(self.broke_off("a second head in the middle of the body"));
                }
                Err(Trouble::Gone) => return Err(Stop::Gone),
                Err(Trouble::Origin(failed)) => return Err(self.broke_off(&failed.detail)),
                Err(Trouble::Reject(rejection)) => return Err(self.abort(&rejection)),
            };
            match self.pass_response_frame(front, 0..position, &mut frame).await {
                Ok(()) => {}
                Err(Trouble::Gone) => return Err(Stop::Gone),
                Err(trouble) => return Err(self.abort(&as_rejection(trouble))),
            }
            let end = frame.end;
            self.send_frame(front, frame).await?;
            if end {
                call.finish(upload.complete && !upload.broken).await;
                return Ok(());
            }
        }
    }

    /// Collects the rest of the response as the steps below `asking` leave it.
    pub(super) async fn collect_response<F: Front, C: OriginCall>(
        &mut self,
        front: &mut F,
        answer: &mut Answer<C>,
        asking: usize,
    ) -> Result<(), Trouble> {
        let below = asking + 1..answer.position.max(asking + 1);
        let mut collected = Collector::default();
        match &mut answer.body {
            Body::Whole { data, trailers } => {
                let mut frame =
                    Frame { data: std::mem::take(data), end: true, trailers: trailers.take() };
                self.pass_response_frame(front, below, &mut frame).await?;
                self.keep_response(&mut collected, frame)?;
            }
            Body::Stream { call, upload, .. } => loop {
                let mut frame = match self.next_event(front, call, upload, false).await? {
                    OriginEvent::Frame(frame) => frame,
                    OriginEvent::Info(_) | OriginEvent::Head(..) => {
                        return Err(Trouble::Reject(Rejection::new(error::UPSTREAM_MALFORMED)));
                    }
                };
                self.pass_response_frame(front, below.clone(), &mut frame).await?;
                let end = frame.end;
                self.keep_response(&mut collected, frame)?;
                if end {
                    break;
                }
            },
        }
        let whole = collected.finish(asking);
        let body = Body::Whole { data: whole.data, trailers: whole.trailers };
        if let Body::Stream { call, upload, .. } = std::mem::replace(&mut answer.body, body) {
            call.finish(upload.complete && !upload.broken).await;
        }
        answer.position = asking;
        Ok(())
    }

    fn keep_response(&self, body: &mut Collector, frame: Frame) -> Result<(), Trouble> {
        body.push(frame, self.api.limits.response_body_bytes)
            .map_err(|TooLarge| Trouble::Reject(Rejection::new(error::RESPONSE_TOO_LARGE)))
    }

    /// Lets the `response_body` steps with an index in `range` see a frame, bottom to top.
    async fn pass_response_frame<F: Front>(
        &mut self,
        front: &mut F,
        range: Range<usize>,
        frame: &mut Frame,
    ) -> Result<(), Trouble> {
        let api = self.api;
        if api.chain.response_body.is_empty() {
            return Ok(());
        }
        self.tick();
        for &index in &api.chain.response_body {
            let index = usize::from(index);
            if !range.contains(&index) || !self.sees_response_body(index) {
                continue;
            }
            let untouched = frame.clone();
            let mut verdict = self.run_response_body(index, |handler, exchange| {
                let mut call = ResponseBodyCall { exchange, step: index, waited: None };
                handler.response_body(&mut call, frame)
            });
            loop {
                verdict = match verdict {
                    BodyVerdict::Continue => {
                        self.count(index, "response_body", StepVerdict::Continue);
                        break;
                    }
                    BodyVerdict::Abort(rejection) => {
                        self.count(index, "response_body", StepVerdict::Reject);
                        self.exchange.outcome.answered_by = Some(self.step(index).id.clone());
                        return Err(Trouble::Reject(rejection));
                    }
                    BodyVerdict::Wait(future) => match self.wait_for_body(front, future).await? {
                        Waited::Failed(failure) => BodyVerdict::Fail(failure),
                        Waited::Done(resume) => {
                            self.count(index, "response_body", StepVerdict::Wait);
                            self.run_response_body(index, |_, exchange| {
                                let waited = Some(&mut *frame);
                                resume(&mut ResponseBodyCall { exchange, step: index, waited })
                            })
                        }
                    },
                    BodyVerdict::Fail(failure) => {
                        match self.judge(index, "response_body", &failure) {
                            Some(rejection) => return Err(Trouble::Reject(rejection)),
                            None => *frame = untouched.clone(),
                        }
                        break;
                    }
                };
            }
            // A step may add to the last frame, never move the end.
            frame.end = untouched.end;
        }
        Ok(())
    }

    /// Waits in the middle of a body: every frame's wait has the call's whole time.
    async fn wait_for_body<F: Front, R>(
        &mut self,
        front: &mut F,
        future: crate::ports::BoxFuture<R>,
    ) -> Result<Waited<R>, Trouble> {
        self.extend_deadline();
        self.wait(front, future).await
    }

    fn run_response_body(
        &mut self,
        index: usize,
        method: impl FnOnce(&dyn Handler, &mut Exchange) -> BodyVerdict,
    ) -> BodyVerdict {
        self.run_step(index, method).unwrap_or_else(BodyVerdict::Fail)
    }

    /// Whether the step sees this call's response and has not left its body alone.
    fn sees_response_body(&mut self, index: usize) -> bool {
        !self.exchange.states[index].left.has(Stages::RESPONSE_BODY) && self.sees_response(index)
    }

    fn response_body_may_change(&mut self, position: usize) -> bool {
        let api = self.api;
        api.chain.response_body.iter().map(|&index| usize::from(index)).any(|index| {
            index < position
                && self.sees_response_body(index)
                && !api.chain.steps()[index].handler.keeps_length()
        })
    }

    /// Whether a response with this status has no body whatever its headers say (RFC 9112
    /// section 6.3).
    fn bodyless(&self, status: StatusCode) -> bool {
        *self.exchange.method() == Method::HEAD
            || status == StatusCode::NO_CONTENT
            || status == StatusCode::NOT_MODIFIED
    }

    pub(super) async fn send_head<F: Front>(
        &mut self,
        front: &mut F,
        head: ResponseHead,
        size: BodySize,
    ) -> Result<(), Stop> {
        self.exchange.outcome.status = Some(head.status);
        front.send_head(head, size).await.map_err(|_| Stop::Gone)
    }

    pub(super) async fn send_frame<F: Front>(
        &mut self,
        front: &mut F,
        frame: Frame,
    ) -> Result<(), Stop> {
        let bytes = frame.data.len() as u64;
        front.send(frame).await.map_err(|_| Stop::Gone)?;
        self.exchange.outcome.response_bytes += bytes;
        Ok(())
    }

    fn broke_off(&mut self, detail: &str) -> Stop {
        self.exchange.outcome.error_detail = Some(detail.to_owned());
        Stop::OriginBrokeOff
    }

    fn abort(&mut self, rejection: &Rejection) -> Stop {
        self.exchange.outcome.error = Some(rejection.code);
        self.exchange.outcome.error_detail.clone_from(&rejection.internal);
        Stop::HandlerBrokeOff
    }
}

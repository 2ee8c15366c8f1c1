//! A client, an origin and a handler that allocate nothing, so that what a call costs is the
//! engine's own. For counting allocations and instructions.
#![allow(unreachable_pub, clippy::unwrap_used, dead_code)]

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use paifang_pipeline::{
    Api, BodySize, BodyVerdict, CallLimits, Chain, ErrorPages, Exchange, Facts, Failure, Frame,
    Front, FrontError, Handler, Inbound, LogCall, OnFailure, Origin, OriginCall, OriginError,
    OriginEvent, Params, RequestBodyCall, RequestCall, RequestHead, ResponseBodyCall, ResponseCall,
    ResponseHead, ResponseVerdict, RetryPolicy, Stages, Step, UpstreamCall, Verdict,
    ports::{Clock, Nanos},
    stats::{ApiStats, StepStats},
};
use std::{
    borrow::Cow,
    future::poll_fn,
    net::SocketAddr,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

/// One frame of every body.
pub const PIECE: &[u8] = b"a piece of a body";

/// Time stands still, and is read as cheaply as can be.
pub struct Still;

impl Clock for Still {
    fn now(&self) -> Nanos {
        Nanos(0)
    }
    fn unix(&self) -> Duration {
        Duration::ZERO
    }
}

/// Waits for nothing, but lets everything else be looked at first, as a socket does.
async fn yield_once() {
    let mut ready = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut ready, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// A client that sends some frames and forgets what it is given.
#[derive(Default)]
pub struct Client {
    /// Frames that it sends; none for a request without a body.
    pub frames: usize,
    /// Whether it lets others go first before each frame.
    pub slow: bool,
    pub status: Option<StatusCode>,
    pub received: usize,
}

impl Front for Client {
    fn body_ended(&mut self) -> bool {
        self.frames == 0
    }
    async fn begin_body(&mut self) -> Result<(), FrontError> {
        Ok(())
    }
    async fn recv(&mut self) -> Result<Inbound, FrontError> {
        if self.slow {
            yield_once().await;
        }
        let Some(left) = self.frames.checked_sub(1) else {
            return std::future::pending().await;
        };
        self.frames = left;
        Ok(Inbound::Frame(piece(left == 0)))
    }
    async fn closed(&mut self) {
        std::future::pending().await
    }
    async fn send_info(&mut self, _: ResponseHead) -> Result<(), FrontError> {
        Ok(())
    }
    async fn send_head(&mut self, head: ResponseHead, _: BodySize) -> Result<(), FrontError> {
        self.status = Some(head.status);
        Ok(())
    }
    async fn send(&mut self, frame: Frame) -> Result<(), FrontError> {
        self.received += frame.data.len();
        Ok(())
    }
    async fn abort(&mut self) {}
}

/// An origin that answers 200 with some frames, once the whole request is there.
#[derive(Debug, Clone, Copy, Default)]
pub struct Source {
    /// Frames of its answer; an answer without any ends with its head.
    pub frames: usize,
    /// Whether it lets others go first before each event.
    pub slow: bool,
}

/// One attempt on it.
pub struct Attempt {
    source: Source,
    asked: bool,
    headed: bool,
}

impl Origin for Source {
    type Call = Attempt;
    async fn open(&self, _: &Exchange, _: u32) -> Result<Attempt, OriginError> {
        if self.slow {
            yield_once().await;
        }
        Ok(Attempt { source: *self, asked: false, headed: false })
    }
    fn spend_retry(&self, _: &Exchange) -> bool {
        false
    }
}

impl OriginCall for Attempt {
    fn endpoint(&self) -> Option<SocketAddr> {
        None
    }
    async fn send_head(
        &mut self,
        _: &Exchange,
        _: Cow<'_, RequestHead>,
        size: BodySize,
    ) -> Result<(), OriginError> {
        self.asked = matches!(size, BodySize::Empty | BodySize::Exact(0));
        Ok(())
    }
    async fn send(&mut self, frame: Frame) -> Result<(), OriginError> {
        self.asked |= frame.end;
        Ok(())
    }
    async fn recv(&mut self) -> Result<OriginEvent, OriginError> {
        if !self.asked {
            // The engine asks anew after every frame that it has sent.
            return std::future::pending().await;
        }
        if self.source.slow {
            yield_once().await;
        }
        if !std::mem::replace(&mut self.headed, true) {
            let (head, ()) = http::Response::new(()).into_parts();
            return Ok(OriginEvent::Head(head, self.source.frames == 0));
        }
        self.source.frames -= 1;
        Ok(OriginEvent::Frame(piece(self.source.frames == 0)))
    }
    async fn finish(self, _: bool) {}
}

fn piece(end: bool) -> Frame {
    Frame { data: Bytes::from_static(PIECE), end, trailers: None }
}

/// A step that lets everything pass at the stages it is told.
pub struct Passes {
    pub stages: Stages,
    /// It needs both bodies whole.
    pub needs_bodies: bool,
}

impl Handler for Passes {
    fn stages(&self) -> Stages {
        self.stages
    }
    fn request(&self, call: &mut RequestCall<'_>) -> Verdict {
        *call.word() += 1;
        if self.needs_bodies && call.body().is_none() {
            return Verdict::NeedBody;
        }
        Verdict::Continue
    }
    fn request_body(&self, call: &mut RequestBodyCall<'_>, _: &mut Frame) -> BodyVerdict {
        *call.word() += 1;
        BodyVerdict::Continue
    }
    fn upstream(&self, call: &mut UpstreamCall<'_>, _: &mut RequestHead) -> Result<(), Failure> {
        *call.word() += 1;
        Ok(())
    }
    fn response(&self, call: &mut ResponseCall<'_>) -> ResponseVerdict {
        *call.word() += 1;
        if self.needs_bodies && call.body().is_none() {
            return ResponseVerdict::NeedBody;
        }
        ResponseVerdict::Continue
    }
    fn response_body(&self, call: &mut ResponseBodyCall<'_>, _: &mut Frame) -> BodyVerdict {
        *call.word() += 1;
        BodyVerdict::Continue
    }
    fn log(&self, call: &mut LogCall<'_>) {
        *call.word() += 1;
    }
}

/// An API whose chain is `count` steps like this.
pub fn api(count: usize, stages: Stages, needs_bodies: bool) -> Api {
    let steps = (0..count).map(|index| Step {
        id: format!("step-{index}").into(),
        kind: "passes".into(),
        handler: Arc::new(Passes { stages, needs_bodies }),
        when: None,
        on_failure: OnFailure::Closed,
        stats: Arc::<StepStats>::default(),
        states: Vec::new(),
        routes: Vec::new(),
    });
    Api {
        id: "still".into(),
        chain: Chain::new(steps.collect()).unwrap(),
        limits: CallLimits::default(),
        retry: RetryPolicy::default(),
        upstream: None,
        stats: Arc::<ApiStats>::default(),
        error_pages: Arc::<ErrorPages>::default(),
    }
}

/// What is known of every call.
pub fn facts() -> Facts {
    Facts::embedded(Nanos(0), Duration::ZERO).with_host("api.test")
}

/// A call as a front would hand it in.
pub fn exchange(facts: &Facts, headers: HeaderMap) -> Exchange {
    let mut head = Request::new(()).into_parts().0;
    head.uri = http::Uri::from_static("/v1/orders");
    head.headers = headers;
    Exchange::new(head, facts.clone(), Params::default())
}

/// Polls until it is done; whoever is pending has woken itself.
pub fn finish<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut cx) {
            return done;
        }
    }
}

//! The Origin port: what answers a call when the chain has let it pass.
//!
//! An HTTP upstream, a local service, a function. One [`Origin`] value serves all calls; each
//! attempt opens an [`OriginCall`].

use crate::{
    body::Frame,
    error::{self, ErrorCode},
    exchange::{Exchange, RequestHead, ResponseHead},
    front::BodySize,
};
use http::StatusCode;
use std::{
    borrow::Cow,
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

/// What comes from an origin.
#[derive(Debug)]
pub enum OriginEvent {
    /// An interim response (1xx except 101).
    Info(ResponseHead),
    /// The final head, and whether the response ends with it.
    Head(ResponseHead, bool),
    /// A piece of the body.
    Frame(Frame),
}

/// Whether a failed attempt may be made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replay {
    /// The origin cannot have processed anything.
    Safe,
    /// It may have; only calls that are idempotent may be made again.
    IfIdempotent,
    /// Never.
    Never,
}

/// Why an origin did not answer.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}: {detail}", code.title)]
pub struct OriginError {
    /// The row of the error table.
    pub code: &'static ErrorCode,
    /// Whether the attempt may be repeated.
    pub replay: Replay,
    /// For the logs, never for the client.
    pub detail: String,
}

impl OriginError {
    /// An error with its row.
    pub fn new(code: &'static ErrorCode, replay: Replay, detail: impl Into<String>) -> Self {
        Self { code, replay, detail: detail.into() }
    }
}

/// What the last attempt of a call came to, where that is no good answer.
#[derive(Debug, Clone, Copy)]
pub enum Failed<'a> {
    /// No answer.
    Error(&'a OriginError),
    /// An answer with this status, of which only the head has come.
    Status(StatusCode),
}

/// Answers calls.
pub trait Origin: Send + Sync {
    /// One attempt.
    type Call: OriginCall;

    /// Chooses an endpoint and connects to it. `attempt` counts from 1; a second attempt should
    /// prefer another endpoint.
    fn open(
        &self,
        call: &Exchange,
        attempt: u32,
    ) -> impl Future<Output = Result<Self::Call, OriginError>> + Send;

    /// An answer in place of what the last attempt came to, once no other may follow: a cache has a
    /// stale one. Its head comes from `recv` at once; nothing is sent to it. `body` is the request's.
    fn stand_in(&self, call: &Exchange, body: BodySize, failed: Failed<'_>) -> Option<Self::Call> {
        let _ = (call, body, failed);
        None
    }

    /// Whether the retry budget allows this call one more attempt now. Asking spends it.
    fn spend_retry(&self, call: &Exchange) -> bool {
        let _ = call;
        true
    }
}

/// One attempt on an origin. The future of `recv` must be cancel-safe.
pub trait OriginCall: Send {
    /// The endpoint, where there is one.
    fn endpoint(&self) -> Option<SocketAddr>;

    /// Whether the answer is here already, so that nothing is sent and no `upstream` step runs.
    fn is_kept(&self) -> bool {
        false
    }

    /// How it came to its answer, for logs: what a cache has found. Asked once the head is there.
    fn found(&self) -> Option<&'static str> {
        None
    }

    /// Sends the head. The origin sets framing headers by `body`, and forwarding headers by what
    /// it knows of the call. For `Empty` and `Exact(0)` the request is complete with it; an empty
    /// last frame may follow and says nothing new. `Declared` without a `Content-Length` in the
    /// head is a body of unknown length.
    fn send_head(
        &mut self,
        call: &Exchange,
        head: Cow<'_, RequestHead>,
        body: BodySize,
    ) -> impl Future<Output = Result<(), OriginError>> + Send;

    /// How much was taken by `send` and is not on the wire yet; asked once an attempt. `recv`
    /// drives it out. Without it an origin that answers while it reads could block the call: we
    /// would wait for it to read, it for us.
    fn backlog(&self) -> Backlog {
        Backlog::default()
    }

    /// Sends a piece of the body; the frame with `end` finishes it. May take it into the backlog.
    fn send(&mut self, frame: Frame) -> impl Future<Output = Result<(), OriginError>> + Send;

    /// The next event. After the end of the response it is not called again.
    fn recv(&mut self) -> impl Future<Output = Result<OriginEvent, OriginError>> + Send;

    /// The call's time is up while it waits for this attempt's response head: the attempt is given
    /// up. For an account of who is slow.
    fn overdue(&mut self) {}

    /// The attempt is over. `complete` says that request and response ended as they should, so
    /// that the connection may serve others; otherwise the origin is told to stop.
    fn finish(self, complete: bool) -> impl Future<Output = ()> + Send;
}

/// Bytes that an attempt has taken and not sent. While it is full, no more is read from the client.
#[derive(Debug, Clone, Default)]
pub struct Backlog(Option<Arc<AtomicUsize>>);

impl Backlog {
    /// Beyond so many bytes a backlog is full.
    pub const LIMIT: usize = 64 << 10;

    /// A backlog whose bytes are counted in `pending`.
    #[must_use]
    pub fn new(pending: Arc<AtomicUsize>) -> Self {
        Self(Some(pending))
    }

    fn is_full(&self) -> bool {
        self.0.as_ref().is_some_and(|pending| pending.load(Relaxed) >= Self::LIMIT)
    }

    /// `future`, not polled while the backlog is full. Whatever drains the backlog must be polled
    /// by the same task: it does the waking.
    pub(crate) async fn gate<T>(&self, future: impl Future<Output = T> + Send) -> T {
        struct Gate<'a, F>(&'a Backlog, Pin<&'a mut F>);
        impl<F: Future> Future for Gate<'_, F> {
            type Output = F::Output;
            fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
                if self.0.is_full() { Poll::Pending } else { self.1.as_mut().poll(cx) }
            }
        }
        let mut future = std::pin::pin!(future);
        Gate(self, future.as_mut()).await
    }
}

/// An origin for APIs that have none: every call that reaches it gets `no_origin`.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoOrigin;

impl Origin for NoOrigin {
    type Call = Never;

    async fn open(&self, _: &Exchange, _: u32) -> Result<Never, OriginError> {
        Err(OriginError::new(error::NO_ORIGIN, Replay::Never, "the API has no origin"))
    }
}

/// A call that cannot be.
#[derive(Debug)]
pub enum Never {}

impl OriginCall for Never {
    fn endpoint(&self) -> Option<SocketAddr> {
        match *self {}
    }
    async fn send_head(
        &mut self,
        _: &Exchange,
        _: Cow<'_, RequestHead>,
        _: BodySize,
    ) -> Result<(), OriginError> {
        match *self {}
    }
    async fn send(&mut self, _: Frame) -> Result<(), OriginError> {
        match *self {}
    }
    async fn recv(&mut self) -> Result<OriginEvent, OriginError> {
        match *self {}
    }
    async fn finish(self, _: bool) {
        match self {}
    }
}

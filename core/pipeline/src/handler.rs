//! The [`Handler`] trait, where native plugins and WASM modules meet, and the views it is given.

use crate::{
    body::Frame,
    exchange::{Exchange, RequestHead, Response, ResponseHead, Route, Slots},
    ports::{Permit, Spawn},
    verdict::{BodyVerdict, Failure, ResponseVerdict, Verdict},
};
use bytes::Bytes;
use http::HeaderMap;
use std::{any::Any, net::SocketAddr, ops::Deref, sync::Arc};

/// The stages, as a set. A step runs at the stages that it declares and costs nothing elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stages(u8);

impl Stages {
    /// No stage at all.
    pub const NONE: Self = Self(0);
    /// A new connection, before TLS.
    pub const ACCEPT: Self = Self(1);
    /// The ordered walk down, before any upstream is touched.
    pub const REQUEST: Self = Self(1 << 1);
    /// Frames of a request body that streams to the origin.
    pub const REQUEST_BODY: Self = Self(1 << 2);
    /// Once an attempt, on a fresh copy of the head.
    pub const UPSTREAM: Self = Self(1 << 3);
    /// The walk back up, when the final response head is there.
    pub const RESPONSE: Self = Self(1 << 4);
    /// Frames of the response body, and trailers.
    pub const RESPONSE_BODY: Self = Self(1 << 5);
    /// Once a call, last, whatever happened.
    pub const LOG: Self = Self(1 << 6);

    /// Names in the order in which a call meets the stages.
    const NAMES: [(Self, &'static str); 7] = [
        (Self::ACCEPT, "accept"),
        (Self::REQUEST, "request"),
        (Self::REQUEST_BODY, "request_body"),
        (Self::UPSTREAM, "upstream"),
        (Self::RESPONSE, "response"),
        (Self::RESPONSE_BODY, "response_body"),
        (Self::LOG, "log"),
    ];

    /// Both together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` is in here.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The names, in the order in which a call meets the stages.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().filter(move |(stage, _)| self.has(*stage)).map(|(_, name)| name)
    }
}

/// What runs in a chain. One value serves all calls of its step, from many threads at once.
///
/// Calls are synchronous. A step that must wait returns a `Wait` verdict with an owned future, so
/// that a step that needn't costs neither an allocation nor a future. A panic in any method is
/// caught and treated as [`Failure::failed`].
pub trait Handler: Send + Sync + 'static {
    /// The stages at which this handler runs. Asked once, at load.
    fn stages(&self) -> Stages;

    /// Whether body frames keep their total length through this handler, so that a
    /// `Content-Length` stays true. Asked once, at load.
    fn keeps_length(&self) -> bool {
        false
    }

    /// Whether `request_body` only looks at frames. They go on as they came, whatever it does to
    /// them, and a call whose frames only such steps have seen can still be made again: the step sees
    /// each frame once, however often the call is made. Asked once, at load.
    fn only_watches(&self) -> bool {
        false
    }

    /// A new connection on a listener, before TLS: `false` closes it. Must be cheap.
    fn accept(&self, connection: &Connection) -> bool {
        let _ = connection;
        true
    }

    /// The walk down. Called again with [`RequestCall::body`] after [`Verdict::NeedBody`].
    fn request(&self, call: &mut RequestCall<'_>) -> Verdict {
        let _ = call;
        Verdict::Continue
    }

    /// A frame of the request body on its way to the origin. `Wait` is not allowed here.
    fn request_body(&self, call: &mut RequestBodyCall<'_>, frame: &mut Frame) -> BodyVerdict {
        let _ = (call, frame);
        BodyVerdict::Continue
    }

    /// An attempt on an origin: `head` is a fresh copy that only this attempt sends.
    ///
    /// # Errors
    /// A failure, for `on_failure` to judge.
    fn upstream(&self, call: &mut UpstreamCall<'_>, head: &mut RequestHead) -> Result<(), Failure> {
        let _ = (call, head);
        Ok(())
    }

    /// The walk back up. Called again with [`ResponseCall::body`] after `NeedBody`.
    fn response(&self, call: &mut ResponseCall<'_>) -> ResponseVerdict {
        let _ = call;
        ResponseVerdict::Continue
    }

    /// A frame of the response body on its way to the client.
    fn response_body(&self, call: &mut ResponseBodyCall<'_>, frame: &mut Frame) -> BodyVerdict {
        let _ = (call, frame);
        BodyVerdict::Continue
    }

    /// The end of a call, exactly once, after everything else.
    fn log(&self, call: &mut LogCall<'_>) {
        let _ = call;
    }

    /// The release with this handler is going live: background work may start now. Not called
    /// when the release fails before.
    ///
    /// # Errors
    /// A sentence; the release fails with it and the old one goes on serving.
    fn start(&self, spawn: &Arc<dyn Spawn>) -> Result<(), String> {
        let _ = spawn;
        Ok(())
    }

    /// A newer release is live; calls that began with this one go on. Then the value is dropped.
    fn drain(&self) {}
}

/// A connection that has just been accepted.
#[derive(Debug, Clone)]
pub struct Connection {
    /// The listener's name.
    pub listener: Arc<str>,
    /// The other end.
    pub peer: SocketAddr,
    /// The client: `peer`, or who a trusted PROXY header names.
    pub client: SocketAddr,
    /// When it was accepted.
    pub now: crate::ports::Nanos,
}

/// What every view can do: read the exchange (by deref) and use the step's memory of this call.
macro_rules! view {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty),* }) => {
        $(#[$doc])*
        pub struct $name<'a> {
            pub(crate) exchange: &'a mut Exchange,
            pub(crate) step: usize,
            $(pub(crate) $field: $type,)*
        }

        impl Deref for $name<'_> {
            type Target = Exchange;
            fn deref(&self) -> &Exchange {
                self.exchange
            }
        }

        impl $name<'_> {
            /// A number that this step keeps through the call; begins as zero.
            pub fn word(&mut self) -> &mut u64 {
                &mut self.exchange.states[self.step].word
            }

            /// Keeps a value for this step's later stages; dropped after `log`.
            pub fn keep<T: Send + Sync + 'static>(&mut self, value: T) {
                self.exchange.states[self.step].kept = Some(Box::new(value));
            }

            /// What this step has kept.
            pub fn kept<T: 'static>(&mut self) -> Option<&mut T> {
                let kept: &mut (dyn Any + Send + Sync) = self.exchange.states[self.step].kept.as_deref_mut()?;
                kept.downcast_mut()
            }

            /// Keeps a value that is in a box already, so that pools need no allocation.
            pub fn keep_boxed<T: Send + Sync + 'static>(&mut self, value: Box<T>) {
                self.exchange.states[self.step].kept = Some(value);
            }

            /// Takes back what this step has kept; `None` where that is nothing or no `T`.
            pub fn take_kept<T: 'static>(&mut self) -> Option<Box<T>> {
                let kept = &mut self.exchange.states[self.step].kept;
                match kept.take()?.downcast() {
                    Ok(value) => Some(value),
                    Err(other) => {
                        *kept = Some(other);
                        None
                    }
                }
            }

            /// Holds a place among the calls in flight until the call has ended.
            pub fn hold(&mut self, permit: Permit) {
                self.exchange.states[self.step].permit = Some(permit);
            }
        }
    };
}

view! {
    /// The call at the `request` stage.
    RequestCall { with_body: bool }
}
view! {
    /// The call at the `request_body` stage.
    RequestBodyCall {}
}
view! {
    /// The call at the `upstream` stage.
    UpstreamCall { endpoint: Option<SocketAddr>, attempt: u32 }
}
view! {
    /// The call at the `response` stage.
    ResponseCall {
        head: &'a mut ResponseHead,
        whole: Option<&'a mut Bytes>,
        trailers: Option<&'a HeaderMap>,
        length: Option<u64>
    }
}
view! {
    /// The call at the `response_body` stage.
    ResponseBodyCall { waited: Option<&'a mut Frame> }
}
view! {
    /// The call at the `log` stage.
    LogCall {}
}

impl RequestCall<'_> {
    /// The whole body, after this step returned [`Verdict::NeedBody`]; `None` before.
    #[must_use]
    pub fn body(&self) -> Option<&Bytes> {
        self.with_body.then(|| self.exchange.body.as_ref().map(|body| &body.data)).flatten()
    }

    /// The trailers that came behind the whole body, as the steps above left them; `None` before
    /// the body is here, and where there are none. To change them, be a `request_body` step.
    #[must_use]
    pub fn trailers(&self) -> Option<&HeaderMap> {
        let body = self.exchange.body.as_ref().filter(|_| self.with_body)?;
        body.trailers.as_deref()
    }

    /// Replaces the whole body; `Content-Length` follows. Does nothing before the body is here.
    pub fn set_body(&mut self, data: Bytes) {
        if let Some(body) = self.exchange.body.as_mut().filter(|_| self.with_body) {
            body.data = data;
        }
    }

    /// The request head, to change. The engine keeps `Content-Length` and framing true itself.
    pub fn head_mut(&mut self) -> &mut RequestHead {
        &mut self.exchange.head
    }

    /// Sends the call to another upstream than it would go to. Only to one that this step has
    /// declared ([`Built::routes`](crate::Built::routes)). The choice holds for all attempts; the
    /// latest one counts.
    pub fn route_to(&mut self, route: Route) {
        self.exchange.route = Some(route);
    }

    /// The slots, to hand results on. Declare what you write, so that two writers are noticed.
    pub fn slots_mut(&mut self) -> &mut Slots {
        &mut self.exchange.slots
    }

    /// Leaves this call's request body alone: `request_body` is not called for this step, and the
    /// body keeps its length and can be sent again as if the step did not declare the stage.
    pub fn leave_request_body(&mut self) {
        let left = &mut self.exchange.states[self.step].left;
        *left = left.and(Stages::REQUEST_BODY);
    }

    /// Leaves this call's response body alone; see [`ResponseCall::leave_body`].
    pub fn leave_response_body(&mut self) {
        let left = &mut self.exchange.states[self.step].left;
        *left = left.and(Stages::RESPONSE_BODY);
    }
}

impl UpstreamCall<'_> {
    /// The endpoint that this attempt goes to, where the origin has one.
    #[must_use]
    pub fn endpoint(&self) -> Option<SocketAddr> {
        self.endpoint
    }

    /// Which attempt this is, from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }
}

impl ResponseCall<'_> {
    /// The response head as the steps below left it.
    #[must_use]
    pub fn response(&self) -> &ResponseHead {
        self.head
    }

    /// The response head, to change. The engine keeps framing true itself.
    pub fn response_mut(&mut self) -> &mut ResponseHead {
        self.head
    }

    /// The whole body, after this step returned `NeedBody`; `None` before.
    #[must_use]
    pub fn body(&self) -> Option<&Bytes> {
        self.whole.as_deref()
    }

    /// The trailers that came behind the whole body, as the steps below left them; `None` before
    /// the body is here, and where there are none. To change them, be a `response_body` step.
    #[must_use]
    pub fn trailers(&self) -> Option<&HeaderMap> {
        self.trailers
    }

    /// Replaces the whole body; `Content-Length` follows. Does nothing before the body is here.
    pub fn set_body(&mut self, data: Bytes) {
        if let Some(body) = self.whole.as_deref_mut() {
            *body = data;
        }
    }

    /// How many bytes the body has as the origin or the answering step gave it, before any
    /// `response_body` step; `None` where nobody has said. For HEAD what a GET would have had.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// Leaves this response's body alone: `response_body` is not called for this step, and the
    /// body keeps its length as if the step did not declare the stage.
    pub fn leave_body(&mut self) {
        let left = &mut self.exchange.states[self.step].left;
        *left = left.and(Stages::RESPONSE_BODY);
    }

    /// Builds an answer to replace this one with, keeping nothing of it.
    #[must_use]
    pub fn answer(status: http::StatusCode, body: Bytes) -> Response {
        let mut response = Response::new(body);
        *response.status_mut() = status;
        response
    }
}

impl ResponseBodyCall<'_> {
    /// The frame that this step has waited with, to change on resuming. `None` in
    /// [`Handler::response_body`], which is given the frame itself.
    pub fn frame(&mut self) -> Option<&mut Frame> {
        self.waited.as_deref_mut()
    }
}

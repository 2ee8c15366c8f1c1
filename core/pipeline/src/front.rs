//! The Front port: a door through which one call came, seen from the engine.
//!
//! HTTP sessions, MMTP channels and embedded calls implement it, so the engine knows no transport.

use crate::{
    body::Frame,
    error::{self, ErrorCode},
    exchange::ResponseHead,
};
use std::future::Future;

/// What comes from the caller.
#[derive(Debug)]
pub enum Inbound {
    /// A piece of the request body.
    Frame(Frame),
    /// The caller is gone and wants no answer any more.
    Gone,
}

/// How the length of a body is known when its head is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodySize {
    /// No body follows.
    Empty,
    /// Exactly so many bytes follow; framing headers are set from this.
    Exact(u64),
    /// A body of unknown length follows; a `Content-Length` in the head is not true any more.
    Unknown,
    /// As the head itself declares.
    Declared,
}

/// Why a caller cannot be read from or written to.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FrontError {
    /// The caller went away.
    #[error("the client is gone: {0}")]
    Gone(String),
    /// The body breaks its framing; the connection cannot be used further.
    #[error("malformed request body: {0}")]
    Malformed(String),
    /// The caller stalled while sending its body.
    #[error("the client stalled while sending its body")]
    Stalled,
}

impl FrontError {
    /// The row of the error table that a caller still there is told; `None` where it is gone.
    #[must_use]
    pub const fn code(&self) -> Option<&'static ErrorCode> {
        match self {
            Self::Gone(_) => None,
            Self::Malformed(_) => Some(error::BODY_MALFORMED),
            Self::Stalled => Some(error::BODY_TIMEOUT),
        }
    }
}

/// One call's door. The engine uses it from one task; futures of `recv` and `closed` must be
/// cancel-safe, since the engine drops them whenever something else happens first.
pub trait Front: Send {
    /// Whether the request has no body, or all of it has been received.
    fn body_ended(&mut self) -> bool;

    /// Called once before the first `recv` of a body: the place to send `100 Continue`.
    fn begin_body(&mut self) -> impl Future<Output = Result<(), FrontError>> + Send;

    /// The next piece of the body; after its end, waits until the caller is gone.
    fn recv(&mut self) -> impl Future<Output = Result<Inbound, FrontError>> + Send;

    /// Waits until the caller is known to be gone, without reading its body.
    fn closed(&mut self) -> impl Future<Output = ()> + Send;

    /// Sends an interim response (1xx except 101).
    fn send_info(
        &mut self,
        head: ResponseHead,
    ) -> impl Future<Output = Result<(), FrontError>> + Send;

    /// The answer to come holds secrets beside what others choose: it is not to be compressed, for its length would tell of them.
    /// Called before the head is sent. Doors that compress nothing have nothing to do.
    fn keep_length_secret(&mut self) {}

    /// Sends the final head. After a 101 `recv` and `send` carry the tunnel's bytes.
    fn send_head(
        &mut self,
        head: ResponseHead,
        body: BodySize,
    ) -> impl Future<Output = Result<(), FrontError>> + Send;

    /// Sends a piece of the body; the frame with `end` finishes the response.
    fn send(&mut self, frame: Frame) -> impl Future<Output = Result<(), FrontError>> + Send;

    /// The response breaks off here: whatever was sent must not look complete to the caller.
    fn abort(&mut self) -> impl Future<Output = ()> + Send;
}

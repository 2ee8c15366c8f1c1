//! Verdicts: what a step may say at each stage.

use crate::{
    error::ErrorCode,
    exchange::Response,
    handler::{RequestCall, ResponseBodyCall, ResponseCall},
    ports::BoxFuture,
};
use http::{HeaderName, HeaderValue};
use std::{borrow::Cow, future::Future};

/// What a step resumes with after waiting: a closure that gets the call back and decides.
pub type RequestResume = Box<dyn FnOnce(&mut RequestCall<'_>) -> Verdict + Send>;
/// The like, on the way back.
pub type ResponseResume = Box<dyn FnOnce(&mut ResponseCall<'_>) -> ResponseVerdict + Send>;
/// The like, in the middle of a response body.
pub type ResponseBodyResume = Box<dyn FnOnce(&mut ResponseBodyCall<'_>) -> BodyVerdict + Send>;

/// A step's verdict at the `request` stage.
pub enum Verdict {
    /// On to the next step.
    Continue,
    /// This is the answer; the steps above see it, this one and those below don't.
    Respond(Response),
    /// The gateway answers with an error of the table.
    Reject(Rejection),
    /// Call this step again once the whole request body is here.
    NeedBody,
    /// Wait for the future, then resume with what it yields. No borrow of the call crosses it.
    Wait(BoxFuture<RequestResume>),
    /// The step cannot decide; `on_failure` does.
    Fail(Failure),
}

/// A step's verdict at the `response` stage.
pub enum ResponseVerdict {
    /// On to the step above.
    Continue,
    /// This is the answer instead; the origin's body is given up.
    Replace(Response),
    /// Call this step again once the whole response body is here.
    NeedBody,
    /// Wait, then resume.
    Wait(BoxFuture<ResponseResume>),
    /// The step cannot decide; `on_failure` does.
    Fail(Failure),
}

/// A step's verdict on one frame of a streaming body.
pub enum BodyVerdict {
    /// The frame, as the step left it, goes on.
    Continue,
    /// The call is broken off: an error where no response head went out yet, an aborted
    /// connection or stream otherwise.
    Abort(Rejection),
    /// Wait, then resume; only on the response's way.
    Wait(BoxFuture<ResponseBodyResume>),
    /// The step cannot decide; `on_failure` does.
    Fail(Failure),
}

impl Verdict {
    /// Waits for `future`, which yields the closure to resume with.
    pub fn wait<F, R>(future: F) -> Self
    where
        F: Future<Output = R> + Send + 'static,
        R: FnOnce(&mut RequestCall<'_>) -> Verdict + Send + 'static,
    {
        Self::Wait(Box::pin(async move { Box::new(future.await) as RequestResume }))
    }

    /// Rejects with a row of the error table.
    #[must_use]
    pub fn reject(code: &'static ErrorCode) -> Self {
        Self::Reject(Rejection::new(code))
    }
}

impl ResponseVerdict {
    /// Waits for `future`, which yields the closure to resume with.
    pub fn wait<F, R>(future: F) -> Self
    where
        F: Future<Output = R> + Send + 'static,
        R: FnOnce(&mut ResponseCall<'_>) -> ResponseVerdict + Send + 'static,
    {
        Self::Wait(Box::pin(async move { Box::new(future.await) as ResponseResume }))
    }
}

impl BodyVerdict {
    /// Waits for `future`, which yields the closure to resume with.
    pub fn wait<F, R>(future: F) -> Self
    where
        F: Future<Output = R> + Send + 'static,
        R: FnOnce(&mut ResponseBodyCall<'_>) -> BodyVerdict + Send + 'static,
    {
        Self::Wait(Box::pin(async move { Box::new(future.await) as ResponseBodyResume }))
    }
}

/// An answer from the error table, with what this case adds to it.
#[derive(Debug, Clone)]
pub struct Rejection {
    /// The row.
    pub code: &'static ErrorCode,
    /// A sentence for the client; must not contain secrets.
    pub detail: Option<Cow<'static, str>>,
    /// Headers to add, such as `Retry-After`.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// More for the logs, never for the client.
    pub internal: Option<String>,
    /// A member that the problem document has beside its own (RFC 9457 section 3.2); an app's own
    /// template does not show it.
    pub extension: Option<Box<(&'static str, serde_json::Value)>>,
}

impl Rejection {
    /// A rejection that says just what the row says.
    #[must_use]
    pub fn new(code: &'static ErrorCode) -> Self {
        Self { code, detail: None, headers: Vec::new(), internal: None, extension: None }
    }

    /// Adds a sentence for the client.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Adds a member to the problem document; must not contain secrets.
    #[must_use]
    pub fn extension(mut self, name: &'static str, value: serde_json::Value) -> Self {
        self.extension = Some(Box::new((name, value)));
        self
    }

    /// Adds a sentence for the logs.
    #[must_use]
    pub fn internal(mut self, text: impl Into<String>) -> Self {
        self.internal = Some(text.into());
        self
    }
}

/// Why a step cannot decide.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{kind}: {detail}")]
pub struct Failure {
    /// Broken, or merely not to be had.
    pub kind: FailureKind,
    /// For the logs, never for the client.
    pub detail: String,
}

/// The two kinds of failing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// It panicked, trapped, or returned what it may not: `handler_failed`.
    Failed,
    /// A budget is exceeded, a breaker open, a dependency away: `handler_unavailable`.
    Unavailable,
}

impl std::fmt::Display for FailureKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Failed => "failed",
            Self::Unavailable => "unavailable",
        })
    }
}

impl Failure {
    /// The step is broken.
    pub fn failed(detail: impl Into<String>) -> Self {
        Self { kind: FailureKind::Failed, detail: detail.into() }
    }

    /// What the step depends on is not to be had.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self { kind: FailureKind::Unavailable, detail: detail.into() }
    }
}

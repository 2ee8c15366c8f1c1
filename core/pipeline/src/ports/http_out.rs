//! The HttpOut port: calls of handlers to the gateway's upstreams.

use super::BoxFuture;
use bytes::Bytes;
use http::{Request, Response};
use std::time::Duration;

/// Makes calls to upstreams by name. They go the way that proxied calls go: the same balancing,
/// health, connections and TLS.
///
/// A handler that outlives the release that built it calls the upstreams of the release that is
/// live; one that is not live yet calls those of its own release.
pub trait HttpOut: Send + Sync {
    /// Whether there is an upstream of this name. Ask while a handler is built, so that a wrong
    /// name fails the release: what was asked then is asked again for each release that keeps the
    /// handler, and it is built anew where the answer has changed.
    fn has(&self, upstream: &str) -> bool;

    /// Sends `request` and gives the whole response; its trailers are dropped.
    ///
    /// Of the URI, path and query are sent as they are; an authority is the `Host` where the
    /// headers have none. Headers that belong to a connection (RFC 9110, section 7.6.1) and
    /// `Content-Length` are removed and set anew by what is sent; headers that tell of a client
    /// are not added. The call is made once, whatever becomes of it, and no redirect is followed.
    ///
    /// Dropping the future ends the call.
    fn call(
        &self,
        upstream: &str,
        request: Request<Bytes>,
        limits: HttpOutLimits,
    ) -> BoxFuture<Result<Response<Bytes>, HttpOutError>>;
}

/// The limits of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpOutLimits {
    /// For all of it, from connecting to the last byte of the response.
    pub timeout: Duration,
    /// The largest body of a response, in bytes.
    pub response_bytes: usize,
}

/// Why a call has no response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpOutError {
    /// There is no upstream of this name; or the handler is still being built.
    #[error("there is no such upstream")]
    Unknown,
    /// The request cannot be sent.
    #[error("the request cannot be sent: {0}")]
    Invalid(String),
    /// There was no whole response in time.
    #[error("no answer in time")]
    Timeout,
    /// The response is larger than its limit.
    #[error("the response is larger than allowed")]
    TooLarge,
    /// The upstream cannot be reached, or broke off: a label of the error table.
    #[error("the upstream is not available: {0}")]
    Unavailable(String),
}

/// For gateways that have no upstreams: there is none, and every call is [`HttpOutError::Unknown`].
#[derive(Debug, Clone, Copy, Default)]
pub struct NoHttpOut;

impl HttpOut for NoHttpOut {
    fn has(&self, _: &str) -> bool {
        false
    }

    fn call(
        &self,
        _: &str,
        _: Request<Bytes>,
        _: HttpOutLimits,
    ) -> BoxFuture<Result<Response<Bytes>, HttpOutError>> {
        Box::pin(std::future::ready(Err(HttpOutError::Unknown)))
    }
}

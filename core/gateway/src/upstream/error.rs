//! From what can go wrong with a server to a row of the error table, and whether the attempt may be
//! made again.
//!
//! | what happened | row | again |
//! |---|---|---|
//! | no endpoint to use | `no_endpoint` | never |
//! | no room at any endpoint, nor in time | `upstream_busy` | never: all of them were asked |
//! | connecting refused, unreachable, timed out, TLS refused | `connect_failed`, `connect_timeout`, `upstream_tls` | safe: nothing was sent |
//! | connection lost before anything of the request was on the wire | `upstream_closed` | safe |
//! | connection lost before the whole response head | `upstream_closed` | if idempotent |
//! | HTTP/2 stream refused, or above what a graceful GOAWAY still serves | `upstream_closed` | safe |
//! | no head in time, request not taken in time | `upstream_timeout` | if idempotent |
//! | TLS alert after the handshake | `upstream_tls` | never |
//! | an answer that breaks HTTP | `upstream_malformed` | never |
//!
//! Details are our own words: messages of parsers quote what they parse, which may be secret.

use h2::Reason;
use paifang_pipeline::{
    OriginError, Replay,
    error::{
        CONNECT_FAILED, CONNECT_TIMEOUT, NO_ENDPOINT, UPSTREAM_BUSY, UPSTREAM_CLOSED,
        UPSTREAM_MALFORMED, UPSTREAM_TIMEOUT, UPSTREAM_TLS,
    },
};
use pingora_error::ErrorType;
use std::{io, net::SocketAddr, time::Duration};
use tokio_rustls::rustls;

pub(super) fn no_endpoint(upstream: &str, why: &str) -> OriginError {
    OriginError::new(NO_ENDPOINT, Replay::Never, format!("upstream `{upstream}`: {why}"))
}

/// All endpoints have as much as they may, and the queue too or for too long.
pub(super) fn busy(upstream: &str, why: &str) -> OriginError {
    OriginError::new(UPSTREAM_BUSY, Replay::Never, format!("upstream `{upstream}`: {why}"))
}

pub(super) fn connect_failed(to: SocketAddr, error: &io::Error) -> OriginError {
    let detail = format!("connecting to {to}: {}", error.kind());
    OriginError::new(CONNECT_FAILED, Replay::Safe, detail)
}

pub(super) fn connect_timeout(to: SocketAddr, after: Duration) -> OriginError {
    let detail = format!("connecting to {to}: not done within {after:?}");
    OriginError::new(CONNECT_TIMEOUT, Replay::Safe, detail)
}

/// A handshake that failed. rustls tells of names and dates, never of keys.
pub(super) fn tls_failed(to: SocketAddr, error: &io::Error) -> OriginError {
    let why = match tls_cause(error) {
        Some(cause) => cause.to_string(),
        None => error.kind().to_string(),
    };
    OriginError::new(UPSTREAM_TLS, Replay::Safe, format!("TLS with {to}: {why}"))
}

pub(super) fn not_h2(to: SocketAddr) -> OriginError {
    let detail = format!("TLS with {to}: the server did not agree to HTTP/2");
    OriginError::new(UPSTREAM_TLS, Replay::Safe, detail)
}

pub(super) fn timeout(what: &str, after: Duration) -> OriginError {
    let detail = format!("{what} within {after:?}");
    OriginError::new(UPSTREAM_TIMEOUT, Replay::IfIdempotent, detail)
}

pub(super) fn malformed(detail: &'static str) -> OriginError {
    OriginError::new(UPSTREAM_MALFORMED, Replay::Never, detail)
}

/// The request cannot be put on the wire; another attempt would meet the same.
pub(super) fn unsendable(detail: &'static str) -> OriginError {
    OriginError::new(UPSTREAM_MALFORMED, Replay::Never, detail)
}

/// How far a call had come on its connection when it failed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Progress {
    /// The connection had served others before.
    pub(super) reused: bool,
    /// Bytes of this request that were put on the wire.
    pub(super) sent: u64,
    /// Bytes that were received since.
    pub(super) received: u64,
}

/// What an HTTP/1.1 session says.
pub(super) fn from_session(error: &pingora_error::Error, progress: Progress) -> OriginError {
    let cause = error.cause.as_ref().and_then(|cause| cause.downcast_ref::<io::Error>());
    if cause.is_some_and(|cause| tls_cause(cause).is_some()) {
        return OriginError::new(UPSTREAM_TLS, Replay::Never, "TLS alert or broken record");
    }
    match &error.etype {
        ErrorType::ConnectionClosed | ErrorType::ReadError | ErrorType::WriteError => {
            closed(progress, cause.map(io::Error::kind))
        }
        ErrorType::InvalidHTTPHeader => malformed("the response head is malformed or too large"),
        _ => malformed("the response body breaks its framing"),
    }
}

/// A connection that ended where it should not have.
fn closed(progress: Progress, kind: Option<io::ErrorKind>) -> OriginError {
    let replay = if progress.sent == 0 { Replay::Safe } else { Replay::IfIdempotent };
    let connection = if progress.reused { "a kept connection" } else { "the connection" };
    let how = match kind {
        None => "was closed".to_owned(),
        Some(kind) => format!("failed ({kind})"),
    };
    let when = if progress.received == 0 { "before the response" } else { "within the response" };
    OriginError::new(UPSTREAM_CLOSED, replay, format!("{connection} {how} {when}"))
}

/// What an HTTP/2 stream says. `reused`: the connection had served others before; `answered`: the
/// response head is there.
pub(super) fn from_h2(error: &h2::Error, reused: bool, answered: bool) -> OriginError {
    if let Some(cause) = error.get_io() {
        if tls_cause(cause).is_some() {
            return OriginError::new(UPSTREAM_TLS, Replay::Never, "TLS alert or broken record");
        }
        return closed(Progress { reused, sent: 1, received: answered.into() }, Some(cause.kind()));
    }
    let reason = error.reason().unwrap_or(Reason::INTERNAL_ERROR);
    if !error.is_remote() {
        return malformed("the server breaks HTTP/2");
    }
    let words = reason.description();
    let (what, replay) = match reason {
        Reason::REFUSED_STREAM => ("stream refused", Replay::Safe),
        // Streams that the server still serves go on; only those above them end with it
        // (RFC 9113 section 6.8).
        Reason::NO_ERROR if error.is_go_away() => ("connection is going away", Replay::Safe),
        _ if error.is_go_away() => ("connection ended by the server", Replay::IfIdempotent),
        _ => ("stream reset by the server", Replay::IfIdempotent),
    };
    OriginError::new(UPSTREAM_CLOSED, replay, format!("HTTP/2: {what} ({words})"))
}

/// Opening an HTTP/2 stream failed, so nothing of the request was sent.
pub(super) fn h2_unopened(error: &h2::Error) -> OriginError {
    let detail = match error.reason() {
        Some(reason) => format!("HTTP/2: no stream could be opened ({})", reason.description()),
        None => "HTTP/2: no stream could be opened".to_owned(),
    };
    OriginError::new(UPSTREAM_CLOSED, Replay::Safe, detail)
}

/// The TLS error inside an I/O error. An unannounced end of the stream is none.
fn tls_cause(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>())
}

#[cfg(test)]
mod tests {
    //! Rows and repetition.
    use super::{Progress, from_session};
    use paifang_pipeline::Replay;
    use pingora_error::{Error, ErrorType};
    use std::io;

    #[test]
    fn what_was_on_the_wire_decides_over_repetition() {
        let lost = Error::because(ErrorType::ReadError, "secret", io::Error::other("x"));
        let unsent = Progress { reused: true, sent: 0, received: 0 };
        assert_eq!(from_session(&lost, unsent).replay, Replay::Safe);
        let sent = Progress { sent: 10, ..unsent };
        assert_eq!(from_session(&lost, sent).replay, Replay::IfIdempotent);
    }

    #[test]
    fn details_quote_nothing_of_what_was_received() {
        let context = "buf: HTTP/1.1 200 OK\\r\\nset-cookie: s3cret";
        let broken: Box<Error> = Error::explain(ErrorType::InvalidHTTPHeader, context);
        let error = from_session(&broken, Progress { reused: false, sent: 9, received: 9 });
        assert_eq!((error.code.label, error.replay), ("upstream_malformed", Replay::Never));
        assert!(!error.detail.contains("s3cret"));
    }
}

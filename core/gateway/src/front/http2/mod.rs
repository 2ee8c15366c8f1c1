//! HTTP/2 (RFC 9113): one connection, a task for every stream.
//!
//! The handshake is Pingora's; the streams are taken from the `h2` connection it returns, because
//! Pingora's HTTP/2 session reads no trailers and sends no interim answers.
//!
//! What `h2` refuses by itself, by resetting the stream: fields of the connection, upper case in
//! names, pseudo fields that are missing, doubled, unknown or late, a `Content-Length` that the body
//! does not keep. It answers 431 without a body to a header list over the listener's limit. A
//! fragment in `:path` is dropped by it.
//!
//! Floods of streams that are opened only to be reset: `h2` bounds those that pile up before they are
//! accepted (`h2_pending_resets`). Of the others, those that no answered stream makes up for count: at
//! `h2_streams + h2_pending_resets` the client gets a GOAWAY as at the end of any connection. After a
//! GOAWAY so many streams more are taken as can have been on their way, `h2_streams`; then the
//! connection ends with ENHANCE_YOUR_CALM.

mod call;
mod head;

use super::{HttpLimits, Incoming, Service, deadline::after, drain::Drain, refusal::Refusal};
use crate::edge::{ConnInfo, EdgeStream};
use bytes::Bytes;
use call::Http2Front;
use h2::{
    Reason, RecvStream,
    server::{Builder, Connection, SendResponse},
};
use http::Request;
use paifang_pipeline::{BodySize, Frame, Front, FrontKind, Termination};
use pingora_core::protocols::{
    Stream,
    http::v2::server::{default_h2_options, handshake},
};
use std::{sync::Arc, time::Duration};
use tokio::{
    task::{JoinError, JoinSet},
    time::{Instant, sleep_until},
};

/// What a client may send on one stream before we have read it, in bytes.
const STREAM_WINDOW: u32 = 256 << 10;
/// What it may send on all streams of a connection together: the bound of what it can make us keep.
const CONNECTION_WINDOW: u32 = 1 << 20;
/// What is kept of a stream's answer that the client does not take.
const SEND_BUFFER: usize = 128 << 10;
/// Streams that we had to reset for the client's mistakes before the connection ends.
const MOST_ERRORS: usize = 128;
/// How long a client may take to answer the GOAWAY of a connection without streams.
const CLOSING: Duration = Duration::from_secs(5);

fn options(limits: &HttpLimits) -> Builder {
    let mut options = default_h2_options();
    options
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .max_concurrent_streams(limits.h2_streams)
        .max_pending_accept_reset_streams(limits.h2_pending_resets)
        .max_local_error_reset_streams(Some(MOST_ERRORS))
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buffer_size(SEND_BUFFER);
    options
}

/// Serves a connection to its end.
pub(super) async fn serve<S: Service>(
    stream: Box<EdgeStream>,
    info: Arc<ConnInfo>,
    service: &Arc<S>,
    mut drain: Drain,
) {
    let limits = service.limits(&info);
    let handshake = handshake(stream, Some(options(&limits)));
    let handshake = tokio::time::timeout_at(after(limits.header_timeout), handshake);
    let connection = tokio::select! {
        biased;
        connection = handshake => connection,
        () = drain.begun() => return,
    };
    if let Ok(Ok(connection)) = connection {
        let streams = Streams {
            service,
            info,
            limits,
            tasks: JoinSet::new(),
            accepted: 0,
            given_up: 0,
            last: None,
        };
        streams.run(connection, drain).await;
    }
}

/// A connection's streams.
struct Streams<'a, S> {
    service: &'a Arc<S>,
    info: Arc<ConnInfo>,
    limits: Arc<HttpLimits>,
    /// One a stream; they say whether the client was gone before its answer. Dropping the set aborts
    /// them: the drain's deadline does.
    tasks: JoinSet<bool>,
    accepted: u64,
    /// Streams that the client gave up, less those that were answered.
    given_up: u64,
    /// Since GOAWAY was sent: the most streams that may be accepted in all.
    last: Option<u64>,
}

impl<S: Service> Streams<'_, S> {
    async fn run(mut self, mut connection: Connection<Stream, Bytes>, mut drain: Drain) {
        let mut quiet_until = after(self.limits.idle_timeout);
        let mut draining = drain.clone();
        loop {
            tokio::select! {
                biased;
                Some(ended) = self.tasks.join_next() => {
                    self.note_end(ended);
                    if self.given_up >= self.most_unanswered() {
                        self.end(&mut connection);
                    }
                    quiet_until = self.quiet_until();
                }
                accepted = connection.accept() => match accepted {
                    Some(Ok((request, respond))) => {
                        if !self.accept(request, respond) {
                            connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
                        }
                        if self.accepted >= self.limits.requests_per_connection {
                            self.end(&mut connection);
                        }
                    }
                    Some(Err(error)) => {
                        tracing::debug!(connection = self.info.id, reason = ?error.reason(), "HTTP/2 connection failed");
                        break;
                    }
                    None => break,
                },
                // One that has asked nothing yet may be about to.
                () = drain.ending(), if self.last.is_none() && self.accepted > 0 => {
                    self.end(&mut connection);
                    quiet_until = self.quiet_until();
                }
                () = draining.begun(), if self.last.is_none() => {
                    self.end(&mut connection);
                    quiet_until = self.quiet_until();
                }
                () = sleep_until(quiet_until), if self.tasks.is_empty() => {
                    if self.last.is_some() {
                        break;
                    }
                    self.end(&mut connection);
                    quiet_until = self.quiet_until();
                }
            }
        }
        // Streams that still run learn from this that their client is gone.
        drop(connection);
        while let Some(ended) = self.tasks.join_next().await {
            self.note_end(ended);
        }
    }

    /// How many streams a client may have given up beyond those that were answered.
    fn most_unanswered(&self) -> u64 {
        u64::from(self.limits.h2_streams) + self.limits.h2_pending_resets as u64
    }

    fn note_end(&mut self, ended: Result<bool, JoinError>) {
        match ended {
            Ok(true) => self.given_up += 1,
            Ok(false) => self.given_up = self.given_up.saturating_sub(1),
            Err(error) if error.is_panic() => {
                tracing::error!(connection = self.info.id, %error, "a stream ended by a panic");
            }
            Err(_) => {}
        }
    }

    /// Until when the connection may be without streams.
    fn quiet_until(&self) -> Instant {
        after(if self.last.is_some() { CLOSING } else { self.limits.idle_timeout })
    }

    /// Takes no new streams from the client beyond those that may be on their way.
    fn end(&mut self, connection: &mut Connection<Stream, Bytes>) {
        if self.last.is_none() {
            self.last = Some(self.accepted + u64::from(self.limits.h2_streams));
            connection.graceful_shutdown();
        }
    }

    /// Begins a stream's task. False when the client goes on after GOAWAY, or when streams that it
    /// gave up pile up faster than their tasks end.
    fn accept(&mut self, request: Request<RecvStream>, respond: SendResponse<Bytes>) -> bool {
        let late = self.last.is_some_and(|last| self.accepted >= last);
        if late || self.tasks.len() as u64 >= self.most_unanswered() {
            return false;
        }
        self.accepted += 1;
        let (service, info) = (Arc::clone(self.service), Arc::clone(&self.info));
        self.limits = service.limits(&info);
        let limits = Arc::clone(&self.limits);
        self.tasks.spawn(serve_stream(service, info, limits, request, respond));
        true
    }
}

/// Serves one stream. Says whether its client was gone before it had its answer.
async fn serve_stream<S: Service>(
    service: Arc<S>,
    info: Arc<ConnInfo>,
    limits: Arc<HttpLimits>,
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
) -> bool {
    let (head, body) = request.into_parts();
    let mut front = Http2Front::new(respond, body, &head, limits.clone());
    match head::check(head, &limits) {
        Ok((head, host)) => {
            let incoming = Incoming::new(head, host, info, FrontKind::Http2);
            let served = service.serve(incoming, &mut front).await;
            served.termination == Termination::ClientGone
        }
        Err(refusal) => !refuse(&*service, &info, &mut front, &refusal).await,
    }
}

/// Answers a request that is no call, and says whether that went out. The other streams are not
/// concerned.
async fn refuse<S: Service>(
    service: &S,
    info: &ConnInfo,
    front: &mut Http2Front,
    refusal: &Refusal,
) -> bool {
    let (head, body) = service.refuse(info, refusal.code, &refusal.detail).into_parts();
    let sent = front.send_head(head, BodySize::Exact(body.len() as u64)).await;
    sent.is_ok() && front.send(Frame::last(body)).await.is_ok()
}

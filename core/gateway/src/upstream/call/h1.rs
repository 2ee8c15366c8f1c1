//! An attempt over HTTP/1.1: Pingora's client session on our write-behind stream.
//!
//! Trailers are dropped in both directions: the session has no way to send them, and discards
//! those that it receives. Response heads may have 256 fields and about a mebibyte.

use super::{
    MAX_INFORMATIONAL, Patience, Phase,
    head::{Prepared, declared},
};
use crate::front::{
    fields::{Field, Fields},
    hop::strip_response,
};
use crate::upstream::{
    endpoint::Endpoint,
    error::{self, Progress},
    io::{IoState, Wire, WriteBehind},
    limits::Connection,
    pool::Idle,
    timer::Timer,
};
use bytes::Bytes;
use http::{
    HeaderValue, StatusCode, Version,
    header::{CONNECTION, CONTENT_LENGTH},
};
use paifang_pipeline::{Backlog, Frame, OriginError, OriginEvent, ResponseHead};
use pingora_core::protocols::{Stream, http::v1::client::HttpSession};
use pingora_http::{RequestHeader, ResponseHeader};
use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::Poll,
    time::Duration,
};
use tokio::time::Instant;

/// Kept a little shorter than the server says: its clock began before ours.
const KEEP_MARGIN: Duration = Duration::from_secs(1);

pub(super) struct H1Call {
    session: HttpSession,
    endpoint: Arc<Endpoint>,
    state: Arc<IoState>,
    timer: Timer,
    /// After the session, so that the connection is closed before it stops counting.
    counted: Option<Connection>,
    born: Instant,
    reused: bool,
    /// Of the connection's counters, when this call began.
    began_at: (u64, u64),
    phase: Phase,
    /// The request's end is with the session.
    sent_all: bool,
    informational: u8,
    /// How long the server says it keeps an idle connection.
    keep: Option<Duration>,
}

impl H1Call {
    pub(super) fn fresh(endpoint: &Arc<Endpoint>, wire: Wire, counted: Option<Connection>) -> Self {
        let state = Arc::new(IoState::default());
        let stream: Stream = Box::new(WriteBehind::new(wire, Arc::clone(&state)));
        let until = Instant::now();
        let idle = Idle { stream, state, timer: Timer::default(), counted, born: until, until };
        Self::new(endpoint, idle, false)
    }

    pub(super) fn kept(endpoint: &Arc<Endpoint>, idle: Idle) -> Self {
        Self::new(endpoint, idle, true)
    }

    fn new(endpoint: &Arc<Endpoint>, idle: Idle, reused: bool) -> Self {
        let Idle { stream, state, timer, counted, born, until: _ } = idle;
        Self {
            session: HttpSession::new(stream),
            endpoint: Arc::clone(endpoint),
            began_at: (state.sent.load(Relaxed), state.received.load(Relaxed)),
            state,
            timer,
            counted,
            born,
            reused,
            phase: Phase::Head,
            sent_all: false,
            informational: 0,
            keep: None,
        }
    }

    fn failed(&self, error: &pingora_error::Error) -> OriginError {
        let progress = Progress {
            reused: self.reused,
            sent: self.state.sent.load(Relaxed) - self.began_at.0,
            received: self.state.received.load(Relaxed) - self.began_at.1,
        };
        error::from_session(error, progress)
    }

    pub(super) fn backlog(&self) -> Backlog {
        Backlog::new(Arc::clone(&self.state.pending))
    }

    pub(super) async fn start(&mut self, head: Prepared) -> Result<(), OriginError> {
        let Prepared { method, uri, mut headers, has_body } = head;
        if self.endpoint.common.spec.pool.size == 0 && !headers.contains_key(CONNECTION) {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        let mut parts = http::Request::new(()).into_parts().0;
        (parts.method, parts.uri, parts.headers) = (method, uri, headers);
        // Others would be written as they are: HTTP/2 too.
        parts.version = Version::HTTP_11;
        self.sent_all = !has_body;
        self.state.corked.store(has_body, Relaxed);
        let header = Box::new(RequestHeader::from(parts));
        match self.session.write_request_header(header).await {
            Ok(_) => Ok(()),
            Err(failed) if matches!(failed.etype, pingora_error::ErrorType::InvalidHTTPHeader) => {
                Err(error::unsendable("the target cannot be sent over HTTP/1.1"))
            }
            Err(failed) => Err(self.failed(&failed)),
        }
    }

    pub(super) async fn send(&mut self, frame: Frame) -> Result<(), OriginError> {
        if self.phase == Phase::Tunnel {
            if !frame.data.is_empty() {
                self.write(&frame.data).await?;
            }
            if frame.end {
                self.state.end_after.store(true, Relaxed);
            }
            return Ok(());
        }
        if self.sent_all {
            return Ok(());
        }
        // An empty chunk would end a chunked body.
        if !frame.data.is_empty() {
            self.write(&frame.data).await?;
        }
        if frame.end {
            self.sent_all = true;
            let finished = self.session.finish_body().await;
            finished.map_err(|failed| self.failed(&failed))?;
        }
        Ok(())
    }

    async fn write(&mut self, data: &Bytes) -> Result<(), OriginError> {
        match self.session.write_body(data).await {
            Ok(Some(written)) if written == data.len() => Ok(()),
            Ok(_) => Err(error::unsendable("the request body is longer than was declared")),
            Err(failed) => Err(self.failed(&failed)),
        }
    }

    /// Cancel-safe: what was read so far stays in the session.
    pub(super) async fn recv(&mut self) -> Result<OriginEvent, OriginError> {
        match self.phase {
            Phase::Head => self.recv_head().await,
            Phase::Body | Phase::Tunnel => self.recv_body().await.map(OriginEvent::Frame),
        }
    }

    async fn recv_head(&mut self) -> Result<OriginEvent, OriginError> {
        let read = {
            let reading = self.session.read_response();
            patiently(reading, &mut self.timer, &self.state, &self.endpoint, Phase::Head).await?
        };
        if let Err(failed) = read {
            return Err(self.failed(&failed));
        }
        let Some(header) = self.session.resp_header() else {
            return Err(error::malformed("no response head"));
        };
        let (status, fields) = (header.status, Fields::of(&header.headers));
        if status == StatusCode::SWITCHING_PROTOCOLS {
            if !self.session.was_upgraded() {
                return Err(error::malformed("101 without having been asked"));
            }
            let head = relayed(header, fields, true);
            self.session.maybe_upgrade_body_writer();
            self.phase = Phase::Tunnel;
            return Ok(OriginEvent::Head(head, false));
        }
        if status.is_informational() {
            self.informational += 1;
            if self.informational > MAX_INFORMATIONAL {
                return Err(error::malformed("too many interim responses"));
            }
            return Ok(OriginEvent::Info(relayed(header, fields, false)));
        }
        self.keep = announced(header, fields);
        let head = relayed(header, fields, false);
        self.phase = Phase::Body;
        Ok(OriginEvent::Head(head, self.session.is_body_done()))
    }

    async fn recv_body(&mut self) -> Result<Frame, OriginError> {
        loop {
            let read = {
                let reading = self.session.read_body_bytes();
                patiently(reading, &mut self.timer, &self.state, &self.endpoint, self.phase).await?
            };
            match read {
                // A piece of chunked framing without content.
                Ok(Some(data)) if data.is_empty() && !self.session.is_body_done() => {}
                Ok(Some(data)) => {
                    return Ok(Frame { data, end: self.session.is_body_done(), trailers: None });
                }
                Ok(None) => return Ok(Frame::last(Bytes::new())),
                Err(failed) => return Err(self.failed(&failed)),
            }
        }
    }

    pub(super) async fn finish(mut self: Box<Self>, complete: bool) {
        self.session.respect_keepalive();
        let reusable = complete
            && self.sent_all
            && self.session.will_keepalive()
            && self.state.pending.load(Relaxed) == 0
            && !self.state.broken.load(Relaxed);
        if !reusable {
            // Dropped, which closes the socket.
            return;
        }
        if let Some(stream) = self.session.reuse().await {
            let (now, born) = (Instant::now(), self.born);
            let until = self.endpoint.common.limits.keep_until(now, born, self.keep);
            let Self { state, timer, counted, .. } = *self;
            let idle = Idle { stream, state, timer, counted, born, until };
            self.endpoint.idle.put(idle, now);
        }
    }
}

/// `reading`, for as long as the server is not silent for too long.
async fn patiently<T>(
    reading: impl Future<Output = T>,
    timer: &mut Timer,
    state: &IoState,
    endpoint: &Endpoint,
    phase: Phase,
) -> Result<T, OriginError> {
    let mut reading = pin!(reading);
    let mut patience = Patience::new();
    let limits = &endpoint.common.spec.timeouts;
    poll_fn(|cx| {
        if let Poll::Ready(read) = reading.as_mut().poll(cx) {
            return Poll::Ready(Ok(read));
        }
        let progress = (state.sent.load(Relaxed), state.pending.load(Relaxed));
        patience.poll(cx, timer, limits, phase, progress).map(Err)
    })
    .await
}

/// The head as the chain sees it: without what concerns the connection alone, and with one length.
fn relayed(header: &ResponseHeader, fields: Fields, upgrade: bool) -> ResponseHead {
    let mut head = http::Response::new(()).into_parts().0;
    head.status = header.status;
    head.headers = header.headers.clone();
    strip_response(fields, &mut head.headers, upgrade);
    let mut lengths = fields.values(Field::ContentLength, &header.headers);
    let several = match (lengths.next(), lengths.next()) {
        (Some(one), None) => one.as_bytes().contains(&b','),
        (one, _) => one.is_some(),
    };
    if several && let Some(length) = declared(&head.headers) {
        head.headers.insert(CONTENT_LENGTH, length.into());
    }
    head
}

/// `Keep-Alive: timeout=5`.
fn announced(header: &ResponseHeader, fields: Fields) -> Option<Duration> {
    let text = fields.values(Field::KeepAlive, &header.headers).next()?.to_str().ok()?;
    let seconds = text.split(',').find_map(|part| {
        let (name, value) = part.split_once('=')?;
        if name.trim().eq_ignore_ascii_case("timeout") { value.trim().parse().ok() } else { None }
    })?;
    Some(Duration::from_secs(seconds).saturating_sub(KEEP_MARGIN))
}

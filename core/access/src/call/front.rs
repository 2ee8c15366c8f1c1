//! One call's door to the pipeline.
//!
//! Credit follows the call: a client gets credit back for a piece of its body when the call asks for the next one, and `send`
//! waits while as much waits to be sent as one call may have waiting.

use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use paifang_mmtp::{
    code::CancelCode,
    session::{Key, NewResponse, fields},
    tlv::Tlvs,
};
use paifang_pipeline::{BodySize, Frame, Front, FrontError, Inbound, ResponseHead, error};

use tokio::time::{Instant, timeout, timeout_at};

use super::{
    Call,
    coded::{self, Held},
    response,
};
use crate::{BodyPace, connection::Shared};

/// What has come for a call and was not read; and who waits for it.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    pub(crate) pieces: VecDeque<Piece>,
    /// The client does not want it any more, or the connection is gone.
    pub(crate) gone: bool,
    /// It has as much to send as it may.
    pub(crate) full: bool,
    /// An answer that is being collected.
    pub(crate) held: Option<Box<Held>>,
    waker: Option<Waker>,
}

/// A piece of a request's body.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) data: Bytes,
    pub(crate) end: bool,
    pub(crate) tlvs: Bytes,
    pub(crate) cost: u32,
}

impl Inbox {
    pub(crate) fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn wait(&mut self, cx: &Context<'_>) {
        match &mut self.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            None => self.waker = Some(cx.waker().clone()),
        }
    }
}

/// How far the answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Nothing was sent.
    Due,
    /// The head was.
    Body,
    /// All of it was.
    Complete,
    /// It was broken off.
    Broken,
}

/// One call's door. See the module.
#[derive(Debug)]
pub struct CallFront {
    pub(super) shared: Arc<Shared>,
    pub(super) key: Key,
    /// The body has ended, or there is none.
    pub(super) ended: bool,
    /// What the last piece cost, to be given back at the next.
    cost: u32,
    /// The content type of the request, which an answer need not repeat.
    pub(super) content_type: Option<HeaderValue>,
    pub(super) progress: Progress,
    head_only: bool,
    /// The operation that was called.
    pub(super) operation: Option<Arc<str>>,
    /// The request, where it came compressed.
    pub(super) body: Option<Frame>,
    /// Bytes of it that are here.
    pub(super) coded: usize,
    /// How slowly the body may come, and until when it must be whole, once it was waited for.
    pace: BodyPace,
    due: Option<Instant>,
    /// An answer is being collected, in the inbox, unless it was let go.
    pub(super) holds: bool,
    /// The answer is not to be compressed.
    pub(super) secret: bool,
}

impl CallFront {
    pub(crate) fn new<T>(
        shared: Arc<Shared>,
        key: Key,
        ended: bool,
        call: &Call<T>,
        pace: BodyPace,
    ) -> Self {
        Self {
            shared,
            key,
            ended,
            cost: 0,
            content_type: call.headers.get(http::header::CONTENT_TYPE).cloned(),
            progress: Progress::Due,
            head_only: false,
            operation: coded::operation(&call.target),
            body: None,
            coded: 0,
            pace,
            due: None,
            holds: false,
            secret: false,
        }
    }

    /// The call is a HEAD: its answer has no body.
    pub(crate) fn head_only(&mut self) {
        self.head_only = true;
    }

    fn gone() -> FrontError {
        FrontError::Gone("it does not want the call any more".to_owned())
    }

    /// Answers with a row of the error table and nothing else.
    pub(crate) fn refuse(&mut self, status: u16, error: u32) {
        self.drop_held();
        if self.progress == Progress::Due {
            self.respond(response::refusal(status, error));
        } else {
            self.break_off(CancelCode::DEADLINE);
        }
    }

    /// Answers with these bytes of a whole.
    pub(crate) fn answer(&mut self, data: Bytes) {
        let tlvs = response::opaque(self.content_type.as_ref());
        self.respond(NewResponse { status: 200, tlvs, zstd: false, data, end: true });
    }

    fn respond(&mut self, response: NewResponse) -> bool {
        self.progress = if response.end { Progress::Complete } else { Progress::Body };
        self.shared.lock().session.respond(self.key, response)
    }

    /// The answer begins, compressed or not: with which dictionary. `end` says that `data` is all of it.
    pub(super) fn begin(
        &mut self,
        head: &ResponseHead,
        (zstd, dictionary): (bool, Option<u32>),
        data: Bytes,
        end: bool,
    ) -> Result<(), FrontError> {
        let Some(tlvs) = response::block(head, self.content_type.as_ref(), dictionary) else {
            let row = error::RESPONSE_TOO_LARGE;
            self.refuse(row.status.as_u16(), u32::from(row.number));
            return Err(FrontError::Gone("the head of its answer is too large".to_owned()));
        };
        let status = head.status.as_u16();
        let sent = self.respond(NewResponse { status, tlvs, zstd, data, end });
        if sent { Ok(()) } else { Err(Self::gone()) }
    }

    fn break_off(&mut self, code: CancelCode) {
        if !matches!(self.progress, Progress::Complete | Progress::Broken) {
            self.progress = Progress::Broken;
            self.shared.lock().session.cancel(self.key, code);
        }
    }

    /// The next piece as it came.
    pub(super) async fn recv_piece(&mut self) -> Result<Inbound, FrontError> {
        let cost = std::mem::take(&mut self.cost);
        if cost > 0 {
            self.shared.lock().session.consumed(self.key.channel, cost);
        }
        let until = self.body_until();
        let piece = poll_fn(|cx| {
            let mut state = self.shared.lock();
            let Some(inbox) = state.inbox(self.key) else { return Poll::Ready(None) };
            match inbox.pieces.pop_front() {
                Some(piece) => Poll::Ready(Some(piece)),
                None if inbox.gone => Poll::Ready(None),
                None => {
                    inbox.wait(cx);
                    Poll::Pending
                }
            }
        });
        let piece = match until {
            Some(until) => timeout_at(until, piece).await.map_err(|_| FrontError::Stalled)?,
            None => piece.await,
        };
        let Some(Piece { data, end, tlvs, cost }) = piece else { return Ok(Inbound::Gone) };
        self.cost = cost;
        self.ended = end;
        let trailers = if tlvs.is_empty() { None } else { Some(trailers(&tlvs)?) };
        Ok(Inbound::Frame(Frame { data, end, trailers }))
    }

    /// When the next piece is too late. `None` where no clock could hold it.
    fn body_until(&mut self) -> Option<Instant> {
        let now = Instant::now();
        if self.due.is_none() {
            self.due = now.checked_add(self.pace.total);
        }
        now.checked_add(self.pace.stall).into_iter().chain(self.due).min()
    }

    /// Waits until there is room to send, as long as the client takes something of what waits.
    async fn taken(&mut self) -> Result<(), FrontError> {
        let stall = self.shared.stall;
        let waits = |front: &Self| front.shared.lock().session.queued(Some(front.key));
        let mut left = waits(self);
        loop {
            if let Ok(room) = timeout(stall, self.room()).await {
                return room;
            }
            let now = waits(self);
            if now >= left {
                self.break_off(CancelCode::BROKEN);
                return Err(FrontError::Gone("it does not take its answer".to_owned()));
            }
            left = now;
        }
    }

    /// Waits until there is room to send.
    async fn room(&self) -> Result<(), FrontError> {
        poll_fn(|cx| {
            let mut state = self.shared.lock();
            match state.inbox(self.key) {
                None => Poll::Ready(Err(Self::gone())),
                Some(inbox) if inbox.gone => Poll::Ready(Err(Self::gone())),
                Some(inbox) if inbox.full => {
                    inbox.wait(cx);
                    Poll::Pending
                }
                Some(_) => Poll::Ready(Ok(())),
            }
        })
        .await
    }
}

impl Front for CallFront {
    fn body_ended(&mut self) -> bool {
        self.ended
    }

    async fn begin_body(&mut self) -> Result<(), FrontError> {
        Ok(())
    }

    async fn recv(&mut self) -> Result<Inbound, FrontError> {
        if let Some(frame) = self.body.take() {
            self.ended = true;
            return Ok(Inbound::Frame(frame));
        }
        if self.ended {
            self.closed().await;
            return Ok(Inbound::Gone);
        }
        self.recv_piece().await
    }

    async fn closed(&mut self) {
        poll_fn(|cx| {
            let mut state = self.shared.lock();
            match state.inbox(self.key) {
                Some(inbox) if !inbox.gone => {
                    inbox.wait(cx);
                    Poll::Pending
                }
                _ => Poll::Ready(()),
            }
        })
        .await;
    }

    /// MMTP has no interim answers.
    async fn send_info(&mut self, _head: ResponseHead) -> Result<(), FrontError> {
        Ok(())
    }

    async fn send_head(&mut self, head: ResponseHead, size: BodySize) -> Result<(), FrontError> {
        let status = head.status;
        if status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(FrontError::Gone("MMTP cannot switch protocols".to_owned()));
        }
        let bodyless = self.head_only
            || size == BodySize::Empty
            || size == BodySize::Exact(0)
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        self.release();
        if bodyless {
            return self.begin(&head, (false, None), Bytes::new(), true);
        }
        match self.keep(head, size) {
            None => Ok(()),
            Some(head) => self.begin(&head, (false, None), Bytes::new(), false),
        }
    }

    async fn send(&mut self, frame: Frame) -> Result<(), FrontError> {
        if self.progress == Progress::Complete {
            // What an origin sends behind an answer without a body is not for the client.
            return Ok(());
        }
        if let Some(held) = self.take_held() {
            return self.add(held, frame);
        }
        let Frame { data, end, trailers } = frame;
        let full = {
            let mut state = self.shared.lock();
            let full = state.session.send(self.key, data, end, response::trailers(trailers));
            if let Some(inbox) = state.inbox(self.key) {
                inbox.full = full;
            }
            full
        };
        if end {
            self.progress = Progress::Complete;
        }
        if full { self.taken().await } else { Ok(()) }
    }

    async fn abort(&mut self) {
        self.break_off(CancelCode::BROKEN);
    }

    fn keep_length_secret(&mut self) {
        self.secret = true;
    }
}

impl Drop for CallFront {
    /// Also after a panic the client learns that its answer is not whole; and what was not read of its request is given back.
    fn drop(&mut self) {
        self.break_off(CancelCode::BROKEN);
        self.release();
        self.drop_held();
        let mut state = self.shared.lock();
        state.session.discard(self.key);
        state.session.consumed(self.key.channel, self.cost);
        if let Some(inbox) = state.remove(self.key) {
            for piece in inbox.pieces {
                state.session.consumed(self.key.channel, piece.cost);
            }
        }
    }
}

fn trailers(tlvs: &Bytes) -> Result<Box<HeaderMap>, FrontError> {
    let mut trailers = Box::<HeaderMap>::default();
    for field in fields(Tlvs::trusted(tlvs)) {
        let malformed = || FrontError::Malformed("a trailer is no field".to_owned());
        let (name, value) = field.map_err(|_| malformed())?;
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| malformed())?;
        let value = HeaderValue::from_bytes(value).map_err(|_| malformed())?;
        if !super::is_forbidden(&name) {
            trailers.append(name, value);
        }
    }
    Ok(trailers)
}

//! The request body's way to the origin, and what of it can be sent again.

use super::{Run, Trouble, until};
use crate::error;
use crate::{
    body::Frame,
    exchange::{Exchange, RequestHead},
    front::{BodySize, Front, Inbound},
    origin::{Backlog, OriginCall, OriginError, OriginEvent, Replay},
};
use smallvec::SmallVec;

/// The request body during the attempts on an origin.
pub(super) struct Upload {
    /// What an attempt sends first: the whole body, or what an earlier attempt already streamed.
    first: SmallVec<[Frame; 2]>,
    kept_bytes: usize,
    /// All of the body has been received from the client.
    pub(super) complete: bool,
    /// This attempt's origin takes no more of the body; its answer may still come.
    pub(super) broken: bool,
    /// `first` is everything that was consumed so far, so another attempt can be made.
    pub(super) replayable: bool,
    /// How the body's length is known.
    pub(super) size: BodySize,
    /// `begin_body` was called.
    begun: bool,
    /// What this attempt's origin has taken and not sent.
    backlog: Backlog,
}

impl Run<'_> {
    /// Readies the body for the first attempt. A collected body passes the remaining
    /// `request_body` steps here, as one frame.
    pub(super) fn ready_upload<F: Front>(&mut self, front: &mut F) -> Result<Upload, Trouble> {
        let replayable = self.api.retry.attempts > 1;
        let mut upload = Upload {
            first: SmallVec::new(),
            kept_bytes: 0,
            complete: true,
            broken: false,
            replayable: true,
            size: BodySize::Empty,
            begun: false,
            backlog: Backlog::default(),
        };
        let steps = self.api.chain.steps().len();
        if let Some(body) = &self.exchange.body {
            let position = body.position;
            let (data, trailers) = (body.data.clone(), body.trailers.clone());
            let mut frame = Frame { data, end: true, trailers };
            self.pass_request_frame(position..steps, &mut frame).map_err(Trouble::Reject)?;
            upload.size = match (frame.data.len() as u64, &frame.trailers) {
                (0, None) => declared_empty(self.exchange),
                (length, None) => BodySize::Exact(length),
                (_, Some(_)) => BodySize::Unknown,
            };
            upload.first.push(frame);
        } else if front.body_ended() {
            if !self.api.chain.request_body.is_empty() {
                let mut frame = Frame::last(bytes::Bytes::new());
                self.pass_request_frame(0..steps, &mut frame).map_err(Trouble::Reject)?;
                if !frame.data.is_empty() {
                    upload.size = BodySize::Exact(frame.data.len() as u64);
                    upload.first.push(frame);
                    return Ok(upload);
                }
            }
            upload.size = declared_empty(self.exchange);
        } else {
            self.refuse_declared_length()?;
            upload.complete = false;
            upload.replayable = replayable;
            upload.size =
                if self.request_body_may_change() { BodySize::Unknown } else { self.declared };
        }
        Ok(upload)
    }

    /// Whether a step that takes part may change the length of a streamed body.
    fn request_body_may_change(&mut self) -> bool {
        let api = self.api;
        api.chain
            .request_body
            .iter()
            .map(|&index| usize::from(index))
            .any(|index| self.sees_request_body(index) && api.chain.may_change_length(index))
    }

    /// Sends the head and what is there of the body.
    pub(super) async fn send_request<C: OriginCall>(
        &mut self,
        call: &mut C,
        head: Option<RequestHead>,
        upload: &mut Upload,
    ) -> Result<(), OriginError> {
        use std::borrow::Cow;
        let head = head.map_or(Cow::Borrowed(&self.exchange.head), Cow::Owned);
        call.send_head(self.exchange, head, upload.size).await?;
        upload.broken = false;
        upload.backlog = call.backlog();
        if upload.size != BodySize::Empty {
            for frame in upload.first.clone() {
                if call.send(frame).await.is_err() {
                    // It may have answered already, without wanting the rest: read before judging.
                    upload.broken = true;
                    break;
                }
            }
        }
        if upload.complete && !upload.replayable {
            upload.first.clear();
        }
        Ok(())
    }

    /// The origin's next event; meanwhile the client's body goes on to it.
    pub(super) async fn next_event<F: Front, C: OriginCall>(
        &mut self,
        front: &mut F,
        call: &mut C,
        upload: &mut Upload,
        awaiting_head: bool,
    ) -> Result<OriginEvent, Trouble> {
        loop {
            if !upload.begun && !upload.complete {
                upload.begun = true;
                front.begin_body().await?;
            }
            let deadline = until(self.deadline);
            // Where this attempt takes no more body, the rest of it stays unread.
            let read_client = upload.complete || !upload.broken;
            let inbound = tokio::select! {
                biased;
                event = call.recv() => return event.map_err(Trouble::Origin),
                inbound = upload.backlog.gate(front.recv()), if read_client => inbound?,
                () = deadline, if awaiting_head => {
                    let detail = if self.caller_is_overdue() {
                        // That the caller is in a hurry says nothing of the server.
                        "no response head before the caller's deadline".to_owned()
                    } else {
                        call.overdue();
                        format!("no response head within {:?}", self.api.limits.timeout)
                    };
                    return Err(Trouble::Origin(OriginError::new(
                        error::UPSTREAM_TIMEOUT,
                        Replay::Never,
                        detail,
                    )));
                }
            };
            match inbound {
                Inbound::Gone => return Err(Trouble::Gone),
                Inbound::Frame(frame) => self.forward(call, upload, frame).await?,
            }
        }
    }

    /// Passes one streamed frame through the steps to the origin.
    async fn forward<C: OriginCall>(
        &mut self,
        call: &mut C,
        upload: &mut Upload,
        mut frame: Frame,
    ) -> Result<(), Trouble> {
        self.admit(&frame)?;
        self.extend_deadline();
        let steps = self.api.chain.steps().len();
        let consumed = self.pass_request_frame(0..steps, &mut frame).map_err(Trouble::Reject)?;
        upload.complete = frame.end;
        upload.kept_bytes += frame.data.len();
        if consumed || upload.kept_bytes > self.api.retry.body_bytes {
            upload.replayable = false;
            upload.first.clear();
        } else if upload.replayable {
            upload.first.push(frame.clone());
        }
        let ended = frame.end;
        if call.send(frame).await.is_err() {
            upload.broken = true;
        }
        if ended {
            self.tick();
            self.exchange.outcome.request_sent = Some(self.exchange.now);
        }
        Ok(())
    }
}

/// A body without bytes: `Content-Length: 0` stays where the client sent it.
fn declared_empty(exchange: &Exchange) -> BodySize {
    let declared = exchange.head.headers.contains_key(http::header::CONTENT_LENGTH);
    if declared { BodySize::Exact(0) } else { BodySize::Empty }
}

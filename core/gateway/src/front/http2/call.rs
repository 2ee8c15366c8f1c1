//! One HTTP/2 stream's door.
//!
//! Flow control follows the call: a client gets window back for a piece of its body when the call asks
//! for the next one, and `send` waits until the client has room for all of a frame.

use super::{
    super::{
        HttpLimits, date,
        deadline::Deadline,
        fields::Fields,
        hop,
        pace::Pace,
        response::{Answer, Framed, frame},
    },
    head::expects_continue,
};
use bytes::Bytes;
use futures::FutureExt;
use h2::{Reason, RecvStream, SendStream, server::SendResponse};
use http::{Method, Response, StatusCode, header::CONTENT_LENGTH};
use paifang_pipeline::{BodySize, Frame, Front, FrontError, Inbound, RequestHead, ResponseHead};
use std::{future::poll_fn, sync::Arc};

pub(super) struct Http2Front {
    /// For heads; and for the body, once the final head went out.
    respond: SendResponse<Bytes>,
    out: Option<SendStream<Bytes>>,
    body: RecvStream,
    limits: Arc<HttpLimits>,
    deadline: Deadline,
    pace: Pace,
    /// Bytes handed on that the client has not got its window back for.
    unreleased: usize,
    ended: bool,
    is_head: bool,
    /// 100 was sent, or is not due any more.
    continued: bool,
    answer: Answer,
}

impl Http2Front {
    pub(super) fn new(
        respond: SendResponse<Bytes>,
        body: RecvStream,
        head: &RequestHead,
        limits: Arc<HttpLimits>,
    ) -> Self {
        Self {
            respond,
            out: None,
            ended: body.is_end_stream(),
            body,
            limits,
            deadline: Deadline::default(),
            pace: Pace::default(),
            unreleased: 0,
            is_head: head.method == Method::HEAD,
            continued: !expects_continue(&head.headers),
            answer: Answer::Due,
        }
    }

    /// Waits until the client has reset the stream or the connection is gone.
    async fn reset(&mut self) -> String {
        let reason = poll_fn(|cx| match &mut self.out {
            Some(out) => out.poll_reset(cx),
            None => self.respond.poll_reset(cx),
        });
        match reason.await {
            Ok(reason) => format!("it reset the stream ({})", reason.description()),
            Err(error) => gone(&error),
        }
    }

    /// Sends bytes as the client makes room for them.
    async fn send_data(&mut self, mut data: Bytes, end: bool) -> Result<(), FrontError> {
        let Some(out) = &mut self.out else {
            return Err(FrontError::Gone("it has no answer that could go on".to_owned()));
        };
        while !data.is_empty() {
            out.reserve_capacity(data.len());
            let mut room = out.capacity();
            if room == 0 {
                let more = poll_fn(|cx| out.poll_capacity(cx));
                room = match self.deadline.within(self.limits.stall_timeout, more).await {
                    Some(Some(Ok(room))) => room,
                    Some(Some(Err(error))) => return Err(FrontError::Gone(gone(&error))),
                    Some(None) => return Err(FrontError::Gone("the stream is closed".to_owned())),
                    None => {
                        out.send_reset(Reason::CANCEL);
                        return Err(FrontError::Gone("it does not read its answer".to_owned()));
                    }
                };
            }
            let piece = data.split_to(room.min(data.len()));
            let last = end && data.is_empty();
            out.send_data(piece, last).map_err(|error| FrontError::Gone(gone(&error)))?;
            if last {
                return Ok(());
            }
        }
        if end {
            out.send_data(data, true).map_err(|error| FrontError::Gone(gone(&error)))?;
        }
        Ok(())
    }

    fn send_reset(&mut self, reason: Reason) {
        match &mut self.out {
            Some(out) => out.send_reset(reason),
            None => self.respond.send_reset(reason),
        }
    }
}

/// The next piece of a body; its length is added to `unreleased`. Dropping the future loses nothing.
async fn next_frame(body: &mut RecvStream, unreleased: &mut usize) -> Result<Frame, h2::Error> {
    loop {
        match body.data().await {
            Some(Ok(data)) => {
                *unreleased += data.len();
                // That the stream has ended is also said of one that was reset; only a further
                // read tells a whole body from a cut one.
                let end = body.is_end_stream() && matches!(body.data().now_or_never(), Some(None));
                if end || !data.is_empty() {
                    return Ok(Frame { data, end, trailers: None });
                }
            }
            Some(Err(error)) => return Err(error),
            None => {
                let trailers = body.trailers().await?.map(|mut trailers| {
                    hop::strip_request(Fields::of(&trailers), &mut trailers, false);
                    Box::new(trailers)
                });
                return Ok(Frame { data: Bytes::new(), end: true, trailers });
            }
        }
    }
}

/// Why a client is gone, without anything that it has sent.
fn gone(error: &h2::Error) -> String {
    match error.reason() {
        Some(reason) if error.is_remote() => format!("it gave up ({})", reason.description()),
        Some(reason) => format!("it broke the protocol ({})", reason.description()),
        None => "the connection is closed".to_owned(),
    }
}

impl Front for Http2Front {
    fn body_ended(&mut self) -> bool {
        self.ended
    }

    async fn begin_body(&mut self) -> Result<(), FrontError> {
        self.pace.begin();
        if self.continued || self.answer != Answer::Due {
            return Ok(());
        }
        self.continued = true;
        let mut head = Response::new(());
        *head.status_mut() = StatusCode::CONTINUE;
        self.respond.send_informational(head).map_err(|error| FrontError::Gone(gone(&error)))
    }

    async fn recv(&mut self) -> Result<Inbound, FrontError> {
        if self.ended {
            self.reset().await;
            return Ok(Inbound::Gone);
        }
        if self.unreleased > 0 {
            // It fails only for a stream that is closed, which the next read says better.
            let _ = self.body.flow_control().release_capacity(self.unreleased);
            self.unreleased = 0;
        }
        // Once the answer has begun, the body's pace is a matter between the client and who answers.
        let until = match self.answer {
            Answer::Due => self.pace.until(&self.limits),
            _ => None,
        };
        let next = next_frame(&mut self.body, &mut self.unreleased);
        let frame = match until {
            Some(until) => self.deadline.at(until, next).await,
            None => Some(next.await),
        };
        match frame {
            Some(Ok(frame)) => {
                self.pace.advance();
                self.ended = frame.end;
                Ok(Inbound::Frame(frame))
            }
            // Also where it broke the protocol: `h2` has reset the stream, so no answer reaches it.
            Some(Err(error)) => Err(FrontError::Gone(gone(&error))),
            None => Err(FrontError::Stalled),
        }
    }

    async fn closed(&mut self) {
        self.reset().await;
    }

    async fn send_info(&mut self, mut head: ResponseHead) -> Result<(), FrontError> {
        if self.answer != Answer::Due {
            return Ok(());
        }
        hop::strip_response(Fields::of(&head.headers), &mut head.headers, false);
        head.headers.remove(CONTENT_LENGTH);
        self.respond
            .send_informational(Response::from_parts(head, ()))
            .map_err(|error| FrontError::Gone(gone(&error)))
    }

    async fn send_head(
        &mut self,
        mut head: ResponseHead,
        size: BodySize,
    ) -> Result<(), FrontError> {
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            // RFC 9113 section 8.6.
            return Err(FrontError::Gone("HTTP/2 cannot switch protocols".to_owned()));
        }
        let framed = frame(&mut head, size, self.is_head);
        date::stamp(&mut head.headers);
        let ended = framed == Framed::Complete;
        let out = self
            .respond
            .send_response(Response::from_parts(head, ()), ended)
            .map_err(|error| FrontError::Gone(gone(&error)))?;
        self.out = Some(out);
        self.answer = if ended { Answer::Complete } else { Answer::Body };
        Ok(())
    }

    async fn send(&mut self, frame: Frame) -> Result<(), FrontError> {
        if self.answer == Answer::Complete {
            // A bodyless answer: what its origin sends all the same is not for the client.
            return Ok(());
        }
        let Frame { data, end, trailers } = frame;
        let trailers = trailers.filter(|trailers| end && !trailers.is_empty());
        self.send_data(data, end && trailers.is_none()).await?;
        if let (Some(mut trailers), Some(out)) = (trailers, &mut self.out) {
            hop::strip_response(Fields::of(&trailers), &mut trailers, false);
            out.send_trailers(*trailers).map_err(|error| FrontError::Gone(gone(&error)))?;
        }
        if end {
            self.answer = Answer::Complete;
        }
        Ok(())
    }

    async fn abort(&mut self) {
        if self.answer != Answer::Complete {
            self.answer = Answer::Broken;
            self.send_reset(Reason::INTERNAL_ERROR);
        }
    }
}

impl Drop for Http2Front {
    /// Also after a panic the client learns that its answer is not whole.
    fn drop(&mut self) {
        if !matches!(self.answer, Answer::Complete | Answer::Broken) {
            self.send_reset(Reason::INTERNAL_ERROR);
        }
    }
}

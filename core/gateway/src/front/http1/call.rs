//! One HTTP/1 call's door, over a Pingora session.

use super::{
    super::{
        HttpLimits,
        deadline::{Deadline, after},
        drain::Drain,
        fields::Fields,
        hop,
        pace::Pace,
        response::{Answer, Framed, frame},
        switch::CarriesMmtp,
    },
    parse::{Body, Framing},
};
use crate::edge::EdgeStream;
use http::{StatusCode, Version};
use paifang_pipeline::{BodySize, Frame, Front, FrontError, Inbound, ResponseHead};
use pingora_core::protocols::http::{ReusableHttpStream, v1::server::HttpSession};
use pingora_error::{BError, ErrorType};
use pingora_http::ResponseHeader;
use std::future::pending;

/// So much of an unread request body is read and dropped to keep a connection; more of it costs more
/// than a new connection.
const DRAIN_BYTES: u64 = 64 << 10;
/// Written under one deadline: who does not take this much in time reads too slowly.
const WRITE_BYTES: usize = 64 << 10;

pub(super) struct Http1Front<'a> {
    /// Boxed: it is some kilobyte, and is moved several times.
    session: Box<HttpSession>,
    framing: Framing,
    limits: &'a HttpLimits,
    deadline: &'a mut Deadline,
    drain: &'a mut Drain,
    /// The connection ends with this call.
    last: bool,
    answer: Answer,
    /// All of the request body was received, or in a tunnel the client's last byte.
    ended: bool,
    pace: Pace,
    /// 100 was sent, or is not due any more.
    continued: bool,
    /// The client is gone or its body is broken: nothing more can be read or said.
    lost: bool,
    /// The end of the answer is the end of the connection.
    close_delimited: bool,
}

impl<'a> Http1Front<'a> {
    pub(super) fn new(
        mut session: Box<HttpSession>,
        framing: Framing,
        limits: &'a HttpLimits,
        deadline: &'a mut Deadline,
        drain: &'a mut Drain,
        last: bool,
    ) -> Self {
        let ended = session.is_body_done();
        Self {
            session,
            framing,
            limits,
            deadline,
            drain,
            last,
            answer: Answer::Due,
            ended,
            pace: Pace::default(),
            continued: !framing.expects_continue,
            lost: false,
            close_delimited: false,
        }
    }

    /// Ends the call. Gives the stream back when the connection lives on.
    pub(super) async fn finish(mut self) -> Option<ReusableHttpStream> {
        match self.answer {
            Answer::Complete if !self.lost => {}
            // Closing says to a client with a length or chunks that something is missing. Where the
            // end of the answer is the end of the connection, the socket is set to reset instead.
            _ if self.lost || self.close_delimited => return None,
            _ => {
                self.session.shutdown().await;
                return None;
            }
        }
        if self.close_delimited {
            self.with_stream(|stream| stream.reset_on_close(false));
        }
        if self.session.will_keepalive() && !self.drain_body().await {
            self.session.set_server_keepalive(None);
        }
        // Shuts the stream down where it is not to be reused.
        self.session.reuse().await.ok().flatten()
    }

    /// Reads and drops what is left of the request body. False when that is too much or too slow.
    async fn drain_body(&mut self) -> bool {
        let until = after(self.limits.stall_timeout);
        let mut left = DRAIN_BYTES;
        while !self.session.is_body_done() {
            let read = self.deadline.at(until, self.session.read_body_bytes()).await;
            match read {
                Some(Ok(Some(data))) => match left.checked_sub(data.len() as u64) {
                    Some(rest) => left = rest,
                    None => return false,
                },
                Some(Ok(None)) => {}
                Some(Err(_)) | None => return false,
            }
        }
        true
    }

    /// Whether the connection may go on after this answer, seen from the moment of its head.
    fn lives_on(&mut self) -> bool {
        self.framing.keep_alive
            && !self.last
            && !self.lost
            && self.chunks_are_sound()
            && self.can_reach_body_end()
            && !self.drain.is_ending()
    }

    /// Whether what came of a chunked body is one, and the session and its check agree about its end.
    fn chunks_are_sound(&mut self) -> bool {
        let stream = self.session.stream().as_any().downcast_ref::<EdgeStream>();
        match stream.and_then(EdgeStream::chunks) {
            None => true,
            Some(check) => {
                !check.is_malformed() && check.has_ended() >= self.session.is_body_done()
            }
        }
    }

    /// Whether the rest of the request body is known to be short. A client that waits for 100 may
    /// never send it, so that nobody knows what its next bytes would be.
    fn can_reach_body_end(&mut self) -> bool {
        let read = self.session.body_bytes_read() as u64;
        self.session.is_body_done()
            || self.continued
                && match self.framing.body {
                    Body::None => true,
                    Body::Length(length) => length.saturating_sub(read) <= DRAIN_BYTES,
                    Body::Chunked => false,
                }
    }

    /// The stream beneath the session. Its settings are changed from here because the session has no
    /// way to do so.
    fn with_stream(&self, change: impl FnOnce(&EdgeStream)) {
        if let Some(stream) = self.session.stream().as_any().downcast_ref::<EdgeStream>() {
            change(stream);
        }
    }

    async fn write_head(&mut self, head: ResponseHead) -> Result<(), FrontError> {
        let head = Box::new(ResponseHeader::from(head));
        let write = self.session.write_response_header(head);
        let written = self.deadline.within(self.limits.stall_timeout, write).await;
        self.written(written)
    }

    /// What a write has come to; after a failure nothing more is said.
    fn written<T>(&mut self, written: Option<Result<T, BError>>) -> Result<(), FrontError> {
        let detail = match written {
            Some(Ok(_)) => return Ok(()),
            Some(Err(error)) => format!("writing failed ({})", error.etype().as_str()),
            None => "it does not read its answer".to_owned(),
        };
        self.lost = true;
        Err(FrontError::Gone(detail))
    }

    /// Waits for the end of a client that has nothing more to send.
    async fn watch(&mut self) -> Inbound {
        loop {
            if self.session.read_body_or_idle(true).await.is_err() {
                self.lost = true;
                return Inbound::Gone;
            }
        }
    }

    /// The next piece of a tunnel.
    async fn recv_tunnel(&mut self) -> Inbound {
        if self.ended {
            return pending().await;
        }
        match self.session.read_body_bytes().await {
            Ok(Some(data)) => Inbound::Frame(Frame::data(data)),
            Ok(None) => {
                self.ended = true;
                Inbound::Frame(Frame::last(bytes::Bytes::new()))
            }
            Err(_) => {
                self.lost = true;
                Inbound::Gone
            }
        }
    }

    /// Reads until there is a piece of the body or its end.
    async fn recv_body(&mut self) -> Result<Frame, FrontError> {
        loop {
            // Once the answer has begun, the body's pace is a matter between the client and who answers.
            let until = match self.answer {
                Answer::Due => self.pace.until(self.limits),
                _ => None,
            };
            let read = self.session.read_body_bytes();
            let read = match until {
                Some(until) => self.deadline.at(until, read).await,
                None => Some(read.await),
            };
            let data = match read {
                Some(Ok(Some(data))) => data,
                Some(Ok(None)) => bytes::Bytes::new(),
                Some(Err(error)) => {
                    self.lost = matches!(broken_body(&error), FrontError::Gone(_));
                    self.last = true;
                    return Err(broken_body(&error));
                }
                None => {
                    self.last = true;
                    return Err(FrontError::Stalled);
                }
            };
            if !self.chunks_are_sound() {
                self.last = true;
                let detail = "a chunk or a trailer is not well-formed";
                return Err(FrontError::Malformed(detail.to_owned()));
            }
            self.pace.advance();
            self.ended = self.session.is_body_done();
            // Chunk sizes come as reads without data.
            if self.ended || !data.is_empty() {
                return Ok(Frame { data, end: self.ended, trailers: None });
            }
        }
    }
}

/// What a failed read of a body means. The error's own text is not repeated: it may hold what was
/// read.
fn broken_body(error: &BError) -> FrontError {
    match error.etype() {
        // These two are the names that Pingora gives to errors of chunked bodies.
        ErrorType::Custom("InvalidChunk") => {
            FrontError::Malformed("a chunk is not well-formed".to_owned())
        }
        ErrorType::Custom("InvalidTrailerEnd") => {
            FrontError::Malformed("the trailers are not well-formed or too large".to_owned())
        }
        other => FrontError::Gone(format!("the body broke off ({})", other.as_str())),
    }
}

impl Front for Http1Front<'_> {
    fn body_ended(&mut self) -> bool {
        self.ended
    }

    async fn begin_body(&mut self) -> Result<(), FrontError> {
        self.pace.begin();
        if self.continued || self.answer != Answer::Due || self.session.body_bytes_read() > 0 {
            return Ok(());
        }
        self.continued = true;
        let mut head = http::Response::new(()).into_parts().0;
        head.status = StatusCode::CONTINUE;
        self.write_head(head).await
    }

    async fn recv(&mut self) -> Result<Inbound, FrontError> {
        match self.answer {
            Answer::Tunnel => Ok(self.recv_tunnel().await),
            _ if self.ended => Ok(self.watch().await),
            _ => self.recv_body().await.map(Inbound::Frame),
        }
    }

    /// Never while the request body is unread: without reading, its end cannot be told from its
    /// pause.
    async fn closed(&mut self) {
        if !self.ended || self.answer == Answer::Tunnel {
            return pending().await;
        }
        self.watch().await;
    }

    /// HTTP/1.0 clients know no interim answers and get none.
    async fn send_info(&mut self, mut head: ResponseHead) -> Result<(), FrontError> {
        if !self.framing.is_11 || self.answer != Answer::Due {
            return Ok(());
        }
        hop::strip_response(Fields::of(&head.headers), &mut head.headers, false);
        head.headers.remove(http::header::CONTENT_LENGTH);
        head.version = Version::HTTP_11;
        self.write_head(head).await
    }

    async fn send_head(
        &mut self,
        mut head: ResponseHead,
        size: BodySize,
    ) -> Result<(), FrontError> {
        head.version = Version::HTTP_11;
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            return self.switch(head).await;
        }
        let framed = frame(&mut head, size, self.framing.is_head);
        if framed == Framed::Unsized {
            if self.framing.is_11 {
                let chunked = http::HeaderValue::from_static("chunked");
                head.headers.insert(http::header::TRANSFER_ENCODING, chunked);
            } else {
                self.close_delimited = true;
                // From here to the answer's end nothing but a reset can say that it is not whole:
                // also when this task is dropped.
                self.with_stream(|stream| stream.reset_on_close(true));
            }
        }
        if self.close_delimited || !self.lives_on() {
            self.session.set_server_keepalive(None);
        }
        // The session flushes a head without a length. It may go out with the first piece of the body
        // instead: while there is none, the call waits for the client to go, and that sends it.
        let hold = framed == Framed::Unsized && self.ended;
        if hold {
            self.with_stream(|stream| stream.set_corked(true));
        }
        let written = self.write_head(head).await;
        if hold {
            self.with_stream(|stream| stream.set_corked(false));
        }
        written?;
        self.answer = match framed {
            Framed::Complete => Answer::Complete,
            Framed::Sized(_) | Framed::Unsized => Answer::Body,
        };
        Ok(())
    }

    /// Trailers are dropped: the session has no way to send them.
    async fn send(&mut self, frame: Frame) -> Result<(), FrontError> {
        match self.answer {
            // A bodyless answer: what its origin sends all the same is not for the client.
            Answer::Complete => return Ok(()),
            Answer::Body | Answer::Tunnel => {}
            Answer::Due | Answer::Broken => {
                return Err(FrontError::Gone("it has no answer that could go on".to_owned()));
            }
        }
        let mut data = frame.data;
        // The last chunk goes out with the one before it.
        let hold = frame.end && self.answer == Answer::Body && !data.is_empty();
        if hold {
            self.with_stream(|stream| stream.set_corked(true));
        }
        while !data.is_empty() {
            let piece = data.split_to(data.len().min(WRITE_BYTES));
            let write = self.session.write_body(&piece);
            let written = self.deadline.within(self.limits.stall_timeout, write).await;
            self.written(written)?;
        }
        if hold {
            self.with_stream(|stream| stream.set_corked(false));
        }
        if frame.end {
            let finish = self.session.finish_body();
            let finished = self.deadline.within(self.limits.stall_timeout, finish).await;
            self.written(finished)?;
            self.answer = Answer::Complete;
        }
        Ok(())
    }

    async fn abort(&mut self) {
        if self.answer != Answer::Complete {
            self.answer = Answer::Broken;
        }
    }
}

impl Http1Front<'_> {
    /// Sends a 101. From then on the connection carries bytes, and ends with the call.
    async fn switch(&mut self, mut head: ResponseHead) -> Result<(), FrontError> {
        if !self.framing.upgrade {
            return Err(FrontError::Gone("it did not ask to switch protocols".to_owned()));
        }
        hop::strip_response(Fields::of(&head.headers), &mut head.headers, true);
        head.headers.remove(http::header::CONTENT_LENGTH);
        let mmtp = head.extensions.remove::<CarriesMmtp>().is_some();
        self.write_head(head).await?;
        if mmtp {
            self.with_stream(|stream| {
                // Without it only the order suffers in which things are sent.
                let _ = stream.carry_mmtp();
            });
        }
        self.answer = Answer::Tunnel;
        self.ended = false;
        Ok(())
    }
}

//! Bytes between a stream and a session. Buffers live only while they hold something.

use std::{
    io,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, BytesMut};
use paifang_mmtp::{code::CloseCode, greeting::Closing, session::Session};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

use super::Shared;
use crate::Form;

/// Bytes of one read.
const READ: usize = 16 * 1024;
/// Bytes that are made ready at once: what is urgent waits behind no more than these. The most of a TLS record.
const WRITE: usize = 16 * 1024;
/// The most bytes that a closing connection reads and drops.
const LINGER_BYTES: usize = 256 * 1024;
/// Reads in one turn, so that a client that sends without end leaves room for its own calls.
const READS: usize = 8;

/// See the module.
#[derive(Debug)]
pub(super) struct Io<S> {
    stream: S,
    out: BytesMut,
    /// Written, but perhaps held by the stream.
    unflushed: bool,
    /// Since when the stream takes nothing.
    stalled: Option<Instant>,
    /// Since when the client gives no credit for what waits, and how many frames were sent by then.
    unpaid: Option<(Instant, u32)>,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    ended: bool,
    form: Form,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Io<S> {
    pub(super) fn new(stream: S, form: Form) -> Self {
        Self {
            stream,
            out: BytesMut::new(),
            unflushed: false,
            stalled: None,
            unpaid: None,
            bytes_in: 0,
            bytes_out: 0,
            ended: false,
            form,
        }
    }

    /// Whether nothing more comes and there is still somebody to answer.
    pub(super) fn awaits_answers(&self) -> bool {
        self.ended && !self.form.is_kept()
    }

    /// Nothing more comes: the connection's end, or only that of the requests.
    fn end(&mut self, shared: &Shared, why: Option<&io::Error>) {
        self.ended = true;
        let session = &mut shared.lock().session;
        match why.map(io::Error::kind) {
            _ if self.form.is_kept() => session.lost(),
            None => session.end_input(),
            Some(io::ErrorKind::TimedOut) => {
                let late = Closing::new(CloseCode::IDLE);
                session.close(late.detail("the requests did not come in time"));
            }
            Some(_) => session.lost(),
        }
    }

    /// Reads what is there. Ready when something came or the stream is at its end.
    pub(super) fn poll_read(
        &mut self,
        shared: &Shared,
        now: Instant,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ended {
            return Poll::Pending;
        }
        let mut scratch = [MaybeUninit::<u8>::uninit(); READ];
        for turn in 0..READS {
            let mut buffer = ReadBuf::uninit(&mut scratch);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => {
                    self.end(shared, None);
                    return Poll::Ready(Ok(()));
                }
                Poll::Ready(Ok(())) => {
                    let read = buffer.filled();
                    self.bytes_in += read.len() as u64;
                    shared.lock().session.receive(read, shared.millis(now));
                    if read.len() < READ {
                        return Poll::Ready(Ok(()));
                    }
                }
                Poll::Ready(Err(error)) => {
                    self.end(shared, Some(&error));
                    return Poll::Ready(Err(error));
                }
                Poll::Pending if turn > 0 => return Poll::Ready(Ok(())),
                Poll::Pending => return Poll::Pending,
            }
        }
        // There may be more, which nobody would wake for.
        cx.waker().wake_by_ref();
        Poll::Ready(Ok(()))
    }

    /// Writes what the session has, as far as the stream takes it. Ready when nothing is left.
    pub(super) fn poll_write(
        &mut self,
        shared: &Shared,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            if self.out.is_empty() {
                let session = &mut shared.lock().session;
                if !session.poll_transmit(&mut self.out, WRITE) {
                    self.look_at_credit(session);
                    break;
                }
            }
            let written = match Pin::new(&mut self.stream).poll_write(cx, &self.out) {
                Poll::Ready(written) => written?,
                Poll::Pending => {
                    // What the client pays for is seen when the stream takes it again.
                    self.unpaid = None;
                    self.stalled.get_or_insert_with(Instant::now);
                    return Poll::Pending;
                }
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.stalled = None;
            self.unflushed = true;
            self.bytes_out += written as u64;
            self.out.advance(written);
            if self.out.is_empty() {
                self.out = BytesMut::new();
            }
        }
        if self.unflushed {
            match Pin::new(&mut self.stream).poll_flush(cx) {
                Poll::Ready(flushed) => flushed?,
                Poll::Pending => {
                    self.stalled.get_or_insert_with(Instant::now);
                    return Poll::Pending;
                }
            }
            self.unflushed = false;
            self.stalled = None;
        }
        Poll::Ready(Ok(()))
    }

    /// Since when the client takes nothing of what waits for it, by its socket or its credit.
    pub(super) fn stalled(&self) -> Option<Instant> {
        let unpaid = self.unpaid.map(|(since, _)| since);
        [self.stalled, unpaid].into_iter().flatten().min()
    }

    /// Notes whether all that waits is left for want of credit. Frames that went out since are a sign that the client takes some of it.
    fn look_at_credit(&mut self, session: &Session) {
        let sent = session.frames_sent();
        self.unpaid = match self.unpaid {
            _ if !session.awaits_credit() => None,
            Some((since, before)) if before == sent => Some((since, sent)),
            _ => Some((Instant::now(), sent)),
        };
    }

    /// Ends the stream in order.
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    /// How many bytes are read and dropped behind the end of the stream, until the client has closed too. Within HTTP that is for who carries it.
    pub(super) fn lingers(&self) -> usize {
        if self.form == Form::Long && !self.ended { LINGER_BYTES } else { 0 }
    }

    /// Reads and drops what the client still sends, until it has closed too. A socket that is closed with unread bytes resets the
    /// connection, and the reset may overtake the CLOSE that tells the client why, and when to come back.
    pub(super) fn poll_linger(&mut self, left: &mut usize, cx: &mut Context<'_>) -> Poll<()> {
        let mut scratch = [MaybeUninit::<u8>::uninit(); READ];
        while *left > 0 {
            let mut buffer = ReadBuf::uninit(&mut scratch);
            let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                break;
            }
            *left = left.saturating_sub(buffer.filled().len());
        }
        Poll::Ready(())
    }
}

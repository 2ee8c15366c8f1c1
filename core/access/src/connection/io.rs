//! Bytes between a stream and a session. Buffers live only while they hold something.

use std::{
    io,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, BytesMut};
use paifang_mmtp::{code::CloseCode, greeting::Closing};
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
/// Reads in one turn, so that a client that sends without end leaves room for its own calls.
const READS: usize = 8;

/// See the module.
#[derive(Debug)]
pub(super) struct Io<S> {
    stream: S,
    out: BytesMut,
    /// Written, but perhaps held by the stream.
    unflushed: bool,
    /// Since when the client takes nothing.
    pub(super) stalled: Option<Instant>,
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
                    let now = shared.now();
                    let mut state = shared.lock();
                    state.session.receive(read, now);
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
            if self.out.is_empty() && !shared.lock().session.poll_transmit(&mut self.out, WRITE) {
                break;
            }
            let written = match Pin::new(&mut self.stream).poll_write(cx, &self.out) {
                Poll::Ready(written) => written?,
                Poll::Pending => {
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

    /// Ends the stream in order, within `deadline`.
    pub(super) async fn shutdown(mut self, deadline: Duration) {
        let shutdown = std::future::poll_fn(|cx| {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            Poll::Ready(Ok::<_, io::Error>(()))
        });
        // There is nobody left to tell.
        let _ = tokio::time::timeout(deadline, shutdown).await;
    }
}

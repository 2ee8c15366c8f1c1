//! An end of a simulated connection, as a byte stream.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::path::{Path, Wait};

/// One end of a connection over a simulated path.
///
/// It reads and writes as a TCP stream does: a write takes what fits into the path's window and then waits; after the
/// other end has shut down, reads end once all has arrived; after a reset, reads give what had arrived and then
/// fail with `ConnectionReset`, and so do writes. Dropping it closes the connection as closing a socket does.
#[derive(Debug)]
pub struct End {
    path: Arc<Path>,
    side: usize,
    finished: bool,
    reading: Timer,
    writing: Timer,
}

impl End {
    pub(super) fn new(path: Arc<Path>, side: usize) -> Self {
        Self { path, side, finished: false, reading: Timer(None), writing: Timer(None) }
    }

    /// The next bytes that have arrived, `most` at most; none are the end of the stream.
    pub(super) fn poll_take(
        &mut self,
        cx: &mut Context<'_>,
        most: usize,
    ) -> Poll<io::Result<Bytes>> {
        loop {
            match self.path.read(self.side, most, cx) {
                Wait::Done(done) => return Poll::Ready(done),
                Wait::Until(at) => ready!(self.reading.poll(at, cx)),
            }
        }
    }

    /// How many bytes may be written, once any may be.
    pub(super) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<usize> {
        self.path.poll_room(self.side, cx)
    }
}

impl AsyncRead for End {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let data = ready!(self.poll_take(cx, buffer.remaining()))?;
        buffer.put_slice(&data);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for End {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.finished {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        loop {
            match self.path.write(self.side, data, cx) {
                Wait::Done(done) => return Poll::Ready(done),
                Wait::Until(at) => ready!(self.writing.poll(at, cx)),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !std::mem::replace(&mut self.finished, true) {
            self.path.finish(self.side);
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.path.leave(self.side, self.finished);
    }
}

/// A timer that is made when it is first needed.
#[derive(Debug)]
struct Timer(Option<Pin<Box<Sleep>>>);

impl Timer {
    /// Ready at `at`; never without one, for the waker that the path keeps is woken then.
    fn poll(&mut self, at: Option<Instant>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(at) = at else { return Poll::Pending };
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if sleep.deadline() != at {
            sleep.as_mut().reset(at);
        }
        sleep.as_mut().poll(cx)
    }
}

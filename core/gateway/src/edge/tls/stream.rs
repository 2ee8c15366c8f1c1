//! A server's TLS stream over rustls' unbuffered session: an idle connection holds no buffer, and what the client sends before the
//! handshake has ended can be read before.
//!
//! Bytes from the socket go into a buffer of the thread ([`Buffer`]), are decrypted there, and what is left of an unfinished record is
//! kept in as many bytes as it has. Writing seals into such a buffer, and keeps what the socket doesn't take. Nothing new is
//! taken from a writer while that waits, so that a slow reader holds back whoever writes to it.

use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep};
use tokio_rustls::rustls::server::UnbufferedServerConnection;
use tokio_rustls::rustls::unbuffered::{ConnectionState, UnbufferedStatus};
use tokio_rustls::rustls::{self, CommonState, ServerConfig};

use super::buffers::Buffer;
use super::session::{Seal, Sink, Waiting, feed};

/// A TLS connection's server side over `IO`.
pub(in crate::edge) struct TlsStream<IO> {
    io: IO,
    session: UnbufferedServerConnection,
    /// Read and not decrypted: the beginning of a record.
    undecrypted: Vec<u8>,
    /// Decrypted and not yet read.
    plain: Waiting,
    /// Sealed and not taken by the socket.
    unsent: Waiting,
    /// Who waits for the socket to take it.
    writer: Option<Waker>,
    /// Why nothing more can be read or written. Boxed: a connection that lives has none.
    failed: Option<Box<rustls::Error>>,
    /// The client said that nothing more comes.
    peer_closed: bool,
    /// We said so.
    closed: bool,
    early: Option<Early>,
    /// Early data was accepted.
    had_early: bool,
}

/// What there is while a connection is served before its handshake has ended.
struct Early {
    /// Says that it has.
    ended: watch::Sender<bool>,
    /// Until then it must.
    deadline: Pin<Box<Sleep>>,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> TlsStream<IO> {
    /// Over `io`, of which `first` was read already.
    pub(super) fn new(
        io: IO,
        config: Arc<ServerConfig>,
        first: Vec<u8>,
    ) -> Result<Self, rustls::Error> {
        Ok(Self {
            io,
            session: UnbufferedServerConnection::new(config)?,
            undecrypted: first,
            plain: Waiting::default(),
            unsent: Waiting::default(),
            writer: None,
            failed: None,
            peer_closed: false,
            closed: false,
            early: None,
            had_early: false,
        })
    }

    /// Shakes hands, or until there is early data to be read: see [`Self::serve_early`].
    ///
    /// # Errors
    /// The socket's, the client's departure, and [`io::ErrorKind::InvalidData`] with rustls' error where the client or we broke off;
    /// it has been told then, as far as its socket takes that at once.
    pub(super) async fn handshake(&mut self) -> io::Result<()> {
        poll_fn(|cx| {
            while self.session.is_handshaking() && self.plain.is_empty() {
                ready!(self.poll_input(cx, None))?;
            }
            match self.session.is_handshaking() {
                // Its first bytes are there to be served now; our flight goes out meanwhile.
                true => Poll::Ready(Ok(())),
                // A client of TLS 1.2 waits for its last bytes, and one that takes none is stalled.
                false => Pin::new(&mut *self).poll_flush(cx),
            }
        })
        .await
    }

    /// For a handshake that has not ended: what tells its end. Without it until `deadline`, reading fails.
    pub(in crate::edge) fn serve_early(
        &mut self,
        deadline: Instant,
    ) -> Option<watch::Receiver<bool>> {
        if !self.session.is_handshaking() {
            return None;
        }
        let (ended, end) = watch::channel(false);
        let deadline = Box::pin(tokio::time::sleep_until(deadline));
        self.early = Some(Early { ended, deadline });
        Some(end)
    }

    /// Whether early data was taken.
    pub(in crate::edge) fn had_early_data(&self) -> bool {
        self.had_early
    }

    pub(in crate::edge) fn io(&self) -> &IO {
        &self.io
    }

    pub(in crate::edge) fn session(&self) -> &CommonState {
        &self.session
    }

    /// Reads until there is plaintext, in `buf` where there is one, else waiting; or until the client says that nothing more comes; or until
    /// the handshake ends, where it has not.
    fn poll_input(
        &mut self,
        cx: &mut Context<'_>,
        mut buf: Option<&mut ReadBuf<'_>>,
    ) -> Poll<io::Result<()>> {
        let mut input = Buffer::take();
        let mut range = 0..self.undecrypted.len();
        input[range.clone()].copy_from_slice(&self.undecrypted);
        self.undecrypted = Vec::new();
        let polled = loop {
            match self.step(cx, &mut input, &mut range, buf.as_deref_mut()) {
                Poll::Ready(Ok(true)) => {}
                Poll::Ready(Ok(false)) => break Poll::Ready(Ok(())),
                Poll::Ready(Err(error)) => break Poll::Ready(Err(error)),
                Poll::Pending => break Poll::Pending,
            }
        };
        self.undecrypted = input[range].to_vec();
        polled
    }

    /// Decrypts what `input` holds in `range`, then reads once more unless there is what is waited for: then it is false.
    fn step(
        &mut self,
        cx: &mut Context<'_>,
        input: &mut [u8],
        range: &mut Range<usize>,
        mut buf: Option<&mut ReadBuf<'_>>,
    ) -> Poll<io::Result<bool>> {
        let before = buf.as_ref().map_or(0, |buf| buf.filled().len());
        let handshaking = self.session.is_handshaking();
        let discard = self.feed(&mut input[range.clone()], buf.as_deref_mut(), false);
        range.start += discard;
        let came = !self.plain.is_empty() || buf.is_some_and(|buf| buf.filled().len() > before);
        if !self.unsent.is_empty()
            && let Poll::Ready(sent) = self.poll_send(cx)
        {
            // Who waits to write may be another task than the one that reads.
            if let Some(writer) = self.writer.take() {
                writer.wake();
            }
            if let Err(error) = sent
                && !came
                && self.failed.is_none()
            {
                return Poll::Ready(Err(error));
            }
        }
        let ended = handshaking && !self.session.is_handshaking();
        if ended && let Some(early) = self.early.take() {
            // Those who wait may all have gone.
            let _ = early.ended.send(true);
        }
        if came || self.peer_closed {
            return Poll::Ready(Ok(false));
        }
        if let Some(error) = &self.failed {
            return Poll::Ready(Err(invalid(error)));
        }
        if ended {
            return Poll::Ready(Ok(false));
        }
        if let Some(early) = &mut self.early
            && early.deadline.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        self.poll_fill(cx, input, range).map_ok(|()| true)
    }

    /// Reads once into what `input` has free.
    fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        input: &mut [u8],
        range: &mut Range<usize>,
    ) -> Poll<io::Result<()>> {
        if range.start == range.end {
            *range = 0..0;
        } else if range.end == input.len() {
            input.copy_within(range.clone(), 0);
            *range = 0..range.len();
        }
        if range.end == input.len() {
            // rustls takes messages up to 64 KiB.
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "message too long",
            )));
        }
        let mut free = ReadBuf::new(&mut input[range.end..]);
        ready!(Pin::new(&mut self.io).poll_read(cx, &mut free))?;
        match free.filled().len() {
            // The end is authentic only by a close_notify (RFC 8446 section 6.1).
            0 => Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
            read => {
                range.end += read;
                Poll::Ready(Ok(()))
            }
        }
    }

    /// Feeds the session; returns how many bytes of `input` are done with.
    fn feed(&mut self, input: &mut [u8], buf: Option<&mut ReadBuf<'_>>, all: bool) -> usize {
        if self.failed.is_some() {
            return 0;
        }
        let sink = Sink { buf, rest: &mut self.plain, all };
        let (fed, result) = feed(&mut self.session, input, sink, &mut self.unsent);
        self.had_early |= fed.early;
        self.peer_closed |= fed.peer_closed;
        self.failed = result.err().map(Box::new);
        fed.discard
    }

    /// [`Self::poll_send`] for a writer.
    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = self.poll_send(cx);
        self.writer = polled.is_pending().then(|| cx.waker().clone());
        polled
    }

    /// Sends what waits, to the last byte.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unsent.is_empty() {
            let sent = ready!(Pin::new(&mut self.io).poll_write(cx, self.unsent.as_slice()))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unsent.advance(sent);
        }
        Poll::Ready(Ok(()))
    }

    /// Seals `what` into a buffer: the bytes taken, and the bytes sealed.
    fn seal(&mut self, what: Seal<'_>) -> io::Result<(usize, Buffer, usize)> {
        if self.closed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        // A session says what it has before it seals: what it makes of whole records that nobody has read yet waits for a reader.
        let mut input = std::mem::take(&mut self.undecrypted);
        let discard = self.feed(&mut input, None, true);
        if let Some(error) = &self.failed {
            return Err(invalid(error));
        }
        let UnbufferedStatus { discard: more, state } =
            self.session.process_tls_records(&mut input[discard..]);
        let sealed = match state {
            Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                let mut out = Buffer::take();
                let (taken, sealed) =
                    what.into(&mut traffic, &mut out).map_err(io::Error::other)?;
                Ok((taken, out, sealed))
            }
            // Only streams that may write are handed over, so this is one that was closed.
            _ => Err(io::ErrorKind::NotConnected.into()),
        };
        input.drain(..discard + more);
        self.undecrypted = input;
        sealed
    }

    /// Sends what was sealed; what the socket doesn't take now waits.
    fn put(&mut self, cx: &mut Context<'_>, mut sealed: &[u8]) -> io::Result<()> {
        while self.unsent.is_empty() && !sealed.is_empty() {
            match Pin::new(&mut self.io).poll_write(cx, sealed)? {
                Poll::Ready(0) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(sent) => sealed = &sealed[sent..],
                Poll::Pending => break,
            }
        }
        if !sealed.is_empty() {
            self.unsent.extend(sealed);
            if let Poll::Ready(Err(error)) = self.poll_send(cx) {
                return Err(error);
            }
        }
        Ok(())
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buf.remaining() == 0 || self.plain.read(buf) || self.peer_closed {
            return Poll::Ready(Ok(()));
        }
        // The end of the handshake is no end of the stream.
        let before = buf.filled().len();
        while buf.filled().len() == before && !self.peer_closed {
            if let Err(error) = ready!(self.poll_input(cx, Some(buf))) {
                self.early = None;
                return Poll::Ready(Err(error));
            }
        }
        if self.peer_closed {
            // Who waits for the end of the handshake waits for nothing.
            self.early = None;
        }
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<IO> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_sent(cx))?;
        let (taken, out, sealed) = self.seal(Seal::Data(bufs))?;
        self.put(cx, &out[..sealed])?;
        Poll::Ready(Ok(taken))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_sent(cx))?;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_sent(cx))?;
        // A session that failed, or was never there, closes without a word.
        if !self.closed
            && let Ok((_, out, sealed)) = self.seal(Seal::CloseNotify)
        {
            self.put(cx, &out[..sealed])?;
        }
        self.closed = true;
        ready!(self.poll_sent(cx))?;
        match ready!(Pin::new(&mut self.io).poll_shutdown(cx)) {
            // The client was quicker.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Poll::Ready(Ok(())),
            done => Poll::Ready(done),
        }
    }
}

fn invalid(error: &rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.clone())
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;

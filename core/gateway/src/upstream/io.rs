//! A connection to a server, and the write-behind stream that HTTP/1.1 calls run on.
//!
//! *Writing never waits*: what the socket does not take at once stays in a buffer, and reading
//! pushes it out. So a server that answers while it reads cannot block a call for good: the one
//! task of a call always reads. The buffer's fill is the call's backlog; while it is full no more is
//! taken from the client. Small writes wait for the next read, so head and body leave in one send.

use async_trait::async_trait;
use pingora_core::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl,
    TimingDigest, UniqueID, UniqueIDType, raw_connect::ProxyDigest,
};
use std::{
    fmt, io,
    os::fd::AsRawFd,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

/// A write as long as this goes to the socket without a copy, where nothing is in front of it.
const DIRECT_MIN: usize = 16 << 10;
/// A larger buffer than this is given back once it is empty.
const KEEP_MAX: usize = 128 << 10;

/// A connection, in clear or over TLS.
pub(super) enum Wire {
    Plain(TcpStream),
    /// Boxed: a session is some kilobyte.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Wire {
    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }

    fn writer(&mut self) -> Pin<&mut (dyn AsyncWrite + Unpin)> {
        match self {
            Self::Plain(tcp) => Pin::new(tcp),
            Self::Tls(stream) => Pin::new(&mut **stream),
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.writer().poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.writer().poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer().poll_shutdown(cx)
    }
}

/// What a call and its stream tell each other; the session between them owns the stream.
#[derive(Debug, Default)]
pub(super) struct IoState {
    /// Bytes taken and not on the wire. Its `Arc` is the call's backlog.
    pub(super) pending: Arc<AtomicUsize>,
    /// Bytes put on the wire since the connection began.
    pub(super) sent: AtomicU64,
    /// Bytes received since the connection began.
    pub(super) received: AtomicU64,
    /// A body follows the head at once, or soon: the first read leaves the head where it is, so
    /// that both can leave together.
    pub(super) corked: AtomicBool,
    /// End our half of the connection once everything is on the wire.
    pub(super) end_after: AtomicBool,
    /// Writing has failed; what the server said before may still be read.
    pub(super) broken: AtomicBool,
}

/// The write-behind stream.
pub(super) struct WriteBehind {
    wire: Wire,
    buffer: Vec<u8>,
    /// How much of the buffer is on the wire.
    at: usize,
    /// The wire (TLS) may hold bytes that it has taken and not sent.
    unflushed: bool,
    ended: bool,
    state: Arc<IoState>,
}

impl WriteBehind {
    pub(super) fn new(wire: Wire, state: Arc<IoState>) -> Self {
        Self { wire, buffer: Vec::new(), at: 0, unflushed: false, ended: false, state }
    }

    fn account(&self) {
        let pending = self.buffer.len() - self.at + usize::from(self.unflushed);
        self.state.pending.store(pending, Relaxed);
    }

    fn write(
        &mut self,
        cx: &mut Context<'_>,
        from_buffer: bool,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = if from_buffer {
            self.wire.writer().poll_write(cx, &self.buffer[self.at..])
        } else {
            self.wire.writer().poll_write(cx, data)
        };
        match ready!(written) {
            Ok(0) => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            Ok(count) => {
                self.unflushed = matches!(self.wire, Wire::Tls(_));
                self.state.sent.fetch_add(count as u64, Relaxed);
                Poll::Ready(Ok(count))
            }
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// Puts what is left on the wire; pending while the socket takes no more.
    fn push(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let pushed = self.try_push(cx);
        if let Poll::Ready(Err(_)) = pushed {
            self.state.broken.store(true, Relaxed);
            (self.buffer, self.at, self.unflushed) = (Vec::new(), 0, false);
        }
        self.account();
        pushed
    }

    fn try_push(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.at < self.buffer.len() {
            self.at += ready!(self.write(cx, true, &[]))?;
        }
        self.at = 0;
        if self.buffer.capacity() > KEEP_MAX {
            self.buffer = Vec::new();
        }
        self.buffer.clear();
        if self.unflushed {
            ready!(self.wire.writer().poll_flush(cx))?;
            self.unflushed = false;
        }
        if !self.ended && self.state.end_after.load(Relaxed) {
            ready!(self.wire.writer().poll_shutdown(cx))?;
            self.ended = true;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for WriteBehind {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.state.corked.swap(false, Relaxed) {
            // If nothing is written meanwhile the head goes out alone, at the task's next turn.
            cx.waker().wake_by_ref();
        } else {
            // An error is in the state; the server may have answered before it stopped reading.
            let _ = self.push(cx);
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.wire).poll_read(cx, buf))?;
        let count = buf.filled().len() - before;
        self.state.received.fetch_add(count as u64, Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for WriteBehind {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if buf.len() >= DIRECT_MIN && self.push(cx).is_ready() {
            match self.write(cx, false, buf) {
                Poll::Ready(Ok(count)) => {
                    self.account();
                    return Poll::Ready(Ok(count));
                }
                Poll::Ready(Err(_)) => self.state.broken.store(true, Relaxed),
                Poll::Pending => {}
            }
        }
        if self.state.broken.load(Relaxed) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        self.buffer.extend_from_slice(buf);
        self.account();
        Poll::Ready(Ok(buf.len()))
    }

    /// Ready at once: the next read sends what was written.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.push(cx))?;
        self.wire.writer().poll_shutdown(cx)
    }
}

impl fmt::Debug for WriteBehind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteBehind").field("state", &self.state).finish_non_exhaustive()
    }
}

#[async_trait]
impl Shutdown for WriteBehind {
    /// Nothing: a session that is not kept is dropped, which closes the socket.
    async fn shutdown(&mut self) {}
}

impl UniqueID for WriteBehind {
    fn id(&self) -> UniqueIDType {
        self.wire.tcp().as_raw_fd()
    }
}

impl Ssl for WriteBehind {}

impl GetTimingDigest for WriteBehind {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl GetProxyDigest for WriteBehind {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        None
    }
}

impl GetSocketDigest for WriteBehind {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        None
    }
}

impl Peek for WriteBehind {}

#[cfg(test)]
mod tests {
    //! What is sent when, on a real connection.
    use super::{IoState, Wire, WriteBehind};
    use futures::FutureExt;
    use std::sync::{Arc, atomic::Ordering::Relaxed};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
    };

    async fn pair() -> (WriteBehind, Arc<IoState>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (far, _) = listener.accept().await.unwrap();
        let state = Arc::new(IoState::default());
        (WriteBehind::new(Wire::Plain(near), Arc::clone(&state)), state, far)
    }

    /// One turn of the task that reads.
    fn turn(stream: &mut WriteBehind) {
        assert!(stream.read_u8().now_or_never().is_none());
    }

    #[tokio::test]
    async fn a_head_waits_one_turn_for_its_body() {
        let (mut stream, state, mut far) = pair().await;
        state.corked.store(true, Relaxed);
        stream.write_all(b"head").now_or_never().unwrap().unwrap();
        turn(&mut stream);
        assert_eq!((state.sent.load(Relaxed), state.pending.load(Relaxed)), (0, 4));
        stream.write_all(b"body").now_or_never().unwrap().unwrap();
        turn(&mut stream);
        assert_eq!((state.sent.load(Relaxed), state.pending.load(Relaxed)), (8, 0));
        let mut sent = [0; 8];
        far.read_exact(&mut sent).await.unwrap();
        assert_eq!(&sent, b"headbody");
    }

    #[tokio::test]
    async fn a_corked_stream_wakes_itself() {
        let (mut stream, _, mut far) = pair().await;
        stream.state.corked.store(true, Relaxed);
        stream.write_all(b"x").await.unwrap();
        // Nothing but the stream itself wakes this.
        let reading = tokio::spawn(async move { stream.read_u8().await });
        assert_eq!(far.read_u8().await.unwrap(), b'x');
        far.write_all(b"y").await.unwrap();
        assert_eq!(reading.await.unwrap().unwrap(), b'y');
    }

    #[tokio::test]
    async fn writing_never_waits_and_reading_sends_the_rest() {
        const LENGTH: usize = 32 << 20;
        let (mut stream, state, mut far) = pair().await;
        stream.write_all(&vec![7; LENGTH]).now_or_never().unwrap().unwrap();
        stream.flush().now_or_never().unwrap().unwrap();
        assert!(state.pending.load(Relaxed) > 0);
        let reading = tokio::spawn(async move { stream.read_u8().await });
        let mut received = vec![0; LENGTH];
        far.read_exact(&mut received).await.unwrap();
        assert!(received.iter().all(|&byte| byte == 7));
        assert_eq!((state.pending.load(Relaxed), state.sent.load(Relaxed)), (0, LENGTH as u64));
        drop(far);
        assert!(reading.await.unwrap().is_err());
    }

    #[tokio::test]
    async fn what_was_said_before_a_reset_of_our_writing_is_read() {
        let (mut stream, state, mut far) = pair().await;
        far.write_all(b"no").await.unwrap();
        stream.wire.writer().shutdown().await.unwrap();
        stream.write_all(b"more").await.unwrap();
        let mut said = [0; 2];
        stream.read_exact(&mut said).await.unwrap();
        assert_eq!(&said, b"no");
        assert!(state.broken.load(Relaxed) && state.pending.load(Relaxed) == 0);
        assert!(stream.write_all(b"more").await.is_err());
    }
}

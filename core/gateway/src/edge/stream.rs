//! The stream that a connection is served on: plain or TLS, with all that Pingora's HTTP sessions ask of one,
//! so that `Box::new(stream)` is a `pingora_core::protocols::Stream`.
//! Small first writes are held back for what follows them: see [`Gather`]. Who writes a head whose body will take a while
//! must flush, as with any buffered writer, or read: reading sends what is held.

use std::io::{self, IoSlice};
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use pingora_core::protocols::l4::socket::SocketAddr as PingoraAddr;
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::tls::SslDigest;
use pingora_core::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl,
    TimingDigest, UniqueID, UniqueIDType,
};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;

use super::chunks::ChunkCheck;
use super::gather::Gather;
use super::tls::TlsStream;
use super::transport::{Ahead, Transport};

/// How long [`Shutdown::shutdown`] may take to send what is unsent, and then to wait for the client to close.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(5);
const LINGER_DEADLINE: Duration = Duration::from_secs(1);
/// What a closing connection still reads and drops, at most.
const LINGER_BYTES: usize = 1024 * 1024;
/// What an MMTP connection's socket holds unsent, in bytes: one record's worth.
const MMTP_UNSENT: u32 = 16 * 1024;

/// A client's connection. See the module for how writes are gathered.
pub struct EdgeStream {
    inner: Inner,
    /// What [`Peek::try_peek`] looked at.
    peeked: Ahead,
    gather: Gather,
    /// Where a chunked body is being read. Only its readers lock it; reading itself needs no lock.
    chunks: Mutex<Option<ChunkCheck>>,
    /// For who asks.
    socket: OnceLock<Arc<SocketDigest>>,
    tls: Option<(Arc<SslDigest>, Option<ALPN>)>,
}

enum Inner {
    Plain(Transport),
    /// Boxed: a session is some kilobyte, and a plain connection shouldn't pay for it.
    Tls(Box<TlsStream<Transport>>),
}

impl EdgeStream {
    /// A plain connection whose first bytes were read already: they are read again from here.
    pub fn plain(tcp: TcpStream, ahead: Bytes) -> Self {
        Self::new(Inner::Plain(Transport::new(tcp, ahead)), None)
    }

    /// A TLS connection that may be served. `digest` is for Pingora's sessions.
    pub(super) fn tls(stream: TlsStream<Transport>, digest: SslDigest) -> Self {
        let alpn = match stream.session().alpn_protocol() {
            Some(b"h2") => Some(ALPN::H2),
            Some(b"http/1.1") => Some(ALPN::H1),
            _ => None,
        };
        Self::new(Inner::Tls(Box::new(stream)), Some((Arc::new(digest), alpn)))
    }

    fn new(inner: Inner, tls: Option<(Arc<SslDigest>, Option<ALPN>)>) -> Self {
        let (peeked, gather, chunks) = (Ahead::default(), Gather::new(), Mutex::new(None));
        Self { inner, peeked, gather, chunks, socket: OnceLock::new(), tls }
    }

    /// Says that more is about to be written: while corked, flushes do nothing, and small writes are held together. Reading
    /// and shutting down send them all the same.
    pub fn set_corked(&self, corked: bool) {
        self.gather.set_corked(corked);
    }

    /// Whether closing resets the connection instead of ending it in order, and drops what is unsent. A client that
    /// tells the end of an answer by the end of the connection (HTTP/1.0) sees by a reset that it is cut.
    pub fn reset_on_close(&self, reset: bool) {
        let linger = reset.then_some(Duration::ZERO);
        // It fails only for a connection that is broken already.
        let _ = SockRef::from(self.tcp()).set_linger(linger);
    }

    /// From here on the connection carries MMTP. The kernel takes no more than a record's worth that it can't send yet
    /// (`TCP_NOTSENT_LOWAT`, tcp(7)): what is urgent is then written behind that at most, not behind all that its buffer would hold.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn carry_mmtp(&self) -> io::Result<()> {
        SockRef::from(self.tcp()).set_tcp_notsent_lowat(MMTP_UNSENT)
    }

    #[cfg(test)]
    pub(super) fn unsent_bound(&self) -> io::Result<u32> {
        SockRef::from(self.tcp()).tcp_notsent_lowat()
    }

    /// Has everything that is read from here on looked at by `check`, or by nobody.
    pub fn check_chunks(&self, check: Option<ChunkCheck>) {
        *self.chunks.lock() = check;
    }

    /// What was seen of a chunked body, where one is looked at.
    pub fn chunks(&self) -> Option<ChunkCheck> {
        *self.chunks.lock()
    }

    fn tcp(&self) -> &TcpStream {
        match &self.inner {
            Inner::Plain(transport) => transport.tcp(),
            Inner::Tls(stream) => stream.io().tcp(),
        }
    }

    /// Reads and drops what the client still sends. A socket closed with unread bytes resets the connection, and
    /// the reset overtakes the response on its way (RFC 9112 section 9.6).
    async fn linger(&self) {
        let tcp = self.tcp();
        let mut left = LINGER_BYTES;
        while left > 0 && tcp.readable().await.is_ok() {
            let mut sink = [0; 8192];
            match tcp.try_read(&mut sink) {
                Ok(0) => return,
                Ok(read) => left = left.saturating_sub(read),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }
}

impl Inner {
    fn writer(&mut self) -> Pin<&mut (dyn AsyncWrite + Unpin)> {
        match self {
            Self::Plain(transport) => Pin::new(transport),
            Self::Tls(stream) => Pin::new(&mut **stream),
        }
    }
}

fn socket_digest(tcp: &TcpStream) -> SocketDigest {
    let digest = SocketDigest::from_raw_fd(tcp.as_raw_fd());
    // Set now: later the descriptor may be another connection's.
    let _ = digest.peer_addr.set(tcp.peer_addr().ok().map(PingoraAddr::Inet));
    let _ = digest.local_addr.set(tcp.local_addr().ok().map(PingoraAddr::Inet));
    digest
}

impl AsyncRead for EdgeStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { inner, gather, peeked, chunks, .. } = &mut *self;
        // What the other side will say may depend on it. When the socket is full, reading goes on all the same.
        if let Poll::Ready(Err(error)) = gather.poll_push(inner.writer(), cx) {
            return Poll::Ready(Err(error));
        }
        if peeked.read(buf) {
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let read = match inner {
            Inner::Plain(transport) => Pin::new(transport).poll_read(cx, buf),
            Inner::Tls(stream) => Pin::new(&mut **stream).poll_read(cx, buf),
        };
        if let Some(check) = chunks.get_mut() {
            check.saw(&buf.filled()[before..]);
        }
        read
    }
}

impl AsyncWrite for EdgeStream {
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
        let Self { inner, gather, .. } = &mut *self;
        gather.poll_write(inner.writer(), cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { inner, gather, .. } = &mut *self;
        gather.poll_flush(inner.writer(), cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { inner, gather, .. } = &mut *self;
        ready!(gather.poll_push(inner.writer(), cx))?;
        ready!(inner.writer().poll_flush(cx))?;
        inner.writer().poll_shutdown(cx)
    }
}

#[async_trait]
impl Shutdown for EdgeStream {
    /// Sends what is unsent and the end of the stream, then waits a moment for the client to close.
    async fn shutdown(&mut self) {
        let sent = tokio::time::timeout(SHUTDOWN_DEADLINE, AsyncWriteExt::shutdown(self)).await;
        if let Ok(Ok(())) = sent {
            // Either way the connection is at its end; there is nobody left to tell.
            let _ = tokio::time::timeout(LINGER_DEADLINE, self.linger()).await;
        }
    }
}

#[async_trait]
impl Peek for EdgeStream {
    async fn try_peek(&mut self, buf: &mut [u8]) -> io::Result<bool> {
        self.read_exact(buf).await?;
        let mut peeked = BytesMut::from(&*buf);
        peeked.extend_from_slice(self.peeked.as_slice());
        self.peeked = Ahead::new(peeked.freeze());
        Ok(true)
    }
}

impl UniqueID for EdgeStream {
    fn id(&self) -> UniqueIDType {
        self.tcp().as_raw_fd()
    }
}

impl Ssl for EdgeStream {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.tls.as_ref().map(|(digest, _)| Arc::clone(digest))
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.tls.as_ref().and_then(|(_, alpn)| alpn.clone())
    }
}

impl GetTimingDigest for EdgeStream {
    /// Empty: a session asks for it at every request, and the times are in [`ConnInfo`](super::ConnInfo).
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl GetProxyDigest for EdgeStream {
    /// None: that is about proxies on the way to an upstream.
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        None
    }
}

impl GetSocketDigest for EdgeStream {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        let socket = self.socket.get_or_init(|| Arc::new(socket_digest(self.tcp())));
        Some(Arc::clone(socket))
    }
}

impl std::fmt::Debug for EdgeStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EdgeStream")
            .field("fd", &self.id())
            .field("tls", &self.tls.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;

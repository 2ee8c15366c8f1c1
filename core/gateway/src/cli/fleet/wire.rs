//! Bytes that pass a connection, counted below TLS.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A byte stream of any kind.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// Bytes up and down; TLS is in them, headers of TCP and IP are not.
#[derive(Debug, Default)]
pub(super) struct Wire {
    up: AtomicU64,
    down: AtomicU64,
}

/// Bytes at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Bytes {
    pub(super) up: u64,
    pub(super) down: u64,
}

impl Bytes {
    pub(super) fn since(self, earlier: Self) -> Self {
        Self { up: self.up - earlier.up, down: self.down - earlier.down }
    }

    pub(super) fn add(&mut self, more: Self) {
        self.up += more.up;
        self.down += more.down;
    }
}

impl Wire {
    pub(super) fn now(&self) -> Bytes {
        Bytes { up: self.up.load(Relaxed), down: self.down.load(Relaxed) }
    }
}

/// A stream whose bytes are counted, for its connection and for the fleet.
pub(super) struct Counted<S> {
    inner: S,
    own: Arc<Wire>,
    all: Arc<Wire>,
}

impl<S> Counted<S> {
    pub(super) fn new(inner: S, own: Arc<Wire>, all: Arc<Wire>) -> Self {
        Self { inner, own, all }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buffer))?;
        let count = (buffer.filled().len() - before) as u64;
        self.own.down.fetch_add(count, Relaxed);
        self.all.down.fetch_add(count, Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let count = ready!(Pin::new(&mut self.inner).poll_write(cx, data))?;
        self.own.up.fetch_add(count as u64, Relaxed);
        self.all.up.fetch_add(count as u64, Relaxed);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

//! A TCP connection with the bytes that were read ahead of whoever reads it next: what follows a PROXY header, or
//! what told HTTP/2 from HTTP/1.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Reads `ahead` first, then the connection. Writes go straight to the connection.
#[derive(Debug)]
pub(super) struct Transport {
    tcp: TcpStream,
    ahead: Ahead,
}

/// Bytes that were read before whoever reads them came. Boxed: a connection has none for nearly all of its life.
#[derive(Debug, Default)]
pub(super) struct Ahead(Option<Box<Bytes>>);

impl Ahead {
    pub(super) fn new(bytes: Bytes) -> Self {
        Self((!bytes.is_empty()).then(|| Box::new(bytes)))
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        self.0.as_deref().map_or(&[], |bytes| bytes)
    }

    /// Moves what fits into `buf`; false when there is nothing.
    pub(super) fn read(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let Some(bytes) = &mut self.0 else { return false };
        let length = bytes.len().min(buf.remaining());
        buf.put_slice(&bytes[..length]);
        bytes.advance(length);
        if bytes.is_empty() {
            self.0 = None;
        }
        true
    }
}

impl Transport {
    pub(super) fn new(tcp: TcpStream, ahead: Bytes) -> Self {
        Self { tcp, ahead: Ahead::new(ahead) }
    }

    pub(super) fn tcp(&self) -> &TcpStream {
        &self.tcp
    }
}

impl AsyncRead for Transport {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ahead.read(buf) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.tcp).poll_read(cx, buf)
    }
}

impl AsyncWrite for Transport {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

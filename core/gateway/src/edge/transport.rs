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
    ahead: Bytes,
}

impl Transport {
    pub(super) fn new(tcp: TcpStream, ahead: Bytes) -> Self {
        Self { tcp, ahead }
    }

    pub(super) fn tcp(&self) -> &TcpStream {
        &self.tcp
    }
}

/// Moves what fits from `ahead` into `buf`; false when there is nothing ahead.
pub(super) fn read_ahead(ahead: &mut Bytes, buf: &mut ReadBuf<'_>) -> bool {
    if ahead.is_empty() {
        return false;
    }
    let length = ahead.len().min(buf.remaining());
    buf.put_slice(&ahead[..length]);
    ahead.advance(length);
    if ahead.is_empty() {
        // The connection may live for hours; its first bytes should not.
        *ahead = Bytes::new();
    }
    true
}

impl AsyncRead for Transport {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if read_ahead(&mut self.ahead, buf) {
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

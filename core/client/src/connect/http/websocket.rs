//! WebSocket as a stream of bytes.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes, BytesMut};
use paifang_mmtp::web;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::{NotMmtp, head, malformed};
use crate::connect::{EarlyData, Wire};

/// Bytes of one read.
const READ: usize = 8 * 1024;
/// Bytes that are held before they must be written.
const OUT: usize = 32 * 1024;

/// WebSocket over a stream, past its handshake: what is written goes as binary messages, what such hold is read.
#[derive(Debug)]
pub struct WebSocket<S> {
    stream: S,
    frames: web::WebSocket,
    out: BytesMut,
    payload: BytesMut,
    /// The server has closed.
    ended: bool,
    closed: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// Asks a server of HTTP/1.1 for WebSocket. `host` is its name, with the port where it is none of the scheme's own; `random` is new for
    /// each.
    ///
    /// # Errors
    /// When the server refuses ([`NotMmtp`]), or answers by other rules.
    pub async fn connect(
        mut stream: S,
        host: &str,
        path: &str,
        random: &[u8; 16],
    ) -> io::Result<Self> {
        let key = web::key(random);
        let ask = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\
             Sec-WebSocket-Protocol: {}\r\n\r\n",
            web::SUBPROTOCOL
        );
        stream.write_all(ask.as_bytes()).await?;
        stream.flush().await?;
        let mut input = BytesMut::new();
        let head = loop {
            if stream.read_buf(&mut input).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Some(head) = head::take(&mut input)? {
                break head;
            }
        };
        if head.status != 101 {
            return Err(NotMmtp { status: head.status }.into());
        }
        if head.accept.as_deref() != Some(web::accept(key.as_bytes()).as_bytes())
            || !head.subprotocol
        {
            return Err(malformed("the server has accepted something else"));
        }
        let frames = web::WebSocket::new(web::Side::Client);
        let (out, payload) = (BytesMut::new(), BytesMut::new());
        let mut socket = Self { stream, frames, out, payload, ended: false, closed: false };
        // What came right behind the head is frames.
        socket.receive(input.freeze())?;
        poll_fn(|cx| socket.poll_out(cx)).await?;
        Ok(socket)
    }

    fn receive(&mut self, bytes: Bytes) -> io::Result<()> {
        let received = self.frames.receive(bytes, &mut self.payload);
        self.out.extend_from_slice(&self.frames.take_output());
        match received {
            Ok(open) => {
                self.ended |= !open;
                Ok(())
            }
            Err(broken) => Err(io::Error::new(io::ErrorKind::InvalidData, broken)),
        }
    }

    fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.out.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.out))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.out.advance(written);
        }
        // An idle connection keeps no buffer.
        self.out = BytesMut::new();
        Pin::new(&mut self.stream).poll_flush(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for WebSocket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            if !self.payload.is_empty() {
                let length = self.payload.len().min(buf.remaining());
                buf.put_slice(&self.payload[..length]);
                self.payload.advance(length);
                if self.payload.is_empty() {
                    self.payload = BytesMut::new();
                }
                return Poll::Ready(Ok(()));
            }
            if self.ended {
                return Poll::Ready(Ok(()));
            }
            let mut space = [0; READ];
            let mut read = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read))?;
            if read.filled().is_empty() {
                self.ended = true;
                return Poll::Ready(Ok(()));
            }
            let received = self.receive(Bytes::copy_from_slice(read.filled()));
            // What answers it, a pong or a close, goes now as far as it can, the rest with what is written next.
            if let Poll::Ready(Err(error)) = self.poll_out(cx) {
                return Poll::Ready(Err(error));
            }
            received?;
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for WebSocket<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.out.len() >= OUT {
            ready!(self.poll_out(cx))?;
        }
        let length = bytes.len().min(web::MAX_MESSAGE);
        self.frames.send(Bytes::copy_from_slice(&bytes[..length]));
        let output = self.frames.take_output();
        self.out.extend_from_slice(&output);
        Poll::Ready(Ok(length))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_out(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.closed {
            self.closed = true;
            self.frames.close();
            let output = self.frames.take_output();
            self.out.extend_from_slice(&output);
        }
        ready!(self.poll_out(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl<S: Wire> Wire for WebSocket<S> {
    fn early_data(&self) -> EarlyData {
        self.stream.early_data()
    }
}

//! The short form: what is written is the body of a POST, what is read that of its answer.

use std::{
    io::{self, Write},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use paifang_mmtp::web;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{NotMmtp, chunks::Body, head, malformed};
use crate::connect::{EarlyData, Wire};

/// A request that is whole before it has so many bytes says its length, so that the server knows its end when it begins to answer, and can keep
/// the connection: HELLO, and all that may be sent without credit.
const WHOLE: usize = 96 * 1024;
/// Bytes that are held of others before they must be written.
const OUT: usize = 32 * 1024;
/// Bytes of one read.
const READ: usize = 8 * 1024;

/// A POST over a stream, and the next one over the same when its answer has come ([`Wire::again`]). The end of writing (`poll_shutdown`) is the end of the request alone; what is written behind it is dropped, for
/// nobody would read it. The answer's head is read with its first bytes: one that is no MMTP fails with [`NotMmtp`].
#[derive(Debug)]
pub struct Post<S> {
    stream: S,
    /// The head of each request, but for how its body is framed.
    head: Bytes,
    /// Before the request has begun its body, then what waits to be written.
    out: BytesMut,
    begun: bool,
    ended: bool,
    input: BytesMut,
    /// Once the head was read.
    body: Option<Body>,
    /// The server keeps the connection.
    keeps: bool,
    /// There was another request before this one.
    reused: bool,
}

impl<S> Post<S> {
    /// Of a stream to a server of HTTP/1.1. `host` is its name, with the port where it is none of the scheme's own.
    #[must_use]
    pub fn new(stream: S, host: &str, path: &str) -> Self {
        let mut head = BytesMut::new();
        for part in [
            "POST ",
            path,
            " HTTP/1.1\r\nHost: ",
            host,
            "\r\nContent-Type: ",
            web::MEDIA_TYPE,
            "\r\nAccept: ",
            web::MEDIA_TYPE,
            "\r\n",
        ] {
            head.extend_from_slice(part.as_bytes());
        }
        Self::with(stream, head.freeze(), false)
    }

    fn with(stream: S, head: Bytes, reused: bool) -> Self {
        let (out, input) = (BytesMut::new(), BytesMut::new());
        let (begun, ended, keeps) = (false, false, false);
        Self { stream, head, out, begun, ended, input, body: None, keeps, reused }
    }

    /// Begins the request. `whole`: what is held is its body.
    fn begin(&mut self, whole: bool) -> io::Result<()> {
        let held = std::mem::replace(&mut self.out, BytesMut::from(&self.head[..]));
        self.begun = true;
        if whole {
            write!((&mut self.out).writer(), "Content-Length: {}\r\n\r\n", held.len())?;
            self.out.extend_from_slice(&held);
            return Ok(());
        }
        self.out.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
        if held.is_empty() { Ok(()) } else { self.put(&held) }
    }

    /// A chunk.
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        write!((&mut self.out).writer(), "{:x}\r\n", bytes.len())?;
        self.out.extend_from_slice(bytes);
        self.out.extend_from_slice(b"\r\n");
        Ok(())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Post<S> {
    fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.out.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.out))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.out.advance(written);
        }
        self.out = BytesMut::new();
        Poll::Ready(Ok(()))
    }

    /// Takes from `input` what it has for the reader; true when that was something, or the end.
    fn take(&mut self, buf: &mut ReadBuf<'_>) -> io::Result<bool> {
        let body = match &mut self.body {
            Some(body) => body,
            None => {
                let Some(head) = head::take(&mut self.input)? else { return Ok(false) };
                if head.status != 200 || !head.is_mmtp {
                    return Err(NotMmtp { status: head.status }.into());
                }
                self.keeps = head.keeps;
                self.body.insert(Body::new(head.framing))
            }
        };
        let length = body.ready(&mut self.input)?.min(buf.remaining());
        buf.put_slice(&self.input[..length]);
        self.input.advance(length);
        body.took(length);
        Ok(length > 0 || *body == Body::Ended)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Post<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            if self.take(buf)? {
                return Poll::Ready(Ok(()));
            }
            let Self { stream, input, .. } = &mut *self;
            input.reserve(READ);
            // What the buffer is given is what it has room for.
            let mut space = [0; READ];
            let mut read = ReadBuf::new(&mut space);
            ready!(Pin::new(stream).poll_read(cx, &mut read))?;
            if read.filled().is_empty() {
                return Poll::Ready(match self.body {
                    Some(body) if body.may_end() => Ok(()),
                    Some(_) => Err(malformed("the answer breaks off")),
                    None => Err(io::ErrorKind::UnexpectedEof.into()),
                });
            }
            input.put_slice(read.filled());
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Post<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.ended || bytes.is_empty() {
            return Poll::Ready(Ok(bytes.len()));
        }
        if !self.begun && self.out.len() + bytes.len() <= WHOLE {
            self.out.extend_from_slice(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        if !self.begun {
            self.begin(false)?;
        }
        if self.out.len() >= OUT {
            ready!(self.poll_out(cx))?;
        }
        self.put(bytes)?;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.begun {
            self.begin(false)?;
        }
        ready!(self.poll_out(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.ended {
            self.ended = true;
            if self.begun {
                self.out.extend_from_slice(b"0\r\n\r\n");
            } else {
                self.begin(true)?;
            }
        }
        // The stream itself stays open: a server would take its end for the client's going.
        self.poll_flush(cx)
    }
}

impl<S: Wire> Wire for Post<S> {
    fn early_data(&self) -> EarlyData {
        if self.reused { EarlyData::None } else { self.stream.early_data() }
    }

    fn again(self: Box<Self>) -> Option<Box<dyn Wire>> {
        let Self { stream, head, out, ended, input, body, keeps, .. } = *self;
        let over = ended && out.is_empty() && input.is_empty() && body == Some(Body::Ended);
        (over && keeps).then(|| Box::new(Self::with(stream, head, true)) as _)
    }
}

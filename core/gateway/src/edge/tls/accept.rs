//! From a socket to a TLS stream that can be served.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::buffers::Buffer;
use super::hello::{self, First, Hello};
use super::{TlsConfig, TlsStream, Turns};

/// Read at once before the ClientHello is whole, at most, in bytes.
const READ_MAX: usize = 16 * 1024;

/// Shakes hands with who connected on `io`, until the connection can be served: at the end of the handshake, or when early data is there.
///
/// # Errors
/// Those of the socket, and of [`io::ErrorKind::InvalidData`] where the handshake was broken off.
pub(in crate::edge) async fn accept<IO: AsyncRead + AsyncWrite + Unpin>(
    tls: &TlsConfig,
    turns: &Turns,
    mut io: IO,
) -> io::Result<(TlsStream<IO>, Hello)> {
    let mut first = Vec::new();
    let hello = loop {
        match hello::read(&first) {
            First::Hello(hello) => break Some(hello),
            First::Unreadable => break None,
            First::Incomplete => poll_fn(|cx| poll_more(&mut io, cx, &mut first)).await?,
        }
    };
    let config = Arc::clone(tls.server(hello.as_ref()));
    let mut stream = TlsStream::new(io, config, first).map_err(io::Error::other)?;
    {
        let mut handshake = pin!(stream.handshake());
        match turns.poll(handshake.as_mut()).await {
            Poll::Ready(shaken) => shaken?,
            Poll::Pending => handshake.await?,
        }
    }
    // Otherwise a client that only rustls understands would be served without its facts.
    let hello = hello.ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, "a ClientHello in too many or too large pieces")
    })?;
    Ok((stream, hello))
}

/// Reads once, and adds it to `first`.
fn poll_more<IO: AsyncRead + Unpin>(
    io: &mut IO,
    cx: &mut Context<'_>,
    first: &mut Vec<u8>,
) -> Poll<io::Result<()>> {
    let mut buffer = Buffer::take();
    let mut read = ReadBuf::new(&mut buffer[..READ_MAX]);
    ready!(Pin::new(io).poll_read(cx, &mut read))?;
    if read.filled().is_empty() {
        return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
    }
    first.extend_from_slice(read.filled());
    Poll::Ready(Ok(()))
}

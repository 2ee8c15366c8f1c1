//! Between the far end of a link and a stream to a real server.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::end::End;

/// The most that is read from the server at once, on the stack: an idle connection holds no buffer.
const PIECE: usize = 8 * 1024;

/// Moves bytes between `far` and `server`, both ways, until both have ended.
///
/// # Errors
///
/// What reading or writing either of them gives; then the other is dropped too.
pub async fn relay<S>(mut far: End, mut server: S) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut up = Up::default();
    let mut down = Down::Open;
    poll_fn(|cx| {
        let sent = up.poll(&mut far, &mut server, cx)?;
        let came = down.poll(&mut far, &mut server, cx)?;
        if sent.is_ready() && came.is_ready() { Poll::Ready(Ok(())) } else { Poll::Pending }
    })
    .await
}

/// What the client sent and the server has not taken.
#[derive(Default)]
struct Up {
    left: Bytes,
    ended: bool,
    closed: bool,
}

impl Up {
    fn poll<S: AsyncWrite + Unpin>(
        &mut self,
        far: &mut End,
        server: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let mut server = Pin::new(server);
        while !self.ended {
            if self.left.is_empty() {
                let Poll::Ready(data) = far.poll_take(cx, usize::MAX)? else {
                    ready!(server.as_mut().poll_flush(cx))?;
                    return Poll::Pending;
                };
                self.ended = data.is_empty();
                self.left = data;
            } else {
                let count = ready!(server.as_mut().poll_write(cx, &self.left))?;
                if count == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                self.left.advance(count);
            }
        }
        if !self.closed {
            ready!(server.poll_shutdown(cx))?;
            self.closed = true;
        }
        Poll::Ready(Ok(()))
    }
}

/// Whether the server still sends.
enum Down {
    Open,
    Ended,
}

impl Down {
    fn poll<S: AsyncRead + Unpin>(
        &mut self,
        far: &mut End,
        server: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let mut piece = [0; PIECE];
        while let Self::Open = self {
            let room = ready!(far.poll_room(cx)).min(PIECE);
            let mut buffer = ReadBuf::new(&mut piece[..room]);
            ready!(Pin::new(&mut *server).poll_read(cx, &mut buffer))?;
            if buffer.filled().is_empty() {
                ready!(Pin::new(&mut *far).poll_shutdown(cx))?;
                *self = Self::Ended;
            } else {
                // There was room, and nobody else writes here: all of it is taken.
                let _taken = ready!(Pin::new(&mut *far).poll_write(cx, buffer.filled()))?;
            }
        }
        Poll::Ready(Ok(()))
    }
}

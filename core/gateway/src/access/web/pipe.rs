//! A stream of bytes whose other end is in the same task: what an HTTP call's door gives and takes by the piece, read and written as a
//! stream. It keeps one piece that came, and a bounded buffer of what goes, which lives only while it holds something.

use bytes::{Buf, Bytes, BytesMut};
use parking_lot::Mutex;
use std::{
    future::poll_fn,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that may wait to be taken out.
const OUT: usize = 16 * 1024;

#[derive(Debug, Default)]
struct State {
    input: Bytes,
    /// Nothing more comes; and whether that is the order of things.
    ended: Option<Result<(), io::ErrorKind>>,
    out: BytesMut,
    /// What waits in `out` is to be taken out now.
    flushed: bool,
    shut: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
    pump: Option<Waker>,
}

impl State {
    fn wake(waker: &mut Option<Waker>) {
        if let Some(waker) = waker.take() {
            waker.wake();
        }
    }
}

/// The end that is a stream.
#[derive(Debug)]
pub(super) struct Stream(Arc<Mutex<State>>);

/// The end that is handed pieces.
#[derive(Debug)]
pub(super) struct Pieces(Arc<Mutex<State>>);

/// Both ends.
pub(super) fn pipe() -> (Stream, Pieces) {
    let state = Arc::default();
    (Stream(Arc::clone(&state)), Pieces(state))
}

impl Pieces {
    /// Whether the piece before was read, and more may come.
    pub(super) fn has_room(&self) -> bool {
        let state = self.0.lock();
        state.input.is_empty() && state.ended.is_none()
    }

    /// Waits until [`Self::has_room`], or for ever when nothing more may come. Cancel-safe.
    pub(super) async fn room(&self) {
        poll_fn(|cx| {
            let mut state = self.0.lock();
            if state.input.is_empty() && state.ended.is_none() {
                return Poll::Ready(());
            }
            state.pump = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Hands a piece on. There must be room.
    pub(super) fn put(&self, piece: Bytes) {
        let mut state = self.0.lock();
        state.input = piece;
        State::wake(&mut state.reader);
    }

    /// Nothing more comes. With an error what waits is not read any more.
    pub(super) fn end(&self, how: Result<(), io::ErrorKind>) {
        let mut state = self.0.lock();
        if how.is_err() {
            state.input = Bytes::new();
        }
        state.ended.get_or_insert(how);
        State::wake(&mut state.reader);
    }

    /// The next bytes that were written and flushed; `None` at their end. Cancel-safe.
    pub(super) async fn next(&self) -> Option<Bytes> {
        poll_fn(|cx| {
            let mut state = self.0.lock();
            let due = state.flushed || state.shut || state.out.len() >= OUT;
            if due && !state.out.is_empty() {
                state.flushed = false;
                State::wake(&mut state.writer);
                return Poll::Ready(Some(std::mem::take(&mut state.out).freeze()));
            }
            if state.shut {
                return Poll::Ready(None);
            }
            state.pump = Some(cx.waker().clone());
            Poll::Pending
        })
        .await
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.0.lock();
        if !state.input.is_empty() {
            let length = state.input.len().min(buf.remaining());
            buf.put_slice(&state.input[..length]);
            state.input.advance(length);
            if state.input.is_empty() {
                state.input = Bytes::new();
                State::wake(&mut state.pump);
            }
            return Poll::Ready(Ok(()));
        }
        match state.ended {
            Some(Ok(())) => Poll::Ready(Ok(())),
            Some(Err(kind)) => Poll::Ready(Err(kind.into())),
            None => {
                state.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.0.lock();
        let room = OUT.saturating_sub(state.out.len()).min(bytes.len());
        if room == 0 && !bytes.is_empty() {
            state.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        state.out.extend_from_slice(&bytes[..room]);
        if state.out.len() >= OUT {
            State::wake(&mut state.pump);
        }
        Poll::Ready(Ok(room))
    }

    /// Ready at once: what waits is bounded, and who takes it out too slowly stops what is written next.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.0.lock();
        state.flushed = !state.out.is_empty();
        State::wake(&mut state.pump);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.0.lock();
        state.shut = true;
        State::wake(&mut state.pump);
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn pieces_are_read_as_a_stream_and_what_is_flushed_comes_out() {
        let (mut stream, pieces) = pipe();
        pieces.room().await;
        pieces.put("abc".into());
        assert!(!pieces.has_room());
        let mut two = [0; 2];
        stream.read_exact(&mut two).await.unwrap();
        assert!(!pieces.has_room());
        stream.read_exact(&mut two[..1]).await.unwrap();
        assert!(pieces.has_room());
        stream.write_all(b"one").await.unwrap();
        stream.write_all(b"two").await.unwrap();
        stream.flush().await.unwrap();
        assert_eq!(pieces.next().await.unwrap(), "onetwo");
        // What is not flushed waits, until there is much of it or no more.
        stream.write_all(&[0; OUT]).await.unwrap();
        assert_eq!(pieces.next().await.unwrap().len(), OUT);
        stream.write_all(b"end").await.unwrap();
        stream.shutdown().await.unwrap();
        assert_eq!(pieces.next().await.unwrap(), "end");
        assert_eq!(pieces.next().await, None);
        pieces.end(Ok(()));
        assert_eq!(stream.read(&mut two).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn a_failure_is_read_and_what_was_before_it_is_not() {
        let (mut stream, pieces) = pipe();
        pieces.put("lost".into());
        pieces.end(Err(io::ErrorKind::TimedOut));
        pieces.end(Ok(()));
        let error = stream.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_writer_waits_for_who_takes_out() {
        let (mut stream, pieces) = pipe();
        let write = async move {
            stream.write_all(&vec![1; 3 * OUT]).await.unwrap();
            stream.shutdown().await.unwrap();
        };
        let take = async {
            let mut taken = 0;
            while let Some(bytes) = pieces.next().await {
                assert!(bytes.len() <= OUT);
                taken += bytes.len();
            }
            taken
        };
        let ((), taken) = tokio::join!(write, take);
        assert_eq!(taken, 3 * OUT);
    }
}

//! Gathering a response's head and body into one write.
//!
//! They come as two writes; sent apart they cost two system calls, and under TLS two records. So the first
//! write after a flush, if small, is held, and goes out with the next write, or at the next flush. Only one
//! write is ever held: a second one sends both, so nothing is delayed for longer than its writer wants.
//!
//! Whoever begins to wait for the other side first sends what is held. And a writer that knows that more
//! follows at once may *cork* the stream: then flushes wait, and several small writes are held together.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use smallvec::SmallVec;
use tokio::io::AsyncWrite;

/// The longest write that is held, in bytes: most heads fit, and a copy of this size is cheaper than a system call.
pub(super) const HOLD_MAX: usize = 4096;

/// So much room the first held write gets, in bytes.
const HELD_MIN: usize = 1024;

/// Slices of one write, so that none is allocated for: the held one and seven more.
const SLICES: usize = 8;

type Writer<'w> = Pin<&'w mut (dyn AsyncWrite + Unpin)>;

/// The write that is held, if one is.
#[derive(Debug)]
pub(super) struct Gather {
    held: Vec<u8>,
    /// Whether the next write may be held: none came since the last flush.
    may_hold: bool,
    /// Set from behind a shared reference, which is all that a session gives of its stream.
    corked: AtomicBool,
}

impl Gather {
    pub(super) fn new() -> Self {
        Self { held: Vec::new(), may_hold: true, corked: AtomicBool::new(false) }
    }

    /// While corked, flushes do nothing and small writes are held together, up to [`HOLD_MAX`] bytes.
    pub(super) fn set_corked(&self, corked: bool) {
        self.corked.store(corked, Relaxed);
    }

    /// Holds `bufs`, or writes what is held and then `bufs`. Ready with the count of bytes taken from `bufs`.
    pub(super) fn poll_write(
        &mut self,
        writer: Writer<'_>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.hold(bufs) {
            Some(length) => Poll::Ready(Ok(length)),
            None => self.poll_send(writer, cx, bufs),
        }
    }

    /// Writes what is held, if there is something. For whoever begins to read: what it waits for may depend on it.
    pub(super) fn poll_push(
        &mut self,
        mut writer: Writer<'_>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if self.held.is_empty() {
            return Poll::Ready(Ok(()));
        }
        ready!(self.poll_send(writer.as_mut(), cx, &[]))?;
        writer.poll_flush(cx)
    }

    /// Writes what is held, and flushes `writer`; nothing of it while corked.
    pub(super) fn poll_flush(
        &mut self,
        mut writer: Writer<'_>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if self.corked.load(Relaxed) {
            return Poll::Ready(Ok(()));
        }
        ready!(self.poll_send(writer.as_mut(), cx, &[]))?;
        ready!(writer.poll_flush(cx))?;
        self.may_hold = true;
        Poll::Ready(Ok(()))
    }

    /// Takes the first write after a flush, and while corked those that follow, if they are small.
    fn hold(&mut self, bufs: &[IoSlice<'_>]) -> Option<usize> {
        if !std::mem::take(&mut self.may_hold) && !self.corked.load(Relaxed) {
            return None;
        }
        let length: usize = bufs.iter().map(|buf| buf.len()).sum();
        if length == 0 || length > HOLD_MAX.saturating_sub(self.held.len()) {
            return None;
        }
        if self.held.is_empty() {
            // The body that follows the head often fits, too.
            self.held.reserve_exact(length.max(HELD_MIN));
        }
        bufs.iter().for_each(|buf| self.held.extend_from_slice(buf));
        Some(length)
    }

    fn poll_send(
        &mut self,
        mut writer: Writer<'_>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        while !self.held.is_empty() {
            let sent = ready!(self.poll_send_held(writer.as_mut(), cx, bufs))?;
            match sent.checked_sub(self.held.len()) {
                _ if sent == 0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                None => drop(self.held.drain(..sent)),
                Some(taken) => {
                    // Freed: the connection may now idle for long.
                    self.held = Vec::new();
                    if taken > 0 {
                        return Poll::Ready(Ok(taken));
                    }
                }
            }
        }
        match bufs {
            [] => Poll::Ready(Ok(0)),
            [one] => writer.poll_write(cx, one),
            many => writer.poll_write_vectored(cx, many),
        }
    }

    /// One gathered write; ready with the count of bytes sent, those held first.
    fn poll_send_held(
        &self,
        writer: Writer<'_>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut slices: SmallVec<[IoSlice<'_>; SLICES]> = SmallVec::new();
        slices.push(IoSlice::new(&self.held));
        // The caller comes back with the rest.
        slices.extend(bufs.iter().take(SLICES - 1).copied());
        writer.poll_write_vectored(cx, &slices)
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> &[u8] {
        &self.held
    }
}

#[cfg(test)]
#[path = "gather_tests.rs"]
mod tests;

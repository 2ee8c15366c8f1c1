//! What is held, what is sent, and when.
#![allow(clippy::unwrap_used)]

use std::task::Waker;

use proptest::prelude::*;

use super::*;

/// Takes as many bytes per call as told, in turns; 0 is "not now".
struct Narrow {
    taken: Vec<u8>,
    calls: usize,
    widths: Vec<usize>,
}

impl Narrow {
    fn new(widths: Vec<usize>) -> Self {
        Self { taken: Vec::new(), calls: 0, widths }
    }
}

impl AsyncWrite for Narrow {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let width = self.widths[self.calls % self.widths.len()];
        self.calls += 1;
        if width == 0 {
            return Poll::Pending;
        }
        let bytes: Vec<u8> = bufs.iter().flat_map(|buf| buf.iter().copied()).collect();
        let taken = width.min(bytes.len());
        self.taken.extend_from_slice(&bytes[..taken]);
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn context() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

/// Writes all of `parts` as `write_all` would; they are gathered if several.
fn write(gather: &mut Gather, writer: &mut Narrow, parts: &[&[u8]]) {
    let mut slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
    let mut left = &mut slices[..];
    IoSlice::advance_slices(&mut left, 0);
    while !left.is_empty() {
        if let Poll::Ready(taken) = gather.poll_write(Pin::new(writer), &mut context(), left) {
            let taken = taken.unwrap();
            assert_ne!(taken, 0, "`write_all` would take that for a closed stream");
            IoSlice::advance_slices(&mut left, taken);
        }
    }
}

fn flush(gather: &mut Gather, writer: &mut Narrow) {
    while gather.poll_flush(Pin::new(writer), &mut context()).is_pending() {}
}

#[test]
fn only_the_first_small_write_after_a_flush_is_held() {
    let (mut gather, mut writer) = (Gather::new(), Narrow::new(vec![usize::MAX]));
    write(&mut gather, &mut writer, &[b"head"]);
    assert_eq!((gather.held(), writer.calls), (&b"head"[..], 0));
    write(&mut gather, &mut writer, &[b"body"]);
    assert_eq!((&writer.taken[..], writer.calls), (&b"headbody"[..], 1));
    write(&mut gather, &mut writer, &[b"more"]);
    assert_eq!((&writer.taken[..], writer.calls), (&b"headbodymore"[..], 2));
    flush(&mut gather, &mut writer);
    write(&mut gather, &mut writer, &[b"ne", b"xt"]);
    assert_eq!((gather.held(), writer.calls), (&b"next"[..], 2));
    flush(&mut gather, &mut writer);
    assert_eq!((&writer.taken[12..], writer.calls), (&b"next"[..], 3));
}

#[test]
fn while_corked_small_writes_are_held_together_and_flushes_wait() {
    let (mut gather, mut writer) = (Gather::new(), Narrow::new(vec![usize::MAX]));
    gather.set_corked(true);
    write(&mut gather, &mut writer, &[b"head"]);
    flush(&mut gather, &mut writer);
    write(&mut gather, &mut writer, &[b"1", b"a"]);
    assert_eq!((gather.held(), writer.calls), (&b"head1a"[..], 0));
    gather.set_corked(false);
    write(&mut gather, &mut writer, &[b"0"]);
    flush(&mut gather, &mut writer);
    assert_eq!((&writer.taken[..], writer.calls), (&b"head1a0"[..], 1));
    // What does not fit goes out with all that was held.
    gather.set_corked(true);
    write(&mut gather, &mut writer, &[&[7; HOLD_MAX]]);
    write(&mut gather, &mut writer, &[b"8"]);
    assert_eq!((writer.taken.len(), writer.calls, gather.held().len()), (7 + HOLD_MAX + 1, 2, 0));
}

#[test]
fn a_reader_pushes_what_is_held_even_while_corked() {
    let (mut gather, mut writer) = (Gather::new(), Narrow::new(vec![usize::MAX]));
    gather.set_corked(true);
    write(&mut gather, &mut writer, &[b"head"]);
    assert!(gather.poll_push(Pin::new(&mut writer), &mut context()).is_ready());
    assert_eq!((&writer.taken[..], writer.calls), (&b"head"[..], 1));
    assert!(gather.poll_push(Pin::new(&mut writer), &mut context()).is_ready());
    assert_eq!(writer.calls, 1, "there is nothing to push");
}

#[test]
fn a_large_first_write_is_not_copied() {
    let (mut gather, mut writer) = (Gather::new(), Narrow::new(vec![usize::MAX]));
    write(&mut gather, &mut writer, &[&[7; HOLD_MAX + 1]]);
    assert_eq!((gather.held.capacity(), writer.calls), (0, 1));
    flush(&mut gather, &mut writer);
    write(&mut gather, &mut writer, &[&[7; HOLD_MAX]]);
    assert_eq!((gather.held().len(), writer.calls), (HOLD_MAX, 1));
}

#[test]
fn a_writer_that_takes_nothing_is_an_error() {
    struct Closed;
    impl AsyncWrite for Closed {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(0))
        }
        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }
    let mut gather = Gather::new();
    let written = gather.poll_write(Pin::new(&mut Closed), &mut context(), &[IoSlice::new(b"x")]);
    assert!(matches!(written, Poll::Ready(Ok(1))), "held");
    let Poll::Ready(Err(error)) = gather.poll_flush(Pin::new(&mut Closed), &mut context()) else {
        panic!("no error")
    };
    assert_eq!(error.kind(), io::ErrorKind::WriteZero);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..Default::default() })]

    /// Whatever is written in whatever pieces, to a writer that takes whatever it likes, arrives once and in order;
    /// after a flush nothing is left.
    #[test]
    fn every_byte_arrives_in_order(
        steps in proptest::collection::vec(
            proptest::option::weighted(0.7, proptest::collection::vec(0usize..3000, 1..12)),
            0..12,
        ),
        mut widths in proptest::collection::vec(0usize..2000, 1..5),
    ) {
        widths.push(1);
        let (mut gather, mut writer) = (Gather::new(), Narrow::new(widths));
        let mut expected = Vec::new();
        for step in steps {
            match step {
                None => {
                    flush(&mut gather, &mut writer);
                    prop_assert!(writer.taken == expected && gather.held().is_empty());
                }
                Some(lengths) => {
                    let mut parts = Vec::new();
                    for length in lengths {
                        let from = expected.len();
                        expected.extend((from..from + length).map(|at| (at % 251) as u8));
                        parts.push(expected[from..].to_vec());
                    }
                    let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
                    write(&mut gather, &mut writer, &parts);
                }
            }
        }
        flush(&mut gather, &mut writer);
        prop_assert!(writer.taken == expected);
    }
}

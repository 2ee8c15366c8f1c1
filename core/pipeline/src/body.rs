//! Bodies, in pieces and whole.

use bytes::{Bytes, BytesMut};
use http::HeaderMap;

/// One piece of a body on its way. Steps may change it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frame {
    /// Bytes of the body; may be empty.
    pub data: Bytes,
    /// Whether the body ends here. A step may add data to the last frame, never take its end away.
    pub end: bool,
    /// Trailers; only on the last frame.
    pub trailers: Option<Box<HeaderMap>>,
}

impl Frame {
    /// Data with more to come.
    #[must_use]
    pub fn data(data: Bytes) -> Self {
        Self { data, end: false, trailers: None }
    }

    /// The end, with or without last bytes.
    #[must_use]
    pub fn last(data: Bytes) -> Self {
        Self { data, end: true, trailers: None }
    }
}

/// A body that a step has needed whole.
#[derive(Debug, Clone, Default)]
pub(crate) struct WholeBody {
    pub(crate) data: Bytes,
    pub(crate) trailers: Option<Box<HeaderMap>>,
    /// Steps above this index have seen the body (or left it); those from it on have not.
    pub(crate) position: usize,
}

/// Collects frames into one buffer, up to a limit. One frame alone is kept without a copy.
#[derive(Debug, Default)]
pub(crate) struct Collector {
    first: Bytes,
    rest: BytesMut,
    trailers: Option<Box<HeaderMap>>,
}

/// A body outgrew its limit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

impl Collector {
    pub(crate) fn push(&mut self, frame: Frame, limit: usize) -> Result<(), TooLarge> {
        if frame.data.len() > limit.saturating_sub(self.len()) {
            return Err(TooLarge);
        }
        if frame.trailers.is_some() {
            self.trailers = frame.trailers;
        }
        if frame.data.is_empty() {
            return Ok(());
        }
        if self.len() == 0 {
            self.first = frame.data;
            return Ok(());
        }
        if self.rest.is_empty() {
            self.rest.extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.rest.extend_from_slice(&frame.data);
        Ok(())
    }

    pub(crate) fn len(&self) -> usize {
        self.first.len() + self.rest.len()
    }

    pub(crate) fn finish(self, position: usize) -> WholeBody {
        let data = if self.rest.is_empty() { self.first } else { self.rest.freeze() };
        WholeBody { data, trailers: self.trailers, position }
    }
}

#[cfg(test)]
mod tests {
    //! The collector's limit and its joining.
    use super::{Collector, Frame, TooLarge};
    use bytes::Bytes;

    #[test]
    fn collects_up_to_the_limit_and_not_a_byte_more() {
        let mut body = Collector::default();
        assert_eq!(body.push(Frame::data(Bytes::from_static(b"abc")), 5), Ok(()));
        assert_eq!(body.push(Frame::data(Bytes::from_static(b"de")), 5), Ok(()));
        assert_eq!(body.push(Frame::data(Bytes::from_static(b"f")), 5), Err(TooLarge));
        assert_eq!(&body.finish(0).data[..], b"abcde");
    }

    #[test]
    fn one_frame_is_kept_without_a_copy() {
        let data = Bytes::from_static(b"whole");
        let mut body = Collector::default();
        body.push(Frame::last(data.clone()), 5).unwrap_or_else(|_| unreachable!());
        assert_eq!(body.finish(0).data.as_ptr(), data.as_ptr());
    }
}

//! How fast frames may come: the generic cell rate algorithm (ITU-T I.371, annex A) on the session's own time.

use super::Millis;
use crate::frame::Frame;

/// A frame that carries so many bytes of data is bounded by credit, and is not counted.
const WEIGHTY: usize = 1024;
const NANOS_OF_MILLI: u64 = 1_000_000;

/// How many frames may come in a second, and how many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameRate {
    /// Nanoseconds between two frames at the rate.
    increment: u64,
    /// Nanoseconds that a burst may be ahead of it.
    tolerance: u64,
}

impl FrameRate {
    /// `per_second` frames, `burst` of them at once; 0 counts as 1.
    #[must_use]
    pub const fn new(per_second: u32, burst: u32) -> Self {
        let per_second = if per_second == 0 { 1 } else { per_second };
        Self::every(1_000_000_000_u64.div_ceil(per_second as u64), burst)
    }

    /// One frame every so many nanoseconds, `burst` of them at once.
    #[must_use]
    pub const fn every(nanos: u64, burst: u32) -> Self {
        let ahead = burst.saturating_sub(1) as u64;
        Self { increment: nanos, tolerance: nanos.saturating_mul(ahead) }
    }
}

/// Where one side's frames stand against their rate.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    /// When the next frame would come if all had come at exactly the rate, in nanoseconds.
    next: u64,
}

impl Pace {
    /// Counts a frame; false when it came too fast.
    pub(super) fn take(&mut self, rate: FrameRate, now: Millis) -> bool {
        let now = now.0.saturating_mul(NANOS_OF_MILLI);
        let next = self.next.max(now);
        if next - now > rate.tolerance {
            return false;
        }
        self.next = next.saturating_add(rate.increment);
        true
    }
}

/// Whether a frame counts: all but those that carry much.
pub(super) fn counts(frame: &Frame<'_>) -> bool {
    match frame {
        Frame::Request { part, .. }
        | Frame::Response { part, .. }
        | Frame::Data(part)
        | Frame::Message(part)
        | Frame::Delivery(part) => part.data.len() < WEIGHTY,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(rate: FrameRate, times: impl IntoIterator<Item = u64>) -> usize {
        let mut pace = Pace::default();
        times.into_iter().filter(|now| pace.take(rate, Millis(*now))).count()
    }

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let rate = FrameRate::new(100, 20);
        assert_eq!(passed(rate, std::iter::repeat_n(5, 100)), 20);
        // At the rate all pass; at twice the rate half of those behind the burst.
        assert_eq!(passed(rate, (0..1000).map(|index| index * 10)), 1000);
        assert_eq!(passed(rate, (0..1000).map(|index| index * 5)), 20 + 499);
        // Rates above one frame a millisecond are as exact.
        assert_eq!(passed(FrameRate::new(4000, 1), (0..1000).flat_map(|now| [now; 8])), 1000);
        assert_eq!(passed(FrameRate::new(4000, 4), (0..1000).flat_map(|now| [now; 8])), 4000);
    }

    #[test]
    fn the_ends_of_all_ranges_overflow_nothing() {
        for rate in [FrameRate::new(0, 0), FrameRate::new(1, u32::MAX), FrameRate::new(u32::MAX, 1)]
        {
            let mut pace = Pace::default();
            assert!(pace.take(rate, Millis(0)));
            assert!(pace.take(rate, Millis(u64::MAX)));
            pace.take(rate, Millis(0));
        }
    }
}
